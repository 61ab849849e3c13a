//! A person decides: what one is asked, what their answer means, and what the client is told meanwhile.
//!
//! Policies only say that a person is to decide and why; all else is the same for every policy and stands here. Who is asked, and how
//! an answer comes back, is the gateway's.

use std::time::Duration;

use lockgate_core::content::ToolCall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::cut;
use crate::run::{Run, Ticket};
use crate::target::is_shell;
use crate::verdict::{BlockVerdict, CallVerdict, Finding, Query, Question, Reply};

/// How people are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// How long an answer is waited for, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub wait_s: u32,
    /// What becomes of what nobody decided in time.
    pub without_answer: WithoutAnswer,
    /// Whether words in the answer say that a call waits, and how to let it go. Where they would break the answer there are none.
    pub announce: bool,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { wait_s: 120, without_answer: WithoutAnswer::default(), announce: true }
    }
}

/// What becomes of what nobody decided in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithoutAnswer {
    /// It passes, and the client is told that nobody has decided.
    Pass,
    /// It is refused.
    #[default]
    Refuse,
}

/// A question to a person. Its texts are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The arguments of the held call.
    pub arguments: Option<String>,
    /// The program that calls.
    pub client: Option<String>,
    /// The name of the caller's key.
    pub key: Option<String>,
    /// The model as the client asked for it.
    pub model: String,
    /// Which of the questions about its call it is.
    pub number: u32,
    /// The policy that asks.
    pub policy: String,
    /// Why.
    pub reason: String,
    /// The rule inside the policy.
    pub rule: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The tool that the model wants to call; `None` = it is about the request.
    pub tool: Option<String>,
    /// Who the key belongs to.
    pub user: Option<String>,
}

impl Approval {
    /// The id of the question in the gateway.
    pub fn id(&self, call: &str) -> String {
        format!("{call}.{}", self.number)
    }

    /// Whether an answer to one question holds for another one: the same policy and rule ask, of the same key, about the same call.
    pub fn is_like(&self, other: &Self) -> bool {
        self.policy == other.policy
            && self.rule == other.rule
            && self.tool == other.tool
            && self.key == other.key
            && match (&self.arguments, &other.arguments) {
                // What nobody saw to its end was not agreed to.
                (Some(one), Some(_)) if one.ends_with(CUT) => false,
                (Some(one), Some(other)) => {
                    let shell = self.tool.as_deref().is_some_and(is_shell);
                    what_matters(one, shell) == what_matters(other, shell)
                }
                (None, None) => self.reason == other.reason,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// A question to a person that is open.
pub(crate) struct Asked {
    /// What the client is to be told if it takes long.
    announcement: Option<String>,
    finding: Finding,
    ticket: Ticket,
}

/// So many bytes of arguments are shown to a person; who cannot see all of it should not decide on it.
const SHOWN: usize = 64 * 1024;

/// Behind arguments that are longer than that.
const CUT: &str = "\n… (cut off here)";

/// The arguments as a person sees them.
fn seen(arguments: String) -> String {
    if arguments.len() <= SHOWN { arguments } else { cut(&arguments, SHOWN).to_owned() + CUT }
}

/// Members of the arguments of a tool that runs shell commands which say something about the command and are not run.
const ASIDE: [&str; 4] = ["description", "explanation", "justification", "timeout"];

/// Arguments without what changes nothing. Only of tools that run shell commands is known what that is: elsewhere a description may be
/// what is done.
fn what_matters(arguments: &str, shell: bool) -> Value {
    let mut value: Value =
        serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
    if let Some(members) = value.as_object_mut().filter(|_| shell) {
        members.retain(|name, _| !ASIDE.contains(&name.as_str()));
    }
    value
}

/// The last signs of an id are enough for a person.
fn short(id: &str) -> &str {
    let number = id.rfind('.').unwrap_or(id.len());
    &id[id.floor_char_boundary(number.saturating_sub(8))..]
}

impl Run {
    /// Asks a person.
    pub(crate) fn ask_person(&mut self, ticket: Ticket, call: Option<&ToolCall>, finding: Finding) {
        let mask = &self.manner.mask;
        let approval = Approval {
            arguments: call.map(|call| seen(mask(&call.arguments))),
            client: self.facts.client.clone(),
            key: self.facts.key.clone(),
            model: self.facts.model.clone(),
            number: self.questions,
            policy: self.name(ticket.member).to_owned(),
            reason: mask(&finding.reason),
            rule: finding.rule.clone(),
            session: self.facts.session.clone(),
            tool: call.map(|call| call.name.clone()),
            user: self.facts.user.clone(),
        };
        self.questions += 1;
        let Approvals { announce, wait_s, without_answer } = self.manner.approvals;
        let announcement = (announce && self.may_add() && call.is_some()).then(|| {
            let id = approval.id(&self.facts.id);
            announcement(&approval, short(&id), wait_s, without_answer)
        });
        let deadline = Duration::from_secs(wait_s.into());
        self.asked.push((ticket, Question { deadline, query: Query::Person(Box::new(approval)) }));
        self.persons.push(Asked { announcement, finding, ticket });
    }

    /// What the client is to be told of people who have not answered yet; each is told once.
    pub(crate) fn take_announcements(&mut self) -> Vec<String> {
        self.persons.iter_mut().filter_map(|asked| asked.announcement.take()).collect()
    }

    /// What a person was asked with a question, if one was.
    pub(crate) fn take_person(&mut self, ticket: Ticket) -> Option<Finding> {
        let at = self.persons.iter().position(|asked| asked.ticket == ticket)?;
        Some(self.persons.remove(at).finding)
    }

    /// What an answer about a tool call or a text means.
    pub(crate) fn decided(&self, finding: Finding, reply: Reply) -> BlockVerdict {
        match self.meaning(finding, reply) {
            Meaning::Agreed(finding) => BlockVerdict::Annotate(finding),
            Meaning::Declined(finding) => BlockVerdict::Refuse(finding),
            Meaning::Unanswered(finding) => BlockVerdict::Warn(finding),
        }
    }

    /// What an answer about the request means.
    pub(crate) fn decided_call(&self, finding: Finding, reply: Reply) -> CallVerdict {
        match self.meaning(finding, reply) {
            Meaning::Agreed(finding) | Meaning::Unanswered(finding) => CallVerdict::Annotate(finding),
            Meaning::Declined(finding) => CallVerdict::Refuse(finding),
        }
    }

    fn meaning(&self, finding: Finding, reply: Reply) -> Meaning {
        let reason = finding.reason.trim_end_matches('.').to_owned();
        let with = |words: String| Finding { reason: words, ..finding };
        let why = match reply {
            Reply::Person { agreed, by, words } => {
                let by = by.unwrap_or_else(|| "a person".into());
                let words =
                    words.map(|words| format!(": {}", words.trim_end_matches('.'))).unwrap_or_default();
                return if agreed {
                    Meaning::Agreed(with(format!("{by} agreed{words} ({reason})")))
                } else {
                    Meaning::Declined(with(format!("{reason}; {by} declined{words}")))
                };
            }
            Reply::None(failure) => failure.message,
            Reply::Answer { .. } | Reply::Model { .. } | Reply::Text(_) => {
                "the answer was none of a person".into()
            }
        };
        match self.manner.approvals.without_answer {
            WithoutAnswer::Pass => Meaning::Unanswered(with(format!("{reason}; nobody decided ({why})"))),
            WithoutAnswer::Refuse => Meaning::Declined(with(format!("{reason}; nobody decided ({why})"))),
        }
    }
}

enum Meaning {
    Agreed(Finding),
    Declined(Finding),
    /// Nobody answered, and it passes.
    Unanswered(Finding),
}

fn announcement(approval: &Approval, id: &str, wait_s: u32, without: WithoutAnswer) -> String {
    let tool = approval.tool.as_deref().unwrap_or_default();
    let reason = cut(approval.reason.trim_end_matches('.'), 400);
    let time = match wait_s {
        120.. if wait_s.is_multiple_of(60) => format!("{} minutes", wait_s / 60),
        _ => format!("{wait_s} seconds"),
    };
    let becomes = match without {
        WithoutAnswer::Pass => "passes",
        WithoutAnswer::Refuse => "is refused",
    };
    format!(
        "[Lockgate] The call of the tool `{tool}` waits for a person, as the policy `{}` asks: {reason}. \
         `lockgate policy approve {id}` lets it go, `lockgate policy deny {id}` refuses it; without an answer it {becomes} after {time}.",
        approval.policy
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval(arguments: &str) -> Approval {
        Approval {
            arguments: Some(arguments.into()),
            client: None,
            key: Some("ann".into()),
            model: "m".into(),
            number: 0,
            policy: "shell_guard".into(),
            reason: "it pushes".into(),
            rule: Some("git".into()),
            session: None,
            tool: Some("Bash".into()),
            user: None,
        }
    }

    #[test]
    fn an_answer_holds_for_the_same_call_described_otherwise_and_for_no_other() {
        let one = approval(r#"{"command":"git push -f","description":"Push"}"#);
        assert!(one.is_like(&approval(r#"{"description":"Push again","command":"git push -f"}"#)));
        assert!(!one.is_like(&approval(r#"{"command":"git push -f origin main","description":"Push"}"#)));
        let other = |change: fn(&mut Approval)| {
            let mut other = one.clone();
            change(&mut other);
            one.is_like(&other)
        };
        assert!(!other(|it| it.rule = Some("destructive".into())));
        assert!(!other(|it| it.key = None));
        assert!(!other(|it| it.tool = Some("exec".into())));
        assert!(!other(|it| it.policy = "rules".into()));
        let long = approval(&seen(format!("{{\"command\":\"{}\"}}", "x".repeat(SHOWN))));
        assert!(!long.is_like(&long), "what a person saw only in part is asked about each time");
    }

    #[test]
    fn a_description_that_is_what_a_tool_does_is_asked_about_again() {
        let of = |arguments: &str| Approval {
            tool: Some("mcp__jira__create_issue".into()),
            ..approval(arguments)
        };
        let one = of(r#"{"project":"OPS","description":"harmless"}"#);
        assert!(one.is_like(&of(r#"{"description":"harmless","project":"OPS"}"#)));
        for name in ASIDE {
            let with = |value: &str| of(&format!(r#"{{"project":"OPS","{name}":"{value}"}}"#));
            assert!(!with("harmless").is_like(&with("the password is")), "{name}");
        }
    }

    #[test]
    fn a_person_types_only_the_end_of_an_id() {
        assert_eq!(short("019abcde-0000-7000-8000-0123456789ab.12"), "456789ab.12");
        assert_eq!(short("1.0"), "1.0");
    }
}
