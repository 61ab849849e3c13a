//! Who answers what policies ask: a model, or a person.

use std::time::Duration;

use lockgate_engine::{Asker, Asking};
use lockgate_policy::Query;

use super::desk::Desk;
use super::judges::Judges;

/// Everybody who can be asked.
pub(super) struct Everybody {
    pub(super) desk: Desk,
    pub(super) judges: Judges,
}

impl Asker for Everybody {
    fn ask(&self, call: &str, query: Query, deadline: Duration) -> Asking {
        match query {
            Query::Judge(judge) => Box::pin(self.judges.clone().judged(judge)),
            Query::Person(question) => Box::pin(self.desk.clone().ask(call.to_owned(), *question, deadline)),
        }
    }
}
