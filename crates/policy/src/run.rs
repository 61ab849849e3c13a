//! The policies of one call at work: asks each in order, does what its mode allows, keeps what was said.
//!
//! A policy that panics or takes too long is cut off for the rest of the call, and its failure mode speaks for it. What happens to
//! the answer's events is not known here ([`Lock`](crate::Lock)).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lockgate_core::Conversation;
use lockgate_core::content::ToolCall;

use crate::approval::Asked;
use crate::chain::{Entry, Manner, Mode, OnFailure, OnRefusal};
use crate::changes::Changes;
use crate::common::Common;
use crate::decision::{Decision, Hook, Said, Tool};
use crate::group::Ballot;
use crate::message::{About, Refused};
use crate::policy::{CallFacts, Needs, PolicyRun, TextNeed, View};
use crate::spent::Spent;
use crate::trial::{Outcome, Thing, Trial};
use crate::verdict::{BlockVerdict, CallVerdict, Finding, KeptLocal, Query, Question, Reply};
use crate::watched::{Judged, Watched};
use crate::worked::Looks;

/// Which question a reply is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The block it is about; `None` = the request.
    pub(crate) block: Option<u32>,
    /// Whose question it is.
    pub(crate) member: usize,
    /// Which of its questions.
    pub(crate) number: usize,
}

pub(crate) struct Member {
    pub(crate) looks: Looks,
    pub(crate) entry: Arc<Entry>,
    pub(crate) needs: Needs,
    /// Text that it has not settled.
    pub(crate) pending: String,
    /// `None` = cut off.
    pub(crate) run: Option<Box<dyn PolicyRun>>,
    /// What questions to models took that no decision tells of yet.
    spent: Vec<Spent>,
    /// The client has been told that it failed, in the place of the text that flows now.
    pub(crate) told: bool,
    /// It could not look at the texts of the request.
    pub(crate) unread: bool,
}

/// A question that a policy asked for its own knowledge only: nothing waits for it.
struct Aside {
    hook: Hook,
    open: usize,
    ticket: Ticket,
    tool: Option<Tool>,
}

/// The policies of one call.
pub struct Run {
    asides: Vec<Aside>,
    pub(crate) asked: Vec<(Ticket, Question)>,
    /// The next policy to be asked about the request.
    pub(crate) call_at: usize,
    /// What a group says of the request, until that is decided.
    pub(crate) call_ballot: Option<Ballot<CallVerdict>>,
    /// Whose votes on the request are counted.
    pub(crate) call_voted: Vec<usize>,
    /// Whether a policy may have the model asked again.
    pub(crate) can_resample: bool,
    conversation: Option<Arc<Conversation>>,
    pub(crate) decisions: Vec<Decision>,
    /// Why the request may go to a local model only.
    pub(crate) local: Option<String>,
    pub(crate) facts: CallFacts,
    pub(crate) manner: Manner,
    pub(crate) members: Vec<Member>,
    next_block: u32,
    /// How often the model was asked again.
    pub(crate) resampled: u32,
    /// What policies change in the whole request, each with whose wish it is.
    pub(crate) rewrites: Vec<(usize, Box<Changes>)>,
    /// How many questions people were asked.
    pub(crate) questions: u32,
    /// What people were asked and have not answered.
    pub(crate) persons: Vec<Asked>,
    pub(crate) warnings: Vec<String>,
    /// Votes of groups that only observe.
    pub(crate) watched: Vec<Watched>,
}

/// Why a policy has no verdict.
pub(crate) struct Broken(pub(crate) String);

impl Run {
    pub(crate) fn new(entries: Vec<Arc<Entry>>, facts: CallFacts, manner: Manner, common: &Common) -> Self {
        let member = |entry: Arc<Entry>| {
            let run = catch_unwind(AssertUnwindSafe(|| entry.policy.open_with(&facts, common))).ok();
            Member {
                needs: entry.policy.needs(),
                entry,
                looks: Looks::default(),
                pending: String::new(),
                run,
                spent: Vec::new(),
                told: false,
                unread: false,
            }
        };
        let resamples = |entry: &Arc<Entry>| {
            let may = entry.on_refusal == OnRefusal::Resample || entry.policy.may_resample();
            may && entry.mode == Mode::Block
        };
        let can_resample = entries.iter().any(resamples);
        let members = entries.into_iter().map(member).collect();
        Self {
            asides: Vec::new(),
            asked: Vec::new(),
            call_at: 0,
            call_ballot: None,
            call_voted: Vec::new(),
            can_resample,
            conversation: None,
            decisions: Vec::new(),
            local: None,
            facts,
            manner,
            members,
            next_block: 0,
            persons: Vec::new(),
            questions: 0,
            resampled: 0,
            rewrites: Vec::new(),
            warnings: Vec::new(),
            watched: Vec::new(),
        }
    }

    /// What the policies need together.
    pub fn needs(&self) -> Needs {
        self.members.iter().fold(Needs::default(), |needs, member| needs.and(member.needs))
    }

    /// Whether the request may go to a local model only.
    pub fn stays_local(&self) -> Option<KeptLocal> {
        let why = self.local.clone()?;
        Some(KeptLocal { instead: self.manner.local_model.clone(), link: self.link(), why })
    }

    /// Whether one of them may have the model asked again.
    pub fn can_resample(&self) -> bool {
        self.can_resample
    }

    /// What those of them need that may change the answer or hold it.
    pub fn holds(&self) -> Needs {
        let acting = self.members.iter().filter(|member| member.entry.mode > Mode::Observe);
        acting.fold(Needs::default(), |needs, member| needs.and(member.needs))
    }

    /// Whether none of them may hold the answer, change it or say anything in it.
    pub fn only_looks(&self) -> bool {
        !self.holds().answer() && self.warnings.is_empty()
    }

    /// Whether the answer is looked at, or something is to be said behind it.
    pub fn looks_at_answer(&self) -> bool {
        self.needs().answer() || !self.warnings.is_empty()
    }

    /// The conversation, where it could be read.
    pub fn set_conversation(&mut self, conversation: Arc<Conversation>) {
        self.conversation = Some(conversation);
    }

    /// What was said so far; it is not said again.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        for at in 0..self.members.len() {
            if !self.members[at].spent.is_empty() {
                let finding = Finding::because("what the policy asked a model came to nothing");
                self.note(at, Hook::End, (Said::Annotate, true), finding, None);
            }
        }
        std::mem::take(&mut self.decisions)
    }

    /// What is to be asked; each is given out once.
    pub fn take_questions(&mut self) -> Vec<(Ticket, Question)> {
        std::mem::take(&mut self.asked)
    }

    /// What is to be asked before the request can go on; the rest stays for [`Run::take_questions`].
    pub fn take_urgent_questions(&mut self) -> Vec<(Ticket, Question)> {
        let asked = std::mem::take(&mut self.asked);
        let (asides, urgent) = asked.into_iter().partition(|(ticket, _)| self.is_aside(*ticket));
        self.asked = asides;
        urgent
    }

    /// What came of a question that nobody waited for, after the answer's end.
    pub fn on_late_reply(&mut self, ticket: Ticket, reply: Reply) {
        if !self.is_aside(ticket) {
            return;
        }
        self.on_reply(ticket, reply, &mut []);
    }

    /// Notes what a question took; what is left is for the policy.
    pub(crate) fn without_costs(&mut self, ticket: Ticket, reply: Reply) -> Reply {
        let Reply::Model { said, spent } = reply else { return reply };
        self.members[ticket.member].spent.push(*spent);
        match said {
            Ok(words) => Reply::Text(words),
            Err(failure) => Reply::None(failure),
        }
    }

    /// Whether nobody waits for the answer to a question.
    pub fn is_aside(&self, ticket: Ticket) -> bool {
        self.asides.iter().any(|aside| same_question(aside.ticket, ticket))
    }

    /// A new block to be judged.
    pub(crate) fn trial(&mut self, thing: Thing) -> Trial {
        let number = self.next_block;
        self.next_block += 1;
        let mut trial =
            Trial { at: 0, ballot: None, changed: false, number, outcome: None, thing, warnings: Vec::new() };
        self.judge(&mut trial);
        trial
    }

    /// What came of a question about a block; the trial it belongs to, if somebody waits.
    pub(crate) fn on_reply(&mut self, ticket: Ticket, reply: Reply, trials: &mut [&mut Trial]) {
        if ticket.block.is_none() {
            // Of the request, and nobody waited for it.
            self.on_call_reply(ticket, reply);
            return;
        }
        let reply = self.without_costs(ticket, reply);
        let person = self.take_person(ticket);
        let of_person = person.is_some();
        let verdict = match (person, reply) {
            (Some(finding), reply) => Some(Ok(self.decided(finding, reply))),
            (None, Reply::None(failure)) => Some(Err(Broken(failure.message))),
            (None, reply) => {
                self.guarded(ticket.member, |run, view| run.on_reply(ticket.number, reply, view)).transpose()
            }
        };
        if let Some(place) = self.asides.iter().position(|aside| same_question(aside.ticket, ticket)) {
            self.asides[place].open -= 1;
            let (hook, tool) = (self.asides[place].hook, self.asides[place].tool.clone());
            if self.asides[place].open == 0 || verdict.is_some() {
                self.asides.remove(place);
            }
            if let Some(verdict) = &verdict {
                let judged = Judged { block: ticket.block, hook, tool: tool.as_ref() };
                self.watch(ticket.member, &judged, verdict);
            }
            let (said, finding) = match verdict {
                None | Some(Ok(BlockVerdict::Allow | BlockVerdict::Ask(_))) => return,
                Some(Ok(verdict)) => said(verdict),
                Some(Err(Broken(why))) => (Said::Failed, Finding::because(why)),
            };
            return self.note(ticket.member, hook, (said, false), finding, tool);
        }
        let Some(verdict) = verdict else { return };
        let Some(trial) = trials.iter_mut().find(|trial| Some(trial.number) == ticket.block) else { return };
        if trial.outcome.is_some() {
            return;
        }
        let goes_on = match verdict {
            verdict if of_person => self.settle_block(ticket.member, trial, verdict),
            verdict => match self.take_vote(ticket, trial, verdict) {
                Ok(goes_on) => goes_on,
                Err(verdict) => self.settle_block(ticket.member, trial, verdict),
            },
        };
        if goes_on {
            self.judge(trial);
        }
    }

    fn judge(&mut self, trial: &mut Trial) {
        while trial.at < self.members.len() {
            match self.vote(trial) {
                Some(true) => continue,
                Some(false) => return,
                None => {}
            }
            let at = trial.at;
            trial.at += 1;
            if !self.judges(at, trial) {
                continue;
            }
            let verdict = self.guarded(at, |run, view| run.on_block(trial.thing.piece(), view));
            self.watch_trial(at, trial, &verdict);
            let goes_on = self.settle_block(at, trial, verdict);
            self.note_also(at, trial);
            if !goes_on {
                return;
            }
        }
        trial.outcome.get_or_insert(Outcome::Pass);
    }

    /// Whether a policy has a say about such a thing.
    pub(crate) fn judges(&self, at: usize, trial: &Trial) -> bool {
        let needs = self.members[at].needs;
        match trial.thing {
            Thing::Call(_) => needs.tools,
            Thing::Text(_) => needs.text == TextNeed::Whole,
        }
    }

    /// Does what a policy says of a block, as far as its mode goes; whether the next policy is to be asked.
    pub(crate) fn settle_block(
        &mut self,
        at: usize,
        trial: &mut Trial,
        verdict: Result<BlockVerdict, Broken>,
    ) -> bool {
        let mode = self.members[at].entry.mode;
        let hook = trial.thing.hook();
        let tool = trial.thing.tool();
        let again = self.members[at].entry.on_refusal == OnRefusal::Resample;
        let verdict = match verdict {
            Ok(BlockVerdict::Allow) => return true,
            Ok(BlockVerdict::Refuse(finding)) if again => BlockVerdict::Resample(finding),
            Ok(BlockVerdict::Ask(questions)) => {
                self.ask(at, Some(trial.number), questions, (hook, tool));
                return mode == Mode::Observe;
            }
            Ok(BlockVerdict::AskPerson(finding)) if mode == Mode::Block => {
                self.note(at, hook, (Said::Ask, true), finding.clone(), tool);
                let ticket = Ticket { block: Some(trial.number), member: at, number: 0 };
                self.ask_person(ticket, trial.thing.call(), finding);
                return false;
            }
            Err(Broken(why)) | Ok(BlockVerdict::Unsure(why)) => {
                return self.unjudged((at, hook), trial, &why, tool);
            }
            Ok(BlockVerdict::Rewrite { value, .. }) if !trial.thing.takes(&value) => {
                let why = "the arguments that it would have in their place are no JSON object";
                return self.unjudged((at, hook), trial, why, tool);
            }
            Ok(verdict) => verdict,
        };
        let least = match &verdict {
            BlockVerdict::Annotate(_) => Mode::Observe,
            BlockVerdict::Warn(_) => Mode::Warn,
            BlockVerdict::Replace { .. } | BlockVerdict::Rewrite { .. } => Mode::Rewrite,
            BlockVerdict::Allow
            | BlockVerdict::Ask(_)
            | BlockVerdict::AskPerson(_)
            | BlockVerdict::Refuse(_)
            | BlockVerdict::Remove(_)
            | BlockVerdict::Resample(_)
            | BlockVerdict::Stop(_)
            | BlockVerdict::Unsure(_) => Mode::Block,
        };
        let verdict = match verdict {
            // What has been done often enough is a refusal.
            BlockVerdict::Resample(finding) if mode == Mode::Block && !self.may_ask_again() => {
                BlockVerdict::Refuse(finding)
            }
            verdict => verdict,
        };
        let applied = mode >= least;
        let (word, finding) = said(verdict.clone());
        self.note(at, hook, (word, applied), finding.clone(), tool);
        if !applied {
            if mode > Mode::Observe {
                trial.warnings.push(self.about(at, trial.thing.call(), &finding).warning());
            }
            return true;
        }
        self.carry_out(at, trial, verdict)
    }

    /// Does what a policy says of a block; whether the next policy is to be asked.
    fn carry_out(&mut self, at: usize, trial: &mut Trial, verdict: BlockVerdict) -> bool {
        match verdict {
            BlockVerdict::Allow
            | BlockVerdict::Annotate(_)
            | BlockVerdict::Ask(_)
            | BlockVerdict::AskPerson(_)
            | BlockVerdict::Unsure(_) => true,
            BlockVerdict::Refuse(finding) => {
                trial.outcome = Some(Outcome::Say(self.refusal(at, trial, &finding)));
                false
            }
            BlockVerdict::Remove(_) => {
                trial.outcome = Some(Outcome::Gone);
                false
            }
            BlockVerdict::Replace { text, .. } => {
                trial.outcome = Some(if text.is_empty() { Outcome::Gone } else { Outcome::Say(text) });
                false
            }
            BlockVerdict::Resample(finding) => {
                let refusal = self.refusal(at, trial, &finding);
                let feedback = self.about(at, trial.thing.call(), &finding).feedback();
                trial.outcome = Some(Outcome::Again { feedback, member: at, refusal });
                false
            }
            BlockVerdict::Rewrite { value, .. } => {
                match &mut trial.thing {
                    Thing::Call(call) => call.arguments = value,
                    Thing::Text(text) => *text = value,
                }
                trial.changed = true;
                true
            }
            BlockVerdict::Stop(finding) => {
                trial.outcome = Some(Outcome::Stop(self.refusal(at, trial, &finding)));
                false
            }
            BlockVerdict::Warn(finding) => {
                trial.warnings.push(self.about(at, trial.thing.call(), &finding).warning());
                true
            }
        }
    }

    /// What the failure mode of a policy means for a block that it could not judge; whether the next policy is to be asked.
    fn unjudged(
        &mut self,
        (at, hook): (usize, Hook),
        trial: &mut Trial,
        why: &str,
        tool: Option<Tool>,
    ) -> bool {
        let finding = Finding::because(format!("the policy could not judge it: {why}"));
        let mode = self.members[at].entry.mode;
        let closed = self.members[at].entry.on_failure != OnFailure::Pass && mode == Mode::Block;
        self.note(at, hook, (Said::Failed, closed), finding.clone(), tool);
        if closed && self.members[at].entry.on_failure == OnFailure::Ask {
            let ticket = Ticket { block: Some(trial.number), member: at, number: 0 };
            self.ask_person(ticket, trial.thing.call(), finding);
        } else if closed {
            trial.outcome = Some(Outcome::Say(self.refusal(at, trial, &finding)));
        } else if mode > Mode::Observe {
            trial.warnings.push(self.about(at, trial.thing.call(), &finding).warning());
        }
        !closed
    }

    pub(crate) fn ask(
        &mut self,
        at: usize,
        block: Option<u32>,
        questions: Vec<Question>,
        about: (Hook, Option<Tool>),
    ) {
        let ticket = |number| Ticket { block, member: at, number };
        if self.members[at].entry.mode == Mode::Observe {
            let (hook, tool) = about;
            self.asides.push(Aside { hook, open: questions.len(), ticket: ticket(0), tool });
        }
        let policy = &self.members[at].entry.name;
        let asked = questions.into_iter().enumerate().map(|(number, mut question)| {
            if let Query::Judge(judge) = &mut question.query {
                judge.policy.clone_from(policy);
            }
            (ticket(number), question)
        });
        self.asked.extend(asked);
    }

    pub(crate) fn guarded<T>(
        &mut self,
        at: usize,
        look: impl FnOnce(&mut dyn PolicyRun, &View<'_>) -> T,
    ) -> Result<T, Broken> {
        let view = View { conversation: self.conversation.as_deref(), facts: &self.facts };
        let Some(run) = &mut self.members[at].run else { return Err(Broken("it failed before".into())) };
        let began = (self.manner.now)();
        let result = catch_unwind(AssertUnwindSafe(|| look(run.as_mut(), &view)));
        let took = (self.manner.now)().saturating_duration_since(began);
        self.members[at].looks.add(began, took);
        match result {
            Ok(_) if took > self.manner.budget => {
                self.members[at].run = None;
                Err(Broken(format!("it took {} ms", took.as_millis())))
            }
            Ok(value) => Ok(value),
            Err(_) => {
                self.members[at].run = None;
                Err(Broken("it panicked".into()))
            }
        }
    }

    /// The name of a policy.
    pub(crate) fn name(&self, at: usize) -> &str {
        &self.members[at].entry.name
    }

    pub(crate) fn about<'a>(
        &'a self,
        at: usize,
        call: Option<&'a ToolCall>,
        finding: &'a Finding,
    ) -> About<'a> {
        About { call, finding, link: None, mask: &*self.manner.mask, policy: &self.members[at].entry.name }
    }

    fn refusal(&self, at: usize, trial: &Trial, finding: &Finding) -> String {
        self.refused((at, trial.thing.call()), Refused::Words, finding)
    }

    pub(crate) fn note(
        &mut self,
        at: usize,
        hook: Hook,
        (said, applied): (Said, bool),
        finding: Finding,
        tool: Option<Tool>,
    ) {
        let Member { entry, spent, .. } = &mut self.members[at];
        let asked = std::mem::take(spent);
        let (mode, policy) = (entry.mode, entry.name.clone());
        let decision = Decision { applied, asked, finding, hook, mode, policy, said, tool };
        self.decisions.push(decision);
    }

    /// Notes what a policy says over and over only the first time; whether this is it.
    pub(crate) fn note_once(&mut self, at: usize, hook: Hook, said: (Said, bool), finding: Finding) -> bool {
        let name = &self.members[at].entry.name;
        let same = |one: &Decision| one.policy == *name && one.hook == hook && one.finding == finding;
        let first = !self.decisions.iter().any(same);
        if first {
            self.note(at, hook, said, finding, None);
        }
        first
    }
}

/// Whether two tickets are of questions that were asked together.
fn same_question(one: Ticket, other: Ticket) -> bool {
    one.block == other.block && one.member == other.member
}

/// The word for a verdict, and why.
pub(crate) fn said(verdict: BlockVerdict) -> (Said, Finding) {
    match verdict {
        BlockVerdict::Allow => (Said::Annotate, Finding::default()),
        BlockVerdict::Annotate(finding) => (Said::Annotate, finding),
        BlockVerdict::Ask(_) => (Said::Ask, Finding::default()),
        BlockVerdict::AskPerson(finding) => (Said::Ask, finding),
        BlockVerdict::Refuse(finding) => (Said::Refuse, finding),
        BlockVerdict::Remove(finding) => (Said::Remove, finding),
        BlockVerdict::Replace { finding, .. } => (Said::Replace, finding),
        BlockVerdict::Resample(finding) => (Said::Resample, finding),
        BlockVerdict::Rewrite { finding, .. } => (Said::Rewrite, finding),
        BlockVerdict::Stop(finding) => (Said::Stop, finding),
        BlockVerdict::Unsure(why) => (Said::Failed, Finding::because(why)),
        BlockVerdict::Warn(finding) => (Said::Warn, finding),
    }
}
