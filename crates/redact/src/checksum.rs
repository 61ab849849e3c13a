//! Checksums that tokens carry: GitHub and npm put a CRC-32 in base 62 at the end.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// True for `prefix_` + 30 characters + the six digits of their CRC-32.
pub(crate) fn crc_suffix(token: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'_', token) else { return false };
    let body = &token[at + 1..];
    body.len() > 6 && body[body.len() - 6..] == digits(crc32(&body[..body.len() - 6]))
}

/// A number as six digits of base 62.
pub(crate) fn digits(mut number: u32) -> [u8; 6] {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    digits
}

/// The CRC-32 of zlib and Ethernet.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_published_tokens() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        // The body of a revoked token that an article about the format shows.
        let body = ["zQWBuTSOoRi4A9s", "pHcVY5ncnsDkxkJ"].concat();
        assert_eq!(&digits(crc32(body.as_bytes())), b"0mLq17");
        assert!(crc_suffix(format!("ghp_{body}0mLq17").as_bytes()));
        assert!(!crc_suffix(format!("ghp_{body}0mLq18").as_bytes()));
        assert!(!crc_suffix(b"ghp_") && !crc_suffix(b""));
    }
}
