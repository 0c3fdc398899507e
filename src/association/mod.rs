//! Layer 5: one association over one socket, as the relay's shard and the foreign-MTA endpoint both
//! use it.
//!
//! It joins the sans-IO [`Stack`] to the I/O contract: received leases go in, what the stack wants to
//! send goes out through a channel (plain now), one send at a time. It takes no decision.

mod outgoing;
mod reference;

pub use outgoing::Outgoing;
pub use reference::session_reference;

use crate::base::transmit::Transmit;
use crate::io::{Engine, Operation, Socket, Token};
use crate::osi::stack::Stack;

/// An association's transport: the socket, the protocol machine, and the one send under way.
pub struct Association {
    /// The protocol machine.
    pub stack: Stack,
    socket: Socket,
    /// `None` while a send is under way.
    spare: Option<Transmit>,
    /// Whether the stack was to be asked again while a send was under way.
    behind: bool,
}

impl Association {
    /// An association over a socket that is connected.
    pub fn new(socket: Socket, stack: Stack) -> Association {
        Association { stack, socket, spare: Some(Transmit::new()), behind: false }
    }

    /// The socket it runs over.
    pub fn socket(&self) -> Socket {
        self.socket
    }

    /// The same association over the same connection, moved to another engine.
    pub fn moved(self, socket: Socket) -> Association {
        Association { socket, ..self }
    }

    /// Whether nothing is being sent.
    pub fn is_flushed(&self) -> bool {
        self.spare.is_some()
    }

    /// Sends what the stack has to send, unless a send is under way.
    pub fn flush<E: Engine>(&mut self, engine: &mut E, token: Token) {
        let Some(mut transmit) = self.spare.take() else {
            self.behind = true;
            return;
        };
        if self.stack.poll_transmit(&mut transmit) {
            engine.submit(token, Operation::Send { socket: self.socket, transmit });
        } else {
            self.spare = Some(transmit);
        }
    }

    /// Takes back the list of a send that has completed. Gives whether a flush was asked for meanwhile, and
    /// is to be made up for.
    pub fn sent(&mut self, mut transmit: Transmit) -> bool {
        transmit.clear();
        self.spare = Some(transmit);
        std::mem::take(&mut self.behind)
    }
}
