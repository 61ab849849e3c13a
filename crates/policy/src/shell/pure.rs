//! Commands whose output is known from their arguments and input: `echo`, `printf`, `cat`, decoders, letter shuffling. Followed because
//! a hidden command is made of these. Anything else has output that is not known.

use std::collections::HashMap;

use super::decode;
use super::path::UNKNOWN;
use super::reader::Stream;
use super::word::Word;

/// A command as it is looked at here.
struct Look<'a> {
    args: &'a [Word],
    operands: Vec<&'a Word>,
    stdin: &'a Stream,
    /// The text that it works on: of its last file, where that is known, or of its input.
    input: Option<String>,
}

impl Look<'_> {
    fn has(&self, text: &str) -> bool {
        self.args.iter().any(|arg| arg.text == text)
    }

    fn flag(&self, letter: char) -> bool {
        let short = |text: &str| text.len() < 6 && text.starts_with('-') && text[1..].contains(letter);
        self.args.iter().any(|arg| short(&arg.text))
    }

    fn first(&self) -> Option<String> {
        self.operands.first().map(|word| word.text.clone())
    }
}

/// What the command writes, as far as it is known.
pub(super) fn output(name: &str, args: &[Word], stdin: &Stream, files: &HashMap<String, String>) -> Stream {
    match name {
        "echo" => return echo(args),
        "printf" => return printf(args),
        "true" | ":" | "sleep" | "cd" | "export" | "test" | "[" | "mkdir" | "touch" | "rm" => {
            return Stream::silent();
        }
        _ => {}
    }
    let operands: Vec<&Word> =
        args.iter().filter(|arg| !arg.text.starts_with('-') || arg.text == "-").collect();
    let input = match operands.last().and_then(|word| files.get(&word.text)) {
        Some(text) => Some(text.clone()),
        None if operands.iter().all(|word| word.text == "-") => stdin.text.clone(),
        None => None,
    };
    let look = Look { args, operands, stdin, input };
    passed(name, &look).or_else(|| decoder(name, &look)).or_else(|| told(name, &look)).unwrap_or_default()
}

/// Programs that pass on what they get.
fn passed(name: &str, look: &Look<'_>) -> Option<Stream> {
    let text = match name {
        "tee" => look.stdin.text.clone(),
        "cat" | "buffer" | "pv" | "sponge" | "head" | "tail" | "sort" | "uniq" | "strings" | "fmt" => {
            look.input.clone()
        }
        "sed" | "awk" | "cut" | "grep" => None,
        _ => return None,
    };
    let turned = name == "sed" && look.stdin.text.is_some();
    let decoded = look.stdin.decoded || turned;
    Some(Stream { text, decoded, items: look.stdin.items.clone(), ..Stream::default() })
}

/// Programs that take text out of an encoding.
fn decoder(name: &str, look: &Look<'_>) -> Option<Stream> {
    let stdin = look.stdin.text.as_ref();
    let input = look.input.as_ref();
    let decodes = look.flag('d') || look.flag('D') || look.has("--decode") || look.has("--decompress");
    let text = match name {
        "base64" | "gbase64" if decodes => input.and_then(|text| decode::base64(text)),
        "base32" if decodes => input.and_then(|text| decode::base32(text)),
        "openssl" if look.flag('d') && (look.has("base64") || look.has("enc")) => {
            stdin.and_then(|text| decode::base64(text))
        }
        "xxd" if look.flag('r') => stdin.and_then(|text| decode::hex(text)),
        "gzip" | "xz" | "zstd" | "lz4" | "basenc" | "bzip2" | "brotli" if decodes => None,
        "uudecode" | "b64decode" | "gunzip" | "zcat" | "bunzip2" | "bzcat" | "unxz" | "xzcat" | "zstdcat" => {
            None
        }
        "gpg" | "gpg2" if look.flag('d') || look.has("--decrypt") => None,
        "rev" => input.map(|text| {
            let lines = text.lines().map(|line| line.chars().rev().collect::<String>());
            lines.collect::<Vec<_>>().join("\n")
        }),
        "tac" => input.map(|text| text.lines().rev().collect::<Vec<_>>().join("\n")),
        "rot13" => stdin.map(|text| decode::tr(text, "A-Za-z", "N-ZA-Mn-za-m", false)),
        "tr" => {
            let text = match (stdin, look.operands.first(), look.operands.get(1)) {
                (Some(text), Some(from), Some(to)) => Some(decode::tr(text, &from.text, &to.text, false)),
                (Some(text), Some(from), None) if look.flag('d') => {
                    Some(decode::tr(text, &from.text, "", true))
                }
                _ => None,
            };
            return Some(Stream { text, decoded: stdin.is_some(), ..Stream::default() });
        }
        _ => return None,
    };
    Some(Stream { text, decoded: true, ..Stream::default() })
}

/// Programs that tell where something is.
fn told(name: &str, look: &Look<'_>) -> Option<Stream> {
    let text = match name {
        "pwd" => Some(".\n".to_owned()),
        "git" if look.has("--show-toplevel") => Some(".\n".to_owned()),
        "mktemp" => Some(format!("/tmp/{UNKNOWN}\n")),
        "which" | "command" | "type" if look.operands.len() == 1 => look.first(),
        "basename" => look.first().map(|text| text.rsplit('/').next().unwrap_or("").to_owned()),
        "dirname" => look.first().map(|text| match text.rsplit_once('/') {
            Some(("", _)) => "/".to_owned(),
            Some((dir, _)) => dir.to_owned(),
            None => ".".to_owned(),
        }),
        "realpath" | "readlink" => look.operands.last().map(|word| word.text.clone()),
        "ls" | "locate" | "exa" | "eza" => {
            let items = look.operands.iter().map(|word| word.text.clone()).collect();
            return Some(Stream { items, ..Stream::default() });
        }
        _ => return None,
    };
    Some(Stream { text, ..Stream::default() })
}

fn echo(args: &[Word]) -> Stream {
    let switches = args.iter().take_while(|arg| {
        arg.text.len() > 1 && arg.text.starts_with('-') && arg.text[1..].chars().all(|c| "neE".contains(c))
    });
    let count = switches.clone().count();
    let (mut newline, mut escapes) = (true, false);
    for switch in switches {
        newline &= !switch.text.contains('n');
        escapes |= switch.text.contains('e');
    }
    let words: Vec<&str> = args[count..].iter().map(|arg| arg.text.as_str()).collect();
    let mut text = words.join(" ");
    let hidden = text.contains("\\x") || text.contains("\\0");
    if escapes || hidden {
        text = decode::escapes(&text, false);
    }
    if newline {
        text.push('\n');
    }
    // A part that is not known stays a mark; all of it unknown is no text.
    let known = !text.trim().chars().all(|c| c == UNKNOWN) || text.trim().is_empty();
    Stream { text: known.then_some(text), decoded: hidden, ..Stream::default() }
}

/// Output beyond this is cut; a command this long is not read anyway.
const MOST: usize = 1 << 17;

fn printf(args: &[Word]) -> Stream {
    let args: &[Word] = match args.first().map(|arg| arg.text.as_str()) {
        Some("--") => &args[1..],
        _ => args,
    };
    let Some(format) = args.first() else { return Stream::silent() };
    let hidden = args
        .iter()
        .any(|arg| arg.text.contains("\\x") || arg.text.contains("\\0") || arg.text.contains("\\1"));
    let format = decode::escapes(&format.text, false);
    let mut values = args[1..].iter();
    let mut text = String::new();
    loop {
        let before = values.len();
        let mut letters = format.chars();
        while let Some(c) = letters.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            let kind = letters.find(|c| c.is_ascii_alphabetic() || *c == '%');
            let value = || String::new();
            match kind {
                Some('%') => text.push('%'),
                Some('b') => text
                    .push_str(&decode::escapes(&values.next().map_or_else(value, |v| v.text.clone()), false)),
                Some('c') => text.extend(values.next().and_then(|v| v.text.chars().next())),
                Some(_) => text.push_str(&values.next().map_or_else(value, |v| v.text.clone())),
                None => {}
            }
        }
        if values.len() == 0 || values.len() == before || text.len() > MOST {
            break;
        }
    }
    let known = !text.trim().chars().all(|c| c == UNKNOWN) || text.trim().is_empty();
    Stream { text: known.then_some(text), decoded: hidden, ..Stream::default() }
}
