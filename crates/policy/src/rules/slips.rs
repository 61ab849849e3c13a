//! Rules that can be applied and cannot have been meant so: those that ask for what is never there, and names that two of them have.
//!
//! Told when somebody writes rules. What is in force already stays so.

use super::{On, Rule};

/// What is wrong: which rule, which field of it, why and what to do.
pub(crate) fn slips(rules: &[Rule]) -> Vec<(usize, &'static str, String)> {
    let mut found = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        if let Some(first) = rules[..at].iter().position(|other| other.name == rule.name) {
            let words = format!(
                "rules[{first}] is called `{}` too: give each a name of its own, by which it is recorded and counted",
                rule.name
            );
            found.push((at, "name", words));
        }
        found.extend(absent(rule).map(|words| (at, "if", words)));
    }
    found
}

/// What a condition asks for that is never there.
fn absent(rule: &Rule) -> Option<String> {
    let condition = rule.condition.as_ref()?;
    let references = condition.program.references();
    let names = references.variables();
    let of = |absent: &[&'static str]| absent.iter().copied().find(|name| names.contains(name));
    let (name, on) = match rule.on {
        On::Call => (of(&["args", "hosts", "paths", "text", "tool"])?, "call"),
        On::Text => (of(&["args", "hosts", "paths", "tool"])?, "text"),
        // `text` are the arguments as they came.
        On::ToolCall => return None,
    };
    let instead =
        if name == "text" { "`on: text` is for the words of an answer" } else { "write `on: tool_call`" };
    Some(format!("there is no `{name}` on `{on}`, so the rule would never be met as it is meant: {instead}"))
}
