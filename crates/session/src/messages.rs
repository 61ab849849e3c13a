//! The messages of a conversation as hashes, so that two requests of a session can be compared without keeping either.
//!
//! Hashes what was said and done: words, calls, results, media. Leaves out what changes while the message stays the same: cache
//! breakpoints, ids, thoughts (clients drop them), reminders of the client, instructions between messages. So a session can
//! change its model, and its breakpoints move, and it is still the same messages.

use lockgate_core::content::{Document, Source};
use lockgate_core::{Block, Conversation, Part, Role};

use crate::compaction::compaction;

/// The messages of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    /// The message that stands for what a client has condensed, among `hashes`.
    pub(crate) condensed: Option<usize>,
    pub(crate) hashes: Vec<u64>,
    /// Where each stands among the conversation's turns.
    pub(crate) turns: Vec<usize>,
}

impl Messages {
    /// Hashes the messages of a conversation.
    pub fn of(conversation: &Conversation) -> Self {
        let mut out = Self::default();
        let condensed = compaction(conversation).map(|found| found.turn);
        for (at, turn) in conversation.turns.iter().enumerate().filter(|(_, turn)| turn.role != Role::System)
        {
            let mut hash = blake3::Hasher::new();
            hash.update(if turn.role == Role::Assistant { b"a" } else { b"u" });
            let mut any = false;
            for part in &turn.parts {
                any |= add_part(&mut hash, part);
            }
            if any {
                if condensed == Some(at) {
                    out.condensed = Some(out.hashes.len());
                }
                out.hashes.push(short(&hash));
                out.turns.push(at);
            }
        }
        out
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The turn where a message stands; the number of turns for the one behind the last.
    pub(crate) fn turn(&self, message: usize) -> usize {
        let behind = self.turns.last().map_or(0, |last| last + 1);
        self.turns.get(message).copied().unwrap_or(behind)
    }
}

/// The first eight bytes of a hash.
pub(crate) fn short(hash: &blake3::Hasher) -> u64 {
    let mut bytes = [0; 8];
    hash.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Adds what a part says; whether it said anything.
pub(crate) fn add_part(hash: &mut blake3::Hasher, part: &Part) -> bool {
    match &part.block {
        Block::Audio(media) | Block::Video(media) => add_source(hash, &media.source),
        Block::Document(Document { source, .. }) => add_source(hash, source),
        Block::Image(image) => add_source(hash, &image.source),
        Block::Opaque(opaque) => {
            hash.update(b"\0o").update(opaque.raw.get().as_bytes());
        }
        Block::Reasoning(_) => return false,
        Block::Refusal(words) => return add_text(hash, words),
        Block::Text(text) => return add_text(hash, text.text.as_str()),
        Block::ToolCall(call) => {
            hash.update(b"\0c").update(call.name.as_bytes()).update(b"\0").update(call.arguments.as_bytes());
        }
        Block::ToolResult(result) => {
            hash.update(b"\0r");
            for part in &result.content {
                add_part(hash, part);
            }
        }
    }
    true
}

fn add_source(hash: &mut blake3::Hasher, source: &Source) {
    let text = match source {
        Source::Base64 { data, .. } => data,
        Source::File { id } => id,
        Source::Text { text } => text,
        Source::Url { url, .. } => url,
    };
    hash.update(b"\0m").update(text.as_bytes());
}

/// Reminders that clients put into messages, and take out or change later.
const REMINDERS: [(&str, &str); 2] =
    [("<system-reminder>", "</system-reminder>"), ("<total_tokens>", "</total_tokens>")];

/// Adds a text without reminders and white space around what is left.
fn add_text(hash: &mut blake3::Hasher, text: &str) -> bool {
    let mut rest = text;
    let mut any = false;
    loop {
        let next = REMINDERS
            .iter()
            .filter_map(|(open, close)| {
                Some((memchr::memmem::find(rest.as_bytes(), open.as_bytes())?, *close))
            })
            .min();
        let (kept, close) = next.map_or((rest, None), |(at, close)| (&rest[..at], Some((at, close))));
        let kept = kept.trim();
        if !kept.is_empty() {
            hash.update(b"\0t").update(kept.as_bytes());
            any = true;
        }
        let Some((at, close)) = close else { return any };
        let behind = &rest[at..];
        match memchr::memmem::find(behind.as_bytes(), close.as_bytes()) {
            Some(end) => rest = &behind[end + close.len()..],
            None => return any,
        }
    }
}
