//! A log on an engine, turned by the bench as a shard turns its own.

use std::path::Path;

use p1relay::io::{Completion, Engine, Token};
use p1relay::store::{Confirm, Log, LogConfig, MessageReference, open_superblock};

/// 2 KiB and what an envelope adds.
pub(crate) const BODY_SIZE: usize = 2048 + 512;
/// About what the relay keeps beside a message to one connector.
pub(crate) const METADATA_SIZE: usize = 96;

/// An engine and a log on it.
pub(crate) struct Store<E: Engine> {
    engine: E,
    pub(crate) log: Log,
    completions: Vec<Completion<E::Detached>>,
    body: Vec<u8>,
    /// Beside each message.
    pub(crate) metadata: Vec<u8>,
}

impl<E: Engine> Store<E> {
    /// Opens log 0 of the store in `directory`, which is made when there is none.
    pub(crate) fn open(mut engine: E, directory: &Path, config: &LogConfig) -> Store<E> {
        let superblock =
            open_superblock(&mut engine, directory, *b"a bench's store.", 1).expect("a superblock");
        let (log, _) = Log::open(&mut engine, directory, &superblock, 0, config).expect("a log");
        Store {
            engine,
            log,
            completions: Vec::new(),
            body: vec![7; BODY_SIZE],
            metadata: vec![1; METADATA_SIZE],
        }
    }

    /// Appends `count` messages with one target each, and tells what they are called.
    pub(crate) fn append(&mut self, count: usize, mut tell: impl FnMut(MessageReference)) {
        for _ in 0..count {
            let appended = loop {
                match self.log.append_request(0, &self.metadata, 1, 0, &[&self.body]) {
                    Ok(appended) => break appended,
                    Err(_) => self.turn(),
                }
            };
            tell(appended.reference);
        }
    }

    /// Waits until everything appended is durable; gives how many messages that was.
    pub(crate) fn commit(&mut self) -> usize {
        while self.log.has_uncommitted() {
            self.turn();
        }
        let mut count = 0;
        while let Some(confirm) = self.log.poll_confirm() {
            assert!(matches!(confirm, Confirm::Committed { .. }), "{confirm:?}");
            count += 1;
        }
        count
    }

    /// Gives the log's operations to the engine and takes what has completed; waits for something.
    pub(crate) fn turn(&mut self) {
        while let Some((token, operation)) = self.log.poll_operation() {
            self.engine.submit(Token(u64::from(token)), operation);
        }
        self.engine.poll(None, &mut self.completions).expect("an engine that works");
        for Completion { token, result, .. } in self.completions.drain(..) {
            self.log.handle_completion(token.0 as u32, result);
        }
    }
}
