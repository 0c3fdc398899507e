//! Captures: pcap files with Ethernet, IPv4 and TCP headers, written around recorded octets and read.

use std::fs;
use std::path::{Path, PathBuf};

use p1relay::base::transmit::Transmit;
use p1relay::osi::rtse::external;
use p1relay::osi::stack::{Indication, Stack, StackConfig};

use super::proxy::{Direction, Recording};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PUSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The port of the one that connects, in written captures.
const CLIENT_PORT: u16 = 40_000;

/// Writes a capture of one connection to `server_port`.
pub fn write(path: &Path, recording: &Recording, server_port: u16) {
    let mut file = Vec::new();
    // Magic, version 2.4, no time zone, no accuracy, frames of any size, Ethernet.
    file.extend_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    file.extend_from_slice(&[2, 0, 4, 0]);
    for word in [0, 0, 1 << 18, 1_u32] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    let mut frames = Frames { file, server_port, next: [1000, 5000], count: 0 };
    frames.add(Direction::ToServer, SYN, &[]);
    frames.add(Direction::ToClient, SYN | ACK, &[]);
    frames.add(Direction::ToServer, ACK, &[]);
    for (direction, octets) in recording {
        let flags = if octets.is_empty() { FIN | ACK } else { PUSH | ACK };
        frames.add(*direction, flags, octets);
    }
    fs::write(path, frames.file).unwrap();
}

struct Frames {
    file: Vec<u8>,
    server_port: u16,
    /// The next sequence number towards the server and towards the client.
    next: [u32; 2],
    count: u32,
}

impl Frames {
    fn add(&mut self, direction: Direction, flags: u8, payload: &[u8]) {
        let (own, other) = match direction {
            Direction::ToServer => (0, 1),
            Direction::ToClient => (1, 0),
        };
        let ports = [CLIENT_PORT, self.server_port];
        let mut tcp = Vec::new();
        tcp.extend_from_slice(&ports[own].to_be_bytes());
        tcp.extend_from_slice(&ports[other].to_be_bytes());
        tcp.extend_from_slice(&self.next[own].to_be_bytes());
        let acknowledged = if flags & ACK == 0 { 0 } else { self.next[other] };
        tcp.extend_from_slice(&acknowledged.to_be_bytes());
        // Five words of header; window; no checksum; nothing urgent.
        tcp.extend_from_slice(&[5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.next[own] += payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);

        let ip_size = (20 + tcp.len() + payload.len()) as u16;
        let mut frame = vec![0; 12];
        frame.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
        frame.extend_from_slice(&ip_size.to_be_bytes());
        // Identification, no fragments, time to live, TCP, no checksum.
        frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        let hosts = [[10, 0, 0, 1], [10, 0, 0, 2]];
        frame.extend_from_slice(&hosts[own]);
        frame.extend_from_slice(&hosts[other]);
        frame.extend_from_slice(&tcp);
        frame.extend_from_slice(payload);

        self.count += 1;
        let (seconds, microseconds) = (1_790_000_000 + self.count / 1000, self.count % 1000 * 1000);
        for word in [seconds, microseconds, frame.len() as u32, frame.len() as u32] {
            self.file.extend_from_slice(&word.to_le_bytes());
        }
        self.file.extend_from_slice(&frame);
    }
}

/// Where a foreign capture stands.
pub fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name)
}

/// TCP payloads of a foreign capture (loopback: no loss, no reordering) towards the server, in order.
pub fn payloads_to_server(name: &str) -> Vec<Vec<u8>> {
    let file = fs::read(vector(name)).unwrap();
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((number(0), number(20)), (0xa1b2_c3d4, 1), "little-endian pcap, Ethernet");
    let mut payloads = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let size = number(at + 8);
        let ip = &file[at + 16 + 14..at + 16 + size];
        at += 16 + size;
        let ip_size = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let tcp = &ip[usize::from(ip[0] & 0xf) * 4..ip_size];
        let payload = &tcp[usize::from(tcp[12] >> 4) * 4..];
        let server_port = u16::from_be_bytes([tcp[2], tcp[3]]);
        if !payload.is_empty() && (20_001..=20_002).contains(&server_port) {
            payloads.push(payload.to_vec());
        }
    }
    payloads
}

/// The MTS-APDUs that the foreign caller of a capture in normal mode transfers.
pub fn foreign_apdus(name: &str) -> Vec<Vec<u8>> {
    let mut stack = Stack::responder(StackConfig::default().into());
    let (mut apdus, mut transfer) = (Vec::new(), Vec::new());
    for payload in payloads_to_server(name) {
        let mut input = &payload[..];
        while let Some(indication) = stack.poll_indication(&mut input).unwrap() {
            match indication {
                Indication::Bind(_) => assert!(stack.bind_accept(&[0xb1, 4, 0xa1, 2, 0x80, 0])),
                Indication::TransferData(octets) => transfer.extend_from_slice(octets),
                Indication::TransferEnd => {
                    apdus.push(transfer[external::unwrap(&transfer).unwrap()].to_vec());
                    transfer.clear();
                    assert!(stack.transfer_response());
                }
                Indication::Release => assert!(stack.release_response()),
                _ => {}
            }
        }
        let mut answer = Transmit::new();
        while stack.poll_transmit(&mut answer) {}
    }
    apdus
}
