//! The configuration reference of the README, written from the structs that parse the file.

use std::fmt::Write as _;

use super::file::{Connector, List, Mta, Redirection, Row, SpoolConnector, Tracking};

/// The reference page: a Markdown table for each table of the file.
pub fn reference() -> String {
    let mut text = String::new();
    let tables = [
        ("[mta]", Mta::rows()),
        ("[tracking]", Tracking::rows()),
        ("[[connector]]", Connector::rows()),
        ("[[connector]]`, `kind = \"spool\"", SpoolConnector::rows()),
        ("[[redirection]]", Redirection::rows()),
        ("[[list]]", List::rows()),
    ];
    for (heading, rows) in tables {
        let _ = writeln!(text, "| `{heading}` | default | what |\n|---|---|---|");
        for Row { key, default, source, what } in rows {
            let space = if source.is_empty() { "" } else { " " };
            let _ = writeln!(text, "| `{key}` | {default}{space}{source} | {what} |");
        }
        text.push('\n');
    }
    text.push_str(
        "¹ the default of the X.400 Connector of Microsoft Exchange Server 5.5, as its article Q234157 gives \
         it.\n\n\
         ² the maximum time to forced non-delivery of F.410 (unverified). The others are our own.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_holds_the_reference() {
        let readme = include_str!("../../README.md");
        let generated = reference();
        assert!(generated.lines().count() > 60, "the keys were not read");
        assert!(
            readme.contains(&generated),
            "README.md: put the output of `p1relay reference` under \"Configuration reference\""
        );
    }
}
