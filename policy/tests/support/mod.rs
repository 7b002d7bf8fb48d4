//! The simulated machine and daemon that scenarios and properties share.

pub(crate) mod oracle;
pub(crate) mod sim;
pub(crate) mod world;
