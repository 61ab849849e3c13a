//! What `/health` says: whether the gateway is well, and of each part of it that can fail for itself, whether that is.
//!
//! Anybody may ask, so it holds sentences of ours and numbers: no address, no path, no words of another program. Those are in
//! the log.

use serde_json::{Map, Value, json};

/// A part of the gateway that can fail while calls go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Numbers that tell how it does.
    pub numbers: Vec<(&'static str, u64)>,
    /// What is wrong, in sentences that anybody may read; empty if nothing is.
    pub troubles: Vec<&'static str>,
}

/// Asked by `/health`; answers at once.
pub trait Vitals: Send + Sync {
    /// How each part does.
    fn parts(&self) -> Vec<Part>;

    /// Why calls cannot be answered just now, though requests are; `None` = they can.
    fn unready(&self) -> Option<&'static str> {
        None
    }
}

/// The body of `/health/ready`.
pub(crate) fn readiness(unready: Option<&str>) -> Vec<u8> {
    match unready {
        None => b"{\"status\":\"ok\"}".to_vec(),
        Some(reason) => json!({"status": "unready", "reason": reason}).to_string().into_bytes(),
    }
}

/// The body of `/health`.
pub(crate) fn body(parts: &[Part]) -> Vec<u8> {
    let word = |well: bool| if well { "ok" } else { "degraded" };
    let mut out = Map::new();
    out.insert("status".into(), word(parts.iter().all(|part| part.troubles.is_empty())).into());
    for part in parts {
        let mut told = Map::new();
        told.insert("status".into(), word(part.troubles.is_empty()).into());
        if !part.troubles.is_empty() {
            told.insert("troubles".into(), json!(part.troubles));
        }
        told.extend(part.numbers.iter().map(|(name, number)| ((*name).to_owned(), Value::from(*number))));
        out.insert(part.name.into(), told.into());
    }
    Value::Object(out).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L7: what is degraded is named.
    #[test]
    fn a_part_in_trouble_is_named_and_the_whole_is_degraded() {
        let well = Part { name: "record", numbers: vec![("waiting", 0)], troubles: Vec::new() };
        assert_eq!(body(&[]), br#"{"status":"ok"}"#);
        assert_eq!(
            body(std::slice::from_ref(&well)),
            br#"{"status":"ok","record":{"status":"ok","waiting":0}}"#
        );
        let ill = Part { troubles: vec!["it rains"], ..well };
        assert_eq!(
            body(&[ill]),
            br#"{"status":"degraded","record":{"status":"degraded","troubles":["it rains"],"waiting":0}}"#
        );
    }
}
