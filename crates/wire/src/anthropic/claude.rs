//! What single Claude models take and what they refuse.
//!
//! The dialect is one, its models are not: newer ones refuse thinking budgets and sampling parameters that older ones
//! need, and take system messages in the middle of a conversation. The facts here are read off the model's name
//! (family and version, as in `claude-opus-4-8` or `claude-3-5-sonnet-20241022`). A Claude without a version counts as
//! the newest; a name without `claude` is another maker's model behind a compatible server, which knows the older
//! form. Says nothing of prices or context windows.

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claude {
    family: Family,
    /// Major and minor.
    version: (u32, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Another maker's model.
    Foreign,
    /// Fable and Mythos: they always think.
    Thinker,
    Haiku,
    Opus,
    /// Sonnet, and names without a family.
    Sonnet,
}

impl Claude {
    /// Reads a model's name, whatever stands before (`anthropic.`, `us.`) and behind it (a date, `-v1:0`).
    pub(super) fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let Some(at) = model.find("claude") else {
            return Self { family: Family::Foreign, version: (0, 0) };
        };
        let mut family = Family::Sonnet;
        let mut numbers = Vec::new();
        for word in model[at..].split(|c: char| !c.is_ascii_alphanumeric()) {
            match word {
                "fable" | "mythos" => family = Family::Thinker,
                "haiku" => family = Family::Haiku,
                "opus" => family = Family::Opus,
                // A date or `v1` is no version.
                _ if word.len() <= 2 => numbers.extend(word.parse::<u32>()),
                _ => {}
            }
        }
        let version = match numbers[..] {
            [] => (u32::MAX, 0),
            [major] => (major, 0),
            [major, minor, ..] => (major, minor),
        };
        Self { family, version }
    }

    fn at_least(self, major: u32, minor: u32) -> bool {
        self.family != Family::Foreign && self.version >= (major, minor)
    }

    /// The most output it takes without beta headers. Anthropic's overview of models (November 2026); where it and
    /// LiteLLM's table differ (Sonnet 4.6), the smaller.
    pub(super) fn max_output(self) -> Option<u64> {
        Some(match (self.family, self.version) {
            (Family::Foreign, _) => return None,
            (_, (..3, _) | (3, ..5)) => 4096,
            (_, (3, ..7)) => 8192,
            (Family::Opus, (4, ..5)) => 32_000,
            (_, (..4, _) | (4, ..6)) | (Family::Sonnet, (4, _)) => 64_000,
            _ => 128_000,
        })
    }

    /// Whether prompt and bound on output together must fit the context; later models just stop at its end.
    pub(super) fn bound_must_fit(self) -> bool {
        self.family != Family::Foreign && !self.at_least(4, 5)
    }

    /// Whether it is another maker's model behind a compatible server.
    pub(super) fn is_foreign(self) -> bool {
        self.family == Family::Foreign
    }

    /// Thinks at all.
    pub(super) fn thinks(self) -> bool {
        self.is_foreign() || self.at_least(3, 7)
    }

    /// Thinks within a budget (`thinking.type: enabled`).
    pub(super) fn takes_budget(self) -> bool {
        self.thinks() && !self.at_least(4, 7)
    }

    /// Decides by itself how much to think (`thinking.type: adaptive`).
    pub(super) fn takes_adaptive(self) -> bool {
        self.at_least(4, 6)
    }

    /// Thinks unless told not to. Before, a request without `thinking` does not think.
    pub(super) fn thinks_by_default(self) -> bool {
        self.is_foreign() || self.at_least(5, 0)
    }

    /// Cannot be told not to think.
    pub(super) fn always_thinks(self) -> bool {
        self.family == Family::Thinker
    }

    /// The word of `output_config.effort` for an effort; `None` = has no such setting or lacks this word.
    pub(super) fn effort(self, wanted: &str) -> Option<&str> {
        let has_effort = self.takes_adaptive() || (self.family == Family::Opus && self.at_least(4, 5));
        if !has_effort {
            return None;
        }
        match wanted {
            "minimal" => Some("low"),
            "max" if !self.takes_adaptive() => None,
            "xhigh" if !self.at_least(4, 7) => None,
            _ => EFFORTS.iter().find(|known| **known == wanted).copied(),
        }
    }

    /// Takes `temperature`, `top_p` and `top_k`.
    pub(super) fn takes_sampling(self) -> bool {
        !self.at_least(4, 7)
    }

    /// Refuses `temperature` together with `top_p`.
    pub(super) fn takes_one_of_temperature_and_top_p(self) -> bool {
        self.at_least(4, 1)
    }

    /// Takes `role: system` between the messages.
    pub(super) fn takes_system_messages(self) -> bool {
        self.at_least(4, 8)
    }

    /// Holds tool calls to their schema when asked (`strict`).
    pub(super) fn takes_strict_tools(self) -> bool {
        self.at_least(4, 1)
    }
}

const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_version_is_read_off_any_spelling_of_its_name() {
        for (name, family, version) in [
            ("claude-3-5-sonnet-20241022", Family::Sonnet, (3, 5)),
            ("claude-opus-4-20250514", Family::Opus, (4, 0)),
            ("claude-opus-4-1-20250805", Family::Opus, (4, 1)),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Family::Haiku, (4, 5)),
            ("claude-sonnet-4-5@20250929", Family::Sonnet, (4, 5)),
            ("anthropic/claude-opus-4.8", Family::Opus, (4, 8)),
            ("claude-fable-5-1", Family::Thinker, (5, 1)),
            ("claude-mythos-preview", Family::Thinker, (u32::MAX, 0)),
            ("qwen3:8b", Family::Foreign, (0, 0)),
        ] {
            assert_eq!(Claude::of(name), Claude { family, version }, "{name}");
        }
    }

    #[test]
    fn the_bound_on_output_is_the_models_own() {
        for (name, most) in [
            ("claude-3-haiku-20240307", Some(4096)),
            ("claude-3-5-sonnet-20241022", Some(8192)),
            ("claude-3-7-sonnet-20250219", Some(64_000)),
            ("claude-opus-4-1", Some(32_000)),
            ("claude-sonnet-4-20250514", Some(64_000)),
            ("claude-haiku-4-5", Some(64_000)),
            ("claude-sonnet-4-6", Some(64_000)),
            ("claude-opus-4-6", Some(128_000)),
            ("claude-fable-5", Some(128_000)),
            ("claude-mythos-preview", Some(128_000)),
            ("qwen3:8b", None),
        ] {
            assert_eq!(Claude::of(name).max_output(), most, "{name}");
        }
    }

    #[test]
    fn each_generation_takes_its_own_settings() {
        let old = Claude::of("claude-haiku-4-5");
        assert!(old.takes_budget() && !old.takes_adaptive() && old.takes_sampling());
        assert_eq!((old.effort("high"), old.takes_system_messages()), (None, false));
        let middle = Claude::of("claude-sonnet-4-6");
        assert!(middle.takes_budget() && middle.takes_adaptive());
        assert_eq!((middle.effort("max"), middle.effort("xhigh")), (Some("max"), None));
        let new = Claude::of("claude-opus-4-8");
        assert!(!new.takes_budget() && new.takes_system_messages() && !new.takes_sampling());
        assert_eq!((new.effort("xhigh"), new.effort("minimal")), (Some("xhigh"), Some("low")));
        assert_eq!(Claude::of("claude-opus-4-5").effort("max"), None);
        assert!(!Claude::of("claude-3-5-sonnet-20241022").thinks());
    }
}
