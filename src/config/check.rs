//! From the file's structs to settings, gathering every problem.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::Problem;
use super::file::{Connector, File};
use crate::base::limits::{
    ESTABLISHMENT_DELAY_S_MAX, LOG_COUNT_MAX, MTA_NAME_SIZE_MAX, SELECTOR_SIZE_MAX,
    UNBOUND_CONNECTION_COUNT_MAX,
};
use crate::io::probe::IoChoice;
use crate::osi::presentation::PresentationSelector;
use crate::osi::session::SessionSelector;
use crate::osi::stack::StackConfig;
use crate::osi::transport::TransportSelector;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::routing::Pattern;
use crate::shard::settings::{ConnectorSettings, Credentials, Settings};

/// Parses and checks the text of a configuration; relative paths start at `directory`.
///
/// # Errors
/// Every problem found, in the order of their lines.
pub fn check(text: &str, directory: &Path) -> Result<Settings, Vec<Problem>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        vec![Problem {
            line,
            reason: error.message().replace('\n', ", "),
            remedy: remedy_for(error.message()),
        }]
    })?;
    let mut checker = Checker { text, problems: Vec::new() };
    let settings = checker.settings(&file, directory);
    checker.problems.sort_by_key(|problem| problem.line);
    match settings {
        Some(settings) if checker.problems.is_empty() => Ok(settings),
        _ => Err(checker.problems),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&octet| octet == b'\n').count()
}

fn remedy_for(message: &str) -> String {
    if message.starts_with("unknown field") {
        "remove it, or write one of the keys named".to_owned()
    } else if message.starts_with("missing field") {
        "add the key to this table".to_owned()
    } else {
        "correct the value as the reference page in README.md shows".to_owned()
    }
}

/// How many connections of one shard may be unbound unless configured: callers that nobody knows leave
/// half of the process's descriptors to partners and store.
fn unbound_connection_count(shard_count: u16) -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = descriptors.map_or(usize::MAX, |count| count as usize / 2);
    (half / usize::from(shard_count.max(1))).clamp(1, UNBOUND_CONNECTION_COUNT_MAX)
}

struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem<T>(
        &mut self,
        at: &Spanned<T>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let line = line_of(self.text, at.span().start);
        self.problems.push(Problem { line, reason: reason.into(), remedy: remedy.into() });
    }

    fn settings(&mut self, file: &File, directory: &Path) -> Option<Settings> {
        let mta = file.mta.get_ref();
        let mta_name = self.mta_name(&mta.name);
        let domain = self.domain(&mta.domain);
        let listen = mta.listen.iter().flat_map(|address| self.addresses(address)).collect();
        if mta.listen.is_empty() {
            self.problem(
                &file.mta,
                "the relay listens nowhere",
                "write listen = [\"0.0.0.0:102\"]",
            );
        }
        let shard_count = self.shard_count(mta.shards.as_ref());
        let io = self.io(mta.io.as_ref());
        let segment_size_mib = self.ranged(mta.segment_size_mib.as_ref(), 64, 2..=4096);
        let segment_count_max = self.ranged(mta.segment_count_max.as_ref(), 1024, 4..=1_000_000);
        let longest = ESTABLISHMENT_DELAY_S_MAX as f64;
        let establishment_timeout =
            self.ranged(mta.establishment_timeout_s.as_ref(), longest, 0.1..=longest);
        let unbound_connection_count_max = self.ranged(
            mta.unbound_connection_count_max.as_ref(),
            unbound_connection_count(shard_count),
            1..=UNBOUND_CONNECTION_COUNT_MAX,
        );
        let mut connectors = Vec::new();
        for connector in &file.connector {
            connectors.extend(self.connector(
                connector.get_ref(),
                mta_name.as_deref(),
                &mta.password,
            ));
        }
        self.duplicates(&file.connector);
        Some(Settings {
            domain: domain?,
            mta_name: mta_name?,
            listen,
            store_directory: directory.join(&mta.store),
            shard_count,
            pin: mta.pin,
            io,
            segment_size: segment_size_mib << 20,
            segment_count_max: segment_count_max as usize,
            establishment_timeout: Duration::from_secs_f64(establishment_timeout),
            unbound_connection_count_max,
            called_stack: Arc::new(StackConfig::default()),
            connectors,
        })
    }

    fn connector(
        &mut self,
        connector: &Connector,
        mta_name: Option<&str>,
        password: &str,
    ) -> Option<ConnectorSettings> {
        let name = connector.name.get_ref();
        if name.is_empty() || name.len() > 64 {
            self.problem(
                &connector.name,
                "a connector's name has 1 to 64 characters",
                "write name = \"carrier-1\"",
            );
        }
        let local_mta_name = match &connector.local_mta_name {
            Some(name) => self.mta_name(name),
            None => mta_name.map(str::to_owned),
        };
        let remote_mta_name = self.mta_name(&connector.remote_mta_name);
        let domain = connector.domain.as_ref().map(|domain| self.domain(domain));
        let addresses =
            connector.address.iter().flat_map(|address| self.addresses(address)).collect();
        let mut stack = StackConfig::default();
        stack.transport.called_selector =
            TransportSelector(self.selector(connector.called_transport_selector.as_ref()));
        stack.session.called_selector =
            SessionSelector(self.selector(connector.called_session_selector.as_ref()));
        stack.presentation.called_selector =
            PresentationSelector(self.selector(connector.called_presentation_selector.as_ref()));
        stack.rtse.checkpoint_size_kib =
            self.ranged(connector.checkpoint_size_kib.as_ref(), 30, 0..=65_535);
        stack.rtse.window_size = self.ranged(connector.window_size.as_ref(), 5, 1..=255);
        let mut address_spaces = Vec::new();
        for space in &connector.address_space {
            let cost = self.ranged(space.get_ref().cost.as_ref(), 10, 1..=100);
            let pattern = &space.get_ref().pattern;
            match Pattern::parse(pattern.get_ref()) {
                Ok(parsed) => address_spaces.push((parsed, cost)),
                Err(error) => self.problem(
                    pattern,
                    format!("address space \"{}\": {error}", pattern.get_ref()),
                    "write it like \"C=GB;A=CARRIER;P=ACME\"",
                ),
            }
        }
        Some(ConnectorSettings {
            name: name.clone(),
            addresses,
            local: Credentials {
                mta_name: local_mta_name?,
                password: connector.local_password.clone().unwrap_or_else(|| password.to_owned()),
            },
            remote: Credentials {
                mta_name: remote_mta_name?,
                password: connector.remote_password.clone(),
            },
            domain: match domain {
                Some(domain) => Some(domain?),
                None => None,
            },
            stack: Arc::new(stack),
            address_spaces,
            association_count_max: self.ranged(
                connector.association_count_max.as_ref(),
                10,
                1..=1000,
            ),
            retry_delay: self.seconds(connector.retry_delay_s.as_ref(), 5.0),
            retry_delay_max: self.seconds(connector.retry_delay_s_max.as_ref(), 600.0),
            disconnect_time: self.seconds(connector.disconnect_time_s.as_ref(), 120.0),
            transfer_timeout: self.seconds(connector.transfer_timeout_s.as_ref(), 300.0),
        })
    }

    fn duplicates(&mut self, connectors: &[Spanned<Connector>]) {
        for (index, connector) in connectors.iter().enumerate() {
            let this = connector.get_ref();
            let earlier = connectors[..index].iter().map(Spanned::get_ref);
            if earlier.clone().any(|other| other.name.get_ref() == this.name.get_ref()) {
                let reason = format!("connector \"{}\" is there twice", this.name.get_ref());
                self.problem(&this.name, reason, "give each connector a name of its own");
            }
            if earlier.clone().any(|other| {
                other.remote_mta_name.get_ref() == this.remote_mta_name.get_ref()
                    && other.remote_password == this.remote_password
            }) {
                self.problem(
                    &this.remote_mta_name,
                    "two connectors expect the same remote MTA name and password, so a caller cannot be told apart",
                    "give one of them another name or password",
                );
            }
        }
    }

    fn mta_name(&mut self, name: &Spanned<String>) -> Option<String> {
        let value = name.get_ref();
        let printable = value.bytes().all(|octet| (0x20..0x7f).contains(&octet));
        if value.is_empty() || value.len() > MTA_NAME_SIZE_MAX || !printable {
            self.problem(
                name,
                format!("\"{value}\" is no MTA name"),
                format!("write 1 to {MTA_NAME_SIZE_MAX} characters of the IA5 graphic set"),
            );
            return None;
        }
        Some(value.clone())
    }

    fn domain(&mut self, domain: &Spanned<String>) -> Option<GlobalDomainIdentifier> {
        match domain.get_ref().parse() {
            Ok(domain) => Some(domain),
            Err(error) => {
                self.problem(
                    domain,
                    format!("\"{}\" is no global domain identifier: {error}", domain.get_ref()),
                    "write it like \"C=GB;A=CARRIER;P=ACME\", P only for a private domain",
                );
                None
            }
        }
    }

    fn addresses(&mut self, address: &Spanned<String>) -> Vec<SocketAddr> {
        match address.get_ref().to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(error) => {
                self.problem(
                    address,
                    format!("\"{}\" is no address: {error}", address.get_ref()),
                    "write ADDRESS:PORT, as in \"192.0.2.1:102\" or \"[2001:db8::1]:102\"",
                );
                Vec::new()
            }
        }
    }

    fn selector(&mut self, selector: Option<&Spanned<String>>) -> Vec<u8> {
        let Some(selector) = selector else { return Vec::new() };
        let text = selector.get_ref();
        let octets = match text.strip_prefix("0x") {
            None => Some(text.as_bytes().to_vec()),
            Some(digits) => digits
                .as_bytes()
                .chunks(2)
                .map(|pair| {
                    u8::from_str_radix(
                        std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?,
                        16,
                    )
                    .ok()
                })
                .collect(),
        };
        match octets {
            Some(octets) if octets.len() <= SELECTOR_SIZE_MAX => octets,
            _ => {
                self.problem(
                    selector,
                    format!("\"{text}\" is no selector"),
                    format!("write text, or `0x` and pairs of hexadecimal digits, at most {SELECTOR_SIZE_MAX} octets"),
                );
                Vec::new()
            }
        }
    }

    fn shard_count(&mut self, shards: Option<&Spanned<u16>>) -> u16 {
        match self.ranged(shards, 0, 0..=LOG_COUNT_MAX) {
            0 => std::thread::available_parallelism()
                .map_or(1, |count| count.get() as u16)
                .min(LOG_COUNT_MAX),
            count => count,
        }
    }

    fn io(&mut self, io: Option<&Spanned<String>>) -> IoChoice {
        let Some(io) = io else { return IoChoice::Auto };
        io.get_ref().parse().unwrap_or_else(|_| {
            let reason = format!("\"{}\" is no I/O engine", io.get_ref());
            self.problem(io, reason, "write \"auto\", \"uring\" or \"epoll\"");
            IoChoice::Auto
        })
    }

    fn ranged<T>(
        &mut self,
        value: Option<&Spanned<T>>,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> T
    where
        T: PartialOrd + Copy + std::fmt::Display,
    {
        let Some(value) = value else { return default };
        if !range.contains(value.get_ref()) {
            let reason = format!("{} is out of range", value.get_ref());
            self.problem(value, reason, format!("write {} to {}", range.start(), range.end()));
            return default;
        }
        *value.get_ref()
    }

    fn seconds(&mut self, value: Option<&Spanned<f64>>, default: f64) -> Duration {
        Duration::from_secs_f64(self.ranged(value, default, 0.001..=864_000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[mta]
name = "SITE-A"
domain = "C=GB;A=CARRIER;P=SITEA"
listen = ["127.0.0.1:0"]

[[connector]]
name = "carrier"
address = ["127.0.0.1:102"]
remote_mta_name = "POINT"
remote_password = "secret"
address_space = [{ pattern = "C=GB" }]
"#;

    fn problems(text: &str) -> Vec<String> {
        check(text, Path::new("/nowhere")).unwrap_err().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn eight_lines_make_a_connector() {
        let settings = check(GOOD, Path::new("/etc/relay")).unwrap();
        assert_eq!(settings.store_directory, Path::new("/etc/relay/store"));
        assert_eq!(settings.establishment_timeout, Duration::from_secs(60));
        let connector = &settings.connectors[0];
        assert_eq!((connector.association_count_max, connector.address_spaces[0].1), (10, 10));
        assert_eq!(connector.local.mta_name, "SITE-A");
        assert!(!format!("{settings:?}").contains("secret"), "a password must not be printed");
    }

    #[test]
    fn every_problem_is_reported_with_its_line_and_a_remedy() {
        let text = GOOD
            .replace("\"C=GB;A=CARRIER;P=SITEA\"", "\"P=SITEA\"")
            .replace("[\"127.0.0.1:102\"]", "[\"127.0.0.1\"]")
            .replace("\"C=GB\" }", "\"Z=GB\", cost = 101 }");
        let problems = problems(&text);
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(problems[0].starts_with("line 4: "), "{problems:#?}");
        assert!(problems[1].contains("ADDRESS:PORT"), "{problems:#?}");
        assert!(problems.iter().any(|problem| problem.contains("write 1 to 100")), "{problems:#?}");
    }

    #[test]
    fn unknown_and_missing_keys_say_so() {
        assert!(
            problems(&GOOD.replace("remote_password", "remote_pasword"))[0]
                .contains("unknown field")
        );
        assert!(
            problems(&GOOD.replace("name = \"SITE-A\"", ""))[0].contains("missing field `name`")
        );
        let twice = format!("{GOOD}{}", &GOOD[GOOD.find("[[").unwrap()..]);
        assert_eq!(problems(&twice).len(), 2);
    }
}
