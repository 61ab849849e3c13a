//! Gemini in Google Cloud (Vertex AI), with tokens of a service account or of gcloud's application default, or with
//! a key.
//!
//! Opening reads one file, the credentials; this is the only I/O in this crate. The file is `vertex.credentials_file`,
//! else `GOOGLE_APPLICATION_CREDENTIALS`, else gcloud's application default.
//!
//! Quirks:
//! - The host follows from the location: a region, `global`, or a multi-region (`us`, `eu`).
//! - Without project and with a key it is express mode: the same paths without project and location.
//! - A batch of embeddings has a format of its own there (`:predict`) that nobody here speaks.
//! - Models of other makers (Claude, Mistral, …) are spoken to in other formats, so they are refused.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lockgate_core::{Dialect, ErrorKind, Failure};

use crate::address::{Address, segment};
use crate::gemini::{generate, without_key};
use crate::google::GoogleCredentials;
use crate::{
    Ask, Credential, Credentials, Endpoint, Kind, OpenError, Operation, Provider, Settings, TokenSource,
    signing,
};

/// The name of an environment variable to its value.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Vertex AI.
pub(crate) struct Vertex {
    address: Address,
    credentials: Option<GoogleCredentials>,
    /// `/projects/…/locations/…`, empty in express mode.
    place: String,
    quota_project: Option<HeaderValue>,
}

impl Vertex {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Self::open_in(id, settings, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn open_in(id: &str, settings: &Settings, environment: Environment<'_>) -> Result<Self, OpenError> {
        let vertex = settings.vertex.clone().unwrap_or_default();
        let bad = |setting, what: String| OpenError::BadSetting { id: id.to_owned(), setting, what };
        let location = vertex.location.0.as_str();
        if !is_name(location) || location.contains([':', '.']) {
            return Err(bad(
                "vertex.location",
                "must be a region such as europe-west4, or global, us or eu".into(),
            ));
        }
        let has_key = settings.api_key.as_ref().is_some_and(|key| !key.is_empty());
        let needs_file =
            vertex.credentials_file.is_some() || !(has_key || settings.credentials == Credentials::Client);
        let credentials = needs_file
            .then(|| find_credentials(vertex.credentials_file.as_deref(), environment))
            .transpose()
            .map_err(|what| bad("vertex.credentials_file", what))?;
        let of_file = |pick: fn(&GoogleCredentials) -> &Option<String>| {
            credentials.as_ref().and_then(|file| pick(file).clone())
        };
        let quota_project = of_file(|file| &file.quota_project);
        let project = vertex
            .project
            .or_else(|| of_file(|file| &file.project))
            .or_else(|| environment("GOOGLE_CLOUD_PROJECT"))
            .or_else(|| quota_project.clone());
        let place = match project {
            Some(project) if is_name(&project) => format!("/projects/{project}/locations/{location}"),
            Some(_) => return Err(bad("vertex.project", "must be the id of a project".into())),
            None if has_key && credentials.is_none() => String::new(),
            None => return Err(bad("vertex.project", "is needed: the credentials name no project".into())),
        };
        let address = match &settings.base_url {
            Some(_) => Address::of(id, Kind::Vertex, settings)?,
            None => Address::derived(settings, host(if place.is_empty() { "global" } else { location })),
        };
        let quota_project =
            quota_project.map(|project| HeaderValue::from_str(&project)).transpose().map_err(|_| {
                bad("vertex.credentials_file", "has a `quota_project_id` that is no project".into())
            })?;
        Ok(Self { address, credentials, place, quota_project })
    }

    fn model(&self, model: &str) -> Result<String, Failure> {
        let place = &self.place;
        let parts: Vec<_> = model.split('/').collect();
        let (publisher, id) = match parts.as_slice() {
            [id] if id.starts_with("claude-") => ("anthropic", *id),
            ["endpoints", id] => return Ok(format!("/v1beta1{place}/endpoints/{}", segment(id)?)),
            [id] | ["models", id] => ("google", *id),
            ["publishers", publisher, "models", id] | [publisher, id] => (*publisher, *id),
            _ => return Err(Failure::invalid("model", format!("`{model}` is no name of a model at Vertex"))),
        };
        if publisher == "google" {
            return Ok(format!("/v1beta1{place}/publishers/google/models/{}", segment(id)?));
        }
        let words =
            format!("`{model}` is a model of `{publisher}`: at Vertex only models of Google are spoken to");
        Err(Failure { param: Some("model".into()), ..Failure::new(ErrorKind::NotFound, words) })
    }
}

impl Provider for Vertex {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Gemini]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        let of_model =
            |what: &str| Ok::<_, Failure>((Method::POST, format!("{}:{what}", self.model(ask.model)?)));
        let (method, path) = match &ask.operation {
            Operation::CountTokens => of_model("countTokens")?,
            Operation::Embed { single: true } => of_model("embedContent")?,
            Operation::Embed { single: false } => {
                let words =
                    "Vertex embeds several inputs in a format of its own; send one, or call AI Studio";
                return Err(Failure::new(ErrorKind::NotFound, words));
            }
            Operation::Generate => of_model(generate(ask.stream))?,
            Operation::Models => (Method::GET, "/v1beta1/publishers/google/models?pageSize=100".to_owned()),
            Operation::Raw { method, path_and_query } => ((*method).clone(), without_key(path_and_query)),
        };
        Ok(Endpoint::Http { method, uri: self.address.at(&path)? })
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        if let Some(project) = &self.quota_project {
            headers.entry(HeaderName::from_static("x-goog-user-project")).or_insert_with(|| project.clone());
        }
        signing::key_or_bearer("x-goog-api-key", credential, headers)
    }

    fn tokens(&self) -> Option<&dyn TokenSource> {
        self.credentials.as_ref().map(|credentials| credentials as &dyn TokenSource)
    }
}

/// Where a location is served. Regions have a dash in their name, multi-regions have none.
fn host(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        region if region.contains('-') => format!("https://{region}-aiplatform.googleapis.com"),
        multi => format!("https://aiplatform.{multi}.rep.googleapis.com"),
    }
}

/// Finds and reads the credentials file.
fn find_credentials(
    setting: Option<&str>,
    environment: Environment<'_>,
) -> Result<GoogleCredentials, String> {
    let default = || {
        let folder =
            environment("CLOUDSDK_CONFIG").or_else(|| Some(environment("HOME")? + "/.config/gcloud"))?;
        Some(folder + "/application_default_credentials.json")
    };
    let named = setting.map(str::to_owned).or_else(|| environment("GOOGLE_APPLICATION_CREDENTIALS"));
    let path = named.clone().or_else(default).unwrap_or_default();
    let text = std::fs::read_to_string(&path).map_err(|error| match named {
        Some(_) => format!("{path} cannot be read: {error}"),
        None => "no credentials found: name a file here or in GOOGLE_APPLICATION_CREDENTIALS, run \
                 `gcloud auth application-default login`, or set api_key"
            .to_owned(),
    })?;
    GoogleCredentials::parse(&text).map_err(|what| format!("{path} {what}"))
}

/// Project ids and locations; some old projects have a domain before a colon.
fn is_name(text: &str) -> bool {
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.');
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && text.bytes().all(letter)
}

#[cfg(test)]
mod tests;
