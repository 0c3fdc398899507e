//! Whether two O/R addresses name the same (X.402 18.4 (unverified)).
//!
//! Case does not count, nor do leading, trailing and repeated spaces; a value as NumericString is that value
//! as PrintableString; a country's alpha-2 code is its X.121 code. Of several variants of an attribute each
//! names it: two attributes are the same when any variant of one is the same as any of the other. Accented
//! letters are the same however they are written: with T.61's accent before the letter, as one Unicode
//! character, or with a combining character behind it. An administration domain that is one space is the
//! same as an absent one (RFC 1685 section 2); `0` is a name like any other.

use super::characters::composed;
use super::country::of_data_country_code;
use super::{AttributeKind, OrAddress};

/// The characters in lower case, composed, without leading and trailing spaces and with one for several.
fn folded_characters(text: &str) -> impl Iterator<Item = char> {
    let mut characters = text.trim_matches(' ').chars().peekable();
    let mut before = None;
    std::iter::from_fn(move || {
        loop {
            let mut character = characters.next()?;
            while let Some(one) =
                characters.peek().and_then(|combining| composed(character, *combining))
            {
                character = one;
                characters.next();
            }
            if character == ' ' && before == Some(' ') {
                continue;
            }
            before = Some(character);
            return Some(character);
        }
    })
    .flat_map(char::to_lowercase)
}

fn text_eq(left: &str, right: &str) -> bool {
    folded_characters(left).eq(folded_characters(right))
}

fn country_eq(left: &str, right: &str) -> bool {
    let alpha = |code| of_data_country_code(code).unwrap_or(code);
    text_eq(alpha(left.trim()), alpha(right.trim()))
}

impl OrAddress {
    /// Whether both name the same user, list or domain.
    pub fn is_equivalent(&self, other: &OrAddress) -> bool {
        let one_way = |left: &OrAddress, right: &OrAddress| {
            left.values.keys().all(|kind| left.attribute_eq(right, *kind))
        };
        one_way(self, other)
            && one_way(other, self)
            && self.distinct_domain_defined().eq(other.distinct_domain_defined())
            && self.extensions == other.extensions
    }

    fn attribute_eq(&self, other: &OrAddress, kind: AttributeKind) -> bool {
        let (left, right) = match (self.values.get(&kind), other.values.get(&kind)) {
            (Some(left), Some(right)) => (left, right),
            (None, None) => return true,
            (Some(only), None) | (None, Some(only)) => {
                let is_blank = only.all().all(|text| text.trim().is_empty());
                return kind == AttributeKind::AdministrationDomain && is_blank;
            }
        };
        let is_country =
            matches!(kind, AttributeKind::Country | AttributeKind::PhysicalDeliveryCountry);
        let eq = if is_country { country_eq } else { text_eq };
        left.all().any(|text| right.all().any(|other| eq(text, other)))
    }

    /// The domain-defined attributes in their order, folded: of one given in several repertoires, the first.
    fn distinct_domain_defined(&self) -> impl Iterator<Item = (String, String)> {
        let mut seen: Vec<(String, String)> = Vec::with_capacity(self.domain_defined.len());
        for attribute in &self.domain_defined {
            let folded = |text: &str| folded_characters(text).collect::<String>();
            let pair = (folded(&attribute.type_name), folded(&attribute.value));
            if !seen.contains(&pair) {
                seen.push(pair);
            }
        }
        seen.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::or_address::Variants;

    #[track_caller]
    fn compare(left: &str, right: &str) -> bool {
        let [left, right]: [OrAddress; 2] = [left.parse().unwrap(), right.parse().unwrap()];
        assert_eq!(left.is_equivalent(&right), right.is_equivalent(&left));
        left.is_equivalent(&right)
    }

    #[test]
    fn what_does_not_count() {
        for (left, right) in [
            ("C=GB;A=Carrier;O=Acme  Ltd", "C=gb;a=CARRIER;o=  acme ltd "),
            ("C=234;A=X", "C=GB;A=X"),
            ("C=DE;A=X;O=Müller", "C=262;A=X;O=*M{200}uller*Жук"),
            ("O=Mu\u{308}ller", "O=müller"),
            ("O=Muller*Müller", "O=MÜLLER"),
            ("C=GB;A= ;P=x", "C=GB;P=X"),
            ("S=Жук", "S=жУК"),
            ("DDA:a=1;DDA:a=1", "DDA:A=1"),
            ("PD-A1=one;PD-A2=two", "PD-ADDRESS=ONE|two"),
        ] {
            assert!(compare(left, right), "{left} {right}");
        }
    }

    #[test]
    fn what_counts() {
        for (left, right) in [
            ("C=GB;A=X", "C=GB;A=X;P=Y"),
            ("C=GB;A=0", "C=GB;A= "),
            ("C=GB;A=0", "C=GB"),
            ("C=GB;A=X", "C=DE;A=X"),
            ("O=ab", "O=a b"),
            ("O=Muller", "O=Müller"),
            ("X.121=1", "ISDN=1"),
            ("DDA:a=1;DDA:b=2", "DDA:b=2;DDA:a=1"),
            ("extension-attribute-99=0500", "extension-attribute-98=0500"),
        ] {
            assert!(!compare(left, right), "{left} {right}");
        }
    }

    #[test]
    fn a_printable_and_a_teletex_string_of_the_same_characters_are_equal() {
        let teletex = Variants { teletex: Some("smith".to_owned()), ..Variants::default() };
        let left = OrAddress::default().with(AttributeKind::Surname, "SMITH");
        let right = OrAddress::default().with(AttributeKind::Surname, teletex);
        assert!(left.is_equivalent(&right));
        assert_ne!(left, right);
    }
}
