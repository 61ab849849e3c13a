//! The binary as people and scripts meet it: arguments in, output, files and exit codes out.

mod commands;
mod connect;
mod import_ccr;
#[cfg(unix)]
mod run;
mod support;
