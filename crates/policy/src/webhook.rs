//! A service of yours decides.
//!
//! # What it does
//!
//! Sends tool calls, texts or requests to an address by `POST`, signed as the [Standard Webhooks](https://www.standardwebhooks.com) specification says, and
//! does what comes back. Things are held meanwhile, and asked about side by side. The answer is JSON with status 200:
//!
//! ```json
//! {"verdict": "refuse", "reason": "the release is frozen", "rule": "freeze"}
//! ```
//!
//! `verdict` is `allow`, `annotate`, `ask` (a person decides), `refuse`, `remove`, `replace`, `rewrite`, `stop`, `warn`, or for a request `answer` and `keep_local`; `with` has
//! the words of `replace` and `answer` and the arguments of `rewrite`. A request is rewritten by `set` and `remove`, as [`rules`](rules.md#rewriting-requests) have them.
//! What is sent:
//!
//! ```json
//! {"type": "policy.question", "about": "tool_call",
//!  "call": {"id": "019a…", "model": "claude-sonnet-4-6", "key": "laptop", "user": "ann", "project": null, "session": "s1", "client": "claude-cli/2.1"},
//!  "tool": {"id": "call_1", "name": "Bash", "arguments": {"command": "git push"}},
//!  "before": [{"role": "user", "parts": [{"text": "push it"}]}]}
//! ```
//!
//! # Why
//!
//! Whether a release is frozen, or a ticket open, is known by your systems.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: change-control
//!       on_failure: block
//!       webhook:
//!         url: https://control.example.org/decide
//!         secret: ${WEBHOOK_SECRET}
//!         tools: [Bash]
//! ```
//!
//! # Limits
//!
//! Contents of conversations leave the gateway: they go to that address as they are, secrets included. A question that meets no connection, a status of 408, 425,
//! 429 or 5xx is put once more, with the same id and a new signature, if there is time. After five failures in a row the address is left alone for half a
//! minute. No answer, another status, one that cannot be read, or new arguments that are no JSON object, is for `on_failure`. Of a text 16,000 bytes are sent: of
//! a longer one the beginning and the end. A tool call with longer arguments is for `on_failure` too; with `long_calls: part` its two ends are sent. Because it
//! holds a secret, it can stand in the configuration file only.

use std::time::Duration;

use lockgate_core::{Conversation, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::chain::Pattern;
use crate::decision::Then;
use crate::digest::{self, LongCalls};
use crate::heard::{Word, word};
use crate::judge::About;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{BlockVerdict, CallVerdict, Query, Question, Reply, Service};

/// Whom to ask, about what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where the service is.
    #[schemars(extend("format" = "webhook-url"))]
    pub url: String,
    /// What it verifies signatures with (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64.
    #[schemars(with = "String", extend("writeOnly" = true, "format" = "webhook-secret"))]
    pub secret: Secret,
    /// What it is asked about.
    #[serde(default = "tool_calls")]
    pub on: Vec<About>,
    /// Which tools' calls; empty = all.
    #[serde(default)]
    pub tools: Vec<Pattern>,
    /// How many of the last turns it gets.
    #[serde(default = "turns")]
    pub turns: usize,
    /// What becomes of a tool call whose arguments are longer than what is shown (16,000 bytes).
    #[serde(default)]
    pub long_calls: LongCalls,
    /// How long an answer is waited for, in milliseconds.
    #[serde(default = "deadline")]
    #[schemars(range(min = 100, max = 600_000))]
    pub deadline_ms: u64,
}

fn tool_calls() -> Vec<About> {
    vec![About::ToolCall]
}

fn turns() -> usize {
    2
}

fn deadline() -> u64 {
    5_000
}

/// The policy.
pub struct Webhook(pub Options);

impl Policy for Webhook {
    fn judges_requests(&self) -> bool {
        self.0.on.contains(&About::Call)
    }

    fn may_resample(&self) -> bool {
        self.0.on.iter().any(|about| *about != About::Call)
    }

    fn needs(&self) -> Needs {
        let on = |about: About| self.0.on.contains(&about);
        let text = if on(About::Text) { TextNeed::Whole } else { TextNeed::None };
        Needs { conversation: true, text, tools: on(About::ToolCall), ..Needs::default() }
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(Asking(self.0.clone()))
    }
}

struct Asking(Options);

impl Asking {
    fn question(&self, about: &str, thing: (&str, Value), view: &View<'_>) -> Vec<Question> {
        let facts = view.facts;
        let last = |conversation: &Conversation| digest::last_turns(conversation, self.0.turns);
        let mut body = json!({
            "type": "policy.question",
            "about": about,
            "call": {
                "id": facts.id, "model": facts.model, "key": facts.key, "user": facts.user,
                "project": facts.project, "session": facts.session, "client": facts.client,
            },
            "before": view.conversation.map(last),
        });
        body[thing.0] = thing.1;
        let service =
            Service { body: body.to_string(), secret: self.0.secret.clone(), url: self.0.url.clone() };
        vec![Question { deadline: Duration::from_millis(self.0.deadline_ms), query: Query::Service(service) }]
    }
}

impl PolicyRun for Asking {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        if !self.0.on.contains(&About::Call) {
            return CallVerdict::Allow;
        }
        if view.conversation.is_none() && view.facts.unread {
            return CallVerdict::Unsure("it cannot be read, so nobody knows what it says".into());
        }
        let words = view.conversation.and_then(digest::last_words);
        CallVerdict::Ask(self.question(
            "request",
            ("text", words.map(|words| digest::cut(&words).into_owned()).into()),
            view,
        ))
    }

    fn on_call_reply(&mut self, _: usize, reply: Reply, _: &View<'_>) -> Option<CallVerdict> {
        let Word { changes, finding, then, with } = match word(&reply) {
            Ok(word) => word,
            Err(why) => return Some(CallVerdict::Unsure(why)),
        };
        Some(match (then, with) {
            (Then::Allow, _) => CallVerdict::Allow,
            (Then::Annotate | Then::Warn, _) => CallVerdict::Annotate(finding),
            (Then::Answer, Some(text)) => CallVerdict::Answer { finding, text },
            (Then::Ask, _) => CallVerdict::AskPerson(finding),
            (Then::KeepLocal, _) => CallVerdict::KeepLocal(finding),
            (Then::Refuse | Then::Stop, _) => CallVerdict::Refuse(finding),
            (Then::Rewrite, _) => match changes.unworkable() {
                Some(why) => CallVerdict::Unsure(format!("the service's changes cannot be meant: {why}")),
                None => CallVerdict::Rewrite { changes: Box::new(changes), finding },
            },
            (Then::Answer | Then::Remove | Then::Replace | Then::Resample, _) => CallVerdict::Unsure(
                "the service's verdict is none about a request, or says not what shall stand there".into(),
            ),
        })
    }

    fn on_block(&mut self, piece: Piece<'_>, view: &View<'_>) -> BlockVerdict {
        match piece {
            Piece::ToolCall(call) => {
                let tools = &self.0.tools;
                let meant = tools.is_empty() || tools.iter().any(|tool| tool.matches(&call.name));
                if !self.0.on.contains(&About::ToolCall) || !meant {
                    return BlockVerdict::Allow;
                }
                if let Some(why) = digest::too_long(call, self.0.long_calls) {
                    return BlockVerdict::Unsure(why);
                }
                let tool = json!({"id": call.id, "name": call.name, "arguments": digest::arguments(call)});
                BlockVerdict::Ask(self.question("tool_call", ("tool", tool), view))
            }
            Piece::Text(text) if self.0.on.contains(&About::Text) && !text.trim().is_empty() => {
                BlockVerdict::Ask(self.question("text", ("text", digest::cut(text).into()), view))
            }
            Piece::Text(_) => BlockVerdict::Allow,
        }
    }

    fn on_reply(&mut self, _: usize, reply: Reply, _: &View<'_>) -> Option<BlockVerdict> {
        let Word { finding, then, with, .. } = match word(&reply) {
            Ok(word) => word,
            Err(why) => return Some(BlockVerdict::Unsure(why)),
        };
        Some(match (then, with) {
            (Then::Allow, _) => BlockVerdict::Allow,
            (Then::Annotate, _) => BlockVerdict::Annotate(finding),
            (Then::Ask, _) => BlockVerdict::AskPerson(finding),
            (Then::Refuse, _) => BlockVerdict::Refuse(finding),
            (Then::Remove, _) => BlockVerdict::Remove(finding),
            (Then::Replace, Some(text)) => BlockVerdict::Replace { finding, text },
            (Then::Resample, _) => BlockVerdict::Resample(finding),
            (Then::Rewrite, Some(value)) => BlockVerdict::Rewrite { finding, value },
            (Then::Stop, _) => BlockVerdict::Stop(finding),
            (Then::Warn, _) => BlockVerdict::Warn(finding),
            (Then::Answer | Then::KeepLocal | Then::Replace | Then::Rewrite, _) => BlockVerdict::Unsure(
                "the service's verdict is none about an answer, or says not what shall stand there".into(),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use lockgate_core::content::{ToolCall, ToolKind};

    use super::*;
    use crate::decision::Said;
    use crate::trial::{Outcome, Thing};

    fn asking() -> Asking {
        let options = json!({"url": "http://x", "secret": "whsec_AAAA", "on": ["call", "text", "tool_call"]});
        Asking(serde_json::from_value(options).unwrap())
    }

    #[test]
    fn every_verdict_of_a_service_is_understood_and_nothing_else() {
        let facts = CallFacts::unknown("1");
        let view = View { conversation: None, facts: &facts };
        let block =
            |text: &str| format!("{:?}", asking().on_reply(0, Reply::Text(text.into()), &view).unwrap());
        let request =
            |text: &str| format!("{:?}", asking().on_call_reply(0, Reply::Text(text.into()), &view).unwrap());
        for (said, of_block, of_request) in [
            (r#"{"verdict": "allow"}"#, "Allow", "Allow"),
            (r#"{"verdict": "annotate", "reason": "r"}"#, "Annotate", "Annotate"),
            (r#"{"verdict": "ask"}"#, "AskPerson", "AskPerson"),
            (r#"{"verdict": "refuse"}"#, "Refuse", "Refuse"),
            (r#"{"verdict": "remove"}"#, "Remove", "Unsure"),
            (r#"{"verdict": "replace", "with": "w"}"#, "Replace", "Unsure"),
            (r#"{"verdict": "replace"}"#, "Unsure", "Unsure"),
            (r#"{"verdict": "rewrite", "with": {"a": 1}}"#, "Rewrite", "Unsure"),
            (r#"{"verdict": "rewrite", "set": {"most_tokens": 9}}"#, "Unsure", "Rewrite"),
            (r#"{"verdict": "rewrite", "remove": {"tools": ["a*"]}}"#, "Unsure", "Rewrite"),
            (r#"{"verdict": "rewrite", "set": {"temperature": 7}}"#, "Unsure", "Unsure"),
            (r#"{"verdict": "rewrite", "set": {"colour": 7}}"#, "Unsure", "Unsure"),
            (r#"{"verdict": "stop"}"#, "Stop", "Refuse"),
            (r#"{"verdict": "warn"}"#, "Warn", "Annotate"),
            (r#"{"verdict": "answer", "with": "w"}"#, "Unsure", "Answer"),
            (r#"{"verdict": "maybe"}"#, "Unsure", "Unsure"),
            ("", "Unsure", "Unsure"),
        ] {
            assert!(block(said).starts_with(of_block), "{said}: {}", block(said));
            assert!(request(said).starts_with(of_request), "{said}: {}", request(said));
        }
        assert!(block(r#"{"verdict": "rewrite", "with": {"a": 1}}"#).contains(r#"{\"a\":1}"#));
    }

    #[test]
    fn a_service_gets_the_call_and_never_sees_its_own_secret_in_the_body() {
        let facts = CallFacts { key: Some("laptop".into()), ..CallFacts::unknown("7") };
        let view = View { conversation: None, facts: &facts };
        let BlockVerdict::Ask(questions) = asking().on_block(Piece::Text("words"), &view) else {
            panic!("it asks")
        };
        let Query::Service(service) = &questions[0].query else { panic!("a service") };
        let body: Value = serde_json::from_str(&service.body).unwrap();
        assert_eq!(
            (&body["about"], &body["text"], &body["call"]["key"]),
            (&json!("text"), &json!("words"), &json!("laptop"))
        );
        assert!(!service.body.contains("whsec_") && !format!("{questions:?}").contains("whsec_"));
    }
    #[test]
    fn arguments_that_a_service_makes_up_reach_the_client_only_as_a_json_object() {
        for (with, said, goes) in [
            (json!("not json"), Said::Failed, false),
            (json!([1]), Said::Failed, false),
            (json!({"command": "ls"}), Said::Rewrite, true),
        ] {
            let chain = crate::tried::chain(vec![("webhook", Box::new(Webhook(asking().0)))]);
            let mut run = chain.open(CallFacts::unknown("1")).unwrap();
            let mut trial = run.trial(Thing::Call(ToolCall {
                arguments: r#"{"command":"rm x"}"#.into(),
                id: "1".into(),
                kind: ToolKind::Function,
                name: "Bash".into(),
                namespace: None,
                seal: None,
            }));
            let (ticket, _) = run.take_questions().remove(0);
            let reply = Reply::Text(json!({"verdict": "rewrite", "with": with}).to_string());
            run.on_reply(ticket, reply, &mut [&mut trial]);
            assert_eq!(trial.outcome == Some(Outcome::Pass), goes, "{with}");
            assert_eq!(run.take_decisions()[0].said, said, "{with}");
        }
    }

    #[test]
    fn a_service_is_asked_about_requests_whatever_the_client_calls_them_and_not_about_what_cannot_be_read() {
        let facts = CallFacts { housekeeping: true, ..CallFacts::unknown("1") };
        let conversation = Conversation::default();
        let view = View { conversation: Some(&conversation), facts: &facts };
        assert!(matches!(asking().on_call(&view), CallVerdict::Ask(_)));
        let facts = CallFacts { unread: true, ..facts };
        assert!(matches!(
            asking().on_call(&View { conversation: None, facts: &facts }),
            CallVerdict::Unsure(_)
        ));
    }
}
