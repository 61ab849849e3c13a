//! Makes the record of a call: what its notes mean, with secrets masked, as part of its session, with its cost.
//!
//! Remembers of each session what it has stored already, within bounds, so that a history that is sent again with each turn is
//! neither looked through nor stored again. What it forgets is stored twice at worst, and the store knows that it has it. Reads no
//! clock and talks to nobody.

mod asked;
mod beside;
mod clean;
mod texts;
mod told;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use bytes::Bytes;
use lockgate_core::{Conversation, StopReason};
use lockgate_ledger::{Cost, Moment, Prices};
use lockgate_redact::Redactor;
use lockgate_session::{Identity, Lineage, Messages, SessionSource, Step, TurnKind, Work, title};
use lockgate_store::{
    Attempt as StoredAttempt, Body, BodyKind, Call, CallError, Client, Decision, Details, Error,
    Lineage as Place, Offsets, Outcome, Part, Piece, PieceHash, Principal, Record, Recording, Route, Scope,
    SessionFacts, SessionRef, Text, Timing, Title, TitleSource,
};
use lru::LruCache;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entry::{Closed, Mode, Opened, Operation, Sent};
use crate::reel::{Reel, Track};
use crate::scan::RawCall;
use crate::scribe::{Known, Transcribe};
use asked::Asked;
use clean::Cleaner;
use told::{Made, Teller};

/// Sessions that are remembered: with [`PIECES`], some 40 MB at the very most.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Pieces that are remembered of a session. One of two hundred turns has a few thousand.
const PIECES: usize = 8_000;

/// Makes records.
pub struct Transcriber {
    cleaner: Cleaner,
    prices: Prices,
    sessions: LruCache<Scope, Memory>,
    told: told::Memory,
}

/// What is remembered of a session.
#[derive(Default)]
struct Memory {
    /// The last request of each agent.
    agents: HashMap<Option<String>, Thread>,
    pieces: HashSet<PieceHash>,
    /// Whether it was there before this process.
    resumed: bool,
    /// Where it works.
    work: Work,
}

/// An agent's last request.
#[derive(Default)]
struct Thread {
    call: Option<Uuid>,
    lineage: Lineage,
}

/// Agents that are remembered of a session.
const AGENTS: usize = 64;

/// Up to this length a body of a call without a session is one piece: nothing will repeat it.
const WHOLE: usize = 16 << 10;

impl Transcriber {
    /// Masks with this redactor and counts with these prices.
    pub fn new(redactor: Redactor, prices: Prices) -> Self {
        let sessions = LruCache::new(SESSIONS);
        Self { cleaner: Cleaner::new(redactor), prices, sessions, told: told::Memory::new() }
    }

    fn record(&mut self, raw: &RawCall, known: &mut Known<'_>) -> Result<Record, Error> {
        let reel = Reel::of(raw);
        let mut closed = reel.closed.as_ref().map(|(_, closed)| closed.clone()).unwrap_or_default();
        if closed.stop.is_none() && outcome(&reel, &closed) != Outcome::Complete {
            // What is told before the end, such as one token of output, is not what was used.
            closed.usage.as_mut().into_iter().for_each(|usage| usage.estimated = true);
        }
        let mode = reel.opened.as_ref().map_or(Mode::default(), |opened| opened.mode);
        let asked = reel.opened.as_ref().map(|opened| Asked::of(opened, &reel.request)).unwrap_or_default();
        let conversation = asked.conversation.as_ref();
        let mut identity = reel.opened.as_ref().map(|opened| asked.identity(opened));
        if let Some(identity) = identity.as_mut().filter(|_| mode != Mode::Full) {
            self.mask_title(identity);
        }
        let (mut call, cost) = self.call(raw, &reel, &closed, identity.as_ref());
        call.route.requested_model = asked.model();
        self.mask_row(mode, &mut call);
        let scope = call.scope();
        let mut record = Record {
            bodies: Vec::new(),
            details: Details { cost_parts: cost, ..details(&reel, &closed, raw.missing) },
            pieces: Vec::new(),
            session: identity.as_ref().map_or_else(SessionFacts::default, session_facts),
            texts: Vec::new(),
            call,
        };
        let mut answered = Vec::new();
        let opened = reel.opened.as_ref();
        let tool_calls = opened.map_or(0, |opened| {
            texts::of_answer(opened.dialect, closed.stream, &reel.client_answer().bytes, &mut answered)
        });
        record.details.tool_calls = tool_calls + record.details.kept_tool_calls();
        if mode == Mode::Metadata {
            record.session.title = None;
            self.mask_details(mode, &mut record);
            return Ok(record);
        }
        let mut alone = Memory::default();
        let memory = match &scope {
            Scope::Call(_) => &mut alone,
            Scope::Session(_) => self.sessions.try_get_or_insert_mut(scope.clone(), || {
                let pieces = known(&scope)?;
                Ok::<_, Error>(Memory { resumed: !pieces.is_empty(), pieces, ..Memory::default() })
            })?,
        };
        let step = match (conversation, &identity) {
            // What a client asks for itself repeats what is known, or is nobody's words.
            (_, Some(identity)) if is_housekeeping(identity) => Step::Same,
            (Some(conversation), Some(identity)) => {
                // Clients repeat with each call where the session began; what was seen since then counts.
                memory.work.update(&identity.work);
                record.session.branch.clone_from(&memory.work.branch);
                let made_for = opened.and_then(|opened| opened.parent);
                let step;
                (step, record.call.lineage.parent_call) =
                    memory.step(identity, conversation, (raw.id, made_for));
                step
            }
            (_, _) => Step::New,
        };
        let (cleaner, told) = (&mut self.cleaner, &mut self.told);
        let agent = record.call.lineage.agent.clone();
        let mut weave = Weave { agent, cleaner, fresh: Vec::new(), masked: false, memory, mode, scope, told };
        weave.bodies(&reel, &closed, &mut record.bodies);
        record.pieces = weave.fresh;
        let masked = weave.masked;
        if memory.pieces.len() > PIECES {
            memory.pieces.clear();
        }
        if let Some(conversation) = conversation {
            texts::of_request(conversation, step, memory.resumed, &mut record.texts);
        }
        let asked = record.texts.len();
        record.texts.append(&mut answered);
        self.mask_details(mode, &mut record);
        // Texts are what bodies say; a stream's may be whole where its body brought them in pieces.
        let unseen = match (masked, closed.stream) {
            (true, _) => 0,
            (false, true) => asked,
            (false, false) => record.texts.len(),
        };
        self.mask_texts(mode, &mut record.texts[unseen..]);
        Ok(record)
    }

    /// The row, and what its cost is made of.
    fn call(
        &self,
        raw: &RawCall,
        reel: &Reel,
        closed: &Closed,
        identity: Option<&Identity>,
    ) -> (Call, Option<Value>) {
        let opened = reel.opened.as_ref();
        // An id begins with the time at which it was made.
        let made = || raw.id.get_timestamp().map_or(0, |at| at.to_unix().0.cast_signed() * 1_000_000);
        let started_us = opened.map_or_else(made, |opened| opened.at_us);
        let last = reel.attempts.last();
        let usage = closed.usage.clone().unwrap_or_default();
        let provider = closed.provider.clone().or_else(|| last.map(|attempt| attempt.sent.provider.clone()));
        let resolved = closed.requested.clone().or_else(|| last.map(|attempt| attempt.sent.model.clone()));
        let (cost, price_version) = self.cost(started_us, reel, closed).unzip();
        let header = |name: &str| {
            let found = opened?.headers.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.clone())
        };
        let detail = cost.as_ref().map(Cost::detail);
        let call = Call {
            usage,
            client: Client {
                name: identity.map(|identity| identity.client.kind.as_str().to_owned()),
                user_agent: header("user-agent"),
                version: identity.and_then(|identity| identity.client.version.clone()),
            },
            cost_nano: cost.map(|cost| cost.total.to_i64()),
            error: closed.error.map(|kind| CallError {
                kind: kind.as_str().to_owned(),
                message: closed.message.clone().unwrap_or_default(),
            }),
            id: raw.id,
            intervened: closed.policies.iter().any(changed_something),
            lineage: identity.map_or_else(Place::default, place),
            outcome: outcome(reel, closed),
            price_version,
            principal: Principal {
                data_class: opened.and_then(|opened| opened.data_class),
                key: opened.and_then(|opened| opened.key.clone()),
                project: opened.and_then(|opened| opened.project.clone()),
                user: opened.and_then(|opened| opened.user.clone()),
            },
            recording: match opened.map_or(Mode::default(), |opened| opened.mode) {
                Mode::Full => Recording::Full,
                Mode::Metadata | Mode::Off => Recording::Metadata,
                Mode::Redacted => Recording::Redacted,
            },
            route: Route {
                answering_model: closed.model.clone(),
                front: opened.map(|opened| opened.dialect),
                operation: opened.map_or_else(String::new, operation),
                provider,
                provider_request_id: last.and_then(|attempt| attempt.head.as_ref()?.request_id.clone()),
                requested_model: None,
                resolved_model: resolved,
                streamed: closed.stream,
                upstream: last.map(|attempt| attempt.sent.dialect),
            },
            status: closed.status,
            stop_reason: closed.stop.as_ref().map(stop_word),
            timing: Timing {
                queue_us: reel.attempts.first().map(|attempt| attempt.sent_at_us.cast_signed()),
                started_us,
                total_us: reel.closed.as_ref().map(|(at, _)| at.cast_signed()),
                ttft_us: reel.first_us.map(u64::cast_signed),
            },
        };
        (call, detail)
    }

    /// What it cost, and by which prices.
    fn cost(&self, started_us: i64, reel: &Reel, closed: &Closed) -> Option<(Cost, String)> {
        let at = Moment::from_unix(started_us.div_euclid(1_000_000))?;
        let attempt = reel.attempts.last()?;
        let Sent { kind, model, provider, .. } = &attempt.sent;
        let prices = self.prices.current().ok()?;
        let quote = prices.first(&[provider, kind], model, at);
        let terms = lockgate_ledger::terms(&attempt.answer.bytes);
        let cost = lockgate_ledger::cost(closed.usage.as_ref()?, quote.as_ref(), &terms).ok()?;
        Some((cost, prices.version_of(quote.as_ref())))
    }

    /// What of the row came from outside. Comes first: the session's id says where pieces belong.
    fn mask_row(&self, mode: Mode, call: &mut Call) {
        if mode == Mode::Full {
            return;
        }
        let Call { client, error, lineage, route, stop_reason, .. } = call;
        let words = [
            client.user_agent.as_mut(),
            client.version.as_mut(),
            error.as_mut().map(|error| &mut error.message),
            lineage.agent.as_mut(),
            lineage.parent_agent.as_mut(),
            lineage.session.as_mut().map(|session| &mut session.id),
            route.answering_model.as_mut(),
            Some(&mut route.operation),
            route.provider_request_id.as_mut(),
            route.requested_model.as_mut(),
            route.resolved_model.as_mut(),
            stop_reason.as_mut(),
        ];
        for text in words.into_iter().flatten() {
            self.cleaner.text(text);
        }
    }

    /// Before it is shortened: a part of a secret looks like none.
    fn mask_title(&self, identity: &mut Identity) {
        if let Some(opening) = &mut identity.opening {
            self.cleaner.text(opening);
            identity.title = title(opening);
        }
    }

    fn mask_texts(&self, mode: Mode, texts: &mut [Text]) {
        for text in texts.iter_mut().filter(|_| mode != Mode::Full) {
            self.cleaner.text(&mut text.text);
        }
    }

    /// Words that came from outside and are neither row nor body nor text.
    fn mask_details(&self, mode: Mode, record: &mut Record) {
        if mode == Mode::Full {
            return;
        }
        let words =
            [record.session.cwd.as_mut(), record.session.branch.as_mut(), record.session.repo.as_mut()];
        for text in words.into_iter().flatten() {
            self.cleaner.text(text);
        }
        for attempt in &mut record.details.attempts {
            let words = [attempt.error.as_mut(), attempt.request_id.as_mut(), Some(&mut attempt.model)];
            for text in words.into_iter().flatten() {
                self.cleaner.text(text);
            }
        }
        for decision in &mut record.details.decisions {
            if mode == Mode::Metadata
                && let Some(members) = decision.json.as_object_mut()
            {
                // What a policy saw is content.
                members.remove("evidence");
            }
            for name in ["evidence", "reason"] {
                if let Some(Value::String(text)) = decision.json.get_mut(name) {
                    self.cleaner.text(text);
                }
            }
        }
    }
}

impl Transcribe for Transcriber {
    fn transcribe(&mut self, call: &RawCall, known: &mut Known<'_>) -> Result<Record, Error> {
        self.record(call, known)
    }

    fn forget(&mut self) {
        self.sessions.clear();
        self.told.clear();
    }
}

impl Memory {
    /// How this request follows from the last one of the same agent, and which call it goes on from: that one, or, for what a new agent is asked
    /// first, the last one of who has started it. What the gateway asks itself is made for a call, and nobody's last request.
    fn step(
        &mut self,
        identity: &Identity,
        conversation: &Conversation,
        (call, made_for): (Uuid, Option<Uuid>),
    ) -> (Step, Option<Uuid>) {
        if self.agents.len() >= AGENTS {
            self.agents.clear();
        }
        let messages = Messages::of(conversation);
        let agent = identity.agent.id().map(str::to_owned);
        let starter = agent.is_some().then(|| self.agents.get(&identity.agent.parent().map(str::to_owned)));
        let starter = starter.flatten().and_then(|thread| thread.call);
        let thread = self.agents.entry(agent).or_default();
        if made_for.is_some() {
            return (thread.lineage.compare(&messages), made_for);
        }
        let step = thread.lineage.observe(&messages);
        let last = thread.call.replace(call);
        (step, if step == Step::New { starter } else { last })
    }
}

/// Takes the bodies of a call apart.
struct Weave<'a> {
    agent: Option<String>,
    cleaner: &'a mut Cleaner,
    fresh: Vec<Piece>,
    /// Whether any secret was found.
    masked: bool,
    memory: &'a mut Memory,
    mode: Mode,
    scope: Scope,
    told: &'a mut told::Memory,
}

impl Weave<'_> {
    fn bodies(&mut self, reel: &Reel, closed: &Closed, out: &mut Vec<Body>) {
        let at_once = |bytes: &Bytes, at_us| [(bytes.len() as u64, at_us)];
        let asked = &reel.request;
        out.push(self.body(Part::ClientRequest, false, asked, &at_once(asked, 0)));
        if let Some(body) = &reel.sent_body {
            let at = reel.attempts.last().map_or(0, |attempt| attempt.sent_at_us);
            out.push(self.body(Part::UpstreamRequest, false, body, &at_once(body, at)));
        }
        if let Some(attempt) = reel.attempts.last().filter(|attempt| !attempt.answer.bytes.is_empty()) {
            let Track { bytes, times } = &attempt.answer;
            out.push(self.body(Part::UpstreamAnswer, closed.stream, bytes, times));
        }
        if let Some(Track { bytes, times }) = &reel.delivered {
            out.push(self.body(Part::ClientAnswer, closed.stream, bytes, times));
        }
        if let Some(headers) = reel.opened.as_ref().and_then(beside::headers) {
            out.push(self.body(Part::ClientHeaders, false, &headers, &at_once(&headers, 0)));
        }
        if let Some((answers, at)) = beside::earlier(&reel.attempts) {
            out.push(self.body(Part::EarlierAnswers, false, &answers, &at_once(&answers, at)));
        }
    }

    fn body(&mut self, part: Part, stream: bool, bytes: &Bytes, times: &[(u64, u64)]) -> Body {
        let pieces = &mut self.memory.pieces;
        let mut known = |hash: &PieceHash| pieces.contains(hash);
        let cleaner = (&mut *self.cleaner, self.mode);
        let Made { masked, size, woven } = match (part, &self.scope) {
            (Part::ClientRequest | Part::UpstreamRequest, Scope::Session(_)) => {
                let teller: Teller = (self.scope.clone(), self.agent.clone(), part);
                self.told.request(teller, bytes, cleaner, &mut known)
            }
            (_, Scope::Call(_)) if bytes.len() <= WHOLE => told::whole(bytes, (&*cleaner.0, cleaner.1)),
            (_, Scope::Call(_))
            | (
                Part::ClientAnswer | Part::ClientHeaders | Part::EarlierAnswers | Part::UpstreamAnswer,
                Scope::Session(_),
            ) => told::once(bytes, cleaner, &mut known),
        };
        self.masked |= masked;
        for piece in woven.new_pieces {
            self.memory.pieces.insert(piece.hash);
            self.fresh.push(piece);
        }
        let offsets = Offsets::of(times.iter().copied());
        Body { head: woven.head, kind: kind_of(bytes, stream), offsets, part, size: size as u64 }
    }
}

/// What a body is, by how it begins: uploads, lines of JSON and answers of proxies go the same way.
fn kind_of(bytes: &[u8], stream: bool) -> BodyKind {
    match (bytes.trim_ascii_start().first(), stream) {
        (Some(b'['), _) | (Some(b'{'), false) => BodyKind::Json,
        (Some(b':' | b'd' | b'e' | b'i' | b'r'), true) => BodyKind::Sse,
        (Some(_) | None, _) => BodyKind::Other,
    }
}

fn is_housekeeping(identity: &Identity) -> bool {
    matches!(identity.kind, TurnKind::Housekeeping(_))
}

fn place(identity: &Identity) -> Place {
    let session = &identity.session;
    let kind = match identity.kind {
        TurnKind::Housekeeping(what) => format!("housekeeping:{}", what.as_str()),
        TurnKind::Delegated | TurnKind::Human | TurnKind::Notice | TurnKind::ToolLoop | TurnKind::Unknown => {
            identity.kind.as_str().to_owned()
        }
    };
    Place {
        agent: identity.agent.id().map(str::to_owned),
        parent_agent: identity.agent.parent().map(str::to_owned),
        parent_call: None,
        session: session
            .value
            .clone()
            .filter(|_| session.source != SessionSource::None)
            .map(|id| SessionRef { id, source: session.source.as_str().to_owned() }),
        turn: (!is_housekeeping(identity) && identity.human_turn > 0).then_some(identity.human_turn),
        turn_kind: Some(kind),
    }
}

fn session_facts(identity: &Identity) -> SessionFacts {
    let work = &identity.work;
    SessionFacts {
        branch: work.branch.clone(),
        cwd: work.cwd.clone(),
        repo: work.repo.clone(),
        title: identity.title.clone().map(|text| Title { source: TitleSource::First, text }),
    }
}

fn details(reel: &Reel, closed: &Closed, missing: u32) -> Details {
    let ended = reel.closed.as_ref().map(|(at, _)| *at);
    let attempts = reel.attempts.iter().enumerate().map(|(place, attempt)| {
        let end = reel.attempts.get(place + 1).map(|next| next.sent_at_us).or(ended);
        let is_last = place + 1 == reel.attempts.len();
        let status = attempt.head.as_ref().map(|head| head.status);
        StoredAttempt {
            error: match status {
                Some(status) if status >= 400 => Some(format!("status {status}")),
                Some(_) if !is_last => Some("the answer began with an error".to_owned()),
                None if is_last => closed.message.clone(),
                None => Some("no answer".to_owned()),
                Some(_) => None,
            },
            model: attempt.sent.model.clone(),
            number: attempt.sent.attempt,
            provider: attempt.sent.provider.clone(),
            request_id: attempt.head.as_ref().and_then(|head| head.request_id.clone()),
            started_us: attempt.sent_at_us.cast_signed(),
            status,
            total_us: end.map(|end| end.saturating_sub(attempt.sent_at_us).cast_signed()),
            ttft_us: attempt
                .answer
                .times
                .first()
                .map(|(_, at)| at.saturating_sub(attempt.sent_at_us).cast_signed()),
        }
    });
    let gaps = (missing > 0).then(|| Decision {
        json: json!({"missing_parts": missing}),
        kind: "record".to_owned(),
        version: 1,
    });
    let said = closed.policies.iter().map(|said| Decision {
        json: said.clone(),
        kind: "policy".to_owned(),
        version: 1,
    });
    Details {
        attempts: attempts.collect(),
        decisions: gaps.into_iter().chain(said).collect(),
        losses: closed.losses.clone(),
        ..Details::default()
    }
}

/// Whether a policy did something that the client or the provider got to see.
fn changed_something(said: &Value) -> bool {
    let did = said.get("applied").and_then(Value::as_bool) == Some(true);
    did && said.get("said").and_then(Value::as_str) != Some("annotate")
}

fn outcome(reel: &Reel, closed: &Closed) -> Outcome {
    // That a last part is there does not say that it could be read.
    if reel.closed.is_none() {
        Outcome::Interrupted
    } else if closed.error.is_some() {
        Outcome::Failed
    } else if closed.aborted {
        Outcome::Aborted
    } else {
        Outcome::Complete
    }
}

fn operation(opened: &Opened) -> String {
    match opened.operation {
        Operation::CountTokens => "count_tokens".to_owned(),
        Operation::Embed => "embeddings".to_owned(),
        Operation::Generate => "chat".to_owned(),
        Operation::Other => opened.path.split('?').next().unwrap_or_default().to_owned(),
    }
}

fn stop_word(stop: &StopReason) -> String {
    match stop {
        StopReason::ContentFilter => "content_filter".to_owned(),
        StopReason::ContextWindow => "context_window".to_owned(),
        StopReason::EndTurn => "end_turn".to_owned(),
        StopReason::MaxTokens => "max_tokens".to_owned(),
        StopReason::Other(word) => word.clone(),
        StopReason::Pause => "pause".to_owned(),
        StopReason::Refusal => "refusal".to_owned(),
        StopReason::StopSequence => "stop_sequence".to_owned(),
        StopReason::ToolUse => "tool_use".to_owned(),
    }
}
