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
    let mut scan = Scan { at: 0, body, found: Vec::new(), other: None, taken: 0 };
    let _broken = scan.outermost();
    scan.sorted()
}

/// What a body has in common with another one at its beginning and its end, and what is known of the other.
#[derive(Debug, Clone, Copy)]
pub struct Overlap<'a> {
    /// So many bytes at the end are the same, none of them among `front`.
    back: usize,
    /// So many bytes at the beginning are the same.
    front: usize,
    /// How long the other is.
    size: usize,
    /// The other's spans.
    spans: &'a [Span],
}

impl<'a> Overlap<'a> {
    /// Compares a body with one whose spans are known.
    pub fn of(body: &[u8], other: &[u8], spans: &'a [Span]) -> Self {
        let (front, back) = alike(body, other);
        Self { back, front, size: other.len(), spans }
    }
}

/// How many bytes two texts have in common at their beginnings and, behind that, at their ends.
pub fn alike(body: &[u8], other: &[u8]) -> (usize, usize) {
    let front = common(body.chunks(STRIDE).zip(other.chunks(STRIDE)), |(one, other)| {
        one.iter().zip(other).take_while(|(one, other)| one == other).count()
    });
    let rests = body[front..].rchunks(STRIDE).zip(other[front..].rchunks(STRIDE));
    let back = common(rests, |(one, other)| {
        one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count()
    });
    (front, back)
}

/// Bytes that are compared at once.
const STRIDE: usize = 4096;

/// How many bytes are the same until the first pair of portions that differ.
fn common<'b>(
    portions: impl Iterator<Item = (&'b [u8], &'b [u8])>,
    within: impl Fn((&[u8], &[u8])) -> usize,
) -> usize {
    let mut same = 0;
    for (one, other) in portions {
        if one != other {
            return same + within((one, other));
        }
        same += one.len();
    }
    same
}

/// The spans of a body that has much in common with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// So many of its last elements and members are the other's last.
    pub back: usize,
    /// So many of its first elements and members are the other's first.
    pub front: usize,
    /// The same as of [`spans`].
    pub spans: Vec<Span>,
}

/// The same as [`spans`]; what the body has in common with the other is not gone through again.
pub fn spans_again(body: &[u8], overlap: &Overlap<'_>) -> Again {
    let mut scan = Scan { at: 0, body, found: Vec::new(), other: Some(*overlap), taken: 0 };
    let _broken = scan.resume(overlap);
    let back = scan.taken;
    let spans = scan.sorted();
    // Whatever else they hold: up to here, and with the byte that ended them, both bodies were read alike.
    let front = spans.iter().filter(|span| span.is_part() && span.end < overlap.front).count();
    Again { back, front, spans }
}

impl Span {
    /// Whether it is an element or a large member: what can be taken from one body into another.
    pub const fn is_part(&self) -> bool {
        matches!(self.shape, Shape::Element | Shape::Member)
    }
}

struct Scan<'a> {
    at: usize,
    body: &'a [u8],
    found: Vec<Span>,
    /// What may hold the rest of this body.
    other: Option<Overlap<'a>>,
    /// Elements and members that came from there.
    taken: usize,
}

/// Each step is `None` where the body breaks off, is no JSON, or ends as the other one.
impl Scan<'_> {
    fn sorted(mut self) -> Vec<Span> {
        self.found.sort_unstable_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
        self.found
    }

    /// Goes on behind the last part that both bodies have.
    fn resume(&mut self, overlap: &Overlap<'_>) -> Option<()> {
        let same = |span: &&Span| span.shape != Shape::Text && span.end < overlap.front;
        let Some(last) = overlap.spans.iter().filter(same).max_by_key(|span| span.end) else {
            return self.outermost();
        };
        let around =
            |span: &&Span| span.shape == Shape::Chain && span.start < last.start && span.end > last.end;
        let chain = overlap.spans.iter().find(around);
        if last.shape == Shape::Element && chain.is_none() {
            return self.outermost();
        }
        self.found.extend(overlap.spans.iter().filter(|span| span.end <= last.end));
        self.at = last.end;
        if let Some(chain) = chain {
            self.comma(b']')?;
            self.elements(chain.start)?;
        }
        self.comma(b'}')?;
        self.members()
    }

    fn outermost(&mut self) -> Option<()> {
        if self.peek()? != b'{' {
            return self.value();
        }
        self.at += 1;
        self.members()
    }

    fn members(&mut self) -> Option<()> {
        while self.peek()? != b'}' {
            let key = self.string()?;
            self.expect(b':')?;
            let chain = CHAINS.contains(&&self.body[key.0..key.1]);
            let first = self.peek()?;
            let start = self.at;
            if chain && first == b'[' {
                self.other_than(Shape::Chain, None)?;
                self.at += 1;
                self.elements(start)?;
            } else {
                self.other_than(Shape::Member, None)?;
                self.value()?;
                if self.at - start >= MEMBER_BYTES && first != b'"' {
                    self.found.push(Span { end: self.at, shape: Shape::Member, start });
                }
            }
            self.comma(b'}')?;
        }
        Some(())
    }

    /// The elements of a chain that begins at `chain`, up to its end.
    fn elements(&mut self, chain: usize) -> Option<()> {
        while self.peek()? != b']' {
            let start = self.at;
            self.other_than(Shape::Element, Some(chain))?;
            self.value()?;
            self.found.push(Span { end: self.at, shape: Shape::Element, start });
            self.comma(b']')?;
        }
        self.at += 1;
        self.found.push(Span { end: self.at, shape: Shape::Chain, start: chain });
        Some(())
    }

    /// `None` if from here on this body is the other one, whose spans it takes then.
    fn other_than(&mut self, shape: Shape, chain: Option<usize>) -> Option<()> {
        let Some(other) = self.other.filter(|other| self.body.len() - self.at <= other.back) else {
            return Some(());
        };
        let (here, there) = (self.at, self.at + other.size - self.body.len());
        let first = other.spans.partition_point(|span| span.start < there);
        if other.spans.get(first).is_none_or(|span| span.start != there || span.shape != shape) {
            return Some(());
        }
        let moved = |place: usize| place - there + here;
        if let Some(chain) = chain {
            let around = |span: &&Span| span.shape == Shape::Chain && span.start < there && span.end > there;
            let end = other.spans[..first].iter().find(around).map(|span| moved(span.end));
            self.found.extend(end.map(|end| Span { end, shape: Shape::Chain, start: chain }));
        }
        for span in &other.spans[first..] {
            self.taken += usize::from(span.is_part());
            self.found.push(Span { end: moved(span.end), shape: span.shape, start: moved(span.start) });
        }
        None
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
