//! The policy: its rules, their conditions and limits, and the evaluation for a session.

pub(crate) mod compiled;
pub(crate) mod limits;
pub(crate) mod matching;
pub(crate) mod rules;
