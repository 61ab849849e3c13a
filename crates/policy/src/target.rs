//! What a tool call reaches, by its name and arguments: the shell command it runs, the files it names, the texts it carries. Knows the
//! tools of common agents, and goes by the names of arguments for all others. Judges nothing.

use lockgate_core::content::{ToolCall, ToolKind};
use serde_json::Value;

use crate::shell::{self, Fact, Place, Script, Unreadable};

/// Tools of coding agents that run a shell command.
pub(crate) const SHELLS: [&str; 14] = [
    "bash",
    "container.exec",
    "developer__shell",
    "exec",
    "exec_command",
    "execute_command",
    "local_shell",
    "run_command",
    "run_in_terminal",
    "run_shell_command",
    "run_terminal_cmd",
    "run_terminal_command",
    "shell*",
    "terminal",
];

/// Whether a tool runs shell commands, by its name.
pub(crate) fn is_shell(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SHELLS.iter().any(|shell| match shell.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *shell,
    })
}

/// The arguments of a call read; free text is a text, unless it is JSON.
pub(crate) fn arguments(call: &ToolCall) -> Value {
    match (serde_json::from_str::<Value>(&call.arguments), call.kind) {
        (Ok(value @ (Value::Object(_) | Value::Array(_))), _) => value,
        (Ok(_) | Err(_), ToolKind::Function) if call.arguments.trim().is_empty() => Value::Null,
        (Ok(_) | Err(_), _) => Value::String(call.arguments.clone()),
    }
}

/// Where the arguments of a shell tool have the command, and where it starts.
const COMMANDS: [&str; 7] =
    ["/command", "/cmd", "/script", "/input", "/action/command", "/action/commands", "/commandLine"];
pub(crate) const FOLDERS: [&str; 5] =
    ["/workdir", "/cwd", "/working_directory", "/directory", "/action/working_directory"];

/// The commands of a call of a shell tool; `None` = there is none where one is looked for.
pub(crate) fn commands(call: &ToolCall, arguments: &Value) -> Option<Vec<String>> {
    let found = COMMANDS.iter().find_map(|place| arguments.pointer(place));
    match found {
        Some(Value::String(text)) => Some(vec![text.clone()]),
        // A list of words is one command; `commands` is a list of commands.
        Some(Value::Array(words)) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            let several = arguments.pointer("/action/commands").is_some();
            words.map(|words| {
                if several {
                    words.iter().map(|word| (*word).to_owned()).collect()
                } else {
                    vec![words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")]
                }
            })
        }
        None if call.kind == ToolKind::Custom && !arguments.is_object() => Some(vec![call.arguments.clone()]),
        Some(_) | None => None,
    }
}

/// Where the commands of a call start.
pub(crate) fn place(arguments: &Value) -> Place {
    let cwd = FOLDERS.iter().find_map(|place| arguments.pointer(place)?.as_str()).map(str::to_owned);
    Place { cwd, ..Place::default() }
}

/// A word that the shell takes as it is.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The commands of a call of a shell tool, taken apart.
pub(crate) fn scripts(call: &ToolCall, arguments: &Value) -> Vec<Result<Script, Unreadable>> {
    let commands = commands(call, arguments).unwrap_or_default();
    commands.iter().map(|command| shell::read(command)).collect()
}

/// Files whose contents the commands of a script read or write, from the root on as far as that is known; home is `~`.
pub(crate) fn files_of(script: &Script, place: &Place) -> Vec<String> {
    let facts = script.steps.iter().flat_map(|step| &step.facts);
    let paths = facts.filter_map(|fact| match fact {
        Fact::Reads { path, .. } | Fact::Writes { path, .. } => Some(place.shown(path)),
        _ => None,
    });
    paths.collect()
}

/// Words in names of arguments that are files or folders.
const FILES: [&str; 13] = [
    "cwd",
    "destination",
    "dir",
    "dst",
    "file",
    "folder",
    "glob",
    "location",
    "path",
    "source",
    "src",
    "target",
    "uri",
];

/// A longer text is no name of a file.
const NAME_MAX: usize = 1024;

/// Files that the arguments name, as they are written.
pub(crate) fn files(arguments: &Value) -> Vec<&str> {
    let mut files = Vec::new();
    each_text(arguments, "", 0, &mut |name, text| {
        let name = name.to_ascii_lowercase();
        let one = text.len() <= NAME_MAX && !text.contains('\n') && !is_address(text);
        if one && FILES.iter().any(|word| name.contains(word)) {
            files.push(text);
        }
    });
    files
}

fn is_address(text: &str) -> bool {
    text.contains("://") && !text.starts_with("file://")
}

/// Every text in the arguments, however deep, with the name of the argument it stands in.
pub(crate) fn each_text<'v>(
    value: &'v Value,
    name: &'v str,
    depth: u8,
    each: &mut impl FnMut(&'v str, &'v str),
) {
    match value {
        Value::String(text) => each(name, text),
        Value::Array(values) if depth < 64 => {
            for value in values {
                each_text(value, name, depth + 1, each);
            }
        }
        Value::Object(members) if depth < 64 => {
            for (name, value) in members {
                each_text(value, name, depth + 1, each);
            }
        }
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {}
    }
}

/// Changes every text in the arguments; whether one was changed.
pub(crate) fn change_texts(value: &mut Value, change: &mut impl FnMut(&str) -> Option<String>) -> bool {
    match value {
        Value::String(text) => match change(text) {
            Some(new) => {
                *text = new;
                true
            }
            None => false,
        },
        Value::Array(values) => values.iter_mut().fold(false, |any, value| change_texts(value, change) | any),
        Value::Object(members) => {
            members.values_mut().fold(false, |any, value| change_texts(value, change) | any)
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}
