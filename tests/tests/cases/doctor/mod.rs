//! `session-timeout doctor`: a machine without a fault, and each fault with the fix that it names.

mod daemon;
mod desktop;
mod limits;
mod logind;
mod other_timeouts;
mod pam;

use serde_json::Value;
use session_timeout_tests::{Context as _, Failure, Machine, Outcome, Output};

pub(crate) use daemon::{
    a_broken_policy_is_named_before_and_after_it_is_refused,
    a_daemon_that_is_stopped_is_started_by_the_command_that_doctor_names,
    a_machine_as_installed_is_well,
};
pub(crate) use desktop::{
    a_desktop_that_does_not_lock_is_named_until_it_does, a_screen_that_no_warning_reaches_is_named,
};
pub(crate) use limits::{
    a_limit_that_cannot_be_enforced_is_a_warning, a_warning_that_reached_nobody_is_named,
    users_who_may_have_more_time_and_cannot_authenticate_for_it_are_named,
};
pub(crate) use logind::{
    a_login_that_logind_has_no_session_for_is_named_with_the_reason,
    a_logind_that_is_nearly_full_is_named_with_what_fills_it,
};
pub(crate) use other_timeouts::earlier_timeouts_of_other_programs_are_named_until_they_are_removed;
pub(crate) use pam::{
    a_pam_line_that_keeps_the_module_from_being_called_is_named,
    wrong_pam_lines_are_named_and_fixed,
};

const POLICY: &str = "[default]\ninactivity-timeout = \"15min\"\n";

/// Logs in as alice from the machine itself, since `Ssh` would wait for a session id.
fn log_in_aside(machine: &Machine) -> Outcome {
    machine.run(
        "systemd-run --quiet --unit=client ssh -tt -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null alice@127.0.0.1 sleep 1000",
    )?;
    Ok(())
}

/// The output of `session-timeout doctor --json` as root.
pub(super) struct Diagnosis {
    exit: i32,
    json: Value,
}

impl Diagnosis {
    pub(super) fn of(machine: &Machine) -> Outcome<Self> {
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

    /// The finding of this check, which has exactly one.
    pub(super) fn the(&self, id: &str) -> Outcome<&Value> {
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

    /// Checks that only this finding is worse than a note.
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
