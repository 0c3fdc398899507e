//! From the file's `[[connector]]` tables to the settings of partners.

use std::sync::Arc;

use toml::Spanned;

use super::check::Checker;
use super::file::{AddressSpace, Connector};
use crate::connector::{AssociationPolicy, RetryPolicy, Schedule, TransferTimeouts};
use crate::mta::quirks::Quirks;
use crate::osi::presentation::PresentationSelector;
use crate::osi::session::SessionSelector;
use crate::osi::stack::StackConfig;
use crate::osi::transport::TransportSelector;
use crate::p1::downgrade::Options;
use crate::routing::Pattern;
use crate::shard::settings::{ConnectorSettings, Credentials, IncomingSelectors, PartnerAddress};

/// Checks one connector; what is wrong becomes a problem, and its default is taken. `mta_name` and `password` are what it shows unless it says otherwise.
pub(super) fn connector(
    checker: &mut Checker<'_>,
    connector: &Connector,
    mta_name: Option<&str>,
    password: &str,
) -> ConnectorSettings {
    check_name(checker, &connector.name);
    if let Some(kind) = &connector.kind
        && kind.get_ref() != "p1"
    {
        let reason = format!("\"{}\" is no kind of connector", kind.get_ref());
        checker.problem(kind, reason, "write \"p1\" or \"spool\"");
    }
    let local_mta_name = match &connector.local_mta_name {
        Some(name) => checker.mta_name(name),
        None => mta_name.map(str::to_owned),
    };
    let remote_mta_name = checker.mta_name(&connector.remote_mta_name);
    let domain = connector.domain.as_ref().and_then(|domain| checker.domain(domain));
    let local_password =
        connector.local_password.as_ref().map_or(password, |password| password.get_ref());
    let settings = ConnectorSettings {
        name: connector.name.get_ref().clone(),
        addresses: connector
            .address
            .iter()
            .filter_map(|text| checker.partner_address(text))
            .collect(),
        local: Credentials {
            mta_name: local_mta_name.unwrap_or_default(),
            password: local_password.to_owned(),
        },
        remote: Credentials {
            mta_name: remote_mta_name.unwrap_or_default(),
            password: connector.remote_password.clone(),
        },
        domain,
        spool: None,
        stack: Arc::new(stack(checker, connector)),
        incoming: IncomingSelectors {
            transport: connector
                .incoming_transport_selector
                .as_ref()
                .map(|text| checker.selector(text)),
            session: connector
                .incoming_session_selector
                .as_ref()
                .map(|text| checker.selector(text)),
            presentation: connector
                .incoming_presentation_selector
                .as_ref()
                .map(|text| checker.selector(text)),
        },
        address_spaces: address_spaces(checker, &connector.address_space),
        schedule: schedule(checker, connector),
        associations: associations(checker, connector),
        transfer_retry: RetryPolicy {
            count_max: checker.number(&connector.transfer_retry_count_max) as u32,
            delay: checker.seconds(&connector.transfer_retry_delay_s),
            delay_max: checker.seconds(&connector.transfer_retry_delay_s_max),
        },
        timeouts: TransferTimeouts {
            urgent_per_kib: checker.seconds(&connector.transfer_timeout_s_per_kib_urgent),
            normal_per_kib: checker.seconds(&connector.transfer_timeout_s_per_kib_normal),
            non_urgent_per_kib: checker.seconds(&connector.transfer_timeout_s_per_kib_non_urgent),
            progress: checker.seconds(&connector.progress_timeout_s),
        },
        recovery_timeout: checker.seconds(&connector.recovery_timeout_s),
        message_size_max: (checker.number(&connector.message_size_max_kib) as usize) << 10,
        downgrade: Options {
            common_name: checker.choice(&connector.common_name_1984),
            critical_extensions: checker.choice(&connector.critical_extensions_1984),
        },
        quirks: Quirks {
            bilateral_information: checker.choice(&connector.bilateral_information),
            internal_trace: checker.choice(&connector.internal_trace),
            split_domains: connector
                .split_domain
                .iter()
                .filter_map(|domain| checker.domain(domain))
                .collect(),
            time_format: checker.choice(&connector.time_format),
        },
    };
    if settings.schedule == Schedule::RemoteInitiated && settings.associations.permanent_count > 0 {
        checker.problem(
            &connector.name,
            "a partner that only calls us cannot have permanent associations of ours",
            "write permanent_association_count = 0, or another schedule",
        );
    }
    settings
}

/// A connector's name can be shown, and kept with messages.
pub(super) fn check_name(checker: &mut Checker<'_>, written: &Spanned<String>) {
    let name = written.get_ref();
    if name.is_empty() || name.len() > 64 {
        checker.problem(
            written,
            "a connector's name has 1 to 64 characters",
            "write name = \"carrier-1\"",
        );
    }
}

fn stack(checker: &mut Checker<'_>, connector: &Connector) -> StackConfig {
    let mut stack = StackConfig {
        application_context: checker.choice(&connector.application_context),
        ..StackConfig::default()
    };
    let mut selector = |written: &Option<Spanned<String>>| {
        written.as_ref().map_or_else(Vec::new, |text| checker.selector(text))
    };
    stack.transport.called_selector =
        TransportSelector(selector(&connector.called_transport_selector));
    stack.transport.calling_selector =
        TransportSelector(selector(&connector.calling_transport_selector));
    stack.session.called_selector = SessionSelector(selector(&connector.called_session_selector));
    stack.session.calling_selector = SessionSelector(selector(&connector.calling_session_selector));
    stack.presentation.called_selector =
        PresentationSelector(selector(&connector.called_presentation_selector));
    stack.presentation.calling_selector =
        PresentationSelector(selector(&connector.calling_presentation_selector));
    stack.rtse.checkpoint_size_kib = checker.number(&connector.checkpoint_size_kib) as u32;
    stack.rtse.window_size = checker.number(&connector.window_size) as u32;
    stack.rtse.dialogue_mode = checker.choice(&connector.dialogue_mode);
    stack
}

fn associations(checker: &mut Checker<'_>, connector: &Connector) -> AssociationPolicy {
    let policy = AssociationPolicy {
        calling_count_max: checker.number(&connector.association_count_max) as u16,
        called_count_max: checker.number(&connector.called_association_count_max) as u16,
        urgent_count: checker.number(&connector.urgent_association_count) as u16,
        threshold: checker.number(&connector.association_threshold) as u32,
        permanent_count: checker.number(&connector.permanent_association_count) as u16,
        idle_time: checker.seconds(&connector.idle_time_s),
        lifetime: checker.seconds(&connector.association_lifetime_s),
        disconnect_time: checker.seconds(&connector.disconnect_time_s),
        open_retry: RetryPolicy {
            count_max: checker.number(&connector.open_retry_count_max) as u32,
            delay: checker.seconds(&connector.open_retry_delay_s),
            delay_max: checker.seconds(&connector.open_retry_delay_s_max),
        },
    };
    if let Some(written) = connector.permanent_association_count.written()
        && policy.permanent_count > policy.calling_count_max
    {
        checker.problem(
            written,
            format!(
                "more permanent associations than the {} that we open",
                policy.calling_count_max
            ),
            "raise association_count_max, or write fewer",
        );
    }
    policy
}

pub(super) fn address_spaces(
    checker: &mut Checker<'_>,
    written: &[Spanned<AddressSpace>],
) -> Vec<(Pattern, u8)> {
    let mut spaces = Vec::new();
    for space in written {
        let cost = checker.number(&space.get_ref().cost) as u8;
        let pattern = &space.get_ref().pattern;
        match Pattern::parse(pattern.get_ref()) {
            Ok(parsed) => spaces.push((parsed, cost)),
            Err(error) => checker.problem(
                pattern,
                format!("address space \"{}\": {error}", pattern.get_ref()),
                "write it like \"C=GB;A=CARRIER;P=ACME\"",
            ),
        }
    }
    spaces
}

fn schedule(checker: &mut Checker<'_>, connector: &Connector) -> Schedule {
    let Some(written) = &connector.schedule else { return Schedule::Always };
    written.get_ref().parse().unwrap_or_else(|error| {
        checker.problem(
            written,
            format!("\"{}\" is no schedule: {error}", written.get_ref()),
            "write \"always\", \"never\", \"remote-initiated\" or \"Mon-Fri 08:00-18:00, Sat 10:00-12:00\"",
        );
        Schedule::Always
    })
}

impl Checker<'_> {
    fn partner_address(&mut self, written: &Spanned<String>) -> Option<PartnerAddress> {
        let parsed = written.get_ref().parse();
        if parsed.is_err() {
            self.problem(
                written,
                format!("\"{}\" is no address", written.get_ref()),
                "write ADDRESS:PORT or HOST:PORT, as in \"192.0.2.1:102\", \"[2001:db8::1]:102\" or \
                 \"mta.example.com:102\"",
            );
        }
        parsed.ok()
    }
}

/// Partners that could not be told apart when they call.
pub(super) fn duplicates(checker: &mut Checker<'_>, connectors: &[Spanned<Connector>]) {
    for (index, connector) in connectors.iter().enumerate() {
        let this = connector.get_ref();
        if connectors[..index].iter().map(Spanned::get_ref).any(|other| {
            other.remote_mta_name.get_ref() == this.remote_mta_name.get_ref()
                && other.remote_password == this.remote_password
        }) {
            checker.problem(
                &this.remote_mta_name,
                "two connectors expect the same remote MTA name and password, so a caller cannot be told apart",
                "give one of them another name or password",
            );
        }
    }
}

/// Connectors of whatever kind with the same name.
pub(super) fn same_names<'a>(
    checker: &mut Checker<'_>,
    names: impl Iterator<Item = &'a Spanned<String>>,
) {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name.get_ref().as_str()) {
            let reason = format!("connector \"{}\" is there twice", name.get_ref());
            checker.problem(name, reason, "give each connector a name of its own");
        }
        seen.push(name.get_ref());
    }
}
