//! Where hours, days, weeks and months begin in a time zone, in slots: quarters of an hour since 1970 (UTC), the grain of what is counted
//! beforehand.
//!
//! Every offset in use is a multiple of a quarter of an hour, so a slot never lies on both sides of an hour's or a day's beginning: what is
//! counted is exact in each zone, also on days with 23 or 25 hours and in zones such as Asia/Kathmandu. (Until 2011 one zone changed its
//! clocks a minute after midnight and before 1972 one had an offset of 44.5 minutes; these are taken to the slot they fall in.)

use std::fmt;
use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::call::words;

/// The length of a slot, µs.
pub const SLOT_US: i64 = 900_000_000;

/// Slots of an hour and of a day of 24 hours.
const HOUR: i64 = 4;
const DAY: i64 = 96;

/// The slot of a time, which is not before 1970.
pub const fn slot_of(at_us: i64) -> i64 {
    at_us.div_euclid(SLOT_US)
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// There is no such time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: give a name of the IANA database, such as Europe/Berlin, or UTC")]
pub struct NoZone(String);

impl Zone {
    /// The zone with a name.
    pub fn of(name: &str) -> Result<Self, NoZone> {
        TimeZone::get(name).map(Self).map_err(|_| NoZone(name.chars().take(64).collect()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// When the last days begin, of which the last one is the day of `now_us`; µs since 1970.
    pub fn days_begin(&self, now_us: i64, days: u32) -> i64 {
        let slot = slot_of(now_us);
        let today = (slot + self.offset(slot)).div_euclid(DAY);
        let first = today.saturating_sub(i64::from(days.max(1)) - 1).max(0);
        self.day_begins(first) * SLOT_US
    }

    /// The offset at a slot's beginning, in slots.
    fn offset(&self, slot: i64) -> i64 {
        i64::from(self.0.to_offset(timestamp(slot)).seconds()).div_euclid(SLOT_US / 1_000_000)
    }

    /// The slot in which the nth day since 1970-01-01 begins.
    fn day_begins(&self, day: i64) -> i64 {
        let begins = date(day).at(0, 0, 0, 0).to_zoned(self.0.clone());
        begins.map_or(day * DAY, |begins| slot_of(begins.timestamp().as_microsecond()))
    }

    /// The parts of a range of slots in which the offset stays the same.
    fn segments(&self, slots: Range<i64>) -> Vec<Segment> {
        let mut segments = vec![Segment { from: slots.start, offset: self.offset(slots.start) }];
        for change in self.0.following(timestamp(slots.start)) {
            let from = slot_of(change.timestamp().as_microsecond());
            if from >= slots.end {
                break;
            }
            let offset = self.offset(slot_of(change.timestamp().as_microsecond() + SLOT_US - 1));
            if segments.last().is_some_and(|last| last.offset != offset) {
                segments.push(Segment { from, offset });
            }
        }
        segments
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn timestamp(slot: i64) -> Timestamp {
    Timestamp::from_microsecond(slot.saturating_mul(SLOT_US)).unwrap_or(Timestamp::MAX)
}

fn date(day: i64) -> Date {
    Date::constant(1970, 1, 1).saturating_add(day.clamp(-700_000, 2_900_000).days())
}

fn day_of(date: Date) -> i64 {
    Date::constant(1970, 1, 1).until(date).map_or(0, |span| i64::from(span.get_days()))
}

words! {
    /// How a range of time is divided.
    Bucket {
        /// By days of the zone, of 23 to 25 hours.
        Day = "day",
        /// By hours of the zone.
        Hour = "hour",
        /// By months of the zone.
        Month = "month",
        /// By weeks of the zone, which begin on Monday.
        Week = "week",
    }
}

/// A part of a range in which the offset stays the same, up to the next part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first slot.
    pub from: i64,
    /// What is added to a slot to get local time, in slots.
    pub offset: i64,
}

/// A range of time, divided. A database sees [`Axis::segments`] and the [`Grain`], and gives each slot a number; [`Axis::bucket`] says which
/// bucket the number is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    bucket: Bucket,
    segments: Vec<Segment>,
    zone: Zone,
}

/// What the number of a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// `(slot + offset) / 96`: the day since 1970-01-01.
    Day,
    /// `(slot + offset) / 4 * 4 - offset`: the slot in which its hour begins.
    Hour,
}

/// A bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// When it begins, µs since 1970.
    pub from_us: i64,
    /// When it ends (not included), µs since 1970.
    pub to_us: i64,
}

impl Axis {
    /// A range of slots, divided.
    pub fn new(zone: &Zone, bucket: Bucket, slots: Range<i64>) -> Self {
        Self { bucket, segments: zone.segments(slots), zone: zone.clone() }
    }

    /// The parts of the range with one offset each; never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How a slot is numbered.
    pub const fn grain(&self) -> Grain {
        match self.bucket {
            Bucket::Day | Bucket::Month | Bucket::Week => Grain::Day,
            Bucket::Hour => Grain::Hour,
        }
    }

    /// The number of a slot, as a database computes it.
    pub fn number(&self, slot: i64) -> i64 {
        let segment = self.segments.iter().rev().find(|segment| segment.from <= slot);
        let offset = segment.or(self.segments.first()).map_or(0, |segment| segment.offset);
        match self.grain() {
            Grain::Day => (slot + offset).div_euclid(DAY),
            Grain::Hour => (slot + offset).div_euclid(HOUR) * HOUR - offset,
        }
    }

    /// The bucket that a number is in.
    pub fn bucket(&self, number: i64) -> Span {
        let slots = match self.bucket {
            Bucket::Day => self.days(number, number + 1),
            Bucket::Hour => self.hour(number),
            Bucket::Month => {
                let first = date(number).first_of_month();
                self.days(day_of(first), day_of(first.saturating_add(1.month())))
            }
            Bucket::Week => {
                // 1970-01-01 was a Thursday.
                let monday = number - (number + 3).rem_euclid(7);
                self.days(monday, monday + 7)
            }
        };
        Span { from_us: slots.start * SLOT_US, to_us: slots.end * SLOT_US }
    }

    fn days(&self, from: i64, to: i64) -> Range<i64> {
        self.zone.day_begins(from)..self.zone.day_begins(to)
    }

    /// The slots whose number this is: an hour, or less where clocks are changed in the middle of it.
    fn hour(&self, number: i64) -> Range<i64> {
        let mut slots = (number..number + HOUR).filter(|slot| self.number(*slot) == number);
        let first = slots.next().unwrap_or(number);
        first..slots.next_back().unwrap_or(first) + 1
    }
}
