//! What was said, in no dialect: messages and their pieces, as people and programs read them.
//!
//! Made from `core`'s conversations and answers. Keeps everything that a reader may want, signatures and media included, so that a session
//! can be written down again; knows no wire format. Bytes of media and seals are not part of the serialised form: [`Spot`] says where
//! they are.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_core::content::{Source, ToolKind};
use lockgate_core::{Block, Part, Raw, Role, Seal, Turn};
use serde::Serialize;
use serde_json::value::RawValue;

/// What one speaker said in one go.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// A participant's name, where the dialect has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was said, in order.
    pub pieces: Vec<Piece>,
    /// Who said it.
    pub speaker: Speaker,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The model.
    Assistant,
    /// The program, between the messages.
    System,
    /// The person, or the client with results of tools.
    User,
}

/// One piece of a message.
#[derive(Debug, Clone, Serialize)]
pub struct Piece {
    /// A cache breakpoint behind it, with its lifetime as the client wrote it (`5m`, `1h`, or `default`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
}

/// A kind of content.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Sound.
    Audio(Media),
    /// A document.
    Document(Media),
    /// A picture.
    Image(Media),
    /// The model's refusal, in words.
    Refusal {
        /// The words.
        text: String,
    },
    /// A tool that the provider ran, or its result, as its dialect wrote it.
    ServerTool {
        /// What the dialect calls it.
        kind: String,
        /// The block.
        raw: Raw,
    },
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// What the model thought.
    Thinking {
        /// The dialect's own seal over it.
        #[serde(skip)]
        seal: Option<Seal>,
        /// Whether only the provider can read it.
        redacted: bool,
        /// Whether the provider signed it.
        signed: bool,
        /// The thoughts, as far as they are told.
        text: String,
    },
    /// The model asks for a tool.
    ToolCall {
        /// With what.
        arguments: Arguments,
        /// The id that the result answers to.
        id: String,
        /// The tool.
        name: String,
    },
    /// What a tool returned.
    ToolResult {
        /// The result.
        content: Vec<Piece>,
        /// The call that it answers.
        id: String,
        /// Whether the tool failed.
        is_error: bool,
    },
    /// A block that only its own dialect knows.
    Unknown {
        /// What the dialect calls it.
        kind: String,
        /// The block.
        raw: Raw,
    },
    /// Bytes that could not be read as what they should be.
    Unreadable {
        /// Why.
        reason: String,
        /// They as text, what is no text replaced, cut at [`RAW_BYTES`].
        text: String,
    },
    /// Moving pictures.
    Video(Media),
}

/// The most of an unreadable body that is shown.
pub const RAW_BYTES: usize = 256 << 10;

/// What a tool is called with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// A JSON value, as the model wrote it.
    Json(Raw),
    /// Anything else: free text, or JSON that is broken or cut off.
    Text(String),
}

impl Arguments {
    /// As they were written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json(raw) => raw.get(),
            Self::Text(text) => text,
        }
    }

    /// Those of a tool, from what the model wrote.
    pub(crate) fn of(text: String, kind: ToolKind) -> Self {
        match kind {
            ToolKind::Custom => Self::Text(text),
            ToolKind::Function if text.trim().is_empty() => {
                RawValue::from_string("{}".to_owned()).map_or(Self::Text(text), Self::Json)
            }
            ToolKind::Function => match RawValue::from_string(text.clone()) {
                Ok(raw) => Self::Json(raw),
                Err(_) => Self::Text(text),
            },
        }
    }
}

/// A picture, sound or document.
#[derive(Debug, Clone, Serialize)]
pub struct Media {
    /// How many bytes it has, where they are here.
    pub bytes: Option<u64>,
    #[serde(skip)]
    data: Option<Arc<str>>,
    /// Its media type, if told.
    pub media_type: Option<String>,
    /// Its name or title, if told.
    pub name: Option<String>,
    /// Where it is.
    pub place: MediaPlace,
}

/// Where the bytes of a medium are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaPlace {
    /// A file that the provider holds, by its id there.
    File(String),
    /// In the body: ask with a [`Spot`].
    Inline,
    /// In the body as plain text.
    Text,
    /// At an address.
    Url(String),
}

/// The place of a piece in a list of messages: the message, the piece in it, and the piece in that one where it is a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Spot {
    /// The message, from 0.
    pub message: usize,
    /// The piece in it, from 0.
    pub piece: usize,
    /// The piece in the result of a tool, from 0.
    pub inner: Option<usize>,
}

/// The bytes of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaBytes {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their media type, if told.
    pub media_type: Option<String>,
}

impl Media {
    fn of(source: &Source, name: Option<&String>, format: Option<&String>) -> Self {
        let name = name.cloned();
        let none = Self { bytes: None, data: None, media_type: None, name, place: MediaPlace::Inline };
        match source {
            Source::Base64 { data, media_type } => Self {
                bytes: Some(decoded_length(data)),
                data: Some(data.as_str().into()),
                media_type: media_type.clone().or_else(|| format.cloned()),
                ..none
            },
            Source::File { id } => Self { place: MediaPlace::File(id.clone()), ..none },
            Source::Text { text } => Self {
                bytes: Some(text.len() as u64),
                data: Some(text.as_str().into()),
                media_type: Some("text/plain".to_owned()),
                place: MediaPlace::Text,
                ..none
            },
            Source::Url { url, media_type } => {
                Self { media_type: media_type.clone(), place: MediaPlace::Url(url.clone()), ..none }
            }
        }
    }

    /// The bytes, where they are here and can be read.
    pub fn content(&self) -> Option<MediaBytes> {
        let data = self.data.as_ref()?;
        let bytes = match self.place {
            MediaPlace::Inline => STANDARD.decode(data.as_bytes()).ok()?,
            MediaPlace::Text => data.as_bytes().to_vec(),
            MediaPlace::File(_) | MediaPlace::Url(_) => return None,
        };
        Some(MediaBytes { bytes, media_type: self.media_type.clone() })
    }

    /// As it was written: base64 or plain text.
    pub(crate) fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// What tells it from others.
    pub(crate) fn identity(&self) -> &str {
        match &self.place {
            MediaPlace::File(id) => id,
            MediaPlace::Url(url) => url,
            MediaPlace::Inline | MediaPlace::Text => self.data.as_deref().unwrap_or_default(),
        }
    }
}

fn decoded_length(base64: &str) -> u64 {
    let padding = base64.bytes().rev().take(2).filter(|byte| *byte == b'=').count() as u64;
    (base64.len() as u64 * 3 / 4).saturating_sub(padding)
}

impl Message {
    /// A message of a conversation.
    pub(crate) fn of(turn: &Turn) -> Self {
        let speaker = match turn.role {
            Role::Assistant => Speaker::Assistant,
            Role::System => Speaker::System,
            Role::User => Speaker::User,
        };
        Self { name: turn.name.clone(), pieces: turn.parts.iter().map(Piece::of).collect(), speaker }
    }

    /// The piece at a place in this message.
    pub fn piece(&self, piece: usize, inner: Option<usize>) -> Option<&Piece> {
        let found = self.pieces.get(piece)?;
        match (inner, &found.content) {
            (None, _) => Some(found),
            (Some(inner), Content::ToolResult { content, .. }) => content.get(inner),
            (Some(_), _) => None,
        }
    }

    /// The bytes of a medium of this message.
    pub fn media(&self, piece: usize, inner: Option<usize>) -> Option<MediaBytes> {
        self.piece(piece, inner)?.content.media()?.content()
    }
}

impl Piece {
    /// A piece of a conversation.
    pub(crate) fn of(part: &Part) -> Self {
        let cache =
            part.cache.as_ref().map(|control| control.ttl.clone().unwrap_or_else(|| "default".to_owned()));
        Self { cache, content: Content::of(&part.block) }
    }

    /// A piece without a breakpoint.
    pub(crate) fn plain(content: Content) -> Self {
        Self { cache: None, content }
    }
}

impl Content {
    fn of(block: &Block) -> Self {
        match block {
            Block::Audio(media) => Self::Audio(Media::of(&media.source, None, media.format.as_ref())),
            Block::Document(document) => {
                Self::Document(Media::of(&document.source, document.name.as_ref(), None))
            }
            Block::Image(image) => Self::Image(Media::of(&image.source, None, None)),
            Block::Opaque(opaque) => Self::opaque(opaque.kind.clone(), opaque.raw.clone()),
            Block::Reasoning(thought) => Self::thinking(thought.text.clone(), thought.seal.clone()),
            Block::Refusal(text) => Self::Refusal { text: text.clone() },
            Block::Text(text) => Self::Text { text: text.text.as_str().to_owned() },
            Block::ToolCall(call) => Self::ToolCall {
                arguments: Arguments::of(call.arguments.clone(), call.kind),
                id: call.id.clone(),
                name: call.name.clone(),
            },
            Block::ToolResult(result) => Self::ToolResult {
                content: result.content.iter().map(Piece::of).collect(),
                id: result.call_id.clone(),
                is_error: result.is_error,
            },
            Block::Video(media) => Self::Video(Media::of(&media.source, None, media.format.as_ref())),
        }
    }

    pub(crate) fn thinking(text: String, seal: Option<Seal>) -> Self {
        let redacted = text.is_empty() && matches!(seal, Some(Seal::Encrypted(_)));
        Self::Thinking { redacted, signed: matches!(seal, Some(Seal::Signature(_))), seal, text }
    }

    pub(crate) fn opaque(kind: String, raw: Raw) -> Self {
        const SERVER: [&str; 5] = ["_tool_use", "_tool_result", "_call", "code", "code_execution_result"];
        if SERVER.iter().any(|end| kind.ends_with(end)) {
            Self::ServerTool { kind, raw }
        } else {
            Self::Unknown { kind, raw }
        }
    }

    /// Bytes that could not be read.
    pub(crate) fn unreadable(bytes: &[u8], reason: impl Into<String>) -> Self {
        let cut = &bytes[..bytes.len().min(RAW_BYTES)];
        Self::Unreadable { reason: reason.into(), text: String::from_utf8_lossy(cut).into_owned() }
    }

    pub(crate) fn image(image: &lockgate_core::content::Image) -> Self {
        Self::Image(Media::of(&image.source, None, None))
    }

    /// Whether it changes its form with the dialect, or is lost and declared so: thoughts, media, blocks of one dialect's own.
    pub(crate) fn is_dialects_own(&self) -> bool {
        self.media().is_some()
            || matches!(self, Self::ServerTool { .. } | Self::Thinking { .. } | Self::Unknown { .. })
    }

    /// The words, where it is a text.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text { text } = self { Some(text) } else { None }
    }

    /// The medium, where it is one.
    pub fn media(&self) -> Option<&Media> {
        match self {
            Self::Audio(media) | Self::Document(media) | Self::Image(media) | Self::Video(media) => {
                Some(media)
            }
            Self::Refusal { .. }
            | Self::ServerTool { .. }
            | Self::Text { .. }
            | Self::Thinking { .. }
            | Self::ToolCall { .. }
            | Self::ToolResult { .. }
            | Self::Unknown { .. }
            | Self::Unreadable { .. } => None,
        }
    }
}
