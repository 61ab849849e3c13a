//! Writes batches of records: one transaction, few statements, in an order that keeps two writers from waiting for each other.
//!
//! Sessions, calls and pieces are written in the order of their keys. A call that is there already is left alone with all
//! that belongs to it.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use lockgate_store::words::Words;
use lockgate_store::{
    Body, Error, PieceHash, Record, Records, Scope, SessionDraft, Side, TitleSource, Written, verdicts,
};
use uuid::Uuid;

use crate::Database;
use crate::columns::{CALL, json, row_of};
use crate::driver::{Flavour, Row, Sql, Tx, Value};
use crate::fault::Fault;
use crate::insert::{Into, insert};
use crate::squeeze::squeeze;
use crate::stats::{mark, slot_of_record};
use crate::verdicts::{VERDICT, verdict_row};

/// A longer body is always among the pieces.
const INLINE: u64 = 8 << 10;

/// What is stored in a row of bodies at most: more would take a page of its own.
const CELL: usize = 900;

/// Pieces that one statement looks for.
const NEEDED: usize = 64;

#[async_trait]
impl Records for Database {
    async fn write(&self, batch: &[Record]) -> Result<Written, Error> {
        let fault = match self.write_all(batch).await {
            Ok(written) => return Ok(written),
            Err(fault) => fault,
        };
        match fault {
            Fault::Content(_) => Err(self.find_refused(batch, fault).await),
            Fault::Other(error) => Err(error),
        }
    }

    async fn known(&self, scope: &Scope) -> Result<HashSet<PieceHash>, Error> {
        self.known_pieces(scope).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn write_all(&self, batch: &[Record]) -> Result<Written, Fault> {
        if batch.is_empty() {
            return Ok(Written::default());
        }
        let mut tx = self.writers.write().await?;
        let written = write(&mut tx, batch).await?;
        tx.commit().await?;
        Ok(written)
    }

    /// Halves the batch until one record is left that is refused. Nothing stays written.
    async fn find_refused(&self, mut batch: &[Record], mut fault: Fault) -> Error {
        while batch.len() > 1 {
            let (first, second) = batch.split_at(batch.len() / 2);
            match self.try_out(first).await {
                // The whole was refused and the first half is not, so it is in the second.
                Ok(()) => batch = second,
                Err(Fault::Content(reason)) => {
                    fault = Fault::Content(reason);
                    batch = first;
                }
                Err(Fault::Other(error)) => return error,
            }
        }
        match batch.first() {
            Some(record) => fault.of_call(record.call.id),
            None => fault.plain(),
        }
    }

    async fn try_out(&self, batch: &[Record]) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        write(&mut tx, batch).await.map(|_| ())
    }

    async fn known_pieces(&self, scope: &Scope) -> Result<HashSet<PieceHash>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new("SELECT hash FROM pieces WHERE scope = ");
        match scope {
            Scope::Call(id) => {
                sql.add("(SELECT -seq FROM calls WHERE id = ").arg(id.to_string().as_str()).add(")")
            }
            Scope::Session(id) => sql.add("(SELECT seq FROM sessions WHERE id = ").arg(id.as_str()).add(")"),
        };
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(|row| hash_of(row.reader().blob()?)).collect()
    }
}

pub(crate) fn hash_of(bytes: &[u8]) -> Result<PieceHash, Fault> {
    let bytes = bytes.try_into().map_err(|_| Fault::damaged("the hash of a piece has the wrong length"))?;
    Ok(PieceHash::from_bytes(bytes))
}

async fn write(tx: &mut Tx, batch: &[Record]) -> Result<Written, Fault> {
    let by_id: BTreeMap<_, _> = batch.iter().rev().map(|record| (record.call.id, record)).collect();
    let sessions = upsert_sessions(tx, by_id.values().copied()).await?;
    let session_of = |record: &Record| {
        record.call.lineage.session.as_ref().and_then(|session| sessions.get(&session.id).copied())
    };
    let rows =
        by_id.values().map(|record| row_of(&record.call, session_of(record))).collect::<Result<_, _>>()?;
    let mut fresh = Vec::new();
    for (seq, id) in insert_calls(tx, by_id.keys().copied().collect(), rows).await? {
        if let Some(record) = by_id.get(&id) {
            fresh.push(Fresh { inline: Vec::new(), record, scope: session_of(record).unwrap_or(-seq), seq });
        }
    }
    insert_details(tx, &fresh).await?;
    insert_verdicts(tx, &fresh).await?;
    insert_bodies(tx, &mut fresh).await?;
    insert_pieces(tx, &fresh).await?;
    check_pieces(tx, &fresh).await?;
    insert_texts(tx, &fresh).await?;
    mark(tx, &fresh.iter().map(|one| slot_of_record(one.record)).collect()).await?;
    Ok(Written { calls: fresh.len(), repeated: batch.len() - fresh.len() })
}

/// Writes the rows of calls; the `seq` of those that were not there.
async fn insert_calls(tx: &mut Tx, ids: Vec<Uuid>, rows: Vec<Vec<Value>>) -> Result<Vec<(i64, Uuid)>, Fault> {
    let pair = |row: &Row| {
        let mut from = row.reader();
        Ok((from.int()?, crate::columns::id_of(&from.text()?)?))
    };
    if tx.flavour() == Flavour::Postgres {
        let then = "ON CONFLICT (id) DO NOTHING RETURNING seq, id";
        let into = Into { columns: &CALL, shapes: &[], table: "calls", then };
        return insert(tx, &into, rows).await?.iter().map(pair).collect();
    }
    // Nobody else writes, so the next number is known. To be told it for each row would cost a switch of threads for each.
    let last = tx.row(Sql::new("SELECT COALESCE(max(seq), 0) FROM calls")).await?;
    let last = last.map_or(Ok(0), |row| row.reader().int())?;
    let columns: Vec<_> = std::iter::once("seq").chain(CALL).collect();
    let numbered = (last + 1..).zip(rows).map(|(seq, row)| std::iter::once(seq.into()).chain(row).collect());
    let into = Into { columns: &columns, shapes: &[], table: "calls", then: "ON CONFLICT (id) DO NOTHING" };
    insert(tx, &into, numbered.collect()).await?;
    let numbered: Vec<_> = (last + 1..).zip(ids).collect();
    let there = tx.row(Sql::new("SELECT count(*) FROM calls WHERE seq > ").arg(last).take()).await?;
    if there.map_or(Ok(0), |row| row.reader().count())? == numbered.len() as u64 {
        return Ok(numbered);
    }
    // Rare: some are stored already.
    let rows = tx.rows(Sql::new("SELECT seq, id FROM calls WHERE seq > ").arg(last).take()).await?;
    rows.iter().map(pair).collect()
}

/// A call that was not there.
struct Fresh<'a> {
    /// The pieces that are stored with its bodies.
    inline: Vec<PieceHash>,
    record: &'a Record,
    /// The session's `seq`, or the call's own below zero.
    scope: i64,
    seq: i64,
}

const SESSION: [&str; 14] = [
    "id",
    "source",
    "title",
    "title_rank",
    "title_us",
    "title_words",
    "branch",
    "branch_us",
    "cwd",
    "cwd_us",
    "repo",
    "repo_us",
    "first_us",
    "last_us",
];

/// What `SessionDraft::absorb` does, as SQL.
fn merge_sessions() -> String {
    let when = |condition: &str, column: &str| {
        format!("{column} = CASE WHEN {condition} THEN excluded.{column} ELSE sessions.{column} END")
    };
    let later = "excluded.last_us >= sessions.last_us";
    let mut sets = vec![
        when(later, "source"),
        when("excluded.first_us < sessions.first_us", "first_us"),
        when(later, "last_us"),
    ];
    for column in ["branch", "cwd", "repo"] {
        let newer = format!(
            "excluded.{column}_us IS NOT NULL AND (sessions.{column}_us IS NULL OR excluded.{column}_us >= sessions.{column}_us)"
        );
        sets.push(when(&newer, column));
        sets.push(when(&newer, &format!("{column}_us")));
    }
    let first = TitleSource::First.rank();
    let better = format!(
        "excluded.title_rank > sessions.title_rank OR (excluded.title_rank = sessions.title_rank AND CASE WHEN \
         excluded.title_rank = {first} THEN excluded.title_us < sessions.title_us ELSE excluded.title_us > sessions.title_us END)"
    );
    for column in ["title", "title_rank", "title_us", "title_words"] {
        sets.push(when(&better, column));
    }
    format!("ON CONFLICT (id) DO UPDATE SET {} RETURNING seq, id", sets.join(", "))
}

/// The `seq` of every session of the batch.
async fn upsert_sessions<'a>(
    tx: &mut Tx,
    records: impl Iterator<Item = &'a Record>,
) -> Result<HashMap<String, i64>, Fault> {
    let mut sessions: BTreeMap<String, SessionDraft> = BTreeMap::new();
    for session in records.filter_map(SessionDraft::of) {
        match sessions.get_mut(&session.reference.id) {
            Some(known) => known.absorb(session),
            None => drop(sessions.insert(session.reference.id.clone(), session)),
        }
    }
    let then = merge_sessions();
    let into = Into { columns: &SESSION, shapes: &[], table: "sessions", then: &then };
    let rows = insert(tx, &into, sessions.values().map(session_row).collect()).await?;
    let pair = |row: &Row| {
        let mut from = row.reader();
        let seq = from.int()?;
        Ok((from.text()?, seq))
    };
    rows.iter().map(pair).collect()
}

fn session_row(session: &SessionDraft) -> Vec<Value> {
    let title = session.title.as_ref();
    let mut row = vec![
        session.reference.id.as_str().into(),
        session.reference.source.as_str().into(),
        title.map(|title| title.value.text.as_str()).into(),
        title.map_or(0, |title| i64::from(title.value.source.rank())).into(),
        title.map(|title| title.at_us).into(),
        title.map_or(String::new(), |title| title_words(&title.value.text)).as_str().into(),
    ];
    for fact in [&session.branch, &session.cwd, &session.repo] {
        row.push(fact.as_ref().map(|fact| fact.value.as_str()).into());
        row.push(fact.as_ref().map(|fact| fact.at_us).into());
    }
    row.push(session.first_us.into());
    row.push(session.last_us.into());
    row
}

/// The words of a title, each with a space before and after it.
pub(crate) fn title_words(title: &str) -> String {
    format!(" {} ", Words::of(title).joined())
}

async fn insert_details(tx: &mut Tx, fresh: &[Fresh<'_>]) -> Result<(), Fault> {
    let list = |is_empty: bool, text: Result<String, Fault>| -> Result<Value, Fault> {
        Ok(if is_empty { Value::Text(None) } else { text?.as_str().into() })
    };
    let mut rows = Vec::with_capacity(fresh.len());
    for one in fresh {
        let details = &one.record.details;
        rows.push(vec![
            one.seq.into(),
            list(details.attempts.is_empty(), json(&details.attempts))?,
            list(details.decisions.is_empty(), json(&details.decisions))?,
            list(details.losses.is_empty(), json(&details.losses))?,
            details.cost_parts.as_ref().map(json).transpose()?.as_deref().into(),
        ]);
    }
    let columns = &["call", "attempts", "decisions", "losses", "cost_parts"];
    insert(tx, &Into { columns, shapes: &[], table: "call_details", then: "" }, rows).await.map(|_| ())
}

async fn insert_verdicts(tx: &mut Tx, fresh: &[Fresh<'_>]) -> Result<(), Fault> {
    let (mut said, mut counts) = (Vec::new(), Vec::new());
    for one in fresh {
        let Record { call, details, .. } = one.record;
        let started_us = call.timing.started_us;
        said.extend(verdicts::rows(&details.decisions).map(|row| verdict_row(one.seq, started_us, &row)));
        if details.tool_calls > 0 {
            counts.push(vec![one.seq.into(), started_us.into(), i64::from(details.tool_calls).into()]);
        }
    }
    insert(tx, &Into { columns: &VERDICT, shapes: &[], table: "verdicts", then: "" }, said).await?;
    let columns = &["call", "started_us", "tool_calls"];
    insert(tx, &Into { columns, shapes: &[], table: "tool_counts", then: "" }, counts).await.map(|_| ())
}

/// The body of a call without a session as it is stored beside its size, if it is short and one piece.
fn inline(one: &Fresh<'_>, body: &Body) -> Option<Vec<u8>> {
    if one.scope > 0 || body.size > INLINE {
        return None;
    }
    let head = one.record.pieces.iter().find(|piece| piece.hash == body.head)?;
    // Otherwise it refers to others.
    (head.bytes.len() as u64 == body.size).then(|| squeeze(&head.bytes)).filter(|bytes| bytes.len() <= CELL)
}

async fn insert_bodies(tx: &mut Tx, fresh: &mut [Fresh<'_>]) -> Result<(), Fault> {
    let mut rows = Vec::with_capacity(fresh.len() * 2);
    for one in fresh {
        for body in &one.record.bodies {
            let bytes = inline(one, body);
            one.inline.extend(bytes.is_some().then_some(body.head));
            rows.push(vec![
                one.seq.into(),
                body.part.as_str().into(),
                body.kind.as_str().into(),
                body.head.as_bytes().to_vec().into(),
                body.size.into(),
                body.offsets.as_bytes().to_vec().into(),
                Value::Blob(bytes),
            ]);
        }
    }
    let columns = &["call", "part", "kind", "head", "size", "offsets", "bytes"];
    insert(tx, &Into { columns, shapes: &[], table: "bodies", then: "" }, rows).await.map(|_| ())
}

async fn insert_pieces(tx: &mut Tx, fresh: &[Fresh<'_>]) -> Result<(), Fault> {
    let mut pieces = BTreeMap::new();
    for one in fresh {
        for piece in one.record.pieces.iter().filter(|piece| !one.inline.contains(&piece.hash)) {
            pieces.entry((one.scope, piece.hash)).or_insert(piece.bytes.as_slice());
        }
    }
    let rows = pieces.into_iter().map(|((scope, hash), bytes)| {
        let size = bytes.len();
        vec![scope.into(), hash.as_bytes().to_vec().into(), size.into(), squeeze(bytes).into()]
    });
    let into = Into {
        columns: &["scope", "hash", "size", "bytes"],
        shapes: &[],
        table: "pieces",
        then: "ON CONFLICT (scope, hash) DO NOTHING",
    };
    insert(tx, &into, rows.collect()).await.map(|_| ())
}

/// That every piece is there to which a call refers without bringing it along.
async fn check_pieces(tx: &mut Tx, fresh: &[Fresh<'_>]) -> Result<(), Fault> {
    let mut needed = BTreeMap::new();
    for one in fresh {
        for hash in one.record.needs().map_err(|error| Fault::Content(error.to_string()))? {
            needed.entry((one.scope, hash)).or_insert(one.record.call.id);
        }
    }
    let wanted: Vec<_> = needed.keys().copied().collect();
    for some in wanted.chunks(NEEDED) {
        let mut sql = Sql::new("SELECT p.scope, p.hash FROM pieces p WHERE (p.scope, p.hash) IN (VALUES ");
        for (nth, (scope, hash)) in some.iter().enumerate() {
            sql.add(if nth == 0 { "(" } else { ", (" }).arg(*scope).add(", ");
            sql.arg(hash.as_bytes().to_vec()).add(")");
        }
        for row in tx.rows(sql.add(")").take()).await? {
            let mut from = row.reader();
            let scope = from.int()?;
            needed.remove(&(scope, hash_of(from.blob()?)?));
        }
    }
    match needed.into_iter().next() {
        None => Ok(()),
        Some(((_, missing), call)) => Err(Error::Unwoven { call, missing }.into()),
    }
}

/// Where the words of one side of a call are: `seq` of the call times eight, and the side.
pub(crate) const fn slot(call: i64, side: Side) -> i64 {
    call * 8
        + match side {
            Side::Assistant => 0,
            Side::System => 1,
            Side::Thinking => 2,
            Side::ToolInput => 3,
            Side::ToolResult => 4,
            Side::User => 5,
        }
}

async fn insert_texts(tx: &mut Tx, fresh: &[Fresh<'_>]) -> Result<(), Fault> {
    let mut slots: BTreeMap<i64, Words> = BTreeMap::new();
    for one in fresh {
        for text in &one.record.texts {
            slots.entry(slot(one.seq, text.side)).or_default().add(&text.text);
        }
    }
    let rows = slots
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(slot, words)| vec![slot.into(), words.joined().as_str().into()]);
    let into = match tx.flavour() {
        Flavour::Postgres => Into {
            columns: &["slot", "words"],
            shapes: &["?", "array_to_tsvector(string_to_array(?, ' '))"],
            table: "texts",
            then: "",
        },
        Flavour::Sqlite => Into { columns: &["rowid", "words"], shapes: &[], table: "texts", then: "" },
    };
    insert(tx, &into, rows.collect()).await.map(|_| ())
}
