//! The order of messages that Anthropic demands.
//!
//! Turns of one speaker in a row become one message. Results of tools stand first in the message right behind the
//! calls they answer. Instructions before the first message join `system`; later ones stay where they are as `role:
//! system` where the model takes that (it must follow a message of the user), else as text of the user's message
//! there: order is kept as far as the rules allow. A conversation that starts with the assistant is legal and stays.

use lockgate_core::{Block, Failure, Part, Role, Turn};
use serde::Serialize;

use super::pieces::{Content, Piece, Pieces};

/// A message.
#[derive(Debug, Serialize)]
pub(super) struct MessageOut<'a> {
    role: &'static str,
    content: Content<'a>,
}

/// Messages under construction.
pub(super) struct Turns<'a> {
    messages: Vec<Draft<'a>>,
    /// Whether the model takes system messages between others.
    system_messages: bool,
    /// Instructions before the first message.
    system: Vec<Piece<'a>>,
    /// Instructions that came behind the assistant and wait for a message of the user.
    waiting: Vec<Piece<'a>>,
}

/// How the answer begins that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnderWay {
    /// There is none: the user has spoken last.
    Nothing,
    /// With thoughts.
    Thoughts,
    /// With words or calls.
    Words,
}

struct Draft<'a> {
    pieces: Vec<Piece<'a>>,
    /// Results of tools: they come first.
    results: Vec<Piece<'a>>,
    role: Role,
}

impl<'a> Turns<'a> {
    /// Starts with the instructions that stand before everything.
    pub(super) fn new(system_messages: bool, system: Vec<Piece<'a>>) -> Self {
        Self { messages: Vec::new(), system_messages, system, waiting: Vec::new() }
    }

    /// Lays the turns out.
    pub(super) fn lay(&mut self, turns: &'a [Turn], pieces: &mut Pieces<'_>) -> Result<(), Failure> {
        for turn in turns {
            if turn.name.is_some() {
                pieces.loss.note("messages.name");
            }
            // Pictures in instructions are only legal as the user's.
            let as_user = turn.role == Role::System && turn.parts.iter().any(is_attachment);
            let role = if as_user { Role::User } else { turn.role };
            for part in &turn.parts {
                if let Some(piece) = pieces.piece(part, role)? {
                    self.put(piece, role, matches!(part.block, Block::ToolResult(_)));
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, piece: Piece<'a>, role: Role, is_result: bool) {
        if is_result {
            return self.put_result(piece);
        }
        match role {
            Role::Assistant => {
                self.settle();
                self.last_of(Role::Assistant).pieces.push(piece);
            }
            Role::System if self.messages.is_empty() => self.system.push(piece),
            Role::System if !self.system_messages => self.last_of(Role::User).pieces.push(piece),
            Role::System => match self.messages.last().map(|last| last.role) {
                Some(Role::Assistant) | None => self.waiting.push(piece),
                Some(Role::System | Role::User) => {
                    self.settle();
                    self.last_of(Role::System).pieces.push(piece);
                }
            },
            Role::User => self.last_of(Role::User).pieces.push(piece),
        }
    }

    /// A result belongs into the message right behind the assistant's, even when others came between.
    fn put_result(&mut self, piece: Piece<'a>) {
        let behind = self.messages.iter().rposition(|draft| draft.role == Role::Assistant).map(|at| at + 1);
        match behind.and_then(|at| self.messages.get_mut(at)) {
            Some(draft) if draft.role == Role::User => draft.results.push(piece),
            Some(_) | None => self.last_of(Role::User).results.push(piece),
        }
    }

    fn last_of(&mut self, role: Role) -> &mut Draft<'a> {
        if self.messages.last().is_none_or(|last| last.role != role) {
            self.messages.push(Draft { pieces: Vec::new(), results: Vec::new(), role });
        }
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    /// Instructions that wait go behind a message of the user, as soon as there is one.
    fn settle(&mut self) {
        if !self.waiting.is_empty() && self.messages.last().is_some_and(|last| last.role == Role::User) {
            let waiting = std::mem::take(&mut self.waiting);
            self.last_of(Role::System).pieces.extend(waiting);
        }
    }

    /// How the answer begins that is under way: all that the assistant said since the user last spoke without giving
    /// results of tools.
    pub(super) fn under_way(&self) -> UnderWay {
        match self.first_under_way().and_then(|at| self.messages[at].pieces.first()) {
            None => UnderWay::Nothing,
            Some(piece) if piece.is_thought() => UnderWay::Thoughts,
            Some(_) => UnderWay::Words,
        }
    }

    /// Takes the thoughts out of the answer under way; whether there were any.
    pub(super) fn drop_thoughts_under_way(&mut self) -> bool {
        let Some(begin) = self.first_under_way() else { return false };
        let mut found = false;
        for draft in &mut self.messages[begin..] {
            let before = draft.pieces.len();
            draft.pieces.retain(|piece| !piece.is_thought());
            found |= draft.pieces.len() < before;
        }
        self.messages.retain(|draft| !draft.pieces.is_empty() || !draft.results.is_empty());
        found
    }

    fn first_under_way(&self) -> Option<usize> {
        let spoke =
            self.messages.iter().rposition(|draft| draft.role == Role::User && draft.results.is_empty());
        let begin = spoke.map_or(0, |at| at + 1);
        let said = self.messages[begin..].iter().position(|draft| draft.role == Role::Assistant);
        said.map(|at| begin + at)
    }

    /// Instructions and messages. Instructions without any message are what the user says.
    pub(super) fn finish(mut self) -> (Vec<Piece<'a>>, Vec<MessageOut<'a>>) {
        self.settle();
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.last_of(Role::User).pieces.extend(waiting);
        }
        if self.messages.is_empty() && !self.system.is_empty() {
            let system = std::mem::take(&mut self.system);
            self.last_of(Role::User).pieces = system;
        }
        let messages = self.messages.into_iter().map(|draft| {
            let role = match draft.role {
                Role::Assistant => "assistant",
                Role::System => "system",
                Role::User => "user",
            };
            let mut content = draft.results;
            content.extend(draft.pieces);
            MessageOut { role, content: Content(content) }
        });
        (self.system, messages.collect())
    }
}

fn is_attachment(part: &Part) -> bool {
    match part.block {
        Block::Document(_) | Block::Image(_) => true,
        Block::Audio(_)
        | Block::Opaque(_)
        | Block::Reasoning(_)
        | Block::Refusal(_)
        | Block::Text(_)
        | Block::ToolCall(_)
        | Block::ToolResult(_)
        | Block::Video(_) => false,
    }
}
