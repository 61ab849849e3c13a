//! Keys in their table.

use std::collections::HashSet;

use async_trait::async_trait;
use lockgate_store::Error;
use lockgate_store::access::{AuditEntry, DataClass, KeyLimits, KeyRecording, Keys, Ring, Role, VirtualKey};
use uuid::Uuid;

use super::{audit, changed, taken, text_of};
use crate::Database;
use crate::columns::{id_of, json, read_json, word};
use crate::driver::{Reader, Row, Sql, Tx, Value};
use crate::fault::Fault;

/// What [`settings`] gives values for, in its order.
const SETTINGS: [&str; 14] = [
    "name",
    "owner",
    "project",
    "tags",
    "role",
    "models",
    "providers",
    "data_class",
    "recording",
    "limit_requests",
    "limit_tokens",
    "limit_concurrency",
    "limit_cost_nano",
    "expires_us",
];

/// What stays as it was made, in the order of [`origin`].
const ORIGIN: [&str; 5] = ["id", "hash", "prefix", "created_us", "rotated_from"];

#[async_trait]
impl Ring for Database {
    async fn version(&self) -> Result<i64, Error> {
        self.access_version().await.map_err(Fault::plain)
    }

    async fn ring(&self) -> Result<(i64, Vec<(VirtualKey, bool)>), Error> {
        self.every_key().await.map_err(Fault::plain)
    }

    async fn used(&self, keys: &[(Uuid, i64)]) -> Result<(), Error> {
        self.note_use(keys).await.map_err(Fault::plain)
    }
}

#[async_trait]
impl Keys for Database {
    async fn create_key(&self, key: &VirtualKey, entry: &AuditEntry) -> Result<(), Error> {
        self.insert_key(key, entry).await.map_err(Fault::plain)
    }

    async fn key(&self, id: Uuid) -> Result<Option<VirtualKey>, Error> {
        self.one_key(id).await.map_err(Fault::plain)
    }

    async fn change_key(&self, key: &VirtualKey, entry: &AuditEntry) -> Result<bool, Error> {
        self.update_key(key, entry).await.map_err(Fault::plain)
    }

    async fn revoke_key(&self, id: Uuid, entry: &AuditEntry) -> Result<bool, Error> {
        let mut sql = Sql::new("UPDATE keys SET revoked_us = ");
        sql.arg(entry.at_us).add(" WHERE revoked_us IS NULL AND id = ").arg(text_of(id).as_str());
        self.change(sql, entry).await.map_err(Fault::plain)
    }

    async fn rotate_key(&self, new: &VirtualKey, retires_us: i64, entry: &AuditEntry) -> Result<bool, Error> {
        self.replace_key(new, retires_us, entry).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn access_version(&self) -> Result<i64, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let version = version(&mut tx).await?;
        tx.commit().await?;
        Ok(version)
    }

    async fn every_key(&self) -> Result<(i64, Vec<(VirtualKey, bool)>), Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        // The version first: what changes behind it is read again with the next one.
        let version = version(&mut tx).await?;
        let disabled: HashSet<String> = tx
            .rows(Sql::new("SELECT name FROM users WHERE disabled = 1"))
            .await?
            .iter()
            .map(|row| row.reader().text())
            .collect::<Result<_, _>>()?;
        let mut keys = Vec::new();
        for row in tx.rows(Sql::new(&(select() + " ORDER BY seq"))).await? {
            let key = key_of(&row)?;
            let shut = key.owner.as_ref().is_some_and(|owner| disabled.contains(owner));
            keys.push((key, shut));
        }
        tx.commit().await?;
        Ok((version, keys))
    }

    async fn note_use(&self, keys: &[(Uuid, i64)]) -> Result<(), Fault> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut tx = self.writers.write().await?;
        for (id, at_us) in keys {
            let mut sql = Sql::new("UPDATE keys SET used_us = ");
            sql.arg(*at_us).add(" WHERE id = ").arg(text_of(*id).as_str());
            tx.run(sql.add(" AND (used_us IS NULL OR used_us < ").arg(*at_us).add(")").take()).await?;
        }
        tx.commit().await
    }

    async fn one_key(&self, id: Uuid) -> Result<Option<VirtualKey>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new(&select());
        let row = tx.row(sql.add(" WHERE id = ").arg(text_of(id).as_str()).take()).await?;
        tx.commit().await?;
        row.as_ref().map(key_of).transpose()
    }

    async fn insert_key(&self, key: &VirtualKey, entry: &AuditEntry) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        insert(&mut tx, key).await?;
        audit::add(&mut tx, entry).await?;
        changed(&mut tx).await?;
        tx.commit().await
    }

    async fn update_key(&self, key: &VirtualKey, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut sql = Sql::new("UPDATE keys SET ");
        for (nth, (column, value)) in SETTINGS.iter().zip(settings(key)?).enumerate() {
            sql.add(if nth == 0 { "" } else { ", " }).add(column).add(" = ").arg(value);
        }
        sql.add(" WHERE id = ").arg(text_of(key.id).as_str());
        self.change(sql, entry).await.map_err(|fault| taken(fault, "key", &key.name))
    }

    async fn replace_key(
        &self,
        new: &VirtualKey,
        retires_us: i64,
        entry: &AuditEntry,
    ) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("UPDATE keys SET retires_us = ");
        sql.arg(retires_us).add(" WHERE revoked_us IS NULL AND retires_us IS NULL AND id = ");
        sql.arg(new.rotated_from.map(text_of).as_deref());
        if tx.run(sql).await? == 0 {
            return Ok(false);
        }
        insert(&mut tx, new).await?;
        audit::add(&mut tx, entry).await?;
        changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Runs a statement that changes keys or users; false = it changed nothing.
    pub(super) async fn change(&self, sql: Sql, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        if tx.run(sql).await? == 0 {
            return Ok(false);
        }
        audit::add(&mut tx, entry).await?;
        changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn version(tx: &mut Tx) -> Result<i64, Fault> {
    let row = tx.row(Sql::new("SELECT version FROM access_version WHERE one = 1")).await?;
    row.map_or(Ok(0), |row| row.reader().int())
}

async fn insert(tx: &mut Tx, key: &VirtualKey) -> Result<(), Fault> {
    let columns = [&SETTINGS[..], &ORIGIN[..]].concat().join(", ");
    let mut sql = Sql::new("INSERT INTO keys (");
    sql.add(&columns).add(") VALUES (").args(settings(key)?.into_iter().chain(origin(key))).add(")");
    tx.run(sql).await.map(|_| ()).map_err(|fault| taken(fault, "key", &key.name))
}

fn select() -> String {
    let columns = [&SETTINGS[..], &ORIGIN[..]].concat().join(", ");
    format!("SELECT {columns}, retires_us, revoked_us, used_us FROM keys")
}

fn settings(key: &VirtualKey) -> Result<Vec<Value>, Fault> {
    let limits = &key.limits;
    let number = |number: Option<u64>| -> Result<Value, Fault> {
        let stored = number.map(i64::try_from).transpose();
        Ok(stored.map_err(|_| Fault::Content("a limit is larger than can be stored".to_owned()))?.into())
    };
    Ok(vec![
        key.name.as_str().into(),
        (&key.owner).into(),
        (&key.project).into(),
        list(&key.tags)?,
        key.role.as_str().into(),
        list(&key.models)?,
        list(&key.providers)?,
        key.data_class.map(DataClass::as_str).into(),
        key.recording.map(KeyRecording::as_str).into(),
        limits.requests_per_minute.map(i64::from).into(),
        number(limits.tokens_per_minute)?,
        limits.concurrency.map(i64::from).into(),
        number(limits.cost_per_day_nano)?,
        key.expires_us.into(),
    ])
}

fn origin(key: &VirtualKey) -> Vec<Value> {
    vec![
        text_of(key.id).as_str().into(),
        key.hash.to_vec().into(),
        key.prefix.as_str().into(),
        key.created_us.into(),
        key.rotated_from.map(text_of).as_deref().into(),
    ]
}

fn list(words: &[String]) -> Result<Value, Fault> {
    let text = (!words.is_empty()).then(|| json(&words)).transpose()?;
    Ok(text.as_deref().into())
}

fn key_of(row: &Row) -> Result<VirtualKey, Fault> {
    let mut from = row.reader();
    let (name, owner, project) = (from.text()?, from.text_or_none()?, from.text_or_none()?);
    let tags = list_of(&mut from)?;
    let role = word(Role::of, &from.text()?)?;
    let (models, providers) = (list_of(&mut from)?, list_of(&mut from)?);
    let data_class = from.text_or_none()?.map(|text| word(DataClass::of, &text)).transpose()?;
    let recording = from.text_or_none()?.map(|text| word(KeyRecording::of, &text)).transpose()?;
    let small = |number: Option<u64>| number.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let (requests, tokens) = (from.count_or_none()?, from.count_or_none()?);
    let (concurrency, cost) = (from.count_or_none()?, from.count_or_none()?);
    let limits = KeyLimits {
        concurrency: small(concurrency),
        cost_per_day_nano: cost,
        requests_per_minute: small(requests),
        tokens_per_minute: tokens,
    };
    let expires_us = from.int_or_none()?;
    let id = id_of(&from.text()?)?;
    let hash = hash_of(from.blob()?)?;
    let (prefix, created_us) = (from.text()?, from.int()?);
    let rotated_from = from.text_or_none()?.as_deref().map(id_of).transpose()?;
    Ok(VirtualKey {
        created_us,
        data_class,
        expires_us,
        hash,
        id,
        limits,
        models,
        name,
        owner,
        prefix,
        project,
        providers,
        recording,
        retires_us: from.int_or_none()?,
        revoked_us: from.int_or_none()?,
        role,
        rotated_from,
        tags,
        used_us: from.int_or_none()?,
    })
}

fn list_of(from: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
    Ok(read_json(from.text_or_none()?.as_deref())?.unwrap_or_default())
}

pub(super) fn hash_of(bytes: &[u8]) -> Result<[u8; 32], Fault> {
    bytes.try_into().map_err(|_| Fault::damaged("a hash does not have 32 bytes"))
}
