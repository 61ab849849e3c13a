//! Tools and the choice among them, both directions.
//!
//! A namespace is a group of tools with a name and a description. Its tools become tools with that namespace; the
//! group's head (all but the tools) travels before them as a hosted tool of kind `namespace`, so that this dialect
//! gets its description back and others declare it as lost.

use lockgate_core::content::{CustomTool, FunctionTool, Opaque};
use lockgate_core::{Conversation, Dialect, Failure, Raw, Tool, ToolChoice, Unmodelled};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Loss, Quirks};

use super::answer::text;
use super::request::{ChoiceIn, Members, file, read_at};

const NAMESPACE: &str = "namespace";

/// Reads `tools`.
pub(super) fn parse(list: Vec<Members>, conversation: &mut Conversation) -> Result<(), Failure> {
    for (at, tool) in list.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        parse_one(tool, None, &path, conversation)?;
    }
    Ok(())
}

fn parse_one(
    mut tool: Members,
    namespace: Option<&str>,
    path: &str,
    conversation: &mut Conversation,
) -> Result<(), Failure> {
    let owned = namespace.map(ToOwned::to_owned);
    match tool.kind.clone().as_deref() {
        Some("custom") => {
            let custom = CustomTool {
                description: tool.read("description", path)?,
                format: tool.take("format"),
                name: tool.need("name", path)?,
                namespace: owned,
            };
            conversation.tools.push(Tool::Custom(custom));
            file(&mut conversation.rest, path, tool.rest);
        }
        Some("function") => {
            let function = FunctionTool {
                cache: None,
                description: tool.read("description", path)?,
                name: tool.need("name", path)?,
                namespace: owned,
                schema: tool.take("parameters"),
                strict: tool.read("strict", path)?,
            };
            conversation.tools.push(Tool::Function(function));
            file(&mut conversation.rest, path, tool.rest);
        }
        Some(NAMESPACE) if namespace.is_none() => {
            let inner: Vec<Members> = tool.need("tools", path)?;
            hosted(NAMESPACE, &tool, conversation);
            let name: String = tool.need("name", path)?;
            for (at, inner) in inner.into_iter().enumerate() {
                parse_one(inner, Some(&name), &format!("{path}.tools[{at}]"), conversation)?;
            }
        }
        Some(other) => hosted(other, &tool, conversation),
        None => {
            let field = format!("{path}.type");
            return Err(Failure::invalid(&field, format!("`{field}` is missing")));
        }
    }
    Ok(())
}

fn hosted(kind: &str, tool: &Members, conversation: &mut Conversation) {
    if let Some(raw) = tool.whole() {
        let opaque = Opaque { dialect: Dialect::Responses, kind: kind.to_owned(), raw };
        conversation.tools.push(Tool::Hosted(opaque));
    }
}

/// Reads `tool_choice`. The choice of a hosted tool has no home and is kept as it is.
pub(super) fn parse_choice(choice: &Raw, conversation: &mut Conversation) -> Result<(), Failure> {
    let unmodelled = || Unmodelled { path: "tool_choice".to_owned(), value: choice.clone() };
    if let Some(word) = text(Some(choice)) {
        conversation.tool_choice = match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            other => {
                let words =
                    format!("`tool_choice` is `{other}`: it must be auto, none, required or an object");
                return Err(Failure::invalid("tool_choice", words));
            }
        };
        return Ok(());
    }
    let read: ChoiceIn = read_at(choice, "tool_choice")?;
    match (read.kind.as_deref(), read.name) {
        (Some("custom" | "function"), Some(name)) => {
            conversation.tool_choice = Some(ToolChoice::Among { names: vec![name], required: true });
        }
        (Some("allowed_tools"), _) => {
            let offered = read.tools.map(|list| list.0).unwrap_or_default();
            let all = offered.len();
            let names: Vec<String> = offered.into_iter().filter_map(|tool| tool.name).collect();
            if names.len() < all {
                conversation.rest.push(unmodelled());
            }
            if !names.is_empty() {
                let required = read.mode.as_deref() == Some("required");
                conversation.tool_choice = Some(ToolChoice::Among { names, required });
            }
        }
        _ => conversation.rest.push(unmodelled()),
    }
    Ok(())
}

/// A tool as it is written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ToolOut<'a> {
    Custom {
        r#type: &'static str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<&'a RawValue>,
    },
    Function {
        r#type: &'static str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        parameters: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    Namespace {
        r#type: &'static str,
        name: &'a str,
        description: String,
        tools: Vec<ToolOut<'a>>,
    },
    Raw(&'a RawValue),
}

/// Writes `tools`. `strict` is always said: this dialect holds to the schema where nothing is said, others do not.
pub(super) fn write<'a>(tools: &'a [Tool], quirks: &Quirks, loss: &mut Loss) -> Vec<ToolOut<'a>> {
    let mut out: Vec<ToolOut<'a>> = Vec::with_capacity(tools.len());
    let mut heads: Vec<HeadIn> = Vec::new();
    for tool in tools {
        let (namespace, written) = match tool {
            Tool::Custom(custom) => (&custom.namespace, custom_out(custom)),
            Tool::Function(function) => {
                if function.cache.is_some() {
                    loss.note("cache_control");
                }
                (&function.namespace, function_out(function, quirks))
            }
            Tool::Hosted(opaque) if opaque.dialect != Dialect::Responses => {
                loss.note(format!("tools.{}", opaque.kind));
                continue;
            }
            Tool::Hosted(opaque) if opaque.kind == NAMESPACE => {
                heads.extend(serde_json::from_str::<HeadIn>(opaque.raw.get()).ok());
                continue;
            }
            Tool::Hosted(opaque) => (&None, ToolOut::Raw(&opaque.raw)),
        };
        let Some(namespace) = namespace else {
            out.push(written);
            continue;
        };
        let begun = out.iter_mut().find_map(|tool| match tool {
            ToolOut::Namespace { name, tools, .. } if *name == namespace => Some(tools),
            ToolOut::Custom { .. }
            | ToolOut::Function { .. }
            | ToolOut::Namespace { .. }
            | ToolOut::Raw(_) => None,
        });
        if let Some(tools) = begun {
            tools.push(written);
            continue;
        }
        let head = heads.iter().find(|head| head.name == *namespace);
        let description = head.and_then(|head| head.description.clone()).unwrap_or_default();
        out.push(ToolOut::Namespace {
            r#type: NAMESPACE,
            name: namespace,
            description,
            tools: vec![written],
        });
    }
    out
}

/// The head of a namespace.
#[derive(serde::Deserialize)]
struct HeadIn {
    #[serde(default)]
    description: Option<String>,
    name: String,
}

fn custom_out(tool: &CustomTool) -> ToolOut<'_> {
    ToolOut::Custom {
        r#type: "custom",
        name: &tool.name,
        description: tool.description.as_deref(),
        format: tool.format.as_deref(),
    }
}

fn function_out<'a>(tool: &'a FunctionTool, quirks: &Quirks) -> ToolOut<'a> {
    ToolOut::Function {
        r#type: "function",
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: tool.schema.as_deref(),
        strict: (!quirks.no_strict_tools).then(|| tool.strict.unwrap_or(false)),
    }
}

/// The choice as it is written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ChoiceOut<'a> {
    Allowed { r#type: &'static str, mode: &'static str, tools: Vec<NamedOut<'a>> },
    One(NamedOut<'a>),
    Word(&'static str),
}

/// A tool by its name.
#[derive(Serialize)]
pub(super) struct NamedOut<'a> {
    r#type: &'static str,
    name: &'a str,
}

/// Writes `tool_choice`.
pub(super) fn choice<'a>(choice: &'a ToolChoice, tools: &[Tool]) -> ChoiceOut<'a> {
    let named = |name: &'a String| {
        let custom = tools.iter().any(|tool| matches!(tool, Tool::Custom(custom) if custom.name == *name));
        NamedOut { r#type: if custom { "custom" } else { "function" }, name }
    };
    match choice {
        ToolChoice::Among { names, required: true } if names.len() == 1 => ChoiceOut::One(named(&names[0])),
        ToolChoice::Among { names, required } => ChoiceOut::Allowed {
            r#type: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(named).collect(),
        },
        ToolChoice::Auto => ChoiceOut::Word("auto"),
        ToolChoice::None => ChoiceOut::Word("none"),
        ToolChoice::Required => ChoiceOut::Word("required"),
    }
}
