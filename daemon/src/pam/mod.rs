//! The login socket of the PAM module: its messages, the replies to them, and the end of the user's
//! last session, which a login reports.

pub(crate) mod last_session;
pub(crate) mod replies;
pub(crate) mod socket;
