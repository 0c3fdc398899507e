//! Which of our settings to look at when a partner refuses at a layer for a reason.

use super::{dialogue_mode_text, selector_text};
use crate::shard::settings::ConnectorSettings;

/// How far the climb came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A host name to addresses.
    Resolution,
    /// TCP.
    Tcp,
    /// X.224: CR, CC.
    Transport,
    /// X.225: CN, AC.
    Session,
    /// X.226: CP, CPA.
    Presentation,
    /// X.227: AARQ, AARE.
    Acse,
    /// X.228: RTORQ, RTOAC.
    Rtse,
    /// X.411: MTA-bind.
    MtaBind,
    /// The end of the association.
    Release,
}

impl Step {
    /// The name in the output.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Step::Resolution => "name",
            Step::Tcp => "tcp",
            Step::Transport => "transport",
            Step::Session => "session",
            Step::Presentation => "presentation",
            Step::Acse => "acse",
            Step::Rtse => "rtse",
            Step::MtaBind => "mta-bind",
            Step::Release => "release",
        }
    }
}

/// What went wrong at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The peer's reason code of that layer.
    Reason(u32),
    /// No answer in time.
    Silence,
    /// The connection was closed without a word.
    Closed,
    /// The answer is not what the Recommendation allows.
    Malformed,
    /// The answer is right, but not the one expected.
    Unexpected,
    /// Whatever else.
    Other,
}

/// Why the climb ended before its end.
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) cause: Cause,
    pub(super) what: String,
}

impl Failure {
    pub(super) fn new(step: Step, cause: Cause, what: impl Into<String>) -> Failure {
        Failure { step, cause, what: what.into() }
    }
}

/// Keys of `[[connector]]` to look at, and why.
pub(super) struct Hint {
    pub(super) keys: &'static [&'static str],
    pub(super) why: &'static str,
}

/// A row: the step, the cause (`None`: any other), the keys, the words.
type Row = (Step, Option<Cause>, &'static [&'static str], &'static str);

/// The first row that fits counts.
const HINTS: &[Row] = &[
    (
        Step::Resolution,
        None,
        &["address"],
        "the host name is not known to this machine's resolver: write another, or an address",
    ),
    (
        Step::Tcp,
        Some(Cause::Silence),
        &["address"],
        "nothing answers there: the wrong address, a route that is missing, or a firewall",
    ),
    (
        Step::Tcp,
        None,
        &["address"],
        "nobody listens there: the wrong address or port, or the partner's MTA is down",
    ),
    (Step::Transport, Some(Cause::Reason(1)), &[], "the partner is congested: try again later"),
    (Step::Transport, Some(Cause::Reason(0x81)), &[], "the partner is congested: try again later"),
    (
        Step::Transport,
        Some(Cause::Silence),
        &["address", "called_transport_selector"],
        "something listens, but does not answer as RFC 1006: the wrong port, or a partner that hangs",
    ),
    (
        Step::Transport,
        Some(Cause::Closed),
        &["address", "called_transport_selector"],
        "the partner hangs up: it does not know our IP address, or the port is another service's",
    ),
    (
        Step::Transport,
        Some(Cause::Malformed),
        &["address"],
        "what listens there does not speak RFC 1006: the wrong port",
    ),
    (
        Step::Transport,
        None,
        &["called_transport_selector", "calling_transport_selector"],
        "the partner's T-selector is another one, or it does not know ours",
    ),
    (Step::Session, Some(Cause::Reason(1)), &[], "the partner is congested: try again later"),
    (Step::Session, Some(Cause::Reason(131)), &[], "the partner is congested: try again later"),
    (
        Step::Session,
        Some(Cause::Silence),
        &["called_session_selector", "application_context"],
        "the partner's transport answers, what is above it does not",
    ),
    (
        Step::Session,
        None,
        &["called_session_selector", "calling_session_selector", "application_context"],
        "the partner's S-selector is another one, or its session does not offer what RTSE needs",
    ),
    (Step::Presentation, Some(Cause::Reason(1)), &[], "the partner is congested: try again later"),
    (
        Step::Presentation,
        Some(Cause::Reason(3)),
        &["called_presentation_selector"],
        "the partner's P-selector is another one",
    ),
    (
        Step::Presentation,
        Some(Cause::Reason(7)),
        &["called_presentation_selector"],
        "the partner's P-selector is another one",
    ),
    (
        Step::Presentation,
        None,
        &["application_context", "called_presentation_selector"],
        "the partner does not take this mode: many speak an X.410 mode only, or normal mode only",
    ),
    (
        Step::Acse,
        None,
        &["application_context"],
        "the partner does not offer this application context",
    ),
    (
        Step::Rtse,
        Some(Cause::Reason(0)),
        &["association_count_max"],
        "the partner is busy: try again later, or open fewer associations",
    ),
    (
        Step::Rtse,
        Some(Cause::Reason(2)),
        &["local_mta_name", "local_password", "application_context", "calling_transport_selector"],
        "the partner does not accept the name, password, application protocol or address that we show",
    ),
    (
        Step::Rtse,
        Some(Cause::Reason(3)),
        &["dialogue_mode"],
        "the partner wants the other dialogue mode",
    ),
    (
        Step::Rtse,
        None,
        &["application_context", "checkpoint_size_kib", "window_size"],
        "the partner's reliable transfer does not accept what we propose",
    ),
    (
        Step::MtaBind,
        Some(Cause::Reason(0)),
        &["association_count_max"],
        "the partner is busy: try again later, or open fewer associations",
    ),
    (
        Step::MtaBind,
        Some(Cause::Reason(2)),
        &["local_mta_name", "local_password"],
        "the partner does not accept the MTA name and password that we show",
    ),
    (
        Step::MtaBind,
        Some(Cause::Reason(3)),
        &["dialogue_mode"],
        "the partner wants the other dialogue mode",
    ),
    (
        Step::MtaBind,
        Some(Cause::Unexpected),
        &["remote_mta_name", "remote_password"],
        "the partner answers with another name or password than it should",
    ),
    (
        Step::MtaBind,
        None,
        &["local_mta_name", "local_password", "remote_mta_name", "remote_password"],
        "the partner does not bind with us",
    ),
    (
        Step::Release,
        None,
        &[],
        "the association was up: the settings are right, the partner does not release properly",
    ),
];

/// What to look at.
pub(super) fn hint(step: Step, cause: Cause) -> Hint {
    let row = HINTS.iter().find(|(row_step, row_cause, ..)| {
        *row_step == step && row_cause.is_none_or(|row_cause| row_cause == cause)
    });
    row.map_or(Hint { keys: &[], why: "" }, |(_, _, keys, why)| Hint { keys, why })
}

/// The value of a key of `[[connector]]` that a hint may name; passwords are not shown.
pub(super) fn setting(connector: &ConnectorSettings, key: &str) -> String {
    let stack = &connector.stack;
    match key {
        "address" => {
            let all: Vec<String> =
                connector.addresses.iter().map(|it| format!("\"{it}\"")).collect();
            format!("[{}]", all.join(", "))
        }
        "local_mta_name" => format!("\"{}\"", connector.local.mta_name),
        "remote_mta_name" => format!("\"{}\"", connector.remote.mta_name),
        "local_password" => password_text(&connector.local.password),
        "remote_password" => password_text(&connector.remote.password),
        "called_transport_selector" => selector_text(&stack.transport.called_selector.0),
        "calling_transport_selector" => selector_text(&stack.transport.calling_selector.0),
        "called_session_selector" => selector_text(&stack.session.called_selector.0),
        "calling_session_selector" => selector_text(&stack.session.calling_selector.0),
        "called_presentation_selector" => selector_text(&stack.presentation.called_selector.0),
        "application_context" => format!("\"{}\"", stack.application_context.as_str()),
        "dialogue_mode" => format!("\"{}\"", dialogue_mode_text(stack.rtse.dialogue_mode)),
        "checkpoint_size_kib" => stack.rtse.checkpoint_size_kib.to_string(),
        "window_size" => stack.rtse.window_size.to_string(),
        "association_count_max" => connector.associations.calling_count_max.to_string(),
        _ => String::new(),
    }
}

fn password_text(password: &str) -> String {
    match password.len() {
        0 => "none".to_owned(),
        count => format!("{count} characters, not shown"),
    }
}
