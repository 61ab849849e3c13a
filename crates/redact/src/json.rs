//! The strings of JSON text, where they are and under which name; and what is behind their escapes.
//!
//! Reads any bytes: cut documents, several one after another, wrong nesting of brackets excepted. Says no as soon as
//! something stands outside of a string that cannot stand in JSON. Builds no tree.

use std::borrow::Cow;
use std::ops::Range;

/// Deeper is not taken for JSON.
const DEPTH_MAX: usize = 512;

/// A string.
pub(crate) struct Field {
    /// Its inside, escapes as they are.
    pub(crate) raw: Range<usize>,
    /// The inside of the name it has in its object; empty in an array.
    pub(crate) key: Range<usize>,
    /// What a sibling before it calls it, as in `{"name": "…", "value": "…"}` and `["name", "…"]`; may be empty.
    pub(crate) title: Range<usize>,
    /// The names and places that lead to it.
    pub(crate) path: u64,
    /// True if it is a name itself.
    pub(crate) is_key: bool,
}

struct Frame {
    object: bool,
    expects_key: bool,
    key: Range<usize>,
    title: Range<usize>,
    place: u64,
    path: u64,
}

/// Every string of one or more documents; and the numbers of members called `…index`, mixed.
pub(crate) struct Document {
    pub(crate) fields: Vec<Field>,
    pub(crate) indices: u64,
}

/// The strings of `text`, whose first byte is at `base`; `None` if it is no JSON.
pub(crate) fn document(text: &[u8], base: usize) -> Option<Document> {
    let mut walk = Walk { text, base, stack: Vec::new(), fields: Vec::new(), indices: 0 };
    let mut at = 0;
    while at < text.len() {
        at = walk.step(at)?;
    }
    Some(Document { fields: walk.fields, indices: walk.indices })
}

struct Walk<'t> {
    text: &'t [u8],
    base: usize,
    stack: Vec<Frame>,
    fields: Vec<Field>,
    indices: u64,
}

impl Walk<'_> {
    /// One token at `at`; where the next begins.
    fn step(&mut self, at: usize) -> Option<usize> {
        match self.text[at] {
            b'"' => return Some(self.string(at + 1)),
            open @ (b'{' | b'[') => {
                if self.stack.len() >= DEPTH_MAX {
                    return None;
                }
                let path = self.stack.last().map_or(0, |frame| mix(frame.path, self.step_of(frame)));
                let object = open == b'{';
                self.stack.push(Frame {
                    object,
                    expects_key: object,
                    key: 0..0,
                    title: 0..0,
                    place: 0,
                    path,
                });
            }
            close @ (b'}' | b']') => {
                let frame = self.stack.pop()?;
                if frame.object != (close == b'}') {
                    return None;
                }
            }
            b',' => {
                let frame = self.stack.last_mut()?;
                frame.place += 1;
                frame.expects_key = frame.object;
            }
            b':' => self.stack.last_mut().filter(|frame| frame.object)?.expects_key = false,
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => return self.scalar(at),
            _ => return None,
        }
        Some(at + 1)
    }

    /// A name or the place in an array, as a number.
    fn step_of(&self, frame: &Frame) -> u64 {
        if frame.object { digest(&self.text[frame.key.clone()]) } else { frame.place }
    }

    fn scalar(&mut self, at: usize) -> Option<usize> {
        let length = self.text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
            .count();
        let scalar = &self.text[at..at + length];
        let number = scalar.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let cut = at + length == self.text.len();
        let word = ["true", "false", "null"]
            .iter()
            .any(|word| scalar == word.as_bytes() || (cut && word.as_bytes().starts_with(scalar)));
        if let Some(frame) = self.stack.last().filter(|frame| number && frame.object) {
            let key = &self.text[frame.key.clone()];
            if key.ends_with(b"index") {
                self.indices = mix(self.indices, mix(digest(key), digest(scalar)));
            }
        }
        (number || word).then_some(at + length)
    }

    /// A string whose inside begins at `start`; an open one counts.
    fn string(&mut self, start: usize) -> usize {
        let text = self.text;
        let mut end = start;
        let mut next = text.len();
        while let Some(found) = memchr::memchr2(b'"', b'\\', &text[end..]) {
            end += found;
            if text[end] == b'"' {
                next = end + 1;
                break;
            }
            end = (end + 2).min(text.len());
        }
        let inside = start..if next == text.len() && (end >= next || text[end] != b'"') { next } else { end };
        let absolute = |range: &Range<usize>| self.base + range.start..self.base + range.end;
        let field = match self.stack.last_mut() {
            None => Field { raw: absolute(&inside), key: 0..0, title: 0..0, path: 0, is_key: false },
            Some(frame) if frame.expects_key => {
                frame.key = inside.clone();
                Field { raw: absolute(&inside), key: 0..0, title: 0..0, path: 0, is_key: true }
            }
            Some(frame) => {
                let step = if frame.object { digest(&text[frame.key.clone()]) } else { frame.place };
                let field = Field {
                    raw: absolute(&inside),
                    key: if frame.object { absolute(&frame.key) } else { 0..0 },
                    title: absolute(&frame.title),
                    path: mix(frame.path, step),
                    is_key: false,
                };
                let named =
                    matches!(&text[frame.key.clone()], b"name" | b"key" | b"Name" | b"Key" | b"header");
                if !frame.object || named {
                    frame.title = inside;
                }
                field
            }
        };
        self.fields.push(field);
        next
    }
}

/// The text behind the escapes. Half a surrogate pair becomes a replacement character.
pub(crate) fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let plain = memchr::memchr(b'\\', &raw[at..]).unwrap_or(raw.len() - at);
        out.extend_from_slice(&raw[at..at + plain]);
        at += plain;
        if at < raw.len() {
            let (length, character) = escape(&raw[at..]);
            match character {
                Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => out.extend_from_slice(&raw[at..at + length]),
            }
            at += length;
        }
    }
    Cow::Owned(out)
}

/// Places in `raw` for places in its decoded text, which must ascend. A place inside a character is its beginning.
pub(crate) fn places(raw: &[u8], decoded: &[usize]) -> Vec<usize> {
    let mut places = Vec::with_capacity(decoded.len());
    let (mut at, mut seen) = (0, 0);
    for wanted in decoded {
        while at < raw.len() && seen < *wanted {
            if raw[at] != b'\\' {
                let plain = memchr::memchr(b'\\', &raw[at..]).unwrap_or(raw.len() - at).min(wanted - seen);
                at += plain;
                seen += plain;
                continue;
            }
            let (length, character) = escape(&raw[at..]);
            let width = character.map_or(length, char::len_utf8);
            if seen + width > *wanted {
                break;
            }
            at += length;
            seen += width;
        }
        places.push(at);
    }
    places
}

/// The escape at the start of `raw`: its length and what it stands for; `None` if it stands for itself.
fn escape(raw: &[u8]) -> (usize, Option<char>) {
    let simple = |character| (2, Some(character));
    match raw.get(1) {
        Some(b'n') => simple('\n'),
        Some(b'r') => simple('\r'),
        Some(b't') => simple('\t'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(byte @ (b'"' | b'\\' | b'/')) => simple(char::from(*byte)),
        Some(b'u') => match unit(raw) {
            None => (2.min(raw.len()), None),
            Some(high @ 0xD800..0xDC00) => match raw.get(6..).and_then(unit) {
                Some(low @ 0xDC00..0xE000) => {
                    let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                    (12, Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)))
                }
                Some(_) | None => (6, Some(char::REPLACEMENT_CHARACTER)),
            },
            Some(code) => (6, Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))),
        },
        Some(_) => (2, None),
        None => (1, None),
    }
}

/// The number of `\uXXXX` at the start.
fn unit(raw: &[u8]) -> Option<u32> {
    let digits = raw.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
}

fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

fn mix(a: u64, b: u64) -> u64 {
    (a.rotate_left(5) ^ b).wrapping_mul(0x517C_C1B7_2722_0A95).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_through_every_escape() {
        let raw = br#"a\n\u0041\ud83d\ude00\/z\"\ud800."#;
        let decoded = decode(raw);
        assert_eq!(std::str::from_utf8(&decoded).unwrap(), "a\nA😀/z\"\u{FFFD}.");
        let find = |part: &str| std::str::from_utf8(&decoded).unwrap().find(part).unwrap();
        let wanted = [find("A"), find("😀"), find("/"), find("\""), find("."), decoded.len()];
        assert_eq!(places(raw, &wanted), [3, 9, 21, 24, 32, 33]);
    }

    #[test]
    fn what_cannot_be_json_is_not_taken_for_it() {
        for yes in ["{}", "[1,2.5e-3,true,nu", r#"{"a":"b"#, "{\"a\":1}\n{\"a\":2}\n", "", r#""x""#] {
            assert!(document(yes.as_bytes(), 0).is_some(), "{yes}");
        }
        for no in ["[2024-01-01] INFO x", "{a: 1}", "{]", "}", "[tests]", "{\"a\" 1} x"] {
            assert!(document(no.as_bytes(), 0).is_none(), "{no}");
        }
    }

    #[test]
    fn a_field_knows_its_name_and_what_a_sibling_calls_it() {
        let text = br#"{"a":{"name":"X","value":"v"},"h":["cookie","c"]}"#;
        let found = document(text, 0).unwrap();
        let of = |range: &Range<usize>| String::from_utf8_lossy(&text[range.clone()]).into_owned();
        let list: Vec<_> = found
            .fields
            .iter()
            .filter(|field| !field.is_key)
            .map(|field| (of(&field.key), of(&field.title), of(&field.raw)))
            .collect();
        let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            list,
            [row("name", "", "X"), row("value", "X", "v"), row("", "", "cookie"), row("", "cookie", "c")]
        );
    }
}
