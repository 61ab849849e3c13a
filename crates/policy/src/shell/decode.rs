//! Encodings that hide a command: base64, base32, hex, escapes, reversed and rotated letters. Pure, and bounded by its input.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::path::{HOME, UNKNOWN};

/// `\n`, `\x72`, `\162`, `\u0072` and so on, as `printf`, `echo -e` and `$'…'` have them; in the last also `\cx` and quotes.
pub(super) fn escapes(text: &str, quoted: bool) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    let letters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        let c = letters[at];
        at += 1;
        if c != '\\' || at >= letters.len() {
            push(&mut bytes, c);
            continue;
        }
        let kind = letters[at];
        at += 1;
        match kind {
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'r' => bytes.push(b'\r'),
            'a' | 'b' | 'f' | 'v' | 'e' | 'E' => bytes.push(b' '),
            '\\' => bytes.push(b'\\'),
            'x' => at += number(&letters[at..], 2, 16, &mut |value| bytes.push(harmless(value))),
            'u' => at += number(&letters[at..], 4, 16, &mut |value| push_code(&mut bytes, value)),
            'U' => at += number(&letters[at..], 8, 16, &mut |value| push_code(&mut bytes, value)),
            '0' if !quoted => at += number(&letters[at..], 3, 8, &mut |value| bytes.push(harmless(value))),
            '0'..='7' => at += number(&letters[at - 1..], 3, 8, &mut |value| bytes.push(harmless(value))) - 1,
            'c' if quoted => at += 1,
            '\'' | '"' | '?' if quoted => push(&mut bytes, kind),
            other => {
                bytes.push(b'\\');
                push(&mut bytes, other);
            }
        }
    }
    // What was in the text before, our marks included, stays.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A byte that is none of our marks.
fn harmless(value: u32) -> u8 {
    match char::from_u32(value) {
        Some(UNKNOWN | HOME | '\0') => b'?',
        _ => value as u8,
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_code(bytes: &mut Vec<u8>, value: u32) {
    let c = char::from_u32(value).filter(|c| !matches!(*c, UNKNOWN | HOME | '\0'));
    push(bytes, c.unwrap_or('?'));
}

/// Reads up to `most` digits; says how many letters they take. At least one is taken by an octal, which starts at its own digit.
fn number(letters: &[char], most: usize, base: u32, put: &mut dyn FnMut(u32)) -> usize {
    let digits: String = letters.iter().take(most).take_while(|c| c.is_digit(base)).collect();
    let value = u32::from_str_radix(&digits, base).unwrap_or(0);
    put(value);
    digits.len()
}

/// Bytes to text; marks of our own and zero bytes cannot come out of it.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if matches!(c, UNKNOWN | HOME | '\0') { '?' } else { c })
        .collect()
}

/// Text from base64 of either alphabet, with or without padding, line breaks ignored.
pub(super) fn base64(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let url = clean.contains(['-', '_']);
    let engine = GeneralPurpose::new(if url { &alphabet::URL_SAFE } else { &alphabet::STANDARD }, config);
    engine.decode(clean).ok().map(|bytes| readable(&bytes))
}

/// Text from base32.
pub(super) fn base32(text: &str) -> Option<String> {
    let (mut bits, mut held) = (0_u32, 0_u64);
    let mut bytes = Vec::new();
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != '=') {
        let value = match c.to_ascii_uppercase() {
            c @ 'A'..='Z' => c as u64 - 'A' as u64,
            c @ '2'..='7' => c as u64 - '2' as u64 + 26,
            _ => return None,
        };
        held = (held << 5 | value) & 0xffff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(readable(&bytes))
}

/// Text from digits of base 16; anything between them is ignored.
pub(super) fn hex(text: &str) -> Option<String> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    (!bytes.is_empty()).then(|| readable(&bytes))
}

/// What `tr SET1 SET2` makes of a text, and with `delete` what it leaves.
pub(super) fn tr(text: &str, from: &str, to: &str, delete: bool) -> String {
    let (from, to) = (set(from), set(to));
    let turn = |c: char| match from.iter().position(|x| *x == c) {
        Some(_) if delete => None,
        Some(at) => to.get(at).or(to.last()).copied().or(Some(c)),
        None => Some(c),
    };
    text.chars().filter_map(turn).collect()
}

fn set(text: &str) -> Vec<char> {
    let letters: Vec<char> = escapes(text, false).chars().filter(|c| !matches!(c, '[' | ']')).collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        if letters.get(at + 1) == Some(&'-') && at + 2 < letters.len() && all.len() < 1024 {
            all.extend((letters[at]..=letters[at + 2]).take(256));
            at += 3;
        } else {
            all.push(letters[at]);
            at += 1;
        }
    }
    all
}
