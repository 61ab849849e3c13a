//! Is this text a secret, or does it only stand where one would: placeholders, references, words, numbers.

use std::ops::Range;

/// Bits per byte by how often each byte occurs.
pub(crate) fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = text.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// What a text is made of.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mix {
    pub(crate) digits: usize,
    pub(crate) lower: usize,
    pub(crate) other: usize,
    pub(crate) spaces: usize,
    pub(crate) upper: usize,
}

impl Mix {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut mix = Self::default();
        for byte in text {
            match byte {
                b'0'..=b'9' => mix.digits += 1,
                b'A'..=b'Z' => mix.upper += 1,
                b'a'..=b'z' => mix.lower += 1,
                b' ' | b'\t' => mix.spaces += 1,
                _ => mix.other += 1,
            }
        }
        mix
    }

    pub(crate) fn letters(self) -> usize {
        self.lower + self.upper
    }
}

/// True for what a generator made: letters and digits mixed, few of them twice.
pub(crate) fn is_random(text: &[u8], least: usize) -> bool {
    let mix = Mix::of(text);
    let hex = text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let bar = if hex { 2.6 } else { 3.0 };
    text.len() >= least
        && mix.spaces == 0
        && mix.letters() >= 2
        && (mix.digits >= 2 || (mix.digits >= 1 && text.len() >= 20) || mixed_case(text))
        && entropy(text) >= bar
}

/// Capital letters where no word begins: `aXbYkQ`, not `sampleKeyName`.
fn mixed_case(text: &[u8]) -> bool {
    let mix = Mix::of(text);
    let turns =
        text.windows(2).filter(|two| two[0].is_ascii_uppercase() && two[1].is_ascii_uppercase()).count();
    text.len() >= 20 && mix.upper >= 5 && mix.lower >= 5 && turns >= 2
}

/// True for what documents use in the place of a key.
pub(crate) fn is_example(text: &[u8]) -> bool {
    let ends =
        |end: &[u8]| text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end);
    let longest = text.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0);
    ends(b"EXAMPLE") || ends(b"EXAMPLEKEY") || (longest >= 8 && longest * 2 > text.len())
}

/// True for what stands where a secret would: `changeme`, `<your key>`, `${VAR}`, `process.env.X`, `****`, a mask.
pub(crate) fn is_placeholder(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let text = match text {
        [b'\'' | b'"', inner @ .., b'\'' | b'"'] => inner,
        text => text,
    };
    let Some(first) = text.first() else { return true };
    if text.iter().all(|byte| byte == first) || memchr::memmem::find(text, "redacted:".as_bytes()).is_some() {
        return true;
    }
    let mut lower = [0_u8; 64];
    let lower = {
        let length = text.len().min(lower.len());
        lower[..length].copy_from_slice(&text[..length]);
        lower[..length].make_ascii_lowercase();
        &lower[..length]
    };
    let has = |part: &str| memchr::memmem::find(lower, part.as_bytes()).is_some();
    EXACT.binary_search_by(|word| word.as_bytes().cmp(lower)).is_ok()
        || STARTS.iter().any(|start| lower.starts_with(start.as_bytes()))
        || (!(text.len() >= 40 && entropy(text) > 4.7) && PARTS.iter().any(|part| has(part)))
        || (matches!(first, b'<' | b'[' | b'{' | b'(' | b'%') && wrapped(text))
        || is_reference(text)
        || is_date_or_number(text)
}

/// `<…>`, `[…]`, `{…}`, `(…)`, `%…%` over all of it.
fn wrapped(text: &[u8]) -> bool {
    let closing = match text[0] {
        b'<' => b'>',
        b'[' => b']',
        b'{' => b'}',
        b'(' => b')',
        same => same,
    };
    text.len() >= 2 && text[text.len() - 1] == closing
}

/// `$VAR`, `$(…)`, `$user.name`: a name of at least two letters, of one case or with an underscore.
fn is_reference(text: &[u8]) -> bool {
    let Some(name) = text.strip_prefix(b"$") else { return false };
    let variable = name.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'_').count();
    if variable >= 4 && name.get(variable) == Some(&b'/') {
        return true;
    }
    match name.first() {
        Some(b'(' | b'{') => true,
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'>' | b'-' | b':')),
        Some(_) | None => false,
    }
}

/// Numbers, times and versions are never secrets, whatever they are called.
fn is_date_or_number(text: &[u8]) -> bool {
    text.iter().all(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-' | b'+' | b':' | b'T' | b'Z' | b'_')
    })
}

/// An id that clients and providers give to messages, calls and requests.
pub(crate) fn is_id(text: &[u8]) -> bool {
    IDS.iter().any(|id| text.starts_with(id.as_bytes()))
}

/// Eight, four, four, four and twelve hex digits.
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A path, a file or an address, by how it begins or ends.
pub(crate) fn is_location(text: &[u8]) -> bool {
    let starts = |start: &str| text.starts_with(start.as_bytes());
    let slashes = memchr::memchr_iter(b'/', text).count();
    starts("./")
        || starts("../")
        || starts("~/")
        || starts("file:")
        || memchr::memmem::find(text, b"://").is_some()
        || (starts("/") && (slashes >= 4 || slashes >= 2 && Mix::of(text).digits * 8 < text.len()))
        || FILES.iter().any(|end| text.ends_with(end.as_bytes()))
}

/// Letters and separators alone, as in `my-secret-name`, `SecretKey`, `session.token`.
pub(crate) fn is_words(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b' ' | b'/' | b':'))
        && !mixed_case(text)
}

/// Widens to whole characters of UTF-8.
pub(crate) fn whole_characters(text: &[u8], range: Range<usize>) -> Range<usize> {
    let within = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let (mut start, mut end) = (range.start, range.end);
    while start > 0 && range.start - start < 3 && within(start) {
        start -= 1;
    }
    while end - range.end < 3 && within(end) {
        end += 1;
    }
    start..end
}

/// In order, for the search.
const EXACT: [&str; 67] = [
    "***",
    "...",
    "abc",
    "abcd",
    "any",
    "api-key",
    "api_key",
    "apikey",
    "auto",
    "bearer",
    "bool",
    "boolean",
    "bytes",
    "changeit",
    "changeme",
    "default",
    "disabled",
    "dummy",
    "empty",
    "enabled",
    "env",
    "example",
    "fake",
    "false",
    "file",
    "foo",
    "hidden",
    "int",
    "key",
    "key-here",
    "missing",
    "mock",
    "n/a",
    "nil",
    "no",
    "none",
    "not-needed",
    "not-set",
    "null",
    "number",
    "off",
    "ollama",
    "on",
    "optional",
    "pass",
    "passwd",
    "password",
    "prompt",
    "pwd",
    "required",
    "sample",
    "secret",
    "self",
    "sensitive",
    "str",
    "string",
    "text",
    "todo",
    "token",
    "true",
    "undefined",
    "unset",
    "unused",
    "value",
    "xxx",
    "yes",
    "yourkey",
];

const STARTS: [&str; 23] = [
    "&lt;",
    "<%",
    "@",
    "arn:aws:",
    "change-me",
    "change_me",
    "change_this",
    "config.",
    "ctx.",
    "enter ",
    "enter_",
    "env.",
    "insert-",
    "insert_",
    "replace",
    "self.",
    "this.",
    "todo",
    "var.",
    "your ",
    "your-",
    "your_",
    "yourpass",
];

const PARTS: [&str; 24] = [
    "#{",
    "${",
    "$(",
    "{{",
    "<your",
    "xxxx",
    "****",
    "....",
    "changeme",
    "process.env",
    "os.environ",
    "getenv",
    "env[",
    "import.meta",
    "secrets.",
    "placeholder",
    "redacted",
    "data.aws",
    "my-api-key",
    "your-api",
    "your_api",
    "_here>",
    "-here",
    "_here",
];

const IDS: [&str; 22] = [
    "toolu_",
    "srvtoolu_",
    "call_",
    "msg_",
    "req_",
    "chatcmpl-",
    "resp_",
    "rs_",
    "fc_",
    "ws_",
    "run_",
    "thread_",
    "asst_",
    "batch_",
    "file-",
    "file_",
    "gen-",
    "cmpl-",
    "item_",
    "session_",
    "sha256:",
    "agent_",
];

const FILES: [&str; 16] = [
    ".py", ".js", ".ts", ".rs", ".go", ".java", ".json", ".yaml", ".yml", ".md", ".txt", ".pem", ".key",
    ".com", ".sh", ".php",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_references_are_no_secrets() {
        let mut sorted = EXACT;
        sorted.sort_unstable();
        assert_eq!(sorted, EXACT);
        for no in [
            "changeme",
            "xxxxxxxx",
            "<your key>",
            "${VAR}",
            "process.env.KEY",
            "$TOKEN",
            "{{ secret }}",
            "%s%",
            "********",
            "your-api-key",
            "12345678",
            "2024-01-01T00:00:00Z",
            "None",
            "«redacted:jwt:00000000»",
            "",
            "os.environ['X']",
        ] {
            assert!(is_placeholder(no.as_bytes()), "{no}");
        }
        for yes in ["hunter22", "open sesame", "p@ssw0rd", "$2y$12$abc", "super$ecret"] {
            assert!(!is_placeholder(yes.as_bytes()), "{yes}");
        }
    }

    #[test]
    fn random_text_is_told_from_words() {
        for yes in ["4ian1234xQ9z", "7a2f9a4289e530bef6dbf31f4cbf63d5", "aGVsbG8gd29ybGQhIQ1"] {
            assert!(is_random(yes.as_bytes(), 8), "{yes}");
        }
        for no in ["my-secret-name", "sampleHerokuKey", "aaaaaaaa11", "token"] {
            assert!(!is_random(no.as_bytes(), 8), "{no}");
        }
        assert!(is_words(b"session.token") && !is_words(b"abc1"));
    }
}
