//! A source that knows the idle time at any moment, and calls back for what it is armed for:
//! Mutter and X11.

use std::time::Duration;

use super::pending_report::Standing;
use super::{Owed, Report, Watch};
use crate::clock::{Now, Suspends};

/// What is known, and what is owed to the daemon.
///
/// [`Asked::owed`] is also what the desktop has to be armed for. Whatever happened just before it
/// was, shows in a look right after: so the caller that arms it looks again.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    owed: Owed,
    suspends: Suspends,
}

impl Asked {
    /// What the desktop has to call back for.
    pub(crate) const fn owed(&self) -> Owed {
        self.owed
    }

    /// The daemon asks, and the desktop says that nobody has touched anything for so long of the
    /// time that the machine was awake. The answer is the idle time.
    pub(crate) fn question(&mut self, now: Now, awake: Duration, watch: Option<Watch>) -> Duration {
        let idle = self.suspends.idle(now, awake);
        if let Some(watch) = watch {
            self.owed = Owed::to(watch, standing(idle, watch));
        }
        idle
    }

    /// A look after the desktop was armed or has called back.
    pub(crate) fn looked(&mut self, now: Now, awake: Duration) -> Option<Report> {
        let idle = self.suspends.idle(now, awake);
        let (Owed::Idle(watch) | Owed::Active(watch)) = self.owed else {
            return None;
        };
        self.owed.settle(standing(idle, watch))
    }

    /// The desktop calls back because the watch was reached.
    pub(crate) const fn reached(&mut self) -> Option<Report> {
        match self.owed {
            Owed::Idle(_) => self.owed.settle(Standing::Reached),
            _ => None,
        }
    }

    /// The desktop calls back because there was input.
    pub(crate) const fn input(&mut self) -> Option<Report> {
        self.owed.settle(Standing::Below)
    }
}

fn standing(idle: Duration, watch: Watch) -> Standing {
    if idle < watch.length() {
        Standing::Below
    } else {
        Standing::Reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn watch(secs: u64) -> Watch {
        Watch::from_micros(secs * 1_000_000).unwrap()
    }

    #[test]
    fn below_the_watch_the_desktop_calls_back_for_idle_then_for_input() {
        let mut asked = Asked::default();
        assert_eq!(asked.question(at(100), secs(3), Some(watch(10))), secs(3));
        assert_eq!(asked.owed(), Owed::Idle(watch(10)));
        assert_eq!(asked.looked(at(100), secs(3)), None);
        assert_eq!(asked.reached(), Some(Report::BecameIdle));
        assert_eq!(asked.owed(), Owed::Active(watch(10)));
        assert_eq!(asked.looked(at(107), secs(10)), None);
        assert_eq!(asked.input(), Some(Report::BecameActive));
        assert_eq!(asked.owed(), Owed::Nothing);
    }

    #[test]
    fn past_the_watch_it_calls_back_for_input_only() {
        let mut asked = Asked::default();
        assert_eq!(asked.question(at(100), secs(30), Some(watch(10))), secs(30));
        assert_eq!(asked.owed(), Owed::Active(watch(10)));
        assert_eq!(asked.input(), Some(Report::BecameActive));
    }

    #[test]
    fn input_while_the_desktop_is_being_armed_is_not_missed() {
        let mut asked = Asked::default();
        asked.question(at(100), secs(30), Some(watch(10)));
        assert_eq!(asked.looked(at(100), secs(0)), Some(Report::BecameActive));
        assert_eq!(asked.input(), None);
    }

    #[test]
    fn a_watch_that_is_reached_while_it_is_armed_is_not_missed() {
        let mut asked = Asked::default();
        asked.question(at(100), secs(9), Some(watch(10)));
        assert_eq!(asked.looked(at(101), secs(10)), Some(Report::BecameIdle));
        assert_eq!(asked.reached(), None, "once");
    }

    #[test]
    fn a_question_without_a_watch_leaves_the_watch_alone() {
        let mut asked = Asked::default();
        asked.question(at(100), secs(3), Some(watch(10)));
        assert_eq!(asked.question(at(101), secs(4), None), secs(4));
        assert_eq!(asked.owed(), Owed::Idle(watch(10)));
    }

    #[test]
    fn a_new_question_replaces_the_watch() {
        let mut asked = Asked::default();
        asked.question(at(100), secs(3), Some(watch(10)));
        asked.question(at(100), secs(3), Some(watch(2)));
        assert_eq!(asked.owed(), Owed::Active(watch(2)));
    }

    #[test]
    fn what_the_desktop_calls_back_late_for_says_nothing() {
        let mut asked = Asked::default();
        asked.question(at(100), secs(30), Some(watch(10)));
        assert_eq!(asked.reached(), None, "of the watch before");
        asked.question(at(101), secs(1), Some(watch(10)));
        assert_eq!(asked.input(), None, "of the idle time before");
    }
}
