//! What a provider says of a call in the usage of its answer beside the buckets: what it cost, and which tokens are not text.
//!
//! OpenRouter tells dollars, xAI tells ten-billionths of a dollar, the `claude` command tells dollars. The numbers are
//! read as text: no float comes between.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cost::{Media, Terms};
use crate::nano::Nano;

/// What an answer, or a part of it that tells usage, says of the call beside its usage. The last word holds.
pub fn terms(answer: &[u8]) -> Terms {
    Terms { told: told_in(answer), media: media_in(answer).unwrap_or_default(), ..Terms::default() }
}

/// The cost in an answer. Those that tell it do so in the object of the usage, or beside it.
fn told_in(answer: &[u8]) -> Option<Nano> {
    let begin = match memmem::rfind(answer, b"\"total_cost_usd\"") {
        Some(at) => answer[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |line| line + 1),
        None => {
            memmem::find(answer, b"\"cost")?;
            memmem::rfind(answer, b"\"usage\":")? + b"\"usage\":".len()
        }
    };
    told(object(&answer[begin..])?)
}

/// The object that some bytes begin with.
fn object(bytes: &[u8]) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
    Some(values.next()?.ok()?.get())
}

/// Tokens that are not text, as OpenAI and Gemini tell them.
fn media_in(answer: &[u8]) -> Option<Media> {
    for name in [&b"\"usage\":"[..], b"\"usageMetadata\":"] {
        let Some(at) = memmem::rfind(answer, name) else { continue };
        let usage = &answer[at + name.len()..];
        if memmem::find(usage, b"\"audio_tokens\"").or_else(|| memmem::find(usage, b"\"modality\"")).is_some()
        {
            return serde_json::from_str(object(usage)?).ok().map(|told: Kinds| told.media());
        }
    }
    None
}

/// The tokens of a usage by kind. Whoever has no such member has none of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kinds {
    #[serde(rename = "candidatesTokensDetails")]
    candidates: Option<Vec<Modality>>,
    completion_tokens_details: Option<Sound>,
    input_tokens_details: Option<Sound>,
    output_tokens_details: Option<Sound>,
    #[serde(rename = "promptTokensDetails")]
    prompt: Option<Vec<Modality>>,
    prompt_tokens_details: Option<Sound>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sound {
    audio_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Modality {
    modality: String,
    #[serde(rename = "tokenCount")]
    tokens: u64,
}

impl Kinds {
    fn media(&self) -> Media {
        let sound = |one: &Option<Sound>, other: &Option<Sound>| {
            one.iter().chain(other).filter_map(|details| details.audio_tokens).sum::<u64>()
        };
        let of_kind = |list: &Option<Vec<Modality>>, kind: &str| {
            list.iter().flatten().filter(|one| one.modality == kind).map(|one| one.tokens).sum::<u64>()
        };
        Media {
            audio_input: sound(&self.prompt_tokens_details, &self.input_tokens_details)
                + of_kind(&self.prompt, "AUDIO"),
            audio_output: sound(&self.completion_tokens_details, &self.output_tokens_details)
                + of_kind(&self.candidates, "AUDIO"),
            image_input: of_kind(&self.prompt, "IMAGE"),
            image_output: of_kind(&self.candidates, "IMAGE"),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage<'a> {
    /// OpenRouter: what its account was charged.
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cost_details: Option<&'a RawValue>,
    /// xAI.
    #[serde(borrow)]
    cost_in_usd_ticks: Option<&'a RawValue>,
    /// OpenRouter with a key of the customer: then the upstream sends a bill of its own beside the charge.
    #[serde(borrow)]
    is_byok: Option<&'a RawValue>,
    /// The `claude` command.
    #[serde(borrow)]
    total_cost_usd: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    upstream_inference_cost: Option<&'a RawValue>,
}

/// The cost in a JSON object: the `usage` of an answer, or the result of the `claude` command.
pub fn told(usage: &str) -> Option<Nano> {
    let usage: Usage<'_> = serde_json::from_str(usage).ok()?;
    if let Some(ticks) = usage.cost_in_usd_ticks {
        return Nano::from_decimal(number(ticks), -1);
    }
    let charged = usage.cost.or(usage.total_cost_usd).and_then(|cost| Nano::from_dollars(number(cost)))?;
    if usage.is_byok.is_none_or(|byok| byok.get() != "true") {
        return Some(charged);
    }
    let details: Details<'_> = serde_json::from_str(usage.cost_details?.get()).ok()?;
    let upstream = Nano::from_dollars(number(details.upstream_inference_cost?))?;
    Some(charged.saturating_add(upstream))
}

/// A number, also one in quotes.
fn number(raw: &RawValue) -> &str {
    raw.get().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_own_cost_is_read_to_the_nano_dollar() {
        for (usage, nano) in [
            (r#"{"prompt_tokens":1,"cost":0.00014}"#, 140_000),
            (r#"{"cost":"0.95","is_byok":false,"cost_details":{"upstream_inference_cost":19}}"#, 950_000_000),
            (r#"{"cost":0.0025,"is_byok":true,"cost_details":{"upstream_inference_cost":0.05}}"#, 52_500_000),
            (r#"{"cost":0}"#, 0),
            (r#"{"cost":9.5e-05}"#, 95_000),
            (r#"{"cost_in_usd_ticks":37756000}"#, 3_775_600),
            (r#"{"cost_in_usd_ticks":15}"#, 2),
            (r#"{"total_cost_usd":0.0123456}"#, 12_345_600),
        ] {
            assert_eq!(told(usage), Some(Nano::new(nano)), "{usage}");
        }
    }

    #[test]
    fn an_answer_says_what_it_cost_and_which_tokens_are_not_text() {
        let stream = b"data: {\"choices\":[],\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":9,\"cost\":0.5}}\n\ndata: [DONE]\n\n";
        assert_eq!(terms(stream).told, Some(Nano::new(500_000_000)));
        let lines = b"{\"type\":\"system\"}\n{\"type\":\"result\",\"total_cost_usd\":0.25,\"usage\":{\"input_tokens\":1}}\n";
        assert_eq!(terms(lines).told, Some(Nano::new(250_000_000)));
        let spoken =
            br#"{"usage":{"prompt_tokens":50,"prompt_tokens_details":{"audio_tokens":40,"cached_tokens":0},
            "completion_tokens_details":{"audio_tokens":7}}}"#;
        let media = terms(spoken).media;
        assert_eq!((media.audio_input, media.audio_output, media.image_input), (40, 7, 0));
        let drawn = br#"data: {"usageMetadata":{"promptTokenCount":5,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":2},{"modality":"AUDIO","tokenCount":3}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}"#;
        let media = terms(drawn).media;
        assert_eq!((media.audio_input, media.image_output), (3, 1_290));
        for plain in [&b""[..], b"{\"usage\":{\"prompt_tokens\":1}}", b"the \\\"usage\\\": of \"cost"] {
            assert_eq!(terms(plain), Terms::default());
        }
    }

    #[test]
    fn half_a_cost_is_no_cost() {
        for usage in [
            "{}",
            "[]",
            r#"{"cost":null}"#,
            r#"{"cost":-1}"#,
            r#"{"cost":{"total_cost":1}}"#,
            r#"{"cost":0.1,"is_byok":true}"#,
            r#"{"cost":0.1,"is_byok":true,"cost_details":{"upstream_inference_cost":null}}"#,
        ] {
            assert_eq!(told(usage), None, "{usage}");
        }
    }
}
