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
    for name in [
        "/ratio_to_floor",
        "/cpu_ratio_to_floor",
        "/saturated_ratio_to_floor",
        "/syscalls_per_message",
    ] {
        assert_spread(&result, name);
    }
    for side in ["relay", "floor"] {
        assert_side(&result, side);
    }
}

/// A figure of several runs.
#[track_caller]
fn assert_spread(result: &Value, name: &str) {
    let of = |which: &str| result.pointer(&format!("{name}/{which}")).and_then(Value::as_f64);
    let spread = ["min", "median", "max"].map(|which| of(which).unwrap_or(f64::NAN));
    assert!(spread[0] > 0.0 && spread.is_sorted(), "{name}: {spread:?}");
}

/// What is told of each side, and that a run which the load limited is void.
#[track_caller]
fn assert_side(result: &Value, side: &str) {
    for name in [
        "messages_per_s",
        "cpu_us_per_message",
        "syscalls_per_message",
        "context_switches_per_message",
        "octets_written_per_message",
        "latency_us/p50",
        "latency_us/p90",
        "latency_us/p99",
        "latency_us/p999",
        "wire_latency_us/p50",
        "wire_latency_us/p999",
        "peak_memory_kib",
        "busy",
        "load_busy",
        "load_turnaround",
    ] {
        assert_spread(result, &format!("/{side}/{name}"));
    }
    let limits = result[side]["limited_by"].as_array().unwrap();
    let known = ["shard", "load", "commits"];
    assert!(limits.iter().all(|limit| known.iter().any(|name| limit == name)), "{limits:?}");
    let void = result["void"].to_string();
    let told = void.contains(&format!("the load limited the {side}"));
    assert_eq!(limits.iter().any(|limit| limit == "load"), told, "{limits:?}, {void}");
}

#[test]
fn the_ring_is_compared_with_epoll() {
    let result = result(&["bench", "--versus", "epoll", "--pairs", "1", "--messages", "300"]);
    assert_whole(&result, 300);
    for name in ["/ratio_to_epoll", "/cpu_ratio_to_epoll", "/syscalls_ratio_to_epoll"] {
        assert_spread(&result, name);
    }
    for side in ["relay", "epoll"] {
        assert_spread(&result, &format!("/{side}/messages_per_s"));
    }
}

#[test]
fn sizes_are_compared_one_by_one() {
    let rows = result(&["bench", "--sizes", "512,300000", "--pairs", "1", "--messages", "100"]);
    let sizes: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["size"].as_u64()).collect();
    assert_eq!(sizes, [Some(512), Some(300_000)]);
    for row in rows.as_array().unwrap() {
        assert_whole(row, 100);
        assert_spread(row, "/ratio_to_floor");
    }
}

#[test]
fn latency_is_measured_at_half_the_rate() {
    let result = result(&["bench", "--latency", "--pairs", "1", "--messages", "500"]);
    assert_whole(&result, 500);
    let half = result["messages_per_s_max"].as_f64().unwrap() / 2.0;
    let rate = result["rate"].as_f64().unwrap();
    // Both have been through text.
    assert!((rate / half - 1.0).abs() < 1e-9, "{rate} is not {half}");
    for name in ["/latency_ratio_to_commit_p99", "/relay_latency_us/p50", "/floor_commit_us/p999"] {
        assert_spread(&result, name);
    }
}

#[test]
fn a_killed_relay_recovers_what_it_has_acknowledged() {
    let result = result(&["reopen", "--messages", "2000", "--openings", "2"]);
    assert_eq!(result["messages"], 2000);
    assert_spread(&result, "/reopen_seconds");
    assert!(result["store_size"].as_u64().unwrap() > 2000 * 2048);
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
