//! The arguments of a command: options with and without values, and what is left.
//!
//! Understands joined letters (`-am TEXT`), joined values (`-mTEXT`) and `--name=VALUE`. Which letters take a value, the caller says;
//! a long name takes one where it is asked for.

/// Arguments, taken apart.
pub(super) struct Args<'a> {
    /// What is no option and no value of one.
    pub(super) operands: Vec<&'a str>,
    /// Letters that are given, with their values.
    letters: Vec<(char, Option<&'a str>)>,
    /// Names that are given, with their values behind `=` or in the next word.
    names: Vec<(&'a str, Option<&'a str>)>,
}

/// Names whose value is in the next word.
const TAKES: [&str; 18] = [
    "base",
    "body",
    "body-file",
    "create",
    "description",
    "file",
    "force-create",
    "head",
    "label",
    "message",
    "push-option",
    "repo",
    "reviewer",
    "source-branch",
    "target-branch",
    "template",
    "title",
    "author",
];

impl<'a> Args<'a> {
    /// Takes arguments apart; `takes` are the letters with a value.
    pub(super) fn new(words: &[&'a str], takes: &str) -> Self {
        let mut args = Self { operands: Vec::new(), letters: Vec::new(), names: Vec::new() };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if word == "--" {
                args.operands.extend(words);
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => args.names.push((name, Some(value))),
                    None if TAKES.contains(&long) => args.names.push((long, words.next())),
                    None => args.names.push((long, None)),
                }
            } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
                for (at, letter) in cluster.char_indices() {
                    if !takes.contains(letter) {
                        args.letters.push((letter, None));
                        continue;
                    }
                    let rest = &cluster[at + letter.len_utf8()..];
                    let value = if rest.is_empty() { words.next() } else { Some(rest) };
                    args.letters.push((letter, value));
                    break;
                }
            } else {
                args.operands.push(word);
            }
        }
        args
    }

    /// Whether an option is given; a letter of a space is none.
    pub(super) fn has(&self, letter: char, name: &str) -> bool {
        self.letters.iter().any(|(given, _)| *given == letter)
            || self.names.iter().any(|(given, _)| *given == name)
    }

    /// The values of an option, in order.
    pub(super) fn values(&self, letter: char, name: &str) -> Vec<&'a str> {
        let short = self.letters.iter().filter(|(given, _)| *given == letter).filter_map(|(_, value)| *value);
        let long = self.names.iter().filter(|(given, _)| *given == name).filter_map(|(_, value)| *value);
        short.chain(long).collect()
    }

    /// The last value of an option.
    pub(super) fn value(&self, letter: char, name: &str) -> Option<String> {
        self.values(letter, name).last().map(|value| (*value).to_owned())
    }
}
