//! Configuration: any file is loaded, or refused with problems that say where.

use std::cell::RefCell;

use lockgate_config::{Environment, Inputs, render_json, render_text};
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// The bytes as the file, and as the `CUSTOM_PROVIDERS` variable beside an empty one.
pub(crate) fn check(data: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        if folder.is_none() {
            *folder = tempfile::tempdir().ok();
        }
        let Some(folder) = folder else { return };
        let file = folder.path().join("lockgate.yaml");
        if std::fs::write(&file, data).is_err() {
            return;
        }
        let as_file =
            Inputs { file: Some(file), environment: Environment::default(), flags: Vec::new(), detect: true };
        judge(&as_file);
        let text = String::from_utf8_lossy(data).into_owned();
        let environment = [("CUSTOM_PROVIDERS", text.as_str()), ("LOCKGATE__SERVER__LISTEN", text.as_str())];
        judge(&Inputs {
            file: None,
            environment: environment.into_iter().collect(),
            flags: Vec::new(),
            detect: true,
        });
    });
}

fn judge(inputs: &Inputs) {
    let problems = inputs.check();
    let _ = (render_text(&problems), render_json(&problems));
    let errors = problems.iter().any(|problem| problem.severity() == lockgate_config::Severity::Error);
    assert_eq!(inputs.load().is_err(), errors, "check and load disagree: {problems:?}");
}
