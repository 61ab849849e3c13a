//! Conditions as they stand in a query string: friendly forms of what `store::Filter` wants exactly.

use jiff::{SignedDuration, Timestamp};
use lockgate_core::DataClass;
use lockgate_store::{Classified, Cursor, Filter, Limit, Membership, Outcome, PageRequest};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;

/// Conditions on calls; all must hold. On sessions: one call of it meets all of them.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// The branch that the session worked on.
    pub(crate) branch: Option<String>,
    /// Where the page before ended: its `next`.
    pub(crate) cursor: Option<String>,
    /// The class of data of the key: `public`, `internal`, `confidential`, `secret`; `none` = calls without one.
    pub(crate) data_class: Option<String>,
    /// From when, included: a time (`2026-11-21T08:00:00Z`), a day (`2026-11-21`, UTC), or how long ago (`90m`, `24h`, `7d`).
    #[param(example = "7d")]
    pub(crate) from: Option<String>,
    /// Whether a policy changed or refused something.
    pub(crate) intervened: Option<bool>,
    /// The name of the key.
    pub(crate) key: Option<String>,
    /// How many entries a page has: 1 to 500 (more is taken as 500), 50 if not given.
    pub(crate) limit: Option<u16>,
    /// The highest known cost, in nano-USD.
    pub(crate) max_cost_nano: Option<i64>,
    /// The least known cost, in nano-USD.
    pub(crate) min_cost_nano: Option<i64>,
    /// The model: as asked for, as resolved, or as answered.
    pub(crate) model: Option<String>,
    /// What became of the call: `complete`, `failed`, `aborted`, `interrupted`.
    pub(crate) outcome: Option<String>,
    /// The project of the key.
    pub(crate) project: Option<String>,
    /// The provider.
    pub(crate) provider: Option<String>,
    /// Words that one text of the call has: prompts, answers, tool inputs and results, titles of sessions.
    pub(crate) q: Option<String>,
    /// The repository that the session worked in.
    pub(crate) repo: Option<String>,
    /// The session; `none` = calls without one.
    pub(crate) session: Option<String>,
    /// The status: `429`, `4xx`, or a range `400-499`.
    #[param(example = "4xx")]
    pub(crate) status: Option<String>,
    /// Until when, not included; like `from`.
    pub(crate) to: Option<String>,
    /// The user.
    pub(crate) user: Option<String>,
}

impl FilterQuery {
    /// The exact conditions and the page.
    pub(crate) fn read(self) -> Result<(Filter, PageRequest), Problem> {
        let now = Timestamp::now();
        let time = |name: &str, text: Option<String>| text.map(|text| moment(name, &text, now)).transpose();
        let outcome = self.outcome.map(|word| {
            Outcome::of(&word).ok_or_else(|| {
                let known: Vec<_> = Outcome::ALL.iter().map(|one| one.as_str()).collect();
                Problem::invalid(format!("`outcome`: there is no `{word}`, but {}", known.join(", ")))
            })
        });
        let (status_from, status_to) = match self.status {
            Some(text) => statuses(&text)?,
            None => (None, None),
        };
        let after = self.cursor.map(|text| {
            text.parse::<Cursor>().map_err(|error| Problem::invalid(format!("`cursor` is {error}")))
        });
        let filter = Filter {
            alone: false,
            branch: self.branch,
            class: self.data_class.map(|word| classified(&word)).transpose()?,
            contents: None,
            cost_from: self.min_cost_nano,
            cost_to: self.max_cost_nano,
            from_us: time("from", self.from)?,
            intervened: self.intervened,
            key: self.key,
            model: self.model,
            outcome: outcome.transpose()?,
            project: self.project,
            provider: self.provider,
            repo: self.repo,
            session: self.session.map(|id| match id.as_str() {
                "none" => Membership::Sessionless,
                _ => Membership::Of(id),
            }),
            status_from,
            status_to,
            text: self.q.filter(|text| !text.trim().is_empty()),
            to_us: time("to", self.to)?,
            user: self.user,
        };
        Ok((filter, PageRequest { after: after.transpose()?, limit: limit(self.limit)? }))
    }
}

/// How many entries a page has.
pub(crate) fn limit(wanted: Option<u16>) -> Result<Limit, Problem> {
    match wanted {
        None => Ok(Limit::default()),
        Some(number @ 1..=Limit::MAX) => Ok(Limit::of(number)),
        Some(number) => Err(Problem::invalid(format!(
            "`limit`: a page has 1 to {} entries, not {number}; `cursor` goes on",
            Limit::MAX
        ))),
    }
}

/// A class of data, or none.
fn classified(word: &str) -> Result<Classified, Problem> {
    if word == "none" {
        return Ok(Classified::Unclassified);
    }
    DataClass::of(word).map(Classified::Of).ok_or_else(|| {
        let known: Vec<_> = DataClass::ALL.iter().map(|one| one.as_str()).collect();
        Problem::invalid(format!("`data_class`: there is no `{word}`, but {}, none", known.join(", ")))
    })
}

/// A time as people write it, µs since 1970.
pub(crate) fn moment(name: &str, text: &str, now: Timestamp) -> Result<i64, Problem> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_microsecond());
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && let Ok(start) = day.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Ok(start.timestamp().as_microsecond());
    }
    ago(text).and_then(|ago| now.checked_sub(ago).ok()).map(Timestamp::as_microsecond).ok_or_else(|| {
        Problem::invalid(format!(
            "`{name}`: `{text}` is no time; write 2026-11-21T08:00:00Z, 2026-11-21, or how long ago: 90m, 24h, 7d"
        ))
    })
}

/// `90m`, `24h`, `7d`, `2w`.
pub(crate) fn ago(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return None,
    };
    Some(SignedDuration::from_secs(number.checked_mul(seconds)?))
}

fn statuses(text: &str) -> Result<(Option<u16>, Option<u16>), Problem> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|status| (100..600).contains(status));
    let range = match text.split_once('-') {
        Some((from, to)) => number(from).zip(number(to)).filter(|(from, to)| from <= to),
        None => match text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok()) {
            Some(class @ 1..=5) => Some((class * 100, class * 100 + 99)),
            Some(_) => None,
            None => number(text).map(|status| (status, status)),
        },
    };
    match range {
        Some((from, to)) => Ok((Some(from), Some(to))),
        None => Err(Problem::invalid(format!("`status`: `{text}` is none; write 429, 4xx or 400-499"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_people_write_them() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |text: &str| {
            moment("from", text, now).map(|us| Timestamp::from_microsecond(us).unwrap().to_string())
        };
        assert_eq!(at("2026-11-20T08:30:00+02:00").unwrap(), "2026-11-20T06:30:00Z");
        assert_eq!(at("2026-11-20").unwrap(), "2026-11-20T00:00:00Z");
        assert_eq!(at("90m").unwrap(), "2026-11-21T10:30:00Z");
        assert_eq!(at("2w").unwrap(), "2026-11-07T12:00:00Z");
        for wrong in ["", "m", "-3d", "7y", "yesterday", "9999999999999999d", "ä"] {
            assert!(at(wrong).unwrap_err().message.contains("`from`"), "{wrong}");
        }
    }

    #[test]
    fn a_status_is_one_a_class_or_a_range() {
        assert_eq!(statuses("429").unwrap(), (Some(429), Some(429)));
        assert_eq!(statuses("4xx").unwrap(), (Some(400), Some(499)));
        assert_eq!(statuses("500-503").unwrap(), (Some(500), Some(503)));
        for wrong in ["", "9xx", "0xx", "abc", "503-500", "99", "600"] {
            assert!(statuses(wrong).is_err(), "{wrong}");
        }
    }
}
