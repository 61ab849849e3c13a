//! Addresses of a provider: its base, a path behind it, and the query parameters that the configuration adds.
//!
//! Builds `Uri`s once and joins paths by bytes: what a client's path says in escapes stays as it is, and a path can
//! never leave the base.

use std::fmt::Write as _;

use http::Uri;
use lockgate_core::{ErrorKind, Failure};

use crate::{Kind, OpenError, Settings, implied_base_url};

/// Where a provider is.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    base: String,
    query: String,
}

impl Address {
    /// The address that the settings give, or the kind's own.
    pub(crate) fn of(id: &str, kind: Kind, settings: &Settings) -> Result<Self, OpenError> {
        let base = match &settings.base_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => implied_base_url(id, kind)
                .ok_or_else(|| OpenError::NoBaseUrl { id: id.to_owned() })?
                .to_owned(),
        };
        let scheme = base.split("://").next().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || base.contains(['?', '#']) {
            return Err(OpenError::BadBaseUrl { id: id.to_owned() });
        }
        Ok(Self::derived(settings, base))
    }

    /// An address that is not configured but follows from other settings; `base` is ours.
    pub(crate) fn derived(settings: &Settings, base: String) -> Self {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &settings.query {
            query.append_pair(name, value.expose());
        }
        Self { base, query: query.finish() }
    }

    /// The same without an ending that some operators write and others do not.
    pub(crate) fn without(mut self, ending: &str) -> Self {
        if let Some(rest) = self.base.strip_suffix(ending) {
            self.base.truncate(rest.len());
        }
        self
    }

    /// The address of a path (with its query, if it has one) behind the base. `path` begins with a slash.
    pub(crate) fn at(&self, path: &str) -> Result<Uri, Failure> {
        let plain = path.split('?').next().unwrap_or(path);
        if leaves(plain) {
            return Err(Failure::new(ErrorKind::InvalidRequest, "the path must not contain `.` or `..`"));
        }
        let mut text = String::with_capacity(self.base.len() + path.len() + self.query.len() + 1);
        text.push_str(&self.base);
        text.push_str(path);
        if !self.query.is_empty() {
            text.push(if path.contains('?') { '&' } else { '?' });
            text.push_str(&self.query);
        }
        text.parse()
            .map_err(|_| Failure::new(ErrorKind::InvalidRequest, format!("not a valid path: {plain}")))
    }
}

/// A name as one segment of a path: whatever it holds, it stays one segment and names nothing else.
pub(crate) fn segment(name: &str) -> Result<String, Failure> {
    if name.is_empty() || matches!(name, "." | "..") {
        return Err(Failure::invalid("model", format!("`{name}` is no name of a model")));
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Ok(out)
}

/// A path and query without the parameters named.
pub(crate) fn without_parameters(path_and_query: &str, names: &[&str]) -> String {
    let Some((path, query)) = path_and_query.split_once('?') else { return path_and_query.to_owned() };
    let goes = |pair: &str| names.contains(&pair.split('=').next().unwrap_or(pair));
    let kept: Vec<_> = query.split('&').filter(|pair| !goes(pair)).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Whether a path could lead out of the base at a server that resolves dots, escaped or behind backslashes too.
fn leaves(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let seen = lower.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    seen.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(base: &str) -> Address {
        let settings = Settings { base_url: Some(base.parse().unwrap()), ..Settings::default() };
        Address::of("x", Kind::OpenaiCompatible, &settings).unwrap()
    }

    #[test]
    fn a_path_is_joined_and_cannot_leave_the_base() {
        let address = address("http://h:1/v1/");
        assert_eq!(address.at("/models?limit=3").unwrap(), "http://h:1/v1/models?limit=3");
        for path in ["/../admin", "/a/%2e%2E/b", "/.", "/a/..%2Fb", "/a/..\\b", "/a%5C..%5cb", "/%2E."] {
            assert!(address.at(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_model_name_stays_one_segment_whatever_it_holds() {
        assert_eq!(segment("gemini-2.5-pro").unwrap(), "gemini-2.5-pro");
        assert_eq!(segment("a/../b:delete?x#y %2e").unwrap(), "a%2F..%2Fb%3Adelete%3Fx%23y%20%252e");
        assert_eq!(segment("käse").unwrap(), "k%C3%A4se");
        for name in ["", ".", ".."] {
            assert!(segment(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_key_in_a_query_is_taken_out_and_the_rest_stays() {
        let kept = |path| without_parameters(path, &["key"]);
        assert_eq!(kept("/v1beta/files?key=AIza&pageSize=3"), "/v1beta/files?pageSize=3");
        assert_eq!(kept("/v1beta/files?key=AIza"), "/v1beta/files");
        assert_eq!(kept("/v1beta/files?monkey=1"), "/v1beta/files?monkey=1");
    }
}
