//! Where the strings of a JSON document end and where their escapes begin, found 64 bytes at a time.
//!
//! Text of a coding agent has an escape every few dozen bytes, and a loop that stops at each of them costs more for its
//! wrong guesses than for its work. Here each block of bytes becomes a few words of bits, without a branch per escape.
//! Checks what is in strings (control characters, escapes); knows nothing of the grammar around them, so positions are
//! only right where somebody walks that too.

use wide::u8x16;

const BLOCK: usize = 64;

/// The strings of one document: a word of bits for each block of bytes.
#[derive(Debug)]
pub(crate) struct Strings {
    /// Bytes of the document.
    pub(crate) length: usize,
    /// Backslashes that begin an escape.
    escapes: Vec<u64>,
    /// Quotes that begin or end a string.
    quotes: Vec<u64>,
}

impl Strings {
    /// Looks through a document. `None` where a string holds what it must not; whoever goes byte by byte finds out what.
    pub(crate) fn find(body: &[u8]) -> Option<Self> {
        let room = body.len() / BLOCK + 1;
        let mut found =
            Self { length: body.len(), escapes: Vec::with_capacity(room), quotes: Vec::with_capacity(room) };
        let mut state = State::default();
        let mut add = |block: &[u8; BLOCK], start| {
            let (escapes, quotes) = state.block(block, body, start);
            found.escapes.push(escapes);
            found.quotes.push(quotes);
        };
        let (whole, rest) = body.as_chunks::<BLOCK>();
        for (at, block) in whole.iter().enumerate() {
            add(block, at * BLOCK);
        }
        if !rest.is_empty() {
            let mut last = [b' '; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            add(&last, whole.len() * BLOCK);
        }
        (!state.faulty).then_some(found)
    }

    /// The first quote at `from` or behind it that begins or ends a string.
    #[inline]
    pub(crate) fn quote(&self, from: usize) -> Option<usize> {
        let mut at = from / BLOCK;
        let mut quotes = self.quotes.get(at)? & (u64::MAX << (from % BLOCK));
        while quotes == 0 {
            at += 1;
            quotes = *self.quotes.get(at)?;
        }
        Some(at * BLOCK + quotes.trailing_zeros() as usize)
    }

    /// The first backslash in `from..to` that begins an escape.
    #[inline]
    pub(crate) fn escape(&self, from: usize, to: usize) -> Option<usize> {
        let mut at = from / BLOCK;
        let mut escapes = self.escapes.get(at)? & (u64::MAX << (from % BLOCK));
        while escapes == 0 {
            at += 1;
            if at * BLOCK >= to {
                return None;
            }
            escapes = *self.escapes.get(at)?;
        }
        Some(at * BLOCK + escapes.trailing_zeros() as usize).filter(|found| *found < to)
    }
}

/// What one block says about the next.
#[derive(Default)]
struct State {
    /// 1 if the next block's first byte is escaped.
    escaped: u64,
    /// Whether a string holds what it must not.
    faulty: bool,
    /// All ones inside a string.
    inside: u64,
}

impl State {
    /// The escapes and the quotes of a block.
    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], body: &[u8], start: usize) -> (u64, u64) {
        let Seen { controls, quotes, slashes } = Seen::of(block);
        let escaped = if slashes | self.escaped == 0 { 0 } else { self.escaped_by(slashes) };
        let quotes = quotes & !escaped;
        // Each bit says whether the number of quotes up to it is odd: from an opening quote to before the closing one.
        let inside = parity(quotes) ^ self.inside;
        self.inside = (inside >> 63).wrapping_neg();
        self.faulty |= controls & inside != 0
            || (escaped != 0 && !escapes_are_known(block, escaped & inside, body, start));
        (slashes & !escaped, quotes)
    }

    /// The bytes that stand behind a backslash which is not itself escaped. In a run of backslashes it is every other one:
    /// adding a bit to the start of a run carries to its end, and whether start and end are both even or odd tells.
    fn escaped_by(&mut self, slashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let slashes = slashes & !self.escaped;
        let behind = slashes << 1 | self.escaped;
        let odd_starts = slashes & !EVEN & !behind;
        let (ends, over) = odd_starts.overflowing_add(slashes);
        self.escaped = u64::from(over);
        (EVEN ^ (ends << 1)) & behind
    }
}

/// For each bit whether the number of ones up to and with it is odd.
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// Whether all of the `escaped` bytes of a block may stand behind a backslash.
fn escapes_are_known(block: &[u8; BLOCK], escaped: u64, body: &[u8], start: usize) -> bool {
    let usual = of_each(block, |bytes| {
        let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
        is(b'n') | is(b'"') | is(b'\\') | is(b't')
    });
    let mut others = escaped & !usual;
    while others != 0 {
        let at = others.trailing_zeros() as usize;
        others &= others - 1;
        let known = match block[at] {
            b'/' | b'b' | b'f' | b'r' => true,
            b'u' => {
                let digits = body.get(start + at + 1..start + at + 5);
                digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            }
            _ => false,
        };
        if !known {
            return false;
        }
    }
    true
}

/// The bytes that matter in strings, a bit a byte.
struct Seen {
    controls: u64,
    quotes: u64,
    slashes: u64,
}

impl Seen {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        Self {
            controls: if has_controls(block) { of_each(block, is_control) } else { 0 },
            quotes: of_each(block, |bytes| bytes.simd_eq(u8x16::splat(b'"'))),
            slashes: of_each(block, |bytes| bytes.simd_eq(u8x16::splat(b'\\'))),
        }
    }
}

fn is_control(bytes: u8x16) -> u8x16 {
    bytes.simd_eq(bytes.min(u8x16::splat(0x1f)))
}

/// Most text has none in its JSON form.
#[inline]
fn has_controls(block: &[u8; BLOCK]) -> bool {
    let least = |all: u8x16, bytes: &[u8; 16]| all.min(u8x16::from(*bytes));
    let least = block.as_chunks().0.iter().fold(u8x16::splat(u8::MAX), least);
    is_control(least).to_bitmask() != 0
}

/// One word of bits from a test on sixteen bytes at a time.
#[inline]
fn of_each(block: &[u8; BLOCK], test: impl Fn(u8x16) -> u8x16) -> u64 {
    let mut bits = 0;
    for (at, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        bits |= u64::from(test(u8x16::from(*bytes)).to_bitmask()) << (16 * at);
    }
    bits
}

/// What of a block must be written with an escape, a bit a byte.
#[inline]
pub(crate) fn to_escape(block: &[u8; BLOCK]) -> u64 {
    of_each(block, |bytes| {
        is_control(bytes) | bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, a byte at a time: quotes, escapes, and whether all is well.
    fn slowly(body: &[u8]) -> Option<(Vec<usize>, Vec<usize>)> {
        let (mut quotes, mut escapes) = (Vec::new(), Vec::new());
        let (mut at, mut inside) = (0, false);
        while at < body.len() {
            match body[at] {
                b'"' => {
                    inside = !inside;
                    quotes.push(at);
                }
                b'\\' => {
                    escapes.push(at);
                    at += 1;
                    let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
                    let known = match body.get(at) {
                        Some(b'u') => body.get(at + 1..at + 5).is_some_and(hex),
                        Some(byte) => b"\"\\/bfnrt".contains(byte),
                        None => true,
                    };
                    if inside && !known {
                        return None;
                    }
                }
                0..=0x1f if inside => return None,
                _ => {}
            }
            at += 1;
        }
        Some((quotes, escapes))
    }

    fn quickly(body: &[u8]) -> Option<(Vec<usize>, Vec<usize>)> {
        let strings = Strings::find(body)?;
        let (mut quotes, mut escapes) = (Vec::new(), Vec::new());
        let mut from = 0;
        while let Some(at) = strings.quote(from) {
            quotes.push(at);
            from = at + 1;
        }
        from = 0;
        while let Some(at) = strings.escape(from, body.len()) {
            escapes.push(at);
            from = at + 1;
        }
        Some((quotes, escapes))
    }

    proptest! {
        #[test]
        fn blocks_find_what_bytes_find(body in prop::collection::vec(prop::sample::select(b"\\\\\\\"\"nua0 x\n".to_vec()), 0..300)) {
            // A document does not end in a string: an escape at the very end is nobody's.
            prop_assume!(body.last() != Some(&b'\\'));
            prop_assert_eq!(quickly(&body), slowly(&body), "{}", String::from_utf8_lossy(&body));
        }

        #[test]
        fn what_must_be_escaped_is_seen(block in prop::collection::vec(any::<u8>(), 64)) {
            let block: [u8; 64] = block.try_into().unwrap();
            let bits = to_escape(&block);
            for (at, byte) in block.iter().enumerate() {
                prop_assert_eq!(bits >> at & 1 == 1, matches!(byte, 0..=0x1f | b'"' | b'\\'));
            }
        }
    }
}
