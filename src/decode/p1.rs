//! Tables of the MTS-APDUs and the MTA-bind (X.411 MTAAbstractService, MTSAbstractService).

use super::schema::{Field, Kind, Names};
use crate::ber::Tag;

pub(super) const CONTENT_TYPES: Names = &[
    (0, "unidentified"),
    (1, "external"),
    (2, "interpersonal-messaging-1984"),
    (22, "interpersonal-messaging-1988"),
    (35, "edi-messaging"),
    (40, "voice-messaging"),
];

const PRIORITIES: Names = &[(0, "normal"), (1, "non-urgent"), (2, "urgent")];

const PER_MESSAGE_INDICATORS: Names = &[
    (0, "disclosure-of-other-recipients"),
    (1, "implicit-conversion-prohibited"),
    (2, "alternate-recipient-allowed"),
    (3, "content-return-request"),
    (4, "reserved"),
    (5, "bit-5"),
    (6, "bit-6"),
    (7, "service-message"),
];

pub(super) const PER_RECIPIENT_INDICATORS: Names = &[
    (0, "responsibility"),
    (1, "originating-MTA-report"),
    (2, "originating-MTA-non-delivery-report"),
    (3, "originator-report"),
    (4, "originator-non-delivery-report"),
    (5, "reserved-5"),
    (6, "reserved-6"),
    (7, "reserved-7"),
];

const EXPLICIT_CONVERSIONS: Names = &[
    (0, "ia5-text-to-teletex"),
    (8, "ia5-text-to-g3-facsimile"),
    (9, "ia5-text-to-g4-class-1"),
    (10, "ia5-text-to-videotex"),
    (11, "teletex-to-ia5-text"),
    (12, "teletex-to-g3-facsimile"),
    (13, "teletex-to-g4-class-1"),
    (14, "teletex-to-videotex"),
    (16, "videotex-to-ia5-text"),
    (17, "videotex-to-teletex"),
];

const BUILT_IN_ENCODED_INFORMATION_TYPES: Names = &[
    (0, "unknown"),
    (2, "ia5-text"),
    (3, "g3-facsimile"),
    (4, "g4-class-1"),
    (5, "teletex"),
    (6, "videotex"),
    (7, "voice"),
    (8, "sfd"),
    (9, "mixed-mode"),
];

const ROUTING_ACTIONS: Names = &[(0, "relayed"), (1, "rerouted")];

/// TypeOfMTSUser.
const TYPES_OF_MTS_USER: Names = &[
    (0, "public"),
    (1, "private"),
    (2, "ms"),
    (3, "dl"),
    (4, "pdau"),
    (5, "physical-recipient"),
    (6, "other"),
];

/// NonDeliveryReasonCode.
pub(super) const REASONS: Names = &[
    (0, "transfer-failure"),
    (1, "unable-to-transfer"),
    (2, "conversion-not-performed"),
    (3, "physical-rendition-not-performed"),
    (4, "physical-delivery-not-performed"),
    (5, "restricted-delivery"),
    (6, "directory-operation-unsuccessful"),
    (7, "deferred-delivery-not-performed"),
    (8, "transfer-failure-for-security-reason"),
];

/// NonDeliveryDiagnosticCode.
pub(super) const DIAGNOSTICS: Names = &[
    (0, "unrecognised-OR-name"),
    (1, "ambiguous-OR-name"),
    (2, "mts-congestion"),
    (3, "loop-detected"),
    (4, "recipient-unavailable"),
    (5, "maximum-time-expired"),
    (6, "encoded-information-types-unsupported"),
    (7, "content-too-long"),
    (8, "conversion-impractical"),
    (9, "implicit-conversion-prohibited"),
    (10, "implicit-conversion-not-subscribed"),
    (11, "invalid-arguments"),
    (12, "content-syntax-error"),
    (13, "size-constraint-violation"),
    (14, "protocol-violation"),
    (15, "content-type-not-supported"),
    (16, "too-many-recipients"),
    (17, "no-bilateral-agreement"),
    (18, "unsupported-critical-function"),
    (19, "conversion-with-loss-prohibited"),
    (20, "line-too-long"),
    (21, "page-split"),
    (22, "pictorial-symbol-loss"),
    (23, "punctuation-symbol-loss"),
    (24, "alphabetic-character-loss"),
    (25, "multiple-information-loss"),
    (26, "recipient-reassignment-prohibited"),
    (27, "redirection-loop-detected"),
    (28, "dl-expansion-prohibited"),
    (29, "no-dl-submit-permission"),
    (30, "dl-expansion-failure"),
    (31, "physical-rendition-attributes-not-supported"),
    (32, "undeliverable-mail-physical-delivery-address-incorrect"),
    (33, "undeliverable-mail-physical-delivery-office-incorrect-or-invalid"),
    (34, "undeliverable-mail-physical-delivery-address-incomplete"),
    (35, "undeliverable-mail-recipient-unknown"),
    (36, "undeliverable-mail-recipient-deceased"),
    (37, "undeliverable-mail-organization-expired"),
    (38, "undeliverable-mail-recipient-refused-to-accept"),
    (39, "undeliverable-mail-recipient-did-not-claim"),
    (40, "undeliverable-mail-recipient-changed-address-permanently"),
    (41, "undeliverable-mail-recipient-changed-address-temporarily"),
    (42, "undeliverable-mail-recipient-changed-temporary-address"),
    (43, "undeliverable-mail-new-address-unknown"),
    (44, "undeliverable-mail-recipient-did-not-want-forwarding"),
    (45, "undeliverable-mail-originator-prohibited-forwarding"),
    (46, "secure-messaging-error"),
    (47, "unable-to-downgrade"),
    (48, "unable-to-complete-transfer"),
    (49, "transfer-attempts-limit-reached"),
    (50, "incorrect-notification-type"),
    (51, "dl-expansion-prohibited-by-security-policy"),
    (52, "forbidden-alternate-recipient"),
    (53, "security-policy-violation"),
    (54, "security-services-refusal"),
    (55, "unauthorised-dl-member"),
    (56, "unauthorised-dl-name"),
    (57, "unauthorised-originally-intended-recipient-name"),
    (58, "unauthorised-originator-name"),
    (59, "unauthorised-recipient-name"),
    (60, "unreliable-system"),
    (61, "authentication-failure-on-subject-message"),
    (62, "decryption-failed"),
    (63, "decryption-key-unobtainable"),
    (64, "double-envelope-creation-failure"),
    (65, "double-enveloping-message-restoring-failure"),
    (66, "failure-of-proof-of-message"),
    (67, "integrity-failure-on-subject-message"),
    (68, "invalid-security-label"),
    (69, "key-failure"),
    (70, "mandatory-parameter-absence"),
    (71, "operation-security-failure"),
    (72, "repudiation-failure-of-message"),
    (73, "security-context-failure"),
    (74, "token-decryption-failed"),
    (75, "token-error"),
    (76, "unknown-security-label"),
    (77, "unsupported-algorithm-identifier"),
    (78, "unsupported-security-policy"),
];

/// ExtensionAttributeType of an O/R address.
pub(super) const EXTENSION_ATTRIBUTES: Names = &[
    (1, "common-name"),
    (2, "teletex-common-name"),
    (3, "teletex-organization-name"),
    (4, "teletex-personal-name"),
    (5, "teletex-organizational-unit-names"),
    (6, "teletex-domain-defined-attributes"),
    (7, "pds-name"),
    (8, "physical-delivery-country-name"),
    (9, "postal-code"),
    (10, "physical-delivery-office-name"),
    (11, "physical-delivery-office-number"),
    (12, "extension-OR-address-components"),
    (13, "physical-delivery-personal-name"),
    (14, "physical-delivery-organization-name"),
    (15, "extension-physical-delivery-address-components"),
    (16, "unformatted-postal-address"),
    (17, "street-address"),
    (18, "post-office-box-address"),
    (19, "poste-restante-address"),
    (20, "unique-postal-name"),
    (21, "local-postal-attributes"),
    (22, "extended-network-address"),
    (23, "terminal-type"),
    (24, "universal-common-name"),
    (25, "universal-organization-name"),
    (26, "universal-personal-name"),
    (27, "universal-organizational-unit-names"),
    (28, "universal-domain-defined-attributes"),
    (29, "universal-physical-delivery-office-name"),
    (30, "universal-physical-delivery-office-number"),
    (31, "universal-extension-OR-address-components"),
    (32, "universal-physical-delivery-personal-name"),
    (33, "universal-physical-delivery-organization-name"),
    (34, "universal-extension-physical-delivery-address-components"),
    (35, "universal-unformatted-postal-address"),
    (36, "universal-street-address"),
    (37, "universal-post-office-box-address"),
    (38, "universal-poste-restante-address"),
    (39, "universal-unique-postal-name"),
    (40, "universal-local-postal-attributes"),
];

/// MTS-APDU.
pub(super) const MTS_APDU: &[Field] = &[
    Field::context(0, "message", Kind::Fields(MESSAGE)),
    Field::context(1, "report", Kind::Fields(REPORT)),
    Field::context(2, "probe", Kind::Fields(PROBE)),
];

const MESSAGE: &[Field] = &[
    Field::set("envelope", MESSAGE_TRANSFER_ENVELOPE),
    Field::new("content", Tag::OCTET_STRING, Kind::Content),
];

const MESSAGE_TRANSFER_ENVELOPE: &[Field] = &[
    mts_identifier("message-identifier"),
    or_name("originator-name"),
    encoded_information_types("original-encoded-information-types"),
    CONTENT_TYPE,
    EXTENDED_CONTENT_TYPE,
    CONTENT_IDENTIFIER,
    Field::application(7, "priority", Kind::Number(PRIORITIES)),
    INDICATORS,
    Field::context(0, "deferred-delivery-time", Kind::Time),
    BILATERAL_INFORMATION,
    trace("trace-information"),
    Field::context(3, "extensions", EXTENSION_SET),
    Field::context(2, "per-recipient-fields", Kind::Many(RECIPIENTS)),
];

const PROBE: &[Field] = &[
    mts_identifier("probe-identifier"),
    or_name("originator-name"),
    encoded_information_types("original-encoded-information-types"),
    CONTENT_TYPE,
    EXTENDED_CONTENT_TYPE,
    CONTENT_IDENTIFIER,
    Field::context(0, "content-length", Kind::Number(&[])),
    INDICATORS,
    BILATERAL_INFORMATION,
    trace("trace-information"),
    Field::context(3, "extensions", EXTENSION_SET),
    Field::context(2, "per-recipient-fields", Kind::Many(RECIPIENTS)),
];

const RECIPIENTS: &[Field] = &[Field::set(
    "recipient",
    &[
        or_name("recipient-name"),
        Field::context(0, "originally-specified-recipient-number", Kind::Number(&[])),
        Field::context(1, "per-recipient-indicators", Kind::Bits(PER_RECIPIENT_INDICATORS)),
        Field::context(2, "explicit-conversion", Kind::Number(EXPLICIT_CONVERSIONS)),
        Field::context(3, "extensions", EXTENSION_SET),
    ],
)];

const REPORT: &[Field] = &[
    Field::set(
        "envelope",
        &[
            mts_identifier("report-identifier"),
            or_name("report-destination-name"),
            trace("trace-information"),
            Field::context(1, "extensions", EXTENSION_SET),
        ],
    ),
    Field::set("content", REPORT_TRANSFER_CONTENT),
];

const REPORT_TRANSFER_CONTENT: &[Field] = &[
    mts_identifier("subject-identifier"),
    trace("subject-intermediate-trace-information"),
    encoded_information_types("original-encoded-information-types"),
    CONTENT_TYPE,
    EXTENDED_CONTENT_TYPE,
    CONTENT_IDENTIFIER,
    Field::context(1, "returned-content", Kind::Content),
    Field::context(2, "additional-information", Kind::Any),
    Field::context(3, "extensions", EXTENSION_SET),
    Field::context(0, "per-recipient-fields", Kind::Many(REPORTED_RECIPIENTS)),
];

const REPORTED_RECIPIENTS: &[Field] = &[Field::set(
    "recipient",
    &[
        Field::context(0, "actual-recipient-name", Kind::OrName),
        Field::context(1, "originally-specified-recipient-number", Kind::Number(&[])),
        Field::context(2, "per-recipient-indicators", Kind::Bits(PER_RECIPIENT_INDICATORS)),
        Field::context(
            3,
            "last-trace-information",
            Kind::Fields(&[
                Field::context(0, "arrival-time", Kind::Time),
                encoded_information_types("converted-encoded-information-types"),
                Field::context(1, "report-type", Kind::Fields(REPORT_TYPE)),
            ]),
        ),
        Field::context(4, "originally-intended-recipient-name", Kind::OrName),
        Field::context(5, "supplementary-information", Kind::Text),
        Field::context(6, "extensions", EXTENSION_SET),
    ],
)];

pub(super) const REPORT_TYPE: &[Field] = &[
    Field::context(
        0,
        "delivery",
        Kind::Fields(&[
            Field::context(0, "message-delivery-time", Kind::Time),
            Field::context(1, "type-of-MTS-user", Kind::Number(TYPES_OF_MTS_USER)),
        ]),
    ),
    Field::context(
        1,
        "non-delivery",
        Kind::Fields(&[
            Field::context(0, "non-delivery-reason-code", Kind::Number(REASONS)),
            Field::context(1, "non-delivery-diagnostic-code", Kind::Number(DIAGNOSTICS)),
        ]),
    ),
];

const CONTENT_TYPE: Field = Field::application(6, "content-type", Kind::ContentType);
const EXTENDED_CONTENT_TYPE: Field = Field::object_identifier("content-type");
const CONTENT_IDENTIFIER: Field = Field::application(10, "content-identifier", Kind::Text);
const INDICATORS: Field =
    Field::application(8, "per-message-indicators", Kind::Bits(PER_MESSAGE_INDICATORS));
const BILATERAL_INFORMATION: Field =
    Field::context(1, "per-domain-bilateral-information", Kind::Many(BILATERAL));
const EXTENSION_SET: Kind = Kind::Many(&[Field::new("extension", Tag::SEQUENCE, Kind::Extension)]);

const BILATERAL: &[Field] = &[Field::sequence(
    "bilateral",
    &[
        Field::application(1, "country-name", Kind::Explicit(&Kind::Text)),
        Field::application(2, "administration-domain-name", Kind::Explicit(&Kind::Text)),
        Field::sequence(
            "private-domain",
            &[
                Field::context(0, "administration-domain-name", Kind::Any),
                Field::context(1, "private-domain-identifier", Kind::Any),
            ],
        ),
        Field::any("bilateral-information"),
    ],
)];

pub(super) const fn or_name(name: &'static str) -> Field {
    Field::application(0, name, Kind::OrName)
}

const fn mts_identifier(name: &'static str) -> Field {
    Field::application(4, name, Kind::Fields(MTS_IDENTIFIER))
}

const MTS_IDENTIFIER: &[Field] =
    &[DOMAIN, Field::new("local-identifier", Tag::IA5_STRING, Kind::Text)];

pub(super) const DOMAIN: Field = Field::application(3, "global-domain-identifier", Kind::Domain);

pub(super) const fn encoded_information_types(name: &'static str) -> Field {
    Field::application(5, name, Kind::Fields(ENCODED_INFORMATION_TYPES))
}

const ENCODED_INFORMATION_TYPES: &[Field] = &[
    Field::context(
        0,
        "built-in-encoded-information-types",
        Kind::Bits(BUILT_IN_ENCODED_INFORMATION_TYPES),
    ),
    Field::context(1, "g3-facsimile", Kind::Bits(&[])),
    Field::context(2, "teletex", Kind::Any),
    Field::context(
        4,
        "extended-encoded-information-types",
        Kind::Many(&[Field::object_identifier("type")]),
    ),
];

pub(super) const fn trace(name: &'static str) -> Field {
    Field::application(9, name, Kind::Many(TRACE_ELEMENTS))
}

const TRACE_ELEMENTS: &[Field] = &[Field::sequence(
    "element",
    &[
        DOMAIN,
        Field::set(
            "domain-supplied-information",
            &[
                Field::context(0, "arrival-time", Kind::Time),
                Field::context(2, "routing-action", Kind::Number(ROUTING_ACTIONS)),
                Field::application(3, "attempted-domain", Kind::Domain),
                Field::context(1, "deferred-time", Kind::Time),
                encoded_information_types("converted-encoded-information-types"),
                Field::context(3, "other-actions", Kind::Bits(OTHER_ACTIONS)),
            ],
        ),
    ],
)];

const OTHER_ACTIONS: Names = &[(0, "redirected"), (1, "dl-operation")];

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

/// What an RTORQ carries for the MTA, in either mode.
pub(super) const BIND_ARGUMENT: &[Field] = &[
    Field::context(16, "MTABindArgument", Kind::Fields(BARE_BIND_ARGUMENT)),
    BARE_BIND_ARGUMENT[0],
    BARE_BIND_ARGUMENT[1],
];

const BARE_BIND_ARGUMENT: &[Field] = &[
    Field::new("unauthenticated", Tag::NULL, Kind::Null),
    Field::context(
        1,
        "authenticated",
        Kind::Fields(&[
            Field::context(0, "initiator-name", Kind::Text),
            Field::context(1, "initiator-credentials", Kind::Secret),
            Field::context(2, "security-context", Kind::Any),
        ]),
    ),
];

/// What an RTOAC carries for the MTA, in either mode.
pub(super) const BIND_RESULT: &[Field] = &[
    Field::context(17, "MTABindResult", Kind::Fields(BARE_BIND_RESULT)),
    BARE_BIND_RESULT[0],
    BARE_BIND_RESULT[1],
];

const BARE_BIND_RESULT: &[Field] = &[
    Field::new("unauthenticated", Tag::NULL, Kind::Null),
    Field::context(
        1,
        "authenticated",
        Kind::Fields(&[
            Field::context(0, "responder-name", Kind::Text),
            Field::context(1, "responder-credentials", Kind::Secret),
        ]),
    ),
];

/// What an RTORJ carries for the MTA, in normal mode.
pub(super) const BIND_ERROR: &[Field] =
    &[Field::context(18, "MTABindError", Kind::Explicit(&Kind::Number(BIND_ERRORS)))];

/// MTABindError.
const BIND_ERRORS: Names = &[
    (0, "busy"),
    (2, "authentication-error"),
    (3, "unacceptable-dialogue-mode"),
    (4, "unacceptable-security-context"),
    (5, "inadequate-association-confidentiality"),
];
