//! The shape of the workspace: who may depend on whom, what pure crates never see, how large a file may grow, and that
//! ARCHITECTURE.md names what exists. Reads `cargo metadata` and the files; compiles nothing.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// The crates of ours that a crate may use. A new edge needs an ADR (docs/adr/0001-crates-and-edges.md).
const EDGES: [(&str, &[&str]); 20] = [
    (
        "lockgate",
        &[
            "admin",
            "config",
            "core",
            "engine",
            "history",
            "ledger",
            "policy",
            "providers",
            "recorder",
            "redact",
            "server",
            "session",
            "store",
            "store-sql",
            "telemetry",
            "testkit",
            "wire",
        ],
    ),
    ("lockgate-admin", &["core", "history", "ledger", "policy", "redact", "store", "telemetry"]),
    ("lockgate-bench", &["core", "store", "store-sql"]),
    ("lockgate-config", &["core", "ledger", "policy", "providers"]),
    ("lockgate-core", &[]),
    ("lockgate-engine", &["core", "ledger", "policy", "providers", "recorder", "session", "wire"]),
    ("lockgate-fuzz", &["config", "core", "providers", "wire"]),
    ("lockgate-history", &["core", "ledger", "session", "store", "wire"]),
    ("lockgate-ledger", &["core"]),
    ("lockgate-policy", &["core", "redact", "session"]),
    ("lockgate-providers", &["core", "wire"]),
    ("lockgate-recorder", &["core", "ledger", "redact", "session", "store", "wire"]),
    ("lockgate-redact", &["core"]),
    ("lockgate-server", &["core", "engine", "providers", "wire"]),
    ("lockgate-session", &["core"]),
    ("lockgate-store", &["core"]),
    ("lockgate-store-sql", &["core", "store"]),
    ("lockgate-telemetry", &["core", "engine", "ledger", "session"]),
    ("lockgate-testkit", &[]),
    ("lockgate-wire", &["core"]),
];

/// Crates of ours that only a crate's tests use.
const TEST_EDGES: [(&str, &str); 5] = [
    ("lockgate-admin", "lockgate-store-sql"),
    ("lockgate-policy", "lockgate-wire"),
    ("lockgate-recorder", "lockgate-store-sql"),
    ("lockgate-server", "lockgate-policy"),
    ("lockgate-session", "lockgate-wire"),
];

/// Crates that do no I/O over a network.
const PURE: [&str; 10] = [
    "lockgate-config",
    "lockgate-core",
    "lockgate-history",
    "lockgate-ledger",
    "lockgate-policy",
    "lockgate-providers",
    "lockgate-redact",
    "lockgate-session",
    "lockgate-store",
    "lockgate-wire",
];

/// What must not be below a pure crate, however far down.
const RUNTIMES: [&str; 8] = ["async-std", "axum", "hyper", "hyper-util", "mio", "reqwest", "smol", "tokio"];

/// No file of code is longer.
const LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn metadata() -> Metadata {
    let host = String::from_utf8(
        std::process::Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap().stdout,
    )
    .unwrap();
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), host.trim().to_owned()])
        .exec()
        .unwrap()
}

/// Crate to crates of ours that it uses in its product, by name.
type Edges = BTreeMap<String, BTreeSet<String>>;

fn edges(metadata: &Metadata) -> Edges {
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let uses = package
                .dependencies
                .iter()
                // The scripted upstream serves tests everywhere.
                .filter(|used| {
                    let for_tests = used.name == "lockgate-testkit"
                        || TEST_EDGES.contains(&(package.name.as_str(), used.name.as_str()));
                    used.kind != DependencyKind::Development || !for_tests
                })
                .map(|used| used.name.clone())
                .filter(|name| ours.contains(name.as_str()));
            (package.name.to_string(), uses.collect())
        })
        .collect()
}

/// Every edge that the table does not allow, and every crate that it does not know.
fn forbidden(edges: &Edges) -> Vec<String> {
    let mut found = Vec::new();
    for (package, uses) in edges {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| name == package) else {
            found.push(format!("{package} is not in the table of edges"));
            continue;
        };
        for used in uses {
            let short = used.strip_prefix("lockgate-").unwrap_or(used);
            if !allowed.contains(&short) {
                found.push(format!("{package} must not use {used}"));
            }
        }
    }
    found
}

#[test]
fn crates_use_only_the_crates_that_the_table_allows() {
    let edges = edges(&metadata());
    assert_eq!(forbidden(&edges), Vec::<String>::new());
    for (name, _) in EDGES {
        assert!(edges.contains_key(name), "{name} is in the table and not in the workspace");
    }
}

#[test]
fn an_edge_that_is_not_allowed_is_found() {
    let edge = |from: &str, to: &str| Edges::from([(from.to_owned(), BTreeSet::from([to.to_owned()]))]);
    assert_eq!(
        forbidden(&edge("lockgate-wire", "lockgate-engine")),
        ["lockgate-wire must not use lockgate-engine"]
    );
    assert_eq!(
        forbidden(&edge("lockgate-new", "lockgate-core")),
        ["lockgate-new is not in the table of edges"]
    );
    assert!(forbidden(&edge("lockgate-wire", "lockgate-core")).is_empty());
}

/// Everything in the product of `start`, however far down, by name.
fn below(metadata: &Metadata, start: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let name = |id: &PackageId| metadata[id].name.to_string();
    let first = resolve.nodes.iter().find(|node| name(&node.id) == start).unwrap();
    let mut waiting = vec![&first.id];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        for used in &nodes[id].deps {
            let in_product = used.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if in_product && seen.insert(name(&used.pkg)) {
                waiting.push(&used.pkg);
            }
        }
    }
    seen
}

#[test]
fn no_runtime_and_no_http_stack_is_below_a_pure_crate() {
    let metadata = metadata();
    for pure in PURE {
        let below = below(&metadata, pure);
        let found: Vec<_> = RUNTIMES.iter().filter(|name| below.contains(**name)).collect();
        // `notify` watches files through mio's poll, on a thread of its own.
        let found: Vec<_> =
            found.into_iter().filter(|name| !(pure == "lockgate-config" && **name == "mio")).collect();
        assert!(found.is_empty(), "{pure} has {found:?} below it");
    }
    assert!(below(&metadata, "lockgate-engine").contains("tokio"), "the search finds what is there");
}

#[test]
fn neither_the_bench_nor_the_fuzzer_is_part_of_the_product() {
    let below = below(&metadata(), "lockgate");
    assert!(
        !below.contains("lockgate-bench")
            && !below.contains("lockgate-fuzz")
            && !below.contains("libfuzzer-sys")
    );
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every file of every crate's product.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        rust_files(&entry.unwrap().path().join("src"), &mut files);
    }
    rust_files(&root().join("bench/src"), &mut files);
    rust_files(&root().join("fuzz/src"), &mut files);
    assert!(files.len() > 100, "only {} files found", files.len());
    files
}

#[test]
fn no_file_is_longer_than_can_be_read_at_a_sitting() {
    let length = |file: &PathBuf| fs::read_to_string(file).unwrap().lines().count();
    let long: Vec<_> = sources().into_iter().filter(|file| length(file) > LINES).collect();
    assert!(long.is_empty(), "longer than {LINES} lines: {long:?}");
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let speaks = |text: &str| text.starts_with("//! ") || text.starts_with("#![doc");
    let silent: Vec<_> =
        sources().into_iter().filter(|file| !speaks(&fs::read_to_string(file).unwrap())).collect();
    assert!(silent.is_empty(), "no opening comment: {silent:?}");
}

/// Texts between single backticks, outside fenced blocks.
fn code_spans(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut spans = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

#[test]
fn architecture_md_names_every_crate_and_only_paths_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let spans = code_spans(&text);
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().unwrap().strip_prefix(root()).unwrap();
        assert!(spans.iter().any(|span| span == folder.as_str()), "ARCHITECTURE.md does not name `{folder}`");
    }
    let tops: BTreeSet<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for span in &spans {
        if span.split('/').next().is_some_and(|first| span.contains('/') && tops.contains(first)) {
            assert!(root().join(span).exists(), "ARCHITECTURE.md names `{span}`, which is not there");
        }
    }
}
