//! What stays after the session: jobs, services, hooks, start-up items. Files that do so by where they lie are found by their path, in
//! the guard; here are the programs that set such things up.

use super::super::call::Call;
use super::super::fact::Fact;

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "crontab" => {
            let removes = call.switch('r', "");
            let lists = call.switch('l', "") || call.any(&["-h", "-V", "--help"]);
            if removes {
                call.say(Fact::Deletes {
                    path: call.path("/var/spool/cron"),
                    recursive: false,
                    forced: true,
                });
            } else if !lists {
                call.say(Fact::Persists("changes what runs by the clock"));
            }
            for word in call.operands("u", &[]) {
                call.reads(&word.text, false);
            }
        }
        "systemctl" => systemctl(call),
        "service" | "rc-service" | "sv" => {
            let (name, verb) =
                if call.name == "sv" { (call.arg(1), call.arg(0)) } else { (call.arg(0), call.arg(1)) };
            if matches!(verb, "stop" | "down" | "exit") {
                hides(call, name);
            }
            if matches!(verb, "stop" | "down" | "exit" | "restart" | "reload") {
                call.say(Fact::Stops(name.to_owned()));
            }
        }
        "update-rc.d" | "chkconfig" | "rc-update" => {
            let on = call.any(&["defaults", "enable", "add", "on", "--add"]);
            if on {
                call.say(Fact::Persists("starts a service with the machine"));
            }
            if call.any(&["remove", "disable", "off", "del"]) {
                let name = call.arg(0).to_owned();
                hides(call, &name);
            }
        }
        "ssh-copy-id" => {
            call.say(Fact::Network { direction: super::super::fact::Direction::Upload, host: String::new() });
            if !call.has("-n") {
                call.say(Fact::Persists("puts a key for logins on another machine"));
            }
        }
        "chsh" => call.say(Fact::Persists("changes the shell of every login")),
        "at" | "batch" | "gsettings" | "dconf" | "xdg-settings" => {}
        _ => return starters(call),
    }
    true
}

/// Starters of desktops and other systems.
fn starters(call: &mut Call<'_>) -> bool {
    match call.name {
        "launchctl" => match call.arg(0) {
            "load" | "bootstrap" | "submit" | "enable" | "setenv" => {
                call.say(Fact::Persists("starts a program with each login"));
            }
            "unload" | "bootout" | "stop" | "kill" | "disable" | "remove" => {
                call.say(Fact::Stops(call.arg(1).to_owned()));
            }
            _ => {}
        },
        "schtasks" | "schtasks.exe" if call.any(&["/create", "/Create", "-Create"]) => {
            call.say(Fact::Persists("changes what runs by the clock"));
        }
        "reg" if call.arg(0) == "add" && call.texts().any(|text| text.contains(r"\Run")) => {
            call.say(Fact::Persists("starts a program with each login"));
        }
        "osascript" if call.texts().any(|text| text.contains("login item")) => {
            call.say(Fact::Persists("starts a program with each login"));
        }
        "pm2" => {
            if call.arg(0) == "startup" {
                call.say(Fact::Persists("starts a service with the machine"));
            }
            if matches!(call.arg(0), "stop" | "delete" | "kill") {
                call.say(Fact::Process {
                    target: call.args.get(1).map_or("all", |word| word.text.as_str()).to_owned(),
                });
            }
        }
        _ => return false,
    }
    true
}

fn systemctl(call: &mut Call<'_>) {
    let verb = call.operands("Hnopst", &[]).first().map_or("", |word| word.text.as_str());
    match verb {
        "enable" | "link" | "reenable" | "edit" | "set-default" if !call.has("--dry-run") => {
            service(call, verb);
        }
        "stop" | "disable" | "mask" | "kill" => {
            for word in call.operands("Hnopst", &[]).iter().skip(1) {
                let name = word.text.trim_end_matches(".service").to_owned();
                hides(call, &name);
                call.say(Fact::Stops(name));
            }
        }
        "restart" | "reload" | "try-restart" => {
            for word in call.operands("Hnopst", &[]).iter().skip(1) {
                call.say(Fact::Stops(word.text.clone()));
            }
        }
        "poweroff" | "reboot" | "halt" | "kexec" | "emergency" | "rescue" => {
            call.say(Fact::Stops("the machine".to_owned()));
        }
        _ => {}
    }
}

fn service(call: &mut Call<'_>, verb: &str) {
    let units: Vec<String> =
        call.operands("Hnopst", &[]).iter().skip(1).map(|word| word.text.clone()).collect();
    // A packaged service is switched on by its name; a unit that is given by its path is somebody's own.
    let own = units.iter().any(|unit| unit.contains('/'));
    if own || matches!(verb, "link" | "edit" | "set-default") {
        call.say(Fact::Persists("installs a service of its own"));
    } else {
        for unit in units {
            let path = call.path(&format!("/etc/systemd/system/{unit}"));
            call.say(Fact::Uses { path });
        }
    }
}

/// Services that watch the machine.
const WATCHERS: &[&str] = &[
    "apparmor",
    "auditd",
    "clamav",
    "crowdstrike",
    "falcon-sensor",
    "fail2ban",
    "firewalld",
    "iptables",
    "journald",
    "mdatp",
    "nftables",
    "osqueryd",
    "ossec",
    "rsyslog",
    "syslog",
    "systemd-journald",
    "sysmon",
    "ufw",
    "wazuh-agent",
    "cbagentd",
    "auditbeat",
    "filebeat",
    "falco",
    "sentinelone",
    "syslog-ng",
    "selinux",
];

/// Switching off what watches is hiding.
pub(super) fn hides(call: &mut Call<'_>, name: &str) {
    if WATCHERS.iter().any(|watcher| name.starts_with(watcher)) {
        call.say(Fact::Evades("switches off what watches the machine"));
    }
}
