//! Times as Ollama writes them: RFC 3339.
//!
//! Seconds are all we need; fractions are read past. No clock: times come in as arguments.

use jiff::Timestamp;

/// Seconds since 1970 as `2023-11-14T22:13:20Z`.
pub(super) fn stamp(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    format!("{:.0}", at.unwrap_or(Timestamp::MAX))
}

/// Seconds since 1970 of an RFC 3339 time; `None` for anything else and for times before 1970.
pub(super) fn seconds(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_of_the_server_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2023-11-14T22:13:20.123456789Z"), Some(1_700_000_000));
        assert_eq!(seconds("2023-11-15T00:13:20.5+02:00"), Some(1_700_000_000));
        assert_eq!(seconds("2024-02-29T00:00:00Z"), Some(1_709_164_800));
        for none in ["", "2023-11-14", "2023-13-14T22:13:20Z", "2023-11-14T22:13:20", "été-11-14T22:13:20Z"]
        {
            assert_eq!(seconds(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_time_that_was_written_is_read_back(at in 0_u64..253_402_207_200) {
            prop_assert_eq!(seconds(&stamp(at)), Some(at));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}") {
            let _ = seconds(&text);
        }
    }
}
