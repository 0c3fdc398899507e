//! Where a message is now, concluded from its events.

use super::words::{indices_text, time_text};
use crate::base::clock::WallTime;
use crate::journal::{Event, Found, Indices, Query, Refuser, Verdict};

const DELIVERED: &str = "delivered";

/// One way that some of its recipients have gone.
struct Leg {
    connector: String,
    recipients: String,
    state: String,
    since: WallTime,
    /// Whether nothing more is expected.
    over: bool,
}

/// Where the message with this identifier is, from its events in time order. `None`: none of them says.
pub(super) fn whereabouts(identifier: &str, events: &[Found]) -> Option<String> {
    let own = Query { identifier: Some(identifier.to_owned()), ..Query::default() };
    let mut legs: Vec<Leg> = Vec::new();
    for found in events {
        let record = found.record();
        if !own.matches(&record) {
            continue;
        }
        // One event for each recipient tells of one delivery.
        if let Event::Delivery { connector, .. } = record.event
            && legs.iter().any(|leg| leg.connector == connector && leg.state == DELIVERED)
        {
            continue;
        }
        let mut told = |connector: &str, recipients: &Indices<'_>, state: &str, over: bool| {
            let recipients = indices_text(recipients);
            let open = legs.iter_mut().find(|leg| leg.connector == connector && !leg.over);
            let (state, since) = (state.to_owned(), record.time);
            match open {
                Some(leg) => (leg.state, leg.since, leg.over) = (state, since, over),
                None => legs.push(Leg {
                    connector: connector.to_owned(),
                    recipients,
                    state,
                    since,
                    over,
                }),
            }
        };
        match record.event {
            Event::Decision { verdict: Verdict::Relay, connector, recipients } => {
                told(connector, &recipients, "waits to be transferred", false);
            }
            Event::Decision { verdict, recipients, .. } => {
                let state = match verdict {
                    Verdict::Relay | Verdict::Restate => continue,
                    Verdict::NonDelivery(why) => format!("reported, {why}"),
                    Verdict::Delivery => "reported as delivered".to_owned(),
                    Verdict::Redirect => "redirected".to_owned(),
                    Verdict::Expand => "expanded".to_owned(),
                    Verdict::Discard(why) => format!("discarded, {why}"),
                };
                told("", &recipients, &state, true);
            }
            Event::Recovered { connector, recipients } => {
                told(connector, &recipients, "waits to be transferred, since a restart", false);
            }
            Event::Refusal { by: Refuser::Partner, connector, .. } => {
                told(connector, &Indices::All, "waits, refused before", false);
            }
            Event::InDoubt { connector } => {
                told(connector, &Indices::All, "waits to be sent anew, in doubt", false);
            }
            Event::TransferOut { connector, recipients } => {
                told(connector, &recipients, "transferred", true);
            }
            Event::Held { connector, recipients, reason } => {
                told(connector, &recipients, &format!("held, {reason}"), true);
            }
            Event::Expiry { recipients } => told("", &recipients, "expired", true),
            Event::Delivery { connector, .. } => told(connector, &Indices::All, DELIVERED, true),
            _ => {}
        }
    }
    let leg_text = |leg: &Leg| {
        let place = match leg.connector.as_str() {
            "" => String::new(),
            connector => format!(" at \"{connector}\""),
        };
        format!("{}{place}{} since {}", leg.state, leg.recipients, time_text(leg.since))
    };
    (!legs.is_empty()).then(|| legs.iter().map(leg_text).collect::<Vec<_>>().join("; "))
}
