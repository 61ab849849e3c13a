//! Who answers what policies ask: a model, a person, or a service.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use lockgate_core::{ErrorKind, Failure};
use lockgate_engine::{Asker, Asking};
use lockgate_policy::{Query, Reply, Service};
use lockgate_telemetry::{Services, SigningKey};
use uuid::Uuid;

use super::desk::Desk;
use super::judges::Judges;
use super::purse::Purse;

/// Everybody who can be asked.
pub(super) struct Everybody {
    pub(super) desk: Desk,
    pub(super) judges: Judges,
    pub(super) purse: Purse,
    pub(super) services: Arc<Services>,
}

impl Asker for Everybody {
    fn ask(&self, call: &str, query: Query, deadline: Duration) -> Asking {
        match query {
            // The engine asks by itself.
            Query::Again(_) => Box::pin(std::future::ready(Reply::None(Failure::new(
                ErrorKind::Internal,
                "the model can be asked again for an answer only",
            )))),
            Query::Costs(costs) => {
                let told = self.purse.clone().told(costs);
                Box::pin(async move {
                    let unknown = || Failure::new(ErrorKind::Internal, "the prices of calls cannot be read");
                    told.await.map_or_else(
                        || Reply::None(unknown()),
                        |spent| Reply::Text(spent.to_i64().to_string()),
                    )
                })
            }
            Query::Judge(judge) => Box::pin(self.judges.clone().judged(call.parse().ok(), judge, deadline)),
            Query::Person(question) => Box::pin(self.desk.clone().ask(call.to_owned(), *question, deadline)),
            Query::Service(service) => Box::pin(decided(self.services.clone(), service, deadline)),
        }
    }
}

async fn decided(services: Arc<Services>, service: Service, deadline: Duration) -> Reply {
    let none = |words: String| {
        let words = format!("the service gave no answer: {words}");
        Reply::None(Failure::new(ErrorKind::UpstreamUnavailable, words))
    };
    let Service { body, secret, url } = service;
    let (Ok(key), Ok(to)) = (secret.expose().parse::<SigningKey>(), url.parse::<Uri>()) else {
        return none("its address or its secret cannot be used".into());
    };
    let id = format!("policy_{}", Uuid::now_v7().simple());
    match services.ask(&to, &key, &id, body, deadline).await {
        Ok(told) => Reply::Text(String::from_utf8_lossy(&told).into_owned()),
        Err(words) => none(words),
    }
}
