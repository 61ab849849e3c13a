//! `lockgate` and `lockgate serve`: the gateway in the foreground.
//!
//! Listens first, then finds out what is there: discovery, the file watcher and root certificates come behind the
//! first answer. Reloads on SIGHUP and when the file changes; a bad file keeps the last good configuration. SIGTERM
//! and Ctrl-C let answers finish, a second one does not.

mod asking;
pub(crate) mod book;
mod charge;
mod desk;
mod filed;
mod inquiry;
mod judges;
mod keys;
pub(crate) mod mask;
mod oidc;
mod pages;
pub(crate) mod plan;
mod purse;
pub(crate) mod record;
pub(crate) mod settings;
mod signals;
mod summary;
mod tell;
mod till;
mod titles;
pub(crate) mod upkeep;
pub(crate) mod ward;

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use lockgate_config::{Change, Environment, Inputs, Problems, Snapshot, Store, Watcher, locate, render_text};
use lockgate_engine::{Courier, Engine, Options};
use lockgate_ledger::Prices;
use lockgate_providers::OpenError;
use lockgate_server::{Part, Server, Vitals};
use lockgate_telemetry::Services;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::doctor::is_lockgate;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, count};
use asking::Everybody;
use book::Enforced;
use charge::Charging;
use desk::Desk;
use judges::Judges;
use keys::Keys;
use mask::Masks;
use purse::Purse;
use record::Recording;
use settings::Settings;
use signals::Stop;
pub(crate) use summary::{bare, place};
use tell::{Listeners, Telling};
use titles::Means;

/// Files in the folder of the record in which a gateway keeps what it knows of its database.
pub(crate) const CACHES: [&str; 3] = [book::CACHE, keys::CACHE, settings::CACHE];

/// Arguments of `lockgate serve`.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// The configuration file. Default: `$LOCKGATE_CONFIG`, ./lockgate.yaml, ~/.config/lockgate/lockgate.yaml.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on, such as 127.0.0.1:8484; over what the configuration says.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Do not look for providers in the environment and on this machine.
    #[arg(long)]
    pub no_detect: bool,
    /// Set a value of the configuration, such as conversion.strict=true. May be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

impl ServeArgs {
    /// What the configuration is made of.
    pub fn inputs(&self) -> Result<Inputs, Failure> {
        let environment = Environment::process();
        let mut flags = Vec::new();
        for pair in &self.set {
            let (path, value) = pair.split_once('=').ok_or_else(|| {
                Failure::usage(format!("--set {pair}: write PATH=VALUE, such as log.level=debug"))
            })?;
            flags.push((path.to_owned(), value.to_owned()));
        }
        flags.extend(self.listen.iter().map(|address| ("server.listen".to_owned(), address.clone())));
        let file = locate(self.config.as_deref(), &environment);
        Ok(Inputs { file, environment, flags, detect: !self.no_detect })
    }
}

/// Runs until it is told to stop.
pub fn main(args: &ServeArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let store = Store::open(args.inputs()?).map_err(|problems| unusable(&problems))?;
    raise_descriptor_limit();
    screen.narrow(80);
    let runtime = runtime()?;
    let ended = runtime.block_on(run(Arc::new(store), screen));
    // A look-up of a name or a read of certificates that is still under way keeps nobody waiting.
    runtime.shutdown_background();
    ended
}

fn unusable(problems: &Problems) -> Failure {
    Failure::usage(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
}

/// One thread where there is one core: a call that never changes threads wakes nobody else up.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let one = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if one {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build().map_err(|error| Failure::unavailable(format!("no runtime: {error}")))
}

/// Each stream holds two descriptors; the soft limit of many systems (1024) is there for old programs only.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

async fn run(store: Arc<Store>, screen: &mut Screen) -> Result<Exit, Failure> {
    let settings = Settings::open(store.clone(), kept(&store).as_deref());
    let snapshot = store.current();
    let masks = Masks::new(&snapshot);
    let levels = tell::start_log(&snapshot, coloured(), &masks);
    settings.say();
    let no_signals = |error| Failure::unavailable(format!("signals cannot be received: {error}"));
    let mut told = Stop::register().map_err(no_signals)?;
    let hangup = signals::hangup().map_err(no_signals)?;
    let wanted = snapshot.config().server.listen;
    let listener = listen(wanted).await?;
    let address = listener.local_addr().unwrap_or(wanted);
    let folder = snapshot.config().record.folder(&store.inputs().environment);
    let filled = folder.as_deref().is_some_and(|folder| record::may_exist(&snapshot.config().record, folder));
    let prices = Prices::new(snapshot.config().prices.clone());
    let recording =
        Recording::open(&snapshot, &store.inputs().environment, &masks, prices.clone()).map(Arc::new);
    let recorded = folder.as_deref().filter(|_| recording.is_some());
    let keys = Arc::new(Keys::open(recorded, filled && recording.is_some(), prices.clone()));
    let telling = Telling::start(store.clone(), levels, masks.clone(), prices.clone(), recording.clone());
    let listeners = Listeners(telling.telemetry.clone());
    let purse = Purse::new(prices.clone());
    let observer = Arc::new(Charging { next: listeners, prices: prices.clone(), purse: purse.clone() });
    let (engine, unopened) = Engine::new(plan::options(&snapshot), observer);
    let engine = with_people(engine, &snapshot, recording.as_deref(), (&telling, prices.clone(), purse));
    let policies = Enforced::open(engine.clone(), masks.clone(), &snapshot, recorded);
    left_out(&unopened);
    let (access, bounds) = (keys.access(&snapshot), plan::bounds(&snapshot));
    let vitals = vitals(&snapshot, recording.clone(), (&keys, &policies, &settings));
    let door = (pages::door(&snapshot, keys.clone()), oidc::oidc(&snapshot));
    let means = (telling.clone(), !record::is_wanted(&snapshot));
    let books = (policies.book(), settings.book());
    let admin = pages::Admin::new(recording.as_deref(), door, books, prices.clone(), means, keys.clone());
    let server = Server::new(engine.clone(), access, bounds).with_vitals(vitals);
    let server = Arc::new(server.with_pages(Some(Arc::new(admin))));
    let stop = CancellationToken::new();
    let drain = Duration::from_millis(snapshot.config().server.drain_ms);
    let serving = tokio::spawn(lockgate_server::serve(listener, server.clone(), stop.clone(), drain));
    let served = server.clone();
    summary::started(screen, address, &store)?;

    let reloads = Reloads {
        engine: engine.clone(),
        keys,
        masks,
        policies,
        prices,
        recording: recording.clone(),
        server,
        store: store.clone(),
        telling: telling.clone(),
    };
    reloads.behind_calls(folder);
    let changes = Arc::new(tokio::sync::Notify::new());
    if let Some(recording) = &recording {
        tokio::spawn(settings.follow(recording.clone(), changes.clone()));
    }
    let _watcher = watch(&store, &changes);
    let background = tokio::spawn(background(reloads, changes, hangup));
    let found = tokio::spawn({
        let engine = engine.clone();
        async move { discover(&engine, &store, Duration::from_millis(1500)).await }
    });
    tokio::select! {
        _ = found => {
            summary::providers(screen, &engine, &unopened)?;
            told.told().await;
        }
        () = told.told() => {}
    }
    background.abort();
    stop.cancel();
    telling.telemetry.feed().end();
    let ended = finish(serving, &served, drain, &mut told, screen).await;
    engine.end_late().await;
    telling.finish().await;
    if let Some(recording) = recording {
        recording.finish().await;
    }
    Ok(ended)
}

/// How the parts are, where anything is recorded or was to be.
fn vitals(
    snapshot: &Snapshot,
    recording: Option<Arc<Recording>>,
    (keys, policies, settings): (&Arc<Keys>, &Arc<Enforced>, &Arc<Settings>),
) -> Option<Arc<dyn Vitals>> {
    let record: Arc<dyn Vitals> = match recording {
        Some(recording) => recording,
        None if record::is_wanted(snapshot) => Arc::new(record::Unrecorded),
        None => return None,
    };
    let (keys, policies, settings) = (keys.clone(), policies.clone(), settings.clone());
    Some(Arc::new(Health { keys, policies, record, settings }))
}

/// The folder of the record, if anything is recorded.
fn kept(store: &Store) -> Option<PathBuf> {
    let snapshot = store.current();
    record::is_wanted(&snapshot)
        .then(|| snapshot.config().record.folder(&store.inputs().environment))
        .flatten()
}

/// The engine with those whom policies ask, and with its record.
fn with_people(
    engine: Engine,
    snapshot: &Snapshot,
    recording: Option<&Recording>,
    (telling, prices, purse): (&Telling, Prices, Purse),
) -> Arc<Engine> {
    let judges = Judges::new(prices.clone());
    let desk = Desk::new(recording.map(Recording::shelf), telling.telemetry.clone());
    let services = Arc::new(Services::new(Courier::through(snapshot.proxies())));
    let everybody = Everybody { desk, judges: judges.clone(), purse, services };
    let engine = engine.pricing(prices).asking(Arc::new(everybody));
    let engine = Arc::new(match recording {
        Some(recording) => engine.recording(recording.log()),
        None => engine,
    });
    judges.through(&engine);
    engine
}

fn left_out(unopened: &[(String, OpenError)]) {
    for (id, problem) in unopened {
        tracing::warn!("provider `{id}` is left out: {problem}");
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    let error = match bound {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse if is_lockgate(address).await => {
            "a Lockgate is running there already: use it, end it, or choose another port with --listen 127.0.0.1:PORT"
        }
        io::ErrorKind::AddrInUse => {
            "another program has the port; choose one with --listen 127.0.0.1:PORT, or see `lockgate doctor`"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for the system; choose one above",
        _ => "choose an address of this machine with --listen, such as 127.0.0.1:8484",
    };
    Err(Failure::unavailable(format!("cannot listen on {address}: {error}")).hint(hint))
}

/// Colours only for somebody who sees them and has not declined.
fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Asks every provider for its models, and local runtimes that do not answer at their other address as well.
pub(crate) async fn discover(engine: &Engine, store: &Store, patience: Duration) {
    engine.discover(patience).await;
    if replace_moved(engine, store) {
        engine.discover(patience).await;
        if plan::moved(engine, &store.current()).is_some() {
            // Neither address answered: next time both are asked again.
            replace(engine, store, plan::options);
        }
    }
}

fn replace_moved(engine: &Engine, store: &Store) -> bool {
    let moved = plan::moved(engine, &store.current()).is_some();
    if moved {
        replace(engine, store, |snapshot| {
            plan::moved(engine, snapshot).unwrap_or_else(|| plan::options(snapshot))
        });
    }
    moved
}

/// Hands the engine what follows from the snapshot in force, also if a reload came in between.
fn replace(engine: &Engine, store: &Store, plan: impl Fn(&Snapshot) -> Options) {
    loop {
        let snapshot = store.current();
        engine.replace(plan(&snapshot));
        if Arc::ptr_eq(&snapshot, &store.current()) {
            return;
        }
    }
}

/// How the parts of the gateway are that may be in trouble.
struct Health {
    keys: Arc<Keys>,
    policies: Arc<Enforced>,
    record: Arc<dyn Vitals>,
    settings: Arc<Settings>,
}

impl Vitals for Health {
    fn parts(&self) -> Vec<Part> {
        let mut parts = self.record.parts();
        parts.push(self.keys.part());
        parts.push(self.policies.part());
        parts.push(self.settings.part());
        parts
    }

    fn unready(&self) -> Option<&'static str> {
        self.keys.unready()
    }
}

/// What a reload touches.
struct Reloads {
    engine: Arc<Engine>,
    keys: Arc<Keys>,
    masks: Masks,
    policies: Arc<Enforced>,
    prices: Prices,
    recording: Option<Arc<Recording>>,
    server: Arc<Server>,
    store: Arc<Store>,
    telling: Arc<Telling>,
}

impl Reloads {
    /// Begins what is done with the record while calls go on.
    fn behind_calls(&self, folder: Option<PathBuf>) {
        let Some(recording) = &self.recording else { return };
        tokio::spawn(self.keys.clone().follow(recording.clone(), self.server.clone(), self.store.clone()));
        tokio::spawn(self.policies.clone().follow(recording.shelf()));
        if let Some(folder) = folder {
            tokio::spawn(pages::first_user(recording.clone(), folder));
        }
        tokio::spawn(recording.titles().work(Means {
            engine: self.engine.clone(),
            keys: self.keys.clone(),
            masks: self.masks.clone(),
            shelf: recording.shelf(),
        }));
    }

    /// Takes over a new configuration. `asked`: whether somebody wants to hear also that there is none.
    fn reload(&self, asked: bool) {
        match self.store.reload() {
            Err(problems) => {
                tracing::error!(
                    "the configuration is not taken over, the last good one stays\n{}",
                    render_text(&problems.0)
                );
            }
            Ok(changed) if changed.is_empty() => {
                if asked {
                    tracing::info!("the configuration has not changed");
                }
            }
            Ok(changed) => {
                let snapshot = self.store.current();
                left_out(&self.engine.replace(plan::options(&snapshot)));
                // Before the policies: what they have looked through counts for the secrets that were known then.
                self.masks.reload(&snapshot);
                self.policies.reload(&snapshot);
                if let Err(error) = self.prices.replace(snapshot.config().prices.clone()) {
                    tracing::error!(%error, "the prices of before stay");
                }
                self.keys.apply(&self.server, &self.store);
                if let Some(recording) = &self.recording {
                    recording.reload(&snapshot);
                }
                self.telling.reload(&snapshot);
                for path in changed.needs_restart() {
                    tracing::warn!("{path} has changed and needs a restart");
                }
                tracing::info!(changes = changed.paths.len(), "the new configuration is in force");
            }
        }
    }
}

/// Reloads on a change and on SIGHUP; asks providers for their models anew every ten minutes.
async fn background(reloads: Reloads, changes: Arc<tokio::sync::Notify>, mut hangup: Signal) {
    let mut again = tokio::time::interval(Duration::from_mins(10));
    again.reset();
    // What changed before the watcher was there.
    reloads.reload(false);
    loop {
        tokio::select! {
            () = changes.notified() => reloads.reload(true),
            _ = hangup.recv() => reloads.reload(true),
            _ = again.tick() => {}
        }
        discover(&reloads.engine, &reloads.store, Duration::from_secs(10)).await;
    }
}

fn watch(store: &Store, changes: &Arc<tokio::sync::Notify>) -> Option<Watcher> {
    let file = store.inputs().file.as_deref()?;
    let changes = changes.clone();
    match Watcher::start(file, Duration::from_millis(200), move |change| match change {
        Change::Content => changes.notify_one(),
        Change::Gone => tracing::warn!("the configuration file is gone; the last good configuration stays"),
    }) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "changes of the configuration are not noticed; reload with SIGHUP");
            None
        }
    }
}

/// Lets answers finish; a second signal ends at once.
async fn finish(
    mut serving: tokio::task::JoinHandle<usize>,
    server: &Server,
    drain: Duration,
    told: &mut Stop,
    screen: &mut Screen,
) -> Exit {
    // Connections that only wait for another request end at once.
    let cut = match tokio::time::timeout(Duration::from_millis(100), &mut serving).await {
        Ok(cut) => cut.unwrap_or(0),
        Err(_) => {
            let (open, wait) = (count(server.connections(), "answer"), drain.as_secs());
            let words = format!("waiting for {open}, {wait} s at most; stop once more to cut them off");
            let _ = screen.line(&words);
            tokio::select! {
                cut = serving => cut.unwrap_or(0),
                () = told.told() => server.connections(),
            }
        }
    };
    let words =
        if cut == 0 { "stopped".to_owned() } else { format!("stopped; {} cut off", count(cut, "answer")) };
    let _ = screen.line(&words);
    Exit::Ok
}
