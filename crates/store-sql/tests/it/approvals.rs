//! Questions to people and versions of policies, on both databases.

use lockgate_store::access::{Audit, AuditFilter};
use lockgate_store::{
    Answer, Approval, ApprovalFilter, Approvals, Enacted, Extent, Holds, Limit, PageRequest, Purge,
    Selection, Verdict, Version, Versions,
};
use lockgate_store_sql::Database;

use crate::access::entry;
use crate::sample::{DAY, id};

/// A question with nothing left out.
pub(crate) fn question(number: u64) -> Approval {
    Approval {
        answer: None,
        arguments: Some(r#"{"command":"git push"}"#.to_owned()),
        asked_us: DAY + number.cast_signed(),
        call: id(number),
        client: Some("claude-cli/2.1".to_owned()),
        id: format!("{}.0", id(number)),
        key: Some("laptop".to_owned()),
        model: "claude".to_owned(),
        policy: "shell_guard".to_owned(),
        reason: "it pushes".to_owned(),
        revoked_us: None,
        rule: Some("git".to_owned()),
        session: Some("session-1".to_owned()),
        tool: Some("Bash".to_owned()),
        until_us: DAY + 1_000,
        user: Some("ann".to_owned()),
    }
}

pub(crate) fn approved(holds: Holds) -> Answer {
    Answer {
        at_us: DAY + 500,
        by: Some("bob".to_owned()),
        holds,
        verdict: Verdict::Approved,
        words: Some("fine".to_owned()),
    }
}

async fn listed(database: &Database, filter: ApprovalFilter) -> Vec<String> {
    let page = database.approvals(&filter, &PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|it| it.id).collect()
}

/// Of two answers the first one holds, and only a person's is in the audit.
async fn a_question_comes_back_as_it_was_and_is_answered_once(database: &Database) {
    database.ask(&question(1)).await.unwrap();
    let key = question(1).id;
    assert_eq!(database.approval(&key).await.unwrap(), Some(question(1)));
    assert_eq!(database.approval("none").await.unwrap(), None);
    let denied = Answer { verdict: Verdict::Denied, words: None, ..approved(Holds::Once) };
    assert!(database.answer(&key, &denied, Some(&entry(1, "deny", "approval"))).await.unwrap());
    assert!(
        !database.answer(&key, &approved(Holds::Once), Some(&entry(2, "approve", "approval"))).await.unwrap()
    );
    assert!(!database.answer("none", &denied, None).await.unwrap());
    assert_eq!(database.approval(&key).await.unwrap().unwrap().answer, Some(denied));
    let audit = database.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(audit.items.len(), 1, "what changed nothing is no entry");
}

async fn questions_are_listed_by_what_has_become_of_them(database: &Database) {
    for number in 1..=5 {
        database.ask(&question(number)).await.unwrap();
    }
    database.answer(&question(1).id, &approved(Holds::Once), None).await.unwrap();
    database.answer(&question(2).id, &approved(Holds::Always), None).await.unwrap();
    let other = Approval { user: Some("eve".to_owned()), policy: "rules".to_owned(), ..question(6) };
    database.ask(&other).await.unwrap();
    let ids = |numbers: &[u64]| numbers.iter().map(|number| question(*number).id).collect::<Vec<_>>();
    let all = ApprovalFilter::default();
    assert_eq!(listed(database, all.clone()).await, ids(&[6, 5, 4, 3, 2, 1]));
    assert_eq!(
        listed(database, ApprovalFilter { pending: Some(true), ..all.clone() }).await,
        ids(&[6, 5, 4, 3])
    );
    assert_eq!(listed(database, ApprovalFilter { pending: Some(false), ..all.clone() }).await, ids(&[2, 1]));
    assert_eq!(listed(database, ApprovalFilter { standing: true, ..all.clone() }).await, ids(&[2]));
    let own = ApprovalFilter { user: Some("eve".to_owned()), ..all.clone() };
    assert_eq!(listed(database, own).await, ids(&[6]));
    let page = PageRequest { after: None, limit: Limit::of(4) };
    let first = database.approvals(&all, &page).await.unwrap();
    let rest = database.approvals(&all, &PageRequest { after: first.next, ..page }).await.unwrap();
    let shown: Vec<_> = first.items.into_iter().chain(rest.items).map(|it| it.id).collect();
    assert_eq!((shown, rest.next), (ids(&[6, 5, 4, 3, 2, 1]), None));
}

async fn an_approval_stands_for_its_key_or_session_until_it_is_taken_back(database: &Database) {
    for (number, holds) in [(1, Holds::Once), (2, Holds::Session), (3, Holds::Always)] {
        database.ask(&question(number)).await.unwrap();
        database.answer(&question(number).id, &approved(holds), None).await.unwrap();
    }
    let standing = async |key: Option<&str>, session: Option<&str>| -> Vec<String> {
        let found = database.standing("shell_guard", key, session).await.unwrap();
        found.into_iter().map(|it| it.id).collect()
    };
    let ids = |numbers: &[u64]| numbers.iter().map(|number| question(*number).id).collect::<Vec<_>>();
    assert_eq!(standing(Some("laptop"), Some("session-1")).await, ids(&[3, 2]));
    assert_eq!(standing(Some("laptop"), Some("other")).await, ids(&[3]));
    assert_eq!(standing(Some("laptop"), None).await, ids(&[3]));
    assert!(standing(Some("other"), Some("session-1")).await.is_empty());
    assert!(standing(None, None).await.is_empty());
    assert!(database.revoke_approval(&question(3).id, &entry(9, "revoke", "approval")).await.unwrap());
    assert!(!database.revoke_approval(&question(3).id, &entry(10, "revoke", "approval")).await.unwrap());
    assert!(!database.revoke_approval(&question(1).id, &entry(11, "revoke", "approval")).await.unwrap());
    assert!(standing(Some("laptop"), Some("other")).await.is_empty());
}

/// What a person was asked holds contents of calls, so it goes with them; a standing answer does not go by age.
async fn what_was_asked_goes_with_what_is_purged(database: &Database) {
    let purge = async |what: Selection| {
        database.purge(&what, Extent::Contents, false).await.unwrap();
        listed(database, ApprovalFilter::default()).await.len()
    };
    for number in 1..=6 {
        database.ask(&question(number)).await.unwrap();
    }
    database.answer(&question(1).id, &approved(Holds::Always), None).await.unwrap();
    assert_eq!(purge(Selection::OlderThan(DAY + 3)).await, 5, "2 went, 1 stands");
    assert_eq!(purge(Selection::Calls(vec![id(3), id(77)])).await, 4);
    assert_eq!(purge(Selection::User("bob".to_owned())).await, 4);
    assert_eq!(purge(Selection::Session("session-2".to_owned())).await, 4);
    assert_eq!(purge(Selection::Key("laptop".to_owned())).await, 0);
}

async fn policies_are_kept_in_versions_and_of_two_writers_one_is_told_so(database: &Database) {
    let version = |number: i64| Version {
        at_us: DAY + number,
        author: "ann".to_owned(),
        document: format!("chain: [] # {number}"),
        reason: "first".to_owned(),
        version: number,
    };
    for (of, base) in [(Enacted::Policies, 0), (Enacted::Settings, 10)] {
        assert_eq!(database.latest_version(of).await.unwrap(), 0);
        assert!(
            database.add_version(of, &version(1), &entry(base + 1, "enact", "policies:1")).await.unwrap()
        );
        assert!(
            !database.add_version(of, &version(1), &entry(base + 2, "enact", "policies:1")).await.unwrap()
        );
        assert!(
            !database.add_version(of, &version(3), &entry(base + 3, "enact", "policies:3")).await.unwrap()
        );
        assert!(
            database.add_version(of, &version(2), &entry(base + 4, "enact", "policies:2")).await.unwrap()
        );
        assert_eq!(database.latest_version(of).await.unwrap(), 2);
        assert_eq!(database.enacted(of, 1).await.unwrap(), Some(version(1)));
        assert_eq!(database.enacted(of, 3).await.unwrap(), None);
        let listed = database.versions(of, 10).await.unwrap();
        let bare = |number| Version { document: String::new(), ..version(number) };
        assert_eq!(listed, [bare(2), bare(1)]);
        assert_eq!(database.versions(of, 1).await.unwrap(), [bare(2)]);
    }
}

on_both!(
    a_question_comes_back_as_it_was_and_is_answered_once,
    questions_are_listed_by_what_has_become_of_them,
    an_approval_stands_for_its_key_or_session_until_it_is_taken_back,
    what_was_asked_goes_with_what_is_purged,
    policies_are_kept_in_versions_and_of_two_writers_one_is_told_so,
);
