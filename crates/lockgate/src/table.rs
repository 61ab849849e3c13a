//! Rows below headings: as wide as their contents, the last column cut to the window, nothing cut in a pipe.
//!
//! Control characters are taken out of what others wrote, so that a title cannot repaint a terminal.

use std::fmt::Write as _;

use crate::exit::Failure;
use crate::screen::{FAINT, Screen, styled};

/// Rows to show.
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { headings: headings.iter().map(|heading| (*heading).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// Shows it. Columns that are empty in every row are left out.
    pub(crate) fn show(&self, screen: &mut Screen) -> Result<(), Failure> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells
                .max()
                .filter(|width| *width > 0)
                .map(|width| width.max(self.headings[column].chars().count()))
        };
        let widths: Vec<_> = (0..self.headings.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut out = String::new();
            for (cell, width) in cells.zip(&widths) {
                if let Some(width) = width {
                    let _ = write!(out, "{cell:width$}  ");
                }
            }
            cut(out.trim_end(), screen.width())
        };
        let headings = line(&mut self.headings.iter().map(String::as_str));
        let rows: Vec<_> = self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str))).collect();
        screen.line(&styled(FAINT, &headings))?;
        rows.iter().try_for_each(|row| screen.line(row))
    }
}

/// One line, without anything that a terminal acts on.
pub(crate) fn clean(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A line that is no wider than that.
pub(crate) fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_its_line_and_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[31m\nb\t c"), "a [31m b c");
        assert_eq!(cut("one two three", 8), "one two…");
        assert_eq!(cut("one", 8), "one");
    }
}
