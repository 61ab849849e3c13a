//! Failures of the `claude` command: its result line, its stderr, its exit code.
//!
//! The API's own status is taken where the command tells it; otherwise its sentences say what kind it is. An exit
//! code is never shown as an HTTP status.

use lockgate_core::{ErrorKind, Failure};

use crate::json::excerpt;

/// Longest message taken from the command, in bytes.
const LONGEST: usize = 2000;

/// A `result` line that says it is an error.
pub(super) fn result(message: &str, status: Option<u16>, code: Option<String>) -> Failure {
    let kind = match status {
        Some(status) => ErrorKind::of_upstream_status(status),
        None => said(message).unwrap_or(ErrorKind::UpstreamUnavailable),
    };
    let message = excerpt(message.as_bytes(), LONGEST);
    let message =
        if message.is_empty() { "the `claude` command failed without a word".to_owned() } else { message };
    Failure {
        code,
        status: status.filter(|status| (400..600).contains(status)),
        ..Failure::new(kind, message)
    }
}

/// The command ended without an answer.
pub(super) fn exit(code: u16, stderr: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(stderr);
    // Lines such as `[claude-code:unrecognized_model] {…}` are telemetry, not the reason.
    let told: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("[claude-code:"))
        .collect();
    let told = excerpt(told.join("\n").as_bytes(), LONGEST);
    let kind = said(&told).unwrap_or(ErrorKind::UpstreamUnavailable);
    let how = match code {
        0 => "the `claude` command ended without an answer".to_owned(),
        126 | 127 => {
            "the `claude` command could not be started: install it (npm install -g @anthropic-ai/claude-code) or name its path".to_owned()
        }
        // A shell's way to tell a signal.
        129..=191 => format!("the `claude` command was ended by signal {}", code - 128),
        _ => format!("the `claude` command ended with code {code}"),
    };
    let message = if told.is_empty() { how } else { format!("{how}: {told}") };
    Failure::new(kind, message)
}

/// The kind that the command's own sentences speak of.
fn said(message: &str) -> Option<ErrorKind> {
    const SENTENCES: [(&str, ErrorKind); 11] = [
        ("please run /login", ErrorKind::UpstreamAuth),
        ("invalid api key", ErrorKind::UpstreamAuth),
        ("failed to authenticate", ErrorKind::UpstreamAuth),
        ("usage limit", ErrorKind::RateLimited),
        ("hit your limit", ErrorKind::RateLimited),
        ("rate limit", ErrorKind::RateLimited),
        ("overloaded", ErrorKind::Overloaded),
        ("timed out", ErrorKind::Timeout),
        ("prompt is too long", ErrorKind::UpstreamRejected),
        ("maximum number of turns", ErrorKind::UpstreamRejected),
        ("credit balance is too low", ErrorKind::UpstreamRejected),
    ];
    let message = message.to_lowercase();
    SENTENCES.iter().find(|(sentence, _)| message.contains(sentence)).map(|(_, kind)| *kind)
}
