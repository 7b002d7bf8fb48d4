//! Checks of the existing sessions: the source of their idle time, and whether their limits can be
//! enforced.

pub(crate) mod desktop;
pub(crate) mod kept;
mod locks;
pub(crate) mod notifications;
pub(crate) mod report;
pub(crate) mod untracked;

use session_timeout_texts::roughly;

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::sessions::report::{
    SessionReport, is_graphical, is_judged, is_unknown, subject,
};
use crate::status::Session;
use crate::text::listed;

/// All findings about the sessions with limits.
pub(crate) fn examine(sessions: &[SessionReport]) -> Vec<Finding> {
    let judged = sessions.iter().filter(|report| is_judged(&report.session));
    let findings: Vec<Finding> = judged.flat_map(of_one).collect();
    if findings.is_empty() {
        let what = "there is no session that a limit holds for";
        return vec![Finding::ok(Check::SessionIdleSource, what)];
    }
    findings
}

fn of_one(report: &SessionReport) -> Vec<Finding> {
    let found = [
        Some(idle_source(report)),
        agent(report),
        inactivity(report),
        locks::examine(report),
        notifications::examine(report),
        groups(report),
    ];
    let found = found.into_iter().flatten();
    found
        .map(|finding| finding.of_session(&report.session.id))
        .collect()
}

/// Whether a limit depends on its idle time.
fn counts_idle_time(session: &Session) -> bool {
    session.inactivity.is_some() || session.lock_after.is_some()
}

fn idle_source(report: &SessionReport) -> Finding {
    let session = &report.session;
    let source = match (session.idle_source.as_str(), &session.agent_source) {
        ("agent", Some(how)) => format!("its agent ({how}) tells its idle time"),
        ("agent", None) => "its agent tells its idle time".to_owned(),
        ("terminals", _) => "its terminals tell its idle time".to_owned(),
        ("output", _) => "what its processes do tells its idle time".to_owned(),
        ("logind", _) => "logind tells its idle time".to_owned(),
        ("unknown" | "", _) => "nobody can tell its idle time".to_owned(),
        (other, _) => format!("{other} tells its idle time"),
    };
    let fallbacks = session.idle_fallbacks.as_deref().map(|fallbacks| {
        let fallbacks: Vec<&str> = fallbacks.iter().map(String::as_str).collect();
        match fallbacks.as_slice() {
            [] => "; without that, nobody could".to_owned(),
            some => format!("; without that, {}", listed(some, "or")),
        }
    });
    // "unknown" is the last source.
    let fallbacks = fallbacks
        .filter(|_| !is_unknown(session))
        .unwrap_or_default();
    let what = format!("{}: {source}{fallbacks}", subject(report));
    Finding::ok(Check::SessionIdleSource, &what)
}

/// A desktop needs an agent with a source of idle time.
fn agent(report: &SessionReport) -> Option<Finding> {
    let session = &report.session;
    if !is_graphical(session) {
        return None;
    }
    let subject = subject(report);
    let found = |what: &str| {
        let what = format!("{subject}: {what}");
        if counts_idle_time(session) {
            Finding::warning(Check::SessionAgent, &what)
        } else {
            Finding::note(Check::SessionAgent, &what)
        }
    };
    match session.agent_source.as_deref() {
        None => {
            let hint = report.desktop.hint();
            let what = format!("no agent tells its idle time, and {hint}");
            Some(found(&what).do_this(&report.desktop.start_agent(&session.user)))
        }
        Some("none") => Some(
            found("its agent finds nobody on this desktop who tells idle time").do_this(
                "see why, in the session: session-timeout-agent --print-source; the absolute \
                 limit holds all the same",
            ),
        ),
        Some(_) => None,
    }
}

/// An inactivity limit that cannot be enforced, since the idle time is unknown.
fn inactivity(report: &SessionReport) -> Option<Finding> {
    let session = &report.session;
    let limit = session.inactivity?;
    let check = Check::SessionInactivity;
    let subject = subject(report);
    let limit = roughly(limit);
    if !is_unknown(session) {
        return Some(Finding::ok(
            check,
            &format!("{subject}: its inactivity limit of {limit} can be enforced"),
        ));
    }
    if report.unknown_idle.as_deref() == Some("count-from-login") {
        let what = format!("{subject}: its inactivity limit of {limit} counts from the login");
        return Some(Finding::note(check, &what));
    }
    let what = format!("{subject}: its inactivity limit of {limit} cannot be enforced");
    let first = match (is_graphical(session), &session.agent_source) {
        (true, None) => "get it an agent, or ",
        (true, Some(_)) => "",
        (false, _) => "let output count, with activity = [\"input\", \"output\"], or ",
    };
    Some(Finding::warning(check, &what).do_this(&format!(
        "{first}have it counted from the login, with unknown-idle = \"count-from-login\" in the \
         policy; its absolute limit holds all the same"
    )))
}

fn groups(report: &SessionReport) -> Option<Finding> {
    let session = &report.session;
    let affected = session.groups_state.as_deref() == Some("unavailable") && session.rule.is_none();
    affected.then(|| {
        let what = format!(
            "{}: nobody could tell the groups of its user, so [default] holds instead of a rule",
            subject(report)
        );
        let fix = format!("see what keeps the name services: id {}", session.user);
        Finding::warning(Check::SessionGroups, &what).do_this(&fix)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::finding::{Fix, Level};
    use crate::doctor::sessions::desktop::Desktop;

    const LIMIT: Duration = Duration::from_secs(900);

    fn report(session_type: &str, idle_source: &str) -> SessionReport {
        SessionReport {
            session: Session {
                id: "c1".into(),
                user: "alice".into(),
                session_type: session_type.into(),
                phase: "running".into(),
                idle_source: idle_source.into(),
                end_action: Some("terminate".into()),
                ..Session::default()
            },
            ..SessionReport::default()
        }
    }

    fn problems_of(report: SessionReport) -> Vec<(Check, Level)> {
        let findings = examine(&[report]);
        let problems_of = findings.iter().filter(|finding| finding.level > Level::Ok);
        problems_of
            .map(|finding| {
                assert_eq!(finding.session.as_deref(), Some("c1"));
                (finding.check, finding.level)
            })
            .collect()
    }

    #[test]
    fn where_idle_time_comes_from_is_said_with_what_would_be_next() {
        let said = |idle_source: &str, fallbacks: Option<&[&str]>| {
            let mut report = report("tty", idle_source);
            report.session.agent_source = Some("mutter".into());
            report.session.idle_fallbacks =
                fallbacks.map(|names| names.iter().map(|&name| name.into()).collect());
            idle_source_of(&report)
        };
        let subject = "session c1 of alice (tty): ";
        for (source, fallbacks, text) in [
            ("terminals", None, "its terminals tell its idle time"),
            (
                "agent",
                Some(["logind", "terminals"].as_slice()),
                "its agent (mutter) tells its idle time; without that, logind or terminals",
            ),
            (
                "logind",
                Some([].as_slice()),
                "logind tells its idle time; without that, nobody could",
            ),
            (
                "unknown",
                Some([].as_slice()),
                "nobody can tell its idle time",
            ),
            ("moon", None, "moon tells its idle time"),
        ] {
            assert_eq!(said(source, fallbacks), format!("{subject}{text}"));
        }
    }

    fn idle_source_of(report: &SessionReport) -> String {
        idle_source(report).what
    }

    #[test]
    fn a_terminal_that_is_known_is_well() {
        let mut well = report("tty", "terminals");
        well.session.inactivity = Some(LIMIT);
        assert_eq!(problems_of(well), []);
        assert_eq!(problems_of(report("tty", "unknown")), []);
    }

    #[test]
    fn a_limit_that_nobody_can_enforce_is_a_warning_unless_it_counts_from_the_login() {
        let unknown = |unknown_idle: Option<&str>| {
            let mut report = report("tty", "unknown");
            report.session.inactivity = Some(LIMIT);
            report.unknown_idle = unknown_idle.map(str::to_owned);
            problems_of(report)
        };
        let check = Check::SessionInactivity;
        assert_eq!(unknown(Some("report")), [(check, Level::Warning)]);
        assert_eq!(unknown(None), [(check, Level::Warning)]);
        assert_eq!(unknown(Some("count-from-login")), [(check, Level::Note)]);
    }

    #[test]
    fn a_desktop_without_an_agent_matters_where_idle_time_does() {
        let mut desktop = report("wayland", "unknown");
        assert_eq!(
            problems_of(report("wayland", "unknown")),
            [(Check::SessionAgent, Level::Note)]
        );
        desktop.session.inactivity = Some(LIMIT);
        assert_eq!(
            problems_of(desktop),
            [
                (Check::SessionAgent, Level::Warning),
                (Check::SessionInactivity, Level::Warning)
            ]
        );
        let mut locked = report("x11", "logind");
        locked.session.lock_after = Some(LIMIT);
        assert_eq!(problems_of(locked), [(Check::SessionAgent, Level::Warning)]);
    }

    #[test]
    fn an_agent_that_knows_is_enough_and_one_that_does_not_is_said() {
        let mut desktop = report("wayland", "agent");
        desktop.session.agent_source = Some("ext-idle-notify".into());
        assert_eq!(problems_of(desktop), []);
        let mut blind = report("wayland", "logind");
        blind.session.agent_source = Some("none".into());
        assert_eq!(problems_of(blind), [(Check::SessionAgent, Level::Note)]);
    }

    #[test]
    fn the_fix_of_a_desktop_without_an_agent_is_the_desktops_own() {
        let mut desktop = report("wayland", "unknown");
        desktop.desktop = Desktop::named("sway");
        let finding = agent(&desktop).unwrap();
        assert!(finding.what.contains("(wayland, sway)"), "{finding:?}");
        assert!(
            finding
                .fix
                .as_ref()
                .is_some_and(|fix| fix.text().contains("sway start it: exec session-"))
        );
        assert_eq!(finding.fix.as_ref().and_then(Fix::command), None);
    }

    #[test]
    fn exempt_sessions_are_nobodys_business() {
        let mut exempt = report("wayland", "unknown");
        exempt.session.phase = "exempt".into();
        let findings = examine(&[exempt]);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].level, &findings[0].session),
            (Level::Ok, &None)
        );
    }

    #[test]
    fn groups_that_could_not_be_read_are_a_warning() {
        let mut report = report("tty", "terminals");
        report.session.groups_state = Some("unavailable".into());
        assert_eq!(
            problems_of(report),
            [(Check::SessionGroups, Level::Warning)]
        );
    }
}
