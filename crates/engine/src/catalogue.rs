//! The models that providers are known to have: from the configuration and from their own lists.
//!
//! A snapshot; `Engine::discover` makes new ones behind the calls. Asks nobody itself.

use std::collections::BTreeMap;

use lockgate_core::ModelCard;

/// Models by provider id.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    by_provider: BTreeMap<String, Vec<ModelCard>>,
}

impl Catalogue {
    /// Sets what one provider has.
    pub fn set(&mut self, provider: &str, cards: Vec<ModelCard>) {
        self.by_provider.insert(provider.to_owned(), cards);
    }

    /// What one provider has.
    pub fn of(&self, provider: &str) -> &[ModelCard] {
        self.by_provider.get(provider).map_or(&[], Vec::as_slice)
    }

    /// Whether a provider is known to have a model.
    pub fn has(&self, provider: &str, model: &str) -> bool {
        self.card(provider, model).is_some()
    }

    /// One model of one provider. Ollama's names may leave out the tag `latest`.
    pub fn card(&self, provider: &str, model: &str) -> Option<&ModelCard> {
        let same = |card: &&ModelCard| card.id == model || card.id.strip_suffix(":latest") == Some(model);
        self.of(provider).iter().find(same)
    }

    /// All models that a caller may use (asked by provider, model and name), with all that is known of them, as clients may call them: by their
    /// own name where it is the only one, else with the provider's.
    pub fn listed(
        &self,
        may_use: impl Fn(&str, &ModelCard, &str) -> bool,
        known: impl Fn(&str, &ModelCard) -> ModelCard,
    ) -> Vec<ModelCard> {
        let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
        for card in self.by_provider.values().flatten() {
            *holders.entry(&card.id).or_default() += 1;
        }
        let mut list = Vec::new();
        for (provider, cards) in &self.by_provider {
            for card in cards {
                let full = format!("{provider}:{}", card.id);
                let id =
                    if holders.get(card.id.as_str()) == Some(&1) { card.id.clone() } else { full.clone() };
                if may_use(provider, card, &card.id) || may_use(provider, card, &full) {
                    list.push(ModelCard {
                        id,
                        owner: card.owner.clone().or_else(|| Some(provider.clone())),
                        ..known(provider, card)
                    });
                }
            }
        }
        list
    }

    /// Names that look like this one, best first.
    pub fn nearest(&self, name: &str, most: usize) -> Vec<String> {
        let mut near = self.similar(name, None);
        near.truncate(most);
        near
    }

    /// Names of one provider's models that look like this one, best first.
    pub fn nearest_of(&self, provider: &str, name: &str) -> Vec<String> {
        self.similar(name, Some(provider))
    }

    fn similar(&self, name: &str, only: Option<&str>) -> Vec<String> {
        let short = name.rsplit(['/', ':']).next().unwrap_or(name);
        let mut scored: Vec<(f64, String)> = self
            .by_provider
            .iter()
            .filter(|(provider, _)| only.is_none_or(|only| *provider == only))
            .flat_map(|(provider, cards)| cards.iter().map(move |card| (provider, card)))
            .map(|(provider, card)| {
                (
                    strsim::jaro_winkler(short, card.id.rsplit('/').next().unwrap_or(&card.id)),
                    format!("{provider}:{}", card.id),
                )
            })
            .filter(|(score, _)| *score > 0.8)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        scored.into_iter().map(|(_, name)| name).collect()
    }
}
