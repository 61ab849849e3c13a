//! Policies that judge a tool call or a text together: all of a group are asked at once, and a vote says what becomes of it.
//!
//! A member that has nothing against a thing, or only notes or warns, consents; one that would refuse, take out, change or stop it, or wants a
//! person or the model asked, objects; one that cannot say does what its `on_failure` says. If the objection carries, the first objecting member in
//! the order of the configuration says what is done. Requests are not voted on, and what only observes has no vote.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::{Mode, OnFailure};
use crate::run::{Broken, Run, Ticket};
use crate::trial::Trial;
use crate::verdict::{BlockVerdict, Finding};

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
pub(crate) struct Ballot {
    cast: Vec<Cast>,
    voters: Vec<usize>,
    voting: Arc<Voting>,
}

struct Cast {
    member: usize,
    objects: bool,
    verdict: Result<BlockVerdict, Broken>,
}

impl Ballot {
    fn new(voting: Arc<Voting>, voters: Vec<usize>) -> Self {
        Self { cast: Vec::new(), voters, voting }
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

    /// How the vote went, for whoever reads it.
    fn told(&self) -> String {
        let objections = self.cast.iter().filter(|cast| cast.objects).count();
        format!("{objections} of {} in the group `{}`", self.voters.len(), self.voting.name)
    }
}

/// Whether a verdict is an objection.
fn objects(verdict: &Result<BlockVerdict, Broken>, on_failure: OnFailure) -> bool {
    match verdict {
        Ok(BlockVerdict::Allow | BlockVerdict::Annotate(_) | BlockVerdict::Warn(_)) => false,
        Ok(
            BlockVerdict::Ask(_)
            | BlockVerdict::AskPerson(_)
            | BlockVerdict::Refuse(_)
            | BlockVerdict::Remove(_)
            | BlockVerdict::Replace { .. }
            | BlockVerdict::Resample(_)
            | BlockVerdict::Rewrite { .. }
            | BlockVerdict::Stop(_),
        ) => true,
        Ok(BlockVerdict::Unsure(_)) | Err(_) => on_failure != OnFailure::Pass,
    }
}

/// A verdict with how the vote went behind its reason.
fn with_vote(mut verdict: BlockVerdict, told: &str) -> BlockVerdict {
    if let Some(finding) = verdict.finding_mut() {
        finding.reason = format!("{} ({told})", finding.reason.trim_end_matches('.'));
    }
    verdict
}

impl Run {
    /// The group that a member votes in.
    fn voting_of(&self, at: usize) -> Option<&Arc<Voting>> {
        let entry = &self.members[at].entry;
        entry.group.as_ref().filter(|_| entry.mode > Mode::Observe)
    }

    /// Asks a whole group if the next policy is of one; `None` = it is of none, `Some` = whether the policies behind it are to be asked.
    pub(crate) fn vote(&mut self, trial: &mut Trial) -> Option<bool> {
        let voting = self.voting_of(trial.at)?.clone();
        let of_group =
            |run: &Self, at: usize| run.voting_of(at).is_some_and(|other| Arc::ptr_eq(other, &voting));
        let end =
            (trial.at..self.members.len()).find(|at| !of_group(self, *at)).unwrap_or(self.members.len());
        let voters: Vec<usize> = (trial.at..end).filter(|at| self.judges(*at, trial)).collect();
        trial.at = end;
        trial.ballot = Some(Ballot::new(voting, voters.clone()));
        for member in voters {
            let verdict = self.guarded(member, |run, view| run.on_block(trial.thing.piece(), view));
            match verdict {
                Ok(BlockVerdict::Ask(questions)) => {
                    self.ask(member, Some(trial.number), questions, (trial.thing.hook(), trial.thing.tool()));
                }
                verdict => self.cast(trial, member, verdict),
            }
        }
        Some(self.count(trial))
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
        if trial.ballot.as_ref().is_none_or(|ballot| !ballot.voters.contains(&ticket.member)) {
            // The vote is over without it.
            self.note_vote(trial, ticket.member, verdict, "came after the vote");
            return Ok(false);
        }
        self.cast(trial, ticket.member, verdict);
        Ok(self.count(trial))
    }

    fn cast(&mut self, trial: &mut Trial, member: usize, verdict: Result<BlockVerdict, Broken>) {
        let objects = objects(&verdict, self.members[member].entry.on_failure);
        if let Some(ballot) = &mut trial.ballot {
            ballot.cast.push(Cast { member, objects, verdict });
        }
    }

    /// Does what the vote says, if it is decided; whether the policies behind the group are to be asked.
    fn count(&mut self, trial: &mut Trial) -> bool {
        let Some(mut ballot) = trial.ballot.take() else { return false };
        let named = ballot.voting.group.designated.as_deref();
        let named = named.and_then(|name| ballot.voters.iter().copied().find(|at| self.name(*at) == name));
        let Some(carried) = ballot.outcome(named) else {
            trial.ballot = Some(ballot);
            return false;
        };
        let told = ballot.told();
        ballot.cast.sort_by_key(|cast| cast.member);
        let first = match named {
            Some(named) if ballot.voting.group.vote == Vote::Designated => Some(named),
            Some(_) | None => ballot.cast.iter().find(|cast| cast.objects).map(|cast| cast.member),
        };
        let mut decisive = None;
        for Cast { member, objects, verdict } in ballot.cast {
            if objects && carried && first == Some(member) {
                decisive = Some((member, verdict));
            } else if objects {
                let word = if carried { "with others" } else { "outvoted" };
                self.note_vote(trial, member, verdict, &format!("{word}: {told}"));
            } else {
                self.settle_block(member, trial, verdict);
            }
        }
        match decisive {
            Some((member, verdict)) => {
                self.settle_block(member, trial, verdict.map(|it| with_vote(it, &told)))
            }
            None => true,
        }
    }

    /// Notes a vote that decided nothing.
    fn note_vote(&mut self, trial: &Trial, member: usize, verdict: Result<BlockVerdict, Broken>, how: &str) {
        let verdict = verdict.unwrap_or_else(|Broken(why)| BlockVerdict::Unsure(why));
        if !matches!(verdict, BlockVerdict::Allow | BlockVerdict::Ask(_)) {
            let (said, finding) = crate::run::said(verdict);
            let reason = format!("{} ({how})", finding.reason.trim_end_matches('.'));
            let finding = Finding { reason, ..finding };
            self.note(member, trial.thing.hook(), (said, false), finding, trial.thing.tool());
        }
    }
}
