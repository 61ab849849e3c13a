//! The real binary as a gateway: start, reload, shutdown, doctor, configuration commands, the `claude` program.
//!
//! Each test has a home folder of its own and nothing in its environment. What is waited for is asked for until it is
//! there, with a deadline.
#![cfg(unix)]

#[cfg(test)]
mod again;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod backtest;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod claude_cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod curl;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod held;
#[cfg(test)]
mod http;
#[cfg(test)]
mod judges;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod live;
#[cfg(test)]
mod login;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod policies;
#[cfg(test)]
#[expect(dead_code, reason = "the server of the storage tests, of which these tests need less")]
#[path = "../../../store-sql/tests/it/postgres.rs"]
mod postgres;
#[cfg(test)]
mod prices;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod purge;
#[cfg(test)]
mod record;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod start;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod titles;
