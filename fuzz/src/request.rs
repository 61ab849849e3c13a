//! Requests: any body is refused with a failure or understood, and what was understood can be written for every
//! provider as a body that its dialect reads.

use lockgate_core::{Conversation, Dialect};
use lockgate_wire::{
    Envelope, EnvelopeLimits, Format, Loss, Quirks, Steering, Target, ToolNames, claude_cli,
};

use crate::{FRONTS, digest};

const LIMITS: EnvelopeLimits = EnvelopeLimits { messages: 1000, nesting: 100, tools: 100 };

pub(crate) fn check(format: &Format, data: &[u8]) {
    // The way of a call: a body whose outside is refused is never parsed. Parsers must stand any bytes all the same.
    let envelope = Envelope::read(data, format.envelope, &LIMITS);
    let parsed = format.messages.parse(data);
    if let Some(tokens) = format.tokens {
        let _ = tokens.parse(data);
    }
    let Ok(envelope) = envelope else { return };
    let renamed = envelope.with(data, "model", "\"another\"");
    assert_eq!(lockgate_wire::validate(&renamed, 128), Ok(()), "renaming the model broke the body");
    assert_eq!(lockgate_wire::member_text(&renamed, "model").as_deref(), Some("another"));
    let Ok(conversation) = parsed else { return };
    write(format, format, &conversation, digest(data));
    if lockgate_wire::may_leave(format.dialect, &conversation).is_err() {
        return;
    }
    let mut plain = conversation;
    ToolNames::plain(&mut plain);
    for to in FRONTS.into_iter().chain([&claude_cli::FORMAT]) {
        write(format, to, &plain, digest(data));
    }
}

/// Writes for a provider whose oddities follow from `bits`.
fn write(from: &Format, to: &Format, conversation: &Conversation, bits: u64) {
    let bit = |at: u32| bits >> at & 1 == 1;
    let quirks = Quirks {
        context: bit(0).then_some(8192),
        efforts: bit(12).then_some(&["none", "low", "high"]),
        keep_alive: bit(1).then(|| "5m".to_owned()),
        legacy_max_tokens: bit(2),
        no_openai_extras: bit(3),
        no_parallel_tools: bit(4),
        no_reasoning: bit(5),
        no_stream_options: bit(6),
        no_strict_tools: bit(7),
        reasoning_details: bit(16).then_some("unknown"),
        reasoning_history: bit(11),
        steering: match bits >> 13 & 3 {
            0 => Steering::Fixed,
            1 => Steering::FixedWhileReasoning { unasked: bit(15) },
            _ => Steering::Free,
        },
        system_role: bit(8),
        tool_id_alnum9: bit(9),
    };
    let target = Target { default_max_tokens: 4096, model: "m", quirks: &quirks, stream: bit(10) };
    let mut loss = Loss::default();
    let Ok(body) = to.messages.write(conversation, &target, &mut loss) else { return };
    let shown = || format!("{} to {}:\n{}", from.dialect, to.dialect, String::from_utf8_lossy(&body));
    if to.dialect == Dialect::ClaudeCli {
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            assert_eq!(lockgate_wire::validate(line, 256), Ok(()), "a line that is no JSON, {}", shown());
        }
        return;
    }
    assert_eq!(lockgate_wire::validate(&body, 256), Ok(()), "a body that is no JSON, {}", shown());
    if let Err(failure) = to.messages.parse(&body) {
        panic!("a body that its own dialect refuses ({failure}), {}", shown());
    }
}
