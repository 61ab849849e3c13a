//! Which parameters the models of OpenAI take, by family: efforts, sampling, the name of the output bound.
//!
//! From OpenAI's reference of Chat Completions and Responses ("reasoning models only", "not supported with latest
//! reasoning models"), the refusals that its SDK users report, and LiteLLM's model table (1.109: efforts and their
//! defaults of gpt-5 to gpt-5.6). A name that is not in here is taken for a model that knows everything.

use lockgate_wire::{Quirks, Steering};

/// What a model of OpenAI has otherwise than its dialect; `None` = not one of theirs as far as its name says.
pub(crate) fn known(model: &str) -> Option<Quirks> {
    let plain = Quirks { no_reasoning: true, ..Quirks::default() };
    let reasons = |steering, efforts| Quirks { efforts: Some(efforts), steering, ..Quirks::default() };
    let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    if begins(&["gpt-3.5", "gpt-4", "chatgpt-4o", "gpt-5-chat", "gpt-5-search"]) {
        return Some(plain);
    }
    if begins(&["o1", "o3", "o4-mini", "codex-mini", "computer-use"]) {
        return Some(reasons(Steering::Fixed, &["low", "medium", "high"]));
    }
    let rest = model.strip_prefix("gpt-5")?;
    let minor = rest.strip_prefix('.').map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse::<u32>().unwrap_or(u32::MAX)
    });
    Some(match minor {
        None if rest.contains("-pro") => reasons(Steering::Fixed, &["high"]),
        None if rest.contains("-codex") => reasons(Steering::Fixed, &["low", "medium", "high"]),
        None => reasons(Steering::Fixed, &["minimal", "low", "medium", "high"]),
        Some(_) if rest.contains("-chat") => reasons(Steering::Fixed, &["medium"]),
        Some(_) if rest.contains("-pro") => reasons(Steering::Fixed, &["medium", "high", "xhigh"]),
        Some(_) if rest.contains("-codex-max") => {
            reasons(Steering::Fixed, &["low", "medium", "high", "xhigh"])
        }
        Some(1) if rest.contains("-codex") => reasons(Steering::Fixed, &["low", "medium", "high"]),
        Some(_) if rest.contains("-codex") => reasons(Steering::Fixed, &["low", "medium", "high", "xhigh"]),
        // Up to 5.4 they reason only when asked to.
        Some(1) => {
            reasons(Steering::FixedWhileReasoning { unasked: false }, &["none", "low", "medium", "high"])
        }
        Some(minor) => reasons(
            Steering::FixedWhileReasoning { unasked: minor > 4 },
            &["none", "low", "medium", "high", "xhigh"],
        ),
    })
}

/// Whether OpenAI has a model on Responses only: its Chat Completions answer 404 ("only supported in v1/responses").
pub(crate) fn needs_responses(model: &str) -> bool {
    let reasons = ["gpt-5", "o1", "o3", "o4"].iter().any(|family| model.starts_with(family));
    let kind = |kinds: &[&str]| kinds.iter().any(|kind| model.contains(kind));
    (reasons && kind(&["-codex", "-pro", "-deep-research"])) || kind(&["codex-mini", "computer-use"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_takes_its_own_parameters() {
        for (model, no_reasoning, steering) in [
            ("gpt-4o-mini", true, Steering::Free),
            ("gpt-4.1", true, Steering::Free),
            ("gpt-5-chat-latest", true, Steering::Free),
            ("o3", false, Steering::Fixed),
            ("gpt-5-mini-2025-08-07", false, Steering::Fixed),
            ("gpt-5.1", false, Steering::FixedWhileReasoning { unasked: false }),
            ("gpt-5.4-nano", false, Steering::FixedWhileReasoning { unasked: false }),
            ("gpt-5.6-luna", false, Steering::FixedWhileReasoning { unasked: true }),
            ("gpt-5.2-pro", false, Steering::Fixed),
        ] {
            let quirks = known(model).unwrap();
            assert_eq!((quirks.no_reasoning, quirks.steering), (no_reasoning, steering), "{model}");
        }
        assert_eq!(known("gpt-x"), None);
        assert_eq!(known("gpt-oss-120b"), None);
        let efforts = |model| known(model).unwrap().efforts.unwrap();
        assert!(efforts("gpt-5").contains(&"minimal") && !efforts("gpt-5.1").contains(&"minimal"));
        assert!(efforts("gpt-5.2").contains(&"xhigh") && !efforts("gpt-5.1").contains(&"xhigh"));
    }

    #[test]
    fn models_that_chat_completions_do_not_have_are_known_by_their_names() {
        for model in [
            "gpt-5-codex",
            "gpt-5.1-codex-max",
            "gpt-5.3-codex",
            "gpt-5-pro-2025-10-06",
            "o1-pro",
            "o3-pro",
            "o3-deep-research",
            "o4-mini-deep-research",
            "codex-mini-latest",
            "computer-use-preview",
        ] {
            assert!(needs_responses(model), "{model}");
        }
        for model in ["gpt-5", "gpt-5.2", "gpt-5-mini", "o3", "o4-mini", "gpt-4o", "my-pro-model", "gpt-x"] {
            assert!(!needs_responses(model), "{model}");
        }
    }
}
