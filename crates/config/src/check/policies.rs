//! Policies: each must be one that can work.

use super::Checker;
use crate::{Code, Path};

impl Checker<'_> {
    pub(super) fn policies(&mut self) {
        let section = Path::of(["policies"]);
        let Err(wrong) = self.config.policies.entries() else { return };
        for unworkable in wrong {
            let path =
                unworkable.path.iter().fold(section.clone(), |path, step| match step.parse::<usize>() {
                    Ok(index) => path.index(index),
                    Err(_) => path.key(step),
                });
            if !self.is_malformed(&path) {
                self.report(Code::Policy, &path, unworkable.words);
            }
        }
    }
}
