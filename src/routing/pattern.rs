//! Address-space patterns: `C=GB;A=CARRIER;P=ACME;O=*`.
//!
//! A pattern names the attributes that an address must carry; an attribute that it does not name, or
//! names as `*`, may be anything. Values compare with case and spacing folded (X.402 18.4
//! (unverified)). An ADMD of one space stands for any ADMD of the country. A value beyond ASCII stands for a
//! teletex one, and is kept in T.61; universal values are not compared.

use std::fmt;

use thiserror::Error;

use crate::p1::or_address::{AttributeKind, Characters, Repertoire, folded, teletex_string};

/// The O/R attributes that routing looks at, most general first (X.402 18.3 (unverified)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Attribute {
    /// Country name, `C`.
    Country,
    /// Administration domain name, `A`.
    Administration,
    /// Private domain name, `P`.
    Private,
    /// Organization name, `O`.
    Organization,
    /// First organizational unit, `OU1`.
    Unit1,
    /// Second organizational unit, `OU2`.
    Unit2,
    /// Third organizational unit, `OU3`.
    Unit3,
    /// Fourth organizational unit, `OU4`.
    Unit4,
    /// Common name, `CN`.
    CommonName,
    /// Surname, `S`.
    Surname,
    /// Given name, `G`.
    GivenName,
    /// Network address, `X.121`.
    NetworkAddress,
    /// Numeric user identifier, `N-ID`.
    NumericUserIdentifier,
}

impl Attribute {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// All, most general first.
    pub const ALL: [Attribute; Attribute::COUNT] = [
        Attribute::Country,
        Attribute::Administration,
        Attribute::Private,
        Attribute::Organization,
        Attribute::Unit1,
        Attribute::Unit2,
        Attribute::Unit3,
        Attribute::Unit4,
        Attribute::CommonName,
        Attribute::Surname,
        Attribute::GivenName,
        Attribute::NetworkAddress,
        Attribute::NumericUserIdentifier,
    ];

    /// The label in text forms (RFC 1685 tables F.1 and F.3).
    pub const fn label(self) -> &'static str {
        match self {
            Attribute::Country => "C",
            Attribute::Administration => "A",
            Attribute::Private => "P",
            Attribute::Organization => "O",
            Attribute::Unit1 => "OU1",
            Attribute::Unit2 => "OU2",
            Attribute::Unit3 => "OU3",
            Attribute::Unit4 => "OU4",
            Attribute::CommonName => "CN",
            Attribute::Surname => "S",
            Attribute::GivenName => "G",
            Attribute::NetworkAddress => "X.121",
            Attribute::NumericUserIdentifier => "N-ID",
        }
    }

    /// The attribute of this kind, if routing looks at it.
    pub const fn of_kind(kind: AttributeKind) -> Option<Attribute> {
        Some(match kind {
            AttributeKind::Country => Attribute::Country,
            AttributeKind::AdministrationDomain => Attribute::Administration,
            AttributeKind::PrivateDomain => Attribute::Private,
            AttributeKind::Organization => Attribute::Organization,
            AttributeKind::OrganizationalUnit1 => Attribute::Unit1,
            AttributeKind::OrganizationalUnit2 => Attribute::Unit2,
            AttributeKind::OrganizationalUnit3 => Attribute::Unit3,
            AttributeKind::OrganizationalUnit4 => Attribute::Unit4,
            AttributeKind::CommonName => Attribute::CommonName,
            AttributeKind::Surname => Attribute::Surname,
            AttributeKind::GivenName => Attribute::GivenName,
            AttributeKind::NetworkAddress | AttributeKind::E164Number => Attribute::NetworkAddress,
            AttributeKind::NumericUserIdentifier => Attribute::NumericUserIdentifier,
            _ => return None,
        })
    }

    /// The attribute of a label, or of another key for the same, as `ADMD`.
    fn from_label(label: &str) -> Option<Attribute> {
        let key = AttributeKind::from_key(label)?.key();
        Attribute::ALL.into_iter().find(|attribute| attribute.label() == key)
    }
}

/// What is wrong with a pattern's text, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem} at character {position}")]
pub struct PatternError {
    /// Characters before the fault, counted from 0.
    pub position: usize,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// A parsed pattern; exact values are kept folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pattern {
    values: [Option<Box<[u8]>>; Attribute::COUNT],
}

impl Pattern {
    /// Parses `LABEL=VALUE` pairs divided by `;`.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let mut pattern = Pattern::default();
        let mut start = 0;
        for pair in text.split(';') {
            if !matches!(pair.trim(), "" | "*") {
                pattern.take(pair, start)?;
            }
            start += pair.chars().count() + 1;
        }
        Ok(pattern)
    }

    /// Takes one `LABEL=VALUE`, which starts at character `start` of the text.
    fn take(&mut self, pair: &str, start: usize) -> Result<(), PatternError> {
        let label_at = start + pair.chars().take_while(|each| each.is_whitespace()).count();
        let error = |position, problem| Err(PatternError { position, problem });
        let Some((label, value)) = pair.split_once('=') else {
            return error(label_at, format!("`{}` is not LABEL=VALUE", pair.trim()));
        };
        let value_at = start + label.chars().count() + 1;
        let label = label.trim();
        let Some(attribute) = Attribute::from_label(label) else {
            let known = Attribute::ALL.map(Attribute::label).join(", ");
            let problem = format!("`{label}` is no attribute that routes; write one of {known}");
            return error(label_at, problem);
        };
        let any = value.trim() == "*"
            || (attribute == Attribute::Administration && value.trim().is_empty());
        if any {
            return Ok(());
        }
        if let Some(at) = value.chars().position(|each| each == '*') {
            return error(value_at + at, "`*` stands for a whole value only".to_owned());
        }
        let octets = if value.is_ascii() {
            value.as_bytes().to_vec()
        } else {
            match teletex_string(value) {
                Ok(octets) => octets,
                Err(at) => {
                    let problem = "T.61 has not this character, and no other repertoire is routed \
                                   by; write the printable variant";
                    return error(value_at + at, problem.to_owned());
                }
            }
        };
        let folded: Vec<u8> = folded(&octets).collect();
        if folded.is_empty() {
            return error(value_at, format!("`{label}` has no value; write `*` for any"));
        }
        if self.values[attribute as usize].replace(folded.into()).is_some() {
            return error(label_at, format!("`{label}` is given twice"));
        }
        Ok(())
    }

    /// The exact value asked of an attribute, folded; `None` where any will do.
    pub fn value(&self, attribute: Attribute) -> Option<&[u8]> {
        self.values[attribute as usize].as_deref()
    }

    /// One bit for each attribute with an exact value; a larger mask of the same family is more specific.
    pub fn mask(&self) -> u16 {
        self.values
            .iter()
            .enumerate()
            .fold(0, |mask, (index, value)| mask | (u16::from(value.is_some()) << index))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for attribute in Attribute::ALL {
            if let Some(value) = self.value(attribute) {
                write!(f, "{separator}{}=", attribute.label())?;
                let repertoire =
                    if value.is_ascii() { Repertoire::Printable } else { Repertoire::Teletex };
                for character in Characters::new(repertoire, value) {
                    // A letter whose capital is two letters stays as it is.
                    let mut upper = character.to_uppercase();
                    let capital = if upper.len() == 1 { upper.next() } else { None };
                    write!(f, "{}", capital.unwrap_or(character))?;
                }
                separator = ";";
            }
        }
        if separator.is_empty() { f.write_str("*") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_folds_and_prints() {
        let pattern = Pattern::parse("C=gb; A=* ;P=Acme  Ltd;O=Sales").unwrap();
        assert_eq!(pattern.value(Attribute::Private), Some(&b"acme ltd"[..]));
        assert_eq!(pattern.value(Attribute::Administration), None);
        assert_eq!(pattern.mask(), 0b1101);
        assert_eq!(pattern.to_string(), "C=GB;P=ACME LTD;O=SALES");
        assert_eq!(Pattern::parse("C=GB;A= ").unwrap().mask(), 1);
    }

    #[test]
    fn other_keys_and_teletex_values() {
        let pattern = Pattern::parse("C=DE;ADMD=dbp;prmd=Straße Müller;X121=2").unwrap();
        assert_eq!(pattern.value(Attribute::Private), Some(&b"stra\xfbe m\xc8uller"[..]));
        assert_eq!(pattern.to_string(), "C=DE;A=DBP;P=STRAßE MÜLLER;X.121=2");
        assert_eq!(Pattern::parse(&pattern.to_string()).unwrap(), pattern);
    }

    #[test]
    fn an_error_points_at_its_character() {
        let error = Pattern::parse("C=GB;Q=1").unwrap_err();
        assert_eq!(error.position, 5);
        assert!(error.problem.contains("`Q` is no attribute"), "{error}");
        for (text, position) in
            [("C=GB;P", 5), ("C=GB; Q=1", 6), ("C=GB;P=a*", 8), ("C=GB;P=aЖ", 8), ("C=GB; P=", 8)]
        {
            assert_eq!(Pattern::parse(text).unwrap_err().position, position, "{text}");
        }
        assert!(Pattern::parse("C=GB;C=FR").unwrap_err().problem.contains("twice"));
        assert!(Pattern::parse("C=GB;P=").unwrap_err().problem.contains("no value"));
    }
}
