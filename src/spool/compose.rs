//! From a submitted JSON envelope to an MTS-APDU: the message submission and probe submission of X.411 8.2.1
//! (unverified), with our domain's trace and an MTS-identifier of ours.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::{
    ContentTypeName, CriticalFor, Extension, PriorityName, ReportRequest, VERSION, octets_of,
};
use crate::base::clock::WallTime;
use crate::base::limits::RECIPIENT_COUNT_MAX;
use crate::ber::{Reader, Tag, write};
use crate::p1::build::{
    CONTENT_TYPE_P22, MessageBuilder, ProbeBuilder, RecipientFields, encode_private_extension,
    encode_standard_extension,
};
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::or_address::OrAddress;
use crate::p1::scan::INTERNAL_TRACE_INFORMATION;
use crate::p1::time::utc_time;
use crate::p1::trace::{Supplied, encode_trace_element};

/// Originator-requested-alternate-recipient; recommended criticality: for submission.
const ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT: i64 = 2;
/// Latest-delivery-time; recommended criticality: for delivery.
const LATEST_DELIVERY_TIME: i64 = 5;
const FOR_SUBMISSION: u8 = 0x80;
const FOR_DELIVERY: u8 = 0x20;
/// Per-recipient-indicators: responsibility.
const RESPONSIBLE: u8 = 0x80;
/// ub-content-id-length (MTSUpperBounds).
const CONTENT_IDENTIFIER_SIZE_MAX: usize = 16;
/// UTCTime has two digits for the year: 1970 to 2069 here.
const TIME_MS_MAX: i64 = 3_155_759_999_000;

/// What is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A message: `NAME.content` is its content.
    Message,
    /// A probe: it has none.
    Probe,
}

/// A submitted envelope, as `docs/spool.md` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// [`VERSION`].
    pub version: u32,
    /// Message or probe.
    pub kind: Kind,
    /// Originator-name, an address as text.
    pub originator: String,
    /// Content-type; P22 when absent.
    #[serde(default = "p22")]
    pub content_type: ContentTypeName,
    /// Content-identifier: comes back in reports.
    #[serde(default)]
    pub content_identifier: Option<String>,
    /// Priority.
    #[serde(default)]
    pub priority: PriorityName,
    /// Whether the recipients may learn of each other.
    #[serde(default)]
    pub disclosure_of_other_recipients: bool,
    /// Whether implicit conversion is prohibited.
    #[serde(default)]
    pub implicit_conversion_prohibited: bool,
    /// Whether an alternate recipient is allowed.
    #[serde(default)]
    pub alternate_recipient_allowed: bool,
    /// Whether a non-delivery report is to return the content.
    #[serde(default)]
    pub content_return_request: bool,
    /// Not to be delivered before.
    #[serde(default)]
    pub deferred_delivery_time: Option<String>,
    /// Not to be delivered after.
    #[serde(default)]
    pub latest_delivery_time: Option<String>,
    /// Of a probe: the size of the content it asks about, octets.
    #[serde(default)]
    pub content_length: Option<u32>,
    /// Further extension fields.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// Recipients, numbered from 1 in their order.
    pub recipients: Vec<SubmittedRecipient>,
}

fn p22() -> ContentTypeName {
    ContentTypeName::BuiltIn(CONTENT_TYPE_P22)
}

/// A recipient of a submission.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmittedRecipient {
    /// Recipient-name, an address as text.
    pub address: String,
    /// What the originator wants to hear.
    #[serde(default)]
    pub originator_report_request: ReportRequest,
    /// Originator-requested-alternate-recipient, an address as text.
    #[serde(default)]
    pub originator_requested_alternate_recipient: Option<String>,
    /// Further extension fields.
    #[serde(default)]
    pub extensions: Vec<Extension>,
}

/// What is wrong with a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the envelope, from 1; absent where only the member is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The member, as `recipients[0].address`; empty: the whole.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl Problem {
    /// Of a member.
    pub fn new(
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        Problem { line: None, field: field.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// Reads an envelope.
///
/// # Errors
/// Where it is no JSON, or not of this format.
pub fn read(octets: &[u8]) -> Result<Submission, Problem> {
    let submission: Submission = serde_json::from_slice(octets).map_err(|error| Problem {
        line: Some(error.line()),
        field: String::new(),
        problem: error.to_string(),
        remedy: "write it as docs/spool.md shows".to_owned(),
    })?;
    if submission.version != VERSION {
        let problem = format!("version {} is not known", submission.version);
        return Err(Problem::new("version", problem, format!("write {VERSION}")));
    }
    Ok(submission)
}

/// The MTS-APDU of a submission, up to the first octet of its content; of a probe, all of it.
///
/// # Errors
/// The first member that cannot be.
pub fn compose(
    submission: &Submission,
    domain: &GlobalDomainIdentifier,
    local_identifier: &str,
    now: WallTime,
    content_size: usize,
) -> Result<Vec<u8>, Problem> {
    let originator = address("originator", &submission.originator)?;
    let ContentTypeName::BuiltIn(content_type) = submission.content_type else {
        let remedy = "write the number of a built-in content type, as 22";
        return Err(Problem::new(
            "content_type",
            "an object identifier cannot be submitted",
            remedy,
        ));
    };
    let content_identifier = content_identifier(submission.content_identifier.as_deref())?;
    let deferred_delivery_time =
        time("deferred_delivery_time", submission.deferred_delivery_time.as_deref())?;
    let mut extensions = Vec::new();
    if let Some(latest) = time("latest_delivery_time", submission.latest_delivery_time.as_deref())?
    {
        let mut value = Vec::new();
        write::primitive(&mut value, Tag::UTC_TIME, &utc_time(latest));
        encode_standard_extension(LATEST_DELIVERY_TIME, FOR_DELIVERY, &value, &mut extensions);
    }
    let given = submission.latest_delivery_time.is_some().then_some(LATEST_DELIVERY_TIME);
    encode_extensions("extensions", &submission.extensions, given, &mut extensions)?;
    if !(1..=RECIPIENT_COUNT_MAX).contains(&submission.recipients.len()) {
        let problem = format!("{} recipients cannot be", submission.recipients.len());
        let remedy = format!("write 1 to {RECIPIENT_COUNT_MAX}");
        return Err(Problem::new("recipients", problem, remedy));
    }
    let recipients = submission.recipients.iter().enumerate();
    let recipients: Vec<RecipientFields> =
        recipients.map(|(index, it)| recipient(index, it)).collect::<Result<_, _>>()?;
    let mut trace = Vec::new();
    encode_trace_element(domain, Supplied::relayed(now), &mut trace);
    let per_message_indicators = [
        (submission.disclosure_of_other_recipients, 0x80),
        (submission.implicit_conversion_prohibited, 0x40),
        (submission.alternate_recipient_allowed, 0x20),
        (submission.content_return_request, 0x10),
    ]
    .iter()
    .filter(|(is_set, _)| *is_set)
    .fold(0, |bits, (_, bit)| bits | bit);
    match submission.kind {
        Kind::Message => {
            if submission.content_length.is_some() {
                let remedy = "leave it out: the content has its size";
                return Err(Problem::new("content_length", "only a probe has it", remedy));
            }
            let message = MessageBuilder {
                content_type,
                content_identifier,
                priority: submission.priority.into(),
                per_message_indicators,
                deferred_delivery_time,
                extensions: &extensions,
                recipients,
                ..MessageBuilder::new(domain.clone(), local_identifier, originator, &trace)
            };
            Ok(message.build_head(content_size))
        }
        Kind::Probe => {
            if deferred_delivery_time.is_some() || submission.priority != PriorityName::Normal {
                let problem = "a probe has neither priority nor deferred_delivery_time";
                return Err(Problem::new("kind", problem, "leave them out"));
            }
            let probe = ProbeBuilder {
                domain: domain.clone(),
                local_identifier,
                originator,
                content_type,
                content_identifier,
                content_length: submission.content_length,
                per_message_indicators,
                trace: &trace,
                extensions: &extensions,
                recipients,
            };
            Ok(probe.build())
        }
    }
}

fn recipient(index: usize, written: &SubmittedRecipient) -> Result<RecipientFields, Problem> {
    let field = |name: &str| format!("recipients[{index}].{name}");
    let mut recipient = RecipientFields::from(address(&field("address"), &written.address)?);
    // What the originating MTA asks for covers what the originator does.
    recipient.indicators = RESPONSIBLE
        | match written.originator_report_request {
            ReportRequest::NoReport => 0x20,
            ReportRequest::NonDeliveryReport => 0x28,
            ReportRequest::Report => 0x50,
            ReportRequest::AuditedReport => {
                let remedy = "write \"no-report\", \"non-delivery-report\" or \"report\"";
                let problem = "an audited report is for MTAs";
                return Err(Problem::new(field("originator_report_request"), problem, remedy));
            }
        };
    let alternate = &written.originator_requested_alternate_recipient;
    if let Some(alternate) = alternate {
        let name = field("originator_requested_alternate_recipient");
        let mut value = Vec::new();
        address(&name, alternate)?.encode(&mut value);
        encode_standard_extension(
            ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT,
            FOR_SUBMISSION,
            &value,
            &mut recipient.extensions,
        );
    }
    let given = alternate.is_some().then_some(ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT);
    encode_extensions(&field("extensions"), &written.extensions, given, &mut recipient.extensions)?;
    Ok(recipient)
}

fn address(field: &str, text: &str) -> Result<OrAddress, Problem> {
    text.parse().map_err(|error| {
        let remedy = "write an O/R address as \"C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH\"";
        Problem::new(field, format!("\"{text}\" is no O/R address: {error}"), remedy)
    })
}

fn content_identifier(text: Option<&str>) -> Result<Option<&str>, Problem> {
    let printable = |octet: u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet);
    match text {
        Some(text)
            if !(1..=CONTENT_IDENTIFIER_SIZE_MAX).contains(&text.len())
                || !text.bytes().all(printable) =>
        {
            let remedy =
                format!("write 1 to {CONTENT_IDENTIFIER_SIZE_MAX} characters of PrintableString");
            Err(Problem::new("content_identifier", format!("\"{text}\" cannot be"), remedy))
        }
        text => Ok(text),
    }
}

fn time(field: &str, text: Option<&str>) -> Result<Option<WallTime>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let parsed = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    match parsed {
        Ok(time) if (0..=TIME_MS_MAX).contains(&time) => Ok(Some(WallTime(time))),
        _ => {
            let remedy = "write a time of 1970 to 2069 as \"2026-11-24T10:00:00Z\"";
            Err(Problem::new(field, format!("\"{text}\" is no time"), remedy))
        }
    }
}

/// Appends extension fields; `given` is one that another member has made.
fn encode_extensions(
    field: &str,
    extensions: &[Extension],
    given: Option<i64>,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    for (index, extension) in extensions.iter().enumerate() {
        let at = |name: &str| format!("{field}[{index}].{name}");
        let is_element = |octets: &Vec<u8>| {
            let mut reader = Reader::new(octets);
            octets.is_empty() || (reader.take().is_ok() && reader.is_at_end())
        };
        let Some(value) = octets_of(&extension.value).filter(is_element) else {
            let remedy = "write one whole encoded element in hexadecimal, or nothing for NULL";
            return Err(Problem::new(at("value"), "it is no encoded element", remedy));
        };
        let criticality = CriticalFor::ALL
            .iter()
            .filter(|(critical_for, _)| extension.criticality.contains(critical_for))
            .fold(0, |bits, (_, bit)| bits | bit);
        match (extension.number, &extension.object_identifier) {
            (Some(INTERNAL_TRACE_INFORMATION), None) => {
                let problem = "internal-trace-information is for MTAs";
                return Err(Problem::new(at("number"), problem, "leave it out"));
            }
            (Some(number), None)
                if given == Some(number)
                    || extensions[..index].iter().any(|it| it.number == Some(number)) =>
            {
                let problem = format!("extension {number} is given twice");
                return Err(Problem::new(at("number"), problem, "leave one out"));
            }
            (Some(number), None) => encode_standard_extension(number, criticality, &value, out),
            (None, Some(text)) => match object_identifier(text) {
                Some(octets) => encode_private_extension(&octets, criticality, &value, out),
                None => {
                    let problem = format!("\"{text}\" is no object identifier");
                    let remedy = "write its numbers with points, as \"1.3.6.1.4.1.1\"";
                    return Err(Problem::new(at("object_identifier"), problem, remedy));
                }
            },
            (Some(_), Some(_)) | (None, None) => {
                let remedy = "write one of number and object_identifier";
                let which = format!("{field}[{index}]");
                return Err(Problem::new(which, "it is not said which extension it is", remedy));
            }
        }
    }
    Ok(())
}

/// The content octets of an object identifier (X.690 8.19).
fn object_identifier(text: &str) -> Option<Vec<u8>> {
    let numbers: Vec<u64> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (&[first, second], rest) = numbers.split_first_chunk::<2>()?;
    if first > 2 || (first < 2 && second >= 40) {
        return None;
    }
    let mut octets = Vec::new();
    let head = (first * 40).checked_add(second)?;
    for number in std::iter::once(head).chain(rest.iter().copied()) {
        let digit_count = (u64::BITS - number.leading_zeros()).div_ceil(7).max(1);
        for place in (0..digit_count).rev() {
            let more = if place > 0 { 0x80 } else { 0 };
            octets.push((number >> (7 * place) & 0x7f) as u8 | more);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::object_identifier_text;
    use crate::p1::scan::{ApduKind, ExtensionId, OriginatorReportRequest, Priority, Scan, scan};
    use serde_json::json;

    const NOW: WallTime = WallTime(1_795_477_237_000);

    fn full() -> serde_json::Value {
        json!({
            "version": 1, "kind": "message", "originator": "C=GB;A=CARRIER;S=WRITER",
            "content_type": 2, "content_identifier": "order 7", "priority": "urgent",
            "disclosure_of_other_recipients": true, "content_return_request": true,
            "alternate_recipient_allowed": true, "implicit_conversion_prohibited": true,
            "deferred_delivery_time": "2026-11-24T10:00:00Z",
            "latest_delivery_time": "2026-11-25T12:00:00+02:00",
            "extensions": [
                { "number": 23, "criticality": [], "value": "0403616263" },
                { "object_identifier": "2.999.3", "criticality": ["transfer"] },
            ],
            "recipients": [
                { "address": "C=FR;A=OTHER;S=A", "originator_report_request": "report",
                  "originator_requested_alternate_recipient": "C=FR;A=OTHER;S=B" },
                { "address": "C=FR;A=OTHER;S=C" },
            ],
        })
    }

    fn composed(value: &serde_json::Value) -> Result<Vec<u8>, Problem> {
        let domain = "C=GB;A=CARRIER".parse().unwrap();
        let submission = read(value.to_string().as_bytes())?;
        compose(&submission, &domain, "LOCAL-1", NOW, 7)
    }

    #[test]
    fn everything_that_is_submitted_stands_in_the_apdu() {
        let mut apdu = composed(&full()).unwrap();
        apdu.extend_from_slice(b"content");
        let mut scanned = Scan::new();
        scan(&apdu, &mut scanned).unwrap();
        assert_eq!(scanned.content_octets(&apdu).unwrap(), b"content");
        assert_eq!((scanned.priority, scanned.per_message_indicators.0), (Priority::Urgent, 0xf0));
        assert_eq!(scanned.content_identifier.unwrap().octets(&apdu), b"order 7");
        assert_eq!(scanned.deferred_delivery_time.unwrap().octets(&apdu), b"261124100000Z");
        assert_eq!(scanned.trace.len(), 1);
        let numbers: Vec<_> = scanned.extensions.iter().map(|it| it.id).collect();
        assert!(matches!(
            numbers[..],
            [ExtensionId::Standard(5), ExtensionId::Standard(23), ExtensionId::Private(_)]
        ));
        assert_eq!(scanned.extensions[0].value.octets(&apdu), b"\x17\x0d261125100000Z");
        assert!(scanned.extensions[0].criticality.for_delivery());
        assert!(scanned.extensions[2].criticality.for_transfer());
        let [first, second] = &scanned.recipients[..] else { panic!("two recipients") };
        assert_eq!(first.originator_report_request(), OriginatorReportRequest::Report);
        assert_eq!(second.originator_report_request(), OriginatorReportRequest::NonDeliveryReport);
        assert_eq!(scanned.recipient_extensions(first)[0].id, ExtensionId::Standard(2));
        assert!(scanned.recipient_extensions(second).is_empty());
    }

    #[test]
    fn a_probe_has_no_content() {
        let probe = json!({
            "version": 1, "kind": "probe", "originator": "C=GB;A=CARRIER;S=WRITER",
            "content_length": 1000, "recipients": [{ "address": "C=FR;A=OTHER;S=A" }],
        });
        let apdu = composed(&probe).unwrap();
        let mut scanned = Scan::new();
        scan(&apdu, &mut scanned).unwrap();
        assert_eq!((scanned.kind, scanned.content_length), (ApduKind::Probe, Some(1000)));
    }

    #[test]
    fn what_is_wrong_says_where_and_what_to_write() {
        for (pointer, value, field) in [
            ("/version", json!(2), "version"),
            ("/originator", json!("C=GB;X=1"), "originator"),
            ("/content_type", json!("2.6.1.10.1"), "content_type"),
            ("/content_identifier", json!("seventeen letters"), "content_identifier"),
            ("/deferred_delivery_time", json!("tomorrow"), "deferred_delivery_time"),
            ("/latest_delivery_time", json!("2070-01-01T00:00:00Z"), "latest_delivery_time"),
            ("/extensions/0/value", json!("0403"), "extensions[0].value"),
            ("/extensions/0/value", json!("xy"), "extensions[0].value"),
            ("/extensions/0/number", json!(38), "extensions[0].number"),
            ("/extensions/0/number", json!(5), "extensions[0].number"),
            ("/extensions/1/object_identifier", json!("3.1"), "extensions[1].object_identifier"),
            ("/extensions/1/number", json!(9), ""),
            ("/recipients", json!([]), "recipients"),
            ("/recipients/1/address", json!(""), "recipients[1].address"),
            (
                "/recipients/0/originator_report_request",
                json!("audited-report"),
                "recipients[0].originator_report_request",
            ),
            ("/priority", json!("fast"), ""),
            ("/recipients/1/adress", json!(""), ""),
        ] {
            let mut wrong = full();
            match wrong.pointer_mut(pointer) {
                Some(member) => *member = value,
                None => {
                    let (parent, key) = pointer.rsplit_once('/').unwrap();
                    wrong.pointer_mut(parent).unwrap()[key] = value;
                }
            }
            let problem = composed(&wrong).unwrap_err();
            let field = if pointer == "/extensions/1/number" { "extensions[1]" } else { field };
            assert_eq!(problem.field, field, "{problem:?}");
            assert!(!problem.remedy.is_empty() && !problem.problem.is_empty());
            assert_eq!(problem.line.is_some(), field.is_empty(), "{problem:?}");
        }
        assert_eq!(read(b"{\n\"version\": x").unwrap_err().line, Some(2));
    }

    #[test]
    fn object_identifiers_are_encoded_as_they_are_read() {
        for text in ["2.6.0.1.6", "2.999.3", "1.2.840", "0.39", "1.3.6.1.4.1.18446744073709551615"]
        {
            let octets = object_identifier(text).unwrap();
            let read = object_identifier_text(&octets);
            assert!(read.is_none_or(|read| read == text), "{text}");
        }
        for wrong in ["", "1", "3.1", "1.40", "1..2", "1.x"] {
            assert_eq!(object_identifier(wrong), None, "{wrong}");
        }
    }
}
