//! The relay as a process: started, killed, stopped, refused, each time the way an operator sees it.

mod account;
mod cli;
mod fallback;
mod kill;
mod restart;
mod support;
