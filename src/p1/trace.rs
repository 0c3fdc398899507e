//! Writing our own part of trace information (TraceInformationElement, InternalTraceInformationElement).

use super::domain::GlobalDomainIdentifier;
use super::scan::INTERNAL_TRACE_INFORMATION;
pub use super::scan::RoutingAction;
use super::tag;
use super::time::TimeFormat;
use crate::base::clock::WallTime;
use crate::ber::{Tag, write};
use smallvec::SmallVec;

/// Appends one element of trace-information.
pub fn encode_trace_element(
    domain: &GlobalDomainIdentifier,
    supplied: Supplied,
    out: &mut Vec<u8>,
) {
    let domain = domain.encoded();
    let supplied = supplied.encoded();
    write::identifier(out, Tag::SEQUENCE, true);
    write::length(out, domain.len() + supplied.len());
    out.extend_from_slice(domain);
    out.extend_from_slice(&supplied);
}

/// What a domain did with an APDU beside passing it on (OtherActions: bits, bit 0 the most significant).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OtherAction {
    /// Bit 0: it redirected it.
    Redirected = 0x80,
    /// Bit 1: it expanded a distribution list, or acted for one.
    DlOperation = 0x40,
}

/// Appends one element of trace-information that says what else the domain did.
pub fn encode_trace_element_with(
    domain: &GlobalDomainIdentifier,
    supplied: Supplied,
    other: OtherAction,
    out: &mut Vec<u8>,
) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        out.extend_from_slice(domain.encoded());
        write::constructed(out, Tag::SET, |out| {
            let time = supplied.time_format.utc_time(supplied.arrival);
            write::primitive(out, tag::ARRIVAL_TIME, &time);
            if let Some(deferred) = supplied.deferred {
                let time = supplied.time_format.utc_time(deferred);
                write::primitive(out, tag::DEFERRED_TIME, &time);
            }
            write::integer(out, tag::ROUTING_ACTION, supplied.action as i64);
            write::bits(out, tag::OTHER_ACTIONS, other as u8, 6);
        });
    });
}

/// Appends one element of internal-trace-information.
pub fn encode_internal_trace_element(
    domain: &GlobalDomainIdentifier,
    mta_name: &str,
    supplied: Supplied,
    out: &mut Vec<u8>,
) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        out.extend_from_slice(domain.encoded());
        write::primitive(out, Tag::IA5_STRING, mta_name.as_bytes());
        out.extend_from_slice(&supplied.encoded());
    });
}

/// Appends a whole internal-trace-information extension field around these elements.
///
/// Its type is encoded as in 1988: `[0]` around an INTEGER. It is critical for nobody.
pub fn encode_internal_trace_field(elements: &[u8], out: &mut Vec<u8>) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        encode_standard_extension_type(INTERNAL_TRACE_INFORMATION, out);
        write::constructed(out, tag::EXTENSION_VALUE, |out| {
            write::constructed(out, Tag::SEQUENCE, |out| out.extend_from_slice(elements));
        });
    });
}

/// Appends the type of a standard extension, as in 1988.
pub(super) fn encode_standard_extension_type(number: i64, out: &mut Vec<u8>) {
    write::constructed(out, tag::STANDARD_EXTENSION, |out| {
        write::integer(out, Tag::INTEGER, number);
    });
}

/// DomainSuppliedInformation or MTASuppliedInformation: what must be there, and deferral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supplied {
    /// Arrival-time.
    pub arrival: WallTime,
    /// Deferred-time: until when it was deferred, if it was.
    pub deferred: Option<WallTime>,
    /// Routing-action.
    pub action: RoutingAction,
    /// How the time is written.
    pub time_format: TimeFormat,
}

impl Supplied {
    /// Relayed, at this time.
    pub fn relayed(arrival: WallTime) -> Supplied {
        let (action, time_format) = (RoutingAction::Relayed, TimeFormat::default());
        Supplied { arrival, deferred: None, action, time_format }
    }

    /// A SET of arrival-time `[0]`, deferred-time `[1]` and routing-action `[2]`, in the order of their tags.
    fn encoded(&self) -> SmallVec<[u8; 48]> {
        let mut octets = SmallVec::from_slice(&[0x31, 0]);
        for (tag, time) in [(0x80, Some(self.arrival)), (0x81, self.deferred)] {
            let Some(time) = time else { continue };
            let time = self.time_format.utc_time(time);
            octets.extend_from_slice(&[tag, time.len() as u8]);
            octets.extend_from_slice(&time);
        }
        octets.extend_from_slice(&[0x82, 1, self.action as u8]);
        octets[1] = (octets.len() - 2) as u8;
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::time::wall_time;

    /// What PP wrote into the foreign capture of 1988 mode.
    #[test]
    fn writes_the_octets_of_a_foreign_mta() {
        let domain: GlobalDomainIdentifier = "C=XX;A=TEST;P=PPTEST".parse().unwrap();
        let arrival = wall_time(b"261123234037Z").unwrap();
        let mut element = Vec::new();
        encode_trace_element(&domain, Supplied::relayed(arrival), &mut element);
        assert_eq!(
            element,
            b"\x30\x2c\x63\x16\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST\
              \x31\x12\x80\x0d261123234037Z\x82\x01\x00"
        );
        let mut element = Vec::new();
        let supplied = Supplied::relayed(arrival);
        encode_internal_trace_element(&domain, "pp1.test", supplied, &mut element);
        let mut field = Vec::new();
        encode_internal_trace_field(&element, &mut field);
        assert_eq!(
            field,
            b"\x30\x41\xa0\x03\x02\x01\x26\xa2\x3a\x30\x38\
              \x30\x36\x63\x16\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST\x16\x08pp1.test\
              \x31\x12\x80\x0d261123234037Z\x82\x01\x00"
        );
    }

    #[test]
    fn deferral_stands_between_arrival_and_action() {
        let arrival = wall_time(b"261123234037Z").unwrap();
        let deferred = wall_time(b"261124080000Z");
        let octets = Supplied { deferred, ..Supplied::relayed(arrival) }.encoded();
        assert_eq!(
            octets[..],
            b"\x31\x21\x80\x0d261123234037Z\x81\x0d261124080000Z\x82\x01\x00"[..]
        );
    }

    #[test]
    fn every_form_of_a_time_states_the_same() {
        let arrival = wall_time(b"261123234000Z").unwrap();
        for (time_format, octets) in [
            (TimeFormat::Seconds, &b"261123234000Z"[..]),
            (TimeFormat::Minutes, b"2611232340Z"),
            (TimeFormat::Offset, b"261123234000+0000"),
        ] {
            let supplied = Supplied { time_format, ..Supplied::relayed(arrival) }.encoded();
            assert_eq!(&supplied[4..4 + octets.len()], octets);
            assert_eq!(usize::from(supplied[1]) + 2, supplied.len());
            assert_eq!(wall_time(octets), Some(arrival));
        }
    }
}
