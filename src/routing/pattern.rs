//! Address-space patterns: `C=GB;A=CARRIER;P=ACME;O=*`.
//!
//! A pattern names the attributes that an address must carry; an attribute that it does not name, or
//! names as `*`, may be anything. Values compare with case and spacing folded (X.402 18.4
//! (unverified)). An ADMD of one space stands for any ADMD of the country.

use std::fmt;

use thiserror::Error;

use crate::p1::or_address::{AttributeKind, folded};

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

    /// The label in text forms (RFC 1685 section 3 (unverified)).
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

    fn from_label(label: &str) -> Option<Attribute> {
        Attribute::ALL.into_iter().find(|attribute| attribute.label().eq_ignore_ascii_case(label))
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
        let mut position = 0;
        for pair in text.split(';') {
            let error = |problem: String| PatternError { position, problem };
            if !matches!(pair.trim(), "" | "*") {
                let (label, value) = pair
                    .split_once('=')
                    .ok_or_else(|| error(format!("`{}` is not LABEL=VALUE", pair.trim())))?;
                let attribute = Attribute::from_label(label.trim()).ok_or_else(|| {
                    let known = Attribute::ALL.map(Attribute::label).join(", ");
                    error(format!(
                        "`{}` is no attribute that routes; write one of {known}",
                        label.trim()
                    ))
                })?;
                let any = value.trim() == "*"
                    || (attribute == Attribute::Administration && value.trim().is_empty());
                if !any {
                    let folded: Vec<u8> = folded(value.as_bytes()).collect();
                    if folded.is_empty() {
                        return Err(error(format!(
                            "`{}` has no value; write `*` for any",
                            label.trim()
                        )));
                    }
                    if folded.contains(&b'*') {
                        return Err(error("`*` stands for a whole value only".to_owned()));
                    }
                    if pattern.values[attribute as usize].replace(folded.into()).is_some() {
                        return Err(error(format!("`{}` is given twice", label.trim())));
                    }
                }
            }
            position += pair.chars().count() + 1;
        }
        Ok(pattern)
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
                write!(
                    f,
                    "{separator}{}={}",
                    attribute.label(),
                    String::from_utf8_lossy(value).to_uppercase()
                )?;
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
    fn an_error_points_at_its_character() {
        let error = Pattern::parse("C=GB;Q=1").unwrap_err();
        assert_eq!(error.position, 5);
        assert!(error.problem.contains("`Q` is no attribute"), "{error}");
        assert_eq!(Pattern::parse("C=GB;P").unwrap_err().position, 5);
        assert!(Pattern::parse("C=GB;C=FR").unwrap_err().problem.contains("twice"));
        assert!(Pattern::parse("C=GB;P=").unwrap_err().problem.contains("no value"));
    }
}
