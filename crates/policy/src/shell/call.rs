//! One command with its arguments, as the readers of effects see it: options by letter and by name, operands, paths. Options are
//! understood as GNU programs understand them: joined letters, values with and without `=`, names cut short.

use super::fact::Fact;
use super::path::Path;
use super::reader::Stream;
use super::word::Word;

/// A command that runs.
pub(super) struct Call<'a> {
    /// The program, without its directory.
    pub(super) name: &'a str,
    pub(super) args: &'a [Word],
    pub(super) cwd: Option<&'a str>,
    pub(super) stdin: &'a Stream,
    pub(super) elevated: bool,
    pub(super) facts: Vec<Fact>,
}

impl<'a> Call<'a> {
    /// The text of an argument; empty when there are fewer.
    pub(super) fn arg(&self, at: usize) -> &'a str {
        self.args.get(at).map_or("", |word| word.text.as_str())
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.args.iter().map(|word| word.text.as_str())
    }

    /// Whether an argument is exactly this.
    pub(super) fn has(&self, text: &str) -> bool {
        self.texts().any(|arg| arg == text)
    }

    pub(super) fn any(&self, texts: &[&str]) -> bool {
        self.texts().any(|arg| texts.contains(&arg))
    }

    /// Whether a switch is given, by its letter (alone or joined with others) or its name (also cut short).
    pub(super) fn switch(&self, letter: char, name: &str) -> bool {
        self.texts().take_while(|arg| *arg != "--").any(|arg| {
            if let Some(long) = arg.strip_prefix("--") {
                let long = long.split('=').next().unwrap_or(long);
                return !name.is_empty() && long.len() >= 2 && name.starts_with(long);
            }
            letter != ' ' && arg.len() > 1 && arg.starts_with('-') && arg[1..].contains(letter)
        })
    }

    /// The value of an option: `-o V`, `-oV`, `--name V`, `--name=V`. A letter of a space is none.
    pub(super) fn value(&self, letter: char, name: &str) -> Option<&'a Word> {
        self.values(letter, name).next()
    }

    /// All values of an option. Those that are joined to it are given by [`Call::texts_of`].
    pub(super) fn values(&self, letter: char, name: &str) -> impl Iterator<Item = &'a Word> {
        let (short, long) = (format!("-{letter}"), format!("--{name}"));
        self.args.windows(2).filter_map(move |pair| {
            let text = pair[0].text.as_str();
            let hit = (letter != ' ' && text == short)
                || (!name.is_empty() && text == long)
                || (letter != ' ' && cluster_ends(text, letter));
            hit.then_some(&pair[1])
        })
    }

    /// Texts of an option in all forms, also `--name=V` and `-oV`.
    pub(super) fn texts_of(&self, letter: char, name: &str) -> Vec<&'a str> {
        let mut all: Vec<&'a str> = self.values(letter, name).map(|word| word.text.as_str()).collect();
        for arg in self.texts() {
            if let Some((left, value)) = arg.strip_prefix("--").and_then(|long| long.split_once('=')) {
                if !name.is_empty() && left == name {
                    all.push(value);
                }
            } else if letter != ' '
                && arg.len() > 2
                && arg.starts_with('-')
                && !arg.starts_with("--")
                && arg[1..].starts_with(letter)
            {
                all.push(&arg[2..]);
            }
        }
        all
    }

    pub(super) fn text_of(&self, letter: char, name: &str) -> Option<&'a str> {
        self.texts_of(letter, name).first().copied()
    }

    /// Arguments that are no options; letters in `takes` and names in `long` have a value that is none either.
    pub(super) fn operands(&self, takes: &str, long: &[&str]) -> Vec<&'a Word> {
        let mut out = Vec::new();
        let mut at = 0;
        let mut ended = false;
        while at < self.args.len() {
            let text = self.args[at].text.as_str();
            if ended || text.len() < 2 || !text.starts_with('-') {
                out.push(&self.args[at]);
            } else if text == "--" {
                ended = true;
            } else if text.starts_with("--") {
                at += usize::from(long.contains(&text));
            } else if text.chars().next_back().is_some_and(|last| takes.contains(last))
                && first_of(text, takes)
            {
                at += 1;
            }
            at += 1;
        }
        out
    }

    pub(super) fn path(&self, text: &str) -> Path {
        Path::new(text, self.cwd)
    }

    pub(super) fn say(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    pub(super) fn reads(&mut self, text: &str, recursive: bool) {
        let path = self.path(text);
        self.facts.push(Fact::Reads { path, recursive });
    }

    pub(super) fn writes(&mut self, text: &str, appends: bool) {
        let path = self.path(text);
        self.facts.push(Fact::Writes { path, appends });
    }

    pub(super) fn uses(&mut self, text: &str) {
        let path = self.path(text);
        self.facts.push(Fact::Uses { path });
    }

    pub(super) fn deletes(&mut self, text: &str, recursive: bool, forced: bool) {
        let path = self.path(text);
        self.facts.push(Fact::Deletes { path, recursive, forced });
    }
}

/// Whether joined letters end in this one, which then has its value in the next word (`tar -czf FILE`).
fn cluster_ends(text: &str, letter: char) -> bool {
    text.len() > 2
        && text.len() < 8
        && text.starts_with('-')
        && !text.starts_with("--")
        && text.ends_with(letter)
}

/// Whether no earlier letter of the cluster takes the rest as its value.
fn first_of(text: &str, takes: &str) -> bool {
    let letters = &text[1..];
    letters.chars().position(|c| takes.contains(c)).is_some_and(|at| at + 1 == letters.chars().count())
}

/// The program's name without directory and `.exe`.
pub(super) fn program(text: &str) -> &str {
    let name = text.rsplit('/').next().unwrap_or(text);
    name.strip_suffix(".exe").unwrap_or(name)
}
