//! Ports of loopback, reserved before who listens there is started.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// A port that is ours while this lives: bound, not listening, to be shared by who sets SO_REUSEPORT.
pub struct Port {
    socket: Socket,
    /// Where it is.
    pub address: SocketAddr,
}

impl Port {
    /// Reserves any.
    pub fn reserve() -> Port {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Port { socket, address }
    }

    /// Has the port answered by a listener that shares it with nobody.
    pub fn occupy(self) -> (SocketAddr, std::net::TcpListener) {
        drop(self.socket);
        (self.address, std::net::TcpListener::bind(self.address).unwrap())
    }
}
