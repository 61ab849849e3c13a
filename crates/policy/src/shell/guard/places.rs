//! Lists of places: files that run something by where they lie, directories of the system, hosts that take anything from anybody.

use std::sync::LazyLock;

use crate::paths::{SecretPaths, Tier};

/// Files that make something run later, by where they lie. The tier says whether it is refused (secret) or asked about.
pub(super) static STARTERS: LazyLock<SecretPaths> = LazyLock::new(|| {
    let mut list = SecretPaths::empty(false);
    for (name, pattern, tier) in LIST {
        // The list is ours; a pattern of it that named nothing would fail the test that walks it.
        let added = list.add(name, pattern, *tier);
        debug_assert!(added.is_ok());
    }
    list
});

const ASK: Tier = Tier::Sensitive;
const DENY: Tier = Tier::Secret;

pub(super) const LIST: &[(&str, &str, Tier)] = &[
    ("runs with every shell", ".bashrc", ASK),
    ("runs with every shell", ".bash_profile", ASK),
    ("runs with every shell", ".bash_login", ASK),
    ("runs with every shell", ".bash_logout", ASK),
    ("runs with every shell", ".bash_aliases", ASK),
    ("runs with every shell", ".profile", ASK),
    ("runs with every shell", ".zshrc", ASK),
    ("runs with every shell", ".zshenv", ASK),
    ("runs with every shell", ".zprofile", ASK),
    ("runs with every shell", ".zlogin", ASK),
    ("runs with every shell", ".kshrc", ASK),
    ("runs with every shell", ".config/fish/config.fish", ASK),
    ("runs with every shell", ".config/fish/conf.d/**", ASK),
    ("runs with every shell", ".config/fish/functions/**", ASK),
    ("runs with every shell", "/etc/profile", DENY),
    ("runs with every shell", "/etc/profile.d/**", DENY),
    ("runs with every shell", "/etc/bash.bashrc", DENY),
    ("runs with every shell", "/etc/bashrc", DENY),
    ("runs with every shell", "/etc/zsh/**", DENY),
    ("runs with every shell", "/etc/zshrc", DENY),
    ("runs with every shell", "/etc/environment", DENY),
    ("runs with every login", ".xinitrc", ASK),
    ("runs with every login", ".xprofile", ASK),
    ("runs with every login", ".xsession", ASK),
    ("runs with every login", ".config/autostart/**", ASK),
    ("runs with every login", ".config/systemd/user/**", ASK),
    ("runs with every login", ".local/share/systemd/user/**", ASK),
    ("runs with every login", "Library/LaunchAgents/**", ASK),
    ("runs with every login", "Library/LaunchDaemons/**", DENY),
    ("runs with every login", "/etc/xdg/autostart/**", DENY),
    ("runs with every login", "/etc/update-motd.d/**", DENY),
    ("runs with every login", "/etc/security/pam_env.conf", DENY),
    ("runs with every login", ".ssh/rc", DENY),
    ("runs with every login", ".pam_environment", DENY),
    ("opens this account to a key", ".ssh/authorized_keys", DENY),
    ("opens this account to a key", ".ssh/authorized_keys2", DENY),
    ("changes how ssh connects", ".ssh/config", ASK),
    ("changes how logins work", "/etc/ssh/sshd_config", DENY),
    ("changes how logins work", "/etc/ssh/sshd_config.d/**", DENY),
    ("changes how logins work", "/etc/pam.d/**", DENY),
    ("changes how logins work", "/etc/passwd", DENY),
    ("changes how logins work", "/etc/shadow", DENY),
    ("changes how logins work", "/etc/group", DENY),
    ("changes how logins work", "/etc/gshadow", DENY),
    ("changes who may use sudo", "/etc/sudoers", DENY),
    ("changes who may use sudo", "/etc/sudoers.d/**", DENY),
    ("changes who may use sudo", "/etc/doas.conf", DENY),
    ("changes who may use sudo", "/etc/polkit-1/**", DENY),
    ("runs by the clock", "/etc/crontab", DENY),
    ("runs by the clock", "/etc/anacrontab", DENY),
    ("runs by the clock", "/etc/cron.*/**", DENY),
    ("runs by the clock", "/var/spool/cron/**", DENY),
    ("runs by the clock", "/var/spool/at/**", DENY),
    ("runs with the machine", "/etc/systemd/**", DENY),
    ("runs with the machine", "/lib/systemd/**", DENY),
    ("runs with the machine", "/usr/lib/systemd/**", DENY),
    ("runs with the machine", "/usr/local/lib/systemd/**", DENY),
    ("runs with the machine", "/run/systemd/**", DENY),
    ("runs with the machine", "/etc/init.d/**", DENY),
    ("runs with the machine", "/etc/init/**", DENY),
    ("runs with the machine", "/etc/rc.local", DENY),
    ("runs with the machine", "/etc/rc*.d/**", DENY),
    ("runs with the machine", "/etc/inittab", DENY),
    ("runs with the machine", "/etc/udev/rules.d/**", DENY),
    ("runs with the machine", "/etc/modules", DENY),
    ("runs with the machine", "/etc/modules-load.d/**", DENY),
    ("runs with the machine", "/etc/modprobe.d/**", DENY),
    ("runs with the machine", "/etc/NetworkManager/dispatcher.d/**", DENY),
    ("runs with the machine", "/etc/network/if-up.d/**", DENY),
    ("runs with the machine", "/etc/dhcp/**", DENY),
    ("runs with the machine", "/boot/**", DENY),
    ("runs with the machine", "/etc/default/grub", DENY),
    ("runs with every program", "/etc/ld.so.preload", DENY),
    ("runs with every program", "/etc/ld.so.conf.d/**", DENY),
    ("runs with every program", "/etc/ld.so.conf", DENY),
    ("runs with the package manager", "/etc/apt/apt.conf.d/**", DENY),
    ("runs with the package manager", "/etc/yum/pluginconf.d/**", DENY),
    ("runs with every Python", "site-packages/*.pth", ASK),
    ("runs with every Python", "dist-packages/*.pth", ASK),
    ("runs with every Python", "sitecustomize.py", ASK),
    ("runs with every Python", "usercustomize.py", ASK),
    ("runs with git", ".git/hooks/**", ASK),
    ("runs with git", ".git/config", ASK),
    ("runs with git", ".gitconfig", ASK),
    ("runs with git", ".config/git/config", ASK),
    ("runs with git", "/etc/gitconfig", DENY),
    ("runs with git", ".config/git/hooks/**", ASK),
    ("runs with git", "git-core/templates/hooks/**", DENY),
    ("runs with an editor", ".vimrc", ASK),
    ("runs with an editor", ".vim/plugin/**", ASK),
    ("runs with an editor", ".config/nvim/init.*", ASK),
    ("runs with an editor", ".emacs", ASK),
    ("runs with an editor", ".emacs.d/init.el", ASK),
    ("runs with a terminal", ".tmux.conf", ASK),
    ("runs with a terminal", ".screenrc", ASK),
    ("runs with a debugger", ".gdbinit", ASK),
    ("changes what the agent may do", ".claude/settings.json", ASK),
    ("changes what the agent may do", ".claude/settings.local.json", ASK),
    ("changes what the agent may do", ".claude/hooks/**", ASK),
    ("changes what the agent may do", ".codex/config.toml", ASK),
    ("changes what the agent may do", ".gemini/settings.json", ASK),
    ("changes where packages come from", ".pip/pip.conf", ASK),
    ("changes where packages come from", ".config/pip/pip.conf", ASK),
    ("changes where names lead", "/etc/hosts", ASK),
    ("changes where names lead", "/etc/resolv.conf", ASK),
    ("changes what the kernel runs", "/proc/sys/kernel/core_pattern", DENY),
    ("changes what the kernel runs", "/proc/sys/kernel/modprobe", DENY),
    ("changes what the kernel runs", "/proc/sys/fs/binfmt_misc/**", DENY),
    ("changes what the kernel runs", "/proc/sysrq-trigger", DENY),
    ("changes what the kernel runs", "release_agent", DENY),
];

/// Programs in whose place another one would go unnoticed.
pub(super) const WELL_KNOWN: &[&str] = &[
    "bash",
    "cat",
    "curl",
    "docker",
    "env",
    "find",
    "gcc",
    "git",
    "grep",
    "kubectl",
    "login",
    "ls",
    "make",
    "node",
    "npm",
    "passwd",
    "pip",
    "ps",
    "python",
    "python3",
    "sh",
    "ssh",
    "sshd",
    "su",
    "sudo",
    "systemctl",
    "tar",
    "top",
    "vim",
    "wget",
    "which",
    "who",
    "zsh",
    "cd",
    "cp",
    "mv",
    "rm",
    "id",
    "netstat",
    "ss",
    "lsof",
];

/// Directories of programs.
pub(super) const PROGRAMS: &[&str] = &[
    "/bin/",
    "/sbin/",
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/local/bin/",
    "/usr/local/sbin/",
    "/.local/bin/",
    "/lib/",
    "/usr/lib/",
    "/lib64/",
    "~/bin/",
];

/// Directories of the system: nothing in them is the project's.
pub(super) const SYSTEM: &[&str] = &[
    "/",
    "/Applications",
    "/Library",
    "/System",
    "/Users",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/www",
    "/usr/local/bin",
    "/usr/local/lib",
    "/var/lib/docker",
    "/var/lib/postgresql",
    "/var/lib/mysql",
    "/c",
    "/windows",
    "/efi",
    "/nix",
    "/snap",
];

/// Directories whose content is thrown away anyway.
pub(super) const SCRATCH: &[&str] = &[
    "/tmp",
    "/var/tmp",
    "/private/tmp",
    "/private/var/folders",
    "/dev/shm",
    "/var/cache",
    "/var/lib/apt/lists",
    "/usr/local/go",
    "/workspace",
    "/workspaces",
    "/app",
    "/build",
    "/usr/share/doc",
    "/root/.cache",
    "/usr/src/app",
    "/usr/share/man",
    "/code",
    "/github",
];

/// Parts of a home that are made again by themselves.
pub(super) const CACHES: &[&str] = &[
    ".cache",
    ".npm",
    ".yarn",
    ".pnpm-store",
    ".local/share/Trash",
    ".local/share/pnpm",
    ".cargo/registry",
    ".cargo/git",
    ".gradle/caches",
    ".m2/repository",
    ".nuget/packages",
    "Library/Caches",
    "Library/Developer/Xcode/DerivedData",
    ".bun/install/cache",
    ".pub-cache",
    "go/pkg",
    ".pytest_cache",
    ".mypy_cache",
    ".cocoapods",
    ".android/build-cache",
    ".expo",
    ".terraform.d/plugin-cache",
    ".ivy2",
    ".sbt",
];

/// Hosts that take data from anybody and show it to whoever asks, or that tell who asked for a name.
const DROPS: &[&str] = &[
    "0x0.st",
    "1fichier.com",
    "a.uguu.se",
    "anonfiles.com",
    "api.anonfiles.com",
    "api.telegram.org",
    "bashupload.com",
    "beeceptor.com",
    "bin.pastebin.pl",
    "burpcollaborator.net",
    "canarytokens.com",
    "catbox.moe",
    "dpaste.com",
    "dpaste.org",
    "file.io",
    "filebin.net",
    "gofile.io",
    "hastebin.com",
    "hookbin.com",
    "interact.sh",
    "ix.io",
    "litterbox.catbox.moe",
    "localhost.run",
    "loca.lt",
    "mega.nz",
    "ngrok.app",
    "ngrok.io",
    "ngrok-free.app",
    "oast.fun",
    "oast.live",
    "oast.me",
    "oast.online",
    "oast.pro",
    "oast.site",
    "oastify.com",
    "p.ip.fi",
    "paste.ee",
    "paste.rs",
    "pastebin.com",
    "pipedream.net",
    "postb.in",
    "ptsv2.com",
    "ptsv3.com",
    "requestbin.com",
    "requestbin.net",
    "requestcatcher.com",
    "serveo.net",
    "sprunge.us",
    "tempsend.com",
    "termbin.com",
    "tmpfiles.org",
    "transfer.sh",
    "trycloudflare.com",
    "uguu.se",
    "webhook.site",
    "wetransfer.com",
    "x0.at",
    "paste.debian.net",
    "clbin.com",
    "temp.sh",
    "oshi.at",
    "dnslog.cn",
    "ceye.io",
    "dnsbin.zhack.ca",
    "pixeldrain.com",
    "bayfiles.com",
    "ipfs.io",
    "a paste service",
    "a service for sending files",
];

/// Hosts of chats: a message is normal, a file is not.
const CHATS: &[&str] = &["discord.com", "discordapp.com", "hooks.slack.com", "slack.com", "api.telegram.org"];

fn among(host: &str, list: &[&str]) -> bool {
    list.iter()
        .any(|entry| host == *entry || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.')))
}

pub(super) fn drop_host(host: &str) -> bool {
    among(host, DROPS)
}

pub(super) fn chat(host: &str) -> bool {
    among(host, CHATS)
}

/// This machine.
pub(super) fn local(host: &str) -> bool {
    matches!(host, "localhost" | "::1" | "[::1]" | "0.0.0.0" | "host.docker.internal")
        || host.starts_with("127.")
        || host.ends_with(".localhost")
}

/// An address in numbers that is not of a private network.
pub(super) fn numbers(host: &str) -> bool {
    match host.parse::<std::net::Ipv4Addr>() {
        Ok(address) => !(address.is_private() || address.is_loopback() || address.is_unspecified()),
        Err(_) => host.starts_with('[') && host != "[::1]",
    }
}

#[cfg(test)]
mod tests {
    use super::{LIST, STARTERS, drop_host, local, numbers};

    #[test]
    fn every_place_of_the_list_is_found_at_its_place() {
        for (name, pattern, _) in LIST {
            let path = pattern.replace("/**", "/x").replace('*', "x");
            let path = if path.starts_with('/') { path } else { format!("~/{path}") };
            assert_eq!(STARTERS.find(&path).map(crate::paths::RuleId::name), Some(*name), "{path}");
        }
        assert!(STARTERS.find("src/profile.ts").is_none() && STARTERS.find("app/etc/crontab").is_none());
    }

    #[test]
    fn hosts_are_told_apart() {
        assert!(drop_host("webhook.site") && drop_host("x.oastify.com") && !drop_host("notfile.io"));
        assert!(local("localhost") && local("127.0.0.1") && !local("local.example"));
        assert!(numbers("203.0.113.9") && !numbers("10.0.0.1") && !numbers("h.example"));
    }
}
