//! Which concerns the commits of a branch have: changes that somebody could review one without the other.
//!
//! Commits to the same component are one concern, whatever their prefix. Tests and docs that accompany a change of code are none of their
//! own. Components are the top folders of the code, below those that hold all of it. Commits whose files are not known are put together by
//! their scope or prefix, so that what is found is never more than there is.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{Kind, Prefix};
use crate::work::{Commit, Work};

/// What is about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Concern {
    /// Its commits, by their place.
    pub(crate) commits: Vec<usize>,
    /// The component, or what else it is about.
    pub(crate) name: String,
    /// The prefixes of its commits.
    pub(crate) prefixes: BTreeSet<String>,
}

/// The commits of a branch, put together by what they are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Concerns {
    /// Tests and docs that accompany code, by their place.
    pub(crate) auxiliary: BTreeSet<usize>,
    pub(crate) all: Vec<Concern>,
}

struct Seen {
    about: Kind,
    component: Option<String>,
    prefix: Option<Prefix>,
}

impl Concerns {
    /// Puts commits together.
    pub(crate) fn of(commits: &[&Commit]) -> Self {
        let layout = Layout::of(commits);
        let seen: Vec<Seen> = commits.iter().map(|commit| layout.seen(commit)).collect();
        let code: BTreeSet<&str> = seen
            .iter()
            .filter(|seen| seen.about == Kind::Code)
            .filter_map(|seen| seen.component.as_deref())
            .collect();
        let mut concerns = Self::default();
        let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
        for (at, (seen, commit)) in seen.iter().zip(commits).enumerate() {
            let accompanies = matches!(seen.about, Kind::Docs | Kind::Test)
                .then(|| accompanied(seen, commit, &code))
                .flatten();
            if accompanies.is_some() {
                concerns.auxiliary.insert(at);
            }
            let name = accompanies.unwrap_or_else(|| name_of(seen));
            let index = *by_name.entry(name.clone()).or_insert_with(|| {
                let (commits, prefixes) = (Vec::new(), BTreeSet::new());
                concerns.all.push(Concern { commits, name, prefixes });
                concerns.all.len() - 1
            });
            let concern = &mut concerns.all[index];
            concern.commits.push(at);
            concern.prefixes.extend(seen.prefix.as_ref().map(|prefix| prefix.kind.clone()));
        }
        concerns
    }
}

/// What a commit is about that accompanies none.
fn name_of(seen: &Seen) -> String {
    match seen.about {
        Kind::Docs => "docs".to_owned(),
        Kind::Infra | Kind::Generated => "infra".to_owned(),
        Kind::Test => "tests".to_owned(),
        Kind::Code => match (&seen.component, &seen.prefix) {
            (Some(component), _) => component.clone(),
            (None, Some(prefix)) => prefix.kind.clone(),
            (None, None) => "other".to_owned(),
        },
    }
}

/// The component of code that tests or docs go with: the one that their names or their scope name, or the only one there is for tests.
fn accompanied(seen: &Seen, commit: &Commit, code: &BTreeSet<&str>) -> Option<String> {
    let scope = seen.prefix.as_ref().and_then(|prefix| prefix.scope.as_deref());
    let names = |component: &&&str| {
        let component = component.to_ascii_lowercase();
        let part = |path: &str| {
            path.to_ascii_lowercase().split(['/', '.', '_', '-']).any(|part| part == component)
                || path.to_ascii_lowercase().contains(&format!("_{component}"))
        };
        scope == Some(&component) || commit.files.iter().any(|file| part(&file.path))
    };
    if let Some(component) = code.iter().find(names) {
        return Some((*component).to_owned());
    }
    let only = code.len() == 1 && seen.about == Kind::Test;
    code.first().filter(|_| only).map(|component| (*component).to_owned())
}

/// How the code lies in its folders.
struct Layout {
    /// The folder that holds all of the code, below the usual ones.
    shared: Option<String>,
}

/// Folders that hold components and are none.
const HOLDERS: [&str; 16] = [
    "app",
    "apps",
    "cmd",
    "components",
    "crates",
    "internal",
    "lib",
    "libs",
    "modules",
    "packages",
    "pkg",
    "plugins",
    "python",
    "services",
    "source",
    "src",
];

impl Layout {
    fn of(commits: &[&Commit]) -> Self {
        let paths = commits.iter().flat_map(|commit| &commit.files).map(|file| file.path.as_str());
        let code: Vec<Vec<&str>> = paths.filter(|path| Kind::of(path) == Kind::Code).map(below).collect();
        let firsts: BTreeSet<&str> =
            code.iter().filter(|parts| parts.len() > 1).filter_map(|parts| parts.first().copied()).collect();
        let seconds: BTreeSet<&str> =
            code.iter().filter(|parts| parts.len() > 2).filter_map(|parts| parts.get(1).copied()).collect();
        let shared = firsts.first().filter(|_| firsts.len() == 1 && seconds.len() > 1);
        Self { shared: shared.map(|name| (*name).to_owned()) }
    }

    /// The component of a file of code; `None` = it lies in no folder.
    fn component(&self, path: &str) -> Option<String> {
        let parts = below(path);
        let parts = match &self.shared {
            Some(shared) if parts.len() > 2 && parts[0] == shared.as_str() => &parts[1..],
            Some(_) | None => &parts[..],
        };
        match parts {
            [] => None,
            [file] => Some(file.split('.').next().unwrap_or(file).to_owned()),
            [folder, ..] => Some((*folder).to_owned()),
        }
    }

    fn seen(&self, commit: &Commit) -> Seen {
        let prefix = Prefix::of(&commit.subject);
        let kinds: BTreeSet<Kind> = commit.files.iter().map(|file| Kind::of(&file.path)).collect();
        let of_files = [Kind::Code, Kind::Infra, Kind::Test, Kind::Docs, Kind::Generated];
        let of_files = of_files.into_iter().find(|kind| kinds.contains(kind)).unwrap_or(Kind::Code);
        let about = prefix.as_ref().map_or(of_files, Prefix::about);
        let mut counts: BTreeMap<String, (u32, usize)> = BTreeMap::new();
        for file in commit.files.iter().filter(|file| Kind::of(&file.path) == Kind::Code) {
            if let Some(component) = self.component(&file.path) {
                let count = counts.entry(component).or_default();
                count.0 += file.added + file.removed;
                count.1 += 1;
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(component, _)| component);
        let scope = || prefix.as_ref().and_then(|prefix| prefix.scope.clone());
        Seen { about, component: most.or_else(scope), prefix }
    }
}

/// The parts of a path below the folders that hold components.
fn below(path: &str) -> Vec<&str> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let skip =
        parts.iter().take(parts.len().saturating_sub(1)).take_while(|part| HOLDERS.contains(part)).count();
    parts[skip..].to_vec()
}

/// The branch that changes go to.
pub(crate) fn base(work: &Work, asked: Option<&str>) -> String {
    asked.or(work.main.as_deref()).unwrap_or("main").to_owned()
}

/// Which commits a call would publish, those it makes itself included; `None` = it publishes nothing that the session has not.
pub(crate) fn published(sight: &super::Sight<'_>) -> Option<Work> {
    let branch = &sight.work.branch;
    let pushes = sight.act.deeds.iter().any(|deed| match deed {
        crate::work::Deed::Push(push) => {
            let branch = push.branch.as_ref().or(branch.as_ref());
            branch.is_some_and(|branch| !sight.work.pushed.contains(branch))
        }
        _ => false,
    });
    let request = sight.act.pull_request();
    if !pushes && request.is_none() {
        return None;
    }
    let mut work = sight.work.after(sight.act);
    // The branch may be another one than is checked out: `owner:branch` where it is in another repository.
    let head = request
        .and_then(|request| request.head.as_deref())
        .map(|head| head.rsplit(':').next().unwrap_or(head));
    if let Some(head) =
        head.filter(|head| work.commits.iter().any(|commit| commit.branch.as_deref() == Some(head)))
    {
        work.branch = Some(head.to_owned());
    }
    Some(work)
}

/// Whether a change is so small, and of so little risk, that a pragmatic team lets it be.
pub(crate) fn is_small(commits: &[&Commit], lines: u32) -> bool {
    let changed: u32 = commits
        .iter()
        .map(|commit| commit.lines.max(commit.files.iter().map(|file| file.added + file.removed).sum()))
        .sum();
    let files = || commits.iter().flat_map(|commit| &commit.files);
    let known = commits.iter().all(|commit| commit.lines > 0 || commit.complete);
    known && changed <= lines && !files().any(|file| super::kind::is_risky(&file.path))
}
