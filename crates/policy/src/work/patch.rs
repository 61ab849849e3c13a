//! The patch format of Codex: which files it changes, and how.
//!
//! Knows no unified diffs. A piece that says only where it stands, and not what it replaces, has an empty `old`.

use lockgate_core::content::{ToolCall, ToolKind};
use serde_json::Value;

use super::act::{Change, Edit, How};

const BEGIN: &str = "*** Begin Patch";

/// Whether a text holds a patch.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The patch of a call of `apply_patch`, in whichever argument it is.
pub(super) fn within(call: &ToolCall) -> Option<String> {
    if !call.name.to_ascii_lowercase().contains("patch") || !is_in(&call.arguments) {
        return None;
    }
    match call.kind {
        ToolKind::Custom => match serde_json::from_str::<Value>(&call.arguments) {
            Ok(Value::Object(fields)) => patch_of(fields.values()),
            _ => Some(call.arguments.clone()),
        },
        ToolKind::Function => patch_of(call.object()?.values()),
    }
}

fn patch_of<'a>(values: impl Iterator<Item = &'a Value>) -> Option<String> {
    let mut texts = values.filter_map(|value| match value {
        Value::Object(inner) => inner.values().find_map(Value::as_str),
        other => other.as_str(),
    });
    texts.find(|text| is_in(text)).map(str::to_owned)
}

/// The changes of a patch, in order.
pub(super) fn changes(text: &str) -> Vec<Change> {
    let body = text.find(BEGIN).map_or("", |at| &text[at + BEGIN.len()..]);
    let body = body.split("\n*** End Patch").next().unwrap_or(body);
    let mut all: Vec<Change> = Vec::new();
    let mut moved: Vec<Change> = Vec::new();
    let mut open: Option<(String, Reading)> = None;
    for line in body.lines() {
        let head = |name: &str| line.strip_prefix(name).map(|path| path.trim().to_owned());
        if let Some(path) = head("*** Add File: ") {
            close(&mut open, &mut all);
            open = Some((path, Reading::Added(String::new())));
        } else if let Some(path) = head("*** Update File: ") {
            close(&mut open, &mut all);
            open = Some((path, Reading::Updated(Vec::new(), Piece::default())));
        } else if let Some(path) = head("*** Delete File: ") {
            close(&mut open, &mut all);
            all.push(Change { how: How::Delete, path });
        } else if let Some(to) = head("*** Move to: ") {
            if let Some((path, _)) = &open {
                moved.push(Change { how: How::Move(to), path: path.clone() });
            }
        } else if let Some((_, reading)) = &mut open {
            reading.line(line);
        }
    }
    close(&mut open, &mut all);
    all.append(&mut moved);
    all
}

/// A file of which lines are read.
enum Reading {
    Added(String),
    Updated(Vec<Edit>, Piece),
}

#[derive(Default)]
struct Piece {
    changed: bool,
    new: Vec<String>,
    old: Vec<String>,
}

impl Piece {
    fn take(&mut self) -> Option<Edit> {
        let Self { changed, new, old } = std::mem::take(self);
        changed.then(|| Edit { all: false, new: new.join("\n"), old: old.join("\n") })
    }
}

impl Reading {
    fn line(&mut self, line: &str) {
        match self {
            Self::Added(text) => {
                if let Some(added) = line.strip_prefix('+') {
                    text.push_str(added);
                    text.push('\n');
                }
            }
            Self::Updated(edits, piece) => {
                if line.starts_with("@@") || line.starts_with("*** ") {
                    edits.extend(piece.take());
                    return;
                }
                let (mark, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
                match mark {
                    "+" => piece.new.push(rest.to_owned()),
                    "-" => piece.old.push(rest.to_owned()),
                    _ => {
                        piece.new.push(rest.to_owned());
                        piece.old.push(rest.to_owned());
                    }
                }
                piece.changed |= mark != " ";
            }
        }
    }
}

fn close(open: &mut Option<(String, Reading)>, all: &mut Vec<Change>) {
    let Some((path, reading)) = open.take() else { return };
    let how = match reading {
        Reading::Added(text) => How::Write(text),
        Reading::Updated(mut edits, mut piece) => {
            edits.extend(piece.take());
            How::Edit(edits)
        }
    };
    all.push(Change { how, path });
}
