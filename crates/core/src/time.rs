//! Times as people write them: microseconds since 1970 (UTC) to RFC 3339 and back. Reads no clock and knows no zone but offsets.

const DAY: i64 = 86_400;
const MICRO: i64 = 1_000_000;

/// A time (µs since 1970) as RFC 3339, in UTC to the second: `2026-11-21T08:30:00Z`. Years outside of 0 to 9999 are cut to these.
pub fn rfc3339(at_us: i64) -> String {
    let seconds = at_us.div_euclid(MICRO).clamp(-62_167_219_200, 253_402_300_799);
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The time (µs since 1970) that a text says: RFC 3339, or a date alone, which means its beginning in UTC.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, "T00:00:00Z"),
        (date, time) => (date, time),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days_of(year, month, day)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    // A leap second is the one after it.
    if hour > 23 || minute > 59 || second > 60 || fraction.is_empty() {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{:0<6}", &fraction[..fraction.len().min(6)]).parse().ok()?;
    let seconds = days * DAY + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(seconds * MICRO + micros)
}

fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let [hours, minutes] = numbers(&zone[1..], ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Numbers of so many digits with a sign between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut found = [0; N];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Days since 1970 of a date that the calendar has.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let moved = year - i64::from(month <= 2);
    let (era, of_era) = (moved.div_euclid(400), moved.rem_euclid(400));
    // Years that begin in March: the leap day is then the last of its year.
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (date_of(days) == (year, month, day)).then_some(days)
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_rfc_3339() {
        for (text, at_us) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -MICRO),
            ("2000-02-29T12:00:00Z", 951_825_600 * MICRO),
            ("2026-11-21T08:30:05Z", 1_795_249_805 * MICRO),
            ("9999-12-31T23:59:59Z", 253_402_300_799 * MICRO),
        ] {
            assert_eq!(rfc3339(at_us), text);
            assert_eq!(parse_rfc3339(text), Some(at_us));
        }
        for (text, same) in [
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2026-11-21 08:30:05+02:00", "2026-11-21T06:30:05Z"),
            ("2026-11-21t08:30:05.5-01:30", "2026-11-21T10:00:05Z"),
        ] {
            assert_eq!(parse_rfc3339(text).map(rfc3339).as_deref(), Some(same), "{text}");
        }
        assert_eq!(parse_rfc3339("1970-01-01T00:00:00.1234567Z"), Some(123_456));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "", "now", "2026", "2026-13-01", "2026-02-30", "2025-02-29", "2026-1-1", "2026-11-21T24:00:00Z",
            "2026-11-21T08:30:00", "2026-11-21T08:30:00.Z", "2026-11-21T08:30:00+2", "2026-11-21X08:30:00Z",
            "２０２６-11-21", "2026-11-21T08:30:00+02:00:00",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
