//! Rules: what may happen, told in YAML.
//!
//! # What it does
//!
//! Goes through a list of rules, in order. A rule names what it is about (tools, arguments, paths, hosts, where their text came from) and,
//! where that is not enough, a condition in [CEL](https://cel.dev). The first rule that meets a call decides; `annotate` and `warn` are noted and the next
//! rules are still asked. What no rule meets is allowed.
//!
//! # Why
//!
//! Most of what a team wants to forbid is a sentence: not that tool, not those files, not that branch.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - rules:
//!         - name: scratch-is-free
//!           tools: [Write, Edit]
//!           paths: ["/tmp/**"]
//!           then: allow
//!         - name: no-force-push
//!           tools: [Bash]
//!           arguments: {command: "*git push*--force*"}
//!           then: refuse
//!           reason: history of shared branches is not rewritten
//!         - name: big-writes
//!           tools: [Write]
//!           if: size(args.content) > 100000
//!           then: warn
//!           reason: this file is larger than 100 KB
//!         - name: the-web-sends-nothing
//!           tools: ["mcp__*mail*", "*send*"]
//!           from: [web, "tool:mcp__tickets__*"]
//!           then: refuse
//!           reason: it holds text that came from a web page or a ticket
//!         - name: the-web-pushes-nothing
//!           tools: [Bash]
//!           if: "'web' in provenance && args.command.contains('git push')"
//!           then: refuse
//! ```
//!
//! # Limits
//!
//! A pattern on a shell command sees its text, not what it does (`shell_guard` does). Paths are compared as text, after `.`, `..` and
//! `~` are taken out; links are not followed.
//!
//! `from` finds text of earlier tool results again whatever its line breaks, quotes, case and escapes are, in base64 and in addresses too:
//! 32 letters and digits in a row, or a mail address, a link or an id. It does not find what the model has put into other words, nor the way
//! over a file: text that a command fetched and wrote down is text of a file when it is read. What the person or the instructions say
//! themselves, and what the model said before a tool did, is from nowhere.

pub(crate) mod facts;
pub(crate) mod from;
pub(crate) mod slips;
mod subject;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::{Env, Program};
use globset::{GlobBuilder, GlobMatcher};
use lockgate_core::content::{ToolCall, ToolKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::chain::Pattern;
use crate::common::Common;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{BlockVerdict, CallVerdict, Finding};
use subject::{Subject, Traced};

/// One rule. What is left out is not asked for; what is there must all be met.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in messages and records.
    pub name: String,
    /// What it is about.
    #[serde(default)]
    pub on: On,
    /// Names of tools; one of them.
    #[serde(default)]
    pub tools: Vec<Pattern>,
    /// Arguments by name (`a.b` for one inside another), each with a pattern that its text must fit. A pattern stands for the whole text:
    /// `*word*` finds a word.
    #[serde(default)]
    pub arguments: BTreeMap<String, Pattern>,
    /// Files that a tool call names in its arguments; one of them must fit one of these. `*` stays within a folder, `**` does not; a
    /// pattern without `/` is for a name in any folder.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// Hosts of addresses that a tool call names in its arguments; one of them must fit one of these.
    #[serde(default)]
    pub hosts: Vec<Pattern>,
    /// Tools whose results have text in the arguments of a tool call; one of them must fit. `web`, `file`, `shell`, `mcp`, `other` are kinds of
    /// tools, `tool:NAME` is one by its name, with `*` for any text.
    #[serde(default)]
    pub from: Vec<From>,
    /// A condition in CEL, over `tool`, `args`, `text`, `paths`, `hosts`, `provenance` (a list of `web`, `tool:WebFetch` and the like) and `call` (`model`, `client`, `dialect`, `key`, `project`, `session`, `turn`,
    /// `user`). A condition that fails (an argument that is not there) is not met.
    #[serde(default, rename = "if")]
    pub condition: Option<Condition>,
    /// What becomes of what meets it.
    pub then: Then,
    /// Why, for whoever meets it.
    #[serde(default)]
    pub reason: Option<String>,
    /// The words of `answer` and `replace`, or the JSON of the arguments of `rewrite`.
    #[serde(default)]
    pub with: Option<String>,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// The request, before it goes anywhere.
    Call,
    /// The words of an answer, each text as a whole: it is held until it is complete.
    Text,
    /// A tool call.
    #[default]
    ToolCall,
}

/// A pattern for files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "path-pattern"))]
pub struct PathPattern {
    matcher: GlobMatcher,
    text: String,
}

impl PathPattern {
    fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let anywhere = !text.contains('/');
        let full = if anywhere { format!("**/{text}") } else { facts::resolved(&text) };
        let glob = GlobBuilder::new(&full).literal_separator(true).case_insensitive(true).build();
        let glob = glob.map_err(|error| format!("not a pattern for files: {}", error.kind()))?;
        Ok(Self { matcher: glob.compile_matcher(), text })
    }
}

impl Serialize for PathPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

pub use crate::decision::Then;
pub use from::From;

/// A condition in CEL.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "cel"))]
pub struct Condition {
    program: Arc<Program>,
    text: String,
    /// It asks where text came from.
    traces: bool,
}

/// What a condition may name.
const NAMES: [&str; 7] = ["args", "call", "hosts", "paths", "provenance", "text", "tool"];

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let program = ENV.compile(&text).map_err(|errors| {
            let words = errors.to_string();
            format!("not a condition in CEL: {}", words.lines().next().unwrap_or_default())
        })?;
        let (unknown, traces) = {
            let references = program.references();
            let names = references.variables();
            let unknown = names.iter().find(|name| !NAMES.contains(name) && !name.starts_with('@'));
            (unknown.map(|name| (*name).to_owned()), names.contains(&"provenance"))
        };
        if let Some(name) = unknown {
            return Err(format!("a condition knows {}, but not `{name}`", NAMES.join(", ")));
        }
        Ok(Self { program: Arc::new(program), text, traces })
    }
}

impl Serialize for Condition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.text, f)
    }
}

/// The functions of CEL; made once, because that takes longer than a hundred rules.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The policy.
pub struct Rules(Arc<Inner>);

struct Inner {
    /// Rules on tool calls that name tools without a sign of a pattern, by that name in lower case.
    by_tool: HashMap<String, Vec<usize>>,
    /// Rules on tool calls that may meet any tool.
    for_any: Vec<usize>,
    on_call: Vec<usize>,
    on_text: Vec<usize>,
    rules: Vec<Rule>,
    /// A condition asks where text came from.
    traces: bool,
}

impl Rules {
    /// Sorts rules by what they are about; the error says which is wrong, and in which field.
    pub fn new(rules: Vec<Rule>) -> Result<Self, (usize, &'static str, String)> {
        let mut inner = Inner {
            by_tool: HashMap::new(),
            for_any: Vec::new(),
            on_call: Vec::new(),
            on_text: Vec::new(),
            rules: Vec::new(),
            traces: rules.iter().any(|rule| rule.condition.as_ref().is_some_and(|one| one.traces)),
        };
        for (at, rule) in rules.iter().enumerate() {
            check(rule).map_err(|(field, words)| (at, field, words))?;
            match rule.on {
                On::Call => inner.on_call.push(at),
                On::Text => inner.on_text.push(at),
                On::ToolCall if !rule.tools.is_empty() && rule.tools.iter().all(is_name) => {
                    for tool in &rule.tools {
                        inner.by_tool.entry(tool.as_str().to_lowercase()).or_default().push(at);
                    }
                }
                On::ToolCall => inner.for_any.push(at),
            }
        }
        inner.rules = rules;
        Ok(Self(Arc::new(inner)))
    }
}

fn is_name(pattern: &Pattern) -> bool {
    !pattern.as_str().contains(['*', '?', '[', '{', '\\'])
}

/// Whether a rule asks where text came from.
fn traces(rule: &Rule) -> bool {
    !rule.from.is_empty() || rule.condition.as_ref().is_some_and(|condition| condition.traces)
}

fn check(rule: &Rule) -> Result<(), (&'static str, String)> {
    let about_tools = !rule.tools.is_empty()
        || !rule.arguments.is_empty()
        || !rule.paths.is_empty()
        || !rule.hosts.is_empty()
        || traces(rule);
    if rule.on != On::ToolCall && about_tools {
        let words =
            "tools, arguments, paths, hosts and where text came from are asked for on `tool_call` only";
        return Err(("on", words.into()));
    }
    let possible = match (rule.then, rule.on) {
        (Then::Answer | Then::KeepLocal, On::Text | On::ToolCall) => Some("call"),
        (Then::Remove | Then::Replace | Then::Resample | Then::Stop | Then::Warn, On::Call) => {
            Some("tool_call` or `text")
        }
        (Then::Rewrite, On::Call | On::Text) => Some("tool_call"),
        _ => None,
    };
    if let Some(on) = possible {
        return Err(("then", format!("this can be done on `{on}` only")));
    }
    let words_needed = matches!(rule.then, Then::Answer | Then::Replace | Then::Rewrite);
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

impl Policy for Rules {
    fn judges_requests(&self) -> bool {
        !self.0.on_call.is_empty()
    }

    fn may_resample(&self) -> bool {
        self.0.rules.iter().any(|rule| rule.then == Then::Resample)
    }

    fn needs(&self) -> Needs {
        let text = if self.0.on_text.is_empty() { TextNeed::None } else { TextNeed::Whole };
        let turn = self.0.rules.iter().filter_map(|rule| rule.condition.as_ref());
        let about_session = |text: &str| text.contains("call.session") || text.contains("call.turn");
        let conversation = turn.into_iter().any(|condition| about_session(&condition.text))
            || self.0.rules.iter().any(traces);
        let tools = !self.0.by_tool.is_empty() || !self.0.for_any.is_empty();
        Needs { conversation, text, tools, ..Needs::default() }
    }

    fn rules(&self) -> Vec<String> {
        self.0.rules.iter().map(|rule| rule.name.clone()).collect()
    }

    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun> {
        self.open_with(facts, &Common::default())
    }

    fn open_with(&self, _: &CallFacts, common: &Common) -> Box<dyn PolicyRun> {
        Box::new(Applying(self.0.clone(), common.clone()))
    }
}

struct Applying(Arc<Inner>, Common);

impl Applying {
    /// The first of these rules that decides; those that only note something come with it.
    fn met<'a>(
        &'a self,
        among: impl Iterator<Item = usize>,
        subject: &mut Subject<'_>,
    ) -> (Vec<&'a Rule>, Option<&'a Rule>) {
        let mut noted = Vec::new();
        for rule in among.map(|at| &self.0.rules[at]) {
            if !meets(rule, subject) {
                continue;
            }
            match rule.then {
                Then::Annotate | Then::Warn => noted.push(rule),
                Then::Allow
                | Then::Answer
                | Then::Ask
                | Then::KeepLocal
                | Then::Refuse
                | Then::Remove
                | Then::Replace
                | Then::Resample
                | Then::Rewrite
                | Then::Stop => return (noted, Some(rule)),
            }
        }
        (noted, None)
    }

    fn block(&self, among: impl Iterator<Item = usize>, subject: &mut Subject<'_>) -> BlockVerdict {
        let (noted, decides) = self.met(among, subject);
        let with = |rule: &Rule| rule.with.clone().unwrap_or_default();
        let Some(rule) = decides.filter(|rule| rule.then != Then::Allow) else {
            let loudest = noted.iter().find(|rule| rule.then == Then::Warn).or(noted.first());
            return match loudest {
                Some(rule) if rule.then == Then::Warn => BlockVerdict::Warn(finding(rule)),
                Some(rule) => BlockVerdict::Annotate(finding(rule)),
                None => BlockVerdict::Allow,
            };
        };
        let finding = finding(rule);
        match rule.then {
            Then::Allow | Then::Annotate | Then::Answer | Then::KeepLocal | Then::Warn => BlockVerdict::Allow,
            Then::Ask => BlockVerdict::AskPerson(finding),
            Then::Refuse => BlockVerdict::Refuse(finding),
            Then::Remove => BlockVerdict::Remove(finding),
            Then::Replace => BlockVerdict::Replace { finding, text: with(rule) },
            Then::Resample => BlockVerdict::Resample(finding),
            Then::Rewrite => BlockVerdict::Rewrite { finding, value: with(rule) },
            Then::Stop => BlockVerdict::Stop(finding),
        }
    }
}

impl PolicyRun for Applying {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        if self.0.on_call.is_empty() {
            return CallVerdict::Allow;
        }
        let mut subject = Subject::new(view.facts, "", "", facts::Seen::default());
        let (noted, decides) = self.met(self.0.on_call.iter().copied(), &mut subject);
        match decides {
            Some(rule) if rule.then == Then::Answer => {
                CallVerdict::Answer { finding: finding(rule), text: rule.with.clone().unwrap_or_default() }
            }
            Some(rule) if rule.then == Then::Ask => CallVerdict::AskPerson(finding(rule)),
            Some(rule) if rule.then == Then::KeepLocal => CallVerdict::KeepLocal(finding(rule)),
            Some(rule) if rule.then == Then::Refuse => CallVerdict::Refuse(finding(rule)),
            Some(_) | None => {
                noted.first().map_or(CallVerdict::Allow, |rule| CallVerdict::Annotate(finding(rule)))
            }
        }
    }

    fn on_block(&mut self, piece: Piece<'_>, view: &View<'_>) -> BlockVerdict {
        match piece {
            Piece::Text(text) if !self.0.on_text.is_empty() => {
                let mut subject = Subject::new(view.facts, "", text, facts::Seen::default());
                self.block(self.0.on_text.iter().copied(), &mut subject)
            }
            Piece::Text(_) => BlockVerdict::Allow,
            Piece::ToolCall(call) => self.tool_call(call, view),
        }
    }
}

impl Applying {
    fn tool_call(&self, call: &ToolCall, view: &View<'_>) -> BlockVerdict {
        let named = self.0.by_tool.get(&call.name.to_lowercase()).map_or(&[][..], Vec::as_slice);
        if named.is_empty() && self.0.for_any.is_empty() {
            return BlockVerdict::Allow;
        }
        // Some clients mend what is broken, and nobody knows how.
        let broken = call.kind == ToolKind::Function && call.object().is_none();
        if broken && merged(named, &self.0.for_any).any(|at| looks_inside(&self.0.rules[at], call)) {
            return BlockVerdict::Unsure("the arguments of the call are no JSON object".into());
        }
        let of_conversation = |at| traces(&self.0.rules[at]) && is_about(&self.0.rules[at], call);
        if view.conversation.is_none() && merged(named, &self.0.for_any).any(of_conversation) {
            return BlockVerdict::Unsure(
                "nobody knows where its text came from: the conversation cannot be read".into(),
            );
        }
        let seen = facts::Seen::of(call);
        let mut subject = Subject::new(view.facts, &call.name, &call.arguments, seen);
        subject.traced = view.conversation.map(|conversation| Traced {
            call,
            common: &self.1,
            conversation,
            found: OnceCell::new(),
            of_conditions: self.0.traces,
        });
        self.block(merged(named, &self.0.for_any), &mut subject)
    }
}

/// Whether a rule forbids something about the arguments of a call.
fn looks_inside(rule: &Rule, call: &ToolCall) -> bool {
    let inside = !rule.arguments.is_empty()
        || !rule.paths.is_empty()
        || !rule.hosts.is_empty()
        || rule.condition.is_some();
    inside && is_about(rule, call) && !matches!(rule.then, Then::Allow | Then::Annotate | Then::Warn)
}

/// Whether a rule is about this tool.
fn is_about(rule: &Rule, call: &ToolCall) -> bool {
    rule.tools.is_empty() || rule.tools.iter().any(|tool| tool.matches(&call.name))
}

/// Two lists in order, in order.
fn merged<'a>(mut one: &'a [usize], mut other: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    std::iter::from_fn(move || {
        let from_one = match (one.first(), other.first()) {
            (Some(a), Some(b)) => a < b,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let list = if from_one { &mut one } else { &mut other };
        let (first, rest) = list.split_first()?;
        *list = rest;
        Some(*first)
    })
}

fn finding(rule: &Rule) -> Finding {
    let reason = rule.reason.clone().unwrap_or_else(|| format!("the rule `{}` forbids it", rule.name));
    Finding { evidence: None, reason, rule: Some(rule.name.clone()) }
}

fn meets(rule: &Rule, subject: &mut Subject<'_>) -> bool {
    let any = |patterns: &[Pattern], names: &[String]| {
        patterns.is_empty() || names.iter().any(|name| patterns.iter().any(|one| one.matches(name)))
    };
    (rule.tools.is_empty() || rule.tools.iter().any(|tool| tool.matches(subject.tool)))
        && rule
            .arguments
            .iter()
            .all(|(name, pattern)| subject.seen.argument(name).is_some_and(|text| pattern.matches(&text)))
        && (rule.paths.is_empty()
            || subject.seen.paths().iter().any(|path| rule.paths.iter().any(|one| one.matches(path))))
        && any(&rule.hosts, if rule.hosts.is_empty() { &[] } else { subject.seen.hosts() })
        && (rule.from.is_empty()
            || subject.traced.as_ref().is_some_and(|traced| from::any(&rule.from, traced.found())))
        && rule.condition.as_ref().is_none_or(|condition| subject.fulfils(condition))
}

#[cfg(test)]
mod tests;
