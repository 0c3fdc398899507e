//! Global domain identifiers: which management domain (GlobalDomainIdentifier, MTSAbstractService).
//!
//! In text a domain is written as the beginning of an O/R address: `C=GB;A=CARRIER;P=ACME`.

use std::fmt;
use std::str::FromStr;

use super::error::clause;
use super::or_address::{OrAddress, TextError, folded_eq, folded_hash, mix};
use super::{Error, tag};
use crate::ber::{self, ErrorKind, Header, Reader, Tag, short_form, write};

/// A domain by country, administration domain and, for a private domain, its identifier.
///
/// Two are equal when they name the same domain: case and spacing do not count, nor whether a name was
/// encoded as a NumericString or a PrintableString.
#[derive(Debug, Clone)]
pub struct GlobalDomainIdentifier {
    country: String,
    administration_domain: String,
    private_domain: Option<String>,
    encoded: Box<[u8]>,
    hash: u64,
}

/// A [`GlobalDomainIdentifier`] in place.
#[derive(Debug, Clone, Copy)]
pub struct GlobalDomainIdentifierView<'a> {
    /// ISO 3166 alpha-2 code or X.121 country code.
    pub country: &'a [u8],
    /// Administration domain.
    pub administration_domain: &'a [u8],
    /// Private domain.
    pub private_domain: Option<&'a [u8]>,
}

impl<'a> GlobalDomainIdentifierView<'a> {
    /// Reads a whole GlobalDomainIdentifier element.
    #[inline]
    pub fn decode(element: &'a [u8]) -> Result<GlobalDomainIdentifierView<'a>, Error> {
        match GlobalDomainIdentifierView::of_short_form(element) {
            Some(view) => Ok(view),
            None => GlobalDomainIdentifierView::of_any_form(element),
        }
    }

    /// What is common, and read several times for each APDU: short definite lengths throughout.
    #[inline]
    fn of_short_form(element: &'a [u8]) -> Option<GlobalDomainIdentifierView<'a>> {
        let (DOMAIN, domain, []) = short_form(element)? else { return None };
        let (COUNTRY, country, rest) = short_form(domain)? else { return None };
        let (NUMERIC | PRINTABLE, country, []) = short_form(country)? else { return None };
        let (ADMINISTRATION, name, rest) = short_form(rest)? else { return None };
        let (NUMERIC | PRINTABLE, administration_domain, []) = short_form(name)? else {
            return None;
        };
        let private_domain = match rest {
            [] => None,
            _ => {
                let (NUMERIC | PRINTABLE, name, []) = short_form(rest)? else { return None };
                Some(name)
            }
        };
        Some(GlobalDomainIdentifierView { country, administration_domain, private_domain })
    }

    fn of_any_form(element: &'a [u8]) -> Result<GlobalDomainIdentifierView<'a>, Error> {
        let mut reader = Reader::new(element);
        let header = reader.header()?;
        if header.tag != tag::GLOBAL_DOMAIN_IDENTIFIER {
            return Err(unexpected(&header));
        }
        let scope = reader.enter(&header)?;
        let country = choice(&mut reader, tag::COUNTRY_NAME)?;
        let administration_domain = choice(&mut reader, tag::ADMINISTRATION_DOMAIN_NAME)?;
        let private_domain = match reader.next(&scope)? {
            None => None,
            Some(header) => {
                let name = name(&mut reader, &header)?;
                reader.leave(&scope)?;
                Some(name)
            }
        };
        Ok(GlobalDomainIdentifierView { country, administration_domain, private_domain })
    }

    /// The same, owned; octets that are no ASCII become replacement characters.
    pub fn to_owned(&self) -> GlobalDomainIdentifier {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        GlobalDomainIdentifier::new(
            text(self.country),
            text(self.administration_domain),
            self.private_domain.map(text),
        )
    }

    /// The hash of the names that count: equal domains have equal ones.
    #[inline]
    pub fn hash(&self) -> u64 {
        let both = mix(folded_hash(self.country), folded_hash(self.administration_domain));
        self.private_domain.map_or(both, |name| mix(both, folded_hash(name)))
    }
}

impl PartialEq for GlobalDomainIdentifierView<'_> {
    fn eq(&self, other: &Self) -> bool {
        let private = match (self.private_domain, other.private_domain) {
            (None, None) => true,
            (Some(own), Some(other)) => folded_eq(own, other),
            _ => false,
        };
        private
            && folded_eq(self.administration_domain, other.administration_domain)
            && folded_eq(self.country, other.country)
    }
}

impl Eq for GlobalDomainIdentifierView<'_> {}

// The identifier octets of GlobalDomainIdentifier, CountryName, AdministrationDomainName and their strings.
const DOMAIN: u8 = 0x63;
const COUNTRY: u8 = 0x61;
const ADMINISTRATION: u8 = 0x62;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;

/// A name inside an explicit application tag.
fn choice<'a>(reader: &mut Reader<'a>, tag: Tag) -> Result<&'a [u8], Error> {
    let header = reader.header()?;
    if header.tag != tag {
        return Err(unexpected(&header));
    }
    let scope = reader.enter(&header)?;
    let inner = reader.header()?;
    let octets = name(reader, &inner)?;
    reader.leave(&scope)?;
    Ok(octets)
}

/// NumericString or PrintableString.
fn name<'a>(reader: &mut Reader<'a>, header: &Header) -> Result<&'a [u8], Error> {
    if !matches!(header.tag, Tag::NUMERIC_STRING | Tag::PRINTABLE_STRING) {
        return Err(Error::Invalid {
            offset: header.start,
            field: "domain name",
            clause: clause::MTS,
        });
    }
    Ok(reader.primitive(header)?)
}

fn unexpected(header: &Header) -> Error {
    ber::Error { offset: header.start, kind: ErrorKind::UnexpectedTag }.into()
}

impl GlobalDomainIdentifier {
    /// A domain of these names: country (ISO 3166 alpha-2 or X.121 code), administration domain (a single
    /// space is any, and `0` none), private domain.
    pub fn new(
        country: String,
        administration_domain: String,
        private_domain: Option<String>,
    ) -> GlobalDomainIdentifier {
        let mut encoded = Vec::new();
        write::constructed(&mut encoded, tag::GLOBAL_DOMAIN_IDENTIFIER, |out| {
            encode_country_name(&country, out);
            encode_administration_domain_name(&administration_domain, out);
            if let Some(name) = &private_domain {
                write::primitive(out, Tag::PRINTABLE_STRING, name.as_bytes());
            }
        });
        let encoded = encoded.into_boxed_slice();
        let mut domain = GlobalDomainIdentifier {
            country,
            administration_domain,
            private_domain,
            encoded,
            hash: 0,
        };
        domain.hash = domain.view().hash();
        domain
    }

    /// The same, borrowed, for comparing.
    pub fn view(&self) -> GlobalDomainIdentifierView<'_> {
        GlobalDomainIdentifierView {
            country: self.country.as_bytes(),
            administration_domain: self.administration_domain.as_bytes(),
            private_domain: self.private_domain.as_deref().map(str::as_bytes),
        }
    }

    /// Reads a whole GlobalDomainIdentifier element.
    pub fn decode(element: &[u8]) -> Result<GlobalDomainIdentifier, Error> {
        Ok(GlobalDomainIdentifierView::decode(element)?.to_owned())
    }

    /// Whether a whole GlobalDomainIdentifier element names this domain; one that cannot be read does not.
    pub fn is_named_by(&self, element: &[u8]) -> bool {
        element == self.encoded()
            || GlobalDomainIdentifierView::decode(element).is_ok_and(|view| view == self.view())
    }

    /// Its GlobalDomainIdentifier element: a country of digits as a NumericString, all else as
    /// PrintableStrings.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// As [`GlobalDomainIdentifierView::hash`].
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// Appends `CountryName`: digits as an X.121 code, all else as an ISO 3166 one.
pub(super) fn encode_country_name(country: &str, out: &mut Vec<u8>) {
    let numeric = country.bytes().all(|octet| octet.is_ascii_digit());
    let string = if numeric { Tag::NUMERIC_STRING } else { Tag::PRINTABLE_STRING };
    write::constructed(out, tag::COUNTRY_NAME, |out| {
        write::primitive(out, string, country.as_bytes());
    });
}

/// Appends `AdministrationDomainName`, printable.
pub(super) fn encode_administration_domain_name(name: &str, out: &mut Vec<u8>) {
    write::constructed(out, tag::ADMINISTRATION_DOMAIN_NAME, |out| {
        write::primitive(out, Tag::PRINTABLE_STRING, name.as_bytes());
    });
}

impl PartialEq for GlobalDomainIdentifier {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.view() == other.view()
    }
}

impl Eq for GlobalDomainIdentifier {}

impl FromStr for GlobalDomainIdentifier {
    type Err = TextError;

    fn from_str(text: &str) -> Result<GlobalDomainIdentifier, TextError> {
        let address: OrAddress = text.parse()?;
        address.to_domain().ok_or(TextError {
            character: 0,
            problem: "a domain has C, A and perhaps P, and nothing else",
        })
    }
}

impl fmt::Display for GlobalDomainIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C={};A={}", self.country, self.administration_domain)?;
        match &self.private_domain {
            Some(name) => write!(f, ";P={name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_foreign_mta_wrote() {
        let element = b"\x63\x16\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST";
        let domain = GlobalDomainIdentifier::decode(element).unwrap();
        assert_eq!(domain.to_string(), "C=XX;A=TEST;P=PPTEST");
        assert_eq!(domain.encoded(), element);
        assert!(domain.is_named_by(element));
    }

    #[test]
    fn every_form_of_length_reads_the_same() {
        let short = b"\x63\x16\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST";
        let domain = GlobalDomainIdentifierView::decode(short).unwrap();
        assert!(GlobalDomainIdentifierView::of_short_form(short).is_some());
        assert_eq!(GlobalDomainIdentifierView::of_any_form(short).unwrap(), domain);
        for other in [
            &b"\x63\x80\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST\0\0"[..],
            b"\x63\x81\x17\x61\x05\x13\x81\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST",
        ] {
            assert!(GlobalDomainIdentifierView::of_short_form(other).is_none());
            assert_eq!(GlobalDomainIdentifierView::decode(other).unwrap(), domain);
        }
        for size in 0..short.len() {
            let cut = &short[..size];
            assert!(GlobalDomainIdentifierView::decode(cut).is_err());
        }
    }

    #[test]
    fn compares_names_not_encodings() {
        let domain: GlobalDomainIdentifier = "C=234;A=One Two;P=7".parse().unwrap();
        let element = b"\x63\x13\x61\x05\x12\x03234\x62\x0a\x13\x08 one tWO".to_vec();
        assert!(!domain.is_named_by(&element));
        let mut element = element;
        element.extend(b"\x12\x017");
        element[1] += 3;
        assert!(domain.is_named_by(&element));
        assert_eq!(GlobalDomainIdentifierView::decode(&element).unwrap().hash(), domain.hash());
        let administration: GlobalDomainIdentifier = "C=GB;A= ".parse().unwrap();
        assert_eq!(administration.view().private_domain, None);
        assert_eq!(administration.view().administration_domain, b" ");
    }

    #[test]
    fn text_that_is_no_domain_is_refused() {
        for text in ["", "C=GB", "C=GB;A=X;O=Y"] {
            assert!(text.parse::<GlobalDomainIdentifier>().is_err(), "{text}");
        }
    }
}
