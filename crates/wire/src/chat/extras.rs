//! What stands beside the words of an answer: the sources they cite, and pictures in the form of OpenRouter.

use lockgate_core::Dialect;
use lockgate_core::content::{Citation, Image};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chunk::{Loose, Number};
use super::parts::source_of;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotation<'a> {
    #[serde(borrow)]
    url_citation: Option<UrlCitation<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UrlCitation<'a> {
    start_index: Number,
    end_index: Number,
    #[serde(borrow)]
    title: Loose<'a>,
    #[serde(borrow)]
    url: Loose<'a>,
    /// OpenRouter.
    #[serde(borrow)]
    content: Loose<'a>,
}

#[derive(Deserialize)]
struct Picture {
    image_url: Address,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

/// The citations in a list of annotations; `None` for annotations of a kind that is not known.
pub(super) fn citations(raw: &RawValue) -> Vec<Option<Citation>> {
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |text: &Loose<'_>| text.text().map(str::to_owned);
    let read = |raw: &RawValue| {
        let known: Annotation<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        known.url_citation.map(|cited| Citation {
            raw: Some((Dialect::Chat, raw.to_owned())),
            quote: text(&cited.content),
            span: cited.start_index.0.zip(cited.end_index.0),
            title: text(&cited.title),
            url: text(&cited.url),
        })
    };
    list.into_iter().map(read).collect()
}

/// The pictures in an answer.
pub(super) fn images(raw: &RawValue) -> Vec<Image> {
    let list: Vec<Picture> = serde_json::from_str(raw.get()).unwrap_or_default();
    list.into_iter().map(|picture| Image { detail: None, source: source_of(picture.image_url.url) }).collect()
}
