//! What must come through untouched, and JSON that stays JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lockgate_redact::Level;
use serde_json::{Value, json};

use crate::{at, hex, random, redactor};

/// 003-5: numbers and token counts keep their values; ids, hashes and what only a provider can read stay byte for byte.
#[test]
fn nothing_that_is_no_secret_changes() {
    let noise: Vec<u8> = (0..9000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (image, signature) = (STANDARD.encode(&noise), STANDARD.encode(&noise[100..700]));
    let cipher = URL_SAFE_NO_PAD.encode(&noise[300..2000]);
    let body = json!({
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy", "model": "claude-opus-4-20250514",
        "previous_response_id": format!("resp_{}", hex(3, 48)), "system_fingerprint": "fp_44709d6fcb", "created": 1_741_570_283,
        "metadata": {"user_id": format!("user_{}_account__session_7581b58b-1234-4c5e-9e1a-2f3b4c5d6e7f", hex(5, 64))},
        "content": [
            {"type": "thinking", "thinking": "let me see", "signature": signature},
            {"type": "redacted_thinking", "data": cipher},
            {"type": "reasoning", "id": format!("rs_{}", hex(6, 48)), "encrypted_content": format!("gAAAA{cipher}")},
            {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "Bash", "input": {"command": "git log -1"}},
            {"type": "function_call", "call_id": "call_9f8e7d6c5b4a", "name": "f", "arguments": "{\"path\":\"src/token.rs\"}"},
            {"functionCall": {"name": "f"}, "thoughtSignature": signature},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{image}")}},
            {"inlineData": {"mimeType": "application/pdf", "data": image}},
            {"type": "text", "text": format!("commit {}\nuuid 123e4567-e89b-12d3-a456-426614174000\nsha256:{}", hex(7, 40), hex(8, 64))},
            {"type": "text", "text": "fn token(&self) -> Token { self.tokens.next().expect(\"token\") }\npassword = getpass.getpass()\n"}
        ],
        "usage": {"input_tokens": 2095, "output_tokens": 503, "prompt_tokens": 12, "cache_read_input_tokens": 0, "total_tokens": 2598.5},
        "max_tokens": 32000, "stop_reason": "tool_use", "next_page_token": random(9, 40), "service_tier": "standard"
    })
    .to_string();
    for level in [Level::Record, Level::Prompt] {
        let redactor = at(level, &[]);
        let masked = redactor.redact_bytes(body.as_bytes());
        assert_eq!(String::from_utf8_lossy(&masked), body);
        assert!(matches!(masked, Cow::Borrowed(_)), "untouched bytes are not copied");
        let event = format!("event: message_delta\nid: 7\ndata: {body}\n\n: ping\n\ndata: [DONE]\n\n");
        assert_eq!(String::from_utf8_lossy(&redactor.redact_bytes(event.as_bytes())), event);
    }
}

#[test]
fn a_known_secret_is_masked_even_where_nothing_else_is() {
    let redactor = redactor(&[("mine", "abcdefgh12345678")]);
    let body =
        json!({"signature": format!("{}abcdefgh12345678{}", random(1, 80), random(2, 80))}).to_string();
    let masked = String::from_utf8(redactor.redact_bytes(body.as_bytes()).into_owned()).unwrap();
    assert!(masked.contains("«redacted:mine:") && !masked.contains("abcdefgh12345678"), "{masked}");
}

#[test]
fn a_member_is_masked_for_its_name_and_its_brothers_stay() {
    let redactor = redactor(&[]);
    let body = r#"{ "user":"root", "password" : "hunter22","port":22, "pass\u0077ord":"swordfish\u00211", "n":1.50,
        "env":[{"name":"DB_PASSWORD","value":"tr0ub4dor"},{"name":"MODE","value":"production"}],
        "auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwYXNzd29yZDEyMw=="}},
        "private_key":"-----BEGIN PRIV_KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQEF\nAASCBKgwggSkAgEA\n-----END PRIV_KEY-----\n"}"#
        .replace("PRIV_KEY", "PRIVATE KEY");
    let masked = String::from_utf8(redactor.redact_bytes(body.as_bytes()).into_owned()).unwrap();
    let value: Value = serde_json::from_str(&masked).unwrap();
    for (path, kind) in [
        ("/password", "password"),
        ("/env/0/value", "password"),
        ("/auths/https:~1~1index.docker.io~1v1~1/auth", "auth"),
        ("/private_key", "private-key"),
    ] {
        let found = value.pointer(path).unwrap().as_str().unwrap();
        assert!(found.starts_with(&format!("«redacted:{kind}:")), "{path}: {found}");
    }
    assert!(masked.contains(r#"{ "user":"root", "password" : "«"#) && masked.contains(r#""port":22,"#));
    assert!(masked.contains(r#""n":1.50,"#) && masked.contains(r#"{"name":"MODE","value":"production"}"#));
}

#[test]
fn escapes_inside_of_a_secret_do_not_hide_it() {
    let redactor = redactor(&[]);
    let key = random(5, 48);
    let (head, tail) = key.split_at(20);
    for body in [
        format!(r#"{{"content":"a\nsk-{key}\nb"}}"#),
        format!(r#"{{"content":"\u0073k-{key} b"}}"#),
        format!(r#"{{"content":"{{\"content\":\"a\\nsk-{key}\\nb\"}}"}}"#),
        format!(r#"{{"content":"key \ud83d\ude00 sk-{head}\u00{:02x}{}"}}"#, tail.as_bytes()[0], &tail[1..]),
    ] {
        let masked = String::from_utf8(redactor.redact_bytes(body.as_bytes()).into_owned()).unwrap();
        assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{masked}");
        assert!(
            masked.contains("«redacted:sk-key:") && !masked.contains(&key[30..]),
            "{body} became {masked}"
        );
    }
}

#[test]
fn bytes_that_are_no_utf8_and_cut_json_are_searched_too() {
    let redactor = redactor(&[]);
    let key = format!("gsk_{}", random(5, 52));
    for bytes in [
        [b"\xff\xfe ", key.as_bytes(), b" \x80"].concat(),
        [b"{\"a\":\"\xff ", key.as_bytes(), b" \x80\"}"].concat(),
        [b"{\"a\":[{\"b\":\"", key.as_bytes()].concat(),
        [b"[2026-01-01] INFO key ", key.as_bytes()].concat(),
        [b"data: {\"a\": \"", key.as_bytes(), b"\"}\n\ndata: x ", key.as_bytes()].concat(),
    ] {
        let masked = redactor.redact_bytes(&bytes).into_owned();
        let shown = String::from_utf8_lossy(&masked).into_owned();
        assert!(shown.contains("«redacted:groq-key:") && !shown.contains(&key[20..]), "{shown}");
    }
}

#[test]
fn placeholders_references_and_code_are_no_secrets() {
    let redactor = redactor(&[]);
    for text in [
        "API_KEY=changeme\nPASSWORD=${DB_PASSWORD}\nTOKEN=$TOKEN\nSECRET=<your secret>\n",
        "const key = process.env.API_KEY;\napi_key = os.environ[\"API_KEY\"]\n",
        "password: str = None\ndef login(user, password=None, token=''):\n    self.password = password\n",
        "\"password\": {\"type\": \"string\", \"description\": \"The password of the user\"}",
        "{\"token\": \"string\", \"secret\": \"xxxxxxxxxxxx\", \"api_key\": \"********\"}",
        "Enter password: \nThe password is required. Forgot your password? max_tokens=4096 top_k: 40",
        "if token == expected_token { return secret.len() }",
        "https://example.com:8443/path?token_type=bearer&page=2 user@example.com",
        concat!("AKIA", "IOSFODNN7EXAMPLE wJalrXUtnFEMI", "/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ] {
        assert_eq!(redactor.redact(text), text);
    }
}
