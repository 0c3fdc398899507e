//! What happens to a message, probe or report, as typed events and as their compact record.
//!
//! Names, addresses and identifiers are kept as the octets that came; words are made by who reads. A record
//! is little-endian:
//!
//! ```text
//! size (4)  kind (1)  time, ms (8)  MTS-identifier (1 + n)  what the kind says
//! ```
//!
//! Invariants: writing allocates nothing when the buffer has `JOURNAL_EVENT_SIZE_MAX` octets of room; no
//! record is larger than that; reading what was written gives the same event; no octets make reading panic.

use super::fields::{Fields, put_counted, put_name};
use super::lists::{Indices, Recipients};
use crate::base::clock::WallTime;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, Priority};

/// One event of one message, with when and where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When.
    pub time: WallTime,
    /// The MTS-identifier, a whole element; empty where none is known.
    pub identifier: &'a [u8],
    /// What.
    pub event: Event<'a>,
}

/// What is known of a message, probe or report when it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Message, probe or report.
    pub kind: ApduKind,
    /// Its priority; of a report, urgent.
    pub priority: Priority,
    /// Size of the MTS-APDU, octets.
    pub size: u32,
    /// Originator-name, a whole O/R name element; empty for a report.
    pub originator: &'a [u8],
    /// Content-identifier, its characters; empty when there is none.
    pub content_identifier: &'a [u8],
    /// Of a report, the MTS-identifier of what it is about; else empty.
    pub subject: &'a [u8],
    /// Its recipients; of a report, the report-destination-name.
    pub recipients: Recipients<'a>,
}

/// What became of some recipients when the next hop was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They go over a connector.
    Relay,
    /// They are reported as not delivered to.
    NonDelivery(NonDelivery),
    /// A report says that they could be, or were, delivered to.
    Delivery,
    /// A copy goes to another recipient in their place.
    Redirect,
    /// A copy goes to the members of a list.
    Expand,
    /// They are decided on by themselves.
    Restate,
    /// The report is discarded.
    Discard(NonDelivery),
}

/// Who refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuser {
    /// This relay, what a partner transfers.
    Relay,
    /// The partner, what this relay transfers; it is tried again.
    Partner,
}

/// What can happen. `connector` is a connector's name, empty where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A transfer in has ended; its record is on its way to the disk.
    TransferIn {
        /// Whose partner brought it.
        connector: &'a str,
        /// What it is.
        envelope: Envelope<'a>,
    },
    /// It begins here.
    Submission {
        /// What it is.
        envelope: Envelope<'a>,
    },
    /// Recipients for whom the event before had no room.
    FurtherRecipients {
        /// Them.
        recipients: Recipients<'a>,
    },
    /// One next hop.
    Decision {
        /// Whether there is one.
        verdict: Verdict,
        /// Which.
        connector: &'a str,
        /// For whom.
        recipients: Indices<'a>,
    },
    /// The partner has taken it.
    TransferOut {
        /// Whose partner.
        connector: &'a str,
        /// For whom.
        recipients: Indices<'a>,
    },
    /// A transfer was refused.
    Refusal {
        /// By whom.
        by: Refuser,
        /// To or from whose partner it was.
        connector: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// It waits for the operator.
    Held {
        /// Whose partner does not take it.
        connector: &'a str,
        /// For whom.
        recipients: Indices<'a>,
        /// Why.
        reason: &'a str,
    },
    /// The end was sent and no confirmation seen; it is sent anew, possibly twice.
    InDoubt {
        /// To whose partner.
        connector: &'a str,
    },
    /// It was found in the store at start, and is queued again.
    Recovered {
        /// For whose partner.
        connector: &'a str,
        /// For whom.
        recipients: Indices<'a>,
    },
    /// A report on it was made here; the event stands under the report's own identifier.
    Report {
        /// The MTS-identifier of what it is about.
        subject: &'a [u8],
        /// The O/R name of the recipient it is about.
        recipient: &'a [u8],
        /// Non-delivery-reason-code; `None`: it was delivered.
        reason: Option<u16>,
        /// Non-delivery-diagnostic-code.
        diagnostic: Option<u16>,
    },
    /// Its time ran out.
    Expiry {
        /// For whom.
        recipients: Indices<'a>,
    },
    /// It goes to another recipient than was named.
    Redirect {
        /// The O/R name that was named.
        from: &'a [u8],
        /// The one it goes to.
        to: &'a [u8],
    },
    /// A distribution list was replaced by its members.
    Expansion {
        /// The list's O/R name.
        list: &'a [u8],
        /// How many members.
        member_count: u32,
    },
    /// It was delivered here.
    Delivery {
        /// By which delivery point's connector.
        connector: &'a str,
        /// The recipient's O/R name.
        recipient: &'a [u8],
    },
    /// Events that were not kept, since the writer was behind or the disk did not take them.
    Lost {
        /// How many.
        count: u64,
    },
}

const TRANSFER_IN: u8 = 1;
const SUBMISSION: u8 = 2;
const FURTHER_RECIPIENTS: u8 = 3;
const DECISION: u8 = 4;
const TRANSFER_OUT: u8 = 5;
const REFUSAL: u8 = 6;
const HELD: u8 = 7;
const IN_DOUBT: u8 = 8;
const RECOVERED: u8 = 9;
const REPORT: u8 = 10;
const EXPIRY: u8 = 11;
const REDIRECT: u8 = 12;
const EXPANSION: u8 = 13;
const DELIVERY: u8 = 14;
const LOST: u8 = 15;

/// Stands for a code that is absent.
const NO_CODE: u16 = u16::MAX;

impl<'a> Event<'a> {
    fn kind(&self) -> u8 {
        match self {
            Event::TransferIn { .. } => TRANSFER_IN,
            Event::Submission { .. } => SUBMISSION,
            Event::FurtherRecipients { .. } => FURTHER_RECIPIENTS,
            Event::Decision { .. } => DECISION,
            Event::TransferOut { .. } => TRANSFER_OUT,
            Event::Refusal { .. } => REFUSAL,
            Event::Held { .. } => HELD,
            Event::InDoubt { .. } => IN_DOUBT,
            Event::Recovered { .. } => RECOVERED,
            Event::Report { .. } => REPORT,
            Event::Expiry { .. } => EXPIRY,
            Event::Redirect { .. } => REDIRECT,
            Event::Expansion { .. } => EXPANSION,
            Event::Delivery { .. } => DELIVERY,
            Event::Lost { .. } => LOST,
        }
    }

    /// The recipients named, where the event names any.
    pub fn recipients(&self) -> Option<Recipients<'a>> {
        match self {
            Event::TransferIn { envelope, .. } | Event::Submission { envelope } => {
                Some(envelope.recipients)
            }
            Event::FurtherRecipients { recipients } => Some(*recipients),
            _ => None,
        }
    }

    /// The connector named, where the event names one.
    pub fn connector(&self) -> Option<&'a str> {
        match *self {
            Event::TransferIn { connector, .. }
            | Event::Decision { connector, .. }
            | Event::TransferOut { connector, .. }
            | Event::Refusal { connector, .. }
            | Event::Held { connector, .. }
            | Event::InDoubt { connector }
            | Event::Delivery { connector, .. }
            | Event::Recovered { connector, .. } => Some(connector),
            _ => None,
        }
    }

    /// What the event says beyond its kind; gives the recipients that did not fit.
    fn put(&self, start: usize, out: &mut Vec<u8>) -> Recipients<'a> {
        match self {
            Event::TransferIn { connector, envelope } => {
                put_counted(connector.as_bytes(), out);
                return envelope.put(start, out);
            }
            Event::Submission { envelope } => return envelope.put(start, out),
            Event::FurtherRecipients { recipients } => return recipients.put(start, out),
            Event::Decision { verdict, connector, recipients } => {
                verdict.put(out);
                put_counted(connector.as_bytes(), out);
                recipients.put(out);
            }
            Event::TransferOut { connector, recipients }
            | Event::Recovered { connector, recipients } => {
                put_counted(connector.as_bytes(), out);
                recipients.put(out);
            }
            Event::Refusal { by, connector, reason } => {
                out.push(u8::from(*by == Refuser::Partner));
                put_counted(connector.as_bytes(), out);
                put_counted(reason.as_bytes(), out);
            }
            Event::Held { connector, recipients, reason } => {
                put_counted(connector.as_bytes(), out);
                recipients.put(out);
                put_counted(reason.as_bytes(), out);
            }
            Event::InDoubt { connector } => put_counted(connector.as_bytes(), out),
            Event::Report { subject, recipient, reason, diagnostic } => {
                put_counted(subject, out);
                put_name(recipient, out);
                out.extend_from_slice(&reason.unwrap_or(NO_CODE).to_le_bytes());
                out.extend_from_slice(&diagnostic.unwrap_or(NO_CODE).to_le_bytes());
            }
            Event::Expiry { recipients } => recipients.put(out),
            Event::Redirect { from, to } => {
                put_name(from, out);
                put_name(to, out);
            }
            Event::Expansion { list, member_count } => {
                put_name(list, out);
                out.extend_from_slice(&member_count.to_le_bytes());
            }
            Event::Delivery { connector, recipient } => {
                put_counted(connector.as_bytes(), out);
                put_name(recipient, out);
            }
            Event::Lost { count } => out.extend_from_slice(&count.to_le_bytes()),
        }
        Recipients::NONE
    }

    fn read(kind: u8, fields: &mut Fields<'a>) -> Option<Event<'a>> {
        let code = |code: u16| (code != NO_CODE).then_some(code);
        Some(match kind {
            TRANSFER_IN => {
                Event::TransferIn { connector: fields.text()?, envelope: Envelope::read(fields)? }
            }
            SUBMISSION => Event::Submission { envelope: Envelope::read(fields)? },
            FURTHER_RECIPIENTS => {
                Event::FurtherRecipients { recipients: Recipients::read(fields)? }
            }
            DECISION => Event::Decision {
                verdict: Verdict::read(fields)?,
                connector: fields.text()?,
                recipients: Indices::read(fields)?,
            },
            TRANSFER_OUT => {
                Event::TransferOut { connector: fields.text()?, recipients: Indices::read(fields)? }
            }
            REFUSAL => Event::Refusal {
                by: match fields.octet()? {
                    0 => Refuser::Relay,
                    1 => Refuser::Partner,
                    _ => return None,
                },
                connector: fields.text()?,
                reason: fields.text()?,
            },
            HELD => Event::Held {
                connector: fields.text()?,
                recipients: Indices::read(fields)?,
                reason: fields.text()?,
            },
            IN_DOUBT => Event::InDoubt { connector: fields.text()? },
            RECOVERED => {
                Event::Recovered { connector: fields.text()?, recipients: Indices::read(fields)? }
            }
            REPORT => Event::Report {
                subject: fields.counted()?,
                recipient: fields.name()?,
                reason: code(u16::from_le_bytes(fields.array()?)),
                diagnostic: code(u16::from_le_bytes(fields.array()?)),
            },
            EXPIRY => Event::Expiry { recipients: Indices::read(fields)? },
            REDIRECT => Event::Redirect { from: fields.name()?, to: fields.name()? },
            EXPANSION => Event::Expansion {
                list: fields.name()?,
                member_count: u32::from_le_bytes(fields.array()?),
            },
            DELIVERY => Event::Delivery { connector: fields.text()?, recipient: fields.name()? },
            LOST => Event::Lost { count: u64::from_le_bytes(fields.array()?) },
            _ => return None,
        })
    }
}

impl Verdict {
    fn put(self, out: &mut Vec<u8>) {
        let (octet, why) = match self {
            Verdict::Relay => (0, None),
            Verdict::NonDelivery(why) => (1, Some(why)),
            Verdict::Delivery => (2, None),
            Verdict::Redirect => (3, None),
            Verdict::Expand => (4, None),
            Verdict::Restate => (5, None),
            Verdict::Discard(why) => (6, Some(why)),
        };
        out.push(octet);
        if let Some(why) = why {
            let diagnostic = why.diagnostic.and_then(|code| u16::try_from(code).ok());
            out.extend_from_slice(&(why.reason as u16).to_le_bytes());
            out.extend_from_slice(&diagnostic.unwrap_or(NO_CODE).to_le_bytes());
        }
    }

    fn read(fields: &mut Fields<'_>) -> Option<Verdict> {
        let why = |fields: &mut Fields<'_>| {
            let reason = i64::from(u16::from_le_bytes(fields.array()?));
            let diagnostic = u16::from_le_bytes(fields.array()?);
            let diagnostic = (diagnostic != NO_CODE).then_some(i64::from(diagnostic));
            Some(NonDelivery { reason, diagnostic })
        };
        Some(match fields.octet()? {
            0 => Verdict::Relay,
            1 => Verdict::NonDelivery(why(fields)?),
            2 => Verdict::Delivery,
            3 => Verdict::Redirect,
            4 => Verdict::Expand,
            5 => Verdict::Restate,
            6 => Verdict::Discard(why(fields)?),
            _ => return None,
        })
    }
}

impl<'a> Envelope<'a> {
    fn put(&self, start: usize, out: &mut Vec<u8>) -> Recipients<'a> {
        out.push(match self.kind {
            ApduKind::Message => 0,
            ApduKind::Probe => 1,
            ApduKind::Report => 2,
        });
        out.push(self.priority as u8);
        out.extend_from_slice(&self.size.to_le_bytes());
        put_name(self.originator, out);
        put_counted(self.content_identifier, out);
        put_counted(self.subject, out);
        self.recipients.put(start, out)
    }

    fn read(fields: &mut Fields<'a>) -> Option<Envelope<'a>> {
        Some(Envelope {
            kind: match fields.octet()? {
                0 => ApduKind::Message,
                1 => ApduKind::Probe,
                2 => ApduKind::Report,
                _ => return None,
            },
            priority: match fields.octet()? {
                0 => Priority::Normal,
                1 => Priority::NonUrgent,
                2 => Priority::Urgent,
                _ => return None,
            },
            size: u32::from_le_bytes(fields.array()?),
            originator: fields.name()?,
            content_identifier: fields.counted()?,
            subject: fields.counted()?,
            recipients: Recipients::read(fields)?,
        })
    }
}

impl<'a> Record<'a> {
    /// Appends the record; gives the recipients that did not fit, for further records.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Recipients<'a> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.event.kind());
        out.extend_from_slice(&self.time.0.to_le_bytes());
        put_counted(self.identifier, out);
        let rest = self.event.put(start, out);
        let size = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&size.to_le_bytes());
        rest
    }

    /// Reads the record that octets begin with; gives what follows it. `None` when there is none that this
    /// version can read.
    pub fn read(octets: &'a [u8]) -> Option<(Record<'a>, &'a [u8])> {
        let size = u32::from_le_bytes(*octets.first_chunk()?) as usize;
        let (record, rest) = octets.split_at_checked(size)?;
        let mut fields = Fields::new(record.get(4..)?);
        let kind = fields.octet()?;
        let time = WallTime(i64::from_le_bytes(fields.array()?));
        let identifier = fields.counted()?;
        let event = Event::read(kind, &mut fields)?;
        fields.is_empty().then_some((Record { time, identifier, event }, rest))
    }
}
