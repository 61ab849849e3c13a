//! What somebody wants of a key, and whether it can be.

use jiff::Timestamp;
use lockgate_store::access::{DataClass, KeyLimits, KeyRecording, VirtualKey};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::shown;
use crate::filter::ago;
use crate::guard::Role;
use crate::problem::Problem;

/// The longest name, owner, project or tag, in characters.
const LONGEST: usize = 100;

/// The most models, providers or tags.
const MOST: usize = 200;

/// How much a key may use. `null` or left out = as much as it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsView {
    /// Calls at the same time.
    concurrency: Option<u32>,
    /// Nano-USD in a day (UTC).
    cost_per_day_nano: Option<u64>,
    /// Calls in any 60 seconds.
    requests_per_minute: Option<u32>,
    /// Tokens in any 60 seconds, prompts and answers.
    tokens_per_minute: Option<u64>,
}

impl From<KeyLimits> for LimitsView {
    fn from(limits: KeyLimits) -> Self {
        Self {
            concurrency: limits.concurrency,
            cost_per_day_nano: limits.cost_per_day_nano,
            requests_per_minute: limits.requests_per_minute,
            tokens_per_minute: limits.tokens_per_minute,
        }
    }
}

impl LimitsView {
    fn read(self) -> Result<KeyLimits, Problem> {
        let numbers = [
            ("concurrency", self.concurrency.map(u64::from)),
            ("cost_per_day_nano", self.cost_per_day_nano),
            ("requests_per_minute", self.requests_per_minute.map(u64::from)),
            ("tokens_per_minute", self.tokens_per_minute),
        ];
        let bad = |number: u64| number == 0 || i64::try_from(number).is_err();
        if let Some((name, _)) = numbers.iter().find(|(_, number)| number.is_some_and(bad)) {
            return Err(Problem::invalid(format!("`limits.{name}`: a number from 1, or null for no limit")));
        }
        Ok(KeyLimits {
            concurrency: self.concurrency,
            cost_per_day_nano: self.cost_per_day_nano,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
        })
    }
}

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// Its name, under which calls are recorded; 1 to 100 characters. No two keys in use have the same.
    name: String,
    /// The most confidential data: `public`, `internal`, `confidential`, `secret`. Nothing enforces it yet.
    #[serde(default)]
    data_class: Option<String>,
    /// When it ceases: a time (`2026-12-31T18:00:00Z`), a day (its beginning, UTC), or in how long (`90d`, `12h`).
    #[serde(default)]
    expires: Option<String>,
    /// How much it may use.
    #[serde(default)]
    limits: LimitsView,
    /// The only models that it may call, as patterns (`claude-*`, `openai:*`); empty = all.
    #[serde(default)]
    models: Vec<String>,
    /// Who it belongs to: the name of a user, or of anybody.
    #[serde(default)]
    owner: Option<String>,
    /// What it is used for.
    #[serde(default)]
    project: Option<String>,
    /// The only providers that it may call; empty = all.
    #[serde(default)]
    providers: Vec<String>,
    /// How much of its calls is kept: `full`, `redacted`, `metadata`, `off`; as of everybody's if not given.
    #[serde(default)]
    recording: Option<String>,
    /// What it may do beside calling models; `self` if not given: see what belongs to its owner.
    #[serde(default)]
    role: Option<Role>,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
}

impl NewKey {
    /// The key, if it can be.
    pub(super) fn read(self, key: &str, hash: [u8; 32], now: Timestamp) -> Result<VirtualKey, Problem> {
        Ok(VirtualKey {
            created_us: now.as_microsecond(),
            data_class: class(self.data_class)?,
            expires_us: self.expires.map(|text| end(&text, now)).transpose()?,
            hash,
            id: Uuid::now_v7(),
            limits: self.limits.read()?,
            models: words("models", self.models)?,
            name: word("name", self.name)?,
            owner: self.owner.map(|owner| word("owner", owner)).transpose()?,
            prefix: shown(key),
            project: self.project.map(|project| word("project", project)).transpose()?,
            providers: words("providers", self.providers)?,
            recording: recording(self.recording)?,
            retires_us: None,
            revoked_us: None,
            role: self.role.unwrap_or(Role::Own).into(),
            rotated_from: None,
            tags: words("tags", self.tags)?,
            used_us: None,
        })
    }
}

/// What can be changed of a key. What is left out stays; `null` takes it away.
#[expect(clippy::option_option, reason = "left out, taken away, and given are three things")]
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KeyChange {
    /// The most confidential data: `public`, `internal`, `confidential`, `secret`. Nothing enforces it yet.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    data_class: Option<Option<String>>,
    /// When it ceases.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    expires: Option<Option<String>>,
    /// How much it may use, all limits at once.
    limits: Option<LimitsView>,
    /// The only models that it may call; empty = all.
    models: Option<Vec<String>>,
    /// Its name.
    name: Option<String>,
    /// Who it belongs to.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    /// What it is used for.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    project: Option<Option<String>>,
    /// The only providers that it may call; empty = all.
    providers: Option<Vec<String>>,
    /// How much of its calls is kept.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    recording: Option<Option<String>>,
    /// What it may do beside calling models.
    role: Option<Role>,
    /// Words to find it by.
    tags: Option<Vec<String>>,
}

/// A member that is there, be it null.
#[expect(clippy::option_option, reason = "left out, taken away, and given are three things")]
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl KeyChange {
    /// The key as it will be, if it can be.
    pub(super) fn apply(self, mut key: VirtualKey, now: Timestamp) -> Result<VirtualKey, Problem> {
        if let Some(wanted) = self.data_class {
            key.data_class = class(wanted)?;
        }
        if let Some(wanted) = self.expires {
            key.expires_us = wanted.map(|text| end(&text, now)).transpose()?;
        }
        if let Some(limits) = self.limits {
            key.limits = limits.read()?;
        }
        if let Some(models) = self.models {
            key.models = words("models", models)?;
        }
        if let Some(name) = self.name {
            key.name = word("name", name)?;
        }
        if let Some(owner) = self.owner {
            key.owner = owner.map(|owner| word("owner", owner)).transpose()?;
        }
        if let Some(project) = self.project {
            key.project = project.map(|project| word("project", project)).transpose()?;
        }
        if let Some(providers) = self.providers {
            key.providers = words("providers", providers)?;
        }
        if let Some(wanted) = self.recording {
            key.recording = recording(wanted)?;
        }
        if let Some(role) = self.role {
            key.role = role.into();
        }
        if let Some(tags) = self.tags {
            key.tags = words("tags", tags)?;
        }
        Ok(key)
    }
}

fn word(name: &str, text: String) -> Result<String, Problem> {
    if text.trim().is_empty() || text.chars().count() > LONGEST || text.contains(char::is_control) {
        return Err(Problem::invalid(format!("`{name}`: 1 to {LONGEST} characters, in one line")));
    }
    Ok(text)
}

fn words(name: &str, list: Vec<String>) -> Result<Vec<String>, Problem> {
    if list.len() > MOST {
        return Err(Problem::invalid(format!("`{name}`: at most {MOST} entries")));
    }
    list.into_iter().map(|text| word(name, text)).collect()
}

fn class(wanted: Option<String>) -> Result<Option<DataClass>, Problem> {
    let read = |text: String| {
        DataClass::of(&text)
            .ok_or_else(|| one_of("data_class", &text, DataClass::ALL.iter().map(|one| one.as_str())))
    };
    wanted.map(read).transpose()
}

fn recording(wanted: Option<String>) -> Result<Option<KeyRecording>, Problem> {
    let read = |text: String| {
        KeyRecording::of(&text)
            .ok_or_else(|| one_of("recording", &text, KeyRecording::ALL.iter().map(|one| one.as_str())))
    };
    wanted.map(read).transpose()
}

fn one_of(name: &str, text: &str, known: impl Iterator<Item = &'static str>) -> Problem {
    Problem::invalid(format!("`{name}`: there is no `{text}`, but {}", known.collect::<Vec<_>>().join(", ")))
}

/// A time to come, as people write it.
fn end(text: &str, now: Timestamp) -> Result<i64, Problem> {
    let time = || text.parse::<Timestamp>().ok();
    let day = || {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let later = || now.checked_add(ago(text)?).ok();
    let at = time().or_else(day).or_else(later).filter(|at| *at > now);
    at.map(Timestamp::as_microsecond).ok_or_else(|| {
        Problem::invalid(format!(
            "`expires`: `{text}` is no time to come; write 2026-12-31T18:00:00Z, 2026-12-31, or in how long: 12h, 90d"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn read(wish: serde_json::Value) -> Result<VirtualKey, Problem> {
        serde_json::from_value::<NewKey>(wish).unwrap().read("lg-0123456789", [1; 32], now())
    }

    #[test]
    fn a_key_is_what_was_wished_and_a_change_leaves_the_rest() {
        let key = read(
            json!({"name": "ci", "expires": "90d", "owner": "ann", "limits": {"requests_per_minute": 60}}),
        )
        .unwrap();
        assert_eq!((key.prefix.as_str(), key.role), ("lg-012345", lockgate_store::access::Role::Own));
        assert_eq!(crate::view::time(key.expires_us.unwrap()), "2027-02-19T12:00:00Z");
        let change: KeyChange =
            serde_json::from_value(json!({"owner": null, "models": ["a*"], "role": "viewer"})).unwrap();
        let after = change.apply(key.clone(), now()).unwrap();
        assert_eq!((after.owner.as_deref(), after.models.len()), (None, 1));
        assert_eq!((after.expires_us, after.limits, after.name), (key.expires_us, key.limits, key.name));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_field_and_what_can() {
        for (wish, field) in [
            (json!({"name": " "}), "`name`"),
            (json!({"name": "a\nb"}), "`name`"),
            (json!({"name": "a", "expires": "2020-01-01"}), "`expires`"),
            (json!({"name": "a", "expires": "soon"}), "`expires`"),
            (json!({"name": "a", "data_class": "top"}), "public, internal, confidential, secret"),
            (json!({"name": "a", "recording": "some"}), "`recording`"),
            (json!({"name": "a", "models": [""]}), "`models`"),
            (json!({"name": "a", "limits": {"concurrency": 0}}), "`limits.concurrency`"),
            (json!({"name": "a", "limits": {"tokens_per_minute": u64::MAX}}), "`limits.tokens_per_minute`"),
        ] {
            let refused = read(wish.clone()).unwrap_err();
            assert!(refused.status == 400 && refused.message.contains(field), "{wish} {refused:?}");
        }
    }
}
