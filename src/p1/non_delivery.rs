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
    /// transfer-failure.
    pub const TRANSFER_FAILURE: NonDelivery = NonDelivery { reason: 0, diagnostic: None };
    /// unable-to-transfer, unrecognised-OR-name.
    pub const UNRECOGNISED_OR_NAME: NonDelivery = unable_to_transfer(0);
    /// unable-to-transfer, loop-detected.
    pub const LOOP_DETECTED: NonDelivery = unable_to_transfer(3);
    /// unable-to-transfer, maximum-time-expired.
    pub const MAXIMUM_TIME_EXPIRED: NonDelivery = unable_to_transfer(5);
    /// unable-to-transfer, content-too-long.
    pub const CONTENT_TOO_LONG: NonDelivery = unable_to_transfer(7);
    /// unable-to-transfer, unsupported-critical-function.
    pub const UNSUPPORTED_CRITICAL_FUNCTION: NonDelivery = unable_to_transfer(18);
    /// unable-to-transfer, unable-to-downgrade.
    pub const UNABLE_TO_DOWNGRADE: NonDelivery = unable_to_transfer(47);
    /// unable-to-transfer, transfer-attempts-limit-reached.
    pub const TRANSFER_ATTEMPTS_LIMIT_REACHED: NonDelivery = unable_to_transfer(49);
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
