//! Makes blocks of an answer's parts.
//!
//! Neighbouring words become one block, so do neighbouring thoughts. A signature on thoughts or on a call seals that
//! block; one on words (often on an empty text at the very end) seals the thoughts before them and becomes a block
//! of its own, because words carry no seal.

use lockgate_core::content::{Citation, Opaque, ToolKind};
use lockgate_core::{Block, BlockStart, Delta, Dialect, Event, Raw, Seal};

use super::super::MADE_ID;
use super::super::content::{of_blob, opaque};
use super::super::partial::Arguments;
use super::super::request::{Blob, FunctionCall, PartObject};
use super::super::response::{Candidate, GroundingMetadata, Page, Source, parts};
use crate::{DecodeError, Decoded};

/// The blocks of one answer.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The answer's id, as far as it can stand in the id of a call.
    answer: String,
    calls: u32,
    /// Sources told so far.
    cited: Vec<Cited>,
    /// A signature on words, held back until more comes or all is over: their sources may come after it.
    loose: Option<String>,
    next: u32,
    open: Option<Open>,
    /// Bytes of words in the open block; `None` = not ASCII, so bytes are not characters.
    words: Option<u64>,
    texts: u32,
}

/// A source's address and the span that cites it.
type Cited = (Option<String>, Option<(u64, u64)>);

#[derive(Debug)]
enum Open {
    /// Arguments in pieces, and the seal that is told behind them.
    Call(Arguments, Option<String>),
    Text,
    Thoughts,
}

impl Blocks {
    /// The answer's id, for calls that have none.
    pub(super) fn answer(&mut self, id: Option<&str>) {
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.answer = id.unwrap_or_default().chars().filter(plain).take(40).collect();
        if !self.answer.is_empty() {
            self.answer.push('_');
        }
    }

    /// Whether a tool was called.
    pub(super) fn called(&self) -> bool {
        self.calls > 0
    }

    /// Takes a piece of the answer.
    pub(super) fn candidate(&mut self, candidate: Candidate, out: &mut Decoded) -> Result<(), DecodeError> {
        for part in parts(candidate.content).0 {
            self.part(part, out)?;
        }
        if let Some(grounding) = candidate.grounding {
            self.grounding(grounding, out);
        }
        for source in candidate.citations.and_then(|all| all.citations).unwrap_or_default().0 {
            self.source(source, out);
        }
        if let Some(logprobs) = candidate.logprobs {
            self.on_words(Delta::Logprobs(logprobs), out);
        }
        if candidate.url_context.is_some() {
            out.push(Event::Opaque);
        }
        Ok(())
    }

    /// Ends what is open.
    pub(super) fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        if matches!(self.open, Some(Open::Call(..))) {
            return Err(DecodeError::Cut);
        }
        self.release(out);
        self.close(out);
        Ok(())
    }

    fn part(&mut self, part: PartObject, out: &mut Decoded) -> Result<(), DecodeError> {
        let empty_words = part.call.is_none() && part.text.as_deref() == Some("");
        if !empty_words {
            self.release(out);
        }
        if let Some(call) = part.call {
            return self.call(*call, part.signature, out);
        }
        if matches!(self.open, Some(Open::Call(..))) && !empty_words {
            return Err(DecodeError::malformed("a call's arguments break off"));
        }
        match (part.text, part.inline) {
            (Some(text), _) if part.thought == Some(true) => {
                if !text.is_empty() {
                    self.open(BlockStart::Reasoning { id: None, summary: false }, out);
                    self.delta(Delta::Reasoning(text), out);
                }
                if let Some(signature) = part.signature {
                    self.seal(signature, out);
                }
            }
            (Some(text), _) => {
                if !text.is_empty() {
                    self.open(BlockStart::Text, out);
                    self.words = self.words.filter(|_| text.is_ascii()).map(|sum| sum + text.len() as u64);
                    self.delta(Delta::Text(text), out);
                }
                self.loose = part.signature.or(self.loose.take());
            }
            (None, Some(blob)) => {
                self.blob(*blob, out);
                self.loose = part.signature;
            }
            (None, None) => match opaque(&part.rest, part.thought, part.signature.as_deref()) {
                Some(own) => self.whole(BlockStart::Opaque(own), out),
                None if part.file.is_some() || part.response.is_some() => out.push(Event::Opaque),
                None => self.loose = part.signature,
            },
        }
        Ok(())
    }

    fn blob(&mut self, blob: Blob, out: &mut Decoded) {
        let json =
            serde_json::json!({"inlineData": {"mimeType": blob.media_type, "data": blob.data}}).to_string();
        match of_blob(blob) {
            Block::Image(image) => self.whole(BlockStart::Image(image), out),
            Block::Audio(_)
            | Block::Document(_)
            | Block::Opaque(_)
            | Block::Reasoning(_)
            | Block::Refusal(_)
            | Block::Text(_)
            | Block::ToolCall(_)
            | Block::ToolResult(_)
            | Block::Video(_) => {
                if let Some(raw) = crate::json::raw(json) {
                    let kind = "inlineData".into();
                    self.whole(BlockStart::Opaque(Opaque { dialect: Dialect::Gemini, kind, raw }), out);
                }
            }
        }
    }

    fn call(
        &mut self,
        call: FunctionCall,
        signature: Option<String>,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let goes_on = call.name.as_deref().is_none_or(str::is_empty);
        if matches!(self.open, Some(Open::Call(..))) && !goes_on {
            self.end_call(None, out);
        }
        if let (false, Some(name)) = (goes_on, call.name) {
            self.close(out);
            let made = || format!("{MADE_ID}{}{}", self.answer, self.calls);
            let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(made);
            self.calls += 1;
            let kind = ToolKind::Function;
            let block = BlockStart::ToolCall { id, kind, name, namespace: None };
            out.push(Event::BlockStarted { index: self.next, block });
            self.open = Some(Open::Call(Arguments::default(), None));
            self.next += 1;
        } else if self.open.is_none() && self.loose.is_none() && signature.is_none() && call.partial.is_none()
        {
            // A call that says nothing at all.
            out.push(Event::Opaque);
            return Ok(());
        }
        let Some(Open::Call(arguments, seal)) = &mut self.open else {
            return Err(DecodeError::malformed("a call without a name"));
        };
        *seal = signature.or(seal.take());
        let streamed = call.partial.is_some() || call.will_continue == Some(true) || goes_on;
        for piece in call.partial.unwrap_or_default().0 {
            if !arguments.add(piece) {
                return Err(DecodeError::malformed("a piece of a call's arguments has no place"));
            }
        }
        match call.args.as_ref().map(|args| args.get()) {
            Some(args) if !streamed => self.end_call(Some(args.to_owned()), out),
            Some(args) if args != "{}" => {
                return Err(DecodeError::malformed("a call's arguments come both whole and in pieces"));
            }
            Some(_) | None if call.will_continue != Some(true) => self.end_call(None, out),
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Tells the arguments (those that were put together, if they did not come whole) and ends the call.
    fn end_call(&mut self, whole: Option<String>, out: &mut Decoded) {
        if let Some(Open::Call(arguments, seal)) = self.open.take() {
            self.delta(Delta::Arguments(whole.unwrap_or_else(|| arguments.json())), out);
            if let Some(signature) = seal {
                self.delta(Delta::Seal(Seal::Signature(signature)), out);
            }
            out.push(Event::BlockEnded { index: self.next - 1 });
        }
    }

    /// Goes on in the open block if it is of this kind, else begins a new one.
    fn open(&mut self, block: BlockStart, out: &mut Decoded) {
        let open = match (&block, &self.open) {
            (BlockStart::Text, Some(Open::Text)) | (BlockStart::Reasoning { .. }, Some(Open::Thoughts)) => {
                return;
            }
            (BlockStart::Text, _) => {
                self.words = Some(0);
                self.texts += 1;
                Open::Text
            }
            _ => Open::Thoughts,
        };
        self.close(out);
        self.open = Some(open);
        out.push(Event::BlockStarted { index: self.next, block });
        self.next += 1;
    }

    fn whole(&mut self, block: BlockStart, out: &mut Decoded) {
        self.close(out);
        out.push(Event::BlockStarted { index: self.next, block });
        out.push(Event::BlockEnded { index: self.next });
        self.next += 1;
    }

    fn close(&mut self, out: &mut Decoded) {
        if self.open.take().is_some() {
            out.push(Event::BlockEnded { index: self.next - 1 });
        }
    }

    fn delta(&self, delta: Delta, out: &mut Decoded) {
        out.push(Event::BlockDelta { index: self.next.saturating_sub(1), delta });
    }

    /// Seals the open thoughts, or thoughts without words.
    fn seal(&mut self, signature: String, out: &mut Decoded) {
        self.open(BlockStart::Reasoning { id: None, summary: false }, out);
        self.delta(Delta::Seal(Seal::Signature(signature)), out);
        self.close(out);
    }

    fn release(&mut self, out: &mut Decoded) {
        if let Some(signature) = self.loose.take() {
            self.seal(signature, out);
        }
    }

    fn on_words(&self, delta: Delta, out: &mut Decoded) {
        if matches!(self.open, Some(Open::Text)) {
            self.delta(delta, out);
        } else {
            out.push(Event::Opaque);
        }
    }

    fn grounding(&mut self, grounding: GroundingMetadata, out: &mut Decoded) {
        let pages: Vec<Page> = grounding
            .chunks
            .unwrap_or_default()
            .0
            .into_iter()
            .map(|chunk| chunk.web.or(chunk.retrieved).or(chunk.maps).unwrap_or_default())
            .collect();
        let supports = grounding.supports.unwrap_or_default().0;
        if supports.is_empty() {
            for page in &pages {
                self.cite(page.uri.clone(), page.title.clone(), None, out);
            }
        }
        for support in supports {
            let segment = support.segment.unwrap_or_default();
            let span = segment.end.map(|end| (segment.start.unwrap_or(0), end));
            for page in support.chunks.unwrap_or_default().into_iter().filter_map(|at| pages.get(at)) {
                self.cite(page.uri.clone(), page.title.clone(), span, out);
            }
        }
    }

    fn source(&mut self, source: Source, out: &mut Decoded) {
        let span = source.end.map(|end| (source.start.unwrap_or(0), end));
        self.cite(source.uri, source.title, span, out);
    }

    fn cite(
        &mut self,
        url: Option<String>,
        title: Option<String>,
        bytes: Option<(u64, u64)>,
        out: &mut Decoded,
    ) {
        // Google counts bytes of all words; they are characters of this block only if it is the first and ASCII.
        let span = bytes.filter(|(_, end)| self.texts == 1 && self.words.is_some_and(|sum| *end <= sum));
        let place = (url.clone(), span);
        if self.cited.contains(&place) {
            return;
        }
        self.cited.push(place);
        let raw: Option<(Dialect, Raw)> = None;
        self.on_words(Delta::Citation(Citation { raw, quote: None, span, title, url }), out);
    }
}
