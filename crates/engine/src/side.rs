//! The endpoints beside generation: token counts, embeddings, what Ollama shows of a model.
//!
//! Answers here are whole and small; they are read to the end before the client gets them. Lists of models are in `list`, what we do not model
//! is in `passing`.

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts as Head;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use lockgate_core::{Dialect, ErrorKind, Failure, ModelCard};
use lockgate_providers::{Ask, Credential, Endpoint, Operation};
use lockgate_recorder::{Closed, Operation as Noted};
use lockgate_wire::{Envelope, Format, Loss, Target as WriteTarget, ToolNames, format};
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{self, Facts};
use crate::attempt::{Refused, Slow, retry_after, travelling, wait_before_retry};
use crate::engine::{Engine, credential_for, versioned_path};
use crate::estimate::estimate;
use crate::gate::{Shared, with};
use crate::headers;
use crate::passing::Ending;
use crate::pipe::unreadable;
use crate::policies::{Holds, Judged};
use crate::relay::AnswerBody;
use crate::report::{CallReport, Outcome};
use crate::request::CallRequest;
use crate::resolve::Target;
use crate::tap;
use crate::upstream::Upstream;

/// The largest answer of a side endpoint, in bytes: a batch of embeddings, a page of files.
const SIDE_BODY: usize = 64 * 1024 * 1024;

impl Engine {
    /// Counts tokens: by the provider where it can, else by our estimate, which is marked as such.
    pub async fn count_tokens(&self, request: CallRequest) -> Response<AnswerBody> {
        self.noted(request, Noted::CountTokens, |request, id| self.counted(request, id)).await
    }

    /// Answers a call, and notes what came in and what went out.
    pub(crate) async fn noted<F>(
        &self,
        mut request: CallRequest,
        operation: Noted,
        answer: impl FnOnce(CallRequest, Uuid) -> F,
    ) -> Response<AnswerBody>
    where
        F: Future<Output = Result<Response<AnswerBody>, Failure>>,
    {
        let (format, id) = (request.format, Uuid::now_v7());
        let tape = self.tape(id, &request, operation);
        let follower = self.follower(&request, (id, operation), None);
        let (came, caller) = (Instant::from_std(request.came), request.caller.grant.clone());
        let (allowed, policies) = self.allowed(&mut request, (id, operation)).await;
        let (answered, running) = match allowed.and_then(|()| request.caller.admit()) {
            Ok(running) => (answer(request, id).await, running),
            Err(refused) => (Err(refused), None),
        };
        let (mut response, failure) = match answered {
            Ok(response) => (response, None),
            Err(failure) => (answer::error(&format, &failure, id), Some(failure)),
        };
        let said = policies.map(|run| with(&run, |run| (run.take_decisions(), run.worked())));
        let (decisions, worked) = said.unwrap_or_default();
        let closed = failure.as_ref().map(tap::refusal).unwrap_or_default();
        let closed = Closed { policies: tap::told(&decisions), ..closed };
        let closed = if tape.is_blank() { closed } else { tap::whole(&tape, closed, &response) };
        let report = CallReport {
            caller: caller.map(|grant| grant.name.clone()),
            decisions,
            worked,
            ..side_report((id, format.dialect, operation), &response, failure.as_ref())
        };
        let outcome = report.outcome.clone();
        let ending =
            Ending { came, closed, follower, observer: self.observer.clone(), report, running, tape };
        match response.body_mut().passing() {
            Some(passing) => passing.follow(ending),
            None => ending.finish(outcome),
        }
        response
    }

    /// Asks policies about a request whose answer none of them sees.
    async fn allowed(
        &self,
        request: &mut CallRequest,
        (id, operation): (Uuid, Noted),
    ) -> (Result<(), Failure>, Option<Shared>) {
        if self.policies().is_none() {
            return (Ok(()), None);
        }
        let state = self.state.load_full();
        let spec = lockgate_wire::count_envelope(&request.format);
        let envelope = Envelope::read(&request.body, spec, &state.options.limits).ok();
        let holds = match operation {
            Noted::CountTokens => Holds::Counted,
            Noted::Embed => Holds::Material,
            Noted::Generate | Noted::Other => Holds::Anything,
        };
        match self.judged(request, (id, envelope.as_ref()), holds).await {
            Judged::Go(run) => (beside_local(request, operation), run),
            Judged::Refuse(failure, run) => (Err(failure), Some(run)),
            Judged::Unable(failure) => (Err(failure), None),
            Judged::Answer(_, run) => {
                let words = "a policy answers such calls in place of a provider, and has no answer to this kind of call";
                (Err(Failure::new(ErrorKind::PolicyRefused, words)), Some(run))
            }
        }
    }

    async fn counted(&self, request: CallRequest, id: Uuid) -> Result<Response<AnswerBody>, Failure> {
        let front = request.format;
        let tokens = front.tokens.ok_or_else(|| no_such(&front, "token counting"))?;
        let state = self.state.load_full();
        let envelope =
            Envelope::read(&request.body, lockgate_wire::count_envelope(&front), &state.options.limits)?;
        let target = self.target(&state, &request, envelope.model.as_deref())?;
        let mut facts = called((&request, id), envelope.model.as_deref(), &target);
        let upstream = &target.upstream;
        let estimated = |facts: &Facts| {
            let mut response = answer::json(facts, tokens.write_answer(estimate(&request.body)));
            headers::set(response.headers_mut(), "x-lockgate-estimated", "input_tokens");
            response
        };
        let Some(dialect) = counting_dialect(upstream, front.dialect) else {
            return Ok(estimated(&facts));
        };
        let ask = Ask { dialect, model: &target.model, operation: Operation::CountTokens, stream: false };
        let credential = credential_for(&request, upstream)?;
        if dialect == front.dialect {
            let body = renamed(&request, &envelope, &target);
            let ask = Ask { operation: as_asked(&request, &target).unwrap_or(ask.operation), ..ask };
            let travel = travelling(&request.headers, dialect, dialect);
            let answered = side_call(upstream, &ask, credential, travel, body).await?;
            return Ok(if counts_not(&answered, &target.model) {
                estimated(&facts)
            } else {
                let answered = self.lists(&request.caller).beside_answer(&target, answered);
                relayed(&front, &facts, answered)
            });
        }
        let to = format(dialect);
        let counter = to.tokens.ok_or_else(|| no_such(&to, "token counting"))?;
        let mut conversation = tokens.parse(&request.body)?;
        lockgate_wire::may_leave(front.dialect, &conversation)?;
        ToolNames::plain(&mut conversation);
        let quirks = upstream.provider.quirks(&target.model, 0);
        let write =
            WriteTarget { default_max_tokens: 1, model: &target.model, quirks: &quirks, stream: false };
        let body = counter.write(&conversation, &write, &mut facts.loss)?;
        let travel = travelling(&request.headers, front.dialect, dialect);
        let answered = side_call(upstream, &ask, credential, travel, body.into()).await?;
        if counts_not(&answered, &target.model) {
            return Ok(estimated(&facts));
        }
        match accepted(&to, answered) {
            Err(refused) => {
                let refused = self.lists(&request.caller).beside(&target, refused);
                Ok(answer::refused(&facts, &front, refused))
            }
            Ok(body) => {
                let count = counter.parse_answer(&body).map_err(|error| unreadable(&error))?;
                Ok(answer::json(&facts, tokens.write_answer(count)))
            }
        }
    }

    /// Makes embeddings.
    pub async fn embed(&self, request: CallRequest) -> Response<AnswerBody> {
        self.noted(request, Noted::Embed, |request, id| self.embedded(request, id)).await
    }

    async fn embedded(&self, request: CallRequest, id: Uuid) -> Result<Response<AnswerBody>, Failure> {
        let front = request.format;
        let embeddings = front.embeddings.ok_or_else(|| no_such(&front, "embeddings"))?;
        let state = self.state.load_full();
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let limits = &state.options.limits;
        lockgate_wire::scan(&request.body, limits.nesting)
            .map_err(|error| Failure::new(ErrorKind::InvalidRequest, error.to_string()))?;
        let named = lockgate_wire::member_text(&request.body, "model");
        let target = self.target(&state, &request, named.as_deref())?;
        let upstream = &target.upstream;
        let mut facts = called((&request, id), named.as_deref(), &target);
        let credential = credential_for(&request, upstream)?;
        if upstream.speaks(front.dialect) {
            let call = embeddings.parse(path, &request.body)?;
            let operation = as_asked(&request, &target);
            let ask = Ask {
                dialect: front.dialect,
                model: &target.model,
                operation: operation.unwrap_or(Operation::Embed { single: call.single }),
                stream: false,
            };
            let body = match &named {
                Some(name) if *name != target.model => {
                    lockgate_wire::with_member(&request.body, "model", &target.model).into()
                }
                Some(_) | None => request.body.clone(),
            };
            let travel = travelling(&request.headers, front.dialect, front.dialect);
            let answered = side_call(upstream, &ask, credential, travel, body).await?;
            let answered = self.lists(&request.caller).beside_answer(&target, answered);
            return Ok(relayed(&front, &facts, answered));
        }
        let mut speaks = upstream.provider.dialects().iter().map(|dialect| format(*dialect));
        let (to, writer) = speaks
            .find_map(|to| to.embeddings.map(|writer| (to, writer)))
            .ok_or_else(|| no_embeddings(upstream))?;
        let call = embeddings.parse(path, &request.body)?;
        let body = writer.write(&call, &target.model, &mut facts.loss)?;
        // Ollama's form for one input is the older one, which is passed but never written.
        let single = call.single && call.inputs.len() == 1 && to.dialect != Dialect::Ollama;
        let ask = Ask {
            dialect: to.dialect,
            model: &target.model,
            operation: Operation::Embed { single },
            stream: false,
        };
        let travel = travelling(&request.headers, front.dialect, to.dialect);
        match accepted(&to, side_call(upstream, &ask, credential, travel, body.into()).await?) {
            Err(refused) => {
                let refused = self.lists(&request.caller).beside(&target, refused);
                Ok(answer::refused(&facts, &front, refused))
            }
            Ok(body) => {
                let vectors = writer.parse_answer(&body).map_err(|error| unreadable(&error))?;
                Ok(answer::json(&facts, embeddings.write_answer(&vectors, &call, &target.model)))
            }
        }
    }

    /// Ollama's `/api/show`: asked of Ollama where the model is there, else told from the catalogue.
    pub async fn show(&self, request: CallRequest) -> Response<AnswerBody> {
        let format = request.format;
        self.shown(request).await.unwrap_or_else(|failure| answer::refusal(&format, &failure))
    }

    async fn shown(&self, request: CallRequest) -> Result<Response<AnswerBody>, Failure> {
        let front = request.format;
        let state = self.state.load_full();
        let body = &request.body;
        let field = if lockgate_wire::member_text(body, "model").is_some() { "model" } else { "name" };
        let named = lockgate_wire::member_text(body, field)
            .ok_or_else(|| Failure::invalid("model", "`model` is missing: name the model to show"))?;
        let target = self.target(&state, &request, Some(&named))?;
        let facts = called((&request, Uuid::now_v7()), Some(&named), &target);
        if target.upstream.speaks(Dialect::Ollama) {
            let operation =
                Operation::Raw { method: &request.method, path_and_query: &request.path_and_query };
            let ask = Ask { dialect: Dialect::Ollama, model: "", operation, stream: false };
            let credential = credential_for(&request, &target.upstream)?;
            let body = lockgate_wire::with_member(body, field, &target.model);
            let travel = travelling(&request.headers, front.dialect, front.dialect);
            return Ok(relayed(
                &front,
                &facts,
                side_call(&target.upstream, &ask, credential, travel, body.into()).await?,
            ));
        }
        if !request.caller.is_trusted() {
            credential_for(&request, &target.upstream)?;
        }
        let catalogue = self.catalogue.load();
        let unlisted = ModelCard { id: named, ..ModelCard::default() };
        let card = catalogue.card(&target.upstream.id, &target.model).unwrap_or(&unlisted);
        let card = self.known(&target.upstream, &target.model, card);
        Ok(answer::json(&facts, lockgate_wire::ollama::write_show(&card)))
    }
}

/// The caller's own path as the operation, where it has chosen a version.
fn as_asked<'a>(request: &'a CallRequest, target: &Target) -> Option<Operation<'a>> {
    versioned_path(request, target)
        .map(|path_and_query| Operation::Raw { method: &request.method, path_and_query })
}

/// Whether a server that speaks the dialect has no endpoint that counts. A 404 that names the model means the model.
fn counts_not(answered: &Answered, model: &str) -> bool {
    let names_it = || memchr::memmem::find(&answered.body, model.as_bytes()).is_some();
    matches!(answered.status, 405 | 501) || answered.status == 404 && !names_it()
}

/// A whole answer of a provider.
pub(crate) struct Answered {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) status: u16,
}

/// One request, one whole answer, within the provider's bounds; again where that is allowed.
pub(crate) async fn side_call(
    upstream: &Upstream,
    ask: &Ask<'_>,
    credential: Credential,
    travel: HeaderMap,
    body: Bytes,
) -> Result<Answered, Failure> {
    let retry = upstream.settings.retry;
    let longest = Duration::from_millis(retry.max_wait_ms);
    let mut left = retry.attempts;
    loop {
        let exchange = async {
            let opened = side_open(upstream, ask, credential.clone(), travel.clone(), body.clone());
            let (head, body) = opened.await?;
            read_whole(upstream, head, body).await
        };
        let answered = tokio::time::timeout(patience(upstream), exchange).await;
        let answered = answered.unwrap_or_else(|_| Err(late(upstream)));
        let wait = failure_of(&answered).filter(|failure| left > 0 && !upstream.provider.is_final(failure));
        let Some(wait) = wait.and_then(|failure| wait_before_retry(&failure, longest)) else {
            return answered;
        };
        left -= 1;
        tokio::time::sleep(wait).await;
    }
}

/// Why a provider did not do what it was asked, as far as it matters for asking again.
fn failure_of(answered: &Result<Answered, Failure>) -> Option<Failure> {
    match answered {
        Ok(Answered { status: ..400, .. }) => None,
        Ok(Answered { headers, status, .. }) => Some(Failure {
            retry_after: retry_after(headers),
            status: Some(*status),
            ..Failure::new(ErrorKind::of_upstream_status(*status), "")
        }),
        Err(failure) => Some(failure.clone()),
    }
}

/// One request, and the head of its answer, within the time for its first byte.
pub(crate) async fn side_open(
    upstream: &Upstream,
    ask: &Ask<'_>,
    credential: Credential,
    mut travel: HeaderMap,
    body: Bytes,
) -> Result<(Head, Incoming), Failure> {
    let Endpoint::Http { method, uri } = upstream.provider.endpoint(ask)? else {
        return Err(Failure::new(
            ErrorKind::NotFound,
            format!("provider `{}` has no such endpoint", upstream.id),
        ));
    };
    if !body.is_empty() {
        travel.entry(header::CONTENT_TYPE).or_insert(header::HeaderValue::from_static("application/json"));
    }
    let body = if body.is_empty() { body } else { upstream.provider.adapt(ask, body)? };
    let credential = upstream.redeem(credential).await?;
    upstream.provider.sign(&credential, ask, &mut travel)?;
    for (name, value) in &upstream.headers {
        travel.insert(name, value.clone());
    }
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = travel;
    match tokio::time::timeout(patience(upstream), upstream.send(request)).await {
        Ok(Ok(response)) => Ok(response.into_parts()),
        Ok(Err(unsent)) => Err(unavailable(upstream, &unsent.words)),
        Err(_) => Err(late(upstream)),
    }
}

/// The answer whose head has come.
pub(crate) async fn read_whole(upstream: &Upstream, head: Head, body: Incoming) -> Result<Answered, Failure> {
    let body = tokio::time::timeout(patience(upstream), Limited::new(body, SIDE_BODY).collect()).await;
    let body = body.map_err(|_| late(upstream))?;
    let body = body.map_err(|_| unavailable(upstream, "the answer broke off or is too large"))?.to_bytes();
    Ok(Answered { body, headers: head.headers, status: head.status.as_u16() })
}

fn patience(upstream: &Upstream) -> Duration {
    Duration::from_millis(upstream.settings.timeouts.first_byte_ms)
}

fn unavailable(upstream: &Upstream, what: &str) -> Failure {
    Failure::new(ErrorKind::UpstreamUnavailable, format!("provider `{}`: {what}", upstream.id))
}

fn late(upstream: &Upstream) -> Failure {
    Slow::FirstByte.failure(&upstream.id, &upstream.settings.timeouts)
}

/// The body of an accepted answer, or the refusal.
pub(crate) fn accepted(upstream: &Format, answered: Answered) -> Result<Bytes, Refused> {
    if answered.status < 300 {
        return Ok(answered.body);
    }
    let mut failure = upstream.messages.fault(answered.status, &answered.body);
    failure.status = Some(answered.status);
    Err(Refused { body: None, failure, headers: answered.headers })
}

/// An answer passed as it is.
pub(crate) fn relayed(front: &Format, facts: &Facts, answered: Answered) -> Response<AnswerBody> {
    let is_error = answered.status >= 400;
    if is_error && lockgate_wire::validate(&answered.body, 128).is_err() && !answered.body.is_empty() {
        let status = answered.status;
        let mut failure = front.messages.fault(status, &answered.body);
        failure.status = Some(status);
        return answer::refused(facts, front, Refused { body: None, failure, headers: answered.headers });
    }
    let mut response = answer::answered(
        facts,
        answered.status,
        &answered.headers,
        lockgate_wire::Mode::Whole,
        AnswerBody::full(answered.body),
    );
    if answered.headers.get(header::CONTENT_TYPE).is_none() {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if answered.status < 200 {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    response
}

fn renamed(request: &CallRequest, envelope: &Envelope, target: &Target) -> Bytes {
    match &envelope.model {
        Some(name) if *name != target.model => {
            let model = serde_json::Value::from(target.model.as_str()).to_string();
            envelope.with(&request.body, "model", &model).into()
        }
        Some(_) | None => request.body.clone(),
    }
}

/// What is kept local is counted by the model that would answer it, embedded by the one that it names, for vectors of another do not go
/// with its own, and else goes nowhere.
fn beside_local(request: &mut CallRequest, operation: Noted) -> Result<(), Failure> {
    let Some(kept) = &mut request.local else { return Ok(()) };
    match operation {
        Noted::CountTokens | Noted::Generate => {}
        Noted::Embed => kept.instead = None,
        Noted::Other => {
            let words = format!("{}; what such a request is for is not known, so it goes nowhere", kept.why);
            return Err(Failure::new(ErrorKind::PolicyRefused, words));
        }
    }
    Ok(())
}

/// The dialect to count in: the client's own if the provider counts in it, else one that it does count in.
fn counting_dialect(upstream: &Upstream, front: Dialect) -> Option<Dialect> {
    let counts = |dialect: Dialect| {
        let ask = Ask { dialect, model: "m", operation: Operation::CountTokens, stream: false };
        format(dialect).tokens.is_some() && upstream.provider.endpoint(&ask).is_ok()
    };
    let speaks = upstream.provider.dialects();
    if speaks.contains(&front) && counts(front) {
        return Some(front);
    }
    speaks.iter().copied().find(|dialect| counts(*dialect))
}

pub(crate) fn facts((dialect, id): (Dialect, Uuid), upstream: &Upstream, model: &str) -> Facts {
    let same = upstream.speaks(dialect);
    Facts { model: model.to_owned(), provider: upstream.id.clone(), same, ..blank(dialect, id) }
}

/// What there is to say of a call to a model, by the name that the client called.
fn called((request, id): (&CallRequest, Uuid), in_body: Option<&str>, target: &Target) -> Facts {
    let requested = request.renamed(in_body, &target.model);
    Facts { requested, ..facts((request.format.dialect, id), &target.upstream, &target.model) }
}

pub(crate) fn blank(dialect: Dialect, id: Uuid) -> Facts {
    let task = id.to_string();
    Facts {
        dialect,
        loss: Loss::default(),
        model: String::new(),
        provider: String::new(),
        requested: None,
        same: false,
        task,
    }
}

/// What there is to say of a call whose answer is whole.
fn side_report(
    (id, dialect, operation): (Uuid, Dialect, Noted),
    response: &Response<AnswerBody>,
    failure: Option<&Failure>,
) -> CallReport {
    let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let status = response.status().as_u16();
    // A provider's error is passed as it is, without being read.
    let failure = failure.cloned().or_else(|| {
        let kind = ErrorKind::of_upstream_status(status);
        let failure = || Failure::new(kind, format!("the provider answered with status {status}"));
        (status >= 400).then(|| Failure { status: Some(status), ..failure() })
    });
    CallReport {
        outcome: failure.map_or(Outcome::Complete, Outcome::Failed),
        provider: header("x-provider"),
        requested: header("x-model"),
        status,
        ..CallReport::new(&id.to_string(), dialect, operation)
    }
}

pub(crate) fn no_such(format: &Format, what: &str) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("{} has no {what}", format.dialect))
}

fn no_embeddings(upstream: &Upstream) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("provider `{}` makes no embeddings", upstream.id))
}
