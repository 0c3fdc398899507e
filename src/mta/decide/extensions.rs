//! What the extension fields of an envelope and of a recipient say to a decision (MTSAbstractService,
//! MTAAbstractService).

use super::criticality::is_unsupported;
use crate::base::clock::WallTime;
use crate::ber::{Reader, Span};
use crate::mta::names;
use crate::p1::Error;
use crate::p1::history::{
    self, DL_EXPANSION_HISTORY, ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT, REDIRECTION_HISTORY,
    Redirection, RedirectionReason,
};
use crate::p1::scan::{Extension, ExtensionId, Recipient, Scan};
use crate::p1::time::wall_time;

const RECIPIENT_REASSIGNMENT_PROHIBITED: i64 = 1;
const DL_EXPANSION_PROHIBITED: i64 = 3;
const CONVERSION_WITH_LOSS_PROHIBITED: i64 = 4;
const LATEST_DELIVERY_TIME: i64 = 5;

/// Those of an envelope.
#[derive(Default)]
pub(super) struct EnvelopeExtensions {
    /// Something critical for transfer is not supported.
    pub(super) is_unsupported: bool,
    pub(super) is_reassignment_prohibited: bool,
    pub(super) is_expansion_prohibited: bool,
    /// Conversion-with-loss-prohibited.
    pub(super) is_loss_prohibited: bool,
    pub(super) latest_delivery_time: Option<WallTime>,
    /// The value of dl-expansion-history, the whole element.
    pub(super) expansion_history: Option<Span>,
}

impl EnvelopeExtensions {
    pub(super) fn read(apdu: &[u8], scan: &Scan) -> EnvelopeExtensions {
        let mut found = EnvelopeExtensions::default();
        for extension in &scan.extensions {
            found.is_unsupported |= is_unsupported(extension);
            let ExtensionId::Standard(number) = extension.id else { continue };
            let value = extension.value.octets(apdu);
            match number {
                RECIPIENT_REASSIGNMENT_PROHIBITED => {
                    found.is_reassignment_prohibited = enumerated(value) == Some(1);
                }
                DL_EXPANSION_PROHIBITED => {
                    found.is_expansion_prohibited = enumerated(value) == Some(1);
                }
                CONVERSION_WITH_LOSS_PROHIBITED => {
                    found.is_loss_prohibited = enumerated(value) == Some(1);
                }
                LATEST_DELIVERY_TIME => found.latest_delivery_time = time(value),
                DL_EXPANSION_HISTORY => found.expansion_history = Some(extension.value),
                _ => {}
            }
        }
        found
    }
}

/// Those of one recipient.
#[derive(Default)]
pub(super) struct RecipientExtensions<'a> {
    /// Something critical for transfer is not supported.
    pub(super) is_unsupported: bool,
    /// Whom the originator named instead, a whole O/R name element.
    alternate: Option<&'a [u8]>,
    /// The value of redirection-history, the whole element.
    redirection_history: Option<Span>,
}

impl<'a> RecipientExtensions<'a> {
    #[inline]
    pub(super) fn read(
        apdu: &'a [u8],
        scan: &Scan,
        recipient: &Recipient,
    ) -> RecipientExtensions<'a> {
        let mut found = RecipientExtensions::default();
        for extension in scan.recipient_extensions(recipient) {
            found.is_unsupported |= is_unsupported(extension);
            found.take(extension, apdu);
        }
        found
    }

    fn take(&mut self, extension: &Extension, apdu: &'a [u8]) {
        let value = extension.value.octets(apdu);
        match extension.id {
            ExtensionId::Standard(ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT) => {
                self.alternate = Some(value);
            }
            ExtensionId::Standard(REDIRECTION_HISTORY) => {
                self.redirection_history = Some(extension.value);
            }
            _ => {}
        }
    }

    /// Whether the originator named another recipient, to whom the copy for `or_name` has not been.
    pub(super) fn has_unused_alternate(&self, apdu: &[u8], or_name: &[u8]) -> bool {
        let Some(alternate) = self.alternate else { return false };
        let is_unused = || -> Result<bool, Error> {
            let mut is_unused = !names::same(alternate, or_name)?;
            for redirection in self.redirections(apdu) {
                let Redirection { intended_recipient, reason } = redirection?;
                is_unused &= reason != RedirectionReason::OriginatorRequested as i64
                    && !names::same(alternate, intended_recipient.octets(apdu))?;
            }
            Ok(is_unused)
        };
        is_unused().unwrap_or(false)
    }

    /// Whether the copy was for one of these already.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub(super) fn has_been_for(&self, apdu: &[u8], those: &names::Names) -> Result<bool, Error> {
        let mut has_been = false;
        for redirection in self.redirections(apdu) {
            has_been |= those.contains(redirection?.intended_recipient.octets(apdu))?;
        }
        Ok(has_been)
    }

    fn redirections(&self, apdu: &[u8]) -> impl Iterator<Item = Result<Redirection, Error>> {
        self.redirection_history.into_iter().flat_map(|value| history::redirections(apdu, value))
    }
}

fn enumerated(value: &[u8]) -> Option<i64> {
    let mut reader = Reader::new(value);
    let header = reader.header().ok()?;
    reader.integer(&header).ok()
}

fn time(value: &[u8]) -> Option<WallTime> {
    let mut reader = Reader::new(value);
    let header = reader.header().ok()?;
    wall_time(reader.primitive(&header).ok()?)
}
