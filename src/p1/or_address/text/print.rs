//! Printing of O/R addresses: owned ones with all variants, and views, without allocating, with the variant
//! that counts. Any octets are printed; what would be no graphic character is a number in braces.

use std::fmt::{self, Write};

use super::super::attribute::{ADDRESS_LINE_COUNT_MAX, ENTRIES, Entry, TERMINAL_TYPES};
use super::super::characters::stood_for;
use super::super::owned::{LINE_END, Variants, terminal_type_number};
use super::super::{AttributeKind, Characters, OrAddress, OrAddressView};
use super::Repertoire;

/// How the attributes of an address are parted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Semicolon,
    Slash,
}

impl Delimiter {
    fn character(self) -> char {
        match self {
            Delimiter::Semicolon => ';',
            Delimiter::Slash => '/',
        }
    }
}

/// An address on its way into text.
struct Printer<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    delimiter: Delimiter,
    is_first: bool,
}

impl Printer<'_, '_> {
    /// Begins an attribute, with all that stands before it.
    fn begin(&mut self) -> Result<&mut Self, fmt::Error> {
        if !self.is_first || self.delimiter == Delimiter::Slash {
            self.f.write_char(self.delimiter.character())?;
        }
        self.is_first = false;
        Ok(self)
    }

    fn key(&mut self, key: &str) -> Result<&mut Self, fmt::Error> {
        self.begin()?;
        self.f.write_str(key)?;
        self.f.write_char('=')?;
        Ok(self)
    }

    fn value(&mut self, characters: impl Iterator<Item = char>) -> fmt::Result {
        for character in characters {
            self.character(character)?;
        }
        Ok(())
    }

    fn character(&mut self, character: char) -> fmt::Result {
        if character == self.delimiter.character() {
            self.f.write_char(character)?;
            return self.f.write_char(character);
        }
        match (character, stood_for(character)) {
            ('{', _) => self.f.write_str("{{"),
            ('*', _) => self.f.write_str("{042}"),
            (_, Some(octet)) => write!(self.f, "{{{octet:03}}}"),
            _ if character.is_control() => write!(self.f, "{{{:03}}}", u32::from(character)),
            _ => self.f.write_char(character),
        }
    }

    fn type_name(&mut self, characters: impl Iterator<Item = char>) -> fmt::Result {
        self.begin()?.f.write_str("DDA:")?;
        for character in characters {
            if character == '=' {
                self.f.write_str("==")?;
            } else {
                self.character(character)?;
            }
        }
        self.f.write_char('=')
    }

    /// The value of a domain-defined attribute: a `=` at its beginning would belong to the type.
    fn defined_value(&mut self, characters: impl Iterator<Item = char>) -> fmt::Result {
        let mut characters = characters.peekable();
        if characters.next_if_eq(&'=').is_some() {
            self.f.write_str("{061}")?;
        }
        self.value(characters)
    }

    /// Lines in one value: `|` parts them.
    fn lines(&mut self, text: &str) -> fmt::Result {
        for (index, line) in text.split(LINE_END).enumerate() {
            if index > 0 {
                self.f.write_char('|')?;
            }
            for character in line.chars() {
                if character == '|' {
                    self.f.write_str("{124}")?
                } else {
                    self.character(character)?
                }
            }
        }
        Ok(())
    }

    fn variants(&mut self, entry: &Entry, value: &Variants) -> fmt::Result {
        let is_postal = entry.kind == AttributeKind::UnformattedPostalAddress;
        let mut all = value.all();
        let first = all.next().unwrap_or_default();
        let is_one = all.all(|other| other == first);
        if is_postal && is_one && value.printable.is_some() {
            let lines = first.split(LINE_END);
            if lines.clone().count() <= ADDRESS_LINE_COUNT_MAX {
                for (number, line) in (1..).zip(lines) {
                    self.begin()?;
                    write!(self.f, "PD-A{number}=")?;
                    self.value(line.chars())?;
                }
                return Ok(());
            }
        }
        self.key(entry.key)?;
        if is_one && !is_postal {
            return self.value(first.chars());
        }
        let teletex = value.teletex.is_some() || value.universal.is_some();
        let parts = [
            (true, &value.printable),
            (teletex, &value.teletex),
            (value.universal.is_some(), &value.universal),
        ];
        for (index, (_, text)) in parts.iter().enumerate().filter(|(_, part)| part.0) {
            if index > 0 {
                self.f.write_char('*')?;
            }
            let text = text.as_deref().unwrap_or_default();
            if is_postal { self.lines(text)? } else { self.value(text.chars())? }
        }
        Ok(())
    }

    /// An extension attribute that is not read further: by its number, in hexadecimal digits.
    fn extension(&mut self, number: u16, element: &[u8]) -> fmt::Result {
        self.begin()?;
        write!(self.f, "{EXTENSION_ATTRIBUTE}{number}=")?;
        self.hexadecimal(element)
    }

    fn hexadecimal(&mut self, octets: &[u8]) -> fmt::Result {
        octets.iter().try_for_each(|octet| write!(self.f, "{octet:02X}"))
    }

    fn end(self) -> fmt::Result {
        if self.delimiter == Delimiter::Slash { self.f.write_char('/') } else { Ok(()) }
    }
}

/// The key of an extension attribute that is not read further, before its number.
pub(super) const EXTENSION_ATTRIBUTE: &str = "extension-attribute-";

fn print_owned(
    address: &OrAddress,
    delimiter: Delimiter,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut printer = Printer { f, delimiter, is_first: true };
    for entry in &ENTRIES {
        if let Some(value) = address.values.get(&entry.kind) {
            printer.variants(entry, value)?;
        }
    }
    for attribute in &address.domain_defined {
        printer.type_name(attribute.type_name.chars())?;
        printer.defined_value(attribute.value.chars())?;
    }
    for (number, element) in &address.extensions {
        printer.extension(*number, element)?;
    }
    printer.end()
}

impl fmt::Display for OrAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_owned(self, Delimiter::Semicolon, f)
    }
}

/// An address as its form with slashes is printed.
struct Slashed<'a>(&'a OrAddress);

impl fmt::Display for Slashed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_owned(self.0, Delimiter::Slash, f)
    }
}

impl OrAddress {
    /// The form with slashes: `/C=GB/A=CARRIER/.../`.
    pub fn slashed(&self) -> impl fmt::Display {
        Slashed(self)
    }
}

impl fmt::Display for OrAddressView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer { f, delimiter: Delimiter::Semicolon, is_first: true };
        for entry in &ENTRIES {
            let Some(found) = self.attribute(entry.kind) else { continue };
            match entry.kind {
                AttributeKind::UnformattedPostalAddress
                    if found.repertoire == Repertoire::Printable =>
                {
                    let lines = self.attributes().iter().filter(|each| {
                        each.kind == entry.kind && each.repertoire == Repertoire::Printable
                    });
                    for (number, line) in (1..).zip(lines) {
                        printer.begin()?;
                        write!(printer.f, "PD-A{number}=")?;
                        printer.value(Characters::new(line.repertoire, line.octets))?;
                    }
                }
                AttributeKind::TerminalType => {
                    printer.key(entry.key)?;
                    let number = terminal_type_number(found.octets);
                    match TERMINAL_TYPES.iter().find(|(known, _)| *known == number) {
                        Some((_, name)) => printer.f.write_str(name)?,
                        None => write!(printer.f, "{number}")?,
                    }
                }
                AttributeKind::PresentationAddress => {
                    printer.key(entry.key)?.hexadecimal(found.octets)?;
                }
                _ => {
                    printer.key(entry.key)?;
                    printer.value(Characters::new(found.repertoire, found.octets))?;
                }
            }
        }
        for found in self.domain_defined() {
            printer.type_name(Characters::new(found.repertoire, found.type_octets))?;
            printer.defined_value(Characters::new(found.repertoire, found.octets))?;
        }
        for found in self.attributes() {
            if let AttributeKind::Extension(number) = found.kind {
                printer.extension(number, found.octets)?;
            }
        }
        Ok(())
    }
}
