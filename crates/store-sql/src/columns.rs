//! The row of a call, written and read: one list of columns, one order.

use std::collections::BTreeMap;

use lockgate_core::{DataClass, Dialect, Usage};
use lockgate_store::{
    Call, CallError, Client, Lineage, Outcome, Principal, Recording, Route, SessionRef, Timing,
};
use serde::de::DeserializeOwned;
use serde::{Serialize, de};
use uuid::Uuid;

use crate::driver::{Reader, Row, Value};
use crate::fault::Fault;

/// The columns of `calls` but `seq`, in the order of [`row_of`] and [`call_of`].
pub(crate) const CALL: [&str; 45] = [
    "id",
    "session",
    "agent",
    "parent_agent",
    "parent_call",
    "turn",
    "turn_kind",
    "key_name",
    "user_name",
    "project",
    "data_class",
    "client_name",
    "client_version",
    "user_agent",
    "front",
    "upstream",
    "operation",
    "requested_model",
    "resolved_model",
    "answering_model",
    "provider",
    "provider_request_id",
    "streamed",
    "status",
    "started_us",
    "queue_us",
    "ttft_us",
    "total_us",
    "input_uncached",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "output_reasoning",
    "estimated",
    "server_tools",
    "service_tier",
    "cost_nano",
    "price_version",
    "outcome",
    "stop_reason",
    "error_kind",
    "error_message",
    "intervened",
    "recording",
];

/// The beginning of a query for calls: `seq`, every column, and what is known of the session.
pub(crate) fn select_calls() -> String {
    let columns = CALL.map(|name| format!("c.{name}")).join(", ");
    format!("SELECT c.seq, {columns}, s.id, s.source FROM calls c LEFT JOIN sessions s ON s.seq = c.session")
}

/// A call as values of [`CALL`].
pub(crate) fn row_of(call: &Call, session: Option<i64>) -> Result<Vec<Value>, Fault> {
    let usage = &call.usage;
    let tools = (!usage.server_tools.is_empty()).then(|| json(&usage.server_tools)).transpose()?;
    Ok(vec![
        call.id.to_string().as_str().into(),
        session.into(),
        (&call.lineage.agent).into(),
        (&call.lineage.parent_agent).into(),
        call.lineage.parent_call.map(|id| id.to_string()).as_deref().into(),
        call.lineage.turn.map(i64::from).into(),
        (&call.lineage.turn_kind).into(),
        (&call.principal.key).into(),
        (&call.principal.user).into(),
        (&call.principal.project).into(),
        call.principal.data_class.map(DataClass::as_str).into(),
        (&call.client.name).into(),
        (&call.client.version).into(),
        (&call.client.user_agent).into(),
        call.route.front.map(Dialect::as_str).into(),
        call.route.upstream.map(Dialect::as_str).into(),
        call.route.operation.as_str().into(),
        (&call.route.requested_model).into(),
        (&call.route.resolved_model).into(),
        (&call.route.answering_model).into(),
        (&call.route.provider).into(),
        (&call.route.provider_request_id).into(),
        call.route.streamed.into(),
        call.status.map(i64::from).into(),
        call.timing.started_us.into(),
        call.timing.queue_us.into(),
        call.timing.ttft_us.into(),
        call.timing.total_us.into(),
        tokens("input_uncached", usage.input_uncached)?,
        tokens("cache_read", usage.cache_read)?,
        tokens("cache_write_5m", usage.cache_write_5m)?,
        tokens("cache_write_1h", usage.cache_write_1h)?,
        tokens("output", usage.output)?,
        tokens("output_reasoning", usage.output_reasoning)?,
        usage.estimated.into(),
        tools.as_deref().into(),
        (&usage.service_tier).into(),
        call.cost_nano.into(),
        (&call.price_version).into(),
        call.outcome.as_str().into(),
        (&call.stop_reason).into(),
        call.error.as_ref().map(|error| error.kind.as_str()).into(),
        call.error.as_ref().map(|error| error.message.as_str()).into(),
        call.intervened.into(),
        call.recording.as_str().into(),
    ])
}

/// A call and its `seq` from a row of [`select_calls`].
pub(crate) fn call_of(row: &Row) -> Result<(i64, Call), Fault> {
    let mut from = row.reader();
    let seq = from.int()?;
    let id = id_of(&from.text()?)?;
    let _session = from.int_or_none()?;
    let mut lineage = Lineage {
        agent: from.text_or_none()?,
        parent_agent: from.text_or_none()?,
        parent_call: from.text_or_none()?.as_deref().map(id_of).transpose()?,
        session: None,
        turn: from.int_or_none()?.map(|turn| turn as u32),
        turn_kind: from.text_or_none()?,
    };
    let principal = principal_of(&mut from)?;
    let client = client_of(&mut from)?;
    let route = route_of(&mut from)?;
    let status = from.int_or_none()?.map(|status| status as u16);
    let (started_us, queue_us) = (from.int()?, from.int_or_none()?);
    let (ttft_us, total_us) = (from.int_or_none()?, from.int_or_none()?);
    let usage = usage_of(&mut from)?;
    let (cost_nano, price_version) = (from.int_or_none()?, from.text_or_none()?);
    let outcome = word(Outcome::of, &from.text()?)?;
    let stop_reason = from.text_or_none()?;
    let (kind, message) = (from.text_or_none()?, from.text_or_none()?);
    let error = kind.map(|kind| CallError { kind, message: message.unwrap_or_default() });
    let (intervened, recording) = (from.is()?, word(Recording::of, &from.text()?)?);
    if let (Some(id), Some(source)) = (from.text_or_none()?, from.text_or_none()?) {
        lineage.session = Some(SessionRef { id, source });
    }
    let timing = Timing { queue_us, started_us, total_us, ttft_us };
    let call = Call {
        usage,
        client,
        cost_nano,
        error,
        id,
        intervened,
        lineage,
        outcome,
        price_version,
        principal,
        recording,
        route,
        status,
        stop_reason,
        timing,
    };
    Ok((seq, call))
}

/// `key_name`, `user_name`, `project`, `data_class`.
pub(crate) fn principal_of(from: &mut Reader<'_>) -> Result<Principal, Fault> {
    let (key, user) = (from.text_or_none()?, from.text_or_none()?);
    let (project, class) = (from.text_or_none()?, from.text_or_none()?);
    let data_class = class.map(|class| word(DataClass::of, &class)).transpose()?;
    Ok(Principal { data_class, key, project, user })
}

/// `client_name`, `client_version`, `user_agent`.
pub(crate) fn client_of(from: &mut Reader<'_>) -> Result<Client, Fault> {
    let (name, version) = (from.text_or_none()?, from.text_or_none()?);
    Ok(Client { name, user_agent: from.text_or_none()?, version })
}

fn route_of(from: &mut Reader<'_>) -> Result<Route, Fault> {
    let (front, upstream) = (dialect(from)?, dialect(from)?);
    let operation = from.text()?;
    let (requested_model, resolved_model) = (from.text_or_none()?, from.text_or_none()?);
    let (answering_model, provider) = (from.text_or_none()?, from.text_or_none()?);
    let provider_request_id = from.text_or_none()?;
    Ok(Route {
        answering_model,
        front,
        operation,
        provider,
        provider_request_id,
        requested_model,
        resolved_model,
        streamed: from.is()?,
        upstream,
    })
}

fn usage_of(from: &mut Reader<'_>) -> Result<Usage, Fault> {
    let (input_uncached, cache_read) = (from.count_or_none()?, from.count_or_none()?);
    let (cache_write_5m, cache_write_1h) = (from.count_or_none()?, from.count_or_none()?);
    let (output, output_reasoning) = (from.count_or_none()?, from.count_or_none()?);
    let estimated = from.is()?;
    let server_tools: Option<BTreeMap<String, u64>> = read_json(from.text_or_none()?.as_deref())?;
    Ok(Usage {
        cache_read,
        cache_write_1h,
        cache_write_5m,
        estimated,
        input_uncached,
        output,
        output_reasoning,
        server_tools: server_tools.unwrap_or_default(),
        service_tier: from.text_or_none()?,
    })
}

fn dialect(from: &mut Reader<'_>) -> Result<Option<Dialect>, Fault> {
    let Some(word) = from.text_or_none()? else { return Ok(None) };
    let text = de::value::StrDeserializer::<de::value::Error>::new(&word);
    <Dialect as serde::Deserialize>::deserialize(text)
        .map(Some)
        .map_err(|error| Fault::damaged(error.to_string()))
}

fn tokens(column: &str, number: Option<u64>) -> Result<Value, Fault> {
    let too_large = |_| Fault::Content(format!("{column} is larger than can be stored"));
    Ok(number.map(i64::try_from).transpose().map_err(too_large)?.into())
}

pub(crate) fn id_of(text: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(text).map_err(|_| Fault::damaged("an id is not a UUID"))
}

/// One of our words.
pub(crate) fn word<T>(of: impl Fn(&str) -> Option<T>, text: &str) -> Result<T, Fault> {
    of(text).ok_or_else(|| Fault::damaged(format!("`{text}` is none of the words that can stand there")))
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Content(error.to_string()))
}

pub(crate) fn read_json<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, Fault> {
    text.map(serde_json::from_str).transpose().map_err(|error| Fault::damaged(error.to_string()))
}
