//! What happens to each message, told to the journal where it happens.
//!
//! [`Tracker::record`] copies one event, whatever it is, into the shard's buffer; everything else here gathers
//! what an event says from where the shard has it. Without a journal nothing is gathered.

use super::Shard;
use super::connection::{Connection, Sending};
use super::intake::IntakeError;
use super::queue::{Attempt, Queued};
use super::settings::Snapshot;
use crate::base::clock::{Instant, Now};
use crate::io::Engine;
use crate::journal::{Envelope, Event, Indices, Recipients, Recorder, Refuser, Verdict};
use crate::mta::decide::{Hop, Target};
use crate::mta::derive::{self, Acting, Derivation, is_delivery_reported};
use crate::osi::rtse::TransferRefusal;
use crate::p1::build::encode_mts_identifier;
use crate::p1::identifier::report_subject;
use crate::p1::scan::{ApduKind, Priority, Recipient, Scan, scan_prefix};
use crate::routing::ConnectorIndex;
use crate::spool::port::Particulars;

/// Some recipients of an APDU, by index.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Its envelope at least.
    pub(super) apdu: &'a [u8],
    /// What was found in it.
    pub(super) scan: &'a Scan,
    /// Which recipients.
    pub(super) recipients: &'a [u16],
}

impl<'a> Subject<'a> {
    fn identifier(&self) -> &'a [u8] {
        self.scan.mts_identifier.element.octets(self.apdu)
    }

    fn each(&self) -> impl Iterator<Item = &'a Recipient> {
        let Subject { scan, recipients, .. } = *self;
        recipients.iter().filter_map(|index| scan.recipients.get(usize::from(*index)))
    }

    /// The recipients' O/R names.
    fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        let apdu = self.apdu;
        self.each().map(|recipient| recipient.or_name.octets(apdu))
    }
}

/// A shard's way to the journal, if there is one.
pub(crate) struct Tracker(Option<Recorder>);

impl Tracker {
    pub(super) fn new(recorder: Option<Recorder>) -> Tracker {
        Tracker(recorder)
    }

    /// Records an event of the message with this MTS-identifier element.
    #[inline]
    pub(super) fn record(&mut self, now: Now, identifier: &[u8], event: &Event<'_>) {
        if let Some(recorder) = &mut self.0 {
            recorder.record(now, identifier, event);
        }
    }

    /// The end of a turn of the shard's loop.
    #[inline]
    pub(super) fn turn(&mut self, now: Instant) {
        if let Some(recorder) = &mut self.0 {
            recorder.turn(now);
        }
    }

    /// When the next turn is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().and_then(Recorder::deadline)
    }

    /// Events that found no buffer.
    pub(super) fn lost_count(&self) -> u64 {
        self.0.as_ref().map_or(0, Recorder::lost_count)
    }

    /// An APDU has come in by this connector, or was submitted by it, of which `apdu` holds the envelope at
    /// least; and it was decided where it goes, by this configuration.
    pub(super) fn taken_in(
        &mut self,
        now: Now,
        (connector, is_submitted): (&str, bool),
        apdu: &[u8],
        scan: &Scan,
        apdu_size: usize,
        (targets, snapshot): (&[Target], &Snapshot),
    ) {
        if self.0.is_none() {
            return;
        }
        let identifier = scan.mts_identifier.element.octets(apdu);
        let envelope = envelope(apdu, scan, apdu_size);
        let event = match is_submitted {
            true => Event::Submission { envelope },
            false => Event::TransferIn { connector, envelope },
        };
        self.record(now, identifier, &event);
        self.decided(now, identifier, targets, snapshot);
    }

    /// It was decided where an APDU goes.
    pub(super) fn decided(
        &mut self,
        now: Now,
        identifier: &[u8],
        targets: &[Target],
        snapshot: &Snapshot,
    ) {
        for target in targets {
            let (verdict, connector) = match target.hop {
                Hop::Connector(connector) => {
                    (Verdict::Relay, snapshot.connector(connector).name.as_str())
                }
                Hop::Derive(derivation) => (verdict(derivation), ""),
            };
            let list = (targets.len() > 1).then_some(&target.recipients[..]);
            let recipients = Indices::of(list);
            self.record(now, identifier, &Event::Decision { verdict, connector, recipients });
        }
    }

    /// Some recipients' time has run out.
    pub(super) fn expired(&mut self, now: Now, subject: Subject<'_>) {
        let recipients = Indices::These(subject.recipients);
        self.record(now, subject.identifier(), &Event::Expiry { recipients });
    }

    /// What takes the place of some recipients was derived by `acting`; `derived` holds its envelope at least.
    pub(super) fn derived(
        &mut self,
        now: Now,
        subject: Subject<'_>,
        derivation: Derivation,
        acting: &Acting<'_>,
        derived: &[u8],
    ) {
        if self.0.is_none() {
            return;
        }
        match derivation {
            Derivation::Report(verdict) => {
                let mut identifier = Vec::new();
                encode_mts_identifier(acting.domain, acting.local_identifier, &mut identifier);
                let (reason, diagnostic) = match verdict {
                    derive::Verdict::Delivery { .. } => (None, None),
                    derive::Verdict::NonDelivery(why) => {
                        (Some(why.reason as u16), why.diagnostic.map(|code| code as u16))
                    }
                };
                // A delivery report is on those alone of whom one is wanted.
                let told =
                    |recipient: &&Recipient| reason.is_some() || is_delivery_reported(recipient);
                for recipient in subject.each().filter(told) {
                    let recipient = recipient.or_name.octets(subject.apdu);
                    let subject = subject.identifier();
                    let event = Event::Report { subject, recipient, reason, diagnostic };
                    self.record(now, &identifier, &event);
                }
            }
            Derivation::AlternateRecipient | Derivation::Redirection(_) => {
                let mut found = Scan::new();
                // What was derived here scans; if not, it will not be appended either.
                let _ = scan_prefix(derived, &mut found);
                for (index, from) in subject.recipients.iter().zip(subject.names()) {
                    let to = found.recipients.get(usize::from(*index));
                    let to = to.map_or(&[][..], |recipient| recipient.or_name.octets(derived));
                    self.record(now, subject.identifier(), &Event::Redirect { from, to });
                }
            }
            Derivation::Expansion(_) if subject.scan.kind != ApduKind::Report => {
                let mut found = Scan::new();
                let _ = scan_prefix(derived, &mut found);
                let member_count = found.recipients.len() as u32;
                for list in subject.names() {
                    let event = Event::Expansion { list, member_count };
                    self.record(now, subject.identifier(), &event);
                }
            }
            Derivation::Expansion(_)
            | Derivation::OwnerReport(_)
            | Derivation::Copy
            | Derivation::Discard(_) => {}
        }
    }

    /// A message was found in the store at start, for the connector with this name.
    pub(super) fn recovered(
        &mut self,
        now: Now,
        identifier: &[u8],
        connector: Option<&str>,
        queued: &Queued,
    ) {
        let connector = connector.unwrap_or("");
        let recipients = recipients_of(queued);
        self.record(now, identifier, &Event::Recovered { connector, recipients });
        if queued.attempt == Attempt::Marked {
            self.record(now, identifier, &Event::InDoubt { connector });
        }
    }
}

fn envelope<'a>(apdu: &'a [u8], scan: &'a Scan, apdu_size: usize) -> Envelope<'a> {
    let is_report = scan.kind == ApduKind::Report;
    let content = scan.content.filter(|_| is_report);
    Envelope {
        kind: scan.kind,
        priority: if is_report { Priority::Urgent } else { scan.priority },
        size: apdu_size as u32,
        originator: scan.originator.octets(apdu),
        content_identifier: scan.content_identifier.map_or(&[], |it| it.octets(apdu)),
        subject: content.and_then(|it| report_subject(it.octets(apdu))).unwrap_or(&[]),
        recipients: match is_report {
            true => Recipients::One(scan.report_destination_name.octets(apdu)),
            false => Recipients::Scanned { apdu, recipients: &scan.recipients },
        },
    }
}

fn verdict(derivation: Derivation) -> Verdict {
    match derivation {
        Derivation::Report(derive::Verdict::NonDelivery(why)) => Verdict::NonDelivery(why),
        Derivation::Report(derive::Verdict::Delivery { .. }) => Verdict::Delivery,
        Derivation::AlternateRecipient | Derivation::Redirection(_) => Verdict::Redirect,
        Derivation::Expansion(_) | Derivation::OwnerReport(_) => Verdict::Expand,
        Derivation::Copy => Verdict::Restate,
        Derivation::Discard(why) => Verdict::Discard(why),
    }
}

fn recipients_of(queued: &Queued) -> Indices<'_> {
    Indices::of(queued.recipients.as_ref().map(|list| &list[..]))
}

impl<E: Engine> Shard<E> {
    /// The partner has confirmed a transfer.
    pub(super) fn track_transfer_out(&mut self, connector: ConnectorIndex, sending: &Sending) {
        let connector = &self.snapshot.connector(connector).name;
        let event = Event::TransferOut { connector, recipients: recipients_of(&sending.queued) };
        self.tracker.record(self.now, &sending.identifier, &event);
    }

    /// A delivery point has handed something out.
    pub(super) fn track_delivery(&mut self, connector: ConnectorIndex, particulars: &Particulars) {
        let connector = &self.snapshot.connector(connector).name;
        for recipient in &particulars.recipients {
            let event = Event::Delivery { connector, recipient };
            self.tracker.record(self.now, &particulars.identifier, &event);
        }
    }

    /// What came in was refused.
    pub(super) fn track_refusal_in(&mut self, connection: &Connection, error: &IntakeError) {
        let connector = connection.connector.map(|it| self.snapshot.connector(it).name.as_str());
        let connector = connector.unwrap_or("");
        let reason = &error.to_string();
        self.tracker.record(
            self.now,
            &[],
            &Event::Refusal { by: Refuser::Relay, connector, reason },
        );
    }

    /// The partner has refused a transfer.
    pub(super) fn track_refusal_out(
        &mut self,
        connector: ConnectorIndex,
        identifier: &[u8],
        reason: TransferRefusal,
    ) {
        let connector = &self.snapshot.connector(connector).name;
        let reason = match reason {
            TransferRefusal::Temporary => "for now",
            TransferRefusal::Permanent => "for good",
        };
        let event = Event::Refusal { by: Refuser::Partner, connector, reason };
        self.tracker.record(self.now, identifier, &event);
    }

    /// A message is set aside for the operator.
    pub(super) fn track_held(&mut self, queued: &Queued, reason: &str) {
        let event = Event::Held { connector: "", recipients: recipients_of(queued), reason };
        self.tracker.record(self.now, &[], &event);
    }

    /// A message is sent anew that the partner may have.
    pub(super) fn track_doubt(&mut self, connector: ConnectorIndex, identifier: &[u8]) {
        let connector = &self.snapshot.connector(connector).name;
        self.tracker.record(self.now, identifier, &Event::InDoubt { connector });
    }
}
