//! What lists of models say beyond their dialect's own words: one object, `lockgate`, that is the same in all of them.
//!
//! Holds what is known and nothing else. What a dialect has a word for stands there too, under that word.

use lockgate_core::{CardPrice, ModelCard};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The object; `None` where there is nothing to say.
#[derive(Debug, Serialize)]
pub(crate) struct Beyond<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stands_for: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vision: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_million_tokens: Option<Dollars>,
}

#[derive(Debug, Serialize)]
struct Dollars {
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<Box<RawValue>>,
}

impl<'a> Beyond<'a> {
    /// What is known of a model.
    pub(crate) fn of(card: &'a ModelCard) -> Option<Self> {
        let beyond = Self {
            stands_for: card.stands_for.as_deref(),
            context_tokens: card.context,
            max_output_tokens: card.max_output,
            thinking: card.thinking,
            tools: card.tools,
            vision: card.vision,
            usd_per_million_tokens: card.price.as_ref().and_then(Dollars::of),
        };
        let Self { stands_for, context_tokens, max_output_tokens, thinking, tools, vision, .. } = &beyond;
        let any = stands_for.is_some()
            || context_tokens.or(*max_output_tokens).is_some()
            || thinking.or(*tools).or(*vision).is_some()
            || beyond.usd_per_million_tokens.is_some();
        any.then_some(beyond)
    }
}

impl Dollars {
    fn of(price: &CardPrice) -> Option<Self> {
        let CardPrice { cache_read, cache_write, input, output } = *price;
        Some(Self {
            input: dollars(input)?,
            output: output.and_then(dollars),
            cache_read: cache_read.and_then(dollars),
            cache_write: cache_write.and_then(dollars),
        })
    }
}

/// A number as it is, without a float between.
fn dollars(nano: u64) -> Option<Box<RawValue>> {
    const ONE: u64 = 1_000_000_000;
    let text = format!("{}.{:09}", nano / ONE, nano % ONE);
    RawValue::from_string(text.trim_end_matches('0').trim_end_matches('.').to_owned()).ok()
}

/// What another gateway of this kind says of a model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    pub(crate) context_tokens: Option<u64>,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) thinking: Option<bool>,
    pub(crate) tools: Option<bool>,
    pub(crate) vision: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(card: &ModelCard) -> String {
        serde_json::to_string(&Beyond::of(card)).unwrap()
    }

    #[test]
    fn what_is_known_is_told_and_nothing_else() {
        assert_eq!(json(&ModelCard { id: "m".into(), ..ModelCard::default() }), "null");
        let card = ModelCard {
            context: Some(200_000),
            price: Some(CardPrice {
                cache_read: Some(30_000_000),
                cache_write: None,
                input: 1_250_000_000,
                output: Some(10_000_000_000),
            }),
            stands_for: Some("openai:m".into()),
            tools: Some(false),
            ..ModelCard::default()
        };
        assert_eq!(
            json(&card),
            r#"{"stands_for":"openai:m","context_tokens":200000,"tools":false,"usd_per_million_tokens":{"input":1.25,"output":10,"cache_read":0.03}}"#
        );
        let free = CardPrice { input: 0, ..CardPrice::default() };
        let card = ModelCard { price: Some(free), ..ModelCard::default() };
        assert_eq!(json(&card), r#"{"usd_per_million_tokens":{"input":0}}"#);
    }
}
