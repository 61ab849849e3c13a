//! Reads JSON text into serde's types, as `serde_json` does, but with the ends of strings known beforehand: a request of a
//! coding agent is mostly text, and looking for its escapes one after the other was two thirds of reading it.
//!
//! Accepts what `serde_json::from_str` accepts (property tests compare them), raw values included. Errors say what a field
//! must be in the words of JSON; their place is put in front by [`crate::json::at_field`].

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use lockgate_core::Words;

use crate::jsonout::RAW;
use crate::scan::{ScanError, Scanner};
use crate::strings::Strings;

/// Objects and arrays inside each other, at most. As in `serde_json`: reading is recursive.
const DEPTH: usize = 128;

/// Reads a whole document.
pub(crate) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    read(text, None)
}

/// Reads a whole document whose strings may have been found before.
pub(crate) fn read<'de, T: Deserialize<'de>>(
    text: &'de str,
    strings: Option<&Arc<Strings>>,
) -> Result<T, Error> {
    let scanner = match strings {
        Some(strings) if strings.length == text.len() => Scanner::with(text, DEPTH, strings.clone()),
        Some(_) | None => Scanner::of(text, DEPTH),
    };
    let mut reader = Reader { at: 0, depth: 0, scanner, text };
    reader.space();
    let value = T::deserialize(&mut reader)?;
    reader.scanner.end(reader.at)?;
    Ok(value)
}

/// Why a document cannot be read.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(what: T) -> Self {
        Self(what.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("must be {}, not {}", in_json(&expected.to_string()), kind(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Float(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Unsigned(number) => number.to_string(),
            other => kind(&other).to_owned(),
        };
        Self(format!("must be {}, not {found}", in_json(&expected.to_string())))
    }
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        Self(error.to_string())
    }
}

/// What a type of Rust is called in JSON.
fn in_json(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that is not negative",
        other => other,
    }
}

fn kind(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Map => "an object",
        Unexpected::Seq => "an array",
        Unexpected::Signed(_) | Unexpected::Unsigned(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Option | Unexpected::Unit => "null",
        Unexpected::Bytes(_)
        | Unexpected::Enum
        | Unexpected::NewtypeStruct
        | Unexpected::NewtypeVariant
        | Unexpected::Other(_)
        | Unexpected::StructVariant
        | Unexpected::TupleVariant
        | Unexpected::UnitVariant => "that",
    }
}

/// Stands on the first byte of a value, or behind one.
struct Reader<'de> {
    at: usize,
    depth: usize,
    scanner: Scanner<'de>,
    text: &'de str,
}

impl<'de> Reader<'de> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        self.at = self.scanner.space(self.at);
    }

    fn fault(&self, what: &'static str) -> Error {
        ScanError::Syntax { at: self.at, what }.into()
    }

    /// Goes over the value here and returns its text.
    fn skip(&mut self) -> Result<&'de str, Error> {
        let start = self.at;
        self.at = self.scanner.value(start)?.0;
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<Cow<'de, str>, Error> {
        let start = self.at + 1;
        self.at = self.scanner.string(self.at)?;
        self.unescaped(start, self.at - 1)
    }

    /// The string between two quotes.
    fn unescaped(&self, start: usize, end: usize) -> Result<Cow<'de, str>, Error> {
        let Some(mut escape) = self.scanner.escape_in(start, end) else {
            return Ok(Cow::Borrowed(&self.text[start..end]));
        };
        let mut out = String::with_capacity(end - start);
        let mut from = start;
        loop {
            out.push_str(&self.text[from..escape]);
            from = match SHORT_ESCAPES[usize::from(self.text.as_bytes()[escape + 1])] {
                0 => self.unicode(escape, &mut out)?,
                byte => {
                    out.push(char::from(byte));
                    escape + 2
                }
            };
            match self.scanner.escape_in(from, end) {
                Some(next) => escape = next,
                None => break,
            }
        }
        out.push_str(&self.text[from..end]);
        Ok(Cow::Owned(out))
    }

    /// `\uXXXX`, or two of them for a character beyond sixteen bits. Returns the position behind.
    fn unicode(&self, at: usize, out: &mut String) -> Result<usize, Error> {
        let alone = || ScanError::Syntax { at, what: "half of a character in a string" };
        let unit = |at: usize| {
            let escape = self.text.as_bytes().get(at..at + 6)?;
            let digits = escape.strip_prefix(b"\\u").and_then(|digits| std::str::from_utf8(digits).ok())?;
            u32::from_str_radix(digits, 16).ok()
        };
        let first = unit(at).ok_or_else(alone)?;
        let (code, end) = match first {
            0xd800..=0xdbff => match unit(at + 6) {
                Some(second @ 0xdc00..=0xdfff) => {
                    (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), at + 12)
                }
                Some(_) | None => return Err(alone().into()),
            },
            _ => (first, at + 6),
        };
        out.push(char::from_u32(code).ok_or_else(alone)?);
        Ok(end)
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let start = self.at;
        self.at = self.scanner.number(start)?;
        let text = &self.text[start..self.at];
        if let Ok(number) = text.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        // `-0` is a number with a sign, which whole numbers have not.
        if let Some(number) = text.parse::<i64>().ok().filter(|number| *number != 0) {
            return visitor.visit_i64(number);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            Ok(_) | Err(_) => Err(ScanError::Syntax { at: start, what: "a number out of range" }.into()),
        }
    }

    fn word<V: Visitor<'de>>(
        &mut self,
        word: &'static [u8],
        visit: impl FnOnce() -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        self.at = self.scanner.word(self.at, word)?;
        visit()
    }

    /// What is in an object or array that begins here.
    fn group<V>(
        &mut self,
        close: u8,
        visit: impl FnOnce(&mut Group<'_, 'de>) -> Result<V, Error>,
    ) -> Result<V, Error> {
        if self.depth >= DEPTH {
            return Err(ScanError::TooDeep { limit: DEPTH }.into());
        }
        self.depth += 1;
        self.at += 1;
        let mut group = Group { close, first: true, over: false, reader: self };
        let value = visit(&mut group)?;
        if !group.over && group.next()? {
            return Err(self.fault("fewer elements were expected"));
        }
        self.depth -= 1;
        Ok(value)
    }
}

/// What the byte behind a backslash stands for; 0 where it is more than one byte.
const SHORT_ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let pairs = [
        (b'"', b'"'),
        (b'\\', b'\\'),
        (b'/', b'/'),
        (b'b', 8),
        (b'f', 12),
        (b'n', b'\n'),
        (b'r', b'\r'),
        (b't', b'\t'),
    ];
    let mut at = 0;
    while at < pairs.len() {
        table[pairs[at].0 as usize] = pairs[at].1;
        at += 1;
    }
    table
};

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte() {
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Some(b'{') => self.group(b'}', |group| visitor.visit_map(group)),
            Some(b'[') => self.group(b']', |group| visitor.visit_seq(group)),
            Some(b't') => self.word::<V>(b"true", || visitor.visit_bool(true)),
            Some(b'f') => self.word::<V>(b"false", || visitor.visit_bool(false)),
            Some(b'n') => self.word::<V>(b"null", || visitor.visit_unit()),
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            Some(_) => Err(self.fault("expected a value")),
            None => Err(self.fault("the document ends too early")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte() {
            Some(b'n') => self.word::<V>(b"null", || visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            RAW => Handed(self.skip()?).deserialize_newtype_struct(name, visitor),
            Words::TOKEN if self.byte() == Some(b'"') => {
                let start = self.at;
                self.at = self.scanner.string(start)?;
                visitor.visit_newtype_struct(Handed(&self.text[start..self.at]))
            }
            Words::TOKEN => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// Not worth its own code: read again by `serde_json`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut inner = serde_json::Deserializer::from_str(self.skip()?);
        inner.deserialize_enum(name, variants, visitor).map_err(de::Error::custom)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// A value that has been gone over, for who asks for a raw value.
struct Handed<'de>(&'de str);

impl<'de> Deserializer<'de> for Handed<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = BorrowedStrDeserializer::new(self.0);
        visitor.visit_map(MapDeserializer::new(std::iter::once((RAW, text))))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The members of an object or the elements of an array.
struct Group<'a, 'de> {
    close: u8,
    first: bool,
    over: bool,
    reader: &'a mut Reader<'de>,
}

impl Group<'_, '_> {
    /// Goes to the next one; `false` behind the last.
    fn next(&mut self) -> Result<bool, Error> {
        if self.over {
            return Ok(false);
        }
        self.reader.space();
        let byte = self.reader.byte();
        if byte == Some(self.close) {
            self.reader.at += 1;
            self.over = true;
            return Ok(false);
        }
        if !std::mem::replace(&mut self.first, false) {
            if byte != Some(b',') {
                let object = self.close == b'}';
                return Err(self.reader.fault(if object {
                    "expected `,` or `}`"
                } else {
                    "expected `,` or `]`"
                }));
            }
            self.reader.at += 1;
            self.reader.space();
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for &mut Group<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for &mut Group<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.next()? {
            return Ok(None);
        }
        if self.reader.byte() != Some(b'"') {
            return Err(self.reader.fault("expected a key"));
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.space();
        if self.reader.byte() != Some(b':') {
            return Err(self.reader.fault("expected `:`"));
        }
        self.reader.at += 1;
        self.reader.space();
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Some_ {
        #[serde(default)]
        flag: Option<bool>,
        kind: Kind,
        pair: (u8, f64),
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        One,
        Two(u8),
    }

    #[test]
    fn types_of_serde_are_read() {
        let read = |text| from_str::<Some_>(text).map_err(|error| error.to_string());
        assert_eq!(
            read(
                r#" { "flag" : null, "x": [1, {"y": "\ud83d\ude00"}], "kind": {"two": 7}, "pair": [1, -0] } "#
            ),
            Ok(Some_ { flag: None, kind: Kind::Two(7), pair: (1, -0.0) })
        );
        assert_eq!(
            read(r#"{"flag":true,"kind":"one","pair":[1,2.5]}"#),
            Ok(Some_ { flag: Some(true), kind: Kind::One, pair: (1, 2.5) })
        );
        for (text, said) in [
            (r#"{"flag":1}"#, "must be a boolean, not a number"),
            (r#"{"pair":[-1,2]}"#, "must be a whole number that is not negative, not -1"),
            (r#"{"pair":[1,"x"]}"#, "must be a number, not a string"),
            (r#"{"pair":[1,2,3]}"#, "fewer elements were expected"),
            (r#"{"flag":true"#, "expected `,` or `}` at byte 12"),
            (r#"{"flag":true,}"#, "expected a key at byte 13"),
            (r#"{"flag":"\ud800"}"#, "half of a character in a string at byte 9"),
            ("[true", "expected `,` or `]` at byte 5"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(from_str::<Value>(&deep(DEPTH)).is_ok());
        assert!(from_str::<Value>(&deep(DEPTH + 1)).is_err());
        assert!(from_str::<Value>(&"[".repeat(100_000)).is_err());
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,20}", "[a\\\\\"\n\t\u{1}é😀]{0,200}"]
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any_text().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec((any_text(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_as_it_was(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(from_str::<Value>(&text).unwrap().to_string(), value.to_string());
                let strings = Strings::find(text.as_bytes()).map(Arc::new);
                prop_assert!(strings.is_some());
                let known = read::<Value>(&text, strings.as_ref()).unwrap();
                prop_assert_eq!(known.to_string(), value.to_string());
                let (owned, borrowed): (Box<RawValue>, &RawValue) =
                    (from_str(&text).unwrap(), from_str(&text).unwrap());
                prop_assert_eq!((owned.get(), borrowed.get()), (&*text, &*text));
            }
        }

        #[test]
        fn damaged_text_gets_the_verdict_of_serde_json(
            value in any_json(),
            at in any::<prop::sample::Index>(),
            byte in prop::sample::select(b"{}[],:\"\\ntfu-0.eE d8\x01".to_vec()),
        ) {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(text) = String::from_utf8(bytes) {
                let (ours, theirs) = (from_str::<Value>(&text), serde_json::from_str::<Value>(&text));
                prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
                if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                    prop_assert!(alike(&ours, &theirs), "{} {}", ours, theirs);
                }
            }
        }
    }

    /// Equal but for the last digits of numbers with a fraction, where `serde_json` is not exact.
    fn alike(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                (a - b).abs() <= a.abs() * 1e-12
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && alike(a.1, b.1))
            }
            _ => a == b,
        }
    }
}
