//! What a tape notes: steps of a call, as they are in the log.
//!
//! An entry is its kind, when it was, and bytes. What is no stream of bytes is JSON, so that a later version can read what an
//! earlier one wrote. Nothing here is redacted; it is never outside of the seal.

use bytes::Bytes;
use lockgate_core::{DataClass, Dialect, ErrorKind, StopReason, Usage, varint};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::log::bases::{Place, Reference};
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
    /// The call that it was made for, where the gateway itself asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
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
    /// A `REQUEST` as what it has of another body.
    pub(crate) const REQUEST_AGAIN: u8 = 11;
    /// A `SENT_BODY` as what it has of another body.
    pub(crate) const SENT_BODY_AGAIN: u8 = 12;
}

/// The kind of an entry whose bytes refer to another body, for a kind that can; and the other way round.
pub(crate) const fn again(kind: u8) -> Option<u8> {
    match kind {
        kind::REQUEST => Some(kind::REQUEST_AGAIN),
        kind::REQUEST_AGAIN => Some(kind::REQUEST),
        kind::SENT_BODY => Some(kind::SENT_BODY_AGAIN),
        kind::SENT_BODY_AGAIN => Some(kind::SENT_BODY),
        _ => None,
    }
}

/// Writes an entry: its kind, microseconds since the call came in, its bytes.
pub(crate) fn write(kind: u8, at_us: u64, bytes: &[u8], into: &mut Vec<u8>) {
    begin(kind, at_us, bytes.len(), into);
    into.extend_from_slice(bytes);
}

/// Writes how an entry begins; so many bytes are to follow.
pub(crate) fn begin(kind: u8, at_us: u64, length: usize, into: &mut Vec<u8>) {
    into.push(kind);
    varint::put(into, at_us);
    varint::put(into, length as u64);
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

/// Fetches a body that another refers to, from the log.
pub(crate) type Fetch<'a> = dyn FnMut(&Place) -> Option<Bytes> + 'a;

/// Reads entries one behind the other, each with its microseconds. Their bytes are those of the content, not copied, but for a body that refers to
/// another; false if one of those is gone.
pub(crate) fn read(
    mut content: Content,
    fetch: &mut Fetch<'_>,
    out: &mut Vec<(u64, Entry)>,
) -> Result<bool, Unreadable> {
    let mut whole = true;
    let notes: Vec<_> = notes(&content).collect();
    for note in notes {
        let Note { at, kind, when, bytes } = note?;
        let said = if is_json(kind) { content.said() } else { None };
        if let Some(entry) = said {
            out.push((when, entry));
            continue;
        }
        let Some((kind, bytes)) = resolved(kind, bytes, &content, fetch) else {
            whole = false;
            continue;
        };
        out.push((when, entry(kind, bytes).ok_or(Unreadable { at, kind })?));
    }
    Ok(whole)
}

/// The same entries as bytes that refer to nothing. What is gone is left out.
pub(crate) fn alone(content: &Content, fetch: &mut Fetch<'_>) -> Result<Vec<u8>, Unreadable> {
    let mut out = Vec::with_capacity(content.len());
    for note in notes(content) {
        let Note { kind, when, bytes, .. } = note?;
        if let Some((kind, bytes)) = resolved(kind, bytes, content, fetch) {
            write(kind, when, &bytes, &mut out);
        }
    }
    Ok(out)
}

/// An entry as it is written.
struct Note {
    /// Where it begins in its part of the frame.
    at: usize,
    bytes: Bytes,
    kind: u8,
    when: u64,
}

fn notes(content: &Content) -> impl Iterator<Item = Result<Note, Unreadable>> {
    let mut parts = content.parts().iter();
    let mut part = Bytes::new();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at >= part.len() {
            (part, at) = (parts.next()?.clone(), 0);
        }
        let (begin, kind) = (at, part[at]);
        let mut note = || {
            at += 1;
            let mut rest = &part[at..];
            let when = varint::take(&mut rest)?;
            let length = usize::try_from(varint::take(&mut rest)?).ok()?;
            at = part.len() - rest.len();
            // Large bytes are a part of their own, behind the one in which their entry begins.
            if at == part.len() && length > 0 {
                let bytes = parts.next().filter(|bytes| bytes.len() == length)?.clone();
                return Some(Note { at: begin, bytes, kind, when });
            }
            let end = at.checked_add(length).filter(|end| *end <= part.len())?;
            let bytes = part.slice(at..end);
            at = end;
            Some(Note { at: begin, bytes, kind, when })
        };
        let note = note();
        if note.is_none() {
            // Nothing behind it can be read.
            at = part.len();
            parts = [].iter();
        }
        Some(note.ok_or(Unreadable { at: begin, kind }))
    })
}

/// The bytes of an entry, also where they refer to another body; `None` if that is gone.
fn resolved(kind: u8, bytes: Bytes, content: &Content, fetch: &mut Fetch<'_>) -> Option<(u8, Bytes)> {
    if !matches!(kind, kind::REQUEST_AGAIN | kind::SENT_BODY_AGAIN) {
        return Some((kind, bytes));
    }
    let (reference, from) = Reference::read(&bytes)?;
    let base = content.base(&reference.place).or_else(|| fetch(&reference.place))?;
    let whole = base.len() == reference.place.length;
    whole.then(|| Some((again(kind)?, reference.join(&base, &bytes[from..]))))?
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
        kind::PASSED => Entry::Passed(varint::take(&mut &content[..])?),
        kind::RECEIVED => Entry::Received(content),
        kind::REQUEST => Entry::Request(content),
        kind::SENT => Entry::Sent(serde_json::from_slice(&content).ok()?),
        kind::SENT_BODY => Entry::SentBody(content),
        _ => return None,
    })
}
