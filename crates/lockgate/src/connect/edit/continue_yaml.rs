//! Adding one model to Continue's `config.yaml`, in front of the others so that it is the default.
//!
//! YAML has no editor that keeps everything, so this is text: it finds the top-level `models:` list in block style and
//! puts an entry before its first one, at the same depth. Any other form is refused; the result must parse.

use std::fmt::Write as _;

use serde_json::Value;

use super::newline_of;

/// An entry of the `models` list.
#[derive(Debug, Clone)]
pub struct ModelEntry {
    /// The title people see.
    pub name: String,
    /// Further `key: value` pairs in order.
    pub fields: Vec<(&'static str, String)>,
}

const HEADER: &str = "name: Local Assistant\nversion: 1.0.0\nschema: v1\n";

pub(super) fn apply(entry: &ModelEntry, text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(format!("{HEADER}models:\n{}", render(entry, "  ", "\n")));
    }
    serde_saphyr::from_str::<Value>(text).map_err(|error| format!("it is not valid YAML: {error}"))?;
    let newline = newline_of(text);
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(at) = lines.iter().position(|line| line.starts_with("models:")) {
        let depth = list_depth(&lines[at..])?;
        lines.insert(at + 1, render(entry, &depth, newline));
    } else {
        if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
            last.push_str(newline);
        }
        lines.push(format!("models:{newline}{}", render(entry, "  ", newline)));
    }
    let edited = lines.concat();
    let parsed = serde_saphyr::from_str::<Value>(&edited).ok();
    let first = parsed.as_ref().and_then(|value| value.pointer("/models/0/name")).and_then(Value::as_str);
    if first == Some(entry.name.as_str()) {
        Ok(edited)
    } else {
        Err("its `models` list has a form that cannot be extended safely".to_owned())
    }
}

/// The indentation of the first item below `models:`.
fn list_depth(lines: &[String]) -> Result<String, String> {
    let after = lines[0]["models:".len()..].trim();
    if !(after.is_empty() || after.starts_with('#')) {
        return Err("its `models` list is not in block style".to_owned());
    }
    for line in &lines[1..] {
        let content = line.trim_start_matches(' ');
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        if content.starts_with("- ") {
            return Ok(line[..line.len() - content.len()].to_owned());
        }
        break;
    }
    Ok("  ".to_owned())
}

fn render(entry: &ModelEntry, depth: &str, newline: &str) -> String {
    let mut text = format!("{depth}- name: {}{newline}", Value::from(entry.name.as_str()));
    for (key, value) in &entry.fields {
        let _ = write!(text, "{depth}  {key}: {}{newline}", Value::from(value.as_str()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> ModelEntry {
        ModelEntry { name: "Lockgate".into(), fields: vec![("provider", "openai".into())] }
    }

    #[test]
    fn the_model_comes_first_and_everything_else_stays() {
        let text = "name: mine # keep\nmodels:\n  # best one\n  - name: A\n    provider: x\nrules: []";
        let edited = apply(&entry(), text).unwrap();
        assert_eq!(
            edited,
            "name: mine # keep\nmodels:\n  - name: \"Lockgate\"\n    provider: \"openai\"\n  # best one\n  - name: A\n    provider: x\nrules: []"
        );
        let flush = apply(&entry(), "models:\r\n- name: A\r\n").unwrap();
        assert_eq!(flush, "models:\r\n- name: \"Lockgate\"\r\n  provider: \"openai\"\r\n- name: A\r\n");
    }

    #[test]
    fn a_file_without_models_gets_the_list_and_an_absent_one_is_complete() {
        assert!(apply(&entry(), "name: mine").unwrap().starts_with("name: mine\nmodels:\n  - name:"));
        assert!(apply(&entry(), "").unwrap().starts_with("name: Local Assistant\nversion"));
    }

    #[test]
    fn forms_that_text_editing_would_break_are_refused() {
        assert!(apply(&entry(), "models: [{name: A}]\n").unwrap_err().contains("block style"));
        assert!(apply(&entry(), "models: &m\n  - name: A\n").is_err());
        assert!(apply(&entry(), "a: [").unwrap_err().contains("not valid YAML"));
    }
}
