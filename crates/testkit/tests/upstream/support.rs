//! A client over a bare socket, and requests in each dialect.

use lockgate_testkit::{Running, Script, Upstream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Cut,
    Reset,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// Chunks, or the one body.
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) end: End,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.pieces.concat()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The SSE events: name and data.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let text = self.text().replace("\r\n", "\n");
        let blocks = text.split("\n\n").filter(|b| !b.is_empty() && !b.starts_with(':'));
        blocks
            .map(|block| {
                let field = |name: &str| {
                    let found = block.lines().find_map(|l| l.strip_prefix(name));
                    found.unwrap_or_default().trim_start_matches(' ').to_owned()
                };
                (field("event:"), field("data:"))
            })
            .collect()
    }

    /// The data of the SSE events that are JSON.
    pub(crate) fn data(&self) -> Vec<Value> {
        self.events().iter().filter_map(|(_, d)| serde_json::from_str(d).ok()).collect()
    }
}

pub(crate) async fn start(yaml: &str) -> Running {
    Upstream::start(Script::parse(yaml).unwrap()).await.unwrap()
}

/// Sends a request and leaves the socket open.
pub(crate) async fn open(at: &Running, method: &str, target: &str, headers: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(at.addr()).await.unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: upstream\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    socket
}

pub(crate) async fn send(at: &Running, method: &str, target: &str, headers: &str, body: &str) -> Reply {
    let headers = format!("{headers}Connection: close\r\n");
    let mut socket = open(at, method, target, &headers, body).await;
    let mut bytes = Vec::new();
    let reset = socket.read_to_end(&mut bytes).await.is_err();
    parse(&bytes, reset)
}

fn parse(bytes: &[u8], broken: bool) -> Reply {
    let end = if broken { End::Reset } else { End::Cut };
    let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Reply { status: 0, head: String::new(), pieces: Vec::new(), end };
    };
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply { status, head, pieces: Vec::new(), end };
    let mut rest = &bytes[at + 4..];
    if let Some(length) = reply.header("content-length").map(|l| l.parse::<usize>().unwrap()) {
        reply.pieces.push(rest.to_vec());
        reply.end = if rest.len() == length { End::Clean } else { end };
        return reply;
    }
    while let Some(line) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            reply.end = End::Clean;
            break;
        }
        reply.pieces.push(rest[line + 2..line + 2 + size].to_vec());
        rest = &rest[line + 4 + size..];
    }
    reply
}

/// A request to `target`, in the dialect of that path.
pub(crate) async fn post(at: &Running, target: &str, body: &Value) -> Reply {
    let headers = if target.contains("/messages") { "anthropic-version: 2023-06-01\r\n" } else { "" };
    send(at, "POST", target, headers, &body.to_string()).await
}

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const RESPONSES: &str = "/v1/responses";
pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const GEMINI: &str = "/v1beta/models/gemini-3-pro:generateContent";
pub(crate) const GEMINI_SSE: &str = "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse";
pub(crate) const OLLAMA: &str = "/api/chat";

/// The paths of a streamed answer, one per dialect.
pub(crate) const STREAMS: [&str; 5] = [CHAT, RESPONSES, MESSAGES, GEMINI_SSE, OLLAMA];

/// A question with one tool, in the dialect of a path.
pub(crate) fn question(target: &str, stream: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let messages = json!([{"role": "user", "content": "weather?"}]);
    let function = json!({"type": "function", "function": {"name": "get_weather", "parameters": schema}});
    match target {
        MESSAGES => json!({
            "model": "claude", "max_tokens": 100, "messages": messages, "stream": stream,
            "tools": [{"name": "get_weather", "input_schema": schema}],
        }),
        RESPONSES => json!({
            "model": "gpt", "input": messages, "stream": stream,
            "tools": [{"type": "function", "name": "get_weather", "parameters": schema}],
        }),
        CHAT => json!({"model": "gpt", "messages": messages, "stream": stream, "tools": [function]}),
        OLLAMA => json!({"model": "qwen", "messages": messages, "stream": stream, "tools": [function]}),
        _ => json!({
            "contents": [{"role": "user", "parts": [{"text": "weather?"}]}],
            "tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": schema}]}],
        }),
    }
}

/// Asks for a stream.
pub(crate) async fn stream(at: &Running, target: &str) -> Reply {
    post(at, target, &question(target, true)).await
}
