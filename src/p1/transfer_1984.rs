//! MTS-APDUs in the forms of 1984, for a load generator that plays such a partner (X.411 (1984) UserMPDU,
//! ProbeMPDU, DeliveryReportMPDU).
//!
//! The two editions share their tags, and what both know is encoded alike: 1984's form of an APDU is the one
//! of 1988 without what 1984 does not know. So the builders of [`build`](super::build) serve both, and here
//! is refused what cannot be said.

use super::build::{MessageBuilder, ProbeBuilder, RecipientFields, ReportBuilder, ReportType};
use super::or_address::OrAddress;

/// The content type of 1984, interpersonal messaging.
pub const CONTENT_TYPE_P2: i64 = 2;

/// Something that cannot be said in 1984.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be said in X.411 (1984)")]
pub struct NotIn1984 {
    /// What it is.
    pub field: &'static str,
}

impl MessageBuilder<'_> {
    /// The whole UserMPDU.
    pub fn build_1984(&self) -> Result<Vec<u8>, NotIn1984> {
        content_type(Some(self.content_type))?;
        per_message_flag(self.per_message_indicators)?;
        extensions(self.extensions)?;
        or_name(&self.originator)?;
        self.recipients.iter().try_for_each(recipient)?;
        Ok(self.build())
    }
}

impl ProbeBuilder<'_> {
    /// The whole ProbeMPDU.
    pub fn build_1984(&self) -> Result<Vec<u8>, NotIn1984> {
        content_type(Some(self.content_type))?;
        per_message_flag(self.per_message_indicators)?;
        extensions(self.extensions)?;
        or_name(&self.originator)?;
        self.recipients.iter().try_for_each(recipient)?;
        Ok(self.build())
    }
}

impl ReportBuilder<'_> {
    /// The whole DeliveryReportMPDU. The O/R names are taken as they stand.
    pub fn build_1984(&self) -> Result<Vec<u8>, NotIn1984> {
        if self.content_type.is_some() {
            return Err(NotIn1984 { field: "a report's content type" });
        }
        extensions(self.extensions)?;
        extensions(self.content_extensions)?;
        for recipient in &self.recipients {
            let said = match recipient.report_type {
                ReportType::Delivery { type_of_mts_user, .. } => {
                    // public, private
                    (0..=1).contains(&type_of_mts_user)
                }
                ReportType::NonDelivery { reason, diagnostic } => {
                    // Up to conversionNotPerformed and invalidParameters.
                    (0..=2).contains(&reason)
                        && diagnostic.is_none_or(|diagnostic| (0..=11).contains(&diagnostic))
                }
            };
            if !said {
                return Err(NotIn1984 { field: "a later report code" });
            }
        }
        Ok(self.build())
    }
}

fn content_type(number: Option<i64>) -> Result<(), NotIn1984> {
    match number {
        Some(CONTENT_TYPE_P2) => Ok(()),
        _ => Err(NotIn1984 { field: "a content type other than P2" }),
    }
}

/// PerMessageFlag has bits 0 to 3.
fn per_message_flag(indicators: u8) -> Result<(), NotIn1984> {
    if indicators & 0x0f != 0 {
        return Err(NotIn1984 { field: "a later per-message indicator" });
    }
    Ok(())
}

fn extensions(fields: &[u8]) -> Result<(), NotIn1984> {
    if !fields.is_empty() {
        return Err(NotIn1984 { field: "an extension" });
    }
    Ok(())
}

fn recipient(fields: &RecipientFields) -> Result<(), NotIn1984> {
    extensions(&fields.extensions)?;
    or_name(&fields.or_address)
}

fn or_name(address: &OrAddress) -> Result<(), NotIn1984> {
    if address.has_extension_attributes() {
        return Err(NotIn1984 { field: "an extension attribute" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::WallTime;
    use crate::p1::build::encode_mts_identifier;
    use crate::p1::domain::GlobalDomainIdentifier;
    use crate::p1::or_address::AttributeKind;
    use crate::p1::trace::{Supplied, encode_trace_element};

    fn domain() -> GlobalDomainIdentifier {
        "C=GB;A=X;P=Y".parse().unwrap()
    }

    fn trace() -> Vec<u8> {
        let mut trace = Vec::new();
        encode_trace_element(&domain(), Supplied::relayed(WallTime(0)), &mut trace);
        trace
    }

    #[test]
    fn what_1984_does_not_know_is_refused() {
        let trace = trace();
        let originator: OrAddress = "C=GB;A=X;P=Y;S=A".parse().unwrap();
        let mut message = MessageBuilder::new(domain(), "1", originator.clone(), &trace);
        message.recipients = vec![originator.into()];
        let refused = |message: &MessageBuilder<'_>| message.build_1984().unwrap_err().field;
        assert_eq!(refused(&message), "a content type other than P2");
        message.content_type = CONTENT_TYPE_P2;
        assert_eq!(message.build_1984().unwrap(), message.build());
        message.per_message_indicators = 0x08;
        assert_eq!(refused(&message), "a later per-message indicator");
        message.per_message_indicators = 0x80;
        message.recipients[0].or_address.set(AttributeKind::CommonName, "n");
        assert_eq!(refused(&message), "an extension attribute");
        message.recipients[0].or_address.remove(AttributeKind::CommonName);
        message.recipients[0].extensions = vec![0];
        assert_eq!(refused(&message), "an extension");
    }

    #[test]
    fn a_report_has_neither_content_type_nor_later_codes() {
        let trace = trace();
        let mut name = Vec::new();
        "C=GB;A=X;P=Y;S=A".parse::<OrAddress>().unwrap().encode(&mut name);
        let mut subject = Vec::new();
        encode_mts_identifier(&domain(), "2", &mut subject);
        let report = |content_type, diagnostic| {
            ReportBuilder {
                domain: domain(),
                local_identifier: "1",
                report_destination_name: &name,
                trace: &trace,
                extensions: &[],
                subject_identifier: &subject,
                subject_intermediate_trace: None,
                content_type,
                content_identifier: None,
                subject_fields: &[],
                returned_content: None,
                content_extensions: &[],
                recipients: vec![crate::p1::build::ReportedRecipient {
                    actual_recipient_name: &name,
                    originally_specified_number: 1,
                    indicators: 0x88,
                    arrival_time: WallTime(0),
                    report_type: ReportType::NonDelivery { reason: 1, diagnostic },
                    originally_intended_recipient_name: None,
                    supplementary_information: None,
                    extensions: &[],
                }],
            }
            .build_1984()
        };
        assert!(report(None, Some(11)).is_ok());
        assert!(report(None, None).is_ok());
        assert!(report(None, Some(47)).is_err());
        assert!(report(Some(2), Some(0)).is_err());
    }
}
