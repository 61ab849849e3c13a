//! What can go wrong upstream and what a client is to get then: the table that `matrix` tries and `docs/failures.md`
//! shows. Adding a scenario is one entry here.

use crate::shapes::Answer;

/// What a client is to get.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// A complete answer that fulfils this.
    Answer(fn(&Answer) -> bool),
    /// The same, or an error where the client's dialect has no place for it.
    AnswerOrError(fn(&Answer) -> bool),
    /// An error event inside an answer that had begun.
    Event,
    /// An error with one of these statuses instead of an answer.
    Status(&'static [u16]),
}

/// A thing that goes wrong.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What a reader of the documentation is told about it.
    pub(crate) about: &'static str,
    /// The rule of the upstream (YAML after `- `): for whole answers and for streams.
    pub(crate) whole: Case,
    pub(crate) stream: Case,
}

#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) rule: &'static str,
    pub(crate) expect: Expect,
    /// Requests that the provider sees.
    pub(crate) requests: usize,
}

const TEXT: &str = "Grüße aus Zürich – 你好 🌍 and a sentence that is long enough to be cut in many places.";

pub(crate) const SAYS: &str = "{answer: {chunk: 4, blocks: [{text: 'Grüße aus Zürich – 你好 🌍 and a sentence that is long enough to be cut in many places.'}]}, chaos: CHAOS}";
const CALLS: &str =
    "{answer: {chunk: 4, blocks: [{tool_call: {name: get_weather, args: {city: Paris}}}]}, chaos: CHAOS}";

fn says_all(answer: &Answer) -> bool {
    answer.text == TEXT && answer.calls.is_empty()
}

fn calls_once(answer: &Answer) -> bool {
    answer.calls == [("get_weather".to_owned(), serde_json::json!({"city": "Paris"}))]
}

fn calls(answer: &Answer) -> bool {
    !answer.calls.is_empty() && answer.calls.iter().all(|call| call.1 == serde_json::json!({"city": "Paris"}))
}

fn says_nothing(answer: &Answer) -> bool {
    answer.text.is_empty() && answer.calls.is_empty()
}

fn is_huge(answer: &Answer) -> bool {
    answer.text.len() > 1024 * 1024
}

/// What the model really wrote.
const GARBLED: &str = "{\"city\": \"Par";

/// Broken arguments arrive as the model wrote them, never as an empty object. Gemini has a word for them.
fn calls_as_written(answer: &Answer) -> bool {
    (answer.calls.is_empty() && answer.stop == "MALFORMED_FUNCTION_CALL")
        || answer.calls == [("get_weather".to_owned(), serde_json::json!(GARBLED))]
}

const fn case(rule: &'static str, expect: Expect, requests: usize) -> Case {
    Case { rule, expect, requests }
}

const TRIED_TWICE: usize = 2;

/// One case for both layouts.
const fn both(name: &'static str, about: &'static str, case: Case) -> Scenario {
    Scenario { name, about, whole: case, stream: case }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    both(
        "connection refused or reset",
        "no byte of an answer came: tried once more, then 502",
        case("{chaos: {refused: true}}", Expect::Status(&[502]), TRIED_TWICE),
    ),
    both(
        "host name that does not resolve",
        "nobody to ask: tried once more, then 502",
        case("dns", Expect::Status(&[502]), 0),
    ),
    both(
        "TLS handshake that fails",
        "`https` at a port that does not speak it: tried once more, then 502; nothing is sent in the clear",
        case("tls", Expect::Status(&[502]), 0),
    ),
    both(
        "slow first byte",
        "`timeouts.first_byte_ms` passed: 504, not tried again, since the work may go on over there",
        case("says {first_byte_delay_ms: 60000}", Expect::Status(&[504]), 1),
    ),
    Scenario {
        name: "stall in the middle",
        about: "`timeouts.idle_ms` passed inside an answer",
        whole: case("says {split_bytes: 40, split_delay_ms: 60000}", Expect::Status(&[504]), 1),
        stream: case("says {stall_after_events: 5}", Expect::Event, 1),
    },
    Scenario {
        name: "reset in the middle",
        about: "the connection broke inside an answer; a whole answer is tried again, since the client has seen nothing of it",
        whole: case("says {reset_after_bytes: 60}", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("says {reset_after_events: 5}", Expect::Event, 1),
    },
    Scenario {
        name: "clean end without the terminal event",
        about: "a cut answer is never passed off as a complete one",
        whole: case("says {malformed_after_events: 1}", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("says {close_after_events: 5}", Expect::Event, 1),
    },
    both(
        "429 without Retry-After",
        "tried once more after a short wait, then passed on",
        case("{error: {status: 429}}", Expect::Status(&[429]), TRIED_TWICE),
    ),
    both(
        "429 with a short Retry-After",
        "tried once more after that wait",
        case("{error: {status: 429, retry_after: '0'}}", Expect::Status(&[429]), TRIED_TWICE),
    ),
    both(
        "429 with a long Retry-After",
        "longer than `retry.max_wait_ms`: not tried again, the client is told",
        case("{error: {status: 429, retry_after: '30'}}", Expect::Status(&[429]), 1),
    ),
    both(
        "429 with a Retry-After in the past",
        "a date by a clock that differs or has jumped: as if it said now",
        case(
            "{error: {status: 429, retry_after: 'Wed, 21 Oct 2015 07:28:00 GMT'}}",
            Expect::Status(&[429]),
            TRIED_TWICE,
        ),
    ),
    both(
        "429 with a Retry-After in a far future",
        "the same for a clock that went back: not tried again",
        case(
            "{error: {status: 429, retry_after: 'Fri, 31 Dec 2100 23:59:59 GMT'}}",
            Expect::Status(&[429]),
            1,
        ),
    ),
    both(
        "500",
        "tried once more, then passed on",
        case("{error: {status: 500}}", Expect::Status(&[500]), TRIED_TWICE),
    ),
    both(
        "529",
        "tried once more, then passed on",
        case("{error: {status: 529}}", Expect::Status(&[529]), TRIED_TWICE),
    ),
    both(
        "400",
        "the request is at fault: never tried again",
        case("{error: {status: 400}}", Expect::Status(&[400]), 1),
    ),
    both(
        "recovers after a 529",
        "the second try answers: the client sees nothing of the first",
        case("recovers", Expect::Answer(says_all), TRIED_TWICE),
    ),
    both(
        "HTML error page",
        "an error of the client's dialect, never the page",
        case("{error: {status: 502, html: true}}", Expect::Status(&[502]), TRIED_TWICE),
    ),
    Scenario {
        name: "malformed JSON",
        about: "half a body, or a frame that is no JSON",
        whole: case("says {malformed_after_events: 0}", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("says {malformed_after_events: 5}", Expect::Event, 1),
    },
    both(
        "split UTF-8",
        "characters cut between two packets arrive whole",
        case("says {split_utf8: true, split_delay_ms: 1}", Expect::Answer(says_all), 1),
    ),
    both(
        "error as the first thing in a 200",
        "tried once more, then a real status",
        case("says {error_after_events: 0}", Expect::Status(&[500, 502, 503, 529]), TRIED_TWICE),
    ),
    Scenario {
        name: "error in the middle of a 200",
        about: "exactly one error event, nothing after it",
        whole: case("says {error_after_events: 5}", Expect::Status(&[500, 502, 503, 529]), TRIED_TWICE),
        stream: case("says {error_after_events: 5}", Expect::Event, 1),
    },
    both(
        "missing tool call",
        "announced, but not there: a complete answer without one",
        case("calls {missing_tool_call: true}", Expect::Answer(says_nothing), 1),
    ),
    both(
        "duplicate tool call",
        "passed as it came in the same dialect; every call has its arguments",
        case("calls {duplicate_tool_call: true}", Expect::Answer(calls), 1),
    ),
    Scenario {
        name: "invalid tool arguments",
        about: "no JSON: as the model wrote them, or Gemini's `MALFORMED_FUNCTION_CALL`; an error where only an object can be said (Ollama; whole: after another try). Never `{}`",
        whole: case("garbles whole", Expect::AnswerOrError(calls_as_written), 1),
        stream: case("garbles", Expect::AnswerOrError(calls_as_written), 1),
    },
    both(
        "wrong finish reason",
        "`stop` although there is a tool call: the call arrives",
        case("calls {finish_stop: true}", Expect::Answer(calls_once), 1),
    ),
    both(
        "empty answer",
        "complete, with nothing in it",
        case("says {empty: true}", Expect::Answer(says_nothing), 1),
    ),
    both(
        "huge answer",
        "a megabyte and more arrives whole (tried in each dialect by itself and before Anthropic)",
        case("huge", Expect::Answer(is_huge), 1),
    ),
    Scenario {
        name: "answer without end",
        about: "whole: given up at 32 MiB, tried once more, then 502 (tried as the huge one); stream: until `timeouts.total_ms`",
        whole: case("flood", Expect::Status(&[502]), TRIED_TWICE),
        stream: case("forever", Expect::Event, 1),
    },
];

pub(crate) fn script(rule: &str) -> String {
    let rule = match rule.split_once(' ') {
        Some(("says", chaos)) => SAYS.replace("CHAOS", chaos),
        Some(("calls", chaos)) => CALLS.replace("CHAOS", chaos),
        _ if rule == "flood" => SAYS.replace("CHAOS", "{endless_after_events: 0}"),
        _ if rule == "forever" => SAYS.replace("CHAOS", "{endless_after_events: 5, endless_ms: 20}"),
        _ if rule.starts_with("garbles") => format!(
            "{{answer: {{chunk: 4, blocks: [{{tool_call: {{name: get_weather, args_text: '{GARBLED}'}}}}]}}}}"
        ),
        _ if matches!(rule, "dns" | "tls") => "{}".to_owned(),
        _ if rule == "huge" => "{answer: {chunk: 2000, blocks: [{text: x}]}, chaos: {huge_mb: 1}}".to_owned(),
        _ => rule.to_owned(),
    };
    format!("rules:\n  - {rule}\n")
}
