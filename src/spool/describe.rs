//! From a scanned MTS-APDU to the JSON envelope that is handed out with its content (X.411
//! MessageDeliveryEnvelope, of what the transfer envelope has).

use super::envelope::{
    ContentFile, ContentTypeName, CriticalFor, DeliveredMessage, DeliveredRecipient, Extension,
    MtsIdentifier, Name, Redirection, ReportRequest, TraceElement, VERSION, hexadecimal, time_text,
};
use crate::base::clock::WallTime;
use crate::ber::{self, Reader, Tag};
use crate::decode::{extension_name, object_identifier_text};
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::scan::{
    self, ContentType, ExtensionId, OriginatingMtaReportRequest, OriginatorReportRequest,
    Responsibility, RoutingAction, Scan,
};
use crate::p1::time::wall_time;

/// Latest-delivery-time.
const LATEST_DELIVERY_TIME: i64 = 5;
/// Redirection-history.
const REDIRECTION_HISTORY: i64 = 25;
// OtherActions
const REDIRECTED: u8 = 0x80;
const DL_OPERATION: u8 = 0x40;

/// Where and when an APDU is handed out.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Our domain, which is added to the trace of what came from another.
    pub domain: &'a GlobalDomainIdentifier,
    /// When the APDU came in.
    pub arrived: WallTime,
}

/// The envelope of a message, without its content. `apdu` holds at least the envelope; `serves` says whether
/// a recipient of ours, by index, is handed out here.
pub fn message(
    apdu: &[u8],
    scan: &Scan,
    place: &Place<'_>,
    serves: impl Fn(usize) -> bool,
) -> DeliveredMessage {
    let indicators = scan.per_message_indicators;
    let disclosed = indicators.disclosure_of_other_recipients();
    let recipients = scan.recipients.iter().enumerate().filter_map(|(index, recipient)| {
        let deliver = recipient.responsibility() == Responsibility::Responsible && serves(index);
        (deliver || disclosed).then(|| self::recipient(apdu, scan, recipient, deliver))
    });
    let latest =
        scan.extensions.iter().find(|it| it.id == ExtensionId::Standard(LATEST_DELIVERY_TIME));
    DeliveredMessage {
        version: VERSION,
        kind: "message",
        mts_identifier: identifier(apdu, &scan.mts_identifier),
        originator: Name::of(scan.originator.octets(apdu)),
        content_type: scan
            .content_type
            .map_or(ContentTypeName::BuiltIn(0), |it| content_type(apdu, it)),
        content_identifier: scan.content_identifier.map(|span| text(span.octets(apdu))),
        original_encoded_information_types: scan
            .original_encoded_information_types
            .map(|span| hexadecimal(span.octets(apdu))),
        priority: scan.priority.into(),
        disclosure_of_other_recipients: disclosed,
        implicit_conversion_prohibited: indicators.implicit_conversion_prohibited(),
        alternate_recipient_allowed: indicators.alternate_recipient_allowed(),
        content_return_request: indicators.content_return_request(),
        deferred_delivery_time: scan
            .deferred_delivery_time
            .and_then(|span| wall_time(span.octets(apdu)))
            .map(time_text),
        latest_delivery_time: latest.and_then(|it| time_value(it.value.octets(apdu))),
        arrival_time: time_text(place.arrived),
        trace: trace(apdu, scan, place),
        extensions: extensions(apdu, &scan.extensions),
        recipients: recipients.collect(),
        content: ContentFile { file: String::new(), size: 0, sha256: String::new() },
    }
}

fn recipient(
    apdu: &[u8],
    scan: &Scan,
    recipient: &scan::Recipient,
    deliver: bool,
) -> DeliveredRecipient {
    let fields = scan.recipient_extensions(recipient);
    let history = fields.iter().find(|it| it.id == ExtensionId::Standard(REDIRECTION_HISTORY));
    DeliveredRecipient {
        number: recipient.originally_specified_number,
        name: Name::of(recipient.or_name.octets(apdu)),
        deliver,
        originator_report_request: match recipient.originator_report_request() {
            OriginatorReportRequest::NoReport => ReportRequest::NoReport,
            OriginatorReportRequest::NonDeliveryReport => ReportRequest::NonDeliveryReport,
            OriginatorReportRequest::Report => ReportRequest::Report,
        },
        originating_mta_report_request: match recipient.originating_mta_report_request() {
            OriginatingMtaReportRequest::NonDeliveryReport => ReportRequest::NonDeliveryReport,
            OriginatingMtaReportRequest::Report => ReportRequest::Report,
            OriginatingMtaReportRequest::AuditedReport => ReportRequest::AuditedReport,
        },
        // What cannot be read stands among the extensions all the same.
        redirection_history: history
            .and_then(|it| redirections(it.value.octets(apdu)).ok())
            .unwrap_or_default(),
        extensions: extensions(apdu, fields),
    }
}

/// RedirectionHistory: SEQUENCE OF SEQUENCE { SEQUENCE { O/R name, UTCTime }, reason }.
fn redirections(value: &[u8]) -> Result<Vec<Redirection>, ber::Error> {
    let mut reader = Reader::new(value);
    let mut all = Vec::new();
    if value.is_empty() {
        return Ok(all);
    }
    let header = reader.header()?;
    let history = reader.enter(&header)?;
    while let Some(header) = reader.next(&history)? {
        let redirection = reader.enter(&header)?;
        let header = reader.header()?;
        let intended = reader.enter(&header)?;
        let name = reader.take()?.span();
        let time = reader.header()?;
        let time = reader.primitive(&time)?;
        reader.leave(&intended)?;
        let reason = reader.header()?;
        let reason = reader.integer(&reason)?;
        reader.leave(&redirection)?;
        all.push(Redirection {
            intended_recipient: Name::of(name.octets(value)),
            redirection_time: wall_time(time).map(time_text).unwrap_or_default(),
            reason,
        });
    }
    Ok(all)
}

/// The trace of an APDU, with our domain's part where it came from another.
pub(super) fn trace(apdu: &[u8], scan: &Scan, place: &Place<'_>) -> Vec<TraceElement> {
    let mut elements: Vec<TraceElement> = scan
        .trace
        .iter()
        .map(|element| {
            let supplied = &element.supplied;
            let time = |span: ber::Span| wall_time(span.octets(apdu)).map(time_text);
            TraceElement {
                domain: domain(element.domain.octets(apdu)),
                arrival_time: time(supplied.arrival_time).unwrap_or_default(),
                routing_action: match supplied.routing_action {
                    RoutingAction::Relayed => "relayed",
                    RoutingAction::Rerouted => "rerouted",
                },
                deferred_time: supplied.deferred_time.and_then(time),
                redirected: supplied.other_actions & REDIRECTED != 0,
                dl_operation: supplied.other_actions & DL_OPERATION != 0,
            }
        })
        .collect();
    if !scan.trace.last().is_some_and(|last| place.domain.is_named_by(last.domain.octets(apdu))) {
        elements.push(TraceElement {
            domain: place.domain.to_string(),
            arrival_time: time_text(place.arrived),
            routing_action: "relayed",
            deferred_time: None,
            redirected: false,
            dl_operation: false,
        });
    }
    elements
}

/// Extension fields, each with its value as it stands. Internal trace is for MTAs, and left out.
pub(super) fn extensions(apdu: &[u8], fields: &[scan::Extension]) -> Vec<Extension> {
    let internal_trace = ExtensionId::Standard(scan::INTERNAL_TRACE_INFORMATION);
    let fields = fields.iter().filter(|field| field.id != internal_trace);
    fields
        .map(|field| {
            let criticality = field.criticality.0;
            let critical_for = CriticalFor::ALL.iter().filter(|(_, bit)| criticality & bit != 0);
            let (number, object_identifier) = match field.id {
                ExtensionId::Standard(number) => (Some(number), None),
                ExtensionId::Private(span) => (None, object_identifier_text(span.octets(apdu))),
            };
            Extension {
                number,
                object_identifier,
                name: number.and_then(extension_name).map(str::to_owned),
                criticality: critical_for.map(|(name, _)| *name).collect(),
                value: hexadecimal(field.value.octets(apdu)),
            }
        })
        .collect()
}

pub(super) fn identifier(apdu: &[u8], identifier: &scan::MtsIdentifier) -> MtsIdentifier {
    MtsIdentifier {
        domain: domain(identifier.domain.octets(apdu)),
        local: text(identifier.local_identifier.octets(apdu)),
    }
}

pub(super) fn domain(element: &[u8]) -> String {
    GlobalDomainIdentifier::decode(element).map(|domain| domain.to_string()).unwrap_or_default()
}

pub(super) fn content_type(apdu: &[u8], content_type: ContentType) -> ContentTypeName {
    match content_type {
        ContentType::BuiltIn(number) => ContentTypeName::BuiltIn(number),
        ContentType::Extended(span) => ContentTypeName::ObjectIdentifier(
            object_identifier_text(span.octets(apdu)).unwrap_or_default(),
        ),
    }
}

/// A whole UTCTime element.
fn time_value(element: &[u8]) -> Option<String> {
    let mut reader = Reader::new(element);
    let header = reader.header().ok().filter(|header| header.tag == Tag::UTC_TIME)?;
    wall_time(reader.primitive(&header).ok()?).map(time_text)
}

pub(super) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::write;
    use crate::p1::build::{MessageBuilder, RecipientFields, encode_standard_extension};
    use crate::p1::time::utc_time;
    use crate::p1::trace::{Supplied, encode_trace_element};

    const ARRIVED: WallTime = WallTime(1_795_477_237_000);

    fn apdu(indicators: u8) -> Vec<u8> {
        let domain: GlobalDomainIdentifier = "C=FR;A=OTHER".parse().unwrap();
        let mut trace = Vec::new();
        encode_trace_element(&domain, Supplied::relayed(ARRIVED), &mut trace);
        let mut extensions = Vec::new();
        let mut time = Vec::new();
        write::primitive(&mut time, Tag::UTC_TIME, &utc_time(ARRIVED));
        encode_standard_extension(LATEST_DELIVERY_TIME, 0x20, &time, &mut extensions);
        let mut history = Vec::new();
        write::constructed(&mut history, Tag::SEQUENCE, |out| {
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::constructed(out, Tag::SEQUENCE, |out| {
                    let before: crate::p1::or_address::OrAddress =
                        "C=GB;A=CARRIER;S=BEFORE".parse().unwrap();
                    before.encode(out);
                    out.extend_from_slice(&time);
                });
                write::integer(out, Tag::ENUMERATED, 1);
            });
        });
        let mut second = RecipientFields::from(
            "C=GB;A=CARRIER;S=SECOND".parse::<crate::p1::or_address::OrAddress>().unwrap(),
        );
        second.indicators = 0x90;
        encode_standard_extension(REDIRECTION_HISTORY, 0, &history, &mut second.extensions);
        let originator = "C=FR;A=OTHER;S=WRITER".parse().unwrap();
        let mut builder = MessageBuilder::new(domain, "LOCAL/1", originator, &trace);
        builder.per_message_indicators = indicators;
        builder.content_identifier = Some("one");
        builder.extensions = &extensions;
        builder.recipients.push(
            "C=GB;A=CARRIER;S=FIRST".parse::<crate::p1::or_address::OrAddress>().unwrap().into(),
        );
        builder.recipients.push(second);
        builder.content = b"content";
        builder.build()
    }

    #[test]
    fn an_envelope_says_what_the_apdu_says() {
        let apdu = apdu(0x80);
        let mut scan = Scan::new();
        scan::scan(&apdu, &mut scan).unwrap();
        let domain = "C=GB;A=CARRIER".parse().unwrap();
        let place = Place { domain: &domain, arrived: ARRIVED };
        let message = message(&apdu, &scan, &place, |index| index == 1);
        assert_eq!(message.mts_identifier.local, "LOCAL/1");
        assert_eq!(message.originator.address, "C=FR;A=OTHER;S=WRITER");
        assert_eq!(message.content_type, ContentTypeName::BuiltIn(22));
        assert_eq!(message.latest_delivery_time.as_deref(), Some("2026-11-23T23:40:37Z"));
        let domains: Vec<&str> = message.trace.iter().map(|it| it.domain.as_str()).collect();
        assert_eq!(domains, ["C=FR;A=OTHER", "C=GB;A=CARRIER"]);
        assert_eq!(message.extensions[0].name.as_deref(), Some("latest-delivery-time"));
        assert_eq!(message.extensions[0].criticality, [CriticalFor::Delivery]);
        let deliver: Vec<bool> = message.recipients.iter().map(|it| it.deliver).collect();
        assert_eq!(deliver, [false, true]);
        let second = &message.recipients[1];
        assert_eq!(second.originator_report_request, ReportRequest::Report);
        assert_eq!(
            second.redirection_history[0].intended_recipient.address,
            "C=GB;A=CARRIER;S=BEFORE"
        );
        assert_eq!(second.redirection_history[0].reason, 1);
    }

    #[test]
    fn other_recipients_are_named_only_where_they_may_be_disclosed() {
        let apdu = apdu(0);
        let mut scan = Scan::new();
        scan::scan(&apdu, &mut scan).unwrap();
        let domain = "C=FR;A=OTHER".parse().unwrap();
        let place = Place { domain: &domain, arrived: ARRIVED };
        let message = message(&apdu, &scan, &place, |index| index == 0);
        assert_eq!(message.recipients.len(), 1);
        assert_eq!(message.recipients[0].number, 1);
        assert_eq!(message.trace.len(), 1, "our own domain is not added twice");
    }
}
