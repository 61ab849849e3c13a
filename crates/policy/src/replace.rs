//! Other words in place of some, in requests, in answers, or in both.
//!
//! # What it does
//!
//! Replaces texts as they are written, or what regular expressions fit. Answers are changed while they stream, also where a text is cut into pieces; only as much is
//! held back as could be the beginning of one. Of a request it changes what people, tools and the model have said.
//!
//! # Why
//!
//! Names that must not leave, words that must not arrive, house style.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: code-names
//!       replace:
//!         texts: {"Project Falcon": "the project"}
//!         match_case: true
//!         on: [request]
//! ```
//!
//! With `patterns` in place of `texts`, `$1` or `${name}` in a replacement is what a group has found:
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: tickets
//!       replace:
//!         patterns: {'\bTICKET-(?P<number>[0-9]+)\b': 'https://tickets.example.org/${number}'}
//!         on: [response]
//! ```
//!
//! # Limits
//!
//! It does not look into arguments of tool calls, instructions, or thoughts. In a streamed answer, `patterns` hold back 256 bytes, and a match that is
//! longer than that may be found only in part.

mod pattern;

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::Origin;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{CallFacts, Needs, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{Finding, Settled};
use pattern::Patterns;

/// Which texts are replaced by which.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Regular expressions (of the Rust crate `regex`), and what shall stand where they fit. In place of `texts`.
    #[serde(default)]
    pub patterns: BTreeMap<String, String>,
    /// What stands there, and what shall. Longer texts go before shorter ones.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// Whether a text is found in other letter cases too and its replacement takes over the case: `CLIENT` and `Client` become
    /// `CUSTOMER` and `Customer`. Of `patterns`: whether they fit in other letter cases too.
    #[serde(default)]
    pub match_case: bool,
    /// Where.
    #[serde(default = "everywhere")]
    pub on: Vec<Side>,
}

/// A side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the provider gets.
    Request,
    /// What the client gets.
    Response,
}

fn everywhere() -> Vec<Side> {
    vec![Side::Request, Side::Response]
}

/// So many bytes of an answer are held back by patterns.
const WINDOW: usize = if cfg!(test) { 8 } else { 256 };

/// The policy.
pub struct Replace(How, Vec<Side>);

#[derive(Clone)]
enum How {
    Patterns(Arc<Patterns>),
    Texts(Arc<Inner>),
}

struct Inner {
    /// The texts that are looked for, in lower case where case does not matter, with what takes their place.
    by_text: BTreeMap<String, String>,
    finder: Regex,
    /// Bytes of the longest text.
    longest: usize,
    options: Options,
}

impl Replace {
    /// Makes ready to look for the texts; the error says which field is wrong.
    pub fn new(options: Options) -> Result<Self, (&'static str, String)> {
        let on = options.on.clone();
        if !options.patterns.is_empty() {
            if !options.texts.is_empty() {
                return Err((
                    "patterns",
                    "`texts` and `patterns` are two policies: give each an entry of its own".into(),
                ));
            }
            let patterns = Patterns::new(&options.patterns, options.match_case);
            return Ok(Self(How::Patterns(Arc::new(patterns.map_err(|words| ("patterns", words))?)), on));
        }
        if options.texts.is_empty() || options.texts.keys().any(String::is_empty) {
            return Err(("texts", "name at least one text, and none that is empty".into()));
        }
        let mut texts: Vec<&str> = options.texts.keys().map(String::as_str).collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let longest = texts.first().map_or(0, |text| text.len());
        let patterns: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
        let config = syntax::Config::new().case_insensitive(options.match_case).unicode(true);
        let finder = Regex::builder().syntax(config).build(&patterns.join("|"));
        let finder = finder.map_err(|error| ("texts", error.to_string()))?;
        let key = |text: &String| if options.match_case { text.to_lowercase() } else { text.clone() };
        let by_text = options.texts.iter().map(|(from, to)| (key(from), to.clone())).collect();
        Ok(Self(How::Texts(Arc::new(Inner { by_text, finder, longest, options })), on))
    }
}

/// A text as a pattern that means just it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Inner {
    fn new_for<'t>(&'t self, found: &'t str) -> &'t str {
        let key = if self.options.match_case { found.to_lowercase() } else { found.to_owned() };
        self.by_text.get(&key).map_or(found, String::as_str)
    }

    fn replacement(&self, found: &str) -> String {
        let new = self.new_for(found);
        if !self.options.match_case {
            return new.to_owned();
        }
        let upper = |c: char| c.is_uppercase();
        let mut letters = found.chars().filter(|c| c.is_alphabetic());
        match (letters.next(), letters.next()) {
            (Some(_), Some(_)) if found.chars().filter(|c| c.is_alphabetic()).all(upper) => {
                new.to_uppercase()
            }
            (Some(first), _) if upper(first) => {
                let mut rest = new.chars();
                rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
            }
            (Some(_), _) => {
                // A lower-case text takes a replacement as it is written.
                new.to_owned()
            }
            (None, _) => new.to_owned(),
        }
    }

    /// Where a text that is not over yet could begin: what stands there has to be seen again.
    fn upto(&self, pending: &str, last: bool) -> usize {
        if last {
            return pending.len();
        }
        let from = pending.len().saturating_sub(self.longest.saturating_sub(1) * 3);
        let lower = |text: &str| if self.options.match_case { text.to_lowercase() } else { text.to_owned() };
        let begins = |at: usize| {
            let tail = lower(&pending[at..]);
            self.by_text.keys().any(|text| text.len() > tail.len() && text.starts_with(&tail))
        };
        (from..pending.len())
            .filter(|at| pending.is_char_boundary(*at))
            .find(|at| begins(*at))
            .unwrap_or(pending.len())
    }
}

impl Policy for Replace {
    fn needs(&self) -> Needs {
        let on = |side| self.1.contains(&side);
        let text = if on(Side::Response) { TextNeed::Window } else { TextNeed::None };
        Needs { request_text: on(Side::Request), text, ..Needs::default() }
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        match &self.0 {
            How::Patterns(patterns) => Box::new(Matching { before: None, patterns: patterns.clone() }),
            How::Texts(texts) => Box::new(Replacing(texts.clone())),
        }
    }
}

/// Patterns at work.
struct Matching {
    /// The last sign that is settled.
    before: Option<char>,
    patterns: Arc<Patterns>,
}

impl PolicyRun for Matching {
    fn on_text(&mut self, pending: &str, last: bool, _: &View<'_>) -> Settled {
        let text: String = self.before.into_iter().chain(pending.chars()).collect();
        let from = self.before.map_or(0, char::len_utf8);
        let (edits, upto) = self.patterns.edits(&text, from, last);
        // The next block of text begins anew.
        self.before = text[..upto].chars().next_back().filter(|_| !last);
        let edits: Vec<_> =
            edits.into_iter().map(|(range, new)| (range.start - from..range.end - from, new)).collect();
        let finding = (!edits.is_empty()).then(|| Finding::because("what a pattern fits was replaced"));
        Settled { edits, finding, upto: upto - from }
    }

    fn on_request_text(&mut self, origin: Origin, text: &str) -> Option<String> {
        if matches!(origin, Origin::System | Origin::ToolCall) {
            return None;
        }
        let (edits, _) = self.patterns.edits(text, 0, true);
        let changed = !edits.is_empty();
        changed.then(|| Settled { edits, finding: None, upto: text.len() }.edited(text))
    }
}

struct Replacing(Arc<Inner>);

impl PolicyRun for Replacing {
    fn on_text(&mut self, pending: &str, last: bool, _: &View<'_>) -> Settled {
        let mut upto = self.0.upto(pending, last);
        let mut edits = Vec::new();
        for found in self.0.finder.find_iter(pending) {
            // What is found across the border is settled whole, if no longer one can begin with it.
            if found.start() >= upto {
                break;
            }
            upto = upto.max(found.end());
            edits.push((found.range(), self.0.replacement(&pending[found.range()])));
        }
        let finding = (!edits.is_empty()).then(|| Finding::because("texts of the list were replaced"));
        Settled { edits, finding, upto }
    }

    fn on_request_text(&mut self, origin: Origin, text: &str) -> Option<String> {
        if matches!(origin, Origin::System | Origin::ToolCall) {
            return None;
        }
        let mut out = String::new();
        let mut from = 0;
        for found in self.0.finder.find_iter(text) {
            out.push_str(&text[from..found.start()]);
            out.push_str(&self.0.replacement(&text[found.range()]));
            from = found.end();
        }
        (from > 0).then(|| out + &text[from..])
    }
}

#[cfg(test)]
mod tests {
    use lockgate_core::Dialect;
    use proptest::prelude::*;

    use super::*;

    fn policy(pairs: &[(&str, &str)], match_case: bool) -> Replace {
        let texts = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let patterns = BTreeMap::new();
        Replace::new(Options { patterns, texts, match_case, on: everywhere() }).ok().unwrap()
    }

    /// A text in pieces through the policy, as the lock does it.
    fn streamed(policy: &Replace, pieces: &[&str]) -> String {
        let facts = CallFacts { dialect: Dialect::Chat, ..CallFacts::unknown("1") };
        let view = View { conversation: None, facts: &facts };
        let mut run = policy.open(&facts);
        let (mut pending, mut out) = (String::new(), String::new());
        for (at, piece) in pieces.iter().enumerate() {
            pending.push_str(piece);
            let settled = run.on_text(&pending, at + 1 == pieces.len(), &view);
            let mut from = 0;
            for (range, new) in settled.edits {
                out.push_str(&pending[from..range.start]);
                out.push_str(&new);
                from = range.end;
            }
            out.push_str(&pending[from..settled.upto]);
            pending.drain(..settled.upto);
        }
        assert!(pending.is_empty());
        out
    }

    /// Requirement 000 behaviour 20: cut into pieces, case kept, signs and letters of all kinds as they are.
    #[test]
    fn texts_are_replaced_as_they_are_written_and_case_is_kept() {
        let plain = policy(&[("a.b*", "x"), ("Grüße 👋", "hi"), ("foobar", "2"), ("foo", "1")], false);
        assert_eq!(streamed(&plain, &["a.b* aXb* Grü", "ße ", "👋 foo", "bar foo"]), "x aXb* hi 2 1");
        let cased = policy(&[("client", "customer")], true);
        assert_eq!(
            streamed(&cased, &["Client CLI", "ENT client cLIENT cli"]),
            "Customer CUSTOMER customer customer cli"
        );
        let mut run = cased.open(&CallFacts::unknown("1"));
        assert_eq!(run.on_request_text(Origin::ToolResult, "the CLIENT"), Some("the CUSTOMER".into()));
        assert_eq!(run.on_request_text(Origin::System, "the CLIENT"), None);
        assert_eq!(run.on_request_text(Origin::ToolCall, "the CLIENT"), None, "what was called stays");
        for wrong in [
            "{}",
            r#"{"patterns": {"(": ""}}"#,
            r#"{"patterns": {"a*": ""}}"#,
            r#"{"patterns": {"a": ""}, "texts": {"b": ""}}"#,
        ] {
            assert!(Replace::new(serde_json::from_str(wrong).unwrap()).is_err(), "{wrong}");
        }
    }

    fn patterns(pairs: &[(&str, &str)], match_case: bool) -> Replace {
        let patterns = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let options = Options { patterns, texts: BTreeMap::new(), match_case, on: everywhere() };
        Replace::new(options).unwrap_or_else(|(_, words)| panic!("{words}"))
    }

    /// Requirement 000 behaviour 20: patterns too, with what their groups have found, and borders of words over the borders of pieces.
    #[test]
    fn what_patterns_fit_is_replaced_with_what_their_groups_have_found() {
        let policy = patterns(&[(r"\bT-(?P<n>[0-9]+)\b", "ticket ${n}"), ("colou?r", "hue")], true);
        let long = "x".repeat(WINDOW * 2);
        assert_eq!(streamed(&policy, &["a T-", "12, AT-3 Colo", "r T-4"]), "a ticket 12, AT-3 hue ticket 4");
        assert_eq!(
            streamed(&policy, &[&long, "T-1 ", &long, " T-", "2"]),
            format!("{long}T-1 {long} ticket 2")
        );
        let mut run = policy.open(&CallFacts::unknown("1"));
        assert_eq!(run.on_request_text(Origin::User, "T-7 T-8"), Some("ticket 7 ticket 8".into()));
        assert_eq!(run.on_request_text(Origin::User, "none"), None);
    }

    proptest! {
        /// Requirement 000 behaviour 20: a stream becomes what the whole becomes, however it is cut.
        #[test]
        fn a_stream_becomes_what_the_whole_becomes(
            text in "[abcAB ]{0,40}",
            cuts in proptest::collection::vec(0_usize..41, 0..6),
            match_case in any::<bool>(),
        ) {
            let by_pattern = patterns(&[("ab{1,3}", "[1]"), (r"\b[bc]a?", "<2>"), ("c{2,3}", "3")], match_case);
            let policy = policy(&[("ab", "[1]"), ("abca", "[2]"), ("cc", "[3]"), ("b a", "[4]")], match_case);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut from = 0;
            let pieces: Vec<&str> = cuts.into_iter().map(|to| {
                let piece = &text[from..to];
                from = to;
                piece
            }).collect();
            prop_assert_eq!(streamed(&policy, &pieces), streamed(&policy, &[&text]));
            prop_assert_eq!(streamed(&by_pattern, &pieces), streamed(&by_pattern, &[&text]));
        }
    }
}
