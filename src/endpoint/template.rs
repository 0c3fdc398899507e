//! Messages made by the thousand: one built APDU whose identifier and time are written over in place.

use crate::base::buffer::Lease;
use crate::base::clock::WallTime;
use crate::p1::Error;
use crate::p1::body_part::BodyPart;
use crate::p1::build::{CONTENT_TYPE_P22, MessageBuilder};
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::ipm::Ipm;
use crate::p1::or_address::OrAddress;
use crate::p1::scan::{Priority, Scan, scan};
use crate::p1::trace::{Supplied, encode_trace_element};

/// What stands before the sending time in a generated text.
const TIME_MARK: &[u8] = b"sent-ns=";
const TIME_DIGITS: usize = 20;
const COUNTER_DIGITS: usize = 12;

/// What generated messages look like.
#[derive(Debug, Clone)]
pub struct TemplateConfig {
    /// The domain in MTS-identifier and first trace element.
    pub domain: GlobalDomainIdentifier,
    /// Who sends.
    pub originator: OrAddress,
    /// To whom.
    pub recipients: Vec<OrAddress>,
    /// Urgent, normal or non-urgent.
    pub priority: Priority,
    /// Size of the text, octets; never less than the line that carries the time.
    pub text_size: usize,
    /// Subject of the interpersonal message.
    pub subject: String,
    /// Tells runs apart: the first part of every local identifier.
    pub incarnation: u64,
    /// Tells senders of a run apart: the second part.
    pub sender: u16,
}

/// A built message with the places that change.
#[derive(Debug)]
pub struct Template {
    octets: Vec<u8>,
    counter_at: usize,
    time_at: Option<usize>,
}

impl Template {
    /// Builds an interpersonal message of generated text.
    ///
    /// # Errors
    /// When the parts do not make a valid APDU.
    pub fn new(config: &TemplateConfig, now: WallTime) -> Result<Template, Error> {
        let text = generated_text(config.text_size);
        Template::of_body(config, CONTENT_TYPE_P22, &[BodyPart::Ia5Text(&text)], now)
    }

    /// Builds an interpersonal message of given body parts; `content_type` is P22, or P2 towards partners of
    /// 1984.
    ///
    /// # Errors
    /// When the parts do not make a valid APDU.
    pub fn of_body(
        config: &TemplateConfig,
        content_type: i64,
        body: &[BodyPart<'_>],
        now: WallTime,
    ) -> Result<Template, Error> {
        let local_identifier = local_identifier(config.incarnation, config.sender, 0);
        let content = Ipm {
            identifier: &local_identifier,
            originator: &config.originator,
            primary_recipients: &config.recipients,
            subject: Some(&config.subject),
            body,
        }
        .build();
        Template::of_content(config, content_type, &content, now)
    }

    /// Builds a message of a given content.
    ///
    /// # Errors
    /// When the parts do not make a valid APDU.
    pub fn of_content(
        config: &TemplateConfig,
        content_type: i64,
        content: &[u8],
        now: WallTime,
    ) -> Result<Template, Error> {
        let local_identifier = local_identifier(config.incarnation, config.sender, 0);
        let mut trace = Vec::new();
        encode_trace_element(&config.domain, Supplied::relayed(now), &mut trace);
        let mut builder = MessageBuilder::new(
            config.domain.clone(),
            &local_identifier,
            config.originator.clone(),
            &trace,
        );
        builder.content_type = content_type;
        builder.priority = config.priority;
        builder.recipients = config.recipients.iter().cloned().map(Into::into).collect();
        builder.content = content;
        let octets = builder.build();
        let mut found = Scan::default();
        scan(&octets, &mut found)?;
        let counter_at = found.mts_identifier.local_identifier.range().end - COUNTER_DIGITS;
        let time_at = octets
            .windows(TIME_MARK.len())
            .position(|window| window == TIME_MARK)
            .map(|position| position + TIME_MARK.len());
        Ok(Template { octets, counter_at, time_at })
    }

    /// Size of each message's APDU, octets.
    pub fn size(&self) -> usize {
        self.octets.len()
    }

    /// The message with this number, sent at this time of the monotonic clock.
    pub fn instance(&mut self, number: u64, sent_ns: u64) -> Lease {
        write_digits(&mut self.octets[self.counter_at..][..COUNTER_DIGITS], number);
        if let Some(at) = self.time_at {
            write_digits(&mut self.octets[at..][..TIME_DIGITS], sent_ns);
        }
        Lease::copied(&self.octets)
    }
}

/// A text of so many octets that carries the sending time; never less than the line that does.
pub fn generated_text(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size);
    text.extend_from_slice(TIME_MARK);
    text.extend_from_slice(&[b'0'; TIME_DIGITS]);
    while text.len() < size {
        text.extend_from_slice(b"\r\nThe quick brown fox jumps over the lazy dog 0123456789");
    }
    text.truncate(size.max(TIME_MARK.len() + TIME_DIGITS));
    text
}

/// The local part of an MTS-identifier: incarnation, sender or shard, and counter, unique over restarts
/// and shards; 30 characters.
pub fn local_identifier(incarnation: u64, sender: u16, counter: u64) -> String {
    format!("{:011}.{sender:05}.{counter:012}", incarnation % 100_000_000_000)
}

/// The sending time that a generated content carries, nanoseconds of the sender's monotonic clock.
pub fn sent_ns(content: &[u8]) -> Option<u64> {
    let head = &content[..content.len().min(4096)];
    let at =
        head.windows(TIME_MARK.len()).position(|window| window == TIME_MARK)? + TIME_MARK.len();
    let digits = head.get(at..at + TIME_DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn write_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}
