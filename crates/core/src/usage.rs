//! What a call used, in buckets that do not overlap.
//!
//! Dialects count differently (OpenAI and Gemini include cached tokens in the prompt, Anthropic does not; Gemini
//! leaves thoughts out of the output): decoders bring it all to this one form. Unknown is `None`, never 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tokens and tool uses of one call. `None` = the provider did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// Prompt tokens written to the cache for five minutes (or for the provider's only lifetime).
    pub cache_write_5m: Option<u64>,
    /// Whether the numbers are our estimate and not the provider's word.
    pub estimated: bool,
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input_uncached: Option<u64>,
    /// All billed output tokens, thoughts included.
    pub output: Option<u64>,
    /// The part of `output` that was thoughts.
    pub output_reasoning: Option<u64>,
    /// Uses of tools that the provider ran, by the provider's name for them.
    pub server_tools: BTreeMap<String, u64>,
    /// The class of service that answered.
    pub service_tier: Option<String>,
}

impl Usage {
    /// All prompt tokens: uncached, read and written.
    pub fn prompt(&self) -> Option<u64> {
        let parts = [self.input_uncached, self.cache_read, self.cache_write_5m, self.cache_write_1h];
        parts.iter().flatten().copied().reduce(u64::saturating_add)
    }

    /// Output tokens that the client can see.
    pub fn output_visible(&self) -> Option<u64> {
        self.output.map(|all| all.saturating_sub(self.output_reasoning.unwrap_or(0)))
    }

    /// Takes over what a later report of the same call knows.
    pub fn merge(&mut self, later: &Self) {
        fn take<T: Clone>(mine: &mut Option<T>, theirs: Option<&T>) {
            if let Some(value) = theirs {
                *mine = Some(value.clone());
            }
        }
        take(&mut self.cache_read, later.cache_read.as_ref());
        take(&mut self.cache_write_1h, later.cache_write_1h.as_ref());
        take(&mut self.cache_write_5m, later.cache_write_5m.as_ref());
        take(&mut self.input_uncached, later.input_uncached.as_ref());
        take(&mut self.output, later.output.as_ref());
        take(&mut self.output_reasoning, later.output_reasoning.as_ref());
        take(&mut self.service_tier, later.service_tier.as_ref());
        self.estimated = later.estimated;
        for (tool, uses) in &later.server_tools {
            self.server_tools.insert(tool.clone(), *uses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_report_replaces_only_what_it_knows() {
        let mut usage =
            Usage { input_uncached: Some(10), cache_read: Some(5), output: Some(1), ..Usage::default() };
        usage.merge(&Usage { output: Some(40), output_reasoning: Some(15), ..Usage::default() });
        assert_eq!(usage.prompt(), Some(15));
        assert_eq!(usage.output_visible(), Some(25));
    }

    #[test]
    fn unknown_is_not_zero() {
        assert_eq!(Usage::default().prompt(), None);
        assert_eq!(Usage::default().output_visible(), None);
    }
}
