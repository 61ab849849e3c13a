//! One call, read: what the client asked, what the provider was asked, what it answered, what the client got.
//!
//! Takes the row and the bodies as bytes. What cannot be read is kept as text with the reason ([`Content::Unreadable`]); nothing
//! here fails, and nothing is fetched. Policies show as [`Intervention`]s.

use std::borrow::Cow;

use lockgate_core::{Conversation, Dialect};
use lockgate_store::{Call, Details, Part};
use lockgate_wire::format;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::intervention::{Intervention, Sides, interventions};
use crate::message::{Content, MediaBytes, Message, Piece, Speaker, Spot};
use crate::print::{self, Print};

/// The bodies of a call, put together. What is absent is the same as its counterpart (`store::Part`), or was not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bodies {
    /// What the client got.
    pub client_answer: Option<Vec<u8>>,
    /// Its headers.
    pub client_headers: Option<Vec<u8>>,
    /// What the client sent.
    pub client_request: Option<Vec<u8>>,
    /// What came back from tries before the last.
    pub earlier_answers: Option<Vec<u8>>,
    /// What the provider sent.
    pub upstream_answer: Option<Vec<u8>>,
    /// What the provider got.
    pub upstream_request: Option<Vec<u8>>,
}

impl Bodies {
    /// One of them.
    pub fn part(&self, part: Part) -> Option<&[u8]> {
        match part {
            Part::ClientAnswer => self.client_answer.as_deref(),
            Part::ClientHeaders => self.client_headers.as_deref(),
            Part::ClientRequest => self.client_request.as_deref(),
            Part::EarlierAnswers => self.earlier_answers.as_deref(),
            Part::UpstreamAnswer => self.upstream_answer.as_deref(),
            Part::UpstreamRequest => self.upstream_request.as_deref(),
        }
    }

    /// Puts one in its place.
    pub fn set(&mut self, part: Part, bytes: Vec<u8>) {
        match part {
            Part::ClientAnswer => self.client_answer = Some(bytes),
            Part::ClientHeaders => self.client_headers = Some(bytes),
            Part::ClientRequest => self.client_request = Some(bytes),
            Part::EarlierAnswers => self.earlier_answers = Some(bytes),
            Part::UpstreamAnswer => self.upstream_answer = Some(bytes),
            Part::UpstreamRequest => self.upstream_request = Some(bytes),
        }
    }
}

/// One call, read.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    /// What came back to the client.
    pub answer: Answer,
    /// The row.
    pub call: Call,
    /// Whether the client has put a summary in place of what was said before, and in which message.
    pub compaction: Option<usize>,
    /// What only the view of one call shows.
    pub details: Details,
    /// What policies changed.
    pub interventions: Vec<Intervention>,
    /// The answer that this call goes on from, where the provider keeps the history (Responses).
    pub previous_answer: Option<String>,
    /// What the client asked.
    pub request: Request,
    /// What the provider's cache sees of the request.
    #[serde(skip)]
    pub(crate) prefix: Prefix,
}

/// What a client asks.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Request {
    /// The messages, history included.
    pub messages: Vec<Message>,
    /// The instructions before them.
    pub system: Vec<Piece>,
    /// The tools on offer.
    pub tools: Vec<ToolOffer>,
}

/// A tool on offer.
#[derive(Debug, Clone, Serialize)]
pub struct ToolOffer {
    /// About how many bytes it takes in the request.
    pub bytes: usize,
    /// A fingerprint of all that is said of it.
    pub fingerprint: u64,
    /// Its name, or the kind of one that the provider runs.
    pub name: String,
}

/// What a provider's cache sees of a request, in its order: model, tools, instructions, messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix {
    /// Breakpoints: their place among all pieces (instructions first), and their lifetimes.
    pub(crate) markers: Vec<(usize, String)>,
    pub(crate) messages: Vec<Print>,
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) system: Vec<Print>,
    pub(crate) tools: Vec<(String, Print)>,
}

impl Exchange {
    /// Reads a call. Takes time with the length of its bodies, no more.
    pub fn read(call: &Call, details: &Details, bodies: &Bodies) -> Self {
        let front = call.route.front;
        let asked = bodies.client_request.as_deref().map(|body| ReadRequest::of(front, call, body));
        let sent = bodies.upstream_request.as_deref().map(|body| {
            let dialect = call.route.upstream.or(front);
            ReadRequest::of(dialect, call, body)
        });
        let upstream = bodies.upstream_answer.as_deref();
        let came = details.attempts.last().map_or(call.status, |attempt| attempt.status);
        let received = upstream.map(|body| answer::read(call.route.upstream.or(front), call, came, body));
        let delivered =
            bodies.client_answer.as_deref().map(|body| answer::read(front, call, call.status, body));
        let sides = Sides {
            asked: asked.as_ref().map(|read| &read.request),
            delivered: delivered.as_ref(),
            received: received.as_ref(),
            sent: sent.as_ref().map(|read| &read.request),
        };
        let interventions = interventions(call, &sides);
        let counted = sent.as_ref().or(asked.as_ref());
        let prefix = counted.map_or_else(Prefix::default, |read| read.prefix(call));
        let previous = bodies.client_request.as_deref().and_then(previous_answer);
        let (request, compaction) =
            asked.or(sent).map_or_else(Default::default, |read| (read.request, read.compaction));
        Self {
            answer: delivered.or(received).unwrap_or_default(),
            call: call.clone(),
            compaction,
            details: details.clone(),
            interventions,
            prefix,
            previous_answer: previous,
            request,
        }
    }
}

/// The bytes of a medium in a body of a call: of a message of a request, or of an answer (which is message 0).
pub fn media(call: &Call, part: Part, body: &[u8], spot: Spot) -> Option<MediaBytes> {
    let front = call.route.front;
    let upstream = call.route.upstream.or(front);
    let messages = match part {
        Part::ClientRequest => ReadRequest::of(front, call, body).request.messages,
        Part::UpstreamRequest => ReadRequest::of(upstream, call, body).request.messages,
        Part::ClientAnswer => answer::read(front, call, None, body).message.into_iter().collect(),
        Part::UpstreamAnswer => answer::read(upstream, call, None, body).message.into_iter().collect(),
        Part::ClientHeaders | Part::EarlierAnswers => return None,
    };
    messages.get(spot.message)?.media(spot.piece, spot.inner)
}

#[derive(Debug, Default)]
struct ReadRequest {
    compaction: Option<usize>,
    request: Request,
}

impl ReadRequest {
    fn of(dialect: Option<Dialect>, call: &Call, body: &[u8]) -> Self {
        match parse(dialect, &call.route.operation, body) {
            Ok(conversation) => Self {
                compaction: dialect.and_then(|dialect| compaction(dialect, &conversation)),
                request: Request {
                    messages: conversation.turns.iter().map(Message::of).collect(),
                    system: conversation.system.iter().map(Piece::of).collect(),
                    tools: conversation.tools.iter().map(ToolOffer::of).collect(),
                },
            },
            Err(reason) => {
                let piece = Piece::plain(Content::unreadable(body, reason));
                let message = Message { name: None, pieces: vec![piece], speaker: Speaker::User };
                Self { compaction: None, request: Request { messages: vec![message], ..Request::default() } }
            }
        }
    }

    fn prefix(&self, call: &Call) -> Prefix {
        let request = &self.request;
        let pieces = request.system.iter().chain(request.messages.iter().flat_map(|message| &message.pieces));
        let markers = pieces.enumerate().filter_map(|(at, piece)| Some((at, piece.cache.clone()?)));
        Prefix {
            markers: markers.collect(),
            messages: request.messages.iter().map(|message| print::exact(&message.pieces)).collect(),
            model: call.route.resolved_model.clone().or_else(|| call.route.requested_model.clone()),
            provider: call.route.provider.clone(),
            system: request.system.iter().map(|piece| print::exact(std::slice::from_ref(piece))).collect(),
            tools: request.tools.iter().map(|tool| (tool.name.clone(), tool.fingerprint)).collect(),
        }
    }
}

fn parse(dialect: Option<Dialect>, operation: &str, body: &[u8]) -> Result<Conversation, String> {
    let Some(dialect) = dialect else { return Err("the path belongs to no dialect".to_owned()) };
    let format = format(dialect);
    let body = &*here(dialect, body);
    let read = match operation {
        "chat" => format.messages.parse(body),
        "count_tokens" => match format.tokens {
            Some(tokens) => tokens.parse(body),
            None => return Err(format!("{dialect} counts no tokens")),
        },
        other => return Err(format!("`{other}` is no conversation")),
    };
    read.map_err(|failure| failure.message)
}

/// A body without the members that point to what the provider keeps: a parser whose conversation is to be sent on refuses
/// it, and here nothing is sent on.
fn here(dialect: Dialect, body: &[u8]) -> Cow<'_, [u8]> {
    const MEMBERS: [&str; 4] = ["background", "conversation", "previous_response_id", "prompt"];
    if dialect != Dialect::Responses {
        return Cow::Borrowed(body);
    }
    let Ok(scan) = lockgate_wire::scan(body, 512) else { return Cow::Borrowed(body) };
    let mut places: Vec<_> =
        MEMBERS.iter().filter_map(|name| Some(scan.find(body, name)?.value.clone())).collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.start));
    let without = |body: Cow<'_, [u8]>, place: std::ops::Range<usize>| {
        Cow::Owned(lockgate_wire::splice(&body, place, b"null"))
    };
    places.into_iter().fold(Cow::Borrowed(body), without)
}

fn compaction(dialect: Dialect, conversation: &Conversation) -> Option<usize> {
    let headers: Vec<(String, String)> = Vec::new();
    let facts = lockgate_session::Facts {
        body: lockgate_session::Members::default(),
        conversation: Some(conversation),
        dialect,
        headers: &headers,
        key: "",
        path: "",
    };
    lockgate_session::identify(&facts).compaction.map(|found| found.turn)
}

fn previous_answer(body: &[u8]) -> Option<String> {
    lockgate_wire::member_text(body, "previous_response_id")
}

impl ToolOffer {
    fn of(tool: &lockgate_core::Tool) -> Self {
        use lockgate_core::Tool;
        let mut text = String::new();
        let mut add = |part: &str| {
            text.push_str(part);
            text.push('\0');
        };
        let name = match tool {
            Tool::Custom(custom) => {
                add(custom.description.as_deref().unwrap_or_default());
                add(custom.format.as_ref().map_or("", |format| format.get()));
                &custom.name
            }
            Tool::Function(function) => {
                add(function.description.as_deref().unwrap_or_default());
                add(function.schema.as_ref().map_or("", |schema| schema.get()));
                &function.name
            }
            Tool::Hosted(hosted) => {
                add(hosted.raw.get());
                &hosted.kind
            }
        };
        add(name);
        Self { bytes: text.len(), fingerprint: print::of_text(&text), name: name.clone() }
    }
}
