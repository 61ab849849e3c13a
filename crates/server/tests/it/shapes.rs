//! What each dialect may be answered: a complete answer, or exactly one error. Written from the dialects'
//! documentation, without the gateway's codecs, so that a misreading there cannot hide here.

use serde_json::Value;

use crate::client::{End, Reply};
use crate::front::{Front, Layout};

/// What a client got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Got {
    /// A complete answer.
    Answer(Answer),
    /// An error instead of an answer.
    Refused { message: String, status: u16 },
    /// An error inside an answer that had begun.
    Failed { message: String },
}

/// A complete answer, reduced to what every dialect has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answer {
    /// Name and arguments of each call.
    pub(crate) calls: Vec<(String, Value)>,
    /// The dialect's word for why it ended.
    pub(crate) stop: String,
    pub(crate) text: String,
}

type Checked<T> = Result<T, String>;

/// Judges an answer; the error says what a strict client would choke on.
pub(crate) fn judge(front: Front, layout: Layout, reply: &Reply) -> Checked<Got> {
    ensure(reply.end == End::Clean, "the body is cut")?;
    let text = std::str::from_utf8(&reply.body).map_err(|error| error.to_string())?;
    let kind = reply.header("content-type").unwrap_or_default();
    if reply.status != 200 {
        ensure(reply.status >= 400, "a status that is neither 200 nor an error")?;
        ensure(kind.starts_with("application/json"), &format!("an error of type `{kind}`"))?;
        let message = error_body(front, &parse(text)?, Some(reply.status))?;
        return Ok(Got::Refused { message, status: reply.status });
    }
    match layout {
        Layout::Whole => {
            ensure(kind.starts_with("application/json"), &format!("an answer of type `{kind}`"))?;
            whole(front, &parse(text)?).map(Got::Answer)
        }
        Layout::Array => {
            let all = parse(text)?;
            let items = all.as_array().ok_or("not an array")?;
            gemini_stream(items.iter().map(|item| Ok(item.clone())))
        }
        Layout::Stream => match front {
            Front::Anthropic => anthropic_stream(text),
            Front::Chat => chat_stream(text),
            Front::Gemini => gemini_stream(events(text)?.into_iter().map(|(_, data)| parse(&data))),
            Front::Ollama => {
                ensure(kind.starts_with("application/x-ndjson"), &format!("a stream of type `{kind}`"))?;
                ollama_stream(text)
            }
            Front::Responses => responses_stream(text),
        },
    }
}

fn ensure(holds: bool, otherwise: &str) -> Checked<()> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn parse(text: &str) -> Checked<Value> {
    serde_json::from_str(text).map_err(|error| format!("{error} in {text:.300}"))
}

/// A call's arguments as the client reads them; what is no JSON stays text.
fn arguments(text: &str) -> Value {
    parse(text).unwrap_or_else(|_| Value::from(text))
}

fn word(value: &Value, pointer: &str) -> Checked<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| format!("no text at {pointer} of {value}"))
}

fn number(value: &Value, pointer: &str) -> Checked<u64> {
    value.pointer(pointer).and_then(Value::as_u64).ok_or_else(|| format!("no number at {pointer} of {value}"))
}

fn list<'a>(value: &'a Value, pointer: &str) -> Checked<&'a Vec<Value>> {
    value.pointer(pointer).and_then(Value::as_array).ok_or_else(|| format!("no list at {pointer} of {value}"))
}

/// The message of an error body.
fn error_body(front: Front, body: &Value, status: Option<u16>) -> Checked<String> {
    match front {
        Front::Anthropic => {
            ensure(body["type"] == "error", "no `type: error`")?;
            word(body, "/error/type")?;
            word(body, "/error/message")
        }
        Front::Chat | Front::Responses => {
            word(body, "/error/type")?;
            word(body, "/error/message")
        }
        Front::Gemini => {
            let code = number(body, "/error/code")?;
            ensure(status.is_none_or(|status| u64::from(status) == code), "code and status differ")?;
            word(body, "/error/status")?;
            word(body, "/error/message")
        }
        Front::Ollama => word(body, "/error"),
    }
}

fn whole(front: Front, body: &Value) -> Checked<Answer> {
    let mut answer = Answer::default();
    match front {
        Front::Anthropic => {
            ensure(body["type"] == "message" && body["role"] == "assistant", "not a message")?;
            word(body, "/id")?;
            word(body, "/model")?;
            number(body, "/usage/input_tokens")?;
            number(body, "/usage/output_tokens")?;
            answer.stop = word(body, "/stop_reason")?;
            for block in list(body, "/content")? {
                match block["type"].as_str() {
                    Some("text") => answer.text += &word(block, "/text")?,
                    Some("tool_use") => {
                        // Broken arguments cannot be an object; they must not become another one either.
                        let broken = |text: &str| parse(text).is_err();
                        let fits = block["input"].is_object() || block["input"].as_str().is_some_and(broken);
                        ensure(fits, "input is no object")?;
                        word(block, "/id")?;
                        answer.calls.push((word(block, "/name")?, block["input"].clone()));
                    }
                    Some(_) => {}
                    None => return Err("a block without type".into()),
                }
            }
        }
        Front::Chat => {
            ensure(body["object"] == "chat.completion", "not a chat.completion")?;
            word(body, "/id")?;
            word(body, "/model")?;
            number(body, "/created")?;
            let choice = body.pointer("/choices/0").ok_or("no choice")?;
            answer.stop = word(choice, "/finish_reason")?;
            ensure(choice["message"]["role"] == "assistant", "no assistant")?;
            answer.text = choice["message"]["content"].as_str().unwrap_or_default().into();
            for call in choice["message"]["tool_calls"].as_array().into_iter().flatten() {
                word(call, "/id")?;
                let arguments = arguments(&word(call, "/function/arguments")?);
                answer.calls.push((word(call, "/function/name")?, arguments));
            }
        }
        Front::Gemini => {
            ensure(body.get("error").is_none(), "an error in a 200")?;
            gemini_chunk(body, &mut answer)?;
            ensure(!answer.stop.is_empty(), "no finishReason")?;
        }
        Front::Ollama => {
            ensure(body["done"] == true, "not done")?;
            ollama_line(body, &mut answer)?;
        }
        Front::Responses => responses_object(body, &mut answer)?,
    }
    Ok(answer)
}

/// The events of a stream: name and data. Comments are skipped.
pub(crate) fn events(text: &str) -> Checked<Vec<(String, String)>> {
    let text = text.replace("\r\n", "\n");
    ensure(text.is_empty() || text.ends_with("\n\n"), "the last event is not complete")?;
    let mut all = Vec::new();
    for event in text.split("\n\n") {
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in event.lines() {
            if let Some(text) = line.strip_prefix("event:") {
                name = text.trim().to_owned();
            } else if let Some(text) = line.strip_prefix("data:") {
                data.push(text.strip_prefix(' ').unwrap_or(text));
            } else {
                ensure(line.starts_with(':') || line.is_empty(), &format!("a line `{line}`"))?;
            }
        }
        if !data.is_empty() {
            all.push((name, data.join("\n")));
        }
    }
    Ok(all)
}

fn anthropic_stream(text: &str) -> Checked<Got> {
    let mut answer = Answer::default();
    let (mut open, mut next, mut started, mut ended) = (None::<(u64, Value, String)>, 0, false, false);
    let mut over = None;
    for (name, data) in events(text)? {
        let data = parse(&data)?;
        let kind = word(&data, "/type")?;
        ensure(name == kind, &format!("event `{name}` holds `{kind}`"))?;
        ensure(over.is_none(), &format!("`{kind}` after the end"))?;
        match kind.as_str() {
            "ping" => {}
            "error" => over = Some(Got::Failed { message: error_body(Front::Anthropic, &data, None)? }),
            "message_start" => {
                ensure(!started, "two starts")?;
                started = true;
                number(&data, "/message/usage/input_tokens")?;
                word(&data, "/message/model")?;
                ensure(data["message"]["content"] == serde_json::json!([]), "content in the start")?;
            }
            "content_block_start" => {
                ensure(started && open.is_none(), "a block opens out of turn")?;
                let index = number(&data, "/index")?;
                ensure(index == next, &format!("block {index} instead of {next}"))?;
                next += 1;
                open = Some((index, data["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                let (index, block, json) = open.as_mut().ok_or("a delta without block")?;
                ensure(number(&data, "/index")? == *index, "a delta of another block")?;
                match word(&data, "/delta/type")?.as_str() {
                    "text_delta" => answer.text += &word(&data, "/delta/text")?,
                    "input_json_delta" => *json += &word(&data, "/delta/partial_json")?,
                    _ => {}
                }
                let _ = block;
            }
            "content_block_stop" => {
                let (index, block, json) = open.take().ok_or("a stop without block")?;
                ensure(number(&data, "/index")? == index, "a stop of another block")?;
                if block["type"] == "tool_use" {
                    let input = if json.is_empty() { block["input"].clone() } else { arguments(&json) };
                    answer.calls.push((word(&block, "/name")?, input));
                }
            }
            "message_delta" => {
                ensure(started && open.is_none(), "message_delta inside a block")?;
                number(&data, "/usage/output_tokens")?;
                answer.stop = word(&data, "/delta/stop_reason")?;
                ended = true;
            }
            "message_stop" => {
                ensure(ended, "message_stop without message_delta")?;
                over = Some(Got::Answer(std::mem::take(&mut answer)));
            }
            other => return Err(format!("an event `{other}`")),
        }
    }
    over.ok_or_else(|| "no end".into())
}

fn chat_stream(text: &str) -> Checked<Got> {
    let mut answer = Answer::default();
    let mut calls: Vec<(String, String)> = Vec::new();
    let (mut done, mut failed) = (false, None);
    for (_, data) in events(text)? {
        ensure(!done, "something after [DONE]")?;
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk = parse(&data)?;
        ensure(failed.is_none(), "something after the error")?;
        if chunk.get("error").is_some() {
            failed = Some(error_body(Front::Chat, &chunk, None)?);
            continue;
        }
        ensure(chunk["object"] == "chat.completion.chunk", &format!("not a chunk: {chunk}"))?;
        word(&chunk, "/id")?;
        word(&chunk, "/model")?;
        number(&chunk, "/created")?;
        for choice in list(&chunk, "/choices")? {
            answer.text += choice["delta"]["content"].as_str().unwrap_or_default();
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let at = number(call, "/index")? as usize;
                if at == calls.len() {
                    word(call, "/id")?;
                    calls.push((word(call, "/function/name")?, String::new()));
                }
                let known = calls.get_mut(at).ok_or("a call of a strange index")?;
                known.1 += call["function"]["arguments"].as_str().unwrap_or_default();
            }
            if let Some(stop) = choice["finish_reason"].as_str() {
                answer.stop = stop.into();
            }
        }
    }
    if let Some(message) = failed {
        return Ok(Got::Failed { message });
    }
    ensure(done, "no [DONE]")?;
    ensure(!answer.stop.is_empty(), "no finish_reason")?;
    for (name, text) in calls {
        answer.calls.push((name, arguments(&text)));
    }
    Ok(Got::Answer(answer))
}

fn gemini_chunk(chunk: &Value, answer: &mut Answer) -> Checked<()> {
    for candidate in chunk["candidates"].as_array().into_iter().flatten() {
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            if part["thought"] != true {
                answer.text += part["text"].as_str().unwrap_or_default();
            }
            if let Some(call) = part.get("functionCall") {
                let arguments = call.get("args").cloned().unwrap_or_else(|| serde_json::json!({}));
                answer.calls.push((word(call, "/name")?, arguments));
            }
        }
        if let Some(stop) = candidate["finishReason"].as_str() {
            answer.stop = stop.into();
        }
    }
    ensure(
        chunk.get("candidates").is_some() || chunk.get("usageMetadata").is_some(),
        &format!("a strange chunk {chunk}"),
    )
}

fn gemini_stream(chunks: impl Iterator<Item = Checked<Value>>) -> Checked<Got> {
    let mut answer = Answer::default();
    let mut failed = None;
    for chunk in chunks {
        let chunk = chunk?;
        ensure(failed.is_none(), "something after the error")?;
        if chunk.get("error").is_some() {
            failed = Some(error_body(Front::Gemini, &chunk, None)?);
            continue;
        }
        gemini_chunk(&chunk, &mut answer)?;
    }
    if let Some(message) = failed {
        return Ok(Got::Failed { message });
    }
    ensure(!answer.stop.is_empty(), "no finishReason")?;
    Ok(Got::Answer(answer))
}

fn ollama_line(line: &Value, answer: &mut Answer) -> Checked<()> {
    word(line, "/model")?;
    word(line, "/created_at")?;
    ensure(line["message"]["role"] == "assistant", "no assistant")?;
    answer.text += &word(line, "/message/content")?;
    for call in line["message"]["tool_calls"].as_array().into_iter().flatten() {
        ensure(call["function"]["arguments"].is_object(), "arguments are no object")?;
        answer.calls.push((word(call, "/function/name")?, call["function"]["arguments"].clone()));
    }
    if line["done"] == true {
        answer.stop = word(line, "/done_reason")?;
    }
    Ok(())
}

fn ollama_stream(text: &str) -> Checked<Got> {
    ensure(text.is_empty() || text.ends_with('\n'), "the last line is not complete")?;
    let mut answer = Answer::default();
    let mut over = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let line = parse(line)?;
        ensure(over.is_none(), "something after the end")?;
        if line.get("error").is_some() {
            over = Some(Got::Failed { message: error_body(Front::Ollama, &line, None)? });
            continue;
        }
        ollama_line(&line, &mut answer)?;
        if line["done"] == true {
            over = Some(Got::Answer(std::mem::take(&mut answer)));
        }
    }
    over.ok_or_else(|| "no end".into())
}

fn responses_object(body: &Value, answer: &mut Answer) -> Checked<()> {
    ensure(body["object"] == "response", "not a response")?;
    word(body, "/id")?;
    word(body, "/model")?;
    answer.stop = word(body, "/status")?;
    for item in list(body, "/output")? {
        match item["type"].as_str() {
            Some("message") => {
                for part in list(item, "/content")? {
                    answer.text += part["text"].as_str().unwrap_or_default();
                }
            }
            Some("function_call") => {
                word(item, "/call_id")?;
                answer.calls.push((word(item, "/name")?, arguments(&word(item, "/arguments")?)));
            }
            Some(_) => {}
            None => return Err("an item without type".into()),
        }
    }
    Ok(())
}

fn responses_stream(text: &str) -> Checked<Got> {
    let (mut over, mut deltas, mut created) = (None, String::new(), false);
    let (mut item, mut part, mut items) = (None, None, 0);
    for (at, (name, data)) in events(text)?.into_iter().enumerate() {
        let data = parse(&data)?;
        let kind = word(&data, "/type")?;
        ensure(name == kind, &format!("event `{name}` holds `{kind}`"))?;
        ensure(over.is_none(), &format!("`{kind}` after the end"))?;
        let sequence = number(&data, "/sequence_number")?;
        ensure(sequence == at as u64, &format!("sequence_number {sequence} instead of {at} on {kind}"))?;
        match kind.as_str() {
            "error" => over = Some(Got::Failed { message: word(&data, "/message")? }),
            "response.completed" | "response.incomplete" => {
                ensure(created, "no response.created")?;
                let mut answer = Answer::default();
                responses_object(&data["response"], &mut answer)?;
                ensure(answer.text == deltas, "deltas and final text differ")?;
                over = Some(Got::Answer(answer));
            }
            "response.created" => created = true,
            "response.failed" => {
                word(&data, "/response/error/code")?;
                over = Some(Got::Failed { message: word(&data, "/response/error/message")? });
            }
            "response.output_item.added" => {
                ensure(item.is_none(), "an item begins inside another")?;
                ensure(number(&data, "/output_index")? == items, "an item out of turn")?;
                item = Some(word(&data, "/item/id")?);
                items += 1;
            }
            "response.output_item.done" => {
                ensure(part.is_none(), "an item ends before its part")?;
                ensure(item.take() == Some(word(&data, "/item/id")?), "an item ends that is not open")?;
            }
            "response.content_part.added" => {
                ensure(part.is_none(), "a part begins inside another")?;
                ensure(item == Some(word(&data, "/item_id")?), "a part of an item that is not open")?;
                part = Some(number(&data, "/content_index")?);
            }
            "response.content_part.done" => {
                ensure(
                    part.take() == Some(number(&data, "/content_index")?),
                    "a part ends that is not open",
                )?;
            }
            "response.output_text.delta" => {
                ensure(item == Some(word(&data, "/item_id")?), "words of an item that is not open")?;
                ensure(part == Some(number(&data, "/content_index")?), "words of a part that is not open")?;
                deltas += &word(&data, "/delta")?;
            }
            _ => {}
        }
    }
    over.ok_or_else(|| "no end".into())
}
