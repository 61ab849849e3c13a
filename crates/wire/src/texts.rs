//! The words of a request where they stand: read one by one, and changed by splices that leave every other byte as it was.
//!
//! Knows where each dialect has words of people, models, instructions and tool results. Thoughts (whose seals cover them), arguments of
//! tool calls, schemas and media are not words here.

use std::borrow::Cow;
use std::ops::Range;

use lockgate_core::{Dialect, Origin};

use crate::Envelope;
use crate::scan::{Document, Scanner, key_text};

mod unmodelled;

pub use unmodelled::rewrite_any_texts;

/// Asks of each text of a request what shall stand there instead; `None` = nothing is changed, or the body cannot be read.
pub fn rewrite_texts(
    dialect: Dialect,
    document: &Document<'_>,
    ask: &mut dyn FnMut(Origin, &str) -> Option<String>,
) -> Option<Vec<u8>> {
    let mut editor = Editor::of(document, ask)?;
    let root = editor.whole()?;
    let root = editor.members(&root);
    match dialect {
        Dialect::Anthropic => editor.anthropic(&root),
        Dialect::Chat | Dialect::Ollama => editor.chat(&root),
        Dialect::Gemini => editor.gemini(&root),
        Dialect::Responses => editor.responses(&root),
        // Nobody calls in it.
        Dialect::ClaudeCli => {}
    }
    editor.done()
}

/// Whether a request wants its answer in a form that added words would break: JSON.
pub fn wants_form(dialect: Dialect, envelope: &Envelope, body: &[u8]) -> bool {
    let value = |key: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&body[envelope.value(body, key)?]).ok()
    };
    let kind = |value: Option<serde_json::Value>, path: &str| {
        let value = value?;
        value.pointer(path)?.as_str().map(str::to_owned)
    };
    match dialect {
        Dialect::Anthropic => {
            value("output_format").is_some_and(|value| !value.is_null())
                || value("output_config")
                    .is_some_and(|value| value.pointer("/format").is_some_and(|it| !it.is_null()))
        }
        Dialect::Chat => kind(value("response_format"), "/type").is_some_and(|kind| kind != "text"),
        Dialect::ClaudeCli => false,
        Dialect::Gemini => ["/responseMimeType", "/response_mime_type"].iter().any(|path| {
            let config = value("generationConfig").or_else(|| value("generation_config"));
            kind(config, path).is_some_and(|kind| kind != "text/plain")
        }),
        Dialect::Ollama => value("format").is_some_and(|value| !value.is_null() && value != ""),
        Dialect::Responses => kind(value("text"), "/format/type").is_some_and(|kind| kind != "text"),
    }
}

/// Where a value stands.
type Place = Range<usize>;

/// The members of an object, in order.
struct Members<'b>(Vec<(Cow<'b, str>, Place)>);

impl Members<'_> {
    /// The value of a member; of the last one where there are several.
    fn get(&self, key: &str) -> Option<&Place> {
        self.0.iter().rev().find_map(|(name, place)| (name == key).then_some(place))
    }
}

/// How deep arguments and results are looked through.
const DEPTH: u8 = 64;

type Ask<'a> = dyn FnMut(Origin, &str) -> Option<String> + 'a;

struct Editor<'b, 'a> {
    ask: &'a mut Ask<'a>,
    body: &'b str,
    edits: Vec<(Place, String)>,
    scanner: Scanner<'b>,
}

impl<'b, 'a> Editor<'b, 'a> {
    fn of(document: &Document<'b>, ask: &'a mut Ask<'a>) -> Option<Self> {
        let body = std::str::from_utf8(document.body).ok()?;
        let scanner = match document.strings {
            Some(strings) if strings.length == body.len() => Scanner::with(body, usize::MAX, strings.clone()),
            Some(_) | None => Scanner::of(body, usize::MAX),
        };
        Some(Self { ask, body, edits: Vec::new(), scanner })
    }

    fn over(body: &'b str, ask: &'a mut Ask<'a>) -> Self {
        Self { ask, body, edits: Vec::new(), scanner: Scanner::of(body, usize::MAX) }
    }

    /// The value that the body is, if it is one; nothing but this is asked about bodies that are none.
    fn whole(&mut self) -> Option<Place> {
        let start = self.scanner.space(0);
        let end = self.scanner.value(start).ok()?.0;
        self.scanner.end(end).ok()?;
        Some(start..end)
    }

    /// The members of an object; none of anything else.
    fn members(&mut self, of: &Place) -> Members<'b> {
        let mut members = Members(Vec::new());
        self.inside(of, b'{', |editor, at| {
            let (key, next) = editor.scanner.key(at).ok()?;
            let start = editor.scanner.space(next);
            let end = editor.scanner.value(start).ok()?.0;
            let raw = &editor.body[key];
            let name = if raw.contains('\\') { key_text(raw.as_bytes()) } else { Cow::Borrowed(raw) };
            members.0.push((name, start..end));
            Some(end)
        });
        members
    }

    /// The elements of an array; none of anything else.
    fn elements(&mut self, of: &Place) -> Vec<Place> {
        let mut elements = Vec::new();
        self.inside(of, b'[', |editor, at| {
            let end = editor.scanner.value(at).ok()?.0;
            elements.push(at..end);
            Some(end)
        });
        elements
    }

    /// Goes from each item of a group to the next; `item` says where one ends.
    fn inside(&mut self, of: &Place, open: u8, mut item: impl FnMut(&mut Self, usize) -> Option<usize>) {
        let bytes = self.body.as_bytes();
        if bytes.get(of.start) != Some(&open) {
            return;
        }
        let mut at = self.scanner.space(of.start + 1);
        while at + 1 < of.end {
            let Some(end) = item(self, at) else { return };
            // A comma, or what closes the group.
            at = self.scanner.space(self.scanner.space(end) + 1);
        }
    }

    /// The text that a string stands for.
    fn string(&self, at: &Place) -> Option<Cow<'b, str>> {
        let raw = &self.body[at.clone()];
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        match self.scanner.escape_in(at.start + 1, at.end - 1) {
            None => Some(Cow::Borrowed(inner)),
            Some(_) => crate::jsonin::from_str(raw).ok().map(Cow::Owned),
        }
    }

    fn word(&self, members: &Members<'_>, key: &str) -> Option<Cow<'b, str>> {
        self.string(members.get(key)?)
    }

    fn text(&mut self, at: &Place, origin: Origin) {
        let Some(text) = self.string(at) else { return };
        if let Some(new) = (self.ask)(origin, &text) {
            self.replace(at, new);
        }
    }

    fn replace(&mut self, at: &Place, new: String) {
        self.edits.push((at.clone(), serde_json::Value::from(new).to_string()));
    }

    /// A text, or a list of parts of which some are texts.
    fn content(&mut self, at: &Place, origin: Origin) {
        self.text(at, origin);
        for part in self.elements(at) {
            let part = self.members(&part);
            match self.word(&part, "type").as_deref() {
                Some("text" | "input_text" | "output_text") => {
                    if let Some(text) = part.get("text") {
                        self.text(text, origin);
                    }
                }
                Some("tool_result") => {
                    if let Some(content) = part.get("content") {
                        self.content(content, Origin::ToolResult);
                    }
                }
                Some("tool_use") => {
                    part.get("input").iter().for_each(|input| self.leaves(input, Origin::ToolCall, 0));
                }
                Some("document") => {
                    if let Some(source) = part.get("source").map(|source| self.members(source))
                        && self.word(&source, "type").as_deref() == Some("text")
                    {
                        source.get("data").iter().for_each(|data| self.text(data, origin));
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    fn anthropic(&mut self, root: &Members<'_>) {
        if let Some(system) = root.get("system") {
            self.content(system, Origin::System);
        }
        self.messages(root);
    }

    fn chat(&mut self, root: &Members<'_>) {
        // `input` is what embeddings are made of.
        for (key, origin) in [("system", Origin::System), ("prompt", Origin::User), ("input", Origin::User)] {
            let Some(text) = root.get(key) else { continue };
            self.text(text, origin);
            for text in self.elements(text) {
                self.text(&text, origin);
            }
        }
        self.messages(root);
    }

    fn messages(&mut self, root: &Members<'_>) {
        for message in self.list(root, "messages") {
            let message = self.members(&message);
            for call in self.list(&message, "tool_calls") {
                let call = self.members(&call);
                call.get("function").iter().for_each(|function| self.function(function));
                if let Some(custom) = call.get("custom").map(|custom| self.members(custom)) {
                    custom.get("input").iter().for_each(|input| self.text(input, Origin::ToolCall));
                }
            }
            message.get("function_call").iter().for_each(|function| self.function(function));
            if let Some(content) = message.get("content") {
                let origin = self.origin_of(&message);
                self.content(content, origin);
            }
        }
    }

    fn list(&mut self, members: &Members<'_>, key: &str) -> Vec<Place> {
        members.get(key).map(|list| self.elements(list)).unwrap_or_default()
    }

    /// The arguments of a called function.
    fn function(&mut self, function: &Place) {
        if let Some(arguments) = self.members(function).get("arguments") {
            self.arguments(arguments);
        }
    }

    /// Arguments: JSON in a text, whose texts are looked at one by one; JSON; or any other text.
    fn arguments(&mut self, at: &Place) {
        let Some(text) = self.string(at) else {
            return self.leaves(at, Origin::ToolCall, 0);
        };
        let mut editor = Editor::over(&text, &mut *self.ask);
        let Some(inner) = editor.whole() else {
            return self.text(at, Origin::ToolCall);
        };
        editor.leaves(&inner, Origin::ToolCall, 0);
        if let Some(new) = editor.done().and_then(|new| String::from_utf8(new).ok()) {
            self.replace(at, new);
        }
    }

    fn responses(&mut self, root: &Members<'_>) {
        if let Some(instructions) = root.get("instructions") {
            self.text(instructions, Origin::System);
        }
        let Some(input) = root.get("input") else { return };
        self.text(input, Origin::User);
        for item in self.elements(input) {
            let item = self.members(&item);
            if let Some(output) = item.get("output") {
                self.content(output, Origin::ToolResult);
            }
            match self.word(&item, "type").as_deref() {
                Some("function_call" | "mcp_call") => {
                    item.get("arguments").iter().for_each(|at| self.arguments(at));
                }
                Some("custom_tool_call") => {
                    item.get("input").iter().for_each(|at| self.text(at, Origin::ToolCall));
                }
                Some("apply_patch_call" | "local_shell_call" | "shell_call") => {
                    let parts = ["action", "operation"].iter().filter_map(|name| item.get(name));
                    parts.for_each(|at| self.leaves(at, Origin::ToolCall, 0));
                }
                Some(_) | None => {}
            }
            if let Some(content) = item.get("content").filter(|_| item.get("role").is_some()) {
                let origin = self.origin_of(&item);
                self.content(content, origin);
            }
        }
    }

    fn gemini(&mut self, root: &Members<'_>) {
        for key in ["systemInstruction", "system_instruction"] {
            if let Some(instruction) = root.get(key) {
                self.text(instruction, Origin::System);
                let content = self.members(instruction);
                match content.get("parts") {
                    Some(parts) => self.parts(parts, Origin::System),
                    // A list of parts, or one part.
                    None => self.parts(instruction, Origin::System),
                }
            }
        }
        // What embeddings are made of, one by one or many, and what tokens are counted of.
        if let Some(content) = root.get("content") {
            let content = self.members(content);
            content.get("parts").iter().for_each(|parts| self.parts(parts, Origin::User));
        }
        for request in root.get("requests").map(|at| self.one_or_many(at)).unwrap_or_default() {
            let request = self.members(&request);
            self.gemini(&request);
        }
        for key in ["generateContentRequest", "generate_content_request"] {
            if let Some(inner) = root.get(key) {
                let inner = self.members(inner);
                self.gemini(&inner);
            }
        }
        for content in root.get("contents").map(|at| self.one_or_many(at)).unwrap_or_default() {
            let content = self.members(&content);
            let origin = self.origin_of(&content);
            content.get("parts").iter().for_each(|parts| self.parts(parts, origin));
        }
    }

    /// The elements of a list; of Gemini's lists the only one may stand without brackets.
    fn one_or_many(&mut self, at: &Place) -> Vec<Place> {
        match self.body.as_bytes().get(at.start) {
            Some(b'{') => vec![at.clone()],
            Some(_) | None => self.elements(at),
        }
    }

    fn parts(&mut self, parts: &Place, origin: Origin) {
        for part in self.one_or_many(parts) {
            let part = self.members(&part);
            let thought = part.get("thought").is_some_and(|at| &self.body[at.clone()] == "true");
            if let Some(text) = part.get("text").filter(|_| !thought) {
                self.text(text, origin);
            }
            for (names, inside, origin) in [
                (["functionResponse", "function_response"], "response", Origin::ToolResult),
                (["functionCall", "function_call"], "args", Origin::ToolCall),
            ] {
                let found = names.iter().find_map(|name| part.get(name));
                if let Some(members) = found.map(|at| self.members(at)) {
                    members.get(inside).iter().for_each(|at| self.leaves(at, origin, 0));
                }
            }
        }
    }

    /// Every text in JSON, however deep.
    fn leaves(&mut self, at: &Place, origin: Origin, depth: u8) {
        self.text(at, origin);
        if depth < DEPTH {
            let members = self.members(at).0.into_iter().map(|(_, place)| place);
            for place in self.elements(at).into_iter().chain(members) {
                self.leaves(&place, origin, depth + 1);
            }
        }
    }

    fn origin_of(&self, message: &Members<'_>) -> Origin {
        match self.word(message, "role").as_deref() {
            Some("assistant" | "model") => Origin::Assistant,
            Some("developer" | "system") => Origin::System,
            Some("function" | "tool") => Origin::ToolResult,
            Some(_) | None => Origin::User,
        }
    }

    fn done(mut self) -> Option<Vec<u8>> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let body = self.body.as_bytes();
        let mut out = Vec::with_capacity(body.len());
        let mut from = 0;
        for (range, new) in self.edits {
            out.extend_from_slice(&body[from..range.start]);
            out.extend_from_slice(new.as_bytes());
            from = range.end;
        }
        out.extend_from_slice(&body[from..]);
        Some(out)
    }
}

#[cfg(test)]
mod tests;
