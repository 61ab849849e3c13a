//! Runs every target on its inputs and on a fixed number of damaged ones; needs no nightly and no fuzzer.
//!
//! `lockgate-fuzz [--runs N] [--seed S] [--target NAME] [--input FILE]`. The same seed gives the same inputs. A failing
//! input is written to `fuzz/artifacts` and its seed is printed.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lockgate_fuzz::{Mutator, TARGETS, Target};

struct Options {
    input: Option<PathBuf>,
    runs: u64,
    seed: u64,
    target: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => return say(&problem, ExitCode::from(2)),
    };
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| options.target.as_ref().is_none_or(|name| name == target.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return say(&format!("no such target; there are: {}", names.join(" ")), ExitCode::from(2));
    }
    let mut inputs = 0;
    let mut failed = 0;
    for target in &chosen {
        match run(target, &options) {
            Ok(count) => inputs += count,
            Err(report) => {
                failed += 1;
                say(&report, ());
            }
        }
    }
    let passed = chosen.len() - failed;
    let end = if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    say(&format!("fuzz: {passed} passed, {failed} failed; {inputs} inputs, seed {}", options.seed), end)
}

/// How many inputs held, or the first that did not.
fn run(target: &Target, options: &Options) -> Result<u64, String> {
    if let Some(file) = &options.input {
        let data = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        target.check(&data);
        return Ok(1);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let seeds = seeds(&root, target).map_err(|error| format!("{}: {error}", target.name))?;
    for seed in &seeds {
        attempt(target, seed, "as it stands", &root)?;
    }
    let mut mutator = Mutator::new(options.seed, &seeds);
    for at in 0..options.runs {
        let input = mutator.next_input();
        attempt(target, &input, &format!("seed {}, input {at}", options.seed), &root)?;
    }
    Ok(options.runs + seeds.len() as u64)
}

fn attempt(target: &Target, input: &[u8], what: &str, root: &Path) -> Result<(), String> {
    if catch_unwind(AssertUnwindSafe(|| target.check(input))).is_ok() {
        return Ok(());
    }
    let file = root.join("fuzz/artifacts").join(format!("{}-failed", target.name));
    let kept =
        std::fs::create_dir_all(root.join("fuzz/artifacts")).and_then(|()| std::fs::write(&file, input));
    let place = match kept {
        Ok(()) => format!("again with --target {} --input {}", target.name, file.display()),
        Err(error) => format!("the input cannot be kept: {error}"),
    };
    Err(format!("fuzz: {} failed ({what}); {place}", target.name))
}

fn seeds(root: &Path, target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for folder in target.seeds {
        for entry in std::fs::read_dir(root.join(folder))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    files.iter().filter(|file| file.is_file()).map(std::fs::read).collect()
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { input: None, runs: 400, seed: 1, target: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number, not {value}"));
        match name.as_str() {
            "--input" => options.input = Some(value.into()),
            "--runs" => options.runs = number()?,
            "--seed" => options.seed = number()?,
            "--target" => options.target = Some(value),
            _ => return Err(format!("unknown option {name}; there are --input --runs --seed --target")),
        }
    }
    Ok(options)
}

/// Prints a line and hands on what comes next.
fn say<T>(line: &str, then: T) -> T {
    let _ = writeln!(std::io::stdout(), "{line}");
    then
}
