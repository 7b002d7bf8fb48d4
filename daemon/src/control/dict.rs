//! The D-Bus dictionaries of a session: its state, its remaining time, and the explanation of its
//! limits.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{
    Exemption, Groups, Keeper, LimitKind, LockCause, MilestoneKind, Phase, Pid, SessionFacts,
};
use session_timeout_protocol::bus::session;
use session_timeout_texts::sanitize;
use zbus::wire::Variant;

use super::micros;
use crate::report::{Explanation, SessionReport};

/// A D-Bus dictionary. Values that are unknown or do not apply have no key.
pub(super) type Dict = HashMap<&'static str, Variant<'static>>;

/// The state of a session. Among the keys are
/// - `Phase`: `survived` means that processes of the session still run after its end;
/// - `Leader`: the session's leader process;
/// - `AbsoluteRule`: the rule of the absolute limit, empty for `[default]`, if it is earlier than
///   that of `Rule` and applies because the session had other properties before;
/// - `Keeper`: `logind`, or `daemon` for a login that logind has no session for;
/// - `NoSession`: why logind has no session, a word of [`session_timeout_policy::NoSession`];
///   absent if logind keeps the session;
/// - `Unwarned`: whether neither a terminal nor an agent accepted the last warning.
pub(super) fn session_dict(session: &SessionReport) -> Dict {
    let (facts, limits) = (&session.facts, session.limits.as_ref());
    let fallbacks: Vec<&str> = session
        .idle_fallbacks
        .iter()
        .map(|source| source.as_str())
        .collect();
    let mut row = head(session);
    row.extend(kept(facts));
    row.extend([
        (session::UID, Variant::from(facts.uid.as_raw())),
        (session::TYPE, Variant::from(facts.session_type.as_str())),
        (
            session::CLASS,
            Variant::from(facts.class.as_str().to_owned()),
        ),
        (
            session::IDLE_SOURCE,
            Variant::from(session.idle_source.as_str()),
        ),
        (session::IDLE_FALLBACKS, Variant::from(fallbacks)),
        (session::LOCKED, Variant::from(session.locked)),
        (session::LOCK_MISSED, Variant::from(session.lock_missed)),
        (session::UNWARNED, Variant::from(session.unwarned)),
    ]);
    let owned = |text: &Option<String>| text.clone().map(Variant::from);
    let span = |span: Option<Duration>| span.map(|span| Variant::from(micros(span)));
    let inactivity = limits.and_then(|limits| limits.get(LimitKind::Inactivity));
    let allowed = session.extensions.map(|all| Variant::from(all.times));
    let used = limits.map(|_| Variant::from(session.granted.times));
    let ends_by = session.ends.map(|(limit, _)| limit.to_string());
    let known = [
        (session::SERVICE, owned(&facts.service)),
        (session::FROM, owned(&facts.remote_host)),
        (session::TERMINAL, owned(&facts.terminal)),
        (session::SEAT, owned(&facts.seat)),
        (
            session::LEADER,
            facts.leader.map(Pid::as_raw).map(Variant::from),
        ),
        (session::IDLE_USEC, span(session.idle)),
        (session::IDLE_AGE_USEC, span(session.probed)),
        (
            session::AGENT_SOURCE,
            session.agent.map(|source| Variant::from(source.as_str())),
        ),
        // Not secret: every peer on the bus can see all names and their users.
        (
            session::AGENT,
            owned(&session.agent_name.as_ref().map(ToString::to_string)),
        ),
        (
            session::INHIBITED_BY,
            owned(&session.inhibitor.as_deref().map(sanitize)),
        ),
        (session::ENDS_BY, owned(&ends_by)),
        (session::LEFT_USEC, span(session.ends.map(|(_, left)| left))),
        (session::ABSOLUTE_USEC, span(session.absolute)),
        (session::ABSOLUTE_RULE, owned(&session.absolute_rule)),
        (
            session::INACTIVITY_USEC,
            span(inactivity.map(|limit| limit.length)),
        ),
        (
            session::LOCK_AFTER_USEC,
            span(limits.and_then(|limits| limits.lock_after)),
        ),
        (session::EXTENSIONS_ALLOWED, allowed),
        (session::EXTENSIONS_USED, used),
    ];
    row.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    row
}

/// The remaining time of a session.
pub(super) fn left_dict(session: &SessionReport) -> Dict {
    let mut row = head(session);
    row.insert(session::LOCKED, Variant::from(session.locked));
    let span = |span: Duration| Variant::from(micros(span));
    if let Some((limit, left)) = session.ends {
        row.insert(session::ENDS_BY, Variant::from(limit.to_string()));
        row.insert(session::LEFT_USEC, span(left));
    }
    if let Some(length) = session.length {
        row.insert(session::LIMIT_USEC, span(length));
    }
    if let Some(extensions) = session.extensions {
        row.extend([
            (session::EXTENSIONS_ALLOWED, Variant::from(extensions.times)),
            (
                session::EXTENSIONS_USED,
                Variant::from(session.granted.times),
            ),
            (session::EXTEND_BY_USEC, span(extensions.by)),
        ]);
    }
    row
}

/// The explanation of a session's limits.
pub(super) fn explanation_dict(explanation: Explanation) -> Dict {
    let mut row = head(&explanation.session);
    row.extend(kept(&explanation.session.facts));
    row.insert(
        session::UNWARNED,
        Variant::from(explanation.session.unwarned),
    );
    let earlier = explanation.session.absolute_rule.clone();
    row.extend(earlier.map(|rule| (session::ABSOLUTE_RULE, Variant::from(rule))));
    if let Groups::Known(names) = explanation.session.groups {
        let names: Vec<String> = names.into_iter().collect();
        row.insert(session::GROUPS, Variant::from(names));
    }
    let settings = explanation.settings.into_iter();
    let settings: Vec<(String, String, String)> = settings
        .map(|one| (one.key.to_owned(), one.value, one.origin.to_string()))
        .collect();
    row.insert(session::SETTINGS, Variant::from(settings));
    let schedule = explanation.schedule.into_iter();
    let schedule: Vec<(String, String, u64)> = schedule
        .map(|(what, left)| {
            let (what, limit) = match what {
                MilestoneKind::End(limit) => ("end", LockCause::Limit(limit)),
                MilestoneKind::Lock => ("lock", LockCause::LockAfter),
                MilestoneKind::Warning(limit, _) => ("warning", LockCause::Limit(limit)),
            };
            (what.to_owned(), limit.to_string(), micros(left))
        })
        .collect();
    row.insert(session::SCHEDULE, Variant::from(schedule));
    row
}

/// The keys about the keeper of a session: logind, or the daemon with the reason why logind has no
/// session.
fn kept(facts: &SessionFacts) -> Dict {
    match facts.keeper {
        Keeper::Logind => HashMap::from([(session::KEEPER, Variant::from("logind"))]),
        Keeper::Daemon(why) => HashMap::from([
            (session::KEEPER, Variant::from("daemon")),
            (session::NO_SESSION, Variant::from(why.as_str())),
        ]),
    }
}

/// The keys that are always present.
fn head(session: &SessionReport) -> Dict {
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
        (session::ID, Variant::from(session.facts.key.id.to_string())),
        (session::USER, Variant::from(session.facts.user.clone())),
        (session::PHASE, Variant::from(phase)),
    ]);
    let groups = match session.groups {
        Groups::Unavailable => Some("unavailable"),
        Groups::Unknown if session.phase == Phase::Undecided => Some("asked"),
        Groups::Unknown | Groups::Known(_) => None,
    };
    let exemption = match session.phase {
        Phase::Exempt(why) => Some(why),
        _ => None,
    };
    let limits = session.limits.as_ref();
    let known = [
        (session::RULE, session.rule.clone().map(Variant::from)),
        (session::GROUPS_STATE, groups.map(Variant::from)),
        (
            session::EXEMPTION,
            exemption.map(|why: Exemption| Variant::from(why.to_string())),
        ),
        (
            session::END_ACTION,
            limits.map(|limits| {
                let action = limits
                    .end_action
                    .for_session_type(session.facts.session_type);
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
    use session_timeout_policy::{NoSession, SessionKey};

    use super::*;
    use crate::fixtures;

    fn facts(keeper: Keeper) -> SessionFacts {
        SessionFacts {
            key: SessionKey {
                id: "login-4711".into(),
                stamp: 1,
            },
            leader: Some(Pid::new(4711)),
            service: Some("sshd".into()),
            keeper,
            ..fixtures::session()
        }
    }

    #[test]
    fn the_keeper_of_a_session_is_named_and_why_logind_has_none() {
        let keys = |keeper| {
            let row = kept(&facts(keeper));
            let word = |key| {
                let value: Option<&Variant<'_>> = row.get(key);
                value.and_then(|value| <&str>::try_from(value).ok().map(str::to_owned))
            };
            (word(session::KEEPER), word(session::NO_SESSION))
        };
        assert_eq!(keys(Keeper::Logind), (Some("logind".into()), None));
        assert_eq!(
            keys(Keeper::Daemon(NoSession::Full)),
            (Some("daemon".into()), Some("logind-full".into()))
        );
    }
}
