//! What policies change in a whole request, put into the client's dialect before anybody reads it again.
//!
//! A change is made in the bytes that came and then read as the dialect reads it: what would be no request any more does not go on. What its model
//! would refuse is left out. The record has both requests: what came, and what went to the provider.

use lockgate_policy::{Changes, Run};
use lockgate_wire::{Document, Edits, Envelope, Quirks, edited};

use crate::engine::Engine;
use crate::gate::{Shared, with};
use crate::policies::Holds;
use crate::request::CallRequest;

impl Engine {
    /// Makes the changes of a request that policies want; `Some` = why it may not go on.
    pub(crate) fn rewritten(
        &self,
        shared: &Shared,
        request: &mut CallRequest,
        (envelope, holds): (Option<&Envelope>, Holds),
    ) -> Option<String> {
        let wanted = with(shared, Run::take_rewrites);
        if wanted.is_empty() {
            return None;
        }
        if holds != Holds::Conversation {
            return with(shared, |run| {
                let idle = matches!(holds, Holds::Counted | Holds::Material) || request.body.is_empty();
                unwritten(run, &wanted, idle)
            });
        }
        let state = self.state.load();
        let named = envelope.and_then(|envelope| envelope.model.as_deref());
        let target = self.target(&state, request, named).ok();
        let dialect = request.format.dialect;
        // What is converted is written for its model, whatever stands here.
        let passed = target
            .as_ref()
            .filter(|target| target.upstream.provider.dialects_of(&target.model).contains(&dialect));
        let (model, quirks) = match passed {
            Some(target) => (&*target.model, target.upstream.provider.quirks(&target.model, 0)),
            None => ("", Quirks::default()),
        };
        for (whose, changes) in wanted {
            let came = made(request, &changes, (model, &quirks));
            let told = match came {
                Ok((body, left)) => {
                    request.body = body.into();
                    with(shared, |run| run.rewritten(whose, Ok(&left)))
                }
                Err(why) => with(shared, |run| run.rewritten(whose, Err(&why))),
            };
            if told.is_some() {
                return told;
            }
        }
        None
    }
}

/// Tells policies that their changes are not made where it is not known what a request holds; `Some` = why it may not go on. `idle`: nobody
/// answers it, so that nothing is lost.
fn unwritten(run: &mut Run, wanted: &[(usize, Box<Changes>)], idle: bool) -> Option<String> {
    wanted.iter().find_map(|(whose, _)| {
        if idle {
            run.left_unwritten(*whose);
            return None;
        }
        run.rewritten(*whose, Err("it is no conversation, and only those can be changed as a whole"))
    })
}

/// A request with changes, and what was left as it was; the error says why it cannot be.
fn made(
    request: &CallRequest,
    changes: &Changes,
    to: (&str, &Quirks),
) -> Result<(Vec<u8>, Vec<&'static str>), String> {
    let remove: Vec<&str> = changes.remove.parameters.iter().map(|parameter| parameter.as_str()).collect();
    let edits = Edits {
        add_system: changes.set.add_system.as_deref(),
        max_tokens: changes.set.max_tokens,
        most_tokens: changes.set.most_tokens,
        remove: &remove,
        system: changes.set.system.as_deref(),
        temperature: changes.set.temperature,
        tool_goes: &|tool| changes.takes_out(tool),
        top_p: changes.set.top_p,
    };
    let made = edited(request.format.dialect, &request.body, &edits, to)?;
    let read = request.format.messages.parse_document(&Document::new(&made.body));
    read.map_err(|failure| failure.message)?;
    Ok((made.body, made.left))
}
