//! What a rule is: words that must occur, a shape around them, a check of what was found.
//!
//! The rules themselves are listed in `rules`. A rule looks only at a window around its word, so that the price of a text
//! is that of finding words; its pattern is compiled when its word is met for the first time.

use std::ops::Range;
use std::sync::OnceLock;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use crate::Level;
use crate::{assign, checksum, name, value};

/// How much text before a word a rule may read.
pub(crate) const LOOK_BEHIND: usize = 256;

/// One kind of secret.
pub(crate) struct Rule {
    /// The type in the mask.
    pub(crate) name: &'static str,
    /// Words in lower case; a text without any of them is not looked at. Letter case in the text is ignored here.
    pub(crate) words: &'static [&'static str],
    /// How the secret is found around a word.
    find: Find,
    /// How far before the word the secret may begin.
    pub(crate) before: usize,
    /// How far after the word's begin it may end.
    pub(crate) after: usize,
    /// What ends it sooner.
    extent: Extent,
    /// What must hold of the secret itself.
    check: Check,
    /// Used at the strict level alone.
    record_only: bool,
    /// The word is only what stands near the secret, so that letters may stand before it.
    context: bool,
}

/// A rule with its pattern, which is compiled when it is needed for the first time.
pub(crate) struct Live {
    pub(crate) rule: &'static Rule,
    regex: OnceLock<Option<Regex>>,
}

/// How a secret is found around a word.
enum Find {
    /// A name that says what it holds, and its value.
    Assigned(name::Kind),
    /// A function over the window and the place of the word in it.
    Code(fn(&[u8], Range<usize>) -> Option<Range<usize>>),
    /// A pattern; its first group is the secret, or all of it.
    Pattern(&'static str),
}

/// What a secret never reaches over; the window of a rule ends there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// Nothing.
    Block,
    /// The end of the line.
    Line,
    /// The end of the next line.
    Lines,
    /// A blank.
    Token,
}

/// What must hold of the secret itself.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// The last six characters are the CRC-32 of those between prefix and them. Asked at the level for prompts: with the
    /// right length and prefix, the strict level masks without it.
    Crc,
    /// No fewer hundredths of a bit per character.
    Entropy(u32),
    /// Not a name that documents use.
    NoExample,
    /// At the level for prompts, more than words.
    NoWords,
}

impl Rule {
    pub(crate) const fn pattern(
        name: &'static str,
        words: &'static [&'static str],
        pattern: &'static str,
    ) -> Self {
        let mut rule = Self::new(name, words, Find::Pattern(pattern));
        rule.context = has_group(pattern.as_bytes());
        rule
    }

    pub(crate) const fn code(
        name: &'static str,
        words: &'static [&'static str],
        code: fn(&[u8], Range<usize>) -> Option<Range<usize>>,
    ) -> Self {
        Self::new(name, words, Find::Code(code))
    }

    pub(crate) const fn assigned(
        name: &'static str,
        words: &'static [&'static str],
        kind: name::Kind,
    ) -> Self {
        Self::new(name, words, Find::Assigned(kind)).after(700).extent(Extent::Lines)
    }

    const fn new(name: &'static str, words: &'static [&'static str], find: Find) -> Self {
        Self {
            name,
            words,
            find,
            before: 0,
            after: 320,
            extent: Extent::Token,
            check: Check::NoExample,
            record_only: false,
            context: false,
        }
    }

    /// The secret may begin so many bytes before the word.
    pub(crate) const fn before(mut self, bytes: usize) -> Self {
        self.before = bytes;
        self
    }

    /// It ends at most so many bytes after the word's begin.
    pub(crate) const fn after(mut self, bytes: usize) -> Self {
        self.after = bytes;
        self
    }

    pub(crate) const fn extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    pub(crate) const fn check(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    /// Too many false hits for prompts.
    pub(crate) const fn record_only(mut self) -> Self {
        self.record_only = true;
        self
    }

    /// The words to search for. A pattern looks at the whole word itself, so that its beginning is enough: the automaton is
    /// a third smaller for it.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &'static str> {
        let most = match self.find {
            Find::Pattern(_) => 8,
            Find::Assigned(_) | Find::Code(_) => usize::MAX,
        };
        self.words.iter().map(move |word| &word[..word.len().min(most)])
    }

    /// True if the word stands where no secret of this kind can.
    pub(crate) fn misplaced(&self, text: &[u8], at: usize) -> bool {
        matches!(self.find, Find::Pattern(_)) && self.must_begin() && !begins(text, at)
    }

    /// True if the secret begins with the word.
    fn must_begin(&self) -> bool {
        self.before == 0 && !self.context
    }

    pub(crate) fn applies(&self, level: Level) -> bool {
        match level {
            Level::Prompt => !self.record_only,
            Level::Record => true,
        }
    }

    /// Where the window of a word ends, and whether more text could not move that end.
    ///
    /// Before `seen` there is nothing that ends it.
    pub(crate) fn window(&self, text: &[u8], word: &Range<usize>, seen: usize) -> (usize, bool) {
        let most = text.len().min(word.start + self.after).max(word.end);
        let from = if self.extent == Extent::Lines { word.end } else { seen.clamp(word.end, most) };
        let rest = &text[from..most];
        let end = match self.extent {
            Extent::Block => None,
            Extent::Line => memchr::memchr2(b'\n', b'\r', rest),
            Extent::Lines => memchr::memchr_iter(b'\n', rest).nth(1),
            Extent::Token => rest.iter().position(|byte| *byte <= b' '),
        };
        if let Some(end) = end {
            return (from + end + 1, true);
        }
        let never = match self.find {
            Find::Assigned(kind) => assign::never(text, word, kind),
            Find::Code(_) => false,
            Find::Pattern(_) => self.misplaced(text, word.start),
        };
        (most, never || word.start + self.after <= text.len())
    }

    /// True if a member of an object with this name and value holds a secret.
    pub(crate) fn names(&self, name: &[u8], word: Range<usize>, value: &[u8], level: Level) -> bool {
        match self.find {
            Find::Assigned(kind) => assign::is_secret_pair(name, word, value, kind, level),
            Find::Code(_) | Find::Pattern(_) => false,
        }
    }
}

impl Live {
    pub(crate) fn new(rule: &'static Rule) -> Self {
        Self { rule, regex: OnceLock::new() }
    }

    /// The secret around `word`. `text` is the window: [`LOOK_BEHIND`] bytes before the word, and `after` from it on.
    pub(crate) fn find(&self, text: &[u8], word: Range<usize>, level: Level) -> Option<Range<usize>> {
        let found = match self.rule.find {
            Find::Assigned(kind) => return assign::find(text, word, kind, level),
            Find::Code(code) => code(text, word)?,
            Find::Pattern(pattern) => self.shape(pattern, text, word)?,
        };
        let secret = &text[found.clone()];
        let holds = match self.rule.check {
            Check::Crc => level == Level::Record || checksum::crc_suffix(secret),
            Check::Entropy(least) => value::entropy(secret) * 100.0 >= f64::from(least),
            Check::NoExample => true,
            Check::NoWords => level == Level::Record || !value::is_words(secret),
        };
        (holds && !value::is_example(secret)).then_some(found)
    }

    fn shape(&self, pattern: &str, text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
        let regex = self.regex.get_or_init(|| compile(pattern)).as_ref()?;
        let mut slots = [None; 4];
        let mut start = word.start.saturating_sub(self.rule.before);
        if self.rule.must_begin() && !begins(text, word.start) {
            return None;
        }
        let anchored = if self.rule.before == 0 { Anchored::Yes } else { Anchored::No };
        while start <= word.start {
            let input = Input::new(text).span(start..text.len()).anchored(anchored);
            regex.search_slots(&input, &mut slots)?;
            let whole = slots[0]?.get()..slots[1]?.get();
            if whole.start > word.start {
                return None;
            }
            if whole.end > word.start && (self.rule.context || begins(text, whole.start)) {
                let group = slots[2].zip(slots[3]).map_or(whole, |(from, to)| from.get()..to.get());
                return Some(group);
            }
            start = whole.start + 1;
        }
        None
    }
}

/// True if the pattern has a group that captures.
const fn has_group(pattern: &[u8]) -> bool {
    let mut at = 0;
    let mut class = false;
    while at + 1 < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class && pattern[at + 1] != b'?' => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

fn compile(pattern: &str) -> Option<Regex> {
    let config = Config::new().utf8_empty(false).dfa(false).onepass(false);
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    Regex::builder().configure(config).syntax(syntax).build(pattern).ok()
}

/// True if a word may begin here: what stands before is no part of it, or is the end of an escape such as `\n`.
pub(crate) fn begins(text: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| text[before]) else { return true };
    if text.get(at).is_some_and(|byte| !byte.is_ascii_alphanumeric()) {
        return true;
    }
    if !before.is_ascii_alphanumeric() && before != b'_' {
        return !inside_base64(text, at);
    }
    let escape = matches!(before, b'n' | b'r' | b't' | b'b' | b'f') && at >= 2 && text[at - 2] == b'\\';
    let hex = at >= 6 && text[at - 6] == b'\\' && text[at - 5] == b'u';
    // %3D and the like in a URL.
    let percent = at >= 3 && text[at - 3] == b'%' && text[at - 2..at].iter().all(u8::is_ascii_hexdigit);
    escape || hex || percent
}

/// True in the middle of a long run of base64, such as an image: what looks like a key there is chance.
fn inside_base64(text: &[u8], at: usize) -> bool {
    matches!(text[at - 1], b'+' | b'/')
        && at >= 48
        && text[at - 48..at].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;

    #[test]
    fn every_pattern_compiles_and_every_window_is_within_bounds() {
        for rule in rules::all() {
            if let Find::Pattern(pattern) = rule.find {
                assert!(compile(pattern).is_some(), "{}", rule.name);
            }
            assert!(rule.before <= LOOK_BEHIND / 2, "{}", rule.name);
            assert!(rule.words.iter().all(|word| *word == word.to_lowercase()), "{}", rule.name);
        }
    }

    #[test]
    fn a_key_may_follow_an_escape_but_not_a_letter() {
        assert!(begins(b"x sk", 2) && begins(b"sk", 0) && begins(br"\nsk", 2) && begins(br"\u000ask", 6));
        assert!(begins(b"%3Dsk", 3));
        assert!(!begins(b"task", 2) && !begins(b"_sk", 1));
        let image = [b'A'; 60].map(|_| b'k');
        assert!(!begins(&[&image[..], b"/sk"].concat(), 61));
    }
}
