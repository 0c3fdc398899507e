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

pub use crate::p1::time::TimeFormat;

/// A partner's quirks; the default has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Bilateral information.
    pub bilateral_information: BilateralInformation,
    /// Internal trace.
    pub internal_trace: InternalTrace,
    /// Domains that a message may enter again after another: their parts are linked by others.
    pub split_domains: Vec<GlobalDomainIdentifier>,
    /// Form of the times that we write.
    pub time_format: TimeFormat,
}
