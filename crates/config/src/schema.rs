//! The JSON Schema of the configuration: generated from the sections, published, and read back by everything that needs
//! to know what a field is (`shape`, `show`, `reference`).
//!
//! `Schema` is a view of one node of it that follows references and sees through "or null". It understands what schemars
//! writes for our types and is no general validator.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::Config;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>().to_value();
    // Where the values of a map are secrets, each of them is: editors and our own reader look at the value's schema.
    mark_secret_values(&mut schema);
    schema["title"] = "Lockgate configuration".into();
    schema
});

/// The published JSON Schema (2020-12), pretty-printed.
pub fn schema() -> String {
    format!("{:#}\n", *DOCUMENT)
}

fn mark_secret_values(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.remove("x-secret-values").is_some()
                && let Some(values) = object.get_mut("additionalProperties")
            {
                values["writeOnly"] = true.into();
            }
            object.values_mut().for_each(mark_secret_values);
        }
        Value::Array(items) => items.iter_mut().for_each(mark_secret_values),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// One node of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema<'s> {
    /// As it stands, with its own description and default.
    outer: &'s Value,
    /// What it refers to.
    inner: &'s Value,
    nullable: bool,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub(crate) enum Type<'s> {
    Any,
    Boolean,
    Choice(Vec<&'s str>),
    Integer,
    List(Schema<'s>),
    /// Any keys, values alike.
    Map(Schema<'s>),
    Number,
    /// Known keys.
    Object,
    String,
}

impl Schema<'static> {
    /// The whole configuration.
    pub(crate) fn root() -> Self {
        Self::of(&DOCUMENT)
    }
}

impl<'s> Schema<'s> {
    fn of(outer: &'s Value) -> Self {
        let mut inner = outer;
        let mut nullable = false;
        loop {
            if let Some(name) = inner["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
                inner = &DOCUMENT["$defs"][name];
            } else if let Some(choices) = inner["anyOf"].as_array() {
                nullable |= choices.iter().any(|choice| choice["type"] == "null");
                match choices.iter().find(|choice| choice["type"] != "null") {
                    Some(choice) => inner = choice,
                    None => break,
                }
            } else {
                nullable |= inner["type"].as_array().is_some_and(|types| types.iter().any(|t| t == "null"));
                break;
            }
        }
        Self { outer, inner, nullable }
    }

    pub(crate) fn shape(self) -> Type<'s> {
        if let Some(choices) = self.inner["oneOf"].as_array() {
            return Type::Choice(choices.iter().filter_map(|choice| choice["const"].as_str()).collect());
        }
        if let Some(choices) = self.inner["enum"].as_array() {
            return Type::Choice(choices.iter().filter_map(Value::as_str).collect());
        }
        let name = match &self.inner["type"] {
            Value::Array(types) => types.iter().find_map(|t| t.as_str().filter(|t| *t != "null")),
            other => other.as_str(),
        };
        match name {
            Some("array") => Type::List(Self::of(&self.inner["items"])),
            Some("boolean") => Type::Boolean,
            Some("integer") => Type::Integer,
            Some("number") => Type::Number,
            Some("object") if self.inner["properties"].is_object() => Type::Object,
            Some("object") => Type::Map(Self::of(&self.inner["additionalProperties"])),
            Some("string") => Type::String,
            _ => Type::Any,
        }
    }

    /// The schema of the value under a key; none if the key is unknown.
    pub(crate) fn property(self, key: &str) -> Option<Self> {
        match self.shape() {
            Type::Map(values) => {
                self.names().is_none_or(|mut names| names.any(|name| name == key)).then_some(values)
            }
            Type::Object => self.inner["properties"].get(key).map(Self::of),
            Type::Any
            | Type::Boolean
            | Type::Choice(_)
            | Type::Integer
            | Type::List(_)
            | Type::Number
            | Type::String => None,
        }
    }

    /// Known keys with their schemas, in the order of declaration.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'s str, Self)> + Clone {
        let properties = self.inner["properties"].as_object();
        properties.into_iter().flatten().map(|(key, schema)| (key.as_str(), Self::of(schema)))
    }

    pub(crate) fn property_names(self) -> impl Iterator<Item = &'s str> + Clone {
        self.properties().map(|(key, _)| key).chain(self.names().into_iter().flatten())
    }

    /// The only keys of a mapping, where not any will do.
    fn names(self) -> Option<impl Iterator<Item = &'s str> + Clone> {
        let names = self.either("propertyNames")?["enum"].as_array()?;
        Some(names.iter().filter_map(Value::as_str))
    }

    pub(crate) fn required(self) -> impl Iterator<Item = &'s str> {
        self.inner["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// Where a key that does not belong here is set instead, in words for whoever wrote it.
    pub(crate) fn elsewhere(self, key: &str) -> Option<&'s str> {
        self.inner["x-elsewhere"][key].as_str()
    }

    pub(crate) fn is_nullable(self) -> bool {
        self.nullable
    }

    pub(crate) fn is_secret(self) -> bool {
        self.either("writeOnly") == Some(&Value::Bool(true))
    }

    pub(crate) fn format(self) -> Option<&'s str> {
        self.either("format").and_then(Value::as_str)
    }

    pub(crate) fn min_length(self) -> u64 {
        self.either("minLength").and_then(Value::as_u64).unwrap_or(0)
    }

    pub(crate) fn range(self) -> (Option<f64>, Option<f64>) {
        let bound = |key| self.either(key).and_then(Value::as_f64);
        (bound("minimum"), bound("maximum"))
    }

    pub(crate) fn default(self) -> Option<&'s Value> {
        self.outer.get("default").filter(|default| !default.is_null())
    }

    pub(crate) fn description(self) -> &'s str {
        self.either("description").and_then(Value::as_str).unwrap_or_default()
    }

    /// The choices of a word with what each means.
    pub(crate) fn choices(self) -> impl Iterator<Item = (&'s str, &'s str)> {
        let choices = self.inner["oneOf"].as_array().into_iter().flatten();
        choices.filter_map(|c| Some((c["const"].as_str()?, c["description"].as_str().unwrap_or_default())))
    }

    fn either(self, key: &str) -> Option<&'s Value> {
        self.outer.get(key).or_else(|| self.inner.get(key))
    }
}
