//! A key of the gateway: what is known of it, what it may do, and whether it is good at a given time.

use lockgate_core::DataClass;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::Role;
use crate::call::words;

words! {
    /// How much of a key's calls is kept.
    KeyRecording {
        /// All of it, as it was.
        Full = "full",
        /// No contents.
        Metadata = "metadata",
        /// Nothing.
        Off = "off",
        /// All of it, secrets masked.
        Redacted = "redacted",
    }
}

/// How much a key may use. `None` = as much as it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyLimits {
    /// Calls at the same time.
    pub concurrency: Option<u32>,
    /// Nano-USD in a day (UTC).
    pub cost_per_day_nano: Option<u64>,
    /// Calls in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, of prompts and answers together.
    pub tokens_per_minute: Option<u64>,
}

/// A key. The key itself is shown once, when it is made, and is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualKey {
    /// When it was made, µs since 1970.
    pub created_us: i64,
    /// The most confidential data that its calls may carry: they go only to providers that are for such data. `None` counts as internal.
    pub data_class: Option<DataClass>,
    /// When it ceases, µs since 1970. `None` = never by itself.
    pub expires_us: Option<i64>,
    /// The BLAKE3 hash of the key.
    pub hash: [u8; 32],
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// How much it may use.
    pub limits: KeyLimits,
    /// The only models that it may call, as patterns; empty = all.
    pub models: Vec<String>,
    /// Its name: what calls are recorded under. No two keys in use have the same.
    pub name: String,
    /// The user it belongs to.
    pub owner: Option<String>,
    /// The first signs of the key, by which people know it again.
    pub prefix: String,
    /// What it is used for.
    pub project: Option<String>,
    /// The only providers that it may call; empty = all.
    pub providers: Vec<String>,
    /// How much of its calls is kept. `None` = as of everybody's.
    pub recording: Option<KeyRecording>,
    /// When it ceases because another has taken its place, µs since 1970.
    pub retires_us: Option<i64>,
    /// When it was revoked, µs since 1970.
    pub revoked_us: Option<i64>,
    /// What it may do beside calling models.
    pub role: Role,
    /// The key whose place it has taken.
    pub rotated_from: Option<Uuid>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// When it was used last, µs since 1970, to the minute.
    pub used_us: Option<i64>,
}

/// What a key is good for at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It may call.
    Active,
    /// Its time is over, since then (µs since 1970).
    Expired(i64),
    /// Another has taken its place, since then (µs since 1970).
    Replaced(i64),
    /// It was revoked, then (µs since 1970).
    Revoked(i64),
}

impl KeyState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired(_) => "expired",
            Self::Replaced(_) => "replaced",
            Self::Revoked(_) => "revoked",
        }
    }
}

impl VirtualKey {
    /// What it is good for at a time (µs since 1970).
    pub fn state(&self, now_us: i64) -> KeyState {
        let over = |at: Option<i64>| at.filter(|at| *at <= now_us);
        if let Some(at) = self.revoked_us {
            return KeyState::Revoked(at);
        }
        if let Some(at) = over(self.expires_us) {
            return KeyState::Expired(at);
        }
        over(self.retires_us).map_or(KeyState::Active, KeyState::Replaced)
    }

    /// Whether it is neither revoked nor on its way out: the one that its name means.
    pub fn is_current(&self) -> bool {
        self.revoked_us.is_none() && self.retires_us.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> VirtualKey {
        VirtualKey {
            created_us: 1,
            data_class: None,
            expires_us: None,
            hash: [0; 32],
            id: Uuid::nil(),
            limits: KeyLimits::default(),
            models: Vec::new(),
            name: "k".to_owned(),
            owner: None,
            prefix: "lg-".to_owned(),
            project: None,
            providers: Vec::new(),
            recording: None,
            retires_us: None,
            revoked_us: None,
            role: Role::Own,
            rotated_from: None,
            tags: Vec::new(),
            used_us: None,
        }
    }

    #[test]
    fn a_key_ceases_at_the_time_that_was_set_and_says_why() {
        assert_eq!(key().state(i64::MAX), KeyState::Active);
        let expiring = VirtualKey { expires_us: Some(10), ..key() };
        assert_eq!((expiring.state(9), expiring.state(10)), (KeyState::Active, KeyState::Expired(10)));
        let retiring = VirtualKey { retires_us: Some(5), ..expiring };
        assert_eq!((retiring.state(4), retiring.state(5)), (KeyState::Active, KeyState::Replaced(5)));
        let revoked = VirtualKey { revoked_us: Some(7), ..retiring };
        assert_eq!(revoked.state(0), KeyState::Revoked(7));
        assert!(key().is_current() && !revoked.is_current());
    }
}
