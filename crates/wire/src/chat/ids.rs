//! Tool call ids that a target accepts, always the same for the same original, so that call and result agree from
//! turn to turn.

use std::borrow::Cow;

/// OpenAI refuses longer ones.
const LONGEST: usize = 40;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id as the target takes it: nine letters or digits (Mistral), or at most forty characters (OpenAI).
pub(super) fn for_target(id: &str, alnum9: bool) -> Cow<'_, str> {
    if alnum9 {
        if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Cow::Borrowed(id);
        }
        return Cow::Owned(digits(hash(id, 0), 9));
    }
    if id.len() <= LONGEST {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{}{}", digits(hash(id, 0), 11), digits(hash(id, 1), 11)))
}

/// FNV-1a with a seed: ids only have to differ, not to withstand anybody.
fn hash(id: &str, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let folded = id.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    folded ^ (folded >> 29)
}

fn digits(mut number: u64, count: usize) -> String {
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        text.push(char::from(ALPHABET[(number % 62) as usize]));
        number /= 62;
    }
    text
}
