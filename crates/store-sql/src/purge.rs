//! Deletes calls and what belongs to them, some hundred at a time, so that nobody waits long for the writer.
//!
//! Pieces of a session are shared by its calls: when a call goes and others stay, the pieces that none of those needs are looked for and
//! deleted too. What a purge deletes is gone from the rows, the pieces and the words; in SQLite's files it is overwritten, and the
//! write-ahead log emptied.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lockgate_store::stats::zone::slot_of;
use lockgate_store::{Error, Extent, PieceHash, Purge, Purged, Selection, rope};
use uuid::Uuid;

use crate::Database;
use crate::conditions;
use crate::driver::{Flavour, Sql, Tx, Value};
use crate::fault::Fault;
use crate::squeeze::unsqueeze;
use crate::stats::mark;
use crate::write::hash_of;

/// Calls that one transaction deletes.
const CALLS: usize = 200;

/// How long the index of words may take to forget.
const WORDS: Duration = Duration::from_secs(3);

#[async_trait]
impl Purge for Database {
    async fn purge(&self, what: &Selection, extent: Extent, dry_run: bool) -> Result<Purged, Error> {
        let purged = if dry_run { self.count(what, extent).await } else { self.delete(what, extent).await };
        purged.map_err(Fault::plain)
    }

    async fn scrub(&self) -> Result<(), Error> {
        self.forget_words().await.map_err(Fault::plain)?;
        self.writers.fold().await.map_err(Fault::plain)
    }

    async fn forget_comments(&self, what: &Selection) -> Result<(), Error> {
        self.delete_comments(what).await.map_err(Fault::plain)
    }

    async fn forget_approvals(&self, ids: &[String]) -> Result<u64, Error> {
        self.delete_questions(ids).await.map_err(Fault::plain)
    }

    async fn forget_verdicts(&self, calls: &[Uuid]) -> Result<u64, Error> {
        self.delete_verdicts(calls).await.map_err(Fault::plain)
    }
}

impl Database {
    /// A transaction that deletes, and overwrites what it deletes.
    pub(crate) async fn deleting(&self) -> Result<Tx, Fault> {
        let mut tx = self.writers.write().await?;
        if tx.flavour() == Flavour::Sqlite {
            // Not for good: the index of words deletes pages of its own all the time, for which nobody has to pay.
            tx.script("PRAGMA secure_delete = on").await?;
        }
        Ok(tx)
    }

    /// The index of words learns of a deletion by another entry, and forgets the word when it merges both: lets it do so now, step by step, but
    /// not for ever, since a large index takes minutes.
    async fn forget_words(&self) -> Result<(), Fault> {
        if self.writers.flavour() == Flavour::Postgres {
            return Ok(());
        }
        let end = Instant::now() + WORDS;
        let mut still = true;
        while still && Instant::now() < end {
            let mut tx = self.deleting().await?;
            let before = changes(&mut tx).await?;
            tx.run(Sql::new("INSERT INTO texts (texts, rank) VALUES ('merge', -200)")).await?;
            // One is for the statement itself.
            still = changes(&mut tx).await? - before > 1;
            tx.commit().await?;
        }
        let mut tx = self.writers.write().await?;
        tx.script("PRAGMA secure_delete = off").await?;
        tx.commit().await
    }

    async fn count(&self, what: &Selection, extent: Extent) -> Result<Purged, Fault> {
        let mut purged = Purged::default();
        let mut tx = self.readers.read(self.statement_timeout).await?;
        for part in parts(what) {
            let mut sql = Sql::new("SELECT count(*) FROM calls c WHERE ");
            selected(&mut sql, &part, extent);
            let row = tx.row(sql).await?;
            purged.calls += row.map_or(Ok(0), |row| row.reader().count())?;
        }
        if extent == Extent::Everything {
            purged.sessions = emptied(&mut tx, what).await?;
        }
        tx.commit().await?;
        Ok(purged)
    }

    async fn delete(&self, what: &Selection, extent: Extent) -> Result<Purged, Fault> {
        let mut purged = Purged::default();
        if matches!(what, Selection::OlderOf(..)) {
            // Which class a question belongs to, only its call says.
            self.delete_approvals(what).await?;
        }
        for part in parts(what) {
            loop {
                let (calls, sessions) = self.delete_some(&part, extent).await?;
                purged.calls += calls;
                purged.sessions += sessions;
                if calls < CALLS as u64 {
                    break;
                }
            }
        }
        for part in parts(what) {
            self.delete_approvals(&part).await?;
        }
        match (extent, what) {
            (Extent::Contents, _) => self.delete_comments(what).await?,
            (Extent::Everything, Selection::Session(id)) => {
                purged.sessions += self.delete_empty_session(id).await?;
            }
            (Extent::Everything, _) => {}
        }
        Ok(purged)
    }

    /// One transaction: the first calls of the selection.
    async fn delete_some(&self, what: &Selection, extent: Extent) -> Result<(u64, u64), Fault> {
        let mut tx = self.deleting().await?;
        let mut sql = Sql::new("SELECT c.seq, c.session, c.started_us FROM calls c WHERE ");
        selected(&mut sql, what, extent);
        let rows = tx.rows(sql.add(" ORDER BY c.seq LIMIT ").arg(CALLS).take()).await?;
        let mut calls = Vec::with_capacity(rows.len());
        let (mut sessions, mut slots) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let mut from = row.reader();
            calls.push(from.int()?);
            sessions.extend(from.int_or_none()?);
            slots.insert(slot_of(from.int()?));
        }
        if calls.is_empty() {
            return Ok((0, 0));
        }
        lock(&mut tx, &sessions).await?;
        delete_contents(&mut tx, &calls).await?;
        let mut emptied = 0;
        if extent == Extent::Everything {
            for table in ["call_details", "feedback", "tool_counts", "verdict_labels", "verdicts"] {
                delete_in(&mut tx, table, "call", calls.iter().copied()).await?;
            }
            delete_in(&mut tx, "calls", "seq", calls.iter().copied()).await?;
            mark(&mut tx, &slots).await?;
        }
        for session in sessions {
            emptied += delete_if_empty(&mut tx, session, extent).await?;
            sweep(&mut tx, session).await?;
        }
        tx.commit().await?;
        Ok((calls.len() as u64, emptied))
    }

    /// What people were asked: it holds contents of calls. An answer that stands goes only where somebody says whose it is, not by age.
    async fn delete_approvals(&self, what: &Selection) -> Result<(), Fault> {
        let mut sql = Sql::new("DELETE FROM approvals WHERE ");
        match what {
            Selection::Calls(ids) => {
                sql.add("call_id IN (");
                sql.args(ids.iter().map(|id| Value::from(id.to_string().as_str()))).add(")")
            }
            Selection::Key(key) => sql.add("key_name = ").arg(key.as_str()),
            Selection::OlderOf(at_us, _) => {
                sql.add("asked_us < ").arg(*at_us);
                sql.add(" AND NOT (COALESCE(holds, 'once') = 'always' AND revoked_us IS NULL)");
                sql.add(" AND call_id IN (SELECT c.id FROM calls c WHERE ");
                selected(&mut sql, what, Extent::Everything);
                sql.add(")")
            }
            Selection::OlderThan(at_us) => {
                sql.add("asked_us < ").arg(*at_us);
                sql.add(" AND NOT (COALESCE(holds, 'once') = 'always' AND revoked_us IS NULL)")
            }
            Selection::Session(id) => sql.add("session = ").arg(id.as_str()),
            Selection::User(user) => sql.add("user_name = ").arg(user.as_str()),
        };
        let mut tx = self.deleting().await?;
        tx.run(sql).await?;
        tx.commit().await
    }

    /// What was said in words of calls, with contents or without, and of sessions as a whole: of the one that is named, and of those that have no contents any
    /// more, nor calls that are younger than what goes by age.
    async fn delete_comments(&self, what: &Selection) -> Result<(), Fault> {
        let mut tx = self.deleting().await?;
        for part in parts(what) {
            let mut sql = Sql::new("UPDATE feedback SET comment = NULL WHERE comment IS NOT NULL AND ");
            sql.add("EXISTS (SELECT 1 FROM calls c WHERE c.seq = feedback.call AND ");
            selected(&mut sql, &part, Extent::Everything);
            tx.run(sql.add(")").take()).await?;
        }
        if matches!(what, Selection::Calls(_)) {
            // Of their sessions more may be left than is known here.
            return tx.commit().await;
        }
        let mut sql =
            Sql::new("UPDATE feedback SET comment = NULL WHERE comment IS NOT NULL AND call IS NULL AND ");
        if let Selection::Session(id) = what {
            sql.add("session = (SELECT seq FROM sessions WHERE id = ").arg(id.as_str()).add(")");
        } else {
            sql.add("EXISTS (SELECT 1 FROM calls c WHERE c.session = feedback.session AND ");
            selected(&mut sql, what, Extent::Everything);
            sql.add(") AND NOT EXISTS (SELECT 1 FROM calls c JOIN bodies b ON b.call = c.seq");
            sql.add(" WHERE c.session = feedback.session)");
        }
        if let Selection::OlderOf(at_us, _) | Selection::OlderThan(at_us) = what {
            sql.add(" AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.session = feedback.session");
            sql.add(" AND c.started_us >= ").arg(*at_us).add(")");
        }
        tx.run(sql).await?;
        tx.commit().await
    }

    /// A session that had no calls any more.
    async fn delete_empty_session(&self, id: &str) -> Result<u64, Fault> {
        let mut tx = self.deleting().await?;
        let row = tx.row(Sql::new("SELECT seq FROM sessions WHERE id = ").arg(id).take()).await?;
        let Some(row) = row else { return Ok(0) };
        let gone = delete_if_empty(&mut tx, row.reader().int()?, Extent::Everything).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// Rows that this connection has changed so far.
async fn changes(tx: &mut Tx) -> Result<i64, Fault> {
    let row = tx.row(Sql::new("SELECT total_changes()")).await?;
    row.map_or(Ok(0), |row| row.reader().int())
}

/// A list of calls in portions that a statement can take.
fn parts(what: &Selection) -> Vec<Selection> {
    match what {
        Selection::Calls(ids) => ids.chunks(CALLS).map(|ids| Selection::Calls(ids.to_vec())).collect(),
        Selection::Key(_)
        | Selection::OlderOf(..)
        | Selection::OlderThan(_)
        | Selection::Session(_)
        | Selection::User(_) => vec![what.clone()],
    }
}

/// The condition on calls (`c`). Calls without contents are not selected where only contents are to go, so that portions end.
fn selected(sql: &mut Sql, what: &Selection, extent: Extent) {
    match what {
        Selection::Calls(ids) => {
            sql.add("c.id IN (").args(ids.iter().map(|id| Value::from(id.to_string().as_str()))).add(")")
        }
        Selection::Key(key) => sql.add("c.key_name = ").arg(key.as_str()),
        Selection::OlderOf(at_us, class) => {
            sql.add("c.started_us < ").arg(*at_us);
            conditions::classified(sql, *class)
        }
        Selection::OlderThan(at_us) => sql.add("c.started_us < ").arg(*at_us),
        Selection::Session(id) => {
            sql.add("c.session = (SELECT seq FROM sessions WHERE id = ").arg(id.as_str()).add(")")
        }
        Selection::User(user) => sql.add("c.user_name = ").arg(user.as_str()),
    };
    if extent == Extent::Contents {
        sql.add(" AND EXISTS (SELECT 1 FROM bodies b WHERE b.call = c.seq)");
    }
}

/// How many sessions the selection would leave without calls.
async fn emptied(tx: &mut Tx, what: &Selection) -> Result<u64, Fault> {
    let mut selected_calls: HashMap<i64, i64> = HashMap::new();
    for part in parts(what) {
        let mut sql = Sql::new("SELECT c.session, count(*) FROM calls c WHERE c.session IS NOT NULL AND ");
        selected(&mut sql, &part, Extent::Everything);
        for row in tx.rows(sql.add(" GROUP BY c.session").take()).await? {
            let mut from = row.reader();
            let (session, calls) = (from.int()?, from.int()?);
            *selected_calls.entry(session).or_default() += calls;
        }
    }
    let sessions: Vec<_> = selected_calls.keys().copied().collect();
    let mut count = 0;
    for some in sessions.chunks(CALLS) {
        let mut sql = Sql::new("SELECT session, count(*) FROM calls WHERE session IN (");
        for row in tx.rows(sql.args(some.iter().copied()).add(") GROUP BY session").take()).await? {
            let mut from = row.reader();
            let (session, all) = (from.int()?, from.int()?);
            count += u64::from(selected_calls.get(&session) == Some(&all));
        }
    }
    Ok(count)
}

/// Bodies and words of these calls, what was said of them in words, and the pieces of those without a session.
async fn delete_contents(tx: &mut Tx, calls: &[i64]) -> Result<(), Fault> {
    let slot = match tx.flavour() {
        Flavour::Postgres => "slot",
        Flavour::Sqlite => "rowid",
    };
    let mut sql = Sql::new("UPDATE feedback SET comment = NULL WHERE call IN (");
    tx.run(sql.args(calls.iter().copied()).add(")").take()).await?;
    delete_in(tx, "bodies", "call", calls.iter().copied()).await?;
    delete_in(tx, "pieces", "scope", calls.iter().map(|call| -call)).await?;
    delete_in(tx, "texts", slot, calls.iter().flat_map(|call| call * 8..call * 8 + 8)).await
}

async fn delete_in(
    tx: &mut Tx,
    table: &str,
    column: &str,
    values: impl Iterator<Item = i64>,
) -> Result<(), Fault> {
    let mut sql = Sql::new("DELETE FROM ");
    sql.add(table).add(" WHERE ").add(column).add(" IN (").args(values).add(")");
    tx.run(sql).await.map(|_| ())
}

/// Keeps writers away from these sessions: what they count on must not be deleted between their look and their end.
async fn lock(tx: &mut Tx, sessions: &BTreeSet<i64>) -> Result<(), Fault> {
    for session in sessions {
        tx.run(Sql::new("UPDATE sessions SET source = source WHERE seq = ").arg(*session).take()).await?;
    }
    Ok(())
}

/// The row of a session that has no calls; 1 if it went.
async fn delete_if_empty(tx: &mut Tx, session: i64, extent: Extent) -> Result<u64, Fault> {
    if extent == Extent::Contents {
        return Ok(0);
    }
    let mut sql = Sql::new("DELETE FROM sessions WHERE seq = ");
    sql.arg(session).add(" AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.session = ").arg(session).add(")");
    let gone = tx.run(sql).await?;
    if gone > 0 {
        delete_in(tx, "feedback", "session", [session].into_iter()).await?;
    }
    Ok(gone)
}

/// The pieces of a session that no body refers to any more.
async fn sweep(tx: &mut Tx, session: i64) -> Result<(), Fault> {
    let mut sql =
        Sql::new("SELECT DISTINCT b.head FROM bodies b JOIN calls c ON c.seq = b.call WHERE c.session = ");
    let heads = tx.rows(sql.arg(session).take()).await?;
    let mut open: Vec<PieceHash> =
        heads.iter().map(|row| hash_of(row.reader().blob()?)).collect::<Result<_, _>>()?;
    if open.is_empty() {
        return delete_in(tx, "pieces", "scope", [session].into_iter()).await;
    }
    let mut inner = references(tx, session).await?;
    while let Some(hash) = open.pop() {
        // A piece is needed once it was taken out.
        if let Some(refers) = inner.remove(&hash) {
            open.extend(refers);
        }
    }
    let dead: Vec<_> = inner.into_keys().collect();
    for hashes in dead.chunks(CALLS) {
        let mut sql = Sql::new("DELETE FROM pieces WHERE scope = ");
        sql.arg(session).add(" AND hash IN (");
        sql.args(hashes.iter().map(|hash| hash.as_bytes().to_vec())).add(")");
        tx.run(sql).await?;
    }
    Ok(())
}

/// Every piece of a scope and what it refers to, some at a time.
async fn references(tx: &mut Tx, scope: i64) -> Result<HashMap<PieceHash, Vec<PieceHash>>, Fault> {
    let mut found = HashMap::new();
    let mut after = Vec::new();
    loop {
        let mut sql = Sql::new("SELECT hash, size, bytes FROM pieces WHERE scope = ");
        sql.arg(scope).add(" AND hash > ").arg(after.clone()).add(" ORDER BY hash LIMIT ").arg(CALLS);
        let rows = tx.rows(sql).await?;
        for row in &rows {
            let mut from = row.reader();
            after = from.blob()?.to_vec();
            let hash = hash_of(&after)?;
            let size = from.count()? as usize;
            let bytes = unsqueeze(from.blob()?, size)?;
            found.insert(hash, rope::references(&hash, &bytes).map_err(Error::from)?);
        }
        if rows.len() < CALLS {
            return Ok(found);
        }
    }
}
