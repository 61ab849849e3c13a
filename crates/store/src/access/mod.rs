//! Who may do what, as it is stored: virtual keys, users, their logins, and what was changed by whom.
//!
//! Secrets are never here: of keys and login tokens there is the BLAKE3 hash, of passwords an argon2id text. Nothing here decides
//! whether a request is allowed; `server` does for calls and `admin` for everything else.

mod audit;
mod key;
mod traits;
mod user;

pub use audit::{Actor, AuditEntry, AuditFilter};
pub use key::{KeyLimits, KeyRecording, KeyState, VirtualKey};
pub use lockgate_core::DataClass;
pub use traits::{Audit, Keys, Logins, Ring, Users};
pub use user::{Login, Role, User};
