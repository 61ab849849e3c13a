//! Frames that were just written, kept for whoever reads the log behind the calls: most are read within a moment, and need not be fetched
//! from the file and unsealed then.
//!
//! Bounded by bytes; the oldest go first, and are read from their file. Holds nothing that is not in the log.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use super::content::Content;

/// Bytes that are kept.
const BYTES: usize = 12 << 20;

/// From so many bytes on the reader should not wait for more.
const MANY: usize = 4 << 20;

/// A frame by its call and its number in the call.
type Name = (Uuid, u32);

/// Frames that were just written.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    bytes: usize,
    frames: HashMap<Name, Content>,
    /// In the order in which they came; some are gone.
    order: VecDeque<Name>,
}

impl Recent {
    /// Keeps a frame; whether there are many now.
    pub(crate) fn put(&mut self, name: Name, content: Content) -> bool {
        self.bytes += content.len();
        self.order.push_back(name);
        if let Some(before) = self.frames.insert(name, content) {
            self.bytes -= before.len();
        }
        while self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.take(&oldest);
        }
        self.bytes >= MANY
    }

    /// Hands a frame out.
    pub(crate) fn take(&mut self, name: &Name) -> Option<Content> {
        let content = self.frames.remove(name)?;
        self.bytes -= content.len();
        if self.frames.is_empty() {
            self.order.clear();
        }
        // Names that are gone must not gather while some frame stays.
        if self.order.len() > 2 * self.frames.len() + 1024 {
            self.order.retain(|name| self.frames.contains_key(name));
        }
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_latest_stays() {
        let mut recent = Recent::default();
        let name = |number: u32| (Uuid::nil(), number);
        let mut many = false;
        for number in 0..100 {
            many |= recent.put(name(number), Content::from(vec![7; 1 << 20]));
            assert!(recent.bytes <= BYTES);
        }
        assert!(many);
        assert_eq!(recent.take(&name(0)), None);
        assert_eq!(recent.take(&name(99)).map(|content| content.len()), Some(1 << 20));
        assert_eq!(recent.take(&name(99)), None);
        for number in 0..100_000 {
            recent.put(name(number), Content::from(vec![7; 1]));
            recent.take(&name(number));
        }
        assert!(recent.order.len() < 5_000, "{}", recent.order.len());
    }
}
