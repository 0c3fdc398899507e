//! `p1relay connector test`: one association to the partner, opened step by step and released, with what was
//! sent, what was answered and how long it took.
//!
//! The stack is the relay's own; what went over the wire is read back from its octets by `decode`, so that the
//! words are those of the PDUs, not of our intentions.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::dialogue_mode_text;
use super::hint::{Cause, Failure, Step, hint, setting};
use super::reach::connect;
use super::tell::{
    CR_FIELDS, REFUSAL_FIELDS, UPPER, described, milliseconds, says, told, told_answer,
};
use crate::base::transmit::Transmit;
use crate::decode::{Conversation, Direction, Node};
use crate::osi::error::{Error, Layer};
use crate::osi::rtse::AbortReason;
use crate::osi::stack::{AbortIndication, BindRefusal, Indication, Stack};
use crate::p1::bind::{self, Bind, BindError, Mode};
use crate::shard::settings::ConnectorSettings;

/// Calls the connector's partner and prints every step; whether the association came up and was released.
pub(super) fn climb(connector: &ConnectorSettings, timeout: Duration, verbose: bool) -> bool {
    println!(
        "connector \"{}\": calling MTA \"{}\" as \"{}\" in {}",
        connector.name,
        connector.remote.mta_name,
        connector.local.mta_name,
        connector.stack.application_context.as_str()
    );
    let outcome = connect(connector, timeout)
        .and_then(|stream| Climb::new(connector, stream, timeout, verbose)?.run());
    match outcome {
        Ok(()) => {
            println!("result: the connector works");
            true
        }
        Err(failure) => {
            println!("result: failed at {}: {}", failure.step.name(), failure.what);
            let hint = hint(failure.step, failure.cause);
            if !hint.why.is_empty() {
                println!("  likely: {}", hint.why);
            }
            for key in hint.keys {
                println!("  look at: {key} = {}", setting(connector, key));
            }
            false
        }
    }
}

/// What the partner did, as far as the climb looks into it.
enum Event {
    Bound(Vec<u8>),
    Refused(Box<BindRefusal>),
    Aborted(AbortIndication),
    Released,
    Other,
}

impl From<Indication<'_>> for Event {
    fn from(indication: Indication<'_>) -> Event {
        match indication {
            Indication::BindConfirm(result) => Event::Bound(result),
            Indication::BindRefused(refusal) => Event::Refused(refusal),
            Indication::Abort(abort) => Event::Aborted(abort),
            Indication::ReleaseConfirm => Event::Released,
            _ => Event::Other,
        }
    }
}

/// A connection on which the association is opened.
struct Climb<'c> {
    connector: &'c ConnectorSettings,
    stream: TcpStream,
    timeout: Duration,
    verbose: bool,
    stack: Stack,
    conversation: Conversation,
    mode: Mode,
    /// What is waited for now.
    step: Step,
    /// When what is answered next was sent.
    sent_at: Instant,
    /// How long the last answer took.
    took: String,
    sent: Vec<Node>,
    answered: Vec<Node>,
    /// What the stack has not taken yet.
    received: Vec<u8>,
}

/// Largest answer that is read at once, octets.
const READ_SIZE: usize = 16 << 10;

impl<'c> Climb<'c> {
    fn new(
        connector: &'c ConnectorSettings,
        stream: TcpStream,
        timeout: Duration,
        verbose: bool,
    ) -> Result<Climb<'c>, Failure> {
        let local =
            |error: std::io::Error| Failure::new(Step::Tcp, Cause::Other, error.to_string());
        stream.set_nodelay(true).map_err(local)?;
        stream.set_write_timeout(Some(timeout)).map_err(local)?;
        let mode = match connector.stack.application_context.is_x410_mode() {
            true => Mode::X410,
            false => Mode::Normal,
        };
        let shown = Bind::Simple {
            mta_name: connector.local.mta_name.as_bytes(),
            password: connector.local.password.as_bytes(),
        };
        let mut argument = Vec::new();
        bind::encode_bind_argument(mode, &shown, &mut argument);
        Ok(Climb {
            connector,
            stream,
            timeout,
            verbose,
            stack: Stack::initiator(std::sync::Arc::clone(&connector.stack), &argument),
            conversation: Conversation::new(),
            mode,
            step: Step::Transport,
            sent_at: Instant::now(),
            took: String::new(),
            sent: Vec::new(),
            answered: Vec::new(),
            received: Vec::new(),
        })
    }

    fn run(mut self) -> Result<(), Failure> {
        let result = loop {
            match self.exchange()? {
                Some(Event::Bound(result)) => break result,
                Some(Event::Refused(refusal)) => return Err(self.refused(&refusal)),
                Some(Event::Aborted(abort)) => return Err(self.aborted(&abort)),
                Some(Event::Released | Event::Other) => {
                    let what = "an answer that is not one to a bind";
                    return Err(Failure::new(self.step, Cause::Malformed, what));
                }
                None => {}
            }
        };
        self.tell_bound();
        self.check(&result)?;
        let negotiated = self.stack.negotiated();
        let checkpoints = match negotiated.checkpoint_size_kib {
            0 => "no checkpoints".to_owned(),
            size => format!("checkpoints every {size} KiB, window {}", negotiated.window_size),
        };
        println!(
            "negotiated: {}, TPDU size {}, TSDU size {}, session version {}, {checkpoints}, {}",
            negotiated.application_context.as_str(),
            negotiated.tpdu_size,
            match negotiated.tsdu_size_max {
                0 => "unlimited".to_owned(),
                size => size.to_string(),
            },
            negotiated.session_version,
            dialogue_mode_text(negotiated.dialogue_mode),
        );
        self.release()
    }

    /// Sends what there is to send, takes what comes, and says what the stack makes of it; nothing, when it
    /// keeps that to itself.
    fn exchange(&mut self) -> Result<Option<Event>, Failure> {
        self.transmit()?;
        if self.received.is_empty() {
            let mut buffer = vec![0; READ_SIZE];
            let count = self.read(&mut buffer)?;
            buffer.truncate(count);
            self.took = milliseconds(self.sent_at);
            let nodes = self.conversation.receive(Direction::ToInitiator, &buffer);
            self.show("<-", &nodes);
            self.answered.extend(nodes);
            self.received = buffer;
        }
        if self.step == Step::Transport && says(&self.answered, "CONNECTION CONFIRM (CC)") {
            self.tell_transport();
        }
        let mut input = &self.received[..];
        let indication = self.stack.poll_indication(&mut input);
        let left = input.len();
        let outcome = indication.map(|indication| indication.map(Event::from));
        self.received.drain(..self.received.len() - left);
        outcome.map_err(|error| {
            // The remedy goes out before the connection ends.
            let failure = self.malformed(&error);
            let _ = self.transmit();
            failure
        })
    }

    fn transmit(&mut self) -> Result<(), Failure> {
        let mut transmit = Transmit::new();
        while self.stack.poll_transmit(&mut transmit) {}
        let octets = transmit.to_vec();
        if octets.is_empty() {
            return Ok(());
        }
        let nodes = self.conversation.receive(Direction::ToResponder, &octets);
        self.show("->", &nodes);
        self.sent.extend(nodes);
        self.sent_at = Instant::now();
        self.stream.write_all(&octets).map_err(|error| {
            Failure::new(self.step, Cause::Closed, format!("sending failed: {error}"))
        })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let deadline = self.sent_at + self.timeout;
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let failed = |cause, what: String| Err(Failure::new(self.step, cause, what));
        if let Err(error) = self.stream.set_read_timeout(Some(left)) {
            return failed(Cause::Other, error.to_string());
        }
        match self.stream.read(buffer) {
            Ok(0) => {
                failed(Cause::Closed, "the partner closed the connection without a word".to_owned())
            }
            Ok(count) => Ok(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let waited = self.timeout.as_secs_f64();
                failed(Cause::Silence, format!("no answer to {} in {waited} s", self.last_sent()))
            }
            Err(error) => failed(Cause::Closed, format!("the connection broke: {error}")),
        }
    }

    fn show(&self, arrow: &str, nodes: &[Node]) {
        if self.verbose {
            for line in nodes.iter().flat_map(|node| {
                node.to_string().lines().map(str::to_owned).collect::<Vec<String>>()
            }) {
                println!("{arrow} {line}");
            }
        }
    }

    fn last_sent(&self) -> String {
        let pdus = self.sent.iter().flat_map(Node::walk).filter(|node| node.name.ends_with(')'));
        pdus.last().map_or("nothing".to_owned(), |node| node.name.to_string())
    }

    fn tell_transport(&mut self) {
        let fields =
            ["called TSAP-ID", "calling TSAP-ID", "TPDU size", "preferred maximum TPDU size"];
        let sent = described(&self.sent, "CONNECTION REQUEST (CR)", &fields);
        let answered = described(&self.answered, "CONNECTION CONFIRM (CC)", &fields);
        told(Step::Transport, &self.took, &format!("sent {sent}"));
        told_answer(&answered);
        self.step = Step::Session;
    }

    /// The upper layers were asked together and have answered together.
    fn tell_bound(&mut self) {
        let x410 = self.mode == Mode::X410;
        for (step, sent, answered, fields) in UPPER {
            if x410 && matches!(step, Step::Acse) {
                continue;
            }
            let sent = described(&self.sent, sent, fields);
            told(*step, &self.took, &format!("sent {sent}"));
            told_answer(&described(&self.answered, answered, fields));
        }
    }

    /// Whether the partner is who it should be.
    fn check(&mut self, result: &[u8]) -> Result<(), Failure> {
        self.step = Step::MtaBind;
        let remote = &self.connector.remote;
        let what = match bind::decode_bind_result(self.mode, result) {
            Ok(Bind::Simple { mta_name, password }) => {
                if mta_name != remote.mta_name.as_bytes() {
                    format!(
                        "the partner calls itself \"{}\" instead of \"{}\"",
                        mta_name.escape_ascii(),
                        remote.mta_name
                    )
                } else if password != remote.password.as_bytes() {
                    "the partner shows another password than remote_password".to_owned()
                } else {
                    return Ok(());
                }
            }
            Ok(_) => "the partner shows no name and password".to_owned(),
            Err(error) => format!("the bind result cannot be read: {error}"),
        };
        self.stack.abort_request(AbortReason::UserError);
        let _ = self.transmit();
        Err(Failure::new(Step::MtaBind, Cause::Unexpected, what))
    }

    fn release(mut self) -> Result<(), Failure> {
        self.step = Step::Release;
        if !self.stack.release_request() {
            // The turn went to the partner with the bind: only who has it may release.
            self.stack.abort_request(AbortReason::TemporaryProblem);
            self.transmit()?;
            told(Step::Release, "", "the partner has the turn: aborted");
            return Ok(());
        }
        loop {
            match self.exchange()? {
                Some(Event::Released) => break,
                Some(Event::Aborted(_) | Event::Refused(_)) => {
                    return Err(Failure::new(Step::Release, Cause::Other, "the partner aborted"));
                }
                // The partner may have begun to send before it saw the release.
                _ => {}
            }
        }
        told(Step::Release, &self.took, "sent FINISH (FN), answered DISCONNECT (DN)");
        self.transmit()
    }

    fn refused(&mut self, refusal: &BindRefusal) -> Failure {
        let _ = self.transmit();
        let bind_error = match self.mode {
            Mode::Normal => bind::decode_bind_error(&refusal.bind_error).ok(),
            Mode::X410 => None,
        };
        self.tell_refusal(match bind_error {
            Some(_) => Step::MtaBind,
            None => step_of(refusal.layer),
        });
        let later = if refusal.transient { "; a later attempt may succeed" } else { "" };
        if let Some(code) = bind_error {
            let name = match BindError::from_code(code) {
                Some(BindError::Busy) => "busy",
                Some(BindError::AuthenticationError) => "authentication-error",
                Some(BindError::UnacceptableDialogueMode) => "unacceptable-dialogue-mode",
                Some(BindError::UnacceptableSecurityContext) => "unacceptable-security-context",
                None => "a reason unknown here",
            };
            let what = format!("the partner refused: MTABindError {name} ({code})");
            let cause = Cause::Reason(u32::try_from(code).unwrap_or(u32::MAX));
            return Failure::new(Step::MtaBind, cause, what);
        }
        let step = step_of(refusal.layer);
        let cause = Cause::Reason(refusal.reason);
        let (reason, text) = (refusal.reason, refusal.text);
        Failure::new(step, cause, format!("the partner refused: {text} ({reason}){later}"))
    }

    fn aborted(&mut self, abort: &AbortIndication) -> Failure {
        self.tell_refusal(step_of(abort.layer));
        let cause = abort.reason.map_or(Cause::Other, Cause::Reason);
        Failure::new(step_of(abort.layer), cause, format!("the partner aborted: {}", abort.text))
    }

    /// What was asked, and the PDU that refused it.
    fn tell_refusal(&self, step: Step) {
        let row = UPPER.iter().find(|row| row.0 == step);
        let (sent, fields) =
            row.map_or(("CONNECTION REQUEST (CR)", CR_FIELDS), |row| (row.1, row.3));
        let sent = format!("sent {}", described(&self.sent, sent, fields));
        told(step, &self.took, &sent);
        let refusals = ["DISCONNECT REQUEST (DR)", "ERROR (ER)", "REFUSE (RF)", "ABORT (AB)"];
        for pdu in refusals.into_iter().filter(|pdu| says(&self.answered, pdu)) {
            told_answer(&described(&self.answered, pdu, REFUSAL_FIELDS));
        }
    }

    fn malformed(&self, error: &Error) -> Failure {
        let step = match self.step {
            Step::Transport => Step::Transport,
            _ => step_of(error.layer()),
        };
        Failure::new(
            step,
            Cause::Malformed,
            format!("the answer is not what it should be: {error}"),
        )
    }
}

fn step_of(layer: Layer) -> Step {
    match layer {
        Layer::Tpkt | Layer::Transport => Step::Transport,
        Layer::Session => Step::Session,
        Layer::Presentation => Step::Presentation,
        Layer::Acse => Step::Acse,
        Layer::Rtse => Step::Rtse,
    }
}
