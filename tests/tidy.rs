//! The house rules that a machine can hold: layers, purity, file length, headers, banned words.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each layer, from the lowest.
const LAYERS: [&[&str]; 8] = [
    &["base"],
    &["ber", "io"],
    &["osi", "p1"],
    &["routing", "store", "journal"],
    &["mta", "connector", "decode"],
    &["association", "spool"],
    &["shard", "endpoint"],
    &["config", "run", "demo", "connector_command", "track_command", "main", "lib"],
];

/// Layers whose modules may use each other: arguments and scenarios, above everything.
const TOP: usize = 7;

/// Modules that know neither sockets, files, threads, clocks nor chance.
const PURE: [&str; 7] = ["ber", "osi", "p1", "routing", "mta", "connector", "decode"];

const IMPURE: [&str; 14] = [
    "crate::io",
    "crate::store",
    "std::io",
    "std::net",
    "std::fs",
    "std::thread",
    "std::time::Instant",
    "SystemTime",
    "std::env",
    "std::process",
    "rustix::",
    "mio::",
    "getrandom",
    "rand::",
];

/// Words that blur what the Recommendations keep apart, or say nothing.
const BANNED: [&str; 8] = [
    "todo!",
    "unimplemented!",
    "FIXME",
    "XXX",
    "#[ignore",
    "allow(dead_code)",
    "mod utils",
    "mod helpers",
];

const LINES_BEFORE_TESTS_MAX: usize = 600;

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

impl Source {
    /// What stands before the unit tests.
    fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    /// Lines that are neither blank of code nor comments, with their numbers.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code().lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources_of(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            Source { path: relative.to_owned(), module, text }
        })
        .collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The first-level modules that a line names behind `crate::`, also inside braces.
fn named_modules(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let list = rest
            .strip_prefix('{')
            .map_or(rest, |inside| inside.split('}').next().unwrap_or(inside));
        let separator = if rest.starts_with('{') { ',' } else { ';' };
        for item in list.split(separator).take(if separator == ',' { usize::MAX } else { 1 }) {
            let end = item.trim_start().find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &item.trim_start()[..end.unwrap_or(item.trim_start().len())];
            found.push(name);
        }
    }
    found
}

#[track_caller]
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn imports_point_down() {
    let sources = sources_of("src");
    assert!(sources.len() > 40, "the tree was not read");
    let mut faults = Vec::new();
    for source in &sources {
        let Some(own) = layer(&source.module) else {
            faults.push(format!(
                "{}: module {} stands in no layer",
                source.path.display(),
                source.module
            ));
            continue;
        };
        for (number, line) in source.code_lines() {
            for name in named_modules(line) {
                let Some(other) = layer(name) else { continue };
                if name != source.module && own != TOP && other >= own {
                    faults.push(format!(
                        "{}:{number}: {} uses {name}",
                        source.path.display(),
                        source.module
                    ));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn protocol_and_judgement_are_pure() {
    let mut faults = Vec::new();
    for source in sources_of("src").iter().filter(|source| PURE.contains(&source.module.as_str())) {
        for (number, line) in source.code_lines() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{number}: names {word}", source.path.display()));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for folder in ["src", "tools", "tests", "benches"] {
        for source in sources_of(folder) {
            let count = source.code().lines().count();
            if folder != "tests" && count > LINES_BEFORE_TESTS_MAX {
                faults.push(format!("{folder}/{}: {count} lines", source.path.display()));
            }
            if !source.text.starts_with("//!") {
                faults.push(format!("{folder}/{}: has no header", source.path.display()));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn nothing_is_left_undone_or_named_vaguely() {
    let mut faults = Vec::new();
    for folder in ["src", "tools"] {
        for source in sources_of(folder) {
            for (index, line) in source.text.lines().enumerate() {
                for word in BANNED.iter().filter(|word| line.contains(**word)) {
                    faults.push(format!(
                        "{folder}/{}:{}: {word}",
                        source.path.display(),
                        index + 1
                    ));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn the_checks_can_fail() {
    assert_eq!(named_modules("use crate::io::{Engine, Token};"), ["io"]);
    assert_eq!(named_modules("let x = crate::p1::Error; crate::ber::Tag"), ["p1", "ber"]);
    assert_eq!(named_modules("use crate::{base, store};"), ["base", "store"]);
    assert!(layer("store") > layer("io") && layer("nowhere").is_none());
    assert!(IMPURE.iter().any(|word| "let now = std::time::Instant::now();".contains(word)));
}
