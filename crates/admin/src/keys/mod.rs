//! `/api/keys`: keys of the gateway that are in its database. Keys of the configuration are not here: they are changed in its file.
//!
//! Nobody makes or changes a key that may do more than they may themselves. Gateways follow a change within a second.

mod wish;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;
use lockgate_store::access::{DataClass, KeyRecording, KeyState, VirtualKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Origin, key, now_us, token};
use crate::filter::ago;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::problem::Problem;
use crate::view::{Listed, time};
use wish::{KeyChange, LimitsView, NewKey};

/// How long a key lives on beside the one that takes its place, if nobody says: a day.
const OVERLAP: &str = "24h";

/// The longest that it may: thirty days.
const LONGEST: i64 = 30 * 86_400;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(list)))
        .merge(guarded(Guard::From(Role::Own), routes!(show)))
        .merge(guarded(Guard::From(Role::Operator), routes!(create)))
        .merge(guarded(Guard::From(Role::Operator), routes!(change)))
        .merge(guarded(Guard::From(Role::Own), routes!(rotate)))
        .merge(guarded(Guard::From(Role::Own), routes!(revoke)))
}

/// A key.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Its id.
    id: Uuid,
    /// Its name, under which calls are recorded.
    name: String,
    /// The first signs of the key.
    prefix: String,
    /// `active`, `expired`, `replaced` or `revoked`.
    state: &'static str,
    /// Who it belongs to.
    owner: Option<String>,
    /// What it is used for.
    project: Option<String>,
    /// Words to find it by.
    tags: Vec<String>,
    /// What it may do beside calling models.
    role: Role,
    /// The only models that it may call; empty = all.
    models: Vec<String>,
    /// The only providers that it may call; empty = all.
    providers: Vec<String>,
    /// The most confidential data that its calls may carry: they go only to providers that are for such data.
    data_class: Option<&'static str>,
    /// How much of its calls is kept; `null` = as of everybody's.
    recording: Option<&'static str>,
    /// How much it may use.
    limits: LimitsView,
    /// When it was made (RFC 3339).
    created: String,
    /// When it ceases.
    expires: Option<String>,
    /// When it ceases because another has taken its place.
    retires: Option<String>,
    /// When it was revoked.
    revoked: Option<String>,
    /// When it was used last, to the minute.
    used: Option<String>,
    /// The key whose place it has taken.
    rotated_from: Option<Uuid>,
    /// The key itself, where it has just been made. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The other keys in use of the same name that were changed or revoked with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<Uuid>,
}

impl KeyView {
    fn of(stored: VirtualKey, key: Option<String>) -> Self {
        let state = stored.state(now_us()).as_str();
        Self {
            id: stored.id,
            name: stored.name,
            prefix: stored.prefix,
            state,
            owner: stored.owner,
            project: stored.project,
            tags: stored.tags,
            role: stored.role.into(),
            models: stored.models,
            providers: stored.providers,
            data_class: stored.data_class.map(DataClass::as_str),
            recording: stored.recording.map(KeyRecording::as_str),
            limits: stored.limits.into(),
            created: time(stored.created_us),
            expires: stored.expires_us.map(time),
            retires: stored.retires_us.map(time),
            revoked: stored.revoked_us.map(time),
            used: stored.used_us.map(time),
            rotated_from: stored.rotated_from,
            key,
            also: Vec::new(),
        }
    }

    /// The first of several, with the ids of the others.
    fn of_all(keys: Vec<VirtualKey>) -> Option<Self> {
        let mut keys = keys.into_iter();
        let first = Self::of(keys.next()?, None);
        Some(Self { also: keys.map(|key| key.id).collect(), ..first })
    }
}

/// Conditions on keys; all must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// The name.
    name: Option<String>,
    /// Who it belongs to.
    owner: Option<String>,
    /// The project.
    project: Option<String>,
    /// `active`, `expired`, `replaced` or `revoked`; all if not given.
    state: Option<String>,
    /// A word of its tags.
    tag: Option<String>,
}

/// Keys, the latest first. Whoever has the role `self` sees those that belong to the same user.
#[utoipa::path(get, path = "/api/keys", tag = "access", params(KeyQuery),
    responses((status = 200, body = Listed<KeyView>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<KeyQuery>,
) -> Result<Json<Listed<KeyView>>, Problem> {
    let now = now_us();
    let same =
        |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|wanted| is == Some(wanted));
    let (_, all) = app.store()?.ring().await?;
    let found = all.into_iter().rev().map(|(key, _)| key).filter(|key| {
        sees(&who, key)
            && same(&query.name, Some(&key.name))
            && same(&query.owner, key.owner.as_deref())
            && same(&query.project, key.project.as_deref())
            && same(&query.state, Some(key.state(now).as_str()))
            && query.tag.as_ref().is_none_or(|tag| key.tags.contains(tag))
    });
    Ok(Json(Listed::whole(found.map(|key| KeyView::of(key, None)).collect())))
}

/// One key, by id, or by the name of one that is in use.
#[utoipa::path(get, path = "/api/keys/{id}", tag = "access",
    params(("id" = String, Path, description = "The key's id, or its name.")),
    responses((status = 200, body = KeyView), (status = 404, description = "No such key.")))]
async fn show(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    Ok(Json(KeyView::of(find(&app, &who, &id).await?, None)))
}

/// Makes a key. The answer shows it, this once.
#[utoipa::path(post, path = "/api/keys", tag = "access", request_body = NewKey,
    responses((status = 201, body = KeyView), (status = 409, description = "A key in use has the name.")))]
async fn create(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Sent(new): Sent<NewKey>,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let (key, hash) = made()?;
    let stored = new.read(&key, hash, Timestamp::now())?;
    within(&who, stored.role.into())?;
    let entry = from.entry("create", format!("key:{}", stored.name), told(&stored));
    app.store()?.create_key(&stored, &entry).await?;
    Ok((StatusCode::CREATED, Json(KeyView::of(stored, Some(key)))))
}

/// Changes what a key may do and what it is called; by name, every key in use of that name (`also`): one that was replaced works for a while.
#[utoipa::path(patch, path = "/api/keys/{id}", tag = "access",
    params(("id" = String, Path, description = "The key's id, or its name.")), request_body = KeyChange,
    responses((status = 200, body = KeyView), (status = 404, description = "No such key."),
              (status = 409, description = "Another key in use has the name.")))]
async fn change(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
    Sent(change): Sent<KeyChange>,
) -> Result<Json<KeyView>, Problem> {
    let mut changes = Vec::new();
    for before in meant(&app, &who, &id).await? {
        let after = change.clone().apply(before.clone(), Timestamp::now())?;
        within(&who, after.role.into())?;
        changes.push((before, after));
    }
    let mut changed = Vec::new();
    for (before, after) in changes {
        let detail = json!({"before": told(&before), "after": told(&after)});
        let entry = from.entry("change", format!("key:{}", before.name), detail);
        if app.store()?.change_key(&after, &entry).await? {
            changed.push(after);
        }
    }
    KeyView::of_all(changed).map(Json).ok_or_else(|| missing(&id))
}

/// How a key is replaced.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    /// How long the old key still works: `30s`, `10m`, `24h`, `7d`, at most 30 days; a day if not given, `0s` = it ceases at once.
    overlap: Option<String>,
}

/// Puts a new key in the place of one, with the same name, limits and rights. The answer shows it, this once.
#[utoipa::path(post, path = "/api/keys/{id}/rotate", tag = "access",
    params(("id" = String, Path, description = "The key's id, or its name.")), request_body = Rotation,
    responses((status = 201, body = KeyView), (status = 404, description = "No such key."),
              (status = 409, description = "It was revoked or replaced already.")))]
async fn rotate(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
    Sent(rotation): Sent<Rotation>,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let old = changeable(&app, &who, &id).await?;
    let overlap = rotation.overlap.as_deref().unwrap_or(OVERLAP);
    let seconds = ago(overlap).map(|overlap| overlap.as_secs()).filter(|seconds| *seconds <= LONGEST);
    let seconds = seconds.ok_or_else(|| Problem::invalid("`overlap`: 30s, 10m, 24h or 7d; at most 30d"))?;
    let (key, hash) = made()?;
    let now = now_us();
    let new = VirtualKey {
        created_us: now,
        hash,
        id: Uuid::now_v7(),
        prefix: shown(&key),
        retires_us: None,
        revoked_us: None,
        rotated_from: Some(old.id),
        used_us: None,
        ..old.clone()
    };
    let retires = now.saturating_add(seconds.saturating_mul(1_000_000));
    let detail = json!({"old": old.id, "new": new.id, "old_ends": time(retires)});
    let entry = from.entry("rotate", format!("key:{}", old.name), detail);
    if !app.store()?.rotate_key(&new, retires, &entry).await? {
        return Err(Problem::conflict(format!("the key `{}` was revoked or replaced already", old.name)));
    }
    Ok((StatusCode::CREATED, Json(KeyView::of(new, Some(key)))))
}

/// Revokes a key for good, within a second everywhere; by name, every key in use of that name (`also`): one that was replaced works for a
/// while. Answers that stream to it are finished.
#[utoipa::path(post, path = "/api/keys/{id}/revoke", tag = "access",
    params(("id" = String, Path, description = "The key's id, or its name.")),
    responses((status = 200, body = KeyView), (status = 404, description = "No such key.")))]
async fn revoke(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    let mut revoked = Vec::new();
    for key in meant(&app, &who, &id).await? {
        let entry = from.entry("revoke", format!("key:{}", key.name), json!({"id": key.id}));
        // Twice is as good as once.
        app.store()?.revoke_key(key.id, &entry).await?;
        revoked.extend(app.store()?.key(key.id).await?);
    }
    KeyView::of_all(revoked).map(Json).ok_or_else(|| missing(&id))
}

/// A new key and its hash.
fn made() -> Result<(String, [u8; 32]), Problem> {
    let seed = token::seed().map_err(|error| Problem::internal(error.to_string()))?;
    let key = key::from_seed(&seed);
    let hash = token::hash(&key);
    Ok((key, hash))
}

/// The part of a key that is shown.
fn shown(key: &str) -> String {
    key.chars().take(key::SHOWN).collect()
}

/// What the audit tells of a key.
fn told(key: &VirtualKey) -> serde_json::Value {
    json!({
        "id": key.id, "name": key.name, "owner": key.owner, "project": key.project, "tags": key.tags,
        "role": key.role.as_str(), "models": key.models, "providers": key.providers,
        "data_class": key.data_class.map(DataClass::as_str),
        "recording": key.recording.map(KeyRecording::as_str),
        "limits": key.limits, "expires": key.expires_us.map(time),
    })
}

fn sees(who: &Principal, key: &VirtualKey) -> bool {
    who.role > Role::Own || (who.user.is_some() && key.owner == who.user)
}

/// Refuses a key that may do more than whoever asks.
fn within(who: &Principal, role: Role) -> Result<(), Problem> {
    if role <= who.role {
        return Ok(());
    }
    let (theirs, wanted) = (who.role.as_str(), role.as_str());
    Err(Problem::forbidden(format!(
        "{} has the role `{theirs}` and cannot give or change a key with `{wanted}`",
        who.name
    )))
}

/// The key that an id or a name means, for somebody who may see it.
async fn find(app: &App, who: &Principal, id: &str) -> Result<VirtualKey, Problem> {
    let store = app.store()?;
    let found = match id.parse::<Uuid>() {
        Ok(id) => store.key(id).await?,
        Err(_) => {
            let (_, all) = store.ring().await?;
            let mut named = all.into_iter().rev().map(|(key, _)| key).filter(|key| key.name == id);
            let latest = named.next();
            // The one in use, else the latest of that name.
            match latest {
                Some(latest) if !latest.is_current() => {
                    Some(named.find(VirtualKey::is_current).unwrap_or(latest))
                }
                latest => latest,
            }
        }
    };
    found.filter(|key| sees(who, key)).ok_or_else(|| missing(id))
}

/// The same, for somebody who is to change it.
async fn changeable(app: &App, who: &Principal, id: &str) -> Result<VirtualKey, Problem> {
    let key = find(app, who, id).await?;
    within(who, key.role.into())?;
    Ok(key)
}

/// The keys that an id or a name means, for somebody who is to change them: of a name every one that works, the current one first.
async fn meant(app: &App, who: &Principal, id: &str) -> Result<Vec<VirtualKey>, Problem> {
    let first = changeable(app, who, id).await?;
    if id.parse::<Uuid>().is_ok() {
        return Ok(vec![first]);
    }
    let now = now_us();
    let works = |key: &VirtualKey| key.state(now) == KeyState::Active;
    let (_, all) = app.store()?.ring().await?;
    let others: Vec<_> = all
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| key.name == id && key.id != first.id && works(key) && sees(who, key))
        .collect();
    for other in &others {
        within(who, other.role.into())?;
    }
    // One that is over is meant only where no other is.
    let first = (works(&first) || others.is_empty()).then_some(first);
    Ok(first.into_iter().chain(others).collect())
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!(
        "there is no key `{id}` in the database (keys of the configuration are changed in its file)"
    ))
}
