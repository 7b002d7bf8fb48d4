//! Idle time: probes of sessions, and inhibitor locks.

pub(crate) mod inhibitors;
mod pending;
pub(crate) mod probe;

pub(crate) use pending::ProbeRequest;
