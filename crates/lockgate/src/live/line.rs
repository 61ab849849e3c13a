//! One event as one line: when, what, how it went, which model where, how much, by whom, and the call's id.

use anstyle::Style;
use serde_json::Value;

use crate::call::text;
use crate::quantity::{moment, money, span, tokens};
use crate::screen::{ATTENTION, BAD, FAINT, GOOD, styled};
use crate::table::{clean, cut};

/// The line; what does not fit into the width is cut off, never the colour.
pub(super) fn line(event: &Value, width: usize) -> String {
    let call = &event["call"];
    let (word, style) = word(event);
    let when = moment(&call["at"]);
    // The day is today's.
    let time = when.split_once(' ').map_or("--:--:--", |(_, time)| time);
    let head = format!("{time} {word:<9} ");
    let rest = cut(&details(event), width.saturating_sub(head.chars().count()));
    format!("{} {} {rest}", styled(FAINT, time), styled(style, &format!("{word:<9}")))
}

/// What happened in one word, and how that looks.
fn word(event: &Value) -> (String, Style) {
    let call = &event["call"];
    let (word, style) = match event["what"].as_str().unwrap_or_default() {
        "approval-answered" => (text(&event["approval"]["verdict"]), ATTENTION),
        "approval-requested" => ("waits".to_owned(), ATTENTION),
        "dropped" => ("missing".to_owned(), BAD),
        "finished" => match (call["outcome"].as_str(), call["status"].as_u64()) {
            (Some("complete"), Some(200)) => ("ok".to_owned(), GOOD),
            (Some("aborted"), _) => ("aborted".to_owned(), ATTENTION),
            (_, Some(status)) => (status.to_string(), BAD),
            (outcome, None) => (outcome.unwrap_or("over").to_owned(), BAD),
        },
        "first-byte" => ("answers".to_owned(), FAINT),
        "started" => ("begins".to_owned(), FAINT),
        other => (other.to_owned(), Style::new()),
    };
    (clean(&word), style)
}

fn details(event: &Value) -> String {
    let call = &event["call"];
    if event["what"] == "dropped" {
        let missed = event["missed"].as_u64();
        return missed.map_or_else(
            || "events of which the gateway no longer knows".to_owned(),
            |missed| format!("{missed} events that this screen was too slow for"),
        );
    }
    let place = [text(&call["provider"]), text(&call["model"])];
    let mut parts = vec![place.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(":")];
    let approval = &event["approval"];
    if !approval.is_null() {
        parts.push(text(&approval["policy"]));
        parts.push(text(&approval["tool"]));
        parts.push(text(&approval["reason"]));
        parts.push(text(&approval["id"]));
    }
    let millis = |value: &Value| span(value.as_i64().map(|ms| ms.saturating_mul(1000)));
    match event["what"].as_str() {
        Some("first-byte") => parts.push(format!("after {}", millis(&call["ttft_ms"]))),
        Some("finished") => {
            parts.push(text(&call["error"]));
            parts.push(millis(&call["duration_ms"]));
            if let Some(attempts) = call["attempts"].as_u64().filter(|attempts| *attempts > 1) {
                parts.push(format!("{attempts} attempts"));
            }
            let usage = &call["usage"];
            if !usage.is_null() {
                let sum = |names: &[&str]| names.iter().filter_map(|name| usage[*name].as_u64()).sum::<u64>();
                let prompt = sum(&["input", "cache_read", "cache_write_5m", "cache_write_1h"]);
                parts.push(format!("{} → {}", tokens(prompt), tokens(sum(&["output"]))));
                parts.push(money(call["cost_nano"].as_i64()));
            }
        }
        _ => {}
    }
    parts.push(text(&call["key"]));
    if approval.is_null() {
        parts.push(text(&call["id"]));
    }
    let parts: Vec<_> = parts.iter().map(|part| clean(part)).filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(event: &Value, width: usize) -> String {
        anstream::adapter::strip_str(&line(event, width)).to_string()[9..].to_owned()
    }

    #[test]
    fn an_event_is_one_line_that_says_what_happened_and_cannot_steer_a_terminal() {
        let call = json!({
            "at": "2026-11-22T08:00:00.000000Z", "attempts": 2, "cost_nano": 4_650_000, "duration_ms": 1500,
            "id": "019aa5b2", "key": "alice", "model": "claude-sonnet-4-6", "outcome": "complete",
            "provider": "anthropic", "status": 200, "ttft_ms": 300,
            "usage": {"input": 1000, "cache_read": 500, "output": 100},
        });
        let event = |what: &str, call: &Value| json!({"what": what, "id": 1, "call": call});
        let wide = usize::MAX;
        assert_eq!(
            plain(&event("finished", &call), wide),
            "ok        anthropic:claude-sonnet-4-6 · 1.5 s · 2 attempts · 1.5k → 100 · $0.00465 · alice · 019aa5b2"
        );
        assert_eq!(
            plain(&event("first-byte", &call), wide),
            "answers   anthropic:claude-sonnet-4-6 · after 300 ms · alice · 019aa5b2"
        );
        assert_eq!(plain(&event("started", &call), 40), "begins    anthropic:claude-son…");
        let mut failed = call.clone();
        failed["outcome"] = json!("failed");
        failed["status"] = json!(529);
        failed["error"] = json!("overloaded");
        failed["model"] = json!("x\u{1b}[2J\ny");
        failed["usage"] = Value::Null;
        assert_eq!(
            plain(&event("finished", &failed), wide),
            "529       anthropic:x [2J y · overloaded · 1.5 s · 2 attempts · alice · 019aa5b2"
        );
        let dropped = json!({"what": "dropped", "id": 7, "missed": 12});
        assert_eq!(plain(&dropped, wide), "missing   12 events that this screen was too slow for");
        let mut asked = event("approval-requested", &call);
        asked["approval"] =
            json!({"id": "019aa5b2.0", "policy": "shell_guard", "tool": "Bash", "reason": "it pushes"});
        assert_eq!(
            plain(&asked, wide),
            "waits     anthropic:claude-sonnet-4-6 · shell_guard · Bash · it pushes · 019aa5b2.0 · alice"
        );
    }
}
