//! Damage: an input becomes another one by a few edits, all drawn from one seed.
//!
//! Knows what kinds of byte matter to the readers of JSON, SSE and YAML, and nothing of what is checked.

/// A small generator of repeatable numbers (splitmix64); no randomness of the machine comes in.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.number() % bound as u64) as usize }
    }
}

/// Makes inputs out of inputs.
pub struct Mutator<'a> {
    random: Random,
    seeds: &'a [Vec<u8>],
}

/// Pieces that readers treat specially.
const PIECES: [&[u8]; 36] = [
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\r",
    b"data: ",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b": ping\n\n",
    b"\"",
    b"\\",
    b"\\ud800",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b"{\"a\":",
    b":",
    b",",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"-0.0",
    b"\"\"",
    b"{}",
    b"[]",
    b"\xff",
    b"\xe2\x82",
    b"${X",
    b"&a ",
    b"*a",
    b"\t",
];

impl<'a> Mutator<'a> {
    /// A mutator over these inputs.
    pub fn new(seed: u64, seeds: &'a [Vec<u8>]) -> Self {
        Self { random: Random::new(seed), seeds }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut bytes = match random.below(16) {
            0 => (0..random.below(200)).map(|_| random.number() as u8).collect(),
            _ => self.seeds.get(random.below(self.seeds.len())).cloned().unwrap_or_default(),
        };
        for _ in 0..=random.below(5) {
            edit(&mut bytes, random, self.seeds);
        }
        bytes
    }
}

fn edit(bytes: &mut Vec<u8>, random: &mut Random, seeds: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let span = at..(at + random.below(40)).min(bytes.len());
    match random.below(9) {
        0 => bytes.truncate(at),
        1 => {
            bytes.drain(span);
        }
        2 => {
            let copy = bytes[span].to_vec();
            bytes.splice(at..at, copy);
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        4 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.number() as u8;
            }
        }
        5 | 6 => {
            let piece = PIECES[random.below(PIECES.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        7 => {
            let piece = PIECES[random.below(PIECES.len())];
            bytes.splice(span, piece.iter().copied());
        }
        _ => {
            let other = seeds.get(random.below(seeds.len())).map_or(&[][..], Vec::as_slice);
            let from = random.below(other.len() + 1);
            let to = (from + random.below(300)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_the_same_inputs_again_and_another_seed_others() {
        let seeds = vec![b"{\"a\":1}".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed, &seeds);
            (0..50).map(|_| mutator.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }
}
