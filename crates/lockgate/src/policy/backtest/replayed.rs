//! One recorded call, rebuilt and put before the chain: its request only as far as the chain needs it, its answer as the provider gave it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::content::ToolCall;
use lockgate_core::{Conversation, Dialect, Event, Origin};
use lockgate_policy::replay::{self, Place, Recorded, Standing, standings, tool_calls};
use lockgate_policy::{CallFacts, Chain, Decision, Needs};
use lockgate_wire::{
    Document, Envelope, EnvelopeLimits, Restore, ToolNames, format, rewrite_texts, wants_form,
};

use super::judged::Judged;
use super::report::Report;
use super::source::{Call, Source};
use crate::exit::Failure;

/// What was recorded was let through then.
const LIMITS: EnvelopeLimits = EnvelopeLimits { messages: usize::MAX, nesting: 512, tools: usize::MAX };

/// A call before the chain.
pub(super) struct Replayed {
    /// Every verdict of the chain.
    pub(super) decisions: Vec<Decision>,
    /// What would become of each thing.
    pub(super) now: BTreeMap<Place, Standing>,
    /// What became of each thing.
    pub(super) then: BTreeMap<Place, Standing>,
    /// The tool calls of the provider's answer.
    pub(super) tool_calls: Vec<ToolCall>,
}

/// Replays a call; `None` if that cannot be done, which the report then says.
pub(super) fn replayed(
    source: &Source<'_>,
    chain: &Chain,
    call: &Call,
    judged: &mut Judged<'_>,
    report: &mut Report,
) -> Result<Option<Replayed>, Failure> {
    let calls = &mut report.calls;
    if call.is_our_own() {
        return Ok(None);
    }
    let Some(front) = call.dialect.filter(|_| call.operation == "chat") else {
        calls.other += 1;
        return Ok(None);
    };
    let details = source.details(&call.id)?;
    if !details.keeps_contents() {
        calls.without_contents += 1;
        return Ok(None);
    }
    let decisions = details.decisions();
    let mut facts = facts(call, front);
    let needs = chain.needs_for(&facts);
    let events = source.answer(call, &details)?;
    let foreign = call.upstream_dialect.is_some_and(|upstream| upstream != front) && !events.is_empty();
    let wanted = needs.is_some_and(|needs| needs.request() || needs.end) || foreign;
    let request = if wanted { source.body(&call.id, "client_request")? } else { None };
    let conversation = match &request {
        Some(body) => format(front).messages.parse(body).ok(),
        None => None,
    };
    calls.unreadable += u64::from(wanted && conversation.is_none());
    let events = if foreign { restored(conversation.as_ref(), events) } else { events };
    let tool_calls = tool_calls(&events);
    if let Some(body) = request.as_deref() {
        about_request(&mut facts, call, body, needs.unwrap_or_default());
    }
    let texts = &mut |ask: &mut dyn FnMut(Origin, &str) -> Option<String>| {
        if let Some(body) = request.as_deref() {
            rewrite_texts(front, &Document::new(body), ask);
        }
    };
    let conversation = conversation.filter(|_| needs.is_some_and(|needs| needs.conversation)).map(Arc::new);
    let said = replay::replay(chain, Recorded { conversation, events, facts, texts }, &mut |judge| {
        judged.answer(judge)
    });
    judged.note(&said.open)?;
    Ok(Some(Replayed {
        now: said.standings(),
        then: standings(&decisions),
        decisions: said.decisions,
        tool_calls,
    }))
}

/// What the engine knows of a call before it reads it.
fn facts(call: &Call, front: Dialect) -> CallFacts {
    CallFacts {
        client: call.user_agent.clone(),
        dialect: front,
        key: call.key.clone(),
        model: call.requested_model.clone().or_else(|| call.model.clone()).unwrap_or_default(),
        project: call.project.clone(),
        user: call.user.clone(),
        ..CallFacts::unknown(&call.id)
    }
}

/// What it knows once it has.
fn about_request(facts: &mut CallFacts, call: &Call, body: &[u8], needs: Needs) {
    if let Ok(envelope) = Envelope::read(body, format(facts.dialect).envelope, &LIMITS) {
        facts.structured = wants_form(facts.dialect, &envelope, body);
    }
    if needs.conversation {
        facts.housekeeping = call.is_housekeeping();
        facts.human_turn = call.turn.unwrap_or(0);
        facts.session.clone_from(&call.session);
    }
}

/// The answer with the names of tools that the client knows, where another dialect had to give them others.
fn restored(conversation: Option<&Conversation>, events: Vec<Event>) -> Vec<Event> {
    let Some(mut conversation) = conversation.cloned() else { return events };
    let mut restore = Restore::new(ToolNames::plain(&mut conversation));
    let mut named = Vec::with_capacity(events.len());
    for event in events {
        restore.apply(event, |event| named.push(event));
    }
    named
}
