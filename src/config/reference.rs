//! The configuration reference of the README, written from the structs that parse the file.

use std::fmt::Write as _;

use super::file::{Connector, Mta, Row, Tracking};

/// The reference page: a Markdown table for each table of the file.
pub fn reference() -> String {
    let mut text = String::new();
    let tables = [
        ("[mta]", Mta::rows()),
        ("[tracking]", Tracking::rows()),
        ("[[connector]]", Connector::rows()),
    ];
    for (heading, rows) in tables {
        let _ = writeln!(text, "| `{heading}` | default | what |\n|---|---|---|");
        for Row { key, default, source, what } in rows {
            let mark = if source.is_empty() { "" } else { " ¹" };
            let _ = writeln!(text, "| `{key}` | {default}{mark} | {what} |");
        }
        text.push('\n');
    }
    text.push_str(
        "¹ the default of the X.400 Connector of Microsoft Exchange Server 5.5, as its article Q234157 gives \
         it; the others are our own.\n",
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
