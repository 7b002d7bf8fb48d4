//! Composes each sentence from messages of the catalogue.

use std::time::Duration;

use fluent_bundle::FluentArgs;

use crate::catalogue::say;
use crate::duration::{exactly, roughly};
use crate::{Cause, End, Language, Limit, LocalTime, Sentence, State, When, sanitize};

impl Language {
    /// The sentence in this language: one line, sanitized.
    #[must_use]
    pub fn say(self, sentence: Sentence<'_>) -> String {
        sentence.message(self).format(self)
    }
}

/// A message of the catalogue, with its arguments.
struct Message {
    id: &'static str,
    args: FluentArgs<'static>,
}

impl Message {
    fn new(id: &'static str) -> Self {
        Self {
            id,
            args: FluentArgs::new(),
        }
    }

    fn text(mut self, name: &'static str, text: &str) -> Self {
        self.args.set(name, sanitize(text));
        self
    }

    fn word(mut self, name: &'static str, word: &'static str) -> Self {
        self.args.set(name, word);
        self
    }

    fn whole(mut self, name: &'static str, time: Duration) -> Self {
        self.args.set(name, exactly(time));
        self
    }

    fn coarse(mut self, name: &'static str, time: Duration) -> Self {
        self.args.set(name, roughly(time));
        self
    }

    fn number(mut self, name: &'static str, number: impl Into<u64>) -> Self {
        self.args.set(name, number.into());
        self
    }

    fn rule(self, rule: Option<&str>) -> Self {
        match rule {
            Some(rule) => self.text("rule", rule),
            None => self,
        }
    }

    fn format(&self, language: Language) -> String {
        say(language, self.id, &self.args)
    }
}

impl Sentence<'_> {
    /// The messages that it uses, except those that they include themselves.
    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<&'static str> {
        let parts = match self {
            Self::LastEnding {
                when,
                cause,
                length,
                ..
            } => vec![when.message().id, cause.reason(length).id],
            Self::TerminalWarning { cause, length, .. }
            | Self::TerminalEnd { cause, length, .. } => vec![cause.reason(length).id],
            Self::SessionState { state, .. } => vec![state.id()],
            _ => Vec::new(),
        };
        let whole = self.message(Language::English).id;
        parts.into_iter().chain([whole]).collect()
    }

    fn message(self, language: Language) -> Message {
        match self {
            Self::Limits {
                absolute,
                inactivity: None,
            } => Message::new("limits-absolute").whole("absolute", absolute),
            Self::Limits {
                absolute,
                inactivity: Some(inactivity),
            } => Message::new("limits-both")
                .whole("absolute", absolute)
                .whole("inactivity", inactivity),
            Self::LastEnding {
                place,
                when,
                cause,
                length,
            } => {
                let (when, reason) = (
                    when.message().format(language),
                    cause.reason(length).format(language),
                );
                let message = match place {
                    Some(place) => Message::new("last-ending-at").text("place", place),
                    None => Message::new("last-ending"),
                };
                message.text("when", &when).text("reason", &reason)
            }
            Self::LastEndingTitle => Message::new("last-ending-title"),
            Self::Reason { cause, length } => cause.reason(length),
            Self::TerminalWarning {
                end,
                cause,
                length,
                left,
            } => {
                let message = match cause {
                    Cause::Login | Cause::Unlock => {
                        let reason = cause.reason(length).format(language);
                        Message::new("terminal-warning").text("reason", &reason)
                    }
                    Cause::Input => Message::new("terminal-warning-input"),
                };
                message.word("end", end.word()).whole("left", left)
            }
            Self::TerminalEnd {
                cause,
                length,
                rule,
            } => {
                let id = either(rule, "terminal-end", "terminal-end-rule");
                let reason = cause.reason(length).format(language);
                Message::new(id).text("reason", &reason).rule(rule)
            }
            Self::Program => Message::new("program"),
            Self::WarningTitle { end, left } if left.is_zero() => {
                Message::new("warning-title-now").word("end", end.word())
            }
            Self::WarningTitle { end, left } => Message::new("warning-title")
                .word("end", end.word())
                .whole("left", left),
            Self::WarningText {
                end,
                limit,
                length,
                rule,
            } => {
                let id = match (limit, end) {
                    (Limit::Absolute, End::Locks) => {
                        either(rule, "warning-text-locks", "warning-text-locks-rule")
                    }
                    (Limit::Absolute, _) => {
                        either(rule, "warning-text-ends", "warning-text-ends-rule")
                    }
                    (Limit::Inactivity, _) => {
                        either(rule, "warning-text-input", "warning-text-input-rule")
                    }
                };
                Message::new(id).whole("length", length).rule(rule)
            }
            Self::Offer { count, by } => {
                Message::new("offer").number("count", count).whole("by", by)
            }
            Self::OfferOfCommand { count, by } => Message::new("offer-command")
                .number("count", count)
                .whole("by", by),
            Self::Granted { by } => Message::new("granted").whole("by", by),
            Self::GrantedUntil { left } => Message::new("granted-until").whole("left", left),
            Self::NotExtended { why } => Message::new("not-extended").text("why", why),
            Self::NotHeard { why } => Message::new("not-heard").text("why", why),
            Self::NotSignedOut { why } => Message::new("not-signed-out").text("why", why),
            Self::EndNotice { end: End::Locks } => Message::new("end-notice-locks"),
            Self::EndNotice {
                end: End::Ends | End::Passes,
            } => Message::new("end-notice-ends"),
            Self::EndNoticeReason { end, limit, length } => Message::new(match (limit, end) {
                (Limit::Absolute, End::Locks) => "end-notice-every",
                (Limit::Absolute, End::Ends | End::Passes) => "end-notice-lasted",
                (Limit::Inactivity, _) => "end-notice-input",
            })
            .whole("length", length),
            Self::ButtonStay => Message::new("button-stay"),
            Self::ButtonSignOut => Message::new("button-sign-out"),
            Self::ButtonExtend { by } => Message::new("button-extend").whole("by", by),
            Self::State(state) => Message::new(state.id()),
            Self::SessionState { session, state } => Message::new("session-state")
                .text("session", session)
                .text("state", &Message::new(state.id()).format(language)),
            Self::SessionLeft { session, end, left } => Message::new("session-left")
                .text("session", session)
                .word("end", end.word())
                .coarse("left", left),
            Self::ByLimit {
                limit,
                length: None,
            } => Message::new(match limit {
                Limit::Absolute => "by-absolute",
                Limit::Inactivity => "by-inactivity",
            }),
            Self::ByLimit {
                limit,
                length: Some(length),
            } => Message::new(match limit {
                Limit::Absolute => "by-absolute-of",
                Limit::Inactivity => "by-inactivity-of",
            })
            .coarse("length", length),
            Self::ExtensionsLeft { count } => {
                Message::new("extensions-left").number("count", count)
            }
            Self::Extended {
                session,
                by,
                left,
                count,
            } => Message::new("extended")
                .text("session", session)
                .coarse("by", by)
                .coarse("left", left)
                .number("count", count),
            Self::Refused(why) => Message::new(crate::refused::id(why)),
            Self::AskedOnTerminals { why } => Message::new("asked-on-terminals").text("why", why),
            Self::NoTerminalAgent { why } => Message::new("no-terminal-agent").text("why", why),
        }
    }
}

impl Cause {
    fn reason(self, length: Duration) -> Message {
        Message::new(match self {
            Self::Login => "reason-login",
            Self::Unlock => "reason-unlock",
            Self::Input => "reason-input",
        })
        .whole("length", length)
    }
}

impl End {
    const fn word(self) -> &'static str {
        match self {
            Self::Ends => "ends",
            Self::Locks => "locks",
            Self::Passes => "passes",
        }
    }
}

impl State {
    const fn id(self) -> &'static str {
        match self {
            Self::Ending => "state-ending",
            Self::Locked => "state-locked",
            Self::Passed => "state-passed",
            Self::Undecided => "state-undecided",
            Self::NoLimit => "state-no-limit",
        }
    }
}

impl When {
    fn message(self) -> Message {
        let clock = |LocalTime { hour, minute, .. }| format!("{hour:02}:{minute:02}");
        match self {
            Self::Ago(ago) => age(ago),
            Self::Today(time) => Message::new("when-time").text("time", &clock(time)),
            Self::Dated(time) => Message::new("when-date")
                .text("year", &format!("{:04}", time.year))
                .text("month", &format!("{:02}", time.month))
                .text("day", &format!("{:02}", time.day))
                .text("time", &clock(time)),
        }
    }
}

/// How long ago something was, in the largest whole unit.
fn age(ago: Duration) -> Message {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = ago.as_secs();
    let whole = match seconds {
        0..MINUTE => return Message::new("when-just-now"),
        MINUTE..HOUR => seconds - seconds % MINUTE,
        HOUR..DAY => seconds - seconds % HOUR,
        _ => return Message::new("when-days").number("days", seconds / DAY),
    };
    Message::new("when-span").whole("span", Duration::from_secs(whole))
}

fn either<'a>(rule: Option<&str>, plain: &'a str, with_rule: &'a str) -> &'a str {
    match rule {
        None => plain,
        Some(_) => with_rule,
    }
}
