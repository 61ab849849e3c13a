//! How often somebody may try to log in: after a few wrong passwords each further try has to wait, longer each time.
//!
//! Counted by name and by address, each for itself, so that neither one name from many addresses nor many names from one address go
//! faster. A name waits a minute at most: whoever knows it shall not be able to lock its owner out. What many people share, as a proxy in front that is
//! not known as one (`server.trusted_proxies`), must not be slowed by one of them: tries that the name makes wait count nothing against the address, and
//! whoever got in from an address before is not slowed by what others try from there. Bounded, forgetful, and of this process alone. Pure:
//! the time is an argument.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

/// Wrong passwords of a name that cost no time.
const FREE: u32 = 4;

/// Wrong passwords from an address that cost no time: three names tried to the end.
const FREE_FROM: u32 = 3 * FREE;

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
    /// How long the next try has to wait, of which so many are free.
    fn wait(self, now: Instant, free: u32, longest: Duration) -> Duration {
        let since = now.saturating_duration_since(self.last);
        if self.wrong < free || since >= FORGOTTEN {
            return Duration::ZERO;
        }
        let delay = Duration::from_secs(1 << (self.wrong - free).min(20)).min(longest);
        delay.saturating_sub(since)
    }

    /// One more, if what was before is not forgotten.
    fn more(before: Option<&Self>, now: Instant) -> Self {
        let known = before.filter(|tries| now.saturating_duration_since(tries.last) < FORGOTTEN);
        Self { last: now, wrong: known.map_or(0, |tries| tries.wrong).saturating_add(1) }
    }
}

/// Counts wrong passwords.
#[derive(Debug)]
pub(crate) struct Throttle {
    addresses: LruCache<IpAddr, Tries>,
    /// Who got in from where.
    known: LruCache<(IpAddr, String), ()>,
    names: LruCache<String, Tries>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            addresses: LruCache::new(REMEMBERED),
            known: LruCache::new(REMEMBERED),
            names: LruCache::new(REMEMBERED),
        }
    }
}

impl Throttle {
    /// How long somebody has to wait before the next try; zero = not at all. A try counts as wrong until [`Throttle::right`] says otherwise,
    /// so that many at once get no further than one after the other.
    pub(crate) fn begin(&mut self, name: &str, address: Option<IpAddr>, now: Instant) -> Duration {
        let address = address.map(whose);
        let is_known = address.is_some_and(|address| self.known.get(&(address, name.to_owned())).is_some());
        let by_name = self.names.get(name).map_or(Duration::ZERO, |tries| tries.wait(now, FREE, NAME));
        let by_address = address
            .filter(|_| !is_known)
            .and_then(|address| self.addresses.get(&address))
            .map_or(Duration::ZERO, |tries| tries.wait(now, FREE_FROM, ADDRESS));
        let wait = by_name.max(by_address);
        if wait.is_zero() {
            let tries = Tries::more(self.names.peek(name), now);
            self.names.put(name.to_owned(), tries);
            if let Some(address) = address.filter(|_| tries.wrong <= FREE) {
                let tries = Tries::more(self.addresses.peek(&address), now);
                self.addresses.put(address, tries);
            }
        }
        wait
    }

    /// The password was right: the name starts anew and is known from there, and the address has one wrong try less.
    pub(crate) fn right(&mut self, name: &str, address: Option<IpAddr>) {
        let counted = self.names.pop(name).is_some_and(|tries| tries.wrong <= FREE);
        let Some(address) = address.map(whose) else { return };
        self.known.put((address, name.to_owned()), ());
        if let Some(tries) = self.addresses.get_mut(&address).filter(|_| counted) {
            tries.wrong = tries.wrong.saturating_sub(1);
        }
    }
}

/// What one machine can have of addresses: of IPv6 a network of 64 bits.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => four.into(),
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
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
        assert_eq!(throttle.begin("bob", HERE, at(1)), Duration::ZERO, "one guesser slows nobody else");
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

    /// Behind a proxy everybody has one address: who guesses one password slows nobody, who tries many names slows those alone who never got in from there.
    #[test]
    fn one_guesser_behind_a_shared_address_does_not_slow_everybody() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.begin("bob", HERE, at(0)), Duration::ZERO);
        throttle.right("bob", HERE);
        for now in 0..600 {
            throttle.begin("ann", HERE, at(now));
        }
        assert_eq!(throttle.begin("cleo", HERE, at(600)), Duration::ZERO, "guessing at ann slows ann");
        for number in 0..40 {
            throttle.begin(&format!("name-{number}"), HERE, at(600));
        }
        assert!(throttle.begin("dora", HERE, at(600)) > Duration::ZERO, "many names from there wait");
        assert_eq!(throttle.begin("bob", HERE, at(600)), Duration::ZERO, "who got in from there does not");
        assert_eq!(throttle.begin("dora", None, at(600)), Duration::ZERO, "nor who comes from elsewhere");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let mut throttle = Throttle::default();
        for number in 0..40_u128 {
            let address = IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | number));
            throttle.begin(&format!("name-{number}"), Some(address), at(0));
        }
        let next = Some(IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | 0xff)));
        assert!(throttle.begin("ann", next, at(0)) > Duration::ZERO);
    }
}
