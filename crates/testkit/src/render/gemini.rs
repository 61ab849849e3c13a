//! Gemini generateContent: response, stream of responses, error. AI Studio and Vertex differ in a few fields.

use serde_json::{Value, json};

use super::{Ask, Frame, pieces};
use crate::clock;
use crate::script::{Cited, Stop};
use crate::turn::{Part, Turn};

/// Thinking is shown only to those who ask for it, in either spelling: google-genai for Python writes `include_thoughts`.
fn shows_thoughts(ask: &Ask<'_>) -> bool {
    let wish = &ask.seen.body()["generationConfig"]["thinkingConfig"];
    wish["includeThoughts"] == true || wish["include_thoughts"] == true
}

/// All parts, text whole; the signature of the thinking goes on the first call or else on the end.
fn parts(turn: &Turn, ask: &Ask<'_>) -> Vec<Value> {
    let mut signature: Option<String> = None;
    let mut signed_call = false;
    let mut out = Vec::new();
    for part in &turn.parts {
        match part {
            Part::Call(call) => {
                let mut shown = json!({"functionCall": {"name": call.name, "args": call.object()}});
                if let Some(signature) = call.signature.as_ref().filter(|_| !signed_call) {
                    shown["thoughtSignature"] = json!(signature);
                    signed_call = true;
                }
                out.push(shown);
            }
            Part::Cited(Cited { text, .. }) | Part::Text(text) => out.push(json!({"text": text})),
            Part::Image(image) => {
                out.push(json!({"inlineData": {"mimeType": image.media_type, "data": image.data}}));
            }
            Part::Redacted(_) | Part::Refusal(_) | Part::ServerTool { .. } => {}
            Part::Thinking { text, signature: sign } => {
                signature = Some(sign.clone());
                if shows_thoughts(ask) {
                    out.push(json!({"text": text, "thought": true}));
                }
            }
        }
    }
    if let Some(signature) = signature.filter(|_| turn.calls().next().is_none()) {
        out.push(json!({"text": "", "thoughtSignature": signature}));
    }
    out
}

fn response(turn: &Turn, ask: &Ask<'_>, mut candidate: Value, last: bool) -> Value {
    candidate["index"] = json!(0);
    let mut out = json!({
        "candidates": [candidate], "usageMetadata": usage(turn, ask, last), "modelVersion": turn.model,
        "responseId": turn.id,
    });
    if ask.seen.route.vertex {
        out["createTime"] = json!(clock::rfc3339(turn.created * 1000));
    }
    out
}

fn usage(turn: &Turn, ask: &Ask<'_>, last: bool) -> Value {
    let used = &turn.usage;
    let visible = used.output.saturating_sub(used.reasoning);
    let mut usage = json!({
        "promptTokenCount": used.prompt(), "totalTokenCount": used.prompt() + used.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": used.prompt()}],
    });
    if last {
        usage["candidatesTokenCount"] = json!(visible);
    }
    if used.cached > 0 {
        usage["cachedContentTokenCount"] = json!(used.cached);
    }
    if used.reasoning > 0 {
        usage["thoughtsTokenCount"] = json!(used.reasoning);
    }
    if ask.seen.route.vertex {
        usage["trafficType"] = json!("ON_DEMAND");
    }
    usage
}

/// What goes beside the content at the end.
fn close(candidate: &mut Value, turn: &Turn) {
    candidate["finishReason"] = json!(match turn.stop {
        Stop::End | Stop::Pause | Stop::StopSequence | Stop::ToolUse => "STOP",
        Stop::MaxTokens => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    });
    for part in &turn.parts {
        match part {
            Part::Call(_) | Part::Image(_) | Part::Redacted(_) | Part::Text(_) | Part::Thinking { .. } => {}
            Part::Cited(cited) => candidate["groundingMetadata"] = grounding(cited),
            Part::Refusal(text) => candidate["finishMessage"] = json!(text),
            Part::ServerTool { tool, .. } => {
                let query = tool.input.get("query").cloned().unwrap_or_default();
                candidate["groundingMetadata"] = json!({"webSearchQueries": [query]});
            }
        }
    }
}

fn grounding(cited: &Cited) -> Value {
    json!({
        "groundingChunks": [{"web": {"uri": cited.url, "title": cited.title}}],
        "groundingSupports": [{
            "segment": {"endIndex": cited.text.len(), "text": cited.text}, "groundingChunkIndices": [0],
        }],
    })
}

pub(super) fn whole(turn: &Turn, ask: &Ask<'_>) -> Value {
    let parts = parts(turn, ask);
    let mut candidate = json!({});
    if !parts.is_empty() {
        candidate["content"] = json!({"parts": parts, "role": "model"});
    }
    close(&mut candidate, turn);
    response(turn, ask, candidate, true)
}

pub(super) fn stream(turn: &Turn, ask: &Ask<'_>) -> Vec<Frame> {
    let mut shown: Vec<Value> = Vec::new();
    for part in parts(turn, ask) {
        let Some(text) = part["text"].as_str().filter(|t| !t.is_empty()) else {
            shown.push(part);
            continue;
        };
        for piece in pieces(text, turn.chunk) {
            let mut cut = part.clone();
            cut["text"] = json!(piece);
            shown.push(cut);
        }
    }
    let tail = shown.pop();
    let mut frames: Vec<Frame> = shown
        .into_iter()
        .map(|part| {
            let candidate = json!({"content": {"parts": [part], "role": "model"}});
            Frame::json(response(turn, ask, candidate, false)).paced()
        })
        .collect();
    let mut candidate = json!({});
    if let Some(part) = tail {
        candidate["content"] = json!({"parts": [part], "role": "model"});
    }
    close(&mut candidate, turn);
    frames.push(Frame::json(response(turn, ask, candidate, true)).paced());
    frames
}

pub(super) fn error(status: u16, kind: Option<&str>, message: &str) -> Value {
    let kind = kind.unwrap_or(match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    });
    json!({"error": {"code": status, "message": message, "status": kind}})
}
