//! How each dialect asks: paths, bodies, layouts. What it may be answered is in `shapes`.

use serde_json::{Value, json};

use crate::client::Call;

/// The dialects in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    Anthropic,
    Chat,
    Gemini,
    Ollama,
    Responses,
}

/// How the answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Gemini without `alt=sse`.
    Array,
    Stream,
    Whole,
}

pub(crate) const FRONTS: [Front; 5] =
    [Front::Anthropic, Front::Chat, Front::Gemini, Front::Ollama, Front::Responses];

impl Front {
    pub(crate) fn layouts(self) -> &'static [Layout] {
        match self {
            Self::Gemini => &[Layout::Whole, Layout::Stream, Layout::Array],
            Self::Anthropic | Self::Chat | Self::Ollama | Self::Responses => &[Layout::Whole, Layout::Stream],
        }
    }

    /// The path that generates.
    pub(crate) fn path(self, model: &str, layout: Layout) -> String {
        match self {
            Self::Anthropic => "/v1/messages".into(),
            Self::Chat => "/v1/chat/completions".into(),
            Self::Gemini => match layout {
                Layout::Array => format!("/v1beta/models/{model}:streamGenerateContent"),
                Layout::Stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
                Layout::Whole => format!("/v1beta/models/{model}:generateContent"),
            },
            Self::Ollama => "/api/chat".into(),
            Self::Responses => "/v1/responses".into(),
        }
    }

    /// A question, with a tool on offer.
    pub(crate) fn body(self, model: &str, layout: Layout) -> Value {
        let stream = layout != Layout::Whole;
        let schema =
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let (name, about) = ("get_weather", "Tells the weather of a city.");
        let function = json!({"name": name, "description": about, "parameters": schema});
        let talk = json!([{"role": "user", "content": "How is the weather in Paris?"}]);
        match self {
            Self::Anthropic => json!({
                "model": model, "max_tokens": 1024, "stream": stream, "messages": talk,
                "tools": [{"name": name, "description": about, "input_schema": schema}],
            }),
            Self::Chat | Self::Ollama => json!({
                "model": model, "stream": stream, "messages": talk,
                "tools": [{"type": "function", "function": function}],
            }),
            Self::Gemini => json!({
                "contents": [{"role": "user", "parts": [{"text": "How is the weather in Paris?"}]}],
                "tools": [{"functionDeclarations": [function]}],
            }),
            Self::Responses => json!({
                "model": model, "stream": stream, "input": "How is the weather in Paris?", "store": false,
                "tools": [{"type": "function", "name": name, "description": about, "parameters": schema,
                           "strict": false}],
            }),
        }
    }

    /// The question as a call.
    pub(crate) fn call(self, model: &str, layout: Layout) -> Call {
        let call = Call::post(&self.path(model, layout), &self.body(model, layout));
        match self {
            Self::Anthropic => call.header("anthropic-version", "2023-06-01"),
            Self::Chat | Self::Gemini | Self::Ollama | Self::Responses => call,
        }
    }

    /// The provider that speaks this dialect itself.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat | Self::Responses => "openai",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }
}
