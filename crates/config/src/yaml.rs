//! YAML text into the tree, with a position on every key and value.
//!
//! Works on the parser's events rather than through serde, so that a scalar keeps its exact text (`1.10` stays `1.10`),
//! duplicate keys are all reported, and nothing is lost to the first error. Anchors and aliases work within a bound on
//! the number of nodes; tags and merge keys are not supported.

use std::{collections::HashMap, sync::Arc};

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle};

use crate::{
    Code, Path, Problem, Source,
    tree::{Content, Entry, Node, Scalar, Style},
};

/// Depth of lists and mappings; the schema needs six.
const MAX_DEPTH: usize = 64;
/// Nodes in one document, aliases counted as what they stand for.
const MAX_NODES: usize = 200_000;

/// Reads one document. What cannot be read is in the problems, and the tree holds the rest.
pub(crate) fn parse(text: &str, origin: &Origin, problems: &mut Vec<Problem>) -> Node {
    let masked = mask_variables(text);
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(masked.as_deref().unwrap_or(text), options),
        masked: masked.is_some(),
        origin,
        anchors: HashMap::new(),
        nodes: 0,
        problems,
    };
    match reader.document() {
        Ok(node) => node,
        Err(problem) => {
            reader.problems.push(problem);
            Node::new(&origin.at(1, 1), Content::Broken)
        }
    }
}

/// What a text is called in sources.
pub(crate) enum Origin {
    /// Positions count.
    File(Arc<str>),
    /// A variable or flag: one place for the whole.
    Whole(Source),
}

impl Origin {
    fn at(&self, line: usize, column: usize) -> Source {
        match self {
            Self::File(file) => Source::File { file: file.clone(), line, column },
            Self::Whole(source) => source.clone(),
        }
    }
}

struct Reader<'t, 'a> {
    parser: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    masked: bool,
    origin: &'a Origin,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    problems: &'a mut Vec<Problem>,
}

type Step<'t> = (Event<'t>, Source);

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Node, Problem> {
        loop {
            let (event, source) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(Node::new(&source, Content::Empty)),
                Event::StreamStart | Event::DocumentStart(..) => {}
                first => {
                    let node = self.node(first, source, 0)?;
                    return self.nothing_follows().map(|()| node);
                }
            }
        }
    }

    fn nothing_follows(&mut self) -> Result<(), Problem> {
        loop {
            let (event, source) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(..) => {
                    return Err(syntax(
                        &source,
                        "a second document follows; the configuration is one document",
                    ));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<Step<'t>, Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.source(&span.start))),
            Some(Err(error)) => {
                let source = self.source(error.marker());
                Err(syntax(&source, &error.info()))
            }
            None => Ok((Event::StreamEnd, self.origin.at(1, 1))),
        }
    }

    fn source(&self, marker: &Marker) -> Source {
        self.origin.at(marker.line(), marker.col() + 1)
    }

    fn node(&mut self, event: Event<'t>, source: Source, depth: usize) -> Result<Node, Problem> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(syntax(&source, "the document is nested too deeply or too large"));
        }
        if event.tag().is_some() {
            self.problems.push(syntax(&source, "tags (`!…`) have no meaning here"));
        }
        let before = self.nodes;
        let anchor = event.anchor_id();
        let content = match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style),
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            Event::Alias(id) => {
                let Some((node, count)) = self.anchors.get(&id) else {
                    return Err(syntax(&source, "an alias stands inside what it names"));
                };
                self.nodes += count;
                node.content.clone()
            }
            other => return Err(syntax(&source, &format!("unexpected {other:?}"))),
        };
        let node = Node { source, content };
        if let Some(id) = anchor {
            self.anchors.insert(id, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    fn scalar(&self, text: &str, style: ScalarStyle) -> Content {
        let text = if self.masked { unmask_variables(text) } else { text.to_owned() };
        match style {
            ScalarStyle::Plain if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") => {
                Content::Empty
            }
            ScalarStyle::Plain => Content::Scalar(Scalar { text, style: Style::Plain }),
            _ => Content::Scalar(Scalar { text, style: Style::Quoted }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Content, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, source) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Content::List(items));
            }
            items.push(self.node(event, source, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut positions: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, source) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Map(entries));
            }
            let key = match self.node(event, source.clone(), depth + 1)?.content {
                Content::Scalar(scalar) => Some(scalar.text),
                Content::Empty => Some(String::new()),
                Content::Broken | Content::List(_) | Content::Map(_) => None,
            };
            let (event, value_source) = self.next()?;
            let node = self.node(event, value_source, depth + 1)?;
            let Some(key) = key else {
                self.problems.push(syntax(&source, "a key must be a word, not a list or mapping"));
                continue;
            };
            if let Some(first) = positions.get(&key) {
                let first = entries[*first].source.place();
                let message = format!("`{}` stands here twice, first at {first}", short(&key));
                self.problems.push(Problem::new(
                    Code::DuplicateKey,
                    &source,
                    &Path::default().key(&key),
                    message,
                ));
                continue;
            }
            positions.insert(key.clone(), entries.len());
            entries.push(Entry { key, source, node });
        }
    }
}

fn syntax(source: &Source, message: &str) -> Problem {
    Problem::new(Code::Syntax, source, &Path::default(), message)
}

/// A key as it may stand in a message.
pub(crate) fn short(key: &str) -> String {
    let mut short: String = key.chars().filter(|c| !c.is_control()).take(60).collect();
    if short.len() < key.len() {
        short.push('…');
    }
    short
}

const OPEN: char = '\u{e0f0}';
const CLOSE: char = '\u{e0f1}';

/// `{api_key: ${KEY}}` is what people write, but the inner braces would end the bare word there. They stand as two private
/// characters while the text is parsed, which keeps each position; the value of a variable never enters the text.
fn mask_variables(text: &str) -> Option<String> {
    if !text.contains("${") || text.contains([OPEN, CLOSE]) {
        return None;
    }
    let mut masked = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inside = &rest[start + 2..];
        let end = inside.find(['}', '{', '\n', '"', '\'']).filter(|end| inside[*end..].starts_with('}'));
        masked.push_str(&rest[..start]);
        if let Some(end) = end {
            masked.push('$');
            masked.push(OPEN);
            masked.push_str(&inside[..end]);
            masked.push(CLOSE);
            rest = &inside[end + 1..];
        } else {
            masked.push_str("${");
            rest = inside;
        }
    }
    masked.push_str(rest);
    Some(masked)
}

fn unmask_variables(text: &str) -> String {
    text.replace(OPEN, "{").replace(CLOSE, "}")
}
