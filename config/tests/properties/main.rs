//! Properties of every policy and of every text, with random inputs.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod generator;
mod lint;
mod printing;
mod texts;
