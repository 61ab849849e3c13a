//! Pictures, files, sound and citations: between this dialect's fields and the shared forms.
//!
//! Data URLs are taken apart so that other dialects get the bytes and the media type; no byte of the data itself is
//! looked at.

use std::borrow::Cow;

use lockgate_core::content::{Citation, Source};
use lockgate_core::{Dialect, Raw};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{number, text};

/// The bytes behind an `image_url` or `file_url`.
pub(super) fn source_of_url(url: String) -> Source {
    match data_url(&url) {
        Some((media_type, data)) => {
            Source::Base64 { data: data.to_owned(), media_type: media_type.map(ToOwned::to_owned) }
        }
        None => Source::Url { url, media_type: None },
    }
}

/// The bytes in a `file_data`: a data URL, or bare base64.
pub(super) fn source_of_data(data: String) -> Source {
    match source_of_url(data) {
        Source::Url { url, .. } => Source::Base64 { data: url, media_type: None },
        other => other,
    }
}

/// Media type and base64 of a data URL.
fn data_url(url: &str) -> Option<(Option<&str>, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type =
        head.strip_suffix(";base64")?.split(';').next().filter(|media_type| !media_type.is_empty());
    Some((media_type, data))
}

/// A data URL of base64.
pub(super) fn to_data_url<'a>(media_type: &str, data: &str) -> Cow<'a, str> {
    Cow::Owned(format!("data:{media_type};base64,{data}"))
}

/// A file's name where the client gave none: files in base64 are refused without one.
pub(super) fn file_name(media_type: &str) -> String {
    let extension = match media_type {
        "application/json" => "json",
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/markdown" => "md",
        _ if media_type.starts_with("text/") => "txt",
        _ => "bin",
    };
    format!("document.{extension}")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AnnotationIn<'a> {
    #[serde(borrow)]
    end_index: Option<&'a RawValue>,
    #[serde(borrow)]
    filename: Option<&'a RawValue>,
    #[serde(borrow)]
    start_index: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

/// An annotation of any type.
pub(super) fn citation(raw: &RawValue) -> Citation {
    let read: AnnotationIn<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    Citation {
        raw: Some((Dialect::Responses, Raw::from(raw.to_owned()))),
        quote: None,
        span: number(read.start_index).zip(number(read.end_index)),
        title: text(read.title).or_else(|| text(read.filename)),
        url: text(read.url),
    }
}

/// An annotation, as it was or made anew.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnnotationOut<'a> {
    Raw(&'a RawValue),
    Url { r#type: &'static str, start_index: u64, end_index: u64, url: &'a str, title: &'a str },
}

/// A citation as an annotation; `None` where there is no address to point at. Without a span it stands for the
/// text so far, `len` characters.
pub(super) fn annotation(citation: &Citation, len: u64) -> Option<AnnotationOut<'_>> {
    if let Some((Dialect::Responses, raw)) = &citation.raw {
        return Some(AnnotationOut::Raw(raw));
    }
    let url = citation.url.as_deref()?;
    let (start_index, end_index) = citation.span.unwrap_or((0, len));
    let title = citation.title.as_deref().unwrap_or_default();
    Some(AnnotationOut::Url { r#type: "url_citation", start_index, end_index, url, title })
}
