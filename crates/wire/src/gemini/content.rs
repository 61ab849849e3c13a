//! Pieces of content that requests and answers share: bytes with a media type, signatures, and parts that only this
//! dialect knows.
//!
//! Google's own SDKs send base64 in either alphabet; here it is brought to the standard one, so that what every other
//! dialect gets is plain base64. Knows neither turns nor events.

use lockgate_core::content::{Document, Image, Media, Opaque, Source};
use lockgate_core::{Block, Dialect, Raw};

use super::request::{Blob, FileData};
use super::schema::json_name;
use crate::json::raw;

/// Members of a part that only say more about its data.
const ABOUT: [&str; 9] = [
    "audioMetadata",
    "documentMetadata",
    "mediaProcessing",
    "mediaResolution",
    "partMetadata",
    "speechMetadata",
    "spreadsheetMetadata",
    "thoughtSignature",
    "videoMetadata",
];

/// Base64 of either alphabet, padded or not, as padded standard base64.
pub(super) fn standard_base64(data: String) -> String {
    let foreign = |byte: u8| matches!(byte, b'-' | b'_');
    let pads = (4 - data.trim_end_matches('=').len() % 4) % 4;
    let padded = data.len() - data.trim_end_matches('=').len() == pads;
    if padded && !data.bytes().any(foreign) {
        return data;
    }
    let mut out: String = data
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    // A length of 4n+1 is no base64 at all; it stays visible as it came.
    if pads < 3 {
        out.extend(std::iter::repeat_n('=', pads));
    }
    out
}

/// Whether a text could be a signature of this dialect, which are bytes in base64.
pub(super) fn is_base64(text: &str) -> bool {
    use base64::Engine as _;
    !text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

/// Bytes in place, as the block that their media type makes of them.
pub(super) fn of_blob(blob: Blob) -> Block {
    let data = standard_base64(blob.data.unwrap_or_default());
    block(Source::Base64 { data, media_type: blob.media_type.clone() }, blob.media_type.as_deref(), blob.name)
}

/// Bytes elsewhere, as the block that their media type makes of them.
pub(super) fn of_file(file: FileData) -> Block {
    let kind = file.media_type.clone().or_else(|| media_type_of(file.uri.as_deref()?).map(Into::into));
    let url = file.uri.unwrap_or_default();
    block(Source::Url { url, media_type: file.media_type }, kind.as_deref(), file.name)
}

fn block(source: Source, media_type: Option<&str>, name: Option<String>) -> Block {
    match media_type.and_then(|kind| kind.split('/').next()) {
        Some("audio") => Block::Audio(Media { format: None, source }),
        Some("image") => Block::Image(Image { detail: None, source }),
        Some("video") => Block::Video(Media { format: None, source }),
        _ => Block::Document(Document { citations: None, context: None, name, source }),
    }
}

/// The media type that an address ends in.
pub(super) fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit_once('/')?.1.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "gif" => "image/gif",
        "jpeg" | "jpg" => "image/jpeg",
        "mp3" => "audio/mp3",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "webp" => "image/webp",
        _ => return None,
    })
}

/// The media type that the first bytes of a picture show.
pub(super) fn sniffed(data: &str) -> Option<&'static str> {
    [
        ("/9j/", "image/jpeg"),
        ("JVBERi", "application/pdf"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("iVBORw", "image/png"),
    ]
    .into_iter()
    .find(|(start, _)| data.starts_with(start))
    .map(|(_, kind)| kind)
}

/// The part that nothing here models, put together again from its members; `None` if they only describe data that is
/// not there.
pub(super) fn opaque(
    members: &[(String, Raw)],
    thought: Option<bool>,
    signature: Option<&str>,
) -> Option<Opaque> {
    let kind = members.iter().map(|(key, _)| json_name(key)).find(|key| !is_about(key))?;
    let mut text = String::from("{");
    for (key, value) in members {
        push(&mut text, key, value.get());
    }
    if let Some(thought) = thought {
        push(&mut text, "thought", &thought.to_string());
    }
    if let Some(signature) = signature {
        push(&mut text, "thoughtSignature", &serde_json::Value::from(signature).to_string());
    }
    text.push('}');
    Some(Opaque { dialect: Dialect::Gemini, kind, raw: raw(text)? })
}

/// Whether a member of a part only describes its data.
pub(super) fn is_about(key: &str) -> bool {
    ABOUT.contains(&json_name(key).as_str())
}

fn push(text: &mut String, key: &str, value: &str) {
    if text.len() > 1 {
        text.push(',');
    }
    text.push_str(&serde_json::Value::from(key).to_string());
    text.push(':');
    text.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_of_base64_mean_the_same() {
        for (given, expected) in
            [("-_8", "+/8="), ("+/8=", "+/8="), ("", ""), ("AAAA", "AAAA"), ("AA", "AA=="), ("-_-_", "+/+/")]
        {
            assert_eq!(standard_base64(given.into()), expected);
        }
    }
}
