//! Text on its way through a lock: in a window while policies rewrite it, or held until it is judged as a whole.
//!
//! A text begins when its first words go out, so that one of which nothing is left is none.

use std::collections::VecDeque;

use lockgate_core::{BlockStart, Delta, Event};

use super::{Lock, Out};
use crate::held::{Held, Open, Piece, Text};
use crate::policy::TextNeed;
use crate::run::Run;
use crate::trial::{Outcome, Thing, Trial};

impl Lock {
    /// A text begins.
    pub(super) fn text_started(&mut self, (index, of): (u32, u64)) {
        let event = Event::BlockStarted { index, block: BlockStart::Text };
        let whole = (self.texts == TextNeed::Whole).then(String::new);
        let start = if whole.is_some() {
            self.hold(event, of);
            None
        } else {
            Some((event, of))
        };
        self.open = Open::Text(Text { changed: false, pieces: VecDeque::new(), start, whole });
    }

    /// A piece of the open text, or an event that belongs to a place in it.
    pub(super) fn piece(&mut self, run: &mut Run, at: (u32, u64), delta: Delta, out: &mut Vec<Out>) {
        let Open::Text(text) = &mut self.open else { return };
        if let Delta::Text(words) = &delta {
            text.pieces.push_back(Piece { beside: None, left: words.len(), of: at.1 });
            self.words(run, at, words, false, out);
        } else {
            let event = Event::BlockDelta { index: at.0, delta };
            text.pieces.push_back(Piece { beside: Some(event), left: 0, of: at.1 });
            self.words(run, at, "", false, out);
        }
    }

    /// The start of the open text, before its first words.
    fn begin(&mut self, out: &mut Vec<Out>) {
        let Open::Text(text) = &mut self.open else { return };
        if let Some((event, of)) = text.start.take() {
            self.emit(event, of, out);
        }
    }

    /// The end of a text that went through a window.
    pub(super) fn end_of_text(
        &mut self,
        start: Option<(Event, u64)>,
        changed: bool,
        (index, of): (u32, u64),
        out: &mut Vec<Out>,
    ) {
        match start {
            // Nothing is left of it.
            Some(_) if changed => {
                self.altered = true;
                self.emptied = true;
                return;
            }
            // An empty text goes as it came.
            Some((event, of)) => self.emit(event, of, out),
            None => {}
        }
        self.emit(Event::BlockEnded { index }, of, out);
    }

    /// Words of the open text through the policies that rewrite text, and what of it may go.
    pub(super) fn words(
        &mut self,
        run: &mut Run,
        (index, of): (u32, u64),
        words: &str,
        last: bool,
        out: &mut Vec<Out>,
    ) {
        let (settled, changed) = run.text(words, last);
        let Open::Text(text) = &mut self.open else { return };
        text.changed |= changed;
        if let Some(all) = &mut text.whole {
            all.push_str(&settled);
            self.held_bytes += settled.len();
            for piece in std::mem::take(&mut text.pieces) {
                self.keep(piece.beside.map_or(Held::Words, Held::Event), piece.of);
            }
            return;
        }
        if self.altered || text.changed {
            // What is left of the pieces has no meaning any more: places in the text have moved.
            let beside: Vec<Event> = text.pieces.drain(..).filter_map(|piece| piece.beside).collect();
            let (begins, nothing) = (text.start.is_some(), settled.is_empty());
            self.altered = true;
            if !settled.is_empty() {
                self.begin(out);
                self.emit(Event::BlockDelta { index, delta: Delta::Text(settled) }, of, out);
            }
            for event in beside {
                let is_logprobs = matches!(event, Event::BlockDelta { delta: Delta::Logprobs(_), .. });
                // What belongs to words that are gone goes with them.
                if !(is_logprobs || begins && nothing) {
                    self.emit(event, of, out);
                }
            }
            return;
        }
        let mut rest = settled.as_str();
        let mut ready = Vec::new();
        while let Some(piece) = text.pieces.front_mut() {
            let (now, later) = rest.split_at(piece.left.min(rest.len()));
            piece.left -= now.len();
            rest = later;
            if !now.is_empty() {
                let event = Event::BlockDelta { index, delta: Delta::Text(now.to_owned()) };
                // All of it is settled only when all of its text is.
                ready.push((event, piece.of, piece.of - u64::from(piece.left > 0)));
            }
            if piece.left > 0 {
                break;
            }
            let Some(piece) = text.pieces.pop_front() else { break };
            if let Some(event) = piece.beside {
                ready.push((event, piece.of, piece.of));
            }
        }
        if !ready.is_empty() {
            self.begin(out);
        }
        for (event, of, through) in ready {
            self.emit_through(event, of, through, out);
        }
    }

    /// A text that was judged as a whole.
    pub(super) fn text(&mut self, events: Vec<(u64, Held)>, trial: &Trial, run: &Run, out: &mut Vec<Out>) {
        let Thing::Text(own) = &trial.thing else { return };
        let words = match &trial.outcome {
            Some(Outcome::Gone) => "",
            Some(Outcome::Again { refusal: words, .. } | Outcome::Say(words) | Outcome::Stop(words)) => words,
            Some(Outcome::Pass) | None => own,
        };
        let changed = trial.changed || trial.outcome != Some(Outcome::Pass);
        self.altered |= changed;
        // An empty text is refused by providers when it comes back; one that came so goes as it came.
        self.emptied |= changed && words.is_empty();
        if !(changed && words.is_empty()) {
            let mut spoken = words.is_empty();
            for (of, held) in events {
                let says = match &held {
                    Held::Words => true,
                    Held::Event(event) => matches!(event, Event::BlockEnded { .. }),
                };
                if says && !spoken {
                    spoken = true;
                    let delta = Delta::Text(words.to_owned());
                    self.send(Event::BlockDelta { index: 0, delta }, of, out);
                }
                match held {
                    Held::Event(Event::BlockDelta { .. }) if changed => {}
                    Held::Event(event) => self.send(event, of, out),
                    Held::Words => {}
                }
            }
        }
        if !trial.warnings.is_empty() && run.may_add() {
            self.altered = true;
            self.say(&trial.warnings.join("\n\n"), out);
        }
    }

    /// The first of the taken events whose text waits in a window.
    pub(super) fn unsettled(&self) -> Option<u64> {
        match &self.open {
            Open::Text(text) => {
                let start = text.start.as_ref().map(|(_, of)| *of);
                start.or_else(|| text.pieces.front().map(|piece| piece.of))
            }
            Open::Call(_) | Open::Nothing | Open::Other => None,
        }
    }
}
