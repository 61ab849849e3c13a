//! The imports of JavaScript and TypeScript: `import … from '…'` at the outermost level.
//!
//! Leaves `require` alone, which is an expression like any other.

use super::import::Import;

/// The imports of a text.
pub(super) fn imports(text: &str) -> Vec<Import> {
    let mut all = Vec::new();
    let mut lines = text.lines().enumerate();
    let (mut comment, mut template) = (false, false);
    while let Some((at, line)) = lines.next() {
        if comment {
            comment = !line.contains("*/");
            continue;
        }
        if line.trim_start().starts_with("/*") {
            comment = !line.contains("*/");
            continue;
        }
        let ticks = line.matches('`').count() % 2 == 1;
        if template || !line.starts_with("import") {
            template ^= ticks;
            continue;
        }
        let mut statement = line.to_owned();
        while !is_complete(&statement) {
            let Some((_, more)) = lines.next() else { break };
            statement.push(' ');
            statement.push_str(more.split("//").next().unwrap_or(more));
            if statement.len() > 16 * 1024 {
                break;
            }
        }
        all.extend(statement_of(&statement, at + 1));
    }
    all
}

/// Whether a statement has the text that it imports from.
fn is_complete(statement: &str) -> bool {
    let from = statement.rfind(" from ").map(|at| &statement[at..]).or_else(|| {
        let rest = statement["import".len()..].trim_start();
        rest.starts_with(['\'', '"', '(', '.']).then_some(rest)
    });
    from.is_some_and(|from| from.starts_with(['(', '.']) || from.matches(['\'', '"']).count() >= 2)
}

fn statement_of(statement: &str, line: usize) -> Option<Import> {
    let rest = statement.strip_prefix("import")?;
    // `import(…)` and `import.meta` are expressions.
    let rest = rest.strip_prefix([' ', '{', '*', '\'', '"']).map(|_| rest.trim_start())?;
    if rest.starts_with(['\'', '"']) {
        let module = quoted(rest)?;
        // For its effect alone: no name, but once is enough.
        return Some(Import { joins: None, line, names: vec![format!("import {module}")], module });
    }
    let (clause, from) = rest.rsplit_once("from ")?;
    let module = quoted(from.trim())?;
    let clause = clause.trim();
    let types = clause.strip_prefix("type ").filter(|rest| !rest.trim_start().starts_with([',', '=']));
    let is_type = types.is_some();
    let clause = types.unwrap_or(clause).trim();
    let (outer, inner) = match clause.split_once('{') {
        Some((outer, inner)) => (outer, inner.split('}').next().unwrap_or_default()),
        None => (clause, ""),
    };
    let bound = |item: &str| {
        let item = item.trim();
        let item = item.strip_prefix("type ").unwrap_or(item);
        let name = item.split(" as ").last().unwrap_or(item).trim();
        (!name.is_empty()).then(|| name.to_owned())
    };
    let names: Vec<String> = outer.split(',').chain(inner.split(',')).filter_map(bound).collect();
    let joins =
        (!outer.contains('*')).then(|| if is_type { format!("type {module}") } else { module.clone() });
    Some(Import { joins, line, module, names })
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split(quote).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_of_javascript_and_typescript_are_read_in_all_their_forms() {
        let text = "/* import x from 'y' */\nimport React, { useState as state, type FC } from 'react';\nimport {\n  a, // one\n  b,\n} from \"./m\";\n\
                    import type { T } from './m';\nimport * as fs from 'fs';\nimport './style.css';\nconst l = import('./lazy');\nimport.meta.hot;\n  import { no } from 'no';\n\
                    const t = `\nimport z from 'z'\n`;\n";
        let all = imports(text);
        let names: Vec<&str> = all.iter().flat_map(|import| &import.names).map(String::as_str).collect();
        assert_eq!(names, ["React", "state", "FC", "a", "b", "T", "fs", "import ./style.css"]);
        let joins: Vec<Option<&str>> = all.iter().map(|import| import.joins.as_deref()).collect();
        assert_eq!(joins, [Some("react"), Some("./m"), Some("type ./m"), None, None]);
    }
}
