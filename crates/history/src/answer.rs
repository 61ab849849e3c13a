//! An answer, read: from a stream of any dialect, or from one body, as far as it goes.
//!
//! Uses the decoders of `wire` and puts their events together. A stream that broke off is shown up to where it broke.

use std::collections::BTreeMap;

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, Dialect, Event, Raw, Seal};
use lockgate_store::Call;
use lockgate_wire::{Decoded, Depth, Mode, Sequencer, format};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::message::{Arguments, Content, Message, Piece, Speaker};

/// What came back.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Answer {
    /// Why it could not be read to its end.
    pub broken: Option<String>,
    /// What it said in place of an answer, or in its middle.
    pub error: Option<String>,
    /// The provider's id of it.
    pub id: Option<String>,
    /// What the model said. `None` = nothing.
    pub message: Option<Message>,
    /// The model that answered.
    pub model: Option<String>,
    /// What was counted, where tokens were to be counted.
    pub tokens: Option<u64>,
}

/// Reads an answer.
pub(crate) fn read(dialect: Option<Dialect>, call: &Call, status: Option<u16>, body: &[u8]) -> Answer {
    let said = |content| {
        Some(Message { name: None, pieces: vec![Piece::plain(content)], speaker: Speaker::Assistant })
    };
    let unread =
        |reason: &str| Answer { message: said(Content::unreadable(body, reason)), ..Answer::default() };
    if body.is_empty() {
        return Answer::default();
    }
    let Some(dialect) = dialect else { return unread("the path belongs to no dialect") };
    match call.route.operation.as_str() {
        "chat" => {}
        "count_tokens" => {
            let counted = format(dialect).tokens.and_then(|tokens| tokens.parse_answer(body).ok());
            return match counted {
                Some(tokens) => Answer { tokens: Some(tokens), ..Answer::default() },
                None => unread("this is no count of tokens"),
            };
        }
        other => return unread(&format!("`{other}` is no conversation")),
    }
    let mode = mode(dialect, call.route.streamed, body);
    if let Some(status) = status.filter(|status| *status >= 400 && mode == Mode::Whole) {
        let fault = format(dialect).messages.fault(status, body);
        return Answer { error: Some(fault.message), ..Answer::default() };
    }
    let mut decoder = format(dialect).messages.decoder(mode, Depth::Full);
    let mut decoded = Decoded::default();
    let bytes = bytes::Bytes::copy_from_slice(body);
    let fed = decoder.feed(bytes, &mut decoded);
    if let Err(error) = &fed {
        decoded.drop_broken(error);
    }
    let read = fed.and_then(|()| decoder.finish(&mut decoded));
    let mut assembly = Assembly::default();
    for event in decoded.events() {
        assembly.take(event);
    }
    let mut answer = assembly.answer();
    answer.broken = read.err().map(|error| error.to_string());
    if answer.broken.is_some() && answer.message.is_none() && answer.id.is_none() && answer.error.is_none() {
        answer.message = said(Content::unreadable(body, answer.broken.clone().unwrap_or_default()));
    }
    answer
}

/// The events of an answer, one block at a time, as far as it goes; and why it could not be read to its end.
pub fn events(dialect: Dialect, streamed: bool, body: &[u8]) -> (Vec<Event>, Option<String>) {
    let mut decoder = format(dialect).messages.decoder(mode(dialect, streamed, body), Depth::Full);
    let mut decoded = Decoded::default();
    let fed = decoder.feed(bytes::Bytes::copy_from_slice(body), &mut decoded);
    if let Err(error) = &fed {
        decoded.drop_broken(error);
    }
    let read = fed.and_then(|()| decoder.finish(&mut decoded));
    let mut events = Vec::new();
    let mut sequencer = Sequencer::default();
    for event in decoded.events() {
        sequencer.push(event.clone(), &mut |event| events.push(event));
    }
    sequencer.finish(&mut |event| events.push(event));
    (events, read.err().map(|error| error.to_string()))
}

/// How the body is laid out: by how it begins, since a provider may stream what the client gets whole, and an error is
/// never streamed.
fn mode(dialect: Dialect, streamed: bool, body: &[u8]) -> Mode {
    let lines = matches!(dialect, Dialect::ClaudeCli | Dialect::Ollama);
    match body.trim_ascii_start().first() {
        Some(b'[') if streamed => Mode::Array,
        Some(b'{') if dialect == Dialect::ClaudeCli || (lines && streamed) => Mode::Stream,
        Some(b'{' | b'[') => Mode::Whole,
        Some(b':' | b'd' | b'e' | b'i' | b'r') => Mode::Stream,
        Some(_) | None if streamed => Mode::Stream,
        Some(_) | None => Mode::Whole,
    }
}

#[derive(Default)]
struct Assembly {
    blocks: BTreeMap<u32, Block>,
    error: Option<String>,
    id: Option<String>,
    model: Option<String>,
}

struct Block {
    more: Vec<Raw>,
    seal: Option<Seal>,
    start: BlockStart,
    text: String,
}

impl Assembly {
    fn take(&mut self, event: &Event) {
        match event {
            Event::BlockDelta { index, delta } => {
                if let Some(block) = self.blocks.get_mut(index) {
                    block.take(delta);
                }
            }
            Event::BlockStarted { index, block } => {
                let block = Block { more: Vec::new(), seal: None, start: block.clone(), text: String::new() };
                self.blocks.insert(*index, block);
            }
            Event::Failed(failure) => self.error = Some(failure.message.clone()),
            Event::Started(started) => {
                self.id = started.id.clone().or(self.id.take());
                self.model = started.model.clone().or(self.model.take());
            }
            Event::BlockEnded { .. } | Event::Ended(_) | Event::Opaque | Event::Ping | Event::Usage(_) => {}
        }
    }

    fn answer(self) -> Answer {
        let pieces: Vec<_> = self.blocks.into_values().filter_map(Block::content).map(Piece::plain).collect();
        let message =
            (!pieces.is_empty()).then_some(Message { name: None, pieces, speaker: Speaker::Assistant });
        Answer { broken: None, error: self.error, id: self.id, message, model: self.model, tokens: None }
    }
}

impl Block {
    fn take(&mut self, delta: &Delta) {
        match delta {
            Delta::Arguments(more) | Delta::Reasoning(more) | Delta::Refusal(more) | Delta::Text(more) => {
                self.text.push_str(more);
            }
            Delta::Opaque(raw) => self.more.push(raw.clone()),
            Delta::Seal(seal) => self.seal = Some(seal.clone()),
            Delta::Citation(_) | Delta::Logprobs(_) => {}
        }
    }

    /// What it says; nothing for an empty one.
    fn content(self) -> Option<Content> {
        Some(match self.start {
            BlockStart::Image(image) => Content::image(&image),
            BlockStart::Opaque(opaque) => Content::opaque(opaque.kind, whole(opaque.raw, &self.more)),
            BlockStart::Reasoning { .. } if self.text.is_empty() && self.seal.is_none() => return None,
            BlockStart::Reasoning { .. } => Content::thinking(self.text, self.seal),
            BlockStart::Refusal => Content::Refusal { text: self.text },
            BlockStart::Text if self.text.is_empty() => return None,
            BlockStart::Text => Content::Text { text: self.text },
            BlockStart::ToolCall { id, kind, name, .. } => {
                let arguments = match kind {
                    ToolKind::Custom => Arguments::Text(self.text),
                    ToolKind::Function => Arguments::of(self.text, kind),
                };
                Content::ToolCall { arguments, id, name }
            }
        })
    }
}

/// A block whose input came in pieces (`partial_json`), whole.
fn whole(raw: Raw, more: &[Raw]) -> Raw {
    #[derive(serde::Deserialize)]
    struct Piece {
        partial_json: String,
    }
    let pieces: Vec<Piece> = more.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
    let input: String = pieces.into_iter().map(|piece| piece.partial_json).collect();
    let joined = || {
        let input: serde_json::Value = serde_json::from_str(&input).ok()?;
        let mut block: serde_json::Map<String, serde_json::Value> = serde_json::from_str(raw.get()).ok()?;
        block.insert("input".to_owned(), input);
        RawValue::from_string(serde_json::to_string(&block).ok()?).ok()
    };
    if input.is_empty() { raw } else { joined().unwrap_or(raw) }
}
