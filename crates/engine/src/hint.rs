//! What to say beside a provider's "no such model": the names in its own list that look like the one that was called.
//!
//! The call goes out all the same, since lists are often incomplete; status and type of the error stay the provider's.

use std::sync::Arc;

use bytes::Bytes;
use lockgate_core::{ErrorKind, Failure};
use serde_json::Value;

use crate::attempt::Refused;
use crate::caller::Caller;
use crate::catalogue::Catalogue;
use crate::discover::Probes;
use crate::engine::Engine;
use crate::resolve::Target;
use crate::side::Answered;

/// How many names are offered.
const MOST: usize = 3;

/// The lists at the time of a call, and who may see what of them.
pub(crate) struct Lists {
    pub(crate) caller: Caller,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) probes: Arc<Probes>,
}

impl Engine {
    /// The lists of now.
    pub(crate) fn lists(&self, caller: &Caller) -> Lists {
        let (catalogue, probes) = (self.catalogue.load_full(), self.probes.load_full());
        Lists { caller: caller.clone(), catalogue, probes }
    }
}

impl Lists {
    /// The same for an answer that is passed as it is.
    pub(crate) fn beside_answer(&self, target: &Target, answered: Answered) -> Answered {
        if answered.status != 404 {
            return answered;
        }
        let Answered { body, headers, status } = answered;
        let failure = Failure { status: Some(status), ..Failure::new(ErrorKind::NotFound, "") };
        let refused = Refused { body: Some(body.clone()), failure, headers };
        let Refused { body: told, headers, .. } = self.beside(target, refused);
        Answered { body: told.unwrap_or(body), headers, status }
    }

    /// The refusal with names that were probably meant, if it says that there is no such model and the provider itself has told
    /// which ones there are.
    pub(crate) fn beside(&self, target: &Target, mut refused: Refused) -> Refused {
        let failure = &refused.failure;
        let unknown = failure.status == Some(404) || failure.code.as_deref() == Some("model_not_found");
        let id = &target.upstream.id;
        let listed = self.probes.get(id).is_some_and(crate::discover::Probe::has_list);
        if !unknown || !listed || !self.caller.is_trusted() || self.catalogue.has(id, &target.model) {
            return refused;
        }
        let may = |name: &String| {
            let short = name.strip_prefix(&**id).and_then(|rest| rest.strip_prefix(':')).unwrap_or(name);
            self.caller.may_use(short) || self.caller.may_use(name)
        };
        let near = self.catalogue.nearest_of(id, &target.model);
        let near: Vec<String> = near.into_iter().filter(may).take(MOST).collect();
        if near.is_empty() {
            return refused;
        }
        let words = format!(" [Lockgate: did you mean {}?]", near.join(" or "));
        refused.body = refused.body.map(|body| with_words(&body, &words).unwrap_or(body));
        refused.failure.message.push_str(&words);
        refused
    }
}

/// An error body with words behind its message, in any dialect; `None` where none is found.
fn with_words(body: &[u8], words: &str) -> Option<Bytes> {
    let mut error: Value = serde_json::from_slice(body).ok()?;
    let place = ["/error/message", "/0/error/message", "/error", "/message"]
        .into_iter()
        .find(|place| error.pointer(place).is_some_and(Value::is_string))?;
    if let Some(Value::String(message)) = error.pointer_mut(place) {
        message.push_str(words);
    }
    Some(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_stand_behind_the_message_of_every_dialect_and_nothing_else_changes() {
        for (body, told) in [
            (
                r#"{"error":{"message":"no","type":"t","code":"c"}}"#,
                r#"{"error":{"message":"no!","type":"t","code":"c"}}"#,
            ),
            (
                r#"{"type":"error","error":{"type":"t","message":"no"}}"#,
                r#"{"type":"error","error":{"type":"t","message":"no!"}}"#,
            ),
            (r#"[{"error":{"code":404,"message":"no"}}]"#, r#"[{"error":{"code":404,"message":"no!"}}]"#),
            (r#"{"error":"no"}"#, r#"{"error":"no!"}"#),
        ] {
            assert_eq!(with_words(body.as_bytes(), "!").unwrap(), told, "{body}");
        }
        assert_eq!(with_words(b"{\"detail\":1}", "!"), None);
    }
}
