//! What flows into each step: through pipes, arguments and files that an earlier step of the same script wrote. One pass in order, so
//! that a secret that is packed, encoded and sent in five steps is still that secret at the end.

use std::collections::HashMap;

use crate::paths::Tier;

use super::super::call::program;
use super::super::effects::secret_name;
use super::super::fact::{Code, Direction, Fact};
use super::super::path::HOME;
use super::super::{Path, Place, Script, Step};
use super::{Guard, wide};

/// What a step has in its hands.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// A secret, as people name it.
    pub(super) secret: Option<String>,
    /// Content of files.
    pub(super) local: bool,
    /// A whole home or machine.
    pub(super) wide: bool,
    /// The environment.
    pub(super) environment: bool,
    /// Data from other machines, with the hosts.
    pub(super) hosts: Vec<String>,
    /// What came out of an encoding and is not known.
    pub(super) decodes: bool,
    /// What a shell wrote that reads its commands from elsewhere.
    pub(super) shell: bool,
    /// The file with secrets of which an earlier step has taken over the variables.
    pub(super) sourced: Option<String>,
    /// Numbers and names that earlier steps looked for, to know whose process is meant.
    pub(super) words: Vec<String>,
}

impl Flow {
    fn take(&mut self, other: &Self) {
        if self.secret.is_none() {
            self.secret.clone_from(&other.secret);
        }
        self.local |= other.local;
        self.wide |= other.wide;
        self.environment |= other.environment;
        self.decodes |= other.decodes;
        self.shell |= other.shell;
        self.hosts.extend(other.hosts.iter().cloned());
        self.words.extend(other.words.iter().cloned());
    }
}

/// Programs of whose input only a number or a yes is left.
const SUMMARIES: &[&str] = &[
    "cksum",
    "cmp",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shasum",
    "test",
    "wc",
    "file",
    "stat",
    "ls",
    "true",
    "du",
];

/// What each step has, in order.
pub(super) fn flows(guard: &Guard, script: &Script, place: &Place) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::with_capacity(script.steps.len());
    let mut files: HashMap<String, Flow> = HashMap::new();
    let mut sourced = None;
    for step in &script.steps {
        let mut flow = Flow { sourced: sourced.clone(), ..Flow::default() };
        for input in &step.inputs {
            if let Some(before) = flows.get(*input) {
                flow.take(before);
            }
        }
        own(guard, step, place, &files, &mut flow);
        if let Some(first) = step.words.first()
            && SUMMARIES.contains(&program(&first.text))
        {
            let words = std::mem::take(&mut flow.words);
            flow = Flow { sourced: sourced.clone(), words, ..Flow::default() };
        }
        sourced = sourced.or_else(|| sources(guard, step, place));
        for fact in &step.facts {
            if let Fact::Writes { path, .. } = fact {
                files.entry(place.resolve(path)).or_default().take(&flow);
            }
        }
        flows.push(flow);
    }
    flows
}

fn own(guard: &Guard, step: &Step, place: &Place, files: &HashMap<String, Flow>, flow: &mut Flow) {
    for fact in &step.facts {
        match fact {
            Fact::Reads { path, recursive } => {
                let resolved = place.resolve(path);
                flow.local |= !resolved.starts_with("/dev/");
                flow.wide |= *recursive && wide(&resolved);
                if flow.secret.is_none() {
                    flow.secret = secret(guard, path, &resolved, *recursive);
                }
                if let Some(written) = files.get(&resolved) {
                    flow.take(written);
                }
            }
            Fact::Uses { path } => {
                if let Some(written) = files.get(&place.resolve(path)) {
                    flow.hosts.extend(written.hosts.iter().cloned());
                    flow.decodes |= written.decodes;
                }
            }
            Fact::Credential(what) => flow.secret = flow.secret.take().or_else(|| Some(what.clone())),
            Fact::Environment => flow.environment = true,
            Fact::Network { direction: Direction::Download | Direction::Both, host } => {
                flow.hosts.push(host.clone());
            }
            Fact::Executes(Code::Input) => flow.shell = true,
            _ => {}
        }
    }
    flow.decodes |= step.decodes;
    if let Some(name) = step.env.iter().find(|name| secret_name(name)) {
        flow.secret = flow.secret.take().or_else(|| Some(format!("${name}")));
    }
    let program = step.words.first().map_or("", |word| program(&word.text));
    if matches!(
        program,
        "lsof"
            | "pgrep"
            | "pidof"
            | "ps"
            | "grep"
            | "fuser"
            | "ss"
            | "netstat"
            | "docker"
            | "systemctl"
            | "awk"
            | "egrep"
    ) {
        flow.words.extend(step.words.iter().skip(1).map(|word| word.text.clone()));
    }
    flow.shell |= super::super::builtin::SHELLS.contains(&program) && step.words.len() <= 2;
}

/// The file with secrets whose variables a step takes over.
fn sources(guard: &Guard, step: &Step, place: &Place) -> Option<String> {
    step.words.first().filter(|word| matches!(word.text.as_str(), "source" | "."))?;
    step.facts.iter().find_map(|fact| match fact {
        Fact::Uses { path } => secret(guard, path, &place.resolve(path), false),
        _ => None,
    })
}

/// The secret that is read, as people name it: a path of the list, or a directory that holds such paths.
pub(super) fn secret(guard: &Guard, path: &Path, resolved: &str, recursive: bool) -> Option<String> {
    let found = |text: &str| guard.paths().find(text).is_some_and(|id| id.tier() == Tier::Secret);
    let text = resolved.replace(HOME, "~");
    if found(&text) {
        return Some(path.shown());
    }
    let holds = HOLDERS.iter().any(|dir| text.ends_with(dir) && text.len() >= dir.len());
    (holds || (recursive && wide(resolved))).then(|| path.shown())
}

/// Directories that are secret as a whole.
const HOLDERS: &[&str] = &[
    "/.ssh",
    "/.aws",
    "/.gnupg",
    "/.kube",
    "/.azure",
    "/.config/gcloud",
    "/.docker",
    "/.config/gh",
    "/.password-store",
    "/.mozilla",
    "/.config/google-chrome",
    "/.config/chromium",
    "/Keychains",
    "/keyrings",
    "/etc/ssl/private",
    "/.bitcoin",
    "/.thunderbird",
    "/etc/kubernetes",
    "/var/run/secrets",
    "/run/secrets",
    "/Google/Chrome",
    "/.electrum",
    "/.config/solana",
];
