//! What is still to come when the answer is over: what observing policies asked and nobody waits for, and their look at a whole answer.
//!
//! The client has its answer. The end of the call is noted at once, and once more with what was said when the last of them is answered or out of
//! time. Only so many calls wait so at a time: of others, and of all when the gateway ends, is noted what was known at the end.

use std::sync::Arc;

use lockgate_policy::{Decision, Run};
use lockgate_recorder::{Closed, Tape};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::ask::{Asked, Whom};
use crate::gate::{Shared, with};
use crate::report::Behind;
use crate::tap;

/// So many calls wait at a time.
const PLACES: usize = 256;

/// What is still open of a call that is over.
pub(crate) struct Open {
    asked: Asked,
    run: Shared,
}

impl Open {
    /// What is open of all that was asked about the call `id`; `None` = nothing.
    pub(crate) fn of(run: Shared, mut asked: Asked, whom: &Whom, id: &str) -> Option<Self> {
        with(&run, |run| {
            asked.keep(|ticket| run.is_aside(ticket));
            let mut more = run.take_questions();
            more.retain(|(ticket, _)| run.is_aside(*ticket));
            asked.push(whom, id, more);
        });
        (!asked.is_empty()).then_some(Self { asked, run })
    }

    /// Waits for all of it; what policies say of it.
    async fn answered(&mut self) {
        while let Some((ticket, reply)) = self.asked.next().await {
            with(&self.run, |run| run.on_late_reply(ticket, reply));
        }
    }

    fn said(&self) -> Vec<Decision> {
        with(&self.run, Run::take_decisions)
    }
}

/// The calls that wait.
pub(crate) struct Late {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Default for Late {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), stop: CancellationToken::new() }
    }
}

impl Late {
    /// Notes the end of a call, now and when all is answered.
    pub(crate) fn close(&self, tape: &Tape, ending: Closed, open: Option<Open>) {
        let Some(mut open) = open.filter(|_| !tape.is_blank()) else { return tape.close(&ending) };
        let (Ok(place), Ok(runtime)) = (self.places.clone().try_acquire_owned(), Handle::try_current())
        else {
            return tape.close(&ending);
        };
        tape.over(&ending);
        let (stop, tape, mut ending) = (self.stop.clone(), tape.clone(), ending);
        runtime.spawn(async move {
            stop.run_until_cancelled(open.answered()).await;
            ending.policies.extend(tap::told(&open.said()));
            tape.close(&ending);
            drop(place);
        });
    }

    /// Notes the end of a call whose client gets a whole answer, and lets policies look at that once it is on its way.
    pub(crate) fn look(&self, tape: &Tape, ending: Closed, behind: Behind) {
        let is_noted = !tape.is_blank();
        let told = move |behind: Behind, ending: Closed| {
            let (said, open) = behind.told(is_noted);
            (Closed { policies: said.policies, ..ending }, open)
        };
        let (Ok(place), Ok(runtime)) = (self.places.clone().try_acquire_owned(), Handle::try_current())
        else {
            let (ending, open) = told(behind, ending);
            return self.close(tape, ending, open);
        };
        tape.over(&ending);
        let (stop, tape) = (self.stop.clone(), tape.clone());
        runtime.spawn(async move {
            let (mut ending, open) = told(behind, ending);
            if let Some(mut open) = open {
                stop.run_until_cancelled(open.answered()).await;
                ending.policies.extend(tap::told(&open.said()));
            }
            tape.close(&ending);
            drop(place);
        });
    }

    /// Waits for nobody any more; comes back when the end of every call is noted.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        // It is never closed.
        let _ = self.places.acquire_many(PLACES as u32).await;
    }
}
