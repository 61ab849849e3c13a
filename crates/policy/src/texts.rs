//! Texts of a request and of an answer through the policies that rewrite them, one behind the other.
//!
//! A policy keeps a window of its own: what it has not settled waits with it. Blocks that are judged as a whole are not here.

use lockgate_core::Origin;

use crate::chain::{Entry, Mode, OnFailure};
use crate::changes::Changes;
use crate::decision::{Hook, Said};
use crate::message::Refused;
use crate::policy::TextNeed;
use crate::run::{Broken, Run};
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
            if !self.members[at].needs.request_text {
                continue;
            }
            let current = changed.as_deref().unwrap_or(text);
            let new = match self.guarded(at, |run, _| run.on_request_text(origin, current)) {
                Ok(Some(new)) => new,
                Ok(None) => continue,
                Err(Broken(why)) => {
                    self.unchanged(at, &why, refused);
                    continue;
                }
            };
            let applied = self.members[at].entry.mode >= Mode::Rewrite;
            let finding = Finding::because("it changed text of the request");
            let first = self.note_once(at, Hook::RequestText, (Said::Rewrite, applied), finding);
            if applied {
                changed = Some(new);
            } else if first && self.members[at].entry.mode > Mode::Observe {
                self.warn(at, "it would have changed text of the request");
            }
        }
        changed
    }

    /// What policies change in the whole request, in order. Whoever puts it there tells each time what came of it ([`Run::rewritten`]).
    pub fn take_rewrites(&mut self) -> Vec<(usize, Box<Changes>)> {
        std::mem::take(&mut self.rewrites)
    }

    /// What came of a change of the whole request: what was left as it is, because the model or the dialect would refuse it, or why nothing could be
    /// changed. `Some` = why the call may not go on.
    pub fn rewritten(&mut self, whose: usize, came: Result<&[&'static str], &str>) -> Option<String> {
        let mut refused = None;
        match came {
            Ok([]) => {}
            Ok(left) => {
                let reason = format!("left as it was, because it would be refused: {}", left.join(", "));
                self.note(whose, Hook::Call, (Said::Annotate, true), Finding::because(reason), None);
            }
            Err(why) => {
                self.left_unwritten(whose);
                self.unchanged(whose, &format!("it cannot be rewritten: {why}"), &mut refused);
            }
        }
        refused
    }

    /// A change of the whole request was not made: it does not stand in the record as if it had been.
    pub fn left_unwritten(&mut self, whose: usize) {
        let policy = &self.members[whose].entry.name;
        let told = self.decisions.iter_mut().rev().find(|one| {
            one.policy == *policy && one.hook == Hook::Call && one.said == Said::Rewrite && one.applied
        });
        if let Some(told) = told {
            told.applied = false;
        }
    }

    /// What becomes of a request with a text that a policy should have looked at and could not. There is nobody left to ask: what a person
    /// should decide is refused.
    fn unchanged(&mut self, at: usize, why: &str, refused: &mut Option<String>) {
        if std::mem::replace(&mut self.members[at].unread, true) {
            return;
        }
        let finding = Finding::because(format!("the policy could not judge the request: {why}"));
        let Entry { mode, on_failure, .. } = *self.members[at].entry;
        let closed = on_failure != OnFailure::Pass && mode == Mode::Block;
        if closed {
            refused.get_or_insert_with(|| self.refused((at, None), Refused::Request, &finding));
        } else if mode > Mode::Observe {
            self.warn(at, &finding.reason);
        }
        self.note(at, Hook::RequestText, (Said::Failed, closed), finding, None);
    }

    /// Tells the client behind the answer.
    fn warn(&mut self, at: usize, words: &str) {
        let warning = self.about(at, None, &Finding::because(words)).warning();
        self.warnings.push(warning);
    }

    /// Text of the answer through the policies that rewrite it: what may go now, and whether it is another text than came.
    pub(crate) fn text(&mut self, piece: &str, last: bool) -> (String, bool) {
        let mut current = piece.to_owned();
        let mut changed = false;
        for at in 0..self.members.len() {
            if self.members[at].needs.text != TextNeed::Window {
                continue;
            }
            if self.members[at].run.is_none() {
                changed |= self.unseen(at, &mut current, last);
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
                if mode > Mode::Observe {
                    current = pending;
                }
                changed |= self.unseen(at, &mut current, last);
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
                let reason = finding.reason.clone();
                let first = self.note_once(at, Hook::Text, (Said::Rewrite, applied), finding);
                if first && !applied && mode > Mode::Observe {
                    self.warn(at, &reason);
                }
            }
            pending[upto..].clone_into(&mut self.members[at].pending);
        }
        (current, changed)
    }

    /// Text that a policy should have looked at that fails: what its failure mode makes of it, for this text and all that follow. Whether it is
    /// another text now.
    fn unseen(&mut self, at: usize, current: &mut String, last: bool) -> bool {
        let Entry { mode, on_failure, .. } = *self.members[at].entry;
        let closed = on_failure != OnFailure::Pass && mode == Mode::Block;
        let finding = Finding::because("the policy failed on a text");
        let first = self.note_once(at, Hook::Text, (Said::Failed, closed), finding.clone());
        if !closed {
            if first && mode > Mode::Observe {
                self.warn(at, "it failed, and nobody has looked at this text");
            }
            return false;
        }
        // Once for each text, in the place of its first words.
        let told = std::mem::replace(&mut self.members[at].told, !last);
        let empty = current.is_empty() && !told;
        *current = if told || empty {
            String::new()
        } else {
            self.refused((at, None), Refused::Words, &Finding::because("it failed"))
        };
        if empty {
            self.members[at].told = false;
        }
        !empty
    }

    /// Whether the client may have to be told of texts when the answer is over.
    pub(crate) fn may_warn_of_texts(&self) -> bool {
        self.members.iter().any(|member| {
            let Entry { mode, on_failure, .. } = *member.entry;
            let closed = on_failure != OnFailure::Pass && mode == Mode::Block;
            member.needs.text == TextNeed::Window && mode > Mode::Observe && !closed
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use crate::chain::{Chain, Manner};
    use crate::policy::CallFacts;
    use crate::replace::{Options, Replace};

    use super::*;

    /// A chain with `replace`.
    fn opened(mode: Mode, on_failure: OnFailure, now: fn() -> Instant) -> Run {
        let options = serde_json::json!({"texts": {"secret": "…"}});
        let policy = Replace::new(serde_json::from_value::<Options>(options).unwrap()).ok().unwrap();
        let (entries, manner) = crate::tried::parts(vec![("replace", Box::new(policy))]);
        let entries = entries.into_iter().map(|entry| Entry { mode, on_failure, ..entry }).collect();
        let manner = Manner { budget: Duration::from_millis(1), now, ..manner };
        Chain::new(entries, manner).open(CallFacts::unknown("1")).unwrap()
    }

    /// A clock by which everything takes a second.
    fn slow() -> Instant {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        static SECONDS: AtomicU64 = AtomicU64::new(0);
        *BEGAN + Duration::from_secs(SECONDS.fetch_add(1, Ordering::Relaxed))
    }

    /// A clock by which nothing takes any time.
    fn quick() -> Instant {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        *BEGAN
    }

    #[test]
    fn a_policy_that_was_too_slow_once_shows_none_of_the_later_texts_either() {
        for on_failure in [OnFailure::Block, OnFailure::Ask] {
            let mut run = opened(Mode::Block, on_failure, slow);
            for text in ["the first secret", "the second"] {
                let (said, changed) = run.text(text, false);
                assert!(changed && said.contains("refused by the policy `replace`"), "{said}");
                assert_eq!(run.text(" goes on", false), (String::new(), true));
                assert_eq!(run.text("", true), (String::new(), true));
            }
            assert_eq!(run.text("", true), (String::new(), false), "an empty text stays one");
        }
    }

    #[test]
    fn with_pass_the_words_of_a_policy_that_was_too_slow_go_and_the_client_is_told_once() {
        let mut run = opened(Mode::Block, OnFailure::Pass, slow);
        assert!(run.may_add_words());
        for text in ["the first secret", "the second"] {
            assert_eq!(run.text(text, false), (text.to_owned(), false));
            assert_eq!(run.text("", true), (String::new(), false));
        }
        let told = run.end(false);
        assert!(told.len() == 1 && told[0].contains("nobody has looked"), "{told:?}");
    }

    #[test]
    fn with_mode_warn_the_client_is_told_of_what_would_have_been_changed() {
        let mut run = opened(Mode::Warn, OnFailure::Block, quick);
        for text in ["a secret", "another secret"] {
            assert_eq!(run.text(text, true), (text.to_owned(), false));
        }
        let told = run.end(false);
        assert!(told.len() == 1 && told[0].contains("The policy `replace` warns"), "{told:?}");
        let mut run = opened(Mode::Warn, OnFailure::Block, quick);
        let refused = &mut None;
        assert_eq!(run.on_request_text(Origin::User, "a secret", refused), None);
        assert!(refused.is_none() && run.end(false).len() == 1);
    }

    #[test]
    fn a_request_with_a_text_that_nobody_could_look_at_is_refused_also_where_a_person_should_decide() {
        for (on_failure, closed) in
            [(OnFailure::Ask, true), (OnFailure::Block, true), (OnFailure::Pass, false)]
        {
            let mut run = opened(Mode::Block, on_failure, slow);
            let refused = &mut None;
            for text in ["a secret", "another"] {
                assert_eq!(run.on_request_text(Origin::User, text, refused), None);
            }
            assert_eq!(refused.is_some(), closed, "{on_failure:?}");
            assert_eq!(run.end(false).len(), usize::from(!closed));
        }
    }
}
