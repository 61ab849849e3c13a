//! Requests of the Responses dialect that lean on what was said before: items by their ids, and answers that the provider keeps.
//!
//! What is kept of them here is in `continuity`; this puts it into requests.

use lockgate_core::Dialect;
use lockgate_wire::Among;

use crate::engine::Engine;
use crate::request::CallRequest;

impl Engine {
    /// Whether anything can be kept for such a request.
    fn keeps_for(&self, request: &CallRequest) -> bool {
        !request.internal && request.format.dialect == Dialect::Responses && !self.continuity.is_empty()
    }

    /// The body with the items that it refers to, as far as they were made here; `None` if it does not.
    pub(crate) fn with_items(&self, request: &CallRequest) -> Option<Vec<u8>> {
        if !self.keeps_for(request) {
            return None;
        }
        let caller = request.caller.grant.as_ref().map(|grant| grant.name.as_str());
        lockgate_wire::responses::with_items(&request.body, |id| self.continuity.item(caller, id))
    }

    /// The body of a request that goes on from an answer which its provider keeps and of which the client has not heard all; `None` if it does not.
    pub(crate) fn with_unheard(&self, request: &CallRequest) -> Option<Vec<u8>> {
        const NAME: &str = "previous_response_id";
        if !self.keeps_for(request) {
            return None;
        }
        let caller = request.caller.grant.as_ref().map(|grant| grant.name.as_str());
        memchr::memmem::find(&request.body, NAME.as_bytes())?;
        let id = lockgate_wire::member_text(&request.body, NAME)?;
        let unheard = self.continuity.unheard(caller, &id)?;
        let body = match &unheard.instead {
            Some(id) => lockgate_wire::with_member(&request.body, NAME, id),
            None => request.body.to_vec(),
        };
        match unheard.turn() {
            Some(turn) => lockgate_wire::with_turns(request.format, &body, vec![turn], Among::First),
            None => Some(body),
        }
    }
}
