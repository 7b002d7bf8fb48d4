//! Users with an absolute limit of 20 s, and checks that their logins end on time.

use std::time::Duration;

use session_timeout_tests::{Entry, Machine, Outcome, Ssh, Wanted};

use super::{SOON, late, secs};

pub(super) const LIMIT: Duration = secs(20);
pub(super) const GRACE: Duration = secs(3);

/// Maximum delay of the request after the limit, and of the completed end after the grace.
pub(super) const LATE: Duration = secs(3);

/// These users are warned 5 s before the limit. Others have an hour.
pub(super) fn policy(users: &[&str]) -> String {
    format!(
        r#"[default]
           session-timeout = "60min"

           [[rule]]
           name = "limited"
           match = {{ user = {users:?} }}
           session-timeout = "20s"
           session-warnings = ["5s"]
           grace = "3s""#
    )
}

/// Checks that the end is requested on time and the connection is closed on time, and waits until
/// the end is reported as complete.
pub(super) fn assert_ends_on_time(machine: &Machine, ssh: &Ssh, login: &Entry) -> Outcome {
    let id = ssh.session();
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, LIMIT + secs(10))?;
    let late = late(machine, "the end was requested", login.at + LIMIT, end.at);
    let closed = assert_closed_within(machine, ssh, login, GRACE + LATE);
    assert!(late <= LATE, "the end was requested {late:?} late");
    closed?;
    let gone = Wanted::event("gone").session(id);
    machine.journal().wait_for(&gone, SOON).map(drop)
}

/// Checks that the connection is closed at most `bound` after the limit, and not before it.
pub(super) fn assert_closed_within(
    machine: &Machine,
    ssh: &Ssh,
    login: &Entry,
    bound: Duration,
) -> Outcome {
    let closed = ssh.wait_closed(LIMIT + bound + secs(30))?;
    let limit = login.at + LIMIT;
    let late = late(machine, "the connection was closed", limit, closed);
    assert!(closed + secs(1) >= limit, "the connection was closed early");
    assert!(late <= bound, "the connection was open for {late:?}");
    Ok(())
}
