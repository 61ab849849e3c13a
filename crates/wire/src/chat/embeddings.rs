//! Embeddings: vectors as numbers or as base64 of little-endian `f32`, both ways.
//!
//! Asks the provider for the form that the client wants, and reads whichever comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_core::{EmbeddingCall, EmbeddingInput, Embeddings, Failure};
use serde::{Deserialize, Serialize};

use super::chunk::Number;
use crate::json::{keep_rest, read_answer, read_request, to_client, wire_object};
use crate::{DecodeError, EmbeddingsFormat, Loss};

pub(super) struct Embed;

wire_object! {
    /// The call.
    struct Request {
        "model" => model: lockgate_core::Raw,
        "input" => input: Input,
        "dimensions" => dimensions: u64,
        "encoding_format" => encoding_format: String,
        "user" => user: String,
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a string, or a list of strings, of token ids, or of lists of token ids")]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u64>),
    TokenLists(Vec<Vec<u64>>),
}

#[derive(Debug, Serialize)]
struct RequestOut<'a> {
    model: &'a str,
    input: InputOut<'a>,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum InputOut<'a> {
    Text(&'a str),
    Texts(Vec<&'a str>),
    TokenLists(Vec<&'a [u64]>),
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Vec<Entry>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Used>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    index: Number,
    embedding: Vector,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a list of numbers, or base64")]
enum Vector {
    Base64(String),
    Numbers(Vec<f32>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Used {
    prompt_tokens: Number,
}

#[derive(Debug, Serialize)]
struct AnswerOut<'a> {
    object: &'static str,
    data: Vec<EntryOut<'a>>,
    model: &'a str,
    /// OpenAI demands it; 0 where the provider told none.
    usage: UsedOut,
}

#[derive(Debug, Serialize)]
struct EntryOut<'a> {
    object: &'static str,
    index: usize,
    embedding: VectorOut<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum VectorOut<'a> {
    Base64(String),
    Numbers(&'a [f32]),
}

#[derive(Debug, Serialize)]
struct UsedOut {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl EmbeddingsFormat for Embed {
    fn parse(&self, _path: &str, body: &[u8]) -> Result<EmbeddingCall, Failure> {
        let request: Request = read_request(body)?;
        let Some(input) = request.input else {
            return Err(Failure::invalid("input", "`input` is missing"));
        };
        let base64 = match request.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => {
                let message = format!("`encoding_format` is `{other}`; it must be float or base64");
                return Err(Failure::invalid("encoding_format", message));
            }
        };
        let inputs: Vec<_> = match input {
            Input::Text(text) => vec![EmbeddingInput::Text(text)],
            Input::Texts(texts) => texts.into_iter().map(EmbeddingInput::Text).collect(),
            Input::Tokens(tokens) => vec![EmbeddingInput::Tokens(tokens)],
            Input::TokenLists(lists) => lists.into_iter().map(EmbeddingInput::Tokens).collect(),
        };
        if inputs.is_empty() {
            return Err(Failure::invalid("input", "`input` must not be empty"));
        }
        let mut rest = Vec::new();
        keep_rest(&mut rest, "", request.rest);
        Ok(EmbeddingCall {
            dimensions: request.dimensions,
            base64,
            inputs,
            rest,
            task: None,
            single: false,
            user: request.user,
        })
    }

    fn write(&self, call: &EmbeddingCall, model: &str, loss: &mut Loss) -> Result<Vec<u8>, Failure> {
        if call.task.is_some() {
            loss.note("taskType");
        }
        for field in &call.rest {
            loss.note(field.path.as_str());
        }
        let mut texts = Vec::new();
        let mut lists = Vec::new();
        for input in &call.inputs {
            match input {
                EmbeddingInput::Text(text) => texts.push(text.as_str()),
                EmbeddingInput::Tokens(tokens) => lists.push(tokens.as_slice()),
            }
        }
        let input = match (texts.as_slice(), lists.is_empty()) {
            ([text], true) => InputOut::Text(text),
            (_, true) => InputOut::Texts(texts),
            ([], false) => InputOut::TokenLists(lists),
            (_, false) => {
                return Err(Failure::invalid("input", "texts and token ids cannot be embedded in one call"));
            }
        };
        let request = RequestOut {
            model,
            input,
            encoding_format: if call.base64 { "base64" } else { "float" },
            dimensions: call.dimensions,
            user: call.user.as_deref(),
        };
        serde_json::to_vec(&request).map_err(|error| {
            Failure::new(
                lockgate_core::ErrorKind::Internal,
                format!("the request could not be written: {error}"),
            )
        })
    }

    fn parse_answer(&self, body: &[u8]) -> Result<Embeddings, DecodeError> {
        let mut answer: Answer = read_answer(body)?;
        // In the order of the inputs; entries without an index stand where they are.
        if answer.data.iter().all(|entry| entry.index.0.is_some()) {
            answer.data.sort_by_key(|entry| entry.index.0);
        }
        let vectors = answer.data.into_iter().map(|entry| match entry.embedding {
            Vector::Numbers(numbers) => Ok(numbers),
            Vector::Base64(text) => floats(&text),
        });
        Ok(Embeddings {
            model: answer.model,
            tokens: answer.usage.and_then(|usage| usage.prompt_tokens.0),
            vectors: vectors.collect::<Result<_, _>>()?,
        })
    }

    fn write_answer(&self, answer: &Embeddings, call: &EmbeddingCall, model: &str) -> Vec<u8> {
        let vector =
            |vector| if call.base64 { VectorOut::Base64(bytes(vector)) } else { VectorOut::Numbers(vector) };
        let entries = answer.vectors.iter().enumerate();
        let tokens = answer.tokens.unwrap_or(0);
        let body = AnswerOut {
            object: "list",
            data: entries
                .map(|(index, numbers)| EntryOut { object: "embedding", index, embedding: vector(numbers) })
                .collect(),
            model: answer.model.as_deref().unwrap_or(model),
            usage: UsedOut { prompt_tokens: tokens, total_tokens: tokens },
        };
        let mut out = Vec::new();
        to_client(&body, &mut out);
        out
    }
}

fn floats(text: &str) -> Result<Vec<f32>, DecodeError> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| DecodeError::malformed(format!("a vector is not base64: {error}")))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(DecodeError::malformed("a vector in base64 is not a multiple of four bytes"));
    }
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn bytes(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
