//! What policies have to say of a thing beside their verdicts: notes and warnings, kept and told as the mode allows.

use crate::chain::Mode;
use crate::decision::{Hook, Said};
use crate::run::Run;
use crate::trial::{Outcome, Trial};
use crate::verdict::Also;

impl Run {
    /// Notes what a policy has to say of a block beside its verdict. What is refused is not warned of.
    pub(crate) fn note_also(&mut self, at: usize, trial: &mut Trial) {
        let also = self.members[at].run.as_mut().map(|run| run.also()).unwrap_or_default();
        for Also { finding, warns } in also {
            let passes = matches!(trial.outcome, Some(Outcome::Pass) | None);
            let told = warns && passes && self.members[at].entry.mode > Mode::Observe;
            if told {
                trial.warnings.push(self.about(at, trial.thing.call(), &finding).warning());
            }
            let said = if warns { (Said::Warn, told) } else { (Said::Annotate, true) };
            self.note(at, trial.thing.hook(), said, finding, trial.thing.tool());
        }
    }

    /// The same of the request.
    pub(crate) fn note_also_of_call(&mut self, at: usize) {
        let also = self.members[at].run.as_mut().map(|run| run.also()).unwrap_or_default();
        for Also { finding, .. } in also {
            self.note(at, Hook::Call, (Said::Annotate, true), finding, None);
        }
    }
}
