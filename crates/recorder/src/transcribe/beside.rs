//! What is kept of a call beside its bodies: the headers that say something, and what came back from tries that were given up.
//!
//! Written as JSON, so that they are masked, stored, deleted and taken along as any other body is.

use std::borrow::Cow;

use bytes::Bytes;
use lockgate_redact::Redactor;
use serde::Serialize;

use crate::entry::Opened;
use crate::reel::Attempt;

/// Of each answer so much is kept: an error says what it has to say at its beginning.
const LONGEST: usize = 64 << 10;

/// Headers that say nothing beyond the row, the body and the connection.
const TELLS_NOTHING: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "sec-fetch-mode",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// The headers of a client's request, as a list of pairs; `None` if there are none that say something.
pub(super) fn headers(opened: &Opened) -> Option<Bytes> {
    let is_plain = |name: &str, value: &str| name == "content-type" && value == "application/json";
    let told: Vec<_> = opened
        .headers
        .iter()
        .filter(|(name, value)| !TELLS_NOTHING.contains(&name.as_str()) && !is_plain(name, value))
        .filter(|(name, _)| !Redactor::is_credential(name))
        .collect();
    (!told.is_empty()).then(|| serde_json::to_vec(&told).unwrap_or_default().into())
}

/// What a provider answered to a try that was given up.
#[derive(Serialize)]
struct Earlier<'a> {
    attempt: u32,
    status: Option<u16>,
    body: Cow<'a, str>,
    /// Whether it went on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

/// What came back from tries before the last, and when the last of it came; `None` if nothing did.
pub(super) fn earlier(attempts: &[Attempt]) -> Option<(Bytes, u64)> {
    let (_, given_up) = attempts.split_last()?;
    let answered = || given_up.iter().filter(|attempt| !attempt.answer.bytes.is_empty());
    let at_us = answered().filter_map(|attempt| attempt.answer.times.last()).map(|(_, at)| *at).max()?;
    let told: Vec<_> = answered()
        .map(|attempt| {
            let bytes = &attempt.answer.bytes;
            Earlier {
                attempt: attempt.sent.attempt,
                status: attempt.head.as_ref().map(|head| head.status),
                body: String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]),
                cut: bytes.len() > LONGEST,
            }
        })
        .collect();
    Some((serde_json::to_vec(&told).unwrap_or_default().into(), at_us))
}
