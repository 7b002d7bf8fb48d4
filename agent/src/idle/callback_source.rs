//! A source that cannot be asked, and only calls back for what it is armed for: Wayland.
//!
//! A notification tells when its seat was idle for its timeout, counted from its creation, and
//! when there is input after that. So between the two the idle time is known exactly, and before
//! it nobody knows.

use std::collections::BTreeMap;

use super::pending_report::Standing;
use super::{Answer, Owed, Report, Watch};
use crate::clock::{Boot, Now};

/// Armed for a question without a watch where nothing is armed: the next one has an answer then.
const SOME_WATCH: Watch = Watch(60_000);

/// A notification of the compositor's; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(u64);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<S> {
    /// Have the compositor notify of so much idle time of this seat.
    Arm(S, Token, Watch),
    /// Never mind this notification.
    Drop(Token),
    /// Tell the daemon.
    Report(Report),
}

/// The seats of a session, each by its name `S`, and what is owed to the daemon. The session is
/// idle when all of them are: the newest input counts.
#[derive(Debug)]
pub(crate) struct Armed<S> {
    watch: Option<Watch>,
    owed: Owed,
    seats: BTreeMap<S, Seat>,
    tokens: Tokens,
}

impl<S> Default for Armed<S> {
    fn default() -> Self {
        Self {
            watch: None,
            owed: Owed::Nothing,
            seats: BTreeMap::new(),
            tokens: Tokens(0),
        }
    }
}

impl<S: Copy + Ord> Armed<S> {
    /// A seat is there.
    pub(crate) fn seat_added(&mut self, seat: S) -> Vec<Step<S>> {
        let watch = self.watch;
        let tokens = &mut self.tokens;
        let added = Seat {
            main: watch.map(|watch| tokens.arm(watch)),
            idle: None,
        };
        let steps = added.main.map(|armed| armed.step(seat));
        self.seats.insert(seat, added);
        self.settled(steps.into_iter().collect())
    }

    /// A seat is gone.
    pub(crate) fn seat_removed(&mut self, seat: S) -> Vec<Step<S>> {
        let removed = self.seats.remove(&seat);
        let steps = removed.iter().flat_map(Seat::armed).map(Arming::drop_step);
        let steps = steps.collect();
        self.settled(steps)
    }

    /// The daemon asks.
    pub(crate) fn question(&mut self, now: Now, watch: Option<Watch>) -> (Answer, Vec<Step<S>>) {
        let mut steps = Vec::new();
        let nothing_armed = self.watch.is_none();
        if let Some(wanted) = watch.or(nothing_armed.then_some(SOME_WATCH)) {
            self.watch = Some(wanted);
            for (name, seat) in &mut self.seats {
                steps.extend(seat.arm(*name, now, wanted, &mut self.tokens));
            }
        }
        if let Some(watch) = watch {
            self.owed = Owed::to(watch, self.standing());
        }
        (self.answer(now), steps)
    }

    /// The compositor says that a seat has been idle for as long as a notification was armed for.
    pub(crate) fn idled(&mut self, now: Now, token: Token) -> Vec<Step<S>> {
        let mut steps = Vec::new();
        for seat in self.seats.values_mut() {
            steps.extend(seat.idled(now, token));
        }
        self.settled(steps)
    }

    /// The compositor says that there is input after that.
    pub(crate) fn resumed(&mut self, token: Token) -> Vec<Step<S>> {
        let mut steps = Vec::new();
        let Some(watch) = self.watch else {
            return steps;
        };
        for (name, seat) in &mut self.seats {
            steps.extend(seat.resumed(*name, token, watch, &mut self.tokens));
        }
        self.settled(steps)
    }

    fn answer(&self, now: Now) -> Answer {
        let since = self.seats.values().map(|seat| Some(seat.idle?.since));
        let newest = since.reduce(|one, other| Some(one?.max(other?))).flatten();
        newest.map_or(Answer::Active, |since| Answer::Exact(now.since(since)))
    }

    fn standing(&self) -> Standing {
        let mut seats = self.seats.values();
        if !self.seats.is_empty() && seats.all(Seat::has_reached) {
            Standing::Reached
        } else {
            Standing::Below
        }
    }

    fn settled(&mut self, mut steps: Vec<Step<S>>) -> Vec<Step<S>> {
        let report = self.owed.settle(self.standing());
        steps.extend(report.map(Step::Report));
        steps
    }
}

/// What is known of one seat.
#[derive(Debug)]
struct Seat {
    /// Tells of idle time and its end.
    main: Option<Arming>,
    idle: Option<Idle>,
}

/// The main notification has called back, and there was no input since.
#[derive(Clone, Copy, Debug)]
struct Idle {
    since: Boot,
    /// Armed for what is left of a watch that is longer than the main notification; `None` when
    /// it is reached. The main one is kept until there is input: it knows since when.
    rest: Option<Arming>,
}

impl Seat {
    fn armed(&self) -> impl Iterator<Item = Arming> {
        self.main
            .into_iter()
            .chain(self.idle.and_then(|idle| idle.rest))
    }

    fn has_reached(&self) -> bool {
        self.idle.is_some_and(|idle| idle.rest.is_none())
    }

    fn arm<S>(&mut self, name: S, now: Now, watch: Watch, tokens: &mut Tokens) -> Vec<Step<S>>
    where
        S: Copy,
    {
        let mut steps = Vec::new();
        if let Some(idle) = &mut self.idle {
            steps.extend(idle.rest.map(Arming::drop_step));
            idle.rest = watch
                .rest(now.since(idle.since))
                .map(|rest| tokens.arm(rest));
            steps.extend(idle.rest.map(|rest| rest.step(name)));
        } else if self.main.is_none_or(|main| main.watch != watch) {
            steps.extend(self.rearm(name, watch, tokens));
        }
        steps
    }

    fn rearm<S>(&mut self, name: S, watch: Watch, tokens: &mut Tokens) -> Vec<Step<S>> {
        let before = self.main.map(Arming::drop_step);
        let main = tokens.arm(watch);
        self.main = Some(main);
        before.into_iter().chain([main.step(name)]).collect()
    }

    fn idled<S>(&mut self, now: Now, token: Token) -> Option<Step<S>> {
        if let Some(main) = self.main.filter(|main| main.token == token) {
            let since = now.before(main.watch.length());
            self.idle = Some(Idle { since, rest: None });
            return None;
        }
        let idle = self.idle.as_mut()?;
        let rest = idle.rest.take_if(|rest| rest.token == token)?;
        Some(rest.drop_step())
    }

    fn resumed<S>(
        &mut self,
        name: S,
        token: Token,
        watch: Watch,
        tokens: &mut Tokens,
    ) -> Vec<Step<S>> {
        let Some(main) = self.main.filter(|main| main.token == token) else {
            return Vec::new();
        };
        let rest = self.idle.take().and_then(|idle| idle.rest);
        let mut steps: Vec<_> = rest.map(Arming::drop_step).into_iter().collect();
        if main.watch != watch {
            steps.extend(self.rearm(name, watch, tokens));
        }
        steps
    }
}

/// A notification, and how long it was armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arming {
    token: Token,
    watch: Watch,
}

impl Arming {
    const fn step<S>(self, seat: S) -> Step<S> {
        Step::Arm(seat, self.token, self.watch)
    }

    const fn drop_step<S>(self) -> Step<S> {
        Step::Drop(self.token)
    }
}

#[derive(Debug)]
struct Tokens(u64);

impl Tokens {
    const fn arm(&mut self, watch: Watch) -> Arming {
        self.0 += 1;
        Arming {
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

    fn ask(armed: &mut Armed<u32>, now: u64, secs: u64) -> (Answer, Vec<Step<u32>>) {
        armed.question(at(now), Watch::from_micros(secs * 1_000_000))
    }

    /// One seat, armed for ten seconds at 100.
    fn one_seat() -> Armed<u32> {
        let mut armed = Armed::default();
        assert_eq!(armed.seat_added(1), [], "nothing before somebody asks");
        let (answer, steps) = ask(&mut armed, 100, 10);
        assert_eq!(answer, Answer::Active);
        assert_eq!(steps, [Step::Arm(1, Token(1), watch(10))]);
        armed
    }

    #[test]
    fn the_idle_time_is_exact_from_the_call_back_to_the_next_input() {
        let mut armed = one_seat();
        let steps = armed.idled(at(150), Token(1));
        assert_eq!(steps, [Step::Report(Report::BecameIdle)]);
        assert_eq!(ask(&mut armed, 155, 0).0, Answer::Exact(secs(15)));
        let steps = armed.resumed(Token(1));
        assert_eq!(steps, [Step::Report(Report::BecameActive)]);
        assert_eq!(ask(&mut armed, 156, 0).0, Answer::Active);
    }

    #[test]
    fn each_report_is_made_once() {
        let mut armed = one_seat();
        armed.idled(at(110), Token(1));
        armed.resumed(Token(1));
        assert_eq!(armed.idled(at(130), Token(1)), []);
        assert_eq!(armed.resumed(Token(1)), []);
    }

    #[test]
    fn the_same_watch_keeps_its_notification() {
        let mut armed = one_seat();
        assert_eq!(ask(&mut armed, 105, 10), (Answer::Active, vec![]));
        armed.idled(at(110), Token(1));
        let exact = Answer::Exact(secs(20));
        assert_eq!(ask(&mut armed, 120, 10), (exact, vec![]));
        let steps = armed.resumed(Token(1));
        assert_eq!(steps, [Step::Report(Report::BecameActive)]);
    }

    #[test]
    fn a_changed_watch_replaces_its_notification() {
        let mut armed = one_seat();
        let (_, steps) = ask(&mut armed, 105, 20);
        let replaced = [Step::Drop(Token(1)), Step::Arm(1, Token(2), watch(20))];
        assert_eq!(steps, replaced);
        assert_eq!(armed.idled(at(110), Token(1)), [], "it was on its way");
        assert_eq!(ask(&mut armed, 111, 0).0, Answer::Active);
    }

    #[test]
    fn a_longer_watch_loses_nothing_of_what_is_known() {
        let mut armed = one_seat();
        armed.idled(at(110), Token(1));
        let (answer, steps) = ask(&mut armed, 112, 30);
        assert_eq!(answer, Answer::Exact(secs(12)));
        assert_eq!(steps, [Step::Arm(1, Token(2), watch(18))]);
        let steps = armed.idled(at(130), Token(2));
        let reached = [Step::Drop(Token(2)), Step::Report(Report::BecameIdle)];
        assert_eq!(steps, reached);
        assert_eq!(ask(&mut armed, 131, 0).0, Answer::Exact(secs(31)));
        let steps = armed.resumed(Token(1));
        let again = [
            Step::Drop(Token(1)),
            Step::Arm(1, Token(3), watch(30)),
            Step::Report(Report::BecameActive),
        ];
        assert_eq!(steps, again);
    }

    #[test]
    fn input_before_the_longer_watch_is_reached_restarts_it() {
        let mut armed = one_seat();
        armed.idled(at(110), Token(1));
        ask(&mut armed, 112, 30);
        let steps = armed.resumed(Token(1));
        let again = [
            Step::Drop(Token(2)),
            Step::Drop(Token(1)),
            Step::Arm(1, Token(3), watch(30)),
        ];
        assert_eq!(steps, again);
        let steps = armed.idled(at(145), Token(3));
        assert_eq!(steps, [Step::Report(Report::BecameIdle)]);
        assert_eq!(ask(&mut armed, 145, 0).0, Answer::Exact(secs(30)));
    }

    #[test]
    fn a_shorter_watch_is_reached_already() {
        let mut armed = one_seat();
        armed.idled(at(110), Token(1));
        assert_eq!(ask(&mut armed, 111, 5), (Answer::Exact(secs(11)), vec![]));
        let steps = armed.resumed(Token(1));
        let again = [
            Step::Drop(Token(1)),
            Step::Arm(1, Token(2), watch(5)),
            Step::Report(Report::BecameActive),
        ];
        assert_eq!(steps, again);
    }

    #[test]
    fn a_question_without_a_watch_leaves_the_watch_alone() {
        let mut armed = one_seat();
        assert_eq!(ask(&mut armed, 105, 0), (Answer::Active, vec![]));
        let steps = armed.idled(at(110), Token(1));
        assert_eq!(steps, [Step::Report(Report::BecameIdle)]);
    }

    #[test]
    fn the_first_question_without_a_watch_makes_the_next_one_answered() {
        let mut armed = Armed::default();
        armed.seat_added(1);
        let (answer, steps) = ask(&mut armed, 100, 0);
        assert_eq!(answer, Answer::Active);
        assert_eq!(steps, [Step::Arm(1, Token(1), SOME_WATCH)]);
        assert_eq!(
            armed.idled(at(160), Token(1)),
            [],
            "nobody wanted to be told"
        );
        assert_eq!(ask(&mut armed, 170, 0).0, Answer::Exact(secs(70)));
        assert_eq!(armed.resumed(Token(1)), []);
    }

    #[test]
    fn the_newest_input_of_all_seats_counts() {
        let mut armed = one_seat();
        let steps = armed.seat_added(2);
        assert_eq!(steps, [Step::Arm(2, Token(2), watch(10))]);
        assert_eq!(armed.idled(at(110), Token(1)), [], "the other is not");
        assert_eq!(ask(&mut armed, 111, 0).0, Answer::Active);
        let steps = armed.idled(at(130), Token(2));
        assert_eq!(steps, [Step::Report(Report::BecameIdle)]);
        assert_eq!(ask(&mut armed, 130, 0).0, Answer::Exact(secs(10)));
        let steps = armed.resumed(Token(1));
        assert_eq!(steps, [Step::Report(Report::BecameActive)]);
    }

    #[test]
    fn a_seat_that_is_gone_does_not_count() {
        let mut armed = one_seat();
        armed.seat_added(2);
        armed.idled(at(110), Token(1));
        let steps = armed.seat_removed(2);
        let reached = [Step::Drop(Token(2)), Step::Report(Report::BecameIdle)];
        assert_eq!(steps, reached);
        assert_eq!(ask(&mut armed, 115, 0).0, Answer::Exact(secs(15)));
        armed.seat_removed(1);
        assert_eq!(ask(&mut armed, 116, 0).0, Answer::Active, "nobody knows");
    }
}
