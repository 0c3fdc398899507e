//! The way to the partner: its name to addresses, and the first of them that takes a TCP connection.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::hint::{Cause, Failure, Step};
use super::tell::{milliseconds, told};
use crate::shard::settings::{ConnectorSettings, PartnerAddress};

/// The first address that takes a TCP connection.
pub(super) fn connect(
    connector: &ConnectorSettings,
    timeout: Duration,
) -> Result<TcpStream, Failure> {
    let nowhere = "no address is configured: the partner only calls us";
    let mut failure = Failure::new(Step::Tcp, Cause::Other, nowhere);
    for partner in &connector.addresses {
        for address in resolve(partner).unwrap_or_else(|failed| {
            failure = failed;
            Vec::new()
        }) {
            let began = Instant::now();
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    told(Step::Tcp, &milliseconds(began), &format!("connected to {address}"));
                    return Ok(stream);
                }
                Err(error) => {
                    let cause = match error.kind() {
                        ErrorKind::TimedOut | ErrorKind::WouldBlock => Cause::Silence,
                        _ => Cause::Other,
                    };
                    let what = format!("{address}: {error}");
                    told(Step::Tcp, &milliseconds(began), &what);
                    failure = Failure::new(Step::Tcp, cause, what);
                }
            }
        }
    }
    Err(failure)
}

fn resolve(partner: &PartnerAddress) -> Result<Vec<SocketAddr>, Failure> {
    let (name, port) = match partner {
        PartnerAddress::Address(address) => return Ok(vec![*address]),
        PartnerAddress::Host { name, port } => (name, port),
    };
    let began = Instant::now();
    let resolved = (name.as_str(), *port).to_socket_addrs();
    match resolved.map(Iterator::collect::<Vec<SocketAddr>>) {
        Ok(addresses) if !addresses.is_empty() => {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let what = format!("{name} is {}", list.join(", "));
            told(Step::Resolution, &milliseconds(began), &what);
            Ok(addresses)
        }
        Ok(_) => {
            Err(Failure::new(Step::Resolution, Cause::Other, format!("{name} has no address")))
        }
        Err(error) => {
            told(Step::Resolution, &milliseconds(began), &format!("{name}: {error}"));
            Err(Failure::new(Step::Resolution, Cause::Other, format!("{name}: {error}")))
        }
    }
}
