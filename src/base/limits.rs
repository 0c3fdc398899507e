//! Every bound of the relay, in one place, with the relations that must hold between them.
//!
//! A bound names its unit last. What a peer can make us hold is bounded here and nowhere else.

/// Largest MTS-APDU taken from a partner, octets.
pub const APDU_SIZE_MAX: usize = 64 << 20;
/// Largest envelope (everything of an MTS-APDU before its content), octets.
pub const ENVELOPE_SIZE_MAX: usize = 1 << 20;
/// Deepest nesting of constructed encodings that is followed.
pub const BER_DEPTH_MAX: usize = 32;
/// Most recipients in one envelope (X.411 ub-recipients is 32,767; this bounds memory).
pub const RECIPIENT_COUNT_MAX: usize = 4096;
/// Most elements of trace information (X.411 ub-transfers).
pub const TRACE_ELEMENT_COUNT_MAX: usize = 512;
/// Longest local identifier of an MTS-identifier, octets (X.411 ub-local-id-length).
pub const LOCAL_IDENTIFIER_SIZE_MAX: usize = 32;
/// Longest MTA name, octets (X.411 ub-mta-name-length).
pub const MTA_NAME_SIZE_MAX: usize = 32;
/// Longest password, octets (X.411 ub-password-length).
pub const PASSWORD_SIZE_MAX: usize = 62;

/// Largest TPKT, octets (RFC 1006 section 6: a 16-bit length).
pub const TPKT_SIZE_MAX: usize = 65_535;
/// Largest TPDU, octets: a TPKT less its header of 4.
pub const TPDU_SIZE_MAX: usize = TPKT_SIZE_MAX - 4;
/// Largest SPDU or PPDU other than transferred data that is assembled in memory, octets.
pub const CONTROL_PDU_SIZE_MAX: usize = 16 << 10;
/// Longest transport, session or presentation selector, octets.
pub const SELECTOR_SIZE_MAX: usize = 64;

/// Leased ranges shorter than this are copied into the header octets of a transmission, octets.
pub const TRANSMIT_COPY_BELOW: usize = 4096;

/// Size of one receive buffer, octets.
pub const RECEIVE_BUFFER_SIZE: usize = 16 << 10;
/// Receive buffers of one engine.
pub const RECEIVE_BUFFER_COUNT: usize = 256;
/// Receive buffers that one connection may fill in one turn of the engine.
pub const RECEIVE_BUFFER_COUNT_PER_TURN: usize = 8;

/// Preallocated size of one store segment, octets.
pub const SEGMENT_SIZE: u64 = 64 << 20;
/// Unit of durable writes, octets.
pub const STORE_BLOCK_SIZE: usize = 4096;
/// Largest body that is one record; a longer one is stored as chunks of this size, octets.
pub const CHUNK_SIZE: usize = 64 << 10;
/// Size of one group buffer, octets: what one commit can carry.
pub const GROUP_BUFFER_SIZE: usize = 1 << 20;
/// Commits of one log that may be under way at once.
pub const COMMIT_IN_FLIGHT_COUNT_MAX: usize = 4;

const _: () = {
    assert!(ENVELOPE_SIZE_MAX <= APDU_SIZE_MAX);
    assert!(TPDU_SIZE_MAX == 65_531);
    assert!(CHUNK_SIZE * 2 <= GROUP_BUFFER_SIZE);
    assert!((GROUP_BUFFER_SIZE as u64) < SEGMENT_SIZE);
    assert!(GROUP_BUFFER_SIZE.is_multiple_of(STORE_BLOCK_SIZE));
    assert!(SEGMENT_SIZE.is_multiple_of(STORE_BLOCK_SIZE as u64));
    assert!(RECEIVE_BUFFER_COUNT_PER_TURN < RECEIVE_BUFFER_COUNT);
};
