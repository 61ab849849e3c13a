//! The page of each policy is made from the head of its file, so that neither says what the other does not.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_policy::KINDS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The page of a policy, from the lines that begin its file.
fn page(kind: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = format!("{kind}.rs");
    let file = [folder.join(&file), folder.join(kind).join("mod.rs"), folder.join("quality").join(&file)];
    let file = file.iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no file of {kind}"));
    let text = fs::read_to_string(file).unwrap();
    let head = text.lines().map_while(|line| line.strip_prefix("//!"));
    let mut page = format!("# {kind}\n\n");
    for line in head {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let heading = line.starts_with("# ");
        page.push_str(if heading { "#" } else { "" });
        page.push_str(line);
        page.push('\n');
    }
    page + "\nEvery option: [reference](../config/reference.md#policies).\n"
}

#[test]
fn the_page_of_each_policy_says_what_it_does_why_how_and_what_it_cannot() {
    for kind in KINDS {
        let page = page(kind);
        for heading in ["## What it does", "## Why", "## Example", "## Limits"] {
            assert!(page.contains(heading), "{kind} has no {heading:?}");
        }
        let file = root().join(format!("docs/policies/{kind}.md"));
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &page).unwrap();
        }
        let known = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            known == page,
            "{} is stale; run the tests of this crate with UPDATE_GENERATED=1",
            file.display()
        );
    }
}
