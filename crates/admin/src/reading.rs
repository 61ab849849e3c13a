//! Sessions read whole: what the store has of their calls becomes a conversation.
//!
//! Reading takes processor time with the length of the bodies, so it happens beside the threads that serve calls.

use lockgate_history::{Bodies, Conversation, Exchange};
use lockgate_store::{Call, Store, StoredCall};
use uuid::Uuid;

use crate::guard::{Principal, Role};
use crate::problem::Problem;

/// The calls of a session that are read; later ones are left out and said to be.
pub(crate) const CALLS: usize = 5_000;

/// A session, read.
pub(crate) struct Read {
    pub(crate) conversation: Conversation,
    /// Whether calls were left out.
    pub(crate) truncated: bool,
}

/// The calls of a session that somebody may see.
pub(crate) async fn seen(store: &dyn Store, who: &Principal, id: &str) -> Result<Vec<Call>, Problem> {
    let mut calls = store.calls(id, usize::MAX).await?;
    calls.retain(|call| who.sees(call));
    Ok(calls)
}

/// Reads the calls of a session that somebody may see.
pub(crate) async fn session(store: &dyn Store, who: &Principal, id: &str) -> Result<Read, Problem> {
    let calls = match who.role {
        Role::Own => seen(store, who, id).await?,
        Role::Viewer | Role::Operator | Role::Admin => store.calls(id, CALLS + 1).await?,
    };
    let truncated = calls.len() > CALLS;
    let mut conversation = Conversation::new();
    for call in calls.iter().take(CALLS) {
        let Some((stored, bodies)) = whole(store, call.id).await? else { continue };
        conversation = beside(move || {
            conversation.push(Exchange::read(&stored.call, &stored.details, &bodies));
            conversation
        })
        .await?;
    }
    Ok(Read { conversation, truncated })
}

/// A call with its bodies. `None` = it is gone.
pub(crate) async fn whole(store: &dyn Store, id: Uuid) -> Result<Option<(StoredCall, Bodies)>, Problem> {
    let Some(stored) = store.get(id).await? else { return Ok(None) };
    let mut bodies = Bodies::default();
    for body in &stored.bodies {
        if let Some(bytes) = store.body(id, body.part).await? {
            bodies.set(body.part, bytes);
        }
    }
    Ok(Some((stored, bodies)))
}

/// Does what takes processor time where it keeps no call waiting.
pub(crate) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "reading the record failed");
        Problem::internal("what is stored cannot be read; the reason is in the gateway's log")
    })
}
