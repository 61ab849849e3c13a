//! Regular expressions in a stream: a match is looked for in a window, so that it does not matter where the stream is cut.
//!
//! Nothing is settled before `window` more bytes have come, and the sign before what is looked at is kept for `\b` and `^`.

use std::collections::BTreeMap;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::WINDOW;

/// Patterns, each with what takes the place of its matches.
pub(super) struct Patterns {
    finder: Regex,
    new: Vec<String>,
}

/// A place in a text, and what shall stand there.
pub(super) type Edit = (std::ops::Range<usize>, String);

impl Patterns {
    /// Reads the patterns; the error says which is wrong.
    pub(super) fn new(patterns: &BTreeMap<String, String>, any_case: bool) -> Result<Self, String> {
        let config = syntax::Config::new().case_insensitive(any_case).unicode(true);
        let build = |texts: &[&str]| Regex::builder().syntax(config).build_many(texts);
        for pattern in patterns.keys() {
            let read = build(&[pattern]).map_err(|error| {
                let why = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
                format!("`{pattern}` is no pattern: {}", why.lines().last().unwrap_or_default())
            })?;
            if read.is_match("") {
                return Err(format!("`{pattern}` fits nothing at all, and so everywhere"));
            }
        }
        let texts: Vec<&str> = patterns.keys().map(String::as_str).collect();
        let finder = build(&texts).map_err(|error| error.to_string())?;
        Ok(Self { finder, new: patterns.values().cloned().collect() })
    }

    /// What is to be changed in `text` from `from` on, and up to where it need not be seen again.
    pub(super) fn edits(&self, text: &str, from: usize, last: bool) -> (Vec<Edit>, usize) {
        let mut upto = if last { text.len() } else { text.len().saturating_sub(WINDOW).max(from) };
        while !text.is_char_boundary(upto) {
            upto -= 1;
        }
        let mut edits = Vec::new();
        let mut captures = self.finder.create_captures();
        let mut at = from;
        while at <= text.len() {
            self.finder.search_captures(&Input::new(text).span(at..text.len()), &mut captures);
            let (Some(found), Some(pattern)) = (captures.get_match(), captures.pattern()) else { break };
            // One that begins in the window may go on in what has not come.
            if found.start() >= upto && !last {
                break;
            }
            let mut new = String::new();
            captures.interpolate_string_into(text, &self.new[pattern.as_usize()], &mut new);
            at = found.end().max(found.start() + 1);
            upto = upto.max(found.end());
            edits.push((found.range(), new));
        }
        (edits, upto)
    }
}
