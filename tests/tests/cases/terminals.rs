//! Input on every kind of terminal: sessions with input continue, idle ones end on time.
//!
//! The cases about programs that read `/dev/tty` need Linux 6.4 or later.

use std::time::Instant;

use session_timeout_tests::{
    Account, Console, Failure, Machine, Outcome, SharedConnection, Ssh, Terminal, Wanted, hold_for,
    wait_until,
};

use super::seats::{
    END, POLICY, Silent, WARNING, all_typists_stay_and_no_twin, only_typists_stay, type_once,
};
use super::{SOON, TTY_STEP, assert_between, assert_not_ended, secs};

/// Makes a shell print [`READY`], which the command line itself does not contain.
const SAY_READY: &str = "echo ready-$((1+1))";
const READY: &str = "ready-2";

pub(crate) fn typing_keeps_a_console_while_an_idle_one_is_ended(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut typist = Console::open(machine, Account::Alice)?;
    let twin = Console::open(machine, Account::Bob)?;
    let twins = [Silent::from_now_on(&twin)];
    only_typists_stay(machine, &mut [&mut typist], &twins)?;
    twin.wait_logged_out(SOON)
}

/// On Debian 12 logind replaces the first terminal by the second, and on Debian 13 it knows none.
pub(crate) fn the_terminals_of_one_connection_are_one_session_that_any_of_them_keeps(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let connect = || SharedConnection::open(machine, Account::Alice);
    let (first, second, left, quiet, silent) =
        (connect()?, connect()?, connect()?, connect()?, connect()?);

    let mut typed_in_first = first.terminal()?;
    let second_of_first = first.terminal()?;
    assert_eq!(typed_in_first.session(), second_of_first.session());
    let first_of_second = second.terminal()?;
    let mut typed_in_second = second.terminal()?;
    let closed = left.terminal()?;
    let mut typed_in_what_is_left = left.terminal()?;
    log_out(closed)?;

    let began = Instant::now();
    let quiet_left = quiet.terminal()?;
    log_out(quiet.terminal()?)?;
    // The input in the closed terminal may still count, but nothing later.
    let quiet_left = Silent {
        seat: &quiet_left,
        earliest: began,
        latest: Instant::now(),
    };
    let (one, other) = (silent.terminal()?, silent.terminal()?);
    let twins = [
        quiet_left,
        Silent::from_now_on(&one),
        Silent::from_now_on(&other),
    ];
    only_typists_stay(
        machine,
        &mut [
            &mut typed_in_first,
            &mut typed_in_second,
            &mut typed_in_what_is_left,
        ],
        &twins,
    )?;
    for quiet in [&second_of_first, &first_of_second] {
        assert!(quiet.terminal().is_open(), "{}", quiet.terminal().text());
        assert_eq!(quiet.terminal().count("Session timeout:"), 0);
    }
    for closed in [&one, &other] {
        closed.wait_closed(SOON)?;
    }
    Ok(())
}

pub(crate) fn a_connection_whose_terminals_are_closed_is_not_ended_for_lack_of_input(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let connection = SharedConnection::open(machine, Account::Alice)?;
    let terminals = [connection.terminal()?, connection.terminal()?];
    let id = terminals[0].session().to_owned();
    assert_eq!(machine.wait_known(&id)?["idle_source"], "terminals");
    terminals.into_iter().try_for_each(log_out)?;

    // Tunnels may use the connection, and no source reports whether they do.
    let unknown = Wanted::event("report").session(&id);
    let unknown = unknown.with("LIMIT", "inactivity");
    machine.journal().wait_for(&unknown, secs(40))?;
    let status = machine.session_status(&id)?;
    assert_eq!(status["idle_source"], "unknown", "{status}");
    assert_eq!(status["ends_by"], "absolute", "{status}");
    hold_for(secs(20) + TTY_STEP, "the connection staying", || {
        connection.check()
    })?;
    assert_not_ended(machine, &id);

    let terminal = connection.terminal()?;
    assert_eq!(terminal.session(), id);
    let opened = Instant::now();
    let end = terminal.terminal().wait_for(END, secs(40))?;
    assert_between(opened, END, end.at, secs(20), secs(20) + TTY_STEP);
    // The new terminal is found at the next probe, which may be later than the first warning, but
    // not than the shortest.
    let shortest = terminal.terminal().count("this session ends in 5 s");
    assert_eq!(shortest, 1, "{}", terminal.terminal().text());
    terminal.wait_closed(SOON)?;
    Ok(())
}

pub(crate) fn input_counts_through_whatever_reads_the_terminal(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    machine.write("/etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL\n")?;
    // sudo and script(1) insert their own terminal, su(1) of another user does not.
    let script = format!("script -qc '{SAY_READY}; exec bash' /dev/null\n");
    // Opens a file that is not the terminal's own for every key.
    let dev_tty = format!("bash -c '{SAY_READY}; while read -rsn1 </dev/tty; do echo key; done'\n");
    let programs: [(&str, &str, &str); 4] = [
        ("sudo -s\n", "root@", ""),
        (&script, READY, ""),
        ("TERM=xterm less /etc/passwd\n", "root:x:0", ""),
        (&dev_tty, READY, "key"),
    ];
    let everybody = |others: &mut [Ssh]| -> Outcome<Vec<Ssh>> {
        let mut people = Vec::new();
        for (line, shows, _) in programs {
            type_once(others)?;
            people.push(running(machine, line, shows)?);
        }
        type_once(others)?;
        let mut other_user = running(machine, "su - bob\n", "Password: ")?;
        other_user.send("bob\n")?;
        other_user.terminal().wait_for("bob@", SOON)?;
        people.push(other_user);
        Ok(people)
    };
    let mut typists = everybody(&mut [])?;
    let silent = everybody(&mut typists)?;
    // Neither sudo nor su creates a session inside another.
    let sessions = machine.status()?["sessions"].as_array().map_or(0, Vec::len);
    assert_eq!(sessions, typists.len() + silent.len());
    all_typists_stay_and_no_twin(machine, &mut typists, &silent)?;
    for (ssh, (line, _, answer)) in typists.iter().zip(programs) {
        let shown = ssh.terminal().text();
        assert!(shown.contains(answer), "{line}: {shown}");
    }
    Ok(())
}

/// inotify reports reads from the terminal's own file only. Other input is found at the next probe,
/// which is due at the next warning or the end.
pub(crate) fn a_key_through_dev_tty_or_a_new_terminal_withdraws_the_warning_at_the_next_probe(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let answer = "echo key-$((1+1))";
    let line = format!(
        "bash -c '{SAY_READY}; exec 3</dev/tty; while read -rsn1 -u3; do {answer}; done'\n"
    );
    let mut reader = running(machine, &line, READY)?;
    let connection = SharedConnection::open(machine, Account::Alice)?;
    let first = connection.terminal()?;

    let warned = reader.terminal().wait_for(WARNING, secs(30))?;
    reader.send(" ")?;
    let typed = reader.terminal().wait_for("key-2", SOON)?.at;
    first.terminal().wait_for(WARNING, secs(30))?;
    let second = connection.terminal()?;
    let opened = Instant::now();
    for (id, since) in [(reader.session(), typed), (second.session(), opened)] {
        let withdrawn = Wanted::event("withdrawn").session(id);
        let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
        assert_between(since, "the withdrawal", withdrawn.at, secs(0), secs(10 - 5));
    }
    let again = reader
        .terminal()
        .wait_after(warned.end, WARNING, secs(30))?;
    assert_between(typed, WARNING, again.at, secs(10), secs(10) + TTY_STEP);
    Ok(())
}

pub(crate) fn tmux_and_screen_keep_the_session_that_is_typed_into_and_no_other(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    // A shell reads each key; a program that reads lines gets input when the line is complete.
    let shell = format!("sh -c '{SAY_READY}; exec bash'");
    let attached = [
        format!("TERM=xterm tmux -L {{}} new {shell}\n"),
        format!("TERM=xterm screen {shell}\n"),
    ];
    let mut typists = Vec::new();
    let mut silent = Vec::new();
    for (number, line) in attached.iter().enumerate() {
        let open = |name: &str| {
            let line = line.replace("{}", &format!("{name}{number}"));
            running(machine, &line, READY)
        };
        typists.push(open("typed")?);
        silent.push(open("silent")?);
        type_once(&mut typists)?;
    }
    // A server is started in one session and receives input from another. The first one still
    // counts as idle, and so does a third one that is attached without input.
    for (start, attach) in [
        (
            format!("tmux -L shared new -d {shell}\n"),
            "TERM=xterm tmux -L shared attach\n",
        ),
        (
            format!("screen -dmS shared {shell}\n"),
            "TERM=xterm screen -x shared\n",
        ),
    ] {
        let line = start.replace('\n', &format!("; {SAY_READY}\n"));
        silent.push(running(machine, &line, READY)?);
        type_once(&mut typists)?;
        typists.push(running(machine, attach, READY)?);
        silent.push(running(machine, attach, READY)?);
        type_once(&mut typists)?;
    }
    all_typists_stay_and_no_twin(machine, &mut typists, &silent)
}

pub(crate) fn a_shell_that_moved_to_another_control_group_still_counts(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let scope = format!("systemd-run --user --scope sh -c '{SAY_READY}; exec bash'\n");
    // In the second one no process with a terminal is in the session's scope any more.
    let lines = [scope.clone(), format!("exec {scope}")];
    let run = |line: &String| running(machine, line, READY);
    let mut typists = lines.iter().map(run).collect::<Outcome<Vec<_>>>()?;
    let silent = lines.iter().map(run).collect::<Outcome<Vec<_>>>()?;
    all_typists_stay_and_no_twin(machine, &mut typists, &silent)
}

/// su(1) and web consoles do not change the owner of the terminal.
pub(crate) fn a_login_in_somebody_elses_terminal_is_warned_there_and_a_key_keeps_it(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    for owner in [Account::Root, Account::Alice] {
        let mut bob = Ssh::open_su(machine, owner, Account::Bob)?;
        machine.wait_known(bob.session())?;
        bob.send("stat --format=owner=%U- $(tty)\n")?;
        let owned = format!("owner={}-", owner.name());
        bob.terminal().wait_for(&owned, SOON)?;
        warned_and_kept_by_a_key(machine, &mut bob)?;
    }
    Ok(())
}

/// As a remote editor does: a connection without a terminal starts a server that opens terminals,
/// and no other process of the login has one.
pub(crate) fn a_server_that_a_connection_left_behind_is_warned_and_a_key_there_keeps_it(
    machine: &Machine,
) -> Outcome {
    const SERVER: &str = "mkfifo -m 600 /tmp/keys; setsid -f sh -c \
        'exec script -qfc \"bash -i\" /tmp/seen <>/tmp/keys >/dev/null 2>&1' \
        </dev/null >/dev/null 2>&1";
    machine.policy(POLICY)?;
    let connection = Ssh::open_with(machine, Account::Alice, SERVER)?;
    let seen = |text: &str, count: usize, bound| {
        wait_until(bound, text, || {
            let seen = machine.run("cat /tmp/seen")?;
            if seen.matches(text).count() >= count {
                Ok(Instant::now())
            } else {
                Err(Failure::new(seen))
            }
        })
    };
    seen("alice@", 1, SOON)?;
    let status = machine.wait_known(connection.session())?;
    assert_eq!(status["idle_source"], "terminals", "{status}");
    seen(WARNING, 1, secs(20) + TTY_STEP)?;
    machine.run("printf ' ' >/tmp/keys")?;
    let typed = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(connection.session());
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_between(typed, "the withdrawal", withdrawn.at, secs(0), secs(1));
    let again = seen(WARNING, 2, secs(20) + TTY_STEP)?;
    assert_between(typed, WARNING, again, secs(10), secs(10) + TTY_STEP);
    connection.wait_closed(secs(20)).map(drop)
}

/// Processes that a login with its own terminal has left in its scope end with it, and are warned.
/// That warning does not say that a key keeps the login, since it does not.
pub(crate) fn what_a_login_left_behind_shows_the_warning_of_an_end_that_includes_it(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "30s"
           session-warnings = ["5s"]
           inactivity-timeout = "20s"
           inactivity-warnings = ["10s"]
           grace = "3s""#,
    )?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send("setsid -f script -qfc 'sleep 100' /tmp/seen </dev/null >/dev/null 2>&1\n")?;
    let login = Instant::now();
    let typist = wait_until(secs(20), "to be over", || {
        ssh.send(" ")?;
        hold_for(secs(1), "a pause", || Ok::<_, Failure>(()))?;
        if login.elapsed() > secs(15) {
            Ok(())
        } else {
            Err(Failure::new("not yet"))
        }
    });
    typist?;
    let absolute = "this session ends in 5 s, 30 s after the login";
    ssh.terminal().wait_for(absolute, secs(30))?;
    wait_until(SOON, "the warning in the idle terminal", || {
        let seen = machine.run("cat /tmp/seen")?;
        assert!(!seen.contains("Press a key"), "{seen}");
        if seen.contains(absolute) {
            Ok(())
        } else {
            Err(Failure::new(seen))
        }
    })?;
    ssh.wait_closed(SOON).map(drop)
}

/// Checks that the session is warned on its terminal, that a key withdraws the warning at once, and
/// that the session ends after inactivity.
fn warned_and_kept_by_a_key(machine: &Machine, ssh: &mut Ssh) -> Outcome {
    let warned = ssh.terminal().wait_for(WARNING, secs(20) + TTY_STEP)?;
    ssh.send(" ")?;
    let typed = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(ssh.session());
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_between(typed, "the withdrawal", withdrawn.at, secs(0), secs(1));
    let again = ssh
        .terminal()
        .wait_after(warned.end, WARNING, secs(20) + TTY_STEP)?;
    assert_between(typed, WARNING, again.at, secs(10), secs(10) + TTY_STEP);
    ssh.wait_closed(secs(20)).map(drop)
}

/// No process descends from a leader that has exited, so all terminals in the scope count.
pub(crate) fn typing_still_counts_when_the_leader_was_killed(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let open = || Ssh::open(machine, Account::Alice, Terminal::Pty);
    let (mut typists, silent) = ([open()?], [open()?]);
    for ssh in typists.iter().chain(&silent) {
        machine.wait_known(ssh.session())?;
        let leader = machine.logind_property(ssh.session(), "Leader")?;
        machine.run(&format!("kill -KILL {leader}"))?;
    }
    all_typists_stay_and_no_twin(machine, &mut typists, &silent)
}

/// The login ends as soon as mosh-server runs, which then belongs to no login.
pub(crate) fn mosh_outlives_the_session_that_it_came_with(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "12s"
           session-warnings = ["3s"]
           inactivity-timeout = "8s"
           inactivity-warnings = ["3s"]
           grace = "3s""#,
    )?;
    let mut mosh = Ssh::open_mosh(machine, Account::Alice)?;
    let opened = Instant::now();
    let id = mosh.session().to_owned();
    let status = machine.wait_status(&id, SOON, |session| session["phase"] == "exempt")?;
    assert_eq!(status["exemption"], "logged out", "{status}");
    assert_eq!(machine.logind_property(&id, "State")?, "closing");
    hold_for(secs(12 + 3 + 3), "mosh to keep running", || {
        if mosh.terminal().is_open() {
            Ok(())
        } else {
            Err(mosh.terminal().text())
        }
    })?;
    assert!(opened.elapsed() > secs(18));
    mosh.send(&format!("{SAY_READY}\n"))?;
    mosh.terminal().wait_for(READY, SOON)?;
    assert_eq!(mosh.terminal().count("Session timeout:"), 0);
    assert_not_ended(machine, &id);
    Ok(())
}

/// Logs in, types a line, and waits for its output.
fn running(machine: &Machine, line: &str, shows: &str) -> Outcome<Ssh> {
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send(line)?;
    ssh.terminal().wait_for(shows, SOON)?;
    Ok(ssh)
}

fn log_out(mut ssh: Ssh) -> Outcome {
    ssh.send("exit\n")?;
    ssh.wait_closed(SOON).map(drop)
}
