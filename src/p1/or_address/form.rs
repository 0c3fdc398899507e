//! Which form an O/R address has, and whether it has what that form asks for (X.402 18.5).
//!
//! The table of mandatory attributes is read off a foreign implementation (PP, `Lib/or/or_valid.c`, which
//! names X.402 Table 10); attributes that a form only permits are taken from there too.

use std::fmt;

use super::{AttributeKind, OrAddress};

/// The form of an O/R address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Names a user or list by what he is called (X.402 18.5.1).
    Mnemonic,
    /// Names a user by a number (18.5.2).
    Numeric,
    /// Names a place for physical delivery, attribute by attribute (18.5.3).
    FormattedPostal,
    /// Names a place for physical delivery by the lines of its address (18.5.3).
    UnformattedPostal,
    /// Names a terminal (18.5.4).
    Terminal,
}

impl Form {
    /// What the form cannot be without.
    fn mandatory(self) -> &'static [AttributeKind] {
        use AttributeKind::{
            AdministrationDomain, Country, NetworkAddress, NumericUserIdentifier,
            PhysicalDeliveryCountry, PostalCode, UnformattedPostalAddress,
        };
        match self {
            Form::Mnemonic => &[Country, AdministrationDomain],
            Form::Numeric => &[Country, AdministrationDomain, NumericUserIdentifier],
            Form::FormattedPostal => {
                &[Country, AdministrationDomain, PhysicalDeliveryCountry, PostalCode]
            }
            Form::UnformattedPostal => &[
                Country,
                AdministrationDomain,
                PhysicalDeliveryCountry,
                PostalCode,
                UnformattedPostalAddress,
            ],
            Form::Terminal => &[NetworkAddress],
        }
    }

    /// Whether an attribute may stand in an address of this form.
    fn permits(self, kind: AttributeKind) -> bool {
        match kind {
            AttributeKind::Country
            | AttributeKind::AdministrationDomain
            | AttributeKind::PrivateDomain
            | AttributeKind::Extension(_) => true,
            AttributeKind::DomainDefined => !is_postal(self),
            AttributeKind::NumericUserIdentifier => self == Form::Numeric,
            AttributeKind::UnformattedPostalAddress => self == Form::UnformattedPostal,
            AttributeKind::PhysicalDeliveryService
            | AttributeKind::PhysicalDeliveryCountry
            | AttributeKind::PostalCode => is_postal(self),
            _ if is_terminal_attribute(kind) => self == Form::Terminal,
            _ if is_mnemonic_attribute(kind) => self == Form::Mnemonic,
            _ => self == Form::FormattedPostal,
        }
    }
}

fn is_postal(form: Form) -> bool {
    matches!(form, Form::FormattedPostal | Form::UnformattedPostal)
}

fn is_terminal_attribute(kind: AttributeKind) -> bool {
    matches!(
        kind,
        AttributeKind::NetworkAddress
            | AttributeKind::E164Number
            | AttributeKind::E164SubAddress
            | AttributeKind::PresentationAddress
            | AttributeKind::TerminalIdentifier
            | AttributeKind::TerminalType
    )
}

fn is_mnemonic_attribute(kind: AttributeKind) -> bool {
    (AttributeKind::Organization..=AttributeKind::CommonName).contains(&kind)
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Mnemonic => "mnemonic",
            Form::Numeric => "numeric",
            Form::FormattedPostal => "formatted postal",
            Form::UnformattedPostal => "unformatted postal",
            Form::Terminal => "terminal",
        })
    }
}

/// What keeps an address from being of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormProblem {
    /// Of which form it would be.
    pub form: Form,
    /// Which attribute is the problem.
    pub kind: AttributeKind,
    /// Whether it is missing, or else has no place there.
    pub is_missing: bool,
}

impl fmt::Display for FormProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.kind.key();
        if self.is_missing {
            write!(f, "an address of the {} form needs {key}; write {key}=...", self.form)
        } else {
            write!(f, "{key} has no place in an address of the {} form; leave it out", self.form)
        }
    }
}

impl OrAddress {
    /// Its form, by the attributes that only one form has: postal before numeric before mnemonic before
    /// terminal ones.
    pub fn form(&self) -> Form {
        let has = |kind| self.values.contains_key(&kind);
        let any = |is_one: fn(AttributeKind) -> bool| self.values.keys().any(|kind| is_one(*kind));
        if has(AttributeKind::UnformattedPostalAddress) {
            Form::UnformattedPostal
        } else if any(|kind| kind >= AttributeKind::PhysicalDeliveryService) {
            Form::FormattedPostal
        } else if has(AttributeKind::NumericUserIdentifier) {
            Form::Numeric
        } else if any(is_terminal_attribute) && !any(is_mnemonic_attribute) {
            Form::Terminal
        } else {
            Form::Mnemonic
        }
    }

    /// The first thing that keeps it from being of its form.
    pub fn problem(&self) -> Option<FormProblem> {
        let form = self.form();
        let is_missing = |kind: &AttributeKind| match kind {
            // Any network address will do.
            AttributeKind::NetworkAddress => ![
                AttributeKind::NetworkAddress,
                AttributeKind::E164Number,
                AttributeKind::PresentationAddress,
            ]
            .iter()
            .any(|kind| self.values.contains_key(kind)),
            kind => !self.values.contains_key(kind),
        };
        if let Some(&kind) = form.mandatory().iter().find(|kind| is_missing(kind)) {
            return Some(FormProblem { form, kind, is_missing: true });
        }
        let defined = (!self.domain_defined.is_empty()).then_some(AttributeKind::DomainDefined);
        let mut present = self.values.keys().copied().chain(defined);
        let kind = present.find(|kind| !form.permits(*kind))?;
        Some(FormProblem { form, kind, is_missing: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_what_they_ask_for() {
        for (text, form, problem) in [
            ("C=GB;A=X;P=Y;S=A;DDA:t=v", Form::Mnemonic, None),
            ("C=GB;S=A", Form::Mnemonic, Some("A")),
            ("A=X;O=A", Form::Mnemonic, Some("C")),
            ("C=GB;A=X;N-ID=1;DDA:t=v", Form::Numeric, None),
            ("C=GB;A=X;N-ID=1;S=A", Form::Numeric, Some("S")),
            ("X.121=1;T-ID=2;T-TY=telex", Form::Terminal, None),
            ("ISDN=1;C=GB", Form::Terminal, None),
            ("T-ID=1", Form::Terminal, Some("X.121")),
            ("C=GB;A=X;S=A;T-ID=1", Form::Mnemonic, Some("T-ID")),
            ("C=GB;A=X;PD-C=GB;PD-PC=1;PD-S=a", Form::FormattedPostal, None),
            ("C=GB;A=X;PD-C=GB;PD-S=a", Form::FormattedPostal, Some("PD-PC")),
            ("C=GB;A=X;PD-C=GB;PD-PC=1;O=a", Form::FormattedPostal, Some("O")),
            ("C=GB;A=X;PD-C=GB;PD-PC=1;PD-A1=a", Form::UnformattedPostal, None),
            ("C=GB;A=X;PD-C=GB;PD-PC=1;PD-A1=a;PD-S=b", Form::UnformattedPostal, Some("PD-S")),
            ("C=GB;A=X;PD-C=GB;PD-PC=1;PD-A1=a;DDA:t=v", Form::UnformattedPostal, Some("DDA")),
        ] {
            let address: OrAddress = text.parse().unwrap();
            assert_eq!(address.form(), form, "{text}");
            let found = address.problem().map(|problem| problem.kind.key());
            assert_eq!(found, problem, "{text}");
        }
        let address: OrAddress = "C=GB;S=A".parse().unwrap();
        let problem = address.problem().unwrap().to_string();
        assert_eq!(problem, "an address of the mnemonic form needs A; write A=...");
    }
}
