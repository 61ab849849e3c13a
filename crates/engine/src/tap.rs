//! Where a call's bytes go to the recorder: what came in, what went out, how it ended.
//!
//! Credentials are left out of headers before anything is noted. Decides nothing, and a call without a recorder has a
//! blank tape that costs nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Response;
use lockgate_core::Failure;
use lockgate_policy::Decision;
use lockgate_recorder::{Closed, Log, Mode, Opened, Operation, Tape};
use uuid::Uuid;

use crate::headers::CREDENTIALS;
use crate::relay::AnswerBody;
use crate::report::{CallReport, Outcome};
use crate::request::CallRequest;

/// Begins to note a call.
pub(crate) fn open(to: (&Log, Mode), id: Uuid, request: &CallRequest, operation: Operation) -> Tape {
    let (log, everybody) = to;
    let grant = request.caller.grant.as_ref();
    let mode = grant.and_then(|grant| grant.recording).unwrap_or(everybody);
    if mode == Mode::Off {
        return Tape::blank();
    }
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let told = |name: &str| !CREDENTIALS.contains(&name) && name != "cookie";
    let headers = request.headers.iter().filter(|(name, _)| told(name.as_str()));
    let opened = Opened {
        at_us: at,
        data_class: grant.and_then(|grant| grant.data_class),
        dialect: request.format.dialect,
        headers: headers
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        key: grant.map(|grant| grant.name.clone()),
        mode,
        operation,
        parent: request.parent,
        path: request.path_and_query.clone(),
        project: grant.and_then(|grant| grant.project.clone()),
        user: grant.and_then(|grant| grant.user.clone()),
    };
    Tape::open(log, id, &opened, &request.body)
}

/// How a call ended, from its report.
pub(crate) fn ending(report: &CallReport) -> Closed {
    let failure = match &report.outcome {
        Outcome::Failed(failure) => Some(failure),
        Outcome::Aborted | Outcome::Complete => None,
    };
    Closed {
        aborted: report.outcome == Outcome::Aborted,
        error: failure.map(|failure| failure.kind),
        losses: Vec::new(),
        policies: told(&report.decisions),
        message: failure.map(|failure| failure.message.clone()),
        model: report.model.clone(),
        provider: report.provider.clone(),
        requested: report.requested.clone(),
        status: None,
        stop: report.stop.clone(),
        stream: false,
        usage: report.usage.clone(),
    }
}

/// What policies said, as it is recorded.
pub(crate) fn told(decisions: &[Decision]) -> Vec<serde_json::Value> {
    decisions.iter().filter_map(|said| serde_json::to_value(said).ok()).collect()
}

/// How a call ended that never got as far as a provider.
pub(crate) fn refusal(failure: &Failure) -> Closed {
    Closed { error: Some(failure.kind), message: Some(failure.message.clone()), ..Closed::default() }
}

/// Notes a response whose body is known whole; how the call ended.
pub(crate) fn whole(tape: &Tape, ending: Closed, response: &Response<AnswerBody>) -> Closed {
    if let Some(bytes) = response.body().whole() {
        tape.delivered(bytes);
    }
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Closed {
        losses: losses(header("x-lockgate-lossy").as_deref().unwrap_or_default()),
        provider: ending.provider.or_else(|| header("x-provider")),
        requested: ending.requested.or_else(|| header("x-model")),
        status: Some(response.status().as_u16()),
        ..ending
    }
}

fn losses(header: &str) -> Vec<String> {
    header.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
