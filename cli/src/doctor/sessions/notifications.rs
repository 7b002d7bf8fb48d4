//! Checks whether warnings are shown on desktops, as their agents report.

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::sessions::report::{Notifications, SessionReport, subject};

/// The finding about this session; `None` if its agent was not asked, or its limits give no
/// warnings.
pub(crate) fn examine(report: &SessionReport) -> Option<Finding> {
    let check = Check::SessionNotifications;
    let session = &report.session;
    if session.end_action.as_deref() == Some("report") {
        return None;
    }
    let subject = subject(report);
    let said = |what: &str| format!("{subject}: {what}");
    Some(match report.notifications? {
        Notifications::Shown => Finding::ok(check, &said("warnings are shown on its screen")),
        Notifications::WithoutButtons => Finding::note(
            check,
            &said("its notification server shows warnings, and without buttons to answer them"),
        ),
        Notifications::Nowhere => {
            let what = "it has no notification server: warnings are shown on its terminals alone";
            let fix = report.desktop.start_server(&session.session_type);
            Finding::warning(check, &said(what)).do_this(&fix)
        }
        Notifications::Unsaid => {
            let what = "its agent does not answer: nobody knows whether warnings are shown";
            let fix = report.desktop.restart_agent(&session.user);
            Finding::warning(check, &said(what)).do_this(&fix)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;
    use crate::doctor::sessions::desktop::Desktop;
    use crate::status::Session;

    fn report(notifications: Option<Notifications>) -> SessionReport {
        SessionReport {
            session: Session {
                id: "c1".into(),
                user: "alice".into(),
                session_type: "wayland".into(),
                end_action: Some("terminate".into()),
                ..Session::default()
            },
            desktop: Desktop::named("sway"),
            notifications,
            ..SessionReport::default()
        }
    }

    #[test]
    fn what_an_agent_says_is_read_by_its_words() {
        for (word, meaning) in [
            ("ok", Some(Notifications::Shown)),
            ("no-actions", Some(Notifications::WithoutButtons)),
            ("none", Some(Notifications::Nowhere)),
            ("perhaps", None),
        ] {
            assert_eq!(Notifications::parse(word), meaning, "{word}");
        }
    }

    #[test]
    fn a_screen_that_no_warning_reaches_is_a_warning_and_its_fix_the_desktops_own() {
        let finding = examine(&report(Some(Notifications::Nowhere))).unwrap();
        assert_eq!(finding.level, Level::Warning);
        let fix = finding.fix.as_ref().map(|fix| fix.text().to_owned());
        let fix = fix.unwrap_or_default();
        assert!(
            fix.contains("apt install mako-notifier") && fix.contains("exec mako"),
            "{fix}"
        );
    }

    #[test]
    fn a_server_without_buttons_is_noted_and_an_agent_that_does_not_answer_a_warning() {
        let level = |notifications| examine(&report(Some(notifications))).unwrap().level;
        assert_eq!(level(Notifications::Shown), Level::Ok);
        assert_eq!(level(Notifications::WithoutButtons), Level::Note);
        assert_eq!(level(Notifications::Unsaid), Level::Warning);
    }

    #[test]
    fn nothing_is_said_where_nobody_was_asked_or_is_warned() {
        assert_eq!(examine(&report(None)), None);
        let mut reported = report(Some(Notifications::Nowhere));
        reported.session.end_action = Some("report".into());
        assert_eq!(examine(&reported), None);
    }
}
