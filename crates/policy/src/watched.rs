//! What the vote of a group would have been that only observes. Its members are recorded each by itself, as they speak; once their vote would be decided,
//! one note more says how. Nothing waits for it.

use std::sync::Arc;

use crate::chain::Mode;
use crate::decision::{Hook, Said, Tool};
use crate::group::{Ballot, objects, objects_to_call};
use crate::policy::TextNeed;
use crate::run::{Broken, Run};
use crate::trial::Trial;
use crate::verdict::{BlockVerdict, CallVerdict, Finding};

/// The votes on one thing.
pub(crate) struct Watched {
    ballot: Ballot<Said>,
    /// The block that it is about; `None` = the request.
    block: Option<u32>,
    /// Whether it is known how it went.
    is_over: bool,
}

/// What was judged.
pub(crate) struct Judged<'a> {
    /// `None` = the request.
    pub(crate) block: Option<u32>,
    pub(crate) hook: Hook,
    pub(crate) tool: Option<&'a Tool>,
}

impl Run {
    /// Takes note of what a policy says of a block, if it is of a group that only observes.
    pub(crate) fn watch(&mut self, at: usize, judged: &Judged<'_>, verdict: &Result<BlockVerdict, Broken>) {
        if self.is_watched(at) && !matches!(verdict, Ok(BlockVerdict::Ask(_))) {
            let said = verdict.as_ref().ok().map(|verdict| crate::run::said(verdict.clone()).0);
            self.watch_vote(at, judged, (verdict.as_ref().ok().and_then(objects), said));
        }
    }

    /// The same of a block that is judged now.
    pub(crate) fn watch_trial(&mut self, at: usize, trial: &Trial, verdict: &Result<BlockVerdict, Broken>) {
        if self.is_watched(at) {
            let tool = trial.thing.tool();
            let judged = Judged { block: Some(trial.number), hook: trial.thing.hook(), tool: tool.as_ref() };
            self.watch(at, &judged, verdict);
        }
    }

    /// The same of a request.
    pub(crate) fn watch_call(&mut self, at: usize, verdict: &Result<CallVerdict, Broken>) {
        if self.is_watched(at) && !matches!(verdict, Ok(CallVerdict::Ask(_))) {
            let said = verdict.as_ref().ok().and_then(|verdict| crate::request::said(verdict.clone()));
            let judged = Judged { block: None, hook: Hook::Call, tool: None };
            let objects = verdict.as_ref().ok().and_then(objects_to_call);
            self.watch_vote(at, &judged, (objects, said.map(|(said, _)| said)));
        }
    }

    fn is_watched(&self, at: usize) -> bool {
        let entry = &self.members[at].entry;
        entry.group.is_some() && entry.mode == Mode::Observe
    }

    fn watch_vote(&mut self, at: usize, judged: &Judged<'_>, (objects, said): (Option<bool>, Option<Said>)) {
        let Some(voting) = self.members[at].entry.group.clone() else { return };
        let of = |watched: &Watched| watched.block == judged.block && watched.ballot.is_of(&voting);
        let place = self.watched.iter().position(of).unwrap_or_else(|| {
            let has_vote = |member: &usize| {
                let member = &self.members[*member];
                let same = member.entry.group.as_ref().is_some_and(|other| Arc::ptr_eq(other, &voting));
                same && match judged.hook {
                    Hook::Call => member.entry.policy.judges_requests(),
                    Hook::ToolCall => member.needs.tools,
                    Hook::End | Hook::RequestText | Hook::Text => member.needs.text == TextNeed::Whole,
                }
            };
            let voters: Vec<usize> = (0..self.members.len()).filter(has_vote).collect();
            let is_over = voters.len() < 2;
            let ballot = Ballot::new(voting.clone(), voters);
            self.watched.push(Watched { ballot, block: judged.block, is_over });
            self.watched.len() - 1
        });
        let said = said.ok_or_else(|| Broken(String::new()));
        let cast = self.cast_of(at, said, |_| objects);
        let mut watched = self.watched.swap_remove(place);
        if !watched.is_over {
            watched.ballot.add(cast);
            if let Some((whose, words)) = watched.ballot.told(self) {
                watched.is_over = true;
                if let Some(whose) = whose {
                    let finding = Finding::because(words);
                    self.note(whose, judged.hook, (Said::Annotate, true), finding, judged.tool.cloned());
                }
            }
        }
        self.watched.push(watched);
    }
}
