//! Checks of the settings by which logind itself ends or locks sessions.

pub(crate) mod capacity;
pub(crate) mod conf;

use std::time::Duration;

use session_timeout_texts::roughly;

use crate::doctor::checks::Check;
use crate::doctor::finding::{Finding, Level};
use crate::doctor::logind::capacity::SessionCount;
use crate::doctor::logind::conf::{ConfLine, LogindConf, RELOAD};

/// The settings in effect, as logind reports them (org.freedesktop.login1(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogindSettings {
    /// `StopIdleSessionUSec`; absent if it is off.
    pub(crate) stop_idle_session: Option<Duration>,
    pub(crate) idle_action: Option<String>,
    pub(crate) kill_user_processes: Option<bool>,
    pub(crate) sessions: Option<SessionCount>,
}

/// All findings about logind. `effective` is absent if logind did not reply.
pub(crate) fn examine(conf: &LogindConf, effective: Option<&LogindSettings>) -> Vec<Finding> {
    let mut findings = vec![
        stop_idle_session(conf, effective),
        idle_action(conf, effective),
        kill_user_processes(conf, effective),
    ];
    let hidden = conf.hidden.iter();
    findings.extend(hidden.map(|path| Finding::unseen(Check::LogindStopIdleSession, path)));
    findings
}

/// Two releases were seen to use all processor time and then to end desktops at once
/// (`session_dispatch_stop_on_idle()`, systemd 252 and 257).
fn stop_idle_session(conf: &LogindConf, effective: Option<&LogindSettings>) -> Finding {
    const NAME: &str = "StopIdleSessionSec";
    let check = Check::LogindStopIdleSession;
    let harm = "logind ends idle sessions itself, without a warning, and keeps a processor busy \
                with each desktop";
    if let Some(key) = conf.get(NAME).filter(|key| !is_off(&key.value)) {
        let (value, location) = (&key.value, &key.location);
        let what = format!("{NAME}={value} ({location}): {harm}");
        return Finding::warning(check, &what)
            .do_this(&format!("take out {location}, then: {RELOAD}"));
    }
    match effective.and_then(|effective| effective.stop_idle_session) {
        Some(after) => {
            let after = roughly(after);
            let what = format!("logind has not read yet that {NAME} of {after} is gone: {harm}");
            Finding::warning(check, &what).run_this(RELOAD)
        }
        None => Finding::ok(
            check,
            &format!("logind ends no session for idleness ({NAME})"),
        ),
    }
}

/// logind takes 0 for infinity here (`config_parse_sec_fix_0()`).
fn is_off(value: &str) -> bool {
    value == "infinity" || !value.contains(|c: char| matches!(c, '1'..='9'))
}

fn idle_action(conf: &LogindConf, effective: Option<&LogindSettings>) -> Finding {
    let check = Check::LogindIdleAction;
    let (action, location) = effective_value(
        conf.get("IdleAction"),
        effective.and_then(|effective| effective.idle_action.clone()),
    );
    let action = action.unwrap_or_else(|| "ignore".to_owned());
    let what = format!("once all sessions are idle, logind acts: IdleAction={action}{location}");
    match action.as_str() {
        "ignore" => Finding::ok(check, "logind does nothing to an idle machine (IdleAction)"),
        // It ends every session, without a warning.
        "poweroff" | "reboot" | "halt" | "kexec" | "soft-reboot" | "factory-reset" => {
            let fix = format!("set IdleAction=ignore in /etc/systemd/logind.conf, then: {RELOAD}");
            Finding::warning(check, &what).do_this(&fix)
        }
        _ => Finding::note(check, &what),
    }
}

fn kill_user_processes(conf: &LogindConf, effective: Option<&LogindSettings>) -> Finding {
    let check = Check::LogindKillUserProcesses;
    let (value, location) = effective_value(
        conf.get("KillUserProcesses"),
        effective
            .and_then(|effective| effective.kill_user_processes.map(|kills| kills.to_string())),
    );
    let kills = value.is_some_and(|value| is_yes(&value));
    let level = if kills { Level::Note } else { Level::Ok };
    let what = if kills {
        format!(
            "KillUserProcesses=yes{location}: what was detached (tmux, nohup) ends with a login, \
                 so a hang-up spares nothing"
        )
    } else {
        "what was detached (tmux, nohup) outlives a hang-up (KillUserProcesses)".to_owned()
    };
    Finding::new(check, level, &what)
}

/// The value in effect and its location. A value of the files comes first, since it is changed there.
fn effective_value(key: Option<&ConfLine>, effective: Option<String>) -> (Option<String>, String) {
    match key {
        Some(key) => (Some(key.value.clone()), format!(" ({})", key.location)),
        None => (effective, String::new()),
    }
}

/// `parse_boolean()` of systemd.
fn is_yes(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_str(), "1" | "yes" | "y" | "true" | "t" | "on")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Fix;
    use crate::doctor::root::fake;

    fn conf(text: &str) -> LogindConf {
        let text = format!("[Login]\n{text}\n");
        let (_dir, root) = fake::root(&[("/etc/systemd/logind.conf", &text)]);
        LogindConf::read(&root)
    }

    fn problems(text: &str, effective: Option<&LogindSettings>) -> Vec<(Check, Level)> {
        let findings = examine(&conf(text), effective);
        let problems = findings.iter().filter(|finding| finding.level > Level::Ok);
        problems
            .map(|finding| (finding.check, finding.level))
            .collect()
    }

    #[test]
    fn each_setting_is_judged_by_what_it_does_to_sessions() {
        let warning = |check| vec![(check, Level::Warning)];
        let note = |check| vec![(check, Level::Note)];
        for (text, expected) in [
            ("", vec![]),
            ("StopIdleSessionSec=infinity", vec![]),
            ("StopIdleSessionSec=0", vec![]),
            ("StopIdleSessionSec=", vec![]),
            (
                "StopIdleSessionSec=600",
                warning(Check::LogindStopIdleSession),
            ),
            (
                "StopIdleSessionSec=10min",
                warning(Check::LogindStopIdleSession),
            ),
            ("IdleAction=ignore", vec![]),
            ("IdleAction=lock", note(Check::LogindIdleAction)),
            ("IdleAction=suspend", note(Check::LogindIdleAction)),
            ("IdleAction=poweroff", warning(Check::LogindIdleAction)),
            ("KillUserProcesses=no", vec![]),
            (
                "KillUserProcesses=True",
                note(Check::LogindKillUserProcesses),
            ),
        ] {
            assert_eq!(problems(text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_setting_that_is_in_no_file_is_reported_with_the_command_that_ends_it() {
        let effective = LogindSettings {
            stop_idle_session: Some(Duration::from_secs(600)),
            ..LogindSettings::default()
        };
        let finding = stop_idle_session(&conf(""), Some(&effective));
        assert_eq!(finding.level, Level::Warning);
        assert_eq!(finding.fix, Some(Fix::Run(RELOAD.into())));
        let finding = stop_idle_session(&conf("StopIdleSessionSec=5min"), Some(&effective));
        let fix = "take out /etc/systemd/logind.conf:2, then: \
                    systemctl reload-or-restart systemd-logind";
        assert_eq!(finding.fix, Some(Fix::Do(fix.into())));
    }

    #[test]
    fn defaults_of_the_build_are_read_from_logind() {
        let effective = LogindSettings {
            kill_user_processes: Some(true),
            idle_action: Some("suspend".into()),
            ..LogindSettings::default()
        };
        let expected = [
            (Check::LogindIdleAction, Level::Note),
            (Check::LogindKillUserProcesses, Level::Note),
        ];
        assert_eq!(problems("", Some(&effective)), expected);
    }
}
