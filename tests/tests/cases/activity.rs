//! Activity besides input: output of programs, and inhibitor locks.

use std::time::Instant;

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Ssh, Terminal, Wanted, hold_for, wait_until,
};

use super::{SOON, TTY_STEP, assert_after, assert_between, assert_not_ended, login_of, secs};

pub(crate) fn output_keeps_a_session_alive_only_where_it_counts(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "14s"
           inactivity-warnings = ["2s"]
           grace = "3s"

           [[rule]]
           name = "builds"
           match = { user = "alice" }
           activity = ["input", "output"]"#,
    )?;
    let mut builder = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let quiet = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let mut twin = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    for ssh in [&mut builder, &mut twin] {
        ssh.send("while sleep 1; do echo tick; done\n")?;
    }
    let started = Instant::now();
    let end = "Session timeout: this session has ended, after 14 s without input";
    // A session with output that does not count ends on time, and so does one whose only output is
    // the daemon's warning, two seconds before the end: that is not activity.
    for ssh in [&twin, &quiet] {
        let login = login_of(machine, ssh.session())?;
        let seen = ssh.terminal().wait_for(end, secs(40))?;
        assert_between(login.at, end, seen.at, secs(14), secs(14) + TTY_STEP);
        assert_eq!(ssh.terminal().count("this session ends in 2 s"), 1);
        let withdrawn = Wanted::event("withdrawn").session(ssh.session());
        assert!(machine.journal().all(&withdrawn).is_empty());
    }
    assert!(twin.terminal().count("tick") > 8, "nothing was shown");

    // Without output the session would have ended by now.
    wait_until(secs(40), "the limit to be past", || {
        let past = started.elapsed() > secs(14) + TTY_STEP + secs(2);
        if past { Ok(()) } else { Err("not yet") }
    })?;
    let terminal = builder.terminal();
    assert!(terminal.is_open(), "{}", terminal.text());
    assert_eq!(terminal.count("Session timeout:"), 0, "{}", terminal.text());
    assert_not_ended(machine, builder.session());
    let status = machine.session_status(builder.session())?;
    assert_eq!(status["rule"], "builds", "{status}");
    assert_eq!(status["phase"], "running", "{status}");
    Ok(())
}

pub(crate) fn an_inhibitor_keeps_a_session_until_it_is_released_and_puts_off_no_absolute_limit(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "10s"
           inactivity-warnings = ["3s"]
           grace = "3s"

           [[rule]]
           name = "short"
           match = { user = "alice", from = "127.0.0.2" }
           activity = ["input", "inhibitor"]
           session-timeout = "16s"
           session-warnings = ["3s"]

           [[rule]]
           name = "films"
           match = { user = "alice" }
           activity = ["input", "inhibitor"]"#,
    )?;
    let mut watcher = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let mut ignored = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let near = "127.0.0.2".parse().map_err(|_| Failure::new("address"))?;
    let short = Ssh::open_from(near, machine, Account::Alice, Terminal::Pty)?;
    for ssh in [&mut watcher, &mut ignored] {
        ssh.send("systemd-inhibit --what=idle --who=film --why=film sleep 1000 &\n")?;
    }
    let typed = Instant::now();
    wait_until(SOON, "two inhibitor locks", || {
        let held = machine.run("systemd-inhibit --list --no-pager --no-legend")?;
        match held.matches("film ").count() {
            0 | 1 => Err(Failure::new(held)),
            _ => Ok(()),
        }
    })?;

    let end = "this session has ended, after 10 s without input";
    let seen = ignored.terminal().wait_for(end, secs(30))?;
    assert_between(typed, end, seen.at, secs(10), secs(10) + TTY_STEP);
    let end = "this session has ended, 16 s after the login";
    let seen = short.terminal().wait_for(end, secs(30))?;
    let login = login_of(machine, short.session())?;
    assert_after(login.at, end, seen.at, secs(16));
    // The kernel's time stamp of the input may be up to eight seconds late.
    wait_until(secs(30), "the limit to be past", || {
        let past = typed.elapsed() > secs(10) + TTY_STEP + secs(1);
        if past { Ok(()) } else { Err("not yet") }
    })?;
    let terminal = watcher.terminal();
    assert!(terminal.is_open(), "{}", terminal.text());
    assert_not_ended(machine, watcher.session());
    assert_eq!(terminal.count("Session timeout:"), 0, "{}", terminal.text());

    machine.run("pkill --uid alice --exact systemd-inhibit")?;
    let released = Instant::now();
    let warning = "Session timeout: this session ends in 3 s, for lack of input.";
    let first = terminal.wait_for(warning, secs(20))?;
    assert_after(released, warning, first.at, secs(7));
    // A lock that is taken after the warning withdraws it at once.
    let taken = Instant::now();
    machine.run("runuser -u alice -- systemd-inhibit --what=idle sleep 1")?;
    let released = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(watcher.session());
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_after(taken, "the withdrawal", withdrawn.at, secs(0));

    let second = terminal.wait_after(first.end, warning, secs(20))?;
    assert_after(released, warning, second.at, secs(7));
    let end = "Session timeout: this session has ended, after 10 s without input";
    let seen = terminal.wait_for(end, secs(20))?;
    assert_after(released, end, seen.at, secs(10));
    watcher.wait_closed(SOON)?;
    Ok(())
}

pub(crate) fn the_action_report_ends_nothing_and_reports_once(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "8s"
           session-warnings = ["3s"]
           inactivity-timeout = "8s"
           inactivity-warnings = ["3s"]
           action = "report""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    let login = login_of(machine, id)?;
    let report = |limit| Wanted::event("report").session(id).with("LIMIT", limit);
    let journal = machine.journal();
    for (limit, reason, latest) in [
        ("absolute", "8 s after the login", secs(8)),
        ("inactivity", "after 8 s without input", secs(8) + TTY_STEP),
    ] {
        let entry = journal.wait_for(&report(limit), secs(30))?;
        assert_between(login.at, limit, entry.at, secs(8), latest);
        let says = format!("would have been ended, {reason}");
        assert!(entry.message().contains(&says), "{entry}");
    }
    hold_for(secs(5), "one report for each limit", || {
        let counts = ["absolute", "inactivity"].map(|limit| journal.all(&report(limit)).len());
        match counts {
            [1, 1] => Ok(()),
            counts => Err(format!("{counts:?}")),
        }
    })?;
    assert!(ssh.terminal().is_open());
    assert_not_ended(machine, id);
    let shown = ssh.terminal().text();
    assert!(!shown.contains("ession ends") && !shown.contains("Session timeout:"));
    let status = machine.session_status(id)?;
    assert_eq!(status["phase"], "reported", "{status}");
    assert_eq!(status["left_seconds"], serde_json::Value::Null, "{status}");
    assert!(
        journal
            .all(&Wanted::event("warning").session(id))
            .is_empty()
    );
    Ok(())
}
