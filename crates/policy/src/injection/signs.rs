//! The signs of instructions to a model, and where in a text they stand close together.
//!
//! One automaton finds telling words. Around them a second one finds what the patterns cannot do without, and only a pattern of which all of that is
//! there, in order and close together, is asked: ordinary prose about agents asks hardly any.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::dfa::DFA;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, StartKind};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::table::{SIGNS, Sign, WORDS};
use crate::provenance::encoded;

/// Weight of a sign that people cannot see.
const HIDDEN: u32 = 3;

/// Signs so close to each other belong together.
const NEAR: usize = 400;

/// What comes before and behind a word is looked at too.
const AROUND: usize = 160;

/// So many steps a sign has at most.
const STEPS: usize = 3;

/// So much of a text before the word of a last step, and behind it, may belong to what a pattern fits.
const BEFORE: usize = 260;
const BEHIND: usize = 200;

/// So many invisible letters in a row are no accident.
const UNSEEN_MIN: usize = 8;

/// What speaks for an injection, where it stands densest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// Where it begins in the text.
    pub at: usize,
    /// Its beginning, in small letters.
    pub evidence: String,
    /// The names of the signs.
    pub signs: Vec<&'static str>,
    /// What they weigh together.
    pub weight: u32,
}

/// The signs, ready to be looked for.
pub struct Signs {
    /// Where the words of steps belong: sign and step.
    owners: Vec<Vec<(usize, usize)>>,
    patterns: Vec<Regex>,
    /// The words of all steps, and whether each begins a word of the text.
    steps: DFA,
    whole: Vec<bool>,
    words: AhoCorasick,
}

impl Signs {
    /// Makes them ready; the error says why they cannot be.
    pub fn new() -> Result<Self, String> {
        let mut owners: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
        for (sign, Sign { steps, .. }) in SIGNS.iter().enumerate() {
            for (step, words) in steps.iter().enumerate() {
                words.split(';').for_each(|word| owners.entry(word).or_default().push((sign, step)));
            }
        }
        let words =
            AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(WORDS);
        let steps = DFA::builder()
            .start_kind(StartKind::Unanchored)
            .build(owners.keys().map(|word| word.trim_start_matches('~')));
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let pattern = |sign: &Sign| Regex::builder().syntax(bytes).build(sign.pattern);
        let patterns: Result<_, _> = SIGNS.iter().map(pattern).collect();
        Ok(Self {
            whole: owners.keys().map(|word| word.starts_with(|c: char| c.is_ascii_alphanumeric())).collect(),
            owners: owners.into_values().collect(),
            patterns: patterns.map_err(|error| error.to_string())?,
            steps: steps.map_err(|error| error.to_string())?,
            words: words.map_err(|error| error.to_string())?,
        })
    }

    /// What in a text speaks most for an injection; `None` = nothing.
    pub fn of(&self, text: &str) -> Option<Suspicion> {
        let seen = self.seen(text);
        let hidden = hidden(text).map(|(at, words)| {
            let mut suspicion =
                Suspicion { at, evidence: shown(&words), signs: vec!["hidden"], weight: HIDDEN };
            self.add_inside(&mut suspicion, &words);
            suspicion
        });
        let encoded = encoded(text).into_iter().filter_map(|words| {
            let inside = self.seen(&words)?;
            (inside.weight > 1).then(|| Suspicion {
                at: 0,
                evidence: inside.evidence,
                signs: ["encoded"].into_iter().chain(inside.signs).collect(),
                weight: inside.weight + HIDDEN,
            })
        });
        seen.into_iter().chain(hidden).chain(encoded).max_by_key(|suspicion| suspicion.weight)
    }

    fn add_inside(&self, suspicion: &mut Suspicion, words: &str) {
        if let Some(inside) = self.seen(words) {
            suspicion.signs.extend(inside.signs);
            suspicion.weight += inside.weight;
        }
    }

    /// What speaks for an injection in the letters that can be seen.
    fn seen(&self, text: &str) -> Option<Suspicion> {
        let mut worst: Option<Suspicion> = None;
        let mut comments = None;
        for region in self.regions(text) {
            let plain = plain(&text[region.clone()]);
            let mut signs: Vec<&'static str> = Vec::new();
            let mut first: Option<Range<usize>> = None;
            let mut weight = 0;
            for (sign, found) in self.met(&plain) {
                if first.as_ref().is_none_or(|known| found.start < known.start) {
                    first = Some(found);
                }
                // Of one name the heaviest counts: it stands first.
                if !signs.contains(&sign.name) {
                    weight += sign.weight;
                    signs.push(sign.name);
                }
            }
            let Some(range) = first else { continue };
            let comments = comments.get_or_insert_with(|| Comments::of(text));
            if comments.holds(&region) || is_unseen(text, &region) {
                signs.push("comment");
                weight += 1;
            }
            if worst.as_ref().is_none_or(|known| known.weight < weight) {
                let evidence = shown(&String::from_utf8_lossy(&plain[range.start..]));
                worst = Some(Suspicion { at: region.start, evidence, signs, weight });
            }
        }
        worst
    }

    /// The signs in a text in small letters, and where.
    fn met(&self, plain: &[u8]) -> impl Iterator<Item = (&'static Sign, Range<usize>)> {
        let worth = self.worth(plain);
        SIGNS.iter().zip(&self.patterns).zip(worth).filter_map(|((sign, pattern), worth)| {
            let input = regex_automata::Input::new(plain).range(worth?);
            Some((sign, pattern.search(&input)?.range()))
        })
    }

    /// Where the pattern of each sign is worth asking: there all that it cannot do without stands in order and close together.
    fn worth(&self, plain: &[u8]) -> [Option<Range<usize>>; SIGNS.len()] {
        let mut found = Worth { last: [[None; STEPS]; SIGNS.len()], worth: [const { None }; SIGNS.len()] };
        // An automaton that was built for it has this state.
        let Ok(mut state) = self.steps.start_state(Anchored::No) else { return found.worth };
        for (at, byte) in plain.iter().enumerate() {
            state = self.steps.next_state(Anchored::No, state, *byte);
            if !self.steps.is_match(state) {
                continue;
            }
            for one in 0..self.steps.match_len(state) {
                let word = self.steps.match_pattern(state, one);
                let begins = at + 1 - self.steps.pattern_len(word);
                let inside = begins > 0 && is_word(plain[begins - 1]);
                if !(inside && self.whole[word.as_usize()]) {
                    self.owners[word.as_usize()].iter().for_each(|owner| found.step(plain, *owner, begins));
                }
            }
        }
        found.worth
    }

    /// Where words stand, those near each other together.
    fn regions(&self, text: &str) -> Vec<Range<usize>> {
        let mut regions: Vec<Range<usize>> = Vec::new();
        for found in self.words.find_iter(text) {
            let start = text.floor_char_boundary(found.start().saturating_sub(AROUND));
            let end = text.ceil_char_boundary((found.end() + AROUND).min(text.len()));
            match regions.last_mut() {
                Some(last) if start <= last.end && found.end() - last.start < NEAR * 4 => last.end = end,
                Some(_) | None => regions.push(start..end),
            }
        }
        regions
    }
}

/// What is found of the steps of each sign.
struct Worth {
    /// Where the last word of each step stands.
    last: [[Option<usize>; STEPS]; SIGNS.len()],
    /// Where all steps are there.
    worth: [Option<Range<usize>>; SIGNS.len()],
}

impl Worth {
    /// A word of a step of a sign stands here.
    fn step(&mut self, plain: &[u8], (number, step): (usize, usize), at: usize) {
        let sign = &SIGNS[number];
        if let Some(before) = step.checked_sub(1) {
            let Some(from) = self.last[number][before].filter(|from| from + sign.within >= at) else {
                return;
            };
            if sign.sentence && memchr::memchr(b'.', &plain[from.min(at)..at]).is_some() {
                return;
            }
        }
        self.last[number][step] = Some(at);
        if step + 1 == sign.steps.len() {
            let worth = &mut self.worth[number];
            let start = worth.as_ref().map_or(at.saturating_sub(BEFORE), |known| known.start);
            *worth = Some(start..plain.len().min(at + BEHIND));
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Small letters, single blanks, without emphasis and what cannot be seen. Ends of lines stay.
fn plain(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let bytes = text.as_bytes();
    let (mut at, mut last) = (0, b'\n');
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match SIMPLE[usize::from(*byte)] {
            0 => {
                match *byte {
                    b'\n' => {
                        if last == b' ' {
                            out.pop();
                        }
                        // A line that is wrapped goes on; a full stop or a blank line ends it.
                        let ends =
                            matches!(out.last(), None | Some(b'.' | b'!' | b'?' | b':' | b'>' | b'\n'));
                        out.push(if ends { b'\n' } else { b' ' });
                    }
                    byte if byte.is_ascii() => {}
                    _ => {
                        let Some(c) = text[at - 1..].chars().next() else { break };
                        at += c.len_utf8() - 1;
                        other(c, &mut out);
                    }
                }
                last = out.last().copied().unwrap_or(b'\n');
            }
            b' ' if matches!(last, b' ' | b'\n') && !out.is_empty() => {}
            small => {
                out.push(small);
                last = small;
            }
        }
    }
    out
}

/// A letter beyond ASCII.
fn other(c: char, out: &mut Vec<u8>) {
    match c {
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => {}
        '’' => out.push(b'\''),
        c if c.is_whitespace() => {
            if !matches!(out.last(), Some(b' ' | b'\n')) {
                out.push(b' ');
            }
        }
        c => {
            for small in c.to_lowercase() {
                out.extend_from_slice(small.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// What a byte becomes; 0 = that depends.
const SIMPLE: [u8; 256] = {
    let mut simple = [0; 256];
    let mut byte = 1;
    while byte < 0x80 {
        simple[byte] = match byte as u8 {
            b'\n' | b'*' | b'`' => 0,
            b'\t' | 0x0b | 0x0c | b'\r' | b' ' => b' ',
            other => other.to_ascii_lowercase(),
        };
        byte += 1;
    }
    simple
};

/// The beginning of a text, for people.
fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect();
    line.trim().to_owned()
}

/// The comments of HTML in a text: where each begins and where it ends.
struct Comments(Vec<Range<usize>>);

impl Comments {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut ends = memchr::memmem::find_iter(bytes, "-->").peekable();
        let comment = |begin: usize| {
            while ends.next_if(|end| *end < begin).is_some() {}
            begin..ends.peek().map_or(text.len(), |end| end + 3)
        };
        Self(memchr::memmem::find_iter(bytes, "<!--").map(comment).collect())
    }

    /// Whether a part of the text begins inside a comment, or one begins in it.
    fn holds(&self, region: &Range<usize>) -> bool {
        let before = self.0.partition_point(|comment| comment.start + 4 <= region.end);
        before.checked_sub(1).is_some_and(|last| self.0[last].end > region.start.max(self.0[last].start))
    }
}

/// Whether a style hides a part of the text.
fn is_unseen(text: &str, region: &Range<usize>) -> bool {
    let from = text.floor_char_boundary(region.start.saturating_sub(AROUND));
    let near = text[from..region.end].to_ascii_lowercase();
    let styles = [
        "display:none",
        "display: none",
        "font-size:0",
        "font-size: 0",
        "visibility:hidden",
        "visibility: hidden",
    ];
    styles.iter().any(|style| near.contains(style))
}

/// Letters that no screen shows: where they begin, and the words that they spell, as far as they spell any.
fn hidden(text: &str) -> Option<(usize, String)> {
    let mut from = 0;
    // Each of them begins with one of these bytes, and few other letters do.
    for at in memchr::memchr3_iter(0xe2, 0xef, 0xf3, text.as_bytes()) {
        if at < from {
            continue;
        }
        let rest = &text[at..];
        let unseen = rest.chars().take_while(|c| is_hidden(*c));
        let (run, bytes) = unseen.fold((0, 0), |(run, bytes), c| (run + 1, bytes + c.len_utf8()));
        from = at + bytes;
        // A flag is spelled with such letters behind its picture.
        if run >= UNSEEN_MIN && !text[..at].ends_with('\u{1f3f4}') {
            let spelled = |c: char| {
                matches!(c, '\u{e0020}'..='\u{e007e}')
                    .then(|| char::from_u32(u32::from(c) - 0xe0000))
                    .flatten()
            };
            return Some((at, rest[..bytes].chars().filter_map(spelled).collect()));
        }
    }
    None
}

fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}
