//! Files and directories that root reads or runs must belong to root, and lost or unwritable files
//! remove no limit.

use session_timeout_tests::{
    Account, Context, Failure, Machine, Outcome, Ssh, Terminal, UNIT, Wanted, hold_for, wait_until,
};

use super::{SOON, assert_after, assert_not_ended, late, login_of, secs};

const GOOD: &str = "[default]\nsession-timeout = \"90min\"\n";
const POLICY: &str = "/etc/session-timeout/policy.toml";
const HOOKS: &str = "/etc/session-timeout/hooks.d";

pub(crate) fn a_hook_that_is_slow_runs_once_at_a_time_and_makes_no_end_late(
    machine: &Machine,
) -> Outcome {
    let leads: Vec<_> = (2..28).map(|lead| format!("\"{lead}s\"")).collect();
    machine.policy(&format!(
        r#"[default]
           session-timeout = "30s"
           session-warnings = [{}]
           grace = "3s"

           [[rule]]
           name = "bob"
           match = {{ user = "bob" }}
           session-timeout = "25s"
           session-warnings = ["5s"]"#,
        leads.join(", ")
    ))?;
    machine.run(&format!(
        r#"mkdir {HOOKS} /run/notes
           cat >{HOOKS}/10-slow <<'EOF'
#!/bin/sh
cd /run/notes
id=$SESSION_TIMEOUT_SESSION_ID
mkdir "runs-$id" || echo "$1 $id" >>overlaps
echo "$1" >>"done-$id"
sleep 2.5
rmdir "runs-$id"
EOF
           chmod 755 {HOOKS}/10-slow"#
    ))?;
    let alices = (0..3).map(|_| Ssh::open(machine, Account::Alice, Terminal::Pty));
    let alices: Vec<_> = alices.collect::<Outcome<_>>()?;
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let login = login_of(machine, bob.session())?;
    let end = Wanted::event("end").session(bob.session());
    let end = machine.journal().wait_for(&end, secs(35))?;
    late(
        machine,
        "the end was requested",
        login.at + secs(25),
        end.at,
    );
    assert_after(login.at, "the end", end.at, secs(25));
    bob.wait_closed(SOON)?;
    for alice in &alices {
        let id = alice.session();
        let login = login_of(machine, id)?;
        let end = Wanted::event("end").session(id);
        let end = machine.journal().wait_for(&end, secs(20))?;
        assert_after(login.at, "the end", end.at, secs(30));
        let warnings = Wanted::event("warning").session(id);
        assert_eq!(machine.journal().all(&warnings).len(), 26);
        let notes = wait_until(SOON, "the hook of the end", || {
            let notes = machine.run(&format!("cat /run/notes/done-{id}"))?;
            if notes.ends_with("warn\nend\n") {
                Ok(notes)
            } else {
                Err(Failure::new(notes))
            }
        })?;
        let count = notes.lines().count();
        eprintln!("{}: the hook ran {count} times", machine.suite());
        assert!((3..=15).contains(&count), "{count} times: {notes}");
    }
    let overlaps = machine.attempt("cat /run/notes/overlaps")?;
    assert_eq!(overlaps.stdout, "", "two hooks of a session at once");
    Ok(())
}

pub(crate) fn a_hook_that_is_a_link_is_not_run_and_is_reported_once(machine: &Machine) -> Outcome {
    machine.run(&format!(
        r#"mkdir {HOOKS} /srv/hooks
           printf '#!/bin/sh\necho >/root/never\n' >/srv/hooks/target
           printf '#!/bin/sh\necho "$1" >>/root/notes\n' >{HOOKS}/20-own
           chmod 755 /srv/hooks/target {HOOKS}/20-own
           ln -s /srv/hooks/target {HOOKS}/10-link"#
    ))?;
    machine.policy(
        r#"[default]
           session-timeout = "12s"
           session-warnings = ["8s", "4s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.wait_closed(secs(30))?;
    wait_until(SOON, "the hook that is a file", || {
        let notes = machine.run("cat /root/notes")?;
        if notes.ends_with("end\n") {
            Ok(())
        } else {
            Err(Failure::new(notes))
        }
    })?;
    assert!(machine.run("cat /root/never").is_err(), "the link was run");
    let told = format!(
        "journalctl -u {UNIT} | grep -c '{HOOKS}/10-link is not run: it is a symbolic link'"
    );
    assert_eq!(machine.run(&told)?.trim(), "1");

    // Paths that others can write to, or replace.
    machine.run("rm /root/notes; chown alice /etc/session-timeout")?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.wait_closed(secs(30))?;
    let told = format!("journalctl -u {UNIT} | grep '{HOOKS} is not run: .*chown root:root'");
    wait_until(SOON, "the refusal", || machine.run(&told))?;
    assert!(machine.run("cat /root/notes").is_err());
    Ok(())
}

pub(crate) fn a_policy_below_a_directory_of_another_user_is_refused_and_the_last_one_stays(
    machine: &Machine,
) -> Outcome {
    machine.policy(GOOD)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    for (spoil, fix) in [
        (
            "chown alice /etc/session-timeout",
            "chown root:root /etc/session-timeout",
        ),
        (
            "chmod g+w /etc/session-timeout",
            "chmod go-w /etc/session-timeout",
        ),
        ("chmod 1777 /etc", "chmod go-w /etc"),
    ] {
        machine.run(spoil)?;
        machine.run(&format!("echo 'grace = \"7s\"' >>{POLICY}"))?;
        let reload = machine.attempt(&format!("systemctl reload {UNIT}"))?;
        assert_ne!(reload.code, Some(0), "{spoil}");
        assert_refused(machine, ssh.session(), "in-force", fix)?;
        let check = machine.attempt("session-timeout check")?;
        assert_eq!(check.code, Some(2), "{}{}", check.stdout, check.stderr);
        assert!(check.stderr.contains(fix), "{}", check.stderr);
        let doctor = machine.attempt("session-timeout doctor")?;
        assert!(doctor.stdout.contains(fix), "{}", doctor.stdout);
        // A draft may be in any directory.
        machine.run(&format!("session-timeout check {POLICY}"))?;

        machine.run(&format!("systemctl restart {UNIT}"))?;
        machine.wait_known(ssh.session())?;
        assert_refused(machine, ssh.session(), "last-good", fix)?;
        machine.run(fix)?;
        machine.write_policy(GOOD)?;
        machine.reload()?;
        assert_eq!(machine.status()?["policy"]["state"], "in-force");
    }
    assert_not_ended(machine, ssh.session());
    Ok(())
}

pub(crate) fn a_main_file_that_vanishes_changes_nothing_until_it_is_empty_on_purpose(
    machine: &Machine,
) -> Outcome {
    machine.policy(GOOD)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let gone = "it was there and is gone";
    machine.run(&format!("mv {POLICY} /root/"))?;
    let reload = machine.attempt(&format!("systemctl reload {UNIT}"))?;
    assert_ne!(reload.code, Some(0));
    assert_refused(machine, ssh.session(), "in-force", gone)?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    machine.wait_known(ssh.session())?;
    assert_refused(machine, ssh.session(), "last-good", gone)?;
    let rejected = Wanted::event("policy-rejected");
    wait_until(SOON, "both refusals in the journal", || {
        match machine.journal().all(&rejected).len() {
            2 => Ok(()),
            count => Err(format!("{count} times")),
        }
    })?;

    machine.run(&format!("mv /root/policy.toml {POLICY}"))?;
    machine.reload()?;
    assert_eq!(machine.status()?["policy"]["state"], "in-force");
    machine.run(&format!("true >{POLICY}"))?;
    machine.reload()?;
    let session = machine.session_status(ssh.session())?;
    assert_eq!(session["absolute_seconds"], 24 * 60 * 60, "{session}");
    Ok(())
}

pub(crate) fn a_group_that_is_named_like_a_scope_is_not_taken_for_a_session(
    machine: &Machine,
) -> Outcome {
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let slice = "/sys/fs/cgroup/user.slice/user-1000.slice";
    let login_from = |group: &str| {
        machine.run(&format!(
            "sh -c 'echo $$ >{group}/cgroup.procs && \
             exec pamtester session-timeout-timing bob open_session'"
        ))
    };
    let within = |session: &str, count: usize| {
        wait_until(SOON, "a login inside of the session", || {
            let nested = Wanted::event("nested").session(session);
            match machine.journal().all(&nested).len() {
                found if found == count => Ok(()),
                found => Err(format!("{found} times")),
            }
        })
    };
    login_from(&format!("{slice}/session-{}.scope", ssh.session()))?;
    within(ssh.session(), 1)?;

    // Control groups of the user, with names that the user chose.
    let own = format!("{slice}/user@1000.service/session-99.scope");
    machine.run(&format!("runuser -u alice -- mkdir {own}"))?;
    login_from(&own)?;
    let deep = format!("{slice}/user@1000.service/user.slice/user-1000.slice/session-98.scope");
    machine.run(&format!("runuser -u alice -- mkdir -p {deep}"))?;
    login_from(&deep)?;
    // A later login shows that both were processed.
    login_from(&format!("{slice}/session-{}.scope", ssh.session()))?;
    within(ssh.session(), 2)?;
    within("99", 0)?;
    within("98", 0)
}

/// As in an image with a read-only root file system: the directory cannot be created.
pub(crate) fn without_a_state_directory_the_daemon_warns_and_ends_as_usual(
    machine: &Machine,
) -> Outcome {
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    machine.run("mount -t tmpfs -o ro none /var/lib")?;
    machine.policy(
        r#"[default]
           session-timeout = "20s"
           session-warnings = ["10s"]
           grace = "3s""#,
    )?;
    machine.status()?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    let warning = "this session ends in 10 s, 20 s after the login.";
    let warning = ssh.terminal().wait_for(warning, secs(20))?;
    assert_after(login.at, "the warning", warning.at, secs(10));
    ssh.wait_closed(secs(25))?;
    let restarts = machine.run(&format!("systemctl show -p NRestarts --value {UNIT}"))?;
    assert_eq!(restarts.trim(), "0");
    let told = format!("journalctl -u {UNIT} | grep -c 'cannot keep a copy of the policy'");
    assert_eq!(machine.run(&told)?.trim(), "1");
    Ok(())
}

pub(crate) fn a_full_run_keeps_no_limit_from_a_daemon_that_starts(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "25s"
           session-warnings = ["5s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    machine.run(
        "used=$(df --output=used -k /run | tail -n 1)
         mount -o remount,size=$((used + 512))k /run
         head --bytes=1M /dev/zero >/run/full 2>/dev/null
         ! head --bytes=8K /dev/zero >/run/more 2>/dev/null",
    )?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    machine.wait_known(ssh.session())?;
    let end = ssh
        .terminal()
        .wait_for("this session has ended, 25 s after the login.", secs(30))?;
    assert_after(login.at, "the end", end.at, secs(25));
    ssh.wait_closed(SOON)?;
    machine.run("rm /run/full").map(drop)
}

pub(crate) fn a_daemon_that_cannot_start_is_restarted_with_growing_pauses_and_doctor_says_why(
    machine: &Machine,
) -> Outcome {
    machine.write(
        "/etc/systemd/system/session-timeoutd.service.d/broken.conf",
        "[Service]\nExecStart=\nExecStart=/bin/false\n",
    )?;
    machine.attempt(&format!(
        "systemctl daemon-reload; systemctl restart {UNIT}"
    ))?;
    let show = |property: &str| {
        let shown = machine.run(&format!("systemctl show -p {property} --value {UNIT}"))?;
        Ok::<_, Failure>(shown.trim().to_owned())
    };
    let tried = |times: u32| {
        wait_until(secs(30), "the daemon to be tried again", || {
            let restarts: u32 = show("NRestarts")?.parse().context("a number")?;
            if restarts >= times {
                Ok(())
            } else {
                Err(Failure::new(restarts.to_string()))
            }
        })
    };
    tried(8)?;
    // During the next attempt systemd has no result of the last start.
    wait_until(SOON, "doctor to say why", || {
        let doctor = machine.attempt("session-timeout doctor")?;
        assert!(doctor.stdout.contains("restarted: "), "{}", doctor.stdout);
        if doctor.stdout.contains("its last result is \"exit-code\"") {
            Ok(())
        } else {
            Err(Failure::new(doctor.stdout))
        }
    })?;
    // systemd 252 has no RestartSteps=.
    if knows_steps(machine)? {
        let begun = std::time::Instant::now();
        tried(11)?;
        assert!(begun.elapsed() > secs(2), "{:?}", begun.elapsed());
    }
    machine.run(
        "rm /etc/systemd/system/session-timeoutd.service.d/broken.conf
         systemctl daemon-reload && systemctl restart session-timeoutd",
    )?;
    machine.wait_active()
}

pub(crate) fn a_false_start_in_the_state_file_ends_no_session(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "3min"
           session-warnings = ["2s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(ssh.session())?;
    // By this start time the limit has passed.
    machine.run(&format!(
        "systemctl stop session-timeoutd.socket {UNIT}
         sed -i 's/\"started\":[0-9]*/\"started\":0/' /run/session-timeout/state.json
         grep -q '\"started\":0' /run/session-timeout/state.json
         systemctl start {UNIT}"
    ))?;
    let session = machine.wait_known(ssh.session())?;
    let left = session["left_seconds"].as_i64().unwrap_or_default();
    assert!((120..=180).contains(&left), "{session}");
    hold_for(secs(4), "the session to stay open", || {
        if ssh.terminal().is_open() {
            Ok(())
        } else {
            Err("it was ended")
        }
    })?;
    assert_not_ended(machine, ssh.session());
    Ok(())
}

/// Checks that the policy is refused for this reason, and that an earlier one is in force.
#[track_caller]
fn assert_refused(machine: &Machine, session: &str, state: &str, why: &str) -> Outcome {
    let status = machine.status()?;
    assert_eq!(status["policy"]["state"], state, "{status}");
    let error = status["policy"]["error"].as_str().unwrap_or_default();
    assert!(error.contains(why), "{status}");
    let session = machine.session_status(session)?;
    assert_eq!(session["absolute_seconds"], 90 * 60, "{session}");
    Ok(())
}

/// Whether systemd lengthens the delay between restarts (254 and later).
fn knows_steps(machine: &Machine) -> Outcome<bool> {
    let shown = machine.run(&format!("systemctl show -p RestartSteps {UNIT}"))?;
    Ok(!shown.trim().is_empty())
}
