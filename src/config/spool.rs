//! From the file's `[[connector]]` tables of kind `spool` to the settings of local delivery points.
//!
//! They are taken out of the document by their `kind` before the rest is read, so that each kind has a table of
//! its own: a key of the other kind is unknown there.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

use super::check::Checker;
use super::connector::{address_spaces, check_name, connector};
use super::file::{Connector, SpoolConnector};
use crate::connector::RetryPolicy;
use crate::mta::decide::AcceptedContentType;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::shard::settings::ConnectorSettings;
use crate::spool::SpoolSettings;

/// What `kind` says of a delivery point.
pub(super) const KIND: &str = "spool";

/// A delivery point as it was written, and its place among the connectors.
pub(super) type Placed = (usize, Spanned<SpoolConnector>);

/// Takes the delivery points out of a document, each with its place among the connectors.
///
/// # Errors
/// The first one that is not of their shape.
pub(super) fn take_out(document: &mut DeTable<'_>) -> Result<Vec<Placed>, toml::de::Error> {
    let mut found = Vec::new();
    let Some(DeValue::Array(connectors)) = document.get_mut("connector").map(Spanned::get_mut)
    else {
        return Ok(found);
    };
    let mut partners = Vec::new();
    let mut all = DeArray::default();
    std::mem::swap(connectors, &mut all);
    for (index, connector) in all.into_iter().enumerate() {
        let kind = connector.get_ref().get("kind").and_then(|kind| kind.get_ref().as_str());
        if kind == Some(KIND) {
            let span = connector.span();
            let table = SpoolConnector::deserialize(ValueDeserializer::from(connector))?;
            found.push((index, Spanned::new(span, table)));
        } else {
            partners.push(connector);
        }
    }
    *connectors = partners.into_iter().collect();
    Ok(found)
}

/// Checks one delivery point. What only a partner has, has its default, and is not looked at.
pub(super) fn delivery_point(
    checker: &mut Checker<'_>,
    written: &SpoolConnector,
    own_domain: Option<&GlobalDomainIdentifier>,
    directory: &Path,
) -> Option<ConnectorSettings> {
    debug_assert_eq!(written.kind.get_ref(), KIND, "taken out by it");
    check_name(checker, &written.name);
    let domain = match &written.domain {
        Some(domain) => checker.domain(domain),
        None => own_domain.cloned(),
    };
    let out = directory.join(written.directory.get_ref());
    let submit_directory =
        written.submit_directory.as_ref().map(|submit| directory.join(submit.get_ref()));
    if let Some(submit) = &written.submit_directory
        && submit_directory.as_ref() == Some(&out)
    {
        checker.problem(
            submit,
            "what is handed out would be submitted again",
            "name another directory than `directory`",
        );
    }
    let partner: Connector = toml::from_str("name = \"\"\nremote_mta_name = \"LOCAL\"").ok()?;
    let partner = Connector { name: written.name.clone(), ..partner };
    Some(ConnectorSettings {
        domain,
        address_spaces: address_spaces(checker, &written.address_space),
        transfer_retry: RetryPolicy {
            count_max: checker.number(&written.transfer_retry_count_max) as u32,
            delay: checker.seconds(&written.transfer_retry_delay_s),
            delay_max: checker.seconds(&written.transfer_retry_delay_s_max),
        },
        message_size_max: (checker.number(&written.message_size_max_kib) as usize) << 10,
        spool: Some(SpoolSettings {
            directory: out,
            submit_directory,
            content_types: written
                .content_types
                .iter()
                .map(|it| AcceptedContentType::BuiltIn(*it.get_ref()))
                .collect(),
            acceptance_retention: checker.seconds(&written.acceptance_retention_s),
            acceptance_count_max: checker.number(&written.acceptance_count_max) as usize,
        }),
        ..connector(checker, &partner, None, "")
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, check};
    use super::AcceptedContentType;
    use std::path::Path;
    use std::time::Duration;

    const POINT: &str = r#"
[mta]
name = "SITE-A"
domain = "C=GB;A=CARRIER;P=SITEA"
listen = ["127.0.0.1:0"]

[[connector]]
name = "gateway"
kind = "spool"
directory = "out"
submit_directory = "in"
content_types = [2, 22]
acceptance_retention_s = 60
address_space = [{ pattern = "C=GB;A=CARRIER;P=SITEA" }]

[[connector]]
name = "carrier"
kind = "p1"
remote_mta_name = "POINT"
"#;

    fn problems(text: &str) -> Vec<String> {
        check(text, Path::new("/etc")).unwrap_err().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_delivery_point_has_directories_and_our_domain_and_nobody_binds_as_it() {
        let settings = check(POINT, Path::new("/etc/relay")).unwrap();
        let names: Vec<&str> = settings.connectors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["gateway", "carrier"]);
        let point = &settings.connectors[0];
        let spool = point.spool.as_ref().unwrap();
        assert_eq!(spool.directory, Path::new("/etc/relay/out"));
        assert_eq!(spool.submit_directory.as_deref(), Some(Path::new("/etc/relay/in")));
        assert_eq!(spool.content_types, [2, 22].map(AcceptedContentType::BuiltIn));
        assert_eq!(spool.acceptance_retention, Duration::from_secs(60));
        assert_eq!(point.domain.as_ref(), Some(&settings.domain));
        assert!(settings.connectors[1].spool.is_none());
        let snapshot = crate::shard::settings::Snapshot::new(settings);
        assert_eq!(snapshot.connector_authenticated(b"LOCAL", b""), None);
    }

    #[test]
    fn keys_of_the_other_kind_and_of_no_kind_say_so() {
        let with =
            |line: &str| POINT.replace("kind = \"spool\"", &format!("kind = \"spool\"\n{line}"));
        let partner = problems(&with("window_size = 3"));
        assert!(partner[0].starts_with("line 10: unknown field `window_size`"), "{partner:?}");
        assert!(partner[0].contains("the other kind of connector"), "{partner:?}");
        let point = problems(&POINT.replace("kind = \"p1\"", "directory = \"out\""));
        assert!(point[0].contains("write kind = \"spool\""), "{point:?}");
        let neither = problems(&POINT.replace("\"p1\"", "\"x25\""));
        assert!(neither[0].contains("write \"p1\" or \"spool\""), "{neither:?}");
        let same = problems(&POINT.replace("\"in\"", "\"out\""));
        assert!(same[0].contains("submitted again"), "{same:?}");
        let twice = problems(&POINT.replace("\"carrier\"", "\"gateway\""));
        assert!(twice[0].contains("is there twice"), "{twice:?}");
        let missing = problems(&POINT.replace("directory = \"out\"\n", ""));
        assert!(missing[0].contains("missing field `directory`"), "{missing:?}");
    }
}
