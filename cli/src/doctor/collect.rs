//! Collects what the daemon, logind, systemd, timedated and polkit report on the system bus, and
//! the output of `sshd -T`.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use session_timeout_protocol::bus::agent as interface;
use tokio::process::Command;
use tokio::time::error::Elapsed;
use zbus::{Message, OwnedObjectPath, OwnedVariant};

use crate::bus::Bus;
use crate::doctor::logind::LogindSettings;
use crate::doctor::logind::capacity::{self, Closing, SessionCount};
use crate::doctor::polkit::Polkit;
use crate::doctor::sessions::desktop::Desktop;
use crate::doctor::sessions::report::{
    Notifications, SessionReport, is_graphical, is_judged, is_unknown,
};
use crate::doctor::sshd::SSHD;
use crate::doctor::system::Clock;
use crate::doctor::unit::{self, MANAGER, SYSTEMD};
use crate::doctor::vnc;
use crate::error::Error;
use crate::status::{Session, Status};

/// The timeout of `sshd -T`, and of the query for states of sessions.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of an agent; the daemon has the same.
const AGENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Concurrent queries about sessions, so that an agent that hangs does not delay the others.
const MAX_CONCURRENT: usize = 16;

const BUS: (&str, &str) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
const POLKIT: &str = "org.freedesktop.PolicyKit1";
const LOGIND: (&str, &str) = ("org.freedesktop.login1", "/org/freedesktop/login1");
const LOGIND_MANAGER: &str = "org.freedesktop.login1.Manager";
const TIMEDATED: (&str, &str) = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1");

/// The collected replies.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) daemon: Result<Status, Error>,
    /// Why the daemon does not run; empty if it runs, or systemd did not reply.
    pub(crate) outcome: unit::Outcome,
    /// Absent if the daemon does not run, or systemd did not reply.
    pub(crate) helper: Option<unit::Helper>,
    pub(crate) sessions: Vec<SessionReport>,
    /// Our units, with the states of their files; empty if systemd did not reply.
    pub(crate) units: Vec<(&'static str, String)>,
    /// Absent if logind did not reply.
    pub(crate) logind: Option<LogindSettings>,
    pub(crate) capacity: capacity::Usage,
    pub(crate) clock: Clock,
    pub(crate) polkit: Polkit,
    /// The units of VNC desktops that systemd does not start again.
    pub(crate) vnc: Vec<String>,
    /// The output of `sshd -T`; absent if it failed, or the caller is not root.
    pub(crate) sshd: Option<String>,
}

/// Queries all of them.
pub(crate) async fn collect() -> Collected {
    let sshd = sshd().await;
    let bus = match Bus::system().await {
        Ok(bus) => bus,
        Err(why) => {
            return Collected {
                daemon: Err(why),
                outcome: unit::Outcome::default(),
                helper: None,
                sessions: Vec::new(),
                units: Vec::new(),
                logind: None,
                capacity: capacity::Usage::default(),
                clock: Clock::Unknown,
                polkit: Polkit::Unknown,
                vnc: Vec::new(),
                sshd,
            };
        }
    };
    let logind = logind(&bus).await;
    let capacity = capacity::Usage {
        sessions: logind.as_ref().and_then(|settings| settings.sessions),
        // A service that timed out once is not queried again.
        closing: match logind {
            Some(_) => Some(closing(&bus, TIMEOUT).await),
            None => None,
        },
    };
    let mut daemon = bus.status().await;
    let mut sessions = Vec::new();
    if let Ok(status) = &mut daemon {
        let reported = std::mem::take(&mut status.sessions).into_iter();
        let facts = reported.map(|session| facts_of(&bus, logind.as_ref(), session));
        sessions = stream::iter(facts).buffered(MAX_CONCURRENT).collect().await;
    }
    let outcome = match daemon {
        Err(Error::NotRunning) => unit::Outcome::gather(&bus).await.unwrap_or_default(),
        _ => unit::Outcome::default(),
    };
    let helper = match daemon {
        Ok(_) => unit::Helper::gather(&bus).await,
        Err(_) => None,
    };
    Collected {
        daemon,
        outcome,
        helper,
        sessions,
        units: units(&bus).await,
        logind,
        capacity,
        clock: clock(&bus).await,
        polkit: polkit(&bus).await,
        vnc: vnc::gather(&bus).await,
        sshd,
    }
}

async fn facts_of(bus: &Bus, logind: Option<&LogindSettings>, session: Session) -> SessionReport {
    let mut facts = SessionReport::default();
    if is_judged(&session) {
        // If logind did not reply before, it is not asked again for each session.
        if logind.is_some() {
            facts.desktop = desktop(bus, &session.id).await.unwrap_or_default();
        }
        if session.inactivity.is_some() && is_unknown(&session) {
            facts.unknown_idle = unknown_idle(bus, &session.id).await;
        }
        if is_graphical(&session) {
            facts.notifications = notifications(bus, &session).await;
            // An agent that hangs is not asked again.
            if facts.notifications != Some(Notifications::Unsaid) {
                facts.lockers = lockers(bus, &session).await;
            }
        }
    }
    SessionReport { session, ..facts }
}

/// An agent replies to root only.
async fn notifications(bus: &Bus, session: &Session) -> Option<Notifications> {
    match ask_agent(bus, session, interface::NOTIFICATIONS).await? {
        Ok(said) => Notifications::parse(said.ok()?.body().deserialize().ok()?),
        Err(_elapsed) => Some(Notifications::Unsaid),
    }
}

/// The screen lockers that the agent watches.
async fn lockers(bus: &Bus, session: &Session) -> Option<Vec<String>> {
    let said = ask_agent(bus, session, interface::LOCKERS).await?;
    said.ok()?.ok()?.body().deserialize().ok()
}

/// The reply of the session's agent to a method without arguments; `None` if it cannot be called.
async fn ask_agent(
    bus: &Bus,
    session: &Session,
    method: &str,
) -> Option<Result<zbus::Result<Message>, Elapsed>> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let agent = Some(session.agent.as_deref()?);
    let connection = bus.connection();
    let (path, interface) = (interface::PATH, Some(interface::INTERFACE));
    let said = connection.call_method(agent, path, interface, method, &());
    Some(tokio::time::timeout(AGENT_TIMEOUT, said).await)
}

async fn desktop(bus: &Bus, session: &str) -> Option<Desktop> {
    const INTERFACE: &str = "org.freedesktop.login1.Session";
    let found = bus.ask(LOGIND, LOGIND_MANAGER, "GetSession", session);
    let path: OwnedObjectPath = found.await.ok()?;
    let keys = bus.properties((LOGIND.0, &path), INTERFACE).await.ok()?;
    Some(Desktop::named(&keys.word("Desktop")))
}

/// The word of `unknown-idle` in the policy, without quotes.
async fn unknown_idle(bus: &Bus, session: &str) -> Option<String> {
    let explanation = bus.explanation(session).await.ok()?;
    let mut settings = explanation.settings.into_iter();
    let setting = settings.find(|setting| setting.key == "unknown-idle")?;
    Some(setting.value.trim_matches('"').to_owned())
}

async fn logind(bus: &Bus) -> Option<LogindSettings> {
    let keys = bus.properties(LOGIND, LOGIND_MANAGER).await.ok()?;
    let never = |micros: &u64| *micros != u64::MAX;
    let stop = keys.number("StopIdleSessionUSec").filter(never);
    Some(LogindSettings {
        stop_idle_session: stop.map(Duration::from_micros),
        idle_action: keys.text("IdleAction"),
        kill_user_processes: keys.flag("KillUserProcesses"),
        sessions: keys
            .number("NCurrentSessions")
            .zip(keys.number("SessionsMax"))
            .map(|(taken, all)| SessionCount { taken, all }),
    })
}

/// The sessions in the state `closing`, of those whose state logind reports within this time.
async fn closing(bus: &Bus, timeout: Duration) -> Closing {
    type Listed = (String, u32, String, String, OwnedObjectPath);
    let sessions = bus.with_timeout(async {
        let (name, path) = LOGIND;
        let (connection, manager) = (bus.connection(), Some(LOGIND_MANAGER));
        let call = connection.call_method(Some(name), path, manager, "ListSessions", &());
        call.await?.body().deserialize()
    });
    let sessions: Result<Vec<Listed>, _> = sessions.await;
    let Ok(sessions) = sessions else {
        return Closing::Unknown;
    };
    let listed = sessions.len();
    let states = stream::iter(sessions)
        .map(async |(_, _, user, _, path)| (user, state(bus, &path).await))
        .buffer_unordered(MAX_CONCURRENT);
    let in_time = states.take_until(tokio::time::sleep(timeout));
    let replies: Vec<_> = in_time.collect().await;
    let unknown = listed - replies.len();
    // A session that has ended meanwhile has no state.
    let closing = |state: &Option<String>| state.as_deref() == Some("closing");
    let closing = replies.into_iter().filter(|(_, state)| closing(state));
    let users = closing.map(|(user, _)| user).collect();
    Closing::Known { users, unknown }
}

/// The state of a session, as in org.freedesktop.login1(5).
async fn state(bus: &Bus, session: &OwnedObjectPath) -> Option<String> {
    const PROPERTIES: Option<&str> = Some("org.freedesktop.DBus.Properties");
    let property = &("org.freedesktop.login1.Session", "State");
    let answer = bus.with_timeout(async {
        let connection = bus.connection();
        let call = connection.call_method(Some(LOGIND.0), session, PROPERTIES, "Get", property);
        call.await?.body().deserialize()
    });
    let value: OwnedVariant = answer.await.ok()?;
    <&str>::try_from(&value).ok().map(str::to_owned)
}

async fn units(bus: &Bus) -> Vec<(&'static str, String)> {
    let mut units = Vec::new();
    for unit in ["session-timeoutd.socket", "session-timeoutd.service"] {
        let answer = bus.ask(SYSTEMD, MANAGER, "GetUnitFileState", unit);
        match answer.await {
            Ok(state) => units.push((unit, state)),
            Err(_) => break,
        }
    }
    units
}

async fn clock(bus: &Bus) -> Clock {
    let keys = bus.properties(TIMEDATED, TIMEDATED.0).await;
    match keys.ok().and_then(|keys| keys.flag("NTPSynchronized")) {
        Some(true) => Clock::Synchronised,
        Some(false) => Clock::Free,
        None => Clock::Unknown,
    }
}

/// Whether polkit owns its name on the bus, or can be activated.
async fn polkit(bus: &Bus) -> Polkit {
    match bus.ask(BUS, BUS.0, "NameHasOwner", POLKIT).await {
        Ok(true) => return Polkit::There,
        Ok(false) => {}
        Err(_) => return Polkit::Unknown,
    }
    let startable = bus.with_timeout(async {
        let connection = bus.connection();
        let call =
            connection.call_method(Some(BUS.0), BUS.1, Some(BUS.0), "ListActivatableNames", &());
        call.await?.body().deserialize()
    });
    let startable: Result<Vec<String>, _> = startable.await;
    match startable {
        Ok(names) if names.iter().any(|name| name == POLKIT) => Polkit::There,
        Ok(_) => Polkit::Missing,
        Err(_) => Polkit::Unknown,
    }
}

/// `sshd -T` includes the defaults of its build. It reads host keys, for which it must be root.
async fn sshd() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let output = Command::new(SSHD)
        .arg("-T")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(TIMEOUT, output).await.ok()?.ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(printed)
}
