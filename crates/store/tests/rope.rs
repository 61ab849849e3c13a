//! Bodies taken apart come back as they were, whatever they are, and a body that repeats another adds little.
#![cfg(test)]

use std::collections::{HashMap, HashSet};

use lockgate_store::rope::{Bounds, Overlap, RopeError, Span, join, spans, spans_again};
use lockgate_store::{Piece, PieceHash, Weaver};
use proptest::prelude::*;

/// Pieces of one scope.
#[derive(Default)]
struct Scope(HashMap<PieceHash, Vec<u8>>);

impl Scope {
    /// Keeps a body; its head and how many bytes were new.
    fn keep(&mut self, body: &[u8]) -> (PieceHash, usize) {
        let woven = Weaver::weave(body, &mut |hash| self.0.contains_key(hash));
        let bytes = woven.new_pieces.iter().map(|piece| piece.bytes.len() + PieceHash::LEN).sum();
        for piece in woven.new_pieces {
            assert_eq!(PieceHash::of(&piece.bytes), piece.hash);
            assert!(self.0.insert(piece.hash, piece.bytes).is_none(), "only what is new, and once");
        }
        (woven.head, bytes)
    }

    fn read(&self, head: &PieceHash, bounds: Bounds) -> Result<Vec<u8>, RopeError> {
        join(head, |hash| self.0.get(hash).map(Vec::as_slice), bounds)
    }
}

/// Text that looks like requests: brackets, quotes, escapes, zeros, long strings, the names of chains.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\\"",
        " ",
        "\n",
        "1",
        "null",
        "\0",
        "\0\0\0",
        "é",
        "{\"messages\":[",
        "\"input\":[",
        "\"contents\": [ ",
        "{\"role\":\"user\",\"content\":\"",
        "]}",
        "\"}",
        "\"},",
        "\"a\":",
        "{\"b\":{\"c\":[1,2]}}",
    ]);
    let long = (1_usize..700).prop_map(|length| "long words ".repeat(length / 11 + 1));
    let part = prop_oneof![8 => parts.prop_map(str::to_owned), 1 => long];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat().into_bytes())
}

/// A request with a history, and members before and behind it.
fn turns() -> impl Strategy<Value = Vec<u8>> {
    let lengths = prop::collection::vec(0_usize..600, 0..12);
    let member = |nth: usize| format!("\"tools{nth}\":[{{\"name\":\"{}\"}}]", "tool ".repeat(60 * nth));
    (lengths, 0_usize..3, any::<bool>()).prop_map(move |(lengths, members, behind)| {
        let message =
            |length: &usize| format!("{{\"content\":\"{length} {}\"}}", "wörter ".repeat(length / 7));
        let mut all: Vec<_> = (0..members).map(member).collect();
        let at = if behind { 0 } else { all.len() };
        all.insert(
            at,
            format!("\"messages\":[{}]", lengths.iter().map(message).collect::<Vec<_>>().join(", ")),
        );
        format!("{{{}}}", all.join(",")).into_bytes()
    })
}

fn conversation(messages: &[String], space: &str) -> Vec<u8> {
    format!(
        "{{\"model\":\"m\",{space}\"messages\":[{space}{}]{space},\"n\":1}}",
        messages.join(&format!("{space},{space}"))
    )
    .into_bytes()
}

proptest! {
    #[test]
    fn any_bytes_come_back_as_they_were(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut scope = Scope::default();
        let (head, _) = scope.keep(&body);
        prop_assert_eq!(scope.read(&head, Bounds::default()), Ok(body));
    }

    #[test]
    fn what_looks_like_a_request_comes_back_as_it_was(bodies in prop::collection::vec(requests(), 1..4)) {
        let mut scope = Scope::default();
        let heads: Vec<_> = bodies.iter().map(|body| scope.keep(body).0).collect();
        for (head, body) in heads.iter().zip(&bodies) {
            prop_assert_eq!(&scope.read(head, Bounds::default()).unwrap(), body);
        }
    }

    #[test]
    fn a_conversation_that_grows_comes_back_at_every_length(
        lengths in prop::collection::vec(0_usize..900, 0..70),
        space in prop::sample::select(vec!["", " ", "\n  "]),
    ) {
        let message = |(nth, length): (usize, &usize)| {
            format!("{{\"role\":\"user\",\"content\":\"{nth} {}\"}}", "wörter ".repeat(length / 7))
        };
        let messages: Vec<_> = lengths.iter().enumerate().map(message).collect();
        let mut scope = Scope::default();
        for count in 0..=messages.len() {
            let body = conversation(&messages[..count], space);
            let (head, _) = scope.keep(&body);
            prop_assert_eq!(scope.read(&head, Bounds::default()).unwrap(), body);
        }
    }

    /// What is known of a request is the same as if the next one had been gone through whole.
    #[test]
    fn a_body_that_has_much_in_common_with_another_is_taken_apart_as_if_it_had_not(
        before in prop_oneof![requests(), turns()],
        cut in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        between in prop_oneof![requests(), Just(Vec::new()), Just(b"1".to_vec()), Just(b"],\"input\":[".to_vec())],
    ) {
        let (one, other) = (cut.0.index(before.len() + 1), cut.1.index(before.len() + 1));
        let body = [&before[..one.min(other)], &between, &before[one.max(other)..]].concat();
        let known = spans(&before);
        let again = spans_again(&body, &Overlap::of(&body, &before, &known));
        prop_assert_eq!(&again.spans, &spans(&body));
        // The parts that are said to be the same are.
        let parts = |body: &[u8], spans: &[Span]| -> Vec<Vec<u8>> {
            spans.iter().filter(|span| span.is_part()).map(|span| body[span.start..span.end].to_vec()).collect()
        };
        let (parts, had) = (parts(&body, &again.spans), parts(&before, &known));
        prop_assert!(again.front + again.back <= parts.len());
        prop_assert_eq!(&parts[..again.front], &had[..again.front]);
        prop_assert_eq!(&parts[parts.len() - again.back..], &had[had.len() - again.back..]);
        // And what stood for them stands for them again.
        let mut scope = Scope::default();
        scope.keep(&before);
        let units = Weaver::weave(&before, &mut |hash| scope.0.contains_key(hash)).parts;
        let count = parts.len();
        let told = |nth: usize| -> Option<&[u8]> {
            let same = if nth < again.front { Some(nth) } else { (nth + again.back >= count).then(|| had.len() + nth - count) };
            same.map(|nth| units[nth].as_slice())
        };
        let whole = Weaver::weave(&body, &mut |hash| scope.0.contains_key(hash));
        let woven = Weaver::weave_again(&body, &again.spans, &told, &mut |hash| scope.0.contains_key(hash));
        prop_assert_eq!(woven, whole);
    }

    #[test]
    fn damaged_pieces_end_in_an_error_and_nothing_worse(bytes in prop::collection::vec(any::<u8>(), 0..200), zeros in 0_usize..40) {
        let mut bytes = bytes;
        bytes.extend(std::iter::repeat_n(0, zeros));
        let piece = Piece::new(bytes);
        // Every reference leads back to the piece itself.
        let read = join(&piece.hash, |_| Some(piece.bytes.as_slice()), Bounds { depth: 20, size: 1_000 });
        if let Ok(body) = read {
            prop_assert!(body.len() <= 1_000);
        }
    }
}

#[test]
fn a_turn_adds_its_own_messages_and_a_head() {
    let message = |nth: usize| format!("{{\"role\":\"user\",\"content\":\"{nth} {}\"}}", "words ".repeat(20));
    let mut scope = Scope::default();
    let messages: Vec<_> = (0..1_000).map(message).collect();
    let mut most = 0;
    for count in 1..=messages.len() {
        let (_, bytes) = scope.keep(&conversation(&messages[..count], ""));
        most = most.max(bytes);
    }
    assert!(most < 1_000, "one turn of a thousand added {most} bytes");
    assert_eq!(scope.keep(&conversation(&messages, "")).1, 0, "the same again adds nothing");
}

#[test]
fn the_depth_of_a_rope_grows_with_the_digits_of_its_messages() {
    let messages: Vec<_> = (0..5_000).map(|nth| format!("{{\"content\":\"{nth:0100}\"}}")).collect();
    let body = conversation(&messages, "");
    let mut scope = Scope::default();
    let (head, _) = scope.keep(&body);
    assert_eq!(scope.read(&head, Bounds { depth: 12, size: 1 << 30 }), Ok(body));
}

#[test]
fn a_piece_that_is_missing_is_named_and_bounds_are_kept() {
    let long = "x".repeat(5_000);
    let mut scope = Scope::default();
    let (head, _) = scope.keep(format!("{{\"system\":[\"{long}\"]}}").as_bytes());
    let text = PieceHash::of(long.as_bytes());
    assert_eq!(scope.read(&head, Bounds { depth: 100, size: 4_999 }), Err(RopeError::Large(4_999)));
    assert_eq!(scope.read(&head, Bounds { depth: 1, size: 1 << 20 }), Err(RopeError::Deep(1)));
    scope.0.remove(&text);
    assert_eq!(scope.read(&head, Bounds::default()), Err(RopeError::Missing(text)));
    assert!(RopeError::Missing(text).to_string().contains(&text.to_string()));
    assert_eq!(PieceHash::parse(&text.to_string()), Some(text));
}

#[test]
fn a_body_that_repeats_itself_holds_each_piece_once() {
    let text = "the same words in every message ".repeat(20);
    let messages: Vec<_> = (0..50).map(|_| format!("{{\"content\":\"{text}\"}}")).collect();
    let woven = Weaver::weave(&conversation(&messages, ""), &mut |_| false);
    let distinct: HashSet<_> = woven.new_pieces.iter().map(|piece| piece.hash).collect();
    assert_eq!(distinct.len(), woven.new_pieces.len());
    assert!(woven.new_pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() < 3 * text.len());
}
