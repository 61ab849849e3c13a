//! The model that answers a call is asked again, with what policies say to its answer.
//!
//! A call of its own: recorded, counted and paid for like any other of the caller, through the same provider, with the client's own request as it
//! went out before and turns behind it. It meets no policy by itself: its answer goes through those of the call that asked.

use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::Limited;
use lockgate_core::{ErrorKind, Event, Failure, Turn};
use lockgate_policy::{HELD_MAX, Reply};
use lockgate_wire::{Among, Decoded, Depth, Envelope};

use crate::ask::Asking;
use crate::engine::{Engine, mode_of};
use crate::request::CallRequest;
use crate::resolve::Target;

/// What it takes to ask again.
pub(crate) struct Again {
    engine: Weak<Engine>,
    request: CallRequest,
}

impl Again {
    /// To ask again what this request asks, of the model that it went to.
    pub(crate) fn new(engine: &Arc<Engine>, request: CallRequest, target: &Target) -> Self {
        let model = Some(format!("{}:{}", target.upstream.id, target.model));
        Self { engine: Arc::downgrade(engine), request: CallRequest { internal: true, model, ..request } }
    }

    /// Asks for this call, with more turns.
    pub(crate) fn ask(&self, call: &str, turns: Vec<Turn>) -> Asking {
        let request = CallRequest { parent: call.parse().ok(), ..self.request.clone() };
        let engine = self.engine.clone();
        Box::pin(async move {
            let Some(engine) = engine.upgrade() else { return none("the gateway is stopping") };
            let Some(body) = lockgate_wire::with_turns(request.format, &request.body, turns, Among::Behind)
            else {
                return none("the request has no list of turns to which more could be added");
            };
            answered(&engine, CallRequest { body: Bytes::from(body), came: Instant::now(), ..request }).await
        })
    }
}

fn none(words: &str) -> Reply {
    Reply::None(Failure::new(ErrorKind::UpstreamUnavailable, words))
}

/// The events of the answer to a request.
async fn answered(engine: &Arc<Engine>, request: CallRequest) -> Reply {
    let format = request.format;
    let limits = engine.state.load().options.limits;
    let mode = match Envelope::read(&request.body, format.envelope, &limits) {
        Ok(envelope) => mode_of(&request, &envelope),
        Err(failure) => return Reply::None(failure),
    };
    let (head, body) = engine.generate(request).await.into_parts();
    let Ok(bytes) = Limited::new(body, HELD_MAX).collect().await else {
        return none(&format!("the model's answer has more than {HELD_MAX} bytes"));
    };
    let bytes = bytes.to_bytes();
    if !head.status.is_success() {
        let failure = format.messages.fault(head.status.as_u16(), &bytes);
        return none(&format!("the model gave no answer: {}", failure.message));
    }
    let mut decoder = format.messages.decoder(mode, Depth::Full);
    let mut decoded = Decoded::default();
    let read = decoder.feed(bytes, &mut decoded).and_then(|()| decoder.finish(&mut decoded));
    let events: Vec<Event> = decoded.events().to_vec();
    for event in &events {
        if let Event::Failed(failure) = event {
            return none(&format!("the model's answer failed: {}", failure.message));
        }
    }
    if read.is_err() || !events.iter().any(|event| matches!(event, Event::Ended(_))) {
        return none("the model's answer broke off");
    }
    let call = head.headers.get("x-task-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    Reply::Answer { call: call.to_owned(), events: in_order(events) }
}

/// One block at a time.
fn in_order(events: Vec<Event>) -> Vec<Event> {
    let mut sequencer = lockgate_wire::Sequencer::default();
    let mut out = Vec::with_capacity(events.len());
    for event in events {
        sequencer.push(event, &mut |event| out.push(event));
    }
    sequencer.finish(&mut |event| out.push(event));
    out
}
