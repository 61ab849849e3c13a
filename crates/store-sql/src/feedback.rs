//! Opinions in their table: a row for each author and call or session. They come after their call and go with it.

use async_trait::async_trait;
use lockgate_store::access::AuditEntry;
use lockgate_store::stats::{Dimension, Slice};
use lockgate_store::{
    Cursor, Error, Feedback, FeedbackFilter, FeedbackSource, Feedbacks, Opinions, Page, PageRequest,
};
use uuid::Uuid;

use crate::Database;
use crate::access::add_entry;
use crate::columns::{id_of, json, read_json, word};
use crate::driver::{Row, Sql, Tx, Value};
use crate::fault::Fault;
use crate::stats::opinions_about;

/// Groups of calls that are told of, at most.
const GROUPS: usize = 1_000;

#[async_trait]
impl Feedbacks for Database {
    async fn say(&self, said: &Feedback, entry: &AuditEntry) -> Result<Option<Uuid>, Error> {
        self.put_feedback(said, entry).await.map_err(Fault::plain)
    }

    async fn feedback(&self, id: Uuid) -> Result<Option<Feedback>, Error> {
        let mut sql = select();
        sql.add(" WHERE f.id = ").arg(id.to_string().as_str());
        let found = self.feedback_of(sql).await.map_err(Fault::plain)?;
        Ok(found.into_iter().next().map(|(_, feedback)| feedback))
    }

    async fn feedbacks(&self, filter: &FeedbackFilter, page: &PageRequest) -> Result<Page<Feedback>, Error> {
        self.page_of_feedback(filter, page).await.map_err(Fault::plain)
    }

    async fn unsay(&self, id: Uuid, entry: &AuditEntry) -> Result<bool, Error> {
        self.delete_feedback(id, entry).await.map_err(Fault::plain)
    }

    async fn opinions(&self, slice: &Slice, by: &[Dimension]) -> Result<Vec<Opinions>, Error> {
        self.count_opinions(slice, by).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn put_feedback(&self, said: &Feedback, entry: &AuditEntry) -> Result<Option<Uuid>, Fault> {
        let mut tx = self.writers.write().await?;
        let Some((call, session)) = subject(&mut tx, said).await? else { return Ok(None) };
        let mut sql = Sql::new(
            "INSERT INTO feedback (id, call, session, score_milli, labels, comment, source, author, at_us) VALUES (",
        );
        let values: [Value; 9] = [
            said.id.to_string().as_str().into(),
            call.into(),
            session.into(),
            said.score_milli.into(),
            json(&said.labels)?.as_str().into(),
            (&said.comment).into(),
            said.source.as_str().into(),
            said.author.as_str().into(),
            said.at_us.into(),
        ];
        // Two may speak at once: one row is left, with the words of the second one.
        sql.args(values).add(match call {
            Some(_) => ") ON CONFLICT (call, source, author) WHERE call IS NOT NULL",
            None => ") ON CONFLICT (session, source, author) WHERE call IS NULL",
        });
        sql.add(" DO UPDATE SET session = excluded.session, score_milli = excluded.score_milli, labels = excluded.labels,");
        sql.add(" comment = excluded.comment, at_us = excluded.at_us RETURNING id");
        let row = tx.row(sql).await?;
        let id = row.map_or(Ok(said.id), |row| id_of(&row.reader().text()?))?;
        add_entry(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    async fn delete_feedback(&self, id: Uuid, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("DELETE FROM feedback WHERE id = ");
        if tx.run(sql.arg(id.to_string().as_str()).take()).await? == 0 {
            return Ok(false);
        }
        add_entry(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn feedback_of(&self, sql: Sql) -> Result<Vec<(i64, Feedback)>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(feedback_of).collect()
    }

    async fn page_of_feedback(
        &self,
        filter: &FeedbackFilter,
        page: &PageRequest,
    ) -> Result<Page<Feedback>, Fault> {
        let mut sql = select();
        sql.add(" WHERE 1 = 1");
        conditions(&mut sql, filter);
        if let Some(after) = &page.after {
            let seq: i64 = after.id.parse().unwrap_or(i64::MAX);
            sql.add(" AND (f.at_us, f.seq) < (").arg(after.at_us).add(", ").arg(seq).add(")");
        }
        let wanted = page.limit.number();
        sql.add(" ORDER BY f.at_us DESC, f.seq DESC LIMIT ").arg(wanted + 1);
        let mut found = self.feedback_of(sql).await?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        let last = found.last().filter(|_| more);
        let next = last.map(|(seq, feedback)| Cursor { at_us: feedback.at_us, id: seq.to_string() });
        Ok(Page { items: found.into_iter().map(|(_, feedback)| feedback).collect(), next })
    }

    async fn count_opinions(&self, slice: &Slice, by: &[Dimension]) -> Result<Vec<Opinions>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = opinions_about(slice, by);
        let rows = tx.rows(sql.add(" LIMIT ").arg(GROUPS).take()).await?;
        tx.commit().await?;
        rows.iter()
            .map(|row| {
                let mut from = row.reader();
                let group = by.iter().map(|_| from.text_or_none()).collect::<Result<_, _>>()?;
                let (opinions, calls) = (from.count()?, from.count()?);
                let (good, bad) = (from.count()?, from.count()?);
                Ok(Opinions { bad, calls, good, group, opinions, score_milli: from.int()? })
            })
            .collect()
    }
}

/// The numbers of the call and the session that an opinion is about.
async fn subject(tx: &mut Tx, said: &Feedback) -> Result<Option<(Option<i64>, Option<i64>)>, Fault> {
    if let Some(call) = said.call {
        let mut sql = Sql::new("SELECT seq, session FROM calls WHERE id = ");
        let row = tx.row(sql.arg(call.to_string().as_str()).take()).await?;
        let read = |row: Row| {
            let mut from = row.reader();
            Ok::<_, Fault>((Some(from.int()?), from.int_or_none()?))
        };
        return row.map(read).transpose();
    }
    let Some(session) = &said.session else { return Ok(None) };
    let mut sql = Sql::new("SELECT seq FROM sessions WHERE id = ");
    let row = tx.row(sql.arg(session.as_str()).take()).await?;
    row.map(|row| Ok((None, Some(row.reader().int()?)))).transpose()
}

fn select() -> Sql {
    Sql::new(
        "SELECT f.seq, f.id, c.id, s.id, f.score_milli, f.labels, f.comment, f.source, f.author, f.at_us FROM feedback f \
         LEFT JOIN calls c ON c.seq = f.call LEFT JOIN sessions s ON s.seq = f.session",
    )
}

fn conditions(sql: &mut Sql, filter: &FeedbackFilter) {
    if let Some(author) = &filter.author {
        sql.add(" AND f.author = ").arg(author.as_str());
    }
    if let Some(call) = filter.call {
        sql.add(" AND f.call = (SELECT seq FROM calls WHERE id = ").arg(call.to_string().as_str()).add(")");
    }
    if let Some(session) = &filter.session {
        sql.add(" AND f.session = (SELECT seq FROM sessions WHERE id = ").arg(session.as_str()).add(")");
    }
    if let Some(source) = filter.source {
        sql.add(" AND f.source = ").arg(source.as_str());
    }
    if let Some(user) = &filter.user {
        sql.add(" AND (c.user_name = ").arg(user.as_str());
        sql.add(" OR (f.call IS NULL AND EXISTS (SELECT 1 FROM calls o WHERE o.session = f.session");
        sql.add(" AND o.user_name = ").arg(user.as_str()).add(")))");
    }
    for (condition, value) in [
        (" AND f.at_us >= ", filter.from_us),
        (" AND f.at_us < ", filter.to_us),
        (" AND f.score_milli >= ", filter.score_from),
        (" AND f.score_milli <= ", filter.score_to),
    ] {
        if let Some(value) = value {
            sql.add(condition).arg(value);
        }
    }
}

fn feedback_of(row: &Row) -> Result<(i64, Feedback), Fault> {
    let mut from = row.reader();
    let seq = from.int()?;
    let id = id_of(&from.text()?)?;
    let call = from.text_or_none()?.map(|id| id_of(&id)).transpose()?;
    let session = from.text_or_none()?;
    let score_milli = from.int()?;
    let labels = read_json(Some(&from.text()?))?.unwrap_or_default();
    let comment = from.text_or_none()?;
    let source = word(FeedbackSource::of, &from.text()?)?;
    let feedback =
        Feedback { at_us: 0, author: from.text()?, call, comment, id, labels, score_milli, session, source };
    Ok((seq, Feedback { at_us: from.int()?, ..feedback }))
}
