//! Events in words: a line for who reads, a JSON object for programs.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::clock::WallTime;
use crate::journal::{Envelope, Event, Found, Indices, Recipients, Record, Refuser, Verdict};
use crate::p1::identifier::identifier_text;
use crate::p1::or_address::attributes;
use crate::p1::scan::{ApduKind, Priority, Responsibility};

/// A time, UTC, to the millisecond.
pub(super) fn time_text(time: WallTime) -> String {
    let time = Timestamp::from_millisecond(time.0).unwrap_or_default();
    format!("{time:.3}")
}

/// An O/R name's address in text form.
pub(super) fn address_text(or_name: &[u8]) -> String {
    if or_name.is_empty() {
        return "an O/R name too long to be kept".to_owned();
    }
    match attributes(or_name) {
        Ok(view) => view.to_owned().to_string(),
        Err(_) => "an unreadable O/R name".to_owned(),
    }
}

fn kind_text(kind: ApduKind) -> &'static str {
    match kind {
        ApduKind::Message => "message",
        ApduKind::Probe => "probe",
        ApduKind::Report => "report",
    }
}

fn priority_text(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "normal",
        Priority::NonUrgent => "non-urgent",
        Priority::Urgent => "urgent",
    }
}

fn recipients_text(recipients: &Recipients<'_>) -> String {
    let words = |(name, responsibility): (&[u8], Responsibility)| match responsibility {
        Responsibility::Responsible => address_text(name),
        Responsibility::NotResponsible => format!("{} (not for us)", address_text(name)),
    };
    recipients.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Which recipients, counted from 1 as they stand in the envelope; nothing for all of ours.
pub(super) fn indices_text(indices: &Indices<'_>) -> String {
    match indices.list() {
        None => String::new(),
        Some(list) => {
            let numbers: Vec<String> = list.iter().map(|index| (index + 1).to_string()).collect();
            let noun = if numbers.len() == 1 { "recipient" } else { "recipients" };
            format!(", {noun} {}", numbers.join(", "))
        }
    }
}

fn envelope_text(envelope: &Envelope<'_>) -> String {
    let mut text = format!(
        "{}, {}, {} octets",
        kind_text(envelope.kind),
        priority_text(envelope.priority),
        envelope.size
    );
    if envelope.kind != ApduKind::Report {
        text += &format!(", originator {}", address_text(envelope.originator));
    }
    if !envelope.content_identifier.is_empty() {
        let characters = String::from_utf8_lossy(envelope.content_identifier);
        text += &format!(", content-identifier \"{characters}\"");
    }
    if !envelope.subject.is_empty() {
        text += &format!(", about {}", identifier_text(envelope.subject));
    }
    text + ", to " + &recipients_text(&envelope.recipients)
}

fn report_text(reason: Option<u16>, diagnostic: Option<u16>) -> String {
    match (reason, diagnostic) {
        (None, _) => "delivered".to_owned(),
        (Some(reason), None) => format!("not delivered, reason {reason}"),
        (Some(reason), Some(diagnostic)) => {
            format!("not delivered, reason {reason}, diagnostic {diagnostic}")
        }
    }
}

fn event_text(event: &Event<'_>) -> String {
    match event {
        Event::TransferIn { connector, envelope } => {
            format!("transfer in from \"{connector}\": {}", envelope_text(envelope))
        }
        Event::Submission { envelope } => format!("submission: {}", envelope_text(envelope)),
        Event::FurtherRecipients { recipients } => {
            format!("further recipients: {}", recipients_text(recipients))
        }
        Event::Decision { verdict, connector, recipients } => {
            let recipients = indices_text(recipients);
            match verdict {
                Verdict::Relay => format!("decision: to \"{connector}\"{recipients}"),
                Verdict::NonDelivery(why) => format!("decision: reported, {why}{recipients}"),
                Verdict::Delivery => format!("decision: reported as deliverable{recipients}"),
                Verdict::Redirect => format!("decision: redirected{recipients}"),
                Verdict::Expand => format!("decision: a list, expanded{recipients}"),
                Verdict::Restate => format!("decision: taken up by itself{recipients}"),
                Verdict::Discard(why) => format!("decision: discarded, {why}"),
            }
        }
        Event::TransferOut { connector, recipients } => {
            format!("transfer out to \"{connector}\"{}", indices_text(recipients))
        }
        Event::Refusal { by: Refuser::Relay, connector, reason } => {
            format!("refused a transfer from \"{connector}\": {reason}")
        }
        Event::Refusal { by: Refuser::Partner, connector, reason } => {
            format!("refused by \"{connector}\" {reason}")
        }
        Event::Held { connector, recipients, reason } => {
            format!(
                "held for the operator at \"{connector}\": {reason}{}",
                indices_text(recipients)
            )
        }
        Event::InDoubt { connector } => {
            format!("in doubt: sent to \"{connector}\" without a confirmation, sent anew")
        }
        Event::Recovered { connector, recipients } => format!(
            "found in the store at start, waits for \"{connector}\"{}",
            indices_text(recipients)
        ),
        Event::Report { subject, recipient, reason, diagnostic } => format!(
            "report about {}: {} {}",
            identifier_text(subject),
            address_text(recipient),
            report_text(*reason, *diagnostic)
        ),
        Event::Expiry { recipients } => format!("expired{}", indices_text(recipients)),
        Event::Redirect { from, to } => {
            format!("redirected from {} to {}", address_text(from), address_text(to))
        }
        Event::Expansion { list, member_count } => {
            format!("list {} expanded to {member_count} members", address_text(list))
        }
        Event::Delivery { connector, recipient } => {
            format!("delivered at \"{connector}\" to {}", address_text(recipient))
        }
        Event::Lost { count } => format!("{count} events were not kept here"),
    }
}

/// The event's name, in JSON.
fn event_name(event: &Event<'_>) -> &'static str {
    match event {
        Event::TransferIn { .. } => "transfer-in",
        Event::Submission { .. } => "submission",
        Event::FurtherRecipients { .. } => "further-recipients",
        Event::Decision { .. } => "decision",
        Event::TransferOut { .. } => "transfer-out",
        Event::Refusal { .. } => "refusal",
        Event::Held { .. } => "held",
        Event::InDoubt { .. } => "in-doubt",
        Event::Recovered { .. } => "recovered",
        Event::Report { .. } => "report",
        Event::Expiry { .. } => "expiry",
        Event::Redirect { .. } => "redirect",
        Event::Expansion { .. } => "expansion",
        Event::Delivery { .. } => "delivery",
        Event::Lost { .. } => "lost",
    }
}

/// One line.
pub(super) fn line(record: &Record<'_>) -> String {
    let identifier = match record.identifier {
        [] => "-".to_owned(),
        element => identifier_text(element),
    };
    format!("{}  {identifier}  {}", time_text(record.time), event_text(&record.event))
}

/// One object: what the line says, and the parts that a program asks for by themselves.
pub(super) fn json(found: &Found) -> Value {
    let record = found.record();
    let mut object = json!({
        "time": time_text(record.time),
        "shard": found.shard,
        "event": event_name(&record.event),
        "text": event_text(&record.event),
    });
    if !record.identifier.is_empty() {
        object["mts_identifier"] = identifier_text(record.identifier).into();
    }
    if let Some(connector) = record.event.connector().filter(|name| !name.is_empty()) {
        object["connector"] = connector.into();
    }
    if let Some(recipients) = record.event.recipients() {
        let names = recipients.iter().map(|(name, responsibility)| {
            let responsible = responsibility == Responsibility::Responsible;
            json!({ "address": address_text(name), "responsible": responsible })
        });
        object["recipients"] = names.collect();
    }
    if let Event::TransferIn { envelope, .. } | Event::Submission { envelope } = &record.event {
        object["kind"] = kind_text(envelope.kind).into();
        object["priority"] = priority_text(envelope.priority).into();
        object["size"] = envelope.size.into();
        object["originator"] = match envelope.kind {
            ApduKind::Report => Value::Null,
            _ => address_text(envelope.originator).into(),
        };
        object["content_identifier"] = String::from_utf8_lossy(envelope.content_identifier).into();
    }
    object
}
