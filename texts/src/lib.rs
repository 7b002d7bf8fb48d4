//! What session-timeout says to users, in their languages.
//!
//! A user is told in the own language what ends, when and why. What an administrator reads and
//! searches (the journal, `status`, `check`, `doctor`) is English, here and everywhere: one text
//! to look for.
//!
//! The sentences are in catalogues (`locales/`), and nowhere else. A [`Sentence`] is what there is
//! to say; a [`Language`] says it. Whatever text comes from outside is made [sanitized](sanitize()) on the
//! way.

#![forbid(unsafe_code)]

mod catalogue;
mod compose;
mod duration;
mod language;
mod refused;
mod sanitize;
mod sentence;
#[cfg(test)]
mod tests;

pub use duration::{exactly, roughly};
pub use language::Language;
pub use refused::Refused;
pub use sanitize::{is_unprintable, sanitize};
pub use sentence::{Cause, End, Limit, Sentence, State};
