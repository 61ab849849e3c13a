//! May this happen? Policies on requests, answers and tool calls. Pure: a policy is given what came and says what shall become of
//! it; whatever needs the world (a judge, a person, a webhook) it asks for as a value, and the engine asks it.
//!
//! A [`Chain`] holds the policies of a configuration. A call that meets any has a [`Run`]: its policies at work, asked in order. The
//! answer's events go through a [`Lock`], which holds what is to be judged and puts verdicts into events.

mod also;
mod approval;
mod chain;
mod changes;
mod clean;
mod client_run;
mod common;
mod configured;
pub mod debug;
mod decision;
mod digest;
mod ending;
pub mod exfiltration;
pub mod fixture;
mod group;
mod heard;
mod held;
pub mod import;
pub mod injection;
pub mod judge;
pub mod limits;
mod lock;
pub mod message;
pub mod model_allow;
pub mod notice;
pub mod paths;
mod policy;
mod provenance;
pub mod quality;
pub mod replace;
pub mod replay;
mod request;
mod resample;
pub mod rules;
mod run;
pub mod secret_guard;
pub mod shell;
pub mod shell_guard;
mod spent;
mod target;
pub mod text_style;
mod texts;
pub mod tool_judge;
mod trial;
#[cfg(test)]
mod tried;
pub mod trust;
mod unheard;
mod verdict;
mod watched;
pub mod webhook;
pub mod work;
mod worked;

pub use approval::{Approval, Approvals, WithoutAnswer};
pub use chain::{Chain, Entry, Manner, Mode, OnFailure, OnRefusal, Pattern, PatternError, Scope, Shown};
pub use changes::{Changes, Parameter, Remove, Set};
pub use common::{Common, MakeRedactor};
pub use configured::{Configured, KINDS, Policies, Unworkable};
pub use decision::{Decision, Hook, Said, Then, Tool, VERSION};
pub use digest::LongCalls;
pub use group::{Group, Vote, Voting};
pub use lock::{HELD_MAX, Lock, Out};
pub use policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
pub use request::CallOutcome;
pub use resample::Resample;
pub use run::{Run, Ticket};
pub use spent::{CostLimit, Costs, MaxCost, Of, Per, Spent};
pub use unheard::Unheard;
pub use verdict::{
    Also, BlockVerdict, CallVerdict, EndVerdict, Finding, Judge, KeptLocal, Query, Question, Reply, Service,
    Settled,
};
pub use worked::Worked;
