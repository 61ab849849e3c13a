//! Git: what is pushed where and with what force, what is thrown away, what is rewritten; and the settings by which git runs programs.

use super::super::call::Call;
use super::super::fact::{Direction, Fact, Git};
use super::super::word::Word;

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    if !matches!(call.name, "git" | "hub" | "yadm" | "jj-git") {
        return matches!(call.name, "git-filter-repo" | "bfg") && {
            call.say(Fact::Git(Git::History));
            true
        };
    }
    let Some((verb, rest)) = verb(call.args) else { return true };
    settings(call);
    let inner = Call {
        args: rest,
        facts: Vec::new(),
        name: "git",
        cwd: call.cwd,
        stdin: call.stdin,
        elevated: call.elevated,
    };
    let facts = of(verb, inner);
    call.facts.extend(facts);
    true
}

/// The subcommand and what follows it.
fn verb(args: &[Word]) -> Option<(&str, &[Word])> {
    let mut at = 0;
    while let Some(word) = args.get(at) {
        match word.text.as_str() {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path" | "--config-env" => {
                at += 2;
            }
            text if text.starts_with('-') => at += 1,
            text => return Some((text, &args[at + 1..])),
        }
    }
    None
}

/// `-c core.hooksPath=…` and the like make git run programs.
fn settings(call: &mut Call<'_>) {
    for pair in call.args.windows(2) {
        if pair[0].text == "-c" && runs_programs(&pair[1].text) && !harmless(&pair[1].text) {
            call.say(Fact::Evades("makes git run a program by a setting"));
        }
    }
}

fn runs_programs(setting: &str) -> bool {
    let name = setting.split('=').next().unwrap_or(setting).to_ascii_lowercase();
    let exact = [
        "core.hookspath",
        "core.fsmonitor",
        "core.sshcommand",
        "core.pager",
        "core.editor",
        "core.askpass",
        "core.gitproxy",
        "init.templatedir",
        "sequence.editor",
        "diff.external",
        "protocol.ext.allow",
    ];
    exact.contains(&name.as_str())
        || (name.starts_with("alias.") && setting.contains('!'))
        || name.starts_with("filter.")
        || (name.starts_with("credential") && name.ends_with("helper"))
}

fn harmless(setting: &str) -> bool {
    let (name, value) = setting.split_once(['=', ' ']).unwrap_or((setting, ""));
    let value = value.trim();
    let editor = [
        "true",
        ":",
        "cat",
        "vim",
        "nano",
        "code --wait",
        "less",
        "",
        "less -R",
        "delta",
        "/dev/null",
        "false",
        "ssh",
    ];
    let helpers = [
        "store",
        "cache",
        "osxkeychain",
        "manager",
        "manager-core",
        "libsecret",
        "!gh auth git-credential",
        "!/usr/bin/gh auth git-credential",
    ];
    let short = value.to_ascii_lowercase();
    editor.contains(&short.as_str())
        || (name.starts_with("filter.lfs"))
        || (name.starts_with("credential") && helpers.iter().any(|helper| short.starts_with(helper)))
        || short.starts_with(".husky")
        || short == ".githooks"
        || (name.eq_ignore_ascii_case("core.sshcommand") && short.starts_with("ssh -"))
}

fn of(verb: &str, mut call: Call<'_>) -> Vec<Fact> {
    match verb {
        "push" => push(&mut call),
        "reset" if call.any(&["--hard", "--merge"]) => call.say(Fact::Git(Git::Discard)),
        "clean" => {
            let dry = call.switch('n', "dry-run") || call.switch('i', "interactive");
            if call.switch('f', "force") && !dry {
                call.say(Fact::Git(Git::Clean));
            }
        }
        "checkout" | "switch" | "restore" => discard(verb, &mut call),
        "branch" => {
            let deletes = call.switch('D', "") || (call.switch('d', "delete") && call.switch('f', "force"));
            if deletes {
                for word in call.operands("", &[]) {
                    call.say(Fact::Git(Git::BranchDelete(word.text.clone())));
                }
            }
        }
        "stash" if matches!(call.arg(0), "drop" | "clear") => call.say(Fact::Git(Git::StashDrop)),
        "reflog" if matches!(call.arg(0), "expire" | "delete") && !call.has("--dry-run") => {
            call.say(Fact::Git(Git::Expire));
        }
        "gc" if call.texts().any(|text| text == "--prune=now" || text == "--prune=all") => {
            call.say(Fact::Git(Git::Expire));
        }
        "prune" if !call.switch('n', "dry-run") => call.say(Fact::Git(Git::Expire)),
        "filter-branch" | "filter-repo" => call.say(Fact::Git(Git::History)),
        "update-ref" if call.has("-d") => call.say(Fact::Git(Git::BranchDelete(call.arg(1).to_owned()))),
        "worktree" if call.arg(0) == "remove" && call.switch('f', "force") => call.say(Fact::Git(Git::Clean)),
        "config" => config(&mut call),
        "remote" => remote(&mut call),
        "credential" | "credential-store" | "credential-cache" if matches!(call.arg(0), "fill" | "get") => {
            call.say(Fact::Credential("the stored passwords of git".to_owned()));
        }
        "credential-osxkeychain" | "credential-manager" if call.has("get") => {
            call.say(Fact::Credential("the stored passwords of git".to_owned()));
        }
        "clone" | "fetch" | "pull" | "ls-remote" | "submodule" => fetch(&mut call),
        _ => files(verb, &mut call),
    }
    call.facts
}

/// Subcommands that read, add and delete files.
fn files(verb: &str, call: &mut Call<'_>) {
    match verb {
        "show" | "cat-file" | "blame" => {
            for word in call.operands("", &[]) {
                if let Some((_, path)) = word.text.split_once(':') {
                    call.reads(path, false);
                }
            }
        }
        "diff" if call.has("--no-index") => {
            for word in call.operands("", &[]) {
                call.reads(&word.text, false);
            }
        }
        "grep" if call.has("--no-index") => {
            for word in call.operands("", &[]).iter().skip(1) {
                call.reads(&word.text, false);
            }
        }
        "hash-object" => {
            for word in call.operands("t", &[]) {
                call.reads(&word.text, false);
            }
        }
        "add" | "stage" => {
            for word in call.operands("", &[]) {
                let forced = call.switch('f', "force");
                if forced { call.reads(&word.text, false) } else { call.uses(&word.text) }
            }
        }
        "rm" => {
            let cached = call.has("--cached");
            for word in call.operands("", &[]) {
                if !cached {
                    call.deletes(&word.text, call.switch('r', ""), call.switch('f', "force"));
                }
            }
        }
        _ => {}
    }
}

fn fetch(call: &mut Call<'_>) {
    let address = call
        .operands("bcoj", &[])
        .into_iter()
        .map(|word| word.text.as_str())
        .find(|text| text.contains("://") || text.contains('@'));
    if let Some(address) = address {
        if address.starts_with("ext::") {
            call.say(Fact::Evades("makes git run a program by a setting"));
        }
        call.say(Fact::Network { direction: Direction::Download, host: super::network::host(address) });
    }
    if call.texts().any(|text| text.starts_with("ext::")) {
        call.say(Fact::Evades("makes git run a program by a setting"));
    }
}

fn discard(verb: &str, call: &mut Call<'_>) {
    let after = call.texts().skip_while(|text| *text != "--").nth(1).is_some();
    let dots = call.texts().any(|text| matches!(text, "." | ":/" | "*" | "./"));
    let forced = match verb {
        "restore" => !call.switch('S', "staged") || call.switch('W', "worktree"),
        "switch" => {
            return if call.has("--discard-changes") || call.switch('f', "force") {
                call.say(Fact::Git(Git::Discard));
            };
        }
        _ => call.switch('f', "force") && !call.switch('b', ""),
    };
    // One file is what an agent takes back of its own; everything is what it may not.
    let all = match verb {
        "restore" => forced && dots,
        _ => forced || dots && (after || call.args.len() == 1 || call.has("HEAD")),
    };
    if all {
        call.say(Fact::Git(Git::Discard));
    }
}

fn push(call: &mut Call<'_>) {
    if call.switch('n', "dry-run") {
        return;
    }
    let operands = call.operands("o", &["--push-option", "--repo", "--receive-pack"]);
    let remote = operands.first().map(|word| word.text.as_str());
    let address = remote
        .filter(|text| text.contains("://") || (text.contains('@') && text.contains(':')))
        .map(str::to_owned);
    let specs: Vec<&str> = operands.iter().skip(1).map(|word| word.text.as_str()).collect();
    let branch = |spec: &str| {
        let to = spec.trim_start_matches('+').rsplit(':').next().unwrap_or(spec);
        to.trim_start_matches("refs/heads/").to_owned()
    };
    let mirror = call.has("--mirror") || call.has("--prune");
    if call.switch('d', "delete") {
        call.say(Fact::Git(Git::PushDelete(specs.iter().map(|spec| branch(spec)).collect())));
        return;
    }
    let gone: Vec<String> =
        specs.iter().filter_map(|spec| spec.strip_prefix(':')).map(str::to_owned).collect();
    if !gone.is_empty() {
        call.say(Fact::Git(Git::PushDelete(gone)));
    }
    let branches: Vec<String> =
        specs.iter().filter(|spec| !spec.starts_with(':')).map(|spec| branch(spec)).collect();
    let lease =
        call.texts().any(|text| text.starts_with("--force-with-lease") || text == "--force-if-includes");
    let short = call.texts().any(|text| {
        text.len() > 1 && text.starts_with('-') && !text.starts_with("--") && text[1..].contains('f')
    });
    // `--forc` and `--force` are the same to git; `--force-with-lease` is not.
    let named =
        call.texts().any(|text| text.len() >= 4 && "--force".starts_with(text) && text.starts_with("--fo"));
    let forced = short || named || mirror || specs.iter().any(|spec| spec.starts_with('+'));
    if forced || lease {
        call.say(Fact::Git(Git::ForcePush { branches: branches.clone(), lease: lease && !forced }));
    }
    let all = call.any(&["--all", "--branches"]);
    let branches = if all { vec!["*".to_owned()] } else { branches };
    if let Some(address) = &address {
        call.say(Fact::Network { direction: Direction::Upload, host: super::network::host(address) });
    }
    call.say(Fact::Git(Git::Push { branches, address }));
}

fn config(call: &mut Call<'_>) {
    let operands = call.operands("f", &["--file", "--type", "--blob", "--get", "--unset", "--get-all"]);
    if let [name, value, ..] = operands.as_slice() {
        let setting = format!("{}={}", name.text, value.text);
        if runs_programs(&setting) && !harmless(&setting) {
            call.say(Fact::Persists("makes git run a program at each use"));
        }
    }
}

fn remote(call: &mut Call<'_>) {
    if matches!(call.arg(0), "set-url" | "add") && call.texts().any(|text| text.starts_with("ext::")) {
        call.say(Fact::Evades("makes git run a program by a setting"));
    }
}
