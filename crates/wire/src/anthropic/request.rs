//! A request as Anthropic's clients write it.
//!
//! Kinds of blocks that are modelled are read straight into their fields; all others keep the text of every member,
//! so that they can be written again or declared as lost. Makes no judgement about what is allowed: `parse` does.

use lockgate_core::{Failure, Raw};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

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
        "tools" => tools: List<Members>,
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
        "text" => text: String,
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

wire_object! {
    /// A tool that the client runs.
    pub(super) struct Function {
        "cache_control" => cache: Cache,
        "description" => description: String,
        "input_schema" => schema: Raw,
        "name" => name: String,
        "strict" => strict: bool,
        "type" => kind: String,
    }
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

    /// Reads the members as a struct; an error's path starts with `path`.
    pub(super) fn read<T: de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let json = self.to_raw();
        crate::json::read_request(json.as_ref().map_or("{}", |json| json.get()).as_bytes()).map_err(
            |failure| {
                let at = failure.param.map_or_else(|| path.to_owned(), |inner| format!("{path}.{inner}"));
                Failure::invalid(at.clone(), format!("`{at}`: {}", failure.message))
            },
        )
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Members, A::Error> {
                gather(Vec::new(), map).map(Members)
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

fn gather<'de, A: MapAccess<'de>>(
    mut members: Vec<(String, Raw)>,
    mut map: A,
) -> Result<Vec<(String, Raw)>, A::Error> {
    while let Some(Key(key)) = map.next_key()? {
        members.push((key.into_owned(), map.next_value()?));
    }
    Ok(members)
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
                let Some(Key(key)) = map.next_key()? else {
                    return Err(at_field("type", "missing"));
                };
                if key != "type" {
                    let first = vec![(key.into_owned(), map.next_value()?)];
                    return type_behind(gather(first, map)?);
                }
                let kind: Key<'de> = map.next_value().map_err(|error| at_field("type", error))?;
                let rest = MapAccessDeserializer::new(map);
                Ok(match &*kind.0 {
                    "text" => Block::Text(Deserialize::deserialize(rest)?),
                    "thinking" | "redacted_thinking" => Block::Thought(Deserialize::deserialize(rest)?),
                    "tool_result" => Block::ToolResult(Deserialize::deserialize(rest)?),
                    "tool_use" => Block::ToolUse(Deserialize::deserialize(rest)?),
                    other => {
                        let kind = raw(serde_json::Value::from(other).to_string());
                        let first = kind.map(|kind| ("type".to_owned(), kind)).into_iter().collect();
                        let Members(members) = Members::deserialize(rest)?;
                        Block::Other(Members([first, members].concat()))
                    }
                })
            }
        }
        deserializer.deserialize_map(BlockVisitor)
    }
}

/// A block whose first member is not its type: some clients sort members by name.
fn type_behind<E: de::Error>(mut members: Vec<(String, Raw)>) -> Result<Block, E> {
    let Some(at) = members.iter().position(|(key, _)| key == "type") else {
        return Err(at_field("type", "missing"));
    };
    if !members[at].1.get().starts_with('"') {
        return Err(at_field("type", "must be a string"));
    }
    members[..=at].rotate_right(1);
    let json = Members(members).to_raw();
    serde_json::from_str(json.as_ref().map_or("{}", |json| json.get())).map_err(E::custom)
}
