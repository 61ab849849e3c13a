//! Makes blocks of the items of an answer, whatever subset of events a server sends for them.
//!
//! Every text is announced up to four times (deltas, `.done`, the part's end, the item's end) and once more in the
//! response object. Servers leave out any of these. What a later announcement has beyond what was sent is sent then,
//! so nothing is lost and nothing comes twice. Items may be interleaved: each is found by its index, its id, or as
//! the last one that is still open.

use lockgate_core::content::{Opaque, ToolKind};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Seal};
use serde_json::value::RawValue;

use crate::Decoded;

use super::answer::{elements, number, object, text, text_or_json};
use super::items::IN_CONTENT;
use super::media::citation;
use super::parts::{Item, Kind, Part, PartKind, kind_of, part_index, part_kind};
use super::shape::{EventIn, ItemIn, PartIn};

/// All items of one answer.
#[derive(Default)]
pub(super) struct Blocks {
    /// The answer's id, for calls without one.
    pub(super) answer: Option<String>,
    /// Whether a tool was called.
    pub(super) called: bool,
    items: Vec<Item>,
    next: u32,
    /// Whether the model refused in words.
    pub(super) refused: bool,
}

impl Blocks {
    /// Takes an event about an item; `false` = not known here.
    pub(super) fn take(&mut self, kind: &str, event: &EventIn<'_>, out: &mut Decoded) -> bool {
        let whole = |field| text(field).unwrap_or_default();
        match kind {
            "response.output_item.added" => self.added(event, out),
            "response.output_item.done" => self.item_done(event, out),
            "response.content_part.added" | "response.reasoning_summary_part.added" => {}
            "response.content_part.done" => self.part_done(event, out),
            "response.output_text.delta" => self.grow(event, PartKind::Text, &whole(event.delta), out),
            "response.output_text.done" => self.complete(event, PartKind::Text, &whole(event.text), out),
            "response.output_text.annotation.added" => self.annotate(event, out),
            "response.refusal.delta" => self.grow(event, PartKind::Refusal, &whole(event.delta), out),
            "response.refusal.done" => self.complete(event, PartKind::Refusal, &whole(event.refusal), out),
            "response.reasoning_text.delta" => self.grow(event, PartKind::Thought, &whole(event.delta), out),
            "response.reasoning_text.done" => {
                self.complete(event, PartKind::Thought, &whole(event.text), out);
            }
            "response.reasoning_summary_text.delta" => {
                self.grow(event, PartKind::Summary, &whole(event.delta), out);
            }
            "response.reasoning_summary_text.done" => {
                self.complete(event, PartKind::Summary, &whole(event.text), out);
            }
            "response.reasoning_summary_part.done" => {
                let part: PartIn<'_> = object(event.part).unwrap_or_default();
                self.complete(event, PartKind::Summary, &whole(part.text), out);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.grow(event, PartKind::Arguments, &whole(event.delta), out);
            }
            "response.function_call_arguments.done" => {
                let arguments = text_or_json(event.arguments).unwrap_or_default();
                self.complete(event, PartKind::Arguments, &arguments, out);
            }
            "response.custom_tool_call_input.done" => {
                self.complete(event, PartKind::Arguments, &whole(event.input), out);
            }
            _ => return false,
        }
        true
    }

    /// Takes the output of the finished response: items and texts that never streamed are sent now, what is open
    /// ends.
    pub(super) fn finish(&mut self, output: &[&RawValue], out: &mut Decoded) {
        for (position, raw) in output.iter().enumerate() {
            let item: ItemIn<'_> = object(Some(raw)).unwrap_or_default();
            let at = self.find_again(&item, position as u64).unwrap_or_else(|| self.add(&item, None));
            self.settle(at, &item, raw, out);
        }
        for item in &mut self.items {
            item.end(out);
        }
    }

    /// Only notes what the output holds.
    pub(super) fn look(&mut self, output: &[&RawValue]) {
        for raw in output {
            let item: ItemIn<'_> = object(Some(raw)).unwrap_or_default();
            match kind_of(&item) {
                Kind::Call(_) => self.called = true,
                Kind::Message => {
                    self.refused |= elements(item.content).into_iter().any(|part| {
                        let part: PartIn<'_> = object(Some(part)).unwrap_or_default();
                        part_kind(&part) == Some(PartKind::Refusal)
                    });
                }
                Kind::Other | Kind::Reasoning => {}
            }
        }
    }

    fn added(&mut self, event: &EventIn<'_>, out: &mut Decoded) {
        let item: ItemIn<'_> = object(event.item).unwrap_or_default();
        let at = self.add(&item, number(event.output_index));
        if let Kind::Call(kind) = self.items[at].kind {
            // Without a name or an id there is nothing to begin a block with yet: the item's end has them.
            if self.items[at].call_id.is_some() && text(item.name).is_some_and(|name| !name.is_empty()) {
                self.open_call(at, kind, &item, out);
            }
        }
    }

    fn add(&mut self, item: &ItemIn<'_>, index: Option<u64>) -> usize {
        let kind = kind_of(item);
        let id = text(item.id).filter(|id| !id.is_empty());
        let call_id = text(item.call_id).filter(|id| !id.is_empty());
        self.called |= matches!(kind, Kind::Call(_));
        self.items.push(Item { call_id, done: false, id, index, kind, parts: Vec::new() });
        self.items.len() - 1
    }

    fn item_done(&mut self, event: &EventIn<'_>, out: &mut Decoded) {
        let Some(raw) = event.item else { return };
        let item: ItemIn<'_> = object(Some(raw)).unwrap_or_default();
        let index = number(event.output_index);
        let by_index = index.and_then(|_| self.items.iter().position(|known| known.index == index));
        let nameless = item.id.is_none() && item.call_id.is_none();
        let open = |known: &Item| nameless && !known.done && known.kind == kind_of(&item);
        let at = by_index
            .or_else(|| self.find_again(&item, u64::MAX))
            .or_else(|| self.items.iter().rposition(open))
            .unwrap_or_else(|| self.add(&item, index));
        self.settle(at, &item, raw, out);
    }

    /// The item that the response object speaks of: by call id, by id, else by place.
    fn find_again(&self, item: &ItemIn<'_>, position: u64) -> Option<usize> {
        let (id, call_id) = (text(item.id), text(item.call_id));
        let by = |matches: &dyn Fn(&Item) -> bool| self.items.iter().position(matches);
        by(&|known| call_id.is_some() && known.call_id == call_id && known.kind == kind_of(item))
            .or_else(|| by(&|known| id.is_some() && known.id == id))
            .or_else(|| {
                let place = |at: usize, known: &Item| known.index.unwrap_or(at as u64);
                let at =
                    self.items.iter().enumerate().position(|(at, known)| place(at, known) == position)?;
                let foreign = matches!((&self.items[at].call_id, &call_id), (Some(a), Some(b)) if a != b);
                (self.items[at].kind == kind_of(item) && !foreign).then_some(at)
            })
    }

    /// The item an event is about; one that was never announced is taken as begun by it.
    fn find(&mut self, event: &EventIn<'_>, kind: PartKind) -> usize {
        let index = number(event.output_index);
        let id = text(event.item_id).filter(|id| !id.is_empty());
        let known = match (index, &id) {
            (Some(_), _) => self.items.iter().position(|item| item.index == index),
            (None, Some(_)) => self.items.iter().position(|item| item.id == id),
            (None, None) => self.items.iter().rposition(|item| !item.done && item.kind.holds(kind)),
        };
        known.filter(|at| self.items[*at].kind.holds(kind)).unwrap_or_else(|| {
            let kind = match kind {
                PartKind::Arguments => Kind::Call(ToolKind::Function),
                PartKind::Refusal | PartKind::Text => Kind::Message,
                PartKind::Summary | PartKind::Thought => Kind::Reasoning,
            };
            self.items.push(Item { call_id: None, done: false, id, index, kind, parts: Vec::new() });
            self.items.len() - 1
        })
    }

    fn grow(&mut self, event: &EventIn<'_>, kind: PartKind, text: &str, out: &mut Decoded) {
        if text.is_empty() {
            return;
        }
        let at = self.find(event, kind);
        if kind == PartKind::Arguments && self.items[at].parts.is_empty() {
            // Deltas of a call whose name is not known yet: its end brings all of it.
            return;
        }
        let part = self.part(at, part_index(event, kind), kind, out);
        part.send(text, out);
        if let Some(logprobs) = event.logprobs.filter(|raw| !elements(Some(raw)).is_empty()) {
            part.likely = true;
            out.push(Event::BlockDelta { index: part.block, delta: Delta::Logprobs(logprobs.to_owned()) });
        }
    }

    fn complete(&mut self, event: &EventIn<'_>, kind: PartKind, whole: &str, out: &mut Decoded) {
        let at = self.find(event, kind);
        if self.items[at].done || (kind == PartKind::Arguments && self.items[at].parts.is_empty()) {
            return;
        }
        self.rest(at, part_index(event, kind), kind, whole, out);
    }

    /// Sends what of a whole text was not sent.
    fn rest(&mut self, at: usize, index: u64, kind: PartKind, whole: &str, out: &mut Decoded) {
        let known = self.items[at].parts.iter().find(|part| part.at == index && part.kind == kind);
        let rest = known.map_or(whole, |part| if part.open { part.sent.rest(whole) } else { "" });
        if !rest.is_empty() {
            self.part(at, index, kind, out).send(rest, out);
        }
    }

    fn annotate(&mut self, event: &EventIn<'_>, out: &mut Decoded) {
        let Some(raw) = event.annotation else { return };
        let at = self.find(event, PartKind::Text);
        let part = self.part(at, part_index(event, PartKind::Text), PartKind::Text, out);
        part.annotations += 1;
        out.push(Event::BlockDelta { index: part.block, delta: Delta::Citation(citation(raw)) });
    }

    fn part_done(&mut self, event: &EventIn<'_>, out: &mut Decoded) {
        let part: PartIn<'_> = object(event.part).unwrap_or_default();
        let Some(kind) = part_kind(&part) else { return };
        let at = self.find(event, kind);
        if !self.items[at].done {
            self.settle_part(at, part_index(event, kind), kind, &part, out);
        }
    }

    /// All of a part is known: the rest of its text, its annotations, its end.
    fn settle_part(&mut self, at: usize, index: u64, kind: PartKind, part: &PartIn<'_>, out: &mut Decoded) {
        let whole = match kind {
            PartKind::Refusal => text(part.refusal),
            PartKind::Arguments | PartKind::Summary | PartKind::Text | PartKind::Thought => text(part.text),
        };
        self.rest(at, index, kind, &whole.unwrap_or_default(), out);
        let known = self.items[at].parts.iter_mut().find(|part| part.at == index && part.kind == kind);
        let Some(known) = known.filter(|known| known.open) else { return };
        for raw in elements(part.annotations).into_iter().skip(known.annotations) {
            known.annotations += 1;
            out.push(Event::BlockDelta { index: known.block, delta: Delta::Citation(citation(raw)) });
        }
        let likely = known.likely;
        if let Some(logprobs) = part.logprobs.filter(|raw| !likely && !elements(Some(raw)).is_empty()) {
            out.push(Event::BlockDelta { index: known.block, delta: Delta::Logprobs(logprobs.to_owned()) });
        }
        if matches!(kind, PartKind::Refusal | PartKind::Text) {
            known.open = false;
            out.push(Event::BlockEnded { index: known.block });
        }
    }

    /// All of an item is known.
    fn settle(&mut self, at: usize, item: &ItemIn<'_>, raw: &RawValue, out: &mut Decoded) {
        if self.items[at].done {
            return;
        }
        match self.items[at].kind {
            Kind::Call(kind) => self.settle_call(at, kind, item, out),
            Kind::Message => {
                for (index, raw) in elements(item.content).into_iter().enumerate() {
                    let part: PartIn<'_> = object(Some(raw)).unwrap_or_default();
                    if let Some(kind) = part_kind(&part) {
                        self.settle_part(at, index as u64, kind, &part, out);
                    } else {
                        let kind = text(part.kind).unwrap_or_default();
                        self.opaque(format!("{IN_CONTENT}{kind}"), raw, out);
                    }
                }
            }
            Kind::Other => self.opaque(text(item.kind).unwrap_or_default(), raw, out),
            Kind::Reasoning => self.settle_reasoning(at, item, out),
        }
        self.items[at].end(out);
    }

    fn settle_call(&mut self, at: usize, kind: ToolKind, item: &ItemIn<'_>, out: &mut Decoded) {
        self.open_call(at, kind, item, out);
        let whole = match kind {
            ToolKind::Custom => text(item.input),
            ToolKind::Function => text_or_json(item.arguments),
        };
        self.rest(at, 0, PartKind::Arguments, &whole.unwrap_or_default(), out);
    }

    fn settle_reasoning(&mut self, at: usize, item: &ItemIn<'_>, out: &mut Decoded) {
        for (kind, parts) in [(PartKind::Summary, item.summary), (PartKind::Thought, item.content)] {
            for (index, raw) in elements(parts).into_iter().enumerate() {
                let part: PartIn<'_> = object(Some(raw)).unwrap_or_default();
                self.settle_part(at, index as u64, kind, &part, out);
            }
        }
        if let Some(sealed) = text(item.encrypted_content).filter(|sealed| !sealed.is_empty()) {
            let open = self.items[at].parts.iter().rfind(|part| part.open).map(|part| part.block);
            let index = open.unwrap_or_else(|| self.part(at, 0, PartKind::Summary, out).block);
            out.push(Event::BlockDelta { index, delta: Delta::Seal(Seal::Encrypted(sealed)) });
        }
    }

    fn open_call(&mut self, at: usize, kind: ToolKind, item: &ItemIn<'_>, out: &mut Decoded) {
        if !self.items[at].parts.is_empty() {
            return;
        }
        let known = text(item.call_id).or_else(|| text(item.id)).filter(|id| !id.is_empty());
        let id = known.unwrap_or_else(|| match &self.answer {
            Some(answer) => format!("call_{answer}_{at}"),
            None => format!("call_{at}"),
        });
        let name = text(item.name).unwrap_or_default();
        let namespace = text(item.namespace).filter(|namespace| !namespace.is_empty());
        let block = self.block(BlockStart::ToolCall { id, kind, name, namespace }, out);
        self.items[at].parts.push(Part::new(0, block, PartKind::Arguments));
    }

    /// The open part of an item; begins its block if there is none.
    fn part(&mut self, at: usize, index: u64, kind: PartKind, out: &mut Decoded) -> &mut Part {
        let open = |part: &Part| part.open && part.at == index && part.kind == kind;
        let place = self.items[at].parts.iter().position(open).unwrap_or_else(|| {
            let block = self.block_for(at, kind, out);
            self.items[at].parts.push(Part::new(index, block, kind));
            self.items[at].parts.len() - 1
        });
        &mut self.items[at].parts[place]
    }

    fn block_for(&mut self, at: usize, kind: PartKind, out: &mut Decoded) -> u32 {
        match kind {
            PartKind::Arguments | PartKind::Text => self.block(BlockStart::Text, out),
            PartKind::Refusal => {
                self.refused = true;
                self.block(BlockStart::Refusal, out)
            }
            PartKind::Summary | PartKind::Thought => {
                let item = &mut self.items[at];
                if let Some(open) = item.parts.iter().rfind(|part| part.open && part.kind == kind) {
                    // Parts of one summary are one block, an empty line between them.
                    out.push(Event::BlockDelta { index: open.block, delta: kind.delta("\n\n".to_owned()) });
                    return open.block;
                }
                item.close(out);
                let start = BlockStart::Reasoning { id: item.id.clone(), summary: kind == PartKind::Summary };
                self.block(start, out)
            }
        }
    }

    fn opaque(&mut self, kind: String, raw: &RawValue, out: &mut Decoded) {
        let block = Opaque { dialect: Dialect::Responses, kind, raw: raw.to_owned() };
        let index = self.block(BlockStart::Opaque(block), out);
        out.push(Event::BlockEnded { index });
    }

    fn block(&mut self, block: BlockStart, out: &mut Decoded) -> u32 {
        let index = self.next;
        self.next += 1;
        out.push(Event::BlockStarted { index, block });
        index
    }
}
