//! X.224 class 0 over RFC 1006: connection, segmentation, disconnection.
//!
//! `Transport` frames received octets into TPDUs without holding data: the content of a DT TPDU is
//! read by the layer above straight out of the input, between `Arrival::Content` and
//! `Arrival::TsduEnd`. A TPDU larger than the negotiated size is taken: nothing of it is buffered.

pub mod machine;
pub mod tpdu;

use super::error::{Error, Layer};
use super::{Step, tpkt};
use crate::base::limits::{SELECTOR_SIZE_MAX, TPDU_SIZE_MAX};
use machine::{Event, State};
use tpdu::{Parameters, SizeOffer, Tpdu};

/// Identifies a session entity at a transport address (X.224); empty means absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct TransportSelector(pub Vec<u8>);

/// One side's transport parameters.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Sent by the caller; a called side ignores it.
    pub calling_selector: TransportSelector,
    /// Sent by the caller; a called side refuses another one, unless its own is empty.
    pub called_selector: TransportSelector,
    /// Largest TPDU proposed or accepted, octets; 128 to 65,531.
    pub tpdu_size_max: usize,
}

impl Default for TransportConfig {
    fn default() -> Self {
        TransportConfig {
            calling_selector: TransportSelector::default(),
            called_selector: TransportSelector::default(),
            tpdu_size_max: TPDU_SIZE_MAX,
        }
    }
}

/// Octets that a DT TPDU takes besides its user data.
const DT_HEADER_SIZE: usize = 3;
/// Largest TPDU that is not DT, octets; class 0 has no user data in them.
const CONTROL_TPDU_SIZE_MAX: usize = 512;
/// Our reference: one connection to a TCP connection needs no others.
const LOCAL_REFERENCE: u16 = 1;

/// What came next.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A connection or error TPDU.
    Control(Tpdu),
    /// User data stands at the front of the input: at most [`Transport::content_remaining`] octets.
    Content,
    /// The TSDU is complete.
    TsduEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head { count: usize },
    Control { remaining: usize },
    Content { remaining: usize, end: bool },
}

/// One end of a transport connection.
#[derive(Debug)]
pub(super) struct Transport {
    state: State,
    phase: Phase,
    head: [u8; tpkt::HEADER_SIZE + DT_HEADER_SIZE],
    control: Vec<u8>,
    peer_reference: u16,
    tpdu_size: usize,
}

impl Transport {
    pub(super) fn new() -> Transport {
        Transport {
            state: State::Idle,
            phase: Phase::Head { count: 0 },
            head: [0; 7],
            control: Vec::new(),
            peer_reference: 0,
            tpdu_size: TPDU_SIZE_MAX,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Negotiated size of a TPDU, its header included, octets.
    pub(super) fn tpdu_size(&self) -> usize {
        self.tpdu_size
    }

    /// Octets of user data left in the TPDU under way.
    pub(super) fn content_remaining(&self) -> usize {
        match self.phase {
            Phase::Content { remaining, .. } => remaining,
            _ => 0,
        }
    }

    /// Counts user data that the layer above took off the input.
    pub(super) fn content_taken(&mut self, count: usize) {
        if let Phase::Content { remaining, .. } = &mut self.phase {
            *remaining = remaining.saturating_sub(count);
        }
    }

    fn step(&mut self, event: Event) -> Result<bool, Error> {
        match machine::step(self.state, event) {
            Step::Next(next) => {
                self.state = next;
                Ok(true)
            }
            Step::Discard => Ok(false),
            Step::Refuse => Err(Error::PduUnexpected {
                layer: Layer::Transport,
                pdu: event.name(),
                state: self.state.name(),
            }),
        }
    }

    /// Reads on until something is complete; `None` when the input is used up.
    pub(super) fn poll(&mut self, input: &mut &[u8]) -> Result<Option<Arrival>, Error> {
        loop {
            match self.phase {
                Phase::Content { remaining: 0, end } => {
                    self.phase = Phase::Head { count: 0 };
                    if end {
                        return Ok(Some(Arrival::TsduEnd));
                    }
                }
                Phase::Control { remaining: 0 } => {
                    self.phase = Phase::Head { count: 0 };
                    let tpdu = tpdu::parse(&self.control)?;
                    self.control.clear();
                    if self.step(tpdu.event())? {
                        return Ok(Some(Arrival::Control(tpdu)));
                    }
                }
                _ if input.is_empty() => return Ok(None),
                Phase::Content { .. } => return Ok(Some(Arrival::Content)),
                Phase::Control { remaining } => {
                    let (octets, rest) = input.split_at(remaining.min(input.len()));
                    self.control.extend_from_slice(octets);
                    *input = rest;
                    self.phase = Phase::Control { remaining: remaining - octets.len() };
                }
                Phase::Head { count } => self.read_head(count, input)?,
            }
        }
    }

    fn read_head(&mut self, count: usize, input: &mut &[u8]) -> Result<(), Error> {
        let (octets, rest) = input.split_at((self.head.len() - count).min(input.len()));
        self.head[count..count + octets.len()].copy_from_slice(octets);
        *input = rest;
        let count = count + octets.len();
        self.phase = Phase::Head { count };
        let [version, reserved, high, low, length_indicator, code, number] = self.head;
        if version != 3 {
            return Err(Error::TpktVersion { version });
        }
        if count < self.head.len() {
            return Ok(());
        }
        let tpdu_size = tpkt::parse([version, reserved, high, low])?;
        if code & 0xf0 == tpdu::DT {
            if length_indicator != 2 {
                return Err(invalid("a DT TPDU whose length indicator is not 2"));
            }
            let taken = self.step(Event::Dt)?;
            let end = number & 0x80 != 0 && taken;
            self.phase = Phase::Content { remaining: tpdu_size - DT_HEADER_SIZE, end };
            return Ok(());
        }
        if tpdu_size > CONTROL_TPDU_SIZE_MAX {
            return Err(Error::PduTooLong {
                layer: Layer::Transport,
                size_max: CONTROL_TPDU_SIZE_MAX,
            });
        }
        self.control.clear();
        self.control.extend_from_slice(&[length_indicator, code, number]);
        self.phase = Phase::Control { remaining: tpdu_size - DT_HEADER_SIZE };
        Ok(())
    }

    /// Appends the CR TPDU of the caller.
    pub(super) fn connect_request(&mut self, config: &TransportConfig, out: &mut Vec<u8>) {
        if self.step(Event::ConnectRequest).is_err() {
            return;
        }
        let offer = SizeOffer::new(config.tpdu_size_max);
        tpdu::push_connect(
            out,
            tpdu::CR,
            0,
            LOCAL_REFERENCE,
            &config.calling_selector.0,
            &config.called_selector.0,
            Some(offer),
        );
    }

    /// Takes the peer's CR and appends the CC TPDU.
    pub(super) fn connect_response(
        &mut self,
        config: &TransportConfig,
        peer: &Parameters,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.peer_reference = peer.source_reference;
        if peer.class != 0 {
            return Err(unsupported("a transport class other than 0", 0x82));
        }
        if peer.called_selector.len().max(peer.calling_selector.len()) > SELECTOR_SIZE_MAX {
            return Err(invalid("a transport selector too long"));
        }
        let expected = &config.called_selector.0;
        if !expected.is_empty() && *expected != peer.called_selector {
            return Err(unsupported("an unknown called transport selector", 3));
        }
        let (offer, size) = tpdu::answer(config.tpdu_size_max, peer.size);
        self.tpdu_size = size;
        tpdu::push_connect(out, tpdu::CC, self.peer_reference, LOCAL_REFERENCE, &[], &[], offer);
        Ok(())
    }

    /// Takes the peer's CC.
    pub(super) fn connect_confirm(
        &mut self,
        config: &TransportConfig,
        peer: &Parameters,
    ) -> Result<(), Error> {
        self.peer_reference = peer.source_reference;
        if peer.destination_reference != LOCAL_REFERENCE {
            return Err(invalid("a CC TPDU with a reference that is not ours"));
        }
        if peer.class != 0 {
            return Err(unsupported("a transport class other than 0", 0x82));
        }
        let answered = peer.size.map_or(TPDU_SIZE_MAX, SizeOffer::size);
        self.tpdu_size = answered.min(config.tpdu_size_max).max(tpdu::SIZE_MIN);
        Ok(())
    }

    /// Appends a DR TPDU with `reason` and closes.
    pub(super) fn disconnect_request(&mut self, reason: u8, out: &mut Vec<u8>) {
        if self.state != State::Closed {
            tpdu::push_disconnect(out, self.peer_reference, LOCAL_REFERENCE, reason);
        }
        self.state = State::Closed;
    }

    /// Appends an ER TPDU with `cause` and closes.
    pub(super) fn error_request(&mut self, cause: u8, out: &mut Vec<u8>) {
        if self.state != State::Closed {
            tpdu::push_error(out, self.peer_reference, cause);
        }
        self.state = State::Closed;
    }

    /// Closes without a word.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// User data that fits one DT TPDU, octets.
    pub(super) fn content_size_max(&self) -> usize {
        self.tpdu_size - DT_HEADER_SIZE
    }

    /// Appends `tsdu` in as many DT TPDUs as it takes.
    pub(super) fn push_tsdu(&self, tsdu: &[u8], out: &mut Vec<u8>) {
        let mut chunks = tsdu.chunks(self.content_size_max()).peekable();
        while let Some(chunk) = chunks.next() {
            out.extend_from_slice(&data_header(chunk.len(), chunks.peek().is_none()));
            out.extend_from_slice(chunk);
        }
    }
}

/// TPKT and DT header in front of `content_size` octets of user data.
pub(super) fn data_header(content_size: usize, end: bool) -> [u8; 7] {
    let [version, reserved, high, low] = tpkt::header(content_size + DT_HEADER_SIZE);
    [version, reserved, high, low, 2, tpdu::DT, if end { 0x80 } else { 0 }]
}

fn invalid(what: &'static str) -> Error {
    Error::PduInvalid { layer: Layer::Transport, what }
}

fn unsupported(what: &'static str, reason: u8) -> Error {
    Error::Unsupported { layer: Layer::Transport, what, reason }
}
