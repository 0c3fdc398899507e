//! The patcher's outcome against its input, octet for octet, by a walk over both that knows what a relay
//! may change and nothing of how the patcher does it; and by the schema.

use p1relay::base::clock::WallTime;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::patch::{InternalTraceChange, Patched, Piece, RelayChanges, patch};
use p1relay::p1::scan::{ApduKind, Progress, Responsibility, Scan, scan_prefix};
use p1relay::p1::schema::{self, MtsApdu};
use p1relay::p1::trace::{
    RoutingAction, Supplied, encode_internal_trace_element, encode_internal_trace_field,
    encode_trace_element,
};
use proptest::prelude::*;

use crate::{Node, Random, foreign_message, scanned};
use support::tree::{Content, Form, length};

/// What is done with internal trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Internal {
    Keep,
    Strip,
    Append,
}

/// One set of changes.
struct Case {
    trace: Option<Vec<u8>>,
    internal: Internal,
    internal_element: Vec<u8>,
    /// Who is responsible from now on; `None` leaves it.
    responsible: Option<Vec<bool>>,
}

impl Case {
    fn random(random: &mut Random, recipient_count: usize) -> Case {
        let domain: GlobalDomainIdentifier = if random.chance(2) {
            "C=GB;A=CARRIER;P=ACME".parse().unwrap()
        } else {
            "C=310;A= ".parse().unwrap()
        };
        let arrival = WallTime(1_800_000_000_000 + random.below(1 << 40) as i64);
        let mut trace = Vec::new();
        encode_trace_element(&domain, Supplied::relayed(arrival), &mut trace);
        let mut internal_element = Vec::new();
        let _supplied = Supplied { action: RoutingAction::Rerouted, ..Supplied::relayed(arrival) };
        encode_internal_trace_element(
            &domain,
            "mta1",
            Supplied::relayed(arrival),
            &mut internal_element,
        );
        Case {
            trace: (!random.chance(5)).then_some(trace),
            internal: [Internal::Keep, Internal::Strip, Internal::Append][random.below(3)],
            internal_element,
            responsible: (!random.chance(4))
                .then(|| (0..recipient_count).map(|_| random.chance(2)).collect()),
        }
    }

    fn apply(&self, apdu: &[u8], scan: &Scan, patched: &mut Patched) -> Vec<u8> {
        let responsibility =
            |index: usize| match self.responsible.as_ref().map(|responsible| responsible[index]) {
                Some(true) => Responsibility::Responsible,
                _ => Responsibility::NotResponsible,
            };
        let changes = RelayChanges {
            strip_bilateral_information: false,
            trace_element: self.trace.as_deref(),
            internal_trace: match self.internal {
                Internal::Keep => InternalTraceChange::Keep,
                Internal::Strip => InternalTraceChange::Strip,
                Internal::Append => InternalTraceChange::Append(&self.internal_element),
            },
            responsibility: if self.responsible.is_some() { Some(&responsibility) } else { None },
        };
        patch(apdu, scan, &changes, patched);
        let mut out = Vec::new();
        patched.write_to(apdu, &mut out);
        assert_eq!(out.len(), patched.size());
        assert!(patched.pieces().iter().all(|piece| match piece {
            Piece::Original(span) | Piece::Inserted(span) => !span.is_empty(),
        }));
        out
    }
}

/// The same identifier, and the length in the form that the change allows.
fn check_header(before: &Node, after: &Node) {
    assert_eq!(before.identifier, after.identifier);
    match (before.form, after.form) {
        (Form::Indefinite, Form::Indefinite) => {}
        (Form::Definite(before), Form::Definite(count)) => {
            let size: usize = after.children().iter().map(|child| child.encode().len()).sum();
            // As long as it was, or longer only because it must be.
            assert_eq!(count, length(size, before).len());
        }
        forms => panic!("the form of a length changed: {forms:?}"),
    }
}

fn extensions_identifier(kind: ApduKind) -> u8 {
    if kind == ApduKind::Report { 0xa1 } else { 0xa3 }
}

fn is_internal_trace(field: &Node) -> bool {
    let [type_node, ..] = field.children() else { return false };
    let number = match type_node.children() {
        [inner] => inner,
        _ => type_node,
    };
    matches!(number.identifier[0], 0x02 | 0x80) && number.content == Content::Primitive(vec![38])
}

fn check_envelope(before: &Node, after: &Node, kind: ApduKind, case: &Case) {
    check_header(before, after);
    let mut fields = after.children().to_vec();
    let extensions = extensions_identifier(kind);
    if case.internal == Internal::Append && before.child(extensions).is_none() {
        let created = fields.pop().unwrap();
        let mut field = Vec::new();
        encode_internal_trace_field(&case.internal_element, &mut field);
        let expected = [&[extensions][..], &length(field.len(), 1)[..], &field[..]].concat();
        assert_eq!(created.encode(), expected);
    }
    assert_eq!(before.children().len(), fields.len());
    for (before, after) in before.children().iter().zip(&fields) {
        match before.identifier[0] {
            0x69 => check_trace(before, after, case),
            identifier if identifier == extensions => check_extensions(before, after, case),
            0xa2 if kind != ApduKind::Report => check_recipients(before, after, case),
            _ => assert_eq!(before.encode(), after.encode()),
        }
    }
}

fn check_trace(before: &Node, after: &Node, case: &Case) {
    let Some(element) = &case.trace else { return assert_eq!(before, after) };
    check_header(before, after);
    let (last, rest) = after.children().split_last().unwrap();
    assert_eq!(before.children(), rest);
    assert_eq!(&last.encode(), element);
}

fn check_extensions(before: &Node, after: &Node, case: &Case) {
    check_header(before, after);
    let mut expected = before.children().iter();
    let mut fields = after.children().iter();
    let mut found = false;
    for before in expected.by_ref() {
        if !is_internal_trace(before) || case.internal == Internal::Keep {
            assert_eq!(Some(before), fields.next());
            continue;
        }
        found = true;
        if case.internal == Internal::Append {
            let after = fields.next().unwrap();
            check_header(before, after);
            let ([type_before, value_before], [type_after, value_after]) =
                (before.children(), after.children())
            else {
                panic!("type and value")
            };
            assert_eq!(type_before, type_after);
            check_header(value_before, value_after);
            let (before, after) = (&value_before.children()[0], &value_after.children()[0]);
            check_header(before, after);
            let (last, rest) = after.children().split_last().unwrap();
            assert_eq!(before.children(), rest);
            assert_eq!(last.encode(), case.internal_element);
        }
    }
    if case.internal == Internal::Append && !found {
        let mut field = Vec::new();
        encode_internal_trace_field(&case.internal_element, &mut field);
        assert_eq!(fields.next().unwrap().encode(), field);
    }
    assert_eq!(fields.next(), None);
}

fn check_recipients(before: &Node, after: &Node, case: &Case) {
    assert_eq!((before.form, before.children().len()), (after.form, after.children().len()));
    for (index, (before, after)) in before.children().iter().zip(after.children()).enumerate() {
        let mut expected = before.clone();
        if let Some(responsible) = &case.responsible {
            let indicators = expected
                .children_mut()
                .iter_mut()
                .find(|field| field.identifier == [0x81])
                .unwrap();
            let Content::Primitive(octets) = &mut indicators.content else { panic!("primitive") };
            octets[1] = octets[1] & 0x7f | u8::from(responsible[index]) << 7;
        }
        assert_eq!(&expected, after);
    }
}

/// Everything that differs between an APDU and its patched form is what a relay may change.
fn check(before: &[u8], after: &[u8], kind: ApduKind, case: &Case) {
    let (before, after) = (Node::parse_all(before), Node::parse_all(after));
    if kind == ApduKind::Probe {
        return check_envelope(&before, &after, kind, case);
    }
    check_header(&before, &after);
    let ([envelope_before, content_before], [envelope_after, content_after]) =
        (before.children(), after.children())
    else {
        panic!("envelope and content")
    };
    check_envelope(envelope_before, envelope_after, kind, case);
    assert_eq!(content_before, content_after);
}

fn oracle(apdu: &[u8]) -> MtsApdu {
    rasn::ber::decode(apdu).expect("the oracle reads it")
}

type Extensions = Option<Vec<schema::ExtensionField>>;

/// Trace and extensions of an APDU, and the APDU with those and responsibility taken out.
fn parted(apdu: MtsApdu) -> (Vec<schema::TraceInformationElement>, Extensions, MtsApdu) {
    let mut apdu = apdu;
    let (trace, extensions, recipients) = match &mut apdu {
        MtsApdu::Message(message) => {
            let envelope = &mut message.envelope;
            (
                &mut envelope.trace_information,
                &mut envelope.extensions,
                Some(&mut envelope.per_recipient_fields),
            )
        }
        MtsApdu::Probe(envelope) => (
            &mut envelope.trace_information,
            &mut envelope.extensions,
            Some(&mut envelope.per_recipient_fields),
        ),
        MtsApdu::Report(report) => {
            (&mut report.envelope.trace_information, &mut report.envelope.extensions, None)
        }
    };
    for recipient in recipients.into_iter().flatten() {
        recipient.per_recipient_indicators.set(0, false);
    }
    let parts = (std::mem::take(trace), extensions.take());
    (parts.0, parts.1, apdu)
}

fn check_by_oracle(before: &[u8], after: &[u8], case: &Case) {
    let (trace_before, extensions_before, rest_before) = parted(oracle(before));
    let (mut trace_after, extensions_after, rest_after) = parted(oracle(after));
    assert_eq!(rest_before, rest_after);
    if let Some(element) = &case.trace {
        let added = trace_after.pop().unwrap();
        assert_eq!(added, rasn::ber::decode(element).unwrap());
    }
    assert_eq!(trace_before, trace_after);
    let count = |extensions: &Extensions| extensions.as_ref().map_or(0, Vec::len);
    let (before, after) = (count(&extensions_before), count(&extensions_after));
    let added = after as i64 - before as i64;
    match case.internal {
        Internal::Keep => assert_eq!(extensions_before, extensions_after),
        Internal::Strip => assert!((-1..=0).contains(&added)),
        Internal::Append => assert!((0..=1).contains(&added)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn only_what_a_relay_owns_changes(seed: u64) {
        let mut random = Random(seed);
        let apdu = random.encoded_apdu();
        let scan = scanned(&apdu);
        let mut patched = Patched::new();
        // The same buffers serve several cases: none leaves anything to the next.
        for _ in 0..4 {
            let case = Case::random(&mut random, scan.recipients.len());
            let out = case.apply(&apdu, &scan, &mut patched);
            check(&apdu, &out, scan.kind, &case);
            check_by_oracle(&apdu, &out, &case);
            let again = scanned(&out);
            prop_assert_eq!(again.trace.len(), scan.trace.len() + usize::from(case.trace.is_some()));
            match case.internal {
                Internal::Keep => prop_assert_eq!(
                    again.internal_trace_elements.len(),
                    scan.internal_trace_elements.len()
                ),
                Internal::Strip => prop_assert!(again.internal_trace.is_none()),
                Internal::Append => prop_assert_eq!(
                    again.internal_trace_elements.len(),
                    scan.internal_trace_elements.len() + 1
                ),
            }
            if let Some(responsible) = &case.responsible {
                for (recipient, responsible) in again.recipients.iter().zip(responsible) {
                    let is = recipient.responsibility() == Responsibility::Responsible;
                    prop_assert_eq!(is, *responsible);
                }
            }
        }
    }

    /// A patched prefix, with what follows it, is the patched whole.
    #[test]
    fn a_prefix_is_patched_as_the_whole_is(seed: u64) {
        let mut random = Random(seed);
        let apdu = random.encoded_apdu();
        let whole = scanned(&apdu);
        let case = Case::random(&mut random, whole.recipients.len());
        let expected = case.apply(&apdu, &whole, &mut Patched::new());
        let known_at = whole.content_header.map_or(apdu.len(), |header| header.content_start as usize);
        for size in [known_at, (known_at + apdu.len()) / 2, apdu.len()] {
            let mut partial = Scan::new();
            let progress = scan_prefix(&apdu[..size], &mut partial).expect("a valid prefix");
            prop_assert_eq!(progress, Progress::Complete);
            let mut out = case.apply(&apdu[..size], &partial, &mut Patched::new());
            out.extend_from_slice(&apdu[size..]);
            prop_assert_eq!(&out, &expected);
        }
    }

    #[test]
    fn no_change_is_one_piece(seed: u64) {
        let apdu = Random(seed).encoded_apdu();
        let scan = scanned(&apdu);
        let changes = RelayChanges {
            strip_bilateral_information: false,
            trace_element: None,
            internal_trace: InternalTraceChange::Keep,
            responsibility: Some(&|index| scan.recipients[index].responsibility()),
        };
        let mut patched = Patched::new();
        patch(&apdu, &scan, &changes, &mut patched);
        prop_assert_eq!(patched.pieces().len(), 1);
        prop_assert_eq!(patched.slices(&apdu).next().unwrap(), &apdu[..]);
    }
}

/// The differences in a foreign message, by offset: here every change is spelled out.
#[test]
fn a_foreign_message_is_patched() {
    let apdu = foreign_message();
    let scan = scanned(&apdu);
    let mut element = Vec::new();
    let domain: GlobalDomainIdentifier = "C=GB;A=C;P=P".parse().unwrap();
    encode_trace_element(&domain, Supplied::relayed(WallTime(0)), &mut element);
    let case = Case {
        trace: Some(element.clone()),
        internal: Internal::Strip,
        internal_element: Vec::new(),
        responsible: Some(vec![false]),
    };
    let mut patched = Patched::new();
    let out = case.apply(&apdu, &scan, &mut patched);
    check(&apdu, &out, ApduKind::Message, &case);
    check_by_oracle(&apdu, &out, &case);

    let at =
        |needle: &[u8]| apdu.windows(needle.len()).position(|window| window == needle).unwrap();
    // Trace-information grows past 127 octets, so its length takes a second one; the envelope and the
    // APDU are of indefinite length, and so is the extensions SET that loses internal trace.
    let trace = at(&[0x69, 0x5c, 0x30, 0x2c]);
    let extensions = at(&[0xa3, 0x80, 0x30, 0x3d]);
    let internal = at(&[0x30, 0x79, 0xa0, 0x03, 0x02, 0x01, 0x26]);
    let indicators = at(&[0x81, 0x03, 0x07, 0xa8, 0x00]);
    let expected = [
        &apdu[..=trace],
        &[0x81, 0x5c + element.len() as u8],
        &apdu[trace + 2..extensions],
        &element,
        &apdu[extensions..internal],
        &apdu[internal + 2 + 0x79..indicators + 3],
        &[0x28],
        &apdu[indicators + 4..],
    ]
    .concat();
    assert_eq!(out, expected);
}

#[test]
fn many_recipients_are_split() {
    let mut random = Random(7);
    let apdu = random.message(512, 0);
    let octets = random.some_encoding(&apdu);
    let scan = scanned(&octets);
    let case = Case {
        trace: None,
        internal: Internal::Keep,
        internal_element: Vec::new(),
        responsible: Some((0..512).map(|index| index % 3 == 0).collect()),
    };
    let out = case.apply(&octets, &scan, &mut Patched::new());
    assert_eq!(out.len(), octets.len());
    check(&octets, &out, ApduKind::Message, &case);
}

/// Indicators in odd but valid forms: unused bits that are set stay set, segments stay segments.
#[test]
fn odd_indicators_keep_their_form() {
    for (before, after) in [
        (&[0x81, 0x02, 0x03, 0xff][..], &[0x81, 0x02, 0x03, 0x7f][..]),
        (&[0x81, 0x03, 0x00, 0x80, 0x01], &[0x81, 0x03, 0x00, 0x00, 0x01]),
        (
            &[0xa1, 0x80, 0x03, 0x01, 0x00, 0x03, 0x02, 0x00, 0xa8, 0x00, 0x00],
            &[0xa1, 0x80, 0x03, 0x01, 0x00, 0x03, 0x02, 0x00, 0x28, 0x00, 0x00],
        ),
    ] {
        let mut node = Node::parse_all(&foreign_message());
        let per_recipient = node.children_mut()[0]
            .children_mut()
            .iter_mut()
            .find(|field| field.identifier == [0xa2]);
        let recipient = &mut per_recipient.unwrap().children_mut()[0];
        let indicators =
            recipient.children_mut().iter_mut().find(|field| field.identifier == [0x81]);
        *indicators.unwrap() = Node::parse_all(before);
        let apdu = node.encode();
        let case = Case {
            trace: None,
            internal: Internal::Keep,
            internal_element: Vec::new(),
            responsible: Some(vec![false]),
        };
        let out = case.apply(&apdu, &scanned(&apdu), &mut Patched::new());
        let at = apdu.windows(before.len()).position(|window| window == before).unwrap();
        let expected = [&apdu[..at], after, &apdu[at + before.len()..]].concat();
        assert_eq!(out, expected);
    }
}
