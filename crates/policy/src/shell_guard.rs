//! Shell commands judged by what they would do.
//!
//! # What it does
//!
//! Reads the command of a shell tool with a grammar of bash, follows pipes, substitutions, wrappers, encoded payloads and code in other
//! languages to what would really run, and judges the effects together: what is read and where it flows, what is deleted and where that
//! lies, what stays, what gains rights. It finds destruction, secrets that are looked at or leave, persistence, privilege, hidden commands,
//! force pushes and pushes to protected branches, and whatever stops the gateway itself. A command that cannot be read is asked about,
//! never let through. What it asks about, a [person decides](../POLICIES.md#asking-a-person), unless `on_question` says otherwise.
//!
//! # Why
//!
//! Names of programs say little: a key leaves by `curl`, `scp`, `dig` or a line of Python alike, and `rm` is harmless a hundred times a
//! day. [How well it finds what it should, and how seldom what it should not](shell_guard_figures.md).
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - shell_guard:
//!         on_question: warn
//!         guard:
//!           protected_branches: [main, "release/*"]
//!           upload_hosts: [artifacts.example.com]
//! ```
//!
//! # Limits
//!
//! It sees the command, not the machine: what a script on disk does when it runs, where a link leads and what a variable of the
//! environment holds are not known. Code of other languages is searched for calls and texts, not understood. Every argument of a call
//! that may hold a command is judged, whichever the client takes; a command in a form that cannot be read (a number, an object, a list of
//! other things than texts) is for `on_failure`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::chain::Pattern;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, View};
use crate::shell::guard::{Guard, Options as What, Severity};
use crate::target;
use crate::verdict::{BlockVerdict, Finding};

/// Which tools run shell commands, and what is found harmful.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Tools that run a shell command.
    pub tools: Vec<Pattern>,
    /// What becomes of a command that a person should decide about.
    pub on_question: OnQuestion,
    /// What is looked for.
    pub guard: What,
}

/// What becomes of a command that a person should decide about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnQuestion {
    /// A person decides, as `policies.approvals` says.
    #[default]
    Ask,
    /// It passes, and is noted.
    Pass,
    /// It is refused.
    Refuse,
    /// It passes, and the client is warned.
    Warn,
}

impl Default for Options {
    fn default() -> Self {
        let tools = target::SHELLS.iter().filter_map(|name| Pattern::new(name).ok()).collect();
        Self { tools, on_question: OnQuestion::default(), guard: What::default() }
    }
}

/// The policy.
pub struct ShellGuard(Arc<Inner>);

struct Inner {
    guard: Guard,
    on_question: OnQuestion,
    tools: Vec<Pattern>,
}

impl ShellGuard {
    /// Makes the options ready; the error says what is wrong with them.
    pub fn new(options: Options) -> Result<Self, String> {
        let Options { guard, on_question, tools } = options;
        let guard = Guard::new(guard).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner { guard, on_question, tools })))
    }
}

impl Policy for ShellGuard {
    fn needs(&self) -> Needs {
        Needs::TOOLS
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(Guarding(self.0.clone()))
    }
}

struct Guarding(Arc<Inner>);

impl PolicyRun for Guarding {
    fn on_block(&mut self, piece: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        let Piece::ToolCall(call) = piece else { return BlockVerdict::Allow };
        if !self.0.tools.iter().any(|tool| tool.matches(&call.name)) {
            return BlockVerdict::Allow;
        }
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        // Tools that only look at what runs have no command.
        let target::Commands { texts, unread } = target::commands(call, &arguments);
        let places = target::places(&arguments);
        let found = texts.iter().flat_map(|command| self.0.guard.check_in(command, &places));
        let worst = found.max_by_key(|finding| finding.severity);
        let denied = worst.as_ref().is_some_and(|worst| worst.severity == Severity::Deny);
        if let Some(why) = unread.filter(|_| !denied) {
            return BlockVerdict::Unsure(why.into());
        }
        let Some(worst) = worst else { return BlockVerdict::Allow };
        let rule = format!("{:?}", worst.class).to_lowercase();
        let finding = Finding { evidence: Some(worst.command), reason: worst.reason, rule: Some(rule) };
        match (worst.severity, self.0.on_question) {
            (Severity::Deny, _) | (Severity::Ask, OnQuestion::Refuse) => BlockVerdict::Refuse(finding),
            (Severity::Ask, OnQuestion::Ask) => BlockVerdict::AskPerson(finding),
            (Severity::Ask, OnQuestion::Warn) => BlockVerdict::Warn(finding),
            (Severity::Ask, OnQuestion::Pass) => BlockVerdict::Annotate(finding),
        }
    }
}

#[cfg(test)]
mod tests {
    use lockgate_core::content::{ToolCall, ToolKind};
    use serde_json::json;

    use super::*;

    fn said(on_question: OnQuestion, tool: &str, kind: ToolKind, arguments: &str) -> String {
        let facts = CallFacts::unknown("1");
        let view = View { conversation: None, facts: &facts };
        let policy = ShellGuard::new(Options { on_question, ..Options::default() }).unwrap();
        let call = ToolCall {
            arguments: arguments.to_owned(),
            id: "1".into(),
            kind,
            name: tool.into(),
            namespace: None,
            seal: None,
        };
        match policy.open(&facts).on_block(Piece::ToolCall(&call), &view) {
            BlockVerdict::Allow => "allow".into(),
            BlockVerdict::Annotate(_) => "note".into(),
            BlockVerdict::AskPerson(_) => "ask".into(),
            BlockVerdict::Refuse(finding) => format!("refuse {}", finding.rule.unwrap()),
            BlockVerdict::Unsure(_) => "unsure".into(),
            BlockVerdict::Warn(_) => "warn".into(),
            other => format!("{other:?}"),
        }
    }

    /// Requirement 000 behaviours 23 and 28: whatever form the tools of agents have for a command.
    #[test]
    fn commands_are_found_in_the_arguments_of_every_kind_of_shell_tool() {
        use OnQuestion::{Ask, Pass, Refuse, Warn};
        let function = |tool: &str, arguments: serde_json::Value| {
            said(Refuse, tool, ToolKind::Function, &arguments.to_string())
        };
        for (tool, arguments) in [
            ("Bash", json!({"command": "git push --force origin main"})),
            ("shell", json!({"command": ["bash", "-lc", "git push --force origin main"]})),
            ("exec_command", json!({"cmd": "sudo git push --force origin main", "workdir": "/src"})),
        ] {
            assert_eq!(function(tool, arguments), "refuse git", "{tool}");
        }
        let local = json!({"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["rm", "-rf", "/"]}});
        assert_eq!(said(Refuse, "local_shell", ToolKind::Custom, &local.to_string()), "refuse destructive");
        assert_eq!(said(Refuse, "shell", ToolKind::Custom, "docker compose down"), "refuse gateway");
        assert_eq!(function("Bash", json!({"command": "git push origin feature"})), "allow");
        assert_eq!(function("Write", json!({"command": "rm -rf /"})), "allow", "no shell");
        assert_eq!(function("Bash", json!({"bash_id": "7"})), "allow", "no command");
        assert_eq!(said(Refuse, "Bash", ToolKind::Function, "{\"command\": \"rm"), "unsure");
        for tool in
            ["execute_bash", "PowerShell", "Monitor", "mcp__desk__shell_run", "mcp__x__execute_command"]
        {
            assert_eq!(function(tool, json!({"command": "rm -rf /"})), "refuse destructive", "{tool}");
        }
        let unreadable = json!({"command": "echo \"open"}).to_string();
        for (mode, expected) in [(Ask, "ask"), (Refuse, "refuse evasion"), (Warn, "warn"), (Pass, "note")] {
            assert_eq!(said(mode, "Bash", ToolKind::Function, &unreadable), expected);
        }
    }
    #[test]
    fn a_harmless_command_beside_the_real_one_hides_nothing() {
        let say = |arguments: serde_json::Value| {
            said(OnQuestion::Ask, "exec_command", ToolKind::Function, &arguments.to_string())
        };
        for arguments in [
            json!({"command": "ls", "cmd": "rm -rf /"}),
            json!({"command": null, "cmd": "rm -rf /"}),
            json!({"command": {}, "cmd": "rm -rf /"}),
            json!({"cmd": "ls", "Command_Line": "rm -rf /"}),
            json!({"command": ["bash", "-lc", "rm -rf /", 5]}),
            json!({"commands": ["ls", "rm -rf /"]}),
            json!({"commands": [{"command": "ls"}, {"command": "rm -rf /"}]}),
            json!({"command": "rm", "args": ["-rf", "/"]}),
            json!({"command": "rm -rf *", "workdir": "/tmp/x", "cwd": "/"}),
            json!({"command": "ls", "action": {"command": ["rm", "-rf", "/"]}}),
        ] {
            assert_eq!(say(arguments.clone()), "refuse destructive", "{arguments}");
        }
        for arguments in [
            json!({"command": {}}),
            json!({"command": {"run": "rm -rf /"}}),
            json!({"command": 7}),
            json!({"command": ["ls", ["rm"]]}),
            json!({"command": {}, "cmd": "ls"}),
        ] {
            assert_eq!(say(arguments.clone()), "unsure", "{arguments}");
        }
        assert_eq!(say(json!({"command": "ls", "description": "Lists; nothing else"})), "allow");
    }
}
