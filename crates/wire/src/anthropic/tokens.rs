//! `POST /v1/messages/count_tokens`: the question is a request without its bound on output.

use lockgate_core::{Conversation, Failure};
use serde::{Deserialize, Serialize};

use super::{parse, write};
use crate::Document;
use crate::json::{read_answer, to_client};
use crate::{DecodeError, Loss, Target, TokensFormat};

/// Token counting.
pub(super) struct Tokens;

#[derive(Deserialize, Serialize)]
struct Answer {
    input_tokens: u64,
}

impl TokensFormat for Tokens {
    fn parse(&self, body: &[u8]) -> Result<Conversation, Failure> {
        parse::conversation(&Document::new(body))
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        write::request(conversation, target, write::Purpose::Count, loss)
    }

    fn parse_answer(&self, body: &[u8]) -> Result<u64, DecodeError> {
        read_answer::<Answer>(body).map(|answer| answer.input_tokens)
    }

    fn write_answer(&self, tokens: u64) -> Vec<u8> {
        let mut out = Vec::new();
        to_client(&Answer { input_tokens: tokens }, &mut out);
        out
    }
}
