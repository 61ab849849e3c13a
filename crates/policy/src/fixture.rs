//! Policies tried on made-up things: what the users of a configuration test it with, and what a change of it is judged by.
//!
//! A fixture is a tool call, a text or a request, and what shall be said of it. Nobody is asked anything: a policy that depends on an
//! answer says `ask`.

use std::sync::Arc;

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, DataClass, Delta, Event, Started, Stop, StopReason};
use serde::Deserialize;
use serde_json::Value;

use crate::chain::Chain;
use crate::decision::Decision;
use crate::lock::Lock;
use crate::policy::CallFacts;
use crate::quality::Team;
use crate::request::CallOutcome;
use crate::run::Run;
use crate::verdict::{Query, Reply};

mod coverage;
mod history;

pub use coverage::not_met;
pub use history::Spoken;

/// A file of fixtures.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixtures {
    /// The fixtures, in order.
    pub tests: Vec<Fixture>,
}

/// Something made up, and what shall be said of it. Without `tool` and `text` it is a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fixture {
    /// The arguments of the tool call: an object, or the text of a tool that takes free text.
    pub arguments: Value,
    /// The program that calls.
    pub client: Option<String>,
    /// The data class of the key.
    pub data_class: Option<DataClass>,
    /// What shall be said: `allow`, or a verdict.
    pub expect: Expect,
    /// What was said before, in order: the conversation of the request.
    pub history: Vec<Spoken>,
    /// The key that calls.
    pub key: Option<String>,
    /// The model that is asked for.
    pub model: Option<String>,
    /// What it is about, for people.
    pub name: Option<String>,
    /// The policy that shall say it.
    pub policy: Option<String>,
    /// The project of the key.
    pub project: Option<String>,
    /// Words that the reason shall hold.
    pub reason: Option<String>,
    /// The rule that shall say it.
    pub rule: Option<String>,
    /// The session that the client names.
    pub session: Option<String>,
    /// How strictly the client takes quality (`x-lockgate-team`).
    pub team: Option<Team>,
    /// Words of an answer.
    pub text: Option<String>,
    /// The tool that is called.
    pub tool: Option<String>,
    /// How often the person has spoken: 1, their first turn, if not given.
    pub turn: Option<u32>,
    /// The user of the key.
    pub user: Option<String>,
}

pub use crate::decision::Said as Expect;

/// What was said of a fixture.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Every verdict, in order.
    pub decisions: Vec<Decision>,
    /// What it comes to: the verdict that weighs most.
    pub said: Expect,
    /// Why it is not what was expected; `None` = it is.
    pub wrong: Option<String>,
}

impl Fixture {
    /// What it is about, for people.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| match (&self.tool, &self.text) {
            (Some(tool), _) => format!("{tool} {}", self.arguments),
            (None, Some(text)) => format!("text {text:?}"),
            (None, None) => format!("a call for {}", self.model.as_deref().unwrap_or("a model")),
        })
    }

    /// Tries it.
    pub fn judge(&self, chain: &Chain) -> Judged {
        let facts = CallFacts {
            client: self.client.clone(),
            data_class: self.data_class,
            human_turn: self.turn.unwrap_or(1),
            key: self.key.clone(),
            model: self.model.clone().unwrap_or_default(),
            project: self.project.clone(),
            session: self.session.clone(),
            team: self.team,
            user: self.user.clone(),
            ..CallFacts::unknown("test")
        };
        let Some(mut run) = chain.open(facts) else { return self.compared(Vec::new(), false) };
        run.set_conversation(Arc::new(history::conversation(&self.history)));
        let mut outcome = run.on_call();
        let mut asks = false;
        while outcome == CallOutcome::Asking && !asks {
            for (ticket, question) in run.take_questions() {
                match question.query {
                    // Nothing was spent.
                    Query::Costs(_) => outcome = run.on_call_reply(ticket, Reply::Text("0".into())),
                    Query::Again(_) | Query::Judge(_) | Query::Person(_) | Query::Service(_) => asks = true,
                }
            }
        }
        let goes_on = matches!(outcome, CallOutcome::Go | CallOutcome::Asking);
        if goes_on && self.tool.is_none() && self.text.is_none() {
            self.rewritten(&mut run);
        }
        if goes_on && (self.tool.is_some() || self.text.is_some()) {
            let mut lock = Lock::new(&run);
            let mut out = Vec::new();
            for event in self.events() {
                lock.push(&mut run, event, &mut out);
            }
        }
        let costs = |query: &Query| matches!(query, Query::Costs(_));
        asks |= run.take_questions().iter().any(|(_, question)| !costs(&question.query));
        self.compared(run.take_decisions(), asks)
    }

    /// Lets policies change the words of the request.
    fn rewritten(&self, run: &mut Run) {
        let mut refused = None;
        for (origin, text) in history::texts(&self.history) {
            run.on_request_text(origin, text, &mut refused);
        }
    }

    fn events(&self) -> Vec<Event> {
        let index = 0;
        let (block, delta, reason) = match (&self.tool, &self.text) {
            (Some(name), _) => {
                let (kind, arguments) = match &self.arguments {
                    Value::String(text) => (ToolKind::Custom, text.clone()),
                    Value::Null => (ToolKind::Function, "{}".to_owned()),
                    other => (ToolKind::Function, other.to_string()),
                };
                let block =
                    BlockStart::ToolCall { id: "call_1".into(), kind, name: name.clone(), namespace: None };
                (block, Delta::Arguments(arguments), StopReason::ToolUse)
            }
            (None, text) => {
                (BlockStart::Text, Delta::Text(text.clone().unwrap_or_default()), StopReason::EndTurn)
            }
        };
        vec![
            Event::Started(Started::default()),
            Event::BlockStarted { index, block },
            Event::BlockDelta { index, delta },
            Event::BlockEnded { index },
            Event::Ended(Stop::because(reason)),
        ]
    }

    fn compared(&self, decisions: Vec<Decision>, asks: bool) -> Judged {
        // Notes weigh nothing against a verdict.
        let loud = |decision: &&Decision| !matches!(decision.said, Expect::Annotate | Expect::Append);
        let decides = decisions.iter().find(loud).or(decisions.first());
        let said = match decides {
            Some(decision) if decision.said == Expect::Append => Expect::Annotate,
            Some(decision) => decision.said,
            None if asks => Expect::Ask,
            None => Expect::Allow,
        };
        let expects_nothing = self.expect == Expect::Allow && said == Expect::Annotate;
        let expects_words = self.expect == Expect::Append && said == Expect::Annotate;
        let wrong = if said != self.expect && !expects_nothing && !expects_words {
            let why = decides.map(|decision| format!(" ({}: {})", decision.policy, decision.finding.reason));
            Some(format!(
                "expected {}, got {}{}",
                self.expect.as_str(),
                said.as_str(),
                why.unwrap_or_default()
            ))
        } else {
            decides.and_then(|decision| self.details(decision))
        };
        Judged { decisions, said, wrong }
    }

    fn details(&self, decision: &Decision) -> Option<String> {
        let policy = Some(&decision.policy);
        if self.policy.is_some() && self.policy.as_ref() != policy {
            return Some(format!(
                "expected the policy {:?}, it was {:?}",
                self.policy.as_deref()?,
                decision.policy
            ));
        }
        let rule = decision.finding.rule.as_ref();
        if self.rule.is_some() && self.rule.as_ref() != rule {
            return Some(format!("expected the rule {:?}, it was {rule:?}", self.rule.as_deref()?));
        }
        let words = self.reason.as_deref().filter(|words| !decision.finding.reason.contains(*words))?;
        Some(format!("expected {words:?} in the reason, it was {:?}", decision.finding.reason))
    }
}

/// The conversation that a fixture is about.
pub fn conversation(fixture: &Fixture) -> lockgate_core::Conversation {
    history::conversation(&fixture.history)
}
