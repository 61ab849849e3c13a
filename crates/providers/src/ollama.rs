//! Ollama in its own dialect, which alone can say how large a context the call needs.
//!
//! Quirks:
//! - A prompt larger than the context loses its oldest messages without a word. So a converted call carries
//!   `options.num_ctx` for what it needs, and every call that might not fit `truncate: false` and `shift: false`: then
//!   Ollama answers status 400, or ends with `length`, instead of forgetting.
//! - A call that came in this dialect keeps what it says (`num_ctx`, `truncate`, `keep_alive`). It is left as it came
//!   where any tokenizer fits it into the context it gets; beyond that it gets what it does not say itself.
//! - A new context reloads the model, so contexts are powers of two: calls of one session rarely differ.
//! - Models named `…:cloud` or `…-cloud` run at ollama.com.

use bytes::Bytes;
use http::{HeaderMap, Method};
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_wire::{Quirks, splice};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::address::Address;
use crate::body::Members;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, signing};

/// The smallest context that any version gives when nobody asks for one.
const SMALLEST: u64 = 4096;

/// Tokens for a picture, as vision models take them at most in the usual resolutions.
const PICTURE: u64 = 2048;

/// Tokens of an answer that nobody bounded.
const ANSWER: u64 = 4096;

/// An Ollama server.
pub(crate) struct Ollama {
    address: Address,
    keep_alive: Option<String>,
    max_num_ctx: Option<u64>,
}

impl Ollama {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        let ollama = settings.ollama.clone().unwrap_or_default();
        let address = Address::of(id, Kind::Ollama, settings)?.without("/api");
        Ok(Self { address, keep_alive: ollama.keep_alive, max_num_ctx: ollama.max_num_ctx })
    }

    /// The context to ask for: the next power of two, within the bound.
    fn context(&self, need: u64) -> u64 {
        let step = need.max(SMALLEST).checked_next_power_of_two().unwrap_or(u64::MAX);
        self.max_num_ctx.map_or(step, |bound| step.min(bound))
    }

    /// What a body lacks so that nothing of its prompt is lost unseen.
    fn without_truncation(&self, body: Bytes) -> Result<Bytes, Failure> {
        let members = Members::read(&body)?;
        if members.value("truncate").is_some() {
            return Ok(body);
        }
        let options = members.object("options")?;
        let said = |key| options.as_ref().and_then(|(options, _)| options.number(key));
        let context = said("num_ctx").and_then(|tokens| u64::try_from(tokens).ok());
        let (bytes, pictures) = prompt(&body);
        // No tokenizer makes more than a token of two bytes over a whole prompt.
        if bytes / 2 + pictures <= context.unwrap_or(SMALLEST.min(self.max_num_ctx.unwrap_or(SMALLEST))) {
            return Ok(body);
        }
        let mut out = body.to_vec();
        if context.is_none() {
            let answer = said("num_predict").and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(ANSWER);
            let wanted = self.context(bytes / 3 + pictures + answer).to_string();
            out = match options {
                Some((options, range)) => splice(&body, range, &options.with("num_ctx", &wanted)),
                None => members.with("options", &format!("{{\"num_ctx\":{wanted}}}")),
            };
        }
        out = Members::read(&out)?.with("truncate", "false");
        let members = Members::read(&out)?;
        if members.value("shift").is_none() {
            out = members.with("shift", "false");
        }
        Ok(out.into())
    }
}

impl Provider for Ollama {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Ollama]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        let (method, path) = match &ask.operation {
            Operation::CountTokens => {
                return Err(Failure::new(ErrorKind::NotFound, "Ollama has no token counting"));
            }
            Operation::Embed { single: true } => (Method::POST, "/api/embeddings"),
            Operation::Embed { single: false } => (Method::POST, "/api/embed"),
            Operation::Generate => (Method::POST, "/api/chat"),
            Operation::Models => (Method::GET, "/api/tags"),
            Operation::Raw { method, path_and_query } => ((*method).clone(), *path_and_query),
        };
        Ok(Endpoint::Http { method, uri: self.address.at(path)? })
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, _model: &str, need: u64) -> Quirks {
        Quirks { context: Some(self.context(need)), keep_alive: self.keep_alive.clone(), ..Quirks::default() }
    }

    fn adapt(&self, ask: &Ask<'_>, body: Bytes) -> Result<Bytes, Failure> {
        let generates = match &ask.operation {
            Operation::Generate => true,
            Operation::Raw { path_and_query, .. } => {
                path_and_query.split('?').next() == Some("/api/generate")
            }
            Operation::CountTokens | Operation::Embed { .. } | Operation::Models => false,
        };
        if !generates {
            return Ok(body);
        }
        let body = self.without_truncation(body)?;
        let Some(keep_alive) = &self.keep_alive else { return Ok(body) };
        let members = Members::read(&body)?;
        if members.value("keep_alive").is_some() {
            return Ok(body);
        }
        Ok(members.with("keep_alive", &serde_json::Value::from(keep_alive.as_str()).to_string()).into())
    }
}

/// Whether a model of this name runs at ollama.com although a local server lists it. A name alone proves no model
/// local: `remote_host` in the server's list and in its answers counts as well.
pub fn is_remote_name(model: &str) -> bool {
    let last = model.rsplit([':', '/']).next().unwrap_or(model);
    last.eq_ignore_ascii_case("cloud") || last.to_ascii_lowercase().ends_with("-cloud")
}

/// The size of a prompt: bytes of everything but pictures, and tokens for the pictures.
fn prompt(body: &[u8]) -> (u64, u64) {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        images: Option<Vec<&'a RawValue>>,
        #[serde(borrow, default)]
        messages: Vec<Message<'a>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        images: Option<Vec<&'a RawValue>>,
    }
    // A body of another shape is the server's to refuse; all of it counts as words then.
    let Ok(parsed) = serde_json::from_slice::<Body<'_>>(body) else { return (body.len() as u64, 0) };
    let groups = parsed.messages.into_iter().filter_map(|message| message.images).chain(parsed.images);
    let (mut bytes, mut pictures) = (body.len() as u64, 0);
    for image in groups.flatten() {
        bytes = bytes.saturating_sub(image.get().len() as u64);
        pictures += PICTURE;
    }
    (bytes, pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ollama(json: &str) -> Ollama {
        Ollama::open("ollama", &serde_json::from_str(json).unwrap()).unwrap()
    }

    fn ask() -> Ask<'static> {
        Ask { dialect: Dialect::Ollama, model: "m", operation: Operation::Generate, stream: true }
    }

    fn adapted(ollama: &Ollama, body: &str) -> String {
        let out = ollama.adapt(&ask(), Bytes::copy_from_slice(body.as_bytes())).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// Requirement 004-32.
    #[test]
    fn the_context_is_at_least_what_the_call_needs_in_steps_and_within_the_bound() {
        let free = ollama("{}");
        for need in [0, 1, 4096, 4097, 9000, 65_536, 65_537, 200_000] {
            let context = free.quirks("m", need).context.unwrap();
            assert!(context >= need && context >= 4096 && context.is_power_of_two(), "{need}: {context}");
            assert!(context < 2 * need.max(4096), "{need}: {context}");
        }
        assert_eq!(ollama(r#"{"ollama": {"max_num_ctx": 10000}}"#).quirks("m", 9000).context, Some(10000));
    }

    #[test]
    fn a_native_call_that_surely_fits_stays_byte_for_byte() {
        let body = r#"{ "model":"m", "messages":[{"role":"user","content":"hi"}] }"#;
        assert_eq!(adapted(&ollama("{}"), body), body);
    }

    /// Requirement 004-32: truncation is never silent.
    #[test]
    fn a_native_call_that_might_be_truncated_gets_room_and_a_refusal_instead_of_silence() {
        let words = "word ".repeat(6000);
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"{words}"}}],"options":{{"seed":1}}}}"#
        );
        let sent = adapted(&ollama("{}"), &body);
        assert!(sent.starts_with(body.strip_suffix("}}").unwrap()), "the client's own bytes stay");
        assert!(
            sent.ends_with(r#""options":{"seed":1,"num_ctx":16384},"truncate":false,"shift":false}"#),
            "{}",
            &sent[30_000..]
        );
        let bounded = adapted(&ollama(r#"{"ollama": {"max_num_ctx": 8192}}"#), &body);
        assert!(bounded.ends_with(r#""num_ctx":8192},"truncate":false,"shift":false}"#));
    }

    #[test]
    fn what_a_client_says_about_its_context_is_left() {
        let words = "word ".repeat(6000);
        let own = format!(r#"{{"prompt":"{words}","options":{{"num_ctx":2048}}}}"#);
        assert!(
            adapted(&ollama("{}"), &own)
                .ends_with(r#""options":{"num_ctx":2048},"truncate":false,"shift":false}"#)
        );
        let large = format!(r#"{{"prompt":"{words}","options":{{"num_ctx":32768}}}}"#);
        assert_eq!(adapted(&ollama("{}"), &large), large);
        let wants = format!(r#"{{"prompt":"{words}","truncate":true}}"#);
        assert_eq!(adapted(&ollama("{}"), &wants), wants);
    }

    #[test]
    fn a_picture_does_not_count_as_words() {
        let picture = "A".repeat(2_000_000);
        let body = format!(r#"{{"messages":[{{"role":"user","content":"see","images":["{picture}"]}}]}}"#);
        assert_eq!(adapted(&ollama("{}"), &body), body);
    }

    #[test]
    fn keep_alive_of_the_settings_goes_along_unless_the_client_has_its_own() {
        let ollama = ollama(r#"{"ollama": {"keep_alive": "30m"}}"#);
        assert_eq!(adapted(&ollama, r#"{"prompt":"x"}"#), r#"{"prompt":"x","keep_alive":"30m"}"#);
        assert_eq!(adapted(&ollama, r#"{"keep_alive":-1}"#), r#"{"keep_alive":-1}"#);
        assert_eq!(ollama.quirks("m", 1).keep_alive.as_deref(), Some("30m"));
    }

    /// Requirement 004-32: cloud models are recognised.
    #[test]
    fn names_of_cloud_models_are_recognised() {
        for name in ["glm-4.6:cloud", "gpt-oss:120b-cloud", "me/x:671b-Cloud", "kimi-k2-cloud"] {
            assert!(is_remote_name(name), "{name}");
        }
        for name in ["cloudy:7b", "qwen3:8b", "cloud/qwen3:8b", "gpt-oss:20b"] {
            assert!(!is_remote_name(name), "{name}");
        }
    }
}
