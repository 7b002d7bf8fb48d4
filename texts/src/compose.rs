//! How each sentence is made of messages.

use std::time::Duration;

use fluent_bundle::FluentArgs;

use crate::catalogue::say;
use crate::duration::{exactly, roughly};
use crate::{Cause, End, Language, Limit, Sentence, State, sanitize};

impl Language {
    /// The sentence in this language: one line, without anything that commands a terminal.
    #[must_use]
    pub fn say(self, sentence: Sentence<'_>) -> String {
        sentence.told(self).said(self)
    }
}

/// A message of the catalogues, and what stands in its places.
struct Told {
    id: &'static str,
    args: FluentArgs<'static>,
}

impl Told {
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

    fn said(&self, language: Language) -> String {
        say(language, self.id, &self.args)
    }
}

impl Sentence<'_> {
    /// The messages that it is said with, but for those that they take in themselves.
    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<&'static str> {
        let parts = match self {
            Self::LastEnding {
                ago, cause, length, ..
            } => vec![when(ago).id, cause.reason(length).id],
            Self::TerminalWarning { cause, length, .. }
            | Self::TerminalEnd { cause, length, .. } => vec![cause.reason(length).id],
            Self::SessionState { state, .. } => vec![state.id()],
            _ => Vec::new(),
        };
        let whole = self.told(Language::English).id;
        parts.into_iter().chain([whole]).collect()
    }

    fn told(self, language: Language) -> Told {
        use Told as T;
        match self {
            Self::Limits {
                absolute,
                inactivity: None,
            } => T::new("limits-absolute").whole("absolute", absolute),
            Self::Limits {
                absolute,
                inactivity: Some(inactivity),
            } => T::new("limits-both")
                .whole("absolute", absolute)
                .whole("inactivity", inactivity),
            Self::LastEnding {
                place,
                ago,
                cause,
                length,
            } => {
                let (when, reason) = (
                    when(ago).said(language),
                    cause.reason(length).said(language),
                );
                let told = match place {
                    Some(place) => T::new("last-ending-at").text("place", place),
                    None => T::new("last-ending"),
                };
                told.text("when", &when).text("reason", &reason)
            }
            Self::LastEndingTitle => T::new("last-ending-title"),
            Self::Reason { cause, length } => cause.reason(length),
            Self::TerminalWarning {
                end,
                cause,
                length,
                left,
            } => {
                let told = match cause {
                    Cause::Login | Cause::Unlock => {
                        let reason = cause.reason(length).said(language);
                        T::new("terminal-warning").text("reason", &reason)
                    }
                    Cause::Input => T::new("terminal-warning-input"),
                };
                told.word("end", end.word()).whole("left", left)
            }
            Self::TerminalEnd {
                cause,
                length,
                rule,
            } => {
                let id = either(rule, "terminal-end", "terminal-end-rule");
                let reason = cause.reason(length).said(language);
                T::new(id).text("reason", &reason).rule(rule)
            }
            Self::Program => T::new("program"),
            Self::Threat { end, left } if left.is_zero() => {
                T::new("threat-now").word("end", end.word())
            }
            Self::Threat { end, left } => {
                T::new("threat").word("end", end.word()).whole("left", left)
            }
            Self::Advice {
                end,
                limit,
                length,
                rule,
            } => {
                let id = match (limit, end) {
                    (Limit::Absolute, End::Locks) => {
                        either(rule, "advice-locks", "advice-locks-rule")
                    }
                    (Limit::Absolute, _) => either(rule, "advice-ends", "advice-ends-rule"),
                    (Limit::Inactivity, _) => either(rule, "advice-input", "advice-input-rule"),
                };
                T::new(id).whole("length", length).rule(rule)
            }
            Self::Offer { count, by } => T::new("offer").number("count", count).whole("by", by),
            Self::OfferOfCommand { count, by } => T::new("offer-command")
                .number("count", count)
                .whole("by", by),
            Self::Granted { by } => T::new("granted").whole("by", by),
            Self::GrantedUntil { left } => T::new("granted-until").whole("left", left),
            Self::NotExtended { why } => T::new("not-extended").text("why", why),
            Self::NotHeard { why } => T::new("not-heard").text("why", why),
            Self::NotSignedOut { why } => T::new("not-signed-out").text("why", why),
            Self::Parting { end: End::Locks } => T::new("parting-locks"),
            Self::Parting {
                end: End::Ends | End::Passes,
            } => T::new("parting-ends"),
            Self::PartingReason { end, limit, length } => T::new(match (limit, end) {
                (Limit::Absolute, End::Locks) => "parting-every",
                (Limit::Absolute, End::Ends | End::Passes) => "parting-lasted",
                (Limit::Inactivity, _) => "parting-input",
            })
            .whole("length", length),
            Self::ButtonStay => T::new("button-stay"),
            Self::ButtonSignOut => T::new("button-sign-out"),
            Self::ButtonExtend { by } => T::new("button-extend").whole("by", by),
            Self::State(state) => T::new(state.id()),
            Self::SessionState { session, state } => T::new("session-state")
                .text("session", session)
                .text("state", &T::new(state.id()).said(language)),
            Self::SessionLeft { session, end, left } => T::new("session-left")
                .text("session", session)
                .word("end", end.word())
                .coarse("left", left),
            Self::ByLimit {
                limit,
                length: None,
            } => T::new(match limit {
                Limit::Absolute => "by-absolute",
                Limit::Inactivity => "by-inactivity",
            }),
            Self::ByLimit {
                limit,
                length: Some(length),
            } => T::new(match limit {
                Limit::Absolute => "by-absolute-of",
                Limit::Inactivity => "by-inactivity-of",
            })
            .coarse("length", length),
            Self::ExtensionsLeft { count } => T::new("extensions-left").number("count", count),
            Self::Extended {
                session,
                by,
                left,
                count,
            } => T::new("extended")
                .text("session", session)
                .coarse("by", by)
                .coarse("left", left)
                .number("count", count),
            Self::Refused(why) => T::new(why.id()),
            Self::AskedOnTerminals { why } => T::new("asked-on-terminals").text("why", why),
            Self::NoTerminalAgent { why } => T::new("no-terminal-agent").text("why", why),
        }
    }
}

impl Cause {
    fn reason(self, length: Duration) -> Told {
        Told::new(match self {
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

/// How long ago something was, as exactly as anybody wants to know it.
fn when(ago: Duration) -> Told {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = ago.as_secs();
    let whole = match seconds {
        0..MINUTE => return Told::new("when-just-now"),
        MINUTE..HOUR => seconds - seconds % MINUTE,
        HOUR..DAY => seconds - seconds % HOUR,
        _ => return Told::new("when-days").number("days", seconds / DAY),
    };
    Told::new("when-span").whole("span", Duration::from_secs(whole))
}

fn either<'a>(rule: Option<&str>, plain: &'a str, with_rule: &'a str) -> &'a str {
    match rule {
        None => plain,
        Some(_) => with_rule,
    }
}
