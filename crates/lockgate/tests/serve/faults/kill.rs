//! The process is killed, again and again, while clients call it.

use std::sync::LazyLock;

use lockgate_store_sql::Place;

use super::{ECHO, Load, assert_kept, home, is_well};
use crate::record::{all, database};
use crate::support::{Gateway, Scripted, until};

/// T2, 004-14: `kill -9` under load of parallel whole and streamed calls; what a client saw to its end is stored, once.
#[test]
fn calls_whose_last_byte_was_seen_survive_kill_9_under_load() {
    let upstream = Scripted::start(ECHO);
    let home = home(&upstream, "");
    let mut made = Vec::new();
    for round in 0..10 {
        let mut gateway = Gateway::start(&home);
        // Half of them are agents, whose requests the log holds as what is new in them.
        let agents = Load::with(&gateway, &format!("agents of round {round}"), 3, long());
        let load = Load::start(&gateway, &format!("round {round}"), 3);
        // Sometimes before the database is open, sometimes in the middle of a batch.
        until("some calls are answered", || load.count().min(agents.count()) >= 3 + round * 7);
        gateway.signal("KILL");
        gateway.ended();
        for load in [load, agents] {
            let (answered, failures) = load.end();
            assert!(!failures.iter().any(|failure| failure.contains("status: 5")), "{failures:?}");
            made.extend(answered);
        }
    }
    let mut gateway = Gateway::start(&home);
    let place = Place::File(database(&home));
    until("all is stored", || is_well(&gateway) && all(&place).len() >= made.len());
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let stored = assert_kept(&place, &made);
    assert!(stored <= made.len() + 10 * 6, "at most what was under way when it died came on top: {stored}");
}

fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| "Read before you write. ".repeat(1_500));
    &LONG
}
