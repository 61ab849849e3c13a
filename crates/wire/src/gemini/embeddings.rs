//! Embeddings: `:embedContent` (one text) and `:batchEmbedContents` (many).
//!
//! Which of the two a call becomes is [`method`]; the path must say the same. Only text can be embedded: token ids are
//! of a foreign tokenizer and are refused.

use lockgate_core::{EmbeddingCall, EmbeddingInput, Embeddings, Failure};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::content::is_about;
use super::parse::missing;
use super::request::{Content, Number};
use super::route::{Method, route};
use crate::json::{List, keep_rest, read_answer, read_request, to_client, wire_object};
use crate::{DecodeError, EmbeddingsFormat, Loss};

wire_object! {
    struct One {
        "content" => content: Content,
        "model" => model: serde_json::Value,
        "outputDimensionality" | "output_dimensionality" => dimensions: Number,
        "taskType" | "task_type" => task: String,
    }
}

wire_object! {
    struct Batch { "requests" => requests: List<One> }
}

wire_object! {
    struct Answer {
        "embedding" => embedding: Vector,
        "embeddings" => embeddings: List<Vector>,
        "usageMetadata" | "usage_metadata" => usage: UsageMetadata,
    }
}

wire_object! {
    struct Vector { "statistics" => statistics: Statistics, "values" => values: Vec<f32> }
}

wire_object! {
    struct Statistics { "tokenCount" | "token_count" => tokens: Number }
}

wire_object! {
    struct UsageMetadata { "promptTokenCount" | "prompt_token_count" => tokens: Number }
}

/// An answer for a client; numbers are written as short as they came.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<WrittenVector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<WrittenVector<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Value>,
}

#[derive(Serialize)]
struct WrittenVector<'a> {
    values: &'a Vec<f32>,
}

/// Embeddings.
pub(super) struct Embedding;

/// The method whose body [`EmbeddingsFormat::write`] makes of a call.
pub fn method(call: &EmbeddingCall) -> Method {
    if call.single && call.inputs.len() == 1 { Method::Embed } else { Method::BatchEmbed }
}

impl EmbeddingsFormat for Embedding {
    fn parse(&self, path: &str, body: &[u8]) -> Result<EmbeddingCall, Failure> {
        let mut call = EmbeddingCall::default();
        if route(path).is_some_and(|route| route.method == Method::BatchEmbed) {
            let batch: Batch = read_request(body)?;
            keep_rest(&mut call.rest, "", batch.rest);
            let requests = batch.requests.ok_or_else(|| missing("requests"))?.0;
            for (at, one) in requests.into_iter().enumerate() {
                add(&mut call, one, &format!("requests[{at}]"), at == 0)?;
            }
        } else {
            call.single = true;
            add(&mut call, read_request(body)?, "", true)?;
        }
        Ok(call)
    }

    fn write(&self, call: &EmbeddingCall, model: &str, loss: &mut Loss) -> Result<Vec<u8>, Failure> {
        if call.user.is_some() {
            loss.note("user");
        }
        for field in &call.rest {
            loss.note(field.path.as_str());
        }
        let model = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        let mut requests = Vec::with_capacity(call.inputs.len());
        for (at, input) in call.inputs.iter().enumerate() {
            let EmbeddingInput::Text(text) = input else {
                let message = "token ids are of another model's tokenizer: send text to embed it with Gemini";
                return Err(Failure::invalid(format!("input[{at}]"), message));
            };
            let mut one = Map::new();
            one.insert("model".into(), model.as_str().into());
            one.insert("content".into(), json!({"parts": [{"text": text}]}));
            if let Some(task) = &call.task {
                one.insert("taskType".into(), task.as_str().into());
            }
            if let Some(dimensions) = call.dimensions {
                one.insert("outputDimensionality".into(), dimensions.into());
            }
            requests.push(Value::Object(one));
        }
        let body = match method(call) {
            Method::Embed => requests.swap_remove(0),
            Method::BatchEmbed | Method::CountTokens | Method::Generate | Method::StreamGenerate => {
                json!({ "requests": requests })
            }
        };
        Ok(body.to_string().into_bytes())
    }

    fn parse_answer(&self, body: &[u8]) -> Result<Embeddings, DecodeError> {
        let answer: Answer = read_answer(body)?;
        let told = answer.usage.and_then(|usage| usage.tokens?.count());
        let mut counted = None;
        let mut vectors = Vec::new();
        for vector in answer.embedding.into_iter().chain(answer.embeddings.unwrap_or_default().0) {
            if let Some(tokens) = vector.statistics.and_then(|statistics| statistics.tokens?.count()) {
                counted = Some(counted.unwrap_or(0) + tokens);
            }
            let values =
                vector.values.ok_or_else(|| DecodeError::malformed("an embedding without `values`"))?;
            vectors.push(values);
        }
        if vectors.is_empty() {
            return Err(DecodeError::malformed("an answer without embeddings"));
        }
        Ok(Embeddings { model: None, tokens: told.or(counted), vectors })
    }

    fn write_answer(&self, answer: &Embeddings, call: &EmbeddingCall, _model: &str) -> Vec<u8> {
        let vector = |values| WrittenVector { values };
        let single = answer.vectors.first().filter(|_| call.single);
        let body = WrittenAnswer {
            embedding: single.map(vector),
            embeddings: single.is_none().then(|| answer.vectors.iter().map(vector).collect()),
            usage_metadata: answer
                .tokens
                .map(|tokens| json!({"promptTokenCount": tokens, "totalTokenCount": tokens})),
        };
        let mut out = Vec::new();
        to_client(&body, &mut out);
        out
    }
}

fn add(call: &mut EmbeddingCall, one: One, path: &str, first: bool) -> Result<(), Failure> {
    let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    let content = one.content.ok_or_else(|| missing(&at("content")))?;
    call.inputs.push(EmbeddingInput::Text(words(content, &at("content"))?));
    let dimensions = one.dimensions.and_then(Number::count);
    if first {
        (call.task, call.dimensions) = (one.task, dimensions);
    } else if (&call.task, call.dimensions) != (&one.task, dimensions) {
        let message =
            "all requests of a batch must ask for the same `taskType` and `outputDimensionality` here";
        return Err(Failure::invalid(path, message));
    }
    keep_rest(&mut call.rest, path, one.rest);
    Ok(())
}

/// The words of a content that must be words only.
fn words(content: Content, path: &str) -> Result<String, Failure> {
    let mut text = String::new();
    for (at, part) in content.parts.unwrap_or_default().0.into_iter().enumerate() {
        match part.text {
            Some(words) => text.push_str(&words),
            None if part.rest.iter().all(|(key, _)| is_about(key))
                && part.inline.is_none()
                && part.file.is_none() => {}
            None => {
                let path = format!("{path}.parts[{at}]");
                let message = format!("`{path}`: only text can be embedded here");
                return Err(Failure::invalid(path, message));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &str = "/v1beta/models/gemini-embedding-001:batchEmbedContents";

    #[test]
    fn one_text_and_many_are_read_and_written() {
        let one = br#"{"model":"models/m","content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","output_dimensionality":8,"title":"t"}"#;
        let call = Embedding.parse("/v1beta/models/m:embedContent", one).unwrap();
        assert_eq!((call.single, call.dimensions, method(&call)), (true, Some(8), Method::Embed));
        assert_eq!(call.inputs, [EmbeddingInput::Text("ab".into())]);
        let mut loss = Loss::default();
        let body = Embedding.write(&call, "m", &mut loss).unwrap();
        let expected = r#"{"model":"models/m","content":{"parts":[{"text":"ab"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(loss.names(), ["title"]);

        let batch =
            br#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#;
        let call = Embedding.parse(BATCH, batch).unwrap();
        assert_eq!((call.single, call.inputs.len(), method(&call)), (false, 2, Method::BatchEmbed));
        let body = Embedding.write(&call, "m", &mut Loss::default()).unwrap();
        let again = Embedding.parse(BATCH, &body).unwrap();
        assert_eq!(again.inputs, call.inputs);
    }

    #[test]
    fn answers_keep_every_number() {
        let answer = Embedding
            .parse_answer(br#"{"embeddings":[{"values":[0.1,-2e-7]},{"values":[1]}],"usageMetadata":{"promptTokenCount":4}}"#)
            .unwrap();
        assert_eq!((answer.tokens, answer.vectors.as_slice()), (Some(4), &[vec![0.1, -2e-7], vec![1.0]][..]));
        let call = EmbeddingCall { single: false, ..EmbeddingCall::default() };
        let written = Embedding.write_answer(&answer, &call, "m");
        assert_eq!(Embedding.parse_answer(&written).unwrap().vectors, answer.vectors);
        let single = EmbeddingCall { single: true, ..EmbeddingCall::default() };
        let one = Embeddings { vectors: vec![vec![0.5]], ..Embeddings::default() };
        assert_eq!(Embedding.write_answer(&one, &single, "m"), br#"{"embedding":{"values":[0.5]}}"#);
    }

    /// Requirement I3.
    #[test]
    fn what_cannot_be_embedded_is_refused_by_name() {
        let image =
            br#"{"requests":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":""}}]}}]}"#;
        let failure = Embedding.parse(BATCH, image).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("requests[0].content.parts[0]"));
        let mixed = br#"{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"X"},{"content":{"parts":[{"text":"b"}]}}]}"#;
        assert_eq!(Embedding.parse(BATCH, mixed).unwrap_err().param.as_deref(), Some("requests[1]"));
        let tokens =
            EmbeddingCall { inputs: vec![EmbeddingInput::Tokens(vec![1])], ..EmbeddingCall::default() };
        let failure = Embedding.write(&tokens, "m", &mut Loss::default()).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("input[0]"));
        assert!(Embedding.parse_answer(b"{}").is_err());
    }
}
