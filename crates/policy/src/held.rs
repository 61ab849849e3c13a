//! What a lock holds of an answer, and the block that is coming in.

use std::collections::VecDeque;

use lockgate_core::Event;
use lockgate_core::content::ToolCall;

use crate::trial::Trial;

/// What is held, in order.
pub(crate) enum Item {
    /// An event behind a block that is held.
    Event { event: Event, of: u64 },
    /// A block: its events, and its trial once it is complete.
    Block { events: Vec<(u64, Held)>, trial: Option<Box<Trial>> },
}

/// An event of a block that is held.
pub(crate) enum Held {
    Event(Event),
    /// A piece of text: all of the block's text is in its trial.
    Words,
}

/// The block that is coming in. One that is held is the last block in `held`.
pub(crate) enum Open {
    Call(ToolCall),
    Nothing,
    /// Passes as it comes.
    Other,
    Text(Text),
}

pub(crate) struct Text {
    pub(crate) changed: bool,
    /// Pieces whose text has not all gone out.
    pub(crate) pieces: VecDeque<Piece>,
    /// Its start, as long as no words of it have gone out.
    pub(crate) start: Option<(Event, u64)>,
    /// What is to be judged as a whole.
    pub(crate) whole: Option<String>,
}

pub(crate) struct Piece {
    /// An event that is no text, to go out when all before it has.
    pub(crate) beside: Option<Event>,
    pub(crate) left: usize,
    pub(crate) of: u64,
}

impl Item {
    pub(crate) fn trial_mut(&mut self) -> Option<&mut Trial> {
        match self {
            Self::Event { .. } => None,
            Self::Block { trial, .. } => trial.as_deref_mut(),
        }
    }
}
