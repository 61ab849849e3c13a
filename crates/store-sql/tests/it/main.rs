//! One suite for every store: the fake, SQLite, and a PostgreSQL that is really started. Then what only databases have.
#![cfg(test)]

/// Makes of each function of a module a test on both databases. One PostgreSQL serves all of them, each in a schema of its own.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                let (database, _folder) = crate::sqlite().await;
                super::$name(&database).await;
            })+
        }
        #[tokio::test]
        async fn on_postgresql() {
            let server = crate::postgres::Server::start();
            $(
                println!(stringify!($name));
                self::$name(&crate::open(&server.url_of(stringify!($name))).await).await;
            )+
        }
    };
}

mod access;
mod agreement;
mod approvals;
mod database_md;
mod faults;
mod feedback;
mod growth;
mod postgres;
mod purging;
mod sample;
mod search;
mod sessions;
mod stats;
mod stats_races;
mod suite;
mod verdicts;

use std::time::Duration;

use lockgate_store::memory::Memory;
use lockgate_store::{Calls, Purge, Records, Sessions};
use lockgate_store_sql::{Database, Options, Place};
use tempfile::TempDir;

use crate::postgres::Server;

/// What every store is.
pub(crate) trait Store: Calls + Purge + Records + Sessions {}

impl<T: Calls + Purge + Records + Sessions> Store for T {}

/// A SQLite database in a folder of its own.
pub(crate) async fn sqlite() -> (Database, TempDir) {
    let folder = TempDir::new().unwrap();
    let options = patient(Place::File(folder.path().join("lockgate.db")));
    (Database::open(&options).await.unwrap(), folder)
}

/// A database on a server.
pub(crate) async fn open(url: &str) -> Database {
    Database::open(&patient(Place::of(url))).await.unwrap()
}

/// No search ends early because the machine is busy.
fn patient(place: Place) -> Options {
    Options { page_budget: Duration::from_mins(1), ..Options::at(place) }
}

/// A database on a PostgreSQL of its own.
pub(crate) async fn on_postgres() -> (Database, Server) {
    let server = Server::start();
    (open(&server.url()).await, server)
}

/// Makes of each function a test on every store. One PostgreSQL serves all functions of a theme, each in a schema of its own.
macro_rules! on_every_store {
    ($theme:ident: $($name:ident),+ $(,)?) => {
        mod $theme {
            mod memory {
                $(#[tokio::test] async fn $name() { crate::$theme::$name(&crate::Memory::new()).await; })+
            }
            mod sqlite {
                $(#[tokio::test] async fn $name() {
                    let (database, _folder) = crate::sqlite().await;
                    crate::$theme::$name(&database).await;
                })+
            }
            #[tokio::test]
            async fn on_postgresql() {
                let server = crate::Server::start();
                $(
                    println!(stringify!($name));
                    let database = crate::open(&server.url_of(stringify!($name))).await;
                    crate::$theme::$name(&database).await;
                )+
            }
        }
    };
}

mod every {
    on_every_store!(suite:
        a_call_comes_back_as_it_was_written,
        a_call_that_is_written_again_stays_as_it_was,
        bodies_come_back_byte_for_byte,
        a_batch_is_stored_whole_or_not_at_all_and_the_poison_is_named,
        a_record_that_relies_on_a_piece_that_is_gone_is_sent_back,
        pages_show_every_call_once_while_calls_arrive,
    );
    on_every_store!(search:
        every_condition_leaves_the_calls_that_meet_it,
        words_are_found_on_both_sides_and_in_tools,
        a_query_is_words_whatever_signs_are_in_it,
    );
    on_every_store!(sessions:
        a_session_shows_what_its_calls_say_and_their_sums,
        a_title_of_a_model_takes_the_place_of_first_words_and_of_nothing_that_a_person_wrote,
        an_edited_title_survives_what_calls_say_later,
        sessions_are_found_by_what_their_calls_and_titles_say,
        calls_of_a_session_come_in_their_order,
    );
    on_every_store!(purging:
        a_dry_run_counts_what_the_purge_then_deletes,
        what_is_purged_cannot_be_found_or_read_and_the_rest_can,
        contents_can_go_while_the_rows_stay,
        what_is_old_goes_by_its_class_of_data,
    );
}

/// Makes of each function a test on both databases, each in a fresh one.
macro_rules! on_both_databases {
    ($theme:ident: $($name:ident),+ $(,)?) => {
        mod $theme {
            mod sqlite {
                $(#[tokio::test] async fn $name() {
                    let (database, _folder) = crate::sqlite().await;
                    crate::$theme::$name(&database).await;
                })+
            }
            #[tokio::test]
            async fn on_postgresql() {
                let server = crate::Server::start();
                $(
                    println!(stringify!($name));
                    let database = crate::open(&server.url_of(stringify!($name))).await;
                    crate::$theme::$name(&database).await;
                    database.close().await;
                )+
            }
        }
    };
}

mod both {
    on_both_databases!(stats:
        answers_are_those_of_the_calls_whatever_was_counted_beforehand,
        percentiles_are_within_one_percent,
        rows_add_up_and_lead_to_their_calls,
    );
    on_both_databases!(feedback:
        comments_go_with_contents_also_where_there_are_none,
        one_opinion_of_each_author_about_each_call_or_session_is_kept,
        opinions_are_counted_by_what_calls_have_in_common,
        opinions_go_with_what_they_are_about,
        who_speaks_twice_at_once_is_heard_once,
    );
    on_both_databases!(verdicts:
        verdicts_are_counted_by_policy_and_rule,
        what_people_say_of_a_verdict_is_counted_changed_and_taken_back,
        verdicts_are_listed_the_latest_first_page_by_page,
        verdicts_and_labels_go_with_their_call,
        what_policies_said_can_go_while_the_calls_stay,
    );
}
