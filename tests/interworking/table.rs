//! The table of downgrading: a row an input of 1988, made by hand from an MPDU of 1984, with what must go out,
//! made by hand too, or whom it refuses. Every rule has a row.

use std::collections::HashSet;

use p1relay::p1::downgrade::{
    CommonName, CriticalExtensions, Effect, Options, Outcome, Place, Rule,
};
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::schema::MtsApdu;

use crate::vectors::{delivery_report_mpdu, probe_mpdu, user_mpdu};
use crate::{Node, constructed, downgraded, grammar, primitive};
use support::tree::{Content, Form};

/// What must come of a row's input.
pub(crate) enum Expected {
    /// This goes out, for all recipients.
    Out(Node),
    /// This goes out, and these recipients are reported.
    OutWithout(Node, &'static [u16]),
    /// Nothing goes out.
    Refused,
}

/// One row.
pub(crate) struct Row {
    pub(crate) rule: Rule,
    pub(crate) apdu: Vec<u8>,
    place: Place,
    words: &'static str,
    expected: Expected,
}

/// The original with an edit.
fn with(original: &[u8], edit: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node::parse_all(original);
    edit(&mut node);
    node
}

/// Child by child downwards.
fn at<'n>(node: &'n mut Node, path: &[usize]) -> &'n mut Node {
    path.iter().fold(node, |node, index| &mut node.children_mut()[*index])
}

fn add(original: &[u8], path: &[usize], child: Node) -> Node {
    with(original, |node| at(node, path).children_mut().push(child))
}

fn set(original: &[u8], path: &[usize], new: Node) -> Node {
    with(original, |node| *at(node, path) = new)
}

/// An extension field of the Recommendations.
fn extension(number: u8, criticality: Option<u8>, value: Node) -> Node {
    let mut parts = vec![constructed(0xa0, &[primitive(0x02, &[number])])];
    parts.extend(criticality.map(|bits| primitive(0x81, &[5, bits])));
    parts.push(constructed(0xa2, &[value]));
    constructed(0x30, &parts)
}

fn extensions(identifier: u8, fields: &[Node]) -> Node {
    constructed(identifier, fields)
}

fn attributes(list: &[(u8, Node)]) -> Node {
    let attribute = |(number, value): &(u8, Node)| {
        constructed(
            0x30,
            &[primitive(0x80, &[*number]), constructed(0xa1, std::slice::from_ref(value))],
        )
    };
    constructed(0x31, &list.iter().map(attribute).collect::<Vec<_>>())
}

fn defined(value: &[u8]) -> Node {
    constructed(0x30, &[primitive(0x13, b"Common"), primitive(0x13, value)])
}

fn directory_name() -> Node {
    constructed(0xa0, &[constructed(0x30, &[])])
}

fn correlator() -> Node {
    extension(23, None, primitive(0x04, b"correlator"))
}

fn internal_trace() -> Node {
    let user = original(&user_mpdu());
    let identifier = user.children()[0].child(0x64).unwrap();
    let domain = identifier.child(0x63).unwrap().clone();
    let said = constructed(0x31, &[primitive(0x80, b"8911230003Z"), primitive(0x82, &[0])]);
    let element = constructed(0x30, &[domain, primitive(0x16, b"mta-1"), said]);
    extension(38, None, constructed(0x30, &[element]))
}

fn extended_types() -> Node {
    constructed(0xa4, &[primitive(0x06, b"\x56\x01\x0c\x00")])
}

fn cut(original: &[u8], path: &[usize], index: usize) -> Node {
    with(original, |node| {
        at(node, path).children_mut().remove(index);
    })
}

fn original(octets: &[u8]) -> Node {
    Node::parse_all(octets)
}

/// As `encoded_information_types` of the vectors, with bit 0 set.
fn with_undefined(original: &[u8], path: &[usize]) -> Node {
    with(original, |node| {
        let Content::Primitive(bits) = &mut at(node, path).content else { panic!("bits") };
        bits[1] |= 0x80;
    })
}

// Positions in the vectors: envelope fields of a UserMPDU, then inside of them.
const ENVELOPE: &[usize] = &[0];
const ORIGINATOR: &[usize] = &[0, 1];
const TYPES: &[usize] = &[0, 2];
const CONTENT_TYPE: &[usize] = &[0, 3];
const FLAGS: &[usize] = &[0, 6];
const BILATERAL: &[usize] = &[0, 8];
const RECIPIENTS: &[usize] = &[0, 9];
const TERMINAL_RECIPIENT: &[usize] = &[0, 9, 0];
const NUMERIC_RECIPIENT: &[usize] = &[0, 9, 1];
const DEFINED_RECIPIENT: &[usize] = &[0, 9, 2];
const FIRST_SUPPLIED: &[usize] = &[0, 10, 0, 1];
const REPORT_CONTENT: &[usize] = &[1];
const REPORTED: &[usize] = &[1, 3, 0];
const LOST: &[usize] = &[1, 3, 1];
const LOST_REASON: &[usize] = &[1, 3, 1, 3, 2, 0, 0];
const LOST_DIAGNOSTIC: &[usize] = &[1, 3, 1, 3, 2, 0, 1];

fn below(path: &[usize], rest: &[usize]) -> Vec<usize> {
    [path, rest].concat()
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = envelope_rows();
    rows.extend(name_rows());
    rows.extend(content_rows());
    rows.extend(report_rows());
    rows
}

fn row(rule: Rule, place: Place, words: &'static str, input: Node, expected: Expected) -> Row {
    Row { rule, place, words, apdu: input.encode(), expected }
}

fn envelope_rows() -> Vec<Row> {
    use Expected::{Out, OutWithout, Refused};
    let user = user_mpdu();
    let probe = probe_mpdu();
    let latest_delivery = || primitive(0x17, b"891124000000Z");
    vec![
        row(
            Rule::InternalTrace,
            Place::Envelope,
            "envelope: internal trace is taken off",
            add(&user, ENVELOPE, extensions(0xa3, &[correlator(), internal_trace()])),
            Out(original(&user)),
        ),
        row(
            Rule::Extension,
            Place::Envelope,
            "envelope: extension content-correlator (23) is taken off",
            add(&user, ENVELOPE, extensions(0xa3, &[correlator()])),
            Out(original(&user)),
        ),
        row(
            Rule::Extension,
            Place::Envelope,
            "envelope: extensions are taken off",
            add(&user, ENVELOPE, extensions(0xa3, &[])),
            Out(original(&user)),
        ),
        row(
            Rule::Extension,
            Place::Envelope,
            "envelope: extension content-correlator (23) is taken off",
            add(&probe, &[], extensions(0xa3, &[correlator()])),
            Out(original(&probe)),
        ),
        row(
            Rule::Extension,
            Place::Recipient(1),
            "recipient 2: extension proof-of-delivery-request (22) is taken off",
            add(
                &user,
                NUMERIC_RECIPIENT,
                extensions(0xa3, &[extension(22, Some(0x80), primitive(0x02, &[1]))]),
            ),
            Out(original(&user)),
        ),
        row(
            Rule::CriticalExtension,
            Place::Envelope,
            "envelope: extension latest-delivery-time (5) is critical; every recipient is reported",
            add(
                &user,
                ENVELOPE,
                extensions(0xa3, &[correlator(), extension(5, Some(0x40), latest_delivery())]),
            ),
            Refused,
        ),
        row(
            Rule::CriticalExtension,
            Place::Envelope,
            "envelope: extension latest-delivery-time (5) is critical; every recipient is reported",
            add(&probe, &[], extensions(0xa3, &[extension(5, Some(0x20), latest_delivery())])),
            Refused,
        ),
        row(
            Rule::CriticalExtension,
            Place::Recipient(2),
            "recipient 3: extension requested-delivery-method (6) is critical; the recipient is reported",
            add(
                &user,
                DEFINED_RECIPIENT,
                extensions(
                    0xa3,
                    &[extension(6, Some(0x40), constructed(0x30, &[primitive(0x02, &[1])]))],
                ),
            ),
            OutWithout(original(&user), &[2]),
        ),
        row(
            Rule::OtherActions,
            Place::Trace(0),
            "trace element 1: other actions (redirection, list expansion) are taken off",
            add(&user, FIRST_SUPPLIED, primitive(0x83, &[6, 0x40])),
            Out(original(&user)),
        ),
        row(
            Rule::ExtendedEncodedInformationTypes,
            Place::Envelope,
            "envelope: extended encoded information types become \"undefined\"",
            add(&user, TYPES, extended_types()),
            Out(with_undefined(&user, &below(TYPES, &[0]))),
        ),
        row(
            Rule::ExtendedEncodedInformationTypes,
            Place::Trace(1),
            "trace element 2: extended encoded information types become \"undefined\"",
            add(&user, &[0, 10, 1, 1, 3], extended_types()),
            Out(with_undefined(&user, &[0, 10, 1, 1, 3, 0])),
        ),
        row(
            Rule::ExtendedEncodedInformationTypes,
            Place::Envelope,
            "envelope: extended encoded information types become \"undefined\"",
            set(&user, TYPES, constructed(0x65, &[extended_types(), primitive(0x80, &[0])])),
            Out(set(&user, TYPES, constructed(0x65, &[primitive(0x80, &[7, 0x80])]))),
        ),
        row(
            Rule::PerMessageIndicators,
            Place::Envelope,
            "envelope: later per-message indicators are cleared",
            set(&user, FLAGS, primitive(0x48, &[0, 0xba])),
            Out(set(&user, FLAGS, primitive(0x48, &[0, 0xb0]))),
        ),
        row(
            Rule::PrivateDomainBilateralInformation,
            Place::Envelope,
            "envelope: bilateral information for a private domain is taken off",
            add(&user, BILATERAL, private_bilateral()),
            Out(original(&user)),
        ),
        row(
            Rule::PrivateDomainBilateralInformation,
            Place::Envelope,
            "envelope: bilateral information for a private domain is taken off",
            set(&user, BILATERAL, constructed(0xa1, &[private_bilateral()])),
            Out(cut(&user, ENVELOPE, 8)),
        ),
        row(
            Rule::ExplicitConversion,
            Place::Recipient(1),
            "recipient 2: explicit conversion 8 cannot be asked for; the recipient is reported",
            set(&user, &below(NUMERIC_RECIPIENT, &[3]), primitive(0x82, &[8])),
            OutWithout(cut(&user, NUMERIC_RECIPIENT, 3), &[1]),
        ),
    ]
}

fn private_bilateral() -> Node {
    let country = constructed(0x61, &[primitive(0x13, b"DE")]);
    let domain = [
        constructed(0xa0, &[primitive(0x13, b"DBP")]),
        constructed(0xa1, &[primitive(0x13, b"GMD")]),
    ];
    constructed(0x30, &[country, constructed(0x30, &domain), primitive(0x04, b"hi")])
}

fn name_rows() -> Vec<Row> {
    use Expected::{Out, OutWithout, Refused};
    let user = user_mpdu();
    let postmaster = || attributes(&[(1, primitive(0x13, b"Postmaster"))]);
    let network = || {
        let number = constructed(0x30, &[primitive(0x80, b"4989")]);
        attributes(&[(22, number)])
    };
    let name = |recipient: &[usize]| below(recipient, &[0]);
    vec![
        row(
            Rule::DirectoryName,
            Place::Recipient(0),
            "recipient 1: directory name is taken off",
            add(&user, &name(TERMINAL_RECIPIENT), directory_name()),
            Out(original(&user)),
        ),
        row(
            Rule::DirectoryNameAlone,
            Place::Originator,
            "originator: there is a directory name and no address; every recipient is reported",
            set(&user, ORIGINATOR, constructed(0x60, &[constructed(0x30, &[]), directory_name()])),
            Refused,
        ),
        row(
            Rule::DirectoryNameAlone,
            Place::Recipient(1),
            "recipient 2: there is a directory name and no address; the recipient is reported",
            set(
                &user,
                &name(NUMERIC_RECIPIENT),
                constructed(0x60, &[constructed(0x30, &[]), directory_name()]),
            ),
            OutWithout(cut(&user, RECIPIENTS, 1), &[1]),
        ),
        row(
            Rule::CommonName,
            Place::Recipient(1),
            "recipient 2: common name goes to domain-defined attribute Common",
            add(&user, &name(NUMERIC_RECIPIENT), postmaster()),
            Out(add(&user, &name(NUMERIC_RECIPIENT), constructed(0x30, &[defined(b"Postmaster")]))),
        ),
        row(
            Rule::CommonName,
            Place::Recipient(2),
            "recipient 3: common name goes to domain-defined attribute Common",
            add(&user, &name(DEFINED_RECIPIENT), postmaster()),
            Out(add(&user, &below(DEFINED_RECIPIENT, &[0, 1]), defined(b"Postmaster"))),
        ),
        row(
            Rule::CommonName,
            Place::Originator,
            "originator: common name goes to domain-defined attribute Common",
            with(&user, |node| {
                let name = at(node, ORIGINATOR).children_mut();
                name.push(attributes(&[
                    (2, primitive(0x14, b"Post Master")),
                    (24, constructed(0x31, &[primitive(0x1e, b"\0P")])),
                ]));
            }),
            Out(add(&user, &below(ORIGINATOR, &[1]), defined(b"Post Master"))),
        ),
        row(
            Rule::CommonName,
            Place::Recipient(2),
            "recipient 3: common name goes to domain-defined attribute Common",
            with(&user, |node| {
                let name = at(node, &name(DEFINED_RECIPIENT)).children_mut();
                name[1].children_mut().push(defined(b"postMASTER"));
                name.push(postmaster());
                name.push(directory_name());
            }),
            Out(add(&user, &below(DEFINED_RECIPIENT, &[0, 1]), defined(b"postMASTER"))),
        ),
        row(
            Rule::AttributeVariant,
            Place::Recipient(2),
            "recipient 3: teletex organization name is taken off, its printable form stays",
            add(
                &user,
                &name(DEFINED_RECIPIENT),
                attributes(&[
                    (3, primitive(0x14, b"F.90")),
                    (5, constructed(0x30, &[primitive(0x14, b"I2")])),
                ]),
            ),
            Out(original(&user)),
        ),
        row(
            Rule::AttributeVariant,
            Place::Recipient(1),
            "recipient 2: teletex common name is taken off, its printable form stays",
            add(
                &user,
                &name(NUMERIC_RECIPIENT),
                attributes(&[(2, primitive(0x14, b"Post")), (1, primitive(0x13, b"Post"))]),
            ),
            Out(add(&user, &name(NUMERIC_RECIPIENT), constructed(0x30, &[defined(b"Post")]))),
        ),
        row(
            Rule::Attribute,
            Place::Originator,
            "originator: extended network address has no counterpart; every recipient is reported",
            add(&user, ORIGINATOR, network()),
            Refused,
        ),
        row(
            Rule::Attribute,
            Place::Recipient(0),
            "recipient 1: common name has no counterpart; the recipient is reported",
            add(
                &user,
                &name(TERMINAL_RECIPIENT),
                attributes(&[(1, primitive(0x13, b"n")), (9, primitive(0x12, b"8000"))]),
            ),
            OutWithout(cut(&user, RECIPIENTS, 0), &[0]),
        ),
        row(
            Rule::Attribute,
            Place::Recipient(1),
            "recipient 2: teletex common name has no counterpart; the recipient is reported",
            add(
                &user,
                &name(NUMERIC_RECIPIENT),
                attributes(&[(2, primitive(0x14, b"M\xc8uller"))]),
            ),
            OutWithout(cut(&user, RECIPIENTS, 1), &[1]),
        ),
        row(
            Rule::RecipientName,
            Place::Recipient(1),
            "recipient 2: the recipient is not named to the others",
            add(&user, &name(NUMERIC_RECIPIENT), network()),
            OutWithout(cut(&user, RECIPIENTS, 1), &[1]),
        ),
        row(
            Rule::RecipientName,
            Place::Recipient(2),
            "recipient 3: the recipient is not named to the others",
            with(&user, |node| {
                for recipient in [TERMINAL_RECIPIENT, NUMERIC_RECIPIENT, DEFINED_RECIPIENT] {
                    at(node, &name(recipient)).children_mut().push(network());
                }
            }),
            Refused,
        ),
    ]
}

fn content_rows() -> Vec<Row> {
    use Expected::{Out, Refused};
    let user = user_mpdu();
    let p22 = |content: Option<&[u8]>| {
        with(&user, |node| {
            *at(node, CONTENT_TYPE) = primitive(0x46, &[22]);
            if let Some(content) = content {
                *at(node, &[1]) = primitive(0x04, content);
            }
        })
    };
    // An IPM whose only body part is an extended one.
    let heading = constructed(0x31, &[constructed(0x6b, &[primitive(0x13, b"1")])]);
    let external =
        constructed(0x28, &[primitive(0x06, b"\x56\x01\x04\x0b"), primitive(0x81, b"x")]);
    let body = constructed(0x30, &[constructed(0xaf, &[external])]);
    let extended = constructed(0xa0, &[heading, body]).encode();
    vec![
        row(
            Rule::ContentType,
            Place::Envelope,
            "envelope: content type P22 becomes P2, the content stays",
            p22(None),
            Out(original(&user)),
        ),
        row(
            Rule::ContentType,
            Place::Envelope,
            "envelope: content type P22 becomes P2, the content stays",
            set(&probe_mpdu(), &[2], primitive(0x46, &[22])),
            Out(original(&probe_mpdu())),
        ),
        row(
            Rule::Content,
            Place::Envelope,
            "envelope: the content would need conversion: an extended body part; every recipient is reported",
            p22(Some(&extended)),
            Refused,
        ),
        row(
            Rule::ExtendedContentType,
            Place::Envelope,
            "envelope: the content type is an object identifier; every recipient is reported",
            set(&user, CONTENT_TYPE, primitive(0x06, b"\x2a\x03\x04")),
            Refused,
        ),
    ]
}

fn report_rows() -> Vec<Row> {
    use Expected::{Out, Refused};
    let report = delivery_report_mpdu();
    let out = || Out(original(&report));
    let code = |path: &[usize], identifier: u8, value: u8| {
        set(&report, path, primitive(identifier, &[value]))
    };
    let history = || extension(25, Some(0x40), constructed(0x30, &[]));
    let postal = || attributes(&[(9, primitive(0x12, b"8000"))]);
    let content = Place::ReportContent;
    let lost = Place::ReportedRecipient(1);
    let mut rows = vec![
        row(
            Rule::ReportContentType,
            content,
            "report content: content type is taken off",
            add(&report, REPORT_CONTENT, primitive(0x46, &[22])),
            out(),
        ),
        row(
            Rule::ReportContentType,
            content,
            "report content: content type is taken off",
            add(&report, REPORT_CONTENT, primitive(0x06, b"\x2a\x03")),
            out(),
        ),
        row(
            Rule::ReportEncodedInformationTypes,
            content,
            "report content: original encoded information types are taken off",
            add(&report, REPORT_CONTENT, constructed(0x65, &[primitive(0x80, &[0, 0x20])])),
            out(),
        ),
        row(
            Rule::Extension,
            content,
            "report content: extensions are taken off",
            add(&report, REPORT_CONTENT, extensions(0xa3, &[correlator()])),
            out(),
        ),
        // Critical or not: a report is not reported on.
        row(
            Rule::Extension,
            Place::Envelope,
            "envelope: extension redirection-history (25) is taken off",
            add(&report, ENVELOPE, extensions(0xa1, &[history()])),
            out(),
        ),
        row(
            Rule::Extension,
            lost,
            "reported recipient 2: extensions are taken off",
            add(&report, LOST, extensions(0xa6, &[history()])),
            out(),
        ),
        row(
            Rule::OtherActions,
            Place::SubjectTrace(0),
            "subject's trace element 1: other actions (redirection, list expansion) are taken off",
            add(&report, &[1, 1, 0, 1], primitive(0x83, &[6, 0x80])),
            out(),
        ),
        row(
            Rule::ExtendedEncodedInformationTypes,
            Place::ReportedRecipient(0),
            "reported recipient 1: extended encoded information types become \"undefined\"",
            add(&report, &below(REPORTED, &[3, 1]), extended_types()),
            Out(with_undefined(&report, &below(REPORTED, &[3, 1, 0]))),
        ),
        row(
            Rule::ReportedAttribute,
            lost,
            "reported recipient 2: postal attribute is taken off",
            add(&report, &below(LOST, &[4]), postal()),
            out(),
        ),
        row(
            Rule::CommonName,
            Place::ReportedRecipient(0),
            "reported recipient 1: common name goes to domain-defined attribute Common",
            add(&report, &below(REPORTED, &[0]), attributes(&[(1, primitive(0x13, b"n"))])),
            Out(add(&report, &below(REPORTED, &[0]), constructed(0x30, &[defined(b"n")]))),
        ),
        row(
            Rule::Attribute,
            Place::ReportDestination,
            "report destination: postal attribute has no counterpart; the report is discarded",
            add(&report, &[0, 1], postal()),
            Refused,
        ),
        row(
            Rule::Reason,
            lost,
            "reported recipient 2: non-delivery reason 5 becomes 1",
            code(LOST_REASON, 0x80, 5),
            out(),
        ),
        row(
            Rule::TypeOfMtsUser,
            Place::ReportedRecipient(0),
            "reported recipient 1: type of user 3 is left out",
            code(&below(REPORTED, &[3, 2, 0, 1]), 0x81, 3),
            Out(cut(&report, &below(REPORTED, &[3, 2, 0]), 1)),
        ),
        row(
            Rule::SupplementaryInformation,
            lost,
            "reported recipient 2: supplementary information is cut to 64 characters",
            set(&report, &below(LOST, &[5]), primitive(0x85, &[b'x'; 200])),
            Out(set(&report, &below(LOST, &[5]), primitive(0x85, &[b'x'; 64]))),
        ),
    ];
    for (from, to, words) in [
        (13, 7, "reported recipient 2: non-delivery diagnostic 13 becomes 7"),
        (15, 6, "reported recipient 2: non-delivery diagnostic 15 becomes 6"),
        (19, 9, "reported recipient 2: non-delivery diagnostic 19 becomes 9"),
        (24, 8, "reported recipient 2: non-delivery diagnostic 24 becomes 8"),
        (27, 3, "reported recipient 2: non-delivery diagnostic 27 becomes 3"),
        (35, 0, "reported recipient 2: non-delivery diagnostic 35 becomes 0"),
        (47, 11, "reported recipient 2: non-delivery diagnostic 47 becomes 11"),
        (49, 5, "reported recipient 2: non-delivery diagnostic 49 becomes 5"),
    ] {
        rows.push(row(
            Rule::Diagnostic,
            lost,
            words,
            code(LOST_DIAGNOSTIC, 0x81, from),
            Out(code(LOST_DIAGNOSTIC, 0x81, to)),
        ));
    }
    rows
}

/// The tree with every length in its shortest form.
fn normal(node: &Node) -> Node {
    let content = match &node.content {
        Content::Primitive(octets) => Content::Primitive(octets.clone()),
        Content::Constructed(children) => {
            Content::Constructed(children.iter().map(normal).collect())
        }
    };
    Node { identifier: node.identifier.clone(), form: Form::Definite(1), content }
}

#[test]
fn every_row_comes_out_as_written() {
    let rows = rows();
    for (index, row) in rows.iter().enumerate() {
        let what = format!("row {index}, {}", row.words);
        let (outcome, result, octets) = downgraded(&row.apdu, &Options::default()).unwrap();
        let change = result
            .changes()
            .iter()
            .find(|change| (change.rule, change.place) == (row.rule, row.place))
            .unwrap_or_else(|| panic!("{what}: {:?}", result.changes()));
        assert_eq!(change.to_string(), row.words);
        let (expected, refused) = match &row.expected {
            Expected::Out(expected) => (expected, &[][..]),
            Expected::OutWithout(expected, refused) => (expected, *refused),
            Expected::Refused => {
                assert_eq!(outcome, Outcome::Refused(NonDelivery::UNABLE_TO_DOWNGRADE), "{what}");
                continue;
            }
        };
        assert_eq!(outcome, Outcome::Downgraded, "{what}");
        assert_eq!(result.refused_recipients(), refused, "{what}");
        assert_eq!(normal(&Node::parse_all(&octets)), normal(expected), "{what}");
        grammar::check(&octets).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(grammar::check(&row.apdu).is_err(), "{what}: the input is of 1984 already");
        rasn::ber::decode::<MtsApdu>(&octets).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let covered: HashSet<Rule> = rows.iter().map(|row| row.rule).collect();
    let all: HashSet<Rule> = Rule::ALL.into_iter().collect();
    assert_eq!(all.len(), Rule::ALL.len(), "a rule stands twice in the list of all");
    assert_eq!(covered, all, "a rule without a row");
    println!("{} rows of {} rules", rows.len(), all.len());
    assert_eq!(rows.len(), 56);
    // Every rule names its source, and what it does is seen.
    for rule in Rule::ALL {
        assert!(
            ["X.411 (1984)", "X.411 (1988)", "RFC 1328"]
                .iter()
                .any(|source| rule.source().starts_with(source))
        );
        let refuses =
            rows.iter().any(|row| row.rule == rule && !matches!(row.expected, Expected::Out(_)));
        assert!(rule.effect() != Effect::Refused || refuses, "{rule:?}");
    }
}

/// The same rows in any encoding: orders of sets, forms of lengths, contents in segments.
#[test]
fn every_row_holds_in_any_encoding() {
    let mut random = crate::Random(419);
    for row in rows() {
        for _ in 0..20 {
            let input = Node::parse_all(&row.apdu).shuffled(&mut random).encode();
            let (outcome, result, octets) = downgraded(&input, &Options::default()).unwrap();
            assert!(result.changes().iter().any(|change| change.rule == row.rule));
            match &row.expected {
                Expected::Refused => {
                    assert_eq!(outcome, Outcome::Refused(NonDelivery::UNABLE_TO_DOWNGRADE))
                }
                Expected::Out(_) | Expected::OutWithout(..) => {
                    assert_eq!(outcome, Outcome::Downgraded);
                    grammar::check(&octets).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_partner_may_take_delivery_criticality_lightly_and_refuse_common_names() {
    let user = user_mpdu();
    let critical = |bits| {
        let field = extension(5, Some(bits), primitive(0x17, b"891124000000Z"));
        add(&user, ENVELOPE, extensions(0xa3, &[field])).encode()
    };
    let lightly =
        Options { critical_extensions: CriticalExtensions::ForTransfer, ..Options::default() };
    for (bits, options, refused) in [
        (0x80, Options::default(), false),
        (0x20, Options::default(), true),
        (0x40, Options::default(), true),
        (0xa0, lightly, false),
        (0x40, lightly, true),
    ] {
        let (outcome, ..) = downgraded(&critical(bits), &options).unwrap();
        assert_eq!(outcome != Outcome::Downgraded, refused, "{bits:02x}");
    }
    let named = add(
        &user,
        &below(NUMERIC_RECIPIENT, &[0]),
        attributes(&[(1, primitive(0x13, b"Postmaster"))]),
    )
    .encode();
    let strictly = Options { common_name: CommonName::Refuse, ..Options::default() };
    let (outcome, result, _) = downgraded(&named, &strictly).unwrap();
    assert_eq!((outcome, result.refused_recipients()), (Outcome::Downgraded, &[1][..]));
}

/// Four domain-defined attributes are all that a name may have.
#[test]
fn a_common_name_needs_room() {
    let user = user_mpdu();
    let full = with(&user, |node| {
        let name = at(node, &below(DEFINED_RECIPIENT, &[0])).children_mut();
        let list = name[1].children_mut();
        let first = list[0].clone();
        list.extend([first.clone(), first.clone(), first]);
        name.push(attributes(&[(1, primitive(0x13, b"Postmaster"))]));
    });
    let (_, result, _) = downgraded(&full.encode(), &Options::default()).unwrap();
    assert_eq!(result.refused_recipients(), [2]);
}
