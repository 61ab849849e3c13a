//! The clock of the day jumps while calls are under way: a shim before the C library shifts it by what a file says.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_store::{Call, Calls as _, Filter, Limit, PageRequest};
use lockgate_store_sql::Place;

use super::{Load, assert_kept, home, is_well, record_of};
use crate::outside::built;
use crate::record::{all, database, reading_at};
use crate::support::{Gateway, Scripted, until};

const HOUR: i64 = 3600;

/// One answer takes its time, the others do not.
const SLOW: &str = "rules: [{when: {model: slow}, answer: {blocks: [{text: 'one two three four five six'}], chunk: 4, delay_ms: 120}},
  {answer: {blocks: [{text: 'I heard: ${last_user}'}], chunk: 10, delay_ms: 2}}]";

/// All calls by pages of three.
fn paged(place: &Place) -> Vec<Call> {
    reading_at(place, async |database| {
        let (mut calls, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest { after, limit: Limit::of(3) };
            let page = database.list(&Filter::default(), &page).await.unwrap();
            calls.extend(page.items);
            after = page.next;
            if after.is_none() {
                return calls;
            }
        }
    })
}

/// T2: a day forward and an hour back, while streams run and calls come in.
#[test]
fn a_clock_that_jumps_fails_no_call_and_bends_no_duration() {
    let upstream = Scripted::start(SLOW);
    let home = home(&upstream, "");
    let shim = built(&home, "clock.c", include_str!("clock.c"));
    let path = home.path("offset");
    fs::write(&path, 0_i64.to_ne_bytes()).unwrap();
    let clock = File::options().write(true).open(&path).unwrap();
    let shift = |seconds: i64| clock.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    let variables = [("LD_PRELOAD", shim.to_str().unwrap()), ("CLOCK_OFFSET", path.to_str().unwrap())];
    let mut gateway = Gateway::start_with(&home, &variables);

    let load = Load::start(&gateway, "clock", 2);
    let mut slow = Vec::new();
    for to in [24 * HOUR, -HOUR, 0] {
        let mut stream = gateway.stream("up:slow");
        stream.until("one");
        shift(to);
        let before = load.count();
        until("calls go on", || load.count() > before + 10);
        let answer = stream.end().unwrap();
        assert!(answer.body().unwrap().contains("[DONE]"), "{answer:?}");
        slow.push(answer.header("x-task-id").unwrap());
    }
    let made = load.end_well();
    until("all is stored", || is_well(&gateway));
    assert_eq!(record_of(&gateway)["stored"], made.len() + slow.len());
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);

    let place = Place::File(database(&home));
    assert_eq!(assert_kept(&place, &made), made.len() + slow.len());
    let calls = all(&place);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let off: BTreeSet<i64> = calls
        .iter()
        .map(|call| (call.timing.started_us - now + 60_000_000).div_euclid(HOUR * 1_000_000))
        .collect();
    assert_eq!(off.into_iter().collect::<Vec<_>>(), [-1, 0, 24], "calls have the time that the clock had");
    for call in &calls {
        let timing = &call.timing;
        for took in [timing.queue_us, timing.ttft_us, timing.total_us] {
            assert!(took.is_some_and(|took| (0..30_000_000).contains(&took)), "{call:?}");
        }
        assert!(timing.ttft_us <= timing.total_us, "{call:?}");
    }
    // A client's own calls come one after the other; so do their ids, whatever the clock says.
    for client in 0..2 {
        let of: Vec<&str> = made
            .iter()
            .filter(|call| call.words.ends_with(&format!("clock-{client}")))
            .map(|call| call.id.as_str())
            .collect();
        assert!(of.len() > 10 && of.is_sorted(), "{of:?}");
    }
    let ids = |calls: &[Call]| calls.iter().map(|call| call.id).collect::<Vec<_>>();
    assert_eq!(ids(&paged(&place)), ids(&calls), "pages show each call once");
    let listed = home.run(&["call", "list", "--json", "--limit", "500"]);
    assert_eq!(listed.code, 0, "{listed:?}");
}
