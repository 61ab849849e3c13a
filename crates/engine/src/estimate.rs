//! How many tokens a request is, roughly and without a tokenizer: for contexts that have to be allocated, for counts
//! that nobody else makes, and for clients that want to know before the provider says so.
//!
//! Looks at bytes alone and knows no dialect. Data in base64 is found by samples, so that a picture of megabytes costs
//! microseconds; it is never decoded.

/// Bytes of text for a token: near for English and JSON.
const TEXT: u64 = 4;

/// Tokens for a picture. Anthropic's guide to vision: width times height over 750, after scaling to at most 1.15
/// megapixels, so about 1,600 at most; local models take between 256 (Gemma 3) and 2,000 at usual resolutions.
const PICTURE: u64 = 1600;

/// Characters of base64 for a token of a document. Anthropic's guide to PDF: 1,500 to 3,000 tokens of text for a page, and
/// its picture (together some 3,800); that a page is 60 KB of file (80 KB in base64) is our own assumption.
const DOCUMENT: u64 = 80_000 / 3_800;

/// Shortest run of base64 that is looked at; half of it lies between two samples.
const LEAST: usize = 4096;
const STEP: usize = LEAST / 2;

/// Bytes of a sample.
const SAMPLE: usize = 64;

/// Data of this length is a file of some kind, though its beginning is not known. What is shorter may be a signature, whose
/// tokens are those of its characters.
const FILE: usize = 64 * 1024;

/// A rough count of a body's tokens.
pub(crate) fn estimate(body: &[u8]) -> u64 {
    let is_run =
        |at: usize| body.get(at..at + SAMPLE).is_some_and(|bytes| bytes.iter().copied().all(is_base64));
    let (mut text, mut tokens) = (body.len(), 0);
    let mut at = 0;
    while at < body.len() {
        if !is_run(at) {
            at += STEP;
            continue;
        }
        let start = at - body[..at].iter().rev().take_while(|byte| is_base64(**byte)).count();
        // What separates two runs is mostly between the samples.
        while is_run(at + STEP) && memchr::memchr3(b'"', b',', b' ', &body[at..at + STEP]).is_none() {
            at += STEP;
        }
        let end = at + body[at..].iter().take_while(|byte| is_base64(**byte)).count();
        if let Some(data) = tokens_of(&body[start..end]) {
            text -= end - start;
            tokens += data;
        }
        at = end + STEP;
    }
    (text as u64 / TEXT + tokens).max(1)
}

/// The tokens of a run of base64; `None` where it counts as text.
fn tokens_of(data: &[u8]) -> Option<u64> {
    // JPEG, GIF, WebP, PNG.
    const PICTURES: [&[u8]; 5] = [b"/9j/", b"\\/9j", b"R0lGOD", b"UklGR", b"iVBORw"];
    const PDF: &[u8] = b"JVBERi0";
    if data.len() < LEAST {
        return None;
    }
    if PICTURES.iter().any(|start| data.starts_with(start)) {
        return Some(PICTURE);
    }
    (data.starts_with(PDF) || data.len() >= FILE).then_some(data.len() as u64 / DOCUMENT)
}

/// Both alphabets of base64, and the escapes that JSON may put into it (`\/`, `\n`).
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'=' | b'\\' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(data: &str) -> u64 {
        let words = "word ".repeat(2000);
        estimate(
            format!(r#"{{"text":"{words}","image":"data:image/png;base64,{data}","more":"{words}"}}"#)
                .as_bytes(),
        )
    }

    #[test]
    fn text_is_four_bytes_a_token_and_nothing_is_one() {
        assert_eq!(estimate(b""), 1);
        assert_eq!(estimate("word ".repeat(4000).as_bytes()), 5000);
        assert_eq!(estimate("日本語".repeat(4000).as_bytes()), 9000);
    }

    #[test]
    fn a_picture_counts_the_same_however_large_it_is() {
        let text = with("");
        for size in [LEAST, 5000, 100_000, 3_000_001] {
            for start in ["iVBORw0KGgo", "/9j/4AAQ", "\\/9j\\/4AAQ", "R0lGODlh"] {
                let picture = format!("{start}{}", "Ab1+".repeat(size / 4));
                assert_eq!(with(&picture), text + PICTURE, "{size} {start}");
            }
        }
        let two = format!("iVBORw{}\",\"/9j/{}", "A".repeat(9000), "B".repeat(9000));
        // What stands between the two may be a token of its own.
        assert!((text + 2 * PICTURE..=text + 2 * PICTURE + 1).contains(&with(&two)));
    }

    #[test]
    fn a_document_counts_by_its_size_and_a_signature_as_text() {
        let text = with("");
        let pdf = format!("JVBERi0{}", "A".repeat(800_000));
        assert_eq!(with(&pdf), text + 800_007 / DOCUMENT);
        assert_eq!(with(&"E".repeat(8000)), text + 2000);
    }
}
