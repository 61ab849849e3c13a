//! What policies say at the end of an answer, and whether anything may be said there at all.

use crate::chain::Mode;
use crate::decision::{Hook, Said};
use crate::run::Run;
use crate::verdict::EndVerdict;

impl Run {
    /// What stands behind the last words of the answer: warnings, and what policies append.
    pub(crate) fn end(&mut self, tools: bool) -> Vec<String> {
        let mut words = std::mem::take(&mut self.warnings);
        for at in 0..self.members.len() {
            if !self.members[at].needs.end || self.members[at].run.is_none() {
                continue;
            }
            match self.guarded(at, |run, view| run.on_end(tools, view)) {
                Ok(EndVerdict::Allow) | Err(_) => {}
                Ok(EndVerdict::Annotate(finding)) => {
                    self.note(at, Hook::End, (Said::Annotate, true), finding, None);
                }
                Ok(EndVerdict::Append { finding, text }) => {
                    let applied = self.members[at].entry.mode >= Mode::Warn && self.may_add();
                    self.note(at, Hook::End, (Said::Append, applied), finding, None);
                    if applied {
                        words.push(text);
                    }
                }
            }
        }
        if !self.may_add() {
            words.clear();
        }
        words
    }

    /// Whether anything may be said behind the answer's own words.
    pub(crate) fn may_add_words(&self) -> bool {
        self.may_add() && (self.holds().end || !self.warnings.is_empty() || self.may_warn_of_texts())
    }

    /// Whether words may be added to the answer: not where nobody reads it, and not where they would break its form.
    pub(crate) fn may_add(&self) -> bool {
        !self.facts.housekeeping && !self.facts.structured
    }
}
