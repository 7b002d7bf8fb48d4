//! Parses the texts of a policy: each value is checked by itself, and nothing is filled in.

pub(crate) mod document;
pub(crate) mod fragment;
mod host;
pub(crate) mod matching;
pub(crate) mod rule;
mod syntax;
mod unknown_key;
