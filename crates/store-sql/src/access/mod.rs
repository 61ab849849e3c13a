//! Who may do what, in tables: keys, users, logins, audit. A change, its entry of the audit and the new version are one transaction.

pub(crate) mod audit;
mod keys;
mod users;

use lockgate_store::Error;
use uuid::Uuid;

pub(crate) use audit::add as add_entry;

use crate::driver::{Sql, Tx};
use crate::fault::Fault;

/// Lets gateways notice that keys or users have changed.
async fn changed(tx: &mut Tx) -> Result<(), Fault> {
    tx.run(Sql::new("UPDATE access_version SET version = version + 1 WHERE one = 1")).await.map(|_| ())
}

/// A fault of an insert, where the only thing that the database can hold against the data is that the name is taken.
fn taken(fault: Fault, what: &'static str, name: &str) -> Fault {
    match fault {
        Fault::Content(_) => Error::Taken { name: name.to_owned(), what }.into(),
        Fault::Other(error) => Fault::Other(error),
    }
}

fn text_of(id: Uuid) -> String {
    id.to_string()
}
