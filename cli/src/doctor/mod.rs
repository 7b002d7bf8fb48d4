//! `doctor`: checks what works on this machine and what does not, and says how to fix it.
//!
//! Each check has two parts: `gather` reads files below a [`Root`] or calls the bus, and `examine`
//! makes findings of the result without I/O.

mod by_type;
mod checks;
mod collect;
mod daemon;
mod finding;
pub(crate) mod json;
mod logind;
mod pam;
mod policy_limits;
mod polkit;
mod programs;
pub(crate) mod render_text;
mod root;
mod sessions;
mod sshd;
mod system;
mod tmout;
mod unit;
mod vnc;

use finding::{Finding, Level};
use policy_limits::PolicyLimits;
use root::Root;

use crate::status::Session;

/// All findings, in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    findings: Vec<Finding>,
}

impl Diagnosis {
    /// The exit status of the command.
    pub(crate) fn exit_code(&self) -> u8 {
        self.worst().exit_code()
    }

    fn worst(&self) -> Level {
        finding::worst(&self.findings)
    }
}

/// Examines this machine.
pub(crate) async fn examine() -> Diagnosis {
    let root = Root::system();
    let collected = collect::collect().await;
    let files = daemon::files(&collected.daemon);
    let policy_limits = files
        .settings()
        .map_or_else(PolicyLimits::default, PolicyLimits::of);
    let sshd = sshd::Sshd::gather(&root, collected.sshd.as_deref());
    let logind_conf = logind::conf::LogindConf::read(&root);
    let socket = daemon::Socket::gather(&root);

    let pam = pam::PamConfig::gather(&root);
    let mut findings = pam::examine(&pam);
    findings.extend(pam::backstop::examine(pam.stacks(), files.settings()));
    findings.push(sshd::examine_pam(sshd.as_ref()));
    findings.extend(daemon::examine(
        &collected.daemon,
        socket,
        &files,
        &collected.outcome,
    ));
    findings.extend(daemon::enabled(&collected.units));
    findings.extend(collected.helper.as_ref().map(daemon::terminals));
    findings.extend(files.settings().map(by_type::examine));
    // Without the daemon the sessions are unknown, which is already a finding.
    if collected.daemon.is_ok() {
        findings.extend(sessions::examine(&collected.sessions));
        let sessions: Vec<&Session> = collected.sessions.iter().map(|one| &one.session).collect();
        findings.extend(sessions::kept::examine(&sessions));
        let logins = sessions::untracked::gather(&root);
        findings.extend(sessions::untracked::examine(logins.as_deref(), &sessions));
    }
    findings.extend(logind::capacity::examine(&collected.capacity));
    findings.extend(logind::examine(&logind_conf, collected.logind.as_ref()));
    findings.extend(tmout::examine(
        &tmout::TmoutSettings::gather(&root),
        &policy_limits,
    ));
    findings.extend(sshd::examine_timeouts(sshd.as_ref(), &policy_limits));
    findings.extend(programs::examine(&programs::gather(&root)));
    let system = system::System::gather(&root, collected.clock);
    findings.extend(system::examine(&system, &policy_limits));
    findings.extend(polkit::examine(collected.polkit, &policy_limits));
    findings.extend(vnc::examine(&collected.vnc));
    Diagnosis { findings }
}

/// A diagnosis with a finding of each level, for the tests of the output.
#[cfg(test)]
fn sample() -> Diagnosis {
    use checks::Check;

    let missing = Finding::error(Check::PamStack, "pam_session_timeout.so is missing");
    let unknown = Finding::warning(Check::SessionInactivity, "session c1: nobody can tell");
    Diagnosis {
        findings: vec![
            Finding::ok(Check::PamModule, "the PAM module is installed"),
            missing.run_this("pam-auth-update --enable session-timeout"),
            Finding::ok(Check::DaemonRunning, "it runs"),
            unknown.of_session("c1"),
            Finding::note(Check::LogindIdleAction, "logind acts"),
            Finding::ok(Check::SystemClock, "it goes"),
        ],
    }
}
