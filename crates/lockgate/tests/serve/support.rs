//! A home folder, the binary in it, and a gateway that runs as long as its test.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use lockgate_testkit::{Running, Script, Upstream};
use serde_json::{Value, json};

use crate::http;

/// A home folder that goes away with the test.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A program on the PATH of this home.
    pub(crate) fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The binary with nothing in its environment but this home.
    pub(crate) fn lockgate(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockgate"));
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.args(args).env_clear().env("HOME", self.root()).env("PATH", path).current_dir(self.root());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.lockgate(args).output().unwrap())
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Asks until the answer is yes; the test fails after half a minute.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process, which nothing here can wait for"
)]
pub(crate) fn until(what: &str, mut yes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !yes() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A gateway on a free port, with the configuration `lockgate.yaml` of its home if there is one.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    child: Child,
    err: PathBuf,
    out: PathBuf,
}

impl Gateway {
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_with(home, &[])
    }

    pub(crate) fn start_with(home: &Home, variables: &[(&str, &str)]) -> Self {
        let mut command = home.lockgate(&["--listen", "127.0.0.1:0"]);
        command.envs(variables.iter().copied());
        Self::spawn(home, command)
    }

    /// With a command that becomes the gateway.
    pub(crate) fn spawn(home: &Home, mut command: Command) -> Self {
        let (out, err) = (home.path("out.txt"), home.path("err.txt"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let mut address = None;
        until("it listens", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended: {}", fs::read_to_string(&err).unwrap());
            let text = fs::read_to_string(&out).unwrap();
            let line = text.lines().find(|line| line.trim_start().starts_with("listening "));
            address = line.and_then(|line| line.split("http://").nth(1)?.trim().parse().ok());
            address
                .is_some_and(|address| http::get(address, "/health").is_ok_and(|answer| answer.status == 200))
        });
        Self { address: address.unwrap(), child, err, out }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `/health` says, which always answers.
    pub(crate) fn health(&self) -> Value {
        let answer = http::get(self.address, "/health").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body().unwrap()).unwrap()
    }

    /// Standard output so far.
    pub(crate) fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// Standard output once the summary of the start is complete, which an empty line ends.
    pub(crate) fn screen(&self) -> String {
        let complete =
            |out: &str| out.split_once("Providers").is_some_and(|(_, rest)| rest.ends_with("\n\n"));
        until("the summary is complete", || complete(&self.out()));
        self.out()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let ran = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(ran.success());
    }

    /// The exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> i32 {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code().unwrap_or(-1)
    }

    /// Asks a model in the Chat dialect; the answer is whole.
    pub(crate) fn ask(&self, model: &str) -> http::Answer {
        http::post(self.address, "/v1/chat/completions", &chat(model, false))
    }

    /// The same as a stream.
    pub(crate) fn stream(&self, model: &str) -> http::Stream {
        http::Stream::post(self.address, "/v1/chat/completions", &chat(model, true)).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

/// The scripted upstream with a runtime of its own.
pub(crate) struct Scripted {
    pub(crate) seen: Running,
    _runtime: tokio::runtime::Runtime,
}

impl Scripted {
    pub(crate) fn start(script: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let seen = runtime.block_on(Upstream::start(Script::parse(script).unwrap())).unwrap();
        Self { seen, _runtime: runtime }
    }

    /// A `providers` entry for it.
    pub(crate) fn entry(&self, id: &str, more: &str) -> String {
        format!("  {id}: {{kind: openai-compatible, base_url: '{}/v1'{more}}}\n", self.seen.url())
    }
}
