//! The turns of a conversation, walked once: what the user said first, how often they spoke, and what the call is about.
//!
//! Messages of the user in a row are one go, as clients cut them as they like; a command counts when it is passed on to the
//! model, not when the client answered it itself.

use lockgate_core::{Block, Conversation, Part, Role, Turn};
use serde::{Deserialize, Serialize};

use crate::housekeeping::Housekeeping;
use crate::wrappers::{Piece, pieces, text_of};

/// Why a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnKind {
    /// Another agent gave a task: the words are not a person's.
    Delegated,
    /// The client does something for itself: titles, probes, summaries. Not a turn of the session.
    Housekeeping(Housekeeping),
    /// A person has spoken.
    Human,
    /// The client itself has spoken: a task in the background has ended, a hook said something.
    Notice,
    /// Results of tools.
    ToolLoop,
    /// There is no conversation that could be read.
    Unknown,
}

impl TurnKind {
    /// The name used in records and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delegated => "delegated",
            Self::Housekeeping(_) => "housekeeping",
            Self::Human => "human",
            Self::Notice => "notice",
            Self::ToolLoop => "tool-loop",
            Self::Unknown => "unknown",
        }
    }
}

/// What a user said in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// A command with its arguments.
    Command(&'a str, &'a str),
    /// A picture, sound or file without words.
    Media,
    /// Words.
    Words(&'a str),
}

/// What there is behind the model's last answer. In the order of what outweighs what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Last {
    Nothing,
    Notice,
    Results,
    Human,
}

/// A conversation, walked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History<'a> {
    /// Whether the model has answered before.
    pub(crate) answered: bool,
    /// What the user said first.
    pub(crate) first: Option<Said<'a>>,
    /// Where that stands, among the turns.
    pub(crate) first_at: Option<usize>,
    /// How often the user spoke.
    pub(crate) human: u32,
    /// What the call is about.
    pub(crate) last: Last,
}

impl<'a> History<'a> {
    /// Walks the turns.
    pub(crate) fn of(conversation: &'a Conversation) -> Self {
        let mut walk = Walk {
            history: Self { answered: false, first: None, first_at: None, human: 0, last: Last::Nothing },
            pending: None,
        };
        let turns = &conversation.turns;
        let words_until = turns.iter().rposition(|turn| turn.role == Role::User).map_or(0, |at| at + 1);
        for (at, turn) in turns.iter().enumerate() {
            match turn.role {
                Role::Assistant => {
                    walk.settle();
                    // What the model has begun to say is not an answer yet.
                    if at < words_until {
                        walk.history.answered = true;
                        walk.history.last = Last::Nothing;
                    }
                }
                Role::System => {}
                Role::User => walk.user(at, turn),
            }
        }
        walk.settle();
        walk.history
    }
}

struct Walk<'a> {
    history: History<'a>,
    /// A command of which it is not known yet whether the client answered it itself, and where it stands.
    pending: Option<(Said<'a>, usize)>,
}

impl<'a> Walk<'a> {
    fn user(&mut self, at: usize, turn: &'a Turn) {
        let mut said = false;
        let mut media = false;
        for part in &turn.parts {
            if let Some(text) = text_of(part) {
                pieces(text.as_str(), &mut |piece| said |= self.piece(at, said, piece));
                self.saw(Last::Notice);
            } else if is_result(part) {
                self.saw(Last::Results);
            } else {
                media |= is_media(part);
            }
        }
        let results = turn.parts.iter().any(is_result);
        if media && !said && !results && self.pending.is_none() {
            self.speak(Said::Media, at);
        }
    }

    /// Whether the user has now spoken in this turn.
    fn piece(&mut self, at: usize, said: bool, piece: Piece<'a>) -> bool {
        match piece {
            Piece::Command { args, name } => self.pending = Some((Said::Command(name, args), at)),
            Piece::Output => self.pending = None,
            Piece::Words(words) => {
                // Words behind a command are what the client made of it.
                let command = self.pending.take().map(|(command, _)| command);
                if !said {
                    self.speak(command.unwrap_or(Said::Words(words)), at);
                    return true;
                }
            }
        }
        false
    }

    fn speak(&mut self, said: Said<'a>, at: usize) {
        self.saw(Last::Human);
        self.history.human = self.history.human.saturating_add(1);
        if self.history.first.is_none() {
            self.history.first = Some(said);
            self.history.first_at = Some(at);
        }
    }

    fn saw(&mut self, what: Last) {
        self.history.last = self.history.last.max(what);
    }

    /// A command behind which nothing came was passed on.
    fn settle(&mut self) {
        if let Some((command, at)) = self.pending.take() {
            self.speak(command, at);
        }
    }
}

/// Whether a part is a tool's result, also one that only its dialect knows.
pub(crate) fn is_result(part: &Part) -> bool {
    match &part.block {
        Block::ToolResult(_) => true,
        Block::Opaque(opaque) => {
            ["_output", "_response", "_result"].iter().any(|end| opaque.kind.ends_with(end))
        }
        Block::Audio(_)
        | Block::Document(_)
        | Block::Image(_)
        | Block::Reasoning(_)
        | Block::Refusal(_)
        | Block::Text(_)
        | Block::ToolCall(_)
        | Block::Video(_) => false,
    }
}

fn is_media(part: &Part) -> bool {
    match part.block {
        Block::Audio(_) | Block::Document(_) | Block::Image(_) | Block::Video(_) => true,
        Block::Opaque(_)
        | Block::Reasoning(_)
        | Block::Refusal(_)
        | Block::Text(_)
        | Block::ToolCall(_)
        | Block::ToolResult(_) => false,
    }
}
