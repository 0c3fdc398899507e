//! What tracking costs: the events of relayed messages, recorded as a shard does, and written.

use p1relay::base::clock::{Instant, Now, WallTime};
use p1relay::journal::bench::ByHand;
use p1relay::journal::{Envelope, Event, Indices, Recipients, Verdict};
use p1relay::p1::scan::{Scan, scan};

use super::message::message_named;

const NOW: Now = Now { instant: Instant(1_000_000), wall: WallTime(1_800_000_000_000) };
const MESSAGE_COUNT: usize = 100;
const EVENT_COUNT: u32 = 3 * MESSAGE_COUNT as u32;

/// A journal, and messages of two recipients to one connector.
pub(crate) struct Tracking {
    journal: ByHand,
    messages: Vec<(Vec<u8>, Scan)>,
    _directory: tempfile::TempDir,
}

impl Tracking {
    /// One that has recorded and written the messages once.
    pub(crate) fn new() -> Tracking {
        let directory = tempfile::tempdir().expect("a directory");
        let scanned = |number: usize| {
            let apdu = message_named(&format!("0000001a-00-{number:010}"));
            let mut found = Scan::new();
            scan(&apdu, &mut found).expect("a valid message");
            (apdu, found)
        };
        let mut tracking = Tracking {
            journal: ByHand::open(directory.path()).expect("a journal"),
            messages: (0..MESSAGE_COUNT).map(scanned).collect(),
            _directory: directory,
        };
        tracking.record();
        assert_eq!(tracking.write(), EVENT_COUNT);
        tracking
    }

    /// What a shard does about all messages: each comes in and is decided on; later each is transferred.
    pub(crate) fn record(&mut self) {
        let Tracking { journal, messages, .. } = self;
        for (apdu, scan) in messages.iter() {
            let identifier = scan.mts_identifier.element.octets(apdu);
            let events = [
                Event::TransferIn {
                    connector: "source",
                    envelope: Envelope {
                        kind: scan.kind,
                        priority: scan.priority,
                        size: apdu.len() as u32,
                        originator: scan.originator.octets(apdu),
                        content_identifier: scan
                            .content_identifier
                            .map_or(&[], |it| it.octets(apdu)),
                        subject: &[],
                        recipients: Recipients::Scanned { apdu, recipients: &scan.recipients },
                    },
                },
                Event::Decision {
                    verdict: Verdict::Relay,
                    connector: "sink",
                    recipients: Indices::of(None),
                },
            ];
            events.iter().for_each(|event| journal.recorder.record(NOW, identifier, event));
        }
        for (apdu, scan) in messages.iter() {
            let identifier = scan.mts_identifier.element.octets(apdu);
            let event = Event::TransferOut { connector: "sink", recipients: Indices::of(None) };
            journal.recorder.record(NOW, identifier, &event);
        }
        journal.hand_over(NOW);
    }

    /// What the writer's thread does about them; gives how many events.
    pub(crate) fn write(&mut self) -> u32 {
        self.journal.write(NOW.wall).expect("a disk with room")
    }
}
