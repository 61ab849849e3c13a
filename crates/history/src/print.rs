//! Fingerprints of messages: the loose one, by which a message is known when it is sent again, and the exact one, by which a
//! provider's cache knows it.
//!
//! Loose: words and deeds; without thoughts, ids, breakpoints, reminders of the client, and white space around texts. Exact: all but
//! breakpoints. Keeps no contents.

use serde_json::Value;

use crate::message::{Arguments, Content, Message, Piece, Speaker};

/// A fingerprint.
pub(crate) type Print = u64;

/// How a message is known when it is sent again. `None` = it says nothing that lasts (only thoughts, or only reminders).
pub(crate) fn loose(message: &Message) -> Option<Print> {
    let mut hash = blake3::Hasher::new();
    hash.update(match message.speaker {
        Speaker::Assistant => b"a",
        Speaker::System => b"s",
        Speaker::User => b"u",
    });
    let mut any = false;
    for piece in &message.pieces {
        any |= add_loose(&mut hash, &piece.content);
    }
    any.then(|| short(&hash))
}

fn add_loose(hash: &mut blake3::Hasher, content: &Content) -> bool {
    match content {
        Content::Audio(media) | Content::Document(media) | Content::Image(media) | Content::Video(media) => {
            hash.update(b"\0m").update(media.identity().as_bytes());
        }
        Content::Refusal { text } => {
            hash.update(b"\0t").update(text.trim().as_bytes());
        }
        Content::ServerTool { raw, .. } | Content::Unknown { raw, .. } => {
            hash.update(b"\0o").update(canonical(raw.get()).as_bytes());
        }
        Content::Text { text } => {
            let kept = without_reminders(text);
            let kept = kept.trim();
            if kept.is_empty() {
                return false;
            }
            hash.update(b"\0t").update(kept.as_bytes());
        }
        Content::Thinking { .. } => return false,
        Content::ToolCall { arguments, name, .. } => {
            let arguments = match arguments {
                Arguments::Json(raw) => canonical(raw.get()),
                Arguments::Text(text) => text.clone(),
            };
            hash.update(b"\0c").update(name.as_bytes()).update(b"\0").update(arguments.as_bytes());
        }
        Content::ToolResult { content, .. } => {
            hash.update(b"\0r");
            for piece in content {
                add_loose(hash, &piece.content);
            }
        }
        Content::Unreadable { text, .. } => {
            hash.update(b"\0x").update(text.as_bytes());
        }
    }
    true
}

/// How a provider's cache knows it.
pub(crate) fn exact(pieces: &[Piece]) -> Print {
    let mut hash = blake3::Hasher::new();
    for piece in pieces {
        add_exact(&mut hash, &piece.content);
    }
    short(&hash)
}

fn add_exact(hash: &mut blake3::Hasher, content: &Content) {
    match content {
        Content::Text { text } => {
            hash.update(b"\0t").update(text.as_bytes());
        }
        Content::Thinking { seal, text, .. } => {
            hash.update(b"\0h").update(text.as_bytes());
            hash.update(seal.as_ref().map_or("", |seal| seal.as_str()).as_bytes());
        }
        Content::ToolCall { id, .. } => {
            hash.update(id.as_bytes());
            add_loose(hash, content);
        }
        Content::ToolResult { content, id, is_error } => {
            hash.update(b"\0r").update(id.as_bytes()).update(&[u8::from(*is_error)]);
            for piece in content {
                add_exact(hash, &piece.content);
            }
        }
        Content::Audio(_)
        | Content::Document(_)
        | Content::Image(_)
        | Content::Refusal { .. }
        | Content::ServerTool { .. }
        | Content::Unknown { .. }
        | Content::Unreadable { .. }
        | Content::Video(_) => {
            add_loose(hash, content);
        }
    }
}

pub(crate) fn of_text(text: &str) -> Print {
    let mut hash = blake3::Hasher::new();
    short(hash.update(text.as_bytes()))
}

fn short(hash: &blake3::Hasher) -> Print {
    let mut bytes = [0; 8];
    hash.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// JSON as a client writes it that has read and written it once: no white space, whole numbers without a point.
pub(crate) fn canonical(json: &str) -> String {
    fn settle(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(settle),
            Value::Number(number) => {
                let whole = number
                    .as_f64()
                    .filter(|read| number.is_f64() && read.fract() == 0.0 && read.abs() < 1e15);
                if let Some(whole) = whole {
                    *number = (whole as i64).into();
                }
            }
            Value::Object(members) => members.values_mut().for_each(settle),
            Value::Bool(_) | Value::Null | Value::String(_) => {}
        }
    }
    match serde_json::from_str::<Value>(json) {
        Ok(mut value) => {
            settle(&mut value);
            value.to_string()
        }
        Err(_) => json.to_owned(),
    }
}

/// What clients put into messages and take out or change later.
const REMINDERS: [(&str, &str); 2] =
    [("<system-reminder>", "</system-reminder>"), ("<total_tokens>", "</total_tokens>")];

/// A text without the reminders of the client. A reminder without an end goes to the end.
pub(crate) fn without_reminders(text: &str) -> String {
    parted(text).0
}

/// A text without the reminders of the client, and the reminders.
pub(crate) fn parted(text: &str) -> (String, String) {
    let (mut kept, mut taken) = (String::new(), String::new());
    let (mut rest, mut from) = (text, 0);
    while let Some(found) = rest[from..].find('<') {
        let at = from + found;
        let Some((_, close)) = REMINDERS.iter().find(|(open, _)| rest[at..].starts_with(open)) else {
            from = at + 1;
            continue;
        };
        let end = rest[at..].find(close).map_or(rest.len(), |end| at + end + close.len());
        kept.push_str(&rest[..at]);
        taken.push_str(&rest[at..end]);
        taken.push('\n');
        rest = &rest[end..];
        from = 0;
    }
    kept.push_str(rest);
    (kept, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_of_the_client_are_no_part_of_what_was_said() {
        let text =
            "a <b> <system-reminder>x</system-reminder>c<total_tokens>1</total_tokens> d <system-reminder>e";
        assert_eq!(without_reminders(text), "a <b> c d ");
        assert_eq!(without_reminders("<<<"), "<<<");
    }

    #[test]
    fn arguments_are_the_same_after_a_client_has_read_and_written_them() {
        assert_eq!(canonical("{ \"b\": 1.0,\n \"a\": [2.5] }"), "{\"b\":1,\"a\":[2.5]}");
        assert_eq!(canonical("{\"cut"), "{\"cut");
    }
}
