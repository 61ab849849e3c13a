//! `store`: a database with as many calls as one wants, and how long lists, searches and statistics take on it.
//!
//! Calls are made up, by a fixed sequence of numbers, as coding agents make them: sessions of some forty calls, most of them by day, of fifty
//! people with a key each, in ninety days. Bodies are left out: no list and no statistic reads them.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use lockgate_core::Usage;
use lockgate_store::stats::{Bucket, Dimension, Metric, Query, Slice, Stats, Zone};
use lockgate_store::verdicts::{VerdictFilter, Verdicts};
use lockgate_store::{
    Call, CallError, Calls, Client, Decision, Details, Filter, Lineage, Outcome, PageRequest, Principal,
    Record, Recording, Records, Route, SessionFacts, SessionOrder, SessionRef, Sessions, Side, Text, Timing,
};
use lockgate_store_sql::{Database, Options, Place};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde_json::json;
use uuid::Uuid;

use crate::postgres::Server;

/// What the bench is asked for.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// How many calls.
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// The kind of database; it is made for the bench and deleted after it.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Kind,
    /// A PostgreSQL database to use instead of one that is started for the bench. It has to be empty.
    #[arg(long)]
    url: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Postgres,
    Sqlite,
}

/// The latest call's time, µs since 1970: an evening of November 2026.
const END_US: i64 = 1_795_200_000_000_000;
const DAYS: u64 = 90;
const DAY_US: i64 = 86_400_000_000;
const SECOND_US: i64 = 1_000_000;

/// What a query may take.
const BOUND: Duration = Duration::from_millis(200);

/// Repetitions of each query; the median counts.
const REPETITIONS: usize = 9;

pub(crate) async fn main(args: StoreArgs) -> io::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let (place, server) = match (&args.url, args.database) {
        (Some(url), _) => (Place::of(url), None),
        (None, Kind::Sqlite) => (Place::File(folder.path().join("bench.db")), None),
        (None, Kind::Postgres) => {
            let server = Server::start()?;
            (Place::of(&server.url()), Some(server))
        }
    };
    let options = Options { statement_timeout: Duration::from_mins(5), ..Options::at(place) };
    let database = Database::open(&options).await.map_err(io::Error::other)?;
    let filled = fill(&database, args.calls).await?;
    let begun = Instant::now();
    while database.roll(END_US + DAY_US, Duration::from_secs(1)).await.map_err(io::Error::other)?.more {}
    let counted = begun.elapsed();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / args.calls as f64;
    let mut out = io::stdout();
    writeln!(out, "{} calls in {:?}:", args.calls, args.database)?;
    writeln!(out, "stored in {:.1} s ({:.0} µs each),", filled.as_secs_f64(), each(filled))?;
    writeln!(out, "counted beforehand in {:.1} s ({:.0} µs each).\n", counted.as_secs_f64(), each(counted))?;
    writeln!(out, "| query | ms | least | CPU ms | rows |\n|---|---|---|---|---|")?;
    let mut timer = Timer { server: server.as_ref(), slow: 0 };
    timer.time_all(&database).await?;
    let slow = timer.slow;
    writeln!(out, "\n{slow} queries took longer than {} ms.", BOUND.as_millis())?;
    database.close().await;
    drop(server);
    Ok(if slow == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn fill(database: &Database, calls: u64) -> io::Result<Duration> {
    let mut numbers = Numbers(7);
    let mut batch = Vec::with_capacity(500);
    let (mut made, mut session) = (0, 0);
    let mut taken = Duration::ZERO;
    while made < calls {
        session += 1;
        let length = (1 + numbers.below(79)).min(calls - made);
        batch.extend(conversation(&mut numbers, session, length));
        made += length;
        if batch.len() >= 500 || made >= calls {
            let begun = Instant::now();
            database.write(&batch).await.map_err(io::Error::other)?;
            taken += begun.elapsed();
            batch.clear();
        }
    }
    Ok(taken)
}

/// The calls of a session.
fn conversation(numbers: &mut Numbers, session: u64, calls: u64) -> Vec<Record> {
    let person = numbers.below(50);
    // Nine in ten begin between eight and twenty o'clock.
    let hour = if numbers.below(10) == 0 { numbers.below(24) } else { 8 + numbers.below(12) };
    let begun =
        END_US - numbers.int(DAYS) * DAY_US - (20 - i64::try_from(hour).unwrap_or(0)) * 3_600 * SECOND_US;
    let mut at_us = (begun - numbers.int(3_600) * SECOND_US).min(END_US - 3_600 * SECOND_US);
    let (provider, client, models): (&str, &str, &[&str]) = match numbers.below(10) {
        0..=5 => ("anthropic", "claude-code", &["opus-5", "sonnet-5", "haiku-5"]),
        6 | 7 => ("openai", "codex", &["gpt-6", "gpt-6-mini"]),
        8 => ("google", "sdk", &["gemini-4-pro"]),
        _ => ("local", "sdk", &["qwen-5-coder"]),
    };
    let model = models[numbers.below(models.len() as u64) as usize];
    (0..calls)
        .map(|turn| {
            at_us += 2 * SECOND_US + numbers.int(40 * SECOND_US as u64);
            // Titles and the like go to the smallest model.
            let model = if numbers.below(8) == 0 { models[models.len() - 1] } else { model };
            let mut record = call(numbers, at_us, (provider, client, model), turn);
            record.call.principal = Principal {
                data_class: None,
                key: Some(format!("key-{person}")),
                project: Some(format!("project-{}", person % 8)),
                user: Some(format!("user-{person}")),
            };
            record.call.lineage = Lineage {
                session: Some(SessionRef { id: format!("session-{session}"), source: "header".to_owned() }),
                turn: u32::try_from(turn + 1).ok(),
                ..Lineage::default()
            };
            record
        })
        .collect()
}

fn call(
    numbers: &mut Numbers,
    at_us: i64,
    (provider, client, model): (&str, &str, &str),
    turn: u64,
) -> Record {
    let text = |text: &str| Some(text.to_owned());
    let outcome = match numbers.below(100) {
        0 | 1 => Outcome::Failed,
        2 => Outcome::Aborted,
        _ => Outcome::Complete,
    };
    let failed = outcome == Outcome::Failed;
    let ttft = 150_000 + numbers.int(1_500_000) + numbers.int(800) * numbers.int(800);
    let kind = ["overloaded", "rate_limited", "timeout"][numbers.below(3) as usize];
    let usage = Usage {
        cache_read: Some(20_000 + turn * 900),
        cache_write_5m: Some(numbers.below(4_000)),
        input_uncached: Some(numbers.below(60)),
        output: Some(50 + numbers.below(1_200)),
        output_reasoning: Some(numbers.below(50)),
        ..Usage::default()
    };
    let call = Call {
        usage: if failed { Usage::default() } else { usage },
        client: Client { name: text(client), user_agent: text("agent/1.0 (external)"), version: text("1.0") },
        cost_nano: (provider != "local" && !failed).then(|| 2_000_000 + numbers.int(30_000_000)),
        error: failed
            .then(|| CallError { kind: kind.to_owned(), message: "the provider is busy".to_owned() }),
        id: numbers.id(at_us),
        intervened: numbers.below(200) == 0,
        lineage: Lineage::default(),
        outcome,
        price_version: text("2026-11"),
        principal: Principal::default(),
        recording: Recording::Redacted,
        route: Route {
            answering_model: text(model),
            operation: "chat".to_owned(),
            provider: text(provider),
            provider_request_id: text("req_0123456789abcdef"),
            requested_model: text(model),
            resolved_model: text(model),
            streamed: true,
            ..Route::default()
        },
        status: Some(if failed { 529 } else { 200 }),
        stop_reason: (!failed)
            .then(|| if numbers.below(5) == 0 { "end_turn" } else { "tool_use" }.to_owned()),
        timing: Timing {
            queue_us: Some(numbers.int(400)),
            started_us: at_us,
            total_us: Some(ttft + numbers.int(20_000_000)),
            ttft_us: (!failed).then_some(ttft),
        },
    };
    let words = format!("fix{} the{} build{}", numbers.below(5_000), numbers.below(300), numbers.below(20));
    Record {
        bodies: Vec::new(),
        call,
        details: details(numbers),
        pieces: Vec::new(),
        session: SessionFacts::default(),
        texts: if turn.is_multiple_of(10) {
            vec![Text { side: Side::User, text: words }]
        } else {
            Vec::new()
        },
    }
}

/// A tool call or two; a policy has something to say of one call in ten.
fn details(numbers: &mut Numbers) -> Details {
    let said = json!({
        "policy": "git", "rule": format!("rule-{}", numbers.below(20)), "said": "refuse", "applied": false, "hook": "tool_call",
        "mode": "observe", "reason": "history is shared", "tool": {"id": "toolu_1", "name": "Bash"},
    });
    let decision = Decision { json: said, kind: "policy".to_owned(), version: 1 };
    let decisions = if numbers.below(10) == 0 { vec![decision] } else { Vec::new() };
    Details { decisions, tool_calls: numbers.below(3) as u32, ..Details::default() }
}

/// Times queries.
struct Timer<'a> {
    /// The server of the database, if it was started here.
    server: Option<&'a Server>,
    slow: usize,
}

impl Timer<'_> {
    /// Every query once to warm up and then some times.
    async fn time_all(&mut self, database: &Database) -> io::Result<()> {
        for (name, query) in queries().map_err(io::Error::other)? {
            self.time(&name, async || Ok(database.query(&query).await?.rows.len())).await?;
        }
        let page = PageRequest::default();
        for (name, filter) in filters() {
            let found = async || Ok(database.list(&filter, &page).await?.items.len());
            self.time(&format!("calls: {name}"), found).await?;
            let found =
                async || Ok(database.sessions(&filter, SessionOrder::Activity, &page).await?.items.len());
            self.time(&format!("sessions: {name}"), found).await?;
        }
        let slice = Slice::default()
            .with(Dimension::Error, Some("timeout"))
            .with(Dimension::Model, Some("haiku-5"))
            .within(END_US - 60 * DAY_US, END_US - 59 * DAY_US);
        let found = async || Ok(database.calls_of(&slice, &page).await?.items.len());
        self.time("calls of a number", found).await?;
        for (name, from_us) in [("7 days", Some(END_US - 7 * DAY_US)), ("all", None)] {
            let filter = VerdictFilter { from_us, ..VerdictFilter::default() };
            let counted = async || Ok(database.tallies(&filter, "none").await?.rules.len());
            self.time(&format!("verdicts of policies, {name}"), counted).await?;
            let found = async || Ok(database.verdicts(&filter, &page).await?.items.len());
            self.time(&format!("verdicts one by one, {name}"), found).await?;
        }
        Ok(())
    }

    async fn time(
        &mut self,
        name: &str,
        run: impl AsyncFn() -> Result<usize, lockgate_store::Error>,
    ) -> io::Result<()> {
        let mut times = Vec::with_capacity(REPETITIONS);
        let mut rows = run().await.map_err(io::Error::other)?;
        let cpu = self.cpu_ms();
        for _ in 0..REPETITIONS {
            let begun = Instant::now();
            rows = run().await.map_err(io::Error::other)?;
            times.push(begun.elapsed());
        }
        let cpu = (self.cpu_ms() - cpu) / REPETITIONS as f64;
        times.sort_unstable();
        let (median, least) = (times[times.len() / 2], times[0].as_secs_f64() * 1e3);
        self.slow += usize::from(median > BOUND);
        let mark = if median > BOUND { " **slow**" } else { "" };
        let median = median.as_secs_f64() * 1e3;
        writeln!(io::stdout(), "| {name} | {median:.1}{mark} | {least:.1} | {cpu:.1} | {rows} |")
    }

    /// The processor time of this process and of the server, so far.
    fn cpu_ms(&self) -> f64 {
        let own = milliseconds(clock_gettime(ClockId::ProcessCPUTime));
        own + self.server.map_or(0.0, Server::cpu_ms)
    }
}

fn milliseconds(time: Timespec) -> f64 {
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn queries() -> Result<Vec<(String, Query)>, lockgate_store::stats::NoZone> {
    let mut queries = Vec::new();
    for metric in Metric::ALL {
        let plain = Query::of(*metric);
        let name = metric.as_str();
        let day = Query { bucket: Some(Bucket::Day), zone: Zone::of("Europe/Berlin")?, ..plain.clone() };
        let hour = Query {
            bucket: Some(Bucket::Hour),
            slice: Slice::default().within(END_US - 7 * DAY_US, END_US),
            zone: Zone::of("Asia/Kolkata")?,
            ..plain.clone()
        };
        let user = Slice::default().with(Dimension::User, Some("user-7"));
        let of_user = Query { slice: user, ..day.clone() };
        queries.push((name.to_owned(), plain));
        queries.push((format!("{name} by day, Europe/Berlin"), day));
        queries.push((format!("{name} by hour of a week, Asia/Kolkata"), hour));
        queries.push((format!("{name} of a user by day"), of_user));
    }
    let by = |metric, dimension| Query { by: vec![dimension], ..Query::of(metric) };
    for dimension in [
        Dimension::Client,
        Dimension::Key,
        Dimension::Model,
        Dimension::Project,
        Dimension::Provider,
        Dimension::User,
    ] {
        queries.push((format!("cost by {}", dimension.as_str()), by(Metric::Cost, dimension)));
    }
    let by_model = Query { bucket: Some(Bucket::Day), ..by(Metric::Latency, Dimension::Model) };
    queries.push(("latency by model and day".to_owned(), by_model));
    queries.push(("latency by user".to_owned(), by(Metric::Latency, Dimension::User)));
    queries.push(("sessions by user".to_owned(), by(Metric::Sessions, Dimension::User)));
    queries.push(("cost by session".to_owned(), by(Metric::Cost, Dimension::Session)));
    let session = Slice::default().with(Dimension::Session, Some("session-77"));
    queries.push(("summary of a session".to_owned(), Query { slice: session, ..Query::of(Metric::Summary) }));
    Ok(queries)
}

fn filters() -> Vec<(&'static str, Filter)> {
    let text = |text: &str| Some(text.to_owned());
    let all = Filter::default;
    vec![
        ("all", all()),
        ("of a user", Filter { user: text("user-7"), ..all() }),
        ("of a key and a model", Filter { key: text("key-7"), model: text("haiku-5"), ..all() }),
        ("of a project", Filter { project: text("project-3"), ..all() }),
        ("failed", Filter { outcome: Some(Outcome::Failed), ..all() }),
        ("of a model nobody uses", Filter { model: text("none"), ..all() }),
        ("of a provider in a day long ago", {
            let (from_us, to_us) = (Some(END_US - 80 * DAY_US), Some(END_US - 79 * DAY_US));
            Filter { from_us, provider: text("google"), to_us, ..all() }
        }),
        ("expensive", Filter { cost_from: Some(31_990_000), ..all() }),
        ("with a rare word", Filter { text: text("fix77"), ..all() }),
        ("with a frequent word", Filter { text: text("build7"), ..all() }),
        ("with words of a user", Filter { text: text("the77 build7"), user: text("user-7"), ..all() }),
    ]
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn int(&mut self, end: u64) -> i64 {
        i64::try_from(self.below(end)).unwrap_or(0)
    }

    /// An id as the gateway makes them: its time, then chance.
    fn id(&mut self, at_us: i64) -> Uuid {
        let millis = (at_us / 1_000) as u64;
        Uuid::from_u64_pair(
            (millis << 16) | 0x7000 | self.below(0x1000),
            (2 << 62) | (self.next() << 18) | self.below(1 << 18),
        )
    }
}
