//! TCP connections put together from segments: order restored, retransmissions dropped, losses said.
//!
//! A gap is a loss when the capture ends without what would fill it: captures may reorder segments, even against
//! their acknowledgements. What was ahead of a loss keeps the time at which it came.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use crate::capture::Segment;

/// One TCP connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its ends: that of the first segment, or the one that sent SYN alone, is the first.
    pub(crate) ends: [SocketAddr; 2],
    /// What arrived, in order of time.
    pub(crate) deliveries: Vec<Delivery>,
    flows: [Flow; 2],
}

/// Octets in order, or a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// When it could be delivered.
    pub(crate) time: Duration,
    /// Index of the sender in [`Connection::ends`].
    pub(crate) sender: usize,
    pub(crate) what: What,
}

/// What a delivery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Octets(Vec<u8>),
    /// So many octets are not in the capture.
    Lost(usize),
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    /// The next sequence number to be delivered; `None` before the first segment.
    next: Option<u32>,
    /// Segments ahead of it with their times, by their distance from the first sequence number.
    ahead: BTreeMap<u64, (Duration, Vec<u8>)>,
    /// Octets delivered or lost so far.
    position: u64,
    /// When the last octets were delivered.
    time: Duration,
}

impl Flow {
    /// Where a sequence number lies in the stream; negative before its beginning.
    fn position_of(&self, sequence_number: u32) -> i64 {
        let distance = sequence_number.wrapping_sub(self.next.unwrap_or(sequence_number)) as i32;
        self.position as i64 + i64::from(distance)
    }

    fn advance(&mut self, size: usize) {
        self.position += size as u64;
        self.next = self.next.map(|next| next.wrapping_add(size as u32));
    }

    /// The next segment, if it is in order now, and when it could be delivered.
    fn take(&mut self) -> Option<(Duration, Vec<u8>)> {
        while let Some(entry) = self.ahead.first_entry() {
            let at = *entry.key();
            if at > self.position {
                return None;
            }
            let (time, mut octets) = entry.remove();
            let known = usize::try_from(self.position - at).unwrap_or(usize::MAX);
            if known < octets.len() {
                octets.drain(..known);
                self.advance(octets.len());
                self.time = self.time.max(time);
                return Some((self.time, octets));
            }
        }
        None
    }

    /// Gives up the octets before the first segment that is ahead: how many, and when that came.
    fn give_up(&mut self) -> Option<(Duration, usize)> {
        let (&at, (time, _)) = self.ahead.first_key_value()?;
        let (time, missing) = (*time, (at - self.position) as usize);
        self.advance(missing);
        Some((time.max(self.time), missing))
    }
}

impl Connection {
    fn new(first: &Segment) -> Connection {
        // SYN with ACK is the answer: the other end called.
        let answered = first.begins && first.acknowledges;
        let ends = if answered { [first.to, first.from] } else { [first.from, first.to] };
        Connection { ends, deliveries: Vec::new(), flows: Default::default() }
    }

    fn take(&mut self, segment: &Segment) {
        let sender = usize::from(segment.from != self.ends[0]);
        let flow = &mut self.flows[sender];
        // SYN counts as one octet.
        let start = segment.sequence_number.wrapping_add(u32::from(segment.begins));
        flow.next.get_or_insert(start);
        let position = flow.position_of(start);
        let before = (flow.position as i64 - position).clamp(0, segment.payload.len() as i64);
        let fresh = &segment.payload[before as usize..];
        if !fresh.is_empty() {
            let kept = flow.ahead.entry((position + before) as u64).or_default();
            if kept.1.len() < fresh.len() {
                *kept = (segment.time, fresh.to_vec());
            }
        }
        self.deliver(sender, segment.time);
    }

    /// Delivers what is in order, not before `time`.
    fn deliver(&mut self, sender: usize, time: Duration) {
        let flow = &mut self.flows[sender];
        while let Some((came, octets)) = flow.take() {
            let time = time.max(came);
            self.deliveries.push(Delivery { time, sender, what: What::Octets(octets) });
        }
    }

    /// Says what is missing, and brings all deliveries into the order of time.
    fn end(&mut self) {
        for sender in 0..2 {
            while let Some((time, missing)) = self.flows[sender].give_up() {
                self.deliveries.push(Delivery { time, sender, what: What::Lost(missing) });
                self.deliver(sender, time);
            }
        }
        self.deliveries.sort_by_key(|delivery| delivery.time);
    }
}

/// All connections, in the order in which they were first seen.
pub(crate) fn connections(segments: &[Segment]) -> Vec<Connection> {
    let mut connections: Vec<Connection> = Vec::new();
    let mut open: HashMap<[SocketAddr; 2], usize> = HashMap::new();
    for segment in segments {
        let mut key = [segment.from, segment.to];
        key.sort();
        let known = open.get(&key).copied();
        // The same pair of ends may connect anew; a SYN sent again is no new connection.
        let anew = segment.begins && !segment.acknowledges;
        let index = match known {
            Some(index) if !anew || connections[index].deliveries.is_empty() => index,
            _ => {
                connections.push(Connection::new(segment));
                connections.len() - 1
            }
        };
        open.insert(key, index);
        connections[index].take(segment);
    }
    connections.iter_mut().for_each(Connection::end);
    connections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(back: bool, sequence_number: u32, begins: bool, payload: &[u8]) -> Segment {
        let ends: [SocketAddr; 2] =
            ["10.0.0.1:4000".parse().unwrap(), "10.0.0.2:102".parse().unwrap()];
        let (from, to) = (ends[usize::from(back)], ends[usize::from(!back)]);
        Segment {
            time: Duration::from_secs(1),
            from,
            to,
            sequence_number,
            acknowledges: back || !begins,
            begins,
            payload: payload.to_vec(),
        }
    }

    fn delivered(segments: &[Segment]) -> Vec<(usize, What)> {
        let connections = connections(segments);
        assert_eq!(connections.len(), 1);
        let deliveries = connections.into_iter().next().unwrap().deliveries;
        deliveries.into_iter().map(|delivery| (delivery.sender, delivery.what)).collect()
    }

    /// Sequence numbers wrap around inside of the stream.
    const ISN: u32 = u32::MAX - 2;

    fn data(at: u32, payload: &[u8]) -> Segment {
        segment(false, ISN.wrapping_add(1 + at), false, payload)
    }

    fn octets(text: &[u8]) -> (usize, What) {
        (0, What::Octets(text.to_vec()))
    }

    #[test]
    fn order_is_restored_and_what_comes_twice_comes_once() {
        let found = delivered(&[
            segment(false, ISN, true, b""),
            data(3, b"def"),
            data(0, b"abc"),
            data(1, b"bcdef"),
            data(4, b"efgh"),
            data(8, b""),
        ]);
        assert_eq!(found, [octets(b"abc"), octets(b"def"), octets(b"gh")]);
    }

    #[test]
    fn a_loss_is_said_where_it_is_and_what_follows_keeps_its_time() {
        let mut late = data(20, b"z");
        late.time = Duration::from_secs(9);
        let mut answer = segment(true, 901, false, b"x");
        answer.time = Duration::from_secs(5);
        let found = delivered(&[
            segment(false, ISN, true, b""),
            segment(true, 900, true, b""),
            data(0, b"ab"),
            data(5, b"fgh"),
            answer,
            late,
        ]);
        let lost = |count| (0, What::Lost(count));
        let answered = (1, What::Octets(b"x".to_vec()));
        let expected = [octets(b"ab"), lost(3), octets(b"fgh"), answered, lost(12), octets(b"z")];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_end_that_answered_a_syn_was_called() {
        let connection = &connections(&[segment(true, 7, true, b""), data(0, b"a")])[0];
        assert_eq!(connection.ends[1].port(), 102);
        let anew = [
            segment(false, 1, true, b""),
            segment(false, 2, false, b"a"),
            segment(false, 90, true, b""),
            segment(false, 91, false, b"b"),
        ];
        assert_eq!(connections(&anew).len(), 2);
    }
}
