//! What made a context expensive: each call's cost, told apart by the pieces that its prompt and its answer were made of.
//!
//! A provider's cache holds the beginning of a prompt, so the first tokens of it are those that were read, the next those that were
//! written. Tokens of a piece are estimated by its length and scaled to the call's own count. Sums are exact: each call's known
//! cost is divided without a remainder, in integer nano-USD, as it was reckoned when the call was recorded, and by today's prices where only a sum is known. A call
//! without a known cost adds none.

mod atoms;
mod rows;

use lockgate_core::Usage;
use lockgate_ledger::{Catalogue, Cost, Moment, Part, Terms};
use lockgate_store::{Call, Details};
use serde::Serialize;

use crate::conversation::Conversation;
use atoms::Atoms;

pub use rows::{Row, Subject};

/// What a call with this usage would cost; `None` = not known.
pub type Pricing<'a> = &'a dyn Fn(&Call, &Usage) -> Option<Cost>;

/// Prices calls by a catalogue, by the provider and model of their row.
pub fn by_catalogue(catalogue: &Catalogue) -> impl Fn(&Call, &Usage) -> Option<Cost> + '_ {
    |call, usage| {
        let at = Moment::from_unix(call.timing.started_us.div_euclid(1_000_000))?;
        let provider = call.route.provider.as_deref()?;
        let model = call.route.resolved_model.as_deref().or(call.route.answering_model.as_deref())?;
        let quote = catalogue.first(&[provider], model, at);
        lockgate_ledger::cost(usage, quote.as_ref(), &Terms::default()).ok()
    }
}

/// A cost by what was paid for, nano-USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Split {
    /// Read from the cache.
    pub cache_read: i64,
    /// Written to the cache.
    pub cache_write: i64,
    /// Neither.
    pub input: i64,
    /// The answer.
    pub output: i64,
    /// Tools that the provider ran.
    pub tools: i64,
}

impl Split {
    /// The sum.
    pub fn total(&self) -> i64 {
        [self.cache_read, self.cache_write, self.input, self.output, self.tools]
            .into_iter()
            .fold(0, i64::saturating_add)
    }

    fn add(&mut self, other: &Self) {
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.input += other.input;
        self.output += other.output;
        self.tools += other.tools;
    }

    /// A call's known cost by what was paid for; whether the shares had to be guessed.
    fn of(call: &Call, details: &Details, pricing: Pricing<'_>) -> Option<(Self, bool)> {
        let total = u64::try_from(call.cost_nano?).ok()?;
        let mut parts = [0_u64; 5];
        let is_split = |parts: &Vec<(Part, i64)>| parts.iter().any(|(part, _)| *part != Part::Told);
        let recorded = details.cost_parts.as_ref().map(Part::of_detail).filter(is_split);
        let shares = recorded.or_else(|| {
            let cost = pricing(call, &call.usage)?;
            let shares = cost.parts.into_iter().map(|share| (share.part, share.amount.to_i64()));
            Some(shares.collect()).filter(is_split)
        });
        for (part, amount) in shares.into_iter().flatten() {
            let at = match part {
                Part::CacheRead => 0,
                Part::CacheWrite1h | Part::CacheWrite5m => 1,
                Part::AudioInput | Part::ImageInput | Part::Input | Part::Told => 2,
                Part::AudioOutput | Part::ImageOutput | Part::Output | Part::Reasoning => 3,
                Part::Tool(_) => 4,
            };
            parts[at] = parts[at].saturating_add(u64::try_from(amount).unwrap_or(0));
        }
        let guessed = parts.iter().all(|part| *part == 0);
        if guessed {
            parts = usual(&call.usage);
        }
        let shares = apportion(total, &parts).unwrap_or_else(|| vec![0, 0, total, 0, 0]);
        let nano = |at: usize| shares[at].cast_signed();
        let split = Self {
            cache_read: nano(0),
            cache_write: nano(1),
            input: nano(2),
            output: nano(3),
            tools: nano(4),
        };
        Some((split, guessed && total > 0))
    }
}

/// How prices usually stand to each other, where a call's are not known: a tenth for a read, a quarter more for a write, five times
/// for output.
fn usual(usage: &Usage) -> [u64; 5] {
    let of = |tokens: Option<u64>, times: u64| tokens.unwrap_or(0).saturating_mul(times);
    let write = of(usage.cache_write_5m, 25).saturating_add(of(usage.cache_write_1h, 40));
    [of(usage.cache_read, 2), write, of(usage.input_uncached, 20), of(usage.output, 100), 0]
}

/// Divides a whole by weights without a remainder: what is left after rounding down goes to the largest remainders. `None` = there
/// is nothing to divide by.
pub(crate) fn apportion(whole: u64, weights: &[u64]) -> Option<Vec<u64>> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return None;
    }
    let exact = |weight: &u64| u128::from(whole) * u128::from(*weight);
    let mut shares: Vec<u64> = weights.iter().map(|weight| (exact(weight) / sum) as u64).collect();
    let left = whole - shares.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]) % sum));
    for at in order.into_iter().take(left as usize) {
        shares[at] += 1;
    }
    Some(shares)
}

/// What a session cost, by what caused it. Each of the lists adds up to `total`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextCost {
    /// By agent: every call's cost to the agent that made it.
    pub agents: Vec<Row>,
    /// Whether shares of some calls had to be guessed, since their prices are not known.
    pub estimated: bool,
    /// By file that a tool read or wrote.
    pub files: Vec<Row>,
    /// By message, instructions and tool definitions.
    pub messages: Vec<Row>,
    /// By tool: what it was called with and what it returned.
    pub tools: Vec<Row>,
    /// All of it.
    pub total: Split,
    /// By turn: every call's cost to its turn.
    pub turns: Vec<Row>,
    /// Calls whose cost is not known.
    pub unpriced: u64,
}

/// What made a session expensive. The dearest come first.
pub fn context_cost(conversation: &Conversation, pricing: Pricing<'_>) -> ContextCost {
    let mut atoms = Atoms::of(conversation);
    let mut splits = Vec::with_capacity(conversation.calls.len());
    let (mut estimated, mut unpriced) = (false, 0);
    for (number, note) in conversation.calls.iter().enumerate() {
        let known = Split::of(&note.call, &note.details, pricing);
        unpriced += u64::from(known.is_none());
        let (split, guessed) = known.unwrap_or_default();
        estimated |= guessed;
        atoms.charge(conversation, number, &split);
        splits.push(split);
    }
    rows::rows(conversation, &atoms, &splits, estimated, unpriced)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_whole_is_divided_without_a_remainder(whole in 0..i64::MAX as u64, weights in prop::collection::vec(any::<u64>(), 0..40)) {
            match apportion(whole, &weights) {
                Some(shares) => {
                    prop_assert_eq!(shares.iter().sum::<u64>(), whole);
                    prop_assert!(shares.iter().zip(&weights).all(|(share, weight)| *weight > 0 || *share == 0));
                }
                None => prop_assert!(weights.iter().all(|weight| *weight == 0)),
            }
        }
    }
}
