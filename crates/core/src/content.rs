//! What a conversation is made of, in no dialect: parts, turns, tools, choices.
//!
//! A dialect's parser makes these from a request, another dialect's writer makes a request of them. Nothing here
//! knows JSON field names of any provider. What only its own dialect can express travels as [`Block::Opaque`] (so
//! that it can be declared as lost elsewhere, never dropped unseen).

use serde_json::value::RawValue;

use crate::{Dialect, Words};

/// A JSON value kept as the text it arrived in.
pub type Raw = Box<RawValue>;

/// One piece of content, with the cache breakpoint that its author may have set behind it.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is.
    pub block: Block,
    /// A cache breakpoint behind this part.
    pub cache: Option<CacheControl>,
}

impl Part {
    /// A part without a cache breakpoint.
    pub fn new(block: Block) -> Self {
        Self { block, cache: None }
    }

    /// A text part.
    pub fn text(text: impl Into<Words>) -> Self {
        Self::new(Block::Text(Text { text: text.into(), citations: Vec::new() }))
    }
}

/// A kind of content.
#[derive(Debug, Clone)]
pub enum Block {
    /// Sound.
    Audio(Media),
    /// A document: PDF, plain text, or another file.
    Document(Document),
    /// A picture.
    Image(Image),
    /// Something only its own dialect knows: server tools and their results, containers, code execution.
    Opaque(Opaque),
    /// What the model thought, in words or sealed.
    Reasoning(Reasoning),
    /// The model's refusal, in words.
    Refusal(String),
    /// Words.
    Text(Text),
    /// The model asks for a tool to be run by the client.
    ToolCall(ToolCall),
    /// The client's result of a tool call.
    ToolResult(ToolResult),
    /// Moving pictures.
    Video(Media),
}

/// Text with the sources it cites.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The words.
    pub text: Words,
    /// Citations, in order.
    pub citations: Vec<Citation>,
}

/// Where a statement comes from. Dialects differ widely; url, title and quoted text are what they share.
#[derive(Debug, Clone)]
pub struct Citation {
    /// The citation as its dialect wrote it.
    pub raw: Option<(Dialect, Raw)>,
    /// The passage that is cited.
    pub quote: Option<String>,
    /// Start and end of the citing words in the text, in characters, where the dialect tells.
    pub span: Option<(u64, u64)>,
    /// Title of the source.
    pub title: Option<String>,
    /// Address of the source.
    pub url: Option<String>,
}

/// Where the bytes of a picture, sound or document are.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the request, as base64 (standard alphabet).
    Base64 {
        /// The bytes in base64.
        data: String,
        /// Their media type, if told.
        media_type: Option<String>,
    },
    /// A file that the provider already holds.
    File {
        /// The provider's id of it.
        id: String,
    },
    /// Plain text given in place.
    Text {
        /// The text.
        text: String,
    },
    /// At an address that the provider fetches.
    Url {
        /// The address.
        url: String,
        /// Its media type, if told.
        media_type: Option<String>,
    },
}

/// Sound or video.
#[derive(Debug, Clone)]
pub struct Media {
    /// Short name of the format (`wav`, `mp3`), where the dialect has one beside the media type.
    pub format: Option<String>,
    /// The bytes.
    pub source: Source,
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Image {
    /// How closely to look: `low`, `high`, `auto`, `original`.
    pub detail: Option<String>,
    /// The bytes.
    pub source: Source,
}

/// A document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Whether the model shall cite it.
    pub citations: Option<bool>,
    /// Words about it that are not cited.
    pub context: Option<String>,
    /// File name or title.
    pub name: Option<String>,
    /// The bytes.
    pub source: Source,
}

/// A block that only its own dialect knows.
#[derive(Debug, Clone)]
pub struct Opaque {
    /// Whose it is.
    pub dialect: Dialect,
    /// What that dialect calls it, such as `server_tool_use`.
    pub kind: String,
    /// The block as it was written.
    pub raw: Raw,
}

/// What the model thought.
#[derive(Debug, Clone, Default)]
pub struct Reasoning {
    /// The dialect's id of the item, where it has one (Responses).
    pub id: Option<String>,
    /// The sealed form that its maker wants back unchanged: a signature over `text`, or the whole in a form
    /// that only the maker can read.
    pub seal: Option<Seal>,
    /// A summary in place of the thoughts themselves.
    pub summary: bool,
    /// The thoughts in words; empty when they are only sealed.
    pub text: String,
}

/// Opaque bytes made by a provider that only this provider (and often only this model) accepts back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// The thoughts themselves, encrypted (Anthropic `redacted_thinking.data`, Responses `encrypted_content`).
    Encrypted(String),
    /// A signature beside readable thoughts or a tool call (Anthropic `signature`, Gemini `thoughtSignature`).
    Signature(String),
}

impl Seal {
    /// The bytes, as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Encrypted(data) | Self::Signature(data) => data,
        }
    }
}

/// A tool call by the model.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The arguments as the model wrote them: JSON text for a function (perhaps broken, perhaps cut off), free
    /// text for a custom tool.
    pub arguments: String,
    /// The id that the result answers to. Never empty: a dialect without ids makes them.
    pub id: String,
    /// Function or custom tool.
    pub kind: ToolKind,
    /// The tool's name.
    pub name: String,
    /// The group of tools it belongs to (Responses `namespace`).
    pub namespace: Option<String>,
    /// A signature on the call itself (Gemini `thoughtSignature`).
    pub seal: Option<Seal>,
}

impl ToolCall {
    /// The arguments read; `None` for free text and where the model did not write an object. No text at all is how
    /// some models call a tool without parameters.
    pub fn object(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        match self.kind {
            ToolKind::Custom => None,
            ToolKind::Function if self.arguments.trim().is_empty() => Some(serde_json::Map::new()),
            ToolKind::Function => serde_json::from_str(&self.arguments).ok(),
        }
    }
}

/// The two kinds of tool that a client runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolKind {
    /// Input is free text, perhaps held to a grammar.
    Custom,
    /// Input is a JSON object.
    Function,
}

/// A result of a tool call.
#[derive(Debug, Clone)]
pub struct ToolResult {
    /// The call it answers.
    pub call_id: String,
    /// The result.
    pub content: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Function or custom tool.
    pub kind: ToolKind,
    /// The tool's name, where the dialect tells.
    pub name: Option<String>,
}

/// A cache breakpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheControl {
    /// How long the prefix shall live, such as `5m` or `1h`; `None` = the provider's default.
    pub ttl: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The model.
    Assistant,
    /// Instructions of the application, in the middle of a conversation or before it.
    System,
    /// The person, or the client with tool results.
    User,
}

/// What one speaker said in one go.
#[derive(Debug, Clone)]
pub struct Turn {
    /// A participant's name, where the dialect has one.
    pub name: Option<String>,
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Who said it.
    pub role: Role,
}

/// A tool on offer.
#[derive(Debug, Clone)]
pub enum Tool {
    /// Free text in, perhaps held to a grammar.
    Custom(CustomTool),
    /// JSON in.
    Function(FunctionTool),
    /// Run by the provider (web search, code execution, computer use), or otherwise known to one dialect only.
    Hosted(Opaque),
}

/// A tool that takes free text.
#[derive(Debug, Clone)]
pub struct CustomTool {
    /// What it is for.
    pub description: Option<String>,
    /// The input format as the dialect wrote it.
    pub format: Option<Raw>,
    /// Its name.
    pub name: String,
    /// The group it belongs to.
    pub namespace: Option<String>,
}

/// A tool that takes a JSON object.
#[derive(Debug, Clone)]
pub struct FunctionTool {
    /// A cache breakpoint behind this tool.
    pub cache: Option<CacheControl>,
    /// What it is for.
    pub description: Option<String>,
    /// Its name.
    pub name: String,
    /// The group it belongs to.
    pub namespace: Option<String>,
    /// JSON Schema of its input, as written.
    pub schema: Option<Raw>,
    /// Whether the provider shall hold the model to the schema.
    pub strict: Option<bool>,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Any of the named ones only; `required` = it must call one of them.
    Among {
        /// The tools' names. One name and `required` is "call this tool".
        names: Vec<String>,
        /// Whether it must call one.
        required: bool,
    },
    /// None at all.
    None,
    /// At least one, whichever.
    Required,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement I6: a call has an id, a name, the arguments as the model wrote them, and those read.
    #[test]
    fn a_tool_call_keeps_what_the_model_wrote_and_reads_only_an_object() {
        let call = |kind, arguments: &str| ToolCall {
            arguments: arguments.to_owned(),
            id: "call_1".into(),
            kind,
            name: "get_weather".into(),
            namespace: None,
            seal: None,
        };
        let written = "{ \"city\":\"Paris\",  \"days\": 2.50 }";
        let whole = call(ToolKind::Function, written);
        assert_eq!(
            (whole.id.as_str(), whole.name.as_str(), whole.arguments.as_str()),
            ("call_1", "get_weather", written)
        );
        let read = whole.object().unwrap();
        assert_eq!((read["city"].as_str(), read["days"].as_f64()), (Some("Paris"), Some(2.5)));
        assert_eq!(call(ToolKind::Function, " ").object().map(|read| read.len()), Some(0));
        for broken in ["{\"city\": \"Par", "[1]", "\"Paris\"", "null", "Paris", "{} {}"] {
            assert_eq!(call(ToolKind::Function, broken).object(), None, "{broken}");
        }
        assert_eq!(call(ToolKind::Custom, "{}").object(), None, "free text stays text");
    }
}
