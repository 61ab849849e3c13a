//! One pass over a JSON document: is it valid, and where do its top-level members stand.
//!
//! Builds no tree and copies nothing: a request of 150 KB costs a fraction of a parse. It checks the whole grammar
//! (RFC 8259), so what passes here is JSON for every parser behind. Duplicate top-level keys are refused: two readers
//! of the same body must not see two different models.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::strings::Strings;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[…]`
    Array,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
    /// A number.
    Number,
    /// `{…}`
    Object,
    /// `"…"`
    String,
}

/// A member of the top-level object.
#[derive(Debug, Clone)]
pub struct Member {
    /// Elements of an array or members of an object that is the value.
    pub items: usize,
    /// The key, between its quotes.
    pub key: Range<usize>,
    /// What the value is.
    pub kind: Kind,
    /// The value.
    pub value: Range<usize>,
}

/// Where the parts of a document stand.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The top-level members, in order.
    pub members: Vec<Member>,
    /// Where its strings end.
    strings: Option<Arc<Strings>>,
}

/// A body with what a scan of it has found.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) strings: Option<&'a Arc<Strings>>,
}

impl<'a> Document<'a> {
    /// A body of which nothing is known.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, strings: None }
    }
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A key stands twice at the top.
    #[error("the field `{key}` is there twice")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// Not an object at the top.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// Not JSON.
    #[error("the body is not valid JSON: {what} at byte {at}")]
    Syntax {
        /// Byte offset.
        at: usize,
        /// What was wrong there.
        what: &'static str,
    },
    /// Objects and arrays inside each other, too many.
    #[error("the body is nested deeper than {limit} levels")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
}

/// Checks a document that must be an object, and finds its members.
pub fn scan(body: &[u8], max_depth: usize) -> Result<Scan, ScanError> {
    let mut scanner = Scanner::new(body, max_depth)?;
    let start = scanner.space(0);
    if body.get(start) != Some(&b'{') {
        scanner.value(start)?;
        return Err(ScanError::NotAnObject);
    }
    let mut members = Vec::with_capacity(16);
    let end = scanner.top(start, &mut members)?;
    scanner.end(end)?;
    Ok(Scan { members, strings: scanner.strings })
}

/// Checks any JSON document.
pub fn validate(body: &[u8], max_depth: usize) -> Result<(), ScanError> {
    let mut scanner = Scanner::new(body, max_depth)?;
    let start = scanner.space(0);
    let (end, _, _) = scanner.value(start)?;
    scanner.end(end)
}

impl Scan {
    /// The body that this is the scan of, with what is known about it.
    pub fn document<'a>(&'a self, body: &'a [u8]) -> Document<'a> {
        Document { body, strings: self.strings.as_ref() }
    }

    /// The member with this key.
    pub fn find(&self, body: &[u8], key: &str) -> Option<&Member> {
        self.members.iter().find(|member| key_is(&body[member.key.clone()], key))
    }
}

/// A key's text, escapes resolved.
pub(crate) fn key_text(raw: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(raw);
    if !raw.contains(&b'\\') {
        return text;
    }
    serde_json::from_str::<String>(&format!("\"{text}\"")).map_or(text, Cow::Owned)
}

fn key_is(raw: &[u8], key: &str) -> bool {
    if raw.contains(&b'\\') { key_text(raw) == key } else { raw == key.as_bytes() }
}

/// Walks a document.
pub(crate) struct Scanner<'a> {
    body: &'a [u8],
    max_depth: usize,
    stack: Vec<bool>,
    /// `None`: byte by byte, as in documents that are short or have a fault in a string.
    strings: Option<Arc<Strings>>,
}

/// Documents shorter than this (bytes) are looked at byte by byte.
const SHORT: usize = 128;

/// Where a value ends, what it is, and how many items it has.
type Value = (usize, Kind, usize);

impl<'a> Scanner<'a> {
    fn new(body: &'a [u8], max_depth: usize) -> Result<Self, ScanError> {
        if let Err(error) = std::str::from_utf8(body) {
            return Err(syntax(error.valid_up_to(), "not UTF-8"));
        }
        Ok(Self::over(body, max_depth))
    }

    /// Over a text.
    pub(crate) fn of(text: &'a str, max_depth: usize) -> Self {
        Self::over(text.as_bytes(), max_depth)
    }

    /// Over a text whose strings have been found before.
    pub(crate) fn with(text: &'a str, max_depth: usize, strings: Arc<Strings>) -> Self {
        Self { body: text.as_bytes(), max_depth, stack: Vec::with_capacity(32), strings: Some(strings) }
    }

    fn over(body: &'a [u8], max_depth: usize) -> Self {
        let strings = if body.len() < SHORT { None } else { Strings::find(body).map(Arc::new) };
        Self { body, max_depth, stack: Vec::with_capacity(32), strings }
    }

    /// The first escape between two positions inside a string that [`Self::string`] has gone over.
    #[inline]
    pub(crate) fn escape_in(&self, from: usize, to: usize) -> Option<usize> {
        match &self.strings {
            Some(strings) => strings.escape(from, to),
            None => memchr::memchr(b'\\', &self.body[from..to]).map(|at| from + at),
        }
    }

    fn top(&mut self, start: usize, members: &mut Vec<Member>) -> Result<usize, ScanError> {
        self.stack.push(true);
        let mut at = self.space(start + 1);
        if self.body.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        loop {
            let (key, next) = self.key(at)?;
            let begin = self.space(next);
            let (end, kind, items) = self.value(begin)?;
            if members.iter().any(|known| self.body[known.key.clone()] == self.body[key.clone()]) {
                return Err(ScanError::Duplicate { key: key_text(&self.body[key]).into_owned() });
            }
            members.push(Member { items, key, kind, value: begin..end });
            at = self.space(end);
            match self.body.get(at) {
                Some(b',') => at = self.space(at + 1),
                Some(b'}') => break,
                _ => return Err(syntax(at, "expected `,` or `}`")),
            }
        }
        if members.iter().any(|member| self.body[member.key.clone()].contains(&b'\\')) {
            self.escaped_duplicates(members)?;
        }
        Ok(at + 1)
    }

    fn escaped_duplicates(&self, members: &[Member]) -> Result<(), ScanError> {
        let keys: Vec<_> = members.iter().map(|member| key_text(&self.body[member.key.clone()])).collect();
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].contains(key) {
                return Err(ScanError::Duplicate { key: key.clone().into_owned() });
            }
        }
        Ok(())
    }

    /// A key and the colon behind it.
    pub(crate) fn key(&self, at: usize) -> Result<(Range<usize>, usize), ScanError> {
        if self.body.get(at) != Some(&b'"') {
            return Err(syntax(at, "expected a key"));
        }
        let end = self.string(at)?;
        let colon = self.space(end);
        if self.body.get(colon) != Some(&b':') {
            return Err(syntax(colon, "expected `:`"));
        }
        Ok((at + 1..end - 1, colon + 1))
    }

    /// A whole value: its end, its kind, its items. Without recursion.
    pub(crate) fn value(&mut self, start: usize) -> Result<Value, ScanError> {
        let floor = self.stack.len();
        let mut items = 0;
        let kind = kind_of(self.body.get(start).copied()).ok_or_else(|| syntax(start, "expected a value"))?;
        let mut at = start;
        loop {
            // `at` stands on the first byte of a value.
            match self.body.get(at) {
                Some(b'{') => {
                    self.push(true)?;
                    at = self.space(at + 1);
                    if self.body.get(at) == Some(&b'}') {
                        self.stack.pop();
                        at += 1;
                    } else {
                        items += usize::from(self.stack.len() == floor + 1);
                        at = self.key_then_space(at)?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.push(false)?;
                    at = self.space(at + 1);
                    if self.body.get(at) == Some(&b']') {
                        self.stack.pop();
                        at += 1;
                    } else {
                        items += usize::from(self.stack.len() == floor + 1);
                        continue;
                    }
                }
                _ => at = self.scalar(at)?,
            }
            // `at` stands behind a value: close what ends here, or go on to the next element.
            loop {
                if self.stack.len() == floor {
                    return Ok((at, kind, items));
                }
                let object = self.stack.last() == Some(&true);
                at = self.space(at);
                match (self.body.get(at), object) {
                    (Some(b','), _) => {
                        items += usize::from(self.stack.len() == floor + 1);
                        at = self.space(at + 1);
                        if object {
                            at = self.key_then_space(at)?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.stack.pop();
                        at += 1;
                    }
                    (_, true) => return Err(syntax(at, "expected `,` or `}`")),
                    (_, false) => return Err(syntax(at, "expected `,` or `]`")),
                }
            }
        }
    }

    fn key_then_space(&self, at: usize) -> Result<usize, ScanError> {
        let (_, next) = self.key(at)?;
        Ok(self.space(next))
    }

    fn push(&mut self, object: bool) -> Result<(), ScanError> {
        if self.stack.len() >= self.max_depth {
            return Err(ScanError::TooDeep { limit: self.max_depth });
        }
        self.stack.push(object);
        Ok(())
    }

    fn scalar(&self, at: usize) -> Result<usize, ScanError> {
        match self.body.get(at) {
            Some(b'"') => self.string(at),
            Some(b't') => self.word(at, b"true"),
            Some(b'f') => self.word(at, b"false"),
            Some(b'n') => self.word(at, b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            Some(_) => Err(syntax(at, "expected a value")),
            None => Err(syntax(at, "the document ends too early")),
        }
    }

    pub(crate) fn word(&self, at: usize, word: &[u8]) -> Result<usize, ScanError> {
        if self.body[at..].starts_with(word) {
            Ok(at + word.len())
        } else {
            Err(syntax(at, "expected a value"))
        }
    }

    pub(crate) fn number(&self, start: usize) -> Result<usize, ScanError> {
        let mut at = start + usize::from(self.body[start] == b'-');
        at = match self.body.get(at) {
            Some(b'0') => at + 1,
            Some(b'1'..=b'9') => self.digits(at),
            _ => return Err(syntax(at, "not a number")),
        };
        if self.body.get(at) == Some(&b'.') {
            at = self.some_digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.body.get(at) {
            let sign = usize::from(matches!(self.body.get(at + 1), Some(b'+' | b'-')));
            at = self.some_digits(at + 1 + sign)?;
        }
        Ok(at)
    }

    fn digits(&self, mut at: usize) -> usize {
        while matches!(self.body.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        at
    }

    fn some_digits(&self, at: usize) -> Result<usize, ScanError> {
        let end = self.digits(at);
        if end == at { Err(syntax(at, "not a number")) } else { Ok(end) }
    }

    /// The position behind the closing quote of the string that opens at `start`.
    #[inline]
    pub(crate) fn string(&self, start: usize) -> Result<usize, ScanError> {
        match &self.strings {
            Some(strings) => match strings.quote(start + 1) {
                Some(quote) => Ok(quote + 1),
                None => Err(syntax(self.body.len(), "a string without end")),
            },
            None => self.string_by_bytes(start),
        }
    }

    fn string_by_bytes(&self, start: usize) -> Result<usize, ScanError> {
        let mut at = start + 1;
        loop {
            at = plain_until(self.body, at);
            match self.body.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => at = self.escape(at)?,
                Some(_) => return Err(syntax(at, "a control character in a string")),
                None => return Err(syntax(at, "a string without end")),
            }
        }
    }

    fn escape(&self, at: usize) -> Result<usize, ScanError> {
        match self.body.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match self.body.get(at + 2..at + 6) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
                _ => Err(syntax(at, "a broken escape in a string")),
            },
            _ => Err(syntax(at, "a broken escape in a string")),
        }
    }

    #[inline]
    pub(crate) fn space(&self, mut at: usize) -> usize {
        while matches!(self.body.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        at
    }

    pub(crate) fn end(&self, at: usize) -> Result<(), ScanError> {
        let at = self.space(at);
        if at == self.body.len() { Ok(()) } else { Err(syntax(at, "more after the end of the document")) }
    }
}

fn kind_of(first: Option<u8>) -> Option<Kind> {
    Some(match first? {
        b'{' => Kind::Object,
        b'[' => Kind::Array,
        b'"' => Kind::String,
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        b'-' | b'0'..=b'9' => Kind::Number,
        _ => return None,
    })
}

/// The first byte from `at` on that is a quote, a backslash or a control character; eight bytes at a time.
pub(crate) fn plain_until(body: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = body.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok()) {
        let word = u64::from_le_bytes(word);
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let hit = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash);
        let hit = hit & HIGH;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while body.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        at += 1;
    }
    at
}

fn syntax(at: usize, what: &'static str) -> ScanError {
    ScanError::Syntax { at, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(body: &str) -> Vec<(String, Kind, usize, String)> {
        let scan = scan(body.as_bytes(), 64).unwrap();
        let text = |range: &Range<usize>| body[range.clone()].to_owned();
        scan.members.iter().map(|m| (text(&m.key), m.kind, m.items, text(&m.value))).collect()
    }

    #[test]
    fn members_are_found_with_their_bytes_and_counts() {
        let found = keys(
            r#" { "model" : "a\"b", "messages":[{"a":[1,2]}, 3 ,[]], "o":{"x":1,"y":{}} , "n":-1.5e+3 } "#,
        );
        assert_eq!(found[0], ("model".into(), Kind::String, 0, r#""a\"b""#.into()));
        assert_eq!((found[1].1, found[1].2), (Kind::Array, 3));
        assert_eq!((found[2].1, found[2].2), (Kind::Object, 2));
        assert_eq!((found[3].1, found[3].3.as_str()), (Kind::Number, "-1.5e+3"));
    }

    #[test]
    fn the_same_key_twice_is_refused_however_it_is_spelled() {
        for body in [r#"{"model":"a","model":"b"}"#, r#"{"model":"a","\u006dodel":"b"}"#] {
            assert_eq!(scan(body.as_bytes(), 8).unwrap_err(), ScanError::Duplicate { key: "model".into() });
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        assert!(scan(deep.as_bytes(), 101).is_ok());
        assert_eq!(scan(deep.as_bytes(), 100).unwrap_err(), ScanError::TooDeep { limit: 100 });
    }

    #[test]
    fn an_array_or_a_word_is_not_a_body() {
        for body in ["[]", "null", "1"] {
            assert_eq!(scan(body.as_bytes(), 8).unwrap_err(), ScanError::NotAnObject);
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,30}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec((".{0,9}", inner), 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_that_serde_writes_passes(value in any_json()) {
            prop_assert!(validate(&serde_json::to_vec(&value).unwrap(), 64).is_ok());
            prop_assert!(validate(&serde_json::to_vec_pretty(&value).unwrap(), 64).is_ok());
        }

        #[test]
        fn a_damaged_document_gets_the_same_verdict_as_from_serde(
            value in any_json(), filler in prop_oneof![Just(String::new()), "[a\\\\\\\"\n]{100,300}"],
            at in any::<prop::sample::Index>(), byte in prop::sample::select(b"{}[],:\"\\ntf-0.eE \x01\xff".to_vec()),
        ) {
            // Long enough for the way of long documents, and as it is for that of short ones.
            let value = serde_json::json!([filler, value]);
            let mut body = serde_json::to_vec(&value).unwrap();
            let at = at.index(body.len());
            body[at] = byte;
            let serde = serde_json::from_slice::<&serde_json::value::RawValue>(&body).is_ok();
            prop_assert_eq!(validate(&body, 128).is_ok(), serde, "{}", String::from_utf8_lossy(&body));
        }

        #[test]
        fn random_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&body, 16);
        }
    }
}
