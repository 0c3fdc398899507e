//! What the floor speaks, where the relay speaks P1: a transfer is a length, a number and filling, its
//! confirmation the number and filling.
//!
//! ```text
//! transfer      size of the whole, u32 little-endian | number, u64 little-endian | filling
//! confirmation  number, u64 little-endian | filling
//! ```

/// Octets of a transfer in front of its filling.
pub(crate) const FRAME_HEAD_SIZE: usize = 12;
/// Smallest confirmation, octets.
pub(crate) const CONFIRMATION_SIZE_MIN: usize = 8;

/// The head of a transfer of `size` octets.
pub(crate) fn frame_head(size: usize, number: u64) -> [u8; FRAME_HEAD_SIZE] {
    let mut head = [0; FRAME_HEAD_SIZE];
    head[..4].copy_from_slice(&(size as u32).to_le_bytes());
    head[4..].copy_from_slice(&number.to_le_bytes());
    head
}

/// A transfer that comes in, in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    head: [u8; FRAME_HEAD_SIZE],
    taken: usize,
}

impl FrameReader {
    /// Whether the next octet is a transfer's first.
    pub(crate) fn is_between(&self) -> bool {
        self.taken == 0
    }

    /// Takes the next octets of the transfer: how many belong to it, and its number if it ends there.
    pub(crate) fn take(&mut self, input: &[u8]) -> (usize, Option<u64>) {
        let mut count = 0;
        if self.taken < FRAME_HEAD_SIZE {
            count = input.len().min(FRAME_HEAD_SIZE - self.taken);
            self.head[self.taken..self.taken + count].copy_from_slice(&input[..count]);
            self.taken += count;
            if self.taken < FRAME_HEAD_SIZE {
                return (count, None);
            }
        }
        let [a, b, c, d, number @ ..] = self.head;
        let size = (u32::from_le_bytes([a, b, c, d]) as usize).max(FRAME_HEAD_SIZE);
        let rest = (input.len() - count).min(size - self.taken);
        self.taken += rest;
        if self.taken < size {
            return (count + rest, None);
        }
        self.taken = 0;
        (count + rest, Some(u64::from_le_bytes(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_found_however_it_is_cut() {
        let mut octets = frame_head(40, 7).to_vec();
        octets.resize(40, 0xee);
        octets.extend_from_slice(&frame_head(FRAME_HEAD_SIZE, 8));
        for piece in 1..=octets.len() {
            let mut reader = FrameReader::default();
            let mut found = Vec::new();
            for chunk in octets.chunks(piece) {
                let mut input = chunk;
                while !input.is_empty() {
                    let (count, number) = reader.take(input);
                    input = &input[count..];
                    found.extend(number);
                }
            }
            assert_eq!(found, [7, 8], "in pieces of {piece}");
        }
    }
}
