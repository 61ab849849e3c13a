//! The items of an answer while they are read: which texts they have, and how much of each was sent.
//!
//! Nothing here knows the order of events; that is [`super::blocks`]'s.

use lockgate_core::content::ToolKind;
use lockgate_core::{Delta, Event};

use crate::Decoded;

use super::answer::{number, text};
use super::shape::{EventIn, ItemIn, PartIn};

pub(super) struct Item {
    pub(super) call_id: Option<String>,
    pub(super) done: bool,
    pub(super) id: Option<String>,
    pub(super) index: Option<u64>,
    pub(super) kind: Kind,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call(ToolKind),
    Message,
    Other,
    Reasoning,
}

/// A run of text that grows: a part of a message, of thoughts or of a summary, or the arguments of a call.
pub(super) struct Part {
    pub(super) annotations: usize,
    pub(super) at: u64,
    pub(super) block: u32,
    pub(super) kind: PartKind,
    /// Whether probabilities came already.
    pub(super) likely: bool,
    pub(super) open: bool,
    pub(super) sent: Sent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Arguments,
    Refusal,
    Summary,
    Text,
    Thought,
}

impl PartKind {
    pub(super) fn delta(self, text: String) -> Delta {
        match self {
            Self::Arguments => Delta::Arguments(text),
            Self::Refusal => Delta::Refusal(text),
            Self::Summary | Self::Thought => Delta::Reasoning(text),
            Self::Text => Delta::Text(text),
        }
    }
}

/// How much of a text was sent, with a hash to know it again.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) hash: u64,
    pub(super) len: usize,
}

impl Sent {
    pub(super) fn add(&mut self, text: &str) {
        self.hash = fnv(self.hash, text);
        self.len += text.len();
    }

    /// What of the whole text has not been sent. Nothing if what was sent is not its beginning.
    pub(super) fn rest<'a>(&self, whole: &'a str) -> &'a str {
        match (whole.get(..self.len), whole.get(self.len..)) {
            (Some(known), Some(rest)) if fnv(0, known) == self.hash => rest,
            _ => "",
        }
    }
}

pub(super) fn fnv(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).wrapping_add(1))
}

impl Item {
    /// Ends all that is open.
    pub(super) fn end(&mut self, out: &mut Decoded) {
        self.close(out);
        self.done = true;
    }

    pub(super) fn close(&mut self, out: &mut Decoded) {
        let mut last = None;
        for part in self.parts.iter_mut().filter(|part| part.open) {
            part.open = false;
            if last != Some(part.block) {
                out.push(Event::BlockEnded { index: part.block });
            }
            last = Some(part.block);
        }
    }
}

impl Kind {
    pub(super) fn holds(self, part: PartKind) -> bool {
        match part {
            PartKind::Arguments => matches!(self, Self::Call(_)),
            PartKind::Refusal | PartKind::Text => self == Self::Message,
            PartKind::Summary | PartKind::Thought => self == Self::Reasoning,
        }
    }
}

impl Part {
    pub(super) fn new(at: u64, block: u32, kind: PartKind) -> Self {
        Self { annotations: 0, at, block, kind, likely: false, open: true, sent: Sent::default() }
    }

    pub(super) fn send(&mut self, text: &str, out: &mut Decoded) {
        self.sent.add(text);
        out.push(Event::BlockDelta { index: self.block, delta: self.kind.delta(text.to_owned()) });
    }
}

pub(super) fn kind_of(item: &ItemIn<'_>) -> Kind {
    match text(item.kind).as_deref() {
        Some("custom_tool_call") => Kind::Call(ToolKind::Custom),
        Some("function_call") => Kind::Call(ToolKind::Function),
        Some("message") => Kind::Message,
        Some("reasoning") => Kind::Reasoning,
        _ => Kind::Other,
    }
}

pub(super) fn part_kind(part: &PartIn<'_>) -> Option<PartKind> {
    match text(part.kind).as_deref() {
        Some("output_text" | "text") => Some(PartKind::Text),
        Some("reasoning_text") => Some(PartKind::Thought),
        Some("refusal") => Some(PartKind::Refusal),
        Some("summary_text") => Some(PartKind::Summary),
        _ => None,
    }
}

pub(super) fn part_index(event: &EventIn<'_>, kind: PartKind) -> u64 {
    match kind {
        PartKind::Arguments => 0,
        PartKind::Refusal | PartKind::Text | PartKind::Thought => number(event.content_index).unwrap_or(0),
        PartKind::Summary => number(event.summary_index).unwrap_or(0),
    }
}
