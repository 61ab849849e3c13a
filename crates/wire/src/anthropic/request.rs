//! A request as Anthropic's clients write it.
//!
//! Kinds of blocks that are modelled are read straight into their fields; all others keep the text of every member,
//! so that they can be written again or declared as lost. Makes no judgement about what is allowed: `parse` does.

use lockgate_core::Words;
use std::borrow::Cow;

use lockgate_core::{Failure, Raw};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{Key, List, TextOr, at_field, raw, wire_object};

wire_object! {
    /// The body. `model` and `stream` are the envelope's business.
    pub(super) struct Request {
        "max_tokens" => max_tokens: u64,
        "messages" => messages: List<Message>,
        "metadata" => metadata: Metadata,
        "model" => model: Raw,
        "output_config" => output_config: OutputConfig,
        "output_format" => output_format: Format,
        "service_tier" => service_tier: String,
        "stop_sequences" => stop_sequences: List<String>,
        "stream" => stream: Raw,
        "system" => system: TextOr<Block>,
        "temperature" => temperature: f64,
        "thinking" => thinking: Raw,
        "tool_choice" => tool_choice: Choice,
        "tools" => tools: List<Tool>,
        "top_k" => top_k: u64,
        "top_p" => top_p: f64,
    }
}

wire_object! {
    /// One message.
    pub(super) struct Message { "content" => content: TextOr<Block>, "role" => role: String }
}

wire_object! {
    /// Labels of the call.
    pub(super) struct Metadata { "user_id" => user_id: String }
}

wire_object! {
    /// How hard to try, and the form of the answer.
    pub(super) struct OutputConfig { "effort" => effort: String, "format" => format: Format }
}

wire_object! {
    /// The form of the answer.
    pub(super) struct Format { "schema" => schema: Raw, "type" => kind: String }
}

wire_object! {
    /// Which tool to call.
    pub(super) struct Choice {
        "disable_parallel_tool_use" => no_parallel: bool,
        "name" => name: String,
        "type" => kind: String,
    }
}

wire_object! {
    /// How to think.
    pub(super) struct Thinking {
        "budget_tokens" => budget: i64,
        "display" => display: String,
        "type" => kind: String,
    }
}

wire_object! {
    /// A cache breakpoint.
    pub(super) struct Cache { "ttl" => ttl: String, "type" => kind: String }
}

wire_object! {
    /// Words.
    pub(super) struct Text {
        "cache_control" => cache: Cache,
        "citations" => citations: List<Raw>,
        "text" => words: Words,
    }
}

wire_object! {
    /// Thoughts, readable or sealed.
    pub(super) struct Thought {
        "data" => data: String,
        "signature" => signature: String,
        "thinking" => thinking: String,
    }
}

wire_object! {
    /// A call of a client's tool.
    pub(super) struct ToolUse {
        "cache_control" => cache: Cache,
        "caller" => caller: Raw,
        "id" => id: String,
        "input" => input: Raw,
        "name" => name: String,
        "toolset_name" => toolset_name: Raw,
    }
}

wire_object! {
    /// The result of a client's tool.
    pub(super) struct ToolResult {
        "cache_control" => cache: Cache,
        "content" => content: TextOr<Block>,
        "is_error" => is_error: bool,
        "tool_use_id" => tool_use_id: String,
        "toolset_name" => toolset_name: Raw,
    }
}

wire_object! {
    /// A picture or a document.
    pub(super) struct Attachment {
        "cache_control" => cache: Cache,
        "citations" => citations: CitationsConfig,
        "context" => context: String,
        "source" => source: Source,
        "title" => title: String,
        "type" => kind: String,
    }
}

wire_object! {
    /// Whether to cite a document.
    pub(super) struct CitationsConfig { "enabled" => enabled: bool }
}

wire_object! {
    /// Where the bytes of an attachment are.
    pub(super) struct Source {
        "data" => data: String,
        "file_id" => file_id: String,
        "media_type" => media_type: String,
        "type" => kind: String,
        "url" => url: String,
    }
}

/// A tool that the client runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Function {
    pub(super) cache: Option<Cache>,
    pub(super) description: Option<String>,
    pub(super) name: Option<String>,
    pub(super) rest: Vec<(String, Raw)>,
    pub(super) schema: Option<Raw>,
    pub(super) strict: Option<bool>,
}

/// A tool on offer.
#[derive(Debug, Clone)]
pub(super) enum Tool {
    /// The client's own.
    Function(Function),
    /// One that the provider runs, by its `type`.
    Hosted(String, Members),
}

/// One block of content.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// A picture, a document, or a kind that is not modelled.
    Other(Members),
    Text(Text),
    Thought(Thought),
    ToolResult(ToolResult),
    ToolUse(ToolUse),
}

/// The members of an object, each as it was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Members(Vec<(String, Raw)>);

impl Members {
    /// The text of a string member, if it is one.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(known, _)| known == key)?;
        serde_json::from_str(value.get()).ok()
    }

    /// The object again: same members, same order, each value byte for byte.
    pub(super) fn to_raw(&self) -> Option<Raw> {
        let room = self.0.iter().map(|(key, value)| key.len() + value.get().len() + 6).sum::<usize>();
        let mut json = String::with_capacity(room + 2);
        json.push('{');
        for (at, (key, value)) in self.0.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(key.as_str()).to_string());
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        raw(json)
    }

    fn of(members: Vec<(Cow<'_, str>, &RawValue)>) -> Self {
        Self(members.into_iter().map(|(key, value)| (key.into_owned(), value.to_owned())).collect())
    }

    /// Reads the members as a struct; an error's path starts with `path`.
    pub(super) fn read<T: de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read_at(self.to_raw().as_ref().map_or("{}", |json| json.get()), path)
    }
}

/// Reads a part of a request that stands at `path`.
pub(super) fn read_at<T: de::DeserializeOwned>(json: &str, path: &str) -> Result<T, Failure> {
    crate::json::read_request(json.as_bytes()).map_err(|failure| {
        let (at, what) = match &failure.param {
            Some(inner) => {
                let what = failure.message.strip_prefix(&format!("`{inner}`: "));
                (format!("{path}.{inner}"), what.unwrap_or(&failure.message))
            }
            None => (path.to_owned(), failure.message.as_str()),
        };
        // Lines and columns are those of the part, not of the body.
        let what = what.split(" at line ").next().unwrap_or(what);
        Failure::invalid(at.clone(), format!("`{at}`: {what}"))
    })
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key.into_owned(), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlockVisitor;
        impl<'de> Visitor<'de> for BlockVisitor {
            type Value = Block;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a content block")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Block, A::Error> {
                let mut before = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if key == "type" {
                        let kind: Key<'de> = map.next_value().map_err(|error| at_field("type", error))?;
                        return block(
                            &kind.0,
                            Rejoined { before: before.into_iter(), behind: map, value: None },
                        );
                    }
                    before.push((key, map.next_value()?));
                }
                Err(at_field("type", "missing"))
            }
        }
        deserializer.deserialize_map(BlockVisitor)
    }
}

/// Schemas are the largest part of many requests: the members are found in one pass, and only small ones are read again.
impl<'de> Deserialize<'de> for Tool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ToolVisitor;
        impl<'de> Visitor<'de> for ToolVisitor {
            type Value = Tool;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tool, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(4);
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                let kind = members.iter().find(|(key, _)| key == "type");
                match kind.and_then(|(_, kind)| serde_json::from_str::<String>(kind.get()).ok()) {
                    Some(kind) if kind != "custom" => Ok(Tool::Hosted(kind, Members::of(members))),
                    Some(_) | None => function(members).map(Tool::Function),
                }
            }
        }
        deserializer.deserialize_map(ToolVisitor)
    }
}

fn function<E: de::Error>(members: Vec<(Cow<'_, str>, &RawValue)>) -> Result<Function, E> {
    let mut function = Function::default();
    for (key, value) in members {
        match &*key {
            "cache_control" => function.cache = small(&key, value)?,
            "description" => function.description = small(&key, value)?,
            "input_schema" => function.schema = (value.get() != "null").then(|| value.to_owned()),
            "name" => function.name = small(&key, value)?,
            "strict" => function.strict = small(&key, value)?,
            "type" => small::<String, E>(&key, value).map(drop)?,
            _ => function.rest.push((key.into_owned(), value.to_owned())),
        }
    }
    Ok(function)
}

/// A member, read by itself.
fn small<T: de::DeserializeOwned, E: de::Error>(key: &str, value: &RawValue) -> Result<Option<T>, E> {
    serde_json::from_str(value.get()).map_err(|error| {
        let words = error.to_string();
        // Lines and columns are those of the part, not of the body.
        at_field(key, words.split(" at line ").next().unwrap_or(&words))
    })
}

/// A block of a kind, from its other members.
fn block<'de, A: MapAccess<'de>>(kind: &str, members: A) -> Result<Block, A::Error> {
    let members = MapAccessDeserializer::new(members);
    Ok(match kind {
        "text" => Block::Text(Deserialize::deserialize(members)?),
        "thinking" | "redacted_thinking" => Block::Thought(Deserialize::deserialize(members)?),
        "tool_result" => Block::ToolResult(Deserialize::deserialize(members)?),
        "tool_use" => Block::ToolUse(Deserialize::deserialize(members)?),
        other => {
            let kind = raw(serde_json::Value::from(other).to_string());
            let mut all: Vec<_> = kind.map(|kind| ("type".to_owned(), kind)).into_iter().collect();
            all.append(&mut Members::deserialize(members)?.0);
            Block::Other(Members(all))
        }
    })
}

/// The members before and behind `type`: many clients do not write it first.
struct Rejoined<'de, A> {
    before: std::vec::IntoIter<(Cow<'de, str>, &'de RawValue)>,
    behind: A,
    /// The value of the key that was handed out last, if it stood before.
    value: Option<&'de RawValue>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rejoined<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.before.next() {
            Some((key, value)) => {
                self.value = Some(value);
                seed.deserialize(key.into_deserializer()).map(Some)
            }
            None => self.behind.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed
                .deserialize(&mut serde_json::Deserializer::from_str(value.get()))
                .map_err(<A::Error as de::Error>::custom),
            None => self.behind.next_value_seed(seed),
        }
    }
}
