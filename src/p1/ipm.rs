//! Interpersonal messages (IPM, X.420 IPMSInformationObjects): written for a load generator, and read to get
//! the body back. A relay never looks at contents.

use super::Error;
use super::body_part::{self, BodyPart, ReadBodyPart};
use super::error::clause;
use super::or_address::OrAddress;
use super::scan::expect;
use crate::ber::{Header, Reader, Tag, write};

/// An interpersonal message.
#[derive(Debug, Clone)]
pub struct Ipm<'a> {
    /// Local part of this-IPM, at most 64 printable characters.
    pub identifier: &'a str,
    /// Who says that he wrote it.
    pub originator: &'a OrAddress,
    /// To whom it is addressed.
    pub primary_recipients: &'a [OrAddress],
    /// What it is about, in characters that T.61 shares with ASCII.
    pub subject: Option<&'a str>,
    /// What it says, at least one part.
    pub body: &'a [BodyPart<'a>],
}

const IPM: Tag = Tag::context(0);
const IPM_IDENTIFIER: Tag = Tag::application(11);
// Heading
const ORIGINATOR: Tag = Tag::context(0);
const PRIMARY_RECIPIENTS: Tag = Tag::context(2);
const SUBJECT: Tag = Tag::context(8);
const RECIPIENT: Tag = Tag::context(0);

impl Ipm<'_> {
    /// The content octets of a P22 message; of a P2 message too, where the body is of IA5 texts.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        write::constructed(&mut out, IPM, |out| {
            write::constructed(out, Tag::SET, |out| self.encode_heading(out));
            write::constructed(out, Tag::SEQUENCE, |out| {
                self.body.iter().for_each(|part| part.encode(out));
            });
        });
        out
    }

    fn encode_heading(&self, out: &mut Vec<u8>) {
        write::constructed(out, IPM_IDENTIFIER, |out| {
            write::primitive(out, Tag::PRINTABLE_STRING, self.identifier.as_bytes());
        });
        // ORDescriptor is a SET with the O/R name as formal-name.
        write::constructed(out, ORIGINATOR, |out| self.originator.encode(out));
        write::constructed(out, PRIMARY_RECIPIENTS, |out| {
            for recipient in self.primary_recipients {
                write::constructed(out, Tag::SET, |out| {
                    write::constructed(out, RECIPIENT, |out| recipient.encode(out));
                });
            }
        });
        if let Some(subject) = self.subject {
            write::constructed(out, SUBJECT, |out| {
                write::primitive(out, Tag::TELETEX_STRING, subject.as_bytes());
            });
        }
    }
}

/// What was read of an interpersonal message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpmText {
    /// Local part of this-IPM.
    pub identifier: Vec<u8>,
    /// The subject, raw T.61.
    pub subject: Option<Vec<u8>>,
    /// The first text body part, IA5 or general; `None` when there is none.
    pub text: Option<Vec<u8>>,
    /// The other body parts, in their order.
    pub others: Vec<ReadBodyPart>,
}

/// Reads identifier, subject and body of the content octets of a P2 or P22 message.
pub fn read_text(content: &[u8]) -> Result<IpmText, Error> {
    let mut reader = Reader::new(content);
    let ipm = reader.header()?;
    expect(&ipm, IPM)?;
    let scope = reader.enter(&ipm)?;
    let mut read = IpmText::default();
    let absent = |field| Error::Absent { offset: 0, field, clause: clause::IPMS };
    let heading = reader.next(&scope)?.ok_or(absent("heading"))?;
    expect(&heading, Tag::SET)?;
    read_heading(&mut reader, &heading, &mut read)?;
    let body = reader.next(&scope)?.ok_or(absent("body"))?;
    expect(&body, Tag::SEQUENCE)?;
    let parts = reader.enter(&body)?;
    while let Some(part) = reader.next(&parts)? {
        match body_part::read(&mut reader, &part)? {
            ReadBodyPart::Ia5Text(text) | ReadBodyPart::GeneralText(text)
                if read.text.is_none() =>
            {
                read.text = Some(text);
            }
            other => read.others.push(other),
        }
    }
    reader.leave(&scope)?;
    Ok(read)
}

fn read_heading(reader: &mut Reader<'_>, header: &Header, read: &mut IpmText) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(field) = reader.next(&scope)? {
        match field.tag {
            IPM_IDENTIFIER => {
                let inner = reader.enter(&field)?;
                while let Some(part) = reader.next(&inner)? {
                    if part.tag == Tag::PRINTABLE_STRING {
                        reader.string_into(&part, &mut read.identifier)?;
                    } else {
                        reader.skip(&part)?;
                    }
                }
            }
            SUBJECT => {
                let inner = reader.enter(&field)?;
                let string = reader.header()?;
                reader.string_into(&string, read.subject.insert(Vec::new()))?;
                reader.leave(&inner)?;
            }
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        let originator: OrAddress = "C=GB;A=X;P=Y;S=A".parse().unwrap();
        let recipients = ["C=GB;A=X;P=Z;S=B".parse().unwrap()];
        let text = b"Hello\r\n".repeat(100);
        let ipm = Ipm {
            identifier: "1",
            originator: &originator,
            primary_recipients: &recipients,
            subject: Some("greeting"),
            body: &[
                BodyPart::Ia5Text(&text),
                BodyPart::Iso8859Text(b"Gr\xfc\xdfe"),
                BodyPart::File { name: b"a.bin", octets: &[0, 1, 0xff] },
                BodyPart::File { name: b"", octets: b"" },
            ],
        };
        let read = read_text(&ipm.build()).unwrap();
        assert_eq!(read.identifier, b"1");
        assert_eq!(read.subject.unwrap(), b"greeting");
        assert_eq!(read.text.unwrap(), text);
        assert_eq!(
            read.others,
            [
                ReadBodyPart::GeneralText(b"Gr\xfc\xdfe".to_vec()),
                ReadBodyPart::File { name: Some(b"a.bin".to_vec()), octets: vec![0, 1, 0xff] },
                ReadBodyPart::File { name: None, octets: Vec::new() },
            ]
        );
    }

    #[test]
    fn joins_a_text_in_segments() {
        let content = b"\xa0\x80\x31\x05\x6b\x03\x13\x01x\x30\x80\xa0\x80\x31\x00\
                        \x36\x80\x04\x02He\x24\x80\x04\x03llo\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(read_text(content).unwrap().text.unwrap(), b"Hello");
    }
}
