//! Whole numbers in as few bytes as they need: seven bits a byte, the lowest first, the highest bit set in all bytes but the last.
//!
//! Numbers below zero are folded to the odd ones, so that small ones stay short. Knows nothing of what is stored in them.

/// Writes a number.
pub fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the beginning of the bytes. `None` = they end in it, or it is larger than a number can be.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Most numbers are short.
    if let [first @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(*first));
    }
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Writes a number that may be below zero.
pub fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Takes a number that may be below zero.
#[inline]
pub fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let folded = take(bytes)?;
    Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_small_ones_are_short() {
        let mut bytes = Vec::new();
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
            put(&mut bytes, number);
        }
        for number in [0, -1, 1, 63, -64, i64::MAX, i64::MIN] {
            put_signed(&mut bytes, number);
        }
        assert_eq!(bytes.len(), (1 + 1 + 1 + 2 + 2 + 3 + 10) + (1 + 1 + 1 + 1 + 1 + 10 + 10));
        let mut rest = bytes.as_slice();
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
            assert_eq!(take(&mut rest), Some(number));
        }
        for number in [0, -1, 1, 63, -64, i64::MAX, i64::MIN] {
            assert_eq!(take_signed(&mut rest), Some(number));
        }
        assert_eq!(take(&mut rest), None);
    }

    #[test]
    fn what_is_cut_or_has_no_end_is_no_number() {
        assert_eq!(take(&mut [0x80_u8, 0x80].as_slice()), None);
        assert_eq!(take(&mut [0xff_u8; 40].as_slice()), None);
    }
}
