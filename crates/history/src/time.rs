//! Times as people read them: RFC 3339 in UTC. Reads no clock.

use jiff::Timestamp;

/// `2026-11-21T10:20:30.123Z`; the number itself where the calendar has no such day.
pub(crate) fn rfc3339(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map_or_else(|_| at_us.to_string(), |at| format!("{at:.3}"))
}

/// `1.2 s`, `850 ms`, `3 min 5 s`.
pub(crate) fn duration(us: i64) -> String {
    let ms = us / 1_000;
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_write_them() {
        assert_eq!(rfc3339(1_795_303_353_235_000), "2026-11-21T23:22:33.235Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(i64::MIN), i64::MIN.to_string());
        assert_eq!([850_000, 1_250_000, 185_000_000].map(duration), ["850 ms", "1.2 s", "3 min 5 s"]);
    }
}
