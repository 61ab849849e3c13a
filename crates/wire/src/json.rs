//! Reading and writing JSON the way dialects need it: unknown fields are kept with their place, errors name the
//! field, text is written so that no client trips over it.
//!
//! [`wire_object!`] makes a struct whose fields are all optional and whose unknown members are collected in `rest`,
//! in one pass over the bytes and without a tree. Knows no dialect.

use std::borrow::Cow;
use std::fmt;

use crate::Document;
use lockgate_core::{Failure, Raw, Unmodelled, Words};
use serde::de::{self, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Stands between the path of a field and what is wrong with it, inside an error's text.
const MARK: char = '\u{1f}';

/// A member's name; borrowed when it holds no escapes.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Puts a field's name before the path of an error that came from inside it.
pub(crate) fn at_field<E: de::Error>(field: &str, error: impl fmt::Display) -> E {
    let text = error.to_string();
    E::custom(match text.split_once(MARK) {
        Some((path, what)) if path.starts_with('[') => format!("{field}{path}{MARK}{what}"),
        Some((path, what)) => format!("{field}.{path}{MARK}{what}"),
        None => format!("{field}{MARK}{text}"),
    })
}

/// A list whose errors name the index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                elements(seq).map(List)
            }
        }
        deserializer.deserialize_seq(ListVisitor(std::marker::PhantomData))
    }
}

fn elements<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    loop {
        match seq.next_element() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return Ok(items),
            Err(error) => return Err(at_field(&format!("[{}]", items.len()), error)),
        }
    }
}

/// A string, or a list: the two forms that most dialects allow for content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextOr<T> {
    /// The long form.
    List(Vec<T>),
    /// The short form.
    Text(Words),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for TextOrVisitor<T> {
            type Value = TextOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
                match Words::from_json(Raw::deserialize(inner)?) {
                    Ok(words) => Ok(TextOr::Text(words)),
                    Err(other) if other.get().starts_with('[') => {
                        let list: List<T> =
                            crate::jsonin::from_str(other.get()).map_err(de::Error::custom)?;
                        Ok(TextOr::List(list.0))
                    }
                    Err(_) => Err(de::Error::invalid_type(de::Unexpected::Other("that"), &self)),
                }
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.into()))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                elements(seq).map(TextOr::List)
            }
        }
        deserializer.deserialize_newtype_struct(Words::TOKEN, TextOrVisitor(std::marker::PhantomData))
    }
}

/// Makes a struct that reads a JSON object: every field is an `Option` (`null` = absent), members that are not
/// named go to `rest`. A key may have other spellings: `"mimeType" | "mime_type" => media_type: String`.
///
/// ```text
/// wire_object! {
///     /// One message.
///     pub(super) struct Message { "role" => role: String, "type" => kind: String, "content" => content: TextOr<Block> }
/// }
/// ```
macro_rules! wire_object {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($key:literal $(| $alias:literal)* => $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        $vis struct $name {
            $($vis $field: Option<$type>,)*
            /// Members without a field of their own.
            $vis rest: Vec<(String, lockgate_core::Raw)>,
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some($crate::json::Key(key)) = map.next_key()? {
                            match &*key {
                                $($key $(| $alias)* => {
                                    object.$field =
                                        map.next_value().map_err(|error| $crate::json::at_field($key, error))?;
                                })*
                                _ => {
                                    let value = map.next_value()?;
                                    object.rest.push((key.into_owned(), value));
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}
pub(crate) use wire_object;

/// Reads a request body; the error names the field.
pub(crate) fn read_request<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    read_document(&Document::new(body))
}

/// The same of a body that has been looked through already.
pub(crate) fn read_document<T: DeserializeOwned>(document: &Document<'_>) -> Result<T, Failure> {
    let text = std::str::from_utf8(document.body).map_err(|error| {
        let words = format!("the body is not valid JSON: not UTF-8 at byte {}", error.valid_up_to());
        Failure::new(lockgate_core::ErrorKind::InvalidRequest, words)
    })?;
    crate::jsonin::read(text, document.strings).map_err(|error| {
        let text = error.to_string();
        match text.split_once(MARK) {
            Some((path, what)) => Failure::invalid(path, format!("`{path}`: {what}")),
            None => Failure::new(lockgate_core::ErrorKind::InvalidRequest, text),
        }
    })
}

/// Reads a piece of an answer; the error says what is malformed, without quoting it at length.
pub(crate) fn read_answer<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, crate::DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text: String = error.to_string().chars().take(200).collect();
        crate::DecodeError::malformed(text.replacen(MARK, ": ", 1))
    })
}

/// Files unknown members under their path.
pub(crate) fn keep_rest(into: &mut Vec<Unmodelled>, prefix: &str, rest: Vec<(String, Raw)>) {
    for (key, value) in rest {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        into.push(Unmodelled { path, value });
    }
}

/// A path without its indices, as losses are named: `messages[3].foo` is `messages.foo`.
pub(crate) fn without_indices(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// Writes compact JSON for a client, with U+2028, U+2029 and U+0085 escaped: several clients take them for line
/// ends inside a stream.
pub(crate) fn to_client<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let from = out.len();
    if let Err(error) = crate::jsonout::write(value, out) {
        // Only a map with keys that are no strings or a failing `Serialize` get here; neither is used.
        debug_assert!(false, "unserialisable answer: {error}");
        out.truncate(from);
        return;
    }
    on_one_line(&mut out[from..]);
    escape_separators(out, from);
}

/// Makes spaces of line ends: in JSON they stand between tokens only (a value kept as its author laid it out), and a
/// stream's frames end at them.
fn on_one_line(json: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &json[from..]) {
        json[from + at] = b' ';
        from += at + 1;
    }
}

/// Escapes the line separators in what was written from `from` on.
fn escape_separators(out: &mut Vec<u8>, from: usize) {
    if !has_separators(&out[from..]) {
        return;
    }
    let Ok(text) = std::str::from_utf8(&out[from..]) else { return };
    let escaped =
        text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{85}', "\\u0085");
    out.truncate(from);
    out.extend_from_slice(escaped.as_bytes());
}

fn has_separators(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"\xe2\x80\xa8").is_some()
        || memchr::memmem::find(bytes, b"\xe2\x80\xa9").is_some()
        || memchr::memmem::find(bytes, b"\xc2\x85").is_some()
}

/// A raw value of JSON text that is known to be valid.
pub(crate) fn raw(json: impl Into<String>) -> Option<Raw> {
    serde_json::value::RawValue::from_string(json.into()).ok()
}

/// Whether a text is one whole JSON object.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && crate::scan::validate(text.as_bytes(), 512).is_ok()
}

/// The first `limit` bytes of a foreign text, cut on a character border, for messages; of a web page only its title.
pub(crate) fn excerpt(bytes: &[u8], limit: usize) -> String {
    if let Some(page) = web_page(bytes, limit) {
        return page;
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(limit)]);
    if bytes.len() > limit { format!("{text}…") } else { text.into_owned() }
}

/// What is told of a web page that came instead of an answer.
fn web_page(bytes: &[u8], limit: usize) -> Option<String> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(64 * 1024)]);
    let lower = text.trim_start().to_ascii_lowercase();
    if !["<!doctype html", "<html", "<head"].iter().any(|start| lower.starts_with(start)) {
        return None;
    }
    let text = text.trim_start();
    let title = lower.find("<title>").map(|at| at + "<title>".len()).and_then(|from| {
        let end = lower[from..].find("</title>")?;
        Some(text[from..from + end].trim()).filter(|title| !title.is_empty())
    });
    let words = title.map_or_else(|| without_tags(text), ToOwned::to_owned);
    Some(match words.as_str() {
        "" => "a web page".to_owned(),
        words => format!("a web page: {}", excerpt(words.as_bytes(), limit.min(200))),
    })
}

/// The words of a page without what stands in angle brackets.
fn without_tags(page: &str) -> String {
    let pieces = page.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, words)| words));
    pieces.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_web_page_only_its_title_is_told() {
        let page =
            b"\n<!DOCTYPE html><HTML><head><Title> 502 Bad Gateway </title></head><body>secret path</body>";
        assert_eq!(excerpt(page, 300), "a web page: 502 Bad Gateway");
        assert_eq!(
            excerpt(b"<html><body><h1>Bad</h1> gateway</body></html>", 300),
            "a web page: Bad gateway"
        );
        assert_eq!(excerpt(b"<html></html>", 300), "a web page");
        assert_eq!(excerpt(b"<thinking> is no page", 300), "<thinking> is no page");
    }

    wire_object! {
        /// For these tests.
        struct Inner { "text" => text: String, "type" => kind: String }
    }
    wire_object! {
        /// For these tests.
        struct Outer { "items" => items: List<Inner>, "content" => content: TextOr<Inner> }
    }

    #[test]
    fn unknown_members_are_kept_with_their_bytes() {
        let outer: Outer =
            read_request(br#"{"x": {"a" : 1.0}, "items":[{"type":"t","new":[ 1 ]}],"content":null}"#)
                .unwrap();
        assert_eq!(outer.rest[0].1.get(), r#"{"a" : 1.0}"#);
        assert_eq!(outer.items.unwrap().0[0].rest[0].1.get(), "[ 1 ]");
        assert!(outer.content.is_none());
    }

    #[test]
    fn an_error_names_the_path() {
        let failure = read_request::<Outer>(br#"{"items":[{},{"text":7}]}"#).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("items[1].text"));
        let failure = read_request::<Outer>(br#"{"content":[{"type":[]}]}"#).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("content[0].type"));
        let failure = read_request::<Outer>(br#"{"content":7}"#).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("content"));
    }

    #[test]
    fn a_value_that_was_laid_out_in_lines_goes_to_clients_on_one() {
        let mut out = b"data: ".to_vec();
        to_client(&raw("{\n  \"a\": \"\\n\",\r\n \"b\":1\n}"), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "data: {   \"a\": \"\\n\",   \"b\":1 }");
    }

    #[test]
    fn line_separators_are_escaped_for_clients() {
        let mut out = b"data: ".to_vec();
        to_client("a\u{2028}b\u{2029}c\u{85}d\u{e9}", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "data: \"a\\u2028b\\u2029c\\u0085d\u{e9}\"");
    }
}
