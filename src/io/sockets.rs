//! Sockets as both engines make them: TCP, without delay, closed on exec.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::base::limits::{
    LISTEN_BACKLOG, TCP_KEEPALIVE_COUNT, TCP_KEEPALIVE_IDLE_S, TCP_KEEPALIVE_INTERVAL_S,
};

/// A connected socket between two engines of one kind.
#[derive(Debug)]
pub struct DetachedSocket(pub(super) OwnedFd);

/// The refusal of a handle that names nothing, or what is being closed.
pub(super) fn stale() -> io::Error {
    rustix::io::Errno::BADF.into()
}

/// The refusal of a second operation where one at a time is allowed.
pub(super) fn busy() -> io::Error {
    rustix::io::Errno::BUSY.into()
}

/// How an operation ends that its socket's closing or leaving cut short.
pub(super) fn cancelled() -> io::Error {
    rustix::io::Errno::CANCELED.into()
}

/// A socket to connect to `address` with.
pub(super) fn stream(address: SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    open(address, flags)
}

/// A socket that listens at `address`, shared with every other that asks for the same; what it
/// accepts inherits its options.
pub(super) fn listener(
    address: SocketAddr,
    flags: SocketFlags,
) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = open(address, flags)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, LISTEN_BACKLOG)?;
    let bound = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
    Ok((socket, bound))
}

fn open(address: SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = flags | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Small segments go at once: a confirmation must not wait for another.
    sockopt::set_tcp_nodelay(&socket, true)?;
    // A peer that vanished without a word holds no association for ever.
    sockopt::set_tcp_keepidle(&socket, Duration::from_secs(TCP_KEEPALIVE_IDLE_S))?;
    sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(TCP_KEEPALIVE_INTERVAL_S))?;
    sockopt::set_tcp_keepcnt(&socket, TCP_KEEPALIVE_COUNT)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_not_delayed_and_asked_whether_it_is_there() {
        let (listening, address) =
            listener("127.0.0.1:0".parse().unwrap(), SocketFlags::empty()).unwrap();
        let _peer = std::net::TcpStream::connect(address).unwrap();
        let accepted = rustix::net::accept(&listening).unwrap();
        let called = stream(address, SocketFlags::empty()).unwrap();
        for socket in [accepted, called] {
            assert!(sockopt::tcp_nodelay(&socket).unwrap());
            assert!(sockopt::socket_keepalive(&socket).unwrap());
            assert_eq!(sockopt::tcp_keepidle(&socket).unwrap().as_secs(), TCP_KEEPALIVE_IDLE_S);
            assert_eq!(
                sockopt::tcp_keepintvl(&socket).unwrap().as_secs(),
                TCP_KEEPALIVE_INTERVAL_S
            );
            assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), TCP_KEEPALIVE_COUNT);
        }
    }
}
