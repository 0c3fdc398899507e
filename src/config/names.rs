//! The names that the configuration file gives to values which are one of a few.

use super::key::Named;
use crate::io::probe::IoChoice;
pub(super) use crate::mta::quirks::{BilateralInformation, InternalTrace, TimeFormat};
use crate::osi::rtse::DialogueMode;
use crate::osi::stack::ApplicationContext;
use crate::p1::downgrade::{CommonName, CriticalExtensions};

impl Named for IoChoice {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", IoChoice::Auto), ("uring", IoChoice::Uring), ("epoll", IoChoice::Epoll)];
}

impl Named for ApplicationContext {
    const NAMES: &'static [(&'static str, Self)] = &[
        (ApplicationContext::MtsTransfer.as_str(), ApplicationContext::MtsTransfer),
        (ApplicationContext::MtsTransferProtocol.as_str(), ApplicationContext::MtsTransferProtocol),
        (
            ApplicationContext::MtsTransferProtocol1984.as_str(),
            ApplicationContext::MtsTransferProtocol1984,
        ),
    ];
}

impl Named for DialogueMode {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("monologue", DialogueMode::Monologue),
        ("two-way-alternate", DialogueMode::TwoWayAlternate),
    ];
}

impl Named for BilateralInformation {
    const NAMES: &'static [(&'static str, Self)] =
        &[("keep", BilateralInformation::Keep), ("strip", BilateralInformation::Strip)];
}

impl Named for InternalTrace {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("automatic", InternalTrace::Automatic),
        ("keep", InternalTrace::Keep),
        ("strip", InternalTrace::Strip),
    ];
}

impl Named for CommonName {
    const NAMES: &'static [(&'static str, Self)] =
        &[("to-domain-defined", CommonName::ToDomainDefined), ("refuse", CommonName::Refuse)];
}

impl Named for CriticalExtensions {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("transfer-or-delivery", CriticalExtensions::ForTransferOrDelivery),
        ("transfer", CriticalExtensions::ForTransfer),
    ];
}

impl Named for TimeFormat {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("seconds", TimeFormat::Seconds),
        ("minutes", TimeFormat::Minutes),
        ("offset", TimeFormat::Offset),
    ];
}
