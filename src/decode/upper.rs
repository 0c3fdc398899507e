//! Tables of what the session carries: PPDUs (X.226), ACSE APDUs (X.227), RTSE APDUs (X.228).

use super::p1::{BIND_ARGUMENT, BIND_ERROR, BIND_RESULT};
use super::schema::{Field, Kind, Names};
use crate::ber::Tag;

/// Which PPDU an SPDU's user data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ppdu {
    /// Of CONNECT.
    Connect,
    /// Of ACCEPT.
    ConnectAccept,
    /// Of REFUSE.
    ConnectReject,
    /// Of ABORT.
    Abort,
    /// Of anything else: user data, in X.410 mode without a PPDU.
    UserData,
}

impl Ppdu {
    /// What may stand there, in either mode.
    pub(super) const fn alternatives(self) -> &'static [Field] {
        match self {
            Ppdu::Connect => CONNECT,
            Ppdu::ConnectAccept => CONNECT_ACCEPT,
            Ppdu::ConnectReject => CONNECT_REJECT,
            Ppdu::Abort => ABORT,
            Ppdu::UserData => USER_DATA,
        }
    }
}

const CONNECT: &[Field] = &[Field::set(
    "CP-PPDU",
    &[
        MODE_SELECTOR,
        Field::context(1, "x410-mode-parameters", Kind::Fields(RTORQ)).of("rtse"),
        Field::context(
            2,
            "normal-mode-parameters",
            Kind::Fields(&[
                PROTOCOL_VERSION,
                Field::context(1, "calling-presentation-selector", Kind::Octets),
                Field::context(2, "called-presentation-selector", Kind::Octets),
                Field::context(
                    4,
                    "presentation-context-definition-list",
                    Kind::Many(&[Field::sequence("context", CONTEXT_DEFINITION)]),
                ),
                Field::context(6, "default-context-name", Kind::Any),
                Field::context(8, "presentation-requirements", Kind::Bits(REQUIREMENTS)),
                Field::context(9, "user-session-requirements", Kind::Bits(&[])),
                SIMPLY_ENCODED,
                FULLY_ENCODED,
            ]),
        ),
    ],
)];

const CONNECT_ACCEPT: &[Field] = &[Field::set(
    "CPA-PPDU",
    &[
        MODE_SELECTOR,
        Field::context(1, "x410-mode-parameters", Kind::Fields(RTOAC)).of("rtse"),
        Field::context(
            2,
            "normal-mode-parameters",
            Kind::Fields(&[
                PROTOCOL_VERSION,
                RESPONDING_SELECTOR,
                DEFINITION_RESULTS,
                Field::context(8, "presentation-requirements", Kind::Bits(REQUIREMENTS)),
                Field::context(9, "user-session-requirements", Kind::Bits(&[])),
                SIMPLY_ENCODED,
                FULLY_ENCODED,
            ]),
        ),
    ],
)];

const CONNECT_REJECT: &[Field] = &[
    Field::set("CPR-PPDU x400-mode-parameters", RTORJ).of("rtse"),
    Field::sequence(
        "CPR-PPDU",
        &[
            PROTOCOL_VERSION,
            RESPONDING_SELECTOR,
            DEFINITION_RESULTS,
            Field::context(7, "default-context-result", Kind::Number(RESULTS)),
            Field::context(10, "provider-reason", Kind::Number(PROVIDER_REASONS)),
            SIMPLY_ENCODED,
            FULLY_ENCODED,
        ],
    ),
];

const ABORT: &[Field] = &[
    Field::set("ARU-PPDU x400-mode-parameters", RTAB).of("rtse"),
    Field::context(
        0,
        "ARU-PPDU",
        Kind::Fields(&[
            Field::context(0, "presentation-context-identifier-list", Kind::Any),
            SIMPLY_ENCODED,
            FULLY_ENCODED,
        ]),
    ),
    Field::sequence(
        "ARP-PPDU",
        &[
            Field::context(0, "provider-reason", Kind::Number(ABORT_REASONS)),
            Field::context(1, "event-identifier", Kind::Number(&[])),
        ],
    ),
];

const USER_DATA: &[Field] = &[SIMPLY_ENCODED, FULLY_ENCODED, RTTP];

const MODE_SELECTOR: Field = Field::context(
    0,
    "mode-selector",
    Kind::Fields(&[Field::context(
        0,
        "mode-value",
        Kind::Number(&[(0, "x410-1984-mode"), (1, "normal-mode")]),
    )]),
);
const PROTOCOL_VERSION: Field =
    Field::context(0, "protocol-version", Kind::Bits(&[(0, "version-1")]));
const RESPONDING_SELECTOR: Field =
    Field::context(3, "responding-presentation-selector", Kind::Octets);
const DEFINITION_RESULTS: Field = Field::context(
    5,
    "presentation-context-definition-result-list",
    Kind::Many(&[Field::sequence(
        "context",
        &[
            Field::context(0, "result", Kind::Number(RESULTS)),
            Field::context(1, "transfer-syntax-name", Kind::ObjectIdentifier),
            Field::context(2, "provider-reason", Kind::Number(CONTEXT_REASONS)),
        ],
    )]),
);
const CONTEXT_DEFINITION: &[Field] = &[
    Field::integer("presentation-context-identifier", &[]),
    Field::object_identifier("abstract-syntax-name"),
    Field::new(
        "transfer-syntax-name-list",
        Tag::SEQUENCE,
        Kind::Many(&[Field::object_identifier("transfer-syntax-name")]),
    ),
];
const SIMPLY_ENCODED: Field = Field::application(0, "simply-encoded-data", Kind::Octets);
const FULLY_ENCODED: Field = Field::application(
    1,
    "fully-encoded-data",
    Kind::Many(&[Field::sequence(
        "PDV-list",
        &[
            Field::object_identifier("transfer-syntax-name"),
            Field::integer("presentation-context-identifier", &[]),
            Field::context(0, "single-ASN1-type", Kind::Fields(APDUS)),
            Field::context(1, "octet-aligned", Kind::Octets),
            Field::context(2, "arbitrary", Kind::Octets),
        ],
    )]),
);

const REQUIREMENTS: Names = &[(0, "context-management"), (1, "restoration")];
const RESULTS: Names = &[(0, "acceptance"), (1, "user-rejection"), (2, "provider-rejection")];
const CONTEXT_REASONS: Names = &[
    (0, "reason-not-specified"),
    (1, "abstract-syntax-not-supported"),
    (2, "proposed-transfer-syntaxes-not-supported"),
    (3, "local-limit-on-DCS-exceeded"),
];
const PROVIDER_REASONS: Names = &[
    (0, "reason-not-specified"),
    (1, "temporary-congestion"),
    (2, "local-limit-exceeded"),
    (3, "called-presentation-address-unknown"),
    (4, "protocol-version-not-supported"),
    (5, "default-context-not-supported"),
    (6, "user-data-not-readable"),
    (7, "no-PSAP-available"),
];
const ABORT_REASONS: Names = &[
    (0, "reason-not-specified"),
    (1, "unrecognized-ppdu"),
    (2, "unexpected-ppdu"),
    (3, "unexpected-session-service-primitive"),
    (4, "unrecognized-ppdu-parameter"),
    (5, "unexpected-ppdu-parameter"),
    (6, "invalid-ppdu-parameter-value"),
];

/// What a presentation data value may be: told apart by tag, as X.228 wants them to be.
const APDUS: &[Field] = &[
    AARQ.of("acse"),
    AARE.of("acse"),
    Field::application(
        2,
        "rlrq",
        Kind::Fields(&[
            Field::context(0, "reason", Kind::Number(REQUEST_REASONS)),
            USER_INFORMATION,
        ]),
    )
    .of("acse"),
    Field::application(
        3,
        "rlre",
        Kind::Fields(&[
            Field::context(0, "reason", Kind::Number(RESPONSE_REASONS)),
            USER_INFORMATION,
        ]),
    )
    .of("acse"),
    Field::application(
        4,
        "abrt",
        Kind::Fields(&[
            Field::context(0, "abort-source", Kind::Number(ABORT_SOURCES)),
            Field::context(1, "abort-diagnostic", Kind::Number(&[])),
            USER_INFORMATION,
        ]),
    )
    .of("acse"),
    RTSE_APDUS[0],
    RTSE_APDUS[1],
    RTSE_APDUS[2],
    RTSE_APDUS[3],
    RTTP,
    Field::new("rttr-apdu", Tag::OCTET_STRING, Kind::Octets).of("rtse"),
];

const AARQ: Field = Field::application(
    0,
    "aarq",
    Kind::Fields(&[
        Field::context(0, "protocol-version", Kind::Bits(&[(0, "version1")])),
        Field::context(1, "application-context-name", Kind::Explicit(&Kind::ObjectIdentifier)),
        Field::context(2, "called-AP-title", Kind::Any),
        Field::context(3, "called-AE-qualifier", Kind::Any),
        Field::context(4, "called-AP-invocation-identifier", Kind::Any),
        Field::context(5, "called-AE-invocation-identifier", Kind::Any),
        Field::context(6, "calling-AP-title", Kind::Any),
        Field::context(7, "calling-AE-qualifier", Kind::Any),
        Field::context(8, "calling-AP-invocation-identifier", Kind::Any),
        Field::context(9, "calling-AE-invocation-identifier", Kind::Any),
        Field::context(10, "sender-acse-requirements", Kind::Bits(&[(0, "authentication")])),
        Field::context(11, "mechanism-name", Kind::ObjectIdentifier),
        Field::context(12, "calling-authentication-value", Kind::Secret),
        Field::context(29, "implementation-information", Kind::Text),
        USER_INFORMATION,
    ]),
);

const AARE: Field = Field::application(
    1,
    "aare",
    Kind::Fields(&[
        Field::context(0, "protocol-version", Kind::Bits(&[(0, "version1")])),
        Field::context(1, "application-context-name", Kind::Explicit(&Kind::ObjectIdentifier)),
        Field::context(2, "result", Kind::Explicit(&Kind::Number(ASSOCIATE_RESULTS))),
        Field::context(
            3,
            "result-source-diagnostic",
            Kind::Fields(&[
                Field::context(1, "service-user", Kind::Explicit(&Kind::Number(USER_DIAGNOSTICS))),
                Field::context(
                    2,
                    "service-provider",
                    Kind::Explicit(&Kind::Number(PROVIDER_DIAGNOSTICS)),
                ),
            ]),
        ),
        Field::context(4, "responding-AP-title", Kind::Any),
        Field::context(5, "responding-AE-qualifier", Kind::Any),
        Field::context(6, "responding-AP-invocation-identifier", Kind::Any),
        Field::context(7, "responding-AE-invocation-identifier", Kind::Any),
        Field::context(8, "responder-acse-requirements", Kind::Bits(&[(0, "authentication")])),
        Field::context(9, "mechanism-name", Kind::ObjectIdentifier),
        Field::context(10, "responding-authentication-value", Kind::Secret),
        Field::context(29, "implementation-information", Kind::Text),
        USER_INFORMATION,
    ]),
);

const USER_INFORMATION: Field = Field::context(
    30,
    "user-information",
    Kind::Many(&[Field::new("EXTERNAL", EXTERNAL, Kind::Fields(EXTERNAL_APDU))]),
);
const EXTERNAL: Tag = Tag::universal(8);
const EXTERNAL_APDU: &[Field] = &[
    Field::object_identifier("direct-reference"),
    Field::integer("indirect-reference", &[]),
    Field::new("data-value-descriptor", Tag::universal(7), Kind::Text),
    Field::context(0, "single-ASN1-type", Kind::Fields(RTSE_APDUS)),
    Field::context(1, "octet-aligned", Kind::Octets),
    Field::context(2, "arbitrary", Kind::Octets),
];

const REQUEST_REASONS: Names = &[(0, "normal"), (1, "urgent"), (30, "user-defined")];
const RESPONSE_REASONS: Names = &[(0, "normal"), (1, "not-finished"), (30, "user-defined")];
const ABORT_SOURCES: Names = &[(0, "service-user"), (1, "service-provider")];
const ASSOCIATE_RESULTS: Names =
    &[(0, "accepted"), (1, "rejected-permanent"), (2, "rejected-transient")];
const USER_DIAGNOSTICS: Names = &[
    (0, "null"),
    (1, "no-reason-given"),
    (2, "application-context-name-not-supported"),
    (3, "calling-AP-title-not-recognized"),
    (4, "calling-AP-invocation-identifier-not-recognized"),
    (5, "calling-AE-qualifier-not-recognized"),
    (6, "calling-AE-invocation-identifier-not-recognized"),
    (7, "called-AP-title-not-recognized"),
    (8, "called-AP-invocation-identifier-not-recognized"),
    (9, "called-AE-qualifier-not-recognized"),
    (10, "called-AE-invocation-identifier-not-recognized"),
    (11, "authentication-mechanism-name-not-recognized"),
    (12, "authentication-mechanism-name-required"),
    (13, "authentication-failure"),
    (14, "authentication-required"),
];
const PROVIDER_DIAGNOSTICS: Names =
    &[(0, "null"), (1, "no-reason-given"), (2, "no-common-acse-version")];

const RTSE_APDUS: &[Field] = &[
    Field::context(16, "rtorq-apdu", Kind::Fields(RTORQ)).of("rtse"),
    Field::context(17, "rtoac-apdu", Kind::Fields(RTOAC)).of("rtse"),
    Field::context(18, "rtorj-apdu", Kind::Fields(RTORJ)).of("rtse"),
    Field::context(22, "rtab-apdu", Kind::Fields(RTAB)).of("rtse"),
];

/// The bare INTEGER of an RTTP: 0 is the highest priority.
pub(super) const RTTP: Field = Field::integer("rttp-apdu priority", &[]).of("rtse");

const RTORQ: &[Field] = &[
    Field::context(0, "checkpointSize", Kind::Number(&[])),
    Field::context(1, "windowSize", Kind::Number(&[])),
    Field::context(2, "dialogueMode", Kind::Number(&[(0, "monologue"), (1, "twa")])),
    Field::context(
        3,
        "connectionDataRQ",
        Kind::Fields(&[Field::context(0, "open", Kind::Fields(BIND_ARGUMENT)), RECOVER]),
    ),
    Field::context(4, "applicationProtocol", Kind::Number(APPLICATION_PROTOCOLS)),
];

pub(super) const APPLICATION_PROTOCOLS: Names =
    &[(12, "mts-transfer-protocol"), (1, "mts-transfer-protocol-1984")];

const RTOAC: &[Field] = &[
    Field::context(0, "checkpointSize", Kind::Number(&[])),
    Field::context(1, "windowSize", Kind::Number(&[])),
    Field::context(
        2,
        "connectionDataAC",
        Kind::Fields(&[Field::context(0, "open", Kind::Fields(BIND_RESULT)), RECOVER]),
    ),
];

const RECOVER: Field = Field::context(
    1,
    "recover",
    Kind::Fields(&[
        Field::new("callingSSuserReference", Tag::TELETEX_STRING, Kind::Text),
        Field::new("callingSSuserReference", Tag::OCTET_STRING, Kind::Octets),
        Field::new("commonReference", Tag::UTC_TIME, Kind::Time),
        Field::context(0, "additionalReferenceInformation", Kind::Text),
    ]),
);

const RTORJ: &[Field] = &[
    Field::context(
        0,
        "refuseReason",
        Kind::Number(&[
            (0, "rtsBusy"),
            (1, "cannotRecover"),
            (2, "validationFailure"),
            (3, "unacceptableDialogueMode"),
        ]),
    ),
    Field::context(1, "userDataRJ", Kind::Fields(BIND_ERROR)),
];

const RTAB: &[Field] = &[
    Field::context(
        0,
        "abortReason",
        Kind::Number(&[
            (0, "localSystemProblem"),
            (1, "invalidParameter"),
            (2, "unrecognizedActivity"),
            (3, "temporaryProblem"),
            (4, "protocolError"),
            (5, "permanentProblem"),
            (6, "userError"),
            (7, "transferCompleted"),
        ]),
    ),
    Field::context(1, "reflectedParameter", Kind::Bits(&[])),
    Field::context(2, "userdataAB", Kind::Any),
];

/// What RTTRs carry, put together, in normal mode.
pub(super) const TRANSFERRED: &[Field] = &[Field::new(
    "EXTERNAL",
    EXTERNAL,
    Kind::Fields(&[
        Field::object_identifier("direct-reference"),
        Field::integer("indirect-reference", &[]),
        Field::new("data-value-descriptor", Tag::universal(7), Kind::Text),
        Field::context(0, "single-ASN1-type", Kind::Fields(super::p1::MTS_APDU)),
        Field::context(1, "octet-aligned", Kind::Fields(super::p1::MTS_APDU)),
    ]),
)];
