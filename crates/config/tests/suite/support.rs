//! A configuration file in a folder of its own, read with an environment made for the test.

use lockgate_config::{Environment, Inputs, Problem, Snapshot, Source};
use tempfile::TempDir;

/// A key hash of the right form.
pub(crate) const HASH: &str = "blake3:00000000000000000000000000000000000000000000000000000000000000aa";

/// A file and what is around it.
pub(crate) struct Case {
    pub(crate) folder: TempDir,
    pub(crate) inputs: Inputs,
}

impl Case {
    /// Takes the text of the file and the environment.
    pub(crate) fn new(yaml: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lockgate.yaml");
        std::fs::write(&file, yaml).unwrap();
        let environment: Environment = variables.iter().copied().collect();
        let inputs = Inputs { file: Some(file), environment, flags: Vec::new(), detect: true };
        Self { folder, inputs }
    }

    /// The snapshot; prints the problems if there is none.
    pub(crate) fn load(&self) -> Snapshot {
        self.inputs.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Code, line and column of every problem.
    pub(crate) fn found(&self) -> Vec<(&'static str, usize, usize)> {
        self.inputs.check().iter().map(place).collect()
    }
}

/// Code, line and column; zeros for a problem outside the file.
pub(crate) fn place(problem: &Problem) -> (&'static str, usize, usize) {
    match &problem.source {
        Source::File { line, column, .. } => (problem.code.id(), *line, *column),
        Source::Default
        | Source::Detected { .. }
        | Source::Enacted { .. }
        | Source::Environment { .. }
        | Source::Flag { .. } => (problem.code.id(), 0, 0),
    }
}

/// The `show` line of a path.
pub(crate) fn shown(snapshot: &Snapshot, path: &str) -> String {
    let text = lockgate_config::render_settings_text(snapshot.settings());
    text.lines().find(|line| line.starts_with(&format!("{path} = "))).unwrap_or_default().to_owned()
}
