//! The OSI stack as a whole: against itself, against foreign octets, against hostile ones.

mod foreign;
mod hostile;
mod round_trip;
mod split;
mod support;
