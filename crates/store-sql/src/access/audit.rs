//! The audit in its table: rows are added, never changed, and deleted by age only.

use async_trait::async_trait;
use lockgate_store::access::{Actor, Audit, AuditEntry, AuditFilter};
use lockgate_store::{Cursor, Error, Page, PageRequest};
use serde_json::Value as Json;
use uuid::Uuid;

use super::text_of;
use crate::Database;
use crate::columns::{id_of, json, read_json};
use crate::driver::{Row, Sql, Tx, Value};
use crate::fault::Fault;

/// Entries that one transaction deletes.
const ENTRIES: usize = 200;

#[async_trait]
impl Audit for Database {
    async fn note(&self, entry: &AuditEntry) -> Result<(), Error> {
        self.add_entry(entry).await.map_err(Fault::plain)
    }

    async fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>, Error> {
        self.page_of_entries(filter, page).await.map_err(Fault::plain)
    }

    async fn forget(&self, entries: &[Uuid]) -> Result<u64, Error> {
        self.delete_entries(entries).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn add_entry(&self, entry: &AuditEntry) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        add(&mut tx, entry).await?;
        tx.commit().await
    }

    /// Some hundred at a time, so that nobody waits long for the writer.
    async fn delete_entries(&self, entries: &[Uuid]) -> Result<u64, Fault> {
        let mut gone = 0;
        for some in entries.chunks(ENTRIES) {
            let mut tx = self.writers.write().await?;
            let ids: Vec<String> = some.iter().copied().map(text_of).collect();
            let mut sql = Sql::new("DELETE FROM audit WHERE id IN (");
            gone += tx.run(sql.args(ids.iter().map(|id| Value::from(id.as_str()))).add(")").take()).await?;
            tx.commit().await?;
        }
        Ok(gone)
    }

    async fn page_of_entries(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>, Fault> {
        let mut sql = Sql::new(
            "SELECT id, at_us, actor_kind, actor, address, verb, object, detail, seq FROM audit WHERE 1 = 1",
        );
        for (column, value) in [("actor", &filter.actor), ("object", &filter.object), ("verb", &filter.verb)]
        {
            if let Some(value) = value {
                sql.add(" AND ").add(column).add(" = ").arg(value.as_str());
            }
        }
        if let Some(from) = filter.from_us {
            sql.add(" AND at_us >= ").arg(from);
        }
        if let Some(to) = filter.to_us {
            sql.add(" AND at_us < ").arg(to);
        }
        if let Some(after) = &page.after {
            let seq: i64 = after.id.parse().unwrap_or(i64::MAX);
            sql.add(" AND (at_us < ").arg(after.at_us).add(" OR (at_us = ").arg(after.at_us);
            sql.add(" AND seq < ").arg(seq).add("))");
        }
        let wanted = page.limit.number();
        sql.add(" ORDER BY at_us DESC, seq DESC LIMIT ").arg(wanted + 1);
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        let mut found = rows.iter().map(entry_of).collect::<Result<Vec<_>, _>>()?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        let last = found.last().filter(|_| more);
        let next = last.map(|(seq, entry)| Cursor { at_us: entry.at_us, id: seq.to_string() });
        Ok(Page { items: found.into_iter().map(|(_, entry)| entry).collect(), next })
    }
}

/// Adds an entry to what a transaction does.
pub(crate) async fn add(tx: &mut Tx, entry: &AuditEntry) -> Result<(), Fault> {
    let detail = (!entry.detail.is_null()).then(|| json(&entry.detail)).transpose()?;
    let mut sql =
        Sql::new("INSERT INTO audit (id, at_us, actor_kind, actor, address, verb, object, detail) VALUES (");
    let values: [Value; 8] = [
        text_of(entry.id).as_str().into(),
        entry.at_us.into(),
        entry.actor.kind().into(),
        entry.actor.name().into(),
        (&entry.address).into(),
        entry.verb.as_str().into(),
        entry.object.as_str().into(),
        detail.as_deref().into(),
    ];
    tx.run(sql.args(values).add(")").take()).await.map(|_| ())
}

fn entry_of(row: &Row) -> Result<(i64, AuditEntry), Fault> {
    let mut from = row.reader();
    let (id, at_us) = (id_of(&from.text()?)?, from.int()?);
    let kind = from.text()?;
    let actor = Actor::of(&kind, from.text_or_none()?)
        .ok_or_else(|| Fault::damaged(format!("`{kind}` is no kind of actor")))?;
    let (address, verb, object) = (from.text_or_none()?, from.text()?, from.text()?);
    let detail = read_json(from.text_or_none()?.as_deref())?.unwrap_or(Json::Null);
    Ok((from.int()?, AuditEntry { actor, address, at_us, detail, id, object, verb }))
}
