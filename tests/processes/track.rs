//! `p1relay track` finds what a relay has done by each key, while it runs, after a kill and after its end.

use std::path::Path;

use crate::support::{
    Finished, Load, Relay, Setting, Site, finish, program, read_manifest, start_receiver,
    start_sender,
};

const COUNT: u64 = 40;

fn track(config: &Path, arguments: &[&str]) -> Finished {
    let mut command = program();
    command.arg("track").arg("--config").arg(config).args(arguments);
    finish(command)
}

/// Events by name, as `--json` tells them.
fn names(finished: &Finished) -> Vec<String> {
    let lines = finished.output.lines();
    let values = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    values.filter_map(|value| Some(value["event"].as_str()?.to_owned())).collect()
}

/// Asks until the events are as many; what a shard has just done is in its buffer for a while.
fn track_until(config: &Path, arguments: &[&str], count: usize) -> Finished {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let finished = track(config, arguments);
        if names(&finished).len() == count || std::time::Instant::now() > deadline {
            return finished;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn messages_are_found_by_each_key_while_the_relay_runs_and_after() {
    let site = Site::new();
    let config = site.configure(&Setting { shards: 2, mta_lines: "", associations: 2 });
    let receiver = start_receiver(&site);
    let mut relay: Relay = site.start("auto");
    let load = Load { sender: 0, count: COUNT, text_size: 1000, associations: 2, incarnation: 1 };
    let sender = start_sender(&site, &load).join();
    assert_eq!(sender.confirmed_count(), COUNT);
    drop(sender);
    relay.wait_until("an empty queue", |counters| counters.transfers_out == COUNT);

    let (local, _) = read_manifest(&site.sent(1, 0)).swap_remove(7);
    let finished = track_until(&config, &["--json", &local], 3);
    assert_eq!(
        names(&finished),
        ["transfer-in", "decision", "transfer-out"],
        "{}",
        finished.errors
    );
    let finished = track(&config, &[&local]);
    let lines: Vec<&str> = finished.output.lines().collect();
    assert_eq!(finished.code, Some(0));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].contains(&format!("C=GB;A=CARRIER;P=ACME/{local}")), "{lines:#?}");
    assert!(lines[0].contains("from \"sender\"") && lines[0].contains("S=SMITH"), "{lines:#?}");
    assert!(lines[3].starts_with("now: transferred at \"receiver\" since "), "{lines:#?}");

    let all = 3 * COUNT as usize;
    let started = names(&track_until(&config, &["--json", "--since", "1h"], all)).len();
    assert_eq!(started, all);
    for arguments in [
        &["--originator", "S=Smith"][..],
        &["--recipient", "C=FR;A=OTHER;P=DEST;S=DURAND"],
        &["--originator", "C=GB;A=CARRIER;P=ACME;S=SMITH", "--recipient", "s=durand"],
    ] {
        let finished = track(&config, &[&["--json"], arguments].concat());
        assert_eq!(names(&finished).len(), all, "{arguments:?}: {}", finished.errors);
    }
    for (arguments, count) in [
        (&["--connector", "receiver"][..], 2 * COUNT as usize),
        (&["--connector", "sender"], COUNT as usize),
        (&["--connector", "sender", "--recipient", "S=DURAND"], COUNT as usize),
    ] {
        let finished = track(&config, &[&["--json"], arguments].concat());
        assert_eq!(names(&finished).len(), count, "{arguments:?}: {}", finished.errors);
    }
    for arguments in [&["--originator", "S=DURAND"][..], &["--until", "1h"], &["NOBODY"]] {
        assert_eq!(track(&config, arguments).code, Some(1), "{arguments:?}");
    }
    assert_eq!(track(&config, &["--since", "never"]).code, Some(2));

    // Nothing that was written is lost by a kill, and the journal is continued.
    relay.kill();
    assert_eq!(names(&track(&config, &["--json", "--since", "1h"])).len(), all);
    let mut relay = site.start("auto");
    let load = Load { incarnation: 2, ..load };
    start_sender(&site, &load).join();
    relay.wait_until("an empty queue", |counters| counters.transfers_out == COUNT);
    let (ended, status) = relay.terminate();
    assert_eq!((ended.code(), status.counters.events_lost), (Some(0), 0));
    assert_eq!(names(&track(&config, &["--json", "--originator", "S=SMITH"])).len(), 2 * all);
    receiver.stop();
}
