//! MTS-APDUs by the tables: messages, probes, reports, extensions, reasons.

use p1relay::base::clock::WallTime;
use p1relay::ber::{Tag, write};
use p1relay::decode::{Edition, Node, mts_apdu, report_words};
use p1relay::p1::build::MessageBuilder;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::trace::{Supplied, encode_trace_element};

use crate::conversations::faults;

fn domain() -> GlobalDomainIdentifier {
    "C=GB;A=X;P=Y".parse().unwrap()
}

fn built(content: &[u8], content_type: i64, extensions: &[u8]) -> Vec<u8> {
    let mut trace = Vec::new();
    encode_trace_element(&domain(), Supplied::relayed(WallTime(0)), &mut trace);
    let originator = "C=GB;A=X;P=Y;S=SMITH".parse().unwrap();
    let mut message = MessageBuilder::new(domain(), "local-1", originator, &trace);
    let recipient: OrAddress = "C=FR;A=X;CN=Bob".parse().unwrap();
    message.recipients.push(recipient.into());
    message.content_type = content_type;
    message.extensions = extensions;
    message.content = content;
    message.build()
}

/// A message whose content is of no type that is looked into.
pub(crate) fn message(content: &[u8]) -> Vec<u8> {
    built(content, 0, &[])
}

fn text(apdu: &[u8]) -> String {
    let nodes = mts_apdu(apdu, Edition::Of1988);
    assert_eq!(faults(&nodes), Vec::<String>::new());
    nodes.iter().map(Node::to_string).collect()
}

/// An extension field with this type element and criticality bits.
fn extension(kind: &[u8], criticality: Option<u8>, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write::constructed(&mut out, Tag::SEQUENCE, |out| {
        out.extend_from_slice(kind);
        if let Some(bits) = criticality {
            write::primitive(out, Tag::context(1), &[5, bits]);
        }
        write::constructed(out, Tag::context(2), |out| out.extend_from_slice(value));
    });
    out
}

#[test]
fn every_extension_has_its_name_number_and_criticality_in_both_forms() {
    let explicit = |number: u8| vec![0xa0, 3, 2, 1, number];
    let short = |number: u8| vec![0x80, 1, number];
    for (field, told) in [
        (
            extension(&explicit(3), Some(0x20), &[0x0a, 1, 1]),
            "extension: dl-expansion-prohibited (3), critical for-delivery\n        \
             dl-expansion-prohibited: dl-expansion-prohibited (1)\n",
        ),
        (
            extension(&short(3), Some(0x60), &[0x0a, 1, 0]),
            "dl-expansion-prohibited (3), critical for-transfer, for-delivery\n",
        ),
        (
            extension(&short(5), None, b"\x17\x0d700101000000Z"),
            "latest-delivery-time (5), not critical\n        \
             latest-delivery-time: 1970-01-01T00:00:00Z (\"700101000000Z\")\n",
        ),
        (extension(&short(99), None, &[5, 0]), "standard-extension 99, not critical\n"),
        (
            extension(&[0x83, 3, 0x88, 0x37, 3], None, &[5, 0]),
            "private-extension 2.999.3, not critical\n",
        ),
    ] {
        let text = text(&built(b"", 0, &field));
        assert!(text.contains(told), "{told}\nis not in\n{text}");
    }
}

#[test]
fn contents_are_opened_where_their_type_says_so() {
    let ipm = b"\xa0\x1e\x31\x05\x6b\x03\x13\x01x\x30\x15\xa0\x13\x31\x03\x80\x01\x05\x16\x0cHello, world";
    for (content_type, opened) in [(22, true), (2, true), (0, false)] {
        let text = text(&built(ipm, content_type, &[]));
        assert_eq!(text.contains("data: \"Hello, world\""), opened, "{content_type}");
        assert!(text.contains("content: 32 octets"), "{text}");
    }
}

#[test]
fn reports_say_reason_and_diagnostic_in_words() {
    let mut apdu = Vec::new();
    write::constructed(&mut apdu, Tag::context(1), |out| {
        write::constructed(out, Tag::SET, |out| {
            write::constructed(out, Tag::application(4), |out| {
                out.extend_from_slice(domain().encoded());
                write::primitive(out, Tag::IA5_STRING, b"report-1");
            });
        });
        write::constructed(out, Tag::SET, |out| {
            write::constructed(out, Tag::context(0), |out| {
                write::constructed(out, Tag::SET, |out| {
                    write::constructed(out, Tag::context(3), |out| {
                        write::constructed(out, Tag::context(1), |out| {
                            write::constructed(out, Tag::context(1), |out| {
                                write::integer(out, Tag::context(0), 1);
                                write::integer(out, Tag::context(1), 47);
                            });
                        });
                    });
                });
            });
        });
    });
    let words = text(&apdu);
    for line in [
        "report-identifier",
        "non-delivery-reason-code: unable-to-transfer (1)",
        "non-delivery-diagnostic-code: unable-to-downgrade (47)",
    ] {
        assert!(words.contains(line), "{line} in\n{words}");
    }
    let nodes = mts_apdu(&apdu, Edition::Of1984);
    assert!(nodes[0].find("DeliveryReportContent").is_some(), "{}", nodes[0]);
    assert_eq!(report_words(1, Some(3)), "unable-to-transfer (1), loop-detected (3)");
    assert_eq!(
        (report_words(0, None), report_words(77, None)),
        ("transfer-failure (0)".into(), "77".into())
    );
}

#[test]
fn json_has_what_the_text_has() {
    let nodes = mts_apdu(&message(b"x"), Edition::Of1988);
    let json = serde_json::to_value(&nodes[0]).unwrap();
    assert_eq!(
        (&json["name"], &json["layer"], &json["offset"]),
        (&"message".into(), &"p1".into(), &0.into())
    );
    let originator = &json["children"][0]["children"][1];
    assert_eq!(originator["name"], "originator-name");
    assert_eq!(originator["value"], "C=GB;A=X;P=Y;S=SMITH");
    assert!(originator.get("malformed").is_none() && originator.get("children").is_none());
}
