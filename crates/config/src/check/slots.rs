//! Slots against what is known of their models: a model that sees nothing is no good for pictures.
//!
//! Knows what the configuration and the catalogue of prices say, and is silent about everything else. What it finds are warnings: catalogues
//! grow old, and a slot that is weak is better than none.

use lockgate_ledger::{Catalogue, Facts};
use lockgate_providers::family_of;

use super::Checker;
use super::models::Target;
use crate::{Code, Path};

impl Checker<'_> {
    pub(super) fn slots(&mut self) {
        let slots = self.config.models.slots.named();
        // Reading the catalogue takes milliseconds, which a start without slots does not have to wait for.
        if slots.iter().all(|(_, target)| target.is_none()) || self.is_malformed(&Path::of(["prices"])) {
            return;
        }
        let known = Catalogue::embedded().ok().and_then(|known| known.with(&self.config.prices).ok());
        let Some(known) = known else { return };
        for (slot, target) in slots {
            let path = Path::of(["models", "slots", slot]);
            let Some(target) = target.filter(|_| !self.is_malformed(&path)) else { continue };
            let facts = self.facts(&known, target);
            if let Some(why) = unfit(slot, &facts, self.config.models.long_context_threshold) {
                let message = format!("`{target}` is no model for `slots.{slot}`: {why}");
                self.report(Code::UnfitSlot, &path, message);
            }
        }
    }

    /// What is known of the model that a target means.
    fn facts(&self, known: &Catalogue, target: &str) -> Facts {
        let name = self.followed(target);
        let of_family =
            || family_of(name).and_then(|kinds| kinds.first()).map(|kind| (kind.name(), kind.name(), name));
        let of_provider = |id: &str| self.providers.iter().find(|provider| provider.id == id);
        let named = match self.parse(name) {
            Target::At(prefix, model, _) => {
                of_provider(prefix).map(|provider| (provider.id.as_str(), provider.kind.name(), model))
            }
            Target::Alias | Target::Plain => None,
        };
        let Some((id, kind, model)) = named.or_else(of_family) else { return Facts::default() };
        let facts = known.facts(&[id, kind], model);
        // What the configuration bounds counts before what the model could have.
        Facts { context: self.context_of(target).or(facts.context), ..facts }
    }
}

/// Why a model cannot do what a slot is for, where that is known.
fn unfit(slot: &str, facts: &Facts, threshold: u64) -> Option<String> {
    match slot {
        "image" if facts.vision == Some(false) => Some("it sees no pictures".into()),
        "think" if facts.thinking == Some(false) => Some("it does not think".into()),
        "longContext" => {
            let context = facts.context.filter(|context| *context <= threshold)?;
            Some(format!(
                "calls of more than {threshold} tokens (`long_context_threshold`) go there, and it holds {context}"
            ))
        }
        _ => None,
    }
    .or_else(|| {
        // Housekeeping calls carry none.
        let tools = slot != "background" && facts.tools == Some(false);
        tools.then(|| "it calls no tools, which the calls of coding agents carry".into())
    })
}
