//! Keeps the thoughts and tool calls of a converted answer with their seals, for the turn that brings them back.

use lockgate_core::content::{Reasoning, ToolCall, ToolKind};
use lockgate_core::{Block, BlockStart, Delta, Event, Part, Role, Seal, Turn};

/// Gathers the thoughts and tool calls of an answer with their seals.
#[derive(Default)]
pub(crate) struct Gather {
    parts: Vec<Part>,
    sealed: bool,
}

impl Gather {
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::BlockStarted { block: BlockStart::Reasoning { id, summary }, .. } => {
                let thought = Reasoning { id: id.clone(), summary: *summary, ..Reasoning::default() };
                self.parts.push(Part::new(Block::Reasoning(thought)));
            }
            Event::BlockStarted { block: BlockStart::ToolCall { id, name, .. }, .. } => {
                self.parts.push(Part::new(Block::ToolCall(ToolCall {
                    arguments: String::new(),
                    id: id.clone(),
                    kind: ToolKind::Function,
                    name: name.clone(),
                    namespace: None,
                    seal: None,
                })));
            }
            Event::BlockStarted { .. } => self.parts.push(Part::text("")),
            Event::BlockDelta { delta: Delta::Reasoning(text), .. } => {
                if let Some(Part { block: Block::Reasoning(thought), .. }) = self.parts.last_mut() {
                    thought.text.push_str(text);
                }
            }
            Event::BlockDelta { delta: Delta::Seal(seal), .. } => self.seal(seal),
            Event::BlockDelta { .. }
            | Event::BlockEnded { .. }
            | Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => {}
        }
    }

    fn seal(&mut self, seal: &Seal) {
        match self.parts.last_mut().map(|part| &mut part.block) {
            Some(Block::Reasoning(thought)) => thought.seal = Some(seal.clone()),
            Some(Block::ToolCall(call)) => call.seal = Some(seal.clone()),
            _ => return,
        }
        self.sealed = true;
    }

    pub(crate) fn take(&mut self) -> Option<Turn> {
        let parts = std::mem::take(&mut self.parts);
        std::mem::take(&mut self.sealed).then_some(Turn { name: None, parts, role: Role::Assistant })
    }
}
