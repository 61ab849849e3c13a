//! What a tool call reaches, by its name and arguments: the shell command it runs, the files it names, the texts it carries. Knows the
//! tools of common agents, and goes by the names of arguments for all others. Judges nothing.

use lockgate_core::content::{ToolCall, ToolKind};
use serde_json::Value;

use crate::shell::{self, Fact, Place, Script};

/// Tools of coding agents that run a shell command, as patterns in small letters.
pub(crate) const SHELLS: [&str; 22] = [
    "bash",
    "container.exec",
    "developer__shell",
    "exec",
    "exec_command",
    "execute_bash",
    "execute_command",
    "local_shell",
    "mcp__*__execute_command",
    "mcp__*__run_command",
    "mcp__*bash*",
    "mcp__*shell*",
    "mcp__*terminal*",
    "monitor",
    "powershell",
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
    SHELLS.iter().any(|shell| shell::glob::matches(shell, &name))
}

/// The arguments of a call read; free text is a text, unless it is JSON.
pub(crate) fn arguments(call: &ToolCall) -> Value {
    match (serde_json::from_str::<Value>(&call.arguments), call.kind) {
        (Ok(value @ (Value::Object(_) | Value::Array(_))), _) => value,
        (Ok(_) | Err(_), ToolKind::Function) if call.arguments.trim().is_empty() => Value::Null,
        (Ok(_) | Err(_), _) => Value::String(call.arguments.clone()),
    }
}

/// What a call of a shell tool would run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Commands {
    /// Every text that may be the command, wherever it stands: which of them a client takes is not known.
    pub(crate) texts: Vec<String>,
    /// Why nobody can say what else it would run; `None` = all is there.
    pub(crate) unread: Option<&'static str>,
}

/// Ends of the names of arguments that hold a command, in small letters without `_` and `-`.
const COMMANDS: [&str; 6] = ["cmd", "cmds", "command", "commandline", "commands", "script"];

/// Names of arguments that hold a command in some tools.
const INPUTS: [&str; 4] = ["bash", "code", "input", "shellinput"];

/// Arguments of a command that is a program alone.
const WORDS: [&str; 3] = ["args", "argv", "arguments"];

/// Names of arguments that say where a command starts, the usual ones first.
const FOLDERS: [&str; 7] = ["workdir", "cwd", "workingdirectory", "workingdir", "directory", "dirpath", "cd"];

/// A name as tools of different makers have it alike.
pub(crate) fn plain_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The commands of a call of a shell tool. None at all = it only looks at what runs.
pub(crate) fn commands(call: &ToolCall, arguments: &Value) -> Commands {
    let mut found = Commands::default();
    match arguments {
        Value::Object(_) => found.look(arguments, 0),
        _ if call.kind == ToolKind::Custom => found.texts.push(call.arguments.clone()),
        Value::Null if call.arguments.trim().is_empty() => {}
        _ => found.unread = Some("the arguments of the call are no JSON object"),
    }
    // Free text that happens to be JSON.
    if found.texts.is_empty() && call.kind == ToolKind::Custom {
        found.texts.push(call.arguments.clone());
    }
    found
}

impl Commands {
    /// Looks for commands in a value: by the names of its members, however deep.
    fn look(&mut self, value: &Value, depth: u8) {
        if depth >= DEEP {
            self.unread = Some("its arguments are nested too deep");
            return;
        }
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.look(value, depth + 1)),
            Value::Object(members) => {
                let named: Vec<(String, &Value)> =
                    members.iter().map(|(name, value)| (plain_name(name), value)).collect();
                let words = named.iter().find(|(name, _)| WORDS.contains(&name.as_str()));
                for (name, value) in &named {
                    let is_command = COMMANDS.iter().any(|end| name.ends_with(end));
                    let is_input =
                        INPUTS.contains(&name.as_str()) && !value.is_boolean() && !value.is_number();
                    if is_command || is_input {
                        self.take(value, name.ends_with('s'), depth);
                        self.with_words(value, words.map(|(_, value)| *value));
                    } else {
                        self.look(value, depth + 1);
                    }
                }
            }
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Takes the value of an argument that holds a command. `several`: a list is one of commands, and not one of words.
    fn take(&mut self, value: &Value, several: bool, depth: u8) {
        match value {
            Value::String(text) => self.add(text.clone()),
            Value::Array(values) if values.iter().all(Value::is_object) => {
                for value in values {
                    self.take(value, several, depth);
                }
            }
            Value::Array(values) => {
                let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                if words.len() < values.len() {
                    self.unread = Some(SHAPE);
                }
                if several {
                    for word in words {
                        self.add(word.to_owned());
                    }
                } else {
                    self.add(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
                }
            }
            Value::Object(_) => {
                let before = (self.texts.len(), self.unread);
                self.look(value, depth + 1);
                if (self.texts.len(), self.unread) == before {
                    self.unread = Some(SHAPE);
                }
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) => self.unread = Some(SHAPE),
        }
    }

    /// A program and its words in an argument of their own.
    fn with_words(&mut self, program: &Value, words: Option<&Value>) {
        let (Value::String(program), Some(words)) = (program, words) else { return };
        match words {
            Value::Array(words) => {
                let words: Vec<String> = words.iter().filter_map(Value::as_str).map(quoted).collect();
                if !words.is_empty() {
                    self.add(format!("{program} {}", words.join(" ")));
                }
            }
            Value::String(words) => self.add(format!("{program} {words}")),
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {}
        }
    }

    fn add(&mut self, text: String) {
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }
}

/// Nobody nests arguments deeper.
const DEEP: u8 = 16;

const SHAPE: &str = "its command is in a form that nobody can read";

/// The folders that a call names to start in.
pub(crate) fn folders(arguments: &Value) -> Vec<&str> {
    let own = arguments.as_object().into_iter().flatten();
    let action = arguments.get("action").and_then(Value::as_object).into_iter().flatten();
    let members: Vec<(String, &str)> =
        own.chain(action).filter_map(|(name, value)| Some((plain_name(name), value.as_str()?))).collect();
    let mut found = Vec::new();
    for folder in FOLDERS {
        found.extend(members.iter().filter(|(name, _)| name == folder).map(|(_, value)| *value));
    }
    found
}

/// Where the commands of a call may start: one place, unless it names several.
pub(crate) fn places(arguments: &Value) -> Vec<Place> {
    let folders = folders(arguments);
    if folders.is_empty() {
        return vec![Place::default()];
    }
    folders.iter().map(|cwd| Place { cwd: Some((*cwd).to_owned()), ..Place::default() }).collect()
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

/// The commands of a call of a shell tool, taken apart; the error says why that cannot be done.
pub(crate) fn scripts(call: &ToolCall, arguments: &Value) -> Vec<Result<Script, String>> {
    let Commands { texts, unread } = commands(call, arguments);
    let read = |command: &String| {
        shell::read(command).map_err(|error| format!("the command could not be read ({error})"))
    };
    let scripts = texts.iter().map(read);
    scripts.chain(unread.map(|why| Err(why.to_owned()))).collect()
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

/// Files and folders that the commands of a script reach in any way, as [`files_of`]; of a folder with all below it, what lies in it too.
pub(crate) fn reached_by(script: &Script, place: &Place) -> Vec<String> {
    let mut paths = Vec::new();
    for fact in script.steps.iter().flat_map(|step| &step.facts) {
        let (path, below) = match fact {
            Fact::Deletes { path, recursive, .. }
            | Fact::Permissions { path, recursive, .. }
            | Fact::Reads { path, recursive } => (path, *recursive),
            Fact::Device { path, .. } | Fact::Uses { path } | Fact::Writes { path, .. } => (path, false),
            _ => continue,
        };
        let path = place.shown(path);
        if below {
            paths.push(format!("{}/*", path.trim_end_matches('/')));
        }
        paths.push(path);
    }
    paths
}

/// The simple commands of a script, each as it is and without what does not say what it does: the folder of the program, the options before
/// its first word.
pub(crate) fn spoken(script: &Script) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for step in &script.steps {
        let words: Vec<String> = step.words.iter().map(shell::Word::shown).collect();
        let Some((program, rest)) = words.split_first() else { continue };
        let name = program.rsplit('/').next().unwrap_or(program);
        let bare = rest.iter().position(|word| !word.starts_with('-')).unwrap_or(rest.len());
        let mut valued = 0;
        while rest.get(valued).is_some_and(|word| word.starts_with('-')) {
            valued += if rest[valued].contains('=') { 1 } else { 2 };
        }
        let forms = [
            (program.as_str(), rest),
            (name, rest),
            (name, &rest[bare..]),
            (name, rest.get(valued..).unwrap_or_default()),
        ];
        for (program, rest) in forms {
            let form =
                rest.iter().fold(program.to_owned(), |text, word| text + " " + word).replace('\n', " ");
            if !all.contains(&form) {
                all.push(form);
            }
        }
    }
    all
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
