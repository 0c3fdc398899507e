//! Two stacks in memory, and foreign octets out of captures.

use p1relay::base::buffer::Lease;
use p1relay::base::transmit::Transmit;
use p1relay::osi::error::Error;
use p1relay::osi::rtse::{DialogueMode, RtseConfig};
use p1relay::osi::session::SessionConfig;
use p1relay::osi::stack::recovery::{ResumeResponse, TransferResumption};
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use p1relay::osi::transport::TransportConfig;
use std::sync::Arc;

pub(crate) const BIND_ARGUMENT: &[u8] = &[0xb0, 4, 0xa1, 2, 0x80, 0];
pub(crate) const BIND_RESULT: &[u8] = &[0xb1, 4, 0xa1, 2, 0x80, 0];

/// Octets that differ from their neighbours.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 7 + index / 251) as u8).collect()
}

pub(crate) fn config(
    tpdu_size: usize,
    tsdu_size: u16,
    checkpoint_size_kib: u32,
) -> Arc<StackConfig> {
    Arc::new(StackConfig {
        transport: TransportConfig { tpdu_size_max: tpdu_size, ..TransportConfig::default() },
        session: SessionConfig { tsdu_size_max: tsdu_size, ..SessionConfig::default() },
        rtse: RtseConfig {
            checkpoint_size_kib,
            window_size: 3,
            dialogue_mode: DialogueMode::TwoWayAlternate,
            ..RtseConfig::default()
        },
        ..StackConfig::default()
    })
}

/// The same, in one application context alone.
pub(crate) fn in_context(
    context: ApplicationContext,
    config: &Arc<StackConfig>,
) -> Arc<StackConfig> {
    Arc::new(StackConfig {
        application_context: context,
        accepted_application_contexts: vec![context],
        ..(**config).clone()
    })
}

/// What came of an indication, data put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Indication(Indication<'static>),
    Data(Vec<u8>),
}

/// One end, with a user that accepts everything.
pub(crate) struct Side {
    pub(crate) stack: Stack,
    pub(crate) seen: Vec<Seen>,
    pub(crate) sent: Vec<u8>,
    pub(crate) error: Option<Error>,
    outgoing: Vec<u8>,
    given: usize,
    pub(crate) answers: bool,
    /// The answer to a resumption.
    pub(crate) resume: Option<ResumeResponse>,
}

impl Side {
    pub(crate) fn new(stack: Stack) -> Side {
        Side {
            stack,
            seen: Vec::new(),
            sent: Vec::new(),
            error: None,
            outgoing: Vec::new(),
            given: 0,
            answers: true,
            resume: None,
        }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        assert!(self.stack.transfer_request(octets.len()), "{}", self.stack.state_name());
        self.outgoing = octets.to_vec();
        self.given = 0;
    }

    /// Goes on with a transfer of `octets`.
    pub(crate) fn resume(&mut self, resumption: &TransferResumption, octets: &[u8]) {
        assert!(self.stack.transfer_resume_request(resumption), "{}", self.stack.state_name());
        self.outgoing = octets.to_vec();
        self.given = resumption.octets_confirmed;
    }

    /// Everything there is to send.
    pub(crate) fn transmit(&mut self) -> Vec<u8> {
        let mut transmit = Transmit::new();
        loop {
            let wanted = self.stack.transfer_wanted().min(self.outgoing.len() - self.given);
            if wanted > 0 {
                let lease = Lease::copied(&self.outgoing[self.given..self.given + wanted]);
                self.stack.transfer_data(lease);
                self.given += wanted;
            }
            if !self.stack.poll_transmit(&mut transmit) && wanted == 0 {
                break;
            }
        }
        let octets = transmit.to_vec();
        self.sent.extend_from_slice(&octets);
        octets
    }

    /// Takes received octets in pieces of `step` at most.
    pub(crate) fn receive(&mut self, octets: &[u8], step: usize) {
        for piece in octets.chunks(step) {
            let mut input = piece;
            while self.error.is_none() {
                match self.stack.poll_indication(&mut input) {
                    Ok(Some(indication)) => self.take(indication),
                    Ok(None) => {
                        assert!(input.is_empty());
                        break;
                    }
                    Err(error) => self.error = Some(error),
                }
            }
        }
    }

    fn take(&mut self, indication: Indication<'_>) {
        let owned = match indication {
            Indication::TransferData(octets) => {
                match self.seen.last_mut() {
                    Some(Seen::Data(data)) => data.extend_from_slice(octets),
                    _ => self.seen.push(Seen::Data(octets.to_vec())),
                }
                return;
            }
            Indication::Bind(bind) => Indication::Bind(bind),
            Indication::BindConfirm(result) => Indication::BindConfirm(result),
            Indication::Recover(recover) => Indication::Recover(recover),
            Indication::RecoverConfirm => Indication::RecoverConfirm,
            Indication::TransferResume(resume) => Indication::TransferResume(resume),
            Indication::TransferResumeRefused => Indication::TransferResumeRefused,
            Indication::TransferInterrupted(partial) => Indication::TransferInterrupted(partial),
            Indication::TransferInterruptConfirm(resumption) => {
                Indication::TransferInterruptConfirm(resumption)
            }
            Indication::TransferDiscardConfirm => Indication::TransferDiscardConfirm,
            Indication::BindRefused(refusal) => Indication::BindRefused(refusal),
            Indication::TransferStart => Indication::TransferStart,
            Indication::TransferEnd => Indication::TransferEnd,
            Indication::TransferDiscarded => Indication::TransferDiscarded,
            Indication::TransferConfirm => Indication::TransferConfirm,
            Indication::TransferRefused(refusal) => Indication::TransferRefused(refusal),
            Indication::TurnPlease(priority) => Indication::TurnPlease(priority),
            Indication::TurnGiven => Indication::TurnGiven,
            Indication::Release => Indication::Release,
            Indication::ReleaseConfirm => Indication::ReleaseConfirm,
            Indication::Abort(abort) => Indication::Abort(abort),
        };
        if self.answers {
            match &owned {
                Indication::Bind(_) => assert!(self.stack.bind_accept(BIND_RESULT)),
                Indication::TransferEnd => assert!(self.stack.transfer_response()),
                Indication::TransferResume(_) => {
                    let response = self.resume.expect("an answer");
                    assert!(self.stack.transfer_resume_response(response));
                }
                Indication::Release => assert!(self.stack.release_response()),
                _ => {}
            }
        }
        self.seen.push(Seen::Indication(owned));
    }

    pub(crate) fn last(&self) -> Option<&Indication<'static>> {
        self.seen.iter().rev().find_map(|seen| match seen {
            Seen::Indication(indication) => Some(indication),
            Seen::Data(_) => None,
        })
    }

    /// All transferred octets, in order.
    pub(crate) fn data(&self) -> Vec<u8> {
        let data = self.seen.iter().filter_map(|seen| match seen {
            Seen::Data(data) => Some(&data[..]),
            Seen::Indication(_) => None,
        });
        data.collect::<Vec<_>>().concat()
    }
}

/// Carries octets to and fro, in pieces of `step`, until both are silent.
pub(crate) fn pump(a: &mut Side, b: &mut Side, step: usize) {
    loop {
        let there = a.transmit();
        b.receive(&there, step);
        let back = b.transmit();
        a.receive(&back, step);
        if there.is_empty() && back.is_empty() {
            return;
        }
    }
}

/// Two ends that are bound.
pub(crate) fn bound(config: &Arc<StackConfig>, step: usize) -> (Side, Side) {
    let mut a = Side::new(Stack::initiator(Arc::clone(config), BIND_ARGUMENT));
    let mut b = Side::new(Stack::responder(Arc::clone(config)));
    pump(&mut a, &mut b, step);
    assert_eq!((&a.error, &b.error), (&None, &None));
    assert_eq!(a.last(), Some(&Indication::BindConfirm(BIND_RESULT.to_vec())));
    (a, b)
}

/// TCP payloads of a capture (pcap, Ethernet, IPv4, loopback: no loss, no reordering), towards the
/// server and back, each in the order they were sent.
pub(crate) struct Capture {
    pub(crate) to_server: Vec<Vec<u8>>,
    pub(crate) to_client: Vec<Vec<u8>>,
}

pub(crate) fn capture(name: &str) -> Capture {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1], "a little-endian pcap");
    let number = |at: usize| file[at..at + 4].iter().rev().fold(0, |n, o| n << 8 | usize::from(*o));
    assert_eq!(number(20), 1, "Ethernet");
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let mut at = 24;
    while at < file.len() {
        let size = number(at + 8);
        let frame = &file[at + 16..at + 16 + size];
        at += 16 + size;
        let ip = &frame[14..];
        let ip_header = usize::from(ip[0] & 0xf) * 4;
        let ip_size = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let tcp = &ip[ip_header..ip_size];
        let payload = &tcp[usize::from(tcp[12] >> 4) * 4..];
        if !payload.is_empty() {
            let port = u16::from_be_bytes([tcp[2], tcp[3]]);
            let side = if port < 30_000 { &mut to_server } else { &mut to_client };
            side.push(payload.to_vec());
        }
    }
    Capture { to_server, to_client }
}
