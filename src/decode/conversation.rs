//! Both directions of one transport connection, put together: TPKTs to TSDUs, TSDUs to SSDUs, RTTRs across
//! checkpoints to the MTS-APDU that they carry.
//!
//! Invariants: what is held of a direction is bounded by `TRANSFER_SIZE_MAX` at each layer; after octets that
//! cannot be framed, or that are missing, the next plausible TPKT is looked for and the gap is said.

use super::node::Node;
use super::session::{self, Spdu};
use super::transport::{self, TPKT_HEADER_SIZE};
use super::upper::{APPLICATION_PROTOCOLS, Ppdu};
use super::walk::{Walker, octets_text};
use super::{Edition, mts_apdu};
use crate::base::limits::TRANSFER_SIZE_MAX;
use crate::ber::{Reader, Span};

/// Which way octets went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the side that opened the connection.
    ToResponder = 0,
    /// From the side that was called.
    ToInitiator = 1,
}

/// What a transport connection has shown so far.
#[derive(Debug, Default)]
pub struct Conversation {
    sides: [Side; 2],
    context: Option<Context>,
}

/// An application context, as far as decoding depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Context {
    name: String,
    x410_mode: bool,
    edition: Edition,
}

#[derive(Debug, Default)]
struct Side {
    stream: Vec<u8>,
    /// Octets of the stream before `stream`.
    stream_offset: usize,
    /// Octets are missing before `stream`: it need not begin with a TPKT.
    searching: bool,
    tsdu: Vec<u8>,
    ssdu: Vec<u8>,
    transfer: Option<Transfer>,
}

/// The activity of a direction.
#[derive(Debug, Default)]
struct Transfer {
    octets: Vec<u8>,
    /// How much there was at each synchronization point, from number 1.
    checkpoints: Vec<usize>,
    /// Its beginning was not seen, or something in between.
    incomplete: bool,
}

impl Conversation {
    /// A connection of which nothing was seen.
    pub fn new() -> Conversation {
        Conversation::default()
    }

    /// The application context that was recognised from the connect: its name in X.419.
    pub fn application_context(&self) -> Option<&str> {
        self.context.as_ref().map(|context| context.name.as_str())
    }

    /// Takes octets that went in `direction`: a node for each TPKT that they complete, and one behind it for
    /// each transfer that it ends.
    pub fn receive(&mut self, direction: Direction, octets: &[u8]) -> Vec<Node> {
        let mut nodes = Vec::new();
        let side = &mut self.sides[direction as usize];
        side.stream.extend_from_slice(octets);
        while let Some(tpkt) = self.sides[direction as usize].take_tpkt(&mut nodes) {
            self.tpkt(direction, &tpkt, &mut nodes);
        }
        nodes
    }

    /// Says that `count` octets of `direction` are missing from here on.
    pub fn lost(&mut self, direction: Direction, count: usize) -> Node {
        let side = &mut self.sides[direction as usize];
        let offset = side.stream_offset + side.stream.len();
        side.stream_offset = offset + count;
        side.stream.clear();
        side.break_off();
        Node::fault("tpkt", offset, count, format!("{count} octets are missing in the capture"))
    }

    fn tpkt(&mut self, direction: Direction, tpkt: &[u8], nodes: &mut Vec<Node>) {
        let side = &mut self.sides[direction as usize];
        let mut node = Node::new("tpkt", "TPKT", side.stream_offset - tpkt.len(), tpkt.len());
        node.value = Some(format!("{} octets", tpkt.len()));
        let tpdu = transport::tpdu(tpkt);
        node.children.push(tpdu.node);
        let mut transfers = Vec::new();
        if let Some((start, ends)) = tpdu.data {
            let data = tpkt.get(start..).unwrap_or_default();
            if append(&mut side.tsdu, data) {
                if ends {
                    let tsdu = std::mem::take(&mut side.tsdu);
                    node.children.push(self.tsdu(direction, &tsdu, &mut transfers));
                }
            } else {
                node.children.push(Node::fault("transport", start, data.len(), "a TSDU too long"));
                side.break_off();
            }
        }
        nodes.push(node);
        nodes.append(&mut transfers);
    }

    fn tsdu(&mut self, direction: Direction, tsdu: &[u8], transfers: &mut Vec<Node>) -> Node {
        let mut node = Node::new("session", "TSDU", 0, tsdu.len());
        node.value = Some(format!("{} octets", tsdu.len()));
        for spdu in session::spdus(tsdu) {
            let opened = self.spdu(direction, tsdu, spdu, transfers);
            node.children.push(opened);
        }
        node
    }

    fn spdu(
        &mut self,
        direction: Direction,
        tsdu: &[u8],
        spdu: Spdu,
        transfers: &mut Vec<Node>,
    ) -> Node {
        let Spdu { mut node, mnemonic, user_data, user_information, enclosure, serial_number } =
            spdu;
        if let Some((range, ppdu)) = user_data {
            let opened = session::open(&mut Walker::new(), tsdu, range, ppdu);
            if ppdu == Ppdu::Connect {
                self.context = opened.first().and_then(Context::recognise);
            }
            node.children.extend(opened);
        }
        if let Some(range) = user_information {
            let octets = tsdu.get(range).unwrap_or_default();
            node.children.extend(self.user_information(direction, octets, enclosure));
        }
        let side = &mut self.sides[direction as usize];
        match mnemonic {
            "AS" => side.transfer = Some(Transfer::default()),
            "AR" => side.resume(serial_number),
            "MIP" => {
                if let Some(transfer) = &mut side.transfer {
                    transfer.checkpoints.push(transfer.octets.len());
                }
            }
            "AD" | "AB" => side.transfer = None,
            "AE" => {
                let transfer = side.transfer.take().unwrap_or_else(Transfer::unseen);
                transfers.push(self.transfer(&transfer));
            }
            _ => {}
        }
        node
    }

    /// User information of DT: PPDUs with RTTRs in normal mode, octets of the transfer in X.410 mode.
    fn user_information(
        &mut self,
        direction: Direction,
        octets: &[u8],
        enclosure: Option<u8>,
    ) -> Vec<Node> {
        let side = &mut self.sides[direction as usize];
        // Without the item the SSDU is in one piece.
        let (begins, ends) = enclosure.map_or((true, true), |item| (item & 1 != 0, item & 2 != 0));
        if begins {
            side.ssdu.clear();
        }
        if !append(&mut side.ssdu, octets) {
            side.break_off();
            return vec![Node::fault("session", 0, octets.len(), "an SSDU too long")];
        }
        if !ends {
            let so_far = format!("{} octets of the SSDU so far", side.ssdu.len());
            return vec![Node::new("session", "SSDU", 0, octets.len()).with(so_far)];
        }
        let ssdu = std::mem::take(&mut side.ssdu);
        const FULLY_ENCODED_DATA: u8 = 0x61;
        let x410_mode = match &self.context {
            Some(context) => context.x410_mode,
            None => ssdu.first() != Some(&FULLY_ENCODED_DATA),
        };
        let transfer = side.transfer.get_or_insert_with(Transfer::unseen);
        if x410_mode {
            transfer.extend(&ssdu);
            return vec![transferred(&ssdu, transfer)];
        }
        let nodes = session::open(&mut Walker::new(), &ssdu, 0..ssdu.len(), Ppdu::UserData);
        let rttrs = nodes.iter().flat_map(Node::walk).filter(|node| node.name == "rttr-apdu");
        let mut out = Vec::new();
        for rttr in rttrs {
            let span = Span::new(rttr.offset as u32, (rttr.offset + rttr.length) as u32);
            let mut reader = Reader::over_span(&ssdu, span);
            let mut data = Vec::new();
            let read = reader.header().and_then(|header| reader.string_into(&header, &mut data));
            transfer.incomplete |= read.is_err();
            transfer.extend(&data);
            out.push(transferred(&data, transfer));
        }
        let mut nodes = nodes;
        nodes.append(&mut out);
        nodes
    }

    /// A transfer whose activity has ended.
    fn transfer(&self, transfer: &Transfer) -> Node {
        let octets = &transfer.octets;
        let mut node = Node::new("rtse", "transfer", 0, octets.len());
        node.value = Some(format!("{} octets", octets.len()));
        if transfer.incomplete {
            let what = "the transfer was not seen whole: the APDU is decoded as far as it goes";
            node.children.push(Node::fault("rtse", 0, octets.len(), what));
        }
        let edition = self.context.as_ref().map_or(Edition::Of1988, |context| context.edition);
        node.children.extend(mts_apdu(octets, edition));
        node
    }
}

/// What a DT added to the transfer.
fn transferred(data: &[u8], transfer: &Transfer) -> Node {
    let text = format!("{} octets, {} of the transfer so far", data.len(), transfer.octets.len());
    Node::new("rtse", "RTTR data", 0, data.len()).with(text)
}

/// Appends, unless it would become more than a transfer may be.
fn append(to: &mut Vec<u8>, octets: &[u8]) -> bool {
    let fits = to.len() + octets.len() <= TRANSFER_SIZE_MAX;
    if fits {
        to.extend_from_slice(octets);
    }
    fits
}

impl Transfer {
    fn unseen() -> Transfer {
        Transfer { incomplete: true, ..Transfer::default() }
    }

    fn extend(&mut self, octets: &[u8]) {
        self.incomplete |= !append(&mut self.octets, octets);
    }
}

impl Side {
    /// The next whole TPKT, taken off the stream.
    fn take_tpkt(&mut self, nodes: &mut Vec<Node>) -> Option<Vec<u8>> {
        loop {
            if self.searching {
                let skipped = self.stream.len().min(plausible_tpkt(&self.stream)?);
                if skipped > 0 {
                    let octets: Vec<u8> = self.consume(skipped);
                    let at = self.stream_offset - skipped;
                    let what = format!("no TPKT here: {}", octets_text(&octets));
                    nodes.push(Node::fault("tpkt", at, skipped, what));
                }
                self.searching = false;
            }
            let [version, _, high, low, ..] = self.stream[..] else { return None };
            let size = usize::from(u16::from_be_bytes([high, low]));
            if version == 3 && size > TPKT_HEADER_SIZE {
                return (self.stream.len() >= size).then(|| self.consume(size));
            }
            // One octet at least goes, so that the search ends.
            let octets = self.consume(1);
            let at = self.stream_offset - 1;
            let what = format!("a TPKT cannot begin with {}", octets_text(&octets));
            nodes.push(Node::fault("tpkt", at, 1, what));
            self.break_off();
        }
    }

    fn consume(&mut self, size: usize) -> Vec<u8> {
        self.stream_offset += size;
        self.stream.drain(..size).collect()
    }

    /// Forgets what was half put together.
    fn break_off(&mut self) {
        self.searching = true;
        self.tsdu.clear();
        self.ssdu.clear();
        if let Some(transfer) = &mut self.transfer {
            transfer.incomplete = true;
        }
    }

    /// Goes on behind a synchronization point of the transfer that was interrupted here; of another
    /// connection's nothing is known.
    fn resume(&mut self, serial_number: Option<u32>) {
        let point = serial_number.unwrap_or(0) as usize;
        let known = self.transfer.as_ref().and_then(|transfer| match point {
            0 => Some(0),
            _ => transfer.checkpoints.get(point - 1).copied(),
        });
        match (&mut self.transfer, known) {
            (Some(transfer), Some(size)) => {
                transfer.octets.truncate(size);
                transfer.checkpoints.truncate(point);
            }
            _ => self.transfer = Some(Transfer::unseen()),
        }
    }
}

/// Where a TPKT may begin: a version, a length, and a TPDU that fits it. `None` while too little is there.
pub(super) fn plausible_tpkt(stream: &[u8]) -> Option<usize> {
    (0..stream.len().saturating_sub(6)).find(|at| is_tpkt(&stream[*at..]))
}

/// Whether a TPKT with a TPDU of class 0 begins here, as far as seven octets tell.
pub fn is_tpkt(octets: &[u8]) -> bool {
    let [3, 0, high, low, indicator, code, _, ..] = *octets else { return false };
    let size = usize::from(u16::from_be_bytes([high, low]));
    let header = usize::from(indicator);
    let known =
        matches!((code, header), (0xf0, 2) | (0xe0..=0xef | 0xd0..=0xdf | 0x80, 6..) | (0x70, 4..));
    known && size >= TPKT_HEADER_SIZE + 1 + header
}

impl Context {
    fn recognise(connect: &Node) -> Option<Context> {
        if connect.find("mode-value")?.text().starts_with("x410") {
            let protocol = connect.find("applicationProtocol").map(Node::text).unwrap_or_default();
            let name = APPLICATION_PROTOCOLS.iter().find(|(_, name)| {
                protocol.strip_prefix(name).is_some_and(|rest| rest.starts_with(" ("))
            });
            return Some(match name {
                Some((12, name)) => {
                    Context { name: (*name).to_owned(), x410_mode: true, edition: Edition::Of1988 }
                }
                _ => Context {
                    name: name.map_or("X.410 mode", |(_, name)| *name).to_owned(),
                    x410_mode: true,
                    edition: Edition::Of1984,
                },
            });
        }
        let offered = connect.find("application-context-name").map(Node::text).unwrap_or_default();
        let name = match offered.contains("id-ac-mts-transfer") {
            true => "mts-transfer".to_owned(),
            false => offered.to_owned(),
        };
        Some(Context { name, x410_mode: false, edition: Edition::Of1988 })
    }
}
