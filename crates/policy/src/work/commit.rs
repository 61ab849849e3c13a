//! Commits of a session: what was asked for, brought together with what git says it made.
//!
//! Which files are in one is told by what was staged, as far as the session shows; where git counts others, it is said to be incomplete.

use super::command::Commit as Asked;
use super::printed::Made;
use super::{COMMITS, Work};

/// A commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// The branch it was made on.
    pub branch: Option<String>,
    /// Whether `files` are all of its files.
    pub complete: bool,
    /// The files in it, as far as they are known.
    pub files: Vec<Changed>,
    /// Lines that git counts, added and removed.
    pub lines: u32,
    /// Whether it was made since the model last spoke.
    pub newest: bool,
    /// Its id; `None` = it is not made yet.
    pub sha: Option<String>,
    /// The first line of its message.
    pub subject: String,
}

/// A file in a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Lines that the session added.
    pub added: u32,
    /// Which file.
    pub path: String,
    /// Lines that the session removed.
    pub removed: u32,
}

impl Work {
    /// Commits that are asked for, as if git had made them.
    pub(super) fn assumed(asked: &[Asked]) -> Vec<Made> {
        let made = |asked: &Asked| {
            let subject = asked.message.as_deref()?.lines().next()?.to_owned();
            Some(Made { subject, ..Made::default() })
        };
        asked.iter().filter_map(made).collect()
    }

    /// A commit that git says it made.
    pub(super) fn commit(&mut self, made: Made, asked: Option<&Asked>, newest: bool) {
        if made.branch.is_some() {
            self.branch.clone_from(&made.branch);
        }
        let mut files = self.staged_files(asked.is_some_and(|asked| asked.all));
        for path in &made.created {
            let path = self.path(path, None);
            if !files.iter().any(|file| file.path == path) {
                files.push(Changed { path, ..Changed::default() });
            }
        }
        for file in &files {
            if let Some(known) = self.files.get_mut(&file.path) {
                (known.added, known.removed, known.uncommitted) = (0, 0, false);
            }
        }
        self.staged.clear();
        self.staged_all = false;
        if asked.is_some_and(|asked| asked.amend)
            && let Some(at) = self.commits.iter().rposition(|commit| commit.branch == self.branch)
        {
            for before in self.commits.remove(at).files {
                match files.iter_mut().find(|file| file.path == before.path) {
                    Some(file) => {
                        file.added += before.added;
                        file.removed += before.removed;
                    }
                    None => files.push(before),
                }
            }
        }
        if self.commits.len() >= COMMITS {
            self.commits.remove(0);
            self.whole = false;
        }
        let Made { files: count, inserted, deleted, sha, subject, .. } = made;
        self.commits.push(Commit {
            branch: self.branch.clone(),
            complete: count.is_none_or(|count| count as usize == files.len()) && !files.is_empty(),
            files,
            lines: inserted + deleted,
            newest,
            sha: Some(sha).filter(|sha| !sha.is_empty()),
            subject,
        });
    }

    fn staged_files(&self, all: bool) -> Vec<Changed> {
        let nothing_said = self.staged.is_empty() && !self.staged_all;
        let is_staged = |path: &str| {
            all || self.staged_all
                || nothing_said
                || self.staged.iter().any(|one| {
                    path == one || path.strip_prefix(one.as_str()).is_some_and(|rest| rest.starts_with('/'))
                })
        };
        let known = self
            .files
            .iter()
            .filter(|(path, file)| file.uncommitted && self.lies_within(path) && is_staged(path));
        let mut files: Vec<Changed> = known
            .map(|(path, file)| Changed { added: file.added, path: path.clone(), removed: file.removed })
            .collect();
        // A path that is named and was changed where nobody saw: a file, if it looks like one.
        for path in &self.staged {
            let is_file =
                path.rsplit('/').next().is_some_and(|name| name.contains('.') && name != "." && name != "..");
            let beyond = !self.files.contains_key(path) && !path.contains(['*', '?', '\u{2026}']);
            if is_file && beyond && !self.staged_all {
                files.push(Changed { path: path.clone(), ..Changed::default() });
            }
        }
        files
    }

    /// Takes the last commits of the branch back: their changes are uncommitted again.
    pub(super) fn take_back(&mut self, count: usize) {
        for _ in 0..count.min(COMMITS) {
            let Some(at) = self.commits.iter().rposition(|commit| commit.branch == self.branch) else {
                self.whole = false;
                return;
            };
            for before in self.commits.remove(at).files {
                if let Some(file) = self.files.get_mut(&before.path) {
                    file.uncommitted = true;
                    file.added += before.added;
                    file.removed += before.removed;
                }
            }
        }
    }
}
