//! Who answers what policies ask: a model, a person. The engine only waits, and no longer than the question says.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{ErrorKind, Failure};
use lockgate_policy::{Query, Question, Reply, Ticket};

use crate::again::Again;

/// An answer that is on its way.
pub type Asking = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Answers what policies ask.
pub trait Asker: Send + Sync {
    /// Asks. `call`: the id of the call that it is about. Whoever is asked says by themselves that time is over; what takes a second
    /// more than the deadline is dropped.
    fn ask(&self, call: &str, query: Query, deadline: Duration) -> Asking;
}

/// Who asks says by themselves that time is over, and counts it.
const GRACE: Duration = Duration::from_secs(1);

/// There is nobody to ask.
pub(crate) struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: &str, query: Query, _: Duration) -> Asking {
        let whom = match query {
            Query::Again(_) => "the model".to_owned(),
            Query::Costs(_) => "what calls have cost".to_owned(),
            Query::Judge(judge) => format!("the model `{}`", judge.model),
            Query::Person(_) => "a person".to_owned(),
            Query::Service(service) => format!("the service at {}", service.url),
        };
        let words = format!("{whom} cannot be asked by this gateway");
        Box::pin(std::future::ready(Reply::None(Failure::new(ErrorKind::Internal, words))))
    }
}

/// Everybody whom the policies of one call can ask.
pub(crate) struct Whom {
    /// The model that answers, where policies may ask it.
    again: Option<Again>,
    /// All others.
    asker: Arc<dyn Asker>,
}

impl Whom {
    pub(crate) fn new(asker: Arc<dyn Asker>) -> Self {
        Self { again: None, asker }
    }

    /// Also the model that answers.
    pub(crate) fn with(&self, again: Again) -> Arc<Self> {
        Arc::new(Self { again: Some(again), asker: self.asker.clone() })
    }
}

/// Asks a question within its deadline.
fn within(whom: &Whom, call: &str, question: Question) -> Asking {
    let Question { deadline, query } = question;
    let asking = match (query, &whom.again) {
        (Query::Again(turns), Some(again)) => again.ask(call, turns),
        (query, _) => whom.asker.ask(call, query, deadline),
    };
    Box::pin(async move {
        match tokio::time::timeout(deadline + GRACE, asking).await {
            Ok(reply) => reply,
            Err(_) => Reply::None(Failure::new(ErrorKind::Timeout, late(deadline))),
        }
    })
}

fn late(deadline: Duration) -> String {
    format!("there was no answer within {} ms", deadline.as_millis())
}

/// Questions on their way, each with whose it is.
#[derive(Default)]
pub(crate) struct Asked(Vec<(Ticket, Asking)>);

impl Asked {
    pub(crate) fn push(&mut self, whom: &Whom, call: &str, questions: Vec<(Ticket, Question)>) {
        let asked = questions.into_iter().map(|(ticket, question)| (ticket, within(whom, call, question)));
        self.0.extend(asked);
    }

    /// Whether nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all that somebody waited for.
    pub(crate) fn keep(&mut self, kept: impl Fn(Ticket) -> bool) {
        self.0.retain(|(ticket, _)| kept(*ticket));
    }

    /// The first answer that is there.
    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Option<(Ticket, Reply)> {
        let (at, reply) =
            self.0.iter_mut().enumerate().find_map(|(at, (_, asking))| match asking.as_mut().poll(cx) {
                std::task::Poll::Ready(reply) => Some((at, reply)),
                std::task::Poll::Pending => None,
            })?;
        Some((self.0.swap_remove(at).0, reply))
    }

    /// Waits for the first answer; `None` = nothing is asked.
    pub(crate) async fn next(&mut self) -> Option<(Ticket, Reply)> {
        if self.0.is_empty() {
            return None;
        }
        let next = std::future::poll_fn(|cx| match self.poll(cx) {
            Some(answered) => std::task::Poll::Ready(answered),
            None => std::task::Poll::Pending,
        });
        Some(next.await)
    }
}
