//! Every text that people read: at the login, on their terminals and in the logs.

use std::time::Duration;

use session_timeout_config::duration::for_people;
use session_timeout_policy::{EndAction, LimitKind, Limits, SessionFacts, View, Warning};

/// The longest text that is written to a terminal, in bytes. A pty takes 17,408 before it is
/// full, so that several warnings fit even where nobody reads.
const MAX: usize = 1024;

/// The line at the login.
pub(crate) fn announcement(limits: &Limits) -> Option<String> {
    if limits.end_action == EndAction::Report {
        return None;
    }
    let absolute = for_people(limits.absolute.length);
    Some(match &limits.inactivity {
        None => format!("This session ends after {absolute}."),
        Some(inactivity) => format!(
            "This session ends after {absolute}, or after {} without input.",
            for_people(inactivity.length)
        ),
    })
}

/// What a warning says on a terminal.
pub(crate) fn warning(
    session: &SessionFacts,
    limits: &Limits,
    since: Since,
    warning: &Warning,
    left: Duration,
) -> String {
    let comes = what_comes(session, limits);
    let length = for_people(warning.length);
    let reason = reason(warning.limit, &length, since);
    let own = message(session, limits, since, warning, left);
    let left = for_people(rounded(left));
    let text = match (own, warning.limit) {
        (Some(message), _) => message,
        (None, LimitKind::Absolute) => {
            format!("Session timeout: this session {comes} in {left}, {reason}.")
        }
        (None, LimitKind::Inactivity) => format!(
            "Session timeout: this session {comes} in {left}, for lack of input. \
             Press a key to stay."
        ),
    };
    framed(&text)
}

/// The administrator's own text for a warning, filled in, where there is one.
pub(crate) fn message(
    session: &SessionFacts,
    limits: &Limits,
    since: Since,
    warning: &Warning,
    left: Duration,
) -> Option<String> {
    let message = limits.message.as_ref()?;
    let length = for_people(warning.length);
    let reason = reason(warning.limit, &length, since);
    let filled = message
        .replace("{user}", &session.user)
        .replace("{limit}", &length)
        .replace("{left}", &for_people(rounded(left)))
        .replace("{reason}", &reason);
    Some(harmless(&filled))
}

/// What the terminal shows last.
pub(crate) fn end(kind: LimitKind, length: Duration, since: Since) -> String {
    let reason = reason(kind, &for_people(length), since);
    framed(&format!(
        "Session timeout: this session has ended, {reason}."
    ))
}

/// What a session is threatened with: that it "ends", or "is locked".
pub(crate) fn what_comes(session: &SessionFacts, limits: &Limits) -> &'static str {
    match limits.end_action.within(session.session_type) {
        EndAction::Lock => "is locked",
        EndAction::HangUp | EndAction::Report | EndAction::Terminate => "ends",
    }
}

/// What the absolute limit of a session counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Login,
    /// The last unlock of a screen that was locked for a limit.
    Unlock,
}

impl Since {
    pub(crate) fn of(session: &View<'_>) -> Self {
        match session.locking.renewed {
            None => Self::Login,
            Some(_) => Self::Unlock,
        }
    }
}

/// The rule that a session falls under, to follow a sentence: ` (rule "card data")`.
pub(crate) fn by_rule(session: &View<'_>) -> String {
    session
        .rule
        .map(|rule| format!(" (rule \"{rule}\")"))
        .unwrap_or_default()
}

/// Why a session ends.
pub(crate) fn reason(kind: LimitKind, length: &str, since: Since) -> String {
    match (kind, since) {
        (LimitKind::Absolute, Since::Login) => format!("{length} after the login"),
        (LimitKind::Absolute, Since::Unlock) => format!("{length} after the last unlock"),
        (LimitKind::Inactivity, _) => format!("after {length} without input"),
    }
}

/// Text as it may stand in a log or on a terminal: nothing in it moves a cursor, changes a
/// colour, begins a line or turns the direction of writing.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

/// A whole number of seconds, the nearest: a timer that fires a moment late must not make
/// "59 s" of a minute.
fn rounded(left: Duration) -> Duration {
    Duration::from_secs(left.saturating_add(Duration::from_millis(500)).as_secs())
}

/// A line of its own, wherever the cursor stands.
fn framed(text: &str) -> String {
    let mut line = harmless(text);
    let end = (0..=MAX - 4)
        .rev()
        .find(|&end| line.is_char_boundary(end))
        .unwrap_or(0);
    line.truncate(end.min(line.len()));
    format!("\r\n{line}\r\n")
}

fn is_harmful(c: char) -> bool {
    // Cc is C0, DEL and C1. The others are the bidirectional controls of UAX #9, the line and
    // paragraph separators, and the byte order mark.
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{
        BootTime, Leads, Limit, SessionClass, SessionKey, SessionType, Uid,
    };

    use super::*;

    fn session(user: &str) -> SessionFacts {
        SessionFacts {
            key: SessionKey {
                id: "c1".into(),
                stamp: 1,
            },
            user: user.into(),
            uid: Uid::new(1000),
            class: SessionClass::User,
            session_type: SessionType::Tty,
            leader: None,
            service: None,
            remote_host: None,
            terminal: None,
            seat: None,
            started: BootTime::default(),
        }
    }

    fn limit(secs: u64) -> Limit {
        Limit {
            length: Duration::from_secs(secs),
            leads: Leads::default(),
        }
    }

    fn warn(kind: LimitKind, length: u64) -> Warning {
        Warning {
            limit: kind,
            length: Duration::from_secs(length),
            lead: Duration::from_secs(60),
            ends_at: BootTime::default(),
        }
    }

    #[test]
    fn the_login_line_names_each_limit() {
        let mut limits = Limits::default();
        assert_eq!(
            announcement(&limits).as_deref(),
            Some("This session ends after 24 h.")
        );
        limits.inactivity = Some(limit(900));
        assert_eq!(
            announcement(&limits).as_deref(),
            Some("This session ends after 24 h, or after 15 min without input.")
        );
        limits.end_action = EndAction::Report;
        assert_eq!(announcement(&limits), None);
    }

    #[test]
    fn a_warning_says_what_ends_when_and_why() {
        let limits = Limits::default();
        let left = Duration::from_millis(59_800);
        assert_eq!(
            warning(
                &session("alice"),
                &limits,
                Since::Login,
                &warn(LimitKind::Absolute, 86_400),
                left
            ),
            "\r\nSession timeout: this session ends in 1 min, 24 h after the login.\r\n"
        );
        assert_eq!(
            warning(
                &session("alice"),
                &limits,
                Since::Login,
                &warn(LimitKind::Inactivity, 900),
                left
            ),
            "\r\nSession timeout: this session ends in 1 min, for lack of input. \
             Press a key to stay.\r\n"
        );
        assert_eq!(
            end(
                LimitKind::Inactivity,
                Duration::from_secs(900),
                Since::Login
            ),
            "\r\nSession timeout: this session has ended, after 15 min without input.\r\n"
        );
    }

    #[test]
    fn a_desktop_that_is_going_to_be_locked_is_told_so() {
        let limits = Limits {
            end_action: EndAction::Lock,
            ..Limits::default()
        };
        let said = |session_type| {
            let session = SessionFacts {
                session_type,
                ..session("alice")
            };
            let left = Duration::from_secs(30);
            warning(
                &session,
                &limits,
                Since::Login,
                &warn(LimitKind::Absolute, 86_400),
                left,
            )
        };
        assert!(said(SessionType::Wayland).contains("this session is locked in 30 s"));
        // A terminal cannot be locked.
        assert!(said(SessionType::Tty).contains("this session ends in 30 s"));
    }

    #[test]
    fn after_an_unlock_the_time_counts_from_there() {
        let length = Duration::from_secs(7200);
        assert_eq!(
            end(LimitKind::Absolute, length, Since::Unlock),
            "\r\nSession timeout: this session has ended, 2 h after the last unlock.\r\n"
        );
    }

    #[test]
    fn the_administrators_own_message_is_filled_in() {
        let limits = Limits {
            message: Some("{user}: {left} left of {limit} ({reason})".into()),
            ..Limits::default()
        };
        assert_eq!(
            warning(
                &session("bob"),
                &limits,
                Since::Login,
                &warn(LimitKind::Inactivity, 900),
                Duration::from_secs(30)
            ),
            "\r\nbob: 30 s left of 15 min (after 15 min without input)\r\n"
        );
    }

    #[test]
    fn nothing_from_outside_commands_a_terminal() {
        for hostile in [
            "\u{1b}[2J",
            "a\nb",
            "a\rb",
            "\u{9b}2J",
            "\u{202e}abc",
            "\u{7}",
            "\u{7f}",
        ] {
            let limits = Limits {
                message: Some(format!("{{user}} {hostile}")),
                ..Limits::default()
            };
            let text = warning(
                &session(hostile),
                &limits,
                Since::Login,
                &warn(LimitKind::Absolute, 60),
                Duration::from_secs(1),
            );
            let inner = text
                .strip_prefix("\r\n")
                .unwrap()
                .strip_suffix("\r\n")
                .unwrap();
            assert!(!inner.chars().any(is_harmful), "{text:?}");
        }
        let long = Limits {
            message: Some("é".repeat(5000)),
            ..Limits::default()
        };
        let text = warning(
            &session("a"),
            &long,
            Since::Login,
            &warn(LimitKind::Absolute, 60),
            Duration::from_secs(1),
        );
        assert!(
            text.len() <= MAX && text.ends_with("\r\n"),
            "{}",
            text.len()
        );
    }
}
