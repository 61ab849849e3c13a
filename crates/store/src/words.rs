//! The words that texts are found by: one rule for every database, so that each finds the same.
//!
//! A word is a run of letters and digits of any script, in lower case; where words are not set apart (Chinese, Japanese), every two
//! neighbouring signs are a word. A text matches a query if it has every word of it, in any order; a word of three or more letters also
//! matches the beginning of a longer one. Nothing in a query has a special meaning.

use std::collections::HashSet;

/// Longer words are cut here, in texts and in queries alike.
const WORD_CHARS: usize = 64;

/// The most bytes of distinct words that are kept of one side of a call; what follows cannot be found.
const KEPT_BYTES: usize = 512 << 10;

/// From this length on a word of a query matches the beginnings of words.
const PREFIX_CHARS: usize = 3;

/// The distinct words of texts, up to a bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    bytes: usize,
    words: HashSet<Box<str>, foldhash::quality::RandomState>,
}

impl Words {
    /// Those of one text.
    pub fn of(text: &str) -> Self {
        let mut words = Self::default();
        words.add(text);
        words
    }

    /// Adds those of a text.
    pub fn add(&mut self, text: &str) {
        each(text, |word| {
            if self.bytes < KEPT_BYTES && !self.words.contains(word) {
                self.bytes += word.len();
                self.words.insert(word.into());
            }
        });
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// In alphabetical order, with a space between them.
    pub fn joined(&self) -> String {
        let mut words: Vec<&str> = self.words.iter().map(|word| &**word).collect();
        words.sort_unstable();
        words.join(" ")
    }
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<Word>,
}

/// A word of a query: letters and digits only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// Whether it also matches the beginning of a longer word.
    pub prefix: bool,
    /// The word, in lower case.
    pub text: String,
}

impl Query {
    /// The words of what somebody typed. `None` = there is no word in it.
    pub fn of(text: &str) -> Option<Self> {
        let mut words = Vec::new();
        each(text, |word| {
            let wide = word.chars().next().is_some_and(is_wide);
            let one = Word {
                prefix: (wide && word.chars().count() == 1)
                    || (!wide && word.chars().count() >= PREFIX_CHARS),
                text: word.to_owned(),
            };
            // The last sign of a run stands alone in a text; in a query it says nothing that the pair before does not.
            if !(wide && one.prefix && words.last().is_some_and(|last: &Word| last.text.ends_with(word))) {
                words.push(one);
            }
        });
        words.dedup();
        if words.is_empty() { None } else { Some(Self { words }) }
    }

    /// Its words.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether a text with these words matches.
    pub fn matches(&self, words: &Words) -> bool {
        let words = &words.words;
        self.words.iter().all(|word| {
            words.contains(word.text.as_str())
                || (word.prefix && words.iter().any(|one| one.starts_with(&word.text)))
        })
    }
}

/// Calls with each word of the text.
fn each(text: &str, mut found: impl FnMut(&str)) {
    let mut word = String::new();
    let mut length = 0;
    let mut wide: Option<char> = None;
    let mut at = 0;
    while at < text.len() {
        // Most texts are of such signs alone.
        let plain = text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if plain > 0 {
            if let Some(last) = wide.take() {
                found(last.encode_utf8(&mut [0; 4]));
            }
            let run = &text[at..at + plain.min(WORD_CHARS - length)];
            let alone = text.as_bytes().get(at + plain).is_none_or(u8::is_ascii);
            at += plain;
            if alone && length == 0 && !run.bytes().any(|byte| byte.is_ascii_uppercase()) {
                found(run);
                continue;
            }
            length += run.len();
            word.extend(run.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
            continue;
        }
        let Some(sign) = text[at..].chars().next() else { break };
        at += sign.len_utf8();
        if is_wide(sign) {
            close(&mut word, &mut length, &mut found);
            if let Some(before) = wide {
                found(String::from_iter([before, sign]).as_str());
            }
            wide = Some(sign);
            continue;
        }
        if let Some(last) = wide.take() {
            found(last.encode_utf8(&mut [0; 4]));
        }
        if !sign.is_alphanumeric() {
            close(&mut word, &mut length, &mut found);
        } else if length < WORD_CHARS {
            length += 1;
            word.extend(sign.to_lowercase().filter(|low| low.is_alphanumeric()));
        }
    }
    close(&mut word, &mut length, &mut found);
    if let Some(last) = wide {
        found(last.encode_utf8(&mut [0; 4]));
    }
}

fn close(word: &mut String, length: &mut usize, found: &mut impl FnMut(&str)) {
    if !word.is_empty() {
        found(word);
        word.clear();
    }
    *length = 0;
}

/// Signs of scripts that do not set words apart.
const fn is_wide(sign: char) -> bool {
    matches!(sign,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(query: &str, text: &str) -> bool {
        Query::of(query).is_some_and(|query| query.matches(&Words::of(text)))
    }

    #[test]
    fn every_word_must_be_there_in_any_order_and_case() {
        assert!(finds("panic LOCK", "the lock made it panic"));
        assert!(!finds("panic lock", "the lock held"));
        assert!(finds("src/main.rs", "edited crates/x/src/main.rs twice"));
        assert!(finds("GRÖSSE", "die größe: grösse"));
    }

    #[test]
    fn a_longer_word_is_found_by_its_beginning_and_a_short_one_only_whole() {
        assert!(finds("sess", "two sessions"));
        assert!(!finds("se", "two sessions"));
        assert!(!finds("ssion", "two sessions"));
    }

    #[test]
    fn signs_of_query_languages_mean_nothing() {
        for query in
            ["foo* OR bar", "\"foo\" NOT bar", "foo & !bar", "foo:* <-> bar", "a:foo'); DROP TABLE calls;--"]
        {
            let query = Query::of(query).unwrap();
            assert!(query.words().iter().all(|word| word.text.chars().all(char::is_alphanumeric)));
        }
        assert_eq!(Query::of("* \" ' & | ! ( )"), None);
    }

    #[test]
    fn texts_without_spaces_are_found_by_any_part_of_them() {
        assert!(finds("東京", "私は東京都に住む"));
        assert!(finds("都", "私は東京都に住む"));
        assert!(!finds("京東", "私は東京都に住む"));
        assert!(finds("住む rust", "Rustの都に住む"));
    }

    #[test]
    fn a_word_without_end_is_cut_alike_in_texts_and_queries() {
        let long = "a".repeat(10_000);
        assert_eq!(Words::of(&long).joined().len(), WORD_CHARS);
        assert!(finds(&long, &long));
    }
}
