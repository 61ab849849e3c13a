//! docs/DATABASE.md, made from the schema that both databases really have and from rows that were really written.
//!
//! What a column means stands here; a column without a meaning, or a meaning without a column, fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lockgate_store::access::{Keys, Logins, Users};
use lockgate_store::stats::Stats;
use lockgate_store::verdicts::{Label, Opinion, Verdicts};
use lockgate_store::{
    Approvals, Enacted, Extent, Feedbacks, Holds, Part, Purge, Records, Selection, Sessions, Side, Title,
    TitleSource, Version, Versions,
};
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use crate::sample::{DAY, full, id, plain, saying, with_body};
use crate::{access, approvals, feedback};

/// A table: its name, what it holds, its columns with what they mean.
type Table = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLES: [Table; 21] = [
    ("schema_version", "The steps of the schema that were taken.", &[("version", "The number of the step.")]),
    (
        "sessions",
        "A row for each session: the latest that its calls said of it. Sums, client and user are not kept here but read from the calls.",
        &[
            ("seq", "The number by which other tables refer to the session. Counted by the database."),
            ("id", "The id of the session."),
            ("source", "What the id comes from (a header, a field, or derived)."),
            ("title", "The title."),
            (
                "title_rank",
                "Where the title comes from: 0 none, 1 the first text of the user, 2 made by a model, 3 edited. A higher rank replaces a lower one.",
            ),
            (
                "title_us",
                "When the call began that gave the title, µs since 1970; the highest number for an edited one.",
            ),
            ("title_words", "The words of the title in lower case, each between spaces, for search."),
            ("branch", "The branch that the session worked on."),
            ("branch_us", "When the call began that said so, µs since 1970."),
            ("cwd", "The folder that it worked in."),
            ("cwd_us", "When the call began that said so, µs since 1970."),
            ("repo", "The repository that it worked in."),
            ("repo_us", "When the call began that said so, µs since 1970."),
            ("first_us", "When the first call began, µs since 1970."),
            ("last_us", "When the latest call began, µs since 1970."),
        ],
    ),
    (
        "calls",
        "A narrow row for each call, all that lists and sums need. Unknown is NULL, never 0.",
        &[
            ("seq", "The number by which other tables refer to the call. Counted by the database."),
            ("id", "The id of the call (UUIDv7, text)."),
            ("session", "`sessions.seq`; NULL = the call stands alone."),
            ("agent", "The agent that called; NULL = the main one."),
            ("parent_agent", "The agent that started it."),
            ("parent_call", "The id of the call that this one continues or was made for."),
            ("turn", "The number of the turn in the session, from 1."),
            ("turn_kind", "What kind of turn it is."),
            ("key_name", "The name of the key (never the key)."),
            ("user_name", "The user."),
            ("project", "The project of the key."),
            ("client_name", "The client program."),
            ("client_version", "Its version."),
            ("user_agent", "What it says of itself."),
            ("front", "The client's dialect."),
            ("upstream", "The provider's dialect."),
            ("operation", "What was asked for."),
            ("requested_model", "The model that the client named."),
            ("resolved_model", "The model that the name stands for."),
            ("answering_model", "The model that the answer names."),
            ("provider", "The provider that answered, or was tried last."),
            ("provider_request_id", "The provider's own id."),
            ("streamed", "1 = a stream was asked for."),
            ("status", "The HTTP status that the client got; NULL = it was gone."),
            ("started_us", "When the call began, µs since 1970."),
            ("queue_us", "How long it waited before it went upstream, µs."),
            ("ttft_us", "From the beginning to the first byte of the answer, µs."),
            ("total_us", "From the beginning to the last byte, µs."),
            ("input_uncached", "Prompt tokens neither read from nor written to a cache."),
            ("cache_read", "Prompt tokens read from a cache."),
            ("cache_write_5m", "Prompt tokens written to a cache for five minutes."),
            ("cache_write_1h", "Prompt tokens written to a cache for an hour."),
            ("output", "Output tokens, thoughts included."),
            ("output_reasoning", "Those of them that were thoughts."),
            ("estimated", "1 = the tokens are an estimate of ours."),
            ("server_tools", "Uses of tools that the provider ran, JSON object of counts."),
            ("service_tier", "The class of service."),
            ("cost_nano", "The cost in nano-USD; NULL = the price is not known."),
            ("price_version", "The version of the price table."),
            ("outcome", "`aborted`, `complete`, `failed` or `interrupted`."),
            ("stop_reason", "Why the model stopped."),
            ("error_kind", "The kind of the error."),
            ("error_message", "What the client was told, redacted."),
            ("intervened", "1 = a policy changed, refused or answered something."),
            ("recording", "How much was kept: `full`, `redacted` or `metadata`."),
            (
                "data_class",
                "How confidential the data of the key is: `public`, `internal`, `confidential` or `secret`; NULL = it has no class, or the call is older than schema 6.",
            ),
        ],
    ),
    (
        "call_details",
        "What only the view of one call shows, as JSON. NULL = nothing.",
        &[
            ("call", "`calls.seq`."),
            ("attempts", "Each try at a provider."),
            ("decisions", "What was decided and why, with kind and version."),
            ("losses", "Fields that a conversion lost."),
            ("cost_parts", "The parts of the cost."),
        ],
    ),
    (
        "bodies",
        "What was sent and received, by reference to pieces. An `upstream_request` that is not there is the same as the `client_request`, a `client_answer` that is not there the same as the `upstream_answer`.",
        &[
            ("call", "`calls.seq`."),
            (
                "part",
                "Which body: `client_request`, `upstream_request`, `upstream_answer`, `client_answer`, `client_headers` (a list of pairs) or `earlier_answers` (of tries before the last).",
            ),
            ("kind", "`json`, `sse` or `other`."),
            ("head", "`pieces.hash` of the first piece."),
            ("size", "Bytes of the body."),
            (
                "offsets",
                "When its bytes came: pairs of differences (bytes, µs), seven bits a byte, the lowest first.",
            ),
            (
                "bytes",
                "The first piece itself, `size` bytes long and Zstandard if it is fewer, where the call belongs to no session and the body is short; it is not among the `pieces` then.",
            ),
        ],
    ),
    (
        "pieces",
        "Parts of bodies, each once in its scope. The byte 0 in a piece begins a reference: 16 bytes of the hash of the piece that stands there; 16 zero bytes and 8 bytes of a length (little endian) say that so many bytes follow as they are.",
        &[
            (
                "scope",
                "Where it is shared: `sessions.seq`, or `calls.seq` below zero for a call without a session.",
            ),
            ("hash", "The first 16 bytes of the BLAKE3 hash of its bytes."),
            ("size", "Its length in bytes."),
            ("bytes", "Its bytes; Zstandard if they are fewer than `size`."),
        ],
    ),
    (
        "texts",
        "The words that calls are found by. In SQLite a full-text table (FTS5) that keeps the words' index alone, in PostgreSQL a row with a text vector and a GIN index.",
        &[
            (
                "slot",
                "`calls.seq` times eight, plus the side: 0 assistant, 1 system, 2 thinking, 3 tool input, 4 tool result, 5 user. In SQLite the `rowid`.",
            ),
            ("words", "The distinct words of the texts of this side that were new in the call."),
        ],
    ),
    (
        "keys",
        "The keys of the gateway that were made at run time. The key itself is nowhere. NULL in a list = all.",
        &[
            ("seq", "The order in which they were made. Counted by the database."),
            ("id", "The id of the key (UUIDv7, text)."),
            ("name", "Its name, under which calls are recorded. Unique among keys in use."),
            ("hash", "The BLAKE3 hash of the key, 32 bytes."),
            ("prefix", "The first signs of the key."),
            ("owner", "`users.name`, or any other name: who it belongs to."),
            ("project", "What it is used for."),
            ("tags", "Words to find it by, JSON list."),
            ("role", "What it may do beside calling models: `self`, `viewer`, `operator` or `admin`."),
            ("models", "The only models that it may call, JSON list of patterns."),
            ("providers", "The only providers that it may call, JSON list."),
            (
                "data_class",
                "The most confidential data that its calls may carry: they go only to providers that are for such data; NULL counts as `internal`.",
            ),
            ("recording", "How much of its calls is kept; NULL = as of everybody's."),
            ("limit_requests", "Calls in a minute."),
            ("limit_tokens", "Tokens in a minute."),
            ("limit_concurrency", "Calls at the same time."),
            ("limit_cost_nano", "Nano-USD in a day (UTC)."),
            ("created_us", "When it was made, µs since 1970."),
            ("expires_us", "When it ceases, µs since 1970."),
            ("retires_us", "When it ceases because another has taken its place, µs since 1970."),
            ("revoked_us", "When it was revoked, µs since 1970."),
            ("rotated_from", "`keys.id` of the key whose place it took."),
            ("used_us", "When it was used last, µs since 1970, to the minute."),
        ],
    ),
    (
        "users",
        "Who can log in.",
        &[
            ("seq", "Counted by the database."),
            ("id", "The id of the user (UUIDv7, text)."),
            ("name", "The name; never changed."),
            ("password", "The password's argon2id hash with its parameters and salt."),
            ("role", "What the user may do: `self`, `viewer`, `operator` or `admin`."),
            ("disabled", "1 = the account is closed."),
            ("created_us", "When it was made, µs since 1970."),
        ],
    ),
    (
        "logins",
        "Where users are logged in.",
        &[
            ("seq", "Counted by the database."),
            ("id", "The id of the login (UUIDv7, text)."),
            ("hash", "The BLAKE3 hash of its token."),
            ("user_name", "`users.name`."),
            ("address", "The address that it came from."),
            ("created_us", "When it began, µs since 1970."),
            ("used_us", "When it was heard of last, µs since 1970."),
            ("idle_us", "When it ends if nothing is heard of it, µs since 1970."),
            ("ends_us", "When it ends, µs since 1970."),
        ],
    ),
    (
        "audit",
        "What was changed by whom. Rows are added and never changed.",
        &[
            ("seq", "Counted by the database."),
            ("id", "The id of the entry (UUIDv7, text)."),
            ("at_us", "When, µs since 1970."),
            ("actor_kind", "`cli`, `key`, `nobody`, `system` or `user`."),
            ("actor", "The actor's name."),
            ("address", "The address that it came from."),
            ("verb", "What was done."),
            ("object", "Of what: a kind, a colon and a name."),
            ("detail", "What it was, JSON without secrets."),
        ],
    ),
    (
        "access_version",
        "One row, by which gateways notice that keys or users have changed.",
        &[("one", "1."), ("version", "Grows with every change.")],
    ),
    (
        "approvals",
        "A question to a person about a held call, and what came of it. Texts are masked. It goes with its call; an approval that stands for later calls stays.",
        &[
            ("seq", "The order in which they were asked. Counted by the database."),
            ("id", "The id of the question: `calls.id`, a dot, and which of the call's questions it is."),
            ("call_id", "`calls.id`; the call may not be recorded yet."),
            ("asked_us", "When it was asked, µs since 1970."),
            ("until_us", "Until when an answer is waited for, µs since 1970."),
            ("policy", "The policy that asks."),
            ("rule", "The rule inside the policy."),
            ("tool", "The tool; NULL = it is about the request."),
            ("arguments", "The arguments of the tool call, JSON."),
            ("reason", "Why a person is asked."),
            ("model", "The model as it was asked for."),
            ("session", "`sessions.id`."),
            ("client", "The program that calls."),
            ("key_name", "The name of the key (never the key)."),
            ("user_name", "The user."),
            (
                "verdict",
                "`approved`, `denied`, `expired`, `withdrawn` (the client went away); NULL = it waits.",
            ),
            ("holds", "For which calls an approval holds: `once`, `session`, `always`."),
            ("answered_us", "When it was answered, µs since 1970."),
            ("answered_by", "By whom."),
            ("words", "Why it was answered so."),
            ("revoked_us", "When an approval for later calls was taken back, µs since 1970."),
        ],
    ),
    (
        "policy_versions",
        "The policies that were set while gateways run. The latest version is in force; none is ever changed.",
        &[
            ("version", "From 1."),
            ("at_us", "When it was written, µs since 1970."),
            ("author", "Who wrote it."),
            ("reason", "Why."),
            ("document", "The policies, YAML."),
        ],
    ),
    (
        "feedback",
        "What people and programs say of calls and sessions, a row for each author and call or session.",
        &[
            ("seq", "Counted by the database."),
            ("id", "The id (UUIDv7, text)."),
            ("call", "`calls.seq`; NULL = the session as a whole."),
            ("session", "`sessions.seq`, of the call too; NULL = the call stands alone."),
            ("score_milli", "From -1000, bad, to 1000, good."),
            ("labels", "Short words for what was good or bad, JSON list."),
            (
                "comment",
                "In the author's words, secrets masked; NULL = none, or the contents of the call were deleted.",
            ),
            ("source", "`person` or `program`."),
            ("author", "Who says it: the name of a user or key."),
            ("at_us", "When, µs since 1970."),
        ],
    ),
    (
        "settings_versions",
        "The settings of the configuration that were made while gateways run. The latest version is in force; none is ever changed.",
        &[
            ("version", "From 1."),
            ("at_us", "When it was written, µs since 1970."),
            ("author", "Who wrote it."),
            ("reason", "Why."),
            ("document", "The settings, YAML; secrets are named by variable."),
        ],
    ),
    (
        "stat_packs",
        "What the calls of an hour add up to, column by column, in bytes: `store-sql/src/stats/pack.rs` writes and reads them. Only true of quarters of an hour without a row in `stat_marks`; can be made again from the calls. Numbers in the bytes are seven bits a byte, the lowest first; where they can be below zero, twice the number, or below zero one less than twice the number without its sign.",
        &[
            ("hour", "The hour in which the calls began: `started_us / 3600000000`."),
            ("calls", "How many there are."),
            (
                "heads",
                "The texts that occur: their number, and each behind its length. Then the groups of calls that say the same of model, provider, outcome, user …: their number, and columns, each behind its length: the places of these texts, how many calls have no session, how many there are, in how many a policy intervened, and the least and the greatest cost.",
            ),
            (
                "sums",
                "The number of rows, one for each quarter of the hour, session and group; then columns, each behind its length: quarter, session (what is added to the row before), group, tokens by kind, calls, cost …",
            ),
            (
                "times",
                "The same with a column for each of `queue_us`, `total_us` and `ttft_us`: how they are distributed in the row, with sum, least and greatest.",
            ),
        ],
    ),
    (
        "stat_marks",
        "Slots whose calls changed since they were counted; a row for each batch that was written or deleted. Statistics read such slots from the calls.",
        &[("seq", "Counted by the database."), ("slot", "The slot.")],
    ),
    (
        "verdicts",
        "A row for each verdict of a policy, written with its call, to be counted. Why it was given stands in `call_details.decisions`.",
        &[
            ("call", "`calls.seq`."),
            ("number", "Its place among the call's decisions, from 1."),
            ("started_us", "`calls.started_us`."),
            ("policy", "The policy."),
            ("rule", "The rule of the policy."),
            ("hook", "Where in the call it was given."),
            ("said", "What was said; `annotate` and `append` are notes and are not counted."),
            ("applied", "Whether it was done."),
            ("mode", "The mode that the policy was in."),
            ("tool", "The tool that it is about."),
        ],
    ),
    (
        "verdict_labels",
        "What people say of verdicts: one row each, the latest word.",
        &[
            ("call", "`verdicts.call`."),
            ("number", "`verdicts.number`."),
            ("opinion", "`right` or `wrong`."),
            ("note", "Why, in the person's words, secrets masked."),
            ("user_name", "Who says so."),
            ("at_us", "When, µs since 1970."),
        ],
    ),
    (
        "tool_counts",
        "How many tool calls a provider's answer had; no row for none, and none for calls that were recorded before schema 5.",
        &[
            ("call", "`calls.seq`."),
            ("started_us", "`calls.started_us`."),
            ("tool_calls", "How many, those that policies kept from the client included."),
        ],
    ),
];

/// Column to type.
type Columns = BTreeMap<String, Vec<(String, String)>>;

async fn sqlite_columns(connection: &mut SqliteConnection) -> Columns {
    let sql = "SELECT m.name, p.name, lower(p.type) FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'texts_%' ORDER BY m.rowid, p.cid";
    let mut columns = Columns::new();
    for row in sqlx::query(sql).fetch_all(connection).await.unwrap() {
        columns.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    columns
}

async fn postgres_columns(connection: &mut PgConnection) -> Columns {
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position";
    let mut columns = Columns::new();
    for row in sqlx::query(sql).fetch_all(connection).await.unwrap() {
        columns.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    columns
}

/// Every column has a meaning and every meaning a column, in both databases.
fn check(sqlite: &Columns, postgres: &Columns) {
    let names = |columns: &Columns| columns.keys().cloned().collect::<Vec<_>>();
    let mut documented: Vec<_> = TABLES.iter().map(|table| table.0.to_owned()).collect();
    documented.sort();
    assert_eq!(names(sqlite), documented);
    assert_eq!(names(postgres), documented);
    for (table, _, columns) in &TABLES {
        let meant: Vec<_> = columns.iter().map(|column| column.0).collect();
        let of = |found: &Columns| found[*table].iter().map(|column| column.0.clone()).collect::<Vec<_>>();
        assert_eq!(of(postgres), meant, "{table}");
        if *table != "texts" {
            assert_eq!(of(sqlite), meant, "{table}");
        }
    }
}

const BEGINNING: &str = "# The database

Lockgate keeps its record in SQLite (the default, one file) or in PostgreSQL (by URL). Both have the same tables; where a type differs, both are
named. Times are microseconds since 1970 (UTC) or durations in microseconds, money is nano-USD (10⁻⁹ USD), ids and JSON are text, yes and no are 1 and 0.
This page is made by a test from the schema of both databases and fails the build where it is not true.

- **Migrations** run at the start, each in a transaction, one process at a time, forward only. A SQLite file with an older schema is copied to
  `NAME.schema-N.backup` first; before a new version starts on PostgreSQL, make a backup as you always do. A schema that is newer than the
  program is refused with a message that says so.
- **Integrity**: a call and all that belongs to it is written in one transaction, and deleted in one. There are no foreign keys: the relations in the
  diagram are kept by that, and checking them again would cost each call more than the call's row.
- **Search**: a word is a run of letters and digits of any script in lower case; of scripts that do not set words apart, each two neighbouring signs. A call is found if
  one of its texts (one side of it) has every word of the query; a word of three or more letters also finds longer words that begin with it. Nothing in
  a query has a special meaning. Both databases find the same.
- **Statistics** (`stat_…`) are counted from the calls and can always be made again: empty `stat_packs`, and put each distinct
  `started_us / 900000000` of `calls` into `stat_marks`. Schema 8 does that: its step takes about a second for a million calls (the copy of a SQLite file
  before it some seconds for each 500 MB), and the gateway then counts for a second in every five, some 50,000 calls a second, the latest first. Until a call is
  counted it is read itself, so statistics are right, but slow.
- **SQLite** runs with a write-ahead log (`journal_mode=WAL`, `synchronous=NORMAL`): the file, `-wal` and `-shm` beside it belong together.
  The file is readable by its owner alone.

";

/// What refers to what.
const RELATIONS: &str = "  sessions ||--o{ calls : \"seq = session\"
  calls ||--|| call_details : \"seq = call\"
  calls ||--o{ bodies : \"seq = call\"
  calls ||--o{ texts : \"seq = slot / 8\"
  calls ||--o{ verdicts : \"seq = call\"
  verdicts ||--o| verdict_labels : \"call, number\"
  calls ||--o| tool_counts : \"seq = call\"
  bodies }o--|| pieces : \"head = hash\"
  sessions ||--o{ pieces : \"seq = scope\"
  pieces }o--o{ pieces : \"references in bytes\"
  users |o--o{ keys : \"name = owner\"
  users ||--o{ logins : \"name = user_name\"
  keys |o--o| keys : \"id = rotated_from\"
  keys |o--o{ calls : \"name = key_name\"
  sessions |o--o{ stat_packs : \"seq in bytes\"
  stat_marks }o--o| stat_packs : \"slot / 4 = hour\"
";

fn diagram(columns: &Columns) -> String {
    let mut text = format!("## Diagram\n\n```mermaid\nerDiagram\n{RELATIONS}");
    for (table, ..) in &TABLES {
        let _ = writeln!(text, "  {table} {{");
        for (name, kind) in &columns[*table] {
            let _ = writeln!(text, "    {} {name}", kind.replace(' ', "_"));
        }
        text.push_str("  }\n");
    }
    text + "```\n\n"
}

fn described(sqlite: &Columns, postgres: &Columns) -> String {
    let mut text = String::new();
    for (table, holds, columns) in &TABLES {
        let _ = write!(
            text,
            "## `{table}`\n\n{holds}\n\n| column | SQLite | PostgreSQL | meaning |\n|---|---|---|---|\n"
        );
        for (name, meaning) in *columns {
            let kind = |found: &Columns| {
                let column = found[*table].iter().find(|column| column.0 == *name);
                column.map_or("", |column| column.1.as_str()).to_owned()
            };
            let _ = writeln!(text, "| `{name}` | {} | {} | {meaning} |", kind(sqlite), kind(postgres));
        }
        text.push('\n');
    }
    text
}

/// Every row that is there, in SQLite's own notation.
async fn samples(connection: &mut SqliteConnection, columns: &Columns) -> String {
    let mut text =
        "## Sample rows\n\nOne call with one body, a key and its owner, an approval and a version of policies, as SQLite shows it. Texts are cut after 60 signs.\n\n"
            .to_owned();
    for (table, ..) in TABLES.iter().filter(|table| table.0 != "texts") {
        let shown = columns[*table].iter().map(|(name, _)| format!("substr(quote({name}), 1, 60)"));
        let sql = format!("SELECT {} FROM {table}", shown.collect::<Vec<_>>().join(", "));
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
        assert!(!rows.is_empty(), "{table} has no sample");
        for row in rows {
            let _ = write!(text, "`{table}`\n\n```text\n");
            for (at, (name, _)) in columns[*table].iter().enumerate() {
                let value: String = row.get(at);
                if value != "NULL" {
                    let _ = writeln!(text, "{name} = {value}");
                }
            }
            text.push_str("```\n\n");
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// O1: a diagram and sample rows, tested against the real schema of both databases.
#[tokio::test]
async fn the_documentation_shows_the_schema_that_both_databases_have() {
    let (database, folder) = crate::sqlite().await;
    let (_on_server, server) = crate::on_postgres().await;
    let mut record = full();
    record.session.title = Some(Title { source: TitleSource::First, text: "Fix the login".to_owned() });
    let record = saying(record, Side::User, "Fix the login, please");
    let record = with_body(record, Part::ClientRequest, br#"{"model":"auto","messages":[]}"#);
    let call = record.call.id;
    database.write(&[record]).await.unwrap();
    let label = Label { at_us: DAY, by: "ann".to_owned(), note: None, opinion: Opinion::Right };
    let noted = access::entry(4, "label", &format!("call:{call}"));
    assert!(database.label(call, 2, Some(&label), &noted).await.unwrap());
    let said = feedback::said(1, Some(call), None, 1_000);
    assert!(database.say(&said, &feedback::entry(1)).await.unwrap().is_some());
    database.roll(i64::MAX, crate::stats::LONG).await.unwrap();
    database.write(&[plain(9_000)]).await.unwrap();
    assert!(
        database.purge(&Selection::Calls(vec![id(9_000)]), Extent::Everything, false).await.unwrap().calls
            == 1
    );
    assert!(database.rename("session-1", "The login").await.unwrap());
    database.create_user(&access::user("ann"), &access::entry(1, "create", "user:ann")).await.unwrap();
    database.create_key(&access::key(1), &access::entry(2, "create", "key:key-1")).await.unwrap();
    database.open_login(&access::login(1, "ann"), &access::entry(3, "login", "user:ann")).await.unwrap();
    let asked = approvals::question(1);
    database.ask(&asked).await.unwrap();
    assert!(database.answer(&asked.id, &approvals::approved(Holds::Session), None).await.unwrap());
    let version = Version {
        at_us: crate::sample::DAY,
        author: "ann".to_owned(),
        document: "chain: [{model_allow: {allow: [claude-*]}}]".to_owned(),
        reason: "only Claude".to_owned(),
        version: 1,
    };
    assert!(
        database
            .add_version(Enacted::Policies, &version, &access::entry(9, "enact", "policies:1"))
            .await
            .unwrap()
    );
    assert!(
        database
            .add_version(Enacted::Settings, &version, &access::entry(10, "enact", "settings:1"))
            .await
            .unwrap()
    );
    let path = folder.path().join("lockgate.db");
    let mut file = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let sqlite = sqlite_columns(&mut file).await;
    let postgres = postgres_columns(&mut PgConnection::connect(&server.url()).await.unwrap()).await;
    check(&sqlite, &postgres);
    let page = format!(
        "{BEGINNING}{}{}{}",
        diagram(&postgres),
        described(&sqlite, &postgres),
        samples(&mut file, &sqlite).await
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DATABASE.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stored, page, "run this test once with UPDATE_DOCS=1");
}
