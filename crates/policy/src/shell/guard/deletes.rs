//! What may be deleted: what is made again by building lies in the project or in scratch directories. All else is asked about, and
//! homes, roots, system directories and whatever an unset variable turns into one are refused.

use crate::paths;

use super::super::path::{HOME, UNKNOWN};
use super::super::{Path, Place, Step};
use super::places::{CACHES, SCRATCH, SYSTEM};
use super::{Class, Guard, Severity};

/// A verdict with the end of the sentence «It would delete …».
pub(super) type Verdict = (Class, Severity, String);

/// Judges one deletion.
pub(super) fn judge(
    guard: &Guard,
    step: &Step,
    place: &Place,
    path: &Path,
    recursive: bool,
    forced: bool,
) -> Option<Verdict> {
    let text = place.resolve(path);
    let name = path.shown();
    let deny = |what: String| Some((Class::Destructive, Severity::Deny, what));
    let ask = |what: String| Some((Class::Destructive, Severity::Ask, what));
    if step.contained {
        return if system(&text) && recursive { ask(format!("delete {name} in a container")) } else { None };
    }
    if let Some(verdict) = traces(&text, &name) {
        return Some(verdict);
    }
    if dotenv(path) && !recursive {
        let severity = if moved_away(step) { Severity::Ask } else { Severity::Deny };
        return Some((
            Class::Gateway,
            severity,
            format!("delete {name}, which holds the settings and keys of this project"),
        ));
    }
    let many = recursive || text.ends_with("/*") || text == "*";
    if !many {
        let critical = [
            "/etc/",
            "/boot/",
            "/bin/",
            "/sbin/",
            "/usr/bin/",
            "/usr/sbin/",
            "/lib/",
            "/usr/lib/",
            "/lib64/",
        ];
        if critical.iter().any(|dir| text.starts_with(dir)) {
            let file = format!("delete {name}, a file of the system");
            return if forced || !moved_away(step) { deny(file) } else { ask(file) };
        }
        if text == "/var/spool/cron" {
            return ask("delete all jobs that run by the clock".to_owned());
        }
        if system(&text) {
            return deny(format!("move or delete {name}, a directory of the system"));
        }
        if moved_away(step) {
            return None;
        }
        if guard.paths().find(&text.replace(HOME, "~")).is_some_and(|id| id.tier() == paths::Tier::Secret)
            && text.starts_with(['/', HOME])
        {
            return ask(format!("delete {name}, where keys or passwords lie"));
        }
        return None;
    }
    if text.starts_with(UNKNOWN) || text.starts_with(&format!("/{UNKNOWN}")) {
        let alone = text.chars().all(|c| c == UNKNOWN);
        return match alone || !text.trim_start_matches([UNKNOWN, '/']).trim_matches('*').is_empty() {
            true if text.starts_with('/') => {
                deny(format!("delete {name}, which is the root when the variable is empty"))
            }
            true if scratch_name(step) => None,
            true => ask(format!("delete {name}, a place that is not known before it runs")),
            false => deny(format!("delete everything below the root when the variable in {name} is empty")),
        };
    }
    let base = text.trim_end_matches("/*").trim_end_matches("/.*").trim_end_matches("/{*,.*}");
    let base = if base.is_empty() { "/" } else { base };
    if system(base) {
        return deny(format!("delete {name}, with everything that the system needs in it"));
    }
    if base.starts_with(HOME) || place.home.as_deref().is_some_and(|home| within(base, home)) {
        return home(guard, place, base, &name);
    }
    if base == ".git" || base.ends_with("/.git") {
        return deny(format!("delete {name}, the repository with all of its history"));
    }
    if let Some(project) = guard.options.project.as_deref().or(place.cwd.as_deref()) {
        return project_verdict(project, place, base, &name);
    }
    if matches!(base, "." | "*") || base == ".*" {
        return deny("delete the whole directory that it runs in".to_owned());
    }
    if base == ".." || base.starts_with("../") {
        return Some(outside(base == ".." || base.ends_with("/.."), &name));
    }
    absolute(base, &name)
}

fn project_verdict(project: &str, place: &Place, base: &str, name: &str) -> Option<Verdict> {
    let project = paths::lexical(project);
    let relative = !base.starts_with('/');
    if relative && place.cwd.is_none() {
        let up = base == ".." || base.starts_with("../");
        return (matches!(base, "." | "*") || up).then(|| outside(!up || base == "..", name));
    }
    let base = base.trim_end_matches("/*");
    if base == project || project.starts_with(&format!("{base}/")) {
        return Some((
            Class::Destructive,
            Severity::Deny,
            format!("delete {name}, which is the project itself"),
        ));
    }
    if within(base, &project) { None } else { absolute(base, name) }
}

fn outside(whole: bool, name: &str) -> Verdict {
    let severity = if whole { Severity::Deny } else { Severity::Ask };
    (Class::Destructive, severity, format!("delete {name}, which lies outside of the project"))
}

fn absolute(base: &str, name: &str) -> Option<Verdict> {
    if !base.starts_with('/') {
        return None;
    }
    if SCRATCH.iter().any(|dir| within(base, dir) && base != *dir) || base.starts_with("/tmp") {
        return None;
    }
    Some((Class::Destructive, Severity::Ask, format!("delete {name}, which lies outside of the project")))
}

fn home(guard: &Guard, place: &Place, base: &str, name: &str) -> Option<Verdict> {
    let rest =
        base.strip_prefix(HOME).or_else(|| place.home.as_deref().and_then(|home| base.strip_prefix(home)));
    let rest = rest.unwrap_or("").trim_start_matches('/');
    if let Some(project) = guard.options.project.as_deref().or(place.cwd.as_deref())
        && within(project, base)
    {
        let what = format!("delete {name}, which holds the project itself");
        return Some((Class::Destructive, Severity::Deny, what));
    }
    if let Some(project) = guard.options.project.as_deref().or(place.cwd.as_deref())
        && within(base, project)
        && base != project
        && Some(project) != place.home.as_deref()
    {
        return if rest.ends_with("/.git") {
            Some((
                Class::Destructive,
                Severity::Deny,
                format!("delete {name}, the repository with all of its history"),
            ))
        } else {
            None
        };
    }
    if rest.is_empty() || rest.starts_with(UNKNOWN) || matches!(rest, "*" | ".*") {
        return Some((
            Class::Destructive,
            Severity::Deny,
            format!("delete {name}, the whole home directory"),
        ));
    }
    if CACHES.iter().any(|dir| within(rest, dir)) {
        return None;
    }
    let deny = [
        ".ssh",
        ".gnupg",
        ".aws",
        ".config",
        "Documents",
        "Desktop",
        "Pictures",
        ".kube",
        ".password-store",
        "Library",
    ];
    let severity = if deny.contains(&rest) { Severity::Deny } else { Severity::Ask };
    Some((
        Class::Destructive,
        severity,
        format!("delete {name} in the home directory, outside of the project"),
    ))
}

/// Logs and histories tell what was done.
fn traces(text: &str, name: &str) -> Option<Verdict> {
    let history = ["_history", ".histfile", "fish_history", ".lesshst", ".viminfo"]
        .iter()
        .any(|end| text.ends_with(end));
    let rotated = text.contains(".gz") || text.contains(".old") || text.ends_with(".1");
    let logs = text.starts_with("/var/log/") && !rotated
        || text == "/var/log"
        || text.starts_with("/Library/Logs")
        || text.starts_with("/var/audit");
    let ours =
        text.contains("/var/log/apt") || text.contains("/var/log/nginx") || text.contains("/var/log/dpkg");
    match (history, logs && !ours) {
        (true, _) => {
            Some((Class::Evasion, Severity::Deny, format!("delete {name}, which tells what was done")))
        }
        (_, true) => Some((
            Class::Evasion,
            Severity::Deny,
            format!("delete {name}, where it is recorded what was done"),
        )),
        _ => None,
    }
}

fn dotenv(path: &Path) -> bool {
    matches!(path.name(), ".env" | ".env.local" | ".env.production")
}

fn moved_away(step: &Step) -> bool {
    step.words.first().is_some_and(|word| matches!(word.text.as_str(), "mv" | "gmv" | "rename" | "move"))
}

/// Values of a name that says what they are: `"$TMP_DIR"`, `$BUILD_DIR`.
fn scratch_name(step: &Step) -> bool {
    let scratch = |name: &String| {
        let name = name.to_ascii_uppercase();
        ["TMP", "TEMP", "CACHE", "BUILD", "DIST", "OUT", "WORKDIR"].iter().any(|part| name.contains(part))
    };
    !step.env.is_empty() && step.env.iter().all(scratch)
}

/// Whether a path is a directory of the system as a whole.
pub(super) fn system(text: &str) -> bool {
    let text = text.trim_end_matches("/*");
    let text = if text.is_empty() { "/" } else { text };
    SYSTEM.contains(&text)
        || (text.starts_with("/home/") || text.starts_with("/Users/")) && text.matches('/').count() == 2
}

/// Whether a path is a directory or lies in it.
pub(super) fn within(path: &str, dir: &str) -> bool {
    path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}
