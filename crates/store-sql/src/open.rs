//! Opens a database: connects, sets what each connection needs, brings the schema up to date.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_store::Error;
use sqlx::Connection as _;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::driver::{Pool, Sql};
use crate::fault::Fault;
use crate::migrations::{MIGRATIONS, Migration, migrate};
use crate::recent::Recent;
use crate::{Database, Options, Place};

/// Statements that a connection keeps prepared: five lengths of inserts for each table, and the queries.
const STATEMENTS: usize = 128;

/// Rows that wait to be taken from a connection.
const ROWS: usize = 512;

/// Between two tries at a file that others are just opening.
const AGAIN: Duration = Duration::from_millis(20);

impl Database {
    /// Opens a database, and makes it where it is a file that is not there. Fails where the schema is newer than this version.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        Self::open_with(options, &MIGRATIONS).await.map_err(Fault::plain)
    }

    /// The schema that the database has.
    pub async fn schema(&self) -> Result<i64, Error> {
        self.schema_version().await.map_err(Fault::plain)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.schema().await.map(|_| ())
    }

    /// Closes every connection; what runs is finished first.
    pub async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
    }

    pub(crate) async fn open_with(options: &Options, steps: &[Migration]) -> Result<Self, Fault> {
        let (writers, readers, file) = match &options.place {
            Place::File(path) => {
                let (writers, readers) = file_pools(options, path)?;
                (writers, readers, Some(path.as_path()))
            }
            Place::Server(url) => {
                let (writers, readers) = server_pools(options, url)?;
                (writers, readers, None)
            }
        };
        let patience = Instant::now() + options.busy_timeout;
        while let Err(fault) = migrate(&writers, file, steps).await {
            // Several processes that begin at once all want to switch a new file to its write-ahead log, and SQLite lets those that come
            // second fail instead of wait.
            let locked = matches!(&fault, Fault::Other(Error::Locked(_)));
            if !locked || Instant::now() > patience {
                return Err(fault);
            }
            tokio::time::sleep(AGAIN).await;
        }
        let (page_budget, statement_timeout) = (options.page_budget, options.statement_timeout);
        let recent = Arc::new(Recent::new(options.recent));
        Ok(Self { page_budget, readers, recent, statement_timeout, writers })
    }

    async fn schema_version(&self) -> Result<i64, Fault> {
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let row = tx.row(Sql::new("SELECT max(version) FROM schema_version")).await?;
        tx.commit().await?;
        row.map_or(Ok(0), |row| row.reader().int())
    }
}

/// One writer, since SQLite has no more, and readers beside it, which the write-ahead log allows.
fn file_pools(options: &Options, path: &Path) -> Result<(Pool, Pool), Fault> {
    make_private(path).map_err(|error| {
        Error::Unavailable(format!("the database {} cannot be made: {error}", path.display()))
    })?;
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(options.busy_timeout)
        .statement_cache_capacity(STATEMENTS)
        .pragma("cache_size", "-16384")
        // A page that many batches write, such as an end of an index, is copied into the database once for all of them.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864");
    let pool = |connections: u32| {
        PoolOptions::<Sqlite>::new()
            .max_connections(connections)
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
    };
    // A disk that is full, or fails, ends a transaction by itself. The driver does not notice, and would refuse to begin another one on
    // that connection for ever. Asking the connection lets what was still to be undone on it come first.
    let writers = pool(1)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        // The rows that a batch returns: a writer that waits for somebody to take them costs two switches of threads.
        .connect_lazy_with(connect.clone().row_buffer_size(ROWS));
    // The same for the pieces of a body.
    let readers = connect.row_buffer_size(ROWS).pragma("query_only", "on");
    let readers = pool(options.readers.max(1)).connect_lazy_with(readers);
    Ok((Pool::Sqlite(writers), Pool::Sqlite(readers)))
}

/// Makes the file, for its owner alone; SQLite gives its log the same rights.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut make = std::fs::DirBuilder::new();
        make.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
        make.create(folder)?;
    }
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    open.open(path).map(|_| ())
}

fn server_pools(options: &Options, url: &str) -> Result<(Pool, Pool), Fault> {
    // The parser's error may quote the URL, which has a password in it.
    let refused = |_| Error::Unavailable("the URL of the database is not one of PostgreSQL's".to_owned());
    let connect = PgConnectOptions::from_str(url).map_err(refused)?;
    let connect = connect.application_name("lockgate").statement_cache_capacity(STATEMENTS);
    let pool = |connections: u32, statement: Option<Duration>| {
        let lock = options.busy_timeout.as_millis();
        let mut set = vec![format!("SET lock_timeout = {lock}")];
        if let Some(limit) = statement {
            set.push(format!("SET statement_timeout = {}", limit.as_millis()));
            set.push("SET default_transaction_read_only = on".to_owned());
        }
        let set = set.join("; ");
        PoolOptions::<Postgres>::new()
            .max_connections(connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .after_connect(move |connection, _| {
                let set = set.clone();
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(connect.clone())
    };
    let readers = pool(options.readers, Some(options.statement_timeout));
    Ok((Pool::Postgres(pool(options.writers, None)), Pool::Postgres(readers)))
}
