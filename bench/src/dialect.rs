//! The two dialects of the bench, and the model names that tell the upstream how to answer.
//!
//! A gateway passes a model's name on whatever else it does, so the name carries the shape: `gpt-bench-100x0c0` answers in
//! a hundred chunks with no pause between them and no tool call behind them. Whether the answer is streamed is the request's own flag.

use memchr::memmem;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    OpenAi,
}

impl Dialect {
    pub(crate) const ALL: [Self; 2] = [Self::OpenAi, Self::Anthropic];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Anthropic => "/v1/messages",
            Self::OpenAi => "/v1/chat/completions",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    fn family(self) -> &'static str {
        match self {
            Self::Anthropic => "claude-bench-",
            Self::OpenAi => "gpt-bench-",
        }
    }
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Calls of a shell behind the text of a streamed answer.
    pub(crate) calls: usize,
    /// Pieces of text in a streamed answer; a whole one has one.
    pub(crate) chunks: usize,
    /// Wait between two chunks, or before a whole answer.
    pub(crate) delay_us: u64,
}

impl Shape {
    /// Chunks at a pace that a reader of an answer sees.
    pub(crate) const PACED: Self = Self { calls: 0, chunks: 10, delay_us: 1_000 };
    /// The same with a tool call behind it.
    pub(crate) const ONE_CALL: Self = Self { calls: 1, ..Self::PACED };
    /// The same with four.
    pub(crate) const FOUR_CALLS: Self = Self { calls: 4, ..Self::PACED };
    /// Chunks as fast as they can be written.
    pub(crate) const RUSH: Self = Self { calls: 0, chunks: 100, delay_us: 0 };
    /// A stream that has begun and stays open.
    pub(crate) const OPEN: Self = Self { calls: 0, chunks: 2, delay_us: 600_000_000 };
    /// One answer that lets other requests arrive before it.
    pub(crate) const SLOW: Self = Self { calls: 0, chunks: 1, delay_us: 50_000 };
    /// One answer at once.
    pub(crate) const WHOLE: Self = Self { calls: 0, chunks: 1, delay_us: 0 };
    /// Every shape that is asked for.
    pub(crate) const ALL: [Self; 7] =
        [Self::PACED, Self::ONE_CALL, Self::FOUR_CALLS, Self::RUSH, Self::OPEN, Self::SLOW, Self::WHOLE];

    /// The model of `provider` that answers so.
    pub(crate) fn model(self, provider: Dialect) -> String {
        format!("{}{}x{}c{}", provider.family(), self.chunks, self.delay_us, self.calls)
    }

    /// What a model's name asks for.
    pub(crate) fn of(model: &str) -> Option<Self> {
        let (chunks, rest) = model.rsplit_once('-')?.1.split_once('x')?;
        let (delay, calls) = rest.split_once('c')?;
        Some(Self { calls: calls.parse().ok()?, chunks: chunks.parse().ok()?, delay_us: delay.parse().ok()? })
    }
}

/// The model that a request names. Quotes inside of strings are escaped, so the first match is a member.
pub(crate) fn model(body: &[u8]) -> Option<&str> {
    let start = memmem::find(body, br#""model":""#)? + br#""model":""#.len();
    let end = start + memchr::memchr(b'"', &body[start..])?;
    std::str::from_utf8(&body[start..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_an_answer_survives_in_the_name_of_the_model() {
        for shape in Shape::ALL {
            for dialect in Dialect::ALL {
                let body = format!(r#"{{"model":"{}","stream":true}}"#, shape.model(dialect));
                assert_eq!(model(body.as_bytes()).and_then(Shape::of), Some(shape));
            }
        }
        assert_eq!(Shape::of("gpt-4o"), None);
        assert_eq!(model(b"{}"), None);
    }
}
