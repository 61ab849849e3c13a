//! Measures the shell guard on files of commands, one JSON object a line with the command in `cmd`: how many are refused, asked about,
//! let through, and how long one takes. `--show refused|asked|passed` lists the commands, too.
//!
//! `cargo run --release -p lockgate-policy --example shell_confusion -- [--show passed] FILE…`
#![expect(clippy::print_stdout, reason = "a report for a person")]

use std::fs;
use std::time::Instant;

use lockgate_policy::shell::Place;
use lockgate_policy::shell::guard::{Finding, Guard, Options, Severity};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut show = String::new();
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--show" => show = args.next().unwrap_or_default(),
            _ => files.push(arg),
        }
    }
    let guard = Guard::new(Options::default())?;
    guard.check("true", &Place::default());
    println!("| file | commands | refused | asked | passed | unreadable | µs each |");
    println!("|---|---|---|---|---|---|---|");
    for file in files {
        report(&guard, &file, &show)?;
    }
    Ok(())
}

fn report(guard: &Guard, file: &str, show: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut commands = Vec::new();
    for line in fs::read_to_string(file)?.lines().filter(|line| !line.is_empty()) {
        let row: serde_json::Value = serde_json::from_str(line)?;
        commands.push(row["cmd"].as_str().unwrap_or_default().to_owned());
    }
    let start = Instant::now();
    let found: Vec<Vec<Finding>> =
        commands.iter().map(|command| guard.check(command, &Place::default())).collect();
    let each = start.elapsed().as_secs_f64() * 1e6 / commands.len().max(1) as f64;
    let (mut refused, mut asked, mut passed, mut unreadable) = (0, 0, 0, 0);
    for (command, findings) in commands.iter().zip(&found) {
        let kind = match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Deny) => {
                refused += 1;
                "refused"
            }
            Some(Severity::Ask) => {
                asked += 1;
                "asked"
            }
            None => {
                passed += 1;
                "passed"
            }
        };
        unreadable +=
            usize::from(findings.iter().any(|finding| finding.reason.contains("could not be read")));
        if kind == show || show == "flagged" && kind != "passed" {
            let reasons: Vec<String> =
                findings.iter().map(|finding| format!("{:?}: {}", finding.class, finding.reason)).collect();
            println!("{kind}: {command}\n    {}", reasons.join("\n    "));
        }
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    println!("| {name} | {} | {refused} | {asked} | {passed} | {unreadable} | {each:.1} |", commands.len());
    Ok(())
}
