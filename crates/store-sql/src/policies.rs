//! Policies in versions: a row for each, never changed.

use async_trait::async_trait;
use lockgate_store::access::AuditEntry;
use lockgate_store::{Error, PolicyVersion, PolicyVersions};

use crate::Database;
use crate::access::audit;
use crate::driver::{Row, Sql, Tx};
use crate::fault::Fault;

#[async_trait]
impl PolicyVersions for Database {
    async fn policy_version(&self) -> Result<i64, Error> {
        self.latest_policies().await.map_err(Fault::plain)
    }

    async fn policies(&self, version: i64) -> Result<Option<PolicyVersion>, Error> {
        let mut sql =
            Sql::new("SELECT version, at_us, author, reason, document FROM policy_versions WHERE version = ");
        sql.arg(version);
        Ok(self.versions_of(sql).await.map_err(Fault::plain)?.into_iter().next())
    }

    async fn policy_versions(&self, limit: usize) -> Result<Vec<PolicyVersion>, Error> {
        let mut sql = Sql::new(
            "SELECT version, at_us, author, reason, '' FROM policy_versions ORDER BY version DESC LIMIT ",
        );
        sql.arg(limit);
        self.versions_of(sql).await.map_err(Fault::plain)
    }

    async fn add_policies(&self, new: &PolicyVersion, entry: &AuditEntry) -> Result<bool, Error> {
        self.insert_policies(new, entry).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn latest_policies(&self) -> Result<i64, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let latest = latest(&mut tx).await?;
        tx.commit().await?;
        Ok(latest)
    }

    async fn versions_of(&self, sql: Sql) -> Result<Vec<PolicyVersion>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(version_of).collect()
    }

    async fn insert_policies(&self, new: &PolicyVersion, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql =
            Sql::new("INSERT INTO policy_versions (version, at_us, author, reason, document) SELECT ");
        sql.arg(new.version).add(", ").arg(new.at_us).add(", ").arg(new.author.as_str()).add(", ");
        sql.arg(new.reason.as_str()).add(", ").arg(new.document.as_str());
        sql.add(" WHERE (SELECT COALESCE(max(version), 0) FROM policy_versions) = ").arg(new.version - 1);
        sql.add(" ON CONFLICT (version) DO NOTHING");
        if tx.run(sql).await? == 0 {
            return Ok(false);
        }
        audit::add(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn latest(tx: &mut Tx) -> Result<i64, Fault> {
    let row = tx.row(Sql::new("SELECT COALESCE(max(version), 0) FROM policy_versions")).await?;
    row.map_or(Ok(0), |row| row.reader().int())
}

fn version_of(row: &Row) -> Result<PolicyVersion, Fault> {
    let mut from = row.reader();
    Ok(PolicyVersion {
        version: from.int()?,
        at_us: from.int()?,
        author: from.text()?,
        reason: from.text()?,
        document: from.text()?,
    })
}
