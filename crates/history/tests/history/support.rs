//! Sessions for tests: calls made of JSON, answers as streams, prices that are easy to reckon with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use lockgate_core::{Dialect, Usage};
use lockgate_history::{Bodies, Content, Conversation, Exchange};
use lockgate_ledger::{Basis, Cost, Nano, Part as CostPart, Share};
use lockgate_store::{
    Call, Client, Details, Lineage, Outcome, Principal, Recording, Route, SessionRef, Timing,
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The id of the n-th call of a test: a UUIDv7.
pub(crate) fn id(number: u64) -> Uuid {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(1_795_303_350_000 + number, &bytes).into_uuid()
}

/// A call of the main agent in a session.
pub(crate) fn row(number: u64, dialect: Dialect, kind: &str) -> Call {
    Call {
        usage: Usage::default(),
        client: Client {
            name: Some("claude-code".into()),
            version: Some("2.1.329".into()),
            user_agent: None,
        },
        cost_nano: None,
        error: None,
        id: id(number),
        intervened: false,
        lineage: Lineage {
            session: Some(SessionRef {
                id: "4f6d5d8b-d358-43d8-ad13-9dd1f06bac77".into(),
                source: "header".into(),
            }),
            turn: Some(1),
            turn_kind: Some(kind.into()),
            ..Lineage::default()
        },
        outcome: Outcome::Complete,
        price_version: None,
        principal: Principal { key: Some("tests".into()), ..Principal::default() },
        recording: Recording::Redacted,
        route: Route {
            front: Some(dialect),
            operation: "chat".into(),
            provider: Some("anthropic".into()),
            requested_model: Some("claude-opus-4-8".into()),
            resolved_model: Some("claude-opus-4-8".into()),
            streamed: true,
            upstream: Some(dialect),
            ..Route::default()
        },
        status: Some(200),
        stop_reason: Some("end_turn".into()),
        timing: Timing {
            started_us: 1_795_303_350_000_000 + number.cast_signed() * 2_000_000,
            total_us: Some(1_000_000),
            ..Timing::default()
        },
    }
}

/// A request of Anthropic's dialect.
pub(crate) fn request(messages: &[Value]) -> Vec<u8> {
    let tools = json!([{"name": "Read", "description": "Reads a file", "input_schema": {"type": "object"}}]);
    json!({"model": "claude-opus-4-8", "max_tokens": 100, "stream": true, "system": "Be brief.", "tools": tools, "messages": messages})
        .to_string()
        .into_bytes()
}

pub(crate) fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

pub(crate) fn assistant(blocks: impl Into<Value>) -> Value {
    let blocks = blocks.into();
    json!({"role": "assistant", "content": blocks})
}

pub(crate) fn says(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

pub(crate) fn calls(id: &str, name: &str, input: impl Into<Value>) -> Value {
    let input = input.into();
    json!([{"type": "tool_use", "id": id, "name": name, "input": input}])
}

pub(crate) fn result(id: &str, content: &str, is_error: bool) -> Value {
    json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error}]})
}

/// The stream in which Anthropic sends these blocks.
pub(crate) fn stream(blocks: &Value) -> Vec<u8> {
    let mut out = String::new();
    let mut put = |event: &str, data: Value| {
        write!(out, "event: {event}\ndata: {data}\n\n").unwrap();
    };
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    put(
        "message_start",
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}}),
    );
    for (index, block) in blocks.as_array().unwrap().iter().enumerate() {
        let mut start = block.clone();
        let mut deltas = Vec::new();
        match block["type"].as_str().unwrap() {
            "text" => {
                start["text"] = "".into();
                deltas.push(json!({"type": "text_delta", "text": block["text"]}));
            }
            "thinking" => {
                start["thinking"] = "".into();
                start["signature"] = "".into();
                deltas.push(json!({"type": "thinking_delta", "thinking": block["thinking"]}));
                deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            }
            "tool_use" => {
                start["input"] = json!({});
                // In two portions, and with the white space that models write.
                let input = serde_json::to_string_pretty(&block["input"]).unwrap();
                let (one, other) = input.split_at(input.len() / 2);
                deltas.push(json!({"type": "input_json_delta", "partial_json": one}));
                deltas.push(json!({"type": "input_json_delta", "partial_json": other}));
            }
            _ => {}
        }
        put(
            "content_block_start",
            json!({"type": "content_block_start", "index": index, "content_block": start}),
        );
        for delta in deltas {
            put(
                "content_block_delta",
                json!({"type": "content_block_delta", "index": index, "delta": delta}),
            );
        }
        put("content_block_stop", json!({"type": "content_block_stop", "index": index}));
    }
    put(
        "message_delta",
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 9}}),
    );
    put("message_stop", json!({"type": "message_stop"}));
    out.into_bytes()
}

/// Bodies of a call that passed as it was.
pub(crate) fn passed(request: Vec<u8>, answer: Vec<u8>) -> Bodies {
    Bodies { client_request: Some(request), upstream_answer: Some(answer), ..Bodies::default() }
}

pub(crate) fn read(call: &Call, bodies: &Bodies) -> Exchange {
    Exchange::read(call, &Details::default(), bodies)
}

/// A session that is told step by step: the history grows as a client's does.
pub(crate) struct Told {
    pub(crate) conversation: Conversation,
    pub(crate) history: Vec<Value>,
    number: u64,
}

impl Told {
    pub(crate) fn new() -> Self {
        Self { conversation: Conversation::new(), history: Vec::new(), number: 0 }
    }

    /// The next call's row.
    pub(crate) fn row(&self, kind: &str) -> Call {
        row(self.number, Dialect::Anthropic, kind)
    }

    /// A call with the history as it is; the answer is not added to it.
    pub(crate) fn call(&mut self, call: &Call, answer: &Value) -> usize {
        self.number += 1;
        let answer = if answer.is_null() { Vec::new() } else { stream(answer) };
        let bodies = passed(request(&self.history), answer);
        self.conversation.push(read(call, &bodies))
    }

    /// The client says something and keeps the answer.
    pub(crate) fn turn(&mut self, said: Value, kind: &str, answer: Value) -> usize {
        self.history.push(said);
        let row = self.row(kind);
        let number = self.call(&row, &answer);
        self.history.push(assistant(answer));
        number
    }
}

/// The texts of a thread in order, tool calls and results by their names and ids.
pub(crate) fn shown(conversation: &Conversation, entries: &[usize]) -> Vec<String> {
    let pieces = entries.iter().flat_map(|entry| &conversation.entries[*entry].message.pieces);
    pieces
        .map(|piece| match &piece.content {
            Content::Text { text } => text.clone(),
            Content::ToolCall { name, id, .. } => format!("{name}({id})"),
            Content::ToolResult { id, .. } => format!("result({id})"),
            other => format!("{other:?}"),
        })
        .collect()
}

/// A dollar per million of uncached tokens and so on, as Anthropic's prices stand to each other.
pub(crate) fn prices(_: &Call, usage: &Usage) -> Option<Cost> {
    let shares = [
        (CostPart::CacheRead, usage.cache_read, 100),
        (CostPart::CacheWrite5m, usage.cache_write_5m, 1_250),
        (CostPart::CacheWrite1h, usage.cache_write_1h, 2_000),
        (CostPart::Input, usage.input_uncached, 1_000),
        (CostPart::Output, usage.output, 5_000),
    ];
    let parts: Vec<_> = shares
        .into_iter()
        .filter_map(|(part, tokens, price)| {
            let units = tokens.filter(|tokens| *tokens > 0)?;
            Some(Share { part, units, amount: Nano::new(units * price) })
        })
        .collect();
    let total: Nano = parts.iter().map(|share| share.amount).sum();
    let known = usage.input_uncached.is_some();
    known.then_some(Cost { total, parts, basis: Basis::Table, table: Some(total), estimated: false })
}

/// Waits for what the store in memory has at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}
