//! Whether a rule can work: what it asks for is there where it asks, and what it wants done can be done there.

use super::{From, On, Remove, Rule, Set, Then};

/// Whether a rule asks where text came from.
pub(super) fn traces(rule: &Rule) -> bool {
    let from = rule.on == On::ToolCall && !rule.from.is_empty();
    from || rule.condition.as_ref().is_some_and(|condition| condition.asks.provenance)
}

/// The field of a rule that cannot work, and why.
pub(super) fn check(rule: &Rule) -> Result<(), (&'static str, String)> {
    let about_tools = !rule.tools.is_empty()
        || !rule.arguments.is_empty()
        || !rule.paths.is_empty()
        || !rule.hosts.is_empty()
        || traces(rule);
    if rule.on != On::Call && !rule.texts.is_empty() {
        return Err(("texts", "texts of a request are asked for on `call` only".into()));
    }
    if rule.on == On::ToolCall && rule.from.iter().any(From::speaks) {
        return Err((
            "from",
            "where text of a tool call came from is a tool; who speaks is for `on: call`".into(),
        ));
    }
    if rule.on == On::Text && !rule.from.is_empty() {
        return Err(("from", "where texts came from is asked for on `tool_call` and `call` only".into()));
    }
    if rule.on != On::ToolCall && about_tools {
        let words = "tools, arguments, paths, hosts and `provenance` are asked for on `tool_call` only";
        return Err(("on", words.into()));
    }
    let possible = match (rule.then, rule.on) {
        (Then::Answer | Then::KeepLocal, On::Text | On::ToolCall) => Some("call"),
        (Then::Remove | Then::Replace | Then::Resample | Then::Stop | Then::Warn, On::Call) => {
            Some("tool_call` or `text")
        }
        (Then::Rewrite, On::Text) => Some("call` or `tool_call"),
        _ => None,
    };
    if let Some(on) = possible {
        return Err(("then", format!("this can be done on `{on}` only")));
    }
    let of_request = rule.then == Then::Rewrite && rule.on == On::Call;
    let changes = rule.changes();
    if of_request {
        if let Some(words) = changes.unworkable() {
            return Err(("set", words));
        }
    } else if changes.set != Set::default() || changes.remove != Remove::default() {
        return Err(("set", "this is for `then: rewrite` on `call`".into()));
    }
    let words_needed = matches!(rule.then, Then::Answer | Then::Replace | Then::Rewrite) && !of_request;
    match (&rule.with, words_needed) {
        (None, true) => Err(("with", "say what shall stand there".into())),
        (Some(_), false) => Err(("with", "this takes no words: `reason` is what the client is told".into())),
        (Some(json), true) if rule.then == Then::Rewrite => {
            let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json);
            object.map(|_| ()).map_err(|error| ("with", format!("arguments are a JSON object: {error}")))
        }
        (Some(_), true) | (None, false) => Ok(()),
    }
}
