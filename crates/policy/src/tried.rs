//! For the tests of policies: a chain of them, each in force.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::approval::Approvals;
use crate::chain::{Chain, Entry, Manner, Mode, OnFailure, OnRefusal, Scope};
use crate::policy::Policy;
use crate::resample::Resample;

/// A chain of these policies, which block.
pub(crate) fn chain(policies: Vec<(&'static str, Box<dyn Policy>)>) -> Chain {
    let (entries, manner) = parts(policies);
    Chain::new(entries, manner)
}

/// What such a chain is made of.
pub(crate) fn parts(policies: Vec<(&'static str, Box<dyn Policy>)>) -> (Vec<Entry>, Manner) {
    let entry = |(kind, policy): (&'static str, Box<dyn Policy>)| Entry {
        group: None,
        kind,
        mode: Mode::Block,
        name: kind.into(),
        on_failure: OnFailure::Block,
        on_refusal: OnRefusal::default(),
        policy,
        when: Scope::default(),
    };
    let manner = Manner {
        approvals: Approvals::default(),
        budget: Duration::from_secs(20),
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: "refused {tool}: {reason}".into(),
        now: Instant::now,
        resample: Resample::default(),
    };
    (policies.into_iter().map(entry).collect(), manner)
}
