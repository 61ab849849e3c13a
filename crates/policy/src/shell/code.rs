//! A modest look at code in other languages that is given on the command line (`python -c`, `node -e`, `perl -e`): the calls that run
//! commands, delete, read secrets and talk to others, with the texts in quotes as their arguments. Not a parser of those languages; what
//! looks built together at run time is said to be unknown.

use super::call::Call;
use super::fact::{Code, Direction, Fact};

/// A language whose code is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Awk,
    Other,
}

/// Interpreters, and the options whose value is code.
const INTERPRETERS: &[(&str, &[&str])] = &[
    ("bun", &["-e", "--eval", "-p"]),
    ("deno", &["eval"]),
    ("elixir", &["-e"]),
    ("gawk", &[]),
    ("ghci", &["-e"]),
    ("groovy", &["-e"]),
    ("guile", &["-c"]),
    ("irb", &["-e"]),
    ("jrunscript", &["-e"]),
    ("julia", &["-e", "-E"]),
    ("lua", &["-e"]),
    ("luajit", &["-e"]),
    ("node", &["-e", "--eval", "-p", "--print", "-pe"]),
    ("nodejs", &["-e", "--eval", "-p", "--print", "-pe"]),
    ("osascript", &["-e"]),
    ("perl", &["-e", "-E", "-ne", "-pe", "-le", "-lne", "-ane", "-Mre", "-i -pe"]),
    ("php", &["-r"]),
    ("powershell", &["-Command", "-c", "-EncodedCommand", "-enc", "-e"]),
    ("pwsh", &["-Command", "-c", "-EncodedCommand", "-enc", "-e"]),
    ("pypy", &["-c"]),
    ("pypy3", &["-c"]),
    ("python", &["-c"]),
    ("Rscript", &["-e"]),
    ("ruby", &["-e", "-ne", "-pe"]),
    ("tclsh", &["-c"]),
    ("ts-node", &["-e"]),
    ("tsx", &["-e"]),
];

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    let name = if call.name.starts_with("python") { "python" } else { call.name };
    let Some((_, options)) = INTERPRETERS.iter().find(|(interpreter, _)| *interpreter == name) else {
        return false;
    };
    let mut code: Vec<String> = Vec::new();
    for (at, text) in call.texts().enumerate() {
        let joined = name == "perl"
            && text.starts_with('-')
            && text.len() < 8
            && text.ends_with(['e', 'E'])
            && text.len() > 1;
        let joined = joined
            || (name == "python"
                && text.starts_with('-')
                && !text.starts_with("--")
                && text.ends_with('c')
                && text.len() < 5);
        if options.contains(&text) || joined {
            code.push(call.arg(at + 1).to_owned());
        }
    }
    let script = call.operands("mWXIrMx", &[]).first().map(|word| word.text.clone());
    let fed = script.is_none() || script.as_deref() == Some("-");
    if code.is_empty() && fed {
        match (&call.stdin.text, call.stdin.from.is_empty()) {
            (Some(text), _) if !text.trim().is_empty() => code.push(text.clone()),
            (_, false) => {
                let what = if call.stdin.decoded { Code::Decoded } else { Code::Input };
                call.say(Fact::Executes(what));
            }
            (_, true) => {}
        }
    }
    if name == "python" && call.value('m', "").is_some() {
        module(call);
    }
    for text in &code {
        scan(call, text, Language::Other);
    }
    if let Some(thief) = script.as_deref().filter(|script| THIEVES.contains(&super::call::program(script))) {
        call.say(Fact::Credential(format!("passwords, by {}", super::call::program(thief))));
    }
    if code.is_empty() {
        if let Some(script) = script.filter(|script| script != "-") {
            call.uses(&script);
            call.say(Fact::Executes(Code::File));
        }
        for word in call.args.iter().skip(1) {
            if super::effects::looks_like_path(&word.text) {
                call.uses(&word.text);
            }
        }
    }
    // Files that a one-liner is run over: `perl -pe … FILE`.
    if !code.is_empty() && matches!(name, "perl" | "ruby") {
        for word in call
            .args
            .iter()
            .filter(|word| !code.contains(&word.text) && super::effects::looks_like_path(&word.text))
        {
            call.reads(&word.text, false);
        }
    }
    true
}

/// Scripts whose work is to take credentials out.
const THIEVES: &[&str] = &[
    "firefox_decrypt.py",
    "laZagne.py",
    "lazagne.py",
    "mimipenguin.py",
    "secretsdump.py",
    "dploot.py",
    "chromepass.py",
];

fn module(call: &mut Call<'_>) {
    let module = call.value('m', "").map_or("", |word| word.text.as_str()).to_owned();
    match module.as_str() {
        "http.server" | "SimpleHTTPServer" => {
            let dir = call.text_of('d', "directory").unwrap_or(".").to_owned();
            call.reads(&dir, true);
            if super::guard::wide(call.path(&dir).raw()) {
                call.say(Fact::Network { direction: Direction::Upload, host: "whoever asks".to_owned() });
            }
        }
        "base64" | "zipfile" | "tarfile" | "json.tool" | "gzip" => {
            for word in call.args.iter().skip(2) {
                call.reads(&word.text, true);
            }
        }
        _ => {}
    }
}

/// What stands in quotes in the code, with where it starts.
fn literals(code: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut letters = code.char_indices();
    while let Some((at, c)) = letters.next() {
        if !matches!(c, '\'' | '"' | '`') {
            continue;
        }
        let mut text = String::new();
        let mut escaped = false;
        for (_, d) in letters.by_ref() {
            if d == c && !escaped {
                break;
            }
            escaped = d == '\\' && !escaped;
            text.push(d);
        }
        out.push((at, super::decode::escapes(&text, true)));
        if out.len() >= 128 {
            break;
        }
    }
    out
}

const RUNS: &[&str] = &[
    "os.system",
    "os.popen",
    "subprocess",
    "os.exec",
    "os.spawn",
    "child_process",
    "execsync",
    "exec(",
    "exec \"",
    "exec '",
    "system \"",
    "system '",
    "system(",
    "popen(",
    "shell_exec",
    "passthru",
    "proc_open",
    "pty.spawn",
    "spawn(",
    "spawnsync",
    "execfile",
    "%x(",
    "%x{",
    "qx(",
    "qx{",
    "qx/",
    "do shell script",
    "io.popen",
    "kernel.exec",
    "open3",
    "invoke-expression",
    "iex ",
    "start-process",
    "processbuilder",
    "runtime.getruntime",
];
const READS: &[&str] = &[
    "open(",
    "read_text",
    "read_bytes",
    "readfile",
    "file_get_contents",
    "file.read",
    "io.read",
    "readlines",
    "slurp",
    "createreadstream",
    "get-content",
    "copyfile",
    "shutil.copy",
    "fs.copy",
    "copy_file",
    "file.open",
    "readfilesync",
    "path(",
    "glob",
    "fileinput",
    "linecache",
    "numpy.fromfile",
    "<f>",
    "<>",
    "open ",
    "io.open",
    "io.lines",
    "file(",
    "cat ",
];
const WRITES: &[&str] = &[
    "'w'",
    "\"w\"",
    "'a'",
    "\"a\"",
    "'wb'",
    "'w+'",
    "write_text",
    "write_bytes",
    "writefile",
    "file_put_contents",
    "file.write",
    "appendfile",
    "createwritestream",
    "set-content",
    "add-content",
    "out-file",
    "io.write(",
    "'ab'",
    "\"wb\"",
];
const DELETES: &[&str] = &[
    "rmtree",
    "os.remove",
    "os.unlink",
    "os.rmdir",
    "unlinksync",
    "rmsync",
    "rmdirsync",
    "fs.rm",
    "rm_rf",
    "fileutils.rm",
    "remove_tree",
    "unlink(",
    "unlink ",
    "remove-item",
    "rimraf",
    "dir.delete",
    "file.delete",
    "removesync",
    "remove_dir_all",
    ".unlink()",
    "os.removedirs",
    "remove_entry",
];
const NETWORK: &[&str] = &[
    "urllib",
    "requests.",
    "http.client",
    "httpx",
    "aiohttp",
    "socket",
    "fetch(",
    "net/http",
    "net::http",
    "lwp::",
    "http::tiny",
    "curl_exec",
    "fsockopen",
    "net.connect",
    "http.request",
    "https.request",
    "http.get(",
    "https.get(",
    "axios",
    "smtplib",
    "ftplib",
    "paramiko",
    "open-uri",
    "xmlhttprequest",
    "webclient",
    "invoke-webrequest",
    "invoke-restmethod",
    "tcpsocket",
    "io::socket",
    "net.socket",
    "dgram",
    "websocket",
    "dns.lookup",
    "dns.resolve",
    "gethostbyname",
    "stream_socket_client",
    "httparty",
    "faraday",
    "urlopen",
    "require('net')",
    "require(\"net\")",
    "downloadstring",
    "net.createconnection",
];
const SENDS: &[&str] = &[
    "post",
    "put",
    "data=",
    "data:",
    "send",
    "body",
    "upload",
    "storbinary",
    "sendall",
    "method",
    "files=",
    "write(",
    "urlencode",
    "?",
    "gethostbyname",
    "dns.",
];
const DECODES: &[&str] = &[
    "b64decode",
    "base64.decode",
    "atob(",
    "'base64'",
    "\"base64\"",
    "unhexlify",
    "fromhex",
    "decode64",
    "base64_decode",
    "decode('rot",
    "unpack('u",
    "pack('h",
    "pack(\"h",
    "zlib.decompress",
    "codecs.decode",
    "frombase64string",
    "marshal.loads",
    "hex2bin",
    "str_rot13",
    "unpack(\"m",
    "unpack1",
    "bytes.fromhex",
    "[::-1]",
    "gzinflate",
    "decode_base64",
    "marshal.load",
];
const EVALS: &[&str] = &[
    "exec(",
    "eval(",
    "compile(",
    "__import__",
    "function(",
    "instance_eval",
    "loadstring",
    "load(",
    "iex",
    "invoke-expression",
    "assert(",
    "eval ",
    "eval{",
];
const ENVIRON: &[&str] = &[
    "os.environ)",
    "dict(os.environ",
    "os.environ.items",
    "os.environ.copy",
    "json.dumps(os.environ",
    "process.env)",
    "process.env,",
    "stringify(process.env",
    "env.to_h",
    "env.each",
    "%env",
    "getenv()",
    "$_env",
    "env.inspect",
    "environ.decode",
    "str(os.environ",
    "print(os.environ",
    "**os.environ",
    "os.environ}",
    "env.to_a",
    "process.env}",
    "keys %env",
    "env.map",
];

/// Looks the code over and says what it would do.
pub(super) fn scan(call: &mut Call<'_>, code: &str, language: Language) {
    let lower = code.to_ascii_lowercase();
    let any = |marks: &[&str]| marks.iter().any(|mark| lower.contains(mark));
    let texts = literals(code);
    let runs = any(RUNS) || (language == Language::Awk);
    let reads = any(READS);
    let network = any(NETWORK);
    let deletes = any(DELETES);
    let writes = any(WRITES);
    if any(ENVIRON) {
        call.say(Fact::Environment);
    }
    let decodes = any(DECODES);
    if decodes && (any(EVALS) || runs) {
        call.say(Fact::Executes(Code::Decoded));
    }
    if network && any(EVALS) && !decodes {
        call.say(Fact::Executes(Code::Downloaded));
    }
    let hidden = lower.matches("chr(").count() > 3
        || lower.matches("\\x").count() > 8
        || lower.contains("string.fromcharcode");
    if hidden && (any(EVALS) || runs) {
        call.say(Fact::Executes(Code::Decoded));
    }
    if reverse_shell(&lower) {
        call.say(Fact::Shell("gives a shell to another machine"));
    }
    if lower.contains("setuid(0)") {
        call.say(Fact::Privilege("takes the rights of root"));
    }
    for (_, text) in &texts {
        if text.contains("://") {
            let sends = any(SENDS) || text.contains('?');
            let direction = if sends { Direction::Both } else { Direction::Download };
            call.say(Fact::Network { direction, host: super::effects::network_host(text) });
        } else if super::effects::looks_like_path(text) || text.starts_with('~') {
            named(call, text, [reads || network, deletes, writes]);
        }
    }
    if network && !texts.iter().any(|(_, text)| text.contains("://")) {
        call.say(Fact::Network {
            direction: if any(SENDS) { Direction::Both } else { Direction::Download },
            host: String::new(),
        });
    }
    if deletes
        && lower.contains("rmtree")
        && texts.iter().all(|(_, text)| !super::effects::looks_like_path(text) && !text.starts_with('~'))
    {
        let home = lower.contains("path.home") || lower.contains("expanduser");
        let path = if home { super::path::HOME.to_string() } else { super::path::UNKNOWN.to_string() };
        call.deletes(&path, true, true);
    }
    if runs {
        commands(call, &texts);
    }
}

/// A path in quotes.
fn named(call: &mut Call<'_>, text: &str, [reads, deletes, writes]: [bool; 3]) {
    // A text with spaces that does not begin as a path is a sentence or a command.
    if text.contains(' ') && !text.starts_with(['/', '~']) {
        return;
    }
    let text = match text.strip_prefix('~') {
        Some(rest) => format!("{}{rest}", super::path::HOME),
        None => text.replace("$HOME", &super::path::HOME.to_string()),
    };
    if deletes {
        call.deletes(&text, true, true);
    } else if writes {
        call.writes(&text, false);
    } else if reads {
        call.reads(&text, true);
    } else {
        call.uses(&text);
    }
}

/// Texts in quotes that are commands: each is read as one, and lists of words (`["rm", "-rf", "/"]`) as one command.
fn commands(call: &mut Call<'_>, texts: &[(usize, String)]) {
    let mut tried: Vec<String> =
        texts.iter().map(|(_, text)| text.clone()).filter(|text| text.contains(' ')).collect();
    let words: Vec<&str> = texts
        .iter()
        .map(|(_, text)| text.as_str())
        .filter(|text| !text.is_empty() && !text.contains(' '))
        .collect();
    if words.len() > 1 {
        tried.push(words.join(" "));
    } else if let [word] = words.as_slice() {
        tried.push((*word).to_owned());
    }
    let shell =
        words.iter().any(|word| matches!(*word, "/bin/sh" | "/bin/bash" | "sh" | "bash" | "/bin/zsh"));
    if shell && call.elevated {
        call.say(Fact::Privilege("starts a shell from a program that runs as root"));
    }
    for text in tried.iter().take(16) {
        let limits = super::Limits { bytes: 4096, nesting: 4, commands: 32, words: 64 };
        if let Ok(script) = super::reader::Reader::new(&limits).script(text) {
            for step in script.steps {
                call.facts.extend(
                    step.facts
                        .into_iter()
                        .filter(|fact| !matches!(fact, Fact::Uses { .. } | Fact::Executes(Code::File))),
                );
            }
        }
    }
}

fn reverse_shell(code: &str) -> bool {
    let socket = [
        "socket",
        "tcpsocket",
        "fsockopen",
        "net.connect",
        "net.socket",
        "io::socket",
        "/inet/tcp",
        "tcpclient",
    ];
    let shell = ["/bin/sh", "/bin/bash", "dup2", "pty.spawn", "exec(\"sh", "exec('sh", "cmd.exe", "sh -i"];
    socket.iter().any(|mark| code.contains(mark)) && shell.iter().any(|mark| code.contains(mark))
}
