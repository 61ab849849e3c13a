//! The policies of a call before it goes anywhere: which it meets, what they say of the request, what they change in it.
//!
//! The request is read only if one of them needs it. A change is a splice: every byte that no policy changed stays. What they say of the
//! answer is in `gate`.

use std::sync::{Arc, Mutex};

use lockgate_core::{Conversation, Dialect, ErrorKind, Failure, Origin, Part, Role, Turn};
use lockgate_policy::quality::Team;
use lockgate_policy::{CallFacts, CallOutcome, Chain, Run};
use lockgate_session::{Facts as SessionFacts, Members, TurnKind, identify};
use lockgate_wire::{Document, Envelope};
use uuid::Uuid;

use crate::ask::{Asked, Whom};
use crate::engine::Engine;
use crate::gate::{Shared, with};
use crate::request::CallRequest;

/// What policies made of a request.
pub(crate) enum Judged {
    /// The gateway answers with these words.
    Answer(String, Shared),
    /// It goes on, watched by the policies that it meets.
    Go(Option<Shared>),
    /// It goes nowhere.
    Refuse(Failure, Shared),
    /// It asks for what policies cannot look at.
    Unable(Failure),
}

/// What a request is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Perhaps anything.
    Anything,
    /// A conversation that the model is to go on with.
    Conversation,
    /// A conversation of which only the size is asked.
    Counted,
    /// What embeddings are made of: nobody answers it.
    Material,
}

impl Engine {
    /// Asks the policies that a call meets about its request, and lets them change it.
    pub(crate) async fn judged(
        &self,
        request: &mut CallRequest,
        (id, envelope): (Uuid, Option<&Envelope>),
        holds: Holds,
    ) -> Judged {
        match self.policies().filter(|_| !request.internal) {
            Some(chain) => self.judge(&chain, request, (id, envelope), holds).await,
            None => Judged::Go(None),
        }
    }

    async fn judge(
        &self,
        chain: &Chain,
        request: &mut CallRequest,
        (id, envelope): (Uuid, Option<&Envelope>),
        holds: Holds,
    ) -> Judged {
        let mut facts = match facts(request, id, envelope) {
            Ok(facts) => facts,
            Err(failure) => return Judged::Unable(failure),
        };
        let Some(needs) = chain.needs_for(&facts) else { return Judged::Go(None) };
        let conversation = needs
            .conversation
            .then(|| request.format.messages.parse_document(&document(request, envelope)).ok())
            .flatten();
        let conversation = match holds {
            Holds::Anything | Holds::Material if needs.conversation => {
                with_texts(conversation, request, (envelope, holds))
            }
            Holds::Counted if needs.conversation && is_empty(conversation.as_ref()) => {
                with_texts(conversation, request, (envelope, holds))
            }
            Holds::Anything | Holds::Conversation | Holds::Counted | Holds::Material => conversation,
        };
        facts.unread = needs.conversation && conversation.is_none() && holds == Holds::Conversation;
        learn(&mut facts, request, envelope, conversation.as_ref());
        let Some(mut run) = chain.open(facts) else { return Judged::Go(None) };
        if run.holds().answer()
            && let Some(field) = envelope.and_then(|envelope| several(request, envelope))
        {
            // Of several answers only the first could be looked at.
            return Judged::Unable(Failure::invalid(
                field,
                "policies look at answers: ask for one at a time",
            ));
        }
        if let Some(conversation) = conversation {
            run.set_conversation(Arc::new(conversation));
        }
        let shared = Arc::new(Mutex::new(run));
        let refused = match decided(&shared, &self.whom, id).await {
            CallOutcome::Answer(text) => return Judged::Answer(text, shared),
            CallOutcome::Refuse(words) => Some(words),
            CallOutcome::Asking | CallOutcome::Go => {
                request.local = with(&shared, |run| run.stays_local());
                self.changed(&shared, request, envelope, holds)
            }
        };
        match refused {
            Some(words) => Judged::Refuse(Failure::new(ErrorKind::PolicyRefused, words), shared),
            None => Judged::Go(Some(shared)),
        }
    }

    /// Lets policies change the request, as a whole and in its texts; `Some` = why it may not go on.
    fn changed(
        &self,
        shared: &Shared,
        request: &mut CallRequest,
        envelope: Option<&Envelope>,
        holds: Holds,
    ) -> Option<String> {
        let came = request.body.clone();
        if let Some(words) = self.rewritten(shared, request, (envelope, holds)) {
            return Some(words);
        }
        // Of another body nothing is known.
        let envelope = envelope.filter(|_| came.as_ptr() == request.body.as_ptr());
        rewrite(shared, request, (envelope, holds))
    }
}

fn is_empty(conversation: Option<&Conversation>) -> bool {
    conversation.is_none_or(|read| read.turns.is_empty())
}

/// What could be read of a request as a conversation, and behind it every text that stands in it, as what the person says: a request that is
/// perhaps none may hold a conversation that nobody goes by. `None` = there is neither.
fn with_texts(
    conversation: Option<Conversation>,
    request: &CallRequest,
    (envelope, holds): (Option<&Envelope>, Holds),
) -> Option<Conversation> {
    let mut parts = Vec::new();
    texts(request, (envelope, holds), &mut |_, text| {
        parts.push(Part::text(text));
        None
    });
    if parts.is_empty() {
        return conversation;
    }
    let mut conversation = conversation.unwrap_or_default();
    conversation.turns.push(Turn { name: None, parts, role: Role::User });
    Some(conversation)
}

/// Learns what a request tells of its session; more if its conversation could be read.
fn learn(
    facts: &mut CallFacts,
    request: &CallRequest,
    envelope: Option<&Envelope>,
    conversation: Option<&Conversation>,
) {
    let identity = identify(&SessionFacts {
        body: Members::read(|name| {
            let at = envelope?.value(&request.body, name)?;
            std::str::from_utf8(&request.body[at]).ok()
        }),
        conversation,
        dialect: request.format.dialect,
        headers: &request.headers,
        key: request.caller.grant.as_ref().map_or("", |grant| &grant.name),
        path: &request.path_and_query,
    });
    facts.housekeeping = matches!(identity.kind, TurnKind::Housekeeping(_));
    facts.human_turn = identity.human_turn;
    facts.session = identity.session.value;
}

/// What the policies say of the request, once everybody who was asked has answered.
async fn decided(shared: &Shared, whom: &Whom, id: Uuid) -> CallOutcome {
    let mut outcome = with(shared, Run::on_call);
    let mut asked = Asked::default();
    let call = id.to_string();
    loop {
        asked.push(whom, &call, with(shared, Run::take_urgent_questions));
        if outcome != CallOutcome::Asking {
            return outcome;
        }
        let Some((ticket, reply)) = asked.next().await else { return outcome };
        outcome = with(shared, |run| run.on_call_reply(ticket, reply));
    }
}

/// Lets policies change texts of the request; `Some` = why it may not go on, as one of them failed.
fn rewrite(
    shared: &Shared,
    request: &mut CallRequest,
    (envelope, holds): (Option<&Envelope>, Holds),
) -> Option<String> {
    if !with(shared, |run| run.needs().request_text) {
        return None;
    }
    let mut refused = None;
    let changed = with(shared, |run| {
        texts(request, (envelope, holds), &mut |origin, text| run.on_request_text(origin, text, &mut refused))
    });
    if let Some(body) = changed {
        request.body = body.into();
    }
    refused
}

/// Asks about each text of a request, as far as it is known where it has them.
fn texts(
    request: &CallRequest,
    (envelope, holds): (Option<&Envelope>, Holds),
    ask: &mut dyn FnMut(Origin, &str) -> Option<String>,
) -> Option<Vec<u8>> {
    let document = document(request, envelope);
    match holds {
        Holds::Anything | Holds::Material => lockgate_wire::rewrite_any_texts(&document, ask),
        Holds::Conversation | Holds::Counted => {
            lockgate_wire::rewrite_texts(request.format.dialect, &document, ask)
        }
    }
}

/// The body, with what was found out about it when its outside was read.
fn document<'a>(request: &'a CallRequest, envelope: Option<&'a Envelope>) -> Document<'a> {
    match envelope {
        Some(envelope) => envelope.document(&request.body),
        None => Document::new(&request.body),
    }
}

/// The field by which a request asks for several answers.
fn several(request: &CallRequest, envelope: &Envelope) -> Option<&'static str> {
    let value = |key: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&request.body[envelope.value(&request.body, key)?]).ok()
    };
    let more = |value: Option<&serde_json::Value>| {
        value.and_then(serde_json::Value::as_f64).is_some_and(|n| n > 1.0)
    };
    match request.format.dialect {
        Dialect::Chat => more(value("n").as_ref()).then_some("n"),
        Dialect::Gemini => {
            let config = value("generationConfig").or_else(|| value("generation_config"))?;
            let count = ["candidateCount", "candidate_count"].iter().find_map(|name| config.get(*name));
            more(count).then_some("generationConfig.candidateCount")
        }
        Dialect::Anthropic | Dialect::ClaudeCli | Dialect::Ollama | Dialect::Responses => None,
    }
}

fn facts(request: &CallRequest, id: Uuid, envelope: Option<&Envelope>) -> Result<CallFacts, Failure> {
    let grant = request.caller.grant.as_ref();
    let in_body = || match envelope {
        Some(envelope) => envelope.model.clone(),
        None => lockgate_wire::member_text(&request.body, "model"),
    };
    let model = request.model.clone().or_else(in_body);
    Ok(CallFacts {
        client: request.headers.get("user-agent").and_then(|value| value.to_str().ok()).map(str::to_owned),
        data_class: grant.and_then(|grant| grant.data_class),
        dialect: request.format.dialect,
        housekeeping: false,
        human_turn: 0,
        id: id.to_string(),
        key: grant.map(|grant| grant.name.clone()),
        model: model.unwrap_or_default(),
        project: grant.and_then(|grant| grant.project.clone()),
        session: None,
        structured: envelope.is_some_and(|envelope| {
            lockgate_wire::wants_form(request.format.dialect, envelope, &request.body)
        }),
        unread: false,
        team: team(request)?,
        user: grant.and_then(|grant| grant.user.clone()),
    })
}

/// How strictly the caller takes the quality of commits and pull requests.
fn team(request: &CallRequest) -> Result<Option<Team>, Failure> {
    let Some(value) = request.headers.get(TEAM) else { return Ok(None) };
    match value.to_str().ok().and_then(Team::of) {
        Some(team) => Ok(Some(team)),
        None => Err(Failure::invalid(
            TEAM,
            format!("the header `{TEAM}` is one of `off`, `pragmatic` and `strict`"),
        )),
    }
}

/// The header of that.
const TEAM: &str = "x-lockgate-team";
