//! Users who keep changing the type and the terminal of their own session in logind. Rules may
//! depend on both, and the session still ends at the earliest limit.

use std::process::Child;
use std::time::Duration;

use session_timeout_tests::{
    Account, Context, Failure, Machine, Outcome, Ssh, Suite, Terminal, Wanted, wait_until,
};

use super::mallory::{self, FLOOD};
use super::{SOON, assert_after, assert_between, late, login_of, secs};

/// Maximum number of journal entries for one session that has two warnings and an end.
const ENTRIES: usize = 20;

/// The limits of the unchanged session. The rules below inherit its leads.
const POLICY: &str = r#"[default]
    session-timeout = "20s"
    session-warnings = ["10s", "4s"]
    grace = "3s""#;

const RULE_BY_TYPE: &str = r#"
    [[rule]]
    name = "desktops"
    match = { type = ["x11", "wayland"] }
    session-timeout = "40s""#;

const RULE_BY_TERMINAL: &str = r#"
    [[rule]]
    name = "high terminals"
    match = { tty = ["pts/10", "pts/11", "pts/12", "pts/13", "pts/14", "pts/15"] }
    session-timeout = "40s""#;

pub(crate) fn a_type_that_its_user_changes_puts_off_no_end(machine: &Machine) -> Outcome {
    machine.policy(&format!("{POLICY}{RULE_BY_TYPE}"))?;
    mallory::install(machine)?;
    // Intervals that are far shorter than the shortest lead, shorter, and half as long.
    let flippers = [
        (Account::Alice, "0.2"),
        (Account::Bob, "0.7"),
        (Account::Mallory, "2"),
    ];
    let flips = flippers.map(|(account, pause)| flip(machine, account, "type", pause));
    let flips: Vec<_> = flips.into_iter().collect::<Outcome<_>>()?;
    for Flip { ssh, .. } in &flips {
        wait_changed(machine, ssh, "Type", "x11")?;
    }
    for Flip { ssh, .. } in &flips {
        assert_ends_as_it_came(machine, ssh)?;
    }
    Ok(())
}

pub(crate) fn a_terminal_that_its_user_changes_puts_off_no_end(machine: &Machine) -> Outcome {
    machine.policy(&format!("{POLICY}{RULE_BY_TERMINAL}"))?;
    mallory::install(machine)?;
    let mut flip = flip(machine, Account::Mallory, "tty", "0.2")?;
    match machine.suite() {
        // SetTTY exists since systemd 254.
        Suite::Bookworm => wait_until(SOON, "logind to refuse", || flip.ended())?,
        Suite::Trixie => wait_changed(machine, &flip.ssh, "TTY", "pts/1")?,
    }
    assert_ends_as_it_came(machine, &flip.ssh)
}

pub(crate) fn a_type_that_changes_all_the_time_runs_no_hook_twice_and_delays_nobody(
    machine: &Machine,
) -> Outcome {
    machine.policy(&format!("{POLICY}{RULE_BY_TYPE}"))?;
    mallory::install(machine)?;
    machine.run(
        r#"mkdir --parents /etc/session-timeout/hooks.d
           cat >/etc/session-timeout/hooks.d/10-note <<'EOF'
#!/bin/sh
echo "$SESSION_TIMEOUT_USER_NAME $1 $SESSION_TIMEOUT_LEFT_SEC" >>/root/notes
EOF
           chmod 755 /etc/session-timeout/hooks.d/10-note"#,
    )?;
    let flip = flip(machine, Account::Mallory, "type", "0")?;
    wait_changed(machine, &flip.ssh, "Type", "x11")?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert_ends_as_it_came(machine, &flip.ssh)?;
    assert_ends_as_it_came(machine, &alice)?;
    for user in ["alice", "mallory"] {
        wait_until(SOON, "the hooks of the end", || {
            let notes = machine.run(&format!("grep ^{user} /root/notes"))?;
            let once = format!("{user} warn 10\n{user} warn 4\n{user} end \n");
            if notes == once {
                Ok(())
            } else {
                Err(Failure::new(notes))
            }
        })?;
    }
    let entries = Wanted::of_daemon().session(flip.ssh.session());
    let entries = machine.journal().all(&entries);
    assert!(entries.len() <= ENTRIES, "{} entries", entries.len());
    let lost = machine.journal().all(&Wanted::event("logind-lost"));
    assert!(lost.is_empty(), "{}", lost[0]);
    Ok(())
}

/// A session whose properties are being changed.
struct Flip {
    ssh: Ssh,
    flips: Child,
}

impl Flip {
    fn ended(&mut self) -> Outcome {
        match self.flips.try_wait().context("check the flips")? {
            Some(_) => Ok(()),
            None => Err(Failure::new("the flips go on")),
        }
    }
}

/// Logs in, and changes the property `what` of that session in logind every `pause` seconds.
fn flip(machine: &Machine, account: Account, what: &str, pause: &str) -> Outcome<Flip> {
    let ssh = Ssh::open(machine, account, Terminal::Pty)?;
    let flips = format!("flips {FLOOD} {what} {pause} {}", ssh.session());
    let flips = mallory::start(machine, account, &flips)?;
    Ok(Flip { ssh, flips })
}

/// Waits until this property of the session has a value that begins with `start`.
fn wait_changed(machine: &Machine, ssh: &Ssh, property: &str, start: &str) -> Outcome {
    wait_until(SOON, "logind to change the property", || {
        let value = machine.logind_property(ssh.session(), property)?;
        if value.starts_with(start) {
            Ok(())
        } else {
            Err(Failure::new(value))
        }
    })
}

/// Checks that the session has each warning once, and ends at the limit that applied at the login.
fn assert_ends_as_it_came(machine: &Machine, ssh: &Ssh) -> Outcome {
    let id = ssh.session();
    let login = login_of(machine, id)?;
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, secs(30))?;
    assert_after(login.at, "the end", end.at, secs(20));
    let closed = ssh.wait_closed(secs(20))?;
    let limit = login.at + secs(20);
    late(machine, "the end was requested", limit, end.at);
    late(machine, "the connection was closed", limit, closed);
    assert_between(login.at, "the close", closed, secs(20), CLOSED);
    for (lead, after) in [("10", secs(10)), ("4", secs(16))] {
        let warnings = Wanted::event("warning").session(id).with("LEAD_SEC", lead);
        let warnings = machine.journal().all(&warnings);
        assert_eq!(warnings.len(), 1, "warnings of {lead} s for {id}");
        assert_after(login.at, "a warning", warnings[0].at, after);
    }
    machine.wait_session_gone(id, SOON).map(drop)
}

/// The limit, the grace, and the delay of a busy host.
const CLOSED: Duration = secs(20 + 3 + 2);
