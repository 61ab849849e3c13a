//! Percentiles of durations without keeping them: counts in buckets whose width grows with the value.
//!
//! A value below 128 has a bucket of its own; above, each power of two has 64 buckets, so that the middle of a bucket is within 0.8 % of
//! everything in it. This is what a `DDSketch` does, with integers in place of logarithms, so that every machine finds the same bucket. The crate
//! `sketches-ddsketch` is well kept, but keeps its buckets to itself; ours are written in some bytes for each value. Count, sum, least and
//! greatest are exact.

use lockgate_core::varint::{put, take};

/// A power of two has so many buckets, as a power of two.
const BITS: u32 = 6;

/// The highest bucket.
const HIGHEST: usize = bucket(u64::MAX);

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

/// Bytes are none of a sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the bytes of a sketch")]
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

    /// Writes what was counted: the number of values; of one its value; of more the least, what the greatest has above it, the sum, and
    /// then the buckets, from that of the least on, each as its distance to the one before and its count.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.count);
        match self.count {
            0 => {}
            1 => put(bytes, self.sum),
            _ => {
                put(bytes, self.least);
                put(bytes, self.greatest - self.least);
                put(bytes, self.sum);
                let mut last = bucket(self.least);
                for (nth, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                    put(bytes, (self.first + nth).saturating_sub(last) as u64);
                    put(bytes, *count);
                    last = self.first + nth;
                }
            }
        }
    }

    /// Takes what was written from the beginning of the bytes, and counts it into a sketch, or nowhere.
    pub fn take(bytes: &mut &[u8], mut into: Option<&mut Self>) -> Result<(), NoSketch> {
        let mut number = || take(bytes).ok_or(NoSketch);
        let count = number()?;
        match count {
            0 => return Ok(()),
            1 => {
                let value = number()?;
                if let Some(sketch) = into {
                    sketch.add(value);
                }
                return Ok(());
            }
            _ => {}
        }
        let (least, above, sum) = (number()?, number()?, number()?);
        let mut at = bucket(least);
        let mut left = count;
        let fresh = into.as_ref().is_none_or(|sketch| sketch.count == 0);
        while left > 0 {
            let step = usize::try_from(number()?).map_err(|_| NoSketch)?;
            let some = number()?;
            at = at.checked_add(step).filter(|at| *at <= HIGHEST).ok_or(NoSketch)?;
            left = left.checked_sub(some).filter(|_| some > 0).ok_or(NoSketch)?;
            if let Some(sketch) = &mut into {
                sketch.bump(at, some);
            }
        }
        if let Some(sketch) = into {
            sketch.bounds(fresh, sum, least, least.checked_add(above).ok_or(NoSketch)?);
        }
        Ok(())
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
