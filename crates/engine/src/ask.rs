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
    /// Asks. `call`: the id of the call that it is about. What takes longer than the deadline is dropped; somebody
    /// who asks a person may say so by themselves and has a second more.
    fn ask(&self, call: &str, query: Query, deadline: Duration) -> Asking;
}

/// Who asks a person says by themselves that time is over.
const GRACE: Duration = Duration::from_secs(1);

/// There is nobody to ask.
pub(crate) struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: &str, query: Query, _: Duration) -> Asking {
        let whom = match query {
            Query::Again(_) => "the model".to_owned(),
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
    pub(crate) again: Option<Again>,
    /// All others.
    pub(crate) asker: Arc<dyn Asker>,
}

/// Asks a question within its deadline.
fn within(whom: &Whom, call: &str, question: Question) -> Asking {
    let Question { deadline, query } = question;
    let grace = match &query {
        Query::Again(_) | Query::Judge(_) | Query::Service(_) => Duration::ZERO,
        Query::Person(_) => GRACE,
    };
    let asking = match (query, &whom.again) {
        (Query::Again(turns), Some(again)) => again.ask(turns),
        (query, _) => whom.asker.ask(call, query, deadline),
    };
    Box::pin(async move {
        match tokio::time::timeout(deadline + grace, asking).await {
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
