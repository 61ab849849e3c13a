//! Which path is which endpoint of which dialect. Data, and nothing behind it.
//!
//! Paths are accepted with and without the version segment, and with it twice: clients differ in whether their base
//! address includes it. What is not modelled goes to the provider that owns the dialect.

use http::{HeaderMap, Method};
use lockgate_wire::gemini::{self, Method as GeminiMethod};
use lockgate_wire::{Format, Mode, anthropic, chat, ollama, responses};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Count tokens.
    CountTokens,
    /// Make embeddings.
    Embed,
    /// Generate an answer.
    Generate,
    /// How the gateway is, part by part.
    Health,
    /// Whether it answers.
    Live,
    /// The list of models, or one.
    Models,
    /// Ollama: what is loaded.
    OllamaLoaded,
    /// Ollama: one model in detail.
    OllamaShow,
    /// Ollama: its version.
    OllamaVersion,
    /// An endpoint that we do not model.
    PassThrough,
    /// Whether calls can be answered.
    Ready,
    /// The root: clients probe it.
    Root,
    /// Nothing that any dialect has.
    Unknown,
    /// An endpoint that has another method: this one.
    WrongMethod(&'static str),
}

/// A route.
#[derive(Clone)]
pub struct Route {
    /// What is asked for.
    pub action: Action,
    /// In which dialect.
    pub format: Format,
    /// The layout of the answer, where the path says it.
    pub mode: Option<Mode>,
    /// The model, where the path names it.
    pub model: Option<String>,
}

impl Route {
    fn new(action: Action, format: Format) -> Self {
        Self { action, format, mode: None, model: None }
    }
}

/// The route of a request.
pub fn route(method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Route {
    // A base address that ends in a slash makes clients ask for `//v1/…`.
    let path = path.trim_end_matches('/');
    let path = if path.starts_with("//") {
        &path[path.len() - path.trim_start_matches('/').len() - 1..]
    } else {
        path
    };
    let anthropic_client = headers.contains_key("anthropic-version");
    if let Some(route) = gemini_route(method, path, query) {
        return route;
    }
    let rest = path
        .strip_prefix("/v1/v1")
        .or_else(|| path.strip_prefix("/v1"))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let endpoint = rest.unwrap_or(path);
    let post = |action, format| {
        if *method == Method::POST {
            Route::new(action, format)
        } else {
            Route::new(Action::WrongMethod("POST"), format)
        }
    };
    let get = |action, format| {
        if *method == Method::GET || *method == Method::HEAD {
            Route::new(action, format)
        } else {
            Route::new(Action::WrongMethod("GET, HEAD"), format)
        }
    };
    match endpoint {
        "" => Route::new(Action::Root, if anthropic_client { anthropic::FORMAT } else { chat::FORMAT }),
        "/chat/completions" => post(Action::Generate, chat::FORMAT),
        "/embeddings" => post(Action::Embed, chat::FORMAT),
        "/health" | "/healthz" => get(Action::Health, chat::FORMAT),
        "/health/live" => get(Action::Live, chat::FORMAT),
        "/health/ready" => get(Action::Ready, chat::FORMAT),
        "/messages" => post(Action::Generate, anthropic::FORMAT),
        "/messages/count_tokens" => post(Action::CountTokens, anthropic::FORMAT),
        "/responses" => post(Action::Generate, responses::FORMAT),
        "/responses/input_tokens" => post(Action::CountTokens, responses::FORMAT),
        // Claude Code asks for this before its first call; any quick answer will do.
        "/api/hello" => Route::new(Action::Root, anthropic::FORMAT),
        "/api/chat" => post(Action::Generate, ollama::FORMAT),
        "/api/embed" | "/api/embeddings" => post(Action::Embed, ollama::FORMAT),
        "/api/generate" => post(Action::Generate, ollama::GENERATE),
        "/api/ps" => get(Action::OllamaLoaded, ollama::FORMAT),
        "/api/show" => post(Action::OllamaShow, ollama::FORMAT),
        "/api/tags" => get(Action::Models, ollama::FORMAT),
        "/api/version" => get(Action::OllamaVersion, ollama::FORMAT),
        _ => {
            let form = if anthropic_client {
                anthropic::FORMAT
            } else if headers.contains_key("x-goog-api-key") {
                // Google's clients ask `/v1` when they are given a base address of their own.
                gemini::FORMAT
            } else {
                chat::FORMAT
            };
            if let Some(id) = endpoint.strip_prefix("/models") {
                return models(get(Action::Models, form), id);
            }
            if path.starts_with("/api/") {
                return Route::new(Action::PassThrough, ollama::FORMAT);
            }
            let action = if rest.is_some() { Action::PassThrough } else { Action::Unknown };
            Route::new(action, owner_of(endpoint, headers))
        }
    }
}

/// `/models` or `/models/{id}`; ids may hold slashes.
fn models(route: Route, id: &str) -> Route {
    match id.strip_prefix('/') {
        Some(id) if !id.is_empty() => {
            let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
            Route { model: Some(id), ..route }
        }
        _ => route,
    }
}

fn gemini_route(method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
    let found = gemini::route(path);
    if let Some(found) = found {
        let action = match found.method {
            GeminiMethod::BatchEmbed | GeminiMethod::Embed => Action::Embed,
            GeminiMethod::CountTokens => Action::CountTokens,
            GeminiMethod::Generate | GeminiMethod::StreamGenerate => Action::Generate,
        };
        let sse = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
        let mode = match found.method {
            GeminiMethod::StreamGenerate if sse => Mode::Stream,
            GeminiMethod::StreamGenerate => Mode::Array,
            GeminiMethod::BatchEmbed
            | GeminiMethod::CountTokens
            | GeminiMethod::Embed
            | GeminiMethod::Generate => Mode::Whole,
        };
        let action = if *method == Method::POST { action } else { Action::WrongMethod("POST") };
        return Some(Route { action, format: gemini::FORMAT, mode: Some(mode), model: Some(found.model) });
    }
    let rest = path.strip_prefix("/v1beta")?;
    if let Some(id) = rest.strip_prefix("/models").filter(|_| *method == Method::GET) {
        return Some(models(Route::new(Action::Models, gemini::FORMAT), id));
    }
    Some(Route::new(Action::PassThrough, gemini::FORMAT))
}

/// Who owns an endpoint that we do not model: Anthropic's clients say so, else it is OpenAI's.
fn owner_of(endpoint: &str, headers: &HeaderMap) -> Format {
    if endpoint.starts_with("/messages") || headers.contains_key("anthropic-version") {
        anthropic::FORMAT
    } else {
        chat::FORMAT
    }
}
