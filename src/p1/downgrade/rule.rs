//! The rules of downgrading, and the rows that say where each was applied.

use crate::p1::scan::ExtensionId;

/// Where in an APDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A field for the whole message, probe or report.
    Envelope,
    /// Originator-name.
    Originator,
    /// The recipient with this index in the original.
    Recipient(u16),
    /// The element of trace-information with this index.
    Trace(u16),
    /// Report-destination-name.
    ReportDestination,
    /// A field for the whole report content.
    ReportContent,
    /// The element of subject-intermediate-trace-information with this index.
    SubjectTrace(u16),
    /// What a report says of the recipient with this index in it.
    ReportedRecipient(u16),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Something is taken off and lost.
    Lost,
    /// Something is said otherwise.
    Changed,
    /// The recipient, or everything, is not transferred.
    Refused,
}

/// The particular of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The rule says all.
    None,
    /// Which extension.
    Extension(ExtensionId),
    /// Which extension attribute of an O/R address, by its number.
    Attribute(i64),
    /// A code was this and becomes that.
    Codes {
        /// As it came.
        from: i64,
        /// As it goes; `None` when the field is left out.
        to: Option<i64>,
    },
    /// Why a content is not one of 1984.
    Content(&'static str),
}

/// One row: a rule was applied at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// Which rule.
    pub rule: Rule,
    /// What exactly.
    pub detail: Detail,
}

/// Every rule there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Internal-trace-information is taken off.
    InternalTrace,
    /// Any other extension, not critical, is taken off.
    Extension,
    /// A critical extension refuses.
    CriticalExtension,
    /// Other-actions of a trace element are taken off.
    OtherActions,
    /// Extended-encoded-information-types become "undefined".
    ExtendedEncodedInformationTypes,
    /// A directory name beside an address is taken off.
    DirectoryName,
    /// A directory name without an address refuses.
    DirectoryNameAlone,
    /// A common name becomes the domain-defined attribute `Common`.
    CommonName,
    /// A teletex or universal variant of an attribute that is there in printable characters is taken off.
    AttributeVariant,
    /// An attribute without a counterpart refuses.
    Attribute,
    /// An attribute without a counterpart, in a name that a report speaks of, is taken off: a report cannot
    /// be reported on, and the recipient's number says whom it speaks of.
    ReportedAttribute,
    /// A recipient whose name cannot be expressed does not stand in the envelope.
    RecipientName,
    /// Per-message-indicators that 1984 does not know are cleared.
    PerMessageIndicators,
    /// Bilateral information for a private domain is taken off.
    PrivateDomainBilateralInformation,
    /// Content type P22 becomes P2.
    ContentType,
    /// A P22 content that is no P2 content refuses.
    Content,
    /// A content type that is an object identifier refuses.
    ExtendedContentType,
    /// An explicit conversion that 1984 does not know refuses.
    ExplicitConversion,
    /// A report's content type is taken off.
    ReportContentType,
    /// A report's original-encoded-information-types are taken off.
    ReportEncodedInformationTypes,
    /// A later reason becomes one of 1984.
    Reason,
    /// A later diagnostic becomes one of 1984.
    Diagnostic,
    /// A later type of user is left out, which means public.
    TypeOfMtsUser,
    /// Supplementary information is cut.
    SupplementaryInformation,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 24] = [
        Rule::InternalTrace,
        Rule::Extension,
        Rule::CriticalExtension,
        Rule::OtherActions,
        Rule::ExtendedEncodedInformationTypes,
        Rule::DirectoryName,
        Rule::DirectoryNameAlone,
        Rule::CommonName,
        Rule::AttributeVariant,
        Rule::Attribute,
        Rule::ReportedAttribute,
        Rule::RecipientName,
        Rule::PerMessageIndicators,
        Rule::PrivateDomainBilateralInformation,
        Rule::ContentType,
        Rule::Content,
        Rule::ExtendedContentType,
        Rule::ExplicitConversion,
        Rule::ReportContentType,
        Rule::ReportEncodedInformationTypes,
        Rule::Reason,
        Rule::Diagnostic,
        Rule::TypeOfMtsUser,
        Rule::SupplementaryInformation,
    ];

    /// What it does.
    pub const fn effect(self) -> Effect {
        match self {
            Rule::CriticalExtension
            | Rule::DirectoryNameAlone
            | Rule::Attribute
            | Rule::Content
            | Rule::ExtendedContentType
            | Rule::ExplicitConversion => Effect::Refused,
            Rule::ExtendedEncodedInformationTypes
            | Rule::CommonName
            | Rule::ContentType
            | Rule::Reason
            | Rule::Diagnostic
            | Rule::SupplementaryInformation => Effect::Changed,
            Rule::InternalTrace
            | Rule::Extension
            | Rule::OtherActions
            | Rule::DirectoryName
            | Rule::AttributeVariant
            | Rule::ReportedAttribute
            | Rule::RecipientName
            | Rule::PerMessageIndicators
            | Rule::PrivateDomainBilateralInformation
            | Rule::ReportContentType
            | Rule::ReportEncodedInformationTypes
            | Rule::TypeOfMtsUser => Effect::Lost,
        }
    }

    /// Where it comes from: the type of the P1 module of 1984 that has no place for the field, and what
    /// decided where that leaves a choice.
    pub const fn source(self) -> &'static str {
        match self {
            Rule::InternalTrace | Rule::Extension => {
                "X.411 (1984) UMPDUEnvelope, ProbeEnvelope, DeliveryReportEnvelope, RecipientInfo: no extensions"
            }
            Rule::CriticalExtension => {
                "X.411 (1988) Criticality; diagnostic unable-to-downgrade of X.419 Annex B (unverified)"
            }
            Rule::OtherActions => "X.411 (1984) DomainSuppliedInfo: no other-actions",
            Rule::ExtendedEncodedInformationTypes => {
                "X.411 (1984) EncodedInformationTypes: no object identifiers; bit undefined (unverified)"
            }
            Rule::DirectoryName | Rule::DirectoryNameAlone => {
                "X.411 (1984) ORName: no directory name"
            }
            Rule::CommonName => "RFC 1328 3.2",
            Rule::AttributeVariant | Rule::Attribute | Rule::RecipientName => {
                "X.411 (1984) StandardAttributeList: no extension attributes"
            }
            Rule::ReportedAttribute => {
                "X.411 (1984) StandardAttributeList: no extension attributes; kept without them (unverified)"
            }
            Rule::PerMessageIndicators => "X.411 (1984) PerMessageFlag: bits 0 to 3",
            Rule::PrivateDomainBilateralInformation => {
                "X.411 (1984) PerDomainBilateralInfo: an administration domain only"
            }
            Rule::ContentType | Rule::Content => "X.411 (1984) ContentType: p2 (2)",
            Rule::ExtendedContentType => "X.411 (1984) ContentType: an INTEGER",
            Rule::ExplicitConversion => {
                "X.411 (1984) ExplicitConversion: 0 and 1; later ones refused (unverified)"
            }
            Rule::ReportContentType | Rule::ReportEncodedInformationTypes => {
                "X.411 (1984) DeliveryReportContent: neither content type nor encoded information types"
            }
            Rule::Reason => "X.411 (1984) ReasonCode: 0 to 2; later ones by meaning (unverified)",
            Rule::Diagnostic => {
                "X.411 (1984) DiagnosticCode: 0 to 11; later ones by meaning (unverified)"
            }
            Rule::TypeOfMtsUser => "X.411 (1984) DeliveredInfo: public or private (unverified)",
            Rule::SupplementaryInformation => {
                "X.411 (1984) SupplementaryInformation: 64 characters (unverified)"
            }
        }
    }
}
