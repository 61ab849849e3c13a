//! Texts of a request and of an answer through the policies that rewrite them, one behind the other.
//!
//! A policy keeps a window of its own: what it has not settled waits with it. Blocks that are judged as a whole are not here.

use lockgate_core::Origin;

use crate::chain::{Mode, OnFailure};
use crate::decision::{Hook, Said};
use crate::policy::TextNeed;
use crate::request::CallOutcome;
use crate::run::Run;
use crate::verdict::Finding;

impl Run {
    /// What the provider gets in place of a text of the request; `None` = the text as it is. A policy that fails on a text it should
    /// have changed leaves a reason to refuse the call in `refused`, if its failure mode is to.
    pub fn on_request_text(
        &mut self,
        origin: Origin,
        text: &str,
        refused: &mut Option<String>,
    ) -> Option<String> {
        let mut changed: Option<String> = None;
        for at in 0..self.members.len() {
            if !self.members[at].needs.request_text || self.members[at].run.is_none() {
                continue;
            }
            let current = changed.as_deref().unwrap_or(text);
            let new = match self.guarded(at, |run, _| run.on_request_text(origin, current)) {
                Ok(Some(new)) => new,
                Ok(None) => continue,
                Err(broken) => {
                    if let Some(CallOutcome::Refuse(words)) = self.settle_call(at, Err(broken)) {
                        refused.get_or_insert(words);
                    }
                    continue;
                }
            };
            let applied = self.members[at].entry.mode >= Mode::Rewrite;
            let finding = Finding::because("it changed text of the request");
            self.note_once(at, Hook::RequestText, (Said::Rewrite, applied), finding);
            if applied {
                changed = Some(new);
            }
        }
        changed
    }

    /// Text of the answer through the policies that rewrite it: what may go now, and whether it is another text than came.
    pub(crate) fn text(&mut self, piece: &str, last: bool) -> (String, bool) {
        let mut current = piece.to_owned();
        let mut changed = false;
        for at in 0..self.members.len() {
            if self.members[at].needs.text != TextNeed::Window || self.members[at].run.is_none() {
                continue;
            }
            self.members[at].pending.push_str(&current);
            let pending = std::mem::take(&mut self.members[at].pending);
            let settled = self.guarded(at, |run, view| run.on_text(&pending, last, view));
            let settled = settled.ok().filter(|settled| settled.is_sound(&pending, last));
            let mode = self.members[at].entry.mode;
            let Some(settled) = settled else {
                // A policy that cannot judge text has its failure mode; the text that it held is not shown where that is `block`.
                self.members[at].run = None;
                let finding = Finding::because("the policy failed on a text");
                let closed = self.members[at].entry.on_failure != OnFailure::Pass && mode == Mode::Block;
                self.note(at, Hook::Text, (Said::Failed, closed), finding, None);
                if closed {
                    changed = true;
                    current = self.about(at, None, &Finding::because("it failed")).refused_words();
                } else if mode > Mode::Observe {
                    current = pending;
                }
                continue;
            };
            let applied = mode >= Mode::Rewrite;
            let upto = settled.upto;
            if mode > Mode::Observe {
                current = if applied { settled.edited(&pending) } else { pending[..upto].to_owned() };
                changed |= applied && !settled.edits.is_empty();
            }
            if !settled.edits.is_empty() {
                let finding = settled.finding;
                let finding = finding.unwrap_or_else(|| Finding::because("it changed text of the answer"));
                self.note_once(at, Hook::Text, (Said::Rewrite, applied), finding);
            }
            pending[upto..].clone_into(&mut self.members[at].pending);
        }
        (current, changed)
    }
}
