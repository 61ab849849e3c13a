//! The first start: a user `admin` with a password that is generated and written to a file that only the gateway's owner can read. There
//! is no password that somebody could know before.

use std::io::{self, Write as _};
use std::path::Path;

use lockgate_store::access::{Actor, AuditEntry, Role, User};
use lockgate_store::{Error, Store};
use serde_json::json;
use uuid::Uuid;

use crate::auth::{now_us, password, token};
use crate::login::{FIRST_USER, SECRET_FILE};

/// Why there is no first user.
#[derive(Debug, thiserror::Error)]
pub enum NoFirstUser {
    /// The file cannot be written.
    #[error("the file `{SECRET_FILE}` cannot be written: {0}")]
    File(#[from] io::Error),
    /// The password cannot be made.
    #[error("no password can be made: {0}")]
    Password(String),
    /// The database does not take the user.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Makes the first user where there is none; true = it was made now.
pub async fn first_start(store: &dyn Store, folder: &Path) -> Result<bool, NoFirstUser> {
    if !store.users().await?.is_empty() {
        return Ok(false);
    }
    let unmade = |error: &dyn std::fmt::Display| NoFirstUser::Password(error.to_string());
    let secret = token::secret().map_err(|error| unmade(&error))?;
    let own = secret.clone();
    let hashed = tokio::task::spawn_blocking(move || password::hash_generated(&own)).await;
    let hash = hashed.map_err(|error| unmade(&error))?.map_err(|error| unmade(&error))?;
    let user = User {
        created_us: now_us(),
        disabled: false,
        id: Uuid::now_v7(),
        name: FIRST_USER.to_owned(),
        password: hash,
        role: Role::Admin,
    };
    let entry = AuditEntry {
        actor: Actor::System,
        address: None,
        at_us: user.created_us,
        detail: json!({"role": "admin", "why": "the first start"}),
        id: Uuid::now_v7(),
        object: format!("user:{FIRST_USER}"),
        verb: "create".to_owned(),
    };
    // The file first: a user whose password nobody can find is worse than a file without a user.
    write_secret(folder, &secret)?;
    match store.create_user(&user, &entry).await {
        Ok(()) => Ok(true),
        // Another gateway on the same database was quicker; its file holds.
        Err(Error::Taken { .. }) => {
            std::fs::remove_file(folder.join(SECRET_FILE))?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes the secret where its owner finds it, and nobody else can read it.
pub fn write_secret(folder: &Path, secret: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let partial = folder.join(format!("{SECRET_FILE}.partial-{}", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    writeln!(file, "{secret}")?;
    file.sync_data()?;
    std::fs::rename(partial, folder.join(SECRET_FILE))
}
