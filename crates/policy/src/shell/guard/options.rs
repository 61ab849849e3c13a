//! Options of the guard. The comments are the reference.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::paths::{BadPattern, SecretPaths, Tier};

/// Kinds of harm that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Secrets are looked at or changed: keys, tokens, passwords, cloud profiles.
    Credentials,
    /// Something is lost: files outside the project, disks, databases, cloud resources.
    Destructive,
    /// The command hides what it does, or switches off what would show it.
    Evasion,
    /// Secrets or whole directories leave the machine.
    Exfiltration,
    /// The gateway is stopped, killed or changed.
    Gateway,
    /// Work in a repository is lost, or a protected branch is pushed to.
    Git,
    /// Something stays after the session: jobs, services, hooks, start-up files, keys.
    Persistence,
    /// Rights beyond the user's are taken or given.
    Privilege,
}

/// How the guard judges shell commands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Commands that are let through whatever is found in them, as their first words: `git push --force origin gh-pages`. `*` stands for any
    /// letters of one word.
    pub allow: Vec<String>,
    /// Asks before anything runs with `sudo`, `doas` or `pkexec`, not only before what is found harmful.
    pub ask_for_sudo: bool,
    /// The kinds of harm that are looked for.
    pub classes: Vec<Class>,
    /// Commands that are refused in addition, as their first words: `npm publish`. `*` stands for any letters of one word.
    pub deny: Vec<String>,
    /// Names under which the gateway runs: of its process, service, container or unit.
    pub gateway_names: Vec<String>,
    /// Ports on which the gateway listens; ending what holds one of them ends the gateway.
    pub gateway_ports: Vec<u16>,
    /// Hosts whose install scripts may be run as they come (`curl … | sh`).
    pub install_hosts: Vec<String>,
    /// The directory of the project. What lies in it may be deleted; without it, what lies below the directory in which the command starts.
    pub project: Option<String>,
    /// Branches that are not pushed to and not deleted. `*` stands for any letters.
    pub protected_branches: Vec<String>,
    /// Paths that count as no secret although the list that ships says so: `certs/dev.pem`, `fixtures/**`.
    pub readable_paths: Vec<String>,
    /// Paths that are secret in addition to the list that ships: `customers/**`, `*.dump`.
    pub secret_paths: Vec<String>,
    /// Hosts to which files and secrets may be sent: `artifacts.example.com`, `*.internal`.
    pub upload_hosts: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let all = [
            Class::Credentials,
            Class::Destructive,
            Class::Evasion,
            Class::Exfiltration,
            Class::Gateway,
            Class::Git,
            Class::Persistence,
            Class::Privilege,
        ];
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Self {
            allow: Vec::new(),
            ask_for_sudo: false,
            classes: all.to_vec(),
            deny: Vec::new(),
            gateway_names: texts(&["lockgate"]),
            gateway_ports: vec![8484],
            install_hosts: texts(&INSTALLERS),
            project: None,
            protected_branches: texts(&["main", "master", "release/*"]),
            readable_paths: Vec::new(),
            secret_paths: Vec::new(),
            upload_hosts: Vec::new(),
        }
    }
}

/// Where the common tools of developers are installed from.
const INSTALLERS: [&str; 18] = [
    "apt.llvm.org",
    "astral.sh",
    "bun.sh",
    "claude.ai",
    "cli.github.com",
    "deb.nodesource.com",
    "deno.land",
    "dl.k8s.io",
    "fnm.vercel.app",
    "get.docker.com",
    "get.helm.sh",
    "get.pnpm.io",
    "get.sdkman.io",
    "install.python-poetry.org",
    "ollama.com",
    "raw.githubusercontent.com",
    "rpm.nodesource.com",
    "sh.rustup.rs",
];

impl Options {
    /// The list of secret paths with what these options add and take away.
    pub(super) fn paths(&self) -> Result<SecretPaths, BadPattern> {
        let mut paths = SecretPaths::default();
        for pattern in &self.secret_paths {
            paths.add("configured", pattern, Tier::Secret)?;
        }
        for pattern in &self.readable_paths {
            paths.allow(pattern)?;
        }
        Ok(paths)
    }
}
