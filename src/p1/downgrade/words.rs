//! Rows in words: the lines of a preview of what a message would lose.

use std::fmt;

use super::rule::{Change, Detail, Effect, Place, Rule};
use crate::p1::scan::ExtensionId;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |index: u16| u32::from(index) + 1;
        match *self {
            Place::Envelope => f.write_str("envelope"),
            Place::Originator => f.write_str("originator"),
            Place::Recipient(index) => write!(f, "recipient {}", number(index)),
            Place::Trace(index) => write!(f, "trace element {}", number(index)),
            Place::ReportDestination => f.write_str("report destination"),
            Place::ReportContent => f.write_str("report content"),
            Place::SubjectTrace(index) => write!(f, "subject's trace element {}", number(index)),
            Place::ReportedRecipient(index) => write!(f, "reported recipient {}", number(index)),
        }
    }
}

/// `recipient 2: common name goes to domain-defined attribute Common`; what is refused says so at its end.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (self.rule, self.detail) {
            (Rule::Extension, Detail::Extension(id)) => {
                write!(f, "extension {} is taken off", Name(id))
            }
            (Rule::CriticalExtension, Detail::Extension(id)) => {
                write!(f, "extension {} is critical", Name(id))
            }
            (Rule::AttributeVariant, Detail::Attribute(number)) => {
                write!(
                    f,
                    "{} is taken off, its printable form stays",
                    attribute_name(number).unwrap_or("an attribute")
                )
            }
            (Rule::Attribute, Detail::Attribute(number)) => match attribute_name(number) {
                Some(name) => write!(f, "{name} has no counterpart"),
                None => write!(f, "extension attribute {number} has no counterpart"),
            },
            (Rule::ReportedAttribute, Detail::Attribute(number)) => match attribute_name(number) {
                Some(name) => write!(f, "{name} is taken off"),
                None => write!(f, "extension attribute {number} is taken off"),
            },
            (Rule::Content, Detail::Content(what)) => {
                write!(f, "the content would need conversion: {what}")
            }
            (Rule::ExplicitConversion, Detail::Codes { from, .. }) => {
                write!(f, "explicit conversion {from} cannot be asked for")
            }
            (Rule::Reason, Detail::Codes { from, to: Some(to) }) => {
                write!(f, "non-delivery reason {from} becomes {to}")
            }
            (Rule::Diagnostic, Detail::Codes { from, to: Some(to) }) => {
                write!(f, "non-delivery diagnostic {from} becomes {to}")
            }
            (Rule::TypeOfMtsUser, Detail::Codes { from, .. }) => {
                write!(f, "type of user {from} is left out")
            }
            (rule, _) => f.write_str(words(rule)),
        }?;
        match (self.rule.effect(), self.place) {
            (Effect::Refused, Place::Recipient(_)) => f.write_str("; the recipient is reported"),
            (Effect::Refused, Place::ReportDestination) => f.write_str("; the report is discarded"),
            (Effect::Refused, _) => f.write_str("; every recipient is reported"),
            _ => Ok(()),
        }
    }
}

const fn words(rule: Rule) -> &'static str {
    match rule {
        Rule::InternalTrace => "internal trace is taken off",
        Rule::Extension => "extensions are taken off",
        Rule::CriticalExtension => "an extension is critical",
        Rule::OtherActions => "other actions (redirection, list expansion) are taken off",
        Rule::ExtendedEncodedInformationTypes => {
            "extended encoded information types become \"undefined\""
        }
        Rule::DirectoryName => "directory name is taken off",
        Rule::DirectoryNameAlone => "there is a directory name and no address",
        Rule::CommonName => "common name goes to domain-defined attribute Common",
        Rule::AttributeVariant => "an attribute is taken off, its printable form stays",
        Rule::Attribute => "an extension attribute has no counterpart",
        Rule::ReportedAttribute => "an extension attribute is taken off",
        Rule::RecipientName => "the recipient is not named to the others",
        Rule::PerMessageIndicators => "later per-message indicators are cleared",
        Rule::PrivateDomainBilateralInformation => {
            "bilateral information for a private domain is taken off"
        }
        Rule::ContentType => "content type P22 becomes P2, the content stays",
        Rule::Content => "the content would need conversion",
        Rule::ExtendedContentType => "the content type is an object identifier",
        Rule::ExplicitConversion => "the explicit conversion cannot be asked for",
        Rule::ReportContentType => "content type is taken off",
        Rule::ReportEncodedInformationTypes => "original encoded information types are taken off",
        Rule::Reason => "a later non-delivery reason becomes one of 1984",
        Rule::Diagnostic => "a later non-delivery diagnostic becomes one of 1984",
        Rule::TypeOfMtsUser => "a later type of user is left out",
        Rule::SupplementaryInformation => "supplementary information is cut to 64 characters",
    }
}

/// An extension's name in the Recommendation, or its number.
struct Name(ExtensionId);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ExtensionId::Private(_) => f.write_str("of a private type"),
            ExtensionId::Standard(number) => {
                let name = usize::try_from(number - 1).ok().and_then(|index| EXTENSIONS.get(index));
                match name {
                    Some(name) => write!(f, "{name} ({number})"),
                    None => write!(f, "{number}"),
                }
            }
        }
    }
}

/// StandardExtension, from 1.
const EXTENSIONS: [&str; 45] = [
    "recipient-reassignment-prohibited",
    "originator-requested-alternate-recipient",
    "dl-expansion-prohibited",
    "conversion-with-loss-prohibited",
    "latest-delivery-time",
    "requested-delivery-method",
    "physical-forwarding-prohibited",
    "physical-forwarding-address-request",
    "physical-delivery-modes",
    "registered-mail-type",
    "recipient-number-for-advice",
    "physical-rendition-attributes",
    "originator-return-address",
    "physical-delivery-report-request",
    "originator-certificate",
    "message-token",
    "content-confidentiality-algorithm-identifier",
    "content-integrity-check",
    "message-origin-authentication-check",
    "message-security-label",
    "proof-of-submission-request",
    "proof-of-delivery-request",
    "content-correlator",
    "probe-origin-authentication-check",
    "redirection-history",
    "dl-expansion-history",
    "physical-forwarding-address",
    "recipient-certificate",
    "proof-of-delivery",
    "originator-and-DL-expansion-history",
    "reporting-DL-name",
    "reporting-MTA-certificate",
    "report-origin-authentication-check",
    "originating-MTA-certificate",
    "proof-of-submission",
    "forwarding-request",
    "trace-information",
    "internal-trace-information",
    "reporting-MTA-name",
    "multiple-originator-certificates",
    "blind-copy-recipients",
    "dl-exempted-recipients",
    "body-part-encryption-token",
    "forwarded-content-token",
    "certificate-selectors",
];

/// ExtensionAttributeTable, those whose names say more than their numbers.
const fn attribute_name(number: i64) -> Option<&'static str> {
    Some(match number {
        1 => "common name",
        2 => "teletex common name",
        3 => "teletex organization name",
        4 => "teletex personal name",
        5 => "teletex organizational unit names",
        6 => "teletex domain-defined attributes",
        7..=21 | 29..=40 => "postal attribute",
        22 => "extended network address",
        23 => "terminal type",
        24 => "universal common name",
        25 => "universal organization name",
        26 => "universal personal name",
        27 => "universal organizational unit names",
        28 => "universal domain-defined attributes",
        _ => return None,
    })
}
