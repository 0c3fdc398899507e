//! What an operator is told: exit status, reason, remedy.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Finished, PATIENCE, Setting, Site, finish, program};
use support::port::Port;

const SETTING: Setting = Setting { shards: 1, mta_lines: "io = \"epoll\"", associations: 1 };

fn with_config(subcommand: &str, config: &Path) -> Finished {
    let mut command = program();
    command.arg(subcommand).arg("--config").arg(config);
    finish(command)
}

#[track_caller]
fn assert_told(finished: &Finished, code: i32, told: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}{}", finished.output, finished.errors);
    for text in told {
        assert!(finished.errors.contains(text), "{text:?} is not in:\n{}", finished.errors);
    }
}

#[test]
fn a_good_configuration_has_no_problems() {
    let site = Site::new();
    let finished = with_config("check", &site.configure(&SETTING));
    assert_told(&finished, 0, &[]);
    assert!(finished.output.contains("no problems; 3 connectors"), "{}", finished.output);
    assert_eq!(finished.errors, "");
}

#[test]
fn every_problem_is_told_at_once_with_line_and_remedy() {
    let site = Site::new();
    let config = site.configure(&SETTING);
    let text = fs::read_to_string(&config).unwrap();
    let text = text
        .replace("\"C=GB;A=CARRIER\"", "\"A=CARRIER\"")
        .replace("io = \"epoll\"", "io = \"kqueue\"")
        .replace("pattern = \"C=FR\"", "pattern = \"Q=FR\"");
    fs::write(&config, &text).unwrap();
    let line = |key: &str| 1 + text.lines().position(|line| line.contains(key)).unwrap();
    let told = [
        format!("relay.toml: line {}: \"A=CARRIER\" is no global domain", line("domain")),
        "; write it like \"C=GB;A=CARRIER;P=ACME\", P only".to_owned(),
        format!("relay.toml: line {}: \"kqueue\" cannot be", line("kqueue")),
        "; write \"auto\", \"uring\" or \"epoll\"".to_owned(),
        format!("relay.toml: line {}: address space \"Q=FR\"", line("Q=FR")),
    ];
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    for subcommand in ["check", "run"] {
        let finished = with_config(subcommand, &config);
        assert_told(&finished, 2, &told);
        assert_eq!(finished.errors.lines().count(), 3, "{}", finished.errors);
    }
    let missing = with_config("check", &site.folder.path().join("nothing.toml"));
    assert_told(&missing, 2, &["nothing.toml", "cannot be read", "name a readable file"]);
    let told = "unexpected argument";
    assert_told(
        &finish({
            let mut command = program();
            command.arg("run").arg("--nonsense");
            command
        }),
        2,
        &[told],
    );
}

#[test]
fn a_port_in_use_is_told() {
    let mut site = Site::new();
    let (address, _listener) = std::mem::replace(&mut site.port, Port::reserve()).occupy();
    let config = site.configure(&SETTING);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(&site.port.address.to_string(), &address.to_string())).unwrap();
    let told = format!("cannot listen on {address}: Address already in use");
    assert_told(&with_config("run", &config), 1, &[&told]);
}

#[test]
fn a_store_in_use_is_told() {
    let site = Site::new();
    let config = site.configure(&SETTING);
    let relay = site.start("epoll");
    let text = fs::read_to_string(&config).unwrap();
    let elsewhere = text.replace(&site.port.address.to_string(), "127.0.0.1:0");
    fs::write(&config, elsewhere).unwrap();
    let told = ["the store cannot be taken, perhaps another relay runs on it"];
    assert_told(&with_config("run", &config), 1, &told);
    assert_eq!(relay.terminate().0.code(), Some(0));
}

/// The kernel would have both listen, and give each half of the calls.
#[test]
fn two_relays_do_not_share_a_port() {
    let site = Site::new();
    let config = site.configure(&SETTING);
    let relay = site.start("epoll");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("store = \"store\"", "store = \"another\"")).unwrap();
    let told = format!("cannot listen on {}: Address already in use", site.port.address);
    assert_told(&with_config("run", &config), 1, &[&told, "write another port in `listen`"]);
    assert_eq!(relay.terminate().0.code(), Some(0));
}

#[test]
fn a_store_of_a_newer_format_is_told() {
    let site = Site::new();
    let config = site.configure(&SETTING);
    assert_eq!(site.start("epoll").terminate().0.code(), Some(0));
    let superblock = site.folder.path().join("store").join("superblock");
    let mut octets = fs::read(&superblock).unwrap();
    octets[8..12].copy_from_slice(&99u32.to_le_bytes());
    fs::write(&superblock, octets).unwrap();
    let told = ["superblock: format version 99 is newer than 2, the newest this version reads"];
    assert_told(&with_config("run", &config), 1, &told);
}

#[test]
fn the_demo_keeps_its_folder_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["demo", "--messages", "20", "--keep"]).env("TMPDIR", folder.path());
    let finished = finish(command);
    assert_told(&finished, 0, &[]);
    let kept: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(finished.output.contains(&format!("kept: {}", kept[0].display())));
    for site in ["site-a", "carrier-1", "carrier-2", "site-b"] {
        assert!(kept[0].join(format!("{site}.toml")).is_file());
        assert!(kept[0].join(site).join("superblock").is_file());
    }
    let pids: std::collections::BTreeSet<&str> = finished
        .output
        .lines()
        .filter_map(|line| line.split_once("  pid ")?.1.split(' ').next())
        .collect();
    assert_eq!(pids.len(), 6, "{}", finished.output);
    assert!(finished.output.contains(" latency p50 "), "{}", finished.output);
    let store = finished.output.lines().find(|line| line.trim_start().starts_with("store  "));
    assert!(store.is_some_and(|line| !line.ends_with("unknown")), "{}", finished.output);
    assert!(finished.output.contains("20 sent, 20 arrived, 0 missing, 0 twice, 0 altered"));
}

/// The processes whose parent is `parent`, with what they were called with.
fn children_of(parent: u32) -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // Behind the name in parentheses: the state, then the parent.
            let found: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            let called = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            (found == parent).then(|| (pid, String::from_utf8_lossy(&called).replace('\0', " ")))
        })
        .collect()
}

#[test]
fn the_demo_fails_when_a_relay_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors");
    let mut demo: Command = program();
    demo.args(["demo", "--messages", "1000000", "--timeout-s", "60"]);
    demo.env("TMPDIR", folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut demo = demo.stderr(fs::File::create(&errors).unwrap()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let children = loop {
        let children = children_of(demo.id());
        if children.len() == 6 && children.iter().all(|(_, called)| called.contains("p1relay")) {
            break children;
        }
        assert!(Instant::now() < deadline, "{children:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let victim = children.iter().find(|(_, called)| called.contains("carrier-2.toml")).unwrap().0;
    let pid = rustix::process::Pid::from_raw(victim).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let ended = loop {
        if let Some(ended) = demo.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < deadline, "the demo goes on");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(ended.code(), Some(1));
    let told = fs::read_to_string(&errors).unwrap();
    assert!(told.contains("carrier-2 ended with signal: 9"), "{told}");
    // It left neither processes nor its folder behind.
    for (pid, called) in children {
        let now = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert_ne!(String::from_utf8_lossy(&now).replace('\0', " "), called);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
