//! Gathers the events of an answer into the turn that the client will send back.
//!
//! Takes them in order, one block at a time. What only one dialect knows has no place in it.

use crate::content::{Citation, Reasoning, Text, ToolCall};
use crate::{Block, BlockStart, Delta, Event, Part, Role, Seal, Turn};

/// An answer on its way to become a turn.
#[derive(Debug, Default)]
pub struct Gather {
    citations: Vec<Citation>,
    foreign: bool,
    parts: Vec<Part>,
    sealed: bool,
    text: String,
    words: bool,
}

impl Gather {
    /// Of thoughts and tool calls with their seals; texts are empty, so that an answer is not kept twice.
    pub fn seals() -> Self {
        Self::default()
    }

    /// Of everything.
    pub fn whole() -> Self {
        Self { words: true, ..Self::default() }
    }

    /// Whether a seal was in it.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether something was in it that only one dialect knows, and that is missing here.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Takes the next event.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::BlockStarted { block, .. } => self.begin(block),
            Event::BlockDelta { delta, .. } => self.more(delta),
            Event::BlockEnded { .. } => self.settle(),
            Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => {}
        }
    }

    fn begin(&mut self, block: &BlockStart) {
        let block = match block {
            BlockStart::Reasoning { id, summary } => {
                Block::Reasoning(Reasoning { id: id.clone(), summary: *summary, ..Reasoning::default() })
            }
            BlockStart::ToolCall { id, kind, name, namespace } => Block::ToolCall(ToolCall {
                arguments: String::new(),
                id: id.clone(),
                kind: *kind,
                name: name.clone(),
                namespace: namespace.clone(),
                seal: None,
            }),
            BlockStart::Image(image) if self.words => Block::Image(image.clone()),
            BlockStart::Refusal if self.words => Block::Refusal(String::new()),
            BlockStart::Opaque(_) => {
                self.foreign = true;
                Block::Text(Text::default())
            }
            BlockStart::Image(_) | BlockStart::Refusal | BlockStart::Text => Block::Text(Text::default()),
        };
        self.parts.push(Part::new(block));
    }

    fn more(&mut self, delta: &Delta) {
        let Some(part) = self.parts.last_mut() else { return };
        match (delta, &mut part.block) {
            (Delta::Reasoning(text), Block::Reasoning(thought)) => thought.text.push_str(text),
            (Delta::Seal(seal), block) => self.sealed |= set_seal(block, seal),
            (Delta::Arguments(text), Block::ToolCall(call)) if self.words => call.arguments.push_str(text),
            (Delta::Citation(citation), _) if self.words => self.citations.push(citation.clone()),
            (Delta::Refusal(text), Block::Refusal(words)) => words.push_str(text),
            (Delta::Text(text), _) if self.words => self.text.push_str(text),
            (Delta::Opaque(_), _) => self.foreign = true,
            (
                Delta::Arguments(_)
                | Delta::Citation(_)
                | Delta::Logprobs(_)
                | Delta::Reasoning(_)
                | Delta::Refusal(_)
                | Delta::Text(_),
                _,
            ) => {}
        }
    }

    /// The words of the block that is over.
    fn settle(&mut self) {
        if let Some(Part { block: Block::Text(text), .. }) = self.parts.last_mut()
            && !self.text.is_empty()
        {
            *text = Text {
                citations: std::mem::take(&mut self.citations),
                text: std::mem::take(&mut self.text).into(),
            };
        }
    }

    /// The turn so far; it is gathered anew from here on.
    pub fn take(&mut self) -> Turn {
        self.settle();
        let Self { parts, .. } = std::mem::replace(self, Self { words: self.words, ..Self::default() });
        Turn { name: None, parts, role: Role::Assistant }
    }
}

/// Puts a seal on a thought or a tool call; whether there was one to put it on.
fn set_seal(block: &mut Block, seal: &Seal) -> bool {
    match block {
        Block::Reasoning(thought) => thought.seal = Some(seal.clone()),
        Block::ToolCall(call) => call.seal = Some(seal.clone()),
        Block::Audio(_)
        | Block::Document(_)
        | Block::Image(_)
        | Block::Opaque(_)
        | Block::Refusal(_)
        | Block::Text(_)
        | Block::ToolResult(_)
        | Block::Video(_) => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ToolKind;

    fn events() -> Vec<Event> {
        let call = BlockStart::ToolCall {
            id: "c1".into(),
            kind: ToolKind::Function,
            name: "Bash".into(),
            namespace: None,
        };
        let delta = |index, delta| Event::BlockDelta { index, delta };
        vec![
            Event::BlockStarted { index: 0, block: BlockStart::Reasoning { id: None, summary: false } },
            delta(0, Delta::Reasoning("hm".into())),
            delta(0, Delta::Seal(Seal::Signature("s".into()))),
            Event::BlockEnded { index: 0 },
            Event::BlockStarted { index: 1, block: BlockStart::Text },
            delta(1, Delta::Text("I will ".into())),
            delta(1, Delta::Text("look.".into())),
            Event::BlockEnded { index: 1 },
            Event::BlockStarted { index: 2, block: call },
            delta(2, Delta::Arguments("{\"command\":".into())),
            delta(2, Delta::Arguments("\"ls\"}".into())),
            Event::BlockEnded { index: 2 },
        ]
    }

    fn told(mut gather: Gather) -> Vec<String> {
        for event in events() {
            gather.note(&event);
        }
        let parts = gather.take().parts;
        let told = |part: &Part| match &part.block {
            Block::Reasoning(thought) => {
                format!("{} {:?}", thought.text, thought.seal.as_ref().map(Seal::as_str))
            }
            Block::Text(text) => text.text.as_str().to_owned(),
            Block::ToolCall(call) => format!("{} {} {}", call.id, call.name, call.arguments),
            other => format!("{other:?}"),
        };
        parts.iter().map(told).collect()
    }

    #[test]
    fn the_turn_of_an_answer_holds_all_that_was_said_in_order() {
        assert_eq!(told(Gather::whole()), ["hm Some(\"s\")", "I will look.", "c1 Bash {\"command\":\"ls\"}"]);
    }

    #[test]
    fn where_only_seals_are_wanted_no_words_are_kept() {
        assert_eq!(told(Gather::seals()), ["hm Some(\"s\")", "", "c1 Bash "]);
    }
}
