#![doc = include_str!("../README.md")]

mod auth;
mod cache;
mod catalog;
mod clock;
mod control;
mod dialect;
mod embed;
mod handle;
mod headers;
mod http;
mod play;
mod record;
mod render;
pub mod script;
mod seen;
mod server;
mod signatures;
mod state;
mod turn;
mod validate;

pub use crate::record::{Recorded, WaitError};
pub use crate::script::{Script, ScriptError};
pub use crate::server::{RunError, Running, Upstream, fixture, run};
pub use crate::turn::Usage;
