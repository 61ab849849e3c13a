//! How well injections are found: `cargo run --release -p lockgate-policy --example injection_measure -- FILE.jsonl [--show]`. A line is
//! `{"set": "…", "attack": true, "text": "…"}`. Prints, for each set, how many of its texts were taken for injections.

use std::collections::BTreeMap;
use std::io::Write as _;

use lockgate_policy::injection::Signs;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    attack: bool,
    set: String,
    text: String,
}

fn main() -> std::io::Result<()> {
    let file = std::env::args().nth(1).unwrap_or_default();
    let show = std::env::args().any(|argument| argument == "--show");
    let signs = Signs::new().map_err(std::io::Error::other)?;
    let mut sets: BTreeMap<(bool, String), (usize, usize)> = BTreeMap::new();
    let mut out = std::io::stdout().lock();
    for line in std::fs::read_to_string(file)?.lines() {
        let row: Row = serde_json::from_str(line)?;
        let suspicion = signs.of(&row.text);
        let found = suspicion.as_ref().is_some_and(|suspicion| suspicion.weight >= 3);
        if show && found != row.attack {
            let text: String = row.text.chars().take(300).collect();
            writeln!(out, "{} {suspicion:?}\n    {}", row.set, text.replace('\n', "\n    "))?;
        }
        let count = sets.entry((row.attack, row.set)).or_default();
        count.0 += usize::from(found);
        count.1 += 1;
    }
    for ((attack, set), (found, all)) in sets {
        writeln!(out, "| {set} | {} | {found} | {all} |", if attack { "attacks" } else { "ordinary" })?;
    }
    Ok(())
}
