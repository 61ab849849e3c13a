//! Answers: any bytes are read alike however they are cut, and whatever was read can be written for every client.
//!
//! Reading may fail; it may not panic, disagree with itself, or lead to an answer that its own dialect cannot read.

use bytes::Bytes;
use lockgate_core::{ErrorKind, Event, Failure};
use lockgate_wire::{AnswerContext, DecodeError, Decoded, Depth, Format, Mode, Sequencer};

use crate::mutate::Random;
use crate::{FRONTS, digest};

/// What a decoder made of some bytes.
struct Read {
    events: Vec<Event>,
    raw: Vec<u8>,
    verdict: Result<(), DecodeError>,
}

/// The layout, the depth, the cuts and the client's dialect follow from the input.
pub(crate) fn check(format: &Format, data: &[u8]) {
    let mut random = Random::new(digest(data));
    let modes: &[Mode] =
        if looks_like_array(data) { &[Mode::Array, Mode::Stream] } else { &[Mode::Stream, Mode::Whole] };
    for &mode in modes {
        for depth in [Depth::Full, Depth::Envelope] {
            let whole = read(format, mode, depth, &[data]);
            if whole.verdict.is_ok() {
                assert_eq!(whole.raw, data, "the frames are not the bytes that came ({mode:?}, {depth:?})");
            }
            let (first, second) = (random.below(data.len() + 1), random.below(data.len() + 1));
            let (low, high) = (first.min(second), first.max(second));
            let pieces = [&data[..low], &data[low..high], &data[high..]];
            agree(
                &whole,
                &read(format, mode, depth, &pieces),
                &format!("cut at {low} and {high}, {mode:?}, {depth:?}"),
            );
            if depth == Depth::Full {
                let front = FRONTS[random.below(FRONTS.len())];
                write(front, Mode::Stream, &whole);
                write(front, Mode::Whole, &whole);
            }
        }
    }
    let fault = format.messages.fault(500, data);
    for front in FRONTS {
        let body = front.messages.error(&fault);
        assert_eq!(
            lockgate_wire::validate(&body, 128),
            Ok(()),
            "an error body that is no JSON ({})",
            front.dialect
        );
    }
}

fn looks_like_array(data: &[u8]) -> bool {
    data.trim_ascii_start().first() == Some(&b'[')
}

fn read(format: &Format, mode: Mode, depth: Depth, pieces: &[&[u8]]) -> Read {
    let mut decoder = format.messages.decoder(mode, depth);
    let mut out = Decoded::default();
    let mut read = Read { events: Vec::new(), raw: Vec::new(), verdict: Ok(()) };
    for piece in pieces.iter().map(Some).chain([None]) {
        read.verdict = match piece {
            Some(bytes) => decoder.feed(Bytes::copy_from_slice(bytes), &mut out),
            None => decoder.finish(&mut out),
        };
        out.frames().iter().for_each(|frame| read.raw.extend_from_slice(&frame.raw));
        read.events.extend_from_slice(out.events());
        out.clear();
        if read.verdict.is_err() {
            break;
        }
    }
    read
}

fn agree(one: &Read, other: &Read, what: &str) {
    assert_eq!(format!("{:?}", one.events), format!("{:?}", other.events), "other events: {what}");
    assert_eq!(one.verdict, other.verdict, "another verdict: {what}");
    assert_eq!(one.raw, other.raw, "other frames: {what}");
}

/// Writes what was read for a client, and reads that again.
fn write(front: &Format, mode: Mode, read: &Read) {
    let context = AnswerContext {
        created: 1_700_000_000,
        elapsed: lockgate_wire::Elapsed::default(),
        id: "id0".into(),
        include_usage: true,
        input_estimate: Some(1),
        model: "m".into(),
        request: None,
        sequence: 0,
    };
    let mut encoder = front.messages.encoder(mode, context);
    let mut sequencer = Sequencer::default();
    let mut out = Vec::new();
    let mut failed = false;
    for event in &read.events {
        failed |= matches!(event, Event::Failed(_));
        if let Event::Failed(failure) = event {
            encoder.fail(failure, &mut out);
            break;
        }
        sequencer.push(event.clone(), &mut |event| encoder.encode(&event, &mut out));
    }
    if !failed {
        match &read.verdict {
            Ok(()) => {
                sequencer.finish(&mut |event| encoder.encode(&event, &mut out));
                encoder.finish(&mut out);
            }
            Err(error) => {
                failed = true;
                encoder.fail(&Failure::new(ErrorKind::UpstreamUnavailable, error.to_string()), &mut out);
            }
        }
    }
    let shown = || format!("{} {mode:?}:\n{}", front.dialect, String::from_utf8_lossy(&out));
    if mode == Mode::Whole {
        assert_eq!(lockgate_wire::validate(&out, 256), Ok(()), "a whole answer that is no JSON: {}", shown());
    }
    let again = self::read(front, mode, Depth::Full, &[&out]);
    let failures = again.events.iter().filter(|event| matches!(event, Event::Failed(_))).count();
    if mode == Mode::Stream && failed {
        assert_eq!(failures, 1, "not exactly one error event: {}", shown());
    } else if !failed && failures == 0 {
        assert_eq!(again.verdict, Ok(()), "its own dialect cannot read {}", shown());
    } else if !failed {
        // A dialect that cannot say what was read (tool arguments that are no object) says so, once.
        assert_eq!(failures, 1, "more than one error event: {}", shown());
    }
}
