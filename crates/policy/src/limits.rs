//! How much: the same tool call over and over, turns, tool calls of a turn, the size of a conversation, cost a minute.
//!
//! # What it does
//!
//! Counts in the conversation that the client sends. A tool call that repeats an earlier one (same tool, same arguments, same result) too
//! often without a word of the person in between is refused, with the advice to do something else; so is one beyond the number of calls
//! that a turn may have. A request of a conversation with too many turns, or one that is too large, is refused, and so is one when the calls before it have cost too much in a time. With `then: warn` all of it
//! passes, and the client is told.
//!
//! # Why
//!
//! An agent that is stuck asks the same again until somebody looks, and each time pays for all that was said before.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - limits:
//!         repeats: 4
//!         calls_per_turn: 150
//!         turns: 200
//!         context_tokens: 180000
//!         cost:
//!           - {usd: 0.50, per: minute}
//!           - {usd: 40, per: hour, of: project}
//! ```
//!
//! # Limits
//!
//! Tokens are estimated: four bytes of text are one, a picture is 1,600, forty bytes of another file in base64 are one. A conversation that
//! the client has condensed begins anew. Calls a minute are for the limits of [keys](../keys.md).
//!
//! Costs are counted by the price list when a call is over: those on their way are not in it, so calls side by side go past a limit by what they cost. A call whose
//! price is not known counts as nothing. Each gateway counts by itself, in memory, from its first request that meets such a limit, and anew when it starts;
//! times are those of the clock (UTC). `of` is whose calls count together: `key` (the default), `user`, `project` or `everybody`. Calls count whether they meet this policy or not. Embeddings and
//! requests that are only passed on cost nothing here: what they use is not read.
//!
//! A request that is too large
//! is refused in each later turn too, also one that asks the model to condense it: nobody but the client says that it does. Set the limit
//! above the size at which your clients condense, or begin a new conversation. A request that cannot be read is for `on_failure`.

use std::collections::HashMap;
use std::time::Duration;

use lockgate_core::content::{Source, ToolCall, ToolResult};
use lockgate_core::{Block, Conversation, Part, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::chain::Pattern;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, View};
use crate::spent::{CostLimit, Costs, Of};
use crate::verdict::{BlockVerdict, CallVerdict, EndVerdict, Finding, Query, Question, Reply};

/// How much may be, and what becomes of more.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How often a tool call may be made with the same arguments and the same result, one right after the other.
    #[schemars(range(min = 1))]
    pub repeats: Option<u32>,
    /// How often it may be made among the last calls (`recent_calls`), whatever was between.
    #[schemars(range(min = 1))]
    pub recent_repeats: Option<u32>,
    /// How many calls are the last ones.
    #[schemars(range(min = 1, max = 1000))]
    pub recent_calls: u32,
    /// Tools that wait for something and may be called over and over.
    pub except: Vec<Pattern>,
    /// How many tool calls may follow one word of the person.
    #[schemars(range(min = 1))]
    pub calls_per_turn: Option<u32>,
    /// How often the person may speak in a conversation.
    #[schemars(range(min = 1))]
    pub turns: Option<u32>,
    /// How large a request may be, in estimated tokens.
    #[schemars(range(min = 1))]
    pub context_tokens: Option<u64>,
    /// What calls may cost in a time before no more are made.
    pub cost: Vec<CostLimit>,
    /// What becomes of more.
    pub then: Then,
}

impl Default for Options {
    fn default() -> Self {
        let waiting = ["BashOutput", "TaskOutput", "*wait*", "write_stdin", "sleep"];
        Self {
            repeats: Some(5),
            recent_repeats: Some(10),
            recent_calls: 40,
            except: waiting.iter().filter_map(|name| Pattern::new(name).ok()).collect(),
            calls_per_turn: None,
            turns: None,
            context_tokens: None,
            cost: Vec::new(),
            then: Then::Refuse,
        }
    }
}

impl Options {
    /// Whether requests are counted.
    fn of_requests(&self) -> bool {
        self.turns.is_some() || self.context_tokens.is_some() || !self.cost.is_empty()
    }
}

/// What becomes of more than may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes, and the client is told.
    Warn,
}

/// The policy.
pub struct Limits(pub Options);

impl Policy for Limits {
    fn judges_requests(&self) -> bool {
        self.0.of_requests()
    }

    fn needs(&self) -> Needs {
        let options = &self.0;
        let tools =
            options.repeats.is_some() || options.recent_repeats.is_some() || options.calls_per_turn.is_some();
        Needs {
            conversation: true,
            end: options.of_requests() && options.then == Then::Warn,
            tools,
            ..Needs::default()
        }
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(Counting { answered: Vec::new(), open: 0, options: self.0.clone(), warning: None })
    }
}

struct Counting {
    /// The calls of this answer so far.
    answered: Vec<(String, Value)>,
    /// Questions about costs that are not answered.
    open: usize,
    options: Options,
    warning: Option<Finding>,
}

/// A tool call that was made since the person spoke last.
struct Made<'c> {
    call: &'c ToolCall,
    result: Option<&'c ToolResult>,
}

fn finding(rule: &str, reason: String) -> Finding {
    Finding { evidence: None, reason, rule: Some(rule.to_owned()) }
}

/// The tool calls since the person spoke last, in order.
fn made(conversation: &Conversation) -> Vec<Made<'_>> {
    let is_word = |part: &Part| matches!(part.block, Block::Text(_) | Block::Image(_));
    let is_result = |part: &Part| matches!(part.block, Block::ToolResult(_));
    let spoken = conversation.turns.iter().rposition(|turn| {
        turn.role == Role::User && turn.parts.iter().any(is_word) && !turn.parts.iter().any(is_result)
    });
    let mut made: Vec<Made<'_>> = Vec::new();
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for part in conversation.turns[spoken.unwrap_or(0)..].iter().flat_map(|turn| &turn.parts) {
        match &part.block {
            Block::ToolCall(call) => {
                by_id.insert(&call.id, made.len());
                made.push(Made { call, result: None });
            }
            Block::ToolResult(result) => {
                if let Some(at) = by_id.get(result.call_id.as_str()) {
                    made[*at].result = Some(result);
                }
            }
            _ => {}
        }
    }
    made
}

fn words(result: &ToolResult) -> Vec<&str> {
    let texts = result.content.iter().filter_map(|part| match &part.block {
        Block::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Whether two calls came to the same; those that nothing is known of did.
fn same_result(one: &Made<'_>, other: &Made<'_>) -> bool {
    match (one.result, other.result) {
        (Some(one), Some(other)) => words(one) == words(other),
        (None, _) | (_, None) => true,
    }
}

/// The arguments, so that order and blanks do not matter.
fn arguments(call: &ToolCall) -> Value {
    serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::from(call.arguments.clone()))
}

/// About how many tokens a request has.
fn tokens(conversation: &Conversation) -> u64 {
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let media: usize = parts.map(|part| media(part, 0)).sum();
    // What is in base64 is no text; it is estimated apart.
    let text = conversation.size().saturating_sub(media) / 4;
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let pictures: u64 = parts.map(|part| seen(part, 0)).sum();
    text as u64 + pictures
}

/// Bytes in base64 of a part.
fn media(part: &Part, depth: u8) -> usize {
    let size = |source: &Source| match source {
        Source::Base64 { data, .. } => data.len(),
        Source::File { .. } | Source::Text { .. } | Source::Url { .. } => 0,
    };
    match &part.block {
        Block::Audio(one) | Block::Video(one) => size(&one.source),
        Block::Document(document) => size(&document.source),
        Block::Image(image) => size(&image.source),
        Block::ToolResult(result) if depth < 4 => {
            result.content.iter().map(|part| media(part, depth + 1)).sum()
        }
        _ => 0,
    }
}

/// Tokens of what is no text.
fn seen(part: &Part, depth: u8) -> u64 {
    match &part.block {
        Block::Image(_) => 1_600,
        Block::Audio(_) | Block::Document(_) | Block::Video(_) => media(part, depth) as u64 / 40,
        Block::ToolResult(result) if depth < 4 => {
            result.content.iter().map(|part| seen(part, depth + 1)).sum()
        }
        _ => 0,
    }
}

const UNREAD: &str = "the request cannot be read, so nobody can count what is in it";

/// How long whoever counts costs has to say them: it has them in memory.
const COUNTED: Duration = Duration::from_secs(1);

const UNCOUNTED: &str = "nobody knows what calls have cost";

/// The name of whose calls count together.
fn whose(of: Of, facts: &CallFacts) -> Option<String> {
    match of {
        Of::Everybody => None,
        Of::Key => facts.key.clone(),
        Of::Project => facts.project.clone(),
        Of::User => facts.user.clone(),
    }
}

impl Counting {
    /// What becomes of a request that is past a limit.
    fn passed(&mut self, finding: Finding) -> CallVerdict {
        match self.options.then {
            Then::Refuse => CallVerdict::Refuse(finding),
            Then::Warn => {
                self.warning = Some(finding.clone());
                CallVerdict::Annotate(finding)
            }
        }
    }

    fn repeated(&self, call: &ToolCall, made: &[Made<'_>]) -> Option<Finding> {
        if self.options.except.iter().any(|pattern| pattern.matches(&call.name)) {
            return None;
        }
        let wanted = arguments(call);
        let same = |one: &&Made<'_>| {
            let name = one.call.name == call.name;
            name && (one.call.arguments == call.arguments || arguments(one.call) == wanted)
        };
        let last = made.iter().rev().find(same)?;
        let counts = |one: &&Made<'_>| same(one) && same_result(one, last);
        let beside =
            self.answered.iter().filter(|(name, known)| *name == call.name && *known == wanted).count();
        let row = made.iter().rev().take_while(counts).count() + beside;
        let recent =
            made.iter().rev().take(self.options.recent_calls as usize).filter(counts).count() + beside;
        let over = |count: usize, limit: Option<u32>| limit.is_some_and(|limit| count >= limit as usize);
        let count = if over(row, self.options.repeats) {
            row
        } else if over(recent, self.options.recent_repeats) {
            recent
        } else {
            return None;
        };
        let reason = format!(
            "the same call has been made {count} times with the same result; do something else, or ask the person"
        );
        Some(finding("repeats", reason))
    }

    fn too_many(&self, made: &[Made<'_>]) -> Option<Finding> {
        let limit = self.options.calls_per_turn?;
        let count = made.len() + self.answered.len();
        (count >= limit as usize).then(|| {
            finding(
                "calls_per_turn",
                format!("{limit} tool calls have followed the person's last words, and no more may"),
            )
        })
    }

    fn of_request(&self, view: &View<'_>) -> Option<Finding> {
        // What a client says of itself spares it notices, and nothing else.
        if view.facts.housekeeping && self.options.then == Then::Warn {
            return None;
        }
        let turn = view.facts.human_turn;
        if let Some(limit) = self.options.turns.filter(|limit| turn > *limit) {
            let reason =
                format!("this is turn {turn} of a conversation that may have {limit}; begin a new one");
            return Some(finding("turns", reason));
        }
        let limit = self.options.context_tokens?;
        let size = tokens(view.conversation?);
        (size > limit).then(|| {
            let reason = format!("the conversation has about {size} tokens and may have {limit}; condense it, or begin a new one");
            finding("context_tokens", reason)
        })
    }
}

impl PolicyRun for Counting {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        let counts = self.options.turns.is_some() || self.options.context_tokens.is_some();
        if counts && view.conversation.is_none() && view.facts.unread {
            return CallVerdict::Unsure(UNREAD.into());
        }
        match (self.of_request(view), self.options.then) {
            (Some(finding), _) => self.passed(finding),
            (None, Then::Warn) if view.facts.housekeeping => CallVerdict::Allow,
            (None, _) if self.options.cost.is_empty() => CallVerdict::Allow,
            (None, _) => {
                self.open = self.options.cost.len();
                let questions = self.options.cost.iter().map(|limit| Question {
                    deadline: COUNTED,
                    query: Query::Costs(Costs {
                        of: limit.of,
                        per: limit.per,
                        whose: whose(limit.of, view.facts),
                    }),
                });
                CallVerdict::Ask(questions.collect())
            }
        }
    }

    fn on_call_reply(&mut self, number: usize, reply: Reply, _: &View<'_>) -> Option<CallVerdict> {
        self.open = self.open.saturating_sub(1);
        let Reply::Text(spent) = reply else { return Some(CallVerdict::Unsure(UNCOUNTED.into())) };
        let (Some(limit), Ok(spent)) = (self.options.cost.get(number), spent.parse::<u64>()) else {
            return Some(CallVerdict::Unsure(UNCOUNTED.into()));
        };
        let spent = spent as f64 / 1e9;
        if spent < limit.usd {
            return (self.open == 0).then_some(CallVerdict::Allow);
        }
        let whose = match limit.of {
            Of::Everybody => "all calls".to_owned(),
            Of::Key | Of::Project | Of::User => format!("the calls of this {}", limit.of.as_str()),
        };
        let per = limit.per.as_str();
        let reason = format!(
            "{whose} have cost ${spent:.2} in this {per} and may cost ${:.2}; wait for the next",
            limit.usd
        );
        Some(self.passed(finding("cost", reason)))
    }

    fn on_block(&mut self, piece: Piece<'_>, view: &View<'_>) -> BlockVerdict {
        let Piece::ToolCall(call) = piece else { return BlockVerdict::Allow };
        let Some(conversation) = view.conversation else {
            let counts = self.options.repeats.is_some()
                || self.options.recent_repeats.is_some()
                || self.options.calls_per_turn.is_some();
            return if counts && view.facts.unread {
                BlockVerdict::Unsure(UNREAD.into())
            } else {
                BlockVerdict::Allow
            };
        };
        let made = made(conversation);
        let found = self.repeated(call, &made).or_else(|| self.too_many(&made));
        self.answered.push((call.name.clone(), arguments(call)));
        match (found, self.options.then) {
            (Some(finding), Then::Refuse) => BlockVerdict::Refuse(finding),
            (Some(finding), Then::Warn) => BlockVerdict::Warn(finding),
            (None, _) => BlockVerdict::Allow,
        }
    }

    fn on_end(&mut self, _: bool, _: &View<'_>) -> EndVerdict {
        match self.warning.take() {
            Some(finding) => {
                let text = format!("\n\n[Lockgate] A limit is passed: {}.", finding.reason);
                EndVerdict::Append { finding, text }
            }
            None => EndVerdict::Allow,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::Fixture;
    use crate::request::CallOutcome;

    fn said(options: &Value, history: &Value, tool: &str, arguments: &Value) -> String {
        let policy = Limits(serde_json::from_value(options.clone()).unwrap());
        let chain = crate::tried::chain(vec![("limits", Box::new(policy))]);
        let fixture = json!({"history": history, "tool": tool, "arguments": arguments});
        let judged = serde_json::from_value::<Fixture>(fixture).unwrap().judge(&chain);
        let rule = judged.decisions.first().and_then(|decision| decision.finding.rule.clone());
        format!("{} {}", judged.said.as_str(), rule.unwrap_or_default()).trim_end().to_owned()
    }

    fn calls(count: usize, result: impl Fn(usize) -> String) -> Vec<Value> {
        let call =
            |at| json!({"tool": "Read", "arguments": {"file_path": "a", "limit": 9}, "result": result(at)});
        [json!({"user": "go"})].into_iter().chain((0..count).map(call)).collect()
    }

    /// Issue "May this happen?", 2: the same call repeated.
    #[test]
    fn a_call_that_comes_to_the_same_again_and_again_is_refused() {
        let same = || "not found".to_owned();
        let again = json!({"limit": 9, "file_path": "a"});
        let say = |history: Vec<Value>, tool: &str| said(&json!({}), &Value::from(history), tool, &again);
        assert_eq!(say(calls(4, |_| same()), "Read"), "allow");
        assert_eq!(say(calls(5, |_| same()), "Read"), "refuse repeats");
        assert_eq!(say(calls(5, |_| same()), "Write"), "allow", "another tool");
        assert_eq!(say(calls(9, |at| format!("{at} found")), "Read"), "allow", "something changes");
        let mut spoken = calls(5, |_| same());
        spoken.push(json!({"user": "again, please"}));
        assert_eq!(say(spoken, "Read"), "allow", "the person wants it");
        let between = |count| -> Vec<Value> {
            let other = |at: usize| json!({"tool": "Grep", "arguments": {"pattern": at}, "result": "x"});
            calls(count, |_| same())
                .into_iter()
                .enumerate()
                .flat_map(|(at, call)| [call, other(at)])
                .collect()
        };
        assert_eq!(say(between(9), "Read"), "allow");
        assert_eq!(say(between(10), "Read"), "refuse repeats");
        let waiting = vec![json!({"tool": "BashOutput", "arguments": again, "result": "running"}); 30];
        assert_eq!(say(waiting, "BashOutput"), "allow", "it waits");
        let warned = json!({"then": "warn", "repeats": 1});
        assert_eq!(said(&warned, &Value::from(calls(1, |_| same())), "Read", &again), "warn repeats");
    }

    #[test]
    fn a_turn_has_so_many_calls_and_no_more() {
        let options = json!({"calls_per_turn": 3});
        let history = |count| Value::from(calls(count, |at| at.to_string()));
        assert_eq!(said(&options, &history(2), "Bash", &json!({})), "allow");
        assert_eq!(said(&options, &history(3), "Bash", &json!({})), "refuse calls_per_turn");
    }

    #[test]
    fn a_conversation_that_is_too_long_or_too_large_is_refused_whatever_the_client_calls_it() {
        let asked = |options: &Value, facts: &CallFacts, conversation: &Conversation| {
            let policy = Limits(serde_json::from_value(options.clone()).unwrap());
            let view = View { conversation: Some(conversation), facts };
            match policy.open(facts).on_call(&view) {
                CallVerdict::Refuse(finding) => finding.rule.unwrap(),
                CallVerdict::Allow => "allow".into(),
                other => format!("{other:?}"),
            }
        };
        let small = Conversation::default();
        let mut large = Conversation::default();
        large.system.push(Part::text("word ".repeat(10_000)));
        let turn = |human_turn| CallFacts { human_turn, ..CallFacts::unknown("1") };
        let options = json!({"turns": 20, "context_tokens": 10_000});
        assert_eq!(asked(&options, &turn(20), &small), "allow");
        assert_eq!(asked(&options, &turn(21), &small), "turns");
        assert_eq!(asked(&options, &turn(1), &large), "context_tokens");
        let own = CallFacts { housekeeping: true, ..turn(21) };
        assert_eq!(asked(&options, &own, &large), "turns");
        let warned = json!({"turns": 20, "then": "warn"});
        assert_eq!(asked(&warned, &own, &large), "allow", "nobody reads a notice there");
        let data = "A".repeat(400_000);
        let source = Source::Base64 { data, media_type: None };
        let picture = Block::Image(lockgate_core::content::Image { detail: None, source });
        let mut shown = Conversation::default();
        shown.turns.push(lockgate_core::Turn {
            name: None,
            parts: vec![Part::new(picture)],
            role: Role::User,
        });
        assert_eq!(asked(&options, &turn(1), &shown), "allow", "a picture is no text");
    }

    /// Issue "May this happen?", 2: cost per minute.
    #[test]
    fn calls_that_have_cost_enough_are_followed_by_none_until_the_time_is_over() {
        let facts = CallFacts { key: Some("ci".into()), ..CallFacts::unknown("1") };
        let view = View { conversation: None, facts: &facts };
        let options = json!({"cost": [{"usd": 0.5}, {"usd": 4, "per": "hour", "of": "everybody"}]});
        let policy = Limits(serde_json::from_value(options).unwrap());
        let said = |first: &str, second: &str| {
            let mut run = policy.open(&facts);
            let CallVerdict::Ask(questions) = run.on_call(&view) else { panic!("it asks") };
            let Query::Costs(asked) = &questions[0].query else { panic!("of costs") };
            assert_eq!(
                (asked.of, asked.per.as_str(), asked.whose.as_deref()),
                (Of::Key, "minute", Some("ci"))
            );
            match run.on_call_reply(0, Reply::Text(first.into()), &view) {
                None => run.on_call_reply(1, Reply::Text(second.into()), &view),
                said => said,
            }
        };
        assert!(matches!(said("499999999", "3999999999"), Some(CallVerdict::Allow)));
        let Some(CallVerdict::Refuse(finding)) = said("510000000", "0") else { panic!("it refuses") };
        let words =
            "the calls of this key have cost $0.51 in this minute and may cost $0.50; wait for the next";
        assert_eq!((finding.reason.as_str(), finding.rule.as_deref()), (words, Some("cost")));
        assert!(matches!(said("0", "4000000000"), Some(CallVerdict::Refuse(_))));
        assert!(matches!(said("?", "0"), Some(CallVerdict::Unsure(_))));
        let limit = json!({"cost": [{"usd": 0.5}]});
        assert_eq!(
            super::tests::said(&limit, &json!([{"user": "go"}]), "Bash", &json!({})),
            "allow",
            "nothing was spent"
        );
    }

    #[test]
    fn a_warning_stands_behind_the_answer() {
        let policy = Limits(serde_json::from_value(json!({"then": "warn", "turns": 2})).unwrap());
        let chain = crate::tried::chain(vec![("limits", Box::new(policy))]);
        let mut run = chain.open(CallFacts { human_turn: 3, ..CallFacts::unknown("1") }).unwrap();
        assert_eq!(run.on_call(), CallOutcome::Go);
        let told = run.end(false);
        assert!(told.len() == 1 && told[0].contains("turn 3 of a conversation that may have 2"), "{told:?}");
    }
    #[test]
    fn what_cannot_be_counted_is_not_passed() {
        let facts = CallFacts { unread: true, ..CallFacts::unknown("1") };
        let view = View { conversation: None, facts: &facts };
        let open = |options: Value| Limits(serde_json::from_value(options).unwrap()).open(&facts);
        assert!(matches!(open(json!({"context_tokens": 9})).on_call(&view), CallVerdict::Unsure(_)));
        assert!(matches!(open(json!({})).on_call(&view), CallVerdict::Allow));
        let call = ToolCall {
            arguments: "{}".into(),
            id: "1".into(),
            kind: lockgate_core::content::ToolKind::Function,
            name: "Read".into(),
            namespace: None,
            seal: None,
        };
        let verdict = open(json!({})).on_block(Piece::ToolCall(&call), &view);
        assert!(matches!(verdict, BlockVerdict::Unsure(_)), "{verdict:?}");
    }
}
