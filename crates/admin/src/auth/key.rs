//! Lockgate's own keys: how they are made, recognised and hashed.
//!
//! `lg-` + 43 characters of base62 (32 random bytes) + 6 characters of checksum, so that a secret scanner finds them
//! with one expression (`lg-[0-9A-Za-z]{49}`) and a mistyped key is caught before it travels. Only the hash is ever stored.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BODY: usize = 43;
const CHECK: usize = 6;

/// The signs of a key that are shown: enough to tell keys apart, of no use to anybody else.
pub(crate) const SHOWN: usize = 9;

/// The key that belongs to these random bytes.
pub fn from_seed(seed: &[u8; 32]) -> String {
    let body = base62(seed, BODY);
    let check = checksum(&body);
    format!("lg-{body}{check}")
}

/// What the configuration stores instead of the key.
pub fn hash(key: &str) -> String {
    format!("blake3:{}", blake3::hash(key.as_bytes()).to_hex())
}

/// Whether this has the look of a Lockgate key but not its checksum.
pub fn is_mistyped(key: &str) -> bool {
    let Some(rest) = key.strip_prefix("lg-") else { return false };
    match rest.split_at_checked(BODY) {
        Some((body, check)) => checksum(body) != check,
        None => true,
    }
}

fn checksum(body: &str) -> String {
    let digest = blake3::derive_key("lockgate 2026-11 key checksum", body.as_bytes());
    base62(&digest[..4], CHECK)
}

/// Big-endian bytes as a base62 number of fixed width.
fn base62(bytes: &[u8], width: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_seeds_give_different_keys_of_one_shape() {
        let zeros = from_seed(&[0; 32]);
        let ones = from_seed(&[255; 32]);
        assert_ne!(zeros, ones);
        for key in [&zeros, &ones] {
            assert_eq!(key.len(), 3 + BODY + CHECK);
            assert!(key[3..].bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");
            assert!(!is_mistyped(key));
        }
        // 2^256 - 1 in base62, computed apart from this code.
        assert!(ones.starts_with("lg-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"), "{ones}");
    }

    #[test]
    fn a_changed_or_cut_key_is_noticed_and_foreign_keys_are_left_alone() {
        let key = from_seed(&[7; 32]);
        let swapped = format!("{}{}", &key[..10], key[10..].chars().rev().collect::<String>());
        assert!(is_mistyped(&swapped));
        assert!(is_mistyped(&key[..40]));
        assert!(is_mistyped("lg-ä"));
        assert!(!is_mistyped("sk-anything"));
    }
}
