//! What a policy may say, as values. Each hook has verdicts of its own, so that none can be said where it means nothing.
//!
//! Knows no dialect: the [`Lock`](crate::Lock) turns a verdict into events, and only it decides on indices, order and stop reasons.

use std::time::Duration;

use lockgate_core::{Event, Failure, Secret, Turn};
use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::changes::Changes;
use crate::spent::{Costs, MaxCost, Spent};

/// Why a policy says what it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it saw, in few words; may hold contents of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// A sentence for a person, without its first capital and its full stop.
    pub reason: String,
    /// The rule inside the policy, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Finding {
    /// A reason alone.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

/// That a request goes to a local model or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLocal {
    /// The model that takes what was meant for one that is not local, if one is set for this.
    pub instead: Option<String>,
    /// Where a person finds the record of the call.
    pub link: Option<String>,
    /// Why, with the policy that says so.
    pub why: String,
}

/// What a policy says of a request.
#[derive(Debug, Clone)]
pub enum CallVerdict {
    /// Nothing against it.
    Allow,
    /// Nothing against it, but something to note.
    Annotate(Finding),
    /// The gateway answers; no provider is asked.
    Answer {
        /// Why.
        finding: Finding,
        /// What the client gets, as the model's words.
        text: String,
    },
    /// It depends on what somebody says.
    Ask(Vec<Question>),
    /// A person is to decide; it goes nowhere if they decline.
    AskPerson(Finding),
    /// It may go to a local model only.
    KeepLocal(Finding),
    /// It goes nowhere.
    Refuse(Finding),
    /// It goes on as another.
    Rewrite {
        /// What is to be another.
        changes: Box<Changes>,
        /// Why.
        finding: Finding,
    },
    /// The policy cannot say, for this reason: its failure mode does.
    Unsure(String),
}

impl CallVerdict {
    /// Why it says so.
    pub(crate) fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Allow | Self::Ask(_) => None,
            Self::Annotate(finding)
            | Self::Answer { finding, .. }
            | Self::AskPerson(finding)
            | Self::KeepLocal(finding)
            | Self::Refuse(finding)
            | Self::Rewrite { finding, .. } => Some(&mut finding.reason),
            Self::Unsure(why) => Some(why),
        }
    }
}

/// What a policy says of a complete block of an answer.
#[derive(Debug, Clone)]
pub enum BlockVerdict {
    /// Nothing against it.
    Allow,
    /// Nothing against it, but something to note.
    Annotate(Finding),
    /// It depends on what somebody says.
    Ask(Vec<Question>),
    /// A person is to decide; it is refused if they decline.
    AskPerson(Finding),
    /// The client gets a message that says why in its place.
    Refuse(Finding),
    /// The client does not get it.
    Remove(Finding),
    /// Words in its place.
    Replace {
        /// Why.
        finding: Finding,
        /// The words.
        text: String,
    },
    /// The model is asked again, and told why. Refused, where that cannot be or has been done often enough.
    Resample(Finding),
    /// Other arguments (of a tool call) or other words (of a text).
    Rewrite {
        /// Why.
        finding: Finding,
        /// The arguments as JSON text, or the words.
        value: String,
    },
    /// The answer ends here.
    Stop(Finding),
    /// The policy cannot say, for this reason: its failure mode does.
    Unsure(String),
    /// It passes, and the client is told why it had better not.
    Warn(Finding),
}

impl BlockVerdict {
    /// Why it says so.
    pub(crate) fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Allow | Self::Ask(_) => None,
            Self::Annotate(finding)
            | Self::AskPerson(finding)
            | Self::Refuse(finding)
            | Self::Remove(finding)
            | Self::Replace { finding, .. }
            | Self::Resample(finding)
            | Self::Rewrite { finding, .. }
            | Self::Stop(finding)
            | Self::Warn(finding) => Some(&mut finding.reason),
            Self::Unsure(why) => Some(why),
        }
    }
}

/// What a policy has to say of a thing beside its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Also {
    /// Why.
    pub finding: Finding,
    /// The client is told, if it passes.
    pub warns: bool,
}

/// What a policy says at the end of an answer.
#[derive(Debug, Clone)]
pub enum EndVerdict {
    /// Nothing to add.
    Allow,
    /// Something to note.
    Annotate(Finding),
    /// Words behind the last ones.
    Append {
        /// Why.
        finding: Finding,
        /// The words.
        text: String,
    },
}

/// What has become of text that a policy rewrites while it streams.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// Changes within the settled part, in order, not overlapping: byte range and what stands there instead.
    pub edits: Vec<(std::ops::Range<usize>, String)>,
    /// Why, if there are changes.
    pub finding: Option<Finding>,
    /// So many bytes of the pending text need not be seen again. On a char boundary; all of them where the text is at its end.
    pub upto: usize,
}

impl Settled {
    /// All of it stays as it is.
    pub fn all(text: &str) -> Self {
        Self { upto: text.len(), ..Self::default() }
    }

    /// Whether ranges are what they should be: in order, apart, between characters, within what is settled.
    pub(crate) fn is_sound(&self, pending: &str, last: bool) -> bool {
        let mut from = 0;
        let ordered = self.edits.iter().all(|(range, _)| {
            let fits = range.start >= from && range.start <= range.end && range.end <= self.upto;
            from = range.end;
            fits && pending.is_char_boundary(range.start) && pending.is_char_boundary(range.end)
        });
        ordered && pending.is_char_boundary(self.upto) && (!last || self.upto == pending.len())
    }

    /// The settled text as it is to be.
    pub(crate) fn edited(&self, pending: &str) -> String {
        let mut out = String::with_capacity(self.upto);
        let mut from = 0;
        for (range, new) in &self.edits {
            out.push_str(&pending[from..range.start]);
            out.push_str(new);
            from = range.end;
        }
        out.push_str(&pending[from..self.upto]);
        out
    }
}

/// Something that a policy cannot know by itself. The engine asks it.
#[derive(Debug, Clone)]
pub struct Question {
    /// How long an answer is waited for.
    pub deadline: Duration,
    /// Whom to ask, and what.
    pub query: Query,
}

/// Whom to ask, and what.
#[derive(Debug, Clone)]
pub enum Query {
    /// The model that answers, with these turns behind the conversation: its answer, and what is said to it.
    Again(Vec<Turn>),
    /// Whoever counts costs.
    Costs(Costs),
    /// A model.
    Judge(Judge),
    /// A person.
    Person(Box<Approval>),
    /// A service.
    Service(Service),
}

/// A question to a service.
#[derive(Debug, Clone)]
pub struct Service {
    /// What is sent, JSON.
    pub body: String,
    /// What it is signed with.
    pub secret: Secret,
    /// Where to.
    pub url: String,
}

/// A question to a model.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    /// Instructions.
    pub instructions: String,
    /// What all questions of the policy may cost together; `None` = no bound.
    pub max_cost: Option<MaxCost>,
    /// At most so many tokens of answer.
    pub max_tokens: u64,
    /// The model, by any name that a client may call.
    pub model: String,
    /// The policy that asks. The run fills it in.
    pub policy: String,
    /// What it is to judge.
    pub subject: String,
    /// 0 = always the same answer, as far as the model can.
    pub temperature: f64,
}

/// What came of a question.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What the model answers now.
    Answer {
        /// The id of the call that it was asked with.
        call: String,
        /// Its answer.
        events: Vec<Event>,
    },
    /// What came of a question to a model, and what it took. Policies get the one as [`Reply::Text`] or [`Reply::None`], the record gets the other.
    Model {
        /// The words, or why there are none.
        said: Result<String, Failure>,
        /// What it took.
        spent: Box<Spent>,
    },
    /// No answer: too late, unreachable, unreadable. The policy says what that means, or its failure mode does.
    None(Failure),
    /// A person agrees, or not, perhaps with words.
    Person {
        /// Whether it may happen.
        agreed: bool,
        /// Who said so.
        by: Option<String>,
        /// Why.
        words: Option<String>,
    },
    /// The words of a model, or what a service answered.
    Text(String),
}
