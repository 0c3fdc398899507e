//! What the journal promises: events come back as they were recorded, a torn end costs no more than itself,
//! age and size hold, an index finds what reading everything finds, and nothing blocks or vanishes unnoticed.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::block::{Buffer, records};
use super::recorder::Exchange;
use super::segment::Location;
use super::writer::Writer;
use super::*;
use crate::base::clock::{Instant, Now};
use crate::base::limits::{JOURNAL_BUFFER_COUNT, JOURNAL_BUFFER_SIZE, JOURNAL_EVENT_SIZE_MAX};
use crate::p1::build::encode_mts_identifier;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::or_address::OrAddress;
use crate::p1::scan::{ApduKind, Priority, Responsibility};

fn identifier(number: u64) -> Vec<u8> {
    let mut element = Vec::new();
    let domain = "C=GB;A=X".parse().unwrap();
    encode_mts_identifier(&domain, &format!("local.{number}"), &mut element);
    element
}

fn or_name(text: &str) -> Vec<u8> {
    let mut element = Vec::new();
    text.parse::<OrAddress>().unwrap().encode(&mut element);
    element
}

fn envelope<'a>(originator: &'a [u8], recipient: &'a [u8], content: &'a [u8]) -> Envelope<'a> {
    Envelope {
        kind: ApduKind::Message,
        priority: Priority::Normal,
        size: 2345,
        originator,
        content_identifier: content,
        subject: &[],
        recipients: Recipients::One(recipient),
    }
}

fn config(directory: &Path) -> Config {
    Config {
        directory: directory.to_owned(),
        keep: Duration::from_secs(30 * 86_400),
        size_max: 16 << 20,
    }
}

/// Writes one block of events, all at one time.
fn append(writer: &mut Writer, time: i64, events: &[(Vec<u8>, Event<'_>)]) {
    let mut buffer = Buffer::new();
    buffer.begin(3);
    for (identifier, event) in events {
        let record = Record { time: WallTime(time), identifier, event: *event };
        assert!(buffer.push(&record).is_none());
    }
    writer.append(&mut buffer, WallTime(time)).unwrap();
}

fn found(directory: &Path, query: Query) -> Vec<Found> {
    search(directory, query).unwrap().map(Result::unwrap).collect()
}

fn by_identifier(number: u64) -> Query {
    Query { identifier: Some(format!("local.{number}")), ..Query::default() }
}

#[test]
fn every_event_comes_back_as_it_was() {
    let (smith, durand) = (or_name("C=GB;A=X;S=SMITH"), or_name("C=FR;A=Y;S=DURAND"));
    let subject = identifier(1);
    let connector = "carrier";
    let several = Indices::These(&[0, 2]);
    let events = [
        Event::TransferIn { connector, envelope: envelope(&smith, &durand, b"one") },
        Event::Submission {
            envelope: Envelope {
                kind: ApduKind::Report,
                subject: &subject,
                ..envelope(&[], &smith, b"")
            },
        },
        Event::FurtherRecipients { recipients: Recipients::One(&durand) },
        Event::Decision { verdict: Verdict::Relay, connector, recipients: several },
        Event::Decision {
            verdict: Verdict::NonDelivery(NonDelivery::LOOP_DETECTED),
            connector: "",
            recipients: Indices::All,
        },
        Event::Decision {
            verdict: Verdict::Discard(NonDelivery { reason: 0, diagnostic: None }),
            connector: "",
            recipients: Indices::These(&[]),
        },
        Event::TransferOut { connector, recipients: Indices::All },
        Event::Refusal { by: Refuser::Partner, connector, reason: "for now" },
        Event::Refusal { by: Refuser::Relay, connector, reason: "malformed" },
        Event::Held { connector, recipients: several, reason: "too often" },
        Event::InDoubt { connector },
        Event::Recovered { connector, recipients: several },
        Event::Report {
            subject: &subject,
            recipient: &durand,
            reason: Some(1),
            diagnostic: Some(0),
        },
        Event::Report { subject: &subject, recipient: &durand, reason: None, diagnostic: None },
        Event::Expiry { recipients: Indices::All },
        Event::Redirect { from: &smith, to: &durand },
        Event::Expansion { list: &durand, member_count: 70_000 },
        Event::Delivery { connector, recipient: &durand },
        Event::Lost { count: 1 << 40 },
    ];
    let own = identifier(9);
    for event in events {
        let record = Record { time: WallTime(-1), identifier: &own, event };
        let mut octets = Vec::new();
        assert!(record.put(&mut octets).is_empty());
        octets.extend_from_slice(b"next");
        assert_eq!(Record::read(&octets), Some((record, &b"next"[..])));
        for size in 0..octets.len() - 4 {
            assert_eq!(Record::read(&octets[..size]), None, "{event:?} at {size}");
        }
    }
}

#[test]
fn many_recipients_go_into_several_events_and_a_name_too_long_is_left_empty() {
    let name = or_name("C=GB;A=X;S=SMITH");
    let mut stored = Vec::new();
    let count = 4096u16;
    for index in 0..count {
        stored.push(u8::from(index % 2 == 0));
        stored.extend_from_slice(&(name.len() as u16).to_le_bytes());
        stored.extend_from_slice(&name);
    }
    let recipients = Recipients::Stored(count, &stored);
    let exchange = Arc::new(Exchange::new(1));
    let mut recorder = Recorder::new(Arc::clone(&exchange), 0);
    let long = vec![0; 5000];
    let envelope = Envelope { recipients, originator: &long, ..envelope(&[], &[], b"") };
    recorder.record(Now::default(), &identifier(1), &Event::Submission { envelope });
    drop(recorder);
    let mut seen = Vec::new();
    while let Some(mut buffer) = exchange.full.pop() {
        assert!(buffer.block().len() < JOURNAL_BUFFER_SIZE + JOURNAL_EVENT_SIZE_MAX);
        for record in buffer.records() {
            if let Event::Submission { envelope } = record.event {
                assert!(envelope.originator.is_empty());
            }
            for (own, responsibility) in record.event.recipients().unwrap().iter() {
                assert_eq!(own, name);
                seen.push(responsibility);
            }
        }
    }
    assert_eq!(seen.len(), usize::from(count));
    assert!(seen.iter().step_by(2).all(|it| *it == Responsibility::Responsible));
}

#[test]
fn a_torn_end_is_cut_off_and_what_is_before_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(config(folder.path())).unwrap();
    let event = Event::InDoubt { connector: "carrier" };
    append(&mut writer, 1, &[(identifier(1), event)]);
    let path = Location::all(folder.path()).unwrap()[0].events.clone();
    let whole = std::fs::metadata(&path).unwrap().len();
    append(&mut writer, 2, &[(identifier(2), event)]);
    drop(writer);
    let octets = std::fs::read(&path).unwrap();
    for size in whole..octets.len() as u64 {
        std::fs::write(&path, &octets[..size as usize]).unwrap();
        assert_eq!(found(folder.path(), by_identifier(1)).len(), 1);
        assert!(found(folder.path(), by_identifier(2)).is_empty());
        let mut writer = Writer::open(config(folder.path())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole, "torn at {size}");
        if size % 8 == 0 {
            append(&mut writer, 3, &[(identifier(3), event)]);
            assert_eq!(found(folder.path(), by_identifier(3)).len(), 1);
            assert_eq!(found(folder.path(), Query::default()).len(), 2);
        }
    }
    std::fs::write(&path, b"P1JOURNL\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    let error = Writer::open(config(folder.path())).unwrap_err();
    assert!(matches!(error, Error::Foreign { version: 2, .. }), "{error}");
}

#[test]
fn age_and_size_hold() {
    let folder = tempfile::tempdir().unwrap();
    let size_max = 4 << 20;
    let mut writer = Writer::open(Config { size_max, ..config(folder.path()) }).unwrap();
    let name = or_name("C=GB;A=X;S=SMITH");
    let size = || -> u64 {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let mut written = 0u64;
    for time in 0..200 {
        let events: Vec<_> = (0..300)
            .map(|index| {
                let envelope = envelope(&name, &name, b"content");
                (identifier(time * 300 + index), Event::Submission { envelope })
            })
            .collect();
        append(&mut writer, time as i64, &events);
        written += 300;
        assert!(size() <= size_max, "{} octets", size());
    }
    let kept = found(folder.path(), Query::default()).len() as u64;
    assert!(kept < written && size() > size_max / 2, "{kept} of {written} kept");
    assert!(found(folder.path(), by_identifier(0)).is_empty());
    assert_eq!(found(folder.path(), by_identifier(written - 1)).len(), 1);

    // A day later the segment is sealed, and after thirty more all are gone.
    let day = 86_400_000;
    writer.keep_to_time(WallTime(day + 1_000)).unwrap();
    assert!(Location::all(folder.path()).unwrap().iter().all(|it| it.index.exists()));
    writer.keep_to_time(WallTime(30 * day)).unwrap();
    assert_eq!(found(folder.path(), Query::default()).len() as u64, kept);
    writer.keep_to_time(WallTime(30 * day + 1_000)).unwrap();
    assert!(found(folder.path(), Query::default()).is_empty());
    assert_eq!(size(), 0);
}

#[test]
fn a_damaged_block_of_a_sealed_segment_is_told_and_the_search_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(config(folder.path())).unwrap();
    let event = Event::InDoubt { connector: "carrier" };
    for time in 0..2 {
        append(&mut writer, time, &[(identifier(1), event)]);
        writer.keep_to_time(WallTime((time + 1) * 2 * 86_400_000)).unwrap();
    }
    let path = Location::all(folder.path()).unwrap()[0].events.clone();
    let mut octets = std::fs::read(&path).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    std::fs::write(&path, octets).unwrap();
    for query in [Query::default(), by_identifier(1)] {
        let given: Vec<_> = search(folder.path(), query).unwrap().collect();
        assert_eq!(given.len(), 2, "{given:?}");
        assert!(matches!(given[0], Err(Error::Damaged { offset: 24, .. })), "{given:?}");
        assert_eq!(given[1].as_ref().unwrap().record().event, event);
    }
}

#[test]
fn without_a_buffer_events_are_counted_and_the_count_is_kept() {
    let exchange = Arc::new(Exchange::new(1));
    let mut recorder = Recorder::new(Arc::clone(&exchange), 0);
    let (own, event) = (identifier(1), Event::InDoubt { connector: "carrier" });
    let now = Now { instant: Instant(1), wall: WallTime(5) };
    while exchange.full.len() < JOURNAL_BUFFER_COUNT {
        recorder.record(now, &own, &event);
    }
    recorder.record(now, &own, &event);
    recorder.record(now, &own, &event);
    assert_eq!((recorder.lost_count(), recorder.deadline()), (2, None));
    exchange.empty.push(exchange.full.pop().unwrap()).unwrap();
    recorder.record(now, &own, &event);
    let due = recorder.deadline().unwrap();
    recorder.turn(due - Duration::from_nanos(1));
    assert_eq!(exchange.full.len(), JOURNAL_BUFFER_COUNT - 1);
    recorder.turn(due);
    assert_eq!((recorder.deadline(), recorder.lost_count()), (None, 2));
    while exchange.full.len() > 1 {
        exchange.full.pop();
    }
    let mut last = exchange.full.pop().unwrap();
    let events: Vec<_> =
        records(&last.block()[block::BLOCK_HEADER_SIZE..]).map(|record| record.event).collect();
    assert_eq!(events, [Event::Lost { count: 2 }, event]);
}

static CLOCK: AtomicI64 = AtomicI64::new(1_000);

#[test]
fn what_is_recorded_is_found_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let clock = || WallTime(CLOCK.load(Ordering::Relaxed));
    let journal = Journal::start(config(folder.path()), 2, clock).unwrap();
    let second = Journal::start(config(folder.path()), 2, clock);
    assert!(matches!(second, Err(Error::Taken { .. })));
    let name = or_name("C=GB;A=X;S=SMITH");
    let mut recorders = [journal.recorder(0), journal.recorder(1)];
    let mut before = 0;
    for number in 0..60_000u64 {
        let now = Now { instant: Instant(number), wall: WallTime(number as i64) };
        let envelope = envelope(&name, &name, b"content");
        let event = Event::TransferIn { connector: "carrier", envelope };
        recorders[number as usize % 2].record(now, &identifier(number), &event);
        if number % 10_000 == 9_999 {
            let count = found(folder.path(), Query::default()).len();
            assert!(count >= before, "{count} after {before}");
            before = count;
            // The writer is given time: this thread records faster than any relay.
            while journal.exchange.full.len() > JOURNAL_BUFFER_COUNT / 2 {
                std::thread::yield_now();
            }
        }
    }
    let lost: u64 = recorders.iter().map(Recorder::lost_count).sum();
    drop(recorders);
    assert_eq!(journal.lost_count(), 0);
    drop(journal);
    let transfers_in =
        found(folder.path(), Query { connector: Some("carrier".into()), ..Query::default() });
    assert_eq!(transfers_in.len() as u64 + lost, 60_000);
    assert_eq!(found(folder.path(), by_identifier(59_999)).len(), 1);
    let since =
        Query { since: Some(WallTime(59_990)), until: Some(WallTime(59_994)), ..Query::default() };
    assert_eq!(found(folder.path(), since).len(), 5);
}

const SURNAMES: [&str; 5] = ["SMITH", "Smith", "DURAND", "DE  GAULLE", "de gaulle"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What the index of sealed segments gives is what reading all of them gives.
    #[test]
    fn an_index_finds_what_reading_everything_finds(
        blocks in prop::collection::vec(
            prop::collection::vec((0u64..12, 0usize..5, 0usize..5, 0u8..3, 0u8..6), 1..12), 1..12),
        sealed in any::<bool>(),
        asked in (0u64..12, 0usize..5, 0u8..3, 0u8..3, 0i64..14),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(config(folder.path())).unwrap();
        let names = SURNAMES.map(|name| or_name(&format!("C=GB;A=X;O=Acme;S={name}")));
        let subjects: Vec<_> = (0..12).map(identifier).collect();
        let mut all = Vec::new();
        for (time, block) in blocks.iter().enumerate() {
            let events: Vec<_> = block
                .iter()
                .map(|&(number, originator, recipient, content, kind)| {
                    let content = [&b"one"[..], b"Two", b""][usize::from(content)];
                    let envelope = envelope(&names[originator], &names[recipient], content);
                    let connector = ["carrier", "site"][originator % 2];
                    let event = match kind {
                        0 => Event::TransferIn { connector, envelope },
                        1 => Event::TransferOut { connector, recipients: Indices::All },
                        2 => Event::Redirect { from: &names[originator], to: &names[recipient] },
                        3 => Event::Report {
                            subject: &subjects[recipient],
                            recipient: &names[originator],
                            reason: None,
                            diagnostic: None,
                        },
                        4 => Event::Delivery { connector, recipient: &names[recipient] },
                        _ => Event::Decision { verdict: Verdict::Relay, connector, recipients: Indices::All },
                    };
                    (identifier(number), event)
                })
                .collect();
            append(&mut writer, time as i64, &events);
            all.extend(events.into_iter().map(|(own, event)| (time as i64, own, event)));
        }
        if sealed {
            writer.keep_to_time(WallTime(10 * 86_400_000)).unwrap();
            prop_assert!(Location::all(folder.path()).unwrap()[0].index.exists());
        }
        let (number, surname, content, connector, time) = asked;
        let address: OrAddress = format!("S={}", SURNAMES[surname]).parse().unwrap();
        let queries = [
            by_identifier(number),
            Query { identifier: Some(format!("c=gb;A=X/local.{number}")), ..Query::default() },
            Query { originator: Some(address.clone()), ..Query::default() },
            Query { recipient: Some(address.clone()), ..Query::default() },
            Query { recipient: Some("O=ACME".parse().unwrap()), ..Query::default() },
            Query { content_identifier: Some(["ONE", "two", "none"][usize::from(content)].into()), ..Query::default() },
            Query { connector: Some(["carrier", "site", "none"][usize::from(connector)].into()), ..Query::default() },
            Query { since: Some(WallTime(time)), recipient: Some(address), ..Query::default() },
            Query { since: Some(WallTime(time)), until: Some(WallTime(time + 3)), ..Query::default() },
        ];
        for query in queries {
            let expected: Vec<_> = all
                .iter()
                .map(|(time, own, event)| Record { time: WallTime(*time), identifier: own, event: *event })
                .filter(|record| query.matches(record))
                .collect();
            let given = found(folder.path(), query.clone());
            let given: Vec<_> = given.iter().map(Found::record).collect();
            prop_assert_eq!(given, expected, "{:?}", query);
        }
    }

    /// No octets make reading panic.
    #[test]
    fn reading_is_total(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        for record in records(&octets) {
            let _ = format!("{record:?}");
            key::keys(&record, |_| ());
        }
    }
}
