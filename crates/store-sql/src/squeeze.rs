//! Pieces, compressed where it pays. Compressed bytes are those that are fewer than the piece has; no flag is needed.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use crate::fault::Fault;

/// What is shorter is not worth the try: a table of its signs takes longer to make than a row to write, and saves some hundred bytes.
const LEAST: usize = 512;

/// The quickest level: some hundred MB a second, and within a few percent of the default on JSON and text.
const LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    /// To make one takes longer than to take a short piece out.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// The bytes as they are stored.
pub(crate) fn squeeze(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() < LEAST {
        return bytes.to_vec();
    }
    let squeezed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(bytes).ok());
    squeezed.filter(|squeezed| squeezed.len() < bytes.len()).unwrap_or_else(|| bytes.to_vec())
}

/// The bytes as they were.
pub(crate) fn unsqueeze(stored: &[u8], size: usize) -> Result<Vec<u8>, Fault> {
    if stored.len() >= size {
        return Ok(stored.to_vec());
    }
    let bytes = DECOMPRESSOR.with_borrow_mut(|decompressor| match decompressor {
        Some(decompressor) => decompressor.decompress(stored, size),
        None => zstd::bulk::decompress(stored, size),
    });
    let bytes = bytes.map_err(|error| Fault::damaged(error.to_string()))?;
    if bytes.len() == size { Ok(bytes) } else { Err(Fault::damaged("a piece has the wrong length")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whether_they_could_be_compressed_or_not() {
        let text = "the same words again and again ".repeat(100).into_bytes();
        let noise: Vec<u8> =
            (0..2_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        for bytes in [Vec::new(), b"short".to_vec(), text.clone(), noise] {
            assert_eq!(unsqueeze(&squeeze(&bytes), bytes.len()).unwrap(), bytes);
        }
        assert!(squeeze(&text).len() < text.len() / 10);
    }
}
