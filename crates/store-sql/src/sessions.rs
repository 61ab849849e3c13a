//! Reads sessions and names them. Sums come from the calls, when they are asked for.

use std::collections::HashMap;

use async_trait::async_trait;
use lockgate_store::{
    Call, Error, Filter, Page, PageRequest, Session, SessionOrder, SessionRef, Sessions, Title, TitleSource,
    Totals,
};

use crate::Database;
use crate::columns::{call_of, client_of, principal_of, select_calls};
use crate::conditions;
use crate::driver::{Flavour, Row, Sql, Tx};
use crate::fault::Fault;
use crate::stats::{one_moment, sessions_with};
use crate::walk::{Having, Lead, Placed, Walk};
use crate::write::title_words;

/// A session, and the facts that its latest call has.
const SELECT: &str = "SELECT s.seq, s.id, s.source, s.title, s.title_rank, s.branch, s.cwd, s.repo, \
     l.client_name, l.client_version, l.user_agent, l.key_name, l.user_name, l.project, l.data_class, s.first_us, s.last_us \
     FROM sessions s LEFT JOIN calls l ON l.seq = \
     (SELECT n.seq FROM calls n WHERE n.session = s.seq ORDER BY n.started_us DESC, n.seq DESC LIMIT 1)";

#[async_trait]
impl Sessions for Database {
    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        self.one_session(id).await.map_err(Fault::plain)
    }

    async fn session_of(&self, id: &str, user: &str) -> Result<Option<Session>, Error> {
        self.session_of_user(id, user).await.map_err(Fault::plain)
    }

    async fn sessions(
        &self,
        filter: &Filter,
        order: SessionOrder,
        page: &PageRequest,
    ) -> Result<Page<Session>, Error> {
        self.page_of_sessions(filter, order, page).await.map_err(Fault::plain)
    }

    async fn calls(&self, id: &str, limit: usize) -> Result<Vec<Call>, Error> {
        self.calls_of(id, limit).await.map_err(Fault::plain)
    }

    async fn entitle(&self, id: &str, title: &str, at_us: i64) -> Result<bool, Error> {
        self.name_session(id, title, (TitleSource::Generated, at_us)).await.map_err(Fault::plain)
    }

    async fn rename(&self, id: &str, title: &str) -> Result<bool, Error> {
        self.name_session(id, title, (TitleSource::Edited, i64::MAX)).await.map_err(Fault::plain)
    }
}

/// A row of sessions, and by which of its times it was found.
struct Listed {
    at_us: i64,
    seq: i64,
    session: Session,
}

impl Placed for Listed {
    fn place(&self) -> (i64, i64) {
        (self.at_us, self.seq)
    }
}

impl Database {
    async fn one_session(&self, id: &str) -> Result<Option<Session>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let row = tx.row(Sql::new(SELECT).add(" WHERE s.id = ").arg(id).take()).await?;
        let Some((seq, mut session)) = row.as_ref().map(session_of).transpose()? else { return Ok(None) };
        session.totals = totals(&mut tx, &[seq], None).await?.remove(&seq).unwrap_or_default();
        tx.commit().await?;
        Ok(Some(session))
    }

    async fn session_of_user(&self, id: &str, user: &str) -> Result<Option<Session>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let row = tx.row(Sql::new(SELECT).add(" WHERE s.id = ").arg(id).take()).await?;
        let Some((seq, session)) = row.as_ref().map(session_of).transpose()? else { return Ok(None) };
        let Some(session) = part(&mut tx, (seq, session), user).await? else { return Ok(None) };
        let totals = totals(&mut tx, &[seq], Some(user)).await?.remove(&seq).unwrap_or_default();
        tx.commit().await?;
        Ok(Some(Session { totals, ..session }))
    }

    async fn page_of_sessions(
        &self,
        filter: &Filter,
        order: SessionOrder,
        page: &PageRequest,
    ) -> Result<Page<Session>, Fault> {
        let flavour = self.readers.flavour();
        let query = || {
            let mut sql = Sql::new(SELECT);
            sql.add(" WHERE ");
            having_calls(&mut sql, flavour, filter);
            sql
        };
        let (oldest, time) = match order {
            SessionOrder::Activity => ("SELECT min(last_us) FROM sessions", "s.last_us"),
            SessionOrder::Start => ("SELECT min(first_us) FROM sessions", "s.first_us"),
        };
        let mut tx = self.readers.read(self.statement_timeout).await?;
        one_moment(&mut tx).await?;
        let lead = lead(&mut tx, filter).await?;
        let walk = Walk { budget: self.page_budget, lead, oldest, query: &query, order: (time, "s.seq") };
        let read = |row: &Row| {
            let (seq, session) = session_of(row)?;
            let at_us = match order {
                SessionOrder::Activity => session.last_us,
                SessionOrder::Start => session.first_us,
            };
            Ok(Listed { at_us, seq, session })
        };
        let mut page = walk.page(&mut tx, page, read).await?;
        let seqs: Vec<_> = page.items.iter().map(|listed| listed.seq).collect();
        let whose = filter.user.as_deref().filter(|_| filter.alone);
        if let Some(user) = whose {
            for listed in &mut page.items {
                if let Some(part) = part(&mut tx, (listed.seq, listed.session.clone()), user).await? {
                    listed.session = part;
                }
            }
        }
        let mut totals = totals(&mut tx, &seqs, whose).await?;
        tx.commit().await?;
        let with_totals = |listed: Listed| {
            let totals = totals.remove(&listed.seq).unwrap_or_default();
            Session { totals, ..listed.session }
        };
        Ok(Page { items: page.items.into_iter().map(with_totals).collect(), next: page.next })
    }

    async fn calls_of(&self, id: &str, limit: usize) -> Result<Vec<Call>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new(&select_calls());
        sql.add(" WHERE c.session = (SELECT seq FROM sessions WHERE id = ").arg(id);
        sql.add(") ORDER BY c.started_us, c.seq LIMIT ").arg(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(|row| Ok(call_of(row)?.1)).collect()
    }

    /// Unless it has a title that counts more.
    async fn name_session(
        &self,
        id: &str,
        title: &str,
        (source, at_us): (TitleSource, i64),
    ) -> Result<bool, Fault> {
        let rank = i64::from(source.rank());
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("UPDATE sessions SET title = ");
        sql.arg(title).add(", title_words = ").arg(title_words(title).as_str());
        sql.add(", title_us = ").arg(at_us);
        sql.add(", title_rank = ").arg(rank).add(" WHERE id = ").arg(id);
        sql.add(" AND title_rank <= ").arg(rank);
        let changed = tx.run(sql).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }
}

/// What leads to the sessions for which a filter holds. Words lead by themselves.
async fn lead(tx: &mut Tx, filter: &Filter) -> Result<Lead<'static>, Fault> {
    if *filter == Filter::default() {
        return Ok(Lead::Index);
    }
    if filter.text.is_some() {
        return Ok(Lead::Windows);
    }
    let (from_us, to_us) = (filter.from_us, filter.to_us);
    let sessions = sessions_with(tx, filter).await?;
    Ok(sessions.map_or(Lead::Windows, |sessions| Lead::Sessions(Having { from_us, sessions, to_us })))
}

/// That a session has a call for which all conditions hold; a title may hold the words in a call's stead.
fn having_calls(sql: &mut Sql, flavour: Flavour, filter: &Filter) {
    let calls = Filter { branch: None, repo: None, session: None, ..filter.clone() };
    let rest = Filter { text: None, ..calls.clone() };
    sql.add("1 = 1");
    for (column, value) in [("s.branch", &filter.branch), ("s.repo", &filter.repo)] {
        if let Some(value) = value {
            sql.add(" AND ").add(column).add(" = ").arg(value.as_str());
            conditions::speaks(sql, filter);
        }
    }
    if let Some(text) = &filter.text {
        // Words lead to few calls, from which the sessions follow.
        sql.add(" AND (s.seq IN (SELECT c.session FROM calls c WHERE c.session IS NOT NULL");
        conditions::add(sql, flavour, &calls);
        sql.add(") OR (");
        conditions::title_has_words(sql, text);
        conditions::speaks(sql, filter);
        exists(sql, flavour, &rest);
        sql.add("))");
    } else {
        exists(sql, flavour, &rest);
    }
}

fn exists(sql: &mut Sql, flavour: Flavour, filter: &Filter) {
    if *filter == Filter::default() {
        return;
    }
    sql.add(" AND EXISTS (SELECT 1 FROM calls c WHERE c.session = s.seq");
    conditions::add(sql, flavour, filter);
    sql.add(")");
}

fn session_of(row: &Row) -> Result<(i64, Session), Fault> {
    let mut from = row.reader();
    let seq = from.int()?;
    let reference = SessionRef { id: from.text()?, source: from.text()? };
    let (title, rank) = (from.text_or_none()?, from.int()?);
    let source = TitleSource::ALL.iter().copied().find(|source| i64::from(source.rank()) == rank);
    let title = title.zip(source).map(|(text, source)| Title { source, text });
    let (branch, cwd, repo) = (from.text_or_none()?, from.text_or_none()?, from.text_or_none()?);
    let (client, principal) = (client_of(&mut from)?, principal_of(&mut from)?);
    let (first_us, last_us) = (from.int()?, from.int()?);
    let totals = Totals::default();
    let session =
        Session { branch, client, cwd, first_us, last_us, principal, reference, repo, title, totals };
    Ok((seq, session))
}

/// A session as the calls of one user make it, but for the sums. `None` = none of its calls is theirs.
async fn part(tx: &mut Tx, (seq, session): (i64, Session), user: &str) -> Result<Option<Session>, Fault> {
    let mut sql = Sql::new(
        "SELECT l.client_name, l.client_version, l.user_agent, l.key_name, l.user_name, l.project, l.data_class \
         FROM calls l WHERE l.session = ",
    );
    sql.arg(seq).add(" AND l.user_name = ").arg(user);
    let Some(latest) = tx.row(sql.add(" ORDER BY l.started_us DESC, l.seq DESC LIMIT 1").take()).await?
    else {
        return Ok(None);
    };
    let mut sql = Sql::new("SELECT o.seq FROM calls o WHERE o.session = ");
    sql.arg(seq).add(" AND (o.user_name IS NULL OR o.user_name <> ").arg(user).add(") LIMIT 1");
    if tx.row(sql).await?.is_none() {
        return Ok(Some(session));
    }
    let mut sql = Sql::new("SELECT min(started_us), max(started_us) FROM calls WHERE session = ");
    let times = tx.row(sql.arg(seq).add(" AND user_name = ").arg(user).take()).await?;
    let (first_us, last_us) = match times.as_ref().map(Row::reader) {
        Some(mut from) => (from.int()?, from.int()?),
        None => (session.first_us, session.last_us),
    };
    let mut from = latest.reader();
    let (client, principal) = (client_of(&mut from)?, principal_of(&mut from)?);
    let (branch, cwd, repo, title) = (None, None, None, None);
    Ok(Some(Session { branch, client, cwd, first_us, last_us, principal, repo, title, ..session }))
}

/// Sums over the calls of these sessions, or over those of one user.
async fn totals(tx: &mut Tx, sessions: &[i64], whose: Option<&str>) -> Result<HashMap<i64, Totals>, Fault> {
    if sessions.is_empty() {
        return Ok(HashMap::new());
    }
    let sum = |what: &str| format!("CAST(COALESCE(sum({what}), 0) AS BIGINT)");
    let sums = [
        sum("cache_read"),
        sum("COALESCE(cache_write_5m, 0) + COALESCE(cache_write_1h, 0)"),
        "count(*)".to_owned(),
        sum("cost_nano"),
        sum("CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END"),
        sum("input_uncached"),
        sum("intervened"),
        sum("output"),
        sum("CASE WHEN cost_nano IS NULL THEN 1 ELSE 0 END"),
    ];
    let mut sql = Sql::new("SELECT session, ");
    sql.add(&sums.join(", ")).add(" FROM calls WHERE session IN (");
    sql.args(sessions.iter().copied()).add(")");
    if let Some(user) = whose {
        sql.add(" AND user_name = ").arg(user);
    }
    sql.add(" GROUP BY session");
    let mut totals = HashMap::new();
    for row in tx.rows(sql).await? {
        let mut from = row.reader();
        let session = from.int()?;
        let sums = Totals {
            cache_read: from.count()?,
            cache_write: from.count()?,
            calls: from.count()?,
            cost_nano: from.int()?,
            failed: from.count()?,
            input_uncached: from.count()?,
            intervened: from.count()?,
            output: from.count()?,
            unpriced: from.count()?,
        };
        totals.insert(session, sums);
    }
    Ok(totals)
}
