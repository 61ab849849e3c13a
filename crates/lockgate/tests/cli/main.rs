//! The binary as people and scripts meet it: arguments in, output, files and exit codes out.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod import_ccr;
#[cfg(unix)]
#[cfg(test)]
mod run;
#[cfg(test)]
mod support;
