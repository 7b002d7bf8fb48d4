//! The sessions that there are: who tells their idle time, and whether their limits can hold.

pub(crate) mod desktop;
pub(crate) mod kept;
mod locks;
pub(crate) mod notifications;
pub(crate) mod untracked;

use session_timeout_texts::roughly;

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::sessions::desktop::Desktop;
use crate::doctor::sessions::notifications::Notifications;
use crate::status::Session;
use crate::text::listed;

/// A session and what others than the daemon say of it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) session: Session,
    /// Its desktop, as logind has it (`XDG_SESSION_DESKTOP`).
    pub(crate) desktop: Desktop,
    /// `unknown-idle` of its policy, where somebody asked.
    pub(crate) unknown_idle: Option<String>,
    /// How warnings reach its screen, where somebody asked its agent.
    pub(crate) notifications: Option<Notifications>,
}

/// Everything about the sessions that are judged.
pub(crate) fn examine(sessions: &[Facts]) -> Vec<Finding> {
    let judged = sessions.iter().filter(|facts| is_judged(&facts.session));
    let findings: Vec<Finding> = judged.flat_map(of_one).collect();
    if findings.is_empty() {
        let what = "there is no session that a limit holds for";
        return vec![Finding::ok(Check::SessionIdleSource, what)];
    }
    findings
}

/// Whether a limit holds for it, or will once its groups are known.
pub(crate) fn is_judged(session: &Session) -> bool {
    session.phase != "exempt" && session.exemption.is_none()
}

/// Whether nobody can tell its idle time.
pub(crate) fn is_unknown(session: &Session) -> bool {
    session.idle.is_none() && matches!(session.idle_source.as_str(), "unknown" | "")
}

fn of_one(facts: &Facts) -> Vec<Finding> {
    let found = [
        Some(idle_source(facts)),
        agent(facts),
        inactivity(facts),
        locks::examine(facts),
        notifications::examine(facts),
        groups(facts),
    ];
    let found = found.into_iter().flatten();
    found
        .map(|finding| finding.of_session(&facts.session.id))
        .collect()
}

/// `session c1 of alice (wayland, KDE)`
pub(super) fn subject(facts: &Facts) -> String {
    let Session {
        id,
        user,
        session_type,
        ..
    } = &facts.session;
    match facts.desktop.name() {
        Some(desktop) => format!("session {id} of {user} ({session_type}, {desktop})"),
        None => format!("session {id} of {user} ({session_type})"),
    }
}

pub(crate) fn is_graphical(session: &Session) -> bool {
    matches!(session.session_type.as_str(), "x11" | "wayland" | "mir")
}

/// Whether it matters how long it is idle.
fn counts_idle_time(session: &Session) -> bool {
    session.inactivity.is_some() || session.lock_after.is_some()
}

fn idle_source(facts: &Facts) -> Finding {
    let session = &facts.session;
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
    // Nothing comes after nobody.
    let fallbacks = fallbacks
        .filter(|_| !is_unknown(session))
        .unwrap_or_default();
    let what = format!("{}: {source}{fallbacks}", subject(facts));
    Finding::ok(Check::SessionIdleSource, &what)
}

/// A desktop needs an agent, and one that knows.
fn agent(facts: &Facts) -> Option<Finding> {
    let session = &facts.session;
    if !is_graphical(session) {
        return None;
    }
    let subject = subject(facts);
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
            let hint = facts.desktop.hint();
            let what = format!("no agent tells its idle time, and {hint}");
            Some(found(&what).do_this(&facts.desktop.start_agent(&session.user)))
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

/// A limit that nobody can enforce.
fn inactivity(facts: &Facts) -> Option<Finding> {
    let session = &facts.session;
    let limit = session.inactivity?;
    let check = Check::SessionInactivity;
    let subject = subject(facts);
    let limit = roughly(limit);
    if !is_unknown(session) {
        return Some(Finding::ok(
            check,
            &format!("{subject}: its inactivity limit of {limit} can be enforced"),
        ));
    }
    if facts.unknown_idle.as_deref() == Some("count-from-login") {
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

fn groups(facts: &Facts) -> Option<Finding> {
    let session = &facts.session;
    let affected = session.groups_state.as_deref() == Some("unavailable") && session.rule.is_none();
    affected.then(|| {
        let what = format!(
            "{}: nobody could tell the groups of its user, so [default] holds instead of a rule",
            subject(facts)
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

    const LIMIT: Duration = Duration::from_secs(900);

    fn facts(session_type: &str, idle_source: &str) -> Facts {
        Facts {
            session: Session {
                id: "c1".into(),
                user: "alice".into(),
                session_type: session_type.into(),
                phase: "running".into(),
                idle_source: idle_source.into(),
                end_action: Some("terminate".into()),
                ..Session::default()
            },
            ..Facts::default()
        }
    }

    fn ills(facts: Facts) -> Vec<(Check, Level)> {
        let findings = examine(&[facts]);
        let ills = findings.iter().filter(|finding| finding.level > Level::Ok);
        ills.map(|finding| {
            assert_eq!(finding.session.as_deref(), Some("c1"));
            (finding.check, finding.level)
        })
        .collect()
    }

    #[test]
    fn where_idle_time_comes_from_is_said_with_what_would_be_next() {
        let said = |idle_source: &str, fallbacks: Option<&[&str]>| {
            let mut facts = facts("tty", idle_source);
            facts.session.agent_source = Some("mutter".into());
            facts.session.idle_fallbacks =
                fallbacks.map(|names| names.iter().map(|&name| name.into()).collect());
            idle_source_of(&facts)
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

    fn idle_source_of(facts: &Facts) -> String {
        idle_source(facts).what
    }

    #[test]
    fn a_terminal_that_is_known_is_well() {
        let mut well = facts("tty", "terminals");
        well.session.inactivity = Some(LIMIT);
        assert_eq!(ills(well), []);
        assert_eq!(ills(facts("tty", "unknown")), []);
    }

    #[test]
    fn a_limit_that_nobody_can_enforce_is_a_warning_unless_it_counts_from_the_login() {
        let unknown = |unknown_idle: Option<&str>| {
            let mut facts = facts("tty", "unknown");
            facts.session.inactivity = Some(LIMIT);
            facts.unknown_idle = unknown_idle.map(str::to_owned);
            ills(facts)
        };
        let check = Check::SessionInactivity;
        assert_eq!(unknown(Some("report")), [(check, Level::Warning)]);
        assert_eq!(unknown(None), [(check, Level::Warning)]);
        assert_eq!(unknown(Some("count-from-login")), [(check, Level::Note)]);
    }

    #[test]
    fn a_desktop_without_an_agent_matters_where_idle_time_does() {
        let mut desktop = facts("wayland", "unknown");
        assert_eq!(
            ills(facts("wayland", "unknown")),
            [(Check::SessionAgent, Level::Note)]
        );
        desktop.session.inactivity = Some(LIMIT);
        assert_eq!(
            ills(desktop),
            [
                (Check::SessionAgent, Level::Warning),
                (Check::SessionInactivity, Level::Warning)
            ]
        );
        let mut locked = facts("x11", "logind");
        locked.session.lock_after = Some(LIMIT);
        assert_eq!(ills(locked), [(Check::SessionAgent, Level::Warning)]);
    }

    #[test]
    fn an_agent_that_knows_is_enough_and_one_that_does_not_is_said() {
        let mut desktop = facts("wayland", "agent");
        desktop.session.agent_source = Some("ext-idle-notify".into());
        assert_eq!(ills(desktop), []);
        let mut blind = facts("wayland", "logind");
        blind.session.agent_source = Some("none".into());
        assert_eq!(ills(blind), [(Check::SessionAgent, Level::Note)]);
    }

    #[test]
    fn the_fix_of_a_desktop_without_an_agent_is_the_desktops_own() {
        let mut desktop = facts("wayland", "unknown");
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
        let mut exempt = facts("wayland", "unknown");
        exempt.session.phase = "exempt".into();
        let findings = examine(&[exempt]);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].level, &findings[0].session),
            (Level::Ok, &None)
        );
    }

    #[test]
    fn groups_that_nobody_told_are_a_warning() {
        let mut facts = facts("tty", "terminals");
        facts.session.groups_state = Some("unavailable".into());
        assert_eq!(ills(facts), [(Check::SessionGroups, Level::Warning)]);
    }
}
