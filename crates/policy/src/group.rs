//! Policies that judge a request, a tool call or a text together: all of a group are asked at once, and a vote says what becomes of it.
//!
//! A member that has nothing against a thing, or only notes or warns, consents; one that would refuse, take out, change, stop or answer it, keep it
//! local, or wants a person or the model asked, objects; one that cannot say does what its `on_failure` says. If the objection carries, the first
//! objecting member in the order of the configuration says what is done. Who does not judge such things has no vote. Of a group that only observes is noted how its
//! vote would have gone (`watched`).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::{Mode, OnFailure};
use crate::decision::{Hook, Said};
use crate::request::CallOutcome;
use crate::run::{Broken, Run, Ticket};
use crate::trial::Trial;
use crate::verdict::{BlockVerdict, CallVerdict};

/// How a group comes to its verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// What the designated member says counts; the others are recorded.
    Designated,
    /// One objection is enough.
    #[default]
    FirstRefusal,
    /// More than half object.
    Majority,
    /// All object.
    Unanimous,
}

/// Policies that judge together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// The policy whose word counts, for `vote: designated`.
    pub designated: Option<String>,
    /// How they come to their verdict.
    pub vote: Vote,
}

/// A group as its members know it.
#[derive(Debug)]
pub struct Voting {
    /// How it votes.
    pub group: Group,
    /// Its name.
    pub name: String,
}

/// What the members of a group have said of a thing so far.
pub(crate) struct Ballot<V> {
    cast: Vec<Cast<V>>,
    voters: Vec<usize>,
    voting: Arc<Voting>,
}

pub(crate) struct Cast<V> {
    member: usize,
    objects: bool,
    verdict: Result<V, Broken>,
}

/// What a vote counts for.
enum Weight {
    /// It is in favour.
    Consents,
    /// It says what is done.
    Decides,
    /// It is only noted, with how it went.
    Noted(String),
}

/// The votes in the order of the members, each with what it counts for, and how the vote went.
type Counted<V> = (Vec<(Cast<V>, Weight)>, String);

impl<V> Ballot<V> {
    pub(crate) fn new(voting: Arc<Voting>, voters: Vec<usize>) -> Self {
        Self { cast: Vec::new(), voters, voting }
    }

    fn waits_for(&self, member: usize) -> bool {
        self.voters.contains(&member)
    }

    pub(crate) fn is_of(&self, voting: &Arc<Voting>) -> bool {
        Arc::ptr_eq(&self.voting, voting)
    }

    pub(crate) fn add(&mut self, cast: Cast<V>) {
        self.cast.push(cast);
    }

    /// The designated member, if it has a vote.
    fn named(&self, run: &Run) -> Option<usize> {
        let named = self.voting.group.designated.as_deref()?;
        self.voters.iter().copied().find(|at| run.name(*at) == named)
    }

    /// Whether the objection carries; `None` = that is still open. `named`: the designated member, if it has a vote.
    fn outcome(&self, named: Option<usize>) -> Option<bool> {
        let objections = self.cast.iter().filter(|cast| cast.objects).count();
        let consents = self.cast.len() - objections;
        let all = self.voters.len();
        let over = objections + consents == all;
        match (self.voting.group.vote, named) {
            (Vote::Designated, Some(member)) => {
                self.cast.iter().find(|cast| cast.member == member).map(|cast| cast.objects)
            }
            // Without the member whose word counts, one objection does.
            (Vote::Designated, None) | (Vote::FirstRefusal, _) => match objections {
                0 => over.then_some(false),
                _ => Some(true),
            },
            (Vote::Majority, _) if objections * 2 > all => Some(true),
            (Vote::Majority, _) if consents * 2 >= all => Some(false),
            (Vote::Unanimous, _) if consents > 0 => Some(false),
            (Vote::Majority | Vote::Unanimous, _) => over.then_some(true),
        }
    }

    /// The votes in the order of the members, each with what it counts for, and how the vote went; gives the ballot back while that is open.
    fn count(mut self, run: &Run) -> Result<Counted<V>, Self> {
        let named = self.named(run);
        let Some(carried) = self.outcome(named) else { return Err(self) };
        let objections = self.cast.iter().filter(|cast| cast.objects).count();
        let told = format!("{objections} of {} in the group `{}`", self.voters.len(), self.voting.name);
        self.cast.sort_by_key(|cast| cast.member);
        let first = match named {
            Some(named) if self.voting.group.vote == Vote::Designated => Some(named),
            Some(_) | None => self.cast.iter().find(|cast| cast.objects).map(|cast| cast.member),
        };
        let weighed = self.cast.into_iter().map(|cast| {
            let weight = match (cast.objects, carried) {
                (false, _) => Weight::Consents,
                (true, true) if first == Some(cast.member) => Weight::Decides,
                (true, true) => Weight::Noted(format!("with others: {told}")),
                (true, false) => Weight::Noted(format!("outvoted: {told}")),
            };
            (cast, weight)
        });
        Ok((weighed.collect(), told))
    }
}

impl Ballot<Said> {
    /// How the vote would have gone, and who would have decided; `None` = that is open. Where nobody objects there is nothing to tell.
    pub(crate) fn told(&self, run: &Run) -> Option<(Option<usize>, String)> {
        let named = self.named(run);
        let carried = self.outcome(named)?;
        let objecting = || self.cast.iter().filter(|cast| cast.objects);
        let first = objecting().min_by_key(|cast| cast.member);
        let decides = match named {
            Some(named) if carried => self.cast.iter().find(|cast| cast.member == named),
            Some(_) | None => first,
        };
        let said = match decides.filter(|_| carried).map(|cast| &cast.verdict) {
            Some(Ok(said)) => said.as_str(),
            Some(Err(_)) => Said::Failed.as_str(),
            None => "pass",
        };
        let (count, all, name) = (objecting().count(), self.voters.len(), &self.voting.name);
        let words =
            format!("the vote of the group `{name}` would have been: {said} ({count} of {all} object)");
        Some((decides.map(|cast| cast.member), words))
    }
}

/// What becomes of a request that a group has voted on, if that is known.
pub(crate) struct Voted(pub(crate) Option<CallOutcome>);

/// Whether a verdict is an objection; `None` = the policy cannot say.
pub(crate) fn objects(verdict: &BlockVerdict) -> Option<bool> {
    match verdict {
        BlockVerdict::Allow | BlockVerdict::Annotate(_) | BlockVerdict::Warn(_) => Some(false),
        BlockVerdict::Ask(_)
        | BlockVerdict::AskPerson(_)
        | BlockVerdict::Refuse(_)
        | BlockVerdict::Remove(_)
        | BlockVerdict::Replace { .. }
        | BlockVerdict::Resample(_)
        | BlockVerdict::Rewrite { .. }
        | BlockVerdict::Stop(_) => Some(true),
        BlockVerdict::Unsure(_) => None,
    }
}

/// The same of a verdict on a request.
pub(crate) fn objects_to_call(verdict: &CallVerdict) -> Option<bool> {
    match verdict {
        CallVerdict::Allow | CallVerdict::Annotate(_) => Some(false),
        CallVerdict::Answer { .. }
        | CallVerdict::Ask(_)
        | CallVerdict::AskPerson(_)
        | CallVerdict::KeepLocal(_)
        | CallVerdict::Refuse(_)
        | CallVerdict::Rewrite { .. } => Some(true),
        CallVerdict::Unsure(_) => None,
    }
}

/// Puts how the vote went behind the reason.
fn add_vote(reason: &mut String, told: &str) {
    *reason = format!("{} ({told})", reason.trim_end_matches('.'));
}

impl Run {
    /// The group that a member votes in.
    fn voting_of(&self, at: usize) -> Option<&Arc<Voting>> {
        let entry = &self.members[at].entry;
        entry.group.as_ref().filter(|_| entry.mode > Mode::Observe)
    }

    /// The place behind a group.
    fn end_of(&self, from: usize, voting: &Arc<Voting>) -> usize {
        let of_group = |at: usize| self.voting_of(at).is_some_and(|other| Arc::ptr_eq(other, voting));
        (from..self.members.len()).find(|at| !of_group(*at)).unwrap_or(self.members.len())
    }

    pub(crate) fn cast_of<V>(
        &self,
        member: usize,
        verdict: Result<V, Broken>,
        objects: impl Fn(&V) -> Option<bool>,
    ) -> Cast<V> {
        let unsure = self.members[member].entry.on_failure != OnFailure::Pass;
        let objects = verdict.as_ref().map_or(None, objects).unwrap_or(unsure);
        Cast { member, objects, verdict }
    }

    /// Asks a whole group if the next policy is of one; `None` = it is of none, `Some` = whether the policies behind it are to be asked.
    pub(crate) fn vote(&mut self, trial: &mut Trial) -> Option<bool> {
        let voting = self.voting_of(trial.at)?.clone();
        let end = self.end_of(trial.at, &voting);
        let voters: Vec<usize> = (trial.at..end).filter(|at| self.judges(*at, trial)).collect();
        trial.at = end;
        let mut ballot = Ballot::new(voting, voters.clone());
        for member in voters {
            let verdict = self.guarded(member, |run, view| run.on_block(trial.thing.piece(), view));
            self.note_also(member, trial);
            match verdict {
                Ok(BlockVerdict::Ask(questions)) => {
                    self.ask(member, Some(trial.number), questions, (trial.thing.hook(), trial.thing.tool()));
                }
                verdict => ballot.cast.push(self.cast_of(member, verdict, objects)),
            }
        }
        Some(self.count(trial, ballot))
    }

    /// A vote that came as an answer; whether the policies behind the group are to be asked. Gives back what is none.
    pub(crate) fn take_vote(
        &mut self,
        ticket: Ticket,
        trial: &mut Trial,
        verdict: Result<BlockVerdict, Broken>,
    ) -> Result<bool, Result<BlockVerdict, Broken>> {
        if self.voting_of(ticket.member).is_none() {
            return Err(verdict);
        }
        match trial.ballot.take() {
            Some(mut ballot) if ballot.waits_for(ticket.member) => {
                ballot.cast.push(self.cast_of(ticket.member, verdict, objects));
                Ok(self.count(trial, ballot))
            }
            ballot => {
                trial.ballot = ballot;
                self.note_vote(trial, ticket.member, verdict, "came after the vote");
                Ok(false)
            }
        }
    }

    /// Does what the vote says, if it is decided; whether the policies behind the group are to be asked.
    fn count(&mut self, trial: &mut Trial, ballot: Ballot<BlockVerdict>) -> bool {
        let (votes, told) = match ballot.count(self) {
            Ok(counted) => counted,
            Err(open) => {
                trial.ballot = Some(open);
                return false;
            }
        };
        let mut decisive = None;
        for (Cast { member, verdict, .. }, weight) in votes {
            match weight {
                Weight::Consents => {
                    self.settle_block(member, trial, verdict);
                }
                Weight::Decides => decisive = Some((member, verdict)),
                Weight::Noted(how) => self.note_vote(trial, member, verdict, &how),
            }
        }
        let Some((member, mut verdict)) = decisive else { return true };
        let reason = match &mut verdict {
            Ok(verdict) => verdict.reason_mut(),
            Err(Broken(why)) => Some(why),
        };
        if let Some(reason) = reason {
            add_vote(reason, &told);
        }
        self.settle_block(member, trial, verdict)
    }

    /// Notes a vote that decided nothing.
    fn note_vote(&mut self, trial: &Trial, member: usize, verdict: Result<BlockVerdict, Broken>, how: &str) {
        let verdict = verdict.unwrap_or_else(|Broken(why)| BlockVerdict::Unsure(why));
        if !matches!(verdict, BlockVerdict::Allow | BlockVerdict::Ask(_)) {
            let (said, mut finding) = crate::run::said(verdict);
            add_vote(&mut finding.reason, how);
            self.note(member, trial.thing.hook(), (said, false), finding, trial.thing.tool());
        }
    }

    /// Asks a whole group about the request if the next policy is of one in which several judge requests; `None` = it is not.
    pub(crate) fn vote_on_call(&mut self) -> Option<Voted> {
        let from = self.call_at;
        let voting = self.voting_of(from)?.clone();
        let end = self.end_of(from, &voting);
        let judges = |at: &usize| self.members[*at].entry.policy.judges_requests();
        let voters: Vec<usize> = (from..end).filter(judges).collect();
        if voters.len() < 2 {
            return None;
        }
        self.call_at = end;
        let mut ballot = Ballot::new(voting, voters.clone());
        for member in voters {
            let verdict = self.guarded(member, |run, view| run.on_call(view));
            self.note_also_of_call(member);
            match verdict {
                Ok(CallVerdict::Ask(questions)) => self.ask(member, None, questions, (Hook::Call, None)),
                verdict => ballot.cast.push(self.cast_of(member, verdict, objects_to_call)),
            }
        }
        Some(Voted(self.count_on_call(ballot)))
    }

    /// A vote on the request that came as an answer; what becomes of the request, if that is known. Gives back what is none.
    pub(crate) fn take_vote_on_call(
        &mut self,
        member: usize,
        verdict: Result<CallVerdict, Broken>,
    ) -> Result<Option<CallOutcome>, Result<CallVerdict, Broken>> {
        match self.call_ballot.take() {
            Some(mut ballot) if ballot.waits_for(member) => {
                ballot.cast.push(self.cast_of(member, verdict, objects_to_call));
                Ok(self.count_on_call(ballot))
            }
            ballot => {
                self.call_ballot = ballot;
                if self.call_voted.contains(&member) {
                    self.note_vote_on_call(member, verdict, "came after the vote");
                    return Ok(Some(CallOutcome::Asking));
                }
                Err(verdict)
            }
        }
    }

    /// Does what the vote says, if it is decided; what becomes of the request, if that is known.
    fn count_on_call(&mut self, ballot: Ballot<CallVerdict>) -> Option<CallOutcome> {
        let voters = ballot.voters.clone();
        let (votes, told) = match ballot.count(self) {
            Ok(counted) => counted,
            Err(open) => {
                self.call_ballot = Some(open);
                return Some(CallOutcome::Asking);
            }
        };
        self.call_voted.extend(voters);
        let mut decisive = None;
        for (Cast { member, verdict, .. }, weight) in votes {
            match weight {
                Weight::Consents => {
                    self.settle_call(member, verdict);
                }
                Weight::Decides => decisive = Some((member, verdict)),
                Weight::Noted(how) => self.note_vote_on_call(member, verdict, &how),
            }
        }
        let (member, mut verdict) = decisive?;
        let reason = match &mut verdict {
            Ok(verdict) => verdict.reason_mut(),
            Err(Broken(why)) => Some(why),
        };
        if let Some(reason) = reason {
            add_vote(reason, &told);
        }
        self.settle_call(member, verdict)
    }

    fn note_vote_on_call(&mut self, member: usize, verdict: Result<CallVerdict, Broken>, how: &str) {
        let verdict = verdict.unwrap_or_else(|Broken(why)| CallVerdict::Unsure(why));
        if let Some((said, mut finding)) = crate::request::said(verdict) {
            add_vote(&mut finding.reason, how);
            self.note(member, Hook::Call, (said, false), finding, None);
        }
    }
}
