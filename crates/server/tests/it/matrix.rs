//! What can go wrong upstream, in every dialect before every dialect and in every layout: the client gets a complete
//! answer or exactly one error of its own dialect, never a hang, and no second request once it has seen a byte. The
//! table of expectations is also `docs/failures.md`, which is checked against it.

use std::fmt::Write;
use std::sync::Arc;

use lockgate_engine::Outcome;
use lockgate_providers::{Azure, Kind, Settings, Vertex};

use crate::app::{App, Setup};
use crate::client::HARD;
use crate::front::{FRONTS, Front, Layout};
use crate::scenarios::{Case, Expect, SAYS, SCENARIOS, Scenario, script};
use crate::shapes::{Got, judge};

/// A provider of the matrix: its id, its dialect, and the fronts that it is tried from. Those that differ from another
/// one in address and quirks alone are tried from their own dialect and one other.
#[derive(Debug)]
struct Tried {
    id: &'static str,
    dialect: Front,
    fronts: &'static [Front],
}

const fn tried(id: &'static str, dialect: Front, fronts: &'static [Front]) -> Tried {
    Tried { id, dialect, fronts }
}

/// To Responses are translated models that OpenAI and Azure have nowhere else.
const TRIED: [Tried; 12] = [
    tried("anthropic", Front::Anthropic, &FRONTS),
    tried("azure", Front::Chat, &[Front::Anthropic, Front::Chat]),
    tried("gemini", Front::Gemini, &FRONTS),
    tried("llamacpp", Front::Chat, &[Front::Chat, Front::Gemini]),
    tried("ollama", Front::Ollama, &FRONTS),
    tried("openai", Front::Chat, &[Front::Anthropic, Front::Chat, Front::Gemini, Front::Ollama]),
    tried("openai", Front::Responses, &FRONTS),
    tried("azure", Front::Responses, &[Front::Gemini]),
    tried("openrouter", Front::Chat, &[Front::Anthropic, Front::Chat]),
    tried("other", Front::Chat, &FRONTS),
    tried("vertex", Front::Gemini, &[Front::Anthropic, Front::Gemini]),
    tried("vllm", Front::Chat, &[Front::Chat, Front::Ollama]),
];

/// Adds the kinds of provider that a test gateway does not have otherwise.
fn every_kind(setup: &mut Setup) {
    let like = setup.provider("anthropic").clone();
    let mut add = |id: &str, kind, path: &str, settings: Settings| {
        let base = like.base_url.as_ref().map(|url| url.join(path).unwrap());
        let settings = Settings { base_url: base, kind: Some(kind), ..settings };
        setup.options.providers.insert(id.to_owned(), settings);
    };
    let azure = Azure { api_version: Some("2025-04-01-preview".into()), ..Azure::default() };
    let vertex = Vertex { project: Some("my-project".into()), ..Vertex::default() };
    add("azure", Kind::AzureOpenai, "", Settings { azure: Some(azure), ..like.clone() });
    add("llamacpp", Kind::Llamacpp, "", like.clone());
    add("vertex", Kind::Vertex, "", Settings { vertex: Some(vertex), ..like.clone() });
    add("vllm", Kind::Vllm, "v1", like.clone());
}

/// One call of the matrix.
#[derive(Debug, Clone)]
struct Cell {
    front: Front,
    layout: Layout,
    model: String,
    tried: &'static Tried,
}

fn cells(rule: &str, whole: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    for tried in &TRIED {
        for front in tried.fronts {
            for layout in front.layouts().iter().filter(|layout| (**layout == Layout::Whole) == whole) {
                // Its name says that it is there only.
                let only = if tried.dialect == Front::Responses && *front != Front::Responses {
                    "codex-mini-"
                } else {
                    ""
                };
                let model = format!("{only}{front:?}-{layout:?}-{}", tried.id).to_lowercase();
                cells.push(Cell { front: *front, layout: *layout, model, tried });
            }
        }
    }
    cells.retain(|cell| fits(rule, cell, whole));
    cells
}

/// Which cells a rule is tried in: all, but for those that cannot say it or would take too long.
fn fits(rule: &str, cell: &Cell, whole: bool) -> bool {
    let (from, to) = (cell.front, cell.tried.dialect);
    match rule.split(' ').next().unwrap_or_default() {
        // Megabytes are slow without optimisation: each dialect by itself, and from one other.
        "huge" | "flood" => {
            ["anthropic", "gemini", "ollama", "openai", "other"].contains(&cell.tried.id)
                && (to == from || to == Front::Anthropic)
        }
        // The others write arguments as an object: a model's broken ones are the server's business.
        "garbles" => matches!(to, Front::Chat | Front::Responses) || (to == Front::Anthropic && !whole),
        // Its events are numbered, so that the same one again and again is none of its own.
        "forever" => to != Front::Responses || from != to,
        _ => true,
    }
}

/// Providers that cannot be reached for this scenario.
fn misplace(rule: &str, setup: &mut Setup) {
    setup.each(|settings| {
        let Some(base) = &mut settings.base_url else { return };
        match rule {
            // A label longer than names may have: no resolver finds it, and none has to be asked over a network.
            "dns" => base.set_host(Some(&format!("{}.invalid", "a".repeat(64)))).unwrap(),
            "tls" => base.set_scheme("https").unwrap(),
            _ => {}
        }
    });
}

async fn gateway(case: Case, whole: bool) -> App {
    let recovers = case.rule == "recovers";
    let mut yaml = if recovers { "rules:\n".to_owned() } else { script(case.rule) };
    if recovers {
        for cell in cells(case.rule, whole) {
            let says = SAYS.replace("CHAOS", "{}");
            let _ = writeln!(
                yaml,
                "  - {{when: {{model: '{}'}}, sequence: [{{error: {{status: 529}}}}, {says}]}}",
                cell.model
            );
        }
    }
    App::with(&yaml, |setup| {
        every_kind(setup);
        misplace(case.rule, setup);
        setup.each(|settings| {
            // What arrives late in an answer that does arrive is the machine's business, not the matrix's.
            let generous = matches!(case.expect, Expect::Answer(_) | Expect::AnswerOrError(_));
            settings.timeouts.first_byte_ms = if generous { 60_000 } else { 1500 };
            settings.timeouts.idle_ms = if generous { 60_000 } else { 700 };
            settings.timeouts.total_ms = 60_000;
            match case.rule.split(' ').next() {
                Some("forever") => settings.timeouts.total_ms = 1000,
                Some("flood") => settings.timeouts.first_byte_ms = 60_000,
                _ => {}
            }
        });
    })
    .await
}

async fn run(scenario: &'static Scenario, whole: bool) -> Vec<String> {
    let case = if whole { scenario.whole } else { scenario.stream };
    let mut pending = tokio::task::JoinSet::new();
    let app = Arc::new(gateway(case, whole).await);
    for cell in cells(case.rule, whole) {
        let app = app.clone();
        pending.spawn(async move {
            let call = cell.front.call(&format!("{}:{}", cell.tried.id, cell.model), cell.layout);
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
            (Ok(Got::Answer(answer)), Expect::Answer(fulfils) | Expect::AnswerOrError(fulfils)) => {
                fulfils(answer)
            }
            (Ok(Got::Failed { message }), Expect::AnswerOrError(_) | Expect::Event) => !message.is_empty(),
            (Ok(Got::Refused { message, status }), Expect::AnswerOrError(_)) => {
                *status == 502 && !message.is_empty()
            }
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
        // What the record says of the call is what the client got.
        let outcome =
            app.reported().into_iter().find(|report| report.requested.as_ref() == Some(&cell.model));
        let agrees = match (&got, outcome.as_ref().map(|report| &report.outcome)) {
            (Ok(Got::Answer(_)), Some(outcome)) => *outcome == Outcome::Complete,
            (Ok(Got::Failed { .. } | Got::Refused { .. }), Some(outcome)) => {
                matches!(outcome, Outcome::Failed(_))
            }
            _ => false,
        };
        if !agrees {
            problems.push(format!("{} {cell:?}: reported as {outcome:?}", scenario.name));
        }
        let requests = app.upstream.requests();
        let of_cell = |seen: &&lockgate_testkit::Recorded| {
            seen.json()["model"] == *cell.model || seen.path().contains(&cell.model)
        };
        let count = requests.iter().filter(of_cell).count();
        // A refusal where there might have been an answer: of this one another try was made.
        let again = matches!((&got, case.expect), (Ok(Got::Refused { .. }), Expect::AnswerOrError(_)));
        let expected = case.requests + usize::from(again);
        if count != expected {
            problems.push(format!("{} {cell:?}: {count} requests, not {expected}", scenario.name));
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
         Every row is tried by `crates/server/tests/it/matrix.rs` in each of the five dialects in front, before Anthropic,\n\
         Gemini, Ollama, OpenAI (Chat Completions and Responses) and a compatible server, whole and streamed; Azure OpenAI, llama.cpp, OpenRouter, Vertex and\n\
         vLLM are tried from two dialects each. This page is checked against that table (`UPDATE_DOCS=1` writes it anew).\n\n\
         The client always gets a complete answer or exactly one error in its own dialect, never a hang. \"Event\" is an error\n\
         event inside a stream that had begun; a number is the status of an error that came instead of an answer.\n\
         \"Tries\" counts the requests that the provider sees with the default `retry.attempts: 1`; there is never another one\n\
         after the client has seen a byte.\n\n\
         | What happens upstream | Whole answer | Tries | Stream | Tries | Why |\n|---|---|---|---|---|---|\n",
    );
    for Scenario { name, about, whole, stream } in SCENARIOS {
        let shown = |case: &Case| match case.expect {
            Expect::Answer(_) => "complete".to_owned(),
            Expect::AnswerOrError(_) if case.rule == whole.rule => "complete or 502".to_owned(),
            Expect::AnswerOrError(_) => "complete or event".to_owned(),
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
    page.push_str(&crate::program::documented());
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
