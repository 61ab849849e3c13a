//! The request as it is written: borrowed all through, so that a large conversation is copied once, into the body.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::said::Said;

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct MessageOut<'a> {
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<Cow<'a, str>>,
    /// No field of OpenAI's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<Cow<'a, str>>,
    /// OpenRouter's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reasoning_details: Vec<DetailOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<CallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<Cow<'a, str>>,
}

/// A thought as OpenRouter wants it back.
#[derive(Debug, Default, Serialize)]
pub(super) struct DetailOut<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) format: &'static str,
    pub(super) index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a str>,
}

impl<'a> MessageOut<'a> {
    pub(super) fn new(role: &'static str, content: Option<ContentOut<'a>>) -> Self {
        Self {
            role,
            content,
            name: None,
            refusal: None,
            reasoning_content: None,
            reasoning_details: Vec::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

/// Content in its short or its long form.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ContentOut<'a> {
    /// `null`
    Nothing,
    Parts(Vec<PartOut<'a>>),
    Text(Said<'a>),
}

/// A part of content.
#[derive(Debug)]
pub(super) enum PartOut<'a> {
    Audio { input_audio: AudioOut<'a> },
    File { file: FileOut<'a> },
    Image { image_url: ImageOut<'a> },
    Raw(&'a RawValue),
    Text { text: Said<'a> },
    Video { video_url: VideoOut<'a> },
}

impl<'a> PartOut<'a> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::Audio { .. }
            | Self::File { .. }
            | Self::Image { .. }
            | Self::Raw(_)
            | Self::Video { .. } => None,
        }
    }

    pub(super) fn text_mut(&mut self) -> Option<&mut Said<'a>> {
        match self {
            Self::Text { text } => Some(text),
            Self::Audio { .. }
            | Self::File { .. }
            | Self::Image { .. }
            | Self::Raw(_)
            | Self::Video { .. } => None,
        }
    }
}

impl Serialize for PartOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn part<S: Serializer, T: Serialize>(
            serializer: S,
            kind: &'static str,
            value: &T,
        ) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("type", kind)?;
            // The field has the name of the kind, always.
            map.serialize_entry(kind, value)?;
            map.end()
        }
        match self {
            Self::Audio { input_audio } => part(serializer, "input_audio", input_audio),
            Self::File { file } => part(serializer, "file", file),
            Self::Image { image_url } => part(serializer, "image_url", image_url),
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Text { text } => part(serializer, "text", text),
            Self::Video { video_url } => part(serializer, "video_url", video_url),
        }
    }
}

/// Sound.
#[derive(Debug, Serialize)]
pub(super) struct AudioOut<'a> {
    pub(super) data: &'a str,
    pub(super) format: &'a str,
}

/// A file.
#[derive(Debug, Serialize)]
pub(super) struct FileOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<DataUrl<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filename: Option<&'a str>,
}

/// A picture.
#[derive(Debug, Serialize)]
pub(super) struct ImageOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'a str>,
    pub(super) url: DataUrl<'a>,
}

/// Moving pictures.
#[derive(Debug, Serialize)]
pub(super) struct VideoOut<'a> {
    pub(super) url: DataUrl<'a>,
}

/// Bytes as a `data:` URL, put together while it is written; or an address, when there is no media type.
#[derive(Debug)]
pub(super) struct DataUrl<'a> {
    pub(super) data: &'a str,
    pub(super) media_type: Option<&'a str>,
}

impl fmt::Display for DataUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.media_type {
            Some(media_type) => write!(f, "data:{media_type};base64,{}", self.data),
            None => f.write_str(self.data),
        }
    }
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A tool call in history.
#[derive(Debug, Serialize)]
pub(super) struct CallOut<'a> {
    pub(super) id: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<FunctionOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<CustomOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra_content: Option<Extra<'a>>,
}

/// A function and its arguments.
#[derive(Debug, Serialize)]
pub(super) struct FunctionOut<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

/// A custom tool and its input.
#[derive(Debug, Serialize)]
pub(super) struct CustomOut<'a> {
    pub(super) name: &'a str,
    pub(super) input: &'a str,
}

/// Where Gemini's compatible endpoint wants its signature.
#[derive(Debug, Serialize)]
pub(super) struct Extra<'a> {
    pub(super) google: Google<'a>,
}

/// See [`Extra`].
#[derive(Debug, Serialize)]
pub(super) struct Google<'a> {
    pub(super) thought_signature: &'a str,
}

/// A tool on offer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ToolOut<'a> {
    Custom {
        #[serde(rename = "type")]
        kind: &'static str,
        custom: CustomDefOut<'a>,
    },
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: FunctionDefOut<'a>,
    },
    Raw(&'a RawValue),
}

/// A function on offer.
#[derive(Debug, Serialize)]
pub(super) struct FunctionDefOut<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

/// A custom tool on offer.
#[derive(Debug, Serialize)]
pub(super) struct CustomDefOut<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'a RawValue>,
}

/// The choice among tools.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ChoiceOut<'a> {
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        allowed_tools: AllowedOut<'a>,
    },
    Named(NamedOut<'a>),
    Word(&'static str),
}

/// Some of the tools.
#[derive(Debug, Serialize)]
pub(super) struct AllowedOut<'a> {
    pub(super) mode: &'static str,
    pub(super) tools: Vec<NamedOut<'a>>,
}

/// One of the tools.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum NamedOut<'a> {
    Custom {
        #[serde(rename = "type")]
        kind: &'static str,
        custom: Name<'a>,
    },
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Name<'a>,
    },
}

/// A name.
#[derive(Debug, Serialize)]
pub(super) struct Name<'a> {
    pub(super) name: &'a str,
}

/// The form of the answer.
#[derive(Debug, Serialize)]
pub(super) struct FormatOut<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) json_schema: Option<SchemaOut<'a>>,
}

/// A schema for the answer.
#[derive(Debug, Serialize)]
pub(super) struct SchemaOut<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}
