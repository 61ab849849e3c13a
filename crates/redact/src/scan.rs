//! Finds the secrets of a text: words by one automaton, then each word's rule on its window, then who wins where two overlap.
//!
//! What is found at a place depends on [`LOOK_BEHIND`] bytes before a word and on its rule's window after it, on nothing else.
//! So a text in pieces gives the same result as the whole, as long as a window's end has been seen.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::known::{ANCHOR_MAX, Form, Known};
use crate::mask::{self, Masker};
use crate::rule::{LOOK_BEHIND, Live};
use crate::{Level, known, rules, value};

/// The words of all rules, and which rules each starts.
struct Words {
    automaton: AhoCorasick,
    /// By word: the places of its rules in `rules`.
    starts: Vec<Vec<u16>>,
    rules: Vec<Live>,
    longest: usize,
    before: usize,
}

static RECORD: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(Level::Record));
static PROMPT: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(Level::Prompt));

/// A secret and what stands in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    /// `None`: a mask that stays.
    pub(crate) mask: Option<Box<str>>,
}

/// A place where a secret may be; ordered as candidates win.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Hit {
    /// Where the word begins.
    at: usize,
    /// Where it ends.
    end: usize,
    /// What to try: a mask, a form of a known secret, a rule.
    what: What,
    /// Nothing before ends its window.
    seen: usize,
}

/// Where each rule has found a secret last: words inside of it are not looked at again, so that a text that repeats a word
/// costs no more than others.
#[derive(Default)]
pub(crate) struct Covered(Vec<(u16, Range<usize>)>);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum What {
    Mask,
    Known(u32),
    Rule(u16),
}

/// A found secret before it is known who wins.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) range: Range<usize>,
    what: What,
}

/// Everything that finds secrets, for one set of known ones.
pub(crate) struct Scanner {
    masker: Masker,
    level: Level,
    words: Option<&'static Words>,
    forms: Vec<Form>,
    anchors: Option<AhoCorasick>,
}

impl Words {
    fn new(level: Level) -> Option<Self> {
        let rules: Vec<Live> = rules::all().filter(|rule| rule.applies(level)).map(Live::new).collect();
        let mut words: Vec<&str> = vec!["«redacted:"];
        let mut starts: Vec<Vec<u16>> = vec![Vec::new()];
        for (index, rule) in rules.iter().enumerate() {
            for word in rule.rule.anchors() {
                let known = words.iter().position(|other| *other == word).unwrap_or_else(|| {
                    words.push(word);
                    starts.push(Vec::new());
                    words.len() - 1
                });
                starts[known].push(index as u16);
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .prefilter(false)
            .build(&words)
            .ok()?;
        let longest = words.iter().map(|word| word.len()).max()?;
        let before = rules.iter().map(|rule| rule.rule.before).max()?;
        Some(Self { automaton, starts, rules, longest, before })
    }
}

impl Scanner {
    pub(crate) fn new(known: &[Known], masker: Masker, level: Level) -> Self {
        let forms = known::forms(known, &masker);
        let anchors = (!forms.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .build(forms.iter().map(|form| &form.text[..form.text.len().min(ANCHOR_MAX)]))
                    .ok()
            })
            .flatten();
        let words = match level {
            Level::Prompt => PROMPT.as_ref(),
            Level::Record => RECORD.as_ref(),
        };
        Self { masker, level, words, forms, anchors }
    }

    /// The mask of a secret found by other means.
    pub(crate) fn mask(&self, kind: &str, secret: &[u8]) -> Box<str> {
        self.masker.mask(kind, secret).into()
    }

    /// Every secret in a whole text, in order, none overlapping; `shapes` false looks for known ones alone.
    pub(crate) fn spans(&self, text: &[u8], shapes: bool) -> Vec<Span> {
        let mut hits = Vec::new();
        self.hits(text, 0, shapes, &mut hits);
        if hits.is_empty() {
            return Vec::new();
        }
        let mut covered = Covered::default();
        self.select(text, hits.iter().filter_map(|hit| self.candidate(text, *hit, &mut covered)).collect(), 0)
    }

    /// Words that end after `from`.
    pub(crate) fn hits(&self, text: &[u8], from: usize, shapes: bool, hits: &mut Vec<Hit>) {
        if let Some(words) = self.words.filter(|_| shapes) {
            let start = from.saturating_sub(words.longest);
            for found in words.automaton.find_overlapping_iter(&text[start..]) {
                let (at, end) = (start + found.start(), start + found.end());
                if end <= from {
                    continue;
                }
                let word = found.pattern().as_usize();
                if word == 0 {
                    hits.push(Hit { at, end, what: What::Mask, seen: 0 });
                }
                hits.extend(words.starts[word].iter().map(|rule| Hit {
                    at,
                    end,
                    what: What::Rule(*rule),
                    seen: 0,
                }));
            }
        }
        if let Some(anchors) = &self.anchors {
            let start = from.saturating_sub(ANCHOR_MAX);
            for found in anchors.find_overlapping_iter(&text[start..]) {
                let (at, end) = (start + found.start(), start + found.end());
                if end > from {
                    hits.push(Hit { at, end, what: What::Known(found.pattern().as_u32()), seen: 0 });
                }
            }
        }
    }

    /// Who wins among these, leaving out what begins before `from`.
    pub(crate) fn select(&self, text: &[u8], mut candidates: Vec<Candidate>, from: usize) -> Vec<Span> {
        candidates
            .sort_by(|a, b| (a.range.start, a.what, b.range.end).cmp(&(b.range.start, b.what, a.range.end)));
        let mut spans: Vec<Span> = Vec::new();
        let mut last = from;
        for Candidate { mut range, what } in candidates {
            if range.start < last {
                // What is left of a secret behind a longer-known one is masked too, unless it is a trifle.
                if range.end < last + REST_MIN || what == What::Mask {
                    continue;
                }
                range.start = last;
            }
            last = range.end;
            let mask = match what {
                What::Mask => None,
                What::Known(form) => Some(self.forms[form as usize].mask.clone()),
                What::Rule(rule) => {
                    let name = self.words.map_or("secret", |words| words.rules[usize::from(rule)].rule.name);
                    Some(self.mask(name, &text[range.clone()]))
                }
            };
            spans.push(Span { range, mask });
        }
        spans
    }

    /// The secret at a hit, if there is one. Hits come in the order in which they were found.
    pub(crate) fn candidate(&self, text: &[u8], hit: Hit, covered: &mut Covered) -> Option<Candidate> {
        let range = match hit.what {
            What::Mask => mask::at(text, hit.at)?,
            What::Known(form) => {
                let form = &self.forms[form as usize].text;
                text[hit.at..].starts_with(form).then(|| hit.at..hit.at + form.len())?
            }
            What::Rule(rule) => {
                if covered.covers(rule, hit.at) {
                    return None;
                }
                let (index, rule) = (rule, &self.words?.rules[usize::from(rule)]);
                if rule.rule.misplaced(text, hit.at) {
                    return None;
                }
                let start = hit.at.saturating_sub(LOOK_BEHIND);
                let (end, _) = rule.rule.window(text, &(hit.at..hit.end), hit.seen);
                let word = hit.at - start..hit.end - start;
                let found = rule.find(&text[start..end], word, self.level)?;
                let found = value::whole_characters(text, start + found.start..start + found.end);
                let secret = &text[found.clone()];
                let masked = memchr::memmem::find(secret, mask::OPEN).is_some() || in_mask(text, found.start);
                let number =
                    secret.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-'));
                if masked || number {
                    return None;
                }
                // The end of an escape stays with what follows it.
                let slashes = secret.iter().rev().take_while(|byte| **byte == b'\\').count();
                let found = found.start..found.end - slashes;
                covered.set(index, &found);
                found
            }
        };
        (!range.is_empty()).then_some(Candidate { range, what: hit.what })
    }

    /// Where the secret of a hit may begin, and whether enough text is there to say if it is one.
    pub(crate) fn reach(&self, text: &[u8], hit: Hit) -> (usize, bool) {
        match hit.what {
            What::Mask => (hit.at, hit.at + mask::MAX <= text.len()),
            What::Known(form) => (hit.at, hit.at + self.forms[form as usize].text.len() <= text.len()),
            What::Rule(rule) => self.words.map_or((hit.at, true), |words| {
                let rule = words.rules[usize::from(rule)].rule;
                let (end, complete) = rule.window(text, &(hit.at..hit.end), hit.seen);
                // Characters are never cut, so that one may reach over the window's end.
                (hit.at.saturating_sub(rule.before), complete && end + 4 <= text.len())
            }),
        }
    }

    /// How much of a text's end may belong to a secret whose word has not been seen yet.
    pub(crate) fn unseen(&self) -> usize {
        let (longest, before) = self.words.map_or((0, 0), |words| (words.longest, words.before));
        longest.max(ANCHOR_MAX) + before + 4
    }

    /// The type under which the value of a member is masked, if the member's name says that it is a secret.
    pub(crate) fn named(&self, name: &[u8], text: &[u8]) -> Option<&'static str> {
        let words = self.words?;
        let mut best: Option<u16> = None;
        for found in words.automaton.find_overlapping_iter(name) {
            for index in &words.starts[found.pattern().as_usize()] {
                let holds = best.is_none_or(|best| *index < best)
                    && words.rules[usize::from(*index)].rule.names(name, found.range(), text, self.level);
                if holds {
                    best = Some(*index);
                }
            }
        }
        best.map(|index| words.rules[usize::from(index)].rule.name)
    }
}

impl Covered {
    fn covers(&self, rule: u16, at: usize) -> bool {
        self.0.iter().any(|(known, range)| *known == rule && range.contains(&at))
    }

    fn set(&mut self, rule: u16, range: &Range<usize>) {
        match self.0.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, known)) => *known = range.clone(),
            None => self.0.push((rule, range.clone())),
        }
    }

    /// The same after so many bytes before have been dropped.
    pub(crate) fn back(&mut self, bytes: usize) {
        for (_, range) in &mut self.0 {
            *range = range.start.saturating_sub(bytes)..range.end.saturating_sub(bytes);
        }
    }
}

impl Candidate {
    /// The same after so many bytes before it have been dropped.
    pub(crate) fn back(&mut self, bytes: usize) {
        // One that began before what is out may begin before what is kept.
        self.range = self.range.start.saturating_sub(bytes)..self.range.end - bytes;
    }
}

impl Hit {
    /// Where its word begins.
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// The same hit after so many bytes before it have been dropped.
    pub(crate) fn back(self, bytes: usize) -> Self {
        let seen = self.seen.saturating_sub(bytes);
        Self { at: self.at - bytes, end: self.end - bytes, what: self.what, seen }
    }

    /// Remembers that nothing before ends its window.
    pub(crate) fn saw(&mut self, seen: usize) {
        self.seen = seen;
    }
}

/// True if a mask begins shortly before `at` and reaches over it.
fn in_mask(text: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(mask::MAX);
    memchr::memmem::rfind(&text[from..at], mask::OPEN)
        .and_then(|open| mask::at(text, from + open))
        .is_some_and(|range| range.end > at)
}

/// So many bytes that stick out of another secret are a secret of their own.
const REST_MIN: usize = 4;

/// A text with its secrets masked.
pub(crate) fn apply(text: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut last = 0;
    for span in spans {
        if let Some(mask) = &span.mask {
            out.extend_from_slice(&text[last..span.range.start]);
            out.extend_from_slice(mask.as_bytes());
            last = span.range.end;
        }
    }
    out.extend_from_slice(&text[last..]);
    out
}

/// Shared by clones and streams.
pub(crate) type Shared = Arc<Scanner>;
