//! Why a provider's prompt cache did not hold what it should have: which change broke the prefix, and what that cost.
//!
//! Compares a call with the one before it in its thread, in the provider's order: model, tools, instructions, messages. Says nothing
//! about a call whose provider tells no cache reads.

use lockgate_core::Usage;
use lockgate_store::Call;
use serde::Serialize;
use uuid::Uuid;

use crate::conversation::Conversation;
use crate::cost::Pricing;
use crate::exchange::Prefix;

/// A call that read less from the cache than it should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// What broke it.
    pub cause: Cause,
    /// Tokens that the call before had read from and written to the cache.
    pub expected: u64,
    /// Whether the cache would have expired anyway.
    pub expired: bool,
    /// From the beginning of the call before to that of this one, µs.
    pub gap_us: i64,
    /// The call before.
    pub previous: Uuid,
    /// Tokens that were read.
    pub read: u64,
}

/// What broke a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Cause {
    /// Nothing changed, and the lifetime was over.
    Expired {
        /// The lifetime, s.
        lifetime_s: i64,
    },
    /// A cache breakpoint is too far behind the one of the call before to find it.
    MarkerMoved {
        /// How many blocks.
        blocks: usize,
    },
    /// The call has no cache breakpoints any more.
    MarkersRemoved,
    /// A message is another, or gone.
    MessageChanged {
        /// Which, from 1.
        number: usize,
        /// Of how many in the call before.
        of: usize,
    },
    /// Another model.
    ModelChanged {
        /// The one before.
        from: String,
        /// The one now.
        to: String,
    },
    /// Another provider.
    ProviderChanged {
        /// The one before.
        from: String,
        /// The one now.
        to: String,
    },
    /// The instructions are others.
    SystemChanged {
        /// The first block that differs, from 1.
        block: usize,
    },
    /// The tools are others, or in another order.
    ToolsChanged {
        /// How.
        change: ToolsChange,
        /// The first tool that differs.
        tool: String,
    },
    /// Nothing changed that is seen here: the provider dropped it, or another of its machines answered.
    Unknown,
}

/// How a list of tools changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolsChange {
    /// A tool came in.
    Added,
    /// A tool has another description or other parameters.
    Changed,
    /// The same tools in another order.
    Reordered,
    /// A tool is gone.
    Removed,
}

/// A miss with its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheMiss {
    /// The call.
    pub call: Uuid,
    /// What it cost beyond what a hit would have cost, nano-USD, where prices are known.
    pub cost_nano: Option<i64>,
    /// What happened.
    pub miss: Miss,
    /// The same in one sentence.
    pub sentence: String,
}

/// No provider caches shorter prompts.
const SHORTEST: u64 = 1024;
/// Providers that cache by themselves do so in steps of so many tokens.
const STEP: u64 = 128;
/// How many blocks behind a breakpoint Anthropic looks for an earlier one.
const LOOKBACK: usize = 20;

/// Every miss of a session in the order of its calls.
pub fn cache_misses(conversation: &Conversation, pricing: Pricing<'_>) -> Vec<CacheMiss> {
    let notes = conversation.calls.iter().filter_map(|note| Some((&note.call, note.miss.as_ref()?)));
    notes
        .map(|(call, miss)| {
            let cost_nano = miss.cost(call, pricing);
            CacheMiss { call: call.id, cost_nano, sentence: miss.sentence(cost_nano), miss: miss.clone() }
        })
        .collect()
}

fn written(usage: &Usage) -> Option<u64> {
    let written = [usage.cache_write_5m, usage.cache_write_1h];
    written.into_iter().flatten().reduce(u64::saturating_add)
}

impl Cause {
    pub(crate) fn find(last: &Call, old: &Prefix, call: &Call, new: &Prefix) -> Option<Miss> {
        let read = call.usage.cache_read?;
        let expected = match written(&last.usage) {
            Some(written) => written.saturating_add(last.usage.cache_read.unwrap_or(0)),
            // A provider that caches by itself may not have begun to: what was never read is missed only if something changed.
            None if last.usage.cache_read.unwrap_or(0) == 0 && Self::of_change(old, new).is_none() => {
                return None;
            }
            None => last.usage.prompt()? / STEP * STEP,
        };
        // Counts of tokens differ by a few from call to call.
        if expected < SHORTEST || read.saturating_mul(10) >= expected.saturating_mul(9) {
            return None;
        }
        let gap_us = call.timing.started_us.saturating_sub(last.timing.started_us);
        let long = old.markers.iter().any(|(_, ttl)| ttl == "1h");
        let lifetime_s = if long { 3600 } else { 300 };
        let expired = gap_us > lifetime_s * 1_000_000;
        let cause = Self::of_change(old, new).unwrap_or_else(|| {
            let moved = Self::of_markers(old, new).filter(|_| !expired);
            moved.unwrap_or(if expired { Self::Expired { lifetime_s } } else { Self::Unknown })
        });
        Some(Miss { cause, expected, expired, gap_us, previous: last.id, read })
    }

    fn of_change(old: &Prefix, new: &Prefix) -> Option<Self> {
        let differ = |one: &Option<String>, other: &Option<String>| {
            let (from, to) = (one.clone()?, other.clone()?);
            (from != to).then_some((from, to))
        };
        if let Some((from, to)) = differ(&old.provider, &new.provider) {
            return Some(Self::ProviderChanged { from, to });
        }
        if let Some((from, to)) = differ(&old.model, &new.model) {
            return Some(Self::ModelChanged { from, to });
        }
        if let Some(change) = Self::of_tools(old, new) {
            return Some(change);
        }
        if let Some(at) = first_difference(&old.system, &new.system) {
            return Some(Self::SystemChanged { block: at + 1 });
        }
        if old.system.len() != new.system.len() {
            return Some(Self::SystemChanged { block: old.system.len().min(new.system.len()) + 1 });
        }
        let of = old.messages.len();
        let at = first_difference(&old.messages, &new.messages)
            .or((new.messages.len() < of).then_some(new.messages.len()))?;
        Some(Self::MessageChanged { number: at + 1, of })
    }

    fn of_tools(old: &Prefix, new: &Prefix) -> Option<Self> {
        if old.tools == new.tools {
            return None;
        }
        let at = old.tools.iter().zip(&new.tools).take_while(|(one, other)| one == other).count();
        let (before, now) = (old.tools.get(at), new.tools.get(at));
        let has = |tools: &[(String, u64)], name: &str| tools.iter().any(|(own, _)| own == name);
        let (change, tool) = match (before, now) {
            (Some((one, _)), Some((other, _))) if one == other => (ToolsChange::Changed, one),
            (_, Some((name, _))) if !has(&old.tools, name) => (ToolsChange::Added, name),
            (Some((name, _)), _) if !has(&new.tools, name) => (ToolsChange::Removed, name),
            (Some((name, _)), _) | (None, Some((name, _))) => (ToolsChange::Reordered, name),
            (None, None) => return None,
        };
        Some(Self::ToolsChanged { change, tool: tool.clone() })
    }

    fn of_markers(old: &Prefix, new: &Prefix) -> Option<Self> {
        let (last, _) = old.markers.last()?;
        if new.markers.is_empty() {
            return Some(Self::MarkersRemoved);
        }
        let reach = new.markers.iter().filter_map(|(at, _)| at.checked_sub(*last)).min();
        reach.filter(|blocks| *blocks > LOOKBACK).map(|blocks| Self::MarkerMoved { blocks })
    }

    fn words(&self) -> String {
        match self {
            Self::Expired { lifetime_s } if *lifetime_s >= 3600 => {
                "its lifetime of an hour was over".to_owned()
            }
            Self::Expired { lifetime_s } => format!("its lifetime of {} minutes was over", lifetime_s / 60),
            Self::MarkerMoved { blocks } => {
                format!(
                    "the next cache breakpoint is {blocks} blocks behind the last one, farther than the provider looks back"
                )
            }
            Self::MarkersRemoved => "the call has no cache breakpoint any more".to_owned(),
            Self::MessageChanged { number, of } => {
                format!("message {number} of {of} was changed or left out")
            }
            Self::ModelChanged { from, to } => format!("the model changed from {from} to {to}"),
            Self::ProviderChanged { from, to } => format!("the provider changed from {from} to {to}"),
            Self::SystemChanged { block } => format!("block {block} of the instructions was changed"),
            Self::ToolsChanged { change, tool } => {
                let how = match change {
                    ToolsChange::Added => "was added",
                    ToolsChange::Changed => "was described otherwise",
                    ToolsChange::Removed => "was removed",
                    ToolsChange::Reordered => "stands in another place",
                };
                format!("the list of tools is another: {tool} {how}")
            }
            Self::Unknown => {
                "nothing changed that is seen here: the provider dropped it or answered from another machine"
                    .to_owned()
            }
        }
    }
}

fn first_difference(old: &[u64], new: &[u64]) -> Option<usize> {
    old.iter().zip(new).position(|(one, other)| one != other)
}

impl Miss {
    /// What it cost beyond what a hit would have cost.
    fn cost(&self, call: &Call, pricing: Pricing<'_>) -> Option<i64> {
        let mut hit = call.usage.clone();
        let mut missing = self.expected.saturating_sub(self.read);
        let buckets = [&mut hit.cache_write_5m, &mut hit.cache_write_1h, &mut hit.input_uncached];
        for tokens in buckets.into_iter().flatten() {
            let moved = missing.min(*tokens);
            *tokens -= moved;
            missing -= moved;
            hit.cache_read = Some(hit.cache_read.unwrap_or(0).saturating_add(moved));
        }
        let (paid, would) = (pricing(call, &call.usage)?, pricing(call, &hit)?);
        Some(paid.total.to_i64() - would.total.to_i64())
    }

    fn sentence(&self, cost_nano: Option<i64>) -> String {
        let words = self.cause.words();
        let late = match &self.cause {
            Cause::Expired { .. } | Cause::Unknown => "",
            Cause::MarkerMoved { .. }
            | Cause::MarkersRemoved
            | Cause::MessageChanged { .. }
            | Cause::ModelChanged { .. }
            | Cause::ProviderChanged { .. }
            | Cause::SystemChanged { .. }
            | Cause::ToolsChanged { .. } => {
                if self.expired {
                    " (and its lifetime was over)"
                } else {
                    ""
                }
            }
        };
        let cost = cost_nano.and_then(lockgate_ledger::Nano::from_i64);
        let cost = cost.map_or_else(String::new, |cost| format!(", which cost {cost} more than a hit"));
        let (read, expected) = (self.read, self.expected);
        format!("The cache gave {read} of {expected} tokens because {words}{late}{cost}.")
    }
}
