//! Checks of sessions that logind has dropped: none may be reported as gone while it may still
//! exist.

use std::time::Duration;

use session_timeout_policy::{BootTime, Finding, Keeper, LimitKind, NoSession};

use super::ends::pause;
use super::{Oracle, Requirement, Verdict, broken};
use crate::history::{History, Moment, Removal};
use crate::invariant::Invariant;
use crate::limits::EffectiveLimits;

/// The timeout of a verification; it is repeated after a pause.
const ANSWER: Duration = Duration::from_secs(3);
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl History {
    /// Whether it is relevant and possible to verify that no process remains.
    pub(super) fn needs_verification(&self) -> bool {
        let never_in_logind =
            matches!(self.facts.keeper, Keeper::Daemon(why) if why != NoSession::Dropped);
        let limited = self.is_open() && matches!(self.effective(), EffectiveLimits::Limited(_));
        self.facts.leader.is_some() && !never_in_logind && (limited || self.ended_for().is_some())
    }

    pub(super) fn is_dropped(&mut self, now: Moment) {
        self.removal.get_or_insert(Removal {
            since: now,
            last: None,
            times: 0,
            doubtful: false,
            survived: None,
            ended: None,
            said: false,
        });
    }
}

impl Oracle<'_> {
    pub(super) fn may_verify(&self, history: &History) -> Verdict {
        let Some(removal) = history.removal.filter(|removal| removal.survived.is_none()) else {
            return broken(Invariant::Gone, "logind has it");
        };
        match removal.last {
            Some(last) if self.now < self.asked_again(last, removal.times) => {
                broken(Invariant::Gone, format!("that was asked at {last}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn asked_again(&self, last: BootTime, times: u32) -> BootTime {
        let pause = pause(times).min(PAUSE_MAX);
        last.saturating_add(ANSWER).saturating_add(pause)
    }

    pub(super) fn may_end_remains(&self, history: &History, kind: LimitKind) -> Verdict {
        let survived = history.removal.filter(|removal| removal.survived.is_some());
        let Some(removal) = survived.filter(|removal| removal.said) else {
            return broken(Invariant::Gone, "nobody has said that anything is left");
        };
        if history.ended_for() != Some(kind) {
            return broken(Invariant::EndStages, "it is ended for something else");
        }
        match removal.last {
            Some(last) if self.now < last.saturating_add(pause(removal.times)) => {
                broken(Invariant::EndStages, format!("that was asked at {last}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn may_report_survived(&self, history: &History, kind: LimitKind) -> Verdict {
        match history.removal {
            Some(removal)
                if removal.survived.is_some()
                    && !removal.said
                    && history.ended_for() == Some(kind) =>
            {
                Ok(())
            }
            other => broken(Invariant::Gone, format!("{other:?}")),
        }
    }

    pub(super) fn may_adopt(&self, history: &History) -> Verdict {
        let kept = matches!(history.facts.keeper, Keeper::Daemon(_));
        if !kept || !history.is_open() || history.adopted.is_some() {
            return broken(
                Invariant::Gone,
                "the daemon does not keep it, or does already",
            );
        }
        Ok(())
    }

    /// Checks that the engine acted on a report in this call about a dropped session.
    pub(super) fn removal_is_followed(&self, history: &History) -> Verdict {
        if let Some(removal) = history.removal {
            let asked = removal.last.is_some();
            if self.is_new(removal.since) && !asked {
                return broken(Invariant::Gone, "no verification was requested");
            }
            if removal.survived.is_some_and(|at| self.is_new(at)) && !removal.said {
                return broken(Invariant::Gone, "something is left, and nobody says so");
            }
        }
        let kept = matches!(history.facts.keeper, Keeper::Daemon(_));
        let limited =
            history.is_open() && matches!(history.effective(), EffectiveLimits::Limited(_));
        let running = !history.restored.is_some_and(|at| self.is_new(at));
        let waits = history.removal.is_some() || history.end().is_some();
        if kept && limited && running && !waits && history.adopted.is_none() && !self.is_up(history)
        {
            return broken(Invariant::Gone, "nobody keeps it together");
        }
        Ok(())
    }

    /// Whether the daemon knows logind's sessions after a restart, so that it adopts the logins it
    /// keeps.
    fn is_up(&self, history: &History) -> bool {
        history.restored.is_some()
    }

    /// The next required verification of a dropped session.
    pub(super) fn must_verify(&self, removal: Removal) -> Requirement {
        let last = removal.last.unwrap_or(removal.since.at);
        let (due, what) = match removal.survived {
            Some(_) => (
                last.saturating_add(pause(removal.times)),
                "another end of what is left",
            ),
            None => (
                self.asked_again(last, removal.times),
                "another verification",
            ),
        };
        self.due(due, Invariant::Gone, what)
    }
}

impl Oracle<'_> {
    pub(super) fn writes_removal(history: &mut History, now: Moment, finding: Option<Finding>) {
        let Some(removal) = &mut history.removal else {
            return;
        };
        if finding.is_some() {
            (removal.said, removal.last, removal.times) = (true, None, 0);
        } else {
            removal.last = Some(now.at);
            removal.times += 1;
        }
    }
}
