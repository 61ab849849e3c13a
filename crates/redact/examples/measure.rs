//! Measures recall, false hits, speed and start-up on a folder of labelled data.
//!
//! `cargo run --release -p lockgate-redact --example measure -- DIR [--show]`. Reads `secrets_leaky_repo.jsonl` (files with a
//! count of secrets), `secrets_noseyparker_examples.jsonl` (texts with and without one) and `transcripts_sweagent_demos.jsonl`
//! (conversations of a coding agent without secrets). `--show` prints what was missed and what was hit there.

use std::borrow::Cow;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use lockgate_core::Secret;
use lockgate_redact::{Known, Level, Options, Redactor};
use serde_json::Value;

const OPEN: &str = "«redacted:";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: measure DIR [--show]")?;
    let show = arguments.next().is_some();
    let folder = Path::new(&folder);
    let mut out = std::io::stdout().lock();
    for (name, level) in [("record", Level::Record), ("prompt", Level::Prompt)] {
        let start = Instant::now();
        let redactor = open(level, 0);
        let first = start.elapsed();
        let start = Instant::now();
        let with_known = open(level, 20);
        let second = start.elapsed();
        writeln!(out, "== {name}: opened in {first:?}; another with 20 known secrets in {second:?}")?;
        leaky(&redactor, &rows(&folder.join("secrets_leaky_repo.jsonl"))?, show, &mut out)?;
        labelled(&redactor, &rows(&folder.join("secrets_noseyparker_examples.jsonl"))?, show, &mut out)?;
        let transcripts = rows(&folder.join("transcripts_sweagent_demos.jsonl"))?;
        harmless(&redactor, &transcripts, show, &mut out)?;
        speed(&redactor, &transcripts, "no known secret", &mut out)?;
        speed(&with_known, &transcripts, "20 known secrets", &mut out)?;
    }
    Ok(())
}

fn open(level: Level, known: usize) -> Redactor {
    let known = (0..known)
        .map(|number| Known {
            name: format!("known-{number}"),
            secret: Secret::new(format!(
                "kn-{number:02}-Zq9{:08x}Vw{:08x}",
                number * 7_919 + 13,
                number * 104_729 + 7
            )),
        })
        .collect();
    Redactor::new(Options { known, key: [7; 32], level })
}

fn rows(file: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn text(row: &Value) -> &str {
    row["text"].as_str().unwrap_or_default()
}

fn hits(text: &str) -> usize {
    text.matches(OPEN).count()
}

/// Files with so many secrets each; a hit counts as one of them until all are found.
fn leaky(
    redactor: &Redactor,
    rows: &[Value],
    show: bool,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let (mut all, mut found, mut beyond) = (0, 0, 0);
    for row in rows {
        let risk = row["risk"].as_u64().unwrap_or_default() as usize;
        let informative = row["informative"].as_u64().unwrap_or_default() as usize;
        let masked = redactor.redact(text(row));
        let count = hits(&masked);
        all += risk;
        found += count.min(risk);
        beyond += count.saturating_sub(risk + informative);
        if show && count != risk {
            writeln!(out, "   {}: {count} of {risk}", row["file"])?;
            for line in masked.lines().filter(|line| line.contains(OPEN)) {
                writeln!(out, "      {}", short(line))?;
            }
        }
    }
    writeln!(
        out,
        "leaky-repo: {found} of {all} secrets ({:.3}), {beyond} hits beyond",
        found as f64 / all as f64
    )
}

/// Texts that hold a secret, and texts that hold none of that rule.
fn labelled(
    redactor: &Redactor,
    rows: &[Value],
    show: bool,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let mut counts = [[0_usize; 2]; 2];
    for row in rows {
        let label = usize::from(row["label"] == 1);
        let masked = redactor.redact(text(row));
        let hit = usize::from(matches!(masked, Cow::Owned(_)));
        counts[label][hit] += 1;
        if show && hit != label {
            writeln!(out, "   {} {}: {}", ["false hit", "missed"][label], row["rule"], short(&masked))?;
        }
    }
    let rate = |[no, yes]: [usize; 2]| yes as f64 / (no + yes) as f64;
    writeln!(
        out,
        "noseyparker: {} of {} with a secret ({:.3}), {} of {} without ({:.3})",
        counts[1][1],
        counts[1][0] + counts[1][1],
        rate(counts[1]),
        counts[0][1],
        counts[0][0] + counts[0][1],
        rate(counts[0])
    )
}

/// Conversations without secrets, message by message.
fn harmless(
    redactor: &Redactor,
    rows: &[Value],
    show: bool,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let (mut bytes, mut count) = (0, 0);
    for message in rows.iter().filter_map(|row| row["messages"].as_array()).flatten() {
        let content = message["content"].as_str().unwrap_or_default();
        bytes += content.len();
        let masked = redactor.redact(content);
        count += hits(&masked);
        if show {
            for line in masked.lines().filter(|line| line.contains(OPEN)) {
                writeln!(out, "   hit: {}", short(line))?;
            }
        }
    }
    writeln!(out, "transcripts: {count} hits in {bytes} bytes")
}

/// Messages of 16 KB: as text, and as the JSON of a request.
fn speed(
    redactor: &Redactor,
    rows: &[Value],
    name: &str,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let whole: String = rows
        .iter()
        .filter_map(|row| row["messages"].as_array())
        .flatten()
        .filter_map(|message| message["content"].as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let mut texts: Vec<String> = Vec::new();
    let mut start = 0;
    while start < whole.len() {
        let mut end = (start + 16 * 1024).min(whole.len());
        while !whole.is_char_boundary(end) {
            end += 1;
        }
        texts.push(whole[start..end].to_owned());
        start = end;
    }
    let bodies: Vec<String> = texts
        .iter()
        .map(|text| {
            serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string()
        })
        .collect();
    let text = rate(&texts, |text| redactor.redact(text).len());
    let json = rate(&bodies, |body| redactor.redact_bytes(body.as_bytes()).len());
    let stream = rate(&texts, |text| {
        let mut stream = redactor.stream();
        let mut length = 0;
        for piece in text.as_bytes().chunks(64) {
            length += stream.feed(&String::from_utf8_lossy(piece)).len();
        }
        length + stream.finish().len()
    });
    writeln!(
        out,
        "speed, {name}: text {text:.0} MB/s, JSON {json:.0} MB/s, stream of 64 bytes a piece {stream:.0} MB/s"
    )
}

fn rate(texts: &[String], work: impl Fn(&str) -> usize) -> f64 {
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for text in texts {
            std::hint::black_box(work(text));
        }
        best = best.min(start.elapsed());
    }
    bytes as f64 / 1e6 / best.as_secs_f64()
}

fn short(line: &str) -> String {
    line.replace('\n', "\\n").chars().take(220).collect()
}
