//! Token counting: `:countTokens`.
//!
//! AI Studio takes either bare `contents` or a whole `generateContentRequest`; Vertex takes the members of a request
//! in the body itself ([`vertex_count`]). Says nothing about how many tokens there are: that is the provider's.

use lockgate_core::{Conversation, Failure, Raw};

use super::parse::{missing, parse};
use super::write::{Object, content};
use crate::Document;
use crate::json::{read_answer, read_request, to_client, wire_object};
use crate::{DecodeError, Loss, Target, TokensFormat};

wire_object! {
    struct Question {
        "contents" => contents: Raw,
        "generateContentRequest" | "generate_content_request" => request: Raw,
    }
}

wire_object! {
    struct Answer { "totalTokens" | "total_tokens" => total: super::request::Number }
}

/// Token counting.
pub(super) struct Tokens;

impl TokensFormat for Tokens {
    fn parse(&self, body: &[u8]) -> Result<Conversation, Failure> {
        let question: Question = read_request(body)?;
        match (question.request, question.contents) {
            (Some(request), _) => parse(&Document::new(request.get().as_bytes())),
            (None, Some(_)) => parse(&Document::new(body)),
            (None, None) => Err(missing("contents")),
        }
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        let plain = conversation.system.is_empty()
            && conversation.tools.is_empty()
            && !conversation.turns.first().is_some_and(|turn| turn.role == lockgate_core::Role::System);
        if plain {
            return vertex_count(conversation, target, loss);
        }
        let mut out = Vec::with_capacity(4096);
        let mut object = Object::open(&mut out);
        let mut inner = Vec::with_capacity(4096);
        let mut request = Object::open(&mut inner);
        let model = target.model;
        let model = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        request.member("model", &model);
        content(conversation, target.model, &mut request, loss)?;
        request.close();
        object.raw("generateContentRequest", &String::from_utf8(inner).unwrap_or_default());
        object.close();
        Ok(out)
    }

    fn parse_answer(&self, body: &[u8]) -> Result<u64, DecodeError> {
        let answer: Answer = read_answer(body)?;
        let total = answer.total.and_then(super::request::Number::count);
        total.ok_or_else(|| DecodeError::malformed("`totalTokens` is missing"))
    }

    fn write_answer(&self, tokens: u64) -> Vec<u8> {
        let mut out = Vec::new();
        to_client(&serde_json::json!({ "totalTokens": tokens }), &mut out);
        out
    }
}

/// The question in Vertex's form, where system and tools stand beside the contents.
pub fn vertex_count(
    conversation: &Conversation,
    target: &Target<'_>,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(4096);
    let mut object = Object::open(&mut out);
    content(conversation, target.model, &mut object, loss)?;
    object.close();
    Ok(out)
}
