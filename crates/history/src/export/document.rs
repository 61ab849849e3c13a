//! A session as JSON: one document, or a line for its head and one for each call. Lossless: rows, details and bodies as they are stored.
//!
//! Written call by call, so that a session of any length needs the memory of one call. `import` reads both forms.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_store::{
    BodyKind, Call, Details, Feedback, Offsets, Part, Session, SessionRef, StoredCall, Title,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::exchange::Bodies;

/// The name and version of the form.
pub const FORMAT: &str = "lockgate-session/1";

/// Why a call could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A body is stored and was not handed over, or not as it was stored.
    #[error("call {call}: its {part} is not {size} bytes, as the record says")]
    Body {
        /// The call.
        call: Uuid,
        /// Which body.
        part: &'static str,
        /// How many bytes it has.
        size: u64,
    },
    /// It cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The head of an export.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header<'a> {
    pub(crate) format: Cow<'a, str>,
    pub(crate) session: Option<SessionHeader>,
    /// What is said of the session and its calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) feedback: Vec<Feedback>,
}

/// What is known of a session beside its calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionHeader {
    pub(crate) branch: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) reference: SessionRef,
    pub(crate) repo: Option<String>,
    pub(crate) title: Option<Title>,
}

/// A call with its bodies.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallLine<'a> {
    pub(crate) bodies: Vec<BodyLine<'a>>,
    pub(crate) call: Cow<'a, Call>,
    pub(crate) details: Cow<'a, Details>,
}

/// A body: as text where it is text.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BodyLine<'a> {
    pub(crate) part: Part,
    pub(crate) kind: BodyKind,
    pub(crate) size: u64,
    pub(crate) offsets: Cow<'a, Offsets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<Cow<'a, str>>,
}

/// Writes a session in portions: `start`, each call, `end`.
#[derive(Debug)]
pub struct Exporter {
    calls: usize,
    header: Vec<u8>,
    lines: bool,
}

impl Exporter {
    /// One JSON document. `None` = a call without a session. `feedback`: what is said of the session and its calls.
    pub fn json(session: Option<&Session>, feedback: Vec<Feedback>) -> Result<Self, ExportError> {
        Self::new(session, feedback, false)
    }

    /// JSONL: a line for the head, one for each call.
    pub fn lines(session: Option<&Session>, feedback: Vec<Feedback>) -> Result<Self, ExportError> {
        Self::new(session, feedback, true)
    }

    fn new(session: Option<&Session>, feedback: Vec<Feedback>, lines: bool) -> Result<Self, ExportError> {
        let session = session.map(|session| SessionHeader {
            branch: session.branch.clone(),
            cwd: session.cwd.clone(),
            reference: session.reference.clone(),
            repo: session.repo.clone(),
            title: session.title.clone(),
        });
        let header = serde_json::to_vec(&Header { format: FORMAT.into(), session, feedback })?;
        Ok(Self { calls: 0, header, lines })
    }

    /// What stands before the calls.
    pub fn start(&self) -> Vec<u8> {
        let mut out = self.header.clone();
        if self.lines {
            out.push(b'\n');
        } else {
            out.pop();
            out.extend_from_slice(b",\"calls\":[");
        }
        out
    }

    /// The next call. Each is on a line of its own, also in a document.
    pub fn call(&mut self, stored: &StoredCall, bodies: &Bodies) -> Result<Vec<u8>, ExportError> {
        let mut out = Vec::new();
        if !self.lines {
            out.extend_from_slice(if self.calls == 0 { b"\n" } else { b",\n" });
        }
        let lines: Result<_, _> = stored
            .bodies
            .iter()
            .map(|body| {
                let bytes = bodies.part(body.part).filter(|bytes| bytes.len() as u64 == body.size);
                let wrong =
                    ExportError::Body { call: stored.call.id, part: body.part.as_str(), size: body.size };
                let bytes = bytes.ok_or(wrong)?;
                let text = std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
                Ok::<_, ExportError>(BodyLine {
                    part: body.part,
                    kind: body.kind,
                    size: body.size,
                    offsets: Cow::Borrowed(&body.offsets),
                    base64: text.is_none().then(|| STANDARD.encode(bytes).into()),
                    text,
                })
            })
            .collect();
        let line = CallLine {
            bodies: lines?,
            call: Cow::Borrowed(&stored.call),
            details: Cow::Borrowed(&stored.details),
        };
        serde_json::to_writer(&mut out, &line)?;
        if self.lines {
            out.push(b'\n');
        }
        self.calls += 1;
        Ok(out)
    }

    /// What stands behind the calls.
    pub fn end(&self) -> Vec<u8> {
        if self.lines { Vec::new() } else { b"\n]}\n".to_vec() }
    }
}
