//! What is stored when the store does not do as it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_core::Dialect;
use lockgate_ledger::Prices;
use lockgate_redact::{Level, Options, Redactor};
use lockgate_store::memory::Memory;
use lockgate_store::{Calls as _, Error, Filter, Limit, PageRequest, Record, Records};
use uuid::Uuid;

use super::{Known, Progress, Scribe, Transcribe};
use crate::entry::{Closed, Mode, Opened, Operation};
use crate::key::Key;
use crate::log::aside::Quarantine;
use crate::log::{Bounds, Log};
use crate::scan::RawCall;
use crate::tape::Tape;
use crate::transcribe::Transcriber;

struct Desk {
    folder: tempfile::TempDir,
    log: Log,
    runtime: tokio::runtime::Runtime,
    store: Arc<Memory>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), Key::from_bytes([1; 32]), Bounds::default()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { folder, log, runtime, store: Arc::new(Memory::new()) }
    }

    fn scribe(&self, transcriber: Box<dyn Transcribe>) -> Scribe {
        let store: Arc<dyn Records> = self.store.clone();
        Scribe::start(self.log.clone(), store, transcriber, self.runtime.handle().clone()).unwrap()
    }

    fn call(&self, session: &str, body: &str) -> Uuid {
        let id = Uuid::now_v7();
        let opened = Opened {
            at_us: 1_795_000_000_000_000,
            data_class: None,
            dialect: Dialect::Chat,
            headers: vec![("x-session-id".into(), session.into())],
            key: None,
            mode: Mode::Redacted,
            operation: Operation::Generate,
            parent: None,
            path: "/v1/chat/completions".into(),
            project: None,
            user: None,
        };
        let request = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#,
            format!("{body} ").repeat(60)
        );
        Tape::open(&self.log, id, &opened, &Bytes::from(request)).close(&Closed::default());
        id
    }

    fn stored(&self) -> Vec<Uuid> {
        let page = PageRequest { after: None, limit: Limit::of(500) };
        let list = self.runtime.block_on(self.store.list(&Filter::default(), &page)).unwrap();
        list.items.into_iter().map(|call| call.id).collect()
    }
}

fn transcriber() -> Transcriber {
    let redactor = Redactor::new(Options { known: Vec::new(), key: [3; 32], level: Level::Record });
    Transcriber::new(redactor, Prices::default())
}

/// Waits for what another thread does.
fn until(scribe: &Scribe, what: &str, yes: impl Fn(&Progress) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !yes(&scribe.progress()) {
        assert!(Instant::now() < deadline, "never: {what}: {:?}", scribe.progress());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// T2: the database fails for a while.
#[test]
fn a_store_that_fails_gets_everything_when_it_works_again() {
    let desk = Desk::new();
    desk.store.fail_writes(Some(|| Error::Unavailable("it is away".into())));
    let scribe = desk.scribe(Box::new(transcriber()));
    let mut ids: Vec<Uuid> = (0..7).map(|number| desk.call("s", &format!("call {number}"))).collect();
    until(&scribe, "it is in trouble", |progress| progress.trouble.is_some());
    assert!(desk.stored().is_empty());
    desk.store.fail_writes(None);
    until(&scribe, "all is stored", |progress| progress.stored == 7 && progress.trouble.is_none());
    ids.reverse();
    assert_eq!(desk.stored(), ids);
    scribe.finish(&desk.log);
}

/// A transcriber that trips over some calls.
struct Clumsy(Transcriber);

impl Transcribe for Clumsy {
    fn transcribe(&mut self, call: &RawCall, known: &mut Known<'_>) -> Result<Record, Error> {
        let record = self.0.transcribe(call, known)?;
        let words = record.texts.iter().map(|text| text.text.as_str()).collect::<String>();
        assert!(!words.contains("panic"), "a fault of ours");
        if words.contains("poison") {
            return Err(Error::Refused { call: call.id, reason: "it does not fit".into() });
        }
        Ok(record)
    }

    fn forget(&mut self) {
        self.0.forget();
    }
}

#[test]
fn a_call_that_cannot_be_stored_is_put_aside_and_holds_up_no_other() {
    let desk = Desk::new();
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for number in 0..3 {
        good.push(desk.call("s", &format!("good {number}")));
        bad.push(desk.call("s", ["poison", "panic", "poison again"][number]));
    }
    let scribe = desk.scribe(Box::new(Clumsy(transcriber())));
    until(&scribe, "all is settled", |progress| progress.stored == 3 && progress.quarantined == 3);
    good.reverse();
    assert_eq!(desk.stored(), good);
    let aside = desk.folder.path().join("0/quarantine");
    for id in bad {
        assert!(aside.join(format!("{id}.log")).exists(), "{id} is kept");
        let why = std::fs::read_to_string(aside.join(format!("{id}.txt"))).unwrap();
        assert!(why.contains("it does not fit") || why.contains("panicked"), "{why}");
    }
    scribe.finish(&desk.log);
    let next = desk.scribe(Box::new(transcriber()));
    assert_eq!(next.progress().quarantined, 3, "what lies there is told behind a restart too");
    next.finish(&desk.log);
}

/// What lay in quarantine is stored once it is put back, and what is deleted is gone.
#[test]
fn a_call_in_quarantine_is_told_of_tried_again_or_deleted() {
    let desk = Desk::new();
    let bad = ["poison", "poison again", "panic"].map(|words| desk.call("s", words));
    let scribe = desk.scribe(Box::new(Clumsy(transcriber())));
    until(&scribe, "all lie there", |progress| progress.quarantined == 3);
    scribe.finish(&desk.log);
    drop(scribe);
    let Desk { folder, log, runtime, store } = desk;
    log.close();
    drop(log);
    // The calls are nowhere else.
    for file in std::fs::read_dir(folder.path().join("0")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "log") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let log = Log::open(folder.path(), Key::from_bytes([1; 32]), Bounds::default()).unwrap();
    let desk = Desk { folder, log, runtime, store };
    let scribe = desk.scribe(Box::new(transcriber()));
    let quarantine = Quarantine::of(desk.folder.path().to_owned());
    let kept = quarantine.list().unwrap();
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|kept| kept.bytes > 0 && kept.reason.is_some()), "{kept:?}");
    assert!(quarantine.release(bad[0]).unwrap() && quarantine.drop(&bad[1].to_string()).unwrap());
    assert!(!quarantine.release(bad[1]).unwrap() && !quarantine.drop("nothing").unwrap());
    until(&scribe, "one is stored, one is left", |progress| {
        progress.stored == 1 && progress.quarantined == 1
    });
    assert_eq!(desk.stored(), [bad[0]]);
    scribe.finish(&desk.log);
}

/// A store that lost, once, what it had.
struct Forgetful {
    inner: Memory,
    lost: AtomicBool,
}

#[async_trait::async_trait]
impl Records for Forgetful {
    async fn write(&self, batch: &[Record]) -> Result<lockgate_store::Written, Error> {
        let counts_on_others =
            batch.iter().find(|record| !record.bodies.is_empty() && record.pieces.is_empty());
        if let Some(record) = counts_on_others
            && !self.lost.swap(true, Ordering::SeqCst)
        {
            let missing = record.bodies[0].head;
            return Err(Error::Unwoven { call: record.call.id, missing });
        }
        self.inner.write(batch).await
    }

    async fn known(
        &self,
        _scope: &lockgate_store::Scope,
    ) -> Result<std::collections::HashSet<lockgate_store::PieceHash>, Error> {
        Ok(std::collections::HashSet::new())
    }
}

#[test]
fn a_call_that_counts_on_what_was_deleted_is_stored_whole() {
    let desk = Desk::new();
    let store = Arc::new(Forgetful { inner: Memory::new(), lost: AtomicBool::new(false) });
    let scribe = Scribe::start(
        desk.log.clone(),
        store.clone(),
        Box::new(transcriber()),
        desk.runtime.handle().clone(),
    )
    .unwrap();
    desk.call("s", "the same");
    until(&scribe, "the first is stored", |progress| progress.stored == 1);
    let again = desk.call("s", "the same");
    until(&scribe, "the second is stored", |progress| progress.stored == 2);
    assert!(store.lost.load(Ordering::SeqCst), "the store had lost what the call counted on");
    let body = desk.runtime.block_on(store.inner.body(again, lockgate_store::Part::ClientRequest)).unwrap();
    assert!(String::from_utf8(body.unwrap()).unwrap().contains("the same"));
    scribe.finish(&desk.log);
}
