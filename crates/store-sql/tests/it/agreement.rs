//! Databases and the fake agree: some hundred calls and some hundred filters, made by a fixed sequence of numbers.

use lockgate_core::DataClass;
use lockgate_store::memory::Memory;
use lockgate_store::stats::Stats;
use lockgate_store::{
    Classified, Extent, Filter, Limit, Membership, Outcome, PageRequest, Purge, Record, Records, Selection,
    SessionOrder, Side, Title, TitleSource,
};
use lockgate_store_sql::Database;

use crate::Store;
use crate::postgres::Server;
use crate::sample::{DAY, SECOND, of, plain, saying};
use crate::search::found;
use crate::stats::LONG;

/// Numbers that look random and are the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    pub(crate) fn int(&mut self, end: u64) -> i64 {
        i64::try_from(self.below(end)).unwrap()
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    /// One of them in a third of all cases.
    pub(crate) fn maybe(&mut self, from: &[&str]) -> Option<String> {
        (self.below(3) == 0).then(|| self.pick(from).to_owned())
    }
}

const WORDS: [&str; 12] =
    ["lock", "locked", "gate", "Gate!", "größe", "東京都", "京都", "fix", "it", "E0277", "a_b", "x"];
const PEOPLE: [&str; 3] = ["ann", "ben", "cat"];
const MODELS: [&str; 3] = ["haiku", "opus", "sonnet"];

fn record(numbers: &mut Numbers, nth: u64) -> Record {
    let session = numbers.below(25);
    let mut record = if session == 0 { plain(nth) } else { of(&format!("s{session}"), nth) };
    // Over half a year, in no order.
    record.call.timing.started_us = DAY + i64::try_from((nth * 7_919) % 300).unwrap() * 52_000 * SECOND;
    record.call.principal.user = numbers.maybe(&PEOPLE);
    record.call.principal.key = numbers.maybe(&PEOPLE);
    record.call.principal.project = numbers.maybe(&PEOPLE);
    record.call.principal.data_class =
        (numbers.below(3) != 0).then(|| DataClass::ALL[numbers.below(4) as usize]);
    record.call.route.requested_model = numbers.maybe(&MODELS);
    record.call.route.answering_model = numbers.maybe(&MODELS);
    record.call.route.provider = numbers.maybe(&MODELS);
    record.call.cost_nano = (numbers.below(2) == 0).then(|| numbers.int(5));
    record.call.intervened = numbers.below(5) == 0;
    record.call.outcome = Outcome::ALL[numbers.below(4) as usize];
    record.call.status = (numbers.below(6) != 0).then(|| 200 + numbers.below(4) as u16 * 100);
    record.call.usage.output = (numbers.below(2) == 0).then(|| numbers.below(1_000));
    record.session.branch = numbers.maybe(&["main", "fix"]);
    record.session.repo = numbers.maybe(&["gate", "lock"]);
    if numbers.below(3) == 0 {
        let source = TitleSource::ALL[numbers.below(3) as usize];
        let text = format!("{} {nth}", numbers.pick(&WORDS));
        record.session.title = Some(Title { source, text });
    }
    for _ in 0..numbers.below(4) {
        let side = Side::ALL[numbers.below(6) as usize];
        let text = format!("{} {} {}", numbers.pick(&WORDS), numbers.pick(&WORDS), numbers.pick(&WORDS));
        record = saying(record, side, &text);
    }
    record
}

fn filter(numbers: &mut Numbers) -> Filter {
    let mut filter = Filter::default();
    for _ in 0..=numbers.below(3) {
        let person = Some(numbers.pick(&PEOPLE).to_owned());
        let model = Some(numbers.pick(&MODELS).to_owned());
        match numbers.below(16) {
            0 => filter.user = person,
            1 => filter.key = person,
            2 => filter.project = person,
            3 => filter.model = model,
            4 => filter.provider = model,
            5 => filter.cost_from = Some(numbers.int(4)),
            6 => filter.cost_to = Some(numbers.int(4)),
            7 => filter.from_us = Some(DAY + numbers.int(200) * 86_400 * SECOND),
            8 => filter.to_us = Some(DAY + numbers.int(200) * 86_400 * SECOND),
            9 => filter.intervened = Some(numbers.below(2) == 0),
            10 => filter.outcome = Some(Outcome::ALL[numbers.below(4) as usize]),
            11 => filter.status_from = Some(200 + numbers.below(4) as u16 * 100),
            12 => filter.branch = Some(numbers.pick(&["main", "fix"]).to_owned()),
            13 => {
                let of = Membership::Of(format!("s{}", numbers.below(25)));
                filter.session = Some(if numbers.below(4) == 0 { Membership::Sessionless } else { of });
            }
            14 => {
                let of = Classified::Of(DataClass::ALL[numbers.below(4) as usize]);
                filter.class = Some(if numbers.below(3) == 0 { Classified::Unclassified } else { of });
            }
            _ => filter.text = Some(format!("{} {}", numbers.pick(&WORDS), numbers.pick(&["", "lo", "京"]))),
        }
    }
    filter
}

async fn sessions(store: &dyn Store, filter: &Filter, order: SessionOrder) -> Vec<lockgate_store::Session> {
    let mut page = PageRequest { after: None, limit: Limit::of(4) };
    let mut all = Vec::new();
    loop {
        let got = store.sessions(filter, order, &page).await.unwrap();
        all.extend(got.items);
        match got.next {
            None => return all,
            next => page.after = next,
        }
    }
}

/// So many filters find the same in both; how many of them find anything.
async fn finds(store: &dyn Store, fake: &Memory, numbers: &mut Numbers, state: &str) -> usize {
    let mut hits = 0;
    for _ in 0..40 {
        let filter = filter(numbers);
        let expected = found(fake, &filter).await;
        hits += usize::from(!expected.is_empty());
        assert_eq!(found(store, &filter).await, expected, "{state}: {filter:?}");
        let order = [SessionOrder::Activity, SessionOrder::Start][numbers.below(2) as usize];
        let expected = sessions(fake, &filter, order).await;
        let found = sessions(store, &filter, order).await;
        assert_eq!(found.len(), expected.len(), "{state}: {filter:?} by {order:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{state}: {filter:?} by {order:?}");
        }
    }
    hits
}

/// In every state of counting: what was counted beforehand says where to look, and never hides anything.
async fn agrees(store: &Database) {
    let mut numbers = Numbers(7);
    let fake = Memory::new();
    let records: Vec<_> = (0..300).map(|nth| record(&mut numbers, nth)).collect();
    // In portions of different lengths, some calls twice.
    for batch in records[..260].chunks(37) {
        store.write(batch).await.unwrap();
        fake.write(batch).await.unwrap();
    }
    store.write(&records[..90]).await.unwrap();
    let mut hits = finds(store, &fake, &mut numbers, "nothing is counted").await;
    store.roll(DAY + 90 * 86_400 * SECOND, LONG).await.unwrap();
    hits += finds(store, &fake, &mut numbers, "half is counted").await;
    store.roll(i64::MAX, LONG).await.unwrap();
    hits += finds(store, &fake, &mut numbers, "all is counted").await;
    store.write(&records[230..]).await.unwrap();
    fake.write(&records[230..]).await.unwrap();
    hits += finds(store, &fake, &mut numbers, "some came late").await;
    store.roll(i64::MAX, LONG).await.unwrap();
    for person in PEOPLE {
        let gone = Selection::Key(person.to_owned());
        store.purge(&gone, Extent::Everything, false).await.unwrap();
        fake.purge(&gone, Extent::Everything, false).await.unwrap();
        hits += finds(store, &fake, &mut numbers, "some are deleted").await;
    }
    assert!(hits > 100, "only {hits} filters find anything");
}

#[tokio::test]
async fn sqlite_finds_what_the_fake_finds() {
    let (database, _folder) = crate::sqlite().await;
    agrees(&database).await;
}

#[tokio::test]
async fn postgresql_finds_what_the_fake_finds() {
    let server = Server::start();
    agrees(&crate::open(&server.url()).await).await;
}
