//! Where partners are reached: fixed addresses, and what a resolver last made of host names.
//!
//! Shards read the book without a lock; the resolver is a thread of the node, off the data path. A name
//! that cannot be resolved keeps the addresses it had.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::settings::{ConnectorSettings, PartnerAddress};
use crate::routing::ConnectorIndex;

/// One list of addresses a connector.
#[derive(Debug)]
pub struct AddressBook(Box<[ArcSwap<Vec<SocketAddr>>]>);

impl AddressBook {
    /// The fixed addresses; host names have none until they are resolved.
    pub fn new(connectors: &[ConnectorSettings]) -> AddressBook {
        AddressBook(
            connectors
                .iter()
                .map(|connector| ArcSwap::from_pointee(fixed(&connector.addresses)))
                .collect(),
        )
    }

    /// A connector's addresses, to be tried in turn.
    pub fn addresses(&self, connector: ConnectorIndex) -> Guard<Arc<Vec<SocketAddr>>> {
        self.0[usize::from(connector.0)].load()
    }

    /// Resolves all host names; waits for the resolver.
    pub fn resolve(&self, connectors: &[ConnectorSettings]) {
        for (connector, kept) in connectors.iter().zip(&self.0) {
            let named = connector.addresses.iter().any(is_host);
            if !named {
                continue;
            }
            match resolved(&connector.addresses) {
                Ok(addresses) => {
                    if **kept.load() != addresses {
                        tracing::info!(
                            connector = connector.name,
                            ?addresses,
                            "host names resolved"
                        );
                        kept.store(Arc::new(addresses));
                    }
                }
                Err((name, error)) => {
                    tracing::warn!(connector = connector.name, name, %error, "a host name cannot be resolved");
                }
            }
        }
    }
}

fn is_host(address: &PartnerAddress) -> bool {
    matches!(address, PartnerAddress::Host { .. })
}

fn fixed(addresses: &[PartnerAddress]) -> Vec<SocketAddr> {
    let fixed = |address: &PartnerAddress| match address {
        PartnerAddress::Address(address) => Some(*address),
        PartnerAddress::Host { .. } => None,
    };
    addresses.iter().filter_map(fixed).collect()
}

/// All addresses in the order of the list, names resolved.
pub(crate) fn resolved(
    addresses: &[PartnerAddress],
) -> Result<Vec<SocketAddr>, (&str, std::io::Error)> {
    let mut all = Vec::new();
    for address in addresses {
        match address {
            PartnerAddress::Address(address) => all.push(*address),
            PartnerAddress::Host { name, port } => {
                let found = (name.as_str(), *port).to_socket_addrs();
                all.extend(found.map_err(|error| (name.as_str(), error))?);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_what_is_neither() {
        for (text, host) in [
            ("192.0.2.1:102", false),
            ("[2001:db8::1]:102", false),
            ("mta.example.com:102", true),
            ("localhost:10102", true),
        ] {
            let address: PartnerAddress = text.parse().unwrap();
            assert_eq!(is_host(&address), host, "{text}");
            assert_eq!(address.to_string(), text);
        }
        for text in
            ["192.0.2.1", "192.0.2.999:102", "mta.example.com", "a b:102", ":102", "x:70000"]
        {
            assert!(text.parse::<PartnerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_of_the_list_is_kept() {
        let list: Vec<PartnerAddress> =
            ["192.0.2.1:1", "localhost:2"].iter().map(|text| text.parse().unwrap()).collect();
        let all = resolved(&list).unwrap();
        assert_eq!(all[0], "192.0.2.1:1".parse().unwrap());
        assert!(all.len() > 1 && all[1..].iter().all(|address| address.ip().is_loopback()));
        assert_eq!(fixed(&list).len(), 1);
    }
}
