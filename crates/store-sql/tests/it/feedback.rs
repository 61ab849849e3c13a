//! What is said of calls and sessions: one opinion of each author, counted, listed, gone with its call.

use lockgate_store::access::{Actor, AuditEntry};
use lockgate_store::stats::{Dimension, Slice};
use lockgate_store::{
    Extent, Feedback, FeedbackFilter, FeedbackSource, Feedbacks, Limit, PageRequest, Part, Purge, Records,
    Selection,
};
use lockgate_store_sql::Database;
use serde_json::Value;
use uuid::Uuid;

use crate::sample::{DAY, id, of, plain, with_body};

pub(crate) fn said(nth: u64, call: Option<Uuid>, session: Option<&str>, score_milli: i64) -> Feedback {
    Feedback {
        at_us: DAY + i64::try_from(nth).unwrap(),
        author: "ann".to_owned(),
        call,
        comment: Some("it \u{1f642} works".to_owned()),
        id: Uuid::from_u64_pair(0x0190_0000_0000_7000, (2 << 62) | nth),
        labels: vec!["fast".to_owned(), "right".to_owned()],
        score_milli,
        session: session.map(str::to_owned),
        source: FeedbackSource::Person,
    }
}

pub(crate) fn entry(nth: u64) -> AuditEntry {
    AuditEntry {
        actor: Actor::User("ann".to_owned()),
        address: None,
        at_us: 1,
        detail: Value::Null,
        id: Uuid::from_u64_pair(9, nth),
        object: "call:x".to_owned(),
        verb: "feedback".to_owned(),
    }
}

async fn all(database: &Database, filter: FeedbackFilter) -> Vec<Feedback> {
    database.feedbacks(&filter, &PageRequest::default()).await.unwrap().items
}

pub(crate) async fn one_opinion_of_each_author_about_each_call_or_session_is_kept(database: &Database) {
    let mut owned = of("s", 1);
    owned.call.principal.user = Some("dora".to_owned());
    database.write(&[owned, of("s", 2), plain(3)]).await.unwrap();
    let first = said(1, Some(id(1)), Some("s"), 1_000);
    assert_eq!(database.say(&first, &entry(1)).await.unwrap(), Some(first.id));
    assert_eq!(database.feedback(first.id).await.unwrap(), Some(first.clone()), "nothing is lost");
    let again = Feedback { comment: None, score_milli: -500, ..said(2, Some(id(1)), None, 0) };
    assert_eq!(
        database.say(&again, &entry(2)).await.unwrap(),
        Some(first.id),
        "the same author, the same call"
    );
    let program = Feedback { source: FeedbackSource::Program, ..said(3, Some(id(1)), None, 1_000) };
    assert_eq!(database.say(&program, &entry(3)).await.unwrap(), Some(program.id));
    let whole = said(4, None, Some("s"), 250);
    assert_eq!(database.say(&whole, &entry(4)).await.unwrap(), Some(whole.id));
    let alone = said(5, Some(id(3)), None, 0);
    assert_eq!(database.say(&alone, &entry(5)).await.unwrap(), Some(alone.id));
    for missing in [said(6, Some(id(77)), None, 0), said(7, None, Some("nowhere"), 0), said(8, None, None, 0)]
    {
        assert_eq!(database.say(&missing, &entry(6)).await.unwrap(), None, "{missing:?}");
    }
    let listed = all(database, FeedbackFilter::default()).await;
    let scores: Vec<_> = listed.iter().map(|said| said.score_milli).collect();
    assert_eq!(scores, [0, 250, 1_000, -500], "the latest first");
    assert_eq!(listed[3].session.as_deref(), Some("s"), "the session of the call");
    assert_eq!(listed[0].session, None);

    let page = PageRequest { after: None, limit: Limit::of(3) };
    let one = database.feedbacks(&FeedbackFilter::default(), &page).await.unwrap();
    let two = PageRequest { after: one.next, limit: Limit::of(3) };
    let two = database.feedbacks(&FeedbackFilter::default(), &two).await.unwrap();
    assert_eq!((one.items.len(), two.items.len(), two.next), (3, 1, None));
    let session = FeedbackFilter { session: Some("s".to_owned()), ..FeedbackFilter::default() };
    assert_eq!(all(database, session).await.len(), 3);
    let bad = FeedbackFilter { score_to: Some(-1), ..FeedbackFilter::default() };
    assert_eq!(all(database, bad).await.len(), 1);
    let own = |user: &str| FeedbackFilter { user: Some(user.to_owned()), ..FeedbackFilter::default() };
    let named = Feedback { author: "carl".to_owned(), ..said(9, None, Some("s"), 0) };
    database.say(&named, &entry(9)).await.unwrap();
    let seen = all(database, own("dora")).await;
    assert!(seen.iter().any(|said| said.id == named.id), "about a session of one's own: {seen:?}");
    assert!(all(database, own("carl")).await.is_empty(), "a name of an author is no user");
    assert!(database.unsay(named.id, &entry(10)).await.unwrap());
    let nobody = FeedbackFilter { user: Some("nobody".to_owned()), ..FeedbackFilter::default() };
    assert!(all(database, nobody).await.is_empty());

    assert!(database.unsay(alone.id, &entry(7)).await.unwrap());
    assert!(!database.unsay(alone.id, &entry(8)).await.unwrap());
    assert_eq!(all(database, FeedbackFilter::default()).await.len(), 3);
}

pub(crate) async fn who_speaks_twice_at_once_is_heard_once(database: &Database) {
    database.write(&[of("s", 1)]).await.unwrap();
    for round in 0..10 {
        let (one, two) = (said(20 + round, Some(id(1)), None, 0), said(40 + round, Some(id(1)), None, 0));
        let (first, second) = (entry(20 + round), entry(40 + round));
        let (one, two) = tokio::join!(database.say(&one, &first), database.say(&two, &second));
        assert_eq!(one.unwrap(), two.unwrap());
        assert_eq!(all(database, FeedbackFilter::default()).await.len(), 1);
        let left = all(database, FeedbackFilter::default()).await[0].id;
        assert!(database.unsay(left, &entry(60 + round)).await.unwrap());
    }
}

pub(crate) async fn comments_go_with_contents_also_where_there_are_none(database: &Database) {
    database.write(&[of("s", 1), of("t", 2), of("t", 3)]).await.unwrap();
    for (nth, (call, session)) in
        [(Some(id(1)), None), (None, Some("s")), (Some(id(2)), None), (None, Some("t"))]
            .into_iter()
            .enumerate()
    {
        let nth = nth as u64;
        database.say(&said(nth, call, session, 0), &entry(nth)).await.unwrap();
    }
    let young = of("t", 3).call.timing.started_us;
    database.purge(&Selection::OlderThan(young), Extent::Contents, false).await.unwrap();
    let left = all(database, FeedbackFilter::default()).await;
    let spoken: Vec<_> = left.iter().filter(|said| said.comment.is_some()).collect();
    assert!(
        matches!(spoken.as_slice(), [one] if one.session.as_deref() == Some("t") && one.call.is_none()),
        "{spoken:?}"
    );
    database.purge(&Selection::OlderThan(young + 1), Extent::Contents, false).await.unwrap();
    let left = all(database, FeedbackFilter::default()).await;
    assert!(left.len() == 4 && left.iter().all(|said| said.comment.is_none()), "{left:?}");
}

pub(crate) async fn opinions_are_counted_by_what_calls_have_in_common(database: &Database) {
    let mut calls = [of("s", 1), of("s", 2), of("t", 3)];
    for (call, provider) in calls.iter_mut().zip(["a", "a", "b"]) {
        call.call.route.provider = Some(provider.to_owned());
    }
    database.write(&calls).await.unwrap();
    for (nth, (call, score)) in [(1, 1_000), (2, -1_000), (3, 500)].into_iter().enumerate() {
        database.say(&said(nth as u64, Some(id(call)), None, score), &entry(nth as u64)).await.unwrap();
    }
    database.say(&said(9, None, Some("s"), 1_000), &entry(9)).await.unwrap();
    let other = Feedback { author: "bob".to_owned(), ..said(10, Some(id(1)), None, 0) };
    database.say(&other, &entry(10)).await.unwrap();
    let told = database.opinions(&Slice::default(), &[Dimension::Provider]).await.unwrap();
    let rows: Vec<_> = told
        .iter()
        .map(|row| (row.group[0].as_deref(), row.opinions, row.calls, row.good, row.bad, row.score_milli))
        .collect();
    assert_eq!(rows, [(Some("a"), 3, 2, 1, 1, 0), (Some("b"), 1, 1, 1, 0, 500)]);
    let of_session = Slice::default().with(Dimension::Session, Some("s"));
    let told = database.opinions(&of_session, &[Dimension::Session]).await.unwrap();
    assert_eq!((told.len(), told[0].group[0].as_deref(), told[0].opinions), (1, Some("s"), 3));
    let none = Slice::default().with(Dimension::Provider, Some("c"));
    assert_eq!(database.opinions(&none, &[]).await.unwrap()[0].opinions, 0);
}

pub(crate) async fn opinions_go_with_what_they_are_about(database: &Database) {
    let spoken = with_body(of("s", 1), Part::ClientRequest, b"{}");
    database.write(&[spoken, of("t", 2), plain(3)]).await.unwrap();
    for (nth, (call, session)) in
        [(Some(id(1)), None), (None, Some("s")), (Some(id(2)), None), (Some(id(3)), None)]
            .into_iter()
            .enumerate()
    {
        let said = said(nth as u64, call, session, 1_000);
        database.say(&said, &entry(nth as u64)).await.unwrap();
    }
    let session = Selection::Session("s".to_owned());
    database.purge(&session, Extent::Contents, false).await.unwrap();
    let left =
        all(database, FeedbackFilter { session: Some("s".to_owned()), ..FeedbackFilter::default() }).await;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|said| said.comment.is_none()), "words are contents: {left:?}");
    database.purge(&session, Extent::Everything, false).await.unwrap();
    database.purge(&Selection::Calls(vec![id(3)]), Extent::Everything, false).await.unwrap();
    let left = all(database, FeedbackFilter::default()).await;
    assert_eq!(left.iter().map(|said| said.call).collect::<Vec<_>>(), [Some(id(2))]);
}
