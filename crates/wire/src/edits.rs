//! What policies change in a request beside its texts: instructions, parameters, tools. Splices: what is not changed keeps its bytes.
//!
//! Knows where each dialect has these things (with `fields`) and what its owner refuses about them together: a choice among tools that are
//! not there, a temperature while Claude thinks. What cannot be set so that the request stays one that is taken is left, and told.

mod system;
mod tools;

use lockgate_core::Dialect;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::envelope::{set_member, splice};
use crate::scan::{Kind, Scan, scan};
use crate::{Quirks, Steering, anthropic, fields};

/// What is to be another.
pub struct Edits<'a> {
    /// Instructions behind those that are there.
    pub add_system: Option<&'a str>,
    /// The bound of output tokens.
    pub max_tokens: Option<u64>,
    /// The bound of output tokens, where there is none or a higher one.
    pub most_tokens: Option<u64>,
    /// Common names of parameters that go.
    pub remove: &'a [&'a str],
    /// Instructions in place of those before the first turn.
    pub system: Option<&'a str>,
    /// `temperature`.
    pub temperature: Option<f64>,
    /// Whether a tool goes, by its name.
    pub tool_goes: &'a dyn Fn(&str) -> bool,
    /// `top_p`.
    pub top_p: Option<f64>,
}

/// A request with its edits.
#[derive(Debug, PartialEq, Eq)]
pub struct Edited {
    /// The request.
    pub body: Vec<u8>,
    /// What was not changed, because the model or the dialect would refuse it.
    pub left: Vec<&'static str>,
}

/// A request that is edited.
struct Editor<'a> {
    body: Vec<u8>,
    dialect: Dialect,
    left: Vec<&'static str>,
    model: &'a str,
    quirks: &'a Quirks,
}

/// Edits a request. `to`: the model as its provider calls it, and what that server does differently; the error says why it cannot be done.
pub fn edited(
    dialect: Dialect,
    body: &[u8],
    edits: &Edits<'_>,
    (model, quirks): (&str, &Quirks),
) -> Result<Edited, String> {
    let mut editor = Editor { body: body.to_vec(), dialect, left: Vec::new(), model, quirks };
    let thought = editor.thinks()?;
    for name in edits.remove {
        editor.remove(name)?;
    }
    let bounded = editor.bound(edits)?;
    editor.sampling("temperature", edits.temperature)?;
    editor.sampling("top_p", edits.top_p)?;
    if let Some(words) = edits.system {
        editor.system(words, true)?;
    }
    if let Some(words) = edits.add_system {
        editor.system(words, false)?;
    }
    editor.tools(edits.tool_goes)?;
    if bounded {
        editor.fit_thoughts()?;
    }
    if thought && !editor.thinks()? {
        editor.keep_thoughts()?;
    }
    Ok(Edited { body: editor.body, left: editor.left })
}

impl Editor<'_> {
    /// The steps to a parameter.
    fn place(&self, name: &str) -> Vec<String> {
        let field = match (self.dialect, name) {
            (Dialect::Chat, "max_tokens") if !self.quirks.legacy_max_tokens => "max_completion_tokens".into(),
            // What it has beside the effort goes with it.
            (Dialect::Responses, "reasoning") => name.to_owned(),
            _ => fields::of(self.dialect, name),
        };
        field.split('.').map(str::to_owned).collect()
    }

    fn value(&self, place: &[String]) -> Result<Option<Value>, String> {
        let Some(found) = find(&self.body, place)? else { return Ok(None) };
        serde_json::from_slice(found).map(Some).map_err(|error| error.to_string())
    }

    fn set(&mut self, place: &[String], value: &Value) -> Result<(), String> {
        self.body = set(&self.body, place, &value.to_string())?;
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), String> {
        if self.dialect == Dialect::Anthropic && name == "max_tokens" {
            // It must be there.
            self.left.push("max_tokens");
            return Ok(());
        }
        // Under names of its own that are no other dialect's.
        let beside: &[&str] = match (self.dialect, name) {
            (Dialect::Chat, "max_tokens") => &["max_tokens", "max_completion_tokens"],
            (Dialect::Chat, "reasoning") => &["reasoning"],
            _ => &[],
        };
        let mut places = vec![self.place(name)];
        places.extend(beside.iter().map(|name| vec![(*name).to_owned()]));
        if name == "logprobs" {
            places.push(self.place("top_logprobs"));
        }
        for place in places {
            self.body = remove(&self.body, &place)?;
        }
        Ok(())
    }

    /// The bound of output tokens, under each name that the client has for it; whether one is another now.
    fn bound(&mut self, edits: &Edits<'_>) -> Result<bool, String> {
        let mut places = vec![self.place("max_tokens")];
        if self.dialect == Dialect::Chat {
            let other = if places[0][0] == "max_tokens" { "max_completion_tokens" } else { "max_tokens" };
            let other = vec![other.to_owned()];
            if self.value(&other)?.is_some() {
                places.push(other);
                if self.value(&places[0])?.is_none() {
                    places.remove(0);
                }
            }
        }
        let mut changed = false;
        for place in places {
            let own = self.value(&place)?.and_then(|value| value.as_u64());
            let wanted = edits.max_tokens.or(own).into_iter().chain(edits.most_tokens).min();
            if let Some(wanted) = wanted
                && own != Some(wanted)
            {
                self.set(&place, &wanted.into())?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// A parameter that not every model takes.
    fn sampling(&mut self, name: &'static str, wanted: Option<f64>) -> Result<(), String> {
        let Some(mut wanted) = wanted else { return Ok(()) };
        let fixed = match self.dialect {
            Dialect::Anthropic => {
                if name == "temperature" {
                    wanted = wanted.min(1.0);
                }
                anthropic::fixes_sampling(self.model) || self.thinks()?
            }
            Dialect::Chat | Dialect::Responses => self.quirks.steering != Steering::Free,
            Dialect::ClaudeCli => true,
            Dialect::Gemini | Dialect::Ollama => false,
        };
        if fixed {
            self.left.push(name);
            return Ok(());
        }
        let other = if name == "temperature" { "top_p" } else { "temperature" };
        if self.dialect == Dialect::Anthropic && anthropic::takes_one_of_two(self.model) {
            self.body = remove(&self.body, &self.place(other))?;
        }
        let value = serde_json::Number::from_f64(wanted).ok_or_else(|| format!("`{name}` is no number"))?;
        self.set(&self.place(name), &value.into())
    }

    /// Whether Claude is asked to think.
    fn thinks(&self) -> Result<bool, String> {
        if self.dialect != Dialect::Anthropic {
            return Ok(false);
        }
        let thinking = self.value(&["thinking".to_owned()])?;
        let kind = thinking.as_ref().and_then(|thinking| thinking["type"].as_str());
        Ok(kind.is_some_and(|kind| kind != "disabled"))
    }

    /// Claude's budget of thoughts has to be below its bound of output tokens.
    fn fit_thoughts(&mut self) -> Result<(), String> {
        if self.dialect != Dialect::Anthropic {
            return Ok(());
        }
        let budget = vec!["thinking".to_owned(), "budget_tokens".to_owned()];
        let most = self.value(&["max_tokens".to_owned()])?.and_then(|most| most.as_u64());
        match (self.value(&budget)?.and_then(|budget| budget.as_u64()), most) {
            (Some(own), Some(most)) if own >= most && most > LEAST_BUDGET => {
                self.set(&budget, &(most / 2).max(LEAST_BUDGET).into())
            }
            (Some(own), Some(most)) if own >= most => {
                self.set(&["thinking".to_owned()], &json!({"type": "disabled"}))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Thoughts are cleared from a context only while Claude thinks: it refuses the edit otherwise.
    fn keep_thoughts(&mut self) -> Result<(), String> {
        let place = ["context_management".to_owned(), "edits".to_owned()];
        let Some(list) = find(&self.body, &place)? else { return Ok(()) };
        let all: Vec<&RawValue> = serde_json::from_slice(list).map_err(|error| error.to_string())?;
        let clears = |edit: &&&RawValue| {
            let edit: Value = serde_json::from_str(edit.get()).unwrap_or_default();
            edit["type"].as_str().is_some_and(|kind| kind.starts_with("clear_thinking_"))
        };
        let left: Vec<&str> = all.iter().filter(|edit| !clears(edit)).map(|edit| edit.get()).collect();
        if left.len() == all.len() {
            return Ok(());
        }
        if !left.is_empty() {
            self.body = set(&self.body, &place, &format!("[{}]", left.join(",")))?;
            return Ok(());
        }
        let body = remove(&self.body, &place)?;
        let rest = find(&body, &place[..1])?.map(serde_json::from_slice::<Value>);
        let bare = rest.is_some_and(|rest| rest.is_ok_and(|rest| rest == json!({})));
        self.body = if bare { remove(&body, &place[..1])? } else { body };
        Ok(())
    }
}

/// The least budget that Anthropic takes.
const LEAST_BUDGET: u64 = 1024;

fn scanned(body: &[u8]) -> Result<Scan, String> {
    scan(body, 512).map_err(|error| error.to_string())
}

/// A name as protobuf JSON also takes it.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The value at a place, if it is there and not `null`.
fn find<'b>(body: &'b [u8], place: &[String]) -> Result<Option<&'b [u8]>, String> {
    let Some((name, rest)) = place.split_first() else { return Ok(Some(body)) };
    let scan = scanned(body)?;
    let member = scan.find(body, name).or_else(|| scan.find(body, &snake(name)));
    match member {
        Some(member) if rest.is_empty() => {
            Ok((member.kind != Kind::Null).then_some(&body[member.value.clone()]))
        }
        Some(member) if member.kind == Kind::Object => find(&body[member.value.clone()], rest),
        Some(_) | None => Ok(None),
    }
}

/// A body with a value at a place, whatever is there.
fn set(body: &[u8], place: &[String], json: &str) -> Result<Vec<u8>, String> {
    let Some((name, rest)) = place.split_first() else { return Ok(json.as_bytes().to_vec()) };
    let scan = scanned(body)?;
    let other = snake(name);
    let (name, member) = match (scan.find(body, name), scan.find(body, &other)) {
        (None, Some(member)) => (&other, Some(member)),
        (member, _) => (name, member),
    };
    match member {
        Some(member) if !rest.is_empty() && member.kind == Kind::Object => {
            let inner = set(&body[member.value.clone()], rest, json)?;
            Ok(splice(body, member.value.clone(), &inner))
        }
        Some(member) if !rest.is_empty() && member.kind != Kind::Null => {
            Err(format!("`{name}` is no object"))
        }
        Some(_) | None => {
            let inner = set(b"{}", rest, json)?;
            Ok(set_member(body, &scan, name, &String::from_utf8_lossy(&inner)))
        }
    }
}

/// A body without what is at a place, under each of its names.
fn remove(body: &[u8], place: &[String]) -> Result<Vec<u8>, String> {
    let mut body = body.to_vec();
    let Some((name, rest)) = place.split_first() else { return Ok(body) };
    for name in [name, &snake(name)] {
        let scan = scanned(&body)?;
        let Some(member) = scan.find(&body, name) else { continue };
        if !rest.is_empty() {
            if member.kind == Kind::Object {
                let inner = remove(&body[member.value.clone()], rest)?;
                body = splice(&body, member.value.clone(), &inner);
            }
            continue;
        }
        let at = scan.members.iter().position(|other| other.value == member.value).unwrap_or(0);
        let range = match (at.checked_sub(1).map(|before| &scan.members[before]), scan.members.get(at + 1)) {
            (Some(before), _) => before.value.end..member.value.end,
            (None, Some(next)) => member.key.start - 1..next.key.start - 1,
            (None, None) => member.key.start - 1..member.value.end,
        };
        body = splice(&body, range, b"");
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
