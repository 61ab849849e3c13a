//! What the record of a call costs: processor time from the first note on its tape until it is in SQLite, by thread.
//!
//! `cargo bench -p lockgate-recorder`; a name or its beginning measures that alone. The calls are those of `lockgate-bench compare --only max`: a chat of
//! 1 KB in no session, and a coding agent's turn of 150 KB that sends its history again and differs in its last message. `call` is what the
//! call's own thread does, the others work behind it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_core::{Dialect, StopReason, Usage};
use lockgate_ledger::Prices;
use lockgate_recorder::{
    Bounds, Closed, Head, Key, Log, Mode, Opened, Operation, Scribe, Sent, Tape, Transcriber,
};
use lockgate_redact::{Level, Options as Masks, Redactor};
use lockgate_store_sql::{Database, Options, Place};
use serde_json::{Value, json};
use uuid::Uuid;

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls that may wait to be stored, as under load.
const AHEAD: usize = 200;

/// Calls before it is measured.
const WARM: u64 = 300;

/// A kind of call.
struct Case {
    answer: fn(Dialect) -> String,
    calls: u64,
    dialect: Dialect,
    name: &'static str,
    request: fn(Dialect, u64) -> Value,
}

const CASES: [Case; 5] = [
    Case { answer: whole, calls: 8_000, dialect: Dialect::Chat, name: "1k-openai", request: chat },
    Case { answer: whole, calls: 8_000, dialect: Dialect::Anthropic, name: "1k-anthropic", request: chat },
    Case { answer: whole, calls: 2_000, dialect: Dialect::Chat, name: "150k-openai", request: agent },
    Case { answer: whole, calls: 2_000, dialect: Dialect::Anthropic, name: "150k-anthropic", request: agent },
    Case { answer: stream, calls: 1_000, dialect: Dialect::Anthropic, name: "stream-100", request: chat },
];

fn main() -> io::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for case in CASES {
        if wanted.is_empty() || wanted.iter().any(|name| case.name.starts_with(name.as_str())) {
            measure(&case, &runtime)?;
        }
    }
    Ok(())
}

fn measure(case: &Case, runtime: &tokio::runtime::Runtime) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let log = Log::open(&folder.path().join("log"), Key::from_bytes([7; 32]), Bounds::default())?;
    let file = Place::File(folder.path().join("bench.db"));
    let database = runtime.block_on(Database::open(&Options::at(file))).map_err(io::Error::other)?;
    let redactor = Redactor::new(Masks { known: Vec::new(), key: [3; 32], level: Level::Record });
    let transcriber = Box::new(Transcriber::new(redactor, Prices::default()));
    let scribe = Scribe::start(log.clone(), Arc::new(database), transcriber, runtime.handle().clone())?;
    let answer = Bytes::from((case.answer)(case.dialect));
    // Of one length, and different in their number.
    let text = (case.request)(case.dialect, 0).to_string();
    let place = memchr::memmem::find(text.as_bytes(), b"@n0").map_or(0, |at| at + 2);
    let run = |from: u64, calls: u64| {
        for number in from..from + calls {
            // The body is the client's own: where it comes from is no part of the record.
            let mut body = text.clone().into_bytes();
            body[place..place + 16].copy_from_slice(format!("{number:016}").as_bytes());
            call(&log, case, &Bytes::from(body), &answer);
            while scribe.progress().waiting > AHEAD {
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        while scribe.progress().waiting > 0 {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    };
    run(0, WARM);
    let (before, clock) = (threads()?, Instant::now());
    run(WARM, case.calls);
    let (after, took) = (threads()?, clock.elapsed());
    let each = |nanos: u64| nanos as f64 / 1e3 / case.calls as f64;
    let spent: BTreeMap<_, _> =
        after.iter().map(|(name, nanos)| (name, nanos - before.get(name).unwrap_or(&0))).collect();
    let parts: Vec<_> = spent.iter().map(|(name, nanos)| format!("{name} {:.1}", each(*nanos))).collect();
    let size: u64 =
        fs::read_dir(folder.path())?.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    #[expect(clippy::print_stdout, reason = "the result of the bench")]
    {
        let (all, stored) = (each(spent.values().copied().sum()), size / (WARM + case.calls));
        println!(
            "{:<16}{all:>8.1} µs of CPU a call: {}; {} ms elapsed, {stored} bytes a call",
            case.name,
            parts.join(", "),
            took.as_millis()
        );
    }
    scribe.finish(&log);
    log.close();
    Ok(())
}

/// The notes of a call, in the order of the gateway.
fn call(log: &Log, case: &Case, body: &Bytes, answer: &Bytes) {
    let opened = Opened {
        at_us: now_us(),
        data_class: None,
        dialect: case.dialect,
        headers: [
            ("host", "127.0.0.1"),
            ("user-agent", "lockgate-bench"),
            ("accept", "*/*"),
            ("content-type", "application/json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        key: Some("bench".to_owned()),
        mode: Mode::Redacted,
        operation: Operation::Generate,
        parent: None,
        path: "/v1/chat/completions".to_owned(),
        project: None,
        user: None,
    };
    let tape = Tape::open(log, Uuid::now_v7(), &opened, body);
    let sent = Sent {
        attempt: 1,
        dialect: case.dialect,
        kind: "openai".to_owned(),
        model: "gpt-bench-1x0".to_owned(),
        provider: "openai".to_owned(),
    };
    tape.sent(&sent, None);
    tape.append();
    tape.head(&Head { request_id: Some("req_bench".to_owned()), status: 200 });
    // A stream comes in its frames.
    let mut at = 0;
    while at < answer.len() {
        let end = memchr::memmem::find(&answer[at..], b"\n\n").map_or(answer.len(), |end| at + end + 2);
        let piece = answer.slice(at..end);
        tape.received(&piece);
        tape.delivered(&piece);
        at = end;
    }
    let usage = Usage { input_uncached: Some(200), output: Some(20), ..Usage::default() };
    tape.close(&Closed {
        model: Some("gpt-bench-1x0".to_owned()),
        provider: Some("openai".to_owned()),
        requested: Some("gpt-bench-1x0".to_owned()),
        status: Some(200),
        stop: Some(StopReason::EndTurn),
        stream: at > 0 && answer.starts_with(b"event:"),
        usage: Some(usage),
        ..Closed::default()
    });
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(0)
}

/// Processor time of each thread that lives, in nanoseconds, by its name; `call` is this one.
fn threads() -> io::Result<BTreeMap<String, u64>> {
    let mut spent = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")?.flatten() {
        let name = fs::read_to_string(task.path().join("comm"))?.trim().to_owned();
        let name = if name.starts_with("record-") { "call".to_owned() } else { name };
        let stat = fs::read_to_string(task.path().join("schedstat"))?;
        let nanos: u64 = stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        *spent.entry(name).or_default() += nanos;
    }
    Ok(spent)
}

/// Text of a manual, cut at this many bytes.
fn prose(bytes: usize) -> String {
    " Use absolute paths, read before you write, and say so when the tests are green."
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

fn question(number: u64, fill: usize) -> String {
    format!("@n{number:016} What does this do?{}", prose(fill))
}

fn chat(dialect: Dialect, number: u64) -> Value {
    let question = json!({"role": "user", "content": question(number, 820)});
    let system = "You are a careful engineer.";
    if dialect == Dialect::Anthropic {
        return json!({"model": "claude-bench-1x0", "max_tokens": 1024, "system": system, "messages": [question]});
    }
    json!({"model": "gpt-bench-1x0", "max_completion_tokens": 1024, "messages": [{"role": "system", "content": system}, question]})
}

/// Source text, with the line ends and quotes that JSON must escape.
fn file(call: usize) -> String {
    let line = |line| format!("    let value_{line} = read(\"part_{call}/{line}\")?;\t// said \"so\"");
    (0..108).map(line).collect::<Vec<_>>().join("\n")
}

fn schema(tool: usize) -> Value {
    let names = ["path", "offset", "limit", "pattern", "replacement", "mode"];
    let property = |name: &str| {
        (name.to_owned(), json!({"type": "string", "description": format!("{tool}: {}", prose(230))}))
    };
    let properties: serde_json::Map<_, _> = names.into_iter().map(property).collect();
    json!({"type": "object", "properties": properties, "required": ["path"], "additionalProperties": false})
}

fn agent(dialect: Dialect, number: u64) -> Value {
    let anthropic = dialect == Dialect::Anthropic;
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    let system = json!([{"type": "text", "text": prose(2_000)}, {"type": "text", "text": prose(10_000)}]);
    let mut messages = vec![json!({"role": "user", "content": "Repair the build."})];
    if !anthropic {
        messages.insert(0, json!({"role": "system", "content": system}));
    }
    for call in 0..12 {
        let id = format!("toolu_{call:024}");
        let (name, said) = (format!("workspace_tool_{call}"), format!("I read file {call}."));
        let input =
            json!({"path": format!("crates/part_{call}/src/lib.rs"), "offset": call * 10, "limit": 2_000});
        if anthropic {
            messages.push(json!({"role": "assistant", "content": [
                {"type": "text", "text": said}, {"type": "tool_use", "id": id, "name": name, "input": input}]}));
            messages.push(json!({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": id, "content": text(&file(call))}]}));
        } else {
            let function = json!({"name": name, "arguments": input.to_string()});
            messages.push(json!({"role": "assistant", "content": said, "tool_calls": [
                {"id": id, "type": "function", "function": function}]}));
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": file(call)}));
        }
    }
    messages.push(json!({"role": "assistant", "content": "I have seen enough."}));
    messages.push(json!({"role": "user", "content": question(number, 4_400)}));
    let tool = |tool: usize| {
        let (name, about) = (format!("workspace_tool_{tool}"), prose(900));
        if anthropic {
            return json!({"name": name, "description": about, "input_schema": schema(tool)});
        }
        json!({"type": "function", "function": {"name": name, "description": about, "parameters": schema(tool)}})
    };
    let tools: Vec<Value> = (0..20).map(tool).collect();
    if anthropic {
        return json!({"model": "claude-bench-1x0", "max_tokens": 32_000, "system": system, "tools": tools, "messages": messages});
    }
    json!({"model": "gpt-bench-1x0", "max_completion_tokens": 32_000, "messages": messages, "tools": tools})
}

const TEXT: &str = "The second argument is the one that counts, and the caller never sets it.";

fn whole(dialect: Dialect) -> String {
    let usage = r#""usage":{"input_tokens":200,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":20}"#;
    if dialect == Dialect::Anthropic {
        return format!(
            r#"{{"id":"msg_bench","type":"message","role":"assistant","model":"claude-bench-1x0","content":[{{"type":"text","text":"{TEXT}"}}],"stop_reason":"end_turn","stop_sequence":null,{usage}}}"#
        );
    }
    format!(
        r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"gpt-bench-1x0","choices":[{{"index":0,"message":{{"role":"assistant","content":"{TEXT}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":200,"completion_tokens":20,"total_tokens":220}}}}"#
    )
}

fn stream(_: Dialect) -> String {
    let told =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_bench", "type": "message", "role": "assistant", "model": "claude-bench-100x0", "content": [], "stop_reason": null, "usage": {"input_tokens": 200, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    events.extend((0..100).map(|at| {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": format!("@t{at:019}; word")}})
    }));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(told).collect()
}
