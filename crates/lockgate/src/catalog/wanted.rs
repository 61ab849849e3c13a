//! Which models of a provider are configured, and which were used lately.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_config::{Config, Record};
use lockgate_ledger::openrouter::Wanted;
use lockgate_store::{Calls as _, Filter, Limit, PageRequest};
use lockgate_store_sql::Database;

use crate::serve::record::{may_exist, options};

/// How far back calls are looked at.
const LATELY: Duration = Duration::from_hours(24 * 30);

/// How many calls are looked at, the latest first.
const CALLS: usize = 20_000;

/// Provider and model of a call.
pub(super) type Used = (String, String);

/// What was called in the last thirty days. Nothing where nothing can be looked at: what is configured is checked nevertheless.
pub(super) async fn used(settings: &Record, folder: &Path) -> Vec<Used> {
    if !may_exist(settings, folder) {
        return Vec::new();
    }
    let found = tokio::time::timeout(Duration::from_secs(30), look(settings, folder)).await;
    match found {
        Ok(Ok(found)) => found.into_iter().collect(),
        Ok(Err(error)) => {
            tracing::debug!(%error, "what was called is not looked at");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

async fn look(settings: &Record, folder: &Path) -> Result<BTreeSet<Used>, lockgate_store::Error> {
    let database = Database::open(&options(settings, folder)).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let from_us = Some(now.saturating_sub(LATELY).as_micros() as i64);
    let filter = Filter { from_us, ..Filter::default() };
    let (mut used, mut seen) = (BTreeSet::new(), 0);
    let mut page = PageRequest { after: None, limit: Limit::of(Limit::MAX) };
    loop {
        let listed = database.list(&filter, &page).await?;
        seen += listed.items.len();
        used.extend(listed.items.into_iter().filter_map(|call| {
            // A name that nobody has is a slip of its caller, not something to keep.
            let known = call.status.is_none_or(|status| status < 400);
            call.route.provider.zip(call.route.resolved_model).filter(|_| known)
        }));
        match listed.next {
            Some(next) if seen < CALLS => page.after = Some(next),
            Some(_) | None => break,
        }
    }
    database.close().await;
    Ok(used)
}

/// The models of a provider that somebody counts on. Agents call most of them, so each is to take tools.
pub(super) fn of(config: &Config, provider: &str, used: &[Used]) -> Vec<Wanted> {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    if let Some(settings) = config.providers.get(provider) {
        ids.extend(settings.models.iter().map(String::as_str));
    }
    let slots = config.models.slots.named();
    let targets = config.models.aliases.values().map(String::as_str);
    for target in targets.chain(slots.into_iter().filter_map(|(_, target)| target)) {
        let Some((prefix, model)) = target.split_once([':', '/']) else { continue };
        if prefix == provider {
            ids.insert(model);
        } else if target[prefix.len()..].starts_with('/') && !config.providers.contains_key(prefix) {
            // `maker/model` without a provider before it is how OpenRouter calls its models.
            ids.insert(target);
        }
    }
    let priced = config.prices.iter().filter(|price| price.provider == provider);
    ids.extend(priced.flat_map(|price| &price.models).map(String::as_str).filter(|id| !id.contains('*')));
    ids.extend(used.iter().filter(|(of, _)| of == provider).map(|(_, model)| model.as_str()));
    ids.into_iter().map(|id| Wanted { id: id.to_owned(), tools: true }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_wanted_that_are_listed_aliased_priced_or_were_used() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "providers": {"or": {"kind": "openrouter", "models": ["a/listed"]}, "groq": {}},
            "models": {
                "aliases": {"fast": "or:b/alias", "other": "groq:c/elsewhere", "plain": "d/bare", "again": "fast"},
                "slots": {"think": "or/e/slot"},
            },
            "prices": [{"provider": "or", "models": ["f/priced", "g/*"]}],
        }))
        .unwrap();
        let used = [("or".to_owned(), "h/used".to_owned()), ("groq".to_owned(), "i/elsewhere".to_owned())];
        let ids: Vec<_> = of(&config, "or", &used).into_iter().map(|wanted| wanted.id).collect();
        assert_eq!(ids, ["a/listed", "b/alias", "d/bare", "e/slot", "f/priced", "h/used"]);
    }
}
