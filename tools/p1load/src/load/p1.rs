//! P1 over the library's stack as a [`Wire`]: transfers are a prebuilt MTS-APDU with the last digits of
//! its MTS-identifier written over, arrivals are told apart by these digits.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use p1relay::association::Outgoing;
use p1relay::base::buffer::Fill;
use p1relay::base::transmit::Transmit;
use p1relay::osi::stack::{Indication, Stack, StackConfig};
use p1relay::p1::bind::{self, Bind, Mode};
use p1relay::p1::scan::{Scan, scan};

use super::{Event, Protocol, Wire};

/// Digits of the local identifier that number a message.
const NUMBER_DIGITS: usize = 12;
/// Octets of an arriving transfer in which its identifier is looked for.
const HEAD_SIZE: usize = 1024;

/// An MTS-APDU with the place of its number.
#[derive(Debug)]
struct Message {
    octets: Vec<u8>,
    number_at: usize,
    /// What stands in front of the number, in every message of the run and no other.
    prefix: Vec<u8>,
}

/// Who calls, who is called, and what is sent.
#[derive(Debug, Clone)]
pub(crate) struct P1 {
    config: Arc<StackConfig>,
    message: Rc<Message>,
    source: (String, String),
    sink: (String, String),
}

impl P1 {
    /// Replays `apdu`; names and passwords are those of source and sink.
    ///
    /// # Errors
    /// When it is no MTS-APDU, or its local identifier does not end in twelve digits.
    pub(crate) fn new(
        apdu: &[u8],
        source: (String, String),
        sink: (String, String),
    ) -> anyhow::Result<P1> {
        let mut found = Scan::default();
        scan(apdu, &mut found).context("the message to send")?;
        let identifier = found.mts_identifier.local_identifier.range();
        let number_at = identifier
            .end
            .checked_sub(NUMBER_DIGITS)
            .filter(|at| *at > identifier.start)
            .filter(|at| apdu[*at..identifier.end].iter().all(u8::is_ascii_digit))
            .context("the message's local identifier does not end in twelve digits")?;
        let message = Message {
            octets: apdu.to_vec(),
            number_at,
            prefix: apdu[identifier.start..number_at].to_vec(),
        };
        Ok(P1 { config: Arc::new(StackConfig::default()), message: Rc::new(message), source, sink })
    }

    /// Octets of a transfer and of its confirmation on the wire, once the association stands.
    pub(crate) fn wire_sizes(&self) -> anyhow::Result<(usize, usize)> {
        let (mut source, mut sink) = (self.source(), self.sink());
        let (mut events, mut out) = (Vec::new(), Vec::new());
        let (mut sizes, mut transferring) = ((0, 0), false);
        loop {
            out.clear();
            source.transmit(&mut out);
            sizes.0 += if transferring { out.len() } else { 0 };
            let sent = !out.is_empty();
            sink.receive(&out, &mut events)?;
            out.clear();
            sink.transmit(&mut out);
            sizes.1 += if transferring { out.len() } else { 0 };
            ensure!(sent || !out.is_empty(), "source and sink do not understand each other");
            source.receive(&out, &mut events)?;
            for event in events.drain(..) {
                match event {
                    Event::Ready => {
                        transferring = true;
                        source.transfer(1);
                    }
                    Event::Confirmed => return Ok(sizes),
                    Event::Began | Event::Arrived(_) => {}
                }
            }
        }
    }

    fn wire(&self, stack: Stack, name: &(String, String)) -> P1Wire {
        P1Wire {
            stack,
            name: name.clone(),
            message: Rc::clone(&self.message),
            outgoing: Outgoing::default(),
            transfer: Fill::with_capacity(self.message.octets.len() + 32),
            transmit: Transmit::new(),
            head: Vec::with_capacity(HEAD_SIZE),
            identifier_at: 0,
        }
    }
}

fn shown((name, password): &(String, String)) -> Bind<'_> {
    Bind::Simple { mta_name: name.as_bytes(), password: password.as_bytes() }
}

impl Protocol for P1 {
    type Wire = P1Wire;

    fn source(&self) -> P1Wire {
        let mut argument = Vec::new();
        bind::encode_bind_argument(Mode::Normal, &shown(&self.source), &mut argument);
        self.wire(Stack::initiator(Arc::clone(&self.config), &argument), &self.source)
    }

    fn sink(&self) -> P1Wire {
        self.wire(Stack::responder(Arc::clone(&self.config)), &self.sink)
    }
}

/// One end of an association.
pub(crate) struct P1Wire {
    stack: Stack,
    name: (String, String),
    message: Rc<Message>,
    outgoing: Outgoing,
    /// The transfer going out.
    transfer: Fill,
    transmit: Transmit,
    /// The first octets of the transfer coming in.
    head: Vec<u8>,
    /// Where the last identifier stood in its transfer.
    identifier_at: usize,
}

impl P1Wire {
    /// The number of the message whose first octets are in `head`.
    fn number(&mut self) -> anyhow::Result<u64> {
        let prefix = &self.message.prefix[..];
        let stands_at = |at: usize| self.head.get(at..at + prefix.len()) == Some(prefix);
        if !stands_at(self.identifier_at) {
            self.identifier_at = (0..self.head.len())
                .find(|at| stands_at(*at))
                .context("an arrival without an identifier of this run")?;
        }
        let number_at = self.identifier_at + prefix.len();
        let digits = self.head.get(number_at..number_at + NUMBER_DIGITS).unwrap_or_default();
        Ok(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit & 0x0f)))
    }
}

impl Wire for P1Wire {
    fn begin(&mut self, _events: &mut Vec<Event>) {}

    fn receive(&mut self, octets: &[u8], events: &mut Vec<Event>) -> anyhow::Result<()> {
        let mut input = octets;
        while let Some(indication) = self.stack.poll_indication(&mut input)? {
            match indication {
                Indication::TransferStart => {
                    self.head.clear();
                    events.push(Event::Began);
                }
                Indication::TransferDiscarded => self.head.clear(),
                Indication::TransferData(octets) => {
                    let count = octets.len().min(HEAD_SIZE - self.head.len());
                    self.head.extend_from_slice(&octets[..count]);
                }
                Indication::TransferEnd => {
                    events.push(Event::Arrived(self.number()?));
                    self.stack.transfer_response();
                }
                Indication::TransferConfirm => {
                    self.outgoing.clear();
                    events.push(Event::Confirmed);
                }
                Indication::Bind(_) => {
                    let mut answer = Vec::new();
                    bind::encode_bind_result(Mode::Normal, &shown(&self.name), &mut answer);
                    self.stack.bind_accept(&answer);
                }
                Indication::BindConfirm(_) => events.push(Event::Ready),
                Indication::Release => {
                    self.stack.release_response();
                }
                Indication::ReleaseConfirm => {}
                Indication::TurnPlease(_) => {
                    self.stack.turn_give_request();
                }
                Indication::TurnGiven => {}
                other => bail!("unexpected: {other:?}"),
            }
        }
        self.outgoing.proceed(&mut self.stack);
        Ok(())
    }

    fn transfer(&mut self, number: u64) {
        let Message { octets, number_at, .. } = &*self.message;
        let header = self.stack.negotiated().wrap_header(octets.len());
        if !self.transfer.restart() {
            self.transfer = Fill::with_capacity(octets.len() + header.len());
        }
        let mut digits = [b'0'; NUMBER_DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.transfer.append(&header);
        self.transfer.append(&octets[..*number_at]);
        self.transfer.append(&digits);
        self.transfer.append(&octets[number_at + NUMBER_DIGITS..]);
        let whole = self.transfer.lease(0..self.transfer.filled());
        self.outgoing.start(&mut self.stack, [whole], 0);
    }

    fn release(&mut self) {
        if !self.stack.release_request() {
            self.stack.abort_request(p1relay::osi::rtse::AbortReason::TemporaryProblem);
        }
    }

    fn transmit(&mut self, out: &mut Vec<u8>) {
        self.stack.poll_transmit(&mut self.transmit);
        self.transmit.slices().for_each(|slice| out.extend_from_slice(slice));
        self.transmit.clear();
    }

    fn is_over(&self) -> bool {
        self.stack.is_closed()
    }
}
