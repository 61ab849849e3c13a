//! The keys that a gateway knows, by their hash: what each allows, when it ends, when it was used.
//!
//! A ring is made whole and never changed; only the times of use are written, without a lock. Where keys come from is not known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_core::{ErrorKind, Failure};
use lockgate_engine::Grant;

/// The keys of this gateway, by their BLAKE3 hash.
pub type KeyRing = HashMap<[u8; 32], KnownKey>;

/// A key that is known here.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// When it ends, or ended.
    pub ends: Option<Ending>,
    /// What it allows.
    pub grant: Arc<Grant>,
    /// When it was used last, µs since 1970; `None` = nobody wants to know.
    pub used: Option<Arc<AtomicI64>>,
}

/// The end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// When, µs since 1970.
    pub at_us: i64,
    /// Why.
    pub why: Why,
}

impl Ending {
    /// Whoever revokes a key may have another clock: that holds at once.
    const fn is_over(self, now_us: i64) -> bool {
        matches!(self.why, Why::Closed | Why::Revoked) || self.at_us <= now_us
    }
}

/// Why a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The account of its owner is closed.
    Closed,
    /// Its time is over.
    Expired,
    /// Another has taken its place.
    Replaced,
    /// It was revoked.
    Revoked,
}

/// Uses within so many microseconds are one.
const MINUTE_US: i64 = 60_000_000;

impl From<Arc<Grant>> for KnownKey {
    fn from(grant: Arc<Grant>) -> Self {
        Self { ends: None, grant, used: None }
    }
}

impl KnownKey {
    /// What it allows now, and that it was used.
    pub(crate) fn grant(&self) -> Result<Arc<Grant>, Failure> {
        if self.ends.is_some() || self.used.is_some() {
            let now = now_us();
            self.at(now)?;
            if let Some(used) = &self.used
                && now - used.load(Ordering::Relaxed) > MINUTE_US
            {
                used.store(now, Ordering::Relaxed);
            }
        }
        Ok(self.grant.clone())
    }

    /// What it allows at a time (µs since 1970), or why it does not.
    pub fn at(&self, now_us: i64) -> Result<&Arc<Grant>, Failure> {
        match self.ends.filter(|ending| ending.is_over(now_us)) {
            Some(over) => Err(self.refusal(over)),
            None => Ok(&self.grant),
        }
    }

    fn refusal(&self, ending: Ending) -> Failure {
        let (name, at) = (&self.grant.name, moment(ending.at_us));
        let words = match ending.why {
            Why::Closed => {
                let owner = self.grant.user.as_deref().unwrap_or_default();
                format!("the key `{name}` belongs to `{owner}`, whose account is closed")
            }
            Why::Expired => format!("the key `{name}` expired at {at}; `lockgate key new` makes another"),
            Why::Replaced => {
                format!(
                    "the key `{name}` was replaced by a new one, and this one ended at {at}: use the new one"
                )
            }
            Why::Revoked => format!("the key `{name}` was revoked at {at}; `lockgate key new` makes another"),
        };
        Failure::new(ErrorKind::Unauthenticated, words)
    }
}

/// A time in RFC 3339, to the second.
fn moment(at_us: i64) -> String {
    jiff::Timestamp::from_second(at_us.div_euclid(1_000_000))
        .map_or_else(|_| String::new(), |at| at.to_string())
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
