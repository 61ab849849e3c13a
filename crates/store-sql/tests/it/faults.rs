//! Databases that are away, locked, newer, slow, or opened by two at once.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lockgate_store::stats::Stats;
use lockgate_store::{Calls, Error, Filter, Limit, PageRequest, Part, Records, SessionOrder, Sessions, Side};
use lockgate_store_sql::{Database, Options, Place};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

use crate::postgres::Server;
use crate::sample::{DAY, SECOND, of, plain, saying, with_body};
use crate::stats::LONG;
use crate::{on_postgres, sqlite};

#[tokio::test]
async fn calls_written_before_a_server_went_away_are_there_when_it_is_back() {
    let (database, mut server) = on_postgres().await;
    database.write(&[plain(1)]).await.unwrap();
    server.stop();
    let error = database.write(&[plain(2)]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && error.passes(), "{error:?}");
    assert!(database.ping().await.is_err());
    server.run();
    let written = database.write(&[plain(1), plain(2)]).await.unwrap();
    assert_eq!((written.calls, written.repeated), (1, 1));
}

#[tokio::test]
async fn a_file_that_somebody_locks_is_called_locked_and_takes_calls_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lockgate.db");
    let mut options = Options::at(Place::File(path.clone()));
    options.busy_timeout = Duration::from_millis(20);
    let database = Database::open(&options).await.unwrap();
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let error = database.write(&[plain(1)]).await.unwrap_err();
    assert!(matches!(error, Error::Locked(_)) && error.passes(), "{error:?}");
    // Readers do not wait for a writer.
    assert_eq!(database.list(&Filter::default(), &PageRequest::default()).await.unwrap().items, []);
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(database.write(&[plain(1)]).await.unwrap().calls, 1);
}

/// 004-2: a start refuses a newer schema and says so.
#[tokio::test]
async fn a_newer_schema_is_refused_by_both() {
    let (database, folder) = sqlite().await;
    let (on_server, server) = on_postgres().await;
    let known = database.schema().await.unwrap();
    assert_eq!(on_server.schema().await.unwrap(), known);
    let path = folder.path().join("lockgate.db");
    let newer = "INSERT INTO schema_version (version) VALUES (999)";
    SqliteConnection::connect(path.to_str().unwrap()).await.unwrap().execute(newer).await.unwrap();
    PgConnection::connect(&server.url()).await.unwrap().execute(newer).await.unwrap();
    for place in [Place::File(path), Place::of(&server.url())] {
        let error = Database::open(&Options::at(place)).await.unwrap_err();
        assert!(matches!(error, Error::Schema { found: 999, known: ours } if ours == known), "{error:?}");
        assert!(error.to_string().contains("newer version"));
    }
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_schema() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    for place in [Place::File(folder.path().join("deep/er/lockgate.db")), Place::of(&server.url())] {
        let starts: Vec<_> = (0..6)
            .map(|nth| {
                let options = Options::at(place.clone());
                tokio::spawn(async move {
                    let database = Database::open(&options).await?;
                    database.write(&[plain(nth)]).await.map(|written| written.calls)
                })
            })
            .collect();
        for start in starts {
            assert_eq!(start.await.unwrap().unwrap(), 1);
        }
        let database = Database::open(&Options::at(place)).await.unwrap();
        let calls = database.list(&Filter::default(), &PageRequest::default()).await.unwrap();
        assert_eq!(calls.items.len(), 6);
    }
}

#[tokio::test]
async fn writers_of_the_same_sessions_do_not_wait_for_each_other_in_a_circle() {
    let (database, _server) = on_postgres().await;
    let writers: Vec<_> = (0..2_u64)
        .map(|writer| {
            let database = database.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let mut batch: Vec<_> = (0..12)
                        .map(|nth| of(&format!("s{nth}"), writer * 10_000 + round * 100 + nth))
                        .collect();
                    if writer == 1 {
                        batch.reverse();
                    }
                    database.write(&batch).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    for place in [Place::File(folder.path().join("lockgate.db")), Place::of(&server.url())] {
        let mut options = Options::at(place);
        let database = Database::open(&options).await.unwrap();
        let batch: Vec<_> = (0..4_000).map(|nth| saying(plain(nth), Side::User, "the same words")).collect();
        database.write(&batch).await.unwrap();
        options.statement_timeout = Duration::from_millis(1);
        let hasty = Database::open(&options).await.unwrap();
        let filter = Filter { text: Some("same words".to_owned()), ..Filter::default() };
        let page = PageRequest { after: None, limit: Limit::of(500) };
        let error = hasty.list(&filter, &page).await.unwrap_err();
        assert!(matches!(error, Error::Slow(_)) && error.passes(), "{error:?}");
        assert_eq!(database.list(&filter, &page).await.unwrap().items.len(), 500);
    }
}

#[tokio::test]
async fn a_page_that_uses_up_its_time_says_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::at(Place::File(folder.path().join("lockgate.db")));
    options.page_budget = Duration::ZERO;
    let database = Database::open(&options).await.unwrap();
    let mut oldest = with_body(plain(0), Part::ClientRequest, b"{}");
    oldest.call.route.provider = Some("rare".to_owned());
    let later = (1..200).map(|nth| {
        let mut record = plain(nth);
        record.call.timing.started_us = DAY + 3_600 * (48 + i64::try_from(nth).unwrap()) * SECOND;
        record
    });
    let records: Vec<_> = std::iter::once(oldest).chain(later).collect();
    database.write(&records).await.unwrap();
    let of_rare = Filter { provider: Some("rare".to_owned()), ..Filter::default() };
    let with_contents = Filter { contents: Some(true), ..Filter::default() };
    assert!(looks(&database, &of_rare).await > 1, "the first page was too short for ten days");
    assert!(looks(&database, &with_contents).await > 1, "the first page was too short for ten days");
    database.roll(i64::MAX, LONG).await.unwrap();
    assert!(looks(&database, &of_rare).await < 5, "what was counted leads to it");
    let of_nobody = Filter { provider: Some("nobody".to_owned()), ..Filter::default() };
    let found = database.sessions(&of_nobody, SessionOrder::Activity, &PageRequest::default()).await.unwrap();
    assert_eq!((found.items.len(), found.next), (0, None), "what was counted has no session with it");
}

/// Pages until the oldest call is found, of which nothing else is.
async fn looks(database: &Database, filter: &Filter) -> usize {
    let mut page = PageRequest::default();
    for looks in 1..20 {
        let got = database.list(filter, &page).await.unwrap();
        if let Some(call) = got.items.first() {
            assert_eq!(call.id, plain(0).call.id);
            return looks;
        }
        assert!(got.next.is_some(), "an empty page goes on");
        page.after = got.next;
    }
    panic!("the pages do not get on");
}

#[tokio::test]
async fn the_file_is_readable_by_its_owner_alone() {
    let (database, folder) = sqlite().await;
    database.write(&[plain(1)]).await.unwrap();
    for name in ["lockgate.db", "lockgate.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_server_is_reached_encrypted_and_with_a_password_and_missed_when_it_is_away() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut server = Server::start_tls(&made.cert.pem(), &made.signing_key.serialize_pem());
    let mut options = Options::at(Place::of(&server.tls_url()));
    options.acquire_timeout = Duration::from_secs(1);
    let database = Database::open(&options).await.unwrap();
    assert_eq!(database.write(&[plain(1)]).await.unwrap().calls, 1);
    let wrong = server.tls_url().replace("not%20a", "a%20wrong");
    let error = Database::open(&Options::at(Place::of(&wrong))).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("wrong"), "no password in {error}");
    server.stop();
    let error = database.write(&[plain(2)]).await.unwrap_err();
    assert!(
        matches!(error, Error::Unavailable(_)),
        "a server that refuses connections is away, not busy: {error:?}"
    );
}
