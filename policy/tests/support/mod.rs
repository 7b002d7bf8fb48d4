//! The engine's whole world, simulated: what the scenarios and the properties share.

pub(crate) mod judge;
pub(crate) mod sim;
pub(crate) mod world;
