//! Writes compact JSON into a byte buffer, as `serde_json` does, but with strings copied in runs: a request of a coding
//! agent is mostly text with a line end here and there, and looking at each byte of it was a sixth of a conversion.
//!
//! Writes exactly the bytes that `serde_json::to_vec` writes (a property test compares them), raw values included.
//! Knows no dialect and no layout other than the compact one.

use std::fmt::{self, Display, Formatter};
use std::io::Write;

use serde::Serialize;
use serde::ser::{self, Error as _};

use crate::scan::plain_until;
use crate::strings::to_escape;

/// How `serde_json` hands a raw value to a serializer, and asks a deserializer for one.
pub(crate) const RAW: &str = "$serde_json::private::RawValue";

/// Why nothing can be written: a map whose keys are no strings, or a `Serialize` that fails.
pub(crate) type Error = serde_json::Error;

/// A value as JSON, in a buffer that holds `capacity` bytes from the start.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T, capacity: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(capacity);
    write(value, &mut out)?;
    Ok(out)
}

/// Appends a value as JSON. After an error the buffer holds a part of it.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(Writer { out })
}

/// Appends a string with its quotes.
fn string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut from = 0;
    let (blocks, rest) = bytes.as_chunks();
    for (block, start) in blocks.iter().zip((0..).step_by(64)) {
        let mut bits = to_escape(block);
        while bits != 0 {
            let at = start + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            out.extend_from_slice(&bytes[from..at]);
            escape(bytes[at], out);
            from = at + 1;
        }
    }
    let mut at = bytes.len() - rest.len();
    loop {
        at = plain_until(bytes, at);
        out.extend_from_slice(&bytes[from..at]);
        let Some(&byte) = bytes.get(at) else { break };
        escape(byte, out);
        at += 1;
        from = at;
    }
    out.push(b'"');
}

#[inline]
fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        control => {
            let (high, low) = (HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Numbers and words: `serde_json` writes them well.
    fn plain<T: Serialize>(self, value: T) -> Result<(), Error> {
        serde_json::to_writer(self.out, &value)
    }

    fn open(self, bracket: u8, close: &'static str) -> Group<'a> {
        self.out.push(bracket);
        Group { close, first: true, out: self.out }
    }

    fn variant(self, variant: &str, bracket: u8, close: &'static str) -> Group<'a> {
        self.out.push(b'{');
        string(variant, self.out);
        self.out.push(b':');
        self.open(bracket, close)
    }
}

macro_rules! plainly {
    ($($method:ident: $kind:ty),+) => {$(
        fn $method(self, value: $kind) -> Result<(), Error> {
            self.plain(value)
        }
    )+};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Error = Error;
    type Ok = ();
    type SerializeMap = Group<'a>;
    type SerializeSeq = Group<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Group<'a>;
    type SerializeTuple = Group<'a>;
    type SerializeTupleStruct = Group<'a>;
    type SerializeTupleVariant = Group<'a>;

    plainly! {
        serialize_bool: bool, serialize_char: char, serialize_f32: f32, serialize_f64: f64, serialize_i128: i128,
        serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i8: i8, serialize_u128: u128,
        serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u8: u8
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        string(text, self.out);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.plain(bytes)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut group = self.open(b'{', "}");
        ser::SerializeMap::serialize_entry(&mut group, variant, value)?;
        group.finish();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Group<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Group<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Group<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Group<'a>, Error> {
        Ok(self.variant(variant, b'[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Group<'a>, Error> {
        Ok(self.open(b'{', "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, Error> {
        Ok(if name == RAW { Fields::Raw(self.out) } else { Fields::Object(self.open(b'{', "}")) })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Group<'a>, Error> {
        Ok(self.variant(variant, b'{', "}}"))
    }
}

/// A list or an object that has been opened.
struct Group<'a> {
    close: &'static str,
    first: bool,
    out: &'a mut Vec<u8>,
}

impl Group<'_> {
    fn separate(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        write(value, self.out)
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.separate();
        string(key, self.out);
        self.out.push(b':');
        write(value, self.out)
    }

    fn finish(self) {
        self.out.extend_from_slice(self.close.as_bytes());
    }
}

macro_rules! elements {
    ($($kind:ident $method:ident),+) => {$(
        impl ser::$kind for Group<'_> {
            type Error = Error;
            type Ok = ();

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )+};
}

elements! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

impl ser::SerializeMap for Group<'_> {
    type Error = Error;
    type Ok = ();

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        let from = self.out.len();
        write(key, self.out)?;
        match self.out.get(from) {
            Some(b'"') => Ok(()),
            _ => Err(Error::custom("a key must be a string")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        write(value, self.out)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStructVariant for Group<'_> {
    type Error = Error;
    type Ok = ();

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.member(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

/// A text as it is.
struct Unquoted<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Display for Unquoted<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

/// The fields of a struct; a raw value is one whose only field is its text.
enum Fields<'a> {
    Object(Group<'a>),
    Raw(&'a mut Vec<u8>),
}

impl ser::SerializeStruct for Fields<'_> {
    type Error = Error;
    type Ok = ();

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Self::Object(group) => group.member(key, value),
            Self::Raw(out) => write!(out, "{}", Unquoted(value)).map_err(Error::custom),
        }
    }

    fn end(self) -> Result<(), Error> {
        if let Self::Object(group) = self {
            group.finish();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    /// Every shape that serde knows.
    #[derive(Serialize)]
    enum Shape {
        Map { text: String, none: Option<u8> },
        New(f64),
        Pair(i64, char),
        Raw(Box<RawValue>),
        Unit,
    }

    #[derive(Serialize)]
    struct Wrapped(u64);

    #[derive(Serialize)]
    struct Whole {
        bytes: &'static [u8],
        flat: (bool, Wrapped, ()),
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, serde_json::Value>,
        shapes: Vec<Shape>,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_serde_json_writes(
            text in any::<String>(), key in any::<String>(), integer in any::<i64>(), float in any::<f64>(), c in any::<char>(),
        ) {
            let raw = RawValue::from_string(format!("{{ \"a\" :\t{integer} }}")).unwrap();
            let whole = Whole {
                bytes: b"ab",
                flat: (true, Wrapped(7), ()),
                rest: [(key, serde_json::json!([text, {"f": float}, {}, [], null]))].into(),
                shapes: vec![
                    Shape::Map { text: text.clone(), none: None },
                    Shape::New(float),
                    Shape::Pair(integer, c),
                    Shape::Raw(raw),
                    Shape::Unit,
                ],
                skipped: None,
            };
            let ours = to_vec(&whole, 0).unwrap();
            prop_assert_eq!(String::from_utf8(ours).unwrap(), serde_json::to_string(&whole).unwrap());
        }
    }

    #[test]
    fn every_control_character_is_escaped_as_serde_json_does() {
        let text: String = (0..0x80).filter_map(char::from_u32).chain("é\u{2028}😀".chars()).collect();
        assert_eq!(to_vec(&text, 0).unwrap(), serde_json::to_vec(&text).unwrap());
    }

    #[test]
    fn a_key_that_is_no_string_is_an_error() {
        assert!(to_vec(&std::collections::BTreeMap::from([(1, 2)]), 0).is_err());
    }
}
