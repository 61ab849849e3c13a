//! Cuts a JSON array that arrives in pieces into its elements.
//!
//! `streamGenerateContent` without `alt=sse` answers with one array whose objects come one by one. A frame is an
//! element with all that stands before it (the bracket, a comma, space), so frames put together are the bytes that
//! came. A lone object (an error) is an array of one. What is no object is malformed; the objects' own syntax is
//! checked by whoever reads them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use crate::DecodeError;

/// Where the array stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind its end.
    After,
    /// Before its start.
    Before,
    /// Between elements; `true` = inside brackets.
    Between(bool),
    /// In an element: objects and arrays open, and whether in a string; `true` = inside brackets.
    Element { bracketed: bool, depth: usize, string: bool },
}

/// Cuts an array into elements.
#[derive(Debug)]
pub(super) struct Elements {
    kept: BytesMut,
    max: usize,
    place: Place,
    /// Where in `kept` the search goes on.
    searched: usize,
    /// Where in `kept` the element starts.
    start: usize,
}

impl Elements {
    /// Takes elements of at most `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { kept: BytesMut::new(), max, place: Place::Before, searched: 0, start: 0 }
    }

    /// Takes bytes and hands out each element that they complete, as a frame and where in it the element is.
    pub(super) fn feed(
        &mut self,
        mut bytes: Bytes,
        mut element: impl FnMut(Bytes, Range<usize>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.kept.is_empty() {
            self.kept.extend_from_slice(&bytes);
            bytes = std::mem::take(&mut self.kept).freeze();
        }
        while let Some(end) = self.end_of_element(&bytes)? {
            let range = self.start..end;
            (self.start, self.searched) = (0, 0);
            element(bytes.split_to(end), range)?;
        }
        if bytes.len() > self.max {
            return Err(DecodeError::FrameTooLarge { limit: self.max });
        }
        self.kept.extend_from_slice(&bytes);
        Ok(())
    }

    /// What stands behind the last element, and whether the array was ended.
    pub(super) fn finish(&mut self) -> (Bytes, bool) {
        (std::mem::take(&mut self.kept).freeze(), self.place == Place::After)
    }

    fn end_of_element(&mut self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        while let Some(&byte) = bytes.get(self.searched) {
            let at = self.searched;
            self.searched += 1;
            match self.place {
                Place::Element { bracketed, depth, string: true } => {
                    let Some(found) = memchr2(b'"', b'\\', &bytes[at..]) else {
                        self.searched = bytes.len();
                        return Ok(None);
                    };
                    match (bytes[at + found], bytes.get(at + found + 1)) {
                        (b'\\', None) => {
                            // What is escaped is still to come: look again from the backslash.
                            self.searched = at + found;
                            return Ok(None);
                        }
                        (b'\\', Some(_)) => self.searched = at + found + 2,
                        _ => {
                            self.searched = at + found + 1;
                            self.place = Place::Element { bracketed, depth, string: false };
                        }
                    }
                }
                Place::Element { bracketed, depth, string: false } => match byte {
                    b'"' => self.place = Place::Element { bracketed, depth, string: true },
                    b'{' | b'[' => self.place = Place::Element { bracketed, depth: depth + 1, string: false },
                    b'}' | b']' if depth == 1 => {
                        self.place = if bracketed { Place::Between(true) } else { Place::After };
                        return Ok(Some(self.searched));
                    }
                    b'}' | b']' => self.place = Place::Element { bracketed, depth: depth - 1, string: false },
                    _ => {}
                },
                place => self.between(place, byte, at)?,
            }
        }
        Ok(None)
    }

    fn between(&mut self, place: Place, byte: u8, at: usize) -> Result<(), DecodeError> {
        match (place, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n') | (Place::Between(_), b',') => {}
            (Place::Before, b'[') => self.place = Place::Between(true),
            (Place::Before | Place::Between(true), b'{') => {
                self.start = at;
                self.place = Place::Element { bracketed: place != Place::Before, depth: 1, string: false };
            }
            (Place::Between(true), b']') => self.place = Place::After,
            _ => return Err(DecodeError::malformed("the answer is no array of objects")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Cut = (Vec<(Vec<u8>, Range<usize>)>, Bytes, bool);

    fn cut(pieces: &[&[u8]]) -> Result<Cut, DecodeError> {
        let mut elements = Elements::new(1 << 20);
        let mut frames = Vec::new();
        for piece in pieces {
            elements.feed(Bytes::copy_from_slice(piece), |frame, range| {
                frames.push((frame.to_vec(), range));
                Ok(())
            })?;
        }
        let (tail, ended) = elements.finish();
        Ok((frames, tail, ended))
    }

    const ARRAY: &[u8] = " [{\"a\":\"}\\\"]{\\\\\"}\n,\r\n{ \"b\" : [ {}, \"\u{20ac}\" ] }\n]\n".as_bytes();

    #[test]
    fn elements_come_one_by_one_with_what_stands_before_them() {
        let (frames, tail, ended) = cut(&[ARRAY]).unwrap();
        let texts: Vec<_> =
            frames.iter().map(|(frame, range)| String::from_utf8_lossy(&frame[range.clone()])).collect();
        assert_eq!(texts, [r#"{"a":"}\"]{\\"}"#, "{ \"b\" : [ {}, \"\u{20ac}\" ] }"]);
        assert_eq!((&tail[..], ended), (&b"\n]\n"[..], true));
        let (frames, _, ended) = cut(&[b"{\"error\":{}}\n"]).unwrap();
        assert_eq!((frames.len(), ended), (1, true));
    }

    #[test]
    fn what_is_no_array_of_objects_is_malformed() {
        for bad in ["<html>", "[1]", "[[]]", "[{}]x", "{}{}", "\"a\""] {
            assert!(cut(&[bad.as_bytes()]).is_err(), "{bad}");
        }
        assert!(!cut(&[b"[{}"]).unwrap().2);
    }

    proptest! {
        /// Requirement 004-7.
        #[test]
        fn any_cut_gives_the_same_elements(mut cuts in prop::collection::vec(0..ARRAY.len(), 0..9)) {
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for at in cuts {
                pieces.push(&ARRAY[from..at]);
                from = at;
            }
            pieces.push(&ARRAY[from..]);
            prop_assert_eq!(cut(&pieces).unwrap(), cut(&[ARRAY]).unwrap());
        }
    }
}
