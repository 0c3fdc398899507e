//! The OSI stack as a whole: against itself, against foreign octets, against hostile ones.

mod contexts;
mod foreign;
mod hostile;
mod recovery;
mod round_trip;
mod split;
mod support;
mod tolerance;
