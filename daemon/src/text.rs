//! The texts for users at the login and on their terminals.
//!
//! They are in the language of the machine, like other messages at a login, since the language of a
//! terminal is unknown: sshd receives the client's locale after PAM, and the daemon cannot read the
//! environment of processes without `CAP_SYS_PTRACE` (proc(5)).

use std::time::Duration;

use session_timeout_policy::{EndAction, LimitKind, Limits, View, Warning};
use session_timeout_texts::{Cause, End, Language, Sentence, exactly, sanitize};

/// Maximum length of a text on a terminal, in bytes. A pty holds 17,408 bytes, so several warnings
/// fit even if no process reads them.
const TEXT_MAX_BYTES: usize = 1024;

/// The line about the limits at a login.
pub(crate) fn announcement(language: Language, limits: &Limits) -> Option<String> {
    if limits.end_action == EndAction::Report {
        return None;
    }
    Some(language.say(Sentence::Limits {
        absolute: limits.absolute.length,
        inactivity: limits.inactivity.as_ref().map(|limit| limit.length),
    }))
}

/// The text of a warning on a terminal.
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

/// The administrator's text for a warning with its placeholders replaced, if the policy has one.
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

/// The last line on the terminal of a session that ends.
pub(crate) fn end(language: Language, session: &View<'_>, limit: LimitKind) -> String {
    framed(&language.say(Sentence::TerminalEnd {
        cause: cause(session, limit),
        length: session.length(limit).unwrap_or_default(),
        rule: session.rule_for(limit),
    }))
}

/// The time that this limit counts from: login, unlock, or input.
pub(crate) fn cause(session: &View<'_>, limit: LimitKind) -> Cause {
    match (limit, session.locking.unlocked_at) {
        (LimitKind::Inactivity, _) => Cause::Input,
        (LimitKind::Absolute, None) => Cause::Login,
        (LimitKind::Absolute, Some(_)) => Cause::Unlock,
    }
}

/// How a session ends at this limit.
pub(crate) fn becomes(session: &View<'_>, limit: LimitKind) -> End {
    match session.end_action_for(limit) {
        Some(EndAction::Lock) => End::Locks,
        Some(EndAction::HangUp | EndAction::Report | EndAction::Terminate) | None => End::Ends,
    }
}

/// Rounds to whole seconds, so that a timer that fires late does not turn `1 min` into `59 s`.
fn rounded(left: Duration) -> Duration {
    Duration::from_secs(left.saturating_add(Duration::from_millis(500)).as_secs())
}

/// Truncates the text to [`TEXT_MAX_BYTES`], and adds line breaks, so that it starts on a new line
/// at any cursor position.
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
        BootTime, Engine, Event, Leads, Limit, Policy, SessionFacts, SessionType,
    };
    use session_timeout_texts::is_unprintable;

    use super::*;
    use crate::fixtures;

    const LEFT: Duration = Duration::from_millis(59_800);

    fn facts(user: &str, session_type: SessionType) -> SessionFacts {
        SessionFacts {
            user: user.into(),
            session_type,
            ..fixtures::session()
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

    /// The warning for a user with these limits.
    fn warned(session_type: SessionType, limits: Limits, of: &Warning) -> String {
        let engine = engine(facts("alice", session_type), limits);
        warning(
            Language::English,
            &engine.session(&"c1".into()).unwrap(),
            of,
            LEFT,
        )
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
    fn a_desktop_that_will_be_locked_is_warned_of_a_lock_and_a_terminal_of_an_end() {
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
        let session = engine.session(&"c1".into()).unwrap();
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
            let session = engine.session(&"c1".into()).unwrap();
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
