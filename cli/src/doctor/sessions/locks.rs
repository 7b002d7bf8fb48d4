//! Checks whether desktops lock when the policy locks them, and report that to logind.

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::sessions::report::{SessionReport, is_graphical, subject};
use crate::text::listed;

/// The finding about this session. A lock is only known if the desktop reports it to logind.
pub(crate) fn examine(report: &SessionReport) -> Option<Finding> {
    let session = &report.session;
    let ends_locked = session.end_action.as_deref() == Some("lock");
    let locks = ends_locked || session.lock_after.is_some();
    if !(locks && is_graphical(session)) {
        return None;
    }
    if session.lock_missed == Some(true) {
        return Some(missed(report));
    }
    match report.lockers.as_deref() {
        Some([]) => {}
        Some(lockers) => return Some(watched(report, lockers)),
        // An agent that was not asked may watch one.
        None if session.agent.is_some() => return None,
        None => {}
    }
    if !report.desktop.says_nothing_of_locks() {
        return None;
    }
    Some(if ends_locked {
        ended(report)
    } else {
        let what = format!(
            "{}: the policy locks it, and its desktop does not tell logind that it has",
            subject(report)
        );
        Finding::note(Check::SessionLock, &what)
    })
}

fn watched(report: &SessionReport, lockers: &[String]) -> Finding {
    let lockers: Vec<&str> = lockers.iter().map(String::as_str).collect();
    let what = format!(
        "{}: its agent tells logind when {} locks it",
        subject(report),
        listed(&lockers, "or")
    );
    Finding::ok(Check::SessionLock, &what)
}

/// The finding about a session that is to be locked at its limits, and cannot be believed to be.
fn ended(report: &SessionReport) -> Finding {
    let what = format!(
        "{}: the policy locks it at its limits, and its desktop does not tell logind that it has, \
         so it is ended after the grace, and unsaved work is lost",
        subject(report)
    );
    Finding::warning(Check::SessionLock, &what).do_this(
        "have the agent and a screen locker run there that the agent watches \
         (session-timeout-agent(1), LOCKS), or take another action for such sessions in the policy",
    )
}

/// The finding about a lock that did not happen; the journal has it as well.
fn missed(report: &SessionReport) -> Finding {
    let what = format!(
        "{}: it was to be locked, and its desktop does not say that it is",
        subject(report)
    );
    Finding::warning(Check::SessionLock, &what).do_this(&format!(
        "have a screen locker run there that listens to logind and tells it when it has locked \
         (LockedHint), then try: loginctl lock-session {}",
        report.session.id
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::finding::Level;
    use crate::doctor::sessions::desktop::Desktop;
    use crate::status::Session;

    const LOCK_AFTER: Duration = Duration::from_secs(300);

    fn report(desktop: &str, end_action: &str) -> SessionReport {
        SessionReport {
            session: Session {
                session_type: "x11".into(),
                end_action: Some(end_action.into()),
                ..Session::default()
            },
            desktop: Desktop::named(desktop),
            ..SessionReport::default()
        }
    }

    fn level(report: &SessionReport) -> Option<Level> {
        examine(report).map(|finding| finding.level)
    }

    #[test]
    fn a_lock_that_nobody_confirms_is_noted_and_a_warning_where_it_ends_the_session() {
        assert_eq!(level(&report("XFCE", "lock")), Some(Level::Warning));
        assert_eq!(level(&report("KDE", "lock")), None);
        assert_eq!(level(&report("", "lock")), None);
        let mut before = report("XFCE", "terminate");
        before.session.lock_after = Some(LOCK_AFTER);
        assert_eq!(level(&before), Some(Level::Note));
    }

    #[test]
    fn a_lock_that_the_agent_confirms_is_well() {
        let mut mate = report("MATE", "lock");
        mate.session.agent = Some(":1.9".into());
        assert_eq!(level(&mate), None, "nobody has asked the agent");
        mate.lockers = Some(vec!["mate-screensaver".into()]);
        assert_eq!(level(&mate), Some(Level::Ok));
        mate.lockers = Some(Vec::new());
        assert_eq!(level(&mate), Some(Level::Warning));
        mate.session.lock_missed = Some(true);
        mate.lockers = Some(vec!["mate-screensaver".into()]);
        assert_eq!(level(&mate), Some(Level::Warning));
    }

    #[test]
    fn a_lock_that_did_not_come_is_a_warning_whatever_the_desktop() {
        for (desktop, end_action, lock_after, found) in [
            ("gnome", "terminate", Some(LOCK_AFTER), Some(Level::Warning)),
            ("sway", "lock", None, Some(Level::Warning)),
            // The policy was changed after the lock.
            ("sway", "terminate", None, None),
        ] {
            let mut missed = report(desktop, end_action);
            missed.session.lock_after = lock_after;
            missed.session.lock_missed = Some(true);
            assert_eq!(level(&missed), found, "{desktop}");
        }
    }
}
