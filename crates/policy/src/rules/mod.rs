//! Rules: what may happen, told in YAML.
//!
//! # What it does
//!
//! Goes through a list of rules, in order. A rule names what it is about (tools, arguments, paths, hosts, where their text came from) and,
//! where that is not enough, a condition in [CEL](https://cel.dev). The first rule that meets a call decides; `annotate` and `warn` are noted, each, and the
//! next rules are still asked. What no rule meets is allowed. The record has with each rule what of the call it met.
//!
//! Of the files, hosts and sources that a call names, one is enough for a rule that refuses, asks or notes; a rule with `then: allow` must fit all of them. Of a
//! shell command count the files that it reaches and the hosts that it talks to.
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
//! # What a request says
//!
//! A rule on `call` sees the texts of the request, each with whose it is: `system`, `user` (with `last_user` for what was said last), `assistant`, or the tool that gave it back
//! (`web`, `file`, `shell`, `mcp`, `other`, `tool:NAME`). `texts` are patterns that one of them must fit, `from` bounds which are meant; a condition has `request.user`,
//! `request.system` and `request.texts`. All of it is there for rules on tool calls and on words too.
//!
//! ```yaml
//! policies:
//!   chain:
//!     - rules:
//!         - name: code-name
//!           on: call
//!           from: [user]
//!           texts: ["*project falcon*", "*falcon.example*"]
//!           then: keep_local
//!           reason: what is about Falcon stays in the house
//!         - name: pages-that-instruct
//!           on: call
//!           from: [web]
//!           texts: ["*ignore * previous instructions*"]
//!           then: refuse
//!         - name: our-instructions
//!           on: call
//!           if: "!request.system.contains('house rules')"
//!           then: refuse
//!           reason: the client has to send the house rules
//!         - name: mail-that-was-read
//!           on: call
//!           if: "request.texts.exists(t, 'tool:read_mail' in t.from && t.text.contains('http://'))"
//!           then: annotate
//!         - name: deploys-only-when-told
//!           tools: [Bash]
//!           if: "commands.contains('deploy') && !request.user.contains('deploy')"
//!           then: ask
//! ```
//!
//! Only a rule that asks for them costs the reading of the request.
//!
//! # Rewriting requests
//!
//! A rule on `call` with `then: rewrite` changes the whole request: what `set` names is set, what `remove` names goes, in whatever dialect the client speaks.
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: house
//!       rules:
//!         - name: in-bounds
//!           on: call
//!           then: rewrite
//!           set:
//!             add_system: Never write to production.
//!             most_tokens: 8000
//!             temperature: 0
//!           remove:
//!             parameters: [seed, top_p]
//!             tools: ["mcp__billing__*"]
//! ```
//!
//! All other bytes stay. The request that leaves is one that is taken: a bound below Claude's budget of thoughts lowers that, or ends thinking; a `temperature` for a model
//! that takes none is left, and the record says so; a choice of a tool that is gone goes with it. Where Claude's history holds calls and no tool is left, the tools
//! stay by their names alone, and none may be called. The record has the request as it came and as it went. Policies on requests judge it as it came.
//! Embeddings and token counts, which nobody answers, go on as they are; requests to endpoints that are not modelled cannot be changed as a whole, and
//! `on_failure` says whether they go.
//!
//! # Limits
//!
//! A pattern on an argument of a shell command sees its text, not what it does (`shell_guard` does). Conditions have in `commands` what would really run, a
//! simple command a line: behind `;` and in brackets, without variables before it, `sudo`, `bash -c` and the like, also without the options before its
//! first word. A command that cannot be read meets no rule about its files, hosts or `commands`: where one of these would forbid something, `on_failure`
//! decides. Paths are compared as text, after `.`, `..` and `~` are taken out; links are not followed.
//!
//! What embeddings are made of, and `prompt` and `input` of requests to endpoints that are not modelled, are texts of the person's. Of a request that cannot be read nobody knows what it says: where a rule about
//! its texts would forbid something, `on_failure` decides.
//!
//! `from` finds text of earlier tool results again whatever its line breaks, quotes, case and escapes are, in base64 and in addresses too:
//! 32 letters and digits in a row, or a mail address, a link or an id. It does not find what the model has put into other words, nor the way
//! over a file: text that a command fetched and wrote down is text of a file when it is read. What the person or the instructions say
//! themselves, and what the model said before a tool did, is from nowhere.

mod check;
mod condition;
pub(crate) mod facts;
pub(crate) mod from;
mod meets;
pub(crate) mod slips;
mod subject;
mod texts;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use lockgate_core::content::{ToolCall, ToolKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::chain::Pattern;
use crate::changes::{Changes, Remove, Set};
use crate::common::Common;
use crate::message;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{Also, BlockVerdict, CallVerdict, Finding};
use check::{check, traces};
use condition::Asks;
use meets::{asks_texts, evidence, forbids, may_reach, meets};
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
    /// Files that a tool call names in its arguments or its shell command; one of them must fit one of these (for `allow`, each). `*` stays within a folder, `**` does not; a
    /// pattern without `/` is for a name in any folder.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// Hosts of addresses that a tool call names in its arguments or its shell command; one of them must fit one of these (for `allow`, each).
    #[serde(default)]
    pub hosts: Vec<Pattern>,
    /// Tools whose results have text in the arguments of a tool call; one of them must fit (for `allow`, each). `web`, `file`, `shell`, `mcp`, `other` are kinds of
    /// tools, `tool:NAME` is one by its name, with `*` for any text. On `call`: whose texts of the request are meant; there `user`, `last_user` (what the person said
    /// last), `system` and `assistant` are sources too.
    #[serde(default)]
    pub from: Vec<From>,
    /// Texts of a request (on `call`); one of them must fit one of these (for `allow`, each). A pattern stands for the whole text: `*word*` finds a word.
    #[serde(default)]
    pub texts: Vec<Pattern>,
    /// A condition in CEL, over `tool`, `args`, `text`, `commands` (of a shell tool: one a line), `paths`, `hosts`, `provenance` (a list of `web`, `tool:WebFetch` and the like), `request` (`user`: what the person said last; `system`; `texts`: a list of `text` and `from`) and `call` (`model`, `client`, `dialect`, `key`, `project`, `session`, `turn`,
    /// `user`). A condition that fails (an argument that is not there) is not met.
    #[serde(default, rename = "if")]
    pub condition: Option<Condition>,
    /// What becomes of what meets it.
    pub then: Then,
    /// Why, for whoever meets it.
    #[serde(default)]
    pub reason: Option<String>,
    /// The words of `answer` and `replace`, or the JSON of the arguments of `rewrite` on a tool call.
    #[serde(default)]
    pub with: Option<String>,
    /// What `rewrite` sets in a request.
    #[serde(default)]
    pub set: Set,
    /// What `rewrite` takes out of a request.
    #[serde(default)]
    pub remove: Remove,
}

impl Rule {
    /// What it changes in a request.
    fn changes(&self) -> Changes {
        Changes { remove: self.remove.clone(), set: self.set.clone() }
    }
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

pub use condition::Condition;

/// The policy.
pub struct Rules(Arc<Inner>);

struct Inner {
    /// What conditions ask for.
    asks: Asks,
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
        Common::warm();
        let conditions = rules.iter().filter_map(|rule| rule.condition.as_ref());
        let mut inner = Inner {
            asks: conditions.fold(Asks::default(), |asks, condition| asks.and(condition.asks)),
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
            || self.0.rules.iter().any(|rule| traces(rule) || asks_texts(rule));
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
        Box::new(Applying { also: Vec::new(), common: common.clone(), inner: self.0.clone() })
    }
}

struct Applying {
    also: Vec<Also>,
    common: Common,
    inner: Arc<Inner>,
}

/// What rules say of a thing.
struct Met<'a> {
    /// The first that decides.
    decides: Option<&'a Rule>,
    /// Those that only note something, which were asked before it.
    noted: Vec<&'a Rule>,
    /// Why nobody can say whether one would have decided before it.
    unsure: Option<String>,
}

impl Inner {
    fn met(&self, among: impl Iterator<Item = usize>, subject: &mut Subject<'_>) -> Met<'_> {
        let mut met = Met { decides: None, noted: Vec::new(), unsure: None };
        for rule in among.map(|at| &self.rules[at]) {
            if !meets(rule, subject) {
                if met.unsure.is_none() && forbids(rule) && may_reach(rule, subject) {
                    met.unsure = subject.seen.unread().map(str::to_owned);
                }
                if met.unsure.is_none() && forbids(rule) && asks_texts(rule) {
                    met.unsure = subject.unread().map(str::to_owned);
                }
                continue;
            }
            match rule.then {
                Then::Annotate | Then::Warn => met.noted.push(rule),
                Then::Allow
                | Then::Answer
                | Then::Ask
                | Then::KeepLocal
                | Then::Refuse
                | Then::Remove
                | Then::Replace
                | Then::Resample
                | Then::Rewrite
                | Then::Stop => {
                    met.decides = Some(rule);
                    break;
                }
            }
        }
        met
    }
}

impl Applying {
    /// Why a rule says what it says, with what of the call it met.
    fn finding(&self, rule: &Rule, subject: &Subject<'_>) -> Finding {
        let evidence = evidence(rule, subject).map(|text| {
            let masked = self.common.redactor().redact(message::cut(&text, 4 * EVIDENCE)).into_owned();
            message::cut(&masked, EVIDENCE).to_owned()
        });
        Finding { evidence, ..finding(rule) }
    }

    fn block(&mut self, among: impl Iterator<Item = usize>, subject: &mut Subject<'_>) -> BlockVerdict {
        let inner = self.inner.clone();
        let Met { decides, mut noted, unsure } = inner.met(among, subject);
        let decides = decides.filter(|rule| rule.then != Then::Allow);
        if let Some(why) = unsure.filter(|_| decides.is_none_or(|rule| rule.then == Then::Rewrite)) {
            self.note(&noted, subject);
            return BlockVerdict::Unsure(why);
        }
        let Some(rule) = decides else {
            // The loudest is the verdict, the others stand beside it.
            let loudest = noted.iter().position(|rule| rule.then == Then::Warn).unwrap_or(0);
            if noted.is_empty() {
                return BlockVerdict::Allow;
            }
            let rule = noted.remove(loudest);
            self.note(&noted, subject);
            let finding = self.finding(rule, subject);
            return if rule.then == Then::Warn {
                BlockVerdict::Warn(finding)
            } else {
                BlockVerdict::Annotate(finding)
            };
        };
        self.note(&noted, subject);
        let with = |rule: &Rule| rule.with.clone().unwrap_or_default();
        let finding = self.finding(rule, subject);
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

    /// Keeps what rules have to say beside the verdict.
    fn note(&mut self, rules: &[&Rule], subject: &Subject<'_>) {
        for rule in rules {
            let finding = self.finding(rule, subject);
            self.also.push(Also { finding, warns: rule.then == Then::Warn });
        }
    }
}

impl PolicyRun for Applying {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        if self.inner.on_call.is_empty() {
            return CallVerdict::Allow;
        }
        let inner = self.inner.clone();
        let mut subject = Subject::new(view.facts, "", "", facts::Seen::default());
        subject.conversation = view.conversation;
        let Met { decides, mut noted, unsure } = inner.met(inner.on_call.iter().copied(), &mut subject);
        let refused = decides.is_some_and(|rule| matches!(rule.then, Then::Ask | Then::Refuse));
        if let Some(why) = unsure.filter(|_| !refused) {
            self.note(&noted, &subject);
            return CallVerdict::Unsure(why);
        }
        let finding = |rule| self.finding(rule, &subject);
        let verdict = match decides {
            Some(rule) if rule.then == Then::Answer => {
                CallVerdict::Answer { finding: finding(rule), text: rule.with.clone().unwrap_or_default() }
            }
            Some(rule) if rule.then == Then::Ask => CallVerdict::AskPerson(finding(rule)),
            Some(rule) if rule.then == Then::KeepLocal => CallVerdict::KeepLocal(finding(rule)),
            Some(rule) if rule.then == Then::Refuse => CallVerdict::Refuse(finding(rule)),
            Some(rule) if rule.then == Then::Rewrite => {
                let finding = Finding { reason: rewrites(rule), ..finding(rule) };
                CallVerdict::Rewrite { changes: Box::new(rule.changes()), finding }
            }
            Some(_) | None if noted.is_empty() => CallVerdict::Allow,
            Some(_) | None => CallVerdict::Annotate(finding(noted.remove(0))),
        };
        self.note(&noted, &subject);
        verdict
    }

    fn on_block(&mut self, piece: Piece<'_>, view: &View<'_>) -> BlockVerdict {
        match piece {
            Piece::Text(text) if !self.inner.on_text.is_empty() => {
                let inner = self.inner.clone();
                let mut subject = Subject::new(view.facts, "", text, facts::Seen::default());
                subject.conversation = view.conversation;
                self.block(inner.on_text.iter().copied(), &mut subject)
            }
            Piece::Text(_) => BlockVerdict::Allow,
            Piece::ToolCall(call) => self.tool_call(call, view),
        }
    }

    fn also(&mut self) -> Vec<Also> {
        std::mem::take(&mut self.also)
    }
}

impl Applying {
    fn tool_call(&mut self, call: &ToolCall, view: &View<'_>) -> BlockVerdict {
        let inner = self.inner.clone();
        let named = inner.by_tool.get(&call.name.to_lowercase()).map_or(&[][..], Vec::as_slice);
        if named.is_empty() && inner.for_any.is_empty() {
            return BlockVerdict::Allow;
        }
        // Some clients mend what is broken, and nobody knows how.
        let broken = call.kind == ToolKind::Function && call.object().is_none();
        if broken && merged(named, &inner.for_any).any(|at| looks_inside(&inner.rules[at], call)) {
            return BlockVerdict::Unsure("the arguments of the call are no JSON object".into());
        }
        let of_conversation = |at| traces(&inner.rules[at]) && is_about(&inner.rules[at], call);
        if view.conversation.is_none() && merged(named, &inner.for_any).any(of_conversation) {
            return BlockVerdict::Unsure(
                "nobody knows where its text came from: the conversation cannot be read".into(),
            );
        }
        let common = self.common.clone();
        let seen = facts::Seen::of(call);
        let mut subject = Subject::new(view.facts, &call.name, &call.arguments, seen);
        subject.asks = inner.asks;
        subject.conversation = view.conversation;
        subject.traced = view.conversation.map(|conversation| Traced {
            call,
            common: &common,
            conversation,
            found: OnceCell::new(),
        });
        self.block(merged(named, &inner.for_any), &mut subject)
    }
}

/// Whether a rule forbids something about the arguments of a call.
fn looks_inside(rule: &Rule, call: &ToolCall) -> bool {
    let inside = !rule.arguments.is_empty()
        || !rule.paths.is_empty()
        || !rule.hosts.is_empty()
        || rule.condition.is_some();
    inside && is_about(rule, call) && forbids(rule)
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

/// So many bytes of what a rule met are recorded.
const EVIDENCE: usize = 200;

/// Why a rule rewrites a request.
fn rewrites(rule: &Rule) -> String {
    rule.reason.clone().unwrap_or_else(|| format!("the rule `{}` rewrites it", rule.name))
}

fn finding(rule: &Rule) -> Finding {
    let reason = rule.reason.clone().unwrap_or_else(|| format!("the rule `{}` forbids it", rule.name));
    Finding { evidence: None, reason, rule: Some(rule.name.clone()) }
}

#[cfg(test)]
mod tests;
