//! TCP connections put together from segments: order restored, retransmissions dropped, losses said.
//!
//! A gap is a loss when the receiver has acknowledged what is missing, or when the capture ends: until then
//! it may still be filled.

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
    /// Segments ahead of it, by their distance from the first sequence number.
    ahead: BTreeMap<u64, Vec<u8>>,
    /// Octets delivered or lost so far.
    position: u64,
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

    /// Everything that is in order now.
    fn take(&mut self) -> Option<Vec<u8>> {
        let mut ready = Vec::new();
        while let Some((&at, _)) = self.ahead.first_key_value() {
            if at > self.position {
                break;
            }
            let octets = self.ahead.remove(&at).unwrap_or_default();
            let known = (self.position - at) as usize;
            if let Some(fresh) = octets.get(known..) {
                ready.extend_from_slice(fresh);
                self.advance(fresh.len());
            }
        }
        (!ready.is_empty()).then_some(ready)
    }

    /// Gives up the octets before the first segment that is ahead, if it begins within `acknowledged`.
    fn give_up(&mut self, acknowledged: i64) -> Option<usize> {
        let (&at, _) = self.ahead.first_key_value()?;
        let missing = at.checked_sub(self.position).filter(|missing| *missing > 0)?;
        (at as i64 <= acknowledged).then(|| {
            self.advance(missing as usize);
            missing as usize
        })
    }
}

impl Connection {
    fn new(first: &Segment) -> Connection {
        // SYN with ACK is the answer: the other end called.
        let answered = first.begins && first.acknowledgment_number.is_some();
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
            if kept.len() < fresh.len() {
                *kept = fresh.to_vec();
            }
        }
        self.deliver(sender, segment.time);
        if let Some(number) = segment.acknowledgment_number {
            let other = &mut self.flows[1 - sender];
            if other.next.is_some() {
                let acknowledged = other.position_of(number);
                self.skip_lost(1 - sender, acknowledged, segment.time);
            }
        }
    }

    fn deliver(&mut self, sender: usize, time: Duration) {
        if let Some(octets) = self.flows[sender].take() {
            self.deliveries.push(Delivery { time, sender, what: What::Octets(octets) });
        }
    }

    fn skip_lost(&mut self, sender: usize, acknowledged: i64, time: Duration) {
        while let Some(size) = self.flows[sender].give_up(acknowledged) {
            self.deliveries.push(Delivery { time, sender, what: What::Lost(size) });
            self.deliver(sender, time);
        }
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
        let anew = segment.begins && segment.acknowledgment_number.is_none();
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
    let last = segments.last().map(|segment| segment.time).unwrap_or_default();
    for connection in &mut connections {
        for sender in 0..2 {
            connection.skip_lost(sender, i64::MAX, last);
        }
    }
    connections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(
        back: bool,
        sequence_number: u32,
        acknowledgment_number: Option<u32>,
        begins: bool,
        payload: &[u8],
    ) -> Segment {
        let ends: [SocketAddr; 2] =
            ["10.0.0.1:4000".parse().unwrap(), "10.0.0.2:102".parse().unwrap()];
        let (from, to) = (ends[usize::from(back)], ends[usize::from(!back)]);
        Segment {
            time: Duration::from_secs(1),
            from,
            to,
            sequence_number,
            acknowledgment_number,
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
        segment(false, ISN.wrapping_add(1 + at), Some(0), false, payload)
    }

    #[test]
    fn order_is_restored_and_what_comes_twice_comes_once() {
        let found = delivered(&[
            segment(false, ISN, None, true, b""),
            data(3, b"def"),
            data(0, b"abc"),
            data(1, b"bcdef"),
            data(4, b"efgh"),
            data(8, b""),
        ]);
        let octets = |text: &[u8]| (0, What::Octets(text.to_vec()));
        assert_eq!(found, [octets(b"abcdef"), octets(b"gh")]);
    }

    #[test]
    fn a_loss_is_said_once_it_is_certain() {
        let acknowledged = ISN.wrapping_add(1 + 8);
        let found = delivered(&[
            segment(false, ISN, None, true, b""),
            segment(true, 900, Some(ISN.wrapping_add(1)), true, b""),
            data(0, b"ab"),
            data(5, b"fgh"),
            segment(true, 901, Some(acknowledged), false, b"x"),
            data(20, b"z"),
        ]);
        assert_eq!(
            found,
            [
                (0, What::Octets(b"ab".to_vec())),
                (1, What::Octets(b"x".to_vec())),
                (0, What::Lost(3)),
                (0, What::Octets(b"fgh".to_vec())),
                (0, What::Lost(12)),
                (0, What::Octets(b"z".to_vec())),
            ]
        );
    }

    #[test]
    fn the_end_that_answered_a_syn_was_called() {
        let [first, ..] =
            &connections(&[segment(true, 7, Some(ISN), true, b""), data(0, b"a")])[..]
        else {
            panic!("no connection");
        };
        assert_eq!(first.ends[1].port(), 102);
        let anew = [
            segment(false, 1, None, true, b""),
            segment(false, 2, Some(0), false, b"a"),
            segment(false, 90, None, true, b""),
            segment(false, 91, Some(0), false, b"b"),
        ];
        assert_eq!(connections(&anew).len(), 2);
    }
}
