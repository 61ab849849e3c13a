//! Which kind of tool a text came from: the web, files, a shell, an MCP server. By the tool's name, and for a shell by what its
//! command does.

use lockgate_core::content::ToolCall;

use crate::shell::{Direction, Fact};
use crate::target;

/// A kind of tool that text comes from. A tool may be of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A tool that reads files.
    File,
    /// A tool of an MCP server.
    Mcp,
    /// Any other.
    Other,
    /// A shell.
    Shell,
    /// The web: pages, searches, and commands that fetch.
    Web,
}

impl Class {
    /// Every one.
    pub(crate) const ALL: [Self; 5] = [Self::File, Self::Mcp, Self::Other, Self::Shell, Self::Web];

    /// The word in rules.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Mcp => "mcp",
            Self::Other => "other",
            Self::Shell => "shell",
            Self::Web => "web",
        }
    }
}

/// Words in names of tools that bring text from the web.
const WEB: [&str; 17] = [
    "bing",
    "browse",
    "browser",
    "crawl",
    "curl",
    "exa",
    "fetch",
    "firecrawl",
    "google",
    "http",
    "navigate",
    "playwright",
    "puppeteer",
    "scrape",
    "tavily",
    "url",
    "web",
];

/// Words in names of tools that read files.
const FILE: [&str; 14] = [
    "cat",
    "dir",
    "edit",
    "file",
    "files",
    "filesystem",
    "glob",
    "grep",
    "ls",
    "multiedit",
    "notebook",
    "read",
    "view",
    "write",
];

/// What kinds a tool is of.
pub(crate) fn of(name: &str, call: Option<&ToolCall>) -> Vec<Class> {
    let words = words(name);
    let is = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let mut classes = Vec::new();
    if target::is_shell(name) {
        classes.push(Class::Shell);
        if call.is_none_or(fetches) {
            classes.push(Class::Web);
        }
        return classes;
    }
    let web = is(&WEB);
    if is(&FILE) && !web {
        classes.push(Class::File);
    }
    if name.to_ascii_lowercase().starts_with("mcp_") || call.is_some_and(|call| call.namespace.is_some()) {
        classes.push(Class::Mcp);
    }
    if web {
        classes.push(Class::Web);
    }
    if classes.is_empty() {
        classes.push(Class::Other);
    }
    classes
}

/// Whether a command brings text from another machine; one that cannot be read may.
fn fetches(call: &ToolCall) -> bool {
    let arguments = target::arguments(call);
    target::scripts(call, &arguments).iter().any(|script| match script {
        Ok(script) => script.steps.iter().flat_map(|step| &step.facts).any(|fact| {
            matches!(fact, Fact::Network { direction: Direction::Download | Direction::Both, .. })
        }),
        Err(_) => true,
    })
}

/// The words of a name, in small letters: `WebFetch`, `web_fetch` and `mcp__web__fetch` alike.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        let begins = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && small);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        small = c.is_ascii_lowercase();
    }
    words
}
