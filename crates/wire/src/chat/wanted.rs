//! Whether a stream's usage is asked for, how to ask for it beside a client that did not, and which chunk tells it.
//!
//! Edits are splices: every other byte of a request stays. What the usage says is the business of `usage`.

use super::chunk::Chunk;
use crate::{Kind, frame::sse, splice};

/// Objects and arrays inside each other, at most.
const NESTING: usize = 512;

/// Whether a request asks for usage in the stream (`stream_options.include_usage`). Costs one search where the
/// words are not there, one scan where they are; who has an [`Envelope`](crate::Envelope) hands its
/// `stream_options` to [`usage_wanted`] instead.
pub fn include_usage(body: &[u8]) -> bool {
    if memchr::memmem::find(body, b"include_usage").is_none() {
        return false;
    }
    let Ok(outside) = crate::scan(body, NESTING) else { return false };
    outside.find(body, "stream_options").is_some_and(|options| usage_wanted(&body[options.value.clone()]))
}

/// Whether the value of `stream_options` asks for usage.
pub fn usage_wanted(stream_options: &[u8]) -> bool {
    let Ok(inside) = crate::scan(stream_options, NESTING) else { return false };
    inside
        .find(stream_options, "include_usage")
        .is_some_and(|member| &stream_options[member.value.clone()] == b"true")
}

/// The request with the question for usage in it; what it says else about its stream stays. `stream_options` that are
/// neither an object nor `null` are the provider's to refuse.
pub fn with_usage(body: &[u8]) -> Vec<u8> {
    let Ok(outside) = crate::scan(body, NESTING) else { return body.to_vec() };
    match outside.find(body, "stream_options") {
        Some(options) if options.kind == Kind::Object => {
            let inner = with_true(&body[options.value.clone()]);
            splice(body, options.value.clone(), &inner)
        }
        Some(options) if options.kind == Kind::Null => {
            splice(body, options.value.clone(), b"{\"include_usage\":true}")
        }
        Some(_) => body.to_vec(),
        None => crate::envelope::set_member(body, &outside, "stream_options", "{\"include_usage\":true}"),
    }
}

fn with_true(options: &[u8]) -> Vec<u8> {
    match crate::scan(options, NESTING) {
        Ok(inside) => crate::envelope::set_member(options, &inside, "include_usage", "true"),
        Err(_) => options.to_vec(),
    }
}

/// Whether a frame of a stream holds usage and no part of an answer: the chunk that `include_usage` adds. Clients that
/// did not ask for it may break on its empty `choices`.
pub fn usage_only(frame: &[u8]) -> bool {
    let Some(data) = sse(frame).data else { return false };
    let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(&data) else { return false };
    chunk.usage.is_some() && chunk.error.is_none() && chunk.choices.is_none_or(|choices| choices.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement 004-7.
    #[test]
    fn only_a_chunk_of_nothing_but_usage_counts_as_one() {
        for (frame, alone) in [
            ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", true),
            ("data: {\"usage\":{\"prompt_tokens\":1}}\r\n\r\n", true),
            ("data: {\"choices\":[],\"usage\":null,\"prompt_filter_results\":[]}\n\n", false),
            ("data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n", false),
            ("data: {\"choices\":[],\"usage\":{},\"error\":{\"message\":\"x\"}}\n\n", false),
            ("data: [DONE]\n\n", false),
            (": usage\n\n", false),
        ] {
            assert_eq!(usage_only(frame.as_bytes()), alone, "{frame}");
        }
    }

    #[test]
    fn options_of_a_wrong_type_are_left_to_the_provider() {
        let body = br#"{"stream_options":"yes"}"#;
        assert_eq!(with_usage(body), body);
        assert_eq!(with_usage(b"{}"), br#"{"stream_options":{"include_usage":true}}"#);
    }
}
