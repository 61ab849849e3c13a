//! Hot reload: whole or not at all, and noticed however the file is written.

use std::{fs, sync::mpsc, time::Duration};

use crate::support::Case;
use lockgate_config::{Change, Store, Watcher};

fn store(case: &Case) -> Store {
    Store::open(case.inputs.clone()).unwrap()
}

/// 004-27: a reload adds a provider and leaves those who hold the old snapshot alone.
#[test]
fn a_reload_swaps_the_whole_snapshot_and_says_what_changed() {
    let case = Case::new("providers:\n  groq: {}\n", &[("K", "one")]);
    let file = case.inputs.file.clone().unwrap();
    let store = store(&case);
    let before = store.current();
    assert!(store.reload().unwrap().is_empty());
    fs::write(&file, "server: {listen: 127.0.0.1:9999}\nproviders:\n  groq: {}\n  xai: {api_key: '${K}'}\n")
        .unwrap();
    let changed = store.reload().unwrap();
    let paths: Vec<String> = changed.paths.iter().map(ToString::to_string).collect();
    assert!(
        paths.contains(&"providers.xai.api_key".to_owned()) && paths.contains(&"server.listen".to_owned())
    );
    assert!(!paths.iter().any(|path| path.starts_with("providers.groq")), "{paths:?}");
    assert_eq!(changed.needs_restart().count(), 1);
    assert!(before.provider("xai").is_none());
    assert!(store.current().provider("xai").is_some());
}

#[test]
fn a_changed_secret_is_a_change() {
    let case = Case::new("providers:\n  groq: {api_key: literal-one}\n", &[]);
    let store = store(&case);
    fs::write(case.inputs.file.as_ref().unwrap(), "providers:\n  groq: {api_key: literal-two}\n").unwrap();
    let changed = store.reload().unwrap();
    assert_eq!(changed.paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["providers.groq.api_key"]);
}

/// 004-27: a bad file keeps the last good configuration, and a good one after it is taken.
#[test]
fn a_broken_file_changes_nothing_and_is_forgotten_once_repaired() {
    let case = Case::new("server: {drain_ms: 1}\n", &[]);
    let file = case.inputs.file.clone().unwrap();
    let store = store(&case);
    let good = store.current().hash().to_owned();
    for broken in
        ["server: {drain_ms: 2, listen: nonsense}\n", "server: [\n", "server: {drain_ms: 2}\nkeys: 5\n"]
    {
        fs::write(&file, broken).unwrap();
        assert!(!store.reload().unwrap_err().0.is_empty());
        assert_eq!((store.current().hash(), store.current().config().server.drain_ms), (good.as_str(), 1));
    }
    fs::remove_file(&file).unwrap();
    store.reload().unwrap_err();
    assert_eq!(store.current().config().server.drain_ms, 1);
    fs::write(&file, "server: {drain_ms: 3}\n").unwrap();
    store.reload().unwrap();
    assert_eq!(store.current().config().server.drain_ms, 3);
}

/// A file that somebody is writing, or that is lost, is empty for a moment: no policy and no key goes with it.
#[test]
fn an_emptied_file_is_not_taken_over_and_one_that_says_nothing_on_purpose_is() {
    let case = Case::new("server: {drain_ms: 7}\n", &[]);
    let file = case.inputs.file.clone().unwrap();
    let store = store(&case);
    for empty in ["", "\n", "# nothing yet\n", "---\n"] {
        fs::write(&file, empty).unwrap();
        let problems = store.reload().unwrap_err();
        assert!(problems.to_string().contains("lockgate.yaml:1:1: the file is empty"), "{problems}");
        assert_eq!(store.current().config().server.drain_ms, 7, "{empty:?}");
    }
    fs::write(&file, "{}\n").unwrap();
    assert!(!store.reload().unwrap().is_empty());
    assert_ne!(store.current().config().server.drain_ms, 7);
    let blank = Case::new("# nothing\n", &[]);
    assert!(Store::open(blank.inputs.clone()).unwrap().reload().unwrap().is_empty(), "it was empty before");
}

#[test]
fn readers_never_see_half_of_a_configuration() {
    let text = |n: u32| format!("server: {{drain_ms: {n}, keepalive_ms: {n}}}\n");
    let case = Case::new(&text(1000), &[]);
    let file = case.inputs.file.clone().unwrap();
    let store = store(&case);
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let reader = scope.spawn(|| {
            let stopped = stopped;
            let mut seen = 0_u64;
            while !matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                let snapshot = store.current();
                let server = &snapshot.config().server;
                assert_eq!(server.drain_ms, server.keepalive_ms);
                seen += 1;
            }
            seen
        });
        for n in 1001..1030 {
            fs::write(&file, text(n)).unwrap();
            store.reload().unwrap();
        }
        drop(stop);
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(store.current().config().server.drain_ms, 1029);
}

const SETTLE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);

fn watch(case: &Case) -> (Watcher, mpsc::Receiver<String>) {
    let file = case.inputs.file.clone().unwrap();
    let (sender, changes) = mpsc::channel();
    let path = file.clone();
    let watcher = Watcher::start(&file, SETTLE, move |change| {
        let _ = match change {
            Change::Content => sender.send(fs::read_to_string(&path).unwrap_or_default()),
            Change::Gone => sender.send("(gone)".into()),
        };
    });
    (watcher.unwrap(), changes)
}

/// 004-27: in place, by rename, and after removal.
#[test]
fn a_change_is_noticed_however_it_is_written() {
    let case = Case::new("a", &[]);
    let file = case.inputs.file.clone().unwrap();
    let (_watcher, changes) = watch(&case);
    fs::write(&file, "in place").unwrap();
    assert_eq!(changes.recv_timeout(PATIENCE).unwrap(), "in place");
    let new = case.folder.path().join(".lockgate.yaml.swp");
    fs::write(&new, "renamed").unwrap();
    fs::rename(&new, &file).unwrap();
    assert_eq!(changes.recv_timeout(PATIENCE).unwrap(), "renamed");
    fs::remove_file(&file).unwrap();
    assert_eq!(changes.recv_timeout(PATIENCE).unwrap(), "(gone)");
    fs::write(&file, "written anew").unwrap();
    assert_eq!(changes.recv_timeout(PATIENCE).unwrap(), "written anew");
}

#[cfg(unix)]
#[test]
fn a_switched_symlink_is_a_change() {
    let case = Case::new("", &[]);
    let file = case.inputs.file.clone().unwrap();
    let folder = case.folder.path();
    fs::write(folder.join("v1"), "one").unwrap();
    fs::write(folder.join("v2"), "two").unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(folder.join("v1"), &file).unwrap();
    let (_watcher, changes) = watch(&case);
    std::os::unix::fs::symlink(folder.join("v2"), folder.join("next")).unwrap();
    fs::rename(folder.join("next"), &file).unwrap();
    assert_eq!(changes.recv_timeout(PATIENCE).unwrap(), "two");
}

#[test]
fn dropping_the_watcher_ends_it() {
    let (watcher, changes) = watch(&Case::new("", &[]));
    drop(watcher);
    assert_eq!(changes.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}
