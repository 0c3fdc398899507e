//! Why a recipient is not delivered to, as a report says it: NonDeliveryReasonCode and
//! NonDeliveryDiagnosticCode (MTSAbstractService), with their words, which reports, logs and decoding share.

use std::fmt;

/// A reason with its diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NonDelivery {
    /// NonDeliveryReasonCode.
    pub reason: i64,
    /// NonDeliveryDiagnosticCode.
    pub diagnostic: Option<i64>,
}

impl NonDelivery {
    /// transfer-failure.
    pub const TRANSFER_FAILURE: NonDelivery = NonDelivery { reason: 0, diagnostic: None };
    /// unable-to-transfer, unrecognised-OR-name.
    pub const UNRECOGNISED_OR_NAME: NonDelivery = unable_to_transfer(0);
    /// unable-to-transfer, loop-detected.
    pub const LOOP_DETECTED: NonDelivery = unable_to_transfer(3);
    /// unable-to-transfer, maximum-time-expired.
    pub const MAXIMUM_TIME_EXPIRED: NonDelivery = unable_to_transfer(5);
    /// unable-to-transfer, encoded-information-types-unsupported.
    pub const ENCODED_INFORMATION_TYPES_UNSUPPORTED: NonDelivery = unable_to_transfer(6);
    /// unable-to-transfer, content-too-long.
    pub const CONTENT_TOO_LONG: NonDelivery = unable_to_transfer(7);
    /// unable-to-transfer, content-type-not-supported.
    pub const CONTENT_TYPE_NOT_SUPPORTED: NonDelivery = unable_to_transfer(15);
    /// unable-to-transfer, unsupported-critical-function.
    pub const UNSUPPORTED_CRITICAL_FUNCTION: NonDelivery = unable_to_transfer(18);
    /// unable-to-transfer, recipient-reassignment-prohibited.
    pub const RECIPIENT_REASSIGNMENT_PROHIBITED: NonDelivery = unable_to_transfer(26);
    /// unable-to-transfer, redirection-loop-detected.
    pub const REDIRECTION_LOOP_DETECTED: NonDelivery = unable_to_transfer(27);
    /// unable-to-transfer, dl-expansion-prohibited.
    pub const DL_EXPANSION_PROHIBITED: NonDelivery = unable_to_transfer(28);
    /// unable-to-transfer, no-dl-submit-permission.
    pub const NO_DL_SUBMIT_PERMISSION: NonDelivery = unable_to_transfer(29);
    /// unable-to-transfer, dl-expansion-failure.
    pub const DL_EXPANSION_FAILURE: NonDelivery = unable_to_transfer(30);
    /// unable-to-transfer, unable-to-downgrade.
    pub const UNABLE_TO_DOWNGRADE: NonDelivery = unable_to_transfer(47);
    /// unable-to-transfer, transfer-attempts-limit-reached.
    pub const TRANSFER_ATTEMPTS_LIMIT_REACHED: NonDelivery = unable_to_transfer(49);
    /// conversion-not-performed, conversion-impractical.
    pub const CONVERSION_IMPRACTICAL: NonDelivery = conversion_not_performed(8);
    /// conversion-not-performed, implicit-conversion-prohibited.
    pub const IMPLICIT_CONVERSION_PROHIBITED: NonDelivery = conversion_not_performed(9);
    /// conversion-not-performed, conversion-with-loss-prohibited.
    pub const CONVERSION_WITH_LOSS_PROHIBITED: NonDelivery = conversion_not_performed(19);
}

const fn conversion_not_performed(diagnostic: i64) -> NonDelivery {
    NonDelivery { reason: 2, diagnostic: Some(diagnostic) }
}

const fn unable_to_transfer(diagnostic: i64) -> NonDelivery {
    NonDelivery { reason: 1, diagnostic: Some(diagnostic) }
}

impl NonDelivery {
    /// The diagnostic in words, or where there is none known the reason; `None` for codes without words.
    pub fn words(&self) -> Option<&'static str> {
        let diagnostic = self.diagnostic.and_then(|code| named(DIAGNOSTICS, code));
        diagnostic.or_else(|| named(REASONS, self.reason))
    }
}

fn named(names: &'static [(i64, &'static str)], code: i64) -> Option<&'static str> {
    names.iter().find(|(number, _)| *number == code).map(|(_, words)| *words)
}

impl fmt::Display for NonDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "non-delivery reason {}", self.reason)?;
        match self.diagnostic {
            Some(diagnostic) => write!(f, ", diagnostic {diagnostic}"),
            None => Ok(()),
        }
    }
}

/// Each NonDeliveryReasonCode in words.
pub const REASONS: &[(i64, &str)] = &[
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

/// Each NonDeliveryDiagnosticCode in words.
pub const DIAGNOSTICS: &[(i64, &str)] = &[
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_words() {
        assert_eq!(NonDelivery::LOOP_DETECTED.words(), Some("loop-detected"));
        assert_eq!(
            NonDelivery { reason: 5, diagnostic: None }.words(),
            Some("restricted-delivery")
        );
        let later = NonDelivery { reason: 1, diagnostic: Some(999) };
        assert_eq!(later.words(), Some("unable-to-transfer"));
        assert_eq!(NonDelivery { reason: 99, diagnostic: Some(999) }.words(), None);
    }
}
