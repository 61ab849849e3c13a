//! What a coding session has worked on, as its conversation shows: files with their last known text, commits, the branch, programs that ran,
//! variables of the environment that code reads.
//!
//! A pure reduction of what the client sends with each call ([`Work::of`]): calls of tools say what was to happen ([`Act`]), their results
//! what did. Read once per call, and only if a policy asks ([`Shared`]). Bounded in files, bytes and commits; what does not fit or is not
//! told is unknown, and nothing is guessed. Knows no repository and opens no file.

mod act;
mod args;
mod command;
mod commit;
mod env;
mod file;
mod patch;
mod printed;
mod said;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lockgate_core::{Block, Conversation, Role};

use crate::{client_run, paths};

pub use act::{Act, Change, Edit, How, Reads};
pub use command::{Commit as AskedCommit, Deed, PullRequest, Push};
pub use commit::{Changed, Commit};
pub use file::{Delta, File, State};
pub(crate) use file::{is_docs, replaced};
pub use printed::Outcome;
use printed::Printed;
pub use shared::Shared;

/// A program that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// When, counted in results of tools.
    pub at: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// Its first words.
    pub words: String,
}

/// What a session has worked on.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// Commits that were made, in order.
    pub commits: Vec<Commit>,
    /// The directory that the session works in.
    pub cwd: Option<String>,
    /// Variables of the environment that added code reads, and where it does.
    pub env: BTreeMap<String, String>,
    /// Files that were read or changed, by path: below `cwd` where they lie there.
    pub files: BTreeMap<String, File>,
    /// The branch that changes go to in the end, where the client says so.
    pub main: Option<String>,
    /// Branches that were pushed.
    pub pushed: BTreeSet<String>,
    /// Programs that ran, in order; the newest where there were many.
    pub ran: Vec<Ran>,
    /// The person's last words, without what clients put around them.
    pub said: String,
    /// Whether the session is known from its beginning.
    pub whole: bool,
    held: usize,
    now: u32,
    staged: BTreeSet<String>,
    staged_all: bool,
}

/// So many files are known.
const FILES: usize = 1024;
/// So many bytes of files are kept.
const HELD: usize = 8 * 1024 * 1024;
/// So many bytes of a conversation are read, from its end.
const READ: usize = 3 * 1024 * 1024;
/// A call counts as so many more: a command costs as much as a page of text.
const CALL: usize = 2 * 1024;
/// So many commits are known.
const COMMITS: usize = 512;
/// So many programs are known.
const RUNS: usize = 512;
/// So many variables are known.
const VARIABLES: usize = 256;

impl Work {
    /// What a conversation shows.
    pub fn of(conversation: &Conversation) -> Self {
        let from = first_read(conversation);
        let mut work = Self { whole: from == 0, ..Self::default() };
        said::surroundings(conversation, &mut work);
        let answered = conversation.turns.iter().rposition(|turn| turn.role == Role::Assistant);
        let mut open: HashMap<&str, Act> = HashMap::new();
        let mut known: HashMap<String, Act> = HashMap::new();
        let mut running: HashMap<String, Act> = HashMap::new();
        for (at, turn) in conversation.turns.iter().enumerate().skip(from) {
            for part in &turn.parts {
                match &part.block {
                    Block::ToolCall(call) => {
                        let act = Act::read(call, &mut known);
                        if !act.is_nothing() {
                            open.insert(&call.id, act);
                        }
                    }
                    Block::Opaque(opaque) if client_run::is(opaque) => {
                        let call = client_run::call(opaque);
                        running.insert(call.id.clone(), Act::read(&call, &mut known));
                    }
                    Block::ToolResult(result) => {
                        let id = result.call_id.as_str();
                        let act = open.remove(id).or_else(|| running.remove(id));
                        let Some(act) = act.filter(|act| !act.is_nothing()) else { continue };
                        work.apply(&act, Some(&Printed::of(result)), answered.is_none_or(|last| at > last));
                    }
                    _ => {}
                }
            }
        }
        work
    }

    /// As it would be after something that has not happened yet, if it succeeds.
    #[must_use]
    pub fn after(&self, act: &Act) -> Self {
        let mut work = self.clone();
        work.apply(act, None, true);
        work
    }

    /// A path as the model names it: below the session's directory where it lies there.
    pub fn path(&self, raw: &str, cwd: Option<&str>) -> String {
        let raw = if raw.contains('\\') { raw.replace('\\', "/") } else { raw.to_owned() };
        let absolute = raw.starts_with('/') || raw.starts_with('~') || raw.get(1..3) == Some(":/");
        let joined = match cwd.filter(|_| !absolute) {
            Some(cwd) => format!("{cwd}/{raw}"),
            None => raw,
        };
        let clean = paths::lexical(&joined);
        let below = self.cwd.as_deref().and_then(|root| clean.strip_prefix(root)?.strip_prefix('/'));
        below.map_or_else(|| clean.clone(), str::to_owned)
    }

    /// Whether a file may be in the repository: not where it lies elsewhere on the machine.
    pub fn lies_within(&self, path: &str) -> bool {
        let elsewhere = path.starts_with(['/', '~']) || path.starts_with("../");
        !elsewhere || (self.cwd.is_none() && !path.starts_with("/tmp/") && !path.starts_with('~'))
    }

    /// Commits on the branch that is checked out.
    pub fn of_branch(&self) -> Vec<&Commit> {
        self.commits.iter().filter(|commit| commit.branch == self.branch).collect()
    }

    /// The name of the repository's directory.
    pub fn repo(&self) -> Option<&str> {
        self.cwd.as_deref()?.trim_end_matches('/').rsplit('/').next()
    }

    fn apply(&mut self, act: &Act, printed: Option<&Printed>, newest: bool) {
        self.now += 1;
        let failed = printed.is_some_and(|printed| printed.outcome == Outcome::Failed);
        let text = printed.map_or("", |printed| printed.text.as_str());
        if let (Some(reads), Some(_)) = (&act.reads, printed) {
            self.reads(&self.path(&reads.path, act.cwd.as_deref()), text, reads.whole, failed);
        }
        // A command that fails may have done a part; a tool for files has done nothing then.
        if !failed || act.command.is_some() {
            for change in &act.changes {
                self.change(change, act.cwd.as_deref());
            }
        }
        let runs = act.deeds.iter().filter(|deed| matches!(deed, Deed::Ran(_))).count();
        let outcome = match printed.map(|printed| printed.outcome) {
            _ if runs > 1 && (failed || printed::complains(text)) => Outcome::Unknown,
            Some(outcome) => outcome,
            None => Outcome::Passed,
        };
        let mut asked = Vec::new();
        for deed in &act.deeds {
            self.deed(deed, outcome, failed, &mut asked);
        }
        // Whatever else a command printed may only look like words of git.
        if !act.deeds.iter().any(|deed| matches!(deed, Deed::Ran(words) if words.starts_with("git "))) {
            return;
        }
        if let Some(name) = printed::branch(text) {
            self.branch = Some(name);
        }
        let made = if printed.is_some() { printed::made(text) } else { Self::assumed(&asked) };
        if !made.is_empty() {
            self.hooks(text);
        }
        for (at, made) in made.into_iter().enumerate() {
            self.commit(made, asked.get(at), newest && printed.is_some());
        }
    }

    fn reads(&mut self, path: &str, text: &str, whole: bool, failed: bool) {
        let Some(file) = self.file(path) else { return };
        if failed || printed::absent(text) && text.len() < 400 {
            if printed::absent(text) {
                *file = File { state: State::Absent, ..File::default() };
            }
            return;
        }
        let shown = printed::shown(text, whole);
        let before = file.text.as_ref().map_or(0, |text| text.len());
        file.seen(&shown.text, shown.whole);
        self.weigh(path, before);
    }

    fn change(&mut self, change: &Change, cwd: Option<&str>) {
        let path = self.path(&change.path, cwd);
        let now = self.now;
        if let How::Move(to) = &change.how {
            let to = self.path(to, cwd);
            if let Some(mut file) = self.files.remove(&path) {
                file.changed = Some(now);
                file.uncommitted = true;
                self.files.insert(to, file);
                self.files.insert(path, File { state: State::Absent, ..File::default() });
            }
            return;
        }
        let Some(file) = self.file(&path) else { return };
        let before = file.text.as_ref().map_or(0, |text| text.len());
        let delta = file.change(&change.how, now, is_docs(&path));
        self.weigh(&path, before);
        if env::is_code(&path) && self.lies_within(&path) {
            for name in delta.added.iter().flat_map(|line| env::read_in(line)) {
                if self.env.len() < VARIABLES {
                    self.env.entry(name).or_insert_with(|| path.clone());
                }
            }
        }
    }

    fn file(&mut self, path: &str) -> Option<&mut File> {
        if !self.files.contains_key(path) && self.files.len() >= FILES {
            self.whole = false;
            return None;
        }
        Some(self.files.entry(path.to_owned()).or_default())
    }

    /// Keeps what is held below its bound, by forgetting the text of the file that goes beyond.
    fn weigh(&mut self, path: &str, before: usize) {
        let Some(file) = self.files.get_mut(path) else { return };
        let after = file.text.as_ref().map_or(0, |text| text.len());
        self.held = self.held.saturating_sub(before) + after;
        if self.held > HELD {
            file.disturbed();
            self.held -= after;
        }
    }

    fn deed(&mut self, deed: &Deed, outcome: Outcome, failed: bool, asked: &mut Vec<AskedCommit>) {
        match deed {
            Deed::Add { all, paths } => {
                self.staged_all |= all;
                let paths: Vec<String> = paths.iter().map(|path| self.path(path, None)).collect();
                self.staged.extend(paths);
            }
            Deed::Branch(name) if !failed => self.branch = Some(name.clone()),
            Deed::Commit(commit) => asked.push(commit.clone()),
            Deed::Disturb(endings) => self.disturb(endings),
            Deed::Forget => {
                let branch = self.branch.clone();
                self.commits.retain(|commit| commit.branch != branch);
                self.whole = false;
                self.disturb(&[]);
            }
            Deed::Push(push) if outcome == Outcome::Passed => {
                self.pushed.extend(push.branch.clone().or_else(|| self.branch.clone()));
            }
            Deed::Ran(words) => {
                if self.ran.len() >= RUNS {
                    self.ran.remove(0);
                }
                self.ran.push(Ran { at: self.now, outcome, words: words.clone() });
            }
            Deed::Reset(back) if !failed => self.take_back(*back),
            Deed::Switch(name) if !failed => {
                self.branch = Some(name.clone());
                self.disturb(&[]);
            }
            Deed::Branch(_) | Deed::PullRequest(_) | Deed::Push(_) | Deed::Reset(_) | Deed::Switch(_) => {}
        }
    }

    fn disturb(&mut self, endings: &[&str]) {
        for (path, file) in &mut self.files {
            if endings.is_empty() || endings.iter().any(|ending| path.ends_with(ending)) {
                self.held = self.held.saturating_sub(file.text.as_ref().map_or(0, |text| text.len()));
                file.disturbed();
            }
        }
    }

    /// Checks that git's hooks ran, and that passed.
    fn hooks(&mut self, text: &str) {
        let (at, outcome) = (self.now, Outcome::Passed);
        let hooks = printed::passed_hooks(text).take(32);
        let ran: Vec<Ran> = hooks.map(|name| Ran { at, outcome, words: format!("hook {name}") }).collect();
        self.ran.extend(ran);
    }
}

/// The first turn that is read: the newest are, as far as they fit.
fn first_read(conversation: &Conversation) -> usize {
    let mut left = READ;
    for (at, turn) in conversation.turns.iter().enumerate().rev() {
        let size = |part: &lockgate_core::Part| match &part.block {
            Block::ToolCall(call) => CALL + call.arguments.len(),
            Block::ToolResult(result) => result
                .content
                .iter()
                .map(|part| if let Block::Text(text) = &part.block { text.text.size() } else { 0 })
                .sum(),
            _ => 0,
        };
        let size: usize = turn.parts.iter().map(size).sum();
        if size > left {
            return at + 1;
        }
        left -= size;
    }
    0
}
