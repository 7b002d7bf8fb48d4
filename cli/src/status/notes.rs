//! The notes below the table of `status`: conditions that the table does not show.

use crate::no_session::reason;
use crate::status::{Policy, Session, Status};
use crate::text::listed;

/// One line for each note, or an indented block; empty if there are none.
pub(crate) fn notes(status: &Status) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(on_the_policy(&status.policy));
    notes.extend(status.policy.error.as_deref().map(indent));
    notes.extend(on_survivors(&status.sessions));
    notes.extend(on_the_unwarned(&status.sessions));
    notes.extend(on_logins(&status.sessions));
    notes.extend(status.sessions.iter().filter_map(on_an_earlier_limit));
    notes.extend(on_groups(&status.sessions));
    notes.extend(status.sessions.iter().filter_map(on_an_inhibitor));
    if status.short_limits {
        notes.push("Limits below the minima are allowed (--allow-short-limits).".into());
    }
    if status.logind != "connected" {
        notes.push("logind does not answer; what is shown may be out of date.".into());
    }
    match status.rejected_frames {
        0 => {}
        1 => notes.push("1 message on the login socket was rejected; see the journal.".into()),
        n => notes.push(format!(
            "{n} messages on the login socket were rejected; see the journal."
        )),
    }
    notes
}

fn on_the_policy(policy: &Policy) -> Option<String> {
    let path = &policy.path;
    // The error below says which of its files it is about.
    let refused = format!("The policy of {path} was refused");
    match (policy.state.as_str(), &policy.error) {
        ("in-force", None) => None,
        ("in-force", Some(_)) => Some(format!("{refused}; the one before it is still in force.")),
        ("built-in", None) => Some(format!(
            "There is no {path}; the built-in defaults are in force."
        )),
        ("built-in", Some(_)) => Some(format!("{refused}; the built-in defaults are in force.")),
        ("last-good", _) => Some(format!(
            "{refused}; a copy of the last good one is in force."
        )),
        ("none", _) => Some(format!(
            "{refused} and there is no last good one: NO LIMIT IS ENFORCED."
        )),
        (other, _) => Some(format!("The state of the policy of {path} is \"{other}\".")),
    }
}

/// The sessions that survived their end.
fn on_survivors(sessions: &[Session]) -> Option<String> {
    let survivors = named(sessions, |session| session.phase == "survived")?;
    Some(format!(
        "Of {survivors} something lives on after the end; session-timeoutd tries again."
    ))
}

/// The sessions whose users no warning reached.
fn on_the_unwarned(sessions: &[Session]) -> Option<String> {
    let unwarned = named(sessions, |session| session.unwarned == Some(true))?;
    Some(format!(
        "A warning reached nobody in {unwarned}: no terminal took it, and no agent."
    ))
}

/// The logins without a logind session, by reason.
fn on_logins(sessions: &[Session]) -> Vec<String> {
    let mut reasons: Vec<&str> = sessions
        .iter()
        .filter_map(|session| session.no_session.as_deref())
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    let notes = reasons.into_iter().filter_map(|word| {
        let logins = named(sessions, |session| {
            session.no_session.as_deref() == Some(word)
        })?;
        let why = reason(word);
        Some(format!(
            "session-timeoutd itself keeps {logins}, for which logind has no session: {why}."
        ))
    });
    notes.collect()
}

/// `session c1 of alice and session c2 of bob`, for the sessions that match; `None` if none does.
fn named(sessions: &[Session], wanted: impl Fn(&Session) -> bool) -> Option<String> {
    let wanted = sessions.iter().filter(|session| wanted(session));
    let names: Vec<String> = wanted
        .map(|session| format!("session {} of {}", session.id, session.user))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| listed(&names, "and"))
}

/// The sessions for which `[default]` holds because the groups of their users are unavailable.
fn on_groups(sessions: &[Session]) -> Option<String> {
    let affected = || {
        sessions.iter().filter(|session| {
            session.groups_state.as_deref() == Some("unavailable")
                && session.rule.is_none()
                && session.exemption.is_none()
        })
    };
    let mut users: Vec<&str> = affected().map(|session| session.user.as_str()).collect();
    users.sort_unstable();
    users.dedup();
    let ids: Vec<&str> = affected().map(|session| session.id.as_str()).collect();
    let sessions = match ids.as_slice() {
        [] => return None,
        [one] => format!("session {one}"),
        more => format!("sessions {}", listed(more, "and")),
    };
    let users = listed(&users, "and");
    Some(format!(
        "The groups of {users} are unavailable, so [default] holds for {sessions} \
         instead of a rule; see the journal."
    ))
}

/// An absolute limit that still holds after the session's properties were changed.
fn on_an_earlier_limit(session: &Session) -> Option<String> {
    let rule = session.absolute_rule.as_deref()?;
    let (id, limit) = (&session.id, earlier_limit(rule));
    Some(format!("Session {id} still has {limit}."))
}

/// `the absolute limit of the rule "lab", ...`, by the name of the rule; empty for `[default]`.
pub(crate) fn earlier_limit(rule: &str) -> String {
    let source = match rule {
        "" => "[default]".to_owned(),
        rule => format!("the rule \"{rule}\""),
    };
    format!(
        "the absolute limit of {source}, which held before its type, its class or its terminal \
         was changed"
    )
}

/// The program whose inhibitor keeps a session from becoming idle.
fn on_an_inhibitor(session: &Session) -> Option<String> {
    let holder = session.inhibited_by.as_deref()?;
    let id = &session.id;
    Some(format!(
        "Session {id} does not grow idle: {holder} holds an idle inhibitor."
    ))
}

fn indent(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn every_state_of_the_policy_but_the_good_one_is_said() {
        let mut status = sample();
        assert_eq!(notes(&status), Vec::<String>::new());
        for (state, says) in [
            (
                "built-in",
                "There is no /etc/session-timeout/policy.toml; the built-in",
            ),
            ("last-good", "was refused; a copy of the last good one is"),
            ("none", "NO LIMIT IS ENFORCED"),
            ("of-the-future", "is \"of-the-future\""),
        ] {
            status.policy.state = state.into();
            assert!(notes(&status).concat().contains(says), "{state}");
        }
        status.policy.state = "in-force".into();
        status.policy.error = Some("why".into());
        let expected = "The policy of /etc/session-timeout/policy.toml was refused; \
                        the one before it is still in force.";
        assert_eq!(notes(&status), [expected, "    why"]);
    }

    #[test]
    fn a_default_for_lack_of_groups_is_said() {
        let mut status = sample();
        status.sessions[0].groups_state = Some("unavailable".into());
        let expected = "The groups of alice are unavailable, so [default] holds for session c1 \
                        instead of a rule; see the journal.";
        assert_eq!(notes(&status), [expected]);

        let mut again = sample().sessions.remove(0);
        again.id = "c9".into();
        again.groups_state = Some("unavailable".into());
        status.sessions.push(again);
        let said = notes(&status).concat();
        assert!(
            said.contains("of alice are") && said.contains("sessions c1 and c9 "),
            "{said}"
        );
    }

    #[test]
    fn a_limit_that_a_change_of_the_session_did_not_take_away_is_said() {
        let mut status = sample();
        status.sessions[0].absolute_rule = Some("lab".into());
        status.sessions[1].absolute_rule = Some(String::new());
        let expected = [
            "Session c1 still has the absolute limit of the rule \"lab\", which held before its \
             type, its class or its terminal was changed.",
            "Session c2 still has the absolute limit of [default], which held before its type, its \
             class or its terminal was changed.",
        ];
        assert_eq!(notes(&status), expected);
    }

    #[test]
    fn a_lock_that_keeps_a_session_from_growing_idle_is_named() {
        let mut status = sample();
        status.sessions[1].inhibited_by = Some("totem".into());
        let expected = "Session c2 does not grow idle: totem holds an idle inhibitor.";
        assert_eq!(notes(&status), [expected]);
    }

    #[test]
    fn a_login_without_a_session_of_logind_is_named_with_the_reason() {
        let mut status = sample();
        for session in &mut status.sessions[..2] {
            session.no_session = Some("logind-full".into());
        }
        status.sessions[2].no_session = Some("eclipse".into());
        let expected = [
            "session-timeoutd itself keeps session 3 of root, for which logind has no session: \
             the reason is \"eclipse\".",
            "session-timeoutd itself keeps session c1 of alice and session c2 of bob, for which \
             logind has no session: logind has as many sessions as SessionsMax= allows.",
        ];
        assert_eq!(notes(&status), expected);
    }

    #[test]
    fn what_lives_on_and_who_was_not_warned_is_named() {
        let mut status = sample();
        status.sessions[0].phase = "survived".into();
        status.sessions[1].unwarned = Some(true);
        let expected = [
            "Of session c1 of alice something lives on after the end; session-timeoutd tries again.",
            "A warning reached nobody in session c2 of bob: no terminal took it, and no agent.",
        ];
        assert_eq!(notes(&status), expected);
    }

    #[test]
    fn groups_that_decide_nothing_are_not_missed() {
        let mut status = sample();
        status.sessions[0].groups_state = Some("asked".into());
        status.sessions[1].groups_state = Some("unavailable".into());
        status.sessions[1].rule = Some("bob".into());
        status.sessions[2].groups_state = Some("unavailable".into());
        assert_eq!(notes(&status), Vec::<String>::new());
    }
}
