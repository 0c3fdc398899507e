//! Per-recipient fields of messages and probes (PerRecipientMessageTransferFields,
//! PerRecipientProbeTransferFields: the same but for what their extensions may hold).

use super::{RECIPIENT_COUNT_MAX, Scan, Seen, extension, invalid, or_name};
use crate::ber::{Header, Reader, Span, Tag};
use crate::p1::{Error, tag};

/// Whether whoever receives the APDU shall act for a recipient (per-recipient-indicators bit 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Responsibility {
    /// The receiver answers for the recipient.
    Responsible,
    /// Someone else does; the recipient is only named.
    NotResponsible,
}

/// What the originator wants to hear (per-recipient-indicators bits 3 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OriginatorReportRequest {
    /// Neither bit.
    NoReport,
    /// Bit 4 alone: of non-delivery only.
    NonDeliveryReport,
    /// Bit 3: of delivery and non-delivery.
    Report,
}

/// What the originating MTA wants to hear (per-recipient-indicators bits 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OriginatingMtaReportRequest {
    /// Bit 2 alone, or neither, which X.411 does not allow: of non-delivery only.
    NonDeliveryReport,
    /// Bit 1 alone: of delivery and non-delivery.
    Report,
    /// Both bits: with all particulars.
    AuditedReport,
}

/// One recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// The whole SET of this recipient's fields.
    pub field: Span,
    /// Recipient-name, a whole O/R name element; for `or_address::attributes`.
    pub or_name: Span,
    /// Originally-specified-recipient-number, from 1 to 32,767.
    pub originally_specified_number: u32,
    /// Per-recipient-indicators bits 0 to 7, bit 0 the most significant.
    pub indicators: u8,
    /// Offset of the octet that holds those bits.
    pub indicators_offset: u32,
    /// Explicit-conversion, when it is there.
    pub explicit_conversion: Option<i64>,
    /// Indices into `Scan::all_recipient_extensions`; see `Scan::recipient_extensions`.
    pub extensions: Span,
}

impl Recipient {
    /// Bit 0.
    pub const fn responsibility(&self) -> Responsibility {
        if self.indicators & 0x80 != 0 {
            Responsibility::Responsible
        } else {
            Responsibility::NotResponsible
        }
    }

    /// Bits 1 and 2.
    pub const fn originating_mta_report_request(&self) -> OriginatingMtaReportRequest {
        match self.indicators & 0x60 {
            0x60 => OriginatingMtaReportRequest::AuditedReport,
            0x40 => OriginatingMtaReportRequest::Report,
            _ => OriginatingMtaReportRequest::NonDeliveryReport,
        }
    }

    /// Bits 3 and 4.
    pub const fn originator_report_request(&self) -> OriginatorReportRequest {
        match self.indicators & 0x18 {
            0x00 => OriginatorReportRequest::NoReport,
            0x08 => OriginatorReportRequest::NonDeliveryReport,
            _ => OriginatorReportRequest::Report,
        }
    }
}

const NAME: u32 = 1;
const NUMBER: u32 = 2;
const INDICATORS: u32 = 4;
const CONVERSION: u32 = 8;
const EXTENSIONS: u32 = 16;

pub(super) fn all(reader: &mut Reader<'_>, header: &Header, scan: &mut Scan) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(field) = reader.next(&scope)? {
        super::expect(&field, Tag::SET)?;
        if scan.recipients.len() == RECIPIENT_COUNT_MAX {
            return Err(Error::TooMany {
                offset: field.start,
                field: "per-recipient-fields",
                maximum: RECIPIENT_COUNT_MAX,
            });
        }
        let recipient = one(reader, &field, scan)?;
        scan.recipients.push(recipient);
    }
    if scan.recipients.is_empty() {
        return Err(invalid(header, "per-recipient-fields"));
    }
    Ok(())
}

fn one(reader: &mut Reader<'_>, header: &Header, scan: &mut Scan) -> Result<Recipient, Error> {
    let scope = reader.enter(header)?;
    let mut seen = Seen::default();
    let extensions_start = scan.all_recipient_extensions.len() as u32;
    let mut recipient = Recipient {
        field: Span::default(),
        or_name: Span::default(),
        originally_specified_number: 0,
        indicators: 0,
        indicators_offset: 0,
        explicit_conversion: None,
        extensions: Span::default(),
    };
    while let Some(field) = reader.next(&scope)? {
        match field.tag {
            tag::OR_NAME => {
                seen.once(NAME, &field, "recipient-name")?;
                recipient.or_name = or_name(reader, &field)?;
            }
            tag::ORIGINALLY_SPECIFIED_RECIPIENT_NUMBER => {
                seen.once(NUMBER, &field, "originally-specified-recipient-number")?;
                let number = reader.integer(&field)?;
                recipient.originally_specified_number = u32::try_from(number)
                    .ok()
                    .filter(|number| (1..=32_767).contains(number))
                    .ok_or_else(|| invalid(&field, "originally-specified-recipient-number"))?;
            }
            tag::PER_RECIPIENT_INDICATORS => {
                seen.once(INDICATORS, &field, "per-recipient-indicators")?;
                // SIZE (8..ub-bit-options): there are bits, and so an octet that holds responsibility.
                (recipient.indicators, recipient.indicators_offset) = reader
                    .leading_bits(&field)?
                    .ok_or_else(|| invalid(&field, "per-recipient-indicators"))?;
            }
            tag::EXPLICIT_CONVERSION => {
                seen.once(CONVERSION, &field, "explicit-conversion")?;
                recipient.explicit_conversion = Some(reader.integer(&field)?);
            }
            tag::RECIPIENT_EXTENSIONS => {
                seen.once(EXTENSIONS, &field, "extensions")?;
                extension::all(reader, &field, &mut scan.all_recipient_extensions)?;
            }
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    recipient.field = reader.element(&scope).span();
    recipient.extensions = Span::new(extensions_start, scan.all_recipient_extensions.len() as u32);
    seen.require(NAME, header, "recipient-name")?;
    seen.require(NUMBER, header, "originally-specified-recipient-number")?;
    seen.require(INDICATORS, header, "per-recipient-indicators")?;
    Ok(recipient)
}
