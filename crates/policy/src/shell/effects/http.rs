//! Requests over HTTP by hand: `curl`, `wget`, `httpie`. What is sent and from which file, what is written, which host, and whether the
//! request deletes something in a service.

use super::super::call::Call;
use super::super::fact::{Direction, Fact, Loss};
use super::super::path::{UNKNOWN, shown};
use super::network::host;

const CURL_TAKES: &str = "AbcCdDeEFHhKmoPQrtTuUwxXyYz";

pub(super) fn curl(call: &mut Call<'_>) {
    let mut sends = bodies(call);
    for (letter, name) in [('o', "output"), ('D', "dump-header"), ('c', "cookie-jar")] {
        if let Some(text) = call.text_of(letter, name).filter(|text| *text != "-" && *text != "/dev/null") {
            call.writes(text, false);
        }
    }
    for (letter, name) in [('E', "cert"), (' ', "key"), (' ', "cacert")] {
        for text in call.texts_of(letter, name) {
            call.uses(text);
        }
    }
    let method = call.text_of('X', "request").unwrap_or("").to_ascii_uppercase();
    sends |= matches!(method.as_str(), "POST" | "PUT" | "PATCH");
    // What another command wrote and is now part of a header or of the address goes out, too.
    sends |= call.args.iter().any(|word| !word.from.is_empty());
    let urls: Vec<String> = addresses(call, CURL_TAKES);
    for url in &urls {
        if let Some(file) = url.strip_prefix("file://") {
            call.reads(file, false);
            continue;
        }
        let direction = if sends { Direction::Both } else { Direction::Download };
        call.say(Fact::Network { direction, host: host(url) });
        deleted(call, &method, url);
    }
    if urls.is_empty() && (sends || !call.args.is_empty()) && !call.any(&["--version", "-V", "--help", "-h"])
    {
        let direction = if sends { Direction::Both } else { Direction::Download };
        call.say(Fact::Network { direction, host: String::new() });
    }
    if call.switch('O', "remote-name") {
        for url in &urls {
            let name = url.rsplit('/').next().unwrap_or("").to_owned();
            call.writes(&name, false);
        }
    }
}

/// Reads the files that a request takes its parts from; says whether it sends anything.
fn bodies(call: &mut Call<'_>) -> bool {
    let mut sends = false;
    let mut datas: Vec<String> = Vec::new();
    for (letter, name) in [
        ('d', "data"),
        ('d', "data-binary"),
        (' ', "data-raw"),
        (' ', "data-ascii"),
        (' ', "data-urlencode"),
        ('F', "form"),
        (' ', "json"),
        ('b', "cookie"),
        (' ', "url-query"),
    ] {
        for text in call.texts_of(letter, name) {
            sends |= name != "cookie";
            if name != "data-raw" {
                datas.push(text.to_owned());
            }
        }
    }
    for data in datas {
        // `@file`, `name=@file`, `name@file`, and `<file` in forms.
        let file = data
            .split_once('@')
            .map(|(_, file)| file)
            .or_else(|| data.split_once("=<").map(|(_, file)| file));
        if let Some(file) = file
            .map(|file| file.split(';').next().unwrap_or(file))
            .filter(|file| *file != "-" && !file.contains(' '))
        {
            call.reads(file, false);
        }
    }
    for text in call.texts_of('T', "upload-file") {
        sends = true;
        if text != "-" && text != "." {
            call.reads(text, false);
        }
    }
    for (letter, name) in
        [('H', "header"), ('K', "config"), ('A', "user-agent"), ('e', "referer"), ('u', "user")]
    {
        for text in call.texts_of(letter, name) {
            if let Some(file) = text.strip_prefix('@') {
                call.reads(file, false);
                sends = true;
            } else if name == "config" {
                call.uses(text);
            }
        }
    }
    sends
}

/// A request that deletes something in a service.
fn deleted(call: &mut Call<'_>, method: &str, url: &str) {
    let path = url.to_ascii_lowercase();
    let deletes = method == "DELETE"
        || (method == "POST"
            && ["_delete_by_query", "dodelete", "/delete", "/destroy", "/purge", "_shutdown"]
                .iter()
                .any(|end| path.contains(end)));
    if deletes {
        let all = path.ends_with("/_all") || path.ends_with("/*");
        let loss = if all { Loss::All } else { Loss::Some };
        call.say(Fact::Service {
            service: host(url),
            act: format!("{} {}", if method.is_empty() { "DELETE" } else { method }, shown(url)),
            loss,
        });
    }
}

fn addresses(call: &Call<'_>, takes: &str) -> Vec<String> {
    let long = [
        "--data",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "--form",
        "--header",
        "--request",
        "--output",
        "--upload-file",
        "--user",
        "--user-agent",
        "--cookie",
        "--cookie-jar",
        "--json",
        "--max-time",
        "--connect-timeout",
        "--retry",
        "--proxy",
        "--cert",
        "--key",
        "--cacert",
        "--resolve",
        "--write-out",
        "--referer",
        "--config",
        "--range",
        "--dump-header",
        "--retry-delay",
        "--limit-rate",
        "--interface",
        "--unix-socket",
        "--aws-sigv4",
        "--oauth2-bearer",
        "--url-query",
        "--proto",
        "--proto-redir",
        "--tls-max",
        "--ciphers",
        "--noproxy",
        "--retry-max-time",
        "--max-redirs",
        "--max-filesize",
        "--stderr",
        "--socks5",
        "--speed-limit",
        "--speed-time",
        "--connect-to",
        "--dns-servers",
        "--form-string",
        "--cert-type",
        "--pass",
        "--preproxy",
        "--capath",
        "--netrc-file",
        "--continue-at",
        "--output-dir",
        "--trace",
        "--trace-ascii",
        "--time-cond",
        "--etag-save",
        "--etag-compare",
        "--rate",
        "--keepalive-time",
        "--local-port",
        "--resolve",
    ];
    let mut urls: Vec<String> = call.operands(takes, &long).iter().map(|word| word.text.clone()).collect();
    urls.extend(call.texts_of(' ', "url").iter().map(|url| (*url).to_owned()));
    urls.retain(|url| !url.is_empty() && url != "-");
    urls
}

pub(super) fn wget(call: &mut Call<'_>) {
    let mut sends = false;
    for name in ["post-file", "body-file"] {
        for text in call.texts_of(' ', name) {
            call.reads(text, false);
            sends = true;
        }
    }
    sends |= !call.texts_of(' ', "post-data").is_empty() || !call.texts_of(' ', "body-data").is_empty();
    sends |= call.args.iter().any(|word| !word.from.is_empty());
    for text in call.texts_of('i', "input-file") {
        // Each line is an address that is asked for.
        if super::looks_like_path(text) {
            call.reads(text, false);
            sends = true;
        }
    }
    for text in call.texts_of(' ', "use-askpass") {
        call.uses(text);
    }
    let urls = addresses(call, "oOPaietTUQwl");
    let urls: Vec<&String> = urls
        .iter()
        .filter(|url| {
            url.contains('.') || url.contains(UNKNOWN) || url.contains("localhost") || url.contains("://")
        })
        .collect();
    let direction = if sends { Direction::Both } else { Direction::Download };
    for url in &urls {
        call.say(Fact::Network { direction, host: host(url) });
    }
    if urls.is_empty() {
        call.say(Fact::Network { direction, host: String::new() });
    }
    let output = call.text_of('O', "output-document").map(str::to_owned);
    match output.as_deref() {
        Some("-") => {}
        Some(file) => call.writes(file, false),
        None => {
            for url in urls {
                let name = url.rsplit('/').next().unwrap_or("").to_owned();
                call.writes(&name, false);
            }
        }
    }
}

pub(super) fn httpie(call: &mut Call<'_>) {
    let operands = call.operands("apo", &["--auth", "--output", "--session"]);
    let mut method = "";
    let mut url = "";
    let mut sends = false;
    for word in &operands {
        let text = word.text.as_str();
        if text.bytes().all(|byte| byte.is_ascii_uppercase()) && text.len() < 8 && url.is_empty() {
            method = text;
            continue;
        }
        if url.is_empty()
            && !text.eq_ignore_ascii_case(text.trim_start_matches(|c: char| c.is_ascii_alphanumeric()))
        {
            if matches!(text, "get" | "post" | "put" | "delete" | "patch" | "head") {
                continue;
            }
            url = text;
            continue;
        }
        if let Some((_, file)) = text.split_once('@') {
            sends = true;
            call.reads(file, false);
        }
        sends |= text.contains('=') && !text.contains("==");
    }
    sends |= matches!(method, "POST" | "PUT" | "PATCH") || call.args.iter().any(|word| !word.from.is_empty());
    sends |= !call.stdin.from.is_empty();
    let direction = if sends { Direction::Both } else { Direction::Download };
    call.say(Fact::Network { direction, host: host(url) });
    deleted(call, method, url);
}
