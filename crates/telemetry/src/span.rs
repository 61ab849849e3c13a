//! The spans of a call: one for the call as the client sees it, one below it for each attempt at a provider and for each policy that looked at it.
//!
//! Names and attributes follow OpenTelemetry's conventions for generative AI, which are about the exchange with a provider: usage,
//! finish reason and answering model are on the attempt that answered and there only, so that nobody adds them up twice. What the
//! conventions have no name for begins with `lockgate.`. No content.

use std::time::Duration;

use lockgate_core::Usage;
use lockgate_engine::Operation;

use crate::call::{AtWork, Attempt, Begun, Ended, Outcome, stop_name};
use crate::proto::{
    AnyValue, CLIENT, ERROR, INTERNAL, KeyValue, List, SERVER, Span, Status, Value, attribute,
};
use crate::trace::{Context, span_id};

/// The spans of a call that is over.
pub(crate) fn spans(begun: &Begun, ended: &Ended, cost: Option<i64>, context: &Context) -> Vec<Span> {
    let mut spans = Vec::with_capacity(1 + ended.attempts.len() + ended.policies.len());
    spans.push(call(begun, ended, cost, context));
    let last = count(ended);
    spans.extend((1..).zip(&ended.attempts).map(|(number, one)| {
        let result = if number == last { Some(ended) } else { None };
        attempt(begun, ended, (one, number), result, context)
    }));
    spans.extend(ended.policies.iter().map(|one| policy(begun, ended, one, context)));
    spans
}

fn count(ended: &Ended) -> i64 {
    i64::try_from(ended.attempts.len()).unwrap_or(i64::MAX)
}

fn call(begun: &Begun, ended: &Ended, cost: Option<i64>, context: &Context) -> Span {
    let mut attributes = common(begun, ended);
    let mut text =
        |key: &str, value: Option<&str>| attributes.extend(value.map(|value| attribute(key, value)));
    text("gen_ai.conversation.id", begun.session.as_deref());
    text("lockgate.call.id", Some(&begun.id));
    text("lockgate.dialect", Some(begun.dialect));
    text("lockgate.key", begun.key.as_deref());
    text("lockgate.outcome", Some(ended.outcome.as_str()));
    text("error.type", ended.error);
    let mut number =
        |key: &str, value: Option<i64>| attributes.extend(value.map(|value| attribute(key, value)));
    number("http.response.status_code", ended.status.map(i64::from));
    number("lockgate.attempts", Some(count(ended)));
    number("lockgate.cost.nanousd", cost);
    number("lockgate.time_to_first_byte.us", ended.ttft.map(|ttft| ttft.as_micros() as i64));
    attributes.push(attribute("lockgate.stream", begun.stream));
    Span {
        attributes,
        kind: SERVER,
        parent_span_id: context.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        span_id: context.span.to_vec(),
        // A client that went away is no error of anybody.
        status: (ended.outcome == Outcome::Failed).then_some(Status { code: ERROR }),
        ..blank(begun, ended, context, (Duration::ZERO, ended.duration))
    }
}

fn attempt(
    begun: &Begun,
    ended: &Ended,
    (attempt, number): (&Attempt, i64),
    result: Option<&Ended>,
    context: &Context,
) -> Span {
    let mut attributes = common(begun, ended);
    attributes.push(attribute("lockgate.attempt", number));
    let mut end = ended.duration;
    let mut error = result.and_then(|result| result.error);
    if let Some((at, kind, status)) = attempt.failed {
        (end, error) = (at, Some(kind));
        attributes.extend(status.map(|status| attribute("http.response.status_code", i64::from(status))));
    } else if let Some(result) = result {
        answered(result, &mut attributes);
    }
    attributes.extend(error.map(|kind| attribute("error.type", kind)));
    Span {
        attributes,
        kind: CLIENT,
        parent_span_id: context.span.to_vec(),
        span_id: attempt.span.to_vec(),
        status: error.map(|_| Status { code: ERROR }),
        ..blank(begun, ended, context, (attempt.after, end))
    }
}

/// A policy at work: from its first look to its last, what it waited for included.
fn policy(begun: &Begun, ended: &Ended, work: &AtWork, context: &Context) -> Span {
    let count = |count: u128| i64::try_from(count).unwrap_or(i64::MAX);
    let mut attributes = vec![
        attribute("lockgate.policy", work.policy.as_str()),
        attribute("lockgate.policy.kind", work.kind),
        attribute("lockgate.policy.mode", work.mode),
        attribute("lockgate.policy.looks", i64::from(work.looks)),
        attribute("lockgate.policy.busy.us", count(work.busy.as_micros())),
    ];
    if let Some((said, applied)) = work.said {
        attributes.push(attribute("lockgate.policy.verdict", said));
        attributes.push(attribute("lockgate.policy.applied", applied));
    }
    Span {
        attributes,
        kind: INTERNAL,
        name: format!("policy {}", work.policy),
        parent_span_id: context.span.to_vec(),
        span_id: span_id().to_vec(),
        ..blank(begun, ended, context, (work.after, work.until))
    }
}

/// What the attempt that answered knows.
fn answered(ended: &Ended, attributes: &mut Vec<KeyValue>) {
    let text = |key: &str, value: Option<&str>| value.map(|value| attribute(key, value));
    attributes.extend(text("gen_ai.response.model", ended.answered_by.as_deref()));
    attributes.extend(text("lockgate.provider.request_id", ended.request_id.as_deref()));
    if let Some(stop) = &ended.stop {
        let value = AnyValue { value: Some(Value::from(stop_name(stop))) };
        attributes
            .push(attribute("gen_ai.response.finish_reasons", Value::List(List { values: vec![value] })));
    }
    attributes.extend(ended.usage.as_ref().into_iter().flat_map(tokens));
}

fn tokens(usage: &Usage) -> impl Iterator<Item = KeyValue> {
    let written = [usage.cache_write_5m, usage.cache_write_1h].into_iter().flatten();
    [
        ("gen_ai.usage.input_tokens", usage.prompt()),
        ("gen_ai.usage.output_tokens", usage.output),
        ("gen_ai.usage.cache_read.input_tokens", usage.cache_read),
        ("gen_ai.usage.cache_creation.input_tokens", written.reduce(u64::saturating_add)),
    ]
    .into_iter()
    .filter_map(|(key, tokens)| Some(attribute(key, i64::try_from(tokens?).unwrap_or(i64::MAX))))
}

/// What both kinds of span say.
fn common(begun: &Begun, ended: &Ended) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(16);
    attributes.push(attribute("gen_ai.operation.name", operation(begun.operation)));
    let provider = ended.provider.as_deref();
    if let Some(provider) = provider {
        attributes.push(attribute("gen_ai.provider.name", vendor(begun.kind, provider)));
        attributes.push(attribute("lockgate.provider", provider));
    }
    attributes.extend(ended.model.as_deref().map(|model| attribute("gen_ai.request.model", model)));
    attributes
}

fn blank(begun: &Begun, ended: &Ended, context: &Context, (from, to): (Duration, Duration)) -> Span {
    let nanos = |after: Duration| {
        let start = u64::try_from(begun.at_us).unwrap_or_default().saturating_mul(1000);
        start.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
    };
    let operation = operation(begun.operation);
    let name =
        ended.model.as_ref().map_or_else(|| operation.to_owned(), |model| format!("{operation} {model}"));
    Span {
        end_time_unix_nano: nanos(to.max(from)),
        // Sampled.
        flags: 1,
        name,
        start_time_unix_nano: nanos(from),
        trace_id: context.trace.to_vec(),
        trace_state: context.state.clone(),
        ..Span::default()
    }
}

pub(crate) const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::CountTokens => "count_tokens",
        Operation::Embed => "embeddings",
        Operation::Generate => "chat",
        Operation::Other => "other",
    }
}

/// The name that the conventions have for a provider, or our own for its kind.
pub(crate) fn vendor<'a>(kind: Option<&'a str>, id: &'a str) -> &'a str {
    match (kind.unwrap_or(id), id) {
        ("openai-compatible", "deepseek") => "deepseek",
        ("openai-compatible", "groq") => "groq",
        ("openai-compatible", "mistral") => "mistral_ai",
        ("openai-compatible", "perplexity") => "perplexity",
        ("openai-compatible", "xai") => "x_ai",
        ("openai-compatible", id) => id,
        ("azure-openai", _) => "azure.ai.openai",
        ("gemini", _) => "gcp.gemini",
        ("vertex", _) => "gcp.vertex_ai",
        (kind, _) => kind,
    }
}
