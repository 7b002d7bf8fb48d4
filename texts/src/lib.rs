//! The texts that session-timeout shows to users, in their languages.
//!
//! Users read in their own language what ends, when and why. What administrators read and search
//! (the journal, `status`, `check`, `doctor`) is English, so that there is only one text to search
//! for.
//!
//! All sentences are in the catalogues (`locales/`). A [`Sentence`] is composed in a [`Language`]
//! by [`Language::say`], which [sanitizes](sanitize()) all text from outside.

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
pub use sanitize::{is_unprintable, sanitize};
pub use sentence::{Cause, End, Limit, LocalTime, Sentence, State, When};
