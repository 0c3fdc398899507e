//! The MTA's procedures of X.411 section 4, each with the tests that hold it.
//!
//! `procedures.toml` lists them: a row's `tests` are `module::name` of this binary, or `path::name` of
//! another file, which must be part of its target and hold that test. A row without a test stands in `tests/exceptions.toml`, with why; a row that is
//! `required` may not. Every test here is named by a row.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

mod conversion;
mod criticality;
mod delivery;
mod derive;
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

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a source file is part of its target: it is a root, or a parent that is part of it declares it.
fn is_compiled(path: &Path) -> bool {
    let (Some(stem), Some(directory)) = (path.file_stem(), path.parent()) else { return false };
    if stem == "main" || stem == "lib" || directory == Path::new("tests") {
        return true;
    }
    let module = if stem == "mod" { directory } else { &path.with_extension("") };
    let (Some(name), Some(parent)) = (module.file_name(), module.parent()) else { return false };
    let declaration = format!("mod {};", name.to_string_lossy());
    let declares = |candidate: &Path| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(candidate);
        fs::read_to_string(file).is_ok_and(|text| {
            text.lines().any(|line| {
                line == declaration
                    || line.split_once(' ').is_some_and(|(_, rest)| rest == declaration)
            })
        })
    };
    let files = ["main.rs", "lib.rs", "mod.rs"].map(|file| parent.join(file));
    let mut candidates = files.into_iter().chain([parent.with_extension("rs")]);
    candidates.any(|candidate| declares(&candidate) && is_compiled(&candidate))
}

/// Macros that make tests of the functions whose names they are given, each in several settings.
const TEST_MACROS: [&str; 2] = ["on_each_engine!", "on_one_and_two_shards!"];

/// The names of the tests that a file's text holds.
fn tests_of(text: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_test = |at: usize| {
        let before = lines[..at].iter().rev();
        let attributes: Vec<_> =
            before.take_while(|line| line.starts_with("#[") || line.starts_with("///")).collect();
        attributes.contains(&&"#[test]")
            && !attributes.iter().any(|attribute| attribute.starts_with("#[ignore"))
    };
    let name = |line: &str| {
        let rest = line.strip_prefix("fn ")?;
        Some(rest.split(['(', '<']).next()?.to_owned())
    };
    let numbered = lines.iter().enumerate();
    let named = numbered.filter(|(at, _)| is_test(*at)).filter_map(|(_, line)| name(line));
    let given = TEST_MACROS.iter().flat_map(|name| text.split(name).skip(1));
    let given = given.filter_map(|rest| rest.strip_prefix(['(', '{'])?.split([')', '}']).next());
    let words = given.flat_map(|list| list.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let made = words.filter(|word| !word.is_empty()).map(str::to_owned);
    named.chain(made).collect()
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
            if !is_compiled(Path::new(&path)) {
                faults.push(format!("{id}: {path} is part of no target"));
            } else if !tests_of(&text(&path)).contains(name) {
                faults.push(format!("{id}: {path} has no test {name}"));
            }
            named.insert(test.as_str());
        }
        let state = if procedure.tests.is_empty() { "not done" } else { "done" };
        println!("{state:8} {} {}", procedure.clause, procedure.name);
    }
    faults.extend(excepted.keys().map(|id| format!("{id}: excepted, but no procedure")));
    // Every module of this binary but its helpers.
    let own = text("tests/conformance/main.rs");
    let declared = own.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    for module in declared.filter(|module| *module != "support") {
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
    let found = tests_of(
        "#[test]\nfn one() {}\nfn two() {}\n    #[test]\n    fn three(x: u8) {}\n#[test]\n#[ignore]\nfn four() {}\n\
         on_each_engine!(\n    five,\n    six\n);\nfn seven() {}\n",
    );
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["five", "one", "six", "three"]);
    for (path, is_part) in [
        ("src/shard/queue.rs", true),
        ("src/p1/or_address/text.rs", true),
        ("tests/p1_codec/patch.rs", true),
        ("tests/pace.rs", true),
        ("tests/p1_codec/nothing.rs", false),
        ("src/shard/nothing.rs", false),
    ] {
        assert_eq!(is_compiled(Path::new(path)), is_part, "{path}");
    }
}
