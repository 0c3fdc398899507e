//! Tables of the MTS-APDUs and the MTA-bind (X.411 MTAAbstractService, MTSAbstractService).

use super::schema::{Field, Kind, Names};
use crate::ber::Tag;
use crate::p1::encoded_information_types::BUILT_IN;
use crate::p1::non_delivery::{DIAGNOSTICS, REASONS};

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

pub(super) const ROUTING_ACTIONS: Names = &[(0, "relayed"), (1, "rerouted")];

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
    Field::context(0, "built-in-encoded-information-types", Kind::Bits(BUILT_IN)),
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

pub(super) const OTHER_ACTIONS: Names = &[(0, "redirected"), (1, "dl-operation")];

/// What an RTORQ carries for the MTA, in either mode.
pub(super) const BIND_ARGUMENT: &[Field] = &[
    Field::context(16, "MTABindArgument", Kind::Fields(BARE_BIND_ARGUMENT)).of("p1"),
    BARE_BIND_ARGUMENT[0].of("p1"),
    BARE_BIND_ARGUMENT[1].of("p1"),
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
    Field::context(17, "MTABindResult", Kind::Fields(BARE_BIND_RESULT)).of("p1"),
    BARE_BIND_RESULT[0].of("p1"),
    BARE_BIND_RESULT[1].of("p1"),
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
    &[Field::context(18, "MTABindError", Kind::Explicit(&Kind::Number(BIND_ERRORS))).of("p1")];

/// MTABindError.
const BIND_ERRORS: Names = &[
    (0, "busy"),
    (2, "authentication-error"),
    (3, "unacceptable-dialogue-mode"),
    (4, "unacceptable-security-context"),
    (5, "inadequate-association-confidentiality"),
];
