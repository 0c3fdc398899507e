//! From a report to the JSON envelope that is handed out (ReportTransferContent, MTAAbstractService; the
//! report delivery of X.411 8.3.1.2 (unverified)).

use super::describe::{Place, content_type, domain, extensions, identifier, text, trace};
use super::envelope::{
    ContentTypeName, DeliveredReport, MtsIdentifier, Name, Outcome, ReportedRecipient, VERSION,
    time_text,
};
use crate::ber::{self, Header, Reader, Span, Tag};
use crate::decode::report_words;
use crate::p1::scan::{ContentType, Scan};
use crate::p1::time::wall_time;

// ReportTransferContent
const SUBJECT_IDENTIFIER: Tag = Tag::application(4);
const BUILT_IN_CONTENT_TYPE: Tag = Tag::application(6);
const CONTENT_IDENTIFIER: Tag = Tag::application(10);
const REPORTED_RECIPIENTS: Tag = Tag::context(0);
const RETURNED_CONTENT: Tag = Tag::context(1);
// PerRecipientReportTransferFields
const ACTUAL_RECIPIENT_NAME: Tag = Tag::context(0);
const REPORTED_RECIPIENT_NUMBER: Tag = Tag::context(1);
const LAST_TRACE_INFORMATION: Tag = Tag::context(3);
const ORIGINALLY_INTENDED_RECIPIENT_NAME: Tag = Tag::context(4);
const SUPPLEMENTARY_INFORMATION: Tag = Tag::context(5);
// LastTraceInformation, ReportType, DeliveryReport, NonDeliveryReport
const ARRIVAL_TIME: Tag = Tag::context(0);
const REPORT_TYPE: Tag = Tag::context(1);
const DELIVERY: Tag = Tag::context(0);
const MESSAGE_DELIVERY_TIME: Tag = Tag::context(0);
const TYPE_OF_MTS_USER: Tag = Tag::context(1);
const REASON_CODE: Tag = Tag::context(0);
const DIAGNOSTIC_CODE: Tag = Tag::context(1);
/// TypeOfMTSUser's default, public.
const PUBLIC: i64 = 0;
/// The identifier octet of an O/R name, `[APPLICATION 0]`.
const OR_NAME: u8 = 0x60;

/// The envelope of a report, without the file of a returned content, and that content.
///
/// # Errors
/// Where the report content is malformed.
pub fn report(
    apdu: &[u8],
    scan: &Scan,
    place: &Place<'_>,
) -> Result<(DeliveredReport, Option<Vec<u8>>), ber::Error> {
    let mut report = DeliveredReport {
        version: VERSION,
        kind: "report",
        mts_identifier: identifier(apdu, &scan.mts_identifier),
        destination: Name::of(scan.report_destination_name.octets(apdu)),
        subject_identifier: MtsIdentifier { domain: String::new(), local: String::new() },
        content_type: None,
        content_identifier: None,
        arrival_time: time_text(place.arrived),
        trace: trace(apdu, scan, place),
        extensions: extensions(apdu, &scan.extensions),
        recipients: Vec::new(),
        content: None,
    };
    let mut returned = None;
    let mut reader = Reader::over_span(apdu, scan.content.unwrap_or_default());
    let header = reader.header()?;
    let scope = reader.enter(&header)?;
    while let Some(field) = reader.next(&scope)? {
        match field.tag {
            SUBJECT_IDENTIFIER => report.subject_identifier = subject(&mut reader, &field, apdu)?,
            BUILT_IN_CONTENT_TYPE => {
                report.content_type = Some(ContentTypeName::BuiltIn(reader.integer(&field)?));
            }
            Tag::OBJECT_IDENTIFIER => {
                let span = reader.primitive_span(&field)?;
                report.content_type = Some(content_type(apdu, ContentType::Extended(span)));
            }
            CONTENT_IDENTIFIER => {
                report.content_identifier = Some(text(reader.skip(&field)?.content.octets(apdu)));
            }
            RETURNED_CONTENT => {
                let mut octets = Vec::new();
                reader.string_into(&field, &mut octets)?;
                returned = Some(octets);
            }
            REPORTED_RECIPIENTS => {
                let list = reader.enter(&field)?;
                while let Some(field) = reader.next(&list)? {
                    let recipient = recipient(&mut reader, &field, apdu)?;
                    report.recipients.push(recipient);
                }
            }
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    Ok((report, returned))
}

fn subject(
    reader: &mut Reader<'_>,
    header: &Header,
    apdu: &[u8],
) -> Result<MtsIdentifier, ber::Error> {
    let scope = reader.enter(header)?;
    let mut identifier = MtsIdentifier { domain: String::new(), local: String::new() };
    while let Some(field) = reader.next(&scope)? {
        let element = reader.skip(&field)?;
        match field.tag {
            Tag::IA5_STRING => identifier.local = text(element.content.octets(apdu)),
            _ => identifier.domain = domain(element.span().octets(apdu)),
        }
    }
    Ok(identifier)
}

fn recipient(
    reader: &mut Reader<'_>,
    header: &Header,
    apdu: &[u8],
) -> Result<ReportedRecipient, ber::Error> {
    let scope = reader.enter(header)?;
    let mut recipient = ReportedRecipient {
        number: 0,
        name: Name { address: String::new(), or_name: String::new() },
        originally_intended_recipient: None,
        arrival_time: String::new(),
        outcome: Outcome::NotDelivered {
            reason: 0,
            diagnostic: None,
            words: report_words(0, None),
        },
        supplementary_information: None,
    };
    while let Some(field) = reader.next(&scope)? {
        match field.tag {
            ACTUAL_RECIPIENT_NAME => recipient.name = name(reader.skip(&field)?.span(), apdu),
            REPORTED_RECIPIENT_NUMBER => {
                recipient.number = u32::try_from(reader.integer(&field)?).unwrap_or(0);
            }
            LAST_TRACE_INFORMATION => {
                let last = reader.enter(&field)?;
                while let Some(field) = reader.next(&last)? {
                    match field.tag {
                        ARRIVAL_TIME => {
                            let time = wall_time(reader.primitive(&field)?);
                            recipient.arrival_time = time.map(time_text).unwrap_or_default();
                        }
                        REPORT_TYPE => {
                            let choice = reader.enter(&field)?;
                            let report_type = reader.header()?;
                            recipient.outcome = outcome(reader, &report_type)?;
                            reader.leave(&choice)?;
                        }
                        _ => {
                            reader.skip(&field)?;
                        }
                    }
                }
            }
            ORIGINALLY_INTENDED_RECIPIENT_NAME => {
                recipient.originally_intended_recipient =
                    Some(name(reader.skip(&field)?.span(), apdu));
            }
            SUPPLEMENTARY_INFORMATION => {
                let words = reader.skip(&field)?.content.octets(apdu);
                recipient.supplementary_information = Some(text(words));
            }
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    Ok(recipient)
}

fn outcome(reader: &mut Reader<'_>, header: &Header) -> Result<Outcome, ber::Error> {
    let scope = reader.enter(header)?;
    let delivered = header.tag == DELIVERY;
    let (mut time, mut user, mut reason, mut diagnostic) = (String::new(), PUBLIC, 0, None);
    while let Some(field) = reader.next(&scope)? {
        match (field.tag, delivered) {
            (MESSAGE_DELIVERY_TIME, true) => {
                time = wall_time(reader.primitive(&field)?).map(time_text).unwrap_or_default();
            }
            (TYPE_OF_MTS_USER, true) => user = reader.integer(&field)?,
            (REASON_CODE, false) => reason = reader.integer(&field)?,
            (DIAGNOSTIC_CODE, false) => diagnostic = Some(reader.integer(&field)?),
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    Ok(match delivered {
        true => Outcome::Delivered { message_delivery_time: time, type_of_mts_user: user },
        false => {
            Outcome::NotDelivered { reason, diagnostic, words: report_words(reason, diagnostic) }
        }
    })
}

/// An O/R name under an implicit tag of one octet.
fn name(span: Span, apdu: &[u8]) -> Name {
    let mut element = span.octets(apdu).to_vec();
    if let Some(identifier) = element.first_mut() {
        *identifier = OR_NAME;
    }
    Name::of(&element)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::WallTime;
    use crate::p1::build::{self, ReportBuilder, ReportType};
    use crate::p1::domain::GlobalDomainIdentifier;
    use crate::p1::or_address::OrAddress;
    use crate::p1::scan::scan;
    use crate::p1::trace::{Supplied, encode_trace_element};

    const TIME: WallTime = WallTime(1_795_477_237_000);

    #[test]
    fn a_report_says_what_became_of_each_recipient_and_returns_the_content() {
        let domain: GlobalDomainIdentifier = "C=FR;A=OTHER".parse().unwrap();
        let name = |text: &str| {
            let mut octets = Vec::new();
            text.parse::<OrAddress>().unwrap().encode(&mut octets);
            octets
        };
        let (mut trace, mut subject) = (Vec::new(), Vec::new());
        encode_trace_element(&domain, Supplied::relayed(TIME), &mut trace);
        build::encode_mts_identifier(&domain, "SUBJECT", &mut subject);
        let recipients = [name("C=FR;A=OTHER;S=A"), name("C=FR;A=OTHER;S=B")];
        let recipient = |number: usize, report_type| build::ReportedRecipient {
            extensions: &[],
            actual_recipient_name: &recipients[number - 1],
            originally_specified_number: number as u32,
            indicators: 0xa8,
            arrival_time: TIME,
            report_type,
            originally_intended_recipient_name: (number == 2).then_some(&recipients[0][..]),
            supplementary_information: (number == 2).then_some("no such user"),
        };
        let apdu = ReportBuilder {
            subject_fields: &[],
            domain: domain.clone(),
            local_identifier: "REPORT",
            report_destination_name: &name("C=GB;A=CARRIER;S=WRITER"),
            trace: &trace,
            extensions: &[],
            subject_identifier: &subject,
            subject_intermediate_trace: None,
            content_type: Some(22),
            content_identifier: Some(b"one"),
            returned_content: Some(b"returned"),
            content_extensions: &[],
            recipients: vec![
                recipient(
                    1,
                    ReportType::Delivery { message_delivery_time: TIME, type_of_mts_user: 1 },
                ),
                recipient(2, ReportType::NonDelivery { reason: 1, diagnostic: Some(0) }),
            ],
        }
        .build();
        let mut scanned = Scan::new();
        scan(&apdu, &mut scanned).unwrap();
        let place = Place { domain: &domain, arrived: TIME };
        let (report, returned) = report(&apdu, &scanned, &place).unwrap();
        assert_eq!(returned.as_deref(), Some(&b"returned"[..]));
        assert_eq!(report.subject_identifier.local, "SUBJECT");
        assert_eq!(report.subject_identifier.domain, "C=FR;A=OTHER");
        assert_eq!(report.content_identifier.as_deref(), Some("one"));
        assert_eq!(report.destination.address, "C=GB;A=CARRIER;S=WRITER");
        let json = serde_json::to_value(&report).unwrap();
        let recipients = &json["recipients"];
        assert_eq!(recipients[0]["delivered"]["message_delivery_time"], "2026-11-23T23:40:37Z");
        assert_eq!(recipients[0]["address"], "C=FR;A=OTHER;S=A");
        assert_eq!(recipients[1]["not_delivered"]["diagnostic"], 0);
        let words = recipients[1]["not_delivered"]["words"].as_str().unwrap();
        assert!(words.contains("unable-to-transfer") && words.contains("unrecognised-OR-name"));
        assert_eq!(recipients[1]["supplementary_information"], "no such user");
        assert_eq!(recipients[1]["originally_intended_recipient"]["address"], "C=FR;A=OTHER;S=A");
        for size in 0..apdu.len() {
            let span = Span::new(scanned.content.unwrap().start, size as u32);
            let cut = Scan { content: Some(span), ..scanned.clone() };
            // Whatever is cut off, nothing panics.
            let _ = super::report(&apdu[..size], &cut, &place);
        }
    }
}
