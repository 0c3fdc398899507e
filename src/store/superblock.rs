//! The store's superblock: its identity, its incarnation, and how many logs it has.
//!
//! The incarnation is counted up durably at every opening, before anything else happens. Groups carry
//! it, so that a group written before a crash and passed over by recovery is never taken up later; and
//! local identifiers carry it, so that they are unique over restarts.
//!
//! ```text
//! magic (8)  format version (4)  CRC32C of the rest (4)  UUID (16)  incarnation (8)  log count (2)
//! ```

use std::path::{Path, PathBuf};

use super::error::Error;
use super::format::{FORMAT_VERSION, SUPERBLOCK_MAGIC, put, u16_at, u32_at, u64_at};
use crate::io::Engine;

/// The superblock's file name.
pub const SUPERBLOCK_NAME: &str = "superblock";

const SUPERBLOCK_SIZE: usize = 42;

/// What a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// Distinguishes stores.
    pub uuid: [u8; 16],
    /// How often the store has been opened, this time included.
    pub incarnation: u64,
    /// Logs, numbered from 0; never fewer than before.
    pub log_count: u16,
}

impl Superblock {
    fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut octets = [0; SUPERBLOCK_SIZE];
        put(&mut octets, 0, &SUPERBLOCK_MAGIC);
        put(&mut octets, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut octets, 16, &self.uuid);
        put(&mut octets, 32, &self.incarnation.to_le_bytes());
        put(&mut octets, 40, &self.log_count.to_le_bytes());
        let crc = crc32c::crc32c(&octets[16..]);
        put(&mut octets, 12, &crc.to_le_bytes());
        octets
    }

    fn decode(path: &Path, octets: &[u8]) -> Result<Superblock, Error> {
        check_identity(path, octets, &SUPERBLOCK_MAGIC)?;
        let decoded = || {
            let crc = crc32c::crc32c(octets.get(16..SUPERBLOCK_SIZE)?);
            let superblock = Superblock {
                uuid: octets.get(16..32)?.try_into().ok()?,
                incarnation: u64_at(octets, 32)?,
                log_count: u16_at(octets, 40)?,
            };
            (u32_at(octets, 12)? == crc).then_some(superblock)
        };
        decoded().ok_or_else(|| Error::Damaged {
            file: path.to_owned(),
            offset: 0,
            what: "the superblock's CRC does not hold",
        })
    }
}

/// Checks magic and format version.
pub(super) fn check_identity(path: &Path, octets: &[u8], magic: &[u8; 8]) -> Result<(), Error> {
    if octets.get(..8) != Some(&magic[..]) {
        return Err(Error::Foreign {
            file: path.to_owned(),
            what: "magic",
            found: octets.get(..8).unwrap_or(octets).escape_ascii().to_string(),
            expected: magic.escape_ascii().to_string(),
        });
    }
    match u32_at(octets, 8) {
        Some(found) if found > FORMAT_VERSION => {
            Err(Error::NewerFormat { file: path.to_owned(), found, expected: FORMAT_VERSION })
        }
        _ => Ok(()),
    }
}

/// Opens the store in `directory` at its next incarnation, or makes one of identity `uuid` there.
///
/// `log_count` is how many logs are wanted; a store that has more keeps them.
///
/// # Errors
/// `Io`; `Foreign`, `NewerFormat` or `Damaged` of the superblock; `Damaged` when there are segments
/// without a superblock.
pub fn open_superblock<E: Engine>(
    engine: &mut E,
    directory: &Path,
    uuid: [u8; 16],
    log_count: u16,
) -> Result<Superblock, Error> {
    let failed = |file: PathBuf| move |source| Error::Io { file, source };
    let names = engine.list_files(directory).map_err(failed(directory.to_owned()))?;
    let path = directory.join(SUPERBLOCK_NAME);
    let mut superblock = Superblock { uuid, incarnation: 0, log_count };
    if names.iter().any(|name| name == SUPERBLOCK_NAME) {
        let file = engine.open_file(&path).map_err(failed(path.clone()))?;
        let octets = engine.map_file(file).map_err(failed(path.clone()))?;
        superblock = Superblock::decode(&path, &octets)?;
    } else if let Some(orphan) = names.iter().find(|name| name.ends_with(".seg")) {
        return Err(Error::Damaged {
            file: directory.join(orphan),
            offset: 0,
            what: "a segment without the store's superblock",
        });
    }
    superblock.incarnation += 1;
    superblock.log_count = superblock.log_count.max(log_count);
    engine.replace_file(&path, &superblock.encode()).map_err(failed(path))?;
    Ok(superblock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::simulated::{World, WorldConfig};

    #[test]
    fn the_incarnation_counts_up_and_identity_stays() {
        let mut engine = World::new(WorldConfig::new(1)).engine();
        let directory = Path::new("store");
        let first = open_superblock(&mut engine, directory, [1; 16], 2).unwrap();
        let second = open_superblock(&mut engine, directory, [2; 16], 1).unwrap();
        assert_eq!((first.uuid, first.incarnation, first.log_count), ([1; 16], 1, 2));
        assert_eq!((second.uuid, second.incarnation, second.log_count), ([1; 16], 2, 2));
    }

    #[test]
    fn what_is_not_ours_is_named() {
        let mut engine = World::new(WorldConfig::new(1)).engine();
        let disk = engine.disk();
        let directory = Path::new("store");
        let path = directory.join(SUPERBLOCK_NAME);
        open_superblock(&mut engine, directory, [1; 16], 1).unwrap();
        disk.corrupt(&path, 33, &[9]);
        let error = open_superblock(&mut engine, directory, [1; 16], 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "store/superblock: damaged at octet 0: the superblock's CRC does not hold"
        );
        disk.corrupt(&path, 8, &[3]);
        let error = open_superblock(&mut engine, directory, [1; 16], 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "store/superblock: format version 3 is newer than 2, the newest this version reads"
        );
        disk.corrupt(&path, 0, b"#!");
        let error = open_superblock(&mut engine, directory, [1; 16], 1).unwrap_err();
        assert_eq!(error.to_string(), "store/superblock: magic is #!RELAYS, expected P1RELAYS");
    }
}
