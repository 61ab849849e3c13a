//! Lists of models: `{models:[{name:"models/…", …}], nextPageToken}`.
//!
//! A page's token is the last id on it. Whether a model embeds or generates is told from its name where a list of
//! ours must say it. Google's `inputTokenLimit` bounds the prompt alone; it is the nearest to a context that it tells.

use lockgate_core::ModelCard;
use serde_json::{Value, json};

use super::request::Number;
use crate::card::Beyond;
use crate::json::{List, read_answer, to_client, wire_object};
use crate::{DecodeError, ModelsFormat, ModelsPage};

/// Models of one page, where the client asks for no other number; Google's own.
const PAGE: usize = 50;

wire_object! {
    struct Page { "models" => models: List<Model>, "publisherModels" => publisher_models: List<Model> }
}

wire_object! {
    struct Model {
        "displayName" => display_name: String,
        "inputTokenLimit" => input_limit: Number,
        "name" => name: String,
        "outputTokenLimit" => output_limit: Number,
        "thinking" => thinking: bool,
    }
}

/// Lists of models.
pub(super) struct Models;

impl ModelsFormat for Models {
    fn parse(&self, body: &[u8]) -> Result<Vec<ModelCard>, DecodeError> {
        let page: Page = read_answer(body)?;
        let models = page.models.into_iter().chain(page.publisher_models).flat_map(|list| list.0);
        Ok(models.filter_map(card).collect())
    }

    fn write(&self, cards: &[ModelCard], page: &ModelsPage) -> Vec<u8> {
        let place =
            |id: &Option<String>| id.as_ref().and_then(|id| cards.iter().position(|card| card.id == *id));
        let from = place(&page.after).map_or(0, |at| at + 1);
        let to = place(&page.before).unwrap_or(cards.len()).max(from);
        let asked = &cards[from..to];
        let shown = &asked[..asked.len().min(page.limit.unwrap_or(PAGE))];
        let mut body = json!({"models": shown.iter().map(value).collect::<Vec<_>>()});
        if let Some(last) = shown.last().filter(|_| shown.len() < asked.len()) {
            body["nextPageToken"] = last.id.as_str().into();
        }
        let mut out = Vec::new();
        to_client(&body, &mut out);
        out
    }

    fn write_one(&self, card: &ModelCard) -> Vec<u8> {
        let mut out = Vec::new();
        to_client(&value(card), &mut out);
        out
    }
}

fn card(model: Model) -> Option<ModelCard> {
    let name = model.name?;
    // `models/x`, `publishers/google/models/x`; tuned models keep their collection.
    let id = match name.rsplit_once("models/") {
        Some((before, id)) if before.is_empty() || before.ends_with('/') => id.to_owned(),
        _ => name,
    };
    Some(ModelCard {
        context: model.input_limit.and_then(Number::count),
        display_name: model.display_name,
        max_output: model.output_limit.and_then(Number::count),
        thinking: model.thinking,
        id,
        ..ModelCard::default()
    })
}

fn value(card: &ModelCard) -> Value {
    let mut model = json!({"name": format!("models/{}", card.id)});
    model["displayName"] = card.display_name.as_deref().unwrap_or(&card.id).into();
    if let Some(context) = card.context {
        model["inputTokenLimit"] = context.into();
    }
    if let Some(most) = card.max_output {
        model["outputTokenLimit"] = most.into();
    }
    if let Some(thinks) = card.thinking {
        model["thinking"] = thinks.into();
    }
    if let Some(beyond) = Beyond::of(card).and_then(|beyond| serde_json::to_value(beyond).ok()) {
        model["lockgate"] = beyond;
    }
    model["supportedGenerationMethods"] = if card.id.contains("embed") {
        json!(["embedContent", "batchEmbedContents"])
    } else {
        json!(["generateContent", "streamGenerateContent", "countTokens"])
    };
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_list_is_read_and_written_in_pages() {
        let body = br#"{"models":[{"name":"models/gemini-2.5-pro","version":"2.5","displayName":"Gemini 2.5 Pro","inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent"],"thinking":true},{"name":"models/gemini-embedding-001"},{"name":"tunedModels/mine"}],"nextPageToken":"x"}"#;
        let cards = Models.parse(body).unwrap();
        let ids: Vec<_> = cards.iter().map(|card| card.id.as_str()).collect();
        assert_eq!(ids, ["gemini-2.5-pro", "gemini-embedding-001", "tunedModels/mine"]);
        assert_eq!((cards[0].context, cards[0].max_output), (Some(1_048_576), Some(65_536)));
        assert_eq!((cards[0].thinking, cards[1].thinking), (Some(true), None));

        let page = ModelsPage { limit: Some(1), ..ModelsPage::default() };
        let first: Value = serde_json::from_slice(&Models.write(&cards, &page)).unwrap();
        assert_eq!(first["models"][0]["name"], "models/gemini-2.5-pro");
        assert_eq!(first["nextPageToken"], "gemini-2.5-pro");
        let page = ModelsPage { after: Some("gemini-2.5-pro".into()), ..ModelsPage::default() };
        let rest: Value = serde_json::from_slice(&Models.write(&cards, &page)).unwrap();
        assert_eq!(rest["models"].as_array().unwrap().len(), 2);
        assert_eq!(rest["models"][0]["supportedGenerationMethods"][0], "embedContent");
        assert_eq!(rest.get("nextPageToken"), None);
        let one: Value = serde_json::from_slice(&Models.write_one(&cards[0])).unwrap();
        assert_eq!(one, first["models"][0]);
    }
}
