//! From frames to what happens on the socket: bytes, pauses, and the faults of transport.
//!
//! Decides everything beforehand; `http` only carries it out.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::dialect::Dialect;
use crate::render::{Data, Frame, Framing};
use crate::script::{Chaos, Quirks};

/// One thing that happens while a body is written.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Bytes(Bytes),
    /// The same again and again, after a pause each time, until the client leaves.
    Forever(Bytes, Duration),
    Pause(Duration),
    /// Close with RST.
    Reset,
    /// Silence until the client leaves.
    Stall,
}

/// A response, decided to the last byte.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Wait before the status line.
    pub(crate) before: Duration,
    /// RST in place of a response.
    pub(crate) refused: bool,
    /// Known length of the body; without it, chunked.
    pub(crate) length: Option<usize>,
    pub(crate) body: Vec<Step>,
}

impl Response {
    pub(crate) fn whole(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: vec![("content-type".into(), kind.into())],
            length: Some(body.len()),
            body: vec![Step::Bytes(body)],
            ..Self::default()
        }
    }

    pub(crate) fn json(status: u16, dialect: Dialect, body: &Value) -> Self {
        let kind = match dialect {
            Dialect::Gemini => "application/json; charset=UTF-8",
            Dialect::Ollama => "application/json; charset=utf-8",
            Dialect::Anthropic | Dialect::Chat | Dialect::Responses => "application/json",
        };
        Self::whole(status, kind, written(body, dialect == Dialect::Ollama))
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Applies the faults that do not depend on events: delays, splits, resets after bytes.
    pub(crate) fn spoil(&mut self, chaos: &Chaos) {
        self.refused = chaos.refused;
        self.before = Duration::from_millis(chaos.first_byte_delay_ms);
        if let Some(most) = chaos.reset_after_bytes {
            self.cut(most);
        }
        if chaos.split_bytes == 0 && !chaos.split_utf8 {
            return;
        }
        let pause = Duration::from_millis(chaos.split_delay_ms);
        let mut steps = Vec::new();
        for step in std::mem::take(&mut self.body) {
            let Step::Bytes(bytes) = step else {
                steps.push(step);
                continue;
            };
            for piece in cuts(&bytes, chaos) {
                steps.push(Step::Bytes(piece));
                if !pause.is_zero() {
                    steps.push(Step::Pause(pause));
                }
            }
        }
        self.body = steps;
    }

    /// Half a whole answer, then filler without end.
    pub(crate) fn endless(half: String, chaos: &Chaos) -> Self {
        let filler = Bytes::from(vec![b'x'; 64 * 1024]);
        let pause = Duration::from_millis(chaos.endless_ms);
        let body = vec![Step::Bytes(half.into()), Step::Forever(filler, pause)];
        let headers = vec![("content-type".into(), "application/json".into())];
        Self { status: 200, headers, body, ..Self::default() }
    }

    fn cut(&mut self, most: usize) {
        let mut left = most;
        let mut steps = Vec::new();
        for step in std::mem::take(&mut self.body) {
            match step {
                Step::Bytes(bytes) if bytes.len() >= left => {
                    steps.push(Step::Bytes(bytes.slice(..left)));
                    left = 0;
                    break;
                }
                Step::Bytes(bytes) => {
                    left -= bytes.len();
                    steps.push(Step::Bytes(bytes));
                }
                Step::Forever(..) | Step::Pause(_) | Step::Reset | Step::Stall => steps.push(step),
            }
        }
        if left == 0 {
            steps.push(Step::Reset);
        }
        self.body = steps;
    }
}

fn cuts(bytes: &Bytes, chaos: &Chaos) -> Vec<Bytes> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in 1..=bytes.len() {
        let inside = chaos.split_utf8 && bytes.get(at).is_some_and(|b| b & 0b1100_0000 == 0b1000_0000);
        let full = chaos.split_bytes > 0 && at - from >= chaos.split_bytes;
        if inside || full || at == bytes.len() {
            out.push(bytes.slice(from..at));
            from = at;
        }
    }
    out
}

/// JSON as the provider writes it; Ollama's is Go's, which escapes what HTML would mind.
pub(crate) fn written(value: &Value, go: bool) -> String {
    let text = value.to_string();
    if !go {
        return text;
    }
    let escapes = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    escapes.iter().fold(text, |text, (from, to)| text.replace(*from, to))
}

/// A stream's steps, with the faults that count events.
pub(crate) fn steps(frames: Vec<Frame>, framing: Framing, plan: &Plan<'_>) -> Vec<Step> {
    let mut frames = frames;
    if let Some(at) = plan.chaos.error_after_events {
        frames.truncate(at);
        let mut error = plan.error.clone();
        if let Some(Data::Json(data)) = error.as_mut().map(|frame| &mut frame.data)
            && data.get("sequence_number").is_some()
        {
            data["sequence_number"] = frames.len().into();
        }
        frames.extend(error);
    }
    if let Some(at) = plan.chaos.malformed_after_events {
        let broken = "{\"id\": \"broken\", \"choices\": [{\"delta\"".to_owned();
        let frame = Frame { event: None, data: Data::Text(broken), paced: false };
        frames.insert(at.min(frames.len()), frame);
    }
    let total = frames.len();
    let ends = [plan.chaos.reset_after_events, plan.chaos.close_after_events];
    frames.truncate(ends.iter().flatten().copied().min().unwrap_or(usize::MAX));
    let pace = Duration::from_millis(plan.delay_ms);
    let mut out = Vec::new();
    if plan.quirks.comments && framing == Framing::Sse {
        out.push(Step::Bytes(comment(plan.quirks)));
    }
    for (at, frame) in frames.into_iter().enumerate() {
        if plan.chaos.stall_after_events == Some(at) {
            out.push(match plan.chaos.stall_ms {
                0 => Step::Stall,
                ms => Step::Pause(Duration::from_millis(ms)),
            });
        }
        if frame.paced && !pace.is_zero() {
            out.push(Step::Pause(pace));
        }
        if plan.quirks.comments && framing == Framing::Sse && at == 1 {
            out.push(Step::Bytes(comment(plan.quirks)));
        }
        let written = bytes(&frame, framing, at, total, plan);
        if plan.chaos.endless_after_events == Some(at) {
            out.push(Step::Forever(written, Duration::from_millis(plan.chaos.endless_ms)));
            break;
        }
        out.push(Step::Bytes(written));
    }
    if plan.chaos.reset_after_events.is_some() {
        out.push(Step::Reset);
    }
    out
}

/// What shapes a stream beside its frames.
pub(crate) struct Plan<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) chaos: &'a Chaos,
    pub(crate) quirks: &'a Quirks,
    pub(crate) delay_ms: u64,
    /// The frame for an error inside the 200.
    pub(crate) error: Option<Frame>,
}

fn comment(quirks: &Quirks) -> Bytes {
    let end = if quirks.crlf { "\r\n\r\n" } else { "\n\n" };
    format!(": OPENROUTER PROCESSING{end}").into()
}

fn bytes(frame: &Frame, framing: Framing, at: usize, total: usize, plan: &Plan<'_>) -> Bytes {
    let data = match &frame.data {
        Data::Json(value) => written(value, plan.dialect == Dialect::Ollama),
        Data::Text(text) => text.clone(),
    };
    let line = match framing {
        Framing::JsonArray => {
            let open = if at == 0 { "[" } else { "," };
            let close = if at + 1 == total { "]" } else { "\r\n" };
            format!("{open}{data}{close}")
        }
        Framing::Ndjson => format!("{data}\n"),
        Framing::Sse => {
            // Google ends its lines with CRLF, the others with LF.
            let crlf = plan.quirks.crlf || plan.dialect == Dialect::Gemini;
            let end = if crlf { "\r\n" } else { "\n" };
            let space = if plan.quirks.no_space { "" } else { " " };
            let named = frame.event.as_ref().filter(|_| !plan.quirks.no_event_names);
            let event = named.map_or_else(String::new, |name| format!("event:{space}{name}{end}"));
            format!("{event}data:{space}{data}{end}{end}")
        }
    };
    line.into()
}
