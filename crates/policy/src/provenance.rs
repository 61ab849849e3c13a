//! Where text came from: which words of a tool call's arguments stand in what tools gave back earlier in the conversation, and which
//! tools those were. Made once per call from the conversation, and shared.
//!
//! The way: texts are brought to letters and digits alone, so that breaks, quotes, escapes and case do not matter. The pieces of the
//! arguments, [`PIECE`] letters each, are looked for in what was said so far; so are names (addresses, links, ids), which are shorter.
//! What the person or the instructions say somewhere is theirs, what the model said before a tool showed it is the model's. Words that
//! the model has put into other words are not found.

mod class;
mod normal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use lockgate_core::content::{Source as Bytes, ToolCall};
use lockgate_core::{Block, Conversation, Part, Role};

pub(crate) use class::{Class, of as class_of, words};
pub(crate) use normal::{Normal, encoded};

use crate::target;

/// So many letters and digits in a row are a piece: about six words. Shorter ones are in everybody's mouth.
pub(crate) const PIECE: usize = 32;

/// Of long arguments every so many-th piece is looked for, so that there are no more than these.
const PIECES_MAX: usize = 4096;

/// No more names than these are looked for.
const NAMES_MAX: usize = 32;

/// Whose words a part of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The person's, the client's, or instructions.
    Given,
    /// The model's.
    Model,
    /// What the tool of this number gave back.
    Tool(usize),
}

/// A tool call of the conversation.
#[derive(Debug, Clone)]
struct Called {
    arguments: Option<ToolCall>,
    name: String,
}

/// What was said in a conversation, ready to be searched.
#[derive(Debug, Default)]
pub(crate) struct Provenance {
    calls: Vec<Called>,
    /// Where each part ends in `text`, and whose it is.
    parts: Vec<(usize, Whose)>,
    text: Vec<u8>,
}

/// A tool whose words stand in something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) classes: Vec<Class>,
    /// The beginning of what was found.
    pub(crate) evidence: String,
    pub(crate) tool: String,
}

impl Source {
    /// As conditions name it.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> + '_ {
        let classes = self.classes.iter().map(|class| class.as_str().to_owned());
        classes.chain([format!("tool:{}", self.tool)])
    }
}

impl Provenance {
    pub(crate) fn of(conversation: &Conversation) -> Self {
        let mut made = Self { text: Vec::with_capacity(conversation.size()), ..Self::default() };
        let mut ids: HashMap<&str, usize> = HashMap::new();
        for part in &conversation.system {
            made.part(part, Whose::Given, &mut ids);
        }
        for turn in &conversation.turns {
            let whose = match turn.role {
                Role::Assistant => Whose::Model,
                Role::System | Role::User => Whose::Given,
            };
            for part in &turn.parts {
                made.part(part, whose, &mut ids);
            }
        }
        made
    }

    fn part<'c>(&mut self, part: &'c Part, whose: Whose, ids: &mut HashMap<&'c str, usize>) {
        match &part.block {
            Block::Text(text) => self.add(text.text.as_str(), whose),
            Block::Refusal(words) => self.add(words, whose),
            Block::Document(document) => {
                if let Bytes::Text { text } = &document.source {
                    self.add(text, whose);
                }
            }
            Block::ToolCall(call) => {
                // JSON's own escapes are passed over as those in a text are.
                self.add(&call.arguments, whose);
                ids.insert(&call.id, self.calls.len());
                self.calls.push(Called { arguments: Some(call.clone()), name: call.name.clone() });
            }
            Block::ToolResult(result) => {
                let known = ids.get(result.call_id.as_str()).copied();
                let number = known.unwrap_or_else(|| {
                    let name = result.name.clone().unwrap_or_default();
                    self.calls.push(Called { arguments: None, name });
                    self.calls.len() - 1
                });
                let tool = Whose::Tool(number);
                for part in &result.content {
                    self.part(part, tool, ids);
                }
            }
            // What a tool of the provider gave back.
            Block::Opaque(opaque) if opaque.kind.contains("result") => {
                self.calls.push(Called { arguments: None, name: opaque.kind.clone() });
                self.add(opaque.raw.get(), Whose::Tool(self.calls.len() - 1));
            }
            Block::Audio(_) | Block::Image(_) | Block::Opaque(_) | Block::Reasoning(_) | Block::Video(_) => {}
        }
    }

    fn add(&mut self, text: &str, whose: Whose) {
        let before = self.text.len();
        normal::append(text, &mut self.text);
        if self.text.len() > before {
            self.parts.push((self.text.len(), whose));
        }
    }

    /// The tools whose words stand in the arguments of a call.
    pub(crate) fn of_call(&self, call: &ToolCall) -> Vec<Source> {
        let arguments = target::arguments(call);
        let mut texts = Vec::new();
        target::each_text(&arguments, "", 0, &mut |_, text| texts.push(text));
        self.of_texts(&texts)
    }

    /// The tools whose words stand in these texts, each once.
    pub(crate) fn of_texts(&self, texts: &[&str]) -> Vec<Source> {
        if self.calls.is_empty() {
            return Vec::new();
        }
        let mut found: BTreeMap<usize, String> = BTreeMap::new();
        for normal in texts.iter().flat_map(|text| Normal::forms_of(text)) {
            for (tool, evidence) in self.pieces(&normal).into_iter().chain(self.names(&normal)) {
                found.entry(tool).or_insert(evidence);
            }
        }
        let mut sources: Vec<Source> = Vec::new();
        for (tool, evidence) in found {
            let called = &self.calls[tool];
            let classes = class::of(&called.name, called.arguments.as_ref());
            let known = sources.iter().any(|source| source.tool == called.name && source.classes == classes);
            if !known {
                sources.push(Source { classes, evidence, tool: called.name.clone() });
            }
        }
        sources
    }

    /// Whether the person, the client or the instructions said this.
    pub(crate) fn is_given(&self, normal: &Normal<'_>) -> bool {
        let finder = memchr::memmem::Finder::new(normal.bytes());
        self.each_part().any(|(part, whose)| whose == Whose::Given && finder.find(part).is_some())
    }

    /// The parts, each with whose it is.
    fn each_part(&self) -> impl Iterator<Item = (&[u8], Whose)> {
        let mut from = 0;
        self.parts.iter().map(move |(to, whose)| {
            let part = &self.text[from..*to];
            from = *to;
            (part, *whose)
        })
    }

    /// The tools that showed pieces of a text, each with the first of them.
    fn pieces(&self, normal: &Normal) -> Vec<(usize, String)> {
        let text = normal.bytes();
        if text.len() < PIECE {
            return Vec::new();
        }
        let sought = Sought::of(text);
        let mut claims: Vec<Claim> = vec![Claim::default(); sought.starts.len()];
        for (part, whose) in self.each_part() {
            sought.within(text, part, &mut |piece| claims[piece].by(whose));
        }
        let mut tools: Vec<(usize, String)> = Vec::new();
        for (claim, start) in claims.iter().zip(&sought.starts) {
            for tool in claim.tools() {
                if !tools.iter().any(|(known, _)| known == tool) {
                    tools.push((*tool, normal.shown(*start, PIECE)));
                }
            }
        }
        tools
    }

    /// The tools that showed names which stand in a text.
    fn names(&self, normal: &Normal) -> Vec<(usize, String)> {
        let mut tools: Vec<(usize, String)> = Vec::new();
        for (shown, name) in normal.names().into_iter().take(NAMES_MAX) {
            let finder = memchr::memmem::Finder::new(&name);
            let mut claim = Claim::default();
            let mut part = 0;
            for at in finder.find_iter(&self.text) {
                while self.parts[part].0 <= at {
                    part += 1;
                }
                if at + name.len() <= self.parts[part].0 {
                    claim.by(self.parts[part].1);
                }
            }
            for tool in claim.tools() {
                if !tools.iter().any(|(known, _)| known == tool) {
                    tools.push((*tool, shown.clone()));
                }
            }
        }
        tools
    }
}

/// Who has said a piece, in the order of the conversation.
#[derive(Debug, Clone, Default)]
struct Claim {
    given: bool,
    model: bool,
    tools: Vec<usize>,
}

impl Claim {
    fn by(&mut self, whose: Whose) {
        match whose {
            Whose::Given => self.given = true,
            Whose::Model => self.model |= self.tools.is_empty(),
            Whose::Tool(tool) if !self.model && self.tools.last() != Some(&tool) => self.tools.push(tool),
            Whose::Tool(_) => {}
        }
    }

    /// Whose words it is, if it is no one's but tools'.
    fn tools(&self) -> &[usize] {
        if self.given { &[] } else { &self.tools }
    }
}

/// The pieces of a text that are looked for.
struct Sought {
    /// Which values of a hash occur at all.
    bits: Vec<u64>,
    by_hash: HashMap<u64, usize, BuildHasherDefault<AsIs>>,
    starts: Vec<usize>,
}

const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// What the oldest letter of a piece weighs.
const OLDEST: u64 = {
    let mut weight = 1_u64;
    let mut at = 1;
    while at < PIECE {
        weight = weight.wrapping_mul(BASE);
        at += 1;
    }
    weight
};

impl Sought {
    fn of(text: &[u8]) -> Self {
        let step = text.len().div_ceil(PIECES_MAX).max(1);
        let mut made = Self { bits: vec![0; 1024], by_hash: HashMap::default(), starts: Vec::new() };
        rolled(text, &mut |start, hash| {
            if start % step == 0 && !made.by_hash.contains_key(&hash) {
                made.by_hash.insert(hash, made.starts.len());
                made.starts.push(start);
                let bit = bit(hash);
                made.bits[bit / 64] |= 1 << (bit % 64);
            }
        });
        made
    }

    /// Tells which of the pieces stand in a part.
    fn within(&self, text: &[u8], part: &[u8], found: &mut impl FnMut(usize)) {
        rolled(part, &mut |start, hash| {
            let bit = bit(hash);
            if self.bits[bit / 64] >> (bit % 64) & 1 == 0 {
                return;
            }
            let Some(piece) = self.by_hash.get(&hash) else { return };
            let own = self.starts[*piece];
            if text[own..own + PIECE] == part[start..start + PIECE] {
                found(*piece);
            }
        });
    }
}

fn bit(hash: u64) -> usize {
    (hash >> 48) as usize
}

/// A hash of each piece of a text, with where it starts.
fn rolled(text: &[u8], each: &mut impl FnMut(usize, u64)) {
    if text.len() < PIECE {
        return;
    }
    let add = |hash: u64, byte: u8| hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1);
    let mut hash = text[..PIECE].iter().fold(0, |hash, byte| add(hash, *byte));
    each(0, hash);
    for (start, (old, new)) in text.iter().zip(&text[PIECE..]).enumerate() {
        hash = add(hash.wrapping_sub((u64::from(*old) + 1).wrapping_mul(OLDEST)), *new);
        each(start + 1, hash);
    }
}

/// A hash is its own hash.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
