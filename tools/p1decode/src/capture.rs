//! Capture files: pcap and pcapng containers, link and network headers, down to TCP segments.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgReader};

/// One TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Since 1970.
    pub(crate) time: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence_number: u32,
    /// ACK: anything but the first segment of who calls.
    pub(crate) acknowledges: bool,
    /// SYN.
    pub(crate) begins: bool,
    pub(crate) payload: Vec<u8>,
}

/// Whether a file's first octets are a capture's.
pub(crate) fn is_capture(octets: &[u8]) -> bool {
    is_pcapng(octets)
        || matches!(
            octets,
            [0xa1, 0xb2, 0xc3, 0xd4, ..]
                | [0xd4, 0xc3, 0xb2, 0xa1, ..]
                | [0xa1, 0xb2, 0x3c, 0x4d, ..]
                | [0x4d, 0x3c, 0xb2, 0xa1, ..]
        )
}

fn is_pcapng(octets: &[u8]) -> bool {
    octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a])
}

/// The TCP segments of a capture, in its order.
///
/// # Errors
/// When the container is malformed; what is no TCP is passed over.
pub(crate) fn segments(octets: &[u8]) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    if !is_pcapng(octets) {
        let mut reader = PcapReader::new(octets).context("the pcap header")?;
        let link = reader.header().datalink;
        while let Some(packet) = reader.next_packet() {
            let packet = packet.with_context(|| format!("pcap packet {}", segments.len() + 1))?;
            segments.extend(segment(packet.timestamp, link, &packet.data));
        }
        return Ok(segments);
    }
    let mut reader = PcapNgReader::new(octets).context("the pcapng section header")?;
    while let Some(block) = reader.next_block() {
        let block = block.context("a pcapng block")?.into_owned();
        match block {
            Block::EnhancedPacket(packet) => {
                let Some(interface) = reader.packet_interface(&packet) else { continue };
                let time = pcapng_time(interface, packet.timestamp);
                segments.extend(segment(time, interface.linktype, &packet.data));
            }
            Block::SimplePacket(packet) => {
                let Some(interface) = reader.interfaces().first() else { continue };
                segments.extend(segment(Duration::ZERO, interface.linktype, &packet.data));
            }
            _ => {}
        }
    }
    Ok(segments)
}

/// The reader takes every unit for a nanosecond, whatever the interface says; microseconds are the default.
fn pcapng_time(interface: &InterfaceDescriptionBlock<'_>, as_read: Duration) -> Duration {
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    let per_second = match resolution.unwrap_or(6) {
        power @ 0..=18 => 10_u128.pow(u32::from(power)),
        power @ 0x80..=0xbf => 1 << (power & 0x7f),
        _ => 1_000_000,
    };
    let nanoseconds = as_read.as_nanos() * 1_000_000_000 / per_second;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

fn segment(time: Duration, link: DataLink, frame: &[u8]) -> Option<Segment> {
    let ether_type = |at: usize| {
        let [high, low] = frame.get(at..at + 2)? else { return None };
        Some(EtherType(u16::from_be_bytes([*high, *low])))
    };
    let packet = match link {
        DataLink::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok()?,
        // Linux cooked captures: 16 octets with the type last, or 20 with the type first.
        DataLink::LINUX_SLL => LaxSlicedPacket::from_ether_type(ether_type(14)?, frame.get(16..)?),
        DataLink::LINUX_SLL2 => LaxSlicedPacket::from_ether_type(ether_type(0)?, frame.get(20..)?),
        // The family of the address stands in front, in an order of octets that does not matter here.
        DataLink::NULL | DataLink::LOOP => LaxSlicedPacket::from_ip(frame.get(4..)?).ok()?,
        _ => LaxSlicedPacket::from_ip(frame).ok()?,
    };
    let (from, to): (IpAddr, IpAddr) = match packet.net? {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = packet.transport? else { return None };
    Some(Segment {
        time,
        from: (from, tcp.source_port()).into(),
        to: (to, tcp.destination_port()).into(),
        sequence_number: tcp.sequence_number(),
        acknowledges: tcp.ack(),
        begins: tcp.syn(),
        payload: tcp.payload().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    /// An IPv6 packet with these TCP octets.
    fn packet() -> Vec<u8> {
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(4000, 102, 7, 1024);
        let mut packet = Vec::new();
        builder.write(&mut packet, b"payload").unwrap();
        packet
    }

    #[test]
    fn segments_are_found_under_every_link_header() {
        let headed = |header: &[u8]| [header, &packet()].concat();
        let ethernet = [&[0; 12][..], &[0x86, 0xdd]].concat();
        let tagged = [&[0; 12][..], &[0x81, 0, 0, 1, 0x86, 0xdd]].concat();
        let cooked = [&[0; 14][..], &[0x86, 0xdd]].concat();
        let cooked_2 = [&[0x86, 0xdd][..], &[0; 18]].concat();
        for (link, frame) in [
            (DataLink::RAW, packet()),
            (DataLink::ETHERNET, headed(&ethernet)),
            (DataLink::ETHERNET, headed(&tagged)),
            (DataLink::LINUX_SLL, headed(&cooked)),
            (DataLink::LINUX_SLL2, headed(&cooked_2)),
            (DataLink::NULL, headed(&[30, 0, 0, 0])),
        ] {
            let segment = segment(Duration::ZERO, link, &frame).unwrap();
            assert_eq!((segment.from.port(), segment.to.port()), (4000, 102), "{link:?}");
            assert_eq!((segment.sequence_number, &segment.payload[..]), (7, &b"payload"[..]));
            assert!(segment.from.is_ipv6() && !segment.begins && !segment.acknowledges);
            for size in 0..frame.len() {
                // A frame cut short by the capture is no fault.
                let cut = super::segment(Duration::ZERO, link, &frame[..size]);
                assert!(cut.is_none_or(|cut| cut.payload.len() < 7));
            }
        }
    }
}
