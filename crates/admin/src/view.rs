//! What the API shows of calls and sessions: shapes of its own, so that what is stored can change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockgate_core::DataClass;
use lockgate_store::verdicts::Label;
use lockgate_store::{self as store, Feedback, Page, StoredCall, Totals};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::feedback::FeedbackView;
use crate::labels::LabelView;

/// A call as lists show it.
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Call {
    /// Its id, which the client got as `x-task-id`.
    id: Uuid,
    /// When it began (RFC 3339, UTC).
    started: String,
    /// The same, µs since 1970.
    started_us: i64,
    /// Until the last byte, µs.
    total_us: Option<i64>,
    /// Until the first byte of the answer, µs.
    ttft_us: Option<i64>,
    /// How long it waited here before it went upstream, µs.
    queue_us: Option<i64>,
    /// `complete`, `failed`, `aborted`, `interrupted`.
    outcome: &'static str,
    /// The status that the client got.
    status: Option<u16>,
    /// Why it failed.
    error: Option<CallError>,
    /// What was asked for: `chat`, `embeddings`, …
    operation: String,
    /// Whether the answer was asked for as a stream.
    streamed: bool,
    /// The client's dialect.
    dialect: Option<&'static str>,
    /// The provider's dialect.
    upstream_dialect: Option<&'static str>,
    /// The provider.
    provider: Option<String>,
    /// The provider's own id of the request.
    provider_request_id: Option<String>,
    /// The model as the client named it.
    requested_model: Option<String>,
    /// The model that this stands for.
    model: Option<String>,
    /// The model that answered, in the provider's words.
    answering_model: Option<String>,
    /// Why the model stopped.
    stop_reason: Option<String>,
    /// Tokens.
    usage: Usage,
    /// Nano-USD; `null` = the price is not known.
    cost_nano: Option<i64>,
    /// The version of the price list.
    price_version: Option<String>,
    /// The name of the key.
    key: Option<String>,
    /// The project of the key.
    project: Option<String>,
    /// The class of data of the key.
    data_class: Option<&'static str>,
    /// The user.
    user: Option<String>,
    /// The client program.
    client: Option<String>,
    /// Its version.
    client_version: Option<String>,
    /// What it says of itself.
    user_agent: Option<String>,
    /// The session.
    session: Option<String>,
    /// What named the session.
    session_source: Option<String>,
    /// The turn in the session, from 1.
    turn: Option<u32>,
    /// `human`, `tool_loop`, `housekeeping` …
    turn_kind: Option<String>,
    /// The agent in the session; `null` = the main one.
    agent: Option<String>,
    /// The agent that started this one.
    parent_agent: Option<String>,
    /// The call that this one continues or was made for.
    parent_call: Option<Uuid>,
    /// Whether a policy changed, refused or answered something.
    intervened: bool,
    /// How much was kept: `full`, `redacted`, `metadata`.
    recording: &'static str,
}

/// Why a call failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CallError {
    /// The kind.
    kind: String,
    /// What the client was told.
    message: String,
}

/// Tokens in buckets that do not overlap. `null` = the provider did not say.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// Prompt tokens neither read from nor written to a cache.
    input_uncached: Option<u64>,
    /// Prompt tokens read from a cache.
    cache_read: Option<u64>,
    /// Prompt tokens written to a cache for five minutes.
    cache_write_5m: Option<u64>,
    /// Prompt tokens written to a cache for an hour.
    cache_write_1h: Option<u64>,
    /// Output tokens, thoughts included.
    output: Option<u64>,
    /// The part of it that was thoughts.
    output_reasoning: Option<u64>,
    /// Uses of tools that the provider ran.
    server_tools: BTreeMap<String, u64>,
    /// The class of service.
    service_tier: Option<String>,
    /// Whether the numbers are an estimate of ours.
    estimated: bool,
}

impl From<store::Call> for Call {
    fn from(call: store::Call) -> Self {
        let store::Call { client, lineage, principal, route, timing, usage, .. } = call;
        let (session, session_source) = lineage.session.map(|named| (named.id, named.source)).unzip();
        Self {
            id: call.id,
            started: time(timing.started_us),
            started_us: timing.started_us,
            total_us: timing.total_us,
            ttft_us: timing.ttft_us,
            queue_us: timing.queue_us,
            outcome: call.outcome.as_str(),
            status: call.status,
            error: call.error.map(|error| CallError { kind: error.kind, message: error.message }),
            operation: route.operation,
            streamed: route.streamed,
            dialect: route.front.map(lockgate_core::Dialect::as_str),
            upstream_dialect: route.upstream.map(lockgate_core::Dialect::as_str),
            provider: route.provider,
            provider_request_id: route.provider_request_id,
            requested_model: route.requested_model,
            model: route.resolved_model,
            answering_model: route.answering_model,
            stop_reason: call.stop_reason,
            usage: Usage {
                input_uncached: usage.input_uncached,
                cache_read: usage.cache_read,
                cache_write_5m: usage.cache_write_5m,
                cache_write_1h: usage.cache_write_1h,
                output: usage.output,
                output_reasoning: usage.output_reasoning,
                server_tools: usage.server_tools,
                service_tier: usage.service_tier,
                estimated: usage.estimated,
            },
            cost_nano: call.cost_nano,
            price_version: call.price_version,
            key: principal.key,
            project: principal.project,
            data_class: principal.data_class.map(DataClass::as_str),
            user: principal.user,
            client: client.name,
            client_version: client.version,
            user_agent: client.user_agent,
            session,
            session_source,
            turn: lineage.turn,
            turn_kind: lineage.turn_kind,
            agent: lineage.agent,
            parent_agent: lineage.parent_agent,
            parent_call: lineage.parent_call,
            intervened: call.intervened,
            recording: call.recording.as_str(),
        }
    }
}

/// A call with what only its own view shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CallDetails {
    /// The call.
    #[serde(flatten)]
    call: Call,
    /// Each try at a provider.
    attempts: Vec<Attempt>,
    /// Its bodies, without contents; ask for them by `part`.
    bodies: Vec<Body>,
    /// The parts of the cost.
    cost_parts: Option<Value>,
    /// What was decided and why.
    decisions: Vec<Decision>,
    /// What people and programs say of it, the latest first.
    feedback: Vec<FeedbackView>,
    /// The fields that a conversion between dialects lost.
    losses: Vec<String>,
}

/// One try at a provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Attempt {
    /// From 1.
    number: u32,
    /// The provider.
    provider: String,
    /// The model that was asked for.
    model: String,
    /// When it began, µs after the call.
    started_us: i64,
    /// Until its first byte, µs.
    ttft_us: Option<i64>,
    /// Until its end, µs.
    total_us: Option<i64>,
    /// The status that came back.
    status: Option<u16>,
    /// The provider's id of the request.
    request_id: Option<String>,
    /// What went wrong.
    error: Option<String>,
}

/// A body of a call.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Body {
    /// `client_request`, `upstream_request`, `upstream_answer`, `client_answer`, `client_headers` or `earlier_answers`.
    part: &'static str,
    /// `json`, `sse` or `other`.
    kind: &'static str,
    /// Bytes.
    size: u64,
    /// When its bytes came: pairs of an end (bytes) and a time (µs after the call began).
    offsets: Vec<(u64, u64)>,
}

/// A decision.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Decision {
    /// Its place among the decisions of the call, from 1.
    number: u32,
    /// Who decided.
    kind: String,
    /// The version of `record`'s form.
    version: u32,
    /// What led to it.
    record: Value,
    /// What a person says of it.
    label: Option<LabelView>,
}

impl From<StoredCall> for CallDetails {
    fn from(stored: StoredCall) -> Self {
        let details = stored.details;
        let attempt = |attempt: store::Attempt| Attempt {
            number: attempt.number,
            provider: attempt.provider,
            model: attempt.model,
            started_us: attempt.started_us,
            ttft_us: attempt.ttft_us,
            total_us: attempt.total_us,
            status: attempt.status,
            request_id: attempt.request_id,
            error: attempt.error,
        };
        let body = |body: store::Body| Body {
            part: body.part.as_str(),
            kind: body.kind.as_str(),
            size: body.size,
            offsets: body.offsets.pairs().collect(),
        };
        let decision = |(number, decision): (u32, store::Decision)| Decision {
            number,
            kind: decision.kind,
            version: decision.version,
            record: decision.json,
            label: None,
        };
        Self {
            call: stored.call.into(),
            attempts: details.attempts.into_iter().map(attempt).collect(),
            bodies: stored.bodies.into_iter().map(body).collect(),
            cost_parts: details.cost_parts,
            decisions: (1..).zip(details.decisions).map(decision).collect(),
            feedback: Vec::new(),
            losses: details.losses,
        }
    }
}

impl CallDetails {
    /// The same with what people say of its verdicts, by number.
    pub(crate) fn labelled(mut self, mut labels: BTreeMap<u32, Label>) -> Self {
        for decision in &mut self.decisions {
            decision.label = labels.remove(&decision.number).map(Into::into);
        }
        self
    }

    /// The same with what people and programs say of it.
    pub(crate) fn heard(self, said: Vec<Feedback>) -> Self {
        Self { feedback: said.into_iter().map(Into::into).collect(), ..self }
    }
}

/// A session with what only its own view shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SessionDetails {
    /// The session.
    #[serde(flatten)]
    pub(crate) session: Session,
    /// What people and programs say of it and its calls, the latest 500 first.
    pub(crate) feedback: Vec<FeedbackView>,
}

/// A session as lists show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its id.
    id: String,
    /// What named it.
    source: String,
    /// Its title.
    title: Option<String>,
    /// `first` (the user's first words), `generated` (by a model) or `edited`.
    title_source: Option<&'static str>,
    /// When its first call began.
    first: String,
    /// When its latest call began.
    last: String,
    /// The folder that it worked in.
    cwd: Option<String>,
    /// The repository.
    repo: Option<String>,
    /// The branch.
    branch: Option<String>,
    /// The name of the key, by its latest call.
    key: Option<String>,
    /// The project of the key.
    project: Option<String>,
    /// The user.
    user: Option<String>,
    /// The client program.
    client: Option<String>,
    /// Its version.
    client_version: Option<String>,
    /// Sums over its calls.
    totals: Sums,
}

/// Sums over calls.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Sums {
    /// Calls.
    calls: u64,
    /// Calls that failed.
    failed: u64,
    /// Calls that a policy intervened in.
    intervened: u64,
    /// The known costs, nano-USD.
    cost_nano: i64,
    /// Calls whose cost is not known.
    unpriced: u64,
    /// Prompt tokens neither read from nor written to a cache.
    input_uncached: u64,
    /// Prompt tokens read from a cache.
    cache_read: u64,
    /// Prompt tokens written to a cache.
    cache_write: u64,
    /// Output tokens.
    output: u64,
}

impl From<Totals> for Sums {
    fn from(totals: Totals) -> Self {
        Self {
            calls: totals.calls,
            failed: totals.failed,
            intervened: totals.intervened,
            cost_nano: totals.cost_nano,
            unpriced: totals.unpriced,
            input_uncached: totals.input_uncached,
            cache_read: totals.cache_read,
            cache_write: totals.cache_write,
            output: totals.output,
        }
    }
}

impl From<store::Session> for Session {
    fn from(session: store::Session) -> Self {
        let (title, title_source) = session.title.map(|title| (title.text, title.source.as_str())).unzip();
        Self {
            id: session.reference.id,
            source: session.reference.source,
            title,
            title_source,
            first: time(session.first_us),
            last: time(session.last_us),
            cwd: session.cwd,
            repo: session.repo,
            branch: session.branch,
            key: session.principal.key,
            project: session.principal.project,
            user: session.principal.user,
            client: session.client.name,
            client_version: session.client.version,
            totals: session.totals.into(),
        }
    }
}

/// A page of a list, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// The entries. May be fewer than asked for, even none, although `next` is set: the search used up its time and goes on there.
    items: Vec<T>,
    /// Pass as `cursor` for the next page; `null` = that was all.
    next: Option<String>,
}

impl<T> Listed<T> {
    /// A list that is one page.
    pub(crate) const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// A page of the store as the API shows it.
    pub(crate) fn of<S: Into<T>>(page: Page<S>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// A moment in RFC 3339.
pub(crate) fn time(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| String::new(), |at| at.to_string())
}
