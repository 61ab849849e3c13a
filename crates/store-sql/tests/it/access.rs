//! Who may do what, on both databases: keys, users, logins, audit.

use lockgate_store::access::{
    Actor, Audit, AuditEntry, AuditFilter, DataClass, KeyLimits, KeyRecording, Keys, Login, Logins, Ring,
    Role, User, Users, VirtualKey,
};
use lockgate_store::{Error, Limit, PageRequest};
use lockgate_store_sql::Database;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sample::DAY;

pub(crate) fn entry(number: u128, verb: &str, object: &str) -> AuditEntry {
    AuditEntry {
        actor: Actor::User("ann".to_owned()),
        address: Some("127.0.0.1".to_owned()),
        at_us: DAY + number as i64,
        detail: json!({"number": number as u64}),
        id: Uuid::from_u128(number),
        object: object.to_owned(),
        verb: verb.to_owned(),
    }
}

/// A key with nothing left out.
pub(crate) fn key(number: u8) -> VirtualKey {
    VirtualKey {
        created_us: DAY,
        data_class: Some(DataClass::Internal),
        expires_us: Some(DAY + 1_000_000_000),
        hash: [number; 32],
        id: Uuid::from_u128(u128::from(number)),
        limits: KeyLimits {
            concurrency: Some(4),
            cost_per_day_nano: Some(5_000_000_000),
            requests_per_minute: Some(60),
            tokens_per_minute: Some(100_000),
        },
        models: vec!["claude-*".to_owned(), "up:m".to_owned()],
        name: format!("key-{number}"),
        owner: Some("ann".to_owned()),
        prefix: "lg-AbCdEf".to_owned(),
        project: Some("gateway".to_owned()),
        providers: vec!["up".to_owned()],
        recording: Some(KeyRecording::Metadata),
        retires_us: None,
        revoked_us: None,
        role: Role::Viewer,
        rotated_from: None,
        tags: vec!["ci".to_owned(), "a,b \"c\"".to_owned()],
        used_us: None,
    }
}

pub(crate) fn user(name: &str) -> User {
    User {
        created_us: DAY,
        disabled: false,
        id: Uuid::from_u128(u128::from(name.as_bytes()[0])),
        name: name.to_owned(),
        password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
        role: Role::Operator,
    }
}

pub(crate) fn login(number: u8, user: &str) -> Login {
    Login {
        address: Some("::1".to_owned()),
        created_us: DAY,
        ends_us: DAY + 100,
        hash: [number; 32],
        id: Uuid::from_u128(u128::from(number)),
        idle_us: DAY + 10,
        used_us: DAY,
        user: user.to_owned(),
    }
}

async fn verbs(database: &Database) -> Vec<String> {
    let all = database.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap();
    all.items.into_iter().map(|entry| entry.verb).collect()
}

async fn keys(database: &Database) -> Vec<VirtualKey> {
    database.ring().await.unwrap().1.into_iter().map(|(key, _)| key).collect()
}

/// A key comes back as it was made; a change of what it may do leaves its origin; each change moves the version.
async fn a_key_comes_back_as_it_was_and_every_change_is_noticed(database: &Database) {
    let before = database.version().await.unwrap();
    database.create_key(&key(1), &entry(1, "create", "key:key-1")).await.unwrap();
    let created = database.version().await.unwrap();
    assert!(created > before);
    assert_eq!(database.key(key(1).id).await.unwrap(), Some(key(1)));
    let other = VirtualKey {
        hash: [9; 32],
        models: Vec::new(),
        limits: KeyLimits::default(),
        name: "renamed".to_owned(),
        recording: None,
        ..key(1)
    };
    assert!(database.change_key(&other, &entry(2, "change", "key:renamed")).await.unwrap());
    let changed = VirtualKey { hash: [1; 32], ..other };
    assert_eq!(keys(database).await, std::slice::from_ref(&changed));
    assert!(database.version().await.unwrap() > created);
    assert!(!database.change_key(&key(7), &entry(3, "change", "key:none")).await.unwrap());
    assert_eq!(verbs(database).await, ["change", "create"], "what changed nothing is no entry");
    database.used(&[(changed.id, DAY + 60), (changed.id, DAY + 30)]).await.unwrap();
    assert_eq!(keys(database).await[0].used_us, Some(DAY + 60));
}

async fn two_keys_in_use_have_no_name_in_common_and_a_revoked_one_frees_it(database: &Database) {
    database.create_key(&key(1), &entry(1, "create", "key:key-1")).await.unwrap();
    let twin = VirtualKey { name: "key-1".to_owned(), ..key(2) };
    let error = database.create_key(&twin, &entry(2, "create", "key:key-1")).await.unwrap_err();
    assert!(matches!(&error, Error::Taken { what: "key", name } if name == "key-1"), "{error:?}");
    assert_eq!(verbs(database).await, ["create"], "what was refused is no entry");
    let version = database.version().await.unwrap();
    assert!(database.revoke_key(key(1).id, &entry(3, "revoke", "key:key-1")).await.unwrap());
    assert!(!database.revoke_key(key(1).id, &entry(4, "revoke", "key:key-1")).await.unwrap());
    assert!(database.version().await.unwrap() > version);
    database.create_key(&twin, &entry(5, "create", "key:key-1")).await.unwrap();
    let all = keys(database).await;
    assert_eq!((all[0].revoked_us, all[1].revoked_us), (Some(DAY + 3), None));
}

async fn a_key_is_replaced_once_and_the_old_one_knows_when_it_ceases(database: &Database) {
    database.create_key(&key(1), &entry(1, "create", "key:key-1")).await.unwrap();
    let next =
        |number: u8| VirtualKey { name: "key-1".to_owned(), rotated_from: Some(key(1).id), ..key(number) };
    assert!(database.rotate_key(&next(2), DAY + 500, &entry(2, "rotate", "key:key-1")).await.unwrap());
    assert!(!database.rotate_key(&next(3), DAY + 600, &entry(3, "rotate", "key:key-1")).await.unwrap());
    let all = keys(database).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].retires_us, all[0].is_current()), (Some(DAY + 500), false));
    assert_eq!((all[1].rotated_from, all[1].is_current()), (Some(key(1).id), true));
}

async fn users_are_found_by_name_and_their_change_ends_their_logins(database: &Database) {
    database.create_user(&user("bob"), &entry(1, "create", "user:bob")).await.unwrap();
    database.create_user(&user("ann"), &entry(2, "create", "user:ann")).await.unwrap();
    let twin = User { id: Uuid::from_u128(77), ..user("ann") };
    let error = database.create_user(&twin, &entry(3, "create", "user:ann")).await.unwrap_err();
    assert!(matches!(error, Error::Taken { what: "user", .. }), "{error:?}");
    assert_eq!(database.users().await.unwrap(), [user("ann"), user("bob")]);
    for (number, name) in [(1, "ann"), (2, "ann"), (3, "bob")] {
        database
            .open_login(&login(number, name), &entry(10 + u128::from(number), "login", ""))
            .await
            .unwrap();
    }
    let admin = User { role: Role::Admin, ..user("ann") };
    let kept = Some(login(2, "ann").id);
    assert!(database.change_user(&admin, kept, &entry(20, "change", "user:ann")).await.unwrap());
    assert_eq!(database.user("ann").await.unwrap(), Some(admin.clone()));
    assert_eq!(database.logins("ann").await.unwrap(), [login(2, "ann")]);
    assert_eq!(database.login(&[2; 32]).await.unwrap(), Some((login(2, "ann"), admin)));
    assert_eq!(database.login(&[1; 32]).await.unwrap(), None);
    assert_eq!(database.logins("bob").await.unwrap().len(), 1, "others are left alone");
}

async fn a_user_who_is_closed_or_removed_has_keys_that_say_so(database: &Database) {
    database.create_user(&user("ann"), &entry(1, "create", "user:ann")).await.unwrap();
    database.create_key(&key(1), &entry(2, "create", "key:key-1")).await.unwrap();
    database
        .create_key(&VirtualKey { owner: None, ..key(2) }, &entry(3, "create", "key:key-2"))
        .await
        .unwrap();
    let version = database.version().await.unwrap();
    let shut = User { disabled: true, ..user("ann") };
    assert!(database.change_user(&shut, None, &entry(4, "change", "user:ann")).await.unwrap());
    let (after, ring) = database.ring().await.unwrap();
    assert!(after > version);
    assert_eq!(ring.iter().map(|(_, shut)| *shut).collect::<Vec<_>>(), [true, false]);
    assert!(database.remove_user("ann", &entry(5, "remove", "user:ann")).await.unwrap());
    assert!(!database.remove_user("ann", &entry(6, "remove", "user:ann")).await.unwrap());
    let (_, ring) = database.ring().await.unwrap();
    let states: Vec<_> = ring.iter().map(|(key, shut)| (key.revoked_us, *shut)).collect();
    assert_eq!(states, [(Some(DAY + 5), false), (None, false)]);
}

async fn a_login_lives_as_long_as_it_is_heard_of_and_ends_alone_or_with_all(database: &Database) {
    database.create_user(&user("ann"), &entry(1, "create", "user:ann")).await.unwrap();
    for number in [1, 2, 3] {
        database
            .open_login(&login(number, "ann"), &entry(u128::from(number) + 1, "login", "user:ann"))
            .await
            .unwrap();
    }
    database.heard(login(1, "ann").id, DAY + 5, DAY + 15).await.unwrap();
    let (heard, _) = database.login(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((heard.used_us, heard.idle_us), (DAY + 5, DAY + 15));
    assert!(heard.is_open(DAY + 14) && !heard.is_open(DAY + 15));
    let logout = entry(8, "logout", "user:ann");
    assert_eq!(database.end_logins("bob", Some(heard.id), &logout).await.unwrap(), 0, "not bob's");
    assert_eq!(database.end_logins("ann", Some(heard.id), &logout).await.unwrap(), 1);
    assert_eq!(database.login(&[1; 32]).await.unwrap(), None);
    // A later login forgets those that are over.
    let later = Login {
        created_us: DAY + 50,
        hash: [4; 32],
        id: Uuid::from_u128(4),
        idle_us: DAY + 60,
        ..login(4, "ann")
    };
    database.open_login(&later, &entry(9, "login", "user:ann")).await.unwrap();
    assert_eq!(database.logins("ann").await.unwrap(), [later]);
    assert_eq!(database.end_logins("ann", None, &entry(10, "logout", "user:ann")).await.unwrap(), 1);
}

async fn the_audit_shows_each_change_once_page_by_page(database: &Database) {
    for number in 1..=5 {
        let actor = match number {
            1 => Actor::System,
            2 => Actor::Cli(None),
            3 => Actor::Key("laptop".to_owned()),
            _ => Actor::User("ann".to_owned()),
        };
        let detail = if number == 1 { Value::Null } else { json!({"models": ["a"]}) };
        database.note(&AuditEntry { actor, detail, ..entry(number, "purge", "session:s") }).await.unwrap();
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let request = PageRequest { after, limit: Limit::of(2) };
        let page = database.audit(&AuditFilter::default(), &request).await.unwrap();
        seen.extend(page.items.iter().map(|entry| (entry.id.as_u128(), entry.actor.clone())));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ann = || Actor::User("ann".to_owned());
    let laptop = Actor::Key("laptop".to_owned());
    assert_eq!(seen, [(5, ann()), (4, ann()), (3, laptop), (2, Actor::Cli(None)), (1, Actor::System)]);
    let only =
        AuditFilter { actor: Some("ann".to_owned()), from_us: Some(DAY + 5), ..AuditFilter::default() };
    let found = database.audit(&only, &PageRequest::default()).await.unwrap().items;
    assert_eq!(found, [AuditEntry { detail: json!({"models": ["a"]}), ..entry(5, "purge", "session:s") }]);
    let named = [1, 3, 9].map(Uuid::from_u128);
    assert_eq!(database.forget(&named).await.unwrap(), 2, "the third was never there");
    let left = database.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap().items;
    assert_eq!(left.iter().map(|entry| entry.id.as_u128()).collect::<Vec<_>>(), [5, 4, 2]);
    assert_eq!(database.forget(&[]).await.unwrap(), 0);
}

on_both!(
    a_key_comes_back_as_it_was_and_every_change_is_noticed,
    two_keys_in_use_have_no_name_in_common_and_a_revoked_one_frees_it,
    a_key_is_replaced_once_and_the_old_one_knows_when_it_ceases,
    users_are_found_by_name_and_their_change_ends_their_logins,
    a_user_who_is_closed_or_removed_has_keys_that_say_so,
    a_login_lives_as_long_as_it_is_heard_of_and_ends_alone_or_with_all,
    the_audit_shows_each_change_once_page_by_page,
);
