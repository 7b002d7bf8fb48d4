//! Shows the session again that a seat showed before a session in its background was ended.
//!
//! GDM 48 starts a greeter and switches to it when one of its sessions ends, whichever session the
//! seat shows at that moment.

use std::collections::BTreeSet;

use session_timeout_policy::{SessionClass, SessionKey};

use super::State;
use super::call::manage;
use super::properties::Seated;
use super::seat::{seated, shown};
use crate::bus::{Link, with_timeout};

/// What a seat shows while a session in its background is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreground {
    seat: String,
    /// The session that is being ended.
    ended: SessionKey,
    /// The session that the seat shows.
    session: SessionKey,
    vt: u32,
    /// All sessions of the seat.
    all: BTreeSet<SessionKey>,
}

/// Whether the session is to be shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Displaced {
    /// It is not known yet what is shown in its place.
    Unclear,
    /// No: somebody has switched to something else, or has logged in.
    ByHand,
    /// Yes: a greeter that was started meanwhile is shown in its place.
    ByGreeter,
}

impl Foreground {
    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        self.session.id.as_str()
    }

    /// Its key.
    pub(crate) const fn session(&self) -> &SessionKey {
        &self.session
    }

    /// Whether the kernel shows its virtual terminal.
    pub(crate) fn is_shown(&self) -> bool {
        shown() == Some(self.vt)
    }

    /// The session that the seat shows, if it is a login of a person and not the one that is ended.
    fn among(ended: &SessionKey, seat: &str, seated: &[Seated]) -> Option<Self> {
        let active = seated.iter().find(|one| one.active)?;
        let stays = is_login(active) && active.vt != 0 && active.session != *ended;
        stays.then(|| Self {
            seat: seat.to_owned(),
            ended: ended.clone(),
            session: active.session.clone(),
            vt: active.vt,
            all: seated.iter().map(|one| one.session.clone()).collect(),
        })
    }

    /// Why the session is not shown any more.
    fn displaced(&self, seated: &[Seated]) -> Displaced {
        let is_new = |one: &Seated| !self.all.contains(&one.session);
        let is_own = |one: &Seated| one.session == self.session;
        let stays = seated.iter().any(|one| is_own(one) && is_login(one));
        if !stays || seated.iter().any(|one| is_new(one) && is_login(one)) {
            return Displaced::ByHand;
        }
        let ended = |one: &Seated| one.session != self.ended || one.state == State::Closing;
        match seated.iter().find(|one| one.active) {
            None => Displaced::Unclear,
            // logind has not handled the switch yet.
            Some(active) if is_own(active) => Displaced::Unclear,
            Some(active) if active.class != SessionClass::Greeter || !is_new(active) => {
                Displaced::ByHand
            }
            // A display manager starts the greeter after the end.
            Some(_) if seated.iter().all(ended) => Displaced::ByGreeter,
            Some(_) => Displaced::ByHand,
        }
    }
}

fn is_login(one: &Seated) -> bool {
    one.class.is_login_of_a_person() && one.state == State::Open
}

/// The session that the seat shows now, if the one that is to be ended is in its background.
pub(crate) async fn foreground(
    link: &Link,
    ended: &SessionKey,
    seat: &str,
) -> zbus::Result<Option<Foreground>> {
    let seated = with_timeout(seated(link, seat)).await?;
    Ok(Foreground::among(ended, seat, &seated))
}

/// Why the session is not shown any more.
pub(crate) async fn displaced(link: &Link, foreground: &Foreground) -> zbus::Result<Displaced> {
    let seated = with_timeout(seated(link, &foreground.seat)).await?;
    Ok(foreground.displaced(&seated))
}

/// Shows the session again.
pub(crate) async fn show_again(link: &Link, foreground: &Foreground) -> zbus::Result<()> {
    manage(link, "ActivateSession", &foreground.id()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey {
            id: id.into(),
            stamp: 1,
        }
    }

    fn one(id: &str, class: SessionClass, vt: u32) -> Seated {
        Seated {
            session: key(id),
            class,
            state: State::Open,
            vt,
            active: false,
        }
    }

    fn shown(one: Seated) -> Seated {
        Seated {
            active: true,
            ..one
        }
    }

    fn alice() -> Seated {
        one("c2", SessionClass::User, 2)
    }

    fn bob() -> Seated {
        one("c4", SessionClass::User, 4)
    }

    fn greeter() -> Seated {
        one("c5", SessionClass::Greeter, 1)
    }

    /// Bob works, and alice's session is in the background.
    fn before() -> Foreground {
        let seated = [alice(), shown(bob())];
        Foreground::among(&key("c2"), "seat0", &seated).unwrap()
    }

    fn displaced(seated: &[Seated]) -> Displaced {
        before().displaced(seated)
    }

    #[test]
    fn a_new_greeter_in_the_place_of_the_session_displaces_it() {
        assert_eq!(before().session(), &key("c4"));
        let seated = [bob(), shown(greeter())];
        assert_eq!(displaced(&seated), Displaced::ByGreeter);
        let closing = Seated {
            state: State::Closing,
            ..alice()
        };
        let seated = [closing, bob(), shown(greeter())];
        assert_eq!(displaced(&seated), Displaced::ByGreeter);
    }

    #[test]
    fn nobody_is_displaced_by_the_end_of_the_session_that_is_shown() {
        let ended = key("c4");
        let among = |seated: &[Seated]| Foreground::among(&ended, "seat0", seated);
        assert_eq!(among(&[alice(), shown(bob())]), None);
        assert_eq!(among(&[alice(), bob()]), None);
    }

    #[test]
    fn a_greeter_in_the_foreground_stays_there_as_one_that_locks_a_session() {
        let seated = [alice(), bob(), shown(greeter())];
        assert_eq!(Foreground::among(&key("c2"), "seat0", &seated), None);
    }

    #[test]
    fn a_user_who_switches_by_hand_is_left_there() {
        let by_hand = |seated: &[Seated]| assert_eq!(displaced(seated), Displaced::ByHand);
        // To the session that is still being ended, or back from it.
        by_hand(&[shown(alice()), bob()]);
        // To a greeter before the end.
        by_hand(&[alice(), bob(), shown(greeter())]);
        // To another session.
        by_hand(&[bob(), shown(one("c6", SessionClass::User, 6))]);
        // To a greeter that was there before.
        let seated = [alice(), shown(bob()), greeter()];
        let before = Foreground::among(&key("c2"), "seat0", &seated).unwrap();
        let now = [bob(), shown(greeter())];
        assert_eq!(before.displaced(&now), Displaced::ByHand);
    }

    #[test]
    fn who_has_logged_in_meanwhile_is_not_switched_away() {
        let carol = one("c6", SessionClass::User, 1);
        let seated = [bob(), shown(greeter()), carol];
        assert_eq!(displaced(&seated), Displaced::ByHand);
    }

    #[test]
    fn a_session_that_ends_too_is_not_shown_again() {
        let closing = Seated {
            state: State::Closing,
            ..bob()
        };
        assert_eq!(displaced(&[closing, shown(greeter())]), Displaced::ByHand);
        assert_eq!(displaced(&[shown(greeter())]), Displaced::ByHand);
    }

    #[test]
    fn a_terminal_without_a_session_is_unclear() {
        // The greeter that is being started has no session yet; or it is a prompt.
        assert_eq!(displaced(&[bob()]), Displaced::Unclear);
        assert_eq!(displaced(&[bob(), greeter()]), Displaced::Unclear);
        // logind is late.
        assert_eq!(displaced(&[shown(bob()), greeter()]), Displaced::Unclear);
    }
}
