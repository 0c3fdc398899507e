//! The shape of the configuration file. Spans are kept where a value is checked further.

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// This relay.
    pub(super) mta: Spanned<Mta>,
    /// Its partners.
    #[serde(default)]
    pub(super) connector: Vec<Spanned<Connector>>,
}

/// `[mta]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mta {
    /// MTA name, at most 32 characters.
    pub(super) name: Spanned<String>,
    /// Password shown to partners whose connector gives none.
    #[serde(default)]
    pub(super) password: String,
    /// Global domain identifier, `C=GB;A=CARRIER;P=ACME`.
    pub(super) domain: Spanned<String>,
    /// Where partners call, `ADDRESS:PORT`.
    pub(super) listen: Vec<Spanned<String>>,
    /// Directory of the store.
    #[serde(default = "default_store")]
    pub(super) store: String,
    /// Shards; 0: one for each core.
    #[serde(default)]
    pub(super) shards: Option<Spanned<u16>>,
    /// Whether shard threads are pinned to cores.
    #[serde(default = "default_pin")]
    pub(super) pin: bool,
    /// I/O engine: `auto`, `uring` or `epoll`.
    #[serde(default)]
    pub(super) io: Option<Spanned<String>>,
    /// Size of a store segment, MiB.
    #[serde(default)]
    pub(super) segment_size_mib: Option<Spanned<u64>>,
    /// Most segments of one log.
    #[serde(default)]
    pub(super) segment_count_max: Option<Spanned<u32>>,
    /// A connection that is not an established association after this is closed, seconds.
    #[serde(default)]
    pub(super) establishment_timeout_s: Option<Spanned<f64>>,
    /// Most connections of one shard whose caller has not bound.
    #[serde(default)]
    pub(super) unbound_connection_count_max: Option<Spanned<usize>>,
}

/// `[[connector]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connector {
    /// The operator's name for the partner.
    pub(super) name: Spanned<String>,
    /// Where to call the partner, `ADDRESS:PORT`; without it the partner only calls us.
    #[serde(default)]
    pub(super) address: Vec<Spanned<String>>,
    /// The partner's MTA name.
    pub(super) remote_mta_name: Spanned<String>,
    /// The password that the partner shows.
    #[serde(default)]
    pub(super) remote_password: String,
    /// Our MTA name towards this partner, if not the relay's own.
    #[serde(default)]
    pub(super) local_mta_name: Option<Spanned<String>>,
    /// Our password towards this partner, if not the relay's own.
    #[serde(default)]
    pub(super) local_password: Option<String>,
    /// The partner's global domain identifier; without it, taken to be another domain.
    #[serde(default)]
    pub(super) domain: Option<Spanned<String>>,
    /// Address spaces served.
    #[serde(default)]
    pub(super) address_space: Vec<Spanned<AddressSpace>>,
    /// Transport selector when we call: text, or hexadecimal octets behind `0x`.
    #[serde(default)]
    pub(super) called_transport_selector: Option<Spanned<String>>,
    /// Session selector when we call.
    #[serde(default)]
    pub(super) called_session_selector: Option<Spanned<String>>,
    /// Presentation selector when we call.
    #[serde(default)]
    pub(super) called_presentation_selector: Option<Spanned<String>>,
    /// Checkpoint size, KiB; 0: no checkpoints.
    #[serde(default)]
    pub(super) checkpoint_size_kib: Option<Spanned<u32>>,
    /// Unconfirmed checkpoints allowed.
    #[serde(default)]
    pub(super) window_size: Option<Spanned<u32>>,
    /// Most associations that we open.
    #[serde(default)]
    pub(super) association_count_max: Option<Spanned<u16>>,
    /// First wait after a failure, seconds; doubles with each further one.
    #[serde(default)]
    pub(super) retry_delay_s: Option<Spanned<f64>>,
    /// Longest wait after failures, seconds.
    #[serde(default)]
    pub(super) retry_delay_s_max: Option<Spanned<f64>>,
    /// An association without activity is released after this, seconds.
    #[serde(default)]
    pub(super) disconnect_time_s: Option<Spanned<f64>>,
    /// A transfer without progress is given up after this, seconds.
    #[serde(default)]
    pub(super) transfer_timeout_s: Option<Spanned<f64>>,
}

/// `{ pattern = "...", cost = 10 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressSpace {
    /// `C=GB;A=CARRIER;P=ACME`
    pub(super) pattern: Spanned<String>,
    /// 1 to 100.
    #[serde(default)]
    pub(super) cost: Option<Spanned<u8>>,
}

fn default_store() -> String {
    "store".to_owned()
}

fn default_pin() -> bool {
    true
}
