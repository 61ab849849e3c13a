//! The smallest parts of a context that have a cost of their own: a piece of a message, instructions, tool definitions.
//!
//! Holds a sum for each and charges calls to them. Contents stay in the conversation.

use std::collections::HashMap;

use super::{Split, apportion};
use crate::conversation::Conversation;
use crate::message::{Content, Media, MediaPlace, Piece};

/// About how many bytes make a token.
const BYTES: u64 = 4;
/// About how many tokens a picture takes, whatever its size in bytes.
const PICTURE: u64 = 1_200;

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    /// Definitions of tools, by preamble.
    Definitions(usize),
    /// Instructions, by preamble.
    Instructions(usize),
    /// A piece of an entry.
    Piece(usize, usize),
    /// What belongs to nothing that could be read.
    Rest,
}

/// A part and what it cost so far.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) atom: Atom,
    /// The first call that carried it.
    pub(super) call: Option<usize>,
    /// Later calls that carried it again.
    pub(super) resent: u64,
    pub(super) split: Split,
    pub(super) tokens: u64,
}

#[derive(Debug)]
pub(super) struct Atoms {
    by: HashMap<Atom, usize>,
    pub(super) sums: Vec<Sum>,
}

impl Atoms {
    pub(super) fn of(conversation: &Conversation) -> Self {
        let mut atoms = Self { by: HashMap::new(), sums: Vec::new() };
        atoms.add(Atom::Rest, 0);
        for (number, preamble) in conversation.preambles.iter().enumerate() {
            let bytes: usize = preamble.tools.iter().map(|tool| tool.bytes).sum();
            atoms.add(Atom::Definitions(number), (bytes as u64).div_ceil(BYTES));
            atoms.add(Atom::Instructions(number), preamble.system.iter().map(tokens).sum());
        }
        for (number, entry) in conversation.entries.iter().enumerate() {
            for (at, piece) in entry.message.pieces.iter().enumerate() {
                atoms.add(Atom::Piece(number, at), tokens(piece));
            }
        }
        atoms
    }

    fn add(&mut self, atom: Atom, tokens: u64) {
        self.by.insert(atom, self.sums.len());
        self.sums.push(Sum { atom, call: None, resent: 0, split: Split::default(), tokens });
    }

    /// Charges a call to what it carried.
    pub(super) fn charge(&mut self, conversation: &Conversation, number: usize, split: &Split) {
        let note = &conversation.calls[number];
        let mut prompt = vec![Atom::Definitions(note.preamble), Atom::Instructions(note.preamble)];
        let mut entries = conversation.request_of(number);
        // What is new and says nothing lasting was sent too.
        let lasting = |entry: &usize| conversation.entries[*entry].print.is_some();
        entries.extend(note.entries.iter().filter(|entry| Some(**entry) != note.answer && !lasting(entry)));
        for entry in entries {
            prompt.extend(pieces(conversation, entry));
        }
        let prompt: Vec<usize> = prompt.iter().map(|atom| self.by[atom]).collect();
        for at in &prompt {
            self.carried(*at, number);
        }
        let usage = &note.call.usage;
        let read = usage.cache_read.unwrap_or(0);
        let write = usage.cache_write_5m.unwrap_or(0).saturating_add(usage.cache_write_1h.unwrap_or(0));
        let all = usage.prompt().unwrap_or(0);
        let until = read.saturating_add(write);
        self.spread(&prompt, (0, read, all), split.cache_read, |sum| &mut sum.cache_read);
        self.spread(&prompt, (read, until, all), split.cache_write, |sum| &mut sum.cache_write);
        self.spread(&prompt, (until, all, all), split.input, |sum| &mut sum.input);
        let answer: Vec<usize> = note
            .answer
            .map(|entry| pieces(conversation, entry).map(|atom| self.by[&atom]).collect())
            .unwrap_or_default();
        for at in &answer {
            self.sums[*at].call.get_or_insert(number);
        }
        self.spread(&answer, (0, 1, 1), split.output, |sum| &mut sum.output);
        self.sums[0].split.tools += split.tools;
        self.sums[0].call.get_or_insert(number);
    }

    fn carried(&mut self, at: usize, call: usize) {
        let sum = &mut self.sums[at];
        match sum.call {
            Some(first) if first != call => sum.resent += 1,
            Some(_) => {}
            None => sum.call = Some(call),
        }
    }

    /// Divides an amount among the parts that lie in a stretch of the tokens that the provider counted.
    fn spread(
        &mut self,
        parts: &[usize],
        (from, to, all): (u64, u64, u64),
        amount: i64,
        bucket: impl Fn(&mut Split) -> &mut i64,
    ) {
        let Ok(whole) = u64::try_from(amount) else { return };
        let estimated: u128 = parts.iter().map(|at| u128::from(self.sums[*at].tokens)).sum();
        // Both scales brought to one: estimated tokens times counted tokens.
        let (from, to, all) = (u128::from(from), u128::from(to), u128::from(all));
        let (start, end) = (from * estimated, to * estimated);
        let mut place = 0_u128;
        let weights: Vec<u64> = parts
            .iter()
            .map(|at| {
                let next = place + u128::from(self.sums[*at].tokens) * all;
                let overlap = next.min(end).saturating_sub(place.max(start));
                place = next;
                // Weights of one stretch: small enough to multiply with.
                u64::try_from(overlap).unwrap_or(u64::MAX)
            })
            .collect();
        let Some(shares) = apportion(whole, &weights) else {
            *bucket(&mut self.sums[0].split) += amount;
            return;
        };
        for (at, share) in parts.iter().zip(shares) {
            *bucket(&mut self.sums[*at].split) += share.cast_signed();
        }
    }
}

fn pieces(conversation: &Conversation, entry: usize) -> impl Iterator<Item = Atom> + use<> {
    let count = conversation.entries[entry].message.pieces.len();
    (0..count).map(move |at| Atom::Piece(entry, at))
}

/// About how many tokens a piece takes.
fn tokens(piece: &Piece) -> u64 {
    let of = |bytes: usize| (bytes as u64).div_ceil(BYTES);
    match &piece.content {
        Content::Audio(media) | Content::Document(media) | Content::Video(media) => file(media),
        Content::Image(_) => PICTURE,
        Content::Refusal { text } | Content::Text { text } | Content::Unreadable { text, .. } => {
            of(text.len())
        }
        Content::ServerTool { raw, .. } | Content::Unknown { raw, .. } => of(raw.get().len()),
        Content::Thinking { seal, text, .. } => {
            of(text.len().max(seal.as_ref().map_or(0, |seal| seal.as_str().len() / 2)))
        }
        Content::ToolCall { arguments, name, .. } => of(arguments.as_str().len() + name.len()) + 8,
        Content::ToolResult { content, .. } => content.iter().map(tokens).sum::<u64>() + 8,
    }
}

fn file(media: &Media) -> u64 {
    match media.place {
        MediaPlace::Text => media.bytes.unwrap_or(0).div_ceil(BYTES),
        // Pages of documents and seconds of sound are not known here.
        MediaPlace::File(_) | MediaPlace::Inline | MediaPlace::Url(_) => PICTURE,
    }
}
