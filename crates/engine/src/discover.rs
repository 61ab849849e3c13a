//! Finds out which models providers have and which local runtimes are up, behind the calls.
//!
//! Asks for lists only, which cost nothing, and never wakes or loads a model. A provider that does not answer keeps
//! the list it had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use lockgate_core::{ErrorKind, Failure, ModelCard, Secret};
use lockgate_providers::{Ask, AuthScheme, Credential, Endpoint, Operation};
use lockgate_wire::format;

use crate::catalogue::Catalogue;
use crate::engine::Engine;
use crate::process;
use crate::side::{accepted, side_call};
use crate::state::{ProviderStatus, State};
use crate::upstream::Upstream;

/// What came of asking each provider the last time.
pub(crate) type Probes = BTreeMap<String, Probe>;

/// What came of asking one provider.
#[derive(Clone)]
pub(crate) struct Probe {
    /// Whether it was asked at all.
    asked: bool,
    /// Seconds by which its clock is ahead of ours, where it told the time.
    clock_ahead_s: Option<i64>,
    verdict: Result<(), (ErrorKind, String)>,
}

impl Probe {
    /// Whether the provider itself told which models it has.
    pub(crate) fn has_list(&self) -> bool {
        self.asked && self.verdict.is_ok()
    }

    /// Whether nothing is known that keeps calls from succeeding. A list may be refused where calls are not.
    fn is_good(&self) -> bool {
        match &self.verdict {
            Ok(()) => true,
            Err((kind, _)) => !matches!(kind, ErrorKind::Timeout | ErrorKind::UpstreamUnavailable),
        }
    }
}

/// Whether a provider that needs no key is there: a runtime that answers, a program that is installed. One that was
/// configured is taken to be there until it has been asked.
pub(crate) fn is_there(upstream: &Upstream, probes: &Probes) -> bool {
    upstream.needs_key() || probes.get(&upstream.id).map_or(!upstream.detected, Probe::is_good)
}

/// A provider's answer to the question for its models.
struct Listed {
    /// Its models; `None` where it has no list, or only its callers have a credential for it.
    cards: Result<Option<Vec<ModelCard>>, Failure>,
    clock_ahead_s: Option<i64>,
}

impl Listed {
    fn none() -> Self {
        Self { cards: Ok(None), clock_ahead_s: None }
    }
}

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
                let listed = listed.unwrap_or_else(|_| Listed {
                    cards: Err(Failure::new(ErrorKind::Timeout, "no answer in time")),
                    clock_ahead_s: None,
                });
                (upstream, listed)
            });
        }
        while let Some(joined) = asked.join_next().await {
            let Ok((upstream, listed)) = joined else { continue };
            self.learn(&upstream, listed);
        }
    }

    fn learn(&self, upstream: &Upstream, listed: Listed) {
        let probe = Probe {
            asked: !matches!(listed.cards, Ok(None)),
            clock_ahead_s: listed.clock_ahead_s,
            verdict: match &listed.cards {
                Ok(_) => Ok(()),
                Err(failure) => Err((failure.kind, without_secrets(upstream, &failure.message))),
            },
        };
        if let Ok(Some(found)) = listed.cards {
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
            next.insert(upstream.id.clone(), probe.clone());
            Arc::new(next)
        });
    }

    /// Every provider with what is known about it.
    pub fn providers(&self) -> Vec<ProviderStatus> {
        let (state, catalogue, probes) = (self.state.load(), self.catalogue.load(), self.probes.load());
        let status = |upstream: &Arc<Upstream>| {
            let probe = probes.get(&upstream.id);
            let (address, proxy) = whereabouts(upstream);
            ProviderStatus {
                address,
                asked: probe.is_some_and(|probe| probe.asked),
                clock_ahead_s: probe.and_then(|probe| probe.clock_ahead_s),
                detected: upstream.detected,
                has_credential: upstream.settings.api_key.as_ref().is_some_and(|key| !key.is_empty()),
                id: upstream.id.clone(),
                kind: upstream.kind.name(),
                models: catalogue.of(&upstream.id).len(),
                proxy,
                reachable: probe.map(|probe| probe.verdict.clone().map_err(|(_, words)| words)),
                trouble: probe.and_then(|probe| probe.verdict.as_ref().err()).map(|(kind, _)| *kind),
            }
        };
        state.upstreams.values().map(status).collect()
    }
}

fn models_ask(upstream: &Upstream) -> Option<Ask<'static>> {
    let dialect = *upstream.provider.dialects().first()?;
    Some(Ask { dialect, model: "", operation: Operation::Models, stream: false })
}

impl Upstream {
    /// The list of models as the provider tells it, for those who want more of it than ids. `travel`: headers of the question.
    pub async fn listing(&self, travel: HeaderMap) -> Result<http::Response<Bytes>, Failure> {
        let without = || Failure::new(ErrorKind::NotFound, "it has no list of models");
        let ask = models_ask(self).ok_or_else(without)?;
        // Some lists are for everybody.
        let credential = own_credential(self).unwrap_or(Credential::None);
        let answered = side_call(self, &ask, credential, travel, Bytes::new()).await.map_err(|failure| {
            let message = without_secrets(self, &failure.message);
            Failure { message, ..failure }
        })?;
        let mut answer = http::Response::new(answered.body);
        *answer.headers_mut() = answered.headers;
        *answer.status_mut() = StatusCode::from_u16(answered.status).map_err(|_| without())?;
        Ok(answer)
    }
}

/// What the configuration has for signing.
fn own_credential(upstream: &Upstream) -> Option<Credential> {
    let key = upstream.settings.api_key.as_ref().filter(|key| !key.is_empty())?;
    Some(match upstream.settings.auth_scheme {
        AuthScheme::Bearer => Credential::Bearer(key.clone()),
        AuthScheme::Native => Credential::Key(key.clone()),
    })
}

/// Asks a provider for its models.
async fn list(upstream: &Upstream) -> Listed {
    if let Some(program) = program(upstream) {
        let card = |id: &&str| ModelCard { id: (*id).to_owned(), ..ModelCard::default() };
        let cards = process::installed(&program).map(|()| Some(CLAUDE_MODELS.iter().map(card).collect()));
        return Listed { cards, clock_ahead_s: None };
    }
    let Some(ask) = models_ask(upstream) else { return Listed::none() };
    let Some(models) = format(ask.dialect).models else { return Listed::none() };
    let credential = match own_credential(upstream) {
        Some(credential) => credential,
        None if upstream.needs_key() => return Listed::none(),
        None => Credential::None,
    };
    match upstream.provider.endpoint(&ask) {
        Ok(Endpoint::Http { .. }) => {}
        Ok(Endpoint::Process(_)) | Err(_) => return Listed::none(),
    }
    match side_call(upstream, &ask, credential, HeaderMap::new(), Bytes::new()).await {
        Err(failure) => Listed { cards: Err(failure), clock_ahead_s: None },
        Ok(answered) => {
            let clock_ahead_s = clock_ahead_s(&answered.headers);
            let cards = accepted(&format(ask.dialect), answered)
                .map_err(|refused| refused.failure)
                .and_then(|body| models.parse(&body).map(Some).map_err(|error| unreadable(&error)));
            Listed { cards, clock_ahead_s }
        }
    }
}

/// The names that the `claude` command has for its newest models; it prints no list.
const CLAUDE_MODELS: [&str; 3] = ["haiku", "opus", "sonnet"];

/// The program that is run for each call, if that is what the provider is.
fn program(upstream: &Upstream) -> Option<String> {
    let dialect = *upstream.provider.dialects().first()?;
    let ask = Ask { dialect, model: "", operation: Operation::Generate, stream: true };
    match upstream.provider.endpoint(&ask) {
        Ok(Endpoint::Process(command)) => Some(command.program),
        Ok(Endpoint::Http { .. }) | Err(_) => None,
    }
}

fn unreadable(error: &lockgate_wire::DecodeError) -> Failure {
    Failure::new(ErrorKind::UpstreamUnavailable, format!("its list of models cannot be read: {error}"))
}

fn clock_ahead_s(headers: &HeaderMap) -> Option<i64> {
    let theirs = httpdate::parse_http_date(headers.get(http::header::DATE)?.to_str().ok()?).ok()?;
    let seconds = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok())
    };
    Some(seconds(theirs)? - seconds(SystemTime::now())?)
}

/// A provider's words without what is secret: some repeat the key that they refuse.
fn without_secrets(upstream: &Upstream, words: &str) -> String {
    let settings = &upstream.settings;
    let secrets = settings.api_key.iter().chain(settings.headers.values()).chain(settings.query.values());
    // Shorter ones are words such as `true` that are no secret and may well occur.
    let secrets = secrets.map(Secret::expose).filter(|secret| secret.len() >= 8);
    secrets.fold(words.to_owned(), |words, secret| words.replace(secret, "«secret»"))
}

/// Where a provider is, and the proxy on the way there.
fn whereabouts(upstream: &Upstream) -> (Option<String>, Option<String>) {
    match models_ask(upstream).map(|ask| upstream.provider.endpoint(&ask)) {
        Some(Ok(Endpoint::Http { uri, .. })) => {
            let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
            let place = uri.scheme_str().zip(uri.host());
            (place.map(|(scheme, host)| format!("{scheme}://{host}{port}")), upstream.proxy_to(&uri))
        }
        Some(Ok(Endpoint::Process(command))) => (Some(command.program), None),
        Some(Err(_)) | None => (None, None),
    }
}
