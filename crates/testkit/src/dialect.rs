//! From method, path and headers to what is asked: dialect, operation, and what the path itself says (model, stream).
//!
//! Strict on purpose: a path the real provider does not have is `None`, which becomes its 404.

/// The families of shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions, and all OpenAI endpoints that are not Responses.
    Chat,
    /// Gemini, AI Studio and Vertex.
    Gemini,
    /// Ollama's own API.
    Ollama,
    /// OpenAI Responses.
    Responses,
}

impl Dialect {
    /// The name used in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "chat",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Responses => "responses",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Count the tokens of a request.
    CountTokens,
    /// Embed texts; Gemini's batch form is told by the path.
    Embed,
    /// Gemini's `batchEmbedContents`.
    EmbedBatch,
    /// A whole or streamed answer.
    Generate,
    /// Ollama's `/api/generate`.
    GeneratePlain,
    /// `OpenRouter`'s statistics of one answer.
    Generation,
    /// Alive?
    Health,
    /// One model.
    Model,
    /// All models.
    Models,
    /// Prometheus text.
    Metrics,
    /// llama.cpp's properties.
    Props,
    /// Ollama's loaded models.
    Running,
    /// Ollama's model details.
    Show,
    /// Google's token endpoint.
    Token,
    /// A path that nobody has.
    Unknown,
    /// The server's version.
    Version,
}

/// A recognised request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// In which shapes to answer.
    pub(crate) dialect: Dialect,
    /// What to do.
    pub(crate) op: Op,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
    /// Whether a stream is asked for, where the path says.
    pub(crate) stream: Option<bool>,
    /// Gemini by a Vertex URL.
    pub(crate) vertex: bool,
    /// Gemini streams: SSE rather than a JSON array.
    pub(crate) sse: bool,
    /// Azure by a deployment URL.
    pub(crate) azure: bool,
    /// Below `/api/v1`, as `OpenRouter`.
    pub(crate) openrouter: bool,
}

impl Route {
    fn new(dialect: Dialect, op: Op) -> Self {
        Self {
            dialect,
            op,
            model: None,
            stream: None,
            vertex: false,
            sse: true,
            azure: false,
            openrouter: false,
        }
    }

    /// A path that nobody has, in the dialect it resembles; rules may still answer it.
    pub(crate) fn unknown(target: &str, lists: Dialect) -> Self {
        let dialect = if lists == Dialect::Anthropic || target.contains("/messages") {
            Dialect::Anthropic
        } else if target.contains("/v1beta") {
            Dialect::Gemini
        } else if target.starts_with("/api/") && !target.starts_with("/api/v1") {
            Dialect::Ollama
        } else {
            Dialect::Chat
        };
        Self::new(dialect, Op::Unknown)
    }

    /// Finds out what a request asks. `lists` is the dialect that the headers speak, for paths that several have.
    pub(crate) fn find(method: &str, target: &str, lists: Dialect, prefixes: &[String]) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = real_path(path, prefixes);
        let get = matches!(method, "GET" | "HEAD");
        if let Some(route) = google(&path, query, method) {
            return Some(route);
        }
        if let Some(rest) = path.strip_prefix("/openai/deployments/") {
            return azure(rest, method);
        }
        if let Some(rest) = path.strip_prefix("/api/v1/") {
            let mut route = v1(rest, method, Dialect::Chat)?;
            route.openrouter = true;
            return Some(route);
        }
        let v1_rest = ["/openai/v1/", "/openai/", "/v1/"].iter().find_map(|prefix| path.strip_prefix(prefix));
        if let Some(rest) = v1_rest {
            return v1(rest, method, lists);
        }
        let (dialect, op, wants_get) = match path.as_ref() {
            "/api/chat" => (Dialect::Ollama, Op::Generate, false),
            "/api/generate" => (Dialect::Ollama, Op::GeneratePlain, false),
            "/api/embed" => (Dialect::Ollama, Op::Embed, false),
            "/api/show" => (Dialect::Ollama, Op::Show, false),
            "/api/tags" => (Dialect::Ollama, Op::Models, true),
            "/api/ps" => (Dialect::Ollama, Op::Running, true),
            "/api/version" => (Dialect::Ollama, Op::Version, true),
            "/version" => (Dialect::Chat, Op::Version, true),
            "/" => (Dialect::Ollama, Op::Health, true),
            "/health" => (Dialect::Chat, Op::Health, true),
            "/props" => (Dialect::Chat, Op::Props, true),
            "/metrics" => (Dialect::Chat, Op::Metrics, true),
            "/token" => (Dialect::Gemini, Op::Token, false),
            _ => return None,
        };
        (wants_get == get).then(|| Self::new(dialect, op))
    }
}

/// Takes a configured prefix off; what follows is a real path or one below `/v1`.
fn real_path<'a>(path: &'a str, prefixes: &[String]) -> std::borrow::Cow<'a, str> {
    for prefix in prefixes {
        let Some(rest) = path.strip_prefix(prefix.trim_end_matches('/')) else { continue };
        if ["/v1/", "/v1beta/", "/v1beta1/", "/api/", "/openai/"].iter().any(|p| rest.starts_with(p)) {
            return rest.into();
        }
        if rest.starts_with('/') {
            return format!("/v1{rest}").into();
        }
    }
    path.into()
}

/// The dialect that the headers speak: several providers have `/v1/models`.
pub(crate) fn spoken(headers: &[(String, String)]) -> Dialect {
    let has = |name: &str| headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name));
    if has("anthropic-version") {
        Dialect::Anthropic
    } else if has("x-goog-api-key") {
        Dialect::Gemini
    } else {
        Dialect::Chat
    }
}

fn v1(rest: &str, method: &str, models: Dialect) -> Option<Route> {
    let (dialect, op, verb) = match rest {
        "chat/completions" => (Dialect::Chat, Op::Generate, "POST"),
        "responses" => (Dialect::Responses, Op::Generate, "POST"),
        "embeddings" => (Dialect::Chat, Op::Embed, "POST"),
        "messages" => (Dialect::Anthropic, Op::Generate, "POST"),
        "messages/count_tokens" => (Dialect::Anthropic, Op::CountTokens, "POST"),
        "models" => (models, Op::Models, "GET"),
        "generation" => (Dialect::Chat, Op::Generation, "GET"),
        _ => {
            let model = rest.strip_prefix("models/").filter(|m| !m.is_empty())?;
            let mut route = Route::new(models, Op::Model);
            route.model = Some(decode(model));
            return (method == "GET").then_some(route);
        }
    };
    (method == verb).then(|| Route::new(dialect, op))
}

fn azure(rest: &str, method: &str) -> Option<Route> {
    let (deployment, rest) = rest.split_once('/')?;
    let op = match rest {
        "chat/completions" => Op::Generate,
        "embeddings" => Op::Embed,
        _ => return None,
    };
    let mut route = Route::new(Dialect::Chat, op);
    route.model = Some(decode(deployment));
    route.azure = true;
    (method == "POST").then_some(route)
}

fn google(path: &str, query: &str, method: &str) -> Option<Route> {
    let version = ["/v1beta/", "/v1beta1/", "/v1/"].iter().find(|v| path.starts_with(**v))?;
    let rest = &path[version.len()..];
    if *version == "/v1beta/" && method == "GET" {
        let mut route = Route::new(Dialect::Gemini, Op::Models);
        if rest != "models" {
            route.op = Op::Model;
            route.model = Some(decode(rest.strip_prefix("models/")?));
        }
        return Some(route);
    }
    let (place, last) = rest.split_once("models/").map(|(p, l)| (p.trim_end_matches('/'), l))?;
    let (model, verb) = last.rsplit_once(':')?;
    let vertex = match place {
        "" => *version == "/v1beta1/",
        "publishers/google" => true,
        _ if place.starts_with("projects/") && place.ends_with("/publishers/google") => true,
        _ => return None,
    };
    let (op, stream) = match verb {
        "generateContent" => (Op::Generate, Some(false)),
        "streamGenerateContent" => (Op::Generate, Some(true)),
        "countTokens" => (Op::CountTokens, None),
        "embedContent" => (Op::Embed, None),
        "batchEmbedContents" => (Op::EmbedBatch, None),
        _ => return None,
    };
    let sse = query.split('&').any(|pair| pair == "alt=sse");
    let model = Some(decode(model));
    (method == "POST").then(|| Route { model, stream, vertex, sse, ..Route::new(Dialect::Gemini, op) })
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
