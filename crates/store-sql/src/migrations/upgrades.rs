//! Databases of every older schema, as an update finds them: what is in them stays, also when the update is killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_store::stats::{Cell, Metric, Query, Stats as _};
use lockgate_store::{Calls as _, Filter, Limit, PageRequest, Part, Piece, SessionOrder, Sessions as _};
use uuid::Uuid;

use super::MIGRATIONS;
use crate::driver::Sql;
use crate::{Database, Options, Place};

#[path = "../../tests/it/postgres.rs"]
#[expect(dead_code, reason = "the integration tests use all of it")]
mod postgres;

const CALL: &str = "01900000-0000-7007-8000-000000000007";

/// A database as an older version left it, with a session of one call.
async fn of_schema(place: &Place, version: usize) {
    let database = Database::open_with(&Options::at(place.clone()), &MIGRATIONS[..version]).await.unwrap();
    let mut tx = database.writers.write().await.unwrap();
    let session = "INSERT INTO sessions (seq, id, source, title, title_rank, title_words, first_us, last_us) \
                   VALUES (3, 's', 'header', 'The login', 3, ' login the ', 30, 30)";
    tx.run(Sql::new(session)).await.unwrap();
    let mut sql = Sql::new(
        "INSERT INTO calls (seq, id, session, key_name, operation, streamed, started_us, estimated, cost_nano, outcome, intervened, recording) \
         VALUES (7, ",
    );
    tx.run(sql.arg(CALL).add(", 3, 'laptop', 'chat', 0, 30, 0, 12, 'complete', 0, 'full')").take())
        .await
        .unwrap();
    let decided = r#"[{"json":{"policy":"git","said":"refuse","applied":true},"kind":"policy","version":1}]"#;
    let mut sql = Sql::new("INSERT INTO call_details (call, decisions) VALUES (7, ");
    tx.run(sql.arg(decided).add(")").take()).await.unwrap();
    let piece = Piece::new(b"what was said".to_vec());
    let mut sql = Sql::new(
        "INSERT INTO bodies (call, part, kind, head, size, offsets) VALUES (7, 'client_request', 'other', ",
    );
    sql.arg(piece.hash.as_bytes().to_vec()).add(", ").arg(piece.bytes.len()).add(", ").arg(Vec::<u8>::new());
    tx.run(sql.add(")").take()).await.unwrap();
    let mut sql = Sql::new("INSERT INTO pieces (scope, hash, size, bytes) VALUES (3, ");
    sql.arg(piece.hash.as_bytes().to_vec()).add(", ").arg(piece.bytes.len()).add(", ").arg(piece.bytes);
    tx.run(sql.add(")").take()).await.unwrap();
    if version >= 3 {
        // As whoever writes a call there does.
        tx.run(Sql::new("INSERT INTO stat_marks (slot) VALUES (0)")).await.unwrap();
    }
    tx.commit().await.unwrap();
    database.close().await;
}

/// That this version reads what is in there, and writes the same place again.
async fn is_whole(place: &Place, from: usize) {
    let database = Database::open(&Options::at(place.clone())).await.unwrap();
    assert_eq!(database.schema().await.unwrap(), MIGRATIONS[MIGRATIONS.len() - 1].version, "from {from}");
    let id: Uuid = CALL.parse().unwrap();
    let stored = database.get(id).await.unwrap().unwrap();
    assert_eq!(
        (stored.call.cost_nano, stored.call.principal.key.as_deref()),
        (Some(12), Some("laptop")),
        "from {from}"
    );
    assert_eq!(stored.details.decisions.len(), 1, "from {from}");
    assert_eq!(
        database.body(id, Part::ClientRequest).await.unwrap().as_deref(),
        Some(&b"what was said"[..]),
        "from {from}"
    );
    let page = PageRequest { after: None, limit: Limit::of(9) };
    let sessions = database.sessions(&Filter::default(), SessionOrder::Activity, &page).await.unwrap();
    assert_eq!(
        sessions.items[0].title.as_ref().map(|title| title.text.as_str()),
        Some("The login"),
        "from {from}"
    );
    let volume = database.query(&Query::of(Metric::Volume)).await.unwrap();
    assert_eq!(volume.total.cells[0], Cell::Whole(1), "from {from}");
    database.close().await;
}

/// 004-2: from any version to this one.
#[tokio::test]
async fn a_file_of_every_older_schema_keeps_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..MIGRATIONS.len() {
        let place = Place::File(folder.path().join(format!("{version}.db")));
        of_schema(&place, version).await;
        is_whole(&place, version).await;
    }
}

/// 004-2: the same on a server, where several gateways come back at once.
#[tokio::test]
async fn a_server_with_any_older_schema_keeps_what_is_in_it_when_two_gateways_start_at_once() {
    let server = postgres::Server::start();
    for version in 1..MIGRATIONS.len() {
        let place = Place::Server(server.url_of(&format!("of_{version}")));
        of_schema(&place, version).await;
        tokio::join!(is_whole(&place, version), is_whole(&place, version));
    }
}

/// Where a process that is to be killed finds the file that it brings up to date.
const VICTIM: &str = "LOCKGATE_TEST_UPGRADE";

/// Calls of the file: so many that an update takes a while.
const MANY: usize = 30_000;

/// 004-2: an update that is killed anywhere is made again by the next start, and nothing of the record is lost.
#[test]
fn an_update_that_is_killed_anywhere_loses_nothing_and_is_made_by_the_next_start() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let opened = |path: &Path| {
        runtime.block_on(async {
            Database::open(&Options::at(Place::File(path.to_owned()))).await.unwrap().close().await;
        });
    };
    if let Some(path) = std::env::var_os(VICTIM) {
        return opened(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    let place = Place::File(path.clone());
    runtime.block_on(async {
        of_schema(&place, 1).await;
        let database = Database::open_with(&Options::at(place.clone()), &MIGRATIONS[..1]).await.unwrap();
        let mut tx = database.writers.write().await.unwrap();
        let mut sql = Sql::new("WITH RECURSIVE n(i) AS (VALUES (100) UNION ALL SELECT i + 1 FROM n WHERE i < ");
        sql.arg(98 + MANY).add(
            ") INSERT INTO calls (seq, id, session, operation, streamed, started_us, estimated, outcome, intervened, recording) \
             SELECT i, 'x' || i, 3, 'chat', 0, i * 1000000, 0, 'complete', 0, 'full' FROM n",
        );
        tx.run(sql.take()).await.unwrap();
        let bodies = "INSERT INTO bodies (call, part, kind, head, size, offsets) \
                      SELECT seq, 'client_request', 'other', x'00', 1, zeroblob(60) FROM calls WHERE seq >= 100";
        tx.run(Sql::new(bodies)).await.unwrap();
        tx.commit().await.unwrap();
        database.close().await;
    });
    let mut killed = 0;
    // Killed once so many bytes of the update are in the log of the file. On a busy machine some end before they are.
    for nth in 0..60_u64 {
        let copy = folder.path().join(format!("{nth}.db"));
        std::fs::copy(&path, &copy).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(VICTIM, &copy)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cut = is_killed(child, &beside(&copy, "-wal"), nth % 12 * 400_000);
        killed += u32::from(cut);
        runtime.block_on(async { assert_eq!(calls(&copy).await, MANY, "start {nth}") });
        if cut {
            opened(&copy);
            runtime.block_on(is_updated(&copy));
        }
        if killed == 6 {
            return;
        }
    }
    assert!(killed >= 2, "only {killed} of the starts were cut off");
}

/// The test above, as its own process calls it.
const NAME: &str =
    "migrations::upgrades::an_update_that_is_killed_anywhere_loses_nothing_and_is_made_by_the_next_start";

/// That a file has this version's schema, with all that was in it.
async fn is_updated(path: &Path) {
    let database = Database::open(&Options::at(Place::File(path.to_owned()))).await.unwrap();
    assert_eq!(database.schema().await.unwrap(), MIGRATIONS[MIGRATIONS.len() - 1].version);
    let body = database.body(CALL.parse().unwrap(), Part::ClientRequest).await.unwrap();
    assert_eq!(body.as_deref(), Some(&b"what was said"[..]));
    database.close().await;
    assert_eq!(calls(path).await, MANY);
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Kills a process once a file has so many bytes; false if it has ended by then.
fn is_killed(mut child: Child, file: &Path, bytes: u64) -> bool {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        assert!(Instant::now() < end, "an update does not end");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if std::fs::metadata(file).is_ok_and(|file| file.len() > bytes) {
            child.kill().unwrap();
            // Nothing says that it had not just ended by itself.
            return !child.wait().unwrap().success();
        }
        std::thread::yield_now();
    }
}

/// How many calls and bodies a file has, whichever schema it is in; it is not touched.
async fn calls(path: &Path) -> usize {
    use sqlx::{Connection, Executor, Row};
    let mut connection = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM bodies), (SELECT group_concat(integrity_check) FROM pragma_integrity_check)";
    let row = connection.fetch_one(sql).await.unwrap();
    let (calls, bodies, whole): (i64, i64, String) = (row.get(0), row.get(1), row.get(2));
    assert_eq!((calls, whole.as_str()), (bodies, "ok"));
    connection.close().await.unwrap();
    calls as usize
}
