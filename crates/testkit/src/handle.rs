//! The way of a request: recognise, record, authenticate, validate, choose a rule, render, spoil.
//!
//! Synchronous and without sockets: everything a response does over time is decided here and carried out by `http`.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Op, Route};
use crate::http::Incoming;
use crate::play::{Plan, Response, Step, steps, written};
use crate::render::{self, Ask, Framing};
use crate::script::{Failure, Raw, Recording, Reply, Script};
use crate::seen::Seen;
use crate::state::State;
use crate::turn::{self, Turn};
use crate::validate::{self, Rejection};
use crate::{auth, catalog, control, dialect, embed, headers, record};

/// Answers a request; with it, the number of its record.
pub(crate) fn answer(state: &State, request: Incoming) -> (Response, Option<u64>) {
    if request.target.starts_with("/_upstream/") {
        return (control::answer(state, &request), None);
    }
    let script = state.script();
    let lists = dialect::spoken(&request.headers);
    let route = Route::find(&request.method, &request.target, lists, &script.prefixes)
        .unwrap_or_else(|| Route::unknown(&request.target, lists));
    let mut entry = record::arrived(
        (&request.method, &request.target),
        request.headers.clone(),
        if script.record == Recording::All { request.body.clone() } else { Bytes::new() },
        request.started,
        request.connection,
    );
    entry.dialect = Some(route.dialect.name());
    let seen = Seen::new(route, request.headers, request.body);
    let violations = headers::violations(&seen, &request.target);
    let mut outcome = Outcome { violations, ..Outcome::default() };
    let number = match script.record {
        Recording::All | Recording::Heads => Some(state.records.add(entry)),
        Recording::None => None,
    };
    let mut response = decide(state, &script, &seen, &request.target, &mut outcome);
    headers::add(&mut response, &seen, state);
    if let Some(number) = number {
        state.records.update(number, |entry| {
            entry.status = Some(response.status);
            entry.rule = outcome.rule;
            entry.violations = outcome.violations;
            entry.cost_nano_usd = outcome.turn.as_ref().and_then(|t| t.cost);
            entry.answer_id = outcome.turn.as_ref().map(|t| t.id.clone());
            entry.usage = outcome.turn.map(|t| t.usage);
        });
    }
    (response, number)
}

/// What the record learns.
#[derive(Default)]
struct Outcome {
    rule: Option<String>,
    violations: Vec<String>,
    turn: Option<Turn>,
}

fn decide(state: &State, script: &Arc<Script>, seen: &Seen, target: &str, outcome: &mut Outcome) -> Response {
    let path = target.split('?').next().unwrap_or_default();
    let checked = auth::check(seen, state, script)
        .and_then(|()| if script.validate { validate::check(seen, state, script) } else { Ok(()) });
    if let Err(rejection) = checked {
        outcome.violations.push(rejection.message.clone());
        return reject(seen, state, &rejection);
    }
    let chosen = state.choose(path, seen);
    let (name, reply) = chosen.map_or((None, None), |(name, reply)| (Some(name), Some(reply)));
    outcome.rule = name;
    let reply = reply.unwrap_or_default();
    let mut response = if let Some(failure) = &reply.error {
        fail(seen, state, failure)
    } else if let Some(raw) = &reply.raw {
        verbatim(raw, script)
    } else {
        match seen.route.op {
            Op::Generate | Op::GeneratePlain => generate(state, seen, &reply, outcome),
            op => other(state, script, seen, target, op),
        }
    };
    response.spoil(&reply.chaos);
    response
}

fn other(state: &State, script: &Script, seen: &Seen, target: &str, op: Op) -> Response {
    let dialect = seen.route.dialect;
    let body = match op {
        Op::CountTokens if dialect == Dialect::Anthropic => json!({"input_tokens": seen.tokens()}),
        Op::CountTokens => {
            let details = json!([{"modality": "TEXT", "tokenCount": seen.tokens()}]);
            json!({"totalTokens": seen.tokens(), "promptTokensDetails": details})
        }
        Op::Embed | Op::EmbedBatch => embed::answer(seen),
        Op::Token => return auth::token(seen, state),
        Op::Generation => {
            let id = target.split_once("id=").map_or("", |(_, id)| id.split('&').next().unwrap_or_default());
            match state.generation(id) {
                Some(shown) => json!({"data": shown}),
                None => {
                    return reject(seen, state, &Rejection::missing(format!("Generation {id} not found")));
                }
            }
        }
        Op::Unknown => return reject(seen, state, &Rejection::missing("Not Found")),
        Op::Generate
        | Op::GeneratePlain
        | Op::Health
        | Op::Metrics
        | Op::Model
        | Op::Models
        | Op::Props
        | Op::Running
        | Op::Show
        | Op::Version => match catalog::answer(seen, script) {
            Ok(found) => return found,
            Err(rejection) => return reject(seen, state, &rejection),
        },
    };
    Response::json(200, dialect, &body)
}

fn reject(seen: &Seen, state: &State, rejection: &Rejection) -> Response {
    let id = state.next_id();
    let body = render::error(
        seen.route.dialect,
        rejection.status,
        rejection.kind.as_deref(),
        &rejection.message,
        &id,
    );
    Response::json(rejection.status, seen.route.dialect, &body)
}

fn fail(seen: &Seen, state: &State, failure: &Failure) -> Response {
    let dialect = seen.route.dialect;
    let status = if failure.status == 0 { 500 } else { failure.status };
    let usual = render::usual_message(dialect, status);
    let message = failure.message.as_deref().unwrap_or(usual);
    let response = if failure.html {
        let page = format!(
            "<html>\r\n<head><title>{status} {message}</title></head>\r\n<body>\r\n<center><h1>{status} \
             {message}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Response::whole(status, "text/html", page)
    } else {
        let body = render::error(dialect, status, None, message, &state.next_id());
        Response::json(status, dialect, &body)
    };
    match &failure.retry_after {
        Some(after) => response.header("retry-after", after.clone()),
        None => response,
    }
}

fn verbatim(raw: &Raw, script: &Script) -> Response {
    let mut response = Response { status: raw.status.unwrap_or(200), ..Response::default() };
    for (name, value) in &raw.headers {
        let value = value.as_str().map_or_else(|| value.to_string(), String::from);
        response.headers.push((name.clone(), value));
    }
    let file = raw.file.as_ref().map(|f| std::fs::read(script.base.join(f)));
    let body: Option<Bytes> = match (file, &raw.body, &raw.json) {
        (Some(Ok(bytes)), _, _) => Some(bytes.into()),
        (Some(Err(e)), _, _) => {
            return Response::whole(500, "text/plain", format!("the script's file cannot be read: {e}"));
        }
        (None, Some(text), _) => Some(text.clone().into()),
        (None, None, Some(value)) => Some(value.to_string().into()),
        (None, None, None) => None,
    };
    if let Some(body) = body.or_else(|| raw.frames.is_empty().then(Bytes::new)) {
        response.length = Some(body.len());
        response.body.push(Step::Bytes(body));
        return response;
    }
    for frame in &raw.frames {
        if raw.delay_ms > 0 {
            response.body.push(Step::Pause(std::time::Duration::from_millis(raw.delay_ms)));
        }
        response.body.push(Step::Bytes(frame.clone().into()));
    }
    response
}

fn generate(state: &State, seen: &Seen, reply: &Reply, outcome: &mut Outcome) -> Response {
    let script = state.script();
    let dialect = seen.route.dialect;
    let made = match (&reply.answer, &reply.agent) {
        (Some(answer), _) => answer.clone(),
        (None, Some(agent)) => turn::play(agent, seen),
        (None, None) => turn::echo(seen),
    };
    let turn = Turn::make(&made, &reply.chaos, seen, state);
    let remote_host = script.card(seen.model()).and_then(|card| card.remote_host.clone());
    let ask = Ask { seen, quirks: &reply.quirks, remote_host };
    remember(state, seen, &turn);
    let chaos = &reply.chaos;
    let error_status = chaos.error_status.unwrap_or(529);
    let error_text = render::usual_message(dialect, error_status);
    let response = if seen.stream() {
        let framing = render::framing(seen);
        let plan = Plan {
            dialect,
            chaos,
            quirks: &reply.quirks,
            delay_ms: turn.delay_ms,
            error: chaos
                .error_after_events
                .map(|_| render::error_frame(dialect, error_status, error_text, &turn.id)),
        };
        let body = steps(render::stream(&turn, &ask), framing, &plan);
        let kind = match framing {
            Framing::JsonArray => "application/json; charset=UTF-8",
            Framing::Ndjson => "application/x-ndjson",
            Framing::Sse if dialect == Dialect::Gemini => "text/event-stream",
            Framing::Sse => "text/event-stream; charset=utf-8",
        };
        let headers = vec![("content-type".into(), kind.into()), ("cache-control".into(), "no-cache".into())];
        Response { status: 200, headers, body, ..Response::default() }
    } else if chaos.error_after_events.is_some() {
        Response::json(200, dialect, &render::error(dialect, error_status, None, error_text, &turn.id))
    } else {
        let body = render::whole(&turn, &ask);
        let half = || {
            let text = written(&body, dialect == Dialect::Ollama);
            let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text[..half].to_owned()
        };
        if chaos.malformed_after_events.is_some() {
            Response::whole(200, "application/json", half())
        } else if chaos.endless_after_events.is_some() {
            Response::endless(half(), chaos)
        } else {
            Response::json(200, dialect, &body)
        }
    };
    outcome.turn = Some(turn);
    response
}

/// Keeps what later requests may refer to.
fn remember(state: &State, seen: &Seen, turn: &Turn) {
    if seen.route.dialect == Dialect::Responses && seen.body()["store"] != json!(false) {
        let calls: HashSet<String> = turn.calls().map(|call| call.id.clone()).collect();
        state.remember_response(format!("resp_{}", turn.id), calls);
    }
    if seen.route.openrouter {
        let id = format!("chatcmpl-{}", turn.id);
        let cost = turn.cost.map_or(Value::Null, |c| json!(c as f64 / 1e9));
        let shown = json!({
            "id": id, "model": turn.model, "total_cost": cost, "usage": cost, "streamed": seen.stream(),
            "provider_name": "Upstream", "tokens_prompt": turn.usage.prompt(),
            "tokens_completion": turn.usage.output, "native_tokens_prompt": turn.usage.prompt(),
            "native_tokens_completion": turn.usage.output, "native_tokens_reasoning": turn.usage.reasoning,
            "native_tokens_cached": turn.usage.cached,
        });
        state.remember_generation(id, shown);
    }
}
