//! The tool calls of an answer, put together from deltas that servers write in many ways: with an index or without,
//! all with index 0, the id and name once or each time, arguments in pieces or whole.
//!
//! What a delta belongs to is decided by id, then index, then order. Arguments are passed on and not kept: whether
//! they are complete is known from their brackets.

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Seal};

use super::chunk::{Call, arguments_of, signature_of};
use crate::Decoded;

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<One>,
}

#[derive(Debug)]
struct One {
    block: Option<u32>,
    brackets: Brackets,
    /// Arguments that came before the name.
    held: String,
    held_seal: Option<Seal>,
    /// The id as told to clients, and as the server said it.
    id: String,
    index: Option<u64>,
    kind: ToolKind,
    name: Option<String>,
    open: bool,
    said: Option<String>,
}

/// Where the blocks of the answer are numbered, and what ids are made of.
pub(super) struct Place<'a> {
    pub(super) answer: Option<&'a str>,
    pub(super) next: &'a mut u32,
    pub(super) out: &'a mut Decoded,
}

impl Calls {
    /// Takes a delta (or a whole call).
    pub(super) fn take(&mut self, call: &Call<'_>, place: &mut Place<'_>) {
        let (name, piece, kind) = match (&call.custom, &call.function) {
            (Some(custom), _) => {
                let piece = custom.input.text().unwrap_or_default().to_owned();
                (custom.name.text(), piece, ToolKind::Custom)
            }
            (None, Some(function)) => {
                let piece = function.arguments.map(arguments_of).unwrap_or_default();
                (function.name.text(), piece, ToolKind::Function)
            }
            (None, None) => (None, String::new(), ToolKind::Function),
        };
        let id = call.id.text();
        let at = match self.find(call.index.0, id, name, !piece.is_empty()) {
            Some(at) => at,
            None if id.is_none() && name.is_none() && piece.is_empty() => return,
            None => self.add(call.index.0, id, kind, place),
        };
        let one = &mut self.list[at];
        if let (None, Some(name)) = (&one.name, name) {
            one.kind = kind;
            one.start(name, place);
        }
        one.more(&piece, place.out);
        if let Some(signature) = call.extra_content.and_then(signature_of) {
            one.seal(Seal::Signature(signature), place.out);
        }
    }

    /// Which call a delta continues; `None` = it begins one.
    fn find(&self, index: Option<u64>, id: Option<&str>, name: Option<&str>, more: bool) -> Option<usize> {
        let last = match index {
            Some(_) => self.list.iter().rposition(|one| one.index == index),
            None => self.list.len().checked_sub(1),
        };
        let Some(id) = id else {
            return last.filter(|at| !self.list[*at].is_before(name, more));
        };
        let same = |one: &One| {
            let place = index.is_none() || one.index.is_none() || one.index == index;
            place && one.said.as_deref() == Some(id)
        };
        match self.list.iter().rposition(same) {
            Some(at) => Some(at),
            // A new id with a name begins a call; without a name the server makes up an id for each delta.
            None if name.is_some() => None,
            None => last,
        }
    }

    /// A new call. Those before it whose arguments are complete are over; others may go on beside it.
    fn add(
        &mut self,
        index: Option<u64>,
        said: Option<&str>,
        kind: ToolKind,
        place: &mut Place<'_>,
    ) -> usize {
        for one in &mut self.list {
            if one.brackets.complete() {
                one.end(place.out);
            }
        }
        let number = self.list.len();
        let taken = |id: &str| self.list.iter().any(|one| one.id == id);
        let id = match said {
            Some(id) if !taken(id) => id.to_owned(),
            _ => made_up(place.answer, number),
        };
        self.list.push(One {
            block: None,
            brackets: Brackets::default(),
            held: String::new(),
            held_seal: None,
            id,
            index,
            kind,
            name: None,
            open: true,
            said: said.map(Into::into),
        });
        number
    }

    /// The answer is over: ends what is open. A call that never got a name cannot be run.
    pub(super) fn end_all(&mut self, out: &mut Decoded) -> Option<Failure> {
        for one in &mut self.list {
            one.end(out);
        }
        self.list.iter().any(|one| one.name.is_none()).then(|| {
            Failure::new(ErrorKind::UpstreamUnavailable, "the provider sent a tool call without a name")
        })
    }

    /// Something else begins: calls whose arguments are complete are over.
    pub(super) fn end_complete(&mut self, out: &mut Decoded) {
        for one in self.list.iter_mut().filter(|one| one.brackets.complete()) {
            one.end(out);
        }
    }
}

impl One {
    /// Whether a delta without an id, with this name, begins another call.
    fn is_before(&self, name: Option<&str>, more: bool) -> bool {
        match (name, &self.name) {
            (Some(name), Some(mine)) => name != mine || (more && self.brackets.complete()),
            _ => false,
        }
    }

    fn start(&mut self, name: &str, place: &mut Place<'_>) {
        let index = *place.next;
        *place.next += 1;
        self.block = Some(index);
        self.name = Some(name.into());
        let block =
            BlockStart::ToolCall { id: self.id.clone(), kind: self.kind, name: name.into(), namespace: None };
        place.out.push(Event::BlockStarted { index, block });
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            place.out.push(Event::BlockDelta { index, delta: Delta::Arguments(held) });
        }
        if let Some(seal) = self.held_seal.take() {
            place.out.push(Event::BlockDelta { index, delta: Delta::Seal(seal) });
        }
    }

    fn more(&mut self, piece: &str, out: &mut Decoded) {
        if piece.is_empty() {
            return;
        }
        if self.kind == ToolKind::Function {
            self.brackets.take(piece);
        }
        match self.block {
            None => self.held.push_str(piece),
            Some(index) if self.open => {
                out.push(Event::BlockDelta { index, delta: Delta::Arguments(piece.into()) });
            }
            Some(_) if piece.trim().is_empty() => {}
            Some(_) => out.push(Event::Opaque),
        }
    }

    fn seal(&mut self, seal: Seal, out: &mut Decoded) {
        match self.block {
            Some(index) if self.open => out.push(Event::BlockDelta { index, delta: Delta::Seal(seal) }),
            _ => self.held_seal = Some(seal),
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        if let (Some(index), true) = (self.block, self.open) {
            out.push(Event::BlockEnded { index });
            self.open = false;
        }
    }
}

/// An id for a call that the server gave none, from the answer's own id.
fn made_up(answer: Option<&str>, number: usize) -> String {
    match answer {
        Some(answer) => {
            let plain: String =
                answer.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
            format!("call_{plain}_{number}")
        }
        None => format!("call_{number}"),
    }
}

/// Follows the brackets of a JSON object.
#[derive(Debug, Default)]
struct Brackets {
    closed: bool,
    depth: u32,
    escaped: bool,
    in_string: bool,
}

impl Brackets {
    /// Whether an object was opened and closed again.
    fn complete(&self) -> bool {
        self.closed && self.depth == 0 && !self.in_string
    }

    fn take(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}
