//! What is loaded at several servers, told as one (`/api/ps`). Each entry stays as its server wrote it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::DecodeError;

/// A loaded model: its name, and all that its server says of it.
#[derive(Debug)]
pub struct Loaded {
    /// The name at its server.
    pub name: String,
    raw: Box<RawValue>,
}

/// A server's answer to `/api/ps`, in order.
pub fn parse_loaded(body: &[u8]) -> Result<Vec<Loaded>, DecodeError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        models: Option<Vec<&'a RawValue>>,
    }
    #[derive(Deserialize)]
    struct Named {
        model: Option<String>,
        name: Option<String>,
    }
    let malformed = |error: serde_json::Error| DecodeError::malformed(error.to_string());
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(malformed)?;
    let read = |raw: &RawValue| {
        let Named { model, name } = serde_json::from_str(raw.get()).map_err(malformed)?;
        Ok(Loaded { name: model.or(name).unwrap_or_default(), raw: raw.to_owned() })
    };
    answer.models.unwrap_or_default().into_iter().map(read).collect()
}

/// What is loaded, for a client.
pub fn write_loaded(models: &[Loaded]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Answer<'a> {
        models: Vec<&'a RawValue>,
    }
    let models = models.iter().map(|model| &*model.raw).collect();
    // Writing JSON that was read cannot fail; nothing loaded is the answer that any client copes with.
    serde_json::to_vec(&Answer { models }).unwrap_or_else(|_| br#"{"models":[]}"#.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_as_their_server_wrote_them() {
        let one =
            br#"{ "models": [ {"name":"a:1b", "model":"a:1b","size_vram": 1.0,"new":{"z":1,"a":2}} ] }"#;
        let mut models = parse_loaded(one).unwrap();
        models.extend(parse_loaded(br#"{"models":[{"name":"b"}]}"#).unwrap());
        models.extend(parse_loaded(br#"{"models":null}"#).unwrap());
        assert_eq!(models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["a:1b", "b"]);
        assert_eq!(
            String::from_utf8(write_loaded(&models)).unwrap(),
            r#"{"models":[{"name":"a:1b", "model":"a:1b","size_vram": 1.0,"new":{"z":1,"a":2}},{"name":"b"}]}"#
        );
        assert!(parse_loaded(b"<html>").is_err());
        assert_eq!(write_loaded(&[]), br#"{"models":[]}"#);
    }
}
