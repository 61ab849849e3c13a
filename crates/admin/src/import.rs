//! `/api/import`: takes back what was exported.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use lockgate_history::{ImportError, ImportLimits, import as read};
use lockgate_store::{Error, Record, Store};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::guard::{Guard, Role, guarded};
use crate::problem::Problem;

/// The most bytes of a file. It is held in memory while it is read.
const BYTES: usize = 512 << 20;

/// Calls that are written at once.
const BATCH: usize = 50;

pub(crate) fn routes() -> OpenApiRouter<App> {
    guarded(Guard::From(Role::Admin), routes!(import)).layer(DefaultBodyLimit::max(BYTES))
}

/// What an import did.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Imported {
    /// Calls that are new here.
    calls: usize,
    /// Calls that were here already; they stay as they are.
    repeated: usize,
}

/// Takes back an export (JSON or JSONL). Calls that are here already are left as they are.
#[utoipa::path(post, path = "/api/import", tag = "history",
    request_body(content = String, content_type = "application/x-ndjson", description = "An export of at most 512 MiB."),
    responses((status = 200, body = Imported), (status = 400, description = "No export, or damaged; names the line.")))]
async fn import(State(app): State<App>, bytes: Bytes) -> Result<Json<Imported>, Problem> {
    let store = app.store()?;
    match take(store, &bytes, false).await {
        // Its calls were here, and what they shared was not: once more, each with all of its pieces.
        Err(Fault::Store(Error::Unwoven { .. })) => take(store, &bytes, true).await,
        taken => taken,
    }
    .map(Json)
    .map_err(|fault| match fault {
        Fault::File(error) => Problem::invalid(format!(
            "{error}. What stands before it was taken; the same file can be imported again"
        )),
        Fault::Store(Error::Refused { call, reason }) => {
            Problem::invalid(format!("call {call} cannot be stored: {reason}"))
        }
        Fault::Store(error) => error.into(),
    })
}

enum Fault {
    File(ImportError),
    Store(Error),
}

async fn take(store: &dyn Store, bytes: &[u8], whole: bool) -> Result<Imported, Fault> {
    let mut told = Imported::default();
    let mut records = read(bytes, ImportLimits::default());
    let mut batch: Vec<Record> = Vec::with_capacity(BATCH);
    loop {
        if whole {
            records.forget_pieces();
        }
        let next = records.next();
        let (end, fault) = match next {
            Some(Ok(record)) => {
                batch.push(record);
                (false, None)
            }
            Some(Err(error)) => (true, Some(error)),
            None => (true, None),
        };
        if batch.len() >= BATCH || (end && !batch.is_empty()) {
            let written = store.write(&batch).await.map_err(Fault::Store)?;
            told.calls += written.calls;
            told.repeated += written.repeated;
            batch.clear();
        }
        match fault {
            Some(error) => return Err(Fault::File(error)),
            None if end => return Ok(told),
            None => {}
        }
    }
}
