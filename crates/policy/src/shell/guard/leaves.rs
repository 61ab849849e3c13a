//! What leaves the machine, and what is fetched and run. Looks at a step with all that flows into it.

use super::super::call::program;
use super::super::effects::secret_name;
use super::super::fact::{Code, Direction, Fact};
use super::super::{Step, glob};
use super::flow::Flow;
use super::places::{chat, drop_host, local, numbers};
use super::{Class, Guard, Severity};

type Verdict = (Class, Severity, String);

impl Guard {
    fn may_upload(&self, host: &str) -> bool {
        self.options.upload_hosts.iter().any(|allowed| glob::matches(allowed, host))
    }
}

fn named(host: &str) -> String {
    match host {
        "" => "another machine".to_owned(),
        host => host.to_owned(),
    }
}

/// Data that goes to another machine.
pub(super) fn upload(
    guard: &Guard,
    step: &Step,
    flow: &Flow,
    direction: Direction,
    host: &str,
) -> Option<Verdict> {
    if guard.may_upload(host) || local(host) {
        return None;
    }
    let to = named(host);
    if direction == Direction::Download {
        // A header goes out with what is fetched; that is how one logs in, unless the value was just taken from a file with secrets.
        let name = flow.secret.as_deref().and_then(|secret| secret.strip_prefix('$'));
        return name
            .filter(|_| flow.sourced.is_some())
            .and_then(|name| variable(step, flow, (name, host), &to));
    }
    let deny = |what: String| Some((Class::Exfiltration, Severity::Deny, what));
    let ask = |what: String| Some((Class::Exfiltration, Severity::Ask, what));
    if let Some(secret) = &flow.secret {
        if by_right(step, secret, host) {
            return None;
        }
        if let Some(name) = secret.strip_prefix('$') {
            return variable(step, flow, (name, host), &to);
        }
        return deny(format!("send {secret}, where secrets lie, to {to}"));
    }
    if flow.environment {
        return deny(format!("send the environment, where keys lie, to {to}"));
    }
    let takes_all = drop_host(host);
    if flow.wide {
        return if takes_all || numbers(host) || host.is_empty() {
            deny(format!("send a whole home or system directory to {to}"))
        } else {
            ask(format!("send a whole home or system directory to {to}"))
        };
    }
    let raw = step
        .facts
        .iter()
        .any(|fact| matches!(fact, Fact::Shell("talks over a raw socket" | "talks over a socket of awk")));
    if flow.local {
        if host == "a service for sending files" {
            return ask(format!("send a file by {to}"));
        }
        if takes_all || chat(host) {
            return deny(format!("put a file where everybody can fetch it, at {to}"));
        }
        if numbers(host) {
            return deny(format!("send a file to the bare address {to}"));
        }
        let form = http(step) && !payload(step);
        if raw || form || program_of(step) == "mail" || mailer(step) {
            return ask(format!("send a file to {to}"));
        }
        return None;
    }
    if takes_all && !chat(host) {
        return ask(format!("send data to {to}, which shows it to everybody"));
    }
    if host == "the name server" {
        return ask("send the output of a command out as a name that is looked up".to_owned());
    }
    None
}

/// A token of a service that goes to that service.
fn by_right(step: &Step, secret: &str, host: &str) -> bool {
    let ends = |list: &[&str]| list.iter().any(|end| host == *end || host.ends_with(&format!(".{end}")));
    match secret {
        "a token, by gh" => ends(&["github.com", "githubusercontent.com", "ghcr.io"]),
        "a token, by glab" => ends(&["gitlab.com"]),
        "a token, by gcloud" => ends(&["googleapis.com", "google.com", "gcr.io", "pkg.dev", "run.app"]),
        "a token, by az" => ends(&["azure.com", "azurecr.io", "windows.net", "microsoft.com"]),
        "a token, by aws" => ends(&["amazonaws.com"]),
        "a token, by heroku" => ends(&["heroku.com"]),
        _ => {
            matches!(program_of(step), "docker" | "podman" | "helm")
                && step.words.iter().any(|word| word.text == "login")
        }
    }
}

/// A variable with the name of a secret: in a header or as a user it is how one logs in; as data it leaves.
fn variable(step: &Step, flow: &Flow, (name, host): (&str, &str), to: &str) -> Option<Verdict> {
    let bad = drop_host(host) || numbers(host) || host == "the name server" || host.is_empty();
    let raw = step.facts.iter().any(|fact| matches!(fact, Fact::Shell(_)));
    if bad || raw {
        return Some((
            Class::Exfiltration,
            Severity::Deny,
            format!("send ${name}, which is a secret by its name, to {to}"),
        ));
    }
    let data = step.words.windows(2).any(|pair| {
        let option = pair[0].text.as_str();
        let carries = pair[1].env.iter().any(|name| secret_name(name));
        carries
            && (option.starts_with("--data")
                || matches!(option, "-d" | "-F" | "--form" | "--json" | "--post-data"))
    });
    let fed = step.env.iter().any(|env| env == name)
        && !step.words.iter().any(|word| word.env.iter().any(|env| env == name));
    let ask = |what: String| Some((Class::Exfiltration, Severity::Ask, what));
    match &flow.sourced {
        _ if data || fed => ask(format!("send ${name}, which is a secret by its name, to {to}")),
        Some(file) => ask(format!("send ${name}, perhaps of {file}, where secrets lie, to {to}")),
        None => None,
    }
}

fn program_of(step: &Step) -> &str {
    step.words.first().map_or("", |word| program(&word.text))
}

fn http(step: &Step) -> bool {
    matches!(program_of(step), "curl" | "wget" | "wget2" | "http" | "https" | "xh" | "xhs" | "curlie")
}

fn mailer(step: &Step) -> bool {
    matches!(program_of(step), "mail" | "mailx" | "mutt" | "sendmail" | "swaks" | "msmtp")
}

/// A request's body from a file, as APIs are called: `-d @body.json`.
fn payload(step: &Step) -> bool {
    let body = [".json", ".graphql", ".xml", ".ndjson", ".jsonl", ".yaml", ".yml", ".txt", ".sql", ".csv"];
    let mut files = step.facts.iter().filter_map(|fact| match fact {
        Fact::Reads { path, .. } => Some(path.name().to_owned()),
        _ => None,
    });
    let form = step
        .words
        .iter()
        .any(|word| matches!(word.text.as_str(), "-T" | "--upload-file") || word.text.contains("=@"));
    !form && files.all(|name| body.iter().any(|end| name.ends_with(end)))
}

/// Code that is run and was not there before.
pub(super) fn executes(guard: &Guard, step: &Step, flow: &Flow, code: Code) -> Option<Verdict> {
    let deny = |what: &str| Some((Class::Evasion, Severity::Deny, what.to_owned()));
    let ask = |what: &str| Some((Class::Evasion, Severity::Ask, what.to_owned()));
    let socket = step
        .facts
        .iter()
        .any(|fact| matches!(fact, Fact::Network { direction: Direction::Both, host } if !local(host)));
    let shell = super::super::builtin::SHELLS.contains(&program_of(step));
    if socket && shell {
        return deny("give a shell to another machine");
    }
    match code {
        Code::Decoded => deny("run code that is hidden by an encoding"),
        Code::Downloaded => fetched(guard, &flow.hosts),
        Code::File => {
            if flow.hosts.is_empty() || step.words.first().is_some_and(|word| word.text.contains('*')) {
                None
            } else {
                fetched(guard, &flow.hosts)
            }
        }
        Code::Input | Code::Unknown => {
            if flow.decodes {
                return deny("run code that is hidden by an encoding");
            }
            if !flow.hosts.is_empty() {
                return fetched(guard, &flow.hosts);
            }
            let blind = program_of(step) == "eval" && step.inputs.is_empty();
            if blind && code == Code::Unknown {
                ask("run a command that is not known before it runs")
            } else {
                None
            }
        }
    }
}

fn fetched(guard: &Guard, hosts: &[String]) -> Option<Verdict> {
    let trusted = |host: &String| {
        guard.options.install_hosts.iter().any(|allowed| glob::matches(allowed, host)) || local(host)
    };
    if hosts.iter().all(trusted) {
        return None;
    }
    let host = hosts.iter().find(|host| !trusted(host)).map_or("", String::as_str);
    let severity =
        if host.is_empty() || numbers(host) || drop_host(host) { Severity::Deny } else { Severity::Ask };
    Some((Class::Evasion, severity, format!("run code that comes from {}", named(host))))
}

/// Shells and tunnels by hand.
pub(super) fn shell(step: &Step, flow: &Flow, what: &str) -> Option<Verdict> {
    match what {
        "gives a shell to another machine" => Some((
            Class::Exfiltration,
            Severity::Deny,
            "give a shell on this machine to another one".to_owned(),
        )),
        "opens a tunnel through which others reach this machine" => Some((
            Class::Exfiltration,
            Severity::Ask,
            "open a tunnel through which others reach this machine".to_owned(),
        )),
        "talks over a socket of awk" => {
            Some((Class::Exfiltration, Severity::Deny, "talk over a socket by hand".to_owned()))
        }
        _ => {
            let remote =
                step.facts.iter().any(|fact| matches!(fact, Fact::Network { host, .. } if !local(host)));
            (flow.shell && remote).then(|| {
                (
                    Class::Exfiltration,
                    Severity::Deny,
                    "give a shell on this machine to another one".to_owned(),
                )
            })
        }
    }
}
