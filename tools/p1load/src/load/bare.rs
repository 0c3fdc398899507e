//! The floor's frames as a [`Wire`]: transfers are a prebuilt frame with the number written over.

use std::rc::Rc;

use super::{Event, Protocol, Wire};
use crate::frame::{FRAME_HEAD_SIZE, FrameReader, frame_head};

/// Frames of one size.
#[derive(Debug, Clone)]
pub(crate) struct Bare {
    filling: Rc<[u8]>,
    confirmation_size: usize,
}

impl Bare {
    /// Transfers of `size` octets, which are confirmed by `confirmation_size` octets.
    pub(crate) fn new(size: usize, confirmation_size: usize) -> Bare {
        let filling = (0..size.saturating_sub(FRAME_HEAD_SIZE)).map(|at| b' ' + (at % 90) as u8);
        Bare { filling: filling.collect(), confirmation_size }
    }

    fn wire(&self) -> BareWire {
        BareWire {
            filling: Rc::clone(&self.filling),
            confirmation_size: self.confirmation_size,
            reader: FrameReader::default(),
            received: 0,
            is_source: false,
            is_over: false,
            transfer: None,
            confirmations: Vec::new(),
        }
    }
}

impl Protocol for Bare {
    type Wire = BareWire;

    fn source(&self) -> BareWire {
        BareWire { is_source: true, ..self.wire() }
    }

    fn sink(&self) -> BareWire {
        self.wire()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct BareWire {
    filling: Rc<[u8]>,
    confirmation_size: usize,
    reader: FrameReader,
    /// Octets of the confirmation that comes in.
    received: usize,
    is_source: bool,
    is_over: bool,
    transfer: Option<u64>,
    confirmations: Vec<u64>,
}

impl Wire for BareWire {
    fn begin(&mut self, events: &mut Vec<Event>) {
        if self.is_source {
            events.push(Event::Ready);
        }
    }

    fn receive(&mut self, mut octets: &[u8], events: &mut Vec<Event>) -> anyhow::Result<()> {
        if self.is_source {
            self.received += octets.len();
            anyhow::ensure!(self.received <= self.confirmation_size, "confirmed what was not sent");
            if self.received == self.confirmation_size {
                self.received = 0;
                events.push(Event::Confirmed);
            }
            return Ok(());
        }
        while !octets.is_empty() {
            if self.reader.is_between() {
                events.push(Event::Began);
            }
            let (count, number) = self.reader.take(octets);
            octets = &octets[count..];
            if let Some(number) = number {
                events.push(Event::Arrived(number));
                self.confirmations.push(number);
            }
        }
        Ok(())
    }

    fn transfer(&mut self, number: u64) {
        self.transfer = Some(number);
    }

    fn release(&mut self) {
        self.is_over = true;
    }

    fn transmit(&mut self, out: &mut Vec<u8>) {
        if let Some(number) = self.transfer.take() {
            out.extend_from_slice(&frame_head(self.filling.len() + FRAME_HEAD_SIZE, number));
            out.extend_from_slice(&self.filling);
        }
        for number in self.confirmations.drain(..) {
            out.extend_from_slice(&number.to_le_bytes());
            out.resize(out.len() + self.confirmation_size - 8, 0);
        }
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
