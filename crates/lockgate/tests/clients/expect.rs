//! What must come of each scenario, whatever the client and whatever stands between it and the upstream.
//!
//! The answers are those of `tests/clients/upstream.yaml`.

use crate::sdk::{Saw, Sdk};

/// What the upstream says to `text`.
const HELLO: &str = "Hello from the upstream, in several words so that there is something to stream.";
const UNICODE: &str = "Zürich – 日本語 – 👩‍👩‍👧 – \"quoted\" \\ back\tslash </script> & <b> – é – end";
const SIX: [&str; 7] = [
    "get_weather(Paris)",
    "get_weather(Rome)",
    "get_time(Rome)",
    "get_time(Oslo)",
    "get_weather(Oslo)",
    "get_time(Bern)",
    "get_weather(Bern)",
];

/// What is wrong, if something is.
type Verdict = Result<(), String>;

fn must(holds: bool, otherwise: &str, saw: &Saw) -> Verdict {
    if holds { Ok(()) } else { Err(format!("{}: {otherwise}: {}", saw.scenario(), saw.0)) }
}

/// All that is wrong with what a client saw. `thinking`: whether the thinking must be there.
pub(crate) fn problems(sdk: Sdk, saws: &[Saw], thinking: bool) -> Vec<String> {
    saws.iter().filter_map(|saw| check(sdk, saw, thinking).err()).collect()
}

fn check(sdk: Sdk, saw: &Saw, thinking: bool) -> Verdict {
    let scenario = saw.scenario();
    let stream = scenario.ends_with("-stream") || scenario == "stream";
    let bare = scenario.strip_suffix("-stream").unwrap_or(scenario);
    if let Some(status) = bare.strip_prefix("error-").and_then(|s| s.parse::<u16>().ok()) {
        return refused(sdk, saw, status);
    }
    match bare {
        "crowd" => return crowd(saw),
        "embed" => return embedded(saw),
        "models" => return must(saw.0["models"].as_array().is_some_and(|m| !m.is_empty()), "no models", saw),
        "count" => return must(saw.0["count"].as_u64().is_some_and(|n| n > 0), "no count", saw),
        "cut" | "error-inside" | "reset" => return broken(saw),
        _ => must(saw.error().is_none(), "failed", saw)?,
    }
    let (text, calls) = answer(bare);
    must(saw.text() == text, "another text", saw)?;
    // Agents run the calls of one answer side by side, so their order says nothing.
    let (mut told, mut wanted) = (saw.calls(), calls.to_vec());
    told.sort_unstable();
    wanted.sort_unstable();
    must(told == wanted, "other calls", saw)?;
    let piecewise = stream && ["stream", "text", "tools", "unicode"].contains(&bare);
    must(!piecewise || saw.deltas() >= 3, "not piece by piece", saw)?;
    if thinking && sdk.shows_thinking {
        thought(bare, saw)?;
    }
    let usage = &saw.0["usage"][0];
    let counted = (usage["input"].as_u64(), usage["output"].as_u64()) == (Some(21), Some(17));
    must(counted || !["stream", "text"].contains(&bare), "other token counts", saw)
}

/// Text and calls of a scenario.
fn answer(bare: &str) -> (&'static str, &'static [&'static str]) {
    match bare {
        "image" => ("A red dot.", &[]),
        "nextline" => ("one\u{85}two", &[]),
        "parallel" => ("Sunny, and noon.", &["get_weather(Paris)", "get_time(Paris)"]),
        "pause" => ("Sorry, I was thinking in the middle of it.", &[]),
        "separators" => ("one\u{2028}two\u{2029}three", &[]),
        "silence" => ("Sorry, I was thinking.", &[]),
        "six" => ("All six steps are done.", &SIX),
        "stream" | "text" => (HELLO, &[]),
        "structured" => ("{\"name\": \"Ada\", \"age\": 36}", &[]),
        "think" => ("Greetings.", &[]),
        "think-tools" => (
            "Sunny at noon.",
            &["get_weather(Paris)", "get_time(Paris)", "get_weather(Paris)", "get_time(Paris)"],
        ),
        "tools" => ("It is sunny in Zürich.", &["get_weather(Zürich)"]),
        "unicode" => (UNICODE, &[]),
        other => panic!("no expectation for {other}"),
    }
}

fn thought(bare: &str, saw: &Saw) -> Verdict {
    let (thought, times) = match bare {
        "six" => ("Step by step.", 7),
        "think" => ("Somebody greets me. I greet back.", 2),
        "think-tools" => ("The weather is asked for. I call the tool.", 6),
        _ => return Ok(()),
    };
    must(saw.thinking() == thought.repeat(times), "other thinking", saw)?;
    must(saw.requests() == times as u64, "another number of turns", saw)
}

/// A status error: the client reads status, message and, where it shows headers, how long to wait.
fn refused(sdk: Sdk, saw: &Saw, status: u16) -> Verdict {
    let Some(error) = saw.error() else { return must(false, "no error", saw) };
    must(error["status"] == status, "another status", saw)?;
    let said = match status {
        400 => "that cannot be",
        401 => "who are you",
        429 => "slow down",
        500 => "something broke",
        _ => "too many guests",
    };
    must(error["message"].as_str().unwrap_or_default().contains(said), "another message", saw)?;
    must(saw.text().is_empty(), "text beside the error", saw)?;
    must(status != 429 || !sdk.shows_headers || error["retry_after"] == "7", "another retry-after", saw)
}

/// An answer that breaks off: an error after the text that had come, never a text that looks whole.
fn broken(saw: &Saw) -> Verdict {
    must(saw.error().is_some(), "a broken answer looks like a whole one", saw)?;
    must(saw.text().starts_with("This "), "the text before the break is lost", saw)
}

fn crowd(saw: &Saw) -> Verdict {
    let texts: Vec<_> = saw.0["texts"].as_array().into_iter().flatten().filter_map(|t| t.as_str()).collect();
    let expected: Vec<_> = (0..20).map(|n| format!("You said: [echo-{n}] Please answer.")).collect();
    must(texts == expected, "somebody got another's answer", saw)
}

/// Equal texts have equal vectors.
fn embedded(saw: &Saw) -> Verdict {
    let vectors = saw.0["embed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [one, two, again] = vectors else { return must(false, "not three vectors", saw) };
    let right = one == again && one != two && one.as_array().map(Vec::len) == Some(8);
    must(right, "other vectors", saw)
}
