//! `doctor` on timeouts of other programs that would end sessions before the limits.

use session_timeout_tests::{Machine, Outcome};

use super::{Diagnosis, assert_exit, assert_well};

const LOGIND: &str = "/etc/systemd/logind.conf.d/50-idle.conf";
const PROFILE: &str = "/etc/profile.d/tmout.sh";
const SSHD: &str = "/etc/ssh/sshd_config.d/50-idle.conf";

pub(crate) fn earlier_timeouts_of_other_programs_are_named_until_they_are_removed(
    machine: &Machine,
) -> Outcome {
    machine.write(LOGIND, "[Login]\nStopIdleSessionSec=10min\n")?;
    let set = Diagnosis::of(machine)?;
    set.assert_only(1, "logind.stop-idle-session", "warning");
    let what = set.the("logind.stop-idle-session")?["what"].to_string();
    assert!(what.contains(&format!("{LOGIND}:2")), "{what}");
    machine.run("systemctl reload-or-restart systemd-logind")?;
    Diagnosis::of(machine)?.assert_only(1, "logind.stop-idle-session", "warning");
    // logind keeps the value until it is reloaded.
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
    // A user who may not run sshd's check gets the finding from its files.
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
