//! Keeps what a client does not send again from one turn to the next: signatures and sealed thoughts, and items that
//! it refers to.
//!
//! A provider wants its signatures back, byte for byte, next to the tool call they came with; many clients have no
//! field for them. Here they wait, keyed by tool-call id, for the next turn, and go back only to the provider and
//! model that made them. Clients of the Responses dialect name items by id; those of converted answers are only known here,
//! and given only to the caller that got them. Where a provider keeps the conversation, tool calls that policies took out of an answer get
//! their results from here. Bounded in number, bytes and age: losing a seal costs a provider's goodwill,
//! losing an item is told to the caller.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lockgate_core::content::Reasoning;
use lockgate_core::{Block, Conversation, Part, Raw, Role, Seal, Turn};
use lockgate_policy::Unheard;
use lockgate_wire::Loss;

/// Who made a seal: provider id and model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// The model's id at the provider.
    pub model: String,
    /// The provider's id.
    pub provider: String,
}

/// Bounds of the store.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long an entry lives.
    pub age: Duration,
    /// How many bytes of seals and thoughts.
    pub bytes: usize,
    /// How many entries.
    pub entries: usize,
}

impl Default for Bounds {
    /// A session may rest over lunch; 32 MiB hold some ten thousand tool calls.
    fn default() -> Self {
        Self { age: Duration::from_hours(4), bytes: 32 * 1024 * 1024, entries: 50_000 }
    }
}

/// What belongs to one tool call.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// How many of the thoughts came before any words.
    first: usize,
    /// Thoughts that came before the call, behind the call before it.
    reasoning: Vec<Reasoning>,
    /// The signature on the call.
    seal: Option<Seal>,
}

impl Kept {
    fn bytes(&self) -> usize {
        let thoughts: usize = self
            .reasoning
            .iter()
            .map(|thought| thought.text.len() + thought.seal.as_ref().map_or(0, |seal| seal.as_str().len()))
            .sum();
        thoughts + self.seal.as_ref().map_or(0, |seal| seal.as_str().len()) + 200
    }
}

/// Seals and thoughts by tool-call id.
#[derive(Debug)]
pub struct Continuity {
    bounds: Bounds,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_call: HashMap<String, (Arc<Issuer>, Kept)>,
    /// Seals handed to clients whose dialect has a place for them, with their makers and in the form that these know.
    by_seal: HashMap<String, (Arc<Issuer>, Seal)>,
    bytes: usize,
    /// Items of converted answers, by caller and id.
    items: HashMap<ItemKey, Raw>,
    /// What clients never heard of, by caller and the id of the answer.
    unheard: HashMap<ItemKey, Unheard>,
    order: VecDeque<(Instant, Entry)>,
}

/// The name of a caller's key, if it has one, and an item's id.
type ItemKey = (Option<String>, String);

#[derive(Debug)]
enum Entry {
    Call(String),
    Item(ItemKey),
    Seal(String),
    Unheard(ItemKey),
}

impl Continuity {
    /// An empty store.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, inner: Mutex::default() }
    }

    /// Remembers what an answer's turn holds. `now` is when it ended.
    pub fn remember(&self, issuer: &Issuer, turn: &Turn, now: Instant) {
        let issuer = Arc::new(issuer.clone());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Kept::default();
        let mut spoke = false;
        for part in &turn.parts {
            match &part.block {
                Block::Reasoning(thought) if thought.seal.is_some() => {
                    if let Some(seal) = &thought.seal {
                        inner.keep_seal(seal, &issuer, now);
                    }
                    kept.first += usize::from(!spoke);
                    kept.reasoning.push(thought.clone());
                }
                Block::ToolCall(call) => {
                    kept.seal.clone_from(&call.seal);
                    let kept = std::mem::take(&mut kept);
                    if !kept.reasoning.is_empty() || kept.seal.is_some() {
                        inner.keep_call(&call.id, &issuer, kept, now);
                    }
                    spoke = false;
                }
                Block::Refusal(_) | Block::Text(_) => spoke = true,
                Block::Audio(_)
                | Block::Document(_)
                | Block::Image(_)
                | Block::Opaque(_)
                | Block::Reasoning(_)
                | Block::ToolResult(_)
                | Block::Video(_) => {}
            }
        }
        inner.trim(&self.bounds, now);
    }

    /// Remembers what `caller` never heard of the answer with this id.
    pub fn remember_unheard(&self, caller: Option<&str>, id: &str, unheard: Unheard, now: Instant) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (caller.map(str::to_owned), id.to_owned());
        inner.bytes += unheard_bytes(&unheard);
        if let Some(before) = inner.unheard.insert(key.clone(), unheard) {
            inner.bytes -= unheard_bytes(&before);
        } else {
            inner.order.push_back((now, Entry::Unheard(key)));
        }
        inner.trim(&self.bounds, now);
    }

    /// What is kept and not too old.
    fn now(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.trim(&self.bounds, Instant::now());
        inner
    }

    /// What `caller` never heard of the answer with this id.
    pub fn unheard(&self, caller: Option<&str>, id: &str) -> Option<Unheard> {
        let inner = self.now();
        inner.unheard.get(&(caller.map(str::to_owned), id.to_owned())).cloned()
    }

    /// Remembers items that `caller` may refer to.
    pub fn remember_items(&self, caller: Option<&str>, items: Vec<(String, Raw)>, now: Instant) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, item) in items {
            let key = (caller.map(str::to_owned), id);
            inner.bytes += bytes_of(&key, &item);
            match inner.items.insert(key.clone(), item) {
                Some(before) => inner.bytes -= bytes_of(&key, &before),
                None => inner.order.push_back((now, Entry::Item(key))),
            }
        }
        inner.trim(&self.bounds, now);
    }

    /// An item that `caller` was given.
    pub fn item(&self, caller: Option<&str>, id: &str) -> Option<Raw> {
        let inner = self.now();
        inner.items.get(&(caller.map(str::to_owned), id.to_owned())).cloned()
    }

    /// Puts back what `target` made, and takes out what others made. What is taken out is noted.
    pub fn restore(&self, conversation: &mut Conversation, target: &Issuer, loss: &mut Loss) {
        let inner = self.now();
        for turn in conversation.turns.iter_mut().filter(|turn| turn.role == Role::Assistant) {
            inner.unseal_foreign(turn, target, loss);
            inner.put_back(turn, target, loss);
        }
    }

    /// Whether a conversation that keeps its dialect holds thoughts that `target` will not accept: sealed by somebody
    /// else as far as this store knows, or not sealed at all where the dialect `wants_seals`.
    pub fn holds_foreign(&self, conversation: &Conversation, target: &Issuer, wants_seals: bool) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = conversation
            .turns
            .iter()
            .filter(|turn| turn.role == Role::Assistant)
            .flat_map(|turn| &turn.parts);
        parts.into_iter().any(|part| inner.is_foreign(part, target, wants_seals))
    }

    /// Takes out what [`Self::holds_foreign`] finds, and notes it.
    pub fn drop_foreign(
        &self,
        conversation: &mut Conversation,
        target: &Issuer,
        wants_seals: bool,
        loss: &mut Loss,
    ) {
        let inner = self.now();
        for turn in conversation.turns.iter_mut().filter(|turn| turn.role == Role::Assistant) {
            turn.parts.retain_mut(|part| {
                if !inner.is_foreign(part, target, wants_seals) {
                    return true;
                }
                loss.note("thinking.signature");
                match &mut part.block {
                    Block::ToolCall(call) => {
                        call.seal = None;
                        true
                    }
                    _ => false,
                }
            });
        }
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).order.is_empty()
    }
}

impl Inner {
    fn is_foreign(&self, part: &Part, target: &Issuer, wants_seals: bool) -> bool {
        let by_another =
            |seal: &Seal| self.by_seal.get(seal.as_str()).is_some_and(|(issuer, _)| **issuer != *target);
        match &part.block {
            Block::Reasoning(thought) => thought.seal.as_ref().map_or(wants_seals, by_another),
            Block::ToolCall(call) => call.seal.as_ref().is_some_and(by_another),
            Block::Audio(_)
            | Block::Document(_)
            | Block::Image(_)
            | Block::Opaque(_)
            | Block::Refusal(_)
            | Block::Text(_)
            | Block::ToolResult(_)
            | Block::Video(_) => false,
        }
    }

    fn keep_seal(&mut self, seal: &Seal, issuer: &Arc<Issuer>, now: Instant) {
        let text = seal.as_str();
        if self.by_seal.insert(text.to_owned(), (issuer.clone(), seal.clone())).is_none() {
            self.bytes += 2 * text.len() + 100;
            self.order.push_back((now, Entry::Seal(text.to_owned())));
        }
    }

    fn keep_call(&mut self, id: &str, issuer: &Arc<Issuer>, kept: Kept, now: Instant) {
        self.bytes += kept.bytes();
        match self.by_call.insert(id.to_owned(), (issuer.clone(), kept)) {
            Some((_, before)) => self.bytes -= before.bytes(),
            None => self.order.push_back((now, Entry::Call(id.to_owned()))),
        }
    }

    fn trim(&mut self, bounds: &Bounds, now: Instant) {
        while let Some((at, _)) = self.order.front() {
            let old = now.saturating_duration_since(*at) > bounds.age;
            if !old && self.bytes <= bounds.bytes && self.order.len() <= bounds.entries {
                break;
            }
            match self.order.pop_front() {
                Some((_, Entry::Call(id))) => {
                    if let Some((_, kept)) = self.by_call.remove(&id) {
                        self.bytes -= kept.bytes();
                    }
                }
                Some((_, Entry::Item(key))) => {
                    if let Some(item) = self.items.remove(&key) {
                        self.bytes -= bytes_of(&key, &item);
                    }
                }
                Some((_, Entry::Seal(seal))) => {
                    if self.by_seal.remove(&seal).is_some() {
                        self.bytes -= 2 * seal.len() + 100;
                    }
                }
                Some((_, Entry::Unheard(key))) => {
                    if let Some(unheard) = self.unheard.remove(&key) {
                        self.bytes -= unheard_bytes(&unheard);
                    }
                }
                None => break,
            }
        }
    }

    /// Seals that came with the client's history stay only if `target` is known to have made them, and then in the form
    /// that it made them in: the client's dialect may have only one.
    fn unseal_foreign(&self, turn: &mut Turn, target: &Issuer, loss: &mut Loss) {
        let own = |seal: &Seal| {
            let (issuer, made) = self.by_seal.get(seal.as_str())?;
            (**issuer == *target).then(|| made.clone())
        };
        turn.parts.retain_mut(|part| {
            let (seal, keep_without) = match &mut part.block {
                Block::Reasoning(thought) => {
                    let has_words = !thought.text.is_empty();
                    (&mut thought.seal, has_words)
                }
                Block::ToolCall(call) => (&mut call.seal, true),
                Block::Audio(_)
                | Block::Document(_)
                | Block::Image(_)
                | Block::Opaque(_)
                | Block::Refusal(_)
                | Block::Text(_)
                | Block::ToolResult(_)
                | Block::Video(_) => return true,
            };
            let Some(brought) = seal else { return true };
            *seal = own(brought);
            if seal.is_none() {
                loss.note("thinking.signature");
            }
            seal.is_some() || keep_without
        });
    }

    fn put_back(&self, turn: &mut Turn, target: &Issuer, loss: &mut Loss) {
        let (mut at, mut behind_call) = (0, 0);
        while at < turn.parts.len() {
            if let Block::ToolCall(call) = &mut turn.parts[at].block {
                if let Some((issuer, kept)) = self.by_call.get(&call.id) {
                    if **issuer == *target {
                        call.seal.clone_from(&kept.seal);
                        at = insert_thoughts(turn, behind_call, at, kept);
                    } else {
                        loss.note("thinking.signature");
                    }
                }
                behind_call = at + 1;
            }
            at += 1;
        }
    }
}

/// About what it takes: results are short messages of ours.
fn unheard_bytes(unheard: &Unheard) -> usize {
    1_000 * unheard.results.len() + 300
}

fn bytes_of((caller, id): &ItemKey, item: &Raw) -> usize {
    item.get().len() + 2 * (id.len() + caller.as_ref().map_or(0, String::len)) + 100
}

/// Whether a body may hold sealed thoughts or signatures, in any dialect. Looks at names of fields only.
pub(crate) fn may_hold_seals(body: &[u8]) -> bool {
    [
        &b"\"signature\""[..],
        b"\"encrypted_content\"",
        b"\"thoughtSignature\"",
        b"\"thought_signature\"",
        b"\"redacted_thinking\"",
    ]
    .iter()
    .any(|field| memchr::memmem::find(body, field).is_some())
}

/// Puts sealed thoughts where they were made, between `from` (behind the call before) and the call at `at`: before the
/// words or behind them, in place of what the client kept of them. Returns where the call stands then.
fn insert_thoughts(turn: &mut Turn, from: usize, at: usize, kept: &Kept) -> usize {
    if kept.reasoning.is_empty() {
        return at;
    }
    let rest = turn.parts.split_off(at);
    let mut words = turn.parts.split_off(from);
    words.retain(|part| !matches!(&part.block, Block::Reasoning(_)));
    let thoughts = |range: &[Reasoning]| -> Vec<Part> {
        range.iter().cloned().map(|thought| Part::new(Block::Reasoning(thought))).collect()
    };
    let (first, then) = kept.reasoning.split_at(kept.first.min(kept.reasoning.len()));
    turn.parts.extend(thoughts(first));
    turn.parts.append(&mut words);
    turn.parts.extend(thoughts(then));
    let call = turn.parts.len();
    turn.parts.extend(rest);
    call
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_core::content::{ToolCall, ToolKind};

    fn issuer(model: &str) -> Issuer {
        Issuer { model: model.into(), provider: "gemini".into() }
    }

    fn call(id: &str, seal: Option<&str>) -> Part {
        Part::new(Block::ToolCall(ToolCall {
            arguments: "{}".into(),
            id: id.into(),
            kind: ToolKind::Function,
            name: "f".into(),
            namespace: None,
            seal: seal.map(|seal| Seal::Signature(seal.into())),
        }))
    }

    fn thought(text: &str, seal: Option<&str>) -> Part {
        let seal = seal.map(|seal| Seal::Encrypted(seal.into()));
        Part::new(Block::Reasoning(Reasoning { seal, text: text.into(), ..Reasoning::default() }))
    }

    fn turn(parts: Vec<Part>) -> Turn {
        Turn { name: None, parts, role: Role::Assistant }
    }

    fn seals(conversation: &Conversation) -> Vec<Option<String>> {
        let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
        let seal_of = |part: &Part| match &part.block {
            Block::Reasoning(thought) => Some(thought.seal.clone()),
            Block::ToolCall(call) => Some(call.seal.clone()),
            _ => None,
        };
        parts.filter_map(seal_of).map(|seal| seal.map(|seal| seal.as_str().to_owned())).collect()
    }

    fn restored(store: &Continuity, parts: Vec<Part>, target: &Issuer) -> (Conversation, Loss) {
        let mut conversation = Conversation { turns: vec![turn(parts)], ..Conversation::default() };
        let mut loss = Loss::default();
        store.restore(&mut conversation, target, &mut loss);
        (conversation, loss)
    }

    /// Requirements 003-22 and 004-42: signatures go back to their maker only.
    #[test]
    fn a_seal_comes_back_to_its_maker_and_to_nobody_else() {
        let store = Continuity::new(Bounds::default());
        let now = Instant::now();
        store.remember(
            &issuer("a"),
            &turn(vec![thought("", Some("T")), call("1", Some("S")), call("2", None)]),
            now,
        );
        let client = || vec![thought("shown", None), call("1", None), call("2", None)];

        let (own, loss) = restored(&store, client(), &issuer("a"));
        assert_eq!(seals(&own), [Some("T".into()), Some("S".into()), None]);
        assert!(loss.is_empty());

        let (other, loss) = restored(&store, client(), &issuer("b"));
        assert_eq!(seals(&other), [None, None, None]);
        assert_eq!(loss.names(), ["thinking.signature"]);
    }

    #[test]
    fn a_seal_that_the_client_brings_stays_only_with_its_maker() {
        let store = Continuity::new(Bounds::default());
        store.remember(&issuer("a"), &turn(vec![thought("", Some("T"))]), Instant::now());
        let (own, _) = restored(&store, vec![thought("", Some("T")), Part::text("x")], &issuer("a"));
        assert_eq!(seals(&own), [Some("T".into())]);
        let (other, loss) = restored(&store, vec![thought("", Some("T")), Part::text("x")], &issuer("b"));
        assert_eq!(other.turns[0].parts.len(), 1, "sealed thoughts without words are gone");
        assert_eq!(loss.names(), ["thinking.signature"]);
    }

    fn order(conversation: &Conversation) -> Vec<&str> {
        let name_of = |part: &'_ Part| match &part.block {
            Block::Reasoning(_) => "thought",
            Block::Text(_) => "text",
            Block::ToolCall(_) => "call",
            _ => "?",
        };
        conversation.turns[0].parts.iter().map(name_of).collect()
    }

    /// Providers refuse thoughts behind the words that they led to.
    #[test]
    fn thoughts_come_back_where_they_were_made() {
        let store = Continuity::new(Bounds::default());
        let said = || Part::text("word");
        let made = vec![
            thought("", Some("T1")),
            said(),
            call("1", None),
            said(),
            thought("", Some("T2")),
            call("2", None),
            thought("", Some("T3")),
            call("3", None),
        ];
        store.remember(&issuer("a"), &turn(made), Instant::now());
        let client =
            vec![thought("shown", None), said(), call("1", None), said(), call("2", None), call("3", None)];
        let (own, loss) = restored(&store, client, &issuer("a"));
        assert_eq!(order(&own), ["thought", "text", "call", "text", "thought", "call", "thought", "call"]);
        assert_eq!(seals(&own)[0], Some("T1".into()));
        assert!(loss.is_empty());
    }

    #[test]
    fn a_seal_comes_back_in_the_form_its_maker_knows() {
        let store = Continuity::new(Bounds::default());
        let mut signed = thought("Hm", None);
        if let Block::Reasoning(thought) = &mut signed.block {
            thought.seal = Some(Seal::Signature("T".into()));
        }
        store.remember(&issuer("a"), &turn(vec![signed]), Instant::now());
        let (own, _) = restored(&store, vec![thought("Hm", Some("T")), Part::text("x")], &issuer("a"));
        let Block::Reasoning(thought) = &own.turns[0].parts[0].block else { panic!("{own:?}") };
        assert_eq!(thought.seal, Some(Seal::Signature("T".into())));
    }

    #[test]
    fn the_store_is_bounded_in_number_bytes_and_age() {
        let bounds = Bounds { age: Duration::from_secs(10), bytes: 10_000, entries: 5 };
        let store = Continuity::new(bounds);
        let start = Instant::now();
        for n in 0..100 {
            store.remember(&issuer("a"), &turn(vec![call(&n.to_string(), Some("S"))]), start);
        }
        assert_eq!(store.inner.lock().unwrap().order.len(), 5);
        store.remember(&issuer("a"), &turn(vec![call("big", Some(&"x".repeat(20_000)))]), start);
        assert!(store.is_empty());
        assert_eq!(store.inner.lock().unwrap().bytes, 0);
        store.remember(&issuer("a"), &turn(vec![call("old", Some("S"))]), start);
        store.remember(&issuer("a"), &turn(vec![call("new", Some("S"))]), start + Duration::from_secs(11));
        assert_eq!(store.inner.lock().unwrap().by_call.keys().collect::<Vec<_>>(), ["new"]);
    }
}
