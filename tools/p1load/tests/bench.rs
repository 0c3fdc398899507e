//! `p1load floor` and `p1load bench` end to end: what goes in comes out, once, and is on disk.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::process::{Command, Output};

use serde_json::Value;

/// Runs p1load in a folder that is not on tmpfs.
fn p1load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_p1load"))
        .args(arguments)
        .args(["--timeout-s", "120", "--json", "--directory", env!("CARGO_TARGET_TMPDIR")])
        .output()
        .unwrap()
}

#[track_caller]
fn result(arguments: &[&str]) -> Value {
    let output = p1load(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{error}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn assert_whole(result: &Value, messages: u64) {
    assert_eq!(result["messages"], messages, "{result}");
    assert_eq!((&result["lost"], &result["duplicated"]), (&0.into(), &0.into()), "{result}");
}

#[test]
fn the_floor_passes_on_what_it_gets_and_writes_it_first() {
    for (size, messages, associations) in [("0", 400, "1"), ("2048", 1000, "10")] {
        let count = messages.to_string();
        let result = result(&[
            "floor",
            "--size",
            size,
            "--messages",
            &count,
            "--associations",
            associations,
        ]);
        assert_whole(&result, messages);
        let written = result["octets_written_per_message"].as_f64().unwrap();
        assert!(written >= result["transfer_size"].as_f64().unwrap(), "{result}");
        assert!(result["commits"].as_u64().unwrap() > 0);
    }
}

#[test]
fn the_floor_passes_on_messages_larger_than_a_group() {
    let result = result(&["floor", "--size", "3000000", "--messages", "20", "--associations", "3"]);
    assert_whole(&result, 20);
    assert!(result["octets_written_per_message"].as_f64().unwrap() >= 3e6, "{result}");
}

#[test]
fn the_floor_keeps_to_a_rate() {
    let result = result(&["floor", "--messages", "100", "--associations", "2", "--rate", "200"]);
    assert_whole(&result, 100);
    assert!(result["messages_per_s"].as_f64().unwrap() < 220.0, "{result}");
}

#[test]
fn relay_and_floor_are_compared_in_turn() {
    let result = result(&["bench", "--versus", "floor", "--pairs", "2", "--messages", "300"]);
    assert_whole(&result, 300);
    for name in ["ratio_to_floor", "cpu_ratio_to_floor", "syscalls_per_message"] {
        let spread = ["min", "median", "max"].map(|which| result[name][which].as_f64().unwrap());
        assert!(spread[0] > 0.0 && spread.is_sorted(), "{name}: {spread:?}");
    }
    let limits = result["relay"]["limited_by"].as_array().unwrap();
    assert_eq!(limits.len(), 2);
    let saturated = limits.iter().all(|limit| limit == "relay");
    let void = result["void"].as_array().unwrap();
    assert!(saturated || !void.is_empty(), "unsaturated, but not void: {result}");
}

#[test]
fn a_folder_where_nothing_is_durable_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_p1load"))
        .args(["floor", "--messages", "1", "--directory", "/dev/shm"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing is durable"));
}
