//! How much one key may use: calls and tokens in a minute, calls at the same time, money in a day.
//!
//! A sliding window of sixty slots of a second: what was used more than a minute ago no longer counts, in steps of a second,
//! so that no minute, wherever it begins, holds more calls than allowed (a bucket that refills would let twice as many
//! through around a pause). Money counts by the day of the calendar (UTC). Calls count when they begin; tokens and money when
//! they are over, for nobody knows them before: calls that run side by side may take a key past those two limits, by as much as they
//! use. Pure: the time is an argument, and a clock that was set back empties the minute.

use std::time::Duration;

use crate::nano::Nano;

/// Slots of the window, a second each.
const SLOTS: i64 = 60;
const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// What may be used. `None` = as much as it likes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Calls at the same time.
    pub concurrency: Option<u32>,
    /// Money in a day of the calendar (UTC).
    pub cost_per_day: Option<Nano>,
    /// Calls in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, of prompts and answers.
    pub tokens_per_minute: Option<u64>,
}

impl Limits {
    /// Whether anything is limited.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// Calls at the same time.
    Concurrency(u32),
    /// Money in a day.
    CostPerDay(Nano),
    /// Calls in a minute.
    RequestsPerMinute(u32),
    /// Tokens in a minute.
    TokensPerMinute(u64),
}

impl Limit {
    /// Its name in the configuration and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency(_) => "concurrency",
            Self::CostPerDay(_) => "cost_per_day",
            Self::RequestsPerMinute(_) => "requests_per_minute",
            Self::TokensPerMinute(_) => "tokens_per_minute",
        }
    }
}

/// A call that has to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exceeded {
    /// For which limit.
    pub limit: Limit,
    /// When there will be room again, as far as it can be told; whole seconds, at least one.
    pub retry_after: Duration,
}

/// What is used of what may be used.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    cost: Day,
    limits: Limits,
    requests: Minute,
    running: u32,
    tokens: Minute,
}

impl Gauge {
    /// Nothing is used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes other limits; what was used counts against them.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Begins a call at a time (µs since 1970), or says what stands in its way. What is refused counts for nothing.
    pub fn admit(&mut self, now_us: i64) -> Result<(), Exceeded> {
        let after = |limit: Limit, retry_after: Duration| Err(Exceeded { limit, retry_after });
        if let Some(most) = self.limits.concurrency.filter(|most| self.running >= *most) {
            return after(Limit::Concurrency(most), Duration::from_secs(1));
        }
        if let Some(most) = self.limits.requests_per_minute
            && let Some(wait) = self.requests.room(now_us, u64::from(most))
        {
            return after(Limit::RequestsPerMinute(most), wait);
        }
        if let Some(most) = self.limits.tokens_per_minute
            && let Some(wait) = self.tokens.room(now_us, most)
        {
            return after(Limit::TokensPerMinute(most), wait);
        }
        if let Some(most) = self.limits.cost_per_day
            && self.cost.total(now_us) >= most
        {
            return after(Limit::CostPerDay(most), Day::rest(now_us));
        }
        self.requests.add(now_us, 1);
        self.running += 1;
        Ok(())
    }

    /// A call is over, whichever way.
    pub fn release(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Counts what a call has used, when it is known. `None` = the price is not known, which is not counted.
    pub fn charge(&mut self, now_us: i64, tokens: u64, cost: Option<Nano>) {
        self.tokens.add(now_us, tokens);
        if let Some(cost) = cost {
            self.cost.add(now_us, cost);
        }
    }

    /// Calls that are running.
    pub const fn running(&self) -> u32 {
        self.running
    }
}

/// A count over the last sixty seconds.
#[derive(Clone, Debug)]
struct Minute {
    /// The second of the latest slot, since 1970.
    latest: i64,
    slots: [u64; SLOTS as usize],
    total: u64,
}

impl Default for Minute {
    fn default() -> Self {
        Self { latest: 0, slots: [0; SLOTS as usize], total: 0 }
    }
}

impl Minute {
    fn slot(second: i64) -> usize {
        second.rem_euclid(SLOTS) as usize
    }

    /// Forgets what is over.
    fn turn(&mut self, now_us: i64) {
        let second = now_us.div_euclid(SECOND_US);
        let passed = second - self.latest;
        if !(0..SLOTS).contains(&passed) {
            *self = Self { latest: second, ..Self::default() };
            return;
        }
        for gone in 1..=passed {
            let slot = &mut self.slots[Self::slot(self.latest + gone)];
            self.total -= std::mem::take(slot);
        }
        self.latest = second;
    }

    fn add(&mut self, now_us: i64, number: u64) {
        self.turn(now_us);
        // A count that cannot be held is as good as the largest one.
        let number = number.min(u64::MAX - self.total);
        self.slots[Self::slot(self.latest)] += number;
        self.total += number;
    }

    /// How long until less than `most` is counted; `None` = there is room now.
    fn room(&mut self, now_us: i64, most: u64) -> Option<Duration> {
        self.turn(now_us);
        let mut left = self.total;
        if left < most {
            return None;
        }
        for age in (0..SLOTS).rev() {
            left -= self.slots[Self::slot(self.latest - age)];
            if left < most {
                return Some(Duration::from_secs((SLOTS - age) as u64));
            }
        }
        // Nothing is allowed at all.
        Some(Duration::from_secs(SLOTS as u64))
    }
}

/// Money of one day.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    day: i64,
    total: Nano,
}

impl Day {
    fn turn(&mut self, now_us: i64) {
        let day = now_us.div_euclid(DAY_US);
        if day != self.day {
            *self = Self { day, ..Self::default() };
        }
    }

    fn total(&mut self, now_us: i64) -> Nano {
        self.turn(now_us);
        self.total
    }

    fn add(&mut self, now_us: i64, cost: Nano) {
        self.turn(now_us);
        self.total = self.total.saturating_add(cost);
    }

    /// What is left of the day, in whole seconds.
    fn rest(now_us: i64) -> Duration {
        let left = DAY_US - now_us.rem_euclid(DAY_US);
        Duration::from_secs((left as u64).div_ceil(SECOND_US as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon of a day.
    const NOON: i64 = 20_000 * DAY_US + DAY_US / 2;

    fn at(seconds: i64) -> i64 {
        NOON + seconds * SECOND_US
    }

    fn gauge(limits: Limits) -> Gauge {
        Gauge::new(limits)
    }

    #[test]
    fn no_minute_holds_more_calls_than_allowed_wherever_it_begins() {
        let mut gauge = gauge(Limits { requests_per_minute: Some(10), ..Limits::default() });
        let mut taken = Vec::new();
        for tenth in 0..3_000 {
            let now = NOON + tenth * SECOND_US / 10;
            match gauge.admit(now) {
                Ok(()) => taken.push(now),
                Err(exceeded) => {
                    assert_eq!(exceeded.limit, Limit::RequestsPerMinute(10));
                    assert!((1..=60).contains(&exceeded.retry_after.as_secs()));
                }
            }
        }
        for (at, begin) in taken.iter().enumerate() {
            let within = taken[at..].iter().take_while(|later| **later - begin < 59 * SECOND_US).count();
            assert!(within <= 10, "{within} calls in the minute from {begin}");
        }
        assert_eq!(taken.len(), 50, "ten in each of five minutes");
    }

    #[test]
    fn whoever_waits_as_long_as_told_gets_through() {
        let mut gauge = gauge(Limits { requests_per_minute: Some(3), ..Limits::default() });
        for second in [0, 10, 20] {
            gauge.admit(at(second)).unwrap();
        }
        let exceeded = gauge.admit(at(25)).unwrap_err();
        assert_eq!(exceeded.retry_after, Duration::from_secs(35));
        assert!(gauge.admit(at(25 + 34)).is_err());
        gauge.admit(at(25 + 35)).unwrap();
    }

    #[test]
    fn tokens_count_when_they_are_known_and_for_a_minute() {
        let mut gauge = gauge(Limits { tokens_per_minute: Some(1_000), ..Limits::default() });
        gauge.admit(at(0)).unwrap();
        gauge.charge(at(1), 999, None);
        gauge.admit(at(2)).unwrap();
        gauge.charge(at(3), 5_000, None);
        let exceeded = gauge.admit(at(4)).unwrap_err();
        assert_eq!(exceeded.limit, Limit::TokensPerMinute(1_000));
        assert_eq!(exceeded.retry_after, Duration::from_secs(59));
        gauge.admit(at(63)).unwrap();
    }

    #[test]
    fn calls_at_the_same_time_are_counted_until_they_are_over() {
        let mut gauge = gauge(Limits { concurrency: Some(2), ..Limits::default() });
        gauge.admit(at(0)).unwrap();
        gauge.admit(at(0)).unwrap();
        assert_eq!(gauge.admit(at(0)).unwrap_err().limit, Limit::Concurrency(2));
        gauge.release();
        gauge.admit(at(0)).unwrap();
        assert_eq!(gauge.running(), 2);
    }

    #[test]
    fn money_counts_until_midnight_and_an_unknown_price_does_not() {
        let dollar = Nano::new(1_000_000_000);
        let mut gauge = gauge(Limits { cost_per_day: Some(dollar), ..Limits::default() });
        gauge.charge(at(0), 10, None);
        gauge.admit(at(0)).unwrap();
        gauge.charge(at(0), 10, Some(dollar));
        let exceeded = gauge.admit(NOON + 1).unwrap_err();
        assert_eq!(exceeded.limit, Limit::CostPerDay(dollar));
        assert_eq!(exceeded.retry_after, Duration::from_hours(12));
        gauge.admit(at(12 * 3_600)).unwrap();
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let mut gauge = gauge(Limits { requests_per_minute: Some(1), ..Limits::default() });
        gauge.admit(at(3_600)).unwrap();
        gauge.admit(at(0)).unwrap();
        assert_eq!(gauge.admit(at(1)).unwrap_err().retry_after, Duration::from_secs(59));
    }

    #[test]
    fn other_limits_hold_at_once_for_what_was_used_before() {
        let mut gauge = gauge(Limits { requests_per_minute: Some(10), ..Limits::default() });
        for _ in 0..3 {
            gauge.admit(at(0)).unwrap();
        }
        gauge.limit(Limits { requests_per_minute: Some(3), ..Limits::default() });
        assert!(gauge.admit(at(0)).is_err());
        gauge.limit(Limits::default());
        gauge.admit(at(0)).unwrap();
        gauge.limit(Limits { requests_per_minute: Some(0), ..Limits::default() });
        assert_eq!(gauge.admit(at(500)).unwrap_err().retry_after, Duration::from_mins(1));
    }
}
