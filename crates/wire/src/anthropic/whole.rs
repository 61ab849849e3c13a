//! Whole answers for Anthropic's clients: blocks are gathered, the body is written at the end.

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, Dialect, Event, Failure, Raw, Seal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, CitationOut, StopOut, citation, input};
use super::error;
use super::usage::UsageOut;
use crate::json::{raw, to_client};
use crate::{AnswerContext, Loss, StreamEncoder};

/// A small block of our own dialect, taken apart.
type Members = serde_json::Map<String, serde_json::Value>;

/// Writes one body.
pub(super) struct WholeWriter {
    answer: Answer,
    blocks: Vec<Block>,
    /// Whether the last block takes more.
    open: bool,
    /// Nothing may follow.
    over: bool,
}

/// A block that was gathered.
enum Block {
    /// A block of our own dialect, with the input that came in pieces.
    Opaque {
        raw: Raw,
        input: String,
    },
    Redacted(String),
    Text {
        citations: Vec<CitationOut>,
        text: String,
    },
    Thinking {
        signature: String,
        text: String,
    },
    Tool {
        arguments: String,
        id: String,
        kind: ToolKind,
        name: String,
    },
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<BlockOut<'a>>,
    #[serde(flatten)]
    stop: StopOut<'a>,
    usage: UsageOut<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum BlockOut<'a> {
    Known(Known<'a>),
    Raw(Raw),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Known<'a> {
    RedactedThinking {
        data: &'a str,
    },
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        citations: &'a [CitationOut],
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: InputOut<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum InputOut<'a> {
    Json(&'a RawValue),
    Words(&'a str),
    Wrapped { input: &'a str },
}

impl WholeWriter {
    pub(super) fn new(context: AnswerContext) -> Self {
        Self { answer: Answer::new(context), blocks: Vec::new(), open: false, over: false }
    }

    fn block_started(&mut self, block: &BlockStart) {
        let block = match block {
            BlockStart::Image(_) => return self.skip("image"),
            BlockStart::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => {
                Block::Opaque { raw: opaque.raw.clone(), input: String::new() }
            }
            BlockStart::Opaque(opaque) => return self.skip(&opaque.kind),
            BlockStart::Reasoning { .. } => Block::Thinking { signature: String::new(), text: String::new() },
            BlockStart::Refusal | BlockStart::Text => {
                self.answer.refused |= matches!(block, BlockStart::Refusal);
                Block::Text { citations: Vec::new(), text: String::new() }
            }
            BlockStart::ToolCall { id, kind, name, .. } => {
                self.answer.called = true;
                Block::Tool { arguments: String::new(), id: id.clone(), kind: *kind, name: name.clone() }
            }
        };
        self.open = true;
        self.blocks.push(block);
    }

    fn skip(&mut self, name: &str) {
        self.answer.loss.note(name);
        self.open = false;
    }

    fn delta(&mut self, delta: &Delta) {
        let Some(block) = self.blocks.last_mut().filter(|_| self.open) else { return };
        match (delta, block) {
            (Delta::Arguments(piece), Block::Tool { arguments, .. }) => arguments.push_str(piece),
            (Delta::Citation(given), Block::Text { citations, .. }) => match citation(given) {
                Some(citation) => citations.push(citation),
                None => self.answer.loss.note("citations"),
            },
            (Delta::Opaque(delta), Block::Opaque { raw, input }) => {
                if let Some(piece) = partial_json(delta) {
                    input.push_str(&piece);
                } else if let Some(filled) = filled(raw, delta) {
                    *raw = filled;
                } else {
                    self.answer.loss.note("delta");
                }
            }
            (Delta::Reasoning(piece), Block::Thinking { text, .. })
            | (Delta::Text(piece), Block::Text { text, .. }) => text.push_str(piece),
            (Delta::Refusal(piece), Block::Text { text, .. }) => {
                self.answer.refused = true;
                text.push_str(piece);
            }
            (Delta::Seal(Seal::Signature(seal)), Block::Thinking { signature, .. }) => {
                signature.clone_from(seal);
            }
            (Delta::Seal(Seal::Encrypted(data)), Block::Thinking { .. }) => {
                self.blocks.push(Block::Redacted(data.clone()));
            }
            (Delta::Logprobs(_), _) => self.answer.loss.note("logprobs"),
            (Delta::Opaque(_), _) => self.answer.loss.note("delta"),
            (Delta::Citation(_), _) => self.answer.loss.note("citations"),
            // A seal on a tool call is kept beside the conversation; the rest fits no block that is there.
            (
                Delta::Arguments(_)
                | Delta::Reasoning(_)
                | Delta::Refusal(_)
                | Delta::Seal(_)
                | Delta::Text(_),
                _,
            ) => {}
        }
    }
}

impl StreamEncoder for WholeWriter {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::BlockDelta { delta, .. } => self.delta(delta),
            Event::BlockEnded { .. } => self.open = false,
            Event::BlockStarted { block, .. } => self.block_started(block),
            Event::Ended(_) | Event::Started(_) | Event::Usage(_) => self.answer.take(event),
            Event::Failed(failure) => self.fail(failure, out),
            Event::Opaque | Event::Ping => {}
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.over, true) {
            out.extend_from_slice(&error::body(failure));
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let mut content = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            content.extend(written(block, &mut self.answer.loss));
        }
        let usage = self.answer.usage.clone();
        let usage = UsageOut::at_start(&usage, self.answer.estimate());
        let (id, model) = (self.answer.id().into_owned(), self.answer.model().to_owned());
        let stop = self.answer.stop();
        to_client(
            &Body { id: &id, kind: "message", role: "assistant", model: &model, content, stop, usage },
            out,
        );
    }

    fn ping(&mut self, _: &mut Vec<u8>) {}

    fn loss(&self) -> &Loss {
        &self.answer.loss
    }
}

/// A block for the body; `None` when there is nothing in it.
fn written<'a>(block: &'a Block, loss: &mut Loss) -> Option<BlockOut<'a>> {
    Some(BlockOut::Known(match block {
        Block::Opaque { raw, input } => return Some(BlockOut::Raw(with_input(raw, input))),
        Block::Redacted(data) => Known::RedactedThinking { data },
        Block::Text { text, citations } if text.is_empty() => {
            if !citations.is_empty() {
                loss.note("citations");
            }
            return None;
        }
        Block::Text { citations, text } => Known::Text { text, citations },
        Block::Thinking { signature, text } if text.is_empty() && signature.is_empty() => return None,
        Block::Thinking { signature, text } => Known::Thinking { thinking: text, signature },
        Block::Tool { arguments, id, kind: ToolKind::Custom, name } => {
            Known::ToolUse { id, name, input: InputOut::Wrapped { input: arguments } }
        }
        Block::Tool { arguments, id, kind: ToolKind::Function, name } => {
            let input = match input(arguments) {
                Ok(json) => InputOut::Json(json),
                Err(words) => {
                    loss.note("input");
                    InputOut::Words(words)
                }
            };
            Known::ToolUse { id, name, input }
        }
    }))
}

/// The piece of input in a delta of a server tool's call.
fn partial_json(delta: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Piece {
        partial_json: String,
    }
    serde_json::from_str::<Piece>(delta.get()).ok().map(|piece| piece.partial_json)
}

/// A block with the input that came in pieces behind its start.
fn with_input(block: &RawValue, input: &str) -> Raw {
    let joined = || {
        let mut members: Members = serde_json::from_str(block.get()).ok()?;
        members.insert("input".to_owned(), serde_json::from_str(input).ok()?);
        raw(serde_json::to_string(&members).ok()?)
    };
    joined().unwrap_or_else(|| block.to_owned())
}

/// A block with the members filled in that a delta brings whole (`compaction_delta`).
fn filled(block: &RawValue, delta: &RawValue) -> Option<Raw> {
    let mut members: Members = serde_json::from_str(block.get()).ok()?;
    let delta: Members = serde_json::from_str(delta.get()).ok()?;
    for (name, value) in delta.into_iter().filter(|(name, _)| name != "type") {
        *members.get_mut(&name)? = value;
    }
    raw(serde_json::to_string(&members).ok()?)
}
