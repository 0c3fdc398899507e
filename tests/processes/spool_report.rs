//! Reports on what is submitted and delivered as files: each comes once, whatever becomes of the relay, and
//! the journal tells of the deliveries.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use p1relay::p1::build::{ProbeBuilder, RecipientFields};
use p1relay::p1::schema::{MtsApdu, Report, ReportType};
use serde_json::{Value, json};
use support::apdu::{self, ORIGINATOR};
use support::mta::{Mta, MtaConfig};
use support::port::Port;

use crate::spool::{envelope, names, read_json, submit, wait_for};
use crate::support::{Relay, Setting, Site, finish, program};

const ARCHIVE: &str = "C=DE;A=ARCHIVE;S=CLERK";
const SECOND: &str = "C=DE;A=ARCHIVE;S=SECOND";

/// A relay with two delivery points: `gateway`, which submits, and `archive`, which takes content type 22.
/// Both stand at different shards.
struct Archive {
    site: Site,
    config: PathBuf,
}

impl Archive {
    fn new(tables: &str) -> Archive {
        let site = Site::new();
        let config = site.configure(&Setting {
            shards: 2,
            mta_lines: "segment_size_mib = 4",
            associations: 1,
        });
        let mut text = fs::read_to_string(&config).unwrap();
        text += "[[connector]]\nname = \"gateway\"\nkind = \"spool\"\ndirectory = \"out\"\n\
                 submit_directory = \"in\"\n\
                 address_space = [{ pattern = \"C=FR;A=OTHER;P=DEST\" }]\n\
                 [[connector]]\nname = \"archive\"\nkind = \"spool\"\ndirectory = \"archive\"\n\
                 content_types = [22]\naddress_space = [{ pattern = \"C=DE;A=ARCHIVE\" }]\n";
        text += tables;
        fs::write(&config, text).unwrap();
        Archive { site, config }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.site.folder.path().join(name)
    }

    /// Submits; gives the local identifier that the acceptance tells.
    fn submit(&self, name: &str, envelope: &Value) -> String {
        submit(&self.folder("in"), name, envelope, b"content");
        self.accepted(name)
    }

    fn accepted(&self, name: &str) -> String {
        let acceptance = self.folder("in").join("accepted").join(format!("{name}.json"));
        wait_for("an acceptance", || acceptance.exists());
        read_json(acceptance)["mts_identifier"]["local"].as_str().unwrap().to_owned()
    }

    /// The reports that `gateway` was handed, when there are so many.
    fn reports(&self, count: usize) -> Vec<Value> {
        let out = self.folder("out");
        wait_for("reports", || names(&out, ".json").len() >= count);
        let reports: Vec<Value> =
            names(&out, ".json").iter().map(|name| read_json(out.join(name))).collect();
        assert!(reports.iter().all(|report| report["kind"] == "report"), "{reports:#?}");
        reports
    }
}

fn to(recipients: &[(&str, &str)]) -> Value {
    let recipients = recipients.iter().map(
        |(address, request)| json!({ "address": address, "originator_report_request": request }),
    );
    let mut envelope = envelope();
    envelope["recipients"] = recipients.collect();
    envelope
}

#[test]
fn what_cannot_be_delivered_comes_back_as_a_report_file() {
    let archive = Archive::new("");
    let mut relay = archive.site.start("auto");
    let mut unsuitable = to(&[(ARCHIVE, "non-delivery-report")]);
    unsuitable["content_type"] = json!(2);
    let mut expected = BTreeSet::new();
    for (name, envelope, diagnostic) in [
        ("nowhere", to(&[("C=IT;A=NOWHERE;S=ROSSI", "non-delivery-report")]), 0),
        ("unsuitable", unsuitable, 15),
    ] {
        expected.insert((archive.submit(name, &envelope), diagnostic));
    }
    let mut told = BTreeSet::new();
    for report in archive.reports(2) {
        assert_eq!(report["destination"]["address"], "C=FR;A=OTHER;P=DEST;S=GATEWAY");
        assert_eq!(report["subject_identifier"]["domain"], "C=GB;A=CARRIER");
        assert_eq!(report["content_identifier"], "order");
        let recipient = &report["recipients"][0];
        assert_eq!(recipient["not_delivered"]["reason"], 1, "{report:#}");
        let local = report["subject_identifier"]["local"].as_str().unwrap().to_owned();
        told.insert((local, recipient["not_delivered"]["diagnostic"].as_i64().unwrap()));
    }
    assert_eq!(told, expected);
    relay.wait_until("nothing left", |counters| counters.queued == 0 && counters.deriving == 0);
    assert_eq!(names(&archive.folder("archive"), ""), BTreeSet::new());
    let (ended, status) = relay.terminate();
    assert!(ended.success());
    assert_eq!(status.counters.transfers_out, 2, "the reports");
}

#[test]
fn a_delivery_is_reported_to_who_asked_and_told_to_the_journal() {
    let archive = Archive::new("");
    let mut relay = archive.site.start("auto");
    let local = archive.submit("asked", &to(&[(ARCHIVE, "report"), (SECOND, "no-report")]));
    let silent = archive.submit("silent", &to(&[(ARCHIVE, "non-delivery-report")]));
    relay.wait_until("deliveries and a report", |counters| counters.transfers_out == 3);
    let reports = archive.reports(1);
    let [report] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!(report["subject_identifier"]["local"], local.as_str());
    let recipients = report["recipients"].as_array().unwrap();
    let [recipient] = &recipients[..] else { panic!("{recipients:#?}") };
    assert_eq!((&recipient["address"], &recipient["number"]), (&json!(ARCHIVE), &json!(1)));
    // Of a domain without a private one: public.
    assert_eq!(recipient["delivered"]["type_of_mts_user"], 0, "{report:#}");
    assert!(recipient["delivered"]["message_delivery_time"].is_string());
    assert_eq!(names(&archive.folder("archive"), ".json").len(), 2);
    let (ended, status) = relay.terminate();
    assert!(ended.success());
    assert_eq!(status.counters.reports_delivery, 1);
    assert_eq!((status.counters.deriving, status.counters.held_unreadable), (0, 0));

    let track = |identifier: &str| {
        let mut command = program();
        command.arg("track").arg("--config").arg(&archive.config).arg(identifier);
        finish(command).output
    };
    let of_asked = track(&local);
    let own = format!("C=GB;A=CARRIER/{local}  ");
    let events: Vec<&str> =
        of_asked.lines().filter_map(|line| Some(line.split_once(&own)?.1)).collect();
    assert!(events[0].starts_with("submission: message, normal, "), "{of_asked}");
    assert_eq!(events[1], "decision: to \"archive\"", "{of_asked}");
    let delivered = [ARCHIVE, SECOND].map(|to| format!("delivered at \"archive\" to {to}"));
    assert_eq!(events[2..4], delivered, "{of_asked}");
    let now: Vec<&str> = of_asked.lines().filter(|line| line.starts_with("now: ")).collect();
    assert!(
        now.iter().any(|now| now.starts_with("now: delivered at \"archive\" since ")),
        "{of_asked}"
    );
    assert!(!of_asked.contains("waits to be transferred"), "{of_asked}");
    let reports: Vec<&str> = of_asked.lines().filter(|it| it.contains("  report about ")).collect();
    let [report] = &reports[..] else { panic!("{of_asked}") };
    assert!(report.ends_with(&format!("{local}: {ARCHIVE} delivered")), "{of_asked}");
    assert!(track(&silent).contains("now: delivered at \"archive\" since "));
}

/// A partner's probe never reaches a directory.
#[test]
fn a_probe_to_a_delivery_point_is_answered_as_it_would_deliver() {
    let port = Port::reserve();
    let archive = Archive::new(&format!(
        "[[connector]]\nname = \"prober\"\nremote_mta_name = \"PROBER\"\n\
         remote_password = \"prober-secret\"\naddress = [\"{}\"]\nopen_retry_delay_s = 0.05\n\
         address_space = [{{ pattern = \"C=GB;A=CARRIER;P=ACME\" }}]\n",
        port.address
    ));
    let relay = archive.site.start("auto");
    let mut recipient = RecipientFields::from(apdu::address(ARCHIVE));
    // Responsible; both requests ask for a report.
    recipient.indicators = 0xd0;
    let probe = ProbeBuilder {
        domain: apdu::domain(),
        local_identifier: "probe",
        originator: apdu::address(ORIGINATOR),
        content_type: 22,
        content_identifier: None,
        content_length: Some(1000),
        per_message_indicators: 0,
        trace: &apdu::first_trace(),
        extensions: &[],
        recipients: vec![recipient],
    }
    .build();
    let prober = Mta::start(MtaConfig {
        name: "PROBER",
        password: "prober-secret",
        call: Some(archive.site.port.address),
        listen: Some(port.address),
        apdus: vec![probe],
        ..MtaConfig::default()
    });
    let report: Report = match rasn::ber::decode(&prober.wait_for(1)[0]).unwrap() {
        MtsApdu::Report(report) => report,
        other => panic!("no report: {other:?}"),
    };
    assert_eq!(report.content.subject_identifier.local_identifier.to_string(), "probe");
    let fields = &report.content.per_recipient_fields[..];
    assert!(
        matches!(fields[0].last_trace_information.report_type, ReportType::Delivery(_)),
        "{fields:?}"
    );
    assert_eq!(names(&archive.folder("archive"), ""), BTreeSet::new());
    drop(prober);
    assert!(relay.terminate().0.success());
}

/// Submits so many, ends the relay in the middle again and again, and takes what is delivered away each time,
/// as an application does. Gives how many were delivered, and how many of them again after they were taken.
fn ended_in_the_middle(count: usize, end: impl Fn(Relay)) -> (usize, usize) {
    let archive = Archive::new("");
    let asked = to(&[(ARCHIVE, "report")]);
    let (from, taken) = (archive.folder("archive"), archive.folder("taken"));
    fs::create_dir_all(&taken).unwrap();
    let mut repeated = 0;
    let mut take = || {
        for name in names(&from, ".json") {
            repeated += usize::from(taken.join(&name).exists());
            fs::rename(from.join(&name), taken.join(&name)).unwrap();
        }
        names(&taken, ".json").len()
    };
    let mut relay = archive.site.start("auto");
    for number in 1..=count {
        submit(&archive.folder("in"), &format!("order-{number}"), &asked, b"content");
        if number % 60 == 0 {
            wait_for("deliveries", || take() > number / 2);
            end(relay);
            relay = archive.site.start("auto");
        }
    }
    let mut expected: Vec<String> =
        (1..=count).map(|number| archive.accepted(&format!("order-{number}"))).collect();
    let out = archive.folder("out");
    wait_for("a report on each", || {
        let delivered = take();
        delivered >= count && names(&out, ".json").len() >= delivered
    });
    relay.wait_until("nothing left", |counters| counters.queued == 0 && counters.deriving == 0);
    assert!(relay.terminate().0.success());
    let delivered = take();
    let reports = archive.reports(delivered);
    assert_eq!(reports.len(), delivered, "each is reported once");
    let mut told: Vec<&str> =
        reports.iter().map(|it| it["subject_identifier"]["local"].as_str().unwrap()).collect();
    told.sort_unstable();
    told.dedup();
    expected.sort_unstable();
    assert_eq!(told, expected);
    (delivered, repeated)
}

#[test]
fn stopped_in_the_middle_it_reports_each_delivery_and_repeats_none() {
    let end = |relay: Relay| assert!(relay.terminate().0.success());
    assert_eq!(ended_in_the_middle(240, end), (240, 0));
}

/// What is submitted or delivered when it is killed may be so again.
#[test]
fn killed_in_the_middle_it_reports_each_delivery_once() {
    ended_in_the_middle(240, Relay::kill);
}
