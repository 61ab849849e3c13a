//! The process environment as configuration sees it: captured once, so that a reload and a test see what they should.
//!
//! Turns `LOCKGATE__SECTION__KEY` and flags into a layer. Detection of providers is in `detect`.

use std::{collections::BTreeMap, fmt};

use crate::{
    Code, Path, Problem, Source,
    schema::{Schema, Type},
    shape,
    suggest::plain,
    tree::{Node, Style},
    yaml,
};

/// Environment variables. Values do not show in `Debug`.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// That of this process. Variables that are not Unicode are left out.
    pub fn process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable that is set to something.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const PREFIX: &str = "LOCKGATE__";

/// Lays every `LOCKGATE__SECTION__KEY` over `tree`. Names are matched without regard to case, `_` or `-`.
pub(crate) fn overlay(tree: &mut Node, environment: &Environment, problems: &mut Vec<Problem>) {
    for (variable, value) in environment.0.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let source = Source::Environment { variable: variable.clone() };
        let words: Vec<&str> = variable[PREFIX.len()..].split("__").collect();
        set(tree, &words, value, &source, problems);
    }
}

/// Lays flags over `tree`, each a configuration path with dots and its value.
pub(crate) fn overlay_flags(tree: &mut Node, flags: &[(String, String)], problems: &mut Vec<Problem>) {
    for (path, value) in flags {
        let source = Source::Flag { flag: path.clone() };
        let words: Vec<&str> = path.split('.').collect();
        set(tree, &words, value, &source, problems);
    }
}

fn set(tree: &mut Node, words: &[&str], value: &str, source: &Source, problems: &mut Vec<Problem>) {
    let mut schema = Schema::root();
    let mut path = Path::default();
    let mut keys = Vec::new();
    for word in words {
        let existing = tree.at(&path).map(|node| node.entries().iter().map(|entry| entry.key.as_str()));
        let key = if let Type::Map(_) = schema.shape() {
            Some(map_key(word, existing.into_iter().flatten()))
        } else {
            schema.property_names().find(|name| plain(name) == plain(word)).map(str::to_owned)
        };
        let Some((key, below)) = key.and_then(|key| schema.property(&key).map(|below| (key, below))) else {
            let path = path.key(&word.to_lowercase());
            let known: Vec<&str> = schema.property_names().collect();
            problems.push(if known.is_empty() {
                let message = "there is nothing below this value; set it as a whole";
                Problem::new(Code::UnknownKey, source, &path, message)
            } else {
                shape::unknown_key(word, source, &path, known)
            });
            return;
        };
        path = path.key(&key);
        keys.push(key);
        schema = below;
    }
    let node = match schema.shape() {
        // Text is taken as it is: a password may look like anything.
        Type::String | Type::Choice(_) | Type::Integer | Type::Number | Type::Boolean => {
            Node::scalar(source, value, Style::Raw)
        }
        Type::Any | Type::List(_) | Type::Map(_) | Type::Object => {
            yaml::parse(value, &yaml::Origin::Whole(source.clone()), problems)
        }
    };
    let mut layer = Node::map(source);
    let Some((last, above)) = keys.split_last() else { return };
    above.iter().fold(&mut layer, |node, key| node.child_map(key, source)).set(last, node);
    tree.merge(layer);
}

/// The key of a map that a word means: one that is there, a provider that is known, or the word itself in lower case.
fn map_key<'a>(word: &str, mut existing: impl Iterator<Item = &'a str>) -> String {
    let means = |key: &&str| plain(key) == plain(word);
    let key = existing.find(|key| means(key)).or_else(|| lockgate_providers::known_ids().find(means));
    key.map_or_else(|| word.to_lowercase(), str::to_owned)
}
