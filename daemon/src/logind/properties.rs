//! logind's properties of a session, converted to the engine's types.
//!
//! Only this module converts logind's time stamps to times since boot.

use std::collections::HashMap;

use session_timeout_policy::{
    BootTime, Hint, Keeper, Pid, SessionClass, SessionFacts, SessionId, SessionKey, SessionType,
    Uid, WallTime,
};
use zbus::wire::{OwnedObjectPath, OwnedVariant};

use crate::process::Process;
use crate::process::cgroup;
use crate::sys::clock::Clocks;

/// The reply of `GetAll` for `org.freedesktop.login1.Session`.
///
/// Properties are never cached: logind documents change signals for `IdleSinceHint`, `State` and
/// `TTY`, and sends none for sessions on a terminal (systemd 252 to 257), so a cached value would
/// stay stale.
pub(crate) struct Properties(HashMap<String, OwnedVariant>);

/// The state of a session, reduced to what is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// `opening`, `online` or `active`.
    Open,
    /// `closing`: the login is over, but something still runs. logind then accepts
    /// `TerminateSession` and does nothing.
    Closing,
}

/// A virtual terminal with a desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(super) session: SessionKey,
    pub(super) seat: String,
    pub(super) vt: u32,
}

/// A session on a seat, reduced to what decides which session is shown.
#[derive(Clone, Debug)]
pub(super) struct Seated {
    pub(super) session: SessionKey,
    pub(super) class: SessionClass,
    pub(super) state: State,
    pub(super) vt: u32,
    /// It is the session that the seat shows.
    pub(super) active: bool,
}

impl Properties {
    pub(crate) const fn new(all: HashMap<String, OwnedVariant>) -> Self {
        Self(all)
    }

    /// The key of the session; `None` if the reply lacks its properties.
    pub(crate) fn key(&self) -> Option<SessionKey> {
        Some(SessionKey {
            id: SessionId::new(self.text("Id")?),
            stamp: self.number("TimestampMonotonic")?,
        })
    }

    pub(crate) fn state(&self) -> State {
        if self.text("State").as_deref() == Some("closing") {
            State::Closing
        } else {
            State::Open
        }
    }

    /// Whether nothing of this session is left in logind's view. logind drops such a session, but
    /// checks it only after an event (`session_add_to_gc_queue()`): if that is missed, as during a
    /// flood of calls, the session stays `closing`. A session that is over counts as dropped, so
    /// that processes that have left its scope are searched for.
    pub(crate) fn is_over(&self, facts: &SessionFacts) -> bool {
        let leads = |leader| Process::before(leader, facts.started).is_some();
        self.state() == State::Closing
            && !facts.leader.is_some_and(leads)
            && facts.invocation.is_none()
            && cgroup::session_unit(&facts.key.id)
                .is_some_and(|unit| cgroup::is_empty(&unit, facts.uid))
    }

    /// The properties as the engine's facts about the session.
    pub(crate) fn facts(&self, now: Clocks) -> Option<SessionFacts> {
        let (uid, key) = (self.uid()?, self.key()?);
        let leader = self.small("Leader").filter(|&pid| pid != 0).map(Pid::new);
        let started = boot_time(
            WallTime::from_micros(self.number("Timestamp")?),
            self.number("TimestampMonotonic")?,
            now,
        );
        let alive = leader.and_then(|leader| Process::before(leader, started));
        Some(SessionFacts {
            user: self.text("Name").unwrap_or_else(|| uid.to_string()),
            uid,
            class: SessionClass::parse(&self.text("Class")?),
            session_type: SessionType::parse(&self.text("Type")?),
            leader,
            service: self.text("Service").filter(|service| !service.is_empty()),
            remote_host: self.text("RemoteHost").filter(|host| !host.is_empty()),
            // Not `Display`: the controller of a session sets it to any text (SetDisplay), and
            // PAM names the display of a login as its terminal.
            terminal: self.text("TTY").filter(|tty| !tty.is_empty()),
            seat: self.seat(),
            started,
            keeper: Keeper::Logind,
            invocation: cgroup::invocation(&cgroup::session_unit(&key.id)?),
            audit: alive.and_then(Process::audit_of_login),
            key,
        })
    }

    /// The time stamp of the terminal that logind knows for the session. Zero means that it knows
    /// none.
    pub(crate) fn terminal_stamp(&self) -> Option<WallTime> {
        let since = self.number("IdleSinceHint").filter(|&since| since != 0)?;
        (!self.is_graphical()).then(|| WallTime::from_micros(since))
    }

    /// The idle hint of a desktop. Zero means that the desktop has not set it since logind started.
    pub(crate) fn hint(&self, now: Clocks) -> Option<Hint> {
        let wall = self.number("IdleSinceHint").filter(|&since| since != 0)?;
        let monotonic = self.number("IdleSinceHintMonotonic")?;
        if !self.is_graphical() {
            return None;
        }
        Some(if self.flag("IdleHint")? {
            Hint::IdleSince(boot_time(WallTime::from_micros(wall), monotonic, now))
        } else {
            Hint::Active
        })
    }

    /// Whether the screen is locked, as the desktop reports it (GNOME and KDE do).
    pub(crate) fn locked(&self) -> Option<bool> {
        self.is_graphical()
            .then(|| self.flag("LockedHint"))
            .flatten()
    }

    /// Whether the session is a desktop.
    pub(crate) fn is_graphical(&self) -> bool {
        self.text("Type")
            .is_some_and(|name| SessionType::parse(&name).is_graphical())
    }

    /// The virtual terminal of the session's desktop. A console login has none: after its end,
    /// getty shows a prompt there.
    pub(super) fn screen(&self) -> Option<Screen> {
        let vt = self.small("VTNr").filter(|&vt| vt != 0)?;
        self.is_graphical().then_some(())?;
        Some(Screen {
            session: self.key()?,
            seat: self.seat()?,
            vt,
        })
    }

    /// The properties that decide which session its seat shows.
    pub(super) fn seated(&self) -> Option<Seated> {
        Some(Seated {
            session: self.key()?,
            class: SessionClass::parse(&self.text("Class")?),
            state: self.state(),
            vt: self.small("VTNr")?,
            active: self.flag("Active")?,
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        String::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        u64::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    fn small(&self, name: &str) -> Option<u32> {
        u32::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        bool::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    /// The seat of the session. Unlike the type, no user can change it. `Seat` is a pair of name
    /// and object path, and is present without a seat, too.
    pub(super) fn seat(&self) -> Option<String> {
        let seat = self.0.get("Seat")?.try_clone().ok()?;
        let (name, _path) = <(String, OwnedObjectPath)>::try_from(seat).ok()?;
        (!name.is_empty()).then_some(name)
    }

    /// `User` is a pair of uid and object path.
    fn uid(&self) -> Option<Uid> {
        let user = self.0.get("User")?.try_clone().ok()?;
        let (uid, _path) = <(u32, OwnedObjectPath)>::try_from(user).ok()?;
        Some(Uid::new(uid))
    }
}

/// The time since boot at which logind took this pair of time stamps.
///
/// `CLOCK_MONOTONIC` stops during suspend. So the earliest possible time is the monotonic stamp,
/// and the latest is the stamp plus all suspend time so far. Between these bounds the wall clock
/// stamp decides, so a step of the wall clock cannot move the result beyond them. On a machine
/// without a suspend the bounds are equal.
fn boot_time(wall: WallTime, monotonic: u64, now: Clocks) -> BootTime {
    let slept = now.boot.as_micros().saturating_sub(now.monotonic);
    let earliest = monotonic.min(now.boot.as_micros());
    let latest = monotonic.saturating_add(slept).min(now.boot.as_micros());
    let by_wall = now.boot.saturating_sub(now.wall.since(wall)).as_micros();
    BootTime::from_micros(by_wall.clamp(earliest, latest))
}

#[cfg(test)]
mod tests {
    use zbus::wire::{ObjectPath, Variant};

    use super::*;

    const SECOND: u64 = 1_000_000;
    const YEAR: u64 = 365 * 24 * 3600 * SECOND;

    fn clocks(boot: u64, monotonic: u64, wall: u64) -> Clocks {
        Clocks {
            boot: BootTime::from_micros(boot * SECOND),
            monotonic: monotonic * SECOND,
            wall: WallTime::from_micros(50 * YEAR + wall * SECOND),
        }
    }

    fn taken_at(wall: u64, monotonic: u64, now: Clocks) -> u64 {
        let wall = WallTime::from_micros(50 * YEAR + wall * SECOND);
        boot_time(wall, monotonic * SECOND, now).as_micros() / SECOND
    }

    #[test]
    fn without_suspend_the_monotonic_stamp_is_the_truth() {
        let now = clocks(1000, 1000, 1000);
        assert_eq!(taken_at(400, 400, now), 400);
        // A step of the wall clock by a year, in either direction, has no effect.
        assert_eq!(taken_at(0, 400, now), 400);
        assert_eq!(taken_at(2000, 400, now), 400);
    }

    #[test]
    fn suspend_before_and_after_the_moment_is_distinguished_by_the_wall_clock() {
        // The machine slept for 300 s in all.
        let now = clocks(1000, 700, 1000);
        assert_eq!(taken_at(400, 400, now), 400, "slept afterwards");
        assert_eq!(taken_at(700, 400, now), 700, "slept before");
        assert_eq!(taken_at(500, 400, now), 500, "slept before and after");
    }

    #[test]
    fn a_wall_clock_that_was_stepped_stays_within_the_bounds() {
        let now = clocks(1000, 700, 1000);
        assert_eq!(taken_at(0, 400, now), 400);
        assert_eq!(taken_at(5000, 400, now), 700);
    }

    /// A closing session without a scope on this machine.
    fn left_behind(state: &str, leader: u32) -> Properties {
        let object = OwnedObjectPath::from(ObjectPath::from_static_str_unchecked("/x"));
        let stamp = || Variant::from(Clocks::now().monotonic);
        let all = [
            ("Id", Variant::from("over1")),
            ("User", Variant::from((4_242_424_u32, object))),
            ("Timestamp", Variant::from(1_u64)),
            ("TimestampMonotonic", stamp()),
            ("Class", Variant::from("user")),
            ("Type", Variant::from("tty")),
            ("State", Variant::from(state)),
            ("Leader", Variant::from(leader)),
        ];
        let all =
            all.map(|(name, value)| (name.to_owned(), OwnedVariant::try_from(value).unwrap()));
        Properties::new(all.into())
    }

    #[test]
    fn a_closing_session_without_a_leader_and_a_scope_is_over() {
        let own = std::process::id();
        // No process has the highest id: ids are below it (PID_MAX_LIMIT of the kernel).
        for (state, leader, expected) in [
            ("closing", 0, true),
            ("closing", u32::MAX >> 1, true),
            ("closing", own, false),
            ("active", 0, false),
            ("online", u32::MAX >> 1, false),
        ] {
            let properties = left_behind(state, leader);
            let facts = properties.facts(Clocks::now()).unwrap();
            assert_eq!(properties.is_over(&facts), expected, "{state} {leader}");
        }
    }

    #[test]
    fn no_moment_is_in_the_future() {
        assert_eq!(taken_at(400, 5000, clocks(1000, 1000, 1000)), 1000);
    }
}
