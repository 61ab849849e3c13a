//! Whom a gateway asks by itself. A shim before the C library notes each name it looks up and each address it connects to;
//! a second test shows that the shim misses neither.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Gateway, Home, Scripted, until};

/// Builds a shim (`make test` has a C compiler: Rust links with it).
pub(crate) fn built(home: &Home, name: &str, text: &str) -> PathBuf {
    let source = home.write(name, text);
    let built = source.with_extension("so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&built).arg(&source).arg("-ldl");
    let ran = cc.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    built
}

/// A gateway whose every question to the outside is noted, and the notes once it has asked all providers.
fn noted(home: &Home) -> (Gateway, Vec<String>) {
    let (shim, notes) = (built(home, "outside.c", include_str!("outside.c")), home.path("notes.txt"));
    let variables = [("LD_PRELOAD", shim.to_str().unwrap()), ("NOTED_CONNECTIONS", notes.to_str().unwrap())];
    let gateway = Gateway::start_with(home, &variables);
    until("the summary is complete", || gateway.out().contains("Providers"));
    let text = fs::read_to_string(notes).unwrap_or_default();
    (gateway, text.lines().map(str::to_owned).collect())
}

/// Requirement 004-1: a fresh home, no file, no key.
#[test]
fn a_start_with_nothing_asks_nobody_outside_this_machine() {
    let home = Home::new();
    let (_gateway, notes) = noted(&home);
    let asked: Vec<_> = notes.iter().filter(|note| !note.starts_with("connect 127.0.0.1 ")).collect();
    assert!(asked.is_empty(), "{asked:?}");
    // That local runtimes were looked for is what makes the list above mean something.
    assert!(notes.contains(&"connect 127.0.0.1 11434".to_owned()), "{notes:?}");
}

/// What would be seen if it did ask.
#[test]
fn a_provider_elsewhere_is_asked_and_noted() {
    let (home, upstream) = (Home::new(), Scripted::start(""));
    let elsewhere = "  far: {kind: openai-compatible, base_url: 'http://nowhere.invalid/v1', timeouts: {connect_ms: 1000}}\n";
    home.write("lockgate.yaml", &format!("providers:\n{}{elsewhere}", upstream.entry("near", "")));
    let (_gateway, notes) = noted(&home);
    let near = format!("connect 127.0.0.1 {}", upstream.seen.addr().port());
    assert!(notes.contains(&near) && notes.contains(&"lookup nowhere.invalid 0".to_owned()), "{notes:?}");
}

/// Requirement 004-1: from nothing to an answer of `/health` in less than a second, also without optimisation; the best of
/// five, since the machine may be busy with something else.
#[test]
fn a_start_with_nothing_takes_less_than_a_second() {
    let starts = (0..5).map(|_| {
        let (home, begun) = (Home::new(), Instant::now());
        let _answers = Gateway::start(&home);
        begun.elapsed()
    });
    let best = starts.min().unwrap();
    assert!(best < Duration::from_secs(1), "{best:?}");
}
