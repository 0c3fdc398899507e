//! What an APDU tells of how it came to its recipients: redirection-history, dl-expansion-history, and in
//! a report originator-and-DL-expansion-history (X.411 MTSAbstractService, extensions 25, 26 and 30).
//!
//! All three are SEQUENCE OF entries that hold an O/R name and a time; a redirection holds them one level
//! deeper, beside its reason. Names are copied as they stand: an O/R name has the same tag everywhere here.

use super::scan::{Extension, ExtensionId};
use super::time::utc_time;
use super::{Error, build, scan, tag};
use crate::base::clock::WallTime;
use crate::ber::{Reader, Span, Tag, write};

/// The number of originator-requested-alternate-recipient.
pub const ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT: i64 = 2;
/// The number of message-security-label.
pub const MESSAGE_SECURITY_LABEL: i64 = 20;
/// The number of content-correlator.
pub const CONTENT_CORRELATOR: i64 = 23;
/// The number of redirection-history.
pub const REDIRECTION_HISTORY: i64 = 25;
/// The number of dl-expansion-history.
pub const DL_EXPANSION_HISTORY: i64 = 26;
/// The number of originator-and-DL-expansion-history.
pub const ORIGINATOR_AND_DL_EXPANSION_HISTORY: i64 = 30;
/// The number of reporting-DL-name.
pub const REPORTING_DL_NAME: i64 = 31;

/// Why a recipient was redirected (RedirectionReason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectionReason {
    /// The recipient asked for it.
    RecipientAssigned = 0,
    /// The originator asked for it.
    OriginatorRequested = 1,
    /// The recipient's management domain does so.
    RecipientMdAssigned = 2,
}

/// The extension of this number among `extensions`.
pub fn find(extensions: &[Extension], number: i64) -> Option<&Extension> {
    extensions.iter().find(|extension| extension.id == ExtensionId::Standard(number))
}

/// Appends a Redirection. `intended` is the whole O/R name element of who was meant.
pub fn encode_redirection(
    intended: &[u8],
    time: WallTime,
    reason: RedirectionReason,
    out: &mut Vec<u8>,
) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        encode_entry(intended, &utc_time(time), out);
        write::integer(out, Tag::ENUMERATED, reason as i64);
    });
}

/// Appends a DLExpansion, OriginatorAndDLExpansion or IntendedRecipientName: a whole O/R name element and
/// the characters of a UTCTime.
pub fn encode_entry(name: &[u8], time: &[u8], out: &mut Vec<u8>) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        out.extend_from_slice(name);
        write::primitive(out, Tag::UTC_TIME, time);
    });
}

/// Appends an extension field whose value is a SEQUENCE OF these encoded entries. It is critical for
/// nobody.
pub fn encode_field(number: i64, entries: &[u8], out: &mut Vec<u8>) {
    let mut value = Vec::with_capacity(entries.len() + 8);
    write::constructed(&mut value, Tag::SEQUENCE, |out| out.extend_from_slice(entries));
    build::encode_standard_extension(number, 0, &value, out);
}

/// The encoded entries of a history's `value`, one behind the other.
///
/// # Errors
/// When the value is no SEQUENCE.
pub fn entries(apdu: &[u8], value: Span) -> Result<Span, Error> {
    let mut reader = Reader::over_span(apdu, value);
    let header = reader.header()?;
    scan::expect(&header, Tag::SEQUENCE)?;
    Ok(reader.skip(&header)?.content)
}

/// The whole O/R name element of each DLExpansion or OriginatorAndDLExpansion of a history's `value`, the
/// oldest first; the last item is the error where one is malformed.
pub fn names(apdu: &[u8], value: Span) -> impl Iterator<Item = Result<Span, Error>> {
    all(apdu, value, name_of_entry)
}

/// A Redirection of a redirection-history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirection {
    /// Whom the copy was meant for, a whole O/R name element.
    pub intended_recipient: Span,
    /// RedirectionReason.
    pub reason: i64,
}

/// Each Redirection of a redirection-history's `value`, the oldest first; the last item is the error where
/// one is malformed.
pub fn redirections(apdu: &[u8], value: Span) -> impl Iterator<Item = Result<Redirection, Error>> {
    all(apdu, value, |reader| {
        let header = reader.header()?;
        scan::expect(&header, Tag::SEQUENCE)?;
        let scope = reader.enter(&header)?;
        let intended_recipient = name_of_entry(reader)?;
        let header = reader.header()?;
        scan::expect(&header, Tag::ENUMERATED)?;
        let reason = reader.integer(&header)?;
        reader.leave(&scope)?;
        Ok(Redirection { intended_recipient, reason })
    })
}

/// What `read` finds in each entry of a history's `value`, up to an error.
fn all<T>(
    apdu: &[u8],
    value: Span,
    read: impl Fn(&mut Reader<'_>) -> Result<T, Error>,
) -> impl Iterator<Item = Result<T, Error>> {
    let mut reader = entries(apdu, value).map(|entries| Reader::over_span(apdu, entries));
    let mut is_over = false;
    std::iter::from_fn(move || {
        let item = match &mut reader {
            _ if is_over => return None,
            Ok(reader) if reader.is_at_end() => return None,
            Ok(reader) => read(reader),
            Err(error) => Err(*error),
        };
        is_over = item.is_err();
        Some(item)
    })
}

/// Reads one entry; gives its O/R name.
fn name_of_entry(reader: &mut Reader<'_>) -> Result<Span, Error> {
    let header = reader.header()?;
    scan::expect(&header, Tag::SEQUENCE)?;
    let scope = reader.enter(&header)?;
    let name = reader.header()?;
    scan::expect(&name, tag::OR_NAME)?;
    let name = reader.skip(&name)?.span();
    while let Some(rest) = reader.next(&scope)? {
        reader.skip(&rest)?;
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::or_address::OrAddress;

    fn name(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        text.parse::<OrAddress>().unwrap().encode(&mut out);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let (first, second) = (name("C=GB;A=X;S=FIRST"), name("C=GB;A=X;S=SECOND"));
        let mut encoded = Vec::new();
        for intended in [&first, &second] {
            let reason = RedirectionReason::OriginatorRequested;
            encode_redirection(intended, WallTime(0), reason, &mut encoded);
        }
        assert!(encoded.ends_with(b"\x17\x0d700101000000Z\x0a\x01\x01"));
        let mut value = Vec::new();
        write::constructed(&mut value, Tag::SEQUENCE, |out| out.extend(&encoded));
        let all = Span::new(0, value.len() as u32);
        let read: Vec<_> = redirections(&value, all).map(Result::unwrap).collect();
        let octets = |at: usize| read[at].intended_recipient.octets(&value);
        assert_eq!((read.len(), octets(0), octets(1)), (2, &first[..], &second[..]));
        assert_eq!(read[1].reason, RedirectionReason::OriginatorRequested as i64);

        let mut expansions = Vec::new();
        encode_entry(&first, b"700101000000Z", &mut expansions);
        encode_entry(&second, b"700101000001Z", &mut expansions);
        let mut value = vec![0x30, 0x80];
        value.extend(&expansions);
        value.extend([0, 0]);
        let all = Span::new(0, value.len() as u32);
        assert_eq!(entries(&value, all).unwrap().octets(&value), expansions);
        let names: Vec<_> = names(&value, all).map(Result::unwrap).collect();
        assert_eq!(names[0].octets(&value), first);
        assert_eq!(names[1].octets(&value), second);
    }

    #[test]
    fn what_is_no_history_is_refused() {
        for value in [&b""[..], b"\x31\x00", b"\x30\x02\x30\x00", b"\x30\x03\x02\x01\x01"] {
            let all = Span::new(0, value.len() as u32);
            let mut read = redirections(value, all);
            assert!(read.next().is_some_and(|it| it.is_err()), "{value:02x?}");
            assert_eq!(read.next(), None);
            assert!(names(value, all).next().is_some_and(|it| it.is_err()), "{value:02x?}");
        }
        assert_eq!(names(b"\x30\x00", Span::new(0, 2)).next(), None);
    }
}
