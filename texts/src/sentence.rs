//! The sentences for users, as types.

use std::time::Duration;

use session_timeout_protocol::bus::ExtendError;

/// A sentence, or a part of one that is shown alone. Text in it need not be sanitized. Durations
/// are shown in full, except in the sentences of the command, which show the two largest units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence<'a> {
    /// At the login: the limits of the session.
    Limits {
        /// The absolute limit.
        absolute: Duration,
        /// The inactivity limit, where there is one.
        inactivity: Option<Duration>,
    },
    /// At the login, on a terminal or as a notification: why the last session of the user was ended.
    LastEnding {
        /// A terminal or a seat, if known.
        place: Option<&'a str>,
        /// When.
        when: When,
        /// The reason for the end.
        cause: Cause,
        /// How long the limit was.
        length: Duration,
    },
    /// The title of that.
    LastEndingTitle,
    /// Why a session ends, after another sentence.
    Reason {
        /// The reason for the end.
        cause: Cause,
        /// How long the limit is.
        length: Duration,
    },
    /// A warning on a terminal.
    TerminalWarning {
        /// What happens at the limit.
        end: End,
        /// The reason for the end.
        cause: Cause,
        /// How long the limit is.
        length: Duration,
        /// The time until then.
        left: Duration,
    },
    /// The last line on a terminal.
    TerminalEnd {
        /// The reason for the end.
        cause: Cause,
        /// How long the limit was.
        length: Duration,
        /// The rule that set the limit; `None` for `[default]`.
        rule: Option<&'a str>,
    },
    /// The name of the program in notifications.
    Program,
    /// The title of a warning on a desktop: what will happen, and when.
    WarningTitle {
        /// What happens at the limit.
        end: End,
        /// The time until then.
        left: Duration,
    },
    /// The text of a warning on a desktop: what to do, and then why, since some screens show only
    /// the beginning.
    WarningText {
        /// What happens at the limit.
        end: End,
        /// The limit.
        limit: Limit,
        /// Its length.
        length: Duration,
        /// The rule that set the limit; `None` for `[default]`.
        rule: Option<&'a str>,
    },
    /// The extensions that are offered.
    Offer {
        /// The number of extensions.
        count: u32,
        /// The length of each.
        by: Duration,
    },
    /// The same, for notifications without buttons.
    OfferOfCommand {
        /// The number of extensions.
        count: u32,
        /// The length of each.
        by: Duration,
    },
    /// An extension was granted.
    Granted {
        /// The length of the extension.
        by: Duration,
    },
    /// The new end after an extension.
    GrantedUntil {
        /// The time until then.
        left: Duration,
    },
    /// An extension was not granted.
    NotExtended {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// The input of the user could not be reported.
    NotHeard {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// The session could not be ended for its user.
    NotSignedOut {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// The title of the last notification before the end.
    EndNotice {
        /// What happens at the limit.
        end: End,
    },
    /// The reason in that notification.
    EndNoticeReason {
        /// What happens at the limit.
        end: End,
        /// The limit.
        limit: Limit,
        /// Its length.
        length: Duration,
    },
    /// The button by which users say that they are present.
    ButtonStay,
    /// The button that ends the session.
    ButtonSignOut,
    /// The button that requests an extension.
    ButtonExtend {
        /// The length of the extension.
        by: Duration,
    },
    /// Why no time is counted.
    State(State),
    /// The same, for a named session.
    SessionState {
        /// Its id.
        session: &'a str,
        /// Why no time is counted.
        state: State,
    },
    /// When a session ends.
    SessionLeft {
        /// Its id.
        session: &'a str,
        /// What happens at the limit.
        end: End,
        /// The time until then.
        left: Duration,
    },
    /// The limit by which it ends.
    ByLimit {
        /// The limit.
        limit: Limit,
        /// Its length, if known.
        length: Option<Duration>,
    },
    /// The number of extensions that remain.
    ExtensionsLeft {
        /// The number of extensions.
        count: u32,
    },
    /// The reply to `session-timeout extend`: the extension was granted.
    Extended {
        /// The session's id.
        session: &'a str,
        /// The length of the extension.
        by: Duration,
        /// The new end after an extension.
        left: Duration,
        /// The number of extensions that remain.
        count: u32,
    },
    /// Why an extension was refused.
    Refused(ExtendError),
    /// The same, if a password is only asked for on terminals.
    AskedOnTerminals {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// The same, if no agent is installed that could ask on this terminal.
    NoTerminalAgent {
        /// A sentence without its full stop.
        why: &'a str,
    },
}

/// What happens to a session at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ends.
    Ends,
    /// Its screen is locked.
    Locks,
    /// The limit is only reported.
    Passes,
}

/// The limit that ends a session, and what it counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The absolute limit, counted from the login.
    Login,
    /// The absolute limit, counted from the unlock of a screen that was locked for a limit.
    Unlock,
    /// The inactivity limit.
    Input,
}

/// When something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This long ago; for a text that is read at once.
    Ago(Duration),
    /// At this time of the current day; for a text that stays.
    Today(LocalTime),
    /// At this time of another day.
    Dated(LocalTime),
}

/// A minute on the wall clock of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year of the Gregorian calendar.
    pub year: i32,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, from 0.
    pub hour: u8,
    /// The minute, from 0.
    pub minute: u8,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The absolute limit.
    Absolute,
    /// The inactivity limit.
    Inactivity,
}

/// Why no time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The session is being ended.
    Ending,
    /// It is locked instead of ended.
    Locked,
    /// The limit has passed; the session is not ended.
    Passed,
    /// The limits are not known yet.
    Undecided,
    /// No limit holds.
    NoLimit,
}
