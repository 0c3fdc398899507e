//! O/R addresses in text: `C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH`, or `/C=GB/A=CARRIER/.../`.
//!
//! The form is that of F.401 Annex (RFC 1685 section 3): keys in either case and any order; `;` parts them,
//! or `/` where the text begins with one; a delimiter inside a value is written twice, as `=` is inside the
//! type of a domain-defined attribute; `X.400:` may stand before it all. Two more things are said as RFC 2156
//! 4.1 says them: `printable*teletex`, and behind another `*` the universal variant, gives several variants of
//! one attribute; `{ddd}` is the T.61 octet of that decimal number, three digits for each octet. A brace
//! itself is written `{{`, an asterisk `{042}`. Without `*`, a value is printable when PrintableString can
//! say it, else teletex when T.61 can, else universal.

use super::Repertoire;

mod parse;
mod print;
mod value;

/// Text that is no O/R address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("character {}: {problem}", .character + 1)]
pub struct TextError {
    /// Index of the character at fault, from 0.
    pub character: usize,
    /// What is wrong with it, and what to write instead.
    pub problem: &'static str,
}

impl TextError {
    /// The text that was parsed, and under it a line that points at the character at fault.
    pub fn pointer(&self, text: &str) -> String {
        let line: String =
            text.chars().map(|each| if each.is_control() { ' ' } else { each }).collect();
        format!("{line}\n{:>width$}", '^', width = self.character + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::p1::or_address::{
        AttributeKind, DomainDefinedAttribute, OrAddress, Variants, attributes,
    };

    const FULL: &str = "C=GB;A=CARRIER;P=ACME;X.121=23421;ISDN=441;NET-SUB=7;T-ID=T1;T-TY=telex;N-ID=42;\
                        O=SALES;OU1=A;OU2=B;OU3=C;OU4=D;CN=Printer 1;S=SMITH;G=JOHN;I=JF;Q=II;\
                        PD-SN=post;PD-C=GB;PD-PC=W1;PD-OF=a;PD-OFN=b;PD-EA=c;PD-PN=d;PD-O=e;PD-ED=f;\
                        PD-A1=g;PD-A2=h;PD-S=i;PD-B=j;PD-R=k;PD-U=l;PD-L=m;DDA:FAX=1=2;DDA:b=c";

    #[track_caller]
    fn parsed(text: &str) -> OrAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn encoded(address: &OrAddress) -> Vec<u8> {
        let mut octets = Vec::new();
        address.encode(&mut octets);
        octets
    }

    #[test]
    fn text_and_octets_round_trip() {
        let address = parsed(FULL);
        assert_eq!(address.to_string(), FULL);
        let octets = encoded(&address);
        let view = attributes(&octets).unwrap();
        assert_eq!(view.to_owned(), address);
        assert_eq!(view.to_string(), FULL);
        assert_eq!(encoded(&view.to_owned()), octets);
    }

    #[test]
    fn order_case_and_spaces_of_keys_do_not_count() {
        let address = parsed(" s=SMITH; ou=x;OU=y; a= ;c=826;");
        assert_eq!(address.to_string(), "C=826;A= ;OU1=x;OU2=y;S=SMITH");
        let aliases = "x.400: prmd=p;ADMD=a;gq=3;UA-ID=1;x121=2;DD.t=v;pd-office number=4;dda:u=w";
        let canonical = "A=a;P=p;X.121=2;N-ID=1;S=s;Q=3;PD-OFN=4;DDA:t=v;DDA:u=w";
        assert_eq!(parsed(&format!("{aliases};S=s")).to_string(), canonical);
    }

    #[test]
    fn slashes_part_where_the_text_begins_with_one() {
        let address = parsed("/C=GB/A= /O=a//b;c/DDA:x==y//=1//2/");
        assert_eq!(address.value(AttributeKind::Organization), Some("a/b;c"));
        assert_eq!(address.domain_defined[0].type_name, "x=y/");
        assert_eq!(address.domain_defined[0].value, "1/2");
        assert_eq!(address.to_string(), "C=GB;A= ;O=a/b;;c;DDA:x==y/=1/2");
        assert_eq!(address.slashed().to_string(), "/C=GB/A= /O=a//b;c/DDA:x==y//=1//2/");
        assert_eq!(parsed("/C=GB/").slashed().to_string(), "/C=GB/");
    }

    #[test]
    fn characters_choose_the_variant() {
        let address = parsed("C=DE;S=Müller;G=Hans;O=Жук;CN=Muller*Müller;OU1=a*b*Ж");
        let variants = |kind| address.variants(kind).unwrap().clone();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(variants(AttributeKind::Surname).teletex, text("Müller"));
        assert_eq!(variants(AttributeKind::GivenName).printable, text("Hans"));
        assert_eq!(variants(AttributeKind::Organization).universal, text("Жук"));
        let both =
            Variants { printable: text("Muller"), teletex: text("Müller"), universal: None };
        assert_eq!(variants(AttributeKind::CommonName), both);
        assert_eq!(variants(AttributeKind::OrganizationalUnit1).universal, text("Ж"));
        let read = attributes(&encoded(&address)).unwrap().to_owned();
        // The given name is said in teletex too, beside the surname.
        assert_eq!(read.variants(AttributeKind::GivenName).unwrap().teletex, text("Hans"));
        assert_eq!(read.to_string(), address.to_string());
        assert_eq!(encoded(&read), encoded(&address));
    }

    #[test]
    fn octets_are_written_by_their_number() {
        let address = parsed("CN={200}u{{}{042};S={200117}");
        assert_eq!(address.value(AttributeKind::CommonName), Some("ü{}*"));
        assert_eq!(address.value(AttributeKind::Surname), Some("ü"));
        assert_eq!(address.to_string(), "CN=ü{{}{042};S=ü");
        assert_eq!(parsed("CN={201}a{027}").to_string(), "CN={201}a{027}");
    }

    #[test]
    fn postal_lines() {
        let address = parsed("PD-A1=one;PD-A2=zwei ü");
        assert_eq!(address.value(AttributeKind::UnformattedPostalAddress), Some("one\r\nzwei ü"));
        assert_eq!(address.to_string(), "PD-ADDRESS=*one|zwei ü");
        assert_eq!(parsed(&address.to_string()), address);
        let address = parsed("pd-address=one|two*eins|zwei{124}");
        assert_eq!(address.to_string(), "PD-ADDRESS=one|two*eins|zwei{124}");
        assert_eq!(attributes(&encoded(&address)).unwrap().to_owned(), address);
    }

    #[test]
    fn terminal_attributes() {
        assert_eq!(parsed("T-TY=8;X.121=1").to_string(), "X.121=1;T-TY=videotex");
        let address = parsed("X.121=1;T-TY=99;PSAP=A0063104040201ff");
        assert_eq!(address.to_string(), "X.121=1;PSAP=A0063104040201FF;T-TY=99");
        assert_eq!(attributes(&encoded(&address)).unwrap().to_string(), address.to_string());
    }

    #[test]
    fn errors_point_at_the_character() {
        for (text, character) in [
            ("", 0),
            ("C=GB;X", 5),
            ("C=GB; FOO=1", 6),
            ("C=GB;P=a_b", 8),
            ("C=GB;A=ü;S=1", 7),
            ("C=GBX", 2),
            ("C=GB;C=FR", 5),
            ("C=GB;I=ABCDEF", 12),
            ("C=GB;S=0123456789012345678901234567890123456789ü", 47),
            ("C=GB;N-ID=12x", 12),
            ("C=GB;OU2=b", 5),
            ("C=GB;G=JOHN", 5),
            ("C=GB;DDA=x", 5),
            ("C=GB;DDA:123456789=x", 17),
            ("C=GB;DDA:=x", 9),
            ("C=GB;DDA:a=1;DDA:b=1;DDA:c=1;DDA:d=1;DDA:e=1", 37),
            ("C=GB;O:x=y", 5),
            ("C=GB;OU=1;OU=2;OU=3;OU=4;OU=5", 25),
            ("C=GB;A=", 7),
            ("C=GB;O=a{12}", 8),
            ("C=GB;O=a{300}", 8),
            ("C=GB;P=a*b", 8),
            ("C=GB;O=a*b*c*d", 12),
            ("C=GB;O=ü*a", 7),
            ("C=GB;PD-A2=x", 5),
            ("C=GB;PD-A1=x;PD-ADDRESS=y", 13),
            ("C=GB;PSAP=A00", 10),
            ("C=GB;PSAP=xx", 10),
            ("C=GB;T-TY=teleprinter", 10),
            ("/C=GB/FOO=1/", 6),
        ] {
            let error = text.parse::<OrAddress>().unwrap_err();
            assert_eq!(error.character, character, "{text}: {error}");
        }
        let error = "C=GB;FOO=1".parse::<OrAddress>().unwrap_err();
        assert_eq!(error.pointer("C=GB;FOO=1"), "C=GB;FOO=1\n     ^");
    }

    fn variants() -> impl Strategy<Value = Variants> {
        let printable = "[A-Za-z0-9 '()+,./:=?-]{1,3}";
        let teletex = "[A-Za-z ;*/|ÄŝßŦ]{1,3}";
        let universal = "[Жé{}*;/😀]{1,3}";
        let own = prop::option::of;
        (own(printable), own(teletex), own(universal))
            .prop_filter("one at least", |(one, two, three)| {
                one.is_some() || two.is_some() || three.is_some()
            })
            .prop_map(|(printable, teletex, universal)| Variants { printable, teletex, universal })
    }

    proptest! {
        /// What is printed is parsed to what names the same, and printed again as it was.
        #[test]
        fn text_round_trips(
            organization in variants(),
            surname in variants(),
            street in variants(),
            type_name in "[A-Zü=/;:]{1,8}",
            value in "[A-Zü=/;:{*Ж]{1,20}",
        ) {
            let mut address = OrAddress::default()
                .with(AttributeKind::Country, "GB")
                .with(AttributeKind::Organization, organization)
                .with(AttributeKind::Surname, surname)
                .with(AttributeKind::StreetAddress, street);
            address.domain_defined.push(DomainDefinedAttribute { type_name, value });
            for text in [address.to_string(), address.slashed().to_string()] {
                let again = parsed(&text);
                prop_assert!(again.is_equivalent(&address), "{text}");
                prop_assert_eq!(again.to_string(), address.to_string());
            }
            let octets = encoded(&address);
            let read = attributes(&octets).unwrap().to_owned();
            prop_assert_eq!(read.to_string(), address.to_string());
            prop_assert_eq!(encoded(&read), octets);
        }

        #[test]
        fn any_text_is_parsed_or_refused_at_a_character_of_it(text in "\\PC{0,20}|[A-Z=;/*{}0-9.:-]{0,40}") {
            match text.parse::<OrAddress>() {
                Ok(address) => prop_assert!(parsed(&address.to_string()).is_equivalent(&address)),
                Err(error) => prop_assert!(error.character <= text.chars().count()),
            }
        }

        /// Whatever an attribute holds, it is printed.
        #[test]
        fn any_octets_are_printed(octets: Vec<u8>, at in 0..200_usize) {
            let mut or_name = encoded(&parsed(FULL));
            for (index, octet) in octets.into_iter().enumerate() {
                if let Some(place) = or_name.get_mut(at + index) {
                    *place = octet;
                }
            }
            if let Ok(view) = attributes(&or_name) {
                let text = view.to_string();
                prop_assert!(!text.contains(char::is_control));
                let owned = view.to_owned();
                prop_assert!(!owned.to_string().contains(char::is_control));
                let mut again = Vec::new();
                owned.encode(&mut again);
                prop_assert!(attributes(&again).is_ok());
            }
        }
    }
}
