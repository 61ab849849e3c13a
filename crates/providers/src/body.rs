//! Edits of single members of a request body that leave every other byte as it was.
//!
//! Finds top-level members with the scanner of `lockgate-wire` and splices; never takes a body apart. The engine has
//! bounded size and nesting before a provider sees the body.

use std::ops::Range;

use lockgate_core::{ErrorKind, Failure};
use lockgate_wire::{Kind, Scan, scan, splice};

/// A JSON object with the places of its members.
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    scan: Scan,
}

impl<'a> Members<'a> {
    /// Finds the members; anything but an object is refused.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let scan = scan(bytes, usize::MAX)
            .map_err(|error| Failure::new(ErrorKind::InvalidRequest, error.to_string()))?;
        Ok(Self { bytes, scan })
    }

    /// A member's value and where it stands; `null` counts as absent.
    pub(crate) fn value(&self, key: &str) -> Option<(Kind, Range<usize>)> {
        let member = self.scan.find(self.bytes, key).filter(|member| member.kind != Kind::Null)?;
        Some((member.kind, member.value.clone()))
    }

    /// The value of a member that is an object.
    pub(crate) fn object(&self, key: &str) -> Result<Option<(Members<'a>, Range<usize>)>, Failure> {
        match self.value(key) {
            Some((Kind::Object, range)) => Ok(Some((Members::read(&self.bytes[range.clone()])?, range))),
            Some((Kind::Array | Kind::Bool | Kind::Null | Kind::Number | Kind::String, _)) | None => Ok(None),
        }
    }

    /// The value of a member that is a whole number.
    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        let (_, range) = self.value(key)?;
        std::str::from_utf8(&self.bytes[range]).ok()?.parse().ok()
    }

    /// The value of a member that is a string, escapes resolved.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let (_, range) = self.value(key)?;
        serde_json::from_slice(&self.bytes[range]).ok()
    }

    /// The object with one member set; a new one goes to the end.
    pub(crate) fn with(&self, key: &str, json: &str) -> Vec<u8> {
        if let Some(member) = self.scan.find(self.bytes, key) {
            return splice(self.bytes, member.value.clone(), json.as_bytes());
        }
        let (at, comma) = match self.scan.members.last() {
            Some(last) => (last.value.end, ","),
            None => (self.bytes.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1), ""),
        };
        splice(self.bytes, at..at, format!("{comma}\"{key}\":{json}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_set_and_every_other_byte_stays() {
        let body = br#" { "a" : 1.50, "b": null , "o":{ } }"#;
        let members = Members::read(body).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(members.with("a", "2")), r#" { "a" : 2, "b": null , "o":{ } }"#);
        assert_eq!(text(members.with("b", "2")), r#" { "a" : 1.50, "b": 2 , "o":{ } }"#);
        assert_eq!(text(members.with("c", "2")), r#" { "a" : 1.50, "b": null , "o":{ },"c":2 }"#);
        let (inner, range) = members.object("o").unwrap().unwrap();
        assert_eq!(
            text(splice(body, range, &inner.with("x", "1"))),
            r#" { "a" : 1.50, "b": null , "o":{"x":1 } }"#
        );
    }

    #[test]
    fn null_counts_as_absent() {
        assert!(Members::read(br#"{"a":null}"#).unwrap().value("a").is_none());
        assert!(Members::read(b"[]").is_err());
    }
}
