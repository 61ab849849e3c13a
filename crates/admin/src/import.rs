//! `/api/import`: takes back what was exported.

use std::borrow::Cow;

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
use crate::archive::plain;
use crate::auth::Origin;
use crate::feedback;
use crate::guard::{Guard, Role, guarded};
use crate::problem::Problem;
use crate::reading::beside;

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
    request_body(content = String, content_type = "application/x-ndjson", description = "An export or an archive, at most 512 MiB of text; may be compressed with zstd."),
    responses((status = 200, body = Imported), (status = 400, description = "No export, or damaged; names the line.")))]
async fn import(State(app): State<App>, origin: Origin, bytes: Bytes) -> Result<Json<Imported>, Problem> {
    let store = app.store()?;
    let bytes = beside(move || plain(&bytes, BYTES).map(Cow::into_owned)).await??;
    let mut told = Imported::default();
    let mut line = 0;
    for document in documents(&bytes) {
        let taken = one(store, &origin, document).await.map_err(|fault| fault.said(line))?;
        told.calls += taken.calls;
        told.repeated += taken.repeated;
        line += memchr::memchr_iter(b'\n', document).count();
    }
    store.note(&origin.entry("import", "calls", serde_json::json!({"calls": told.calls}))).await?;
    Ok(Json(told))
}

/// The exports in a file: an archive holds several, each beginning with a line of its own.
fn documents(bytes: &[u8]) -> Vec<&[u8]> {
    const HEAD: &[u8] = b"\n{\"format\":\"lockgate-session/";
    let mut starts = vec![0];
    starts.extend(memchr::memmem::find_iter(bytes, HEAD).map(|at| at + 1));
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]).collect()
}

async fn one(store: &dyn Store, origin: &Origin, bytes: &[u8]) -> Result<Imported, Fault> {
    match take(store, origin, bytes, false).await {
        // Its calls were here, and what they shared was not: once more, each with all of its pieces.
        Err(Fault::Store(Error::Unwoven { .. })) => take(store, origin, bytes, true).await,
        taken => taken,
    }
}

enum Fault {
    File(ImportError),
    Store(Error),
}

impl Fault {
    /// What is wrong, in which line of the whole file.
    fn said(self, before: usize) -> Problem {
        match self {
            Self::File(error) => Problem::invalid(format!(
                "line {}: {}. What stands before it was taken; the same file can be imported again",
                before + error.line,
                error.fault
            )),
            Self::Store(Error::Refused { call, reason }) => {
                Problem::invalid(format!("call {call} cannot be stored: {reason}"))
            }
            Self::Store(error) => error.into(),
        }
    }
}

async fn take(store: &dyn Store, origin: &Origin, bytes: &[u8], whole: bool) -> Result<Imported, Fault> {
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
            None if end => {
                for said in records.feedback() {
                    if feedback::is_said_later(store, &said).await.map_err(Fault::Store)? {
                        continue;
                    }
                    let entry =
                        origin.entry("import", format!("feedback:{}", said.id), serde_json::json!(null));
                    // Of a call that is not in the file nothing can be said.
                    store.say(&said, &entry).await.map_err(Fault::Store)?;
                }
                return Ok(told);
            }
            None => {}
        }
    }
}
