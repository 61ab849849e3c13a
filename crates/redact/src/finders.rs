//! Secrets whose shape a pattern says badly: key blocks, addresses with a user, JSON web tokens, header lines, cookies.
//!
//! Each function gets a window and the place of the word in it, and says where the secret is.

use std::ops::Range;

use crate::rule::begins;
use crate::value;

/// No block of a key is longer.
pub(crate) const BLOCK_MAX: usize = 16 * 1024;

/// From `-----BEGIN … PRIVATE KEY-----` to its end, whatever stands for the line breaks; if there is no end, as far as it
/// looks like a key.
pub(crate) fn pem(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let rest = &text[word.start..];
    let header = rest.iter().take(80).skip(11).position(|byte| *byte == b'\n' || *byte == b'\\');
    let header = &rest[..header.map_or(rest.len().min(80), |at| at + 11)];
    let label = memchr::memmem::find(header, b"PRIVATE KEY")? + "PRIVATE KEY".len();
    if let Some(end) = memchr::memmem::find(&rest[label..], b"-----END") {
        let tail = &rest[label + end + 8..];
        let close = memchr::memmem::find(&tail[..tail.len().min(64)], b"-----").map_or(0, |at| at + 5);
        return Some(word.start..word.start + label + end + 8 + close);
    }
    let body = rest[label..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=-\\ \r\n\t,:".contains(byte))
        .count();
    (body >= 32).then_some(word.start..word.start + label + body)
}

/// The lines after `Private-Lines: n` of a key of `PuTTY`.
pub(crate) fn putty(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let rest = &text[word.end..];
    let body =
        rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/= \r\n\\".contains(byte)).count();
    let skip = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b' ').count();
    let mut end = body;
    // The word after the block is the next header's name.
    if let Some(last) = rest[..body].iter().rposition(|byte| *byte == b'\n') {
        end = last;
    }
    (end >= skip + 32).then_some(word.end + skip..word.end + end)
}

/// The password in `scheme://user:password@host`.
pub(crate) fn userinfo(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let scheme = text[..word.start].last()?;
    if !scheme.is_ascii_alphanumeric() {
        return None;
    }
    let rest = &text[word.end..];
    let ends = |byte: &u8| *byte <= b' ' || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b'|');
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    let colon = memchr::memchr2(b':', b'/', &rest[..length]).filter(|at| rest[*at] == b':')?;
    let at = userinfo_end(&rest[colon + 1..length])? + colon + 1;
    let secret = &rest[colon + 1..at];
    let reference = value::is_placeholder(secret) && !matches!(secret, b"secret" | b"password" | b"pass");
    let code = secret[0] == b'{'
        || secret.contains(&b'(')
        || secret.starts_with(b"$") && secret.len() > 1 && !secret[1..].contains(&b'$');
    (!reference && !code && secret.len() >= 3).then_some(word.end + colon + 1..word.end + at)
}

/// The value of a parameter in the query of an address whose name ends in `word`.
pub(crate) fn query(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let head = text[..word.start].iter().rev().take(40).take_while(name).count();
    let mark = text[..word.start - head].last()?;
    if !matches!(mark, b'?' | b'&') {
        return None;
    }
    let ends = |byte: &u8| *byte <= b' ' || b"?&#\"'<>\\`;,(){}$|*".contains(byte) || *byte >= 0x7F;
    let rest = &text[word.end..];
    let length = rest.iter().take(400).position(ends).unwrap_or(rest.len().min(400));
    let secret = &rest[..length];
    let mix = value::Mix::of(secret);
    let good =
        length >= 8 && mix.letters() > 0 && value::entropy(secret) >= 2.8 && !value::is_placeholder(secret);
    (good && (mix.digits > 0 || mix.upper > 1)).then_some(word.end..word.end + length)
}

/// Where the `@` before the host is: the last one before the path, since passwords may hold some.
fn userinfo_end(text: &[u8]) -> Option<usize> {
    let path = text.iter().position(|byte| matches!(byte, b'/' | b'?' | b','));
    let at = memchr::memrchr(b'@', &text[..path.unwrap_or(text.len())])?;
    let host = text.get(at + 1)?;
    (at > 0 && (host.is_ascii_alphanumeric() || matches!(host, b'[' | b'%' | b'*' | b'$' | b'{')))
        .then_some(at)
}

/// Three parts of base64url, the first of which is the beginning of a JSON object.
pub(crate) fn jwt(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    if !begins(text, word.start) || text[..word.start].ends_with(b"-") {
        return None;
    }
    let part = |from: usize| {
        text[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            .count()
    };
    let header = part(word.start);
    let mut at = word.start + header;
    if header < 16 || text.get(at) != Some(&b'.') {
        return None;
    }
    let payload = part(at + 1);
    at += 1 + payload;
    if payload < 12 {
        return None;
    }
    let mut parts = 2;
    while parts < 5 && text.get(at) == Some(&b'.') {
        let more = part(at + 1);
        at += if more > 0 { 1 + more } else { 0 };
        parts += 1;
    }
    Some(word.start..at)
}

/// The credential after `Authorization:` or in a `Bearer …`, without its scheme.
pub(crate) fn authorization(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let mut at = word.end;
    let skip =
        |at: usize, set: &[u8]| text[at..].iter().take(8).take_while(|byte| set.contains(byte)).count();
    let gap = skip(at, b"\"'\\]:=, \t");
    if !text[at..at + gap].iter().any(|byte| matches!(byte, b':' | b'=' | b',')) {
        return None;
    }
    at += gap + skip(at + gap, b"\"'`\\");
    let scheme = scheme(&text[at..]);
    at += scheme;
    let length = credential(&text[at..]);
    let secret = &text[at..at + length];
    let good = if scheme > 0 { length >= 6 } else { length >= 16 && value::is_random(secret, 16) };
    let code = matches!(text.get(at + length), Some(b'(' | b'[' | b'{')) || secret.starts_with(b"process.");
    (good && !code && !value::is_placeholder(secret) && !value::is_words(secret)).then_some(at..at + length)
}

/// `Bearer x`, where `x` was made by a machine.
pub(crate) fn bearer(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    if !begins(text, word.start) {
        return None;
    }
    let mut at = word.end;
    at += text[at..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b':')).count();
    let length = credential(&text[at..]);
    let secret = &text[at..at + length];
    (at > word.end && length >= 12 && !value::is_placeholder(secret) && value::is_random(secret, 12))
        .then_some(at..at + length)
}

/// The length of a scheme and the blank after it.
pub(crate) fn scheme(text: &[u8]) -> usize {
    const SCHEMES: [&str; 9] =
        ["basic", "bearer", "token", "bot", "ssws", "apikey", "negotiate", "digest", "aws4-hmac-sha256"];
    let word = text.iter().take(20).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let known = SCHEMES.iter().any(|scheme| text[..word].eq_ignore_ascii_case(scheme.as_bytes()));
    if known && text.get(word) == Some(&b' ') { word + 1 } else { 0 }
}

fn credential(text: &[u8]) -> usize {
    text.iter()
        .take(4096)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=!|:%".contains(byte))
        .count()
}

/// The rest of a `Cookie:` or `Set-Cookie:` line.
pub(crate) fn cookie(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let line = text[..word.start]
        .iter()
        .rev()
        .take(24)
        .take_while(|byte| !matches!(byte, b'\n' | b'"' | b'\''))
        .count();
    let before = text[word.start - line..word.start].trim_ascii();
    if !matches!(before, b"" | b"<" | b">" | b"-H" | b"*") && !before.ends_with(b"\\n") {
        return None;
    }
    let rest = &text[word.end..];
    let start =
        rest.iter().take(8).take_while(|byte| matches!(byte, b'"' | b'\'' | b':' | b' ' | b'\\')).count();
    if !rest[..start].contains(&b':') {
        return None;
    }
    let length =
        rest[start..].iter().take_while(|byte| !matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'\\')).count();
    let line = rest[start..start + length].trim_ascii_end();
    let jar = memchr::memchr(b'=', line).is_some() && line.len() >= 8 && !value::is_placeholder(line);
    jar.then_some(word.end + start..word.end + start + line.len())
}

/// The last field of a line `host:port:database:user:password`.
pub(crate) fn pgpass(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let line = text[..word.start].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let host = &text[line..word.start];
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'*');
    let end = text[word.end..].iter().position(|byte| *byte <= b' ').map_or(text.len(), |at| word.end + at);
    let fields: Vec<&[u8]> = text[word.end..end].splitn(3, |byte| *byte == b':').collect();
    let [_, user, secret] = fields[..] else { return None };
    let whole = !host.is_empty() && host.iter().all(name) && !user.is_empty() && secret.len() >= 4;
    (whole && !secret.contains(&b'/')).then_some(end - secret.len()..end)
}

/// `root:$6$…` and other words of crypt(3): the hash, from its first dollar.
pub(crate) fn crypt(text: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let rest = &text[word.start..];
    let kerberos = rest.starts_with(b"$krb5");
    let length = rest
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || b"$./=+,-_".contains(byte) || (kerberos && b"@:*".contains(byte))
        })
        .count();
    let hash = &rest[..length];
    let fields: Vec<&[u8]> = hash.split(|byte| *byte == b'$').skip(1).collect();
    let last = fields.last().filter(|_| fields.len() >= 3)?;
    (last.len() >= 22 || last.len() >= 20 && fields.len() >= 4).then_some(word.start..word.start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        find: fn(&[u8], Range<usize>) -> Option<Range<usize>>,
        text: &str,
        word: &str,
    ) -> Option<String> {
        let at = text.find(word).unwrap();
        find(text.as_bytes(), at..at + word.len()).map(|range| text[range].to_owned())
    }

    #[test]
    fn a_password_in_an_address_may_hold_signs_of_addresses() {
        for (text, secret) in [
            ("mongodb+srv://a:bria@pass135!@b.net/test", Some("bria@pass135!")),
            ("postgres://a:Pseg2020@h:5439/db", Some("Pseg2020")),
            ("https://user@example.com:password!#@498@github.com", Some("password!#@498")),
            ("https://example.com:8080/a@b", None),
            ("http://localhost:8080/x?mail=a@b.c", None),
            ("postgres://{user}:{password}@{host}/x", None),
            ("postgres://u:$PASSWORD@h/x", None),
        ] {
            assert_eq!(found(userinfo, text, "://").as_deref(), secret, "{text}");
        }
    }

    #[test]
    fn a_key_block_without_an_end_is_masked_as_far_as_it_goes() {
        let head = concat!("-----BEGIN RSA ", "PRIVATE KEY-----");
        let text = format!("{head}\\nMIIEogIBAAKCAQEAjosMtDUqbE1/8zxZac1t8fkh2SxG\\nuMXHk9yx");
        assert_eq!(found(pem, &text, "-----BEGIN"), Some(text.clone()));
        assert_eq!(found(pem, "-----BEGIN PUBLIC KEY-----\nMIIE", "-----BEGIN"), None);
    }
}
