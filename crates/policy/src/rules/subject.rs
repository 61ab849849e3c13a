//! What a condition is asked about: the call, what its arguments name, where their text came from. Each is found out when somebody asks.

use std::cell::OnceCell;

use cel::{Context, Value};
use lockgate_core::Conversation;
use lockgate_core::content::ToolCall;

use super::condition::{Asks, Condition, ENV};
use super::facts;
use super::texts::Texts;
use crate::common::Common;
use crate::policy::CallFacts;
use crate::provenance::Source;

/// What a condition is asked about. Values are made when the first condition wants them.
pub(super) struct Subject<'a> {
    /// What conditions ask for.
    pub(super) asks: Asks,
    pub(super) context: Option<Context<'a, 'static>>,
    /// The conversation so far, where it could be read.
    pub(super) conversation: Option<&'a Conversation>,
    pub(super) facts: &'a CallFacts,
    pub(super) seen: facts::Seen<'a>,
    /// The texts of the request, once somebody asks.
    pub(super) said: OnceCell<Option<Texts<'a>>>,
    pub(super) text: &'a str,
    /// Whether conditions have been told of the texts of the request.
    told: bool,
    pub(super) tool: &'a str,
    /// Where the text of a tool call came from.
    pub(super) traced: Option<Traced<'a>>,
}

/// Where the text of a tool call came from, once somebody asks.
pub(super) struct Traced<'a> {
    pub(super) call: &'a ToolCall,
    pub(super) common: &'a Common,
    pub(super) conversation: &'a Conversation,
    pub(super) found: OnceCell<Vec<Source>>,
}

impl Traced<'_> {
    pub(super) fn found(&self) -> &[Source] {
        self.found.get_or_init(|| self.common.provenance(self.conversation).of_call(self.call))
    }
}

impl<'a> Subject<'a> {
    pub(super) fn new(facts: &'a CallFacts, tool: &'a str, text: &'a str, seen: facts::Seen<'a>) -> Self {
        Self {
            asks: Asks::default(),
            context: None,
            conversation: None,
            facts,
            seen,
            said: OnceCell::new(),
            text,
            told: false,
            tool,
            traced: None,
        }
    }

    /// The texts of the request; `None` where it could not be read, or has none.
    pub(super) fn texts(&self) -> Option<&Texts<'a>> {
        self.said.get_or_init(|| self.conversation.map(Texts::of)).as_ref()
    }

    /// Why nobody knows what the request says.
    pub(super) fn unread(&self) -> Option<&'static str> {
        let unread = self.conversation.is_none() && self.facts.unread;
        unread.then_some("it cannot be read, so nobody knows what it says")
    }

    pub(super) fn fulfils(&mut self, condition: &Condition) -> bool {
        if self.context.is_none() {
            let mut context = Context::with_env(ENV.clone());
            let call = serde_json::json!({
                "client": self.facts.client,
                "dialect": self.facts.dialect,
                "key": self.facts.key,
                "model": self.facts.model,
                "project": self.facts.project,
                "data_class": self.facts.data_class,
                "session": self.facts.session,
                "turn": self.facts.human_turn,
                "user": self.facts.user,
            });
            // What no condition asks for is not found out.
            let reached = |asked: bool, list: fn(&facts::Seen<'a>) -> Vec<String>| {
                if asked { list(&self.seen) } else { Vec::new() }
            };
            for (name, value) in [
                ("args", cel::to_value(self.seen.arguments())),
                ("call", cel::to_value(call)),
                (
                    "commands",
                    cel::to_value(reached(self.asks.commands, |seen| seen.commands().to_vec()).join("\n")),
                ),
                ("hosts", cel::to_value(reached(self.asks.hosts, |seen| seen.hosts().to_vec()))),
                ("paths", cel::to_value(reached(self.asks.paths, |seen| seen.paths().to_vec()))),
            ] {
                context.add_variable_from_value(name, value.unwrap_or(Value::Null));
            }
            let traced = self.traced.as_ref().filter(|_| self.asks.provenance);
            let names: Vec<String> = traced
                .map(|traced| traced.found().iter().flat_map(Source::names).collect())
                .unwrap_or_default();
            context.add_variable_from_value("provenance", names);
            context.add_variable_from_value("text", self.text.to_owned());
            context.add_variable_from_value("tool", self.tool.to_owned());
            self.context = Some(context);
        }
        if condition.asks.request && !std::mem::replace(&mut self.told, true) {
            // Only for those that ask: it is all that was said.
            let value = self.conversation.zip(self.texts()).map(|(own, texts)| texts.value(own));
            let value = value.and_then(|value| cel::to_value(value).ok()).unwrap_or(Value::Null);
            if let Some(context) = &mut self.context {
                context.add_variable_from_value("request", value);
            }
        }
        let context = self.context.as_ref();
        context.is_some_and(|context| matches!(condition.program.execute(context), Ok(Value::Bool(true))))
    }
}
