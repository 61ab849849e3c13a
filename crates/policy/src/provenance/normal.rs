//! Texts as letters and digits alone: what stays of them when they are wrapped, quoted, escaped or put into an address.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What becomes of a byte; 0 = it goes.
static KEPT: LazyLock<[u8; 256]> = LazyLock::new(|| {
    let mut kept = [0; 256];
    for byte in 0..=255_u8 {
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            kept[usize::from(byte)] = byte.to_ascii_lowercase();
        }
    }
    kept
});

/// Appends a text as letters and digits. `\n` and its relatives, as JSON and code write them, are no letters; `%2f` is what it stands for.
pub(super) fn append(text: &str, out: &mut Vec<u8>) {
    let kept = &*KEPT;
    let bytes = text.as_bytes();
    let mut end = out.len();
    // No text becomes longer. Each byte is put down, and what comes next stands in its place if it goes: there is nothing to guess.
    out.resize(end + bytes.len(), 0);
    let mut at = 0;
    while at < bytes.len() {
        let plain = memchr::memchr2(b'\\', b'%', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        for byte in &bytes[at..plain] {
            let letter = kept[usize::from(*byte)];
            out[end] = letter;
            end += usize::from(letter != 0);
        }
        at = plain + 1;
        match bytes.get(plain) {
            Some(b'\\') => at += escape(&bytes[at..]),
            Some(_) => {
                if let Some(decoded) = percent(&bytes[at..]) {
                    at += 2;
                    let letter = kept[usize::from(decoded)];
                    out[end] = letter;
                    end += usize::from(letter != 0);
                }
            }
            None => {}
        }
    }
    out.truncate(end);
}

/// How many bytes behind a `\` belong to it and are no letters of the text.
fn escape(rest: &[u8]) -> usize {
    match rest.first() {
        Some(b'n' | b'r' | b't') => 1,
        Some(b'u') if rest.len() > 4 && rest[1..5].iter().all(u8::is_ascii_hexdigit) => 5,
        Some(_) | None => 0,
    }
}

fn percent(rest: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*rest.first()?)?, digit(*rest.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

/// A text that is looked for.
pub(crate) struct Normal<'t> {
    bytes: Vec<u8>,
    text: std::borrow::Cow<'t, str>,
}

/// Encodings inside encodings are followed so deep.
const DEPTH: u8 = 2;

/// A shorter run of letters is no encoding.
const ENCODED_MIN: usize = 24;

/// No name is shorter.
const NAME_MIN: usize = 8;

/// No id is shorter.
const ID_MIN: usize = 20;

impl<'t> Normal<'t> {
    pub(crate) fn new(text: std::borrow::Cow<'t, str>) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        append(&text, &mut bytes);
        Self { bytes, text }
    }

    /// The text, and the texts that are encoded in it.
    pub(crate) fn forms_of(text: &'t str) -> Vec<Self> {
        let mut forms = vec![Self::new(text.into())];
        let mut from = 0;
        for _ in 0..DEPTH {
            let inside: Vec<String> = forms[from..].iter().flat_map(|form| encoded(&form.text)).collect();
            from = forms.len();
            forms.extend(inside.into_iter().map(|text| Self::new(text.into())));
        }
        forms
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text as it is.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The beginning of a piece, for people.
    pub(super) fn shown(&self, start: usize, length: usize) -> String {
        let shown = String::from_utf8_lossy(&self.bytes[start..start + length]);
        shown.trim_matches('\u{fffd}').to_owned()
    }

    /// Addresses, links and ids in it: as they are, and as letters and digits.
    pub(super) fn names(&self) -> Vec<(String, Vec<u8>)> {
        let between = |c: char| c.is_whitespace() || "\"'`<>(){}[],;|\\=".contains(c);
        let words = self.text.split(between).filter(|word| word.len() >= NAME_MIN);
        let mut names: Vec<(String, Vec<u8>)> = Vec::new();
        for word in words.filter_map(name) {
            let mut bytes = Vec::new();
            append(word, &mut bytes);
            if bytes.len() >= NAME_MIN && !names.iter().any(|(_, known)| *known == bytes) {
                names.push((word.to_owned(), bytes));
            }
        }
        names
    }
}

/// The part of a word that names something: a mail address, a link with a path, an id.
fn name(word: &str) -> Option<&str> {
    let word = word.trim_matches(|c: char| ".:!?&*".contains(c));
    let word = word.strip_prefix("mailto:").unwrap_or(word);
    if let Some((_, rest)) = word.split_once("://") {
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let link = rest[..end].trim_end_matches('/');
        return link.contains('/').then_some(link);
    }
    if let Some((user, host)) = word.split_once('@') {
        return (!user.is_empty() && host.contains('.')).then_some(word);
    }
    let id = word.len() >= ID_MIN
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    id.then_some(word)
}

/// Texts in base64 that stand in a text.
pub(crate) fn encoded(text: &str) -> Vec<String> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| letter(byte)).count();
        let from = at;
        at += length.max(1);
        if length < ENCODED_MIN {
            continue;
        }
        let run = &text[from..from + length];
        if run.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'/') {
            continue;
        }
        let decoded = STANDARD_NO_PAD.decode(run).or_else(|_| URL_SAFE_NO_PAD.decode(run));
        let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let readable = |text: &String| !text.chars().any(|c| c.is_control() && !c.is_whitespace());
        found.extend(decoded.filter(readable));
    }
    found
}
