//! Redirects: what a command reads from, where its output goes, here-documents and the sockets that bash makes of `/dev/tcp`.

use brush_parser::ast;

use super::Unreadable;
use super::fact::{Direction, Fact};
use super::path::UNKNOWN;
use super::reader::{Reader, Stream};
use super::word::Word;

/// Where a command's output goes, besides to the next one.
#[derive(Default)]
pub(super) struct Redirects {
    pub(super) stdin: Option<Stream>,
    pub(super) facts: Vec<Fact>,
    pub(super) from: Vec<usize>,
    pub(super) file: Option<String>,
    pub(super) appends: bool,
    pub(super) away: bool,
}

impl Reader<'_> {
    pub(super) fn redirect(
        &mut self,
        redirect: &ast::IoRedirect,
        to: &mut Redirects,
    ) -> Result<(), Unreadable> {
        match redirect {
            ast::IoRedirect::File(fd, kind, target) => self.redirect_file(*fd, kind, target, to),
            ast::IoRedirect::HereDocument(_, document) => {
                let text = if document.requires_expansion {
                    self.expand_document(&document.doc.value)?
                } else {
                    Word::plain(&document.doc.value)
                };
                to.stdin = Some(stream_of(text));
                Ok(())
            }
            ast::IoRedirect::HereString(_, word) => {
                let mut text = self.expand_one(&word.value)?;
                text.text.push('\n');
                to.stdin = Some(stream_of(text));
                Ok(())
            }
            ast::IoRedirect::OutputAndError(word, appends) => {
                let word = self.expand_one(&word.value)?;
                self.written(&word, *appends, to);
                Ok(())
            }
        }
    }

    fn redirect_file(
        &mut self,
        fd: Option<i32>,
        kind: &ast::IoFileRedirectKind,
        target: &ast::IoFileRedirectTarget,
        to: &mut Redirects,
    ) -> Result<(), Unreadable> {
        let word = match target {
            ast::IoFileRedirectTarget::Filename(word) | ast::IoFileRedirectTarget::Duplicate(word) => {
                self.expand_one(&word.value)?
            }
            ast::IoFileRedirectTarget::Fd(_) => return Ok(()),
            ast::IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                let scope = self.scope.clone();
                let stream = self.list(&subshell.list, &Stream::default())?;
                self.scope = scope;
                to.from.extend(&stream.from);
                to.stdin = Some(stream);
                return Ok(());
            }
        };
        let duplicates = word.text == "-" || word.text.bytes().all(|byte| byte.is_ascii_digit());
        match kind {
            ast::IoFileRedirectKind::Read => {
                to.facts.extend(socket(&word.text));
                let path = self.path(&word.text);
                let text = self.files.get(path.raw()).cloned();
                to.facts.push(Fact::Reads { path, recursive: false });
                to.stdin = Some(Stream { text, from: word.from.clone(), ..Stream::default() });
                to.from.extend(word.from);
            }
            ast::IoFileRedirectKind::ReadAndWrite => {
                to.facts.extend(socket(&word.text));
                self.written(&word, true, to);
                to.stdin = Some(Stream::default());
            }
            ast::IoFileRedirectKind::DuplicateInput | ast::IoFileRedirectKind::DuplicateOutput
                if duplicates => {}
            ast::IoFileRedirectKind::Write
            | ast::IoFileRedirectKind::Append
            | ast::IoFileRedirectKind::Clobber
            | ast::IoFileRedirectKind::DuplicateInput
            | ast::IoFileRedirectKind::DuplicateOutput => {
                let appends = matches!(kind, ast::IoFileRedirectKind::Append);
                self.written(&word, appends, to);
                if fd == Some(2) {
                    to.file = None;
                    to.away = false;
                }
            }
        }
        Ok(())
    }

    fn written(&mut self, word: &Word, appends: bool, to: &mut Redirects) {
        to.facts.extend(socket(&word.text));
        to.from.extend(&word.from);
        to.facts.push(Fact::Writes { path: self.path(&word.text), appends });
        to.file = Some(word.text.clone());
        to.appends = appends;
        to.away = true;
    }
}

fn stream_of(word: Word) -> Stream {
    let text = word.known().then_some(word.text.clone());
    // What is not known in the text stays a mark, so that the known part is still read.
    let text = text.or_else(|| (word.text.len() > UNKNOWN.len_utf8()).then_some(word.text));
    Stream { from: word.from, env: word.env, text, ..Stream::default() }
}

/// `/dev/tcp/HOST/PORT` is a socket to bash.
fn socket(text: &str) -> Option<Fact> {
    let rest = text.strip_prefix("/dev/tcp/").or_else(|| text.strip_prefix("/dev/udp/"))?;
    let host = super::path::shown(rest.split('/').next().unwrap_or(rest));
    Some(Fact::Network { direction: Direction::Both, host })
}
