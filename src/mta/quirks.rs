//! What a partner wants otherwise than the Recommendations have it, or than we would do it.

use crate::p1::domain::GlobalDomainIdentifier;

/// Whether per-domain bilateral information goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BilateralInformation {
    /// As it came.
    #[default]
    Keep,
    /// Left out.
    Strip,
}

/// Whether internal trace information goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InternalTrace {
    /// Only to a partner in our own domain: outside it, some MTAs take it for a loop.
    #[default]
    Automatic,
    /// Always.
    Keep,
    /// Never.
    Strip,
}

/// Form of the trace elements that we add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceForm {
    /// With other actions.
    #[default]
    Recommendation1988,
    /// Without.
    Recommendation1984,
}

/// Form of the UTC times that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// `YYMMDDhhmmssZ`.
    #[default]
    Seconds,
    /// `YYMMDDhhmmZ`.
    Minutes,
    /// `YYMMDDhhmmss+0000`.
    Offset,
}

/// A partner's quirks; the default has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Bilateral information.
    pub bilateral_information: BilateralInformation,
    /// Internal trace.
    pub internal_trace: InternalTrace,
    /// Domains that a message may enter again after another: their parts are linked by others.
    pub split_domains: Vec<GlobalDomainIdentifier>,
    /// Our trace elements.
    pub trace_form: TraceForm,
    /// Our times.
    pub time_format: TimeFormat,
}
