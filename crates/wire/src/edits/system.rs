//! Instructions before the first turn: added to, or replaced. Instructions in the middle of a conversation stay.

use std::ops::Range;

use lockgate_core::Dialect;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Editor, find, scanned, set};
use crate::envelope::splice;
use crate::scan::Kind;

/// Where messages stand; and those of instructions before the others, with their roles.
type Leading = (Vec<Range<usize>>, Vec<(Range<usize>, String)>);

impl Editor<'_> {
    /// Words behind the instructions, or in their place.
    pub(super) fn system(&mut self, words: &str, instead: bool) -> Result<(), String> {
        let has_messages = scanned(&self.body)?.find(&self.body, "messages").is_some();
        let field = match self.dialect {
            Dialect::Chat => return self.first_messages(words, instead),
            Dialect::Ollama if has_messages => return self.first_messages(words, instead),
            Dialect::Anthropic | Dialect::Ollama => "system",
            Dialect::Gemini => "systemInstruction",
            Dialect::Responses => "instructions",
            Dialect::ClaudeCli => return Err("nobody calls in this dialect".into()),
        };
        let place = [field.to_owned()];
        let own = if instead { None } else { self.value(&place)? };
        let value = match self.dialect {
            Dialect::Gemini => content(own, words),
            Dialect::Anthropic
            | Dialect::Chat
            | Dialect::ClaudeCli
            | Dialect::Ollama
            | Dialect::Responses => joined(own, words)?,
        };
        self.set(&place, &value)?;
        if instead && self.dialect == Dialect::Responses {
            self.drop_first_items(words)?;
        }
        Ok(())
    }

    /// Instructions that stand before the first turn as items go, too.
    fn drop_first_items(&mut self, words: &str) -> Result<(), String> {
        let Some(list) = self.array_at("input")? else { return Ok(()) };
        let (items, first) = self.leading(list.clone())?;
        let (Some((from, _)), Some((_, role))) = (first.first(), first.last()) else { return Ok(()) };
        let (to, new) = match items.get(first.len()) {
            Some(next) => (next.start, Vec::new()),
            // A list of none would be refused.
            None => (list.end - 1, json!({"role": role, "content": words}).to_string().into_bytes()),
        };
        self.body = splice(&self.body, from.start..to, &new);
        Ok(())
    }

    /// Where a list of the request stands; `None` = it is no list.
    fn array_at(&self, name: &str) -> Result<Option<Range<usize>>, String> {
        let scan = scanned(&self.body)?;
        let member = scan.find(&self.body, name).filter(|member| member.kind == Kind::Array);
        Ok(member.map(|member| member.value.clone()))
    }

    /// Where the messages of a list stand, and of those before the first turn with their roles.
    fn leading(&self, list: Range<usize>) -> Result<Leading, String> {
        let messages: Vec<&RawValue> =
            serde_json::from_slice(&self.body[list]).map_err(|error| error.to_string())?;
        let base = self.body.as_ptr() as usize;
        let place = |message: &&RawValue| -> Range<usize> {
            let from = message.get().as_ptr() as usize - base;
            from..from + message.get().len()
        };
        let role = |message: &RawValue| -> Option<String> {
            let value: Value = serde_json::from_str(message.get()).ok()?;
            let role = value["role"].as_str()?;
            ["developer", "system"].contains(&role).then(|| role.to_owned())
        };
        let first = messages.iter().map_while(|message| Some((place(message), role(message)?))).collect();
        Ok((messages.iter().map(place).collect(), first))
    }

    /// The same where instructions are messages.
    fn first_messages(&mut self, words: &str, instead: bool) -> Result<(), String> {
        let list = self.array_at("messages")?.ok_or("`messages` is no list")?;
        let (messages, first) = self.leading(list.clone())?;
        let (range, new) = match (first.first(), first.last()) {
            (Some((from, _)), Some((to, role))) if instead => {
                (from.start..to.end, json!({"role": role, "content": words}).to_string().into_bytes())
            }
            (_, Some((last, _))) => {
                let content = ["content".to_owned()];
                let message = &self.body[last.clone()];
                let own = find(message, &content)?.map(serde_json::from_slice).transpose();
                let own = own.map_err(|error| error.to_string())?;
                (last.clone(), set(message, &content, &joined(own, words)?.to_string())?)
            }
            (_, None) => {
                let comma = if messages.is_empty() { "" } else { "," };
                let message = json!({"role": "system", "content": words});
                (list.start + 1..list.start + 1, format!("{message}{comma}").into_bytes())
            }
        };
        self.body = splice(&self.body, range, &new);
        Ok(())
    }
}

/// Words behind a text, or behind a list of parts.
fn joined(own: Option<Value>, words: &str) -> Result<Value, String> {
    match own {
        None => Ok(words.into()),
        Some(Value::String(own)) if own.is_empty() => Ok(words.into()),
        Some(Value::String(own)) => Ok(format!("{own}\n\n{words}").into()),
        Some(Value::Array(mut parts)) => {
            parts.push(json!({"type": "text", "text": words}));
            Ok(parts.into())
        }
        Some(_) => Err("the instructions are neither a text nor a list of parts".into()),
    }
}

/// The same as a content of Gemini's, of which a list may be its only element.
fn content(own: Option<Value>, words: &str) -> Value {
    let part = json!({"text": words});
    match own {
        Some(Value::String(own)) => json!({"parts": [{"text": own}, part]}),
        Some(Value::Object(mut content)) => {
            let parts = match content.remove("parts") {
                Some(Value::Array(mut parts)) => {
                    parts.push(part);
                    parts
                }
                Some(Value::Null) | None => vec![part],
                Some(one) => vec![one, part],
            };
            content.insert("parts".into(), parts.into());
            content.into()
        }
        Some(_) | None => json!({"parts": [part]}),
    }
}
