//! Live activity, as its subscribers get it.

use http::{HeaderMap, HeaderValue};
use lockgate_core::ErrorKind;

use super::{begin, telemetry};
use crate::{Entry, Filter, Outcome, Subscription, Telemetry, What};

/// The next entries.
async fn next(subscription: &mut Subscription, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(Entry::clone(&subscription.next().await.unwrap()));
    }
    entries
}

fn kinds(entries: &[Entry]) -> Vec<What> {
    entries.iter().map(|entry| entry.what).collect()
}

fn answer(telemetry: &Telemetry, model: &str) {
    begin(telemetry, model, &HeaderMap::new()).answers();
}

#[tokio::test]
async fn a_subscriber_sees_a_call_begin_answer_and_end_with_ids_that_grow() {
    let telemetry = telemetry();
    let mut subscription = telemetry.feed().subscribe(Filter::default(), None);
    let mut headers = HeaderMap::new();
    headers.insert("x-session-id", HeaderValue::from_static("s-1"));
    begin(&telemetry, "claude-sonnet-4-6", &headers).answers();
    let entries = next(&mut subscription, 3).await;
    assert_eq!(kinds(&entries), [What::Started, What::FirstByte, What::Finished]);
    assert!(entries.is_sorted_by(|one, other| one.id < other.id));
    let call = |at: usize| entries[at].call.clone().unwrap();
    assert_eq!((call(0).session.as_deref(), call(0).outcome), (Some("s-1"), None));
    assert!(call(1).ttft_ms.is_some() && call(1).outcome.is_none());
    assert_eq!((call(2).outcome, call(2).cost_nano), (Some(Outcome::Complete), Some(4_650_000)));
    let json = serde_json::to_value(&entries[2]).unwrap();
    assert_eq!((&json["what"], &json["call"]["provider"]), (&"finished".into(), &"anthropic".into()));
}

#[tokio::test]
async fn a_subscriber_that_comes_back_goes_on_behind_the_last_entry_that_it_had() {
    let telemetry = telemetry();
    let mut subscription = telemetry.feed().subscribe(Filter::default(), None);
    answer(&telemetry, "one");
    let had = next(&mut subscription, 2).await;
    drop(subscription);
    answer(&telemetry, "two");
    let mut again = telemetry.feed().subscribe(Filter::default(), Some(had[1].id));
    let rest = next(&mut again, 4).await;
    assert_eq!(kinds(&rest), [What::Finished, What::Started, What::FirstByte, What::Finished]);
    assert_eq!(rest[0].id, had[1].id + 1);
    assert_eq!(rest[3].call.as_ref().unwrap().model.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_subscriber_that_was_away_too_long_is_told_that_something_is_missing() {
    let telemetry = telemetry();
    drop(telemetry.feed().subscribe(Filter::default(), None));
    for _ in 0..1_000 {
        answer(&telemetry, "m");
    }
    telemetry.work();
    let mut again = telemetry.feed().subscribe(Filter::default(), Some(1));
    let first = next(&mut again, 2).await;
    assert_eq!(kinds(&first)[0], What::Dropped);
    assert!(first[0].id < first[1].id && first[1].call.is_some());
}

#[tokio::test]
async fn a_subscriber_sees_only_what_it_asked_for() {
    let telemetry = telemetry();
    let filters = [
        Filter { outcome: Some(Outcome::Failed), ..Filter::default() },
        Filter { model: Some("claude-*".to_owned()), outcome: Some(Outcome::Complete), ..Filter::default() },
        Filter { user: Some("alice".to_owned()), ..Filter::default() },
    ];
    let [mut failed, mut claude, own] = filters.map(|filter| telemetry.feed().subscribe(filter, None));
    answer(&telemetry, "gpt-5");
    begin(&telemetry, "gpt-5", &HeaderMap::new()).refused(ErrorKind::RateLimited);
    answer(&telemetry, "claude-sonnet-4-6");
    let call = next(&mut failed, 1).await.remove(0).call.unwrap();
    assert_eq!(call.error, Some("rate_limited"));
    let call = next(&mut claude, 1).await.remove(0).call.unwrap();
    assert_eq!(call.model.as_deref(), Some("claude-sonnet-4-6"));
    assert_eq!(telemetry.feed().subscribers(), 3);
    drop((failed, claude, own));
    assert_eq!(telemetry.feed().subscribers(), 0);
}

/// I9: bounded per subscriber, and nobody waits for one.
#[tokio::test]
async fn a_subscriber_that_does_not_keep_up_is_let_go_of_with_a_notice_and_the_others_stay() {
    let telemetry = telemetry();
    let mut slow = telemetry.feed().subscribe(Filter::default(), None);
    let only_failures = Filter { outcome: Some(Outcome::Failed), ..Filter::default() };
    let mut other = telemetry.feed().subscribe(only_failures, None);
    for _ in 0..1_500 {
        answer(&telemetry, "m");
    }
    begin(&telemetry, "m", &HeaderMap::new()).refused(ErrorKind::Timeout);
    assert_eq!(kinds(&next(&mut other, 1).await), [What::Finished]);
    let mut last = None;
    let mut count = 0;
    while let Some(entry) = slow.next().await {
        count += 1;
        last = Some(entry);
    }
    let notice = last.unwrap();
    assert_eq!((notice.what, count), (What::Dropped, 3_001));
    assert_eq!(notice.missed, Some(1_500 * 3 + 2 - 3_000));
    // With the id of the notice it comes back to what is still kept.
    let mut again = telemetry.feed().subscribe(Filter::default(), Some(notice.id));
    assert!(next(&mut again, 1).await[0].id > notice.id);
}

#[tokio::test]
async fn a_subscription_ends_with_the_gateway_behind_what_waits_for_it() {
    let telemetry = telemetry();
    let mut subscription = telemetry.feed().subscribe(Filter::default(), None);
    answer(&telemetry, "one");
    telemetry.work();
    telemetry.feed().end();
    assert_eq!(kinds(&next(&mut subscription, 3).await), [What::Started, What::FirstByte, What::Finished]);
    assert!(subscription.next().await.is_none());
    assert!(
        telemetry.feed().subscribe(Filter::default(), None).next().await.is_none(),
        "who comes later too"
    );
}
