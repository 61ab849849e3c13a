//! May this happen? Policies on requests, answers and tool calls. Pure: a policy is given what came and says what shall become of
//! it; whatever needs the world (a judge, a person, a webhook) it asks for as a value, and the engine asks it.
//!
//! A [`Chain`] holds the policies of a configuration. A call that meets any has a [`Run`]: its policies at work, asked in order. The
//! answer's events go through a [`Lock`], which holds what is to be judged and puts verdicts into events.

mod chain;
mod client_run;
mod configured;
mod decision;
pub mod fixture;
mod held;
mod lock;
pub mod message;
pub mod model_allow;
pub mod notice;
pub mod paths;
mod policy;
pub mod replace;
pub mod replay;
pub mod rules;
mod run;
pub mod shell;
pub mod shell_guard;
pub mod tool_judge;
mod trial;
pub mod trust;
mod verdict;

pub use chain::{Chain, Entry, Manner, Mode, OnFailure, Pattern, PatternError, Scope, Shown};
pub use configured::{Configured, KINDS, Policies, Unworkable};
pub use decision::{Decision, Hook, Said, Tool, VERSION};
pub use lock::{HELD_MAX, Lock, Out};
pub use policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
pub use run::{CallOutcome, Run, Ticket};
pub use verdict::{
    Approval, BlockVerdict, CallVerdict, EndVerdict, Finding, Judge, Query, Question, Reply, Settled,
};
