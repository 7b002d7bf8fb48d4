//! Messages on terminals: warnings in every program and language, and the reason of an end at the
//! next login.

use session_timeout_tests::{
    Account, Context, Failure, Machine, Outcome, SharedConnection, Ssh, Terminal, Wanted,
    wait_until,
};

use super::{SOON, assert_after, assert_between, login_of, secs, wait_last_session_shown};

const POLICY: &str = r#"[default]
    session-timeout = "16s"
    session-warnings = ["8s", "3s"]
    grace = "3s""#;

const END: &str = "Session timeout: this session has ended, 16 s after the login";

pub(crate) fn a_warning_is_seen_in_an_editor_and_with_mesg_n(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut editor = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let mut refusing = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    // A full-screen program with unsaved text.
    editor.send("vi /etc/passwd\n")?;
    editor.terminal().wait_for("root:x:0:0", SOON)?;
    editor.send("oa line that is being written")?;
    editor.terminal().wait_for("being written", SOON)?;
    // The effect of `mesg n`, which Debian 13 has in an optional package.
    refusing.send("chmod 600 $(tty); stat --format=mode=%a $(tty)\n")?;
    for ssh in [&editor, &refusing] {
        let login = login_of(machine, ssh.session())?;
        for (left, after) in [("8 s", 8), ("3 s", 13)] {
            let text =
                format!("Session timeout: this session ends in {left}, 16 s after the login.");
            let seen = ssh.terminal().wait_for(&text, secs(20))?;
            assert_after(login.at, &text, seen.at, secs(after));
        }
        let seen = ssh.terminal().wait_for(END, secs(10))?;
        assert_after(login.at, END, seen.at, secs(16));
        ssh.wait_closed(SOON)?;
    }
    let refused = refusing.terminal().text();
    assert!(refused.contains("mode=600"), "{refused}");
    Ok(())
}

pub(crate) fn a_warning_rings_the_bell_by_policy_and_a_last_line_never(
    machine: &Machine,
) -> Outcome {
    machine.policy(&format!(
        "{POLICY}\n[[rule]]\nname = \"heard\"\nmatch = {{ user = \"alice\" }}\nbell = \"on\"\n"
    ))?;
    let heard = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let silent = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    for (ssh, rings) in [(&heard, 2), (&silent, 0)] {
        ssh.terminal().wait_for(END, secs(30))?;
        let shown = ssh.terminal().text();
        let warnings: Vec<_> = shown.split("Session timeout: this session ends").collect();
        assert_eq!(warnings.len(), 1 + 2, "{shown:?}");
        let before = warnings[..2].iter().filter(|text| has_rung(text));
        assert_eq!(before.count(), rings, "{shown:?}");
        assert_eq!(shown.matches(BELL).count(), rings, "{shown:?}");
    }
    Ok(())
}

/// BEL of ASCII, which rings a terminal's bell.
const BELL: char = '\u{7}';

/// Whether the text ends with the bell.
fn has_rung(shown: &str) -> bool {
    shown.trim_end_matches(['\r', '\n']).ends_with(BELL)
}

pub(crate) fn a_terminal_with_mesg_n_gets_no_warning_if_the_policy_respects_it(
    machine: &Machine,
) -> Outcome {
    machine.policy(&format!("{POLICY}\nmesg = \"respect\"\n"))?;
    let connection = SharedConnection::open(machine, Account::Alice)?;
    let (mut refusing, other) = (connection.terminal()?, connection.terminal()?);
    // The effect of `mesg n`, as above.
    refusing.send("chmod g-w $(tty); stat --format=mode=%a $(tty)\n")?;
    refusing.terminal().wait_for("mode=600", SOON)?;
    for left in ["8 s", "3 s"] {
        let text = format!("Session timeout: this session ends in {left}");
        other.terminal().wait_for(&text, secs(20))?;
    }
    for ssh in [&refusing, &other] {
        ssh.terminal().wait_for(END, secs(10))?;
    }
    assert_eq!(refusing.terminal().count("this session ends in"), 0);
    let warned = Wanted::event("warning").session(other.session());
    for reached in [("TERMINALS", "1"), ("TERMINALS_SPARED", "1")] {
        let (field, count) = reached;
        let warned = warned.clone().with(field, count);
        assert_eq!(machine.journal().all(&warned).len(), 2, "{warned}");
    }
    Ok(())
}

pub(crate) fn a_warning_without_a_receiver_is_reported_once_and_not_logged_as_given(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let transfer = Ssh::open(machine, Account::Alice, Terminal::None)?;
    let shell = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let entries = |ssh: &Ssh| {
        machine
            .journal()
            .all(&Wanted::event("warning").session(ssh.session()))
    };
    let nobody = Wanted::event("warning").session(transfer.session());
    machine.journal().wait_for(&nobody, secs(20))?;
    shell
        .terminal()
        .wait_for("this session ends in 3 s", secs(20))?;
    assert!(is_unwarned(machine, transfer.session())?);
    assert!(!is_unwarned(machine, shell.session())?);
    for ssh in [&transfer, &shell] {
        let end = Wanted::event("end").session(ssh.session());
        machine.journal().wait_for(&end, secs(30))?;
    }
    let nobody = entries(&transfer);
    // One entry for each lead; only the first has the priority of a warning.
    let levels: Vec<_> = nobody.iter().map(|one| one.field("PRIORITY")).collect();
    assert_eq!(levels, [Some("4"), Some("5")], "{}", nobody[0]);
    for entry in nobody {
        let said = "Nobody could be warned on session";
        assert!(entry.message().starts_with(said), "{entry}");
        for (field, value) in [("REACHED", "0"), ("TERMINALS", "0")] {
            assert_eq!(entry.field(field), Some(value), "{entry}");
        }
    }
    let warned = entries(&shell);
    assert_eq!(warned.len(), 2);
    for entry in warned {
        assert!(entry.message().starts_with("Warned bob"), "{entry}");
        assert_eq!(entry.field("REACHED"), Some("1"), "{entry}");
    }
    Ok(())
}

/// The D-Bus property that nobody received the last warning of a session.
fn is_unwarned(machine: &Machine, id: &str) -> Outcome<bool> {
    let list = machine.run(
        "busctl --json=short call org.sessiontimeout1 /org/sessiontimeout1 \
         org.sessiontimeout1.Manager ListSessions",
    )?;
    let list: serde_json::Value = serde_json::from_str(&list).context(list.clone())?;
    let rows = list["data"][0].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["Id"]["data"] == id);
    let unwarned = row.and_then(|row| row["Unwarned"]["data"].as_bool());
    unwarned.context(format!("the row of session {id} in {list}"))
}

pub(crate) fn a_terminal_that_is_stopped_delays_no_warning_of_others(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut stopped = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    // ^S, and more output than the terminal buffers.
    stopped.send("yes | head --bytes=1M & \x13")?;
    stopped.send("\n")?;
    let other = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let login = login_of(machine, other.session())?;
    for (left, after) in [("8 s", 8), ("3 s", 13)] {
        let text = format!("Session timeout: this session ends in {left}");
        let seen = other.terminal().wait_for(&text, secs(20))?;
        assert_after(login.at, &text, seen.at, secs(after));
    }
    let login = login_of(machine, stopped.session())?;
    let end = Wanted::event("end").session(stopped.session());
    let end = machine.journal().wait_for(&end, secs(20))?;
    assert_after(login.at, "the end", end.at, secs(16));
    let closed = stopped.wait_closed(secs(20))?;
    assert_between(
        login.at,
        "the connection",
        closed,
        secs(16),
        secs(16 + 3 + 2),
    );
    Ok(())
}

pub(crate) fn hooks_run_beside_the_daemon_and_delay_nothing(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    machine.run(
        r#"mkdir /etc/session-timeout/hooks.d
           cat >/etc/session-timeout/hooks.d/10-note <<'EOF'
#!/bin/sh
echo "$1 $SESSION_TIMEOUT_USER_NAME $SESSION_TIMEOUT_LIMIT $SESSION_TIMEOUT_LEFT_SEC" >>/root/notes
EOF
           printf '#!/bin/sh\nexec sleep 1000\n' >/etc/session-timeout/hooks.d/20-hang
           printf '#!/bin/sh\necho >/root/never\n' >/etc/session-timeout/hooks.d/30-anybodys
           chmod 755 /etc/session-timeout/hooks.d/*
           chmod 777 /etc/session-timeout/hooks.d/30-anybodys"#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    let seen = ssh.terminal().wait_for(END, secs(30))?;
    assert_after(login.at, END, seen.at, secs(16));
    // A hook that hangs is ended after half a minute. Of the events meanwhile only the newest runs
    // hooks.
    let noted = "warn alice absolute 8\nend alice absolute \n";
    wait_until(secs(45), "the notes", || {
        let notes = machine.run("cat /root/notes")?;
        if notes == noted {
            Ok(())
        } else {
            Err(Failure::new(notes))
        }
    })?;
    wait_until(SOON, "the other hook, alone", || {
        let units = "systemctl list-units --plain --no-legend 'session-timeout-hook-*'";
        let outside = machine.run(units)?;
        match outside.lines().collect::<Vec<_>>().as_slice() {
            [one] if one.contains("20-hang end") => Ok(()),
            _ => Err(Failure::new(outside)),
        }
    })?;
    assert!(machine.run("cat /root/never").is_err());
    Ok(())
}

pub(crate) fn the_locale_of_the_machine_is_the_language_on_terminals(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    // The paths of Debian 12 and of Debian 13. PID 1 reads the locale at its start.
    machine.run(
        "echo LANG=de_DE.UTF-8 >/etc/locale.conf
         echo LANG=de_DE.UTF-8 >/etc/default/locale
         systemctl daemon-reexec && systemctl restart session-timeoutd",
    )?;
    machine.wait_active()?;
    let mut german = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    german.send("LC_ALL=en_GB.UTF-8 session-timeout left --json\n")?;
    for text in [
        "Diese Sitzung endet nach 16 s.",
        // The command uses the locale of its user.
        "ends in",
        "Sitzungszeitlimit: Diese Sitzung endet in 8 s, 16 s nach der Anmeldung.",
        "Sitzungszeitlimit: Diese Sitzung wurde beendet, 16 s nach der Anmeldung.",
    ] {
        german.terminal().wait_for(text, secs(30))?;
    }
    german.wait_closed(SOON)?;
    let end = Wanted::event("end").session(german.session());
    let end = machine.journal().wait_for(&end, SOON)?;
    assert!(end.message().contains("16 s after the login"), "{end}");
    let next = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    next.terminal()
        .wait_for("Ihre letzte Sitzung auf pts/", SOON)?;
    Ok(())
}

pub(crate) fn the_next_login_says_once_why_the_last_session_was_ended(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let ended = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ended.wait_closed(secs(30))?;
    machine.policy("[default]\nsession-timeout = \"10min\"\n")?;
    // The message survives a restart of the daemon.
    machine.run("systemctl restart session-timeoutd")?;
    machine.wait_active()?;

    // A transfer shows no message, so it is kept; and another user does not get it.
    let transfer = Ssh::open(machine, Account::Alice, Terminal::None)?;
    machine.wait_known(transfer.session())?;
    let other = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let text = "was ended less than a minute ago, 16 s after the login.";
    let next = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    next.terminal()
        .wait_for("Your last session on pts/", SOON)?;
    next.terminal().wait_for(text, SOON)?;
    next.terminal()
        .wait_for("This session ends after 10 min.", SOON)?;
    assert_eq!(other.terminal().count("Your last session"), 0);

    // It is deleted a moment after it was shown.
    wait_last_session_shown(machine)?;
    let after = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    after
        .terminal()
        .wait_for("This session ends after 10 min.", SOON)?;
    assert_eq!(after.terminal().count("Your last session"), 0);
    Ok(())
}
