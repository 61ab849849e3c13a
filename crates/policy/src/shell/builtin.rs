//! What the shell does itself: changes of directory, variables, aliases, `eval`, `source`, `trap`, and text given to a shell as a
//! program (`bash -c`, a pipe, a here-document, a file that the script has written).

use super::fact::{Code, Fact};
use super::param::assignment;
use super::path::UNKNOWN;
use super::reader::{Reader, Stream};
use super::redirect::Redirects;
use super::run::Run;
use super::word::Word;
use super::{Unreadable, effects};

/// Programs that read commands of a shell.
pub(super) const SHELLS: [&str; 13] =
    ["ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "pwsh", "rbash", "sh", "tcsh", "yash", "zsh"];

impl Reader<'_> {
    pub(super) fn builtin(
        &mut self,
        name: &str,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        match name {
            "cd" | "pushd" | "chdir" => self.change_directory(&words),
            "export" | "declare" | "local" | "typeset" | "readonly" | "setenv" => {
                for word in &words[1..] {
                    if let Some((name, value)) = assignment(&word.text) {
                        let value = vec![Word { text: value.to_owned(), ..word.clone() }];
                        to.facts.extend(effects::environment(name, &value));
                        let name = name.to_owned();
                        let variable = [(name, value)];
                        self.commands_in(&variable)?;
                        let [(name, value)] = variable;
                        self.assign(&name, value);
                    }
                }
                if words.len() > 1 && words[1].text != "-p" {
                    return self.quiet(to);
                }
            }
            "unset" => {
                for word in &words[1..] {
                    to.facts.extend(effects::unset(&word.text));
                    self.scope.vars.remove(&word.text);
                }
            }
            "alias" => {
                for word in &words[1..] {
                    if let Some((name, value)) = word.text.split_once('=') {
                        self.aliases.insert(name.to_owned(), value.to_owned());
                    }
                }
                return self.quiet(to);
            }
            "read" | "mapfile" | "readarray" => {
                let text = stdin.text.as_ref().filter(|text| !text.is_empty());
                let value = match (text, stdin.items.is_empty()) {
                    (Some(text), _) => Word::plain(text.trim_end_matches('\n')),
                    (None, false) => Word::plain(&stdin.items.join(" ")),
                    (None, true) => Word::unknown(Vec::new()),
                };
                let value = Word { from: stdin.from.clone(), env: stdin.env.clone(), ..value };
                for word in words[1..].iter().filter(|word| !word.text.starts_with('-')) {
                    self.scope.vars.insert(word.text.clone(), vec![value.clone()]);
                }
            }
            "set" if words.get(1).is_some_and(|word| word.text == "--") => {
                self.scope.arguments = words[2..].to_vec();
            }
            "shift" if !self.scope.arguments.is_empty() => {
                self.scope.arguments.remove(0);
            }
            "printf" if words.get(1).is_some_and(|word| word.text == "-v") && words.len() > 3 => {
                let out = super::pure::output("printf", &words[3..], stdin, &self.files);
                let text = out.text.unwrap_or_else(|| UNKNOWN.to_string());
                self.scope.vars.insert(words[2].text.clone(), vec![Word { text, ..Word::default() }]);
            }
            "eval" => {
                let from: Vec<usize> = words.iter().flat_map(|word| word.from.clone()).collect();
                let text = join(&words[1..]);
                return self
                    .text(&text, from, &Stream { decoded: false, ..stdin.clone() }, false)
                    .map(Run::Done);
            }
            "trap" if words.len() > 2 => {
                let text = words[1].text.clone();
                return self.text(&text, words[1].from.clone(), stdin, true).map(Run::Done);
            }
            "powershell" | "pwsh" if words[1..].iter().any(|word| is_encoded(&word.text)) => {
                to.facts.push(Fact::Executes(Code::Decoded));
                return self.leaf(words, stdin, to).map(Run::Done);
            }
            "source" | "." => return self.sourced(words, stdin, to),
            name if SHELLS.contains(&name) => return self.shell(words, stdin, to),
            _ => {}
        }
        Ok(Run::Words(words))
    }

    /// Nothing to say, unless there are redirects.
    fn quiet(&mut self, to: &mut Redirects) -> Result<Run, Unreadable> {
        let out = self.finish(std::mem::take(to), Stream::silent())?;
        Ok(Run::Done(out))
    }

    fn change_directory(&mut self, words: &[Word]) {
        let target = words[1..].iter().find(|word| !matches!(word.text.as_str(), "-P" | "-L" | "--"));
        let text = match target.map(|word| word.text.as_str()) {
            None => super::path::HOME.to_string(),
            Some("-") => UNKNOWN.to_string(),
            Some(text) => text.to_owned(),
        };
        let path = self.path(&text);
        self.scope.cwd = Some(path.raw().to_owned());
    }

    /// Text that becomes commands. What is not known in it is run as such.
    pub(super) fn text(
        &mut self,
        text: &str,
        from: Vec<usize>,
        stdin: &Stream,
        decoded: bool,
    ) -> Result<Stream, Unreadable> {
        let unknown = text.trim().chars().all(|c| c == UNKNOWN) && !text.trim().is_empty();
        if unknown {
            return self.unseen(Code::Unknown, from);
        }
        let before = self.context;
        self.context.decoded |= decoded && stdin.decoded;
        let mut out = self.source(text, stdin)?;
        self.context = before;
        out.from.extend(from);
        Ok(out)
    }

    /// A step for code that is not there to be read.
    pub(super) fn unseen(&mut self, code: Code, from: Vec<usize>) -> Result<Stream, Unreadable> {
        let mut step = self.step(vec![Word::plain("eval"), Word::unknown(Vec::new())]);
        step.facts.push(Fact::Executes(code));
        step.inputs = from;
        let at = self.push(step)?;
        Ok(Stream { from: vec![at], ..Stream::default() })
    }

    fn sourced(&mut self, words: Vec<Word>, stdin: &Stream, to: &mut Redirects) -> Result<Run, Unreadable> {
        let Some(file) = words.get(1).map(|word| word.text.clone()) else { return Ok(Run::Words(words)) };
        let path = self.path(&file);
        if matches!(file.as_str(), "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" | "-") {
            return self.fed(words, stdin, to);
        }
        if let Some(text) = self.files.get(path.raw()).cloned() {
            let from = words[1].from.clone();
            return self.text(&text, from, stdin, true).map(Run::Done);
        }
        to.facts.push(Fact::Uses { path: path.clone() });
        to.facts.push(file_code(&file));
        self.leaf(words, stdin, to).map(Run::Done)
    }

    /// `bash`, `bash -c TEXT`, `bash FILE`, `… | bash`.
    fn shell(&mut self, words: Vec<Word>, stdin: &Stream, to: &mut Redirects) -> Result<Run, Unreadable> {
        let mut at = 1;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            match text {
                "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file" => at += 2,
                "-" | "--" => {
                    at += 1;
                    break;
                }
                "-Command" | "-EncodedCommand" => break,
                _ if text.starts_with("--") => at += 1,
                _ if text.starts_with(['-', '+']) && text.contains('c') => {
                    return self.inline(words, at, stdin, to);
                }
                _ if text.starts_with(['-', '+']) && text.contains('s') => {
                    return self.fed(words, stdin, to);
                }
                _ if text.starts_with(['-', '+']) => at += 1,
                _ => break,
            }
        }
        let Some(file) = words.get(at).cloned() else { return self.fed(words, stdin, to) };
        if matches!(file.text.as_str(), "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0") {
            return self.fed(words, stdin, to);
        }
        let path = self.path(&file.text);
        if let Some(text) = self.files.get(path.raw()).cloned() {
            let saved = std::mem::replace(&mut self.scope.arguments, words[at + 1..].to_vec());
            let out = self.text(&text, file.from, stdin, true);
            self.scope.arguments = saved;
            return out.map(Run::Done);
        }
        to.facts.push(Fact::Uses { path });
        to.facts.push(file_code(&file.text));
        self.leaf(words, stdin, to).map(Run::Done)
    }

    fn inline(
        &mut self,
        words: Vec<Word>,
        at: usize,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        let Some(code) = words[at + 1..].iter().find(|word| !word.text.starts_with('-')).cloned() else {
            return Ok(Run::Words(words));
        };
        let before = self.scope.clone();
        self.scope.arguments = words.get(at + 3..).map(<[Word]>::to_vec).unwrap_or_default();
        " \t\n".clone_into(&mut self.scope.ifs);
        let out = self.text(&code.text, code.from, stdin, false)?;
        self.scope = before;
        // What goes into the shell's redirects comes from the commands in it.
        let mut out = out;
        out.env.extend(code.env);
        if to.away {
            let rest = std::mem::take(to);
            return self.finish(rest, out).map(Run::Done);
        }
        Ok(Run::Done(out))
    }

    /// A shell that reads its commands from its input.
    pub(super) fn fed(
        &mut self,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        if let Some(text) = stdin.text.clone().filter(|text| !text.trim().is_empty()) {
            let from = stdin.from.clone();
            let decoded =
                Stream { from: from.clone(), decoded: stdin.decoded, text: None, ..Stream::default() };
            let out = self.text(&text, from, &decoded, true)?;
            return Ok(Run::Done(out));
        }
        if !stdin.from.is_empty() {
            to.facts.push(Fact::Executes(if stdin.decoded { Code::Decoded } else { Code::Input }));
        } else if words.iter().any(|word| word.text == "-i") && !to.facts.is_empty() {
            to.facts.push(Fact::Executes(Code::Input));
        }
        self.leaf(words, stdin, to).map(Run::Done)
    }
}

/// `-EncodedCommand` of PowerShell, which may be cut short.
fn is_encoded(option: &str) -> bool {
    let option = option.to_ascii_lowercase().replace('/', "-");
    option.len() > 1 && (option == "-ec" || "-encodedcommand".starts_with(&option))
}

fn file_code(file: &str) -> Fact {
    Fact::Executes(if file.chars().all(|c| c == UNKNOWN) { Code::Unknown } else { Code::File })
}

pub(super) fn join(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}
