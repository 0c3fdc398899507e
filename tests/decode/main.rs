//! Decoding into words: foreign captures, every context, what the tables name, and octets that mean harm.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod apdus;
mod conversations;
mod hostile;
mod spdus;
