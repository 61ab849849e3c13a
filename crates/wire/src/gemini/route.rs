//! The paths of this dialect: the model and the method stand in them.
//!
//! Reads AI Studio's form (`/v1beta/models/M:generateContent`) and Vertex's (`/v1/projects/P/locations/L/publishers/
//! google/models/M:generateContent`, also without project for API keys), and writes both. Names are percent-decoded
//! once; a name that could climb out of its place in a path is no route and is never written.

use lockgate_core::Failure;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What to do.
    pub method: Method,
    /// The model, decoded. Tuned models and Vertex endpoints keep their collection: `tunedModels/x`, `endpoints/7`.
    pub model: String,
    /// Who made the model (Vertex).
    pub publisher: Option<String>,
    /// Where on Vertex; `None` = AI Studio, or Vertex with an API key.
    pub vertex: Option<Vertex>,
}

/// A place on Vertex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vertex {
    /// Region, or `global`.
    pub location: String,
    /// Google Cloud project.
    pub project: String,
    /// Version of the API: `v1` or `v1beta1`.
    pub version: String,
}

/// What to do with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `batchEmbedContents`
    BatchEmbed,
    /// `countTokens`
    CountTokens,
    /// `embedContent`
    Embed,
    /// `generateContent`
    Generate,
    /// `streamGenerateContent`: a JSON array, or SSE with `alt=sse`.
    StreamGenerate,
}

impl Method {
    const ALL: [Self; 5] =
        [Self::BatchEmbed, Self::CountTokens, Self::Embed, Self::Generate, Self::StreamGenerate];

    /// The name in paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BatchEmbed => "batchEmbedContents",
            Self::CountTokens => "countTokens",
            Self::Embed => "embedContent",
            Self::Generate => "generateContent",
            Self::StreamGenerate => "streamGenerateContent",
        }
    }

    /// The query that asks for SSE instead of a JSON array.
    pub const fn query(self) -> Option<&'static str> {
        match self {
            Self::StreamGenerate => Some("alt=sse"),
            Self::BatchEmbed | Self::CountTokens | Self::Embed | Self::Generate => None,
        }
    }
}

/// Reads a path (without query). `None` = not a path of this dialect.
pub fn route(path: &str) -> Option<Route> {
    let (target, method) = path.strip_prefix('/')?.rsplit_once(':').or_else(|| last_encoded_colon(path))?;
    let method = Method::ALL.into_iter().find(|known| known.as_str() == method)?;
    let (version, rest) = match target.split_once('/')? {
        (version @ ("v1" | "v1alpha" | "v1beta" | "v1beta1"), rest) => (version, rest),
        _ => ("v1beta", target),
    };
    let (vertex, rest) = match rest.strip_prefix("projects/") {
        None => (None, rest),
        Some(rest) => {
            let (project, rest) = rest.split_once("/locations/")?;
            let (location, rest) = rest.split_once('/')?;
            let place =
                Vertex { location: name(location)?, project: name(project)?, version: version.into() };
            (Some(place), rest)
        }
    };
    let (publisher, rest) = match rest.strip_prefix("publishers/") {
        None => (None, rest),
        Some(rest) => {
            let (publisher, rest) = rest.split_once('/')?;
            (Some(name(publisher)?), rest)
        }
    };
    let model = match rest.split_once('/')? {
        ("models", model) => decode(model)?,
        ("endpoints" | "tunedModels", _) => decode(rest)?,
        _ => return None,
    };
    is_safe(&model).then_some(Route { method, model, publisher, vertex })
}

/// Some clients encode the colon before the method.
fn last_encoded_colon(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?;
    let at = path.rfind("%3A").or_else(|| path.rfind("%3a"))?;
    Some((&path[..at], &path[at + 3..]))
}

/// The path at AI Studio, without query. A name that is not safe in a path is refused.
pub fn path(model: &str, method: Method) -> Result<String, Failure> {
    Ok(format!("/v1beta/{}:{}", resource(model)?, method.as_str()))
}

/// The path at Vertex, without query.
pub fn vertex_path(place: &Vertex, publisher: &str, model: &str, method: Method) -> Result<String, Failure> {
    let resource = resource(model)?;
    let owner = if resource.starts_with("endpoints/") {
        String::new()
    } else {
        format!("publishers/{}/", encoded(publisher)?)
    };
    Ok(format!(
        "/{}/projects/{}/locations/{}/{owner}{resource}:{}",
        encoded(&place.version)?,
        encoded(&place.project)?,
        encoded(&place.location)?,
        method.as_str()
    ))
}

fn resource(model: &str) -> Result<String, Failure> {
    match model.split_once('/') {
        Some((collection @ ("endpoints" | "models" | "tunedModels"), name)) => {
            Ok(format!("{collection}/{}", encoded(name)?))
        }
        _ => Ok(format!("models/{}", encoded(model)?)),
    }
}

/// One segment of a path.
fn name(raw: &str) -> Option<String> {
    let name = decode(raw)?;
    (is_safe(&name) && !name.contains('/')).then_some(name)
}

fn is_safe(name: &str) -> bool {
    let bad = |c: char| c.is_control() || matches!(c, '\\' | '?' | '#' | ' ');
    !name.is_empty()
        && name.len() <= 512
        && !name.contains(bad)
        && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn encoded(name: &str) -> Result<String, Failure> {
    use std::fmt::Write as _;
    if !is_safe(name) {
        return Err(Failure::invalid("model", "the model's name cannot stand in a path"));
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_path_names_its_model_and_method() {
        let read = route("/v1beta/models/gemini-3-pro-preview:streamGenerateContent").unwrap();
        assert_eq!((read.model.as_str(), read.method), ("gemini-3-pro-preview", Method::StreamGenerate));
        assert_eq!((read.vertex, read.publisher), (None, None));
        let read = route(
            "/v1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:countTokens",
        )
        .unwrap();
        let place = Vertex { location: "europe-west4".into(), project: "p-1".into(), version: "v1".into() };
        assert_eq!(
            read,
            Route {
                method: Method::CountTokens,
                model: "gemini-2.5-flash".into(),
                publisher: Some("google".into()),
                vertex: Some(place),
            }
        );
        for (path, model) in [
            ("/v1beta/models/openai%2Fgpt-5:generateContent", "openai/gpt-5"),
            ("/v1beta/models/openai/gpt-5:generateContent", "openai/gpt-5"),
            ("/v1beta/models/ollama:qwen3:8b:generateContent", "ollama:qwen3:8b"),
            ("/v1beta/models/m%3AgenerateContent", "m"),
            ("/v1beta/tunedModels/t-1:generateContent", "tunedModels/t-1"),
            ("/v1beta1/publishers/google/models/m:embedContent", "m"),
            ("/models/m:batchEmbedContents", "m"),
            ("/v1/projects/p/locations/l/endpoints/77:generateContent", "endpoints/77"),
        ] {
            assert_eq!(route(path).map(|route| route.model).as_deref(), Some(model), "{path}");
        }
    }

    #[test]
    fn nothing_climbs_out_of_its_place_in_a_path() {
        for path in [
            "/v1beta/models/..:generateContent",
            "/v1beta/models/%2e%2e%2Ffiles:generateContent",
            "/v1beta/models/a/../b:generateContent",
            "/v1beta/models/a%00b:generateContent",
            "/v1beta/models/a%3Fkey=1:generateContent",
            "/v1beta/models/a%zz:generateContent",
            "/v1beta/models/:generateContent",
            "/v1/projects/..%2Fx/locations/l/publishers/google/models/m:generateContent",
            "/v1beta/models/m:deleteEverything",
            "/v1beta/files/m:generateContent",
            "/v1beta/models/m",
            "",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
        for model in ["", "..", "a/../b", "a?b", "a b", "a\nb", "a#b"] {
            assert!(path(model, Method::Generate).is_err(), "{model:?}");
        }
    }

    #[test]
    fn written_paths_read_back() {
        let place = Vertex { location: "global".into(), project: "p".into(), version: "v1".into() };
        for model in ["gemini-2.5-pro", "tunedModels/x", "endpoints/5", "org/name:1"] {
            let written = path(model, Method::StreamGenerate).unwrap();
            assert_eq!(route(&written).unwrap().model, model, "{written}");
            let written = vertex_path(&place, "google", model, Method::Generate).unwrap();
            let read = route(&written).unwrap();
            assert_eq!((read.model.as_str(), read.vertex), (model, Some(place.clone())), "{written}");
        }
        assert_eq!(path("org/name:1", Method::Embed).unwrap(), "/v1beta/models/org%2Fname%3A1:embedContent");
    }
}
