//! The shape of the configuration file: each key with its type, and with the words of the reference page.
//! Spans are kept where a value is checked further.

use serde::Deserialize;
use toml::Spanned;

use super::key::{Choice, Key, Number, Seconds, Switch};
use super::names::{BilateralInformation, InternalTrace, TimeFormat};
use super::policy::Submitters;
use crate::io::probe::IoChoice;
use crate::mta::policy::{Deferral, ReportPolicy};
use crate::osi::rtse::DialogueMode;
use crate::osi::stack::ApplicationContext;
use crate::p1::downgrade::{CommonName, CriticalExtensions};

/// One line of the reference page.
#[derive(Debug)]
pub(super) struct Row {
    /// The key.
    pub(super) key: &'static str,
    /// The default, as it would be written.
    pub(super) default: String,
    /// The footnote that says where the default comes from; empty: our own choice.
    pub(super) source: &'static str,
    /// What it is.
    pub(super) what: String,
}

/// The defaults of the X.400 Connector of Microsoft Exchange Server 5.5, article Q234157.
const CLASSIC: &str = "¹";
/// The maximum time to forced non-delivery of F.410 (unverified).
const F410: &str = "²";

/// Defines a table of the file as the struct that parses it and the rows that describe it: first the keys that
/// must be there, then those that have a default, which is the type's unless words are given for it.
macro_rules! table {
    (
        $(#[$about:meta])* $Table:ident
        required { $( $(#[doc = $must_what:literal])* $must:ident: $Must:ty; )* }
        optional { $( $(#[doc = $what:literal])* $key:ident: $Key:ty
            $(= $default:literal)? $(, $source:ident)?; )* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $Table {
            $( $(#[doc = $must_what])* pub(super) $must: $Must, )*
            $( $(#[doc = $what])* #[serde(default)] pub(super) $key: $Key, )*
        }

        impl $Table {
            /// The table's keys, for the reference page.
            pub(super) fn rows() -> Vec<Row> {
                vec![
                    $( Row {
                        key: stringify!($must),
                        default: "required".to_owned(),
                        source: "",
                        what: described(&[$($must_what),*], String::new()),
                    }, )*
                    $( Row {
                        key: stringify!($key),
                        default: table!(@default $Key $(, $default)?),
                        source: table!(@source $($source)?),
                        what: described(&[$($what),*], <$Key as Key>::range_text()),
                    }, )*
                ]
            }
        }
    };
    (@default $Key:ty) => { format!("`{}`", <$Key as Key>::default_text()) };
    (@default $Key:ty, $default:literal) => { $default.to_owned() };
    (@source) => { "" };
    (@source $source:ident) => { $source };
}

fn described(lines: &[&str], range: String) -> String {
    let mut what = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    if !range.is_empty() {
        what = format!("{}; {range}", what.trim_end_matches('.'));
    }
    what.trim_end_matches('.').to_owned()
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// This relay.
    pub(super) mta: Spanned<Mta>,
    /// Its journal.
    #[serde(default)]
    pub(super) tracking: Tracking,
    /// Its partners; delivery points are taken out before.
    #[serde(default)]
    pub(super) connector: Vec<Spanned<Connector>>,
    /// Recipients that are redirected.
    #[serde(default)]
    pub(super) redirection: Vec<Spanned<Redirection>>,
    /// Distribution lists.
    #[serde(default)]
    pub(super) list: Vec<Spanned<List>>,
}

table! {
    /// `[mta]`
    Mta
    required {
        /// our MTA name, 1 to 32 characters
        name: Spanned<String>;
        /// our global domain identifier, `C=GB;A=CARRIER;P=ACME`
        domain: Spanned<String>;
        /// where partners call, a list of `ADDRESS:PORT`
        listen: Vec<Spanned<String>>;
    }
    optional {
        /// shown to partners whose connector gives none
        password: String = "empty";
        /// the store's directory; one relay at a time
        store: Option<Spanned<String>> = "`store`";
        /// threads, each with its ring and log; 0: one for each core
        shards: Number<0, 0, 128>;
        /// whether they are pinned to cores
        pin: Switch<true>;
        /// the I/O engine
        io: Choice<IoChoice>;
        /// size of a store segment
        segment_size_mib: Number<64, 2, 4096>;
        /// most segments of one log; beyond them partners are asked to come again
        segment_count_max: Number<1024, 4, 1_000_000>;
        /// a connection that has not bound by then is closed, 0.1 to 60
        establishment_timeout_s: Seconds<60_000, 100>;
        /// connections of one shard that have not bound, 1 to 1024
        unbound_connection_count_max: Option<Spanned<u64>> = "half of the descriptors";
        /// an urgent message that is not transferred within this time is reported as expired
        expiry_s_urgent: Seconds<14_400_000>, F410;
        /// the same for a normal message, and for a probe
        expiry_s_normal: Seconds<86_400_000>, F410;
        /// the same for a non-urgent message; a report is discarded then
        expiry_s_non_urgent: Seconds<129_600_000>, F410;
        /// what becomes of a message whose deferred delivery time has not come: it waits here, or another MTA defers it
        deferred_delivery: Choice<Deferral>;
        /// largest content that a non-delivery report returns, where the originator asks for it; 0: none
        returned_content_size_max_kib: Number<1024, 0, 65_536>;
        /// domains, ours perhaps, that a message may enter again after another, as `C=GB;A=CARRIER`
        split_domain: Vec<Spanned<String>>;
    }
}

table! {
    /// `[[redirection]]`
    Redirection
    required {
        /// whom messages are for, `C=GB;A=CARRIER;S=SMITH`
        from: Spanned<String>;
        /// who gets them, unless the originator has forbidden it
        to: Spanned<String>;
    }
    optional {}
}

table! {
    /// `[[list]]`
    List
    required {
        /// the distribution list's O/R address
        address: Spanned<String>;
        /// its members, a list of O/R addresses
        member: Vec<Spanned<String>>;
    }
    optional {
        /// who owns it, an O/R address
        owner: Option<Spanned<String>>;
        /// who hears of members that are not delivered to
        report_policy: Choice<ReportPolicy>;
        /// who may send to it
        submit_permission: Choice<Submitters>;
        /// who may send to it, a list of patterns as of an address space
        submit_pattern: Vec<Spanned<String>> = "anyone";
    }
}

table! {
    /// `[tracking]`
    #[derive(Default)]
    Tracking
    required {}
    optional {
        /// whether each message's events are kept, for `p1relay track`
        enabled: Switch<true>;
        /// the journal's directory, its own
        directory: Option<Spanned<String>> = "`journal` in the store's";
        /// how long events are kept
        keep_days: Number<30, 1, 3650>;
        /// how large the journal becomes at most; a message of two recipients takes about 600 octets, so that the
        /// default holds 30 days of 6 messages a second; beyond it the oldest events go
        size_max_mib: Number<10_240, 16, 16_777_216>;
    }
}

table! {
    /// `[[connector]]`
    Connector
    required {
        /// the operator's name for the partner
        name: Spanned<String>;
        /// the MTA name that the partner shows, calling and called
        remote_mta_name: Spanned<String>;
    }
    optional {
        /// what it is: `p1`, a partner MTA; `spool`, a local delivery point, which has keys of its own below
        kind: Option<Spanned<String>> = "`p1`";
        /// where to call, a list tried in turn, `ADDRESS:PORT` or `HOST:PORT`; none: the partner only calls us
        address: Vec<Spanned<String>>;
        /// the password that the partner shows
        remote_password: String = "empty";
        /// what we call ourselves towards this partner
        local_mta_name: Option<Spanned<String>> = "that of `[mta]`";
        /// the password that we show this partner
        local_password: Option<Spanned<String>> = "that of `[mta]`";
        /// the partner's domain; equal to ours, internal trace is kept and added to
        domain: Option<Spanned<String>> = "another than ours";
        /// a list of `{ pattern = "C=FR;A=X", cost = 10 }`; cost 1 to 100, by default 10; the most specific pattern
        /// wins, then the cheapest
        address_space: Vec<Spanned<AddressSpace>>;
        /// when the partner may be called, UTC: `always`, `never` (nor may it call), `remote-initiated` (what waits
        /// goes out over two-way associations that it opens), or times as `Mon-Fri 08:00-18:00, Sat 10:00-12:00`
        schedule: Option<Spanned<String>> = "`always`";
        /// what we speak when we call; a partner that calls may speak any of them
        application_context: Choice<ApplicationContext>;
        /// who may send on an association that we open
        dialogue_mode: Choice<DialogueMode>;
        /// the partner's transport selector: text, or octets as `0x2a2b`
        called_transport_selector: Option<Spanned<String>> = "blank";
        /// the partner's session selector
        called_session_selector: Option<Spanned<String>> = "blank";
        /// the partner's presentation selector
        called_presentation_selector: Option<Spanned<String>> = "blank";
        /// our transport selector when we call
        calling_transport_selector: Option<Spanned<String>> = "blank";
        /// our session selector when we call
        calling_session_selector: Option<Spanned<String>> = "blank";
        /// our presentation selector when we call
        calling_presentation_selector: Option<Spanned<String>> = "blank";
        /// the transport selector by which the partner must call us
        incoming_transport_selector: Option<Spanned<String>> = "any";
        /// the session selector by which the partner must call us
        incoming_session_selector: Option<Spanned<String>> = "any";
        /// the presentation selector by which the partner must call us
        incoming_presentation_selector: Option<Spanned<String>> = "any";
        /// data between two checkpoints; 0: no checkpoints
        checkpoint_size_kib: Number<30, 0, 65_535>, CLASSIC;
        /// checkpoints that may be unconfirmed; at most what the partner grants
        window_size: Number<5, 1, 255>, CLASSIC;
        /// how long a transfer that broke is waited for, or tried, to be resumed
        recovery_timeout_s: Seconds<60_000>, CLASSIC;
        /// associations that we open
        association_count_max: Number<10, 1, 1000>;
        /// associations that the partner may open
        called_association_count_max: Number<10, 1, 1000>;
        /// associations kept for urgent messages and reports; one is always left to the rest
        urgent_association_count: Number<1, 0, 1000>;
        /// messages waiting for each association being opened before another is opened
        association_threshold: Number<2, 1, 1_000_000>;
        /// associations opened without need and kept open
        permanent_association_count: Number<0, 0, 1000>;
        /// an association of ours without activity is released after this
        idle_time_s: Seconds<300_000>, CLASSIC;
        /// an association of ours is released at this age, once it is idle; 0: at none
        association_lifetime_s: Seconds<0, 0>;
        /// how long a release may take
        disconnect_time_s: Seconds<120_000>, CLASSIC;
        /// failures to open in a row after which the connector counts as down; it is still tried
        open_retry_count_max: Number<144, 0, 1_000_000>, CLASSIC;
        /// wait after the first failure to open; doubled with each further one
        open_retry_delay_s: Seconds<5_000>;
        /// longest wait after failures to open; equal to the first: every wait is the same
        open_retry_delay_s_max: Seconds<600_000>, CLASSIC;
        /// refusals of one message in a row after which it is reported as not delivered
        transfer_retry_count_max: Number<144, 0, 65_535>;
        /// wait after a transfer was refused; doubled with each further one
        transfer_retry_delay_s: Seconds<5_000>;
        /// longest wait after refused transfers
        transfer_retry_delay_s_max: Seconds<120_000>, CLASSIC;
        /// longest silence during a transfer
        progress_timeout_s: Seconds<300_000>;
        /// longest time for each KiB of an urgent message
        transfer_timeout_s_per_kib_urgent: Seconds<1_000_000>, CLASSIC;
        /// longest time for each KiB of a normal message
        transfer_timeout_s_per_kib_normal: Seconds<2_000_000>, CLASSIC;
        /// longest time for each KiB of a non-urgent message
        transfer_timeout_s_per_kib_non_urgent: Seconds<3_000_000>, CLASSIC;
        /// largest message sent to or taken from this partner
        message_size_max_kib: Number<65_536, 1, 65_536>;
        /// whether per-domain bilateral information goes on to this partner
        bilateral_information: Choice<BilateralInformation>;
        /// whether internal trace goes on to this partner; automatic: only inside our own domain
        internal_trace: Choice<InternalTrace>;
        /// domains behind this partner that a message may enter more than once, as `C=GB;A=CARRIER`
        split_domain: Vec<Spanned<String>>;
        /// what becomes of common names for a partner that speaks 1984
        common_name_1984: Choice<CommonName>;
        /// extensions critical for what keep a message from a partner that speaks 1984; others are lost
        critical_extensions_1984: Choice<CriticalExtensions>;
        /// form of the times in the trace elements that we add, which have no other actions, as in 1984
        time_format: Choice<TimeFormat>;
    }
}

table! {
    /// `[[connector]]` with `kind = "spool"`
    SpoolConnector
    required {
        /// the operator's name for the delivery point
        name: Spanned<String>;
        /// `spool`
        kind: Spanned<String>;
        /// where messages and reports are handed out, each as `NAME.json` and `NAME.content`
        directory: Spanned<String>;
    }
    optional {
        /// where submissions are taken from, with `work`, `accepted` and `rejected` inside it
        submit_directory: Option<Spanned<String>>;
        /// the domain behind it, where messages that were there before do not go again
        domain: Option<Spanned<String>> = "ours";
        /// what is delivered there, as of a partner
        address_space: Vec<Spanned<AddressSpace>>;
        /// content types that it takes, built-in ones by number, as `[2, 22]`
        content_types: Vec<Spanned<i64>> = "any";
        /// largest message handed out or taken
        message_size_max_kib: Number<65_536, 1, 65_536>;
        /// failures of one message in a row after which it is reported as not delivered
        transfer_retry_count_max: Number<65_535, 0, 65_535>;
        /// wait after the directory could not take something; doubled with each further one
        transfer_retry_delay_s: Seconds<5_000>;
        /// longest wait after such failures
        transfer_retry_delay_s_max: Seconds<120_000>;
        /// how long the acceptance of a submission is kept
        acceptance_retention_s: Seconds<86_400_000>;
        /// how many acceptances are kept
        acceptance_count_max: Number<10_000, 1, 10_000_000>;
    }
}

/// `{ pattern = "...", cost = 10 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressSpace {
    /// `C=GB;A=CARRIER;P=ACME`
    pub(super) pattern: Spanned<String>,
    /// What it costs.
    #[serde(default)]
    pub(super) cost: Number<10, 1, 100>,
}
