//! What the `lockgate` binary is made of: one module per command, and the few things commands share.
//!
//! A command takes parsed arguments plus an [`env::Env`] and returns an [`exit::Exit`] or a [`exit::Failure`]; only
//! `cli` knows the process (its environment, its streams, its exit code). Nothing here reads a global.

pub mod audit;
pub mod call;
pub mod catalog;
pub mod ccr;
pub mod cli;
pub mod client;
pub mod config;
pub mod connect;
pub mod doctor;
pub mod env;
pub mod exit;
pub mod feedback;
pub mod gateway;
pub mod key;
pub mod live;
pub mod log;
pub mod office;
mod paging;
pub mod policy;
pub mod purge;
mod quantity;
pub mod quarantine;
pub mod retention;
pub mod run;
pub mod screen;
pub mod search;
pub mod serve;
pub mod session;
pub mod settings;
pub mod stats;
mod table;
pub mod upstream;
pub mod user;
