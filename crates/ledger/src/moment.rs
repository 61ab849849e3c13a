//! When a call was: a day for prices that change, a weekday and minute for prices that differ by the hour. All UTC.
//!
//! Reads no clock: whoever asks for a price says when.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A day of the calendar.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String", extend("format" = "date"))]
pub struct Date(jiff::civil::Date);

/// Text that is no date.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no date: year-month-day, such as 2026-11-21")]
pub struct NotADate(pub String);

impl Date {
    /// 1970-01-01.
    pub const EPOCH: Self = Self(jiff::civil::date(1970, 1, 1));

    /// The day, if the calendar has it.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let (year, month, day) =
            (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        jiff::civil::Date::new(year, month, day).ok().map(Self)
    }

    /// Days since 1970-01-01; negative before.
    pub fn days(self) -> i64 {
        self.0.duration_since(Self::EPOCH.0).as_hours() / 24
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let read = || {
            let (year, rest) = text.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            let digits =
                |text: &str, width| text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
                return None;
            }
            Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
        };
        read().ok_or_else(|| NotADate(text.to_owned()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for Date {
    type Error = NotADate;

    fn try_from(text: String) -> Result<Self, NotADate> {
        text.parse()
    }
}

/// A point in time, as far as prices care.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Moment {
    /// The day.
    pub date: Date,
    /// Minutes since midnight.
    pub minute: u16,
}

impl Moment {
    /// The moment that many seconds after 1970-01-01T00:00:00Z; nothing outside the years 0 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        let at = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?);
        let minute = u16::try_from(seconds.rem_euclid(86_400) / 60).ok()?;
        (at.year() >= 0).then_some(Self { date: Date(at.date()), minute })
    }

    /// The beginning of a day.
    pub fn start_of(date: Date) -> Self {
        Self { date, minute: 0 }
    }

    /// 1 for Monday to 7 for Sunday.
    pub fn weekday(self) -> u8 {
        self.date.0.weekday().to_monday_one_offset().unsigned_abs()
    }
}

/// Part of a day: from a minute on, up to another one, never over midnight.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hours {
    start: u16,
    end: u16,
}

/// Text that tells no part of a day.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no part of a day: two times such as 04:00-06:00, where 00:00 as the end is midnight")]
pub struct NotHours(pub String);

impl Hours {
    /// From one minute of the day to before another, if that is a part of a day; an end of 0 is midnight.
    pub fn new(start: u16, end: u16) -> Option<Self> {
        let end = if end == 0 { 1_440 } else { end };
        (start < end && end <= 1_440).then_some(Self { start, end })
    }

    /// Whether the minute of a day is in it.
    pub fn contains(self, minute: u16) -> bool {
        (self.start..self.end).contains(&minute)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.end % 1_440;
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.start / 60, self.start % 60, end / 60, end % 60)
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

impl TryFrom<String> for Hours {
    type Error = NotHours;

    fn try_from(text: String) -> Result<Self, NotHours> {
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let read = text.split_once('-').and_then(|(start, end)| Self::new(time(start)?, time(end)?));
        read.ok_or(NotHours(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        for date in ["2026-11-21", "2024-02-29", "2000-02-29", "1970-01-01", "2026-12-31"] {
            assert_eq!(date.parse::<Date>().unwrap().to_string(), date);
        }
        for wrong in
            ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-1-1", "26-01-01", ""]
        {
            assert_eq!(wrong.parse::<Date>(), Err(NotADate(wrong.to_owned())));
        }
    }

    #[test]
    fn a_unix_time_has_a_day_a_weekday_and_a_minute() {
        let at = |seconds| Moment::from_unix(seconds).unwrap();
        // Checked with date(1): Saturday 2026-11-21 20:26:42 UTC.
        let now = at(1_795_292_802);
        assert_eq!(
            (now.date.to_string().as_str(), now.weekday(), now.minute),
            ("2026-11-21", 6, 20 * 60 + 26)
        );
        assert_eq!((at(0).date.days(), at(0).weekday()), (0, 4));
        assert_eq!(at(-1).date.to_string(), "1969-12-31");
        for days in [-400_000, -1, 0, 59, 60, 11_016, 20_778, 1_000_000] {
            assert_eq!(at(days * 86_400).date.days(), days);
        }
        assert_eq!(Moment::from_unix(i64::MAX), None);
    }

    #[test]
    fn the_end_of_a_part_of_the_day_is_not_in_it() {
        let hours = |text: &str| Hours::try_from(text.to_owned());
        let night = hours("10:00-00:00").unwrap();
        assert!(night.contains(600) && night.contains(1_439) && !night.contains(599));
        assert!(!hours("04:00-06:00").unwrap().contains(360));
        assert!(hours("00:00-00:00").unwrap().contains(0));
        for wrong in ["06:00-04:00", "24:00-25:00", "6-7", "", "04:00-04:00"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }
}
