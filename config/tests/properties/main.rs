//! Properties of every policy and of every text, with random inputs.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is how it fails"
)]

mod generator;
mod lint;
mod printing;
mod texts;
