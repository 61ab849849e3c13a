//! Streams for Anthropic's clients.
//!
//! Blocks open when there is something in them, so no block is ever empty. `message_start` waits for the first
//! content, since only then the prompt's tokens may be known. Thinking gets a signature only if the model's maker gave
//! one. An error is one `error` event, wherever it comes.

use lockgate_core::content::{Citation, ToolKind};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Failure, Seal};
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Answer, CitationOut, StopOut, citation, is_own};
use super::error;
use super::usage::UsageOut;
use crate::json::to_client;
use crate::{AnswerContext, Loss, StreamEncoder};

/// Writes a stream.
pub(super) struct StreamWriter {
    answer: Answer,
    block: Block,
    next: u32,
    /// Nothing may follow.
    over: bool,
    started: bool,
}

/// The block that is being written.
enum Block {
    /// A call of a tool that takes free text: no client offered one, so it goes as an object, whole.
    Custom(String),
    /// None, or one that cannot be said.
    None,
    Opaque,
    Text {
        citations: Vec<CitationOut>,
        open: bool,
    },
    Thinking {
        open: bool,
    },
    Tool,
}

#[derive(Serialize)]
struct MessageStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: MessageOut<'a>,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<&'a str>,
    stop_sequence: Option<&'a str>,
    usage: UsageOut<'a>,
}

#[derive(Serialize)]
struct Start<B> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    content_block: B,
}

#[derive(Serialize)]
struct More<D> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    delta: D,
}

#[derive(Serialize)]
struct BlockStop {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: StopOut<'a>,
    usage: UsageOut<'a>,
}

#[derive(Serialize)]
struct Bare {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockOut<'a> {
    RedactedThinking { data: &'a str },
    Text { text: &'static str },
    Thinking { thinking: &'static str, signature: &'static str },
    ToolUse { id: &'a str, name: &'a str, input: Nothing },
}

/// `{}`
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(tag = "type")]
enum DeltaOut<'a> {
    #[serde(rename = "citations_delta")]
    Citation { citation: &'a CitationOut },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
}

impl StreamWriter {
    pub(super) fn new(context: AnswerContext) -> Self {
        Self { answer: Answer::new(context), block: Block::None, next: 0, over: false, started: false }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = MessageOut {
            id: &self.answer.id(),
            kind: "message",
            role: "assistant",
            model: self.answer.model(),
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: UsageOut::at_start(&self.answer.usage, self.answer.estimate()),
        };
        frame("message_start", &MessageStart { kind: "message_start", message }, out);
    }

    fn open(&mut self, content_block: impl Serialize, out: &mut Vec<u8>) {
        self.start(out);
        let start = Start { kind: "content_block_start", index: self.next, content_block };
        frame("content_block_start", &start, out);
    }

    fn more(&self, delta: impl Serialize, out: &mut Vec<u8>) {
        frame("content_block_delta", &More { kind: "content_block_delta", index: self.next, delta }, out);
    }

    fn shut(&mut self, out: &mut Vec<u8>) {
        frame("content_block_stop", &BlockStop { kind: "content_block_stop", index: self.next }, out);
        self.next += 1;
    }

    fn block_started(&mut self, block: &BlockStart, out: &mut Vec<u8>) {
        self.block = match block {
            BlockStart::Image(_) => {
                self.answer.loss.note("image");
                Block::None
            }
            BlockStart::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => {
                self.open(&*opaque.raw, out);
                Block::Opaque
            }
            BlockStart::Opaque(opaque) => {
                self.answer.loss.note(opaque.kind.as_str());
                Block::None
            }
            BlockStart::Reasoning { .. } => Block::Thinking { open: false },
            BlockStart::Refusal => {
                self.answer.refused = true;
                Block::Text { citations: Vec::new(), open: false }
            }
            BlockStart::Text => Block::Text { citations: Vec::new(), open: false },
            BlockStart::ToolCall { id, kind, name, .. } => {
                self.answer.called = true;
                self.open(BlockOut::ToolUse { id, name, input: Nothing {} }, out);
                match kind {
                    ToolKind::Custom => Block::Custom(String::new()),
                    ToolKind::Function => Block::Tool,
                }
            }
        };
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Arguments(piece) => self.arguments(piece, out),
            Delta::Citation(citation) => self.citation(citation, out),
            Delta::Logprobs(_) => self.answer.loss.note("logprobs"),
            Delta::Opaque(raw) => self.opaque(raw, out),
            Delta::Reasoning(text) => self.reasoning(text, out),
            Delta::Refusal(text) => {
                self.answer.refused = true;
                self.text(text, out);
            }
            Delta::Seal(seal) => self.seal(seal, out),
            Delta::Text(text) => self.text(text, out),
        }
    }

    fn arguments(&mut self, piece: &str, out: &mut Vec<u8>) {
        match &mut self.block {
            Block::Custom(text) => text.push_str(piece),
            Block::Tool if !piece.is_empty() => {
                self.more(DeltaOut::Input { partial_json: piece }, out);
            }
            Block::None | Block::Opaque | Block::Text { .. } | Block::Thinking { .. } | Block::Tool => {}
        }
    }

    fn citation(&mut self, given: &Citation, out: &mut Vec<u8>) {
        let Some(citation) = citation(given) else {
            self.answer.loss.note("citations");
            return;
        };
        match &mut self.block {
            Block::Text { open: true, .. } => {
                self.more(DeltaOut::Citation { citation: &citation }, out);
            }
            // Citations come before the text they belong to.
            Block::Text { citations, open: false } => citations.push(citation),
            Block::Custom(_) | Block::None | Block::Opaque | Block::Thinking { .. } | Block::Tool => {
                self.answer.loss.note("citations");
            }
        }
    }

    fn opaque(&mut self, raw: &RawValue, out: &mut Vec<u8>) {
        if !is_own(raw) {
            self.answer.loss.note("delta");
            return;
        }
        match &mut self.block {
            Block::None => {}
            Block::Text { open, .. } if !*open => {
                *open = true;
                self.open(BlockOut::Text { text: "" }, out);
                self.more(raw, out);
            }
            Block::Thinking { open } if !*open => {
                *open = true;
                self.open(BlockOut::Thinking { thinking: "", signature: "" }, out);
                self.more(raw, out);
            }
            Block::Custom(_) | Block::Opaque | Block::Text { .. } | Block::Thinking { .. } | Block::Tool => {
                self.more(raw, out);
            }
        }
    }

    fn reasoning(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Block::Thinking { open } = &mut self.block {
            if !std::mem::replace(open, true) {
                self.open(BlockOut::Thinking { thinking: "", signature: "" }, out);
            }
            self.more(DeltaOut::Thinking { thinking: text }, out);
        }
    }

    /// A seal on a tool call has no place here; it is kept beside the conversation, by the call's id.
    fn seal(&mut self, seal: &Seal, out: &mut Vec<u8>) {
        let Block::Thinking { open } = &mut self.block else { return };
        match seal {
            Seal::Signature(signature) => {
                if !std::mem::replace(open, true) {
                    self.open(BlockOut::Thinking { thinking: "", signature: "" }, out);
                }
                self.more(DeltaOut::Signature { signature }, out);
            }
            Seal::Encrypted(data) => {
                if std::mem::replace(open, false) {
                    self.shut(out);
                }
                self.open(BlockOut::RedactedThinking { data }, out);
                self.shut(out);
            }
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Block::Text { citations, open } = &mut self.block {
            let waiting = std::mem::take(citations);
            if !std::mem::replace(open, true) {
                self.open(BlockOut::Text { text: "" }, out);
            }
            for citation in &waiting {
                self.more(DeltaOut::Citation { citation }, out);
            }
            self.more(DeltaOut::Text { text }, out);
        }
    }

    fn block_ended(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.block, Block::None) {
            Block::Custom(text) => {
                let input = serde_json::json!({ "input": text }).to_string();
                self.more(DeltaOut::Input { partial_json: &input }, out);
                self.shut(out);
            }
            Block::Opaque | Block::Text { open: true, .. } | Block::Thinking { open: true } | Block::Tool => {
                self.shut(out);
            }
            Block::Text { citations, open: false } if !citations.is_empty() => {
                self.answer.loss.note("citations");
            }
            Block::None | Block::Text { open: false, .. } | Block::Thinking { open: false } => {}
        }
    }
}

impl StreamEncoder for StreamWriter {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::BlockDelta { delta, .. } => self.delta(delta, out),
            Event::BlockEnded { .. } => self.block_ended(out),
            Event::BlockStarted { block, .. } => {
                self.block_ended(out);
                self.block_started(block, out);
            }
            Event::Failed(failure) => self.fail(failure, out),
            Event::Ended(_) | Event::Started(_) | Event::Usage(_) => self.answer.take(event),
            Event::Opaque => {}
            Event::Ping => self.ping(out),
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&error::body(failure));
        out.extend_from_slice(b"\n\n");
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.start(out);
        self.block_ended(out);
        self.over = true;
        let usage = self.answer.usage.clone();
        let end =
            MessageDelta { kind: "message_delta", delta: self.answer.stop(), usage: UsageOut::of(&usage) };
        frame("message_delta", &end, out);
        frame("message_stop", &Bare { kind: "message_stop" }, out);
    }

    /// A block that has begun is open, also one that would wait for its first words here.
    fn resume(&mut self, _: &[u8], out: &mut Vec<u8>) {
        self.start(out);
        match &mut self.block {
            Block::Text { open: open @ false, .. } => {
                *open = true;
                self.open(BlockOut::Text { text: "" }, out);
            }
            Block::Thinking { open: open @ false } => {
                *open = true;
                self.open(BlockOut::Thinking { thinking: "", signature: "" }, out);
            }
            Block::Custom(_)
            | Block::None
            | Block::Opaque
            | Block::Text { .. }
            | Block::Thinking { .. }
            | Block::Tool => {}
        }
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        if !self.over {
            frame("ping", &Bare { kind: "ping" }, out);
        }
    }

    fn loss(&self) -> &Loss {
        &self.answer.loss
    }
}

fn frame(name: &str, data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    to_client(data, out);
    out.extend_from_slice(b"\n\n");
}
