//! Connections without a terminal that move data.

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Ssh, Terminal, Wanted, wait_until,
};

use super::{SOON, assert_between, assert_not_ended, login_of, secs};

/// Ten megabytes a second, for some minutes. Limits of seconds need much CPU time to count as
/// activity.
const TRANSFER: &str = "truncate --size=2G /root/large && \
    systemd-run --quiet --collect --unit=transfer \
    scp -q -l 80000 -o StrictHostKeyChecking=no -o BatchMode=yes \
    /root/large alice@127.0.0.1:/dev/null";

pub(crate) fn a_transfer_keeps_its_session_where_output_counts_and_an_idle_one_is_ended(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "14s"
           inactivity-warnings = ["2s"]
           grace = "3s"

           [[rule]]
           name = "transfers"
           match = { user = "alice" }
           activity = ["input", "output"]"#,
    )?;
    machine.run(TRANSFER)?;
    let transfer = wait_until(SOON, "the session of the transfer", || {
        session_of_alice(machine)
    })?;
    let began = login_of(machine, &transfer)?;
    let twin = Ssh::open(machine, Account::Alice, Terminal::None)?;
    let unjudged = Ssh::open(machine, Account::Bob, Terminal::None)?;

    // A connection without data ends on time.
    let login = login_of(machine, twin.session())?;
    let closed = twin.wait_closed(secs(30))?;
    assert_between(login.at, "the end", closed, secs(14), secs(15));
    let end = Wanted::event("end").session(twin.session());
    let end = machine.journal().wait_for(&end, SOON)?;
    assert_eq!(end.field("LIMIT"), Some("inactivity"));

    // Without its output the transfer would have ended by now, twice.
    wait_until(secs(60), "the limit to be past", || {
        let past = began.at.elapsed() > secs(32);
        if past { Ok(()) } else { Err("not yet") }
    })?;
    machine.run("systemctl is-active transfer")?;
    let status = machine.session_status(&transfer)?;
    assert_eq!(status["idle_source"], "output", "{status}");
    assert_eq!(status["rule"], "transfers", "{status}");
    assert_not_ended(machine, &transfer);

    // If only input counts, the idle time is unknown, and the inactivity limit does not end the
    // session.
    let status = machine.session_status(unjudged.session())?;
    assert_eq!(status["idle_source"], "unknown", "{status}");
    assert_not_ended(machine, unjudged.session());
    Ok(())
}

/// The only session so far.
fn session_of_alice(machine: &Machine) -> Outcome<String> {
    let status = machine.status()?;
    let sessions = status["sessions"].as_array();
    let mut sessions = sessions.into_iter().flatten();
    let own = sessions.find(|session| session["user"] == "alice");
    let id = own.and_then(|session| session["id"].as_str());
    id.map(str::to_owned)
        .ok_or_else(|| Failure::new(status.to_string()))
}
