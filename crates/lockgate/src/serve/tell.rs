//! What the running gateway tells, set up from the configuration and kept in step with it; and who may ask for metrics.
//!
//! Nothing here can fail a start or a call: what cannot be set up is said in the log and left out.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, Response, StatusCode, header};
use lockgate_config::{Config, LogFormat, LogLevel, Snapshot, Store, TraceContext, WebhookEvent};
use lockgate_engine::{AnswerBody, CallReport, CallStart, Courier, Follower, Observer, Outcome};
use lockgate_ledger::Prices;
use lockgate_server::Vitals as _;
use lockgate_telemetry::{
    Filter, Format, Hook, HookEvent, Hooks, Level, Levels, Otlp, Propagation, RecordNumbers, Retry,
    Telemetry, Traces,
};

use super::keys::Keys;
use super::mask::Masks;
use super::record::Recording;

/// How long the end waits for a collector and for receivers of webhooks.
const PATIENCE: Duration = Duration::from_secs(2);

/// Telemetry as the configuration wants it.
pub(super) struct Telling {
    /// Takes out what is told to others.
    courier: Courier,
    /// What is in force.
    kept: Mutex<Option<Kept>>,
    pub(super) levels: Levels,
    store: Arc<Store>,
    pub(super) telemetry: Telemetry,
}

/// The parts of a configuration that are set up here.
#[derive(Clone, PartialEq)]
struct Kept {
    metrics: bool,
    telemetry: lockgate_config::Telemetry,
    webhooks: Vec<lockgate_config::Webhook>,
}

impl Telling {
    /// Begins to listen; in a runtime.
    pub(super) fn start(
        store: Arc<Store>,
        levels: Levels,
        masks: Masks,
        prices: Prices,
        recording: Option<Arc<Recording>>,
    ) -> Arc<Self> {
        let telemetry = Telemetry::new(prices);
        let telemetry = match recording {
            Some(recording) => telemetry.with_record(move || numbers(&recording)),
            None => telemetry,
        };
        telemetry.mask(Box::new(move |text| match masks.redactor().redact(text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        }));
        telemetry.start();
        let courier = Courier::through(store.current().proxies());
        let telling = Self { courier, kept: Mutex::default(), levels, store, telemetry };
        telling.reload(&telling.store.current());
        Arc::new(telling)
    }

    /// Takes over what a new configuration says. What it leaves as it was goes on undisturbed.
    pub(super) fn reload(&self, snapshot: &Snapshot) {
        let config = snapshot.config();
        self.levels.configure(level(config.log.level));
        let next = Kept {
            metrics: config.metrics.enabled,
            telemetry: config.telemetry.clone(),
            webhooks: config.webhooks.clone(),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.as_ref();
        let otlp = &next.telemetry.otlp;
        self.telemetry.count(next.metrics || otlp.metrics.enabled);
        if before.is_none_or(|before| before.telemetry != next.telemetry) {
            let traces = self.traces(otlp);
            self.telemetry.trace(traces, otlp.sample, propagation(next.telemetry.trace_context));
            self.push(otlp);
        }
        if before.is_none_or(|before| before.webhooks != next.webhooks) {
            self.telemetry.hook(Hooks::start(hooks(config), &self.courier));
        }
        *kept = Some(next);
    }

    fn traces(&self, otlp: &lockgate_config::Otlp) -> Option<Traces> {
        match Traces::start(&collector(otlp)?, self.courier.clone()) {
            Ok(traces) => Some(traces),
            Err(reason) => {
                tracing::error!(reason, "no traces are sent (telemetry.otlp)");
                None
            }
        }
    }

    fn push(&self, otlp: &lockgate_config::Otlp) {
        let lockgate_config::OtlpMetrics { enabled, interval_seconds } = otlp.metrics;
        let to = collector(otlp).filter(|_| enabled);
        if enabled && to.is_none() {
            tracing::warn!("no metrics are sent: telemetry.otlp.metrics has no telemetry.otlp.endpoint");
        }
        let every = Duration::from_secs(u64::from(interval_seconds));
        let begun = self.telemetry.push(to.as_ref().map(|to| (to, every)), self.courier.clone());
        if let Err(reason) = begun {
            tracing::error!(reason, "no metrics are sent (telemetry.otlp)");
        }
    }

    /// Sends what can still be sent.
    pub(super) async fn finish(&self) {
        self.telemetry.finish(PATIENCE).await;
    }

    /// Answers `/metrics`.
    pub(super) fn metrics(
        &self,
        keys: &Keys,
        peer: SocketAddr,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response<AnswerBody> {
        if !may_ask(self.store.current().config(), |key| keys.name_of(key), peer, headers) {
            let words =
                "not from this network (metrics.allow) and not without a key that may (metrics.keys)\n";
            return plain(StatusCode::FORBIDDEN, words.to_owned());
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "GET\n".to_owned());
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let told = if self.store.current().config().metrics.enabled {
            self.telemetry.exposition(accept)
        } else {
            None
        };
        let Some(told) = told else {
            return plain(StatusCode::NOT_FOUND, "metrics are off (metrics.enabled)\n".to_owned());
        };
        let mut response = plain(StatusCode::OK, told.text);
        let kind = header::HeaderValue::from_static(told.content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

fn plain(status: StatusCode, words: String) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::full(words));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Whether somebody may see the metrics: from a network of the list, or with a valid key of the other. `name_of` tells the name of a valid key.
fn may_ask(
    config: &Config,
    name_of: impl Fn(&str) -> Option<String>,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = text("authorization").and_then(|value| {
        value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key)
    });
    let shown = [text("x-api-key"), text("x-lockgate-key"), bearer];
    let known = |key: &str| name_of(key.trim()).is_some_and(|name| config.metrics.keys.contains(&name));
    if shown.into_iter().flatten().any(known) {
        return true;
    }
    // Behind a proxy everybody comes from the proxy's address, and a page in a browser on this machine from this machine's.
    let direct = !["forwarded", "via", "x-forwarded-for", "x-real-ip", "origin"]
        .iter()
        .any(|name| headers.contains_key(*name));
    // A page of a foreign name that was made to lead here is no neighbour either.
    let named_here = !peer.ip().to_canonical().is_loopback() || text("host").is_none_or(is_here);
    direct && named_here && config.metrics.allow.iter().any(|network| network.contains(peer.ip()))
}

/// Whether `host[:port]` is an address or a name of this machine.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

/// The log, as the configuration and the environment want it.
pub(super) fn start_log(snapshot: &Snapshot, colours: bool, masks: &Masks) -> Levels {
    masks.tell_panics();
    let masks = masks.clone();
    let log = &snapshot.config().log;
    let format = match log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text { colours },
    };
    Levels::start(level(log.level), std::env::var("LOCKGATE_LOG").ok(), format, move || masks.stderr())
}

const fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    }
}

const fn propagation(context: TraceContext) -> Propagation {
    match context {
        TraceContext::Drop => Propagation::Drop,
        TraceContext::Own => Propagation::Own,
        TraceContext::Untouched => Propagation::Untouched,
    }
}

fn collector(otlp: &lockgate_config::Otlp) -> Option<Otlp> {
    let endpoint = otlp.endpoint.as_ref()?.to_string();
    let headers = otlp.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Some(Otlp { endpoint, headers })
}

fn hooks(config: &Config) -> Vec<Hook> {
    let hook = |hook: &lockgate_config::Webhook| {
        let (Ok(key), Ok(url)) = (hook.secret.expose().parse(), hook.url.as_str().parse()) else {
            tracing::error!("a webhook is left out: its address or its secret cannot be used");
            return None;
        };
        let events = hook.events.iter().map(|end| match end {
            WebhookEvent::Aborted => HookEvent::Call(lockgate_telemetry::Outcome::Aborted),
            WebhookEvent::ApprovalRequested => HookEvent::ApprovalRequested,
            WebhookEvent::Completed => HookEvent::Call(lockgate_telemetry::Outcome::Complete),
            WebhookEvent::Failed => HookEvent::Call(lockgate_telemetry::Outcome::Failed),
        });
        let filter = Filter {
            key: hook.filter.key.clone(),
            model: hook.filter.model.as_ref().map(|model| model.as_str().to_owned()),
            provider: hook.filter.provider.clone(),
            ..Filter::default()
        };
        Some(Hook { events: events.collect(), filter, key, retry: Retry::default(), url })
    };
    config.webhooks.iter().filter_map(hook).collect()
}

fn numbers(recording: &Recording) -> RecordNumbers {
    let mut told = RecordNumbers::default();
    for (name, number) in recording.parts().into_iter().flat_map(|part| part.numbers) {
        match name {
            "log_bytes" => told.log_bytes = number,
            "lost" => told.lost = number,
            "quarantined" => told.quarantined = number,
            "ring_bytes" => told.ring_bytes = number,
            "stored" => told.stored = number,
            "waiting" => told.waiting = number,
            _ => {}
        }
    }
    told
}

/// Writes a line for each finished call, for those who look for a fault, and lets telemetry listen.
pub(super) struct Listeners(pub(super) Telemetry);

impl Observer for Listeners {
    fn finished(&self, report: CallReport) {
        let outcome = match &report.outcome {
            Outcome::Aborted => "aborted",
            Outcome::Complete => "complete",
            Outcome::Failed(failure) => failure.kind.as_str(),
        };
        let usage = report.usage.unwrap_or_default();
        tracing::debug!(
            call.id = report.id,
            call.caller = report.caller,
            call.dialect = %report.dialect,
            call.provider = report.provider,
            call.model = report.model.or(report.requested),
            call.outcome = outcome,
            call.status = report.status,
            call.request_id = report.request_id,
            call.ms = u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            call.prompt_tokens = usage.prompt(),
            call.output_tokens = usage.output,
            "call {} {outcome}",
            report.id,
        );
    }

    fn started(&self, call: &CallStart<'_>) -> Option<Arc<dyn Follower>> {
        self.0.started(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_for_this_machine_listed_networks_and_named_keys_and_for_nobody_behind_a_proxy() {
        let mut config = Config::default();
        let asks = |config: &Config, peer: &str, pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            may_ask(config, |key| Some(key.to_owned()), peer.parse().unwrap(), &headers)
        };
        assert!(asks(&config, "127.0.0.1:1", &[]) && asks(&config, "[::1]:1", &[]));
        assert!(asks(&config, "[::ffff:127.0.0.1]:1", &[]));
        assert!(!asks(&config, "10.1.2.3:1", &[]));
        assert!(!asks(&config, "127.0.0.1:1", &[("x-forwarded-for", "8.8.8.8")]));
        assert!(asks(&config, "127.0.0.1:1", &[("host", "localhost:8484")]));
        assert!(!asks(&config, "127.0.0.1:1", &[("host", "evil.example:8484")]));
        assert!(!asks(&config, "127.0.0.1:1", &[("origin", "https://evil.example")]));
        config.metrics.allow = vec![lockgate_config::Network::parse("10.0.0.0/8").unwrap()];
        assert!(asks(&config, "10.1.2.3:1", &[]) && !asks(&config, "127.0.0.1:1", &[]));
        config.metrics.keys = vec!["lg-one".to_owned()];
        assert!(asks(&config, "8.8.8.8:1", &[("authorization", "Bearer lg-one")]));
        assert!(asks(&config, "8.8.8.8:1", &[("x-api-key", "lg-one"), ("forwarded", "for=1.1.1.1")]));
        assert!(!asks(&config, "8.8.8.8:1", &[("authorization", "Bearer lg-two")]));
    }
}
