//! Asks the admin API on behalf of a command: in this process over the database that the configuration names, or at a gateway.
//!
//! A command says method, path and body and gets JSON, or bytes; what it may do and how things are shown is the API's. Prints nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lockgate_admin::{App, FIRST_USER, Principal, RetentionPolicy, SECRET_FILE, Shelf};
use lockgate_config::{Environment, Inputs, Snapshot, locate, render_text};
use lockgate_ledger::Prices;
use lockgate_store::Enacted;
use lockgate_store_sql::{Database, Options, Place};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::exit::{Exit, Failure};
use crate::gateway::Secret;
use crate::serve::CACHES;
use crate::serve::book::Book;
use crate::serve::record::{is_wanted, may_exist, options};
use crate::serve::settings::Standing;
use crate::serve::upkeep::policy;
use crate::serve::ward::ward;

/// How long a gateway may take to answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes of bodies that stay in memory: commands read a session call by call, and each call sends most of the one before again.
const RECENT: usize = 64 * 1024 * 1024;

/// Where a command finds what is recorded.
#[derive(Debug, Clone, Default, Args)]
pub struct OfficeArgs {
    /// The configuration file that names the database. Default: the one that `lockgate serve` would read.
    #[arg(long, short, value_name = "FILE", conflicts_with = "gateway")]
    pub config: Option<PathBuf>,
    /// Ask the gateway at this address instead of opening the database.
    #[arg(long, value_name = "URL")]
    pub gateway: Option<String>,
    /// What to show that gateway: a login's token, or a key of it.
    #[arg(long, value_name = "TOKEN", env = TOKEN, hide_env_values = true)]
    pub token: Option<Secret>,
}

/// The variable that holds a token for the gateways that `--gateway` names; without that it is for nobody.
const TOKEN: &str = "LOCKGATE_TOKEN";

impl OfficeArgs {
    /// Refuses a token that was written for no gateway. One of the environment is there for other commands too.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let of_environment = |token: &Secret| std::env::var(TOKEN).is_ok_and(|known| known == token.reveal());
        match &self.token {
            Some(token) if self.gateway.is_none() && !of_environment(token) => {
                Err(Failure::usage("--token is for a gateway, and none is named")
                    .hint("add --gateway URL; the database is opened without a token"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Whom a command asks.
pub(crate) struct Office {
    door: Door,
    /// Whether the token is of a login that was made for this.
    entered: bool,
    runtime: tokio::runtime::Runtime,
}

enum Door {
    Gateway { base: String, token: Option<Secret> },
    Here(axum::Router),
}

impl Office {
    /// Opens the database, or notes where the gateway is.
    pub(crate) fn open(args: &OfficeArgs) -> Result<Self, Failure> {
        Self::with(args, false)
    }

    /// The same; makes the database if there is none yet.
    pub(crate) fn open_or_create(args: &OfficeArgs) -> Result<Self, Failure> {
        Self::with(args, true)
    }

    fn with(args: &OfficeArgs, create: bool) -> Result<Self, Failure> {
        args.check()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
        let door = match &args.gateway {
            Some(base) => {
                Door::Gateway { base: base.trim_end_matches('/').to_owned(), token: args.token.clone() }
            }
            None => {
                let (snapshot, folder, inputs) = record(args)?;
                let settings = snapshot.config().record.clone();
                let ward = ward(&folder);
                let shelf = runtime.block_on(shelf((settings, &folder), create))?;
                let enacted = runtime.block_on(enacted(&shelf, &inputs));
                let config = enacted.as_ref().map_or_else(|_| snapshot.config(), Snapshot::config);
                let prices = Prices::new(config.prices.clone());
                let policy = policy(&config.record, Some(&folder));
                let withheld = enacted.as_ref().err().cloned();
                let retention = ArcSwap::from_pointee(RetentionPolicy { withheld, ..policy });
                let book = Book::of(snapshot);
                let app = App::new(shelf)
                    .with_policies(Arc::new(book))
                    .with_config(Arc::new(Standing(inputs)))
                    .with_prices(prices)
                    .with_retention(Arc::new(retention))
                    .with_ward(Some(ward));
                Door::Here(lockgate_admin::router(app))
            }
        };
        Ok(Self { door, entered: false, runtime })
    }

    /// The gateway that runs: the one that is named, or the one that the configuration describes, with a login by the first password.
    pub(crate) fn running(args: &OfficeArgs) -> Result<Self, Failure> {
        if args.gateway.is_some() {
            return Self::open(args);
        }
        args.check()?;
        let Here { base, secret } = here(args)?;
        let named = OfficeArgs { config: None, gateway: Some(base.clone()), token: None };
        let mut office = Self::open(&named)?;
        let login = json!({"name": FIRST_USER, "password": secret, "token": true});
        let token =
            office.ask(Method::POST, "/api/login", Some(&login))?["token"].as_str().map(str::to_owned);
        office.door = Door::Gateway { base, token: token.map(Secret::from) };
        office.entered = true;
        Ok(office)
    }

    /// Ends a login that was made for this.
    pub(crate) fn leave(&self) {
        if self.entered {
            let _ = self.ask(Method::POST, "/api/logout", None);
        }
    }

    /// Lets time go by.
    pub(crate) fn pause(&self, time: Duration) {
        self.runtime.block_on(tokio::time::sleep(time));
    }

    /// The JSON at a path.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// The JSON that a request is answered with; `null` if it is answered with nothing.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let sent = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let bytes = self.bytes(method, path, sent)?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes)
            .map_err(|_| Failure::unavailable("the answer is no JSON: is a Lockgate at that address?"))
    }

    /// The bytes that a request is answered with.
    pub(crate) fn bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Bytes, Failure> {
        let mut request = Request::builder().method(method);
        let bytes = match body {
            Some((kind, bytes)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                bytes
            }
            None => Bytes::new(),
        };
        let told = match &self.door {
            Door::Gateway { base, token } => {
                if let Some(token) = token {
                    request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
                }
                let request = request.uri(format!("{base}{path}")).body(Full::new(bytes));
                self.runtime.block_on(far(request.map_err(|error| unusable(base, &error))?, base))?
            }
            Door::Here(router) => {
                let request = request
                    .uri(path)
                    .extension(Principal::command_line())
                    .body(Body::from(bytes))
                    .map_err(|error| unusable(path, &error))?;
                self.runtime.block_on(near(router.clone(), request))?
            }
        };
        answer(told)
    }
}

/// The configuration, and the folder of the record.
fn record(args: &OfficeArgs) -> Result<(Snapshot, PathBuf, Inputs), Failure> {
    let (snapshot, folder, inputs) = configuration(args)?;
    let folder = folder.ok_or_else(|| {
        Failure::unavailable("there is no HOME, so no database").hint("name a folder as `record.directory`")
    })?;
    Ok((snapshot, folder, inputs))
}

/// The same, also where there is no folder.
fn configuration(args: &OfficeArgs) -> Result<(Snapshot, Option<PathBuf>, Inputs), Failure> {
    let environment = Environment::process();
    let file = locate(args.config.as_deref(), &environment);
    let inputs = Inputs { file, environment, flags: Vec::new(), detect: true };
    let snapshot = inputs.load().map_err(|problems| {
        Failure::usage(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
    })?;
    let folder = snapshot.config().record.folder(&inputs.environment);
    Ok((snapshot, folder, inputs))
}

/// Whether it is certain that no gateway has anything in a database: none is kept, or it was never made. A database that cannot be opened, or has gone
/// from beside what gateways know of it, is no unused one.
pub(crate) fn is_unused(args: &OfficeArgs) -> Result<bool, Failure> {
    let (snapshot, folder, _) = configuration(args)?;
    let Some(folder) = folder.filter(|_| is_wanted(&snapshot)) else { return Ok(true) };
    let known = || CACHES.iter().any(|cache| folder.join(cache).exists());
    Ok(!may_exist(&snapshot.config().record, &folder) && !known())
}

/// The folder of the record.
pub(crate) fn folder(args: &OfficeArgs) -> Result<PathBuf, Failure> {
    record(args).map(|(_, folder, _)| folder)
}

/// A gateway that the configuration describes, and the first password, which whoever may read it here may use.
pub(crate) struct Here {
    pub(crate) base: String,
    pub(crate) secret: String,
}

/// Where the configuration says that a gateway listens.
pub(crate) fn here(args: &OfficeArgs) -> Result<Here, Failure> {
    let environment = Environment::process();
    let inputs = Inputs {
        file: locate(args.config.as_deref(), &environment),
        environment,
        flags: Vec::new(),
        detect: false,
    };
    let snapshot = inputs.load().map_err(|problems| {
        Failure::usage(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
    })?;
    let config = snapshot.config();
    let mut listen = config.server.listen;
    if listen.ip().is_unspecified() {
        // It listens there too.
        listen.set_ip(if listen.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let file = config.record.folder(&inputs.environment).map(|folder| folder.join(SECRET_FILE));
    let secret = file.and_then(|file| std::fs::read_to_string(file).ok()).ok_or_else(|| {
        Failure::unavailable("nothing to show the gateway: there is no token, and no first password in the folder of the record")
            .hint("`lockgate key new --name cli --role viewer` makes a key for it (`operator` to change something): --gateway URL --token KEY")
    })?;
    Ok(Here { base: format!("http://{listen}"), secret: secret.trim().to_owned() })
}

/// The configuration with what was set while gateways run; or why that cannot be used here.
async fn enacted(shelf: &Shelf, inputs: &Inputs) -> Result<Snapshot, String> {
    let unread = |error: lockgate_store::Error| {
        format!("the settings that were made while gateways run cannot be read: {error}")
    };
    let document = match shelf.get() {
        Some(database) => match database.latest_version(Enacted::Settings).await.map_err(unread)? {
            0 => None,
            latest => database.enacted(Enacted::Settings, latest).await.map_err(unread)?,
        },
        None => None,
    };
    inputs.load_with(document.as_ref().map(|version| version.document.as_str())).map_err(|problems| {
        let faults: Vec<_> = problems.0.into_iter().filter(lockgate_config::Problem::is_error).collect();
        format!(
            "the settings that were made while gateways run cannot be used with this machine's file and variables\n{}",
            render_text(&faults).trim_end()
        )
    })
}

/// The database of the configuration.
async fn shelf((settings, folder): (lockgate_config::Record, &Path), create: bool) -> Result<Shelf, Failure> {
    let options = Options { recent: RECENT, ..options(&settings, folder) };
    if let Place::File(file) = &options.place
        && !create
        && !file.exists()
    {
        return Err(Failure::unavailable(format!("nothing is recorded yet: there is no {}", file.display()))
            .hint(
                "run `lockgate` and send it a call; or name its database with --config, or it with --gateway",
            ));
    }
    if create && settings.database.is_none() {
        private_folder(folder)?;
    }
    let database = Database::open(&options).await.map_err(|error| {
        Failure::unavailable(format!("the database cannot be opened: {error}"))
            .hint("is it the one of this configuration? (`lockgate config show`)")
    })?;
    let shelf = Shelf::default();
    let _ = shelf.set(Arc::new(database));
    Ok(shelf)
}

/// The folder of the record, for its owner alone.
fn private_folder(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::file("make", folder, &error))
}

async fn near(router: axum::Router, request: Request<Body>) -> Result<(StatusCode, Bytes), Failure> {
    let answered = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    let status = answered.status();
    let broken = |error: axum::Error| Failure::unavailable(format!("the answer broke off: {error}"));
    Ok((status, answered.into_body().collect().await.map_err(broken)?.to_bytes()))
}

async fn far(request: Request<Full<Bytes>>, base: &str) -> Result<(StatusCode, Bytes), Failure> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| Failure::unavailable(format!("the system's certificates cannot be read: {error}")))?
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let exchange = async {
        let answered: Response<_> = client.request(request).await.map_err(|error| silent(base, &error))?;
        let status = answered.status();
        let body = answered.into_body().collect().await.map_err(|error| silent(base, &error))?;
        Ok((status, body.to_bytes()))
    };
    let late = |_| Failure::unavailable(format!("{base} takes longer than {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, exchange).await.map_err(late)?
}

fn silent(base: &str, error: &dyn std::error::Error) -> Failure {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        words = deeper.to_string();
        cause = deeper.source();
    }
    Failure::unavailable(format!("{base} does not answer: {words}")).hint("is a Lockgate running there?")
}

fn unusable(text: &str, error: &http::Error) -> Failure {
    Failure::usage(format!("`{text}` is no address: {error}"))
}

/// The bytes, or what the API says is wrong.
fn answer((status, bytes): (StatusCode, Bytes)) -> Result<Bytes, Failure> {
    if status.is_success() {
        return Ok(bytes);
    }
    let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let words = told["error"]["message"].as_str();
    let words = words.map_or_else(|| format!("the gateway says {status}"), ToOwned::to_owned);
    let exit = match status {
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => Exit::Finding,
        status if status.is_client_error() && status != StatusCode::UNAUTHORIZED => Exit::Usage,
        _ => Exit::Unavailable,
    };
    Err(Failure { exit, message: words, hint: None })
}
