//! What a relay is told by its configuration, checked and ready to use.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::addresses::AddressBook;
use crate::base::clock::WallTime;
use crate::connector::{AssociationPolicy, RetryPolicy, Schedule, TransferTimeouts};
use crate::io::probe::IoChoice;
use crate::journal;
use crate::mta::decide::{ConnectorFacts, Context};
use crate::mta::policy::Policy;
use crate::mta::quirks::Quirks;
use crate::osi::stack::StackConfig;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::routing::{ConnectorIndex, Entry, LinkStates, Pattern, Table};
use crate::spool::SpoolSettings;

/// The whole relay.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The domain our trace elements name.
    pub domain: GlobalDomainIdentifier,
    /// Our MTA name, in binds and internal trace.
    pub mta_name: String,
    /// Where partners call, one or more addresses.
    pub listen: Vec<SocketAddr>,
    /// The store's directory.
    pub store_directory: PathBuf,
    /// Shards: threads, rings, logs.
    pub shard_count: u16,
    /// Whether each shard's thread is pinned to a core.
    pub pin: bool,
    /// Which engine.
    pub io: IoChoice,
    /// Size of a store segment, octets.
    pub segment_size: u64,
    /// Most segments of one log; intake is refused, as transient, when they are full.
    pub segment_count_max: usize,
    /// Where events are kept, and how long; `None`: nowhere.
    pub tracking: Option<journal::Config>,
    /// A connection that is not an established association after this time is closed.
    pub establishment_timeout: Duration,
    /// Most connections of one shard whose caller has not bound.
    pub unbound_connection_count_max: usize,
    /// Our side of the stack towards callers not known yet.
    pub called_stack: Arc<StackConfig>,
    /// What is decided for all traffic.
    pub policy: Policy,
    /// The partners.
    pub connectors: Vec<ConnectorSettings>,
}

/// One partner MTA.
#[derive(Debug, Clone)]
pub struct ConnectorSettings {
    /// The operator's name for it.
    pub name: String,
    /// Where to call it, tried in turn; none: it only calls us.
    pub addresses: Vec<PartnerAddress>,
    /// The name and password we give.
    pub local: Credentials,
    /// The name and password it must give.
    pub remote: Credentials,
    /// Its domain; none: taken to be another domain than ours.
    pub domain: Option<GlobalDomainIdentifier>,
    /// Our side of the stack when we call.
    pub stack: Arc<StackConfig>,
    /// By what it must call us.
    pub incoming: IncomingSelectors,
    /// What goes there, at what cost.
    pub address_spaces: Vec<(Pattern, u8)>,
    /// When it may be called.
    pub schedule: Schedule,
    /// How many associations, and until when.
    pub associations: AssociationPolicy,
    /// Transfers that it refuses.
    pub transfer_retry: RetryPolicy,
    /// How long a transfer may take.
    pub timeouts: TransferTimeouts,
    /// How long a broken transfer can be resumed.
    pub recovery_timeout: Duration,
    /// Largest MTS-APDU sent or taken, octets.
    pub message_size_max: usize,
    /// What it wants otherwise.
    pub quirks: Quirks,
    /// How messages are downgraded where it speaks 1984.
    pub downgrade: crate::p1::downgrade::Options,
    /// Its directories, when it is a local delivery point and no partner.
    pub spool: Option<SpoolSettings>,
}

impl ConnectorSettings {
    /// What a decision must know of it.
    pub fn facts(&self) -> ConnectorFacts<'_> {
        let accepted = self.spool.as_ref().map(|spool| &spool.content_types[..]);
        ConnectorFacts {
            domain: self.domain_without_loops(),
            message_size_max: self.message_size_max,
            is_local: self.spool.is_some(),
            content_types: accepted.filter(|accepted| !accepted.is_empty()),
        }
    }

    /// The partner's domain, if a message that was there before must not go there again.
    pub fn domain_without_loops(&self) -> Option<&GlobalDomainIdentifier> {
        self.domain.as_ref().filter(|domain| !self.quirks.split_domains.contains(domain))
    }
}

/// Where a partner is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartnerAddress {
    /// An address.
    Address(SocketAddr),
    /// A host name, resolved off the data path.
    Host {
        /// The name.
        name: String,
        /// The TCP port.
        port: u16,
    },
}

impl FromStr for PartnerAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<PartnerAddress, ()> {
        if let Ok(address) = text.parse() {
            return Ok(PartnerAddress::Address(address));
        }
        let (name, port) = text.rsplit_once(':').ok_or(())?;
        let label = |label: &str| {
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
        };
        // A last label of digits alone is an address that was written wrong (RFC 1123 section 2.1).
        let numeric = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
        if numeric || name.len() > 253 || !name.split('.').all(label) {
            return Err(());
        }
        Ok(PartnerAddress::Host { name: name.to_owned(), port: port.parse().map_err(drop)? })
    }
}

impl fmt::Display for PartnerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartnerAddress::Address(address) => address.fmt(f),
            PartnerAddress::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

/// The selectors by which a partner must call us; `None`: any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncomingSelectors {
    /// Transport.
    pub transport: Option<Vec<u8>>,
    /// Session.
    pub session: Option<Vec<u8>>,
    /// Presentation.
    pub presentation: Option<Vec<u8>>,
}

/// What an MTA shows of itself in a bind (X.411 12.1.1 (unverified)).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// MTA name.
    pub mta_name: String,
    /// Simple password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("mta_name", &self.mta_name).finish_non_exhaustive()
    }
}

/// One revision of the configuration, compiled; replaced whole, by one pointer swap.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with each change; decisions record it.
    pub revision: u64,
    /// What was configured.
    pub settings: Settings,
    /// Its address spaces, compiled.
    pub table: Table,
    /// The connectors' link states.
    pub links: Arc<LinkStates>,
    /// Where the connectors' partners are reached.
    pub addresses: AddressBook,
}

impl Snapshot {
    /// Compiles the first settings.
    pub fn new(settings: Settings) -> Snapshot {
        let links = Arc::new(LinkStates::new(settings.connectors.len()));
        let addresses = AddressBook::new(&settings.connectors);
        Snapshot { revision: 1, table: compile(&settings), links, addresses, settings }
    }

    /// Compiles settings that take this revision's place, keeping the link states. `None` when what only a
    /// start can change differs: listeners, store, shards, tracking, which connectors there are, or their
    /// directories.
    pub fn succeeded_by(&self, settings: Settings) -> Option<Snapshot> {
        let names = |settings: &Settings| -> Vec<String> {
            settings.connectors.iter().map(|connector| connector.name.clone()).collect()
        };
        let spools = |settings: &Settings| -> Vec<Option<SpoolSettings>> {
            settings.connectors.iter().map(|connector| connector.spool.clone()).collect()
        };
        let now = &self.settings;
        let same = now.listen == settings.listen
            && now.store_directory == settings.store_directory
            && now.shard_count == settings.shard_count
            && spools(now) == spools(&settings)
            && now.tracking == settings.tracking
            && names(now) == names(&settings);
        same.then(|| Snapshot {
            revision: self.revision + 1,
            table: compile(&settings),
            links: Arc::clone(&self.links),
            addresses: AddressBook::new(&settings.connectors),
            settings,
        })
    }

    /// A connector's settings.
    pub fn connector(&self, connector: ConnectorIndex) -> &ConnectorSettings {
        &self.settings.connectors[usize::from(connector.0)]
    }

    /// The connector with this name.
    pub fn connector_named(&self, name: &str) -> Option<ConnectorIndex> {
        let index = self.settings.connectors.iter().position(|connector| connector.name == name)?;
        Some(ConnectorIndex(index as u16))
    }

    /// The connector whose partner shows these credentials. Every password is compared, in time that
    /// does not tell how much of it was right.
    pub fn connector_authenticated(
        &self,
        mta_name: &[u8],
        password: &[u8],
    ) -> Option<ConnectorIndex> {
        let mut found = None;
        for (index, connector) in self.settings.connectors.iter().enumerate() {
            let same_password =
                equal_in_constant_time(connector.remote.password.as_bytes(), password);
            if same_password
                && connector.spool.is_none()
                && connector.remote.mta_name.as_bytes() == mta_name
                && found.is_none()
            {
                found = Some(ConnectorIndex(index as u16));
            }
        }
        found
    }

    /// The shard that holds a connector's queues and associations.
    pub fn owner(&self, connector: ConnectorIndex) -> u16 {
        connector.0 % self.settings.shard_count
    }

    /// What a decision is made by; `connector` gives the facts of each of ours.
    pub fn context<'a>(
        &'a self,
        connector: &'a dyn Fn(ConnectorIndex) -> ConnectorFacts<'a>,
        now: WallTime,
        apdu_size: usize,
    ) -> Context<'a> {
        Context {
            domain: &self.settings.domain,
            mta_name: &self.settings.mta_name,
            table: &self.table,
            links: &self.links,
            connector,
            policy: &self.settings.policy,
            now,
            apdu_size,
        }
    }

    /// Whether a connector's partner stands in our own domain.
    pub fn is_internal(&self, connector: ConnectorIndex) -> bool {
        self.connector(connector).domain.as_ref() == Some(&self.settings.domain)
    }
}

/// All connectors' address spaces as one table.
fn compile(settings: &Settings) -> Table {
    let spaces = settings.connectors.iter().enumerate().flat_map(|(index, connector)| {
        let connector_index = ConnectorIndex(index as u16);
        connector.address_spaces.iter().map(move |(pattern, cost)| Entry {
            pattern: pattern.clone(),
            cost: *cost,
            connector: connector_index,
        })
    });
    Table::compile(&spaces.collect::<Vec<Entry>>())
}

/// Compares secrets without an early end.
pub(crate) fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    let differing =
        left.iter().zip(right).fold(0, |differing, (left, right)| differing | (left ^ right));
    std::hint::black_box(differing) == 0 && left.len() == right.len()
}
