//! What can go wrong upstream, in every dialect before every dialect and in every layout: the client gets a complete
//! answer or exactly one error of its own dialect, never a hang, and no second request once it has seen a byte. The
//! table of expectations is also `docs/failures.md`, which is checked against it.

use std::fmt::Write;
use std::sync::Arc;

use crate::app::App;
use crate::client::HARD;
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Answer, Got, judge};

/// What a client is to get.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// A complete answer that fulfils this.
    Answer(fn(&Answer) -> bool),
    /// An error event inside an answer that had begun.
    Event,
    /// An error with one of these statuses instead of an answer.
    Status(&'static [u16]),
}

/// A thing that goes wrong.
struct Scenario {
    name: &'static str,
    /// What a reader of the documentation is told about it.
    about: &'static str,
    /// The rule of the upstream (YAML after `- `): for whole answers and for streams.
    whole: Case,
    stream: Case,
}

#[derive(Clone, Copy)]
struct Case {
    rule: &'static str,
    expect: Expect,
    /// Requests that the provider sees.
    requests: usize,
}

const TEXT: &str = "Grüße aus Zürich – 你好 🌍 and a sentence that is long enough to be cut in many places.";

const SAYS: &str = "{answer: {chunk: 4, blocks: [{text: 'Grüße aus Zürich – 你好 🌍 and a sentence that is long enough to be cut in many places.'}]}, chaos: CHAOS}";
const CALLS: &str =
    "{answer: {chunk: 4, blocks: [{tool_call: {name: get_weather, args: {city: Paris}}}]}, chaos: CHAOS}";

fn says_all(answer: &Answer) -> bool {
    answer.text == TEXT && answer.calls.is_empty()
}

fn calls_once(answer: &Answer) -> bool {
    answer.calls == [("get_weather".to_owned(), serde_json::json!({"city": "Paris"}))]
}

fn calls(answer: &Answer) -> bool {
    !answer.calls.is_empty() && answer.calls.iter().all(|call| call.1 == serde_json::json!({"city": "Paris"}))
}

fn says_nothing(answer: &Answer) -> bool {
    answer.text.is_empty() && answer.calls.is_empty()
}

fn is_huge(answer: &Answer) -> bool {
    answer.text.len() > 1024 * 1024
}

const fn case(rule: &'static str, expect: Expect, requests: usize) -> Case {
    Case { rule, expect, requests }
}

const TRIED_TWICE: usize = 2;

/// One case for both layouts.
const fn both(name: &'static str, about: &'static str, case: Case) -> Scenario {
    Scenario { name, about, whole: case, stream: case }
}

const SCENARIOS: &[Scenario] = &[
    both(
        "connection refused or reset",
        "no byte of an answer came: tried once more, then 502",
        case("{chaos: {refused: true}}", Expect::Status(&[502]), TRIED_TWICE),
    ),
    both(
        "slow first byte",
        "`timeouts.first_byte_ms` passed: 504, not tried again, since the work may go on over there",
        case("says {first_byte_delay_ms: 60000}", Expect::Status(&[504]), 1),
    ),
    Scenario {
        name: "stall in the middle",
        about: "`timeouts.idle_ms` passed inside an answer",
        whole: case("says {split_bytes: 40, split_delay_ms: 60000}", Expect::Status(&[504]), 1),
        stream: case("says {stall_after_events: 5}", Expect::Event, 1),
    },
    Scenario {
        name: "reset in the middle",
        about: "the connection broke inside an answer; a whole answer is tried again, since the client has seen nothing of it",
        whole: case("says {reset_after_bytes: 60}", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("says {reset_after_events: 5}", Expect::Event, 1),
    },
    Scenario {
        name: "clean end without the terminal event",
        about: "a cut answer is never passed off as a complete one",
        whole: case("says {malformed_after_events: 1}", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("says {close_after_events: 5}", Expect::Event, 1),
    },
    both(
        "429 without Retry-After",
        "tried once more after a short wait, then passed on",
        case("{error: {status: 429}}", Expect::Status(&[429]), TRIED_TWICE),
    ),
    both(
        "429 with a short Retry-After",
        "tried once more after that wait",
        case("{error: {status: 429, retry_after: '0'}}", Expect::Status(&[429]), TRIED_TWICE),
    ),
    both(
        "429 with a long Retry-After",
        "longer than `retry.max_wait_ms`: not tried again, the client is told",
        case("{error: {status: 429, retry_after: '30'}}", Expect::Status(&[429]), 1),
    ),
    both(
        "500",
        "tried once more, then passed on",
        case("{error: {status: 500}}", Expect::Status(&[500]), TRIED_TWICE),
    ),
    both(
        "529",
        "tried once more, then passed on",
        case("{error: {status: 529}}", Expect::Status(&[529]), TRIED_TWICE),
    ),
    both(
        "400",
        "the request is at fault: never tried again",
        case("{error: {status: 400}}", Expect::Status(&[400]), 1),
    ),
    both(
        "recovers after a 529",
        "the second try answers: the client sees nothing of the first",
        case("recovers", Expect::Answer(says_all), TRIED_TWICE),
    ),
    both(
        "HTML error page",
        "an error of the client's dialect, never the page",
        case("{error: {status: 502, html: true}}", Expect::Status(&[502]), TRIED_TWICE),
    ),
    Scenario {
        name: "malformed JSON",
        about: "half a body, or a frame that is no JSON",
        whole: case("says {malformed_after_events: 0}", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("says {malformed_after_events: 5}", Expect::Event, 1),
    },
    both(
        "split UTF-8",
        "characters cut between two packets arrive whole",
        case("says {split_utf8: true, split_delay_ms: 1}", Expect::Answer(says_all), 1),
    ),
    both(
        "error as the first thing in a 200",
        "tried once more, then a real status",
        case("says {error_after_events: 0}", Expect::Status(&[500, 502, 503, 529]), TRIED_TWICE),
    ),
    Scenario {
        name: "error in the middle of a 200",
        about: "exactly one error event, nothing after it",
        whole: case("says {error_after_events: 5}", Expect::Status(&[500, 502, 503, 529]), TRIED_TWICE),
        stream: case("says {error_after_events: 5}", Expect::Event, 1),
    },
    both(
        "missing tool call",
        "announced, but not there: a complete answer without one",
        case("calls {missing_tool_call: true}", Expect::Answer(says_nothing), 1),
    ),
    both(
        "duplicate tool call",
        "passed as it came in the same dialect; every call has its arguments",
        case("calls {duplicate_tool_call: true}", Expect::Answer(calls), 1),
    ),
    both(
        "wrong finish reason",
        "`stop` although there is a tool call: the call arrives",
        case("calls {finish_stop: true}", Expect::Answer(calls_once), 1),
    ),
    both(
        "empty answer",
        "complete, with nothing in it",
        case("says {empty: true}", Expect::Answer(says_nothing), 1),
    ),
    both(
        "huge answer",
        "a megabyte and more arrives whole (tried in each dialect by itself and before Anthropic)",
        case("huge", Expect::Answer(is_huge), 1),
    ),
];

fn script(rule: &str) -> String {
    let rule = match rule.split_once(' ') {
        Some(("says", chaos)) => SAYS.replace("CHAOS", chaos),
        Some(("calls", chaos)) => CALLS.replace("CHAOS", chaos),
        _ if rule == "huge" => "{answer: {chunk: 2000, blocks: [{text: x}]}, chaos: {huge_mb: 1}}".to_owned(),
        _ => rule.to_owned(),
    };
    format!("rules:\n  - {rule}\n")
}

/// One call of the matrix.
#[derive(Debug, Clone)]
struct Cell {
    front: Front,
    layout: Layout,
    model: String,
    upstream: Front,
}

fn cells(whole: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    for front in FRONTS {
        for upstream in FRONTS {
            for layout in front.layouts().iter().filter(|layout| (**layout == Layout::Whole) == whole) {
                let model = format!("{front:?}-{layout:?}-{upstream:?}").to_lowercase();
                cells.push(Cell { front, layout: *layout, model, upstream });
            }
        }
    }
    cells
}

/// The name under which the gateway finds the cell's upstream dialect: Chat only where Responses must not be passed.
fn name(cell: &Cell) -> String {
    let provider = match (cell.upstream, cell.front) {
        (Front::Chat, _) => "other",
        (Front::Responses, _) => "openai",
        (upstream, _) => upstream.provider(),
    };
    format!("{provider}:{}", cell.model)
}

async fn run(scenario: &'static Scenario, whole: bool) -> Vec<String> {
    let case = if whole { scenario.whole } else { scenario.stream };
    let mut pending = tokio::task::JoinSet::new();
    let recovers = case.rule == "recovers";
    let mut yaml = if recovers { "rules:\n".to_owned() } else { script(case.rule) };
    if recovers {
        for cell in cells(whole) {
            let says = SAYS.replace("CHAOS", "{}");
            let _ = writeln!(
                yaml,
                "  - {{when: {{model: '{}'}}, sequence: [{{error: {{status: 529}}}}, {says}]}}",
                cell.model
            );
        }
    }
    let app = App::with(&yaml, |setup| {
        setup.each(|settings| {
            // What arrives late in an answer that does arrive is the machine's business, not the matrix's.
            let generous = matches!(case.expect, Expect::Answer(_));
            settings.timeouts.first_byte_ms = if generous { 60_000 } else { 1500 };
            settings.timeouts.idle_ms = if generous { 60_000 } else { 700 };
            settings.timeouts.total_ms = 60_000;
        });
    })
    .await;
    let app = Arc::new(app);
    // Megabytes are slow without optimisation: each dialect by itself, and from one other.
    let huge = case.rule == "huge";
    let fits = |cell: &Cell| !huge || cell.upstream == cell.front || cell.upstream == Front::Anthropic;
    for cell in cells(whole).into_iter().filter(fits) {
        let app = app.clone();
        pending.spawn(async move {
            let call = cell.front.call(&name(&cell), cell.layout);
            let reply = tokio::time::timeout(HARD, app.send(&call)).await;
            (cell, reply)
        });
    }
    let mut problems = Vec::new();
    while let Some(joined) = pending.join_next().await {
        let (cell, reply) = joined.unwrap();
        let Ok(reply) = reply else {
            problems.push(format!("{} {cell:?}: hangs", scenario.name));
            continue;
        };
        let got = judge(cell.front, cell.layout, &reply);
        let fits = match (&got, case.expect) {
            (Ok(Got::Answer(answer)), Expect::Answer(fulfils)) => fulfils(answer),
            (Ok(Got::Failed { message }), Expect::Event) => !message.is_empty(),
            (Ok(Got::Refused { message, status }), Expect::Status(statuses)) => {
                statuses.contains(status) && !message.is_empty()
            }
            _ => false,
        };
        if !fits {
            let body = String::from_utf8_lossy(&reply.body);
            let shown: String = body.chars().take(1500).collect();
            let got: String = format!("{got:?}").chars().take(400).collect();
            problems.push(format!("{} {cell:?}: {got}\n    {} {shown}", scenario.name, reply.status));
        }
        let requests = app.upstream.requests();
        let of_cell = |seen: &&lockgate_testkit::Recorded| {
            seen.json()["model"] == *cell.model || seen.path().contains(&cell.model)
        };
        let count = requests.iter().filter(of_cell).count();
        if count != case.requests {
            problems.push(format!("{} {cell:?}: {count} requests, not {}", scenario.name, case.requests));
        }
    }
    problems.extend(app.upstream.violations().into_iter().map(|words| format!("{}: {words}", scenario.name)));
    problems
}

async fn all(whole: bool) {
    let only = std::env::var("MATRIX_ONLY").unwrap_or_default();
    let mut problems = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(&only)) {
        problems.extend(run(scenario, whole).await);
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Requirement 003-26.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_upstream_a_whole_answer_is_complete_or_one_error() {
    all(true).await;
}

/// Requirement 003-26.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_upstream_a_streamed_answer_is_complete_or_one_error() {
    all(false).await;
}

/// The table of expectations as the documentation shows it.
fn documented() -> String {
    let mut page = String::from(
        "# What clients get when something breaks\n\n\
         Every row is tried by `crates/server/tests/it/matrix.rs` in each of the five dialects in front, before each of the\n\
         five upstream, whole and streamed, and this page is checked against that table (`UPDATE_DOCS=1` writes it anew).\n\n\
         The client always gets a complete answer or exactly one error in its own dialect, never a hang. \"Event\" is an error\n\
         event inside a stream that had begun; a number is the status of an error that came instead of an answer.\n\
         \"Tries\" counts the requests that the provider sees with the default `retry.attempts: 1`; there is never another one\n\
         after the client has seen a byte.\n\n\
         | What happens upstream | Whole answer | Tries | Stream | Tries | Why |\n|---|---|---|---|---|---|\n",
    );
    for Scenario { name, about, whole, stream } in SCENARIOS {
        let shown = |case: &Case| match case.expect {
            Expect::Answer(_) => "complete".to_owned(),
            Expect::Event => "event".to_owned(),
            Expect::Status(all) => all.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
        };
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {} | {about} |",
            shown(whole),
            whole.requests,
            shown(stream),
            stream.requests
        );
    }
    page.push_str(
        "\nWhat a stream's client has waited for longer than `server.keepalive_ms` has begun for it (status 200 and a\n\
         keep-alive), so that errors from then on are events, even where the table shows a status.\n\n\
         ## When no provider could be asked\n\n\
         A provider for which this gateway has no credential is 400 with the code `provider_not_configured` and words that\n\
         say how to add one, not 401 and no 5xx: nothing is wrong with the caller's key, and a repetition changes nothing.\n\
         Clients show the words of a 400 at once. On a 401 Claude Code goes on for more than 90 seconds and Codex tries six\n\
         times; on a 5xx both try again with growing pauses. With `credentials: client` it is 401, since the key that is\n\
         missing is the caller's. A `claude` program that is not installed is 503.\n",
    );
    page
}

#[test]
fn the_documentation_says_what_the_matrix_proves() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/failures.md");
    let page = documented();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), page, "run this test once with UPDATE_DOCS=1");
}
