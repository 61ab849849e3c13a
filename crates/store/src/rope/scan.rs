//! Finds in a JSON body the spans that are worth a piece of their own: messages, long strings, large members.
//!
//! Not a parser: it steps over strings and counts brackets. What is not JSON has no spans, what is broken has those before the break;
//! either way the bytes come back as they were.

/// Strings from this length on are pieces.
const TEXT_BYTES: usize = 256;

/// Members of the outermost object from this length on are pieces.
const MEMBER_BYTES: usize = 256;

/// Members of the outermost object that grow at their end from call to call.
const CHAINS: [&[u8]; 3] = [b"contents", b"input", b"messages"];

/// A part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The offset behind its last byte.
    pub end: usize,
    /// What it is.
    pub shape: Shape,
    /// The offset of its first byte.
    pub start: usize,
}

/// What a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An array that grows at its end, brackets included. Holds `Element`s.
    Chain,
    /// An element of a chain. Holds `Text`s.
    Element,
    /// Another large member of the outermost object. Holds `Text`s.
    Member,
    /// A long string without its quotes.
    Text,
}

/// The spans of a body by their beginnings; one that holds others stands before them.
pub fn spans(body: &[u8]) -> Vec<Span> {
    let mut scan = Scan { at: 0, body, found: Vec::new() };
    let _broken = scan.outermost();
    scan.found.sort_unstable_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
    scan.found
}

struct Scan<'a> {
    at: usize,
    body: &'a [u8],
    found: Vec<Span>,
}

/// Each step is `None` where the body breaks off or is no JSON.
impl Scan<'_> {
    fn outermost(&mut self) -> Option<()> {
        if self.peek()? != b'{' {
            return self.value();
        }
        self.at += 1;
        while self.peek()? != b'}' {
            let key = self.string()?;
            self.expect(b':')?;
            let chain = CHAINS.contains(&&self.body[key.0..key.1]);
            let first = self.peek()?;
            let start = self.at;
            if chain && first == b'[' {
                self.chain()?;
                self.found.push(Span { end: self.at, shape: Shape::Chain, start });
            } else {
                self.value()?;
                if self.at - start >= MEMBER_BYTES && first != b'"' {
                    self.found.push(Span { end: self.at, shape: Shape::Member, start });
                }
            }
            self.comma(b'}')?;
        }
        Some(())
    }

    fn chain(&mut self) -> Option<()> {
        self.at += 1;
        while self.peek()? != b']' {
            let start = self.at;
            self.value()?;
            self.found.push(Span { end: self.at, shape: Shape::Element, start });
            self.comma(b']')?;
        }
        self.at += 1;
        Some(())
    }

    /// Steps over a value and notes the long strings in it.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    let (start, end) = self.string()?;
                    if end - start >= TEXT_BYTES {
                        self.found.push(Span { end, shape: Shape::Text, start });
                    }
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => self.at += 1,
                byte if byte.is_ascii_alphanumeric() || byte == b'-' => self.word(),
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Steps over a string; the offsets of its contents.
    fn string(&mut self) -> Option<(usize, usize)> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.body.get(at..)?)?;
            if self.body[at] == b'"' {
                self.at = at + 1;
                return Some((start, at));
            }
            at += 2;
        }
    }

    /// Steps over a number, a true, a false or a null.
    fn word(&mut self) {
        let rest = &self.body[self.at..];
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        self.at += rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.body.get(self.at..)?;
        self.at += rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
        Some(self.body[self.at])
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over a comma, unless the end comes.
    fn comma(&mut self, end: u8) -> Option<()> {
        if self.peek()? == end { Some(()) } else { self.expect(b',') }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> Vec<(Shape, &str)> {
        spans(body.as_bytes()).iter().map(|span| (span.shape, &body[span.start..span.end])).collect()
    }

    #[test]
    fn messages_and_long_strings_are_found_at_their_places() {
        let long = "x\\\"y".repeat(100);
        let body = format!(
            r#" {{"model":"m", "messages" : [ {{"role":"user"}} , {{"content":"{long}"}}],"n":-1.5e+3}}"#
        );
        let found = shown(&body);
        assert_eq!(
            found.iter().map(|span| span.0).collect::<Vec<_>>(),
            [Shape::Chain, Shape::Element, Shape::Element, Shape::Text]
        );
        assert_eq!(found[1].1, r#"{"role":"user"}"#);
        assert_eq!(found[3].1, long);
    }

    #[test]
    fn a_member_with_many_short_strings_is_found_and_a_short_one_is_not() {
        let tools = format!("[{}1]", "\"short\",".repeat(50));
        let found = shown(&format!(r#"{{"tools":{tools},"small":[1,2]}}"#)).len();
        assert_eq!(found, 1);
        assert_eq!(shown(r#"{"input":"a string is no chain","messages":{"a":[1]}}"#), []);
    }

    #[test]
    fn what_is_broken_keeps_what_stands_before_the_break() {
        assert_eq!(shown("no JSON"), []);
        assert_eq!(shown(""), []);
        assert_eq!(shown(r#"{"messages":[{"a":1},{"b":"#), [(Shape::Element, r#"{"a":1}"#)]);
        assert_eq!(shown(r#"{"messages":[{"a":1}]]"#).len(), 2);
        assert_eq!(shown("\"\\"), []);
    }
}
