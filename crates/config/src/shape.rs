//! The tree against the JSON Schema: finds every unknown key and every value of a wrong type at once, and turns the rest
//! into JSON that the sections deserialise from.
//!
//! Reads exactly the schema that is published, so what the editor accepts and what the program accepts cannot differ. Types
//! are decided here, by what the schema wants: `1.10` is text for a model name and a number for a price. Knows nothing of
//! how fields relate to each other.

use std::{fmt::Write as _, net::SocketAddr};

use lockgate_policy::rules;
use lockgate_providers::Proxy;
use serde_json::{Map, Number, Value};
use url::Url;

use crate::{
    Code, Path, Problem, Source,
    schema::{Schema, Type},
    suggest,
    tree::{Content, Entry, Node, Scalar, Style},
    yaml::short,
};

/// Reads `node` by `schema`. None where nothing usable is left; the default applies then.
pub(crate) fn read(
    node: &Node,
    schema: Schema<'_>,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    Reader { problems }.value(node, schema, path)
}

/// The problem of a key that the schema does not have.
pub(crate) fn unknown_key<'a>(
    key: &str,
    source: &Source,
    path: &Path,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Problem {
    let suggestion = suggest::nearest(key, known.clone());
    let mut message = format!("unknown key `{}`", short(key));
    if suggestion.is_none() {
        let known: Vec<_> = known.into_iter().collect();
        let _ = write!(message, "; known here: {}", known.join(", "));
    }
    Problem::new(Code::UnknownKey, source, path, message).suggesting(suggestion)
}

struct Reader<'a> {
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn value(&mut self, node: &Node, schema: Schema<'_>, path: &Path) -> Option<Value> {
        match (&node.content, schema.shape()) {
            (Content::Broken, _) => None,
            (Content::Empty, Type::Map(_) | Type::Object) => self.map(&[], &node.source, schema, path),
            (Content::Empty, Type::List(_)) => Some(Value::Array(Vec::new())),
            (Content::Empty, _) if schema.is_nullable() => None,
            (Content::Map(entries), Type::Map(_) | Type::Object) => {
                self.map(entries, &node.source, schema, path)
            }
            (Content::List(items), Type::List(of)) => {
                let items = items.iter().enumerate();
                Some(items.filter_map(|(i, item)| self.value(item, of, &path.index(i))).collect())
            }
            (Content::Scalar(scalar), shape) => match Self::scalar(scalar, &shape, schema) {
                Ok(value) => value,
                Err((code, message, suggestion)) => {
                    let problem = Problem::new(code, &node.source, path, message).suggesting(suggestion);
                    self.problems.push(problem);
                    None
                }
            },
            (content, shape) => {
                let message = format!("expected {}, found {}", shape.wanted(), content.found());
                self.problems.push(Problem::new(Code::WrongType, &node.source, path, message));
                None
            }
        }
    }

    fn map(&mut self, entries: &[Entry], source: &Source, schema: Schema<'_>, path: &Path) -> Option<Value> {
        let mut object = Map::new();
        for entry in entries {
            let path = path.key(&entry.key);
            let Some(below) = schema.property(&entry.key) else {
                self.problems.push(match schema.elsewhere(&entry.key) {
                    Some(words) => Problem::new(
                        Code::UnknownKey,
                        &entry.source,
                        &path,
                        format!("`{}` cannot be set here: {words}", entry.key),
                    ),
                    None => unknown_key(&entry.key, &entry.source, &path, schema.property_names()),
                });
                continue;
            };
            if let Some(value) = self.value(&entry.node, below, &path) {
                object.insert(entry.key.clone(), value);
            }
        }
        let mut complete = true;
        for required in schema.required() {
            if object.contains_key(required) {
                continue;
            }
            complete = false;
            let present = entries.iter().any(|entry| entry.key == required && !entry.node.content.is_empty());
            if !present {
                let message = format!("`{required}` is missing");
                self.problems.push(Problem::new(Code::MissingKey, source, &path.key(required), message));
            }
        }
        complete.then_some(Value::Object(object))
    }

    fn scalar(scalar: &Scalar, shape: &Type<'_>, schema: Schema<'_>) -> Result<Option<Value>, Refusal> {
        let text = scalar.text.as_str();
        if text.is_empty() && scalar.style == Style::Expanded && schema.is_nullable() {
            return Ok(None);
        }
        let quoted = scalar.style == Style::Quoted;
        let wrong = || {
            let found = match quotable(scalar, schema) {
                Some(text) if quoted => format!("the text \"{text}\""),
                Some(text) => format!("`{text}`"),
                None => "something else".into(),
            };
            (Code::WrongType, format!("expected {}, found {found}", shape.wanted()), None)
        };
        match shape {
            Type::Any => Ok(Some(text.into())),
            Type::Boolean => match text {
                "true" | "True" | "TRUE" if !quoted => Ok(Some(true.into())),
                "false" | "False" | "FALSE" if !quoted => Ok(Some(false.into())),
                _ => Err(wrong()),
            },
            Type::Choice(choices) => {
                if choices.contains(&text) {
                    return Ok(Some(text.into()));
                }
                let shown = quotable(scalar, schema).map_or_else(String::new, |text| format!("`{text}` is "));
                let message = format!("{shown}not one of {}", choices.join(", "));
                let suggestion = suggest::nearest(text, choices.iter().copied()).map(str::to_owned);
                Err((Code::BadValue, message, suggestion))
            }
            Type::Integer | Type::Number if quoted => Err(wrong()),
            Type::Integer => {
                let value: i64 = text.replace('_', "").parse().map_err(|_| wrong())?;
                in_range(value as f64, schema)?;
                Ok(Some(value.into()))
            }
            Type::Number => {
                let number = text.parse().ok().and_then(Number::from_f64).ok_or_else(wrong)?;
                in_range(number.as_f64().unwrap_or_default(), schema)?;
                Ok(Some(number.into()))
            }
            Type::String => {
                if text.is_empty() && (schema.is_secret() || schema.min_length() > 0) {
                    return Err((Code::BadValue, "must not be empty".into(), None));
                }
                format(schema.format(), text).map_err(|(code, message)| (code, message, None))?;
                Ok(Some(text.into()))
            }
            Type::List(_) | Type::Map(_) | Type::Object => Err(wrong()),
        }
    }
}

/// Code, message, suggestion.
type Refusal = (Code, String, Option<String>);

fn in_range(value: f64, schema: Schema<'_>) -> Result<(), Refusal> {
    let (min, max) = schema.range();
    let message = match (min, max) {
        (Some(min), Some(max)) if value < min || value > max => format!("must be between {min} and {max}"),
        (Some(min), _) if value < min => format!("must be at least {min}"),
        (_, Some(max)) if value > max => format!("must be at most {max}"),
        _ => return Ok(()),
    };
    Err((Code::BadValue, message, None))
}

/// The text, if a message may contain it.
fn quotable(scalar: &Scalar, schema: Schema<'_>) -> Option<String> {
    let open = matches!(scalar.style, Style::Plain | Style::Quoted);
    (open && !schema.is_secret() && !looks_secret(&scalar.text)).then(|| short(&scalar.text))
}

/// Whether a text has the look of a credential: a known prefix, or long and without any space.
pub(crate) fn looks_secret(text: &str) -> bool {
    const PREFIXES: [&str; 11] =
        ["sk-", "sk_", "gsk_", "xai-", "AIza", "ya29.", "fw_", "csk-", "Bearer ", "lg-", "ghp_"];
    let long = text.len() >= 32 && !text.contains([' ', '/', ':', '*', '.']);
    long || PREFIXES.iter().any(|prefix| text.starts_with(prefix) && text.len() > prefix.len() + 7)
}

fn format(format: Option<&str>, text: &str) -> Result<(), (Code, String)> {
    let bad = |message: &str| Err((Code::BadValue, message.to_owned()));
    match format {
        Some("uri") => match Url::parse(text) {
            Err(error) => bad(&format!("not a URL: {error}")),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                bad("must start with `http://` or `https://`")
            }
            Ok(url) if !url.has_host() => bad("the URL names no host"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                bad("a URL must not contain a user or password; use `api_key` or `headers`")
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                bad("a base URL has no `?` or `#`; use `query`")
            }
            Ok(_) => Ok(()),
        },
        Some("socket-address") if text.parse::<SocketAddr>().is_err() => {
            bad("must be an IP address and a port, such as `127.0.0.1:8484` or `[::1]:8484`")
        }
        Some("key-hash") if crate::KeyHash::parse(text).is_none() => Err((
            Code::KeyHash,
            "must be `blake3:` and 64 hexadecimal digits; never the key itself".to_owned(),
        )),
        Some("network") if crate::Network::parse(text).is_none() => {
            bad("must be a network such as `10.0.0.0/8`, or an address")
        }
        Some("webhook-url") if !Url::parse(text).is_ok_and(|url| is_receiver(&url)) => {
            bad("must be an address such as `https://example.org/hook`, without a user or password")
        }
        Some("webhook-secret") if !is_webhook_secret(text) => {
            bad("must be `whsec_` and 24 to 64 bytes in base64")
        }
        Some("proxy") => text.parse::<Proxy>().map(drop).map_err(|error| (Code::BadValue, error.to_string())),
        Some("time") if crate::Expiry::parse(text).is_none() => {
            bad("must be a date or time such as `2026-12-31` or `2026-12-31T18:00:00Z`")
        }
        Some("pattern") => {
            lockgate_policy::Pattern::new(text).map(drop).map_err(|error| (Code::BadValue, error.to_string()))
        }
        Some("path-pattern") => {
            rules::PathPattern::try_from(text.to_owned()).map(drop).map_err(|words| (Code::BadValue, words))
        }
        Some("cel") => {
            rules::Condition::try_from(text.to_owned()).map(drop).map_err(|words| (Code::BadValue, words))
        }
        Some("source") => {
            rules::From::try_from(text.to_owned()).map(drop).map_err(|words| (Code::BadValue, words))
        }
        Some("date") => {
            let read = text.parse::<lockgate_ledger::Date>();
            read.map(drop).map_err(|error| (Code::BadValue, error.to_string()))
        }
        Some("price") => {
            let read = lockgate_ledger::Rate::parse(text);
            read.map(drop).map_err(|error| (Code::BadValue, error.to_string()))
        }
        Some("model-pattern") if text.is_empty() => bad("an empty pattern matches nothing"),
        Some(_) | None => Ok(()),
    }
}

/// Whether a POST can be sent there.
fn is_receiver(url: &Url) -> bool {
    let login = !url.username().is_empty() || url.password().is_some();
    matches!(url.scheme(), "http" | "https") && url.has_host() && !login
}

/// Whether the text has the form that the Standard Webhooks specification asks for.
fn is_webhook_secret(text: &str) -> bool {
    let Some(encoded) = text.strip_prefix("whsec_") else { return false };
    let digits = encoded.trim_end_matches('=');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    encoded.len() % 4 == 0
        && encoded.len() - digits.len() <= 2
        && digits.bytes().all(known)
        && (24..=64).contains(&(digits.len() * 3 / 4))
}

impl Content {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn found(&self) -> &'static str {
        match self {
            Self::Broken | Self::Empty => "nothing",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Scalar(_) => "a single value",
        }
    }
}

impl Type<'_> {
    fn wanted(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Boolean => "`true` or `false`",
            Self::Choice(_) => "one word",
            Self::Integer => "a whole number",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Object => "a mapping",
            Self::Number => "a number",
            Self::String => "a text",
        }
    }
}
