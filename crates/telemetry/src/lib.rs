//! What a running gateway tells of its calls: metrics, traces, live activity, webhooks; and how much it writes into its log.
//!
//! The way of a fact: engine → [`Telemetry`] (an `Observer`; a follower for each call) → a bounded queue → one worker, which counts
//! ([`Metrics`]), makes spans ([`Traces`]), tells the [`Feed`] and hands to [`Hooks`]. Nothing here is waited for by a call, no
//! content of a call comes here, and whatever does not fit into its bound is dropped and counted.

mod approval;
mod call;
mod collector;
mod exporter;
mod feed;
mod filter;
mod hook;
mod levels;
mod metrics;
mod observer;
mod post;
mod process;
mod proto;
mod push;
mod queue;
mod service;
mod signature;
mod span;
mod time;
mod trace;
mod worker;

#[cfg(test)]
mod tests;

pub use approval::Approval;
pub use call::{Call, Outcome};
pub use collector::Otlp;
pub use exporter::Traces;
pub use feed::{Entry, Feed, Subscription, What};
pub use filter::Filter;
pub use hook::{Hook, HookEvent, HookNumbers, Hooks, Retry, webhook_schema};
pub use levels::{Format, Level, Levels, Standing};
pub use metrics::{Described, Exposition, METRICS, Metrics, RecordNumbers, page};
pub use observer::{Propagation, Telemetry};
pub use service::{Breaker, Services};
pub use signature::{NotASecret, SigningKey};
pub use worker::Mask;
