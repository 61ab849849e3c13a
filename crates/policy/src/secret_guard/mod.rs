//! Secrets: files where they lie, and their values.
//!
//! # What it does
//!
//! Looks for secret files (`.env`, keys, cloud credentials, password stores, browsers' profiles; however their path is spelled) in the
//! arguments of tool calls, in what shell commands read and write, and where a request shows a file: `@path`, `<file path="…">`, headers of
//! tools, search results, diffs. Looks for secret values (keys, tokens, passwords; [which](../redaction.md)) in the words of a request and in the
//! arguments of its earlier tool calls (`requests`), in the results of tools, in the arguments of tool calls and, if you like, in answers. For each
//! place you say what becomes of a finding:
//!
//! | action | what happens |
//! |---|---|
//! | `block` | The request, tool call or text is refused. |
//! | `redact` | A value becomes `«redacted:type:hash8»`, what a secret file holds becomes a note. A tool call that names a secret file is refused. |
//! | `ask` | A person decides. |
//! | `warn` | It passes, and the client is told. |
//! | `note` | It passes, and is in the record. |
//! | `pass` | Nobody looks. |
//!
//! The same secret has the same mask in every turn, so that what a provider has cached stays valid. Arguments of earlier tool calls stay JSON; thoughts
//! and signatures are left as they are. A request that cannot be read is for `on_failure`: refused, by default.
//!
//! # Why
//!
//! A key that a model has read is in the provider's logs, in the next summary, and perhaps in a commit.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - secret_guard:
//!         requests: redact
//!         tool_results: redact
//!         tool_calls: block
//!         also: ["customers/**", "*.dump"]
//!         except: ["certs/dev.pem"]
//! ```
//!
//! # Limits
//!
//! A secret without a shape and without a telling name is not found, nor one in a picture, in a thought, or in an encoding; files are
//! known by their names. Of requests to endpoints that Lockgate only
//! passes on, `prompt`, `input` and messages are looked at, and nothing of bodies that are no JSON. Where `requests` or `tool_results` is `block`, a secret that is in a conversation refuses each
//! later turn of it: go back to before it came in, or begin a new one. An action on answers other than `pass` holds each text until it is
//! complete. `keep_local` sends what holds a secret to a local model, unmasked ([keeping a request local](../POLICIES.md#keeping-a-request-local)), and each later turn of
//! that conversation too.

mod mentions;
mod request;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use lockgate_core::Origin;
use lockgate_core::content::{ToolCall, ToolKind};
use lockgate_redact::Redactor;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::clean::{Clean, Files, Named};
use crate::common::Common;
use crate::paths::{RuleId, SecretPaths, Tier};
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
use crate::target;
use crate::verdict::{BlockVerdict, CallVerdict, EndVerdict, Finding};

use mentions::mentions;

/// What becomes of secrets, by the place where they are found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// In what people, clients and models say in a request.
    pub requests: Action,
    /// In what tools gave back.
    pub tool_results: Action,
    /// In the arguments of tool calls that the model makes.
    pub tool_calls: Action,
    /// In the words of an answer.
    pub answers: Action,
    /// For files that are about security and open nothing by themselves (`auth/`, `infra/`), wherever they are named.
    pub sensitive: Action,
    /// Paths that are secret in addition: `customers/**`, `*.dump`. Components with `*` and `?`; `/**` at the end takes in all below; a leading
    /// `/` holds a path to the root.
    pub also: Vec<String>,
    /// Paths that count as no secret although the list that ships says so.
    pub except: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            requests: Action::Redact,
            tool_results: Action::Redact,
            tool_calls: Action::Block,
            answers: Action::Pass,
            sensitive: Action::Note,
            also: Vec::new(),
            except: Vec::new(),
        }
    }
}

/// What becomes of a finding; of several the last of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nobody looks.
    Pass,
    /// It passes, and is in the record.
    Note,
    /// It passes, and the client is told.
    Warn,
    /// Values are masked; what a secret file holds is taken out; a tool call that names such a file is refused.
    Redact,
    /// The request goes to a local model only, in each later turn too (`requests`, `tool_results` and `sensitive` only).
    KeepLocal,
    /// A person decides.
    Ask,
    /// It is refused.
    Block,
}

impl Action {
    /// Whether what was there before counts in each turn anew.
    fn lasts(self) -> bool {
        match self {
            Self::Block | Self::KeepLocal => true,
            Self::Ask | Self::Note | Self::Pass | Self::Redact | Self::Warn => false,
        }
    }
}

/// The policy.
pub struct SecretGuard(Arc<Inner>);

struct Inner {
    clean: Clean,
    files: Files,
    options: Options,
    paths: SecretPaths,
}

impl SecretGuard {
    /// Makes the options ready; the error says which field is wrong.
    pub fn new(options: Options) -> Result<Self, (&'static str, usize, String)> {
        let paths = paths(&options.also, &options.except)?;
        for (field, action) in [("tool_calls", options.tool_calls), ("answers", options.answers)] {
            if action == Action::KeepLocal {
                let words =
                    "what comes back cannot be kept local: say `keep_local` of `requests` or `tool_results`";
                return Err((field, 0, words.to_owned()));
            }
        }
        Common::warm();
        Ok(Self(Arc::new(Inner { clean: Clean::default(), files: Files::default(), options, paths })))
    }
}

impl Policy for SecretGuard {
    fn judges_requests(&self) -> bool {
        self.needs().conversation
    }

    fn needs(&self) -> Needs {
        let Options { requests, tool_results, tool_calls, answers, .. } = &self.0.options;
        let of_request = [*requests, *tool_results];
        Needs {
            conversation: of_request.iter().any(|action| *action > Action::Pass),
            end: of_request.contains(&Action::Warn),
            request_text: of_request.contains(&Action::Redact),
            text: if *answers > Action::Pass { TextNeed::Whole } else { TextNeed::None },
            tools: *tool_calls > Action::Pass,
        }
    }

    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun> {
        self.open_with(facts, &Common::default())
    }

    fn open_with(&self, _: &CallFacts, common: &Common) -> Box<dyn PolicyRun> {
        Box::new(Guarding {
            common: common.clone(),
            inner: self.0.clone(),
            shown: HashMap::new(),
            warning: None,
        })
    }
}

struct Guarding {
    common: Common,
    inner: Arc<Inner>,
    /// Texts of the request that hold what a secret file holds, with what stands in their place.
    shown: HashMap<String, String>,
    /// What the client is told behind the answer.
    warning: Option<Finding>,
}

/// Something found in a tool call.
struct Hit {
    action: Action,
    finding: Finding,
    /// It is a value, which can be masked.
    value: bool,
}

impl Inner {
    /// What the place's action is for a file under this rule.
    fn for_file(&self, place: Action, rule: &RuleId) -> Action {
        match rule.tier() {
            Tier::Secret => place,
            Tier::Sensitive => place.min(self.options.sensitive),
        }
    }

    fn in_call(&self, call: &ToolCall, redactor: &Redactor) -> Result<Vec<Hit>, String> {
        let arguments = target::arguments(call);
        if call.kind == ToolKind::Function && arguments.is_string() {
            return Err("the arguments of the call are no JSON object".into());
        }
        let mut hits: Vec<Hit> = Vec::new();
        for (path, rule) in named(&self.paths, call, &arguments)? {
            let action = self.for_file(self.options.tool_calls, &rule);
            let reason = match rule.tier() {
                Tier::Secret => format!("it reaches for {path}, a file that holds secrets"),
                Tier::Sensitive => format!("it reaches for {path}, a file about security"),
            };
            let finding = Finding { evidence: Some(path), reason, rule: Some(rule.name().to_owned()) };
            hits.push(Hit { action, finding, value: false });
        }
        target::each_text(&arguments, "", 0, &mut |name, text| {
            for found in redactor.find(text) {
                let place = if name.is_empty() { "its input".to_owned() } else { format!("`{name}`") };
                let finding = value_finding(found.kind(), &format!("in {place}"));
                hits.push(Hit { action: self.options.tool_calls, finding, value: true });
            }
        });
        Ok(hits)
    }
}

/// The secret files that a tool call names, with the rules they fall under; the error says why that cannot be known.
pub(crate) fn named(paths: &SecretPaths, call: &ToolCall, arguments: &Value) -> Result<Named, String> {
    let mut found = Named::new();
    let mut add = |path: &str, rule: &RuleId| {
        if !found.iter().any(|(known, _)| known == path) {
            found.push((path.to_owned(), rule.clone()));
        }
    };
    for path in target::files(arguments) {
        if let Some(rule) = paths.find(path) {
            add(path, rule);
        }
    }
    if target::is_shell(&call.name) {
        let places = target::places(arguments);
        for script in target::scripts(call, arguments) {
            let script = script?;
            for path in places.iter().flat_map(|place| target::files_of(&script, place)) {
                if let Some(rule) = paths.find(&path) {
                    add(&path, rule);
                }
            }
        }
    }
    // Patches as free text, in an argument or in a command.
    target::each_text(arguments, "", 0, &mut |_, text| {
        if text.contains("*** ") || text.contains("+++ ") {
            for one in mentions(text, paths, false) {
                add(&one.path, &one.rule);
            }
        }
    });
    Ok(found)
}

/// The paths that are secret: the list that ships, with these in addition and without those.
pub(crate) fn paths(
    also: &[String],
    except: &[String],
) -> Result<SecretPaths, (&'static str, usize, String)> {
    let mut paths = SecretPaths::default();
    for (at, pattern) in also.iter().enumerate() {
        paths.add("configured", pattern, Tier::Secret).map_err(|error| ("also", at, error.to_string()))?;
    }
    for (at, pattern) in except.iter().enumerate() {
        paths.allow(pattern).map_err(|error| ("except", at, error.to_string()))?;
    }
    Ok(paths)
}

/// The finding for a secret value.
fn value_finding(kind: &str, place: &str) -> Finding {
    let reason = format!("a secret ({kind}) stands {place}");
    Finding { evidence: Some(kind.to_owned()), reason, rule: Some(kind.to_owned()) }
}

impl Guarding {
    fn tool_call(&mut self, call: &ToolCall) -> BlockVerdict {
        let redactor = self.common.redactor();
        let hits = match self.inner.in_call(call, redactor) {
            Ok(hits) => hits,
            Err(why) => return BlockVerdict::Unsure(why),
        };
        let Some(worst) = hits.iter().max_by_key(|hit| (hit.action, !hit.value)) else {
            return BlockVerdict::Allow;
        };
        let finding = worst.finding.clone();
        match worst.action {
            Action::Pass => BlockVerdict::Allow,
            Action::Note => BlockVerdict::Annotate(finding),
            Action::Warn => BlockVerdict::Warn(finding),
            Action::Redact if worst.value => masked(call, redactor, finding),
            Action::Redact | Action::KeepLocal | Action::Block => BlockVerdict::Refuse(finding),
            Action::Ask => BlockVerdict::AskPerson(finding),
        }
    }

    fn text(&mut self, text: &str) -> BlockVerdict {
        let redactor = self.common.redactor();
        let found = redactor.find(text);
        let Some(first) = found.first() else { return BlockVerdict::Allow };
        let finding = value_finding(first.kind(), "in the answer");
        match self.inner.options.answers {
            Action::Pass => BlockVerdict::Allow,
            Action::Note => BlockVerdict::Annotate(finding),
            Action::Warn => BlockVerdict::Warn(finding),
            Action::Redact => BlockVerdict::Rewrite { finding, value: redactor.redact(text).into_owned() },
            Action::KeepLocal | Action::Block => BlockVerdict::Refuse(finding),
            Action::Ask => BlockVerdict::AskPerson(finding),
        }
    }
}

/// The call with every secret value in it masked.
fn masked(call: &ToolCall, redactor: &Redactor, finding: Finding) -> BlockVerdict {
    let mut arguments = target::arguments(call);
    let changed = target::change_texts(&mut arguments, &mut |text| match redactor.redact(text) {
        std::borrow::Cow::Borrowed(_) => None,
        std::borrow::Cow::Owned(new) => Some(new),
    });
    let value = match arguments {
        Value::String(text) => text,
        other => other.to_string(),
    };
    if changed { BlockVerdict::Rewrite { finding, value } } else { BlockVerdict::Refuse(finding) }
}

impl PolicyRun for Guarding {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        let Some(conversation) = view.conversation else {
            let Options { requests, tool_results, .. } = &self.inner.options;
            return if view.facts.unread && (*requests).max(*tool_results) > Action::Pass {
                CallVerdict::Unsure("it cannot be read, so nobody knows what secrets it holds".into())
            } else {
                CallVerdict::Allow
            };
        };
        let survey = request::survey(&self.inner, conversation, self.common.redactor());
        self.shown = survey.shown;
        let Some((action, finding)) = survey.worst else { return CallVerdict::Allow };
        match action {
            Action::Pass => CallVerdict::Allow,
            Action::Note | Action::Redact => CallVerdict::Annotate(finding),
            Action::Warn => {
                self.warning = Some(finding.clone());
                CallVerdict::Annotate(finding)
            }
            Action::KeepLocal => CallVerdict::KeepLocal(finding),
            Action::Ask => CallVerdict::AskPerson(finding),
            Action::Block => CallVerdict::Refuse(finding),
        }
    }

    fn on_block(&mut self, piece: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        match piece {
            Piece::ToolCall(call) => self.tool_call(call),
            Piece::Text(text) => self.text(text),
        }
    }

    fn on_request_text(&mut self, origin: Origin, text: &str) -> Option<String> {
        request::redacted(&self.inner, self.common.redactor(), &self.shown, (origin, text))
    }

    fn on_end(&mut self, _: bool, _: &View<'_>) -> EndVerdict {
        match self.warning.take() {
            Some(finding) => {
                let text = format!("\n\n[Lockgate] This request held a secret: {}.", finding.reason);
                EndVerdict::Append { finding, text }
            }
            None => EndVerdict::Allow,
        }
    }
}
