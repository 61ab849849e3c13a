//! Checks that need more than one field: references between sections, safety of addresses, contradictions.
//!
//! One file per section. Each check is static: nothing is resolved, opened or asked. A check keeps silent about a part of
//! the file that is already known to be malformed, so that one mistake is one message.

mod access;
mod models;
mod policies;
mod prices;
mod providers;
mod slots;

use crate::{Code, Config, Path, Problem, Source, snapshot::Provider, tree::Node};

/// Everything a check may look at.
pub(crate) struct Checker<'a> {
    /// The merged layers, for positions and for how a value was written.
    pub(crate) tree: &'a Node,
    /// The typed view; malformed parts have their defaults.
    pub(crate) config: &'a Config,
    /// Providers with what their kind implies; those without a kind are missing.
    pub(crate) providers: &'a [Provider],
    /// Paths that something is wrong with already.
    pub(crate) malformed: Vec<Path>,
    pub(crate) problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(crate) fn run(mut self) -> Vec<Problem> {
        self.access();
        self.check_providers();
        self.models();
        self.slots();
        self.policies();
        self.prices();
        self.problems
    }

    /// Reports at the value of `path`.
    fn report(&mut self, code: Code, path: &Path, message: impl Into<String>) -> &mut Problem {
        let source = self.tree.source_at(path).clone();
        self.report_at(code, &source, path, message)
    }

    /// Reports at the key of `path`, for whole sections.
    fn report_key(&mut self, code: Code, path: &Path, message: impl Into<String>) -> &mut Problem {
        let source = self.tree.key_source_at(path).clone();
        self.report_at(code, &source, path, message)
    }

    fn report_at(
        &mut self,
        code: Code,
        source: &Source,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Problem {
        let position = self.problems.len();
        self.problems.push(Problem::new(code, source, path, message));
        &mut self.problems[position]
    }

    /// Whether something at or below `path` is malformed.
    fn is_malformed(&self, path: &Path) -> bool {
        self.malformed.iter().any(|malformed| malformed.is_within(path) || path.is_within(malformed))
    }
}
