//! What is deleted is gone, and only that.

use lockgate_core::DataClass;
use lockgate_store::{
    Classified, Extent, Filter, PageRequest, Part, Purged, Record, Scope, Selection, SessionOrder, Side,
};

use lockgate_store::{Purge as _, Records as _};

use crate::Store;
use crate::sample::{DAY, SECOND, id, of, plain, saying, with_woven};
use crate::search::found;

/// A call that sends the first `messages` messages and whose last one is new.
async fn sent(store: &dyn Store, record: Record, messages: usize) -> Record {
    let message = |nth: usize| format!(r#"{{"role":"user","content":"word{nth} {}"}}"#, "z".repeat(300));
    let all: Vec<_> = (0..messages).map(message).collect();
    let body = format!(r#"{{"messages":[{}]}}"#, all.join(","));
    let known = store.known(&record.call.scope()).await.unwrap();
    let text = format!("word{}", messages - 1);
    with_woven(saying(record, Side::User, &text), Part::ClientRequest, body.as_bytes(), &mut |hash| {
        known.contains(hash)
    })
}

/// Three calls of session `a` (the last by another user), one of `b`, one without a session.
async fn fill(store: &dyn Store) {
    for (session, nth) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("", 5)] {
        let mut record = if session.is_empty() { plain(nth) } else { of(session, nth) };
        record.call.principal.user = Some(if nth == 3 { "ben" } else { "ann" }.to_owned());
        record.call.principal.key = Some(format!("key-{nth}"));
        let record = sent(store, record, nth as usize).await;
        store.write(&[record]).await.unwrap();
    }
}

pub(crate) async fn a_dry_run_counts_what_the_purge_then_deletes(store: &dyn Store) {
    fill(store).await;
    let cases = [
        (Selection::Key("key-2".to_owned()), Purged { calls: 1, sessions: 0 }, vec![5, 4, 3, 1]),
        (Selection::Key("nobody's".to_owned()), Purged::default(), vec![5, 4, 3, 1]),
        (Selection::Calls(vec![id(5), id(4), id(99)]), Purged { calls: 2, sessions: 1 }, vec![3, 1]),
        (
            Selection::OlderOf(DAY + 3 * SECOND, Classified::Of(DataClass::Secret)),
            Purged::default(),
            vec![3, 1],
        ),
        (Selection::OlderThan(DAY + 3 * SECOND), Purged { calls: 1, sessions: 0 }, vec![3]),
        (Selection::Session("a".to_owned()), Purged { calls: 1, sessions: 1 }, vec![]),
        (Selection::User("ann".to_owned()), Purged::default(), vec![]),
    ];
    for (what, expected, left) in cases {
        assert_eq!(store.purge(&what, Extent::Everything, true).await.unwrap(), expected, "{what:?}");
        assert_eq!(store.purge(&what, Extent::Everything, false).await.unwrap(), expected, "{what:?}");
        assert_eq!(store.purge(&what, Extent::Everything, false).await.unwrap(), Purged::default());
        assert_eq!(found(store, &Filter::default()).await, left, "{what:?}");
    }
    let sessions = store.sessions(&Filter::default(), SessionOrder::Start, &PageRequest::default()).await;
    assert_eq!(sessions.unwrap().items, []);
}

/// What was deleted is not in the bytes of the file and its log either.
#[tokio::test]
async fn nothing_of_what_was_purged_is_left_in_the_files() {
    let (database, folder) = crate::sqlite().await;
    let secret = "xylophonquartz";
    for nth in 1..40 {
        let mut record =
            saying(of(if nth % 2 == 0 { "gone" } else { "stays" }, nth), Side::User, "plain words");
        if nth % 2 == 0 {
            record = saying(record, Side::User, &format!("{secret} number {nth}"));
            record.session.cwd = Some(format!("/home/{secret}/{nth}"));
        }
        database.write(&[record]).await.unwrap();
    }
    let holds = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let bytes: Vec<u8> = files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
        bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    assert!(holds(), "it is there before");
    let purged = database.purge(&Selection::Session("gone".to_owned()), Extent::Everything, false).await;
    assert_eq!(purged.unwrap().calls, 19);
    database.scrub().await.unwrap();
    assert!(!holds(), "and not behind it");
    assert_eq!(found(&database, &Filter::default()).await.len(), 20);
}

pub(crate) async fn what_is_purged_cannot_be_found_or_read_and_the_rest_can(store: &dyn Store) {
    fill(store).await;
    let session = Scope::Session("a".to_owned());
    let before = store.known(&session).await.unwrap();
    store.purge(&Selection::User("ben".to_owned()), Extent::Everything, false).await.unwrap();
    assert_eq!(store.get(id(3)).await.unwrap(), None);
    assert_eq!(store.body(id(3), Part::ClientRequest).await.unwrap(), None);
    let word = |word: &str| Filter { text: Some(word.to_owned()), ..Filter::default() };
    assert_eq!(found(store, &word("word2")).await, Vec::<u64>::new());
    let after = store.known(&session).await.unwrap();
    assert!(after.is_subset(&before) && after.len() < before.len(), "pieces of the third call are gone");
    for (nth, words) in [(1, 1), (2, 2), (4, 4), (5, 5)] {
        let body = store.body(id(nth), Part::ClientRequest).await.unwrap().unwrap();
        assert!(String::from_utf8(body).unwrap().contains(&format!("word{}", words - 1)));
        assert_eq!(found(store, &word(&format!("word{}", words - 1))).await, [nth]);
    }
    store.purge(&Selection::Session("a".to_owned()), Extent::Everything, false).await.unwrap();
    assert_eq!(store.known(&session).await.unwrap(), [].into());
    assert_eq!(store.session("a").await.unwrap(), None);
    store.purge(&Selection::Calls(vec![id(5)]), Extent::Everything, false).await.unwrap();
    assert_eq!(store.known(&Scope::Call(id(5))).await.unwrap(), [].into());
}

pub(crate) async fn contents_can_go_while_the_rows_stay(store: &dyn Store) {
    fill(store).await;
    let old = Selection::OlderThan(DAY + 4 * SECOND);
    let expected = Purged { calls: 3, sessions: 0 };
    assert_eq!(store.purge(&old, Extent::Contents, true).await.unwrap(), expected);
    assert_eq!(store.purge(&old, Extent::Contents, false).await.unwrap(), expected);
    assert_eq!(store.purge(&old, Extent::Contents, false).await.unwrap(), Purged::default());
    assert_eq!(found(store, &Filter::default()).await, [5, 4, 3, 2, 1]);
    assert_eq!(store.body(id(2), Part::ClientRequest).await.unwrap(), None);
    assert_eq!(store.known(&Scope::Session("a".to_owned())).await.unwrap(), [].into());
    let word = Filter { text: Some("word1".to_owned()), ..Filter::default() };
    assert_eq!(found(store, &word).await, Vec::<u64>::new());
    assert!(store.body(id(4), Part::ClientRequest).await.unwrap().is_some());
    assert_eq!(store.session("a").await.unwrap().unwrap().totals.calls, 3);
}

pub(crate) async fn what_is_old_goes_by_its_class_of_data(store: &dyn Store) {
    let classes = [None, Some(DataClass::Secret), Some(DataClass::Secret), Some(DataClass::Public)];
    for (nth, class) in (1..).zip(classes) {
        let mut record = of("a", nth);
        record.call.principal.data_class = class;
        let record = sent(store, record, nth as usize).await;
        store.write(&[record]).await.unwrap();
    }
    let old = |class| Selection::OlderOf(DAY + 3 * SECOND, class);
    let secret = old(Classified::Of(DataClass::Secret));
    let one = Purged { calls: 1, sessions: 0 };
    for (what, expected, left) in [
        (old(Classified::Of(DataClass::Internal)), Purged::default(), vec![4, 3, 2, 1]),
        (old(Classified::Of(DataClass::Public)), Purged::default(), vec![4, 3, 2, 1]),
        (secret, one, vec![4, 3, 1]),
        (old(Classified::Unclassified), one, vec![4, 3]),
    ] {
        assert_eq!(store.purge(&what, Extent::Everything, true).await.unwrap(), expected, "{what:?}");
        assert_eq!(store.purge(&what, Extent::Everything, false).await.unwrap(), expected, "{what:?}");
        assert_eq!(found(store, &Filter::default()).await, left, "{what:?}");
    }
    let class = |class| Filter { class: Some(class), ..Filter::default() };
    assert_eq!(found(store, &class(Classified::Of(DataClass::Secret))).await, [3]);
    assert_eq!(found(store, &class(Classified::Unclassified)).await, Vec::<u64>::new());
}
