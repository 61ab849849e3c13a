//! The gateway must not be stopped by what it judges: its process, its service, its container, its port, its settings.

use super::super::Step;
use super::super::path::UNKNOWN;
use super::flow::Flow;
use super::{Class, Guard, Severity};

type Verdict = (Class, Severity, String);

impl Guard {
    fn names_gateway(&self, text: &str) -> bool {
        self.options.gateway_names.iter().any(|name| !name.is_empty() && text.contains(name.as_str()))
    }

    fn gateway_port(&self, text: &str) -> bool {
        self.options.gateway_ports.iter().any(|port| {
            let port = port.to_string();
            text.split(|c: char| !c.is_ascii_digit()).any(|number| number == port)
        })
    }
}

/// Ending processes.
pub(super) fn process(guard: &Guard, flow: &Flow, target: &str) -> Option<Verdict> {
    let ours = guard.names_gateway(target)
        || target.strip_prefix("port ").is_some_and(|port| guard.gateway_port(port));
    let sought = target.contains(UNKNOWN)
        && flow.words.iter().any(|word| guard.names_gateway(word) || guard.gateway_port(word));
    if ours || sought {
        let reason = "end the gateway through which this session is watched".to_owned();
        return Some((Class::Gateway, Severity::Deny, reason));
    }
    if matches!(target, "-1" | "1" | "." | ".*" | "" | "init" | "systemd" | "launchd") {
        return Some((
            Class::Destructive,
            Severity::Deny,
            "end every process of the machine or of the user".to_owned(),
        ));
    }
    if let Some(user) = target.strip_prefix("all of ") {
        return Some((Class::Destructive, Severity::Ask, format!("end every process of {user}")));
    }
    None
}

/// Stopping a service, a container, the machine.
pub(super) fn stop(guard: &Guard, step: &Step, name: &str) -> Option<Verdict> {
    if name == "the machine" {
        return Some((Class::Destructive, Severity::Deny, "shut the machine down".to_owned()));
    }
    if guard.names_gateway(name) {
        let reason = "stop or change the gateway through which this session is watched".to_owned();
        return Some((Class::Gateway, Severity::Deny, reason));
    }
    if name == "the services of compose" {
        let restarts = step.words.iter().any(|word| matches!(word.text.as_str(), "restart" | "pause"));
        let severity = if restarts { Severity::Ask } else { Severity::Deny };
        return Some((
            Class::Gateway,
            severity,
            "stop every service of the compose file, the gateway with them".to_owned(),
        ));
    }
    if name.contains(UNKNOWN) {
        let reason = "stop containers that are not named, the gateway's perhaps with them".to_owned();
        return Some((Class::Gateway, Severity::Ask, reason));
    }
    None
}

/// Writing to the settings of the gateway.
pub(super) fn settings(guard: &Guard, path: &str) -> Option<Verdict> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    let config = matches!(name.rsplit('.').next(), Some("yaml" | "yml" | "toml" | "json"));
    let dir = guard
        .options
        .gateway_names
        .iter()
        .any(|own| path.contains(&format!(".config/{own}/")) || path.contains(&format!("/etc/{own}/")));
    if dir || (config && guard.options.gateway_names.iter().any(|own| own == stem)) {
        let reason = "change the settings of the gateway through which this session is watched".to_owned();
        return Some((Class::Gateway, Severity::Deny, reason));
    }
    None
}
