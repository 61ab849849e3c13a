//! How credentials are shown: a named header, or `Authorization: Bearer`.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use lockgate_core::{ErrorKind, Failure, Secret};

use crate::Credential;

/// Signs with a bearer token, whichever kind of credential it is.
pub(crate) fn bearer(credential: &Credential, headers: &mut HeaderMap) -> Result<(), Failure> {
    match credential {
        Credential::Bearer(secret) | Credential::Key(secret) => {
            headers.insert(header::AUTHORIZATION, value(&["Bearer ", secret.expose()])?);
            Ok(())
        }
        Credential::None => Ok(()),
    }
}

/// Signs a key with a header of its own, a token with `Authorization`.
pub(crate) fn key_or_bearer(
    name: &'static str,
    credential: &Credential,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    match credential {
        Credential::Key(secret) => {
            headers.insert(HeaderName::from_static(name), secret_value(secret)?);
            Ok(())
        }
        Credential::Bearer(_) | Credential::None => bearer(credential, headers),
    }
}

fn secret_value(secret: &Secret) -> Result<HeaderValue, Failure> {
    value(&[secret.expose()])
}

fn value(parts: &[&str]) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&parts.concat()).map_err(|_| {
        Failure::new(ErrorKind::Unauthenticated, "the credential holds characters that no header may hold")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
