//! Where a call belongs: which thread it goes on, forks or begins, and which of its messages are new.
//!
//! Compares fingerprints only. A thread's messages are a path of nodes that point to the one before, so that threads share what they
//! have in common and each call's request can be walked from its last message.

use std::collections::HashMap;

use lockgate_store::Call;

use super::{CallStep, Conversation, EntrySource, EntryState, Origin, Thread};
use crate::message::{Message, Speaker};
use crate::print::{self, Print};

/// A message in a thread.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) entry: u32,
    pub(super) parent: Option<u32>,
}

/// What placing a call did.
pub(super) struct Placed {
    pub(super) entries: Vec<usize>,
    pub(super) step: CallStep,
    pub(super) tail: Option<u32>,
    pub(super) thread: usize,
}

/// A request that is being placed.
struct Arrival {
    call: usize,
    entries: Vec<usize>,
    messages: Vec<Option<Message>>,
    /// The messages that last: their place and fingerprint.
    lasting: Vec<(usize, Print)>,
}

/// How a request follows from a thread.
enum Follows {
    Compacts,
    Continues,
    Forks { after: usize },
    Rewrites { from: usize },
}

impl Conversation {
    pub(super) fn place(
        &mut self,
        number: usize,
        call: &Call,
        messages: Vec<Message>,
        compaction: Option<usize>,
        previous: Option<&str>,
    ) -> Placed {
        let prints =
            messages.iter().enumerate().filter_map(|(at, message)| Some((at, print::loose(message)?)));
        let lasting: Vec<_> = prints.collect();
        let messages = messages.into_iter().map(Some).collect();
        let mut arrival = Arrival { call: number, entries: Vec::new(), messages, lasting };
        let agent = &call.lineage.agent;
        let is_side = call.route.operation != "chat"
            || call.lineage.turn_kind.as_deref().is_some_and(|kind| kind.starts_with("housekeeping"));
        let best = self.best(agent.as_ref(), &arrival);
        if is_side {
            let after = best.map_or(0, |best| self.common(best, &arrival));
            let origin = Origin::Housekeeping { of: best.filter(|_| after > 0) };
            if after > 0 && call.route.operation == "count_tokens" {
                // What is counted here is told by the call that sends it.
                arrival.messages.clear();
                arrival.lasting.truncate(after);
            }
            return self.begin(call, origin, best.map(|best| (best, after)), after, arrival);
        }
        if let Some((thread, length)) = previous.and_then(|id| self.answers.get(id).copied()) {
            if self.threads[thread].path.len() == length {
                return self.go_on(thread, 0, CallStep::Continues, arrival);
            }
            return self.begin(
                call,
                Origin::Fork { after: length, of: thread },
                Some((thread, length)),
                0,
                arrival,
            );
        }
        let Some(best) = best else {
            let origin = match agent {
                Some(_) => Origin::SubAgent { started_by: self.started_by(&arrival.messages) },
                None => Origin::New,
            };
            return self.begin(call, origin, None, 0, arrival);
        };
        let compaction = compaction.and_then(|at| arrival.lasting.iter().position(|(place, _)| *place == at));
        match self.follows(best, &arrival, compaction) {
            Follows::Compacts => self.compact(call, best, arrival),
            Follows::Continues => self.settle(best, arrival),
            Follows::Forks { after: 0 } => self.begin(call, Origin::New, None, 0, arrival),
            Follows::Forks { after } => {
                self.begin(call, Origin::Fork { after, of: best }, Some((best, after)), after, arrival)
            }
            Follows::Rewrites { from } => self.rewrite(best, from, arrival),
        }
    }

    /// The thread of the agent that has most in common with a request; of several the latest.
    fn best(&self, agent: Option<&String>, arrival: &Arrival) -> Option<usize> {
        let is_open = |thread: &Thread| {
            thread.agent.as_ref() == agent && !matches!(thread.origin, Origin::Housekeeping { .. })
        };
        let threads = self.threads.iter().enumerate().filter(|(_, thread)| is_open(thread));
        threads.max_by_key(|(number, _)| (self.common(*number, arrival), *number)).map(|(number, _)| number)
    }

    fn print_at(&self, thread: usize, at: usize) -> Option<Print> {
        let node = self.threads[thread].path.get(at)?;
        self.entries[self.nodes[*node as usize].entry as usize].print
    }

    fn common(&self, thread: usize, arrival: &Arrival) -> usize {
        let same = |(at, (_, print)): &(usize, &(usize, Print))| self.print_at(thread, *at) == Some(*print);
        arrival.lasting.iter().enumerate().take_while(same).count()
    }

    /// Where the messages of the thread end that its last call asked with: before its answer, if it has one.
    fn asked(&self, thread: usize) -> usize {
        let path = &self.threads[thread].path;
        let is_answer = |node: &u32| {
            let entry = &self.entries[self.nodes[*node as usize].entry as usize];
            entry.source == EntrySource::Produced && self.threads[thread].calls.last() == Some(&entry.call)
        };
        path.len() - usize::from(path.last().is_some_and(is_answer))
    }

    fn follows(&self, thread: usize, arrival: &Arrival, compaction: Option<usize>) -> Follows {
        let common = self.common(thread, arrival);
        let asked = self.asked(thread);
        if common >= asked {
            return Follows::Continues;
        }
        if compaction.is_some_and(|at| at >= common) {
            return Follows::Compacts;
        }
        let last = asked.checked_sub(1).and_then(|at| self.print_at(thread, at));
        if let Some(last) = last {
            if arrival.lasting.get(asked - 1).is_some_and(|(_, print)| *print == last) {
                return Follows::Rewrites { from: common };
            }
            // A client may condense without saying so; then the last messages are still there.
            if arrival.lasting[common..].iter().any(|(_, print)| *print == last) {
                return Follows::Compacts;
            }
        }
        Follows::Forks { after: common }
    }

    /// Goes on with a thread whose messages up to its last answer are all there.
    fn settle(&mut self, thread: usize, arrival: Arrival) -> Placed {
        self.settle_from(thread, CallStep::Continues, arrival)
    }

    fn settle_from(&mut self, thread: usize, step: CallStep, mut arrival: Arrival) -> Placed {
        let asked = self.asked(thread);
        let Some(answer) = self.threads[thread].path.get(asked).copied() else {
            // The last call brought no answer.
            let last = self.threads[thread].calls.last().copied();
            let again = arrival.lasting.len() == asked && step == CallStep::Continues;
            let step = last.filter(|_| again).map_or(step, |of| CallStep::Retry { of });
            return self.go_on(thread, asked, step, arrival);
        };
        let entry = self.nodes[answer as usize].entry as usize;
        let kept = arrival.lasting.get(asked).copied();
        match kept {
            Some((at, print)) if self.entries[entry].print == Some(print) => {
                if let Some(message) = &arrival.messages[at] {
                    self.alias(entry, message);
                }
                self.go_on(thread, asked + 1, step, arrival)
            }
            Some((at, _))
                if arrival.messages[at].as_ref().is_some_and(|kept| kept.speaker == Speaker::Assistant) =>
            {
                self.replace(thread, asked, at, &mut arrival);
                self.go_on(thread, asked + 1, step, arrival)
            }
            _ => {
                let of = self.entries[entry].call;
                self.entries[entry].state = EntryState::Dropped;
                self.threads[thread].path.truncate(asked);
                let again = kept.is_none() && step == CallStep::Continues;
                self.go_on(thread, asked, if again { CallStep::Retry { of } } else { step }, arrival)
            }
        }
    }

    /// Puts what the client has made of a message in its place.
    fn replace(&mut self, thread: usize, at: usize, place: usize, arrival: &mut Arrival) {
        let Some(message) = arrival.messages[place].take() else { return };
        let old = self.nodes[self.threads[thread].path[at] as usize].entry as usize;
        let entry = self.entry(arrival.call, thread, (EntrySource::Brought, place), message);
        self.entries[entry].edit_of = Some(old);
        self.entries[old].state = EntryState::Edited;
        self.note_tools(entry);
        arrival.entries.push(entry);
        let rest = self.threads[thread].path.split_off(at);
        self.extend(thread, entry);
        for node in rest.into_iter().skip(1) {
            let entry = self.nodes[node as usize].entry as usize;
            self.extend(thread, entry);
        }
    }

    fn rewrite(&mut self, thread: usize, from: usize, mut arrival: Arrival) -> Placed {
        let asked = self.asked(thread);
        let differs = |at: &usize| self.print_at(thread, *at) != Some(arrival.lasting[*at].1);
        let changed: Vec<_> = (from..asked).filter(differs).collect();
        // All at once: each replacement would write down again what follows it.
        let rest = self.threads[thread].path.split_off(from);
        let mut change = changed.iter().copied().peekable();
        for (at, node) in (from..).zip(rest) {
            let old = self.nodes[node as usize].entry as usize;
            let mut entry = old;
            if change.next_if_eq(&at).is_some()
                && let place = arrival.lasting[at].0
                && let Some(message) = arrival.messages[place].take()
            {
                entry = self.entry(arrival.call, thread, (EntrySource::Brought, place), message);
                self.entries[entry].edit_of = Some(old);
                self.entries[old].state = EntryState::Edited;
                self.note_tools(entry);
                arrival.entries.push(entry);
            }
            self.extend(thread, entry);
        }
        self.settle_from(thread, CallStep::Rewrites { changed: changed.len() }, arrival)
    }

    /// Adds the messages from `from` on to a thread.
    fn go_on(&mut self, thread: usize, from: usize, step: CallStep, mut arrival: Arrival) -> Placed {
        let start =
            from.checked_sub(1).and_then(|last| arrival.lasting.get(last)).map_or(0, |(at, _)| at + 1);
        for place in start..arrival.messages.len() {
            if let Some(message) = arrival.messages[place].take() {
                self.bring(thread, (place, message), &mut arrival.entries, arrival.call);
            }
        }
        let tail = self.threads[thread].path.last().copied();
        Placed { entries: arrival.entries, step, tail, thread }
    }

    fn bring(
        &mut self,
        thread: usize,
        (place, message): (usize, Message),
        entries: &mut Vec<usize>,
        call: usize,
    ) {
        let entry = self.entry(call, thread, (EntrySource::Brought, place), message);
        entries.push(entry);
        if self.entries[entry].print.is_some() {
            self.extend(thread, entry);
        } else {
            self.note_tools(entry);
        }
    }

    /// Begins a thread, with what it shares with another; of the request, what is new begins at `from`.
    fn begin(
        &mut self,
        call: &Call,
        origin: Origin,
        shares: Option<(usize, usize)>,
        from: usize,
        arrival: Arrival,
    ) -> Placed {
        let (path, last) = match shares {
            Some((of, after)) => {
                let of = &self.threads[of];
                let last = of.last.clone().filter(|_| !matches!(origin, Origin::Housekeeping { .. }));
                (of.path[..after.min(of.path.len())].to_vec(), last)
            }
            None => (Vec::new(), None),
        };
        let thread = self.thread(call, origin, path, last);
        self.go_on(thread, from, CallStep::Begins, arrival)
    }

    /// Begins a thread with a summary of another; messages of that one that are still there are not told again.
    fn compact(&mut self, call: &Call, of: usize, mut arrival: Arrival) -> Placed {
        let mut known: HashMap<Print, usize> = HashMap::new();
        for node in &self.threads[of].path {
            let entry = self.nodes[*node as usize].entry as usize;
            if let Some(print) = self.entries[entry].print {
                known.insert(print, entry);
            }
        }
        let last = self.threads[of].last.clone();
        let thread = self.thread(call, Origin::Compacted { of }, Vec::new(), last);
        let prints: HashMap<usize, Print> = arrival.lasting.iter().copied().collect();
        for place in 0..arrival.messages.len() {
            let Some(message) = arrival.messages[place].take() else { continue };
            match prints.get(&place).and_then(|print| known.get(print)) {
                Some(entry) => self.extend(thread, *entry),
                None => self.bring(thread, (place, message), &mut arrival.entries, arrival.call),
            }
        }
        let tail = self.threads[thread].path.last().copied();
        Placed { entries: arrival.entries, step: CallStep::Begins, tail, thread }
    }

    fn thread(
        &mut self,
        call: &Call,
        origin: Origin,
        path: Vec<u32>,
        last: Option<(usize, crate::exchange::Prefix)>,
    ) -> usize {
        let (agent, parent_agent) = (call.lineage.agent.clone(), call.lineage.parent_agent.clone());
        self.threads.push(Thread { agent, calls: Vec::new(), last, origin, parent_agent, path });
        self.threads.len() - 1
    }

    /// Adds an entry to the end of a thread.
    pub(super) fn extend(&mut self, thread: usize, entry: usize) {
        let parent = self.threads[thread].path.last().copied();
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { entry: entry as u32, parent });
        self.threads[thread].path.push(node);
        self.note_tools(entry);
    }
}
