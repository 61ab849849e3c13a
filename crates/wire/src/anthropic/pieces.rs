//! Parts of a conversation, as blocks of a request to Anthropic.
//!
//! Blocks borrow from the conversation. What would change the meaning if it were left out (sound, video, arguments
//! that are no JSON object, a file of a kind that no Claude reads) is refused; what is only nicer with it is noted as
//! lost. Blocks that this dialect wrote itself are written again byte for byte.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_core::content::{CacheControl, Document, Image, Reasoning, Source, Text, ToolCall, ToolResult};
use lockgate_core::{Block, Dialect, Failure, Part, Role, Seal};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Loss;
use crate::said::Said;

/// A block of content.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Piece<'a> {
    Known(Known<'a>),
    Raw(&'a RawValue),
}

impl Piece<'_> {
    /// Whether it is thoughts.
    pub(super) fn is_thought(&self) -> bool {
        match self {
            Self::Known(Known::RedactedThinking { .. } | Known::Thinking { .. }) => true,
            Self::Known(
                Known::Document { .. }
                | Known::Image { .. }
                | Known::Text { .. }
                | Known::ToolResult { .. }
                | Known::ToolUse { .. },
            )
            | Self::Raw(_) => false,
        }
    }
}

/// A block whose shape we write.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Known<'a> {
    Document {
        source: SourceOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<CitationsOut>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut<'a>>,
    },
    Image {
        source: SourceOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut<'a>>,
    },
    RedactedThinking {
        data: &'a str,
    },
    Text {
        text: Said<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Content::is_empty")]
        content: Content<'a>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut<'a>>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut<'a>>,
    },
}

/// The bytes of a picture or document.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum SourceOut<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    File { file_id: &'a str },
    Text { media_type: &'static str, data: Cow<'a, str> },
    Url { url: &'a str },
}

/// Whether to cite a document.
#[derive(Debug, Serialize)]
pub(super) struct CitationsOut {
    enabled: bool,
}

/// A cache breakpoint.
#[derive(Debug, Serialize)]
pub(super) struct CacheOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

/// Blocks; a lone text in the short form.
#[derive(Debug)]
pub(super) struct Content<'a>(pub(super) Vec<Piece<'a>>);

impl Content<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [Piece::Known(Known::Text { text, citations, cache_control: None })] if citations.is_empty() => {
                text.serialize(serializer)
            }
            pieces => serializer.collect_seq(pieces),
        }
    }
}

/// A cache breakpoint, in the lifetimes that Anthropic has.
pub(super) fn cache<'a>(cache: Option<&'a CacheControl>, loss: &mut Loss) -> Option<CacheOut<'a>> {
    let ttl = cache?.ttl.as_deref();
    let known = ttl.filter(|ttl| matches!(*ttl, "1h" | "5m"));
    if ttl != known {
        loss.note("cache_control.ttl");
    }
    Some(CacheOut { kind: "ephemeral", ttl: known })
}

/// A tool call's id in the letters that Anthropic allows; the same for the same id, so calls and results agree.
fn tool_id(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    let mut out = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('_');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
    }
    Cow::Owned(out)
}

/// Makes blocks of parts.
pub(super) struct Pieces<'l> {
    /// Whether the model is another maker's behind a compatible server: it takes thoughts without a signature.
    pub(super) foreign: bool,
    pub(super) loss: &'l mut Loss,
}

impl Pieces<'_> {
    /// The block for a part, `None` when nothing is left to say.
    pub(super) fn piece<'a>(&mut self, part: &'a Part, role: Role) -> Result<Option<Piece<'a>>, Failure> {
        let cache_control = cache(part.cache.as_ref(), self.loss);
        let known = match &part.block {
            Block::Audio(_) => return Err(refused("audio", "sound")),
            Block::Video(_) => return Err(refused("video", "video")),
            Block::Document(document) if role == Role::User => Self::document(document, cache_control)?,
            Block::Image(image) if role == Role::User => self.image(image, cache_control)?,
            Block::Document(_) | Block::Image(_) if role == Role::System => {
                return Err(refused("system", "pictures and documents in instructions"));
            }
            Block::Document(_) => return Ok(self.lost("document")),
            Block::Image(_) => return Ok(self.lost("image")),
            Block::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => {
                return Ok(Some(Piece::Raw(&opaque.raw)));
            }
            Block::Opaque(opaque) => return Ok(self.lost(&opaque.kind)),
            Block::Reasoning(reasoning) => {
                if part.cache.is_some() {
                    self.loss.note("cache_control");
                }
                return Ok(self.reasoning(reasoning, role));
            }
            Block::Refusal(text) if text.is_empty() => return Ok(None),
            Block::Refusal(text) => Known::Text { text: text.into(), citations: Vec::new(), cache_control },
            Block::Text(text) if text.text.is_empty() => return Ok(None),
            Block::Text(text) => {
                Known::Text { text: (&text.text).into(), citations: self.citations(text), cache_control }
            }
            Block::ToolCall(call) => tool_use(call, cache_control)?,
            Block::ToolResult(result) => self.tool_result(result, cache_control)?,
        };
        Ok(Some(Piece::Known(known)))
    }

    fn lost<'a>(&mut self, name: &str) -> Option<Piece<'a>> {
        self.loss.note(name);
        None
    }

    fn citations<'a>(&mut self, text: &'a Text) -> Vec<&'a RawValue> {
        let mut own = Vec::new();
        for citation in &text.citations {
            match &citation.raw {
                Some((Dialect::Anthropic, raw)) => own.push(&**raw),
                Some(_) | None => self.loss.note("citations"),
            }
        }
        own
    }

    /// Thoughts go back to Claude only under their seal.
    fn reasoning<'a>(&mut self, reasoning: &'a Reasoning, role: Role) -> Option<Piece<'a>> {
        if role != Role::Assistant {
            return self.lost("thinking");
        }
        Some(Piece::Known(match &reasoning.seal {
            Some(Seal::Encrypted(data)) => Known::RedactedThinking { data },
            Some(Seal::Signature(signature)) => Known::Thinking { thinking: &reasoning.text, signature },
            None if self.foreign && !reasoning.text.is_empty() => {
                Known::Thinking { thinking: &reasoning.text, signature: "" }
            }
            None => return self.lost("thinking"),
        }))
    }

    fn tool_result<'a>(
        &mut self,
        result: &'a ToolResult,
        cache_control: Option<CacheOut<'a>>,
    ) -> Result<Known<'a>, Failure> {
        let mut content = Vec::with_capacity(result.content.len());
        for part in &result.content {
            content.extend(self.piece(part, Role::User)?);
        }
        Ok(Known::ToolResult {
            tool_use_id: tool_id(&result.call_id),
            content: Content(content),
            is_error: result.is_error,
            cache_control,
        })
    }

    fn image<'a>(&mut self, image: &'a Image, cache: Option<CacheOut<'a>>) -> Result<Known<'a>, Failure> {
        if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.loss.note("detail");
        }
        let source = match &image.source {
            Source::Base64 { data, media_type } => {
                let told = media_type.as_deref().filter(|told| !told.is_empty());
                let media_type = match told.or_else(|| picture_type(data)) {
                    Some("image/jpg") => "image/jpeg",
                    Some(media_type) => media_type,
                    None => return Err(Failure::invalid("image", "a picture does not tell its media type")),
                };
                SourceOut::Base64 { media_type, data }
            }
            Source::File { id } => SourceOut::File { file_id: id },
            Source::Text { .. } => {
                return Err(Failure::invalid("image", "a picture cannot be given as text"));
            }
            Source::Url { url, .. } => SourceOut::Url { url },
        };
        Ok(Known::Image { source, cache_control: cache })
    }

    fn document<'a>(
        document: &'a Document,
        cache_control: Option<CacheOut<'a>>,
    ) -> Result<Known<'a>, Failure> {
        let source = match &document.source {
            Source::Base64 { data, media_type } => file(data, media_type.as_deref())?,
            Source::File { id } => SourceOut::File { file_id: id },
            Source::Text { text } => SourceOut::Text { media_type: "text/plain", data: Cow::Borrowed(text) },
            Source::Url { url, .. } => SourceOut::Url { url },
        };
        Ok(Known::Document {
            source,
            title: document.name.as_deref(),
            context: document.context.as_deref(),
            citations: document.citations.map(|enabled| CitationsOut { enabled }),
            cache_control,
        })
    }
}

fn tool_use<'a>(call: &'a ToolCall, cache_control: Option<CacheOut<'a>>) -> Result<Known<'a>, Failure> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let input: Option<&RawValue> = serde_json::from_str(arguments).ok();
    match input.filter(|input| input.get().starts_with('{')) {
        Some(input) => Ok(Known::ToolUse { id: tool_id(&call.id), name: &call.name, input, cache_control }),
        None => Err(Failure::invalid(
            "arguments",
            format!("the arguments of tool call `{}` of `{}` are not a JSON object", call.id, call.name),
        )),
    }
}

fn refused(param: &str, what: &str) -> Failure {
    Failure::invalid(param, format!("a model that speaks Anthropic's dialect takes no {what}"))
}

/// What a picture's first bytes say it is.
fn picture_type(base64: &str) -> Option<&'static str> {
    let known = [
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("iVBORw0KGgo", "image/png"),
    ];
    known.iter().find(|(start, _)| base64.starts_with(start)).map(|(_, kind)| *kind)
}

/// A document given as bytes: a PDF goes as it is, text as text.
fn file<'a>(data: &'a str, media_type: Option<&str>) -> Result<SourceOut<'a>, Failure> {
    let kind = media_type.filter(|told| !told.is_empty()).unwrap_or_default();
    if kind.starts_with("application/pdf") || data.starts_with("JVBERi") {
        return Ok(SourceOut::Base64 { media_type: "application/pdf", data });
    }
    if kind.starts_with("text/") || kind == "application/json" {
        let bytes = STANDARD.decode(data).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| Failure::invalid("file", "a text file is not base64 of UTF-8"))?;
        return Ok(SourceOut::Text { media_type: "text/plain", data: Cow::Owned(text) });
    }
    let told = if kind.is_empty() { "a file of untold type" } else { kind };
    Err(Failure::invalid("file", format!("Claude reads PDF and text files, not {told}")))
}
