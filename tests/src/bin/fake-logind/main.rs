//! A fake logind with any number of sessions: `fake-logind NUMBER [CLOSING]`, as root, on the
//! system bus of a machine whose own logind is stopped. The last CLOSING sessions have the state
//! `closing`.
//!
//! Thousands of real logins would take hours, and more memory than one host has.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use zbus::object_server::SignalEmitter;
use zbus::wire::{ObjectPath, OwnedObjectPath};
use zbus::{Connection, ObjectServer, fdo, interface};

const PATH: &str = "/org/freedesktop/login1";

#[tokio::main(flavor = "current_thread")]
async fn main() -> zbus::Result<()> {
    let number = |place| std::env::args().nth(place)?.parse::<u32>().ok();
    let sessions = number(1).unwrap_or(1);
    let open = sessions.saturating_sub(number(2).unwrap_or(0));
    let bus = Connection::system().await?;
    let server = bus.object_server();
    let started = Stamps::now();
    for number in 0..sessions {
        let state = if number < open { "active" } else { "closing" };
        let session = Session {
            number,
            started,
            state,
        };
        server.at(path_of(number), session).await?;
    }
    server.at(PATH, Manager { sessions }).await?;
    bus.request_name("org.freedesktop.login1").await?;
    println!("{sessions} sessions");
    std::future::pending().await
}

fn path_of(number: u32) -> OwnedObjectPath {
    let path = format!("{PATH}/session/fake{number}");
    ObjectPath::from_string_unchecked(path).into()
}

fn id_of(number: u32) -> String {
    format!("fake{number}")
}

fn user_of(number: u32) -> String {
    format!("person{number}")
}

const fn uid_of(number: u32) -> u32 {
    100_000 + number
}

/// The time of the login of all sessions.
#[derive(Clone, Copy)]
struct Stamps {
    wall: u64,
    monotonic: u64,
}

impl Stamps {
    fn now() -> Self {
        let monotonic = clock_gettime(ClockId::Monotonic);
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall: u64::try_from(wall.as_micros()).unwrap_or(0),
            monotonic: u64::try_from(monotonic.tv_sec).unwrap_or(0) * 1_000_000,
        }
    }
}

struct Manager {
    sessions: u32,
}

/// An entry of `ListSessions`: id, uid, user, seat, object.
type Row = (String, u32, String, String, OwnedObjectPath);

#[interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn list_sessions(&self) -> Vec<Row> {
        let all = 0..self.sessions;
        all.map(|number| {
            let (id, user) = (id_of(number), user_of(number));
            (id, uid_of(number), user, String::new(), path_of(number))
        })
        .collect()
    }

    fn get_session(&self, id: &str) -> fdo::Result<OwnedObjectPath> {
        let number = id
            .strip_prefix("fake")
            .and_then(|number| number.parse().ok());
        let known = number.filter(|number: &u32| *number < self.sessions);
        known
            .map(path_of)
            .ok_or_else(|| fdo::Error::Failed(format!("no session {id}")))
    }

    /// Ends the session at once.
    async fn terminate_session(
        &mut self,
        id: &str,
        #[zbus(object_server)] server: &ObjectServer,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        let path = self.get_session(id)?;
        if server.remove::<Session, _>(&path).await? {
            Self::session_removed(&emitter, id, path.into()).await?;
        }
        Ok(())
    }

    #[zbus(signal)]
    async fn session_removed(
        emitter: &SignalEmitter<'_>,
        id: &str,
        path: ObjectPath<'_>,
    ) -> zbus::Result<()>;

    fn list_inhibitors(&self) -> Vec<(String, String, String, String, u32, u32)> {
        Vec::new()
    }
}

struct Session {
    number: u32,
    started: Stamps,
    state: &'static str,
}

#[interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn id(&self) -> String {
        id_of(self.number)
    }

    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        (uid_of(self.number), path_of(self.number))
    }

    #[zbus(property)]
    fn name(&self) -> String {
        user_of(self.number)
    }

    #[zbus(property)]
    fn timestamp(&self) -> u64 {
        self.started.wall
    }

    #[zbus(property)]
    fn timestamp_monotonic(&self) -> u64 {
        self.started.monotonic
    }

    #[zbus(property)]
    fn seat(&self) -> (String, OwnedObjectPath) {
        (String::new(), path_of(self.number))
    }

    #[zbus(property, name = "TTY")]
    fn tty(&self) -> String {
        format!("pts/{}", self.number)
    }

    #[zbus(property)]
    fn remote_host(&self) -> &str {
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
    }

    #[zbus(property)]
    fn service(&self) -> &str {
        "sshd"
    }

    /// The pid of the leader: no process of the machine has it.
    #[zbus(property)]
    fn leader(&self) -> u32 {
        1_000_000 + self.number
    }

    #[zbus(property)]
    fn r#type(&self) -> &str {
        "tty"
    }

    #[zbus(property)]
    fn class(&self) -> &str {
        "user"
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        self.state
    }

    #[zbus(property)]
    fn idle_since_hint(&self) -> u64 {
        self.started.wall
    }
}
