//! The `lockgate` binary: parses the command line, runs one command, turns its result into an exit code.
//!
//! Everything it does lives in the library beside it, so that tests reach the same code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match lockgate::cli::parse() {
        Ok(cli) => lockgate::cli::main(&cli),
        Err(code) => code,
    }
}
