//! The MTA's procedures of X.411 section 4, each with the tests that hold it.
//!
//! `procedures.toml` lists them: a row's `tests` are `module::name` of this binary, or `path::name` of
//! another file. A row without a test stands in `tests/exceptions.toml`, with why; a row that is
//! `required` may not. Every test here is named by a row.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

mod criticality;
mod delivery;
mod loops;
mod routing;
mod special;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Procedures {
    procedure: Vec<Procedure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Procedure {
    /// Its name here, and in the exceptions.
    id: String,
    /// The clause, of the edition of 1988 unless named.
    clause: String,
    /// The procedure and, behind a colon, its step.
    name: String,
    /// The rule, in our words.
    rule: String,
    /// Whether it must be held by a test.
    #[serde(default)]
    required: bool,
    #[serde(default)]
    tests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// A procedure's.
    id: String,
    /// Why no test holds it.
    why: String,
}

/// The modules whose tests must be named by a row.
const MODULES: [&str; 5] = ["criticality", "delivery", "loops", "routing", "special"];

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the tests that a file's text holds.
fn tests_of(text: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_test = |at: usize| {
        let before = lines[..at].iter().rev();
        before
            .take_while(|line| line.starts_with("#[") || line.starts_with("///"))
            .any(|line| *line == "#[test]")
    };
    let name = |line: &str| {
        let rest = line.strip_prefix("fn ")?;
        Some(rest.split(['(', '<']).next()?.to_owned())
    };
    let numbered = lines.iter().enumerate();
    let named = numbered.filter(|(at, _)| is_test(*at)).filter_map(|(_, line)| name(line));
    named.collect()
}

/// The file of a test that a row names, and the test's name in it.
fn place(test: &str) -> (String, &str) {
    let (module, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test}: no module"));
    let path = match module.contains('/') {
        true => module.to_owned(),
        false => format!("tests/conformance/{module}.rs"),
    };
    (path, name)
}

#[test]
fn every_procedure_is_held_by_a_test_or_excepted() {
    let procedures: Procedures =
        toml::from_str(&text("tests/conformance/procedures.toml")).unwrap();
    let exceptions: Exceptions = toml::from_str(&text("tests/exceptions.toml")).unwrap();
    let mut excepted = BTreeMap::new();
    for exception in &exceptions.exception {
        assert!(exception.why.len() > 20, "{}: why?", exception.id);
        let again = excepted.insert(exception.id.as_str(), ());
        assert!(again.is_none(), "{}: excepted twice", exception.id);
    }
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let mut named = BTreeSet::new();
    for procedure in &procedures.procedure {
        let id = procedure.id.as_str();
        let is_excepted = excepted.remove(id).is_some();
        if !ids.insert(id) {
            faults.push(format!("{id}: listed twice"));
        }
        if procedure.name.is_empty() || !procedure.rule.ends_with('.') {
            faults.push(format!("{id}: has no name or no rule"));
        }
        match (procedure.tests.is_empty(), is_excepted) {
            (true, false) => faults.push(format!("{id}: no test and no exception")),
            (false, true) => faults.push(format!("{id}: excepted, but held by a test")),
            (true, true) if procedure.required => {
                faults.push(format!("{id}: required, and may not be excepted"));
            }
            _ => {}
        }
        for test in &procedure.tests {
            let (path, name) = place(test);
            if !tests_of(&text(&path)).contains(name) {
                faults.push(format!("{id}: {path} has no test {name}"));
            }
            named.insert(test.as_str());
        }
        let state = if procedure.tests.is_empty() { "not done" } else { "done" };
        println!("{state:8} {} {}", procedure.clause, procedure.name);
    }
    faults.extend(excepted.keys().map(|id| format!("{id}: excepted, but no procedure")));
    for module in MODULES {
        for test in tests_of(&text(&format!("tests/conformance/{module}.rs"))) {
            let name = format!("{module}::{test}");
            if !named.contains(name.as_str()) {
                faults.push(format!("{name}: held by no row"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_check_knows_tests_from_other_functions() {
    let found =
        tests_of("#[test]\nfn one() {}\nfn two() {}\n    #[test]\n    fn three(x: u8) {}\n");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["one", "three"]);
}
