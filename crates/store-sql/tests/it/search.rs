//! Conditions and words find what they should, on every store the same.

use lockgate_store::{Filter, Limit, Membership, Outcome, PageRequest, Side};
use uuid::Uuid;

use crate::Store;
use crate::sample::{DAY, SECOND, id, of, plain, saying};

pub(crate) async fn found(store: &dyn Store, filter: &Filter) -> Vec<u64> {
    let page = PageRequest { after: None, limit: Limit::of(500) };
    let page = store.list(filter, &page).await.unwrap();
    assert_eq!(page.next, None);
    let nth = |id: Uuid| id.as_u64_pair().1 - 0x8000_0000_0000_0000;
    page.items.iter().map(|call| nth(call.id)).collect()
}

/// C1: date, user, model, intervention and the others.
pub(crate) async fn every_condition_leaves_the_calls_that_meet_it(store: &dyn Store) {
    let mut one = of("s", 1);
    one.session.branch = Some("main".to_owned());
    one.session.repo = Some("gate".to_owned());
    one.call.route.requested_model = Some("auto".to_owned());
    one.call.route.resolved_model = Some("haiku".to_owned());
    one.call.route.answering_model = Some("haiku-5".to_owned());
    let mut two = plain(2);
    two.call.principal.user = Some("ann".to_owned());
    two.call.principal.key = Some("laptop".to_owned());
    two.call.principal.project = Some("gate".to_owned());
    two.call.cost_nano = Some(500);
    two.call.intervened = true;
    let mut three = plain(3);
    three.call.route.provider = Some("openai".to_owned());
    three.call.status = Some(429);
    three.call.outcome = Outcome::Failed;
    three.call.cost_nano = Some(0);
    // Weeks later, so that the search has to look far.
    let mut four = plain(4);
    four.call.timing.started_us = DAY + 86_400 * 90 * SECOND;
    store.write(&[one, two, three, four]).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let any = Filter::default;
    let cases: Vec<(Filter, &[u64])> = vec![
        (any(), &[4, 3, 2, 1]),
        (Filter { branch: text("main"), ..any() }, &[1]),
        (Filter { repo: text("gate"), ..any() }, &[1]),
        (Filter { branch: text("other"), ..any() }, &[]),
        (Filter { model: text("auto"), ..any() }, &[1]),
        (Filter { model: text("haiku"), ..any() }, &[1]),
        (Filter { model: text("haiku-5"), ..any() }, &[1]),
        (Filter { user: text("ann"), ..any() }, &[2]),
        (Filter { user: text("ANN"), ..any() }, &[]),
        (Filter { key: text("laptop"), ..any() }, &[2]),
        (Filter { key: text("laptop"), user: text("ann"), ..any() }, &[2]),
        (Filter { project: text("gate"), ..any() }, &[2]),
        (Filter { intervened: Some(true), ..any() }, &[2]),
        (Filter { intervened: Some(false), ..any() }, &[4, 3, 1]),
        (Filter { cost_from: Some(0), ..any() }, &[3, 2]),
        (Filter { cost_from: Some(1), ..any() }, &[2]),
        (Filter { cost_to: Some(499), ..any() }, &[3]),
        (Filter { provider: text("openai"), ..any() }, &[3]),
        (Filter { status_from: Some(400), status_to: Some(499), ..any() }, &[3]),
        (Filter { outcome: Some(Outcome::Failed), ..any() }, &[3]),
        (Filter { session: Some(Membership::Of("s".to_owned())), ..any() }, &[1]),
        (Filter { session: Some(Membership::Sessionless), ..any() }, &[4, 3, 2]),
        (Filter { from_us: Some(DAY + 2 * SECOND), to_us: Some(DAY + 4 * SECOND), ..any() }, &[3, 2]),
        (Filter { from_us: Some(DAY + 2 * SECOND), intervened: Some(true), ..any() }, &[2]),
        (Filter { user: text("x' OR 1=1 --"), ..any() }, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(store, &filter).await, expected, "{filter:?}");
    }
}

/// C1: text of both sides, tool input and tool results.
pub(crate) async fn words_are_found_on_both_sides_and_in_tools(store: &dyn Store) {
    let batch = [
        saying(of("s", 1), Side::User, "Please fix the flaky login test"),
        saying(of("s", 2), Side::Assistant, "I will look at src/login.rs; the deadlock is in `poll_ready`"),
        saying(plain(3), Side::ToolInput, r#"{"command":"cargo nextest run -p lockgate-store"}"#),
        saying(plain(4), Side::ToolResult, "error[E0277]: the trait bound is not satisfied"),
        saying(saying(plain(5), Side::Thinking, "Größe ändern"), Side::System, "Du hilfst. 東京都の天気"),
        plain(6),
    ];
    store.write(&batch).await.unwrap();
    let cases: [(&str, &[u64]); 17] = [
        ("login", &[2, 1]),
        ("LOGIN flaky", &[1]),
        ("flaky deadlock", &[]),
        ("poll_ready", &[2]),
        ("dead", &[2]),
        ("lock", &[3]),
        ("nextest", &[3]),
        ("lockgate-store cargo", &[3]),
        ("E0277", &[4]),
        ("satisfied trait", &[4]),
        ("größe", &[5]),
        ("GRÖSSE", &[]),
        ("京都", &[5]),
        ("都", &[5]),
        ("京天", &[]),
        ("is", &[4, 2]),
        ("", &[]),
    ];
    for (text, expected) in cases {
        let filter = Filter { text: Some(text.to_owned()), ..Filter::default() };
        assert_eq!(found(store, &filter).await, expected, "{text}");
    }
    let both = Filter { text: Some("login".to_owned()), to_us: Some(DAY + 2 * SECOND), ..Filter::default() };
    assert_eq!(found(store, &both).await, [1]);
}

pub(crate) async fn a_query_is_words_whatever_signs_are_in_it(store: &dyn Store) {
    store.write(&[saying(plain(1), Side::User, "alpha beta near not or and")]).await.unwrap();
    for (text, finds) in [
        ("\"alpha", true),
        ("alpha* AND (beta", true),
        ("alpha NOT beta", true),
        ("alpha OR gamma", false),
        ("words:alpha", false),
        ("alpha' & !beta:*", true),
        ("'", false),
        ("^alpha - beta {x", false),
        ("beta NEAR/2 alpha", false),
        ("al%a", false),
    ] {
        let filter = Filter { text: Some(text.to_owned()), ..Filter::default() };
        assert_eq!(!found(store, &filter).await.is_empty(), finds, "{text}");
    }
    assert_eq!(store.get(id(1)).await.unwrap().unwrap().call.id, id(1));
}
