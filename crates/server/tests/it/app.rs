//! A gateway in this process before a scripted upstream, with short bounds so that no test has to wait for long.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate_core::Secret;
use lockgate_engine::{Asker, CallReport, Engine, Observer, Options};
use lockgate_providers::{EnvironmentProxies, Kind, Retry, Settings, Timeouts};
use lockgate_server::{Access, Bounds, Server};
use lockgate_testkit::{Recorded, Running, Script, Upstream};
use lockgate_wire::EnvelopeLimits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{Call, Connection, Reply, send};

/// Keeps every report.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Vec<CallReport>>);

impl Observer for Reports {
    fn finished(&self, report: CallReport) {
        self.0.lock().unwrap().push(report);
    }
}

/// What a gateway is started with.
pub(crate) struct Setup {
    pub(crate) access: Access,
    pub(crate) bounds: Bounds,
    pub(crate) options: Options,
}

impl Setup {
    /// Changes every provider.
    pub(crate) fn each(&mut self, change: impl Fn(&mut Settings)) {
        self.options.providers.values_mut().for_each(change);
    }

    /// One provider's settings.
    pub(crate) fn provider(&mut self, id: &str) -> &mut Settings {
        self.options.providers.get_mut(id).unwrap()
    }

    /// Keeps only these providers.
    pub(crate) fn only(&mut self, ids: &[&str]) {
        self.options.providers.retain(|id, _| ids.contains(&id.as_str()));
    }
}

/// A running gateway.
pub(crate) struct App {
    pub(crate) addr: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) upstream: Running,
    stop: CancellationToken,
}

/// The gateway's own credential at every provider.
pub(crate) const GATEWAY_KEY: &str = "sk-gateway";

impl App {
    /// A gateway with every provider kind at the scripted upstream, which follows `script` (YAML).
    pub(crate) async fn start(script: &str) -> Self {
        Self::with(script, |_| {}).await
    }

    /// The same with somebody who answers what policies ask.
    pub(crate) async fn asking(script: &str, asker: Arc<dyn Asker>) -> Self {
        Self::made(script, |_| {}, Some(asker)).await
    }

    /// The same with other settings.
    pub(crate) async fn with(script: &str, change: impl FnOnce(&mut Setup)) -> Self {
        Self::made(script, change, None).await
    }

    async fn made(script: &str, change: impl FnOnce(&mut Setup), asker: Option<Arc<dyn Asker>>) -> Self {
        let script = Script::parse(script).unwrap_or_else(|error| panic!("{error}\n{script}"));
        let upstream = Upstream::start(script).await.unwrap();
        let mut setup = setup(&upstream.url());
        change(&mut setup);
        let reports = Arc::new(Reports::default());
        let (engine, problems) = Engine::new(setup.options, reports.clone());
        assert!(problems.is_empty(), "{problems:?}");
        let engine = Arc::new(match asker {
            Some(asker) => engine.asking(asker),
            None => engine,
        });
        let server = Arc::new(Server::new(engine.clone(), setup.access, setup.bounds));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = lockgate_server::serve(listener, server, stop.clone(), Duration::from_millis(10));
        tokio::spawn(serving);
        Self { addr, engine, reports, upstream, stop }
    }

    /// One exchange.
    pub(crate) async fn send(&self, call: &Call) -> Reply {
        send(self.addr, call).await
    }

    /// A connection with a call already on its way.
    pub(crate) async fn begin(&self, call: &Call) -> Connection {
        let mut connection = Connection::open(self.addr).await;
        connection.write(&call.wire(self.addr)).await;
        connection
    }

    /// The only request that the upstream saw.
    pub(crate) fn seen(&self) -> Recorded {
        let mut all = self.upstream.requests();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// The reports so far.
    pub(crate) fn reported(&self) -> Vec<CallReport> {
        self.reports.0.lock().unwrap().clone()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn setup(url: &str) -> Setup {
    let mut providers = BTreeMap::new();
    for (id, kind, path) in [
        ("anthropic", Kind::Anthropic, ""),
        ("gemini", Kind::Gemini, ""),
        ("ollama", Kind::Ollama, ""),
        ("openai", Kind::Openai, "/v1"),
        ("openrouter", Kind::Openrouter, "/api/v1"),
        ("other", Kind::OpenaiCompatible, "/v1"),
    ] {
        let settings = Settings {
            api_key: Some(Secret::new(GATEWAY_KEY)),
            base_url: Some(format!("{url}{path}").parse().unwrap()),
            kind: Some(kind),
            retry: Retry { attempts: 1, max_wait_ms: 20 },
            timeouts: Timeouts { connect_ms: 2000, first_byte_ms: 5000, idle_ms: 5000, total_ms: 15_000 },
            ..Settings::default()
        };
        providers.insert(id.to_owned(), settings);
    }
    Setup {
        access: Access::default(),
        bounds: Bounds {
            body: 32 * 1024 * 1024,
            body_idle: Duration::from_secs(5),
            body_whole: Duration::from_secs(30),
            head: Duration::from_secs(5),
            header_bytes: 64 * 1024,
            headers: 100,
            write_idle: Duration::from_secs(5),
        },
        options: Options {
            aliases: BTreeMap::new(),
            detected: BTreeSet::new(),
            keepalive: Duration::from_secs(5),
            limits: EnvelopeLimits { messages: 10_000, nesting: 128, tools: 1_000 },
            providers,
            proxies: EnvironmentProxies::default(),
            recording: lockgate_engine::RecordingMode::default(),
            repair_duplicate_tools: false,
            strict: false,
        },
    }
}
