//! Arguments of a call that come in pieces, each at a path (`$.location.city`, `$.days[0]`): Vertex's
//! `streamFunctionCallArguments`.
//!
//! The pieces are put together to one object; a text at a path that is there already goes on where it ended. A path
//! that cannot be followed makes the whole unreadable, rather than lose a piece.

use serde_json::{Map, Value};

use super::request::PartialArg;

/// Arguments so far.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    broken: bool,
    root: Map<String, Value>,
}

/// A step of a path.
enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

/// The longest list that pieces may build, so that an index cannot ask for all memory.
const MAX_INDEX: usize = 10_000;

impl Arguments {
    /// Adds a piece. Returns whether it could be placed.
    pub(super) fn add(&mut self, piece: PartialArg) -> bool {
        let value = if let Some(text) = piece.string {
            Some(Value::String(text))
        } else if let Some(number) = piece.number {
            Some(Value::Number(number))
        } else if let Some(boolean) = piece.boolean {
            Some(Value::Bool(boolean))
        } else {
            piece.null.map(|_| Value::Null)
        };
        let placed = match (value, steps(piece.path.as_deref().unwrap_or(""))) {
            // A piece that only says that more will come.
            (None, _) => Some(()),
            (Some(value), Some(steps)) => place(&mut self.root, &steps, value),
            (Some(_), None) => None,
        };
        self.broken |= placed.is_none();
        !self.broken
    }

    /// The arguments as JSON.
    pub(super) fn json(self) -> String {
        Value::Object(self.root).to_string()
    }
}

fn place(root: &mut Map<String, Value>, steps: &[Step<'_>], value: Value) -> Option<()> {
    let Some((Step::Key(first), rest)) = steps.split_first() else { return None };
    let mut at = root.entry(*first).or_insert(Value::Null);
    for step in rest {
        at = match step {
            Step::Index(index) => {
                if at.is_null() {
                    *at = Value::Array(Vec::new());
                }
                let list = at.as_array_mut()?;
                if list.len() <= *index {
                    list.resize(index + 1, Value::Null);
                }
                list.get_mut(*index)?
            }
            Step::Key(key) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(*key).or_insert(Value::Null)
            }
        };
    }
    match (at, value) {
        (Value::String(known), Value::String(more)) => known.push_str(&more),
        (at @ Value::Null, value) => *at = value,
        (known, value) if *known == value => {}
        _ => return None,
    }
    Some(())
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(Step::Key(Some(&after[..end]).filter(|key| !key.is_empty())?));
            rest = &after[end..];
        } else {
            let after = rest.strip_prefix('[')?;
            if let Some(quote) = after.chars().next().filter(|c| matches!(c, '\'' | '"')) {
                let end = after[1..].find(quote)? + 1;
                steps.push(Step::Key(&after[1..end]));
                rest = after[end + 1..].strip_prefix(']')?;
            } else {
                let end = after.find(']')?;
                let index = after[..end].parse().ok().filter(|index| *index < MAX_INDEX)?;
                steps.push(Step::Index(index));
                rest = &after[end + 1..];
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(pieces: &[&str]) -> Option<String> {
        let mut arguments = Arguments::default();
        for piece in pieces {
            if !arguments.add(serde_json::from_str(piece).unwrap()) {
                return None;
            }
        }
        Some(arguments.json())
    }

    #[test]
    fn pieces_become_one_object() {
        let json = put_together(&[
            r#"{"jsonPath":"$.city","stringValue":"New ","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":"York"}"#,
            r#"{"jsonPath":"$.days[1].n","numberValue":2}"#,
            r#"{"jsonPath":"$.days[0]['a.b']","boolValue":true}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
        ]);
        assert_eq!(json.unwrap(), r#"{"city":"New York","days":[{"a.b":true},{"n":2}],"none":null}"#);
    }

    #[test]
    fn a_piece_that_cannot_be_placed_is_not_dropped_unseen() {
        for bad in [
            &[r#"{"jsonPath":"city","stringValue":"x"}"#][..],
            &[r#"{"jsonPath":"$","stringValue":"x"}"#],
            &[r#"{"jsonPath":"$.a[999999999999]","stringValue":"x"}"#],
            &[r#"{"jsonPath":"$.a","numberValue":1}"#, r#"{"jsonPath":"$.a.b","stringValue":"x"}"#],
        ] {
            assert_eq!(put_together(bad), None, "{bad:?}");
        }
    }
}
