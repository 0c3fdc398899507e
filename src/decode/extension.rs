//! Tables of the extension fields: each standard extension with its number, name and value (X.411
//! MTSAbstractService, MTAAbstractService).

use super::p1::{
    DOMAIN, OTHER_ACTIONS, ROUTING_ACTIONS, encoded_information_types, or_name, trace,
};
use super::schema::{Field, Kind, Names};
use crate::ber::Tag;

/// ExtensionField.
pub(super) const EXTENSION_FIELD: &[Field] = &[
    Field::context(0, "type", Kind::ExtensionType),
    Field::context(3, "type", Kind::ExtensionType),
    Field::context(1, "criticality", Kind::Bits(CRITICALITY)),
    Field::context(2, "value", Kind::Any),
];

const CRITICALITY: Names = &[(0, "for-submission"), (1, "for-transfer"), (2, "for-delivery")];

const fn enumerated(name: &'static str, names: Names) -> Field {
    Field::new(name, Tag::ENUMERATED, Kind::Number(names))
}

/// The standard extensions, by number.
pub(super) const EXTENSIONS: &[(i64, Field)] = &[
    (
        1,
        enumerated(
            "recipient-reassignment-prohibited",
            &[(0, "recipient-reassignment-allowed"), (1, "recipient-reassignment-prohibited")],
        ),
    ),
    (2, or_name("originator-requested-alternate-recipient")),
    (
        3,
        enumerated(
            "dl-expansion-prohibited",
            &[(0, "dl-expansion-allowed"), (1, "dl-expansion-prohibited")],
        ),
    ),
    (
        4,
        enumerated(
            "conversion-with-loss-prohibited",
            &[(0, "conversion-with-loss-allowed"), (1, "conversion-with-loss-prohibited")],
        ),
    ),
    (5, Field::new("latest-delivery-time", Tag::UTC_TIME, Kind::Time)),
    (
        6,
        Field::new(
            "requested-delivery-method",
            Tag::SEQUENCE,
            Kind::Many(&[Field::integer("method", DELIVERY_METHODS)]),
        ),
    ),
    (
        7,
        enumerated(
            "physical-forwarding-prohibited",
            &[(0, "physical-forwarding-allowed"), (1, "physical-forwarding-prohibited")],
        ),
    ),
    (
        8,
        enumerated(
            "physical-forwarding-address-request",
            &[
                (0, "physical-forwarding-address-not-requested"),
                (1, "physical-forwarding-address-requested"),
            ],
        ),
    ),
    (9, Field::new("physical-delivery-modes", Tag::BIT_STRING, Kind::Bits(DELIVERY_MODES))),
    (
        10,
        Field::integer(
            "registered-mail-type",
            &[
                (0, "non-registered-mail"),
                (1, "registered-mail"),
                (2, "registered-mail-to-addressee-in-person"),
            ],
        ),
    ),
    (11, Field::new("recipient-number-for-advice", Tag::TELETEX_STRING, Kind::Text)),
    (12, Field::object_identifier("physical-rendition-attributes")),
    (13, Field::new("originator-return-address", Tag::SEQUENCE, Kind::OrName)),
    (
        14,
        Field::integer(
            "physical-delivery-report-request",
            &[
                (0, "return-of-undeliverable-mail-by-PDS"),
                (1, "return-of-notification-by-PDS"),
                (2, "return-of-notification-by-MHS"),
                (3, "return-of-notification-by-MHS-and-PDS"),
            ],
        ),
    ),
    (15, Field::any("originator-certificate")),
    (16, Field::any("message-token")),
    (17, Field::any("content-confidentiality-algorithm-identifier")),
    (18, Field::any("content-integrity-check")),
    (19, Field::any("message-origin-authentication-check")),
    (20, Field::set("message-security-label", SECURITY_LABEL)),
    (
        21,
        enumerated(
            "proof-of-submission-request",
            &[(0, "proof-of-submission-not-requested"), (1, "proof-of-submission-requested")],
        ),
    ),
    (
        22,
        enumerated(
            "proof-of-delivery-request",
            &[(0, "proof-of-delivery-not-requested"), (1, "proof-of-delivery-requested")],
        ),
    ),
    (23, Field::any("content-correlator")),
    (24, Field::any("probe-origin-authentication-check")),
    (25, Field::new("redirection-history", Tag::SEQUENCE, Kind::Many(REDIRECTIONS))),
    (26, Field::new("dl-expansion-history", Tag::SEQUENCE, Kind::Many(DL_EXPANSIONS))),
    (27, or_name("physical-forwarding-address")),
    (28, Field::any("recipient-certificate")),
    (29, Field::any("proof-of-delivery")),
    (
        30,
        Field::new(
            "originator-and-DL-expansion-history",
            Tag::SEQUENCE,
            Kind::Many(&[Field::sequence(
                "element",
                &[
                    or_name("originator-or-dl-name"),
                    Field::new("origination-or-expansion-time", Tag::UTC_TIME, Kind::Time),
                ],
            )]),
        ),
    ),
    (31, or_name("reporting-DL-name")),
    (32, Field::any("reporting-MTA-certificate")),
    (33, Field::any("report-origin-authentication-check")),
    (34, Field::any("originating-MTA-certificate")),
    (35, Field::any("proof-of-submission")),
    (36, Field::any("forwarding-request")),
    (37, trace("trace-information")),
    (
        38,
        Field::new(
            "internal-trace-information",
            Tag::SEQUENCE,
            Kind::Many(INTERNAL_TRACE_ELEMENTS),
        ),
    ),
    (
        39,
        Field::sequence(
            "reporting-MTA-name",
            &[
                Field::application(3, "domain", Kind::Domain),
                Field::new("mta-name", Tag::IA5_STRING, Kind::Text),
                Field::context(0, "mta-directory-name", Kind::Any),
            ],
        ),
    ),
    (40, Field::any("multiple-originator-certificates")),
    (41, Field::any("blind-copy-recipients")),
    (42, Field::new("dl-exempted-recipients", Tag::SET, Kind::Many(&[or_name("recipient")]))),
    (43, Field::any("body-part-encryption-token")),
    (44, Field::any("forwarded-content-token")),
    (45, Field::any("certificate-selectors")),
    (46, Field::any("certificate-selectors-override")),
];

const DELIVERY_METHODS: Names = &[
    (0, "any-delivery-method"),
    (1, "mhs-delivery"),
    (2, "physical-delivery"),
    (3, "telex-delivery"),
    (4, "teletex-delivery"),
    (5, "g3-facsimile-delivery"),
    (6, "g4-facsimile-delivery"),
    (7, "ia5-terminal-delivery"),
    (8, "videotex-delivery"),
    (9, "telephone-delivery"),
];

const DELIVERY_MODES: Names = &[
    (0, "ordinary-mail"),
    (1, "special-delivery"),
    (2, "express-mail"),
    (3, "counter-collection"),
    (4, "counter-collection-with-telephone-advice"),
    (5, "counter-collection-with-telex-advice"),
    (6, "counter-collection-with-teletex-advice"),
    (7, "bureau-fax-delivery"),
];

const SECURITY_LABEL: &[Field] = &[
    Field::object_identifier("security-policy-identifier"),
    Field::integer(
        "security-classification",
        &[
            (0, "unmarked"),
            (1, "unclassified"),
            (2, "restricted"),
            (3, "confidential"),
            (4, "secret"),
            (5, "top-secret"),
        ],
    ),
    Field::new("privacy-mark", Tag::PRINTABLE_STRING, Kind::Text),
    Field::new("security-categories", Tag::SET, Kind::Any),
];

const REDIRECTIONS: &[Field] = &[Field::sequence(
    "redirection",
    &[
        Field::sequence(
            "intended-recipient-name",
            &[
                or_name("intended-recipient"),
                Field::new("redirection-time", Tag::UTC_TIME, Kind::Time),
            ],
        ),
        enumerated(
            "redirection-reason",
            &[
                (0, "recipient-assigned-alternate-recipient"),
                (1, "originator-requested-alternate-recipient"),
                (2, "recipient-MD-assigned-alternate-recipient"),
                (3, "directory-look-up"),
                (4, "alias"),
            ],
        ),
    ],
)];

const DL_EXPANSIONS: &[Field] = &[Field::sequence(
    "expansion",
    &[or_name("dl"), Field::new("dl-expansion-time", Tag::UTC_TIME, Kind::Time)],
)];

const INTERNAL_TRACE_ELEMENTS: &[Field] = &[Field::sequence(
    "element",
    &[
        DOMAIN,
        Field::new("mta-name", Tag::IA5_STRING, Kind::Text),
        Field::set(
            "mta-supplied-information",
            &[
                Field::context(0, "arrival-time", Kind::Time),
                Field::context(2, "routing-action", Kind::Number(ROUTING_ACTIONS)),
                Field::new("attempted mta", Tag::IA5_STRING, Kind::Text),
                Field::application(3, "attempted domain", Kind::Domain),
                Field::context(1, "deferred-time", Kind::Time),
                encoded_information_types("converted-encoded-information-types"),
                Field::context(3, "other-actions", Kind::Bits(OTHER_ACTIONS)),
            ],
        ),
    ],
)];
