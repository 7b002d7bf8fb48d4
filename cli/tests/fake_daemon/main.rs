//! Runs the built command with a fake bus and a fake daemon over a real D-Bus connection. It needs
//! no installation, no running service, and no state of the machine.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, in its helpers as well"
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
