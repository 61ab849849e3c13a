//! Permissions of Claude Code as rules: reads `permissions` of a `.claude/settings.json` and says what each entry becomes, and which cannot
//! be carried over and why. Pure: opens no file, and changes no configuration.
//!
//! The forms are those of Claude Code: `Bash(npm run:*)`, `Read(./secrets/**)`, `WebFetch(domain:example.com)`, `mcp__server__tool`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::rules::{Rule, Rules};
use crate::target::SHELLS;

/// What became of permissions.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Entries that could not be carried over.
    pub left: Vec<Left>,
    /// The rules, in order: what is denied first, then what a person is asked about, then what is allowed.
    pub rules: Vec<Rule>,
    /// The same as a chain in YAML.
    pub yaml: String,
}

/// An entry that could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// As it is written.
    pub entry: String,
    /// Why.
    pub why: String,
}

/// The settings cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not the settings of Claude Code: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    permissions: Permissions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Permissions {
    allow: Vec<String>,
    ask: Vec<String>,
    deny: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What is to become of what an entry meets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Say {
    Allow,
    Ask,
    Deny,
}

/// Makes rules of the permissions in settings. `project`: the folder that they are for, where paths begin that are not from the root on.
pub fn claude_permissions(settings: &str, project: Option<&str>) -> Result<Imported, Unreadable> {
    let Permissions { allow, ask, deny, rest } = serde_json::from_str::<Settings>(settings)?.permissions;
    let mut left: Vec<Left> = Vec::new();
    let mut made: Vec<(Value, Rule)> = Vec::new();
    let denied = deny.into_iter().map(|entry| (Say::Deny, entry));
    let asked = ask.into_iter().map(|entry| (Say::Ask, entry));
    for (say, entry) in denied.chain(asked).chain(allow.into_iter().map(|entry| (Say::Allow, entry))) {
        match ready(say, &entry, project) {
            Ok(rule) => made.push(rule),
            Err(why) => left.push(Left { entry, why }),
        }
    }
    for name in rest.keys() {
        let why = "it is about Claude Code itself, not about what a tool call does".to_owned();
        left.push(Left { entry: name.clone(), why });
    }
    let rules: Vec<String> = made.iter().map(|(json, _)| format!("        - {json}\n")).collect();
    let yaml = if rules.is_empty() {
        "policies:\n  chain: []\n".to_owned()
    } else {
        let head = "policies:\n  chain:\n    - name: claude-permissions\n      rules:\n";
        head.to_owned() + &rules.concat()
    };
    Ok(Imported { left, rules: made.into_iter().map(|(_, rule)| rule).collect(), yaml })
}

/// The rule of an entry, as JSON and read; the error says why there is none.
fn ready(say: Say, entry: &str, project: Option<&str>) -> Result<(Value, Rule), String> {
    let mut json = Map::new();
    let (word, then) = match say {
        Say::Allow => ("allow", "allow"),
        Say::Ask => ("ask", "ask"),
        Say::Deny => ("deny", "refuse"),
    };
    json.insert("name".into(), format!("{word} {entry}").into());
    json.extend(met(say, entry.trim(), project)?);
    json.insert("then".into(), then.into());
    match say {
        Say::Allow => None,
        Say::Ask => {
            json.insert("reason".into(), format!("the permissions of the project ask about {entry}").into())
        }
        Say::Deny => {
            json.insert("reason".into(), format!("the permissions of the project deny {entry}").into())
        }
    };
    let json = Value::Object(json);
    let rule: Rule = serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
    Rules::new(vec![rule.clone()]).map_err(|(_, field, words)| format!("{field}: {words}"))?;
    Ok((json, rule))
}

/// What of a rule says which calls an entry meets.
fn met(say: Say, entry: &str, project: Option<&str>) -> Result<Map<String, Value>, String> {
    let (tool, inside) = match entry.split_once('(') {
        Some((tool, rest)) => (tool, Some(rest.strip_suffix(')').ok_or("the bracket is not closed")?)),
        None => (entry, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-*".contains(c);
    if tool.is_empty() || !tool.chars().all(plain) {
        return Err("it names no tool".into());
    }
    let inside = inside.map(str::trim).filter(|inside| !matches!(*inside, "" | "*" | "**" | ":*"));
    let tools = match tool {
        "Read" => json!(["Read", "Grep", "Glob", "LS", "NotebookRead"]),
        "Edit" => json!(["Edit", "MultiEdit", "Write", "NotebookEdit"]),
        // A server alone is all of its tools.
        _ if tool.starts_with("mcp__") && !tool[5..].contains("__") => json!([format!("{tool}__*")]),
        // What is denied is denied to the shells of other clients too.
        "Bash" if say != Say::Allow => json!(SHELLS),
        _ => json!([tool]),
    };
    let mut json = Map::from_iter([("tools".to_owned(), tools)]);
    let Some(inside) = inside else { return Ok(json) };
    match tool {
        "Bash" => {
            json.insert("if".into(), command(say, inside).into());
        }
        "Edit" | "Glob" | "Grep" | "LS" | "MultiEdit" | "NotebookEdit" | "Read" | "Write" => {
            json.insert("paths".into(), paths(say, inside, project)?.into());
            if tool == "Read"
                && say != Say::Allow
                && let Some(Value::Array(tools)) = json.get_mut("tools")
            {
                tools.extend(SHELLS.map(Value::from));
            }
        }
        "WebFetch" => {
            let domain = inside.strip_prefix("domain:").ok_or("only `domain:` is known of an address")?;
            let hosts = match say {
                Say::Allow => vec![domain.to_owned()],
                Say::Ask | Say::Deny => vec![domain.to_owned(), format!("*.{domain}")],
            };
            json.insert("hosts".into(), hosts.into());
        }
        _ => return Err(format!("what stands in the brackets of `{tool}` is not known")),
    }
    Ok(json)
}

/// A condition for commands. What is denied or asked about is looked for in each simple command that would run; what is allowed is one simple
/// command, as it is written.
fn command(say: Say, pattern: &str) -> String {
    let (words, open) = match pattern.strip_suffix(":*") {
        Some(words) => (words, true),
        None => (pattern, false),
    };
    let words = words.trim();
    let plain = regex(words, "[^;&|`$()<>\\n]*");
    let allowed =
        if open { format!("^\\s*{plain}(\\s[^;&|`$()<>\\n]*)?$") } else { format!("^\\s*{plain}\\s*$") };
    let any = regex(words, ".*");
    let line = if open { format!("(?m)^{any}(\\s|$)") } else { format!("(?m)^{any}\\s*$") };
    match say {
        Say::Allow => format!("args.command.matches({})", Value::from(allowed)),
        // A pattern of several commands is none of a simple one.
        Say::Ask | Say::Deny if words.contains([';', '&', '|']) => {
            format!("has(args.command) && args.command.matches({})", Value::from(any))
        }
        Say::Ask | Say::Deny => format!("commands.matches({})", Value::from(line)),
    }
}

/// A regular expression for the words of a pattern; `rest` stands for `*`.
fn regex(words: &str, rest: &str) -> String {
    let mut regex = String::new();
    for c in words.chars() {
        match c {
            '*' => regex.push_str(rest),
            ' ' => regex.push_str("\\s+"),
            c if c.is_ascii_punctuation() => regex.extend(['\\', c]),
            c => regex.push(c),
        }
    }
    regex
}

/// Patterns for files, from those of `.gitignore`.
fn paths(say: Say, pattern: &str, project: Option<&str>) -> Result<Vec<String>, String> {
    let below = |path: String| {
        let open = path.ends_with("**") || path.ends_with('/');
        let path = path.trim_end_matches('/').to_owned();
        if open {
            vec![path.clone() + if path.ends_with("**") { "" } else { "/**" }]
        } else {
            vec![path.clone(), path + "/**"]
        }
    };
    if let Some(root) = pattern.strip_prefix("//") {
        return Ok(below(format!("/{root}")));
    }
    if let Some(inside) = pattern.strip_prefix("~/") {
        // What is denied is denied under the name that the home has from the root on too.
        let homes: &[&str] = match say {
            Say::Allow => &["~"],
            Say::Ask | Say::Deny => &["~", "/home/*", "/root", "/Users/*"],
        };
        return Ok(homes.iter().flat_map(|home| below(format!("{home}/{inside}"))).collect());
    }
    let inside = pattern.trim_start_matches("./").trim_start_matches('/');
    let anywhere = !inside.trim_end_matches('/').contains('/') && !pattern.starts_with(['.', '/']);
    match (project, say) {
        (_, Say::Ask | Say::Deny) if anywhere => Ok(below(format!("**/{inside}"))),
        (Some(project), Say::Allow) if anywhere => {
            Ok(below(format!("{}/**/{inside}", project.trim_end_matches('/'))))
        }
        (Some(project), Say::Allow) => Ok(below(format!("{}/{inside}", project.trim_end_matches('/')))),
        // Under each name that a call may have for it: from the root on, from the home on, from where the agent is.
        (Some(project), Say::Ask | Say::Deny) => {
            let project = project.trim_end_matches('/');
            let mut names = vec![format!("{project}/{inside}"), inside.to_owned(), format!("../**/{inside}")];
            names.extend(from_home(project).map(|rest| format!("~/{rest}/{inside}")));
            Ok(names.into_iter().flat_map(below).collect())
        }
        // Too much is denied rather than too little.
        (None, Say::Ask | Say::Deny) => Ok(below(format!("**/{inside}"))),
        (None, Say::Allow) => {
            Err("the folder of the project has to be known to allow what lies in it".into())
        }
    }
}

/// Where a folder lies in the home of somebody.
fn from_home(folder: &str) -> Option<&str> {
    let people = folder.strip_prefix("/home/").or_else(|| folder.strip_prefix("/Users/"));
    folder.strip_prefix("/root/").or_else(|| Some(people?.split_once('/')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn imported(permissions: &Value, project: Option<&str>) -> Imported {
        claude_permissions(&json!({"permissions": permissions, "model": "opus"}).to_string(), project)
            .unwrap()
    }

    fn said(imported: &Imported, tool: &str, arguments: &Value) -> String {
        let rules = Rules::new(imported.rules.clone()).ok().unwrap();
        // What nothing says is refused here, so that what is allowed shows.
        let rest: Vec<Rule> = serde_json::from_value(json!([{"name": "rest", "then": "remove"}])).unwrap();
        let chain = crate::tried::chain(vec![
            ("claude", Box::new(rules)),
            ("rest", Box::new(Rules::new(rest).ok().unwrap())),
        ]);
        let fixture = json!({"tool": tool, "arguments": arguments});
        let judged = serde_json::from_value::<Fixture>(fixture).unwrap().judge(&chain);
        judged.decisions.first().and_then(|one| one.finding.rule.clone()).unwrap_or_default()
    }

    fn allowed(permission: &str, project: Option<&str>, tool: &str, arguments: &Value) -> bool {
        let imported = imported(&json!({"allow": [permission]}), project);
        let [rule] = &imported.rules[..] else { panic!("{permission}: {:?}", imported.left) };
        let rules = Rules::new(vec![
            rule.clone(),
            serde_json::from_value(json!({"name": "rest", "then": "refuse"})).unwrap(),
        ]);
        let chain = crate::tried::chain(vec![("claude", Box::new(rules.ok().unwrap()))]);
        let fixture = json!({"tool": tool, "arguments": arguments});
        serde_json::from_value::<Fixture>(fixture).unwrap().judge(&chain).said.as_str() == "allow"
    }

    /// Issue "May this happen?", 2: permission rules of Claude Code as rules.
    #[test]
    fn what_is_denied_is_refused_in_the_same_calls() {
        let denied = imported(
            &json!({"deny": [
                "Bash(git push:*)", "Bash(rm -rf *)", "Read(./secrets/**)", "Read(.env)", "Edit(//etc/**)", "Read(~/.ssh/**)",
                "WebFetch(domain:evil.example)", "mcp__mail__send", "mcp__hr", "WebSearch",
            ]}),
            None,
        );
        assert_eq!(denied.left, []);
        for (tool, arguments, rule) in [
            ("Bash", json!({"command": "git push --force"}), "deny Bash(git push:*)"),
            ("Bash", json!({"command": "cd x && git  push"}), "deny Bash(git push:*)"),
            ("Bash", json!({"command": "(git push)"}), "deny Bash(git push:*)"),
            ("Bash", json!({"command": "git pushx"}), "rest"),
            ("Bash", json!({"command": "echo git push"}), "rest"),
            ("Bash", json!({"command": "rm -rf node_modules"}), "deny Bash(rm -rf *)"),
            ("Bash", json!({"command": "rm -r x"}), "rest"),
            ("Read", json!({"file_path": "/home/a/p/secrets/x/y.pem"}), "deny Read(./secrets/**)"),
            ("Grep", json!({"path": "secrets/a"}), "deny Read(./secrets/**)"),
            ("Read", json!({"file_path": "/home/a/p/.env"}), "deny Read(.env)"),
            ("Read", json!({"file_path": "/home/a/p/.envrc"}), "rest"),
            ("Write", json!({"file_path": "/etc/passwd"}), "deny Edit(//etc/**)"),
            ("Write", json!({"file_path": "/home/etc/passwd"}), "rest"),
            ("Read", json!({"file_path": "~/.ssh/id_rsa"}), "deny Read(~/.ssh/**)"),
            ("WebFetch", json!({"url": "https://a.evil.example/x"}), "deny WebFetch(domain:evil.example)"),
            ("WebFetch", json!({"url": "https://notevil.example/x"}), "rest"),
            ("mcp__mail__send", json!({}), "deny mcp__mail__send"),
            ("mcp__mail__read", json!({}), "rest"),
            ("mcp__hr__get", json!({}), "deny mcp__hr"),
            ("WebSearch", json!({"query": "x"}), "deny WebSearch"),
        ] {
            assert_eq!(said(&denied, tool, &arguments), rule, "{tool} {arguments}");
        }
    }

    #[test]
    fn what_is_denied_is_denied_in_every_form_of_the_command_and_in_every_shell() {
        let denied = imported(
            &json!({"deny": ["Bash(git push:*)", "Read(./secrets/**)", "Read(~/.ssh/**)"]}),
            Some("/home/a/p"),
        );
        let push = "deny Bash(git push:*)";
        for command in [
            "FOO=1 git push",
            "if true; then git push; fi",
            "bash -c 'git push'",
            "git -C . push",
            "git --no-pager push",
            "sudo git push",
            "\\git push",
            "/usr/bin/git push",
            "ls; (git push origin)",
        ] {
            assert_eq!(said(&denied, "Bash", &json!({"command": command})), push, "{command}");
        }
        assert_eq!(said(&denied, "exec_command", &json!({"cmd": "git push"})), push);
        assert_eq!(said(&denied, "shell", &json!({"command": ["bash", "-lc", "git push"]})), push);
        for command in ["git log --grep push", "git status", "echo 'git push'"] {
            assert_eq!(said(&denied, "Bash", &json!({"command": command})), "rest", "{command}");
        }
        let secrets = "deny Read(./secrets/**)";
        for path in ["secrets/a", "./secrets/a", "/home/a/p/secrets/a", "~/p/secrets/a", "x/../secrets/a"] {
            assert_eq!(said(&denied, "Read", &json!({"file_path": path})), secrets, "{path}");
        }
        for command in
            ["cat secrets/x", "cd secrets && cat x", "base64 < /home/a/p/secrets/x", "grep -r pw secrets"]
        {
            assert_eq!(said(&denied, "Bash", &json!({"command": command})), secrets, "{command}");
        }
        assert_eq!(said(&denied, "Read", &json!({"file_path": "/home/b/q/secrets/a"})), "rest");
        assert_eq!(said(&denied, "Bash", &json!({"command": "cat ~/.ssh/id_rsa"})), "deny Read(~/.ssh/**)");
        assert_eq!(
            said(&denied, "Read", &json!({"file_path": "/home/a/.ssh/id_rsa"})),
            "deny Read(~/.ssh/**)"
        );
    }

    #[test]
    fn what_is_asked_about_is_asked_about_unless_it_is_denied_even_where_it_is_allowed() {
        let permissions = json!({"allow": ["Bash(git:*)"], "ask": ["Bash(git push:*)"], "deny": ["Bash(git push --force:*)"]});
        let imported = imported(&permissions, None);
        let rules = Rules::new(imported.rules).ok().unwrap();
        let chain = crate::tried::chain(vec![("claude", Box::new(rules))]);
        for (command, expected) in
            [("git push --force", "refuse"), ("git status; git push", "ask"), ("git status", "allow")]
        {
            let fixture = json!({"tool": "Bash", "arguments": {"command": command}});
            let judged = serde_json::from_value::<Fixture>(fixture).unwrap().judge(&chain);
            assert_eq!(judged.said.as_str(), expected, "{command}");
        }
    }

    #[test]
    fn what_is_allowed_is_no_more_than_was_allowed() {
        let bash =
            |permission: &str, command: &str| allowed(permission, None, "Bash", &json!({"command": command}));
        assert!(bash("Bash(npm run:*)", "npm run build") && bash("Bash(npm run:*)", "npm run"));
        for command in [
            "npm runx",
            "npm run x && rm -rf /",
            "npm run $(rm x)",
            "npm run x > /etc/passwd",
            "npm run x\nrm y",
        ] {
            assert!(!bash("Bash(npm run:*)", command), "{command}");
        }
        assert!(bash("Bash(git status)", "git status") && !bash("Bash(git status)", "git status --x"));
        assert!(bash("Bash", "anything; at all"));
        let read =
            |path: &str| allowed("Read(./src/**)", Some("/home/a/p"), "Read", &json!({"file_path": path}));
        assert!(read("/home/a/p/src/main.rs") && !read("/home/b/src/main.rs") && !read("/home/a/p/src/../x"));
    }

    #[test]
    fn what_cannot_be_carried_over_is_told_with_the_reason() {
        let imported = imported(
            &json!({"allow": ["Read(./src/**)", "Task(Explore)", "Bash(ls"], "ask": ["Skill(x)"], "deny": ["WebFetch(x)", "a b"],
                "defaultMode": "acceptEdits"}),
            None,
        );
        let left: Vec<&str> = imported.left.iter().map(|left| left.entry.as_str()).collect();
        let all =
            ["WebFetch(x)", "a b", "Skill(x)", "Read(./src/**)", "Task(Explore)", "Bash(ls", "defaultMode"];
        assert_eq!(left, all);
        assert!(imported.left.iter().all(|left| left.why.len() > 15), "{:?}", imported.left);
        assert_eq!((imported.rules.len(), imported.yaml.as_str()), (0, "policies:\n  chain: []\n"));
        assert!(claude_permissions("{\"permissions\": 7}", None).is_err());
        assert_eq!(claude_permissions("{}", None).unwrap().rules.len(), 0);
    }

    #[test]
    fn the_chain_is_yaml_of_a_rule_a_line() {
        let imported = imported(&json!({"deny": ["Bash(curl:*)"], "allow": ["WebSearch"]}), None);
        let lines: Vec<&str> = imported.yaml.lines().collect();
        assert_eq!(&lines[..4], ["policies:", "  chain:", "    - name: claude-permissions", "      rules:"]);
        let rules: Vec<Rule> = lines[4..]
            .iter()
            .map(|line| serde_json::from_str(line.trim_start().strip_prefix("- ").unwrap()).unwrap())
            .collect();
        assert_eq!(
            rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(),
            ["deny Bash(curl:*)", "allow WebSearch"]
        );
    }
}
