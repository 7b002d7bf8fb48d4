//! Checks for logins without a logind session, sessions that survived their end, and warnings that
//! nobody received.

use session_timeout_policy::NoSession;

use crate::doctor::checks::Check;
use crate::doctor::finding::{Finding, Level};
use crate::doctor::logind::conf::RELOAD;
use crate::doctor::sessions::report::is_judged;
use crate::no_session::{known, reason};
use crate::status::Session;
use crate::text::listed;

/// All of these findings.
pub(crate) fn examine(sessions: &[&Session]) -> Vec<Finding> {
    let mut findings = keepers(sessions);
    findings.extend(survivors(sessions));
    findings.extend(unwarned(sessions));
    findings
}

/// The limits are enforced all the same, but logind and its clients do not know of such a login.
fn keepers(sessions: &[&Session]) -> Vec<Finding> {
    let check = Check::SessionKeeper;
    let kept = sessions.iter().filter(|one| one.is_kept_by_the_daemon());
    let findings: Vec<Finding> = kept.map(|session| keeper(session)).collect();
    if findings.is_empty() {
        let what = "logind has a session for each login that session-timeoutd knows";
        return vec![Finding::ok(check, what)];
    }
    findings
}

fn keeper(session: &Session) -> Finding {
    let word = session.no_session.as_deref().unwrap_or_default();
    let (level, limits) = if is_judged(session) {
        (Level::Warning, "its limits hold all the same")
    } else {
        (Level::Note, "no limit holds for it")
    };
    let what = format!(
        "{}: logind has no session for it: {}; session-timeoutd keeps it itself, and {limits}",
        subject(session),
        reason(word)
    );
    Finding::new(Check::SessionKeeper, level, &what)
        .do_this(&fix(session, known(word)))
        .of_session(&session.id)
}

/// How the next login of this kind gets a session.
fn fix(session: &Session, why: Option<NoSession>) -> String {
    let stack = match &session.service {
        Some(service) => format!("/etc/pam.d/{service}"),
        None => "the file of its PAM service".to_owned(),
    };
    match why {
        Some(NoSession::Full) => format!(
            "see what fills logind: loginctl list-sessions; end what is left behind there, or \
             raise SessionsMax= in /etc/systemd/logind.conf, then: {RELOAD}"
        ),
        Some(NoSession::NameRefused) => format!(
            "rename the account, so that its name is no number and has no blank at its ends and \
             no colon or slash in it: usermod --login NAME {}",
            shell_word(&session.user)
        ),
        Some(NoSession::NotInStack) => format!(
            "add the line `@include common-session` to {stack}, or `session optional \
             pam_systemd.so` above the line of pam_session_timeout.so"
        ),
        Some(NoSession::Silent) => "see what kept logind: journalctl -u systemd-logind; a new \
                                    login gets a session once logind answers"
            .to_owned(),
        Some(NoSession::Dropped) => format!(
            "see why: journalctl -u systemd-logind; a session module after pam_systemd.so in \
             {stack} may move logins out of their control group"
        ),
        Some(NoSession::Unknown) | None => format!(
            "look in {stack} for a control before pam_systemd.so that ends the stack or jumps \
             over it (sufficient, [success=done], [success=1])"
        ),
    }
}

/// The name quoted for a shell, so that the command can be copied.
fn shell_word(name: &str) -> String {
    format!("'{}'", name.replace('\'', "'\\''"))
}

fn survivors(sessions: &[&Session]) -> Vec<Finding> {
    let survived = sessions.iter().filter(|one| one.phase == "survived");
    let finding = |session: &&Session| {
        let what = format!(
            "{}: it was ended, and something of it lives on; session-timeoutd tries again",
            subject(session)
        );
        let leader = session
            .leader
            .map(|pid| format!(" (it began with process {pid})"));
        let fix = format!(
            "see what session-timeoutd has tried: journalctl -t session-timeoutd \
             SESSION_TIMEOUT_SESSION_ID={}; then end what is left{}",
            session.id,
            leader.unwrap_or_default()
        );
        Finding::error(Check::SessionSurvived, &what)
            .do_this(&fix)
            .of_session(&session.id)
    };
    survived.map(finding).collect()
}

/// One finding for all, since the fix is the same.
fn unwarned(sessions: &[&Session]) -> Option<Finding> {
    let unwarned: Vec<&&Session> = sessions
        .iter()
        .filter(|session| session.unwarned == Some(true))
        .collect();
    let names: Vec<String> = unwarned.iter().map(|session| subject(session)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (first, rest) = unwarned.split_first()?;
    let what = format!(
        "a warning reached nobody in {}: no terminal took it, and there is no agent that shows it",
        listed(&names, "and")
    );
    let finding = Finding::warning(Check::SessionUnwarned, &what).do_this(
        "a desktop needs session-timeout-agent, and a terminal has to be the session's own and \
         read what is written to it; where neither can be, as in a transfer, the limits hold \
         without a warning",
    );
    Some(if rest.is_empty() {
        finding.of_session(&first.id)
    } else {
        finding
    })
}

/// `session c1 of alice (tty, sshd)`
fn subject(session: &Session) -> String {
    let kind = match &session.service {
        Some(service) => format!("{}, {service}", session.session_type),
        None => session.session_type.clone(),
    };
    format!("session {} of {} ({kind})", session.id, session.user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str) -> Session {
        Session {
            id: id.into(),
            user: "alice".into(),
            session_type: "tty".into(),
            service: Some("sshd".into()),
            phase: "running".into(),
            keeper: Some("logind".into()),
            leader: Some(4711),
            unwarned: Some(false),
            ..Session::default()
        }
    }

    fn kept(word: &str) -> Session {
        Session {
            keeper: Some("daemon".into()),
            no_session: Some(word.into()),
            ..session("login-4711")
        }
    }

    #[test]
    fn each_reason_has_a_fix_of_its_own() {
        for (word, fix) in [
            ("logind-full", "raise SessionsMax= in"),
            ("name-refused", "usermod --login NAME 'alice'"),
            (
                "not-in-stack",
                "`@include common-session` to /etc/pam.d/sshd",
            ),
            ("logind-silent", "journalctl -u systemd-logind; a new login"),
            (
                "dropped",
                "after pam_systemd.so in /etc/pam.d/sshd may move",
            ),
            ("unknown", "look in /etc/pam.d/sshd for a control"),
            ("eclipse", "look in /etc/pam.d/sshd for a control"),
        ] {
            let found = examine(&[&kept(word), &session("c1")]);
            let [finding] = found.as_slice() else {
                panic!("{found:?}");
            };
            assert_eq!(finding.check, Check::SessionKeeper);
            assert_eq!(finding.level, Level::Warning);
            assert_eq!(finding.session.as_deref(), Some("login-4711"));
            let its = finding.fix.as_ref().unwrap().text();
            assert!(its.contains(fix), "{word}: {its}");
        }
        let mut exempt = kept("logind-full");
        exempt.phase = "exempt".into();
        assert_eq!(examine(&[&exempt])[0].level, Level::Note);
    }

    #[test]
    fn a_name_is_one_word_of_the_shell() {
        let mut session = kept("name-refused");
        session.user = "a'; reboot".into();
        let found = examine(&[&session]);
        let fix = found[0].fix.as_ref().unwrap().text();
        assert!(
            fix.ends_with(r"usermod --login NAME 'a'\''; reboot'"),
            "{fix}"
        );
    }

    #[test]
    fn where_logind_keeps_all_that_is_well() {
        let found = examine(&[&session("c1")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].level, Level::Ok);
    }

    #[test]
    fn what_lives_on_after_its_end_is_an_error() {
        let mut survived = session("c1");
        survived.phase = "survived".into();
        let found = examine(&[&survived]);
        let error = found.last().unwrap();
        assert_eq!(
            (error.check, error.level),
            (Check::SessionSurvived, Level::Error)
        );
        assert_eq!(error.session.as_deref(), Some("c1"));
        let fix = error.fix.as_ref().unwrap().text();
        assert!(fix.contains("SESSION_TIMEOUT_SESSION_ID=c1;"), "{fix}");
        assert!(fix.contains("process 4711"), "{fix}");
    }

    #[test]
    fn warnings_that_nobody_saw_are_one_warning() {
        let unwarned = |id: &str| Session {
            unwarned: Some(true),
            ..session(id)
        };
        let one = examine(&[&unwarned("c1"), &session("c2")]);
        assert_eq!(one.last().unwrap().session.as_deref(), Some("c1"));
        let two = examine(&[&unwarned("c1"), &unwarned("c2")]);
        assert_eq!(two.len(), 2, "{two:?}");
        let finding = two.last().unwrap();
        assert_eq!((finding.level, &finding.session), (Level::Warning, &None));
        let expected = "a warning reached nobody in session c1 of alice (tty, sshd) and \
                        session c2 of alice (tty, sshd): no terminal";
        assert!(finding.what.starts_with(expected), "{finding:?}");
    }
}
