//! What the upstream answers and what the client expects: complete wire shapes, with the time in each piece of text.
//!
//! A stamp is `@t`, nineteen digits of nanoseconds on the machine's monotonic clock, `;`. Two processes share that clock,
//! so the reader knows how long each piece was on its way. An answer is complete if all stamps and its end are there.

use std::io::Write as _;

use memchr::memmem;
use rustix::time::{ClockId, clock_gettime};
use serde_json::value::RawValue;

use crate::dialect::Dialect;

const DIGITS: usize = 19;
const TEXT: &str = "The second argument is the one that counts, and the caller never sets it.";

/// Nanoseconds on the clock that all processes of the machine share.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn stamp(out: &mut Vec<u8>) {
    let _ = write!(out, "@t{:019}; ", now());
}

/// The body of an answer that is not streamed.
pub(crate) fn whole(dialect: Dialect, model: &str, out: &mut Vec<u8>) {
    let _ = match dialect {
        Dialect::Anthropic => write!(
            out,
            r#"{{"id":"msg_bench","type":"message","role":"assistant","model":"{model}","content":[{{"type":"text","text":""#
        ),
        Dialect::OpenAi => write!(
            out,
            r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":""#
        ),
    };
    stamp(out);
    out.extend_from_slice(TEXT.as_bytes());
    out.extend_from_slice(match dialect {
        Dialect::Anthropic => br#""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":200,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":20}}"#,
        Dialect::OpenAi => br#"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":20,"total_tokens":220,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#,
    });
}

/// A Chat chunk around what its choices are and what follows them.
fn chunk(model: &str, choices: &str, rest: &str, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"{model}\",\"choices\":[{choices}]{rest}}}\n\n"
    );
}

/// What a stream begins with.
pub(crate) fn open(dialect: Dialect, model: &str, out: &mut Vec<u8>) {
    match dialect {
        Dialect::Anthropic => {
            let _ = write!(
                out,
                "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{model}\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{\"input_tokens\":200,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}}}}\n\nevent: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n"
            );
        }
        Dialect::OpenAi => {
            let role = r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#;
            chunk(model, role, "", out);
        }
    }
}

/// One piece of text.
pub(crate) fn piece(dialect: Dialect, model: &str, out: &mut Vec<u8>) {
    match dialect {
        Dialect::Anthropic => {
            out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
            stamp(out);
            out.extend_from_slice(b"word\"}}\n\n");
        }
        Dialect::OpenAi => {
            let mut choice = br#"{"index":0,"delta":{"content":""#.to_vec();
            stamp(&mut choice);
            choice.extend_from_slice(br#"word"},"logprobs":null,"finish_reason":null}"#);
            chunk(model, std::str::from_utf8(&choice).unwrap_or_default(), "", out);
        }
    }
}

/// The name of the tool that is called.
const TOOL: &str = r#""name":"Bash""#;

/// A half of a tool call, counted from 0: its beginning, or its end.
pub(crate) fn call(dialect: Dialect, model: &str, (number, ends): (usize, bool), out: &mut Vec<u8>) {
    let arguments = if ends {
        format!(r#" --workspace -- part_{number} 2>&1 | tail -40\"}}"#)
    } else {
        r#"{\"command\":\"cd /src/app && cargo test"#.to_owned()
    };
    match dialect {
        Dialect::Anthropic => {
            let index = number + 1;
            if !ends {
                let _ = write!(
                    out,
                    "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{number}}}\n\nevent: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"tool_use\",\"id\":\"toolu_bench_{number}\",{TOOL},\"input\":{{}}}}}}\n\n"
                );
            }
            let _ = write!(
                out,
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{arguments}\"}}}}\n\n"
            );
        }
        Dialect::OpenAi => {
            let begins = format!(r#""id":"call_bench_{number}","type":"function","#);
            let (begins, name) = if ends { ("", String::new()) } else { (&*begins, format!("{TOOL},")) };
            let choice = format!(
                r#"{{"index":0,"delta":{{"tool_calls":[{{"index":{number},{begins}"function":{{{name}"arguments":"{arguments}"}}}}]}},"logprobs":null,"finish_reason":null}}"#
            );
            chunk(model, &choice, "", out);
        }
    }
}

/// What a stream ends with; the usage of a Chat stream only if it was asked for.
pub(crate) fn close(dialect: Dialect, model: &str, (calls, usage): (usize, bool), out: &mut Vec<u8>) {
    match dialect {
        Dialect::Anthropic => {
            let reason = if calls > 0 { "tool_use" } else { "end_turn" };
            let _ = write!(
                out,
                "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{calls}}}\n\nevent: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{reason}\",\"stop_sequence\":null}},\"usage\":{{\"output_tokens\":20}}}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
            );
        }
        Dialect::OpenAi => {
            let reason = if calls > 0 { "tool_calls" } else { "stop" };
            let stop = format!(r#"{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{reason}"}}"#);
            chunk(model, &stop, "", out);
            if usage {
                let rest = r#","usage":{"prompt_tokens":200,"completion_tokens":20,"total_tokens":220}"#;
                chunk(model, "", rest, out);
            }
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }
}

/// Reads an answer as it arrives.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Everything that has come.
    pub(crate) body: Vec<u8>,
    /// How long each stamped piece was on its way, in microseconds.
    pub(crate) lags: Vec<f64>,
    searched: usize,
}

impl Reader {
    /// Makes ready for the next answer.
    pub(crate) fn clear(&mut self) {
        self.body.clear();
        self.lags.clear();
        self.searched = 0;
    }

    /// Looks for stamps in what has been added to the body.
    pub(crate) fn look(&mut self, now: u64) {
        while let Some(at) = memmem::find(&self.body[self.searched..], b"@t") {
            let start = self.searched + at + 2;
            let Some(digits) = self.body.get(start..start + DIGITS) else {
                self.searched = start - 2;
                return;
            };
            let sent = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            self.lags.extend(sent.map(|sent| now.saturating_sub(sent) as f64 / 1_000.0));
            self.searched = start;
        }
        self.searched = self.searched.max(self.body.len().saturating_sub(1));
    }

    /// What is missing from an answer that has ended; nothing if it is complete.
    pub(crate) fn missing(
        &self,
        client: Dialect,
        stream: bool,
        (chunks, calls): (usize, usize),
    ) -> Option<&'static str> {
        if self.lags.len() != chunks {
            return Some("chunks are missing");
        }
        if memmem::find_iter(&self.body, TOOL).count() != calls {
            return Some("tool calls are missing");
        }
        let ended = match (client, stream) {
            (Dialect::Anthropic, true) => {
                self.body.ends_with(b"}\n\n") && memmem::find(&self.body, b"event: message_stop\n").is_some()
            }
            (Dialect::OpenAi, true) => self.body.ends_with(b"data: [DONE]\n\n"),
            (Dialect::Anthropic | Dialect::OpenAi, false) => {
                let json = serde_json::from_slice::<&RawValue>(&self.body);
                json.is_ok_and(|json| json.get().contains(r#""usage""#))
            }
        };
        (!ended).then_some("the end is missing")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn stream(dialect: Dialect, chunks: usize) -> Vec<u8> {
        with_calls(dialect, chunks, 0)
    }

    fn with_calls(dialect: Dialect, chunks: usize, calls: usize) -> Vec<u8> {
        let mut out = Vec::new();
        open(dialect, "m", &mut out);
        (0..chunks).for_each(|_| piece(dialect, "m", &mut out));
        for number in 0..calls {
            call(dialect, "m", (number, false), &mut out);
            call(dialect, "m", (number, true), &mut out);
        }
        close(dialect, "m", (calls, true), &mut out);
        out
    }

    fn read(bytes: &[u8], step: usize) -> Reader {
        let mut reader = Reader::default();
        for piece in bytes.chunks(step) {
            reader.body.extend_from_slice(piece);
            reader.look(now());
        }
        reader
    }

    #[test]
    fn every_event_is_json_and_every_whole_answer_has_text_and_usage() {
        for dialect in Dialect::ALL {
            let text = String::from_utf8(stream(dialect, 3)).unwrap();
            let data = text.lines().filter_map(|line| line.strip_prefix("data: {"));
            let events: Vec<Value> =
                data.map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap()).collect();
            assert!(events.len() >= 6, "{dialect:?}: {text}");
            let mut body = Vec::new();
            whole(dialect, "m", &mut body);
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert!(value["usage"].is_object() && value["model"] == "m");
        }
    }

    #[test]
    fn tool_calls_have_whole_arguments_and_are_missed_if_they_are_not_there() {
        for dialect in Dialect::ALL {
            let bytes = with_calls(dialect, 3, 4);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let mut arguments: Vec<String> = vec![String::new(); 4];
            for data in text.lines().filter_map(|line| line.strip_prefix("data: {")) {
                let event: Value = serde_json::from_str(&format!("{{{data}")).unwrap();
                let call = &event["choices"][0]["delta"]["tool_calls"][0];
                if let Some(piece) = event["delta"]["partial_json"].as_str() {
                    arguments[event["index"].as_u64().unwrap() as usize - 1] += piece;
                } else if let Some(piece) = call["function"]["arguments"].as_str() {
                    arguments[call["index"].as_u64().unwrap() as usize] += piece;
                }
            }
            for (number, text) in arguments.iter().enumerate() {
                let value: Value = serde_json::from_str(text).unwrap();
                assert!(value["command"].as_str().unwrap().contains(&format!("part_{number}")), "{text}");
            }
            assert_eq!(read(&bytes, 60).missing(dialect, true, (3, 4)), None, "{dialect:?}");
            assert_eq!(read(&bytes, 60).missing(dialect, true, (3, 0)), Some("tool calls are missing"));
        }
    }

    #[test]
    fn a_complete_answer_is_complete_however_it_is_cut() {
        for dialect in Dialect::ALL {
            let bytes = stream(dialect, 3);
            for step in 1..80 {
                let reader = read(&bytes, step);
                assert_eq!(
                    (reader.missing(dialect, true, (3, 0)), reader.lags.len()),
                    (None, 3),
                    "step {step}"
                );
            }
            let mut body = Vec::new();
            whole(dialect, "m", &mut body);
            assert_eq!(read(&body, 7).missing(dialect, false, (1, 0)), None);
        }
    }

    #[test]
    fn an_answer_without_a_chunk_or_without_its_end_is_reported() {
        for dialect in Dialect::ALL {
            assert_eq!(
                read(&stream(dialect, 2), 50).missing(dialect, true, (3, 0)),
                Some("chunks are missing")
            );
            let bytes = stream(dialect, 3);
            let cut = &bytes[..bytes.len() - 60];
            assert_eq!(read(cut, 50).missing(dialect, true, (3, 0)), Some("the end is missing"));
            let mut body = Vec::new();
            whole(dialect, "m", &mut body);
            assert_eq!(
                read(&body[..body.len() - 1], 50).missing(dialect, false, (1, 0)),
                Some("the end is missing")
            );
        }
    }
}
