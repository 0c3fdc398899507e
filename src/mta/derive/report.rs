//! Reports on recipients (X.411 14.4, report generation (unverified)).
//!
//! Who hears of what: of non-delivery the originating MTA always does, for its report request is at least
//! a non-delivery-report; of delivery only who asked (PerRecipientIndicators, MTAAbstractService). The
//! originator's request travels back in the indicators, by which his MTA decides whether he is told; of the
//! bits 0 to 2 a report's reader takes no notice (ibidem), so the indicators are copied whole.
//!
//! What of the subject is beside the point and cannot be read is left off: a report that says less is
//! better than none.

use std::borrow::Cow;

use super::{Acting, Derived, Verdict};
use crate::ber::{Length, Reader, Span};
use crate::mta::policy::Policy;
use crate::p1::Error;
use crate::p1::build::{ReportBuilder, ReportType, ReportedRecipient, encode_subject_fields};
use crate::p1::history;
use crate::p1::scan::{
    ApduKind, OriginatingMtaReportRequest, OriginatorReportRequest, Recipient, Scan,
};
use crate::p1::trace::{Supplied, encode_trace_element};

/// ub-supplementary-info-length.
const SUPPLEMENTARY_INFORMATION_SIZE_MAX: usize = 256;

/// Whether anybody wants to hear of a delivery to this recipient.
pub fn is_delivery_reported(recipient: &Recipient) -> bool {
    recipient.originator_report_request() == OriginatorReportRequest::Report
        || recipient.originating_mta_report_request()
            != OriginatingMtaReportRequest::NonDeliveryReport
}

/// Whether anybody wants to hear this of a recipient.
fn is_wanted(recipient: &Recipient, verdict: Verdict) -> bool {
    match verdict {
        Verdict::NonDelivery(_) => true,
        Verdict::Delivery { .. } => is_delivery_reported(recipient),
    }
}

/// Whether a report of this verdict returns the content, as far as is known without the content.
pub(super) fn returns_content(scan: &Scan, verdict: Verdict, policy: &Policy) -> bool {
    let fits = scan.content_header.is_some_and(|header| match header.length() {
        Length::Definite(size) => size as usize <= policy.returned_content_size_max,
        Length::Indefinite => policy.returned_content_size_max > 0,
    });
    scan.kind == ApduKind::Message
        && matches!(verdict, Verdict::NonDelivery(_))
        && scan.per_message_indicators.content_return_request()
        && fits
}

/// Makes one report on all these recipients, of whom somebody wants to hear, in `out`.
pub(super) fn derive(
    apdu: &[u8],
    scan: &Scan,
    recipients: &[u16],
    verdict: Verdict,
    acting: &Acting<'_>,
    out: &mut Vec<u8>,
) -> Result<Derived, Error> {
    let supplementary = printable(acting.supplementary_information);
    let mut is_audited = false;
    let mut reported = Vec::new();
    for index in recipients {
        let Some(recipient) = scan.recipients.get(usize::from(*index)) else { continue };
        if is_wanted(recipient, verdict) {
            is_audited |= recipient.originating_mta_report_request()
                == OriginatingMtaReportRequest::AuditedReport;
            reported.push(on_recipient(apdu, scan, recipient, verdict, acting, &supplementary));
        }
    }
    // There are no reports on reports either: a report has no recipients of its own.
    if reported.is_empty() {
        return Ok(Derived::Nothing);
    }
    let mut trace = Vec::new();
    encode_trace_element(acting.domain, Supplied::relayed(acting.now), &mut trace);
    let subject_trace = is_audited.then(|| subject_trace(apdu, scan, acting));
    let mut subject_fields = Vec::new();
    encode_subject_fields(apdu, scan, &mut subject_fields)?;
    let expansions = Expansions::of(apdu, scan);
    let returned = match returns_content(scan, verdict, acting.policy) {
        true => returned_content(apdu, scan, acting.policy),
        false => None,
    };
    ReportBuilder {
        domain: acting.domain.clone(),
        local_identifier: acting.local_identifier,
        report_destination_name: expansions.last_list.unwrap_or(scan.originator).octets(apdu),
        trace: &trace,
        extensions: &envelope_extensions(apdu, scan, &expansions),
        subject_identifier: scan.mts_identifier.element.octets(apdu),
        subject_intermediate_trace: subject_trace.as_deref(),
        content_type: None,
        content_identifier: None,
        subject_fields: &subject_fields,
        returned_content: returned.as_deref(),
        content_extensions: history::find(&scan.extensions, history::CONTENT_CORRELATOR)
            .map_or(&[], |extension| extension.field.octets(apdu)),
        recipients: reported,
    }
    .build_into(out);
    Ok(Derived::Whole)
}

fn on_recipient<'a>(
    apdu: &'a [u8],
    scan: &Scan,
    recipient: &Recipient,
    verdict: Verdict,
    acting: &Acting<'_>,
    supplementary: &'a str,
) -> ReportedRecipient<'a> {
    let extensions = scan.recipient_extensions(recipient);
    let redirections = history::find(extensions, history::REDIRECTION_HISTORY).and_then(|found| {
        let first = history::redirections(apdu, found.value).next()?.ok()?;
        Some((found.field.octets(apdu), first.intended_recipient.octets(apdu)))
    });
    let (report_type, words) = match verdict {
        Verdict::Delivery { at, type_of_mts_user } => {
            let type_of_mts_user = i64::from(type_of_mts_user);
            (ReportType::Delivery { message_delivery_time: at, type_of_mts_user }, None)
        }
        Verdict::NonDelivery(why) => {
            let (reason, diagnostic) = (why.reason, why.diagnostic);
            (ReportType::NonDelivery { reason, diagnostic }, why.words())
        }
    };
    ReportedRecipient {
        actual_recipient_name: recipient.or_name.octets(apdu),
        originally_specified_number: recipient.originally_specified_number,
        indicators: recipient.indicators,
        arrival_time: acting.arrived,
        report_type,
        originally_intended_recipient_name: redirections.map(|(_, intended)| intended),
        supplementary_information: Some(supplementary).filter(|said| !said.is_empty()).or(words),
        extensions: redirections.map_or(&[], |(field, _)| field),
    }
}

/// As many of the words as supplementary-information takes, as a PrintableString (X.680).
fn printable(words: &str) -> String {
    let is_printable =
        |character: char| character.is_ascii_alphanumeric() || " '()+,-./:=?".contains(character);
    words
        .chars()
        .take(SUPPLEMENTARY_INFORMATION_SIZE_MAX)
        .map(|character| if is_printable(character) { character } else { '?' })
        .collect()
}

/// Where a message was expanded.
struct Expansions {
    /// The encoded entries of its dl-expansion-history, and the O/R name of the last.
    entries: Span,
    last_list: Option<Span>,
}

impl Expansions {
    fn of(apdu: &[u8], scan: &Scan) -> Expansions {
        let found = history::find(&scan.extensions, history::DL_EXPANSION_HISTORY);
        let read = found.and_then(|found| {
            let last = history::names(apdu, found.value).last()?.ok()?;
            Some((history::entries(apdu, found.value).ok()?, last))
        });
        match read {
            Some((entries, last)) => Expansions { entries, last_list: Some(last) },
            None => Expansions { entries: Span::default(), last_list: None },
        }
    }
}

/// The subject's message-security-label, and through which lists it came: the originator first, with the
/// time at which the message entered the MTS, then the lists as in its dl-expansion-history.
fn envelope_extensions(apdu: &[u8], scan: &Scan, expansions: &Expansions) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(label) = history::find(&scan.extensions, history::MESSAGE_SECURITY_LABEL) {
        out.extend_from_slice(label.field.octets(apdu));
    }
    if expansions.last_list.is_some() {
        let mut entries = Vec::new();
        let submitted = scan.trace.first().map(|first| first.supplied.arrival_time);
        let submitted = submitted.unwrap_or_default().octets(apdu);
        history::encode_entry(scan.originator.octets(apdu), submitted, &mut entries);
        entries.extend_from_slice(expansions.entries.octets(apdu));
        let number = history::ORIGINATOR_AND_DL_EXPANSION_HISTORY;
        history::encode_field(number, &entries, &mut out);
    }
    out
}

/// The subject's trace, with the element that we would add if we sent it on.
fn subject_trace(apdu: &[u8], scan: &Scan, acting: &Acting<'_>) -> Vec<u8> {
    let mut elements = scan.trace_information.content.octets(apdu).to_vec();
    let last = scan.trace.last();
    if !last.is_some_and(|last| acting.domain.is_named_by(last.domain.octets(apdu))) {
        encode_trace_element(acting.domain, Supplied::relayed(acting.arrived), &mut elements);
    }
    elements
}

/// The subject's content, its segments joined, when it is there whole and may be returned.
fn returned_content<'a>(apdu: &'a [u8], scan: &Scan, policy: &Policy) -> Option<Cow<'a, [u8]>> {
    let start = scan.content_header?.start;
    let mut reader = Reader::over_span(apdu, Span::new(start, u32::MAX));
    let header = reader.header().ok()?;
    let content = if header.is_constructed() {
        let mut octets = Vec::new();
        reader.string_into(&header, &mut octets).ok()?;
        Cow::Owned(octets)
    } else {
        Cow::Borrowed(reader.primitive(&header).ok()?)
    };
    (content.len() <= policy.returned_content_size_max).then_some(content)
}
