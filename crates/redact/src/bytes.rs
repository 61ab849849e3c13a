//! What kind of bytes these are, and masking in each kind: plain text, JSON, events, one header.

use std::borrow::Cow;
use std::ops::Range;

use crate::events::{self, Lanes};
use crate::json::{self, Field};
use crate::mask;
use crate::scan::{self, Scanner, Span};
use crate::{finders, value};

/// One replacement.
pub(crate) struct Edit {
    pub(crate) range: Range<usize>,
    pub(crate) text: Box<str>,
    /// Part of a secret that lies in several pieces; wins over one that was found in a piece alone.
    pub(crate) joined: bool,
}

/// Masks plain text.
pub(crate) fn plain<'t>(scanner: &Scanner, text: &'t [u8]) -> Cow<'t, [u8]> {
    let spans = scanner.spans(text, true);
    if spans.iter().all(|span| span.mask.is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(scan::apply(text, &spans))
}

/// Masks bytes of any kind.
pub(crate) fn redact<'t>(scanner: &Scanner, bytes: &'t [u8]) -> Cow<'t, [u8]> {
    let edits = match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"') => documents(scanner, bytes),
        Some(_) if is_events(bytes) => Some(lines(scanner, bytes)),
        Some(_) | None => None,
    };
    match edits {
        None => plain(scanner, bytes),
        Some(edits) if edits.is_empty() => Cow::Borrowed(bytes),
        Some(edits) => Cow::Owned(replace(bytes, edits)),
    }
}

/// Masks the value of a header; `None` leaves it as it is.
pub(crate) fn header(scanner: &Scanner, name: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let (range, kind) = if is_credential_header(name) {
        (credential(text)?, header_kind(name))
    } else if let Some(kind) = scanner.named(name, text) {
        (0..text.len(), kind)
    } else {
        return match plain(scanner, text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        };
    };
    let secret = &text[range.clone()];
    let spans = scanner.spans(secret, true);
    let mask = exact(&spans, secret.len()).unwrap_or_else(|| scanner.mask(kind, secret));
    Some(scan::apply(text, &[Span { range, mask: Some(mask) }]))
}

/// Text again; the bytes were text before secrets were replaced by text.
pub(crate) fn into_string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// JSON: one document, or one a line; `None` if it is neither.
fn documents(scanner: &Scanner, bytes: &[u8]) -> Option<Vec<Edit>> {
    let several =
        memchr::memmem::find(bytes, b"}\n{").is_some() || memchr::memmem::find(bytes, b"}\r\n{").is_some();
    if let Some(edits) = several.then(|| json_lines(scanner, bytes)).flatten() {
        return Some(edits);
    }
    let mut edits = Vec::new();
    for field in &json::document(bytes, 0)?.fields {
        mask_field(scanner, bytes, field, &mut edits);
    }
    Some(edits)
}

fn json_lines(scanner: &Scanner, bytes: &[u8]) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    let mut lanes = Lanes::default();
    let mut at = 0;
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |line| at + line + 1);
        json_line(scanner, bytes, at..end, &mut lanes, &mut edits)?;
        at = end;
    }
    lanes.edits(scanner, bytes, &mut edits);
    Some(edits)
}

/// True for server-sent events that carry JSON.
fn is_events(bytes: &[u8]) -> bool {
    let field = ["data:", "event:", "id:", "retry:", ":"]
        .iter()
        .any(|field| bytes.trim_ascii_start().starts_with(field.as_bytes()));
    field
        && memchr::memmem::find_iter(bytes, b"data:").any(|at| {
            (at == 0 || matches!(bytes[at - 1], b'\n' | b'\r'))
                && matches!(bytes[at + 5..].trim_ascii_start().first(), Some(b'{' | b'['))
        })
}

/// Server-sent events, line by line.
fn lines(scanner: &Scanner, bytes: &[u8]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut lanes = Lanes::default();
    let mut at = 0;
    while at < bytes.len() {
        let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |line| at + line);
        let line = &bytes[at..end];
        let start = if line.starts_with(b"data:") { at + 5 } else { at };
        let json = start > at
            && matches!(bytes[start..end].trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
            && json_line(scanner, bytes, start..end, &mut lanes, &mut edits).is_some();
        if !json {
            edits.extend(scanner.spans(line, true).into_iter().filter_map(|span| edit(span, at)));
        }
        at = end + 1;
    }
    lanes.edits(scanner, bytes, &mut edits);
    edits
}

fn json_line(
    scanner: &Scanner,
    bytes: &[u8],
    line: Range<usize>,
    lanes: &mut Lanes,
    edits: &mut Vec<Edit>,
) -> Option<()> {
    let document = json::document(&bytes[line.clone()], line.start)?;
    for field in &document.fields {
        mask_field(scanner, bytes, field, edits);
        if !field.is_key && events::is_piece(&bytes[field.key.clone()]) {
            let raw = &bytes[field.raw.clone()];
            lanes.push(field.path ^ document.indices, &json::decode(raw), field.raw.clone());
        }
    }
    Some(())
}

/// Masks what is secret in one string of JSON.
fn mask_field(scanner: &Scanner, bytes: &[u8], field: &Field, edits: &mut Vec<Edit>) {
    let raw = &bytes[field.raw.clone()];
    let key = &*json::decode(&bytes[field.key.clone()]);
    if raw.len() < LEAST || (field.is_key && raw.len() < KEY_LEAST) {
        return;
    }
    let shapes = !is_opaque(key, raw);
    let text = if shapes { json::decode(raw) } else { Cow::Borrowed(raw) };
    let spans = scanner.spans(&text, shapes);
    let title = &*json::decode(&bytes[field.title.clone()]);
    let name = if key.is_empty() || key.eq_ignore_ascii_case(b"value") { title } else { key };
    let tellable = shapes && !field.is_key && text.len() <= NAMED_MAX;
    if let Some((range, kind)) = tellable.then(|| named(scanner, name, &text)).flatten() {
        let secret = &text[range.clone()];
        let mask =
            exact(&scanner.spans(secret, true), secret.len()).unwrap_or_else(|| scanner.mask(kind, secret));
        push(&[Span { range, mask: Some(mask) }], raw, &text, field.raw.start, edits);
        return;
    }
    push(&spans, raw, &text, field.raw.start, edits);
}

/// The secret of a member with this name.
fn named<'k>(scanner: &Scanner, name: &'k [u8], text: &[u8]) -> Option<(Range<usize>, &'k str)> {
    if name.len() < 3 || text.len() < 4 {
        return None;
    }
    if is_credential_header(name) {
        let range = credential(text)?;
        let secret = &text[range.clone()];
        let like = if name.to_ascii_lowercase().ends_with(b"cookie") {
            secret.contains(&b'=')
        } else {
            range.start > 0 || value::is_random(secret, 12)
        };
        return (like && !value::is_placeholder(secret) && !value::is_words(secret))
            .then_some((range, header_kind(name)));
    }
    scanner.named(name, text).map(|kind| (0..text.len(), kind))
}

fn push(spans: &[Span], raw: &[u8], text: &[u8], base: usize, edits: &mut Vec<Edit>) {
    if spans.is_empty() {
        return;
    }
    if raw.len() == text.len() {
        edits.extend(spans.iter().cloned().filter_map(|span| edit(span, base)));
        return;
    }
    let ends: Vec<usize> = spans.iter().flat_map(|span| [span.range.start, span.range.end]).collect();
    let places = json::places(raw, &ends);
    for (span, place) in spans.iter().zip(places.chunks_exact(2)) {
        edits.extend(edit(Span { range: place[0]..place[1], mask: span.mask.clone() }, base));
    }
}

fn edit(span: Span, base: usize) -> Option<Edit> {
    let text = span.mask?;
    Some(Edit { range: base + span.range.start..base + span.range.end, text, joined: false })
}

fn replace(bytes: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    let joined: Vec<Range<usize>> =
        edits.iter().filter(|edit| edit.joined).map(|edit| edit.range.clone()).collect();
    edits.retain(|edit| {
        edit.joined
            || joined.iter().all(|range| edit.range.end <= range.start || range.end <= edit.range.start)
    });
    edits.sort_by_key(|edit| edit.range.start);
    let mut out = Vec::with_capacity(bytes.len());
    let mut last = 0;
    for edit in edits {
        if edit.range.start < last {
            continue;
        }
        out.extend_from_slice(&bytes[last..edit.range.start]);
        out.extend_from_slice(edit.text.as_bytes());
        last = edit.range.end;
    }
    out.extend_from_slice(&bytes[last..]);
    out
}

/// The mask of a span that is all of the text.
fn exact(spans: &[Span], length: usize) -> Option<Box<str>> {
    match spans {
        [Span { range, mask: Some(mask) }] if *range == (0..length) => Some(mask.clone()),
        _ => None,
    }
}

/// The credential in a header's value, behind its scheme; `None` if it is masked already.
fn credential(text: &[u8]) -> Option<Range<usize>> {
    let start = finders::scheme(text);
    let masked = mask::at(text, start).is_some_and(|range| range.end == text.len());
    (start < text.len() && !masked).then_some(start..text.len())
}

/// Headers that hold nothing but credentials.
fn is_credential_header(name: &[u8]) -> bool {
    HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header.as_bytes()))
}

/// Whether a header is likely to hold a credential: it is known to, or its name says so.
pub(crate) fn is_credential_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_credential_header(name.as_bytes())
        || ["-api-key", "-authorization", "-cookie", "-credential", "-password", "-secret", "-token"]
            .iter()
            .any(|ending| lower.ends_with(ending))
}

fn header_kind(name: &[u8]) -> &'static str {
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(b"cookie") {
        "cookie"
    } else if lower.ends_with(b"authorization") {
        "authorization"
    } else {
        "api-key"
    }
}

/// What only a provider can read, and data of images and documents: it must come back byte for byte.
fn is_opaque(key: &[u8], raw: &[u8]) -> bool {
    let base64 = || {
        raw.len() >= 32
            && raw.iter().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\\')
            })
    };
    let data_url = || {
        let head = &raw[..raw.len().min(128)];
        raw.starts_with(b"data:") && memchr::memmem::find(head, b";base64,").is_some()
    };
    (OPAQUE.iter().any(|name| name.as_bytes() == key) && base64()) || data_url()
}

/// Shorter strings hold no secret, except under a telling name.
const LEAST: usize = 4;
/// Shorter names are not looked at.
const KEY_LEAST: usize = 16;
/// Longer values are not masked for their name alone.
const NAMED_MAX: usize = 4096;

const HEADERS: [&str; 20] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "set-cookie",
    "x-auth-token",
    "x-access-token",
    "x-api-token",
    "x-amz-security-token",
    "x-functions-key",
    "x-vault-token",
    "x-figma-token",
    "dd-api-key",
    "private-token",
    "job-token",
    "ocp-apim-subscription-key",
    "x-shopify-access-token",
    "x-goog-iam-authorization-token",
];

const OPAQUE: [&str; 13] = [
    "signature",
    "thoughtSignature",
    "thought_signature",
    "encrypted_content",
    "encrypted_index",
    "encrypted_stdout",
    "data",
    "b64_json",
    "file_data",
    "inline_data",
    "blob",
    "partial_image_b64",
    "audio",
];
