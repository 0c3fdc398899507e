//! Parsing of O/R addresses: from left to right, once, with the index of every character at hand.

use std::str::FromStr;

use super::super::attribute::{
    ADDRESS_LINE_COUNT_MAX, AttributeKind, Characters, DOMAIN_DEFINED_COUNT_MAX,
    DOMAIN_DEFINED_TYPE_SIZE_MAX, DOMAIN_DEFINED_VALUE_SIZE_MAX, Entry, POSTAL_SIZE_MAX,
    TERMINAL_TYPE_MAX, TERMINAL_TYPES, entry_of_key, is_printable,
};
use super::super::characters::of_teletex_octet;
use super::super::owned::{LINE_END, Variants};
use super::super::{
    DomainDefinedAttribute, ORGANIZATIONAL_UNITS, OrAddress, PERSONAL_NAME, PSAP_ADDRESS,
};
use super::TextError;
use super::print::EXTENSION_ATTRIBUTE;
use super::value::{ASTERISK, Piece, bounded, element, fault, plain, text_of, variants};
use crate::ber::Reader;

impl FromStr for OrAddress {
    type Err = TextError;

    fn from_str(text: &str) -> Result<OrAddress, TextError> {
        let characters: Vec<char> = text.chars().collect();
        let mut parser = Parser {
            characters: &characters,
            at: 0,
            delimiter: ';',
            address: OrAddress::default(),
            keys: Vec::new(),
            lines: Default::default(),
        };
        parser.address()?;
        Ok(parser.address)
    }
}

struct Parser<'a> {
    characters: &'a [char],
    at: usize,
    delimiter: char,
    address: OrAddress,
    /// Where the key of each attribute stands.
    keys: Vec<(AttributeKind, usize)>,
    /// The lines of an unformatted postal address that are given one by one.
    lines: [Option<String>; ADDRESS_LINE_COUNT_MAX],
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Takes `word` when it stands here, in either case.
    fn take(&mut self, word: &str) -> bool {
        let rest = self.characters.get(self.at..).unwrap_or_default();
        let size = word.len();
        let is_there = rest.len() >= size
            && word.chars().zip(rest).all(|(one, other)| one.eq_ignore_ascii_case(other));
        if is_there {
            self.at += size;
        }
        is_there
    }

    fn address(&mut self) -> Result<(), TextError> {
        self.skip_spaces();
        if self.take("X.400:") {
            self.skip_spaces();
        }
        if self.peek() == Some('/') {
            self.delimiter = '/';
        }
        loop {
            self.skip_spaces();
            match self.peek() {
                None => break,
                Some(character) if character == self.delimiter => self.at += 1,
                Some(_) => self.attribute()?,
            }
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<(), TextError> {
        if let Some(count) = self.lines.iter().rposition(Option::is_some) {
            let kind = AttributeKind::UnformattedPostalAddress;
            let lines = &self.lines[..=count];
            let Some(lines) = lines.iter().map(Option::as_deref).collect::<Option<Vec<_>>>() else {
                return fault(
                    self.key_at(kind),
                    "a line before this one is left out; write PD-A1 first",
                );
            };
            let is_printable = lines.iter().all(|line| line.chars().all(is_printable));
            let text = lines.join(LINE_END);
            let mut value = Variants::of(text.clone());
            if is_printable {
                value = Variants { printable: Some(text), ..Variants::default() };
            }
            self.address.set(kind, value);
        }
        let absent = |kind: &AttributeKind| self.address.value(*kind).is_none();
        let units = ORGANIZATIONAL_UNITS.iter().skip_while(|kind| !absent(kind));
        if let Some(kind) = units.into_iter().find(|kind| !absent(kind)) {
            let problem = "the organizational unit before this one is left out; count from OU1";
            return fault(self.key_at(*kind), problem);
        }
        if absent(&AttributeKind::Surname)
            && let Some(kind) = PERSONAL_NAME.iter().find(|kind| !absent(kind))
        {
            return fault(self.key_at(*kind), "a personal name needs a surname; write S=... too");
        }
        if self.address.is_empty() {
            return fault(
                0,
                "an O/R address has attributes; write KEY=VALUE, as in C=GB;A=CARRIER",
            );
        }
        Ok(())
    }

    fn key_at(&self, kind: AttributeKind) -> usize {
        self.keys.iter().rfind(|(known, _)| *known == kind).map_or(0, |(_, at)| *at)
    }

    /// Takes one `KEY=VALUE`.
    fn attribute(&mut self) -> Result<(), TextError> {
        let key_at = self.at;
        if ["DDA:", "DDA.", "DD:", "DD."].into_iter().any(|word| self.take(word)) {
            return self.domain_defined(key_at);
        }
        let rest = self.characters.get(key_at..).unwrap_or_default();
        let end = rest.iter().position(|each| *each == '=' || *each == self.delimiter);
        let Some(size) = end.filter(|end| rest.get(*end) == Some(&'=')) else {
            return fault(key_at, "an attribute is written KEY=VALUE");
        };
        let key: String = rest[..size].iter().collect();
        let key = key.trim_end();
        self.at = key_at + size + 1;
        if key.eq_ignore_ascii_case("DDA") || key.eq_ignore_ascii_case("DD") {
            return fault(key_at, "a domain-defined attribute is written DDA:TYPE=VALUE");
        }
        if let Some(number) = strip_prefix(key, EXTENSION_ATTRIBUTE) {
            return self.extension(number, key_at);
        }
        if let Some(number) = strip_prefix(key, "PD-A")
            && let Ok(number @ 1..=ADDRESS_LINE_COUNT_MAX) = number.parse()
        {
            return self.line(number - 1, key_at);
        }
        let entry = if key.eq_ignore_ascii_case("OU") {
            let Some(unit) = self.address.next_unit() else {
                return fault(key_at, "more than four organizational units");
            };
            entry_of_key(unit.key())
        } else {
            entry_of_key(key)
        };
        let Some(entry) = entry else {
            let problem = if key.contains(':') { "only DDA has a type" } else { UNKNOWN_KEY };
            return fault(key_at, problem);
        };
        let is_line = self.lines.iter().any(Option::is_some)
            && entry.kind == AttributeKind::UnformattedPostalAddress;
        if is_line || self.address.value(entry.kind).is_some() {
            return fault(key_at, "this attribute is given twice");
        }
        self.keys.push((entry.kind, key_at));
        let value = self.value_of(entry)?;
        self.address.set(entry.kind, value);
        Ok(())
    }

    /// The characters of a value, up to the delimiter.
    fn pieces(&mut self, is_lines: bool) -> Result<Vec<Piece>, TextError> {
        let mut pieces = Vec::new();
        while let Some(character) = self.peek() {
            let at = self.at;
            let is_double = self.characters.get(at + 1) == Some(&character);
            match character {
                _ if character == self.delimiter => {
                    if !is_double {
                        break;
                    }
                    self.at += 2;
                    pieces.push((Some(character), at));
                }
                '{' if is_double => {
                    self.at += 2;
                    pieces.push((Some('{'), at));
                }
                '{' => self.octets(&mut pieces)?,
                _ => {
                    self.at += 1;
                    match character {
                        '*' => pieces.push((None, at)),
                        '|' if is_lines => {
                            pieces.extend(LINE_END.chars().map(|each| (Some(each), at)));
                        }
                        _ => pieces.push((Some(character), at)),
                    }
                }
            }
        }
        Ok(pieces)
    }

    /// T.61 octets in braces, three decimal digits each.
    fn octets(&mut self, pieces: &mut Vec<Piece>) -> Result<(), TextError> {
        let at = self.at;
        let rest = self.characters.get(at + 1..).unwrap_or_default();
        let digits = &rest[..rest.iter().position(|each| *each == '}').unwrap_or(0)];
        if digits.is_empty() || digits.len() % 3 != 0 {
            return fault(at, OCTETS);
        }
        for three in digits.chunks(3) {
            let text: String = three.iter().collect();
            let number = Some(text).filter(|text| text.bytes().all(|each| each.is_ascii_digit()));
            match number.and_then(|text| text.parse().ok()) {
                Some(octet) => pieces.push((Some(of_teletex_octet(octet)), at)),
                None => return fault(at, OCTETS),
            }
        }
        self.at += digits.len() + 2;
        Ok(())
    }

    /// Takes a value, and checks it.
    fn value_of(&mut self, entry: &Entry) -> Result<Variants, TextError> {
        let value_at = self.at;
        let is_lines = entry.characters == Characters::Lines;
        let pieces = self.pieces(is_lines)?;
        if !pieces.iter().any(|(character, _)| character.is_some()) {
            return fault(value_at, "the value is empty");
        }
        match entry.characters {
            Characters::Any | Characters::Lines => variants(&pieces, entry),
            Characters::Printable => {
                plain(&pieces, is_printable, NOT_PRINTABLE)?;
                bounded(&pieces, entry.size_max)
            }
            Characters::Numeric => {
                let is_numeric = |each: char| each.is_ascii_digit() || each == ' ';
                plain(&pieces, is_numeric, "a NumericString holds digits and spaces only")?;
                bounded(&pieces, entry.size_max)
            }
            Characters::Country => {
                let text = text_of(&pieces);
                let is_country = text.len() == 2
                    && text.bytes().all(|each| each.is_ascii_alphabetic())
                    || text.len() == 3 && text.bytes().all(|each| each.is_ascii_digit());
                if !is_country || text.chars().count() != pieces.len() {
                    return fault(value_at, "a country has two letters or three digits");
                }
                Ok(Variants::of(text))
            }
            Characters::TerminalType => {
                let text = text_of(&pieces);
                let name = TERMINAL_TYPES.iter().find(|(number, name)| {
                    name.eq_ignore_ascii_case(&text) || text.parse() == Ok(*number)
                });
                match (name, text.parse::<i64>()) {
                    (Some((_, name)), _) => Ok(Variants::from(*name)),
                    (None, Ok(number @ 0..=TERMINAL_TYPE_MAX)) => {
                        Ok(Variants::of(number.to_string()))
                    }
                    _ => fault(value_at, TERMINAL_TYPE),
                }
            }
            Characters::Element => {
                let octets = element(&pieces, value_at)?;
                if !matches!(Reader::new(&octets).header(), Ok(header) if header.tag == PSAP_ADDRESS)
                {
                    return fault(
                        value_at,
                        "a PSAP address is an element tagged [0]: it begins with A0",
                    );
                }
                Ok(Variants::of(text_of(&pieces).to_ascii_uppercase()))
            }
        }
    }

    /// One line of an unformatted postal address.
    fn line(&mut self, index: usize, key_at: usize) -> Result<(), TextError> {
        let kind = AttributeKind::UnformattedPostalAddress;
        if self.lines[index].is_some() || self.address.value(kind).is_some() {
            return fault(key_at, "this attribute is given twice");
        }
        self.keys.push((kind, key_at));
        let value_at = self.at;
        let pieces = self.pieces(false)?;
        plain(&pieces, |_| true, "a line has one variant; write PD-ADDRESS=line|line*line|line")?;
        if pieces.is_empty() {
            return fault(value_at, "the value is empty");
        }
        bounded(&pieces, POSTAL_SIZE_MAX)?;
        self.lines[index] = Some(text_of(&pieces));
        Ok(())
    }

    /// A domain-defined attribute, behind the colon.
    fn domain_defined(&mut self, key_at: usize) -> Result<(), TextError> {
        let type_at = self.at;
        let mut type_name = Vec::new();
        loop {
            let at = self.at;
            let Some(character) = self.peek() else {
                return fault(key_at, "a domain-defined attribute is written DDA:TYPE=VALUE");
            };
            let is_double = self.characters.get(at + 1) == Some(&character);
            match character {
                '=' if !is_double => break,
                _ if character == self.delimiter && !is_double => {
                    return fault(key_at, "a domain-defined attribute is written DDA:TYPE=VALUE");
                }
                '{' if !is_double => {
                    self.octets(&mut type_name)?;
                    continue;
                }
                '=' | '{' => self.at += 1,
                _ if character == self.delimiter => self.at += 1,
                '*' => return fault(at, ASTERISK),
                _ => {}
            }
            self.at += 1;
            type_name.push((Some(character), at));
        }
        self.at += 1;
        if type_name.is_empty() {
            return fault(type_at, "a domain-defined type has 1 to 8 characters");
        }
        bounded(&type_name, DOMAIN_DEFINED_TYPE_SIZE_MAX)?;
        let value_at = self.at;
        let value = self.pieces(false)?;
        plain(&value, |_| true, ASTERISK)?;
        if value.is_empty() {
            return fault(value_at, "the value is empty");
        }
        bounded(&value, DOMAIN_DEFINED_VALUE_SIZE_MAX)?;
        if self.address.domain_defined.len() == DOMAIN_DEFINED_COUNT_MAX {
            return fault(key_at, "more than four domain-defined attributes");
        }
        let (type_name, value) = (text_of(&type_name), text_of(&value));
        self.address.domain_defined.push(DomainDefinedAttribute { type_name, value });
        Ok(())
    }

    /// An extension attribute that is not read further.
    fn extension(&mut self, number: &str, key_at: usize) -> Result<(), TextError> {
        let Ok(number) = number.parse::<u16>() else {
            return fault(key_at, "an extension attribute is named by its number");
        };
        let value_at = self.at;
        let pieces = self.pieces(false)?;
        let octets = element(&pieces, value_at)?;
        if self.address.extensions.insert(number, octets.into()).is_some() {
            return fault(key_at, "this attribute is given twice");
        }
        Ok(())
    }
}

const UNKNOWN_KEY: &str = "no attribute has this key; write one of C, A, P, O, OU1 to OU4, S, G, I, Q, CN, \
                           X.121, ISDN, NET-SUB, PSAP, T-ID, T-TY, N-ID, PD-A1 to PD-A6, PD-B, PD-C, PD-EA, \
                           PD-ED, PD-L, PD-O, PD-OF, PD-OFN, PD-PC, PD-PN, PD-R, PD-S, PD-SN, PD-U, DDA:TYPE";
const NOT_PRINTABLE: &str = "a PrintableString cannot hold this character; write letters, digits, spaces and \
                             any of '()+,-./:=?";
const OCTETS: &str =
    "an octet is three decimal digits up to 255 in braces, as {200}; write {{ for a brace";
const TERMINAL_TYPE: &str = "no terminal type; write telex, teletex, g3-facsimile, g4-facsimile, ia5-terminal, \
                             videotex or a number up to 256";

/// What stands behind `prefix`, in either case.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}
