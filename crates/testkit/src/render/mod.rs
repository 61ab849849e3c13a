//! From a ready answer to a dialect's whole body or stream of frames. One file per dialect.
//!
//! Shapes come from the providers' documentation and published SDK types, never from the gateway's codecs, so that a
//! misreading there cannot hide here. Applies no transport faults; that is `play`.

mod anthropic;
mod chat;
mod gemini;
mod ollama;
mod responses;

use serde_json::Value;

use crate::dialect::Dialect;
use crate::script::Quirks;
use crate::seen::Seen;
use crate::turn::Turn;

/// One frame of a stream before it becomes bytes.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// SSE event name, where the dialect has one.
    pub(crate) event: Option<String>,
    pub(crate) data: Data,
    /// Carries content, so the answer's pace applies.
    pub(crate) paced: bool,
}

/// The payload of a frame.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Json(Value),
    /// As it is, valid or not.
    Text(String),
}

impl Frame {
    fn json(data: Value) -> Self {
        Self { event: None, data: Data::Json(data), paced: false }
    }

    /// An SSE event named after its own `type`.
    fn named(data: Value) -> Self {
        let event = data["type"].as_str().map(String::from);
        Self { event, data: Data::Json(data), paced: false }
    }

    fn paced(mut self) -> Self {
        self.paced = true;
        self
    }
}

/// What renderers need beside the answer.
pub(crate) struct Ask<'a> {
    pub(crate) seen: &'a Seen,
    pub(crate) quirks: &'a Quirks,
    /// The host that really answers, for Ollama's cloud models.
    pub(crate) remote_host: Option<String>,
}

/// How frames become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    JsonArray,
    Ndjson,
    Sse,
}

pub(crate) fn framing(seen: &Seen) -> Framing {
    match seen.route.dialect {
        Dialect::Ollama => Framing::Ndjson,
        Dialect::Gemini if !seen.route.sse => Framing::JsonArray,
        Dialect::Anthropic | Dialect::Chat | Dialect::Gemini | Dialect::Responses => Framing::Sse,
    }
}

/// The whole answer.
pub(crate) fn whole(turn: &Turn, ask: &Ask<'_>) -> Value {
    match ask.seen.route.dialect {
        Dialect::Anthropic => anthropic::whole(turn, ask),
        Dialect::Chat => chat::whole(turn, ask),
        Dialect::Gemini => gemini::whole(turn, ask),
        Dialect::Ollama => ollama::whole(turn, ask),
        Dialect::Responses => responses::whole(turn, ask),
    }
}

/// The answer as frames.
pub(crate) fn stream(turn: &Turn, ask: &Ask<'_>) -> Vec<Frame> {
    match ask.seen.route.dialect {
        Dialect::Anthropic => anthropic::stream(turn, ask),
        Dialect::Chat => chat::stream(turn, ask),
        Dialect::Gemini => gemini::stream(turn, ask),
        Dialect::Ollama => ollama::stream(turn, ask),
        Dialect::Responses => responses::stream(turn, ask),
    }
}

/// An error body. `kind` is the provider's own word for it where it has one beside the status.
pub(crate) fn error(dialect: Dialect, status: u16, kind: Option<&str>, message: &str, id: &str) -> Value {
    match dialect {
        Dialect::Anthropic => anthropic::error(status, kind, message, id),
        Dialect::Chat | Dialect::Responses => chat::error(status, kind, message),
        Dialect::Gemini => gemini::error(status, kind, message),
        Dialect::Ollama => ollama::error(message),
    }
}

/// An error as a frame inside a stream that began with 200.
pub(crate) fn error_frame(dialect: Dialect, status: u16, message: &str, id: &str) -> Frame {
    let body = error(dialect, status, None, message, id);
    match dialect {
        Dialect::Anthropic => Frame::named(body),
        Dialect::Chat | Dialect::Gemini | Dialect::Ollama => Frame::json(body),
        Dialect::Responses => responses::error_frame(status, message),
    }
}

/// What each status usually says.
pub(crate) fn usual_message(dialect: Dialect, status: u16) -> &'static str {
    match (status, dialect) {
        (401, Dialect::Anthropic) => "invalid x-api-key",
        (401, Dialect::Gemini) => {
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential."
        }
        (401, _) => "Incorrect API key provided.",
        (403, _) => "Your account does not have permission to use this resource.",
        (404, _) => "Not Found",
        (408, _) => "Request timed out.",
        (413, _) => "Request exceeds the maximum size",
        (429, Dialect::Anthropic) => "This request would exceed your organization's rate limit.",
        (429, Dialect::Gemini) => "Resource has been exhausted (e.g. check quota).",
        (429, _) => "Rate limit reached for requests.",
        (500, Dialect::Gemini) => "An internal error has occurred. Please retry.",
        (500, Dialect::Anthropic) => "Internal server error",
        (500, _) => "The server had an error while processing your request. Sorry about that!",
        (503, Dialect::Gemini) => "The model is overloaded. Please try again later.",
        (503, Dialect::Ollama) => "server busy, please try again.  maximum pending requests exceeded",
        (503, _) => "The engine is currently overloaded, please try again later.",
        (529, _) => "Overloaded",
        (_, _) => "Bad request",
    }
}

/// Text in pieces of `size` characters.
pub(crate) fn pieces(text: &str, size: usize) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        let (head, tail) = rest.split_at(end);
        out.push(head);
        rest = tail;
    }
    out
}
