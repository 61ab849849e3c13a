//! A backtest's report for people: what would be done otherwise first, then by rule, tool and session, then examples.

use lockgate_policy::replay::Change;

use super::report::{Changes, Example, Report};
use crate::exit::Failure;
use crate::quantity::{money, span};
use crate::screen::{FAINT, STRONG, Screen, count, styled};
use crate::table::{Table, clean};

/// Rows of a table that are shown; JSON has all.
const ROWS: usize = 10;

/// Kinds of change in the order in which they are looked at, with their headings.
const SHOWN: [(Change, &str); 6] = [
    (Change::NewlyRefused, "+REFUSED"),
    (Change::NewlyAsked, "+ASKED"),
    (Change::NewlyChanged, "+CHANGED"),
    (Change::NewlyWarned, "+WARNED"),
    (Change::NewlyAllowed, "-REFUSED"),
    (Change::Relaxed, "-OTHERS"),
];

/// Prints it.
pub(super) fn show(report: &Report, screen: &mut Screen) -> Result<(), Failure> {
    looked_at(report, screen)?;
    screen.line("")?;
    if report.changes.any() {
        screen.line(&styled(STRONG, "Other than what was done then:"))?;
        for (change, _) in SHOWN {
            let number = report.changes.of(change);
            if number > 0 {
                let apart = report.housekeeping.of(change);
                let apart = if apart > 0 { format!(" ({apart} in housekeeping)") } else { String::new() };
                screen.paragraph(&format!("  {number:>6}  "), &format!("{}{apart}", words(change)))?;
            }
        }
    } else {
        screen.line("Nothing would be done otherwise.")?;
    }
    rules(report, screen)?;
    rows("TOOL", &Report::most(&report.tools), screen)?;
    rows("SESSION", &Report::most(&report.sessions), screen)?;
    for (nth, example) in report.examples.iter().enumerate() {
        if nth == 0 {
            screen.line("")?;
            screen.line(&styled(STRONG, "Examples:"))?;
        }
        told(example, screen)?;
    }
    questions(report, screen)?;
    screen.line("")?;
    screen.line(&styled(
        FAINT,
        &format!(
            "took {}, {} tool calls a second",
            span(Some(report.took.as_micros() as i64)),
            report.rate()
        ),
    ))
}

fn looked_at(report: &Report, screen: &mut Screen) -> Result<(), Failure> {
    let calls = &report.calls;
    let mut words = format!(
        "{} with {} replayed",
        count(calls.replayed as usize, "call"),
        count(report.tool_calls as usize, "tool call")
    );
    for (number, what) in [
        (calls.housekeeping, "of them housekeeping"),
        (calls.unreadable, "judged without their request, which cannot be read"),
        (calls.unanswered, "were refused then, so what they would have been answered is not known"),
        (calls.without_contents, "left out: nothing is kept of their contents"),
        (calls.other, "left out: no conversations"),
    ] {
        if number > 0 {
            words = format!("{words}; {number} {what}");
        }
    }
    screen.paragraph("", &format!("{words}."))
}

const fn words(change: Change) -> &'static str {
    match change {
        Change::NewlyAllowed => "would no longer be refused",
        Change::NewlyAsked => "would be asked about",
        Change::NewlyChanged => "would be changed",
        Change::NewlyRefused => "would be refused",
        Change::NewlyWarned => "would be let through with a warning",
        Change::Relaxed => "would no longer be changed, asked about or warned of",
    }
}

fn rules(report: &Report, screen: &mut Screen) -> Result<(), Failure> {
    if report.rules.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&[
        "POLICY", "RULE", "FIRED", "NOT DONE", SHOWN[0].1, SHOWN[1].1, SHOWN[2].1, SHOWN[3].1, SHOWN[4].1,
        SHOWN[5].1,
    ]);
    for ((policy, rule), row) in &report.rules {
        let mut cells =
            vec![policy.clone(), rule.clone().unwrap_or_default(), some(row.fired), some(row.would_have)];
        cells.extend(SHOWN.map(|(change, _)| some(row.changes.of(change))));
        table.row(cells);
    }
    table.show(screen)
}

fn rows(heading: &'static str, found: &[(&str, u64, &Changes)], screen: &mut Screen) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&[
        heading, "CALLS", SHOWN[0].1, SHOWN[1].1, SHOWN[2].1, SHOWN[3].1, SHOWN[4].1, SHOWN[5].1,
    ]);
    for (name, calls, changes) in found.iter().take(ROWS) {
        let mut cells = vec![(*name).to_owned(), calls.to_string()];
        cells.extend(SHOWN.map(|(change, _)| some(changes.of(change))));
        table.row(cells);
    }
    table.show(screen)?;
    match found.len().saturating_sub(ROWS) {
        0 => Ok(()),
        more => screen.line(&styled(FAINT, &format!("and {more} more: --json"))),
    }
}

/// A number, or nothing for none.
fn some(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn told(example: &Example, screen: &mut Screen) -> Result<(), Failure> {
    let rule = example.rule.as_ref().map_or_else(String::new, |rule| format!("/{rule}"));
    let (then, now) = (example.then.as_str(), example.now.as_str());
    let what = format!(
        "{} was {then}, would be {now} · {}{rule}: {}",
        clean(&example.thing),
        example.policy,
        clean(&example.reason)
    );
    screen.paragraph("  ", &what)?;
    if let Some(arguments) = &example.arguments {
        screen.paragraph("    ", &clean(arguments))?;
    }
    screen.line(&styled(FAINT, &format!("    lockgate call show {}", example.call)))
}

fn questions(report: &Report, screen: &mut Screen) -> Result<(), Failure> {
    let asked = &report.questions;
    if asked.reused + asked.unanswered() + asked.people + asked.services == 0 {
        return Ok(());
    }
    screen.line("")?;
    screen.line(&styled(STRONG, "Questions:"))?;
    if asked.reused > 0 {
        screen.paragraph("  ", &format!("{} to models, answered from the record", asked.reused))?;
    }
    for (model, missing) in &asked.missing {
        let cost = match missing.cost_nano {
            Some(nano) => format!("the answers cost {} at most", money(Some(nano))),
            None => "no price of it is known".to_owned(),
        };
        let number = missing.questions;
        screen.paragraph("  ", &format!("{number} to {model} have no answer in the record; {cost}"))?;
    }
    if asked.people > 0 {
        screen.paragraph("  ", &format!("{} to people", asked.people))?;
    }
    if asked.services > 0 {
        screen.paragraph(
            "  ",
            &format!("{} to services of yours, whose answers are not kept", asked.services),
        )?;
    }
    Ok(())
}
