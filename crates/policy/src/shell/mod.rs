//! What a shell command would do. [`read`] takes the text that an agent gives to its shell, parses it with a grammar of bash, follows
//! it through pipes, substitutions, wrappers (`sudo`, `xargs`, `bash -c`, `ssh`), variables and encodings, and gives each simple
//! command with its effects as facts; [`guard::Guard::judge`] says which of them should not happen unasked. Pure: nothing is run, no file is
//! looked at. What cannot be read is an error, which must become a question and never a pass.
//!
//! The way of a command: `bounds` refuses what is too large → brush-parser → `reader` walks the tree, `word` and `param` expand →
//! `run` and `wrap` find the command that really runs → `effects` and `code` say its facts → `guard` judges them together.

mod bounds;
mod braces;
mod builtin;
mod call;
mod code;
mod decode;
mod effects;
mod fact;
pub(crate) mod glob;
pub mod guard;
mod param;
mod path;
mod pure;
mod reader;
mod redirect;
mod run;
mod word;
mod wrap;

#[cfg(test)]
mod tests;

pub use bounds::{Limits, Unreadable};
pub use fact::{Code, Direction, Fact, Git, Loss};
pub use path::{Path, Place};
pub use word::Word;

/// A command, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The simple commands in the order in which they stand, those inside others included.
    pub steps: Vec<Step>,
}

/// One simple command that would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program and its arguments, expanded.
    pub words: Vec<Word>,
    /// What it does.
    pub facts: Vec<Fact>,
    /// The steps whose output it gets, through a pipe or in its arguments.
    pub inputs: Vec<usize>,
    /// Variables of the environment that it is given by name.
    pub env: Vec<String>,
    /// With rights beyond the user's.
    pub elevated: bool,
    /// Inside a container.
    pub contained: bool,
    /// On another machine.
    pub remote: bool,
    /// The command was hidden by an encoding.
    pub decoded: bool,
    /// What it writes was hidden by an encoding, and is not known.
    pub decodes: bool,
}

impl Step {
    /// The command for people, cut to a length that fits a sentence.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        for word in &self.words {
            if !text.is_empty() {
                text.push(' ');
            }
            let shown = word.shown();
            if shown.contains([' ', '\n', '\t']) || shown.is_empty() {
                text.extend(["'", &shown, "'"]);
            } else {
                text.push_str(&shown);
            }
            if text.len() > MOST_SHOWN {
                break;
            }
        }
        match text.char_indices().nth(MOST_SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

const MOST_SHOWN: usize = 160;

/// Reads a command within the usual limits.
///
/// ```
/// let script = lockgate_policy::shell::read("cd /srv && sudo rm -rf data | tee log").unwrap();
/// assert_eq!(script.steps.len(), 3);
/// assert!(script.steps[1].elevated);
/// ```
pub fn read(command: &str) -> Result<Script, Unreadable> {
    read_within(command, &Limits::default())
}

/// Reads a command within these limits.
pub fn read_within(command: &str, limits: &Limits) -> Result<Script, Unreadable> {
    bounds::admit(command, limits)?;
    reader::Reader::new(limits).script(command)
}
