//! What session-timeout says to users, in their languages.
//!
//! A user is told in the own language what ends, when and why. What an administrator reads and
//! searches (the journal, `status`, `check`, `doctor`) is English, here and everywhere: one text
//! to look for.
//!
//! The sentences are in catalogues (`locales/`), and nowhere else. A [`Sentence`] is what there is
//! to say; a [`Language`] says it. Whatever text comes from outside is made [`harmless()`] on the
//! way.

#![forbid(unsafe_code)]

mod catalogue;
mod harmless;
mod language;
mod refused;
mod sentence;
mod span;
#[cfg(test)]
mod tests;
mod told;

/// Why an absolute limit is not extended.
pub use session_timeout_protocol::bus::ExtendError as Refused;

pub use harmless::{harmless, is_harmful};
pub use language::Language;
pub use sentence::{Cause, End, Limit, Sentence, State};
pub use span::{exactly, roughly};
