//! Secrets that the configuration holds: found by their exact text, and in the forms that text takes on its way.
//!
//! Forms: as it is; escaped for JSON once and twice; percent-encoded; in base64 (both alphabets) at each of the three places
//! it can have in a longer text, as in `Basic` credentials.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use lockgate_core::Secret;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::mask;

/// Shorter values are words of everyday text; to mask them would hide it and protect nothing.
pub const KNOWN_MIN: usize = 8;
/// So much of a form is searched for; the rest is compared.
pub(crate) const ANCHOR_MAX: usize = 32;
/// Longer forms are not built.
const FORM_MAX: usize = 16 * 1024;

/// A secret of the configuration.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it is called, for example `anthropic`; becomes the type in its mask.
    pub name: String,
    /// The secret.
    pub secret: Secret,
}

/// One text under which a known secret may appear.
pub(crate) struct Form {
    pub(crate) text: Box<[u8]>,
    pub(crate) mask: Box<str>,
}

/// Every form of every secret, each once.
pub(crate) fn forms(known: &[Known], masker: &mask::Masker) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    for known in known {
        let secret = known.secret.expose().trim();
        if secret.len() < KNOWN_MIN || secret.len() > FORM_MAX {
            continue;
        }
        let mask = masker.mask(&mask::kind(&known.name), secret.as_bytes());
        for text in texts(secret) {
            if forms.iter().all(|form| *form.text != *text) {
                forms.push(Form { text: text.into(), mask: mask.as_str().into() });
            }
        }
    }
    forms
}

fn texts(secret: &str) -> Vec<Vec<u8>> {
    let once = json_escaped(secret);
    let slashes = once.replace('/', "\\/");
    let mut texts: Vec<Vec<u8>> = vec![secret.into()];
    texts.extend([json_escaped(&once), slashes, once].map(String::into_bytes));
    for set in [NON_ALPHANUMERIC, UNRESERVED_KEPT, QUERY] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        for encoded in [encoded.replace("%20", "+"), encoded] {
            texts.push(lower_percent(&encoded).into_bytes());
            texts.push(encoded.into_bytes());
        }
    }
    for offset in 0..3 {
        texts.extend([base64_at(secret, offset, false), base64_at(secret, offset, true)]);
    }
    texts.retain(|text| text.len() >= KNOWN_MIN);
    texts
}

/// What a URL may leave as it is.
const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What the query of a URL must not hold.
const QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'&').add(b'+').add(b'%');

/// The characters of base64 that this secret alone decides if `offset` bytes stand before it in a group of three.
fn base64_at(secret: &str, offset: usize, url: bool) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = if url { URL_SAFE_NO_PAD.encode(&bytes) } else { STANDARD_NO_PAD.encode(&bytes) };
    let skip = [0, 2, 3][offset];
    let keep = bytes.len() * 8 / 6;
    encoded.into_bytes()[skip..keep].to_vec()
}

fn json_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `%2f` for `%2F`.
fn lower_percent(text: &str) -> String {
    let mut after = 0;
    text.chars()
        .map(|character| {
            after = if character == '%' { 3 } else { after - i32::from(after > 0) };
            if after > 0 { character.to_ascii_lowercase() } else { character }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_stands() {
        let secret = "correct-horse-battery";
        for before in ["", "a", "ab", "abc", "user:"] {
            let whole = STANDARD_NO_PAD.encode(format!("{before}{secret}!more"));
            let form = base64_at(secret, before.len() % 3, false);
            assert!(whole.contains(std::str::from_utf8(&form).unwrap()), "{before}");
        }
    }

    #[test]
    fn percent_encoding_has_two_letter_cases() {
        assert_eq!(lower_percent("A%2FB%3D"), "A%2fB%3d");
        assert!(texts("pass/word=1").contains(&b"pass%2fword%3d1".to_vec()));
    }
}
