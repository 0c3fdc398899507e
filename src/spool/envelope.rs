//! The JSON envelopes beside handed out and submitted contents; `docs/spool.md` explains each member.
//!
//! Names are those of X.411 with underscores. Addresses are text as in the configuration; beside each stands
//! the whole O/R name in hexadecimal, for what text cannot say. Times are RFC 3339, UTC. Members may be added
//! without a new version, which is only counted up when what is there changes its meaning.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::clock::WallTime;
use crate::p1::or_address;
use crate::p1::scan::Priority;

/// The version of the format.
pub const VERSION: u32 = 1;

/// An MTS-identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MtsIdentifier {
    /// The domain, as `C=GB;A=CARRIER;P=ACME`.
    pub domain: String,
    /// The local identifier.
    pub local: String,
}

/// An O/R name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// Its address as text; empty when it cannot be read.
    pub address: String,
    /// The whole element, in hexadecimal.
    pub or_name: String,
}

impl Name {
    /// Of a whole O/R name element.
    pub fn of(element: &[u8]) -> Name {
        let address = or_address::attributes(element).map(|view| view.to_owned().to_string());
        Name { address: address.unwrap_or_default(), or_name: hexadecimal(element) }
    }
}

/// A content type: built-in by its number, any other as an object identifier with points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContentTypeName {
    /// 2 interpersonal messaging of 1984, 22 of 1988.
    BuiltIn(i64),
    /// As `2.6.1.10.1`.
    ObjectIdentifier(String),
}

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriorityName {
    /// What is usual.
    #[default]
    Normal,
    /// The least urgent.
    NonUrgent,
    /// The most urgent.
    Urgent,
}

impl From<Priority> for PriorityName {
    fn from(priority: Priority) -> PriorityName {
        match priority {
            Priority::Normal => PriorityName::Normal,
            Priority::NonUrgent => PriorityName::NonUrgent,
            Priority::Urgent => PriorityName::Urgent,
        }
    }
}

impl From<PriorityName> for Priority {
    fn from(priority: PriorityName) -> Priority {
        match priority {
            PriorityName::Normal => Priority::Normal,
            PriorityName::NonUrgent => Priority::NonUrgent,
            PriorityName::Urgent => Priority::Urgent,
        }
    }
}

/// What a report is wanted for, by the originator or its MTA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportRequest {
    /// Nothing; of the originator only.
    NoReport,
    /// Non-delivery.
    #[default]
    NonDeliveryReport,
    /// Delivery and non-delivery.
    Report,
    /// Both, with all particulars; of the originating MTA only.
    AuditedReport,
}

/// An extension field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Of the Recommendations, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Private: its object identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_identifier: Option<String>,
    /// The Recommendation's name; not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For what it is critical: `submission`, `transfer`, `delivery`.
    #[serde(default)]
    pub criticality: Vec<CriticalFor>,
    /// The value, a whole encoded element, in hexadecimal; empty: NULL.
    #[serde(default)]
    pub value: String,
}

/// For what an extension is critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CriticalFor {
    /// Who submits.
    Submission,
    /// Who transfers.
    Transfer,
    /// Who delivers.
    Delivery,
}

impl CriticalFor {
    /// With its bit in the octet of a criticality.
    pub const ALL: [(CriticalFor, u8); 3] = [
        (CriticalFor::Submission, 0x80),
        (CriticalFor::Transfer, 0x40),
        (CriticalFor::Delivery, 0x20),
    ];
}

/// An element of trace-information.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceElement {
    /// Which domain.
    pub domain: String,
    /// When it arrived there.
    pub arrival_time: String,
    /// `relayed` or `rerouted`.
    pub routing_action: &'static str,
    /// Until when it was deferred there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred_time: Option<String>,
    /// Whether a recipient was redirected there.
    pub redirected: bool,
    /// Whether a distribution list was expanded there.
    pub dl_operation: bool,
}

/// An earlier recipient, from whom a message was redirected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redirection {
    /// Who was to receive it.
    pub intended_recipient: Name,
    /// When it was redirected.
    pub redirection_time: String,
    /// RedirectionReason: 0 recipient-assigned, 1 originator-requested, 2 recipient-MD-assigned, 3 directory
    /// look-up, 4 alias.
    pub reason: i64,
}

/// A recipient of a message that is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveredRecipient {
    /// Originally-specified-recipient-number.
    pub number: u32,
    /// Who.
    #[serde(flatten)]
    pub name: Name,
    /// Whether it is handed out here for this recipient; the others are only disclosed.
    pub deliver: bool,
    /// What the originator wants to hear.
    pub originator_report_request: ReportRequest,
    /// What the originating MTA wants to hear.
    pub originating_mta_report_request: ReportRequest,
    /// Where it was to go before, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirection_history: Vec<Redirection>,
    /// The extension fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// A file beside the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFile {
    /// Its name in the same directory.
    pub file: String,
    /// Its size, octets.
    pub size: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A message that is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveredMessage {
    /// [`VERSION`].
    pub version: u32,
    /// `message`.
    pub kind: &'static str,
    /// Message-identifier.
    pub mts_identifier: MtsIdentifier,
    /// Originator-name.
    pub originator: Name,
    /// Content-type.
    pub content_type: ContentTypeName,
    /// Content-identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_identifier: Option<String>,
    /// Original-encoded-information-types, the whole element in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_encoded_information_types: Option<String>,
    /// Priority.
    pub priority: PriorityName,
    /// Whether the other recipients may be told: then they are.
    pub disclosure_of_other_recipients: bool,
    /// Whether implicit conversion is prohibited.
    pub implicit_conversion_prohibited: bool,
    /// Whether an alternate recipient is allowed.
    pub alternate_recipient_allowed: bool,
    /// Whether a non-delivery report is to return the content.
    pub content_return_request: bool,
    /// Deferred-delivery-time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred_delivery_time: Option<String>,
    /// Latest-delivery-time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_delivery_time: Option<String>,
    /// When it came in.
    pub arrival_time: String,
    /// Trace-information, the oldest first.
    pub trace: Vec<TraceElement>,
    /// The message's extension fields.
    pub extensions: Vec<Extension>,
    /// Recipients.
    pub recipients: Vec<DeliveredRecipient>,
    /// The content.
    pub content: ContentFile,
}

/// What became of a recipient, in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was delivered.
    Delivered {
        /// Message-delivery-time.
        message_delivery_time: String,
        /// Type-of-MTS-user: 0 public, 1 private, 2 message store, 3 distribution list, 4 physical delivery, 5
        /// physical recipient, 6 other.
        type_of_mts_user: i64,
    },
    /// It was not.
    NotDelivered {
        /// NonDeliveryReasonCode.
        reason: i64,
        /// NonDeliveryDiagnosticCode.
        #[serde(skip_serializing_if = "Option::is_none")]
        diagnostic: Option<i64>,
        /// Both in words.
        words: String,
    },
}

/// A recipient that a report tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedRecipient {
    /// Originally-specified-recipient-number.
    pub number: u32,
    /// Actual-recipient-name.
    #[serde(flatten)]
    pub name: Name,
    /// Originally-intended-recipient-name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originally_intended_recipient: Option<Name>,
    /// When the subject arrived where the report was made.
    pub arrival_time: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Words for a human.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplementary_information: Option<String>,
}

/// A report that is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveredReport {
    /// [`VERSION`].
    pub version: u32,
    /// `report`.
    pub kind: &'static str,
    /// Report-identifier.
    pub mts_identifier: MtsIdentifier,
    /// Report-destination-name.
    pub destination: Name,
    /// Subject-identifier: the message or probe that it tells of.
    pub subject_identifier: MtsIdentifier,
    /// The subject's content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<ContentTypeName>,
    /// The subject's content-identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_identifier: Option<String>,
    /// When it came in.
    pub arrival_time: String,
    /// The report's trace-information, the oldest first.
    pub trace: Vec<TraceElement>,
    /// The report's extension fields.
    pub extensions: Vec<Extension>,
    /// What became of the recipients.
    pub recipients: Vec<ReportedRecipient>,
    /// The returned content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentFile>,
}

/// A time as it is written.
pub fn time_text(time: WallTime) -> String {
    Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Octets as it is written, two digits each.
pub fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The octets of hexadecimal digits in pairs; `None` when they are none.
pub fn octets_of(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_times_are_written_as_they_are_read() {
        assert_eq!(hexadecimal(&[0, 0x9a, 0xff]), "009aff");
        assert_eq!(octets_of("009aFF"), Some(vec![0, 0x9a, 0xff]));
        assert_eq!((octets_of("0"), octets_of("0g"), octets_of("ää")), (None, None, None));
        assert_eq!(time_text(WallTime(1_795_477_237_000)), "2026-11-23T23:40:37Z");
    }
}
