//! Puts together what one request tells of itself.

use serde::Serialize;

use crate::agent::{Agent, agent};
use crate::client::{Client, client};
use crate::compaction::{Compaction, compaction};
use crate::facts::Facts;
use crate::history::{History, Last, TurnKind};
use crate::housekeeping::{Housekeeping, housekeeping};
use crate::ids::{SessionId, session};
use crate::title::{opening, title};
use crate::work::Work;

/// What one request tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Which agent of the session is calling.
    pub agent: Agent,
    /// The program that is calling.
    pub client: Client,
    /// A summary that stands for what was said before, if there is one.
    pub compaction: Option<Compaction>,
    /// How often the user has spoken, in the history that this request carries: 1 in their first turn, and on until their next.
    /// 0 for sub-agents, to whom no person speaks, and counted anew after a compaction.
    pub human_turn: u32,
    /// Why the call was made.
    pub kind: TurnKind,
    /// What [`Self::title`] is made of, not shortened to it: for those who mask secrets before.
    pub opening: Option<String>,
    /// The session it belongs to.
    pub session: SessionId,
    /// What the user said first, on one line of at most 80 bytes; for a sub-agent, its task. None for housekeeping, but for
    /// compaction, which carries the session's history.
    pub title: Option<String>,
    /// Where the session works.
    pub work: Work,
}

/// Reads what one request tells of itself. Never fails, and takes time with the length of the request, no more: some 60 µs for an
/// agent's request of 150 KB, 90 µs where the session has to be derived (`benches/identify.rs`, on two shared cores).
pub fn identify(facts: &Facts<'_>) -> Identity {
    let client = client(facts);
    let history = facts.conversation.map(History::of);
    let history = history.as_ref();
    let session = session(facts, client.kind, history);
    let agent = agent(facts, client.kind, &session, history);
    let kind = kind(facts, &client, &agent, history);
    let first = history.and_then(|history| history.first).filter(|_| has_title(kind));
    let opening = first.and_then(opening);
    Identity {
        compaction: facts.conversation.and_then(compaction),
        human_turn: history.filter(|_| agent == Agent::Main).map_or(0, |history| history.human),
        title: opening.as_deref().and_then(title),
        work: Work::of(facts),
        agent,
        client,
        kind,
        opening,
        session,
    }
}

fn kind(facts: &Facts<'_>, client: &Client, agent: &Agent, history: Option<&History<'_>>) -> TurnKind {
    if let Some(what) = housekeeping(facts, client.kind, history) {
        return TurnKind::Housekeeping(what);
    }
    match history.map(|history| history.last) {
        None | Some(Last::Nothing) => TurnKind::Unknown,
        Some(Last::Human) if *agent == Agent::Main => TurnKind::Human,
        Some(Last::Human) => TurnKind::Delegated,
        Some(Last::Notice) => TurnKind::Notice,
        Some(Last::Results) => TurnKind::ToolLoop,
    }
}

fn has_title(kind: TurnKind) -> bool {
    match kind {
        TurnKind::Housekeeping(Housekeeping::Compaction)
        | TurnKind::Delegated
        | TurnKind::Human
        | TurnKind::Notice
        | TurnKind::ToolLoop => true,
        TurnKind::Housekeeping(_) | TurnKind::Unknown => false,
    }
}
