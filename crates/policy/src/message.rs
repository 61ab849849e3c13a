//! What a client is told in place of what was refused, and beside what it is warned of. Readable, bounded, without secrets.

use lockgate_core::content::ToolCall;

use crate::run::Run;
use crate::verdict::Finding;

/// The message in place of what was refused, unless the configuration has another.
pub const DEFAULT: &str =
    "[Lockgate] {what} was refused by the policy `{policy}`: {reason}.{arguments}{link}";

/// So many bytes of arguments are shown.
const ARGUMENTS: usize = 600;

/// So many bytes of a reason are shown.
const REASON: usize = 1_000;

/// What is refused, where it is no tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request.
    Request,
    /// Words of the answer.
    Words,
}

/// Who refuses what, and why.
pub(crate) struct About<'a> {
    pub(crate) call: Option<&'a ToolCall>,
    pub(crate) finding: &'a Finding,
    pub(crate) link: Option<&'a str>,
    pub(crate) mask: &'a (dyn Fn(&str) -> String + Send + Sync),
    pub(crate) policy: &'a str,
}

impl About<'_> {
    /// The message in place of what was refused: the tool call, or what `otherwise` says.
    pub(crate) fn refused(&self, template: &str, otherwise: Refused) -> String {
        let (tool, what) = match (self.call, otherwise) {
            (Some(call), _) => (&*call.name, format!("The call of the tool `{}`", call.name)),
            (None, Refused::Request) => ("", "This request".to_owned()),
            (None, Refused::Words) => ("", "A part of this answer".to_owned()),
        };
        // A sentence about a tool says nothing of anything else.
        let of_tools = template.contains("{tool}") && !template.contains("{what}");
        let template = if self.call.is_none() && of_tools { DEFAULT } else { template };
        let arguments = self.call.map(|call| (self.mask)(&pretty(&call.arguments))).unwrap_or_default();
        let arguments = match cut(&arguments, ARGUMENTS) {
            "" | "{}" => String::new(),
            shown if shown.len() < arguments.len() => format!("\n\n{}\n…", indented(shown)),
            shown => format!("\n\n{}", indented(shown)),
        };
        let link = self.link.map(|link| format!("\n\nRecord: {link}")).unwrap_or_default();
        filled(
            template,
            &[
                ("tool", tool),
                ("what", &what),
                ("policy", self.policy),
                ("reason", &self.reason()),
                ("arguments", &arguments),
                ("link", &link),
            ],
        )
    }

    /// What the model is told when it is asked again.
    pub(crate) fn feedback(&self) -> String {
        let (what, then) = match self.call {
            Some(_) => ("This tool call was not run", "Do what you were asked to in another way"),
            None => ("The answer was held back", "Give another one"),
        };
        format!(
            "{what}: it was refused by the policy `{}`: {}. {then}, or say why it cannot be done.",
            self.policy,
            self.reason()
        )
    }

    /// The message beside what passes with a warning.
    pub(crate) fn warning(&self) -> String {
        let what = self.call.map(|call| format!(" about the call of `{}`", call.name)).unwrap_or_default();
        format!("[Lockgate] The policy `{}` warns{what}: {}.", self.policy, self.reason())
    }

    fn reason(&self) -> String {
        cut(&(self.mask)(self.finding.reason.trim_end_matches('.')), REASON).to_owned()
    }
}

impl Run {
    /// Where a person finds the record of the call.
    pub(crate) fn link(&self) -> Option<String> {
        self.manner.link.as_ref().map(|link| link.replace("{id}", &self.facts.id))
    }

    /// What the client is told in place of what a policy refuses.
    pub(crate) fn refused(
        &self,
        (at, call): (usize, Option<&ToolCall>),
        otherwise: Refused,
        finding: &Finding,
    ) -> String {
        let link = self.link();
        let about = About { link: link.as_deref(), ..self.about(at, call, finding) };
        about.refused(&self.manner.message, otherwise)
    }
}

/// The beginning of a text, ended between two characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// JSON laid out for people; what is none stays as it is.
fn pretty(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned())
}

/// A template with its names filled in, each once; what is filled in is not looked into again.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let value = rest.find('}').and_then(|end| {
            values.iter().find(|(name, _)| *name == &rest[1..end]).map(|(_, value)| (end, *value))
        });
        match value {
            Some((end, value)) => {
                out.push_str(value);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// What a template may name.
pub(crate) const NAMES: [&str; 6] = ["arguments", "link", "policy", "reason", "tool", "what"];

/// The first `{name}` of a template that means nothing.
pub fn unknown_name(template: &str) -> Option<&str> {
    template.split('{').skip(1).find_map(|rest| {
        let name = &rest[..rest.find('}')?];
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_name && !NAMES.contains(&name)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use lockgate_core::content::ToolKind;

    use super::*;

    fn about(arguments: &str, template: &str) -> String {
        let call = ToolCall {
            arguments: arguments.into(),
            id: "call_1".into(),
            kind: ToolKind::Function,
            name: "Bash".into(),
            namespace: None,
            seal: None,
        };
        let finding = Finding::because("it would push by force with sk-secret.");
        let mask = |text: &str| text.replace("sk-secret", "«redacted»");
        let about = About {
            call: Some(&call),
            finding: &finding,
            link: Some("http://localhost/c/1"),
            mask: &mask,
            policy: "no-force",
        };
        about.refused(template, Refused::Words)
    }

    fn of_others(template: &str, otherwise: Refused, reason: &str) -> String {
        let finding = Finding::because(reason);
        let mask = |text: &str| text.replace("sk-secret", "«redacted»");
        let link = Some("http://localhost/c/1");
        let about = About { call: None, finding: &finding, link, mask: &mask, policy: "p" };
        about.refused(template, otherwise)
    }

    /// Requirement I8: requests and texts as tool calls.
    #[test]
    fn a_request_and_a_text_are_told_of_as_a_tool_call_is() {
        assert_eq!(
            of_others(DEFAULT, Refused::Request, "it holds sk-secret."),
            "[Lockgate] This request was refused by the policy `p`: it holds «redacted».\n\nRecord: http://localhost/c/1"
        );
        assert_eq!(
            of_others("{policy}|{what}|{reason}|{tool}{what}{arguments}", Refused::Words, "r"),
            "p|A part of this answer|r|A part of this answer"
        );
        let long = of_others("{what} {reason}", Refused::Words, &"ä".repeat(2_000));
        assert!(long.len() < 1_100 && long.ends_with('ä'), "{}", long.len());
    }

    #[test]
    fn a_template_for_tools_alone_is_not_used_for_anything_else() {
        let told = of_others("No {tool} here: {reason}", Refused::Request, "r");
        assert!(told.starts_with("[Lockgate] This request was refused by the policy `p`: r."), "{told}");
        assert_eq!(of_others("No: {reason}", Refused::Request, "r"), "No: r");
    }

    /// Requirement I8: policy, tool, reason, arguments for people, no secrets, where the record is.
    #[test]
    fn a_message_names_policy_tool_and_reason_and_shows_arguments_without_secrets() {
        let message = about(r#"{"command":"git push --force sk-secret"}"#, DEFAULT);
        assert_eq!(
            message,
            "[Lockgate] The call of the tool `Bash` was refused by the policy `no-force`: it would push by force with «redacted».\n\n    \
             {\n      \"command\": \"git push --force «redacted»\"\n    }\n\nRecord: http://localhost/c/1"
        );
    }

    #[test]
    fn arguments_are_cut_between_two_characters() {
        let message = about(&"ä".repeat(5_000), "{arguments}");
        assert!(message.len() < 700 && message.ends_with("ä\n…"), "{message}");
        assert!(about("{}", "{tool}|{arguments}").ends_with("Bash|"));
    }

    #[test]
    fn a_template_is_filled_once_and_its_wrong_names_are_found() {
        assert_eq!(about("{reason}", "{arguments} {x} {"), "\n\n    {reason} {x} {");
        assert_eq!(unknown_name("{tool} {resaon}"), Some("resaon"));
        assert_eq!(unknown_name("{tool} {\"a\": 1} {}"), None);
    }
}
