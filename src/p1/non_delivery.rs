//! Why a recipient is not delivered to, as a report says it: NonDeliveryReasonCode and
//! NonDeliveryDiagnosticCode (MTSAbstractService).

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
    /// unable-to-transfer, unrecognised-OR-name.
    pub const UNRECOGNISED_OR_NAME: NonDelivery = unable_to_transfer(0);
    /// unable-to-transfer, loop-detected.
    pub const LOOP_DETECTED: NonDelivery = unable_to_transfer(3);
    /// unable-to-transfer, maximum-time-expired.
    pub const MAXIMUM_TIME_EXPIRED: NonDelivery = unable_to_transfer(5);
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
    pub const CONVERSION_IMPRACTICAL: NonDelivery = NonDelivery { reason: 2, diagnostic: Some(8) };
}

const fn unable_to_transfer(diagnostic: i64) -> NonDelivery {
    NonDelivery { reason: 1, diagnostic: Some(diagnostic) }
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
