//! Blocks of a request, as parts of a conversation.
//!
//! Kinds that only this dialect has (server tools, their results, search results, containers, references to tools)
//! become opaque with their own JSON. Empty texts are dropped: no provider wants them and Anthropic refuses them.

use lockgate_core::content::{
    Citation, Document, Image, Opaque, Reasoning, Source, Text, ToolCall, ToolKind, ToolResult,
};
use lockgate_core::{Block, Dialect, Failure, Part, Raw, Seal, Unmodelled};
use serde::Deserialize;

use super::parse::{cache, missing};
use super::request::{self, Attachment, Members};
use crate::json::{TextOr, keep_rest};

/// Makes parts of blocks; `rest` takes what has no home.
pub(super) struct Blocks<'a> {
    pub(super) rest: &'a mut Vec<Unmodelled>,
}

impl Blocks<'_> {
    /// The parts of a list of blocks, without the first `skip`.
    pub(super) fn parts(
        &mut self,
        blocks: Vec<request::Block>,
        path: &str,
        skip: usize,
    ) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, block) in blocks.into_iter().enumerate().skip(skip) {
            parts.extend(self.part(block, &format!("{path}[{at}]"))?);
        }
        Ok(parts)
    }

    fn part(&mut self, block: request::Block, path: &str) -> Result<Option<Part>, Failure> {
        match block {
            request::Block::Other(members) => self.other(&members, path).map(Some),
            request::Block::Text(text) => self.text(text, path),
            request::Block::Thought(thought) => self.thought(thought, path).map(Some),
            request::Block::ToolResult(result) => self.tool_result(result, path).map(Some),
            request::Block::ToolUse(call) => self.tool_use(call, path).map(Some),
        }
    }

    fn text(&mut self, block: request::Text, path: &str) -> Result<Option<Part>, Failure> {
        let text = block.words.ok_or_else(|| missing(&format!("{path}.text")))?;
        keep_rest(self.rest, path, block.rest);
        if text.is_empty() {
            return Ok(None);
        }
        let citations = block.citations.unwrap_or_default().0.into_iter().map(citation).collect();
        let cache = cache(block.cache, path, self.rest);
        Ok(Some(Part { block: Block::Text(Text { text, citations }), cache }))
    }

    fn thought(&mut self, block: request::Thought, path: &str) -> Result<Part, Failure> {
        keep_rest(self.rest, path, block.rest);
        let (seal, text) = match (block.data, block.thinking) {
            (Some(data), text) => (Some(Seal::Encrypted(data)), text.unwrap_or_default()),
            (None, Some(text)) => {
                (block.signature.filter(|seal| !seal.is_empty()).map(Seal::Signature), text)
            }
            (None, None) => return Err(missing(&format!("{path}.thinking"))),
        };
        Ok(Part::new(Block::Reasoning(Reasoning { id: None, seal, summary: false, text })))
    }

    fn tool_use(&mut self, block: request::ToolUse, path: &str) -> Result<Part, Failure> {
        let id = block.id.filter(|id| !id.is_empty()).ok_or_else(|| missing(&format!("{path}.id")))?;
        let name = block.name.ok_or_else(|| missing(&format!("{path}.name")))?;
        let arguments = block.input.map_or_else(|| "{}".to_owned(), |input| input.get().to_owned());
        // It is JSON, as the whole request is.
        if !arguments.starts_with('{') {
            let input = format!("{path}.input");
            return Err(Failure::invalid(input.clone(), format!("`{input}` must be an object")));
        }
        // A direct call is what every client's tool call is.
        let caller = block.caller.filter(|caller| kind_of(caller).as_deref() != Some("direct"));
        for (field, value) in [("caller", caller), ("toolset_name", block.toolset_name)] {
            keep_rest(self.rest, path, value.map(|value| (field.to_owned(), value)).into_iter().collect());
        }
        keep_rest(self.rest, path, block.rest);
        let call = ToolCall { arguments, id, kind: ToolKind::Function, name, namespace: None, seal: None };
        Ok(Part { block: Block::ToolCall(call), cache: cache(block.cache, path, self.rest) })
    }

    fn tool_result(&mut self, block: request::ToolResult, path: &str) -> Result<Part, Failure> {
        let call_id = block.tool_use_id.ok_or_else(|| missing(&format!("{path}.tool_use_id")))?;
        let content = match block.content {
            None => Vec::new(),
            Some(TextOr::Text(text)) if text.is_empty() => Vec::new(),
            Some(TextOr::Text(text)) => vec![Part::text(text)],
            Some(TextOr::List(blocks)) => self.parts(blocks, &format!("{path}.content"), 0)?,
        };
        let toolset = block.toolset_name.map(|value| ("toolset_name".to_owned(), value));
        keep_rest(self.rest, path, toolset.into_iter().collect());
        keep_rest(self.rest, path, block.rest);
        let result = ToolResult {
            call_id,
            content,
            is_error: block.is_error.unwrap_or(false),
            kind: ToolKind::Function,
            name: None,
        };
        Ok(Part { block: Block::ToolResult(result), cache: cache(block.cache, path, self.rest) })
    }

    fn other(&mut self, members: &Members, path: &str) -> Result<Part, Failure> {
        let kind = members.text("type").unwrap_or_default();
        if kind == "image" || kind == "document" {
            let attachment: Attachment = members.read(path)?;
            if let Some(part) = self.attachment(attachment, path)? {
                return Ok(part);
            }
        }
        let raw = members.to_raw().ok_or_else(|| missing(path))?;
        Ok(Part::new(Block::Opaque(Opaque { dialect: Dialect::Anthropic, kind, raw })))
    }

    /// `None` when the bytes are somewhere that only this dialect knows (a document made of blocks, say).
    fn attachment(&mut self, block: Attachment, path: &str) -> Result<Option<Part>, Failure> {
        let source = block.source.ok_or_else(|| missing(&format!("{path}.source")))?;
        let at = |field: &str| missing(&format!("{path}.source.{field}"));
        let bytes = match source.kind.as_deref() {
            Some("base64") => {
                Source::Base64 { data: source.data.ok_or_else(|| at("data"))?, media_type: source.media_type }
            }
            Some("file") => Source::File { id: source.file_id.ok_or_else(|| at("file_id"))? },
            Some("text") => Source::Text { text: source.data.ok_or_else(|| at("data"))? },
            Some("url") => {
                Source::Url { url: source.url.ok_or_else(|| at("url"))?, media_type: source.media_type }
            }
            Some(_) => return Ok(None),
            None => return Err(at("type")),
        };
        keep_rest(self.rest, &format!("{path}.source"), source.rest);
        keep_rest(self.rest, path, block.rest);
        let inner = if block.kind.as_deref() == Some("image") {
            Block::Image(Image { detail: None, source: bytes })
        } else {
            let citations = block.citations.and_then(|config| {
                keep_rest(self.rest, &format!("{path}.citations"), config.rest);
                config.enabled
            });
            Block::Document(Document { citations, context: block.context, name: block.title, source: bytes })
        };
        Ok(Some(Part { block: inner, cache: cache(block.cache, path, self.rest) }))
    }
}

fn kind_of(value: &Raw) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_str::<Typed>(value.get()).ok().map(|typed| typed.kind)
}

/// A citation: what all dialects share of it, and the whole.
pub(super) fn citation(raw: Raw) -> Citation {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Shared {
        cited_text: Option<String>,
        document_title: Option<String>,
        source: Option<String>,
        title: Option<String>,
        url: Option<String>,
    }
    let shared: Shared = serde_json::from_str(raw.get()).unwrap_or_default();
    let is_address = |text: &String| text.starts_with("http://") || text.starts_with("https://");
    Citation {
        raw: Some((Dialect::Anthropic, raw)),
        quote: shared.cited_text,
        span: None,
        title: shared.title.or(shared.document_title),
        url: shared.url.or(shared.source.filter(is_address)),
    }
}
