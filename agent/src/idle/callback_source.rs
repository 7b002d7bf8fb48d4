//! The state of a source that cannot be queried and only calls back: Wayland.
//!
//! A notification of the compositor calls back when its seat was idle for its timeout, counted
//! from its creation, and at the first input after that. Between the two the idle time is known
//! exactly; before the first it is unknown.

use std::collections::BTreeMap;

use super::pending_report::{PendingReport, WatchState};
use super::watch::{Answer, Report, Watch};
use crate::clock::{BootTime, Now};

/// Identifies a notification of the compositor; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(u64);

/// What the caller has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallbackAction<S> {
    /// Create a notification with this timeout for this seat.
    Arm(S, Token, Watch),
    /// Destroy this notification.
    Disarm(Token),
    /// Send this report to the daemon.
    Report(Report),
}

/// The seats of a session, each with its name `S`, and the pending report. The session is idle if
/// all its seats are: the most recent input counts.
#[derive(Debug)]
pub(crate) struct CallbackSource<S> {
    watch: Option<Watch>,
    pending: PendingReport,
    seats: BTreeMap<S, SeatState>,
    tokens: Tokens,
}

impl<S> Default for CallbackSource<S> {
    fn default() -> Self {
        Self {
            watch: None,
            pending: PendingReport::None,
            seats: BTreeMap::new(),
            tokens: Tokens(0),
        }
    }
}

impl<S: Copy + Ord> CallbackSource<S> {
    /// The compositor has a new seat.
    pub(crate) fn seat_added(&mut self, seat: S) -> Vec<CallbackAction<S>> {
        let watch = self.watch;
        let tokens = &mut self.tokens;
        let added = SeatState {
            main: watch.map(|watch| tokens.arm(watch)),
            idle: None,
        };
        let actions = added.main.map(|armed| armed.arm(seat));
        self.seats.insert(seat, added);
        self.with_report(actions.into_iter().collect())
    }

    /// The compositor has removed a seat.
    pub(crate) fn seat_removed(&mut self, seat: S) -> Vec<CallbackAction<S>> {
        let removed = self.seats.remove(&seat);
        let actions = removed
            .iter()
            .flat_map(SeatState::armed)
            .map(ArmedWatch::disarm);
        let actions = actions.collect();
        self.with_report(actions)
    }

    /// The daemon probes.
    pub(crate) fn probe(
        &mut self,
        now: Now,
        watch: Option<Watch>,
    ) -> (Answer, Vec<CallbackAction<S>>) {
        let mut actions = Vec::new();
        let nothing_armed = self.watch.is_none();
        if let Some(wanted) = watch.or(nothing_armed.then_some(Watch::DEFAULT)) {
            self.watch = Some(wanted);
            for (name, seat) in &mut self.seats {
                actions.extend(seat.arm(*name, now, wanted, &mut self.tokens));
            }
        }
        if let Some(watch) = watch {
            self.pending = PendingReport::for_watch(watch, self.watch_state());
        }
        (self.answer(now), actions)
    }

    /// A notification calls back: its seat was idle for the timeout.
    pub(crate) fn idled(&mut self, now: Now, token: Token) -> Vec<CallbackAction<S>> {
        let mut actions = Vec::new();
        for seat in self.seats.values_mut() {
            actions.extend(seat.idled(now, token));
        }
        self.with_report(actions)
    }

    /// A notification calls back: there is input after [`Self::idled`].
    pub(crate) fn resumed(&mut self, token: Token) -> Vec<CallbackAction<S>> {
        let mut actions = Vec::new();
        let Some(watch) = self.watch else {
            return actions;
        };
        for (name, seat) in &mut self.seats {
            actions.extend(seat.resumed(*name, token, watch, &mut self.tokens));
        }
        self.with_report(actions)
    }

    fn answer(&self, now: Now) -> Answer {
        let since = self.seats.values().map(|seat| Some(seat.idle?.since));
        let newest = since.reduce(|one, other| Some(one?.max(other?))).flatten();
        newest.map_or(Answer::Active, |since| Answer::Exact(now.since(since)))
    }

    fn watch_state(&self) -> WatchState {
        let mut seats = self.seats.values();
        if !self.seats.is_empty() && seats.all(SeatState::has_reached) {
            WatchState::Reached
        } else {
            WatchState::Below
        }
    }

    /// Adds the report that is due.
    fn with_report(&mut self, mut actions: Vec<CallbackAction<S>>) -> Vec<CallbackAction<S>> {
        let report = self.pending.update(self.watch_state());
        actions.extend(report.map(CallbackAction::Report));
        actions
    }
}

/// The state of one seat.
#[derive(Debug)]
struct SeatState {
    /// The notification for the watch.
    main: Option<ArmedWatch>,
    idle: Option<IdlePeriod>,
}

/// The idle period after the main notification has called back.
#[derive(Clone, Copy, Debug)]
struct IdlePeriod {
    since: BootTime,
    /// The notification for the remainder of a watch that is longer than the main notification;
    /// `None` if the watch is reached. The main one is kept until there is input, which it reports.
    remainder: Option<ArmedWatch>,
}

impl SeatState {
    fn armed(&self) -> impl Iterator<Item = ArmedWatch> {
        self.main
            .into_iter()
            .chain(self.idle.and_then(|idle| idle.remainder))
    }

    fn has_reached(&self) -> bool {
        self.idle.is_some_and(|idle| idle.remainder.is_none())
    }

    fn arm<S>(
        &mut self,
        name: S,
        now: Now,
        watch: Watch,
        tokens: &mut Tokens,
    ) -> Vec<CallbackAction<S>>
    where
        S: Copy,
    {
        let mut actions = Vec::new();
        if let Some(idle) = &mut self.idle {
            actions.extend(idle.remainder.map(ArmedWatch::disarm));
            idle.remainder = watch
                .remainder(now.since(idle.since))
                .map(|remainder| tokens.arm(remainder));
            actions.extend(idle.remainder.map(|remainder| remainder.arm(name)));
        } else if self.main.is_none_or(|main| main.watch != watch) {
            actions.extend(self.rearm(name, watch, tokens));
        }
        actions
    }

    fn rearm<S>(&mut self, name: S, watch: Watch, tokens: &mut Tokens) -> Vec<CallbackAction<S>> {
        let before = self.main.map(ArmedWatch::disarm);
        let main = tokens.arm(watch);
        self.main = Some(main);
        before.into_iter().chain([main.arm(name)]).collect()
    }

    fn idled<S>(&mut self, now: Now, token: Token) -> Option<CallbackAction<S>> {
        if let Some(main) = self.main.filter(|main| main.token == token) {
            let since = now.before(main.watch.length());
            self.idle = Some(IdlePeriod {
                since,
                remainder: None,
            });
            return None;
        }
        let idle = self.idle.as_mut()?;
        let remainder = idle
            .remainder
            .take_if(|remainder| remainder.token == token)?;
        Some(remainder.disarm())
    }

    fn resumed<S>(
        &mut self,
        name: S,
        token: Token,
        watch: Watch,
        tokens: &mut Tokens,
    ) -> Vec<CallbackAction<S>> {
        let Some(main) = self.main.filter(|main| main.token == token) else {
            return Vec::new();
        };
        let remainder = self.idle.take().and_then(|idle| idle.remainder);
        let mut actions: Vec<_> = remainder.map(ArmedWatch::disarm).into_iter().collect();
        if main.watch != watch {
            actions.extend(self.rearm(name, watch, tokens));
        }
        actions
    }
}

/// A notification and its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ArmedWatch {
    token: Token,
    watch: Watch,
}

impl ArmedWatch {
    const fn arm<S>(self, seat: S) -> CallbackAction<S> {
        CallbackAction::Arm(seat, self.token, self.watch)
    }

    const fn disarm<S>(self) -> CallbackAction<S> {
        CallbackAction::Disarm(self.token)
    }
}

#[derive(Debug)]
struct Tokens(u64);

impl Tokens {
    const fn arm(&mut self, watch: Watch) -> ArmedWatch {
        self.0 += 1;
        ArmedWatch {
            token: Token(self.0),
            watch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;

    const fn secs(secs: u64) -> std::time::Duration {
        std::time::Duration::from_secs(secs)
    }

    fn watch(secs: u64) -> Watch {
        Watch::from_micros(secs * 1_000_000).unwrap()
    }

    fn probe(
        source: &mut CallbackSource<u32>,
        now: u64,
        secs: u64,
    ) -> (Answer, Vec<CallbackAction<u32>>) {
        source.probe(at(now), Watch::from_micros(secs * 1_000_000))
    }

    /// One seat, armed for ten seconds at 100.
    fn one_seat() -> CallbackSource<u32> {
        let mut source = CallbackSource::default();
        assert_eq!(source.seat_added(1), [], "nothing before the first probe");
        let (answer, actions) = probe(&mut source, 100, 10);
        assert_eq!(answer, Answer::Active);
        assert_eq!(actions, [CallbackAction::Arm(1, Token(1), watch(10))]);
        source
    }

    #[test]
    fn the_idle_time_is_exact_from_the_call_back_to_the_next_input() {
        let mut source = one_seat();
        let actions = source.idled(at(150), Token(1));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameIdle)]);
        assert_eq!(probe(&mut source, 155, 0).0, Answer::Exact(secs(15)));
        let actions = source.resumed(Token(1));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameActive)]);
        assert_eq!(probe(&mut source, 156, 0).0, Answer::Active);
    }

    #[test]
    fn each_report_is_made_once() {
        let mut source = one_seat();
        source.idled(at(110), Token(1));
        source.resumed(Token(1));
        assert_eq!(source.idled(at(130), Token(1)), []);
        assert_eq!(source.resumed(Token(1)), []);
    }

    #[test]
    fn the_same_watch_keeps_its_notification() {
        let mut source = one_seat();
        assert_eq!(probe(&mut source, 105, 10), (Answer::Active, vec![]));
        source.idled(at(110), Token(1));
        let exact = Answer::Exact(secs(20));
        assert_eq!(probe(&mut source, 120, 10), (exact, vec![]));
        let actions = source.resumed(Token(1));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameActive)]);
    }

    #[test]
    fn a_changed_watch_replaces_its_notification() {
        let mut source = one_seat();
        let (_, actions) = probe(&mut source, 105, 20);
        let replaced = [
            CallbackAction::Disarm(Token(1)),
            CallbackAction::Arm(1, Token(2), watch(20)),
        ];
        assert_eq!(actions, replaced);
        assert_eq!(
            source.idled(at(110), Token(1)),
            [],
            "it was destroyed meanwhile"
        );
        assert_eq!(probe(&mut source, 111, 0).0, Answer::Active);
    }

    #[test]
    fn a_longer_watch_keeps_the_known_idle_time() {
        let mut source = one_seat();
        source.idled(at(110), Token(1));
        let (answer, actions) = probe(&mut source, 112, 30);
        assert_eq!(answer, Answer::Exact(secs(12)));
        assert_eq!(actions, [CallbackAction::Arm(1, Token(2), watch(18))]);
        let actions = source.idled(at(130), Token(2));
        let reached = [
            CallbackAction::Disarm(Token(2)),
            CallbackAction::Report(Report::BecameIdle),
        ];
        assert_eq!(actions, reached);
        assert_eq!(probe(&mut source, 131, 0).0, Answer::Exact(secs(31)));
        let actions = source.resumed(Token(1));
        let again = [
            CallbackAction::Disarm(Token(1)),
            CallbackAction::Arm(1, Token(3), watch(30)),
            CallbackAction::Report(Report::BecameActive),
        ];
        assert_eq!(actions, again);
    }

    #[test]
    fn input_before_the_longer_watch_is_reached_restarts_it() {
        let mut source = one_seat();
        source.idled(at(110), Token(1));
        probe(&mut source, 112, 30);
        let actions = source.resumed(Token(1));
        let again = [
            CallbackAction::Disarm(Token(2)),
            CallbackAction::Disarm(Token(1)),
            CallbackAction::Arm(1, Token(3), watch(30)),
        ];
        assert_eq!(actions, again);
        let actions = source.idled(at(145), Token(3));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameIdle)]);
        assert_eq!(probe(&mut source, 145, 0).0, Answer::Exact(secs(30)));
    }

    #[test]
    fn a_shorter_watch_is_reached_already() {
        let mut source = one_seat();
        source.idled(at(110), Token(1));
        assert_eq!(
            probe(&mut source, 111, 5),
            (Answer::Exact(secs(11)), vec![])
        );
        let actions = source.resumed(Token(1));
        let again = [
            CallbackAction::Disarm(Token(1)),
            CallbackAction::Arm(1, Token(2), watch(5)),
            CallbackAction::Report(Report::BecameActive),
        ];
        assert_eq!(actions, again);
    }

    #[test]
    fn a_probe_without_a_watch_keeps_the_watch() {
        let mut source = one_seat();
        assert_eq!(probe(&mut source, 105, 0), (Answer::Active, vec![]));
        let actions = source.idled(at(110), Token(1));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameIdle)]);
    }

    #[test]
    fn after_a_first_probe_without_a_watch_the_next_one_is_answered() {
        let mut source = CallbackSource::default();
        source.seat_added(1);
        let (answer, actions) = probe(&mut source, 100, 0);
        assert_eq!(answer, Answer::Active);
        assert_eq!(actions, [CallbackAction::Arm(1, Token(1), Watch::DEFAULT)]);
        assert_eq!(
            source.idled(at(160), Token(1)),
            [],
            "no report was requested"
        );
        assert_eq!(probe(&mut source, 170, 0).0, Answer::Exact(secs(70)));
        assert_eq!(source.resumed(Token(1)), []);
    }

    #[test]
    fn the_newest_input_of_all_seats_counts() {
        let mut source = one_seat();
        let actions = source.seat_added(2);
        assert_eq!(actions, [CallbackAction::Arm(2, Token(2), watch(10))]);
        assert_eq!(source.idled(at(110), Token(1)), [], "the other is not");
        assert_eq!(probe(&mut source, 111, 0).0, Answer::Active);
        let actions = source.idled(at(130), Token(2));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameIdle)]);
        assert_eq!(probe(&mut source, 130, 0).0, Answer::Exact(secs(10)));
        let actions = source.resumed(Token(1));
        assert_eq!(actions, [CallbackAction::Report(Report::BecameActive)]);
    }

    #[test]
    fn a_seat_that_is_gone_does_not_count() {
        let mut source = one_seat();
        source.seat_added(2);
        source.idled(at(110), Token(1));
        let actions = source.seat_removed(2);
        let reached = [
            CallbackAction::Disarm(Token(2)),
            CallbackAction::Report(Report::BecameIdle),
        ];
        assert_eq!(actions, reached);
        assert_eq!(probe(&mut source, 115, 0).0, Answer::Exact(secs(15)));
        source.seat_removed(1);
        assert_eq!(
            probe(&mut source, 116, 0).0,
            Answer::Active,
            "it is unknown"
        );
    }
}
