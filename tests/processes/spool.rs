//! Local delivery points of a relay process: what partners send appears in a directory, what applications
//! write into another leaves to partners, and neither a kill nor a directory out of order loses any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use p1relay::ber::{Tag, write};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Load, PATIENCE, Setting, Site, read_manifest, start_receiver, start_sender};

const SETTING: Setting = Setting { shards: 2, mta_lines: "segment_size_mib = 4", associations: 4 };

fn load(count: u64, text_size: usize) -> Load {
    Load { sender: 0, count, text_size, associations: 4, incarnation: 1 }
}

/// Configures a relay that delivers `C=FR;A=OTHER;P=DEST` locally, beside its partners.
fn configure(site: &Site) {
    let path = site.configure(&SETTING);
    let mut text = fs::read_to_string(&path).unwrap();
    text += "[[connector]]\nname = \"gateway\"\nkind = \"spool\"\ndirectory = \"out\"\n\
             submit_directory = \"in\"\ntransfer_retry_delay_s = 0.1\ntransfer_retry_delay_s_max = 0.2\n\
             address_space = [{ pattern = \"C=FR;A=OTHER;P=DEST\" }]\n";
    fs::write(path, text).unwrap();
}

pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The names in a directory that end so; none when it is not there.
pub(crate) fn names(directory: &Path, ending: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending) && !name.starts_with('.')).collect()
}

pub(crate) fn read_json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn digest(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The digest that a manifest has for a message of this content: that of the whole element.
fn listed(content: &[u8]) -> String {
    let mut element = Vec::new();
    write::primitive(&mut element, Tag::OCTET_STRING, content);
    digest(&element)
}

/// What was handed out: for each local identifier, the contents' digests as a manifest has them. The files are checked against
/// their envelopes.
fn handed_out(out: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names(out, ".json") {
        let envelope = read_json(out.join(&name));
        assert_eq!((&envelope["version"], &envelope["kind"]), (&json!(1), &json!("message")));
        let content = fs::read(out.join(envelope["content"]["file"].as_str().unwrap())).unwrap();
        let digest = digest(&content);
        assert_eq!(envelope["content"]["sha256"], digest.as_str(), "{name}");
        assert_eq!(envelope["content"]["size"], content.len(), "{name}");
        let local = envelope["mts_identifier"]["local"].as_str().unwrap().to_owned();
        all.entry(local).or_default().push(listed(&content));
    }
    all
}

/// Submits a message as an application does: content first, then the envelope by a rename.
pub(crate) fn submit(inbox: &Path, name: &str, envelope: &Value, content: &[u8]) {
    fs::create_dir_all(inbox).unwrap();
    fs::write(inbox.join(format!("{name}.content")), content).unwrap();
    fs::write(inbox.join(".being-written"), envelope.to_string()).unwrap();
    fs::rename(inbox.join(".being-written"), inbox.join(format!("{name}.json"))).unwrap();
}

pub(crate) fn envelope() -> Value {
    json!({
        "version": 1, "kind": "message", "originator": "C=FR;A=OTHER;P=DEST;S=GATEWAY",
        "content_identifier": "order",
        "recipients": [{ "address": "C=FR;A=ELSEWHERE;S=MARTIN" }],
    })
}

#[test]
fn what_a_partner_sends_appears_in_the_directory_unaltered() {
    let site = Site::new();
    configure(&site);
    let mut relay = site.start("auto");
    // Of one chunk, and of several.
    let mut expected = BTreeMap::new();
    for (incarnation, count, text_size) in [(1, 100, 2048), (2, 3, 700_000)] {
        let sender = start_sender(&site, &Load { incarnation, ..load(count, text_size) });
        sender.join().finish_manifest().unwrap();
        let sent = read_manifest(&site.sent(incarnation, 0));
        expected.extend(sent.into_iter().map(|(identifier, digest)| (identifier, vec![digest])));
    }
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    let out = site.folder.path().join("out");
    assert_eq!(handed_out(&out), expected);
    let first = read_json(out.join(names(&out, ".json").first().unwrap()));
    assert_eq!(first["originator"]["address"], "C=GB;A=CARRIER;P=ACME;S=SMITH");
    assert_eq!(first["recipients"][0]["address"], "C=FR;A=OTHER;P=DEST;S=DURAND");
    assert_eq!(first["recipients"][0]["deliver"], true);
    assert_eq!(first["content_type"], 22);
    let domains = [&first["trace"][0]["domain"], &first["trace"][1]["domain"]];
    assert_eq!(domains, ["C=GB;A=CARRIER;P=ACME", "C=GB;A=CARRIER"]);
    let (ended, status) = relay.terminate();
    assert!(ended.success());
    assert_eq!((status.counters.transfers_out, status.counters.in_doubt_lost), (103, 0));
}

#[test]
fn a_directory_out_of_order_is_tried_again_and_slows_nobody_else() {
    let site = Site::new();
    configure(&site);
    let out = site.folder.path().join("out");
    fs::write(&out, "a file where the directory should be").unwrap();
    let mut relay = site.start("auto");
    let sender = start_sender(&site, &load(50, 2048));
    sender.join().finish_manifest().unwrap();
    relay.wait_until("what waits", |counters| counters.transfers_in == 50);
    let gateway = |relay: &mut crate::support::Relay| relay.status().connectors[3].clone();
    wait_for("the failure to be seen", || gateway(&mut relay).state == "retrying");
    assert_eq!(relay.status().counters.queued, 50);
    fs::remove_file(&out).unwrap();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    assert_eq!(gateway(&mut relay).state, "open");
    assert_eq!(handed_out(&out).len(), 50);
    assert!(relay.terminate().0.success());
}

#[test]
fn killed_in_the_middle_of_deliveries_it_loses_none_and_replaces_what_it_repeats() {
    let site = Site::new();
    configure(&site);
    let out = site.folder.path().join("out");
    let mut relay = site.start("auto");
    let count = 1500;
    let sender = start_sender(&site, &load(count, 2048));
    for share in 1..=4 {
        wait_for("deliveries", || names(&out, ".json").len() as u64 >= share * count / 6);
        relay.kill();
        relay = site.start("auto");
    }
    let mut sender = sender.join();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    sender.finish_manifest().unwrap();
    let sent: BTreeMap<String, String> = read_manifest(&site.sent(1, 0)).into_iter().collect();
    let all = handed_out(&out);
    assert_eq!(all.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>());
    for (identifier, digests) in &all {
        assert!(digests.iter().all(|digest| *digest == sent[identifier]), "{identifier}");
    }
    // What the sender sent twice is two messages to us; what was delivered twice is one.
    let more = all.values().map(Vec::len).sum::<usize>() - all.len();
    assert!(more <= sender.in_doubt.len(), "{more} beside {} in doubt", sender.in_doubt.len());
    assert!(relay.terminate().0.success());
}

#[test]
fn what_is_submitted_leaves_to_a_partner_under_the_identifier_that_was_told() {
    let site = Site::new();
    configure(&site);
    let inbox = site.folder.path().join("in");
    let receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    let contents = [b"small".to_vec(), vec![7; 300_000], Vec::new()];
    for (number, content) in contents.iter().enumerate() {
        submit(&inbox, &format!("order-{number}"), &envelope(), content);
    }
    let accepted = inbox.join("accepted");
    wait_for("acceptances", || names(&accepted, ".json").len() == 3);
    relay.wait_until("an empty queue", |counters| counters.transfers_out == 3);
    assert!(relay.terminate().0.success());
    receiver.stop().finish_manifest().unwrap();
    let received: BTreeMap<String, String> =
        read_manifest(&site.folder.path().join("received")).into_iter().collect();
    for (number, content) in contents.iter().enumerate() {
        let acceptance = read_json(accepted.join(format!("order-{number}.json")));
        assert_eq!(acceptance["mts_identifier"]["domain"], "C=GB;A=CARRIER");
        let local = acceptance["mts_identifier"]["local"].as_str().unwrap();
        assert_eq!(received.get(local), Some(&listed(content)), "{received:?}");
    }
    assert_eq!(received.len(), 3);
    assert!(names(&inbox.join("work"), "").is_empty() && names(&inbox, ".json").is_empty());
}

#[test]
fn what_is_submitted_to_a_delivery_point_of_the_same_relay_arrives_there() {
    let site = Site::new();
    configure(&site);
    let mut relay = site.start("auto");
    let mut local = envelope();
    local["recipients"][0]["address"] = json!("C=FR;A=OTHER;P=DEST;S=LOCAL");
    local["disclosure_of_other_recipients"] = json!(true);
    submit(&site.folder.path().join("in"), "to-ourselves", &local, b"content");
    relay.wait_until("a delivery", |counters| counters.transfers_out == 1);
    let out = site.folder.path().join("out");
    let delivered = read_json(out.join(names(&out, ".json").first().unwrap()));
    assert_eq!(delivered["content_identifier"], "order");
    assert_eq!(delivered["disclosure_of_other_recipients"], true);
    assert_eq!(delivered["trace"].as_array().unwrap().len(), 1);
    assert_eq!(handed_out(&out).into_values().next(), Some(vec![listed(b"content")]));
    assert!(relay.terminate().0.success());
}

#[test]
fn what_is_wrong_with_a_submission_is_said_beside_it() {
    let site = Site::new();
    configure(&site);
    let inbox = site.folder.path().join("in");
    let relay = site.start("auto");
    let mut wrong = envelope();
    wrong["recipients"][0]["address"] = json!("C=FR;A=ELSEWHERE;SURNAME=MARTIN");
    submit(&inbox, "wrong", &wrong, b"content");
    fs::write(inbox.join("broken.json"), "{\n  \"version\": 1,\n  oops\n}").unwrap();
    let rejected = inbox.join("rejected");
    wait_for("rejections", || names(&rejected, ".error.json").len() == 2);
    wait_for("the end of the work", || names(&inbox.join("work"), "").is_empty());
    let error = read_json(rejected.join("wrong.error.json"));
    assert_eq!(error["field"], "recipients[0].address");
    assert!(error["remedy"].as_str().unwrap().contains("C=GB"), "{error}");
    assert_eq!(read_json(rejected.join("broken.error.json"))["line"], 3);
    assert_eq!(fs::read(rejected.join("wrong.content")).unwrap(), b"content");
    assert!(relay.terminate().0.success());
}

#[test]
fn killed_in_the_middle_of_submissions_it_loses_none_and_keeps_their_identifiers() {
    let site = Site::new();
    configure(&site);
    let inbox = site.folder.path().join("in");
    let accepted = inbox.join("accepted");
    let receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    let count = 300;
    let content = |number: usize| format!("content {number}").into_bytes();
    for number in 0..count {
        submit(&inbox, &format!("order-{number}"), &envelope(), &content(number));
        if number % 75 == 74 {
            relay.kill();
            relay = site.start("auto");
        }
    }
    wait_for("acceptances", || names(&accepted, ".json").len() == count);
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    assert!(relay.terminate().0.success());
    receiver.stop().finish_manifest().unwrap();
    let received = read_manifest(&site.folder.path().join("received"));
    let known: BTreeMap<String, String> = received.into_iter().collect();
    assert_eq!(known.len(), count, "each has one identifier, however often it was submitted");
    for number in 0..count {
        let acceptance = read_json(accepted.join(format!("order-{number}.json")));
        let local = acceptance["mts_identifier"]["local"].as_str().unwrap();
        assert_eq!(known.get(local), Some(&listed(&content(number))), "{number}");
    }
}
