//! Real clients, pinned, against the scripted upstream: first directly, then, with nothing but the base URL changed, through
//! the real `lockgate` binary. What a client sees must be the same, and what the upstream sees must be right.
//!
//! The clients live in `tests/clients` of the repository and are installed by `make clients`; here is only what they are
//! asked and what must come of it.
#![cfg(test)]

mod agents;
mod claude_code;
mod codex;
mod cross_dialect;
mod expect;
mod gateway;
mod guarded;
mod installed;
mod patience;
mod resume;
mod same_dialect;
mod sdk;
mod upstream;
