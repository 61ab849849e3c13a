//! W3C trace context: what a client says of the trace that its call is part of, and what is said to the provider.

use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

/// The longest `tracestate` that is kept, in bytes; the standard asks for this much.
const STATE: usize = 512;

/// Where a call stands in a trace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Context {
    /// The client's span.
    pub(crate) parent: Option<[u8; 8]>,
    /// Whether spans of this call are kept.
    pub(crate) sampled: bool,
    /// The span of the call itself.
    pub(crate) span: [u8; 8],
    /// What vendors add.
    pub(crate) state: String,
    pub(crate) trace: [u8; 16],
}

impl Context {
    /// The context of a call. A client that takes part in a trace decides for its calls whether they are kept; of the others the
    /// given share is. The trace of a call without a client's has the call's id.
    pub(crate) fn of(headers: &HeaderMap, call: Uuid, share: f64) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some((trace, parent, sampled)) = text("traceparent").and_then(parse) {
            let state = text("tracestate").filter(|state| state.len() <= STATE).unwrap_or_default();
            return Self { parent: Some(parent), sampled, span: span_id(), state: state.to_owned(), trace };
        }
        let trace = *call.as_bytes();
        Self { parent: None, sampled: within(&trace, share), span: span_id(), state: String::new(), trace }
    }

    /// The header that names one of our spans as the parent.
    pub(crate) fn header(&self, span: [u8; 8]) -> Option<HeaderValue> {
        let trace = u128::from_be_bytes(self.trace);
        let span = u64::from_be_bytes(span);
        HeaderValue::from_str(&format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))).ok()
    }
}

/// A new span's id.
pub(crate) fn span_id() -> [u8; 8] {
    let random = Uuid::new_v4();
    let [a, b, c, d, .., e, f, g, h] = *random.as_bytes();
    [a, b, c, d, e, f, g, h | 1]
}

/// Whether a trace with the id of a call is in the share. The last four bytes of such an id are random; before them it counts.
fn within(trace: &[u8; 16], share: f64) -> bool {
    let [.., a, b, c, d] = *trace;
    f64::from(u32::from_be_bytes([a, b, c, d])) < share * (1_u64 << 32) as f64
}

/// Trace, parent, and whether it is sampled.
fn parse(text: &str) -> Option<([u8; 16], [u8; 8], bool)> {
    let mut parts = text.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let more = parts.next().is_some();
    // A later version may say more; the first may not.
    if version == "ff" || (version == "00" && more) || version.len() != 2 || flags.len() != 2 {
        return None;
    }
    let hex = |text: &str, digits: usize| {
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == digits && lower).then(|| u128::from_str_radix(text, 16).ok()).flatten()
    };
    hex(version, 2)?;
    let trace = hex(trace, 32).filter(|id| *id != 0)?.to_be_bytes();
    let parent = (hex(parent, 16).filter(|id| *id != 0)? as u64).to_be_bytes();
    Some((trace, parent, hex(flags, 2)? & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_of_the_client_goes_on_and_its_word_on_sampling_counts() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static(PARENT));
        headers.insert("tracestate", HeaderValue::from_static("a=1"));
        let context = Context::of(&headers, Uuid::now_v7(), 0.0);
        assert!(context.sampled && context.state == "a=1");
        assert_eq!(context.parent.map(u64::from_be_bytes), Some(0xb7ad_6b71_6920_3331));
        let own = context.header([1; 8]).unwrap();
        assert_eq!(own, "00-0af7651916cd43dd8448eb211c80319c-0101010101010101-01");
        let unsampled = PARENT.replace("-01", "-00");
        headers.insert("traceparent", HeaderValue::from_str(&unsampled).unwrap());
        assert!(!Context::of(&headers, Uuid::now_v7(), 1.0).sampled);
    }

    #[test]
    fn what_is_no_trace_context_is_ignored() {
        for wrong in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert!(parse(&PARENT.replacen("00", "cc", 1).replace("-01", "-01-more")).is_some());
    }

    #[test]
    fn the_share_that_is_kept_is_about_what_was_asked_for() {
        let kept = (0..10_000).filter(|_| within(Uuid::now_v7().as_bytes(), 0.25)).count();
        assert!((2_200..2_800).contains(&kept), "{kept}");
        assert!(within(&[255; 16], 1.0) && !within(&[0; 16], 0.0));
    }
}
