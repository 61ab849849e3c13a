//! What goes to the command ahead of the messages, and how all of it is paced.
//!
//! The system text and the effort are control requests: the command takes them before it reads on, and answers each
//! with a `control_response` line. Nothing is sent where the client said nothing.

use std::ops::Range;

use lockgate_core::{Block, Conversation, ErrorKind, Failure};
use serde::Serialize;

#[derive(Serialize)]
struct Control<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: &'static str,
    request: Request<'a>,
}

#[derive(Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
enum Request<'a> {
    ApplyFlagSettings {
        settings: Effort<'a>,
    },
    Initialize {
        #[serde(rename = "systemPrompt")]
        system_prompt: String,
    },
}

#[derive(Serialize)]
struct Effort<'a> {
    #[serde(rename = "effortLevel")]
    level: &'a str,
}

/// The control requests of a conversation.
pub(super) fn lines(conversation: &Conversation, out: &mut Vec<u8>) -> Result<(), Failure> {
    let system = system_text(conversation);
    if !system.is_empty() {
        line("system", Request::Initialize { system_prompt: system }, out)?;
    }
    if let Some(level) = effort(conversation) {
        line("effort", Request::ApplyFlagSettings { settings: Effort { level } }, out)?;
    }
    Ok(())
}

fn line(request_id: &'static str, request: Request<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, &Control { kind: "control_request", request_id, request })
        .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
    out.push(b'\n');
    Ok(())
}

fn system_text(conversation: &Conversation) -> String {
    let mut all = String::new();
    for part in &conversation.system {
        if let Block::Text(text) = &part.block
            && !text.text.is_empty()
        {
            if !all.is_empty() {
                all.push_str("\n\n");
            }
            all.push_str(&text.text);
        }
    }
    all
}

/// How much to think; `None` = the command's own choice.
pub(super) fn effort(conversation: &Conversation) -> Option<&str> {
    let effort = conversation.reasoning.as_ref()?.effort.as_deref()?;
    matches!(effort, "low" | "medium" | "high" | "xhigh" | "max").then_some(effort)
}

/// How each user line begins.
const USER: &[u8] = b"{\"type\":\"user\"";

/// Where to pause while feeding a body: each range but the first may be written only after the command has printed its
/// `result` line for the one before ([`ends_step`](super::ends_step)). Fed at once, the command would put the
/// assistant's turns before the user's.
pub fn steps(body: &[u8]) -> Vec<Range<usize>> {
    let mut steps = Vec::new();
    let (mut from, mut at) = (0, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line.starts_with(USER) {
            steps.push(from..at);
            from = at;
        }
    }
    steps
}
