//! Users and logins in their tables.

use async_trait::async_trait;
use lockgate_store::Error;
use lockgate_store::access::{AuditEntry, Login, Logins, Role, User, Users};
use uuid::Uuid;

use super::keys::hash_of;
use super::{audit, changed, taken, text_of};
use crate::Database;
use crate::columns::{id_of, word};
use crate::driver::{Reader, Sql, Tx, Value};
use crate::fault::Fault;

const USER: &str = "u.id, u.name, u.password, u.role, u.disabled, u.created_us";
const LOGIN: &str = "l.id, l.hash, l.user_name, l.address, l.created_us, l.used_us, l.idle_us, l.ends_us";

#[async_trait]
impl Users for Database {
    async fn create_user(&self, user: &User, entry: &AuditEntry) -> Result<(), Error> {
        self.insert_user(user, entry).await.map_err(Fault::plain)
    }

    async fn user(&self, name: &str) -> Result<Option<User>, Error> {
        let found = self.select_users(Some(name)).await.map_err(Fault::plain)?;
        Ok(found.into_iter().next())
    }

    async fn users(&self) -> Result<Vec<User>, Error> {
        self.select_users(None).await.map_err(Fault::plain)
    }

    async fn change_user(&self, user: &User, keep: Option<Uuid>, entry: &AuditEntry) -> Result<bool, Error> {
        self.update_user(user, keep, entry).await.map_err(Fault::plain)
    }

    async fn remove_user(&self, name: &str, entry: &AuditEntry) -> Result<bool, Error> {
        self.delete_user(name, entry).await.map_err(Fault::plain)
    }
}

#[async_trait]
impl Logins for Database {
    async fn open_login(&self, login: &Login, entry: &AuditEntry) -> Result<(), Error> {
        self.insert_login(login, entry).await.map_err(Fault::plain)
    }

    async fn login(&self, hash: &[u8; 32]) -> Result<Option<(Login, User)>, Error> {
        self.one_login(hash).await.map_err(Fault::plain)
    }

    async fn heard(&self, id: Uuid, used_us: i64, idle_us: i64) -> Result<(), Error> {
        self.keep_login(id, used_us, idle_us).await.map_err(Fault::plain)
    }

    async fn logins(&self, user: &str) -> Result<Vec<Login>, Error> {
        self.logins_of(user).await.map_err(Fault::plain)
    }

    async fn end_logins(&self, user: &str, id: Option<Uuid>, entry: &AuditEntry) -> Result<u64, Error> {
        self.delete_logins(user, id, entry).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn insert_user(&self, user: &User, entry: &AuditEntry) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("INSERT INTO users (id, name, password, role, disabled, created_us) VALUES (");
        let values: [Value; 6] = [
            text_of(user.id).as_str().into(),
            user.name.as_str().into(),
            user.password.as_str().into(),
            user.role.as_str().into(),
            user.disabled.into(),
            user.created_us.into(),
        ];
        let inserted = tx.run(sql.args(values).add(")").take()).await;
        inserted.map_err(|fault| taken(fault, "user", &user.name))?;
        audit::add(&mut tx, entry).await?;
        changed(&mut tx).await?;
        tx.commit().await
    }

    async fn select_users(&self, name: Option<&str>) -> Result<Vec<User>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new("SELECT ");
        sql.add(USER).add(" FROM users u");
        if let Some(name) = name {
            sql.add(" WHERE u.name = ").arg(name);
        }
        let rows = tx.rows(sql.add(" ORDER BY u.name").take()).await?;
        tx.commit().await?;
        rows.iter().map(|row| user_of(&mut row.reader())).collect()
    }

    async fn update_user(&self, user: &User, keep: Option<Uuid>, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("UPDATE users SET password = ");
        sql.arg(user.password.as_str()).add(", role = ").arg(user.role.as_str());
        sql.add(", disabled = ").arg(user.disabled).add(" WHERE name = ").arg(user.name.as_str());
        if tx.run(sql).await? == 0 {
            return Ok(false);
        }
        end(&mut tx, &user.name, None, keep).await?;
        audit::add(&mut tx, entry).await?;
        changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn delete_user(&self, name: &str, entry: &AuditEntry) -> Result<bool, Fault> {
        let mut tx = self.writers.write().await?;
        if tx.run(Sql::new("DELETE FROM users WHERE name = ").arg(name).take()).await? == 0 {
            return Ok(false);
        }
        end(&mut tx, name, None, None).await?;
        let mut sql = Sql::new("UPDATE keys SET revoked_us = ");
        sql.arg(entry.at_us).add(" WHERE revoked_us IS NULL AND owner = ").arg(name);
        tx.run(sql).await?;
        audit::add(&mut tx, entry).await?;
        changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn insert_login(&self, login: &Login, entry: &AuditEntry) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        let now = login.created_us;
        let mut over = Sql::new("DELETE FROM logins WHERE ends_us <= ");
        tx.run(over.arg(now).add(" OR idle_us <= ").arg(now).take()).await?;
        let mut sql = Sql::new(
            "INSERT INTO logins (id, hash, user_name, address, created_us, used_us, idle_us, ends_us) VALUES (",
        );
        let values: [Value; 8] = [
            text_of(login.id).as_str().into(),
            login.hash.to_vec().into(),
            login.user.as_str().into(),
            (&login.address).into(),
            login.created_us.into(),
            login.used_us.into(),
            login.idle_us.into(),
            login.ends_us.into(),
        ];
        tx.run(sql.args(values).add(")").take()).await?;
        audit::add(&mut tx, entry).await?;
        tx.commit().await
    }

    async fn one_login(&self, hash: &[u8; 32]) -> Result<Option<(Login, User)>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new("SELECT ");
        sql.add(LOGIN).add(", ").add(USER);
        sql.add(" FROM logins l JOIN users u ON u.name = l.user_name WHERE l.hash = ").arg(hash.to_vec());
        let row = tx.row(sql).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let mut from = row.reader();
        Ok(Some((login_of(&mut from)?, user_of(&mut from)?)))
    }

    async fn keep_login(&self, id: Uuid, used_us: i64, idle_us: i64) -> Result<(), Fault> {
        let mut tx = self.writers.write().await?;
        let mut sql = Sql::new("UPDATE logins SET used_us = ");
        sql.arg(used_us).add(", idle_us = ").arg(idle_us).add(" WHERE id = ").arg(text_of(id).as_str());
        tx.run(sql).await?;
        tx.commit().await
    }

    async fn logins_of(&self, user: &str) -> Result<Vec<Login>, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let mut sql = Sql::new("SELECT ");
        sql.add(LOGIN).add(" FROM logins l WHERE l.user_name = ").arg(user).add(" ORDER BY l.seq DESC");
        let rows = tx.rows(sql).await?;
        tx.commit().await?;
        rows.iter().map(|row| login_of(&mut row.reader())).collect()
    }

    async fn delete_logins(&self, user: &str, id: Option<Uuid>, entry: &AuditEntry) -> Result<u64, Fault> {
        let mut tx = self.writers.write().await?;
        let ended = end(&mut tx, user, id, None).await?;
        if ended > 0 {
            audit::add(&mut tx, entry).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }
}

/// Ends one or every login of a user, but for the one that is kept.
async fn end(tx: &mut Tx, user: &str, one: Option<Uuid>, keep: Option<Uuid>) -> Result<u64, Fault> {
    let mut sql = Sql::new("DELETE FROM logins WHERE user_name = ");
    sql.arg(user);
    if let Some(one) = one {
        sql.add(" AND id = ").arg(text_of(one).as_str());
    }
    if let Some(keep) = keep {
        sql.add(" AND id <> ").arg(text_of(keep).as_str());
    }
    tx.run(sql).await
}

fn user_of(from: &mut Reader<'_>) -> Result<User, Fault> {
    let id = id_of(&from.text()?)?;
    let (name, password) = (from.text()?, from.text()?);
    let role = word(Role::of, &from.text()?)?;
    let disabled = from.is()?;
    Ok(User { created_us: from.int()?, disabled, id, name, password, role })
}

fn login_of(from: &mut Reader<'_>) -> Result<Login, Fault> {
    let id = id_of(&from.text()?)?;
    let hash = hash_of(from.blob()?)?;
    let (user, address) = (from.text()?, from.text_or_none()?);
    let (created_us, used_us) = (from.int()?, from.int()?);
    let (idle_us, ends_us) = (from.int()?, from.int()?);
    Ok(Login { address, created_us, ends_us, hash, id, idle_us, used_us, user })
}
