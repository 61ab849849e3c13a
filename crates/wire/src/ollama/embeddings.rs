//! Embeddings: `/api/embed` (many inputs) and the older `/api/embeddings` (one prompt, one bare vector).
//!
//! Requests are always written for `/api/embed`; the older form is only answered.

use lockgate_core::{EmbeddingCall, EmbeddingInput, Embeddings, ErrorKind, Failure, Raw};
use serde::Serialize;

use super::encode::go_json;
use super::parse::keep_rest;
use crate::json::{TextOr, read_answer, read_request, wire_object};
use crate::{DecodeError, EmbeddingsFormat, Loss};

wire_object! {
    /// Both forms of the call.
    struct Request {
        "model" => model: Raw,
        "input" => input: TextOr<String>,
        "prompt" => prompt: String,
        "dimensions" => dimensions: u64,
    }
}

wire_object! {
    /// Both forms of the answer.
    struct Answer {
        "model" => model: String,
        "embeddings" => embeddings: Vec<Vec<f32>>,
        "embedding" => embedding: Vec<f32>,
        "prompt_eval_count" => tokens: u64,
    }
}

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutAnswer<'a> {
    Many {
        model: &'a str,
        embeddings: &'a [Vec<f32>],
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_eval_count: Option<u64>,
    },
    Single {
        embedding: &'a [f32],
    },
}

/// Both forms.
pub(super) struct Embed;

impl EmbeddingsFormat for Embed {
    fn parse(&self, path: &str, body: &[u8]) -> Result<EmbeddingCall, Failure> {
        let request: Request = read_request(body)?;
        let single =
            path.split('?').next().is_some_and(|path| path.trim_end_matches('/').ends_with("/embeddings"));
        let inputs = match (single, request.input, request.prompt) {
            (true, _, Some(prompt)) => vec![prompt],
            (true, _, None) => return Err(Failure::invalid("prompt", "`prompt` is missing")),
            (false, Some(TextOr::Text(text)), _) => vec![text.into()],
            (false, Some(TextOr::List(texts)), _) => texts,
            (false, None, _) => return Err(Failure::invalid("input", "`input` is missing")),
        };
        let mut call = EmbeddingCall {
            dimensions: request.dimensions,
            inputs: inputs.into_iter().map(EmbeddingInput::Text).collect(),
            single,
            ..EmbeddingCall::default()
        };
        keep_rest(&mut call.rest, "", request.rest);
        Ok(call)
    }

    fn write(&self, call: &EmbeddingCall, model: &str, loss: &mut Loss) -> Result<Vec<u8>, Failure> {
        if call.task.is_some() {
            loss.note("taskType");
        }
        if call.user.is_some() {
            loss.note("user");
        }
        for unmodelled in &call.rest {
            loss.note(crate::json::without_indices(&unmodelled.path));
        }
        let input = call.inputs.iter().map(|input| match input {
            EmbeddingInput::Text(text) => Ok(&**text),
            EmbeddingInput::Tokens(_) => {
                Err(Failure::invalid("input", "Ollama embeds text only, not token ids of another model"))
            }
        });
        let out = Out { model, input: input.collect::<Result<_, _>>()?, dimensions: call.dimensions };
        serde_json::to_vec(&out).map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))
    }

    fn parse_answer(&self, body: &[u8]) -> Result<Embeddings, DecodeError> {
        let answer: Answer = read_answer(body)?;
        let vectors = match (answer.embeddings, answer.embedding) {
            (Some(vectors), _) => vectors,
            (None, Some(vector)) => vec![vector],
            (None, None) => return Err(DecodeError::malformed("an answer without `embeddings`")),
        };
        Ok(Embeddings { model: answer.model, tokens: answer.tokens, vectors })
    }

    fn write_answer(&self, answer: &Embeddings, call: &EmbeddingCall, model: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let shown = if call.single {
            OutAnswer::Single { embedding: answer.vectors.first().map_or(&[], Vec::as_slice) }
        } else {
            OutAnswer::Many {
                model: answer.model.as_deref().unwrap_or(model),
                embeddings: &answer.vectors,
                prompt_eval_count: answer.tokens,
            }
        };
        go_json(&shown, &mut out);
        out
    }
}
