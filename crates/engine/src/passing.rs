//! Endpoints that are not modelled: passed to the provider that owns the client's dialect, method, path and body as they are.
//!
//! What the provider streams is handed on as it comes; anything else is read whole first, so that an error is one of the client's dialect.
//! Endpoints beside generation that are modelled are in `side`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Response, header};
use hyper::body::Incoming;
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_providers::{Ask, Credential, Operation, Timeouts};
use lockgate_recorder::{Closed, Operation as Noted, Tape};
use lockgate_wire::{Format, Mode};
use tokio::time::{Instant, Sleep, sleep_until};
use uuid::Uuid;

use crate::answer;
use crate::attempt::{Slow, broken, retry_after, travelling, wait_before_retry};
use crate::body::UpstreamBody;
use crate::engine::{Engine, credential_for};
use crate::follow::{Follower, Observer};
use crate::meter::Permit;
use crate::relay::AnswerBody;
use crate::report::{CallReport, Outcome};
use crate::request::CallRequest;
use crate::resolve::owners_of;
use crate::side::{facts, read_whole, relayed, side_open};
use crate::upstream::Upstream;

impl Engine {
    /// Passes an endpoint that we do not model to the provider that owns the client's dialect.
    pub async fn pass_through(&self, request: CallRequest) -> Response<AnswerBody> {
        self.noted(request, Noted::Other, |request, id| self.passed_through(request, id)).await
    }

    async fn passed_through(&self, request: CallRequest, id: Uuid) -> Result<Response<AnswerBody>, Failure> {
        let front = request.format;
        let state = self.state.load_full();
        let kinds = owners_of(front.dialect);
        let owners: Vec<_> =
            state.upstreams.values().filter(|upstream| kinds.contains(&upstream.kind)).collect();
        let path = &request.path_and_query;
        may_pass(&request)?;
        let [upstream] = owners.as_slice() else {
            let kind = kinds.first().map_or("", |kind| kind.name());
            let words = if owners.is_empty() {
                format!(
                    "`{path}` belongs to {kind}, which is not among the providers; add it to lockgate.yaml"
                )
            } else {
                format!("`{path}` belongs to {kind}, and there are several providers of that kind")
            };
            return Err(Failure {
                code: Some("unknown_url".into()),
                ..Failure::new(ErrorKind::NotFound, words)
            });
        };
        let operation = Operation::Raw { method: &request.method, path_and_query: path };
        let ask = Ask { dialect: front.dialect, model: "", operation, stream: false };
        let credential = credential_for(&request, upstream)?;
        let mut travel = travelling(&request.headers, front.dialect, front.dialect);
        if let Some(kind) = request.headers.get(header::CONTENT_TYPE) {
            travel.insert(header::CONTENT_TYPE, kind.clone());
        }
        let facts = facts((front.dialect, id), upstream, "");
        let (head, body) = opened(upstream, (&ask, &request), credential, travel).await?;
        let Some(lines) = streams(&head.headers).filter(|_| head.status.is_success()) else {
            return Ok(relayed(&front, &facts, read_whole(upstream, head, body).await?));
        };
        let passing = Passing::new(UpstreamBody::Http(body), upstream, (front, lines));
        let status = head.status.as_u16();
        let mut response =
            answer::answered(&facts, status, &head.headers, Mode::Stream, AnswerBody::pass(passing));
        if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }
}

/// The head of an answer; asked for again as calls are, as far as that does nothing twice.
async fn opened(
    upstream: &Upstream,
    (ask, request): (&Ask<'_>, &CallRequest),
    credential: Credential,
    travel: HeaderMap,
) -> Result<(Parts, Incoming), Failure> {
    let retry = upstream.settings.retry;
    let longest = Duration::from_millis(retry.max_wait_ms);
    let mut left = retry.attempts;
    loop {
        let opened = side_open(upstream, ask, credential.clone(), travel.clone(), request.body.clone()).await;
        let failure = failed(&request.method, &opened)
            .filter(|failure| left > 0 && !upstream.provider.is_final(failure));
        let Some(wait) = failure.and_then(|failure| wait_before_retry(&failure, longest)) else {
            return opened;
        };
        left -= 1;
        tokio::time::sleep(wait).await;
    }
}

/// Why a request may be sent again. One that changes something only where its provider says that it did not take it.
fn failed(method: &Method, opened: &Result<(Parts, Incoming), Failure>) -> Option<Failure> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match opened {
        Err(failure) => reads.then(|| failure.clone()),
        Ok((head, _)) => {
            let status = head.status.as_u16();
            // A proxy on the way says 503 also where the provider had the request already; one that says when to come back did not take it.
            let not_taken = match status {
                429 | 529 => true,
                503 => retry_after(&head.headers).is_some(),
                _ => false,
            };
            let again = if reads { status >= 400 } else { not_taken };
            again.then(|| Failure {
                retry_after: retry_after(&head.headers),
                status: Some(status),
                ..Failure::new(ErrorKind::of_upstream_status(status), "")
            })
        }
    }
}

/// Holds a key to its models also on endpoints that are not modelled: what they call must be known there, unless they only read.
fn may_pass(request: &CallRequest) -> Result<(), Failure> {
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    if reads || !request.caller.is_held_to_models() {
        return Ok(());
    }
    let words = match lockgate_wire::member_text(&request.body, "model") {
        Some(model) if request.caller.may_use(&model) => return Ok(()),
        Some(model) => format!("this key may not use the model `{model}`"),
        None => format!(
            "this key may use some models only, and which one `{}` calls is not known to the gateway",
            request.path_and_query
        ),
    };
    Err(Failure { param: Some("model".into()), ..Failure::new(ErrorKind::Forbidden, words) })
}

/// How the pieces of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    Json,
    Sse,
}

/// Whether an answer comes piece by piece, by its type.
fn streams(headers: &HeaderMap) -> Option<Lines> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    match kind.split(';').next()?.trim() {
        "text/event-stream" => Some(Lines::Sse),
        "application/x-ndjson" | "application/jsonl" => Some(Lines::Json),
        _ => None,
    }
}

/// What is done when a passed answer is over.
pub(crate) struct Ending {
    pub(crate) came: Instant,
    pub(crate) closed: Closed,
    pub(crate) follower: Option<Arc<dyn Follower>>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) report: CallReport,
    /// The call counts as running until then.
    pub(crate) running: Option<Permit>,
    pub(crate) tape: Tape,
}

impl Ending {
    /// The call is over.
    pub(crate) fn finish(self, outcome: Outcome) {
        let Self { came, closed, follower, observer, mut report, running, tape } = self;
        let failure = match &outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            Outcome::Aborted | Outcome::Complete => None,
        };
        let closed = Closed {
            aborted: outcome == Outcome::Aborted,
            error: failure.as_ref().map(|failure| failure.kind).or(closed.error),
            message: failure.map(|failure| failure.message).or(closed.message),
            ..closed
        };
        report.duration = came.elapsed();
        report.outcome = outcome;
        observer.used(&report);
        drop(running);
        if let Some(follower) = follower {
            follower.finished(&report);
        }
        observer.finished(report);
        if !tape.is_blank() {
            tape.close(&closed);
        }
    }
}

/// A stream that is handed on as it comes.
pub(crate) struct Passing {
    /// `None` = it is over.
    body: Option<UpstreamBody>,
    ending: Option<Ending>,
    /// When it has taken too long, whatever comes.
    ends: Instant,
    front: (Format, Lines),
    provider: String,
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
}

impl Passing {
    fn new(body: UpstreamBody, upstream: &Upstream, front: (Format, Lines)) -> Self {
        let timeouts = upstream.settings.timeouts;
        let now = Instant::now();
        let ends = now + Duration::from_millis(timeouts.total_ms);
        let first = ends.min(now + Duration::from_millis(timeouts.idle_ms));
        let provider = upstream.id.clone();
        Self {
            body: Some(body),
            ending: None,
            ends,
            front,
            provider,
            timer: Box::pin(sleep_until(first)),
            timeouts,
        }
    }

    /// Says what is to be done at the end.
    pub(crate) fn follow(&mut self, mut ending: Ending) {
        (ending.closed.stream, ending.report.stream) = (true, true);
        self.ending = Some(ending);
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match body.poll(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                let idle = Instant::now() + Duration::from_millis(self.timeouts.idle_ms);
                self.timer.as_mut().reset(self.ends.min(idle));
                self.note(&bytes);
                Poll::Ready(Some(bytes))
            }
            Poll::Ready(Some(Err(reason))) => Poll::Ready(Some(self.fail(broken(&self.provider, reason)))),
            Poll::Ready(None) => {
                self.over(Outcome::Complete);
                Poll::Ready(None)
            }
            Poll::Pending => self.timer.as_mut().poll(cx).map(|()| Some(self.fail(self.too_slow()))),
        }
    }

    fn note(&mut self, bytes: &Bytes) {
        let Some(ending) = &mut self.ending else { return };
        if ending.report.ttft.is_none() {
            ending.report.ttft = Some(ending.came.elapsed());
            if let Some(follower) = &ending.follower {
                follower.first_byte();
            }
        }
        ending.tape.delivered(bytes);
    }

    /// The stream's last bytes: an error as its dialect says one inside an answer.
    fn fail(&mut self, failure: Failure) -> Bytes {
        let (format, lines) = self.front;
        let body = format.messages.error(&failure);
        let name: &[u8] = if format.dialect == Dialect::Anthropic { b"event: error\n" } else { b"" };
        let bytes = Bytes::from(match lines {
            Lines::Json => [&body, &b"\n"[..]].concat(),
            Lines::Sse => [name, b"data: ", &body, b"\n\n"].concat(),
        });
        self.note(&bytes);
        self.over(Outcome::Failed(failure));
        bytes
    }

    fn over(&mut self, outcome: Outcome) {
        self.body = None;
        if let Some(ending) = self.ending.take() {
            ending.finish(outcome);
        }
    }

    fn too_slow(&self) -> Failure {
        let slow = if Instant::now() >= self.ends { Slow::Total } else { Slow::Idle };
        slow.failure(&self.provider, &self.timeouts)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.over(Outcome::Aborted);
    }
}
