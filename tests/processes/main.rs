//! The relay as a process: started, killed, stopped, refused, each time the way an operator sees it.

mod kill;
mod support;
