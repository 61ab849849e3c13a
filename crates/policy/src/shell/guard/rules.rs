//! From facts to findings: each fact of each step, with what flows into it, against the rules of its class.

use crate::paths::Tier;

use super::super::call::program;
use super::super::effects::is_device;
use super::super::fact::{Fact, Git, Loss};
use super::super::path::HOME;
use super::super::{Path, Place, Script, Step, glob};
use super::flow::{self, Flow};
use super::places::{PROGRAMS, STARTERS, WELL_KNOWN};
use super::{Class, Finding, Guard, Severity, deletes, gateway, leaves};

type Verdict = (Class, Severity, String);

pub(super) fn judge(guard: &Guard, script: &Script, place: &Place) -> Vec<Finding> {
    let flows = flow::flows(guard, script, place);
    let mut findings: Vec<Finding> = Vec::new();
    for (step, flow) in script.steps.iter().zip(&flows) {
        if named_by(&guard.options.allow, step) {
            continue;
        }
        let mut verdicts: Vec<Verdict> = Vec::new();
        if named_by(&guard.options.deny, step) {
            verdicts.push((
                Class::Destructive,
                Severity::Deny,
                "do what the configuration refuses".to_owned(),
            ));
        }
        if step.elevated && guard.options.ask_for_sudo {
            verdicts.push((Class::Privilege, Severity::Ask, "run with the rights of root".to_owned()));
        }
        if step.decoded {
            verdicts.push((
                Class::Evasion,
                Severity::Ask,
                "run a command that nobody was to read".to_owned(),
            ));
        }
        for fact in &step.facts {
            verdicts.extend(of(guard, place, step, flow, fact));
        }
        for (class, severity, what) in verdicts {
            let configured = what.starts_with("do what the configuration");
            if !guard.on(class) && !configured {
                continue;
            }
            add(&mut findings, step, class, severity, &what);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn add(findings: &mut Vec<Finding>, step: &Step, class: Class, severity: Severity, what: &str) {
    let how = match (step.remote, step.elevated) {
        (true, _) => "on another machine, ",
        (false, true) => "with the rights of root, ",
        (false, false) => "",
    };
    let hidden = if step.decoded { " (the command was hidden by an encoding)" } else { "" };
    let comma = if how.is_empty() { "" } else { "," };
    let reason = format!("it would{comma} {how}{what}{hidden}");
    let known = findings
        .iter()
        .any(|finding| (finding.class, finding.severity) == (class, severity) && finding.reason == reason);
    if !known {
        findings.push(Finding { class, reason, command: step.shown(), severity });
    }
}

/// Whether the command begins with the words of one of these.
fn named_by(list: &[String], step: &Step) -> bool {
    list.iter().any(|entry| {
        let mut words = step.words.iter();
        let all = entry.split_whitespace().enumerate().all(|(at, pattern)| {
            words.next().is_some_and(|word| {
                let text = if at == 0 { program(&word.text) } else { word.text.as_str() };
                glob::matches(pattern, text)
            })
        });
        all && !entry.trim().is_empty()
    })
}

fn of(guard: &Guard, place: &Place, step: &Step, flow: &Flow, fact: &Fact) -> Option<Verdict> {
    match fact {
        Fact::Credential(what) => {
            let severity =
                if what.starts_with("a token") || managed(what) { Severity::Ask } else { Severity::Deny };
            Some((Class::Credentials, severity, format!("take out {what}")))
        }
        Fact::Deletes { path, recursive, forced } => {
            deletes::judge(guard, step, place, path, *recursive, *forced)
        }
        Fact::Device { path, act } => {
            let severity = if step.contained { Severity::Ask } else { Severity::Deny };
            Some((Class::Destructive, severity, format!("touch a whole device: {} {act}", path.shown())))
        }
        Fact::Evades(how) => Some((Class::Evasion, evasion(how), format!("hide something, as it {how}"))),
        Fact::Executes(code) => leaves::executes(guard, step, flow, *code),
        Fact::ForkBomb => Some((
            Class::Destructive,
            Severity::Deny,
            "start copies of itself until the machine stands still".to_owned(),
        )),
        Fact::Git(git) => repository(guard, git),
        Fact::Network { direction, host } => leaves::upload(guard, step, flow, *direction, host),
        Fact::Permissions { path, recursive, open } => {
            permissions(guard, place, step, path, *recursive, *open)
        }
        Fact::Persists(how) => {
            let severity = if *how == "makes an account" { Severity::Deny } else { Severity::Ask };
            Some((Class::Persistence, severity, format!("stay after this session, as it {how}")))
        }
        Fact::Privilege(how) => {
            Some((Class::Privilege, privilege(how), format!("go beyond this user's rights, as it {how}")))
        }
        Fact::Process { target } => gateway::process(guard, flow, target),
        Fact::Reads { path, recursive } => reads(guard, place, step, path, *recursive),
        Fact::Reroutes(name) => Some((
            Class::Gateway,
            Severity::Ask,
            format!("lead what a client says past the gateway, as it changes ${name}"),
        )),
        Fact::Service { service, act, loss } => {
            let severity = match loss {
                Loss::All => Severity::Deny,
                Loss::Some => Severity::Ask,
            };
            Some((Class::Destructive, severity, format!("lose something in {service}: {act}")))
        }
        Fact::Shell(what) => leaves::shell(step, flow, what),
        Fact::Stops(name) => gateway::stop(guard, step, name),
        Fact::Environment | Fact::Uses { .. } => None,
        Fact::Writes { path, appends } => writes(guard, place, step, path, *appends),
    }
}

fn managed(what: &str) -> bool {
    [
        "by pass",
        "by gopass",
        "by bw",
        "by op",
        "by lpass",
        "by keyring",
        "by keepassxc-cli",
        "by aws-vault",
        "by chamber",
    ]
    .iter()
    .any(|end| what.ends_with(end))
}

fn evasion(how: &str) -> Severity {
    if how.contains("history")
        || how.contains("logs")
        || how.contains("watches")
        || how.contains("kernel")
        || how.contains("into every")
    {
        Severity::Deny
    } else {
        Severity::Ask
    }
}

fn privilege(how: &str) -> Severity {
    let asks = ["by polkit", "reaches the host", "puts a user into a group", "in a new namespace"];
    if asks.iter().any(|part| how.contains(part)) { Severity::Ask } else { Severity::Deny }
}

fn reads(guard: &Guard, place: &Place, step: &Step, path: &Path, recursive: bool) -> Option<Verdict> {
    let resolved = place.resolve(path);
    let text = resolved.replace(HOME, "~");
    let found = guard.paths().find(&text).filter(|id| id.tier() == Tier::Secret);
    let shown = path.shown();
    let Some(id) = found else {
        let whole = flow::secret(guard, path, &resolved, false).is_some();
        return (whole && (recursive || lists(step))).then(|| {
            (Class::Credentials, Severity::Deny, format!("read all of {shown}, where secrets lie"))
        });
    };
    let mild = matches!(
        id.name(),
        "configured"
            | "credentials"
            | "dotenv"
            | "git"
            | "history"
            | "key"
            | "packages"
            | "web"
            | "cloud"
            | "agent"
    );
    let near = !text.starts_with(['/', '~'])
        || guard.options.project.as_deref().is_some_and(|project| deletes::within(&resolved, project));
    let near = near || place.cwd.as_deref().is_some_and(|cwd| deletes::within(&resolved, cwd));
    let severity = if mild && near && !step.elevated { Severity::Ask } else { Severity::Deny };
    Some((Class::Credentials, severity, format!("read {shown}, where secrets lie ({})", id.name())))
}

fn lists(step: &Step) -> bool {
    step.words
        .first()
        .is_some_and(|word| matches!(program(&word.text), "cp" | "mv" | "tar" | "zip" | "rsync" | "scp"))
}

fn writes(guard: &Guard, place: &Place, step: &Step, path: &Path, appends: bool) -> Option<Verdict> {
    let resolved = place.resolve(path);
    if is_device(&resolved) {
        return Some((Class::Destructive, Severity::Deny, format!("write over the device {}", path.shown())));
    }
    if step.contained {
        return None;
    }
    if let Some(verdict) = gateway::settings(guard, &resolved) {
        return Some(verdict);
    }
    let text = resolved.replace(HOME, "~");
    let shown = path.shown();
    if let Some(id) = STARTERS.find(&text) {
        let severity = if id.tier() == Tier::Secret { Severity::Deny } else { Severity::Ask };
        return Some((Class::Persistence, severity, format!("write to {shown}, which {}", id.name())));
    }
    let program_dir = PROGRAMS
        .iter()
        .any(|dir| text.starts_with(dir) || (dir.starts_with("/.local") && text.contains(dir)));
    if program_dir && WELL_KNOWN.contains(&path.name()) {
        return Some((
            Class::Persistence,
            Severity::Deny,
            format!("put another program in the place of {}", path.name()),
        ));
    }
    if text.starts_with("/bin/")
        || text.starts_with("/sbin/")
        || text.starts_with("/usr/bin/")
        || text.starts_with("/lib/")
        || text.starts_with("/usr/sbin/")
    {
        return Some((
            Class::Persistence,
            Severity::Ask,
            format!("write to {shown}, among the programs of the system"),
        ));
    }
    if text.starts_with("/var/log/") && !appends || text.ends_with("_history") {
        return Some((
            Class::Evasion,
            Severity::Deny,
            format!("write over {shown}, where it is recorded what was done"),
        ));
    }
    if text.starts_with("/sys/") || text.starts_with("/proc/sys/kernel/") {
        return Some((Class::Privilege, Severity::Ask, format!("change the kernel by {shown}")));
    }
    let id = guard.paths().find(&text).filter(|id| id.tier() == Tier::Secret)?;
    // A key that is made, or a copy of a template, is what a project needs.
    let touched = step.words.first().is_some_and(|word| {
        matches!(program(&word.text), "touch" | "openssl" | "ssh-keygen" | "mkcert" | "keytool")
    });
    if touched || id.name() == "key" && !text.starts_with("/etc") && !text.contains(".ssh/") {
        return None;
    }
    let template = step.words.iter().any(|word| {
        ["example", "sample", "template", "dist"].iter().any(|part| word.text.contains(part))
            && word.text.contains("env")
    });
    let home = text.starts_with(['/', '~']);
    let mild =
        template || matches!(id.name(), "credentials" | "configured" | "cloud" | "web" | "packages") && !home;
    let severity = if mild { Severity::Ask } else { Severity::Deny };
    Some((Class::Credentials, severity, format!("write to {shown}, where secrets lie ({})", id.name())))
}

fn permissions(
    guard: &Guard,
    place: &Place,
    step: &Step,
    path: &Path,
    recursive: bool,
    open: bool,
) -> Option<Verdict> {
    let resolved = place.resolve(path);
    let shown = path.shown();
    let home = resolved.trim_end_matches("/*").chars().all(|c| c == HOME)
        || Some(resolved.as_str()) == place.home.as_deref();
    let system = deletes::system(&resolved)
        || (resolved.starts_with('/') && SYSTEM_TREES.iter().any(|dir| deletes::within(&resolved, dir)));
    if step.contained {
        return None;
    }
    if recursive
        && (deletes::system(&resolved)
            && resolved != "/usr/local"
            && resolved != "/opt"
            && resolved != "/srv"
            && resolved != "/var/www"
            || home)
    {
        return Some((
            Class::Destructive,
            Severity::Deny,
            format!("change who may use everything in {shown}"),
        ));
    }
    if open && system {
        return Some((
            Class::Privilege,
            Severity::Deny,
            format!("let everybody write to {shown}, which is the system's"),
        ));
    }
    let secret = guard.paths().find(&resolved.replace(HOME, "~")).filter(|id| matches!(id.name(), "system"));
    if secret.is_some() {
        return Some((Class::Privilege, Severity::Deny, format!("change who may read {shown}")));
    }
    let outward = resolved.starts_with(['/', HOME]) || resolved == "." || resolved.starts_with("..");
    if open && recursive && outward {
        return Some((
            Class::Destructive,
            Severity::Ask,
            format!("let everybody write to everything in {shown}"),
        ));
    }
    None
}

const SYSTEM_TREES: &[&str] = &[
    "/etc",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/bin",
    "/sbin",
    "/lib",
    "/boot",
    "/root",
    "/var/spool/cron",
];

fn repository(guard: &Guard, git: &Git) -> Option<Verdict> {
    let protected = |branches: &[String]| {
        let hit = |branch: &&String| {
            branch.as_str() == "*"
                || guard.options.protected_branches.iter().any(|pattern| glob::matches(pattern, branch))
        };
        branches.iter().find(hit).cloned()
    };
    let say = |severity, what: String| Some((Class::Git, severity, what));
    match git {
        Git::BranchDelete(branch) => match protected(std::slice::from_ref(branch)) {
            Some(branch) => say(Severity::Deny, format!("delete the protected branch {branch}")),
            None => say(Severity::Ask, format!("delete the branch {branch} although it may not be merged")),
        },
        Git::Clean => say(Severity::Ask, "delete files that are not in the repository".to_owned()),
        Git::Discard => say(Severity::Ask, "throw away changes that are not committed".to_owned()),
        Git::Expire => say(Severity::Ask, "delete what could bring lost commits back".to_owned()),
        Git::ForcePush { branches, lease } => match (lease, protected(branches)) {
            (true, Some(branch)) => say(Severity::Deny, format!("push over the protected branch {branch}")),
            (true, None) if branches.is_empty() => {
                say(Severity::Ask, "push over what is on the remote".to_owned())
            }
            (true, None) => None,
            (false, _) => say(
                Severity::Deny,
                "push over what is on the remote, also over the work of others".to_owned(),
            ),
        },
        Git::History => say(Severity::Ask, "write past commits anew".to_owned()),
        Git::Push { branches, address } => match (protected(branches), address) {
            (Some(branch), _) => say(Severity::Deny, format!("push to the protected branch {branch}")),
            (None, Some(address)) => Some((
                Class::Exfiltration,
                Severity::Ask,
                format!(
                    "push the repository to an address that is not one of its remotes, {}",
                    super::super::path::shown(address)
                ),
            )),
            (None, None) => None,
        },
        Git::PushDelete(branches) => match protected(branches) {
            Some(branch) => {
                say(Severity::Deny, format!("delete the protected branch {branch} on the remote"))
            }
            None => say(Severity::Ask, "delete branches or tags on the remote".to_owned()),
        },
        Git::StashDrop => say(Severity::Ask, "throw away stashed changes".to_owned()),
    }
}
