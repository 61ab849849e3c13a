//! Files that are made, moved, copied, changed and deleted.

use super::super::call::Call;
use super::super::fact::Fact;
use super::super::path::UNKNOWN;

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "rm" | "grm" | "srm" | "trash" | "rmdir" | "unlink" | "del" | "rd" | "Remove-Item" | "rimraf" => {
            remove(call);
        }
        "shred" | "wipe" | "scrub" => {
            let gone = true;
            for word in call.operands("ns", &["--iterations", "--size"]) {
                device_or(call, &word.text, "is overwritten", gone);
            }
        }
        "truncate" | "fallocate" => {
            let zero = call
                .text_of('s', "size")
                .is_some_and(|size| size.trim_start_matches('+') == "0" && !size.starts_with('+'));
            for word in call.operands("srlo", &["--size", "--reference", "--length"]) {
                if zero { call.deletes(&word.text, false, true) } else { call.writes(&word.text, true) }
            }
        }
        "cp" | "gcp" | "install" | "ditto" | "link" | "ln" | "copy" | "Copy-Item" => copy(call),
        "mv" | "gmv" | "move" | "rename" | "Move-Item" => moved(call),
        "tee" => {
            let appends = call.switch('a', "append");
            for word in call.operands("", &[]) {
                call.writes(&word.text, appends);
            }
        }
        "sponge" | "touch" => {
            for word in call.operands("drt", &["--date", "--reference"]) {
                call.writes(&word.text, true);
            }
            if call.name == "touch" && call.value('r', "reference").is_some() {
                call.say(Fact::Evades("gives a file the times of another"));
            }
        }
        "patch" => {
            for word in call.operands("pid", &[]).into_iter().take(1) {
                call.writes(&word.text, true);
            }
        }
        "mkfifo" => {}
        _ => return false,
    }
    true
}

/// A device is written to; anything else is deleted.
pub(super) fn device_or(call: &mut Call<'_>, text: &str, act: &'static str, forced: bool) {
    let path = call.path(text);
    if is_device(path.raw()) {
        call.say(Fact::Device { path, act });
    } else {
        call.deletes(text, false, forced);
    }
}

/// Whether the path is a disk or the like, and not one of the harmless files in `/dev`.
pub(super) fn is_device(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/dev/") else { return path.starts_with(r"\\.\") };
    let harmless = [
        "null", "zero", "std", "tty", "pts", "shm", "fd", "tcp", "udp", "full", "random", "urandom", "log",
        "mqueue", "loop",
    ];
    !harmless.iter().any(|start| name.starts_with(start))
}

fn remove(call: &mut Call<'_>) {
    let recursive = call.switch('r', "recursive")
        || call.switch('R', "")
        || call.has("-Recurse")
        || call.name == "rimraf"
        || call.has("/s");
    let forced =
        call.switch('f', "force") || call.has("-Force") || call.name == "rimraf" || call.name == "srm";
    let dirs = call.name == "rmdir";
    for word in call.operands("", &[]) {
        let text = word.text.as_str();
        // Elements of an empty word name nothing.
        if text.is_empty() {
            continue;
        }
        if recursive && dirs {
            call.deletes(text, false, forced);
        } else {
            call.deletes(text, recursive, forced);
        }
    }
    if call.has("--no-preserve-root") {
        call.deletes("/", true, true);
    }
}

fn copy(call: &mut Call<'_>) {
    let target = call.text_of('t', "target-directory").map(str::to_owned);
    let takes = match call.name {
        "install" => "gmotS",
        _ => "tS",
    };
    let operands: Vec<String> = call
        .operands(takes, &["--target-directory", "--mode", "--owner", "--group", "--suffix"])
        .iter()
        .map(|word| word.text.clone())
        .collect();
    if call.name == "install" && call.switch('d', "directory") {
        return;
    }
    let recursive = call.switch('r', "recursive") || call.switch('a', "archive") || call.switch('R', "");
    let (sources, to) = match (&target, operands.split_last()) {
        (Some(target), _) => (operands.as_slice(), target.clone()),
        (None, Some((last, rest))) if !rest.is_empty() => (rest, last.clone()),
        (None, _) => (operands.as_slice(), ".".to_owned()),
    };
    for source in sources {
        call.reads(source, recursive);
    }
    written(call, sources, &to);
    if call.name == "install"
        && let Some(mode) = call.text_of('m', "mode")
    {
        super::rights::mode(call, mode, &to, false);
    }
    if matches!(call.name, "ln" | "link") && call.switch('f', "force") && is_program_dir(&to) {
        call.say(Fact::Persists("puts another program in the place of a system's one"));
    }
}

/// The destination, as a directory and as a file.
fn written(call: &mut Call<'_>, sources: &[String], to: &str) {
    call.writes(to, false);
    if let [source] = sources
        && (to.ends_with('/') || !to.contains('.'))
    {
        let name = source.rsplit('/').next().unwrap_or(source);
        if !name.is_empty() && !name.contains(UNKNOWN) {
            call.writes(&format!("{}/{name}", to.trim_end_matches('/')), false);
        }
    }
}

fn is_program_dir(path: &str) -> bool {
    ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"].iter().any(|dir| path.starts_with(dir))
}

fn moved(call: &mut Call<'_>) {
    let operands: Vec<String> = call
        .operands("tS", &["--target-directory", "--suffix"])
        .iter()
        .map(|word| word.text.clone())
        .collect();
    let target = call.text_of('t', "target-directory").map(str::to_owned);
    let (sources, to) = match (&target, operands.split_last()) {
        (Some(target), _) => (operands.as_slice(), target.clone()),
        (None, Some((last, rest))) if !rest.is_empty() => (rest, last.clone()),
        (None, _) => return,
    };
    for source in sources {
        call.reads(source, true);
        // What is moved to nowhere is gone; what is moved elsewhere is only somewhere else.
        if to == "/dev/null" {
            call.deletes(source, true, true);
        } else {
            let path = call.path(source);
            call.say(Fact::Deletes { path, recursive: false, forced: false });
        }
    }
    written(call, sources, &to);
}
