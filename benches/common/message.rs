//! The message of the performance budget: 2 KiB to two recipients.

use p1relay::base::clock::WallTime;
use p1relay::p1::build::MessageBuilder;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::trace::{
    Supplied, encode_internal_trace_element, encode_internal_trace_field, encode_trace_element,
};

const ARRIVED: WallTime = WallTime(1_800_000_000_000);

fn address(text: &str) -> OrAddress {
    text.parse().expect("an address")
}

fn domain(text: &str) -> GlobalDomainIdentifier {
    text.parse().expect("a domain")
}

/// A message with one element of trace and one of internal trace, as it comes in from a neighbour.
pub(crate) fn message() -> Vec<u8> {
    message_named("1")
}

/// The same with this as its local identifier.
pub(crate) fn message_named(local_identifier: &str) -> Vec<u8> {
    let origin = domain("C=GB;A=CARRIER;P=ACME");
    let mut trace = Vec::new();
    encode_trace_element(&origin, Supplied::relayed(ARRIVED), &mut trace);
    let mut elements = Vec::new();
    encode_internal_trace_element(&origin, "mta1", Supplied::relayed(ARRIVED), &mut elements);
    let mut extensions = Vec::new();
    encode_internal_trace_field(&elements, &mut extensions);
    let originator = address("C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH");
    let mut builder = MessageBuilder::new(origin, local_identifier, originator, &trace);
    builder.extensions = &extensions;
    builder.recipients = vec![
        address("C=GB;A=CARRIER;P=OTHER;O=BUYING;OU1=A;S=JONES").into(),
        address("C=DE;A=TRAEGER;P=DRITTE;O=LAGER;S=MUELLER").into(),
    ];
    let content = [7; 2048];
    builder.content = &content;
    builder.build()
}
