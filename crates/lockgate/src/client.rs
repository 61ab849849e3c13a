//! The clients that Lockgate knows how to reach: which settings or variables each one needs.
//!
//! Adding a client is one file here and one line in each of the two functions of [`Client`]. A client's file says what is true of that
//! client; it writes nothing and starts nothing: `connect` and `run` do.

mod aider;
mod claude_code;
mod codex;
mod continue_cli;
mod copilot;
mod cursor;
mod gemini_cli;
mod opencode;
mod pi;
mod qwen_code;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

use crate::connect::edit::Edit;
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::Gateway;

/// A client by the name used on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// aider.
    Aider,
    /// Anthropic's Claude Code.
    #[value(alias = "claude")]
    ClaudeCode,
    /// `OpenAI`'s Codex CLI.
    #[value(help = "OpenAI's Codex CLI")]
    Codex,
    /// Continue: the editor extension and its CLI `cn`.
    #[value(alias = "cn")]
    Continue,
    /// GitHub's Copilot CLI with its own-provider variables.
    Copilot,
    /// The Cursor editor.
    Cursor,
    /// Google's Gemini CLI.
    #[value(alias = "gemini")]
    GeminiCli,
    /// opencode.
    Opencode,
    /// pi, the small coding agent.
    Pi,
    /// Qwen Code.
    #[value(alias = "qwen")]
    QwenCode,
}

/// How a client is told permanently where Lockgate is.
#[derive(Debug)]
pub enum Connection {
    /// By changing these files.
    Files {
        /// The changes.
        files: Vec<FileEdit>,
        /// What the user should know.
        notes: Vec<String>,
    },
    /// By environment variables, which Lockgate only prints.
    Shell(Launch),
    /// By hand.
    Steps(Vec<String>),
}

/// A change to one settings file.
#[derive(Debug)]
pub struct FileEdit {
    /// The file.
    pub path: PathBuf,
    /// The change.
    pub edit: Edit,
}

/// How a client is started so that it talks to Lockgate this once.
#[derive(Debug, Default)]
pub struct Launch {
    /// The program, looked up on `PATH`.
    pub program: &'static str,
    /// Arguments before the user's own.
    pub args: Vec<OsString>,
    /// Settings that go into a file only the user can read, passed by the flag that names it.
    pub private: Option<(&'static str, Value)>,
    /// Variables to set.
    pub set: Vec<(&'static str, String)>,
    /// Variables that would lead the client elsewhere.
    pub unset: Vec<&'static str>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Launch {
    fn arg(mut self, flag: &str, value: impl Into<OsString>) -> Self {
        self.args.push(flag.into());
        self.args.push(value.into());
        self
    }

    fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set.push((name, value.into()));
        self
    }

    /// Sets a variable to the key, unless the client keeps its own.
    fn set_token(self, name: &'static str, gateway: &Gateway) -> Self {
        match gateway.token() {
            Some(token) => self.set(name, token),
            None => self,
        }
    }
}

impl Client {
    /// The client's own name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Aider => "aider",
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Continue => "Continue",
            Self::Copilot => "Copilot CLI",
            Self::Cursor => "Cursor",
            Self::GeminiCli => "Gemini CLI",
            Self::Opencode => "opencode",
            Self::Pi => "pi",
            Self::QwenCode => "Qwen Code",
        }
    }

    /// The name on the command line.
    pub fn slug(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How to point the client at this Lockgate for good.
    pub fn connection(self, gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
        match self {
            Self::Aider => Ok(Connection::Shell(aider::launch(gateway))),
            Self::ClaudeCode => claude_code::connection(gateway, env),
            Self::Codex => codex::connection(gateway, env),
            Self::Continue => continue_cli::connection(gateway, env),
            Self::Copilot => Ok(Connection::Shell(copilot::launch(gateway))),
            Self::Cursor => Ok(cursor::connection(gateway)),
            Self::GeminiCli => gemini_cli::connection(gateway, env),
            Self::Opencode => opencode::connection(gateway, env),
            Self::Pi => pi::connection(gateway, env),
            Self::QwenCode => Ok(Connection::Shell(qwen_code::launch(gateway))),
        }
    }

    /// How to start the client with this Lockgate; the user's own arguments are there to see what they settle already.
    pub fn launch(self, gateway: &Gateway, env: &Env, args: &[OsString]) -> Result<Launch, Failure> {
        match self {
            Self::Aider => Ok(aider::launch(gateway)),
            Self::ClaudeCode => Ok(claude_code::launch(gateway, env, args)),
            Self::Codex => Ok(codex::launch(gateway)),
            Self::Copilot => Ok(copilot::launch(gateway)),
            Self::GeminiCli => gemini_cli::launch(gateway, env),
            Self::Opencode => Ok(opencode::launch(gateway)),
            Self::QwenCode => Ok(qwen_code::launch(gateway)),
            Self::Continue | Self::Cursor | Self::Pi => Err(Failure::usage(format!(
                "{} reads the address from its settings only, so it cannot be launched with another one",
                self.title()
            ))
            .hint(format!("use `lockgate connect {}`", self.slug()))),
        }
    }
}
