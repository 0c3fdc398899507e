//! A send under way in the ring: its gather list, and what the kernel still holds of it.
//!
//! The gather list and message header must not move until the operation's completion, so they live in
//! a box that is used again and again. With zero copy the transmission's octets must not change until
//! the kernel's notification, which may come long after the completion: then the box lingers, and
//! the caller gets another, empty transmission back. The notification tells whether the kernel had to
//! copy after all, as it must towards a socket of the same machine: then zero copy only costs.

use std::ptr;

use io_uring::{opcode, squeue};

use super::super::{Socket, Token};
use super::ring::FileName;
use crate::base::limits::{SEND_SLICE_COUNT_MAX, ZERO_COPY_SEND_SIZE_MIN};
use crate::base::transmit::Transmit;

/// Asks for notifications that tell whether octets were copied (IORING_SEND_ZC_REPORT_USAGE).
const REPORT_USAGE: u16 = 1 << 3;
/// The notification's answer that they were (IORING_NOTIF_USAGE_ZC_COPIED).
const USAGE_COPIED: u32 = 1 << 31;

/// Whether a notification says that the kernel had to copy.
pub(super) fn was_copied(notification_result: i32) -> bool {
    notification_result.cast_unsigned() & USAGE_COPIED != 0
}

/// What becomes of a send after a completion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More octets are to go.
    Again,
    /// All octets are with the kernel.
    Sent,
    /// It failed with this error number.
    Failed(i32),
}

pub(super) struct Sending {
    pub(super) token: Token,
    pub(super) socket: Socket,
    pub(super) transmit: Transmit,
    sent: usize,
    zero_copy: bool,
    /// Completions were all delivered; only notifications are due.
    pub(super) finished: bool,
    pub(super) notifications_due: u32,
    header: libc::msghdr,
    slices: [libc::iovec; SEND_SLICE_COUNT_MAX],
}

impl Sending {
    pub(super) fn new() -> Sending {
        const NOTHING: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Sending {
            token: Token(0),
            socket: Socket { slot: 0, generation: 0 },
            transmit: Transmit::new(),
            sent: 0,
            zero_copy: false,
            finished: false,
            notifications_due: 0,
            // SAFETY: null pointers and zero counts are a message header without anything.
            header: unsafe { std::mem::zeroed() },
            slices: [NOTHING; SEND_SLICE_COUNT_MAX],
        }
    }

    /// Begins another send in the same box.
    pub(super) fn begin(
        &mut self,
        token: Token,
        socket: Socket,
        transmit: Transmit,
        zero_copy: bool,
    ) {
        (self.token, self.socket, self.transmit) = (token, socket, transmit);
        (self.sent, self.zero_copy) = (0, zero_copy);
        (self.finished, self.notifications_due) = (false, 0);
    }

    /// The submission for what is left, up to a gather list's length; valid while the box stays.
    pub(super) fn entry(&mut self, name: FileName) -> squeue::Entry {
        let (mut before, mut count, mut size) = (self.sent, 0, 0);
        for slice in self.transmit.slices() {
            let skipped = before.min(slice.len());
            before -= skipped;
            if skipped < slice.len() {
                let rest = &slice[skipped..];
                self.slices[count] =
                    libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() };
                (count, size) = (count + 1, size + rest.len());
                if count == SEND_SLICE_COUNT_MAX {
                    break;
                }
            }
        }
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = count;
        let header = ptr::from_ref(&self.header);
        // The kernel goes on by itself after a short send.
        let flags = (libc::MSG_NOSIGNAL | libc::MSG_WAITALL) as u32;
        let number = name.number();
        self.zero_copy &= size >= ZERO_COPY_SEND_SIZE_MIN;
        let entry = if self.zero_copy {
            opcode::SendMsgZc::new(number, header).flags(flags).ioprio(REPORT_USAGE).build()
        } else if count == 1 {
            // Without header and list to copy in: most sends are one stretch.
            let only = self.slices[0];
            opcode::Send::new(number, only.iov_base.cast(), only.iov_len as u32)
                .flags(flags.cast_signed())
                .build()
        } else {
            opcode::SendMsg::new(number, header).flags(flags).build()
        };
        entry.flags(name.flags())
    }

    /// Takes a completion that is not a notification.
    pub(super) fn advance(&mut self, result: i32, notification_follows: bool) -> Progress {
        self.notifications_due += u32::from(notification_follows);
        if let Ok(count) = usize::try_from(result) {
            self.sent += count;
            let all = self.sent >= self.transmit.size();
            return if all { Progress::Sent } else { Progress::Again };
        }
        match -result {
            // Pinned memory is bounded for the unprivileged; some sockets have no zero copy, some
            // kernels no report of it.
            libc::ENOMEM | libc::ENOBUFS | libc::EOPNOTSUPP | libc::EINVAL if self.zero_copy => {
                self.zero_copy = false;
                Progress::Again
            }
            libc::EINTR | libc::EAGAIN => Progress::Again,
            error => Progress::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Lease;

    fn sending(octets: &[u8], zero_copy: bool) -> Sending {
        let mut transmit = Transmit::new();
        octets.chunks(8192).for_each(|octets| transmit.push_leased(Lease::copied(octets)));
        let mut sending = Sending::new();
        sending.begin(Token(1), Socket { slot: 0, generation: 0 }, transmit, zero_copy);
        sending
    }

    #[test]
    fn goes_on_where_the_kernel_stopped() {
        let mut sending = sending(&[1; 20_000], false);
        sending.entry(FileName::Descriptor(0));
        assert_eq!(sending.header.msg_iovlen, 3);
        assert_eq!(sending.advance(8192 + 100, false), Progress::Again);
        sending.entry(FileName::Descriptor(0));
        assert_eq!((sending.header.msg_iovlen, sending.slices[0].iov_len), (2, 8092));
        assert_eq!(sending.advance(20_000 - 8292, false), Progress::Sent);
        assert_eq!(sending.notifications_due, 0);
    }

    #[test]
    fn falls_back_to_copying_and_counts_notifications() {
        let mut sending = sending(&[1; 200_000], true);
        sending.entry(FileName::Descriptor(0));
        assert_eq!(sending.advance(100_000, true), Progress::Again);
        assert_eq!(sending.advance(-libc::ENOMEM, false), Progress::Again);
        assert!(!sending.zero_copy);
        assert_eq!(sending.advance(-libc::ENOMEM, false), Progress::Failed(libc::ENOMEM));
        assert_eq!(sending.notifications_due, 1);
        assert!(was_copied(i32::MIN) && !was_copied(0));
    }
}
