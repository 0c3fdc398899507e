//! What users of io_uring have run into, one hazard a test (liburing issues 758, 1275, 1375, 1530;
//! foyer 1286). That a failed receive may name a buffer is tested beside the buffers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use p1relay::base::limits::{
    RECEIVE_BUFFER_COUNT, RECEIVE_BUFFER_COUNT_AHEAD, RECEIVE_BUFFER_SIZE, ZERO_COPY_SEND_SIZE_MIN,
};
use p1relay::io::probe::probe_uring;
use p1relay::io::uring::Uring;
use p1relay::io::{Engine, Operation, Outcome, Socket, Token, WOKEN};

use super::driver::{Driver, pattern, transmit};

const SHORT: Duration = Duration::from_millis(50);

pub(crate) fn engine() -> Uring {
    Uring::new().unwrap()
}

/// Writes without end, until the connection breaks.
fn flood(mut peer: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let octets = pattern(64 << 10);
        while peer.write_all(&octets).is_ok() {}
    })
}

/// How many buffers the kernel can still fill: all that a flood fills before the engine runs dry.
fn buffers_left(driver: &mut Driver<Uring>) -> usize {
    let (socket, peer) = driver.accepted();
    let flooder = flood(peer);
    let receive = driver.submit(Operation::Receive { socket });
    let before = driver.engine.counters().buffers_dry;
    let mut held = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    let mut quiet_turns = 0;
    while quiet_turns < 3 {
        assert!(Instant::now() < end);
        let brought = driver.turn(SHORT);
        let dry = driver.engine.counters().buffers_dry > before;
        quiet_turns += usize::from(dry && brought == 0);
        for completion in driver.queue.drain(..) {
            assert_eq!(completion.token, receive);
            let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
            held.push(lease);
        }
    }
    let count = held.len();
    drop(held);
    end_flood(driver, socket, receive);
    flooder.join().unwrap();
    count
}

fn end_flood(driver: &mut Driver<Uring>, socket: Socket, receive: Token) {
    let close = driver.submit(Operation::Close { socket });
    loop {
        let completion = driver.next();
        if completion.token == close {
            break;
        }
        assert_eq!(completion.token, receive);
    }
}

#[test]
fn the_ring_can_be_had_and_the_probe_says_so() {
    let probed = probe_uring().unwrap();
    assert_eq!(probed, engine().features());
    assert!(probed.single_issuer && probed.deferred_task_work && probed.ring_messages);
    assert!(probed.registered_files);
}

#[test]
fn one_busy_receive_does_not_take_every_buffer() {
    let mut driver = Driver::new(engine());
    let (busy, peer) = driver.accepted();
    let (quiet, mut neighbour) = driver.accepted();
    let flooder = flood(peer);
    thread::sleep(SHORT);
    let of_busy = driver.submit(Operation::Receive { socket: busy });
    let of_quiet = driver.submit(Operation::Receive { socket: quiet });
    let mut from_busy = 0;
    for _ in 0..200 {
        neighbour.write_all(b"quiet").unwrap();
        driver.turn(Duration::from_secs(5));
        let queue = std::mem::take(&mut driver.queue);
        assert!(queue.iter().any(|completion| completion.token == of_quiet), "starved");
        from_busy += queue.iter().filter(|completion| completion.token == of_busy).count();
    }
    assert!(from_busy > RECEIVE_BUFFER_COUNT_AHEAD);
    assert_eq!(driver.engine.counters().buffers_dry, 0, "the flood took them all");
    end_flood_with_neighbour(&mut driver, busy);
    flooder.join().unwrap();
}

fn end_flood_with_neighbour(driver: &mut Driver<Uring>, socket: Socket) {
    let close = driver.submit(Operation::Close { socket });
    while driver.next().token != close {}
}

#[test]
fn an_empty_ring_ends_receives_and_they_wait_in_line_without_spinning() {
    let mut driver = Driver::new(engine());
    let (first, peer) = driver.accepted();
    let flooder = flood(peer);
    let of_first = driver.submit(Operation::Receive { socket: first });
    let mut held = Vec::new();
    while driver.engine.counters().buffers_dry == 0 {
        driver.turn(SHORT);
        held.extend(driver.queue.drain(..));
    }
    driver.idle(SHORT);
    held.extend(driver.queue.drain(..));
    // Others come while there is nothing: each is in line, none spins.
    let others: Vec<_> = (0..4).map(|_| driver.accepted()).collect();
    let receives: Vec<Token> = others
        .iter()
        .map(|(socket, peer)| {
            (&*peer).write_all(b"other").unwrap();
            driver.submit(Operation::Receive { socket: *socket })
        })
        .collect();
    let calls = driver.engine.counters().system_calls;
    driver.idle(SHORT);
    assert!(driver.queue.is_empty());
    let calls = driver.engine.counters().system_calls - calls;
    assert!(calls <= 120, "{calls} system calls in 50 ms of nothing");
    // With one buffer back the first in line is served, with all of them everyone.
    drop(held);
    for receive in receives {
        assert_eq!(&driver.received(receive)[..], b"other");
    }
    assert!(!driver.received(of_first).is_empty());
    driver.queue.clear();
    end_flood(&mut driver, first, of_first);
    flooder.join().unwrap();
}

#[test]
fn buffers_come_back_from_failed_and_closing_receives() {
    let mut driver = Driver::new(engine());
    for round in 0..2 * RECEIVE_BUFFER_COUNT / 8 {
        let connections: Vec<_> = (0..8).map(|_| driver.accepted()).collect();
        for (index, (socket, peer)) in connections.into_iter().enumerate() {
            driver.submit(Operation::Receive { socket });
            (&peer).write_all(b"octets").unwrap();
            match (index + round) % 4 {
                0 => drop(peer),
                1 => {
                    let peer = socket2::Socket::from(peer);
                    peer.set_linger(Some(Duration::ZERO)).unwrap();
                }
                2 => {
                    driver.turn(Duration::ZERO);
                    (&peer).write_all(b"more").unwrap();
                }
                _ => peer.shutdown(Shutdown::Write).unwrap(),
            }
            let close = driver.submit(Operation::Close { socket });
            while driver.next().token != close {}
        }
        driver.queue.clear();
    }
    assert_eq!(buffers_left(&mut driver), RECEIVE_BUFFER_COUNT);
    assert_eq!(buffers_left(&mut driver), RECEIVE_BUFFER_COUNT);
}

#[test]
fn paused_connections_keep_no_buffers_from_others() {
    let mut driver = Driver::new(engine());
    let connections: Vec<_> = (0..20).map(|_| driver.accepted()).collect();
    let (sockets, peers): (Vec<Socket>, Vec<TcpStream>) = connections.into_iter().unzip();
    let flooders: Vec<_> = peers.into_iter().map(flood).collect();
    thread::sleep(SHORT);
    let receives: Vec<Token> = sockets
        .iter()
        .map(|socket| driver.submit(Operation::Receive { socket: *socket }))
        .collect();
    driver.turn(SHORT);
    for socket in &sockets {
        driver.submit(Operation::PauseReceive { socket: *socket });
    }
    driver.idle(SHORT);
    driver.queue.clear();
    assert_eq!(buffers_left(&mut driver), RECEIVE_BUFFER_COUNT);
    // What was held arrives in order when receiving goes on.
    driver.submit(Operation::Receive { socket: sockets[0] });
    assert!(!driver.received(receives[0]).is_empty());
    for socket in sockets {
        let close = driver.submit(Operation::Close { socket });
        while driver.next().token != close {}
    }
    flooders.into_iter().for_each(|flooder| flooder.join().unwrap());
}

#[test]
fn a_cancellation_that_misses_is_sent_again_until_the_last_completion() {
    let mut driver = Driver::new(engine());
    let (socket, peer) = driver.accepted();
    let octets = pattern(24 << 20);
    let to_write = octets.clone();
    let mut writing = peer.try_clone().unwrap();
    let writer = thread::spawn(move || {
        writing.write_all(&to_write).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    // A send that stays under way must survive the cancellations of the receive.
    let send = driver.submit(Operation::Send { socket, transmit: transmit(&octets, 1 << 20) });
    let receive = driver.submit(Operation::Receive { socket });
    let mut received = Vec::with_capacity(octets.len());
    let mut turns = 0u32;
    loop {
        turns += 1;
        driver.turn(Duration::from_millis(1));
        let mut ended = false;
        for completion in driver.queue.drain(..) {
            assert_eq!(completion.token, receive, "the send ended");
            let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
            ended |= lease.is_empty();
            received.extend_from_slice(&lease);
        }
        if ended {
            break;
        }
        if turns.is_multiple_of(3) {
            driver.submit(Operation::PauseReceive { socket });
            driver.turn(Duration::ZERO);
            driver.submit(Operation::Receive { socket });
        }
    }
    assert!(received == octets, "{} of {}", received.len(), octets.len());
    let mut reading = peer;
    let reader = thread::spawn(move || {
        let mut sent = vec![0; 24 << 20];
        reading.read_exact(&mut sent).unwrap();
        sent
    });
    assert!(matches!(driver.outcome(send), Ok(Outcome::Sent(_))));
    assert!(reader.join().unwrap() == octets);
    writer.join().unwrap();
    driver.close(socket);
}

#[test]
fn closing_in_the_middle_of_a_flood_ends_each_operation_once() {
    let mut driver = Driver::new(engine());
    let octets = pattern(8 << 20);
    for _ in 0..20 {
        let (socket, peer) = driver.accepted();
        let flooder = flood(peer);
        let receive = driver.submit(Operation::Receive { socket });
        let send = driver.submit(Operation::Send { socket, transmit: transmit(&octets, 1 << 20) });
        driver.turn(SHORT);
        let close = driver.submit(Operation::Close { socket });
        let mut last = Vec::new();
        while !last.contains(&close) {
            let completion = driver.next();
            if !completion.more {
                assert!(!last.contains(&completion.token), "ended twice");
                last.push(completion.token);
            }
        }
        assert_eq!(last.len(), 3);
        assert!(last.contains(&receive) && last.contains(&send) && last[2] == close);
        flooder.join().unwrap();
    }
    assert_eq!(buffers_left(&mut driver), RECEIVE_BUFFER_COUNT);
}

#[test]
fn no_receive_spans_buffers() {
    let mut driver = Driver::new(engine());
    let (socket, peer) = driver.accepted();
    let flooder = flood(peer);
    thread::sleep(SHORT);
    let receive = driver.submit(Operation::Receive { socket });
    for _ in 0..500 {
        let lease = driver.received(receive);
        assert!(!lease.is_empty() && lease.len() <= RECEIVE_BUFFER_SIZE);
    }
    driver.queue.clear();
    end_flood(&mut driver, socket, receive);
    flooder.join().unwrap();
}

#[test]
fn a_zero_copy_send_completes_before_its_notification_and_its_octets_stay() {
    let mut driver = Driver::new(engine());
    assert!(driver.engine.features().zero_copy_send);
    let (socket, mut peer) = driver.accepted();
    let size = ZERO_COPY_SEND_SIZE_MIN;
    // Nobody reads: the kernel keeps the octets, and each completion brings another list to fill.
    for round in 0..8 {
        let octets = vec![round; size];
        let send = driver.submit(Operation::Send { socket, transmit: transmit(&octets, 16 << 10) });
        let Ok(Outcome::Sent(emptied)) = driver.outcome(send) else { panic!() };
        assert!(emptied.is_empty());
    }
    let mut received = vec![0; 8 * size];
    peer.read_exact(&mut received).unwrap();
    for (index, octets) in received.chunks(size).enumerate() {
        assert!(octets.iter().all(|octet| *octet == index as u8));
    }
    driver.idle(SHORT);
    driver.close(socket);
}

#[test]
fn dropping_an_engine_at_work_is_quick_and_harms_no_one() {
    for _ in 0..5 {
        let mut driver = Driver::new(engine());
        let (listener, _) = driver.listen();
        driver.submit(Operation::Accept { listener });
        let (socket, peer) = driver.accepted();
        let flooder = flood(peer);
        driver.submit(Operation::Receive { socket });
        let transmit = transmit(&pattern(16 << 20), 1 << 20);
        driver.submit(Operation::Send { socket, transmit });
        driver.turn(SHORT);
        let leases = std::mem::take(&mut driver.queue);
        let begin = Instant::now();
        drop(driver);
        assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
        flooder.join().unwrap();
        let octets = leases.iter().filter_map(|completion| match &completion.result {
            Ok(Outcome::Received(lease)) => Some(lease.len()),
            _ => None,
        });
        assert!(octets.sum::<usize>() > 0, "leases outlive their engine");
    }
}

#[test]
fn waking_costs_no_call_of_its_own_and_a_ring_that_is_gone_is_no_harm() {
    let mut sender = Driver::new(engine());
    let mut target = Driver::new(engine());
    let waker = target.engine.waker();
    assert!(waker.ring_descriptor().is_some());
    target.idle(SHORT);
    let before = target.engine.counters().system_calls;
    // Two wakes in one turn are one message, and nothing completes at the sender.
    sender.submit(Operation::Wake { waker: waker.clone() });
    sender.submit(Operation::Wake { waker: waker.clone() });
    let calls = sender.engine.counters().system_calls;
    assert_eq!(sender.turn(Duration::ZERO), 0);
    assert_eq!(sender.engine.counters().system_calls - calls, 1);
    assert_eq!(target.next().token, WOKEN);
    assert!(target.queue.is_empty());
    assert_eq!(target.engine.counters().system_calls - before, 1);
    drop(target);
    sender.submit(Operation::Wake { waker: waker.clone() });
    assert_eq!(sender.turn(SHORT), 0);
    waker.wake();
    sender.submit(Operation::Wake { waker: sender.engine.waker() });
    assert_eq!(sender.next().token, WOKEN);
}
