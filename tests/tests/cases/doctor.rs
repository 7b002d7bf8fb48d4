//! `session-timeout doctor`: a machine that is well, and each fault with its fix.

use serde_json::Value;
use session_timeout_tests::{
    Account, Context as _, Desktop, Environment, Failure, Locker, Machine, Outcome, Output, Ssh,
    Terminal, Wanted, wait_until,
};

use super::desktops::attached;
use super::{SOON, assert_not_ended, servers};

const COMMON: &str = "/etc/pam.d/common-session";
const LOGIND: &str = "/etc/systemd/logind.conf.d/50-idle.conf";
const PROFILE: &str = "/etc/profile.d/tmout.sh";
const SSHD: &str = "/etc/ssh/sshd_config.d/50-idle.conf";

const POLICY: &str = "[default]\ninactivity-timeout = \"15min\"\n";

pub(crate) fn a_machine_as_installed_is_well(machine: &Machine) -> Outcome {
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(ssh.session())?;
    for user in ["root", "alice", "nobody"] {
        let doctor = format!("runuser --user {user} -- session-timeout doctor");
        let output = machine.attempt(&doctor)?;
        assert_exit(&output, 0);
        let last = output.stdout.lines().last().unwrap_or_default();
        assert!(last.starts_with("All is well"), "{user}: {}", output.stdout);
        let verbose = machine.run(&format!("{doctor} --verbose"))?;
        let said = format!("session {} of alice (tty): its terminals", ssh.session());
        assert_eq!(verbose.contains(&said), user != "nobody", "{verbose}");
    }
    let diagnosis = Diagnosis::of(machine)?;
    let source = diagnosis.the("session.idle-source")?;
    assert_eq!(source["session"], ssh.session(), "{source}");
    assert_not_ended(machine, ssh.session());
    Ok(())
}

pub(crate) fn what_is_wrong_with_pam_is_named_and_fixed(machine: &Machine) -> Outcome {
    machine.run(&format!("cp {COMMON} /root/good"))?;
    machine.run(&format!("sed -i '/pam_session_timeout/d' {COMMON}"))?;
    let missing = Diagnosis::of(machine)?;
    missing.assert_only(2, "pam.stack", "error");
    missing.run_the_fix(machine, "pam.stack")?;
    assert_well(machine)?;

    machine.run(&format!(
        "sed -i -e '/pam_session_timeout/d' \
         -e 's/^session.*pam_systemd.so.*/session optional pam_session_timeout.so\\n&/' {COMMON}"
    ))?;
    let swapped = Diagnosis::of(machine)?;
    swapped.assert_only(2, "pam.order", "error");
    let fix = swapped.the("pam.order")?["fix"].to_string();
    assert!(fix.contains(&format!("move the line {COMMON}:")), "{fix}");
    // It names the two lines.
    let numbers: Vec<u32> = fix
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [ours, systemd] = numbers.as_slice() else {
        return Err(Failure::new(fix));
    };
    let moved = format!("sed -i -e '{ours}{{h;d}}' -e '{systemd}{{p;x}}' {COMMON}");
    machine.run(&moved)?;
    assert_well(machine)?;

    machine.run(&format!("cp {COMMON} {COMMON}-noninteractive"))?;
    let jobs = Diagnosis::of(machine)?;
    jobs.assert_only(1, "pam.noninteractive", "warning");
    machine.run("sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config")?;
    let bypassed = Diagnosis::of(machine)?;
    assert_eq!(bypassed.exit, 2, "{}", bypassed.json);
    assert_eq!(bypassed.the("sshd.pam")?["level"], "error");
    Ok(())
}

pub(crate) fn a_line_of_pam_that_keeps_ours_from_being_called_is_named(
    machine: &Machine,
) -> Outcome {
    assert_eq!(Diagnosis::of(machine)?.the("pam.control")?["level"], "ok");
    machine.run(&format!("cp {COMMON} /root/good"))?;
    // As guides to home directories recommend it.
    let first = "0,/^session/s//session sufficient pam_mkhomedir.so\\nsession/";
    machine.run(&format!("sed -i '{first}' {COMMON}"))?;
    let line = machine.run(&format!("grep -n pam_mkhomedir {COMMON} | cut -d: -f1"))?;
    let skipping = Diagnosis::of(machine)?;
    skipping.assert_only(1, "pam.control", "warning");
    let finding = skipping.the("pam.control")?;
    let what = finding["what"].as_str().unwrap_or_default();
    let named = format!(
        "`sufficient` of pam_mkhomedir.so ({COMMON}:{})",
        line.trim()
    );
    assert!(what.contains(&named), "{what}");
    assert!(
        what.contains("pam_systemd.so and pam_session_timeout.so"),
        "{what}"
    );
    // The warning is true: only the process table shows this login.
    log_in_aside(machine)?;
    wait_until(SOON, "the login to be found", || {
        let diagnosis = Diagnosis::of(machine)?;
        let finding = diagnosis.the("session.untracked")?;
        match finding["what"].as_str() {
            Some(what) if what.starts_with("alice is logged in through sshd") => Ok(()),
            _ => Err(Failure::new(finding.to_string())),
        }
    })?;
    machine.run(&format!("systemctl stop client; cp /root/good {COMMON}"))?;
    wait_until(SOON, "the login to be over", || {
        let diagnosis = Diagnosis::of(machine)?;
        match &diagnosis.the("session.untracked")?["level"] {
            level if level == "ok" => Ok(()),
            level => Err(Failure::new(level.to_string())),
        }
    })?;
    assert_well(machine)?;

    // A jump as long as pam-auth-update writes it, and a longer one.
    machine.run(&format!(
        "sed -i 's/^session.*\\[default=1\\]/session [default=9]/' {COMMON}"
    ))?;
    Diagnosis::of(machine)?.assert_only(1, "pam.control", "warning");
    machine.run(&format!("cp /root/good {COMMON}"))?;
    assert_well(machine)
}

/// Logs alice in from the machine itself: `Ssh` waits for a session id.
fn log_in_aside(machine: &Machine) -> Outcome {
    machine.run(
        "systemd-run --quiet --unit=client ssh -tt -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null alice@127.0.0.1 sleep 1000",
    )?;
    Ok(())
}

pub(crate) fn a_login_that_logind_has_no_session_for_is_named_with_the_reason(
    machine: &Machine,
) -> Outcome {
    assert_eq!(
        Diagnosis::of(machine)?.the("session.keeper")?["level"],
        "ok"
    );
    set_sessions_max(machine, 2)?;
    leave_sessions_behind(machine, 2)?;
    log_in_aside(machine)?;
    let kept = wait_until(SOON, "the daemon to keep the login", || {
        let status = machine.run("session-timeout status --json")?;
        let status: Value = serde_json::from_str(&status).context("read the status")?;
        let sessions = status["sessions"].as_array().context("the sessions")?;
        let kept = sessions.iter().find(|one| one["keeper"] == "daemon");
        kept.cloned().context(format!("a login in {status}"))
    })?;
    assert_eq!(kept["user"], "alice", "{kept}");
    assert_eq!(kept["no_session"], "logind-full", "{kept}");
    let id = kept["id"].as_str().context("its id")?;
    let diagnosis = Diagnosis::of(machine)?;
    let finding = diagnosis.the("session.keeper")?;
    assert_eq!(finding["level"], "warning", "{finding}");
    assert_eq!(finding["session"], id, "{finding}");
    let fix = finding["fix"].as_str().unwrap_or_default();
    assert!(fix.contains("raise SessionsMax="), "{fix}");
    assert_eq!(diagnosis.the("session.untracked")?["level"], "ok");
    let said = "logind has as many sessions as SessionsMax= allows";
    for command in ["status".to_owned(), format!("explain {id}")] {
        let shown = machine.run(&format!("session-timeout {command}"))?;
        assert!(shown.contains(said), "{shown}");
    }
    Ok(())
}

pub(crate) fn a_warning_that_reached_nobody_is_named(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "60s"
           session-warnings = ["57s"]"#,
    )?;
    let warned = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let transfer = Ssh::open(machine, Account::Alice, Terminal::None)?;
    let id = transfer.session();
    machine.wait_status(id, SOON, |session| session["unwarned"] == true)?;
    machine.wait_status(warned.session(), SOON, |session| {
        session["phase"] == "warned"
    })?;
    let diagnosis = Diagnosis::of(machine)?;
    let finding = diagnosis.the("session.unwarned")?;
    assert_eq!(finding["level"], "warning", "{finding}");
    assert_eq!(finding["session"], id, "{finding}");
    let what = finding["what"].as_str().unwrap_or_default();
    assert!(what.contains(&format!("session {id} of alice")), "{what}");
    let explained = machine.run(&format!("session-timeout explain {id}"))?;
    assert!(
        explained.contains("A warning reached nobody"),
        "{explained}"
    );
    Ok(())
}

/// `SessionsMax=` in the case about a full logind.
const PLACES: u64 = 6;

pub(crate) fn a_logind_that_is_nearly_full_is_named_with_what_fills_it(
    machine: &Machine,
) -> Outcome {
    set_sessions_max(machine, PLACES)?;
    let roomy = Diagnosis::of(machine)?;
    assert_eq!(roomy.the("logind.sessions-max")?["level"], "ok");
    assert_eq!(roomy.the("logind.closing")?["level"], "ok");

    let left = leave_sessions_behind(machine, PLACES / 2 + 1)?;
    let half = Diagnosis::of(machine)?;
    assert_eq!(half.the("logind.sessions-max")?["level"], "note");
    assert_eq!(half.exit, 0, "{}", half.json);
    let closing = half.the("logind.closing")?;
    assert_eq!(closing["level"], "note", "{closing}");
    let what = closing["what"].as_str().unwrap_or_default();
    assert!(
        what.starts_with(&format!("{} sessions wait", left.len())),
        "{what}"
    );
    assert!(what.ends_with(&by_user(&left)), "{what}");

    let more = leave_sessions_behind(machine, PLACES)?;
    let left = [left, more].concat();
    let full = Diagnosis::of(machine)?;
    full.assert_only(1, "logind.sessions-max", "warning");
    let finding = full.the("logind.sessions-max")?;
    let what = finding["what"].as_str().unwrap_or_default();
    let expected = format!("logind has {PLACES} sessions of the {PLACES} that SessionsMax=");
    assert!(what.starts_with(&expected), "{what}");
    let fix = finding["fix"].as_str().unwrap_or_default();
    let expected = format!("end what {} left behind", by_user(&left));
    assert!(fix.starts_with(&expected), "{fix}");

    // Both fixes: the remaining processes are ended, or the maximum is raised.
    let (_, id) = &left[0];
    machine.run(&format!("loginctl kill-session {id}"))?;
    wait_until(SOON, "a place in logind", || {
        match &Diagnosis::of(machine)?.the("logind.sessions-max")?["level"] {
            level if level == "note" => Ok(()),
            other => Err(Failure::new(other.to_string())),
        }
    })?;
    set_sessions_max(machine, 100)?;
    assert_eq!(
        Diagnosis::of(machine)?.the("logind.sessions-max")?["level"],
        "ok"
    );
    Ok(())
}

/// Logs in as both users in turn until logind has this number of sessions, and leaves a process
/// behind in each. On Debian 13 a user's manager counts as a session as well.
fn leave_sessions_behind(machine: &Machine, count: u64) -> Outcome<Vec<(Account, String)>> {
    let mut left = Vec::new();
    for account in [Account::Alice, Account::Bob].into_iter().cycle() {
        if property_of_logind(machine, "NCurrentSessions")? >= count {
            break;
        }
        let mut ssh = Ssh::open(machine, account, Terminal::Pty)?;
        ssh.send("setsid --fork sleep 1000 </dev/null >/dev/null 2>&1; exit\n")?;
        ssh.wait_closed(SOON)?;
        let id = ssh.session().to_owned();
        wait_until(SOON, "logind to find it closing", || {
            let state = machine.run(&format!("loginctl show-session {id} --property=State"))?;
            match state.trim() {
                "State=closing" => Ok(()),
                other => Err(Failure::new(other)),
            }
        })?;
        left.push((account, id));
    }
    Ok(left)
}

/// `alice (2) and bob (1)`
fn by_user(left: &[(Account, String)]) -> String {
    let of = |wanted| {
        left.iter()
            .filter(|(account, _)| *account == wanted)
            .count()
    };
    let mut counts = [("alice", of(Account::Alice)), ("bob", of(Account::Bob))];
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts = counts.map(|(user, count)| format!("{user} ({count})"));
    counts.join(" and ")
}

/// logind reads its configuration at its start; on Debian 12 it cannot reload it.
fn set_sessions_max(machine: &Machine, most: u64) -> Outcome {
    let conf = format!("[Login]\nSessionsMax={most}\n");
    machine.write("/etc/systemd/logind.conf.d/60-sessions.conf", conf)?;
    machine.run("systemctl restart systemd-logind")?;
    wait_until(SOON, "logind and the daemon to find each other", || {
        let status = machine.run("session-timeout status --json")?;
        let status: Value = serde_json::from_str(&status).context("read the status")?;
        let in_force = property_of_logind(machine, "SessionsMax")?;
        if status["logind"] == "connected" && in_force == most {
            Ok(())
        } else {
            Err(Failure::new(format!("{in_force} {status}")))
        }
    })
}

fn property_of_logind(machine: &Machine, name: &str) -> Outcome<u64> {
    let value = machine.run(&format!(
        "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
         org.freedesktop.login1.Manager {name}"
    ))?;
    let number = value.trim().trim_start_matches("t ");
    number.parse().context(format!("read {value}"))
}

pub(crate) fn what_would_act_first_is_named_and_gone_when_it_is_taken_out(
    machine: &Machine,
) -> Outcome {
    machine.write(LOGIND, "[Login]\nStopIdleSessionSec=10min\n")?;
    let set = Diagnosis::of(machine)?;
    set.assert_only(1, "logind.stop-idle-session", "warning");
    let what = set.the("logind.stop-idle-session")?["what"].to_string();
    assert!(what.contains(&format!("{LOGIND}:2")), "{what}");
    machine.run("systemctl reload-or-restart systemd-logind")?;
    Diagnosis::of(machine)?.assert_only(1, "logind.stop-idle-session", "warning");
    // logind has it until it is told.
    machine.run(&format!("rm {LOGIND}"))?;
    let left = Diagnosis::of(machine)?;
    left.assert_only(1, "logind.stop-idle-session", "warning");
    left.run_the_fix(machine, "logind.stop-idle-session")?;
    assert_well(machine)?;

    machine.write(PROFILE, "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n")?;
    let shell = Diagnosis::of(machine)?;
    shell.assert_only(1, "shell.tmout", "warning");
    let what = shell.the("shell.tmout")?["what"].to_string();
    assert!(what.contains("TMOUT=900, readonly"), "{what}");
    machine.run(&format!("rm {PROFILE}"))?;
    assert_well(machine)?;

    machine.write(SSHD, "ChannelTimeout session=5m\n")?;
    Diagnosis::of(machine)?.assert_only(1, "sshd.channel-timeout", "warning");
    // Who may not ask sshd reads its files.
    let alice = machine.attempt("runuser --user alice -- session-timeout doctor")?;
    assert_exit(&alice, 1);
    assert!(
        alice.stdout.contains(&format!("{SSHD}:1")),
        "{}",
        alice.stdout
    );
    machine.run(&format!("rm {SSHD}"))?;
    assert_well(machine)
}

pub(crate) fn a_daemon_that_is_away_is_brought_back_by_the_fix(machine: &Machine) -> Outcome {
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    let stopped = Diagnosis::of(machine)?;
    assert_eq!(stopped.exit, 2, "{}", stopped.json);
    assert_eq!(stopped.the("daemon.socket")?["level"], "error");
    stopped.run_the_fix(machine, "daemon.running")?;
    machine.wait_active()?;
    assert_well(machine)?;

    machine.run("rm /run/session-timeout/login.sock")?;
    let unlinked = Diagnosis::of(machine)?;
    unlinked.assert_only(2, "daemon.socket", "error");
    unlinked.run_the_fix(machine, "daemon.socket")?;
    machine.wait_active()?;
    assert_well(machine)?;

    machine.run("systemctl stop session-timeout-terminals.service")?;
    let alone = Diagnosis::of(machine)?;
    alone.assert_only(1, "daemon.terminals", "warning");
    alone.run_the_fix(machine, "daemon.terminals")?;
    assert_well(machine)?;
    machine.run("systemctl stop session-timeout-terminals.socket")?;
    let mute = Diagnosis::of(machine)?;
    mute.assert_only(2, "daemon.terminals", "error");
    mute.run_the_fix(machine, "daemon.terminals")?;
    assert_well(machine)?;

    machine.run("systemctl disable session-timeoutd.service")?;
    let disabled = Diagnosis::of(machine)?;
    disabled.assert_only(1, "daemon.enabled", "warning");
    disabled.run_the_fix(machine, "daemon.enabled")?;
    assert_well(machine)?;

    machine.policy(POLICY)?;
    Diagnosis::of(machine)?.assert_only(1, "policy.short-limits", "warning");
    Ok(())
}

pub(crate) fn a_broken_policy_is_named_before_and_after_it_is_refused(
    machine: &Machine,
) -> Outcome {
    let good = machine.run("cat /etc/session-timeout/policy.toml")?;
    machine.write_policy("[default]\nsession-timeout = \"90parsecs\"\n")?;
    Diagnosis::of(machine)?.assert_only(2, "policy.files", "error");
    assert!(machine.reload().is_err());
    let refused = Diagnosis::of(machine)?;
    refused.assert_only(2, "policy.state", "error");
    let finding = refused.the("policy.state")?;
    let fix = finding["fix"].as_str().unwrap_or_default();
    assert!(
        fix.ends_with("then: systemctl reload session-timeoutd"),
        "{fix}"
    );
    machine.write_policy(&good)?;
    machine.reload()?;
    assert_well(machine)
}

pub(crate) fn a_limit_that_nobody_can_enforce_is_a_warning(machine: &Machine) -> Outcome {
    machine.write_policy(POLICY)?;
    machine.reload()?;
    assert_well(machine)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let id = desktop.session();
    machine.wait_status(id, super::SOON, |session| {
        session["idle_source"] == "unknown"
    })?;
    let blind = Diagnosis::of(machine)?;
    assert_eq!(blind.exit, 1, "{}", blind.json);
    for check in ["session.agent", "session.inactivity"] {
        let finding = blind.the(check)?;
        assert_eq!(finding["level"], "warning", "{finding}");
        assert_eq!(finding["session"], id, "{finding}");
    }
    let agent = blind.the("session.agent")?["fix"].to_string();
    assert!(agent.contains("session-timeout-agent"), "{agent}");
    // Its user is told the same, and other users nothing.
    let alice = machine.attempt("runuser --user alice -- session-timeout doctor")?;
    assert_exit(&alice, 1);
    assert_exit(
        &machine.attempt("runuser --user bob -- session-timeout doctor")?,
        0,
    );

    // An agent that can tell no more than that it is there: nothing is drawn in this desktop.
    machine.run(&format!(
        "systemd-run --quiet --uid=alice --unit=agent session-timeout-agent --session={id}"
    ))?;
    machine.wait_status(id, super::SOON, |session| session["agent_source"] == "none")?;
    let helpless = Diagnosis::of(machine)?;
    let agent = helpless.the("session.agent")?;
    assert_eq!(agent["level"], "warning", "{agent}");
    let what = agent["what"].as_str().unwrap_or_default();
    assert!(what.contains("finds nobody on this desktop"), "{what}");
    machine.run("systemctl stop agent.service")?;
    machine.wait_status(id, super::SOON, |session| session["agent_source"].is_null())?;

    machine.write_policy(&format!("{POLICY}unknown-idle = \"count-from-login\"\n"))?;
    machine.reload()?;
    let counted = Diagnosis::of(machine)?;
    assert_eq!(counted.the("session.inactivity")?["level"], "note");

    machine.write_policy("[default]\naction = \"report\"\n")?;
    machine.reload()?;
    let unlimited = Diagnosis::of(machine)?;
    assert_eq!(unlimited.exit, 0, "{}", unlimited.json);
    assert_eq!(unlimited.the("session.agent")?["level"], "note");
    Ok(())
}

pub(crate) fn users_who_may_have_more_time_and_cannot_authenticate_for_it_are_named(
    machine: &Machine,
) -> Outcome {
    assert!(Diagnosis::of(machine)?.the("system.polkit").is_err());
    machine.write_policy("[default]\nextend.times = 1\n")?;
    machine.reload()?;
    let there = Diagnosis::of(machine)?;
    assert_eq!(there.exit, 0, "{}", there.json);
    assert_eq!(there.the("system.polkit")?["level"], "ok");

    machine.run("dpkg --remove --force-depends polkitd")?;
    let missing = wait_until(SOON, "the bus to know that polkit is gone", || {
        let diagnosis = Diagnosis::of(machine)?;
        match &diagnosis.the("system.polkit")?["level"] {
            level if level == "ok" => Err(Failure::new("it is there")),
            _ => Ok(diagnosis),
        }
    })?;
    missing.assert_only(1, "system.polkit", "warning");
    let fix = &missing.the("system.polkit")?["command"];
    assert_eq!(fix, "apt install polkitd");
    Ok(())
}

pub(crate) fn a_desktop_that_does_not_lock_is_named_until_it_does(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "1h"
           lock-after = "3s""#,
    )?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let id = desktop.session();
    desktop.turn_idle()?;
    let said = Wanted::event("report").session(id);
    let said = machine.journal().wait_for(&said, super::secs(30))?;
    assert!(said.message().contains("was to be locked"), "{said}");
    let missed = Diagnosis::of(machine)?;
    let finding = missed.the("session.lock")?;
    assert_eq!(finding["level"], "warning", "{finding}");
    assert_eq!(finding["session"], id, "{finding}");
    let fix = finding["fix"].to_string();
    assert!(fix.contains("LockedHint"), "{fix}");

    desktop.lock()?;
    machine.wait_status(id, SOON, |session| session["locked"] == true)?;
    assert!(Diagnosis::of(machine)?.the("session.lock").is_err());
    Ok(())
}

pub(crate) fn a_screen_that_no_warning_reaches_is_named(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    let screen = attached(machine, environment)?;
    servers::start(&screen, environment)?;
    let level = || -> Outcome<Value> {
        let diagnosis = Diagnosis::of(machine)?;
        let finding = diagnosis.the("session.notifications")?;
        assert_eq!(finding["session"], screen.session(), "{finding}");
        Ok(finding.clone())
    };
    assert_eq!(level()?["level"], "ok");

    servers::kill(&screen)?;
    let nowhere = wait_until(SOON, "the server to be missed", || {
        let finding = level()?;
        if finding["level"] == "ok" {
            return Err(Failure::new(finding.to_string()));
        }
        Ok(finding)
    })?;
    assert_eq!(nowhere["level"], "warning", "{nowhere}");
    let (what, fix) = (nowhere["what"].to_string(), nowhere["fix"].to_string());
    assert!(what.contains("no notification server"), "{what}");
    assert!(fix.contains("mako"), "{fix}");
    // It is root who is told; nobody else may ask the agent.
    let alice = machine.run("runuser --user alice -- session-timeout doctor --verbose")?;
    assert!(!alice.contains("notification server"), "{alice}");

    let pid = screen.agent_pid()?;
    machine.run(&format!("kill -STOP {pid}"))?;
    let unsaid = level();
    machine.run(&format!("kill -CONT {pid}"))?;
    let unsaid = unsaid?;
    assert_eq!(unsaid["level"], "warning", "{unsaid}");
    let what = unsaid["what"].to_string();
    assert!(what.contains("does not answer"), "{what}");
    Ok(())
}

/// What `session-timeout doctor --json` says to root.
struct Diagnosis {
    exit: i32,
    json: Value,
}

impl Diagnosis {
    fn of(machine: &Machine) -> Outcome<Self> {
        let output = machine.attempt("session-timeout doctor --json")?;
        let json = serde_json::from_str(&output.stdout);
        let json = json.context(format!("read {}{}", output.stdout, output.stderr))?;
        Ok(Self {
            exit: output.code.unwrap_or(-1),
            json,
        })
    }

    fn findings(&self) -> &[Value] {
        self.json["findings"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The finding of a check that has one.
    fn the(&self, id: &str) -> Outcome<&Value> {
        let found: Vec<&Value> = self
            .findings()
            .iter()
            .filter(|found| found["id"] == id)
            .collect();
        match found.as_slice() {
            [one] => Ok(one),
            _ => Err(Failure::new(format!("not one {id} in {}", self.json))),
        }
    }

    /// That nothing but this is worse than a note.
    #[track_caller]
    fn assert_only(&self, exit: i32, id: &str, level: &str) {
        let harmless = |level: &Value| level == "ok" || level == "note";
        let ills = self
            .findings()
            .iter()
            .filter(|found| !harmless(&found["level"]));
        let ills: Vec<_> = ills.map(|found| (&found["id"], &found["level"])).collect();
        assert!(
            matches!(ills.as_slice(), [(only, its)] if *only == id && *its == level),
            "{ills:?}"
        );
        assert_eq!(self.exit, exit, "{ills:?}");
        let fix = &self
            .findings()
            .iter()
            .find(|found| found["id"] == id)
            .map(|found| &found["fix"]);
        assert!(fix.is_some_and(Value::is_string), "{id} has no fix");
    }

    fn run_the_fix(&self, machine: &Machine, id: &str) -> Outcome {
        let command = self.the(id)?["command"].as_str();
        machine.run(command.context(format!("a command in {}", self.json))?)?;
        Ok(())
    }
}

#[track_caller]
fn assert_well(machine: &Machine) -> Outcome {
    let diagnosis = Diagnosis::of(machine)?;
    assert_eq!(diagnosis.exit, 0, "{}", diagnosis.json);
    Ok(())
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    let Output { stdout, stderr, .. } = output;
    assert_eq!(output.code, Some(code), "{stdout}{stderr}");
}
