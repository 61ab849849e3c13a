//! Keeps thoughts without words from the client: a provider's bare signature is no block that anybody wants to see.
//!
//! Gemini signs words with an empty part behind them; shown as a thought, it would be the last block of an answer, and
//! clients that read the last block would find nothing. The seal is remembered by `Continuity`; sealed thoughts that
//! are encrypted stay, since the client must carry them. Takes one block at a time, behind the sequencer.

use lockgate_core::{BlockStart, Delta, Event, Seal};

/// Drops thoughts that hold nothing but a signature, and numbers the blocks behind them anew.
#[derive(Debug, Default)]
pub(crate) struct Hush {
    dropped: u32,
    held: Vec<Event>,
}

impl Hush {
    /// Passes an event on, now, later or never.
    pub(crate) fn push(&mut self, event: Event, emit: &mut impl FnMut(Event)) {
        match event {
            Event::BlockStarted { block: BlockStart::Reasoning { .. }, .. } => self.held.push(event),
            Event::BlockDelta { delta: Delta::Seal(Seal::Signature(_)), .. } if !self.held.is_empty() => {
                self.held.push(event);
            }
            Event::BlockDelta { delta: Delta::Reasoning(ref text), .. }
                if !self.held.is_empty() && text.is_empty() => {}
            Event::BlockEnded { .. } if !self.held.is_empty() => {
                self.held.clear();
                self.dropped += 1;
            }
            Event::BlockDelta { .. } => {
                for event in std::mem::take(&mut self.held) {
                    emit(self.renumbered(event));
                }
                emit(self.renumbered(event));
            }
            Event::BlockEnded { .. } | Event::BlockStarted { .. } => emit(self.renumbered(event)),
            Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => {
                emit(event);
            }
        }
    }

    fn renumbered(&self, mut event: Event) -> Event {
        match &mut event {
            Event::BlockDelta { index, .. }
            | Event::BlockEnded { index }
            | Event::BlockStarted { index, .. } => {
                *index -= self.dropped;
            }
            Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => {}
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thought(index: u32) -> Event {
        Event::BlockStarted { index, block: BlockStart::Reasoning { id: None, summary: false } }
    }

    fn shown(events: Vec<Event>) -> Vec<String> {
        let mut hush = Hush::default();
        let mut out = Vec::new();
        for event in events {
            hush.push(event, &mut |event| {
                out.push(match event {
                    Event::BlockStarted { index, block: BlockStart::Text } => format!("{index} text"),
                    Event::BlockStarted { index, .. } => format!("{index} thought"),
                    Event::BlockDelta { index, delta } => format!("{index} {delta:?}"),
                    Event::BlockEnded { index } => format!("{index} end"),
                    other => format!("{other:?}"),
                });
            });
        }
        out
    }

    #[test]
    fn a_bare_signature_is_not_shown_and_the_next_block_takes_its_number() {
        let signature = Delta::Seal(Seal::Signature("s".into()));
        let events = vec![
            thought(0),
            Event::BlockDelta { index: 0, delta: signature },
            Event::BlockEnded { index: 0 },
            Event::BlockStarted { index: 1, block: BlockStart::Text },
            Event::BlockEnded { index: 1 },
        ];
        assert_eq!(shown(events), ["0 text", "0 end"]);
    }

    #[test]
    fn thoughts_with_words_or_encrypted_stay_whole() {
        let words = vec![
            thought(0),
            Event::BlockDelta { index: 0, delta: Delta::Reasoning("hm".into()) },
            Event::BlockEnded { index: 0 },
        ];
        assert_eq!(shown(words), ["0 thought", "0 Reasoning(\"hm\")", "0 end"]);
        let sealed = vec![
            thought(0),
            Event::BlockDelta { index: 0, delta: Delta::Seal(Seal::Encrypted("x".into())) },
            Event::BlockEnded { index: 0 },
        ];
        assert_eq!(shown(sealed).len(), 3);
    }
}
