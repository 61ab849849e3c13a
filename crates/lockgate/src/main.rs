//! The `lockgate` binary: parses the command line, runs one command, turns its result into an exit code.
//!
//! Everything it does lives in the library beside it, so that tests reach the same code.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = lockgate::cli::Cli::parse();
    lockgate::cli::main(&cli)
}
