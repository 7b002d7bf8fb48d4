//! `doctor` on wrong lines in the PAM stack of logins.

use session_timeout_tests::{Failure, Machine, Outcome, wait_until};

use super::{Diagnosis, assert_well, log_in_aside};
use crate::cases::SOON;

const COMMON: &str = "/etc/pam.d/common-session";

pub(crate) fn wrong_pam_lines_are_named_and_fixed(machine: &Machine) -> Outcome {
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
    // The fix names the two lines.
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

pub(crate) fn a_pam_line_that_keeps_the_module_from_being_called_is_named(
    machine: &Machine,
) -> Outcome {
    assert_eq!(Diagnosis::of(machine)?.the("pam.control")?["level"], "ok");
    machine.run(&format!("cp {COMMON} /root/good"))?;
    // Guides to home directories recommend this line.
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
    // The finding is right: the login has no session, and only the process table shows it.
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

    // A jump that is too long: pam-auth-update writes `default=1`.
    machine.run(&format!(
        "sed -i 's/^session.*\\[default=1\\]/session [default=9]/' {COMMON}"
    ))?;
    Diagnosis::of(machine)?.assert_only(1, "pam.control", "warning");
    machine.run(&format!("cp /root/good {COMMON}"))?;
    assert_well(machine)
}
