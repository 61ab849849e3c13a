//! What policies changed: the provider's answer beside the client's, the client's request beside the provider's.
//!
//! Compares what was said, in no dialect and without regard to how it was cut into pieces, so that a conversion between dialects is
//! no intervention. An answer that only broke off is none either.

use lockgate_store::{Call, Outcome};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::answer::Answer;
use crate::exchange::Request;
use crate::message::{Content, Message, Piece, Speaker};
use crate::print;

/// A change by a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Intervention {
    /// From the one to the other, line by line; empty where it is too long to compare.
    pub diff: Vec<Line>,
    /// What came out.
    pub r#final: String,
    /// What went in.
    pub original: String,
    /// Where.
    pub side: Changed,
    /// What it is (`text`, `tool_call`, `tool_result` …).
    pub what: &'static str,
}

/// Which way was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// What the provider sent, before the client got it.
    Answer,
    /// What the client sent, before the provider got it.
    Request,
}

/// A line of a comparison, without its line break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whether it is in both.
    pub tag: Tag,
    /// The line.
    pub text: String,
}

/// Which text has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// Both.
    Equal,
    /// The final one only.
    Final,
    /// The original one only.
    Original,
}

/// Texts that are longer together are not compared by lines.
const DIFF_BYTES: usize = 128 << 10;

/// Nor are those with more lines: the comparison takes time with their product.
const DIFF_LINES: usize = 4_000;

/// The sides of a call, as far as they were kept.
pub(crate) struct Sides<'a> {
    pub(crate) asked: Option<&'a Request>,
    pub(crate) delivered: Option<&'a Answer>,
    pub(crate) received: Option<&'a Answer>,
    pub(crate) sent: Option<&'a Request>,
}

/// Something said, however it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    model: bool,
    text: String,
    what: &'static str,
}

/// What differs between the sides.
pub(crate) fn interventions(call: &Call, sides: &Sides<'_>) -> Vec<Intervention> {
    let same_dialect = call.route.upstream.is_none_or(|upstream| Some(upstream) == call.route.front);
    let mut found = Vec::new();
    if let (Some(asked), Some(sent)) = (sides.asked, sides.sent) {
        compare(Changed::Request, &said_in(asked, same_dialect), &said_in(sent, same_dialect), &mut found);
    }
    if let (Some(received), Some(delivered)) = (sides.received, sides.delivered) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (answer, into) in [(received, &mut before), (delivered, &mut after)] {
            if let Some(message) = &answer.message {
                add_message(message, same_dialect, into);
            }
        }
        if !(is_cut(call, delivered) && begins_with(&before, &after)) {
            compare(Changed::Answer, &before, &after, &mut found);
        }
    }
    found
}

fn is_cut(call: &Call, delivered: &Answer) -> bool {
    if call.intervened {
        return false;
    }
    call.outcome != Outcome::Complete || delivered.broken.is_some() || delivered.error.is_some()
}

/// Whether what was delivered is the beginning of what was received.
fn begins_with(before: &[Said], after: &[Said]) -> bool {
    let Some((last, whole)) = after.split_last() else { return true };
    before.len() >= after.len()
        && before[..whole.len()] == *whole
        && before[whole.len()].what == last.what
        && before[whole.len()].text.starts_with(last.text.trim_end())
}

fn said_in(request: &Request, same_dialect: bool) -> Vec<Said> {
    let mut said = Vec::new();
    for piece in &request.system {
        add_piece(piece, false, same_dialect, &mut said);
    }
    for message in &request.messages {
        add_message(message, same_dialect, &mut said);
    }
    said
}

fn add_message(message: &Message, same_dialect: bool, said: &mut Vec<Said>) {
    for piece in &message.pieces {
        add_piece(piece, message.speaker == Speaker::Assistant, same_dialect, said);
    }
}

fn add_piece(piece: &Piece, model: bool, same_dialect: bool, said: &mut Vec<Said>) {
    if !same_dialect && piece.content.is_dialects_own() {
        return;
    }
    let (what, text) = match &piece.content {
        Content::Text { text } | Content::Refusal { text } => ("text", text.trim().to_owned()),
        Content::ToolCall { arguments, name, .. } => {
            ("tool_call", format!("{name} {}", print::canonical(arguments.as_str())))
        }
        Content::ToolResult { content, .. } => {
            let mut inner = Vec::new();
            for piece in content {
                add_piece(piece, false, same_dialect, &mut inner);
            }
            let text: Vec<_> = inner.into_iter().map(|said| said.text).collect();
            let text = text.join("\n");
            // Dialects without a field for errors say so in the text.
            ("tool_result", text.strip_prefix("Error: ").unwrap_or(&text).to_owned())
        }
        Content::Unreadable { text, .. } => ("unreadable", text.clone()),
        Content::Thinking { text, .. } => ("thinking", text.clone()),
        Content::ServerTool { raw, .. } | Content::Unknown { raw, .. } => {
            ("block", print::canonical(raw.get()))
        }
        Content::Audio(media) | Content::Document(media) | Content::Image(media) | Content::Video(media) => (
            "media",
            format!(
                "{} {:016x}",
                media.media_type.as_deref().unwrap_or("?"),
                print::of_text(media.identity())
            ),
        ),
    };
    if text.is_empty() {
        return;
    }
    match said.last_mut() {
        Some(last) if what == "text" && last.what == what && last.model == model => {
            last.text.push('\n');
            last.text.push_str(&text);
        }
        _ => said.push(Said { model, text, what }),
    }
}

fn compare(side: Changed, before: &[Said], after: &[Said], found: &mut Vec<Intervention>) {
    let start = before.iter().zip(after).take_while(|(one, other)| same(one, other)).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| same(one, other)).count();
    let (before, after) = (&before[..before.len() - end], &after[..after.len() - end]);
    for at in 0..before.len().max(after.len()) {
        let (original, r#final) = (before.get(at), after.get(at));
        if let (Some(one), Some(other)) = (original, r#final)
            && same(one, other)
        {
            continue;
        }
        let what = original.or(r#final).map_or("text", |said| said.what);
        let text = |said: Option<&Said>| said.map(|said| said.text.clone()).unwrap_or_default();
        let (original, r#final) = (text(original), text(r#final));
        found.push(Intervention { diff: diff(&original, &r#final), r#final, original, side, what });
    }
}

/// Whether two say the same, apart from white space.
fn same(one: &Said, other: &Said) -> bool {
    one.model == other.model
        && one.what == other.what
        && (one.text == other.text || one.text.split_whitespace().eq(other.text.split_whitespace()))
}

/// Line by line, from the one to the other.
pub(crate) fn diff(original: &str, r#final: &str) -> Vec<Line> {
    let lines = || original.lines().chain(r#final.lines()).nth(DIFF_LINES);
    if original.len() + r#final.len() > DIFF_BYTES || lines().is_some() {
        return Vec::new();
    }
    let compared = TextDiff::from_lines(original, r#final);
    let lines = compared.iter_all_changes().map(|change| {
        let tag = match change.tag() {
            ChangeTag::Delete => Tag::Original,
            ChangeTag::Equal => Tag::Equal,
            ChangeTag::Insert => Tag::Final,
        };
        Line { tag, text: change.value().trim_end_matches(['\n', '\r']).to_owned() }
    });
    lines.collect()
}
