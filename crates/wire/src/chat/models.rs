//! The list of models: OpenAI's bare one, and what llama.cpp, vLLM, OpenRouter and others add to it on parse.
//!
//! A context that a server has allocated counts before one that the model could have.

use lockgate_core::ModelCard;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::chunk::{Loose, Number};
use crate::card::{Beyond, Told};
use crate::json::to_client;
use crate::{DecodeError, ModelsFormat, ModelsPage};

pub(super) struct Models;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Loose<'a>,
    created: Number,
    #[serde(borrow)]
    owned_by: Loose<'a>,
    /// Together.
    #[serde(borrow)]
    organization: Loose<'a>,
    #[serde(borrow)]
    name: Loose<'a>,
    #[serde(borrow)]
    display_name: Loose<'a>,
    /// vLLM.
    max_model_len: Number,
    /// OpenRouter, Together, Moonshot.
    context_length: Number,
    /// Groq.
    context_window: Number,
    max_completion_tokens: Number,
    /// Mistral.
    max_context_length: Number,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
    /// llama.cpp.
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    architecture: Option<&'a RawValue>,
    #[serde(borrow)]
    supported_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    top_provider: Option<&'a RawValue>,
    /// Another gateway of this kind.
    #[serde(borrow)]
    lockgate: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    n_ctx: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Architecture {
    input_modalities: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TopProvider {
    context_length: Number,
    max_completion_tokens: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    function_calling: Option<bool>,
    vision: Option<bool>,
}

/// A part of a model's card, if it has the form that is known.
fn part<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn card(wire: &Wire<'_>) -> Option<ModelCard> {
    let meta: Meta = part(wire.meta);
    let architecture: Architecture = part(wire.architecture);
    let provider: TopProvider = part(wire.top_provider);
    let capabilities: Capabilities = part(wire.capabilities);
    let parameters: Option<Vec<String>> = part(wire.supported_parameters);
    let told: Told = part(wire.lockgate);
    let context = [
        meta.n_ctx,
        wire.max_model_len,
        wire.context_length,
        wire.context_window,
        wire.max_context_length,
        provider.context_length,
    ];
    let has =
        |list: Option<&Vec<String>>, what: &str| list.map(|list| list.iter().any(|entry| entry == what));
    let text = |text: &Loose<'_>| text.text().map(str::to_owned);
    Some(ModelCard {
        context: context
            .iter()
            .find_map(|number| number.0.filter(|tokens| *tokens > 0))
            .or(told.context_tokens),
        created: wire.created.0.filter(|at| *at > 0),
        display_name: text(&wire.display_name).or_else(|| text(&wire.name)),
        id: text(&wire.id)?,
        max_output: wire
            .max_completion_tokens
            .0
            .or(provider.max_completion_tokens.0)
            .or(told.max_output_tokens),
        owner: text(&wire.owned_by).or_else(|| text(&wire.organization)),
        price: None,
        remote: false,
        stands_for: None,
        thinking: has(parameters.as_ref(), "reasoning").or(told.thinking),
        tools: has(parameters.as_ref(), "tools").or(capabilities.function_calling).or(told.tools),
        vision: has(architecture.input_modalities.as_ref(), "image").or(capabilities.vision).or(told.vision),
    })
}

#[derive(Debug, Serialize)]
struct ListOut<'a> {
    object: &'static str,
    data: Vec<CardOut<'a>>,
}

#[derive(Debug, Serialize)]
struct CardOut<'a> {
    id: &'a str,
    object: &'static str,
    /// OpenAI demands a number; 0 where it is not known.
    created: u64,
    owned_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lockgate: Option<Beyond<'a>>,
}

fn told(card: &ModelCard) -> CardOut<'_> {
    CardOut {
        id: &card.id,
        object: "model",
        created: card.created.unwrap_or(0),
        owned_by: card.owner.as_deref().unwrap_or("unknown"),
        name: card.display_name.as_deref(),
        context_length: card.context,
        max_completion_tokens: card.max_output,
        lockgate: Beyond::of(card),
    }
}

impl ModelsFormat for Models {
    fn parse(&self, body: &[u8]) -> Result<Vec<ModelCard>, DecodeError> {
        #[derive(Deserialize)]
        struct List<'a> {
            #[serde(borrow)]
            data: Vec<&'a RawValue>,
        }
        // Together sends the bare list.
        let list: Vec<&RawValue> = if body.trim_ascii_start().starts_with(b"[") {
            serde_json::from_slice(body).map_err(|error| DecodeError::malformed(error.to_string()))?
        } else {
            let list: List<'_> =
                serde_json::from_slice(body).map_err(|error| DecodeError::malformed(error.to_string()))?;
            list.data
        };
        let read = |raw: &&RawValue| serde_json::from_str::<Wire<'_>>(raw.get()).ok().as_ref().and_then(card);
        Ok(list.iter().filter_map(read).collect())
    }

    /// OpenAI's list has no pages; a page is given to those who ask for one.
    fn write(&self, cards: &[ModelCard], page: &ModelsPage) -> Vec<u8> {
        let at =
            |id: &Option<String>| id.as_ref().and_then(|id| cards.iter().position(|card| card.id == *id));
        let from = at(&page.after).map_or(0, |at| at + 1);
        let to = at(&page.before).unwrap_or(cards.len()).max(from);
        let limit = page.limit.unwrap_or(usize::MAX);
        let data = cards[from..to].iter().take(limit).map(told).collect();
        let mut out = Vec::new();
        to_client(&ListOut { object: "list", data }, &mut out);
        out
    }

    fn write_one(&self, card: &ModelCard) -> Vec<u8> {
        let mut out = Vec::new();
        to_client(&told(card), &mut out);
        out
    }
}
