//! `${NAME}` and `${NAME:-default}` inside scalars; `$${` is a literal `${`.
//!
//! Works on parsed values only, so a variable that contains `: `, `#`, quotes or braces is just text. A variable that is
//! not set and has no default is a problem, never an empty string.

use crate::{
    Code, Environment, Path, Problem,
    tree::{Content, Node, Style},
    yaml::short,
};

/// Expands every scalar below `node`.
pub(crate) fn expand(node: &mut Node, path: &Path, environment: &Environment, problems: &mut Vec<Problem>) {
    match &mut node.content {
        Content::Broken | Content::Empty => {}
        Content::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &path.index(index), environment, problems);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                expand(&mut entry.node, &path.key(&entry.key), environment, problems);
            }
        }
        Content::Scalar(scalar) => match expand_text(&scalar.text, environment) {
            Ok(None) => {}
            Ok(Some((text, inserted))) => {
                scalar.text = text;
                if inserted {
                    scalar.style = Style::Expanded;
                }
            }
            Err(message) => {
                problems.push(Problem::new(Code::Variable, &node.source, path, message));
                node.content = Content::Broken;
            }
        },
    }
}

/// The expanded text and whether a variable is part of it; none if there was nothing to do.
fn expand_text(text: &str, environment: &Environment) -> Result<Option<(String, bool)>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut expanded = String::new();
    let mut inserted = false;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            expanded.push_str(&rest[..start - 1]);
            expanded.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        expanded.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            return Err("`${` without a closing `}`; write `$${` for the characters themselves".into());
        };
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(format!("`{}` is not the name of a variable", short(name)));
        }
        match (environment.get(name), default) {
            // As in a shell, `:-` also steps in for a variable that is set to nothing.
            (Some(value), None) => expanded.push_str(value),
            (Some(value), Some(_)) if !value.is_empty() => expanded.push_str(value),
            (_, Some(default)) => expanded.push_str(default),
            (None, None) => return Err(format!("environment variable `{name}` is not set")),
        }
        inserted = true;
        rest = &inside[end + 1..];
    }
    expanded.push_str(rest);
    Ok(Some((expanded, inserted)))
}
