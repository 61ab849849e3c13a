//! What is written comes back: rows, details, bodies, batches, pages.

use std::collections::HashSet;

use lockgate_store::{Cursor, Error, Filter, Limit, PageRequest, Part, Scope, StoredCall, Written};

use crate::Store;
use crate::sample::{full, id, of, plain, with_body, with_woven};

/// 004-19: every field of the record is stored and read.
pub(crate) async fn a_call_comes_back_as_it_was_written(store: &dyn Store) {
    let record = with_body(full(), Part::ClientRequest, br#"{"model":"auto"}"#);
    assert_eq!(store.write(std::slice::from_ref(&record)).await.unwrap(), Written { calls: 1, repeated: 0 });
    let mut call = record.call.clone();
    let stored = store.get(call.id).await.unwrap().unwrap();
    // A zero in a text becomes the sign for what cannot be shown (PostgreSQL takes none).
    let message = &mut call.error.as_mut().unwrap().message;
    if stored.call.error.as_ref().is_some_and(|error| !error.message.contains('\0')) {
        *message = message.replace('\0', "\u{fffd}");
    }
    assert_eq!(stored, StoredCall { bodies: record.bodies, call, details: record.details });
    assert_eq!(store.get(id(99)).await.unwrap(), None);
}

pub(crate) async fn a_call_that_is_written_again_stays_as_it_was(store: &dyn Store) {
    let first = with_body(of("s", 1), Part::ClientRequest, b"{\"first\":1}");
    let mut again = with_body(of("s", 1), Part::ClientRequest, b"{\"second\":2}");
    again.call.status = Some(500);
    let batch = [first.clone(), of("s", 2), first.clone()];
    assert_eq!(store.write(&batch).await.unwrap(), Written { calls: 2, repeated: 1 });
    assert_eq!(store.write(&[again, plain(3)]).await.unwrap(), Written { calls: 1, repeated: 1 });
    assert_eq!(store.get(id(1)).await.unwrap().unwrap().call, first.call);
    assert_eq!(store.body(id(1), Part::ClientRequest).await.unwrap().unwrap(), b"{\"first\":1}");
    assert_eq!(store.session("s").await.unwrap().unwrap().totals.calls, 2);
}

pub(crate) async fn bodies_come_back_byte_for_byte(store: &dyn Store) {
    let long = "a text that is long enough to be a piece of its own. ".repeat(20);
    let messages: Vec<_> =
        (0..50).map(|nth| format!(r#"{{"role":"user","content":"{nth} {long}"}}"#)).collect();
    let request = format!(r#"{{"system":"{long}", "messages":[{}],"n":1}}"#, messages.join(", \n"));
    let zeros: Vec<u8> = (0..5_000_u32).map(|n| (n % 7) as u8).collect();
    let mut record = with_body(of("s", 1), Part::ClientRequest, request.as_bytes());
    record = with_body(record, Part::UpstreamAnswer, b"event: ping\ndata: {}\n\n");
    record = with_body(record, Part::ClientAnswer, &zeros);
    let empty = with_body(plain(2), Part::ClientAnswer, b"");
    store.write(&[record, empty]).await.unwrap();
    let read = async |call, part| store.body(id(call), part).await.unwrap();
    assert_eq!(read(1, Part::ClientRequest).await.unwrap(), request.as_bytes());
    assert_eq!(read(1, Part::UpstreamAnswer).await.unwrap(), b"event: ping\ndata: {}\n\n");
    assert_eq!(read(1, Part::ClientAnswer).await.unwrap(), zeros);
    assert_eq!(read(2, Part::ClientAnswer).await.unwrap(), b"");
    assert_eq!(read(2, Part::ClientRequest).await, None);
    assert_eq!(read(3, Part::ClientRequest).await, None);
}

pub(crate) async fn a_batch_is_stored_whole_or_not_at_all_and_the_poison_is_named(store: &dyn Store) {
    let mut batch: Vec<_> = (1..=20).map(|nth| of("s", nth)).collect();
    for poisoned in [0, 13, 19] {
        let good = batch[poisoned].call.timing.started_us;
        batch[poisoned].call.timing.started_us = -1;
        let error = store.write(&batch).await.unwrap_err();
        assert!(matches!(error, Error::Refused { call, .. } if call == id(poisoned as u64 + 1)), "{error:?}");
        assert!(!error.passes());
        batch[poisoned].call.timing.started_us = good;
        assert_eq!(store.list(&Filter::default(), &PageRequest::default()).await.unwrap().items, []);
    }
    assert_eq!(store.write(&batch).await.unwrap().calls, 20);
    assert_eq!(store.write(&[]).await.unwrap(), Written::default());
}

pub(crate) async fn a_record_that_relies_on_a_piece_that_is_gone_is_sent_back(store: &dyn Store) {
    let long = "words that make a piece ".repeat(30);
    let body = format!(r#"{{"messages":[{{"content":"{long}"}}]}}"#);
    let scope = Scope::Session("s".to_owned());
    assert_eq!(store.known(&scope).await.unwrap(), HashSet::new());
    let bold = with_woven(of("s", 1), Part::ClientRequest, body.as_bytes(), &mut |_| true);
    let error = store.write(&[of("s", 5), bold]).await.unwrap_err();
    assert!(matches!(error, Error::Unwoven { call, .. } if call == id(1)), "{error:?}");
    assert_eq!(store.get(id(5)).await.unwrap(), None);
    store.write(&[with_body(of("s", 1), Part::ClientRequest, body.as_bytes())]).await.unwrap();
    let known = store.known(&scope).await.unwrap();
    let second =
        with_woven(of("s", 2), Part::ClientRequest, body.as_bytes(), &mut |hash| known.contains(hash));
    assert_eq!(second.pieces, []);
    store.write(&[second]).await.unwrap();
    assert_eq!(store.body(id(2), Part::ClientRequest).await.unwrap().unwrap(), body.as_bytes());
    // Another session shares nothing with this one.
    assert_eq!(store.known(&Scope::Session("t".to_owned())).await.unwrap(), HashSet::new());
}

pub(crate) async fn pages_show_every_call_once_while_calls_arrive(store: &dyn Store) {
    let mut calls: Vec<_> = (0..60).map(plain).collect();
    for record in &mut calls[10..30] {
        // Twenty calls that began in the same microsecond.
        record.call.timing.started_us = crate::sample::DAY;
    }
    store.write(&calls).await.unwrap();
    let mut seen = Vec::new();
    let mut after: Option<Cursor> = None;
    for round in 0.. {
        let page = PageRequest { after: after.take(), limit: Limit::of(7) };
        let page = store.list(&Filter::default(), &page).await.unwrap();
        assert!(page.items.len() <= 7 && round < 100);
        seen.extend(page.items.iter().map(|call| call.id));
        store.write(&[plain(1_000 + round)]).await.unwrap();
        match page.next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    let distinct: HashSet<_> = seen.iter().copied().collect();
    assert_eq!(seen.len(), 60, "none twice, none of the new ones");
    assert_eq!(distinct, calls.iter().map(|record| record.call.id).collect());
}
