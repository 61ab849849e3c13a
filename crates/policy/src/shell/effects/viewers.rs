//! Programs that show or pass on the content of files: `cat`, `grep`, `base64`, `jq` and their like. The first operand is a pattern
//! or a program for some of them.

use super::super::call::Call;
use super::super::fact::Fact;

/// Name, letters with a value, operands that are no files.
const VIEWERS: &[(&str, &str, usize)] = &[
    ("ag", "ABCGm", 1),
    ("awk", "vF", 1),
    ("b2sum", "l", 0),
    ("base32", "w", 0),
    ("base64", "wi", 0),
    ("basenc", "w", 0),
    ("bat", "lHr", 0),
    ("batcat", "lHr", 0),
    ("bzcat", "", 0),
    ("bzless", "", 0),
    ("cat", "", 0),
    ("ccze", "", 0),
    ("column", "cst", 0),
    ("comm", "", 0),
    ("csplit", "bfn", 1),
    ("cut", "bcdf", 0),
    ("diff", "UIF", 0),
    ("egrep", "ABCm", 1),
    ("expand", "t", 0),
    ("fgrep", "ABCm", 1),
    ("fmt", "w", 0),
    ("fold", "w", 0),
    ("gawk", "vF", 1),
    ("glow", "", 0),
    ("grep", "ABCmdD", 1),
    ("gzcat", "", 0),
    ("head", "nc", 0),
    ("hexdump", "nse", 0),
    ("hd", "", 0),
    ("iconv", "ft", 0),
    ("join", "", 0),
    ("jq", "", 1),
    ("less", "", 0),
    ("lessecho", "", 0),
    ("mawk", "vF", 1),
    ("mlr", "", 1),
    ("more", "", 0),
    ("most", "", 0),
    ("nl", "bw", 0),
    ("od", "AtjN", 0),
    ("nano", "", 0),
    ("emacs", "", 0),
    ("ed", "", 0),
    ("ex", "", 0),
    ("view", "c", 0),
    ("vim", "c", 0),
    ("vi", "c", 0),
    ("nvim", "c", 0),
    ("pg", "", 0),
    ("paste", "d", 0),
    ("pr", "", 0),
    ("ptx", "", 0),
    ("pv", "", 0),
    ("rev", "", 0),
    ("rg", "ABCgtTem", 1),
    ("ripgrep", "gt", 1),
    ("shuf", "n", 0),
    ("sort", "kto", 0),
    ("split", "bln", 0),
    ("strings", "n", 0),
    ("tac", "s", 0),
    ("tail", "nc", 0),
    ("ul", "", 0),
    ("unexpand", "", 0),
    ("uniq", "fsw", 0),
    ("uuencode", "", 0),
    ("xxd", "lsc", 0),
    ("xmllint", "", 0),
    ("xmlstarlet", "", 0),
    ("yq", "", 1),
    ("zcat", "", 0),
    ("zgrep", "", 1),
    ("zless", "", 0),
    ("dasel", "f", 1),
    ("gron", "", 0),
    ("sqlite3", "", 0),
    ("plutil", "", 0),
    ("defaults", "", 0),
    ("look", "", 1),
    ("ascii-xfr", "", 0),
    ("dog", "", 0),
    ("lolcat", "", 0),
    ("cowsay", "", 0),
    ("figlet", "", 0),
    ("xclip", "", 0),
    ("pbcopy", "", 0),
    ("wl-copy", "", 0),
    ("qrencode", "", 0),
];

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    if call.name == "sed" {
        sed(call);
        return true;
    }
    if matches!(call.name, "env" | "printenv" | "set" | "export" | "declare" | "compgen") {
        let shows = match call.name {
            "declare" | "export" => call.has("-p") || call.has("-x") || call.args.is_empty(),
            "compgen" => call.has("-v") || call.has("-e"),
            _ => call.args.is_empty(),
        };
        if shows {
            call.say(Fact::Environment);
        }
        if call.name == "printenv" {
            for name in call.operands("", &[]) {
                if secret_name(&name.text) {
                    call.say(Fact::Environment);
                }
            }
        }
        return true;
    }
    let Some((_, takes, skip)) = VIEWERS.iter().find(|(name, _, _)| *name == call.name) else { return false };
    let grep = *skip == 1 && matches!(call.name, "grep" | "rg" | "egrep" | "fgrep" | "zgrep" | "ag");
    let quiet = grep
        && (call.switch('q', "quiet") || call.switch('c', "count") || call.switch('l', "files-with-matches"));
    let given = grep && (call.value('e', "regexp").is_some() || call.value('f', "file").is_some());
    let takes: String = if grep { format!("{takes}ef") } else { (*takes).to_owned() };
    let long = [
        "--include",
        "--exclude",
        "--glob",
        "--type",
        "--arg",
        "--lines",
        "--bytes",
        "--exclude-dir",
        "--context",
        "--max-count",
    ];
    let operands = call.operands(&takes, &long);
    let recursive = grep
        && (call.switch('r', "recursive") || call.switch('R', "dereference-recursive") || call.name == "rg");
    for word in operands.iter().skip(if given { 0 } else { *skip }) {
        if quiet { call.uses(&word.text) } else { call.reads(&word.text, recursive) }
    }
    for option in ["from-file", "rawfile", "slurpfile", "file"] {
        for text in call.texts_of('f', option) {
            call.reads(text, false);
        }
    }
    if matches!(call.name, "awk" | "gawk" | "mawk") {
        awk(call);
    }
    if call.name == "sort"
        && let Some(text) = call.text_of('o', "output")
    {
        call.writes(text, false);
    }
    if matches!(call.name, "diff") {
        for text in call.texts_of(' ', "from-file") {
            call.reads(text, false);
        }
    }
    if matches!(call.name, "vim" | "vi" | "nvim" | "nano" | "ed" | "ex" | "emacs") {
        for word in call.operands("c", &[]) {
            call.writes(&word.text, true);
        }
    }
    true
}

fn sed(call: &mut Call<'_>) {
    let given = call.value('e', "expression").is_some() || call.value('f', "file").is_some();
    let inline = call.texts().any(|text| text.starts_with("-i") || text.starts_with("--in-place"))
        || call.texts().any(|text| {
            text.len() < 6
                && text.starts_with('-')
                && !text.starts_with("--")
                && text.ends_with('i')
                && text.len() > 2
        });
    let operands = call.operands("ef", &["--expression", "--file"]);
    let script = operands.first().map_or("", |word| word.text.as_str()).to_owned();
    // `sed -i '' …` is the form of macOS.
    let skip = usize::from(!given) + usize::from(inline && script.is_empty());
    let deletes_all = matches!(script.as_str(), "d" | "1,$d");
    for word in operands.iter().skip(skip) {
        if inline {
            call.writes(&word.text, !deletes_all);
        } else {
            call.reads(&word.text, false);
        }
    }
    // A program of sed may run a command (`e`).
    if script.starts_with("1e ")
        || script.starts_with("e ")
        || script.ends_with("/e") && script.starts_with("s/")
    {
        call.say(Fact::Executes(super::super::fact::Code::Unknown));
        if call.elevated {
            call.say(Fact::Privilege("starts a shell from a program that runs as root"));
        }
    }
}

fn awk(call: &mut Call<'_>) {
    let Some(program) = call.operands("vF", &[]).first().map(|word| word.text.clone()) else { return };
    if program.contains("/inet/tcp") {
        call.say(Fact::Shell("talks over a socket of awk"));
    }
    if program.contains("system(") || program.contains("| \"sh\"") || program.contains("|\"sh\"") {
        let shell =
            ["/bin/sh", "/bin/bash", "\"sh\"", "\"bash\""].iter().any(|shell| program.contains(shell));
        if call.elevated && shell {
            call.say(Fact::Privilege("starts a shell from a program that runs as root"));
        }
        super::super::code::scan(call, &program, super::super::code::Language::Awk);
    }
    if program.contains("ENVIRON") && !program.contains("ENVIRON[") {
        call.say(Fact::Environment);
    }
}

/// Whether a variable's name says that it holds a secret.
pub(crate) fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
        "CREDENTIAL",
        "_PAT",
        "_PWD",
        "DATABASE_URL",
        "_DSN",
        "AUTH_KEY",
        "SIGNING_KEY",
        "ENCRYPTION_KEY",
        "MASTER_KEY",
    ];
    parts.iter().any(|part| name.contains(part)) && !name.ends_with("_FILE") && !name.ends_with("_PATH")
}
