//! Cuts a stream of bytes into frames: server-sent events, JSON lines, and the elements of a JSON array.
//!
//! Frames are slices of what was fed wherever they lie whole in it. A framer knows delimiters only: what a frame
//! says is its dialect's business. Any cut of the bytes gives the same frames.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

use crate::DecodeError;

/// The largest frame that a decoder takes, in bytes: room for a picture in base64.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

/// What ends a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    /// An empty line (`\n\n`, `\r\n\r\n`, `\r\r` and mixtures).
    EmptyLine,
    /// A line feed.
    Line,
}

/// Cuts bytes into frames, delimiters included.
#[derive(Debug)]
pub struct Framer {
    delimiter: Delimiter,
    kept: BytesMut,
    max: usize,
    /// Where in `kept` the search goes on, and the state of the line there.
    searched: usize,
}

impl Framer {
    /// For server-sent events.
    pub fn sse(max: usize) -> Self {
        Self { delimiter: Delimiter::EmptyLine, kept: BytesMut::new(), max, searched: 0 }
    }

    /// For JSON lines.
    pub fn lines(max: usize) -> Self {
        Self { delimiter: Delimiter::Line, kept: BytesMut::new(), max, searched: 0 }
    }

    /// Takes bytes and hands out each frame that they complete.
    pub fn feed(
        &mut self,
        mut bytes: Bytes,
        mut frame: impl FnMut(Bytes) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.kept.is_empty() {
            // The tail of the last feed comes first; a delimiter may lie across the border.
            self.kept.extend_from_slice(&bytes);
            bytes = std::mem::take(&mut self.kept).freeze();
        }
        let mut from = std::mem::take(&mut self.searched);
        while let Some(end) = self.end_of_frame(&bytes, from) {
            frame(bytes.split_to(end))?;
            from = 0;
        }
        if bytes.len() > self.max {
            return Err(DecodeError::FrameTooLarge { limit: self.max });
        }
        // A delimiter that is still growing is looked at again with the next bytes.
        self.searched = bytes.len().saturating_sub(4);
        self.kept.extend_from_slice(&bytes);
        Ok(())
    }

    /// What is left when the bytes are over: a frame without its delimiter, or nothing.
    pub fn finish(&mut self) -> Bytes {
        self.searched = 0;
        std::mem::take(&mut self.kept).freeze()
    }

    fn end_of_frame(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match self.delimiter {
            Delimiter::Line => memchr(b'\n', &bytes[from..]).map(|at| from + at + 1),
            Delimiter::EmptyLine => end_of_event(bytes, from),
        }
    }
}

/// The position behind the first empty line. A lone `\r` at the very end waits for a `\n`.
fn end_of_event(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let line_end = at + memchr2(b'\n', b'\r', &bytes[at..])?;
        let next = behind_line_end(bytes, line_end)?;
        match bytes.get(next) {
            Some(b'\n') => return Some(next + 1),
            Some(b'\r') => return behind_line_end(bytes, next),
            Some(_) => at = next,
            None => return None,
        }
    }
}

fn behind_line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes[at], bytes.get(at + 1)) {
        (b'\r', None) => None,
        (b'\r', Some(b'\n')) => Some(at + 2),
        _ => Some(at + 1),
    }
}

/// A server-sent event, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The data lines, joined by line feeds. `None` for comments and empty frames.
    pub data: Option<Cow<'a, [u8]>>,
    /// The event's name.
    pub name: Option<&'a [u8]>,
}

/// Reads one frame of [`Framer::sse`].
pub fn sse(frame: &[u8]) -> SseEvent<'_> {
    let mut event = SseEvent::default();
    let mut rest = frame;
    while !rest.is_empty() {
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = &rest[(end + 1).min(rest.len())..];
        let (field, value) = match memchr(b':', line) {
            Some(colon) => {
                (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]))
            }
            None => (line, &line[line.len()..]),
        };
        match field {
            b"data" => {
                event.data = Some(match event.data.take() {
                    None => Cow::Borrowed(value),
                    Some(before) => {
                        let mut joined = before.into_owned();
                        joined.push(b'\n');
                        joined.extend_from_slice(value);
                        Cow::Owned(joined)
                    }
                });
            }
            b"event" => event.name = Some(value),
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(mut framer: Framer, pieces: &[&[u8]]) -> (Vec<Bytes>, Bytes) {
        let mut frames = Vec::new();
        for piece in pieces {
            framer
                .feed(Bytes::copy_from_slice(piece), |frame| {
                    frames.push(frame);
                    Ok(())
                })
                .unwrap();
        }
        (frames, framer.finish())
    }

    const MIXED: &[u8] = b"event: a\ndata: 1\n\ndata:2\r\n\r\n: ping\n\ndata: x\ndata: y\r\rdata: \xe2\x82\xac\n\r\ndata: tail";

    #[test]
    fn every_line_ending_and_comment_is_framed() {
        let (frames, tail) = cut(Framer::sse(1 << 20), &[MIXED]);
        assert_eq!(frames.len(), 5);
        let read: Vec<_> = frames.iter().map(|frame| sse(frame).data.map(Cow::into_owned)).collect();
        let text = |bytes: &[u8]| Some(bytes.to_vec());
        assert_eq!(read, [text(b"1"), text(b"2"), None, text(b"x\ny"), text("€".as_bytes())]);
        assert_eq!(sse(&frames[0]).name, Some(&b"a"[..]));
        assert_eq!(&tail[..], b"data: tail");
    }

    #[test]
    fn a_frame_without_end_is_refused_at_the_bound() {
        let mut framer = Framer::sse(10);
        let result = framer.feed(Bytes::from_static(b"data: 0123456789"), |_| Ok(()));
        assert_eq!(result, Err(DecodeError::FrameTooLarge { limit: 10 }));
    }

    proptest! {
        /// Requirement 004-7.
        #[test]
        fn any_cut_gives_the_same_frames(cuts in prop::collection::vec(0..MIXED.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            for make in [Framer::sse as fn(usize) -> Framer, Framer::lines] {
                let mut pieces = Vec::new();
                let mut from = 0;
                for &at in &cuts {
                    pieces.push(&MIXED[from..at]);
                    from = at;
                }
                pieces.push(&MIXED[from..]);
                prop_assert_eq!(cut(make(1 << 20), &pieces), cut(make(1 << 20), &[MIXED]));
            }
        }

        #[test]
        fn frames_put_together_are_the_bytes_that_came(bytes in prop::collection::vec(prop::sample::select(b"\r\nad: ".to_vec()), 0..60)) {
            let (frames, tail) = cut(Framer::sse(1 << 20), &[&bytes]);
            let mut joined: Vec<u8> = frames.iter().flat_map(|frame| frame.to_vec()).collect();
            joined.extend_from_slice(&tail);
            prop_assert_eq!(joined, bytes);
        }
    }
}
