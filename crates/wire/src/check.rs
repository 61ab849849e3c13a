//! What every codec must hold to, as functions that each dialect's tests call. Compiled for tests only.

use bytes::Bytes;
use lockgate_core::{Conversation, Delta, Event};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::{
    AnswerContext, DecodeError, Decoded, Depth, Elapsed, Format, Loss, Mode, Quirks, Sequencer, Target,
};

/// All frames' bytes, all events and the verdict of one answer fed in pieces.
pub(crate) fn decode(
    format: &Format,
    mode: Mode,
    depth: Depth,
    pieces: &[&[u8]],
) -> (Vec<u8>, Vec<Event>, Result<(), DecodeError>) {
    let mut decoder = format.messages.decoder(mode, depth);
    let (mut raw, mut events) = (Vec::new(), Vec::new());
    let mut verdict = Ok(());
    let mut out = Decoded::default();
    let mut take = |out: &mut Decoded| {
        out.frames().iter().for_each(|frame| raw.extend_from_slice(&frame.raw));
        events.extend_from_slice(out.events());
        out.clear();
    };
    for piece in pieces {
        verdict = decoder.feed(Bytes::copy_from_slice(piece), &mut out);
        take(&mut out);
        if verdict.is_err() {
            return (raw, events, verdict);
        }
    }
    if verdict.is_ok() {
        verdict = decoder.finish(&mut out);
        take(&mut out);
    }
    (raw, events, verdict)
}

/// The events of an answer that must be readable.
pub(crate) fn events(format: &Format, mode: Mode, bytes: &[u8]) -> Vec<Event> {
    let (_, events, verdict) = decode(format, mode, Depth::Full, &[bytes]);
    assert_eq!(verdict, Ok(()), "{}", String::from_utf8_lossy(bytes));
    events
}

/// Events a line each, text deltas joined, for snapshots.
pub(crate) fn shown(events: &[Event]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut joined: Option<(u32, &str, String)> = None;
    let flush = |joined: &mut Option<(u32, &str, String)>, lines: &mut Vec<String>| {
        if let Some((index, kind, text)) = joined.take() {
            lines.push(format!("  {index} {kind} {text:?}"));
        }
    };
    for event in events {
        let piece = match event {
            Event::BlockDelta { index, delta: Delta::Text(text) } => Some((*index, "text", text)),
            Event::BlockDelta { index, delta: Delta::Reasoning(text) } => Some((*index, "reasoning", text)),
            Event::BlockDelta { index, delta: Delta::Arguments(text) } => Some((*index, "arguments", text)),
            _ => None,
        };
        match (piece, &mut joined) {
            (Some((index, kind, text)), Some((of, known, sum))) if *of == index && *known == kind => {
                sum.push_str(text);
            }
            (Some((index, kind, text)), _) => {
                flush(&mut joined, &mut lines);
                joined = Some((index, kind, text.clone()));
            }
            (None, _) => {
                flush(&mut joined, &mut lines);
                lines.push(format!("{event:?}"));
            }
        }
    }
    flush(&mut joined, &mut lines);
    lines.join("\n")
}

/// Any cut of the bytes gives the same frames, events and verdict; raw frames put together are the bytes; a cut
/// tail is reported.
pub(crate) fn holds_at_any_cut(format: &Format, mode: Mode, bytes: &[u8]) {
    for depth in [Depth::Full, Depth::Envelope] {
        let (raw, events, verdict) = decode(format, mode, depth, &[bytes]);
        let expected = shown(&events);
        if verdict.is_ok() {
            assert_eq!(
                String::from_utf8_lossy(&raw),
                String::from_utf8_lossy(bytes),
                "frames are the bytes ({depth:?})"
            );
        }
        for at in 0..=bytes.len().min(4000) {
            let (raw_cut, events_cut, verdict_cut) =
                decode(format, mode, depth, &[&bytes[..at], &bytes[at..]]);
            assert_eq!(
                (shown(&events_cut), &verdict_cut),
                (expected.clone(), &verdict),
                "cut at {at} ({depth:?})"
            );
            assert_eq!(raw_cut, raw, "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let (_, events_single, verdict_single) = decode(format, mode, depth, &single);
        assert_eq!((shown(&events_single), verdict_single), (expected, verdict), "byte by byte ({depth:?})");
    }
}

/// An answer that ends anywhere before its end is reported as cut (or malformed), never as complete. `complete_from`
/// is the first length at which the dialect counts it as complete.
pub(crate) fn reports_a_cut_tail(format: &Format, mode: Mode, bytes: &[u8], complete_from: usize) {
    for depth in [Depth::Full, Depth::Envelope] {
        for at in 0..complete_from {
            let (_, _, verdict) = decode(format, mode, depth, &[&bytes[..at]]);
            assert!(verdict.is_err(), "{at} of {} bytes pass as a whole answer ({depth:?})", bytes.len());
        }
    }
}

/// Neither random bytes nor a damaged answer make the decoder panic; the same for the request parser and the error
/// reader.
pub(crate) fn never_panics(format: &Format, samples: &[&[u8]]) {
    let samples: Vec<Vec<u8>> = samples.iter().map(|sample| sample.to_vec()).collect();
    let damaged = (
        prop::sample::select(samples),
        any::<prop::sample::Index>(),
        any::<u8>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(mut bytes, at, byte, end)| {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes.truncate(end.index(bytes.len()) + 1);
            }
            bytes
        });
    let input = prop_oneof![prop::collection::vec(any::<u8>(), 0..300), damaged];
    TestRunner::default()
        .run(&input, |bytes| {
            for mode in [Mode::Stream, Mode::Whole] {
                for depth in [Depth::Full, Depth::Envelope] {
                    let _ = decode(format, mode, depth, &[&bytes]);
                }
            }
            let _ = format.messages.parse(&bytes);
            let _ = format.messages.fault(500, &bytes);
            Ok(())
        })
        .unwrap();
}

/// What an encoder writes for events, one block at a time.
pub(crate) fn encode(format: &Format, mode: Mode, events: &[Event]) -> String {
    let mut encoder = format.messages.encoder(mode, context());
    let mut out = Vec::new();
    let mut sequencer = Sequencer::default();
    for event in events {
        sequencer.push(event.clone(), &mut |event| encoder.encode(&event, &mut out));
    }
    sequencer.finish(&mut |event| encoder.encode(&event, &mut out));
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// A context that is the same in every test.
pub(crate) fn context() -> AnswerContext {
    AnswerContext {
        created: 1_700_000_000,
        elapsed: Elapsed::default(),
        id: "testid".into(),
        include_usage: true,
        input_estimate: Some(11),
        model: "upstream-model".into(),
        request: None,
        sequence: 0,
    }
}

/// A request written for a provider without quirks, and what was lost.
pub(crate) fn write(format: &Format, conversation: &Conversation, quirks: &Quirks) -> (String, Loss) {
    let mut loss = Loss::default();
    let target = Target { default_max_tokens: 4096, model: "upstream-model", quirks, stream: true };
    let body = format.messages.write(conversation, &target, &mut loss).unwrap();
    (String::from_utf8(body).unwrap(), loss)
}
