//! What a tool call is about to do in a workspace, in no client's words: files that it writes, edits, reads or deletes, commands that it
//! runs, a pull request that it opens.
//!
//! Tools are told by their name and, where that says nothing, by the shape of their arguments. A call that is neither is no act. Says what
//! would happen, never whether it did.

use std::collections::HashMap;

use lockgate_core::content::{ToolCall, ToolKind};
use serde_json::{Map, Value};

use super::command::{self, Deed};
use super::patch;
use crate::target;

/// What a tool call would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Act {
    /// Files that change, in order.
    pub changes: Vec<Change>,
    /// The command, where the call runs one that can be read.
    pub command: Option<String>,
    /// The directory that commands start in, where the call says so.
    pub cwd: Option<String>,
    /// What commands do, in order.
    pub deeds: Vec<Deed>,
    /// The file that it reads.
    pub reads: Option<Reads>,
}

/// A file that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// Which.
    pub path: String,
    /// Whether all of it is asked for.
    pub whole: bool,
}

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is done to it.
    pub how: How,
    /// Which file.
    pub path: String,
}

/// What is done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It goes.
    Delete,
    /// Pieces of it are replaced, one after the other.
    Edit(Vec<Edit>),
    /// It gets another name.
    Move(String),
    /// It is changed in a way that is not known.
    Touch,
    /// It is written anew.
    Write(String),
}

/// A piece that is replaced by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Wherever it stands.
    pub all: bool,
    /// What stands there instead.
    pub new: String,
    /// What is replaced; empty = it is not said where the new piece stands.
    pub old: String,
}

/// The most files that one call is looked at for.
const CHANGES: usize = 64;

impl Act {
    /// What a call would do.
    pub fn of(call: &ToolCall) -> Self {
        Self::read(call, &mut HashMap::new())
    }

    /// What a call would do; commands that are known already are not read again.
    pub(super) fn read(call: &ToolCall, known: &mut HashMap<String, Self>) -> Self {
        let name = call.name.to_ascii_lowercase();
        let name = name.rsplit("__").next().unwrap_or(&name);
        if let Some(body) = patch::within(call) {
            return Self { changes: bounded(patch::changes(&body)), ..Self::default() };
        }
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        if target::is_shell(name) {
            return Self::of_shell(call, &arguments, known);
        }
        let Some(arguments) = arguments.as_object().filter(|_| call.kind == ToolKind::Function) else {
            return Self::default();
        };
        if let Some(deed) = pull_request(name, arguments) {
            return Self { deeds: vec![deed], ..Self::default() };
        }
        let Some(path) = text(arguments, &PATHS).map(str::to_owned) else { return Self::default() };
        match how(name, arguments) {
            Some(how) => Self { changes: vec![Change { how, path }], ..Self::default() },
            None if is_read(name, arguments) => {
                let range = RANGES.iter().any(|field| arguments.get(*field).is_some_and(|v| !v.is_null()));
                Self { reads: Some(Reads { path, whole: !range }), ..Self::default() }
            }
            None => Self::default(),
        }
    }

    fn of_shell(call: &ToolCall, arguments: &Value, known: &mut HashMap<String, Self>) -> Self {
        let cwd = target::folders(arguments).first().map(|cwd| (*cwd).to_owned());
        let mut act = Self { cwd, ..Self::default() };
        for text in target::commands(call, arguments).texts {
            if patch::is_in(&text) {
                act.changes.extend(patch::changes(&text));
            } else {
                if !known.contains_key(&text) {
                    known.insert(text.clone(), command::read(&text));
                }
                if let Some(read) = known.get(&text) {
                    act.changes.extend_from_slice(&read.changes);
                    act.deeds.extend_from_slice(&read.deeds);
                    act.reads.clone_from(&read.reads);
                }
            }
            act.command.get_or_insert(text);
        }
        act.changes = bounded(act.changes);
        act
    }

    /// Whether it opens a pull request, or pushes what one may be made of.
    pub fn publishes(&self) -> bool {
        self.deeds.iter().any(|deed| matches!(deed, Deed::PullRequest(_) | Deed::Push(_)))
    }

    /// The pull request that it opens.
    pub fn pull_request(&self) -> Option<&command::PullRequest> {
        self.deeds.iter().find_map(|deed| match deed {
            Deed::PullRequest(request) => Some(request),
            _ => None,
        })
    }

    /// Whether what a session has worked on is another afterwards.
    pub fn leaves_traces(&self) -> bool {
        let traces = |deed: &Deed| !matches!(deed, Deed::PullRequest(_) | Deed::Push(_));
        !self.changes.is_empty() || self.deeds.iter().any(traces)
    }

    /// Whether it does nothing that is known of.
    pub fn is_nothing(&self) -> bool {
        self.changes.is_empty() && self.deeds.is_empty() && self.reads.is_none()
    }
}

fn bounded(mut changes: Vec<Change>) -> Vec<Change> {
    changes.truncate(CHANGES);
    changes
}

/// Names of arguments that hold a path.
const PATHS: [&str; 11] = [
    "file_path",
    "path",
    "notebook_path",
    "filePath",
    "absolute_path",
    "target_file",
    "filename",
    "file",
    "TargetFile",
    "relative_workspace_path",
    "filepath",
];
const CONTENTS: [&str; 6] = ["content", "contents", "file_text", "file_content", "text", "code"];
const OLD: [&str; 7] = ["old_string", "old_str", "oldString", "oldText", "old_text", "search", "old"];
const NEW: [&str; 7] = ["new_string", "new_str", "newString", "newText", "new_text", "replace", "new"];
const RANGES: [&str; 8] =
    ["offset", "limit", "view_range", "start_line", "end_line", "pages", "line_start", "lines"];

fn is_read(name: &str, arguments: &Map<String, Value>) -> bool {
    let views = arguments.get("command").is_some_and(|command| command == "view");
    views || ["read", "view", "open", "cat"].iter().any(|word| name.contains(word))
}

fn text<'a>(arguments: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| arguments.get(*name)?.as_str())
}

/// What a tool for files does to one; `None` = it changes none.
fn how(name: &str, arguments: &Map<String, Value>) -> Option<How> {
    let edits = arguments.get("edits").and_then(Value::as_array);
    if let Some(edits) = edits {
        return Some(How::Edit(edits.iter().filter_map(|edit| edited(edit.as_object()?)).collect()));
    }
    if let Some(source) = text(arguments, &["new_source"]) {
        // A cell of a notebook: what it replaces is not said.
        return Some(How::Edit(vec![Edit { all: false, new: source.to_owned(), old: String::new() }]));
    }
    let verb = text(arguments, &["command"]).unwrap_or_default();
    if let Some(edit) = edited(arguments).filter(|_| verb != "insert") {
        return Some(How::Edit(vec![edit]));
    }
    if verb == "insert" {
        let new = text(arguments, &["insert_text", "new_str"])?.to_owned();
        return Some(How::Edit(vec![Edit { all: false, new, old: String::new() }]));
    }
    let writes =
        ["write", "create", "save", "new_file", "edit", "put"].iter().any(|word| name.contains(word));
    if writes && !name.contains("append") {
        return text(arguments, &CONTENTS).map(|text| How::Write(text.to_owned()));
    }
    let changes = ["append", "insert", "replace", "edit", "update"].iter().any(|word| name.contains(word));
    let deletes = ["delete", "remove"].iter().any(|word| name.contains(word)) && name.contains("file");
    match (deletes, changes) {
        (true, _) => Some(How::Delete),
        (false, true) => Some(How::Touch),
        (false, false) => None,
    }
}

fn edited(arguments: &Map<String, Value>) -> Option<Edit> {
    let old = text(arguments, &OLD)?.to_owned();
    let new = text(arguments, &NEW)?.to_owned();
    let all = ["replace_all", "replaceAll", "allow_multiple"]
        .iter()
        .any(|field| arguments.get(*field).is_some_and(|value| value == true));
    Some(Edit { all, new, old })
}

/// A pull request that is opened by a tool of its own.
fn pull_request(name: &str, arguments: &Map<String, Value>) -> Option<Deed> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    if !["createpullrequest", "createmergerequest", "createpr"].iter().any(|tool| plain.ends_with(tool)) {
        return None;
    }
    let own = |names: &[&str]| text(arguments, names).map(str::to_owned);
    Some(Deed::PullRequest(command::PullRequest {
        base: own(&["base", "target_branch", "targetBranch"]),
        body: own(&["body", "description"]),
        head: own(&["head", "source_branch", "sourceBranch"]),
        title: own(&["title"]),
    }))
}
