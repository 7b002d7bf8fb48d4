//! The policy: rules, their conditions and limits, and how they are evaluated.

pub(crate) mod compiled;
pub(crate) mod limits;
pub(crate) mod matching;
pub(crate) mod rules;
