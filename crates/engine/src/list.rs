//! Lists of models as each caller may see them: those of the providers, and the names of the gateway's own.
//!
//! Says of a model what its provider's list and the catalogue of prices say of it, and nothing that nobody said. Asks a provider only for a
//! caller whose credential it is.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use lockgate_core::{CardPrice, ErrorKind, Failure, ModelCard};
use lockgate_ledger::{Moment, Quote, Tier};
use lockgate_providers::{Ask, Operation};
use lockgate_wire::{ModelsPage, format};
use uuid::Uuid;

use crate::answer;
use crate::caller::unauthenticated;
use crate::engine::{Engine, credential_for};
use crate::pipe::unreadable;
use crate::relay::AnswerBody;
use crate::request::CallRequest;
use crate::resolve::{AUTO, Target, owners_of};
use crate::side::{accepted, blank, no_such, side_call};
use crate::state::State;
use crate::upstream::Upstream;

impl Engine {
    /// Lists the models that this caller may call, or tells one.
    pub async fn models(&self, request: CallRequest, page: ModelsPage) -> Response<AnswerBody> {
        let format = request.format;
        // The price list is read once, by whoever needs it first; that takes longer than a thread of calls should.
        let prices = self.prices.clone();
        let _ = tokio::task::spawn_blocking(move || prices.current().is_ok()).await;
        self.listed(request, page).await.unwrap_or_else(|failure| answer::refusal(&format, &failure))
    }

    async fn listed(&self, request: CallRequest, page: ModelsPage) -> Result<Response<AnswerBody>, Failure> {
        let front = request.format;
        let models = front.models.ok_or_else(|| no_such(&front, "lists of models"))?;
        let state = self.state.load_full();
        let caller = &request.caller;
        let mut cards = if caller.is_trusted() {
            let may = |provider: &str, card: &ModelCard, name: &str| {
                let reaches = |upstream: &Arc<Upstream>| {
                    caller.reach(upstream, upstream.is_local() && !card.remote).is_ok()
                };
                caller.may_use(name) && state.upstreams.get(provider).is_some_and(reaches)
            };
            let known = |provider: &str, card: &ModelCard| match state.upstreams.get(provider) {
                Some(upstream) => self.known(upstream, &card.id, card),
                None => card.clone(),
            };
            let mut cards = self.catalogue.load().listed(may, known);
            // A provider that only the caller has a credential for is asked with that.
            for owner in
                owners(&state, &request).filter(|owner| self.catalogue.load().of(&owner.id).is_empty())
            {
                let mut found = self.listed_for(&request, owner).await.unwrap_or_default();
                found.retain(|card| {
                    caller.may_use(&card.id) || caller.may_use(&format!("{}:{}", owner.id, card.id))
                });
                cards.extend(found);
            }
            cards
        } else {
            self.listed_for_stranger(&state, &request).await?
        };
        cards.extend(self.virtual_models(&state, &request));
        let facts = blank(front.dialect, Uuid::now_v7());
        let Some(id) = &request.model else { return Ok(answer::json(&facts, models.write(&cards, &page))) };
        match cards.iter().find(|card| card.id == *id) {
            Some(card) => Ok(answer::json(&facts, models.write_one(card))),
            None => {
                let words = format!("no model `{id}` is known here; GET the list without an id");
                let failure = Failure::new(ErrorKind::NotFound, words);
                Err(Failure { code: Some("model_not_found".into()), ..failure })
            }
        }
    }

    /// What a caller with nothing but its own credential can call: the provider says, asked with that credential.
    async fn listed_for_stranger(
        &self,
        state: &State,
        request: &CallRequest,
    ) -> Result<Vec<ModelCard>, Failure> {
        let mut cards = Vec::new();
        let mut asked = false;
        for owner in owners(state, request) {
            asked = true;
            cards.extend(self.listed_for(request, owner).await?);
        }
        if asked { Ok(cards) } else { Err(unauthenticated()) }
    }

    /// Aliases, slots and `auto`, as far as they lead this caller somewhere: each with what is known of the model that it stands for.
    fn virtual_models(&self, state: &State, request: &CallRequest) -> Vec<ModelCard> {
        let mut names: Vec<&str> = state.options.aliases.keys().map(String::as_str).collect();
        if !names.contains(&AUTO) {
            names.push(AUTO);
        }
        let catalogue = self.catalogue.load();
        let card = |name: &str| {
            if !request.caller.may_use(name) {
                return None;
            }
            let Target { model, upstream } = self.target(state, request, Some(name)).ok()?;
            if !request.caller.is_trusted() {
                credential_for(request, &upstream).ok()?;
            }
            let unlisted = ModelCard::default();
            let card = catalogue.card(&upstream.id, &model).unwrap_or(&unlisted);
            Some(ModelCard {
                created: None,
                display_name: None,
                id: name.to_owned(),
                owner: Some("lockgate".into()),
                stands_for: Some(format!("{}:{model}", upstream.id)),
                ..self.known(&upstream, &model, card)
            })
        };
        names.into_iter().filter_map(card).collect()
    }

    /// A model with what is known of it beside what its provider's list says: from the catalogue of prices.
    pub(crate) fn known(&self, upstream: &Upstream, model: &str, card: &ModelCard) -> ModelCard {
        let mut card = card.clone();
        let Ok(prices) = self.prices.current() else { return card };
        let names = [upstream.id.as_str(), upstream.kind.name()];
        let facts = prices.facts(&names, model);
        // What the server has room for counts before what the model could have.
        card.context = card.context.or(facts.context);
        card.max_output = card.max_output.or(facts.max_output);
        card.thinking = card.thinking.or(facts.thinking);
        card.tools = card.tools.or(facts.tools);
        card.vision = card.vision.or(facts.vision);
        if card.price.is_none() {
            let now = i64::try_from(answer::unix_now()).ok().and_then(Moment::from_unix);
            let quote = now.and_then(|now| prices.first(&names, model, now));
            card.price = quote.and_then(|quote| price_of(&quote));
        }
        card
    }

    async fn listed_for(&self, request: &CallRequest, owner: &Upstream) -> Result<Vec<ModelCard>, Failure> {
        let Some(dialect) = owner.provider.dialects().first().copied() else { return Ok(Vec::new()) };
        let ask = Ask { dialect, model: "", operation: Operation::Models, stream: false };
        let Some(models) = format(dialect).models else { return Ok(Vec::new()) };
        let credential = credential_for(request, owner)?;
        let answered = side_call(owner, &ask, credential, HeaderMap::new(), Bytes::new()).await?;
        let body = accepted(&format(dialect), answered).map_err(|refused| refused.failure)?;
        let cards = models.parse(&body).map_err(|error| unreadable(&error))?;
        Ok(cards.iter().map(|card| self.known(owner, &card.id, card)).collect())
    }
}

/// What a short prompt costs now in the standard class. Models that run here have no price.
fn price_of(quote: &Quote<'_>) -> Option<CardPrice> {
    let Quote::Price { at, price, .. } = quote else { return None };
    let rates = price.rates(Tier::Standard, 0, *at)?;
    Some(CardPrice {
        cache_read: rates.cache_read.map(|rate| rate.nano().get()),
        cache_write: rates.cache_write_5m.map(|rate| rate.nano().get()),
        input: rates.input.nano().get(),
        output: rates.output.map(|rate| rate.nano().get()),
    })
}

/// The providers that the caller brought a credential for.
fn owners<'a>(state: &'a State, request: &'a CallRequest) -> impl Iterator<Item = &'a Arc<Upstream>> {
    let native = owners_of(request.format.dialect);
    let own = move |upstream: &&Arc<Upstream>| {
        request.caller.own_for(upstream, native.contains(&upstream.kind)).is_some()
    };
    state.upstreams.values().filter(own)
}
