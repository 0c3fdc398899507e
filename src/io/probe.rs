//! Which engine to run: what the operator asked for, and what the kernel really does.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::time::Duration;

use io_uring::{cqueue, opcode, types};
use rustix::io::Errno;

use super::uring::{ReceiveBuffers, Refusal, Ring, UringFeatures};

/// The engine asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// io_uring where it works, else epoll.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

impl fmt::Display for IoChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IoChoice::Auto => "auto",
            IoChoice::Uring => "uring",
            IoChoice::Epoll => "epoll",
        })
    }
}

impl FromStr for IoChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<IoChoice, String> {
        match text {
            "auto" => Ok(IoChoice::Auto),
            "uring" => Ok(IoChoice::Uring),
            "epoll" => Ok(IoChoice::Epoll),
            other => Err(format!("{other:?} is none of auto, uring, epoll")),
        }
    }
}

/// Whether io_uring works here, tried out: a ring is set up, buffers are provided, and a multishot
/// receive brings octets through them.
///
/// # Errors
/// Why not: the step that failed, the system's error, and what usually causes it.
pub fn probe_uring() -> Result<UringFeatures, String> {
    let mut ring = Ring::set_up().map_err(|refusal| refusal.to_string())?;
    let mut buffers = ReceiveBuffers::new(0, 2, 4096);
    let refused = |step| move |error| Refusal { step, error }.to_string();
    buffers.register(&ring.submitter()).map_err(refused("provided buffer ring"))?;
    let received = receive_twice(&mut ring, &mut buffers);
    buffers.unregister(&ring.submitter()).map_err(refused("provided buffer ring"))?;
    received.map_err(refused("multishot receive"))?;
    Ok(ring.features)
}

fn receive_twice(ring: &mut Ring, buffers: &mut ReceiveBuffers) -> io::Result<()> {
    let (near, mut far) = UnixStream::pair()?;
    let receive = opcode::RecvMulti::new(types::Fd(near.as_raw_fd()), buffers.group()).build();
    // SAFETY: the buffers outlive the receive, which is over when `far` is dropped and its end seen.
    unsafe { ring.push(receive, 0) };
    for octets in [&b"first"[..], b"second"] {
        far.write_all(octets)?;
        let entry = next_completion(ring)?;
        let count = usize::try_from(entry.result())
            .map_err(|_| io::Error::from_raw_os_error(-entry.result()))?;
        let buffer = cqueue::buffer_select(entry.flags()).ok_or(Errno::INVAL)?;
        let lease = buffers.take(buffer, count).ok_or(Errno::IO)?;
        if *lease != *octets || !cqueue::more(entry.flags()) {
            return Err(Errno::INVAL.into());
        }
    }
    drop(far);
    next_completion(ring).map(drop)
}

fn next_completion(ring: &mut Ring) -> io::Result<cqueue::Entry> {
    let mut entries = Vec::new();
    for _ in 0..10 {
        ring.enter(true, Some(Duration::from_millis(200)))?;
        ring.reap(&mut entries);
        if let Some(entry) = entries.pop() {
            return Ok(entry);
        }
    }
    Err(Errno::TIMEDOUT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_back_as_they_are_shown() {
        for choice in [IoChoice::Auto, IoChoice::Uring, IoChoice::Epoll] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("ring".parse::<IoChoice>().unwrap_err().contains("auto, uring, epoll"));
    }

    #[test]
    fn a_refusal_says_what_usually_causes_it() {
        let refusal = Refusal { step: "io_uring_setup", error: Errno::PERM.into() };
        assert_eq!(
            refusal.to_string(),
            "io_uring_setup: Operation not permitted (os error 1) \
             (seccomp or sysctl kernel.io_uring_disabled)"
        );
        let refusal = Refusal { step: "io_uring_setup", error: Errno::NOSYS.into() };
        assert!(refusal.to_string().ends_with("(a kernel without io_uring, or seccomp)"));
    }
}
