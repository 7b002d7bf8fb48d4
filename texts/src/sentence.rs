//! Everything that there is to say to a user.

use std::time::Duration;

use crate::Refused;

/// A sentence, or a part of one that stands alone. Text in it may be anybody's; times are told to
/// the second, except where they are called left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence<'a> {
    /// At the login, which limits hold.
    Limits {
        /// The absolute limit.
        absolute: Duration,
        /// The inactivity limit, where there is one.
        inactivity: Option<Duration>,
    },
    /// At the login, what became of the last session.
    LastEnding {
        /// A terminal or a seat, where it is known.
        place: Option<&'a str>,
        /// How long ago.
        ago: Duration,
        /// What it was ended for.
        cause: Cause,
        /// How long the limit was.
        length: Duration,
    },
    /// The heading of that.
    LastEndingTitle,
    /// Why a session ends; to follow a sentence.
    Reason {
        /// What it ends for.
        cause: Cause,
        /// How long the limit is.
        length: Duration,
    },
    /// A warning on a terminal.
    TerminalWarning {
        /// What comes.
        end: End,
        /// What for.
        cause: Cause,
        /// How long the limit is.
        length: Duration,
        /// In how long.
        left: Duration,
    },
    /// What a terminal shows last.
    TerminalEnd {
        /// What it was ended for.
        cause: Cause,
        /// How long the limit was.
        length: Duration,
        /// The rule that the limit was from, unless it was everybody's.
        rule: Option<&'a str>,
    },
    /// The name that notifications come under.
    Program,
    /// What is going to happen, and when.
    Threat {
        /// What comes.
        end: End,
        /// In how long.
        left: Duration,
    },
    /// What helps, and why that is; in this order, for a screen that shows the beginning.
    Advice {
        /// What comes.
        end: End,
        /// For which limit.
        limit: Limit,
        /// How long it is.
        length: Duration,
        /// The rule that it is from, unless it is everybody's.
        rule: Option<&'a str>,
    },
    /// What more time there is.
    Offer {
        /// How often.
        count: u32,
        /// By how much.
        by: Duration,
    },
    /// The same, where there are no buttons.
    OfferOfCommand {
        /// How often.
        count: u32,
        /// By how much.
        by: Duration,
    },
    /// That there is more time.
    Granted {
        /// So much.
        by: Duration,
    },
    /// When it ends after that.
    GrantedUntil {
        /// In how long.
        left: Duration,
    },
    /// That there is no more time.
    NotExtended {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// That nobody hears that the user is there.
    NotHeard {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// That the session is not ended for its user.
    NotSignedOut {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// What is happening, at last.
    Parting {
        /// What comes.
        end: End,
    },
    /// Why that is.
    PartingReason {
        /// What comes.
        end: End,
        /// For which limit.
        limit: Limit,
        /// How long it is.
        length: Duration,
    },
    /// The button of who is there.
    ButtonStay,
    /// The button of who leaves.
    ButtonSignOut,
    /// The button of who wants more time.
    ButtonExtend {
        /// So much.
        by: Duration,
    },
    /// Why nothing is counted.
    State(State),
    /// The same of a session.
    SessionState {
        /// Its id.
        session: &'a str,
        /// Why nothing is counted.
        state: State,
    },
    /// When a session ends.
    SessionLeft {
        /// Its id.
        session: &'a str,
        /// What comes.
        end: End,
        /// In how long.
        left: Duration,
    },
    /// By which limit.
    ByLimit {
        /// The limit.
        limit: Limit,
        /// How long it is, where that is known.
        length: Option<Duration>,
    },
    /// How often there may be more time.
    ExtensionsLeft {
        /// How often.
        count: u32,
    },
    /// That there is more time, for the user who asked for it by command.
    Extended {
        /// The session's id.
        session: &'a str,
        /// How much longer.
        by: Duration,
        /// When it ends after that.
        left: Duration,
        /// How often that may be done again.
        count: u32,
    },
    /// Why there is no more time.
    Refused(Refused),
    /// The same, of an authentication that is only asked for on terminals.
    AskedOnTerminals {
        /// A sentence without its full stop.
        why: &'a str,
    },
    /// The same, where nobody is there who could ask on this terminal.
    NoTerminalAgent {
        /// A sentence without its full stop.
        why: &'a str,
    },
}

/// What becomes of a session at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ends.
    Ends,
    /// Its screen is locked.
    Locks,
    /// Nothing but a report.
    Passes,
}

/// What a session ends for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The absolute limit, counted from the login.
    Login,
    /// The absolute limit, counted from the unlock of a screen that was locked for a limit.
    Unlock,
    /// The inactivity limit.
    Input,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The absolute limit.
    Absolute,
    /// The inactivity limit.
    Inactivity,
}

/// Why nothing is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The session is being ended.
    Ending,
    /// It is locked instead of ended.
    Locked,
    /// The limit has passed, and that is all.
    Passed,
    /// Nobody knows yet which limits hold.
    Undecided,
    /// None holds.
    NoLimit,
}
