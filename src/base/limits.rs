//! Every bound of the relay, in one place, with the relations that must hold between them.
//!
//! A bound names its unit last. What a peer can make us hold is bounded here and nowhere else.

/// Largest MTS-APDU taken from a partner, octets.
pub const APDU_SIZE_MAX: usize = 64 << 20;
/// Largest envelope (everything of an MTS-APDU before its content), octets.
pub const ENVELOPE_SIZE_MAX: usize = 1 << 20;
/// What may stand in a transfer before its MTS-APDU, octets.
pub const EXTERNAL_OVERHEAD_SIZE_MAX: usize = 1024;
/// Deepest nesting of constructed encodings that is followed.
pub const BER_DEPTH_MAX: usize = 32;
/// Most recipients in one envelope (X.411 ub-recipients is 32,767; this bounds memory).
pub const RECIPIENT_COUNT_MAX: usize = 4096;
/// Most elements of trace information (X.411 ub-transfers).
pub const TRACE_ELEMENT_COUNT_MAX: usize = 512;
/// How often this MTA may stand in an APDU's internal trace; once more is a loop. Rerouting between the
/// MTAs of a domain may rightly pass one again.
pub const OWN_MTA_PASSAGE_COUNT_MAX: usize = 5;
/// Most extension fields in one envelope, those of its recipients included.
pub const EXTENSION_COUNT_MAX: usize = 8192;
/// Most attributes of one O/R address: one with every attribute in every variant has some hundred.
pub const OR_ADDRESS_ATTRIBUTE_COUNT_MAX: usize = 128;
/// Longest local identifier of an MTS-identifier, octets (X.411 ub-local-id-length).
pub const LOCAL_IDENTIFIER_SIZE_MAX: usize = 32;
/// Longest MTA name, octets (X.411 ub-mta-name-length).
pub const MTA_NAME_SIZE_MAX: usize = 32;
/// Longest password, octets (X.411 ub-password-length).
pub const PASSWORD_SIZE_MAX: usize = 62;

/// Most nodes that one PDU is decoded to for a reader; what is beyond is said to be there.
pub const DECODE_NODE_COUNT_MAX: usize = 200_000;
/// Longest value that is shown to a reader, octets.
pub const DECODE_VALUE_SIZE_MAX: usize = 256;

/// Largest TPKT, octets (RFC 1006 section 6: a 16-bit length).
pub const TPKT_SIZE_MAX: usize = 65_535;
/// Largest TPDU, octets: a TPKT less its header of 4.
pub const TPDU_SIZE_MAX: usize = TPKT_SIZE_MAX - 4;
/// Largest SPDU or PPDU other than transferred data that is assembled in memory, octets.
pub const CONTROL_PDU_SIZE_MAX: usize = 16 << 10;
/// Longest transport, session or presentation selector, octets.
pub const SELECTOR_SIZE_MAX: usize = 64;
/// Largest transfer that is begun: an MTS-APDU and the EXTERNAL around it, octets.
pub const TRANSFER_SIZE_MAX: usize = APDU_SIZE_MAX + 64;
/// Data of one outgoing transfer that is taken before it can be sent, octets.
pub const TRANSFER_QUEUED_SIZE_MAX: usize = 256 << 10;
/// Longest time from the first octet to an established association, seconds.
pub const ESTABLISHMENT_DELAY_S_MAX: u64 = 60;
/// Longest time from a release, refusal or abort to the end of the connection, seconds.
pub const RELEASE_DELAY_S_MAX: u64 = 30;

/// Leased ranges shorter than this are copied into the header octets of a transmission, octets.
pub const TRANSMIT_COPY_BELOW: usize = 4096;

/// Size of one receive buffer, octets.
pub const RECEIVE_BUFFER_SIZE: usize = 16 << 10;
/// Receive buffers of one engine.
pub const RECEIVE_BUFFER_COUNT: usize = 256;
/// Receive buffers that one connection may fill in one turn of the engine.
pub const RECEIVE_BUFFER_COUNT_PER_TURN: usize = 8;

/// Mail that may wait for one shard, other than outcomes.
pub const MAILBOX_WORK_COUNT_MAX: usize = 4096;
/// Outcomes that may wait for one shard.
pub const MAILBOX_OUTCOME_COUNT_MAX: usize = 16_384;
/// Connections of one shard.
pub const CONNECTION_COUNT_MAX: usize = 1 << 20;
/// Connections of one shard whose caller has not shown who it is.
pub const UNBOUND_CONNECTION_COUNT_MAX: usize = 1024;
/// How long the last activities of broken associations are remembered, seconds.
pub const ACTIVITY_MEMORY_S: u64 = 3600;
/// Associations of partners that are remembered.
pub const ACTIVITY_MEMORY_COUNT_MAX: usize = 65_536;
/// Broken transfers in of one shard that are kept to be resumed.
pub const SUSPENDED_INTAKE_COUNT_MAX: usize = 256;
/// Messages at the head of a queue whose targets are marked as attempted ahead of their sending.
pub const ATTEMPT_AHEAD_COUNT: usize = 128;
/// Messages waiting for a connector that is sending beyond which those who send more wait for their
/// confirmation.
pub const CONFIRM_QUEUED_COUNT_MAX: u32 = 64;
/// Octets of such messages beyond which they wait.
pub const CONFIRM_QUEUED_SIZE_MAX: u64 = 16 << 20;
/// Longest such wait, milliseconds.
pub const CONFIRM_DELAY_MS_MAX: u64 = 25;
/// Of so many transfers in a row one goes to a lower priority that waits.
pub const PRIORITY_TURN_COUNT: u32 = 16;
/// APDUs that may take each other's place in a row: redirections, expansions.
pub const DERIVATION_COUNT_MAX: u8 = 16;
/// APDUs of one shard whose derived ones are being made at once.
pub const DERIVING_COUNT_MAX: usize = 16;
/// Of these, those that reports have not to themselves.
pub const DERIVING_COPIES_COUNT_MAX: usize = DERIVING_COUNT_MAX - 4;
/// APDUs that wait for it and keep their committed buffer.
pub const DERIVING_RESIDENT_COUNT_MAX: usize = 64;
/// Least time between two searches of a queue for what has expired, milliseconds.
pub const EXPIRY_SWEEP_INTERVAL_MS: u64 = 1000;
/// Queued messages that are looked at in such a search for each of these intervals that passes.
pub const EXPIRY_SWEEP_COUNT_PER_INTERVAL: usize = 65_536;
/// Messages of one shard's queues that keep their committed buffer; later ones are fetched when sent.
pub const RESIDENT_MESSAGE_COUNT_MAX: usize = 8192;
/// Octets of large messages taken in by one shard that stay in the buffers they were committed from.
pub const KEPT_SIZE_MAX: usize = GROUP_BUFFER_SIZE * GROUP_BUFFER_COUNT / 4 * 3;
/// Octets of one outgoing transfer below which the next are fetched, whether the partner has room or not.
pub const FETCH_AHEAD_SIZE: usize = CHUNK_SIZE;
/// Size of one buffer for a patched envelope; a larger envelope gets a buffer of its own, octets.
pub const ENVELOPE_BUFFER_SIZE: usize = 4096;
/// Buffers for patched envelopes of one shard, each for as many as fit.
pub const ENVELOPE_BUFFER_COUNT: usize = 4096;
/// Deliveries that the thread of one delivery point has before it, answered or not.
pub const SPOOL_DELIVERY_COUNT_MAX: usize = 16;
/// Pieces of stored messages that wait for that thread.
pub const SPOOL_PIECE_COUNT_MAX: usize = 16;
/// Pieces of submissions that wait for a shard, and submissions that wait for their answer.
pub const SPOOL_SUBMISSION_COUNT_MAX: usize = 16;
/// Largest JSON envelope of a submission, octets.
pub const SPOOL_ENVELOPE_SIZE_MAX: u64 = 4 << 20;
/// For a partner's next transfer to come in and be refused when the relay stops, milliseconds.
pub const STOP_PATIENCE_MS: u64 = 1000;
/// For the last octets of a connection to leave, seconds.
pub const CLOSE_TIMEOUT_S: u64 = 2;
/// Most shards, and so logs, of one relay.
pub const LOG_COUNT_MAX: u16 = 128;
/// Octets fetched from the store at a time for a transfer.
pub const FETCH_SIZE: usize = 256 << 10;
/// Receive buffers that one connection may be ahead of its turns before it is throttled.
pub const RECEIVE_BUFFER_COUNT_AHEAD: usize = 2 * RECEIVE_BUFFER_COUNT_PER_TURN;
/// How long an engine whose receive buffers are all on loan waits before it looks again, milliseconds.
pub const RECEIVE_RETRY_MS: u64 = 1;
/// Connections taken from one listener in one turn of the engine.
pub const ACCEPT_COUNT_PER_TURN: usize = 64;
/// Silence of a TCP peer after which it is asked whether it is there, seconds.
pub const TCP_KEEPALIVE_IDLE_S: u64 = 60;
/// Time from one such question to the next, seconds.
pub const TCP_KEEPALIVE_INTERVAL_S: u64 = 15;
/// Questions without an answer after which the connection is broken.
pub const TCP_KEEPALIVE_COUNT: u32 = 4;
/// Connections that the kernel may hold for a listener before they are accepted.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Stretches of a transmission that go into one system call or ring operation.
pub const SEND_SLICE_COUNT_MAX: usize = 64;
/// System calls that one connection may spend on sending in one turn of the engine.
pub const SEND_COUNT_PER_TURN: usize = 16;
/// Sends of at least this size go without copying where the kernel can, octets.
pub const ZERO_COPY_SEND_SIZE_MIN: usize = 64 << 10;
/// Files that one ring keeps registered, where the process may have so many; else the lesser number.
pub const REGISTERED_FILE_COUNT: u32 = 16_384;
/// The lesser number: an ordinary limit of open files.
pub const REGISTERED_FILE_COUNT_MIN: u32 = 1024;
/// Submission entries of one ring.
pub const RING_SUBMISSION_COUNT: u32 = 512;
/// Completion entries of one ring.
pub const RING_COMPLETION_COUNT: u32 = 4096;
/// Jobs that a disk thread may have before it; more wait at the engine.
pub const DISK_JOB_COUNT_MAX: usize = 256;
/// Neighbouring durable writes that a disk thread makes one.
pub const DISK_WRITE_MERGE_COUNT_MAX: usize = 16;

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

/// Group buffers of one log, by default: what bodies leased from them can hold in memory.
pub const GROUP_BUFFER_COUNT: usize = 256;
/// Smallest segment, octets: room for the largest record and its footer entry.
pub const SEGMENT_SIZE_MIN: u64 = 256 << 10;
/// What a settled target is worth at least when the log is full, octets: a report on a probe is no smaller than
/// the probe.
pub const SETTLED_SIZE_MIN: usize = 1024;
/// Segments kept ready ahead of the one being written, the last of them for outcomes alone.
pub const SPARE_SEGMENT_COUNT: usize = 2;
/// Largest metadata of one message in the store, octets.
pub const METADATA_SIZE_MAX: usize = 64 << 10;
/// Largest note of a log, octets: what it says of segments that are used again.
pub const NOTE_SIZE_MAX: usize = 512 << 10;
/// Of a segment, a note takes at most one part in so many.
pub const NOTE_SEGMENT_SHARE: u64 = 16;
/// Size of one buffer of a segment's footer, octets.
pub const FOOTER_BUFFER_SIZE: usize = 256 << 10;
/// Chunks of one body: those of the largest, and as many cut short by pauses of the sender.
pub const CHUNK_COUNT_MAX: usize = 2 * (APDU_SIZE_MAX / CHUNK_SIZE);

/// Size at which a shard hands its buffer of journal events over, octets.
pub const JOURNAL_BUFFER_SIZE: usize = 64 << 10;
/// Longest that an event waits in its shard's buffer, milliseconds.
pub const JOURNAL_DELAY_MS: u64 = 50;
/// Journal buffers for each shard: what the writer may be behind before events are lost.
pub const JOURNAL_BUFFER_COUNT: usize = 32;
/// Largest journal event, octets; the recipients of a message with many go into several.
pub const JOURNAL_EVENT_SIZE_MAX: usize = 16 << 10;
/// Longest O/R name that the journal keeps, octets; of a longer one it keeps that it was there.
pub const JOURNAL_NAME_SIZE_MAX: usize = 2048;
/// Size from which a journal segment is sealed, octets.
pub const JOURNAL_SEGMENT_SIZE: u64 = 32 << 20;
const _: () = {
    assert!(SEGMENT_SIZE_MIN <= SEGMENT_SIZE && SEGMENT_SIZE <= u32::MAX as u64);
    assert!(((CHUNK_SIZE + 2 * METADATA_SIZE_MAX) as u64) < SEGMENT_SIZE_MIN);
    assert!(FOOTER_BUFFER_SIZE.is_multiple_of(STORE_BLOCK_SIZE));
    assert!(ENVELOPE_SIZE_MAX <= APDU_SIZE_MAX);
    assert!(TPDU_SIZE_MAX == 65_531);
    assert!(CHUNK_SIZE * 2 <= GROUP_BUFFER_SIZE && NOTE_SIZE_MAX * 2 <= GROUP_BUFFER_SIZE);
    assert!((GROUP_BUFFER_SIZE as u64) < SEGMENT_SIZE);
    assert!(GROUP_BUFFER_SIZE.is_multiple_of(STORE_BLOCK_SIZE));
    assert!(SEGMENT_SIZE.is_multiple_of(STORE_BLOCK_SIZE as u64));
    // Where senders are slowed down, marks still come with the messages.
    assert!(2 * CONFIRM_QUEUED_COUNT_MAX as usize <= ATTEMPT_AHEAD_COUNT);
    assert!(PRIORITY_TURN_COUNT > 1);
    assert!(RECEIVE_BUFFER_COUNT_PER_TURN < RECEIVE_BUFFER_COUNT);
    assert!(RECEIVE_BUFFER_COUNT.is_power_of_two() && RECEIVE_BUFFER_COUNT <= 1 << 15);
    assert!(RECEIVE_BUFFER_COUNT_AHEAD < RECEIVE_BUFFER_COUNT);
    assert!(RING_COMPLETION_COUNT as usize > RECEIVE_BUFFER_COUNT);
    assert!(SEND_SLICE_COUNT_MAX <= 1024); // IOV_MAX
    // An event holds a few names and every recipient's index.
    // One journal event holds the indices of all recipients, and a few names.
    assert!(2 * RECIPIENT_COUNT_MAX + 3 * JOURNAL_NAME_SIZE_MAX < JOURNAL_EVENT_SIZE_MAX);
    assert!(JOURNAL_EVENT_SIZE_MAX < JOURNAL_BUFFER_SIZE);
    assert!(JOURNAL_SEGMENT_SIZE + (JOURNAL_BUFFER_SIZE as u64) < u32::MAX as u64);
    assert!(DISK_WRITE_MERGE_COUNT_MAX <= 1024);
};
