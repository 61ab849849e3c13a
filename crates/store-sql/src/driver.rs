//! One way to talk to two databases: a statement with a `?` for each argument, and rows that are read by position.
//!
//! Integers are 64 bits, texts and blobs may be absent, and there is nothing else; so one text of a query serves both. Every
//! statement runs in a transaction, which is undone if it is dropped.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use lockgate_store::Error;
use sqlx::postgres::{PgPool, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Decode, Row as _, Transaction, Type};

use crate::fault::Fault;

/// An argument of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Blob(Option<Vec<u8>>),
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Int(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Int(Some(i64::from(is)))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(storable(text).into_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(|text| storable(text).into_owned()))
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        text.as_deref().into()
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(Some(bytes))
    }
}

/// PostgreSQL takes no zero in a text; both databases store the sign for what cannot be shown instead.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// A statement that is being written.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    args: Vec<Value>,
    text: String,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self { args: Vec::new(), text: text.to_owned() }
    }

    /// Adds text of a statement. Never what came from outside: that is an argument.
    pub(crate) fn add(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds an argument and its place.
    pub(crate) fn arg(&mut self, value: impl Into<Value>) -> &mut Self {
        self.args.push(value.into());
        self.text.push(PLACE);
        self
    }

    /// Adds arguments with commas between them.
    pub(crate) fn args<T: Into<Value>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        for (nth, value) in values.into_iter().enumerate() {
            self.add(if nth == 0 { "" } else { "," }).arg(value);
        }
        self
    }

    /// The text as PostgreSQL wants it: the places numbered. SQLite takes numbers too, but looks each up in a list of all.
    fn numbered(&self) -> String {
        let mut text = String::with_capacity(self.text.len() + 4 * self.args.len());
        for (nth, part) in self.text.split(PLACE).enumerate() {
            if nth > 0 {
                text.push('$');
                text.push_str(&nth.to_string());
            }
            text.push_str(part);
        }
        text
    }

    /// What was written so far, out of a chain of additions.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// Where an argument stands. No statement of ours has it for anything else.
const PLACE: char = '?';

/// The pools of one role.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// Which database it is, where a statement cannot be the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Postgres,
    Sqlite,
}

impl Pool {
    pub(crate) const fn flavour(&self) -> Flavour {
        match self {
            Self::Postgres(_) => Flavour::Postgres,
            Self::Sqlite(_) => Flavour::Sqlite,
        }
    }

    /// A transaction that only reads, for at most so long (on PostgreSQL the server counts, from the options of the pool).
    pub(crate) async fn read(&self, limit: Duration) -> Result<Tx, Fault> {
        match self {
            Self::Postgres(pool) => Ok(Tx::Postgres(pool.begin().await.map_err(away)?)),
            Self::Sqlite(pool) => {
                let mut tx = pool.begin().await?;
                let end = Instant::now() + limit;
                tx.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < end);
                Ok(Tx::Sqlite(tx))
            }
        }
    }

    /// A transaction that writes. On SQLite it takes the lock at once, so that it never has to give up in the middle.
    pub(crate) async fn write(&self) -> Result<Tx, Fault> {
        match self {
            Self::Postgres(pool) => Ok(Tx::Postgres(pool.begin().await.map_err(away)?)),
            Self::Sqlite(pool) => Ok(Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?)),
        }
    }

    /// Takes what the write-ahead log holds into the file, and empties the log. Whoever reads meanwhile is waited for as for a lock; what is read for
    /// longer stays until the log is folded by itself.
    pub(crate) async fn fold(&self) -> Result<(), Fault> {
        if let Self::Sqlite(pool) = self {
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await?;
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

/// The pool tries a server that refuses connections again and again, and then only says that time is up.
fn away(error: sqlx::Error) -> Fault {
    match error {
        sqlx::Error::PoolTimedOut => {
            Error::Unavailable("no connection to the server in the time allowed".to_owned()).into()
        }
        other => other.into(),
    }
}

/// Instructions of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 10_000;

/// A transaction.
#[derive(Debug)]
pub(crate) enum Tx {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// Binds the arguments of a statement.
macro_rules! bound {
    ($text:expr, $args:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($text));
        for value in $args {
            query = match value {
                Value::Blob(bytes) => query.bind(bytes),
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        query
    }};
}

impl Tx {
    pub(crate) const fn flavour(&self) -> Flavour {
        match self {
            Self::Postgres(_) => Flavour::Postgres,
            Self::Sqlite(_) => Flavour::Sqlite,
        }
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<u64, Fault> {
        match self {
            Self::Postgres(tx) => {
                Ok(bound!(sql.numbered(), sql.args).execute(&mut **tx).await?.rows_affected())
            }
            Self::Sqlite(tx) => Ok(bound!(sql.text, sql.args).execute(&mut **tx).await?.rows_affected()),
        }
    }

    /// Runs a query; all its rows.
    pub(crate) async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>, Fault> {
        match self {
            Self::Postgres(tx) => Ok(bound!(sql.numbered(), sql.args)
                .fetch_all(&mut **tx)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect()),
            Self::Sqlite(tx) => Ok(bound!(sql.text, sql.args)
                .fetch_all(&mut **tx)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect()),
        }
    }

    /// Runs a query; its first row.
    pub(crate) async fn row(&mut self, sql: Sql) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// Runs a script without arguments.
    pub(crate) async fn script(&mut self, text: &str) -> Result<(), Fault> {
        match self {
            Self::Postgres(tx) => sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **tx).await.map(|_| ())?,
            Self::Sqlite(tx) => sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **tx).await.map(|_| ())?,
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), Fault> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// A row.
#[derive(Debug)]
pub(crate) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { at: 0, row: self }
    }

    fn value<'a, T>(&'a self, at: usize) -> Result<T, Fault>
    where
        T: Decode<'a, Postgres> + Type<Postgres> + Decode<'a, Sqlite> + Type<Sqlite>,
    {
        match self {
            Self::Postgres(row) => Ok(row.try_get(at)?),
            Self::Sqlite(row) => Ok(row.try_get(at)?),
        }
    }
}

/// Takes the values of a row one after the other.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    at: usize,
    row: &'a Row,
}

impl<'a> Reader<'a> {
    fn step(&mut self) -> usize {
        self.at += 1;
        self.at - 1
    }

    pub(crate) fn int(&mut self) -> Result<i64, Fault> {
        let at = self.step();
        self.row.value(at)
    }

    pub(crate) fn int_or_none(&mut self) -> Result<Option<i64>, Fault> {
        let at = self.step();
        self.row.value(at)
    }

    /// A number that is never negative.
    pub(crate) fn count(&mut self) -> Result<u64, Fault> {
        Ok(self.int()?.max(0) as u64)
    }

    pub(crate) fn count_or_none(&mut self) -> Result<Option<u64>, Fault> {
        Ok(self.int_or_none()?.map(|number| number.max(0) as u64))
    }

    pub(crate) fn is(&mut self) -> Result<bool, Fault> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn text(&mut self) -> Result<String, Fault> {
        let at = self.step();
        self.row.value(at)
    }

    pub(crate) fn text_or_none(&mut self) -> Result<Option<String>, Fault> {
        let at = self.step();
        self.row.value(at)
    }

    pub(crate) fn blob(&mut self) -> Result<&'a [u8], Fault> {
        let at = self.step();
        self.row.value(at)
    }

    pub(crate) fn blob_or_none(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        let at = self.step();
        self.row.value(at)
    }
}
