//! Application contexts of message transfer (X.419 (unverified); the application protocols stand in the
//! ASN.1 module Reliable-Transfer-APDU).

/// What two MTAs speak above the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ApplicationContext {
    /// mts-transfer: normal mode, with presentation and ACSE.
    #[default]
    MtsTransfer,
    /// mts-transfer-protocol: X.410 mode, application protocol 12.
    MtsTransferProtocol,
    /// mts-transfer-protocol-1984: X.410 mode, application protocol 1.
    MtsTransferProtocol1984,
}

impl ApplicationContext {
    /// All of them.
    pub const ALL: [ApplicationContext; 3] = [
        ApplicationContext::MtsTransfer,
        ApplicationContext::MtsTransferProtocol,
        ApplicationContext::MtsTransferProtocol1984,
    ];

    /// The Recommendation's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            ApplicationContext::MtsTransfer => "mts-transfer",
            ApplicationContext::MtsTransferProtocol => "mts-transfer-protocol",
            ApplicationContext::MtsTransferProtocol1984 => "mts-transfer-protocol-1984",
        }
    }

    /// Whether it is of X.410 mode: no presentation, no ACSE, no wrapper around bind and MTS-APDU.
    pub const fn is_x410_mode(self) -> bool {
        !matches!(self, ApplicationContext::MtsTransfer)
    }

    /// The application protocol that an RTORQ names in X.410 mode.
    pub(super) const fn application_protocol(self) -> Option<u32> {
        match self {
            ApplicationContext::MtsTransfer => None,
            ApplicationContext::MtsTransferProtocol => Some(12),
            ApplicationContext::MtsTransferProtocol1984 => Some(1),
        }
    }

    /// What an RTORQ of X.410 mode asks for; one that names nothing is of 1984 (unverified). A foreign MTA
    /// writes the octets of the number in the order of a little-endian machine.
    pub(super) fn of_application_protocol(protocol: Option<u32>) -> Option<ApplicationContext> {
        match protocol {
            Some(12 | 0x0c00) => Some(ApplicationContext::MtsTransferProtocol),
            Some(1 | 0x0100) | None => Some(ApplicationContext::MtsTransferProtocol1984),
            Some(_) => None,
        }
    }
}
