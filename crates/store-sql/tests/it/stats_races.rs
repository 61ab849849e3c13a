//! Counting while others write, delete and count: nothing gets lost, nothing counts twice, nobody waits for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockgate_store::stats::{Cell, Metric, Query, Stats};
use lockgate_store::{Error, Extent, Purge, Record, Records, Selection};
use lockgate_store_sql::{Database, Options, Place};
use sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};

use crate::agreement::Numbers;
use crate::postgres::Server;
use crate::sample::{DAY, SECOND, id, of, plain};
use crate::stats::{LONG, every_call, expected, record};

async fn calls(database: &Database) -> i64 {
    match database.query(&Query::of(Metric::Volume)).await.unwrap().total.cells[0] {
        Cell::Whole(number) => number,
        Cell::Nothing | Cell::Ratio(_) => panic!("calls are a number"),
    }
}

/// Calls of a writer: all within two hours, so that every writer marks the same slots.
fn portion(writer: u64) -> Vec<Record> {
    let mut numbers = Numbers(writer);
    let call = |nth| {
        let mut record = record(&mut numbers, writer * 10_000 + nth);
        record.call.timing.started_us = DAY + numbers.int(7_200) * SECOND;
        record
    };
    (0..300).map(call).collect()
}

async fn write_all(database: &Database, records: &[Record]) {
    for batch in records.chunks(7) {
        loop {
            match database.write(batch).await {
                Ok(_) => break,
                // One waits for the other on sessions that both write; never for counting, which is what this test would show.
                Err(Error::Locked(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Two replicas write, count, delete and read at once.
async fn at_once(first: &Database, second: &Database) {
    let over = AtomicBool::new(false);
    let portions: Vec<_> = (1..=4).map(portion).collect();
    let count = async |database: &Database| {
        let mut slots = 0;
        while !over.load(Ordering::SeqCst) {
            slots += database.roll(i64::MAX, Duration::ZERO).await.unwrap().slots;
            tokio::task::yield_now().await;
        }
        slots
    };
    let read = async |database: &Database| {
        let (mut seen, mut reads) = (0, 0_u32);
        while !over.load(Ordering::SeqCst) {
            let now = calls(database).await;
            assert!(now >= seen, "{now} calls after {seen}");
            seen = now;
            reads += 1;
        }
        reads
    };
    let write = async {
        tokio::join!(
            write_all(first, &portions[0]),
            write_all(second, &portions[1]),
            write_all(first, &portions[2]),
            write_all(second, &portions[3]),
        );
        over.store(true, Ordering::SeqCst);
    };
    let (one, two, reads, ()) = tokio::join!(count(first), count(second), read(second), write);
    assert!(one + two > 8, "counted while writing");
    assert!(reads > 3, "read while writing");
    assert_eq!(calls(first).await, 1_200);
    over.store(false, Ordering::SeqCst);
    let delete = async {
        for user in ["ann", "ben"] {
            let user = Selection::User(user.to_owned());
            first.purge(&user, Extent::Everything, false).await.unwrap();
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(count(second), delete);
    second.roll(i64::MAX, LONG).await.unwrap();
    let left = every_call(first).await;
    assert!((300..1_100).contains(&left.len()));
    for metric in Metric::ALL {
        let query = Query::of(*metric);
        assert_eq!(first.query(&query).await.unwrap().total, expected(&left, &query).total, "{metric:?}");
    }
}

/// 004-20: several replicas write, delete and count at once; the numbers are right while they do and after.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_write_delete_and_count_at_once_leave_the_numbers_right_on_postgresql() {
    let server = Server::start();
    let (first, second) = (crate::open(&server.url()).await, crate::open(&server.url()).await);
    at_once(&first, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_write_delete_and_count_at_once_leave_the_numbers_right_on_sqlite() {
    let (first, folder) = crate::sqlite().await;
    let options = Options::at(Place::File(folder.path().join("lockgate.db")));
    let second = Database::open(&options).await.unwrap();
    at_once(&first, &second).await;
}

/// 004-20: a call that is being stored while its quarter of an hour is counted is not lost, though it was marked before.
#[tokio::test]
async fn a_call_that_is_committed_after_its_slot_was_counted_is_counted_again() {
    let server = Server::start();
    let database = crate::open(&server.url()).await;
    database.write(&[plain(1)]).await.unwrap();
    let mut writer = PgConnection::connect(&server.url()).await.unwrap();
    let columns = "operation, streamed, started_us, estimated, outcome, intervened, recording";
    writer.execute("BEGIN").await.unwrap();
    let copy = format!("INSERT INTO calls (id, {columns}) SELECT '{}', {columns} FROM calls", id(2));
    writer.execute(sqlx::AssertSqlSafe(copy)).await.unwrap();
    writer.execute("INSERT INTO stat_marks (slot) SELECT slot FROM stat_marks").await.unwrap();
    assert_eq!(
        database.roll(i64::MAX, LONG).await.unwrap().slots,
        1,
        "the round does not wait for the writer"
    );
    assert_eq!(calls(&database).await, 1);
    writer.execute("COMMIT").await.unwrap();
    assert_eq!(calls(&database).await, 2);
    assert_eq!(database.roll(i64::MAX, LONG).await.unwrap().slots, 1);
    assert_eq!(calls(&database).await, 2);
}

/// While one process counts, another does not wait but leaves it to it; when that one dies, the next goes on.
#[tokio::test]
async fn a_second_round_leaves_it_to_the_first_and_goes_on_when_that_one_is_gone() {
    let server = Server::start();
    let database = crate::open(&server.url()).await;
    database.write(&[plain(1)]).await.unwrap();
    let mut other = PgConnection::connect(&server.url()).await.unwrap();
    other.execute("BEGIN; SELECT pg_advisory_xact_lock(7813573226036032627)").await.unwrap();
    assert_eq!(database.roll(i64::MAX, LONG).await.unwrap().slots, 0);
    other.close().await.unwrap();
    while database.roll(i64::MAX, LONG).await.unwrap().slots == 0 {}
    assert_eq!(calls(&database).await, 1);
}

/// What is purged leaves no name behind, and a database from before is counted from its beginning.
#[tokio::test]
async fn names_go_with_their_calls_and_older_calls_are_counted_after_an_update() {
    let (database, folder) = crate::sqlite().await;
    let mut secret = of("s", 1);
    secret.call.principal.user = Some("somebody".to_owned());
    database.write(&[secret, of("s", 2)]).await.unwrap();
    database.roll(i64::MAX, LONG).await.unwrap();
    let path = folder.path().join("lockgate.db");
    let mut file = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let users = "SELECT count(*) FROM stat_packs WHERE instr(heads, CAST('somebody' AS BLOB)) > 0";
    assert_eq!(file.fetch_one(users).await.unwrap().get::<i64, _>(0), 1);
    let user = Selection::User("somebody".to_owned());
    database.purge(&user, Extent::Everything, false).await.unwrap();
    database.roll(i64::MAX, LONG).await.unwrap();
    assert_eq!(file.fetch_one(users).await.unwrap().get::<i64, _>(0), 0);
    assert_eq!(calls(&database).await, 1);
    // The state before schema 3.
    database.close().await;
    let undo = "DROP TABLE stat_packs; DROP TABLE stat_marks; DROP TABLE verdicts; DROP TABLE verdict_labels; DROP TABLE tool_counts; DROP TABLE approvals; DROP TABLE policy_versions; DROP TABLE feedback; DROP TABLE settings_versions; ALTER TABLE calls DROP COLUMN data_class; DELETE FROM schema_version WHERE version >= 3";
    file.execute(undo).await.unwrap();
    let database = Database::open(&Options::at(Place::File(path))).await.unwrap();
    assert_eq!(calls(&database).await, 1);
    assert_eq!(database.roll(i64::MAX, LONG).await.unwrap().slots, 1);
    assert_eq!(calls(&database).await, 1);
}
