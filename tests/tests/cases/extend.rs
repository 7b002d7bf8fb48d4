//! Extensions: for users who authenticate again, within the policy, and for root.

use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Output, Seen, Ssh, Terminal, Wanted, wait_until,
};

use super::{SOON, secs};

/// Bound for the check of a password: pam_unix delays two seconds after a wrong one.
const CHECKED: Duration = secs(15);

const POLICY: &str = r#"[default]
    session-timeout = "60min"
    extend = { times = 2, by = "30min" }"#;

pub(crate) fn a_user_has_more_time_for_the_password_and_no_more_than_the_rule_allows(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    let told = type_password(machine, &mut alice, "session-timeout extend", "alice", 0)?;
    let id = alice.session().to_owned();
    let said = format!("Session {id} may last 30 min longer: it ends in 1 h 29 min");
    let told = alice.terminal().wait_after(told.end, &said, CHECKED)?;
    assert_used(machine, &id, 1)?;
    asked_by(machine, "extended", &id, "1000")?;

    let told = type_password(
        machine,
        &mut alice,
        "session-timeout extend",
        "wrong",
        told.end,
    )?;
    let said = "session-timeout: not authorized by polkit";
    let told = alice.terminal().wait_after(told.end, said, CHECKED)?;
    assert_used(machine, &id, 1)?;
    let refused = asked_by(machine, "extension-refused", &id, "1000")?;
    assert!(refused.contains("as its user asked: not auth"), "{refused}");

    let extend = format!("session-timeout extend {id}");
    let told = type_password(machine, &mut alice, &extend, "alice", told.end)?;
    let last = "that was the last extension";
    let told = alice.terminal().wait_after(told.end, last, CHECKED)?;
    assert_used(machine, &id, 2)?;

    // No password is requested for an extension that would be refused.
    alice.send("session-timeout extend\n")?;
    let said = "all extensions that are allowed are used up";
    alice.terminal().wait_after(told.end, said, CHECKED)?;
    assert_eq!(alice.terminal().count("Password: "), 3);
    assert_used(machine, &id, 2)
}

pub(crate) fn a_session_of_another_user_needs_an_administrator(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    machine.wait_known(bob.session())?;
    let extend = format!("session-timeout extend {}", bob.session());
    // polkit asks for the password of an administrator, here root; alice's own is refused.
    let told = type_password(machine, &mut alice, &extend, "alice", 0)?;
    let said = "session-timeout: not authorized by polkit";
    let told = alice.terminal().wait_after(told.end, said, CHECKED)?;
    assert_used(machine, bob.session(), 0)?;
    let refused = asked_by(machine, "extension-refused", bob.session(), "1000")?;
    assert!(refused.contains("as uid 1000 asked"), "{refused}");

    machine.run("usermod --append --groups sudo alice")?;
    let told = type_password(machine, &mut alice, &extend, "alice", told.end)?;
    let said = "may last 30 min longer";
    alice.terminal().wait_after(told.end, said, CHECKED)?;
    assert_used(machine, bob.session(), 1)
}

pub(crate) fn a_session_that_is_gone_when_the_password_comes_is_not_another_one(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let other = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let gone = other.session().to_owned();
    machine.wait_known(&gone)?;
    alice.send(&format!("session-timeout extend {gone}\n"))?;
    let asked = alice.terminal().wait_for("Password: ", SOON)?;
    other.drop_connection();
    machine.wait_session_gone(&gone, SOON)?;
    wait_listening(machine)?;
    alice.send("alice\n")?;
    let said = "session-timeout: there is no such session";
    alice.terminal().wait_after(asked.end, said, CHECKED)?;
    assert_used(machine, alice.session(), 0)
}

pub(crate) fn a_client_that_leaves_the_password_prompt_is_not_waited_for(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = alice.session().to_owned();
    machine.wait_known(&id)?;
    // After SIGTERM the command also ends polkit's agent.
    alice.send("session-timeout extend\n")?;
    let asked = alice.terminal().wait_for("Password: ", SOON)?;
    machine.run("kill $(pgrep --full '^session-timeout extend')")?;
    asked_by(machine, "extension-refused", &id, "1000")?;
    wait_until(SOON, "the agent to be gone", || {
        let agents = machine.attempt("pgrep --exact pkttyagent")?;
        match agents.stdout.as_str() {
            "" => Ok(()),
            others => Err(Failure::new(others)),
        }
    })?;
    // After SIGKILL the command cannot; the daemon cancels its question.
    alice.send("session-timeout extend\n")?;
    alice.terminal().wait_after(asked.end, "Password: ", SOON)?;
    machine.run("kill -KILL $(pgrep --full '^session-timeout extend')")?;
    wait_until(SOON, "the question to be cancelled", || {
        let refused = asked_by(machine, "extension-refused", &id, "1000")?;
        if refused.contains("the caller has gone away") {
            Ok(())
        } else {
            Err(Failure::new(refused))
        }
    })?;
    // The next request works as usual, on a terminal without the old agent.
    machine.run("pkill --exact pkttyagent")?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = alice.session().to_owned();
    machine.wait_known(&id)?;
    let told = type_password(machine, &mut alice, "session-timeout extend", "alice", 0)?;
    let said = "may last 30 min longer";
    alice.terminal().wait_after(told.end, said, CHECKED)?;
    assert_used(machine, &id, 1)
}

pub(crate) fn calls_over_the_bus_grant_no_extension(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    let mut answers = Vec::new();
    for session in [alice.session(), "c99", "c 1", ""] {
        for user in ["nobody", "bob"] {
            for interactive in ["yes", "no"] {
                let refused = call(machine, user, session, interactive)?;
                assert_ne!(refused.code, Some(0), "{}", refused.stdout);
                answers.push((interactive, refused.stderr));
            }
        }
    }
    for interactive in ["yes", "no"] {
        let mut same = answers.iter().filter(|(how, _)| *how == interactive);
        let first = same.next().map(|(_, answer)| answer);
        // The error does not reveal whether the session exists.
        assert!(same.all(|(_, other)| Some(other) == first), "{answers:?}");
    }
    for interactive in ["yes", "no"] {
        let refused = call(machine, "alice", alice.session(), interactive)?;
        assert_ne!(refused.code, Some(0), "{}", refused.stdout);
        let why = "authentication is needed";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert_used(machine, alice.session(), 0)?;
    asked_by(machine, "extension-refused", alice.session(), "65534")?;
    asked_by(machine, "extension-refused", alice.session(), "1001")?;

    // Many requests at once make few entries in the journal.
    let refusals = || machine.journal().all(&Wanted::event("extension-refused"));
    let (before, begun) = (refusals().len(), Instant::now());
    let one = bus_call(alice.session(), "no");
    machine.run(&format!(
        "runuser --user bob -- sh -c 'for i in $(seq 60); do {one} & done; wait' 2>/dev/null"
    ))?;
    machine.session_status(alice.session())?;
    let told = refusals().len() - before;
    let most = begun.elapsed().as_secs() + 2;
    assert!(told as u64 <= most, "{told} refusals in {most} s");
    assert_used(machine, alice.session(), 0)
}

pub(crate) fn without_polkit_users_are_refused_and_root_is_not(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    machine.run("systemctl mask --runtime --now polkit.service")?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    let refused = machine.attempt(&format!(
        "runuser --user alice -- session-timeout extend {}",
        alice.session()
    ))?;
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    let why = "polkit, which would have to agree, does not answer";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    assert_used(machine, alice.session(), 0)?;
    machine.run(&format!("session-timeout extend {}", alice.session()))?;
    assert_used(machine, alice.session(), 1)
}

pub(crate) fn root_puts_off_any_limit_as_often_as_the_policy_allows(machine: &Machine) -> Outcome {
    machine.policy(&POLICY.replace("times = 2", "times = 1"))?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    let extend = format!("session-timeout extend {}", alice.session());
    let said = machine.run(&extend)?;
    assert!(
        said.contains("may last 30 min longer: it ends in 1 h"),
        "{said}"
    );
    assert_used(machine, alice.session(), 1)?;
    let refused = machine.attempt(&extend)?;
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    let why = "all extensions that are allowed are used up";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    asked_by(machine, "extended", alice.session(), "0")?;
    asked_by(machine, "extension-refused", alice.session(), "0")?;
    // Without an id the command uses its own session, and this shell has none.
    let own = machine.attempt("session-timeout extend")?;
    assert_eq!(own.code, Some(1), "{}", own.stdout);
    assert!(own.stderr.contains("name one"), "{}", own.stderr);
    Ok(())
}

/// Types a command, and the password at the prompt after the offset `start`.
fn type_password(
    machine: &Machine,
    ssh: &mut Ssh,
    command: &str,
    password: &str,
    start: usize,
) -> Outcome<Seen> {
    ssh.send(&format!("{command}\n"))?;
    let asked = ssh.terminal().wait_after(start, "Password: ", SOON)?;
    wait_listening(machine)?;
    ssh.send(&format!("{password}\n"))?;
    Ok(asked)
}

/// Waits until polkit's agent has turned the echo off. It does so after the prompt, and discards
/// earlier input.
fn wait_listening(machine: &Machine) -> Outcome {
    const ECHO_IS_OFF: &str = "tty=$(ps -o tty= -p $(pgrep --exact pkttyagent)) && \
        stty --file=/dev/$tty --all | grep --word-regexp --quiet -e -echo";
    wait_until(SOON, "the echo to be off", || {
        machine.run(ECHO_IS_OFF).map(drop)
    })
}

fn assert_used(machine: &Machine, session: &str, times: u32) -> Outcome {
    let status = machine.session_status(session)?;
    assert_eq!(status["extensions_used"], times, "{status}");
    Ok(())
}

/// The journal's message about a request of this user.
fn asked_by(machine: &Machine, event: &str, session: &str, uid: &str) -> Outcome<String> {
    let wanted = Wanted::event(event).session(session);
    let wanted = wanted.with("ASKED_BY_UID", uid);
    machine.journal().wait_for(&wanted, SOON)?;
    let last = wait_until(SOON, "the journal to have it", || {
        let entries = machine.journal().all(&wanted);
        entries.last().cloned().ok_or("nothing")
    })?;
    Ok(last.message().to_owned())
}

fn call(machine: &Machine, user: &str, session: &str, interactive: &str) -> Outcome<Output> {
    let call = bus_call(session, interactive);
    machine.attempt(&format!("runuser --user {user} -- {call}"))
}

fn bus_call(session: &str, interactive: &str) -> String {
    format!(
        "busctl --allow-interactive-authorization={interactive} call org.sessiontimeout1 \
         /org/sessiontimeout1 org.sessiontimeout1.Manager ExtendSession s \"{session}\""
    )
}
