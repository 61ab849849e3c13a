//! Runs the scenarios over all targets, interleaved, and puts what came out into rows.
//!
//! Within a repetition every target has its turn, the order turned by one each time, so that a machine that slows down
//! slows all of them down. Figures are medians over repetitions; what is added is taken within a repetition.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::load::{Errors, Order, Pace, closed_loop};
use crate::process::{Cores, pin, raise_files};
use crate::report::{Cell, Machine, Report, Row};
use crate::request::Request;
use crate::rest;
use crate::scenario::{Goal, Kind, Load, Measure, Scenario};
use crate::stats::{median, percentile};
use crate::targets::{House, Target};

/// Workers that keep a core busy.
const WORKERS: usize = 16;

/// Arguments of `lockgate-bench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Which policies Lockgate has.
    #[arg(long, value_enum, default_value_t = Chain::None)]
    chain: Chain,
    /// The release binary of Lockgate. Default: the one beside this program.
    #[arg(long, value_name = "FILE")]
    lockgate: Option<PathBuf>,
    /// Only what has one of these in its name, separated by commas; `memory`, `streams` and `cold` are names too.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each scenario is repeated for each target.
    #[arg(long, env = "BENCH_REPS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,
    /// Whether Lockgate records calls, as it does by default. The time of its recorder is counted until all is stored.
    #[arg(long, value_enum, default_value_t = Recording::On)]
    record: Recording,
    /// Seconds of each run's window.
    #[arg(long, env = "BENCH_SECS", default_value_t = 1.0)]
    secs: f64,
}

/// Policies that a gateway may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Chain {
    /// None.
    None,
    /// The typical ones, which only look.
    Observe,
    /// Rules, `shell_guard` and `secret_guard`, which hold tool calls and mask requests.
    Typical,
}

impl Chain {
    /// The section of the configuration.
    pub(crate) fn yaml(self) -> String {
        let mode = match self {
            Self::None => return String::new(),
            Self::Observe => "observe",
            Self::Typical => "block",
        };
        let rules = "[{name: no-force, tools: [Bash], arguments: {command: '*push*--force*'}, then: refuse}, \
                     {name: no-env, tools: [Read, Edit, Write], paths: ['.env'], then: refuse}]";
        format!(
            "policies:\n  chain:\n    - {{mode: {mode}, rules: {rules}}}\n    - {{mode: {mode}, shell_guard: {{on_question: refuse}}}}\n    \
             - {{mode: {mode}, secret_guard: {{}}}}\n"
        )
    }
}

/// Whether calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Recording {
    /// They are not.
    Off,
    /// They are.
    On,
}

/// What one run came to; microseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    total: Option<f64>,
    first_byte: Option<f64>,
    lag: Option<f64>,
    cpu_per_answer: Option<f64>,
    cpu_per_chunk: Option<f64>,
    /// Share of the window in which the target's core worked for it.
    busy: Option<f64>,
}

impl Run {
    fn figure(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::CpuPerAnswer => self.cpu_per_answer,
            Measure::CpuPerChunk => self.cpu_per_chunk,
            Measure::FirstByte => self.first_byte,
            Measure::Lag => self.lag,
            Measure::LastByte | Measure::Total => self.total,
        }
    }
}

/// Every repetition of every target, for one scenario.
type Runs = BTreeMap<Kind, Vec<Run>>;

/// Compares and prints; fails if any answer was wrong.
pub(crate) async fn main(args: CompareArgs) -> io::Result<ExitCode> {
    let cores = Cores::find()?;
    pin(cores.harness)?;
    let files = raise_files();
    let beside = || Ok::<_, io::Error>(std::env::current_exe()?.with_file_name("lockgate"));
    let lockgate = args.lockgate.clone().map_or_else(beside, Ok)?;
    let house = House::open(cores, lockgate, args.record, args.chain).await?;
    let mut report = Report::new(Machine::find(cores), &house.kinds());
    let wanted =
        |name: &str| args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()));

    let scenarios: Vec<_> = Scenario::all().into_iter().filter(|one| wanted(&one.to_string())).collect();
    if !scenarios.is_empty() {
        let mut targets = Vec::new();
        for kind in house.kinds() {
            targets.push(house.start(kind, rest::CONNECTIONS).await?.0);
        }
        for scenario in scenarios {
            say(&format!("{scenario} …"))?;
            let runs = repeat(&house, &targets, scenario, &args, &mut report).await?;
            report.rows.extend(rows(scenario, &runs, args.record));
            report.notes.extend(idle_note(scenario, &runs));
        }
    }
    at_rest(&house, wanted, files, &mut report).await?;
    if report.rows.is_empty() {
        return Err(io::Error::other(format!("nothing is named so: {}", args.only.join(", "))));
    }
    write!(io::stdout(), "{report}")?;
    Ok(if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}

async fn repeat(
    house: &House,
    targets: &[Target],
    scenario: Scenario,
    args: &CompareArgs,
    report: &mut Report,
) -> io::Result<Runs> {
    let mut runs = Runs::new();
    for rep in 0..args.reps as usize {
        for at in 0..targets.len() {
            let target = &targets[(at + rep) % targets.len()];
            if scenario.load == Load::Saturated && target.kind == Kind::Direct {
                continue;
            }
            let (run, errors) = once(house, target, scenario, args.secs).await?;
            report.failed(&scenario.to_string(), target.kind, errors);
            runs.entry(target.kind).or_default().push(run);
        }
    }
    Ok(runs)
}

async fn once(house: &House, target: &Target, scenario: Scenario, secs: f64) -> io::Result<(Run, Errors)> {
    let shape = scenario.shape();
    let model = shape.model(scenario.provider(target.kind));
    let request = Request::new(scenario.client, scenario.size, &model, scenario.stream, &house.key)?;
    let order = Order {
        address: target.address,
        client: scenario.client,
        request,
        stream: scenario.stream,
        chunks: shape.chunks,
        calls: shape.calls,
    };
    let (workers, warm) = match scenario.load {
        Load::Low => (1, Duration::from_millis(200)),
        Load::Saturated => (WORKERS, Duration::from_millis(400)),
    };
    let pace = Pace { workers, warm, window: Duration::try_from_secs_f64(secs).map_err(io::Error::other)? };
    let cpu = || target.process.as_ref().map_or(0.0, crate::process::Process::cpu_us);
    let before = cpu();
    let mut seen = closed_loop(&order, pace, cpu).await;
    // What is left for the recorder to do belongs to these answers, and must not meet the next target's.
    target.settled().await?;
    let all = (cpu() - before) / seen.all.max(1) as f64;
    let mut errors = std::mem::take(&mut seen.errors);
    if seen.answers == 0 {
        errors.insert("no complete answer".to_owned(), 1);
    }
    let per = |number: usize| (number > 0).then(|| seen.cpu_us / number as f64);
    let run = Run {
        cpu_per_answer: if target.records { Some(all) } else { per(seen.answers) },
        cpu_per_chunk: if target.records {
            Some(all / shape.chunks as f64)
        } else {
            per(seen.answers * shape.chunks)
        },
        busy: target.process.as_ref().map(|_| seen.cpu_us / (secs * 1e6)),
        total: percentile(&mut seen.totals, 0.5),
        first_byte: percentile(&mut seen.first_bytes, 0.5),
        lag: percentile(&mut seen.lags, 0.5),
    };
    Ok((run, errors))
}

/// Says which targets were not kept busy: a core that sleeps between requests spends more on each.
fn idle_note(scenario: Scenario, runs: &Runs) -> Option<String> {
    let share = |(kind, runs): (&Kind, &Vec<Run>)| {
        let busy = median(&runs.iter().filter_map(|run| run.busy).collect::<Vec<_>>())?;
        (busy < 0.9).then(|| format!("{} {:.0} %", kind.name(), busy * 100.0))
    };
    let idle: Vec<_> = runs.iter().filter_map(share).collect();
    (scenario.load == Load::Saturated && !idle.is_empty())
        .then(|| format!("- {scenario}: not saturated, the core was busy for {}", idle.join(", ")))
}

/// The rows of the report that a scenario fills.
fn rows(scenario: Scenario, runs: &Runs, record: Recording) -> Vec<Row> {
    let figures = |kind: Kind, measure| -> Vec<Option<f64>> {
        runs.get(&kind).into_iter().flatten().map(|run| run.figure(measure)).collect()
    };
    let row = |(measure, goal): (Measure, Goal)| {
        let direct = figures(Kind::Direct, measure);
        let cell = |kind| {
            let values = figures(kind, measure);
            let added: Vec<f64> = values
                .iter()
                .zip(&direct)
                .filter_map(|(value, direct)| Some((*value)? - (*direct)?))
                .collect();
            let value = median(&values.into_iter().flatten().collect::<Vec<_>>())?;
            Some(Cell { value, added: median(&added).filter(|_| kind != Kind::Direct) })
        };
        let cells = Kind::ALL.map(cell);
        Row { what: format!("{scenario}: {}", measure.name()), unit: "µs", cells, goal }
    };
    scenario.measures(record == Recording::On).into_iter().map(row).collect()
}

/// Memory, open streams and cold starts, one target after the other.
async fn at_rest(
    house: &House,
    wanted: impl Fn(&str) -> bool,
    files: u64,
    report: &mut Report,
) -> io::Result<()> {
    let plain = |what: String, unit, limit| Row { what, unit, cells: [None; 4], goal: Goal::AtMost(limit) };
    let cell = |value| Some(Cell { value, added: None });
    let kinds: Vec<Kind> = house.kinds().into_iter().filter(|kind| *kind != Kind::Direct).collect();
    if wanted("memory") {
        say("memory …")?;
        let mut idle = plain("memory: at rest".to_owned(), "MB", 25.0);
        let mut peak = plain(format!("memory: peak, {} x 150 KB", rest::AT_ONCE), "MB", 60.0);
        for &kind in &kinds {
            let (at_rest, most, errors) = rest::memory(house, kind).await?;
            idle.cells[kind as usize] = cell(at_rest);
            peak.cells[kind as usize] = cell(most);
            report.failed("memory", kind, errors);
        }
        report.rows.extend([idle, peak]);
    }
    if wanted("streams") {
        say("streams …")?;
        // A target holds two files for each stream, and some of its own.
        let number = rest::STREAMS.min(usize::try_from(files.saturating_sub(200) / 2).unwrap_or(usize::MAX));
        let limit = 500.0 * number as f64 / rest::STREAMS as f64;
        let mut row = plain(format!("streams: memory with {number} open"), "MB", limit);
        for &kind in &kinds {
            let (used, errors) = rest::streams(house, kind, number).await?;
            row.cells[kind as usize] = cell(used);
            report.failed("streams", kind, errors);
        }
        report.rows.push(row);
        if number < rest::STREAMS {
            report.notes.push(format!("{files} open files are allowed, so {number} streams were opened."));
        }
    }
    if wanted("cold") {
        say("cold …")?;
        let mut row = plain("cold start to the first answer".to_owned(), "ms", 20.0);
        for &kind in &kinds {
            row.cells[kind as usize] = cell(rest::cold(house, kind, 10).await?);
        }
        report.rows.push(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(totals: [[f64; 3]; 4]) -> Runs {
        let run = |total| Run { total: Some(total), ..Run::default() };
        Kind::ALL.into_iter().zip(totals).map(|(kind, totals)| (kind, totals.map(run).to_vec())).collect()
    }

    #[test]
    fn what_is_added_is_taken_within_a_repetition() {
        let scenario = Scenario::all()[0];
        // The second repetition ran on a machine at half its speed.
        let totals =
            [[100.0, 200.0, 100.0], [200.0, 300.0, 200.0], [210.0, 320.0, 210.0], [230.0, 900.0, 230.0]];
        let rows = rows(scenario, &runs(totals), Recording::Off);
        let cell = rows[0].cells[Kind::Lockgate as usize].unwrap();
        assert_eq!((cell.value, cell.added), (230.0, Some(130.0)));
        assert_eq!(rows[0].cells[Kind::Nginx as usize].unwrap().added, Some(100.0));
        assert_eq!(rows[0].cells[Kind::Direct as usize].unwrap().added, None);
    }

    #[test]
    fn a_core_that_was_not_kept_busy_is_named() {
        let saturated = Scenario::all().into_iter().find(|one| one.load == Load::Saturated).unwrap();
        let busy = |share| vec![Run { busy: Some(share), ..Run::default() }];
        let runs = Runs::from([(Kind::Nginx, busy(0.5)), (Kind::Lockgate, busy(0.97))]);
        let note = idle_note(saturated, &runs).unwrap();
        assert!(note.ends_with("busy for nginx 50 %"), "{note}");
        assert_eq!(idle_note(Scenario::all()[0], &runs), None);
    }

    #[test]
    fn a_target_that_is_not_there_has_no_figure() {
        let mut runs = runs([[100.0; 3], [200.0; 3], [210.0; 3], [230.0; 3]]);
        runs.remove(&Kind::Nginx);
        assert!(rows(Scenario::all()[0], &runs, Recording::Off)[0].cells[Kind::Nginx as usize].is_none());
    }
}
