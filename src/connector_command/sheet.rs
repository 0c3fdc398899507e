//! The mirror of a connector's settings, for the partner's administrator, who may know them by the names of
//! another product.

use std::fmt::Write;

use super::selector_text;
use crate::osi::rtse::DialogueMode;
use crate::osi::stack::ApplicationContext;
use crate::shard::settings::{ConnectorSettings, Settings};

/// The sheet, lines of at most 100 characters where values allow.
pub(super) fn sheet(
    settings: &Settings,
    connector: &ConnectorSettings,
    show_passwords: bool,
) -> String {
    let mut sheet = Sheet(String::new());
    let password = |password: &str| match (password, show_passwords) {
        ("", _) => "none".to_owned(),
        (password, true) => format!("\"{password}\""),
        (_, false) => "agreed between us, not printed here (--show-passwords)".to_owned(),
    };
    let stack = &connector.stack;
    let _ = writeln!(
        sheet.0,
        "Settings for our partner \"{}\", as seen from its side",
        connector.remote.mta_name
    );

    sheet.part("We (to you: the remote MTA)");
    sheet.row("MTA name", format!("\"{}\"", connector.local.mta_name));
    sheet.row("Password", password(&connector.local.password));
    sheet.row("Domain (global domain identifier)", settings.domain.to_string());
    let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    sheet.row("TCP address and port, RFC 1006", listen.join(", "));
    if settings.listen.iter().any(|address| address.ip().is_unspecified()) {
        sheet.note("0.0.0.0 and :: stand for every address of our host: ask us for the public one");
    }

    sheet.part("You (to you: the local MTA)");
    sheet.row("MTA name", format!("\"{}\"", connector.remote.mta_name));
    sheet.row("Password", password(&connector.remote.password));
    let domain = connector.domain.as_ref().map(ToString::to_string);
    sheet.row("Domain", domain.unwrap_or("not written down here: yours, not ours".to_owned()));
    let addresses: Vec<String> = connector.addresses.iter().map(ToString::to_string).collect();
    sheet.row("We call you at", or_none(&addresses, "nowhere: only you call"));

    sheet.part("When you call us (your outgoing values)");
    let any = |selector: &Option<Vec<u8>>| match selector {
        Some(octets) => selector_text(octets),
        None => "any, blank will do".to_owned(),
    };
    sheet.row("Called T-selector (TSAP-ID)", any(&connector.incoming.transport));
    sheet.row("Called S-selector (SSAP-ID)", any(&connector.incoming.session));
    sheet.row("Called P-selector (PSAP-ID)", any(&connector.incoming.presentation));
    let contexts = ApplicationContext::ALL.map(mode);
    sheet.row("Application context", format!("any of {}", contexts.join("; ")));
    sheet.row(
        "Associations you may open",
        match connector.schedule.allows_called() {
            true => connector.associations.called_count_max.to_string(),
            false => "none: the connector is out of use".to_owned(),
        },
    );

    sheet.part("When we call you (your incoming values)");
    for (name, ours, yours) in [
        (
            "T-selector (TSAP-ID)",
            &stack.transport.calling_selector.0,
            &stack.transport.called_selector.0,
        ),
        (
            "S-selector (SSAP-ID)",
            &stack.session.calling_selector.0,
            &stack.session.called_selector.0,
        ),
        (
            "P-selector (PSAP-ID)",
            &stack.presentation.calling_selector.0,
            &stack.presentation.called_selector.0,
        ),
    ] {
        sheet.row(&format!("Called {name}, yours"), selector_text(yours));
        sheet.row(&format!("Calling {name}, ours"), selector_text(ours));
    }
    sheet.row("Application context", mode(stack.application_context));
    sheet.row("Schedule (UTC)", connector.schedule.to_string());
    sheet.row("Associations we open at most", connector.associations.calling_count_max.to_string());
    sheet.row("Kept open permanently", connector.associations.permanent_count.to_string());

    sheet.part("Reliable transfer (RTS)");
    let dialogue = match stack.rtse.dialogue_mode {
        DialogueMode::Monologue => "monologue: who opens the association sends",
        DialogueMode::TwoWayAlternate => "two-way alternate: both send, in turns",
    };
    sheet.row("Dialogue mode", dialogue.to_owned());
    sheet.row(
        "Checkpoint size",
        match stack.rtse.checkpoint_size_kib {
            0 => "0, no checkpoints".to_owned(),
            size => format!("{size} KiB"),
        },
    );
    sheet.row("Window size", stack.rtse.window_size.to_string());
    sheet.row("Recovery timeout", format!("{} s", connector.recovery_timeout.as_secs()));
    sheet.row("Largest message", format!("{} KiB", connector.message_size_max >> 10));

    sheet.part("Routing");
    let spaces: Vec<String> = connector
        .address_spaces
        .iter()
        .map(|(pattern, cost)| format!("{pattern} (cost {cost})"))
        .collect();
    sheet.row("We send you what is for", or_none(&spaces, "nobody yet"));
    sheet.note(
        "route to us what is for our side; which address space that is, is yours to agree with us",
    );
    sheet.0
}

fn or_none(list: &[String], none: &str) -> String {
    match list {
        [] => none.to_owned(),
        list => list.join(", "),
    }
}

/// An application context, with the word that other products have for it.
fn mode(context: ApplicationContext) -> String {
    let known_as = match context {
        ApplicationContext::MtsTransfer => "1988 normal mode",
        ApplicationContext::MtsTransferProtocol => "1988 X.410 mode",
        ApplicationContext::MtsTransferProtocol1984 => "1984 mode",
    };
    format!("{} ({known_as})", context.as_str())
}

/// Rows under headings.
struct Sheet(String);

impl Sheet {
    fn part(&mut self, heading: &str) {
        let _ = writeln!(self.0, "\n{heading}");
    }

    fn row(&mut self, name: &str, value: String) {
        let _ = writeln!(self.0, "  {name:<38}  {value}");
    }

    fn note(&mut self, note: &str) {
        let _ = writeln!(self.0, "  ({note})");
    }
}
