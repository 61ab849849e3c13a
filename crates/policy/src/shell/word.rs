//! From a raw word of the grammar to what the command gets: quotes and escapes taken away, variables put in, braces multiplied, text
//! split at `IFS`. A small scanner of our own: bounded, without backtracking, and it keeps what it does not know as a mark. Commands
//! inside words are handed to the reader, which says what they would write.

use super::Unreadable;
use super::param;
use super::path::{HOME, UNKNOWN};
use super::reader::{Reader, Stream};

/// A word as the command gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    pub(crate) text: String,
    /// The steps whose output is part of it.
    pub(crate) from: Vec<usize>,
    /// Variables of the environment that are part of it.
    pub(crate) env: Vec<String>,
}

impl Word {
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    pub(crate) fn unknown(from: Vec<usize>) -> Self {
        Self { text: UNKNOWN.to_string(), from, env: Vec::new() }
    }

    /// For people: `~` for home, `…` for what is not known.
    pub fn shown(&self) -> String {
        super::path::shown(&self.text)
    }

    pub(crate) fn known(&self) -> bool {
        !self.text.contains(UNKNOWN)
    }

    fn add(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.from.extend_from_slice(&other.from);
        self.env.extend_from_slice(&other.env);
    }
}

/// Collects words while a raw word is read.
pub(super) struct Builder {
    done: Vec<Word>,
    current: Word,
    started: bool,
    split: bool,
    ifs: String,
    /// Bytes that may still be put in.
    room: usize,
}

impl Builder {
    fn new(split: bool, ifs: &str, room: usize) -> Self {
        let ifs = ifs.to_owned();
        Self { done: Vec::new(), current: Word::default(), started: false, split, ifs, room }
    }

    fn text(&mut self, text: &str) {
        self.current.text.push_str(text);
        self.started = true;
    }

    fn letter(&mut self, c: char) {
        self.current.text.push(c);
        self.started = true;
    }

    /// The value of a variable or of a command; outside quotes it is split.
    fn value(&mut self, value: &Word, quoted: bool) {
        let size = value.text.len() + value.from.len() * 8 + 1;
        if size > self.room {
            self.room = 0;
            return;
        }
        self.room -= size;
        if quoted || !self.split {
            self.current.add(value);
            self.started |= quoted || !value.text.is_empty();
            return;
        }
        let ifs = std::mem::take(&mut self.ifs);
        for (at, piece) in value.text.split(|c| ifs.contains(c)).enumerate() {
            if at > 0 && self.started {
                self.flush();
            }
            if !piece.is_empty() {
                self.current.text.push_str(piece);
                self.started = true;
                self.current.from.extend_from_slice(&value.from);
                self.current.env.extend_from_slice(&value.env);
            }
        }
        self.ifs = ifs;
    }

    /// Several values: words of their own, or joined by a space.
    fn put(&mut self, values: &[Word], quoted: bool) {
        for (at, value) in values.iter().enumerate() {
            if at > 0 && self.split {
                self.flush();
            } else if at > 0 {
                self.letter(' ');
            }
            self.value(value, quoted);
        }
    }

    fn flush(&mut self) {
        if self.started {
            self.done.push(std::mem::take(&mut self.current));
        }
        self.started = false;
    }
}

const SPECIAL: [char; 7] = ['\\', '\'', '"', '$', '`', '~', '{'];

impl Reader<'_> {
    /// Expands a word to the words that the command gets.
    pub(super) fn expand(&mut self, raw: &str, out: &mut Vec<Word>) -> Result<(), Unreadable> {
        if !raw.contains(SPECIAL) && !raw.contains("<(") && !raw.contains(">(") {
            out.push(Word::plain(raw));
            return Ok(());
        }
        for raw in super::braces::expand(raw, self.limits.words) {
            let mut builder = Builder::new(true, &self.scope.ifs, self.limits.bytes);
            self.scan(&raw, false, &mut builder)?;
            builder.flush();
            out.append(&mut builder.done);
        }
        if out.len() > self.limits.words * 4 { Err(Unreadable::TooMany) } else { Ok(()) }
    }

    /// Expands a word to one: the value of an assignment, the name of a file, the text of a here-document.
    pub(super) fn expand_one(&mut self, raw: &str) -> Result<Word, Unreadable> {
        if !raw.contains(SPECIAL) {
            return Ok(Word::plain(raw));
        }
        let mut builder = Builder::new(false, "", self.limits.bytes);
        self.scan(raw, false, &mut builder)?;
        Ok(builder.current)
    }

    /// The text of a here-document: variables and commands are put in, quotes stay.
    pub(super) fn expand_document(&mut self, raw: &str) -> Result<Word, Unreadable> {
        let mut builder = Builder::new(false, "", self.limits.bytes);
        self.scan(raw, true, &mut builder)?;
        Ok(builder.current)
    }

    /// Reads a raw word. With `document`, quotes are letters and everything is as if quoted.
    pub(super) fn scan(&mut self, raw: &str, document: bool, out: &mut Builder) -> Result<(), Unreadable> {
        let mut quoted = document;
        let mut at = 0;
        while let Some(c) = raw[at..].chars().next() {
            let rest = &raw[at..];
            let next = rest[c.len_utf8()..].chars().next();
            match c {
                '\\' => at += escape(next, quoted, document, out),
                '\'' if !quoted => {
                    let end = rest[1..].find('\'').map_or(rest.len() - 1, |end| end);
                    out.text(&rest[1..=end]);
                    at += (end + 2).min(rest.len());
                }
                '"' if !document => {
                    quoted = !quoted;
                    out.started = true;
                    at += 1;
                }
                '$' if !quoted && next == Some('\'') => {
                    let (text, used) = ansi_c(&rest[2..]);
                    out.text(&text);
                    at += 2 + used;
                }
                '$' if !quoted && next == Some('"') => at += 1,
                '$' => at += self.dollar(rest, quoted, out)?,
                '`' => at += self.backquoted(rest, quoted, out)?,
                '<' | '>' if !quoted && next == Some('(') => {
                    let end = close(rest, 1);
                    let stream = self.nested(inner(rest, 2, end))?;
                    out.value(&Word::unknown(stream.from), true);
                    at += end;
                }
                '~' if !quoted && (at == 0 || raw[..at].ends_with(['=', ':'])) => at += tilde(rest, out),
                c => {
                    out.letter(c);
                    at += c.len_utf8();
                }
            }
        }
        match out.room {
            0 => Err(Unreadable::TooMany),
            _ => Ok(()),
        }
    }

    fn dollar(&mut self, rest: &str, quoted: bool, out: &mut Builder) -> Result<usize, Unreadable> {
        if rest.starts_with("$((") {
            let end = close(rest, 1);
            if rest[..end].ends_with("))") {
                let value = self.arithmetic(inner(rest, 3, end - 1))?;
                out.value(&value, quoted);
                return Ok(end);
            }
        }
        match rest[1..].chars().next() {
            Some('(') => {
                let end = close(rest, 1);
                self.substitute(inner(rest, 2, end), quoted, out)?;
                Ok(end)
            }
            Some('{') => {
                let end = close(rest, 1);
                let value = self.parameter(inner(rest, 2, end), quoted)?;
                out.put(&value, quoted);
                Ok(end)
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = param::name(&rest[1..]);
                let value = self.variable(name);
                out.put(&value, quoted);
                Ok(1 + name.len())
            }
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                let value = self.special(c, quoted);
                out.put(&value, quoted);
                Ok(2)
            }
            Some(_) | None => {
                out.letter('$');
                Ok(1)
            }
        }
    }

    fn backquoted(&mut self, rest: &str, quoted: bool, out: &mut Builder) -> Result<usize, Unreadable> {
        let mut command = String::new();
        let mut letters = rest.char_indices().skip(1);
        while let Some((at, c)) = letters.next() {
            match c {
                '`' => {
                    self.substitute(&command, quoted, out)?;
                    return Ok(at + 1);
                }
                '\\' => match letters.next() {
                    Some((_, c @ ('`' | '\\' | '$'))) => command.push(c),
                    Some((_, c)) => {
                        command.push('\\');
                        command.push(c);
                    }
                    None => {}
                },
                c => command.push(c),
            }
        }
        Err(Unreadable::Syntax("a backtick is not closed".to_owned()))
    }

    fn substitute(&mut self, command: &str, quoted: bool, out: &mut Builder) -> Result<(), Unreadable> {
        let stream = self.nested(command)?;
        out.value(&value_of(stream), quoted);
        Ok(())
    }

    /// Numbers are kept, everything else is not known; commands inside are read for what they do.
    pub(super) fn arithmetic(&mut self, text: &str) -> Result<Word, Unreadable> {
        let mut builder = Builder::new(false, "", self.limits.bytes);
        if text.contains(['$', '`']) {
            self.scan(text, true, &mut builder)?;
        } else {
            builder.text(text);
        }
        let number = builder.current.text.trim().parse::<i64>();
        match number {
            Ok(number) => builder.current.text = number.to_string(),
            Err(_) => builder.current.text = UNKNOWN.to_string(),
        }
        Ok(builder.current)
    }
}

/// What `$(…)` becomes: the text where it is known, the paths where those are, else a mark.
fn value_of(stream: Stream) -> Word {
    let text = match (stream.text, stream.items.is_empty()) {
        (Some(text), _) => text.trim_end_matches('\n').to_owned(),
        (None, false) => stream.items.join(" "),
        (None, true) => UNKNOWN.to_string(),
    };
    Word { text, from: stream.from, env: stream.env }
}

fn inner(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end.saturating_sub(1)).unwrap_or("")
}

fn escape(next: Option<char>, quoted: bool, document: bool, out: &mut Builder) -> usize {
    match next {
        Some('\n') => 2,
        Some(c) if !quoted || matches!(c, '$' | '`' | '\\') || (c == '"' && !document) => {
            out.letter(c);
            1 + c.len_utf8()
        }
        Some(_) | None => {
            out.letter('\\');
            1
        }
    }
}

fn tilde(rest: &str, out: &mut Builder) -> usize {
    let end = rest.find(['/', ':', ' ']).unwrap_or(rest.len());
    match &rest[1..end] {
        "" => out.letter(HOME),
        "+" => out.letter('.'),
        "root" => out.text("/root"),
        user if user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) => {
            out.text("/home/");
            out.text(user);
        }
        _ => {
            out.letter('~');
            return 1;
        }
    }
    end
}

/// The letters of `$'…'` after its first quote, and how many bytes they take with the last quote.
pub(super) fn ansi_c(text: &str) -> (String, usize) {
    let mut end = text.len();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '\'' && !escaped {
            end = at;
            break;
        }
        escaped = c == '\\' && !escaped;
    }
    (super::decode::escapes(&text[..end], true), (end + 1).min(text.len()))
}

/// The end of the bracket that opens at or after `from`: past its closing one, or the end of the text. Knows quotes, comments and
/// here-documents.
pub(super) fn close(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    let mut documents: Vec<(String, bool)> = Vec::new();
    let braces = bytes.get(from) == Some(&b'{');
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' if !braces => at = quote_end(bytes, at, b'\''),
            b'"' => at = double_end(text, at),
            b'`' => at = quote_end(bytes, at, b'`'),
            b'$' if braces && bytes.get(at + 1) == Some(&b'(') => {
                at = close(text, at + 1);
                continue;
            }
            b'(' if !braces => depth += 1,
            b'{' if braces => depth += 1,
            b')' if !braces => depth -= 1,
            b'}' if braces => depth -= 1,
            b'#' if !braces && at > from && matches!(bytes[at - 1], b' ' | b'\n' | b'\t' | b';' | b'(') => {
                // A `#` right after `$(` is a comment, too; one in `$((` is a base.
                at = text[at..].find('\n').map_or(bytes.len(), |end| at + end);
                continue;
            }
            b'<' if !braces && text[at..].starts_with("<<<") => at += 2,
            b'<' if !braces && text[at..].starts_with("<<") && !text[from..].starts_with("((") => {
                let (tag, used) = document_tag(&text[at + 2..]);
                if !tag.is_empty() {
                    documents.push((tag, bytes.get(at + 2) == Some(&b'-')));
                    at += 1 + used;
                }
            }
            b'\n' if !documents.is_empty() => {
                at = documents.drain(..).fold(at + 1, |at, (tag, tabs)| skip_document(text, at, &tag, tabs));
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
        at += 1;
    }
    bytes.len()
}

fn quote_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if quote == b'`' && bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn double_end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at,
            b'\\' => at += 2,
            b'`' => at = quote_end(bytes, at, b'`') + 1,
            b'$' if matches!(bytes.get(at + 1), Some(b'(' | b'{')) => at = close(text, at + 1),
            _ => at += 1,
        }
    }
    at
}

fn document_tag(text: &str) -> (String, usize) {
    let lead = text.len() - text.trim_start_matches('-').trim_start_matches([' ', '\t']).len();
    let end = text[lead..]
        .find([' ', '\t', '\n', ';', '|', '&', ')', '>', '<'])
        .map_or(text.len(), |end| lead + end);
    let tag = text[lead..end].chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    (tag, end)
}

fn skip_document(text: &str, from: usize, tag: &str, tabs: bool) -> usize {
    let mut at = from.min(text.len());
    for line in text[at..].split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end_matches('\n');
        let line = if tabs { line.trim_start_matches('\t') } else { line };
        if line == tag {
            break;
        }
    }
    at
}

/// Whether the text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
