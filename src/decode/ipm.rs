//! Tables of interpersonal messages and notifications, P2 and P22 (X.420 IPMSInformationObjects).

use super::p1::{encoded_information_types, or_name};
use super::schema::{Field, Kind, Names};
use crate::ber::Tag;

/// InformationObject.
pub(super) const CONTENT: &[Field] =
    &[Field::context(0, "ipm", Kind::Fields(IPM)), Field::context(1, "ipn", Kind::Fields(IPN))];

/// IPM.
pub(super) const IPM: &[Field] =
    &[Field::set("heading", HEADING), Field::new("body", Tag::SEQUENCE, Kind::Many(BODY_PARTS))];

const HEADING: &[Field] = &[
    ipm_identifier("this-IPM"),
    Field::context(0, "originator", Kind::Fields(OR_DESCRIPTOR)),
    Field::context(1, "authorizing-users", DESCRIPTORS),
    Field::context(2, "primary-recipients", RECIPIENTS),
    Field::context(3, "copy-recipients", RECIPIENTS),
    Field::context(4, "blind-copy-recipients", RECIPIENTS),
    Field::context(5, "replied-to-IPM", Kind::Fields(IPM_IDENTIFIER_PARTS)),
    Field::context(6, "obsoleted-IPMs", IPM_IDENTIFIERS),
    Field::context(7, "related-IPMs", IPM_IDENTIFIERS),
    Field::context(8, "subject", Kind::Explicit(&Kind::Text)),
    Field::context(9, "expiry-time", Kind::Time),
    Field::context(10, "reply-time", Kind::Time),
    Field::context(11, "reply-recipients", DESCRIPTORS),
    Field::context(12, "importance", Kind::Number(&[(0, "low"), (1, "normal"), (2, "high")])),
    Field::context(
        13,
        "sensitivity",
        Kind::Number(&[(1, "personal"), (2, "private"), (3, "company-confidential")]),
    ),
    Field::context(14, "auto-forwarded", Kind::Boolean),
    Field::context(15, "extensions", EXTENSIONS),
];

const fn ipm_identifier(name: &'static str) -> Field {
    Field::application(11, name, Kind::Fields(IPM_IDENTIFIER_PARTS))
}

const IPM_IDENTIFIER_PARTS: &[Field] =
    &[or_name("user"), Field::new("user-relative-identifier", Tag::PRINTABLE_STRING, Kind::Text)];

const IPM_IDENTIFIERS: Kind = Kind::Many(&[ipm_identifier("ipm")]);

const OR_DESCRIPTOR: &[Field] = &[
    or_name("formal-name"),
    Field::context(0, "free-form-name", Kind::Text),
    Field::context(1, "telephone-number", Kind::Text),
];

const DESCRIPTORS: Kind = Kind::Many(&[Field::set("ORDescriptor", OR_DESCRIPTOR)]);

const RECIPIENTS: Kind = Kind::Many(&[Field::set(
    "RecipientSpecifier",
    &[
        Field::context(0, "recipient", Kind::Fields(OR_DESCRIPTOR)),
        Field::context(1, "notification-requests", Kind::Bits(NOTIFICATION_REQUESTS)),
        Field::context(2, "reply-requested", Kind::Boolean),
        Field::context(3, "recipient-extensions", EXTENSIONS),
    ],
)]);

const NOTIFICATION_REQUESTS: Names =
    &[(0, "rn"), (1, "nrn"), (2, "ipm-return"), (3, "an-supported"), (4, "suppress-an")];

const EXTENSIONS: Kind = Kind::Many(&[Field::sequence(
    "IPMSExtension",
    &[Field::object_identifier("type"), Field::any("value")],
)]);

const BODY_PARTS: &[Field] = &[
    Field::context(
        0,
        "ia5-text",
        Kind::Fields(&[
            Field::set(
                "parameters",
                &[Field::context(0, "repertoire", Kind::Number(&[(2, "ita2"), (5, "ia5")]))],
            ),
            Field::new("data", Tag::IA5_STRING, Kind::Text),
        ]),
    ),
    Field::context(3, "g3-facsimile", Kind::Any),
    Field::context(4, "g4-class1", Kind::Any),
    Field::context(
        5,
        "teletex",
        Kind::Fields(&[
            Field::set(
                "parameters",
                &[
                    Field::context(0, "number-of-pages", Kind::Number(&[])),
                    Field::context(1, "telex-compatible", Kind::Boolean),
                    Field::context(2, "non-basic-parameters", Kind::Any),
                ],
            ),
            Field::new(
                "data",
                Tag::SEQUENCE,
                Kind::Many(&[Field::new("page", Tag::TELETEX_STRING, Kind::Text)]),
            ),
        ]),
    ),
    Field::context(6, "videotex", Kind::Any),
    Field::context(7, "nationally-defined", Kind::Any),
    Field::context(8, "encrypted", Kind::Any),
    Field::context(
        9,
        "message",
        Kind::Fields(&[
            Field::set(
                "parameters",
                &[
                    Field::context(0, "delivery-time", Kind::Time),
                    Field::context(1, "delivery-envelope", Kind::Any),
                ],
            ),
            Field::new("data", Tag::SEQUENCE, Kind::ForwardedIpm),
        ]),
    ),
    Field::context(11, "mixed-mode", Kind::Any),
    Field::context(14, "bilaterally-defined", Kind::Octets),
    Field::context(
        15,
        "extended",
        Kind::Fields(&[
            Field::context(0, "parameters", Kind::Fields(EXTERNAL)),
            Field::new("data", Tag::universal(8), Kind::Fields(EXTERNAL)),
        ]),
    ),
];

const EXTERNAL: &[Field] = &[
    Field::object_identifier("direct-reference"),
    Field::integer("indirect-reference", &[]),
    Field::context(0, "single-ASN1-type", Kind::Any),
    Field::context(1, "octet-aligned", Kind::Octets),
    Field::context(2, "arbitrary", Kind::Octets),
];

const IPN: &[Field] = &[
    ipm_identifier("subject-ipm"),
    Field::context(1, "ipn-originator", Kind::Fields(OR_DESCRIPTOR)),
    Field::context(2, "ipm-intended-recipient", Kind::Fields(OR_DESCRIPTOR)),
    encoded_information_types("conversion-eits"),
    Field::context(3, "notification-extensions", EXTENSIONS),
    Field::context(
        0,
        "choice",
        Kind::Fields(&[
            Field::context(0, "non-receipt-fields", Kind::Fields(NON_RECEIPT)),
            Field::context(1, "receipt-fields", Kind::Fields(RECEIPT)),
            Field::context(2, "other-notification-type-fields", EXTENSIONS),
        ]),
    ),
];

const NON_RECEIPT: &[Field] = &[
    Field::context(
        0,
        "non-receipt-reason",
        Kind::Number(&[(0, "ipm-discarded"), (1, "ipm-auto-forwarded")]),
    ),
    Field::context(
        1,
        "discard-reason",
        Kind::Number(&[
            (0, "ipm-expired"),
            (1, "ipm-obsoleted"),
            (2, "user-subscription-terminated"),
            (3, "not-used"),
        ]),
    ),
    Field::context(2, "auto-forward-comment", Kind::Text),
    Field::context(3, "returned-ipm", Kind::ForwardedIpm),
    Field::context(4, "nrn-extensions", EXTENSIONS),
];

const RECEIPT: &[Field] = &[
    Field::context(0, "receipt-time", Kind::Time),
    Field::context(1, "acknowledgment-mode", Kind::Number(&[(0, "manual"), (1, "automatic")])),
    Field::context(2, "suppl-receipt-info", Kind::Text),
    Field::context(3, "rn-extensions", EXTENSIONS),
];
