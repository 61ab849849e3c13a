//! Sessions of coding agents in few words, and what a chain says about the next call of one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_core::content::{ToolCall, ToolKind, ToolResult, Turn};
use lockgate_core::{Block, BlockStart, Conversation, Delta, Event, Part, Role, Started, Stop, StopReason};
use lockgate_policy::quality::Team;
use lockgate_policy::{
    Approvals, CallFacts, CallOutcome, Chain, Decision, Lock, Manner, Out, Policies, Resample,
};
use serde_json::{Value, json};

/// A chain of this configuration.
pub(crate) fn chain(policies: &Value) -> Chain {
    let policies: Policies = serde_json::from_value(json!({ "chain": policies })).unwrap();
    let entries = policies.entries().unwrap();
    let manner = Manner {
        approvals: Approvals::default(),
        budget: Duration::from_secs(20),
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: "refused by {policy}: {reason}".into(),
        now: Instant::now,
        resample: Resample::default(),
    };
    Chain::new(entries, manner)
}

/// The arguments of a call that opens a pull request.
pub(crate) fn create() -> Value {
    json!({"command": "gh pr create --title 'It' --body 'Done.'"})
}

/// The policies that said something, and what, without their reasons.
pub(crate) fn verdicts(said: &[String]) -> Vec<&str> {
    said.iter().map(|said| said.split(':').next().unwrap()).collect()
}

/// What was said so far.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) conversation: Conversation,
}

const SYSTEM: &str = "<env>\nPrimary working directory: /home/ada/shop\n</env>\nCurrent branch: main\n";

impl Session {
    /// One that begins with a person's words.
    pub(crate) fn new(person: &str) -> Self {
        Self::in_place(SYSTEM, person)
    }

    /// One whose client says this of its surroundings.
    pub(crate) fn in_place(system: &str, person: &str) -> Self {
        let conversation = Conversation { system: vec![Part::text(system)], ..Conversation::default() };
        let mut session = Self { conversation };
        session.says(person);
        session
    }

    /// The person says something.
    pub(crate) fn says(&mut self, words: &str) {
        self.turn(Role::User, Part::text(words));
    }

    /// A tool was called, and printed this.
    pub(crate) fn ran(&mut self, tool: &str, arguments: &Value, result: &str, is_error: bool) {
        let id = format!("call_{}", self.conversation.turns.len());
        self.turn(Role::Assistant, Part::new(Block::ToolCall(call(&id, tool, arguments))));
        let content = vec![Part::text(result)];
        let result = ToolResult { call_id: id, content, is_error, kind: ToolKind::Function, name: None };
        self.turn(Role::User, Part::new(Block::ToolResult(result)));
    }

    /// A command ran.
    pub(crate) fn bash(&mut self, command: &str, result: &str) {
        self.ran("Bash", &json!({ "command": command }), result, false);
    }

    /// A file was written.
    pub(crate) fn wrote(&mut self, path: &str, text: &str) {
        self.ran("Write", &json!({"file_path": path, "content": text}), "ok", false);
    }

    /// A commit was made of all that was changed.
    pub(crate) fn committed(&mut self, branch: &str, sha: &str, message: &str) {
        let printed = format!("[{branch} {sha}] {message}\n 1 file changed, 1 insertion(+)");
        self.bash(&format!("git add -A && git commit -m '{message}'"), &printed);
    }

    fn turn(&mut self, role: Role, part: Part) {
        self.conversation.turns.push(Turn { name: None, parts: vec![part], role });
    }

    /// What a chain does about an answer with these calls of tools.
    pub(crate) fn answered(&self, chain: &Chain, calls: &[(&str, Value)]) -> Answered {
        self.answered_for(chain, None, calls)
    }

    /// The same where the caller says how strictly it takes the quality of what it gets.
    pub(crate) fn answered_for(
        &self,
        chain: &Chain,
        team: Option<Team>,
        calls: &[(&str, Value)],
    ) -> Answered {
        let mut run = chain.open(CallFacts { team, ..CallFacts::unknown("1") }).unwrap();
        run.set_conversation(Arc::new(self.conversation.clone()));
        assert_eq!(run.on_call(), CallOutcome::Go);
        let mut lock = Lock::new(&run);
        let mut out: Vec<Out> = Vec::new();
        for event in events(calls) {
            lock.push(&mut run, event, &mut out);
        }
        lock.close(&mut run, &mut out);
        let events = out.into_iter().map(|out| out.event).collect();
        Answered { decisions: run.take_decisions(), events }
    }

    /// What a chain says about a call of a tool: `policy said: reason`, one after the other.
    pub(crate) fn asks(&self, chain: &Chain, tool: &str, arguments: Value) -> Vec<String> {
        self.answered(chain, &[(tool, arguments)]).said()
    }
}

/// What became of an answer.
pub(crate) struct Answered {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) events: Vec<Event>,
}

impl Answered {
    /// `policy said: reason` of each decision.
    pub(crate) fn said(&self) -> Vec<String> {
        let word = |decision: &Decision| serde_json::to_value(decision.said).unwrap();
        let one = |decision: &Decision| {
            let said = word(decision);
            format!("{} {}: {}", decision.policy, said.as_str().unwrap(), decision.finding.reason)
        };
        self.decisions.iter().map(one).collect()
    }

    /// The arguments of the calls that the client gets.
    pub(crate) fn calls(&self) -> Vec<String> {
        let arguments = self.events.iter().filter_map(|event| match event {
            Event::BlockDelta { delta: Delta::Arguments(text), .. } => Some(text.clone()),
            _ => None,
        });
        arguments.collect()
    }

    /// The words that the client gets.
    pub(crate) fn words(&self) -> String {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::BlockDelta { delta: Delta::Text(text), .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

fn call(id: &str, tool: &str, arguments: &Value) -> ToolCall {
    ToolCall {
        arguments: arguments.to_string(),
        id: id.to_owned(),
        kind: ToolKind::Function,
        name: tool.to_owned(),
        namespace: None,
        seal: None,
    }
}

/// The events of an answer with these calls.
pub(crate) fn events(calls: &[(&str, Value)]) -> Vec<Event> {
    let mut events = vec![Event::Started(Started::default())];
    for (index, (tool, arguments)) in calls.iter().enumerate() {
        let index = index as u32;
        let block = BlockStart::ToolCall {
            id: format!("new_{index}"),
            kind: ToolKind::Function,
            name: (*tool).to_owned(),
            namespace: None,
        };
        events.push(Event::BlockStarted { index, block });
        events.push(Event::BlockDelta { index, delta: Delta::Arguments(arguments.to_string()) });
        events.push(Event::BlockEnded { index });
    }
    events.push(Event::Ended(Stop::because(StopReason::ToolUse)));
    events
}
