//! The command as people run it, against a bus and a daemon of the test: the real binary, over a
//! real D-Bus connection. Nothing has to be installed or running, and nothing of the machine is
//! touched.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod bus;
mod command;
mod daemon;
mod doctor;
mod explain;
mod extend;
mod left;
mod no_daemon;
mod services;
mod status;
