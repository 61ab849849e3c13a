//! What is loaded at the Ollama servers (`/api/ps`), as one list.
//!
//! All servers are asked at once and for a short time: a client's status line must not hang on one that sleeps. One that
//! does not answer is left out; models that the caller may not call are not shown. Keeps nothing.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use lockgate_core::Dialect;
use lockgate_providers::{Ask, Operation};
use lockgate_wire::ollama::{Loaded, parse_loaded, write_loaded};

use crate::answer;
use crate::engine::{Engine, credential_for};
use crate::relay::AnswerBody;
use crate::request::CallRequest;
use crate::side::{blank, side_call};

/// How long a server has for its answer, which it has in memory.
const PATIENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Lists the models that are loaded, in Ollama's form.
    pub async fn loaded(&self, request: CallRequest) -> Response<AnswerBody> {
        let state = self.state.load_full();
        let servers = state.upstreams.values().filter(|upstream| upstream.speaks(Dialect::Ollama));
        let mut asked = tokio::task::JoinSet::new();
        for (position, upstream) in servers.enumerate() {
            let Ok(credential) = credential_for(&request, upstream) else { continue };
            let upstream = upstream.clone();
            asked.spawn(async move {
                let operation = Operation::Raw { method: &Method::GET, path_and_query: "/api/ps" };
                let ask = Ask { dialect: Dialect::Ollama, model: "", operation, stream: false };
                let call = side_call(&upstream, &ask, credential, HeaderMap::new(), Bytes::new());
                let answered = tokio::time::timeout(PATIENCE, call).await.ok()?.ok()?;
                let models = parse_loaded(&answered.body).ok().filter(|_| answered.status < 300)?;
                Some((position, upstream.id.clone(), models))
            });
        }
        let mut found: Vec<_> = asked.join_all().await.into_iter().flatten().collect();
        found.sort_by_key(|(position, ..)| *position);
        let caller = &request.caller;
        let models: Vec<Loaded> = found
            .into_iter()
            .flat_map(|(_, id, models)| models.into_iter().map(move |model| (id.clone(), model)))
            .filter(|(id, model)| {
                caller.may_use(&model.name) || caller.may_use(&format!("{id}:{}", model.name))
            })
            .map(|(_, model)| model)
            .collect();
        answer::json(&blank(Dialect::Ollama, uuid::Uuid::now_v7()), write_loaded(&models))
    }
}
