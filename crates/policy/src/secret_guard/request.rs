//! What of a request is secret, where it stands, and the request without it. Pure in each text, so that a turn says the same of an
//! earlier one as that one did.

use std::borrow::Cow;
use std::collections::HashMap;

use lockgate_core::content::{Source, ToolCall, ToolResult};
use lockgate_core::{Block, Conversation, Origin, Part, Role};
use lockgate_redact::Redactor;

use super::mentions::{Mention, mentions, withheld, without};
use super::{Action, Inner, named, value_finding};
use crate::paths::{RuleId, Tier};
use crate::target;
use crate::verdict::Finding;

/// What was found in a request.
#[derive(Default)]
pub(super) struct Survey {
    /// Texts that hold what a secret file holds, with what stands in their place.
    pub(super) shown: HashMap<String, String>,
    /// What weighs most.
    pub(super) worst: Option<(Action, Finding)>,
}

/// Looks through a request. What only has to be told is told of what is new in it; what must not leave counts wherever it stands.
pub(super) fn survey(inner: &Inner, conversation: &Conversation, redactor: &Redactor) -> Survey {
    let answered = conversation.turns.iter().rposition(|turn| turn.role == Role::Assistant);
    let first_new = answered.map_or(0, |at| at + 1);
    let mut looking = Looking {
        calls: HashMap::new(),
        inner,
        new: answered.is_none(),
        redactor,
        survey: Survey::default(),
    };
    looking.parts(&conversation.system, Origin::System);
    for (at, turn) in conversation.turns.iter().enumerate() {
        looking.new = at >= first_new;
        let origin = match turn.role {
            Role::Assistant => Origin::Assistant,
            Role::System => Origin::System,
            Role::User => Origin::User,
        };
        looking.parts(&turn.parts, origin);
    }
    looking.survey
}

/// A text of the request without its secrets; `None` = it has none that are to be masked.
pub(super) fn redacted(
    inner: &Inner,
    redactor: &Redactor,
    shown: &HashMap<String, String>,
    (origin, text): (Origin, &str),
) -> Option<String> {
    if action_for(inner, origin) != Action::Redact {
        return None;
    }
    if let Some(mark) = shown.get(text).filter(|_| origin != Origin::ToolCall) {
        return Some(mark.clone());
    }
    inner.clean.or(origin, text, || masked(inner, redactor, (origin, text)))
}

/// A text with what it holds masked; `None` = it holds nothing.
fn masked(inner: &Inner, redactor: &Redactor, (origin, text): (Origin, &str)) -> Option<String> {
    if origin == Origin::ToolCall {
        // It names files and holds none.
        return match redactor.redact(text) {
            Cow::Owned(masked) => Some(masked),
            Cow::Borrowed(_) => None,
        };
    }
    let found = mentions(text, &inner.paths, false);
    let secret: Vec<&Mention> =
        found.iter().filter(|one| inner.for_file(Action::Redact, &one.rule) == Action::Redact).collect();
    let cut = without(text, &secret);
    match redactor.redact(cut.as_deref().unwrap_or(text)) {
        Cow::Owned(masked) => Some(masked),
        Cow::Borrowed(_) => cut,
    }
}

fn action_for(inner: &Inner, origin: Origin) -> Action {
    match origin {
        Origin::ToolResult => inner.options.tool_results,
        Origin::Assistant | Origin::System | Origin::ToolCall | Origin::User => inner.options.requests,
    }
}

struct Looking<'a> {
    /// The tool calls so far, by id.
    calls: HashMap<&'a str, &'a ToolCall>,
    inner: &'a Inner,
    /// It has come since the model spoke last.
    new: bool,
    redactor: &'a Redactor,
    survey: Survey,
}

impl<'a> Looking<'a> {
    fn parts(&mut self, parts: &'a [Part], origin: Origin) {
        // Claude Code shows a file that the person named in the part behind the one that names it.
        let mut announced: Option<Mention> = None;
        for part in parts {
            match &part.block {
                Block::Text(text) => {
                    let text = text.text.as_str();
                    let follows = text.trim_start().trim_start_matches("<system-reminder>").trim_start();
                    if let Some(mention) =
                        announced.take().filter(|_| follows.starts_with("Result of calling the"))
                    {
                        self.file(&mention.path, &mention.rule, text, origin, "the request shows");
                    } else {
                        announced = self.text(text, origin, "what the request says");
                    }
                }
                Block::ToolCall(call) => {
                    self.calls.insert(&call.id, call);
                    self.call(call);
                }
                Block::ToolResult(result) => self.result(result),
                Block::Document(document) => {
                    if let Source::Text { text } = &document.source {
                        if let Some(rule) =
                            document.name.as_ref().and_then(|name| self.inner.paths.find(name))
                        {
                            let name = document.name.clone().unwrap_or_default();
                            self.file(&name, rule, text, origin, "the request holds");
                        } else {
                            self.text(text, origin, "a document");
                        }
                    }
                }
                Block::Audio(_)
                | Block::Image(_)
                | Block::Opaque(_)
                | Block::Reasoning(_)
                | Block::Refusal(_)
                | Block::Video(_) => {}
            }
        }
    }

    /// A tool call that was made before: values in its arguments.
    fn call(&mut self, call: &ToolCall) {
        let action = action_for(self.inner, Origin::ToolCall);
        // Masking is done text by text, later; what has to be told was told when the call was made.
        if action < Action::KeepLocal || (!self.new && !action.lasts()) {
            return;
        }
        let arguments = target::arguments(call);
        let mut kinds: Vec<String> = Vec::new();
        target::each_text(&arguments, "", 0, &mut |_, text| {
            kinds.extend(self.redactor.find(text).first().map(|found| found.kind().to_owned()));
        });
        if let Some(kind) = kinds.first() {
            self.found(action, || {
                let place = format!("in the arguments of an earlier call of `{}`", call.name);
                let mut finding = value_finding(kind, &place);
                finding.reason.push_str(advice(action, Origin::ToolCall));
                finding
            });
        }
    }

    fn result(&mut self, result: &'a ToolResult) {
        let call = self.calls.get(result.call_id.as_str()).copied();
        let tool = call.map(|call| call.name.as_str()).or(result.name.as_deref()).unwrap_or("a tool");
        let inner = self.inner;
        // What cannot be read has no known files; its contents are looked through all the same.
        let files = call
            .map(|call| inner.files.or(call, || named(&inner.paths, call, &target::arguments(call))))
            .unwrap_or_default();
        let file = files.into_iter().min_by_key(|(_, rule)| rule.tier());
        for part in &result.content {
            let Block::Text(text) = &part.block else { continue };
            let text = text.text.as_str();
            let shown = file.as_ref().filter(|_| !result.is_error);
            if let Some((path, rule)) = shown {
                self.file(path, rule, text, Origin::ToolResult, &format!("the result of `{tool}` holds"));
            }
            if shown.is_none_or(|(_, rule)| rule.tier() == Tier::Sensitive) {
                self.text(text, Origin::ToolResult, &format!("the result of `{tool}`"));
            }
        }
    }

    /// A text that is what a secret file holds.
    fn file(&mut self, path: &str, rule: &RuleId, text: &str, origin: Origin, how: &str) {
        let place = action_for(self.inner, origin);
        let action = self.inner.for_file(place, rule);
        if action == Action::Redact && !text.trim().is_empty() {
            self.survey.shown.insert(text.to_owned(), withheld(path, rule));
        }
        self.found(action, || Finding {
            evidence: Some(path.to_owned()),
            reason: format!("{how} {path}, a file {}{}", about(rule), advice(action, origin)),
            rule: Some(rule.name().to_owned()),
        });
    }

    /// Any other text; the secret file that it announces.
    fn text(&mut self, text: &str, origin: Origin, place: &str) -> Option<Mention> {
        let action = action_for(self.inner, origin);
        // Masking is done text by text, later.
        if action == Action::Pass || (!self.new && !action.lasts()) {
            return mentions_if_announcing(self.inner, text);
        }
        let found = mentions(text, &self.inner.paths, origin == Origin::User);
        for mention in &found {
            let action = self.inner.for_file(action, &mention.rule);
            self.found(action, || Finding {
                evidence: Some(mention.path.clone()),
                reason: format!(
                    "{place} names {}, a file {}{}",
                    mention.path,
                    about(&mention.rule),
                    advice(action, origin)
                ),
                rule: Some(mention.rule.name().to_owned()),
            });
        }
        if let Some(first) = self.redactor.find(text).first() {
            let kind = first.kind().to_owned();
            self.found(action, || {
                let mut finding = value_finding(&kind, &format!("in {place}"));
                finding.reason.push_str(advice(action, origin));
                finding
            });
        }
        found.into_iter().rev().find(|one| one.content.is_none() && one.rule.tier() == Tier::Secret)
    }

    fn found(&mut self, action: Action, finding: impl FnOnce() -> Finding) {
        // Of what was there before, only what must not leave is said again.
        let counts = action > Action::Pass && (self.new || action.lasts());
        if counts && self.survey.worst.as_ref().is_none_or(|(worst, _)| *worst < action) {
            self.survey.worst = Some((action, finding()));
        }
    }
}

/// The file that a text announces, without looking through all of it.
fn mentions_if_announcing(inner: &Inner, text: &str) -> Option<Mention> {
    if !text.contains("Called the Read tool") {
        return None;
    }
    let found = mentions(text, &inner.paths, false);
    found.into_iter().rev().find(|one| one.content.is_none() && one.rule.tier() == Tier::Secret)
}

fn about(rule: &RuleId) -> &'static str {
    match rule.tier() {
        Tier::Secret => "that holds secrets",
        Tier::Sensitive => "about security",
    }
}

/// What somebody can do who is refused.
fn advice(action: Action, origin: Origin) -> &'static str {
    match (action, origin) {
        (Action::Block, Origin::ToolResult) => {
            "; go back to before it, begin a new conversation, or let it be masked (`tool_results: redact`)"
        }
        (Action::Block, Origin::Assistant | Origin::System | Origin::ToolCall | Origin::User) => {
            "; take it out, begin a new conversation, or let it be masked (`requests: redact`)"
        }
        (
            Action::Ask | Action::KeepLocal | Action::Note | Action::Pass | Action::Redact | Action::Warn,
            _,
        ) => "",
    }
}
