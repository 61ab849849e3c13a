//! Secrets, and what you say must stay, that leave by a tool.
//!
//! # What it does
//!
//! Looks at tool calls by which something leaves the machine: shell commands that talk to another one, addresses that are fetched with
//! data in them, tools that send, post, upload, create or share by their names. It refuses a call whose outgoing part holds
//!
//! - a secret value that the person has not given themselves,
//! - a value that a secret file (`.env`, credentials) or another result of a tool showed earlier in the conversation, also in base64, in an
//!   address, or without the name that made it one,
//! - the contents of a secret file that a command would read and send (`curl -d @.env`), or a secret of the environment,
//! - text of the tools that you name in `from`.
//!
//! # Why
//!
//! An agent that reads a poisoned page does what the page says. What it cannot do is send what it has seen.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - exfiltration:
//!         hosts: ["*.internal", "api.example.com"]
//!         tools: ["crm_note"]
//!         from: ["tool:mcp__hr__*"]
//! ```
//!
//! # Limits
//!
//! A secret that the model describes, spells out or encrypts is not found again, nor what a script on disk sends. It knows what the
//! conversation shows: values that were there before it was condensed are forgotten. Tools whose names say nothing of sending have to be
//! named. A secret that the model never saw (`secret_guard` masks it) needs no looking for.

mod outgoing;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use lockgate_core::content::ToolCall;
use lockgate_core::{Block, Conversation, Origin};
use lockgate_redact::Redactor;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::chain::Pattern;
use crate::clean::{Clean, Files};
use crate::common::Common;
use crate::paths::{SecretPaths, Tier};
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, View};
use crate::provenance::{Normal, Provenance};
use crate::rules::{From, from};
use crate::secret_guard;
use crate::shell::guard::{Class, Guard, Options as GuardOptions, Severity};
use crate::target;
use crate::verdict::{BlockVerdict, Finding};

use outgoing::Outgoing;

/// What may not leave, and where to it may.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What becomes of a call by which something leaves that should not.
    pub then: Leaves,
    /// Hosts to which everything may go.
    pub hosts: Vec<Pattern>,
    /// Tools that send, in addition to those that say so by their names.
    pub tools: Vec<Pattern>,
    /// Tools whose results may not leave either, as in rules: `web`, `file`, `shell`, `mcp`, `other`, `tool:NAME`.
    pub from: Vec<From>,
    /// Paths that are secret in addition to the list that ships.
    pub also: Vec<String>,
    /// Paths that count as no secret although the list says so.
    pub except: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            then: Leaves::Block,
            hosts: Vec::new(),
            tools: Vec::new(),
            from: Vec::new(),
            also: Vec::new(),
            except: Vec::new(),
        }
    }
}

/// What becomes of a call by which something leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leaves {
    /// A person decides.
    Ask,
    /// It is refused.
    Block,
    /// It passes, and is in the record.
    Note,
    /// It passes, and the client is told.
    Warn,
}

/// The policy.
pub struct Exfiltration(Arc<Inner>);

struct Inner {
    clean: Clean,
    files: Files,
    guard: Guard,
    options: Options,
    paths: SecretPaths,
}

impl Exfiltration {
    /// Makes the options ready; the error says which field is wrong.
    pub fn new(options: Options) -> Result<Self, (&'static str, usize, String)> {
        let paths = secret_guard::paths(&options.also, &options.except)?;
        let guard = Guard::new(GuardOptions {
            classes: vec![Class::Exfiltration],
            readable_paths: options.except.clone(),
            secret_paths: options.also.clone(),
            upload_hosts: options.hosts.iter().map(|host| host.as_str().to_owned()).collect(),
            ..GuardOptions::default()
        });
        let guard = guard.map_err(|error| ("also", 0, error.to_string()))?;
        Common::warm();
        Ok(Self(Arc::new(Inner { clean: Clean::default(), files: Files::default(), guard, options, paths })))
    }
}

impl Policy for Exfiltration {
    fn needs(&self) -> Needs {
        Needs { conversation: true, ..Needs::TOOLS }
    }

    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun> {
        self.open_with(facts, &Common::default())
    }

    fn open_with(&self, _: &CallFacts, common: &Common) -> Box<dyn PolicyRun> {
        let (common, inner) = (common.clone(), self.0.clone());
        Box::new(Watching { common, inner, seen: OnceCell::new() })
    }
}

struct Watching {
    common: Common,
    inner: Arc<Inner>,
    /// Secrets that tools showed, once something leaves.
    seen: OnceCell<Vec<Seen>>,
}

/// A value that a tool showed and that must stay.
struct Seen {
    normal: Normal<'static>,
    rule: String,
    what: String,
}

/// A shorter value is in everybody's mouth.
const VALUE_MIN: usize = 8;

/// No more values than these are looked for.
const VALUES_MAX: usize = 512;

impl Inner {
    /// The secrets that tools showed in a conversation and that the person has not said.
    fn seen(&self, conversation: &Conversation, provenance: &Provenance, redactor: &Redactor) -> Vec<Seen> {
        let mut calls: HashMap<&str, &ToolCall> = HashMap::new();
        let mut seen: Vec<Seen> = Vec::new();
        let mut add = |value: &str, what: String, rule: &str| {
            let normal = Normal::new(value.to_owned().into());
            let known = seen.iter().any(|one| one.normal.bytes() == normal.bytes());
            if normal.bytes().len() >= VALUE_MIN
                && seen.len() < VALUES_MAX
                && !known
                && !provenance.is_given(&normal)
            {
                seen.push(Seen { normal, rule: rule.to_owned(), what });
            }
        };
        for part in conversation.turns.iter().flat_map(|turn| &turn.parts) {
            let result = match &part.block {
                Block::ToolCall(call) => {
                    calls.insert(&call.id, call);
                    continue;
                }
                Block::ToolResult(result) => result,
                _ => continue,
            };
            let call = calls.get(result.call_id.as_str());
            let tool = call.map_or("a tool", |call| &*call.name);
            let named = |call| secret_guard::named(&self.paths, call, &target::arguments(call));
            let files = call.map(|call| self.files.or(call, || named(call)));
            let file = files.into_iter().flatten().find(|(_, rule)| rule.tier() == Tier::Secret);
            for part in &result.content {
                let Block::Text(text) = &part.block else { continue };
                let text = text.text.as_str();
                let find = || Some(redactor.find(text)).filter(|found| !found.is_empty());
                for found in self.clean.or(Origin::ToolResult, text, find).unwrap_or_default() {
                    let what = format!("a secret ({}) that `{tool}` showed", found.kind());
                    add(&text[found.range.clone()], what, found.kind());
                }
                for line in file.iter().flat_map(|_| text.lines()) {
                    let (path, rule) = file.as_ref().map_or(("", ""), |(path, rule)| (path, rule.name()));
                    add(value_of(line), format!("what {path} holds"), rule);
                }
            }
        }
        seen
    }
}

/// The value of a line of settings, or the line.
fn value_of(line: &str) -> &str {
    let line = line.trim();
    // As `cat -n` and clients number lines.
    let line = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(['→', '\t']).trim();
    let value = line.split_once(['=', ':']).map_or(line, |(_, value)| value);
    value.trim().trim_matches(['"', '\'', ',', ';'])
}

impl Watching {
    /// What leaves by a call that should not.
    fn finding(
        &self,
        call: &ToolCall,
        conversation: Option<&Conversation>,
    ) -> Result<Option<Finding>, String> {
        let arguments = target::arguments(call);
        let inner = &*self.inner;
        if target::is_shell(&call.name) {
            let places = target::places(&arguments);
            let commands = target::commands(call, &arguments);
            let mut found = commands.texts.iter().flat_map(|command| inner.guard.check_in(command, &places));
            let denied = found.find(|one| one.severity == Severity::Deny);
            if let Some(denied) = denied {
                let rule = Some("command".to_owned());
                return Ok(Some(Finding { evidence: Some(denied.command), reason: denied.reason, rule }));
            }
            if let Some(why) = commands.unread {
                return Err(why.to_owned());
            }
        }
        let leaving = outgoing::of(call, &arguments, &inner.options.tools);
        let leaving: Vec<Outgoing> = leaving.into_iter().filter(|one| !self.may_go(one)).collect();
        if leaving.is_empty() {
            return Ok(None);
        }
        let conversation =
            conversation.ok_or("nobody knows what it has seen: the conversation cannot be read")?;
        let provenance = self.common.provenance(conversation);
        let redactor = self.common.redactor();
        let seen = self.seen.get_or_init(|| inner.seen(conversation, provenance, redactor));
        Ok(leaving.iter().find_map(|one| {
            secret(one, provenance, redactor).or_else(|| shown(one, seen)).or_else(|| {
                let texts: Vec<&str> = one.texts.iter().map(String::as_str).collect();
                let sources =
                    if inner.options.from.is_empty() { Vec::new() } else { provenance.of_texts(&texts) };
                let source = sources
                    .into_iter()
                    .find(|source| from::any(&inner.options.from, std::slice::from_ref(source)))?;
                let reason = format!("it would send text of `{}` to {}", source.tool, one.to());
                Some(Finding {
                    evidence: Some(source.evidence),
                    reason,
                    rule: Some(format!("tool:{}", source.tool)),
                })
            })
        }))
    }

    fn may_go(&self, one: &Outgoing) -> bool {
        !one.hosts.is_empty()
            && one
                .hosts
                .iter()
                .all(|host| self.inner.options.hosts.iter().any(|allowed| allowed.matches(host)))
    }
}

/// A secret in what leaves that the person has not given.
fn secret(one: &Outgoing, provenance: &Provenance, redactor: &Redactor) -> Option<Finding> {
    one.texts.iter().flat_map(|text| Normal::forms_of(text)).find_map(|form| {
        let found = redactor.find(form.text()).into_iter().find(|found| {
            let value = form.text()[found.range.clone()].to_owned();
            !provenance.is_given(&Normal::new(value.into()))
        })?;
        let reason = format!("it would send a secret ({}) to {}", found.kind(), one.to());
        Some(Finding { evidence: Some(found.kind().to_owned()), reason, rule: Some(found.kind().to_owned()) })
    })
}

/// What a tool showed in what leaves.
fn shown(one: &Outgoing, seen: &[Seen]) -> Option<Finding> {
    one.texts.iter().flat_map(|text| Normal::forms_of(text)).find_map(|form| {
        let inside = |value: &&Seen| memchr::memmem::find(form.bytes(), value.normal.bytes()).is_some();
        let value = seen.iter().find(inside)?;
        let reason = format!("it would send {} to {}", value.what, one.to());
        Some(Finding { evidence: Some(value.rule.clone()), reason, rule: Some(value.rule.clone()) })
    })
}

impl PolicyRun for Watching {
    fn on_block(&mut self, piece: Piece<'_>, view: &View<'_>) -> BlockVerdict {
        let Piece::ToolCall(call) = piece else { return BlockVerdict::Allow };
        let finding = match self.finding(call, view.conversation) {
            Ok(Some(finding)) => finding,
            Ok(None) => return BlockVerdict::Allow,
            Err(why) => return BlockVerdict::Unsure(why),
        };
        match self.inner.options.then {
            Leaves::Note => BlockVerdict::Annotate(finding),
            Leaves::Warn => BlockVerdict::Warn(finding),
            Leaves::Block => BlockVerdict::Refuse(finding),
            Leaves::Ask => BlockVerdict::AskPerson(finding),
        }
    }
}
