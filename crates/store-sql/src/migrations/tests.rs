//! Steps that do not exist yet, on databases of this version: what an update will do.

use std::path::Path;

use lockgate_store::Error;
use sqlx::{Connection, Executor, Row, SqliteConnection};

use super::{MIGRATIONS, Migration};
use crate::driver::Sql;
use crate::fault::Fault;
use crate::{Database, Options, Place};

/// The schema of this version.
const LATEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Every step, and one more.
fn and(step: Migration) -> Vec<Migration> {
    MIGRATIONS.into_iter().chain([step]).collect()
}

/// A step that a later version may have.
const NEXT: Migration = Migration {
    both: "ALTER TABLE sessions ADD COLUMN colour TEXT; UPDATE sessions SET colour = 'green';",
    postgres: "",
    sqlite: "",
    version: LATEST + 1,
};

/// The same, with a fault behind its first statements.
const BROKEN: Migration = Migration {
    both: "ALTER TABLE sessions ADD COLUMN colour TEXT; DELETE FROM sessions; INSERT INTO nowhere VALUES (1);",
    ..NEXT
};
fn options(path: &Path) -> Options {
    Options::at(Place::File(path.to_owned()))
}

async fn this_version(path: &Path) {
    let database = Database::open(&options(path)).await.unwrap();
    let mut tx = database.writers.write().await.unwrap();
    let sql = "INSERT INTO sessions (id, source, title_rank, title_words, first_us, last_us) VALUES ('s', 'header', 0, '', 1, 2)";
    tx.run(Sql::new(sql)).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
}

async fn texts(path: &Path, sql: &'static str) -> Vec<String> {
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    connection.fetch_all(sql).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// 004-2: data kept, version moved, a copy of what was.
#[tokio::test]
async fn an_older_file_is_copied_and_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    this_version(&path).await;
    let backup = folder.path().join(format!("l.db.schema-{LATEST}.backup"));
    let database = Database::open_with(&options(&path), &MIGRATIONS).await.unwrap();
    assert!(!backup.exists(), "nothing to bring up to date");
    database.close().await;
    let database = Database::open_with(&options(&path), &and(NEXT)).await.unwrap();
    assert_eq!(database.schema().await.unwrap(), LATEST + 1);
    database.close().await;
    assert_eq!(texts(&path, "SELECT id || colour FROM sessions").await, ["sgreen"]);
    assert_eq!(texts(&backup, "SELECT id FROM sessions").await, ["s"]);
    assert_eq!(
        texts(&backup, "SELECT CAST(max(version) AS TEXT) FROM schema_version").await,
        [LATEST.to_string()]
    );
    // The version before refuses what the later one made.
    let error = Database::open(&options(&path)).await.unwrap_err();
    assert!(
        matches!(error, Error::Schema { found, known } if found == LATEST + 1 && known == LATEST),
        "{error}"
    );
}

/// 004-2: a step that fails or is cut off leaves nothing behind, and the next start tries again.
#[tokio::test]
async fn a_step_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    this_version(&path).await;
    let failed = Database::open_with(&options(&path), &and(BROKEN)).await;
    assert!(matches!(failed, Err(Fault::Other(Error::Unavailable(_)))), "{failed:?}");
    assert_eq!(texts(&path, "SELECT id FROM sessions").await, ["s"]);
    assert_eq!(
        texts(&path, "SELECT name FROM pragma_table_info('sessions') WHERE name = 'colour'").await,
        [""; 0]
    );
    let database = Database::open_with(&options(&path), &and(NEXT)).await.unwrap();
    assert_eq!(database.schema().await.unwrap(), LATEST + 1);
}

/// Issue 4, trust: verdicts that were recorded before they had rows can be counted and labelled too.
#[tokio::test]
async fn verdicts_of_calls_that_are_there_already_are_taken_out_of_their_details() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    let database = Database::open_with(&options(&path), &MIGRATIONS[..3]).await.unwrap();
    let mut tx = database.writers.write().await.unwrap();
    let call = "INSERT INTO calls (seq, id, operation, streamed, started_us, estimated, outcome, intervened, recording) \
                VALUES (7, 'x', 'chat', 0, 30, 0, 'complete', 1, 'full')";
    tx.run(Sql::new(call)).await.unwrap();
    let decisions = r#"[{"json":{"missing_parts":1},"kind":"record","version":1},
        {"json":{"policy":"git","rule":"force","said":"refuse","applied":true,"hook":"tool_call","mode":"block","tool":{"id":"t","name":"Bash"}},"kind":"policy","version":1},
        {"json":{"policy":"look","said":"failed","applied":false},"kind":"policy","version":1}]"#;
    let mut sql = Sql::new("INSERT INTO call_details (call, decisions) VALUES (7, ");
    tx.run(sql.arg(decisions).add(")").take()).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
    Database::open(&options(&path)).await.unwrap().close().await;
    let found = texts(
        &path,
        "SELECT call || ' ' || number || ' ' || started_us || ' ' || policy || ' ' || coalesce(rule, '-') || ' ' || said || ' ' || applied \
         || ' ' || coalesce(tool, '-') FROM verdicts ORDER BY number",
    )
    .await;
    assert_eq!(found, ["7 2 30 git force refuse 1 Bash", "7 3 30 look - failed 0 -"]);
}

/// 004-20: what an older version counted goes, and every quarter of an hour with calls is counted anew.
#[tokio::test]
async fn calls_that_are_there_already_are_marked_to_be_counted_into_packs() {
    use lockgate_store::stats::{Cell, Metric, Query, Stats as _};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    let database = Database::open_with(&options(&path), &MIGRATIONS[..7]).await.unwrap();
    let mut tx = database.writers.write().await.unwrap();
    for (nth, started_us) in [30_i64, 40, 900_000_030, 7_200_000_000].into_iter().enumerate() {
        let mut sql = Sql::new(
            "INSERT INTO calls (id, operation, streamed, started_us, estimated, outcome, intervened, recording) VALUES (",
        );
        sql.arg(nth).add(", 'chat', 0, ").arg(started_us).add(", 0, 'complete', 0, 'full')");
        tx.run(sql).await.unwrap();
    }
    tx.run(Sql::new("INSERT INTO stat_marks (slot) VALUES (0), (0)")).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
    let database = Database::open(&options(&path)).await.unwrap();
    let marks = "SELECT CAST(slot AS TEXT) FROM stat_marks ORDER BY slot";
    assert_eq!(texts(&path, marks).await, ["0", "1", "8"]);
    for state in ["marked", "counted"] {
        let table = database.query(&Query::of(Metric::Volume)).await.unwrap();
        assert_eq!(table.total.cells[0], Cell::Whole(4), "{state}");
        database.roll(i64::MAX, std::time::Duration::from_mins(1)).await.unwrap();
    }
    assert_eq!(
        texts(&path, "SELECT hour || ':' || calls FROM stat_packs ORDER BY hour").await,
        ["0:3", "2:1"]
    );
    assert_eq!(texts(&path, marks).await, [""; 0]);
}

/// 004-2: bodies that were stored before are read as before.
#[tokio::test]
async fn bodies_that_are_there_already_can_be_read_in_the_leaner_schema() {
    use lockgate_store::{Calls as _, Part, Piece};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    let database = Database::open_with(&options(&path), &MIGRATIONS[..5]).await.unwrap();
    let mut tx = database.writers.write().await.unwrap();
    let id = uuid::Uuid::from_u128(7);
    let mut sql = Sql::new(
        "INSERT INTO calls (seq, id, operation, streamed, started_us, estimated, outcome, intervened, recording) VALUES (7, ",
    );
    let sql = sql.arg(id.to_string().as_str()).add(", 'chat', 0, 30, 0, 'complete', 0, 'full')").take();
    tx.run(sql).await.unwrap();
    let piece = Piece::new(b"what was said".to_vec());
    let mut sql = Sql::new(
        "INSERT INTO bodies (call, part, kind, head, size, offsets) VALUES (7, 'client_request', 'other', ",
    );
    sql.arg(piece.hash.as_bytes().to_vec()).add(", ").arg(piece.bytes.len()).add(", x'')");
    tx.run(sql).await.unwrap();
    let mut sql = Sql::new("INSERT INTO pieces (scope, hash, size, bytes) VALUES (-7, ");
    sql.arg(piece.hash.as_bytes().to_vec())
        .add(", ")
        .arg(piece.bytes.len())
        .add(", ")
        .arg(piece.bytes.clone());
    tx.run(sql.add(")").take()).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
    let database = Database::open(&options(&path)).await.unwrap();
    assert_eq!(database.body(id, Part::ClientRequest).await.unwrap(), Some(piece.bytes));
    assert_eq!(database.get(id).await.unwrap().unwrap().bodies.len(), 1);
}
