//! Processes, the machine itself, its logs and guards, and stores of credentials that a program opens.

use super::super::call::Call;
use super::super::fact::{Direction, Fact};

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "kill" => kill(call),
        "pkill" | "killall" | "skill" | "killall5" | "xkill" | "fuser" | "taskkill" | "Stop-Process" => {
            processes(call);
        }
        "shutdown" | "reboot" | "poweroff" | "halt" | "init" | "telinit" | "ctrlaltdel" => {
            let really = match call.name {
                "init" | "telinit" => matches!(call.arg(0), "0" | "6" | "1"),
                "shutdown" => !call.any(&["-c", "--show", "--help"]),
                "ctrlaltdel" => false,
                _ => !call.any(&["--help", "-w", "--wtmp-only"]),
            };
            if really {
                call.say(Fact::Stops("the machine".to_owned()));
            }
        }
        "userdel" | "groupdel" | "deluser" => {
            call.say(Fact::Service {
                service: "the machine".to_owned(),
                act: format!(
                    "delete the account {}",
                    call.args.last().map(super::super::word::Word::shown).unwrap_or_default()
                ),
                loss: super::super::fact::Loss::Some,
            });
        }
        "lockgate" => gateway(call),
        "smbpasswd" | "kinit" | "klist" => {}
        _ => return evades(call) || credentials(call),
    }
    true
}

/// What would show it is switched off or deleted.
fn evades(call: &mut Call<'_>) -> bool {
    match call.name {
        "history" if call.any(&["-c", "-d", "-cw"]) || call.switch('c', "") => {
            call.say(Fact::Evades("deletes the shell's history"));
        }
        "set" if call.args.windows(2).any(|pair| pair[0].text == "+o" && pair[1].text == "history") => {
            call.say(Fact::Evades("switches the shell's history off"));
        }
        "unset" if call.any(&["HISTFILE", "HISTSIZE", "HISTFILESIZE"]) => {
            call.say(Fact::Evades("switches the shell's history off"));
        }
        "journalctl" if call.texts().any(|text| text.starts_with("--vacuum") || text == "--rotate") => {
            if call.texts().any(|text| text.starts_with("--vacuum")) {
                call.say(Fact::Evades("deletes logs"));
            }
        }
        "wevtutil" if matches!(call.arg(0), "cl" | "clear-log") => call.say(Fact::Evades("deletes logs")),
        "setenforce" if matches!(call.arg(0), "0" | "Permissive" | "permissive") => {
            call.say(Fact::Evades("switches off what watches the machine"));
        }
        "auditctl"
            if call.switch('D', "")
                || call.args.windows(2).any(|p| p[0].text == "-e" && p[1].text == "0") =>
        {
            call.say(Fact::Evades("switches off what watches the machine"));
        }
        "ufw" if matches!(call.arg(0), "disable" | "reset") => {
            call.say(Fact::Evades("switches off the firewall"));
        }
        "iptables" | "ip6tables" | "nft" | "pfctl" => {
            let flush =
                call.any(&["-F", "--flush", "flush", "-X", "-d"]) && (call.name != "pfctl" || call.has("-d"));
            let open = call
                .args
                .windows(3)
                .any(|p| p[0].text == "-P" && p[1].text == "INPUT" && p[2].text == "ACCEPT");
            if flush || open {
                call.say(Fact::Evades("switches off the firewall"));
            }
        }
        _ => return unguards(call),
    }
    true
}

/// Guards of the system are switched off.
fn unguards(call: &mut Call<'_>) -> bool {
    match call.name {
        "spctl" | "csrutil" if call.texts().any(|text| text.contains("disable")) => {
            call.say(Fact::Evades("switches off what watches the machine"));
        }
        "xattr"
            if call.texts().any(|text| text.contains("quarantine"))
                && call
                    .texts()
                    .any(|text| text.starts_with("-d") || text.starts_with("-r") || text == "-c") =>
        {
            call.say(Fact::Evades("takes the mark of a download off a file"));
        }
        "aa-teardown" | "aa-disable" | "aa-complain" => {
            call.say(Fact::Evades("switches off what watches the machine"));
        }
        "sysctl" => {
            let weak = [
                "kernel.randomize_va_space=0",
                "kernel.yama.ptrace_scope=0",
                "kernel.core_pattern=|",
                "kernel.modules_disabled",
                "kernel.kptr_restrict=0",
            ];
            if call.texts().any(|text| weak.iter().any(|mark| text.starts_with(mark))) {
                call.say(Fact::Evades("switches off what guards the kernel"));
            }
        }
        "chattr"
            if call.texts().any(|text| {
                text.starts_with('+') && text.contains('i')
                    || text.starts_with('-') && (text == "-i" || text == "-a")
            }) =>
        {
            call.say(Fact::Evades("makes a file unchangeable, or changeable again"));
        }
        "mount"
            if call.texts().any(|text| text.contains("hidepid") || text.contains("bind"))
                && call.texts().any(|text| text.starts_with("/proc/")) =>
        {
            call.say(Fact::Evades("hides a process"));
        }
        _ => return false,
    }
    true
}

/// Programs that take credentials out of their stores.
fn credentials(call: &mut Call<'_>) -> bool {
    match call.name {
        "security" | "secret-tool" | "kwallet-query" | "kwalletcli" | "lsadump" | "mimikatz" | "lazagne"
        | "laZagne" | "lazagne.py" | "mimipenguin" | "pypykatz" | "secretsdump.py" | "hashcat" | "john"
        | "unshadow" | "gcore" | "procdump" | "chainbreaker" | "firefox_decrypt" | "firefox_decrypt.py"
        | "linpeas.sh" | "cmdkey" | "vaultcmd" => {
            stores(call);
        }
        "pass" | "gopass" | "bw" | "lpass" | "keyring" | "keepassxc-cli" | "op" | "aws-vault" | "doppler"
        | "chamber" => managers(call),
        "gh" | "glab" | "gcloud" | "az" | "aws" | "heroku" | "vault" | "kubectl" | "npm" | "flyctl"
        | "fly" | "oc" | "vercel" => {
            tokens(call);
            return false;
        }
        "gdb" | "strace" | "ltrace" | "perf" => {
            if call.value('p', "pid").is_some()
                && matches!(call.name, "strace" | "ltrace")
                && call.args.iter().any(|w| w.text.contains("read") || w.text.contains("write"))
            {
                call.say(Fact::Credential("the data of another process".to_owned()));
            }
            return false;
        }
        "tcpdump" | "tshark" | "dsniff" | "ettercap" | "bettercap" | "responder" | "Responder.py"
            if call.switch('A', "")
                || call.switch('w', "")
                || call.switch('X', "")
                || matches!(
                    call.name,
                    "dsniff" | "ettercap" | "bettercap" | "responder" | "Responder.py"
                ) =>
        {
            call.say(Fact::Credential("what others send over the network".to_owned()));
        }
        "xinput" | "logkeys" | "xspy" | "showkey"
            if call.any(&["test", "test-xi2", "--start", "-s"]) || call.name == "xspy" =>
        {
            call.say(Fact::Credential("what is typed on the keyboard".to_owned()));
        }
        _ => return false,
    }
    true
}

fn kill(call: &mut Call<'_>) {
    if call.any(&["-l", "-L", "-0"]) || call.value('s', "").is_some_and(|word| word.text == "0") {
        return;
    }
    let mut all = call.texts().filter(|text| *text == "-1").count() > usize::from(call.arg(0) == "-1");
    all |= call.args.len() > 1 && call.args.last().is_some_and(|word| word.text == "-1");
    let mut targets: Vec<String> =
        call.operands("sn", &["--signal"]).iter().map(|word| word.text.clone()).collect();
    if all {
        targets.push("-1".to_owned());
    }
    for target in targets {
        call.say(Fact::Process { target });
    }
}

fn processes(call: &mut Call<'_>) {
    if call.any(&["-0", "-l", "--list", "--version", "--help"]) && call.name != "fuser" {
        return;
    }
    let mut targets: Vec<String> = call
        .operands("sugGPtUF", &["--signal", "--user", "--euid", "--parent", "--session"])
        .iter()
        .map(|word| word.text.clone())
        .collect();
    match call.name {
        "fuser" if !call.switch('k', "kill") => return,
        "fuser" => {
            targets = targets
                .iter()
                .map(|text| format!("port {}", text.split('/').next().unwrap_or(text)))
                .collect();
        }
        "killall5" => targets.push("-1".to_owned()),
        _ => {}
    }
    for word in call.texts_of('u', "user") {
        targets.push(format!("all of {word}"));
    }
    for target in targets {
        if target.len() > 2 {
            super::stays::hides(call, &target);
        }
        call.say(Fact::Process { target });
    }
}

/// Programs whose work is to take credentials out.
fn stores(call: &mut Call<'_>) {
    let shows = match call.name {
        "security" => call.texts().next().is_some_and(|verb| {
            verb.starts_with("find-") && (call.switch('w', "") || call.switch('g', ""))
                || matches!(verb, "dump-keychain" | "export" | "unlock-keychain")
        }),
        "secret-tool" => matches!(call.arg(0), "lookup" | "search"),
        "cmdkey" | "vaultcmd" => call.texts().any(|text| text.starts_with("/list")),
        "hashcat" | "john" | "unshadow" | "gcore" | "procdump" => !call.operands("", &[]).is_empty(),
        _ => true,
    };
    if shows {
        call.say(Fact::Credential(format!("passwords, by {}", call.name)));
    }
    for word in call.operands("", &[]) {
        call.reads(&word.text, false);
    }
}

fn managers(call: &mut Call<'_>) {
    let shows = match call.name {
        "pass" | "gopass" => {
            matches!(call.arg(0), "show" | "grep")
                || (call.name == "pass"
                    && !call.args.is_empty()
                    && !matches!(
                        call.arg(0),
                        "ls" | "list"
                            | "insert"
                            | "generate"
                            | "git"
                            | "init"
                            | "find"
                            | "help"
                            | "--help"
                            | "version"
                            | "edit"
                            | "rm"
                            | "mv"
                            | "cp"
                            | "search"
                    ))
        }
        "bw" => {
            matches!(call.arg(0), "export")
                || (call.arg(0) == "get" && matches!(call.arg(1), "password" | "totp" | "notes"))
                || (call.arg(0) == "list" && call.arg(1) == "items")
        }
        "lpass" => {
            matches!(call.arg(0), "export")
                || (call.arg(0) == "show"
                    && call.texts().any(|text| text.starts_with("--pass") || text == "-p"))
        }
        "keyring" => call.arg(0) == "get",
        "keepassxc-cli" => {
            matches!(call.arg(0), "export") || call.arg(0) == "show" && call.switch('s', "show-protected")
        }
        "op" => call.texts().any(|text| text == "--reveal") || matches!(call.arg(0), "read"),
        "aws-vault" => call.arg(0) == "exec" && call.any(&["env", "printenv"]) || call.arg(0) == "export",
        "chamber" => call.arg(0) == "export",
        _ => false,
    };
    if shows {
        call.say(Fact::Credential(format!("passwords, by {}", call.name)));
    }
    super::services::facts(call);
}

/// Commands of tools that print the token they work with.
fn tokens(call: &mut Call<'_>) {
    let options = [
        "--namespace",
        "--context",
        "--profile",
        "--region",
        "--project",
        "--cluster",
        "--kubeconfig",
        "--output",
        "--repo",
    ];
    let words: Vec<&str> = call.operands("nR", &options).iter().map(|word| word.text.as_str()).collect();
    let word = |at: usize| words.get(at).copied().unwrap_or("");
    let (first, second, third) = (word(0), word(1), word(2));
    let shows = match call.name {
        "gh" => {
            (first, second) == ("auth", "token")
                || ((first, second) == ("auth", "status") && call.any(&["-t", "--show-token"]))
        }
        "glab" => (first, second) == ("auth", "status") && call.any(&["-t", "--show-token"]),
        "gcloud" => {
            first == "auth"
                && (second.starts_with("print-")
                    || (second == "application-default" && third == "print-access-token"))
                || call.has("access") && call.has("secrets")
        }
        "az" => {
            (first, second) == ("account", "get-access-token")
                || ((first, second, third) == ("keyvault", "secret", "show"))
        }
        "aws" => {
            (first, second) == ("configure", "export-credentials")
                || (first, second) == ("sts", "get-session-token")
                || ((first, second) == ("configure", "get") && third.contains("secret"))
                || ((first, second) == ("ssm", "get-parameter") || second == "get-parameters-by-path")
                    && call.has("--with-decryption")
        }
        "heroku" => (first, second) == ("auth", "token") || first == "auth:token",
        "vault" => (first, second) == ("print", "token") || (first == "token" && second == "create"),
        "kubectl" | "oc" => {
            let raw = call.texts().any(|text| {
                text.starts_with("-ojson")
                    || text.starts_with("-oyaml")
                    || text.starts_with("-ojsonpath")
                    || text.starts_with("-ogo-template")
                    || matches!(
                        text,
                        "json" | "yaml" | "-o=json" | "-o=yaml" | "--output=json" | "--output=yaml"
                    )
                    || text.starts_with("jsonpath=")
                    || text.starts_with("-o=jsonpath")
                    || text.starts_with("go-template")
                    || text.starts_with("custom-columns")
            });
            let secret = call.texts().any(|text| {
                matches!(text, "secret" | "secrets")
                    || text.starts_with("secret/")
                    || text.starts_with("secrets/")
            });
            (first == "get" && secret && raw)
                || (first, second) == ("config", "view") && call.has("--raw")
                || (first, second) == ("create", "token")
                || (first == "whoami" && call.has("-t"))
        }
        "npm" => (first, second) == ("config", "get") && third.contains("_auth"),
        "fly" | "flyctl" => (first, second) == ("auth", "token") || first == "tokens",
        _ => false,
    };
    if shows {
        call.say(Fact::Credential(format!("a token, by {}", call.name)));
    }
    let remote = call.name == "gh" && first == "gist" && second == "create";
    if remote {
        for word in call.operands("df", &["--desc", "--filename"]).iter().skip(2) {
            call.reads(&word.text, false);
        }
        call.say(Fact::Network { direction: Direction::Upload, host: "gist.github.com".to_owned() });
    }
}

/// Commands of our own program that change what is judged.
fn gateway(call: &mut Call<'_>) {
    let verbs: Vec<&str> = call.texts().filter(|text| !text.starts_with('-')).take(3).collect();
    let changes = [
        "set", "off", "disable", "remove", "delete", "rm", "stop", "approve", "rollback", "reset", "revoke",
        "add", "create", "edit", "apply", "promote", "rotate",
    ];
    if let [area, verb, ..] = verbs.as_slice()
        && matches!(*area, "policy" | "config" | "key" | "budget" | "route")
        && changes.contains(verb)
    {
        call.say(Fact::Stops("lockgate".to_owned()));
    }
    if matches!(verbs.first(), Some(&("stop" | "shutdown" | "uninstall" | "disconnect"))) {
        call.say(Fact::Stops("lockgate".to_owned()));
    }
}
