//! The value that all layers are made of: scalars as text, lists, mappings; each node knows its source.
//!
//! Types are not decided here: `8080` is text until `shape` reads it by the schema. Merging is the whole of layering:
//! mappings merge key by key, everything else is replaced.

use crate::{Path, Source, path::Step};

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) source: Source,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone)]
pub(crate) enum Content {
    /// A problem with it was reported already; nothing further is said about it.
    Broken,
    /// Nothing: `~`, `null` or an empty value.
    Empty,
    List(Vec<Node>),
    Map(Vec<Entry>),
    Scalar(Scalar),
}

/// A scalar before anybody knows its type.
#[derive(Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar was written, which decides what it may become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    /// Contains the value of an environment variable: any type, never quoted in messages.
    Expanded,
    /// Bare: any type.
    Plain,
    /// In quotes or a block: a string.
    Quoted,
    /// Given whole by a variable or flag: any type, never quoted in messages.
    Raw,
}

/// A key with its own source, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) source: Source,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn new(source: &Source, content: Content) -> Self {
        Self { source: source.clone(), content }
    }

    pub(crate) fn map(source: &Source) -> Self {
        Self::new(source, Content::Map(Vec::new()))
    }

    pub(crate) fn scalar(source: &Source, text: impl Into<String>, style: Style) -> Self {
        Self::new(source, Content::Scalar(Scalar { text: text.into(), style }))
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            Content::Broken | Content::Empty | Content::List(_) | Content::Scalar(_) => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            Content::Broken | Content::Empty | Content::Map(_) | Content::Scalar(_) => &[],
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) => Some(&scalar.text),
            Content::Broken | Content::Empty | Content::List(_) | Content::Map(_) => None,
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value under a key.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value at a path.
    pub(crate) fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.child(key),
            Step::Index(index) => node.items().get(*index),
        })
    }

    /// The source of the value at a path, or of its nearest ancestor that exists.
    pub(crate) fn source_at(&self, path: &Path) -> &Source {
        let mut node = self;
        for step in path.steps() {
            let next = match step {
                Step::Key(key) => node.child(key),
                Step::Index(index) => node.items().get(*index),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        &node.source
    }

    /// The source of the last key of a path, which is where a reader looks for a whole section.
    pub(crate) fn key_source_at(&self, path: &Path) -> &Source {
        let Some((Step::Key(last), above)) = path.steps().split_last() else { return self.source_at(path) };
        let parent = above.iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.child(key),
            Step::Index(index) => node.items().get(*index),
        });
        parent.and_then(|node| node.entry(last)).map_or_else(|| self.source_at(path), |entry| &entry.source)
    }

    /// The value under a key, made an empty mapping if there is none; a value that is no mapping becomes one.
    pub(crate) fn child_map(&mut self, key: &str, source: &Source) -> &mut Self {
        let Self { content, .. } = self;
        if !matches!(content, Content::Map(_)) {
            *content = Content::Map(Vec::new());
        }
        let Content::Map(entries) = content else { unreachable!("made a mapping just above") };
        let position = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            entries.push(Entry { key: key.into(), source: source.clone(), node: Self::map(source) });
            entries.len() - 1
        });
        &mut entries[position].node
    }

    /// Sets the value under a key, replacing what was there.
    pub(crate) fn set(&mut self, key: &str, node: Self) {
        let source = node.source.clone();
        *self.child_map(key, &source) = node;
    }

    /// Takes the value under a key away.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Content::Map(entries) = &mut self.content {
            entries.retain(|entry| entry.key != key);
        }
    }

    /// Whether a problem with it was reported already.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.content, Content::Broken)
    }

    /// Whether this can hold settings: a mapping, or nothing where a mapping belongs.
    pub(crate) fn is_section(&self) -> bool {
        matches!(self.content, Content::Map(_) | Content::Empty)
    }

    /// Lays `upper` over this value.
    pub(crate) fn merge(&mut self, upper: Self) {
        match (&mut self.content, upper.content) {
            (Content::Map(lower), Content::Map(entries)) => {
                for entry in entries {
                    match lower.iter_mut().find(|below| below.key == entry.key) {
                        Some(below) => {
                            below.source = entry.source;
                            below.node.merge(entry.node);
                        }
                        None => lower.push(entry),
                    }
                }
            }
            // A section that says nothing (`groq:`) takes nothing away.
            (Content::Map(_), Content::Empty) => {}
            (lower, content) => *lower = content,
        }
        self.source = upper.source;
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Scalars may be secrets; which of them are is known to the schema alone.
        match self {
            Self::Broken => f.write_str("Broken"),
            Self::Empty => f.write_str("Empty"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f.debug_map().entries(entries.iter().map(|e| (&e.key, &e.node))).finish(),
            Self::Scalar(_) => f.write_str("Scalar(…)"),
        }
    }
}
