//! The reference page of the configuration, generated from the schema so that it cannot differ from it.

use std::fmt::Write as _;

use lockgate_providers::{KINDS, PRESETS};
use serde_json::Value;

use crate::{
    Code, Severity,
    schema::{Schema, Type},
};

const INTRODUCTION: &str = "\
# Configuration reference

<!-- Generated from the types of `lockgate-config` and `lockgate-providers`; change the doc comments there. -->

One YAML file: the one that `--config` or `LOCKGATE_CONFIG` names, else `./lockgate.yaml`, else
`$XDG_CONFIG_HOME/lockgate/lockgate.yaml`, else `~/.config/lockgate/lockgate.yaml`. Without any file the defaults apply.

Layers, each over the one before: defaults, what the environment shows (`ANTHROPIC_API_KEY`, `OLLAMA_HOST`,
`CUSTOM_PROVIDERS`, …), the file, [what is set while gateways run](runtime.md), `LOCKGATE__SECTION__KEY` variables, flags. Mappings merge, everything else replaces.
`lockgate config show` prints each value with its source. A credential found in the environment is used only at the
provider's own address: an entry with `base_url` or `kind` names its `api_key` itself.

`${NAME}` in a value is replaced by that environment variable, `${NAME:-text}` by the text if the variable is not set or
empty; `$${` stands for `${` itself. Values are replaced after the file was read, so they need no quotes or escapes.

`CUSTOM_PROVIDERS` holds a JSON list of further OpenAI-compatible providers:
`[{\"name\": \"work\", \"baseUrl\": \"https://llm.example.com/v1\", \"apiKey\": \"…\", \"models\": [\"m\"], \"headers\": {}}]`,
or an object of such entries by name. `id`, `base_url` and `api_key` are understood as well.
";

/// The page, as Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, section) in Schema::root().properties() {
        let _ = writeln!(page, "\n## {name}\n\n{}\n", one_line(section.description()));
        let _ = writeln!(page, "| path | type | default | meaning |\n|---|---|---|---|");
        rows(name, section, &mut page);
    }
    kinds(&mut page);
    codes(&mut page);
    page
}

fn rows(path: &str, schema: Schema<'_>, page: &mut String) {
    match schema.shape() {
        Type::Object => {
            for (key, below) in schema.properties() {
                let path = format!("{path}.{key}");
                row(&path, below, page);
                rows(&path, below, page);
            }
        }
        Type::Map(values) if matches!(values.shape(), Type::Object) => {
            rows(&format!("{path}.<id>"), values, page);
        }
        Type::List(of) if matches!(of.shape(), Type::Object) => rows(&format!("{path}[]"), of, page),
        Type::Map(_)
        | Type::List(_)
        | Type::Any
        | Type::Boolean
        | Type::Choice(_)
        | Type::Integer
        | Type::Number
        | Type::String => {}
    }
}

fn row(path: &str, schema: Schema<'_>, page: &mut String) {
    let default = match schema.default() {
        Some(Value::Object(_)) | None => String::new(),
        Some(value) => format!("`{value}`"),
    };
    let mut meaning = one_line(schema.description());
    for (choice, what) in schema.choices() {
        let _ = write!(meaning, " `{choice}`: {}", one_line(what));
    }
    let _ =
        writeln!(page, "| `{path}` | {} | {default} | {} |", type_name(schema), meaning.replace('|', "\\|"));
}

fn type_name(schema: Schema<'_>) -> String {
    let name = match schema.shape() {
        Type::Any => "any".into(),
        Type::Boolean => "true/false".into(),
        Type::Choice(choices) => choices.join(", "),
        Type::Integer => bounded("whole number", schema),
        Type::List(of) => format!("list of {}", type_name(of)),
        Type::Map(values) => format!("mapping to {}", type_name(values)),
        Type::Number => bounded("number", schema),
        Type::Object => "section".into(),
        Type::String if schema.is_secret() => "secret".into(),
        Type::String => schema
            .format()
            .map_or("text", |format| match format {
                "uri" | "webhook-url" => "URL",
                "database" => "URL or path",
                "socket-address" => "address:port",
                "cel" => "condition in CEL",
                "model-pattern" | "path-pattern" | "pattern" => "pattern",
                "key-hash" => "hash",
                "date" => "date",
                "network" => "network",
                "price" => "dollars",
                "source" => "source of text",
                _ => "text",
            })
            .into(),
    };
    if schema.is_nullable() { format!("{name} (optional)") } else { name }
}

fn bounded(name: &str, schema: Schema<'_>) -> String {
    match schema.range() {
        (Some(min), Some(max)) => format!("{name}, {min} to {max}"),
        (Some(min), None) => format!("{name}, {min} or more"),
        (None, Some(max)) => format!("{name}, at most {max}"),
        (None, None) => name.into(),
    }
}

fn kinds(page: &mut String) {
    let _ = writeln!(page, "\n## Kinds of provider and presets\n");
    let _ = writeln!(page, "| id | kind | address | key variable | section |\n|---|---|---|---|---|");
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    for info in &KINDS {
        let addresses: Vec<_> =
            info.base_url.iter().chain(info.other_base_urls).map(|url| code(url)).collect();
        let variables: Vec<_> = info.key_variables.iter().map(|name| code(name)).collect();
        let section = info.section.map(code).unwrap_or_default();
        let (name, addresses) = (info.name, addresses.join(", "));
        let _ =
            writeln!(page, "| `{name}` | `{name}` | {addresses} | {} | {section} |", variables.join(", "));
    }
    for preset in &PRESETS {
        let variables: Vec<_> = preset.key_variables.iter().map(|name| code(name)).collect();
        let (id, url) = (preset.id, preset.base_url);
        let _ = writeln!(page, "| `{id}` | `openai-compatible` | `{url}` | {} | |", variables.join(", "));
    }
}

fn codes(page: &mut String) {
    let _ = writeln!(page, "\n## Problems that `config check` finds\n\n| code | | meaning |\n|---|---|---|");
    for code in Code::ALL {
        let severity = match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ = writeln!(page, "| `{}` | {severity} | {} |", code.id(), code.title());
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
