//! Percentiles of durations without keeping them: counts in buckets whose width grows with the value.
//!
//! A value below 128 has a bucket of its own; above, each power of two has 64 buckets, so that the middle of a bucket is within 0.8 % of
//! everything in it. This is what a `DDSketch` does, with integers in place of logarithms, so that every machine finds the same bucket. The crate
//! `sketches-ddsketch` is well kept, but keeps its buckets to itself; ours are text that a database can put together with `string_agg`: the
//! text of two sketches, one behind the other, is the text of both together. Count, sum, least and greatest are exact.

/// A power of two has so many buckets, as a power of two.
const BITS: u32 = 6;

/// The signs of a bucket: two of them, the higher first.
const SIGNS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Counts of values in buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    count: u64,
    /// From bucket `first` on; empty if nothing was counted.
    counts: Vec<u64>,
    first: usize,
    greatest: u64,
    least: u64,
    sum: u64,
}

/// A text is none of a sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the text of a sketch")]
pub struct NoSketch;

impl Sketch {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        let fresh = self.count == 0;
        self.bump(bucket(value), 1);
        self.bounds(fresh, value, value, value);
    }

    /// Counts what another sketch counted.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let fresh = self.count == 0;
        for (nth, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.bump(other.first + nth, *count);
        }
        self.bounds(fresh, other.sum, other.least, other.greatest);
    }

    /// Counts what was stored: the texts of sketches, one behind the other, with the sum, the least and the greatest of their values.
    pub fn merge_stored(&mut self, text: &str, sum: u64, least: u64, greatest: u64) -> Result<(), NoSketch> {
        let fresh = self.count == 0;
        let mut rest = text.as_bytes();
        while let [high, low, then @ ..] = rest {
            let bucket = (digit(*high)? << BITS) | digit(*low)?;
            rest = then;
            let mut count = 1;
            if let [b'(', then @ ..] = rest {
                let end = then.iter().position(|sign| *sign == b')').ok_or(NoSketch)?;
                let number = std::str::from_utf8(&then[..end]).map_err(|_| NoSketch)?;
                count = number.parse().map_err(|_| NoSketch)?;
                rest = &then[end + 1..];
            }
            self.bump(bucket, count);
        }
        if !rest.is_empty() {
            return Err(NoSketch);
        }
        if !text.is_empty() {
            self.bounds(fresh, sum, least, greatest);
        }
        Ok(())
    }

    /// The counts as text: two signs for each value, or for each bucket with its count in brackets behind it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (nth, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let bucket = self.first + nth;
            text.push(char::from(SIGNS[bucket >> BITS]));
            text.push(char::from(SIGNS[bucket & 63]));
            if *count > 1 {
                text.push('(');
                text.push_str(&count.to_string());
                text.push(')');
            }
        }
        text
    }

    /// How many values were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The least of them.
    pub const fn least(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.least) }
    }

    /// The greatest of them.
    pub const fn greatest(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.greatest) }
    }

    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The value below or at which so many of a thousand are (the nearest rank), within 1 %.
    pub fn permille(&self, of: u64) -> Option<u64> {
        let rank = (u128::from(self.count) * u128::from(of)).div_ceil(1_000).max(1);
        let mut seen = 0_u128;
        for (nth, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return Some(middle(self.first + nth).clamp(self.least, self.greatest));
            }
        }
        self.greatest()
    }

    fn bump(&mut self, bucket: usize, count: u64) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let more = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first = bucket;
        }
        let at = bucket - self.first;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = self.counts[at].saturating_add(count);
        self.count = self.count.saturating_add(count);
    }

    /// Joins sum, least and greatest.
    fn bounds(&mut self, fresh: bool, sum: u64, least: u64, greatest: u64) {
        self.least = if fresh { least } else { self.least.min(least) };
        self.greatest = self.greatest.max(greatest);
        self.sum = self.sum.saturating_add(sum);
    }
}

/// The bucket of a value. The highest is 3,775.
const fn bucket(value: u64) -> usize {
    if value < 1 << BITS {
        return value as usize;
    }
    let shift = value.ilog2() - BITS;
    ((shift as usize) << BITS) + (value >> shift) as usize
}

/// The value that stands for a bucket.
const fn middle(bucket: usize) -> u64 {
    if bucket < 2 << BITS {
        return bucket as u64;
    }
    let shift = (bucket >> BITS) - 1;
    let lowest = ((bucket - (shift << BITS)) as u64) << shift;
    lowest + ((1_u64 << shift) - 1) / 2
}

const fn digit(sign: u8) -> Result<usize, NoSketch> {
    Ok(match sign {
        b'0'..=b'9' => sign - b'0',
        b'A'..=b'Z' => sign - b'A' + 10,
        b'a'..=b'z' => sign - b'a' + 36,
        b'-' => 62,
        b'_' => 63,
        _ => return Err(NoSketch),
    } as usize)
}
