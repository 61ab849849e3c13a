//! Which models may be called.
//!
//! # What it does
//!
//! Refuses a call for a model that is not on a list, or that is on another, by the name that the client asks for.
//!
//! # Why
//!
//! A key has such a list too. This one can be tried first (`mode: observe`), holds for programs, projects and people alike, and says
//! why.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: cheap-models-for-trials
//!       when: {projects: [trials]}
//!       model_allow: {allow: ["*haiku*", "gpt-5-mini"], reason: trials run on small models}
//! ```
//!
//! # Limits
//!
//! It sees the name that the client asks for, not the model that an alias stands for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Pattern;
use crate::policy::{CallFacts, Needs, Policy, PolicyRun, View};
use crate::verdict::{CallVerdict, Finding};

/// Which models may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The only models that may be called; empty = all.
    pub allow: Vec<Pattern>,
    /// Models that may not be called, whatever `allow` says.
    pub deny: Vec<Pattern>,
    /// Why, for whoever is refused.
    pub reason: Option<String>,
}

/// The policy.
pub struct ModelAllow(pub Options);

impl Policy for ModelAllow {
    fn judges_requests(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun> {
        let Options { allow, deny, reason } = &self.0;
        let meets = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&facts.model));
        let refused = meets(deny) || !(allow.is_empty() || meets(allow));
        let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let words = format!("the model `{}` may not be called{why}", facts.model);
        Box::new(Said(refused.then(|| Finding::because(words))))
    }
}

struct Said(Option<Finding>);

impl PolicyRun for Said {
    fn on_call(&mut self, _: &View<'_>) -> CallVerdict {
        self.0.take().map_or(CallVerdict::Allow, CallVerdict::Refuse)
    }
}
