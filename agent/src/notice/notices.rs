//! One notification for each limit: shown, brought up to date in its place, taken away.

use std::time::Duration;

use session_timeout_texts::{Language, Sentence};

use super::content::{Abilities, Button, Content};
use super::model::{End, Granted, LastEnding, Limit, Parting, Warning};
use super::remaining::Remaining;
use crate::clock::{Boot, Now};

/// An extension answers with a span, so that the end that comes of it is never the same to the
/// microsecond as the one that a warning names.
const SAME: Duration = Duration::from_secs(1);

/// The server's number of a notification; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u32);

/// Names a notification that was sent to the server, for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    limit: Limit,
    epoch: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Show this, in the place of that one.
    Show(Ticket, Option<Id>, Content),
    Close(Id),
    /// Show this once; the notifier reports when it cannot.
    Tell(LastEnding, Content),
    /// There is something to show, and no server to show it.
    Start,
    /// What the user has pressed a button for.
    Do(Button),
}

/// Why a notification is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The user has seen it, and does not want to any more.
    Dismissed,
    /// It was there for as long as the server shows one, or whatever else.
    Otherwise,
}

/// Why there is no more time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotExtended {
    /// To ask again is in vain.
    Never(String),
    /// This time it was not.
    ThisTime(String),
}

/// Everything that stands on the screen.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    language: Language,
    server: Option<Abilities>,
    /// Which server it is: answers of the one before it are none of this one.
    epoch: u64,
    extending: Extending,
    absolute: Notice,
    inactivity: Notice,
    /// What the user has yet to be told of the last session.
    last: Option<LastEnding>,
}

/// Whether an answer about more time is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Extending {
    #[default]
    Unasked,
    Asked,
}

/// What stands there about one limit.
#[derive(Debug, Default)]
struct Notice {
    about: Option<About>,
    /// What the server shows.
    id: Option<Id>,
    call: Call,
}

/// Where the server stands with what it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Call {
    #[default]
    Answered,
    Unanswered,
    /// What it was sent is outdated; to be sent again when it has answered.
    Outdated,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    Warned(Warned),
    Granted(Granted),
    Parting(Parting),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Warned {
    warning: Warning,
    /// What came of the last button.
    note: Option<String>,
    /// When the notification has to be updated, unless the user has closed it.
    next: Option<Boot>,
}

impl Notices {
    /// Nothing yet; whatever there will be is said in this language.
    pub(crate) fn new(language: Language) -> Self {
        Self {
            language,
            ..Self::default()
        }
    }

    /// What the server can do, where there is one.
    pub(crate) const fn server(&self) -> Option<Abilities> {
        self.server
    }

    /// Whether nothing is to be seen.
    pub(crate) const fn is_empty(&self) -> bool {
        self.absolute.about.is_none() && self.inactivity.about.is_none()
    }

    /// When to call [`Notices::tick`]; `None` while nothing changes by itself.
    pub(crate) fn next(&self) -> Option<Boot> {
        self.server?;
        let notices = [&self.absolute, &self.inactivity].into_iter();
        let warned = notices.filter_map(Notice::warned);
        warned.filter_map(|warned| warned.next).min()
    }

    /// There is another server, or none any more.
    pub(crate) fn served(&mut self, now: Now, server: Option<Abilities>) -> Vec<Step> {
        self.server = server;
        self.epoch += 1;
        for limit in Limit::ALL {
            let notice = self.notice(limit);
            notice.id = None;
            notice.call = Call::Answered;
        }
        let told = self.tell_last();
        let warned = self.show_warnings(now);
        told.into_iter().chain(warned).collect()
    }

    /// The user is to be told of the last session, now or when there is a server.
    pub(crate) fn ended_before(&mut self, ending: LastEnding) -> Vec<Step> {
        self.last = Some(ending);
        match self.server {
            Some(_) => self.tell_last().into_iter().collect(),
            None => vec![Step::Start],
        }
    }

    /// That was not shown after all: the next server may.
    pub(crate) fn untold(&mut self, ending: LastEnding) {
        self.last = Some(ending);
    }

    /// The daemon warns.
    pub(crate) fn warned(&mut self, now: Now, warning: Warning) -> Vec<Step> {
        let limit = warning.limit;
        self.notice(limit).about = Some(About::Warned(Warned {
            warning,
            note: None,
            next: None,
        }));
        self.show_or_start(now, &[limit])
    }

    /// The daemon takes a warning back.
    pub(crate) fn withdrawn(&mut self, limit: Limit) -> Vec<Step> {
        let notice = self.notice(limit);
        match notice.about {
            // That there is more time is what a warning was withdrawn for. That the screen was
            // locked, and why, is for the user who unlocks it.
            None
            | Some(
                About::Granted(_)
                | About::Parting(Parting {
                    end: End::Locks, ..
                }),
            ) => Vec::new(),
            Some(About::Warned(_) | About::Parting(_)) => notice.take_away().into_iter().collect(),
        }
    }

    /// The session ends, or is locked.
    pub(crate) fn ends(&mut self, now: Now, parting: Parting) -> Vec<Step> {
        let mut steps = Vec::new();
        for limit in Limit::ALL {
            if limit != parting.limit {
                steps.extend(self.notice(limit).take_away());
            }
        }
        self.notice(parting.limit).about = Some(About::Parting(parting));
        steps.extend(self.show(now, parting.limit));
        steps
    }

    /// The screen was unlocked: what came while it was locked, nobody has seen.
    pub(crate) fn unlocked(&mut self, now: Now) -> Vec<Step> {
        let due: Vec<_> = self.warnings().collect();
        self.show_or_start(now, &due)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        for limit in Limit::ALL {
            let next = self.notice(limit).warned().and_then(|warned| warned.next);
            if next.is_some_and(|next| now.until(next).is_zero()) {
                steps.extend(self.show(now, limit));
            }
        }
        steps
    }

    /// The server has shown something, or has not.
    pub(crate) fn shown(&mut self, now: Now, ticket: Ticket, id: Option<Id>) -> Vec<Step> {
        if ticket.epoch != self.epoch {
            return Vec::new();
        }
        let notice = self.notice(ticket.limit);
        let outdated = notice.call == Call::Outdated;
        notice.call = Call::Answered;
        let mut steps = Vec::new();
        if let Some(id) = id {
            // A server that knows no replacing has made another one.
            let before = notice.id.replace(id).filter(|before| *before != id);
            steps.extend(before.map(Step::Close));
        }
        if notice.about.is_none() {
            steps.extend(notice.id.take().map(Step::Close));
        } else if outdated {
            steps.extend(self.show(now, ticket.limit));
        }
        steps
    }

    /// The server has closed one.
    pub(crate) fn closed(&mut self, id: Id, why: Closed) {
        for limit in Limit::ALL {
            let notice = self.notice(limit);
            if notice.id != Some(id) {
                continue;
            }
            notice.id = None;
            match &mut notice.about {
                Some(About::Warned(warned)) if why == Closed::Dismissed => warned.next = None,
                Some(About::Warned(_)) | None => {}
                Some(About::Granted(_) | About::Parting(_)) => notice.about = None,
            }
        }
    }

    /// The user has pressed a button.
    pub(crate) fn pressed(&mut self, id: Id, button: Button) -> Option<Step> {
        let mut limits = Limit::ALL.into_iter();
        let limit = limits.find(|limit| self.notice(*limit).id == Some(id))?;
        let extensions = self.notice(limit).warned()?.warning.extensions;
        if button == Button::Extend {
            if extensions.is_none() || self.extending == Extending::Asked {
                return None;
            }
            self.extending = Extending::Asked;
        }
        Some(Step::Do(button))
    }

    /// What came of the wish for more time.
    pub(crate) fn extended(
        &mut self,
        now: Now,
        outcome: Result<Granted, NotExtended>,
    ) -> Vec<Step> {
        self.extending = Extending::Unasked;
        let language = self.language;
        let notice = &mut self.absolute;
        match (&mut notice.about, outcome) {
            (Some(About::Parting(_)), _) | (None | Some(About::Granted(_)), Err(_)) => {
                return Vec::new();
            }
            // It was warned of again already.
            (Some(About::Warned(warned)), Ok(granted))
                if warned.warning.ends > granted.ends.before(SAME) =>
            {
                let by = granted.by;
                let said = language.say(Sentence::Granted { by });
                warned.note = Some(format!("{said}."));
            }
            (about, Ok(granted)) => *about = Some(About::Granted(granted)),
            (Some(About::Warned(warned)), Err(NotExtended::Never(why))) => {
                warned.warning.extensions = None;
                warned.note = Some(language.say(Sentence::NotExtended { why: &why }));
            }
            (Some(About::Warned(warned)), Err(NotExtended::ThisTime(why))) => {
                warned.note = Some(language.say(Sentence::NotExtended { why: &why }));
            }
        }
        self.show(now, Limit::Absolute)
    }

    /// What the user has pressed a button for came to nothing.
    pub(crate) fn failed(&mut self, now: Now, note: &str) -> Vec<Step> {
        let due: Vec<_> = self.warnings().collect();
        let mut steps = Vec::new();
        for limit in due {
            if let Some(About::Warned(warned)) = &mut self.notice(limit).about {
                warned.note = Some(note.to_owned());
            }
            steps.extend(self.show(now, limit));
        }
        steps
    }

    fn tell_last(&mut self) -> Option<Step> {
        let abilities = self.server?;
        let ending = self.last.take()?;
        let content = Content::last_ending(self.language, &ending, abilities);
        Some(Step::Tell(ending, content))
    }

    fn notice(&mut self, limit: Limit) -> &mut Notice {
        match limit {
            Limit::Absolute => &mut self.absolute,
            Limit::Inactivity => &mut self.inactivity,
        }
    }

    /// The limits that are warned of.
    fn warnings(&self) -> impl Iterator<Item = Limit> + use<> {
        let absolute = self.absolute.warned().map(|_| Limit::Absolute);
        let inactivity = self.inactivity.warned().map(|_| Limit::Inactivity);
        absolute.into_iter().chain(inactivity)
    }

    fn show_warnings(&mut self, now: Now) -> Vec<Step> {
        let due = self.warnings();
        due.flat_map(|limit| self.show(now, limit)).collect()
    }

    fn show_or_start(&mut self, now: Now, due: &[Limit]) -> Vec<Step> {
        if self.server.is_none() && !due.is_empty() {
            return vec![Step::Start];
        }
        due.iter()
            .flat_map(|limit| self.show(now, *limit))
            .collect()
    }

    /// Shows what there is about this limit, as soon as the server has answered.
    fn show(&mut self, now: Now, limit: Limit) -> Vec<Step> {
        let (Some(abilities), epoch) = (self.server, self.epoch) else {
            return Vec::new();
        };
        let language = self.language;
        let notice = self.notice(limit);
        let content = match &mut notice.about {
            None => return Vec::new(),
            Some(About::Warned(warned)) => warned.content(language, now, abilities),
            Some(About::Granted(granted)) => Content::granted(language, now, *granted, abilities),
            Some(About::Parting(parting)) => Content::parting(language, parting, abilities),
        };
        if notice.call != Call::Answered {
            notice.call = Call::Outdated;
            return Vec::new();
        }
        notice.call = Call::Unanswered;
        vec![Step::Show(Ticket { limit, epoch }, notice.id, content)]
    }
}

impl Notice {
    const fn warned(&self) -> Option<&Warned> {
        match &self.about {
            Some(About::Warned(warned)) => Some(warned),
            _ => None,
        }
    }

    /// Nothing is to be seen of it any more.
    fn take_away(&mut self) -> Option<Step> {
        self.about = None;
        // Otherwise what is on its way there is closed when the server has answered.
        let there = self.call == Call::Answered;
        self.id.take_if(|_| there).map(Step::Close)
    }
}

impl Warned {
    /// What to show now; notes when that changes.
    fn content(&mut self, language: Language, now: Now, abilities: Abilities) -> Content {
        let ends = self.warning.ends;
        self.next = Remaining::until(now, ends).next(ends);
        Content::warning(
            language,
            now,
            &self.warning,
            self.note.as_deref(),
            abilities,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;
    use crate::notice::{Actions, Extensions, Urgency};

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn whole() -> Abilities {
        Abilities::of(&["actions".to_owned(), "body".to_owned()])
    }

    /// Of an end at 1000.
    fn warning(limit: Limit) -> Warning {
        Warning {
            limit,
            ends: at(1_000).after(secs(0)),
            length: secs(900),
            urgency: Urgency::Normal,
            end: End::Ends,
            rule: None,
            message: None,
            extensions: Some(Extensions {
                left: 1,
                by: secs(1800),
            }),
        }
    }

    fn parting(limit: Limit, end: End) -> Parting {
        Parting {
            limit,
            length: secs(900),
            end,
        }
    }

    /// The only step, which has to be to show something: with what answer, in whose place, and what.
    #[track_caller]
    fn shown(steps: &[Step]) -> (Ticket, Option<Id>, &Content) {
        match steps {
            [Step::Show(ticket, replaced, content)] => (*ticket, *replaced, content),
            other => panic!("{other:?}"),
        }
    }

    /// A warning of an end at 1000 that is shown at 700 as number 7.
    fn standing(limit: Limit) -> Notices {
        let mut notices = Notices::default();
        assert_eq!(notices.served(at(0), Some(whole())), []);
        let steps = notices.warned(at(700), warning(limit));
        let (ticket, replaced, content) = shown(&steps);
        assert_eq!(replaced, None);
        assert_eq!(content.summary, "This session ends within 5 min");
        assert_eq!(notices.shown(at(700), ticket, Some(Id(7))), []);
        notices
    }

    #[test]
    fn a_warning_is_brought_up_to_date_in_its_place_and_nobody_is_woken_in_between() {
        let mut notices = standing(Limit::Absolute);
        for (now, summary) in [
            (880, "This session ends within 2 min"),
            (940, "This session ends within 1 min"),
            (970, "This session ends within 30 s"),
            (990, "This session ends within 10 s"),
            (1_000, "This session ends now"),
        ] {
            assert_eq!(notices.next(), Some(at(now).after(secs(0))));
            assert_eq!(notices.tick(at(now - 1)), [], "not yet");
            let steps = notices.tick(at(now));
            let (ticket, replaced, content) = shown(&steps);
            assert_eq!((replaced, content.summary.as_str()), (Some(Id(7)), summary));
            assert_eq!(notices.shown(at(now), ticket, Some(Id(7))), []);
        }
        assert_eq!(notices.next(), None);
    }

    #[test]
    fn the_next_warning_takes_the_place_of_the_one_before() {
        let mut notices = standing(Limit::Absolute);
        let last = Warning {
            urgency: Urgency::Critical,
            ..warning(Limit::Absolute)
        };
        let steps = notices.warned(at(940), last);
        let (_, replaced, content) = shown(&steps);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.urgency, Urgency::Critical);
    }

    #[test]
    fn each_limit_has_a_notification_of_its_own() {
        let mut notices = standing(Limit::Absolute);
        let steps = notices.warned(at(700), warning(Limit::Inactivity));
        let (ticket, replaced, _) = shown(&steps);
        assert_eq!(replaced, None);
        notices.shown(at(700), ticket, Some(Id(8)));
        assert_eq!(notices.withdrawn(Limit::Inactivity), [Step::Close(Id(8))]);
        assert_eq!(notices.withdrawn(Limit::Absolute), [Step::Close(Id(7))]);
        assert_eq!(notices.next(), None);
    }

    #[test]
    fn what_is_withdrawn_while_the_server_has_not_answered_is_closed_when_it_has() {
        let mut notices = Notices::default();
        notices.served(at(0), Some(whole()));
        let steps = notices.warned(at(700), warning(Limit::Inactivity));
        let (ticket, ..) = shown(&steps);
        assert_eq!(notices.withdrawn(Limit::Inactivity), []);
        let steps = notices.shown(at(701), ticket, Some(Id(7)));
        assert_eq!(steps, [Step::Close(Id(7))]);
    }

    #[test]
    fn a_slow_server_is_sent_nothing_more_until_it_has_answered() {
        let mut notices = Notices::default();
        notices.served(at(0), Some(whole()));
        let steps = notices.warned(at(700), warning(Limit::Inactivity));
        let (ticket, ..) = shown(&steps);
        assert_eq!(notices.tick(at(880)), []);
        assert_eq!(notices.tick(at(940)), []);
        let steps = notices.shown(at(941), ticket, Some(Id(7)));
        let (_, replaced, content) = shown(&steps);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.summary, "This session ends within 59 s");
    }

    #[test]
    fn a_server_that_replaces_nothing_is_told_to_close_the_one_before() {
        let mut notices = standing(Limit::Absolute);
        let steps = notices.tick(at(880));
        let (ticket, ..) = shown(&steps);
        let steps = notices.shown(at(880), ticket, Some(Id(9)));
        assert_eq!(steps, [Step::Close(Id(7))]);
        assert_eq!(notices.withdrawn(Limit::Absolute), [Step::Close(Id(9))]);
    }

    #[test]
    fn who_dismisses_a_warning_sees_the_next_one_and_wakes_nobody_before() {
        let mut notices = standing(Limit::Absolute);
        notices.closed(Id(7), Closed::Dismissed);
        assert_eq!(notices.next(), None);
        assert_eq!(notices.tick(at(880)), []);
        let steps = notices.warned(at(940), warning(Limit::Absolute));
        assert_eq!(shown(&steps).1, None);
    }

    #[test]
    fn a_server_that_shows_nothing_for_long_shows_it_at_each_step() {
        let mut notices = standing(Limit::Absolute);
        notices.closed(Id(7), Closed::Otherwise);
        let steps = notices.tick(at(880));
        assert_eq!(shown(&steps).1, None);
    }

    #[test]
    fn a_server_that_comes_late_shows_what_is_due() {
        let mut notices = Notices::default();
        let steps = notices.warned(at(700), warning(Limit::Absolute));
        assert_eq!(steps, [Step::Start]);
        assert_eq!(notices.next(), None);
        assert_eq!(notices.tick(at(880)), []);
        let steps = notices.served(at(881), Some(whole()));
        let (_, _, content) = shown(&steps);
        assert_eq!(content.summary, "This session ends within 2 min");
    }

    #[test]
    fn another_server_knows_nothing_of_what_the_one_before_has_shown() {
        let mut notices = standing(Limit::Absolute);
        let steps = notices.tick(at(880));
        let (old, ..) = shown(&steps);
        assert_eq!(notices.served(at(881), None), []);
        let poor = Abilities::of(&[]);
        let steps = notices.served(at(882), Some(poor));
        let (new, replaced, content) = shown(&steps);
        assert_eq!(replaced, None);
        assert_eq!((content.buttons.len(), poor.actions), (0, Actions::Missing));
        assert_eq!(notices.shown(at(883), old, Some(Id(7))), []);
        assert_eq!(notices.shown(at(883), new, Some(Id(1))), []);
        assert_eq!(notices.withdrawn(Limit::Absolute), [Step::Close(Id(1))]);
    }

    #[test]
    fn an_unlock_shows_again_what_is_due_and_nothing_else() {
        let mut notices = standing(Limit::Absolute);
        notices.closed(Id(7), Closed::Dismissed);
        let steps = notices.unlocked(at(710));
        let (ticket, ..) = shown(&steps);
        notices.shown(at(710), ticket, Some(Id(8)));
        notices.withdrawn(Limit::Absolute);
        assert_eq!(notices.unlocked(at(720)), []);
    }

    #[test]
    fn the_end_takes_the_place_of_the_warning_and_takes_the_other_away() {
        let mut notices = standing(Limit::Absolute);
        let steps = notices.warned(at(700), warning(Limit::Inactivity));
        let (ticket, ..) = shown(&steps);
        notices.shown(at(700), ticket, Some(Id(8)));
        let steps = notices.ends(at(1_000), parting(Limit::Absolute, End::Ends));
        assert_eq!(steps[0], Step::Close(Id(8)));
        let (_, replaced, content) = shown(&steps[1..]);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.summary, "This session ends now");
        assert_eq!(content.body, "It has lasted for 15 min.");
    }

    #[test]
    fn that_the_screen_was_locked_is_shown_after_the_unlock() {
        let mut notices = standing(Limit::Inactivity);
        let steps = notices.ends(at(1_000), parting(Limit::Inactivity, End::Locks));
        let (ticket, ..) = shown(&steps);
        notices.shown(at(1_000), ticket, Some(Id(7)));
        assert_eq!(notices.withdrawn(Limit::Inactivity), []);
        let steps = notices.warned(at(2_000), warning(Limit::Inactivity));
        assert_eq!(shown(&steps).1, Some(Id(7)));
    }

    #[test]
    fn an_end_that_is_called_off_is_taken_away() {
        let mut notices = standing(Limit::Absolute);
        let steps = notices.ends(at(1_000), parting(Limit::Absolute, End::Ends));
        let (ticket, ..) = shown(&steps);
        notices.shown(at(1_000), ticket, Some(Id(7)));
        assert_eq!(notices.withdrawn(Limit::Absolute), [Step::Close(Id(7))]);
    }

    #[test]
    fn a_button_counts_on_what_is_shown_alone() {
        let mut notices = standing(Limit::Inactivity);
        assert_eq!(notices.pressed(Id(6), Button::Stay), None);
        let stay = Some(Step::Do(Button::Stay));
        assert_eq!(notices.pressed(Id(7), Button::Stay), stay);
        notices.withdrawn(Limit::Inactivity);
        assert_eq!(notices.pressed(Id(7), Button::Stay), None);
    }

    #[test]
    fn more_time_is_asked_for_once_and_shown() {
        let mut notices = standing(Limit::Absolute);
        let extend = Some(Step::Do(Button::Extend));
        assert_eq!(notices.pressed(Id(7), Button::Extend), extend);
        assert_eq!(notices.pressed(Id(7), Button::Extend), None, "in between");
        let granted = Granted {
            by: secs(1800),
            ends: at(1_000).after(secs(1800)),
            left: 0,
        };
        let steps = notices.extended(at(701), Ok(granted));
        let (ticket, replaced, content) = shown(&steps);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.summary, "This session was extended by 30 min");
        assert_eq!(content.body, "It ends within 35 min.");
        notices.shown(at(701), ticket, Some(Id(7)));
        assert_eq!(notices.withdrawn(Limit::Absolute), [], "it is no warning");
        assert_eq!(notices.next(), None);
    }

    #[test]
    fn more_time_that_comes_after_the_withdrawal_or_the_next_warning_is_shown_too() {
        let granted = Granted {
            by: secs(1800),
            ends: at(1_000).after(secs(1800)),
            left: 1,
        };
        let mut notices = standing(Limit::Absolute);
        notices.withdrawn(Limit::Absolute);
        let steps = notices.extended(at(701), Ok(granted));
        assert!(shown(&steps).2.summary.contains("extended by 30 min"));

        let mut notices = standing(Limit::Absolute);
        let again = Warning {
            ends: granted.ends,
            ..warning(Limit::Absolute)
        };
        let steps = notices.warned(at(701), again);
        let (ticket, ..) = shown(&steps);
        notices.shown(at(701), ticket, Some(Id(7)));
        let steps = notices.extended(at(701), Ok(granted));
        let content = shown(&steps).2;
        assert_eq!(content.summary, "This session ends within 35 min");
        assert!(content.body.contains("extended by 30 min"), "{content:?}");
    }

    #[test]
    fn a_refusal_is_shown_with_its_reason_and_takes_the_button_away_where_it_is_final() {
        let mut notices = standing(Limit::Absolute);
        for (refusal, button) in [
            (NotExtended::ThisTime("no password".to_owned()), true),
            (NotExtended::Never("used up".to_owned()), false),
        ] {
            assert!(notices.pressed(Id(7), Button::Extend).is_some());
            let (NotExtended::ThisTime(why) | NotExtended::Never(why)) = refusal.clone();
            let steps = notices.extended(at(700), Err(refusal));
            let (ticket, _, content) = shown(&steps);
            assert!(content.body.contains(&why), "{content:?}");
            let mut buttons = content.buttons.iter();
            let shows = buttons.any(|(button, _)| *button == Button::Extend);
            assert_eq!(shows, button);
            notices.shown(at(700), ticket, Some(Id(7)));
        }
        assert_eq!(notices.pressed(Id(7), Button::Extend), None);
    }
}
