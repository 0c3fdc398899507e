//! Handing out: from the pieces of a stored MTS-APDU to `NAME.content` and `NAME.json`.
//!
//! The content goes to its file as it comes; no more of a message than its envelope is held, of a report all.
//! What is whole is made durable together: first the contents and their names, then the envelopes and theirs.
//! The envelope's name is the moment of delivery. NAME is derived from the MTS-identifier and from where the
//! message is stored: a delivery that is repeated after a crash replaces what is there, and no other message
//! does.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::content::Content;
use super::describe::{self, Place};
use super::envelope::{ContentFile, DeliveredMessage, hexadecimal};
use super::files;
use super::port::{Answer, Delivered, Delivery, Particulars};
use super::report;
use crate::base::clock::WallTime;
use crate::mta::decide::AcceptedContentType;
use crate::mta::derive::is_delivery_reported;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::identifier::identifier_text;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, Progress, Responsibility, Scan, scan, scan_prefix};

/// What hands out for one delivery point.
pub struct Deliverer {
    connector: String,
    directory: PathBuf,
    domain: GlobalDomainIdentifier,
    content_types: Vec<AcceptedContentType>,
    scan: Scan,
    current: Option<Current>,
    /// Whole, and not yet answered.
    ready: Vec<Ready>,
    /// Whether the directory was prepared, and nothing has failed since.
    prepared: Cell<bool>,
}

/// A delivery whose pieces come.
struct Current {
    number: u64,
    delivery: Delivery,
    /// Stored octets that have come.
    taken: usize,
    particulars: Particulars,
    state: State,
}

enum State {
    /// The envelope is not complete; what has come of the APDU.
    Head(Vec<u8>),
    /// A message: its content goes to a file.
    Content(Box<Open>),
    /// A report; what has come of the APDU.
    Report(Vec<u8>),
    /// A probe: that it would be delivered is all that is asked.
    Probe,
    /// It is over; what is left is passed over.
    Failed(Delivered),
}

/// A content that is being written.
struct Open {
    name: String,
    file: File,
    content: Content,
    digest: Sha256,
    size: u64,
    envelope: DeliveredMessage,
}

/// A delivery that is whole.
struct Ready {
    number: u64,
    particulars: Particulars,
    outcome: Result<Files, Delivered>,
}

/// Its files, made and not published; none of a probe.
struct Files {
    content: Option<String>,
    envelope: Option<(String, Vec<u8>)>,
}

impl Deliverer {
    /// For the delivery point of this connector. `content_types` as in the settings.
    pub fn new(
        connector: &str,
        directory: PathBuf,
        domain: GlobalDomainIdentifier,
        content_types: Vec<AcceptedContentType>,
    ) -> Deliverer {
        Deliverer {
            connector: connector.to_owned(),
            directory,
            domain,
            content_types,
            scan: Scan::new(),
            current: None,
            ready: Vec::new(),
            prepared: Cell::new(false),
        }
    }

    /// A delivery begins.
    pub fn begin(&mut self, number: u64, delivery: Delivery) {
        self.abandon();
        let state = match self.prepare() {
            Ok(()) => State::Head(Vec::new()),
            Err(error) => State::Failed(self.fault(&error)),
        };
        let particulars = Particulars::default();
        self.current = Some(Current { number, delivery, taken: 0, particulars, state });
    }

    /// Makes the directory, unless that was done and nothing has failed since. What waits to be published
    /// must stay.
    fn prepare(&self) -> io::Result<()> {
        if !self.prepared.get() && self.ready.is_empty() {
            files::prepare(&self.directory)?;
            self.prepared.set(true);
        }
        Ok(())
    }

    /// The next stored octets of it; with the last ones it is whole.
    pub fn piece(&mut self, octets: &[u8]) {
        let Some(mut current) = self.current.take() else { return };
        let Delivery { apdu_start, apdu_size, body_size, .. } = current.delivery;
        let (start, end) = (apdu_start as usize, apdu_start as usize + apdu_size as usize);
        let of_apdu = start.saturating_sub(current.taken).min(octets.len())
            ..end.saturating_sub(current.taken).min(octets.len());
        current.taken += octets.len();
        let apdu = octets.get(of_apdu).unwrap_or_default();
        current.state = self.take(&current.delivery, &mut current.particulars, current.state, apdu);
        if current.taken < body_size as usize {
            self.current = Some(current);
            return;
        }
        let outcome = self.finish(&current.delivery, current.state);
        let Current { number, particulars, .. } = current;
        self.ready.push(Ready { number, particulars, outcome });
    }

    /// It cannot be read on; it is tried again.
    pub fn abandon(&mut self) {
        if let Some(current) = self.current.take() {
            self.drop_files(&current.state);
            let Current { number, particulars, .. } = current;
            self.ready.push(Ready { number, particulars, outcome: Err(Delivered::Later) });
        }
    }

    fn drop_files(&self, state: &State) {
        if let State::Content(open) = state {
            files::discard(&self.directory, &content_name(&open.name));
        }
    }

    /// How many wait to be committed.
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    fn take(
        &mut self,
        delivery: &Delivery,
        particulars: &mut Particulars,
        state: State,
        octets: &[u8],
    ) -> State {
        match state {
            State::Head(mut head) => {
                head.extend_from_slice(octets);
                self.read_head(delivery, particulars, head)
            }
            State::Content(mut open) => match open.write(octets) {
                Ok(()) => State::Content(open),
                Err(error) => {
                    self.drop_files(&State::Content(open));
                    State::Failed(self.fault(&error))
                }
            },
            State::Report(mut apdu) => {
                apdu.extend_from_slice(octets);
                State::Report(apdu)
            }
            other @ (State::Probe | State::Failed(_)) => other,
        }
    }

    /// Goes on once the envelope is complete.
    fn read_head(
        &mut self,
        delivery: &Delivery,
        particulars: &mut Particulars,
        head: Vec<u8>,
    ) -> State {
        match scan_prefix(&head, &mut self.scan) {
            Ok(Progress::Complete) => {}
            Ok(Progress::NeedMore) => return State::Head(head),
            Err(error) => return self.unreadable(delivery, &error),
        }
        *particulars = self.particulars(delivery, &head);
        match self.scan.kind {
            ApduKind::Probe => return State::Probe,
            ApduKind::Report => return State::Report(head),
            ApduKind::Message => {}
        }
        // Decided by what was accepted when it came in, perhaps before a restart.
        let accepted = self.scan.content_type.is_none_or(|content_type| {
            self.content_types.iter().any(|accepted| accepted.is(content_type, &head))
        });
        if !self.content_types.is_empty() && !accepted {
            tracing::warn!(
                connector = self.connector,
                mts_identifier = identifier_text(&particulars.identifier),
                "the delivery point does not accept this content type"
            );
            return State::Failed(Delivered::Never(NonDelivery::CONTENT_TYPE_NOT_SUPPORTED));
        }
        let place = Place { domain: &self.domain, arrived: delivery.arrived };
        let serves = |index| is_served(delivery, index);
        let envelope = describe::message(&head, &self.scan, &place, serves);
        let name = self.name(delivery, &envelope.mts_identifier.local, &head);
        let Some(content) = self.scan.content_header else {
            return State::Failed(self.never(delivery, "it has no content"));
        };
        let opened = files::create(&self.directory, &content_name(&name)).and_then(|file| {
            let (content_state, digest) = (Content::default(), Sha256::new());
            let mut open = Open { name, file, content: content_state, digest, size: 0, envelope };
            open.write(head.get(content.start as usize..).unwrap_or_default())?;
            Ok(open)
        });
        match opened {
            Ok(open) => State::Content(Box::new(open)),
            Err(error) => State::Failed(self.fault(&error)),
        }
    }

    /// What the shard is to know of the envelope that was scanned.
    fn particulars(&self, delivery: &Delivery, apdu: &[u8]) -> Particulars {
        let scan = &self.scan;
        let served = || {
            let all = scan.recipients.iter().enumerate();
            all.filter(|(index, recipient)| {
                recipient.responsibility() == Responsibility::Responsible
                    && is_served(delivery, *index)
            })
        };
        Particulars {
            identifier: scan.mts_identifier.element.octets(apdu).to_vec(),
            recipients: match scan.kind {
                ApduKind::Report => vec![scan.report_destination_name.octets(apdu).to_vec()],
                ApduKind::Message | ApduKind::Probe => {
                    served().map(|(_, it)| it.or_name.octets(apdu).to_vec()).collect()
                }
            },
            is_delivery_reported: scan.kind != ApduKind::Report
                && served().any(|(_, recipient)| is_delivery_reported(recipient)),
        }
    }

    /// All octets have come: what is to be published is made, durable but for its names.
    fn finish(&mut self, delivery: &Delivery, state: State) -> Result<Files, Delivered> {
        match state {
            State::Failed(delivered) => Err(delivered),
            State::Probe => Ok(Files { content: None, envelope: None }),
            State::Head(_) => Err(self.never(delivery, "its envelope is cut off")),
            State::Content(open) if !open.content.is_complete() => {
                self.drop_files(&State::Content(open));
                Err(self.never(delivery, "its content is cut off"))
            }
            State::Content(open) => {
                let Open { name, file, digest, size, mut envelope, .. } = *open;
                file.sync_all().map_err(|error| self.fault(&error))?;
                envelope.content = content_file(&name, size, digest);
                self.files(name, true, &envelope)
            }
            State::Report(apdu) => {
                if let Err(error) = scan(&apdu, &mut self.scan) {
                    return Err(self.never(delivery, &error.to_string()));
                }
                let place = Place { domain: &self.domain, arrived: delivery.arrived };
                let (mut envelope, returned) = report::report(&apdu, &self.scan, &place)
                    .map_err(|error| self.never(delivery, &error.to_string()))?;
                let name = self.name(delivery, &envelope.mts_identifier.local, &apdu);
                if let Some(octets) = &returned {
                    files::write(&self.directory, &content_name(&name), octets)
                        .map_err(|error| self.fault(&error))?;
                    let digest = Sha256::new_with_prefix(octets);
                    envelope.content = Some(content_file(&name, octets.len() as u64, digest));
                }
                self.files(name, returned.is_some(), &envelope)
            }
        }
    }

    fn files(
        &self,
        name: String,
        has_content: bool,
        envelope: &impl serde::Serialize,
    ) -> Result<Files, Delivered> {
        let octets = serde_json::to_vec_pretty(envelope)
            .map_err(|error| self.fault(&io::Error::other(error)))?;
        let content = has_content.then(|| content_name(&name));
        Ok(Files { content, envelope: Some((format!("{name}.json"), octets)) })
    }

    /// Publishes all that is whole, durably, and answers for it.
    pub fn commit(&mut self, now: impl Fn() -> WallTime, mut answer: impl FnMut(Answer)) {
        let mut ready = std::mem::take(&mut self.ready);
        let directory = &self.directory;
        let contents = self.publish(&mut ready, |files| {
            files.content.as_ref().map(|name| files::publish(directory, name)).transpose()
        });
        let envelopes = self.publish(&mut ready, |files| {
            let Some((name, octets)) = &files.envelope else { return Ok(None) };
            files::write(directory, name, octets)?;
            files::publish(directory, name).map(Some)
        });
        for each in ready {
            let delivered = match (each.outcome, &contents, &envelopes) {
                (Ok(_), Ok(()), Ok(())) => Delivered::Done(now()),
                (Ok(_), ..) => Delivered::Later,
                (Err(delivered), ..) => delivered,
            };
            answer(Answer { number: each.number, delivered, particulars: each.particulars });
        }
    }

    /// Publishes some file of each, and makes their names durable. A file that cannot be is its delivery's
    /// fault, a directory that cannot be synchronized everybody's.
    fn publish(
        &self,
        ready: &mut [Ready],
        mut publish: impl FnMut(&Files) -> io::Result<Option<()>>,
    ) -> Result<(), ()> {
        let mut any = false;
        for each in ready {
            let Ok(files) = &each.outcome else { continue };
            match publish(files) {
                Ok(published) => any |= published.is_some(),
                Err(error) => each.outcome = Err(self.fault(&error)),
            }
        }
        if any && let Err(error) = files::sync(&self.directory) {
            self.fault(&error);
            return Err(());
        }
        Ok(())
    }

    /// NAME of a delivery.
    fn name(&self, delivery: &Delivery, local_identifier: &str, apdu: &[u8]) -> String {
        let mut digest = Sha256::new();
        digest.update(self.scan.mts_identifier.element.octets(apdu));
        digest.update(delivery.reference.generation.to_be_bytes());
        digest.update(delivery.reference.index.to_be_bytes());
        digest.update(delivery.reference.log.to_be_bytes());
        digest.update(delivery.target.to_be_bytes());
        let plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let mut name: String = local_identifier
            .chars()
            .map(|character| if plain(character) { character } else { '_' })
            .collect();
        let _ = write!(name, ".{}", hexadecimal(&digest.finalize()[..8]));
        name
    }

    /// A failure of the directory: it is tried again later.
    fn fault(&self, error: &io::Error) -> Delivered {
        tracing::error!(
            connector = self.connector,
            directory = %self.directory.display(),
            %error,
            "cannot deliver; tried again later"
        );
        self.prepared.set(false);
        Delivered::Later
    }

    fn unreadable(&self, delivery: &Delivery, error: &crate::p1::Error) -> State {
        State::Failed(self.never(delivery, &error.to_string()))
    }

    fn never(&self, delivery: &Delivery, reason: &str) -> Delivered {
        tracing::error!(
            connector = self.connector,
            reference = ?delivery.reference,
            reason,
            "a stored message cannot be delivered"
        );
        Delivered::Never(NonDelivery::TRANSFER_FAILURE)
    }
}

impl Open {
    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Open { file, digest, size, content, .. } = self;
        content.feed(octets, |octets| {
            digest.update(octets);
            *size += octets.len() as u64;
            file.write_all(octets)
        })
    }
}

/// Whether a recipient of ours, by index, is among those that it is handed out to.
fn is_served(delivery: &Delivery, index: usize) -> bool {
    let recipients = delivery.recipients.as_deref();
    recipients.is_none_or(|list| list.iter().any(|&each| usize::from(each) == index))
}

fn content_name(name: &str) -> String {
    format!("{name}.content")
}

fn content_file(name: &str, size: u64, digest: Sha256) -> ContentFile {
    ContentFile { file: content_name(name), size, sha256: hexadecimal(&digest.finalize()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::build::MessageBuilder;
    use crate::p1::trace::{Supplied, encode_trace_element};
    use crate::store::MessageReference;
    use serde_json::Value;
    use std::fs;

    fn apdu(content: &[u8]) -> Vec<u8> {
        let domain: GlobalDomainIdentifier = "C=FR;A=OTHER".parse().unwrap();
        let mut trace = Vec::new();
        encode_trace_element(&domain, Supplied::relayed(WallTime(0)), &mut trace);
        let originator = "C=FR;A=OTHER;S=WRITER".parse().unwrap();
        let mut builder = MessageBuilder::new(domain, "../X 1", originator, &trace);
        let recipient: crate::p1::or_address::OrAddress =
            "C=GB;A=CARRIER;S=READER".parse().unwrap();
        builder.recipients.push(recipient.into());
        builder.content = content;
        builder.build()
    }

    fn delivery(apdu: &[u8], index: u32) -> Delivery {
        Delivery {
            reference: MessageReference { generation: 1, index, log: 0 },
            target: 0,
            recipients: None,
            arrived: WallTime(1_795_477_237_000),
            body_size: apdu.len() as u32 + 5,
            apdu_start: 3,
            apdu_size: apdu.len() as u32,
        }
    }

    fn deliverer(directory: &std::path::Path, content_types: &[i64]) -> Deliverer {
        let domain = "C=GB;A=CARRIER".parse().unwrap();
        let accepted = content_types.iter().map(|number| AcceptedContentType::BuiltIn(*number));
        Deliverer::new("gateway", directory.to_owned(), domain, accepted.collect())
    }

    fn hand_out(deliverer: &mut Deliverer, apdu: &[u8], index: u32, step: usize) -> Vec<Answer> {
        let mut body = vec![0xee; 3];
        body.extend_from_slice(apdu);
        body.extend_from_slice(&[0, 0]);
        deliverer.begin(7, delivery(apdu, index));
        body.chunks(step).for_each(|piece| deliverer.piece(piece));
        let mut answers = Vec::new();
        deliverer.commit(|| WallTime(9), |answer| answers.push(answer));
        answers
    }

    fn names(directory: &std::path::Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_message_becomes_two_files_and_repeated_it_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..100_000_u32).map(|each| each as u8).collect();
        let apdu = apdu(&content);
        let mut deliverer = deliverer(folder.path(), &[22]);
        for step in [17, 4096, 1 << 20] {
            let answers = hand_out(&mut deliverer, &apdu, 0, step);
            assert_eq!((answers.len(), answers[0].number), (1, 7));
            assert_eq!(answers[0].delivered, Delivered::Done(WallTime(9)));
            let particulars = &answers[0].particulars;
            assert!(identifier_text(&particulars.identifier).ends_with("/../X 1"));
            assert_eq!(particulars.recipients.len(), 1);
            assert!(!particulars.is_delivery_reported);
            let names = names(folder.path());
            assert_eq!(names.len(), 2, "{names:?}");
            assert_eq!(fs::read(folder.path().join(&names[0])).unwrap(), content);
            let json: Value =
                serde_json::from_slice(&fs::read(folder.path().join(&names[1])).unwrap()).unwrap();
            assert_eq!(json["content"]["file"], names[0].as_str());
            assert_eq!(json["content"]["size"], content.len());
            let digest = hexadecimal(&Sha256::digest(&content));
            assert_eq!(json["content"]["sha256"], digest);
            assert_eq!(json["recipients"][0]["deliver"], true);
            assert!(names[0].starts_with("___X_1."), "{names:?}");
        }
        // Another message of the same identifier is another message.
        hand_out(&mut deliverer, &apdu, 1, 4096);
        assert_eq!(names(folder.path()).len(), 4);
    }

    #[test]
    fn what_cannot_be_handed_out_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let apdu = apdu(b"content");
        let mut picky = deliverer(folder.path(), &[2]);
        let refused = Delivered::Never(NonDelivery::CONTENT_TYPE_NOT_SUPPORTED);
        assert_eq!(hand_out(&mut picky, &apdu, 0, 64)[0].delivered, refused);
        let mut damaged = apdu.clone();
        damaged[0] = 0x55;
        let mut any = deliverer(folder.path(), &[]);
        let unreadable = Delivered::Never(NonDelivery::TRANSFER_FAILURE);
        assert_eq!(hand_out(&mut any, &damaged, 0, 64)[0].delivered, unreadable);
        any.begin(8, delivery(&apdu, 0));
        any.piece(&[0; 3]);
        any.piece(&apdu[..apdu.len() - 1]);
        any.abandon();
        let mut answers = Vec::new();
        any.commit(|| WallTime(9), |answer| answers.push(answer.delivered));
        assert_eq!(answers, [Delivered::Later]);
        assert_eq!(names(folder.path()), [""; 0]);
        // A file where the directory should be: nothing can be written there.
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let mut blocked = deliverer(&file, &[]);
        assert_eq!(hand_out(&mut blocked, &apdu, 0, 64)[0].delivered, Delivered::Later);
        fs::remove_file(&file).unwrap();
        let delivered = hand_out(&mut blocked, &apdu, 0, 64)[0].delivered;
        assert_eq!(delivered, Delivered::Done(WallTime(9)));
    }
}
