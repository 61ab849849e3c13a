//! Simulated prompt caches: explicit breakpoints as at Anthropic, the automatic prefix as at OpenAI and Gemini.
//!
//! Remembers hashes of prefixes, never the prompts. Tokens are bytes/4 of the JSON, so figures are the same on every run.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::seen::{list, text};
use crate::turn::Usage;

/// OpenAI counts cached tokens in steps of this many.
const STEP_TOKENS: usize = 128;
/// How many blocks before a breakpoint Anthropic looks for an older entry.
const LOOK_BACK: usize = 20;
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);

/// The caches of all dialects.
#[derive(Debug, Default)]
pub(crate) struct PromptCache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Prefix hash to expiry and lifetime.
    prefixes: HashMap<u64, (Instant, Duration)>,
    /// Message id to the shape of the prompt it answered.
    prompts: HashMap<String, Shape>,
}

/// The parts of a prompt that `diagnostics` tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    model: String,
    tools: u64,
    system: u64,
    messages: Vec<u64>,
}

/// One block of a prompt: content without its `cache_control`, size, and the lifetime if it is a breakpoint.
struct Piece {
    hash: u64,
    bytes: usize,
    ttl: Option<Duration>,
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn piece(block: &Value, salt: &str) -> Piece {
    let ttl = block
        .get("cache_control")
        .filter(|c| !c.is_null())
        .map(|control| if text(control, "ttl") == "1h" { HOUR } else { FIVE_MINUTES });
    let mut bare = block.clone();
    if let Some(object) = bare.as_object_mut() {
        object.shift_remove("cache_control");
    }
    let written = bare.to_string();
    Piece { hash: hash((salt, &written)), bytes: written.len(), ttl }
}

fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::Array(items) => items.clone(),
        Value::String(said) => vec![json!({"type": "text", "text": said})],
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// The prompt in the order in which Anthropic caches it: tools, system, messages.
fn pieces(body: &Value) -> Vec<Piece> {
    let mut all: Vec<Piece> = list(body, "tools").iter().map(|t| piece(t, "tool")).collect();
    all.extend(blocks(&body["system"]).iter().map(|b| piece(b, "system")));
    for message in list(body, "messages") {
        let role = text(message, "role");
        all.extend(blocks(&message["content"]).iter().map(|b| piece(b, role)));
    }
    if let (Some(control), Some(last)) = (body.get("cache_control").filter(|c| !c.is_null()), all.last_mut())
    {
        last.ttl = Some(if text(control, "ttl") == "1h" { HOUR } else { FIVE_MINUTES });
    }
    all
}

impl PromptCache {
    /// The input side of an Anthropic usage.
    pub(crate) fn anthropic(&self, model: &str, body: &Value, least: u64) -> Usage {
        let pieces = pieces(body);
        let tokens = |bytes: usize| (bytes / 4) as u64;
        let mut running = hash(model);
        let mut ends = Vec::with_capacity(pieces.len());
        let mut bytes = 0;
        for piece in &pieces {
            running = hash((running, piece.hash));
            bytes += piece.bytes;
            ends.push((running, bytes));
        }
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let marks: Vec<usize> = (0..pieces.len()).filter(|at| pieces[*at].ttl.is_some()).collect();
        let hit = marks
            .iter()
            .flat_map(|mark| (mark.saturating_sub(LOOK_BACK)..=*mark).rev())
            .filter(|at| inner.prefixes.get(&ends[*at].0).is_some_and(|(until, _)| *until > now))
            .max();
        if let Some(entry) = hit.and_then(|at| inner.prefixes.get_mut(&ends[at].0)) {
            entry.0 = now + entry.1;
        }
        let mut usage = Usage { cached: hit.map_or(0, |at| tokens(ends[at].1)), ..Usage::default() };
        let mut covered = usage.cached;
        for mark in marks {
            let upto = tokens(ends[mark].1);
            if upto < least || upto <= covered {
                continue;
            }
            let ttl = pieces[mark].ttl.unwrap_or(FIVE_MINUTES);
            inner.prefixes.insert(ends[mark].0, (now + ttl, ttl));
            if ttl == HOUR {
                usage.cache_write_1h += upto - covered;
            } else {
                usage.cache_write_5m += upto - covered;
            }
            covered = upto;
        }
        usage.input = tokens(bytes).saturating_sub(covered).max(1);
        usage
    }

    /// Tokens of the prompt's prefix that an automatic cache holds; the prompt is held from now on.
    pub(crate) fn automatic(&self, salt: &str, prompt: &[u8], least: u64) -> u64 {
        let now = Instant::now();
        let mut running = hash(salt);
        let mut cached = 0;
        let mut unbroken = true;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, step) in prompt.chunks_exact(STEP_TOKENS * 4).enumerate() {
            running = hash((running, step));
            unbroken = unbroken && inner.prefixes.get(&running).is_some_and(|(until, _)| *until > now);
            if unbroken {
                cached = ((at + 1) * STEP_TOKENS) as u64;
            }
            inner.prefixes.insert(running, (now + FIVE_MINUTES, FIVE_MINUTES));
        }
        if cached >= least { cached } else { 0 }
    }

    /// Why the cache missed, against the prompt that `diagnostics.previous_message_id` names.
    pub(crate) fn diagnose(&self, body: &Value, answer_id: &str) -> Option<Value> {
        let section = |field: &str| {
            let parts: Vec<u64> = blocks(&body[field]).iter().map(|b| piece(b, field).hash).collect();
            hash(parts)
        };
        let messages = list(body, "messages").iter().map(|message| {
            let parts: Vec<u64> = blocks(&message["content"]).iter().map(|b| piece(b, "").hash).collect();
            hash((text(message, "role"), parts))
        });
        let shape = Shape {
            model: text(body, "model").into(),
            tools: section("tools"),
            system: section("system"),
            messages: messages.collect(),
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let diagnosis = body.get("diagnostics").filter(|d| !d.is_null()).map(|asked| {
            let reason = match asked["previous_message_id"].as_str() {
                None => Value::Null,
                Some(id) => inner.prompts.get(id).map_or_else(
                    || json!({"type": "previous_message_not_found"}),
                    |before| shape.changed_since(before, body.to_string().len()),
                ),
            };
            json!({"cache_miss_reason": reason})
        });
        inner.prompts.insert(format!("msg_{answer_id}"), shape);
        diagnosis
    }
}

impl Shape {
    fn changed_since(&self, before: &Self, bytes: usize) -> Value {
        let kind = if self.model != before.model {
            "model_changed"
        } else if self.tools != before.tools {
            "tools_changed"
        } else if self.system != before.system {
            "system_changed"
        } else if !self.messages.starts_with(&before.messages) {
            "messages_changed"
        } else {
            return Value::Null;
        };
        json!({"type": kind, "cache_missed_input_tokens": bytes / 4})
    }
}
