//! The `claude` command on this machine, with its own login: one run a call, body on stdin, stream-json on stdout.
//!
//! Quirks (seen with Claude Code 2.1.329):
//! - It runs as a model, not as an agent: no tools, no MCP servers, no skills, no settings files (so no hooks, no
//!   CLAUDE.md and no address that leads back to this gateway), no session on disk, an empty system prompt.
//! - Nothing of a conversation is ever an argument, which other users of the machine could read: system text, effort
//!   and messages go in as stream-json on stdin, turn by turn (`lockgate_wire::claude_cli`).
//! - It always adds two short system texts of its own and a note about its directory, its platform and the date.
//! - It uses its own login. Keys and addresses of the gateway's environment ([`withheld`]) are kept from it: Anthropic's
//!   key would turn a subscription into paid API calls, those of other providers are none of its business, an address
//!   may lead back here. `CLAUDE_CODE_OAUTH_TOKEN` and the
//!   variables of its other logins (Bedrock, Vertex), of proxies and of certificates reach it. Who wants others names a
//!   program as `claude_cli.command` that sets them.
//! - Arguments of the settings come first. Those that would give it tools or rights, or change the format, are refused:
//!   `--tools` adds to an earlier `--tools` rather than replace it.

use http::HeaderMap;
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_wire::claude_cli::{ends_step, steps};

use crate::{
    Ask, CommandLine, Credential, Endpoint, Feed, KINDS, OpenError, Operation, PRESETS, Provider, Settings,
};

/// What every run gets, behind the arguments of the settings.
const ARGUMENTS: [&str; 15] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--tools",
    "",
    "--strict-mcp-config",
    "--disable-slash-commands",
    "--no-session-persistence",
    "--setting-sources=",
    "--system-prompt",
    "",
];

/// Arguments that the settings must not hold.
const REFUSED: [&str; 20] = [
    "--allow-dangerously-skip-permissions",
    "--allowed-tools",
    "--allowedTools",
    "--background",
    "--bg",
    "--cloud",
    "--continue",
    "--dangerously-skip-permissions",
    "--input-format",
    "--mcp-config",
    "--output-format",
    "--permission-mode",
    "--plugin-dir",
    "--plugin-url",
    "--resume",
    "--setting-sources",
    "--tools",
    "-c",
    "-r",
    "--",
];

/// Variables that it does not inherit beside those that name a provider's key: addresses, further providers with their
/// keys, and the marks of a session that the gateway itself was started from.
const WITHHELD: [&str; 6] = [
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CUSTOM_PROVIDERS",
];

/// Whether a variable of the gateway's environment is kept from the program.
fn withheld(name: &str) -> bool {
    let kinds = KINDS.iter().flat_map(|info| info.key_variables);
    let presets = PRESETS.iter().flat_map(|preset| preset.key_variables);
    WITHHELD.contains(&name) || name.starts_with("LOCKGATE_") || kinds.chain(presets).any(|key| *key == name)
}

/// The `claude` command.
pub(crate) struct ClaudeCli {
    command: CommandLine,
}

impl ClaudeCli {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        let own = settings.claude_cli.clone().unwrap_or_default();
        let bad = |setting, what: String| OpenError::BadSetting { id: id.to_owned(), setting, what };
        if own.command.is_empty() {
            return Err(bad("claude_cli.command", "must name a program".into()));
        }
        let name = |arg: &str| arg.split('=').next().unwrap_or(arg).to_owned();
        if let Some(arg) = own.args.iter().map(|arg| name(arg)).find(|arg| REFUSED.contains(&arg.as_str())) {
            let what = format!(
                "`{arg}` is not allowed: a call must get neither tools nor rights, in a fixed format"
            );
            return Err(bad("claude_cli.args", what));
        }
        let args = own.args.into_iter().chain(ARGUMENTS.map(str::to_owned)).collect();
        let command = CommandLine {
            args,
            feed: Feed { ends: ends_step, pieces: steps },
            max_output_bytes: own.max_output_bytes,
            program: own.command,
            timeout_ms: own.timeout_ms,
            withheld,
        };
        Ok(Self { command })
    }
}

impl Provider for ClaudeCli {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::ClaudeCli]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        match ask.operation {
            Operation::Generate => {}
            Operation::CountTokens | Operation::Embed { .. } | Operation::Models | Operation::Raw { .. } => {
                return Err(Failure::new(
                    ErrorKind::NotFound,
                    "the claude command can only generate answers",
                ));
            }
        }
        let mut command = self.command.clone();
        if !ask.model.is_empty() {
            if ask.model.starts_with('-') {
                return Err(Failure::invalid("model", format!("`{}` is no name of a model", ask.model)));
            }
            command.args.extend(["--model".to_owned(), ask.model.to_owned()]);
        }
        Ok(Endpoint::Process(command))
    }

    fn sign(
        &self,
        _credential: &Credential,
        _ask: &Ask<'_>,
        _headers: &mut HeaderMap,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(args: &[&str]) -> Result<ClaudeCli, OpenError> {
        let settings = serde_json::json!({"claude_cli": {"args": args}});
        ClaudeCli::open("claude-cli", &serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn no_setting_gives_the_program_tools_or_rights() {
        for arg in REFUSED {
            assert!(open(&[arg]).is_err(), "{arg}");
            assert!(open(&[&format!("{arg}=x")]).is_err(), "{arg}=x");
        }
        assert!(open(&["--effort", "low"]).is_ok());
    }

    /// Requirement 004-6: who pays is decided by the program's own login.
    #[test]
    fn no_key_of_any_provider_reaches_the_program_and_its_own_login_does() {
        for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "GROQ_API_KEY"] {
            assert!(withheld(name), "{name}");
        }
        assert!(withheld("LOCKGATE__PROVIDERS__WORK__API_KEY"));
        for name in ["CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "HOME", "HTTPS_PROXY", "PATH"] {
            assert!(!withheld(name), "{name}");
        }
    }

    #[test]
    fn a_model_name_is_one_argument_and_never_an_option() {
        let ask =
            |model| Ask { dialect: Dialect::ClaudeCli, model, operation: Operation::Generate, stream: true };
        let claude = open(&["--effort", "low"]).unwrap();
        let Endpoint::Process(command) = claude.endpoint(&ask("opus; rm -rf $HOME")).unwrap() else {
            panic!()
        };
        assert_eq!(command.args[..3], ["--effort", "low", "-p"]);
        assert_eq!(command.args[command.args.len() - 2..], ["--model", "opus; rm -rf $HOME"]);
        assert!(claude.endpoint(&ask("--dangerously-skip-permissions")).is_err());
    }
}
