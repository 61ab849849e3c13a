//! One reading of a call's conversation for all its policies, and one of each tool call.
//!
//! Holds values of one call only: it is made with the call's policies and goes with them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lockgate_core::Conversation;
use lockgate_core::content::ToolCall;

use super::{Act, Work};

/// What the policies of a call share. Cloning gives another hand on the same.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    act: Mutex<Option<(ToolCall, Arc<Act>)>>,
    work: OnceLock<Option<Work>>,
}

impl Shared {
    /// What the session has worked on; `None` where the conversation could not be read.
    pub fn work(&self, conversation: Option<&Conversation>) -> Option<&Work> {
        self.0.work.get_or_init(|| conversation.map(Work::of)).as_ref()
    }

    /// What a tool call would do.
    pub fn act(&self, call: &ToolCall) -> Arc<Act> {
        let same =
            |one: &ToolCall| (&one.id, &one.name, &one.arguments) == (&call.id, &call.name, &call.arguments);
        // What a policy that panicked left here is whole: it is put in at once.
        let mut last = self.0.act.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, act)) = last.as_ref().filter(|(known, _)| same(known)) {
            return act.clone();
        }
        let act = Arc::new(Act::of(call));
        *last = Some((call.clone(), act.clone()));
        act
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement 001: one reading of the session for all policies of a call.
    #[test]
    fn a_session_is_read_once_for_all_hands() {
        let shared = Shared::default();
        let conversation = Conversation::default();
        let first = shared.work(Some(&conversation)).map(std::ptr::from_ref);
        assert!(first.is_some());
        assert_eq!(shared.clone().work(Some(&conversation)).map(std::ptr::from_ref), first);
        assert!(Shared::default().work(None).is_none());
    }
}
