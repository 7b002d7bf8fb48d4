//! What D-Bus has of a session.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{
    Exemption, Groups, Keeper, LimitKind, LockCause, MilestoneKind, Phase, Pid, SessionFacts,
};
use session_timeout_texts::sanitize;
use zbus::wire::Variant;

use super::micros;
use crate::report::{Explanation, SessionReport};

/// What D-Bus has of something: what is not known or does not hold is not there.
pub(super) type Row = HashMap<&'static str, Variant<'static>>;

/// The state of a session. Among the keys are
/// - `Phase`: `survived` means that processes of the session still run after its end;
/// - `Leader`: the session's leader process;
/// - `AbsoluteRule`: the rule of the absolute limit, empty for `[default]`, if it is earlier than
///   that of `Rule` and applies because the session had other properties before;
/// - `Keeper`: `logind`, or `daemon` for a login that logind has no session for;
/// - `NoSession`: why logind has no session, a word of [`session_timeout_policy::NoSession`];
///   absent if logind keeps the session;
/// - `Unwarned`: whether neither a terminal nor an agent accepted the last warning.
pub(super) fn row(session: &SessionReport) -> Row {
    let (facts, limits) = (&session.facts, session.limits.as_ref());
    let fallbacks: Vec<&str> = session
        .idle_fallbacks
        .iter()
        .map(|source| source.as_str())
        .collect();
    let mut row = head(session);
    row.extend(kept(facts));
    row.extend([
        ("Uid", Variant::from(facts.uid.as_raw())),
        ("Type", Variant::from(facts.session_type.as_str())),
        ("Class", Variant::from(facts.class.as_str().to_owned())),
        ("IdleSource", Variant::from(session.idle_source.as_str())),
        ("IdleFallbacks", Variant::from(fallbacks)),
        ("Locked", Variant::from(session.locked)),
        ("LockMissed", Variant::from(session.lock_missed)),
        ("Unwarned", Variant::from(session.unwarned)),
    ]);
    let owned = |text: &Option<String>| text.clone().map(Variant::from);
    let span = |span: Option<Duration>| span.map(|span| Variant::from(micros(span)));
    let inactivity = limits.and_then(|limits| limits.get(LimitKind::Inactivity));
    let allowed = session.extensions.map(|all| Variant::from(all.times));
    let used = limits.map(|_| Variant::from(session.granted.times));
    let ends_by = session.ends.map(|(limit, _)| limit.to_string());
    let known = [
        ("Service", owned(&facts.service)),
        ("From", owned(&facts.remote_host)),
        ("Terminal", owned(&facts.terminal)),
        ("Seat", owned(&facts.seat)),
        ("Leader", facts.leader.map(Pid::as_raw).map(Variant::from)),
        ("IdleUSec", span(session.idle)),
        ("IdleAgeUSec", span(session.looked)),
        (
            "AgentSource",
            session.agent.map(|source| Variant::from(source.as_str())),
        ),
        // No secret: every peer on the bus can see all names, and their users.
        (
            "Agent",
            owned(&session.agent_name.as_ref().map(ToString::to_string)),
        ),
        (
            "InhibitedBy",
            owned(&session.inhibitor.as_deref().map(sanitize)),
        ),
        ("EndsBy", owned(&ends_by)),
        ("LeftUSec", span(session.ends.map(|(_, left)| left))),
        ("AbsoluteUSec", span(session.absolute)),
        ("AbsoluteRule", owned(&session.absolute_rule)),
        ("InactivityUSec", span(inactivity.map(|limit| limit.length))),
        (
            "LockAfterUSec",
            span(limits.and_then(|limits| limits.lock_after)),
        ),
        ("ExtensionsAllowed", allowed),
        ("ExtensionsUsed", used),
    ];
    row.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    row
}

/// What a session has left.
pub(super) fn left(session: &SessionReport) -> Row {
    let mut row = head(session);
    row.insert("Locked", Variant::from(session.locked));
    let span = |span: Duration| Variant::from(micros(span));
    if let Some((limit, left)) = session.ends {
        row.insert("EndsBy", Variant::from(limit.to_string()));
        row.insert("LeftUSec", span(left));
    }
    if let Some(length) = session.length {
        row.insert("LimitUSec", span(length));
    }
    if let Some(extensions) = session.extensions {
        row.extend([
            ("ExtensionsAllowed", Variant::from(extensions.times)),
            ("ExtensionsUsed", Variant::from(session.granted.times)),
            ("ExtendByUSec", span(extensions.by)),
        ]);
    }
    row
}

/// Why a session stands there.
pub(super) fn explained(explanation: Explanation) -> Row {
    let mut row = head(&explanation.session);
    row.extend(kept(&explanation.session.facts));
    row.insert("Unwarned", Variant::from(explanation.session.unwarned));
    let earlier = explanation.session.absolute_rule.clone();
    row.extend(earlier.map(|rule| ("AbsoluteRule", Variant::from(rule))));
    if let Groups::Known(names) = explanation.session.groups {
        let names: Vec<String> = names.into_iter().collect();
        row.insert("Groups", Variant::from(names));
    }
    let settings = explanation.settings.into_iter();
    let settings: Vec<(String, String, String)> = settings
        .map(|one| (one.key.to_owned(), one.value, one.origin.to_string()))
        .collect();
    row.insert("Settings", Variant::from(settings));
    let schedule = explanation.schedule.into_iter();
    let schedule: Vec<(String, String, u64)> = schedule
        .map(|(what, left)| {
            let (what, limit) = match what {
                MilestoneKind::End(limit) => ("end", LockCause::Limit(limit)),
                MilestoneKind::Lock => ("lock", LockCause::Stage),
                MilestoneKind::Warning(limit, _) => ("warning", LockCause::Limit(limit)),
            };
            (what.to_owned(), limit.to_string(), micros(left))
        })
        .collect();
    row.insert("Schedule", Variant::from(schedule));
    row
}

/// Whether logind or the daemon keeps the session, and for the daemon, why logind has none.
fn kept(facts: &SessionFacts) -> Row {
    match facts.keeper {
        Keeper::Logind => HashMap::from([("Keeper", Variant::from("logind"))]),
        Keeper::Daemon(why) => HashMap::from([
            ("Keeper", Variant::from("daemon")),
            ("NoSession", Variant::from(why.as_str())),
        ]),
    }
}

/// What is always told of a session.
fn head(session: &SessionReport) -> Row {
    let phase = match session.phase {
        Phase::Running => "running",
        Phase::Warned => "warned",
        Phase::Ending(_) => "ending",
        Phase::Survived(_) => "survived",
        Phase::Held(_) => "held",
        Phase::Reported => "reported",
        Phase::Undecided => "undecided",
        Phase::Exempt(_) => "exempt",
    };
    let mut row = HashMap::from([
        ("Id", Variant::from(session.facts.key.id.clone())),
        ("User", Variant::from(session.facts.user.clone())),
        ("Phase", Variant::from(phase)),
    ]);
    let groups = match session.groups {
        Groups::Unavailable => Some("unavailable"),
        Groups::Untold if session.phase == Phase::Undecided => Some("asked"),
        Groups::Untold | Groups::Known(_) => None,
    };
    let exemption = match session.phase {
        Phase::Exempt(why) => Some(why),
        _ => None,
    };
    let limits = session.limits.as_ref();
    let known = [
        ("Rule", session.rule.clone().map(Variant::from)),
        ("GroupsState", groups.map(Variant::from)),
        (
            "Exemption",
            exemption.map(|why: Exemption| Variant::from(why.to_string())),
        ),
        (
            "EndAction",
            limits.map(|limits| {
                let action = limits.end_action.within(session.facts.session_type);
                Variant::from(action.as_str())
            }),
        ),
    ];
    row.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    row
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{BootTime, NoSession, SessionClass, SessionKey, SessionType, Uid};

    use super::*;

    fn facts(keeper: Keeper) -> SessionFacts {
        SessionFacts {
            key: SessionKey {
                id: "login-4711".into(),
                stamp: 1,
            },
            user: "alice".into(),
            uid: Uid::new(1000),
            class: SessionClass::User,
            session_type: SessionType::Tty,
            leader: Some(Pid::new(4711)),
            service: Some("sshd".into()),
            remote_host: None,
            terminal: None,
            seat: None,
            started: BootTime::default(),
            keeper,
            invocation: None,
            audit: None,
        }
    }

    #[test]
    fn who_keeps_a_session_is_told_and_why_logind_does_not() {
        let told = |keeper| {
            let row = kept(&facts(keeper));
            let word = |key| {
                let value: Option<&Variant<'_>> = row.get(key);
                value.and_then(|value| <&str>::try_from(value).ok().map(str::to_owned))
            };
            (word("Keeper"), word("NoSession"))
        };
        assert_eq!(told(Keeper::Logind), (Some("logind".into()), None));
        assert_eq!(
            told(Keeper::Daemon(NoSession::Full)),
            (Some("daemon".into()), Some("logind-full".into()))
        );
    }
}
