//! The device under the store: how many writes and flushes it had under way, and how many durable
//! commits a second it gives just now.
//!
//! The kernel adds up how long each request took (Documentation/block/stat.rst: write ticks, flush
//! ticks); by elapsed time that is how many were under way on average, those of other programs included.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use p1relay::base::buffer::Fill;

const BLOCK_SIZE: usize = 4096;
const FILE_SIZE: usize = 8 << 20;
const PROBE_THREAD_COUNT: usize = 4;
const PROBE_TIME: Duration = Duration::from_millis(500);
/// What [`commits_per_s`] gives in a quiet hour of the reference machine (design page, section 6).
const REFERENCE_COMMITS_PER_S: f64 = 23_500.0;

/// A block device, by its file of counts.
pub(super) struct Device(PathBuf);

impl Device {
    /// That under a folder; none where the file system has no device of its own.
    pub(super) fn under(folder: &Path) -> anyhow::Result<Option<Device>> {
        let device = std::fs::metadata(folder)?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let path = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        Ok(path.exists().then_some(Device(path)))
    }

    /// Time that writes and flushes have taken, all added up, milliseconds.
    pub(super) fn ticks_ms(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(&self.0)?;
        let fields: Vec<u64> = text.split_whitespace().flat_map(str::parse).collect();
        let writes = fields.get(7).context("a count of a block device")?;
        Ok(writes + fields.get(16).copied().unwrap_or(0))
    }
}

/// What the machine's disk gives now, of what it gave when the reference figures were taken; 1 at most.
pub(super) fn share_of_reference(folder: &Path) -> anyhow::Result<f64> {
    Ok((commits_per_s(folder)? / REFERENCE_COMMITS_PER_S).min(1.0))
}

/// Blocks that are written with direct I/O and synced each by itself, in four files that were written
/// once before, a second.
fn commits_per_s(folder: &Path) -> anyhow::Result<f64> {
    let results: Vec<anyhow::Result<u64>> = std::thread::scope(|scope| {
        let probe = |number: usize| {
            let path = folder.join(format!("probe.{number}"));
            scope.spawn(move || write_blocks(&path))
        };
        let threads: Vec<_> = (0..PROBE_THREAD_COUNT).map(probe).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("the probe panicked")))
            .collect()
    });
    let count = results.into_iter().sum::<anyhow::Result<u64>>()?;
    Ok(count as f64 / PROBE_TIME.as_secs_f64())
}

fn write_blocks(path: &Path) -> anyhow::Result<u64> {
    let mut file = File::create_new(path)?;
    file.write_all(&vec![0; FILE_SIZE])?;
    file.sync_all()?;
    let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path)?;
    let mut block = Fill::with_capacity(BLOCK_SIZE);
    block.append(&[0x55; BLOCK_SIZE]);
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < PROBE_TIME {
        let offset = count as usize * BLOCK_SIZE % FILE_SIZE;
        let vector = [std::io::IoSlice::new(block.octets())];
        let flags = rustix::io::ReadWriteFlags::DSYNC;
        let written = rustix::io::pwritev2(&file, &vector, offset as u64, flags)?;
        ensure!(written == BLOCK_SIZE, "a block was written in part");
        count += 1;
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(count)
}
