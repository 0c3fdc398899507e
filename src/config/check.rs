//! From the file's `[mta]` table to the relay's settings, gathering every problem; what all tables share.

use std::fmt::Debug;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::Problem;
use super::connector::{connector, duplicates, same_names};
use super::file::{Connector, File, List, Mta, Redirection, SpoolConnector, Tracking};
use super::key::{Choice, Named, Number, Seconds};
use super::policy::policy;
use super::spool::{self, Placed, delivery_point};
use crate::base::limits::{
    ESTABLISHMENT_DELAY_S_MAX, LOG_COUNT_MAX, MTA_NAME_SIZE_MAX, SELECTOR_SIZE_MAX,
    UNBOUND_CONNECTION_COUNT_MAX,
};
use crate::journal;
use crate::osi::stack::{ApplicationContext, StackConfig};
use crate::p1::domain::GlobalDomainIdentifier;
use crate::shard::settings::Settings;

/// Parses and checks the text of a configuration; relative paths start at `directory`.
///
/// # Errors
/// Every problem found, in the order of their lines.
pub fn check(text: &str, directory: &Path) -> Result<Settings, Vec<Problem>> {
    let (file, points) = read(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        vec![Problem {
            line,
            reason: error.message().replace('\n', ", "),
            remedy: remedy_for(error.message()),
        }]
    })?;
    let mut checker = Checker { text, problems: Vec::new() };
    let settings = checker.settings(&file, &points, directory);
    checker.problems.sort_by_key(|problem| problem.line);
    match settings {
        Some(settings) if checker.problems.is_empty() => Ok(settings),
        _ => Err(checker.problems),
    }
}

/// The file, and its delivery points with their places among the connectors.
fn read(text: &str) -> Result<(File, Vec<Placed>), toml::de::Error> {
    let mut document = DeTable::parse(text)?;
    let points = spool::take_out(document.get_mut())?;
    Ok((File::deserialize(toml::Deserializer::from(document))?, points))
}

/// Keys less like each other than this are not taken for one misspelt.
const LIKENESS_MIN: f64 = 0.85;

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&octet| octet == b'\n').count()
}

fn remedy_for(message: &str) -> String {
    if let Some(key) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
    {
        let rows = || {
            let connectors = Connector::rows().into_iter().chain(SpoolConnector::rows());
            let policy = Redirection::rows().into_iter().chain(List::rows());
            let rows = Mta::rows().into_iter().chain(connectors).chain(policy);
            rows.chain(Tracking::rows())
        };
        // A key that is known elsewhere stands in the wrong table.
        if rows().any(|row| row.key == key) {
            return match SpoolConnector::rows().iter().any(|row| row.key == key) {
                true => {
                    "remove it, or write kind = \"spool\" for a local delivery point".to_owned()
                }
                false => {
                    "remove it: it is a key of another table, or of the other kind of connector"
                        .to_owned()
                }
            };
        }
        let near = rows()
            .map(|row| (strsim::jaro_winkler(key, row.key), row.key))
            .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
            .max_by(|left, right| left.0.total_cmp(&right.0));
        match near {
            Some((_, near)) => format!("write `{near}`, if that was meant"),
            None => "remove it, or write one of the keys named".to_owned(),
        }
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

pub(super) struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn problem<T>(
        &mut self,
        at: &Spanned<T>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let line = line_of(self.text, at.span().start);
        self.problems.push(Problem { line, reason: reason.into(), remedy: remedy.into() });
    }

    fn settings(&mut self, file: &File, points: &[Placed], directory: &Path) -> Option<Settings> {
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
        let shard_count = match self.number(&mta.shards) as u16 {
            0 => std::thread::available_parallelism()
                .map_or(1, |count| count.get() as u16)
                .min(LOG_COUNT_MAX),
            count => count,
        };
        let establishment_timeout = self.seconds(&mta.establishment_timeout_s);
        let longest = Duration::from_secs(ESTABLISHMENT_DELAY_S_MAX);
        if let Some(written) = mta.establishment_timeout_s.written()
            && establishment_timeout > longest
        {
            let reason = format!("{:?} cannot be", written.get_ref());
            self.problem(written, reason, format!("write at most {ESTABLISHMENT_DELAY_S_MAX}"));
        }
        let unbound_connection_count_max = match &mta.unbound_connection_count_max {
            None => unbound_connection_count(shard_count),
            Some(written) => {
                let count = *written.get_ref() as usize;
                if !(1..=UNBOUND_CONNECTION_COUNT_MAX).contains(&count) {
                    let remedy = format!("write 1 to {UNBOUND_CONNECTION_COUNT_MAX}");
                    self.problem(written, format!("{count} cannot be"), remedy);
                }
                count
            }
        };
        let mut connectors = Vec::new();
        for written in &file.connector {
            let mta_name = mta_name.as_deref();
            connectors.push(connector(self, written.get_ref(), mta_name, &mta.password));
        }
        duplicates(self, &file.connector);
        for (index, written) in points {
            let point = delivery_point(self, written.get_ref(), domain.as_ref(), directory);
            connectors.insert(*index, point?);
        }
        let names = file.connector.iter().map(|it| &it.get_ref().name);
        same_names(self, names.chain(points.iter().map(|(_, it)| &it.get_ref().name)));
        let policy = policy(self, file);
        let io = self.choice(&mta.io);
        let segment_size = self.number(&mta.segment_size_mib) << 20;
        let segment_count_max = self.number(&mta.segment_count_max) as usize;
        let store = mta.store.as_ref().map_or("store", |store| store.get_ref());
        let store_directory = directory.join(store);
        let tracking = self.tracking(&file.tracking, directory, &store_directory);
        Some(Settings {
            domain: domain?,
            mta_name: mta_name?,
            listen,
            store_directory,
            shard_count,
            pin: mta.pin.value(),
            io,
            segment_size,
            segment_count_max,
            tracking,
            establishment_timeout,
            unbound_connection_count_max,
            called_stack: Arc::new(StackConfig {
                accepted_application_contexts: ApplicationContext::ALL.to_vec(),
                ..StackConfig::default()
            }),
            policy,
            connectors,
        })
    }

    /// Where events are kept; `None`: nowhere.
    fn tracking(
        &mut self,
        written: &Tracking,
        directory: &Path,
        store: &Path,
    ) -> Option<journal::Config> {
        let keep_days = self.number(&written.keep_days);
        let size_max_mib = self.number(&written.size_max_mib);
        let own = written.directory.as_ref().map(|own| directory.join(own.get_ref()));
        written.enabled.value().then(|| journal::Config {
            directory: own.unwrap_or_else(|| store.join("journal")),
            keep: Duration::from_hours(24 * keep_days),
            size_max: size_max_mib << 20,
        })
    }

    pub(super) fn mta_name(&mut self, name: &Spanned<String>) -> Option<String> {
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

    pub(super) fn domain(&mut self, domain: &Spanned<String>) -> Option<GlobalDomainIdentifier> {
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

    pub(super) fn selector(&mut self, written: &Spanned<String>) -> Vec<u8> {
        let text = written.get_ref();
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
                    written,
                    format!("\"{text}\" is no selector"),
                    format!("write text, or `0x` and pairs of hexadecimal digits, at most {SELECTOR_SIZE_MAX} octets"),
                );
                Vec::new()
            }
        }
    }

    /// A value that is out of range is a problem, and counts as the default.
    fn checked<W: Debug, T>(
        &mut self,
        written: Option<&Spanned<W>>,
        value: Result<T, String>,
        default: T,
    ) -> T {
        match (value, written) {
            (Ok(value), _) => value,
            (Err(remedy), Some(written)) => {
                self.problem(written, format!("{:?} cannot be", written.get_ref()), remedy);
                default
            }
            (Err(_), None) => default,
        }
    }

    pub(super) fn number<const DEFAULT: u64, const LEAST: u64, const MOST: u64>(
        &mut self,
        number: &Number<DEFAULT, LEAST, MOST>,
    ) -> u64 {
        self.checked(number.written(), number.value(), DEFAULT)
    }

    pub(super) fn seconds<const DEFAULT_MS: u64, const LEAST_MS: u64>(
        &mut self,
        seconds: &Seconds<DEFAULT_MS, LEAST_MS>,
    ) -> Duration {
        self.checked(seconds.written(), seconds.value(), Duration::from_millis(DEFAULT_MS))
    }

    pub(super) fn choice<T: Named>(&mut self, choice: &Choice<T>) -> T {
        self.checked(choice.written(), choice.value(), T::default())
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
        assert_eq!(
            (connector.associations.calling_count_max, connector.address_spaces[0].1),
            (10, 10)
        );
        let tracking = settings.tracking.as_ref().unwrap();
        assert_eq!(tracking.directory, Path::new("/etc/relay/store/journal"));
        assert_eq!((tracking.keep.as_secs(), tracking.size_max), (30 * 86_400, 10 << 30));
        assert_eq!(connector.local.mta_name, "SITE-A");
        assert!(!format!("{settings:?}").contains("secret"), "a password must not be printed");
    }

    #[test]
    fn tracking_can_be_elsewhere_and_off() {
        let with = |lines: &str| check(&format!("{GOOD}[tracking]\n{lines}"), Path::new("/etc"));
        assert!(with("enabled = false").unwrap().tracking.is_none());
        let tracking = with("directory = \"/var/x\"\nkeep_days = 2").unwrap().tracking.unwrap();
        assert_eq!(
            (tracking.directory.to_str(), tracking.keep.as_secs()),
            (Some("/var/x"), 172_800)
        );
        assert_eq!(with("keep_days = 0").unwrap_err().len(), 1);
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
