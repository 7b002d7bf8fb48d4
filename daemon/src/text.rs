//! What users are told at the login and on their terminals.
//!
//! It is said in the language of the machine, like every other message at a login: the language of
//! a terminal is not known. sshd hears of the client's locale after PAM, and the
//! environment of a process is hidden from a daemon without `CAP_SYS_PTRACE` (proc(5)).

use std::time::Duration;

use session_timeout_policy::{EndAction, LimitKind, Limits, View, Warning};
use session_timeout_texts::{Cause, End, Language, Sentence, exactly, sanitize};

/// The longest text that is written to a terminal, in bytes. A pty takes 17,408 before it is
/// full, so that several warnings fit even where nobody reads.
const TEXT_MAX_BYTES: usize = 1024;

/// The line at the login.
pub(crate) fn announcement(language: Language, limits: &Limits) -> Option<String> {
    if limits.end_action == EndAction::Report {
        return None;
    }
    Some(language.say(Sentence::Limits {
        absolute: limits.absolute.length,
        inactivity: limits.inactivity.as_ref().map(|limit| limit.length),
    }))
}

/// What a warning says on a terminal.
pub(crate) fn warning(
    language: Language,
    session: &View<'_>,
    warning: &Warning,
    left: Duration,
) -> String {
    let text = message(language, session, warning, left).unwrap_or_else(|| {
        language.say(Sentence::TerminalWarning {
            end: becomes(session, warning.limit),
            cause: cause(session, warning.limit),
            length: warning.length,
            left: rounded(left),
        })
    });
    framed(&text)
}

/// The administrator's own text for a warning, filled in, where there is one.
pub(crate) fn message(
    language: Language,
    session: &View<'_>,
    warning: &Warning,
    left: Duration,
) -> Option<String> {
    let message = session.limits_for(warning.limit)?.message.as_ref()?;
    let reason = Sentence::Reason {
        cause: cause(session, warning.limit),
        length: warning.length,
    };
    let filled = message
        .replace("{user}", &session.facts.user)
        .replace("{limit}", &exactly(warning.length))
        .replace("{left}", &exactly(rounded(left)))
        .replace("{reason}", &language.say(reason));
    Some(sanitize(&filled))
}

/// What the terminal shows last.
pub(crate) fn end(language: Language, session: &View<'_>, limit: LimitKind) -> String {
    framed(&language.say(Sentence::TerminalEnd {
        cause: cause(session, limit),
        length: session.length(limit).unwrap_or_default(),
        rule: session.rule_for(limit),
    }))
}

/// What a session ends for by this limit.
pub(crate) fn cause(session: &View<'_>, limit: LimitKind) -> Cause {
    match (limit, session.locking.unlocked_at) {
        (LimitKind::Inactivity, _) => Cause::Input,
        (LimitKind::Absolute, None) => Cause::Login,
        (LimitKind::Absolute, Some(_)) => Cause::Unlock,
    }
}

/// What happens to a session at its limit of this kind.
pub(crate) fn becomes(session: &View<'_>, limit: LimitKind) -> End {
    match session.end_action_for(limit) {
        Some(EndAction::Lock) => End::Locks,
        Some(EndAction::HangUp | EndAction::Report | EndAction::Terminate) | None => End::Ends,
    }
}

/// A whole number of seconds, the nearest: a timer that fires a moment late must not make
/// "59 s" of a minute.
fn rounded(left: Duration) -> Duration {
    Duration::from_secs(left.saturating_add(Duration::from_millis(500)).as_secs())
}

/// A line of its own, wherever the cursor stands.
fn framed(text: &str) -> String {
    let mut line = text.to_owned();
    let end = (0..=TEXT_MAX_BYTES - 4)
        .rev()
        .find(|&end| line.is_char_boundary(end))
        .unwrap_or(0);
    line.truncate(end.min(line.len()));
    format!("\r\n{line}\r\n")
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{
        BootTime, Engine, Event, Leads, Limit, Policy, SessionClass, SessionFacts, SessionKey,
        SessionType, Uid,
    };
    use session_timeout_texts::is_unprintable;

    use super::*;

    const LEFT: Duration = Duration::from_millis(59_800);

    fn facts(user: &str, session_type: SessionType) -> SessionFacts {
        SessionFacts {
            key: SessionKey {
                id: "c1".into(),
                stamp: 1,
            },
            user: user.into(),
            uid: Uid::new(1000),
            class: SessionClass::User,
            session_type,
            leader: None,
            service: None,
            remote_host: None,
            terminal: None,
            seat: None,
            started: BootTime::default(),
            keeper: session_timeout_policy::Keeper::Logind,
            invocation: None,
            audit: None,
        }
    }

    fn engine(facts: SessionFacts, limits: Limits) -> Engine {
        let now = BootTime::default();
        let mut engine = Engine::new(now, Policy::of(Some(limits)));
        let _ = engine.handle(now, Event::SessionSeen(facts));
        engine
    }

    fn limits() -> Limits {
        Limits {
            inactivity: Some(Limit {
                length: Duration::from_secs(900),
                leads: Leads::default(),
            }),
            ..Limits::default()
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

    /// What a user with these limits is warned of.
    fn warned(session_type: SessionType, limits: Limits, of: &Warning) -> String {
        let engine = engine(facts("alice", session_type), limits);
        warning(Language::English, &engine.session("c1").unwrap(), of, LEFT)
    }

    #[test]
    fn a_policy_that_only_reports_announces_nothing() {
        let said = announcement(Language::English, &limits());
        assert!(said.is_some_and(|said| said.contains("24 h, or after 15 min")));
        let quiet = Limits {
            end_action: EndAction::Report,
            ..limits()
        };
        assert_eq!(announcement(Language::English, &quiet), None);
    }

    #[test]
    fn a_warning_is_a_line_of_its_own_and_rounds_to_the_next_second() {
        assert_eq!(
            warned(
                SessionType::Tty,
                limits(),
                &warn(LimitKind::Absolute, 86_400)
            ),
            "\r\nSession timeout: this session ends in 1 min, 24 h after the login.\r\n"
        );
    }

    #[test]
    fn a_desktop_that_is_going_to_be_locked_is_told_so_and_a_terminal_cannot_be() {
        let said = |session_type| {
            let limits = Limits {
                end_action: EndAction::Lock,
                ..limits()
            };
            warned(session_type, limits, &warn(LimitKind::Absolute, 86_400))
        };
        assert!(said(SessionType::Wayland).contains("is locked in 1 min"));
        assert!(said(SessionType::Tty).contains("ends in 1 min"));
    }

    #[test]
    fn the_last_line_says_why_and_by_which_rule() {
        let engine = engine(facts("alice", SessionType::Tty), limits());
        let session = engine.session("c1").unwrap();
        assert_eq!(
            end(Language::English, &session, LimitKind::Inactivity),
            "\r\nSession timeout: this session has ended, after 15 min without input.\r\n"
        );
        let mut session = View {
            rule: Some("card data"),
            ..session
        };
        assert!(
            end(Language::English, &session, LimitKind::Absolute)
                .ends_with(", 24 h after the login (rule \"card data\").\r\n")
        );
        session.locking.unlocked_at = Some(BootTime::default());
        assert!(
            end(Language::German, &session, LimitKind::Absolute)
                .ends_with(", 24 h nach dem letzten Entsperren (Regel „card data“).\r\n")
        );
    }

    #[test]
    fn the_administrators_own_message_is_filled_in() {
        let limits = Limits {
            message: Some("{user}: {left} left of {limit} ({reason})".into()),
            ..limits()
        };
        assert_eq!(
            warned(SessionType::Tty, limits, &warn(LimitKind::Inactivity, 900)),
            "\r\nalice: 1 min left of 15 min (after 15 min without input)\r\n"
        );
    }

    #[test]
    fn nothing_from_outside_commands_a_terminal() {
        for hostile in ["\u{1b}[2J", "a\nb", "\u{9b}2J", "\u{202e}abc", "\u{7}"] {
            let limits = Limits {
                message: Some(format!("{{user}} {hostile}")),
                ..limits()
            };
            let engine = engine(facts(hostile, SessionType::Tty), limits);
            let session = engine.session("c1").unwrap();
            let of = warn(LimitKind::Absolute, 60);
            let text = warning(Language::English, &session, &of, LEFT);
            let inner = text.strip_prefix("\r\n").unwrap();
            let inner = inner.strip_suffix("\r\n").unwrap();
            assert!(!inner.chars().any(is_unprintable), "{text:?}");
        }
    }

    #[test]
    fn no_text_fills_a_terminal() {
        let long = Limits {
            message: Some("é".repeat(5000)),
            ..limits()
        };
        let text = warned(SessionType::Tty, long, &warn(LimitKind::Absolute, 60));
        assert!(text.len() <= TEXT_MAX_BYTES, "{}", text.len());
        assert!(text.ends_with("\r\n"));
    }
}
