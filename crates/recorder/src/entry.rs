//! What a tape notes: steps of a call, as they are in the log.
//!
//! An entry is its kind, when it was, and bytes. What is no stream of bytes is JSON, so that a later version can read what an
//! earlier one wrote. Nothing here is redacted; it is never outside of the seal.

use bytes::Bytes;
use lockgate_core::{DataClass, Dialect, ErrorKind, StopReason, Usage};
use serde::{Deserialize, Serialize};

use crate::log::content::Content;

/// How much of a call is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of it, as it was.
    Full,
    /// Who, what, when, how much; no contents.
    Metadata,
    /// Nothing.
    Off,
    /// All of it, secrets masked.
    #[default]
    Redacted,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// How many tokens a request has.
    CountTokens,
    /// Embeddings.
    Embed,
    /// An answer of a model.
    Generate,
    /// Something that is passed without being understood.
    Other,
}

/// A call came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Microseconds since 1970.
    pub at_us: i64,
    /// How confidential the data may be that the key is used for.
    #[serde(default)]
    pub data_class: Option<DataClass>,
    /// The client's dialect.
    pub dialect: Dialect,
    /// Its headers, without credentials.
    pub headers: Vec<(String, String)>,
    /// The name of the caller's key.
    pub key: Option<String>,
    /// How much of it is kept.
    pub mode: Mode,
    /// What it asks for.
    pub operation: Operation,
    /// Path and query.
    pub path: String,
    /// What the key is used for.
    #[serde(default)]
    pub project: Option<String>,
    /// Who the key belongs to.
    #[serde(default)]
    pub user: Option<String>,
}

/// A try went out to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its number, from 1.
    pub attempt: u32,
    /// The dialect of the body.
    pub dialect: Dialect,
    /// What kind of provider it is.
    pub kind: String,
    /// The model as the provider is asked.
    pub model: String,
    /// The provider's id.
    pub provider: String,
}

/// The provider's answer begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its own id of the exchange.
    pub request_id: Option<String>,
    /// Its status.
    pub status: u16,
}

/// The call is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Whether the client went away before the end.
    pub aborted: bool,
    /// What policies said, each as its JSON.
    #[serde(default)]
    pub policies: Vec<serde_json::Value>,
    /// What kind of failure it was, if it failed.
    pub error: Option<ErrorKind>,
    /// What the answer lost in another dialect.
    pub losses: Vec<String>,
    /// Why it failed, in the words that the client got.
    pub message: Option<String>,
    /// The model that answered, as it says itself.
    pub model: Option<String>,
    /// The provider's id.
    pub provider: Option<String>,
    /// The model as the provider was asked.
    pub requested: Option<String>,
    /// What the client got.
    pub status: Option<u16>,
    /// Why the model stopped.
    pub stop: Option<StopReason>,
    /// Whether the client got a stream.
    pub stream: bool,
    /// What it used.
    pub usage: Option<Usage>,
}

/// A step of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It is over.
    Closed(Box<Closed>),
    /// The client got these bytes, which are not the provider's.
    Delivered(Bytes),
    /// The provider's answer begins.
    Head(Head),
    /// The client got a keep-alive.
    KeptAlive,
    /// It came in.
    Opened(Opened),
    /// The client got the next so many bytes of what the provider sent.
    Passed(u64),
    /// The provider sent these bytes.
    Received(Bytes),
    /// What the client asked.
    Request(Bytes),
    /// A try went out.
    Sent(Sent),
    /// What the provider was asked, where it is not what the client asked.
    SentBody(Bytes),
}

impl Entry {
    /// About how many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Delivered(bytes) | Self::Received(bytes) | Self::Request(bytes) | Self::SentBody(bytes) => {
                bytes.len()
            }
            Self::Closed(_)
            | Self::Head(_)
            | Self::KeptAlive
            | Self::Opened(_)
            | Self::Passed(_)
            | Self::Sent(_) => 64,
        }
    }
}

/// The kinds as they are written. They never change their meaning.
pub(crate) mod kind {
    pub(crate) const CLOSED: u8 = 1;
    pub(crate) const DELIVERED: u8 = 2;
    pub(crate) const HEAD: u8 = 3;
    pub(crate) const KEPT_ALIVE: u8 = 4;
    pub(crate) const OPENED: u8 = 5;
    pub(crate) const PASSED: u8 = 6;
    pub(crate) const RECEIVED: u8 = 7;
    pub(crate) const REQUEST: u8 = 8;
    pub(crate) const SENT: u8 = 9;
    pub(crate) const SENT_BODY: u8 = 10;
}

/// Writes an entry: its kind, microseconds since the call came in, its bytes.
pub(crate) fn write(kind: u8, at_us: u64, bytes: &[u8], into: &mut Vec<u8>) {
    begin(kind, at_us, bytes.len(), into);
    into.extend_from_slice(bytes);
}

/// Writes how an entry begins; so many bytes are to follow.
pub(crate) fn begin(kind: u8, at_us: u64, length: usize, into: &mut Vec<u8>) {
    into.push(kind);
    varint(at_us, into);
    varint(length as u64, into);
}

/// An entry that could not be read: of a later version, or damaged in a way that the seal did not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry of kind {kind} at byte {at} cannot be read")]
pub(crate) struct Unreadable {
    /// Where it begins in its part of the frame.
    pub(crate) at: usize,
    /// Its kind.
    pub(crate) kind: u8,
}

/// Reads entries one behind the other, each with its microseconds. Their bytes are those of the content, not copied.
pub(crate) fn read(mut content: Content, out: &mut Vec<(u64, Entry)>) -> Result<(), Unreadable> {
    let parts = content.parts().to_vec();
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        let mut at = 0;
        while at < part.len() {
            let kind = part[at];
            let unreadable = Unreadable { at, kind };
            at += 1;
            let when = number(&part, &mut at).ok_or(unreadable)?;
            let length = number(&part, &mut at).ok_or(unreadable)?;
            let length = usize::try_from(length).map_err(|_| unreadable)?;
            // Large bytes are a part of their own, behind the one in which their entry begins.
            let apart = at == part.len() && length > 0;
            let bytes = if apart {
                parts.next().filter(|bytes| bytes.len() == length)
            } else {
                at.checked_add(length).filter(|end| *end <= part.len()).map(|end| part.slice(at..end))
            };
            let said = if is_json(kind) { content.said() } else { None };
            let read = || entry(kind, bytes.ok_or(unreadable)?).ok_or(unreadable);
            out.push((when, said.map_or_else(read, Ok)?));
            at += if apart { 0 } else { length };
        }
    }
    Ok(())
}

/// Whether entries of this kind are JSON.
const fn is_json(kind: u8) -> bool {
    matches!(kind, kind::CLOSED | kind::HEAD | kind::OPENED | kind::SENT)
}

fn entry(kind: u8, content: Bytes) -> Option<Entry> {
    Some(match kind {
        kind::CLOSED => Entry::Closed(serde_json::from_slice(&content).ok()?),
        kind::DELIVERED => Entry::Delivered(content),
        kind::HEAD => Entry::Head(serde_json::from_slice(&content).ok()?),
        kind::KEPT_ALIVE => Entry::KeptAlive,
        kind::OPENED => Entry::Opened(serde_json::from_slice(&content).ok()?),
        kind::PASSED => Entry::Passed(number(&content, &mut 0)?),
        kind::RECEIVED => Entry::Received(content),
        kind::REQUEST => Entry::Request(content),
        kind::SENT => Entry::Sent(serde_json::from_slice(&content).ok()?),
        kind::SENT_BODY => Entry::SentBody(content),
        _ => return None,
    })
}

/// LEB128: seven bits a byte, the lowest first.
pub(crate) fn varint(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
