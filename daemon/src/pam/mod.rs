//! PAM logins: the login socket, the replies to logins, and the record of each user's last session.

pub(crate) mod last_session;
pub(crate) mod replies;
pub(crate) mod socket;
