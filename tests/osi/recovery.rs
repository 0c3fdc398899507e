//! Connections that break: whatever is lost, a message arrives exactly once, and little of it travels
//! twice. Interrupts, discards, and resumptions that the other side does not know.

use crate::support::{Seen, Side, bound, config, in_context, pattern, pump};
use p1relay::base::buffer::Lease;
use p1relay::base::transmit::Transmit;
use p1relay::osi::error::Layer;
use p1relay::osi::rtse::{AbortReason, DialogueMode, RefuseReason, TransferRefusal, Turn};
use p1relay::osi::session::SessionConnectionIdentifier;
use p1relay::osi::stack::recovery::{
    ActivityName, PartialTransfer, ResumeIndication, ResumeResponse, TransferResumption,
};
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use std::collections::HashSet;
use std::sync::Arc;

const WINDOW_SIZE: usize = 3;

fn identifier(number: u8) -> SessionConnectionIdentifier {
    SessionConnectionIdentifier {
        calling_user_reference: vec![0x04, 2, b'a', number],
        common_reference: b"\x17\x0d261124100000Z".to_vec(),
        additional_reference: vec![0x14, 1, b'x'],
    }
}

/// The name of the peer's activity that began last.
fn name_of(stack: &Stack) -> ActivityName {
    ActivityName {
        connection: stack.session_connection_identifier().clone(),
        activity: stack.transfer_activity(),
    }
}

/// The sending relay: keeps the message and, when a connection broke, what to resume it by.
struct Sender {
    message: Vec<u8>,
    given: usize,
    sent: usize,
    resumption: Option<TransferResumption>,
    confirmed: usize,
}

/// The receiving relay: keeps the names of what it completed, and a broken connection's octets.
#[derive(Default)]
struct Receiver {
    completed: HashSet<ActivityName>,
    partial: Option<(PartialTransfer, Vec<u8>)>,
    octets: Vec<u8>,
    arrived: Vec<Vec<u8>>,
}

impl Receiver {
    fn resume(&mut self, resume: &ResumeIndication) -> ResumeResponse {
        self.octets.clear();
        if self.completed.contains(&resume.name) {
            return ResumeResponse::Completed;
        }
        if let Some((partial, octets)) = self.partial.take()
            && partial.is_named(&resume.name)
            && let Some(count) = partial.octets_before(resume.checkpoint)
        {
            self.octets = octets[..count].to_vec();
            return ResumeResponse::Continue { octets: count };
        }
        match resume.checkpoint {
            0 => ResumeResponse::Continue { octets: 0 },
            _ => ResumeResponse::Unrecognized,
        }
    }

    fn take(&mut self, stack: &mut Stack, octets: &[u8]) {
        let mut input = octets;
        while let Some(indication) = stack.poll_indication(&mut input).expect("honest octets") {
            match indication {
                Indication::Bind(_) => assert!(stack.bind_accept(&[0xb1, 0])),
                Indication::Recover(recover) => {
                    assert!(!recover.recovered.is_empty());
                    assert!(stack.recover_accept());
                }
                Indication::TransferStart => self.octets.clear(),
                Indication::TransferResume(resume) => {
                    let response = self.resume(&resume);
                    assert!(stack.transfer_resume_response(response));
                }
                Indication::TransferData(octets) => self.octets.extend_from_slice(octets),
                Indication::TransferEnd => {
                    self.arrived.push(std::mem::take(&mut self.octets));
                    self.completed.insert(name_of(stack));
                    self.completed.extend(stack.transfer_resumed().cloned());
                    assert!(stack.transfer_response());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Sender {
    fn take(&mut self, stack: &mut Stack, octets: &[u8]) {
        let mut input = octets;
        while let Some(indication) = stack.poll_indication(&mut input).expect("honest octets") {
            match indication {
                Indication::BindConfirm(_) => {
                    assert!(stack.transfer_request(self.message.len()));
                    self.given = 0;
                }
                Indication::RecoverConfirm => {
                    let resumption = self.resumption.clone().expect("something to resume");
                    assert!(stack.transfer_resume_request(&resumption));
                    self.given = resumption.octets_confirmed;
                }
                Indication::TransferConfirm => self.confirmed += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    fn transmit(&mut self, stack: &mut Stack) -> Vec<u8> {
        let mut transmit = Transmit::new();
        loop {
            let wanted = stack.transfer_wanted();
            if wanted > 0 {
                let lease = Lease::copied(&self.message[self.given..self.given + wanted]);
                stack.transfer_data(lease);
                self.given += wanted;
                self.sent += wanted;
            }
            if !stack.poll_transmit(&mut transmit) && wanted == 0 {
                return transmit.to_vec();
            }
        }
    }
}

/// The TPKTs of a transmission.
fn packets(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while octets.len() >= 4 {
        let size = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        let (packet, rest) = octets.split_at(size);
        packets.push(packet);
        octets = rest;
    }
    packets
}

/// Carries packets to and fro until nothing moves, or `budget` packets were carried and half of one
/// more; then the connection breaks. Whether it stood to the end.
fn carry(
    (sender, a): (&mut Sender, &mut Stack),
    (receiver, b): (&mut Receiver, &mut Stack),
    budget: &mut usize,
) -> bool {
    loop {
        let there = sender.transmit(a);
        for packet in packets(&there) {
            if *budget == 0 {
                receiver.take(b, &packet[..packet.len() / 2]);
                return false;
            }
            *budget -= 1;
            receiver.take(b, packet);
        }
        let mut transmit = Transmit::new();
        b.poll_transmit(&mut transmit);
        let back = transmit.to_vec();
        for packet in packets(&back) {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            sender.take(a, packet);
        }
        if there.is_empty() && back.is_empty() {
            return true;
        }
    }
}

/// A transfer whose connection breaks after so many packets, and whose recovery breaks after so many;
/// the third connection stands. How many connections it took.
fn life(config: &Arc<StackConfig>, size: usize, breaks: [usize; 2]) -> usize {
    let message = pattern(size);
    let mut sender =
        Sender { message: message.clone(), given: 0, sent: 0, resumption: None, confirmed: 0 };
    let mut receiver = Receiver::default();
    let interval = config.rtse.checkpoint_size_kib as usize * 1024;
    let mut connections = 0;
    for (number, mut budget) in breaks.into_iter().chain([usize::MAX]).enumerate() {
        let mut a = match sender.resumption {
            None => Stack::initiator_of(Arc::clone(config), &[0xb0, 0], identifier(number as u8)),
            Some(_) => Stack::initiator_recovering(
                Arc::clone(config),
                identifier(number as u8 - 1),
                identifier(number as u8),
            ),
        };
        let mut b = Stack::responder(Arc::clone(config));
        // The bind itself is not cut: no transfer is begun by it.
        for _ in 0..2 {
            let there = sender.transmit(&mut a);
            receiver.take(&mut b, &there);
            let mut transmit = Transmit::new();
            b.poll_transmit(&mut transmit);
            sender.take(&mut a, &transmit.to_vec());
        }
        let sent_before = sender.sent;
        connections += 1;
        let whole = carry((&mut sender, &mut a), (&mut receiver, &mut b), &mut budget);
        if let Some(resumption) = &sender.resumption {
            assert!(sender.sent - sent_before <= size - resumption.octets_confirmed);
        }
        if whole {
            break;
        }
        if let Some(resumption) = a.transfer_resumption() {
            if interval > 0 {
                let unconfirmed = sender.given - resumption.octets_confirmed;
                assert!(unconfirmed <= (WINDOW_SIZE + 1) * interval, "{unconfirmed}");
            }
            sender.resumption = Some(resumption);
        } else if sender.confirmed > 0 {
            break;
        }
        // A connection on which nothing was begun does not make the earlier one forgotten.
        if let Some(partial) = b.transfer_partial() {
            receiver.partial = Some((partial, std::mem::take(&mut receiver.octets)));
        }
    }
    assert_eq!(sender.confirmed, 1, "{breaks:?}");
    assert!(receiver.arrived == [message], "{breaks:?}: {} times", receiver.arrived.len());
    connections
}

fn recovering(context: ApplicationContext, checkpoint_size_kib: u32) -> Arc<StackConfig> {
    let mut config = (*in_context(context, &config(8192, 0, checkpoint_size_kib))).clone();
    config.rtse.dialogue_mode = DialogueMode::Monologue;
    Arc::new(config)
}

#[test]
fn a_transfer_cut_at_every_packet_arrives_exactly_once() {
    for context in ApplicationContext::ALL {
        for (size, checkpoint_size_kib) in [(100_000, 10), (100_000, 0), (2000, 10), (0, 10)] {
            let config = recovering(context, checkpoint_size_kib);
            let mut cuts = 0;
            for first in 0.. {
                for second in (first % 3..).step_by(3) {
                    if life(&config, size, [first, second]) < 3 {
                        break;
                    }
                    cuts += 1;
                }
                if life(&config, size, [first, usize::MAX]) == 1 {
                    break;
                }
            }
            assert!(cuts >= 2, "{cuts}");
        }
    }
}

#[test]
fn a_mebibyte_cut_at_every_packet_travels_little_more_than_once() {
    for context in ApplicationContext::ALL {
        let config = recovering(context, 30);
        let mut first = 0;
        while life(&config, 1 << 20, [first, usize::MAX]) > 1 {
            first += 7;
        }
        assert!(first > 100, "{first}");
    }
}

fn under_way(context: ApplicationContext) -> (Side, Side) {
    let (mut a, mut b) = bound(&in_context(context, &config(2048, 0, 1)), usize::MAX);
    a.send(&pattern(20_000));
    let octets = a.transmit();
    b.receive(&octets, usize::MAX);
    let confirm = b.transmit();
    a.receive(&confirm, usize::MAX);
    (a, b)
}

#[test]
fn an_interrupted_transfer_goes_on_on_the_same_association() {
    for context in ApplicationContext::ALL {
        let (mut a, mut b) = under_way(context);
        assert!(a.stack.transfer_interrupt_request());
        pump(&mut a, &mut b, usize::MAX);
        let Some(Indication::TransferInterruptConfirm(resumption)) = a.last().cloned() else {
            panic!("{:?} {:?}", a.seen, a.error)
        };
        let Some(Indication::TransferInterrupted(partial)) = b.last().cloned() else {
            panic!("{:?} {:?}", b.seen, b.error)
        };
        assert_eq!((resumption.checkpoint, resumption.octets_confirmed), (3, 3072));
        assert_eq!((partial.octets, partial.octets_before(3)), (4096, Some(3072)));
        assert_eq!((&resumption.name, resumption.end_sent), (&partial.name, false));
        assert!(a.stack.is_idle() && b.stack.is_idle() && a.stack.transfer_resumption().is_none());

        // Something more urgent goes first.
        b.seen.clear();
        a.send(&pattern(10));
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!(b.data(), pattern(10));

        b.seen.clear();
        b.resume = Some(ResumeResponse::Continue { octets: 3072 });
        a.resume(&resumption, &pattern(20_000));
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!((&a.error, &b.error), (&None, &None));
        assert_eq!(a.last(), Some(&Indication::TransferConfirm));
        assert_eq!(b.data(), pattern(20_000)[3072..]);
        let indication = ResumeIndication { name: partial.name, checkpoint: 3 };
        let expected = Seen::Indication(Indication::TransferResume(Box::new(indication)));
        assert_eq!(b.seen[0], expected);
    }
}

#[test]
fn what_the_receiver_does_not_know_is_given_up() {
    let (mut a, mut b) = under_way(ApplicationContext::MtsTransfer);
    assert!(a.stack.transfer_interrupt_request());
    pump(&mut a, &mut b, usize::MAX);
    let Some(Indication::TransferInterruptConfirm(resumption)) = a.last().cloned() else {
        panic!("{:?}", a.seen)
    };
    b.resume = Some(ResumeResponse::Unrecognized);
    a.resume(&resumption, &pattern(20_000));
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(a.last(), Some(&Indication::TransferResumeRefused));
    assert!(matches!(b.last(), Some(Indication::TransferResume(_))), "nothing more is indicated");
    b.seen.clear();
    a.send(&pattern(20_000));
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(b.data(), pattern(20_000));
}

#[test]
fn what_is_completed_cannot_be_discarded() {
    for context in ApplicationContext::ALL {
        let (mut a, mut b) = under_way(context);
        let name = name_of(&b.stack);
        let resumption = TransferResumption {
            name,
            size: 20_000,
            checkpoint: 3,
            octets_confirmed: 3072,
            end_sent: true,
        };
        pump(&mut a, &mut b, usize::MAX);
        b.seen.clear();
        b.resume = Some(ResumeResponse::Completed);
        assert!(a.stack.transfer_resume_request(&resumption));
        assert!(a.stack.transfer_discard_request());
        pump(&mut a, &mut b, usize::MAX);
        let Some(Indication::Abort(abort)) = a.last() else { panic!("{:?} {:?}", a.seen, a.error) };
        let reason = Some(AbortReason::TransferCompleted as u32);
        assert_eq!((abort.layer, abort.reason), (Layer::Rtse, reason));
        assert!(b.data().is_empty());
    }
}

#[test]
fn a_sender_gives_its_transfer_up() {
    for after_end in [false, true] {
        let (mut a, mut b) = under_way(ApplicationContext::MtsTransfer);
        b.answers = false;
        if after_end {
            pump(&mut a, &mut b, usize::MAX);
            assert!(!a.stack.transfer_discard_request(), "its confirmation may be on its way");
            continue;
        }
        assert!(a.stack.transfer_discard_request());
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!(a.last(), Some(&Indication::TransferDiscardConfirm));
        assert_eq!(b.last(), Some(&Indication::TransferDiscarded));
        assert!(a.stack.transfer_resumption().is_none() && b.stack.transfer_partial().is_none());
    }
}

#[test]
fn a_refusal_for_now_behind_a_checkpoint_interrupts() {
    for (refusal, confirmed) in [
        (TransferRefusal::Temporary, true),
        (TransferRefusal::Permanent, true),
        (TransferRefusal::Temporary, false),
    ] {
        let (mut a, mut b) = if confirmed {
            under_way(ApplicationContext::MtsTransfer)
        } else {
            let (mut a, mut b) = bound(&config(2048, 0, 1), usize::MAX);
            a.send(&pattern(20_000));
            let octets = a.transmit();
            b.receive(&octets, usize::MAX);
            (a, b)
        };
        assert!(b.stack.transfer_refuse(refusal));
        pump(&mut a, &mut b, usize::MAX);
        match (refusal, confirmed) {
            (TransferRefusal::Temporary, true) => {
                assert!(matches!(a.last(), Some(Indication::TransferInterruptConfirm(_))));
                assert!(matches!(b.last(), Some(Indication::TransferInterrupted(_))));
            }
            _ => {
                assert_eq!(a.last(), Some(&Indication::TransferRefused(refusal)));
                assert_eq!(b.last(), Some(&Indication::TransferDiscarded));
            }
        }
        assert!(a.stack.is_idle() && b.stack.is_idle());
    }
}

#[test]
fn an_association_that_is_not_known_is_not_recovered() {
    for context in ApplicationContext::ALL {
        let config = recovering(context, 1);
        let stack = Stack::initiator_recovering(Arc::clone(&config), identifier(0), identifier(1));
        let mut a = Side::new(stack);
        let mut b = Side::new(Stack::responder(config));
        b.answers = false;
        pump(&mut a, &mut b, usize::MAX);
        let Some(Indication::Recover(recover)) = b.last() else { panic!("{:?}", b.error) };
        assert_eq!(recover.recovered, identifier(0));
        assert_eq!(recover.caller.session_connection_identifier, identifier(1));
        assert!(!b.stack.bind_accept(&[]), "it is no bind");
        assert!(b.stack.bind_reject(RefuseReason::CannotRecover, &[]));
        pump(&mut a, &mut b, usize::MAX);
        let Some(Indication::BindRefused(refusal)) = a.last() else { panic!("{:?}", a.seen) };
        let reason = if context.is_x410_mode() { 1 } else { 0 };
        assert_eq!((refusal.layer, refusal.reason), (Layer::Rtse, reason));
    }
}

#[test]
fn a_called_side_resumes_what_it_sent_when_the_caller_recovers() {
    for context in ApplicationContext::ALL {
        let mut config = (*in_context(context, &config(2048, 0, 1))).clone();
        config.rtse.initial_turn = Turn::Responder;
        let config = Arc::new(config);
        let stack = Stack::initiator_of(Arc::clone(&config), &[0xb0, 0], identifier(0));
        let (mut a, mut b) = (Side::new(stack), Side::new(Stack::responder(Arc::clone(&config))));
        pump(&mut a, &mut b, usize::MAX);
        b.send(&pattern(20_000));
        let octets = b.transmit();
        a.receive(&octets, usize::MAX);
        let octets = a.transmit();
        b.receive(&octets, usize::MAX);
        let resumption = b.stack.transfer_resumption().unwrap();
        assert_eq!(resumption.name.connection, identifier(0));
        assert_eq!(a.stack.transfer_partial().unwrap().name, resumption.name);

        let stack = Stack::initiator_recovering(Arc::clone(&config), identifier(0), identifier(1));
        let (mut a, mut b) = (Side::new(stack), Side::new(Stack::responder(config)));
        b.answers = false;
        pump(&mut a, &mut b, usize::MAX);
        assert!(b.stack.recover_accept());
        pump(&mut a, &mut b, usize::MAX);
        a.resume = Some(ResumeResponse::Continue { octets: resumption.octets_confirmed });
        b.resume(&resumption, &pattern(20_000));
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!(b.last(), Some(&Indication::TransferConfirm));
        assert_eq!(a.data(), pattern(20_000)[resumption.octets_confirmed..]);
    }
}

#[test]
fn without_references_nothing_is_resumed_elsewhere() {
    let (a, _) = under_way(ApplicationContext::MtsTransfer);
    let resumption = a.stack.transfer_resumption().unwrap();
    assert!(!resumption.name.is_unique());
    let config = config(2048, 0, 1);
    let stack = Stack::initiator_of(Arc::clone(&config), &[0xb0, 0], identifier(1));
    let (mut a, mut b) = (Side::new(stack), Side::new(Stack::responder(config)));
    pump(&mut a, &mut b, usize::MAX);
    assert!(!a.stack.transfer_resume_request(&resumption));
}
