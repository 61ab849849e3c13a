//! The objects of a request, as they stand on the wire.
//!
//! Each name is read as `camelCase` and as `snake_case`; lists may be given as their only element, numbers as
//! strings: protobuf JSON allows all three. Says nothing about meaning.

use std::fmt;
use std::marker::PhantomData;

use lockgate_core::Raw;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json::{List, wire_object};

wire_object! {
    /// A whole request.
    pub(super) struct Request {
        "contents" => contents: Many<Content>,
        "generationConfig" | "generation_config" => generation: GenerationConfig,
        "labels" => labels: Raw,
        "serviceTier" | "service_tier" => service_tier: String,
        "systemInstruction" | "system_instruction" => system: Raw,
        "toolConfig" | "tool_config" => tool_config: ToolConfig,
        "tools" => tools: Many<ToolObject>,
    }
}

wire_object! {
    /// What one speaker said.
    pub(super) struct Content { "parts" => parts: Many<PartObject>, "role" => role: String }
}

wire_object! {
    /// One piece of content; exactly one of its data fields is set.
    pub(super) struct PartObject {
        "fileData" | "file_data" => file: Box<FileData>,
        "functionCall" | "function_call" => call: Box<FunctionCall>,
        "functionResponse" | "function_response" => response: Box<FunctionResponse>,
        "inlineData" | "inline_data" => inline: Box<Blob>,
        "text" => text: String,
        "thought" => thought: bool,
        "thoughtSignature" | "thought_signature" => signature: String,
    }
}

wire_object! {
    /// Bytes in place.
    pub(super) struct Blob {
        "data" => data: String,
        "displayName" | "display_name" => name: String,
        "mimeType" | "mime_type" => media_type: String,
    }
}

wire_object! {
    /// Bytes elsewhere.
    pub(super) struct FileData {
        "displayName" | "display_name" => name: String,
        "fileUri" | "file_uri" => uri: String,
        "mimeType" | "mime_type" => media_type: String,
    }
}

wire_object! {
    /// A call by the model; `partialArgs` and `willContinue` when its arguments are streamed.
    pub(super) struct FunctionCall {
        "args" => args: Raw,
        "id" => id: String,
        "name" => name: String,
        "partialArgs" | "partial_args" => partial: List<PartialArg>,
        "willContinue" | "will_continue" => will_continue: bool,
    }
}

wire_object! {
    /// A piece of streamed arguments.
    pub(super) struct PartialArg {
        "boolValue" | "bool_value" => boolean: bool,
        "jsonPath" | "json_path" => path: String,
        "nullValue" | "null_value" => null: Raw,
        "numberValue" | "number_value" => number: serde_json::Number,
        "stringValue" | "string_value" => string: String,
        "willContinue" | "will_continue" => will_continue: bool,
    }
}

wire_object! {
    /// The client's result of a call.
    pub(super) struct FunctionResponse {
        "id" => id: String,
        "name" => name: String,
        "parts" => parts: Many<PartObject>,
        "response" => response: Raw,
    }
}

wire_object! {
    /// A tool object; all but the declarations are tools that the provider runs.
    pub(super) struct ToolObject {
        "functionDeclarations" | "function_declarations" => functions: Many<FunctionDeclaration>,
    }
}

wire_object! {
    /// A function on offer.
    pub(super) struct FunctionDeclaration {
        "description" => description: String,
        "name" => name: String,
        "parameters" => parameters: Raw,
        "parametersJsonSchema" | "parameters_json_schema" => json_schema: Raw,
    }
}

wire_object! {
    /// How tools may be called.
    pub(super) struct ToolConfig {
        "functionCallingConfig" | "function_calling_config" => calling: FunctionCallingConfig,
    }
}

wire_object! {
    /// How functions may be called.
    pub(super) struct FunctionCallingConfig {
        "allowedFunctionNames" | "allowed_function_names" => allowed: Vec<String>,
        "mode" => mode: String,
    }
}

wire_object! {
    /// How the answer is drawn.
    pub(super) struct GenerationConfig {
        "candidateCount" | "candidate_count" => candidates: Number,
        "frequencyPenalty" | "frequency_penalty" => frequency_penalty: Number,
        "logprobs" => logprobs: Number,
        "maxOutputTokens" | "max_output_tokens" => max_tokens: Number,
        "presencePenalty" | "presence_penalty" => presence_penalty: Number,
        "responseJsonSchema" | "response_json_schema" => json_schema: Raw,
        "responseLogprobs" | "response_logprobs" => response_logprobs: bool,
        "responseMimeType" | "response_mime_type" => mime_type: String,
        "responseSchema" | "response_schema" => schema: Raw,
        "seed" => seed: Number,
        "stopSequences" | "stop_sequences" => stop: Vec<String>,
        "temperature" => temperature: Number,
        "thinkingConfig" | "thinking_config" => thinking: ThinkingConfig,
        "topK" | "top_k" => top_k: Number,
        "topP" | "top_p" => top_p: Number,
    }
}

wire_object! {
    /// How much to think.
    pub(super) struct ThinkingConfig {
        "includeThoughts" | "include_thoughts" => include: bool,
        "thinkingBudget" | "thinking_budget" => budget: Number,
        "thinkingLevel" | "thinking_level" => level: String,
    }
}

/// A number, or a number in a string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Number {
    /// As a count; what is negative or no number is no count.
    pub(super) fn count(self) -> Option<u64> {
        (self.0 >= 0.0 && self.0.is_finite()).then_some(self.0 as u64)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("expected a number"))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A list, or its only element.
#[derive(Debug, Clone)]
pub(super) struct Many<T>(pub(super) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = Many<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array or an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|only| Many(vec![only]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Many<T>, A::Error> {
                List::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(|list| Many(list.0))
            }
        }
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}
