//! Shows the greeter on a seat whose desktop was ended.
//!
//! On a seat with virtual terminals the screen stays on the terminal of the ended session: logind
//! does not switch it (systemd 252 and 257), and nothing there reacts to a key. A display manager
//! that starts a greeter shows it, and on a console getty starts a new prompt. But a greeter that
//! already waits on another terminal, as after a switch of users, is not shown by either.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_timeout_policy::{SessionClass, SessionKey};
use tokio::time::Instant;

use super::call::{is_unknown, manage};
use super::properties::{Screen, Seated};
use super::{Properties, State, get_all, list_sessions};
use crate::bus::{Link, Object, with_timeout};
use crate::process::cgroup;

/// The name of the virtual terminal on the screen, such as `tty2`. The kernel has one set of
/// virtual terminals, and logind assigns it to one seat.
const ACTIVE_VT: &str = "/sys/class/tty/tty0/active";

/// For how long the daemon is known to have had a session shown again: logind signals it at once.
const SHOWN_AGAIN: Duration = Duration::from_secs(2);

/// The screens of the sessions that are being ended, until they are gone. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Screens(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    ending: BTreeMap<SessionKey, Option<Screen>>,
    /// The session that was last shown again, and when.
    shown_again: Option<(SessionKey, Instant)>,
}

impl Screens {
    /// Registers a session whose end is about to be requested. [`Self::note`] ignores all others,
    /// so that a result that arrives after the session's end is not kept for ever.
    pub(crate) fn expect(&self, session: &SessionKey) {
        self.lock().ending.entry(session.clone()).or_default();
    }

    /// Whether the end of the session was requested, and the session is not gone.
    pub(crate) fn is_expected(&self, session: &SessionKey) -> bool {
        self.lock().ending.contains_key(session)
    }

    /// Records that the daemon has this session shown again.
    pub(crate) fn note_shown_again(&self, session: &SessionKey) {
        self.lock().shown_again = Some((session.clone(), Instant::now()));
    }

    /// Whether the daemon has just had this session shown again.
    pub(crate) fn was_shown_again(&self, session: &SessionKey) -> bool {
        let noted = self.lock();
        let shown_again = noted.shown_again.as_ref();
        shown_again.is_some_and(|(shown, at)| shown == session && at.elapsed() < SHOWN_AGAIN)
    }

    /// Records the screen of the session.
    pub(super) fn note(&self, session: &SessionKey, screen: Option<Screen>) {
        if let Some(noted) = self.lock().ending.get_mut(session) {
            *noted = screen;
        }
    }

    /// Removes and returns the screen of a session that is gone.
    pub(crate) fn take(&self, session: &SessionKey) -> Option<Screen> {
        self.lock().ending.remove(session).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Activates the waiting greeter if the screen still shows the ended session. Returns the id of the
/// greeter's session, if there is one.
pub(crate) async fn show_greeter(link: &Link, left: &Screen) -> zbus::Result<Option<String>> {
    // One timeout for all calls: later, another session may be on the screen.
    let seated = with_timeout(seated(link, &left.seat)).await?;
    let Some(greeter) = greeter_for(left, shown(), &seated) else {
        return Ok(None);
    };
    // Not `SwitchTo` of the seat: if the greeter is gone, `ActivateSession` returns an error, and
    // the number of its terminal would lead to another dead screen.
    manage(link, "ActivateSession", &greeter).await?;
    Ok(Some(greeter.to_owned()))
}

/// Whether the screen still shows the ended session: no greeter, no prompt and no other session.
pub(crate) async fn is_dead(link: &Link, left: &Screen) -> zbus::Result<bool> {
    let seated = with_timeout(seated(link, &left.seat)).await?;
    let is_left = |one: &Seated| one.session == left.session && one.state == State::Closing;
    let somebody = seated.iter().any(|one| one.active && !is_left(one));
    Ok(shown() == Some(left.vt) && !somebody && !has_prompt(left.vt))
}

/// Whether getty runs on this virtual terminal, as after a desktop that was started from a console
/// login (systemd-getty-generator(8)).
fn has_prompt(vt: u32) -> bool {
    let getty = format!("/system.slice/system-getty.slice/getty@tty{vt}.service");
    !cgroup::processes_below(&getty).is_empty()
}

/// Asks the display manager for a greeter on the seat with this name. SDDM and LightDM offer that.
pub(crate) async fn ask_for_greeter(link: &Link) -> zbus::Result<()> {
    let seat = Object {
        name: "org.freedesktop.DisplayManager",
        path: "/org/freedesktop/DisplayManager/Seat0",
        interface: "org.freedesktop.DisplayManager.Seat",
    };
    link.call(seat, "SwitchToGreeter", &()).await.map(drop)
}

pub(super) async fn seated(link: &Link, seat: &str) -> zbus::Result<Vec<Seated>> {
    let mut seated = Vec::new();
    for (_, _, _, at, path) in list_sessions(link).await? {
        if at != seat {
            continue;
        }
        match get_all(link, &path).await {
            Ok(all) => seated.extend(Properties::new(all).seated()),
            Err(error) if is_unknown(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(seated)
}

/// The number of the virtual terminal on the screen, if there are virtual terminals.
pub(super) fn shown() -> Option<u32> {
    let name = fs::read_to_string(ACTIVE_VT).ok()?;
    name.trim().strip_prefix("tty")?.parse().ok()
}

/// The greeter to activate. `None` if the screen shows something else, a prompt of getty included,
/// or another session is active.
fn greeter_for<'a>(left: &Screen, shown: Option<u32>, seated: &'a [Seated]) -> Option<&'a str> {
    // A session that was hung up stays, and even stays active, while processes run that were
    // detached from it.
    let is_left = |one: &Seated| one.session == left.session && one.state == State::Closing;
    if shown != Some(left.vt) || seated.iter().any(|one| one.active && !is_left(one)) {
        return None;
    }
    let waits = |one: &&Seated| {
        one.class == SessionClass::Greeter && one.state == State::Open && one.vt != 0
    };
    seated.iter().find(waits).map(|one| one.session.id.as_str())
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

    fn left() -> Screen {
        Screen {
            session: key("c2"),
            seat: "seat0".to_owned(),
            vt: 2,
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

    fn greeter() -> Seated {
        one("c1", SessionClass::Greeter, 1)
    }

    fn chosen(shown: Option<u32>, seated: &[Seated]) -> Option<&str> {
        greeter_for(&left(), shown, seated)
    }

    #[test]
    fn a_greeter_that_waits_is_shown_in_the_place_of_an_ended_session() {
        let other = one("3", SessionClass::User, 3);
        assert_eq!(chosen(Some(2), &[other, greeter()]), Some("c1"));
    }

    #[test]
    fn a_hung_up_session_with_something_left_is_nobody_on_the_screen() {
        let mut closing = one("c2", SessionClass::User, 2);
        closing.active = true;
        assert_eq!(chosen(Some(2), &[closing.clone(), greeter()]), None);
        closing.state = State::Closing;
        assert_eq!(chosen(Some(2), &[closing, greeter()]), Some("c1"));
    }

    #[test]
    fn a_user_who_looks_at_another_screen_is_not_switched_away() {
        assert_eq!(chosen(Some(3), &[greeter()]), None);
        assert_eq!(chosen(None, &[greeter()]), None);
    }

    #[test]
    fn a_user_who_has_come_back_is_not_switched_away() {
        let mut next = one("c2", SessionClass::User, 2);
        next.active = true;
        next.session.stamp = 2;
        assert_eq!(chosen(Some(2), &[next.clone(), greeter()]), None);
        // Nor a session whose leader was killed, which is closing as well.
        next.state = State::Closing;
        assert_eq!(chosen(Some(2), &[next, greeter()]), None);
    }

    #[test]
    fn a_greeter_that_goes_or_has_no_terminal_is_not_shown() {
        let mut going = greeter();
        going.state = State::Closing;
        let nowhere = one("c3", SessionClass::Greeter, 0);
        assert_eq!(chosen(Some(2), &[going, nowhere]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_daemons_own_switch_is_known_as_such_for_a_moment() {
        let screens = Screens::default();
        screens.note_shown_again(&key("c2"));
        assert!(screens.was_shown_again(&key("c2")));
        assert!(!screens.was_shown_again(&key("c3")));
        tokio::time::advance(SHOWN_AGAIN).await;
        assert!(!screens.was_shown_again(&key("c2")));
    }

    #[test]
    fn a_screen_is_kept_from_the_request_until_the_session_is_gone_and_returned_once() {
        let screens = Screens::default();
        screens.expect(&key("c2"));
        screens.note(&key("c2"), Some(left()));
        // The second request for the same session.
        screens.expect(&key("c2"));
        assert!(screens.is_expected(&key("c2")));
        assert_eq!(screens.take(&key("c2")), Some(left()));
        assert!(!screens.is_expected(&key("c2")));
        screens.note(&key("c2"), Some(left()));
        assert_eq!(screens.take(&key("c2")), None);
    }
}
