//! Puts the blocks of an answer one behind the other.
//!
//! Some providers send parallel tool calls interleaved; most clients take one block at a time. The first open block
//! flows, later ones wait until it ends. Indices are given anew from 0, blocks that were never ended are ended
//! before the answer is. Holds no more than the waiting blocks, whose size the decoder bounds.

use lockgate_core::{Event, Stop};

/// Makes events come one block at a time.
#[derive(Debug, Default)]
pub struct Sequencer {
    ended: Option<Stop>,
    next: u32,
    open: Option<(u32, u32)>,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    done: bool,
    events: Vec<Event>,
    index: u32,
}

impl Sequencer {
    /// Takes an event and hands on what may go now.
    pub fn push(&mut self, event: Event, emit: &mut impl FnMut(Event)) {
        match event {
            Event::BlockStarted { index, .. } if self.open.is_some() => {
                self.waiting.push(Waiting { done: false, events: vec![event], index });
            }
            Event::BlockStarted { index, block } => {
                self.open = Some((index, self.next));
                emit(Event::BlockStarted { index: self.next, block });
                self.next += 1;
            }
            Event::BlockDelta { index, delta } => match self.open {
                Some((open, shown)) if open == index => emit(Event::BlockDelta { index: shown, delta }),
                _ => self.wait(index, Event::BlockDelta { index, delta }),
            },
            Event::BlockEnded { index } => match self.open {
                Some((open, shown)) if open == index => {
                    emit(Event::BlockEnded { index: shown });
                    self.open = None;
                    self.release(emit);
                }
                _ => {
                    if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
                        waiting.done = true;
                    }
                }
            },
            Event::Ended(stop) => self.ended = Some(stop),
            Event::Failed(_) | Event::Opaque | Event::Ping | Event::Started(_) | Event::Usage(_) => {
                emit(event);
            }
        }
    }

    /// The answer is over: everything that waits goes, open blocks are ended, then the end itself.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event)) {
        loop {
            if let Some((_, shown)) = self.open.take() {
                emit(Event::BlockEnded { index: shown });
            }
            if self.waiting.is_empty() {
                break;
            }
            self.release(emit);
        }
        if let Some(stop) = self.ended.take() {
            emit(Event::Ended(stop));
        }
    }

    /// Whether events that were taken have not been handed on yet.
    pub fn is_waiting(&self) -> bool {
        self.ended.is_some() || !self.waiting.is_empty()
    }

    fn wait(&mut self, index: u32, event: Event) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
            waiting.events.push(event);
        }
    }

    /// Opens waiting blocks in order, as long as they are complete; the first that is not flows on from here.
    fn release(&mut self, emit: &mut impl FnMut(Event)) {
        while self.open.is_none() && !self.waiting.is_empty() {
            let Waiting { done, events, index } = self.waiting.remove(0);
            for event in events {
                self.push(event, emit);
            }
            if done {
                self.push(Event::BlockEnded { index }, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_core::content::ToolKind;
    use lockgate_core::{BlockStart, Delta, StopReason};

    fn start(index: u32) -> Event {
        let id = format!("call_{index}");
        let block = BlockStart::ToolCall { id, kind: ToolKind::Function, name: "f".into(), namespace: None };
        Event::BlockStarted { index, block }
    }

    fn piece(index: u32, text: &str) -> Event {
        Event::BlockDelta { index, delta: Delta::Arguments(text.into()) }
    }

    fn shown(events: Vec<Event>) -> String {
        let mut sequencer = Sequencer::default();
        let mut out = String::new();
        let mut emit = |event: Event| match event {
            Event::BlockStarted { index, .. } => out.extend(["[", &index.to_string(), " "]),
            Event::BlockDelta { delta: Delta::Arguments(text), .. } => out.push_str(&text),
            Event::BlockEnded { index } => out.extend([" ", &index.to_string(), "]"]),
            Event::Ended(_) => out.push('.'),
            other => panic!("{other:?}"),
        };
        for event in events {
            sequencer.push(event, &mut emit);
        }
        sequencer.finish(&mut emit);
        out
    }

    #[test]
    fn interleaved_calls_come_one_behind_the_other() {
        let end = || Event::Ended(Stop::because(StopReason::ToolUse));
        let ended = |index| Event::BlockEnded { index };
        assert_eq!(
            shown(vec![start(0), start(1), piece(1, "b"), piece(0, "a"), ended(1), ended(0), end()]),
            "[0 a 0][1 b 1]."
        );
        assert_eq!(
            shown(vec![start(0), piece(0, "a"), start(3), piece(3, "b"), ended(0), piece(3, "c"), end()]),
            "[0 a 0][1 bc 1]."
        );
    }
}
