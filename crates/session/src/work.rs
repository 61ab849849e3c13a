//! Where a coding session works, as its client tells: directory, repository, branch, platform.
//!
//! Read from the blocks in which clients describe their surroundings, and only there (a project's own instructions may hold lines
//! that look the same), from Codex's headers, and from results of git later in the session. The newest counts. Believed, not
//! checked.

use std::collections::HashMap;

use lockgate_core::content::ToolResult;
use lockgate_core::{Block, Conversation, Role};
use serde::{Deserialize, Serialize};

use crate::bound::{PATH, WORD, tail, word};
use crate::facts::Facts;
use crate::git;
use crate::ids::codex_metadata;
use crate::wrappers::text_of;

/// Where a session works. All bounded; what was not told is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The branch that is checked out, as far as is known.
    pub branch: Option<String>,
    /// The branch when the session began, as the client said.
    pub branch_at_start: Option<String>,
    /// The directory.
    pub cwd: Option<String>,
    /// Whether it is in a git repository.
    pub git: Option<bool>,
    /// The branch that changes go to in the end.
    pub main_branch: Option<String>,
    /// The version of the operating system.
    pub os: Option<String>,
    /// The operating system: `linux`, `darwin`, `win32`.
    pub platform: Option<String>,
    /// The repository's name: from its address where that is told, else the directory's name.
    pub repo: Option<String>,
}

impl Work {
    /// Reads what one request tells.
    pub(crate) fn of(facts: &Facts<'_>) -> Self {
        let mut work = Self::default();
        let mut address = None;
        if let Some(conversation) = facts.conversation {
            work.read_surroundings(conversation);
            work.branch.clone_from(&work.branch_at_start);
            address = work.read_results(conversation);
        }
        address = address.or(work.read_workspace(facts));
        if work.branch.is_some() || address.is_some() {
            work.git = Some(true);
        }
        let directory = || work.cwd.as_deref().filter(|_| work.git == Some(true)).and_then(last_name);
        work.repo = address.or_else(directory);
        work
    }

    /// What Codex tells beside the conversation. The repository's name, if that tells it.
    fn read_workspace(&mut self, facts: &Facts<'_>) -> Option<String> {
        let told = codex_metadata(facts)?;
        let (path, told) = told.get("workspaces")?.as_object()?.iter().next()?;
        self.cwd = self.cwd.take().or_else(|| word(path, PATH));
        self.git = self.git.or(told.get("latest_git_commit_hash").map(|_| true));
        git::repo(told.pointer("/associated_remote_urls/origin")?.as_str()?)
    }

    /// What is known after a further call of the session: the newest of each. A client repeats the branch of the session's start
    /// with each call, which says nothing new.
    pub fn update(&mut self, newer: &Self) {
        let observed = newer.branch != newer.branch_at_start;
        if observed || newer.branch_at_start != self.branch_at_start {
            take(&mut self.branch, newer.branch.as_ref());
        }
        take(&mut self.branch_at_start, newer.branch_at_start.as_ref());
        take(&mut self.cwd, newer.cwd.as_ref());
        self.git = newer.git.or(self.git);
        take(&mut self.main_branch, newer.main_branch.as_ref());
        take(&mut self.os, newer.os.as_ref());
        take(&mut self.platform, newer.platform.as_ref());
        take(&mut self.repo, newer.repo.as_ref());
    }

    fn read_surroundings(&mut self, conversation: &Conversation) {
        for text in conversation.system.iter().filter_map(text_of) {
            self.read_text(text.as_str());
        }
        for turn in &conversation.turns {
            for text in turn.parts.iter().filter_map(text_of) {
                let client = match turn.role {
                    Role::Assistant => false,
                    Role::System => true,
                    Role::User => ["<", "# ", "This is the "].iter().any(|begins| text.starts_with(begins)),
                };
                if client {
                    self.read_text(text.as_str());
                }
            }
        }
    }

    fn read_text(&mut self, text: &str) {
        let mut section = None;
        for line in text.lines() {
            let line = line.trim();
            match Section::begins(line) {
                Some(begun) => section = Some(begun),
                None if section.is_some_and(|open: Section| open.ends(line)) => section = None,
                None => {}
            }
            if let Some(open) = section {
                self.read_line(line, open);
            } else if let Some(path) = after(line, "Current working directory:") {
                // pi ends its instructions with this.
                self.cwd = word(path, PATH).or(self.cwd.take());
            }
        }
    }

    fn read_line(&mut self, line: &str, section: Section) {
        let line = line.trim_start_matches(['-', '*', ' ']);
        let path = [
            "Primary working directory:",
            "Working directory:",
            "Current working directory:",
            "Workspace Path:",
        ];
        let git = ["Is a git repository:", "Is directory a git repo:"];
        if let Some(path) = first_after(line, &path).or_else(|| in_element(line, "cwd")) {
            set(&mut self.cwd, path, PATH);
        } else if let Some(path) = after(line, "I'm currently working in the directory:") {
            set(&mut self.cwd, path, PATH);
        } else if let Some(path) = line
            .strip_prefix("# Current Working Directory (")
            .or_else(|| line.strip_prefix("Current Working Directory ("))
        {
            set(&mut self.cwd, path.split(')').next().unwrap_or_default(), PATH);
        } else if section == Section::Gemini && (line.starts_with('/') || line.get(1..3) == Some(":\\")) {
            // The first of a list of directories; a list of what is in them follows.
            if self.cwd.is_none() {
                set(&mut self.cwd, line, PATH);
            }
        } else if let Some(yes) = first_after(line, &git) {
            let yes = yes.trim_start().to_ascii_lowercase();
            self.git = Some(yes.starts_with("yes") || yes.starts_with("true"));
        } else if let Some(name) = first_after(line, &["Platform:", "My operating system is:"]) {
            set(&mut self.platform, name, WORD);
        } else if let Some(name) = first_after(line, &["OS Version:", "Operating System:"]) {
            set(&mut self.os, name, WORD);
        } else if let Some(name) = after(line, "Current branch:").and_then(git::branch) {
            self.branch_at_start = Some(name);
        } else if let Some(name) = line.strip_prefix("Main branch").and_then(|rest| rest.split_once(':')) {
            self.main_branch = git::branch(name.1).or(self.main_branch.take());
        } else if section == Section::GitStatus
            && let Some(name) = git::short_status(line)
        {
            self.branch_at_start = Some(name);
        } else if let Some(path) = after(line, "Git repo:") {
            self.git = Some(!path.is_empty());
        }
    }

    /// Reads results of git from the newest back, until one tells the branch. The repository's name, if one told it.
    fn read_results(&mut self, conversation: &Conversation) -> Option<String> {
        let blocks = || conversation.turns.iter().flat_map(|turn| &turn.parts).map(|part| &part.block);
        let mut calls = HashMap::new();
        for block in blocks() {
            if let Block::ToolCall(call) = block
                && git::is_git(crate::bound::head(&call.arguments, COMMAND))
            {
                calls.insert(call.id.as_str(), call.arguments.as_str());
            }
        }
        if calls.is_empty() {
            return None;
        }
        let turns = conversation.turns.iter().rev().flat_map(|turn| turn.parts.iter().rev());
        let results = turns
            .filter_map(|part| if let Block::ToolResult(result) = &part.block { Some(result) } else { None });
        let mut repo = None;
        let of_git = results.filter_map(|result| {
            let call = calls.get(result.call_id.as_str());
            call.map(|command| (*command, result))
        });
        for (command, result) in of_git.take(RESULTS) {
            let found = git::read(command, &printed(result));
            repo = repo.or(found.repo);
            if found.branch.is_some() {
                self.branch = found.branch;
                break;
            }
        }
        repo
    }
}

/// Bytes of a command that are looked at.
const COMMAND: usize = 4096;

/// Results of git that are read at most.
const RESULTS: usize = 16;

/// The end of what a tool printed.
fn printed(result: &ToolResult) -> String {
    let texts: Vec<&str> =
        result.content.iter().filter_map(text_of).map(|words| tail(words.as_str(), 16 * 1024)).collect();
    texts.join("\n")
}

/// A block in which a client describes its surroundings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// `<env>`, `<environment_context>`, `<user_info>`, `<environment_details>`.
    Element(&'static str),
    Gemini,
    /// Claude Code's state of git at the start.
    Git,
    /// Cursor's `<git_status>`.
    GitStatus,
    /// `# Environment`.
    Heading,
}

impl Section {
    fn begins(line: &str) -> Option<Self> {
        const ELEMENTS: [(&str, &str); 4] = [
            ("<env>", "</env>"),
            ("<environment_context>", "</environment_context>"),
            ("<environment_details>", "</environment_details>"),
            ("<user_info>", "</user_info>"),
        ];
        if line.starts_with("This is the Gemini CLI.") || line.starts_with("This is the Qwen Code.") {
            return Some(Self::Gemini);
        }
        match line {
            "# Environment" => return Some(Self::Heading),
            "# gitStatus" => return Some(Self::Git),
            "<git_status>" => return Some(Self::GitStatus),
            _ if line.starts_with("gitStatus:") => return Some(Self::Git),
            _ => {}
        }
        ELEMENTS.iter().find(|(open, _)| *open == line).map(|(_, close)| Self::Element(close))
    }

    fn ends(self, line: &str) -> bool {
        match self {
            Self::Element(close) => line == close,
            Self::Gemini => line == "</session_context>" || line.contains("Directory Structure"),
            Self::Git => line == "Status:" || line == "</system-reminder>",
            Self::GitStatus => line == "</git_status>",
            Self::Heading => {
                line.starts_with("# ")
                    || line == "</system-reminder>"
                    || line.starts_with("You are powered by")
            }
        }
    }
}

fn after<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix(name).map(str::trim)
}

fn first_after<'a>(line: &'a str, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| after(line, name))
}

fn in_element<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let inside = line.strip_prefix('<')?.strip_prefix(name)?.strip_prefix('>')?;
    inside.split("</").next()
}

fn set(field: &mut Option<String>, text: &str, bytes: usize) {
    if let Some(text) = word(text, bytes) {
        *field = Some(text);
    }
}

fn take(field: &mut Option<String>, newer: Option<&String>) {
    if let Some(newer) = newer {
        *field = Some(newer.clone());
    }
}

/// The last name of a path, of either kind.
fn last_name(path: &str) -> Option<String> {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().and_then(|name| word(name, WORD))
}
