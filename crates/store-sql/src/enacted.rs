//! What is set while gateways run, in versions: a row for each, never changed.

use async_trait::async_trait;
use lockgate_store::access::AuditEntry;
use lockgate_store::{Enacted, Error, Version, Versions};

use crate::Database;
use crate::access::audit;
use crate::driver::{Row, Sql};
use crate::fault::Fault;

/// Where versions are.
const fn table(of: Enacted) -> &'static str {
    match of {
        Enacted::Policies => "policy_versions",
        Enacted::Settings => "settings_versions",
    }
}

#[async_trait]
impl Versions for Database {
    async fn latest_version(&self, of: Enacted) -> Result<i64, Error> {
        self.latest(of).await.map_err(Fault::plain)
    }

    async fn enacted(&self, of: Enacted, version: i64) -> Result<Option<Version>, Error> {
        let mut sql = Sql::new("SELECT version, at_us, author, reason, document FROM ");
        sql.add(table(of)).add(" WHERE version = ").arg(version);
        Ok(self.versions_of(sql).await.map_err(Fault::plain)?.into_iter().next())
    }

    async fn versions(&self, of: Enacted, limit: usize) -> Result<Vec<Version>, Error> {
        let mut sql = Sql::new("SELECT version, at_us, author, reason, '' FROM ");
        sql.add(table(of)).add(" ORDER BY version DESC LIMIT ").arg(limit);
        self.versions_of(sql).await.map_err(Fault::plain)
    }

    async fn add_version(&self, of: Enacted, new: &Version, entry: &AuditEntry) -> Result<bool, Error> {
        self.insert_version(of, new, entry).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn latest(&self, of: Enacted) -> Result<i64, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let row = tx.row(Sql::new("SELECT COALESCE(max(version), 0) FROM ").add(table(of)).take()).await?;
        tx.commit().await?;
        row.map_or(Ok(0), |row| row.reader().int())
    }

    async fn versions_of(&self, sql: Sql) -> Result<Vec<Version>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(version_of).collect()
    }

    async fn insert_version(&self, of: Enacted, new: &Version, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("INSERT INTO ");
        sql.add(table(of)).add(" (version, at_us, author, reason, document) SELECT ");
        sql.arg(new.version).add(", ").arg(new.at_us).add(", ").arg(new.author.as_str()).add(", ");
        sql.arg(new.reason.as_str()).add(", ").arg(new.document.as_str());
        sql.add(" WHERE (SELECT COALESCE(max(version), 0) FROM ")
            .add(table(of))
            .add(") = ")
            .arg(new.version - 1);
        sql.add(" ON CONFLICT (version) DO NOTHING");
        if tx.run(sql).await? == 0 {
            return Ok(false);
        }
        audit::add(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn version_of(row: &Row) -> Result<Version, Fault> {
    let mut from = row.reader();
    Ok(Version {
        version: from.int()?,
        at_us: from.int()?,
        author: from.text()?,
        reason: from.text()?,
        document: from.text()?,
    })
}
