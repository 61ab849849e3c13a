//! Passwords: argon2id, with the parameters that OWASP names (19 MiB, two passes) for those that people choose. Never logged, never stored.
//!
//! Such a hash takes some tens of milliseconds of one core and 19 MiB: call it off the runtime's threads, few at a time.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use super::token;

/// The least that a person may choose.
pub(crate) const SHORTEST: usize = 12;

/// The most: what is longer is no password but a way to keep the processor busy.
pub(crate) const LONGEST: usize = 256;

/// What is wrong with a password that somebody wants, if anything is.
pub(crate) fn flaw(password: &str) -> Option<String> {
    if password.chars().count() < SHORTEST {
        return Some(format!("a password needs at least {SHORTEST} signs"));
    }
    if password.len() > LONGEST {
        return Some(format!("a password has at most {LONGEST} bytes"));
    }
    let mut signs: Vec<char> = password.chars().collect();
    signs.sort_unstable();
    signs.dedup();
    (signs.len() < 4).then(|| "a password of so few different signs is guessed at once".to_owned())
}

/// The hash of a password with a salt of its own, in the form that names its parameters.
pub(crate) fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash: PasswordHash| hash.to_string())
}

/// The hash of a password that [`token::secret`] made. Nobody guesses 120 random bits, however quickly a guess is tried: 1 MiB and one pass, so that a first
/// start needs no memory that it does not need again.
pub(crate) fn hash_generated(password: &str) -> Result<String, argon2::password_hash::Error> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None)?);
    argon.hash_password(password.as_bytes()).map(|hash: PasswordHash| hash.to_string())
}

/// Whether this is the password of a hash. Takes as long for somebody who is not there (`None`), so that time does not tell who is; but for a user
/// with a generated password, which is the first one, whose name everybody knows.
pub(crate) fn fits(stored: Option<&str>, password: &str) -> bool {
    static NOBODY: LazyLock<String> =
        LazyLock::new(|| hash(&token::secret().unwrap_or_default()).unwrap_or_default());
    // An account that is somebody's elsewhere has no hash either.
    let own = stored.and_then(|stored| PasswordHash::new(stored).ok());
    let known = own.is_some();
    let Some(parsed) = own.or_else(|| PasswordHash::new(&NOBODY).ok()) else { return false };
    let fits = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    fits && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_and_nobody_has_any() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hash("correct horse battery").unwrap(), "each has a salt of its own");
        assert!(fits(Some(&stored), "correct horse battery"));
        assert!(!fits(Some(&stored), "correct horse batterz"));
        assert!(!fits(Some("no hash"), ""));
        assert!(!fits(None, ""));
    }

    #[test]
    fn a_generated_password_is_hashed_with_less_memory_and_fits_alone() {
        let secret = token::secret().unwrap();
        let stored = hash_generated(&secret).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=1024,t=1,p=1$"), "{stored}");
        assert!(fits(Some(&stored), &secret));
        assert!(!fits(Some(&stored), &secret.to_uppercase()));
    }

    #[test]
    fn a_password_that_is_guessed_at_once_is_refused() {
        for bad in ["", "short", "aaaaaaaaaaaaaaaaaa", "ababababababab", &"x1y2z3".repeat(50)] {
            assert!(flaw(bad).is_some(), "{bad}");
        }
        assert_eq!(flaw("correct horse battery"), None);
    }
}
