//! Sending one transfer: pieces, synchronization points, segments, TPDUs (X.228 8.4 (unverified)).
//!
//! The transfer's size is known from the start, so every length is written before the data it counts
//! and data never waits: RTTR of a checkpoint interval, presentation header, session segments of the
//! negotiated TSDU size, DT TPDUs; the data itself goes by lease. In X.410 mode the RTTR and its header
//! fall away, and the octets are the SSDU. A transfer that was broken off goes on behind a checkpoint.
//!
//! Invariants: at most window + 1 checkpoint intervals are outstanding, and at most window minor
//! synchronization points; what is queued here is bounded by `TRANSFER_QUEUED_SIZE_MAX`.

use crate::base::buffer::Lease;
use crate::base::limits::TRANSFER_QUEUED_SIZE_MAX;
use crate::base::transmit::Transmit;
use crate::osi::presentation::Contexts;
use crate::osi::presentation::data::transfer_header;
use crate::osi::session::machine::Event;
use crate::osi::session::{
    ActivityIdentifier, ENCLOSURE_BEGINNING, ENCLOSURE_END, Session, ShortTsdu, activity,
};
use crate::osi::transport::{Transport, data_header};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Octets of GIVE TOKENS and DATA TRANSFER with enclosure item.
const SEGMENT_HEADER_SIZE: usize = 7;

/// The sending half of the association's transfers; reused from one to the next.
#[derive(Debug, Default)]
pub(in crate::osi) struct Outgoing {
    /// Octets of the whole transfer, taken from the user, and sent.
    size: usize,
    given: usize,
    sent: usize,
    queue: VecDeque<Lease>,
    queued: usize,
    /// Octets of one RTTR: the checkpoint interval, or everything.
    piece_size: usize,
    checkpointed: bool,
    activity_number: u32,
    window_size: u32,
    /// The context of the RTTRs; none in X.410 mode.
    context: Option<u32>,
    /// The checkpoint behind which it began, and the octets before it: both 0 unless it was resumed.
    first: (u32, usize),
    /// Neither confirmed nor given up.
    unfinished: bool,
    start_due: bool,
    sync_due: bool,
    end_due: bool,
    begun: bool,
    /// The SSDU under way: its presentation header and what is sent of it, all its octets and those not
    /// yet sent.
    header: SmallVec<[u8; 40]>,
    header_sent: usize,
    ssdu_size: usize,
    ssdu_remaining: usize,
    /// User information left in the TSDU under way.
    tsdu_remaining: usize,
    tsdu_open: bool,
}

impl Outgoing {
    /// Begins a transfer of `size` octets; `checkpoint_size_kib` 0 sends no synchronization points.
    pub(in crate::osi) fn start(
        &mut self,
        size: usize,
        checkpoint_size_kib: u32,
        window_size: u32,
        contexts: Option<Contexts>,
    ) {
        self.clear();
        self.size = size;
        self.first = (0, 0);
        self.unfinished = true;
        self.checkpointed = checkpoint_size_kib > 0;
        self.piece_size =
            if self.checkpointed { checkpoint_size_kib as usize * 1024 } else { size };
        self.window_size = window_size;
        self.context = contexts.map(|contexts| contexts.rtse);
        self.activity_number = self.activity_number.wrapping_add(1).max(1);
        self.start_due = true;
        self.end_due = true;
    }

    /// Has the transfer just begun go on behind `checkpoint`, before which stand `octets`; its ACTIVITY
    /// RESUME is sent elsewhere.
    pub(in crate::osi) fn resume(&mut self, checkpoint: u32, octets: usize) {
        self.first = (checkpoint, octets);
        (self.given, self.sent) = (octets, octets);
        self.start_due = false;
    }

    /// Sends no more of the transfer under way. What it was is still known, until the next one.
    pub(in crate::osi) fn clear(&mut self) {
        self.queue.clear();
        self.header.clear();
        (self.given, self.sent, self.queued) = (0, 0, 0);
        (self.header_sent, self.ssdu_remaining, self.tsdu_remaining) = (0, 0, 0);
        (self.start_due, self.sync_due) = (false, false);
        (self.begun, self.tsdu_open) = (false, false);
    }

    /// The transfer under way is confirmed or given up.
    pub(in crate::osi) fn finish(&mut self) {
        self.clear();
        self.unfinished = false;
    }

    /// Whether there is a transfer that is neither confirmed nor given up.
    pub(in crate::osi) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Octets of the whole transfer.
    pub(in crate::osi) fn size(&self) -> usize {
        self.size
    }

    /// Whether the activity end was sent.
    pub(in crate::osi) fn end_sent(&self) -> bool {
        !self.end_due
    }

    /// The activity's identifier.
    pub(in crate::osi) fn activity(&self) -> ActivityIdentifier {
        ActivityIdentifier::of_number(self.activity_number)
    }

    /// Octets before the synchronization point `serial`.
    pub(in crate::osi) fn octets_before(&self, serial: u32) -> usize {
        let (first, octets) = self.first;
        let intervals = serial.saturating_sub(first) as usize;
        intervals.saturating_mul(self.piece_size).saturating_add(octets).min(self.size)
    }

    /// Whether part of a TSDU went out and the rest did not.
    pub(in crate::osi) fn tsdu_open(&self) -> bool {
        self.tsdu_open
    }

    /// Whether its ACTIVITY START did not go out yet.
    pub(in crate::osi) fn start_is_due(&self) -> bool {
        self.start_due
    }

    /// Octets that are taken now, when `confirmed` synchronization points are confirmed.
    pub(in crate::osi) fn wanted(&self, confirmed: u32) -> usize {
        let allowed = if self.checkpointed {
            self.octets_before(confirmed.saturating_add(self.window_size).saturating_add(1))
        } else {
            self.size
        };
        let room = TRANSFER_QUEUED_SIZE_MAX.saturating_sub(self.queued);
        allowed.saturating_sub(self.given).min(room)
    }

    /// Takes the next octets; what exceeds the transfer's size is cut off.
    pub(in crate::osi) fn give(&mut self, lease: Lease) {
        let count = lease.len().min(self.size - self.given);
        if count > 0 {
            self.given += count;
            self.queued += count;
            self.queue.push_back(if count == lease.len() { lease } else { lease.slice(0..count) });
        }
    }

    /// Appends all that can go now; `true` once the activity end is among it.
    pub(in crate::osi) fn transmit(
        &mut self,
        session: &mut Session,
        transport: &Transport,
        transmit: &mut Transmit,
    ) -> bool {
        let push = |transmit: &mut Transmit, tsdu: &ShortTsdu| {
            transmit.push_owned(&data_header(tsdu.len(), true));
            transmit.push_owned(tsdu);
        };
        if self.start_due {
            self.start_due = false;
            push(transmit, &activity::activity_start(self.activity()));
        }
        while self.unfinished && self.end_due {
            if self.ssdu_remaining > 0 {
                if !self.transmit_tpdu(session, transport, transmit) {
                    return false;
                }
                continue;
            }
            if self.sync_due {
                if session.sync_points_outstanding() >= self.window_size {
                    return false;
                }
                if let Some(serial) = session.serial_number_take() {
                    push(transmit, &activity::minor_sync_point(serial));
                }
                self.sync_due = false;
            }
            if self.begun && self.sent == self.size {
                self.end_due = false;
                let serial = session.serial_number_take().unwrap_or_default();
                push(transmit, &activity::activity_end(serial));
                session.request(Event::ActivityEndRequest);
                return true;
            }
            if self.queued == 0 && self.size > 0 {
                return false;
            }
            let piece = self.piece_size.min(self.size - self.sent);
            self.header =
                self.context.map(|context| transfer_header(context, piece)).unwrap_or_default();
            self.header_sent = 0;
            self.ssdu_size = self.header.len() + piece;
            self.ssdu_remaining = self.ssdu_size;
            self.begun = true;
        }
        false
    }

    /// Appends one DT TPDU of the RTTR under way; `false` when no data is at hand.
    fn transmit_tpdu(
        &mut self,
        session: &Session,
        transport: &Transport,
        transmit: &mut Transmit,
    ) -> bool {
        let header_remaining = self.header.len() - self.header_sent;
        let available = (header_remaining + self.queued).min(self.ssdu_remaining);
        if available == 0 {
            return false;
        }
        let mut spdu = ShortTsdu::new();
        if !self.tsdu_open {
            spdu = self.begin_tsdu(session.tsdu_size_send());
        }
        let room = transport.content_size_max() - spdu.len();
        let count = room.min(self.tsdu_remaining).min(available);
        let end = count == self.tsdu_remaining;
        transmit.push_owned(&data_header(spdu.len() + count, end));
        transmit.push_owned(&spdu);

        let from_header = count.min(header_remaining);
        let header = &self.header[self.header_sent..self.header_sent + from_header];
        transmit.push_owned(header);
        self.header_sent += from_header;
        self.push_data(count - from_header, transmit);

        self.tsdu_remaining -= count;
        self.ssdu_remaining -= count;
        self.tsdu_open = !end;
        if self.ssdu_remaining == 0 {
            self.sync_due = self.checkpointed && self.sent < self.size;
        }
        true
    }

    /// Opens the next TSDU: GIVE TOKENS and DATA TRANSFER.
    fn begin_tsdu(&mut self, tsdu_size_max: u16) -> ShortTsdu {
        if tsdu_size_max == 0 {
            self.tsdu_remaining = self.ssdu_remaining;
            return activity::data_transfer(None);
        }
        let room = usize::from(tsdu_size_max) - SEGMENT_HEADER_SIZE;
        self.tsdu_remaining = self.ssdu_remaining.min(room);
        let mut enclosure = 0;
        if self.ssdu_remaining == self.ssdu_size {
            enclosure |= ENCLOSURE_BEGINNING;
        }
        if self.tsdu_remaining == self.ssdu_remaining {
            enclosure |= ENCLOSURE_END;
        }
        activity::data_transfer(Some(enclosure))
    }

    fn push_data(&mut self, mut count: usize, transmit: &mut Transmit) {
        self.sent += count;
        self.queued -= count;
        while count > 0 {
            let Some(lease) = self.queue.pop_front() else { return };
            if lease.len() <= count {
                count -= lease.len();
                transmit.push_leased(lease);
            } else {
                transmit.push_leased(lease.slice(0..count));
                self.queue.push_front(lease.slice(count..lease.len()));
                count = 0;
            }
        }
    }
}
