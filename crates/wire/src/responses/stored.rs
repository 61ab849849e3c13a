//! Items that a request names instead of sending them: `{"type": "item_reference", "id": …}`.
//!
//! SDKs refer to what a server may have stored (Vercel's does so by default). For answers that were converted there is
//! no such server: whoever kept the items puts them in place here. Keeps nothing itself.

use lockgate_core::Raw;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::FORMAT;
use super::items::REFERENCE;
use crate::envelope::splice;
use crate::scan::scan;

/// What tells a reference from an item.
#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    r#type: Option<String>,
}

/// The id of an item.
pub(super) fn id_of(item: &RawValue) -> Option<String> {
    serde_json::from_str::<Named>(item.get()).ok()?.id
}

/// A request's body with items in place of references to them, as far as `item_of` knows the ids; `None` when it holds no
/// such reference. All other bytes stay.
pub fn with_items(body: &[u8], item_of: impl Fn(&str) -> Option<Raw>) -> Option<Vec<u8>> {
    memchr::memmem::find(body, REFERENCE.as_bytes())?;
    let found = scan(body, 512).ok()?;
    let place = found.find(body, FORMAT.envelope.messages)?.value.clone();
    let input: Vec<&RawValue> = serde_json::from_slice(&body[place.clone()]).ok()?;
    let known: Vec<Option<Raw>> =
        input.iter().map(|item| reference(item).and_then(|id| item_of(&id))).collect();
    if known.iter().all(Option::is_none) {
        return None;
    }
    let texts: Vec<&str> = input
        .iter()
        .zip(&known)
        .map(|(item, known)| known.as_ref().map_or(item.get(), |known| known.get()))
        .collect();
    Some(splice(body, place, format!("[{}]", texts.join(",")).as_bytes()))
}

/// The id that an entry of `input` refers to, if it is a reference.
fn reference(item: &RawValue) -> Option<String> {
    let named: Named = serde_json::from_str(item.get()).ok()?;
    named.id.filter(|_| named.r#type.as_deref() == Some(REFERENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_references_become_their_items_and_every_other_byte_stays() {
        let body = br#"{ "input" : [{"role":"user","content":"hi"},{"type":"item_reference","id":"a"},{"type":"item_reference","id":"b"},{"type":"message","id":"a"}] , "n":1.50 }"#;
        let item = |id: &str| (id == "a").then(|| RawValue::from_string("7".into()).unwrap());
        let out = with_items(body, item).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{ "input" : [{"role":"user","content":"hi"},7,{"type":"item_reference","id":"b"},{"type":"message","id":"a"}] , "n":1.50 }"#
        );
        assert!(with_items(body, |_| None).is_none());
        assert!(with_items(br#"{"input":"words"}"#, item).is_none());
    }
}
