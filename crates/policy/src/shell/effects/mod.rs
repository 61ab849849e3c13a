//! From a program and its arguments to its effects. One file a theme; each knows the programs of its theme and reads their options.
//! A program that no file knows reads every argument that looks like a path, so that a secret named to it is still seen.

mod archives;
mod disks;
mod files;
mod git;
mod http;
mod network;
mod rights;
mod services;
mod services_list;
mod stays;
mod system;
mod viewers;

use super::call::Call;
use super::code;
use super::fact::Fact;
use super::guard;
use super::path::HOME;
use super::word::Word;

/// Says what the command does.
pub(super) fn facts(call: &mut Call<'_>) {
    let known = [
        viewers::facts(call),
        files::facts(call),
        archives::facts(call),
        disks::facts(call),
        git::facts(call),
        network::facts(call),
        rights::facts(call),
        stays::facts(call),
        system::facts(call),
        services::facts(call),
        code::facts(call),
    ];
    if !known.contains(&true) {
        unknown(call);
    }
}

/// Programs that are given paths and show nothing of what is in them.
const BLIND: &[&str] = &[
    "[",
    "[[",
    "ansible",
    "ansible-playbook",
    "basename",
    "cargo",
    "cksum",
    "code",
    "command",
    "cmp",
    "deno",
    "direnv",
    "dirname",
    "dotenv",
    "du",
    "echo",
    "exit",
    "export",
    "false",
    "file",
    "find",
    "fd",
    "fdfind",
    "go",
    "helm",
    "id",
    "jest",
    "kubectl",
    "let",
    "ls",
    "make",
    "exa",
    "eza",
    "lsd",
    "tree",
    "md5sum",
    "mkdir",
    "mkdirp",
    "mysql",
    "npm",
    "npx",
    "pip",
    "pnpm",
    "printf",
    "psql",
    "pwd",
    "pytest",
    "readlink",
    "realpath",
    "return",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shasum",
    "sleep",
    "ssh",
    "ssh-add",
    "ssh-keygen",
    "stat",
    "systemctl",
    "terraform",
    "test",
    "touch",
    "true",
    "type",
    "uv",
    "wait",
    "wc",
    "which",
    "whereis",
    "xdg-open",
    "yarn",
    "bun",
    "terragrunt",
    "pulumi",
    "chezmoi",
    "stow",
    "shellcheck",
    "actionlint",
    "pre-commit",
    "locate",
    "locale",
    "man",
    "info",
    "tldr",
    "openssl",
    "keytool",
    "sops",
    "age",
    "op",
];

/// Every argument that looks like a path is read.
fn unknown(call: &mut Call<'_>) {
    let blind = BLIND.contains(&call.name);
    for word in call.args {
        let text = word.text.as_str();
        let value = match text.strip_prefix('-') {
            Some(option) => option.split_once('=').map_or("", |(_, value)| value),
            None => text,
        };
        let value = value.strip_prefix('@').unwrap_or(value);
        if !looks_like_path(value) {
            continue;
        }
        // What lies near is a program's own business; what lies in a home or the system is not.
        let far = value.starts_with(['/', HOME]) || value.starts_with("..");
        if far && !blind { call.reads(value, false) } else { call.uses(value) }
    }
}

/// Whether a word may name a file.
pub(super) fn looks_like_path(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 512
        && !text.contains(['\n', ';', '{'])
        && !text.contains("://")
        && (text.contains(['/', '.'])
            || text.starts_with(HOME)
            || text.contains("id_")
            || text == "credentials")
        && (!text.contains(' ') || text.contains('/'))
}

/// What setting a variable does, where it changes what programs run.
pub(super) fn environment(name: &str, value: &[Word]) -> Option<Fact> {
    let value = value.first().map_or("", |word| word.text.as_str());
    match name {
        "LD_PRELOAD" | "LD_AUDIT" | "DYLD_INSERT_LIBRARIES"
            if !value.is_empty() && !value.contains("jemalloc") =>
        {
            Some(Fact::Evades("loads a library into every program"))
        }
        "HISTFILE" if matches!(value, "/dev/null" | "") => {
            Some(Fact::Evades("switches the shell's history off"))
        }
        "HISTSIZE" | "HISTFILESIZE" if value == "0" => Some(Fact::Evades("switches the shell's history off")),
        "HISTCONTROL" | "HISTIGNORE" if value.contains('*') => {
            Some(Fact::Evades("switches the shell's history off"))
        }
        "BASH_ENV" | "ENV" | "PROMPT_COMMAND" if value.contains(['/', ' ']) => {
            Some(Fact::Persists("makes every shell run a command"))
        }
        name if leads_to_gateway(name)
            && !(value.contains("//") && guard::is_local(&network::host(value))) =>
        {
            Some(Fact::Reroutes(name.to_owned()))
        }
        _ => None,
    }
}

/// What taking a variable away does.
pub(super) fn unset(name: &str) -> Option<Fact> {
    leads_to_gateway(name).then(|| Fact::Reroutes(name.to_owned()))
}

/// Whether clients find their provider, or the gateway in its place, by this variable.
fn leads_to_gateway(name: &str) -> bool {
    let makers =
        ["AIDER_OPENAI", "ANTHROPIC", "COPILOT_PROVIDER", "GOOGLE_GEMINI", "GOOGLE_VERTEX", "OPENAI"];
    let base = name.strip_suffix("_BASE_URL").or_else(|| name.strip_suffix("_API_BASE"));
    base.is_some_and(|base| makers.iter().any(|maker| base.starts_with(maker)))
}

/// Variables whose value programs run as a command.
pub(super) const COMMANDS: [&str; 14] = [
    "BROWSER",
    "EDITOR",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH_COMMAND",
    "MANPAGER",
    "PAGER",
    "RSYNC_RSH",
    "SSH_ASKPASS",
    "VISUAL",
];

/// What a wrapper does by itself.
pub(super) fn wrapper(name: &str, words: &[Word]) -> Option<Fact> {
    let has = |texts: &[&str]| words.iter().any(|word| texts.contains(&word.text.as_str()));
    match name {
        "nsenter"
            if has(&["-t", "--target", "-t1", "--all", "-a"])
                || words.iter().any(|word| word.text.starts_with("--target=1")) =>
        {
            Some(Fact::Privilege("enters the namespaces of another process"))
        }
        "chroot"
            if words.get(1).is_some_and(|word| {
                matches!(word.text.as_str(), "/host" | "/mnt" | "/hostfs" | "/rootfs" | "/mnt/host")
            }) =>
        {
            Some(Fact::Privilege("changes into the host's file system"))
        }
        "env" => {
            let taken = words.windows(2).find_map(|pair| {
                let text = pair[0].text.as_str();
                let joined = text.strip_prefix("--unset=").or_else(|| text.strip_prefix("-u"));
                match joined {
                    Some("") => Some(pair[1].text.as_str()),
                    None if text == "--unset" => Some(pair[1].text.as_str()),
                    joined => joined,
                }
            });
            unset(taken?)
        }
        "pkexec" => Some(Fact::Privilege("runs a program as root by polkit")),
        "unshare" if has(&["-r", "-rm", "-Ur", "--map-root-user", "-UrmC", "-Urm"]) => {
            Some(Fact::Privilege("makes itself root in a new namespace"))
        }
        _ => None,
    }
}

/// The host of an address.
pub(super) fn network_host(address: &str) -> String {
    network::host(address)
}

/// Whether a variable's name says that it holds a secret.
pub(super) fn secret_name(name: &str) -> bool {
    viewers::secret_name(name)
}

/// Whether the path is a disk or the like.
pub(super) fn is_device(path: &str) -> bool {
    files::is_device(path)
}
