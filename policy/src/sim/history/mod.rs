//! The history of one session: every event and action with its time. Results are not stored; they
//! are computed from the whole history (`queries.rs`).
//!
//! What an engine cannot know, because it came up with an old state, is not in the history either:
//! for the promises it is as if that had never happened.

mod idle;
mod knowledge;
mod locks;
mod queries;

use std::time::Duration;

pub(super) use idle::{FAILURES, Idle, PATIENCE, pause};
pub(super) use knowledge::Seen;
pub(super) use locks::Again;
pub(super) use queries::EndUnderWay;

use locks::LockStory;

use super::oracle::{AbsoluteFrom, Standing};
use crate::{
    BootTime, EndAction, Extended, Finding, Groups, LimitKind, LockCause, SessionClass,
    SessionFacts, SessionType, StampSource, WallTime, Warning,
};

/// A time, and a number that tells what came first within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at: BootTime,
    pub(super) seq: u32,
}

/// A session from when the engine was told of it until it was told that it is gone.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// What logind and PAM have said, taken together.
    pub(super) facts: SessionFacts,
    /// How late the timers of the daemon are.
    pub(super) lag: Duration,
    pub(super) first: Moment,
    pub(super) began: Option<Moment>,
    /// What held, and from when.
    pub(super) standings: Vec<(Moment, Standing)>,
    /// What it was before a user changed that.
    pub(super) past: Vec<Was>,
    /// Where the absolute limit is from.
    pub(super) absolute_from: AbsoluteFrom,
    /// An absolute limit holds that no lock puts off.
    pub(super) fixed: Option<Fixed>,
    /// When the last one that did was no more.
    pub(super) unfixed: Option<(Moment, Fixed)>,
    pub(super) removal: Option<Removal>,
    /// It has, or had, a screen when its end began.
    pub(super) ends_on_screen: bool,
    /// When it was last said to end, and how.
    pub(super) way: Option<(Moment, EndAction)>,
    pub(super) adopted: Option<Moment>,
    pub(super) groups: Groups,
    pub(super) group_asks: Vec<GroupAsk>,
    /// The last activity that could be known, and from when on.
    pub(super) known: Vec<Known>,
    /// What activity was taken to be not after, but for what an agent could not date.
    pub(super) firm: BootTime,
    /// The newest stamps that were told.
    pub(super) stamps: Vec<(StampSource, WallTime)>,
    pub(super) last_reading: Option<BootTime>,
    /// The first reading while nothing was ending, for others to be compared with.
    pub(super) baseline: Option<Moment>,
    pub(super) inhibited: bool,
    /// Between when and when the last output was, which counts from when the policy says so.
    pub(super) output: (BootTime, BootTime),
    /// When there was last something that only a look from then on can tell of: an inhibitor was
    /// taken or released by anybody, or the agent called.
    pub(super) afresh: Option<Moment>,
    pub(super) looks: Vec<Look>,
    pub(super) warnings: Vec<(Moment, Warning)>,
    pub(super) withdrawals: Vec<(Moment, LimitKind)>,
    pub(super) locks: Vec<(Moment, LockFact)>,
    /// How much of that is told already, and what came of it.
    told_before: (usize, LockStory),
    pub(super) ends: Vec<(Moment, EndFact)>,
    pub(super) extensions: Vec<(Moment, Extension)>,
    pub(super) findings: Vec<(Moment, Finding)>,
    pub(super) closed: Option<Moment>,
    pub(super) hung_up: Option<(Moment, LimitKind)>,
    /// That was said.
    pub(super) hang_up_said: Option<Moment>,
    /// When a wish for more time was last answered.
    pub(super) replied: Option<Moment>,
    pub(super) restored: Option<Moment>,
    /// It was being ended when an engine went down.
    pub(super) forgot_end: Option<LimitKind>,
}

/// The last activity is not before `low` and was not taken to be after `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) moment: Moment,
    pub(super) low: BootTime,
    pub(super) high: BootTime,
}

/// A reading that was asked for, or came unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) asked: Option<Moment>,
    /// Probed because something came due that was not due when the probe before failed.
    pub(super) new_reason: bool,
    pub(super) came: Option<(Moment, Outcome)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Failed,
    /// It tells nothing of activity.
    Unknown,
    Known,
}

/// A question for groups, and when it was clear that there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupAsk {
    pub(super) asked: Moment,
    pub(super) settled: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockFact {
    /// Asked for, with so long to come.
    Asked(LockCause, Duration),
    /// logind refused.
    Failed,
    /// logind did not answer.
    Unreached,
    /// logind answers again.
    Reachable,
    /// The session was found or said to be locked.
    Seen,
    /// It is locked for this limit, as was asked.
    Held(LimitKind),
    /// It is locked as the first stage.
    Staged,
    /// A reading said that it is not locked.
    FoundOpen,
    /// Another daemon does not know what was asked.
    Forgotten,
    /// A lock counts for nothing any more: the policy does not lock, or it did not come again.
    Dropped,
    Unlocked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndFact {
    Asked(Request, LimitKind),
    /// logind refused.
    Failed,
    /// logind did not answer.
    Unreached,
    /// logind answers again.
    Reachable,
    /// The leader has ended, as it was asked to.
    LeaderEnded,
    /// It came to its end: hung up, or locked.
    Done,
}

/// The stages of an end, by what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    HangUp,
    Lock,
    AskLeader,
    Terminate,
    Kill,
}

/// What an absolute limit counts from that no lock puts off, as it was when that began to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) since: BootTime,
    /// Since when what is granted counts.
    pub(super) granted_from: Option<Moment>,
    /// Warnings from before that do not count.
    pub(super) restarted: Moment,
}

/// What a session was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Was {
    pub(super) class: SessionClass,
    pub(super) session_type: SessionType,
    pub(super) terminal: Option<String>,
}

impl Was {
    /// The session as it would still be.
    pub(super) fn facts(&self, now: &SessionFacts) -> SessionFacts {
        SessionFacts {
            class: self.class.clone(),
            session_type: self.session_type,
            terminal: self.terminal.clone(),
            ..now.clone()
        }
    }
}

/// logind has dropped the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) since: Moment,
    /// When somebody was last asked, or the rest ended, and how often.
    pub(super) last: Option<BootTime>,
    pub(super) times: u32,
    /// It may be another one with its id that is gone.
    pub(super) doubtful: bool,
    /// Something of it is left.
    pub(super) survived: Option<Moment>,
    /// What it was ended for then.
    pub(super) ended: Option<LimitKind>,
    /// That was said.
    pub(super) said: bool,
}

/// An extension that was granted, and all that was granted since the limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) extended: Extended,
    pub(super) total: Duration,
}

impl History {
    pub(super) fn begin(now: Moment, facts: SessionFacts, lag: Duration) -> Self {
        let started = facts.started;
        Self {
            facts,
            lag,
            first: now,
            began: None,
            standings: Vec::new(),
            past: Vec::new(),
            absolute_from: AbsoluteFrom::default(),
            fixed: None,
            unfixed: None,
            removal: None,
            ends_on_screen: false,
            way: None,
            adopted: None,
            groups: Groups::Untold,
            group_asks: Vec::new(),
            known: vec![Known {
                moment: now,
                low: started,
                high: started,
            }],
            firm: started,
            stamps: Vec::new(),
            last_reading: None,
            baseline: None,
            inhibited: false,
            output: (started, started),
            afresh: None,
            looks: Vec::new(),
            warnings: Vec::new(),
            withdrawals: Vec::new(),
            locks: Vec::new(),
            told_before: Default::default(),
            ends: Vec::new(),
            extensions: Vec::new(),
            findings: Vec::new(),
            closed: None,
            hung_up: None,
            hang_up_said: None,
            replied: None,
            restored: None,
            forgot_end: None,
        }
    }

    /// Another engine goes on with what was recorded: questions that were open are forgotten, and
    /// so is how far an end had got.
    pub(super) fn restore(&mut self, now: Moment) {
        self.forgets_question();
        self.forgot_end = self.end().map(|end| end.kind).or(self.forgot_end);
        if let (Some(_), Some(last)) = (self.idle_is_unknown(), self.looks.last_mut()) {
            // That nobody knows the idle time is not forgotten.
            last.came = last.came.map(|(moment, _)| (moment, Outcome::Unknown));
        }
        self.ends.clear();
        self.removal = None;
        self.way = None;
        self.adopted = None;
        self.locks.push((now, LockFact::Forgotten));
        self.group_asks.clear();
        self.restored = Some(now);
    }

    /// Nobody waits any more for a reading that was asked for.
    pub(super) fn forgets_question(&mut self) {
        self.looks.pop_if(|look| look.came.is_none());
    }

    /// What was said before is for nothing, though nothing is taken back.
    pub(super) fn forgets_warnings(&mut self, now: Moment, kind: LimitKind) {
        self.withdrawals.push((now, kind));
    }

    pub(super) fn stamp(&self) -> u64 {
        self.facts.key.stamp
    }

    pub(super) fn is_on_screen(&self) -> bool {
        self.facts.seat.is_some() || self.is_graphical()
    }

    /// For which limit it is ended, or was hung up.
    pub(super) fn ended_for(&self) -> Option<LimitKind> {
        let ended = self.end().map(|end| end.kind);
        let survived = self.removal.and_then(|removal| removal.ended);
        survived.or(ended).or(self.hung_up.map(|(_, kind)| kind))
    }

    pub(super) fn is_graphical(&self) -> bool {
        self.facts.session_type.is_graphical()
    }

    /// Whether anybody is logged in there.
    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none() && self.hung_up.is_none()
    }
}
