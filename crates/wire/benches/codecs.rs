//! What the parts of a call cost: bytes per second of scanning, parsing, writing and decoding. Run by `make bench`.
//!
//! The request is shaped like a coding agent's turn (system prompt, 20 tool schemas, tool calls with file contents,
//! about 150 KB); the streams are 500 text deltas. Generated, so that the sizes are the same everywhere.

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Started, Stop, StopReason};
use lockgate_wire::{
    Decoded, Depth, Envelope, EnvelopeLimits, Loss, Mode, Quirks, Target, ToolNames, format, scan,
};

fn main() {
    divan::main();
}

const LIMITS: EnvelopeLimits = EnvelopeLimits { messages: 20_000, nesting: 128, tools: 2_000 };

/// Text like a source file: words of any length, quotes, indented lines. Not periodic: a processor learns what repeats, and then
/// measures its memory.
fn source_text(bytes: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    };
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        match below(12) {
            0 => text.push_str("\n\t\t"),
            1 => text.push_str("\"name\""),
            2 => text.push_str(");\n"),
            _ => {
                let length = 1 + below(11);
                text.extend((0..length).map(|_| char::from(b'a' + below(26) as u8)));
                text.push(' ');
            }
        }
    }
    text
}

/// An Anthropic request of about 150 KB.
fn agent_request() -> Vec<u8> {
    let prose = source_text(11_000);
    let tools: Vec<_> = (0..20)
        .map(|n| {
            let properties: serde_json::Map<String, serde_json::Value> = (0..20)
                .map(|p| {
                    let field = serde_json::json!({"type": "string", "description": "What this field is for, in a sentence of usual length."});
                    (format!("field_{p}"), field)
                })
                .collect();
            serde_json::json!({
                "name": format!("tool_{n}"),
                "description": "Does something to a file and says what it did.",
                "input_schema": {"type": "object", "properties": properties},
            })
        })
        .collect();
    let mut messages = vec![serde_json::json!({"role": "user", "content": "Mend the failing test."})];
    for n in 0..12 {
        let id = format!("toolu_{n:024}");
        messages.push(serde_json::json!({"role": "assistant", "content": [
            {"type": "text", "text": "I look at the file."},
            {"type": "tool_use", "id": id, "name": "tool_1", "input": {"field_0": format!("src/file_{n}.rs")}}]}));
        messages.push(serde_json::json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": &prose[..7_000]}]}));
    }
    let body = serde_json::json!({
        "model": "claude-sonnet-4-5", "max_tokens": 8192, "stream": true,
        "system": [{"type": "text", "text": prose, "cache_control": {"type": "ephemeral"}}],
        "messages": messages, "tools": tools,
    });
    body.to_string().into_bytes()
}

/// A stream of 500 text deltas.
fn stream(dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = format(dialect).messages.encoder(
        Mode::Stream,
        lockgate_wire::AnswerContext { id: "bench".into(), model: "m".into(), ..Default::default() },
    );
    encoder.encode(
        &Event::Started(Started { id: Some("msg_1".into()), model: Some("m".into()), created: Some(1) }),
        &mut out,
    );
    encoder.encode(&Event::BlockStarted { index: 0, block: BlockStart::Text }, &mut out);
    for n in 0..500 {
        let text = format!(" word {n}");
        encoder.encode(&Event::BlockDelta { index: 0, delta: Delta::Text(text) }, &mut out);
    }
    encoder.encode(&Event::BlockEnded { index: 0 }, &mut out);
    encoder.encode(&Event::Ended(Stop::because(StopReason::EndTurn)), &mut out);
    encoder.finish(&mut out);
    out
}

#[divan::bench]
fn scan_request(bencher: Bencher<'_, '_>) {
    let body = agent_request();
    bencher.counter(BytesCount::new(body.len())).bench(|| scan(black_box(&body), 128));
}

#[divan::bench]
fn read_envelope(bencher: Bencher<'_, '_>) {
    let body = agent_request();
    let spec = format(Dialect::Anthropic).envelope;
    bencher.counter(BytesCount::new(body.len())).bench(|| Envelope::read(black_box(&body), spec, &LIMITS));
}

#[divan::bench]
fn parse_request(bencher: Bencher<'_, '_>) {
    let body = agent_request();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| format(Dialect::Anthropic).messages.parse(black_box(&body)));
}

#[divan::bench(args = [Dialect::Chat, Dialect::Responses, Dialect::Gemini, Dialect::Ollama])]
fn write_request(bencher: Bencher<'_, '_>, dialect: Dialect) {
    let body = agent_request();
    let Ok(mut conversation) = format(Dialect::Anthropic).messages.parse(&body) else { return };
    ToolNames::plain(&mut conversation);
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 4096, model: "m", quirks: &quirks, stream: true };
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| format(dialect).messages.write(black_box(&conversation), &target, &mut Loss::default()));
}

fn decode(bencher: Bencher<'_, '_>, dialect: Dialect, depth: Depth) {
    let bytes = Bytes::from(stream(dialect));
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut decoder = format(dialect).messages.decoder(Mode::Stream, depth);
        let mut out = Decoded::default();
        // One frame a feed, as tokens arrive.
        let mut from = 0;
        for at in memchr::memmem::find_iter(&bytes, b"\n") {
            let _ = decoder.feed(bytes.slice(from..=at), &mut out);
            out.clear();
            from = at + 1;
        }
        decoder.finish(&mut out)
    });
}

#[divan::bench(args = [Dialect::Anthropic, Dialect::Chat, Dialect::Responses, Dialect::Gemini, Dialect::Ollama])]
fn pass_stream(bencher: Bencher<'_, '_>, dialect: Dialect) {
    decode(bencher, dialect, Depth::Envelope);
}

#[divan::bench(args = [Dialect::Anthropic, Dialect::Chat, Dialect::Responses, Dialect::Gemini, Dialect::Ollama])]
fn decode_stream(bencher: Bencher<'_, '_>, dialect: Dialect) {
    decode(bencher, dialect, Depth::Full);
}
