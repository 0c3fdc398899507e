//! What `p1relay::io` promises, one promise a test, for any engine.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use p1relay::base::buffer::{Fill, Lease};
use p1relay::base::limits::{
    RECEIVE_BUFFER_COUNT, RECEIVE_BUFFER_COUNT_PER_TURN, RECEIVE_BUFFER_SIZE, SEND_SLICE_COUNT_MAX,
};
use p1relay::base::transmit::Transmit;
use p1relay::io::{
    Completion, Engine, File, Haste, Operation, Outcome, Socket, Token, WOKEN, Waker,
};

use super::allocations;
use super::driver::{Driver, block, pattern, transmit};

const SHORT: Duration = Duration::from_millis(50);

fn is_last_error<D>(completion: &Completion<D>) -> bool {
    completion.result.is_err() && !completion.more
}

pub(crate) fn echoes_every_size<E: Engine>(make: fn() -> E) {
    for size in [0, 1, 4095, 4096, 4097, 65_535, 65_536, 1 << 20, 16 << 20] {
        let mut driver = Driver::new(make());
        let (socket, peer) = driver.accepted();
        let sent = pattern(size);
        let mut writing = peer.try_clone().unwrap();
        let to_write = sent.clone();
        let writer = thread::spawn(move || {
            writing.write_all(&to_write).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let mut reading = peer;
        let reader = thread::spawn(move || {
            let mut octets = vec![0; size];
            reading.read_exact(&mut octets).unwrap();
            octets
        });
        echo(&mut driver, socket, size);
        writer.join().unwrap();
        assert!(reader.join().unwrap() == sent, "{size} octets differ");
        driver.close(socket);
    }
}

/// Sends back what comes until the peer's end.
fn echo<E: Engine>(driver: &mut Driver<E>, socket: Socket, size: usize) {
    let receive = driver.submit(Operation::Receive { socket });
    let mut waiting = Transmit::new();
    let mut sending = None;
    let (mut received, mut ended) = (0, false);
    while !ended || sending.is_some() || !waiting.is_empty() {
        if sending.is_none() && !waiting.is_empty() {
            let transmit = std::mem::take(&mut waiting);
            sending = Some(driver.submit(Operation::Send { socket, transmit }));
        }
        let Completion { token, result, more } = driver.next();
        match result.unwrap() {
            Outcome::Received(lease) if token == receive => {
                received += lease.len();
                ended = lease.is_empty();
                assert_eq!(more, !ended);
                waiting.push_leased(lease);
            }
            Outcome::Sent(emptied) if Some(token) == sending => {
                assert!(emptied.is_empty() && !more);
                sending = None;
            }
            other => panic!("{:?}", std::mem::discriminant(&other)),
        }
    }
    assert_eq!(received, size);
}

pub(crate) fn carries_many_pieces_between_its_own_sockets<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (listener, address) = driver.listen();
    let accept = driver.submit(Operation::Accept { listener });
    let near = driver.connect(address);
    let Ok(Outcome::Accepted(far, _)) = driver.next_of(accept).result else { panic!() };
    let octets = pattern(8192 * (3 * SEND_SLICE_COUNT_MAX + 1) + 17);
    let receive = driver.submit(Operation::Receive { socket: far });
    let send = driver.submit(Operation::Send { socket: near, transmit: transmit(&octets, 8192) });
    let mut received = Vec::new();
    while received.len() < octets.len() {
        received.extend_from_slice(&driver.received(receive));
    }
    assert!(received == octets);
    assert!(matches!(driver.outcome(send), Ok(Outcome::Sent(_))));
    let empty = driver.run(Operation::Send { socket: near, transmit: Transmit::new() });
    assert!(matches!(empty, Ok(Outcome::Sent(_))));
}

pub(crate) fn takes_connections_on_a_port_of_the_kernels_choice_and_shares_it<E: Engine>(
    make: fn() -> E,
) {
    let mut first = Driver::new(make());
    let mut second = Driver::new(make());
    let (one, address) = first.listen();
    assert_ne!(address.port(), 0);
    let (two, same) = second.engine.listen(address).unwrap();
    assert_eq!(same, address);
    first.submit(Operation::Accept { listener: one });
    second.submit(Operation::Accept { listener: two });
    let peers: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    let (mut by_first, mut by_second) = (0, 0);
    let end = Instant::now() + Duration::from_secs(10);
    while by_first + by_second < peers.len() && Instant::now() < end {
        by_first += first.turn(Duration::from_millis(1));
        by_second += second.turn(Duration::from_millis(1));
    }
    assert_eq!(by_first + by_second, peers.len());
    assert!(by_first > 0 && by_second > 0, "{by_first} and {by_second}");
    for completion in first.queue.iter().chain(&second.queue) {
        assert!(completion.more && matches!(completion.result, Ok(Outcome::Accepted(..))));
    }
}

pub(crate) fn a_flood_does_not_starve_a_neighbour<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (flooded, mut flood) = driver.accepted();
    let (quiet, mut neighbour) = driver.accepted();
    flood.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let flooder = thread::spawn(move || {
        let octets = pattern(64 << 10);
        while flood.write_all(&octets).is_ok() {}
    });
    thread::sleep(SHORT);
    neighbour.write_all(b"quiet").unwrap();
    let of_flood = driver.submit(Operation::Receive { socket: flooded });
    let of_quiet = driver.submit(Operation::Receive { socket: quiet });
    let mut turns = 0;
    let mut answered = 0;
    while answered < 20 {
        driver.turn(Duration::from_secs(5));
        turns += 1;
        let mut from_flood = 0;
        for completion in std::mem::take(&mut driver.queue) {
            let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
            if completion.token == of_flood {
                from_flood += 1;
            } else {
                assert_eq!((completion.token, &lease[..]), (of_quiet, &b"quiet"[..]));
                answered += 1;
                assert!(turns <= 4, "{turns} turns for the neighbour's octets");
                turns = 0;
                neighbour.write_all(b"quiet").unwrap();
            }
        }
        assert!(from_flood <= RECEIVE_BUFFER_COUNT_PER_TURN, "{from_flood} buffers in one turn");
    }
    driver.close(flooded);
    flooder.join().unwrap();
}

/// Floods `peer` until the engine has run dry; the leases held.
fn run_dry<E: Engine>(driver: &mut Driver<E>) -> Vec<(Token, Lease)> {
    let mut held = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    while driver.engine.counters().buffers_dry == 0 {
        assert!(Instant::now() < end, "not dry with {} buffers held", held.len());
        driver.turn(SHORT);
        for completion in driver.queue.drain(..) {
            let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
            held.push((completion.token, lease));
        }
    }
    assert!(held.len() <= RECEIVE_BUFFER_COUNT);
    held
}

fn flood_of(octets: &[u8], mut peer: TcpStream) -> thread::JoinHandle<()> {
    let octets = octets.to_vec();
    peer.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    thread::spawn(move || {
        peer.write_all(&octets).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        // Held open until the other side has seen the end.
        let _ = peer.read(&mut [0]);
    })
}

pub(crate) fn runs_dry_and_goes_on_when_buffers_are_back<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, peer) = driver.accepted();
    let octets = pattern(4 * RECEIVE_BUFFER_COUNT * RECEIVE_BUFFER_SIZE);
    let flooder = flood_of(&octets, peer);
    let receive = driver.submit(Operation::Receive { socket });
    let mut held = run_dry(&mut driver);
    driver.idle(SHORT);
    held.extend(driver.queue.drain(..).map(|completion| match completion.result {
        Ok(Outcome::Received(lease)) => (completion.token, lease),
        _ => panic!(),
    }));
    assert!(held.len() <= RECEIVE_BUFFER_COUNT);
    driver.idle(SHORT);
    assert!(driver.queue.is_empty(), "received without a buffer");
    let mut received: Vec<u8> = Vec::new();
    for (_, lease) in held.drain(..) {
        received.extend_from_slice(&lease);
    }
    loop {
        let lease = driver.received(receive);
        if lease.is_empty() {
            break;
        }
        received.extend_from_slice(&lease);
    }
    assert!(received == octets, "{} of {} octets", received.len(), octets.len());
    driver.close(socket);
    flooder.join().unwrap();
}

pub(crate) fn both_connections_go_on_after_running_dry<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (one, peer_of_one) = driver.accepted();
    let (two, peer_of_two) = driver.accepted();
    let octets = pattern(2 * RECEIVE_BUFFER_COUNT * RECEIVE_BUFFER_SIZE);
    let flooders = [flood_of(&octets, peer_of_one), flood_of(&octets, peer_of_two)];
    let receives = [one, two].map(|socket| driver.submit(Operation::Receive { socket }));
    let mut received = [Vec::<u8>::new(), Vec::new()];
    let held = run_dry(&mut driver);
    for (token, lease) in &held {
        let at = receives.iter().position(|receive| receive == token).unwrap();
        received[at].extend_from_slice(lease);
    }
    drop(held);
    let mut ended = 0;
    while ended < 2 {
        let completion = driver.next();
        let at = receives.iter().position(|receive| *receive == completion.token).unwrap();
        let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
        received[at].extend_from_slice(&lease);
        ended += usize::from(lease.is_empty());
    }
    assert!(received[0] == octets && received[1] == octets);
    driver.close(one);
    driver.close(two);
    flooders.into_iter().for_each(|flooder| flooder.join().unwrap());
}

pub(crate) fn buffers_given_back_on_another_thread_are_noticed<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, peer) = driver.accepted();
    let octets = pattern(4 * RECEIVE_BUFFER_COUNT * RECEIVE_BUFFER_SIZE);
    let flooder = flood_of(&octets, peer);
    driver.submit(Operation::Receive { socket });
    let held = run_dry(&mut driver);
    driver.idle(SHORT);
    driver.queue.clear();
    driver.idle(SHORT);
    driver.queue.clear();
    let holder = thread::spawn(move || {
        thread::sleep(SHORT);
        drop(held);
    });
    let mut completions = Vec::new();
    driver.engine.poll(None, &mut completions).unwrap();
    assert!(!completions.is_empty());
    holder.join().unwrap();
    let close = driver.submit(Operation::Close { socket });
    completions.clear();
    while driver.next().token != close {}
    drop(flooder); // its peer is gone, and it ends with an error or not: neither matters here
}

pub(crate) fn pauses_and_resumes<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, mut peer) = driver.accepted();
    let receive = driver.submit(Operation::Receive { socket });
    peer.write_all(b"before").unwrap();
    assert_eq!(&driver.received(receive)[..], b"before");
    driver.submit(Operation::PauseReceive { socket });
    driver.idle(SHORT);
    peer.write_all(b"after").unwrap();
    driver.idle(SHORT);
    assert!(driver.queue.is_empty(), "received while paused");
    let again = driver.submit(Operation::Receive { socket });
    assert_eq!(&driver.received(receive)[..], b"after");
    // Paused and resumed in one go, twice, nothing is lost or doubled.
    for _ in 0..2 {
        driver.submit(Operation::PauseReceive { socket });
        driver.submit(Operation::Receive { socket });
    }
    peer.write_all(b"more").unwrap();
    assert_eq!(&driver.received(receive)[..], b"more");
    driver.submit(Operation::PauseReceive { socket });
    let close = driver.submit(Operation::Close { socket });
    let last = driver.next();
    assert!(last.token == receive && is_last_error(&last));
    assert_eq!(driver.next().token, close);
    assert!(driver.queue.iter().all(|completion| completion.token != again));
}

pub(crate) fn an_end_behind_octets_is_seen_and_sending_goes_on<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, mut peer) = driver.connected();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    thread::sleep(SHORT);
    let receive = driver.submit(Operation::Receive { socket });
    assert_eq!(&driver.received(receive)[..], b"last words");
    assert!(driver.received(receive).is_empty());
    let transmit = transmit(b"answer", 6);
    assert!(driver.run(Operation::Send { socket, transmit }).is_ok());
    let mut answer = [0; 6];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    driver.close(socket);
}

pub(crate) fn a_socket_changes_engines_without_losing_an_octet<E>(make: fn() -> E)
where
    E: Engine + 'static,
    E::Detached: 'static,
{
    let mut driver = Driver::new(make());
    let (socket, mut peer) = driver.accepted();
    let octets = pattern(8 << 20);
    let expected = octets.clone();
    let writer = thread::spawn(move || {
        for piece in octets.chunks(10_007) {
            peer.write_all(piece).unwrap();
        }
        peer.shutdown(Shutdown::Write).unwrap();
        let mut answer = [0; 2];
        peer.read_exact(&mut answer).unwrap();
        answer
    });
    let receive = driver.submit(Operation::Receive { socket });
    let mut received = Vec::new();
    while received.len() < 1 << 20 {
        received.extend_from_slice(&driver.received(receive));
    }
    let detach = driver.submit(Operation::Detach { socket });
    let detached = loop {
        let completion = driver.next();
        match completion.result {
            Ok(Outcome::Received(lease)) => received.extend_from_slice(&lease),
            Ok(Outcome::Detached(detached)) => {
                assert_eq!(completion.token, detach);
                break detached;
            }
            Ok(_) => panic!(),
            Err(_) => assert!(completion.token == receive && !completion.more),
        }
    };
    driver.idle(SHORT);
    assert!(driver.queue.is_empty(), "completed after it was detached");
    assert!(driver.run(Operation::Close { socket }).is_err());
    let adopter = thread::spawn(move || {
        let mut driver = Driver::new(make());
        let socket = driver.engine.adopt(detached).unwrap();
        let receive = driver.submit(Operation::Receive { socket });
        loop {
            let lease = driver.received(receive);
            if lease.is_empty() {
                break;
            }
            received.extend_from_slice(&lease);
        }
        let transmit = transmit(b"ok", 2);
        driver.run(Operation::Send { socket, transmit }).unwrap();
        driver.close(socket);
        received
    });
    assert!(adopter.join().unwrap() == expected);
    assert_eq!(&writer.join().unwrap(), b"ok");
}

pub(crate) fn detaching_waits_for_the_send_under_way<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, mut peer) = driver.accepted();
    let octets = pattern(16 << 20);
    let send = driver.submit(Operation::Send { socket, transmit: transmit(&octets, 64 << 10) });
    let detach = driver.submit(Operation::Detach { socket });
    driver.idle(SHORT);
    assert!(driver.queue.is_empty());
    let reader = thread::spawn(move || {
        let mut received = vec![0; 16 << 20];
        peer.read_exact(&mut received).unwrap();
        (received, peer)
    });
    let first = driver.next();
    assert!(first.token == send && first.result.is_ok());
    let second = driver.next();
    assert!(second.token == detach && matches!(second.result, Ok(Outcome::Detached(_))));
    assert!(reader.join().unwrap().0 == octets);
}

pub(crate) fn closing_ends_everything_and_is_last<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    for detaching in [false, true] {
        let (socket, peer) = driver.accepted();
        let receive = driver.submit(Operation::Receive { socket });
        let transmit = transmit(&pattern(32 << 20), 1 << 20);
        let send = driver.submit(Operation::Send { socket, transmit });
        let mut expected = vec![receive, send];
        driver.idle(SHORT);
        if detaching {
            expected.push(driver.submit(Operation::Detach { socket }));
        }
        let close = driver.submit(Operation::Close { socket });
        let late = driver.submit(Operation::Receive { socket });
        loop {
            let completion = driver.next();
            assert!(!completion.more);
            if completion.token == close {
                assert!(matches!(completion.result, Ok(Outcome::Closed)));
                break;
            }
            assert!(completion.result.is_err());
            if completion.token != late {
                let at = expected.iter().position(|token| *token == completion.token).unwrap();
                expected.remove(at);
            }
        }
        assert!(expected.is_empty(), "{expected:?} still under way");
        driver.idle(SHORT);
        assert!(driver.queue.iter().all(|completion| completion.token == late));
        driver.queue.clear();
        assert!(driver.run(Operation::Receive { socket }).is_err());
        drop(peer);
    }
}

pub(crate) fn a_reset_is_an_error_and_the_socket_can_be_closed<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, peer) = driver.accepted();
    let receive = driver.submit(Operation::Receive { socket });
    driver.idle(Duration::from_millis(5));
    let peer = socket2::Socket::from(peer);
    peer.set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let completion = driver.next_of(receive);
    assert!(!completion.more);
    assert_eq!(completion.result.err().unwrap().kind(), ErrorKind::ConnectionReset);
    let transmit = transmit(b"too late", 8);
    assert!(driver.run(Operation::Send { socket, transmit }).is_err());
    driver.close(socket);
}

pub(crate) fn a_refused_connection_is_an_error<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = driver.run(Operation::Connect { address }).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let unreachable = "[::ffff:255.255.255.255]:1".parse().unwrap();
    assert!(driver.run(Operation::Connect { address: unreachable }).is_err());
}

pub(crate) fn closing_a_listener_ends_accepting<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (listener, address) = driver.listen();
    let accept = driver.submit(Operation::Accept { listener });
    assert!(driver.run(Operation::Accept { listener }).is_err());
    driver.idle(Duration::from_millis(5));
    let close = driver.submit(Operation::CloseListener { listener });
    let last = driver.next();
    assert!(last.token == accept && is_last_error(&last));
    let closed = driver.next();
    assert!(closed.token == close && matches!(closed.result, Ok(Outcome::Closed)));
    assert!(TcpStream::connect(address).is_err());
    assert!(driver.run(Operation::Accept { listener }).is_err());
}

pub(crate) fn stale_handles_are_refused<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (stale, _peer) = driver.accepted();
    driver.close(stale);
    let (socket, mut peer) = driver.accepted();
    assert_ne!(socket, stale);
    let transmit = || transmit(b"x", 1);
    for operation in [
        Operation::Receive { socket: stale },
        Operation::PauseReceive { socket: stale },
        Operation::Send { socket: stale, transmit: transmit() },
        Operation::Detach { socket: stale },
        Operation::Close { socket: stale },
    ] {
        assert!(driver.run(operation).is_err());
    }
    let file = File { slot: 7, generation: 0 };
    let write = Operation::Write { file, offset: 0, octets: block(4096, 1), durable: true };
    assert!(driver.run(write).is_err());
    assert!(driver.run(Operation::Sync { file }).is_err());
    let into = Fill::with_capacity(4096);
    assert!(driver.run(Operation::Read { file, offset: 0, size: 4096, into }).is_err());
    assert!(driver.engine.map_file(file).is_err());
    assert!(driver.run(Operation::Send { socket, transmit: transmit() }).is_ok());
    let mut octet = [0];
    peer.read_exact(&mut octet).unwrap();
    assert_eq!(&octet, b"x");
}

pub(crate) fn a_second_send_is_refused<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, mut peer) = driver.accepted();
    let octets = pattern(16 << 20);
    let first = driver.submit(Operation::Send { socket, transmit: transmit(&octets, 1 << 20) });
    let refused = driver.run(Operation::Send { socket, transmit: transmit(b"second", 6) });
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::ResourceBusy);
    let reader = thread::spawn(move || {
        let mut received = vec![0; 16 << 20];
        peer.read_exact(&mut received).unwrap();
        received
    });
    assert!(driver.outcome(first).is_ok());
    assert!(reader.join().unwrap() == octets);
}

pub(crate) fn writes_durably_and_reads_back<E: Engine>(make: fn() -> E) {
    let directory = tempfile::tempdir().unwrap();
    let mut driver = Driver::new(make());
    let file = driver.engine.create_file(&directory.path().join("log"), 1 << 20).unwrap();
    // Neighbours and others, durable and not, all under way at once.
    let offsets: Vec<u64> = (0..32).chain([40, 42, 50]).map(|index| index * 8192).collect();
    let writes: Vec<Token> = offsets
        .iter()
        .enumerate()
        .map(|(index, offset)| {
            let octets = block(8192, index as u8 + 1);
            let durable = index % 7 != 3;
            driver.submit(Operation::Write { file, offset: *offset, octets, durable })
        })
        .collect();
    for write in writes {
        assert!(matches!(driver.outcome(write), Ok(Outcome::Written)));
    }
    assert!(matches!(driver.run(Operation::Sync { file }), Ok(Outcome::Synced)));
    for (index, offset) in offsets.iter().enumerate() {
        let into = Fill::with_capacity(8192);
        let read = driver.run(Operation::Read { file, offset: *offset, size: 8192, into });
        let Ok(Outcome::Read(fill)) = read else { panic!() };
        assert_eq!(fill.octets(), &[index as u8 + 1; 8192]);
    }
    let image = driver.engine.map_file(file).unwrap();
    assert_eq!(image.len(), 1 << 20);
    assert_eq!((image[0], image[31 * 8192], image[33 * 8192]), (1, 32, 0));
    // At the end fewer octets come; behind it none; and they stand behind what was filled before.
    let mut into = Fill::with_capacity(16384);
    into.append(&[9; 4096]);
    let read = Operation::Read { file, offset: (1 << 20) - 4096, size: 12288, into };
    let Ok(Outcome::Read(fill)) = driver.run(read) else { panic!() };
    assert_eq!((fill.filled(), fill.octets()[4095], fill.octets()[4096]), (8192, 9, 0));
    let into = Fill::with_capacity(4096);
    let Ok(Outcome::Read(fill)) =
        driver.run(Operation::Read { file, offset: 2 << 20, size: 4096, into })
    else {
        panic!()
    };
    assert_eq!(fill.filled(), 0);
}

pub(crate) fn refuses_what_is_not_whole_blocks<E: Engine>(make: fn() -> E) {
    let directory = tempfile::tempdir().unwrap();
    let mut driver = Driver::new(make());
    let file = driver.engine.create_file(&directory.path().join("log"), 65_536).unwrap();
    let whole = block(8192, 1);
    for (offset, octets) in
        [(0, whole.slice(0..4095)), (1, whole.clone()), (0, whole.slice(1..4097))]
    {
        let write = Operation::Write { file, offset, octets, durable: true };
        assert_eq!(driver.run(write).err().unwrap().kind(), ErrorKind::InvalidInput);
    }
    for (offset, size, filled) in [(1, 4096, 0), (0, 100, 0), (0, 4096, 1), (0, 12288, 0)] {
        let mut into = Fill::with_capacity(8192);
        into.advance(filled);
        let read = Operation::Read { file, offset, size, into };
        assert_eq!(driver.run(read).err().unwrap().kind(), ErrorKind::InvalidInput);
    }
}

pub(crate) fn makes_files<E: Engine>(make: fn() -> E) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("segment");
    let mut driver = Driver::new(make());
    let create = |size| Operation::CreateFile { path: path.clone(), size, haste: Haste::default() };
    assert!(matches!(driver.run(create(8192)), Ok(Outcome::Created(_))));
    let Ok(Outcome::Created(file)) = driver.run(create(4 << 20)) else { panic!("not replaced") };
    let write = Operation::Write { file, offset: 4096, octets: block(4096, 5), durable: true };
    assert!(driver.run(write).is_ok());
    let (path_of, haste) = (|name| directory.path().join(name), Haste::default());
    let odd = Operation::CreateFile { path: path_of("odd"), size: 5, haste: haste.clone() };
    assert!(driver.run(odd).is_err());
    let nowhere = Operation::CreateFile { path: path_of("no/where"), size: 4096, haste };
    assert_eq!(driver.run(nowhere).err().unwrap().kind(), ErrorKind::NotFound);
    drop(driver);
    let mut driver = Driver::new(make());
    let file = driver.engine.open_file(&path).unwrap();
    let image = driver.engine.map_file(file).unwrap();
    assert_eq!((image.len(), image[4095], image[4096], image[8192]), (4 << 20, 0, 5, 0));
    assert_eq!(driver.engine.list_files(directory.path()).unwrap(), ["segment"]);
}

pub(crate) fn keeps_small_files_and_directories<E: Engine>(make: fn() -> E) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    let mut driver = Driver::new(make());
    assert!(driver.engine.list_files(&path).unwrap().is_empty());
    driver.engine.replace_file(&path.join("b"), b"first").unwrap();
    driver.engine.replace_file(&path.join("b"), b"second").unwrap();
    driver.engine.replace_file(&path.join("a"), b"").unwrap();
    assert_eq!(driver.engine.list_files(&path).unwrap(), ["a", "b"]);
    let file = driver.engine.open_file(&path.join("b")).unwrap();
    assert_eq!(&driver.engine.map_file(file).unwrap()[..], b"second");
    let missing = driver.engine.open_file(&path.join("c")).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

pub(crate) fn wakes_from_a_thread<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    for _ in 0..3 {
        let waker = driver.engine.waker();
        let wakers = thread::spawn(move || {
            thread::sleep(SHORT);
            waker.wake();
        });
        let completion = driver.next();
        assert_eq!(completion.token, WOKEN);
        assert!(matches!(completion.result, Ok(Outcome::Woken)));
        wakers.join().unwrap();
    }
    // A wake before the poll is not lost either.
    driver.engine.waker().wake();
    assert_eq!(driver.next().token, WOKEN);
    driver.idle(SHORT);
    assert!(driver.queue.is_empty(), "woken for nothing");
}

pub(crate) fn wakes_from_engine_to_engine<E: Engine + 'static>(make: fn() -> E) {
    let (to_first, wakers) = std::sync::mpsc::channel::<Waker>();
    let mut first = Driver::new(make());
    let first_waker = first.engine.waker();
    let other = thread::spawn(move || {
        let mut second = Driver::new(make());
        to_first.send(second.engine.waker()).unwrap();
        for _ in 0..100 {
            let completion = second.next();
            assert!(completion.token == WOKEN && completion.result.is_ok());
            second.submit(Operation::Wake { waker: first_waker.clone() });
            second.turn(Duration::ZERO);
        }
        second.idle(SHORT);
        assert!(second.queue.is_empty(), "a wake completes with its sender");
    });
    let waker = wakers.recv().unwrap();
    for _ in 0..100 {
        first.submit(Operation::Wake { waker: waker.clone() });
        let completion = first.next();
        assert!(completion.token == WOKEN && completion.result.is_ok());
    }
    other.join().unwrap();
}

pub(crate) fn keeps_deadlines<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    driver.idle(SHORT);
    let begin = Instant::now();
    assert_eq!(driver.turn(Duration::from_millis(100)), 0);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(99), "{waited:?}");
    assert!(waited < Duration::from_millis(1000), "{waited:?}");
    let begin = Instant::now();
    let mut completions = Vec::new();
    driver.engine.poll(Some(Default::default()), &mut completions).unwrap();
    assert!(completions.is_empty() && begin.elapsed() < Duration::from_millis(90));
}

pub(crate) fn counts<E: Engine>(make: fn() -> E) {
    let mut driver = Driver::new(make());
    let (socket, mut peer) = driver.accepted();
    let before = driver.engine.counters();
    let receive = driver.submit(Operation::Receive { socket });
    for _ in 0..10 {
        peer.write_all(b"octets").unwrap();
        driver.received(receive);
        let transmit = transmit(b"answer", 6);
        driver.run(Operation::Send { socket, transmit }).unwrap();
    }
    let after = driver.engine.counters();
    assert_eq!(after.operations - before.operations, 11);
    let calls = after.system_calls - before.system_calls;
    assert!((10..=60).contains(&calls), "{calls} system calls");
    assert_eq!(after.buffers_dry, 0);
}

pub(crate) fn allocates_nothing_by_the_operation<E: Engine>(make: fn() -> E) {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = make();
    let file = engine.create_file(&directory.path().join("log"), 1 << 20).unwrap();
    let listening = engine.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    engine.submit(Token(0), Operation::Accept { listener: listening.0 });
    let peer = thread::spawn(move || {
        let mut peer = TcpStream::connect(listening.1).unwrap();
        let mut answer = vec![0; 10_000];
        for _ in 0..1500 {
            peer.write_all(&[1; 10_000]).unwrap();
            peer.read_exact(&mut answer).unwrap();
        }
    });
    let mut completions = Vec::new();
    while completions.is_empty() {
        engine.poll(None, &mut completions).unwrap();
    }
    let Ok(Outcome::Accepted(socket, _)) = completions.remove(0).result else { panic!() };
    engine.submit(Token(1), Operation::Receive { socket });
    let octets = block(8192, 1);
    let mut list = Some(Transmit::new());
    let mut spare = vec![Fill::with_capacity(4096 * 2000)];
    let (mut received, mut rounds, mut writing, mut before) = (0, 0, 0, 0);
    while rounds < 1500 || list.is_none() {
        engine.poll(None, &mut completions).unwrap();
        for completion in completions.drain(..) {
            match completion.result.unwrap() {
                Outcome::Received(lease) => received += lease.len(),
                Outcome::Sent(emptied) => list = Some(emptied),
                Outcome::Written => writing -= 1,
                Outcome::Read(into) => spare.push(into),
                _ => panic!(),
            }
        }
        if received < 10_000 {
            continue;
        }
        let Some(mut transmit) = list.take() else { continue };
        (received, rounds) = (0, rounds + 1);
        if rounds == 500 {
            before = allocations::count();
        }
        transmit.push_owned(&[2; 1808]);
        transmit.push_leased(octets.clone());
        engine.submit(Token(2), Operation::Send { socket, transmit });
        if writing < 4 {
            writing += 1;
            let (octets, offset, durable) =
                (octets.clone(), 8192 * (rounds % 128), rounds % 9 == 0);
            engine.submit(Token(3), Operation::Write { file, offset, octets, durable });
        }
        if let Some(into) = spare.pop() {
            engine.submit(Token(4), Operation::Read { file, offset: 0, size: 4096, into });
        }
    }
    // A pool or list may still grow to a new maximum; nothing is allocated by each of 1000 rounds.
    let count = allocations::count() - before;
    assert!(count <= 8, "{count} allocations in 1000 rounds");
    peer.join().unwrap();
}
