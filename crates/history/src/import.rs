//! Exports back into records: the same rows, details and bodies, under the same ids, so that a second time changes nothing.
//!
//! Reads what another installation wrote and believes none of it: sizes are bounded, ids checked, everything belongs to the one session of
//! the file. What is wrong is told with its line. Words for search are read out of the bodies again.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_store::{
    Body, Feedback, Piece as StoredPiece, PieceHash, Record, SessionFacts, Side, Text, Weaver,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::conversation::{Conversation, EntrySource, Origin};
use crate::exchange::{Bodies, Exchange};
use crate::export::{BodyLine, CallLine, FORMAT, Header, SessionHeader};
use crate::message::{Content, Piece, Speaker};

/// What an import may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Calls.
    pub calls: usize,
    /// Bytes of one call's line.
    pub line_bytes: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { calls: 100_000, line_bytes: 256 << 20 }
    }
}

/// What is wrong with an import, and in which line.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ImportError {
    /// What.
    pub fault: ImportFault,
    /// The line, from 1.
    pub line: usize,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum ImportFault {
    /// A body is not what the line says of it.
    #[error("the {part} of call {call} {why}")]
    Body {
        /// The call.
        call: Uuid,
        /// Which body.
        part: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The call cannot be one of this file.
    #[error("call {call} {why}")]
    Call {
        /// The call.
        call: Uuid,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What is said in it cannot have been said of this session.
    #[error("feedback {id} is about something else, or larger than it may be")]
    Feedback {
        /// Its id.
        id: Uuid,
    },
    /// It was written by a version that this one does not know, or is no export.
    #[error("this is no session of the form {FORMAT}; it says `{0}`")]
    Format(String),
    /// It is not of the form.
    #[error("not of the form of an export: {0}")]
    Json(#[from] serde_json::Error),
    /// It is too large.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// How much is allowed.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
}

/// Reads an export, JSON or JSONL: a record for each call, or what is wrong. Ends at the first fault.
pub fn import(bytes: &[u8], limits: ImportLimits) -> Import<'_> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A head that is whole by itself is that of lines.
    let lines = serde_json::from_slice::<Header<'_>>(first).is_ok() && !is_document(first);
    let rest = if lines { Rest::Lines { bytes, line: 1 } } else { Rest::Document { bytes } };
    Import { importer: Importer::new(limits), rest }
}

fn is_document(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        calls: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Document<'_>>(bytes).is_ok_and(|document| document.calls.is_some())
}

/// The records of an export, one by one.
#[derive(Debug)]
pub struct Import<'a> {
    importer: Importer,
    rest: Rest<'a>,
}

#[derive(Debug)]
enum Rest<'a> {
    Calls(std::vec::IntoIter<(usize, &'a RawValue)>),
    Document { bytes: &'a [u8] },
    Lines { bytes: &'a [u8], line: usize },
    Nothing,
}

impl Iterator for Import<'_> {
    type Item = Result<Record, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match &mut self.rest {
                Rest::Nothing => return None,
                Rest::Document { bytes } => match self.importer.document(bytes) {
                    Ok(calls) => self.rest = Rest::Calls(calls.into_iter()),
                    Err(error) => {
                        self.rest = Rest::Nothing;
                        return Some(Err(error));
                    }
                },
                Rest::Calls(calls) => {
                    let (line, call) = calls.next()?;
                    let read = self.importer.call(call.get().as_bytes());
                    return Some(self.ended(read.map_err(|fault| ImportError { fault, line })));
                }
                Rest::Lines { bytes, line } => {
                    if bytes.is_empty() {
                        return None;
                    }
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    *bytes = rest.get(1..).unwrap_or_default();
                    let at = *line;
                    *line += 1;
                    if at > 1 && text.trim_ascii().is_empty() {
                        continue;
                    }
                    match self.importer.line(text) {
                        Ok(None) => {}
                        Ok(Some(record)) => return Some(Ok(record)),
                        Err(fault) => return Some(self.ended(Err(ImportError { fault, line: at }))),
                    }
                }
            }
        }
    }
}

impl Import<'_> {
    /// From now on records bring all of their pieces along ([`Importer::forget_pieces`]).
    pub fn forget_pieces(&mut self) {
        self.importer.forget_pieces();
    }

    /// What is said of the session and its calls, once the head was read; the calls have to be stored before. Nothing the second time.
    pub fn feedback(&mut self) -> Vec<Feedback> {
        std::mem::take(&mut self.importer.feedback)
    }

    fn ended(&mut self, read: Result<Record, ImportError>) -> Result<Record, ImportError> {
        if read.is_err() {
            self.rest = Rest::Nothing;
        }
        read
    }
}

/// Whether an opinion can be one of a session: what another installation says of it is not believed.
fn is_sound(said: &Feedback, session: Option<&String>) -> bool {
    const LONGEST: usize = 20_000;
    let words = said.labels.iter().chain(&said.comment).chain([&said.author]);
    (-1_000..=1_000).contains(&said.score_milli)
        && said.session.as_ref() == session
        && (said.call.is_some() || session.is_some())
        && words.map(String::len).sum::<usize>() <= LONGEST
}

/// The head of an import.
#[derive(Debug)]
enum Head {
    /// `None` = a call without a session.
    Read(Option<Box<SessionHeader>>),
    Unread,
}

/// Reads the lines of an export as they arrive: the head first, then a call with each.
#[derive(Debug)]
pub struct Importer {
    calls: HashSet<Uuid>,
    conversation: Conversation,
    /// What the head says that is thought of the session and its calls.
    feedback: Vec<Feedback>,
    header: Head,
    limits: ImportLimits,
    /// The pieces that earlier records of this import bring along.
    pieces: HashSet<PieceHash>,
}

impl Importer {
    /// One that has read nothing yet.
    pub fn new(limits: ImportLimits) -> Self {
        Self {
            calls: HashSet::new(),
            conversation: Conversation::new(),
            feedback: Vec::new(),
            header: Head::Unread,
            limits,
            pieces: HashSet::new(),
        }
    }

    /// From now on records bring all of their pieces along: to be called when the store says that it lacks one
    /// (`store::Error::Unwoven`), before the call is read again.
    pub fn forget_pieces(&mut self) {
        self.pieces.clear();
    }

    /// The next line, without its line break. Nothing for the head.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Record>, ImportFault> {
        if let Head::Read(_) = self.header {
            return self.call(line).map(Some);
        }
        self.bounded(line)?;
        self.head(line).map(|()| None)
    }

    fn bounded(&self, line: &[u8]) -> Result<(), ImportFault> {
        let limit = self.limits.line_bytes;
        if line.len() > limit { Err(ImportFault::TooLarge { limit, what: "bytes" }) } else { Ok(()) }
    }

    fn head(&mut self, json: &[u8]) -> Result<(), ImportFault> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let said: Format = serde_json::from_slice(json)?;
        if said.format != FORMAT {
            return Err(ImportFault::Format(said.format.chars().take(80).collect()));
        }
        let header: Header<'_> = serde_json::from_slice(json)?;
        let session = header.session.as_ref().map(|session| &session.reference.id);
        if let Some(wrong) = header.feedback.iter().find(|said| !is_sound(said, session)) {
            return Err(ImportFault::Feedback { id: wrong.id });
        }
        self.feedback = header.feedback;
        self.header = Head::Read(header.session.map(Box::new));
        Ok(())
    }

    /// The calls of a document, each with its line.
    fn document<'a>(&mut self, bytes: &'a [u8]) -> Result<Vec<(usize, &'a RawValue)>, ImportError> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            calls: Vec<&'a RawValue>,
        }
        let placed = |fault: ImportFault| {
            let line = match &fault {
                ImportFault::Json(error) => error.line().max(1),
                ImportFault::Body { .. }
                | ImportFault::Call { .. }
                | ImportFault::Feedback { .. }
                | ImportFault::Format(_)
                | ImportFault::TooLarge { .. } => 1,
            };
            ImportError { fault, line }
        };
        self.head(bytes).map_err(placed)?;
        let document: Document<'a> = serde_json::from_slice(bytes).map_err(|error| placed(error.into()))?;
        let mut lines = (0, 1);
        let placed = document.calls.into_iter().map(|call| {
            let at = (call.get().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize).min(bytes.len());
            lines.1 += memchr::memchr_iter(b'\n', &bytes[lines.0..at]).count();
            lines.0 = at;
            (lines.1, call)
        });
        Ok(placed.collect())
    }

    fn call(&mut self, json: &[u8]) -> Result<Record, ImportFault> {
        self.bounded(json)?;
        if self.calls.len() >= self.limits.calls {
            return Err(ImportFault::TooLarge { limit: self.limits.calls, what: "calls" });
        }
        let CallLine { bodies: lines, call, details } = serde_json::from_slice(json)?;
        let (call, details) = (call.into_owned(), details.into_owned());
        let wrong = |why| ImportFault::Call { call: call.id, why };
        let header = match &self.header {
            Head::Read(Some(header)) => Some(header.as_ref().clone()),
            Head::Read(None) | Head::Unread => None,
        };
        if call.id.get_version_num() != 7 {
            return Err(wrong("has an id that is no UUIDv7"));
        }
        let session = call.lineage.session.as_ref().map(|session| &session.id);
        if session != header.as_ref().map(|header| &header.reference.id) {
            return Err(wrong("belongs to another session than the file"));
        }
        if call.cost_nano.is_some_and(|cost| cost < 0) || call.timing.started_us < 0 {
            return Err(wrong("has a cost or a time below 0"));
        }
        // Databases of text take no such sign.
        if serde_json::to_string(&(&call, &details))?.contains("\\u0000") {
            return Err(wrong("has a sign in its row that is no text"));
        }
        if self.calls.contains(&call.id) {
            return Err(wrong("is there twice"));
        }
        let mut bodies = Bodies::default();
        let mut stored = Vec::with_capacity(lines.len());
        let mut fresh = Vec::new();
        for line in lines {
            let fault = |why| ImportFault::Body { call: call.id, part: line.part.as_str(), why };
            if bodies.part(line.part).is_some() {
                return Err(fault("is there twice"));
            }
            let bytes = content(&line).map_err(fault)?;
            // A call without a session shares its pieces with no other.
            if session.is_none() && stored.is_empty() {
                self.pieces.clear();
            }
            let head = self.weave(&bytes, &mut fresh);
            let BodyLine { kind, offsets, part, size, .. } = line;
            stored.push(Body { head, kind, offsets: offsets.into_owned(), part, size });
            bodies.set(part, bytes);
        }
        let facts = header.map_or_else(SessionFacts::default, |header| SessionFacts {
            branch: header.branch,
            cwd: header.cwd,
            repo: header.repo,
            title: header.title,
        });
        self.calls.insert(call.id);
        let texts = self.texts(Exchange::read(&call, &details, &bodies));
        Ok(Record { bodies: stored, call, details, pieces: fresh, session: facts, texts })
    }

    fn weave(&mut self, bytes: &[u8], fresh: &mut Vec<StoredPiece>) -> PieceHash {
        let pieces = &mut self.pieces;
        let woven = Weaver::weave(bytes, &mut |hash| pieces.contains(hash));
        self.pieces.extend(woven.new_pieces.iter().map(|piece| piece.hash));
        fresh.extend(woven.new_pieces);
        woven.head
    }

    /// The texts that are new with a call.
    fn texts(&mut self, exchange: Exchange) -> Vec<Text> {
        let number = self.conversation.push(exchange);
        let note = &self.conversation.calls[number];
        let mut texts = Vec::new();
        if number == 0 {
            for piece in &self.conversation.preambles[note.preamble].system {
                add(piece, Side::System, &mut texts);
            }
        }
        // What a client asks for itself repeats what is known, or is nobody's words.
        let is_own = matches!(self.conversation.threads[note.thread].origin, Origin::Housekeeping { .. });
        for entry in &note.entries {
            let entry = &self.conversation.entries[*entry];
            if is_own && entry.source == EntrySource::Brought {
                continue;
            }
            let side = match entry.message.speaker {
                Speaker::Assistant => Side::Assistant,
                Speaker::System => Side::System,
                Speaker::User => Side::User,
            };
            for piece in &entry.message.pieces {
                add(piece, side, &mut texts);
            }
        }
        texts
    }
}

fn content(line: &BodyLine<'_>) -> Result<Vec<u8>, &'static str> {
    let bytes = match (&line.text, &line.base64) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(base64)) => STANDARD.decode(base64.as_bytes()).map_err(|_| "is no base64")?,
        (Some(_), Some(_)) => return Err("is there both as text and as base64"),
        (None, None) => return Err("has no content"),
    };
    if bytes.len() as u64 == line.size { Ok(bytes) } else { Err("has another size than it says") }
}

/// The longest text that is searched.
const LONGEST: usize = 256 << 10;

fn add(piece: &Piece, side: Side, texts: &mut Vec<Text>) {
    let mut push = |side, text: &str| {
        if !text.trim().is_empty() {
            texts.push(Text { side, text: text[..text.floor_char_boundary(LONGEST)].to_owned() });
        }
    };
    match &piece.content {
        Content::Refusal { text } | Content::Text { text } => push(side, text),
        Content::Thinking { text, .. } => push(Side::Thinking, text),
        Content::ToolCall { arguments, name, .. } => {
            push(Side::ToolInput, &format!("{name} {}", arguments.as_str()));
        }
        Content::ToolResult { content, .. } => {
            for piece in content {
                add(piece, Side::ToolResult, texts);
            }
        }
        Content::Audio(_)
        | Content::Document(_)
        | Content::Image(_)
        | Content::ServerTool { .. }
        | Content::Unknown { .. }
        | Content::Unreadable { .. }
        | Content::Video(_) => {}
    }
}
