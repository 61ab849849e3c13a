//! The Markdown table: every figure, Lockgate's ratio to nginx, what is wanted, whether it holds, and what went wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use crate::load::Errors;
use crate::process::Cores;
use crate::scenario::{Goal, Kind};

/// A figure of one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: f64,
    /// What is over the figure without a target; ratios are made of this where there is one.
    pub(crate) added: Option<f64>,
}

impl Cell {
    fn compared(self) -> f64 {
        self.added.unwrap_or(self.value)
    }
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// In the order of [`Kind::ALL`].
    pub(crate) cells: [Option<Cell>; 4],
    pub(crate) goal: Goal,
}

impl Row {
    /// Lockgate's figure by another's; none if either is missing or lost in noise.
    fn ratio(&self, to: Kind) -> Option<f64> {
        let ours = self.cells[Kind::Lockgate as usize]?.compared();
        let theirs = self.cells[to as usize]?.compared();
        (theirs > 0.0).then(|| ours / theirs)
    }

    /// What is wanted, and whether it holds if that can be told.
    fn verdict(&self) -> (String, Option<bool>) {
        match self.goal {
            Goal::AtMost(limit) => {
                let ours = self.cells[Kind::Lockgate as usize].map(|cell| cell.value <= limit);
                (format!("{limit:.0} {}", self.unit), ours)
            }
            Goal::None => ("–".to_owned(), None),
            Goal::OfBare(limit) => {
                (format!("{limit:.2} of bare hyper"), self.ratio(Kind::Bare).map(|ratio| ratio <= limit))
            }
            Goal::OfNginx(limit) => {
                (format!("{limit:.1} of nginx"), self.ratio(Kind::Nginx).map(|ratio| ratio <= limit))
            }
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "| {} ({}) |", self.what, self.unit)?;
        let digits =
            |value: f64| if value.abs() < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
        for cell in self.cells {
            match cell {
                Some(Cell { value, added: Some(added) }) => {
                    write!(out, " {} (+{}) |", digits(value), digits(added))?;
                }
                Some(Cell { value, added: None }) => write!(out, " {} |", digits(value))?,
                None => out.write_str(" – |")?,
            }
        }
        for to in [Kind::Nginx, Kind::Bare] {
            match self.ratio(to) {
                Some(ratio) => write!(out, " {ratio:.2} |")?,
                None => out.write_str(" – |")?,
            }
        }
        let (goal, holds) = self.verdict();
        let word = match (self.goal, holds) {
            (Goal::None, _) => "–",
            (_, None) => "unknown",
            (_, Some(true)) => "yes",
            (_, Some(false)) => "**no**",
        };
        writeln!(out, " {goal} | {word} |")
    }
}

/// Where it was measured.
#[derive(Debug)]
pub(crate) struct Machine {
    words: String,
    shared: bool,
}

impl Machine {
    pub(crate) fn find(cores: Cores) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find(|line| line.starts_with("model name"));
        let model =
            model.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, name)| name);
        let number = cpu.lines().filter(|line| line.starts_with("processor")).count();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let words = format!("{model}, {number} cores, Linux {}", kernel.trim());
        Self { words, shared: cores.shared() }
    }
}

/// Everything that is printed at the end.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
    /// By scenario and target.
    pub(crate) errors: BTreeMap<(String, Kind), Errors>,
    machine: Machine,
}

impl Report {
    pub(crate) fn new(machine: Machine, kinds: &[Kind]) -> Self {
        let mut notes = Vec::new();
        if machine.shared {
            notes.push("There is one core only: targets shared it with upstream and load, so no figure is to be quoted.".to_owned());
        }
        if !kinds.contains(&Kind::Nginx) {
            notes.push("nginx is not installed, so its column and every ratio to it are missing.".to_owned());
        }
        Self { rows: Vec::new(), notes, errors: BTreeMap::new(), machine }
    }

    /// Notes what went wrong.
    pub(crate) fn failed(&mut self, scenario: &str, kind: Kind, errors: Errors) {
        if errors.is_empty() {
            return;
        }
        let known = self.errors.entry((scenario.to_owned(), kind)).or_default();
        for (what, number) in errors {
            *known.entry(what).or_default() += number;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}\n", self.machine.words)?;
        let names = Kind::ALL.map(Kind::name).join(" | ");
        writeln!(out, "| | {names} | of nginx | of bare hyper | at most | holds |")?;
        writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| write!(out, "{row}"))?;
        let judged = self.rows.iter().filter(|row| row.goal != Goal::None);
        let holding = judged.clone().filter(|row| row.verdict().1 == Some(true)).count();
        writeln!(out, "\n{holding} of {} targets hold.", judged.count())?;
        self.notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
        if self.errors.is_empty() {
            return writeln!(out, "Every answer was complete.");
        }
        writeln!(out, "\n**Answers that were wrong; the figures beside them do not count:**\n")?;
        for ((scenario, kind), errors) in &self.errors {
            for (what, number) in errors {
                writeln!(out, "- {scenario}, {}: {number} x {what}", kind.name())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [Option<(f64, Option<f64>)>; 4], goal: Goal) -> Row {
        let cells = values.map(|cell| cell.map(|(value, added)| Cell { value, added }));
        Row { what: "x".to_owned(), unit: "µs", cells, goal }
    }

    #[test]
    fn a_ratio_is_of_what_is_added() {
        let cells = [
            Some((50.0, None)),
            Some((150.0, Some(100.0))),
            Some((160.0, Some(110.0))),
            Some((200.0, Some(150.0))),
        ];
        assert_eq!(row(cells, Goal::OfNginx(1.5)).verdict().1, Some(true));
        assert_eq!(row(cells, Goal::OfNginx(1.3)).verdict().1, Some(false));
        let text = row(cells, Goal::OfNginx(1.3)).to_string();
        assert!(text.contains("| 200 (+150) | 1.50 | 1.36 | 1.3 of nginx | **no** |"), "{text}");
    }

    #[test]
    fn without_nginx_nothing_is_claimed_about_the_ratio() {
        let cells = [None, None, Some((2.0, None)), Some((3.0, None))];
        assert!(row(cells, Goal::OfNginx(2.0)).to_string().contains("| unknown |"));
        assert!(row(cells, Goal::AtMost(4.0)).to_string().contains("| 4 µs | yes |"));
        assert!(row(cells, Goal::OfBare(1.2)).to_string().contains("| 1.20 of bare hyper | **no** |"));
    }

    #[test]
    fn what_went_wrong_is_counted_by_target() {
        let mut report = Report::new(Machine { words: "m".to_owned(), shared: false }, &Kind::ALL);
        assert!(report.to_string().contains("Every answer was complete."));
        for _ in 0..2 {
            report.failed("low-openai-1k", Kind::Lockgate, Errors::from([("status 500: x".to_owned(), 2)]));
        }
        assert!(report.to_string().contains("- low-openai-1k, Lockgate: 4 x status 500: x"), "{report}");
    }
}
