//! The data plane's front: connections, routes, who calls, bounds on what comes in.
//!
//! A plain hyper service (see docs/adr/0002-hyper-on-both-sides.md): a request's body is collected within its bounds,
//! its route says which dialect it is in, and the engine does the rest. Knows no provider and no wire format beyond
//! its paths.

mod access;
mod collect;
mod cors;
mod health;
mod ring;
mod route;
mod serve;
mod service;
mod stall;

pub use access::Access;
pub use health::{Part, Vitals};
pub use ring::{Ending, KeyRing, KnownKey, Why};
pub use route::{Action, Route, route};
pub use serve::serve;
pub use service::{Bounds, PageAnswer, Pages, Server};
