//! Body parts of interpersonal messages: IA5 text, ISO 8859-1 text as general text, and files (X.420
//! IPMSExtendedBodyPartTypes2, IPMSFileTransferBodyPartType).

use super::Error;
use crate::ber::{Header, Reader, Tag, write};

/// A body part to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPart<'a> {
    /// IA5 characters.
    Ia5Text(&'a [u8]),
    /// ISO 8859-1 characters, as general text of the character sets registered as 1, 6 and 100 (RFC 2157).
    Iso8859Text(&'a [u8]),
    /// A file.
    File {
        /// Its name, graphic characters; empty for none.
        name: &'a [u8],
        /// Its octets.
        octets: &'a [u8],
    },
}

/// A body part that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadBodyPart {
    /// IA5 text.
    Ia5Text(Vec<u8>),
    /// General text, of whatever character sets: its octets as they stand.
    GeneralText(Vec<u8>),
    /// A file.
    File {
        /// The last component of its path name, when there is one.
        name: Option<Vec<u8>>,
        /// Its octets.
        octets: Vec<u8>,
    },
    /// Any other.
    Other(Tag),
}

// BodyPart, IA5TextParameters
const IA5_TEXT: Tag = Tag::context(0);
const EXTENDED: Tag = Tag::context(15);
const REPERTOIRE: Tag = Tag::context(0);
const REPERTOIRE_IA5: i64 = 5;
// ExtendedBodyPart, EXTERNAL
const PARAMETERS: Tag = Tag::context(0);
const EXTERNAL: Tag = Tag::universal(8);
const SINGLE_ASN1_TYPE: Tag = Tag::context(0);
const OCTET_ALIGNED: Tag = Tag::context(1);
const GENERAL_STRING: Tag = Tag::universal(27);
const GRAPHIC_STRING: Tag = Tag::universal(25);
// FileTransferParameters, FileAttributes
const FILE_ATTRIBUTES: Tag = Tag::context(4);
const INCOMPLETE_PATHNAME: Tag = Tag::context(0);
const COMPLETE_PATHNAME: Tag = Tag::context(23);

/// id-ep-general-text 2.6.1.11.11, id-et-general-text 2.6.1.4.11 (IPMSObjectIdentifiers)
const GENERAL_TEXT: [&[u8]; 2] = [b"\x56\x01\x0b\x0b", b"\x56\x01\x04\x0b"];
/// id-ep-file-transfer 2.6.1.11.12, id-et-file-transfer 2.6.1.4.12
const FILE_TRANSFER: [&[u8]; 2] = [b"\x56\x01\x0b\x0c", b"\x56\x01\x04\x0c"];
/// The abstract syntax of unstructured binary files, 1.0.8571.2.4 (ISO 8571, FTAM-3): the contents type
/// that absent parameters mean.
const UNSTRUCTURED_BINARY: &[u8] = b"\x28\xc2\x7b\x02\x04";
/// Control characters of ISO 646, ASCII, and the right half of ISO 8859-1.
const ISO_8859_1_REGISTRATIONS: [i64; 3] = [1, 6, 100];

impl BodyPart<'_> {
    /// Appends the body part.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            BodyPart::Ia5Text(text) => write::constructed(out, IA5_TEXT, |out| {
                write::constructed(out, Tag::SET, |out| {
                    write::integer(out, REPERTOIRE, REPERTOIRE_IA5);
                });
                write::primitive(out, Tag::IA5_STRING, text);
            }),
            BodyPart::Iso8859Text(text) => encode_extended(
                &GENERAL_TEXT,
                |out| {
                    write::constructed(out, Tag::SET, |out| {
                        for registration in ISO_8859_1_REGISTRATIONS {
                            write::integer(out, Tag::INTEGER, registration);
                        }
                    });
                },
                |out| write::primitive(out, GENERAL_STRING, text),
                out,
            ),
            BodyPart::File { name, octets } => encode_extended(
                &FILE_TRANSFER,
                |out| {
                    write::constructed(out, Tag::SEQUENCE, |out| {
                        if name.is_empty() {
                            return;
                        }
                        write::constructed(out, FILE_ATTRIBUTES, |out| {
                            write::constructed(out, INCOMPLETE_PATHNAME, |out| {
                                write::primitive(out, GRAPHIC_STRING, name);
                            });
                        });
                    });
                },
                |out| {
                    write::constructed(out, Tag::SEQUENCE, |out| {
                        write::constructed(out, EXTERNAL, |out| {
                            write::primitive(out, Tag::OBJECT_IDENTIFIER, UNSTRUCTURED_BINARY);
                            write::primitive(out, OCTET_ALIGNED, octets);
                        });
                    });
                },
                out,
            ),
        }
    }
}

fn encode_extended(
    [parameters_type, data_type]: &[&[u8]; 2],
    parameters: impl FnOnce(&mut Vec<u8>),
    data: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    write::constructed(out, EXTENDED, |out| {
        write::constructed(out, PARAMETERS, |out| {
            write::primitive(out, Tag::OBJECT_IDENTIFIER, parameters_type);
            write::constructed(out, SINGLE_ASN1_TYPE, parameters);
        });
        write::constructed(out, EXTERNAL, |out| {
            write::primitive(out, Tag::OBJECT_IDENTIFIER, data_type);
            write::constructed(out, SINGLE_ASN1_TYPE, data);
        });
    });
}

/// Reads the body part of `header`, just read.
pub(super) fn read(reader: &mut Reader<'_>, header: &Header) -> Result<ReadBodyPart, Error> {
    match header.tag {
        IA5_TEXT => Ok(ReadBodyPart::Ia5Text(strings(reader, header, Tag::IA5_STRING)?)),
        EXTENDED => read_extended(reader, header),
        other => {
            reader.skip(header)?;
            Ok(ReadBodyPart::Other(other))
        }
    }
}

/// The strings of `wanted` tag directly inside of `header`, joined.
fn strings(reader: &mut Reader<'_>, header: &Header, wanted: Tag) -> Result<Vec<u8>, Error> {
    let scope = reader.enter(header)?;
    let mut joined = Vec::new();
    while let Some(part) = reader.next(&scope)? {
        if part.tag == wanted {
            reader.string_into(&part, &mut joined)?;
        } else {
            reader.skip(&part)?;
        }
    }
    Ok(joined)
}

fn read_extended(reader: &mut Reader<'_>, header: &Header) -> Result<ReadBodyPart, Error> {
    let scope = reader.enter(header)?;
    let mut name = None;
    let mut read = ReadBodyPart::Other(EXTENDED);
    while let Some(part) = reader.next(&scope)? {
        let external = reader.enter(&part)?;
        let mut identifier: &[u8] = &[];
        while let Some(field) = reader.next(&external)? {
            match field.tag {
                Tag::OBJECT_IDENTIFIER => identifier = reader.primitive(&field)?,
                SINGLE_ASN1_TYPE if part.tag == PARAMETERS && identifier == FILE_TRANSFER[0] => {
                    name = file_name(reader, &field)?;
                }
                SINGLE_ASN1_TYPE if part.tag == EXTERNAL && identifier == GENERAL_TEXT[1] => {
                    read = ReadBodyPart::GeneralText(strings(reader, &field, GENERAL_STRING)?);
                }
                SINGLE_ASN1_TYPE if part.tag == EXTERNAL && identifier == FILE_TRANSFER[1] => {
                    read = ReadBodyPart::File { name: None, octets: file_octets(reader, &field)? };
                }
                _ => {
                    reader.skip(&field)?;
                }
            }
        }
    }
    if let ReadBodyPart::File { name: of_file, .. } = &mut read {
        *of_file = name;
    }
    Ok(read)
}

/// The last component of the path name in FileTransferParameters.
fn file_name(reader: &mut Reader<'_>, header: &Header) -> Result<Option<Vec<u8>>, Error> {
    let mut name = None;
    let explicit = reader.enter(header)?;
    while let Some(parameters) = reader.next(&explicit)? {
        let inside = reader.enter(&parameters)?;
        while let Some(field) = reader.next(&inside)? {
            if field.tag != FILE_ATTRIBUTES {
                reader.skip(&field)?;
                continue;
            }
            let attributes = reader.enter(&field)?;
            while let Some(attribute) = reader.next(&attributes)? {
                if !matches!(attribute.tag, INCOMPLETE_PATHNAME | COMPLETE_PATHNAME) {
                    reader.skip(&attribute)?;
                    continue;
                }
                let path = reader.enter(&attribute)?;
                while let Some(component) = reader.next(&path)? {
                    let mut characters = Vec::new();
                    reader.string_into(&component, &mut characters)?;
                    name = Some(characters);
                }
            }
        }
    }
    Ok(name)
}

/// The octets of all EXTERNALs in FileTransferData, joined.
fn file_octets(reader: &mut Reader<'_>, header: &Header) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    let explicit = reader.enter(header)?;
    while let Some(data) = reader.next(&explicit)? {
        let values = reader.enter(&data)?;
        while let Some(value) = reader.next(&values)? {
            octets.append(&mut strings(reader, &value, OCTET_ALIGNED)?);
        }
    }
    Ok(octets)
}
