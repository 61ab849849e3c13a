//! Sends a call upstream and waits for the first sign of an answer; tries again where nothing was lost by it.
//!
//! A try may be repeated for connect errors, 408, 429, 5xx and 529, and for an error in the first frame of a 200, as
//! long as the client has not seen a byte; `Retry-After` decides when, and whether at all. One request in, one out,
//! unless the settings allow more. Knows nothing of the answer's content beyond its first frame.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_providers::{Ask, Credential, Endpoint, Operation, Timeouts};
use lockgate_recorder::{Head, Sent, Tape};
use lockgate_wire::{Mode, ToolNames};
use tokio::time::{Instant, timeout_at};

use crate::ask::{Asked, Whom};
use crate::body::UpstreamBody;
use crate::caller::Grant;
use crate::courier::Unsent;
use crate::follow::Follower;
use crate::gate::{Shared, with};
use crate::hint::Lists;
use crate::pipe::{Pipe, PipeSpec, mode_of};
use crate::resolve::Target;
use crate::{headers, process};

/// The largest error body that is read, in bytes.
const ERROR_BODY: usize = 256 * 1024;

/// Everything that an attempt needs, ready to be sent more than once.
pub(crate) struct Plan {
    /// The body in the upstream's dialect.
    pub(crate) body: Bytes,
    /// When the client's request was complete.
    pub(crate) came: Instant,
    /// Whether it is not the one that the client sent.
    pub(crate) changed: bool,
    /// What encoders must know.
    pub(crate) context: lockgate_wire::AnswerContext,
    /// The credential for this provider.
    pub(crate) credential: Credential,
    /// Who follows the call.
    pub(crate) follower: Option<Arc<dyn Follower>>,
    /// The client's dialect.
    pub(crate) front: lockgate_wire::Format,
    /// How the client gets the answer.
    pub(crate) front_mode: Mode,
    /// Frames of the answer that only the gateway asked for.
    pub(crate) hidden: Option<fn(&[u8]) -> bool>,
    /// The client's headers that go along.
    pub(crate) headers: HeaderMap,
    /// Which models providers are known to have.
    pub(crate) lists: Lists,
    /// The tools' original names.
    pub(crate) names: ToolNames,
    /// Who answers what policies ask.
    pub(crate) whom: Arc<Whom>,
    /// The policies that look at the answer.
    pub(crate) policies: Option<Shared>,
    /// The path, where it is not the dialect's own (`/api/generate`).
    pub(crate) raw_path: Option<String>,
    /// Where it goes.
    pub(crate) target: Target,
    /// When it could be sent: bounds on time count from there.
    pub(crate) started: Instant,
    /// Notes the call.
    pub(crate) tape: Tape,
    /// Bounds on each phase.
    pub(crate) timeouts: Timeouts,
    /// The upstream's dialect.
    pub(crate) upstream: lockgate_wire::Format,
}

/// What an answer on its way needs of its plan; the request is let go of.
pub(crate) struct Course {
    /// Who answers what policies ask.
    pub(crate) whom: Arc<Whom>,
    /// What encoders must know.
    pub(crate) context: lockgate_wire::AnswerContext,
    /// The client's dialect.
    pub(crate) front: lockgate_wire::Format,
    /// How the client gets the answer.
    pub(crate) front_mode: Mode,
    /// The provider's id.
    pub(crate) provider: String,
    /// When the call began.
    pub(crate) started: Instant,
    /// Bounds on each phase.
    pub(crate) timeouts: Timeouts,
}

impl Plan {
    /// What the caller's key allows.
    pub(crate) fn grant(&self) -> Option<&Arc<Grant>> {
        self.lists.caller.grant.as_ref()
    }

    /// What stays while the answer comes.
    pub(crate) fn course(&self) -> Course {
        Course {
            whom: self.whom.clone(),
            context: lockgate_wire::AnswerContext { request: None, ..self.context.clone() },
            front: self.front,
            front_mode: self.front_mode,
            provider: self.target.upstream.id.clone(),
            started: self.started,
            timeouts: self.timeouts,
        }
    }
}

/// An answer that has begun.
pub(crate) struct Opened {
    /// What policies have asked.
    pub(crate) asked: Asked,
    /// Where the rest comes from; `None` when all has come.
    pub(crate) body: Option<UpstreamBody>,
    /// What the client gets first.
    pub(crate) first: Bytes,
    /// The provider's headers.
    pub(crate) headers: HeaderMap,
    /// The way of the answer.
    pub(crate) pipe: Pipe,
    /// The provider's status.
    pub(crate) status: u16,
}

/// A call that the provider did not answer.
pub(crate) struct Refused {
    /// The provider's error body, where it can pass as it is.
    pub(crate) body: Option<Bytes>,
    /// Why.
    pub(crate) failure: Failure,
    /// The provider's headers.
    pub(crate) headers: HeaderMap,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { body: None, failure, headers: HeaderMap::new() }
    }
}

/// Sends the call, and again where that is allowed.
pub(crate) async fn open(plan: &Plan) -> Result<Opened, Refused> {
    let retry = plan.target.upstream.settings.retry;
    // The `claude` command tries again by itself.
    let mut number = 1;
    let mut left = if plan.upstream.dialect == Dialect::ClaudeCli { 0 } else { retry.attempts };
    loop {
        let refused = match once(plan, number).await {
            Ok(opened) => return Ok(opened),
            Err(refused) => refused,
        };
        let longest = Duration::from_millis(retry.max_wait_ms);
        let again = wait_before_retry(&refused.failure, longest)
            .filter(|_| left > 0 && !plan.target.upstream.provider.is_final(&refused.failure));
        if let Some(follower) = &plan.follower {
            follower.failed(&refused.failure, again);
        }
        let Some(wait) = again else { return Err(refused) };
        left -= 1;
        number += 1;
        let id = &plan.target.upstream.id;
        let call = uuid::Uuid::parse_str(&plan.context.id).unwrap_or_default();
        tracing::info!(call.id = %call, provider = id, error = %refused.failure, wait_ms = wait.as_millis() as u64, "call {call}: trying again");
        tokio::time::sleep(wait).await;
    }
}

/// How long to wait before another try; `None` where another try makes no sense.
pub(crate) fn wait_before_retry(failure: &Failure, longest: Duration) -> Option<Duration> {
    let transient = match failure.status {
        Some(408 | 429 | 529) => true,
        Some(status) => status >= 500,
        None => matches!(
            failure.kind,
            ErrorKind::UpstreamUnavailable | ErrorKind::Overloaded | ErrorKind::RateLimited
        ),
    };
    if !transient {
        return None;
    }
    match failure.retry_after {
        Some(wait) => (wait <= longest).then_some(wait),
        // Half of the wait is chance, so that clients who failed together do not come back together.
        None => {
            let chance = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
            Some(Duration::from_millis(150 + chance).min(longest))
        }
    }
}

async fn once(plan: &Plan, number: u32) -> Result<Opened, Refused> {
    let ask = ask_of(plan);
    let endpoint = plan.target.upstream.provider.endpoint(&ask)?;
    note(plan, number);
    if let Some(follower) = &plan.follower {
        follower.trying(number);
    }
    let (first_byte, total) = (plan.timeouts.first_byte_ms, plan.timeouts.total_ms);
    let deadline = Instant::now() + Duration::from_millis(first_byte.min(total));
    let none_came = if total < first_byte { Slow::Total } else { Slow::FirstByte };
    let of_program = matches!(endpoint, Endpoint::Process(_));
    let (status, response_headers, mut body) = match endpoint {
        Endpoint::Process(command) => {
            let running = process::start(&command, &plan.body, plan.upstream)
                .map_err(|failure| broken(&plan.target.upstream.id, failure))?;
            (200, HeaderMap::new(), UpstreamBody::Process(Box::new(running)))
        }
        Endpoint::Http { method, uri } => {
            let request = request(plan, &ask, method, uri).await?;
            let response = timeout_at(deadline, sent(plan, request)).await;
            let response = response
                .map_err(|_| too_slow(plan, none_came))?
                .map_err(|unsent| unreachable(plan, &unsent))?;
            let request_id = headers::request_id(response.headers());
            let request_id = request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
            plan.tape.head(&Head { request_id, status: response.status().as_u16() });
            if response.status().as_u16() >= 300 {
                let refused = refused(plan, response, deadline).await;
                return Err(plan.lists.beside(&plan.target, refused));
            }
            let (head, body) = response.into_parts();
            (head.status.as_u16(), head.headers, UpstreamBody::Http(body))
        }
    };
    let mut pipe = pipe_of(plan, &response_headers, of_program);
    // The first bytes have until the deadline; after them the answer is alive, and silence is bounded instead. A whole
    // answer yields nothing before its end, so this reads all of it; a stream goes on in the client's hands.
    let mut first = Bytes::new();
    let (mut until, mut slow) = (deadline, none_came);
    let ends = plan.started + Duration::from_millis(plan.timeouts.total_ms);
    let mut asked = Asked::default();
    while first.is_empty() && !pipe.is_finished() {
        asked.push(&plan.whom, &plan.context.id, pipe.questions());
        if pipe.is_over() {
            // All has come. A stream's client is kept alive while policies wait; a whole answer waits here.
            if plan.front_mode != Mode::Whole {
                break;
            }
            match timeout_at(ends, asked.next()).await {
                Err(_) => return Err(too_slow(plan, Slow::Total).into()),
                Ok(Some((ticket, reply))) => first = pipe.reply(ticket, reply),
                Ok(None) => break,
            }
            continue;
        }
        match timeout_at(until, body.next()).await {
            Err(_) => return Err(too_slow(plan, slow).into()),
            Ok(None) => first = pipe.finish(),
            Ok(Some(Ok(bytes))) => {
                plan.tape.received(&bytes);
                first = pipe.feed(&bytes);
            }
            Ok(Some(Err(reason))) => return Err(broken(&plan.target.upstream.id, reason).into()),
        }
        let idle = Instant::now() + Duration::from_millis(plan.timeouts.idle_ms);
        (until, slow) = if ends < idle { (ends, Slow::Total) } else { (idle, Slow::Idle) };
    }
    let body = (!pipe.is_over() && !pipe.is_finished()).then_some(body);
    // Of a whole answer the client has seen nothing yet, whatever came of it.
    if let Some(failure) = &pipe.seen().failure
        && (!pipe.seen().content || plan.front_mode == Mode::Whole)
    {
        return Err(Refused { body: None, failure: failure.clone(), headers: response_headers });
    }
    Ok(Opened { asked, body, first, headers: response_headers, pipe, status })
}

/// The way of the answer.
fn pipe_of(plan: &Plan, headers: &HeaderMap, of_program: bool) -> Pipe {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Pipe::new(PipeSpec {
        context: plan.context.clone(),
        front: plan.front,
        front_mode: plan.front_mode,
        hidden: plan.hidden,
        names: plan.names.clone(),
        policies: plan.policies.clone().filter(|run| with(run, |run| run.looks_at_answer())),
        until_stop: of_program,
        upstream: plan.upstream,
        // A program prints lines, however the client wants its answer.
        upstream_mode: if of_program {
            Mode::Stream
        } else {
            mode_of(content_type, plan.upstream.dialect, plan.front_mode)
        },
    })
}

/// Notes that a try goes out.
fn note(plan: &Plan, number: u32) {
    if !plan.tape.is_blank() {
        let sent = Sent {
            attempt: number,
            dialect: plan.upstream.dialect,
            kind: plan.target.upstream.kind.name().to_owned(),
            model: plan.target.model.clone(),
            provider: plan.target.upstream.id.clone(),
        };
        plan.tape.sent(&sent, plan.changed.then_some(&plan.body));
    }
}

/// Sends a request. What has been noted of the call is appended to the log while the provider has it.
async fn sent(plan: &Plan, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unsent> {
    let mut sending = std::pin::pin!(plan.target.upstream.send(request));
    if plan.tape.is_blank() {
        return sending.await;
    }
    if let Poll::Ready(answered) = std::future::poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await {
        return answered;
    }
    // The connection has its turn to write the request.
    tokio::task::yield_now().await;
    plan.tape.append();
    sending.await
}

fn ask_of(plan: &Plan) -> Ask<'_> {
    let operation = match &plan.raw_path {
        Some(path) => Operation::Raw { method: &http::Method::POST, path_and_query: path },
        None => Operation::Generate,
    };
    Ask {
        dialect: plan.upstream.dialect,
        model: &plan.target.model,
        operation,
        stream: plan.front_mode != Mode::Whole,
    }
}

async fn request(
    plan: &Plan,
    ask: &Ask<'_>,
    method: http::Method,
    uri: http::Uri,
) -> Result<Request<Full<Bytes>>, Failure> {
    let upstream = &plan.target.upstream;
    let mut headers = plan.headers.clone();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    let credential = upstream.redeem(plan.credential.clone()).await?;
    upstream.provider.sign(&credential, ask, &mut headers)?;
    for (name, value) in &upstream.headers {
        headers.insert(name, value.clone());
    }
    if let Some(follower) = &plan.follower {
        follower.trace_context().apply(&mut headers);
    }
    let mut request = Request::new(Full::new(plan.body.clone()));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Reads a provider's error answer.
async fn refused(plan: &Plan, response: Response<Incoming>, deadline: Instant) -> Refused {
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    let read = timeout_at(deadline, Limited::new(body, ERROR_BODY).collect()).await;
    let bytes = read.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    plan.tape.received(&bytes);
    let mut failure = plan.upstream.messages.fault(status, &bytes);
    failure.status = Some(status);
    failure.retry_after = retry_after(&head.headers).or(failure.retry_after);
    if status == 401 && plan.target.upstream.provider.tokens().is_some() {
        plan.target.upstream.forget_token().await;
    }
    let passes = plan.front.dialect == plan.upstream.dialect && lockgate_wire::scan(&bytes, 64).is_ok();
    Refused { body: passes.then_some(bytes), failure, headers: head.headers }
}

/// When a provider wants to be asked again: seconds, or milliseconds in OpenAI's own header.
pub(crate) fn retry_after(response: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| response.get(name).and_then(|value| value.to_str().ok());
    if let Some(ms) = text("retry-after-ms").and_then(|value| value.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let value = text("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

/// Which of the bounds on an answer's time was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    FirstByte,
    Idle,
    Total,
}

fn too_slow(plan: &Plan, slow: Slow) -> Failure {
    slow.failure(&plan.target.upstream.id, &plan.timeouts)
}

impl Slow {
    /// What is told of it, with the setting.
    pub(crate) fn failure(self, id: &str, timeouts: &Timeouts) -> Failure {
        let (what, wait, setting) = match self {
            Self::FirstByte => ("sent nothing for", timeouts.first_byte_ms, "first_byte_ms"),
            Self::Idle => ("was silent for", timeouts.idle_ms, "idle_ms"),
            Self::Total => ("was not done with its answer after", timeouts.total_ms, "total_ms"),
        };
        let message = format!("provider `{id}` {what} {wait} ms (providers.{id}.timeouts.{setting})");
        Failure::new(ErrorKind::Timeout, message)
    }
}

fn unreachable(plan: &Plan, unsent: &Unsent) -> Failure {
    let upstream = &plan.target.upstream;
    let hint = if upstream.kind.info().local && !unsent.proxied { "; is it running?" } else { "" };
    let message = format!("provider `{}`: {}{hint}", upstream.id, unsent.words);
    Failure::new(ErrorKind::UpstreamUnavailable, message)
}

/// An answer broke off, with the name of its provider.
pub(crate) fn broken(provider: &str, reason: Failure) -> Failure {
    Failure { message: format!("provider `{provider}`: {}", reason.message), ..reason }
}

/// The headers of a request in the client's own dialect, or none where the dialect changes.
pub(crate) fn travelling(client: &HeaderMap, front: Dialect, upstream: Dialect) -> HeaderMap {
    if front == upstream {
        return headers::for_upstream(client);
    }
    let mut own = HeaderMap::new();
    own.insert(
        header::USER_AGENT,
        header::HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION"))),
    );
    own
}
