//! A session's id from how its conversation begins, where nobody names it.
//!
//! Instructions, names of tools, and what came before the first answer, under the caller's key. Stays the same while the
//! conversation grows, when cache breakpoints move, and when what changes with each call (Claude Code's accounting line,
//! the date) changes. Two conversations that begin alike are one session: nothing tells them apart.

use lockgate_core::content::Tool;
use lockgate_core::{Conversation, Role};

use crate::history::History;
use crate::messages::add_part;
use crate::wrappers::text_of;

/// How lines of instructions begin that say the date, or count calls.
const CHANGING: [&str; 6] = [
    "x-anthropic-billing-header:",
    "<total_tokens>",
    "Today's date",
    "Current date",
    "The current date",
    "Current time",
];

pub(crate) fn derived(conversation: &Conversation, history: &History<'_>, key: &str) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(b"lockgate session 1\0").update(key.as_bytes()).update(b"\0system\0");
    for text in conversation.system.iter().filter_map(text_of) {
        add_instructions(&mut hash, text.as_str());
    }
    for tool in &conversation.tools {
        hash.update(b"\0tool\0").update(name(tool).as_bytes());
    }
    // All that the user said before the first words of their own, which clients put their surroundings into.
    let users = || conversation.turns.iter().enumerate().filter(|(_, turn)| turn.role == Role::User);
    let until = history.first_at.or_else(|| users().next().map(|(at, _)| at)).unwrap_or(0);
    for (_, turn) in users().take_while(|(at, _)| *at <= until) {
        for part in &turn.parts {
            add_part(&mut hash, part);
        }
    }
    let hex = hash.finalize().to_hex();
    format!("d-{}", &hex.as_str()[..32])
}

fn add_instructions(hash: &mut blake3::Hasher, text: &str) {
    let bytes = text.as_bytes();
    // Runs of lines between those that change are hashed at once.
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline + 1);
        let line = text[at..end].trim_start_matches([' ', '\t', '-', '*']);
        if CHANGING.iter().any(|begins| line.starts_with(begins)) {
            hash.update(&bytes[from..at]);
            from = end;
        }
        at = end;
    }
    hash.update(text[from..].trim_end().as_bytes()).update(b"\0");
}

fn name(tool: &Tool) -> &str {
    match tool {
        Tool::Custom(custom) => &custom.name,
        Tool::Function(function) => &function.name,
        Tool::Hosted(hosted) => &hosted.kind,
    }
}
