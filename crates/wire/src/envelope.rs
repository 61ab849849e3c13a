//! The outside of a request: model, stream, counts, and where they stand in the body; and edits of single fields
//! that leave every other byte as it was.
//!
//! Never looks inside messages. What a request must have at least is data per dialect ([`EnvelopeSpec`]).

use std::ops::Range;

use lockgate_core::{ErrorKind, Failure};

use crate::scan::{Document, Kind, Member, Scan, ScanError, scan};

/// What the outside of a request looks like in one dialect.
#[derive(Debug)]
pub struct EnvelopeSpec {
    /// The field that holds the messages.
    pub messages: &'static str,
    /// Whether the body names the model (else the path does).
    pub model_in_body: bool,
    /// Fields that must be there, with the kinds each may have.
    pub required: &'static [(&'static str, &'static [Kind])],
    /// Whether a body without `stream` asks for one. `None` = the path decides.
    pub stream_default: Option<bool>,
    /// The field that holds the tools.
    pub tools: &'static str,
}

/// Bounds on what a request may hold.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeLimits {
    /// Messages.
    pub messages: usize,
    /// Objects and arrays inside each other.
    pub nesting: usize,
    /// Tools.
    pub tools: usize,
}

/// The outside of a request.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// How many messages it holds.
    pub messages: usize,
    /// The model it names, where the body does.
    pub model: Option<String>,
    scan: Scan,
    /// Whether it asks for a stream; `None` where the path decides.
    pub stream: Option<bool>,
    /// How many tools it offers.
    pub tools: usize,
}

impl Envelope {
    /// Reads the outside of a body; the error names the field.
    pub fn read(body: &[u8], spec: &EnvelopeSpec, limits: &EnvelopeLimits) -> Result<Self, Failure> {
        let scan = scan(body, limits.nesting).map_err(|error| failure_of(body, &error))?;
        for (field, kinds) in spec.required {
            require(&scan, body, field, kinds)?;
        }
        let model = match scan.find(body, "model") {
            Some(member) if spec.model_in_body => Some(text_of(body, member, "model")?),
            _ => None,
        };
        if spec.model_in_body && model.as_deref().is_none_or(str::is_empty) {
            return Err(Failure::invalid(
                "model",
                "`model` is missing: name the model to call, such as `claude-sonnet-4-5`",
            ));
        }
        let stream = match (spec.stream_default, scan.find(body, "stream")) {
            (None, _) => None,
            (Some(default), None) => Some(default),
            (Some(default), Some(member)) => match member.kind {
                Kind::Bool => Some(&body[member.value.clone()] == b"true"),
                Kind::Null => Some(default),
                Kind::Array | Kind::Number | Kind::Object | Kind::String => {
                    return Err(Failure::invalid("stream", "`stream` must be true or false"));
                }
            },
        };
        let count = |field, limit: usize| bounded(scan.find(body, field), field, limit);
        let messages = count(spec.messages, limits.messages)?;
        let tools = count(spec.tools, limits.tools)?;
        Ok(Self { messages, model, scan, stream, tools })
    }

    /// Where a top-level value stands.
    pub fn value(&self, body: &[u8], key: &str) -> Option<Range<usize>> {
        self.scan.find(body, key).map(|member| member.value.clone())
    }

    /// The names of all top-level fields.
    pub fn fields<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = std::borrow::Cow<'a, str>> {
        self.scan.members.iter().map(|member| crate::scan::key_text(&body[member.key.clone()]))
    }

    /// The body that this is the outside of, with what is known about it: reading it goes quicker.
    pub fn document<'a>(&'a self, body: &'a [u8]) -> Document<'a> {
        self.scan.document(body)
    }

    /// The body with one top-level value set to `json`; every other byte stays.
    pub fn with(&self, body: &[u8], key: &str, json: &str) -> Vec<u8> {
        set_member(body, &self.scan, key, json)
    }
}

/// A body with a range of bytes replaced.
pub fn splice(body: &[u8], range: Range<usize>, with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() - range.len() + with.len());
    out.extend_from_slice(&body[..range.start]);
    out.extend_from_slice(with);
    out.extend_from_slice(&body[range.end..]);
    out
}

/// A top-level string of a body, if it is there and is one.
pub fn member_text(body: &[u8], key: &str) -> Option<String> {
    let scan = scan(body, 512).ok()?;
    serde_json::from_slice(&body[scan.find(body, key)?.value.clone()]).ok()
}

/// A body with one top-level string set; every other byte stays. A body that is no object is left as it is.
pub fn with_member(body: &[u8], key: &str, text: &str) -> Vec<u8> {
    match scan(body, 512) {
        Ok(scan) => set_member(body, &scan, key, &serde_json::Value::from(text).to_string()),
        Err(_) => body.to_vec(),
    }
}

pub(crate) fn set_member(body: &[u8], scan: &Scan, key: &str, json: &str) -> Vec<u8> {
    if let Some(member) = scan.find(body, key) {
        return splice(body, member.value.clone(), json.as_bytes());
    }
    let name = serde_json::Value::from(key);
    let (at, text) = if let Some(last) = scan.members.last() {
        (last.value.end, format!(",{name}:{json}"))
    } else {
        let brace = memchr::memchr(b'{', body).map_or(0, |brace| brace + 1);
        (brace, format!("{name}:{json}"))
    };
    splice(body, at..at, text.as_bytes())
}

fn require(scan: &Scan, body: &[u8], field: &'static str, kinds: &[Kind]) -> Result<(), Failure> {
    match scan.find(body, field) {
        None => Err(Failure::invalid(field, format!("`{field}` is missing"))),
        Some(member) if !kinds.contains(&member.kind) => {
            let names: Vec<_> = kinds.iter().map(|kind| name_of(*kind)).collect();
            Err(Failure::invalid(field, format!("`{field}` must be {}", names.join(" or "))))
        }
        Some(_) => Ok(()),
    }
}

fn bounded(member: Option<&Member>, field: &str, limit: usize) -> Result<usize, Failure> {
    let items = member.filter(|member| member.kind == Kind::Array).map_or(0, |member| member.items);
    if items > limit {
        let message =
            format!("`{field}` has {items} entries; at most {limit} are allowed here (server.limits)");
        return Err(Failure::invalid(field, message));
    }
    Ok(items)
}

fn text_of(body: &[u8], member: &Member, field: &str) -> Result<String, Failure> {
    if member.kind != Kind::String {
        return Err(Failure::invalid(field, format!("`{field}` must be a string")));
    }
    serde_json::from_slice(&body[member.value.clone()])
        .map_err(|_| Failure::invalid(field, format!("`{field}` is not a valid string")))
}

/// The place also as line and column where there are several lines: people write such bodies by hand.
fn failure_of(body: &[u8], error: &ScanError) -> Failure {
    let words = match error {
        ScanError::Syntax { at, .. } if memchr::memchr(b'\n', &body[..*at]).is_some() => {
            let before = &body[..*at];
            let line = 1 + memchr::memchr_iter(b'\n', before).count();
            let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1) + 1;
            format!("{error} (line {line}, column {column})")
        }
        ScanError::Syntax { .. }
        | ScanError::Duplicate { .. }
        | ScanError::NotAnObject
        | ScanError::TooDeep { .. } => error.to_string(),
    };
    Failure::new(ErrorKind::InvalidRequest, words)
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Array => "an array",
        Kind::Bool => "true or false",
        Kind::Null => "null",
        Kind::Number => "a number",
        Kind::Object => "an object",
        Kind::String => "a string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: EnvelopeSpec = EnvelopeSpec {
        messages: "messages",
        model_in_body: true,
        required: &[("messages", &[Kind::Array])],
        stream_default: Some(false),
        tools: "tools",
    };
    const LIMITS: EnvelopeLimits = EnvelopeLimits { messages: 2, nesting: 8, tools: 1 };

    fn read(body: &str) -> Result<Envelope, Failure> {
        Envelope::read(body.as_bytes(), &SPEC, &LIMITS)
    }

    /// Behaviour 7, requirement I3.
    #[test]
    fn what_is_wrong_in_a_body_of_several_lines_is_told_by_line_and_column() {
        let limits = EnvelopeLimits { messages: 1, nesting: 9, tools: 1 };
        let said = |body: &str| Envelope::read(body.as_bytes(), &SPEC, &limits).unwrap_err().message;
        let error = said("{\n  \"model\": \"m\",\n  \"messages\": [,]\n}");
        assert!(error.ends_with("expected a value at byte 33 (line 3, column 16)"), "{error}");
        assert!(said("{]").ends_with("at byte 1"));
    }

    #[test]
    fn a_bad_body_is_refused_by_the_name_of_the_field() {
        for (body, param, words) in [
            ("{", None, "not valid JSON"),
            ("[]", None, "must be a JSON object"),
            (r#"{"messages":[]}"#, Some("model"), "missing"),
            (r#"{"model":"","messages":[]}"#, Some("model"), "missing"),
            (r#"{"model":7,"messages":[]}"#, Some("model"), "must be a string"),
            (r#"{"model":"m"}"#, Some("messages"), "missing"),
            (r#"{"model":"m","messages":{}}"#, Some("messages"), "must be an array"),
            (r#"{"model":"m","messages":[],"stream":"yes"}"#, Some("stream"), "true or false"),
            (r#"{"model":"m","messages":[1,2,3]}"#, Some("messages"), "at most 2"),
            (r#"{"model":"m","messages":[],"tools":[1,2]}"#, Some("tools"), "at most 1"),
        ] {
            let failure = read(body).unwrap_err();
            assert_eq!(
                (failure.kind, failure.param.as_deref()),
                (ErrorKind::InvalidRequest, param),
                "{body}"
            );
            assert!(failure.message.contains(words), "{body}: {}", failure.message);
        }
    }

    #[test]
    fn one_field_is_replaced_and_every_other_byte_stays() {
        let body = "{ \"model\" : \"a\" ,\"messages\":[ ],  \"x\": 1.50 }";
        let envelope = read(body).unwrap();
        let out = envelope.with(body.as_bytes(), "model", "\"b\"");
        assert_eq!(String::from_utf8(out).unwrap(), body.replace("\"a\"", "\"b\""));
        let out = envelope.with(body.as_bytes(), "stream", "true");
        assert_eq!(String::from_utf8(out).unwrap(), body.replace("1.50 }", "1.50,\"stream\":true }"));
    }
}
