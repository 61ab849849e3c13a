//! The database goes away under load, or somebody else locks it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use lockgate_store_sql::Place;

use super::{ECHO, Load, assert_kept, home, is_well, record_of, says};
use crate::postgres::Server;
use crate::record::database;
use crate::support::{Gateway, Home, Scripted, until};

const AWAY: &str = "the database does not take calls; the log keeps them";

/// Calls before, during and after a fault of the database: none fails, and each is stored once.
fn lives_through(home: &Home, place: &Place, begin: impl FnOnce(), end: impl FnOnce()) {
    let mut gateway = Gateway::start(home);
    let load = Load::start(&gateway, "away", 4);
    until("some calls are stored", || record_of(&gateway)["stored"].as_u64() > Some(20));
    begin();
    until("it is said", || says(&gateway, AWAY));
    let before = load.count();
    until("calls go on", || load.count() > before + 100);
    assert!(says(&gateway, AWAY) && record_of(&gateway)["waiting"].as_u64() > Some(100));
    end();
    let before = load.count();
    until("calls go on", || load.count() > before + 20);
    let made = load.end_well();
    until("all is stored", || is_well(&gateway));
    let health = record_of(&gateway);
    assert_eq!((&health["lost"], &health["quarantined"]), (&0.into(), &0.into()), "{health}");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    assert_eq!(assert_kept(place, &made), made.len());
}

/// T2, L5, L7: PostgreSQL crashes under load and comes back.
#[test]
fn a_postgresql_that_stops_and_starts_fails_no_call_and_loses_none() {
    let upstream = Scripted::start(ECHO);
    let mut server = Server::start();
    let url = server.url();
    let home = home(&upstream, &format!("record: {{database: '{url}'}}\n"));
    let server = std::cell::RefCell::new(&mut server);
    let stop = || server.borrow_mut().stop();
    lives_through(&home, &Place::of(&url), stop, || server.borrow_mut().run());
}

/// A program that holds the file of SQLite for itself until it is told to let go.
struct Locker(Child);

impl Locker {
    fn start(home: &Home) -> Self {
        let script = "import sqlite3, sys\n\
                      held = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n\
                      held.execute('BEGIN EXCLUSIVE')\n\
                      print('held', flush=True)\n\
                      sys.stdin.readline()\n\
                      held.execute('ROLLBACK')\n";
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(database(home)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn let_go(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

/// T2, L5, L7: for longer than the gateway waits for a lock, or it would not say that it is in trouble.
#[test]
fn a_sqlite_file_that_another_process_locks_fails_no_call_and_loses_none() {
    let upstream = Scripted::start(ECHO);
    let home = home(&upstream, "");
    let locker = std::cell::RefCell::new(None);
    let begin = || *locker.borrow_mut() = Some(Locker::start(&home));
    let end = || locker.borrow_mut().take().unwrap().let_go();
    lives_through(&home, &Place::File(database(&home)), begin, end);
}
