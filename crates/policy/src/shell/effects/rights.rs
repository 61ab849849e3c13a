//! Who may do what: modes, owners, accounts, groups, `sudo`, capabilities, containers that are not contained, the kernel.

use super::super::call::Call;
use super::super::fact::Fact;

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "chmod" => chmod(call),
        "chown" | "chgrp" => {
            let recursive = call.switch('R', "recursive");
            for word in call.operands("", &["--from", "--reference"]).iter().skip(1) {
                let path = call.path(&word.text);
                call.say(Fact::Permissions { path, recursive, open: false });
            }
        }
        "setfacl" => {
            let open = call.texts().any(|text| text.contains("o::rwx") || text.contains("other::rwx"));
            for word in call.operands("mxM", &["--modify"]) {
                let path = call.path(&word.text);
                call.say(Fact::Permissions { path, recursive: call.switch('R', "recursive"), open });
            }
        }
        "setcap" if !call.has("-r") => call.say(Fact::Privilege("gives a program capabilities of root")),
        "sudo" | "doas" | "su" => shell_as_root(call),
        name if super::super::builtin::SHELLS.contains(&name) => {
            if call.elevated && call.operands("", &[]).is_empty() && call.stdin.from.is_empty() {
                call.say(Fact::Privilege("opens a shell as root"));
            }
            if call.has("-p") && call.args.len() == 1 {
                call.say(Fact::Privilege("keeps the rights of a program's owner in a shell"));
            }
        }
        "visudo" if !call.any(&["-c", "-V", "--check", "--version", "-h"]) => {
            call.say(Fact::Privilege("changes who may use sudo"));
        }
        "insmod" | "modprobe" | "kextload" | "depmod"
            if !call.any(&["-n", "-r", "--show-depends", "-V", "-D", "-c"])
                && (call.name == "insmod"
                    || call.name == "kextload"
                    || call.args.iter().any(|w| w.text.contains('/'))) =>
        {
            call.say(Fact::Privilege("loads code into the kernel"));
        }
        "docker" | "podman" | "nerdctl" => container(call),
        "kubectl" | "oc" => {
            let text = call.texts().collect::<Vec<_>>().join(" ");
            if text.contains("privileged\":true")
                || text.contains("privileged\": true")
                || text.contains("hostPath")
                || text.contains("hostPID\":true")
            {
                call.say(Fact::Privilege("starts a container that reaches the host"));
            }
            if call.any(&["clusterrolebinding"]) && call.texts().any(|text| text.contains("cluster-admin")) {
                call.say(Fact::Privilege("gives all rights in a cluster"));
            }
            return false;
        }
        "lxc" => {
            if call.texts().any(|text| text.contains("security.privileged=true") || text == "source=/") {
                call.say(Fact::Privilege("starts a container that reaches the host"));
            }
            return false;
        }
        "aws" | "gcloud" | "az" => {
            cloud(call);
            return false;
        }
        "gdb" | "rpm" | "apt" | "apt-get" | "man" | "less" | "more" | "ftp" | "mysql" | "npm" | "pip"
        | "nmap" | "zip" | "vim" | "git" | "expect" | "ed" | "irb" | "yum" | "dnf" | "tcpdump"
        | "systemd-run" | "byebug" | "ansible-playbook" | "tmux" | "screen" | "capsh" | "rvim" | "gcc"
        | "make" | "cpan" | "cpulimit" | "dmesg" | "mount" | "ip" | "logrotate" | "busctl" | "debugfs"
        | "journalctl" | "pico" | "nano" | "node" | "perl" | "python" | "python3" | "ruby" | "lua"
        | "php" | "openvpn" | "run-parts" | "ssh-keygen" | "wall" | "multitime" | "dpkg" | "snap" | "gem"
        | "composer" | "bundler" => {
            escape(call);
            return false;
        }
        _ => return accounts(call),
    }
    true
}

fn accounts(call: &mut Call<'_>) -> bool {
    match call.name {
        "usermod" | "gpasswd" | "adduser" | "addgroup" | "dseditgroup" => {
            let groups = ["sudo", "wheel", "docker", "root", "admin", "lxd", "disk", "adm", "shadow"];
            let into = call.texts().any(|text| text.split(',').any(|part| groups.contains(&part)));
            let zero = call.has("-o") && call.has("0");
            if (into && !call.any(&["-d", "--delete"])) || zero {
                call.say(Fact::Privilege("puts a user into a group with the rights of root"));
            }
        }
        "useradd" => {
            let root = call.texts_of('u', "uid").contains(&"0")
                || call.texts_of('G', "groups").iter().chain(&call.texts_of('g', "gid")).any(|group| {
                    group.split(',').any(|part| matches!(part, "sudo" | "wheel" | "root" | "docker" | "0"))
                });
            if root {
                call.say(Fact::Privilege("makes a user with the rights of root"));
            }
            call.say(Fact::Persists("makes an account"));
        }
        "passwd" | "chpasswd" => {
            let changes = call.name == "chpasswd" || call.any(&["root", "-d", "--delete", "-u", "--stdin"]);
            if changes && !call.any(&["-S", "--status", "--help"]) {
                call.say(Fact::Privilege("changes a password of the system"));
            }
        }
        _ => return false,
    }
    true
}

fn shell_as_root(call: &mut Call<'_>) {
    // What is left of `sudo` here has no command: it asks for a shell, or lists rights.
    let harmless = call.any(&[
        "-l",
        "-v",
        "-k",
        "-K",
        "-V",
        "--list",
        "--validate",
        "--version",
        "-h",
        "--help",
        "--reset-timestamp",
    ]);
    let shell = call.name == "su" || call.switch('i', "login") || call.switch('s', "shell");
    let other = call.name == "su"
        && call.operands("s", &["--shell"]).iter().any(|word| !matches!(word.text.as_str(), "-" | "root"));
    if shell && !harmless && !other {
        call.say(Fact::Privilege("opens a shell as root"));
    }
}

/// A program that can start a shell is told to, while it runs as root.
fn escape(call: &mut Call<'_>) {
    if !call.elevated {
        return;
    }
    let text = call.texts().collect::<Vec<_>>().join("\n");
    let shell = [
        "/bin/sh",
        "/bin/bash",
        "!sh",
        "!/bin",
        "os.system",
        "os.exec",
        "pty.spawn",
        "exec \"/bin",
        "Pre-Invoke",
        "!bash",
        "spawn('/bin",
        "spawn(\"/bin",
        "os.setuid(0)",
        "POSIX::setuid",
        "--uid=0",
        "child_process",
        "exec sh",
        "system(\"sh",
    ];
    let unseen = call.name == "nmap" && call.has("--script=");
    if unseen || shell.iter().any(|mark| text.contains(mark)) {
        call.say(Fact::Privilege("starts a shell from a program that runs as root"));
    }
}

fn chmod(call: &mut Call<'_>) {
    let recursive = call.switch('R', "recursive");
    let reference = call.texts().any(|text| text.starts_with("--reference"));
    // A mode may begin with a dash: `-x`.
    let operands: Vec<String> = call
        .texts()
        .filter(|text| {
            !matches!(
                *text,
                "-R" | "--recursive"
                    | "-v"
                    | "-c"
                    | "-f"
                    | "-Rf"
                    | "-fR"
                    | "-Rv"
                    | "-vR"
                    | "--verbose"
                    | "--"
            )
        })
        .map(str::to_owned)
        .collect();
    let skip = usize::from(!reference);
    let Some(given) = operands.first().cloned() else { return };
    for path in operands.iter().skip(skip) {
        mode(call, &given, path, recursive);
    }
}

/// What a mode gives: to everybody, or the rights of the owner to whoever runs it.
pub(super) fn mode(call: &mut Call<'_>, mode: &str, path: &str, recursive: bool) {
    let octal = u32::from_str_radix(mode, 8).ok();
    let open = match octal {
        Some(bits) => bits & 0o002 != 0,
        None => mode.split(',').any(|part| {
            part.split_once(['+', '='])
                .is_some_and(|(who, what)| what.contains('w') && (who.contains('o') || who.contains('a')))
        }),
    };
    let owner = match octal {
        Some(bits) => mode.len() >= 4 && bits & 0o6000 != 0,
        None => mode.split(',').any(|part| {
            part.contains("+s")
                || part.contains("=s")
                || part.contains("+xs")
                || part.contains("+rwxs")
                || part.contains("=rwxs")
        }),
    };
    // A shared directory with the group's bit (2775) is common; it gives nobody root.
    let group_only =
        octal.is_some_and(|bits| bits & 0o4000 == 0) || (octal.is_none() && mode.starts_with("g+s"));
    if owner && !group_only {
        call.say(Fact::Privilege("lets everybody run a program with its owner's rights"));
    }
    let path = call.path(path);
    call.say(Fact::Permissions { path, recursive, open });
}

fn container(call: &mut Call<'_>) {
    if !call.any(&["run", "create", "exec"]) {
        return;
    }
    let mut reaches = call.texts().any(|text| {
        matches!(
            text,
            "--privileged"
                | "--privileged=true"
                | "--pid=host"
                | "--userns=host"
                | "--cap-add=ALL"
                | "--cap-add=SYS_ADMIN"
                | "--cap-add=SYS_PTRACE"
                | "--cap-add=SYS_MODULE"
                | "--security-opt=apparmor=unconfined"
                | "--device=/dev/mem"
                | "--device=/dev/sda"
        )
    });
    for (option, risky) in [
        ("--pid", "host"),
        ("--cap-add", "ALL"),
        ("--cap-add", "SYS_ADMIN"),
        ("--cap-add", "SYS_MODULE"),
        ("--cap-add", "SYS_PTRACE"),
        ("--device", "/dev/sda"),
    ] {
        reaches |= call.args.windows(2).any(|pair| pair[0].text == option && pair[1].text == risky);
    }
    let mut mounts: Vec<String> =
        call.texts_of('v', "volume").iter().map(|text| (*text).to_owned()).collect();
    for mount in call.texts_of(' ', "mount") {
        let source = mount
            .split(',')
            .find_map(|part| part.strip_prefix("source=").or_else(|| part.strip_prefix("src=")));
        mounts.extend(source.map(|source| format!("{source}:")));
    }
    for mount in mounts {
        let source = mount.split(':').next().unwrap_or("");
        let host = matches!(
            source,
            "/" | "/etc"
                | "/root"
                | "/proc"
                | "/sys"
                | "/var"
                | "/boot"
                | "/dev"
                | "/home"
                | "/usr"
                | "/host"
        );
        reaches |= host || source.ends_with("docker.sock") && call.has("sh");
        if source.starts_with(super::super::path::HOME) || source.contains("/.") {
            call.uses(source);
        }
    }
    if reaches {
        call.say(Fact::Privilege("starts a container that reaches the host"));
    }
}

fn cloud(call: &mut Call<'_>) {
    let text = call.texts().take(12).collect::<Vec<_>>().join(" ");
    let admin = [
        "AdministratorAccess",
        "roles/owner",
        "roles/editor",
        "--role Owner",
        "\"Action\":\"*\"",
        "IAMFullAccess",
    ];
    let grants = [
        "attach-user-policy",
        "attach-role-policy",
        "attach-group-policy",
        "put-user-policy",
        "put-role-policy",
        "add-iam-policy-binding",
        "role assignment create",
    ];
    if grants.iter().any(|verb| text.contains(verb)) && admin.iter().any(|role| text.contains(role)) {
        call.say(Fact::Privilege("gives all rights in a cloud account"));
    }
    let keys = [
        "create-access-key",
        "create-login-profile",
        "keys create",
        "ad sp create-for-rbac",
        "credential reset",
    ];
    if keys.iter().any(|verb| text.contains(verb)) {
        call.say(Fact::Persists("makes a new key to a cloud account"));
    }
}
