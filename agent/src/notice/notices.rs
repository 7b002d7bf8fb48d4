//! The notifications of a session: one for each limit, which is shown, updated and closed, and one
//! about the end of the last session.

use std::time::Duration;

use session_timeout_texts::{Language, Sentence};

use super::content::{Button, Capabilities, Content};
use super::model::{End, EndNotice, Extension, LastEnding, Limit, Warning};
use super::slot::{CloseReason, Id, NoticeAction, RequestId, Reshow, ShownWarning, Slot, Subject};
use crate::clock::{BootTime, Now};

/// Ends that differ by less than this are the same: the reply to an extension has the remaining
/// time, from which the end cannot be computed to the microsecond.
const SAME_END: Duration = Duration::from_secs(1);

/// Why a session was not extended, with the reason to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotExtended {
    /// Every later request would be refused as well.
    Permanent(String),
    /// A later request may succeed.
    Temporary(String),
}

/// All notifications.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    language: Language,
    server: Option<Capabilities>,
    /// Counts servers, so that replies of an earlier one are recognized.
    generation: u64,
    extend_call: ExtendCall,
    absolute: Slot,
    inactivity: Slot,
    /// The end of the last session, until it is shown.
    last_ending: Option<LastEnding>,
}

/// Whether a request for an extension is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExtendCall {
    #[default]
    None,
    Pending,
}

impl Notices {
    /// No notifications; later ones are in this language.
    pub(crate) fn new(language: Language) -> Self {
        Self {
            language,
            ..Self::default()
        }
    }

    /// The capabilities of the server, if there is one.
    pub(crate) const fn server(&self) -> Option<Capabilities> {
        self.server
    }

    /// Whether there is nothing to show about this session.
    pub(crate) const fn is_empty(&self) -> bool {
        self.absolute.subject.is_none() && self.inactivity.subject.is_none()
    }

    /// When to call [`Notices::update`]; `None` if no content changes with time.
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.server?;
        let slots = [&self.absolute, &self.inactivity].into_iter();
        let warnings = slots.filter_map(Slot::warning);
        warnings.filter_map(|shown| shown.next).min()
    }

    /// There is another server, or none any more.
    pub(crate) fn server_changed(
        &mut self,
        now: Now,
        server: Option<Capabilities>,
    ) -> Vec<NoticeAction> {
        self.server = server;
        self.generation += 1;
        for limit in Limit::ALL {
            self.slot(limit).server_changed();
        }
        let last_ending = self.show_last_ending();
        let warnings = self.show_all(now, self.warned_limits());
        last_ending.into_iter().chain(warnings).collect()
    }

    /// Shows how the last session ended, now or when there is a server.
    pub(crate) fn last_ending(&mut self, ending: LastEnding) -> Vec<NoticeAction> {
        self.last_ending = Some(ending);
        match self.server {
            Some(_) => self.show_last_ending().into_iter().collect(),
            None => vec![NoticeAction::StartServer],
        }
    }

    /// The end of the last session could not be shown; the next server gets it.
    pub(crate) fn last_ending_not_shown(&mut self, ending: LastEnding) {
        self.last_ending = Some(ending);
    }

    /// The daemon warns.
    pub(crate) fn warn(&mut self, now: Now, warning: Warning) -> Vec<NoticeAction> {
        let limit = warning.limit;
        self.slot(limit).subject = Some(Subject::Warning(ShownWarning::new(warning)));
        self.show_or_start(now, &[limit])
    }

    /// The daemon withdraws a warning.
    pub(crate) fn withdraw(&mut self, limit: Limit) -> Vec<NoticeAction> {
        let slot = self.slot(limit);
        match slot.subject {
            // An extension is itself the reason for the withdrawal. That the screen was locked, and
            // why, is for the user who unlocks it.
            None
            | Some(
                Subject::Extension(_)
                | Subject::End(EndNotice {
                    end: End::Locks, ..
                }),
            ) => Vec::new(),
            Some(Subject::Warning(_) | Subject::End(_)) => slot.remove().into_iter().collect(),
        }
    }

    /// The session ends, or its screen is locked.
    pub(crate) fn end(&mut self, now: Now, notice: EndNotice) -> Vec<NoticeAction> {
        let mut actions = Vec::new();
        for limit in Limit::ALL {
            if limit != notice.limit {
                actions.extend(self.slot(limit).remove());
            }
        }
        self.slot(notice.limit).subject = Some(Subject::End(notice));
        actions.extend(self.show(now, notice.limit));
        actions
    }

    /// The screen was unlocked: shows the warnings again, which it has hidden.
    pub(crate) fn unlocked(&mut self, now: Now) -> Vec<NoticeAction> {
        let warned: Vec<_> = self.warned_limits().collect();
        self.show_or_start(now, &warned)
    }

    /// Updates the notifications whose content has changed with time.
    pub(crate) fn update(&mut self, now: Now) -> Vec<NoticeAction> {
        let mut actions = Vec::new();
        for limit in Limit::ALL {
            let next = self.slot(limit).warning().and_then(|shown| shown.next);
            if next.is_some_and(|next| now.until(next).is_zero()) {
                actions.extend(self.show(now, limit));
            }
        }
        actions
    }

    /// The server has replied to a request: with the id of the notification, or with an error.
    pub(crate) fn shown(
        &mut self,
        now: Now,
        request: RequestId,
        id: Option<Id>,
    ) -> Vec<NoticeAction> {
        if request.generation != self.generation {
            return Vec::new();
        }
        let (mut actions, reshow) = self.slot(request.limit).replied(id);
        if reshow == Reshow::Yes {
            actions.extend(self.show(now, request.limit));
        }
        actions
    }

    /// The server has closed a notification.
    pub(crate) fn closed(&mut self, id: Id, why: CloseReason) {
        for limit in Limit::ALL {
            let slot = self.slot(limit);
            if slot.id == Some(id) {
                slot.closed(why);
            }
        }
    }

    /// The user has pressed a button. `None` if it has no effect.
    pub(crate) fn button_pressed(&mut self, id: Id, button: Button) -> Option<NoticeAction> {
        let mut limits = Limit::ALL.into_iter();
        let limit = limits.find(|limit| self.slot(*limit).id == Some(id))?;
        let extensions = self.slot(limit).warning()?.warning.extensions;
        if button == Button::Extend {
            if extensions.is_none() || self.extend_call == ExtendCall::Pending {
                return None;
            }
            self.extend_call = ExtendCall::Pending;
        }
        Some(NoticeAction::Press(button))
    }

    /// The daemon has replied to the request for an extension.
    pub(crate) fn extended(
        &mut self,
        now: Now,
        outcome: Result<Extension, NotExtended>,
    ) -> Vec<NoticeAction> {
        self.extend_call = ExtendCall::None;
        let language = self.language;
        match (&mut self.absolute.subject, outcome) {
            (Some(Subject::End(_)), _) | (None | Some(Subject::Extension(_)), Err(_)) => {
                return Vec::new();
            }
            // The warning of the extended limit is already shown.
            (Some(Subject::Warning(shown)), Ok(extension))
                if shown.warning.ends > extension.ends.before(SAME_END) =>
            {
                let by = extension.by;
                let title = language.say(Sentence::Granted { by });
                shown.note = Some(format!("{title}."));
            }
            (subject, Ok(extension)) => *subject = Some(Subject::Extension(extension)),
            (Some(Subject::Warning(shown)), Err(NotExtended::Permanent(why))) => {
                shown.warning.extensions = None;
                shown.note = Some(language.say(Sentence::NotExtended { why: &why }));
            }
            (Some(Subject::Warning(shown)), Err(NotExtended::Temporary(why))) => {
                shown.note = Some(language.say(Sentence::NotExtended { why: &why }));
            }
        }
        self.show(now, Limit::Absolute).into_iter().collect()
    }

    /// What a button is for has failed; `note` says why.
    pub(crate) fn button_failed(&mut self, now: Now, note: &str) -> Vec<NoticeAction> {
        let warned: Vec<_> = self.warned_limits().collect();
        for limit in &warned {
            if let Some(Subject::Warning(shown)) = &mut self.slot(*limit).subject {
                shown.note = Some(note.to_owned());
            }
        }
        self.show_all(now, warned)
    }

    fn show_last_ending(&mut self) -> Option<NoticeAction> {
        let capabilities = self.server?;
        let ending = self.last_ending.take()?;
        let content = Content::last_ending(self.language, &ending, capabilities);
        Some(NoticeAction::ShowLastEnding(ending, content))
    }

    fn slot(&mut self, limit: Limit) -> &mut Slot {
        match limit {
            Limit::Absolute => &mut self.absolute,
            Limit::Inactivity => &mut self.inactivity,
        }
    }

    fn warned_limits(&self) -> impl Iterator<Item = Limit> + use<> {
        let absolute = self.absolute.warning().map(|_| Limit::Absolute);
        let inactivity = self.inactivity.warning().map(|_| Limit::Inactivity);
        absolute.into_iter().chain(inactivity)
    }

    fn show_or_start(&mut self, now: Now, limits: &[Limit]) -> Vec<NoticeAction> {
        if self.server.is_none() && !limits.is_empty() {
            return vec![NoticeAction::StartServer];
        }
        self.show_all(now, limits.iter().copied())
    }

    fn show_all(&mut self, now: Now, limits: impl IntoIterator<Item = Limit>) -> Vec<NoticeAction> {
        let limits = limits.into_iter();
        limits.filter_map(|limit| self.show(now, limit)).collect()
    }

    /// Shows the notification of this limit, if there is a server.
    fn show(&mut self, now: Now, limit: Limit) -> Option<NoticeAction> {
        let (language, capabilities, generation) = (self.language, self.server?, self.generation);
        let request = RequestId { limit, generation };
        self.slot(limit).show(now, request, language, capabilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;
    use crate::notice::{Actions, ExtensionOffer, Urgency};

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn full() -> Capabilities {
        Capabilities::from_names(&["actions".to_owned(), "body".to_owned()])
    }

    /// A warning of an end at 1000.
    fn warning(limit: Limit) -> Warning {
        Warning {
            limit,
            ends: at(1_000).after(secs(0)),
            length: secs(900),
            urgency: Urgency::Normal,
            end: End::Ends,
            rule: None,
            message: None,
            extensions: Some(ExtensionOffer {
                left: 1,
                by: secs(1800),
            }),
        }
    }

    fn end_notice(limit: Limit, end: End) -> EndNotice {
        EndNotice {
            limit,
            length: secs(900),
            end,
        }
    }

    /// The only action, which has to be to show a notification: its parts.
    #[track_caller]
    fn shown(actions: &[NoticeAction]) -> (RequestId, Option<Id>, &Content) {
        match actions {
            [NoticeAction::Show(request, replaced, content)] => (*request, *replaced, content),
            other => panic!("{other:?}"),
        }
    }

    /// A warning of an end at 1000 that is shown at 700 with the id 7.
    fn warned(limit: Limit) -> Notices {
        let mut notices = Notices::default();
        assert_eq!(notices.server_changed(at(0), Some(full())), []);
        let actions = notices.warn(at(700), warning(limit));
        let (request, replaced, content) = shown(&actions);
        assert_eq!(replaced, None);
        assert_eq!(content.summary, "This session ends within 5 min");
        assert_eq!(notices.shown(at(700), request, Some(Id(7))), []);
        notices
    }

    #[test]
    fn a_warning_is_updated_in_its_place_and_the_agent_sleeps_in_between() {
        let mut notices = warned(Limit::Absolute);
        for (now, summary) in [
            (880, "This session ends within 2 min"),
            (940, "This session ends within 1 min"),
            (970, "This session ends within 30 s"),
            (990, "This session ends within 10 s"),
            (1_000, "This session ends now"),
        ] {
            assert_eq!(notices.next(), Some(at(now).after(secs(0))));
            assert_eq!(notices.update(at(now - 1)), [], "not yet");
            let actions = notices.update(at(now));
            let (request, replaced, content) = shown(&actions);
            assert_eq!((replaced, content.summary.as_str()), (Some(Id(7)), summary));
            assert_eq!(notices.shown(at(now), request, Some(Id(7))), []);
        }
        assert_eq!(notices.next(), None);
    }

    #[test]
    fn the_next_warning_replaces_the_one_before() {
        let mut notices = warned(Limit::Absolute);
        let last = Warning {
            urgency: Urgency::Critical,
            ..warning(Limit::Absolute)
        };
        let actions = notices.warn(at(940), last);
        let (_, replaced, content) = shown(&actions);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.urgency, Urgency::Critical);
    }

    #[test]
    fn each_limit_has_a_notification_of_its_own() {
        let mut notices = warned(Limit::Absolute);
        let actions = notices.warn(at(700), warning(Limit::Inactivity));
        let (request, replaced, _) = shown(&actions);
        assert_eq!(replaced, None);
        notices.shown(at(700), request, Some(Id(8)));
        assert_eq!(
            notices.withdraw(Limit::Inactivity),
            [NoticeAction::Close(Id(8))]
        );
        assert_eq!(
            notices.withdraw(Limit::Absolute),
            [NoticeAction::Close(Id(7))]
        );
        assert_eq!(notices.next(), None);
    }

    #[test]
    fn a_warning_that_is_withdrawn_before_the_server_replies_is_closed_after_the_reply() {
        let mut notices = Notices::default();
        notices.server_changed(at(0), Some(full()));
        let actions = notices.warn(at(700), warning(Limit::Inactivity));
        let (request, ..) = shown(&actions);
        assert_eq!(notices.withdraw(Limit::Inactivity), []);
        let actions = notices.shown(at(701), request, Some(Id(7)));
        assert_eq!(actions, [NoticeAction::Close(Id(7))]);
    }

    #[test]
    fn a_slow_server_is_sent_nothing_more_until_it_has_replied() {
        let mut notices = Notices::default();
        notices.server_changed(at(0), Some(full()));
        let actions = notices.warn(at(700), warning(Limit::Inactivity));
        let (request, ..) = shown(&actions);
        assert_eq!(notices.update(at(880)), []);
        assert_eq!(notices.update(at(940)), []);
        let actions = notices.shown(at(941), request, Some(Id(7)));
        let (_, replaced, content) = shown(&actions);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.summary, "This session ends within 59 s");
    }

    #[test]
    fn a_server_that_cannot_replace_a_notification_has_the_old_one_closed() {
        let mut notices = warned(Limit::Absolute);
        let actions = notices.update(at(880));
        let (request, ..) = shown(&actions);
        let actions = notices.shown(at(880), request, Some(Id(9)));
        assert_eq!(actions, [NoticeAction::Close(Id(7))]);
        assert_eq!(
            notices.withdraw(Limit::Absolute),
            [NoticeAction::Close(Id(9))]
        );
    }

    #[test]
    fn a_dismissed_warning_is_shown_with_the_next_one_and_not_before() {
        let mut notices = warned(Limit::Absolute);
        notices.closed(Id(7), CloseReason::Dismissed);
        assert_eq!(notices.next(), None);
        assert_eq!(notices.update(at(880)), []);
        let actions = notices.warn(at(940), warning(Limit::Absolute));
        assert_eq!(shown(&actions).1, None);
    }

    #[test]
    fn a_notification_that_expires_is_shown_again_at_each_step() {
        let mut notices = warned(Limit::Absolute);
        notices.closed(Id(7), CloseReason::Other);
        let actions = notices.update(at(880));
        assert_eq!(shown(&actions).1, None);
    }

    #[test]
    fn a_server_that_starts_late_shows_what_is_due() {
        let mut notices = Notices::default();
        let actions = notices.warn(at(700), warning(Limit::Absolute));
        assert_eq!(actions, [NoticeAction::StartServer]);
        assert_eq!(notices.next(), None);
        assert_eq!(notices.update(at(880)), []);
        let actions = notices.server_changed(at(881), Some(full()));
        let (_, _, content) = shown(&actions);
        assert_eq!(content.summary, "This session ends within 2 min");
    }

    #[test]
    fn a_new_server_is_sent_everything_and_replies_of_the_old_one_are_ignored() {
        let mut notices = warned(Limit::Absolute);
        let actions = notices.update(at(880));
        let (old, ..) = shown(&actions);
        assert_eq!(notices.server_changed(at(881), None), []);
        let minimal = Capabilities::from_names(&[]);
        let actions = notices.server_changed(at(882), Some(minimal));
        let (new, replaced, content) = shown(&actions);
        assert_eq!(replaced, None);
        assert_eq!(
            (content.buttons.len(), minimal.actions),
            (0, Actions::Unsupported)
        );
        assert_eq!(notices.shown(at(883), old, Some(Id(7))), []);
        assert_eq!(notices.shown(at(883), new, Some(Id(1))), []);
        assert_eq!(
            notices.withdraw(Limit::Absolute),
            [NoticeAction::Close(Id(1))]
        );
    }

    #[test]
    fn an_unlock_shows_again_what_is_due_and_nothing_else() {
        let mut notices = warned(Limit::Absolute);
        notices.closed(Id(7), CloseReason::Dismissed);
        let actions = notices.unlocked(at(710));
        let (request, ..) = shown(&actions);
        notices.shown(at(710), request, Some(Id(8)));
        notices.withdraw(Limit::Absolute);
        assert_eq!(notices.unlocked(at(720)), []);
    }

    #[test]
    fn the_end_replaces_the_warning_and_closes_the_other_one() {
        let mut notices = warned(Limit::Absolute);
        let actions = notices.warn(at(700), warning(Limit::Inactivity));
        let (request, ..) = shown(&actions);
        notices.shown(at(700), request, Some(Id(8)));
        let actions = notices.end(at(1_000), end_notice(Limit::Absolute, End::Ends));
        assert_eq!(actions[0], NoticeAction::Close(Id(8)));
        let (_, replaced, content) = shown(&actions[1..]);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.summary, "This session ends now");
        assert_eq!(content.body, "It has lasted for 15 min.");
    }

    #[test]
    fn that_the_screen_was_locked_is_shown_after_the_unlock() {
        let mut notices = warned(Limit::Inactivity);
        let actions = notices.end(at(1_000), end_notice(Limit::Inactivity, End::Locks));
        let (request, ..) = shown(&actions);
        notices.shown(at(1_000), request, Some(Id(7)));
        assert_eq!(notices.withdraw(Limit::Inactivity), []);
        let actions = notices.warn(at(2_000), warning(Limit::Inactivity));
        assert_eq!(shown(&actions).1, Some(Id(7)));
    }

    #[test]
    fn an_end_that_is_withdrawn_is_closed() {
        let mut notices = warned(Limit::Absolute);
        let actions = notices.end(at(1_000), end_notice(Limit::Absolute, End::Ends));
        let (request, ..) = shown(&actions);
        notices.shown(at(1_000), request, Some(Id(7)));
        assert_eq!(
            notices.withdraw(Limit::Absolute),
            [NoticeAction::Close(Id(7))]
        );
    }

    #[test]
    fn a_button_of_a_closed_notification_has_no_effect() {
        let mut notices = warned(Limit::Inactivity);
        assert_eq!(notices.button_pressed(Id(6), Button::Stay), None);
        let stay = Some(NoticeAction::Press(Button::Stay));
        assert_eq!(notices.button_pressed(Id(7), Button::Stay), stay);
        notices.withdraw(Limit::Inactivity);
        assert_eq!(notices.button_pressed(Id(7), Button::Stay), None);
    }

    #[test]
    fn an_extension_is_requested_once_and_shown() {
        let mut notices = warned(Limit::Absolute);
        let extend = Some(NoticeAction::Press(Button::Extend));
        assert_eq!(notices.button_pressed(Id(7), Button::Extend), extend);
        assert_eq!(
            notices.button_pressed(Id(7), Button::Extend),
            None,
            "in between"
        );
        let extension = Extension {
            by: secs(1800),
            ends: at(1_000).after(secs(1800)),
            left: 0,
        };
        let actions = notices.extended(at(701), Ok(extension));
        let (request, replaced, content) = shown(&actions);
        assert_eq!(replaced, Some(Id(7)));
        assert_eq!(content.summary, "This session was extended by 30 min");
        assert_eq!(content.body, "It ends within 35 min.");
        notices.shown(at(701), request, Some(Id(7)));
        assert_eq!(notices.withdraw(Limit::Absolute), [], "it is no warning");
        assert_eq!(notices.next(), None);
    }

    #[test]
    fn an_extension_after_the_withdrawal_or_the_next_warning_is_shown_too() {
        let extension = Extension {
            by: secs(1800),
            ends: at(1_000).after(secs(1800)),
            left: 1,
        };
        let mut notices = warned(Limit::Absolute);
        notices.withdraw(Limit::Absolute);
        let actions = notices.extended(at(701), Ok(extension));
        assert!(shown(&actions).2.summary.contains("extended by 30 min"));

        let mut notices = warned(Limit::Absolute);
        let again = Warning {
            ends: extension.ends,
            ..warning(Limit::Absolute)
        };
        let actions = notices.warn(at(701), again);
        let (request, ..) = shown(&actions);
        notices.shown(at(701), request, Some(Id(7)));
        let actions = notices.extended(at(701), Ok(extension));
        let content = shown(&actions).2;
        assert_eq!(content.summary, "This session ends within 35 min");
        assert!(content.body.contains("extended by 30 min"), "{content:?}");
    }

    #[test]
    fn a_refusal_is_shown_with_its_reason_and_removes_the_button_if_it_is_permanent() {
        let mut notices = warned(Limit::Absolute);
        for (refusal, button) in [
            (NotExtended::Temporary("no password".to_owned()), true),
            (NotExtended::Permanent("used up".to_owned()), false),
        ] {
            assert!(notices.button_pressed(Id(7), Button::Extend).is_some());
            let (NotExtended::Temporary(why) | NotExtended::Permanent(why)) = refusal.clone();
            let actions = notices.extended(at(700), Err(refusal));
            let (request, _, content) = shown(&actions);
            assert!(content.body.contains(&why), "{content:?}");
            let mut buttons = content.buttons.iter();
            let shows = buttons.any(|(button, _)| *button == Button::Extend);
            assert_eq!(shows, button);
            notices.shown(at(700), request, Some(Id(7)));
        }
        assert_eq!(notices.button_pressed(Id(7), Button::Extend), None);
    }
}
