//! Tool names that every dialect can say.
//!
//! Some dialects group tools in namespaces, have tools that take free text, or allow names that others refuse (dots,
//! more than 64 characters). Before a conversation changes dialect, [`ToolNames::plain`] turns all of them into plain
//! functions with names of `[A-Za-z_][A-Za-z0-9_-]{0,63}`; [`Restore`] turns the answer's calls back into what the
//! client offered. The short names depend on the original only, so history and answers always agree.

use std::collections::HashMap;

use lockgate_core::content::{FunctionTool, ToolKind};
use lockgate_core::{Block, BlockStart, Conversation, Delta, Event, Tool, ToolChoice};

/// The names of one conversation's tools, short and original.
#[derive(Debug, Clone, Default)]
pub struct ToolNames {
    by_short: HashMap<String, Original>,
}

/// A tool as the client named it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Original {
    kind: ToolKind,
    name: String,
    namespace: Option<String>,
}

impl ToolNames {
    /// Rewrites a conversation so that all its client tools are plain functions, and remembers how they were.
    pub fn plain(conversation: &mut Conversation) -> Self {
        let mut names = Self::default();
        for tool in &mut conversation.tools {
            names.plain_tool(tool);
        }
        for part in conversation.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
            match &mut part.block {
                Block::ToolCall(call) => {
                    let original = Original {
                        kind: call.kind,
                        name: call.name.clone(),
                        namespace: call.namespace.take(),
                    };
                    if call.kind == ToolKind::Custom {
                        call.arguments = serde_json::json!({ "input": call.arguments }).to_string();
                        call.kind = ToolKind::Function;
                    }
                    call.name = names.short(original);
                }
                Block::ToolResult(result) => {
                    result.kind = ToolKind::Function;
                    if let Some(name) = &mut result.name {
                        *name = short_name(None, name);
                    }
                }
                Block::Audio(_)
                | Block::Document(_)
                | Block::Image(_)
                | Block::Opaque(_)
                | Block::Reasoning(_)
                | Block::Refusal(_)
                | Block::Text(_)
                | Block::Video(_) => {}
            }
        }
        if let Some(ToolChoice::Among { names: chosen, .. }) = &mut conversation.tool_choice {
            for name in chosen {
                *name = names.chosen(name);
            }
        }
        names
    }

    fn plain_tool(&mut self, tool: &mut Tool) {
        match tool {
            Tool::Function(function) => {
                let original = Original {
                    kind: ToolKind::Function,
                    name: function.name.clone(),
                    namespace: function.namespace.take(),
                };
                function.name = self.short(original);
            }
            Tool::Custom(custom) => {
                let original = Original {
                    kind: ToolKind::Custom,
                    name: custom.name.clone(),
                    namespace: custom.namespace.take(),
                };
                let description = match (&custom.description, &custom.format) {
                    (Some(words), Some(format)) => {
                        Some(format!("{words}\n\nFormat of `input`: {}", format.get()))
                    }
                    (Some(words), None) => Some(words.clone()),
                    (None, Some(format)) => Some(format!("Format of `input`: {}", format.get())),
                    (None, None) => None,
                };
                *tool = Tool::Function(FunctionTool {
                    cache: None,
                    description,
                    name: self.short(original),
                    namespace: None,
                    schema: crate::json::raw(
                        r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#,
                    ),
                    strict: None,
                });
            }
            Tool::Hosted(_) => {}
        }
    }

    fn short(&mut self, original: Original) -> String {
        let short = short_name(original.namespace.as_deref(), &original.name);
        if short != original.name || original.kind == ToolKind::Custom {
            self.by_short.insert(short.clone(), original);
        }
        short
    }

    /// A chosen tool's short name; the choice names no namespace.
    fn chosen(&self, name: &str) -> String {
        let known = self.by_short.iter().find(|(_, original)| original.name == name);
        known.map_or_else(|| short_name(None, name), |(short, _)| short.clone())
    }
}

/// A name of `[A-Za-z_][A-Za-z0-9_-]{0,63}`, the same for the same original, different for different ones.
fn short_name(namespace: Option<&str>, name: &str) -> String {
    let full = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}__{name}"));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let starts_well = full.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if full.len() <= 64 && starts_well && full.chars().all(plain) {
        return full;
    }
    let mut short: String = full.chars().take(48).map(|c| if plain(c) { c } else { '_' }).collect();
    if !starts_well {
        short.insert(0, '_');
    }
    format!("{short}_{:08x}", fnv(full.as_bytes()))
}

/// FNV-1a, folded to 32 bits: names only have to differ, not to withstand anybody.
fn fnv(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

/// Gives the tool calls of an answer the names and forms that the client knows.
#[derive(Debug)]
pub struct Restore {
    /// Arguments of custom tools, gathered until the block ends: index and JSON text.
    gathered: Vec<(u32, String)>,
    names: ToolNames,
}

impl Restore {
    /// For the answer to a conversation that [`ToolNames::plain`] rewrote.
    pub fn new(names: ToolNames) -> Self {
        Self { gathered: Vec::new(), names }
    }

    /// Passes an event on, changed where it belongs to a renamed tool.
    pub fn apply(&mut self, event: Event, mut emit: impl FnMut(Event)) {
        match event {
            Event::BlockStarted { index, block: BlockStart::ToolCall { id, kind, name, namespace } } => {
                let block = match self.names.by_short.get(&name) {
                    Some(original) => {
                        if original.kind == ToolKind::Custom {
                            self.gathered.push((index, String::new()));
                        }
                        BlockStart::ToolCall {
                            id,
                            kind: original.kind,
                            name: original.name.clone(),
                            namespace: original.namespace.clone(),
                        }
                    }
                    None => BlockStart::ToolCall { id, kind, name, namespace },
                };
                emit(Event::BlockStarted { index, block });
            }
            Event::BlockDelta { index, delta: Delta::Arguments(piece) } => match self.gathering(index) {
                Some(text) => text.push_str(&piece),
                None => emit(Event::BlockDelta { index, delta: Delta::Arguments(piece) }),
            },
            Event::BlockEnded { index } => {
                if let Some(at) = self.gathered.iter().position(|(of, _)| *of == index) {
                    let (_, text) = self.gathered.swap_remove(at);
                    emit(Event::BlockDelta { index, delta: Delta::Arguments(free_text(text)) });
                }
                emit(Event::BlockEnded { index });
            }
            Event::BlockDelta { .. }
            | Event::BlockStarted { .. }
            | Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => emit(event),
        }
    }

    fn gathering(&mut self, index: u32) -> Option<&mut String> {
        self.gathered.iter_mut().find(|(of, _)| *of == index).map(|(_, text)| text)
    }
}

/// The free text inside `{"input": "…"}`; what is not of that form is passed as it is.
fn free_text(arguments: String) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(&arguments).ok();
    match parsed.as_ref().and_then(|value| value.get("input")).and_then(serde_json::Value::as_str) {
        Some(text) => text.to_owned(),
        None => arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_core::content::CustomTool;

    fn function(name: &str, namespace: Option<&str>) -> Tool {
        Tool::Function(FunctionTool {
            cache: None,
            description: None,
            name: name.into(),
            namespace: namespace.map(Into::into),
            schema: None,
            strict: None,
        })
    }

    fn name_of(tool: &Tool) -> &str {
        match tool {
            Tool::Function(function) => &function.name,
            Tool::Custom(_) | Tool::Hosted(_) => panic!("not a function"),
        }
    }

    #[test]
    fn plain_names_stay_and_others_become_plain_and_distinct() {
        let long = "x".repeat(80);
        let mut conversation = Conversation {
            tools: vec![
                function("Read", None),
                function("get.weather", None),
                function("get:weather", None),
                function(&long, None),
                function("open", Some("browser")),
            ],
            ..Conversation::default()
        };
        ToolNames::plain(&mut conversation);
        let names: Vec<_> = conversation.tools.iter().map(name_of).collect();
        assert_eq!((names[0], names[4]), ("Read", "browser__open"));
        assert_ne!(names[1], names[2]);
        for name in names {
            assert!(
                name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_custom_tool_comes_back_as_free_text_under_its_own_name() {
        let custom =
            CustomTool { description: None, format: None, name: "apply_patch".into(), namespace: None };
        let mut conversation = Conversation { tools: vec![Tool::Custom(custom)], ..Conversation::default() };
        let names = ToolNames::plain(&mut conversation);
        let mut restore = Restore::new(names);
        let mut out = Vec::new();
        let call = BlockStart::ToolCall {
            id: "c1".into(),
            kind: ToolKind::Function,
            name: "apply_patch".into(),
            namespace: None,
        };
        for event in [
            Event::BlockStarted { index: 0, block: call },
            Event::BlockDelta { index: 0, delta: Delta::Arguments(r#"{"input":"*** Be"#.into()) },
            Event::BlockDelta { index: 0, delta: Delta::Arguments(r#"gin\n\"x\""}"#.into()) },
            Event::BlockEnded { index: 0 },
        ] {
            restore.apply(event, |event| out.push(event));
        }
        assert!(matches!(
            &out[0],
            Event::BlockStarted { block: BlockStart::ToolCall { kind: ToolKind::Custom, .. }, .. }
        ));
        assert!(
            matches!(&out[1], Event::BlockDelta { delta: Delta::Arguments(text), .. } if text == "*** Begin\n\"x\"")
        );
        assert_eq!(out.len(), 3);
    }
}
