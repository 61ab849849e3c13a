//! From a simple command of the grammar to the step that really runs: assignments, redirects and words are expanded, functions and
//! aliases of the script are entered, wrappers taken off, interpreters fed. What is left is a step with its facts.

use brush_parser::ast;

use super::Unreadable;
use super::call::{Call, program};
use super::fact::{Code, Fact};
use super::path::UNKNOWN;
use super::reader::{Reader, Stream};
use super::redirect::Redirects;
use super::word::Word;
use super::{effects, glob, pure};

/// A simple command, expanded.
#[derive(Default)]
struct Parts<'a> {
    words: Vec<Word>,
    env: Vec<(String, Vec<Word>)>,
    to: Redirects,
    /// Commands in `>(…)`, which get this command's output.
    sinks: Vec<&'a ast::SubshellCommand>,
}

impl Reader<'_> {
    pub(super) fn simple(
        &mut self,
        simple: &ast::SimpleCommand,
        stdin: Stream,
    ) -> Result<Stream, Unreadable> {
        let mut parts = Parts::default();
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, true, &mut parts)?;
        }
        if let Some(word) = &simple.word_or_name {
            if let Some(alias) = self.aliases.get(&word.value).filter(|_| !self.active.contains(&word.value))
            {
                let text = alias.clone();
                return self.alias(&word.value, &text, simple, &stdin);
            }
            self.expand(&word.value, &mut parts.words)?;
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, false, &mut parts)?;
        }
        let stdin = parts.to.stdin.take().unwrap_or(stdin);
        self.commands_in(&parts.env)?;
        if parts.words.is_empty() {
            for (name, value) in parts.env {
                let led =
                    effects::environment(&name, &value).filter(|fact| matches!(fact, Fact::Reroutes(_)));
                parts.to.facts.extend(led);
                self.assign(&name, value);
            }
            return self.finish(parts.to, Stream::silent());
        }
        let saved: Vec<_> =
            parts.env.iter().map(|(name, _)| (name.clone(), self.scope.vars.get(name).cloned())).collect();
        for (name, value) in &parts.env {
            parts.to.facts.extend(effects::environment(name, value));
            self.scope.vars.insert(name.clone(), value.clone());
        }
        let mut out = self.run(parts.words, &stdin, &mut parts.to)?;
        for (name, value) in saved {
            match value {
                Some(value) => drop(self.scope.vars.insert(name, value)),
                None => drop(self.scope.vars.remove(&name)),
            }
        }
        for sink in parts.sinks {
            self.list_of(sink, &out)?;
        }
        let away = parts.to.away;
        out = self.finish(parts.to, out)?;
        if away {
            out.text = Some(String::new());
            out.items.clear();
        }
        Ok(out)
    }

    /// Reads the commands that variables give to programs.
    pub(super) fn commands_in(&mut self, variables: &[(String, Vec<Word>)]) -> Result<(), Unreadable> {
        for (_, value) in variables.iter().filter(|(name, _)| effects::COMMANDS.contains(&name.as_str())) {
            for word in value {
                self.nested(&word.text)?;
            }
        }
        Ok(())
    }

    fn item<'a>(
        &mut self,
        item: &'a ast::CommandPrefixOrSuffixItem,
        prefix: bool,
        parts: &mut Parts<'a>,
    ) -> Result<(), Unreadable> {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => self.redirect(redirect, &mut parts.to),
            ast::CommandPrefixOrSuffixItem::Word(word) => self.expand(&word.value, &mut parts.words),
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) if prefix => {
                let (name, value) = self.assigned(assignment)?;
                parts.env.push((name, value));
                Ok(())
            }
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, raw) => {
                let declares = matches!(
                    parts.words.first().map(|word| word.text.as_str()),
                    Some("export" | "declare" | "local" | "typeset" | "readonly" | "alias")
                );
                match (&assignment.value, declares) {
                    (ast::AssignmentValue::Array(_), _) => {
                        let (name, value) = self.assigned(assignment)?;
                        self.assign(&name, value);
                    }
                    (ast::AssignmentValue::Scalar(_), true) => {
                        let word = self.expand_one(&raw.value)?;
                        parts.words.push(word);
                    }
                    (ast::AssignmentValue::Scalar(_), false) => self.expand(&raw.value, &mut parts.words)?,
                }
                Ok(())
            }
            ast::CommandPrefixOrSuffixItem::ProcessSubstitution(kind, subshell) => {
                if matches!(kind, ast::ProcessSubstitutionKind::Write) {
                    parts.sinks.push(subshell);
                    parts.words.push(Word::plain("/dev/fd/sink"));
                    return Ok(());
                }
                let stream = self.list_of(subshell, &Stream::default())?;
                let name = format!("/dev/fd/{}", self.steps.len() + 63);
                if let Some(text) = &stream.text {
                    self.keep(&name, text, false);
                }
                parts.words.push(Word { text: name, from: stream.from, env: stream.env });
                Ok(())
            }
        }
    }

    fn assigned(&mut self, assignment: &ast::Assignment) -> Result<(String, Vec<Word>), Unreadable> {
        let name = match &assignment.name {
            ast::AssignmentName::VariableName(name) | ast::AssignmentName::ArrayElementName(name, _) => {
                name.clone()
            }
        };
        let mut value = Vec::new();
        match &assignment.value {
            ast::AssignmentValue::Scalar(word) => value.push(self.expand_one(&word.value)?),
            ast::AssignmentValue::Array(items) => {
                for (_, word) in items {
                    self.expand(&word.value, &mut value)?;
                }
            }
        }
        let held = self.scope.vars.get(&name).cloned();
        let element = matches!(assignment.name, ast::AssignmentName::ArrayElementName(_, _));
        if let (Some(mut before), true) = (held, assignment.append || element) {
            match (&assignment.value, before.last_mut(), value.first()) {
                (ast::AssignmentValue::Scalar(_), Some(last), Some(first)) if !element => {
                    last.text.push_str(&first.text);
                    last.from.extend(&first.from);
                    last.env.extend(first.env.clone());
                    if last.text.len() > self.limits.bytes {
                        return Err(Unreadable::TooMany);
                    }
                }
                _ => before.append(&mut value),
            }
            return Ok((name, before));
        }
        Ok((name, value))
    }

    pub(super) fn assign(&mut self, name: &str, value: Vec<Word>) {
        if name == "IFS" {
            self.scope.ifs = value.first().map(|word| word.text.clone()).unwrap_or_default();
        }
        self.scope.vars.insert(name.to_owned(), value);
    }

    fn alias(
        &mut self,
        name: &str,
        text: &str,
        simple: &ast::SimpleCommand,
        stdin: &Stream,
    ) -> Result<Stream, Unreadable> {
        let rest = simple.suffix.as_ref().map(std::string::ToString::to_string).unwrap_or_default();
        self.active.push(name.to_owned());
        let out = self.source(&format!("{text} {rest}"), stdin);
        self.active.pop();
        out
    }

    /// Runs a command that is given as words.
    pub(super) fn run(
        &mut self,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Stream, Unreadable> {
        self.count()?;
        let Some(first) = words.first() else { return Ok(Stream::silent()) };
        let name = program(&first.text).to_owned();
        if self.functions.contains_key(&name) {
            return self.call(&name, words[1..].to_vec(), stdin);
        }
        let words = match self.builtin(&name, words, stdin, to)? {
            Run::Done(out) => return Ok(out),
            Run::Words(words) => words,
        };
        let words = match self.unwrap(&name, words, stdin, to)? {
            Run::Done(out) => return Ok(out),
            Run::Words(words) => words,
        };
        if words.is_empty() {
            return Ok(Stream::silent());
        }
        self.leaf(words, stdin, to)
    }

    /// A command that starts no other one that we know.
    pub(super) fn leaf(
        &mut self,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Stream, Unreadable> {
        let first = &words[0];
        let name = program(&first.text);
        let mut call = Call {
            name,
            args: &words[1..],
            cwd: self.scope.cwd.as_deref(),
            stdin,
            elevated: self.context.elevated,
            facts: std::mem::take(&mut to.facts),
        };
        effects::facts(&mut call);
        let mut facts = call.facts;
        if first.text.contains(UNKNOWN) {
            let whole = first.text.chars().all(|c| c == UNKNOWN);
            facts.push(Fact::Executes(if whole { Code::Unknown } else { Code::File }));
        } else if glob::is_pattern(&first.text) && first.text.len() > 1 && name != "[" && name != "[[" {
            facts.push(Fact::Evades("names its program by a pattern"));
        } else if first.text.contains('/') {
            let path = self.path(&first.text);
            facts.push(Fact::Executes(Code::File));
            if let Some(text) = self.files.get(path.raw()).cloned() {
                self.nested(&text)?;
            }
            facts.push(Fact::Uses { path });
        }
        let mut step = self.step(Vec::new());
        step.inputs.clone_from(&stdin.from);
        for word in &words {
            step.inputs.extend(&word.from);
            step.env.extend(word.env.iter().cloned());
        }
        step.env.extend(stdin.env.iter().cloned());
        step.inputs.append(&mut to.from);
        let mut out = pure::output(name, &words[1..], stdin, &self.files);
        if let (Some(file), Some(text)) = (to.file.take(), &out.text) {
            self.keep(&file, text, to.appends);
        }
        if name == "tee"
            && let Some(text) = &out.text
        {
            for word in words[1..].iter().filter(|word| !word.text.starts_with('-')) {
                self.keep(&word.text, text, false);
            }
        }
        step.words = words;
        step.facts = facts;
        step.decodes = out.decoded && out.text.is_none();
        let env = step.env.clone();
        out.from = vec![self.push(step)?];
        out.env = env;
        if to.away {
            to.away = false;
            out.text = Some(String::new());
            out.items.clear();
        }
        Ok(out)
    }
}

/// What became of a command that was looked at.
pub(super) enum Run {
    /// It is dealt with.
    Done(Stream),
    /// These words are to be run.
    Words(Vec<Word>),
}
