//! From the file's `[[redirection]]` and `[[list]]` tables and the policy keys of `[mta]` to what is decided for
//! all traffic.

use toml::Spanned;

use super::check::Checker;
use super::file::{File, List};
use super::key::Named;
use crate::base::limits::RECIPIENT_COUNT_MAX;
use crate::mta::names::Names;
use crate::mta::policy::{
    Deferral, DistributionList, Expiry, Policy, RecipientRedirection, ReportPolicy,
    SubmitPermission,
};
use crate::p1::or_address::OrAddress;
use crate::routing::Pattern;

/// Who may send to a list, where no patterns say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Submitters {
    /// Anyone.
    #[default]
    Anyone,
    /// Its members.
    Members,
}

impl Named for Submitters {
    const NAMES: &'static [(&'static str, Self)] =
        &[("anyone", Submitters::Anyone), ("members", Submitters::Members)];
}

impl Named for Deferral {
    const NAMES: &'static [(&'static str, Self)] =
        &[("hold", Deferral::Hold), ("pass-on", Deferral::PassOn)];
}

impl Named for ReportPolicy {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("originator", ReportPolicy::Originator),
        ("owner", ReportPolicy::Owner),
        ("both", ReportPolicy::Both),
    ];
}

/// Checks what the file says for all traffic; what is wrong becomes a problem and is left out.
pub(super) fn policy(checker: &mut Checker<'_>, file: &File) -> Policy {
    let mta = file.mta.get_ref();
    let redirections = redirections(checker, file);
    let lists = lists(checker, file);
    for (address, list) in &lists {
        if redirections.iter().any(|(_, redirection)| redirection.from.is_equivalent(&list.address))
        {
            checker.problem(
                *address,
                format!("\"{}\" is a list and redirected too", address.get_ref()),
                "remove the list or the redirection",
            );
        }
    }
    let split = mta.split_domain.iter();
    Policy {
        expiry: Expiry {
            urgent: checker.seconds(&mta.expiry_s_urgent),
            normal: checker.seconds(&mta.expiry_s_normal),
            non_urgent: checker.seconds(&mta.expiry_s_non_urgent),
        },
        deferral: checker.choice(&mta.deferred_delivery),
        returned_content_size_max: (checker.number(&mta.returned_content_size_max_kib) as usize)
            << 10,
        redirections: redirections.into_iter().map(|(_, it)| it).collect::<Vec<_>>().into(),
        lists: lists.into_iter().map(|(_, it)| it).collect::<Vec<_>>().into(),
        split_domains: split.filter_map(|domain| checker.domain(domain)).collect(),
    }
}

fn redirections<'f>(
    checker: &mut Checker<'_>,
    file: &'f File,
) -> Vec<(&'f Spanned<String>, RecipientRedirection)> {
    let mut found = Vec::new();
    for written in &file.redirection {
        let table = written.get_ref();
        let (from, to) = (address(checker, &table.from), address(checker, &table.to));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from.is_equivalent(&to) {
            checker.problem(
                &table.to,
                format!("\"{}\" is redirected to itself", table.from.get_ref()),
                "name another recipient",
            );
        }
        found.push((&table.from, RecipientRedirection { from, to }));
    }
    let from = found.iter().map(|(at, redirection)| (*at, &redirection.from));
    duplicates(checker, from, "is redirected twice", "keep one of the redirections");
    found
}

fn lists<'f>(
    checker: &mut Checker<'_>,
    file: &'f File,
) -> Vec<(&'f Spanned<String>, DistributionList)> {
    let mut found = Vec::new();
    for written in &file.list {
        let table = written.get_ref();
        let Some(own) = address(checker, &table.address) else { continue };
        let mut members = Vec::new();
        for member in &table.member {
            let Some(read) = address(checker, member) else { continue };
            if read.is_equivalent(&own) {
                checker.problem(
                    member,
                    format!("the list \"{}\" names itself", table.address.get_ref()),
                    "remove it from its members",
                );
            }
            members.push((member, read));
        }
        if table.member.is_empty() {
            checker.problem(
                &table.address,
                format!("the list \"{}\" has no members", table.address.get_ref()),
                "write member = [\"C=GB;A=CARRIER;S=SMITH\"]",
            );
        }
        if table.member.len() > RECIPIENT_COUNT_MAX {
            checker.problem(
                &table.address,
                format!(
                    "the list \"{}\" has {} members, and a message has at most {RECIPIENT_COUNT_MAX} recipients",
                    table.address.get_ref(),
                    table.member.len()
                ),
                "make its members several lists, and these the members",
            );
        }
        let pairs = members.iter().map(|(at, member)| (*at, member));
        duplicates(checker, pairs, "is a member twice", "name each member once");
        let report_policy = checker.choice(&table.report_policy);
        let owner = table.owner.as_ref().and_then(|owner| address(checker, owner));
        if report_policy != ReportPolicy::Originator && table.owner.is_none() {
            checker.problem(
                &table.address,
                format!("reports of the list \"{}\" go to an owner", table.address.get_ref()),
                "name its owner, or write report_policy = \"originator\"",
            );
        }
        let members = members.into_iter().map(|(_, member)| member).collect();
        let submit_permission = submit_permission(checker, table);
        let list =
            DistributionList { address: own, members, owner, submit_permission, report_policy };
        found.push((&table.address, list));
    }
    let addresses = found.iter().map(|(at, list)| (*at, &list.address));
    duplicates(checker, addresses, "is a list twice", "keep one of the lists");
    found
}

fn submit_permission(checker: &mut Checker<'_>, table: &List) -> SubmitPermission {
    let named = checker.choice(&table.submit_permission);
    if table.submit_pattern.is_empty() {
        return match named {
            Submitters::Anyone => SubmitPermission::Anyone,
            Submitters::Members => SubmitPermission::Members,
        };
    }
    if let Some(written) = table.submit_permission.written() {
        checker.problem(
            written,
            "patterns say who may send to this list already",
            "remove submit_permission or submit_pattern",
        );
    }
    let mut patterns = Vec::new();
    for pattern in &table.submit_pattern {
        match Pattern::parse(pattern.get_ref()) {
            Ok(parsed) => patterns.push(parsed),
            Err(error) => checker.problem(
                pattern,
                format!("\"{}\" is no pattern: {error}", pattern.get_ref()),
                "write it like \"C=GB;A=CARRIER;P=ACME\"",
            ),
        }
    }
    SubmitPermission::Patterns(patterns)
}

fn address(checker: &mut Checker<'_>, written: &Spanned<String>) -> Option<OrAddress> {
    match written.get_ref().parse() {
        Ok(address) => Some(address),
        Err(error) => {
            checker.problem(
                written,
                format!("\"{}\" is no O/R address: {error}", written.get_ref()),
                "write it like \"C=GB;A=CARRIER;P=ACME;S=SMITH\"",
            );
            None
        }
    }
}

/// Reports each address that stands behind one with the same attributes.
fn duplicates<'a>(
    checker: &mut Checker<'_>,
    addresses: impl Iterator<Item = (&'a Spanned<String>, &'a OrAddress)>,
    reason: &str,
    remedy: &str,
) {
    let addresses: Vec<_> = addresses.collect();
    let names: Names = addresses.iter().map(|(_, address)| *address).collect();
    for (index, (at, address)) in addresses.iter().enumerate() {
        if names.find(&encoded(address)) != Ok(Some(index)) {
            checker.problem(*at, format!("\"{}\" {reason}", at.get_ref()), remedy);
        }
    }
}

fn encoded(address: &OrAddress) -> Vec<u8> {
    let mut octets = Vec::new();
    address.encode(&mut octets);
    octets
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::check;
    use super::*;

    const MTA: &str =
        "[mta]\nname = \"RELAY\"\ndomain = \"C=GB;A=X\"\nlisten = [\"127.0.0.1:0\"]\n";

    #[test]
    fn policy_is_read_and_has_its_defaults() {
        let default = check(MTA, Path::new("/")).unwrap().policy;
        assert_eq!(default.expiry, Policy::default().expiry);
        assert_eq!(default.returned_content_size_max, 1 << 20);
        let text = format!(
            "{MTA}expiry_s_urgent = 60\ndeferred_delivery = \"pass-on\"\n\
             returned_content_size_max_kib = 0\nsplit_domain = [\"C=GB;A=X\"]\n\
             [[redirection]]\nfrom = \"C=GB;A=X;S=OLD\"\nto = \"C=GB;A=X;S=NEW\"\n\
             [[list]]\naddress = \"C=GB;A=X;S=ALL\"\nowner = \"C=GB;A=X;S=BOSS\"\n\
             member = [\"C=GB;A=X;S=ONE\", \"C=GB;A=X;S=TWO\"]\nreport_policy = \"both\"\n\
             submit_pattern = [\"C=GB;A=X\"]\n"
        );
        let policy = check(&text, Path::new("/")).unwrap().policy;
        assert_eq!(policy.expiry.urgent, Duration::from_secs(60));
        assert_eq!((policy.deferral, policy.returned_content_size_max), (Deferral::PassOn, 0));
        assert_eq!((policy.redirections.len(), policy.lists.len()), (1, 1));
        assert_eq!(policy.lists[0].members.len(), 2);
        assert_eq!(policy.lists[0].report_policy, ReportPolicy::Both);
        let permission = &policy.lists[0].submit_permission;
        assert!(matches!(permission, SubmitPermission::Patterns(patterns) if patterns.len() == 1));
    }

    #[test]
    fn a_list_has_as_many_members_as_a_message_has_recipients() {
        let text = |count: usize| {
            let members: Vec<String> =
                (0..count).map(|index| format!("\"C=GB;A=X;S=M{index}\"")).collect();
            let members = members.join(", ");
            format!("{MTA}[[list]]\naddress = \"C=GB;A=X;S=L\"\nmember = [{members}]\n")
        };
        assert!(check(&text(RECIPIENT_COUNT_MAX), Path::new("/")).is_ok());
        let problems = check(&text(RECIPIENT_COUNT_MAX + 1), Path::new("/")).unwrap_err();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.line == 6 && problem.reason.contains("members"), "{problem:?}");
    }

    #[test]
    fn every_problem_has_its_line() {
        let text = format!(
            "{MTA}[[redirection]]\nfrom = \"C=GB;A=X;S=A\"\nto = \"C=GB;A=X;S=a\"\n\
             [[redirection]]\nfrom = \"C=GB;A=X;S=A\"\nto = \"nobody\"\n\
             [[redirection]]\nfrom = \"C=GB;A=X;S=A\"\nto = \"C=GB;A=X;S=C\"\n\
             [[list]]\naddress = \"C=GB;A=X;S=L\"\nmember = [\"C=GB;A=X;S=L\", \"C=GB;A=X;S=M\", \"C=GB;A=X;S=M\"]\n\
             [[list]]\naddress = \"C=GB;A=X;S=L\"\nmember = []\nreport_policy = \"owner\"\n\
             [[list]]\naddress = \"C=GB;A=X;S=A\"\nmember = [\"C=GB;A=X;S=M\"]\n\
             submit_permission = \"members\"\nsubmit_pattern = [\"C\"]\n"
        );
        let problems = check(&text, Path::new("/")).unwrap_err();
        let found: Vec<(usize, &str)> = problems
            .iter()
            .map(|problem| (problem.line, problem.reason.rsplit('"').next().unwrap_or_default()))
            .collect();
        let of_line = |line: usize| found.iter().filter(|problem| problem.0 == line).count();
        assert!(found.contains(&(7, " is redirected to itself")), "{found:?}");
        assert_eq!(of_line(10), 1, "no address: {found:?}");
        assert!(found.contains(&(12, " is redirected twice")), "{found:?}");
        assert!(found.contains(&(16, " names itself")), "{found:?}");
        assert!(found.contains(&(16, " is a member twice")), "{found:?}");
        assert_eq!(of_line(18), 3, "twice, empty, without owner: {found:?}");
        assert!(found.contains(&(22, " is a list and redirected too")), "{found:?}");
        assert_eq!((of_line(24), of_line(25)), (1, 1), "{found:?}");
    }
}
