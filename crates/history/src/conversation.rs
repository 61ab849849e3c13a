//! A session as people read it: threads, turns, each message once, tool calls with their results.
//!
//! Built call by call, in the order in which they began. A client sends its history with each call; what is known already is found by
//! its fingerprint and not kept again, so that a session takes the memory of what is new in it. `place` decides where a call belongs.

mod place;
mod tools;

use std::collections::HashMap;

use lockgate_store::{Call, Details};
use serde::Serialize;
use uuid::Uuid;

use crate::answer::Answer;
use crate::cache::{Cause, Miss};
use crate::exchange::{Exchange, Prefix, Request};
use crate::intervention::Intervention;
use crate::message::{MediaBytes, Message, Piece};
use crate::print::Print;
use place::Node;

/// A session, or a call that stands alone.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Conversation {
    /// Its calls in the order in which they began.
    pub calls: Vec<CallNote>,
    /// Every message once.
    pub entries: Vec<Entry>,
    /// Instructions and tools, each set once.
    pub preambles: Vec<Preamble>,
    /// Its threads: the main agent first, where it called first.
    pub threads: Vec<Thread>,
    /// Tool calls with their results.
    pub tools: Vec<ToolUse>,
    /// Its turns in the order in which they began.
    pub turns: Vec<Turn>,
    /// Threads and their last message, by the provider's id of an answer.
    #[serde(skip)]
    answers: HashMap<String, (usize, usize)>,
    /// Tool calls by agent and id.
    #[serde(skip)]
    open: HashMap<(Option<String>, String), usize>,
    #[serde(skip)]
    nodes: Vec<Node>,
    /// Tool calls by the task that they give to another agent.
    #[serde(skip)]
    tasks: HashMap<Print, usize>,
}

/// A row of messages that grew by itself.
#[derive(Debug, Clone, Serialize)]
pub struct Thread {
    /// The agent. `None` = the main one.
    pub agent: Option<String>,
    /// Its calls, as numbers in `Conversation::calls`.
    pub calls: Vec<usize>,
    /// Where it comes from.
    pub origin: Origin,
    /// Who started the agent.
    pub parent_agent: Option<String>,
    /// Its messages with all that it has from the thread it comes from, as nodes.
    #[serde(skip)]
    path: Vec<u32>,
    #[serde(skip)]
    last: Option<(usize, Prefix)>,
}

/// Where a thread comes from. Threads and entries are numbers in the conversation's lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// A summary has taken the place of what was said in another thread.
    Compacted {
        /// That thread.
        of: usize,
    },
    /// The user went back in another thread, or asked again in other words.
    Fork {
        /// How many messages are shared.
        after: usize,
        /// That thread.
        of: usize,
    },
    /// The client did something for itself.
    Housekeeping {
        /// The thread whose history it used, if any.
        of: Option<usize>,
    },
    /// Nothing was said before.
    New,
    /// Another agent gave a task.
    SubAgent {
        /// The tool call that did, where it is known, among `Conversation::tools`.
        started_by: Option<usize>,
    },
}

/// A message, and the call that brought or produced it.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its place among the messages of its call's request, from 0; 0 for what the model said. With a piece's place it is a [`Spot`](crate::Spot).
    pub at: usize,
    /// The call, among `Conversation::calls`.
    pub call: usize,
    /// The entry that this one takes the place of: the client changed what was said.
    pub edit_of: Option<usize>,
    /// What was said.
    pub message: Message,
    /// Whether the call brought it from the client or the model produced it.
    pub source: EntrySource,
    /// What became of it.
    pub state: EntryState,
    /// The thread that it was said in.
    pub thread: usize,
    #[serde(skip)]
    pub(crate) print: Option<Print>,
}

/// How a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntrySource {
    /// The client sent it.
    Brought,
    /// The model said it.
    Produced,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// It is part of its thread.
    Current,
    /// The client did not keep it: an answer that was aborted or asked for again.
    Dropped,
    /// The client has changed it; another entry says `edit_of`.
    Edited,
}

/// A call in its place.
#[derive(Debug, Clone, Serialize)]
pub struct CallNote {
    /// The message that the model answered with.
    pub answer: Option<usize>,
    /// What is wrong with the answer: broken off, unreadable, an error.
    pub answer_error: Option<String>,
    /// The row.
    pub call: Call,
    /// What only the view of one call shows.
    pub details: Details,
    /// The messages that are new with it.
    pub entries: Vec<usize>,
    /// What policies changed.
    pub interventions: Vec<Intervention>,
    /// Why the provider's cache did not hold what was expected of it, if it did not.
    pub miss: Option<Miss>,
    /// Its instructions and tools, among `Conversation::preambles`.
    pub preamble: usize,
    /// How it follows from the call before it.
    pub step: CallStep,
    /// Its thread.
    pub thread: usize,
    /// Its turn.
    pub turn: usize,
    /// The last message of its request, as a node.
    #[serde(skip)]
    pub(crate) tail: Option<u32>,
}

/// How a call follows from the one before it in its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CallStep {
    /// Goes on.
    Continues,
    /// Begins its thread.
    Begins,
    /// Asks the same again.
    Retry {
        /// The call that asked it before.
        of: usize,
    },
    /// Goes on, with messages in its middle changed.
    Rewrites {
        /// How many were changed.
        changed: usize,
    },
}

/// The calls for one thing that somebody said.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// Its calls.
    pub calls: Vec<usize>,
    /// What kind it is, in the words of the record (`human`, `delegated`, `notice`, `housekeeping:title` …).
    pub kind: String,
    /// Its number in the session, from 1, as recorded.
    pub number: Option<u32>,
    /// Its thread.
    pub thread: usize,
}

/// A tool call with its result.
#[derive(Debug, Clone, Serialize)]
pub struct ToolUse {
    /// The entry with the call, and the piece in it.
    pub asked: (usize, usize),
    /// The id that the result answers to.
    pub id: String,
    /// Whether the tool failed. `None` = there is no result.
    pub is_error: Option<bool>,
    /// The tool.
    pub name: String,
    /// The entry with the result, and the piece in it. It may be a later call's.
    pub result: Option<(usize, usize)>,
}

/// Instructions and tools.
#[derive(Debug, Clone, Serialize)]
pub struct Preamble {
    /// The instructions.
    pub system: Vec<Piece>,
    /// The tools.
    pub tools: Vec<crate::exchange::ToolOffer>,
    #[serde(skip)]
    print: Print,
}

impl Conversation {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next call; returns its number. Calls come in the order in which they began.
    pub fn push(&mut self, exchange: Exchange) -> usize {
        let Exchange { answer, call, compaction, details, interventions, prefix, previous_answer, request } =
            exchange;
        let Request { messages, system, tools } = request;
        let number = self.calls.len();
        let preamble = self.preamble(system, tools);
        let placed = self.place(number, &call, messages, compaction, previous_answer.as_deref());
        let turn = self.turn(number, placed.thread, &call, placed.step);
        let thread = &mut self.threads[placed.thread];
        thread.calls.push(number);
        let before = thread.last.take();
        let miss = before.as_ref().and_then(|(last, old)| {
            let last = &self.calls.get(*last)?.call;
            Cause::find(last, old, &call, &prefix)
        });
        thread.last = Some((number, prefix));
        self.calls.push(CallNote {
            answer: None,
            answer_error: answer.error.clone().or_else(|| answer.broken.clone()),
            call,
            details,
            entries: placed.entries,
            interventions,
            miss,
            preamble,
            step: placed.step,
            tail: placed.tail,
            thread: placed.thread,
            turn,
        });
        self.answer(number, answer);
        number
    }

    /// What the model said.
    fn answer(&mut self, number: usize, answer: Answer) {
        let thread = self.calls[number].thread;
        if let Some(message) = answer.message {
            let entry = self.entry(number, thread, (EntrySource::Produced, 0), message);
            self.calls[number].answer = Some(entry);
            self.calls[number].entries.push(entry);
            self.extend(thread, entry);
        }
        if let Some(id) = answer.id {
            let length = self.threads[thread].path.len();
            self.answers.insert(id, (thread, length));
        }
    }

    fn preamble(&mut self, system: Vec<Piece>, tools: Vec<crate::exchange::ToolOffer>) -> usize {
        let mut text = crate::print::exact(&system).to_string();
        for tool in &tools {
            text.push_str(&tool.fingerprint.to_string());
            text.push('\0');
        }
        let print = crate::print::of_text(&text);
        if let Some(known) = self.preambles.iter().rposition(|known| known.print == print) {
            return known;
        }
        self.preambles.push(Preamble { system, tools, print });
        self.preambles.len() - 1
    }

    fn turn(&mut self, call: usize, thread: usize, row: &Call, step: CallStep) -> usize {
        let (kind, number) = (row.lineage.turn_kind.as_deref(), row.lineage.turn);
        let last = self.threads[thread].calls.last().map(|last| self.calls[*last].turn);
        let goes_on = matches!(step, CallStep::Retry { .. }) || kind == Some("tool-loop");
        if let Some(last) = last.filter(|last| goes_on && self.turns[*last].number == number) {
            self.turns[last].calls.push(call);
            return last;
        }
        let kind = kind.unwrap_or("unknown").to_owned();
        self.turns.push(Turn { calls: vec![call], kind, number, thread });
        self.turns.len() - 1
    }

    /// The messages of a thread in order, with those that it shares with the thread it comes from. Messages that say nothing lasting
    /// (only thoughts, only reminders) are only in `entries`.
    pub fn messages(&self, thread: usize) -> Vec<usize> {
        let path = self.threads.get(thread).map_or(&[][..], |thread| &thread.path);
        path.iter().map(|node| self.nodes[*node as usize].entry as usize).collect()
    }

    /// The messages of a call's request, in order, as they were then.
    pub fn request_of(&self, call: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = self.calls.get(call).and_then(|note| note.tail);
        while let Some(node) = at {
            let node = &self.nodes[node as usize];
            found.push(node.entry as usize);
            at = node.parent;
        }
        found.reverse();
        found
    }

    /// The thread that a client would go on with: the main agent's whose call was the latest.
    pub fn main(&self) -> Option<usize> {
        let is_main = |thread: &Thread| {
            thread.agent.is_none()
                && !matches!(thread.origin, Origin::Housekeeping { .. })
                && !thread.path.is_empty()
        };
        let threads = self.threads.iter().enumerate().filter(|(_, thread)| is_main(thread));
        threads.max_by_key(|(_, thread)| thread.calls.last().copied()).map(|(number, _)| number)
    }

    /// The call that a message came with.
    pub fn call_of(&self, entry: usize) -> Option<Uuid> {
        Some(self.calls.get(self.entries.get(entry)?.call)?.call.id)
    }

    /// The bytes of a medium of a message.
    pub fn media(&self, entry: usize, piece: usize, inner: Option<usize>) -> Option<MediaBytes> {
        self.entries.get(entry)?.message.media(piece, inner)
    }

    /// The tool call of a piece, among `tools`.
    pub fn tool_at(&self, entry: usize, piece: usize) -> Option<usize> {
        // Tools are in the order of their entries.
        let first = self.tools.partition_point(|tool| tool.asked < (entry, piece));
        self.tools.get(first).filter(|tool| tool.asked == (entry, piece)).map(|_| first)
    }

    /// The known cost of its calls, nano-USD.
    pub fn cost_nano(&self) -> i64 {
        self.calls.iter().filter_map(|note| note.call.cost_nano).fold(0, i64::saturating_add)
    }

    fn entry(
        &mut self,
        call: usize,
        thread: usize,
        (source, at): (EntrySource, usize),
        message: Message,
    ) -> usize {
        let number = self.entries.len();
        let print = crate::print::loose(&message);
        let state = EntryState::Current;
        self.entries.push(Entry { at, call, edit_of: None, message, print, source, state, thread });
        number
    }
}
