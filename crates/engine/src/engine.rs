//! The engine: one call from its request to its response.
//!
//! Passes a call that keeps its dialect, converts one that does not. Endpoints beside generation are in `side`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::Response;
use lockgate_core::{Conversation, Dialect, ErrorKind, Failure};
use lockgate_ledger::Prices;
use lockgate_policy::Chain;
use lockgate_providers::{Ask, Kind, OpenError, Operation as Endpoint, StreamUsage};
use lockgate_recorder::{Log, Operation, Tape};
use lockgate_wire::{
    AnswerContext, Elapsed, Envelope, Format, Loss, Mode, Target as WriteTarget, ToolNames, chat, format,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::again::Again;
use crate::answer::{self, Facts};
use crate::ask::{Asked, Asker, Nobody, Whom};
use crate::attempt::{self, Plan, Refused};
use crate::catalogue::Catalogue;
use crate::continuity::{Bounds, Continuity, Issuer};
use crate::estimate::estimate;
use crate::follow::{CallStart, Destination, Follower, Observer};
use crate::gate::with;
use crate::late::Late;
use crate::meter::Permit;
use crate::policies::{Holds, Judged};
use crate::relay::{AnswerBody, Relay, is_stream};
use crate::report::{CallReport, Outcome, Report};
use crate::request::CallRequest;
use crate::resolve::{Target, owners_of};
use crate::state::{Options, State};
use crate::tap;
use crate::upstream::Upstream;

/// Performs calls.
pub struct Engine {
    pub(crate) catalogue: ArcSwap<Catalogue>,
    pub(crate) continuity: Arc<Continuity>,
    pub(crate) late: Arc<Late>,
    /// Where calls are noted; `None` = nowhere.
    log: Option<Log>,
    pub(crate) observer: Arc<dyn Observer>,
    policies: ArcSwapOption<Chain>,
    /// What is known of models beside what their providers' lists say.
    pub(crate) prices: Prices,
    pub(crate) probes: ArcSwap<crate::discover::Probes>,
    pub(crate) state: ArcSwap<State>,
    /// Who answers what policies ask.
    pub(crate) whom: Arc<Whom>,
}

/// A request in the dialect that its provider gets.
struct Outgoing {
    body: Bytes,
    /// Frames of the answer that only the gateway asked for.
    hidden: Option<fn(&[u8]) -> bool>,
    loss: Loss,
    names: ToolNames,
    raw_path: Option<String>,
    upstream: Format,
}

impl Outgoing {
    fn of(body: Bytes, loss: Loss, upstream: Format) -> Self {
        Self { body, hidden: None, loss, names: ToolNames::default(), raw_path: None, upstream }
    }
}

impl Engine {
    /// An engine with its providers. Providers that cannot be opened are left out and named.
    pub fn new(options: Options, observer: Arc<dyn Observer>) -> (Self, Vec<(String, OpenError)>) {
        let (state, problems) = State::open(options, None);
        let engine = Self {
            catalogue: ArcSwap::from_pointee(crate::discover::configured(&state)),
            continuity: Arc::new(Continuity::new(Bounds::default())),
            late: Arc::default(),
            log: None,
            observer,
            policies: ArcSwapOption::empty(),
            prices: Prices::default(),
            probes: ArcSwap::default(),
            state: ArcSwap::from_pointee(state),
            whom: Arc::new(Whom::new(Arc::new(Nobody))),
        };
        (engine, problems)
    }

    /// Notes every call in a log.
    #[must_use]
    pub fn recording(self, log: Log) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Tells models with what this catalogue knows of them, in place of the one that comes with Lockgate.
    #[must_use]
    pub fn pricing(self, prices: Prices) -> Self {
        Self { prices, ..self }
    }

    /// Has what policies ask answered.
    #[must_use]
    pub fn asking(self, asker: Arc<dyn Asker>) -> Self {
        Self { whom: Arc::new(Whom::new(asker)), ..self }
    }

    /// From now on calls meet these policies; calls on their way keep theirs.
    pub fn set_policies(&self, chain: Chain) {
        self.policies.store((!chain.is_empty()).then(|| Arc::new(chain)));
    }

    /// The policies in force.
    pub(crate) fn policies(&self) -> Option<Arc<Chain>> {
        self.policies.load_full()
    }

    /// Waits no longer for what only observing policies asked, and notes the end of their calls. For the end of the gateway.
    pub async fn end_late(&self) {
        self.late.end().await;
    }

    /// Begins to note a call.
    pub(crate) fn tape(&self, id: Uuid, request: &CallRequest, operation: Operation) -> Tape {
        let Some(log) = &self.log else { return Tape::blank() };
        tap::open((log, self.state.load().options.recording), id, request, operation)
    }

    /// Takes over a new configuration. Calls on their way keep the old one; unchanged providers keep their
    /// connections.
    pub fn replace(&self, options: Options) -> Vec<(String, OpenError)> {
        let (state, problems) = State::open(options, Some(&self.state.load()));
        let mut catalogue = crate::discover::configured(&state);
        let known = self.catalogue.load();
        for id in state.upstreams.keys() {
            if catalogue.of(id).is_empty() {
                catalogue.set(id, known.of(id).to_vec());
            }
        }
        self.catalogue.store(Arc::new(catalogue));
        self.state.store(Arc::new(state));
        problems
    }

    /// Generates an answer. Never fails: an error is a response in the client's dialect.
    pub async fn generate(self: &Arc<Self>, mut request: CallRequest) -> Response<AnswerBody> {
        let format = request.format;
        let id = Uuid::now_v7();
        let tape = self.tape(id, &request, Operation::Generate);
        let asked = request.body.clone();
        if self.state.load().options.repair_duplicate_tools
            && let Some((body, names)) =
                lockgate_wire::without_duplicate_tools(&request.body, format.envelope.tools)
        {
            tracing::info!(call.id = %id, tools = names.join(", "), "tools that were offered twice were taken out");
            request.body = body.into();
        }
        if let Some(body) = self.with_items(&request) {
            request.body = body.into();
        }
        if let Some(body) = self.with_unheard(&request) {
            request.body = body.into();
        }
        let state = self.state.load_full();
        let envelope = Envelope::read(&request.body, format.envelope, &state.options.limits);
        let unjudged = request.body.clone();
        let judged = self.judged(&mut request, (id, envelope.as_ref().ok()), Holds::Conversation).await;
        let policies = match judged {
            Judged::Go(policies) => policies,
            Judged::Answer(text, run) => return self.own_answer((&request, id), &text, run, &tape, envelope),
            Judged::Refuse(failure, run) => return self.unsent((&request, id), &failure, Some(run), &tape),
            Judged::Unable(failure) => return self.unsent((&request, id), &failure, None, &tape),
        };
        let envelope = if request.body.as_ptr() == unjudged.as_ptr() {
            envelope
        } else {
            Envelope::read(&request.body, format.envelope, &state.options.limits)
        };
        let prepared = envelope.and_then(|envelope| self.prepared((&state, &envelope), &request, id));
        // What cannot be called is no call, and counts against no limit.
        match prepared.and_then(|(plan, facts)| Ok((plan, facts, admitted(&request)?))) {
            Ok((plan, facts, permit)) => {
                let changed = plan.body.as_ptr() != asked.as_ptr() || plan.body.len() != asked.len();
                let follower = self.follower(&request, (id, Operation::Generate), Some(&plan));
                let asks_again = policies.as_ref().is_some_and(|run| with(run, |run| run.can_resample()));
                let whom = if asks_again {
                    self.whom.with(Again::new(self, request, &plan.target))
                } else {
                    self.whom.clone()
                };
                self.run(Plan { changed, follower, whom, policies, tape, ..plan }, facts, permit).await
            }
            Err(failure) => self.unsent((&request, id), &failure, policies, &tape),
        }
    }

    /// Whoever wants to follow a call from its start.
    pub(crate) fn follower(
        &self,
        request: &CallRequest,
        (id, operation): (Uuid, Operation),
        plan: Option<&Plan>,
    ) -> Option<Arc<dyn Follower>> {
        let to = plan.map(|plan| {
            let upstream = &plan.target.upstream;
            Destination { kind: upstream.kind.name(), model: &plan.target.model, provider: &upstream.id }
        });
        self.observer.started(&CallStart {
            came: request.came,
            caller: &request.caller,
            dialect: request.format.dialect,
            headers: &request.headers,
            id,
            operation,
            stream: plan.is_some_and(|plan| is_stream(plan.front_mode)),
            to,
        })
    }

    fn prepared(
        &self,
        (state, envelope): (&State, &Envelope),
        request: &CallRequest,
        id: Uuid,
    ) -> Result<(Plan, Facts), Failure> {
        let started = Instant::now();
        let target = self.target(state, request, envelope.model.as_deref())?;
        let mode = mode_of(request, envelope);
        let dialect = request.format.dialect;
        let credential = credential_for(request, &target.upstream)?;
        let outgoing = self.outgoing(state, request, envelope, &target, mode)?;
        // Policies may have an answer written anew.
        let repeats = outgoing.upstream.dialect != dialect || self.policies.load().is_some();
        let context = context(request, envelope, (id, &target.model), repeats);
        let facts = Facts {
            dialect,
            loss: outgoing.loss,
            model: target.model.clone(),
            provider: target.upstream.id.clone(),
            requested: request.renamed(envelope.model.as_deref(), &target.model),
            same: outgoing.upstream.dialect == dialect,
            task: id.to_string(),
        };
        let plan = Plan {
            body: outgoing.body,
            came: Instant::from_std(request.came),
            changed: false,
            context,
            credential,
            follower: None,
            front: request.format,
            front_mode: mode,
            hidden: outgoing.hidden,
            headers: attempt::travelling(&request.headers, dialect, outgoing.upstream.dialect),
            lists: self.lists(&request.caller),
            names: outgoing.names,
            policies: None,
            raw_path: outgoing.raw_path,
            started,
            tape: Tape::blank(),
            timeouts: target.upstream.settings.timeouts_for(&target.model),
            target,
            upstream: outgoing.upstream,
            whom: self.whom.clone(),
        };
        Ok((plan, facts))
    }

    /// The request as the provider gets it: passed with single fields edited, or converted.
    fn outgoing(
        &self,
        state: &State,
        request: &CallRequest,
        envelope: &Envelope,
        target: &Target,
        mode: Mode,
    ) -> Result<Outgoing, Failure> {
        let front = request.format;
        let upstream = target.upstream.provider.dialects_of(&target.model);
        let (outgoing, dialect) = if upstream.contains(&front.dialect) {
            (counted(self.passed(request, envelope, target, mode)?, target, mode), front.dialect)
        } else {
            let dialect = *upstream
                .first()
                .ok_or_else(|| Failure::new(ErrorKind::Internal, "a provider without dialect"))?;
            let outgoing = self.converted(request, envelope, target, (dialect, mode));
            (outgoing.map_err(|failure| in_words_of(front.dialect, failure))?, dialect)
        };
        let outgoing = Outgoing { loss: outgoing.loss.named_for(front.dialect), ..outgoing };
        if (state.options.strict || request.asks_strict()) && !outgoing.loss.is_empty() {
            return Err(strict_refusal(&outgoing.loss, dialect));
        }
        let ask =
            Ask { dialect, model: &target.model, operation: Endpoint::Generate, stream: is_stream(mode) };
        let body = target.upstream.provider.adapt(&ask, outgoing.body)?;
        Ok(Outgoing { body, ..outgoing })
    }

    fn passed(
        &self,
        request: &CallRequest,
        envelope: &Envelope,
        target: &Target,
        mode: Mode,
    ) -> Result<Outgoing, Failure> {
        let front = request.format;
        if let Some(rewritten) = self.without_foreign_seals(request, target, mode)? {
            return Ok(rewritten);
        }
        let renamed = front.envelope.model_in_body && envelope.model.as_deref() != Some(&target.model);
        let body = if renamed {
            let model = serde_json::Value::from(target.model.as_str()).to_string();
            Bytes::from(envelope.with(&request.body, "model", &model))
        } else {
            request.body.clone()
        };
        let own_form = std::ptr::eq(front.envelope, format(front.dialect).envelope);
        let raw_path =
            if own_form { versioned_path(request, target) } else { Some(&*request.path_and_query) };
        let raw_path = raw_path.map(str::to_owned);
        Ok(Outgoing { raw_path, ..Outgoing::of(body, Loss::default(), front) })
    }

    /// A session that moved between providers carries seals of the others; its own dialect would pass them on. Such
    /// a request is written anew without them. `None` = nothing foreign in it.
    fn without_foreign_seals(
        &self,
        request: &CallRequest,
        target: &Target,
        mode: Mode,
    ) -> Result<Option<Outgoing>, Failure> {
        if self.continuity.is_empty() || !crate::continuity::may_hold_seals(&request.body) {
            return Ok(None);
        }
        // What cannot be taken apart here, such as a reference to what the provider has stored, is the provider's to judge.
        let Ok(mut conversation) = request.format.messages.parse(&request.body) else { return Ok(None) };
        let issuer = issuer_of(target);
        // Anthropic refuses thoughts without a signature; the others take them as words, or as a name of what they have stored.
        let wants_seals = request.format.dialect == Dialect::Anthropic;
        if !self.continuity.holds_foreign(&conversation, &issuer, wants_seals) {
            return Ok(None);
        }
        let mut loss = Loss::default();
        self.continuity.drop_foreign(&mut conversation, &issuer, wants_seals, &mut loss);
        let outgoing = self.write(request, &conversation, target, (request.format, mode), loss)?;
        // What is written asks for usage in any case.
        let unasked = request.format.dialect == Dialect::Chat && !chat::include_usage(&request.body);
        Ok(Some(Outgoing { hidden: unasked.then_some(chat::usage_only), ..outgoing }))
    }

    fn converted(
        &self,
        request: &CallRequest,
        envelope: &Envelope,
        target: &Target,
        (dialect, mode): (Dialect, Mode),
    ) -> Result<Outgoing, Failure> {
        let mut conversation = request.format.messages.parse_document(&envelope.document(&request.body))?;
        lockgate_wire::may_leave(request.format.dialect, &conversation)?;
        let mut loss = Loss::default();
        lockgate_wire::leave((request.format.dialect, dialect), &mut conversation, &mut loss)?;
        let names = ToolNames::plain(&mut conversation);
        if conversation.sampling.candidates.take().is_some_and(|wanted| wanted > 1) {
            // Only one answer can be told in another dialect; the others would be paid for and never seen.
            loss.note("n");
        }
        self.continuity.restore(&mut conversation, &issuer_of(target), &mut loss);
        let outgoing = self.write(request, &conversation, target, (format(dialect), mode), loss)?;
        Ok(Outgoing { names, ..outgoing })
    }

    fn write(
        &self,
        request: &CallRequest,
        conversation: &Conversation,
        target: &Target,
        (upstream, mode): (Format, Mode),
        mut loss: Loss,
    ) -> Result<Outgoing, Failure> {
        let prompt = estimate(&request.body);
        let need = prompt + conversation.sampling.max_tokens.unwrap_or(4096);
        let quirks = target.upstream.provider.quirks(&target.model, need);
        let catalogue = self.catalogue.load();
        let listed = catalogue.card(&target.upstream.id, &target.model).and_then(|card| card.max_output);
        let to = WriteTarget {
            default_max_tokens: lockgate_wire::anthropic::output_bound(&target.model, listed, prompt),
            model: &target.model,
            quirks: &quirks,
            stream: is_stream(mode),
        };
        let body = upstream.messages.write(conversation, &to, &mut loss)?;
        Ok(Outgoing::of(body.into(), loss, upstream))
    }

    async fn run(&self, plan: Plan, mut facts: Facts, permit: Option<Permit>) -> Response<AnswerBody> {
        let plan = Arc::new(plan);
        let keepalive = self.state.load().options.keepalive;
        let mut report = Report { permit, ..self.report(&plan, &facts) };
        let shared = plan.clone();
        let mut opening: crate::relay::Opening = Box::pin(async move { attempt::open(&shared).await });
        let total = Duration::from_millis(plan.timeouts.total_ms);
        let patience = if is_stream(plan.front_mode) { keepalive } else { total };
        match tokio::time::timeout(patience, &mut opening).await {
            Ok(Ok(mut opened)) => {
                let (status, upstream) = (opened.status, std::mem::take(&mut opened.headers));
                report.told(&upstream);
                report.status = status;
                if is_stream(plan.front_mode) && (opened.body.is_some() || opened.pipe.is_waiting()) {
                    let body = AnswerBody::relay(Relay::opened(opened, plan.course(), keepalive, report));
                    return answer::answered(&facts, status, &upstream, plan.front_mode, body);
                }
                report.began();
                report.learn(&mut opened.pipe);
                report.asked = std::mem::take(&mut opened.asked);
                facts.loss.extend(&opened.pipe.loss());
                let body = AnswerBody::full(opened.first);
                let mut response = answer::answered(&facts, status, &upstream, plan.front_mode, body);
                if !facts.same && opened.pipe.seen().estimates_prompt(facts.dialect) {
                    crate::headers::set(response.headers_mut(), "x-lockgate-estimated", "input_tokens");
                }
                report.complete(response)
            }
            Ok(Err(refused)) => {
                report.told(&refused.headers);
                report.status = refused.failure.status();
                report.end(Outcome::Failed(refused.failure.clone()));
                report.answered(answer::refused(&facts, &plan.front, refused))
            }
            // The client has waited long enough for a sign of life: from here on, errors are events of the stream.
            Err(_) if is_stream(plan.front_mode) => {
                let mode = plan.front_mode;
                let body = AnswerBody::relay(Relay::opening(opening, plan.course(), keepalive, report));
                answer::answered(&facts, 200, &http::HeaderMap::new(), mode, body)
            }
            Err(_) => {
                let failure = too_long(&plan);
                report.status = failure.status();
                report.end(Outcome::Failed(failure.clone()));
                report.answered(answer::refused(&facts, &plan.front, Refused::from(failure)))
            }
        }
    }

    fn report(&self, plan: &Plan, facts: &Facts) -> Report {
        let report = CallReport {
            caller: plan.grant().map(|grant| grant.name.clone()),
            grant: plan.grant().cloned(),
            kind: Some(plan.target.upstream.kind),
            provider: Some(facts.provider.clone()),
            requested: Some(facts.model.clone()),
            stream: is_stream(plan.front_mode),
            ..CallReport::new(&facts.task, facts.dialect, Operation::Generate)
        };
        Report {
            asked: Asked::default(),
            continuity: self.continuity.clone(),
            ending: None,
            follower: plan.follower.clone(),
            issuer: issuer_of(&plan.target),
            late: self.late.clone(),
            loss: facts.loss.clone(),
            observer: self.observer.clone(),
            open: None,
            permit: None,
            policies: plan.policies.clone(),
            call: Some(report),
            settled: false,
            started: plan.came,
            status: 200,
            tape: plan.tape.clone(),
            watch: None,
            whom: self.whom.clone(),
        }
    }
}

/// A whole answer that has not come in the time that a call may take.
fn too_long(plan: &Plan) -> Failure {
    let upstream = &plan.target.upstream;
    let (id, ms) = (&upstream.id, plan.timeouts.total_ms);
    let of_model = upstream.settings.timeouts.total_ms != ms;
    let setting = if of_model { "model_timeouts[].total_ms" } else { "timeouts.total_ms" };
    let words = format!(
        "the call to provider `{id}` was not over after {ms} ms, tries and waits included (providers.{id}.{setting}); \
         raise that, or ask for a stream"
    );
    Failure::new(ErrorKind::Timeout, words)
}

/// A place for a call, if its key has one. What the gateway asks again for a call of the key is part of that.
fn admitted(request: &CallRequest) -> Result<Option<Permit>, Failure> {
    if request.internal { Ok(None) } else { request.caller.admit() }
}

/// What the writer of an answer must know. `repeats`: whether it repeats parts of the request.
pub(crate) fn context(
    request: &CallRequest,
    envelope: &Envelope,
    (id, model): (Uuid, &str),
    repeats: bool,
) -> AnswerContext {
    let came = request.came;
    AnswerContext {
        created: answer::unix_now(),
        elapsed: Elapsed::new(move || came.elapsed()),
        id: id.simple().to_string(),
        include_usage: usage_wanted(request, envelope),
        input_estimate: Some(estimate(&request.body)),
        model: model.to_owned(),
        request: (request.format.dialect == Dialect::Responses && repeats).then(|| request.body.clone()),
        sequence: 0,
    }
}

/// How the client wants its answer.
pub(crate) fn mode_of(request: &CallRequest, envelope: &Envelope) -> Mode {
    request.mode.unwrap_or(if envelope.stream == Some(true) { Mode::Stream } else { Mode::Whole })
}

/// The credential for a provider: a client's own is meant for the vendor whose dialect it speaks.
pub(crate) fn credential_for(
    request: &CallRequest,
    upstream: &Upstream,
) -> Result<lockgate_providers::Credential, Failure> {
    let native = owners_of(request.format.dialect).contains(&upstream.kind);
    request.caller.credential_for(upstream, native)
}

fn issuer_of(target: &Target) -> Issuer {
    Issuer { model: target.model.clone(), provider: target.upstream.id.clone() }
}

/// Asks for the usage of a stream that passes, where the settings want it always and the client does not. What the
/// answer gets by that is not for the client.
fn counted(outgoing: Outgoing, target: &Target, mode: Mode) -> Outgoing {
    let upstream = &target.upstream;
    let asks = match upstream.settings.stream_usage {
        StreamUsage::Always => outgoing.upstream.dialect == Dialect::Chat && is_stream(mode),
        StreamUsage::AsAsked => false,
    };
    // Servers without the option tell usage unasked, or never.
    let can = || !upstream.provider.quirks(&target.model, 0).no_stream_options;
    if !asks || chat::include_usage(&outgoing.body) || !can() {
        return outgoing;
    }
    let body = chat::with_usage(&outgoing.body).into();
    Outgoing { body, hidden: Some(chat::usage_only), ..outgoing }
}

/// The path as the caller wrote it, where that says more than the operation: Google's clients choose the version in it, and
/// AI Studio has both.
pub(crate) fn versioned_path<'a>(request: &'a CallRequest, target: &Target) -> Option<&'a str> {
    let path = &request.path_and_query;
    let chosen = target.upstream.kind == Kind::Gemini
        && request.model.as_deref() == Some(&*target.model)
        && ["/v1/models/", "/v1beta/models/"].iter().any(|form| path.starts_with(form));
    chosen.then_some(&**path)
}

/// Whether a Chat client wants usage in the stream.
fn usage_wanted(request: &CallRequest, envelope: &Envelope) -> bool {
    let options = envelope.value(&request.body, "stream_options");
    options.is_some_and(|at| chat::usage_wanted(&request.body[at]))
}

/// A failure whose parameter is the client's own field.
fn in_words_of(client: Dialect, failure: Failure) -> Failure {
    let param = failure.param.map(|param| lockgate_wire::field_of(client, &param));
    Failure { param, ..failure }
}

fn strict_refusal(loss: &Loss, dialect: Dialect) -> Failure {
    let field = loss.names().first().cloned().unwrap_or_default();
    let all = loss.header();
    let words = format!("strict mode: the provider speaks {dialect}, which cannot carry: {all}");
    Failure { code: Some("unsupported_parameter".into()), ..Failure::invalid(field, words) }
}
