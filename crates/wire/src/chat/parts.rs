//! The parts of a message's content, read: text, pictures, sound, files, and whatever else stays whole.
//!
//! Bytes in `data:` URLs are told from addresses here; nothing is fetched or decoded.

use lockgate_core::content::{CacheControl, Document, Image, Media, Opaque, Source, Text};
use lockgate_core::{Block, Dialect, Failure, Part, Raw, Unmodelled};

use super::request::{Address, Attachment, Audio, Cache, ContentPart};
use super::tools::{below, object};
use crate::json::{TextOr, keep_rest, read_request};

/// The parts of a message's content, short form or long.
pub(super) fn content(
    path: &str,
    content: TextOr<ContentPart>,
    rest: &mut Vec<Unmodelled>,
) -> Result<Vec<Part>, Failure> {
    let list = match content {
        TextOr::Text(text) if text.is_empty() => return Ok(Vec::new()),
        TextOr::Text(text) => return Ok(vec![Part::text(text)]),
        TextOr::List(list) => list,
    };
    let mut parts = Vec::with_capacity(list.len());
    for (at, part) in list.into_iter().enumerate() {
        parts.extend(one(&format!("{path}.content[{at}]"), part, rest)?);
    }
    Ok(parts)
}

fn one(path: &str, mut part: ContentPart, rest: &mut Vec<Unmodelled>) -> Result<Option<Part>, Failure> {
    let kind = part.kind.take().unwrap_or_else(|| "text".into());
    let block = match kind.as_str() {
        "text" => {
            let text = needed(path, "text", part.text.take())?;
            if text.is_empty() {
                return Ok(None);
            }
            Block::Text(Text { text, citations: Vec::new() })
        }
        "refusal" => Block::Refusal(needed(path, "refusal", part.refusal.take())?),
        "image_url" => {
            let raw = needed(path, "image_url", part.image_url.take())?;
            let (source, detail) = address(&format!("{path}.image_url"), &raw, rest)?;
            Block::Image(Image { detail, source })
        }
        "video_url" => {
            let raw = needed(path, "video_url", part.video_url.take())?;
            let (source, _) = address(&format!("{path}.video_url"), &raw, rest)?;
            Block::Video(Media { format: None, source })
        }
        "input_audio" => {
            let raw = needed(path, "input_audio", part.input_audio.take())?;
            let path = format!("{path}.input_audio");
            let audio: Audio = inside(&path, &raw)?;
            keep_rest(rest, &path, audio.rest);
            let data = needed(&path, "data", audio.data)?;
            let media_type = audio.format.as_deref().and_then(audio_type).map(Into::into);
            Block::Audio(Media { format: audio.format, source: Source::Base64 { data, media_type } })
        }
        "file" => {
            let raw = needed(path, "file", part.file.take())?;
            let path = format!("{path}.file");
            let file: Attachment = inside(&path, &raw)?;
            document(&path, file, rest)?
        }
        _ => {
            let raw = unknown_part(&kind, &mut part);
            Block::Opaque(Opaque { dialect: Dialect::Chat, kind, raw })
        }
    };
    keep_rest(rest, path, part.rest);
    let mark = part.cache_control.or(part.prompt_cache_breakpoint);
    Ok(Some(Part { block, cache: mark.map(cache) }))
}

/// An address in the long form or (as some clients write it) as a bare text.
fn address(path: &str, raw: &Raw, rest: &mut Vec<Unmodelled>) -> Result<(Source, Option<String>), Failure> {
    if let Ok(url) = serde_json::from_str::<String>(raw.get()) {
        return Ok((source_of(url), None));
    }
    let address: Address = inside(path, raw)?;
    keep_rest(rest, path, address.rest);
    Ok((source_of(needed(path, "url", address.url)?), address.detail))
}

fn document(path: &str, file: Attachment, rest: &mut Vec<Unmodelled>) -> Result<Block, Failure> {
    keep_rest(rest, path, file.rest);
    let source = match (file.file_data, file.file_id) {
        (Some(data), _) => match source_of(data) {
            Source::Url { url: data, .. } if !data.contains(':') => {
                // `JVBERi` is `%PDF-` in base64.
                let media_type = data.starts_with("JVBERi").then(|| "application/pdf".into());
                Source::Base64 { data, media_type }
            }
            source => source,
        },
        (None, Some(id)) => Source::File { id },
        (None, None) => {
            return Err(Failure::invalid(path, format!("`{path}` needs `file_data` or `file_id`")));
        }
    };
    Ok(Block::Document(Document { citations: None, context: None, name: file.filename, source }))
}

/// Bytes in a `data:` URL, or an address.
pub(super) fn source_of(url: String) -> Source {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    if let Some((media_type, data)) = inline {
        let media_type = Some(media_type).filter(|kind| !kind.is_empty()).map(Into::into);
        return Source::Base64 { data: data.into(), media_type };
    }
    Source::Url { url, media_type: None }
}

fn audio_type(format: &str) -> Option<&'static str> {
    match format {
        "aac" => Some("audio/aac"),
        "flac" => Some("audio/flac"),
        "m4a" => Some("audio/mp4"),
        "mp3" => Some("audio/mpeg"),
        "ogg" => Some("audio/ogg"),
        "wav" => Some("audio/wav"),
        _ => None,
    }
}

/// A cache breakpoint in either form.
pub(super) fn cache(mark: Cache) -> CacheControl {
    CacheControl { ttl: mark.ttl }
}

/// A part of a kind that is not known here, put together again.
fn unknown_part(kind: &str, part: &mut ContentPart) -> Raw {
    let known = [
        ("image_url", part.image_url.take()),
        ("input_audio", part.input_audio.take()),
        ("video_url", part.video_url.take()),
        ("file", part.file.take()),
        ("text", text_of(part.text.take().map(String::from))),
        ("refusal", text_of(part.refusal.take())),
    ];
    let mut members: Vec<(String, Raw)> = Vec::new();
    members.extend(known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    members.append(&mut part.rest);
    object(kind, members)
}

fn inside<T: serde::de::DeserializeOwned>(path: &str, raw: &Raw) -> Result<T, Failure> {
    read_request(raw.get().as_bytes()).map_err(|failure| below(path, failure))
}

fn text_of(text: Option<String>) -> Option<Raw> {
    serde_json::value::to_raw_value(&text?).ok()
}

/// A field that must be there.
pub(super) fn needed<T>(path: &str, field: &str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::invalid(format!("{path}.{field}"), format!("`{path}.{field}` is missing")))
}
