//! A JSON5 text as a tree that knows where everything stands.
//!
//! Comments are gone, order is kept. It knows nothing about what the settings mean.

use std::fmt;

use jsonc_parser::ast::{Object, ObjectPropName, Value};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) data: Data,
    pub(super) place: Place,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Bool(bool),
    List(Vec<Node>),
    Map(Vec<Field>),
    Null,
    Number(String),
    Text(String),
}

/// A key, its place and its value.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) value: Node,
}

/// Line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Something in the file that stops the import.
#[derive(Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.place.line, self.place.column, self.message)
    }
}

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| Problem {
        place: Place { line: error.line_display(), column: error.column_display() },
        message: error.kind().to_string(),
    })?;
    let root = parsed.value.ok_or_else(|| Problem {
        place: Place { line: 1, column: 1 },
        message: "the file is empty".into(),
    })?;
    Ok(node(&root, text))
}

impl Node {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Bool(_) | Data::List(_) | Data::Map(_) | Data::Null | Data::Number(_) => None,
        }
    }

    /// A text or a number, as text; claude-code-router takes both where it wants either.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.data {
            Data::Number(text) | Data::Text(text) => Some(text),
            Data::Bool(_) | Data::List(_) | Data::Map(_) | Data::Null => None,
        }
    }

    pub(super) fn fields(&self) -> &[Field] {
        match &self.data {
            Data::Map(fields) => fields,
            Data::Bool(_) | Data::List(_) | Data::Null | Data::Number(_) | Data::Text(_) => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            Data::Bool(_) | Data::Map(_) | Data::Null | Data::Number(_) | Data::Text(_) => &[],
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Node> {
        self.fields().iter().rfind(|field| field.name == name).map(|field| &field.value)
    }

    /// Whether this says as much as being absent.
    pub(super) fn is_empty(&self) -> bool {
        match &self.data {
            Data::Bool(_) | Data::Number(_) => false,
            Data::List(items) => items.is_empty(),
            Data::Map(fields) => fields.is_empty(),
            Data::Null => true,
            Data::Text(text) => text.trim().is_empty(),
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        match &self.data {
            Data::Bool(value) => (*value).into(),
            Data::List(items) => items.iter().map(Node::json).collect(),
            Data::Map(fields) => {
                fields.iter().map(|field| (field.name.clone(), field.value.json())).collect()
            }
            Data::Null => serde_json::Value::Null,
            Data::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            Data::Text(text) => text.as_str().into(),
        }
    }
}

fn node(value: &Value<'_>, text: &str) -> Node {
    let data = match value {
        Value::StringLit(literal) => Data::Text(literal.value.to_string()),
        Value::NumberLit(literal) => Data::Number(literal.value.to_owned()),
        Value::BooleanLit(literal) => Data::Bool(literal.value),
        Value::Object(object) => Data::Map(fields(object, text)),
        Value::Array(array) => Data::List(array.elements.iter().map(|element| node(element, text)).collect()),
        Value::NullKeyword(_) => Data::Null,
    };
    Node { data, place: place(value.range(), text) }
}

fn fields(object: &Object<'_>, text: &str) -> Vec<Field> {
    let field = |property: &jsonc_parser::ast::ObjectProp<'_>| {
        let name = match &property.name {
            ObjectPropName::String(literal) => literal.value.to_string(),
            ObjectPropName::Word(word) => word.value.to_owned(),
        };
        Field { name, place: place(property.range(), text), value: node(&property.value, text) }
    };
    object.properties.iter().map(field).collect()
}

fn place(range: Range, text: &str) -> Place {
    let before = text.get(..range.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}
