//! Setting and removing values in TOML text; `toml_edit` keeps comments and layout.
//!
//! It ends new lines with a line feed; where the file ends all its lines the Windows way, so do the new ones.

use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table, TableLike};

use super::{Change, newline_of};

pub(super) fn apply(changes: &[Change], text: &str) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("it is not valid TOML: {error}"))?;
    for change in changes {
        let Some((last, way)) = change.path.split_last() else { continue };
        match &change.value {
            Some(value) => set(open(document.as_table_mut(), way)?, last, value),
            None => remove(document.as_table_mut(), way, last),
        }
    }
    let edited = document.to_string();
    if newline_of(text) == "\r\n" && !text.replace("\r\n", "").contains('\n') {
        return Ok(edited.replace("\r\n", "\n").replace('\n', "\r\n"));
    }
    Ok(edited)
}

fn open<'a>(top: &'a mut dyn TableLike, way: &[String]) -> Result<&'a mut dyn TableLike, String> {
    let mut table = top;
    for key in way {
        let item = table.entry(key).or_insert_with(|| {
            let mut fresh = Table::new();
            fresh.set_implicit(true);
            Item::Table(fresh)
        });
        table = item.as_table_like_mut().ok_or_else(|| format!("its {key:?} is not a table"))?;
    }
    Ok(table)
}

fn set(table: &mut dyn TableLike, key: &str, value: &Value) {
    let fresh = match value {
        Value::Bool(value) => toml_edit::value(*value),
        Value::String(text) => toml_edit::value(text.as_str()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            toml_edit::value(value.to_string())
        }
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            if let Ok(mut new) = fresh.into_value() {
                *new.decor_mut() = old.decor().clone();
                *old = new;
            }
        }
        None => {
            table.insert(key, fresh);
        }
    }
}

fn remove(top: &mut dyn TableLike, way: &[String], key: &str) {
    let mut table = top;
    for step in way {
        match table.get_mut(step).and_then(Item::as_table_like_mut) {
            Some(inner) => table = inner,
            None => return,
        }
    }
    table.remove(key);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> [Change; 2] {
        [
            Change::set(&["model_provider"], "lockgate"),
            Change::set(&["model_providers", "lockgate", "url"], "http://x"),
        ]
    }

    #[test]
    fn comments_and_tables_stay_and_top_level_keys_come_before_the_first_table() {
        let text = "# mine\nmodel = \"m\"   # fast\n\n[tui]\ntheme = 'x'\n\n[model_providers.other]\nurl = \"o\" # keep";
        let edited = apply(&changes(), text).unwrap();
        let expected = "# mine\nmodel = \"m\"   # fast\nmodel_provider = \"lockgate\"\n\n[tui]\ntheme = 'x'\n\n[model_providers.other]\nurl = \"o\" # keep\n\n[model_providers.lockgate]\nurl = \"http://x\"\n";
        assert_eq!(edited, expected);
    }

    #[test]
    fn a_replaced_value_keeps_its_comment() {
        let edited = apply(&changes()[..1], "model_provider  =  'a' # was a\n").unwrap();
        assert_eq!(edited, "model_provider  =  \"lockgate\" # was a\n");
    }

    #[test]
    fn windows_line_ends_stay() {
        let edited = apply(&changes(), "a = 1\r\n\r\n[t]\r\nb = 2\r\n").unwrap();
        assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count());
        assert!(edited.starts_with("a = 1\r\nmodel_provider"), "{edited:?}");
    }

    #[test]
    fn an_empty_file_and_a_broken_one() {
        let edited = apply(&changes(), "").unwrap();
        assert_eq!(
            edited,
            "model_provider = \"lockgate\"\n\n[model_providers.lockgate]\nurl = \"http://x\"\n"
        );
        assert!(apply(&changes(), "a = ").unwrap_err().contains("not valid TOML"));
        assert!(apply(&changes(), "model_providers = 1").unwrap_err().contains("not a table"));
    }
}
