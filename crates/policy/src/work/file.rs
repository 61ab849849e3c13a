//! A file as a session has shown it: its last known text, how much of it that is, and what was added and removed.
//!
//! Text is shared, not copied, when the model is. What cannot be told (an edit whose old text is not there) ends knowledge of the file.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::act::{Edit, How};

/// How much of a file's text is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// The file is not there.
    Absent,
    /// All of it.
    Complete,
    /// Some of it.
    Partial,
    /// Nothing.
    #[default]
    Unknown,
}

/// A file that a session has read or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Lines that were added since the last commit of it.
    pub added: u32,
    /// When it was last changed, counted in results of tools.
    pub changed: Option<u32>,
    /// Lines that the session added, without their margins, where the file is there to be read by people; bounded.
    pub fresh: Arc<BTreeSet<String>>,
    /// Lines that were removed since the last commit of it.
    pub removed: u32,
    /// How much of `text` is known.
    pub state: State,
    /// The last known text.
    pub text: Option<Arc<str>>,
    /// Whether there are changes since the last commit of it.
    pub uncommitted: bool,
}

/// So many bytes of one file are kept.
pub(super) const TEXT: usize = 256 * 1024;

/// So many added lines of one file are kept.
const FRESH: usize = 1024;

impl File {
    /// All of the text, where it is known.
    pub fn complete(&self) -> Option<&str> {
        self.text.as_deref().filter(|_| self.state == State::Complete)
    }

    /// It was seen, and not changed.
    pub(super) fn seen(&mut self, text: &str, whole: bool) {
        if whole && text.len() <= TEXT {
            self.set(Some(text), State::Complete);
        } else if self.state != State::Complete {
            self.set(Some(&text[..text.floor_char_boundary(TEXT)]), State::Partial);
        }
    }

    fn set(&mut self, text: Option<&str>, state: State) {
        let text = text.filter(|text| text.len() <= TEXT);
        self.state = if text.is_none() && state != State::Absent { State::Unknown } else { state };
        self.text = text.map(Arc::from);
    }

    /// Its text is no longer known.
    pub(super) fn disturbed(&mut self) {
        if self.state != State::Absent {
            self.set(None, State::Unknown);
        }
    }

    /// What a change does to it, at a time.
    pub(super) fn change(&mut self, how: &How, at: u32, is_docs: bool) -> Delta {
        self.changed = Some(at);
        self.uncommitted = true;
        let delta = match how {
            How::Delete => {
                let delta = Delta::of(self.text.as_deref().unwrap_or_default(), "");
                self.set(None, State::Absent);
                delta
            }
            How::Edit(edits) => self.edit(edits),
            How::Move(_) => Delta::default(),
            How::Touch => {
                self.set(None, State::Unknown);
                Delta::default()
            }
            How::Write(text) => {
                let delta = Delta::of(self.text.as_deref().unwrap_or_default(), text);
                self.set(Some(text), State::Complete);
                delta
            }
        };
        self.added += delta.added.len() as u32;
        self.removed += delta.removed;
        if !is_docs {
            return delta;
        }
        let fresh = Arc::make_mut(&mut self.fresh);
        for line in &delta.added {
            if fresh.len() < FRESH && line.trim().len() > 1 {
                fresh.insert(line.trim().to_owned());
            }
        }
        delta
    }

    fn edit(&mut self, edits: &[Edit]) -> Delta {
        let mut delta = Delta::default();
        for edit in edits {
            let Edit { all, new, old } = edit;
            let times = match self.text.as_deref() {
                Some(text) if *all && !old.is_empty() => text.matches(old.as_str()).count().max(1),
                Some(_) | None => 1,
            };
            delta.join(&Delta::of(old, new), times as u32);
            let after = self.text.as_deref().and_then(|text| replaced(text, edit));
            match after {
                Some(text) => self.set(Some(&text), self.state),
                // A part that was not seen has changed; what was seen is as it was.
                None if self.state == State::Partial => {}
                None => self.set(None, State::Unknown),
            }
        }
        delta
    }
}

/// A text with a piece of it replaced; `None` = the piece is not there, or there is nothing that says where.
pub(crate) fn replaced(text: &str, edit: &Edit) -> Option<String> {
    let Edit { all, new, old } = edit;
    if old.is_empty() {
        return text.is_empty().then(|| new.clone());
    }
    if !text.contains(old.as_str()) {
        return None;
    }
    Some(if *all { text.replace(old.as_str(), new) } else { text.replacen(old.as_str(), new, 1) })
}

/// Whether a file is there to be read by people.
pub(crate) fn is_docs(path: &str) -> bool {
    let mut folders = path.split('/').rev().skip(1);
    let lower = path.to_ascii_lowercase();
    [".md", ".mdx", ".rst", ".adoc", ".markdown"].iter().any(|ending| lower.ends_with(ending))
        || (folders.any(|part| matches!(part, "docs" | "doc"))
            && [".txt", ".html"].iter().any(|ending| lower.ends_with(ending)))
}

/// Lines that came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Lines that came, in order.
    pub added: Vec<String>,
    /// How many went.
    pub removed: u32,
}

impl Delta {
    /// The lines that are in one text and not in the other, each as often as it is.
    pub fn of(old: &str, new: &str) -> Self {
        let mut left: HashMap<&str, u32> = HashMap::new();
        let mut removed = 0;
        for line in old.lines() {
            *left.entry(line).or_default() += 1;
            removed += 1;
        }
        let mut added = Vec::new();
        for line in new.lines() {
            match left.get_mut(line) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    removed -= 1;
                }
                Some(_) | None => added.push(line.to_owned()),
            }
        }
        Self { added, removed }
    }

    fn join(&mut self, other: &Self, times: u32) {
        for _ in 0..times.min(64) {
            self.added.extend_from_slice(&other.added);
        }
        self.removed += other.removed * times;
    }
}
