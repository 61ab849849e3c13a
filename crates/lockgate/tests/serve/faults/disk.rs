//! The disk is full: a small file system of its own, which only the gateway's namespace has.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate_store_sql::Place;

use super::{ECHO, Load, assert_kept, home, is_well, record_of, says};
use crate::record::all;
use crate::support::{Gateway, Home, Scripted, until};

const FULL: &str = "the disk does not take the record; it waits in memory";

/// A gateway whose folder `small` is a file system of 12 MB, and where that is for everybody else.
fn confined(home: &Home) -> (Gateway, PathBuf) {
    let small = home.path("small");
    fs::create_dir(&small).unwrap();
    let plain = home.lockgate(&["--listen", "127.0.0.1:0"]);
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=12m small \"$0\" && exec \"$@\"";
    command.args(["-Urm", "sh", "-c", script]).arg(&small).arg(plain.get_program()).args(plain.get_args());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.root());
    let gateway = Gateway::spawn(home, command);
    let seen = Path::new("/proc").join(gateway.pid().to_string()).join("root");
    (gateway, seen.join(small.strip_prefix("/").unwrap()))
}

/// Takes all the room that is left.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut filler = File::create(&path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        let block = vec![b'x'; size];
        while filler.write_all(&block).is_ok() {}
    }
    path
}

/// The database of a gateway that has nothing to do, as a copy: the file system goes away with it.
fn copied(home: &Home, folder: &Path) -> Place {
    let copy = home.path("copy.db");
    fs::copy(folder.join("lockgate.db"), &copy).unwrap();
    fs::copy(folder.join("lockgate.db-wal"), home.path("copy.db-wal")).unwrap();
    Place::File(copy)
}

/// T2, L5, L7: calls go on while neither log nor database can be written, and all is stored when there is room again.
#[test]
fn a_full_disk_fails_no_call_and_loses_none() {
    let upstream = Scripted::start(ECHO);
    let home = home(&upstream, "record: {directory: small}\n");
    let (gateway, folder) = confined(&home);
    let load = Load::start(&gateway, "full", 4);
    until("some calls are stored", || record_of(&gateway)["stored"].as_u64() > Some(20));
    let filler = fill(&folder);
    until("it is said", || says(&gateway, FULL));
    let before = load.count();
    until("calls go on", || load.count() > before + 100);
    assert!(says(&gateway, FULL) && record_of(&gateway)["ring_bytes"].as_u64() > Some(0));
    fs::remove_file(filler).unwrap();
    let before = load.count();
    until("calls go on", || load.count() > before + 20);
    let made = load.end_well();
    until("all is stored", || is_well(&gateway));
    let health = record_of(&gateway);
    assert_eq!((&health["lost"], &health["quarantined"]), (&0.into(), &0.into()), "{health}");
    assert_eq!(health["stored"], made.len());
    assert_eq!(assert_kept(&copied(&home, &folder), &made), made.len());
}

/// L7: a record that cannot even be opened costs no call, and is not passed over in silence.
#[test]
fn a_folder_that_cannot_be_used_fails_no_call_and_is_said() {
    let upstream = Scripted::start(ECHO);
    let home = home(&upstream, "record: {directory: taken/record}\n");
    home.write("taken", "a file where a folder should be");
    let gateway = Gateway::start(&home);
    assert_eq!(gateway.ask("up:m").status, 200);
    assert!(says(&gateway, "calls are not recorded: the folder of the record cannot be used"));
}

/// What memory does not hold either is lost, and how much is counted; calls go on.
#[test]
fn what_neither_disk_nor_memory_takes_is_counted_and_fails_no_call() {
    let upstream = Scripted::start(ECHO);
    let home = home(&upstream, "record: {directory: small, ring_bytes: 65536}\n");
    let (gateway, folder) = confined(&home);
    let load = Load::start(&gateway, "beyond", 4);
    until("some calls are stored", || record_of(&gateway)["stored"].as_u64() > Some(0));
    let filler = fill(&folder);
    until("some is lost", || record_of(&gateway)["lost"].as_u64() > Some(20));
    assert!(says(&gateway, FULL) && says(&gateway, "parts of the record are lost"));
    fs::remove_file(filler).unwrap();
    let before = load.count();
    until("calls go on", || load.count() > before + 20);
    let made = load.end_well();
    let health = || record_of(&gateway);
    until("what was kept is stored", || health()["ring_bytes"] == 0 && health()["waiting"] == 0);
    let (stored, lost) = (health()["stored"].as_u64().unwrap(), health()["lost"].as_u64().unwrap());
    assert_eq!(all(&copied(&home, &folder)).len() as u64, stored);
    let missing = made.len() as u64 - stored;
    assert!(missing > 0 && missing <= lost, "{missing} calls are missing, {lost} parts were counted");
    assert!(says(&gateway, "parts of the record are lost"), "that stays said");
}
