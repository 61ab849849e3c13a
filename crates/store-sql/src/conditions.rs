//! Conditions of a list as SQL. What somebody typed is an argument, always; words are quoted besides, for the search has a
//! language of its own.

use lockgate_store::words::{Query, Word};
use lockgate_store::{Classified, Filter, Membership, Outcome};

use crate::driver::{Flavour, Sql, Value};

/// Adds ` AND …` for every condition on calls (`c`) and their sessions.
pub(crate) fn add(sql: &mut Sql, flavour: Flavour, filter: &Filter) {
    within(sql, filter);
    row(sql, filter);
    if let Some(text) = &filter.text {
        has_words(sql, flavour, text);
    }
    for (column, value) in [("branch", &filter.branch), ("repo", &filter.repo)] {
        if let Some(value) = value {
            sql.add(" AND c.session IN (SELECT s.seq FROM sessions s WHERE s.").add(column).add(" = ");
            sql.arg(value.as_str());
            speaks(sql, filter);
            sql.add(")");
        }
    }
}

/// Adds ` AND …` for a session (`s`) whose own words are asked about: to one who sees their own calls only, it must not tell of others.
pub(crate) fn speaks(sql: &mut Sql, filter: &Filter) {
    if filter.alone {
        let user = filter.user.as_deref().unwrap_or_default();
        sql.add(" AND NOT EXISTS (SELECT 1 FROM calls o WHERE o.session = s.seq AND ");
        sql.add("(o.user_name IS NULL OR o.user_name <> ").arg(user).add("))");
    }
}

/// The range of time and the session.
fn within(sql: &mut Sql, filter: &Filter) {
    if let Some(from) = filter.from_us {
        sql.add(" AND c.started_us >= ").arg(from);
    }
    if let Some(to) = filter.to_us {
        sql.add(" AND c.started_us < ").arg(to);
    }
    match &filter.session {
        Some(Membership::Of(id)) => {
            sql.add(" AND c.session = (SELECT seq FROM sessions WHERE id = ").arg(id.as_str()).add(")");
        }
        Some(Membership::Sessionless) => {
            sql.add(" AND c.session IS NULL");
        }
        None => {}
    }
}

/// What the row itself says.
fn row(sql: &mut Sql, filter: &Filter) {
    let outcome = filter.outcome.map(Outcome::as_str);
    let same: [(&str, Option<&str>); 5] = [
        ("c.key_name", filter.key.as_deref()),
        ("c.outcome", outcome),
        ("c.project", filter.project.as_deref()),
        ("c.provider", filter.provider.as_deref()),
        ("c.user_name", filter.user.as_deref()),
    ];
    for (column, value) in same {
        if let Some(value) = value {
            sql.add(" AND ").add(column).add(" = ").arg(value);
        }
    }
    if let Some(class) = filter.class {
        classified(sql, class);
    }
    if let Some(model) = filter.model.as_deref() {
        sql.add(" AND (c.requested_model = ").arg(model);
        sql.add(" OR c.resolved_model = ").arg(model);
        sql.add(" OR c.answering_model = ").arg(model).add(")");
    }
    if let Some(kept) = filter.contents {
        sql.add(if kept { " AND EXISTS" } else { " AND NOT EXISTS" });
        sql.add(" (SELECT 1 FROM bodies b WHERE b.call = c.seq)");
    }
    if let Some(intervened) = filter.intervened {
        sql.add(" AND c.intervened = ").arg(intervened);
    }
    let bounds: [(&str, Option<i64>); 4] = [
        ("c.cost_nano >= ", filter.cost_from),
        ("c.cost_nano <= ", filter.cost_to),
        ("c.status >= ", filter.status_from.map(i64::from)),
        ("c.status <= ", filter.status_to.map(i64::from)),
    ];
    for (bound, value) in bounds {
        if let Some(value) = value {
            sql.add(" AND ").add(bound).arg(value);
        }
    }
}

/// Adds ` AND …` for the class of data of a call (`c`).
pub(crate) fn classified(sql: &mut Sql, class: Classified) -> &mut Sql {
    match class {
        Classified::Of(class) => sql.add(" AND c.data_class = ").arg(class.as_str()),
        Classified::Unclassified => sql.add(" AND c.data_class IS NULL"),
    }
}

/// That one text of the call has every word. A text without any word is in none.
fn has_words(sql: &mut Sql, flavour: Flavour, text: &str) {
    let Some(query) = Query::of(text) else {
        sql.add(" AND 1 = 0");
        return;
    };
    let quoted = |word: &Word, mark: &str, prefix: &str| {
        format!("{mark}{}{mark}{}", word.text, if word.prefix { prefix } else { "" })
    };
    let joined = |and: &str, mark: &str, prefix: &str| -> Value {
        let words: Vec<_> = query.words().iter().map(|word| quoted(word, mark, prefix)).collect();
        words.join(and).as_str().into()
    };
    match flavour {
        Flavour::Postgres => {
            sql.add(" AND c.seq IN (SELECT slot / 8 FROM texts WHERE words @@ CAST(");
            sql.arg(joined(" & ", "'", ":*")).add(" AS tsquery))");
        }
        Flavour::Sqlite => {
            sql.add(" AND c.seq IN (SELECT rowid / 8 FROM texts WHERE texts MATCH ");
            sql.arg(joined(" AND ", "\"", "*")).add(")");
        }
    }
}

/// That the title of a session (`s`) has every word. False without any word.
pub(crate) fn title_has_words(sql: &mut Sql, text: &str) {
    let Some(query) = Query::of(text) else {
        sql.add("1 = 0");
        return;
    };
    for (nth, word) in query.words().iter().enumerate() {
        // Words are letters and digits, so nothing in them has a meaning for LIKE.
        let end = if word.prefix { "%" } else { " %" };
        let pattern = format!("% {}{end}", word.text);
        sql.add(if nth == 0 { "" } else { " AND " }).add("s.title_words LIKE ").arg(pattern.as_str());
    }
}

/// Whether an index leads to what the conditions leave, so that a page is found without looking at what lies between: to the calls of a
/// session, which are few, whatever else is asked of them, or to those of a key or a user.
pub(crate) fn is_led(filter: &Filter) -> bool {
    if matches!(filter.session, Some(Membership::Of(_))) {
        return true;
    }
    let rest = Filter { alone: false, from_us: None, key: None, to_us: None, user: None, ..filter.clone() };
    rest == Filter::default() && (filter.key.is_none() || filter.user.is_none())
}
