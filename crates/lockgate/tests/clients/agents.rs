//! A coding agent at work: started headless in an empty folder, told to write a file, and judged by the folder.
//!
//! Its model is played by a script of `tests/clients/agents`; how each agent is started is in its own module.

use std::fmt::Write as _;
use std::path::Path;

use lockgate_testkit::Script;
use tempfile::TempDir;
use tokio::process::Command;

use crate::installed::{output, repository};
use crate::upstream::{Way, World, assert_none};

/// Seconds after which an agent counts as hanging.
pub(crate) const PATIENCE: u32 = 150;
pub(crate) const PROMPT: &str = "Please write hello.txt.";
/// What the script says at the end.
const DONE: &str = "Done: hello.txt is written.";

/// Starts an agent: its home, the folder to work in, the upstream or the gateway, the model.
pub(crate) type Start = fn(&Path, &World, &str) -> Command;

/// A task in its folder.
pub(crate) struct Job {
    pub(crate) start: Start,
    pub(crate) way: Way,
    pub(crate) provider: &'static str,
    pub(crate) model: &'static str,
    /// A file in `tests/clients/agents`.
    pub(crate) script: &'static str,
}

/// What was left behind.
pub(crate) struct Work {
    pub(crate) world: World,
    folder: TempDir,
    printed: String,
}

impl Job {
    /// Works, and checks what every script asks for: the file, and the last words.
    pub(crate) async fn work(self) -> Work {
        let path = repository().join("tests/clients/agents").join(self.script).with_extension("yaml");
        let world = World::new(self.way, self.provider, Script::load(&path).expect("a good script")).await;
        let folder = TempDir::new().expect("a temporary folder");
        for name in ["home", "work"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let work = folder.path().join("work");
        let picture = repository().join("tests/clients/dot.png");
        std::fs::copy(picture, work.join("dot.png")).expect("the picture is copied");
        let mut command = (self.start)(&folder.path().join("home"), &world, self.model);
        command.current_dir(&work);
        let output = output(command, self.script).await;
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        let work = Work { world, folder, printed };
        assert_none(&work.world.violations(), &work.world);
        assert!(output.status.success(), "the agent failed with {}{}", output.status, work.told());
        assert_eq!(work.file("hello.txt").as_deref(), Some("hello from the upstream\n"), "{}", work.told());
        assert!(work.printed.contains(DONE), "the last words are missing{}", work.told());
        work
    }
}

impl Work {
    /// A file that the agent wrote.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("work").join(name)).ok()
    }

    /// Bodies of the calls that reached the upstream.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.world.calls().iter().map(|call| String::from_utf8_lossy(&call.body).into_owned()).collect()
    }

    /// Everything that helps to understand a failure.
    pub(crate) fn told(&self) -> String {
        let mut told = String::from("\n--- the agent\n");
        told.push_str(self.printed.get(self.printed.len().saturating_sub(4000)..).unwrap_or(&self.printed));
        told.push_str("\n--- the upstream\n");
        for request in self.world.upstream.requests() {
            let (status, rule) = (request.status, request.rule);
            // Writing to a text cannot fail.
            let _ = writeln!(told, "{} {} {status:?} {rule:?}", request.method, request.target);
        }
        told + &self.world.log()
    }

    /// Both files of the scripts that write two.
    pub(crate) fn assert_both_files(&self) {
        assert_eq!(self.file("second.txt").as_deref(), Some("once more\n"), "{}", self.told());
    }

    /// The picture reached the model, whole.
    pub(crate) fn assert_picture_arrived(&self) {
        let start = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFC";
        assert!(self.bodies().iter().any(|body| body.contains(start)), "no picture arrived{}", self.told());
    }

    /// How many calls reached the upstream.
    pub(crate) fn assert_calls(&self, expected: usize) {
        assert_eq!(self.world.calls().len(), expected, "{}", self.told());
    }
}
