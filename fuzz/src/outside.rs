//! The readers below the dialects: framer, scanner, and the small endpoints (models, tokens, embeddings).

use bytes::Bytes;
use lockgate_wire::{Framer, Loss, ModelsPage, sse};

use crate::mutate::Random;
use crate::{FRONTS, digest};

/// Frames put together are the bytes that came, whatever the cut; a bound is kept.
pub(crate) fn framer(data: &[u8]) {
    let mut random = Random::new(digest(data));
    for make in [Framer::sse as fn(usize) -> Framer, Framer::lines] {
        let whole = frames(make(usize::MAX), &[data]);
        let mut pieces = Vec::new();
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len().min(64)));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(whole, frames(make(usize::MAX), &pieces), "another cut, other frames");
        assert_eq!(whole.concat(), data, "frames are not the bytes that came");
        for frame in &whole {
            let _ = sse(frame);
        }
        let mut small = make(64);
        let _ = small.feed(Bytes::copy_from_slice(data), |_| Ok(()));
        assert!(small.finish().len() <= 64, "more kept than allowed");
    }
}

fn frames(mut framer: Framer, pieces: &[&[u8]]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    for piece in pieces {
        let fed = framer.feed(Bytes::copy_from_slice(piece), |frame| {
            frames.push(frame);
            Ok(())
        });
        assert_eq!(fed, Ok(()));
    }
    frames.push(framer.finish());
    frames
}

/// What the scanner calls JSON is JSON for the parser behind it, and its members are where it says.
pub(crate) fn scan(data: &[u8]) {
    let depth = 100;
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(data);
    if lockgate_wire::validate(data, depth).is_ok() {
        assert!(parsed.is_ok(), "not JSON for the parser: {:?}", parsed.err());
    }
    let Ok(scan) = lockgate_wire::scan(data, depth) else { return };
    for member in &scan.members {
        assert_eq!(
            lockgate_wire::validate(&data[member.value.clone()], depth),
            Ok(()),
            "a member's span is wrong"
        );
        let key = &data[member.key.start - 1..=member.key.end];
        let key: String =
            serde_json::from_slice(key).unwrap_or_else(|error| panic!("a key's span is wrong: {error}"));
        let spliced = lockgate_wire::with_member(data, &key, "x");
        assert_eq!(lockgate_wire::member_text(&spliced, &key).as_deref(), Some("x"), "a splice got lost");
    }
}

/// Lists of models, counts and embeddings: read or refused, and what was read can be written.
pub(crate) fn side(data: &[u8]) {
    for format in FRONTS {
        if let Some(models) = format.models
            && let Ok(cards) = models.parse(data)
        {
            let page = ModelsPage { limit: Some(2), ..ModelsPage::default() };
            assert_eq!(lockgate_wire::validate(&models.write(&cards, &page), 128), Ok(()));
        }
        if let Some(tokens) = format.tokens
            && let Ok(count) = tokens.parse_answer(data)
        {
            assert_eq!(tokens.parse_answer(&tokens.write_answer(count)), Ok(count));
        }
        let Some(embeddings) = format.embeddings else { continue };
        let _ = embeddings.parse_answer(data);
        for path in [
            "/v1/embeddings",
            "/api/embed",
            "/api/embeddings",
            "/v1beta/models/m:embedContent",
            "/v1beta/models/m:batchEmbedContents",
        ] {
            let Ok(call) = embeddings.parse(path, data) else { continue };
            for to in FRONTS.iter().filter_map(|format| format.embeddings) {
                if let Ok(body) = to.write(&call, "m", &mut Loss::default()) {
                    assert_eq!(lockgate_wire::validate(&body, 128), Ok(()));
                }
            }
        }
    }
}
