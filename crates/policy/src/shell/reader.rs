//! Walks the tree of the grammar and writes down every simple command it reaches, in order: through lists, pipes, groups, branches,
//! loops, functions, substitutions. All branches are taken, loops once a value. What a command writes to its output is followed as far
//! as it is plain text, so that `echo … | base64 -d | sh` is read to its end.

use std::collections::HashMap;
use std::rc::Rc;

use brush_parser::ast;

use super::bounds::{self, Limits, Unreadable};
use super::fact::Fact;
use super::param::Scope;
use super::path::Path;
use super::redirect::Redirects;
use super::word::Word;
use super::{Script, Step};

/// What flows out of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// The steps that write it.
    pub(super) from: Vec<usize>,
    /// All of it, where it is known.
    pub(super) text: Option<String>,
    /// Paths that it lists, where it is a list of paths (`find`, `ls`).
    pub(super) items: Vec<String>,
    /// It was taken out of an encoding.
    pub(super) decoded: bool,
    /// Variables of the environment that are part of it.
    pub(super) env: Vec<String>,
}

impl Stream {
    pub(super) fn join(&mut self, other: Self) {
        self.from.extend(other.from);
        self.text = match (self.text.take(), other.text) {
            (Some(mut text), Some(more)) => {
                text.push_str(&more);
                Some(text)
            }
            _ => None,
        };
        self.items.extend(other.items);
        self.decoded |= other.decoded;
        self.env.extend(other.env);
    }

    pub(super) fn silent() -> Self {
        Self { text: Some(String::new()), ..Self::default() }
    }
}

/// What holds for a command and all that it starts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    pub(super) elevated: bool,
    pub(super) contained: bool,
    pub(super) remote: bool,
    pub(super) decoded: bool,
    pub(super) piped: bool,
}

/// The walker.
pub(super) struct Reader<'l> {
    pub(super) limits: &'l Limits,
    pub(super) scope: Scope,
    pub(super) context: Context,
    pub(super) steps: Vec<Step>,
    pub(super) aliases: HashMap<String, String>,
    pub(super) functions: HashMap<String, Rc<ast::FunctionBody>>,
    pub(super) active: Vec<String>,
    pub(super) called: Vec<String>,
    /// Files that the script writes, with their text where it is known.
    pub(super) files: HashMap<String, String>,
    depth: usize,
    runs: usize,
}

impl<'l> Reader<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        let scope = Scope { ifs: " \t\n".to_owned(), ..Scope::default() };
        Self {
            limits,
            scope,
            context: Context::default(),
            steps: Vec::new(),
            aliases: HashMap::new(),
            functions: HashMap::new(),
            active: Vec::new(),
            called: Vec::new(),
            files: HashMap::new(),
            depth: 0,
            runs: 0,
        }
    }

    pub(super) fn script(mut self, text: &str) -> Result<Script, Unreadable> {
        self.source(text, &Stream::default())?;
        // A function that nothing calls here may be called later.
        let idle: Vec<String> =
            self.functions.keys().filter(|name| !self.called.contains(name)).cloned().collect();
        for name in idle {
            self.call(&name, Vec::new(), &Stream::default())?;
        }
        Ok(Script { steps: self.steps })
    }

    /// Reads text in a shell of its own: what it sets is gone afterwards.
    pub(super) fn nested(&mut self, text: &str) -> Result<Stream, Unreadable> {
        let scope = self.scope.clone();
        let out = self.source(text, &Stream::default());
        self.scope = scope;
        out
    }

    /// Reads text as if it stood here.
    pub(super) fn source(&mut self, text: &str, stdin: &Stream) -> Result<Stream, Unreadable> {
        self.deeper()?;
        if text.len() > self.limits.bytes {
            return Err(Unreadable::TooLong(self.limits.bytes));
        }
        let program = bounds::parse(text)?;
        let mut out = Stream::silent();
        for list in &program.complete_commands {
            out.join(self.list(list, stdin)?);
        }
        self.depth -= 1;
        Ok(out)
    }

    fn deeper(&mut self) -> Result<(), Unreadable> {
        self.depth += 1;
        if self.depth > self.limits.nesting { Err(Unreadable::TooDeep) } else { Ok(()) }
    }

    /// Each look at a command counts, whether or not it becomes a step.
    pub(super) fn count(&mut self) -> Result<(), Unreadable> {
        self.runs += 1;
        if self.runs > self.limits.commands { Err(Unreadable::TooMany) } else { Ok(()) }
    }

    pub(super) fn list(&mut self, list: &ast::CompoundList, stdin: &Stream) -> Result<Stream, Unreadable> {
        let mut out = Stream::silent();
        for ast::CompoundListItem(chain, mode) in &list.0 {
            let alone = self.context;
            self.context.piped |= matches!(mode, ast::SeparatorOperator::Async);
            out.join(self.pipeline(&chain.first, stdin)?);
            for next in &chain.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = next;
                out.join(self.pipeline(pipeline, stdin)?);
            }
            self.context = alone;
        }
        Ok(out)
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline, stdin: &Stream) -> Result<Stream, Unreadable> {
        if let [only] = pipeline.seq.as_slice() {
            return self.command(only, stdin.clone());
        }
        let (scope, context) = (self.scope.clone(), self.context);
        self.context.piped = true;
        let mut flow = stdin.clone();
        for command in &pipeline.seq {
            flow = self.command(command, flow)?;
            let cwd = scope.clone();
            self.scope = cwd;
        }
        self.context = context;
        Ok(flow)
    }

    fn command(&mut self, command: &ast::Command, stdin: Stream) -> Result<Stream, Unreadable> {
        self.count()?;
        match command {
            ast::Command::Simple(simple) => self.simple(simple, stdin),
            ast::Command::Compound(compound, redirects) => self.compound(compound, redirects.as_ref(), stdin),
            ast::Command::Function(function) => {
                self.functions.insert(function.fname.value.clone(), Rc::new(function.body.clone()));
                Ok(Stream::silent())
            }
            ast::Command::ExtendedTest(test, redirects) => {
                self.test(&test.expr)?;
                self.redirected(redirects.as_ref(), Stream::silent())
            }
        }
    }

    fn test(&mut self, expr: &ast::ExtendedTestExpr) -> Result<(), Unreadable> {
        match expr {
            ast::ExtendedTestExpr::And(a, b) | ast::ExtendedTestExpr::Or(a, b) => {
                self.test(a)?;
                self.test(b)
            }
            ast::ExtendedTestExpr::Not(a) | ast::ExtendedTestExpr::Parenthesized(a) => self.test(a),
            ast::ExtendedTestExpr::UnaryTest(_, word) => self.expand_one(&word.value).map(|_| ()),
            ast::ExtendedTestExpr::BinaryTest(_, a, b) => {
                self.expand_one(&a.value)?;
                self.expand_one(&b.value).map(|_| ())
            }
        }
    }

    fn compound(
        &mut self,
        compound: &ast::CompoundCommand,
        redirects: Option<&ast::RedirectList>,
        stdin: Stream,
    ) -> Result<Stream, Unreadable> {
        let mut to = Redirects::default();
        for redirect in redirects.map_or(&[][..], |list| &list.0) {
            self.redirect(redirect, &mut to)?;
        }
        let stdin = to.stdin.take().unwrap_or(stdin);
        self.deeper()?;
        let out = match compound {
            ast::CompoundCommand::Arithmetic(arithmetic) => {
                self.arithmetic(&arithmetic.expr.value)?;
                Stream::silent()
            }
            ast::CompoundCommand::ArithmeticForClause(clause) => {
                for part in [&clause.initializer, &clause.condition, &clause.updater].into_iter().flatten() {
                    self.arithmetic(&part.value)?;
                }
                self.list(&clause.body.list, &stdin)?
            }
            ast::CompoundCommand::BraceGroup(group) => self.list(&group.list, &stdin)?,
            ast::CompoundCommand::Subshell(subshell) => {
                let scope = self.scope.clone();
                let out = self.list(&subshell.list, &stdin)?;
                self.scope = scope;
                out
            }
            ast::CompoundCommand::ForClause(clause) => self.each(clause, &stdin)?,
            ast::CompoundCommand::CaseClause(clause) => self.case(clause, &stdin)?,
            ast::CompoundCommand::IfClause(clause) => self.branches(clause, &stdin)?,
            ast::CompoundCommand::WhileClause(ast::WhileOrUntilClauseCommand(test, body, _))
            | ast::CompoundCommand::UntilClause(ast::WhileOrUntilClauseCommand(test, body, _)) => {
                self.list(test, &stdin)?;
                let mut out = self.list(&body.list, &stdin)?;
                out.text = None;
                out
            }
            ast::CompoundCommand::Coprocess(coprocess) => self.command(&coprocess.body, stdin)?,
        };
        self.depth -= 1;
        self.finish(to, out)
    }

    /// A step for redirects that stand at a group and not at a command.
    fn redirected(&mut self, list: Option<&ast::RedirectList>, out: Stream) -> Result<Stream, Unreadable> {
        let mut to = Redirects::default();
        for redirect in list.map_or(&[][..], |list| &list.0) {
            self.redirect(redirect, &mut to)?;
        }
        self.finish(to, out)
    }

    pub(super) fn finish(&mut self, to: Redirects, out: Stream) -> Result<Stream, Unreadable> {
        if to.facts.is_empty() && to.from.is_empty() {
            return Ok(out);
        }
        let mut inputs = out.from.clone();
        inputs.extend(&to.from);
        if let (Some(file), Some(text)) = (&to.file, &out.text) {
            self.keep(file, text, to.appends);
        }
        let mut step = self.step(vec![Word::plain("{…}")]);
        step.facts = to.facts;
        step.inputs = inputs;
        self.push(step)?;
        Ok(out)
    }

    fn each(&mut self, clause: &ast::ForClauseCommand, stdin: &Stream) -> Result<Stream, Unreadable> {
        let mut values = Vec::new();
        for word in clause.values.iter().flatten() {
            self.expand(&word.value, &mut values)?;
        }
        if clause.values.is_none() {
            values.clone_from(&self.scope.arguments);
        }
        if values.is_empty() {
            values.push(Word::unknown(Vec::new()));
        }
        if values.len() > 64 {
            return Err(Unreadable::TooMany);
        }
        let mut out = Stream::silent();
        for value in values {
            self.count()?;
            self.scope.vars.insert(clause.variable_name.clone(), vec![value]);
            out.join(self.list(&clause.body.list, stdin)?);
        }
        Ok(out)
    }

    fn case(&mut self, clause: &ast::CaseClauseCommand, stdin: &Stream) -> Result<Stream, Unreadable> {
        self.expand_one(&clause.value.value)?;
        let mut out = Stream { text: None, ..Stream::default() };
        for item in &clause.cases {
            for pattern in &item.patterns {
                self.expand_one(&pattern.value)?;
            }
            if let Some(list) = &item.cmd {
                out.join(self.list(list, stdin)?);
            }
        }
        Ok(out)
    }

    fn branches(&mut self, clause: &ast::IfClauseCommand, stdin: &Stream) -> Result<Stream, Unreadable> {
        let mut out = self.list(&clause.condition, stdin)?;
        out.join(self.list(&clause.then, stdin)?);
        for other in clause.elses.iter().flatten() {
            if let Some(condition) = &other.condition {
                self.list(condition, stdin)?;
            }
            out.join(self.list(&other.body, stdin)?);
        }
        if clause.elses.is_some() {
            out.text = None;
        }
        Ok(out)
    }

    /// Runs a function of the script with these arguments.
    pub(super) fn call(
        &mut self,
        name: &str,
        arguments: Vec<Word>,
        stdin: &Stream,
    ) -> Result<Stream, Unreadable> {
        let Some(body) = self.functions.get(name).cloned() else { return Ok(Stream::default()) };
        self.called.push(name.to_owned());
        if self.active.iter().any(|active| active == name) {
            let mut step = self.step(vec![Word::plain(name)]);
            if self.context.piped {
                step.facts.push(Fact::ForkBomb);
            }
            let at = self.push(step)?;
            return Ok(Stream { from: vec![at], ..Stream::default() });
        }
        self.active.push(name.to_owned());
        let saved = std::mem::replace(&mut self.scope.arguments, arguments);
        let ast::FunctionBody(compound, redirects) = body.as_ref();
        let out = self.compound(compound, redirects.as_ref(), stdin.clone());
        self.scope.arguments = saved;
        self.active.pop();
        out
    }

    pub(super) fn step(&self, words: Vec<Word>) -> Step {
        let Context { elevated, contained, remote, decoded, piped: _ } = self.context;
        Step {
            words,
            facts: Vec::new(),
            inputs: Vec::new(),
            env: Vec::new(),
            elevated,
            contained,
            remote,
            decoded,
            decodes: false,
        }
    }

    pub(super) fn push(&mut self, step: Step) -> Result<usize, Unreadable> {
        if self.steps.len() >= self.limits.commands {
            return Err(Unreadable::TooMany);
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    /// Remembers the text of a file that the script writes.
    pub(super) fn keep(&mut self, file: &str, text: &str, appends: bool) {
        let path = self.path(file);
        let held = self.files.entry(path.raw().to_owned()).or_default();
        if !appends {
            held.clear();
        }
        if held.len() + text.len() <= self.limits.bytes {
            held.push_str(text);
        }
    }

    pub(super) fn path(&self, text: &str) -> Path {
        Path::new(text, self.scope.cwd.as_deref())
    }

    pub(super) fn list_of(
        &mut self,
        subshell: &ast::SubshellCommand,
        stdin: &Stream,
    ) -> Result<Stream, Unreadable> {
        let scope = self.scope.clone();
        let out = self.list(&subshell.list, stdin);
        self.scope = scope;
        out
    }
}
