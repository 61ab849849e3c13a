//! Connecting clients and putting their settings back (004-26).

use std::fs;

use crate::support::Home;
use serde_json::Value;

const CLAUDE: &str = ".claude/settings.json";

/// Settings files as people have them.
const ODD: [&[u8]; 8] = [
    b"{\n  \"theme\": \"dark\"\n}\n",
    b"{\n\t// tabs and comments\n\t\"env\": {\n\t\t\"FOO\": \"1\", /* keep */\n\t},\n      \"odd\":   [1,2 ,3]\n}",
    b"{\r\n    \"permissions\": {\r\n        \"allow\": [ \"Bash(ls:*)\" ]\r\n    }\r\n}\r\n",
    b"\xef\xbb\xbf{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://other.example\",\"ANTHROPIC_API_KEY\":\"sk-mine\"}}",
    b"{}",
    b"",
    b"\n\n{ }\n\n\n",
    "{\"name\": \"ünï\u{2028}code\", \"env\": {\"CLAUDE_CODE_USE_BEDROCK\": \"1\"}}".as_bytes(),
];

/// 004-26: connect and revert leave byte-equal settings.
#[test]
fn claude_code_settings_come_back_byte_for_byte_whatever_they_looked_like() {
    for original in ODD {
        let home = Home::new();
        let path = home.write(CLAUDE, original);
        home.run(&["connect", "claude-code", "--url", "http://10.1.2.3:8484/"]).ok();
        let written = fs::read(&path).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains("http://10.1.2.3:8484\""), "{text}");
        assert!(!text.contains("ANTHROPIC_API_KEY") && !text.contains("BEDROCK"), "{text}");
        home.run(&["connect", "claude-code", "--revert"]).ok();
        assert_eq!(fs::read(&path).unwrap(), original, "{:?}", String::from_utf8_lossy(original));
    }
}

/// Name below the home folder, and content.
type File = (&'static str, &'static [u8]);

/// 004-26: every client that has settings files, with files and without.
#[test]
fn every_client_with_settings_can_be_connected_and_reverted() {
    let clients: [(&str, &[File]); 6] = [
        ("claude-code", &[(CLAUDE, b"{\"a\": 1}")]),
        ("codex", &[(".codex/config.toml", b"# mine\r\nmodel = \"gpt-5.5\"\r\n\r\n[tui]\r\nx = 1")]),
        (
            "gemini-cli",
            &[(".gemini/settings.json", b"{ // c\n}"), (".gemini/.env", b"A=1\nGEMINI_API_KEY=old")],
        ),
        ("opencode", &[(".config/opencode/opencode.jsonc", b"{\n  // c\n  \"model\": \"x/y\",\n}")]),
        ("pi", &[(".pi/agent/models.json", b"{\"providers\": {\"o\": {}}}")]),
        (
            "continue",
            &[(".continue/config.yaml", b"name: me\nmodels:\n  - name: A\n    provider: x\n    model: y")],
        ),
    ];
    for (client, files) in clients {
        let home = Home::new();
        home.run(&["connect", client, "--model", "fast"]).ok();
        let made = files_below(&home);
        assert!(made.iter().any(|(_, content)| content.contains("127.0.0.1:8484")), "{client}: {made:?}");
        home.run(&["connect", client, "--revert"]).ok();
        assert_eq!(files_below(&home), [], "{client}: created files and folders go again");

        for (name, content) in files {
            home.write(name, content);
        }
        let before = files_below(&home);
        home.run(&["connect", client]).ok();
        assert_ne!(files_below(&home), before, "{client}");
        home.run(&["connect", client]).ok();
        home.run(&["connect", client, "--url", "http://127.0.0.2:1"]).ok();
        home.run(&["connect", client, "--revert"]).ok();
        assert_eq!(files_below(&home), before, "{client}");
    }
}

/// Every file below the home folder but Lockgate's own; folders count as files without content.
fn files_below(home: &Home) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(home.root()).unwrap().to_str().unwrap().to_owned();
            if name == ".local" {
                continue;
            }
            let content = if path.is_dir() { String::new() } else { fs::read_to_string(&path).unwrap() };
            if path.is_dir() {
                folders.push(path);
            }
            found.push((name, content));
        }
    }
    found.sort();
    found
}

/// 004-26: connecting again must not take Lockgate's own settings for the original.
#[test]
fn connecting_twice_replaces_the_address_and_keeps_the_first_original() {
    let home = Home::new();
    home.write(CLAUDE, b"{ \"theme\": 1 }");
    home.run(&["connect", "claude-code", "--model", "one"]).ok();
    home.run(&["connect", "claude-code", "--url", "http://127.0.0.1:9"]).ok();
    let settings: Value = serde_json::from_str(&home.read(CLAUDE)).unwrap();
    assert_eq!(settings["env"]["ANTHROPIC_BASE_URL"], "http://127.0.0.1:9");
    assert_eq!(settings.get("model"), None, "the first connect's model is gone");
    home.run(&["connect", "claude-code", "--revert"]).ok();
    assert_eq!(home.read(CLAUDE), "{ \"theme\": 1 }");
}

#[test]
fn a_file_connected_by_hand_before_stays_as_it_was() {
    let home = Home::new();
    let by_hand =
        "{\"env\":{\"ANTHROPIC_BASE_URL\":\"http://127.0.0.1:8484\",\"ANTHROPIC_AUTH_TOKEN\":\"lockgate\"}}";
    home.write(CLAUDE, by_hand.as_bytes());
    let ran = home.run(&["connect", "claude-code"]).ok();
    assert!(ran.out.contains("is already set to talk"), "{}", ran.out);
    assert_eq!(home.read(CLAUDE), by_hand);
    home.run(&["connect", "claude-code", "--revert"]).ok();
    assert_eq!(home.read(CLAUDE), by_hand);
}

#[test]
fn a_file_edited_since_is_not_reverted_without_force_and_then_kept_aside() {
    let home = Home::new();
    home.write(CLAUDE, b"{}");
    home.run(&["connect", "claude-code"]).ok();
    let edited = home.read(CLAUDE).replace('{', "{ \"mine\": true, ");
    home.write(CLAUDE, edited.as_bytes());
    let refused = home.run(&["connect", "claude-code", "--revert"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("edited since")
            && refused.err.contains("diff ")
            && refused.err.contains("--force"),
        "{}",
        refused.err
    );
    assert_eq!(home.read(CLAUDE), edited);

    let forced = home.run(&["connect", "claude-code", "--revert", "--force", "--json"]).ok();
    assert_eq!(home.read(CLAUDE), "{}");
    let report: Value = serde_json::from_str(&forced.out).unwrap();
    let aside = report["files"][0]["kept_aside"].as_str().unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), edited);
}

#[test]
fn an_edit_between_two_connects_survives_the_second_and_is_not_lost_by_a_revert() {
    let home = Home::new();
    home.write(CLAUDE, b"{}");
    home.run(&["connect", "claude-code"]).ok();
    let edited = home.read(CLAUDE).replacen('{', "{ \"mine\": true, ", 1);
    home.write(CLAUDE, edited.as_bytes());
    home.run(&["connect", "claude-code", "--url", "http://127.0.0.1:9"]).ok();
    let settings: Value = serde_json::from_str(&home.read(CLAUDE)).unwrap();
    assert_eq!(
        (&settings["mine"], &settings["env"]["ANTHROPIC_BASE_URL"]),
        (&true.into(), &"http://127.0.0.1:9".into())
    );
    let refused = home.run(&["connect", "claude-code", "--revert"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("between two connects"), "{}", refused.err);
    home.run(&["connect", "claude-code", "--revert", "--force"]).ok();
    assert_eq!(home.read(CLAUDE), "{}");
}

#[test]
fn a_file_that_cannot_be_edited_stops_everything_before_anything_is_written() {
    let home = Home::new();
    home.write(".gemini/settings.json", b"{}");
    home.write(".gemini/.env", b"\xff\xfe");
    let ran = home.run(&["connect", "gemini-cli"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(".env") && ran.err.contains("UTF-8"), "{}", ran.err);
    assert_eq!(home.read(".gemini/settings.json"), "{}");
    let nothing = home.run(&["connect", "gemini-cli", "--revert"]);
    assert_eq!(nothing.code, 1);
}

#[test]
fn a_dry_run_shows_the_change_without_the_key_and_writes_nothing() {
    let home = Home::new();
    let key = lockgate::key::from_seed(&[3; 32]);
    home.write(CLAUDE, b"{\n  \"a\": 1\n}\n");
    let ran = home.run(&["connect", "claude-code", "--key", &key, "--dry-run"]).ok();
    assert!(ran.out.contains("+    \"ANTHROPIC_BASE_URL\": \"http://127.0.0.1:8484\""), "{}", ran.out);
    assert!(ran.out.contains("<your key>") && !ran.out.contains(&key), "{}", ran.out);
    assert_eq!(home.read(CLAUDE), "{\n  \"a\": 1\n}\n");
    assert!(!home.path(".local").exists());
    let real = home.run(&["connect", "claude-code", "--key", &key, "--json"]).ok();
    assert!(!real.out.contains(&key));
    assert!(home.read(CLAUDE).contains(&key));
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_permissions_stay_as_they_were() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = Home::new();
    let real = home.write("dotfiles/claude.json", b"{}");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(home.path(".claude")).unwrap();
    symlink(&real, home.path(CLAUDE)).unwrap();
    home.run(&["connect", "claude-code"]).ok();
    assert!(fs::symlink_metadata(home.path(CLAUDE)).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("8484"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    home.run(&["connect", "codex"]).ok();
    assert_eq!(fs::metadata(home.path(".codex/config.toml")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn clients_with_a_home_of_their_own_are_found_there_and_homes_do_not_mix() {
    let home = Home::new();
    for folder in ["one", "two"] {
        let ran = home
            .lockgate(&["connect", "claude-code"])
            .env("CLAUDE_CONFIG_DIR", home.path(folder))
            .output()
            .unwrap();
        assert!(ran.status.success());
    }
    let ran = home
        .lockgate(&["connect", "claude-code", "--revert"])
        .env("CLAUDE_CONFIG_DIR", home.path("one"))
        .output()
        .unwrap();
    assert!(ran.status.success());
    assert!(!home.path("one").exists());
    assert!(home.read("two/settings.json").contains("8484"));
    home.lockgate(&["connect", "codex"]).env("CODEX_HOME", home.path("cx")).output().unwrap();
    assert!(home.read("cx/config.toml").contains("wire_api = \"responses\""));
}

#[test]
fn clients_without_settings_files_get_lines_for_the_shell_or_steps() {
    let home = Home::new();
    let aider = home.run(&["connect", "aider", "--model", "it's"]).ok();
    assert!(aider.out.contains("export OPENAI_API_BASE=http://127.0.0.1:8484/v1\n"), "{}", aider.out);
    assert!(aider.out.contains("--model 'openai/it'\\''s'"), "{}", aider.out);
    let qwen = home.run(&["connect", "qwen-code"]).ok();
    assert!(qwen.out.contains("export OPENAI_MODEL=auto\n"), "{}", qwen.out);
    let copilot = home.run(&["connect", "copilot", "--json"]).ok();
    let copilot: Value = serde_json::from_str(&copilot.out).unwrap();
    assert_eq!(copilot["set"]["COPILOT_PROVIDER_BASE_URL"], "http://127.0.0.1:8484/v1");
    let cursor = home.run(&["connect", "cursor"]).ok();
    assert!(cursor.out.contains("Override OpenAI Base URL: http://127.0.0.1:8484/v1"), "{}", cursor.out);
    assert_eq!(files_below(&home), []);
    assert_eq!(home.run(&["connect", "aider", "--revert"]).code, 1);
}

#[test]
fn a_key_that_was_mistyped_is_refused_before_anything_is_written() {
    let home = Home::new();
    let mut key = lockgate::key::from_seed(&[3; 32]);
    key.pop();
    let ran = home.run(&["connect", "claude-code", "--key", &key]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("checksum") && !ran.err.contains(&key), "{}", ran.err);
    assert_eq!(files_below(&home), []);
}
