//! What leaves the machine by a tool call: which texts, to which hosts. A shell command by its facts, an address by what stands behind
//! its host, any other tool by its name.

use lockgate_core::content::ToolCall;
use serde_json::Value;

use crate::chain::Pattern;
use crate::provenance::words;
use crate::rules::facts::hosts_in;
use crate::shell::guard::is_local;
use crate::shell::{Direction, Fact, Script, Word};
use crate::target;

/// Texts that leave together.
pub(super) struct Outgoing {
    pub(super) hosts: Vec<String>,
    pub(super) texts: Vec<String>,
    /// By which tool.
    tool: String,
}

impl Outgoing {
    /// Where to, for people.
    pub(super) fn to(&self) -> String {
        match self.hosts.first().filter(|host| !host.is_empty()) {
            Some(host) => host.clone(),
            None => format!("whoever `{}` reaches", self.tool),
        }
    }
}

/// Words in names of tools that bring something out.
const SENDS: [&str; 16] = [
    "broadcast",
    "dispatch",
    "email",
    "forward",
    "invite",
    "mail",
    "notify",
    "post",
    "publish",
    "push",
    "send",
    "share",
    "submit",
    "tweet",
    "upload",
    "webhook",
];

/// Words in names of tools that bring something out, unless it stays on this machine.
const CHANGES: [&str; 9] =
    ["add", "comment", "create", "insert", "message", "put", "reply", "update", "write"];

/// Words in names of tools that keep what they are given on this machine.
const STAYS: [&str; 16] = [
    "agent",
    "dir",
    "directory",
    "edit",
    "file",
    "files",
    "filesystem",
    "folder",
    "memory",
    "multiedit",
    "notebook",
    "patch",
    "plan",
    "task",
    "todo",
    "write",
];

/// Words in names of tools of services elsewhere.
const ELSEWHERE: [&str; 22] = [
    "airtable",
    "asana",
    "bitbucket",
    "confluence",
    "discord",
    "drive",
    "dropbox",
    "gist",
    "github",
    "gitlab",
    "gmail",
    "hubspot",
    "jira",
    "linear",
    "notion",
    "outlook",
    "s3",
    "salesforce",
    "slack",
    "teams",
    "telegram",
    "trello",
];

/// Words in names of tools that fetch an address.
const FETCHES: [&str; 8] = ["browser", "crawl", "fetch", "http", "navigate", "scrape", "url", "web"];

/// What leaves by a call.
pub(super) fn of(call: &ToolCall, arguments: &Value, own: &[Pattern]) -> Vec<Outgoing> {
    if target::is_shell(&call.name) {
        return by_shell(call, arguments);
    }
    let words = words(&call.name);
    let is = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let named = own.iter().any(|pattern| pattern.matches(&call.name));
    let sends = named || is(&SENDS) || (is(&CHANGES) && (!is(&STAYS) || is(&ELSEWHERE)));
    let mut texts: Vec<String> = Vec::new();
    target::each_text(arguments, "", 0, &mut |_, text| {
        if sends || (is(&FETCHES) && text.contains("://")) {
            texts.push(text.to_owned());
        }
    });
    let addresses = texts.iter().filter(|text| text.contains("://") && !text.contains(char::is_whitespace));
    let hosts: Vec<String> = addresses.flat_map(|text| hosts_in(text)).collect();
    let stays = !sends && !hosts.is_empty() && hosts.iter().all(|host| is_local(host));
    if texts.is_empty() || stays {
        return Vec::new();
    }
    vec![Outgoing { hosts, texts, tool: call.name.clone() }]
}

fn by_shell(call: &ToolCall, arguments: &Value) -> Vec<Outgoing> {
    let mut leaving = Vec::new();
    let commands = target::commands(call, arguments).texts;
    for (script, command) in target::scripts(call, arguments).into_iter().zip(commands) {
        match script {
            Ok(script) => leaving.extend(by_steps(&script, &command, &call.name)),
            // Nobody knows what of it leaves.
            Err(_) => leaving.push(Outgoing {
                hosts: hosts_in(&command),
                texts: vec![command],
                tool: call.name.clone(),
            }),
        }
    }
    leaving
}

fn by_steps(script: &Script, command: &str, tool: &str) -> Vec<Outgoing> {
    let mut leaving = Vec::new();
    for step in &script.steps {
        for fact in &step.facts {
            let Fact::Network { direction, host } = fact else { continue };
            if is_local(host) {
                continue;
            }
            let texts = match direction {
                // Of what is fetched, the address alone goes out.
                Direction::Download => {
                    let words = step.words.iter().map(Word::shown);
                    words.filter(|word| word.contains("://") || word.contains(host.as_str())).collect()
                }
                // Data comes through pipes, variables and here-documents: all of the command may be it.
                Direction::Both | Direction::Upload => {
                    let words = script.steps.iter().flat_map(|step| &step.words).map(Word::shown);
                    words.chain([command.to_owned()]).collect()
                }
            };
            leaving.push(Outgoing { hosts: vec![host.to_lowercase()], texts, tool: tool.to_owned() });
        }
    }
    leaving
}
