//! Finds out which models providers have and which local runtimes are up, behind the calls.
//!
//! Asks for lists only, which cost nothing, and never wakes or loads a model. A provider that does not answer keeps
//! the list it had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use lockgate_core::ModelCard;
use lockgate_providers::{Ask, AuthScheme, Credential, Endpoint, Operation};
use lockgate_wire::format;

use crate::catalogue::Catalogue;
use crate::engine::Engine;
use crate::side::{accepted, side_call};
use crate::state::{ProviderStatus, State};
use crate::upstream::Upstream;

/// Whether each provider answered when it was last asked, and what went wrong.
pub(crate) type Probes = BTreeMap<String, Result<(), String>>;

/// The models that the configuration names.
pub(crate) fn configured(state: &State) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (id, upstream) in &state.upstreams {
        catalogue.set(id, static_cards(upstream));
    }
    catalogue
}

fn static_cards(upstream: &Upstream) -> Vec<ModelCard> {
    let card =
        |id: &String| ModelCard { id: id.clone(), owner: Some(upstream.id.clone()), ..ModelCard::default() };
    upstream.settings.models.iter().map(card).collect()
}

impl Engine {
    /// Asks every provider for its models, side by side, each for at most `patience`.
    pub async fn discover(&self, patience: Duration) {
        let state = self.state.load_full();
        let mut asked = tokio::task::JoinSet::new();
        for upstream in state.upstreams.values() {
            let upstream = upstream.clone();
            asked.spawn(async move {
                let listed = tokio::time::timeout(patience, list(&upstream)).await;
                let listed = listed.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                (upstream, listed)
            });
        }
        while let Some(joined) = asked.join_next().await {
            let Ok((upstream, listed)) = joined else { continue };
            self.learn(&upstream, listed);
        }
    }

    fn learn(&self, upstream: &Upstream, listed: Result<Option<Vec<ModelCard>>, String>) {
        let verdict = listed.as_ref().map(|_| ()).map_err(Clone::clone);
        if let Ok(Some(found)) = listed {
            let mut cards = static_cards(upstream);
            cards.extend(found.into_iter().filter(|card| !upstream.settings.models.contains(&card.id)));
            self.catalogue.rcu(|catalogue| {
                let mut next = Catalogue::clone(catalogue);
                next.set(&upstream.id, cards.clone());
                Arc::new(next)
            });
        }
        self.probes.rcu(|probes| {
            let mut next = Probes::clone(probes);
            next.insert(upstream.id.clone(), verdict.clone());
            Arc::new(next)
        });
    }

    /// Every provider with what is known about it.
    pub fn providers(&self) -> Vec<ProviderStatus> {
        let (state, catalogue, probes) = (self.state.load(), self.catalogue.load(), self.probes.load());
        let status = |upstream: &Arc<Upstream>| ProviderStatus {
            address: address(upstream),
            detected: upstream.detected,
            has_credential: upstream.settings.api_key.as_ref().is_some_and(|key| !key.is_empty()),
            id: upstream.id.clone(),
            kind: upstream.kind.name(),
            models: catalogue.of(&upstream.id).len(),
            reachable: probes.get(&upstream.id).cloned(),
        };
        state.upstreams.values().map(status).collect()
    }
}

fn models_ask(upstream: &Upstream) -> Option<Ask<'static>> {
    let dialect = *upstream.provider.dialects().first()?;
    Some(Ask { dialect, model: "", operation: Operation::Models, stream: false })
}

/// A provider's models; `None` where it has no list, or only its callers have a credential for it.
async fn list(upstream: &Upstream) -> Result<Option<Vec<ModelCard>>, String> {
    let Some(ask) = models_ask(upstream) else { return Ok(None) };
    let Some(models) = format(ask.dialect).models else { return Ok(None) };
    let gateway = upstream.settings.api_key.as_ref().filter(|key| !key.is_empty());
    let credential = match (gateway, upstream.settings.auth_scheme) {
        (Some(key), AuthScheme::Bearer) => Credential::Bearer(key.clone()),
        (Some(key), AuthScheme::Native) => Credential::Key(key.clone()),
        (None, _) if upstream.kind.info().needs_key => return Ok(None),
        (None, _) => Credential::None,
    };
    match upstream.provider.endpoint(&ask) {
        Ok(Endpoint::Http { .. }) => {}
        Ok(Endpoint::Process(_)) | Err(_) => return Ok(None),
    }
    let answered = side_call(upstream, &ask, credential, HeaderMap::new(), Bytes::new()).await;
    let answered = answered.map_err(|failure| failure.message)?;
    let body = accepted(&format(ask.dialect), answered).map_err(|refused| refused.failure.message)?;
    models.parse(&body).map(Some).map_err(|error| error.to_string())
}

fn address(upstream: &Upstream) -> Option<String> {
    match upstream.provider.endpoint(&models_ask(upstream)?).ok()? {
        Endpoint::Http { uri, .. } => Some(
            format!("{}://{}", uri.scheme_str()?, uri.authority()?.host()).to_owned()
                + &uri.port().map_or(String::new(), |port| format!(":{port}")),
        ),
        Endpoint::Process(command) => Some(command.program),
    }
}
