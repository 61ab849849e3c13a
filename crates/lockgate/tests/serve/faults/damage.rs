//! A file of the log is damaged between the death of a process and its next start.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_store::{Calls as _, Outcome};
use lockgate_store_sql::Place;
use serde_json::json;

use super::{ECHO, Load, assert_kept, record_of, says};
use crate::record::reading_at;
use crate::support::{Gateway, Home, Scripted, until};

/// A frame of the log as its readable head tells.
struct Frame {
    at: usize,
    call: String,
    is_first: bool,
    is_last: bool,
}

/// Bytes of a frame's head.
const HEAD: usize = 40;

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let frame = |at: usize| Frame {
        at,
        call: uuid_of(&bytes[at + 16..at + 32]),
        is_first: word(at + 12) == 0,
        is_last: word(at + 32) & 1 == 1,
    };
    let mut found = Vec::new();
    let mut at = 24;
    while at + HEAD <= bytes.len() {
        assert_eq!(&bytes[at..at + 4], b"\xf5LGF", "frames follow one another");
        found.push(frame(at));
        at += HEAD + word(at + 4) as usize;
    }
    found
}

fn uuid_of(bytes: &[u8]) -> String {
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn segments(home: &Home) -> Vec<PathBuf> {
    let folder = home.path(".local/share/lockgate/log/0");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect()
}

/// Damages four frames in the middle of a file, each of another call: heads and contents, first frames and last ones. Hands
/// out the calls that were hit.
fn damage(path: &Path) -> Vec<String> {
    let mut bytes = fs::read(path).unwrap();
    let found = frames(&bytes);
    let mut hit: Vec<String> = Vec::new();
    let kinds = [(true, 0), (true, HEAD + 9), (false, 0), (false, HEAD + 9)];
    for (place, (first, into)) in kinds.into_iter().enumerate() {
        let wanted = |frame: &&Frame| {
            if first { frame.is_first && !frame.is_last } else { frame.is_last && !frame.is_first }
        };
        let mut later = found.iter().skip(found.len() * (place + 1) / 6).filter(wanted);
        let frame = later.find(|frame| !hit.contains(&frame.call)).unwrap();
        for byte in &mut bytes[frame.at + into..frame.at + into + 6] {
            *byte ^= 0xff;
        }
        hit.push(frame.call.clone());
    }
    fs::write(path, bytes).unwrap();
    hit
}

/// T2, 004-14: damage costs what it hit; it is counted, named in the log, and a call that lost a part says so.
#[test]
fn a_log_that_is_damaged_in_the_middle_gives_all_that_can_be_read() {
    let upstream = Scripted::start(ECHO);
    let home = Home::new();
    home.write("later", "a file where a folder should be");
    let providers = upstream.entry("up", "");
    let database = home.path("later/calls.db");
    home.write(
        "lockgate.yaml",
        &format!("providers:\n{providers}record: {{database: '{}'}}\n", database.display()),
    );
    let place = Place::File(database);
    let mut gateway = Gateway::start(&home);
    let load = Load::start(&gateway, "damage", 4);
    until("the log holds many calls", || load.count() >= 80);
    let mut made = load.end_well();
    assert_eq!(record_of(&gateway)["waiting"], made.len(), "calls that wait for a database are counted");
    gateway.signal("KILL");
    gateway.ended();

    let largest = segments(&home).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let hit = damage(&largest);
    fs::remove_file(home.path("later")).unwrap();
    let mut gateway = Gateway::start(&home);
    until("it is said", || says(&gateway, "a part of the log is damaged"));
    until("what can be read is stored", || {
        let health = record_of(&gateway);
        health["stored"] == made.len() && health["waiting"] == 0
    });
    assert!(record_of(&gateway)["damaged"].as_u64() > Some(4 * 40), "{}", record_of(&gateway));
    let name = largest.file_name().unwrap().to_str().unwrap();
    assert!(gateway.log().contains(name), "{}", gateway.log());
    assert!(!gateway.health().to_string().contains(name), "names of files are in the log only");
    // The damage is over: new calls are kept as ever.
    let load = Load::start(&gateway, "afterwards", 2);
    until("calls go on", || load.count() >= 10);
    made.extend(load.end_well());
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    assert!(segments(&home).len() <= 2, "what is stored is deleted");

    let (lost, whole): (Vec<_>, Vec<_>) = made.into_iter().partition(|call| hit.contains(&call.id));
    assert_eq!(lost.len(), 4);
    assert_eq!(assert_kept(&place, &whole), whole.len() + 4);
    // Whether the client got all is known unless the end is lost. An end that cannot even be seen is that of a process that died.
    let (complete, ended) = (Outcome::Complete, Outcome::Interrupted);
    let expected = [(1, complete), (1, complete), (0, ended), (1, ended)];
    for (call, (missing, outcome)) in hit.iter().zip(expected) {
        let stored = reading_at(&place, async |database| database.get(call.parse().unwrap()).await.unwrap());
        let (found, details) = stored.map(|stored| (stored.call, stored.details)).unwrap();
        let told: Vec<_> = details.decisions.iter().map(|decision| decision.json.clone()).collect();
        let parts: Vec<_> = (0..missing).map(|_| json!({"missing_parts": 1})).collect();
        assert_eq!((told, found.outcome), (parts, outcome), "{found:?}");
    }
}
