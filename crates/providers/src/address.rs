//! Addresses of a provider: its base, a path behind it, and the query parameters that the configuration adds.
//!
//! Builds `Uri`s once and joins paths by bytes: what a client's path says in escapes stays as it is, and a path can
//! never leave the base.

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
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &settings.query {
            query.append_pair(name, value.expose());
        }
        Ok(Self { base, query: query.finish() })
    }

    /// The base, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The address of a path (with its query, if it has one) behind the base. `path` begins with a slash.
    pub(crate) fn at(&self, path: &str) -> Result<Uri, Failure> {
        let plain = path.split('?').next().unwrap_or(path);
        let dots =
            |segment: &str| matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..");
        if plain.split('/').any(dots) {
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
        for path in ["/../admin", "/a/%2e%2E/b", "/."] {
            assert!(address.at(path).is_err(), "{path}");
        }
    }
}
