//! Random secrets: login tokens, generated passwords, keys of the gateway. Only their hashes are stored.

/// Signs that people read and type without mistakes: no `0`, `O`, `1`, `l`, `I`.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub struct NoRandom(#[from] getrandom::Error);

/// 32 random bytes.
pub fn seed() -> Result<[u8; 32], NoRandom> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A login token: `lgs-` and 256 random bits.
pub(crate) fn login() -> Result<String, NoRandom> {
    Ok(format!("lgs-{}", blake3::Hash::from_bytes(seed()?).to_hex()))
}

/// A password that is generated: 120 random bits in groups of six signs.
pub fn secret() -> Result<String, NoRandom> {
    let bytes = seed()?;
    let signs: Vec<u8> = bytes[..24].iter().map(|byte| ALPHABET[usize::from(byte % 32)]).collect();
    let groups = signs.chunks(6).map(String::from_utf8_lossy);
    Ok(groups.collect::<Vec<_>>().join("-"))
}

/// What is stored of a token.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 27);
        assert_eq!(super::super::password::flaw(&one), None);
        let token = login().unwrap();
        assert_eq!((token.len(), token.starts_with("lgs-")), (68, true));
        assert_ne!(hash(&token), hash(&login().unwrap()));
    }
}
