//! Interpersonal messages with one IA5 text (IPM, X.420 IPMSInformationObjects): written for a load
//! generator, and read to get the text back. A relay never looks at contents.

use super::Error;
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
    /// The text, IA5 characters.
    pub text: &'a [u8],
}

const IPM: Tag = Tag::context(0);
const IPM_IDENTIFIER: Tag = Tag::application(11);
// Heading
const ORIGINATOR: Tag = Tag::context(0);
const PRIMARY_RECIPIENTS: Tag = Tag::context(2);
const SUBJECT: Tag = Tag::context(8);
const RECIPIENT: Tag = Tag::context(0);
// BodyPart, IA5TextParameters
const IA5_TEXT: Tag = Tag::context(0);
const REPERTOIRE: Tag = Tag::context(0);
const REPERTOIRE_IA5: i64 = 5;

impl Ipm<'_> {
    /// The content octets of a P22 message.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.text.len());
        write::constructed(&mut out, IPM, |out| {
            write::constructed(out, Tag::SET, |out| self.encode_heading(out));
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::constructed(out, IA5_TEXT, |out| {
                    write::constructed(out, Tag::SET, |out| {
                        write::integer(out, REPERTOIRE, REPERTOIRE_IA5);
                    });
                    write::primitive(out, Tag::IA5_STRING, self.text);
                });
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
    /// The first IA5 text body part; `None` when there is none.
    pub text: Option<Vec<u8>>,
}

/// Reads identifier, subject and first IA5 text of the content octets of a P2 or P22 message.
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
        if part.tag == IA5_TEXT && read.text.is_none() {
            read.text = Some(read_ia5_text(&mut reader, &part)?);
        } else {
            reader.skip(&part)?;
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

fn read_ia5_text(reader: &mut Reader<'_>, header: &Header) -> Result<Vec<u8>, Error> {
    let scope = reader.enter(header)?;
    let mut text = Vec::new();
    while let Some(part) = reader.next(&scope)? {
        if part.tag == Tag::IA5_STRING {
            reader.string_into(&part, &mut text)?;
        } else {
            reader.skip(&part)?;
        }
    }
    Ok(text)
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
            text: &text,
        };
        let read = read_text(&ipm.build()).unwrap();
        assert_eq!(read.identifier, b"1");
        assert_eq!(read.subject.unwrap(), b"greeting");
        assert_eq!(read.text.unwrap(), text);
    }

    #[test]
    fn joins_a_text_in_segments() {
        let content = b"\xa0\x80\x31\x05\x6b\x03\x13\x01x\x30\x80\xa0\x80\x31\x00\
                        \x36\x80\x04\x02He\x24\x80\x04\x03llo\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(read_text(content).unwrap().text.unwrap(), b"Hello");
    }
}
