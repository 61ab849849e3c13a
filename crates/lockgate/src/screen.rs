//! What a command shows: plain lines in a pipe, coloured and wrapped to the window in a terminal, JSON when asked.
//!
//! Colours obey `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` (anstream decides). Nothing else in this crate prints.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// Something that went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something to look at.
pub const ATTENTION: Style = AnsiColor::Yellow.on_default();
/// Something that failed or is taken away.
pub const BAD: Style = AnsiColor::Red.on_default();
/// A heading or a name.
pub const STRONG: Style = Style::new().bold();
/// Details that may be skipped.
pub const FAINT: Style = Style::new().dimmed();

/// Where a command writes, and how wide it may write.
pub struct Screen {
    out: Box<dyn Write>,
    width: usize,
}

impl Screen {
    /// Standard output: wrapped to the terminal's width, or not at all in a pipe.
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let width = if terminal { columns().clamp(40, 110) } else { usize::MAX };
        Self { out: Box::new(anstream::AutoStream::auto(io::stdout())), width }
    }

    /// Standard error, for what must stay out of a pipe.
    pub fn stderr() -> Self {
        let terminal = io::stderr().is_terminal();
        let width = if terminal { columns().clamp(40, 110) } else { usize::MAX };
        Self { out: Box::new(anstream::AutoStream::auto(io::stderr())), width }
    }

    /// Any writer; colours are removed.
    pub fn to(out: impl Write + 'static, width: usize) -> Self {
        Self { out: Box::new(anstream::StripStream::new(Box::new(out) as Box<dyn Write>)), width }
    }

    /// One line, or several, as they are.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(|error| stopped(&error))
    }

    /// Text wrapped to the window; continuation lines start below the text, not below the lead.
    pub fn paragraph(&mut self, lead: &str, text: &str) -> Result<(), Failure> {
        let indent = anstream::adapter::strip_str(lead).to_string().chars().count();
        for (index, line) in wrap(text, self.width.saturating_sub(indent)).into_iter().enumerate() {
            if index == 0 {
                self.line(&format!("{lead}{line}"))?;
            } else {
                self.line(&format!("{:indent$}{line}", ""))?;
            }
        }
        Ok(())
    }

    /// A JSON document.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(&format!("{value:#}"))
    }

    /// Text that another program reads, such as a completion script, as it is.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(|error| stopped(&error))
    }

    /// How many characters fit a line.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The same screen, wrapped no later than here even in a pipe: for what people read in a journal.
    pub fn narrow(&mut self, width: usize) {
        self.width = self.width.min(width);
    }
}

/// The text in a style, for a terminal; the screen strips it elsewhere.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `1 file`, `2 files`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}

/// Whoever reads has seen enough (`| head`): that is an end, not a failure.
fn stopped(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure { exit: Exit::Ok, message: String::new(), hint: None };
    }
    Failure::unavailable(format!("cannot write the output: {error}"))
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_wraps_at_words_and_a_pipe_gets_one_line() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("one two three", usize::MAX), ["one two three"]);
    }
}
