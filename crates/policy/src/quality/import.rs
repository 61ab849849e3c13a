//! The imports of a file at its outermost level, in Python, JavaScript and TypeScript, Rust and Go, by a grammar of lines.
//!
//! What is imported inside of functions, branches and `try` is left out: there the same name twice is often meant. Knows enough of strings
//! and comments not to take them for code; where it cannot tell, it finds less.

use super::import_js;

/// A statement that imports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Import {
    /// Statements with the same of it could be one; `None` = it stands alone.
    pub(crate) joins: Option<String>,
    /// Its line, from 1.
    pub(crate) line: usize,
    /// What it is imported from.
    pub(crate) module: String,
    /// The names that it makes known.
    pub(crate) names: Vec<String>,
}

/// A language whose imports are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Go,
    JavaScript,
    Python,
    Rust,
}

impl Language {
    /// The language of a file, by its name.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending {
            "py" | "pyi" => Some(Self::Python),
            "cjs" | "cts" | "js" | "jsx" | "mjs" | "mts" | "ts" | "tsx" => Some(Self::JavaScript),
            "rs" => Some(Self::Rust),
            "go" => Some(Self::Go),
            _ => None,
        }
    }

    /// The imports of a text.
    pub(crate) fn imports(self, text: &str) -> Vec<Import> {
        match self {
            Self::Go => go(text),
            Self::JavaScript => import_js::imports(text),
            Self::Python => python(text),
            Self::Rust => rust(text),
        }
    }
}

fn python(text: &str) -> Vec<Import> {
    let mut all = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut open: Option<&str> = None;
    while let Some((at, line)) = lines.next() {
        if let Some(quote) = open {
            if line.contains(quote) {
                open = None;
            }
            continue;
        }
        let is_import = line.starts_with("import ") || line.starts_with("from ");
        if !is_import {
            open = ["\"\"\"", "'''"].into_iter().find(|quote| line.matches(quote).count() % 2 == 1);
            continue;
        }
        let mut statement = without_comment(line, '#').to_owned();
        while (statement.contains('(') && !statement.contains(')')) || statement.ends_with('\\') {
            let Some((_, more)) = lines.next() else { break };
            statement = format!("{} {}", statement.trim_end_matches('\\'), without_comment(more, '#'));
        }
        for statement in statement.split(';') {
            all.extend(python_statement(statement.trim(), at + 1));
        }
    }
    all
}

fn python_statement(statement: &str, line: usize) -> Vec<Import> {
    let bound = |item: &str| {
        let item = item.trim();
        let name = item.split(" as ").last().unwrap_or(item).trim();
        (!name.is_empty()).then(|| name.to_owned())
    };
    if let Some(items) = statement.strip_prefix("import ") {
        let one = |item: &str| {
            let module = item.split(" as ").next().unwrap_or(item).trim().to_owned();
            Some(Import { joins: None, line, module, names: vec![bound(item)?] })
        };
        return items.split(',').filter_map(one).collect();
    }
    let Some((module, items)) = statement.strip_prefix("from ").and_then(|rest| rest.split_once(" import"))
    else {
        return Vec::new();
    };
    let items = items.trim().trim_matches(['(', ')']).trim();
    let names: Vec<String> = items.split(',').filter_map(bound).filter(|name| name != "*").collect();
    let module = module.trim().to_owned();
    let joins = (items != "*").then(|| module.clone());
    vec![Import { joins, line, module, names }]
}

fn go(text: &str) -> Vec<Import> {
    let mut all = Vec::new();
    let mut within = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = without_comment(line, '/').trim();
        if within && trimmed.starts_with(')') {
            within = false;
            continue;
        }
        if line.starts_with("import (") {
            within = true;
            continue;
        }
        let spec = if within { Some(trimmed) } else { line.strip_prefix("import ").map(str::trim) };
        let Some((alias, rest)) = spec.and_then(|spec| spec.split_once(['"', '`'])) else { continue };
        let module = rest.split(['"', '`']).next().unwrap_or_default().to_owned();
        let alias = alias.trim();
        // `_` and `.` make no name known; the same twice is still one too many.
        let name = if alias.is_empty() { module.clone() } else { format!("{alias} {module}") };
        all.push(Import { joins: None, line: at + 1, module, names: vec![name] });
    }
    all
}

fn rust(text: &str) -> Vec<Import> {
    let mut all = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut conditional = false;
    while let Some((at, line)) = lines.next() {
        let mut statement = line;
        for visible in ["pub(crate) ", "pub(super) ", "pub "] {
            statement = statement.strip_prefix(visible).unwrap_or(statement);
        }
        let Some(first) = statement.strip_prefix("use ") else {
            // Only what stands right before a statement is about it.
            conditional = line.starts_with("#[cfg") || (conditional && line.starts_with("#["));
            continue;
        };
        let mut tree = without_comment(first, '/').to_owned();
        while !tree.contains(';') {
            let Some((_, more)) = lines.next() else { break };
            tree.push_str(without_comment(more, '/').trim());
        }
        let mut names = Vec::new();
        leaves("", tree.split(';').next().unwrap_or_default(), 0, &mut names);
        if !std::mem::take(&mut conditional) {
            let module = tree.split("::").next().unwrap_or_default().trim().to_owned();
            all.push(Import { joins: None, line: at + 1, module, names });
        }
    }
    all
}

/// The full paths of a tree of `use`.
fn leaves(before: &str, tree: &str, depth: usize, out: &mut Vec<String>) {
    let tree = tree.trim();
    if depth > 16 || tree.is_empty() {
        return;
    }
    if let Some(open) = tree.find('{') {
        let prefix = format!("{before}{}", tree[..open].trim());
        let inner = tree[open + 1..].strip_suffix('}').unwrap_or(&tree[open + 1..]);
        for branch in branches(inner) {
            leaves(&prefix, branch, depth + 1, out);
        }
        return;
    }
    let plain = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain != "*" && !plain.ends_with("::*") && !plain.ends_with(" as _") {
        out.push(format!("{before}{plain}").trim_end_matches("::self").to_owned());
    }
}

fn branches(inner: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0_usize, 0);
    let mut all = Vec::new();
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                all.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    all.push(&inner[from..]);
    all
}

/// A line without what stands behind `#` or `//`.
fn without_comment(line: &str, mark: char) -> &str {
    let at =
        if mark == '#' { line.find('#') } else { line.find("//").filter(|at| !line[..*at].ends_with(':')) };
    line[..at.unwrap_or(line.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(language: Language, text: &str) -> Vec<String> {
        language.imports(text).into_iter().flat_map(|import| import.names).collect()
    }

    #[test]
    fn imports_of_python_are_those_of_the_module_itself() {
        let text = "\"\"\"A module.\nimport nothing\n\"\"\"\nimport os, sys as system  # both\nfrom a.b import (\n    C,  # one\n    D as E,\n)\n\
                    from . import x\nif TYPE_CHECKING:\n    from a.b import C\ntry:\n    import tomllib\nexcept ImportError:\n    import tomli as tomllib\n\
                    def f():\n    import os\nfrom m import *\n";
        assert_eq!(names(Language::Python, text), ["os", "system", "C", "E", "x"]);
        let joins: Vec<_> =
            Language::Python.imports(text).into_iter().filter_map(|import| import.joins).collect();
        assert_eq!(joins, ["a.b", "."]);
    }

    #[test]
    fn imports_of_rust_are_full_paths_without_those_on_condition() {
        let text = "use std::fmt::{self, Write as _, Display};\npub use crate::a::{b::{C, D}, E as F};\n#[cfg(test)]\nuse std::fmt;\nmod x {\n    use std::fmt;\n}\nuse q::*;\n";
        assert_eq!(
            names(Language::Rust, text),
            ["std::fmt", "std::fmt::Display", "crate::a::b::C", "crate::a::b::D", "crate::a::E as F"]
        );
    }

    #[test]
    fn imports_of_go_are_paths_with_their_other_names() {
        let text = "package a\n\nimport \"fmt\"\nimport (\n\t\"os\" // x\n\tlog \"github.com/x/log\"\n\t_ \"embed\"\n)\nvar s = \"no\"\n";
        assert_eq!(names(Language::Go, text), ["fmt", "os", "log github.com/x/log", "_ embed"]);
    }
}
