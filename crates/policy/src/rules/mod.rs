//! Rules: what may happen, told in YAML.
//!
//! # What it does
//!
//! Goes through a list of rules, in order. A rule names what it is about (tools, arguments, paths, hosts, models) and, where that is not
//! enough, a condition in [CEL](https://cel.dev). The first rule that meets a call decides; `annotate` and `warn` are noted and the next
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
//! ```
//!
//! # Limits
//!
//! A pattern on a shell command sees its text, not what it does (`shell_guard` does). Paths are compared as text, after `.`, `..` and
//! `~` are taken out; links are not followed.

mod facts;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value};
use globset::{GlobBuilder, GlobMatcher};
use lockgate_core::content::{ToolCall, ToolKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::chain::Pattern;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{BlockVerdict, CallVerdict, Finding};

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
    /// A condition in CEL, over `tool`, `args`, `text`, `paths`, `hosts` and `call` (`model`, `client`, `dialect`, `key`, `project`, `session`, `turn`,
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

/// What becomes of what meets a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It passes, and no further rule is asked.
    Allow,
    /// It is noted, and further rules are asked.
    Annotate,
    /// The gateway answers (on `call` only).
    Answer,
    /// A person decides; it is refused if they decline.
    Ask,
    /// It is refused, with the reason.
    Refuse,
    /// The client does not get it.
    Remove,
    /// Words take its place.
    Replace,
    /// A tool call gets other arguments.
    Rewrite,
    /// The answer ends here.
    Stop,
    /// It passes with a warning, and further rules are asked.
    Warn,
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

/// A condition in CEL.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "cel"))]
pub struct Condition {
    program: Arc<Program>,
    text: String,
}

/// What a condition may name.
const NAMES: [&str; 6] = ["args", "call", "hosts", "paths", "text", "tool"];

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let program = ENV.compile(&text).map_err(|errors| {
            let words = errors.to_string();
            format!("not a condition in CEL: {}", words.lines().next().unwrap_or_default())
        })?;
        let unknown = {
            let references = program.references();
            let names = references.variables();
            names.into_iter().find(|name| !NAMES.contains(name) && !name.starts_with('@')).map(str::to_owned)
        };
        if let Some(name) = unknown {
            return Err(format!("a condition knows {}, but not `{name}`", NAMES.join(", ")));
        }
        Ok(Self { program: Arc::new(program), text })
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

fn check(rule: &Rule) -> Result<(), (&'static str, String)> {
    let about_tools = !rule.tools.is_empty()
        || !rule.arguments.is_empty()
        || !rule.paths.is_empty()
        || !rule.hosts.is_empty();
    if rule.on != On::ToolCall && about_tools {
        let words = "tools, arguments, paths and hosts are asked for on `tool_call` only";
        return Err(("on", words.into()));
    }
    let possible = match (rule.then, rule.on) {
        (Then::Answer, On::Text | On::ToolCall) => Some("call"),
        (Then::Remove | Then::Replace | Then::Stop | Then::Warn, On::Call) => Some("tool_call` or `text"),
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
    fn needs(&self) -> Needs {
        let text = if self.0.on_text.is_empty() { TextNeed::None } else { TextNeed::Whole };
        let turn = self.0.rules.iter().filter_map(|rule| rule.condition.as_ref());
        let about_session = |text: &str| text.contains("call.session") || text.contains("call.turn");
        let conversation = turn.into_iter().any(|condition| about_session(&condition.text));
        let tools = !self.0.by_tool.is_empty() || !self.0.for_any.is_empty();
        Needs { conversation, text, tools, ..Needs::default() }
    }

    fn rules(&self) -> Vec<String> {
        self.0.rules.iter().map(|rule| rule.name.clone()).collect()
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(Applying(self.0.clone()))
    }
}

struct Applying(Arc<Inner>);

/// What a condition is asked about. Values are made when the first condition wants them.
struct Subject<'a> {
    context: Option<Context<'a, 'static>>,
    facts: &'a CallFacts,
    seen: facts::Seen,
    text: &'a str,
    tool: &'a str,
}

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
                | Then::Refuse
                | Then::Remove
                | Then::Replace
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
            Then::Allow | Then::Annotate | Then::Answer | Then::Warn => BlockVerdict::Allow,
            Then::Ask => BlockVerdict::AskPerson(finding),
            Then::Refuse => BlockVerdict::Refuse(finding),
            Then::Remove => BlockVerdict::Remove(finding),
            Then::Replace => BlockVerdict::Replace { finding, text: with(rule) },
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
        let seen = facts::Seen::of(call);
        let mut subject = Subject::new(view.facts, &call.name, &call.arguments, seen);
        self.block(merged(named, &self.0.for_any), &mut subject)
    }
}

/// Whether a rule forbids something about the arguments of a call.
fn looks_inside(rule: &Rule, call: &ToolCall) -> bool {
    let inside = !rule.arguments.is_empty()
        || !rule.paths.is_empty()
        || !rule.hosts.is_empty()
        || rule.condition.is_some();
    let about = rule.tools.is_empty() || rule.tools.iter().any(|tool| tool.matches(&call.name));
    inside && about && !matches!(rule.then, Then::Allow | Then::Annotate | Then::Warn)
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
        && rule.condition.as_ref().is_none_or(|condition| subject.fulfils(condition))
}

impl<'a> Subject<'a> {
    fn new(facts: &'a CallFacts, tool: &'a str, text: &'a str, seen: facts::Seen) -> Self {
        Self { context: None, facts, seen, text, tool }
    }

    fn fulfils(&mut self, condition: &Condition) -> bool {
        if self.context.is_none() {
            let mut context = Context::with_env(ENV.clone());
            let call = serde_json::json!({
                "client": self.facts.client,
                "dialect": self.facts.dialect,
                "key": self.facts.key,
                "model": self.facts.model,
                "project": self.facts.project,
                "session": self.facts.session,
                "turn": self.facts.human_turn,
                "user": self.facts.user,
            });
            for (name, value) in [
                ("args", cel::to_value(self.seen.arguments())),
                ("call", cel::to_value(call)),
                ("hosts", cel::to_value(self.seen.hosts())),
                ("paths", cel::to_value(self.seen.paths())),
            ] {
                context.add_variable_from_value(name, value.unwrap_or(Value::Null));
            }
            context.add_variable_from_value("text", self.text.to_owned());
            context.add_variable_from_value("tool", self.tool.to_owned());
            self.context = Some(context);
        }
        let context = self.context.as_ref();
        context.is_some_and(|context| matches!(condition.program.execute(context), Ok(Value::Bool(true))))
    }
}

#[cfg(test)]
mod tests;
