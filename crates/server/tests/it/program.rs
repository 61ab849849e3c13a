//! What can go wrong with the `claude` command as a provider, in every dialect and layout: a complete answer or exactly one error, never a
//! hang. A script plays the command with what the real one has printed. The table is also part of `docs/failures.md`.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use lockgate_engine::Outcome;
use lockgate_providers::{ClaudeCli, Kind, Settings};

use crate::app::App;
use crate::client::HARD;
use crate::front::{FRONTS, Layout};
use crate::scenarios::Expect;
use crate::shapes::{Answer, Got, judge};

/// A thing that goes wrong with the program.
struct Mishap {
    name: &'static str,
    about: &'static str,
    /// What the program does once it has its input; `$RUNS` holds what real runs printed.
    script: &'static str,
    whole: Expect,
    stream: Expect,
}

const fn both(name: &'static str, about: &'static str, script: &'static str, expect: Expect) -> Mishap {
    Mishap { name, about, script, whole: expect, stream: expect }
}

const fn midway(name: &'static str, about: &'static str, script: &'static str, whole: u16) -> Mishap {
    let statuses: &'static [u16] = match whole {
        504 => &[504],
        _ => &[502],
    };
    Mishap { name, about, script, whole: Expect::Status(statuses), stream: Expect::Event }
}

fn says_all(answer: &Answer) -> bool {
    answer.text == "Hello there <&> \u{2028}!" && answer.calls.is_empty()
}

fn says_nothing(answer: &Answer) -> bool {
    answer.text.is_empty() && answer.calls.is_empty()
}

const MISHAPS: &[Mishap] = &[
    both("none", "a complete answer", "cat \"$RUNS/text.ndjson\"", Expect::Answer(says_all)),
    both(
        "whole messages only",
        "an older command that prints no parts",
        "cat \"$RUNS/without-partial-messages.ndjson\"",
        Expect::Answer(|answer| !answer.text.is_empty()),
    ),
    both(
        "empty answer",
        "nothing was said, and that is said",
        "cat \"$RUNS/empty.ndjson\"",
        Expect::Answer(says_nothing),
    ),
    both("not installed", "no program of that name", "", Expect::Status(&[503])),
    both(
        "not logged in",
        "its own login is missing",
        "cat \"$RUNS/not-logged-in.ndjson\"; exit 1",
        Expect::Status(&[401]),
    ),
    both(
        "refused by its provider",
        "429 behind it",
        "cat \"$RUNS/error-429.ndjson\"; exit 1",
        Expect::Status(&[429]),
    ),
    both(
        "ends at once",
        "with words on stderr and a status",
        "echo 'it broke' >&2; exit 3",
        Expect::Status(&[502]),
    ),
    both("ends at once without a word", "status 0 and no output", "exit 0", Expect::Status(&[502])),
    both("killed", "by a signal, before it said anything", "kill -9 $$", Expect::Status(&[502])),
    both("silent", "`timeouts.first_byte_ms` passed", "exec sleep 1000", Expect::Status(&[504])),
    both("prints no JSON at all", "and ends", "echo '<html>hello</html>'", Expect::Status(&[502])),
    midway("ends in the middle", "with a status", "head -n 5 \"$RUNS/text.ndjson\"; exit 1", 502),
    midway(
        "ends in the middle without a word",
        "a cut answer is no complete one",
        "head -n 5 \"$RUNS/text.ndjson\"",
        502,
    ),
    midway(
        "is cut inside a line",
        "the last line is half of one",
        "head -n 5 \"$RUNS/text.ndjson\"; sed -n 6p \"$RUNS/text.ndjson\" | head -c 60",
        502,
    ),
    midway("is killed in the middle", "by a signal", "head -n 5 \"$RUNS/text.ndjson\"; kill -9 $$", 502),
    midway(
        "prints broken JSON in the middle",
        "a line that begins as an object and is none",
        "head -n 5 \"$RUNS/text.ndjson\"; echo '{\"type\":\"stream_event\",'; exec sleep 1000",
        502,
    ),
    midway(
        "stalls in the middle",
        "`timeouts.idle_ms` passed",
        "head -n 5 \"$RUNS/text.ndjson\"; exec sleep 1000",
        504,
    ),
    midway(
        "loses its provider in the middle",
        "an error inside the answer",
        "cat \"$RUNS/error-midway.ndjson\"; exit 1",
        502,
    ),
    midway(
        "does not stop talking",
        "`claude_cli.max_output_bytes` passed",
        "head -n 4 \"$RUNS/text.ndjson\"; sed -n 5p \"$RUNS/text.ndjson\" > delta; while cat delta; do :; done",
        502,
    ),
];

async fn gateway(mishap: &Mishap, folder: &std::path::Path) -> App {
    let program = folder.join("claude");
    let runs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/streams/claude-cli");
    if mishap.name != "not installed" {
        let script = format!("#!/bin/sh\nRUNS='{runs}'\ncat > /dev/null\n{}\n", mishap.script);
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    App::with("rules: []", |setup| {
        let mut settings = Settings {
            claude_cli: Some(ClaudeCli {
                command: program.to_str().unwrap().to_owned(),
                max_output_bytes: 512 * 1024,
                ..ClaudeCli::default()
            }),
            kind: Some(Kind::ClaudeCli),
            ..Settings::default()
        };
        // What arrives late in an answer that does arrive is the machine's business, not the matrix's.
        let (silent, stalls) = (mishap.name == "silent", mishap.name.starts_with("stalls"));
        settings.timeouts.first_byte_ms = if silent { 1000 } else { 60_000 };
        settings.timeouts.idle_ms = if stalls { 700 } else { 60_000 };
        settings.timeouts.total_ms = 60_000;
        setup.options.providers.insert("claude-cli".into(), settings);
    })
    .await
}

async fn run(mishap: &'static Mishap) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let app = Arc::new(gateway(mishap, folder.path()).await);
    let mut pending = tokio::task::JoinSet::new();
    for front in FRONTS {
        for layout in front.layouts() {
            let app = app.clone();
            pending.spawn(async move {
                let model = format!("{front:?}-{layout:?}").to_lowercase();
                let call = front.call(&format!("claude-cli:{model}"), *layout);
                (front, *layout, model, tokio::time::timeout(HARD, app.send(&call)).await)
            });
        }
    }
    let mut problems = Vec::new();
    while let Some(joined) = pending.join_next().await {
        let (front, layout, model, reply) = joined.unwrap();
        let cell = format!("{}: {front:?} {layout:?}", mishap.name);
        let Ok(reply) = reply else {
            problems.push(format!("{cell}: hangs"));
            continue;
        };
        let got = judge(front, layout, &reply);
        let expect = if layout == Layout::Whole { mishap.whole } else { mishap.stream };
        let fits = match (&got, expect) {
            (Ok(Got::Answer(answer)), Expect::Answer(fulfils)) => fulfils(answer),
            (Ok(Got::Failed { message }), Expect::Event) => !message.is_empty(),
            (Ok(Got::Refused { message, status }), Expect::Status(statuses)) => {
                statuses.contains(status) && !message.is_empty()
            }
            _ => false,
        };
        if !fits {
            let shown: String = String::from_utf8_lossy(&reply.body).chars().take(800).collect();
            problems.push(format!("{cell}: {got:?}\n    {} {shown}", reply.status));
        }
        let report = app.reported().into_iter().find(|report| report.requested.as_ref() == Some(&model));
        let complete = report.as_ref().map(|report| report.outcome == Outcome::Complete);
        if complete != Some(matches!(got, Ok(Got::Answer(_)))) {
            problems.push(format!("{cell}: reported as {report:?}"));
        }
    }
    problems
}

/// Requirements 003-26 and 004-6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_the_claude_command_an_answer_is_complete_or_one_error() {
    let mut problems = Vec::new();
    for mishap in MISHAPS {
        problems.extend(run(mishap).await);
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The table as the documentation shows it.
pub(crate) fn documented() -> String {
    let mut page = String::from(
        "\n## When the provider is the `claude` command\n\nTried by `crates/server/tests/it/program.rs` in each of the five dialects, whole and streamed. It is started once for a call.\n\n\
         | What the command does | Whole answer | Stream | Why |\n|---|---|---|---|\n",
    );
    for Mishap { name, about, whole, stream, .. } in MISHAPS {
        let shown = |expect: &Expect| match expect {
            Expect::Answer(_) => "complete".to_owned(),
            Expect::AnswerOrError(_) => "complete or 502".to_owned(),
            Expect::Event => "event".to_owned(),
            Expect::Status(all) => all.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
        };
        let _ = writeln!(page, "| {name} | {} | {} | {about} |", shown(whole), shown(stream));
    }
    page
}
