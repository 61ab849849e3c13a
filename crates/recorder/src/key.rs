//! The key of an installation, from which each file of the log gets a key of its own.
//!
//! 32 random bytes in a file that only its owner can read, made at the first start. Whoever has the file can read what
//! has not reached the database yet; without it that is lost. Never printed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

/// The key of an installation.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// Reads the key, or makes one where there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(mut file) => {
                let mut bytes = Vec::with_capacity(33);
                std::io::Read::by_ref(&mut file).take(33).read_to_end(&mut bytes)?;
                let wrong = |bytes: Vec<u8>| {
                    let words = format!(
                        "{} holds {} bytes, a key has 32; restore it, or move it away to begin anew (what the log still \
                         holds is then lost)",
                        path.display(),
                        bytes.len()
                    );
                    io::Error::new(io::ErrorKind::InvalidData, words)
                };
                Ok(Self(bytes.try_into().map_err(wrong)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    /// A key from bytes that are known already.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key for another use, which tells nothing of this one. `purpose` must be unique among them.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        // Two processes may begin at once: the first to put its file into place wins, and the other reads that.
        let ours = path.with_extension(format!("{:016x}", u64::from_le_bytes(first_eight(&bytes))));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&ours)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        let placed = fs::hard_link(&ours, path);
        fs::remove_file(&ours)?;
        match placed {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => {
                let mut kept = [0; 32];
                File::open(path)?.read_exact(&mut kept)?;
                Ok(Self(kept))
            }
        }
    }

    /// The key that seals one file.
    pub(crate) fn sealing(&self, salt: [u8; 16]) -> LessSafeKey {
        let mut material = blake3::Hasher::new_derive_key("lockgate 2026 log segment");
        material.update(&self.0).update(&salt);
        let bytes: [u8; 32] = *material.finalize().as_bytes();
        #[expect(clippy::expect_used, reason = "the key has exactly the length that the algorithm asks for")]
        let unbound = UnboundKey::new(&AES_256_GCM, &bytes).expect("32 bytes");
        LessSafeKey::new(unbound)
    }
}

fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|at| bytes[at])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Key::open(&path).unwrap();
        assert_eq!(Key::open(&path).unwrap().0, made.0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
        assert_ne!(Key::open(&folder.path().join("other")).unwrap().0, made.0);
    }

    #[test]
    fn a_file_that_is_no_key_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "short").unwrap();
        let Err(error) = Key::open(&path) else { panic!("a key of five bytes") };
        assert!(error.to_string().contains("holds 5 bytes"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
