//! What the extension fields of an envelope and of a recipient say to a decision (MTSAbstractService,
//! MTAAbstractService).

use super::criticality::is_unsupported;
use crate::base::clock::WallTime;
use crate::ber::Reader;
use crate::mta::names;
use crate::p1::Error;
use crate::p1::scan::{Extension, ExtensionId, Recipient, Scan};
use crate::p1::time::wall_time;

const RECIPIENT_REASSIGNMENT_PROHIBITED: i64 = 1;
const ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT: i64 = 2;
const DL_EXPANSION_PROHIBITED: i64 = 3;
const LATEST_DELIVERY_TIME: i64 = 5;
const REDIRECTION_HISTORY: i64 = 25;
const DL_EXPANSION_HISTORY: i64 = 26;

/// RedirectionReason originator-requested-alternate-recipient.
const ORIGINATOR_REQUESTED: i64 = 1;

/// Those of an envelope.
#[derive(Default)]
pub(super) struct EnvelopeExtensions<'a> {
    /// Something critical for transfer is not supported.
    pub(super) is_unsupported: bool,
    pub(super) is_reassignment_prohibited: bool,
    pub(super) is_expansion_prohibited: bool,
    pub(super) latest_delivery_time: Option<WallTime>,
    /// The value of dl-expansion-history, the whole element.
    pub(super) expansion_history: Option<&'a [u8]>,
}

impl<'a> EnvelopeExtensions<'a> {
    pub(super) fn read(apdu: &'a [u8], scan: &Scan) -> EnvelopeExtensions<'a> {
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
                LATEST_DELIVERY_TIME => found.latest_delivery_time = time(value),
                DL_EXPANSION_HISTORY => found.expansion_history = Some(value),
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
    redirection_history: Option<&'a [u8]>,
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
            ExtensionId::Standard(REDIRECTION_HISTORY) => self.redirection_history = Some(value),
            _ => {}
        }
    }

    /// Whether the originator named another recipient, to whom the copy for `or_name` has not been.
    pub(super) fn has_unused_alternate(&self, or_name: &[u8]) -> bool {
        let Some(alternate) = self.alternate else { return false };
        let is_unused = || -> Result<bool, Error> {
            let mut is_unused = !names::same(alternate, or_name)?;
            self.redirections(|intended, reason| {
                is_unused &= reason != ORIGINATOR_REQUESTED && !names::same(alternate, intended)?;
                Ok(())
            })?;
            Ok(is_unused)
        };
        is_unused().unwrap_or(false)
    }

    /// Whether the copy was for one of these already.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub(super) fn has_been_for(&self, those: &names::Names) -> Result<bool, Error> {
        let mut has_been = false;
        self.redirections(|intended, _| {
            has_been |= those.contains(intended)?;
            Ok(())
        })?;
        Ok(has_been)
    }

    /// Every intended recipient of the redirection-history with the reason that it is no more.
    fn redirections(
        &self,
        mut visit: impl FnMut(&[u8], i64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(history) = self.redirection_history else { return Ok(()) };
        let mut reader = Reader::new(history);
        let header = reader.header()?;
        let all = reader.enter(&header)?;
        while let Some(item) = reader.next(&all)? {
            let redirection = reader.enter(&item)?;
            let header = reader.header()?;
            let intended = reader.enter(&header)?;
            let name = reader.take()?.span();
            reader.take()?;
            reader.leave(&intended)?;
            let header = reader.header()?;
            let reason = reader.integer(&header)?;
            reader.leave(&redirection)?;
            visit(reader.octets_of(name), reason)?;
        }
        Ok(())
    }
}

/// Every list of a dl-expansion-history, the first expanded first.
pub(super) fn expansions<'a>(
    history: &'a [u8],
    mut visit: impl FnMut(&'a [u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = Reader::new(history);
    let header = reader.header()?;
    let all = reader.enter(&header)?;
    while let Some(item) = reader.next(&all)? {
        let expansion = reader.enter(&item)?;
        let name = reader.take()?.span();
        reader.take()?;
        reader.leave(&expansion)?;
        visit(reader.octets_of(name))?;
    }
    Ok(())
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
