//! Policies: each must be one that can work, can mean what it says, and asks models that are somewhere.

use lockgate_providers::known_ids;

use super::Checker;
use crate::{Code, Path, Problem};

impl Checker<'_> {
    pub(super) fn policies(&mut self) {
        let section = Path::of(["policies"]);
        let wrong = match self.config.policies.entries() {
            Ok(_) => self.config.policies.slips(),
            Err(wrong) => wrong,
        };
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
        self.models_of_policies();
    }

    /// The models that policies name: each must be at a provider that is there, or could be: a command need not see the variables that a gateway has its
    /// providers from.
    fn models_of_policies(&mut self) {
        let policies = &self.config.policies;
        let mut named = Vec::new();
        let section = Path::of(["policies"]);
        named.extend(policies.local_model.as_ref().map(|model| (section.key("local_model"), model)));
        for (at, configured) in policies.chain.iter().enumerate() {
            let entry = section.key("chain").index(at);
            let judge = configured.judge.as_ref().map(|judge| ("judge", &judge.model));
            let tool_judge = configured.tool_judge.as_ref().map(|judge| ("tool_judge", &judge.model));
            for (kind, model) in judge.into_iter().chain(tool_judge) {
                named.push((entry.key(kind).key("model"), model));
            }
        }
        for (path, model) in named {
            let id = model.split_once(':').map_or("", |(id, _)| id);
            let elsewhere = !self.config.providers.contains_key(id) && known_ids().any(|known| known == id);
            if !elsewhere && !self.is_malformed(&path) {
                self.target(model, &path);
            }
        }
    }

    /// What is wrong with the models that the policies name.
    pub(crate) fn judges(mut self) -> Vec<Problem> {
        self.models_of_policies();
        self.problems
    }
}
