//! `lockgate catalog check`: whether the OpenRouter models that are configured or used are still listed, priced and able as assumed.
//!
//! Asks each OpenRouter provider for its list, which costs nothing, and keeps the list in the folder of the record for when nobody
//! answers. The comparison is the ledger's. Changes no configuration and no price.

mod cache;
mod wanted;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use http::{HeaderMap, HeaderValue, header};
use lockgate_config::{Environment, Inputs, Provider, Snapshot, locate, render_text};
use lockgate_engine::Upstream;
use lockgate_ledger::openrouter::{Finding, Limits, Models, Problem, Severity, Wanted, check as compare};
use lockgate_ledger::{Catalogue, Date, Moment, Override, PricesError};
use lockgate_providers::{Kind, Settings};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::{ATTENTION, BAD, FAINT, Screen, count, styled};
use cache::{Cache, Kept};

/// The name of its kind.
const OPENROUTER: &str = "openrouter";

/// Arguments of `lockgate catalog check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration file. Default: the one that `lockgate serve` would read.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Report models that may vanish within so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub expiring_days: u32,
    /// Report prices that differ by more than so many percent from those of the configuration, else from those listed the last time.
    #[arg(long, value_name = "PERCENT", default_value_t = 1)]
    pub price_percent: u32,
    /// Do not ask; use the list that was kept the last time.
    #[arg(long)]
    pub offline: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What came of one provider.
struct Checked {
    findings: Vec<Finding>,
    listed: usize,
    provider: String,
    /// Seconds since the list was known to be right.
    age: u64,
    /// Why the list is one that was kept; `None` = it was asked for just now.
    kept_because: Option<String>,
    wanted: Vec<Wanted>,
}

/// Compares and reports. 1 = findings, 3 = there is no list.
pub fn check(args: &CheckArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let environment = Environment::process();
    let file = locate(args.config.as_deref(), &environment);
    let inputs = Inputs { file, environment, flags: Vec::new(), detect: true };
    let snapshot = inputs.load().map_err(|problems| {
        Failure::usage(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
    })?;
    let folder = snapshot.config().record.folder(&inputs.environment);
    let providers: Vec<_> =
        snapshot.providers().iter().filter(|provider| provider.kind == Kind::Openrouter).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
    let used = match &folder {
        Some(folder) => runtime.block_on(wanted::used(&snapshot.config().record, folder)),
        None => Vec::new(),
    };
    let mut all = Vec::new();
    for provider in &providers {
        let cache = Cache::of(folder.as_deref(), &provider.id);
        let list = runtime.block_on(list(args, &snapshot, provider, &cache))?;
        let wanted = wanted::of(snapshot.config(), &provider.id, &used);
        all.push(checked(args, &snapshot.config().prices, provider, &list, wanted)?);
    }
    runtime.shutdown_background();
    if args.json {
        screen.json(&as_json(&all))?;
    } else {
        tell(&all, screen)?;
    }
    Ok(if all.iter().all(|checked| checked.findings.is_empty()) { Exit::Ok } else { Exit::Finding })
}

fn checked(
    args: &CheckArgs,
    prices: &[Override],
    provider: &Provider,
    list: &List,
    wanted: Vec<Wanted>,
) -> Result<Checked, Failure> {
    let List { kept, kept_because, .. } = list;
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::unavailable(format!("provider `{}`: its list cannot be read: {error}", provider.id))
    };
    let models =
        Models::parse(kept.answer.as_bytes(), day(kept.fetched)).map_err(|error| unreadable(&error))?;
    let known = known(prices, &provider.id, list.before.as_ref()).map_err(|error| unreadable(&error))?;
    let limits = Limits { expiring_days: args.expiring_days, price_percent: args.price_percent };
    Ok(Checked {
        findings: compare(&wanted, &models, &known, day(now()), limits),
        listed: models.models.len(),
        provider: provider.id.clone(),
        age: now().saturating_sub(kept.fetched),
        kept_because: kept_because.clone(),
        wanted,
    })
}

/// The prices to compare with: those of the configuration, else those that were listed the last time.
fn known(prices: &[Override], provider: &str, before: Option<&Kept>) -> Result<Catalogue, PricesError> {
    let mut catalogue = Catalogue::embedded()?;
    if let Some(before) =
        before.and_then(|kept| Models::parse(kept.answer.as_bytes(), day(kept.fetched)).ok())
    {
        catalogue = catalogue.with_openrouter(&before);
    }
    let of = |name: &str| {
        let of = prices.iter().filter(|price| price.provider.eq_ignore_ascii_case(name));
        of.map(|price| Override { provider: OPENROUTER.to_owned(), ..price.clone() }).collect::<Vec<_>>()
    };
    let own = of(provider);
    if provider == OPENROUTER {
        return Ok(catalogue.with(&own)?);
    }
    // What is said of the provider goes before what is said of its kind.
    let all = [own.clone(), of(OPENROUTER)].concat();
    Ok(if Override::problems(&all).is_empty() { catalogue.with(&all)? } else { catalogue.with(&own)? })
}

/// A provider's list.
struct List {
    /// The one of the last time, where this is another.
    before: Option<Kept>,
    kept: Kept,
    /// Why it is one that was kept; `None` = it was asked for just now.
    kept_because: Option<String>,
}

/// The list of now; or the one that was kept, and why.
async fn list(
    args: &CheckArgs,
    snapshot: &Snapshot,
    provider: &Provider,
    cache: &Cache,
) -> Result<List, Failure> {
    let from = provider.base_url.as_ref().map(ToString::to_string).unwrap_or_default();
    let kept = cache.read().filter(|kept| kept.from == from);
    let trouble = if args.offline {
        "not asked (--offline)".to_owned()
    } else {
        match ask(snapshot, provider, &from, kept.as_ref()).await {
            Ok(fresh) => {
                if let Err(error) = cache.write(&fresh) {
                    tracing::debug!(%error, "the list is not kept");
                }
                return Ok(List { before: kept, kept: fresh, kept_because: None });
            }
            Err(trouble) => trouble,
        }
    };
    match kept {
        Some(kept) => Ok(List { before: None, kept, kept_because: Some(trouble) }),
        None => Err(Failure::unavailable(format!(
            "provider `{}`: {trouble}, and no list of an earlier time is kept",
            provider.id
        ))
        .hint("run it once while the provider answers; the list is kept then")),
    }
}

/// Asks for the list, if it has changed since it was kept.
async fn ask(
    snapshot: &Snapshot,
    provider: &Provider,
    from: &str,
    kept: Option<&Kept>,
) -> Result<Kept, String> {
    let settings = Settings {
        kind: Some(provider.kind),
        base_url: provider.base_url.clone(),
        ..Settings::clone(&provider.settings)
    };
    let upstream = Upstream::open(&provider.id, &settings, false, snapshot.proxies())
        .map_err(|error| error.to_string())?;
    let mut travel = HeaderMap::new();
    if let Some(etag) = kept.and_then(|kept| HeaderValue::from_str(kept.etag.as_deref()?).ok()) {
        travel.insert(header::IF_NONE_MATCH, etag);
    }
    let answer = upstream.listing(travel).await.map_err(|failure| failure.message)?;
    match (answer.status().as_u16(), kept) {
        (304, Some(kept)) => Ok(Kept { fetched: now(), ..kept.clone() }),
        (200, _) => {
            let (head, body) = answer.into_parts();
            let text = String::from_utf8(body.to_vec()).map_err(|_| "its answer is no text".to_owned())?;
            Models::parse(text.as_bytes(), day(now())).map_err(|error| error.to_string())?;
            let etag = head.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
            let etag = etag.map(ToOwned::to_owned);
            Ok(Kept { answer: text, etag, fetched: now(), from: from.to_owned() })
        }
        (status, _) => Err(format!("it answers with status {status}")),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn day(seconds: u64) -> Date {
    let moment = i64::try_from(seconds).ok().and_then(Moment::from_unix);
    moment.map_or(Date::EPOCH, |moment| moment.date)
}

fn as_json(all: &[Checked]) -> Value {
    let providers = all.iter().map(|checked| {
        json!({
            "provider": checked.provider,
            "list": {
                "source": if checked.kept_because.is_some() { "cache" } else { "provider" },
                "age_seconds": checked.age,
                "trouble": checked.kept_because,
                "models": checked.listed,
            },
            "checked": checked.wanted.iter().map(|wanted| &wanted.id).collect::<Vec<_>>(),
            "findings": checked.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    });
    json!({"providers": providers.collect::<Vec<_>>()})
}

fn finding(finding: &Finding) -> Value {
    let mut told = match &finding.problem {
        Problem::Expired { on } => json!({"kind": "expired", "on": on}),
        Problem::Expiring { on, days } => json!({"kind": "expiring", "on": on, "days": days}),
        Problem::Missing { nearest } => json!({"kind": "missing", "nearest": nearest}),
        Problem::NoTools => json!({"kind": "no_tools"}),
        Problem::PriceChanged { rate, was, now } => {
            json!({"kind": "price_changed", "rate": rate, "was": was, "now": now})
        }
        Problem::PriceUnknown => json!({"kind": "price_unknown"}),
    };
    told["id"] = finding.id.clone().into();
    told["severity"] = severity(finding).into();
    told["message"] = finding.to_string().into();
    told
}

fn severity(finding: &Finding) -> &'static str {
    match finding.problem.severity() {
        Severity::Error => "error",
        Severity::Notice => "notice",
        Severity::Warning => "warning",
    }
}

fn tell(all: &[Checked], screen: &mut Screen) -> Result<(), Failure> {
    if all.is_empty() {
        return screen.line("Nothing to check: no provider is OpenRouter.");
    }
    for checked in all {
        let models = count(checked.listed, "model");
        let words = match &checked.kept_because {
            None => format!("{}: {models} listed now", checked.provider),
            Some(trouble) => {
                format!("{}: {models} in the list of {}; {trouble}", checked.provider, age(checked.age))
            }
        };
        screen.line(&styled(FAINT, &words))?;
        for finding in &checked.findings {
            let style = match finding.problem.severity() {
                Severity::Error => BAD,
                Severity::Notice => FAINT,
                Severity::Warning => ATTENTION,
            };
            screen.line(&format!("{}: {finding}", styled(style, severity(finding))))?;
        }
        let (ids, found) = (count(checked.wanted.len(), "id"), count(checked.findings.len(), "finding"));
        screen.line(&format!("{ids} checked, {found}"))?;
    }
    Ok(())
}

/// How old a list is.
fn age(seconds: u64) -> String {
    match seconds {
        ..60 => "less than a minute ago".to_owned(),
        60..3_600 => format!("{} ago", count((seconds / 60) as usize, "minute")),
        3_600..172_800 => format!("{} ago", count((seconds / 3_600) as usize, "hour")),
        _ => format!("{} ago", count((seconds / 86_400) as usize, "day")),
    }
}
