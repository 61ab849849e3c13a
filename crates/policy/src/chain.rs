//! The policies of a configuration, in order, each with its mode and its scope; and which of them a call meets.
//!
//! A chain is made once and swapped whole; a call keeps the one it began with. Order is the order of the configuration, for requests
//! and for answers alike.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use globset::{GlobBuilder, GlobMatcher};
use lockgate_core::DataClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approval::Approvals;
use crate::common::{Common, MakeRedactor};
use crate::group::Voting;
use crate::policy::{CallFacts, Needs, Policy};
use crate::resample::Resample;
use crate::run::Run;

/// How far a policy may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does not see calls.
    Off,
    /// What it says is recorded, and nothing is done: no call is changed, held or slowed.
    Observe,
    /// What it refuses or would change passes, and the client is told.
    Warn,
    /// What it changes is changed; what it refuses passes, and the client is told.
    Rewrite,
    /// What it says is done.
    #[default]
    Block,
}

impl Mode {
    /// The word in configurations and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Rewrite => "rewrite",
            Self::Block => "block",
        }
    }
}

impl OnFailure {
    /// The word in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Block => "block",
            Self::Pass => "pass",
        }
    }
}

/// What becomes of a thing that a policy could not judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// A person decides. Text that is judged while it streams, and texts of a request, cannot wait for one: they are refused.
    Ask,
    /// It is refused, and the message says that there was no verdict.
    #[default]
    Block,
    /// It passes, and the client is told that nobody has judged it.
    Pass,
}

/// What becomes of a tool call or a text that a policy refuses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRefusal {
    /// The client gets a message that says why in its place.
    #[default]
    Message,
    /// The model is asked again and told why (`policies.resample`); the client gets the message if that does not help.
    Resample,
}

/// Which calls a policy meets. What is left out is not asked for; what is there must match, by one of its patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Data classes of keys: `public`, `internal`, `confidential`, `secret`.
    pub classes: Vec<Pattern>,
    /// Programs, as they name themselves, such as `claude-cli/*`.
    pub clients: Vec<Pattern>,
    /// Names of keys.
    pub keys: Vec<Pattern>,
    /// Models, as the client asks for them.
    pub models: Vec<Pattern>,
    /// Projects of keys.
    pub projects: Vec<Pattern>,
    /// Users of keys.
    pub users: Vec<Pattern>,
}

impl Scope {
    /// Whether a call is in it.
    pub fn holds(&self, facts: &CallFacts) -> bool {
        let meets = |patterns: &[Pattern], value: Option<&str>| {
            patterns.is_empty() || value.is_some_and(|value| patterns.iter().any(|one| one.matches(value)))
        };
        meets(&self.classes, facts.data_class.map(DataClass::as_str))
            && meets(&self.clients, facts.client.as_deref())
            && meets(&self.keys, facts.key.as_deref())
            && meets(&self.models, Some(&facts.model))
            && meets(&self.projects, facts.project.as_deref())
            && meets(&self.users, facts.user.as_deref())
    }
}

/// A pattern for a name: `*` is any text, `?` any character, `{a,b}` one of several; without regard to case.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "pattern"))]
pub struct Pattern {
    matcher: GlobMatcher,
    text: String,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let glob = GlobBuilder::new(text).case_insensitive(true).backslash_escape(true).build();
        let glob = glob.map_err(|error| PatternError(error.kind().to_string()))?;
        Ok(Self { matcher: glob.compile_matcher(), text: text.to_owned() })
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.text == "*" || self.matcher.is_match(name)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("not a pattern: {0}")]
pub struct PatternError(String);

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(&text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// A policy with how it is used.
pub struct Entry {
    /// The policies that it judges together with.
    pub group: Option<Arc<Voting>>,
    /// What it is, as the configuration calls it.
    pub kind: &'static str,
    /// How far it may go.
    pub mode: Mode,
    /// The name in messages and records.
    pub name: String,
    /// What becomes of things it could not judge.
    pub on_failure: OnFailure,
    /// What becomes of things that it refuses.
    pub on_refusal: OnRefusal,
    /// The policy.
    pub policy: Box<dyn Policy>,
    /// Which calls it meets.
    pub when: Scope,
}

impl Entry {
    /// As people see it.
    pub fn shown(&self) -> Shown {
        Shown {
            kind: self.kind,
            mode: self.mode,
            name: self.name.clone(),
            on_failure: self.on_failure,
            rules: self.policy.rules().len(),
        }
    }
}

/// A policy as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// What it is.
    pub kind: &'static str,
    /// How far it may go.
    pub mode: Mode,
    /// Its name.
    pub name: String,
    /// What becomes of things it could not judge.
    pub on_failure: OnFailure,
    /// How many rules it has, where it has rules.
    pub rules: usize,
}

/// What all policies of a chain share.
#[derive(Clone)]
pub struct Manner {
    /// How people are asked.
    pub approvals: Approvals,
    /// How long one look of one policy may take before it is cut off for the rest of the call.
    pub budget: Duration,
    /// Where a call's record is shown, with `{id}` for its id.
    pub link: Option<String>,
    /// Where requests go that may go to a local model only and were meant for another.
    pub local_model: Option<String>,
    /// Masks secrets in what clients and records are told.
    pub mask: Arc<dyn Fn(&str) -> String + Send + Sync>,
    /// The message in place of what was refused ([`crate::message::DEFAULT`]).
    pub message: String,
    /// What time it is.
    pub now: fn() -> Instant,
    /// How models are asked again.
    pub resample: Resample,
}

/// The policies of a configuration.
pub struct Chain {
    entries: Vec<Arc<Entry>>,
    manner: Manner,
    redactor: Option<MakeRedactor>,
}

impl Chain {
    /// A chain of policies, in order. Those that are off are left out.
    pub fn new(entries: Vec<Entry>, manner: Manner) -> Self {
        let entries = entries.into_iter().filter(|entry| entry.mode != Mode::Off).map(Arc::new).collect();
        Self { entries, manner, redactor: None }
    }

    /// With the redactor of the installation for policies that look for secrets: it knows those of the configuration, and its masks stay the
    /// same from turn to turn. Without it they look by shape alone.
    #[must_use]
    pub fn with_redactor(mut self, make: MakeRedactor) -> Self {
        self.redactor = Some(make);
        self
    }

    /// Whether no call meets a policy.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The policies that a call meets; `None` if none.
    pub fn open(&self, facts: CallFacts) -> Option<Run> {
        let met: Vec<_> = self.entries.iter().filter(|entry| entry.when.holds(&facts)).cloned().collect();
        let common = Common::new(self.redactor.clone());
        (!met.is_empty()).then(|| Run::new(met, facts, self.manner.clone(), &common))
    }

    /// Name of the policy and of the rule, for every rule.
    pub fn rules(&self) -> Vec<(String, String)> {
        let of = |entry: &Arc<Entry>| {
            entry.policy.rules().into_iter().map(|rule| (entry.name.clone(), rule)).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(of).collect()
    }

    /// What those need together that a call meets; `None` if it meets none.
    pub fn needs_for(&self, facts: &CallFacts) -> Option<Needs> {
        let met = self.entries.iter().filter(|entry| entry.when.holds(facts));
        met.map(|entry| entry.policy.needs()).reduce(Needs::and)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| (&entry.name, entry.mode))).finish()
    }
}
