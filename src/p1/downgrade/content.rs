//! Whether an interpersonal message of 1988 (P22) is one of 1984 (P2) as it stands: the two share all that
//! both know, so the content type alone may be changed where the content holds nothing that only 1988 has
//! (X.420 IPMSInformationObjects against the P2 module of X.420 (1984)).
//!
//! Conservative: heading, body part tags and the envelopes of forwarded messages are looked at; what is in a
//! body part is not. What is in doubt is of 1988.

use crate::ber::{self, ErrorKind, Header, Length, Reader, Tag};
use crate::p1::scan::Scan;
use crate::p1::tag;

/// What looking at a content came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is P2.
    Fits,
    /// It holds what only 1988 has, in words; or it cannot be read.
    Later(&'static str),
    /// The octets at hand end before that is known.
    Unseen,
}

// InformationObject, IPM, IPMIdentifier
const IPM: Tag = Tag::context(0);
const IPN: Tag = Tag::context(1);
const IPM_IDENTIFIER: Tag = Tag::application(11);

/// The fit of a whole content.
pub fn fit_of_content(content: &[u8]) -> Fit {
    fit(Reader::new(content), content.len())
}

/// The fit of a content of which the beginning is at hand.
pub fn fit_of_prefix(prefix: &[u8]) -> Fit {
    fit(Reader::over_prefix(prefix), prefix.len())
}

fn fit(reader: Reader<'_>, size: usize) -> Fit {
    let mut check = Check { reader };
    let ended = check.information_object().and_then(|()| {
        // A prefix may end anywhere; what is at hand must not go on behind the object.
        if (check.reader.position() as usize) < size {
            return Err(Stop::Later("octets behind the content's end"));
        }
        Ok(())
    });
    match ended {
        Ok(()) => Fit::Fits,
        Err(Stop::Later(what)) => Fit::Later(what),
        Err(Stop::Encoding(ber::Error { kind: ErrorKind::Truncated, .. })) => Fit::Unseen,
        Err(Stop::Encoding(_)) => Fit::Later("an encoding that cannot be read"),
    }
}

/// The fit of the content of a scanned message, of which `apdu` holds as much as is at hand.
pub(super) fn fit_of_scanned(apdu: &[u8], scan: &Scan) -> Fit {
    let Some(header) = scan.content_header else { return Fit::Unseen };
    let start = header.content_start as usize;
    match header.length() {
        Length::Definite(size) if !header.is_constructed() => {
            match apdu.get(start..start + size as usize) {
                Some(content) => fit_of_content(content),
                None => fit_of_prefix(apdu.get(start..).unwrap_or_default()),
            }
        }
        _ if scan.content.is_none() => Fit::Unseen,
        _ => match scan.content_octets(apdu) {
            Ok(content) => fit_of_content(&content),
            Err(_) => Fit::Later("an encoding that cannot be read"),
        },
    }
}

enum Stop {
    Later(&'static str),
    Encoding(ber::Error),
}

impl From<ber::Error> for Stop {
    fn from(error: ber::Error) -> Stop {
        Stop::Encoding(error)
    }
}

struct Check<'a> {
    reader: Reader<'a>,
}

impl Check<'_> {
    fn skip(&mut self, header: &Header) -> Result<(), Stop> {
        self.reader.skip(header)?;
        Ok(())
    }

    /// Hands each element inside of `header` to `visit`.
    fn each(
        &mut self,
        header: &Header,
        mut visit: impl FnMut(&mut Self, &Header) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let scope = self.reader.enter(header)?;
        while let Some(inner) = self.reader.next(&scope)? {
            visit(self, &inner)?;
        }
        Ok(())
    }

    fn information_object(&mut self) -> Result<(), Stop> {
        let header = self.reader.header()?;
        match header.tag {
            IPM => self.ipm(&header),
            IPN => self.ipn(&header),
            _ => Err(Stop::Later("neither a message nor a notification")),
        }
    }

    fn ipm(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            Tag::SET => check.heading(part),
            Tag::SEQUENCE => check.each(part, Check::body_part),
            _ => Err(Stop::Later("a message of more than heading and body")),
        })
    }

    fn heading(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, field| {
            if field.tag == IPM_IDENTIFIER {
                return check.ipm_identifier(field);
            }
            if field.tag != Tag::context(field.tag.number()) {
                return Err(Stop::Later("a heading field of no edition"));
            }
            match field.tag.number() {
                0 => check.or_descriptor(field),
                // Authorizing users, reply recipients.
                1 | 11 => check.each(field, Check::or_descriptor),
                // Primary, copy and blind copy recipients.
                2..=4 => check.each(field, Check::recipient_specifier),
                5 => check.ipm_identifier(field),
                // Obsoleted and related messages.
                6 | 7 => check.each(field, Check::ipm_identifier),
                // Subject, expiry and reply time, importance, sensitivity, auto-forwarded.
                8..=10 | 12..=14 => check.skip(field),
                _ => Err(Stop::Later("heading extensions")),
            }
        })
    }

    fn ipm_identifier(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            tag::OR_NAME => check.or_name(part),
            Tag::PRINTABLE_STRING => check.skip(part),
            _ => Err(Stop::Later("an IPM identifier of no edition")),
        })
    }

    fn recipient_specifier(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            RECIPIENT => check.or_descriptor(part),
            NOTIFICATION_REQUESTS | REPLY_REQUESTED => check.skip(part),
            _ => Err(Stop::Later("recipient extensions")),
        })
    }

    fn or_descriptor(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            tag::OR_NAME => check.or_name(part),
            FREE_FORM_NAME | TELEPHONE_NUMBER => check.skip(part),
            _ => Err(Stop::Later("an O/R descriptor of no edition")),
        })
    }

    fn or_name(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            // Standard and domain-defined attributes.
            Tag::SEQUENCE => check.skip(part),
            _ => Err(Stop::Later("an O/R name with extension attributes or a directory name")),
        })
    }

    fn body_part(&mut self, header: &Header) -> Result<(), Stop> {
        if header.tag != Tag::context(header.tag.number()) {
            return Err(Stop::Later("a body part of no edition"));
        }
        match header.tag.number() {
            // IA5 text, G3 facsimile, teletex, nationally defined.
            0 | 3 | 5 | 7 => self.skip(header),
            // Videotex, encrypted: their parameters are of 1988.
            6 | 8 => self.each(header, |check, part| match part.tag {
                Tag::SET => check.each(part, |_, _| Err(Stop::Later("body part parameters"))),
                _ => check.skip(part),
            }),
            9 => self.each(header, |check, part| match part.tag {
                Tag::SET => check.message_parameters(part),
                _ => check.ipm(part),
            }),
            // The documents of G4 class 1 and mixed mode have another syntax than those of T.73.
            4 | 11 => Err(Stop::Later("a document body part")),
            14 => Err(Stop::Later("a bilaterally defined body part")),
            15 => Err(Stop::Later("an extended body part")),
            _ => Err(Stop::Later("a body part of no edition")),
        }
    }

    fn message_parameters(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            DELIVERY_TIME => check.skip(part),
            DELIVERY_ENVELOPE => check.each(part, Check::delivery_field),
            _ => Err(Stop::Later("forwarded message parameters")),
        })
    }

    /// OtherMessageDeliveryFields against DeliverEnvelope of P3 (1984).
    fn delivery_field(&mut self, header: &Header) -> Result<(), Stop> {
        match header.tag {
            tag::OR_NAME => return self.or_name(header),
            tag::PRIORITY => return self.skip(header),
            _ if header.tag == Tag::context(header.tag.number()) => {}
            _ => return Err(Stop::Later("a delivery envelope of 1988")),
        }
        match header.tag.number() {
            0 if self.reader.integer(header)? == 2 => Ok(()),
            // Original and converted encoded information types.
            1 | 6 => self.encoded_information_types(header),
            // Delivery flags, submission time.
            2 | 7 => self.skip(header),
            3 => self.each(header, Check::or_name),
            // This recipient, originally intended recipient.
            4 | 5 => self.or_name(header),
            _ => Err(Stop::Later("a delivery envelope of 1988")),
        }
    }

    fn encoded_information_types(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, part| match part.tag {
            EXTENDED_TYPES => Err(Stop::Later("extended encoded information types")),
            _ => check.skip(part),
        })
    }

    fn ipn(&mut self, header: &Header) -> Result<(), Stop> {
        self.each(header, |check, field| match field.tag {
            IPM_IDENTIFIER => check.ipm_identifier(field),
            NOTIFICATION_CHOICE => check.each(field, Check::notification),
            IPN_ORIGINATOR | INTENDED_RECIPIENT => check.or_descriptor(field),
            tag::ENCODED_INFORMATION_TYPES => check.encoded_information_types(field),
            _ => Err(Stop::Later("notification extensions")),
        })
    }

    fn notification(&mut self, header: &Header) -> Result<(), Stop> {
        let receipt = match header.tag {
            NON_RECEIPT => false,
            RECEIPT => true,
            _ => return Err(Stop::Later("a notification of another type")),
        };
        self.each(header, |check, field| {
            match (receipt, field.tag == Tag::context(field.tag.number()), field.tag.number()) {
                (_, true, 0..=2) => check.skip(field),
                // Returned-IPM.
                (false, true, 3) => check.ipm(field),
                _ => Err(Stop::Later("notification extensions")),
            }
        })
    }
}

// RecipientSpecifier
const RECIPIENT: Tag = Tag::context(0);
const NOTIFICATION_REQUESTS: Tag = Tag::context(1);
const REPLY_REQUESTED: Tag = Tag::context(2);
// ORDescriptor
const FREE_FORM_NAME: Tag = Tag::context(0);
const TELEPHONE_NUMBER: Tag = Tag::context(1);
// MessageParameters
const DELIVERY_TIME: Tag = Tag::context(0);
const DELIVERY_ENVELOPE: Tag = Tag::context(1);
// EncodedInformationTypes
const EXTENDED_TYPES: Tag = Tag::context(4);
// IPN
const NOTIFICATION_CHOICE: Tag = Tag::context(0);
const IPN_ORIGINATOR: Tag = Tag::context(1);
const INTENDED_RECIPIENT: Tag = Tag::context(2);
const NON_RECEIPT: Tag = Tag::context(0);
const RECEIPT: Tag = Tag::context(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::body_part::BodyPart;
    use crate::p1::ipm::Ipm;
    use crate::p1::or_address::OrAddress;

    fn message(originator: &str) -> Vec<u8> {
        let originator: OrAddress = originator.parse().unwrap();
        let recipients = [originator.clone()];
        Ipm {
            identifier: "1",
            originator: &originator,
            primary_recipients: &recipients,
            subject: Some("fit"),
            body: &[BodyPart::Ia5Text(b"text")],
        }
        .build()
    }

    #[test]
    fn a_text_fits_unless_a_name_is_of_1988() {
        assert_eq!(fit_of_content(&message("C=GB;A=X;P=Y;S=A")), Fit::Fits);
        let found = fit_of_content(&message("C=GB;A=X;P=Y;CN=A"));
        assert_eq!(found, Fit::Later("an O/R name with extension attributes or a directory name"));
    }

    #[test]
    fn what_is_cut_is_unseen_until_the_last_body_part_is_known() {
        let content = message("C=GB;A=X;P=Y;S=A");
        // Behind the header of the only body part stand its repertoire, five octets, and six of text.
        let known_from = content.len() - 5 - 6;
        for size in 0..content.len() {
            let expected = if size < known_from { Fit::Unseen } else { Fit::Fits };
            assert_eq!(fit_of_prefix(&content[..size]), expected, "{size}");
            assert!(matches!(fit_of_content(&content[..size]), Fit::Later(_)));
        }
    }

    #[test]
    fn body_parts_and_headings_of_1988_do_not_fit() {
        let around = |heading: &[u8], part: &[u8]| {
            let mut content = vec![0xa0, 0x80, 0x31, 0x80, 0x6b, 3, 0x13, 1, b'x'];
            content.extend_from_slice(heading);
            content.extend_from_slice(&[0, 0, 0x30, 0x80]);
            content.extend_from_slice(part);
            content.extend_from_slice(&[0, 0, 0, 0]);
            content
        };
        for (heading, part, expected) in [
            (&[][..], &b"\xa0\x05\x31\x00\x16\x01a"[..], Fit::Fits),
            (b"\xaf\x00", b"\xa0\x05\x31\x00\x16\x01a", Fit::Later("heading extensions")),
            (b"\xa2\x08\x31\x06\xa0\x00\xa3\x02\x31\x00", b"", Fit::Later("recipient extensions")),
            (b"", b"\xaf\x00", Fit::Later("an extended body part")),
            (b"", b"\xae\x00", Fit::Later("a bilaterally defined body part")),
            (b"", b"\xab\x00", Fit::Later("a document body part")),
            (b"", b"\xa6\x07\x31\x03\x80\x01\x01\x15\x00", Fit::Later("body part parameters")),
            (b"", b"\xa6\x04\x31\x00\x15\x00", Fit::Fits),
            (b"", b"\xa9\x0b\x31\x00\x30\x07\x31\x05\x6b\x03\x13\x01y", Fit::Fits),
            (
                b"",
                b"\xa9\x10\x31\x05\xa1\x03\x80\x01\x16\x30\x07\x31\x05\x6b\x03\x13\x01y",
                Fit::Later("a delivery envelope of 1988"),
            ),
            (
                b"",
                b"\xa9\x10\x31\x05\xa1\x03\x80\x01\x02\x30\x07\x31\x05\x6b\x03\x13\x01y",
                Fit::Fits,
            ),
        ] {
            assert_eq!(fit_of_content(&around(heading, part)), expected, "{heading:?} {part:?}");
        }
        // Notifications: of non-receipt, and of a type that 1984 does not know.
        assert_eq!(
            fit_of_content(b"\xa1\x0c\x6b\x03\x13\x01x\xa0\x05\xa0\x03\x80\x01\x00"),
            Fit::Fits
        );
        assert_eq!(
            fit_of_content(b"\xa1\x09\x6b\x03\x13\x01x\xa0\x02\xa2\x00"),
            Fit::Later("a notification of another type")
        );
    }
}
