//! Numbers as people read them: money, spans of time, how long ago, tokens.

use jiff::Timestamp;
use serde_json::Value;

/// Nano-USD: `$1.23`, with more digits where it is little; `?` where it is not known.
pub(crate) fn money(nano: Option<i64>) -> String {
    let Some(nano) = nano else { return "?".to_owned() };
    let usd = nano as f64 / 1e9;
    match nano.unsigned_abs() {
        0 => "$0".to_owned(),
        1..10_000_000 => format!("${usd:.5}"),
        10_000_000..1_000_000_000 => format!("${usd:.3}"),
        _ => format!("${usd:.2}"),
    }
}

/// A span in µs: `850 ms`, `12.3 s`, `4 min`.
pub(crate) fn span(us: Option<i64>) -> String {
    match us {
        None => String::new(),
        Some(us) if us < 1_000_000 => format!("{} ms", us / 1000),
        Some(us) if us < 100_000_000 => format!("{:.1} s", us as f64 / 1e6),
        Some(us) => format!("{} min", us / 60_000_000),
    }
}

/// How long ago an RFC 3339 time was: `just now`, `5 min ago`, `3 h ago`; older ones by their date.
pub(crate) fn ago(time: &Value) -> String {
    since(time, Timestamp::now())
}

/// An RFC 3339 time on this machine's clock, to the second.
pub(crate) fn moment(time: &Value) -> String {
    let Some(at) = read(time) else { return String::new() };
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn read(time: &Value) -> Option<Timestamp> {
    time.as_str()?.parse().ok()
}

fn since(time: &Value, now: Timestamp) -> String {
    let Some(at) = read(time) else { return String::new() };
    let seconds = now.duration_since(at).as_secs();
    match seconds {
        ..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => {
            let zoned = at.to_zoned(jiff::tz::TimeZone::system());
            zoned.strftime("%Y-%m-%d %H:%M").to_string()
        }
    }
}

/// Tokens: `950`, `12.3k`, `4.5M`.
pub(crate) fn tokens(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        1000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_short_and_unknown_money_is_not_nothing() {
        assert_eq!(money(None), "?");
        let some = [0, 42_000, 42_000_000, 1_234_567_890_000].map(|nano| money(Some(nano)));
        assert_eq!(some, ["$0", "$0.00004", "$0.042", "$1234.57"]);
        assert_eq!(
            [span(Some(850_400)), span(Some(12_300_000)), span(Some(240_000_000))],
            ["850 ms", "12.3 s", "4 min"]
        );
        assert_eq!([tokens(950), tokens(12_345), tokens(4_500_000)], ["950", "12.3k", "4.5M"]);
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(since(&Value::from("2026-11-21T11:55:00Z"), now), "5 min ago");
        assert_eq!(since(&Value::Null, now), "");
    }
}
