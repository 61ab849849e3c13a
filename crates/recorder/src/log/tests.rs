//! What the log keeps, whatever happens to its files and its disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use lockgate_core::Dialect;
use proptest::prelude::*;
use uuid::Uuid;

use super::content::Content;
use super::segment::{HEAD, Reader, Step, Writer};
use super::{Bounds, Log};
use crate::entry::{Closed, Entry, Mode, Opened, Operation};
use crate::key::Key;
use crate::scan::{RawCall, Scanner};
use crate::tape::Tape;

const KEY: Key = Key::from_bytes([7; 32]);

fn call(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Writes a file with a frame for each content.
fn written(path: &Path, contents: &[Vec<u8>]) {
    let mut writer = Writer::create(path, &KEY).unwrap();
    for (number, content) in contents.iter().enumerate() {
        writer.append(call(number as u128), 0, true, &Content::from(content.clone())).unwrap();
    }
}

/// What can be read of a finished file, and how many bytes cannot.
fn read(path: &Path) -> (BTreeMap<u128, Vec<u8>>, u64) {
    let mut found = BTreeMap::new();
    let mut damaged = 0;
    let Some(mut reader) = Reader::open(path, &KEY).unwrap() else { return (found, 0) };
    loop {
        match reader.step(true).unwrap() {
            Step::Damage(bytes) => damaged += bytes,
            Step::End => return (found, damaged),
            Step::Frame(head, at) => {
                if let Some(content) = reader.read(&head, at).unwrap() {
                    found.insert(head.call.as_u128(), content);
                }
            }
        }
    }
}

fn opened() -> Opened {
    Opened {
        at_us: 1_700_000_000_000_000,
        data_class: None,
        dialect: Dialect::Chat,
        headers: vec![("user-agent".into(), "test".into())],
        key: Some("alice".into()),
        mode: Mode::Redacted,
        operation: Operation::Generate,
        parent: None,
        path: "/v1/chat/completions".into(),
        project: None,
        user: None,
    }
}

fn log(folder: &Path, bounds: Bounds) -> Log {
    Log::open(folder, KEY, bounds).unwrap()
}

/// Every call that can be taken, in order; each is done with then.
fn taken(log: &Log) -> Vec<RawCall> {
    let mut scanner = Scanner::new(log.clone());
    let ready = scanner.look().unwrap();
    let calls: Vec<RawCall> = ready.into_iter().map(|call| scanner.take(call).unwrap().unwrap()).collect();
    for call in &calls {
        scanner.done(call.id).unwrap();
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A process can be killed within any write.
    #[test]
    fn a_file_that_ends_anywhere_gives_all_frames_before(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0-0.log");
        written(&path, &contents);
        let whole = fs::read(&path).unwrap();
        let length = cut.index(whole.len() + 1);
        fs::write(&path, &whole[..length]).unwrap();
        let (found, damaged) = read(&path);
        let mut end = 24;
        let mut complete = 0;
        for content in &contents {
            end += HEAD + content.len() + 16;
            complete += usize::from(end <= length);
        }
        prop_assert_eq!(found.len(), complete);
        for (number, content) in &found {
            prop_assert_eq!(content, &contents[*number as usize]);
        }
        let expected: usize = 24 + contents[..complete].iter().map(|content| HEAD + content.len() + 16).sum::<usize>();
        prop_assert_eq!(damaged as usize, if length < 24 { 0 } else { length - expected });
    }

    /// A damaged block on the disk costs what was in it, not what follows.
    #[test]
    fn damage_in_the_middle_costs_only_the_frames_that_it_hit(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 2..12),
        from in any::<prop::sample::Index>(),
        length in 1..200_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0-0.log");
        written(&path, &contents);
        let mut bytes = fs::read(&path).unwrap();
        let from = 24 + from.index(bytes.len() - 24);
        let until = (from + length).min(bytes.len());
        for byte in &mut bytes[from..until] {
            *byte ^= 0x5a;
        }
        fs::write(&path, &bytes).unwrap();
        let (found, _) = read(&path);
        let mut start = 24;
        for (number, content) in contents.iter().enumerate() {
            let end = start + HEAD + content.len() + 16;
            let hit = from < end && until > start;
            prop_assert_eq!(found.get(&(number as u128)), (!hit).then_some(content), "frame {}", number);
            start = end;
        }
    }
}

#[test]
fn nothing_of_a_call_can_be_read_without_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0-0.log");
    written(&path, &[b"a secret of the client".to_vec()]);
    assert!(!fs::read(&path).unwrap().windows(6).any(|window| window == b"secret"));
    let mut reader = Reader::open(&path, &Key::from_bytes([8; 32])).unwrap().unwrap();
    let Step::Frame(head, at) = reader.step(true).unwrap() else { panic!("no frame") };
    assert_eq!(reader.read(&head, at).unwrap(), None);
}

#[test]
fn a_call_is_read_back_as_it_was_noted_and_its_file_is_deleted_when_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let first = log(folder.path(), Bounds::default());
    let tape = Tape::open(&first, call(1), &opened(), &Bytes::from_static(b"{\"model\":\"m\"}"));
    tape.received(&Bytes::from_static(b"data: one\n\ndata: two\n\n"));
    tape.delivered(b"data: one\n\n");
    tape.kept_alive();
    tape.delivered(b"data: two\n\n");
    tape.delivered(b"data: of the gateway\n\n");
    tape.close(&Closed { status: Some(200), stream: true, ..Closed::default() });
    let calls = taken(&first);
    let [RawCall { ended: true, entries, missing: 0, .. }] = &calls[..] else { panic!("{calls:?}") };
    let steps: Vec<&Entry> = entries.iter().map(|(_, entry)| entry).collect();
    assert_eq!(
        steps,
        [
            &Entry::Opened(opened()),
            &Entry::Request(Bytes::from_static(b"{\"model\":\"m\"}")),
            &Entry::Received(Bytes::from_static(b"data: one\n\ndata: two\n\n")),
            &Entry::Passed(11),
            &Entry::KeptAlive,
            &Entry::Passed(11),
            &Entry::Delivered(Bytes::from_static(b"data: of the gateway\n\n")),
            &Entry::Closed(Box::new(Closed { status: Some(200), stream: true, ..Closed::default() })),
        ]
    );
    drop((tape, first));
    // The file of a process that has ended is deleted as soon as everything in it is stored.
    let second = log(folder.path(), Bounds::default());
    assert_eq!(second.files().unwrap().len(), 1);
    assert_eq!(taken(&second).len(), 1, "a restart finds what was not deleted again");
    assert_eq!(second.files().unwrap().len(), 0);
    assert_eq!(second.state().files, 0);
}

#[test]
fn a_call_whose_process_ended_within_it_is_found_as_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let first = log(folder.path(), Bounds::default());
    let tape = Tape::open(&first, call(1), &opened(), &Bytes::from_static(b"{}"));
    tape.append();
    assert_eq!(taken(&first), [], "it still runs");
    std::mem::forget(tape);
    first.close();
    // What `kill -9` leaves of the lock.
    let held = folder.path().join("0/lock");
    fs::rename(&held, folder.path().join("0/old")).unwrap();
    let second = log(folder.path(), Bounds::default());
    let calls = taken(&second);
    assert!(matches!(&calls[..], [RawCall { ended: false, missing: 0, .. }]), "{calls:?}");
}

/// What is said of a call behind its end is put to it, at the time of its end; without it the call is as complete as it was then.
#[test]
fn a_call_that_is_over_keeps_its_end_whatever_comes_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), Bounds::default());
    let ending = |said: &[&str]| Closed {
        policies: said.iter().map(|word| serde_json::Value::from(*word)).collect(),
        status: Some(200),
        ..Closed::default()
    };
    let ends = |call: &RawCall| -> Vec<(u64, Closed)> {
        let closed = call.entries.iter().filter_map(|(at, entry)| match entry {
            Entry::Closed(closed) => Some((*at, (**closed).clone())),
            _ => None,
        });
        closed.collect()
    };
    let tape = Tape::open(&log, call(1), &opened(), &Bytes::new());
    tape.over(&ending(&["first"]));
    assert_eq!(taken(&log), [], "there may be more to say");
    tape.close(&ending(&["first", "late"]));
    let calls = taken(&log);
    let [(over, first), (closed, last)] = &ends(&calls[0])[..] else { panic!("{calls:?}") };
    assert_eq!((over, first, last), (closed, &ending(&["first"]), &ending(&["first", "late"])));

    let tape = Tape::open(&log, call(2), &opened(), &Bytes::new());
    tape.over(&ending(&["only"]));
    drop(tape);
    let calls = taken(&log);
    let second = calls.iter().find(|found| found.id == call(2)).unwrap();
    assert!(second.ended && !ends(second).is_empty(), "{second:?}");
    assert!(ends(second).iter().all(|(_, closed)| *closed == ending(&["only"])), "{second:?}");
}

#[test]
fn a_client_that_goes_away_is_noted_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), Bounds::default());
    drop(Tape::open(&log, call(1), &opened(), &Bytes::new()));
    let calls = taken(&log);
    let Some((_, Entry::Closed(closed))) = calls[0].entries.last() else { panic!("{calls:?}") };
    assert!(closed.aborted);
}

#[test]
fn threads_that_write_at_once_lose_nothing_and_mix_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { lanes: 2, segment: 64 * 1024, ..Bounds::default() };
    let log = log(folder.path(), bounds);
    std::thread::scope(|scope| {
        for thread in 0..8_u128 {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..100 {
                    let body = Bytes::from(format!("{thread}-{number}"));
                    let tape = Tape::open(&log, call(thread * 1000 + number), &opened(), &body);
                    tape.append();
                    tape.received(&Bytes::from(vec![b'x'; 3000]));
                    tape.close(&Closed::default());
                }
            });
        }
    });
    log.close();
    let calls = taken(&log);
    assert_eq!(calls.len(), 800);
    for RawCall { id, entries, missing, .. } in calls {
        let body = format!("{}-{}", id.as_u128() / 1000, id.as_u128() % 1000);
        assert_eq!((missing, &entries[1].1), (0, &Entry::Request(body.into())));
    }
    assert_eq!(log.state().lost, 0);
}

/// L5: bounded, and what is lost beyond the bounds is counted.
#[test]
fn a_full_disk_holds_back_what_fits_into_memory_and_counts_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { files: 10_000, ring: 5_000, lanes: 1, ..Bounds::default() };
    let log = log(folder.path(), bounds);
    for number in 0..20 {
        let tape = Tape::open(&log, call(number), &opened(), &Bytes::from(vec![b'x'; 800]));
        tape.close(&Closed::default());
    }
    let state = log.state();
    assert!(state.trouble.as_ref().is_some_and(|why| why.contains("which is its bound")), "{state:?}");
    assert!(state.files <= 10_000 && state.waiting <= 5_000 && state.lost > 0, "{state:?}");
    let written = Scanner::new(log.clone()).look().unwrap().len();
    assert!(written > 0 && written + (state.lost as usize) < 20, "{written} of 20 are on disk: {state:?}");
}

#[test]
fn frames_that_waited_are_written_when_the_disk_takes_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { files: 6_000, lanes: 1, segment: 2_000, ..Bounds::default() };
    let log = log(folder.path(), bounds);
    let mut scanner = Scanner::new(log.clone());
    for number in 0..12 {
        let tape = Tape::open(&log, call(number), &opened(), &Bytes::from(vec![b'x'; 800]));
        tape.close(&Closed::default());
    }
    assert!(log.state().waiting > 0);
    let mut stored = 0;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while stored < 12 {
        assert!(std::time::Instant::now() < deadline, "{stored} of 12 after 30 s: {:?}", log.state());
        log.wait(Duration::from_millis(50));
        for call in scanner.look().unwrap() {
            assert_eq!(scanner.take(call).unwrap().unwrap().missing, 0);
            scanner.done(call).unwrap();
            stored += 1;
        }
    }
    assert_eq!(log.state().lost, 0);
}

#[test]
fn two_processes_have_a_part_of_the_folder_each() {
    let folder = tempfile::tempdir().unwrap();
    let first = log(folder.path(), Bounds::default());
    let second = log(folder.path(), Bounds::default());
    drop(Tape::open(&first, call(1), &opened(), &Bytes::new()));
    drop(Tape::open(&second, call(2), &opened(), &Bytes::new()));
    assert_eq!(taken(&first)[0].id, call(1));
    assert_eq!(taken(&second)[0].id, call(2));
}

/// A gateway that was killed beside another one: the other stores what it left, without a restart.
#[test]
fn what_a_process_left_is_taken_over_by_one_that_lives() {
    let folder = tempfile::tempdir().unwrap();
    let gone = log(folder.path(), Bounds::default());
    let lives = log(folder.path(), Bounds::default());
    Tape::open(&gone, call(1), &opened(), &Bytes::new()).close(&Closed::default());
    assert_eq!(taken(&lives), [], "whoever holds its part stores its calls itself");
    gone.close();
    drop(gone);
    let calls = taken(&lives);
    assert!(matches!(&calls[..], [found] if found.id == call(1) && found.missing == 0), "{calls:?}");
    assert_eq!(super::files_in(&folder.path().join("0")).unwrap().len(), 0);
    assert_eq!(lives.state().files, 0, "and deletes its file");
}

/// One bad file costs what is in it, is kept, is counted, and holds up nothing.
#[test]
fn a_file_that_cannot_be_read_or_is_none_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let first = log(folder.path(), Bounds::default());
    let part = folder.path().join("0");
    fs::create_dir(part.join("0000000000000001-00000000.log")).unwrap();
    written(&part.join("0000000000000002-00000000.log"), &[b"lost".to_vec()]);
    let broken = part.join("0000000000000003-00000000.log");
    written(&broken, &[vec![0; 100]]);
    let mut bytes = fs::read(&broken).unwrap();
    bytes[3] ^= 1;
    fs::write(&broken, &bytes).unwrap();
    Tape::open(&first, call(9), &opened(), &Bytes::new()).close(&Closed::default());

    let mut scanner = Scanner::new(first.clone());
    let found = scanner.look().unwrap();
    assert!(found.contains(&call(9)), "{found:?}");
    assert_eq!((scanner.unreadable(), scanner.damaged()), (1, bytes.len() as u64));
    assert_eq!((scanner.aside(), first.quarantined()), (1, 1));
    assert_eq!(fs::read(first.quarantine().join(broken.file_name().unwrap())).unwrap(), bytes);
    fs::remove_dir(part.join("0000000000000001-00000000.log")).unwrap();
    scanner.look().unwrap();
    assert_eq!(scanner.unreadable(), 0);
}
