//! What must hold for any bytes from outside, as one function per target.
//!
//! A target takes bytes, and panics when something does not hold. The same functions run coverage-guided (`cargo fuzz`,
//! one file per target in `fuzz_targets`) and, on stable Rust, with a fixed number of mutated fixtures (`main.rs`).
//! Adding a target is one row in [`TARGETS`] and one file in `fuzz_targets`.

mod answer;
mod config;
mod mutate;
mod outside;
mod request;

use lockgate_wire::{Format, anthropic, chat, claude_cli, gemini, ollama, responses};

pub use mutate::{Mutator, Random};

/// Something that reads bytes from outside.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Folders below the repository whose files are inputs to start from.
    pub seeds: &'static [&'static str],
    check: Check,
}

enum Check {
    Answer(&'static Format),
    Plain(fn(&[u8])),
    Request(&'static Format),
}

/// Every target.
pub const TARGETS: [Target; 17] = [
    Target { name: "config", seeds: &["fuzz/seeds/config"], check: Check::Plain(config::check) },
    answer("decode-anthropic", &["fixtures/streams/anthropic"], &anthropic::FORMAT),
    answer("decode-chat", &["fixtures/streams/chat"], &chat::FORMAT),
    answer("decode-claude-cli", &["fixtures/streams/claude-cli"], &claude_cli::FORMAT),
    answer("decode-gemini", &["fixtures/streams/gemini"], &gemini::FORMAT),
    answer("decode-generate", &["fixtures/streams/ollama"], &ollama::GENERATE),
    answer("decode-ollama", &["fixtures/streams/ollama"], &ollama::FORMAT),
    answer("decode-responses", &["fixtures/streams/responses"], &responses::FORMAT),
    Target {
        name: "framer",
        seeds: &["fixtures/streams/chat", "fixtures/streams/ollama"],
        check: Check::Plain(outside::framer),
    },
    request("request-anthropic", &["fuzz/seeds/request-anthropic"], &anthropic::FORMAT),
    request("request-chat", &["fuzz/seeds/request-chat"], &chat::FORMAT),
    request("request-gemini", &["fuzz/seeds/request-gemini"], &gemini::FORMAT),
    request("request-generate", &["fuzz/seeds/request-generate"], &ollama::GENERATE),
    request("request-ollama", &["fuzz/seeds/request-ollama"], &ollama::FORMAT),
    request("request-responses", &["fuzz/seeds/request-responses"], &responses::FORMAT),
    Target {
        name: "scan",
        seeds: &["fuzz/seeds/request-chat", "fuzz/seeds/request-gemini", "fuzz/seeds/side"],
        check: Check::Plain(outside::scan),
    },
    Target { name: "side", seeds: &["fuzz/seeds/side"], check: Check::Plain(outside::side) },
];

const fn answer(name: &'static str, seeds: &'static [&'static str], format: &'static Format) -> Target {
    Target { name, seeds, check: Check::Answer(format) }
}

const fn request(name: &'static str, seeds: &'static [&'static str], format: &'static Format) -> Target {
    Target { name, seeds, check: Check::Request(format) }
}

impl Target {
    /// Panics if something does not hold for this input.
    pub fn check(&self, data: &[u8]) {
        match self.check {
            Check::Answer(format) => answer::check(format, data),
            Check::Plain(check) => check(data),
            Check::Request(format) => request::check(format, data),
        }
    }
}

/// Runs one target by name; an unknown name is no target and does nothing.
pub fn run(name: &str, data: &[u8]) {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        target.check(data);
    }
}

/// The formats that clients speak.
const FRONTS: [&Format; 6] = [
    &anthropic::FORMAT,
    &chat::FORMAT,
    &gemini::FORMAT,
    &ollama::FORMAT,
    &ollama::GENERATE,
    &responses::FORMAT,
];

/// A number from the input itself, so that an input alone says all that happens with it.
fn digest(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;

    #[test]
    fn every_target_has_its_file_for_cargo_fuzz_and_inputs_to_start_from() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for target in &TARGETS {
            let file = root.join("fuzz/fuzz_targets").join(format!("{}.rs", target.name.replace('-', "_")));
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.contains(&format!("run(\"{}\"", target.name)), "{}", file.display());
            for seeds in target.seeds {
                assert!(std::fs::read_dir(root.join(seeds)).unwrap().next().is_some(), "{seeds}");
            }
        }
    }

    #[test]
    fn a_check_that_does_not_hold_is_seen() {
        let failing = Target { name: "x", seeds: &[], check: Check::Plain(|data| assert!(data.is_empty())) };
        failing.check(b"");
        assert!(catch_unwind(AssertUnwindSafe(|| failing.check(b"x"))).is_err());
    }
}
