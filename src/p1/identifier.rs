//! MTS-identifiers as whole elements: their parts, their words, and the one that a report is about
//! (MTSIdentifier, MTSAbstractService).

use super::domain::GlobalDomainIdentifier;
use super::tag;
use crate::ber::{self, Reader, Tag};

/// An MTS-identifier element in words: domain and local part, for logs and for who searches.
pub fn identifier_text(element: &[u8]) -> String {
    let mut reader = Reader::new(element);
    let mut read = || -> Result<String, ber::Error> {
        let header = reader.header()?;
        let scope = reader.enter(&header)?;
        let mut text = String::new();
        while let Some(header) = reader.next(&scope)? {
            let part = reader.skip(&header)?;
            if header.tag == Tag::IA5_STRING {
                text += &String::from_utf8_lossy(part.content.octets(element));
            } else if let Ok(domain) = GlobalDomainIdentifier::decode(part.span().octets(element)) {
                text += &format!("{domain}/");
            }
        }
        Ok(text)
    };
    read().unwrap_or_else(|_| "unreadable".to_owned())
}

/// The characters of an MTS-identifier's local-identifier; `None` when the element is none.
pub fn local_identifier(element: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(element);
    let header = reader.header().ok()?;
    let scope = reader.enter(&header).ok()?;
    while let Some(part) = reader.next(&scope).ok()? {
        if part.tag == Tag::IA5_STRING {
            return reader.primitive(&part).ok();
        }
        reader.skip(&part).ok()?;
    }
    None
}

/// The subject-identifier, a whole MTS-identifier element, of a whole report content element: of which
/// message or probe the report tells (PerReportTransferFields, MTAAbstractService).
pub fn report_subject(content: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(content);
    let header = reader.header().ok()?;
    let scope = reader.enter(&header).ok()?;
    while let Some(part) = reader.next(&scope).ok()? {
        let element = reader.skip(&part).ok()?;
        if part.tag == tag::MTS_IDENTIFIER {
            return Some(reader.octets_of(element.span()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::build::encode_mts_identifier;

    #[test]
    fn parts_and_words() {
        let mut element = Vec::new();
        encode_mts_identifier(&"C=GB;A=X".parse().unwrap(), "local.1", &mut element);
        assert_eq!(identifier_text(&element), "C=GB;A=X/local.1");
        assert_eq!(local_identifier(&element), Some(&b"local.1"[..]));
        assert_eq!(identifier_text(&element[..5]), "unreadable");
        assert_eq!(local_identifier(b""), None);
    }

    #[test]
    fn a_reports_subject_is_found_behind_other_fields() {
        let mut subject = Vec::new();
        encode_mts_identifier(&"C=GB;A=X".parse().unwrap(), "subject", &mut subject);
        let mut content = Vec::new();
        ber::write::constructed(&mut content, Tag::SET, |out| {
            ber::write::primitive(out, tag::CONTENT_IDENTIFIER, b"one");
            out.extend_from_slice(&subject);
        });
        assert_eq!(report_subject(&content), Some(&subject[..]));
        assert_eq!(report_subject(&content[..7]), None);
    }
}
