//! Bodies that are written as what differs from others come back whole, and what they refer to stays for as long.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use lockgate_core::Dialect;
use proptest::prelude::*;
use uuid::Uuid;

use super::super::{Bounds, Log, locked};
use super::{Base, Bases, LEAST, Place, Reference};
use crate::entry::{self, Closed, Entry, Mode, Opened, Operation, Sent};
use crate::key::Key;
use crate::scan::{RawCall, Scanner};
use crate::tape::Tape;

const KEY: Key = Key::from_bytes([7; 32]);

/// A file for each large body.
const BOUNDS: fn() -> Bounds = || Bounds { lanes: 1, segment: 40_000, ..Bounds::default() };

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// What an agent sends again with each turn.
fn body(turn: usize) -> Bytes {
    let line = |line: usize| format!("{{\"role\":\"user\",\"content\":\"line {line} of the history\"}}");
    let history: Vec<_> = (0..1_000 + turn).map(line).collect();
    format!("{{\"messages\":[{}],\"tools\":[\"{}\"]}}", history.join(","), "a tool ".repeat(500)).into()
}

fn opened() -> Opened {
    Opened {
        at_us: 1_700_000_000_000_000,
        data_class: None,
        dialect: Dialect::Chat,
        headers: Vec::new(),
        key: Some("alice".into()),
        mode: Mode::Redacted,
        operation: Operation::Generate,
        parent: None,
        path: "/v1/chat/completions".into(),
        project: None,
        user: None,
    }
}

/// Notes a call that asks this, and the provider this; bytes that the log grew by.
fn noted(log: &Log, number: u128, asked: &Bytes, sent: Option<&Bytes>) -> u64 {
    let before = log.state().files;
    let tape = Tape::open(log, id(number), &opened(), asked);
    let try_ = Sent {
        attempt: 1,
        dialect: Dialect::Chat,
        kind: "openai".into(),
        model: "m".into(),
        provider: "openai".into(),
    };
    tape.sent(&try_, sent);
    tape.append();
    tape.close(&Closed { status: Some(200), ..Closed::default() });
    log.state().files - before
}

fn bodies(call: &RawCall) -> Vec<Bytes> {
    let body = |entry: &Entry| match entry {
        Entry::Request(bytes) | Entry::SentBody(bytes) => Some(bytes.clone()),
        _ => None,
    };
    call.entries.iter().filter_map(|(_, entry)| body(entry)).collect()
}

fn taken(scanner: &mut Scanner, number: u128) -> RawCall {
    scanner.take(id(number)).unwrap().unwrap()
}

/// A log of three calls: the first's bodies are whole, the others refer to them. All of it is read from files.
fn restarted(folder: &Path) -> Log {
    let log = Log::open(folder, KEY, BOUNDS()).unwrap();
    for number in 1..4 {
        let grown = noted(&log, number, &body(number as usize), Some(&body(number as usize + 10)));
        assert_eq!(number > 1, grown < 5_000, "call {number}: {grown} bytes");
    }
    log.close();
    drop(log);
    Log::open(folder, KEY, BOUNDS()).unwrap()
}

#[test]
fn a_history_that_is_sent_again_is_written_as_what_is_new_and_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let log = restarted(folder.path());
    let mut scanner = Scanner::new(log.clone());
    assert_eq!(scanner.look().unwrap(), [id(1), id(2), id(3)]);
    for number in [3, 1, 2] {
        let call = taken(&mut scanner, number);
        assert_eq!(call.missing, 0);
        assert_eq!(bodies(&call), [body(number as usize), body(number as usize + 10)], "call {number}");
    }
    // And where nothing is read from a file.
    noted(&log, 4, &body(4), None);
    noted(&log, 5, &body(5), None);
    scanner.look().unwrap();
    assert_eq!(bodies(&taken(&mut scanner, 5)), [body(5)]);
}

#[test]
fn a_file_stays_until_nothing_refers_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = restarted(folder.path());
    let mut scanner = Scanner::new(log.clone());
    scanner.look().unwrap();
    taken(&mut scanner, 1);
    scanner.done(id(1)).unwrap();
    for number in [2, 3] {
        assert_eq!(
            bodies(&taken(&mut scanner, number))[0],
            body(number as usize),
            "the first is stored already"
        );
        scanner.done(id(number)).unwrap();
    }
    assert_eq!(log.files().unwrap().len(), 0);
}

#[test]
fn a_file_stays_while_a_running_process_may_still_refer_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), KEY, BOUNDS()).unwrap();
    let mut scanner = Scanner::new(log.clone());
    noted(&log, 1, &body(1), None);
    // Others begin files of their own behind it.
    noted(&log, 2, &Bytes::from(vec![b'x'; 39_000]), None);
    for number in [1, 2] {
        scanner.look().unwrap();
        taken(&mut scanner, number);
        scanner.done(id(number)).unwrap();
    }
    scanner.look().unwrap();
    assert!(noted(&log, 3, &body(3), None) < 5_000);
    let late = log.again(0, &body(3), None);
    assert!(late.is_none(), "another's");
    locked(&log.0.shared.bases).drop_of(None);
    for _ in 0..3 {
        assert_eq!(scanner.look().unwrap(), [id(3)]);
    }
    assert_eq!(log.files().unwrap().len(), 2);
    assert_eq!(bodies(&taken(&mut scanner, 3)), [body(3)]);
    scanner.done(id(3)).unwrap();
    scanner.look().unwrap();
    assert_eq!(log.files().unwrap().len(), 1, "but for the one that is being written");
}

#[test]
fn a_body_that_is_lost_with_another_is_missing_and_the_rest_of_its_call_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = restarted(folder.path());
    let first = log.files().unwrap().remove(0);
    fs::File::options().write(true).open(first).unwrap().write_all_at(b"damage", 3_000).unwrap();
    let mut scanner = Scanner::new(log.clone());
    scanner.look().unwrap();
    for number in 1..4 {
        let call = taken(&mut scanner, number);
        assert_eq!((call.missing, bodies(&call).len()), (1, 0), "call {number}");
        assert!(matches!(call.entries.last(), Some((_, Entry::Closed(_)))), "call {number}");
    }
}

#[test]
fn what_is_put_aside_refers_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = restarted(folder.path());
    let mut scanner = Scanner::new(log);
    scanner.look().unwrap();
    let mut entries = Vec::new();
    for (_, content) in scanner.frames(id(3)) {
        let whole = entry::read(content.into(), &mut |_| panic!("it refers to another"), &mut entries);
        assert_eq!(whole, Ok(true));
    }
    let call = RawCall { ended: true, entries, id: id(3), missing: 0 };
    assert_eq!(bodies(&call), [body(3), body(13)]);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_used_stays() {
    let mut bases = Bases::default();
    let base = |file: u32| {
        let place = Place { call: id(1), file, frame: 24, length: 1 << 20, start: 0 };
        Base { bytes: vec![7; 1 << 20].into(), place }
    };
    bases.put(0, base(0));
    let first = bases.alike(0, None).remove(0);
    for file in 1..12 {
        bases.put(u64::from(file), base(file));
        bases.touch(&first);
    }
    assert_eq!(bases.alike(0, None).len(), 1);
    assert_eq!(bases.alike(0, Some(3)), [], "of another file");
    assert!(bases.files().len() <= super::BYTES >> 20);
    bases.put(99, base(super::OLD + 1));
    assert_eq!(bases.alike(0, None), [], "too many files were begun behind it");
    assert!(bases.files().contains(&0), "something on its way refers to it");
    drop(first);
    assert!(!bases.files().contains(&0));
}

proptest! {
    #[test]
    fn a_body_is_what_it_has_of_another_and_what_is_between(
        start in ".{0,9000}",
        old in ".{0,40}",
        new in ".{0,40}",
        end in ".{0,9000}",
    ) {
        let (body, other) = (format!("{start}{new}{end}"), format!("{start}{old}{end}"));
        let place = Place { call: id(9), file: 3, frame: 1 << 40, length: other.len(), start: 77 };
        let base = Base { bytes: other.into(), place };
        let Some(reference) = Reference::of(body.as_bytes(), &base) else { return Ok(()) };
        let mut written = Vec::new();
        reference.write(body.as_bytes(), &mut written);
        let (read, from) = Reference::read(&written).unwrap();
        prop_assert_eq!(read, reference);
        prop_assert_eq!(read.join(&base.bytes, &written[from..]), body.as_bytes());
        for cut in 0..from {
            prop_assert_eq!(Reference::read(&written[..cut]), None);
        }
    }
}

#[test]
fn what_is_short_or_has_little_in_common_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), KEY, Bounds::default()).unwrap();
    for (number, body) in [(1, vec![b'a'; LEAST - 1]), (2, vec![b'a'; LEAST - 1])] {
        assert!(noted(&log, number, &body.into(), None) > LEAST as u64);
    }
    let half = |fill: u8| Bytes::from([vec![b'a'; LEAST], vec![fill; LEAST]].concat());
    for (number, fill) in [(3, b'b'), (4, b'c')] {
        assert!(noted(&log, number, &half(fill), None) > 2 * LEAST as u64, "call {number}");
    }
}
