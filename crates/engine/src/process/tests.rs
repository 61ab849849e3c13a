//! What a run of the `claude` command holds to, with programs that play it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_providers::{CommandLine, Feed};
use lockgate_wire::{AnswerContext, Mode, ToolNames, claude_cli};

use super::start;
use crate::pipe::{Pipe, PipeSpec};

const RESULT: &str = r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"Ciao.","stop_reason":"end_turn"}"#;

/// A program in `folder` that plays the command.
fn fake(folder: &Path, script: &str) -> CommandLine {
    let path = folder.join("claude");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    CommandLine {
        args: vec![folder.to_str().unwrap().to_owned()],
        feed: Feed { ends: claude_cli::ends_step, pieces: claude_cli::steps },
        max_output_bytes: 1 << 20,
        program: path.to_str().unwrap().to_owned(),
        timeout_ms: 60_000,
        withheld: |_| false,
    }
}

fn line(kind: &str, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!(
        "{{\"type\":\"{kind}\",\"message\":{{\"role\":\"{kind}\",\"content\":[{{\"type\":\"text\",\"text\":{text}}}]}}}}\n"
    )
}

/// What a Chat client gets, and the failure that ended it.
async fn answer(command: &CommandLine, body: String) -> (String, Option<Failure>) {
    let format = lockgate_wire::format(Dialect::ClaudeCli);
    let mut running = match start(command, &Bytes::from(body), format) {
        Ok(running) => running,
        Err(failure) => return (String::new(), Some(failure)),
    };
    let mut pipe = Pipe::new(PipeSpec {
        context: AnswerContext::default(),
        front: lockgate_wire::format(Dialect::Chat),
        front_mode: Mode::Whole,
        hidden: None,
        names: ToolNames::default(),
        policies: None,
        until_stop: true,
        upstream: format,
        upstream_mode: Mode::Stream,
    });
    let mut out = Vec::new();
    while !pipe.is_finished() {
        match std::future::poll_fn(|cx| running.poll(cx)).await {
            Some(Ok(bytes)) => out.extend_from_slice(&pipe.feed(&bytes)),
            Some(Err(failure)) => out.extend_from_slice(&pipe.fail(failure)),
            None => out.extend_from_slice(&pipe.finish()),
        }
    }
    (String::from_utf8(out).unwrap(), pipe.seen().failure.clone())
}

/// Looks again until it is so; a bound, not a wait.
async fn becomes_true(what: &str, so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

/// Requirement 004-6: words of a conversation are never a command.
#[tokio::test]
async fn a_prompt_with_shell_syntax_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("x");
    let command = fake(folder.path(), &format!("cat > \"$1/in\"; echo '{RESULT}'"));
    let prompt = format!("$(touch {0}) `touch {0}`; touch {0}", marker.display());
    let (text, failure) = answer(&command, line("user", &prompt)).await;
    assert!(failure.is_none() && text.contains("Ciao."), "{text} {failure:?}");
    assert!(read(folder.path(), "in").contains("$(touch"), "the prompt came on stdin");
    assert!(!marker.exists());
}

/// Requirement 004-6: each piece of a history waits for the one before, then stdin is closed.
#[tokio::test]
async fn a_history_is_fed_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    // It looks whether more has come than was due before it says that it is done.
    let player = r#"exec python3 "$1/play.py" "$1""#;
    let command = fake(folder.path(), player);
    let play = format!(
        r#"
import json, os, select, sys
log = open(sys.argv[1] + "/log", "w")
held = b""
while True:
    while b"\n" not in held:
        more = os.read(0, 65536)
        if not more:
            log.write("closed\n"); log.close()
            print('{RESULT}', flush=True)
            sys.exit(0)
        held += more
    line, held = held.split(b"\n", 1)
    message = json.loads(line)
    log.write(message["message"]["content"][0]["text"] + "\n")
    if message["type"] == "user" and b"three" not in line:
        early = held or select.select([0], [], [], 0.2)[0]
        log.write("early\n" if early else "waited\n")
        print('{{"type":"result","is_error":false,"num_turns":0,"result":""}}', flush=True)
"#
    );
    fs::write(folder.path().join("play.py"), play).unwrap();
    let body = [("user", "one"), ("assistant", "a"), ("user", "two"), ("assistant", "b"), ("user", "three")];
    let body = body.map(|(kind, text)| line(kind, text)).concat();
    let (text, failure) = answer(&command, body).await;
    assert!(failure.is_none() && text.contains("Ciao."), "{text} {failure:?}");
    assert_eq!(
        read(folder.path(), "log").lines().collect::<Vec<_>>(),
        ["one", "waited", "a", "two", "waited", "b", "three", "closed"]
    );
}

/// Requirement 004-6: a client that goes away leaves no process and no directory.
#[tokio::test]
async fn an_abort_kills_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"pwd > "$1/pwd"; ls -A | wc -l > "$1/files"
sh -c 'trap "" TERM; while :; do sleep 1000; done' &
echo $! > "$1/child"; echo $$ > "$1/parent"; echo '{"type":"system"}'; wait"#;
    let command = fake(folder.path(), script);
    let format = lockgate_wire::format(Dialect::ClaudeCli);
    let mut running = start(&command, &Bytes::from(line("user", "hi")), format).unwrap();
    assert!(std::future::poll_fn(|cx| running.poll(cx)).await.unwrap().is_ok());
    let (child, parent) = (read(folder.path(), "child"), read(folder.path(), "parent"));
    assert!(lives(&child) && lives(&parent));
    let directory = read(folder.path(), "pwd").trim().to_owned();
    assert!(Path::new(&directory).is_dir() && directory.contains("lockgate-"), "{directory}");
    assert_eq!(read(folder.path(), "files").trim(), "0", "it starts in an empty directory");
    drop(running);
    becomes_true("its parent ends", || !lives(&parent)).await;
    becomes_true("its directory goes", || !Path::new(&directory).exists()).await;
    // Who adopts the child takes its status; until then it is a dead entry.
    becomes_true("its child ends", || {
        fs::read_to_string(format!("/proc/{}/stat", child.trim()))
            .map_or(true, |stat| stat.contains(") Z ") || stat.contains(") X "))
    })
    .await;
}

/// Requirement 004-6: what remains of the group when the program ends is ended too, and its answer is not held up.
#[tokio::test]
async fn stragglers_do_not_outlive_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"read -r first; sleep 1000 & echo $! > "$1/child"; echo '{RESULT}'; cat > /dev/null; echo "$first" > "$1/in""#
    );
    let (text, failure) = answer(&fake(folder.path(), &script), line("user", "hi")).await;
    assert!(failure.is_none() && text.contains("Ciao."), "{text} {failure:?}");
    let child = read(folder.path(), "child");
    becomes_true("the straggler ends", || {
        fs::read_to_string(format!("/proc/{}/stat", child.trim()))
            .map_or(true, |stat| stat.contains(") Z ") || stat.contains(") X "))
    })
    .await;
    assert!(read(folder.path(), "in").contains("hi"), "a program that has answered ends by itself");
}

/// Requirement 004-28: each way to fail is an error with words.
#[tokio::test]
async fn each_way_to_fail_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let fails = async |script: &str| {
        let command = fake(folder.path(), script);
        let (text, failure) = answer(&command, line("user", &"hi".repeat(100_000))).await;
        let failure = failure.unwrap();
        // Before anything was said there is no answer, only an error.
        assert!(!text.contains("choices"), "{text}");
        (failure.kind, failure.message)
    };
    let (kind, words) = fails("echo 'error: unknown option --x' >&2; exit 3").await;
    assert_eq!(kind, ErrorKind::UpstreamUnavailable);
    assert_eq!(words, "the `claude` command ended with code 3: error: unknown option --x");
    assert_eq!(fails("echo 'Please run /login' >&2; exit 1").await.0, ErrorKind::UpstreamAuth);
    assert_eq!(fails("exit 0").await.1, "the `claude` command ended without an answer");
    assert!(fails("kill -9 $$").await.1.contains("signal 9"));
    let refused = r#"echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"API Error: slow down"}'; cat > /dev/null"#;
    assert_eq!(fails(refused).await, (ErrorKind::RateLimited, "API Error: slow down".into()));
    // Helpers that hold its pipes open do not hide its end.
    assert!(fails("sleep 1000 & echo oops >&2; exit 4").await.1.contains("code 4: oops"));

    let mut missing = fake(folder.path(), "");
    missing.program = "no-such-program-of-this-name".into();
    let (_, failure) = answer(&missing, line("user", "hi")).await;
    let failure = failure.unwrap();
    assert_eq!(failure.kind, ErrorKind::UpstreamUnavailable);
    assert!(
        failure.message.contains("no-such-program-of-this-name` is not installed"),
        "{}",
        failure.message
    );
}

/// Requirement 004-6: a runaway program fills neither memory nor time.
#[tokio::test]
async fn output_and_time_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let endless = r#"echo $$ > "$1/pid"; while :; do echo '{"type":"system"}'; done"#;
    let command = CommandLine { max_output_bytes: 100_000, ..fake(folder.path(), endless) };
    let (_, failure) = answer(&command, line("user", "hi")).await;
    assert!(failure.unwrap().message.contains("100000 bytes (claude_cli.max_output_bytes)"));
    let pid = read(folder.path(), "pid");
    becomes_true("it ends", || !lives(&pid)).await;

    let silent = r#"echo $$ > "$1/pid"; exec sleep 1000"#;
    let command = CommandLine { timeout_ms: 300, ..fake(folder.path(), silent) };
    let (_, failure) = answer(&command, line("user", "hi")).await;
    let failure = failure.unwrap();
    assert_eq!(failure.kind, ErrorKind::Timeout);
    assert!(failure.message.contains("300 ms (claude_cli.timeout_ms)"), "{}", failure.message);
    let pid = read(folder.path(), "pid");
    becomes_true("it ends", || !lives(&pid)).await;
}

/// Requirement 004-28: the command would ask again after a refusal; the client has its answer.
#[tokio::test]
async fn a_program_is_ended_when_the_answer_is() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"echo $$ > "$1/pid"
echo '{"type":"stream_event","event":{"type":"message_start","message":{"id":"m","model":"x"}}}'
echo '{"type":"stream_event","event":{"type":"message_delta","delta":{"stop_reason":"refusal"}}}'
echo '{"type":"stream_event","event":{"type":"message_stop"}}'
printf '{"type":"stream_ev'; exec sleep 1000"#;
    let (text, failure) = answer(&fake(folder.path(), script), line("user", "hi")).await;
    assert!(failure.is_none() && text.contains("content_filter"), "{text} {failure:?}");
    let pid = read(folder.path(), "pid");
    becomes_true("it ends", || !lives(&pid)).await;
}

/// Requirement 004-6: keys and addresses of the gateway do not reach it.
#[tokio::test]
async fn it_does_not_inherit_what_is_kept_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        format!(r#"cat > /dev/null; echo "${{PATH+path}} ${{HOME+home}}" > "$1/env"; echo '{RESULT}'"#);
    let command = CommandLine { withheld: |name| name == "HOME", ..fake(folder.path(), &script) };
    assert!(std::env::var_os("HOME").is_some());
    let (_, failure) = answer(&command, line("user", "hi")).await;
    assert!(failure.is_none());
    assert_eq!(read(folder.path(), "env").trim(), "path");
}
