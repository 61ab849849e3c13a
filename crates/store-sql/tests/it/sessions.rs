//! Sessions: what their calls say of them, names, lists.

use lockgate_store::{
    Filter, Limit, Outcome, PageRequest, Record, SessionOrder, SessionRef, Side, Title, TitleSource, Totals,
};

use crate::Store;
use crate::sample::{DAY, SECOND, id, of, plain, saying};

fn titled(mut record: Record, source: TitleSource, text: &str) -> Record {
    record.session.title = Some(Title { source, text: text.to_owned() });
    record
}

async fn listed(store: &dyn Store, filter: &Filter, order: SessionOrder) -> Vec<String> {
    let page = store.sessions(filter, order, &PageRequest::default()).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|session| session.reference.id).collect()
}

pub(crate) async fn a_title_of_a_model_takes_the_place_of_first_words_and_of_nothing_that_a_person_wrote(
    store: &dyn Store,
) {
    let title = async || store.session("s").await.unwrap().unwrap().title.unwrap();
    assert!(!store.entitle("s", "too early", DAY).await.unwrap());
    store.write(&[titled(of("s", 1), TitleSource::First, "please mend it")]).await.unwrap();
    assert!(store.entitle("s", "Mend the parser", DAY).await.unwrap());
    store.write(&[titled(of("s", 0), TitleSource::First, "earlier words")]).await.unwrap();
    assert_eq!(
        (title().await.source, title().await.text.as_str()),
        (TitleSource::Generated, "Mend the parser")
    );
    assert!(store.entitle("s", "Mend it", DAY + SECOND).await.unwrap());
    assert!(store.rename("s", "My session").await.unwrap());
    assert!(!store.entitle("s", "Mend it again", DAY + 2 * SECOND).await.unwrap());
    assert_eq!((title().await.source, title().await.text.as_str()), (TitleSource::Edited, "My session"));
    assert!(store.rename("s", "Mine").await.unwrap());
}

pub(crate) async fn a_session_shows_what_its_calls_say_and_their_sums(store: &dyn Store) {
    let text = |text: &str| Some(text.to_owned());
    let mut first = titled(of("s", 1), TitleSource::First, "Fix the login");
    first.session.cwd = text("/src/gate");
    first.session.branch = text("main");
    first.call.client.version = text("2.1");
    first.call.principal.user = text("ann");
    first.call.cost_nano = Some(40);
    first.call.usage.cache_write_5m = Some(100);
    first.call.usage.cache_write_1h = Some(1);
    first.call.usage.output = Some(7);
    let mut second = of("s", 5);
    second.session.branch = text("fix");
    second.call.client.version = text("2.2");
    second.call.outcome = Outcome::Failed;
    second.call.intervened = true;
    second.call.usage.cache_read = Some(90);
    second.call.usage.input_uncached = Some(3);
    second.call.usage.output = Some(8);
    // The second comes first: records need not arrive in order.
    store.write(&[second]).await.unwrap();
    store.write(&[first]).await.unwrap();
    let session = store.session("s").await.unwrap().unwrap();
    assert_eq!(session.reference, SessionRef { id: "s".to_owned(), source: "header".to_owned() });
    assert_eq!((session.first_us, session.last_us), (DAY + SECOND, DAY + 5 * SECOND));
    assert_eq!(session.branch, text("fix"));
    assert_eq!(session.cwd, text("/src/gate"));
    assert_eq!(session.client.version, text("2.2"));
    assert_eq!(session.principal.user, None, "the latest call has none");
    assert_eq!(session.title.unwrap().text, "Fix the login");
    let totals = Totals {
        cache_read: 90,
        cache_write: 101,
        calls: 2,
        cost_nano: 40,
        failed: 1,
        input_uncached: 3,
        intervened: 1,
        output: 15,
        unpriced: 1,
    };
    assert_eq!(session.totals, totals);
    assert_eq!(store.session("t").await.unwrap(), None);
}

pub(crate) async fn an_edited_title_survives_what_calls_say_later(store: &dyn Store) {
    let title = async || store.session("s").await.unwrap().unwrap().title.map(|title| title.text);
    store.write(&[of("s", 1)]).await.unwrap();
    assert_eq!(title().await, None);
    for (nth, source, text, then) in [
        (2, TitleSource::First, "first words", "first words"),
        (3, TitleSource::First, "other words", "first words"),
        (4, TitleSource::Generated, "a good title", "a good title"),
        (5, TitleSource::First, "again other words", "a good title"),
        (6, TitleSource::Generated, "a better title", "a better title"),
    ] {
        store.write(&[titled(of("s", nth), source, text)]).await.unwrap();
        assert_eq!(title().await.as_deref(), Some(then));
    }
    assert!(store.rename("s", "Mine").await.unwrap());
    assert!(!store.rename("t", "Nobody's").await.unwrap());
    for nth in 7..10 {
        let source = if nth == 8 { TitleSource::First } else { TitleSource::Generated };
        store.write(&[titled(of("s", nth), source, "not mine")]).await.unwrap();
    }
    assert_eq!(title().await.as_deref(), Some("Mine"));
    assert!(store.rename("s", "Mine too").await.unwrap());
    assert_eq!(title().await.as_deref(), Some("Mine too"));
    let renamed = Filter { text: Some("mine".to_owned()), ..Filter::default() };
    assert_eq!(listed(store, &renamed, SessionOrder::Activity).await, ["s"]);
}

pub(crate) async fn sessions_are_found_by_what_their_calls_and_titles_say(store: &dyn Store) {
    let text = |text: &str| Some(text.to_owned());
    let mut one = saying(titled(of("one", 1), TitleSource::First, "Größe of the cache"), Side::User, "alpha");
    one.session.branch = text("main");
    let mut two = saying(of("two", 2), Side::ToolResult, "alpha beta");
    two.call.principal.user = text("ann");
    two.call.route.resolved_model = text("haiku");
    let batch = [one, two, saying(of("two", 3), Side::Assistant, "gamma"), of("one", 4), plain(5)];
    store.write(&batch).await.unwrap();
    let any = Filter::default;
    let cases: Vec<(Filter, &[&str])> = vec![
        (any(), &["one", "two"]),
        (Filter { text: text("alpha"), ..any() }, &["one", "two"]),
        (Filter { text: text("beta"), ..any() }, &["two"]),
        (Filter { text: text("GRÖSSE"), ..any() }, &[]),
        (Filter { text: text("cache größ"), ..any() }, &["one"]),
        (Filter { text: text("ache"), ..any() }, &[]),
        (Filter { text: text("beta gamma"), ..any() }, &[]),
        (Filter { text: text("alpha"), user: text("ann"), ..any() }, &["two"]),
        (Filter { text: text("gamma"), user: text("ann"), ..any() }, &[]),
        (Filter { text: text("cache"), user: text("ann"), ..any() }, &[]),
        (Filter { model: text("haiku"), ..any() }, &["two"]),
        (Filter { branch: text("main"), ..any() }, &["one"]),
        (Filter { from_us: Some(DAY + 4 * SECOND), ..any() }, &["one"]),
        (Filter { to_us: Some(DAY + SECOND), ..any() }, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(store, &filter, SessionOrder::Activity).await, expected, "{filter:?}");
    }
    assert_eq!(listed(store, &any(), SessionOrder::Start).await, ["two", "one"]);
    let first = PageRequest { after: None, limit: Limit::of(1) };
    let page = store.sessions(&any(), SessionOrder::Start, &first).await.unwrap();
    assert_eq!(page.items[0].totals.calls, 2);
    let second = PageRequest { after: page.next, limit: Limit::of(1) };
    let page = store.sessions(&any(), SessionOrder::Start, &second).await.unwrap();
    assert_eq!((page.items[0].reference.id.as_str(), page.next), ("one", None));
}

pub(crate) async fn calls_of_a_session_come_in_their_order(store: &dyn Store) {
    store.write(&[of("s", 3), of("s", 1), of("t", 5), of("s", 2), plain(4)]).await.unwrap();
    let calls = async |limit| -> Vec<_> {
        let calls = lockgate_store::Sessions::calls(store, "s", limit).await.unwrap();
        calls.into_iter().map(|call| call.id).collect()
    };
    assert_eq!(calls(10).await, [id(1), id(2), id(3)]);
    assert_eq!(calls(2).await, [id(1), id(2)]);
}
