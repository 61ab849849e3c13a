//! Talking to other machines: what goes out, what comes in, which host. Sockets and tunnels that are opened by hand are said apart.

use super::super::call::Call;
use super::super::fact::{Direction, Fact};
use super::super::path::{UNKNOWN, shown};

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "curl" | "curlie" => super::http::curl(call),
        "wget" | "wget2" => super::http::wget(call),
        "aria2c" | "axel" | "lwp-download" | "fetch" | "Invoke-WebRequest" | "iwr" | "lynx" | "w3m"
        | "links" | "GET" => {
            to_hosts(call, Direction::Download);
            if let Some(text) = call.text_of('o', "out") {
                call.writes(text, false);
            }
        }
        "http" | "https" | "xh" | "xhs" | "httpie" | "restish" | "hurl" => super::http::httpie(call),
        "nc" | "ncat" | "netcat" | "nc.openbsd" | "nc.traditional" | "telnet" | "pwncat" => netcat(call),
        "socat" => socat(call),
        "scp" | "rsync" | "rcp" | "pscp" | "croc" | "unison" | "lsyncd" => copies(call),
        "ftp" | "sftp" | "lftp" | "tftp" | "ncftpput" | "smbclient" | "smbmap" | "psftp" => transfers(call),
        "ssh" | "autossh" | "mosh" => ssh(call),
        "dig" | "nslookup" | "host" | "drill" | "dog" | "delv" | "getent" | "resolvectl" | "kdig" => {
            names(call);
        }
        "ping" | "ping6" | "hping3" | "fping" | "traceroute" => {
            if call
                .value('p', "pattern")
                .is_some_and(|word| !word.from.is_empty() || word.text.contains(UNKNOWN))
                || call.name == "hping3" && call.value('E', "file").is_some()
            {
                out(call, "");
            }
            if let Some(text) = call.text_of('E', "file") {
                call.reads(text, false);
            }
            // The name itself carries what was put in it.
            if call.args.iter().any(|word| !word.from.is_empty() && word.text.contains('.')) {
                out(call, "the name server");
            }
        }
        "openssl" if call.any(&["s_client", "s_server"]) => {
            let to =
                call.text_of(' ', "connect").or_else(|| after(call, "-connect")).unwrap_or("").to_owned();
            socket(call, &to, Direction::Both);
        }
        "mail" | "mailx" | "sendmail" | "mutt" | "msmtp" | "swaks" | "ssmtp" | "s-nail" => mail(call),
        "ngrok" | "cloudflared" | "localtunnel" | "lt" | "bore" | "frpc" | "chisel" | "ligolo" | "inlets"
        | "serveo" | "pagekite" | "gost" => {
            let opens = call.name != "cloudflared" || call.has("tunnel");
            if opens {
                call.say(Fact::Shell("opens a tunnel through which others reach this machine"));
            }
            for text in call.texts() {
                if let Some(file) = text.strip_prefix("file://") {
                    call.reads(file, true);
                }
            }
        }
        "wormhole" | "magic-wormhole" | "transfer" | "ffsend" | "transfer.sh" | "gdrive" | "dropbox"
        | "mega-put" | "megaput" | "ipfs" | "pastebinit" | "termbin" | "wgetpaste" | "gist"
        | "onionshare" | "onionshare-cli" => {
            for word in call.operands("", &[]) {
                call.reads(&word.text, true);
            }
            out(call, call_name_host(call.name));
        }
        "httpd" | "php" | "ruby" | "http-server" | "serve" | "simple-http-server" | "miniserve"
        | "darkhttpd" => return served(call),
        _ => return false,
    }
    true
}

fn call_name_host(name: &str) -> &'static str {
    match name {
        "ipfs" => "ipfs.io",
        "pastebinit" | "wgetpaste" | "termbin" => "a paste service",
        _ => "a service for sending files",
    }
}

fn after<'a>(call: &Call<'a>, option: &str) -> Option<&'a str> {
    let at = call.texts().position(|text| text == option)?;
    Some(call.arg(at + 1))
}

/// The host of an address, of `user@host:path` and of `host:port`.
pub(super) fn host(address: &str) -> String {
    let text = address.split_once("://").map_or(address, |(_, rest)| rest);
    let text = text.split(['/', '?', '#']).next().unwrap_or(text);
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let text = if text.starts_with('[') { text } else { text.split(':').next().unwrap_or(text) };
    shown(text).to_ascii_lowercase()
}

fn out(call: &mut Call<'_>, host: &str) {
    call.say(Fact::Network { direction: Direction::Upload, host: host.to_owned() });
}

fn to_hosts(call: &mut Call<'_>, direction: Direction) {
    for word in call.args {
        if word.text.contains("://") || (word.text.contains('.') && !word.text.starts_with(['-', '.', '/'])) {
            // What is part of an address goes out with it.
            let direction = if word.from.is_empty() { direction } else { Direction::Both };
            call.say(Fact::Network { direction, host: host(&word.text) });
        }
    }
}

fn socket(call: &mut Call<'_>, to: &str, direction: Direction) {
    call.say(Fact::Network { direction, host: host(to) });
    if direction == Direction::Both {
        call.say(Fact::Shell("talks over a raw socket"));
    }
}

fn netcat(call: &mut Call<'_>) {
    let scans = call.switch('z', "");
    if scans || call.any(&["--version", "-h", "--help"]) {
        return;
    }
    let runs = call.switch('e', "exec") || call.switch('c', "sh-exec") || call.any(&["--lua-exec"]);
    let listens = call.switch('l', "listen");
    if runs && call.name != "telnet" {
        call.say(Fact::Shell("gives a shell to another machine"));
    }
    let to = call
        .operands("pwsiegGIoOqTVXx", &[])
        .iter()
        .map(|word| word.text.clone())
        .find(|text| !text.bytes().all(|b| b.is_ascii_digit()));
    let host = host(&to.unwrap_or_default());
    call.say(Fact::Network { direction: if listens { Direction::Both } else { Direction::Upload }, host });
    if !listens {
        call.say(Fact::Shell("talks over a raw socket"));
    }
}

fn socat(call: &mut Call<'_>) {
    let texts: Vec<String> = call.operands("", &[]).iter().map(|word| word.text.clone()).collect();
    let lower: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let net = |text: &&String| {
        ["tcp", "udp", "openssl", "ssl", "socks", "proxy", "sctp", "vsock"]
            .iter()
            .any(|kind| text.starts_with(kind))
    };
    let runs = lower.iter().any(|text| text.starts_with("exec:") || text.starts_with("system:"));
    if runs && lower.iter().any(|text| net(&text)) {
        call.say(Fact::Shell("gives a shell to another machine"));
    }
    for text in &texts {
        let file = text
            .strip_prefix("FILE:")
            .or_else(|| text.strip_prefix("OPEN:"))
            .or_else(|| text.strip_prefix("file:"))
            .or_else(|| text.strip_prefix("GOPEN:"));
        if let Some(file) = file.map(|file| file.split(',').next().unwrap_or(file)) {
            call.reads(file, false);
        }
    }
    if let Some(text) = lower.iter().find(net) {
        let listens = text.contains("listen");
        let to = text.split_once(':').map_or("", |(_, rest)| rest).to_owned();
        call.say(Fact::Network {
            direction: if listens { Direction::Both } else { Direction::Upload },
            host: host(&to),
        });
        if !listens {
            call.say(Fact::Shell("talks over a raw socket"));
        }
    }
}

/// Whether it names a place on another machine: `host:path`.
fn remote(text: &str) -> bool {
    text.contains("://")
        || text
            .split_once(':')
            .is_some_and(|(left, _)| !left.contains('/') && !left.is_empty() && left.len() > 1)
}

fn copies(call: &mut Call<'_>) {
    let takes = if call.name == "rsync" { "efBT" } else { "cFiJloPSX" };
    let operands: Vec<String> = call
        .operands(
            takes,
            &[
                "--rsh",
                "--exclude",
                "--include",
                "--files-from",
                "--filter",
                "--exclude-from",
                "--port",
                "--bwlimit",
                "--chmod",
                "--password-file",
            ],
        )
        .iter()
        .map(|word| word.text.clone())
        .collect();
    if call.name == "croc" {
        for text in operands.iter().skip(1) {
            call.reads(text, true);
        }
        if operands.first().is_some_and(|text| text == "send") {
            out(call, "a service for sending files");
        }
        return;
    }
    if let Some(command) = call
        .text_of('e', "rsh")
        .filter(|text| call.name == "rsync" && !text.starts_with("ssh") && !text.starts_with("'ssh"))
    {
        let shell = command.contains("sh -c") || command.starts_with("sh") || command.contains("/sh");
        if shell {
            call.say(Fact::Evades("runs a command from an option of rsync"));
            if call.elevated {
                call.say(Fact::Privilege("starts a shell from a program that runs as root"));
            }
        }
    }
    if let Some(key) = call.text_of('i', "").filter(|_| call.name == "scp") {
        call.uses(key);
    }
    let Some((to, from)) = operands.split_last() else { return };
    for source in from {
        if remote(source) {
            call.say(Fact::Network { direction: Direction::Download, host: host(source) });
        } else {
            call.reads(source, true);
        }
    }
    if remote(to) {
        out(call, &host(to));
    } else {
        call.writes(to, false);
    }
    let dry = call.switch('n', "dry-run") || call.has("--list-only");
    let deletes = call.texts().any(|text| text == "--del" || text.starts_with("--delete"))
        || call.has("--remove-source-files");
    if call.name == "rsync" && deletes && !dry {
        let target = if call.has("--remove-source-files") {
            from.first().cloned().unwrap_or_default()
        } else {
            to.clone()
        };
        call.say(Fact::Service {
            service: "rsync".to_owned(),
            act: format!("delete what is in {}", shown(&target)),
            loss: super::super::fact::Loss::Some,
        });
    }
}

fn transfers(call: &mut Call<'_>) {
    let sends = call.stdin.text.is_some()
        || !call.stdin.from.is_empty()
        || call.texts().any(|text| text.contains("put "));
    for text in call.texts() {
        for piece in text.split([';', '\n']) {
            let piece = piece.trim();
            for verb in ["put ", "mput ", "mirror -R "] {
                if let Some(file) = piece.strip_prefix(verb) {
                    call.reads(file.split(' ').next().unwrap_or(file), true);
                }
            }
        }
    }
    if let Some(text) = call.stdin.text.clone() {
        for line in text.lines() {
            if let Some(file) = line.trim().strip_prefix("put ").or_else(|| line.trim().strip_prefix("send "))
            {
                let file = file.split(' ').next().unwrap_or(file).to_owned();
                call.reads(&file, true);
            }
        }
    }
    if let Some(file) = call.text_of('b', "").filter(|_| call.name == "sftp") {
        call.uses(file);
    }
    if let Some(file) = call.text_of('l', "").filter(|_| call.name == "tftp") {
        call.reads(file, false);
    }
    if call.name == "ncftpput" {
        for word in call.operands("upP", &[]).iter().skip(2) {
            call.reads(&word.text, true);
        }
    }
    let to = call
        .operands("bcliPuoeUp", &["--user"])
        .iter()
        .map(|word| host(&word.text))
        .find(|host| host.contains('.'))
        .unwrap_or_default();
    call.say(Fact::Network {
        direction: if sends { Direction::Both } else { Direction::Download },
        host: to,
    });
}

fn ssh(call: &mut Call<'_>) {
    if let Some(key) = call.text_of('i', "") {
        call.uses(key);
    }
    if call.value('R', "").is_some()
        || call
            .texts()
            .any(|text| text.starts_with("-R") || text.starts_with("-fNR") || text.starts_with("-NR"))
    {
        call.say(Fact::Shell("opens a tunnel through which others reach this machine"));
    }
    let command = call.texts().any(|text| {
        text.contains("ProxyCommand=") && (text.contains("sh") && !text.contains("ssh"))
            || text.contains("LocalCommand=")
            || text.contains("PermitLocalCommand=yes")
    });
    if command {
        call.say(Fact::Evades("runs a command from an option of ssh"));
        if call.elevated {
            call.say(Fact::Privilege("starts a shell from a program that runs as root"));
        }
    }
}

/// What another command wrote and is now part of a name goes to whoever answers for it.
fn names(call: &mut Call<'_>) {
    if call
        .args
        .iter()
        .any(|word| (!word.from.is_empty() || !word.env.is_empty()) && !word.text.starts_with('-'))
    {
        out(call, "the name server");
    }
    if let Some(file) = call.text_of('f', "").filter(|_| call.name == "dig") {
        call.reads(file, false);
        out(call, "the name server");
    }
}

fn mail(call: &mut Call<'_>) {
    for (letter, name) in [('a', "attach"), ('A', "attachment")] {
        for text in call.texts_of(letter, name) {
            call.reads(text, false);
        }
    }
    for name in ["attach", "body", "data"] {
        for text in call.texts_of(' ', name) {
            if let Some(file) = text.strip_prefix('@') {
                call.reads(file, false);
            }
        }
    }
    let to = call.texts().find(|text| text.contains('@') && text.contains('.')).map(host);
    out(call, &to.unwrap_or_default());
}

/// Serves files to whoever asks.
fn served(call: &mut Call<'_>) -> bool {
    let dir = match call.name {
        "php" if call.has("-S") => call.text_of('t', "docroot").unwrap_or("."),
        "ruby" if call.has("-run") && call.has("httpd") => {
            call.args.last().map_or(".", |word| word.text.as_str())
        }
        "php" | "ruby" => return false,
        _ => call.operands("ph", &[]).first().map_or(".", |word| word.text.as_str()),
    }
    .to_owned();
    call.reads(&dir, true);
    if super::super::guard::wide(call.path(&dir).raw()) {
        call.say(Fact::Network { direction: Direction::Upload, host: "whoever asks".to_owned() });
    }
    true
}
