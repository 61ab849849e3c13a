//! The messages of a conversation as hashes, so that two requests of a session can be compared without keeping either.
//!
//! Hashes what was said and done: words, calls, results, media. Leaves out what changes while the message stays the same: cache
//! breakpoints, ids, thoughts (clients drop them), reminders of the client, instructions between messages. So a session can
//! change its model, and its breakpoints move, and it is still the same messages.

use std::hash::{BuildHasher as _, Hasher as _};

use lockgate_core::content::{Document, Source};
use lockgate_core::{Block, Conversation, Part, Role, Words};

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
    /// Hashes the messages of a conversation: some 20 µs for an agent's request of 150 KB (`benches/identify.rs`).
    pub fn of(conversation: &Conversation) -> Self {
        let mut out = Self::default();
        let condensed = compaction(conversation).map(|found| found.turn);
        for (at, turn) in conversation.turns.iter().enumerate().filter(|(_, turn)| turn.role != Role::System)
        {
            let mut hash = Quick::new();
            hash.put(if turn.role == Role::Assistant { b"a" } else { b"u" });
            let mut any = false;
            for part in &turn.parts {
                any |= add_part(&mut hash, part);
            }
            if any {
                if condensed == Some(at) {
                    out.condensed = Some(out.hashes.len());
                }
                out.hashes.push(hash.0.finish());
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

/// What a message is told to, to be told apart from others.
pub(crate) trait Digest {
    /// Adds bytes. Where they end counts only for what is put with a mark before it.
    fn put(&mut self, bytes: &[u8]) -> &mut Self;
}

impl Digest for blake3::Hasher {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.update(bytes)
    }
}

/// A quick hash: it compares what one client sends with what it sent before, and proves nothing to anybody.
struct Quick(foldhash::quality::FoldHasher<'static>);

impl Quick {
    fn new() -> Self {
        Self(foldhash::quality::FixedState::with_seed(0).build_hasher())
    }
}

impl Digest for Quick {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write(bytes);
        self
    }
}

/// The first eight bytes of a hash.
pub(crate) fn short(hash: &blake3::Hasher) -> u64 {
    let mut bytes = [0; 8];
    hash.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Adds what a part says; whether it said anything.
pub(crate) fn add_part(hash: &mut impl Digest, part: &Part) -> bool {
    match &part.block {
        Block::Audio(media) | Block::Video(media) => add_source(hash, &media.source),
        Block::Document(Document { source, .. }) => add_source(hash, source),
        Block::Image(image) => add_source(hash, &image.source),
        Block::Opaque(opaque) => {
            hash.put(b"\0o").put(opaque.raw.get().as_bytes());
        }
        Block::Reasoning(_) => return false,
        Block::Refusal(words) => {
            hash.put(b"\0t").put(words.as_bytes());
        }
        Block::Text(text) => return add_text(hash, &text.text),
        Block::ToolCall(call) => {
            hash.put(b"\0c").put(call.name.as_bytes()).put(b"\0").put(call.arguments.as_bytes());
        }
        Block::ToolResult(result) => {
            hash.put(b"\0r");
            for part in &result.content {
                add_part(hash, part);
            }
        }
    }
    true
}

fn add_source(hash: &mut impl Digest, source: &Source) {
    let text = match source {
        Source::Base64 { data, .. } => data,
        Source::File { id } => id,
        Source::Text { text } => text,
        Source::Url { url, .. } => url,
    };
    hash.put(b"\0m").put(text.as_bytes());
}

/// Reminders that clients put into messages, and take out or change later.
const REMINDERS: [(&str, &str); 2] =
    [("<system-reminder>", "</system-reminder>"), ("<total_tokens>", "</total_tokens>")];

/// Adds a text without reminders and white space around what is left. Works on its JSON form, in which it has come: taking
/// the escapes out of all that a session has said costs more than all the rest, and a client escapes the same text the same way.
fn add_text(hash: &mut impl Digest, words: &Words) -> bool {
    let json = words.to_json();
    let mut rest = json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&json);
    let mut any = false;
    loop {
        // One search for both, so that many of the one do not mean as many searches for the other.
        let next = memchr::memchr_iter(b'<', rest.as_bytes()).find_map(|at| {
            let (_, close) = REMINDERS.iter().find(|(open, _)| rest[at..].starts_with(open))?;
            Some((at, *close))
        });
        let kept = trimmed(next.map_or(rest, |(at, _)| &rest[..at]));
        if !kept.is_empty() {
            hash.put(b"\0t").put(kept.as_bytes());
            any = true;
        }
        let Some((at, close)) = next else { return any };
        let behind = &rest[at..];
        match memchr::memmem::find(behind.as_bytes(), close.as_bytes()) {
            Some(end) => rest = &behind[end + close.len()..],
            None => return any,
        }
    }
}

/// White space in a JSON string.
const SPACES: [&str; 4] = [" ", "\\n", "\\r", "\\t"];

fn trimmed(mut text: &str) -> &str {
    while let Some(rest) = SPACES.iter().find_map(|space| text.strip_prefix(space)) {
        text = rest;
    }
    while let Some(rest) = SPACES.iter().find_map(|space| {
        let rest = text.strip_suffix(space)?;
        // An escaped backslash before an `n` is no line break.
        let escaped = rest.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        (*space == " " || !escaped).then_some(rest)
    }) {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> u64 {
        let mut hash = Quick::new();
        add_text(&mut hash, &Words::from(text));
        hash.0.finish()
    }

    #[test]
    fn reminders_and_white_space_around_a_text_do_not_make_it_another() {
        let plain = hash("On branch main\nclean");
        for same in [
            "On branch main\nclean\n",
            "On branch main\nclean\n\n<system-reminder>\n<total_tokens>9</total_tokens>\n</system-reminder>",
            "<total_tokens>9</total_tokens> \n\tOn branch main\nclean",
        ] {
            assert_eq!(hash(same), plain, "{same:?}");
        }
        for other in ["On branch main", "On branch main\nclean\\", "On branch main clean", ""] {
            assert_ne!(hash(other), plain, "{other:?}");
        }
        assert_ne!(hash("a\\n"), hash("a\\"), "a backslash and an n are no line break");
        assert_eq!(hash("<system-reminder>never closed"), hash(""));
    }
}
