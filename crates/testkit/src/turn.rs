//! An answer made ready: ids given, thinking signed, tokens counted, faults of content applied. What renderers render.
//!
//! Names no dialect's fields; ids and signatures are the only things that come from the dialect asked.

use serde_json::Value;

use crate::dialect::Dialect;
use crate::script::{Agent, Answer, Block, Chaos, Cited, Image, ServerTool, Step, Stop, ToolCall};
use crate::seen::Seen;
use crate::state::State;

/// Token counts of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input neither read from nor written to a cache.
    pub input: u64,
    /// Input read from a cache.
    pub cached: u64,
    /// Input written to a cache for five minutes.
    pub cache_write_5m: u64,
    /// Input written to a cache for an hour.
    pub cache_write_1h: u64,
    /// All output, reasoning included.
    pub output: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Input written to a cache.
    pub fn cache_write(&self) -> u64 {
        self.cache_write_5m + self.cache_write_1h
    }

    /// The whole prompt.
    pub fn prompt(&self) -> u64 {
        self.input + self.cached + self.cache_write()
    }
}

/// A tool call with everything decided.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// As the model wrote them.
    pub(crate) args: String,
    pub(crate) custom: bool,
    pub(crate) namespace: Option<String>,
    /// Gemini's proof of the thinking behind the call.
    pub(crate) signature: Option<String>,
}

impl Call {
    /// The arguments as an object; what is not one becomes empty, as real servers with object arguments do.
    pub(crate) fn object(&self) -> Value {
        serde_json::from_str(&self.args)
            .ok()
            .filter(Value::is_object)
            .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }
}

/// A block with everything decided.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Call(Call),
    Cited(Cited),
    Image(Image),
    Redacted(String),
    Refusal(String),
    ServerTool { id: String, tool: ServerTool },
    Text(String),
    Thinking { text: String, signature: String },
}

/// An answer made ready.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// Unique over all upstreams of a machine, hexadecimal, 24 characters.
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) created: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) stop: Stop,
    pub(crate) usage: Usage,
    pub(crate) chunk: usize,
    pub(crate) delay_ms: u64,
    /// Why the prompt cache missed, when the request asked.
    pub(crate) diagnostics: Option<Value>,
    /// What the call cost, when there is a price.
    pub(crate) cost: Option<u64>,
}

impl Turn {
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.parts.iter().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            Part::Cited(_)
            | Part::Image(_)
            | Part::Redacted(_)
            | Part::Refusal(_)
            | Part::ServerTool { .. }
            | Part::Text(_)
            | Part::Thinking { .. } => None,
        })
    }

    /// Makes an answer ready.
    pub(crate) fn make(answer: &Answer, chaos: &Chaos, seen: &Seen, state: &State) -> Self {
        let script = state.script();
        let id = state.next_id();
        let mut parts: Vec<Part> = answer.blocks.iter().map(|block| ready(block, seen, state)).collect();
        let stop = answer.stop.unwrap_or_else(|| implied(&parts));
        let stop = spoil(&mut parts, stop, chaos);
        let model = answer.model.clone().unwrap_or_else(|| seen.model().to_owned());
        let (mut usage, diagnostics) = state.cached_usage(seen, &id);
        let (visible, thought) = parts.iter().map(weight).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        usage.reasoning = answer.usage.reasoning.unwrap_or(thought);
        usage.output = answer.usage.output.unwrap_or(visible + usage.reasoning);
        usage.input = answer.usage.input.unwrap_or(usage.input);
        usage.cached = answer.usage.cached.unwrap_or(usage.cached);
        usage.cache_write_5m = answer.usage.cache_write.unwrap_or(usage.cache_write_5m);
        let cost = script.cost(&model, &usage);
        Self {
            id,
            model,
            created: crate::clock::unix_ms() / 1000,
            parts,
            stop,
            usage,
            chunk: answer.chunk.unwrap_or(script.chunk).max(1),
            delay_ms: answer.delay_ms.unwrap_or(script.delay_ms),
            diagnostics,
            cost,
        }
    }
}

/// The answer when no rule fits: says what it heard.
pub(crate) fn echo(seen: &Seen) -> Answer {
    let text = format!("You said: {}", seen.talk().last_user);
    Answer { blocks: vec![Block::Text(text)], ..Answer::default() }
}

/// The next move of an agent loop.
pub(crate) fn play(agent: &Agent, seen: &Seen) -> Answer {
    let talk = seen.talk();
    let calls: Vec<Block> = agent.steps.get(talk.rounds).map_or_else(Vec::new, |step| {
        let (wanted, most) = match step {
            Step::All(tools) => (tools, usize::MAX),
            Step::Any(tools) => (tools, 1),
        };
        let offered = wanted.iter().filter(|(name, _)| talk.offers(name).is_some()).take(most);
        offered.map(|(name, args)| Block::ToolCall(call_of(name, args))).collect()
    });
    let mut blocks: Vec<Block> = Vec::new();
    blocks.extend(agent.think.clone().map(Block::Thinking));
    if calls.is_empty() {
        blocks.push(Block::Text(agent.then.clone()));
    } else {
        blocks.extend(agent.say.clone().map(Block::Text));
        blocks.extend(calls);
    }
    Answer { blocks, chunk: agent.chunk, delay_ms: agent.delay_ms, ..Answer::default() }
}

fn call_of(name: &str, args: &Value) -> ToolCall {
    ToolCall { name: name.into(), args: args.clone(), args_text: None, id: None }
}

fn ready(block: &Block, seen: &Seen, state: &State) -> Part {
    match block {
        Block::Cited(cited) => Part::Cited(cited.clone()),
        Block::Image(image) => Part::Image(image.clone()),
        Block::RedactedThinking(data) => {
            state.signatures.allow(data);
            Part::Redacted(data.clone())
        }
        Block::Refusal(text) => Part::Refusal(fill(text, seen)),
        Block::ServerTool(tool) => {
            Part::ServerTool { id: format!("srvtoolu_{}", state.next_id()), tool: tool.clone() }
        }
        Block::Text(text) => Part::Text(fill(text, seen)),
        Block::Thinking(text) => {
            let text = fill(text, seen);
            let signature = state.signatures.issue(seen.route.dialect, &text, &state.next_id());
            Part::Thinking { text, signature }
        }
        Block::ToolCall(call) => Part::Call(ready_call(call, seen, state)),
    }
}

fn ready_call(call: &ToolCall, seen: &Seen, state: &State) -> Call {
    let offered = seen.talk().offers(&call.name);
    let written = call.args_text.clone().unwrap_or_else(|| match &call.args {
        Value::Null => "{}".into(),
        Value::String(text) => text.clone(),
        args => args.to_string(),
    });
    let prefix = match seen.route.dialect {
        Dialect::Anthropic => "toolu_",
        Dialect::Chat | Dialect::Gemini | Dialect::Ollama | Dialect::Responses => "call_",
    };
    let signed = seen.route.dialect == Dialect::Gemini;
    let sign = || state.signatures.issue(Dialect::Gemini, &call.name, &state.next_id());
    Call {
        signature: signed.then(sign),
        id: call.id.clone().unwrap_or_else(|| format!("{prefix}{}", state.next_id())),
        name: call.name.clone(),
        args: fill(&written, seen),
        custom: offered.map_or(call.args.is_string(), |tool| tool.custom),
        namespace: offered.and_then(|tool| tool.namespace.clone()),
    }
}

/// Fills `${model}`, `${last_user}` and `${cwd}` in.
fn fill(text: &str, seen: &Seen) -> String {
    if !text.contains("${") {
        return text.to_owned();
    }
    let cwd = if text.contains("${cwd}") { seen.cwd() } else { None };
    text.replace("${model}", seen.model())
        .replace("${cwd}", cwd.as_deref().unwrap_or("."))
        .replace("${last_user}", &seen.talk().last_user)
}

fn implied(parts: &[Part]) -> Stop {
    if parts.iter().any(|p| matches!(p, Part::Call(_))) {
        Stop::ToolUse
    } else if parts.iter().any(|p| matches!(p, Part::Refusal(_))) {
        Stop::Refusal
    } else {
        Stop::End
    }
}

/// Applies the faults of content and gives the stop reason that is told.
fn spoil(parts: &mut Vec<Part>, stop: Stop, chaos: &Chaos) -> Stop {
    if chaos.missing_tool_call {
        parts.retain(|p| !matches!(p, Part::Call(_)));
        return Stop::ToolUse;
    }
    if chaos.duplicate_tool_call {
        let last = parts.iter().rfind(|p| matches!(p, Part::Call(_))).cloned();
        parts.extend(last);
    }
    if chaos.empty {
        parts.clear();
    }
    if chaos.huge_mb > 0 {
        let line = "The quick brown fox jumps over the lazy dog, again and again. ";
        parts.push(Part::Text(line.repeat(chaos.huge_mb * 1024 * 1024 / line.len() + 1)));
    }
    if chaos.finish_stop { Stop::End } else { stop }
}

/// Output tokens of a part: visible and thought.
fn weight(part: &Part) -> (u64, u64) {
    let tokens = |len: usize| (len as u64).div_ceil(4);
    match part {
        Part::Call(call) => (tokens(call.name.len() + call.args.len()), 0),
        Part::Cited(cited) => (tokens(cited.text.len()), 0),
        Part::Image(image) => (tokens(image.data.len()), 0),
        Part::Redacted(data) => (0, tokens(data.len())),
        Part::Refusal(text) | Part::Text(text) => (tokens(text.len()), 0),
        Part::ServerTool { tool, .. } => (tokens(tool.name.len()), 0),
        Part::Thinking { text, .. } => (0, tokens(text.len())),
    }
}
