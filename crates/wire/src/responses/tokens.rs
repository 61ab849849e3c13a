//! `POST /v1/responses/input_tokens`: how many tokens a request would have.
//!
//! The question is a Responses request without the fields that only steer the answer; the answer is one number.

use lockgate_core::{Conversation, Failure};
use serde::{Deserialize, Serialize};

use crate::Document;
use crate::{DecodeError, Loss, Target, TokensFormat, json};

use super::{parse, write};

/// Token counting of this dialect.
pub(super) struct InputTokens;

#[derive(Deserialize)]
struct AnswerIn {
    input_tokens: u64,
}

#[derive(Serialize)]
struct AnswerOut {
    object: &'static str,
    input_tokens: u64,
}

impl TokensFormat for InputTokens {
    fn parse(&self, body: &[u8]) -> Result<Conversation, Failure> {
        parse::parse(&Document::new(body))
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        write::write(conversation, target, loss, write::Purpose::Count)
    }

    fn parse_answer(&self, body: &[u8]) -> Result<u64, DecodeError> {
        json::read_answer::<AnswerIn>(body).map(|answer| answer.input_tokens)
    }

    fn write_answer(&self, tokens: u64) -> Vec<u8> {
        let mut out = Vec::new();
        json::to_client(&AnswerOut { object: "response.input_tokens", input_tokens: tokens }, &mut out);
        out
    }
}
