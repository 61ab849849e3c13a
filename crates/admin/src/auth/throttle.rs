//! How often somebody may try to log in: after a few wrong passwords each further try has to wait, longer each time.
//!
//! Counted by name and by address, each for itself, so that neither one name from many addresses nor many names from one address go
//! faster. A name waits a minute at most: whoever knows it shall not be able to lock its owner out. Bounded, forgetful, and of this
//! process alone. Pure: the time is an argument.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

/// Wrong passwords that cost no time.
const FREE: u32 = 4;

/// The longest wait of a name.
const NAME: Duration = Duration::from_mins(1);

/// The longest wait of an address.
const ADDRESS: Duration = Duration::from_mins(15);

/// After so long everything is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// Names and addresses that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// What was tried.
#[derive(Debug, Clone, Copy)]
struct Tries {
    last: Instant,
    wrong: u32,
}

impl Tries {
    /// How long the next try has to wait.
    fn wait(self, now: Instant, longest: Duration) -> Duration {
        let since = now.saturating_duration_since(self.last);
        if self.wrong < FREE || since >= FORGOTTEN {
            return Duration::ZERO;
        }
        let delay = Duration::from_secs(1 << (self.wrong - FREE).min(20)).min(longest);
        delay.saturating_sub(since)
    }
}

/// Counts wrong passwords.
#[derive(Debug)]
pub(crate) struct Throttle {
    addresses: LruCache<IpAddr, Tries>,
    names: LruCache<String, Tries>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { addresses: LruCache::new(REMEMBERED), names: LruCache::new(REMEMBERED) }
    }
}

impl Throttle {
    /// How long somebody has to wait before the next try; zero = not at all. A try counts as wrong until [`Throttle::right`] says otherwise,
    /// so that many at once get no further than one after the other.
    pub(crate) fn begin(&mut self, name: &str, address: Option<IpAddr>, now: Instant) -> Duration {
        let by_name = self.names.get(name).map_or(Duration::ZERO, |tries| tries.wait(now, NAME));
        let by_address = address
            .and_then(|address| self.addresses.get(&address))
            .map_or(Duration::ZERO, |tries| tries.wait(now, ADDRESS));
        let wait = by_name.max(by_address);
        if wait.is_zero() {
            let more = |tries: Option<&Tries>| {
                let known = tries.filter(|tries| now.saturating_duration_since(tries.last) < FORGOTTEN);
                Tries { last: now, wrong: known.map_or(0, |tries| tries.wrong).saturating_add(1) }
            };
            let tries = more(self.names.peek(name));
            self.names.put(name.to_owned(), tries);
            if let Some(address) = address {
                let tries = more(self.addresses.peek(&address));
                self.addresses.put(address, tries);
            }
        }
        wait
    }

    /// The password was right: the name starts anew, and the address has one wrong try less.
    pub(crate) fn right(&mut self, name: &str, address: Option<IpAddr>) {
        self.names.pop(name);
        if let Some(tries) = address.and_then(|address| self.addresses.get_mut(&address)) {
            tries.wrong = tries.wrong.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn at(seconds: u64) -> Instant {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *START + Duration::from_secs(seconds)
    }

    #[test]
    fn after_a_few_wrong_passwords_each_try_waits_longer() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE {
            assert_eq!(throttle.begin("ann", HERE, at(0)), Duration::ZERO);
        }
        assert_eq!(throttle.begin("ann", HERE, at(0)), Duration::from_secs(1));
        assert_eq!(throttle.begin("ann", HERE, at(1)), Duration::ZERO);
        assert_eq!(throttle.begin("ann", HERE, at(1)), Duration::from_secs(2));
        assert_eq!(throttle.begin("bob", HERE, at(1)), Duration::from_secs(2), "the address waits too");
        assert_eq!(throttle.begin("bob", None, at(1)), Duration::ZERO);
    }

    #[test]
    fn a_name_waits_a_minute_at_most_and_an_address_a_quarter_of_an_hour() {
        let mut throttle = Throttle::default();
        let (mut now, mut tries) = (0, 0);
        while now < 3_000 {
            let wait = throttle.begin("ann", None, at(now)).as_secs();
            assert!(wait <= 60);
            tries += u32::from(wait == 0);
            now += wait.max(1);
        }
        assert!(tries < 70, "{tries}");
        let mut longest = 0;
        for now in 0..5_000 {
            longest = longest.max(throttle.begin(&format!("name-{now}"), HERE, at(now)).as_secs());
        }
        assert_eq!(longest, 899, "a second after the last try");
    }

    #[test]
    fn the_right_password_makes_all_good_for_the_name() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE {
            throttle.begin("ann", None, at(0));
        }
        throttle.right("ann", None);
        assert_eq!(throttle.begin("ann", None, at(0)), Duration::ZERO);
        for _ in 0..10 {
            throttle.begin("bob", HERE, at(0));
        }
        assert_eq!(throttle.begin("bob", HERE, at(4_000)), Duration::ZERO, "an hour later all is forgotten");
    }
}
