//! Changes in services that lose something: clouds, clusters, databases, queues, backups, registries. The words of each tool are in a
//! table; SQL that is given on the command line is read for the statements that delete.

use super::super::call::{Call, program};
use super::super::fact::{Fact, Loss};
use super::services_list::{COMMON, TOOLS, Tool};

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    match call.name {
        "java" => {
            // `java -jar tool.jar WORDS`: the jar is the tool.
            let jar = call.texts().position(|text| text.rsplit('.').next() == Some("jar"));
            let Some(at) = jar else { return false };
            let name = program(call.arg(at));
            if let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) {
                let words: Vec<&str> = call.texts().skip(at + 1).collect();
                judge(call, tool, &words);
            }
            true
        }
        "docker" | "podman" | "nerdctl" | "docker-compose" => {
            docker(call);
            true
        }
        "psql" | "mysql" | "mariadb" | "sqlite3" | "sqlcmd" | "cockroach" | "clickhouse-client" | "bq"
        | "duckdb" | "mongosh" | "mongo" | "snowsql" | "usql" | "cqlsh" | "pgcli" | "mycli" | "wp" => {
            databases(call);
            true
        }
        "python" | "python3" | "php" | "bundle" | "npx" | "pnpm" | "yarn" | "bunx" | "uv" | "poetry"
        | "bin" => {
            nested(call);
            false
        }
        "dropdb" | "dropuser" | "pg_dropcluster" if !call.any(&["--help", "-?", "--version", "-V"]) => {
            lost(call, "drop a database", Loss::All);
            true
        }
        "kafka-delete-records" | "kafka-delete-records.sh" => {
            lost(call, "delete records", Loss::Some);
            true
        }
        "virsh" if call.any(&["undefine", "vol-delete", "pool-delete"]) => {
            lost(call, "delete a machine", Loss::Some);
            true
        }
        name => {
            let name = name.trim_end_matches(".sh");
            let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else { return false };
            let words: Vec<&str> = call.texts().collect();
            judge(call, tool, &words);
            if matches!(
                name,
                "aws" | "gsutil" | "rclone" | "mc" | "s3cmd" | "az" | "kubectl" | "gcloud" | "oc"
            ) {
                moves(call, name);
            }
            true
        }
    }
}

fn lost(call: &mut Call<'_>, act: &str, loss: Loss) {
    let service = call.name.to_owned();
    call.say(Fact::Service { service, act: act.to_owned(), loss });
}

/// A tool that another one runs: `python manage.py flush`, `npx prisma migrate reset`.
fn nested(call: &mut Call<'_>) {
    let words: Vec<&str> = call.texts().collect();
    for (at, word) in words.iter().enumerate().take(3) {
        let name = program(word);
        if let Some(tool) = TOOLS.iter().find(|tool| tool.name == name && tool.name != call.name) {
            judge(call, tool, &words[at + 1..]);
            return;
        }
    }
}

fn judge(call: &mut Call<'_>, tool: &Tool, words: &[&str]) {
    let dry = words.iter().any(|word| {
        matches!(
            *word,
            "--dry-run"
                | "--dryrun"
                | "--dry-run=client"
                | "--dry-run=server"
                | "--help"
                | "-h"
                | "help"
                | "-dryrun"
                | "--what-if"
                | "--plan"
        )
    });
    if dry {
        return;
    }
    let verbs: Vec<&str> = words.iter().filter(|word| !word.starts_with('-')).copied().collect();
    let hit = verbs.iter().take(tool.depth).enumerate().find(|(at, word)| loses(tool, word, *at));
    let by_option = words.iter().any(|word| tool.options.contains(word));
    let by_option = by_option
        || words
            .windows(2)
            .any(|pair| matches!(pair[0], "-X" | "--method") && tool.options.contains(&pair[1]));
    if hit.is_none() && !by_option && !special(tool.name, words) {
        return;
    }
    let act = verbs.iter().take(4).copied().collect::<Vec<_>>().join(" ");
    let verb = hit.map_or("", |(_, word)| *word);
    let loss = if total(tool.name, verb, words) { Loss::All } else { Loss::Some };
    let service = tool.name.to_owned();
    call.say(Fact::Service { service, act: super::super::path::shown(&act), loss });
}

fn loses(tool: &Tool, word: &str, at: usize) -> bool {
    if tool.loses.contains(&word) || tool.loses.iter().any(|lost| word.eq_ignore_ascii_case(lost)) {
        // A name that happens to be a verb comes later.
        return at < 3 || tool.name == "redis-cli" || tool.name == "restic";
    }
    let verb = word.split(['-', '_', ':']).next().unwrap_or(word);
    let shape = word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b':'));
    shape && (COMMON.contains(&verb) || tool.loses.contains(&verb) && !tool.loses.contains(&word))
}

/// Losses that are not said by one word.
fn special(name: &str, words: &[&str]) -> bool {
    let has = |text: &str| words.contains(&text);
    match name {
        "aws" => (has("s3") && has("rm")) || (has("s3") && has("sync") && has("--delete")),
        "gsutil" => has("rsync") && has("-d"),
        "terraform" | "tofu" | "terragrunt" => has("state") && has("rm"),
        "kubectl" => has("replace") && has("--force"),
        _ => false,
    }
}

/// Whether all of something goes and does not come back.
fn total(name: &str, verb: &str, words: &[&str]) -> bool {
    let has = |text: &str| words.contains(&text);
    match name {
        "terraform" | "tofu" | "terragrunt" => {
            verb.starts_with("destroy")
                && words.iter().any(|word| word.trim_start_matches('-') == "auto-approve")
                || words.iter().any(|word| word.starts_with("-destroy"))
                    && words.iter().any(|word| word.trim_start_matches('-') == "auto-approve")
        }
        "pulumi" => verb == "destroy" && words.iter().any(|word| matches!(*word, "--yes" | "-y")),
        "kubectl" | "oc" => {
            verb == "delete"
                && words.iter().any(|word| {
                    matches!(
                        *word,
                        "ns" | "namespace" | "namespaces" | "--all" | "pv" | "pvc" | "crd" | "node" | "nodes"
                    ) || word.starts_with("--all=")
                })
        }
        "aws" => {
            has("rb") && has("--force")
                || (has("s3")
                    && has("--recursive")
                    && has("rm")
                    && words.iter().any(|word| word.starts_with("s3://") && word.matches('/').count() <= 3))
                || matches!(
                    verb,
                    "terminate-instances"
                        | "delete-db-instance"
                        | "delete-db-cluster"
                        | "delete-stack"
                        | "delete-cluster"
                        | "delete-table"
                )
        }
        "az" => has("group") && verb == "delete" || has("--yes"),
        "gcloud" => has("projects") && verb == "delete" || has("--quiet") || has("-q"),
        "gh" => {
            has("repo") && verb == "delete"
                || words.iter().any(|word| word.starts_with("/repos/") && word.matches('/').count() == 3)
        }
        "redis-cli" => verb.to_ascii_lowercase().starts_with("flush"),
        "velero" => has("--all"),
        "restic" => has("--unsafe-allow-remove-all"),
        "rclone" => verb == "purge",
        "rails" | "rake" | "heroku" | "prisma" | "artisan" | "manage.py" => true,
        _ => false,
    }
}

fn docker(call: &mut Call<'_>) {
    let composes = call.name == "docker-compose" || call.texts().take(3).any(|text| text == "compose");
    let takes = if composes { "fp" } else { "Hc" };
    let words: Vec<&str> = call
        .operands(
            takes,
            &[
                "--file",
                "--project-name",
                "--context",
                "--profile",
                "--env-file",
                "--project-directory",
                "--time",
                "--filter",
            ],
        )
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    let compose = call.name == "docker-compose" || words.first() == Some(&"compose");
    let at = usize::from(words.first() == Some(&"compose"));
    let (verb, rest) = (words.get(at).copied().unwrap_or(""), words.get(at + 1..).unwrap_or(&[]));
    if compose {
        if matches!(verb, "down" | "stop" | "kill" | "rm" | "pause" | "restart") {
            call.say(Fact::Stops(if rest.is_empty() {
                "the services of compose".to_owned()
            } else {
                rest.join(" ")
            }));
        }
        if verb == "down" && call.any(&["-v", "--volumes"]) {
            lost(call, "compose down with its volumes", Loss::All);
        }
        return;
    }
    let second = rest.first().copied().unwrap_or("");
    match (verb, second) {
        ("system", "prune") => {
            let all = call.any(&["-a", "--all", "--volumes", "-af", "-fa"]);
            lost(call, "system prune", if all { Loss::All } else { Loss::Some });
        }
        ("volume", "rm" | "prune") => lost(call, "remove volumes", Loss::Some),
        ("stack" | "swarm", "rm" | "leave") => lost(call, "remove a stack", Loss::Some),
        ("stop" | "kill" | "rm" | "pause" | "restart", _) => {
            for name in rest {
                call.say(Fact::Stops((*name).to_owned()));
            }
        }
        ("container", "stop" | "kill" | "rm") => {
            for name in rest.iter().skip(1) {
                call.say(Fact::Stops((*name).to_owned()));
            }
        }
        ("push", image) => {
            let host =
                image.split('/').next().filter(|host| host.contains('.')).unwrap_or("docker.io").to_owned();
            call.say(Fact::Network { direction: super::super::fact::Direction::Both, host });
        }
        ("cp", from) => {
            let text = from.split_once(':').map_or(from, |(_, path)| path);
            call.reads(text, true);
        }
        _ => {}
    }
}

/// Copies to and from storage of clouds.
fn moves(call: &mut Call<'_>, name: &str) {
    let verbs = [
        "cp",
        "copy",
        "copyto",
        "mv",
        "move",
        "sync",
        "put",
        "upload",
        "rsync",
        "upload-batch",
        "rcat",
        "put-object",
        "mirror",
        "import",
    ];
    if !call.texts().take(4).any(|text| verbs.contains(&text)) {
        return;
    }
    let remote = |text: &str| {
        text.contains("://")
            || (name == "rclone" || name == "kubectl" || name == "mc" || name == "oc")
                && text.split_once([':']).is_some_and(|(left, _)| !left.contains('/') && !left.is_empty())
    };
    let mut sends = false;
    let operands: Vec<String> = call
        .operands(
            "",
            &[
                "--profile",
                "--region",
                "--acl",
                "--storage-class",
                "--bucket",
                "--key",
                "--account-name",
                "--container-name",
                "--name",
                "--sas-token",
            ],
        )
        .iter()
        .map(|word| word.text.clone())
        .collect();
    let last = operands.last().cloned().unwrap_or_default();
    for text in operands.iter().filter(|text| super::looks_like_path(text) && !remote(text)) {
        sends |= *text != last;
        call.reads(text, true);
    }
    for option in ["body", "file", "source", "f"] {
        for text in call.texts_of(if option == "file" { 'f' } else { ' ' }, option) {
            call.reads(text, true);
            sends = true;
        }
    }
    sends |= (name == "rclone" && call.has("rcat")) || call.has("-");
    let to = if remote(&last) { super::network::host(&last) } else { name.to_owned() };
    if sends || remote(&last) {
        call.say(Fact::Network { direction: super::super::fact::Direction::Upload, host: to });
    }
}

fn databases(call: &mut Call<'_>) {
    let mut texts: Vec<String> = call.texts().map(str::to_owned).collect();
    if let Some(text) = &call.stdin.text {
        texts.push(text.clone());
    }
    let mut worst: Option<(String, Loss)> = None;
    for text in &texts {
        for statement in text.split(';') {
            if let Some(found) = statement_loss(statement)
                && worst.as_ref().is_none_or(|(_, loss)| *loss == Loss::Some)
            {
                worst = Some(found);
            }
        }
        let lower = text.to_ascii_lowercase();
        if lower.contains("dropdatabase()")
            || lower.contains(".drop()")
            || lower.contains("deletemany({})")
            || lower.contains("remove({})")
        {
            worst = Some(("drop a database or a collection".to_owned(), Loss::All));
        }
        // Shells of databases run commands and write files, too.
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("\\!")
                || line.starts_with(".shell")
                || line.starts_with(".system")
                || lower.contains("copy") && lower.contains("program '")
                || line.starts_with("system ")
            {
                call.say(Fact::Executes(super::super::fact::Code::Unknown));
            }
        }
    }
    if call.name == "wp"
        && call
            .args
            .windows(2)
            .any(|pair| pair[0].text == "db" && matches!(pair[1].text.as_str(), "drop" | "reset" | "clean"))
    {
        worst = Some(("drop the database".to_owned(), Loss::All));
    }
    if call.name == "bq" && call.arg(0) == "rm" {
        worst = Some(("remove a table or a dataset".to_owned(), Loss::All));
    }
    if let Some((act, loss)) = worst {
        lost(call, &act, loss);
    }
}

/// Statements of SQL that lose data: `DROP`, `TRUNCATE`, and `DELETE` or `UPDATE` of every row.
pub(crate) fn statement_loss(statement: &str) -> Option<(String, Loss)> {
    let words: Vec<String> = statement.split_whitespace().take(48).map(str::to_ascii_uppercase).collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let all = words.len() < 48 && !words.iter().any(|word| word == "WHERE");
    match (word(0), word(1)) {
        ("DROP", "DATABASE" | "SCHEMA" | "KEYSPACE") => {
            Some((format!("drop a {}", word(1).to_ascii_lowercase()), Loss::All))
        }
        ("DROP", "TABLE" | "COLLECTION" | "ROLE" | "USER" | "MATERIALIZED") => {
            Some(("drop a table".to_owned(), Loss::All))
        }
        ("TRUNCATE", _) => Some(("empty a table".to_owned(), Loss::All)),
        ("DELETE", "FROM") if all => Some(("delete every row of a table".to_owned(), Loss::All)),
        ("UPDATE", _) if all && words.iter().any(|word| word == "SET") => {
            Some(("change every row of a table".to_owned(), Loss::Some))
        }
        _ => None,
    }
}
