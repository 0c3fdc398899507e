//! Tables of the MPDUs of 1984 (X.411 of the Red Book), in the names of their module as PP's mpp84 gives them.
//! Tags are those of 1988; extensions there are none.

use super::p1::{
    DOMAIN, PER_RECIPIENT_INDICATORS, REPORT_TYPE, encoded_information_types, or_name, trace,
};
use super::schema::{Field, Kind, Names};
use crate::ber::Tag;

/// MPDU.
pub(super) const MPDU: &[Field] = &[
    Field::context(0, "UserMPDU", Kind::Fields(USER_MPDU)),
    Field::context(1, "DeliveryReportMPDU", Kind::Fields(DELIVERY_REPORT_MPDU)),
    Field::context(2, "ProbeMPDU", Kind::Fields(PROBE_ENVELOPE)),
];

const USER_MPDU: &[Field] = &[
    Field::set("UMPDUEnvelope", UMPDU_ENVELOPE),
    Field::new("UMPDUContent", Tag::OCTET_STRING, Kind::Content),
];

const PRIORITIES: Names = &[(0, "normal"), (1, "nonUrgent"), (2, "urgent")];

const PER_MESSAGE_FLAGS: Names = &[
    (0, "discloseRecipients"),
    (1, "conversionProhibited"),
    (2, "alternateRecipientAllowed"),
    (3, "contentReturnRequest"),
];

const fn mpdu_identifier(name: &'static str) -> Field {
    Field::application(4, name, Kind::Fields(MPDU_IDENTIFIER))
}

const MPDU_IDENTIFIER: &[Field] = &[DOMAIN, Field::new("local", Tag::IA5_STRING, Kind::Text)];

const CONTENT_TYPE: Field = Field::application(6, "ContentType", Kind::ContentType);
const UA_CONTENT_ID: Field = Field::application(10, "UAContentId", Kind::Text);
const PER_MESSAGE_FLAG: Field =
    Field::application(8, "PerMessageFlag", Kind::Bits(PER_MESSAGE_FLAGS));
const BILATERAL_INFO: Field = Field::context(1, "PerDomainBilateralInfo", Kind::Any);

const UMPDU_ENVELOPE: &[Field] = &[
    mpdu_identifier("MPDUIdentifier"),
    or_name("originator"),
    encoded_information_types("original EncodedInformationTypes"),
    CONTENT_TYPE,
    UA_CONTENT_ID,
    Field::application(7, "Priority", Kind::Number(PRIORITIES)),
    PER_MESSAGE_FLAG,
    Field::context(0, "deferredDelivery", Kind::Time),
    BILATERAL_INFO,
    Field::context(2, "RecipientInfo list", Kind::Many(RECIPIENT_INFO)),
    trace("TraceInformation"),
];

const PROBE_ENVELOPE: &[Field] = &[
    mpdu_identifier("probe MPDUIdentifier"),
    or_name("originator"),
    CONTENT_TYPE,
    UA_CONTENT_ID,
    encoded_information_types("original EncodedInformationTypes"),
    trace("TraceInformation"),
    PER_MESSAGE_FLAG,
    Field::context(0, "contentLength", Kind::Number(&[])),
    BILATERAL_INFO,
    Field::context(2, "RecipientInfo list", Kind::Many(RECIPIENT_INFO)),
];

const RECIPIENT_INFO: &[Field] = &[Field::set(
    "RecipientInfo",
    &[
        or_name("recipient"),
        Field::context(0, "ExtensionIdentifier", Kind::Number(&[])),
        Field::context(1, "PerRecipientFlag", Kind::Bits(PER_RECIPIENT_INDICATORS)),
        Field::context(
            2,
            "ExplicitConversion",
            Kind::Number(&[(0, "iA5TextTeletex"), (1, "teletexTelex")]),
        ),
    ],
)];

const DELIVERY_REPORT_MPDU: &[Field] = &[
    Field::set(
        "DeliveryReportEnvelope",
        &[
            mpdu_identifier("report MPDUIdentifier"),
            or_name("originator"),
            trace("TraceInformation"),
        ],
    ),
    Field::set("DeliveryReportContent", DELIVERY_REPORT_CONTENT),
];

const DELIVERY_REPORT_CONTENT: &[Field] = &[
    mpdu_identifier("original MPDUIdentifier"),
    trace("intermediate TraceInformation"),
    UA_CONTENT_ID,
    Field::context(0, "ReportedRecipientInfo list", Kind::Many(REPORTED_RECIPIENT_INFO)),
    Field::context(1, "returned UMPDUContent", Kind::Content),
    Field::context(2, "billingInformation", Kind::Any),
];

const REPORTED_RECIPIENT_INFO: &[Field] = &[Field::set(
    "ReportedRecipientInfo",
    &[
        Field::context(0, "recipient", Kind::OrName),
        Field::context(1, "ExtensionIdentifier", Kind::Number(&[])),
        Field::context(2, "PerRecipientFlag", Kind::Bits(PER_RECIPIENT_INDICATORS)),
        Field::context(
            3,
            "LastTraceInformation",
            Kind::Fields(&[
                Field::context(0, "arrival", Kind::Time),
                encoded_information_types("converted EncodedInformationTypes"),
                Field::context(1, "Report", Kind::Fields(REPORT_TYPE)),
            ]),
        ),
        Field::context(4, "intendedRecipient", Kind::OrName),
        Field::context(5, "SupplementaryInformation", Kind::Text),
    ],
)];
