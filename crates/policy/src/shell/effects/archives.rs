//! Archives and copies between trees: what goes in is read, what comes out is written.

use super::super::call::Call;

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "tar" | "gtar" | "bsdtar" => tar(call),
        "zip" | "7z" | "7za" | "7zz" | "rar" => {
            let operands = call.operands("", &[]);
            let skip = usize::from(call.name != "zip");
            let adds = call.name == "zip" || matches!(call.arg(0), "a" | "u");
            let mut files = operands.into_iter().skip(skip);
            let archive = files.next();
            for word in files {
                call.reads(&word.text, true);
            }
            if let (Some(archive), true) = (archive, adds) {
                call.writes(&archive.text, false);
            }
        }
        "ar" | "cpio" | "pax" => {
            for word in call.operands("", &[]).iter().skip(1) {
                call.reads(&word.text, true);
            }
            for item in call.stdin.items.clone() {
                call.reads(&item, true);
            }
        }
        "gzip" | "bzip2" | "xz" | "zstd" | "lz4" | "compress" | "pigz" | "brotli" | "lzma" => {
            for word in call.operands("oS", &[]) {
                call.reads(&word.text, false);
                call.writes(&format!("{}.z", word.text), false);
            }
        }
        "unzip" | "gunzip" | "unrar" | "bunzip2" => {}
        "gpg" | "gpg2" => {
            let shows = call.any(&["--export-secret-keys", "--export-secret-subkeys", "--export-secret-key"]);
            if shows {
                call.say(super::super::fact::Fact::Credential("the secret keys of GnuPG".to_owned()));
            }
            for word in
                call.operands("ru", &["--recipient", "--local-user", "--output", "--homedir", "--passphrase"])
            {
                call.reads(&word.text, false);
            }
            if let Some(text) = call.text_of('o', "output") {
                call.writes(text, false);
            }
        }
        _ => return false,
    }
    true
}

fn tar(call: &mut Call<'_>) {
    // The old form has its letters first and without a dash.
    let first = call.arg(0);
    let old = !first.is_empty() && !first.starts_with('-') && first.chars().all(|c| c.is_ascii_alphabetic());
    let letters = if old { first } else { first.trim_start_matches('-') };
    let creates = call.switch('c', "create")
        || (old && letters.contains('c'))
        || call.has("-czf")
        || call.switch('r', "append");
    let mut archive = call.texts_of('f', "file").first().map(|text| (*text).to_owned());
    let mut operands = call.operands("fCTX", &["--file", "--directory", "--exclude", "--files-from"]);
    if old && !operands.is_empty() {
        operands.remove(0);
        if letters.contains('f') && !operands.is_empty() {
            archive = Some(operands.remove(0).text.clone());
        }
    }
    let joined = call.texts().find(|text| {
        text.starts_with('-') && !text.starts_with("--") && text.len() > 2 && text.ends_with('f')
    });
    if let (Some(joined), false) = (joined, old) {
        let at = call.texts().position(|text| text == joined).unwrap_or(0);
        archive = Some(call.arg(at + 1).to_owned());
        operands.retain(|word| Some(word.text.as_str()) != archive.as_deref());
    }
    let base = call.text_of('C', "directory").map(str::to_owned);
    if creates {
        for word in operands {
            match &base {
                Some(base) if !word.text.starts_with('/') => {
                    call.reads(&format!("{base}/{}", word.text), true);
                }
                Some(_) | None => call.reads(&word.text, true),
            }
        }
        if let Some(archive) = archive.filter(|archive| archive != "-") {
            call.writes(&archive, false);
        }
    } else {
        if let Some(base) = base {
            call.writes(&base, true);
        }
        if let Some(archive) = archive.filter(|archive| archive != "-") {
            call.uses(&archive);
        }
    }
    let actions = call.texts().any(|text| {
        text.starts_with("--checkpoint-action=exec")
            || text.starts_with("--to-command")
            || text.starts_with("--use-compress-program=/")
            || text.starts_with("--rsh-command")
    });
    if actions {
        call.say(super::super::fact::Fact::Evades("runs a command from an option of tar"));
        if call.elevated {
            call.say(super::super::fact::Fact::Privilege("starts a shell from a program that runs as root"));
        }
    }
}
