//! The requests that are sent: a small chat, and a turn of a coding agent.
//!
//! Of an exact size, and different each time in sixteen digits, so that no answer can come from a cache. The agent's
//! turn has a system prompt in blocks, twenty tools with their schemas, and a dozen tool calls whose results are files.

use std::io;

use memchr::memmem;
use serde_json::{Value, json};

use crate::dialect::Dialect;

/// Size of the small request's body.
pub(crate) const SMALL: usize = 1024;
/// Size of the agent's body.
pub(crate) const AGENT: usize = 150 * 1024;

const NONCE: &str = "@n0000000000000000";
const TOOLS: usize = 20;
const CALLS: usize = 12;

/// A request as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    nonce: usize,
}

impl Request {
    /// A request of `client`'s dialect, its body `size` bytes long, for `model`.
    pub(crate) fn new(
        client: Dialect,
        size: usize,
        model: &str,
        stream: bool,
        key: &str,
    ) -> io::Result<Self> {
        let body = body(client, size, model, stream)?;
        let credential = match client {
            Dialect::Anthropic => format!("x-api-key: {key}\r\nanthropic-version: 2023-06-01"),
            Dialect::OpenAi => format!("authorization: Bearer {key}"),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: lockgate-bench\r\naccept: */*\r\n\
             content-type: application/json\r\n{credential}\r\ncontent-length: {}\r\n\r\n",
            client.path(),
            body.len()
        );
        let bytes = [head.as_bytes(), &body].concat();
        let nonce = memmem::find(&bytes, NONCE.as_bytes()).map(|at| at + 2);
        Ok(Self { nonce: nonce.ok_or_else(|| io::Error::other("the request has no nonce"))?, bytes })
    }

    /// The bytes of the request with this number.
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:016}");
        self.bytes[self.nonce..self.nonce + 16].copy_from_slice(&digits.as_bytes()[..16]);
        &self.bytes
    }
}

/// A body of exactly `size` bytes; what is missing is filled into the last message.
fn body(client: Dialect, size: usize, model: &str, stream: bool) -> io::Result<Vec<u8>> {
    let build = |fill: usize| {
        let question = format!("{NONCE} What does this do?{}", prose(fill));
        let mut value = match (client, size > SMALL) {
            (Dialect::Anthropic, false) => anthropic_chat(model, &question),
            (Dialect::Anthropic, true) => anthropic_agent(model, &question),
            (Dialect::OpenAi, false) => openai_chat(model, &question),
            (Dialect::OpenAi, true) => openai_agent(model, &question),
        };
        if stream {
            value["stream"] = true.into();
            if client == Dialect::OpenAi {
                value["stream_options"] = json!({"include_usage": true});
            }
        }
        value.to_string().into_bytes()
    };
    let bare = build(0).len();
    let fill = size.checked_sub(bare);
    fill.map(build).ok_or_else(|| io::Error::other(format!("{bare} bytes do not fit into {size}")))
}

fn anthropic_chat(model: &str, question: &str) -> Value {
    json!({"model": model, "max_tokens": 1024, "system": "You are a careful engineer.",
        "messages": [{"role": "user", "content": question}]})
}

fn openai_chat(model: &str, question: &str) -> Value {
    json!({"model": model, "max_completion_tokens": 1024, "messages": [
        {"role": "system", "content": "You are a careful engineer."}, {"role": "user", "content": question}]})
}

fn anthropic_agent(model: &str, question: &str) -> Value {
    let mut messages =
        vec![json!({"role": "user", "content": [{"type": "text", "text": "Repair the build."}]})];
    for call in 0..CALLS {
        let id = format!("toolu_{call:024}");
        messages.push(json!({"role": "assistant", "content": [
            {"type": "text", "text": format!("I read file {call}.")},
            {"type": "tool_use", "id": id, "name": tool_name(call), "input": input(call)}]}));
        messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": file(call)}]}]}));
    }
    messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "I have seen enough."}]}));
    messages.push(json!({"role": "user", "content": [{"type": "text", "text": question}]}));
    let tools: Vec<Value> = (0..TOOLS)
        .map(|tool| json!({"name": tool_name(tool), "description": prose(900), "input_schema": schema(tool)}))
        .collect();
    let cached = json!({"type": "ephemeral"});
    json!({"model": model, "max_tokens": 32_000, "temperature": 1, "system": [
            {"type": "text", "text": prose(2_000)}, {"type": "text", "text": prose(10_000), "cache_control": cached}],
        "tools": tools, "messages": messages, "metadata": {"user_id": "bench"}})
}

fn openai_agent(model: &str, question: &str) -> Value {
    let mut messages = vec![
        json!({"role": "system", "content": [
            {"type": "text", "text": prose(2_000)}, {"type": "text", "text": prose(10_000)}]}),
        json!({"role": "user", "content": "Repair the build."}),
    ];
    for call in 0..CALLS {
        let id = format!("call_{call:024}");
        messages.push(json!({"role": "assistant", "content": format!("I read file {call}."), "tool_calls": [
            {"id": id, "type": "function",
             "function": {"name": tool_name(call), "arguments": input(call).to_string()}}]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": file(call)}));
    }
    messages.push(json!({"role": "assistant", "content": "I have seen enough."}));
    messages.push(json!({"role": "user", "content": question}));
    let tools: Vec<Value> = (0..TOOLS)
        .map(|tool| {
            let function =
                json!({"name": tool_name(tool), "description": prose(900), "parameters": schema(tool)});
            json!({"type": "function", "function": function})
        })
        .collect();
    json!({"model": model, "max_completion_tokens": 32_000, "temperature": 1, "messages": messages, "tools": tools})
}

fn tool_name(tool: usize) -> String {
    format!("workspace_tool_{tool}")
}

fn input(call: usize) -> Value {
    json!({"path": format!("crates/part_{call}/src/lib.rs"), "offset": call * 10, "limit": 2_000})
}

fn schema(tool: usize) -> Value {
    let mut properties = json!({});
    for name in ["path", "offset", "limit", "pattern", "replacement", "mode"] {
        properties[name] = match name {
            "limit" | "offset" => json!({"type": "integer", "minimum": 0, "description": prose(230)}),
            "mode" => {
                json!({"type": "string", "enum": ["read", "write", "append"], "description": prose(230)})
            }
            _ => json!({"type": "string", "description": format!("{tool}: {}", prose(230))}),
        };
    }
    json!({"type": "object", "properties": properties, "required": ["path"], "additionalProperties": false})
}

/// Text of a manual, cut at this many bytes. Nothing in it is escaped in JSON, so its length is the same there.
fn prose(bytes: usize) -> String {
    " Use absolute paths, read before you write, and say so when the tests are green."
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// Source text, with the line ends and quotes that JSON must escape.
fn file(call: usize) -> String {
    let line = |line| format!("    let value_{line} = read(\"part_{call}/{line}\")?;\t// said \"so\"");
    (0..108).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Shape;

    fn every() -> impl Iterator<Item = (Dialect, usize, bool)> {
        let sized = |client| [SMALL, AGENT].map(|size| [(client, size, false), (client, size, true)]);
        Dialect::ALL.into_iter().flat_map(move |client| sized(client).into_iter().flatten())
    }

    #[test]
    fn every_request_is_json_of_the_stated_size() {
        for (client, size, stream) in every() {
            let model = Shape::RUSH.model(client);
            let body = body(client, size, &model, stream).unwrap();
            assert_eq!(body.len(), size, "{client:?} {stream}");
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&value["model"], value["stream"] == true), (&Value::from(model), stream));
        }
    }

    #[test]
    fn the_agents_turn_has_tools_and_calls_with_their_results() {
        for client in Dialect::ALL {
            let body = body(client, AGENT, "gpt-bench-1x0", false).unwrap();
            let value: Value = serde_json::from_slice(&body).unwrap();
            let tools = value["tools"].to_string().len();
            assert_eq!(value["tools"].as_array().unwrap().len(), TOOLS);
            assert!((50_000..62_000).contains(&tools), "{client:?}: {tools} bytes of tools");
            let question = value["messages"].as_array().unwrap().last().unwrap().to_string().len();
            assert!(question < 8_000, "{client:?}: {question} bytes were filled in");
            let calls = memmem::find_iter(&body, b"_call_id\":").count()
                + memmem::find_iter(&body, b"tool_use_id").count();
            assert_eq!(calls, CALLS);
        }
    }

    #[test]
    fn two_requests_differ_in_their_number_only() {
        let mut request = Request::new(Dialect::OpenAi, SMALL, "gpt-bench-1x0", false, "lg-key").unwrap();
        let (first, second) = (request.numbered(7).to_vec(), request.numbered(8).to_vec());
        let differing: Vec<_> = (0..first.len()).filter(|at| first[*at] != second[*at]).collect();
        assert_eq!((first.len(), differing.len()), (second.len(), 1));
        assert!(memmem::find(&first, b"@n0000000000000007").is_some());
    }
}
